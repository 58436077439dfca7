"""Losses: each the mean over the batch, a scalar, finite for logits of any size. And accuracy, which is no loss.

Names: `g` cotangent of the loss, `t` tangent, `n` how many terms the mean has.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from minigrad import Op, Tensor, elementwise, sigmoid, softmax
from minigrad.extend import apply, current, ones, total, traced_if_capturing

__all__ = ["accuracy", "binary_cross_entropy_with_logits", "cross_entropy", "hinge_loss", "mse_loss"]


def _for_each(g: Any, x: Any) -> Any:
    """The cotangent of a scalar, ready to multiply an array like x (also when a batched sweep gives it leading axes)."""
    return g[(..., *(None,) * x.ndim)] if g.ndim else g


def _summed(x: Any, like: Any) -> Any:
    return np.add.reduce(x, axis=tuple(range(-like.ndim, 0)))


def _same_shape(call: str, a: Any, b: Any) -> tuple[Any, Any]:
    a = a if isinstance(a, Tensor) else np.asarray(a)
    b = b if isinstance(b, Tensor) else np.asarray(b)
    if a.shape != b.shape:
        raise ValueError(f"{call} needs both of one shape, got {a.shape} and {b.shape}; reshape, it does not broadcast.")
    if not a.size:
        raise ValueError(f"{call} of an empty batch: shape {a.shape}.")
    return _in_floats(a, b.dtype), _in_floats(b, a.dtype)


def _in_floats(x: Any, like: Any = None) -> Any:
    """Whole numbers as floats, of which their partner's kind: differences of unsigned or small ones would wrap around."""
    if x.dtype.kind in "fc":
        return x
    return traced_if_capturing(x).astype(like if like is not None and like.kind in "fc" else np.float64)


def _with_checked(check: Op, x: Any, **params: Any) -> Any:
    """What `check` makes of x, a constant; where a function is captured it is an operation, done again at each of its calls."""
    if current.mode.capturing is not None:
        return apply(check, (x,), params)
    checked = check.forward(x.primal if isinstance(x, Tensor) else x, **params)
    return x if check.pulls else checked


# Mean squared error


def _mse(p: Any, q: Any) -> Any:
    d = (p - q).ravel()
    return np.dot(d, d) / d.size if d.dtype != np.float16 else np.mean(d * d)


_mse_op = Op(
    "mse_loss",
    _mse,
    pulls=(
        lambda g, y, p, q: (p - q) * (2 / p.size * _for_each(g, p)),
        lambda g, y, p, q: (q - p) * (2 / p.size * _for_each(g, p)),
    ),
    pushes=(
        lambda t, y, p, q: _summed(t * (p - q), p) * (2 / p.size),
        lambda t, y, p, q: _summed(t * (q - p), p) * (2 / p.size),
    ),
    batched=True,
)
_mse_op.expands = True


def mse_loss(prediction: Any, target: Any) -> Any:
    """mean (prediction − target)², over all elements. No ½.

    Args:
        prediction, target: of one shape; they are not broadcast, for (n, 1) against (n,) is nearly always a mistake.

    Raises:
        ValueError: the shapes differ or are empty.

    >>> float(mse_loss(np.array([1.0, 2.0]), np.array([1.0, 4.0])))
    2.0
    """
    return _mse_op(*_same_shape("mse_loss", prediction, target))


# Cross entropy. Its gradient, softmax minus one-hot, is an op of its own, so that it is fast and still differentiable.


@lru_cache(maxsize=64)
def _row_starts(n: int, classes: int) -> Any:
    """Where each of n rows starts in the flattened logits; read-only and kept."""
    starts = np.arange(n) * classes
    starts.flags.writeable = False
    return starts


