"""Losses of numbers under predictions, and the margin loss."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad import Tensor, elementwise
from minigrad.extend import entry, is_live, mse_op, printed
from models.losses.inputs import Reduction, in_float32, reduced, same_shape, with_checked

__all__ = ["hinge_loss", "huber_loss", "l1_loss", "mse_loss"]


@entry
def mse_loss(prediction: Any, target: Any, *, reduction: Reduction = "mean") -> Tensor:
    """mean (prediction − target)², over all elements. No ½.

    Args:
        prediction, target: of one shape; they are not broadcast, for (n, 1) against (n,) is nearly always a
            mistake.
        reduction: "mean", "sum", or "none" for the square of each element.

    Raises:
        ValueError: the shapes differ or are empty.
        TypeError: complex numbers, a masked array or a matrix. Only a complex Tensor that is differentiated
            is taken, for complex steps: then the square is the analytic one, not |.|².

    >>> float(mse_loss(np.array([1.0, 2.0]), np.array([1.0, 4.0])))
    2.0
    """
    p, q = same_shape("mse_loss", prediction, target)
    dtype = p.dtype
    if q.dtype is not dtype or dtype.kind == "c" or dtype.itemsize < 4:  # seldom: the hot path asks once
        for x in (p, q):
            if x.dtype.kind == "c" and not is_live(x):  # a live one is a complex step: its square is analytic
                raise TypeError(
                    f"mse_loss needs real numbers, got dtype {x.dtype}; use np.mean(np.abs(p - q)**2)."
                )
        if q.dtype == dtype and reduction == "mean":
            return in_float32(mse_op, p, q)
    if reduction != "mean":
        return in_float32(lambda a, b: reduced("mse_loss", np.square(a - b), reduction), p, q)
    return mse_op(p, q)


@entry
def l1_loss(prediction: Any, target: Any, *, reduction: Reduction = "mean") -> Tensor:
    """mean |prediction − target|, over all elements, with derivative 0 where they are equal.

    Arguments and errors: see `mse_loss`.

    >>> float(l1_loss(np.array([1.0, 2.0]), np.array([1.0, 4.0])))
    1.0
    """
    p, q = same_shape("l1_loss", prediction, target)
    return in_float32(lambda a, b: reduced("l1_loss", np.abs(a - b), reduction), p, q)


@entry
def huber_loss(prediction: Any, target: Any, *, delta: float = 1.0, reduction: Reduction = "mean") -> Tensor:
    """mean of d²/2 where |d| ≤ δ and δ·(|d| − δ/2) beyond, for d = prediction − target.

    Args:
        delta: where the parabola goes over into straight lines, > 0.
        prediction, target, reduction: see `mse_loss`.

    Raises:
        ValueError: the shapes differ or are empty, or delta is not above 0.

    Source: Huber, Robust estimation of a location parameter, 1964.

    >>> float(huber_loss(np.array([0.5, 3.0]), np.array([0.0, 0.0]), reduction="sum"))
    2.625
    """
    if not delta > 0:
        raise ValueError(f"huber_loss needs delta > 0, got {delta!r}.")
    p, q = same_shape("huber_loss", prediction, target)

    def loss(a: Any, b: Any) -> Any:
        d = a - b
        near = np.clip(d, -delta, delta)  # its derivative is that of the choice: the rest is near·d − near²/2
        return reduced("huber_loss", near * (d - 0.5 * near), reduction)

    return in_float32(loss, p, q)


def _require_signs(y: Any) -> Any:
    if not np.all(np.abs(y) == 1):
        raise ValueError("hinge_loss needs labels of −1 and 1; for labels 0 and 1 pass 2*y - 1.")
    return y


_labels_are_signs = elementwise(_require_signs, 1, name="labels_are_signs")
printed(_labels_are_signs, meaning=lambda y: +y)


@entry
def hinge_loss(scores: Any, labels: Any, *, reduction: Reduction = "mean") -> Tensor:
    """mean max(0, 1 − y·s), the margin loss of support vector machines, with derivative 0 at the corner.

    Args:
        scores, labels: of one shape; labels −1 or 1.
        reduction: "mean", "sum" or "none".

    Raises:
        ValueError: the shapes differ, or a label is neither −1 nor 1.

    >>> float(hinge_loss(np.array([2.0, 0.5]), np.array([1, 1])))
    0.25
    """
    s, y = same_shape("hinge_loss", scores, labels)
    y = with_checked(_labels_are_signs, y)
    return reduced("hinge_loss", np.maximum(1 - y * s, 0), reduction)  # type: ignore[no-any-return]
