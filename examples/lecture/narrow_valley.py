"""A narrow valley: across it the steps swing from side to side, along it they creep.

    f = ½(x² + κy²),   κ = λmax/λmin, the condition number

One rate serves both directions. On the steep axis a step multiplies y by 1 − ηκ, which is negative as
soon as η > 1/κ: y changes its sign with every step. On the flat axis it multiplies x by 1 − η only. The
best η makes |1 − ηκ| = |1 − η|, so η = 2/(κ + 1), and each step keeps the share (κ − 1)/(κ + 1) of both.
That is about 1 − 2/κ: the number of steps grows as κ. For the heavy ball with the best η = 4/(√κ + 1)²
and μ = share², the share is (√κ − 1)/(√κ + 1), so its number of steps grows as √κ.
"""

from typing import Any

import numpy as np

import optim
from examples.shared import Row, contours, steps_until, walk

SHARE = (np.sqrt(50) - 1) / (np.sqrt(50) + 1)
BALL = {"lr": 4 / (np.sqrt(50) + 1) ** 2, "momentum": SHARE**2}


def path(kappa: float, steps: int, **options: float) -> Any:
    return walk(optim.SGD, lambda w: 0.5 * (w[0] ** 2 + kappa * w[1] ** 2), [1.0, 1.0], steps, **options)


def needed(kappa: float) -> int:
    """Steps at the best rate until both coordinates are at most 0.01."""
    return steps_until(lambda w: np.abs(w).max() <= 0.01, path(kappa, int(3 * kappa), lr=2 / (kappa + 1)))


def numbers() -> list[Row]:
    w, best = path(50, 40, lr=1.8 / 50), np.abs(path(50, 2, lr=2 / 51)).max(axis=1)
    size = np.linalg.norm(path(50, 500, **BALL), axis=1)
    ratio = np.log(99 / 101) / np.log(399 / 401)
    return [
        Row("steep axis: y₊/y at η = 1.8/κ", np.median(w[1:, 1] / w[:-1, 1]), 1 - 1.8, 1e-12),
        Row("changes of its sign in 40 steps", np.sum(w[1:, 1] * w[:-1, 1] < 0), 40),
        Row("flat axis: x₊/x", np.median(w[1:, 0] / w[:-1, 0]), 1 - 1.8 / 50, 1e-12),
        Row("share kept at the best rate", best[2] / best[1], 49 / 51, 1e-12),
        Row("steps at κ = 400 ÷ at κ = 100", needed(400) / needed(100), ratio, 0.02),
        Row("heavy ball: share kept", (size[-1] / size[250]) ** (1 / 250), SHARE, 5e-3),
    ]


def draw(plt: Any) -> Any:
    fig, axes = plt.subplots(2, 1, figsize=(7, 4.2), sharex=True)
    runs = {"gradient descent, η = 1.8/κ": {"lr": 1.8 / 50}, "heavy ball, best η and μ": BALL}
    for ax, (title, options) in zip(axes, runs.items(), strict=True):
        w = path(50, 60, **options)
        contours(
            ax, lambda w: w[0] ** 2 + 50 * w[1] ** 2, (-0.1, 1.05), (-2.8, 2.8), np.geomspace(0.1, 400, 9)
        )
        ax.plot(*w.T, "o-", markersize=3, linewidth=1)
        ax.set(title=f"{title}: 60 steps, |x| = {abs(w[-1, 0]):.1g} left", ylabel="y")
    axes[1].set_xlabel("x")
    return fig
