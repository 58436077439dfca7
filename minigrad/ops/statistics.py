"""Sums, means, extrema and spreads with all of NumPy's options; quantiles; averages and covariances.

The rules in `reduce.py` are quick and take an axis. Those here take `where=` too, which says which elements
count, and the functions that skip NaN are the same functions with `where=~isnan(x)`. Each is a composition,
so there is hardly a derivative in this file; `root` is the only op.

`n` is how many elements count, a number or, with `where`, an array.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minigrad.arraylike import SQUARES
from minigrad.families import elementwise, register
from minigrad.mode import current
from minigrad.ops.elementwise import in_floats, ratio
from minigrad.ops.index import take_along_axis
from minigrad.ops.reduce import Axis, from_the_end, one_number
from minigrad.tensor import RULES, Tensor, data_of, traced_if_capturing

# √v, with derivative 0 at 0: the smallest subgradient of a standard deviation where all elements are equal
root = elementwise(np.sqrt, lambda y, v: ratio(0.5, y), name="root")
SQUARES[root] = lambda v: v

_SUM, _PROD, _MAX, _MIN, _MEAN = (RULES[f] for f in (np.sum, np.prod, np.max, np.min, np.mean))


def _array(x: Any, dtype: Any = None) -> Any:
    x = x if isinstance(x, Tensor) else traced_if_capturing(np.asarray(x))
    return x if dtype is None or dtype == x.dtype else x.astype(dtype)


def _looking() -> bool:
    """Whether values may be checked; a compiled function computes with others."""
    return current.mode.capturing is None


def _is_all(where: Any) -> bool:
    return where is True or where is np._NoValue


def _mask(where: Any) -> Any:
    where = _array(where)
    if where.dtype.kind != "b":
        raise TypeError(f"where= must hold booleans, got dtype {where.dtype}.")
    return where


def _keeps(keepdims: Any) -> bool:
    return keepdims is not np._NoValue and bool(keepdims)


def _given(value: Any) -> bool:
    return value is not None and value is not np._NoValue


def _only(x: Any, where: Any, otherwise: Any) -> Any:
    """x where the condition holds, and `otherwise`, in x's dtype, elsewhere."""
    if _is_all(where):
        return x
    return np.where(_mask(where), x, _array(otherwise).astype(x.dtype))


def _count(x: Any, where: Any, axis: Axis) -> Any:
    """How many elements count, with the axes kept."""
    if _is_all(where):
        return int(np.prod([x.shape[i] for i in from_the_end(axis, x.ndim)], dtype=int))
    return np.sum(np.broadcast_to(_mask(where), x.shape), axis=axis, keepdims=True)


def _without(kept: Any, axis: Axis, keepdims: Any) -> Any:
    """A result whose axes were kept, without them unless they are wanted."""
    return kept if _keeps(keepdims) else np.squeeze(kept, from_the_end(axis, kept.ndim))


def _initial(x: Any, y: Any) -> Any:
    """An initial value in the dtype of the result."""
    x = _array(x)
    if x.dtype.kind == "c" and y.dtype.kind != "c":
        raise TypeError(f"initial= must be a real number for a result of {y.dtype}, got {data_of(x)}.")
    return np.reshape(x, ()).astype(y.dtype)


def _sum(
    a: Any, axis: Axis = None, dtype: Any = None,
    *, keepdims: Any = False, initial: Any = None, where: Any = True,
) -> Any:  # fmt: skip
    y = _SUM(_only(_array(a, dtype), where, 0), axis, keepdims=_keeps(keepdims))
    return y + _initial(initial, y) if _given(initial) else y


def _prod(
    a: Any, axis: Axis = None, dtype: Any = None,
    *, keepdims: Any = False, initial: Any = None, where: Any = True,
) -> Any:  # fmt: skip
    y = _PROD(_only(_array(a, dtype), where, 1), axis, keepdims=_keeps(keepdims))
    return y * _initial(initial, y) if _given(initial) else y


