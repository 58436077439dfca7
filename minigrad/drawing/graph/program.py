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
from minigrad.drawing.graph.walk import IDENTITIES, Key, resolved
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
        matmul_op, matvec_op, inner_op, linear, mse_op, cross_entropy_op, softmax_residual_op,
    )
}  # fmt: skip


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
    except _Refused as refusal:
        return Program(why=f"Its numbers cannot be changed here: {refusal}")
    except Exception as error:  # a page is made all the same
        return Program(why=f"Its numbers cannot be changed here: {error}")


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
        path = between(None, outputs)
        if len(path.nodes) > STEPS:
            raise _Refused(f"a page computes {STEPS:,} operations at most.")
        self.run_again(path)
        self.values(path)
        scalars = [t for t in outputs if t.active and t.primal.size == 1 and t.mode.phase == "forward"]
        if len(scalars) == 1:
            self.gradients(path, self.again[scalars[0].index])
        return self.program

    def run_again(self, path: Slice) -> None:
        again = self.again
        for leaf in path.sources:
            if leaf.active:
                again[leaf.index] = Tensor(leaf.primal, requires_grad=True)
        for t in path.nodes:
            inputs: list[Any] = []
            for x in t.inputs:
                if isinstance(x, Tensor) and x.index not in again and x.op is not None:
                    raise _Refused(f"a result of {x.op.name} was kept as a constant, and may depend on them.")
                inputs.append(again.get(x.index, x) if isinstance(x, Tensor) else x)
            again[t.index] = apply(t.op, inputs, t.params)

    def values(self, path: Slice) -> None:
        """Note where the value of each node is, and which nodes are leaves that can be changed."""
        for t in (*path.sources, *path.nodes):
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
        d = t.op.pulls[position](np.ones(()), t, *t.inputs, **t.params)  # type: ignore[misc]  # it is live
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
            if array.dtype.kind not in "biuf" or (array.dtype.itemsize < 8 and array.dtype.kind == "f"):
                raise _Refused(f"a page computes in float64, and a value is {array.dtype}.")
            if self.numbers > NUMBERS:
                raise _Refused(f"a page keeps {NUMBERS:,} numbers at most.")
            self.refs[key] = len(self.program.steps)
            self.program.steps.append(["", array.size, [_json(v) for v in array.ravel().tolist()]])
        return self.refs[key]

    def add(self, t: Tensor) -> None:
        op, size = t.op, t.primal.size
        assert op is not None  # a Tensor with inputs has one
        name = "copy" if op.name in (*IDENTITIES, "astype") else ELEMENTWISE.get(op.forward)
        if t.primal.dtype not in (np.float64, np.bool_):
            raise _Refused(f"a page computes in float64, and {op.name} gives {t.primal.dtype}.")
        operands = [*t.inputs, *([t.params["p"]] if op is power_const_op else [])]
        more: Any = 0
        if op in LINEAR:
            name, operands, more = "linear map", operands[:1], _matrix(t)
        elif op in WHOLE:
            name, more = WHOLE[op], _columns(t)
        elif name is None or (t.params and op not in (power_const_op,) and name != "copy"):
            raise _Refused(f"a page does not know {op.name}.")
        else:
            spread = [_spread(x, t.primal.shape) for x in operands]
            more = spread if any(spread) else 0
        refs = [self.ref(x) for x in operands]
        self.refs[t.index] = len(self.program.steps)
        if len(self.program.steps) > 4 * STEPS:
            raise _Refused("its derivatives take too many operations for a page.")
        self.program.steps.append([name, size, refs, more] if more else [name, size, refs])


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


def _columns(t: Tensor) -> int:
    """The columns of the last operand, or of the logits: all that a page must know of the shapes."""
    shapes = [np.shape(x) for x in t.args]
    if any(len(shape) > 2 for shape in shapes):
        raise _Refused(f"a page computes {t.op.name if t.op else ''} of matrices, not of stacks of them.")
    which = shapes[0] if t.op in (cross_entropy_op, softmax_residual_op) else shapes[1]
    return int(which[-1]) if len(which) > 1 else 1


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
