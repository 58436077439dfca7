"""Reductions: sums, products, extrema and spread, and the softmax family.

Axes are stored as negative numbers, so that the same text works with extra leading axes in a batched sweep.
"""

from __future__ import annotations

import builtins
import operator
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from minigrad.arraylike import SQUARES
from minigrad.errors import entry
from minigrad.families import constant_op, linear_op, register
from minigrad.leaving import present
from minigrad.mode import current
from minigrad.ops.elementwise import in_floats, least_square, ratio
from minigrad.products import scale, select
from minigrad.tensor import Op, Tensor, apply, run

Axis = int | tuple[int, ...] | None
FEW = 4096  # so many elements are filled with a number in less time than NumPy needs to broadcast it


@lru_cache
def every_axis(ndim: int) -> tuple[int, ...]:
    """All axes, counted from the end."""
    return tuple(range(-ndim, 0))


def from_the_end(axis: Axis, ndim: int) -> tuple[int, ...]:
    """Axes as a tuple of negative numbers; None means all."""
    if axis is None:
        return every_axis(ndim)
    if axis.__class__ is int:
        return (normalize_axis_index(axis, ndim) - ndim,)
    if isinstance(axis, np.ndarray):
        axis = operator.index(axis)
    return tuple(a - ndim for a in normalize_axis_tuple(axis, ndim))


def one_from_the_end(axis: Any, ndim: int) -> int:
    return normalize_axis_index(axis, ndim) - ndim


def with_axes(g: Any, axis: tuple[int, ...], keepdims: bool) -> Any:
    """g with the axes that a reduction removed put back as axes of length one."""
    if keepdims or not axis or (g.__class__ is np.ndarray and not g.ndim):  # which broadcasts as it is
        return g
    return g[_gaps(axis, g.ndim)] if g.__class__ is np.ndarray else np.expand_dims(g, axis)


@lru_cache
def _gaps(axis: tuple[int, ...], ndim: int) -> tuple[Any, ...]:
    """The index that adds axes of length one, in a tenth of the time of np.expand_dims."""
    ndim += len(axis)
    return tuple([None if a in axis else slice(None) for a in range(-ndim, 0)])


def _spread(g: Any, x: Any, axis: tuple[int, ...], keepdims: bool = False) -> Any:
    if not isinstance(g, Tensor) and not g.ndim and x.size <= FEW and current.mode.capturing is None:
        full = np.empty(x.shape, g.dtype)
        full.fill(g)
        return full
    g = with_axes(g, axis, keepdims)
    return np.broadcast_to(g, g.shape[: g.ndim - x.ndim] + x.shape)


@lru_cache(maxsize=64)
def ones(n: int, dtype: Any) -> Any:
    """A cached, read-only vector of ones.

    Summing a matrix by a product with it takes a third of the time of add.reduce; along short rows, a tenth.
    """
    vector = np.ones(n, dtype)
    vector.flags.writeable = False
    return vector


def along_rows(x: Any, axis: tuple[int, ...], keepdims: bool) -> Any:
    """The ones to multiply x by for a sum over its last axis; None where add.reduce is better.

    On long rows add.reduce is more exact.
    """
    if axis != (-1,) or x.ndim < 2 or x.dtype.kind != "f" or not 0 < x.shape[-1] <= 1024:
        return None
    vector = ones(x.shape[-1], x.dtype)
    return vector[:, None] if keepdims else vector


def _sum(x: Any, axis: tuple[int, ...], keepdims: bool = False) -> Any:
    if x.ndim > 1 and len(axis) == 1:  # then a product with ones may be quicker
        if axis == (-2,) and not keepdims and x.dtype.kind == "f" and x.shape[-2]:
            return np.matmul(ones(x.shape[-2], x.dtype), x)
        right = along_rows(x, axis, keepdims)
        if right is not None:
            return x.dot(right) if x.ndim == 2 else np.matmul(x, right)
    return np.add.reduce(x, axis=axis, keepdims=keepdims)  # type: ignore[call-overload]  # the stubs want a literal bool


