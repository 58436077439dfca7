"""Ops that move elements without changing them: all are linear, and each is written with its transpose.

`lead(t, x)` is the shape of the extra leading axes that `t` has over `x` in a batched sweep, usually ().
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from minigrad.families import constant_op, linear_op, register
from minigrad.products import BITS, select
from minigrad.sweeps import unbroadcast
from minigrad.tensor import ForEach, Op, Tensor, data_of, run, traced_if_capturing

from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple  # isort: skip


def lead(t: Any, x: Any) -> tuple[int, ...]:
    return t.shape[: t.ndim - x.ndim]  # type: ignore[no-any-return]


# Reshaping

reshape_op = linear_op(
    "reshape",
    lambda x, shape: x.reshape(shape),
    pull=lambda g, y, x, shape: g.reshape(lead_of(g, shape) + x.shape),
    push=lambda t, x, shape: np.reshape(t, lead(t, x) + shape),
    batched=True,
)


_WHOLE = frozenset({int})


def lengths(shape: Any) -> tuple[int, ...]:
    """A shape, given as a number or as a sequence of them, as a tuple."""
    if shape.__class__ is tuple and _WHOLE.issuperset(map(type, shape)):  # nearly always
        return shape  # type: ignore[no-any-return]
    if shape.__class__ is bool or (isinstance(shape, list | tuple) and bool in map(type, shape)):
        raise TypeError(f"reshape and broadcast_to take integers as a shape, got {shape}; write 1 for True.")
    if hasattr(shape, "__index__") and not np.ndim(shape):
        return (operator.index(shape),)
    return tuple(map(operator.index, shape))


def lead_of(g: Any, shape: tuple[int, ...]) -> tuple[int, ...]:
    return g.shape[: g.ndim - len(shape)]  # type: ignore[no-any-return]


def reshape(x: Any, shape: Any, order: Any = "C", *, copy: bool | None = None) -> Any:
    if copy is False:
        np.reshape(data_of(x), shape, order, copy=False)  # raises where NumPy would have to copy
    shape = lengths(shape)
    if -1 in shape:
        shape = data_of(x).reshape(shape).shape
    if (order.__class__ is str and order == "C") or _layout(x, order, "np.reshape") == "C":
        return run(reshape_op, (x,), {"shape": shape})
    return transpose(reshape(transpose(x), shape[::-1]))


def _layout(x: Any, order: str, call: str) -> str:
    """The order of elements, "C" or "F", that `order` means for x."""
    flags = data_of(x).flags
    meant = {"C": "C", "F": "F", "A": "F" if flags.fnc else "C"}
    if order.upper() not in meant:
        raise ValueError(f"{call}(order=...) must be 'C', 'F' or 'A', got {order!r}.")
    return meant[order.upper()]


def ravel(x: Any, order: str = "C") -> Any:
    if order.upper() != "K":
        return reshape(x, (-1,), order)
    if data_of(x).flags.c_contiguous:
        return reshape(x, (-1,))
    strides = [abs(stride) for stride in data_of(x).strides]  # as in NumPy, which reverses no axis
    if any(n > 1 and not stride for n, stride in zip(x.shape, strides, strict=True)):
        raise TypeError(
            "np.ravel(order='K') of a Tensor that was broadcast is not supported; write order='C'."
        )
    return reshape(transpose(x, sorted(range(x.ndim), key=lambda axis: -strides[axis])), (-1,))


register(np.reshape, reshape, keywords=("shape", "order", "copy"))
register(np.ravel, ravel, keywords=("order",))


def squeeze(x: Any, axis: Any = None) -> Any:
    return reshape_op(x, shape=np.squeeze(data_of(x), axis).shape)


def expand_dims(x: Any, axis: Any) -> Any:
    if axis.__class__ is not int:
        return reshape_op(x, shape=np.expand_dims(data_of(x), axis).shape)
    axis = normalize_axis_index(axis, x.ndim + 1)
    return run(reshape_op, (x,), {"shape": (*x.shape[:axis], 1, *x.shape[axis:])})


register(np.squeeze, squeeze, keywords=("axis",))
register(np.expand_dims, expand_dims, keywords=("axis",))


def each(change: Any) -> Any:
    def rule(*xs: Any) -> Any:
        found = [change(x if isinstance(x, Tensor) else traced_if_capturing(np.asarray(x))) for x in xs]
        return found[0] if len(found) == 1 else tuple(found)

    return rule


register(np.atleast_1d, each(lambda x: x if np.ndim(x) else np.reshape(x, (1,))))
register(np.atleast_2d, each(lambda x: x if np.ndim(x) > 1 else np.reshape(x, (1, np.size(x)))))

# Reordering axes


def _moved(t: Any, axes: tuple[int, ...]) -> Any:
    extra = t.ndim - len(axes)
    return t.transpose((*range(extra), *(extra + a for a in axes)) if extra else axes)


@lru_cache
def _back(axes: tuple[int, ...]) -> tuple[int, ...]:
    """The order that undoes an order of axes."""
    return tuple(sorted(range(len(axes)), key=axes.__getitem__))


@lru_cache
def _turned(ndim: int) -> tuple[int, ...]:
    """All axes in reverse order."""
    return tuple(range(ndim))[::-1]


transpose_op = linear_op("transpose", _moved, pull=lambda g, y, x, axes: _moved(g, _back(axes)), batched=True)


def transpose(x: Any, axes: Any = None) -> Any:
    n = x.ndim
    axes = _turned(n) if axes is None else normalize_axis_tuple(axes, n, "axes")
    if len(axes) != n:
        raise ValueError(f"np.transpose(axes={axes}) needs each of the {n} axes once.")
    return run(transpose_op, (x,), {"axes": axes})


def swapaxes(x: Any, axis1: int, axis2: int) -> Any:
    axes = list(range(x.ndim))
    axis1, axis2 = normalize_axis_index(axis1, x.ndim), normalize_axis_index(axis2, x.ndim)
    axes[axis1], axes[axis2] = axes[axis2], axes[axis1]
    return transpose_op(x, axes=tuple(axes))


def _reordered(x: Any, function: Any, *options: Any) -> Any:
    """function(x, *options), which only transposes; the lengths of a probe's axes show in which order."""
    probe = function(np.empty(tuple(range(2, 2 + x.ndim)), np.void), *options)
    return transpose_op(x, axes=tuple(n - 2 for n in probe.shape))


