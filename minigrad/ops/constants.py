"""Results without a derivative: places, counts and truth values; and the ufuncs that the core does not have.

A result that has one value for each element is an op without rules, so a compiled function computes it anew.
One whose shape depends on values, or which is a Python number, is found from the values themselves (`known`),
and a compiled function then holds for these values only.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from minigrad.families import constant_op, elementwise, register
from minigrad.ops.assembling import in_one_dtype
from minigrad.ops.elementwise import power
from minigrad.ops.index import index_add, known, take, take_along_axis
from minigrad.ops.reduce import one_from_the_end
from minigrad.tensor import Tensor, data_of, is_live, traced_if_capturing

# Ufuncs

degrees = elementwise(np.degrees, lambda y, x: 180 / math.pi)
radians = elementwise(np.radians, lambda y, x: math.pi / 180)
copysign = elementwise(np.copysign, lambda y, a, b: np.sign(a) * np.sign(y), None, chooses=True)
nextafter = elementwise(np.nextafter, 1, None)
ldexp = elementwise(np.ldexp, lambda y, x, i: np.ldexp(1.0, i), None, bounded=True)
_fraction = elementwise(lambda x: np.modf(x)[0], 1, name="fraction")
_exponent = constant_op(lambda x: np.frexp(x)[1], "exponent")

_f: Any
for _f in (np.spacing, np.isnat, np.gcd, np.lcm, np.bitwise_count, np.left_shift, np.right_shift):
    constant_op(_f)


def float_power(a: Any, b: Any) -> Any:
    """aᵇ in float64 at least."""
    return power(*(_wide(x) for x in (a, b)))


def _wide(x: Any) -> Any:
    x = x if isinstance(x, Tensor) else np.asarray(x)
    return x.astype(np.result_type(x.dtype, np.float64))


def frexp(x: Any) -> Any:
    exponent = _exponent(x)
    return np.ldexp(x, -exponent), exponent


register(np.float_power, float_power)
register(np.frexp, frexp)
register(np.modf, lambda x: ((y := _fraction(x)), np.trunc(x).astype(y.dtype)))
register(np.divmod, lambda a, b: (np.floor_divide(a, b), np.remainder(a, b)))

# One value for each element, or for each along an axis


def _constant(function: Any, inputs: int, *options: str) -> None:
    op = constant_op(function, function.__name__)
    rules: list[Callable[..., Any]] = [
        lambda x, **more: op(x, **more),
        lambda a, b, **more: op(a, b, **more),
    ]
    register(function, rules[inputs - 1], keywords=options)


_constant(np.round, 1, "decimals")
_constant(np.around, 1, "decimals")
_constant(np.fix, 1)
_constant(np.isclose, 2, "rtol", "atol", "equal_nan")
_constant(np.isin, 2, "assume_unique", "invert")
_constant(np.searchsorted, 2, "side", "sorter")
_constant(np.digitize, 2, "right")
_constant(np.argpartition, 2, "axis", "kind")
_constant(np.nanargmax, 1, "axis", "keepdims")
_constant(np.nanargmin, 1, "axis", "keepdims")
for _f in (np.iscomplex, np.isreal, np.isposinf, np.isneginf):
    _constant(_f, 1)

# A shape that depends on values, or a Python number


def _known_only(function: Any, *options: str, weights: str = "") -> None:
    def rule(*xs: Any, **more: Any) -> Any:
        if is_live(more.get("weights")):
            raise TypeError(f"np.{function.__name__}(weights=...) has no derivative on Tensors; {weights}.")
        return function(*map(_values, xs), **{word: _values(x) for word, x in more.items()})

    register(function, rule, keywords=options)


def _values(x: Any) -> Any:
    return type(x)(map(known, x)) if isinstance(x, list | tuple) else known(x)


for _f in (np.nonzero, np.argwhere, np.flatnonzero, np.array_equiv, np.isrealobj):
    _known_only(_f)
_known_only(np.lexsort, "axis")
_known_only(np.histogram_bin_edges, "bins", "range")
_known_only(np.unravel_index, "order")
_known_only(np.ravel_multi_index, "mode", "order")
for _f in (np.histogram2d, np.histogramdd):
    _known_only(_f, "bins", "range", "density", "weights", weights="count with np.bincount(places, weights)")
_known_only(
    np.histogram,
    *("bins", "range", "density", "weights"),
    weights="write np.bincount(np.digitize(x, edges) - 1, weights)",
)


def bincount(x: Any, weights: Any = None, minlength: int = 0) -> Any:
    """How often each whole number occurs in x, or the sum of its weights."""
    if weights is None:
        return np.bincount(known(x), minlength=minlength)
    place = np.asarray(known(x))
    if place.ndim != 1 or np.shape(data_of(weights)) != place.shape:
        raise ValueError(
            f"np.bincount needs a vector and as many weights, got shapes {place.shape} and "
            f"{np.shape(data_of(weights))}."
        )
    n = max(int(place.max(initial=-1)) + 1, int(minlength))
    if not place.size:
        return np.zeros(n, np.intp)  # NumPy's dtype where there is nothing to add
    if np.iscomplexobj(data_of(weights)):
        raise TypeError(
            "np.bincount needs real weights, got complex ones. Count np.real and np.imag of them."
        )
    return index_add(np.zeros(n), place, weights)


register(np.bincount, bincount, keywords=("weights", "minlength"))

# Chosen elements: the places are constants, the values are not


def partition(a: Any, kth: Any, axis: int | None = -1, kind: str = "introselect") -> Any:
    np.partition(np.empty(1), 0, kind=kind)  # type: ignore[call-overload]  # raises if there is none of this name
    if axis is None:
        a, axis = np.reshape(a, (-1,)), 0
    placed = take_along_axis(a, np.argpartition(a, kth, axis=axis), axis)
    # the places of the sorted elements, so that equal ones stand in the order that `sort` gives them
    rank = np.argsort(np.argsort(placed, axis=axis, kind="stable"), axis=axis)
    return take_along_axis(np.sort(a, axis=axis), rank, axis)


def unique(
    ar: Any, return_index: bool = False, return_inverse: bool = False, return_counts: bool = False,
    axis: int | None = None, *, equal_nan: bool = True, sorted: bool = True,
) -> Any:  # fmt: skip
    """The distinct values, each as the first element that has it; the other results are constants."""
    which: dict[str, Any] = {"return_inverse": return_inverse, "return_counts": return_counts, "axis": axis}
    _, first, *rest = np.unique(known(ar), return_index=True, equal_nan=equal_nan, **which)
    y = take(ar, first, axis)
    found = (y, *([first] if return_index else []), *rest)
    return found if len(found) > 1 else y


def _unique_with(function: Any) -> Callable[..., Any]:
    def rule(x: Any) -> Any:
        return function(known(x))._replace(values=unique(x, equal_nan=False))

    return rule


def union1d(ar1: Any, ar2: Any) -> Any:
    return unique(np.concatenate([np.reshape(x, (-1,)) for x in in_one_dtype(ar1, ar2)]))


def _members(wanted: bool) -> Callable[..., Any]:
    """The distinct values of the first array that are, or are not, in the second."""

    def rule(ar1: Any, ar2: Any, assume_unique: bool = False) -> Any:
        x, other = (x if isinstance(x, Tensor) else traced_if_capturing(np.asarray(x)) for x in (ar1, ar2))
        if other.dtype.kind == "O":
            raise TypeError(f"needs two arrays of numbers, got {ar2!r:.60}.")
        if assume_unique and wanted:
            both = np.sort(np.concatenate([np.reshape(x, (-1,)), np.reshape(other, (-1,))]))
            return both[:-1][known(both[1:] == both[:-1])]
        x = np.reshape(x, (-1,)) if assume_unique else unique(x)
        y = x[np.isin(known(x), known(ar2), invert=not wanted)]
        return y.astype(np.result_type(x.dtype, other.dtype)) if wanted else y

    return rule


def real_if_close(a: Any, tol: float = 100) -> Any:
    return np.real(a) if np.isrealobj(np.real_if_close(known(a), tol)) else a


register(np.unique_values, lambda x: unique(x, equal_nan=False))
for _f in (np.unique_counts, np.unique_inverse, np.unique_all):
    register(_f, _unique_with(_f))
register(np.union1d, union1d)
register(np.intersect1d, _members(True), keywords=("assume_unique",))
register(np.setdiff1d, _members(False), keywords=("assume_unique",))
register(np.partition, partition, keywords=("axis", "kind"))
register(
    np.unique,
    unique,
    keywords=("return_index", "return_inverse", "return_counts", "axis", "equal_nan", "sorted"),
)
register(np.real_if_close, real_if_close)

# Angles

_unwrapped = elementwise(np.unwrap, 1, name="unwrap")
_unwrapped.__doc__ = "Adds whole periods, so the derivative is that of the identity."


def angle(z: Any, deg: bool = False) -> Any:
    y = np.arctan2(np.imag(z), np.real(z)) if z.dtype.kind == "c" else np.arctan2(0, z)
    return y * (180 / math.pi) if deg else y


def unwrap(p: Any, discont: Any = None, axis: int = -1, *, period: float = 2 * math.pi) -> Any:
    return _unwrapped(p, discont=discont, axis=one_from_the_end(axis, p.ndim), period=period)


register(np.angle, angle, keywords=("deg",))
register(np.unwrap, unwrap, keywords=("discont", "axis", "period"))

# Numbers instead of NaN and infinities

_finite = elementwise(np.nan_to_num, lambda y, x, **numbers: np.isfinite(x), name="nan_to_num", chooses=True)


def nan_to_num(x: Any, copy: bool = True, nan: Any = 0.0, posinf: Any = None, neginf: Any = None) -> Any:
    if isinstance(copy, str) or np.ndim(copy):
        raise ValueError(f"np.nan_to_num(copy=...) must be True or False, got {copy!r}.")
    numbers = {"nan": data_of(nan), "posinf": data_of(posinf), "neginf": data_of(neginf)}
    if x.dtype.kind != "c":
        return _finite(x, **numbers)
    return _finite(np.real(x), **numbers) + 1j * _finite(np.imag(x), **numbers)


register(np.nan_to_num, nan_to_num, keywords=("copy", "nan", "posinf", "neginf"))