total = linear_op(  # nearly every loss is a sum, and parameters by name take half the time
    "sum", _sum, pull=lambda g, y, x, axis, keepdims=False: _spread(g, x, axis, keepdims), batched=True
)


def _folded(axis: Axis, ndim: int) -> tuple[int, ...]:
    """As `from_the_end`; a number has an axis 0 here, as in NumPy's ufunc.reduce."""
    return () if not ndim and axis in (0, -1) else from_the_end(axis, ndim)


def sum(x: Any, axis: Axis = None, *, keepdims: bool = False) -> Any:
    if not isinstance(x, Tensor):
        return total(x, axis=_folded(axis, np.ndim(x)), keepdims=bool(keepdims))
    ndim = x.primal.ndim
    axes = every_axis(ndim) if axis is None else _folded(axis, ndim)
    return apply(total, (x,), {"axis": axes, "keepdims": bool(keepdims)})  # run(total, ...) takes a call more


def _count(x: Any, axis: tuple[int, ...]) -> int:
    n = 1
    for a in axis:
        n *= x.shape[a]
    return n


mean_op = linear_op(
    "mean",
    lambda x, axis, keepdims: run(total, (x,), {"axis": axis, "keepdims": keepdims}) / _count(x, axis),
    pull=lambda g, y, x, axis, keepdims: _spread(g / _count(x, axis), x, axis, keepdims),
    batched=True,
)


def mean(x: Any, axis: Axis = None, *, keepdims: bool = False) -> Any:
    axes = from_the_end(axis, x.ndim)
    if not _count(x, axes):
        raise ValueError(f"np.mean of an empty slice: shape {x.shape}, axis {axis}.")
    return in_float32(mean_op, in_floats(x), {"axis": axes, "keepdims": bool(keepdims)})


def in_float32(op: Op, x: Any, params: dict[str, Any]) -> Any:
    """op(x, **params), with sums of a float16 x in float32, as in NumPy, because float16 ends at 65504."""
    if x.dtype.char == "e":
        return run(op, (x.astype(np.float32),), params).astype(np.float16)
    return run(op, (x,), params)


_whole_prod = constant_op(lambda x, axis, keepdims: np.prod(x, axis=axis, keepdims=keepdims), "prod")


def _cofactors(y: Any, x: Any, axis: tuple[int, ...], keepdims: bool) -> Any:
    """For each element the product of the others."""
    if x.__class__ is np.ndarray:  # a recorded sweep may not look at values
        least, largest = _extremes(y)
        if least_square(y.dtype) <= least and largest < np.inf:
            return np.divide(with_axes(y, axis, keepdims), x)
    order = [a for a in range(-x.ndim, 0) if a not in axis] + [a for a in range(-x.ndim, 0) if a in axis]
    places = [a + x.ndim for a in order]
    lines = np.transpose(x, places)
    found = _others(np.reshape(lines, (*lines.shape[: x.ndim - len(axis)], -1)))
    return np.transpose(np.reshape(found, lines.shape), np.argsort(places))


def _extremes(y: Any) -> tuple[Any, Any]:
    """The least and the largest size of an element."""
    if not y.ndim and y.dtype.kind == "f":
        size = abs(y.item())
        return size, size
    sizes = np.abs(y)
    return np.minimum.reduce(sizes, axis=None), np.maximum.reduce(sizes, axis=None)


def _others(x: Any) -> Any:
    """For each element the product of the others in its row: those of the pairs, times its partner.

    That takes about 3n multiplications, no division, and is right at every order where elements are 0.
    """
    half = x.shape[-1] // 2
    if not half:
        return np.ones_like(x)
    a, b, rest = x[..., :half], x[..., half : 2 * half], x[..., 2 * half :]
    outside = _others(np.concatenate([a * b, rest], axis=-1))
    of_pairs = outside[..., :half]
    return np.concatenate([of_pairs * b, of_pairs * a, outside[..., half:]], axis=-1)


