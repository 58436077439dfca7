"""Six generators of data for which it is known what a network has to learn."""

from __future__ import annotations

from numbers import Integral

import numpy as np
from numpy.typing import ArrayLike

from minigrad.extend import entry
from models.datasets.checks import Array, Rng, as_generator, as_integer, as_non_negative, as_real
from models.datasets.dataset import Dataset

__all__ = ["blobs", "chebyshev", "circles", "moons", "spirals", "xor"]


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
    n = as_integer("moons(n=...)", n, 2)
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
    n = as_integer("circles(n=...)", n, 2)
    if not 0 < as_real("circles(factor=...)", factor) < 1:
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
    classes = as_integer("spirals(classes=...)", classes, 1)
    n = as_integer("spirals(n=...)", n, classes, "one row a class")
    if not 0 < as_real("spirals(turns=...)", turns) < np.inf:
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
    generator = as_generator("blobs", rng)
    if isinstance(centers, Integral):
        shape = (as_integer("blobs(centers=...)", centers, 1), as_integer("blobs(features=...)", features, 1))
        box = as_non_negative("blobs(box=...)", box)
        centers = generator.uniform(-box, box, shape)
    middle = np.asarray(centers, np.float64)
    if middle.ndim != 2 or not middle.size:
        raise ValueError(
            f"`blobs(centers=...)` must be their number or an array (k, features), got shape {middle.shape}."
        )
    k = len(middle)
    n = as_integer("blobs(n=...)", n, k, "one row a center")
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
    n = as_integer("xor(n=...)", n, 1)
    a, b = np.arange(n) // 2 % 2, np.arange(n) % 2
    X = np.stack([a, b], axis=1) + _noise("xor(noise=...)", (n, 2), noise, as_generator("xor", rng))
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
    k = as_integer("chebyshev(k=...)", k, 0)
    n = as_integer("chebyshev(n=...)", n, 2)
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
    generator = as_generator(call, rng)
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
    return rng.normal(0.0, as_non_negative(what, scale), shape)
