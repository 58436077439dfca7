"""A recorded graph that is run again op by op, in its own memory.

`linearize` and CG evaluate one linear map again and again at one point. `replay` prints and compiles a text,
which pays off over many calls; a `LinearProgram` prepares no text, so it pays off from the second evaluation
on. Values are written where the recorded ones lay if the op can write into a given array, because on a large
net fresh memory costs as much as the arithmetic.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import numpy as np

from minigrad.slices import between

__all__ = ["LinearProgram", "takes_out"]


class LinearProgram:
    """A recorded graph, evaluated again for other values of its leaves; values independent of them are kept.

    A push forward whose tangents are leaves and whose primals are plain arrays records only linear operations
    on the tangents, so evaluating it again costs only those. Intermediate values share as few of the recorded
    run's arrays as their lifetimes allow. While one thread uses these arrays, another thread gets fresh
    memory.
    """

    def __init__(self, leaves: Sequence[Any], outputs: Sequence[Any]) -> None:
        nodes = between(leaves, outputs).nodes
        memory = _buffers(nodes, outputs)
        slot = {leaf.index: i for i, leaf in enumerate(leaves)}
        self.steps: list[tuple[Any, list[Any], list[tuple[int, int]], dict[str, Any], dict[str, Any]]] = []
        for node in nodes:
            fill = [(p, slot[node.inputs[p].index]) for p in node.live if node.inputs[p].index in slot]
            slot[node.index] = len(slot)
            into = node.params if node.index not in memory else node.params | {"out": memory[node.index]}
            self.steps.append((node.op.forward, list(node.args), fill, node.params, into))
        # an output that depends on no leaf is a constant
        self.outputs = [slot.get(y.index, y.primal) for y in outputs]
        self.recorded = [y.primal for y in outputs]  # the outputs for the values at which it was recorded
        self._idle = threading.Lock()

    def __call__(self, values: Sequence[Any]) -> list[Any]:
        slots = list(values)
        mine = self._idle.acquire(blocking=False)
        try:
            with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
                for forward, args, fill, params, into in self.steps:
                    args = args.copy()
                    for position, slot in fill:
                        args[position] = slots[slot]
                    slots.append(forward(*args, **(into if mine else params)))
        finally:
            if mine:
                self._idle.release()
        return [slots[i] if isinstance(i, int) else i.copy() for i in self.outputs]


def _buffers(nodes: Sequence[Any], outputs: Sequence[Any]) -> dict[int, Any]:
    """Index of a node → the array for its value, which is an operand's if the op can work in place.

    Outputs get no array, and neither do values that may be views of other values.
    """
    writes = [_takes_out(node.op) for node in nodes]
    last = _last_reads(nodes, writes, outputs)
    dying: list[list[int]] = [[] for _ in range(len(nodes) + 1)]
    for index, i in last.items():
        dying[i].append(index)
    memory: dict[int, Any] = {}
    free: dict[Any, list[Any]] = {}

    def release(indices: Sequence[int]) -> None:
        for index in indices:
            if index in memory:
                free.setdefault((memory[index].shape, memory[index].dtype), []).append(memory[index])

    for i, node in enumerate(nodes):
        value = node.primal
        in_place = writes[i] and node.op.forward.__class__ is np.ufunc
        if in_place:
            release(dying[i])
        if writes[i] and value.base is None and last.get(node.index, len(nodes)) < len(nodes):
            known = free.get((value.shape, value.dtype))
            memory[node.index] = known.pop() if known else value
        if not in_place:
            release(dying[i])
    return memory


def _last_reads(nodes: Sequence[Any], writes: Sequence[bool], outputs: Sequence[Any]) -> dict[int, int]:
    """Index of a node → the number of the last node that reads its memory. Outputs are read at the end."""
    roots: dict[int, set[int]] = {}  # index of a node → those whose memory its value may share
    last: dict[int, int] = {}
    for i, node in enumerate(nodes):
        read: set[int] = set().union(*(roots.get(node.inputs[p].index, ()) for p in node.live))
        last.update(dict.fromkeys(read, i))
        roots[node.index] = {node.index} if writes[i] else read
    for y in outputs:
        last.update(dict.fromkeys(roots.get(y.index, ()), len(nodes)))
    return last


_WRITING: set[Any] = set()


def takes_out(op: Any) -> None:
    """Declare that `op.forward` can write its result to `out`, which is no operand. Ufuncs need no entry."""
    _WRITING.add(op)


def _takes_out(op: Any) -> bool:
    forward = op.forward
    return op in _WRITING or (forward.__class__ is np.ufunc and forward.signature is None)
