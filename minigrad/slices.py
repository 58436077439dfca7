"""The part of a graph that a sweep walks: the nodes between some sources and some targets.

These nodes also tell whether the graph is stale, and whether a sweep of it must itself be recorded.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from typing import Any

from minigrad.errors import StaleGraphError, line_of
from minigrad.handed_out import HANDED, overwritten

__all__ = ["Slice", "between"]

_index = attrgetter("index")


class Slice:
    """The part of a graph between some sources and some targets."""

    __slots__ = ("guards", "must_record", "nodes", "reach", "sources")

    def __init__(self) -> None:
        self.nodes: list[Any] = []  # in creation order, which is a topological order; sources not included
        self.sources: list[Any] = []
        self.reach: set[int] = set()  # indices of the nodes and the sources
        # the targets depend on another live leaf as well, so a sweep of this slice must be recorded
        self.must_record = False
        self.guards: list[tuple[Any, int]] = []  # other leaves that were used, with their index at that time

    def check(self) -> None:
        """Raise StaleGraphError if a leaf that was used has changed since the slice was made."""
        for leaf, index in self.guards:
            if leaf.index != index:
                raise _stale("the function", leaf)


def between(sources: Sequence[Any] | None, targets: Sequence[Any]) -> Slice:  # noqa: C901  # the hot path: no calls
    """Collect the nodes that lie on a path from `sources` (None: every leaf) to `targets`.

    An input newer than its user can only be a leaf that was changed after recording: `StaleGraphError`. It
    is raised too if a leaf's array was written to after recording.
    """
    path = Slice()
    nodes, seen, guards, others = path.nodes, path.reach, path.guards, path.sources
    goes_on = False  # beyond a source, which is the result of an op itself
    for leaf in sources or ():
        seen.add(leaf.index)
        goes_on = goes_on or bool(leaf.live)
    first = min(seen) if seen else 0
    for node in targets:
        if node.active and node.index not in seen:
            seen.add(node.index)
            (nodes if node.live else others).append(node)
    for node in nodes:  # which are followed by those that they lead to
        index, inputs = node.index, node.inputs
        for position in node.live:
            x = inputs[position]
            its = x.index
            if its > index:
                raise _stale(node, x)
            if its in seen:
                continue
            if its >= first:
                seen.add(its)
                (nodes if x.live else others).append(x)
                continue
            path.must_record = True
            if x.op is None:
                guards.append((x, its))
        for x in node.watched:
            if x.index > index:
                raise _stale(node, x)
            guards.append((x, x.index))
    nodes.sort(key=_index)
    others.sort(key=_index)
    if sources is None:
        path.must_record = False
    else:
        path.sources = [*sources]
        if others or goes_on or path.must_record:  # seldom
            _narrow(path, targets, others)
    if HANDED:
        found = overwritten(path.nodes)
        if found is not None:
            raise _stale(*found)
    return path


def _narrow(path: Slice, targets: Sequence[Any], others: list[Any]) -> None:
    """Keep the nodes that depend on a source, guard the other leaves, and see whether one of them is live."""
    met = {x.index for x in targets} | {node.inputs[i].index for node in path.nodes for i in node.live}
    path.must_record |= any(leaf.active for leaf in others)
    path.must_record |= any(leaf.live and leaf.index in met for leaf in path.sources)
    path.guards += [(leaf, leaf.index) for leaf in others]
    path.reach = {leaf.index for leaf in path.sources}
    nodes, path.nodes = path.nodes, []
    for node in nodes:
        if any(node.inputs[i].index in path.reach for i in node.live):
            path.reach.add(node.index)
            path.nodes.append(node)


def _stale(user: Any, leaf: Any) -> StaleGraphError:
    """The error for a `leaf` that was changed after `user` (a node, or its description) had used it."""
    who = f"{leaf.name!r}" if leaf.name else f"a leaf of shape {leaf.primal.shape}"
    by, at = (user, "") if isinstance(user, str) else (user.op.name, line_of(user))
    return StaleGraphError(
        f"{who} was changed after {by} had used it{at}, so this graph's gradient would be that of another "
        "function. Run the forward pass again after changing parameters, then pull back."
    )
