"""Saddle points: the slope vanishes, and it takes time to fall off.

    f = ½(x² − y²),   at a distance δ from the ridge y = 0

Gradient descent multiplies y by 1 + ηλ, with −λ the negative curvature, here λ = 1. To get from δ to 1
takes ln(1/δ)/ln(1 + ηλ) steps: every factor of ten of δ costs the same, and from δ = 0 it never leaves.
Adam divides the slope by its size, so its walk off the ridge does not depend on δ, as long as ε is far
below the slope.

Newton's step −g/λ goes *to* the point where the parabola is flat, a saddle as well as a minimum: from
anywhere it is there in one step. Divide by |λ| instead ("saddle-free", Dauphin et al. 2014), and the step
is +y: y doubles, so it takes log₂(1/δ) steps, the same law with ηλ = 1. Where the slope is too small to
say anything, `optim.Newton` leaves along the negative curvature itself.
"""

from typing import Any

import numpy as np

import optim
from examples.shared import Row, curves, newton, steps_until, walk

RATE, DELTAS = 0.1, (1e-2, 1e-4, 1e-6)


def ridge(w: Any) -> Any:
    return 0.5 * (w[0] ** 2 - w[1] ** 2)


def path(name: str, delta: float) -> Any:
    """The walk from (1, δ) until |y| ≥ 1."""
    w = {
        "descent": lambda: walk(optim.SGD, ridge, [1.0, delta], 150, lr=RATE),
        "Adam": lambda: walk(optim.Adam, ridge, [1.0, delta], 40, lr=RATE, eps=1e-16),
        "Newton with |λ|": lambda: newton(ridge, [1.0, delta], 25, "abs"),
    }[name]()
    return w[: steps_until(lambda w: abs(w[1]) >= 1, w) + 1]


def numbers() -> list[Row]:
    rows, lost = [], newton(ridge, [1.0, 0.5], 1)[1]
    for name, factor in (("descent", 1 + RATE), ("Newton with |λ|", 2)):
        for d in DELTAS:
            steps = np.ceil(np.log(1 / d) / np.log(factor))
            rows.append(Row(f"{name}: steps from δ = {d:g}", len(path(name, d)) - 1, steps))
    adam = len(path("Adam", 1e-8)) - len(path("Adam", 1e-4))
    rows.append(Row("Adam: steps from δ = 1e-8 − from 1e-4", adam, 0))
    return [*rows, Row("Newton with λ: distance after 1 step", np.linalg.norm(lost), 0, 1e-12)]


def draw(plt: Any) -> Any:
    fig, ax = plt.subplots(figsize=(7, 3.6))
    for d, style in zip(DELTAS, (":", "--", "-"), strict=True):
        lines = {
            f"{name}, {d:g}": np.abs(path(name, d)[:, 1]) for name in ("descent", "Adam", "Newton with |λ|")
        }
        ax.set_prop_cycle(None)
        curves(ax, lines, style, title="from δ off the ridge", xlabel="step", ylabel="|y|", yscale="log")
    return fig
