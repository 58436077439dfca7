"""NumPy's functions that cut, join, choose and fill, written in other functions: split, meshgrid, select,
linspace and their like, and the modes of pad that compute what they put in.

A composition needs no derivative of its own. Where NumPy checks arguments or finds shapes, it is asked to do
so for a stand-in: an array of the same shape that holds one number.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from minigrad.families import constant_op, register
from minigrad.mode import current
from minigrad.ops.index import known
from minigrad.ops.moving import diagonal, padded, widths
from minigrad.ops.shape import astype, each, filled
from minigrad.tensor import Tensor, data_of, traced_if_capturing


def _stand_in(x: Any) -> Any:
    """An array of x's shape and dtype without memory of its own."""
    x = data_of(x)
    return np.broadcast_to(np.zeros((), getattr(x, "dtype", None)), np.shape(x))


def _array(x: Any) -> Any:
    return x if isinstance(x, Tensor) else traced_if_capturing(np.asarray(x))


def in_one_dtype(*xs: Any) -> Any:
    """Arrays in the dtype of their sum, to which a Python number adds no digits."""
    xs = tuple(x if type(x) in (int, float, complex) else _array(x) for x in xs)
    kind = np.result_type(*(getattr(x, "dtype", x) for x in xs))
    return tuple(astype(_array(x), kind) for x in xs)


class _AnyWord(frozenset[str]):
    """The keywords of a rule that takes whatever is given."""

    def __contains__(self, word: object) -> bool:
        return True


def _at(axis: int, index: Any) -> tuple[Any, ...]:
    """The index that applies `index` to one axis."""
    return (*(slice(None),) * axis, index)


# Cutting


def _splits(function: Any, axis_of: Callable[[int], int] | None = None) -> None:
    """Register a function that cuts an array; `axis_of(ndim)` is its axis, by default an argument."""

    def rule(ary: Any, indices_or_sections: Any, axis: int = 0) -> Any:
        sections = indices_or_sections
        sections = known(sections) if isinstance(sections, Tensor | np.ndarray) else sections
        function(_stand_in(ary), sections, *(() if axis_of else (axis,)))  # NumPy checks the arguments
        axis = axis_of(ary.ndim) if axis_of else normalize_axis_index(axis, ary.ndim)
        cuts = np.array_split(np.arange(ary.shape[axis]), sections)
        return [ary[_at(axis, slice(int(c[0]), int(c[-1]) + 1) if c.size else slice(0, 0))] for c in cuts]

    register(function, rule, keywords=("axis",))


_splits(np.split)
_splits(np.array_split)
_splits(np.vsplit, lambda ndim: 0)
_splits(np.hsplit, lambda ndim: min(ndim - 1, 1))
_splits(np.dsplit, lambda ndim: 2)
register(np.unstack, lambda x, axis=0: tuple(np.moveaxis(x, axis, 0)), keywords=("axis",))


def trim_zeros(filt: Any, trim: Any = "fb", axis: Any = None) -> Any:
    """What np.trim_zeros leaves; it depends on values, and zeros inside are elements like others."""
    values = known(filt)
    kept = np.trim_zeros(values, trim, axis).shape
    front = np.trim_zeros(values, "f", axis).shape if "f" in trim.lower() else values.shape
    starts = [n - m for n, m in zip(values.shape, front, strict=True)]
    return filt[tuple(slice(start, start + n) for start, n in zip(starts, kept, strict=True))]


register(np.trim_zeros, trim_zeros, keywords=("trim", "axis"))

# Joining and repeating along new axes

register(np.atleast_3d, each(lambda x: np.reshape(x, np.atleast_3d(_stand_in(x)).shape)))


def broadcast_arrays(*args: Any, subok: bool = False) -> Any:
    shape = np.broadcast_shapes(*(np.shape(data_of(x)) for x in args))
    return tuple(np.broadcast_to(_array(x), shape) for x in args)


def meshgrid(*xi: Any, copy: bool = True, sparse: bool = False, indexing: Any = "xy") -> Any:
    grids: Any = np.meshgrid(*map(_stand_in, xi), sparse=True, indexing=indexing)
    axes = tuple(np.reshape(_array(x), grid.shape) for x, grid in zip(xi, grids, strict=True))
    return axes if sparse else broadcast_arrays(*axes)


register(np.broadcast_arrays, broadcast_arrays, keywords=("subok",))
register(np.meshgrid, meshgrid, keywords=("copy", "sparse", "indexing"))

# The trace


