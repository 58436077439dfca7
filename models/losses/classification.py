"""Losses of classes and distributions under logits or log-probabilities, and `accuracy`.

The fused ops behind the plain calls, with their derivatives, stand beside the other ops in `minigrad`. A call
with options is composed of its parts; 0 times an infinite logarithm is 0 in all of them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad import Op, Tensor, elementwise, log_softmax, softplus
from minigrad.extend import (
    cross_entropy_op,
    current,
    entry,
    logistic_op,
    numeric,
    places_op,
    printed,
    traced_if_capturing,
)  # fmt: skip
from models.losses.inputs import (
    Reduction,
    as_floats,
    factor,
    in_float32,
    reduced,
    same_shape,
    weighed,
    weighted,
    with_checked,
)  # fmt: skip

__all__ = ["accuracy", "binary_cross_entropy_with_logits", "cross_entropy", "kl_div", "nll_loss"]


def _rows_and_labels(call: str, logits: Any, labels: Any) -> tuple[Any, Any]:
    """Logits (n, k) and class numbers (n,), or probabilities (n, k)."""
    x = logits if isinstance(logits, Tensor) else numeric(logits, call)
    y = labels if isinstance(labels, Tensor) else numeric(labels, call)
    if x.ndim != 2 or y.shape not in (x.shape[:1], x.shape):
        raise ValueError(f"{call} needs logits (n, k) and labels (n,), got {x.shape} and {y.shape}.")
    if y.ndim == 1 and y.dtype.kind not in "iu":
        raise TypeError(
            f"{call} needs integer labels, got dtype {y.dtype}. Probabilities (one-hot rows, say) have the "
            "shape of the logits."
        )
    if not x.size:
        raise ValueError(f"{call} of an empty batch: logits of shape {x.shape}.")
    return as_floats(x), y


def _one_hot(labels: Any, call: str, classes: int, ignored: int | None, dtype: Any) -> Any:
    """Rows of 0 with a 1 at the label; an ignored label's row has none."""
    counts = labels != ignored if ignored is not None else np.ones(len(labels), bool)
    known = labels[counts]
    if known.size and not (known.min() >= 0 and known.max() < classes):
        raise ValueError(f"{call} needs labels in 0 … {classes - 1}, got {known.min()} … {known.max()}.")
    rows = np.zeros((len(labels), classes), dtype)
    rows[counts, known] = 1
    return rows


def _one_hot_text(labels: Any, call: str, classes: int, ignored: int | None, dtype: Any) -> Any:
    """The same without a look at the labels."""
    rows = np.equal(labels[:, None], np.arange(classes))
    return (rows if ignored is None else rows & np.not_equal(labels, ignored)[:, None]).astype(dtype)


_one_hot_op = Op("one_hot", _one_hot)
printed(_one_hot_op, meaning=_one_hot_text)


def _require_probabilities(p: Any, call: str) -> Any:
    if not (np.min(p) >= 0 and np.max(p) <= 1):
        hint = " For labels of −1 and 1 use hinge_loss, or (y + 1)/2." if call.startswith("binary") else ""
        raise ValueError(f"{call} needs targets in [0, 1], got {np.min(p)} … {np.max(p)}.{hint}")
    return p


_are_probabilities = elementwise(_require_probabilities, 1, name="are_probabilities")
printed(_are_probabilities, meaning=lambda p, call: +p)


def _targets(call: str, y: Any, x: Any, ignore_index: int | None) -> Any:
    """The labels as rows of probabilities in the dtype of x."""
    if y.ndim == 2:
        if ignore_index is not None:
            raise ValueError(f"{call}: ignore_index= is for class numbers, got probabilities {y.shape}.")
        return with_checked(_are_probabilities, as_floats(y, x.dtype), call=call).astype(x.dtype)
    how = {"call": call, "classes": x.shape[1], "ignored": ignore_index, "dtype": x.dtype}
    return with_checked(_one_hot_op, traced_if_capturing(y), **how)


def _likelihood(
    call: str, log_p: Any, y: Any, smoothing: float, ignore_index: int | None, weight: Any, reduction: str
) -> Tensor:
    """−Σ wᶜ·qᶜ·log pᶜ of each row, for targets q smoothed by ε: q → (1 − ε)·q + ε/k."""
    plain = _targets(call, y, log_p, ignore_index)
    rows = plain.sum(axis=1, keepdims=True) if y.ndim == 1 else np.ones((len(y), 1), log_p.dtype)
    q = plain if not smoothing else (1 - smoothing) * plain + rows * (smoothing / log_p.shape[1])
    w = None if weight is None else factor(call, weight, log_p[0])
    losses = np.sum(weighed(q if w is None else q * w, -log_p), axis=1)
    if y.ndim == 2:
        return reduced(call, losses, reduction)  # type: ignore[no-any-return]
    return reduced(call, losses, reduction, rows if w is None else plain * w)  # type: ignore[no-any-return]


