"""Arrays that record assignment: what `minigrad.numpy` makes instead of ndarrays.

A node of the graph never changes, and neither does an array that a node has used. So an `Array` is no node.
It holds positions: `source`, an ndarray of integers in the array's shape, says from where in a `Pool` of
recorded values each element comes. To assign is to add the new values to the pool and to write their
positions into `source`, so NumPy itself says what `out[mask] = v` means. Basic indexing, `reshape` and `T`
give views of `source` with the same pool, and writing through a view is seen by its base. Reading joins the
values and picks from them: one op for a whole loop of writes.

Everywhere else an Array stands for its `present` value, a Tensor, or an ndarray if nothing live was written.
Our entrances ask for it through two attributes: `__recorded__()` is the value, `__apply__` runs an op.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from minigrad.calls import as_written
from minigrad.errors import entry, hide_our_frames
from minigrad.leaving import NO_OPERANDS, present
from minigrad.mode import current
from minigrad.ops.index import index_add
from minigrad.pool import Pool, frozen
from minigrad.tensor import Op, Tensor, traced_if_capturing

__all__ = ["SEQUENCES", "Array", "holds_tensors", "recorded", "values_of"]

# What is put into a pool, and what comes out of NumPy


def held(value: Any, dtype: Any) -> Any:
    """A value to assign, as the pool of an array of this dtype holds it: something that never changes.

    Raises:
        TypeError: a Tensor would lose its imaginary part, or its digits in an array of integers.
    """
    if value.__class__ is float or value.__class__ is np.float64:
        return frozen(np.array(value, dtype))
    value = _operand(value)
    if value.__class__ is np.ndarray and value.flags.writeable:
        value = traced_if_capturing(value)
    if isinstance(value, Tensor):
        if not np.can_cast(value.dtype, dtype, "same_kind"):
            raise TypeError(
                f"an array of {dtype} cannot hold a Tensor of {value.dtype} without losing a part of it or "
                f"its derivative. Make the array with dtype={value.dtype}."
            )
        if value.dtype != dtype:
            value = value.astype(dtype)
        elif value.op is None:  # a leaf may be changed later
            value = np.positive(value)
        if _is_recorded(value):
            return value
        value = value.primal
    copy = np.empty(np.shape(value), dtype)
    copy[...] = value
    return frozen(copy)


def _operand(x: Any) -> Any:
    """A Tensor or what NumPy takes, also for lists with Tensors in them."""
    return present(values_of(x) if holds_tensors(x) else x)


def holds_tensors(x: Any) -> bool:
    """Whether x is a list, or a list of lists and so on, in which there is a Tensor or an Array."""
    return isinstance(x, list | tuple) and any(isinstance(i, Tensor | Array) or holds_tensors(i) for i in x)


def _is_recorded(x: Tensor) -> bool:
    return x.active or current.mode.capturing is not None


def values_of(tree: Any, dtype: Any = None) -> Any:
    """A nested list as one value: an Array if there are Tensors in it, else what np.array says.

    Raises:
        ValueError: the rows differ in length.
    """
    parts: list[Any] = []
    shape = _collect(tree, parts)
    if not any(isinstance(part, Tensor) for part in parts):
        return np.array(values(tree), dtype)
    dtype = np.result_type(*[part.dtype for part in parts]) if dtype is None else np.dtype(dtype)
    made = Array(Pool([held(part, dtype) for part in parts], shape))
    return made if dtype.kind in "fc" or current.mode.capturing is not None else np.array(present(made))


def _collect(tree: Any, parts: list[Any]) -> tuple[int, ...]:
    tree = present(tree)
    if not isinstance(tree, list | tuple):
        parts.append(tree if isinstance(tree, Tensor) else np.asarray(tree))
        return parts[-1].shape  # type: ignore[no-any-return]
    shapes = {_collect(item, parts) for item in tree}
    if len(shapes) > 1:
        raise ValueError(
            f"np.array needs rows of one shape, got {' and '.join(map(str, sorted(shapes)))} side by side. "
            "Pad the shorter ones, or keep a list."
        )
    return (len(tree), *(shapes.pop() if shapes else ()))


def values(tree: Any) -> Any:
    """The arguments of a NumPy function with each Array replaced by its present value."""
    if isinstance(tree, Array):
        return present(tree)
    if tree.__class__ is list or tree.__class__ is tuple:
        return tree.__class__([values(x) for x in tree])
    return {k: values(x) for k, x in tree.items()} if tree.__class__ is dict else tree


def recorded(y: Any) -> Any:
    """A result of NumPy with its arrays of floats as Arrays; what carries no derivative is plain NumPy."""
    if isinstance(y, Tensor):
        if _is_recorded(y):
            return Array(Pool([held(y, y.dtype)])) if y.ndim else y
        y = y.primal.copy()[()]
    if y.__class__ is np.ndarray and y.dtype.kind in "fc":
        return Array(Pool([frozen(y if y.base is None else y.copy())]))
    if isinstance(y, list | tuple):
        parts = map(recorded, y)
        return y._make(parts) if hasattr(y, "_make") else type(y)(parts)
    return y


def _is_basic(index: Any) -> bool:
    for i in index if index.__class__ is tuple else (index,):
        if not (i.__class__ in _BASIC or isinstance(i, np.integer)):
            return False
    return True


_BASIC = (int, slice, type(None), type(Ellipsis))


def _read_index(i: Any) -> Any:
    """An index as NumPy takes it; Tensors stay what they are while a function is captured."""
    if i.__class__ is tuple:
        return tuple(map(_read_index, i))
    i = present(i)
    if isinstance(i, Tensor) and current.mode.capturing is None:
        i = i.data
    return int(i) if isinstance(i, np.ndarray) and not i.ndim and i.dtype.kind in "iu" else i


def _known_index(i: Any) -> Any:
    """An index whose values decide what is recorded, so that a capture depends on them."""
    if i.__class__ is tuple:
        return tuple(map(_known_index, i))
    i = i.data if isinstance(i, Tensor) else i
    capturing = current.mode.capturing
    if isinstance(i, np.ndarray) and capturing is not None:
        if id(i) in capturing.own or id(i.base) in capturing.own:
            capturing.computed = True
        else:
            capturing.depends_on_values(i)
    return i


class Array(NDArrayOperatorsMixin):
    """A NumPy array that may hold Tensors and records assignment. Make it by `minigrad.numpy`.

    >>> import minigrad, minigrad.numpy as np
    >>> def f(x):
    ...     out = np.zeros(2)
    ...     out[0] = x
    ...     out[1] = out[0] * x
    ...     return out.sum()
    >>> minigrad.grad(f)(3.0)
    array(7.)
    """

    __slots__ = ("__weakref__", "at", "pool")
    __hash__ = None  # type: ignore[assignment]  # it changes

    def __init__(self, pool: Pool, at: Any = None) -> None:
        self.pool = pool
        self.at = pool.base if at is None else at

    @property
    def source(self) -> Any:
        """From where in the pool each element comes."""
        if self.at is None:
            self.at = self.pool.begin()
        return self.at

    # What it stands for

    def __recorded__(self) -> Any:
        if self.at is None:
            self.at = self.pool.base
        return self._known_pool().value(self.at)

    def _known_pool(self) -> Pool:
        """The pool to read from. A capture depends on the values of an array that was made before it."""
        pool, capturing = self.pool, current.mode.capturing
        if capturing is not pool.noticed and capturing is not None:
            pool.noticed = capturing
            capturing.depends_on_values(Array(pool, pool.base))
        return pool

    def __apply__(self, op: Op, inputs: Sequence[Any], params: dict[str, Any]) -> Any:
        return recorded(op(*map(present, inputs), **params))

    @entry
    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        value = present(self)
        if isinstance(value, Tensor):
            return value.__array__(dtype, copy)
        return np.array(value, dtype=dtype, copy=copy is not False)

    @property
    def shape(self) -> tuple[int, ...]:
        """The lengths of the axes."""
        return (self.pool.parts[0] if self.at is None else self.at).shape  # type: ignore[no-any-return]

    @property
    def dtype(self) -> Any:
        """The NumPy dtype of the values."""
        return self.pool.dtype

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """The number of elements."""
        return int(np.prod(self.shape, dtype=int))

    @property
    def itemsize(self) -> int:
        """The bytes of an element."""
        return int(self.dtype.itemsize)

    @property
    def nbytes(self) -> int:
        """The bytes of all elements."""
        return self.size * self.itemsize

    # Elements

    @entry
    def __getitem__(self, index: Any) -> Any:
        if index.__class__ is not int:
            index = _read_index(index)
            if not _is_basic(index):
                value = present(self)
                return recorded((value if isinstance(value, Tensor) else traced_if_capturing(value))[index])
        elif self.at is None and self.ndim == 1:
            return self._known_pool().parts[0][index]
        found = self.source[index]
        return (
            self._viewing(found) if found.__class__ is np.ndarray else self._known_pool().element(int(found))
        )

    def _viewing(self, found: Any) -> Any:
        """What a function made of `source`, as arrays: a view if it is one of `source`, else a copy."""
        if isinstance(found, list | tuple):
            return type(found)(map(self._viewing, found))
        if not isinstance(found, np.ndarray):
            return found
        if np.may_share_memory(found, self.source):
            return Array(self.pool, found)
        return Array(Pool([self._known_pool().read(found)]))

    @entry
    def __setitem__(self, index: Any, value: Any) -> None:
        self.pool.require_own()
        if index.__class__ is not int:
            index = _read_index(index)
            if isinstance(index, Tensor) and index.dtype == bool and np.size(value) == 1:
                index, value = ..., np.where(index, np.reshape(value, ()), present(self))
            elif not _is_basic(index):
                index = _known_index(index)
        source = self.source
        if isinstance(value, Array) and value.pool is self.pool:
            source[index] = value.source
        else:
            positions = self.pool.add(held(value, self.dtype))
            source[index] = positions.tolist() if isinstance(value, list) and value else positions
        self.pool.clean = False

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of an array without axes.")
        return self.shape[0]

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self)))

    def __contains__(self, value: Any) -> bool:
        return bool(np.any(self == value))

    # NumPy's protocols

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, out: Any = (), **kwargs: Any) -> Any:
        try:
            if method == "at":
                return _at(ufunc, *inputs)
            call, given, kwargs = getattr(ufunc, method), list(map(_operand, inputs)), values(kwargs)
            if not out:
                return recorded(call(*given, **kwargs))
            made = _filling(call, given, [present(x) for x in out], kwargs)
            for target, y in zip(out, made):
                if np.ndim(y) > target.ndim:  # assignment would take it, a ufunc does not
                    raise ValueError(
                        f"{as_written(ufunc)} makes an array of shape {np.shape(y)}, which cannot be written "
                        f"into one of shape {target.shape}."
                    )
                target[...] = y
            return out if len(out) > 1 else out[0]
        except Exception as error:
            hide_our_frames(error)
            raise

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        try:
            target = args[0] if args else None
            if isinstance(target, Array) and func in VIEWS:
                return target._viewing(func(target.source, *args[1:], **kwargs))
            if isinstance(target, Array) and func in WRITES:
                return target._written(func, *WRITES[func], list(args[1:]), dict(kwargs))
            kwargs = dict(kwargs)
            out = kwargs.pop("out", None)
            made = func(*values(args), **values(kwargs)) if func is not np.copy else present(target)
            if out is None:
                return recorded(made)
            out[...] = made
            return out
        except Exception as error:
            hide_our_frames(error)
            raise

    def _written(self, func: Any, place: int, name: str, args: list[Any], kwargs: dict[str, Any]) -> None:
        """`func`, which writes into its first argument, done with positions."""
        self.pool.require_own()
        slot: Any = args if len(args) > place else kwargs
        key = place if slot is args else name
        value, slot[key] = held(slot[key], self.dtype), None
        args[:] = map(_known_index, values(args))
        kwargs.update({word: _known_index(values(x)) for word, x in kwargs.items()})
        source = self.source
        slot[key] = self.pool.add(value)
        func(source, *args, **kwargs)
        self.pool.clean = False

    # Attributes and methods of ndarrays. Those that are NumPy functions follow below.

    @property
    def T(self) -> Array:
        """The axes in reverse order, as a view."""
        return Array(self.pool, self.source.T)

    @property
    def mT(self) -> Array:
        """The last two axes swapped, as a view."""
        return Array(self.pool, self.source.mT)

    @property
    def real(self) -> Any:
        """The real part: the array itself, or a Tensor or a read-only array."""
        return present(self).real if self.dtype.kind == "c" else self

    @property
    def imag(self) -> Any:
        """The imaginary part, as a Tensor or a read-only array."""
        return frozen(np.zeros(self.shape, self.dtype)) if self.dtype.kind != "c" else present(self).imag

    @property
    def flat(self) -> Any:
        """All elements along one axis, as a view.

        Raises:
            TypeError: the order of the elements in memory does not allow it.
        """
        found = self.source.reshape(-1)
        if found.size and not np.may_share_memory(found, self.source):
            raise TypeError("flat of a transposed array would be a copy. Use .ravel() to read, or indices.")
        return Array(self.pool, found)

    @flat.setter
    def flat(self, value: Any) -> None:
        self.flat[...] = value

    @entry
    def reshape(self, *shape: Any, order: Any = "C") -> Any:
        """The same elements in another shape: a view if NumPy's is one."""
        return self._viewing(self.source.reshape(*shape, order=order))

    @entry
    def transpose(self, *axes: Any) -> Any:
        """The axes in another order, as a view."""
        return self._viewing(self.source.transpose(*axes))

    @entry
    def copy(self, order: Any = "C") -> Any:
        """An array of its own with the same values."""
        return Array(Pool([present(self)]))

    def __copy__(self) -> Any:
        return self.copy()

    def __deepcopy__(self, memo: Any) -> Any:
        return self.copy()

    def __reduce__(self) -> Any:
        value = present(self)
        if isinstance(value, Tensor):
            raise TypeError("an array that holds Tensors with a derivative cannot be pickled; use .numpy().")
        return recorded, (value.copy(),)

    @entry
    def flatten(self, order: Any = "C") -> Any:
        """A copy with one axis."""
        return self.copy().reshape(-1, order=order)

    @entry
    def astype(self, dtype: Any, **options: Any) -> Any:
        """The values in another dtype."""
        return recorded(present(self).astype(dtype))

    @entry
    def fill(self, value: Any) -> None:
        """Set all elements to one value."""
        self[...] = value

    @entry
    def sort(self, axis: int = -1, **options: Any) -> None:
        """Sort in place."""
        self[...] = np.sort(self, axis, **options)

    @entry
    def put(self, indices: Any, values: Any, mode: Any = "raise") -> None:
        """Set elements, counted along all axes."""
        np.put(self, indices, values, mode)  # type: ignore[arg-type, call-overload]

    @entry
    def numpy(self) -> Any:
        """A copy of the values, outside the graph."""
        value = present(self)
        return value.numpy() if isinstance(value, Tensor) else value.copy()

    @entry
    def tolist(self) -> Any:
        """Nested lists of Python numbers, or of Tensors where there is a derivative."""
        value = present(self)
        if not isinstance(value, Tensor):
            return value.tolist()
        return [x.tolist() if isinstance(x, Array) else x for x in self] if self.ndim else value

    @entry
    def item(self, *place: Any) -> Any:
        """An element as a Python number."""
        if not place:
            return present(self).item()
        return (self.reshape(-1)[place[0]] if len(place) == 1 else self[place]).item()

    @entry
    def __bool__(self) -> bool:
        return bool(present(self))

    @entry
    def __float__(self) -> float:
        return float(present(self))

    @entry
    def __complex__(self) -> complex:
        return complex(present(self))

    @entry
    def __int__(self) -> int:
        return int(present(self))

    @entry
    def __index__(self) -> int:
        return present(self).__index__()  # type: ignore[no-any-return]

    def __format__(self, spec: str) -> str:
        return format(present(self), spec)

    def __repr__(self) -> str:
        return repr(present(self))

    def __str__(self) -> str:
        return str(present(self))


