"""The first step of a layout: every node gets a rank, and some edges are ranked against their direction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from minigrad.drawing.picture import Picture

__all__ = ["Ranking", "ranked"]


Near = list[list[tuple[int, int, int]]]  # for each node its neighbours, the ranks between, and their weight


@dataclass(slots=True)
class Ranking:
    """The `rank` of each node. `edges` are (upper, lower) pairs of nodes, and `reversed[j]` tells that edge j
    runs upward. Edges over more than `longest` ranks are drawn straight. `side` is 1 for nodes of the
    returning half of the U, else 0."""

    rank: list[int]
    edges: list[tuple[int, int]]
    reversed: list[bool]
    longest: int
    side: list[int]


def ranked(picture: Picture, length: Mapping[int, int], stacked: Sequence[tuple[int, int]] = ()) -> Ranking:
    """Rank the nodes so that edge j spans at least `length.get(j, 1)` ranks, and of each pair in `stacked`
    the second has a larger rank, unless that contradicts the edges."""
    n = len(picture.nodes)
    side = _returning(picture)
    turned = [bool(side[e.source] and side[e.target]) for e in picture.edges]
    edges = [
        (e.target, e.source) if back else (e.source, e.target)
        for e, back in zip(picture.edges, turned, strict=True)
    ]
    above: Near = [[] for _ in range(n)]
    below: Near = [[] for _ in range(n)]
    waiting = [0] * n
    for j, (a, b) in enumerate(edges):
        weight = 1 if side[a] != side[b] else 3 if turned[j] else 2
        below[a].append((b, length.get(j, 1), weight))
        above[b].append((a, length.get(j, 1), weight))
        waiting[b] += 1
    for a, b in stacked:
        below[a].append((b, 1, 0))
        above[b].append((a, 1, 0))
        waiting[b] += 1
    order, rank = _longest_paths(below, waiting)
    if len(order) < n:
        return ranked(picture, length)
    weight_below = [sum([w for _, _, w in near]) for near in below]
    follows = _following(order, above, below)
    weight_above = [sum([w for j, _, w in near if not follows[j]]) for near in above]
    pull = [down - up for down, up in zip(weight_below, weight_above, strict=True)]  # down if positive
    for turn in range(4 if n <= 3000 else 1):
        for i in reversed(order) if turn % 2 == 0 else order:
            if below[i] and (pull[i] > 0 or not above[i]):
                rank[i] = min([rank[j] - span for j, span, _ in below[i]])
            elif below[i] and pull[i] < 0:
                rank[i] = max([rank[j] + span for j, span, _ in above[i]])
    for i, target in _cores(picture, rank, side).items():
        low = [rank[j] + span for j, span, _ in above[i]]
        high = [rank[j] - span for j, span, _ in below[i]]
        rank[i] = max([min([target, *high]), *low])
    first = min(rank, default=0)
    rank = [r - first for r in rank]
    spans = sum(rank[b] - rank[a] - 1 for a, b in edges)
    longest = 1 << 30 if spans <= 4 * n + 4000 else 12
    return Ranking(rank, edges, turned, longest, side)


def _longest_paths(below: Near, waiting: list[int]) -> tuple[list[int], list[int]]:
    """The nodes in topological order, without those behind a cycle, and their ranks by the longest paths.
    `waiting` counts the neighbours above each."""
    rank = [0] * len(below)
    order = [i for i, count in enumerate(waiting) if not count]
    for i in order:
        for j, span, _ in below[i]:
            rank[j] = max(rank[j], rank[i] + span)
            waiting[j] -= 1
            if not waiting[j]:
                order.append(j)
    return order, rank


def _following(order: list[int], above: Near, below: Near) -> list[bool]:
    """Whether a node goes where its only user goes: it is a leaf, or all above it follow it. Such a node does
    not hold its user back."""
    follows = [False] * len(order)
    for i in order:
        follows[i] = len(below[i]) == 1 and all(follows[j] for j, _, _ in above[i])
    return follows


def _returning(picture: Picture) -> list[int]:
    """For each node 1 if it leads back, as the backward pass and everything computed from it does, else 0.

    An update rule that takes the result leads on again. Where a backward pass follows an update, a U would
    have two returning halves, so no node leads back.
    """
    nodes = picture.nodes
    side, after = [0] * len(nodes), [False] * len(nodes)
    if not any(node.phase == "forward" and node.kind in ("op", "fold") for node in nodes):
        return side
    users: list[list[int]] = [[] for _ in nodes]
    for e in picture.edges:
        users[e.source].append(e.target)
    for node in nodes:  # in topological order
        i = node.id
        after[i] = after[i] or (node.phase == "update" and node.kind in ("op", "fold"))
        side[i] = 0 if after[i] else max(side[i], int(picture.leads_back(node)))
        if after[i] and node.phase == "backward":
            return [0] * len(nodes)
        for j in users[i]:
            after[j] = after[j] or after[i]
            side[j] = max(side[j], side[i])
    return side


def _cores(picture: Picture, rank: list[int], side: list[int]) -> dict[int, int]:
    """For each returning node of a cluster, the rank of the cluster's last operation that does not return.
    Nodes near that rank keep the cluster, and those beside it, short."""
    cores: dict[int, int] = {}
    for cluster in picture.clusters:
        there = [rank[i] for i in cluster.nodes if not side[i] and picture.nodes[i].kind in ("op", "fold")]
        if there:
            cores |= {i: max(there) for i in cluster.nodes if side[i]}
    return dict(sorted(cores.items(), key=lambda item: -item[0]))