def _centred(x: Any, out: Any = None) -> Any:
    """x − shift, of which exp is safe: one shift for the whole batch, which is quicker than one a row, and as good while the
    logits lie close together; where they do not, each row gets its own."""
    values = x if x.dtype.kind == "f" else np.real(x)
    top = np.maximum.reduce(values, axis=None)
    if not top - np.minimum.reduce(values, axis=None) < (16 if values.itemsize > 2 else 2):
        if x.shape[1] < 64:  # along short rows NumPy takes up to nine times as long as down the columns of a copy
            top = np.maximum.reduce(np.ascontiguousarray(values.T), axis=0)[:, None]
        else:
            top = np.maximum.reduce(values, axis=-1, keepdims=True)
    return np.subtract(x, top, out=out)


_centred_op = Op("centred", _centred)
_centred_op.text = lambda y, x: ("{centred}({0}, {y})", {"centred": _centred})


def _exponentials(x: Any) -> tuple[Any, Any, Any]:
    """z = x − shift, eᶻ, and Σeᶻ of each row."""
    z = _centred_op(x)
    e = np.exp(z)
    return z, e, np.dot(e, ones(x.shape[1], e.dtype))


def _cross_entropy(x: Any, places: Any, _kept: list[Any] | None = None) -> Any:
    z, e, sums = _exponentials(x)
    if _kept is not None and not _kept:
        _kept += e, sums
    losses = np.log(sums) - z.reshape(-1)[places]
    return np.add.reduce(losses) / len(places)


def _minus_one_hot(e: Any, sums: Any, places: Any) -> Any:
    p = np.divide(e, sums[:, None], order="C")
    p.reshape(-1)[places] -= 1
    return p


_minus_one_hot_op = Op("minus_one_hot", _minus_one_hot)
_minus_one_hot_op.in_place = _minus_one_hot_op.calm = True
_minus_one_hot_op.text = lambda y, e, sums, places: "np.divide({0}, {1}[:, None], {y}); {y}.reshape(-1)[{2}] -= 1"


def _residual(x: Any, places: Any) -> Any:
    _, e, sums = _exponentials(x)
    return _minus_one_hot_op(e, sums, places)


def _softmax_jacobian(t: Any, y: Any, x: Any, places: Any) -> Any:
    """(diag p − p pᵀ)·t row by row; symmetric, so it serves both directions."""
    p = softmax(x)
    return p * (t - total(p * t, axis=(-1,), keepdims=True))


_residual_op = Op(
    "softmax_residual", _residual, pulls=(_softmax_jacobian, None), pushes=(_softmax_jacobian, None), batched=True
)  # fmt: skip


def _slope(x: Any, places: Any, kept: Any) -> Any:
    """Softmax minus one-hot. A sweep that is not recorded takes the exponentials that the loss has already computed."""
    if not kept or x.__class__ is not np.ndarray:
        return _residual_op(x, places)
    e, sums = kept
    return _minus_one_hot(e, sums, places)


_cross_entropy_op = Op(
    "cross_entropy",
    _cross_entropy,
    pulls=(lambda g, y, x, places, _kept=None: _slope(x, places, _kept) * (_for_each(g, x) / x.shape[0]), None),
    pushes=(lambda t, y, x, places, _kept=None: _summed(t * _slope(x, places, _kept), x) / x.shape[0], None),
    batched=True,
)


_UNSIGNED = {1: np.uint8, 2: np.uint16, 4: np.uint32, 8: np.uint64}


def _places_of(labels: Any, classes: int) -> Any:
    """Where the logits at the labels lie in the flattened logits, after a look whether the labels are in range."""
    if labels.dtype.kind == "u" or not labels.dtype.isnative:
        labels = labels.astype(np.int64)  # a huge one becomes negative, which is out of range as well
    unsigned = labels.view(_UNSIGNED[labels.itemsize])  # a negative label is a huge one, so one comparison does for both ends
    if np.maximum.reduce(unsigned) >= classes:
        raise ValueError(f"cross_entropy needs labels in 0 … {classes - 1}, got {labels.min()} … {labels.max()}.")
    return labels + _row_starts(len(labels), classes)