@entry
def cross_entropy(
    logits: Any,
    labels: Any,
    *,
    weight: Any = None,
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
    reduction: Reduction = "mean",
) -> Tensor:
    """−mean log softmax(logits)[label], for classes numbered from 0.

    Its derivative at the label is p − 1, which is 0 where p is rounded to 1: for a row sure by 37 or more.

    Args:
        logits: (n, k), any real numbers.
        labels: (n,), integers in 0 … k−1; or (n, k), the probabilities q of the classes (one-hot rows, for
            instance), and then the loss of a row is −Σ qᶜ log softmax(logits)ᶜ.
        weight: (k,), a factor ≥ 0 for each class. The mean over class numbers is then Σ w·loss/Σ w.
        ignore_index: a label whose rows do not count.
        label_smoothing: ε in [0, 1]: the targets q become (1 − ε)·q + ε/k.
        reduction: "mean", "sum", or "none" for the loss of each row (n,).

    Raises:
        ValueError: shapes that do not fit, a label out of range, or no row that counts.
        TypeError: labels that are not integers.

    The options mean what they mean in PyTorch.

    >>> float(cross_entropy(np.zeros((3, 2)), np.array([0, 1, 1]))) == float(np.log(2))
    True
    >>> cross_entropy(np.zeros((2, 2)), np.array([0, 9]), ignore_index=9, reduction="none").round(3).tolist()
    [0.693, 0.0]
    """
    x, y = _rows_and_labels("cross_entropy", logits, labels)
    if (
        weight is not None
        or ignore_index is not None
        or label_smoothing
        or reduction != "mean"
        or y.ndim == 2
    ):
        if not 0 <= label_smoothing <= 1:
            raise ValueError(f"cross_entropy needs label_smoothing in [0, 1], got {label_smoothing!r}.")

        def loss(z: Any) -> Tensor:
            log_p = log_softmax(z)
            return _likelihood("cross_entropy", log_p, y, label_smoothing, ignore_index, weight, reduction)

        return in_float32(loss, x)
    places = with_checked(places_op, y, classes=x.shape[1])
    if current.mode.capturing is not None:  # replays would use the values saved here for ever
        return in_float32(cross_entropy_op, x, places)
    return in_float32(lambda z, at: cross_entropy_op(z, at, _saves=[], _labels=labels), x, places)


@entry
def nll_loss(
    log_probabilities: Any,
    labels: Any,
    *,
    weight: Any = None,
    ignore_index: int | None = None,
    reduction: Reduction = "mean",
) -> Tensor:
    """−mean of log_probabilities[label], as of the outputs of `log_softmax`.

    Arguments and errors: see `cross_entropy`, which is this of log_softmax(logits).

    >>> float(nll_loss(np.log([[0.5, 0.5], [0.25, 0.75]]), np.array([0, 0]))) == float(np.log(8) / 2)
    True
    """
    x, y = _rows_and_labels("nll_loss", log_probabilities, labels)
    if y.ndim == 2:
        raise ValueError(f"nll_loss needs labels (n,), got {y.shape}; cross_entropy takes probabilities.")
    return in_float32(lambda z: _likelihood("nll_loss", z, y, 0.0, ignore_index, weight, reduction), x)


@entry
def kl_div(log_probabilities: Any, targets: Any, *, reduction: Reduction = "mean") -> Tensor:
    """mean over the rows of Σ p·(log p − log q), the Kullback–Leibler divergence of q from p.

    Args:
        log_probabilities: log q, of any shape; the classes are on the last axis.
        targets: p, of the same shape, in [0, 1].
        reduction: "mean" divides the sum by the number of rows, which PyTorch calls "batchmean"; "sum", or
            "none" for each element.

    Raises:
        ValueError: the shapes differ, or a target lies outside [0, 1].

    >>> float(kl_div(np.log([[0.5, 0.5]]), np.array([[1.0, 0.0]]))) == float(np.log(2))
    True
    """
    log_q, p = same_shape("kl_div", log_probabilities, targets)
    p = with_checked(_are_probabilities, p, call="kl_div")
    losses = p * np.log(np.where(np.equal(p, 0), 1, p)) - weighed(p, log_q)
    if reduction == "mean":
        return np.sum(losses) / max(losses.size // losses.shape[-1], 1)  # type: ignore[no-any-return]
    return reduced("kl_div", losses, reduction)  # type: ignore[no-any-return]


# Two classes


@entry
def binary_cross_entropy_with_logits(
    logits: Any, targets: Any, *, weight: Any = None, pos_weight: Any = None, reduction: Reduction = "mean"
) -> Tensor:
    """mean (log(1 + eᶻ) − y·z), the negative log-likelihood of targets y under probabilities σ(z).

    Args:
        logits, targets: of one shape; targets in [0, 1].
        weight: factors ≥ 0 of the losses, which broadcast to their shape; the mean divides by the number of
            losses, not by Σ weight.
        pos_weight: factors ≥ 0 of the term of y alone: (1 − y)·log(1 + eᶻ) + pos_weight·y·log(1 + e⁻ᶻ).
        reduction: "mean", "sum", or "none" for the loss of each element.

    Raises:
        ValueError: the shapes differ, or a target lies outside [0, 1].

    The options mean what they mean in PyTorch.

    >>> float(binary_cross_entropy_with_logits(np.array([0.0]), np.array([1.0]))) == float(np.log(2))
    True
    """
    call = "binary_cross_entropy_with_logits"
    z, y = same_shape(call, logits, targets)
    y = with_checked(_are_probabilities, y, call=call)
    if pos_weight is None:
        losses = logistic_op(z, y)
    else:
        positive = y * factor(call, pos_weight, z, "pos_weight")
        losses = weighed(1 - y, softplus(z)) + weighed(positive, softplus(-z))
    return reduced(call, weighted(call, losses, weight), reduction)  # type: ignore[no-any-return]


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
