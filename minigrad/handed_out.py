"""The arrays of leaves that `.data` has handed out, and how writing to them is noticed.

Whoever holds such an array can write to it at any time. So a leaf is remembered here with a checksum from the
first time its `.data` is read. A sweep that finds another checksum evaluates the leaf's users once more: if
one gives another value than was recorded, the array was written to after the forward pass. (Not noticed is
a write before the forward pass that is undone after it, with no sweep between: the checksum is as it was.)

An optimizer moves a parameter into its own vector. The array that was handed out before is then read-only,
and follows the parameter's values.

Leaves whose `.data` was never read cost nothing.
"""

from __future__ import annotations

import weakref
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np

__all__ = ["HANDED", "follow", "hand_out", "move_on", "overwritten"]


class _Handed:
    """A leaf whose array was handed out: a checksum of its values, and the arrays that it had earlier."""

    __slots__ = ("checksum", "earlier", "leaf")

    def __init__(self, leaf: Any) -> None:
        key = id(leaf)
        self.leaf = weakref.ref(leaf, lambda _: HANDED.pop(key, None))
        self.checksum = _checksum(leaf.primal)
        self.earlier: list[weakref.ref[Any]] = []


HANDED: dict[int, _Handed] = {}
"""id of a leaf → what is known of its array. Empty as long as no `.data` of a living leaf was read."""


def hand_out(leaf: Any) -> None:
    """Remember that somebody has got the leaf's own array."""
    if id(leaf) not in HANDED:
        HANDED[id(leaf)] = _Handed(leaf)


def move_on(leaf: Any, earlier: Any) -> None:
    """The leaf has a new array; from now on the `earlier` one can only be read."""
    known = HANDED.get(id(leaf))
    if known is not None:
        earlier.flags.writeable = False
        known.earlier.append(weakref.ref(earlier))


def follow(leaf: Any) -> None:
    """The leaf's values were changed by one of its methods, or by an optimizer: bring the rest up to date."""
    known = HANDED.get(id(leaf))
    if known is None:
        return
    known.checksum = _checksum(leaf.primal)
    for array in [a for a in (ref() for ref in known.earlier) if a is not None]:
        array.flags.writeable = True
        array[...] = leaf.primal
        array.flags.writeable = False


def overwritten(nodes: Sequence[Any]) -> tuple[Any, Any] | None:
    """A node of the graph and the leaf whose array was written to after the node had used it, or None."""
    changed = _changed(nodes)
    sharing: dict[int, Any] = {}  # id of a node whose value lies in the memory of a changed leaf → that leaf
    for node in nodes if changed else ():
        for x in node.inputs:
            leaf = x if id(x) in changed else sharing.get(id(x))
            if leaf is None:
                continue
            if not _still_gives(node):
                return node, leaf
            if np.may_share_memory(node.primal, leaf.primal):
                sharing[id(node)] = leaf
    for known, now in changed.values():  # it was written to before the forward pass
        known.checksum = now
    return None


def _changed(nodes: Sequence[Any]) -> dict[int, tuple[_Handed, int]]:
    """The leaves that were written to since their checksums, by id, with new checksums."""
    read = {id(x): x for node in nodes for x in node.inputs if id(x) in HANDED}
    found = {i: (HANDED[i], _checksum(x.primal)) for i, x in read.items()}
    return {i: (known, now) for i, (known, now) in found.items() if now != known.checksum}


def _still_gives(node: Any) -> bool:
    """Whether the op gives the recorded value, in all bits but those of NaN."""
    with np.errstate(all="ignore"):
        y = np.asarray(node.op.forward(*node.args, **node.params))
    return np.array_equal(y, node.primal, equal_nan=y.dtype.kind in "fc")


def _checksum(array: Any) -> int:
    return zlib.crc32(np.ascontiguousarray(array).data)
