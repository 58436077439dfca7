"""What is done to the lines before they are printed. Each pass keeps every value, but for rounding where it says so."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.ops import elementwise as e
from minigrad.ops.shape import _astype, _broadcast_to, _reshape, _transpose
from minigrad.replay.lines import Input, Line, Lines, Variable, foldable, value_of

__all__ = ["PASSES", "common", "constants", "dead", "identities", "narrow"]


def identities(program: Lines) -> Lines:
    """Operations that change nothing are their operand: +x, x·1, a reshape, cast or broadcast to what x is already."""

    def change(line: Line) -> Any:
        op, args = line.op, line.args
        if op is e.positive or op.name == "detach":
            return args[0]
        if op in (_reshape, _broadcast_to) and value_of(args[0]).shape == line.array.shape:
            return args[0]
        if op is _astype and value_of(args[0]).dtype == line.array.dtype:
            return args[0]
        if op is _transpose and line.params["axes"] == tuple(range(line.array.ndim)):
            return args[0]
        if op is _transpose and isinstance(args[0], Line) and args[0].op is _transpose:
            first = args[0]
            axes = tuple(first.params["axes"][a] for a in line.params["axes"])
            return first.args[0] if axes == tuple(range(line.array.ndim)) else _like(line, (first.args[0],), {"axes": axes})
        if op is e.multiply or op.name == "scale":
            for one, other in (args, args[::-1]):
                if _is_one(one) and _same_kind(value_of(other), line.array):
                    return other
        if op.name == "scale" and foldable(args[0]) and np.ndim(args[0]) == 0 and args[0]:
            return Line(e.multiply, args, {}, line.array, line.phase, line.module)  # only a zero needs its care
        if op is e.divide and _is_one(args[1]) and _same_kind(value_of(args[0]), line.array):
            return args[0]
        return line

    return program.rewritten(change)


def _like(line: Line, args: tuple[Any, ...], params: dict[str, Any]) -> Line:
    return Line(line.op, args, params, line.array, line.phase, line.module)


def _is_one(x: Any) -> bool:
    return foldable(x) and np.ndim(x) == 0 and bool(x == 1)


def _same_kind(x: Any, y: Any) -> bool:
    return isinstance(x, np.ndarray) and x.shape == y.shape and x.dtype == y.dtype


def constants(program: Lines) -> Lines:
    """What follows from constants that nobody can change is one."""

    def change(line: Line) -> Any:
        if line.args and line.op.repeatable and all(foldable(x) for x in line.args):
            value = np.array(line.array)
            value.flags.writeable = False
            return value
        return line

    return program.rewritten(change)


def common(program: Lines) -> Lines:
    """What is computed twice is computed once: the same op on the same operands."""
    seen: dict[Any, Line] = {}

    def change(line: Line) -> Any:
        if not line.op.repeatable:
            return line
        try:
            key = (line.op, tuple(map(_identity, line.args)), tuple(sorted((k, _identity(v)) for k, v in line.params.items())))
            return seen.setdefault(key, line)
        except TypeError:  # a parameter that cannot be compared
            return line

    return program.rewritten(change)


def _identity(x: Any) -> Any:
    if isinstance(x, Input):
        return ("input", x.i)
    if isinstance(x, Variable):
        return ("variable", id(x.leaf))
    if isinstance(x, np.ndarray):  # two views of the same memory are the same constant
        return (x.__array_interface__["data"][0], x.shape, x.strides, x.dtype)
    if isinstance(x, Line):
        return id(x)
    if isinstance(x, slice):
        return ("slice", x.start, x.stop, x.step)
    if isinstance(x, tuple):
        return tuple(map(_identity, x))
    hash(x)
    return (type(x).__name__, repr(x))


def narrow(program: Lines) -> Lines:
    """Elementwise operations broadcast by themselves: what was broadcast for them need not be."""

    def change(line: Line) -> Any:
        if line.op.broadcasts and isinstance(line.op.forward, np.ufunc):
            for i, x in enumerate(line.args):
                if isinstance(x, Line) and x.op is _broadcast_to:
                    args = (*line.args[:i], x.args[0], *line.args[i + 1 :])
                    if np.broadcast_shapes(*(np.shape(value_of(a)) for a in args)) == line.array.shape:
                        line.args = args
        return line

    return program.rewritten(change)


def dead(program: Lines) -> Lines:
    """Only what the outputs need."""
    needed = {id(y) for y in program.outputs}
    for line in reversed(program.lines):
        if id(line) in needed:
            needed.update(map(id, line.args))
    program.lines = [line for line in program.lines if id(line) in needed]
    return program


PASSES = (identities, common, constants, narrow, identities, common, dead)
