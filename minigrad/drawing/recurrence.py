"""The time of each box of a recurrence: h = tanh(x @ U + h @ W) uses W once in each step.

A box that lists a parameter again, after one that leads to it, begins a new step. Each step has frames of its
own, and in the layout a column.

Names: `own[i]` the parameters that box i lists, by their `members`; `seen[i]` the latest time of each among
box i and those that lead to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from minigrad.drawing.picture import Node, Picture

__all__ = ["recurs", "steps"]

MOST = 400  # boxes; a larger grid could not be read

Keys = Sequence[set[Any]]


def recurs(picture: Picture) -> bool:
    """Whether a box that lists a parameter leads to another one that lists it."""
    bits: dict[tuple[int, ...], int] = {}
    own = [0] * len(picture.nodes)
    for node in picture.nodes:
        for leaf in node.held if node.phase == "forward" else ():
            own[node.id] |= 1 << bits.setdefault(leaf.members, len(bits))
    before = [0] * len(picture.nodes)
    for e in sorted(picture.edges, key=lambda e: e.source) if bits else ():  # in topological order
        before[e.target] |= before[e.source] | own[e.source]
    return any(a & b for a, b in zip(own, before, strict=True))


def steps(picture: Picture) -> list[int]:
    """The time of each node, counted from 0, or [] for what is no recurrence of a forward and perhaps a
    backward pass, and for one whose edges lead further than from a step to the next."""
    nodes = picture.nodes
    if len(nodes) > MOST or not {*picture.phases()} <= {"forward", "backward"} or not recurs(picture):
        return []
    sources: list[list[int]] = [[] for _ in nodes]
    for e in picture.edges:
        sources[e.target].append(e.source)
    own: list[set[Any]] = [{leaf.members for leaf in n.held} if _leads_on(n) else set() for n in nodes]
    shared = set().union(*own)
    time: list[int] = []
    seen: list[dict[Any, int]] = []
    for node, before in zip(nodes, sources, strict=True):
        if node.kind == "fold" and _leads_on(node):
            own[node.id] = shared  # it may list any of them
        latest: dict[Any, int] = {}
        for j in before:
            latest |= {key: max(t, latest.get(key, 0)) for key, t in seen[j].items()}
        again = [latest[key] + 1 for key in own[node.id] & latest.keys()]
        time.append(max([time[j] for j in before] + again, default=0))
        seen.append(latest | dict.fromkeys(own[node.id], time[-1]))
    _put_late(picture, time, own, seen)
    _put_back(nodes, time, sources)
    return time if all(abs(time[e.target] - time[e.source]) <= 1 for e in picture.edges) else []


def _leads_on(node: Node) -> bool:
    return node.phase == "forward"


def _put_late(picture: Picture, time: list[int], own: Keys, seen: Sequence[dict[Any, int]]) -> None:
    """Put what waits for a later step, as the input of that step does, into the last one that it may."""
    users: list[list[int]] = [[] for _ in time]
    for e in picture.edges:
        if _leads_on(picture.nodes[e.target]):
            users[e.source].append(e.target)
    for i in reversed(range(len(time))):
        late = [time[j] - (not own[j].isdisjoint(seen[i])) for j in users[i]]
        time[i] = max(time[i], min(late, default=0))


def _put_back(nodes: Sequence[Node], time: list[int], sources: Sequence[Sequence[int]]) -> None:
    """Put each derivative beside its value, or else beside the earliest of what it is made from."""
    for node in nodes:
        if not _leads_on(node):
            about = -1 if node.about is None else node.about
            folds = [j for j in sources[node.id] if node.kind == nodes[j].kind == "fold"]
            beside = [about] if about >= 0 else folds or sources[node.id]
            time[node.id] = min((time[j] for j in beside), default=0)
