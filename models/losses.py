"""Losses: each is the mean over the batch, a scalar, and finite for logits of any size. Also `accuracy`.

The fused ops behind them, with their derivatives, stand beside the other ops in `minigrad`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minigrad import Op, Tensor, elementwise
from minigrad.extend import (
    apply,
    cross_entropy_op,
    current,
    entry,
    is_live,
    logistic_op,
    mse_op,
    numeric,
    places_op,
    traced_if_capturing,
)

__all__ = ["accuracy", "binary_cross_entropy_with_logits", "cross_entropy", "hinge_loss", "mse_loss"]


def _in_float32(loss: Callable[..., Tensor], x: Any, *rest: Any) -> Tensor:
    """The loss, with the sums of a float16 x in float32, because float16 ends at 65504."""
    if x.dtype != np.float16:
        return loss(x, *rest)
    return loss(x.astype(np.float32), *rest).astype(np.float16)


def _same_shape(call: str, a: Any, b: Any) -> tuple[Any, Any]:
    a = a if isinstance(a, Tensor) else numeric(a, call)
    b = b if isinstance(b, Tensor) else numeric(b, call)
    if a.shape != b.shape:
        raise ValueError(
            f"{call} needs both of one shape, got {a.shape} and {b.shape}; reshape one, nothing broadcasts."
        )
    if not a.size:
        raise ValueError(f"{call} of an empty batch: shape {a.shape}.")
    return _in_floats(a, b.dtype), _in_floats(b, a.dtype)


def _in_floats(x: Any, like: Any = None) -> Any:
    """Integers as floats, in their partner's dtype if that is floating: differences of unsigned or small
    integers would wrap around."""
    if x.dtype.kind in "fc":
        return x
    return traced_if_capturing(x).astype(like if like is not None and like.kind in "fc" else np.float64)


def _with_checked(check: Op, x: Any, **params: Any) -> Any:
    """x after `check`, or the constant that `check` computes from it. During a capture `check` is recorded,
    so that each replay runs it again."""
    checked = check.forward(x.primal if isinstance(x, Tensor) else x, **params)
    if current.mode.capturing is not None:
        return apply(check, (x,), params)
    return x if check.pulls else checked


@entry
def mse_loss(prediction: Any, target: Any) -> Tensor:
    """mean (prediction − target)², over all elements. No ½.

    Args:
        prediction, target: of one shape; they are not broadcast, for (n, 1) against (n,) is nearly always a
            mistake.

    Raises:
        ValueError: the shapes differ or are empty.
        TypeError: complex numbers, a masked array or a matrix. Only a complex Tensor that is differentiated
            is taken, for complex steps: then the square is the analytic one, not |.|².

    >>> float(mse_loss(np.array([1.0, 2.0]), np.array([1.0, 4.0])))
    2.0
    """
    p, q = _same_shape("mse_loss", prediction, target)
    dtype = p.dtype
    if q.dtype is not dtype or dtype.kind == "c" or dtype.itemsize < 4:  # seldom: the hot path asks once
        for x in (p, q):
            if x.dtype.kind == "c" and not is_live(x):  # a live one is a complex step: its square is analytic
                raise TypeError(
                    f"mse_loss needs real numbers, got dtype {x.dtype}; use np.mean(np.abs(p - q)**2)."
                )
        if q.dtype == dtype:
            return _in_float32(mse_op, p, q)
    return mse_op(p, q)


@entry
def cross_entropy(logits: Any, labels: Any) -> Tensor:
    """−mean log softmax(logits)[label], for classes numbered from 0.

    Its derivative at the label is p − 1, which is 0 where p is rounded to 1: for a row sure by 37 or more.

    Args:
        logits: (n, k), any real numbers.
        labels: (n,), integers in 0 … k−1.

    Raises:
        ValueError: shapes that do not fit, or a label out of range.
        TypeError: labels that are not integers.

    >>> float(cross_entropy(np.zeros((3, 2)), np.array([0, 1, 1]))) == float(np.log(2))
    True
    """
    x = logits if isinstance(logits, Tensor) else numeric(logits, "cross_entropy")
    labels = labels if isinstance(labels, Tensor) else numeric(labels, "cross_entropy")
    if x.ndim != 2 or labels.shape != x.shape[:1]:
        raise ValueError(
            f"cross_entropy needs logits (n, k) and labels (n,), got {x.shape} and {labels.shape}."
        )
    if labels.dtype.kind not in "iu":
        raise TypeError(
            f"cross_entropy needs integer labels, got dtype {labels.dtype}. For one-hot rows use "
            "labels.argmax(1)."
        )
    if not x.size:
        raise ValueError(f"cross_entropy of an empty batch: logits of shape {x.shape}.")
    x, places = _in_floats(x), _with_checked(places_op, labels, classes=x.shape[1])
    if current.mode.capturing is not None:  # replays would use the values saved here for ever
        return _in_float32(cross_entropy_op, x, places)
    return _in_float32(lambda z, at: cross_entropy_op(z, at, _saves=[]), x, places)


# Two classes


def _require_probabilities(y: Any) -> Any:
    if not (y.min() >= 0 and y.max() <= 1):
        raise ValueError(
            f"binary_cross_entropy_with_logits needs targets in [0, 1], got {y.min()} … {y.max()}. For "
            "labels of −1 and 1 use hinge_loss, or (y + 1)/2."
        )
    return y


_targets_are_probabilities = elementwise(_require_probabilities, 1, name="targets_are_probabilities")


@entry
def binary_cross_entropy_with_logits(logits: Any, targets: Any) -> Tensor:
    """mean (log(1 + eᶻ) − y·z), the negative log-likelihood of targets y under probabilities σ(z).

    Args:
        logits, targets: of one shape; targets in [0, 1].

    Raises:
        ValueError: the shapes differ, or a target lies outside [0, 1].

    >>> float(binary_cross_entropy_with_logits(np.array([0.0]), np.array([1.0]))) == float(np.log(2))
    True
    """
    z, y = _same_shape("binary_cross_entropy_with_logits", logits, targets)
    y = _with_checked(_targets_are_probabilities, y)
    return np.mean(logistic_op(z, y))  # type: ignore[no-any-return]


def _require_signs(y: Any) -> Any:
    if not np.all(np.abs(y) == 1):
        raise ValueError("hinge_loss needs labels of −1 and 1; for labels 0 and 1 pass 2*y - 1.")
    return y


_labels_are_signs = elementwise(_require_signs, 1, name="labels_are_signs")


@entry
def hinge_loss(scores: Any, labels: Any) -> Tensor:
    """mean max(0, 1 − y·s), the margin loss of support vector machines, with derivative 0 at the corner.

    Args:
        scores, labels: of one shape; labels −1 or 1.

    Raises:
        ValueError: the shapes differ, or a label is neither −1 nor 1.

    >>> float(hinge_loss(np.array([2.0, 0.5]), np.array([1, 1])))
    0.25
    """
    s, y = _same_shape("hinge_loss", scores, labels)
    y = _with_checked(_labels_are_signs, y)
    return np.mean(np.maximum(1 - y * s, 0))  # type: ignore[no-any-return]


@entry
def accuracy(logits: Any, labels: Any) -> float:
    """The share of rows whose largest logit is at the label; for one column, whose sign is that of the label.
    A row with a NaN is no hit.

    Raises:
        ValueError: shapes that do not fit.
        TypeError: labels that are no numbers, a masked array or a matrix.

    >>> accuracy(np.array([[0.1, 0.9], [0.8, 0.2]]), np.array([1, 1]))
    0.5
    """
    x = logits.data if isinstance(logits, Tensor) else numeric(logits, "accuracy")
    y = labels.data if isinstance(labels, Tensor) else numeric(labels, "accuracy")
    if y.dtype.kind not in "biuf":
        raise TypeError(
            f"accuracy needs labels that are numbers, got dtype {y.dtype}. Number the classes from 0, as "
            "np.unique(labels, return_inverse=True)[1] does."
        )
    if not x.ndim or x.ndim > 2 or y.shape not in (x.shape[:1], (len(x), 1)) or not x.size:
        raise ValueError(
            f"accuracy needs logits (n, k) or (n,) and labels (n,), got {x.shape} and {y.shape}."
        )
    if x.ndim == 2 and x.shape[1] > 1:
        known = ~np.isnan(x).any(axis=1)
        return float(np.mean((np.argmax(x, axis=1) == y.ravel()) & known))
    return float(np.mean(((x.ravel() > 0) == (y.ravel() > 0)) & ~np.isnan(x.ravel())))
