"""The numbers of a drawn graph as a program, so that a page can compute them again after one was changed.

The recorded operations run once more inside a `Capture`, and the pull back after them, by minigrad's own
rules. A capture records all it sees, so the masks of relu and the signs of |x| are part of the program and
follow their inputs. What comes out is a list of steps without Tensors. It is refused, with a sentence that
says why, where a page could only give a wrong number.

Names: `t` a Tensor of the second run, `ref` the position of a step, `d` a local derivative ∂y/∂x.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from minigrad.drawing.graph.backward import Named, Noting
from minigrad.drawing.graph.collect import collect
from minigrad.drawing.graph.levels import folded
from minigrad.drawing.graph.notation import array_text
from minigrad.drawing.graph.walk import IDENTITIES, Key, operations_behind, resolved
from minigrad.drawing.picture import Picture, Program
from minigrad.families import LINEAR
from minigrad.mode import scope
from minigrad.ops.elementwise import (
    clip_op,
    one_minus_square,
    power_const_op,
    relu,
    secant,
    sigmoid,
    sigmoid_slope,
    softplus,
)
from minigrad.ops.fused import cross_entropy_op, mse_op, softmax_residual_op
from minigrad.ops.linalg import inner_op, linear, matmul_op, matvec_op
from minigrad.ops.reduce import log_softmax_op, softmax_op
from minigrad.ops.shape import where_op
from minigrad.products import scale, select
from minigrad.replay.capture import Capture
from minigrad.slices import Slice, between
from minigrad.sweeps import pull_back
from minigrad.tensor import Tensor, apply

__all__ = ["ELEMENTWISE", "WHOLE", "program"]

STEPS = 3_000  # of a program
NUMBERS = 2_000  # of all its leaves and constants together
ENTRIES = 8  # of a leaf that can be changed
BASIS = 256  # elements of the input of a linear map, which is written as its matrix
CELLS = 32  # of a strip

# What the page computes element by element: the forward of an op, and its name there
ELEMENTWISE: dict[Any, str] = {
    getattr(np, name): name
    for name in (
        "negative", "add", "subtract", "multiply", "divide", "power", "reciprocal", "square", "sqrt", "cbrt",
        "exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "sin", "cos", "tan", "arcsin", "arccos",
        "arctan", "sinh", "cosh", "tanh", "arcsinh", "arccosh", "arctanh", "absolute", "fabs", "sign",
        "maximum", "minimum", "greater", "greater_equal", "less", "less_equal", "equal", "not_equal",
        "logical_and", "logical_or", "logical_not", "bitwise_and", "bitwise_or", "floor", "ceil",
    )
}  # fmt: skip
ELEMENTWISE |= {
    op.forward: op.name
    for op in (
        scale,
        select,
        relu,
        sigmoid,
        sigmoid_slope,
        softplus,
        where_op,
        clip_op,
        power_const_op,
        one_minus_square,
        secant,
    )
}
WHOLE = {
    op: op.name
    for op in (
        matmul_op, matvec_op, inner_op, linear, mse_op, cross_entropy_op, softmax_residual_op, softmax_op,
        log_softmax_op,
    )
}  # fmt: skip
_LOGITS = cross_entropy_op, softmax_residual_op, softmax_op, log_softmax_op


_FLOATS = (np.float64, np.float32)


class _Refused(Exception):
    """Why a graph cannot be computed again in a page."""


def program(picture: Picture, outputs: Named, places: Mapping[Key, int]) -> Program:
    """The program of a picture of the whole graph.

    Args:
        places: the id of the node that shows a Tensor, by the Tensor's index.
    """
    try:
        with scope(recording=True, capturing=Capture("draw"), phase="forward"):
            return _Written(picture, places).of([t for _, t in outputs])
    except Exception as error:  # refused, or else a page is made all the same
        why = f"Its numbers cannot be changed here: {error}"
        return Program(why=why, strips=_strips(picture, [t for _, t in outputs], places))


@dataclass
class _Written:
    """A program as it is written. `again` has the second run: by the index of each Tensor of the graph, the
    same one made anew on fresh leaves; `refs` the positions of the steps that compute them."""

    picture: Picture
    places: Mapping[Key, int]
    again: dict[int, Tensor] = field(default_factory=dict)
    refs: dict[Any, int] = field(default_factory=dict)
    program: Program = field(default_factory=Program)
    numbers: int = 0
    kept: list[Any] = field(default_factory=list)
    formulas: dict[Any, str] = field(default_factory=dict)

    def of(self, outputs: Sequence[Tensor]) -> Program:
        path, operations = between(None, outputs), operations_behind(outputs)
        if len(operations) > STEPS:
            raise _Refused(f"a page computes {STEPS:,} operations at most.")
        self.run_again(path.sources, operations)
        self.values([*path.sources, *operations])
        scalars = [t for t in outputs if t.active and t.primal.size == 1 and t.mode.phase == "forward"]
        if len(scalars) == 1:
            self.gradients(path, self.again[scalars[0].index])
        return self.program

    def run_again(self, leaves: Sequence[Tensor], operations: Sequence[Tensor]) -> None:
        """Compute everything that depends on the leaves, masks included, which no derivative goes through."""
        again = self.again
        for leaf in leaves:
            if leaf.active:
                again[leaf.index] = Tensor(leaf.primal, requires_grad=True)
        for t in operations:
            for x in t.inputs:
                if isinstance(x, Tensor) and x.op is not None and not (x.inputs or x.index in again):
                    raise _Refused(f"a result of {x.op.name} was kept as a constant, and may depend on them.")
            if any(isinstance(x, Tensor) and x.index in again for x in t.inputs):
                inputs = [again.get(x.index, x.primal) if isinstance(x, Tensor) else x for x in t.inputs]
                again[t.index] = apply(t.op, inputs, t.params)  # type: ignore[arg-type]  # operations have one

    def values(self, tensors: Sequence[Tensor]) -> None:
        """Note where the value of each node is, and which nodes are leaves that can be changed."""
        for t in tensors:
            place, new = self.places.get(resolved(t).index), self.again.get(t.index)
            if place is None or new is None:
                continue
            if self.picture.nodes[place].value != array_text(new.primal):
                raise _Refused("an array has changed since the graph was drawn.")
            self.program.values[place] = self.ref(new)
            if not t.inputs and new.primal.size <= ENTRIES:
                self.program.leaves.append(place)

    def gradients(self, path: Slice, y: Tensor) -> None:
        """Note where the cotangents are: in the end, and on the way as `Picture.visits` has them."""
        noting = Noting({y.index: np.ones_like(y.primal)})
        pull_back(between(None, (y,)), noting, record=True)
        made, place = {}, {}
        for t in (*path.sources, *path.nodes):
            if t.index in self.again:
                new = self.again[t.index]
                made[new.index], place[new.index] = new, self.places.get(resolved(t).index)
        for index, g, arrivals in noting.visits:
            t = made[index]
            node = place[index]
            if node is None:
                continue
            self.program.gradients[node] = self.ref(g)
            if t.op is not None and t.op.name not in IDENTITIES:
                live = [p for p in t.live if t.inputs[p].index in made]
                told = [
                    (self.ref(c), *self.slope(t, p))
                    for p, (i, c) in zip(live, arrivals, strict=True)
                    if place[i] is not None
                ]
                self.program.visits.append((self.ref(g), told))
        for index, t in made.items():
            node = place[index]
            if not t.inputs and node is not None and index in noting:
                self.program.gradients[node] = self.ref(noting[index])

    def slope(self, t: Tensor, position: int) -> tuple[int, str]:
        """Where the local derivative by an input is, and its formula; -1 and "" where it is no number."""
        x = t.inputs[position]
        if t.primal.ndim or x.primal.ndim or t.op is None or not t.op.broadcasts:
            return -1, ""
        one = np.ones((), t.primal.dtype)
        d = t.op.pulls[position](one, t, *t.inputs, **t.params)  # type: ignore[misc]  # it is live
        operands = [
            "live" if isinstance(x, Tensor) and x.active else repr(v)
            for x, v in zip(t.inputs, t.args, strict=True)
        ]
        known = t.op, position, *operands, repr(t.params)
        if known not in self.formulas:
            self.formulas[known] = _formula(t, position)
        return self.ref(d), self.formulas[known]

    # Steps

    def ref(self, x: Any) -> int:
        """The position of the step that computes x; what leads to it is written first."""
        if not isinstance(x, Tensor):
            self.kept.append(x)  # so that its id stays its own
            return self.constant(np.asarray(x), ("number", float(x)) if np.ndim(x) == 0 else ("array", id(x)))
        missing: dict[int, Tensor] = {}
        stack = [x]
        while stack:
            t = stack.pop()
            if t.index not in self.refs and t.index not in missing:
                missing[t.index] = t
                stack += [a for a in t.inputs if isinstance(a, Tensor)]
        for t in sorted(missing.values(), key=lambda t: (bool(t.inputs), t.index)):
            if t.inputs:
                self.add(t)
            else:
                self.constant(t.primal, t.index)
        return self.refs[x.index]

    def constant(self, array: Any, key: Any) -> int:
        if key not in self.refs:
            self.numbers += array.size
            if array.dtype.kind not in "biu" and array.dtype not in _FLOATS:
                raise _Refused(f"a page computes in float64 or float32, and a value is {array.dtype}.")
            if self.numbers > NUMBERS:
                raise _Refused(f"a page keeps {NUMBERS:,} numbers at most.")
            self.refs[key] = len(self.program.steps)
            numbers = [_json(v) for v in array.ravel().tolist()]
            single = [1] if array.dtype == np.float32 else []
            self.program.steps.append(["", array.size, numbers, *single])
        return self.refs[key]

    def add(self, t: Tensor) -> None:
        op, size = t.op, t.primal.size
        assert op is not None  # a Tensor with inputs has one
        name = "copy" if op.name in (*IDENTITIES, "astype") else ELEMENTWISE.get(op.forward)
        if t.primal.dtype not in (*_FLOATS, np.bool_):
            raise _Refused(f"a page computes in float64 or float32, and {op.name} gives {t.primal.dtype}.")
        operands = [*t.inputs, *([t.params["p"]] if op is power_const_op else [])]
        if np.result_type(*t.args) == np.float32:  # then NumPy takes Python's numbers for such too
            operands = [np.float32(x) if isinstance(x, float) else x for x in operands]
        more: Any = 0
        if op in LINEAR:
            name, operands, more = "linear map", operands[:1], _matrix(t)
        elif op in WHOLE and t.params.get("axis", -1) == -1:
            name, more = WHOLE[op], _matrices(t)
        elif name is None or (t.params and op not in (power_const_op,) and name != "copy"):
            raise _Refused(f"a page does not know {op.name}.")
        else:
            spread = [_spread(x, t.primal.shape) for x in operands]
            more = spread if any(spread) else 0
        refs = [self.ref(x) for x in operands]
        self.refs[t.index] = len(self.program.steps)
        if len(self.program.steps) > 4 * STEPS:
            raise _Refused("its derivatives take too many operations for a page.")
        step: list[Any] = [name, size, refs]
        if t.primal.dtype == np.float32:
            step += [more, 1]
        elif more:
            step.append(more)
        self.program.steps.append(step)


def _json(x: Any) -> Any:
    """A number as JSON can hold it, and as JavaScript's `Number` reads it."""
    if isinstance(x, float) and not math.isfinite(x):
        return "NaN" if x != x else "Infinity" if x > 0 else "-Infinity"
    return int(x) if isinstance(x, bool) else x


