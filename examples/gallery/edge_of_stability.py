"""The edge of stability: training drives the sharpness to the limit of the rate, and stays there.

Descent with the rate η is stable on a parabola of curvature λ if λ < 2/η. Theory used to choose η by the
sharpness, the largest eigenvalue of the Hessian. In training by all data at once it is the other way round:
the sharpness rises until it meets the limit of whatever η was chosen, and then hovers there. Along the
steepest direction the weights swing to and fro, but as they swing wider they come to where it is less steep.
The loss goes up and down from step to step, and falls over many of them.

The limit is that of the recurrence on a parabola (see *Rates on quadratics*):

    descent      2/η
    heavy ball   (2 + 2β)/η
    Nesterov     (2 + 2β)/((1 + 2β)η)
    average      (2 + 2β)/((1 − β)η)

A tanh network 1-30-20-1 learns T₆ at 20 points. At the edge a walk is chaotic: its digits depend on the last
bit. So what is compared is a statistic, the median of η·sharpness over the later half of 8,000 steps.

Source: J. Cohen et al. 2021, Gradient descent on neural networks typically occurs at the edge of stability.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

import optim
from examples.newton_vs_saddle import X, chebyshev, network
from examples.shared import Row
from minigrad import compile

BETA, STEPS, EVERY = 0.5, 8000, 100
METHODS: dict[str, tuple[Any, dict[str, Any], float]] = {  # with the published limit of η·sharpness
    "descent": (optim.SGD, {"lr": 0.2}, 2),
    "heavy ball": (optim.SGD, {"lr": 0.2, "momentum": BETA}, 2 + 2 * BETA),
    "Nesterov": (optim.SGD, {"lr": 0.1, "momentum": BETA, "nesterov": True}, (2 + 2 * BETA) / (1 + 2 * BETA)),
    "average": (optim.Momentum, {"lr": 0.2, "beta": BETA}, (2 + 2 * BETA) / (1 - BETA)),
}
Measure = Callable[[Any, Any, list[Any]], float]  # of the optimizer, the loss and the parameters


def training(kind: Any, options: dict[str, Any], measure: Measure, steps: int) -> tuple[Any, Any]:
    """The loss, and lr times a measure, every `EVERY` steps."""
    model, x, y = network(seed=0), X[:, None], chebyshev(X)[:, None]
    optimizer, loss = kind(model.parameters(), **options), compile(lambda: 0.5 * np.mean((model(x) - y) ** 2))
    losses, measured = [], []
    for step in range(1, steps + 1):
        value = optimizer.step(loss.at())
        if step % EVERY == 0:
            losses.append(value.item())
            measured.append(options["lr"] * measure(optimizer, loss, list(model.parameters())))
    return np.array(losses), np.array(measured)


def settled(values: Any) -> float:
    """The median of the later half."""
    return float(np.median(values[len(values) // 2 :]))


@cache
def run(name: str, steps: int = STEPS) -> tuple[Any, Any]:
    kind, options, _ = METHODS[name]
    return training(kind, options, lambda _, loss, w: optim.sharpness(loss, w, tol=1e-3), steps)


def numbers() -> list[Row]:
    return [
        Row(f"{name}: lr·sharpness in the end", settled(run(name)[1]), limit, 0.03 * limit, "Cohen 2021")
        for name, (_, _, limit) in METHODS.items()
    ]


def draw(plt: Any) -> Any:
    fig, axes = plt.subplots(2, 2, figsize=(10, 6.4))
    steps = EVERY * np.arange(1, STEPS // EVERY + 1)
    for ax, (name, (kind, options, _)) in zip(axes.flat, METHODS.items(), strict=True):
        optimizer = kind(network(seed=0).parameters(), **options)
        optim.figures.sharpness_over_time(steps, run(name)[1] / options["lr"], optimizer, ax=ax)
        ax.set_title(name)
    return fig
