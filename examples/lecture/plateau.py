"""Slow flat regions: plain descent walks at the speed of the slope.

Where f falls with a slope s, a step has length ηs, so a plateau of width W takes W/(ηs) steps. An average
of gradients starts from 0 and comes β/(1 − β) steps later. Adam divides the slope by its own size: its
step is lr for any s, so W/lr steps do.

A neuron that is wrong and sure of it sits on such a plateau. Its output is σ(w), its target 1, and w is
far below 0. The slope of ½(1 − σ)² is −(1 − σ)²σ ≈ −eʷ, that of the cross-entropy −ln σ is −(1 − σ) ≈ −1.
With small steps w obeys dw/dt = −η f′, so the time from a to 0 is ∫dw/(−ηf′). With 1/σ = 1 + e⁻ʷ, these
are

    ½(1 − σ)²:   [−e⁻ʷ + 3w + 3eʷ + ½e²ʷ]/η from a to 0 ≈ e⁻ᵃ/η        −ln σ:   [w + eʷ]/η ≈ −a/η
"""

from typing import Any

import numpy as np

import optim
from examples.shared import Row, curves, steps_until, walk

RATE, WRONG = 0.1, -5.0
LOSSES = {  # of the weight w of a neuron whose target is 1
    "squared error": lambda w: 0.5 * (1 - 1 / (1 + np.exp(-w))) ** 2,
    "cross-entropy": lambda w: np.log(1 + np.exp(-w)),
}
PLATEAUS = (  # W = 10: the optimizer, s, the steps predicted
    (optim.SGD, 1.0, 10 / RATE),
    (optim.SGD, 0.1, 10 / RATE / 0.1),
    (optim.Momentum, 1.0, 10 / RATE + 9),
    (optim.Adam, 1.0, 10 / RATE),
    (optim.Adam, 0.001, 10 / RATE),
)


def shelf(kind: Any, slope: float, steps: int) -> Any:
    return walk(kind, lambda x: slope * x + 0.5 * np.minimum(x, 0) ** 2, 10.0, steps, lr=RATE)


def numbers() -> list[Row]:
    a, e, rows = WRONG, np.exp(WRONG), []
    times = {"squared error": 1 / e + 2.5 - 3 * a - 3 * e - e * e / 2, "cross-entropy": 1 - a - e}
    for kind, slope, wanted in PLATEAUS:
        found = steps_until(lambda x: x <= 1e-9, shelf(kind, slope, 1100))
        rows.append(Row(f"{kind.__name__}, slope {slope:g}: steps", found, wanted, 1))
    for name, loss in LOSSES.items():
        found = steps_until(lambda w: w >= 0, walk(optim.SGD, loss, WRONG, 1700, lr=RATE))
        rows.append(Row(f"{name}: steps to σ = ½", found, times[name] / RATE, 3))
    return rows


def draw(plt: Any) -> Any:
    fig, (left, right) = plt.subplots(1, 2, figsize=(8, 3.4))
    shelves = {f"{kind.__name__}, slope {s:g}": shelf(kind, s, 300) for kind, s, _ in PLATEAUS}
    curves(left, shelves, title="across a shelf of width 10", xlabel="step", ylabel="x")
    outputs = {k: 1 / (1 + np.exp(-walk(optim.SGD, f, WRONG, 2000, lr=RATE))) for k, f in LOSSES.items()}
    curves(
        right, outputs, title="a neuron that is wrong and sure", xlabel="step", ylabel="output σ, target 1"
    )
    return fig