def _spread(x: Any, shape: tuple[int, ...]) -> Any:
    """The element of x that each element of a result of this shape reads; 0 if that is plain."""
    own = np.shape(x.primal if isinstance(x, Tensor) else x)
    size = math.prod(own)
    if own == shape or size == 1:
        return 0
    return np.broadcast_to(np.arange(size).reshape(own), shape).ravel().tolist()


def _matrix(t: Tensor) -> list[Any]:
    """A linear map of a small input as its entries: [to, from, coefficient, to, from, coefficient, ...]."""
    x, *others = t.args
    if x.size > BASIS:
        raise _Refused(f"{t.op.name if t.op else ''} has an input of more than {BASIS} numbers.")
    flat: list[Any] = []
    for j in range(x.size):
        unit = np.zeros(x.size)
        unit[j] = 1.0
        column = np.ravel(t.op.forward(unit.reshape(x.shape), *others, **t.params))  # type: ignore[union-attr]
        for i in np.flatnonzero(column).tolist():
            flat += [i, j, column[i].item()]
    return flat or [0, 0, 0.0]


def _matrices(t: Tensor) -> Any:
    """All that a page must know of the shapes: the columns of the last operand, or of the logits. A product
    of stacks has [columns, rows, inner, left, right], with the positions of the matrices to multiply."""
    shapes = [np.shape(x) for x in t.args]
    which = shapes[0] if t.op in _LOGITS else shapes[1]
    columns = int(which[-1]) if len(which) > 1 else 1
    if t.op is not matmul_op or len(which) == 2:
        return columns
    stack = np.broadcast_shapes(*(shape[:-2] for shape in shapes))
    places = [np.arange(math.prod(shape[:-2])).reshape(shape[:-2]) for shape in shapes]
    chosen = [np.broadcast_to(place, stack).ravel().tolist() for place in places]
    return [columns, *map(int, shapes[0][-2:]), *chosen]


