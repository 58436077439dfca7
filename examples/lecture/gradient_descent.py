"""Gradient descent: to go down, step against the slope.

    w ← w − η g,   g = ∇f(w)

Near w, f is a parabola along the step, so a step changes f by −η‖g‖² + ½η² gᵀHg: the first term is what
the slope promises, the second is what the curvature takes back. In f = ½λw² the slope is λw, and each
step multiplies w by 1 − ηλ. After t steps w = (1 − ηλ)ᵗ w₀, and an error shrinks to a millionth in
ln(10⁶)/−ln(1 − ηλ) steps: every digit costs the same.
"""

from typing import Any

import numpy as np

import optim
from examples.shared import Row, contours, steps_until, walk
from minigrad import grad, hvp

CURVATURE, RATE = np.array([1.0, 4.0]), 0.1


def bowl(w: Any) -> Any:
    return 0.5 * np.sum(CURVATURE * w**2)


def numbers() -> list[Row]:
    w = walk(optim.SGD, bowl, [2.0, 1.0], 150, lr=RATE)
    g = grad(bowl)(w[0])
    promised = -RATE * g @ g + RATE**2 / 2 * g @ hvp(bowl, w[0], g)
    millionth = steps_until(lambda w: w[0] <= 2e-6, w)
    return [
        Row("w₁ after 20 steps, ÷ w₀", w[20, 0] / w[0, 0], (1 - RATE) ** 20, 1e-12),
        Row("w₂ after 20 steps, ÷ w₀", w[20, 1] / w[0, 1], (1 - 4 * RATE) ** 20, 1e-12),
        Row("change of f in the first step", bowl(w[1]) - bowl(w[0]), promised, 1e-12),
        Row("steps to a millionth of w₁", millionth, np.ceil(np.log(1e6) / -np.log(1 - RATE))),
    ]


def draw(plt: Any) -> Any:
    fig, (left, right) = plt.subplots(1, 2, figsize=(8, 3.4))
    w = walk(optim.SGD, bowl, [2.0, 1.0], 150, lr=RATE)
    contours(
        left, lambda w: (w[0] ** 2 + 4 * w[1] ** 2) / 2, (-0.4, 2.3), (-0.6, 1.3), np.geomspace(0.02, 5, 9)
    )
    left.plot(*w.T, "o-", markersize=4)
    left.set(title="each step crosses the contour lines", xlabel="w₁", ylabel="w₂", aspect="equal")
    for i, rate in ((0, "0.9"), (1, "0.6")):
        right.semilogy(w[:, i] / w[0, i], label=f"w{'₁₂'[i]}: × {rate} each step")
    right.axhline(1e-6, color="grey", linestyle=":")
    right.set(title="every digit costs the same", xlabel="step", ylabel="w/w₀", ylim=(1e-8, 2))
    right.legend(loc="upper right")
    return fig
