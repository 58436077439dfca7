"""The operators, methods and functions that make a Tensor usable as a NumPy array.

Each looks up its rule in one table, `RULES`, under the NumPy function of the same meaning. NumPy hands its
own calls over through two protocols. `__array_function__` is here; `__array_ufunc__`, which is called far
more often, is in `tensor.py` beside the `apply` that it calls.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from types import FunctionType
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from minigrad.calls import ODD, as_written, fitting, is_odd, let_numpy_refuse, refusal
from minigrad.errors import entry, hide_our_frames, name_call, not_called, without_inner_name
from minigrad.hints import visible
from minigrad.mode import current
from minigrad.refused import why_refused

if TYPE_CHECKING:
    from minigrad.tensor import Tensor

__all__ = [
    "FINDERS",
    "LATE",
    "REDUCTIONS",
    "RULES",
    "SQUARES",
    "ArrayLike",
    "defers",
    "dispatch",
    "rule_of",
    "squared",
]

RULES: dict[Any, Callable[..., Tensor]] = {}
"""NumPy function or ufunc → the rule to run when it is called on a Tensor. The tables under `ops` fill it.

Under (function, "options") may stand a second, slower rule, for calls with arguments that the first lacks."""

LATE: list[str] = []
"""The modules of rules that are imported when a function is met that `RULES` lacks: rare topics cost nothing
before."""

FINDERS: list[Callable[[Any], Any]] = []
"""Functions that make the rule of a function which is in no table, or None."""

SQUARES: dict[Any, Callable[..., Any]] = {}
"""An op with a kink → the square of its result, which has none."""


REDUCTIONS: dict[Any, Any] = {
    np.add: np.sum, np.multiply: np.prod, np.maximum: np.max, np.minimum: np.min,
    np.logical_and: np.all, np.logical_or: np.any,
}  # fmt: skip


def rule_of(func: Any) -> Callable[..., Any] | None:
    """The rule of a NumPy function, from the late modules too; None if there is none."""
    if func not in RULES and LATE:
        for module in LATE:
            import_module(module)
        LATE.clear()
    return RULES.get(func) or next(filter(None, (find(func) for find in FINDERS)), None)


def dispatch(func: Any, args: Sequence[Any], kwargs: dict[str, Any], called: str = "") -> Any:
    """Run the rule of a NumPy function that was called on a Tensor.

    Args:
        func: the NumPy function.
        called: its name in errors, if the call was written otherwise ("np.add.reduce").

    Raises:
        TypeError: the function has no rule, or its rule does not take one of the arguments. Guessing a rule
            would give wrong numbers silently.
    """
    rule = RULES.get(func) or rule_of(func)
    if rule is None:
        raise _without_rule(called or as_written(func))
    if kwargs:
        known = getattr(rule, "keywords", ())
        for word in kwargs:
            if word not in known:
                rule = rule_of((func, "options")) or rule
                args, kwargs = fitting(func, called or as_written(func), rule, args, kwargs)
                break
    try:
        y = rule(*args, **kwargs)
    except (TypeError, AttributeError) as error:
        y = _fitted(error, func, called or as_written(func), rule, args, kwargs)
    odd = kwargs or (len(args) > 1 and not ODD.isdisjoint(map(type, args)))  # nearly never
    if odd and is_odd(args, kwargs) and current.mode.capturing is None:
        let_numpy_refuse(func, args, kwargs)
    return y


def _fitted(
    error: Exception, func: Any, called: str, rule: Any, args: Sequence[Any], kwargs: dict[str, Any]
) -> Any:
    """The result of a call that the rule did not take as it was written, by the signature of NumPy."""
    if isinstance(error, AttributeError):
        raise TypeError(f"{called} does not take an argument of this kind: {error}") from error
    if not not_called(error):
        raise error
    rule = rule_of((func, "options")) or rule
    args, kwargs = fitting(func, called, rule, args, kwargs)
    try:
        return rule(*args, **kwargs)
    except TypeError as again:
        if not not_called(again):
            raise
    raise refusal(called, rule, without_inner_name(error))


def _without_rule(name: str) -> TypeError:
    why = why_refused(name)
    return TypeError(
        f"{name} is not supported on Tensors: {why}."
        if why
        else f"{name} has no derivative rule in minigrad. Use functions that do, call it on .numpy() if no "
        "derivative is needed, or add a rule: make an op with minigrad.elementwise, minigrad.linear_op or "
        "minigrad.Op and connect it with minigrad.register(function, op)."
    )


def squared(x: Any, other: Any) -> Any:
    """x·other if both are one value made by an op in `SQUARES`, written in what it was made of; else None."""
    if not x.inputs or (other is not x and not _made_alike(x, other)):
        return None
    return SQUARES[x.op](*x.inputs, **x.params)


def _made_alike(x: Any, other: Any) -> bool:
    return (
        other.__class__ is x.__class__
        and other.op is x.op
        and len(other.inputs) == len(x.inputs)
        and all(a is b for a, b in zip(x.inputs, other.inputs, strict=True))
        and bool(x.params == other.params)
    )


def defers(x: Any) -> bool:
    """Whether an operation that fails here is left to x, whose class sets its own `__array_ufunc__`, or None.

    This is NumPy's rule (NEP 13). Nothing is left to a Tensor.
    """
    own = getattr(type(x), "__array_ufunc__", np.ndarray.__array_ufunc__)
    return own is not np.ndarray.__array_ufunc__ and not isinstance(x, ArrayLike)


_INSIDE = {
    "active", "args", "gradient", "index", "inputs", "live", "mode", "params", "primal", "touch", "watched",
}  # fmt: skip  # what the graph and the optimizers read of a Tensor, which `dir` does not list


def _operator(ufunc: Any) -> Callable[[Any, Any], Tensor]:
    """The method `self ∘ other`."""

    def method(self: Any, other: Any) -> Any:
        try:
            if ufunc is np.multiply and self.op in SQUARES and (y := squared(self, other)) is not None:
                return y
            return RULES[ufunc](self, other)
        except Exception as error:
            if defers(other):
                return NotImplemented
            hide_our_frames(error)
            raise

    return method


def _reflected(ufunc: Any) -> Callable[[Any, Any], Tensor]:
    """The method for `other ∘ self`, which Python calls if `other` does not implement it."""

    def method(self: Any, other: Any) -> Any:
        try:
            return RULES[ufunc](other, self)
        except Exception as error:
            if defers(other):
                return NotImplemented
            hide_our_frames(error)
            raise

    return method


def _called(function: Any, *args: Any, **options: Any) -> Tensor:
    """A method that is the NumPy function of the same name; options that are None are left out."""
    return dispatch(function, args, {word: x for word, x in options.items() if x is not None})  # type: ignore[no-any-return]


def _reduced(function: Any, x: Any, axis: Any, keepdims: bool, **options: Any) -> Tensor:
    """A reduction. Most calls have no further options, and then its rule is called straight away."""
    if axis.__class__ in ODD:
        return _called(function, x, axis, keepdims=keepdims, **options)
    for option in options.values():
        if option is not None:
            return _called(function, x, axis, keepdims=keepdims, **options)
    return RULES[function](x, axis, keepdims=keepdims)


class ArrayLike:
    """The operators and methods of an array; the subclass holds the values."""

    __slots__ = ()

    @property
    def T(self) -> Tensor:
        """The axes in reverse order; for a matrix, its transpose."""
        return RULES[np.transpose](self)

    @property
    def mT(self) -> Tensor:
        """The last two axes swapped: each matrix of a stack transposed."""
        return RULES[np.swapaxes](self, -1, -2)

    @property
    def real(self) -> Tensor:
        """The real part."""
        return RULES[np.real](self)

    @property
    def imag(self) -> Tensor:
        """The imaginary part."""
        return RULES[np.imag](self)

    @property
    def itemsize(self: Any) -> int:
        """The bytes of one element."""
        return int(self.dtype.itemsize)

    @property
    def nbytes(self: Any) -> int:
        """The bytes of all elements."""
        return int(self.dtype.itemsize * self.size)

    # Operators: each is the ufunc of the same meaning

    __add__ = _operator(np.add)
    __radd__ = _reflected(np.add)
    __sub__ = _operator(np.subtract)
    __rsub__ = _reflected(np.subtract)
    __mul__ = _operator(np.multiply)
    __rmul__ = _reflected(np.multiply)
    __truediv__ = _operator(np.divide)
    __rtruediv__ = _reflected(np.divide)
    __pow__ = _operator(np.power)
    __rpow__ = _reflected(np.power)
    __mod__ = _operator(np.remainder)
    __rmod__ = _reflected(np.remainder)
    __floordiv__ = _operator(np.floor_divide)
    __rfloordiv__ = _reflected(np.floor_divide)
    __matmul__ = _operator(np.matmul)
    __rmatmul__ = _reflected(np.matmul)

    @entry
    def __neg__(self) -> Tensor:
        return RULES[np.negative](self)

    def __pos__(self) -> Self:
        return self

    @entry
    def __abs__(self) -> Tensor:
        return RULES[np.absolute](self)

    @entry
    def __invert__(self) -> Tensor:
        return RULES[np.invert](self)

    __divmod__ = _operator(np.divmod)
    __rdivmod__ = _reflected(np.divmod)
    __and__ = _operator(np.bitwise_and)
    __rand__ = _reflected(np.bitwise_and)
    __or__ = _operator(np.bitwise_or)
    __ror__ = _reflected(np.bitwise_or)
    __xor__ = _operator(np.bitwise_xor)
    __rxor__ = _reflected(np.bitwise_xor)
    __lshift__ = _operator(np.left_shift)
    __rlshift__ = _reflected(np.left_shift)
    __rshift__ = _operator(np.right_shift)
    __rrshift__ = _reflected(np.right_shift)
    __lt__ = _operator(np.less)
    __le__ = _operator(np.less_equal)
    __gt__ = _operator(np.greater)
    __ge__ = _operator(np.greater_equal)
    __eq__ = _operator(np.equal)  # type: ignore[assignment]
    __ne__ = _operator(np.not_equal)  # type: ignore[assignment]
    __hash__ = object.__hash__  # Python drops it from a class that defines __eq__

    def __getitem__(self, index: Any) -> Tensor:
        try:
            return RULES["getitem"](self, index)
        except Exception as error:
            hide_our_frames(error)
            raise

    # Methods: each is the NumPy function of the same name. Options after the axis are keyword-only, because
    # NumPy's own methods take `dtype` and `out` at those positions.

    @entry
    def astype(self, dtype: Any) -> Tensor:
        """The values in another dtype."""
        return RULES["astype"](self, dtype)

    @entry
    def reshape(self, *shape: Any, order: str = "C", copy: bool | None = None) -> Tensor:
        """The same elements in another shape, given as numbers or a tuple; one of them may be -1."""
        return RULES[np.reshape](self, shape[0] if len(shape) == 1 else shape, order, copy=copy)

    @entry
    def ravel(self, order: str = "C") -> Tensor:
        """All elements along one axis, in the order "C" (rows first) or "F" (columns first)."""
        return RULES[np.ravel](self, order)

    @entry
    def flatten(self, order: str = "C") -> Tensor:
        """All elements along one axis, as `ravel`."""
        return RULES[np.ravel](self, order)

    @entry
    def transpose(self, *axes: Any) -> Tensor:
        """The axes in another order, by default reversed."""
        return RULES[np.transpose](self, None if not axes else axes[0] if len(axes) == 1 else axes)

    @entry
    def swapaxes(self, axis1: int, axis2: int) -> Tensor:
        """Two axes interchanged."""
        return RULES[np.swapaxes](self, axis1, axis2)

    @entry
    def squeeze(self, axis: Any = None) -> Tensor:
        """Without the axes of length one, or without those given."""
        return RULES[np.squeeze](self, axis)

    @entry
    def dot(self, other: Any) -> Tensor:
        """The product with another array; of matrices, the matrix product."""
        return RULES[np.dot](self, other)

    @entry
    def clip(self, min: Any = None, max: Any = None) -> Tensor:
        """Values below `min` or above `max` are replaced by it."""
        return RULES[np.clip](self, min, max)

    @entry
    def sum(
        self,
        axis: Any = None,
        *,
        keepdims: bool = False,
        dtype: Any = None,
        initial: Any = None,
        where: Any = None,
    ) -> Tensor:
        """The sum of all elements, or along axes."""
        return _reduced(np.sum, self, axis, keepdims, dtype=dtype, initial=initial, where=where)

    @entry
    def mean(
        self, axis: Any = None, *, keepdims: bool = False, dtype: Any = None, where: Any = None
    ) -> Tensor:
        """The mean of all elements, or along axes."""
        return _reduced(np.mean, self, axis, keepdims, dtype=dtype, where=where)

    @entry
    def prod(
        self,
        axis: Any = None,
        *,
        keepdims: bool = False,
        dtype: Any = None,
        initial: Any = None,
        where: Any = None,
    ) -> Tensor:
        """The product of all elements, or along axes."""
        return _reduced(np.prod, self, axis, keepdims, dtype=dtype, initial=initial, where=where)

    @entry
    def max(
        self, axis: Any = None, *, keepdims: bool = False, initial: Any = None, where: Any = None
    ) -> Tensor:
        """The largest element, or the largest along axes. Equal ones share the derivative."""
        return _reduced(np.max, self, axis, keepdims, initial=initial, where=where)

    @entry
    def min(
        self, axis: Any = None, *, keepdims: bool = False, initial: Any = None, where: Any = None
    ) -> Tensor:
        """The smallest element, or the smallest along axes. Equal ones share the derivative."""
        return _reduced(np.min, self, axis, keepdims, initial=initial, where=where)

    @entry
    def var(
        self,
        axis: Any = None,
        *,
        ddof: float = 0,
        keepdims: bool = False,
        dtype: Any = None,
        where: Any = None,
        mean: Any = None,
    ) -> Tensor:
        """The variance of all elements, or along axes, divided by n − ddof."""
        return _reduced(np.var, self, axis, keepdims, ddof=ddof, dtype=dtype, where=where, mean=mean)

    @entry
    def std(
        self,
        axis: Any = None,
        *,
        ddof: float = 0,
        keepdims: bool = False,
        dtype: Any = None,
        where: Any = None,
        mean: Any = None,
    ) -> Tensor:
        """The standard deviation of all elements, or along axes: the root of `var`."""
        return _reduced(np.std, self, axis, keepdims, ddof=ddof, dtype=dtype, where=where, mean=mean)

    @entry
    def argmax(self, axis: Any = None, *, keepdims: bool = False) -> Tensor:
        """The index of the largest element, or of the largest along an axis."""
        return _reduced(np.argmax, self, axis, keepdims)

    @entry
    def argmin(self, axis: Any = None, *, keepdims: bool = False) -> Tensor:
        """The index of the smallest element, or of the smallest along an axis."""
        return _reduced(np.argmin, self, axis, keepdims)

    @entry
    def all(self, axis: Any = None, *, keepdims: bool = False, where: Any = None) -> Tensor:
        """Whether all elements are true, or all along an axis."""
        return _reduced(np.all, self, axis, keepdims, where=where)

    @entry
    def any(self, axis: Any = None, *, keepdims: bool = False, where: Any = None) -> Tensor:
        """Whether any element is true, or any along an axis."""
        return _reduced(np.any, self, axis, keepdims, where=where)

    @entry
    def cumsum(self, axis: Any = None, dtype: Any = None) -> Tensor:
        """The sums of the elements up to each one, of all or along an axis."""
        return _called(np.cumsum, self, axis, dtype=dtype)

    @entry
    def cumprod(self, axis: Any = None, dtype: Any = None) -> Tensor:
        """The products of the elements up to each one, of all or along an axis."""
        return _called(np.cumprod, self, axis, dtype=dtype)

    @entry
    def round(self, decimals: int = 0) -> Tensor:
        """The elements rounded to a number of decimals; a constant."""
        return _called(np.round, self, decimals)

    @entry
    def conj(self) -> Tensor:
        """The complex conjugate."""
        return RULES[np.conjugate](self)

    @entry
    def conjugate(self) -> Tensor:
        """The complex conjugate."""
        return RULES[np.conjugate](self)

    @entry
    def copy(self, order: str = "C") -> Tensor:
        """The same values as the result of an operation, through which derivatives pass; see `detach`."""
        return _called(np.copy, self, order)

    @entry
    def repeat(self, repeats: Any, axis: Any = None) -> Tensor:
        """Each element repeated, `repeats` times or by counts of its own."""
        return _called(np.repeat, self, repeats, axis)

    @entry
    def diagonal(self, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Tensor:
        """The elements x[i, i + offset] of each matrix, whose axes are `axis1` and `axis2`."""
        return _called(np.diagonal, self, offset, axis1, axis2)

    @entry
    def trace(self, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None) -> Tensor:
        """The sum of the diagonal."""
        return _called(np.trace, self, offset, axis1, axis2, dtype=dtype)

    @entry
    def take(self, indices: Any, axis: Any = None, *, mode: str = "raise") -> Tensor:
        """The elements at integer positions, of all or along an axis."""
        return RULES[np.take](self, indices, axis, mode=mode)

    @entry
    def compress(self, condition: Any, axis: Any = None) -> Tensor:
        """The elements, or the slices along an axis, for which a list of booleans is true."""
        return _called(np.compress, condition, self, axis)

    @entry
    def choose(self, choices: Any, *, mode: str = "raise") -> Tensor:
        """For each element, which is an integer, the element of that one of the `choices`."""
        return _called(np.choose, self, choices, mode=mode)

    @entry
    def nonzero(self) -> Any:
        """The indices of the elements that are not 0, one array for each axis."""
        return _called(np.nonzero, self)

    @entry
    def argsort(self, axis: int | None = -1, kind: Any = None, *, stable: bool = False) -> Tensor:
        """The indices that sort the elements along an axis (None: of all)."""
        return RULES[np.argsort](self, axis, kind, stable=stable)

    @entry
    def argpartition(self, kth: Any, axis: int | None = -1) -> Tensor:
        """The indices that put the kth smallest element in its place, smaller ones before."""
        return _called(np.argpartition, self, kth, axis)

    @entry
    def searchsorted(self, v: Any, side: str = "left", sorter: Any = None) -> Tensor:
        """Where `v` would have to be inserted to keep the elements, which are sorted, in order."""
        return _called(np.searchsorted, self, v, side=side, sorter=sorter)

    def __dir__(self) -> list[str]:
        return visible(self, _INSIDE)

    # NumPy's protocol for functions

    def __array_function__(self, func: Any, types: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        if len(types) > 1 and any(hasattr(kind, "__recorded__") for kind in types):
            return NotImplemented  # an array of minigrad.numpy takes over, and the result is one
        try:
            return dispatch(func, args, kwargs)
        except Exception as error:
            name_call(error, as_written(func))
            hide_our_frames(error)
            raise


for _name, _method in vars(ArrayLike).items():
    if isinstance(_method, FunctionType):  # for Python's own errors: the user wrote Tensor
        _method.__qualname__ = f"Tensor.{_name}"
