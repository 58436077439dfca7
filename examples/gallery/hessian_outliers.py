"""Outliers of the Hessian: the number of large eigenvalues counts the classes.

The spectrum of a classifier's Hessian has a bulk near 0 and a few outliers. Sagun et al. and Papyan found
that they count the classes: the Hessian is nearly the covariance of the gradients of the k outputs, and the
means of these over the classes are k directions. Under cross-entropy one of them is missing, because adding a
number to all scores changes nothing; under a squared error all k are there.

    cross-entropy   k − 1 outliers
    squared error   k outliers

The largest gap between neighbours in the spectrum tells where they end. The data are k clouds of 40 points in
20 dimensions, around orthogonal means. A network 20-20-k with ReLU learns them in 200 steps of descent at the
rate 0.3; then all its eigenvalues are computed (483 for k = 3).

Sources: L. Sagun et al. 2018, Empirical analysis of the Hessian of over-parametrized neural networks;
V. Papyan 2019, Measurements of three-level hierarchical structure in the outliers in the spectrum of deepnet
Hessians.
"""

from functools import cache
from typing import Any

import numpy as np

import optim
from examples.shared import Row
from minigrad import compile
from models import MLP, cross_entropy

CLASSES, WIDTH = (3, 5), 20


def clouds(k: int) -> tuple[Any, Any]:
    """Points (40k, 20) and their classes."""
    rng, y = np.random.default_rng(0), np.repeat(np.arange(k), 40)
    frame = np.linalg.qr(rng.normal(size=(WIDTH, WIDTH)))[0][:k]
    x = frame[y] * np.sqrt(WIDTH) / 2 + rng.normal(size=(len(y), WIDTH))
    return x / np.sqrt(WIDTH), y


@cache
def eigenvalues(k: int, squared: bool) -> Any:
    """All of them after training, descending."""
    x, y = clouds(k)
    model = MLP((WIDTH, WIDTH, k), "relu", rng=0)

    def loss() -> Any:
        if squared:
            return 0.5 * np.mean(np.sum((model(x) - np.eye(k)[y]) ** 2, axis=1))
        return cross_entropy(model(x), y)

    compiled, descent = compile(loss), optim.SGD(model.parameters(), lr=0.3)
    for _ in range(200):
        descent.step(compiled.at())
    return optim.hessian_spectrum(compiled, model.parameters()).values[::-1]


def gap(values: Any) -> int:
    """The number of eigenvalues before the largest gap."""
    return int(np.argmax(values[:-1] - values[1:])) + 1


def numbers() -> list[Row]:
    return [
        Row(f"{name}, {k} classes", gap(eigenvalues(k, squared)), k - 1 + squared, source="Papyan 2019")
        for squared, name in enumerate(("cross-entropy", "squared error"))
        for k in CLASSES
    ]


def draw(plt: Any) -> Any:
    fig, axes = plt.subplots(1, 2, figsize=(9, 3.4))
    for squared, (ax, name) in enumerate(zip(axes, ("cross-entropy", "squared error"), strict=True)):
        for k in CLASSES:
            values, outliers = eigenvalues(k, bool(squared)), k - 1 + squared
            line = ax.plot(range(1, 16), values[:15], "o-", label=f"{k} classes: {gap(values)} outliers")[0]
            ax.axvline(outliers + 0.5, color=line.get_color(), linestyle=":")
        ax.set(title=name, xlabel="number of the eigenvalue", ylabel="λ")
        ax.legend()
    return fig
