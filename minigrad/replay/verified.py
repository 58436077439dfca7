"""A function is captured twice and the runs are compared, because anything that differs would be frozen."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import pairwise
from types import CodeType
from typing import Any, NamedTuple

import numpy as np

from minigrad.errors import CaptureError
from minigrad.replay.buffers import Buffers
from minigrad.replay.capture import Capture, captured, mark
from minigrad.replay.lines import Line, Lines, inside, lines_of, nodes_of
from minigrad.replay.reached import Moving, Reached, plain_state, reached
from minigrad.replay.watched import watching
from minigrad.tensor import Tensor

__all__ = ["captured_twice"]


def captured_twice(
    f: Callable[..., Any],
    arrays: Sequence[Any],
    names: Sequence[str],
    build: Callable[[Sequence[Any]], Any],
    call: str,
    leaves: Sequence[Tensor] = (),
) -> tuple[Lines, list[Any], Callable[[Sequence[Any]], Any], Capture]:
    """Capture f twice and require that both runs did the same.

    Args:
        f, arrays, names, build, call: as for `captured`.
        leaves: Tensors that f reaches from outside and that become inputs too, after the arrays.

    Returns:
        The lines, the leaves of f's result, the function that builds the result from such leaves, and the
        capture. If f reads or assigns `Buffers`, their arrays are the last inputs of the lines, and the new
        values of those assigned the last outputs.

    Raises:
        CaptureError: the runs differ, or f changed something.
    """
    values = [a.primal if isinstance(a, Tensor) else np.asarray(a) for a in arrays]
    before = reached((f, build))
    try:
        return _captured_twice(f, values, names, build, call, leaves, before)
    except CaptureError as error:
        error.left = before.put_back()
        raise
    except BaseException:  # what the user's function did before it failed may help to find out why
        for source in before.moving.values():
            source.put(source.state)
        raise


def _captured_twice(
    f: Callable[..., Any],
    values: Sequence[Any],
    names: Sequence[str],
    build: Callable[[Sequence[Any]], Any],
    call: str,
    leaves: Sequence[Tensor],
    before: Reached,
) -> tuple[Lines, list[Any], Callable[[Sequence[Any]], Any], Capture]:
    buffers = Buffers()
    with watching():
        inputs, outputs, build_out, capture = captured(f, values, names, build, call, buffers)
        read = [buffer.leaf for buffer in buffers.known.values()]
        buffers.written = [b for key, b in buffers.known.items() if key in capture.assigned]
        everything = [*outputs, *capture.values_of(buffers.written)]
        nodes = nodes_of(everything, capture)
        lines = lines_of([*inputs, *leaves, *read], everything, nodes, capture)
        constants = [
            _memory(x)
            for line in lines.lines
            for x in line.args
            if isinstance(x, np.ndarray) and x.flags.writeable
        ]
        marks = [(x, mark(x)) for x in {id(x): x for x in constants}.values()]
        middle = reached((f, build), before.names)
        with _noticing(middle.makers) as made:
            again, results, build_again, other = captured(f, values, names, build, call, buffers)
        after = reached((f, build), middle.names)
    everything_again = [*results, *other.values_of(buffers.written)]
    first = _Run([*inputs, *leaves, *read], everything, nodes, capture)
    difference = _Comparison(
        first, _Run([*again, *leaves, *read], everything_again, nodes_of(everything_again, other), other)
    ).difference()
    if len(read) != len(buffers) or capture.assigned.keys() != other.assigned.keys():
        difference = "it reads or assigns other buffers"
    leaf_numbers = range(len(outputs))
    if not difference and build_out(leaf_numbers) != build_again(leaf_numbers):
        difference = "results in another structure"
    if any(mark(x) != as_before for x, as_before in marks):
        difference = "an array that it refers to was changed by it"
    for leaf in leaves:
        capture.reaches(leaf)
    difference = difference or (capture.changed() and f"it changes {capture.changed()}")
    changed = middle.changes_by(after)
    difference = difference or (changed and f"it changes {changed}")
    drawn = (
        _drawn(before.moving, middle, after) or ", ".join(made) or (capture.drew_directly and "a generator")
    )
    capture.follow(
        after, capture.computed or any(_computed(x, after) for line in lines.lines for x in _constants(line))
    )
    capture.close()
    del again, results, everything_again  # so that `close` meets only Tensors that were kept elsewhere
    other.close()
    if drawn:
        raise CaptureError(
            f"{call}: the function draws random numbers from {drawn} itself, and they would be the same at "
            "each call, with all that they decide. Draw them with minigrad.uniform(rng, shape), pass them as "
            "an argument, or do not compile it."
        )
    if difference:
        raise CaptureError(
            f"{call}: run twice on the same arguments, the function was not the same ({difference}). Random "
            "numbers, counters and changing arrays would be frozen. Draw random numbers with "
            "minigrad.uniform(rng, shape), pass what changes as an argument and return what has changed, or "
            "do not compile it."
        )
    if iterator := after.iterated():
        raise CaptureError(
            f"{call}: the function takes the next item of {iterator!r}, and would get the same at "
            "each call. Pass the item as an argument, or do not compile it."
        )
    return lines, outputs, build_out, capture


@contextmanager
def _noticing(makers: Mapping[CodeType, Mapping[int, str]]) -> Iterator[set[str]]:
    """The calls that ran of those that make a generator of random numbers without a seed."""
    made: set[str] = set()

    def look(frame: Any, event: str, _: Any) -> Any:
        calls = makers.get(frame.f_code)
        if calls is None:
            return None
        frame.f_trace_lines, frame.f_trace_opcodes = False, True
        if event == "opcode" and frame.f_lasti in calls:
            made.add(calls[frame.f_lasti])
        return look

    tracer = sys.gettrace()
    if makers:
        sys.settrace(look)
    try:
        yield made
    finally:
        if makers:
            sys.settrace(tracer)


def _drawn(before: dict[int, Moving], middle: Reached, after: Reached) -> str:
    """Name a source of random numbers that the runs moved; "" if there is none."""
    for i, source in after.moving.items():
        known = [states[i] for states in (before, middle.moving) if i in states]
        moves = (plain_state(a.state) != plain_state(b.state) for a, b in pairwise([*known, source]))
        # what everybody draws from may have been moved by another thread
        if known and (all(moves) if i < 0 else any(moves)):
            return source.what
    return ""


def _constants(line: Line) -> Iterator[Any]:
    for x in (*line.args, *line.params.values()):
        yield from x if isinstance(x, tuple | list) else (x,)


def _computed(x: Any, found: Reached) -> bool:
    """Whether a constant is an array or a NumPy number that the function made without Tensors."""
    if isinstance(x, np.generic):
        return True
    return isinstance(x, np.ndarray) and not any(
        _memory(x) is _memory(a) for a, _, _ in found.arrays.values()
    )


def _memory(x: Any) -> Any:
    """The array whose memory a view shows."""
    while isinstance(x.base, np.ndarray):
        x = x.base
    return x


def _place(x: Any) -> Any:
    return x.__array_interface__["data"][0], x.shape, x.strides, x.dtype


class _Run(NamedTuple):
    """The record of one run of a function."""

    inputs: Sequence[Tensor]
    outputs: Sequence[Any]
    nodes: Sequence[Tensor]
    capture: Capture


class _Comparison:
    """Two runs side by side, node by node.

    `places` numbers the nodes and inputs of each run. It does so for each run separately, because the second
    one may use Tensors that were kept from the first.
    """

    def __init__(self, a: _Run, b: _Run) -> None:
        self.a, self.b = a, b
        self.done = [[node for node in run.nodes if inside(node, run.capture)] for run in (a, b)]
        self.places: list[dict[int, int]] = []
        for run, done in zip((a, b), self.done, strict=True):
            known = {x.index: -1 - i for i, x in enumerate(run.inputs)}
            self.places.append(known | {node.index: i for i, node in enumerate(done)})

    def difference(self) -> str:
        """How the second run differs from the first; "" if it does not."""
        first, second = self.done
        if len(first) != len(second) or len(self.a.outputs) != len(self.b.outputs):
            return f"{len(first)} operations, then {len(second)}"
        for x, y in zip(first, second, strict=True):
            if found := self._of_nodes(x, y):
                return found
        return "" if all(map(self.same, self.a.outputs, self.b.outputs)) else "other results"

    def _of_nodes(self, x: Tensor, y: Tensor) -> str:
        assert x.op is not None  # they are operations
        assert y.op is not None
        name = x.op.name
        if name != y.op.name:
            return f"{name}, then {y.op.name}"
        if len(x.inputs) != len(y.inputs) or not all(map(self.same, x.inputs, y.inputs)):
            return f"other operands of {name}"
        if x.params.keys() != y.params.keys() or not all(
            self.same(x.params[k], y.params[k]) for k in x.params
        ):
            return f"other parameters of {name}"
        return ""

    def same(self, x: Any, y: Any) -> bool:
        """Whether two operands, parameters or results stand for the same thing."""
        if isinstance(x, Tensor) and isinstance(y, Tensor):
            first, second = self.places
            if x.index in first or y.index in second:
                return first.get(x.index) == second.get(y.index)
            if x is y:
                return x.mode.capturing is not self.a.capture
            if x.mode.capturing is not self.a.capture or y.mode.capturing is not self.b.capture:
                return False  # different leaves from outside
            x, y = self.a.capture.source(x), self.b.capture.source(y)
        return x is y or self._equal(x, y)

    def _equal(self, x: Any, y: Any) -> bool:
        if x.__class__ is not y.__class__:
            return False
        if isinstance(x, np.ndarray):
            return _place(x) == _place(y) or (
                x.dtype == y.dtype and np.array_equal(x, y, equal_nan=x.dtype.kind in "fc")
            )
        if isinstance(x, tuple | list):
            return len(x) == len(y) and all(map(self.same, x, y))
        return bool(x == y or (x != x and y != y))
