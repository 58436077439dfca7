"""A captured graph as a list of lines, each one operation, in the order in which they will run.

A `Line` points to what it reads: other lines, `Input`s (numbered arguments), `Variable`s (leaf Tensors from
outside, whose arrays are read anew at each call), and constants (arrays and numbers as they are). Passes
rewrite lists of lines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minigrad.errors import CaptureError
from minigrad.mode import scope
from minigrad.replay.capture import Capture
from minigrad.replay.printing import printing
from minigrad.tensor import Op, Tensor

__all__ = [
    "Input",
    "Line",
    "Lines",
    "Variable",
    "axes_of",
    "foldable",
    "inside",
    "lines_of",
    "nodes_of",
    "value_of",
]


class Input:
    """Argument number `i`."""

    __slots__ = ("array", "i", "name", "stage")

    def __init__(self, i: int, tensor: Tensor) -> None:
        self.i, self.name, self.array = i, tensor.name or f"x{i}", tensor.primal
        self.stage = 0


class Variable:
    """A leaf Tensor that the function reached from outside, a parameter for instance."""

    __slots__ = ("leaf",)

    def __init__(self, leaf: Tensor) -> None:
        self.leaf = leaf

    @property
    def array(self) -> Any:
        return self.leaf.primal


class Line:
    """One operation. `array` is its value in the captured run; later only shape, dtype and layout matter."""

    __slots__ = ("args", "array", "module", "op", "params", "phase", "stage")

    def __init__(
        self, op: Op, args: Sequence[Any], params: dict[str, Any], array: Any, phase: str, module: str
    ) -> None:
        self.op, self.args, self.params, self.array = op, tuple(args), params, array
        self.phase, self.module = phase, module
        self.stage = 0

    def __repr__(self) -> str:
        return f"Line({self.op.name}, {self.array.shape})"


class Lines:
    """The lines, the inputs, and the outputs, which are lines, inputs, variables or constants."""

    def __init__(self, lines: list[Line], inputs: list[Input], outputs: list[Any]) -> None:
        self.lines, self.inputs, self.outputs = lines, inputs, outputs

    def rewritten(self, change: Callable[[Line], Any]) -> Lines:
        """Change each line in turn.

        `change` gets a line whose operands are already changed and returns what to use for it: this line, an
        earlier one, or an operand.
        """
        put: dict[int, Any] = {}
        kept: list[Line] = []
        known: set[int] = set()
        for line in self.lines:
            line.args = tuple([put.get(id(a), a) if a.__class__ is Line else a for a in line.args])
            new = change(line)
            put[id(line)] = new
            if isinstance(new, Line) and id(new) not in known:
                known.add(id(new))
                kept.append(new)
        self.outputs = [put.get(id(y), y) if isinstance(y, Line) else y for y in self.outputs]
        self.lines = kept
        return self


def value_of(x: Any) -> Any:
    """The array or number behind an operand."""
    return x.array if isinstance(x, _WITH_ARRAY) else x


_WITH_ARRAY = (Line, Input, Variable)


def axes_of(line: Line) -> tuple[int, ...]:
    """The axes of a transpose, those of a batched sweep included."""
    axes = line.params["axes"]
    extra = line.array.ndim - len(axes)
    return (*range(extra), *(extra + a for a in axes))


def foldable(x: Any) -> bool:
    """Whether this operand can never change: a number, or an array whose memory nobody can write to."""
    if isinstance(x, np.ndarray):
        while not x.flags.writeable and isinstance(x.base, np.ndarray):
            x = x.base
        return not x.flags.writeable and x.base is None
    return isinstance(x, _NUMBERS)


_NUMBERS = (int, float, complex, bool, np.generic)


def nodes_of(outputs: Sequence[Any], capture: Capture) -> list[Tensor]:
    """The nodes that `outputs` depend on, and all random draws, in the order in which they were made."""
    seen: dict[int, Tensor] = {}
    stack = [*capture.draws, *(y for y in outputs if isinstance(y, Tensor))]
    while stack:
        node = stack.pop()
        if node.index not in seen:
            seen[node.index] = node
            if inside(node, capture):
                stack += [x for x in node.inputs if isinstance(x, Tensor)]
    return [seen[index] for index in sorted(seen)]


def lines_of(
    inputs: Sequence[Tensor], outputs: Sequence[Any], nodes: Sequence[Tensor], capture: Capture
) -> Lines:
    """The nodes written out as lines, from the inputs on."""
    arguments = [Input(i, x) for i, x in enumerate(inputs)]
    refs: dict[int, Any] = {x.index: argument for x, argument in zip(inputs, arguments, strict=True)}
    lines: list[Line] = []
    for node in nodes:
        if node.index not in refs:
            _write(node, refs, lines, capture)
    found = [refs[y.index] if isinstance(y, Tensor) else y for y in outputs]
    return Lines(lines, arguments, found)


def inside(node: Tensor, capture: Capture) -> bool:
    """Whether this is an operation of the captured run."""
    return node.op is not None and node.mode.capturing is capture


def _write(node: Tensor, refs: dict[int, Any], lines: list[Line], capture: Capture) -> None:
    """Append the line of a node, or the lines if its op is inlined."""
    if not inside(node, capture):
        if node.primal.__class__ is not np.ndarray:
            node.primal.item()  # raises: it was kept from another capture
        if node.op is None and node.mode.capturing is not capture:
            refs[node.index] = Variable(node)
            capture.reaches(node)
        else:
            refs[node.index] = capture.source(node)
        return
    op = node.op
    assert op is not None
    if printing(op).inlined and _write_inlined(node, op, refs, lines, capture):
        return
    args = [refs[x.index] if isinstance(x, Tensor) else x for x in node.inputs]
    for x in (*args, *node.params.values()):
        if isinstance(x, np.ndarray) and x.dtype == object:
            raise CaptureError(f"{capture.call}: {op.name} was given an array of objects.")
    lines.append(Line(op, args, node.params, node.primal, node.mode.phase, node.mode.module))
    refs[node.index] = lines[-1]


def _write_inlined(node: Tensor, op: Op, refs: dict[int, Any], lines: list[Line], capture: Capture) -> bool:
    """Append the operations of `op`'s forward, recorded one by one; False if the result does not fit."""
    with scope(recording=False, capturing=capture, phase=node.mode.phase, module=node.mode.module):
        whole = op.forward(*node.inputs, **node.params)
    if not isinstance(whole, Tensor) or whole.shape != node.shape or whole.dtype != node.dtype:
        return False
    inner: dict[int, Tensor] = {}
    stack = [whole]
    while stack:
        x = stack.pop()
        if x.index not in refs and x.index not in inner:
            inner[x.index] = x
            stack += [i for i in x.inputs if isinstance(i, Tensor)]
    for index in sorted(inner):
        _write(inner[index], refs, lines, capture)
    refs[node.index] = refs[whole.index]
    return True
