"""The part of a graph that a sweep walks: the nodes between some sources and some targets.

These nodes also tell whether the graph is stale, and whether a sweep of it must itself be recorded.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from minigrad.errors import StaleGraphError, line_of
from minigrad.handed_out import HANDED, overwritten

__all__ = ["Slice", "between"]


class Slice(NamedTuple):
    """The part of a graph between some sources and some targets."""

    nodes: list[Any]  # in creation order, which is a topological order; sources not included
    sources: list[Any]
    reach: set[int]  # indices of the nodes and the sources
    # the targets depend on another live leaf as well, so a sweep of this slice must be recorded
    must_record: bool
    guards: list[tuple[Any, int]]  # other leaves that were used, with their index at that time

    def check(self) -> None:
        """Raise StaleGraphError if a leaf that was used has changed since the slice was made."""
        for leaf, index in self.guards:
            if leaf.index != index:
                raise _stale("the function", leaf)


def between(sources: Sequence[Any] | None, targets: Iterable[Any]) -> Slice:
    """Collect the nodes that lie on a path from `sources` (None: every leaf) to `targets`.

    An input newer than its user can only be a leaf that was changed after recording: `StaleGraphError`. It
    is raised too if a leaf's array was written to after recording.
    """
    if sources is None:
        seen, guards, _ = _behind(targets, set(), 0)
        nodes: list[Any] = []
        leaves: list[Any] = []
        for index in sorted(seen):
            node = seen[index]
            (nodes if node.live else leaves).append(node)
        if HANDED:
            _check_written(nodes)
        return Slice(nodes, leaves, set(seen), False, guards)
    wanted = {s.index for s in sources}
    seen, guards, must_record = _behind(targets, wanted, min(wanted) if wanted else 0)
    nodes, reach = [], set(wanted)
    for index in sorted(seen):
        if index in wanted:
            continue
        node = seen[index]
        if not node.live:
            must_record = must_record or node.active
            guards.append((node, index))
        for position in node.live:
            if node.inputs[position].index in reach:
                reach.add(index)
                nodes.append(node)
                break
    if HANDED:
        _check_written(nodes)
    return Slice(nodes, list(sources), reach, must_record, guards)


def _behind(
    targets: Iterable[Any], wanted: set[int], first: int
) -> tuple[dict[int, Any], list[tuple[Any, int]], bool]:
    """Collect the nodes that `targets` depend on, stopping at those in `wanted` and at indices below `first`.

    Returns:
        The nodes by index, the guards (see `Slice`), and whether another live leaf lies further behind.
    """
    seen: dict[int, Any] = {}
    guards: list[tuple[Any, int]] = []
    beyond = False
    stack = [node for node in targets if node.active]
    while stack:
        node = stack.pop()
        index = node.index
        if index in seen:
            continue
        seen[index] = node
        if index in wanted:
            beyond = beyond or bool(node.live)
            continue
        inputs = node.inputs
        for position in node.live:
            x = inputs[position]
            if x.index > index:
                raise _stale(node, x)
            if x.index >= first:
                stack.append(x)
                continue
            beyond = True
            if x.op is None:
                guards.append((x, x.index))
        for x in node.watched:
            if x.index > index:
                raise _stale(node, x)
            guards.append((x, x.index))
    return seen, guards, beyond


def _check_written(nodes: list[Any]) -> None:
    found = overwritten(nodes)
    if found is not None:
        raise _stale(*found)


def _stale(user: Any, leaf: Any) -> StaleGraphError:
    """The error for a `leaf` that was changed after `user` (a node, or its description) had used it."""
    who = f"{leaf.name!r}" if leaf.name else f"a leaf of shape {leaf.primal.shape}"
    by, at = (user, "") if isinstance(user, str) else (user.op.name, line_of(user))
    return StaleGraphError(
        f"{who} was changed after {by} had used it{at}, so this graph's gradient would be that of another "
        "function. Run the forward pass again after changing parameters, then pull back."
    )
