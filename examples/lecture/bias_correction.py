"""Bias correction: an average that starts from 0 is too small at first.

Under a constant gradient g, m = (1 − β₁ᵗ)g and v = (1 − β₂ᵗ)g². Adam divides both by their factors, m̂ =
g and v̂ = g², so every step is lr. Without the corrections the t-th step is

    lr·(1 − β₁ᵗ)/√(1 − β₂ᵗ):   0.1/√0.001 = 3.162 lr at first

because v is even further from its mean than m. It is largest where both effects meet, and still above lr
after a hundred steps: the warm-up of a careless rule is a jump. RMSprop corrects nothing: its first step
is lr/√(1 − α).
"""

from typing import Any

import numpy as np

import optim
from examples.shared import Row, curves, walk

B1, B2 = 0.9, 0.999


class Uncorrected(optim.FirstOrder):
    """Adam without its corrections."""

    state_names = ("m", "v")

    @staticmethod
    def rule(w: Any, g: Any, m: Any, v: Any, *, t: int, lr: float) -> dict[str, Any]:
        m, v = B1 * m + (1 - B1) * g, B2 * v + (1 - B2) * g * g
        return {"w": w - lr * m / np.sqrt(v), "m": m, "v": v}


def steps(kind: Any, n: int = 3000) -> Any:
    """The lengths of the steps under a constant gradient, ÷ lr."""
    return -np.diff(walk(kind, lambda w: 7.0 * w, 0.0, n, lr=1e-2)) / 1e-2


def factor(t: Any) -> Any:
    return (1 - B1**t) / np.sqrt(1 - B2**t)


def numbers() -> list[Row]:
    t, raw, corrected = np.arange(1, 201), steps(Uncorrected, 200), steps(optim.Adam, 200)
    return [
        Row("with: the step furthest from lr, ÷ lr", corrected[np.abs(corrected - 1).argmax()], 1, 1e-6),
        *(Row(f"without: step {k} ÷ lr", raw[k - 1], factor(k), 1e-9) for k in (1, 10, 100)),
        Row("without: number of the largest step", t[raw.argmax()], t[factor(t).argmax()]),
        Row("without: way of 200 steps ÷ lr", raw.sum(), factor(t).sum(), 1e-6),
        Row("RMSprop: first step ÷ lr", steps(optim.RMSprop, 1)[0], 1 / np.sqrt(1 - 0.99), 1e-6),
    ]


def draw(plt: Any) -> Any:
    fig, ax = plt.subplots(figsize=(7, 3.4))
    t, kinds = np.arange(1, 3001), {"Adam": optim.Adam, "uncorrected": Uncorrected, "RMSprop": optim.RMSprop}
    lines = {name: (t, steps(kind)) for name, kind in kinds.items()}
    curves(ax, lines, title="a constant gradient", xlabel="step", ylabel="step ÷ lr", xscale="log")
    ax.text(1.3, 2.3, "3.162", color="C1")
    return fig
