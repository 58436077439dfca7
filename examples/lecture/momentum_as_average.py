"""Momentum as an average: it remembers about 1/(1 − β) gradients.

    m ← βm + (1 − β)g,   w ← w − η m

Unrolled, m = (1 − β)(g + β g₋₁ + β² g₋₂ + …): an exponential average. Under a constant gradient m/g = 1 −
βᵗ, so after 1/(1 − β) steps it has covered about 1 − 1/e of the way. Of independent noise with variance
σ² it keeps (1 − β)²(1 + β² + β⁴ + …) = (1 − β)/(1 + β) of the variance: 0.053 for β = 0.9.

The heavy ball b ← βb + g, w ← w − lr·b adds what is averaged here, so b = m/(1 − β). Both walk the same
way if lr = η(1 − β), from the first step on: b = g there, and m = (1 − β)g. Who goes from one form to the
other and keeps the rate trains at ten times the rate, or a tenth.
"""

from typing import Any

import numpy as np

import optim
from examples.shared import Row, curves, walk
from minigrad import Tensor

BETA = 0.9


def averages(gradients: Any) -> Any:
    """m after each of some gradients, as `optim.Momentum` keeps it."""
    w, out = Tensor(np.zeros(gradients.shape[1:]), requires_grad=True, name="w"), []
    optimizer = optim.Momentum([w], lr=0.0, beta=BETA)
    optimizer.keep_last_step = True
    for g in gradients:
        w.grad = g.copy()
        optimizer.step()
        out.append(optimizer.last_step["w"]["m"])
    return np.array(out)


def numbers() -> list[Row]:
    steady = averages(np.ones((40, 1)))[:, 0]
    noise = averages(np.random.default_rng(0).normal(size=(60, 10_000)))
    valley = lambda w: np.sum(np.array([0.5, 10.0]) * w**2 + 0.1 * w**4)  # noqa: E731
    ball = walk(optim.SGD, valley, [1.0, 1.0], 100, lr=0.05 * (1 - BETA), momentum=BETA)
    average = walk(optim.Momentum, valley, [1.0, 1.0], 100, lr=0.05, beta=BETA)
    return [
        *(Row(f"m/g after {t} steps", steady[t - 1], 1 - BETA**t, 1e-12) for t in (1, 10, 40)),
        Row("share of the noise's variance", noise[-1].var(), (1 - BETA) / (1 + BETA), 0.002),
        Row("average − heavy ball at lr·(1 − β)", np.abs(average - ball).max(), 0, 1e-12),
    ]


def draw(plt: Any) -> Any:
    fig, (left, right) = plt.subplots(1, 2, figsize=(8, 3.3))
    g = 1 + np.random.default_rng(1).normal(size=(60, 1))
    expected = 1 - BETA ** np.arange(1, 61, 3)
    left.plot(np.arange(0, 60, 3), expected, "o", mfc="none", c="C1", label="1 − βᵗ")
    curves(left, {"m/g": averages(np.ones((60, 1)))}, title="a constant gradient", xlabel="step")
    right.plot(g, ".", color="grey")
    curves(right, {"m": averages(g)}, title="slope 1 and noise 1, averaged", xlabel="step")
    return fig