_NONE: dict[str, Any] = {}


def _folding(name: str, forward: Any, slope: Any) -> Op:
    """An op that makes one number of the elements along some axes, with slope(y, x, axis, keepdims, ...) =
    ∂y/∂x in the shape of x."""

    def pull(g: Any, y: Any, x: Any, axis: tuple[int, ...], keepdims: bool, **options: Any) -> Any:
        return run(scale, (with_axes(g, axis, keepdims), slope(y, x, axis, keepdims, **options)), _NONE)

    def push(t: Any, y: Any, x: Any, axis: tuple[int, ...], keepdims: bool, **options: Any) -> Any:
        moved: Any = scale(t, slope(y, x, axis, keepdims, **options))
        return np.add.reduce(moved, axis=axis, keepdims=keepdims)  # type: ignore[call-overload]  # as in _sum

    return Op(name, forward, pulls=(pull,), pushes=(push,), batched=True)


prod_op = _folding(
    "prod", lambda x, axis, keepdims: np.multiply.reduce(x, axis=axis, keepdims=keepdims), _cofactors
)


def prod(x: Any, axis: Axis = None, *, keepdims: bool = False) -> Any:
    """The product along axes; its derivative by an element is the product of the others."""
    constant = not x.size or x.dtype.kind in "biu"
    params = {"axis": _folded(axis, x.ndim), "keepdims": bool(keepdims)}
    return run(_whole_prod if constant else prod_op, (x,), params)


register((np.sum,), sum, keywords=("axis", "keepdims"))
register(np.mean, mean, keywords=("axis", "keepdims"))
register(np.prod, prod, keywords=("axis", "keepdims"))

# Extrema: ties share the derivative evenly, the minimum-norm choice.


def _share(y: Any, x: Any, axis: tuple[int, ...], keepdims: bool) -> Any:
    hit = np.equal(x, with_axes(y, axis, keepdims)).astype(x.dtype)
    return hit / np.add.reduce(hit, axis=axis, keepdims=True)


def _extremum(name: str, reduce: Any) -> Op:
    def pull(g: Any, y: Any, x: Any, axis: tuple[int, ...], keepdims: bool) -> Any:
        return select(with_axes(g, axis, keepdims), _share(y, x, axis, keepdims))

    def push(t: Any, y: Any, x: Any, axis: tuple[int, ...], keepdims: bool) -> Any:
        parts: Any = select(t, _share(y, x, axis, keepdims))
        return np.add.reduce(parts, axis=axis, keepdims=keepdims)  # type: ignore[call-overload]  # as in `_sum`

    def extremum(x: Any, axis: tuple[int, ...], keepdims: bool) -> Any:
        return reduce(x, axis=axis, keepdims=keepdims)

    return Op(name, extremum, pulls=(pull,), pushes=(push,), batched=True)


max_op, min_op = _extremum("max", np.maximum.reduce), _extremum("min", np.minimum.reduce)


def max(x: Any, axis: Axis = None, *, keepdims: bool = False) -> Any:
    return run(max_op, (x,), {"axis": _folded(axis, x.ndim), "keepdims": bool(keepdims)})


def min(x: Any, axis: Axis = None, *, keepdims: bool = False) -> Any:
    return run(min_op, (x,), {"axis": _folded(axis, x.ndim), "keepdims": bool(keepdims)})


register((np.max, np.amax), max, keywords=("axis", "keepdims"))
register((np.min, np.amin), min, keywords=("axis", "keepdims"))

# Spread. std has a rule of its own, because sqrt(var) would give 0·∞ where x is constant.


def _centred(x: Any, axis: tuple[int, ...]) -> tuple[Any, int]:
    n = _count(x, axis)
    whole = n > 0 and len(axis) == x.ndim  # then numbers do, which are quicker than axes of length 1
    x = x - x[_first(axis, x.ndim, whole)]  # so that a constant deviates by 0, without its mean's rounding
    mean: Any = np.add.reduce(x, axis=axis, keepdims=not whole) / n  # type: ignore[call-overload]  # as in _sum
    return x - mean, n


