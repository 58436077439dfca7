"""Parameters inside the boxes of the operations that use them: x @ W + b is one box, which lists W and b.

A parameter is listed by its users in the forward pass. Users in other passes name it in their formulas, and
where one of them can be reached from a box that lists it, it needs no edge. A leaf keeps its own box if one
of its users has no other input, because a chain begins there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from minigrad.drawing.graph.fold import subgraph
from minigrad.drawing.picture import Node, Picture, Visit

__all__ = ["inside"]

Lists = dict[int, list[int]]  # for a node the ids of others


def inside(picture: Picture) -> Picture:
    """The picture with each parameter and buffer that has a dimension inside the boxes of its users.

    What a parameter leads to can be reached from the boxes that list it.
    """
    users: Lists = {node.id: [] for node in picture.nodes if _may_move(node)}
    for e in picture.edges:
        if e.source in users:
            users[e.source].append(e.target)
    homes = _fed(picture, _homes(picture, users))
    if not homes:
        return picture
    held: Lists = {}
    for leaf, boxes in homes.items():
        for i in boxes:
            held.setdefault(i, []).append(leaf)
    nodes = [_holding(node, [picture.nodes[j] for j in held.get(node.id, ())]) for node in picture.nodes]
    visits = [_arriving_within(visit, homes, held) for visit in picture.visits]
    return subgraph(
        replace(picture, nodes=nodes, visits=visits), {node.id for node in nodes if node.id not in homes}
    )


def _arriving_within(visit: Visit, homes: Lists, held: Lists) -> Visit:
    """The visit with what arrives at the leaves in boxes."""
    within = [
        (box, held[box].index(leaf), text) for leaf, text in visit.arrivals for box in homes.get(leaf, ())
    ]
    return replace(visit, within=tuple(within)) if within else visit


def _may_move(node: Node) -> bool:
    named_array = node.kind == "constant" and bool(node.name)  # as a module's buffer is
    return bool(node.shape) and not node.output and (node.kind == "parameter" or named_array)


def _holding(node: Node, leaves: Sequence[Node]) -> Node:
    if not leaves:
        return node
    members = {m for each in (node, *leaves) for m in each.members}
    return replace(node, held=tuple(replace(leaf, id=0) for leaf in leaves), members=tuple(sorted(members)))


def _homes(picture: Picture, users: Mapping[int, Sequence[int]]) -> Lists:
    """The boxes that are to list each leaf; a leaf that cannot be moved is left out."""
    nodes = picture.nodes
    homes: Lists = {}
    for leaf, them in users.items():
        phase = nodes[min(them)].phase if them else "update"  # in whose formulas each vector is a quantity
        if phase != "update" and all(nodes[i].kind == "op" for i in them):
            first = {i for i in them if phase == "forward" == nodes[i].phase} or {min(them)}
            homes[leaf] = sorted(first)
    reached = _reached(picture, homes)
    for k, (leaf, boxes) in enumerate(homes.items()):
        boxes += sorted({i for i in users[leaf] if not reached[i] >> k & 1})
    return homes


def _reached(picture: Picture, homes: Mapping[int, Sequence[int]]) -> list[int]:
    """For each node a number whose bit k tells that it can be reached from a box of the k-th leaf, or is
    one."""
    found = [0] * len(picture.nodes)
    sources: list[list[int]] = [[] for _ in found]
    for e in picture.edges:
        sources[e.target].append(e.source)
    for k, boxes in enumerate(homes.values()):
        for i in boxes:
            found[i] |= 1 << k
    for i, mine in enumerate(sources):  # in topological order
        for j in mine:
            found[i] |= found[j]
    return found


def _fed(picture: Picture, homes: Lists) -> Lists:
    """Without the leaves of a box that would be left with no input."""
    fed = {e.target for e in picture.edges if e.source not in homes}
    return {leaf: boxes for leaf, boxes in homes.items() if fed.issuperset(boxes)}
