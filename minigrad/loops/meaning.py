"""Ops that have no loops of their own, replaced by what they are made of.

An op's `forward` is NumPy text. Run on Tensors inside a capture it is recorded op by op, and those lines
stand in its place. A forward that looks at values cannot be recorded so; then `Printing.meaning` says the
same without a look.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from minigrad.loops.lowering import has_row, not_printed, require_float64
from minigrad.mode import scope
from minigrad.ops import fused
from minigrad.ops.index import SLOT, index_add, places_along, put_along_op, scatter, take_along_op
from minigrad.ops.reduce import log_softmax_op, softmax_op, total
from minigrad.replay.capture import Capture
from minigrad.replay.lines import Input, Line, Lines, Variable, lines_of, nodes_of, value_of
from minigrad.replay.passes import drop_broadcasts, identities, simplified
from minigrad.replay.printing import printed, printing
from minigrad.tensor import Op, Tensor

__all__ = ["expanded"]


def expanded(lines: Lines) -> Lines:
    """The lines with every op that has no row in `lowering` replaced by its meaning.

    Raises:
        TypeError: an op draws random numbers, or has no meaning that can be recorded.
    """
    expansion = _Expansion()
    expansion.of(lines.lines)
    lines.lines = expansion.lines
    lines.outputs = [expansion.put.get(id(y), y) for y in lines.outputs]
    return simplified(lines, (drop_broadcasts, identities))  # not folded: stand-ins have other values


class _Expansion:
    """Lines as they are written.

    `put` has what stands for a line that was replaced, by its id; `meanings` keeps all of these lines, so
    that an id stays theirs.
    """

    def __init__(self) -> None:
        self.lines: list[Line] = []
        self.put: dict[int, Any] = {}
        self.meanings: list[tuple[Line, Lines]] = []

    def of(self, lines: Sequence[Line], within: tuple[Op, ...] = ()) -> None:
        for line in lines:
            line.args = tuple([self.put.get(id(x), x) for x in line.args])
            require_float64(line.op.name, line.array)
            if has_row(line):
                self.lines.append(line)
            else:
                self.replace(line, within)

    def replace(self, line: Line, within: tuple[Op, ...]) -> None:
        if not printing(line.op).deterministic:
            raise not_printed(
                line.op.name,
                "it draws random numbers",
                "Switch dropout off with .eval(), or pass the numbers as an argument.",
            )
        if line.op in within:
            raise not_printed(line.op.name, "there are no loops for it", "Write it with other functions.")
        inner = _meaning(line)
        self.meanings.append((line, inner))
        self.put |= {id(x): line.args[x.i] for x in inner.inputs}
        self.of(inner.lines, (*within, line.op))
        (y,) = inner.outputs
        self.put[id(line)] = self.put.get(id(y), y)


def _meaning(line: Line) -> Lines:
    """What an op computes, recorded on stand-ins for its operands that are computed themselves.

    Its inputs have the numbers of these operands.
    """
    capture = Capture(line.op.name)
    function = printing(line.op).meaning or line.op.forward
    places = [i for i, x in enumerate(line.args) if isinstance(x, Line | Input | Variable)]
    try:
        with scope(recording=True, capturing=capture, phase=line.phase, module=line.module):
            args = list(line.args)
            for i in places:
                args[i] = Tensor(np.zeros_like(value_of(line.args[i])))
            with np.errstate(all="ignore"):
                y = function(*args, **line.params)
    except Exception as error:
        raise not_printed(
            line.op.name,
            "it has no loops, nor has what it is made of",
            "Write it with other functions.",
        ) from error
    lines = lines_of([args[i] for i in places], [y], nodes_of([y], capture), capture)
    for x, i in zip(lines.inputs, places, strict=True):
        x.i = i
    return lines


def _centred(x: Any, axis: int = -1) -> Any:
    top = np.max(x, axis=axis, keepdims=True)
    beside_infinity = np.where(np.equal(x, top), 0.0, -np.inf)
    return np.where(np.equal(top, np.inf), beside_infinity, x - top)


def _softmax(x: Any, axis: int) -> Any:
    e = np.exp(_centred(x, axis))
    return e / total(e, axis=(axis,), keepdims=True)


def _log_softmax(x: Any, axis: int) -> Any:
    z = _centred(x, axis)
    return z - np.log(total(np.exp(z), axis=(axis,), keepdims=True))


def _minus_one_hot(e: Any, sums: Any, places: Any) -> Any:
    p = e / np.reshape(sums, (-1, 1))
    return np.reshape(index_add(np.reshape(p, (-1,)), places, -1.0), p.shape)


def _put_along(g: Any, indices: Any, axis: int, shape: tuple[int, ...], once: bool = False) -> Any:
    return scatter(g, *places_along(indices, axis), shape=shape, index=(SLOT,) * len(shape))


printed(take_along_op, meaning=lambda x, indices, axis, once=False: x[places_along(indices, axis)])
printed(put_along_op, meaning=_put_along)
printed(fused.centred_op, meaning=_centred)
printed(fused.minus_one_hot_op, meaning=_minus_one_hot)
printed(fused.places_op, meaning=lambda labels, classes: labels + np.arange(len(labels)) * classes)
printed(softmax_op, meaning=_softmax)
printed(log_softmax_op, meaning=_log_softmax)
