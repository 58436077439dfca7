"""Clipping: keep the gradients of a batch within bounds, between `backward()` and `step()`.

Both functions write into the parameters' `.grad`. A gradient that is itself part of a graph (a Tensor, after
`backward(create_graph=True)`) is replaced by a clipped Tensor instead.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from minigrad import Tensor
from minigrad.extend import entry
from optim.base.options import NON_NEGATIVE, POSITIVE, Kind, checked, interval

__all__ = ["clip_grad_norm_", "clip_grad_value_"]


NORM_TYPE = Kind("a number > 0, or infinity", POSITIVE.parse)
MAX_NORM = Kind("a number ≥ 0, or infinity to only measure", interval(0, math.inf, "[]"))


@entry
def clip_grad_norm_(
    parameters: Iterable[Tensor] | Tensor,
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
) -> float:
    """Scale all gradients by one factor, so that their joint norm ‖g‖ₚ is at most `max_norm`; return the norm
    before.

        g ← g · min(1, max_norm / (‖g‖ + 1e-6))

    Args:
        parameters: those without a gradient are passed over.
        max_norm: ≥ 0; infinity only measures.
        norm_type: p > 0; infinity for the largest element.
        error_if_nonfinite: refuse a NaN or infinite norm. Otherwise an infinite norm makes every finite
            gradient zero and a NaN makes all NaN, as in torch.

    Raises:
        FloatingPointError: the norm is not finite; the gradients are unchanged then.

    Reference: Pascanu et al. 2013. Unlike torch's it returns a float, and the 2-norm neither over- nor
        underflows on the way.

    >>> p = Tensor([3.0, 4.0], requires_grad=True)
    >>> (0.5 * p * p).sum().backward()
    >>> clip_grad_norm_([p], 1.0), p.grad.round(5)
    (5.0, array([0.6, 0.8]))
    """
    call = "clip_grad_norm_"
    max_norm = checked(call, "max_norm", max_norm, MAX_NORM)
    p = checked(call, "norm_type", norm_type, NORM_TYPE)
    having = _having_gradients(call, parameters)
    norms = [_norm(tensor.grad, p) for tensor in having]
    total = _norm(np.array(norms), p) if norms else 0.0
    if error_if_nonfinite and not math.isfinite(total):
        bad = [
            tensor.name or f"number {i}"
            for i, (tensor, n) in enumerate(zip(having, norms))
            if not math.isfinite(n)
        ]
        raise FloatingPointError(
            f"`{call}`: the norm of the gradients is {total}, because of {', '.join(bad) or 'overflow'}. "
            "Look for the cause in the forward pass, or pass error_if_nonfinite=False to clip all the same."
        )
    factor = max_norm / (total + 1e-6)
    if max_norm < math.inf and not factor >= 1:  # a NaN factor goes into the gradients, as it should
        with np.errstate(invalid="ignore", over="ignore"):
            for tensor in having:
                if isinstance(tensor.grad, Tensor):
                    tensor.grad = tensor.grad * factor
                else:
                    tensor.grad *= factor
    return total


@entry
def clip_grad_value_(parameters: Iterable[Tensor] | Tensor, clip_value: float) -> None:
    """Limit every element of the gradients to [−clip_value, clip_value]; NaN stays NaN.

    >>> p = Tensor([3.0, 0.25], requires_grad=True)
    >>> (0.5 * p * p).sum().backward()
    >>> clip_grad_value_([p], 1.0)
    >>> p.grad
    array([1.  , 0.25])
    """
    call = "clip_grad_value_"
    limit = checked(call, "clip_value", clip_value, NON_NEGATIVE)
    for tensor in _having_gradients(call, parameters):
        if isinstance(tensor.grad, Tensor):
            tensor.grad = np.clip(tensor.grad, -limit, limit)
        else:
            np.clip(tensor.grad, -limit, limit, out=tensor.grad)


def _having_gradients(call: str, parameters: Iterable[Tensor] | Tensor) -> list[Tensor]:
    if not isinstance(parameters, Iterable):
        raise TypeError(
            f"`{call}(parameters)` must hold Tensors, got {type(parameters).__name__}. Pass "
            "model.parameters()."
        )
    tensors = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    for tensor in tensors:
        if not isinstance(tensor, Tensor):
            raise TypeError(
                f"`{call}(parameters)` must hold Tensors only, got {type(tensor).__name__}: {tensor!r:.60}."
            )
    return [tensor for tensor in tensors if tensor.grad is not None]


def _norm(grad: Any, p: float) -> float:
    """‖grad‖ₚ, for p = 2 by the fast way unless that over- or underflows."""
    x = np.ravel(grad.primal if isinstance(grad, Tensor) else grad)
    if not x.size:
        return 0.0
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        if p == 2:
            norm = float(np.linalg.norm(x))
            if 1e-15 < norm < math.inf:
                return norm
        largest = float(np.max(np.abs(x)))
        if p == math.inf or largest == 0 or not math.isfinite(largest):
            return largest
        scaled = np.abs(x.astype(np.float64)) / largest
        return float(largest * np.sum(scaled**p) ** (1 / p))