@lru_cache
def _first(axis: tuple[int, ...], ndim: int, whole: bool) -> tuple[Any, ...]:
    """The index of the first element along some axes."""
    if whole:
        return (*(0,) * ndim, ...)
    return tuple([slice(0, 1) if a in axis else slice(None) for a in range(-ndim, 0)])


def _variance(x: Any, axis: tuple[int, ...], ddof: float, keepdims: bool) -> Any:
    deviation, n = _centred(x, axis)
    squares = run(total, (deviation * deviation,), {"axis": axis, "keepdims": keepdims})
    return squares / builtins.max(n - ddof, 0)


def _var_slope(y: Any, x: Any, axis: tuple[int, ...], keepdims: bool, ddof: float) -> Any:
    """∂σ²/∂x = 2(x − x̄)/(n − ddof)."""
    deviation, n = _centred(x, axis)
    return deviation / (0.5 * builtins.max(n - ddof, 0))


var_op = _folding("var", _variance, _var_slope)


def one_number(ddof: Any) -> Any:
    """ddof, which NumPy lets be an array that the result is divided by element for element."""
    if isinstance(ddof, np.ndarray) and ddof.ndim:
        raise TypeError(
            f"np.var and np.std take one number as ddof or correction on Tensors, got shape {ddof.shape}. "
            "Pass float(ddof)."
        )
    return ddof


def var(x: Any, axis: Axis = None, *, ddof: float = 0, keepdims: bool = False) -> Any:
    if x.dtype.kind == "c":
        return var(np.real(x), axis, ddof=ddof, keepdims=keepdims) + var(
            np.imag(x), axis, ddof=ddof, keepdims=keepdims
        )
    axes = from_the_end(axis, x.ndim)
    return in_float32(var_op, x, {"axis": axes, "ddof": one_number(ddof), "keepdims": bool(keepdims)})


def _std_slope(y: Any, x: Any, axis: tuple[int, ...], keepdims: bool, ddof: float) -> Any:
    """∂σ/∂x = (x − x̄)/((n − ddof)·σ), and 0 where σ is 0: the minimum-norm subgradient."""
    deviation, n = _centred(x, axis)
    return ratio(deviation, builtins.max(n - ddof, 0) * with_axes(y, axis, keepdims))


_std = _folding(
    "std", lambda x, axis, ddof, keepdims: np.sqrt(_variance(x, axis, ddof, keepdims)), _std_slope
)


SQUARES[_std] = lambda x, axis, ddof, keepdims: var_op(x, axis=axis, ddof=ddof, keepdims=keepdims)


def std(x: Any, axis: Axis = None, *, ddof: float = 0, keepdims: bool = False) -> Any:
    if x.dtype.kind == "c":
        real, imag = (std(part(x), axis, ddof=ddof, keepdims=keepdims) for part in (np.real, np.imag))
        return np.hypot(real, imag)
    axes = from_the_end(axis, x.ndim)
    return in_float32(_std, x, {"axis": axes, "ddof": one_number(ddof), "keepdims": bool(keepdims)})


register(np.var, var, keywords=("axis", "ddof", "keepdims"))
register(np.std, std, keywords=("axis", "ddof", "keepdims"))

# The softmax family


def _logsumexp(x: Any, axis: tuple[int, ...], keepdims: bool) -> Any:
    top = np.maximum.reduce(np.real(x), axis=axis, keepdims=True)
    top = np.where(np.isfinite(top), top, 0)  # all −∞ gives −∞, and an ∞ gives ∞, without ∞ − ∞ on the way
    with np.errstate(divide="ignore"):  # log 0 = −∞ is the right answer here
        y = np.log(np.add.reduce(np.exp(x - top), axis=axis, keepdims=True)) + top
    return y if keepdims else np.squeeze(y, axis)


