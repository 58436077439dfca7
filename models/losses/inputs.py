"""What every loss asks of its inputs, and how it sums up over a batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np

from minigrad import Op, Tensor
from minigrad.extend import apply, current, elementwise, is_live, numeric, printed, traced_if_capturing

__all__ = [
    "Reduction",
    "as_floats",
    "factor",
    "in_float32",
    "reduced",
    "same_shape",
    "weighed",
    "weighted",
    "with_checked",
]

Reduction = Literal["mean", "sum", "none"]


def in_float32(loss: Callable[..., Tensor], x: Any, *rest: Any) -> Tensor:
    """The loss, with the sums of a float16 x in float32, because float16 ends at 65504."""
    if x.dtype != np.float16:
        return loss(x, *rest)
    return loss(x.astype(np.float32), *rest).astype(np.float16)


def same_shape(call: str, a: Any, b: Any) -> tuple[Any, Any]:
    a = a if isinstance(a, Tensor) else numeric(a, call)
    b = b if isinstance(b, Tensor) else numeric(b, call)
    if a.shape != b.shape:
        raise ValueError(
            f"{call} needs both of one shape, got {a.shape} and {b.shape}; reshape one, nothing broadcasts."
        )
    if not a.size:
        raise ValueError(f"{call} of an empty batch: shape {a.shape}.")
    return as_floats(a, b.dtype), as_floats(b, a.dtype)


def as_floats(x: Any, like: Any = None) -> Any:
    """Integers as floats, in their partner's dtype if that is floating: differences of unsigned or small
    integers would wrap around."""
    if x.dtype.kind in "fc":
        return x
    return traced_if_capturing(x).astype(like if like is not None and like.kind in "fc" else np.float64)


def with_checked(check: Op, x: Any, **params: Any) -> Any:
    """x after `check`, or the constant that `check` computes from it. During a capture `check` is recorded,
    so that each replay runs it again."""
    checked = check.forward(x.primal if isinstance(x, Tensor) else x, **params)
    if current.mode.capturing is not None:
        return apply(check, (x,), params)
    return x if check.pulls else checked


def _require_weight(total: Any) -> Any:
    if not total > 0:
        raise ValueError(
            f"the mean of a loss needs weights with a sum above 0, got {total}: no row of this batch counts. "
            "Ignore fewer labels, or use reduction='sum'."
        )
    return total


_rows_count = elementwise(_require_weight, 1, name="rows_count")
printed(_rows_count, meaning=lambda total: +total)


def reduced(call: str, losses: Any, reduction: str, weights: Any = None) -> Any:
    """The losses as they are ("none"), their sum, or their mean: Σ losses/Σ weights, by default over all.

    Args:
        weights: the weight with which each row counts in the mean.
    """
    if reduction == "none":
        return losses
    if reduction == "sum":
        return np.sum(losses)
    if reduction != "mean":
        raise ValueError(f"{call} needs reduction='mean', 'sum' or 'none', got {reduction!r}.")
    if weights is None:
        return np.mean(losses)
    return np.sum(losses) / with_checked(_rows_count, np.sum(weights))


def _require_non_negative(w: Any, call: str, what: str) -> Any:
    if not np.all(w >= 0):
        raise ValueError(f"{call} needs {what}= of numbers ≥ 0, got {w.min()} among them.")
    return w


_is_non_negative = elementwise(_require_non_negative, 1, name="is_non_negative")
printed(_is_non_negative, meaning=lambda w, call, what: +w)


def weighed(weights: Any, losses: Any) -> Any:
    """weights·losses, where a constant weight of 0 wins over an infinite loss."""
    return weights * (losses if is_live(weights) else np.where(np.equal(weights, 0), 0, losses))


def weighted(call: str, losses: Any, weight: Any, what: str = "weight") -> Any:
    """The losses times a weight that broadcasts to their shape, if there is one."""
    return losses if weight is None else weighed(factor(call, weight, losses, what), losses)


def factor(call: str, weight: Any, like: Any, what: str = "weight") -> Any:
    """A weight ≥ 0 in the dtype of `like`, to whose shape it must broadcast."""
    w = weight if isinstance(weight, Tensor) else numeric(weight, f"{call}({what}=...)")
    behind = like.shape[like.ndim - w.ndim :]
    if w.ndim > like.ndim or any(n not in (1, m) for n, m in zip(w.shape, behind, strict=True)):
        raise ValueError(f"{call} needs {what}= of a shape that broadcasts to {like.shape}, got {w.shape}.")
    return with_checked(_is_non_negative, as_floats(w, like.dtype), call=call, what=what).astype(like.dtype)
