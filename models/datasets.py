"""Data to learn from: five small real sets, six generators, and the splitting, batching and scaling around
them.

This file knows NumPy and the files in `models/data`, whose README gives the source and licence of each set;
of minigrad it takes only that errors show no frames of ours. A file is read when its function is called, and
every array returned is the caller's own. Randomness comes from `rng` alone: an int is a seed; a Generator is
drawn from, so it moves on.

    X      inputs: (n, features), float64
    y      targets: (n,), int64 classes 0 … classes−1, or float64 values
    n      number of rows
    order  a permutation of the rows
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from numbers import Integral, Real
from typing import Any, NamedTuple, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from minigrad.extend import entry

Array = NDArray[Any]
Rng = int | np.random.Generator


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """Inputs, targets, and the names and source of both.

    X: (n, features), float64. y: (n,), int64 classes or float64 values; for a network whose output is (n, 1)
    pass `y[:, None]`, since (n, 1) − (n,) would broadcast to (n, n).
    target_names: one name for each class; for values, the one name of the quantity.
    Raises ValueError if X and y differ in their number of rows.

    >>> Dataset(np.zeros((3, 2)), np.zeros(3), description="nothing")
    Dataset(X: (3, 2) float64, y: (3,) float64, 'nothing')
    """

    X: Array
    y: Array
    feature_names: tuple[str, ...] = ()
    target_names: tuple[str, ...] = ()
    description: str = ""
    source: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "X", _array("Dataset(X=...)", self.X))
        object.__setattr__(self, "y", _array("Dataset(y=...)", self.y))
        _same_rows("Dataset(X, y)", [self.X, self.y])

    def __repr__(self) -> str:
        x, y = self.X, self.y
        return f"Dataset(X: {x.shape} {x.dtype}, y: {y.shape} {y.dtype}, {self.description!r})"


Dataset.__init__ = entry(Dataset.__init__)  # type: ignore[method-assign]


# Real data


def digits() -> Dataset:
    """Handwritten digits: 1797 images of 8×8 pixels, each 0 … 16, in 10 classes.

    X: (1797, 64), the rows of an image one after the other, so `X[i].reshape(8, 8)` is the image. For a
    network, `X / 16` is scaled well enough.
    Source: E. Alpaydin and C. Kaynak (1998), the test part of the UCI set, https://doi.org/10.24432/C50P49.

    >>> digits().X[0].reshape(8, 8)[3].astype(int)
    array([ 0,  4, 12,  0,  0,  8,  8,  0])
    """
    return _load(
        "digits",
        classes=tuple("0123456789"),
        description="handwritten digits, 8×8 pixels of 0 … 16",
        source="E. Alpaydin, C. Kaynak (1998), UCI, https://doi.org/10.24432/C50P49",
    )


def iris() -> Dataset:
    """Iris flowers: 150 plants, 4 lengths in cm, 3 species of 50 plants each.

    X: (150, 4), between 0.1 and 7.9. A plane separates the first species from the others; none separates
    those two.
    Source: R. A. Fisher (1936), https://doi.org/10.24432/C56C76. Two rows that are wrong in the UCI copy have
    Fisher's values here.

    >>> iris().target_names
    ('setosa', 'versicolor', 'virginica')
    """
    return _load(
        "iris",
        classes=("setosa", "versicolor", "virginica"),
        description="iris flowers, 4 lengths in cm, 3 species",
        source="R. A. Fisher (1936), UCI, https://doi.org/10.24432/C56C76",
    )


def wine() -> Dataset:
    """Italian wines: 178 samples, 13 chemical measurements, 3 growers.

    X: (178, 13), columns from about 0.1 to 1680, so `standardize` first.
    Source: S. Aeberhard and M. Forina (1991), https://doi.org/10.24432/C5PC7J.

    >>> np.bincount(wine().y)
    array([59, 71, 48])
    """
    return _load(
        "wine",
        classes=("class_0", "class_1", "class_2"),
        description="wines, 13 chemical measurements, 3 growers",
        source="S. Aeberhard, M. Forina (1991), UCI, https://doi.org/10.24432/C5PC7J",
    )


def breast_cancer() -> Dataset:
    """Breast tumours: 569 patients, 30 shapes of cell nuclei in an image, malignant (0) or benign (1).

    X: (569, 30), columns from 0 to 4254, so `standardize` first.
    Source: W. Wolberg, O. Mangasarian, N. Street and W. Street (1995), https://doi.org/10.24432/C5DW2B.

    >>> np.bincount(breast_cancer().y)
    array([212, 357])
    """
    return _load(
        "breast_cancer",
        classes=("malignant", "benign"),
        description="breast tumours, 30 shapes of cell nuclei, malignant or benign",
        source="W. Wolberg, O. Mangasarian, N. Street, W. Street (1995), UCI, https://doi.org/10.24432/C5DW2B",
    )


def diabetes() -> Dataset:
    """Diabetes: 442 patients, 10 measurements in their own units, and the progression of the disease a year
    later.

    X: (442, 10), not scaled (scikit-learn's default is to scale), so `standardize` first.
    y: (442,), float64, 25 … 346.
    Source: B. Efron, T. Hastie, I. Johnstone and R. Tibshirani (2004), Least Angle Regression, Annals of
        Statistics 32.

    >>> diabetes().y[:3]
    array([151.,  75., 141.])
    """
    return _load(
        "diabetes",
        classes=None,
        description="diabetes patients, 10 measurements, progression of the disease after a year",
        source="B. Efron, T. Hastie, I. Johnstone, R. Tibshirani (2004), Annals of Statistics 32, 407–499",
    )


def _load(name: str, classes: tuple[str, ...] | None, description: str, source: str) -> Dataset:
    """Read `name`.csv.gz: a line of column names, then rows of numbers with the target in the last column."""
    path = resources.files("models.data").joinpath(f"{name}.csv.gz")
    header, *lines = gzip.decompress(path.read_bytes()).decode().splitlines()
    *features, target = header.split(",")
    table = np.loadtxt(lines, delimiter=",", ndmin=2)
    y = table[:, -1].astype(np.float64 if classes is None else np.int64)
    return Dataset(table[:, :-1].copy(), y, tuple(features), classes or (target,), description, source)


# Generators


@entry
def moons(n: int = 100, noise: float = 0.1, *, rng: Rng = 0) -> Dataset:
    """Two interleaved half circles, in random order.

    Class 0, the upper moon, has ⌊n/2⌋ points and class 1, the lower, the others:
    (cos θ, sin θ) and (1 − cos θ, ½ − sin θ), with θ evenly spaced from 0 to π, plus noise·N(0, 1) on each
    coordinate.
    n: at least 2. noise: 0 or more. Raises ValueError or TypeError otherwise.
    The points are those of scikit-learn's `make_moons`; the random stream is not.

    >>> moons()
    Dataset(X: (100, 2) float64, y: (100,) int64, 'two interleaved half circles')
    """
    n = _integer("moons(n=...)", n, 2)
    upper, lower = (np.linspace(0, np.pi, size) for size in _sizes(n, 2)[::-1])
    X = [_on_circle(upper), [1.0, 0.5] - _on_circle(lower)]
    return _planar("moons", X, noise, rng, ("upper", "lower"), "two interleaved half circles")


@entry
def circles(n: int = 100, noise: float = 0.05, factor: float = 0.5, *, rng: Rng = 0) -> Dataset:
    """A circle of radius 1 around one of radius `factor`, in random order.

    Class 0, the outer circle, has ⌊n/2⌋ points and class 1, the inner, the others: r (cos θ, sin θ), with θ
    evenly spaced around the circle, plus noise·N(0, 1) on each coordinate.
    n: at least 2. noise: 0 or more. factor: between 0 and 1, exclusive. Raises ValueError or TypeError
    otherwise. The points are those of scikit-learn's `make_circles`; the random stream is not.

    >>> np.unique(np.hypot(*circles(noise=0).X.T).round(12))
    array([0.5, 1. ])
    """
    n = _integer("circles(n=...)", n, 2)
    if not 0 < _real("circles(factor=...)", factor) < 1:
        raise ValueError(f"`circles(factor=...)` must be between 0 and 1, exclusive, got {factor}.")
    outer, inner = (np.linspace(0, 2 * np.pi, size, endpoint=False) for size in _sizes(n, 2)[::-1])
    X = [_on_circle(outer), factor * _on_circle(inner)]
    return _planar("circles", X, noise, rng, ("outer", "inner"), "a circle around a smaller one")


@entry
def spirals(
    n: int = 300, classes: int = 3, turns: float = 0.75, noise: float = 0.02, *, rng: Rng = 0
) -> Dataset:
    """Arms that wind out from the origin, one for each class, in random order.

    The points of class c are t (cos θ, sin θ) with θ = 2π (turns·t + c/classes) and t evenly spaced in
    (0, 1], plus noise·N(0, 1) on each coordinate. Along a ray, neighbouring arms are 1/(turns·classes) apart.
    n: at least `classes`, shared as evenly as possible. classes: at least 1. turns: positive. noise: 0 or
    more. Raises ValueError or TypeError otherwise. This follows A. Karpathy's notes for CS231n, except that
    there the noise is on θ.

    >>> np.bincount(spirals(10).y)
    array([4, 3, 3])
    """
    classes = _integer("spirals(classes=...)", classes, 1)
    n = _integer("spirals(n=...)", n, classes, "one row a class")
    if not 0 < _real("spirals(turns=...)", turns) < np.inf:
        raise ValueError(f"`spirals(turns=...)` must be positive and finite, got {turns}.")
    X = []
    for c, size in enumerate(_sizes(n, classes)):
        t = np.arange(1, size + 1) / size
        X.append(t[:, None] * _on_circle(2 * np.pi * (turns * t + c / classes)))
    names = tuple(f"arm {c}" for c in range(classes))
    return _planar("spirals", X, noise, rng, names, f"{classes} spiral arms, {turns} turns")


@entry
def blobs(
    n: int = 100,
    centers: int | ArrayLike = 3,
    *,
    features: int = 2,
    std: float = 1.0,
    box: float = 10.0,
    rng: Rng = 0,
) -> Dataset:
    """Round clouds, one for each class: x ~ N(center, std²·I), in random order.

    centers: their number k, to draw them uniformly from [−box, box]^features; or the centers themselves,
    (k, features), and then `features` and `box` are not used.
    n: at least k, shared as evenly as possible. std: 0 or more. box: 0 or more.
    Raises ValueError or TypeError otherwise.

    >>> blobs(6, centers=[[0, 0, 0], [1, 2, 3]], std=0).X[0]
    array([1., 2., 3.])
    """
    generator = _generator("blobs", rng)
    if isinstance(centers, Integral):
        shape = (_integer("blobs(centers=...)", centers, 1), _integer("blobs(features=...)", features, 1))
        box = _not_negative("blobs(box=...)", box)
        centers = generator.uniform(-box, box, shape)
    middle = np.asarray(centers, np.float64)
    if middle.ndim != 2 or not middle.size:
        raise ValueError(
            f"`blobs(centers=...)` must be their number or an array (k, features), got shape {middle.shape}."
        )
    k = len(middle)
    n = _integer("blobs(n=...)", n, k, "one row a center")
    X = [np.repeat(m[None], size, axis=0) for m, size in zip(middle, _sizes(n, k), strict=True)]
    names = tuple(f"blob {c}" for c in range(k))
    return _planar("blobs", X, std, generator, names, f"{k} round clouds", "std")


@entry
def xor(n: int = 4, noise: float = 0.0, *, rng: Rng = 0) -> Dataset:
    """Exclusive or: the corners (a, b) of the unit square in turn, y = a ⊕ b.

    The rows are (0, 0), (0, 1), (1, 0), (1, 1), then the same again, plus noise·N(0, 1) on each coordinate.
    n: at least 1. noise: 0 or more. Raises ValueError or TypeError otherwise.
    Source: M. Minsky and S. Papert (1969), Perceptrons.

    >>> xor().X.astype(int).tolist(), xor().y.tolist()
    ([[0, 0], [0, 1], [1, 0], [1, 1]], [0, 1, 1, 0])
    """
    n = _integer("xor(n=...)", n, 1)
    a, b = np.arange(n) // 2 % 2, np.arange(n) % 2
    X = np.stack([a, b], axis=1) + _noise("xor(noise=...)", (n, 2), noise, _generator("xor", rng))
    return Dataset(
        X, (a ^ b).astype(np.int64), ("a", "b"), ("equal", "different"), "exclusive or", "generated by `xor`"
    )


@entry
def chebyshev(k: int = 6, n: int = 20) -> Dataset:
    """The Chebyshev polynomial of degree k on an even grid: y = T_k(x) = cos(k arccos x).

    X: (n, 1), evenly spaced from −1 to 1. y: (n,), float64, between −1 and 1.
    k: at least 0. n: at least 2. Raises ValueError or TypeError otherwise.
    J. Cohen et al. (2021), Gradient Descent on Neural Networks Typically Occurs at the Edge of Stability,
    train on these targets.

    >>> chebyshev(k=2, n=5).y
    array([ 1. , -0.5, -1. , -0.5,  1. ])
    """
    k = _integer("chebyshev(k=...)", k, 0)
    n = _integer("chebyshev(n=...)", n, 2)
    x = np.linspace(-1, 1, n)
    y = np.polynomial.chebyshev.chebval(x, [0.0] * k + [1.0])
    return Dataset(
        x[:, None], y, ("x",), (f"T{k}(x)",), f"y = T{k}(x) on an even grid", "generated by `chebyshev`"
    )


def _planar(
    call: str,
    X: list[Array],
    noise: float,
    rng: Rng,
    names: tuple[str, ...],
    description: str,
    noise_name: str = "noise",
) -> Dataset:
    """One Dataset of the points of all classes. The rows are shuffled first, then get the noise."""
    generator = _generator(call, rng)
    points, y = np.concatenate(X), np.repeat(np.arange(len(X), dtype=np.int64), [len(x) for x in X])
    order = generator.permutation(len(y))
    points = points[order] + _noise(f"{call}({noise_name}=...)", points.shape, noise, generator)
    features = tuple(f"x{i}" for i in range(points.shape[1]))
    return Dataset(points, y[order], features, names, description, f"generated by `{call}`")


def _on_circle(angle: Array) -> Array:
    return np.stack([np.cos(angle), np.sin(angle)], axis=-1)


def _sizes(n: int, classes: int) -> list[int]:
    """The number of rows of each class: n shared as evenly as possible, the larger shares first."""
    return [n // classes + (c < n % classes) for c in range(classes)]


def _noise(what: str, shape: tuple[int, ...], scale: float, rng: np.random.Generator) -> Array:
    return rng.normal(0.0, _not_negative(what, scale), shape)


# Splitting, batching, scaling


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

    >>> train, test = train_test_split(iris(), test_size=0.2, stratify=True)
    >>> len(train.y), np.bincount(test.y)
    (120, array([10, 10, 10]))
    """
    call = "train_test_split"
    if isinstance(data, Dataset):
        arrays = [data.X, data.y]
    elif isinstance(data, (tuple, list)):
        arrays = [_array(f"{call}(data)", a) for a in data]
    else:
        raise TypeError(
            f"`{call}(data)` must be a Dataset or a tuple of arrays, got {type(data).__name__}; pass `(X, "
            "y)`."
        )
    n = _same_rows(f"{call}(data)", arrays)
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
    order = _generator(call, rng).permutation(n)
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
    columns = [_array("batches(*arrays)", a) for a in arrays]
    n = _same_rows("batches(*arrays)", columns)
    batch_size = _integer("batches(batch_size=...)", batch_size, 1)
    if drop_last and batch_size > n:
        raise ValueError(
            f"`batches(batch_size=...)` must be at most the {n} rows with drop_last=True, got {batch_size}."
        )
    order = np.arange(n) if rng is None else _generator("batches", rng).permutation(n)
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
    arrays = [_array("standardize(...)", a) for a in (train, *others)]
    _same_rows("standardize(train)", arrays[:1])
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
    n = _integer("one_hot(n=...)", n, 1)
    classes = _array("one_hot(y)", y)
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


# Checks of arguments


def _array(what: str, x: Any) -> Array:
    """x as an array; the entries that a mask hides would count."""
    if isinstance(x, np.ma.MaskedArray | np.matrix):
        raise TypeError(f"`{what}` takes plain arrays, got a {type(x).__name__}; pass the rows that count.")
    return np.asarray(x)


def _integer(what: str, value: Any, least: int, reason: str = "") -> int:
    if not isinstance(value, Integral) or isinstance(value, bool):
        raise TypeError(f"`{what}` must be an integer, got {value!r}.")
    if value < least:
        raise ValueError(f"`{what}` must be at least {least}{', ' * bool(reason)}{reason}, got {value}.")
    return int(value)


def _real(what: str, value: Any) -> float:
    if not isinstance(value, Real) or isinstance(value, bool):
        raise TypeError(f"`{what}` must be a real number, got {value!r}.")
    return float(value)


def _not_negative(what: str, value: Any) -> float:
    number = _real(what, value)
    if not 0 <= number < np.inf:
        raise ValueError(f"`{what}` must be 0 or more and finite, got {value}.")
    return number


def _generator(call: str, rng: Any) -> np.random.Generator:
    if isinstance(rng, np.random.Generator):
        return rng
    if not isinstance(rng, Integral) or isinstance(rng, bool):
        raise TypeError(
            f"`{call}(rng=...)` must be an int seed or a np.random.Generator, got {rng!r}; pass rng=0."
        )
    if rng < 0:
        raise ValueError(f"`{call}(rng=...)` must be a seed of 0 or more, got {rng}.")
    return np.random.default_rng(int(rng))


def _same_rows(what: str, arrays: Sequence[Array]) -> int:
    """The number of rows, which must be the same in all arrays."""
    if not arrays:
        raise TypeError(f"`{what}` needs at least one array, got none.")
    for a in arrays:
        if not a.ndim:
            got = a.item() if a.dtype != object else type(a.item()).__name__
            raise TypeError(f"`{what}` needs arrays with rows, got {got}; of a Dataset pass X and y.")
    lengths = [len(a) for a in arrays]
    if len(set(lengths)) > 1:
        raise ValueError(f"`{what}` needs arrays of one length, got {', '.join(map(str, lengths))} rows.")
    if not lengths[0]:
        raise ValueError(f"`{what}` needs at least one row, got shape {arrays[0].shape}.")
    return lengths[0]