def _weights(y: Any, x: Any, axis: tuple[int, ...], keepdims: bool) -> Any:
    """exp(x − logsumexp(x)): the softmax; 0 where everything is −∞."""
    y = with_axes(y, axis, keepdims)
    return np.exp(x - np.where(np.equal(y, -np.inf), 0, y))


_logsumexp_op = _folding("logsumexp", _logsumexp, _weights)


@entry
def logsumexp(x: Any, axis: Axis = None, *, keepdims: bool = False) -> Any:
    """log Σ exp(x) along axes (None: all), without overflow; −∞ (with derivative 0) where all entries are −∞.

    >>> float(logsumexp(np.array([1000.0, 1000.0]))) == 1000 + float(np.log(2))
    True
    """
    x = present(x)
    x = in_floats(x if isinstance(x, Tensor) else np.asarray(x))
    axes = from_the_end(axis, x.ndim)
    return in_float32(_logsumexp_op, x, {"axis": axes, "keepdims": bool(keepdims)})


def centred_at(x: Any, top: Any, out: Any = None) -> Any:
    """x − top, for the maxima `top` of the rows; beside an infinite logit the others are −∞, the limit."""
    if abs(np.vdot(top, top)) < np.inf:
        return np.subtract(x, top, out=out)
    with np.errstate(invalid="ignore"):
        z = np.asarray(np.subtract(x, top, out=out))
    np.copyto(z, np.where(np.equal(x, top), 0, -np.inf), where=np.equal(top, np.inf))
    return z


def _log_softmax(x: Any, axis: int) -> Any:
    z = centred_at(x, np.maximum.reduce(np.real(x), axis=axis, keepdims=True))
    return z - np.log(total(np.exp(z), axis=(axis,), keepdims=True))


log_softmax_op = Op(
    "log_softmax",
    _log_softmax,
    pulls=(lambda g, y, x, axis: g - np.exp(y) * total(g, axis=(axis,), keepdims=True),),
    pushes=(lambda t, y, x, axis: t - total(np.exp(y) * t, axis=(axis,), keepdims=True),),
    batched=True,
)


def _softmax(x: Any, axis: int) -> Any:
    e = np.exp(centred_at(x, np.maximum.reduce(np.real(x), axis=axis, keepdims=True)))
    return e / total(e, axis=(axis,), keepdims=True)


def _softmax_product(t: Any, y: Any, x: Any, axis: int) -> Any:
    """(diag y − y yᵀ)·t for each row; symmetric, so it serves both directions."""
    weighed = scale(t, y)
    return weighed - y * total(weighed, axis=(axis,), keepdims=True)


softmax_op = Op("softmax", _softmax, pulls=(_softmax_product,), pushes=(_softmax_product,), batched=True)


@entry
def log_softmax(x: Any, axis: int = -1) -> Any:
    """x − logsumexp(x) along an axis, exact to rounding for logits of any size. TypeError for several axes.

    >>> log_softmax(np.array([0.0, 1e4])).tolist()
    [-10000.0, 0.0]
    """
    return _along_one_axis(log_softmax_op, x, axis)


def _along_one_axis(op: Op, x: Any, axis: int) -> Any:
    x = present(x)
    x = in_floats(x if isinstance(x, Tensor) else np.asarray(x))
    if isinstance(axis, bool) or not isinstance(axis, int | np.integer):
        raise TypeError(
            f"softmax and log_softmax run along one axis, an integer, got axis={axis!r}; reshape to join "
            "axes."
        )
    last = from_the_end(int(axis), x.ndim)[0]
    return in_float32(op, x, {"axis": last})


@entry
def softmax(x: Any, axis: int = -1) -> Any:
    """exp(x)/Σ exp(x) along an axis.

    >>> softmax(np.array([0.0, 0.0])).tolist()
    [0.5, 0.5]
    """
    return _along_one_axis(softmax_op, x, axis)