def _formula(t: Tensor, position: int) -> str:
    """The local derivative of an op in calculus: "∂y/∂x = 1 − y²". Its result is y, and its inputs are x, or
    a, b and c. The text is "" where it is no line of calculus, as the mask of relu is none."""
    live = [isinstance(x, Tensor) and x.active for x in t.inputs]
    names = "x" if sum(live) == 1 else "abc"
    letters = iter(names)
    with scope(capturing=None):
        y = Tensor(t.primal, requires_grad=True, name="y")
        inputs = [
            Tensor(value, requires_grad=True, name=next(letters)) if named else value
            for named, value in zip(live, t.args, strict=True)
        ]
        d = t.op.pulls[position](np.ones(()), y, *inputs, **t.params)  # type: ignore[union-attr, misc]
    if not isinstance(d, Tensor):
        return ""
    boxes = [node.label for node in folded(collect([("", d)]), "formulas").nodes if node.kind == "op"]
    text = boxes[0].removeprefix("u₁ = ") if boxes and boxes[1:] in ([], ["u₁"]) else ""
    plain = text and not any(word in text for word in ("select", "where", "_"))
    return f"∂y/∂{names[sum(live[:position])]} = {text}" if plain else ""


# Strips of what a page does not compute


def _strips(picture: Picture, outputs: Sequence[Tensor], places: Mapping[Key, int]) -> dict[int, str]:
    """The strip of each node with several numbers."""
    arrays: dict[Key, Any] = {}
    for t in [*outputs, *operations_behind(outputs)]:
        for x in (t, *t.inputs):
            key = resolved(x).index if isinstance(x, Tensor) else ("array", id(x))
            arrays[key] = x.primal if isinstance(x, Tensor) else x
    found = {}
    for key, a in arrays.items():
        place = places.get(key)
        several = isinstance(a, np.ndarray) and a.size > 1 and a.dtype.kind in "biuf"
        if place is not None and several and picture.nodes[place].value == array_text(a):  # as it was drawn
            found[place] = strip_text(a)
    return found


def strip_text(a: Any) -> str:
    """An array in at most `CELLS` letters, each the mean of as many numbers: "j" is 0, "a" the largest mean
    and "s" the largest with a minus.

    >>> strip_text(np.array([0.0, 9.0, -1.0])), strip_text(np.repeat([1.0, -1.0], 5000))
    ('jak', 'aaaaaaaaaaaaaaaassssssssssssssss')
    """
    cells = min(a.size, CELLS)
    begins = np.arange(cells) * a.size // cells
    lengths = np.diff(begins, append=a.size)
    means = np.nan_to_num(np.add.reduceat(a.ravel(), begins, dtype=np.float64) / lengths, posinf=0, neginf=0)
    most = np.max(np.abs(means)) or 1.0
    return "".join(chr(ord("j") - round(9 * part)) for part in (means / most).tolist())