def _extremum(rule: Any, ufunc: Any, neutral: float, name: str) -> Callable[..., Any]:
    def extremum(
        a: Any, axis: Axis = None, *, keepdims: Any = False, initial: Any = None, where: Any = True
    ) -> Any:
        if not _is_all(where) and not _given(initial):
            raise ValueError(
                f"np.{name}(where=...) needs initial=, the result where nothing counts, as in NumPy."
            )
        if not _given(initial):
            return rule(a, axis, keepdims=_keeps(keepdims))
        initial = _initial(initial, a)
        if not _is_all(where):
            a = _only(a, where, neutral if a.dtype.kind == "f" else initial)
        if not a.size:
            shape = data_of(a).sum(axis, keepdims=_keeps(keepdims)).shape
            return np.broadcast_to(initial, shape)
        return ufunc(rule(a, axis, keepdims=_keeps(keepdims)), initial)

    return extremum


def _mean(a: Any, axis: Axis = None, dtype: Any = None, *, keepdims: Any = False, where: Any = True) -> Any:
    a = _array(a, dtype)
    if _is_all(where):
        return _MEAN(a, axis, keepdims=_keeps(keepdims))
    y = _sum(a, axis, where=where, keepdims=True) / _count(a, where, axis)
    return _without(y.astype(a.dtype) if a.dtype.kind in "fc" else y, axis, keepdims)


def _var(
    a: Any, axis: Axis = None, dtype: Any = None,
    *, ddof: float = 0, keepdims: Any = False, where: Any = True, mean: Any = None,
    correction: Any = np._NoValue,
) -> Any:  # fmt: skip
    """Σ|x − x̄|²/(n − ddof) over the elements that count."""
    a = _array(a, dtype)
    if correction is not np._NoValue:  # None is refused, as in NumPy
        if ddof:
            raise ValueError("np.var and np.std take ddof or correction, which say the same, and not both.")
        ddof = correction
    ddof = one_number(ddof)
    centre = mean if _given(mean) else _mean(a, axis, where=where, keepdims=True)
    deviation = _only(a - centre, where, 0)
    if deviation.shape != a.shape:
        raise ValueError(f"mean= of shape {np.shape(data_of(mean))} does not fit shape {a.shape}.")
    size = (
        np.square(np.real(deviation)) + np.square(np.imag(deviation)) if a.dtype.kind == "c" else deviation**2
    )
    y = np.sum(size, axis=axis, keepdims=True) / np.maximum(_count(a, where, axis) - ddof, 0)
    return _without(y.astype(size.dtype) if size.dtype.kind == "f" else y, axis, keepdims)


def _std(a: Any, axis: Axis = None, dtype: Any = None, **options: Any) -> Any:
    return root(_var(a, axis, dtype, **options))


_MAXIMUM = _extremum(_MAX, np.maximum, -np.inf, "max")
_MINIMUM = _extremum(_MIN, np.minimum, np.inf, "min")
_FOLD = ("axis", "dtype", "keepdims", "initial", "where")
_SPREAD = ("axis", "dtype", "ddof", "keepdims", "where", "mean", "correction")
_FULL: list[tuple[tuple[Any, ...], Any, tuple[str, ...]]] = [
    ((np.sum,), _sum, _FOLD), ((np.prod,), _prod, _FOLD),
    ((np.max, np.amax), _MAXIMUM, ("axis", "keepdims", "initial", "where")),
    ((np.min, np.amin), _MINIMUM, ("axis", "keepdims", "initial", "where")),
    ((np.mean,), _mean, ("axis", "dtype", "keepdims", "where")),
    ((np.var,), _var, _SPREAD), ((np.std,), _std, _SPREAD),
]  # fmt: skip
for _functions, _rule, _words in _FULL:
    register(tuple((f, "options") for f in _functions), _rule, keywords=_words)


# The same without NaN


def _skipping(rule: Any) -> Callable[..., Any]:
    def skipping(a: Any, axis: Axis = None, dtype: Any = None, *, where: Any = True, **options: Any) -> Any:
        there = ~np.isnan(a)
        return rule(a, axis, dtype, where=there if _is_all(where) else there & _mask(where), **options)

    return skipping