register(np.transpose, transpose, keywords=("axes",))
register(np.swapaxes, swapaxes)
register(np.moveaxis, lambda a, source, destination: _reordered(a, np.moveaxis, source, destination))
register(np.rollaxis, lambda a, axis, start=0: _reordered(a, np.rollaxis, axis, start))
for _f in (np.matrix_transpose, np.linalg.matrix_transpose):
    register(_f, lambda x, *, f=_f: _reordered(x, f))

# Repeating by broadcasting

broadcast_to_op = linear_op(
    "broadcast_to",
    lambda x, shape: np.broadcast_to(x, shape),
    lambda g, x, shape: unbroadcast(g, lead_of(g, shape) + x.shape, g.ndim - len(shape)),
    push=lambda t, x, shape: np.broadcast_to(
        np.reshape(t, lead(t, x) + (1,) * (len(shape) - x.ndim) + x.shape), lead(t, x) + shape
    ),
    batched=True,
)


def broadcast_to(x: Any, shape: Any) -> Any:
    return broadcast_to_op(x, shape=lengths(shape))


register(np.broadcast_to, broadcast_to, keywords=("shape",))

# Joining


def _piece(i: int, g: Any, y: Any, *args: Any, axis: int) -> Any:
    start = sum(a.shape[axis] for a in args[:i])
    where = (..., slice(start, start + args[i].shape[axis]), *(slice(None),) * (-axis - 1))
    return g[where]


def _placed(i: int, t: Any, y: Any, *args: Any, axis: int) -> Any:
    extra = lead(t, args[i])
    parts = [t if j == i else np.zeros(extra + a.shape, t.dtype) for j, a in enumerate(args)]
    return np.concatenate(parts, axis=axis)


concatenate_op = Op(
    "concatenate",
    lambda *args, axis: np.concatenate(args, axis=axis),
    pulls=ForEach(_piece),
    pushes=ForEach(_placed),
    batched=True,
)


def concatenate(
    arrays: Sequence[Any], axis: int | None = 0, *, dtype: Any = None, casting: Any = "same_kind"
) -> Any:
    arrays = [a if isinstance(a, Tensor) else traced_if_capturing(np.asarray(a)) for a in arrays]
    if dtype is not None or casting != "same_kind":
        kinds = [np.empty(0, a.dtype) for a in arrays]
        dtype = np.concatenate(kinds, dtype=dtype, casting=casting).dtype  # raises where the cast is refused
        arrays = [a if a.dtype == dtype else astype(a, dtype) for a in arrays]
    if axis is None:
        return concatenate([reshape(a, (-1,)) for a in arrays])
    if arrays:
        axis = normalize_axis_index(axis, arrays[0].ndim) - arrays[0].ndim
    return concatenate_op(*arrays, axis=axis)


def _stacked(*args: Any, axis: int) -> Any:
    place = axis + 1 + args[0].ndim
    shape = (*args[0].shape[:place], 1, *args[0].shape[place:])
    return np.concatenate([a.reshape(shape) for a in args], axis=axis)


def _stacked_alone(i: int, t: Any, y: Any, *args: Any, axis: int) -> Any:
    zeros = np.zeros(t.shape, t.dtype)
    return run(stack_op, tuple([t if j == i else zeros for j in range(len(args))]), {"axis": axis})


stack_op: Op = Op(
    "stack",
    _stacked,
    pulls=ForEach(lambda i, g, y, *args, axis: g[(..., i, *(slice(None),) * (-axis - 1))]),
    pushes=ForEach(_stacked_alone),
    batched=True,
)


