"""Captured lines as nests: a row for each op that is not made of others.

A view makes no nest. An elementwise op makes one over the shape of its result. A reduction, a product of
matrices and a scatter make two: one fills the result, and one combines into it. There the result is broadcast
to the loops, so that a sum over an axis is a store that does not move along that axis.

Names: `line` a captured operation, `y` the view of its result, `a b x` its operands: views, or numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from minigrad import special
from minigrad.families import LINEAR
from minigrad.loops.nests import By, Nest, Operand, Place, Statement, View, fresh
from minigrad.ops import elementwise as e
from minigrad.ops.index import SLOT, full_index, gather, getitem_op, place_op, scatter
from minigrad.ops.linalg import inner_op, linear, matmul_op, matvec_op
from minigrad.ops.reduce import max_op, min_op, prod_op, total
from minigrad.ops.shape import astype_constant_op, astype_op, concatenate_op, where_op
from minigrad.products import scale, select
from minigrad.replay.lines import Line, value_of
from minigrad.replay.text import VIEWS
from minigrad.tensor import Op

__all__ = ["ELEMENTWISE", "ROWS", "Lowering", "not_printed", "require_float64", "row_of", "without_row"]

# The functions of numbers that a language has to write; they mean what NumPy's ufuncs of these names mean.
ELEMENTWISE = {
    getattr(np, name): name
    for name in (
        "negative", "positive", "add", "subtract", "multiply", "divide", "reciprocal", "square", "sqrt",
        "cbrt", "power", "remainder", "fmod", "floor_divide", "exp", "exp2", "expm1", "log", "log2", "log10",
        "log1p", "logaddexp", "logaddexp2", "sin", "cos", "tan", "arcsin", "arccos", "arctan", "sinh", "cosh",
        "tanh", "arcsinh", "arccosh", "arctanh", "deg2rad", "rad2deg", "hypot", "arctan2", "absolute",
        "fabs", "sign", "maximum", "minimum", "fmax", "fmin", "heaviside", "floor", "ceil", "rint", "trunc",
        "signbit", "greater", "greater_equal", "less", "less_equal", "equal", "not_equal", "isfinite",
        "isnan", "isinf",
        "logical_and", "logical_or", "logical_not", "logical_xor", "bitwise_and", "bitwise_or", "bitwise_xor",
        "invert",
    )
}  # fmt: skip
# On truth values some are others.
OF_BOOLS = {
    "add": "logical_or", "multiply": "logical_and", "bitwise_and": "logical_and", "bitwise_or": "logical_or",
    "bitwise_xor": "logical_xor", "invert": "logical_not", "absolute": "positive", "square": "positive",
}  # fmt: skip
# On integers, which are kept as floats of 53 bits, only these are the same.
OF_INTEGERS = {
    "positive", "add", "subtract", "absolute", "sign", "maximum", "minimum", "square", "floor", "ceil",
    "rint", "trunc", "floor_divide", "remainder", "multiply", "negative",
}  # fmt: skip


def not_printed(name: str, why: str, remedy: str) -> TypeError:
    """The error for an op that has no loops."""
    return TypeError(f"{name} cannot be printed as loops: {why}. {remedy}")


class Lowering:
    """Writes lines as nests, and knows where each value lies."""

    def __init__(self) -> None:
        self.nests: list[Nest] = []
        self._views: dict[int, tuple[Any, View]] = {}  # by id, with the object, so that the id stays its own

    def lies(self, x: Any, view: View) -> None:
        """Say where the value of a line, an input, a variable or a constant lies."""
        self._views[id(x)] = x, view

    def lowered(self, lines: Iterable[Line]) -> list[Nest]:
        """The nests of these lines, which come after all that they read."""
        self.nests = []
        for line in lines:
            row = row_of(line) or _moved
            self.lies(line, row(self, line, *map(self.operand, line.args), **line.params))
        return self.nests

    def operand(self, x: Any) -> View | float:
        """The view of an operand; a number is itself."""
        known = self._views.get(id(x))
        if known is not None:
            return known[1]
        if isinstance(x, np.ndarray) and x.ndim:
            return self.constant(x)
        require_float64("a constant", np.asarray(x))
        return np.asarray(x).item()  # type: ignore[no-any-return]

    def view(self, x: Any) -> View:
        """As `operand`, with a number as an array."""
        found = self.operand(x)
        return found if isinstance(found, View) else self.constant(np.asarray(x))

    def constant(self, x: Any) -> View:
        """A constant array, without what it repeats."""
        if id(x) not in self._views:
            require_float64("a constant", x)
            axes = zip(x.strides, x.shape, strict=True)
            own = x[tuple(slice(0, 1) if n > 1 and not stride else slice(None) for stride, n in axes)]
            view = fresh(own.shape, x.dtype.kind, values=np.array(own)).spread(x.shape)
            self.lies(x, view)
        return self._views[id(x)][1]

    def result(self, line: Line) -> View:
        return fresh(line.array.shape, line.array.dtype.kind)

    def computed(self, line: Line, function: str, *operands: View | float) -> View:
        """The result of a line, each element of it computed by itself."""
        return self.store(self.result(line), function, *operands)

    def store(self, y: View, function: str, *operands: View | float) -> View:
        """A nest over y's shape that computes each element by itself."""
        self.loops(y.shape, y, function, *operands)
        return y

    def copied(self, x: View | float, y: View) -> View:
        return self.store(y, "positive", x)

    def loops(
        self, shape: tuple[int, ...], y: View | Place, function: str, *operands: View | Operand, how: str = ""
    ) -> None:
        """A nest over `shape`, to which views are broadcast, that stores into y or combines with it."""
        target = y.spread(shape).place() if isinstance(y, View) else y
        read = tuple(x.spread(shape).place() if isinstance(x, View) else x for x in operands)
        nest = Nest(shape, [Statement(target, function, read, how)])
        self.nests.append(nest.inward() if how else nest)