def _nan_extremum(rule: Any, neutral: float) -> Callable[..., Any]:
    def skipping(
        a: Any, axis: Axis = None, *, keepdims: Any = False, initial: Any = None, where: Any = True
    ) -> Any:
        if a.dtype.kind in "biu":
            return rule(a, axis, keepdims=keepdims, initial=initial, where=where)
        lost = np.isnan(a)
        y = rule(
            np.where(lost, np.asarray(neutral, a.dtype), a),
            axis,
            keepdims=keepdims,
            initial=initial,
            where=where,
        )
        if _given(initial):
            return y
        return np.where(np.all(lost, axis=axis, keepdims=_keeps(keepdims)), np.asarray(np.nan, a.dtype), y)

    return skipping


register(np.nansum, _skipping(_sum), keywords=_FOLD)
register(np.nanprod, _skipping(_prod), keywords=_FOLD)
register(np.nanmean, _skipping(_mean), keywords=("axis", "dtype", "keepdims", "where"))
register(np.nanvar, _skipping(_var), keywords=_SPREAD)
register(np.nanstd, _skipping(_std), keywords=_SPREAD)
register(np.nanmax, _nan_extremum(_MAXIMUM, -np.inf), keywords=("axis", "keepdims", "initial", "where"))
register(np.nanmin, _nan_extremum(_MINIMUM, np.inf), keywords=("axis", "keepdims", "initial", "where"))


def _ptp(a: Any, axis: Axis = None, *, keepdims: Any = False) -> Any:
    return _MAX(a, axis, keepdims=_keeps(keepdims)) - _MIN(a, axis, keepdims=_keeps(keepdims))


register(np.ptp, _ptp, keywords=("axis", "keepdims"))

# Quantiles. Among the sorted x₀ ≤ … ≤ xₙ₋₁ the quantile q has the place v = n·q + α + q(1 − α − β) − 1.

_PLACES = {
    "linear": (1, 1), "interpolated_inverted_cdf": (0, 1), "hazen": (0.5, 0.5), "weibull": (0, 0),
    "median_unbiased": (1 / 3, 1 / 3), "normal_unbiased": (3 / 8, 3 / 8),
}  # fmt: skip
_STEPS: dict[str, Callable[..., Any]] = {
    "lower": np.floor, "higher": np.ceil, "nearest": np.rint,
    "midpoint": lambda v: (np.floor(v) + np.ceil(v)) / 2,
}  # fmt: skip


_WHOLE = ("lower", "higher", "nearest")


def _place(called: str, method: str, n: Any, q: Any) -> Any:
    if method in _STEPS:
        return _STEPS[method]((n - 1) * q)
    if method not in _PLACES:
        raise ValueError(
            f"{called}(method={method!r}) is not supported on Tensors; use one of "
            f"{', '.join(map(repr, [*_PLACES, *_STEPS]))}."
        )
    a, b = _PLACES[method]
    return (n - 1) * q if method == "linear" else n * q + (a + q * (1 - a - b)) - 1


def _lerp(a: Any, b: Any, t: Any) -> Any:
    """(1 − t)·a + t·b, exact at both ends and in the middle, and where a and b are one infinity."""
    a, b = in_floats(a), in_floats(b)
    with np.errstate(invalid="ignore"):
        y = np.where(t < 0.5, a + (b - a) * t, b - (b - a) * (1 - t))
        y = np.where(np.equal(t, 0.5), 0.5 * (a + b), y)
    return np.where(np.equal(t, 0) | np.equal(a, b), a, y)


_between = elementwise(
    _lerp, lambda y, a, b, t: 1 - t, lambda y, a, b, t: t, lambda y, a, b, t: b - a, name="between"
)


def _dtype_of(x: Any, q: Any, method: str, weak: bool) -> Any:
    """As in NumPy: that of x if its elements are taken, else of x and of the places, if not `weak`."""
    if method in _WHOLE or (method == "linear" and q.dtype.kind in "biu"):
        return x.dtype
    return np.result_type(x.dtype, 0.5 if weak else _place("", method, 2, np.ones((), q.dtype)).dtype)