NO_OPERANDS.add(Array)


def _filling(call: Any, given: list[Any], targets: list[Any], kwargs: dict[str, Any]) -> Sequence[Any]:
    """What `call(*given, out=targets)` writes."""
    where = kwargs.get("where", True)
    if not any(isinstance(x, Tensor) for x in (*given, *targets, where)):
        made = call(*given, out=tuple(np.array(x) for x in targets), **kwargs)
    elif where is True:
        made = call(*given, **kwargs)
    else:  # where nothing is asked for, nothing undefined is computed
        made = np.where(where, call(*[np.where(where, x, 1) for x in given]), targets[0])
    return made if isinstance(made, tuple) else (made,)


def _at(ufunc: Any, target: Any, index: Any, *values: Any) -> None:
    """ufunc.at: index by index, in place."""
    given = [present(v) for v in values]
    if ufunc in (np.add, np.subtract):
        value = given[0] if ufunc is np.add else np.negative(given[0])
        target[...] = index_add(present(target), _known_index(_read_index(index)), value)
        return
    if any(isinstance(x, Tensor) for x in (present(target), *given)):
        raise TypeError(
            f"{as_written(ufunc)}.at does not take Tensors; np.add.at and np.subtract.at do. Write a loop."
        )
    copy = np.array(target)
    ufunc.at(copy, index, *given)
    target[...] = copy