def require_float64(what: str, x: Any) -> None:
    """Raise TypeError unless the numbers of an array fit into what is printed: float64, integers and bools.

    float32 is not rounded to on the way, for a float64 program would give other numbers without a word.
    """
    if x.dtype.kind not in "biuf" or (x.dtype.kind == "f" and x.dtype != np.float64):
        raise not_printed(
            what, f"its dtype is {x.dtype}, and loops compute in float64", "Use float64 parameters and data."
        )


Row = Callable[..., View]


def row_of(line: Line) -> Row | None:
    """How the op of a line is written as loops by itself; None if it has to be replaced by its meaning."""
    if line.op in ROWS:
        return ROWS[line.op]
    if line.op.forward in ELEMENTWISE:
        return _elementwise
    return _moved if line.op in VIEWS or _is_view(line) else None


def _is_view(line: Line) -> bool:
    """Whether a linear map only looks at its operand in another way."""
    x = value_of(line.args[0]) if line.op in LINEAR and len(line.args) == 1 else None
    if not isinstance(x, np.ndarray) or not x.size:
        return False
    lie = np.empty(x.shape, np.int8)
    return bool(np.may_share_memory(line.op.forward(lie, **line.params), lie))


# Elementwise


def _elementwise(to: Lowering, line: Line, *operands: Any) -> View:
    name = ELEMENTWISE[line.op.forward]
    dtypes = [np.asarray(value_of(x)).dtype for x in line.args]
    if all(dtype.kind == "b" for dtype in dtypes):
        name = OF_BOOLS.get(name, name)
    elif line.array.dtype.kind in "iu":
        if name not in OF_INTEGERS or line.array.dtype != np.int64:
            raise not_printed(
                f"{line.op.name} of {line.array.dtype}",
                "it could wrap around or works on bits",
                "Convert with .astype(np.float64) or .astype(np.int64) first.",
            )
        name = f"integer_{name}" if name in ("floor_divide", "remainder", "multiply", "negative") else name
    return to.computed(line, name, *operands)


def _plain(function: str) -> Row:
    return lambda to, line, *operands: to.computed(line, function, *operands)


def _select(to: Lowering, line: Line, a: Any, b: Any) -> View:
    of_bools = np.asarray(value_of(line.args[1])).dtype == bool
    return to.computed(line, "keep" if of_bools else "select", a, b)


def _astype(to: Lowering, line: Line, x: Any, dtype: Any) -> View:
    function = {"f": "positive", "b": "truth", "i": "trunc", "u": "trunc"}[np.dtype(dtype).kind]
    return to.computed(line, function, x)


# Moving


def _moved(to: Lowering, line: Line, x: Any, **params: Any) -> View:
    """A linear map that gives a view of its operand, or of a copy of it."""
    x = to.view(line.args[0])
    for source in (x, None):
        source = source or to.copied(x, fresh(x.shape, x.array.kind))
        forward = _picked if line.op is getitem_op else line.op.forward
        lie = forward(source.lie, **params)
        if lie.shape == line.array.shape and np.may_share_memory(lie, source.lie):
            return source.across(lie)
        if line.op not in VIEWS or not lie.size:
            break
    if not line.array.size:
        return to.result(line)
    raise without_row(line.op)


def _picked(lie: Any, index: tuple[Any, ...]) -> Any:
    """lie[index] as a view, also if it is a single element."""
    return lie[index if Ellipsis in index else (*index, ...)]


def without_row(op: Op) -> TypeError:
    return not_printed(op.name, "there are no loops for it yet", "Write it with other functions.")


