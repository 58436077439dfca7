"""What an optimizer can measure of the loss that it minimizes, offered by name through
`Optimizer.measures()`, which imports this file when it is asked.

Names: `f(*batch)` the loss of a batch, a scalar Tensor.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from minigrad import Tensor
from optim import gradient_noise, preconditioned_sharpness, sharpness
from optim.base.first_order import FirstOrder
from optim.base.optimizer import Optimizer

__all__ = ["measures"]

Loss = Callable[..., Any]
Measure = Callable[[Loss, Any], float]


def measures(optimizer: Optimizer) -> dict[str, Measure]:
    """See `Optimizer.measures`."""

    def plain(f: Loss, batch: Any) -> float:
        return float(sharpness(lambda: f(*batch), _trained(optimizer)))

    def preconditioned(f: Loss, batch: Any) -> float:
        P = optimizer.preconditioner()  # type: ignore[attr-defined]
        return float(preconditioned_sharpness(lambda: f(*batch), _trained(optimizer), P))

    def noise(f: Loss, batch: Any) -> float:
        return gradient_noise(f, _trained(optimizer), batch).noise_scale if len(batch[0]) > 1 else math.nan

    found: dict[str, Measure] = {"sharpness": plain, "gradient_noise": noise}
    kind = type(optimizer)
    if issubclass(kind, FirstOrder) and kind.second_moment is not FirstOrder.second_moment:
        found["preconditioned_sharpness"] = preconditioned
    return found


def _trained(optimizer: Optimizer) -> list[Tensor]:
    params = [p for group in optimizer.param_groups for p in group["params"]]
    return [p for p in params if p.requires_grad]
