"""Adam can fail: a rare large gradient is forgotten before it counts.

In each period of 101 steps the gradient is 1010 once and −10 a hundred times, with x in [−1, 1]. Their sum is
+10, so the loss is least at x = −1. With β₂ = 0.99, v forgets the large one within its period: when it comes,
v is large and the step small; during the rest v is small and the steps the other way are large. In the
steady state v and m are periodic, and with a constant rate α a period moves x by

    Adam      −α Σ mₖ/√vₖ     = +1.9008548 α
    AMSGrad   −α Σ mₖ/√max vₖ = −0.0788189 α

Adam moves up, the wrong way; AMSGrad divides by the same number all the time, and moves down. With αₜ = ½/√t,
as Reddi et al. have it, Adam goes to x = +1, the worst point of all; AMSGrad goes to −1, and takes its time.
They leave out the correction of the bias; ours has faded after the first thousand steps.

Source: S. Reddi, S. Kale, S. Kumar 2018, On the convergence of Adam and beyond.
"""

from functools import cache
from typing import Any

import numpy as np

import optim
from examples.shared import Row, curves
from minigrad import Tensor, compile

PERIOD, BETAS = 101, (0.9, 0.99)
SOURCE = "Reddi 2018"


@cache
def path(periods: int, constant: bool = False) -> Any:
    """x of Adam and of AMSGrad after each period; with a constant rate 1 they are not kept in [−1, 1]."""
    adam, amsgrad = (Tensor(0.0, requires_grad=True) for _ in range(2))
    optimizer = optim.Adam([{"params": [adam]}, {"params": [amsgrad], "amsgrad": True}], 1.0, BETAS, eps=0.0)
    loss, points = compile(lambda slope: slope * (adam + amsgrad)), []
    for t in range(1, PERIOD * periods + 1):
        for group in optimizer.param_groups:
            group["lr"] = 1.0 if constant else 0.5 / np.sqrt(t)
        optimizer.step(loss.at(1010.0 if t % PERIOD == 1 else -10.0))
        for x in () if constant else (adam, amsgrad):
            x.assign(np.clip(x.data, -1, 1))
        if t % PERIOD == 0:
            points.append((adam.item(), amsgrad.item()))
    return np.array(points)


def numbers() -> list[Row]:
    drift, ends = np.diff(path(30, constant=True), axis=0)[-1], path(300)[-1]
    return [
        Row("Adam: drift in a period ÷ α", drift[0], 1.9008548, 1e-6, "steady state"),
        Row("AMSGrad: drift ÷ α", drift[1], -0.0788189, 1e-7, "steady state"),
        Row("Adam: x in the end", ends[0], 1, 0.05, SOURCE),
        Row("AMSGrad: x in the end", ends[1], -1, 0.05, SOURCE),
    ]


def draw(plt: Any) -> Any:
    fig, ax = plt.subplots(figsize=(7, 3.4))
    points = path(300).T
    curves(ax, dict(zip(("Adam", "AMSGrad"), points, strict=True)), xlabel="period of 101 steps", ylabel="x")
    ax.axhline(-1, color="grey", linestyle=":")
    ax.set(title="the loss is least at −1", ylim=(-1.1, 1.1))
    return fig
