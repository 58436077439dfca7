"""The caller's preconditioner, a diagonal or a function, as the checked function r ↦ M⁻¹r that CG calls."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from minigrad.extend import require_plain
from optim.second_order.evaluation import Vector

__all__ = ["inverse_of"]


def inverse_of(call: str, preconditioner: Any) -> Callable[[Vector], Vector] | None:
    """r ↦ M⁻¹r, which checks its result at each call; None for None.

    Raises:
        TypeError, ValueError: M is neither a function nor a diagonal of positive numbers.
    """
    if preconditioner is None:
        return None
    what = f"`{call}(preconditioner=...)` must be a function r ↦ M⁻¹r or a diagonal (n,) of positive numbers"
    require_plain(preconditioner, f"`{call}(preconditioner=...)`")
    if not callable(preconditioner):
        try:
            diagonal = np.asarray(preconditioner, dtype=np.float64)
        except (TypeError, ValueError):
            raise TypeError(f"{what}, got {preconditioner!r:.60}.") from None
        if diagonal.ndim != 1 or not (np.isfinite(diagonal).all() and (diagonal > 0).all()):
            raise ValueError(f"{what}, got {preconditioner!r:.60}.")

    def solve(r: Vector) -> Vector:
        if callable(preconditioner):
            y = preconditioner(r.copy())
            require_plain(y, f"`{call}(preconditioner=...)`")
            y = np.asarray(y)
            if y.shape != r.shape or y.dtype.kind not in "fiub":
                raise ValueError(f"{what}; it returned {y.dtype} of shape {y.shape}, where n = {r.size}.")
            ry, rounding = float(r @ y), 1e-8 * math.sqrt(float(r @ r) * float(y @ y))
            if not ry >= -rounding and np.isfinite(r).all():
                raise ValueError(f"{what}; rᵀM⁻¹r is {ry:.3g} for a residual r. Is M positive definite?")
            return y
        if diagonal.size != r.size:
            raise ValueError(f"{what}; it has {diagonal.size} entries, where n = {r.size}.")
        return r / diagonal

    return solve
