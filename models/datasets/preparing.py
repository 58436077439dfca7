"""What is done with data before training: splitting, batching, scaling, classes as rows of 0 and 1."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from numbers import Real
from typing import NamedTuple, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from minigrad.extend import entry
from models.datasets.checks import Array, Rng, as_array, as_generator, as_integer, same_rows
from models.datasets.dataset import Dataset

__all__ = ["Scaling", "batches", "one_hot", "standardize", "train_test_split"]


@overload
def train_test_split(
    data: Dataset, test_size: float = 0.2, rng: Rng = 0, stratify: bool = False
) -> tuple[Dataset, Dataset]: ...


@overload
def train_test_split(
    data: Sequence[ArrayLike], test_size: float = 0.2, rng: Rng = 0, stratify: bool = False
) -> tuple[tuple[Array, ...], tuple[Array, ...]]: ...


@entry
def train_test_split(
    data: Dataset | Sequence[ArrayLike], test_size: float = 0.2, rng: Rng = 0, stratify: bool = False
) -> tuple[Dataset, Dataset] | tuple[tuple[Array, ...], tuple[Array, ...]]:
    """Divide the rows at random into (train, test): two Datasets if `data` is one, else two tuples of arrays.

    test_size: the fraction of rows in test, between 0 and 1, exclusive. It is rounded to whole rows, of which
    each side needs at least one.
    stratify: give each class its share of test, to within one row. The classes are in `data.y`, or in the
    last array.
    Raises ValueError or TypeError on a bad size, arrays of different lengths, or classes that are not
    integers. scikit-learn's function of this name takes the arrays one by one and returns train and test
    parts alternating.

    >>> from models.datasets import iris
    >>> train, test = train_test_split(iris(), test_size=0.2, stratify=True)
    >>> len(train.y), np.bincount(test.y)
    (120, array([10, 10, 10]))
    """
    call = "train_test_split"
    if isinstance(data, Dataset):
        arrays = [data.X, data.y]
    elif isinstance(data, (tuple, list)):
        arrays = [as_array(f"{call}(data)", a) for a in data]
    else:
        raise TypeError(
            f"`{call}(data)` must be a Dataset or a tuple of arrays, got {type(data).__name__}; pass `(X, "
            "y)`."
        )
    n = same_rows(f"{call}(data)", arrays)
    if not isinstance(test_size, Real) or isinstance(test_size, bool):
        raise TypeError(
            f"`{call}(test_size=...)` must be a fraction, got {type(test_size).__name__}; pass arrays as "
            "`(X, y)`."
        )
    if not 0 < test_size < 1:
        hint = f"; for that many of {n} rows write {test_size} / {n}" if 1 <= test_size < n else ""
        raise ValueError(
            f"`{call}(test_size=...)` must be between 0 and 1, exclusive, got {test_size}{hint}."
        )
    if not isinstance(stratify, (bool, np.bool_)):
        raise TypeError(
            f"`{call}(stratify=...)` must be True or False, got {type(stratify).__name__}; the classes are "
            "those in data."
        )
    n_test = round(float(test_size) * n)
    if not 0 < n_test < n:
        side = "train" if n_test else "test"
        raise ValueError(
            f"`{call}(test_size=...)` must leave a row on each side, got {test_size} of {n} rows: {side} is "
            "empty."
        )
    order = as_generator(call, rng).permutation(n)
    in_test = np.arange(n) < n_test
    if stratify:
        in_test = _stratified(arrays[-1][order], n_test)
    parts = [tuple(a[order[side]] for a in arrays) for side in (~in_test, in_test)]
    if isinstance(data, Dataset):
        train, test = (replace(data, X=X, y=y) for X, y in parts)
        return train, test
    return parts[0], parts[1]


def _stratified(labels: Array, n_test: int) -> NDArray[np.bool_]:
    """The mask of the rows that go to test: the first of each class.

    Each class gets its proportion of `n_test`, rounded to whole rows by largest remainder.
    """
    if labels.ndim != 1 or labels.dtype.kind not in "iub":
        raise TypeError(
            f"`train_test_split(stratify=True)` needs integer classes (n,) last, got {labels.dtype} "
            f"{labels.shape}; pass `stratify=False`."
        )
    _, code, counts = np.unique(labels, return_inverse=True, return_counts=True)
    take, rest = np.divmod(n_test * counts, len(labels))
    take[np.argsort(-rest, kind="stable")[: n_test - take.sum()]] += 1
    in_test = np.zeros(len(labels), np.bool_)
    for c, size in enumerate(take):
        in_test[np.flatnonzero(code == c)[:size]] = True
    return in_test


@entry
def batches(
    *arrays: ArrayLike, batch_size: int, rng: Rng | None = None, drop_last: bool = False
) -> Iterator[tuple[Array, ...]]:
    """One pass over the rows in minibatches: tuples with `batch_size` rows of each array, every row exactly
    once.

    rng: None keeps the order; otherwise the rows are shuffled. A Generator shuffles each pass anew, an int
    shuffles every pass alike.
    drop_last: leave out the last batch if it has fewer rows.
    The batches are copies. The call itself raises errors, before the first batch: ValueError or TypeError on
    arrays of different lengths, or on a batch_size that is below 1 or, with drop_last, leaves no batch.

    >>> [x.tolist() for (x,) in batches([1, 2, 3, 4, 5], batch_size=2)]
    [[1, 2], [3, 4], [5]]
    """
    pair = arrays[0] if len(arrays) == 1 else ()
    if isinstance(pair, tuple) and pair and all(isinstance(a, np.ndarray) for a in pair):
        raise TypeError(
            f"`batches(*arrays)` takes the arrays one by one, got one tuple of {len(pair)} arrays: write "
            "batches(X, y, batch_size=...)."
        )
    columns = [as_array("batches(*arrays)", a) for a in arrays]
    n = same_rows("batches(*arrays)", columns)
    batch_size = as_integer("batches(batch_size=...)", batch_size, 1)
    if drop_last and batch_size > n:
        raise ValueError(
            f"`batches(batch_size=...)` must be at most the {n} rows with drop_last=True, got {batch_size}."
        )
    order = np.arange(n) if rng is None else as_generator("batches", rng).permutation(n)
    stop = n - n % batch_size if drop_last else n
    return (tuple(a[order[i : i + batch_size]] for a in columns) for i in range(0, stop, batch_size))


class Scaling(NamedTuple):
    """The statistics that `standardize` used: scaled = (x − mean) / scale, x = scaled · scale + mean."""

    mean: Array
    scale: Array


@entry
def standardize(train: ArrayLike, *others: ArrayLike) -> tuple[tuple[Array, ...], Scaling]:
    """Scale columns to mean 0 and standard deviation 1 in train: ((train, *others), Scaling(mean, scale)).

    Every array becomes (x − μ)/σ, where μ = mean(train) and σ² = mean((train − μ)²) along the rows. The
    others do not enter these statistics, because test rows must not influence the model. A column that is
    constant in train gets σ = 1, so it becomes 0 there.
    train: (n, ...). others: (any, ...) with the same columns. Floating dtypes are kept, integers become
    float64. Raises ValueError on different columns or values that are not finite, TypeError on values that
    are not real numbers.

    >>> (train, test), scaling = standardize([[1.0, 5], [3, 5]], [[5.0, 6]])
    >>> train.tolist(), test.tolist(), scaling.mean.tolist()
    ([[-1.0, 0.0], [1.0, 0.0]], [[3.0, 1.0]], [2.0, 5.0])
    """
    arrays = [as_array("standardize(...)", a) for a in (train, *others)]
    same_rows("standardize(train)", arrays[:1])
    columns = arrays[0].shape[1:]
    for i, a in enumerate(arrays):
        what = f"standardize(others[{i - 1}])" if i else "standardize(train)"
        if a.dtype.kind not in "fiub":
            raise TypeError(
                f"`{what}` must hold real numbers, got dtype {a.dtype}; convert with astype(float)."
            )
        if not a.ndim or a.shape[1:] != columns:
            raise ValueError(f"`{what}` must have the columns of train, {columns}, got shape {a.shape}.")
        if not np.isfinite(a).all():
            where = tuple(int(j) for j in np.argwhere(~np.isfinite(a))[0])
            raise ValueError(
                f"`{what}` must be finite, got {a[where]} at {where}; drop or fill those rows first."
            )
    x = arrays[0].astype(np.float64)
    low, high = x.min(axis=0), x.max(axis=0)
    # The rounded mean of n equal numbers may miss them by an ulp. The rounded σ then is an ulp too, and their
    # quotient would be ±1 in place of 0.
    mean = np.where(low == high, low, x.mean(axis=0))
    scale = x.std(axis=0)
    scale = np.where((low == high) | (scale == 0), 1.0, scale)
    kept = [a.dtype if a.dtype.kind == "f" else np.dtype(np.float64) for a in arrays]
    scaled = tuple(((a - mean) / scale).astype(dtype) for a, dtype in zip(arrays, kept, strict=True))
    return scaled, Scaling(mean, scale)


@entry
def one_hot(y: ArrayLike, n: int) -> Array:
    """Classes as unit vectors: out[..., j] = 1 if y[...] = j, else 0.

    y: (...), integers 0 … n−1. n: the number of classes, at least 1. Returns (..., n), float64.
    Raises TypeError if y does not hold integers, ValueError if one is out of range.

    >>> one_hot([2, 0], 3)
    array([[0., 0., 1.],
           [1., 0., 0.]])
    """
    n = as_integer("one_hot(n=...)", n, 1)
    classes = as_array("one_hot(y)", y)
    if classes.dtype.kind not in "iub":
        raise TypeError(
            f"`one_hot(y)` must hold integers, got dtype {classes.dtype}; convert with astype(int)."
        )
    classes = classes.astype(np.int64)
    if classes.size and not (classes.min() >= 0 and classes.max() < n):
        bad = classes.min() if classes.min() < 0 else classes.max()
        raise ValueError(
            f"`one_hot(y, n={n})` must have classes from 0 to {n - 1}, got {bad}; pass a larger n or relabel."
        )
    out = np.zeros((*classes.shape, n))
    np.put_along_axis(out, classes[..., None], 1.0, axis=-1)
    return out
