"""Picking elements and putting them back: indexing, scattering, take_along_axis, sorting indices.

An index is split into its static skeleton (slices, None, Ellipsis, ints: `params`) and its integer arrays
(inputs of the op, without derivative). Boolean masks are turned into integer arrays first."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from minigrad.errors import entry
from minigrad.families import constant_op, linear_op, register
from minigrad.leaving import present
from minigrad.mode import current
from minigrad.tensor import RULES, ForEach, Op, Tensor, data_of, run, traced_if_capturing

# Basic indexing: views. Its transpose puts g into zeros, and the transpose of that is indexing again.


def _into_zeros(g: Any, shape: tuple[int, ...], index: tuple[Any, ...]) -> Any:
    lead = g.shape[: g.ndim - _result_ndim(shape, index)]
    z = np.zeros(lead + shape, g.dtype)
    z[(..., *full_index(index, shape)) if lead else index] = g
    return z


def full_index(index: tuple[Any, ...], shape: tuple[int, ...]) -> tuple[Any, ...]:
    """The index with its Ellipsis spelled out, so that it can follow another Ellipsis."""
    used = sum(i is not None and i is not Ellipsis for i in index)
    rest = (slice(None),) * (len(shape) - used)
    if Ellipsis in index:
        at = index.index(Ellipsis)
        return index[:at] + rest + index[at + 1 :]
    return index + rest


def _result_ndim(shape: tuple[int, ...], index: tuple[Any, ...]) -> int:
    n = len(shape)
    for i in index:
        if i is None:
            n += 1
        elif i.__class__ is int:
            n -= 1
    return n


getitem_op: Op = linear_op(
    "getitem",
    lambda x, index: x[index],
    pull=lambda g, y, x, index: run(place_op, (g,), {"shape": x.shape, "index": index}),
    push=lambda t, x, index: t[(..., *full_index(index, x.shape))],
    batched=True,
)
place_op: Op = linear_op(
    "place",
    _into_zeros,
    lambda g, x, shape, index: g[(..., *full_index(index, shape))],
    batched=True,
)


@lru_cache
def cut(axis: int, *ends: int | None) -> tuple[Any, ...]:
    """The index of a slice along an axis, which is counted from the end."""
    return (..., slice(*ends), *(slice(None),) * (-axis - 1))


def _difference(x: Any, axis: int) -> Any:
    return x[cut(axis, 1, None)] - x[cut(axis, None, -1)]


def _undone(g: Any, x: Any, axis: int) -> Any:
    """Each element is in the difference before it, and with a minus in the one after it."""
    if g.__class__ is not np.ndarray:  # the same bits as below, signs of zeros too
        edge = np.zeros(_with_length(1, g.shape, axis), g.dtype)
        return np.concatenate([edge, g], axis=axis) - np.concatenate([g, edge], axis=axis)
    c = np.zeros(_with_length(x.shape[axis], g.shape, axis), g.dtype)
    c[cut(axis, 1, None)] = g
    c[cut(axis, None, -1)] -= g
    return c


def _with_length(n: int, shape: tuple[int, ...], axis: int) -> tuple[int, ...]:
    """A shape with another length of one axis."""
    axis += len(shape)
    return (*shape[:axis], n, *shape[axis + 1 :])


diff_op = linear_op(  # of an axis that is not empty
    "diff", _difference, pull=lambda g, y, x, axis: _undone(g, x, axis), batched=True
)

# Advanced indexing: the transpose adds g back, so an element that is picked several times gets a sum.


def _gather(x: Any, *arrays: Any, index: tuple[Any, ...]) -> Any:
    return x[_filled(index, arrays)]


def _scatter(g: Any, *arrays: Any, shape: tuple[int, ...], index: tuple[Any, ...]) -> Any:
    z = np.zeros(shape, g.dtype)
    np.add.at(z, _filled(index, arrays), g)
    return z


class _Slot:
    """Marks where in an index the next integer array goes."""

    def __repr__(self) -> str:
        return "·"


SLOT = _Slot()
_ONE_ARRAY = (SLOT,)


def _filled(index: tuple[Any, ...], arrays: tuple[Any, ...]) -> tuple[Any, ...]:
    if len(index) == len(arrays):
        return arrays
    remaining = iter(arrays)
    return tuple(next(remaining) if i is SLOT else i for i in index)


gather: Op = Op(
    "gather",
    _gather,
    pulls=ForEach(
        lambda i, g, y, x, *arrays, index: run(scatter, (g, *arrays), {"shape": x.shape, "index": index}),
        only_first=True,
    ),
    pushes=ForEach(lambda i, t, y, x, *arrays, index: gather(t, *arrays, index=index), only_first=True),
    doc="x[index] with integer arrays in the index.",
)
scatter: Op = Op(
    "scatter",
    _scatter,
    pulls=ForEach(lambda i, g, y, x, *arrays, shape, index: gather(g, *arrays, index=index), only_first=True),
    pushes=ForEach(
        lambda i, t, y, x, *arrays, shape, index: scatter(t, *arrays, shape=shape, index=index),
        only_first=True,
    ),
    doc="Zeros of `shape` with the input added at index; the transpose of gather.",
)


def _split(index: Any) -> tuple[tuple[Any, ...], list[Any]]:
    """An index as its skeleton and its integer arrays."""
    skeleton: list[Any] = []
    arrays: list[Any] = []
    for i in index if isinstance(index, tuple) else (index,):
        value = data_of(i)
        if isinstance(value, list):
            value = i = np.asarray(value, dtype=None if value else np.intp)
        if isinstance(value, bool | np.bool_) or (isinstance(value, np.ndarray) and value.dtype == bool):
            mask = np.asarray(known(i))
            if not mask.ndim:
                raise IndexError(
                    "a bare bool is not supported as an index of a Tensor; use x[None] or x[None][:0]."
                )
            found = np.nonzero(mask)
            skeleton += [SLOT] * len(found)
            arrays += found
        elif isinstance(value, np.ndarray):
            if value.dtype.kind not in "iu":
                raise IndexError(f"an index array must hold integers or booleans, got dtype {value.dtype}.")
            skeleton.append(SLOT)
            arrays.append(i)
        elif i is None or i is Ellipsis or isinstance(i, slice):
            skeleton.append(i)
        else:
            try:
                skeleton.append(i.__index__())
            except (AttributeError, TypeError):
                if present(i) is not i:  # an array of minigrad.numpy
                    return _split(tuple(map(present, index)) if isinstance(index, tuple) else present(index))
                raise IndexError(
                    "a Tensor index is made of integers, slices, None, ... and integer or boolean arrays, "
                    f"got {i!r:.60}."
                ) from None
    return tuple(skeleton), arrays


def getitem(x: Tensor, index: Any) -> Any:
    if index.__class__ is slice or index.__class__ is int:
        return run(getitem_op, (x,), {"index": (index,)})
    if index.__class__ is np.ndarray and index.dtype.kind == "i":
        return run(gather, (x, index), {"index": _ONE_ARRAY})
    skeleton, arrays = _split(index)
    if arrays:
        _require_fitting_masks(x, index)
    return gather(x, *arrays, index=skeleton) if arrays else getitem_op(x, index=skeleton)


def _require_fitting_masks(x: Any, index: Any) -> None:
    """Raise IndexError for a mask of the wrong shape: turned into positions, it would pick other elements."""
    raw = tuple(data_of(i) for i in index) if isinstance(index, tuple) else data_of(index)
    if any(
        np.asarray(i).dtype == bool
        for i in (raw if isinstance(raw, tuple) else (raw,))
        if isinstance(i, np.ndarray | list)
    ):
        data_of(x)[raw]  # NumPy's own IndexError


RULES["getitem"] = getitem


@entry
def index_add(x: Any, index: Any, values: Any) -> Any:
    """x with `values` added at `index`; a repeated index adds each time. The input is not changed.

    Args:
        x: array or Tensor.
        index: as in x[index].
        values: of a shape that broadcasts to that of x[index].

    >>> index_add(np.zeros(3), [0, 0, 2], np.array([1.0, 2.0, 5.0])).tolist()
    [3.0, 0.0, 5.0]
    """
    skeleton, arrays = _split(index)
    shape = data_of(x)[_filled(skeleton, tuple(data_of(a) for a in arrays))].shape
    values = np.broadcast_to(_as_dtype_of(values, x), shape)
    if arrays:
        return x + scatter(values, *arrays, shape=x.shape, index=skeleton)
    return x + place_op(values, shape=x.shape, index=skeleton)


@entry
def index_set(x: Any, index: Any, values: Any) -> Any:
    """x with the elements at `index` replaced by `values`. The input is not changed.

    The arguments are those of `index_add`.

    Raises:
        ValueError: `index` names an element twice.

    >>> index_set(np.zeros(3), slice(1, None), 7.0).tolist()
    [0.0, 7.0, 7.0]
    """
    hit = np.zeros(x.shape, np.intp)
    np.add.at(hit, tuple(map(known, index)) if isinstance(index, tuple) else known(index), 1)
    if hit.max(initial=0) > 1:
        raise ValueError(
            "index_set(x, index, values): an element is set twice, so which value stays is undefined."
        )
    return index_add(np.where(hit > 0, 0, x), index, values)


def known(index: Any) -> Any:
    """The values of an index. They decide what is recorded, so a capture depends on them."""
    if isinstance(index, Tensor):
        return index.data
    if isinstance(index, np.ndarray) and current.mode.capturing is not None:
        current.mode.capturing.depends_on_values(index)
    return index


def _as_dtype_of(values: Any, x: Any) -> Any:
    values = traced_if_capturing(present(values))
    return values if isinstance(values, Tensor) else np.asarray(values, dtype=x.dtype)


# Along an axis


def places_along(indices: Any, axis: int) -> tuple[Any, ...]:
    """The index by which `take_along_axis` picks elements: the indices, and each place along other axes."""
    if indices.ndim == 1:
        return (indices,)
    places: list[Any] = list(np.ogrid[tuple(slice(n) for n in indices.shape)])
    places[axis] = indices
    return tuple(places)


# `once`: no element is picked twice, so what is put back need not be added, which takes three times as long


def _along(x: Any, indices: Any, *, axis: int, once: bool = False) -> Any:
    if x.ndim == 1 and indices.dtype.kind == "i":  # NumPy's function checks more, in ten times the time
        return x[indices]
    return np.take_along_axis(x, indices, axis)


def _add_along(g: Any, indices: Any, *, axis: int, shape: tuple[int, ...], once: bool = False) -> Any:
    z = np.zeros(shape, g.dtype)
    if once:
        z[places_along(indices, axis)] = g
    else:
        np.add.at(z, places_along(indices, axis), g)
    return z


take_along_op: Op = linear_op(
    "take_along_axis",
    _along,
    pull=lambda g, y, x, indices, **how: run(put_along_op, (g, indices), {"shape": x.shape, **how}),
    push=lambda t, x, indices, **how: take_along_op(t, indices, **how),
    others=1,
)
put_along_op: Op = linear_op(
    "add_along_axis",
    _add_along,
    lambda g, x, indices, shape, **how: take_along_op(g, indices, **how),
    push=lambda t, x, indices, **how: put_along_op(t, indices, **how),
    others=1,
)


def take_along_axis(x: Any, indices: Any, axis: int | None = -1) -> Any:
    if axis is None:
        return take_along_axis(np.reshape(x, (-1,)), indices, 0)
    axis = normalize_axis_index(axis, x.ndim)
    shape = [n if i != axis else data_of(indices).shape[axis] for i, n in enumerate(x.shape)]
    if list(data_of(indices).shape) != shape:
        indices = np.broadcast_to(indices, shape)
    return take_along_op(x, indices, axis=axis)


def take(x: Any, indices: Any, axis: int | None = None, *, mode: str = "raise") -> Any:
    picked = indices if isinstance(indices, Tensor) else np.asarray(indices)
    if picked.dtype == bool or (not isinstance(indices, Tensor | np.ndarray) and not picked.size):
        picked = picked.astype(np.intp)  # np.take reads booleans as 0 and 1, and an empty list has no dtype
    if axis is None or (not x.ndim and axis in (0, -1)):
        x, axis = np.reshape(x, (-1,)), 0
    axis = normalize_axis_index(axis, x.ndim)
    picked = traced_if_capturing(picked)
    if mode == "wrap":
        picked = picked % x.shape[axis]
    elif mode == "clip":
        picked = np.clip(picked, 0, x.shape[axis] - 1)
    elif mode != "raise":
        raise ValueError(f"np.take(mode=...) must be 'raise', 'wrap' or 'clip', got {mode!r}.")
    return x[(slice(None),) * axis + (picked,)]


def _sorted_axis(axis: Any, x: Any) -> int:
    """The axis counted from the front."""
    if axis.__class__ is bool:
        raise TypeError(f"axis is an integer, got {axis}; write {axis:d} for {axis}.")
    return normalize_axis_index(axis, x.ndim)


def _order(x: Any, axis: int, kind: str | None) -> Any:
    """np.argsort. A stable sort of floats takes three times as long as another, and only ties tell them
    apart; NaNs count as ties here."""
    if kind == "stable" and x.dtype.kind == "f" and x.shape[axis] > 256:
        order = np.argsort(x, axis=axis)
        ranked = np.moveaxis(np.take_along_axis(x, order, axis), axis, -1)
        if not (np.equal(ranked[..., 1:], ranked[..., :-1]).any() or np.isnan(ranked[..., -1]).any()):
            return order
    return x.argsort(axis, kind)  # np.argsort looks for the method first


argsort_op = constant_op(_order, "argsort")


def sort(x: Any, axis: int | None = -1, kind: str | None = None, *, stable: bool | None = None) -> Any:
    """x sorted, always by a stable sort: it gives the values that every `kind` gives.

    Equal elements keep their order, and so do their derivatives, as in PyTorch's stable sort. At such a tie
    this is the derivative in each direction that keeps the order; no linear map is right in all directions.
    What picks from sorted elements (partition, median, quantile, percentile) does the same.
    """
    if kind is not None or stable is not None:
        np.sort(np.empty(0), kind=kind, stable=stable)  # type: ignore[arg-type]  # NumPy checks it
    if axis is None:
        return sort(np.reshape(x, (-1,)), 0)
    axis = normalize_axis_index(axis, x.ndim)  # as np.sort, and unlike np.argsort, it takes True for 1
    order = run(argsort_op, (x,), {"axis": axis, "kind": "stable"})
    return run(take_along_op, (x, order), {"axis": axis, "once": True})


register(np.take_along_axis, take_along_axis, keywords=("axis",))
register(np.take, take, keywords=("indices", "axis", "mode"))
register(np.sort, sort, keywords=("axis", "kind", "stable"))

# Results that are indices or truth values: constants

for _f in (np.argmax, np.argmin, np.all, np.any, np.count_nonzero):
    _op = constant_op(_f, _f.__name__)
    register(
        _f, lambda x, axis=None, *, op=_op, **more: op(x, axis=axis, **more), keywords=("axis", "keepdims")
    )


def argsort(x: Any, axis: int | None = -1, kind: Any = None, *, stable: bool = False) -> Any:
    if kind is not None:
        np.argsort(np.empty(0), kind=kind)  # raises if there is none of this name
    if axis is None or not x.ndim:  # a number is one element
        x, axis = np.reshape(x, (-1,)), 0 if axis is None else axis
    return argsort_op(x, axis=_sorted_axis(axis, x), kind="stable" if stable else kind)


register(
    np.argsort,
    argsort,
    keywords=("axis", "kind", "stable"),
)
register(
    np.allclose,
    lambda a, b, **how: np.allclose(known(a), known(b), **{word: known(x) for word, x in how.items()}),
    keywords=("rtol", "atol", "equal_nan"),
)
register(
    np.array_equal,
    lambda a, b, equal_nan=False: np.array_equal(known(a), known(b), equal_nan),
    keywords=("equal_nan",),
)