_places_op = Op("places_of", _places_of)
_residual_op.expands = _cross_entropy_op.expands = True


def cross_entropy(logits: Any, labels: Any) -> Any:
    """−mean log softmax(logits)[label], for classes numbered from 0.

    Args:
        logits: (n, k), any real numbers.
        labels: (n,), integers in 0 … k−1.

    Raises:
        ValueError: shapes that do not fit, or a label out of range.
        TypeError: labels that are not integers.

    >>> float(cross_entropy(np.zeros((3, 2)), np.array([0, 1, 1]))) == float(np.log(2))
    True
    """
    x = logits if isinstance(logits, Tensor) else np.asarray(logits)
    labels = labels if isinstance(labels, Tensor) else np.asarray(labels)
    if x.ndim != 2 or labels.shape != x.shape[:1]:
        raise ValueError(f"cross_entropy needs logits (n, k) and labels (n,), got {x.shape} and {labels.shape}.")
    if labels.dtype.kind not in "iu":
        raise TypeError(f"cross_entropy needs integer labels, got dtype {labels.dtype}. For one-hot rows use labels.argmax(1).")
    if not x.size:
        raise ValueError(f"cross_entropy of an empty batch: logits of shape {x.shape}.")
    x, places = _in_floats(x), _with_checked(_places_op, labels, classes=x.shape[1])
    if current.mode.capturing is not None:  # where what is kept would be that of one call for ever
        return _cross_entropy_op(x, places)
    return _cross_entropy_op(x, places, _kept=[])


# Two classes


def _logistic(z: Any, y: Any) -> Any:
    up = np.real(z) > 0
    return (np.where(up, z, 0) - y * z) + np.log1p(np.exp(np.where(up, -z, z)))


_logistic_op = elementwise(
    _logistic, lambda loss, z, y: sigmoid(z) - y, lambda loss, z, y: -z, name="logistic_loss", bounded=True
)


def _require_probabilities(y: Any) -> Any:
    if not (y.min() >= 0 and y.max() <= 1):
        raise ValueError(
            f"binary_cross_entropy_with_logits needs targets in [0, 1], got {y.min()} … {y.max()}. "
            f"For labels of −1 and 1 use hinge_loss, or (y + 1)/2."
        )
    return y


_targets_are_probabilities = elementwise(_require_probabilities, 1, name="targets_are_probabilities")


def binary_cross_entropy_with_logits(logits: Any, targets: Any) -> Any:
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
    return np.mean(_logistic_op(z, y))


def _require_signs(y: Any) -> Any:
    if not np.all(np.abs(y) == 1):
        raise ValueError("hinge_loss needs labels of −1 and 1; for labels 0 and 1 pass 2*y - 1.")
    return y


_labels_are_signs = elementwise(_require_signs, 1, name="labels_are_signs")


def hinge_loss(scores: Any, labels: Any) -> Any:
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
    return np.mean(np.maximum(1 - y * s, 0))


def accuracy(logits: Any, labels: Any) -> float:
    """The share of rows whose largest logit is at the label; for one column, whose sign is that of the label.

    >>> accuracy(np.array([[0.1, 0.9], [0.8, 0.2]]), np.array([1, 1]))
    0.5
    """
    x = logits.data if isinstance(logits, Tensor) else np.asarray(logits)
    y = np.asarray(labels.data if isinstance(labels, Tensor) else labels)
    if not x.ndim or x.ndim > 2 or y.shape not in (x.shape[:1], (len(x), 1)) or not x.size:
        raise ValueError(f"accuracy needs logits (n, k) or (n,) and labels (n,), got {x.shape} and {y.shape}.")
    if x.ndim == 2 and x.shape[1] > 1:
        return float(np.mean(np.argmax(x, axis=1) == y.ravel()))
    return float(np.mean((x.ravel() > 0) == (y.ravel() > 0)))
