"""Running sums, products and extrema, and the methods of ufuncs: reduce, accumulate, reduceat, outer, at.

A running result of an associative ufunc is found by doubling: in the step s = 1, 2, 4, …, element i takes in
element i − s, which stands for the s elements before. That takes log₂ n operations on arrays, all of them
recorded, so that a product is right at zeros at every order. Sums are linear, and extrema have a rule of
their own, because equal elements share the derivative evenly.

`axis` is counted from the end, as everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce as fold
from itertools import accumulate as running
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from minigrad.calls import as_written
from minigrad.errors import entry
from minigrad.families import constant_op, linear_op, register
from minigrad.ops.index import cut, known
from minigrad.ops.reduce import from_the_end, logsumexp, one_from_the_end
from minigrad.products import select
from minigrad.tensor import RULES, Op, Tensor, data_of, run, traced_if_capturing

# Sums. The transpose sums from the other end.


def _flipped(x: Any, axis: int) -> Any:
    return x[cut(axis, None, None, -1)]


def _running_sum(x: Any, axis: int, backwards: bool = False) -> Any:
    return _flipped(_flipped(x, axis).cumsum(axis), axis) if backwards else x.cumsum(axis)


cumsum_op: Op = linear_op(
    "cumsum",
    _running_sum,
    pull=lambda g, y, x, axis, backwards=False: run(
        cumsum_op, (g,), {"axis": axis, "backwards": not backwards}
    ),
    batched=True,
)

# Products and the like, by doubling


def _by_doubling(ufunc: Any, x: Any, axis: int) -> Any:
    n, step = x.shape[axis], 1
    while step < n:
        taken_in = ufunc(x[cut(axis, step, None)], x[cut(axis, 0, n - step)])
        x, step = np.concatenate([x[cut(axis, 0, step)], taken_in], axis=axis), 2 * step
    return x


# Extrema. y is constant along each run of equal values; the elements of x that equal y there, up to the
# place in question, share its derivative.


def _in_runs(x: Any, runs: Any, axis: int, backwards: bool) -> Any:
    """The running sums of x within each run: stretches of one number in `runs`."""
    if backwards:
        return _flipped(_in_runs(_flipped(x, axis), _flipped(runs, axis), axis, False), axis)
    n, step = x.shape[axis], 1
    while step < n:
        later, before = cut(axis, step, None), cut(axis, 0, n - step)
        taken_in = x[later] + np.where(runs[later] == runs[before], x[before], 0)
        x, step = np.concatenate([x[cut(axis, 0, step)], taken_in], axis=axis), 2 * step
    return x


sum_in_runs: Op = linear_op(
    "sum_in_runs",
    _in_runs,
    lambda g, x, runs, axis, backwards: sum_in_runs(g, runs, axis=axis, backwards=not backwards),
    others=1,
    batched=True,
)


def _runs(y: Any, axis: int) -> Any:
    return np.cumsum(y[cut(axis, 1, None)] != y[cut(axis, 0, -1)], axis)


_run_numbers = constant_op(
    lambda y, axis: np.concatenate([np.zeros_like(y[cut(axis, 0, 1)], np.intp), _runs(y, axis)], axis),
    "runs",
)


def _running_extremum(ufunc: Any, name: str) -> Callable[..., Any]:
    def shares(y: Any, x: Any, axis: int) -> tuple[Any, Any, Any]:
        runs, hit = _run_numbers(y, axis=axis), np.equal(x, y).astype(y.dtype)
        return runs, hit, sum_in_runs(hit, runs, axis=axis, backwards=False)

    def pull(g: Any, y: Any, x: Any, axis: int) -> Any:
        runs, hit, among = shares(y, x, axis)
        return select(sum_in_runs(g / among, runs, axis=axis, backwards=True), hit)

    def push(t: Any, y: Any, x: Any, axis: int) -> Any:
        runs, hit, among = shares(y, x, axis)
        return sum_in_runs(select(t, hit), runs, axis=axis, backwards=False) / among

    op = Op(name, lambda x, axis: ufunc.accumulate(x, axis), pulls=(pull,), pushes=(push,), batched=True)
    return lambda x, axis: op(x, axis=axis)


# One place for all ufuncs

_whole = constant_op(lambda x, ufunc, axis: ufunc.accumulate(x, axis), "accumulate")
_OPS: dict[Any, Callable[..., Any]] = {
    np.add: lambda x, axis: run(cumsum_op, (x,), {"axis": axis}),
    np.maximum: _running_extremum(np.maximum, "maximum.accumulate"),
    np.minimum: _running_extremum(np.minimum, "minimum.accumulate"),
    np.multiply: lambda x, axis: _by_doubling(np.multiply, x, axis),
    np.logaddexp: lambda x, axis: _by_doubling(np.logaddexp, x, axis),
    np.logaddexp2: lambda x, axis: _by_doubling(np.logaddexp2, x, axis),
}


def _each(x: Any, axis: int) -> list[Any]:
    return [x[cut(axis, i, i + 1)] for i in range(x.shape[axis])]


def accumulate(ufunc: Any, x: Any, axis: int = 0, dtype: Any = None) -> Any:
    """The results of applying `ufunc` to ever more elements along an axis: x₀, x₀ ∘ x₁, (x₀ ∘ x₁) ∘ x₂, …"""
    x = _as(x, dtype)
    if not x.ndim:
        raise TypeError(f"{as_written(ufunc)}.accumulate needs an axis, got a number; use x[None].")
    last = one_from_the_end(axis, x.ndim)
    if x.dtype.kind in "biu" or not x.shape[last]:
        return _whole(x, ufunc=ufunc, axis=last)
    if ufunc in _OPS:
        return _OPS[ufunc](x, last)
    return np.concatenate(list(running(_each(x, last), ufunc)), axis=last)


def _reduce(ufunc: Any, x: Any, axis: int | None = 0, keepdims: bool = False, dtype: Any = None) -> Any:
    x = _as(x, dtype)
    if ufunc is np.logaddexp and x.size:
        return logsumexp(x, axis, keepdims=keepdims)
    if axis is None and x.ndim == 1:
        axis = 0
    if not isinstance(axis, int | np.integer):
        raise TypeError(f"{as_written(ufunc)}.reduce(axis={axis!r}) on Tensors takes one axis, an integer.")
    last = from_the_end(int(axis), x.ndim)[0]
    if not x.shape[last]:
        raise ValueError(f"{as_written(ufunc)}.reduce of an empty axis: shape {x.shape}, axis {axis}.")
    y = fold(ufunc, _each(x, last))
    return y if keepdims else np.squeeze(y, last)


def _reduceat(ufunc: Any, x: Any, indices: Any, axis: int = 0, dtype: Any = None) -> Any:
    """ufunc.reduce of x[i:j] for each pair of consecutive indices, and x[i] where j ≤ i."""
    x, last = _as(x, dtype), from_the_end(axis, x.ndim)[0]
    starts = [int(i) for i in np.asarray(known(indices))]
    if any(not 0 <= i < x.shape[last] for i in starts):
        raise IndexError(
            f"{as_written(ufunc)}.reduceat(x, indices): indices must lie in [0, {x.shape[last]}), "
            f"got {starts}."
        )
    ends = [*starts[1:], x.shape[last]]
    pieces = [x[cut(last, i, max(j, i + 1))] for i, j in zip(starts, ends, strict=True)]
    return np.concatenate([ufunc.reduce(piece, axis=last, keepdims=True) for piece in pieces], axis=last)


def _outer(ufunc: Any, a: Any, b: Any, **options: Any) -> Any:
    """a ∘ b for every pair of elements, of shape a.shape + b.shape."""
    a, b = (x if isinstance(x, Tensor) else traced_if_capturing(np.asarray(x)) for x in (a, b))
    return ufunc(np.reshape(a, a.shape + (1,) * b.ndim), b, **options)


def _at(ufunc: Any, *operands: Any) -> Any:
    remedies = {
        np.add: "`x = minigrad.index_add(x, index, values)`",
        np.subtract: "`x = minigrad.index_add(x, index, -values)`",
    }
    named = as_written(ufunc)
    remedy = remedies.get(ufunc, f"`x = minigrad.index_set(x, index, {named}(x[index], values))`")
    raise TypeError(
        f"{named}.at writes into its first argument, which no graph can record. Write {remedy}, "
        "or take an array of `import minigrad.numpy as np`."
    )


_METHODS: dict[str, Callable[..., Any]] = {
    "accumulate": accumulate,
    "reduce": _reduce,
    "reduceat": _reduceat,
    "outer": _outer,
    "at": _at,
}


@entry
def _method(ufunc: Any, method: str, inputs: Sequence[Any], options: dict[str, Any]) -> Any:
    called = f"{as_written(ufunc)}.{method}"
    for word in ("out", "where", "initial"):
        if (given := options.pop(word, None)) is not None and given is not True and given is not np._NoValue:
            raise TypeError(
                f"{called}({word}=...) is not supported on Tensors. "
                + ("Write `y = ...` instead." if word == "out" else "Use np.where and the ufunc itself.")
            )
    return _METHODS[method](ufunc, *inputs, **options)


RULES["ufunc.method"] = _method


# NumPy's functions


def _as(x: Any, dtype: Any) -> Any:
    return x if dtype is None or dtype == x.dtype else x.astype(dtype)


def _whole_or(ufunc: Any, x: Any, axis: int | None, dtype: Any) -> Any:
    """NumPy's convention: no axis stands for all elements in one row, and a number is one element."""
    if x.ndim == 1:  # nearly always
        axis = 0 if axis is None else axis
    elif axis is None or not x.ndim:
        if axis is not None:
            normalize_axis_index(axis, 1)
        x, axis = np.reshape(x, (-1,)), 0
    return accumulate(ufunc, x, axis, dtype)