def _quantiles(
    called: str, x: Any, q: Any, axis: Axis, method: str, keepdims: Any, skipping: bool, weak: bool
) -> Any:
    if q.ndim > 2 or (q.ndim == 2 and not q.size):
        raise ValueError(f"{called} needs q to be a number or a vector, got shape {q.shape}.")
    if _looking() and not np.all((data_of(q) >= 0) & (data_of(q) <= 1)):
        raise ValueError(f"{called} needs q in [0, 1] (of percentiles: [0, 100]), got {data_of(q)!r}.")
    axes = from_the_end(axis, x.ndim)
    kept = [i for i in range(-x.ndim, 0) if i not in axes]
    order = [i + x.ndim for i in (*kept, *axes)]
    rows = x if order == sorted(order) else np.transpose(x, order)
    if len(axes) != 1:
        rows = np.reshape(rows, [*(x.shape[i] for i in kept), _count(x, True, axis)])
    of_none = not rows.shape[-1] and not (skipping and 0 in rows.shape[:-1])
    if of_none or not (x.size or axes or skipping):  # as NumPy, which raises or gives NaN there
        raise ValueError(f"{called} of an empty slice: shape {x.shape}, axis {axis}.")
    rows = np.sort(rows, axis=-1)  # NaN stand at the end
    n = np.sum(~np.isnan(rows), axis=-1, keepdims=True) if skipping else rows.shape[-1]
    last = np.maximum(n - 1, 0)
    flat = np.reshape(q, (1,) * len(kept) + (-1,))
    v = np.clip(_place(called, method, n, flat), 0, last)
    low = np.floor(v).astype(np.intp)
    y = take_along_axis(rows, low)
    if method not in _WHOLE:
        y = _between(y, take_along_axis(rows, np.minimum(low + 1, last).astype(np.intp)), v - low)
    if not skipping and x.dtype.kind == "f":
        y = np.where(np.isnan(rows[..., -1:]), np.nan, y)
    y = np.reshape(np.moveaxis(y, -1, 0), q.shape + tuple(x.shape[i] for i in kept))
    y = y.astype(_dtype_of(x, q, method, weak))
    if not _keeps(keepdims):
        return y
    return np.reshape(y, q.shape + tuple(1 if i in axes else x.shape[i] for i in range(-x.ndim, 0)))


def _quantile(name: str, scale: float, skipping: bool) -> Callable[..., Any]:
    called = f"np.{name}"

    def rule(
        a: Any, q: Any, axis: Axis = None, *, method: str = "linear", keepdims: Any = False
    ) -> Any:  # fmt: skip
        if isinstance(q, bool):
            raise TypeError(f"{called} needs a number q, got {q}.")
        weak = type(q) in (int, float)  # a number of Python has no dtype, one of NumPy has
        a, q = _array(a), _array(q)
        if "c" in (a.dtype.kind, q.dtype.kind):
            raise TypeError(
                f"{called} needs real numbers, got {a.dtype} and q of {q.dtype}. Pass np.real(a)."
            )
        q = q / scale if scale != 1 else q
        if a.dtype.kind == "b" and _dtype_of(a, q, method, weak).kind != "b":
            raise TypeError(f"{called} of booleans would lie between them; convert them with .astype(float).")
        return _quantiles(called, a, q, axis, method, keepdims, skipping, weak)

    return rule


def _median(name: str, skipping: bool) -> Callable[..., Any]:
    def rule(a: Any, axis: Axis = None, *, keepdims: Any = False) -> Any:
        return _quantiles(f"np.{name}", a, _array(0.5), axis, "linear", keepdims, skipping, weak=True)

    return rule


for _name, _scale in (("quantile", 1.0), ("percentile", 100.0)):
    for _prefix in ("", "nan"):
        register(
            getattr(np, _prefix + _name),
            _quantile(_prefix + _name, _scale, bool(_prefix)),
            keywords=("axis", "method", "keepdims"),
        )
register(np.median, _median("median", False), keywords=("axis", "keepdims"))
register(np.nanmedian, _median("nanmedian", True), keywords=("axis", "keepdims"))

# Averages and covariances


