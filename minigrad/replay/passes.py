"""Passes simplify the lines before they are printed. Each keeps all values; where it may round, it says so.

A pass over one line returns what to use in its place (see `Lines.rewritten`). All of these run in one walk
(`simplified`): a line comes after its operands, so it finds them as simple as they will get, and each pass
stays a function of one line. The other passes take all lines.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from minigrad.ops import elementwise as e
from minigrad.ops.shape import astype_op, broadcast_to_op, reshape_op, transpose_op
from minigrad.products import scale, select
from minigrad.replay.lines import Input, Line, Lines, Variable, axes_of, foldable, value_of
from minigrad.replay.printing import printed, printing
from minigrad.tensor import Op, detach_op

__all__ = [
    "drop_broadcasts",
    "drop_dead",
    "fold_constants",
    "identities",
    "merge_common",
    "premultiply",
    "simplified",
]

Change = Callable[[Line], Any]


def identities(line: Line) -> Any:
    """Replace an operation that changes nothing by its operand: +x, x·1, a cast to the same dtype."""
    rule = _IDENTITIES.get(line.op)
    return line if rule is None else rule(line)


def _unchanged_shape(line: Line) -> Any:
    return line.args[0] if value_of(line.args[0]).shape == line.array.shape else line


def _unchanged_dtype(line: Line) -> Any:
    return line.args[0] if value_of(line.args[0]).dtype == line.array.dtype else line


def _transposed(line: Line) -> Any:
    """Merge two transposes into one, and drop a transpose that leaves the axes as they are."""
    in_order, first = tuple(range(line.array.ndim)), line.args[0]
    if axes_of(line) == in_order:
        return first
    if not isinstance(first, Line) or first.op is not transpose_op:
        return line
    axes = tuple(axes_of(first)[a] for a in axes_of(line))
    return first.args[0] if axes == in_order else _like(line, (first.args[0],), {"axes": axes})


def _times_one(line: Line) -> Any:
    for one, other in (line.args, line.args[::-1]):
        if _is_one(one) and _same_kind(value_of(other), line.array):
            return other
    return line


def _scaled(line: Line) -> Any:
    """Write `scale(g, d)` as a product if 0·∞ cannot occur: g is a nonzero number or d a finite one."""
    g, d = line.args
    if (_is_number(g) and g) or (_is_number(d) and np.isfinite(d)):
        return _times_one(Line(e.multiply, line.args, {}, line.array, line.phase, line.module))
    return _times_one(line)


def _selected(line: Line) -> Any:
    """Write `select(a, b)` as a product if one of them is a nonzero finite number."""
    return _scaled(line) if any(_is_number(x) and x and np.isfinite(x) for x in line.args) else line


def _by_one(line: Line) -> Any:
    return line.args[0] if _is_one(line.args[1]) and _same_kind(value_of(line.args[0]), line.array) else line


_IDENTITIES: dict[Op, Change] = {
    e.positive: lambda line: line.args[0],
    detach_op: lambda line: line.args[0],
    reshape_op: _unchanged_shape,
    broadcast_to_op: _unchanged_shape,
    astype_op: _unchanged_dtype,
    transpose_op: _transposed,
    e.multiply: _times_one,
    scale: _scaled,
    select: _selected,
    e.divide: _by_one,
}


def _like(line: Line, args: tuple[Any, ...], params: dict[str, Any]) -> Line:
    return Line(line.op, args, params, line.array, line.phase, line.module)


def _is_one(x: Any) -> bool:
    return _is_number(x) and bool(x == 1)


def _is_number(x: Any) -> bool:
    return foldable(x) and np.ndim(x) == 0


def _same_kind(x: Any, y: Any) -> bool:
    return isinstance(x, np.ndarray) and x.shape == y.shape and x.dtype == y.dtype


def fold_constants(line: Line) -> Any:
    """Replace a line whose operands can never change by its value."""
    if line.args and printing(line.op).deterministic and all(map(foldable, line.args)):
        value = np.array(line.array)
        value.flags.writeable = False
        return value
    return line


def merge_common() -> Change:
    """Make the pass that replaces the same op on the same operands by the first such line."""
    seen: dict[Any, Line] = {}

    def change(line: Line) -> Any:
        if not printing(line.op).deterministic:
            return line
        params = tuple(sorted([(k, _identity(v)) for k, v in line.params.items()])) if line.params else ()
        try:
            return seen.setdefault((line.op, tuple(map(_identity, line.args)), params), line)
        except TypeError:  # a parameter that cannot be compared
            return line

    return change


def _identity(x: Any) -> Any:
    """A hashable value that two operands or parameters share if they are the same."""
    if x.__class__ is Line:
        return id(x)
    if isinstance(x, Input):
        return ("input", x.i)
    if isinstance(x, Variable):
        return ("variable", id(x.leaf))
    if isinstance(x, np.ndarray):  # two views of the same memory are the same constant
        return (x.__array_interface__["data"][0], x.shape, x.strides, x.dtype)
    if isinstance(x, slice):
        return ("slice", x.start, x.stop, x.step)
    if isinstance(x, tuple):
        return tuple(map(_identity, x))
    return (type(x).__name__, repr(x), x)  # the text tells 0.0 from −0.0; of an object it may say too little


def drop_broadcasts(line: Line) -> Any:
    """Drop a broadcast whose result goes into an elementwise operation, which broadcasts by itself."""
    if line.op.broadcasts and (
        isinstance(line.op.forward, np.ufunc) or line.op is scale or line.op is select
    ):
        for i, x in enumerate(line.args):
            small = x.args[0] if isinstance(x, Line) and x.op is broadcast_to_op else _repeated(x)
            if small is not None:
                args = (*line.args[:i], small, *line.args[i + 1 :])
                if np.broadcast_shapes(*(np.shape(value_of(a)) for a in args)) == line.array.shape:
                    line.args = args
    return line


def _repeated(x: Any) -> Any:
    """The one number that a constant array repeats, as a 0-d array; None for other operands."""
    if not isinstance(x, np.ndarray) or not x.ndim or not x.size or any(x.strides) or not foldable(x):
        return None
    number = x[(0,) * x.ndim]
    array = np.array(number)
    array.flags.writeable = False
    return array


def drop_dead(program: Lines) -> Lines:
    """Keep only lines that the outputs need, and random draws, which have to happen at each call."""
    needed = {id(y) for y in program.outputs} | {
        id(line) for line in program.lines if not printing(line.op).deterministic
    }
    for line in reversed(program.lines):
        if id(line) in needed:
            needed.update(map(id, line.args))
    program.lines = [line for line in program.lines if id(line) in needed]
    return program


def premultiply(program: Lines, last: int) -> Lines:  # noqa: C901  # most of it is the local `split`
    """In the last stage, which runs many times, rewrite x·a·b·… with a, b, … known earlier as x·(a·b·…).

    The product a·b·… is made in the stage before, and results differ by rounding only. Where the product is
    not finite or underflows, the factors are applied one by one.
    """
    uses: dict[int, int] = {}
    for x in (*(x for line in program.lines for x in line.args), *program.outputs):
        uses[id(x)] = uses.get(id(x), 0) + 1

    def split(x: Any) -> tuple[Any, list[Any]] | None:
        """For a product in the last stage: the varying and the known factors, these with whose 0 beats ∞."""
        if not isinstance(x, Line) or x.stage != last:
            return None
        if x.op is e.negative:
            return (x.args[0], [(-1, "")]) if _alike(x.args[0], x) else None
        if x.op not in _PRODUCTS:
            return None
        moving = [a for a in x.args if isinstance(a, Line | Input) and a.stage == last]
        if len(moving) != 1 or not _alike(moving[0], x):
            return None
        winner = _PRODUCTS[x.op]
        if winner == "first":
            winner = "x" if x.args[0] is moving[0] else "factor"
        return moving[0], [(a, winner) for a in x.args if a is not moving[0]]

    absorbed: set[int] = set()
    for i in reversed(range(len(program.lines))):
        line = program.lines[i]
        found = None if id(line) in absorbed else split(line)
        if found is None:
            continue
        x, factors = found
        while uses.get(id(x)) == 1 and (below := split(x)):
            absorbed.add(id(x))
            x, more = below
            factors += more
        if len(factors) > 1 or line.op is not e.multiply:
            arrays, zero_wins = zip(*reversed(factors), strict=True)
            dtype = line.array.dtype
            params = {"zero_wins": zero_wins, "dtype": dtype}
            product = Line(_multiplier, arrays, params, np.zeros((), dtype), line.phase, line.module)
            product.stage = last - 1
            line.op, line.args, line.params = _times, (product, x), {}
            program.lines.insert(i, product)
    return drop_dead(program)


_PRODUCTS = {e.multiply: "", scale: "first", select: "either"}  # op → whose 0 beats ∞


def _alike(x: Any, line: Line) -> bool:
    return x.array.shape == line.array.shape and x.array.dtype == line.array.dtype  # type: ignore[no-any-return]  # a bool


def multiplier(*factors: Any, zero_wins: tuple[str, ...], dtype: Any) -> Callable[..., Any]:
    """The function (x, y) that writes x·a·b·… into y; y may be left out.

    `zero_wins` says for each factor whose 0 makes 0·∞ be 0 (see `scale`): that of "x", of the "factor", of
    "either", or of neither (""). The factors are copied, because they may lie in buffers.
    """
    factors = tuple(np.array(factor, dtype) for factor in factors)
    with np.errstate(all="ignore"):
        product = factors[0]
        for factor in factors[1:]:
            product = np.multiply(product, factor)
        size = np.abs(product)
        lost = size < np.finfo(dtype).tiny  # underflow, unless a factor is 0 itself
        for factor in factors if np.any(lost) else ():
            lost = lost & np.not_equal(factor, 0)
        zero: Any = False  # where x is multiplied by a 0 that wins
        for factor, winner in zip(factors, zero_wins, strict=True):
            zero = zero | np.equal(factor, 0) if winner in ("factor", "either") else zero
        if np.all(size < np.inf) and not np.any(lost):
            return partial(_masked, product, zero) if np.any(zero) else partial(np.multiply, product)

    def one_by_one(x: Any, y: Any = None) -> Any:
        if y is None:
            y = np.array(x)
        elif y is not x:
            np.copyto(y, x)
        with np.errstate(all="ignore"):
            for factor, winner in zip(factors, zero_wins, strict=True):
                zero = _zeros(y, factor, winner)
                np.multiply(y, factor, out=y)
                np.copyto(y, 0, where=zero)
        return y

    return one_by_one


def _zeros(x: Any, factor: Any, winner: str) -> Any:
    """Where a zero of x or of the factor wins."""
    zero = np.equal(x, 0) if winner in ("x", "either") else False
    return zero | np.equal(factor, 0) if winner in ("factor", "either") else zero


def _masked(product: Any, zero: Any, x: Any, y: Any = None) -> Any:
    """x times a finite product, written into y, but 0 where `zero` holds."""
    y = np.multiply(product, x, out=y)
    if not abs(np.vdot(y, y)) < np.inf:
        y = np.asarray(y)
        np.copyto(y, 0, where=zero)
    return y


_multiplier = Op("multiplier", multiplier)
_times = Op("times", lambda product, x: product(x))


def _multiplier_text(y: Any, *factors: Any, zero_wins: tuple[str, ...], dtype: Any) -> Any:
    operands = ", ".join(f"{{{i}}}" for i in range(len(factors)))
    names = {"multiplier": multiplier, "zero_wins": zero_wins, "dtype": dtype}
    return f"{{multiplier}}({operands}, zero_wins={{zero_wins}}, dtype={{dtype}})", names


printed(_multiplier, _multiplier_text)
printed(_times, lambda y, product, x: "{0}({1}, {y})", may_alias=True)


def simplified(
    program: Lines, changes: Sequence[Change] = (drop_broadcasts, identities, fold_constants)
) -> Lines:
    """Run the passes over one line in one walk, then drop dead lines."""
    changes = (*changes, merge_common())

    def change(line: Any) -> Any:
        for each in changes:
            line = each(line)
            if line.__class__ is not Line:
                return line
        return line

    return drop_dead(program.rewritten(change))
