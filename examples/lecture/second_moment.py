"""The second moment: each coordinate is divided by the size of its own slope.

    v ← αv + (1 − α)g²,   w ← w − lr·g/√v

Multiply one coordinate's slope by c, and v gets c² times as large: g/√v stays. So the walk does not
depend on the units of f, nor on those of any single slope, if ε is negligible. Under a constant gradient
v = (1 − αᵗ)g², so the t-th step is lr/√(1 − αᵗ): ten times lr at first for α = 0.99, where nothing
corrects v, and lr in the end.

In a valley along an axis this undoes the narrowness. It knows single coordinates only: in the same
valley, turned by 45°, both slopes have the same size, and little is gained.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

import optim
from examples.shared import Row, contours, walk

SLOPES, AXIS = np.array([1e-3, 1.0, 1e3]), np.eye(2)
TURN = np.array([[1.0, -1.0], [1.0, 1.0]]) / np.sqrt(2)


def valley(kappa: float, turn: Any) -> Callable[[Any], Any]:
    return lambda w: 0.5 * np.tensordot([1.0, kappa], np.tensordot(turn, w, 1) ** 2, 1)


def numbers() -> list[Row]:
    line = walk(optim.RMSprop, lambda w: np.sum(SLOPES * w), np.zeros(3), 800, lr=0.1, eps=0)
    bent = {"plain": lambda w: np.cosh(w) + 0.3 * w, "scaled": lambda w: SLOPES * (np.cosh(w) + 0.3 * w)}
    ways = {
        k: walk(optim.RMSprop, lambda w, f=f: np.sum(f(w)), np.ones(3), 50, eps=0) for k, f in bent.items()
    }
    wide, narrow = (walk(optim.RMSprop, valley(k, AXIS), [1.0, 1.0], 50, eps=0) for k in (1.0, 1e4))
    step = -np.diff(line, axis=0) / 0.1
    return [
        *(Row(f"step {t} ÷ lr", step[t - 1, 1], 1 / np.sqrt(1 - 0.99**t), 1e-9) for t in (1, 10, 800)),
        Row("largest ÷ smallest step, slopes 1e-3 to 1e3", step[-1].max() / step[-1].min(), 1, 1e-9),
        Row("walk on scaled slopes − plain", np.abs(ways["scaled"] - ways["plain"]).max(), 0, 1e-9),
        Row("walk at κ = 10⁴ − walk at κ = 1", np.abs(narrow - wide).max(), 0, 1e-9),
    ]


def draw(plt: Any) -> Any:
    fig, axes = plt.subplots(1, 2, figsize=(8, 3.9), sharey=True)
    for ax, turn, title in zip(axes, (AXIS, TURN), ("a valley along an axis", "turned by 45°"), strict=True):
        f, start = valley(50, turn), turn.T @ [1.0, 0.5]
        contours(ax, f, (-1.1, 1.2), (-1.1, 1.2), np.geomspace(0.02, 20, 8))
        for kind, lr in ((optim.SGD, 1.8 / 50), (optim.RMSprop, 0.01)):
            ax.plot(*walk(kind, f, start, 60, lr=lr).T, ".-", linewidth=1, label=kind.__name__)
        ax.plot(0, 0, "*", color="C2", markersize=10)
        ax.set(title=title, aspect="equal")
    axes[0].legend(loc="lower left")
    return fig
