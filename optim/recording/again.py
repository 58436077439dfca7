"""The gradient of a recorded step, computed again from the weights before it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from minigrad import Tensor
from minigrad.extend import Bound, numeric
from optim.base.groups import Array
from optim.base.loss import no_loss

__all__ = ["loss_and_gradient", "require_same"]

CALL = "run.recompute(loss)"


def loss_and_gradient(
    loss: Callable[[int], Any], t: int, leaves: Mapping[str, Tensor], weights: Mapping[str, Array]
) -> tuple[float, dict[str, Array]]:
    """loss(t) and its gradient by name, with these weights in the leaves; they are put back afterwards."""
    kept = {name: (leaf.data.copy(), leaf.gradient) for name, leaf in leaves.items()}
    try:
        for name, leaf in leaves.items():
            leaf.assign(weights[name])
            leaf.gradient = None
        value = loss(t)
        value = value() if isinstance(value, Bound) else value
        if not isinstance(value, Tensor) or value.size != 1:
            raise no_loss(CALL, value)
        value.backward()
        found = {n: numeric(p.gradient, f"{n}.grad") for n, p in leaves.items() if p.gradient is not None}
        return float(value.item()), found
    finally:
        for name, leaf in leaves.items():
            leaf.assign(kept[name][0])
            leaf.gradient = kept[name][1]


def require_same(t: int, loss: float, gradient: Mapping[str, Array], was: tuple[float, float]) -> None:
    """Require the loss and the norm of the gradient that were recorded, up to rounding on another machine."""
    squares = [float(np.vdot(g, g)) for g in (each.astype(float) for each in gradient.values())]
    tolerance = math.sqrt(max(np.finfo(g.dtype).eps for g in gradient.values())) if gradient else 0.0
    names, now = ("loss", "norm of the gradient"), (loss, math.sqrt(sum(squares)))
    for name, before, again in zip(names, was, now, strict=True):
        if math.isfinite(before) and not math.isclose(before, again, rel_tol=tolerance, abs_tol=1e-300):
            raise ValueError(
                f"`{CALL}`: the {name} of step {t} was {before:.9g}, and with loss({t}) it is {again:.9g}. "
                "Does the loss take the rows of that step, in training mode, with the same random numbers?"
            )