def _placed(to: Lowering, line: Line, g: Any, shape: tuple[int, ...], index: tuple[Any, ...]) -> View:
    y = to.computed(line, "positive", 0.0)
    if line.array.shape != shape:
        raise without_row(line.op)
    to.copied(g, y.across(_picked(y.lie, index)))
    return y


def _concatenated(to: Lowering, line: Line, *parts: Any, axis: int) -> View:
    y, start = to.result(line), 0
    for x, part in zip(parts, line.args, strict=True):
        n = np.shape(value_of(part))[axis]
        index = (..., slice(start, start + n), *(slice(None),) * (-axis - 1))
        to.copied(x, y.across(y.lie[index]))
        start += n
    return y


# Indexing with arrays


def _indexed(to: Lowering, x: View, index: tuple[Any, ...], arrays: Sequence[Any]) -> tuple[Any, Place]:
    """x[index] as the shape of the loops and the place in x."""
    full = full_index(index, x.shape)
    remaining = iter(arrays)
    picked = [to.view(next(remaining)) if i is SLOT else None for i in full]
    common = np.broadcast_shapes(*(v.shape for v in picked if v is not None))
    # the plain part of the index is a view, in which an axis with an array is held at 0
    rest = x.across(_picked(x.lie, tuple(0 if i is SLOT else i for i in full)))
    # as in NumPy: the axes of the arrays come where these stand, and first if something stands between them
    chosen = [at for at, i in enumerate(full) if i is SLOT or isinstance(i, int)]
    together = chosen == list(range(chosen[0], chosen[-1] + 1))
    lead = chosen[0] if together else 0

    def around(outer: tuple[int, ...], inner: tuple[int, ...]) -> tuple[int, ...]:
        return (*outer[:lead], *inner, *outer[lead:])

    base, axis_of = rest.place(), np.cumsum([i is not None for i in full]) - 1
    by = []
    for at, view in enumerate(picked):
        if view is not None:
            place = view.spread(common).place()
            place = replace(place, strides=around((0,) * len(base.strides), place.strides))
            by.append(By(place, x.lie.strides[axis_of[at]], x.shape[axis_of[at]]))
    moving = around(base.strides, (0,) * len(common))
    return around(rest.shape, common), Place(x.array, base.offset, moving, tuple(by))


def _gathered(to: Lowering, line: Line, x: Any, *arrays: Any, index: tuple[Any, ...]) -> View:
    y = to.result(line)
    shape, place = _indexed(to, to.view(line.args[0]), index, line.args[1:])
    to.loops(shape, y, "positive", place)
    return y


def _scattered(
    to: Lowering, line: Line, g: Any, *arrays: Any, shape: tuple[int, ...], index: tuple[Any, ...]
) -> View:
    y = to.computed(line, "positive", 0.0)
    extents, place = _indexed(to, y, index, line.args[1:])
    to.loops(extents, place, "positive", g, how="add")
    return y


# Reductions and products


def _reduced(how: str, start: float) -> Row:
    def row(to: Lowering, line: Line, x: Any, axis: tuple[int, ...], keepdims: bool = False) -> View:
        x, y = to.view(line.args[0]), to.computed(line, "positive", start)
        reduced = [a % x.lie.ndim for a in axis]
        kept = y.reshape(tuple(1 if a in reduced else n for a, n in enumerate(x.shape)))
        to.loops(x.shape, kept, "positive", x, how=how)
        return y

    return row


def _product(to: Lowering, line: Line, *operands: Any) -> View:
    """Σₖ aᵢₖ·bₖⱼ, where a vector has no i or no j; `linear` has a row to start from."""
    a, b = (to.view(x) for x in line.args[:2])
    y = to.computed(line, "positive", operands[2] if len(operands) > 2 else 0.0)
    matrix, row = b.lie.ndim > 1, a.lie.ndim > 1
    left = a.across(a.lie[..., None] if matrix else a.lie)
    right = b.across(b.lie[..., None, :, :] if matrix and row else b.lie)
    target = y.lie[..., None, :] if matrix else y.lie[..., None]
    shape = np.broadcast_shapes(left.shape, right.shape)
    to.loops(shape, y.across(target), "multiply", left, right, how="add")
    return y


ROWS: dict[Op, Row] = {
    scale: _plain("scale"),
    select: _select,
    where_op: _plain("where"),
    special.erf: _plain("erf"),
    special.erfc: _plain("erfc"),
    e.power_const_op: lambda to, line, x, p: to.computed(line, "power", x, p),
    astype_op: _astype,
    astype_constant_op: _astype,
    place_op: _placed,
    concatenate_op: _concatenated,
    gather: _gathered,
    scatter: _scattered,
    total: _reduced("add", 0.0),
    max_op: _reduced("maximum", -math.inf),
    min_op: _reduced("minimum", math.inf),
    prod_op: _reduced("multiply", 1.0),
    matmul_op: _product,
    matvec_op: _product,
    inner_op: _product,
    linear: _product,
}