def trace(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None) -> Any:
    found = diagonal(a, offset, axis1, axis2)
    return np.sum(found if dtype is None else astype(found, dtype), axis=-1)


def stacked_trace(x: Any, *, offset: int = 0, dtype: Any = None) -> Any:
    return trace(x, offset, -2, -1, dtype)


register(np.trace, trace, keywords=("offset", "axis1", "axis2", "dtype"))
register(np.linalg.trace, stacked_trace, keywords=("offset", "dtype"))

# Choosing


def select(condlist: Sequence[Any], choicelist: Sequence[Any], default: Any = 0) -> Any:
    """The choice of the first condition that holds, elementwise."""
    if len(condlist) != len(choicelist) or not len(condlist):
        raise ValueError(
            f"np.select needs as many choices as conditions, and at least one, got {len(condlist)} "
            f"conditions and {len(choicelist)} choices."
        )
    y = default
    for condition, choice in zip(reversed(condlist), reversed(choicelist), strict=True):
        kind = np.asarray(data_of(condition)).dtype
        if kind.kind != "b":
            raise TypeError(f"np.select(condlist) needs arrays of booleans, got dtype {kind}.")
        y = np.where(_array(condition), _number_or_array(choice), _number_or_array(y))
    return y


def _number_or_array(x: Any) -> Any:
    return x if isinstance(x, int | float | complex) else _array(x)  # a number has no dtype of its own


def piecewise(x: Any, condlist: Any, funclist: Sequence[Any], *args: Any, **options: Any) -> Any:
    """The last piece whose condition holds, elementwise, and 0 where none does.

    A function is given x with the elements of other pieces replaced by one of its own, so that it sees no
    number outside of its piece.
    """
    if isinstance(funclist, np.ndarray) and funclist.ndim != 1:
        raise ValueError(f"np.piecewise(funclist) needs a list, got an array of shape {funclist.shape}.")
    conditions = _conditions(condlist, x)
    if len(funclist) == len(conditions) + 1:
        conditions.append(~np.any(np.stack(conditions), axis=0))
    if len(funclist) != len(conditions):
        raise ValueError(
            f"np.piecewise needs {len(conditions)} or {len(conditions) + 1} functions for "
            f"{len(conditions)} conditions, got {len(funclist)}."
        )
    y = np.zeros_like(x)
    for condition, f in zip(conditions, funclist, strict=True):
        if current.mode.capturing is None and not np.any(data_of(condition)):
            continue
        if callable(f):
            own = np.reshape(x, (-1,))[np.argmax(condition)]
            f = f(np.where(condition, x, own), *args, **options)
        y = np.where(condition, astype(_array(f), x.dtype), y)
    return y


def _conditions(condlist: Any, x: Any) -> list[Any]:
    """The conditions as arrays; a single one need not be in a list."""
    if isinstance(condlist, list | tuple):
        several = isinstance(condlist[0], list | np.ndarray | Tensor) or not x.ndim
    else:
        if isinstance(condlist, Tensor | np.ndarray) and not condlist.ndim:
            raise IndexError(
                "np.piecewise(condlist) needs conditions as long as x, got an array without axes."
            )
        several = np.ndim(data_of(condlist)) > bool(x.ndim)
    found = [_array(c) for c in (condlist if several else [condlist])]
    found = [np.reshape(c, c.shape + (1,) * (x.ndim - c.ndim)) for c in found]  # of leading axes, as a mask
    return [np.broadcast_to(c if c.dtype.kind == "b" else c != 0, x.shape) for c in found]


register(np.select, select, keywords=("condlist", "choicelist", "default"))
register(np.piecewise, piecewise).keywords = _AnyWord()


# Filling and ramps


def full(shape: Any, fill_value: Any, dtype: Any = None, order: str = "C", *, device: Any = None) -> Any:
    value = _array(fill_value)
    return filled(shape, value if dtype is None else astype(value, dtype))


