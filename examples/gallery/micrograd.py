"""micrograd's demo: the same losses, digit for digit.

Andrej Karpathy's micrograd (2020) differentiates one scalar at a time. Its notebook trains a network
2-16-16-1 with ReLU on 100 points of two moons and prints loss and accuracy of each of 100 steps. Here the
network is three products of matrices, but the derivative of a function does not depend on how it is computed:
the same start and the same data must give the same losses.

    loss = mean max(0, 1 − y·s) + 10⁻⁴ Σp²
    lr   = 1 − 0.9k/100 in step k

Only the order of the sums differs, so the losses agree to about 10⁻¹⁵. They do so after a hundred steps of
a rate near 1, at which the loss first doubles: a single wrong derivative would show in the first digits.
"""

from functools import cache
from typing import Any

from examples.micrograd_demo import PUBLISHED, picture, start, train
from examples.shared import Row
from models import MLP


@cache
def run() -> tuple[MLP, list[tuple[float, int]]]:
    """The trained network, and the loss and the accuracy of each step."""
    model = start(seed=1337)
    return model, train(model=model)


def numbers() -> list[Row]:
    rows, (_, trace) = [], run()
    for step, (loss, accuracy) in PUBLISHED.items():
        rows.append(Row(f"loss of step {step}", trace[step][0], loss, 1e-13, "demo.ipynb"))
        rows.append(Row("its accuracy in %", trace[step][1], accuracy, source="demo.ipynb"))
    return rows


def draw(plt: Any) -> Any:
    return picture(plt, *run())
