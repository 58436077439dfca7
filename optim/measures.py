"""What an optimizer can measure of the loss that it minimizes, offered by name through
`Optimizer.measures()`, which imports this file when it is asked.

Names: `f(*batch)` the loss of a batch, a scalar Tensor; `gᵢ` the gradient of its row i, `m` the number of
rows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minigrad import Tensor, gradient_and_hvp
from minigrad.extend import Packing
from optim import preconditioned_sharpness, sharpness
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
        return _noise_scale(f, batch, _trained(optimizer))

    found: dict[str, Measure] = {"sharpness": plain, "gradient_noise": noise}
    kind = type(optimizer)
    if issubclass(kind, FirstOrder) and kind.second_moment is not FirstOrder.second_moment:
        found["preconditioned_sharpness"] = preconditioned
    return found


def _trained(optimizer: Optimizer) -> list[Tensor]:
    params = [p for group in optimizer.param_groups for p in group["params"]]
    return [p for p in params if p.requires_grad]


def _noise_scale(f: Loss, batch: Sequence[Any], params: Sequence[Tensor]) -> float:
    """The batch size beyond which larger batches save few steps.

        ḡ = mean gᵢ,   tr Σ = Σ‖gᵢ − ḡ‖²/(m − 1),   ‖G‖² = ‖ḡ‖² − tr Σ/m,   B = tr Σ/‖G‖²

    ∞ where the rows are too few to tell that G is not 0, NaN for one row. f has to be a mean over rows.

    Reference: McCandlish, Kaplan, Amodei 2018, An empirical model of large-batch training.
    """
    m = len(batch[0])
    if m < 2:
        return math.nan
    packing = Packing([p.data for p in params])
    mean, squares = np.zeros(packing.n), 0.0
    for i in range(m):  # Welford's update
        gradient, _ = gradient_and_hvp(f(*(a[i : i + 1] for a in batch)), params)
        change = packing.join(gradient, ()) - mean
        mean += change / (i + 1)
        squares += float(change @ change) * i / (i + 1)
    trace = squares / (m - 1)
    signal = float(mean @ mean) - trace / m
    return trace / signal if signal > 0 else math.inf