def linspace(
    start: Any,
    stop: Any,
    num: Any = 50,
    endpoint: bool = True,
    retstep: bool = False,
    dtype: Any = None,
    axis: int = 0,
    *,
    device: Any = None,
) -> Any:
    """start + k·(stop − start)/n for k = 0, 1, …, where n is one less than `num` if the end is a point."""
    num = operator.index(num)
    if num < 0:
        raise ValueError(f"np.linspace(num=...) must not be negative, got {num}.")
    n = num - 1 if endpoint else num
    if device not in (None, "cpu"):
        raise ValueError(f"np.linspace(device=...) must be 'cpu', got {device!r}.")
    start, stop = (x * 1.0 for x in in_one_dtype(start, stop))
    delta = stop - start
    step = delta / n if n > 0 else delta
    k = np.arange(num, dtype=delta.dtype).reshape(-1, *(1,) * delta.ndim)
    y = k * step + start
    if endpoint and num > 1:
        y = np.concatenate([y[:-1], np.broadcast_to(stop, delta.shape)[None]])
    y = np.moveaxis(y, 0, axis)
    if dtype is not None:
        y = astype(np.floor(y) if np.issubdtype(dtype, np.integer) else y, dtype)
    return (y, step if n > 0 else np.nan) if retstep else y


def logspace(
    start: Any,
    stop: Any,
    num: Any = 50,
    endpoint: bool = True,
    base: Any = 10.0,
    dtype: Any = None,
    axis: int = 0,
) -> Any:
    """base**np.linspace(start, stop), elementwise in the base."""
    if np.ndim(data_of(base)):
        most = max(np.ndim(data_of(x)) for x in (start, stop, base))
        start, stop, base = (
            np.reshape(x, (1,) * (most - x.ndim) + x.shape) for x in map(_array, (start, stop, base))
        )
        base = np.expand_dims(base, axis)
    y = np.power(base, linspace(start, stop, num, endpoint, axis=axis))
    return y if dtype is None else astype(y, dtype)


def geomspace(
    start: Any, stop: Any, num: Any = 50, endpoint: bool = True, dtype: Any = None, axis: int = 0
) -> Any:
    """s·(start/s)¹⁻ᵗ·(stop/s)ᵗ for t from 0 to 1, where s is the sign of start, a constant."""
    start, stop = _array(start), _array(stop)
    kind = np.result_type(start.dtype, stop.dtype, np.zeros((), dtype))
    if current.mode.capturing is None and not (np.all(data_of(start)) and np.all(data_of(stop))):
        raise ValueError("np.geomspace(start, stop) needs ends that are not 0.")
    start, stop = broadcast_arrays(astype(start, kind), astype(stop, kind))
    sign = np.sign(start)
    first, last = start / sign, stop / sign
    y = logspace(np.log10(first), np.log10(last), num, endpoint)
    inside = y[1:-1] if endpoint and num > 1 else y[1:]
    ends = [last[None]] if endpoint and num > 1 else []
    y = np.concatenate([first[None], inside, *ends]) if num > 0 else y
    y = np.moveaxis(y * sign, 0, axis)
    return y if dtype is None else astype(y, dtype)


register(np.full, full, keywords=("dtype", "order", "device"))
register(np.linspace, linspace, keywords=("num", "endpoint", "retstep", "dtype", "axis", "device"))
register(np.logspace, logspace, keywords=("num", "endpoint", "base", "dtype", "axis"))
register(np.geomspace, geomspace, keywords=("num", "endpoint", "dtype", "axis"))

# Padding with what is computed from the array, axis by axis, as NumPy does

_STATISTICS = {"mean": np.mean, "maximum": np.max, "minimum": np.min, "median": np.median}
_rounded_pad = constant_op(lambda x, options: np.pad(x, **options), "pad")


def pad(array: Any, pad_width: Any, mode: Any = "constant", **options: Any) -> Any:
    if callable(mode):
        raise TypeError(
            "np.pad(mode=function) is not supported on Tensors, because the function would write into the "
            "padded array; join the parts with np.concatenate."
        )
    array = _array(array)
    if mode == "empty":
        mode = "constant"  # whose zeros are as good as any other numbers
    odd = options.get("reflect_type") == "odd" and mode in ("reflect", "symmetric")
    if not odd and mode not in (*_STATISTICS, "linear_ramp"):
        return padded(array, pad_width, mode, **options)
    values = {
        word: known(x) if isinstance(x, Tensor) else x for word, x in options.items() if word != "end_values"
    }
    np.pad(_stand_in(array), pad_width, mode, **values)  # NumPy checks the arguments
    if array.dtype.kind in "iub":
        return _rounded_pad(array, options={"pad_width": pad_width, "mode": mode, **options})
    step: Any = _odd
    detail: Any = [mode] * array.ndim
    if mode == "linear_ramp":
        step, detail = _with_ramps, np.broadcast_to(_array(options.get("end_values", 0)), (array.ndim, 2))
    elif not odd:
        step, lengths = partial(_with_statistics, _STATISTICS[mode]), values.get("stat_length")
        pairs = (array.ndim, 2)
        detail = np.full(pairs, None) if lengths is None else np.broadcast_to(known(lengths), pairs).tolist()
    for axis, width in enumerate(widths(pad_width, array)):
        if any(width):
            array = step(array, axis, width, detail[axis])
    return array