def stack(arrays: Sequence[Any], axis: int = 0, **cast: Any) -> Any:
    arrays = [a if isinstance(a, Tensor) else traced_if_capturing(np.asarray(a)) for a in arrays]
    if len({a.shape for a in arrays}) != 1:
        raise ValueError(
            f"np.stack needs arrays of one shape, got {', '.join(str(a.shape) for a in arrays)}."
        )
    if cast:
        return concatenate([expand_dims(a, axis) for a in arrays], axis=axis, **cast)
    ndim = arrays[0].ndim + 1
    return run(stack_op, tuple(arrays), {"axis": normalize_axis_index(axis, ndim) - ndim})


def hstack(arrays: Sequence[Any], **cast: Any) -> Any:
    arrays = [np.reshape(traced_if_capturing(a), (1,)) if np.ndim(data_of(a)) == 0 else a for a in arrays]
    return concatenate(arrays, axis=0 if np.ndim(data_of(arrays[0])) == 1 else 1, **cast)


def vstack(arrays: Sequence[Any], **cast: Any) -> Any:
    return concatenate(
        [np.reshape(traced_if_capturing(a), (1, -1)) if np.ndim(data_of(a)) < 2 else a for a in arrays],
        **cast,
    )


register(np.concatenate, concatenate, keywords=("axis", "dtype", "casting"))
register(np.stack, stack, keywords=("axis", "dtype", "casting"))
register(np.hstack, hstack, keywords=("dtype", "casting"))
register(np.vstack, vstack, keywords=("dtype", "casting"))

# Selecting between two


def _kept(g: Any, c: Any, on: bool) -> Any:
    """g where the truth of c is `on`, else 0; `select` takes a quarter of the time of np.where on arrays."""
    if g.__class__ is c.__class__ is np.ndarray and c.dtype == bool and g.dtype in BITS:
        return select.forward(g, c if on else ~c)
    return np.where(c, g, 0) if on else np.where(c, 0, g)


where_op = Op(
    "where",
    lambda condition, a, b: np.where(condition, a, b),
    pulls=(None, lambda g, y, c, a, b: _kept(g, c, True), lambda g, y, c, a, b: _kept(g, c, False)),
    pushes=(None, lambda t, y, c, a, b: _kept(t, c, True), lambda t, y, c, a, b: _kept(t, c, False)),
    broadcasts=True,
    batched=True,
    doc="condition ? a : b, elementwise. Nothing leaks from the side that was not selected.",
)


def where(condition: Any, a: Any = None, b: Any = None) -> Any:
    if a is None or b is None:
        raise TypeError(
            "np.where(condition) on a Tensor has no derivative; use np.nonzero(condition.numpy())."
        )
    return where_op(condition, a, b)


register(np.where, where)

# Changing the dtype. The sweeps cast every derivative to the dtype of its value, so the rule is the identity.

astype_op = Op(
    "astype",
    lambda x, dtype: x.astype(dtype),
    pulls=(lambda g, y, x, dtype: g,),
    pushes=(lambda t, y, x, dtype: t,),
    batched=True,
)

astype_constant_op = constant_op(lambda x, dtype: x.astype(dtype), "astype")


def astype(x: Any, dtype: Any) -> Any:
    """x in another dtype; a change to integers or bool is a constant."""
    dtype = np.dtype(dtype)
    return astype_op(x, dtype=dtype) if dtype.kind in "fc" else astype_constant_op(x, dtype=dtype)


register("astype", astype)
register(np.astype, astype)

# Constants shaped like a Tensor

for _f in (np.zeros_like, np.ones_like, np.empty_like):
    register(
        _f,
        lambda x, dtype=None, order="K", subok=True, shape=None, *, make=_f, **device: make(
            data_of(x), dtype, order, subok, shape, **device
        ),
        keywords=("dtype", "order", "subok", "shape", "device"),
    )


def filled(shape: Any, value: Any) -> Any:
    """The value broadcast to a shape; leading axes of length 1 too many fall away, as in an assignment."""
    more = value.ndim - len(np.broadcast_shapes(shape))
    if more > 0 and set(value.shape[:more]) == {1}:
        value = reshape(value, value.shape[more:])
    return broadcast_to(value, shape)


def full_like(
    x: Any,
    fill_value: Any,
    dtype: Any = None,
    order: Any = "K",
    subok: bool = True,
    shape: Any = None,
    *,
    device: Any = None,
) -> Any:
    """An array like x with every element `fill_value`, which may be an array or a Tensor and is broadcast."""
    fill_value = traced_if_capturing(fill_value)
    if isinstance(fill_value, Tensor):
        made = astype(fill_value, data_of(x).dtype if dtype is None else dtype)
        return filled(np.shape(data_of(x)) if shape is None else shape, made)
    return np.full_like(data_of(x), fill_value, dtype, order, subok, shape, device=device)


register(np.full_like, full_like, keywords=("fill_value", "dtype", "order", "subok", "shape", "device"))
register(np.shape, lambda x: x.shape)
register(np.ndim, lambda x: x.ndim)
register(np.size, lambda x, axis=None: np.size(data_of(x), axis), keywords=("axis",))
register(np.result_type, lambda *xs: np.result_type(*(data_of(x) for x in xs)))
register(np.can_cast, lambda x, dtype, casting="safe": np.can_cast(data_of(x), dtype, casting))
register(np.iscomplexobj, lambda x: np.iscomplexobj(data_of(x)))
