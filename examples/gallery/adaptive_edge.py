"""The adaptive edge of stability: Adam has an edge too, in the coordinates that it scales.

Late in training Adam's v̂ hardly changes from step to step, so Adam is a momentum method that divides the
gradient by fixed numbers, P = diag(√v̂ + ε). In the coordinates √P·w its Hessian is

    P^-½ H P^-½

and its limit, that of an average of gradients, is

    (2 + 2β₁)/((1 − β₁)η) = 38/η   for β₁ = 0.9

The largest eigenvalue of *that* matrix rises to the limit and stays. The sharpness of H itself has no limit:
where descent is turned away from steep places, Adam can go on, because v̂ grows with the gradients that it
meets there. Cohen et al. saw it rise all through the training of networks for images. In this small network
it does not (right picture): it rises at first, then is level or falls.

The network and the data are those of *The edge of stability*; full batches, 6,000 steps. The number is the
median of η times that eigenvalue over the later half, at rates that differ by a factor of ten.

Source: J. Cohen et al. 2022, Adaptive gradient methods at the edge of stability.
"""

from functools import cache
from typing import Any

import numpy as np

import optim
from examples.gallery.edge_of_stability import EVERY, settled, training
from examples.shared import Row

RATES, STEPS = (1e-3, 2e-3, 5e-3, 1e-2), 6000
LIMIT = (2 + 2 * 0.9) / (1 - 0.9)


def preconditioned(adam: Any, loss: Any, w: list[Any]) -> float:
    return float(optim.preconditioned_sharpness(loss, w, adam.preconditioner(), tol=1e-3))


@cache
def run(lr: float, steps: int = STEPS) -> tuple[Any, Any]:
    return training(optim.Adam, {"lr": lr}, preconditioned, steps)


@cache
def plain(lr: float) -> Any:
    """The sharpness of H itself along the same training."""
    sharp = training(optim.Adam, {"lr": lr}, lambda _, loss, w: optim.sharpness(loss, w, tol=1e-3), STEPS)[1]
    return sharp / lr


def numbers() -> list[Row]:
    found = {lr: settled(run(lr)[1]) for lr in RATES}
    return [
        Row(f"lr·preconditioned, lr = {lr:g}", x, LIMIT, 0.05 * LIMIT, "Cohen 2022")
        for lr, x in found.items()
    ]


def draw(plt: Any) -> Any:
    fig, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6))
    steps = EVERY * np.arange(1, STEPS // EVERY + 1)
    for lr in RATES:
        left.plot(steps, run(lr)[1], label=f"lr = {lr:g}")
    left.axhline(LIMIT, color="grey", linestyle=":")
    left.set(title="lr · sharpness of P^-½ H P^-½, and 38", xlabel="step")
    for lr in RATES:
        right.plot(steps, plain(lr))
    right.set(title="sharpness of H", xlabel="step", yscale="log")
    left.legend()
    return fig