def _cumulative(ufunc: Any, without_nan: float | None = None) -> Callable[..., Any]:
    def rule(a: Any, axis: int | None = None, dtype: Any = None) -> Any:
        if without_nan is not None and data_of(a).dtype.kind in "fc":
            a = np.where(np.isnan(a), without_nan, a).astype(a.dtype)
        return _whole_or(ufunc, a, axis, dtype)

    return rule


def _with_initial(ufunc: Any, initial: int) -> Callable[..., Any]:
    def rule(x: Any, *, axis: int | None = None, dtype: Any = None, include_initial: bool = False) -> Any:
        if axis is None and x.ndim > 1:
            raise ValueError(
                f"np.cumulative_{'sum' if ufunc is np.add else 'prod'} of shape {x.shape} needs axis=, as x "
                "has several axes."
            )
        y = _whole_or(ufunc, x, axis, dtype)
        if not include_initial:
            return y
        last = -1 if axis is None else from_the_end(axis, y.ndim)[0]
        first = np.full([1 if i == last else y.shape[i] for i in range(-y.ndim, 0)], initial, y.dtype)
        return np.concatenate([first, y], axis=last)

    return rule


register(np.cumsum, _cumulative(np.add), keywords=("axis", "dtype"))
register(np.cumprod, _cumulative(np.multiply), keywords=("axis", "dtype"))
register(np.nancumsum, _cumulative(np.add, 0.0), keywords=("axis", "dtype"))
register(np.nancumprod, _cumulative(np.multiply, 1.0), keywords=("axis", "dtype"))
register(np.cumulative_sum, _with_initial(np.add, 0), keywords=("axis", "dtype", "include_initial"))
register(np.cumulative_prod, _with_initial(np.multiply, 1), keywords=("axis", "dtype", "include_initial"))