def _average(
    a: Any, axis: Axis = None, weights: Any = None, returned: bool = False, *, keepdims: Any = False
) -> Any:
    """Σw·x/Σw; weights of one axis only are spread over the others."""
    a = _array(a)
    keep = _keeps(keepdims)
    if weights is None:
        y = np.mean(a, axis=axis, keepdims=keep)
        if not y.size:
            raise ZeroDivisionError(f"np.average of shape {a.shape} has no elements.")
        n = np.full(y.shape, a.size / max(y.size, 1), y.dtype)
        return (y, n) if returned else y
    weights = _array(weights)
    if weights.shape != a.shape:
        axes = from_the_end(axis, a.ndim)
        if axis is None or weights.shape != tuple(
            a.shape[i] for i in (axis if isinstance(axis, tuple) else axes)
        ):
            raise ValueError(
                f"np.average(weights=...) needs the shape of a, {a.shape}, or of its axes axis={axis}, got "
                f"{weights.shape}."
            )
        order = sorted(range(len(axes)), key=axes.__getitem__)
        spread = [a.shape[i] if i in axes else 1 for i in range(-a.ndim, 0)]
        weights = np.broadcast_to(np.reshape(np.transpose(weights, order), spread), a.shape)
    total = np.sum(weights, axis=axis, keepdims=keep)
    if _looking() and np.any(data_of(total) == 0):
        raise ZeroDivisionError("np.average(weights=...): the weights sum to zero.")
    y = np.sum(a * weights, axis=axis, keepdims=keep) / total
    return (y, np.broadcast_to(total, y.shape)) if returned else y


def _cov(
    m: Any, y: Any = None, rowvar: bool = True, bias: bool = False, ddof: Any = None, fweights: Any = None,
    aweights: Any = None, *, dtype: Any = None,
) -> Any:  # fmt: skip
    """Cᵢⱼ = Σₖ wₖ(xᵢₖ − x̄ᵢ)(xⱼₖ − x̄ⱼ)* / norm, rows being variables and columns observations."""
    x = _observations(m, rowvar)
    if y is not None:
        x = np.concatenate([x, _observations(y, rowvar)], axis=0)
    x = x.astype(dtype or np.result_type(x.dtype, np.float64))
    ddof = (1 if bias == 0 else 0) if ddof is None else int(ddof)
    given = [_array(w) for w in (fweights, aweights) if w is not None]
    if any(w.shape != x.shape[1:] for w in given):
        raise ValueError(
            f"np.cov needs one weight for each of {x.shape[1]} observations, got shape {given[0].shape}."
        )
    if _looking() and any(np.any(data_of(w) < 0) for w in given):
        raise ValueError("np.cov needs weights that are not negative.")
    if not given:
        deviation, weighted, norm = x - np.mean(x, axis=1, keepdims=True), None, max(x.shape[1] - ddof, 0)
    else:
        w = given[0] * given[-1] if len(given) > 1 else given[0]
        total = np.sum(w)
        deviation = x - np.sum(x * w, axis=1, keepdims=True) / total
        weighted = deviation * w
        norm = total - ddof if aweights is None else total - ddof * np.sum(w * _array(aweights)) / total
    c = np.matmul(deviation, np.conjugate((deviation if weighted is None else weighted).T)) / norm
    return np.squeeze(c)


def _observations(x: Any, rowvar: bool) -> Any:
    x = _array(x)
    if x.ndim > 2:
        raise ValueError(f"np.cov needs at most 2 axes, variables and observations, got shape {x.shape}.")
    x = np.reshape(x, (1, -1)) if x.ndim < 2 else x
    return x if rowvar or x.shape[0] == 1 else x.T


def _corrcoef(x: Any, y: Any = None, rowvar: bool = True, *, dtype: Any = None) -> Any:
    c = _cov(x, y, rowvar, dtype=dtype)
    if not c.ndim:
        return c / c
    n = np.arange(c.shape[0])
    spread = np.sqrt(np.real(c[n, n]))
    c = c / spread[:, None] / spread
    if c.dtype.kind != "c":
        return np.clip(c, -1, 1)
    return np.clip(np.real(c), -1, 1) + 1j * np.clip(np.imag(c), -1, 1)


register(np.average, _average, keywords=("axis", "weights", "returned", "keepdims"))
register(np.cov, _cov, keywords=("y", "rowvar", "bias", "ddof", "fweights", "aweights", "dtype"))
register(np.corrcoef, _corrcoef, keywords=("y", "rowvar", "dtype"))