VIEWS = {
    np.reshape, np.ravel, np.transpose, np.permute_dims, np.matrix_transpose, np.swapaxes, np.moveaxis,
    np.rollaxis, np.squeeze, np.expand_dims, np.atleast_1d, np.atleast_2d, np.atleast_3d, np.flip, np.fliplr,
    np.flipud, np.rot90, np.diagonal, np.split, np.array_split, np.hsplit, np.vsplit, np.dsplit, np.shape,
    np.ndim, np.size,
}  # fmt: skip  # NumPy's that give views of their first argument, or only look at its shape

SEQUENCES = {
    np.concatenate, np.concat, np.stack, np.hstack, np.vstack, np.dstack, np.column_stack, np.block,
    np.select, np.choose, np.meshgrid, np.ix_, np.lexsort, np.linalg.multi_dot,
}  # fmt: skip  # those that take a list of arrays; to others a list is an array

WRITES: dict[Any, tuple[int, str]] = {
    np.fill_diagonal: (0, "val"), np.put: (1, "v"), np.place: (1, "vals"), np.putmask: (1, "values"),
    np.put_along_axis: (1, "values"), np.copyto: (0, "src"),
}  # fmt: skip  # those that write into their first argument, and which of the others has the values


def _method(name: str) -> Callable[..., Any]:
    function = getattr(np, name)

    @entry
    def method(self: Array, *args: Any, **kwargs: Any) -> Any:
        return function(self, *args, **kwargs)

    method.__name__ = name
    method.__qualname__ = f"Array.{name}"
    method.__doc__ = f"As np.{name}."
    return method


METHODS = (
    "all", "any", "argmax", "argmin", "argpartition", "argsort", "choose", "clip", "conj", "conjugate",
    "cumprod", "cumsum", "diagonal", "dot", "max", "mean", "min", "nonzero", "prod", "ptp", "ravel", "repeat",
    "round", "searchsorted", "squeeze", "std", "sum", "swapaxes", "take", "trace", "var",
)  # fmt: skip
for _name in METHODS:
    setattr(Array, _name, _method(_name))
