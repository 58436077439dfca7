"""Ops that have no loops of their own, replaced by what they are made of.

An op's `forward` is NumPy text. Run on Tensors inside a capture it is recorded op by op, and those lines
stand in its place. A forward that looks at values cannot be recorded so; then `Printing.meaning` says the
same without a look.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from inspect import unwrap
from typing import Any

import numpy as np

from minigrad import special
from minigrad.loops.lowering import not_printed, require_float64, row_of, without_row
from minigrad.mode import scope
from minigrad.ops import fused
from minigrad.ops.elementwise import over_squares, ratio
from minigrad.ops.index import SLOT, index_add, places_along, put_along_op, scatter, take_along_op
from minigrad.ops.linalg import norm_op
from minigrad.ops.moving import Call, add_back, pick
from minigrad.ops.reduce import log_softmax_op, softmax_op, total
from minigrad.replay.capture import Capture
from minigrad.replay.lines import Input, Line, Lines, Variable, lines_of, nodes_of, value_of
from minigrad.replay.passes import drop_broadcasts, identities, simplified
from minigrad.replay.printing import printed, printing
from minigrad.tensor import Op, Tensor

__all__ = ["expanded"]

LEAST = 2.0**-970  # sums of squares below are rounded as denormals are


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
        """Write lines; `within` are the ops whose meaning they are, the recorded one first, which errors
        name."""
        for line in lines:
            line.args = tuple([self.put.get(id(x), x) for x in line.args])
            named = (*within, line.op)
            require_float64(named[0].name, line.array)
            if row_of(line):
                self.lines.append(line)
            elif not printing(line.op).deterministic:
                remedy = "Switch dropout off with .eval(), or pass the numbers as an argument."
                raise not_printed(named[0].name, "it draws random numbers", remedy)
            else:
                self.replace(line, named)

    def replace(self, line: Line, named: tuple[Op, ...]) -> None:
        inner = None if line.op in named[:-1] else _meaning(line)
        if inner is None:
            raise without_row(named[0])
        self.meanings.append((line, inner))
        self.put |= {id(x): line.args[x.i] for x in inner.inputs}
        self.of(inner.lines, named)
        (y,) = inner.outputs
        self.put[id(line)] = self.put.get(id(y), y)


def _meaning(line: Line) -> Lines | None:
    """What an op computes, recorded on stand-ins for its operands that are computed themselves; None if it
    cannot be recorded.

    Its inputs have the numbers of these operands.
    """
    capture = Capture(line.op.name)
    moves = isinstance(line.params.get("call"), Call)
    function = _moved if moves else printing(line.op).meaning or unwrap(line.op.forward)
    places = [i for i, x in enumerate(line.args) if isinstance(x, Line | Input | Variable)]
    try:
        with scope(recording=True, capturing=capture, phase=line.phase, module=line.module):
            args = list(line.args)
            for i in places:
                args[i] = Tensor(np.zeros_like(value_of(line.args[i])))
            with np.errstate(all="ignore"):
                y = function(*args, **line.params)
    except Exception:  # it looks at values, or calls what is not NumPy's
        return None
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


def _picked(x: Any, places: Any) -> Any:
    lead = x.shape[: x.ndim - len(places.shape)]
    pool = np.concatenate([x.reshape(*lead, places.size), np.zeros((*lead, 1))], axis=-1)
    return pool[(..., places.at)]


def _added_back(g: Any, places: Any) -> Any:
    lead = g.shape[: g.ndim - places.at.ndim]
    index = (*(slice(None) for _ in lead), SLOT)
    return np.reshape(
        scatter(g, places.at, shape=(*lead, places.size + 1), index=index)[..., :-1], lead + places.shape
    )


def _moved(*xs: Any, call: Any) -> Any:
    """A call of a function that only moves elements: it is run on their numbers, and 0 stands for a zero."""
    ends = np.cumsum([np.size(x) for x in xs])
    numbers = [
        np.arange(end - np.size(x), end).reshape(np.shape(x)) + 1 for x, end in zip(xs, ends, strict=True)
    ]
    pool = np.concatenate([np.zeros(1), *(np.reshape(x, (-1,)) for x in xs)])
    return pool[call(*numbers)]


def _in_range(squares: Any) -> Any:
    """Where a sum of squares has neither over- nor underflown."""
    return (squares >= LEAST) & (squares < np.inf)


def _norm(x: Any, axis: tuple[int, ...], keepdims: bool) -> Any:
    top = np.max(np.abs(x), axis=axis, keepdims=True)
    top = np.where((top > 0) & (top < np.inf), top, 1.0)
    squares, shares = (total(np.square(z), axis=axis, keepdims=True) for z in (x, x / top))
    y = np.where(_in_range(squares), np.sqrt(squares), np.sqrt(shares) * top)
    return y if keepdims else np.squeeze(y, axis)


def _over_squares(a: Any, b: Any) -> Any:
    squares, length = a * a + b * b, np.hypot(a, b)
    return np.where(_in_range(squares), a / squares, ratio(ratio(a, length), length))


printed(take_along_op, meaning=lambda x, indices, axis, once=False: x[places_along(indices, axis)])
printed(put_along_op, meaning=_put_along)
printed(fused.centred_op, meaning=_centred)
printed(fused.minus_one_hot_op, meaning=_minus_one_hot)
printed(fused.places_op, meaning=lambda labels, classes: labels + np.arange(len(labels)) * classes)
printed(softmax_op, meaning=_softmax)
printed(log_softmax_op, meaning=_log_softmax)
printed(pick, meaning=_picked)
printed(add_back, meaning=_added_back)
printed(norm_op, meaning=_norm)
printed(over_squares, meaning=_over_squares)
printed(special.ndtr, meaning=lambda x: 0.5 * special.erfc(-x / math.sqrt(2)))