def _along(axis: int, ndim: int, width: Any) -> list[tuple[int, int]]:
    """The pad_width that pads one axis."""
    return [tuple(width) if a == axis else (0, 0) for a in range(ndim)]


def _odd(x: Any, axis: int, width: Any, mode: str) -> Any:
    """x turned by 180° about its ends, again and again: 2·end − the reflection."""
    n = x.shape[axis]
    if n == 1:
        return padded(x, _along(axis, x.ndim, width), "edge")
    most = n - 1 if mode == "reflect" else n
    while any(width):
        now = [min(most, each) for each in width]
        here = _along(axis, x.ndim, now)
        x = 2 * padded(x, here, "edge") - padded(x, here, mode)
        width = [each - done for each, done in zip(width, now, strict=True)]
    return x


def _with_statistics(statistic: Any, x: Any, axis: int, width: Any, lengths: Any) -> Any:
    n = x.shape[axis]
    before, after = (n if length is None else min(n, length) for length in lengths)
    ends = [
        statistic(x[_at(axis, slice(a, b))], axis=axis, keepdims=True)
        for a, b in ((0, before), (n - after, n))
    ]
    return np.concatenate([np.repeat(ends[0], width[0], axis), x, np.repeat(ends[1], width[1], axis)], axis)


def _with_ramps(x: Any, axis: int, width: Any, values: Any) -> Any:
    edges = x[_at(axis, 0)], x[_at(axis, -1)]
    ramps = [
        linspace(value, edge, n, endpoint=False, axis=axis)
        for value, edge, n in zip((values[0], values[1]), edges, width, strict=True)
    ]
    y = np.concatenate([ramps[0], x, np.flip(ramps[1], axis)], axis)
    return y if y.dtype == x.dtype else astype(y, x.dtype)


register(
    np.pad,
    pad,
    keywords=("array", "pad_width", "mode", "constant_values", "end_values", "stat_length", "reflect_type"),
)

# A function of each line, or along several axes


def apply_along_axis(func1d: Any, axis: int, arr: Any, *args: Any, **options: Any) -> Any:
    """func1d of each line of arr along an axis; its results, put where the axis was."""
    axis = normalize_axis_index(axis, arr.ndim)
    lines = np.moveaxis(arr, axis, -1)
    lead = lines.shape[:-1]
    if 0 in lead:
        raise ValueError("np.apply_along_axis needs at least one line, got an array without elements.")
    found = [_array(func1d(lines[i], *args, **options)) for i in np.ndindex(lead)]
    y = np.reshape(np.stack(found), lead + found[0].shape)
    k = found[0].ndim
    return np.moveaxis(y, range(len(lead), len(lead) + k), range(axis, axis + k))


def apply_over_axes(func: Any, a: Any, axes: Any) -> Any:
    """func(a, axis) for one axis after the other, each kept with length one."""
    for axis in np.atleast_1d(axes).tolist():
        axis = normalize_axis_index(axis, a.ndim)
        found = func(a, axis)
        found = found if found.ndim == a.ndim else np.expand_dims(found, axis)
        if found.ndim != a.ndim:
            raise ValueError("np.apply_over_axes(func) needs a function that takes away at most the axis.")
        a = found
    return a


register(np.apply_along_axis, apply_along_axis).keywords = _AnyWord()
register(np.apply_over_axes, apply_over_axes)

# Facts about arrays: constants

for _f in (np.shares_memory, np.may_share_memory):
    register(_f, lambda a, b, max_work=None, *, f=_f: f(data_of(a), data_of(b)), keywords=("max_work",))
for _g in (np.tril_indices_from, np.triu_indices_from):
    register(_g, lambda arr, k=0, *, g=_g: g(_stand_in(arr), k), keywords=("k",))
register(np.diag_indices_from, lambda arr: np.diag_indices_from(_stand_in(arr)))
register(np.array_equiv, lambda a1, a2: np.array_equiv(known(a1), known(a2)))
register(np.ix_, lambda *args: np.ix_(*map(known, args)))
register(np.common_type, lambda *arrays: np.common_type(*map(data_of, arrays)))
register(np.isrealobj, lambda x: np.isrealobj(data_of(x)))
