"""Losses as one op each: value and gradient take fewer passes over the logits than their parts would.

A rule that needs a fast first-order form is an op of its own, with its own derivative: softmax minus one-hot,
the gradient of cross entropy, is `softmax_residual_op`. So every order and both modes are right, and the
first order is quick.

Cross entropy also keeps the exponentials that its gradient will need, in a list that belongs to its node
(`_saves`). Only a sweep that is not recorded reads them, so derivatives of higher order never take a saved
number for a constant.

Names: `g` cotangent of the loss, `t` tangent, `places` the positions of the labels' logits in the flattened
logits."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from minigrad.families import elementwise
from minigrad.ops.elementwise import sigmoid
from minigrad.ops.reduce import centred_at, ones, softmax, total
from minigrad.products import scale
from minigrad.tensor import Op


def _for_each(g: Any, x: Any) -> Any:
    """The cotangent of a scalar, ready to multiply an array like x (also when a batched sweep gives it
    leading axes)."""
    return g[(..., *(None,) * x.ndim)] if g.ndim else g


def _summed(x: Any, like: Any) -> Any:
    return np.add.reduce(x, axis=tuple(range(-like.ndim, 0)))


# Mean squared error


def _mse(p: Any, q: Any) -> Any:
    d = (p - q).ravel()
    return d.dot(d) / d.size if d.dtype != np.float16 else np.mean(d * d)


mse_op = Op(
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


# Cross entropy


@lru_cache(maxsize=64)
def _row_starts(n: int, classes: int) -> Any:
    """Where each of n rows starts in the flattened logits; read-only and kept."""
    starts = np.arange(n) * classes
    starts.flags.writeable = False
    return starts


FEW = 1 << 14  # of so many numbers in C order argmax finds the largest up to four times as quickly as reduce


def _centred(x: Any, out: Any = None) -> Any:
    """x minus a shift, so that exp cannot overflow.

    One shift for the whole batch is quicker than one per row, and as exact while the logits lie close
    together; where they do not, each row gets its own.
    """
    values = x if x.dtype.kind == "f" else np.real(x)
    if values.size <= FEW and values.flags.c_contiguous:
        top, low = values.item(values.argmax()), values.item(values.argmin())
    else:  # both give NaN where there is one
        top, low = np.maximum.reduce(values, axis=None).item(), np.minimum.reduce(values, axis=None).item()
    if not top - low < (16 if values.itemsize > 2 else 2):
        if x.shape[1] < 64:  # NumPy takes up to nine times as long along short rows
            top = np.maximum.reduce(np.ascontiguousarray(values.T), axis=0)[:, None]
        else:
            top = np.maximum.reduce(values, axis=-1, keepdims=True)
        return centred_at(x, top, out)
    return np.subtract(x, top, out=out)


centred_op = Op("centred", _centred)


def _exponentials(x: Any) -> tuple[Any, Any, Any]:
    """z = x − shift, eᶻ, and Σeᶻ of each row."""
    z = centred_op(x)
    e = np.exp(z)
    return z, e, e.dot(ones(x.shape[1], e.dtype))


def _cross_entropy(x: Any, places: Any, _saves: list[Any] | None = None, _labels: Any = None) -> Any:
    """−mean log softmax at `places`. An empty list `_saves` gets the exponentials and their sums; `_labels`
    is the array that the user gave, whose name pictures look for."""
    z, e, sums = _exponentials(x)
    if _saves is not None and not _saves:
        _saves += e, sums
    losses = np.log(sums) - z.reshape(-1)[places]
    return np.add.reduce(losses) / len(places)


def _minus_one_hot(e: Any, sums: Any, places: Any) -> Any:
    p = np.divide(e, sums[:, None], order="C")
    p.reshape(-1)[places] -= (
        1  # the sum of the others keeps the tail of a sure row, at 3 % of a training step
    )
    return p


minus_one_hot_op = Op("minus_one_hot", _minus_one_hot)


def _residual(x: Any, places: Any) -> Any:
    _, e, sums = _exponentials(x)
    return minus_one_hot_op(e, sums, places)


def _softmax_jacobian(t: Any, y: Any, x: Any, places: Any) -> Any:
    """(diag p − p pᵀ)·t row by row; symmetric, so it serves both directions."""
    p = softmax(x)
    return p * (t - total(p * t, axis=(-1,), keepdims=True))


softmax_residual_op = Op(
    "softmax_residual",
    _residual,
    pulls=(_softmax_jacobian, None),
    pushes=(_softmax_jacobian, None),
    batched=True,
)


def _slope(x: Any, places: Any, saved: Any) -> Any:
    """Softmax minus one-hot; if the sweep is not recorded, from the exponentials that the loss has saved."""
    if not saved or x.__class__ is not np.ndarray:
        return softmax_residual_op(x, places)
    e, sums = saved
    return _minus_one_hot(e, sums, places)


cross_entropy_op = Op(
    "cross_entropy",
    _cross_entropy,
    pulls=(
        lambda g, y, x, places, _saves=None, _labels=None: (
            _slope(x, places, _saves) * (_for_each(g, x) / x.shape[0])
        ),
        None,
    ),
    pushes=(
        lambda t, y, x, places, _saves=None, _labels=None: (
            _summed(t * _slope(x, places, _saves), x) / x.shape[0]
        ),
        None,
    ),
    batched=True,
)


_UNSIGNED = {1: np.uint8, 2: np.uint16, 4: np.uint32, 8: np.uint64}


def _places_of(labels: Any, classes: int) -> Any:
    """The positions of the labels' logits in the flattened logits; ValueError if a label is out of range."""
    if labels.dtype.kind == "u" or not labels.dtype.isnative:
        labels = labels.astype(np.int64)  # a huge label becomes negative, so it stays out of range
    # as an unsigned number a negative label is huge, so one comparison checks both ends
    unsigned = labels.view(_UNSIGNED[labels.itemsize])
    if unsigned.item(unsigned.argmax()) >= classes:
        raise ValueError(
            f"cross_entropy needs labels in 0 … {classes - 1}, got {labels.min()} … {labels.max()}."
        )
    return labels + _row_starts(len(labels), classes)


places_op = Op("places_of", _places_of)


# Two classes


def _logistic(z: Any, y: Any) -> Any:
    up = np.real(z) > 0
    with np.errstate(invalid="ignore"):  # a sure and right row: 0·∞, where the 0 wins
        distance = scale(np.where(up, 1 - y, -y), z)
    return distance + np.log1p(np.exp(np.where(up, -z, z)))


logistic_op = elementwise(
    _logistic, lambda loss, z, y: sigmoid(z) - y, lambda loss, z, y: -z, name="logistic_loss", bounded=True
)
