"""Capturing a function twice: what differs the second time would be frozen at what it was the first."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minigrad.errors import CaptureError
from minigrad.replay.capture import Capture, captured, noting
from minigrad.replay.lines import Input, Lines, lines_of
from minigrad.tensor import Tensor

__all__ = ["captured_twice"]


def captured_twice(
    f: Callable[..., Any], arrays: Sequence[Any], names: Sequence[str], build: Callable[[Sequence[Any]], Any], call: str,
    leaves: Sequence[Tensor] = (),
) -> tuple[Lines, list[Any], Callable[[Sequence[Any]], Any], Capture]:  # fmt: skip
    """Capture f, and once more.

    Args: as of `captured`.
        leaves: Tensors that f reaches from outside and that are to be inputs too, after the arrays.

    Returns:
        The lines, the leaves of f's result, the function that builds the result from such leaves, and the capture.
    """
    values = [a._data if isinstance(a, Tensor) else np.asarray(a) for a in arrays]
    with noting():
        first = captured(f, values, names, build, call)
    lines = lines_of([*first[0], *leaves], first[1], first[3])
    constants = [_memory(x) for line in lines.lines for x in line.args if isinstance(x, np.ndarray) and x.flags.writeable]
    marks = [(x, _mark(x)) for x in {id(x): x for x in constants}.values()]
    with noting():
        again = captured(f, values, names, build, call)
    difference = _difference(lines, lines_of([*again[0], *leaves], again[1], again[3]))
    if any(_mark(x) != mark for x, mark in marks):
        difference = "an array that it refers to was changed by it"
    for leaf in leaves:
        first[3].reaches(leaf)
    difference = difference or (first[3].changed() and f"it changes {first[3].changed()}")
    first[3].close()
    again[3].close()
    if difference:
        raise CaptureError(
            f"{call}: run twice on the same arguments, the function was not the same ({difference}). Random numbers, counters "
            f"and changing arrays would be frozen. Draw random numbers with minigrad.uniform(rng, shape), pass what changes "
            f"as an argument and return what has changed, or do not compile it."
        )
    return lines, first[1], first[2], first[3]


def _memory(x: Any) -> Any:
    """The array that a view shows."""
    while isinstance(x.base, np.ndarray):
        x = x.base
    return x


def _mark(x: Any) -> int:
    return zlib.adler32(np.ascontiguousarray(x).view(np.uint8).reshape(-1).data) if x.dtype != object else 0


def _place(x: Any) -> Any:
    return x.__array_interface__["data"][0], x.shape, x.strides, x.dtype


def _difference(a: Lines, b: Lines) -> str:
    """How two captures differ, or nothing."""
    if len(a.lines) != len(b.lines) or len(a.outputs) != len(b.outputs):
        return f"{len(a.lines)} operations, then {len(b.lines)}"
    place = {id(line): i for lines in (a.lines, b.lines) for i, line in enumerate(lines)}

    def same(x: Any, y: Any) -> bool:
        if x is y:
            return True
        if x.__class__ is not y.__class__:
            return False
        if id(x) in place and id(y) in place:
            return place[id(x)] == place[id(y)]
        if isinstance(x, np.ndarray):
            return _place(x) == _place(y) or (x.dtype == y.dtype and np.array_equal(x, y, equal_nan=x.dtype.kind in "fc"))
        if isinstance(x, Input):
            return bool(x.i == y.i)
        if hasattr(x, "leaf"):
            return bool(x.leaf is y.leaf)
        if isinstance(x, tuple | list):
            return len(x) == len(y) and all(map(same, x, y))
        return bool(x == y or (x != x and y != y))

    for x, y in zip(a.lines, b.lines, strict=True):
        if x.op is not y.op and x.op.name != y.op.name:
            return f"{x.op.name}, then {y.op.name}"
        if len(x.args) != len(y.args) or not all(map(same, x.args, y.args)) or x.params.keys() != y.params.keys():
            return f"other operands of {x.op.name}"
        if not all(same(x.params[k], y.params[k]) for k in x.params):
            return f"other parameters of {x.op.name}"
    return "" if all(map(same, a.outputs, b.outputs)) else "other results"
