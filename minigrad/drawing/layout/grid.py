"""A recurrence as a grid: each step is a column, time runs to the right, and what follows within a step
stands above.

The columns are frames that are not drawn, in the order of time; within one, boxes are placed as in any other
picture. `lanes` leads the edges from step to step.

Names: `t` a step; `g` the grid; `side` 1 to the right and -1 to the left.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from minigrad.drawing.layout.frames import homes
from minigrad.drawing.layout.ranking import Ranking, ranked
from minigrad.drawing.picture import Edge, Picture
from minigrad.drawing.recurrence import steps

__all__ = ["Grid", "framed_columns", "grid", "sides", "stepped", "ungridded"]

# Ranks from a value to the cotangent that it makes, with room for the step's other derivatives
BETWEEN = 3

Pairs = list[tuple[int, int]]


@dataclass(slots=True)
class Grid:
    """The step of each node; the edges within a step and those from one to another, by position; `part` is
    the picture with the former only."""

    picture: Picture
    part: Picture
    times: Sequence[int]
    inner: list[int]
    outer: list[int]

    @property
    def count(self) -> int:
        """The number of columns; 0 for what is no grid."""
        return max(self.times, default=-1) + 1

    def between(self) -> list[Edge]:
        """The edges from step to step."""
        return [self.picture.edges[j] for j in self.outer]

    def side(self, e: Edge) -> int:
        """The side where an edge leaves its source. It enters its target at the other one."""
        return self.times[e.target] - self.times[e.source]


def grid(picture: Picture) -> Grid:
    """The grid of a recurrence; one without columns if there is none, or if a frame or a label reaches over
    steps."""
    times = steps(picture)
    if not times or any(len({times[i] for i in cluster.nodes}) > 1 for cluster in picture.clusters):
        return ungridded(picture)
    found = Grid(picture, picture, times, [], [])
    for j, e in enumerate(picture.edges):
        (found.inner if times[e.source] == times[e.target] else found.outer).append(j)
    found.part = replace(picture, edges=[picture.edges[j] for j in found.inner])
    return ungridded(picture) if any(e.label for e in found.between()) else found


def ungridded(picture: Picture) -> Grid:
    """What a picture without columns has: all its edges are within one step."""
    return Grid(picture, picture, [], [*range(len(picture.edges))], [])


def framed_columns(g: Grid) -> tuple[list[int], list[int | None]]:
    """The innermost frame of each node, and the frame around each frame: first come the columns."""
    home, parents = homes(g.part), [cluster.parent for cluster in g.part.clusters]
    if not g.count:
        return home, parents
    return (
        [k + g.count if k >= 0 else t for k, t in zip(home, g.times, strict=True)],
        [None] * g.count + [
            g.times[cluster.nodes[0]] if cluster.parent is None else cluster.parent + g.count
            for cluster in g.part.clusters
        ],
    )  # fmt: skip


def sides(g: Grid) -> dict[int, int]:
    """The side where boxes should stand in their row: where they have edges to another step, or another box
    does that lists the same parameters; a leaf stands where its user should."""
    wanted: dict[int, int] = {}
    for e in g.between():
        for v, side in ((e.source, g.side(e)), (e.target, -g.side(e))):
            wanted[v] = side if wanted.get(v, side) == side else 0
    nodes = g.part.nodes
    held = {node.id: tuple(leaf.members for leaf in node.held) for node in nodes if node.held}
    lists = {held[v]: side for v, side in wanted.items() if v in held}
    wanted |= {v: lists[keys] for v, keys in held.items() if keys in lists}
    for e in reversed(g.part.edges if g.outer else ()):
        if nodes[e.source].kind not in ("op", "fold"):
            wanted[e.source] = wanted.get(e.target, 0)
    return wanted


# Ranks


def stepped(g: Grid, length: Mapping[int, int], widths: Sequence[float]) -> Ranking:
    """The ranks by the edges within steps. Edge j of `g.part` spans at least `length.get(j, 1)` ranks."""
    if not g.count:
        return ranked(g.part, length)
    home, back = homes(g.part), [g.part.leads_back(node) for node in g.part.nodes]
    returns = {
        j: BETWEEN
        for j, e in enumerate(g.part.edges)
        if home[e.source] == home[e.target] >= 0 and back[e.target] and not back[e.source]
    }
    ranking = ranked(g.part, {**length, **returns}, _stacked(g, back))
    _align(g, ranking.rank)
    _spread(g, ranking, widths, home)
    return ranking


def _stacked(g: Grid, back: Sequence[bool]) -> Pairs:
    """Pairs of nodes of which the second has to stand above the first: of a frame, and of one beside it that
    is used later, so that layers stand one on top of the other."""
    inside: list[list[int]] = [[*cluster.nodes] for cluster in g.part.clusters]
    beside: dict[tuple[int, int | None], list[list[int]]] = {}
    for k, cluster in reversed([*enumerate(g.part.clusters)]):  # inner frames come after outer ones
        if cluster.parent is not None:
            inside[cluster.parent] += inside[k]
        beside.setdefault((g.times[cluster.nodes[0]], cluster.parent), []).append(inside[k])
    pairs: Pairs = []
    for frames in beside.values():
        spans = [[i for i in ids if not back[i]] for ids in frames]
        for a, first in zip(frames, spans, strict=True):
            for b, second in zip(frames, spans, strict=True):
                if first and second and max(first) < min(second):
                    pairs += [(i, j) for i in a for j in b]
    return pairs


def _align(g: Grid, rank: list[int]) -> None:
    """Put what has no neighbour in its own step beside its neighbour in another."""
    near = {i for e in g.part.edges for i in (e.source, e.target)}
    for e in g.between():
        for v, u in ((e.source, e.target), (e.target, e.source)):
            if v not in near and u in near:
                rank[v] = rank[u]
                near.add(v)


def _spread(g: Grid, ranking: Ranking, widths: Sequence[float], home: Sequence[int]) -> None:
    """Put each box that leads back into that of its ranks where its column has most room: a step has many
    which wait for the same cotangent, and nothing in their step waits for them."""
    rank = ranking.rank
    above: list[list[int]] = [[] for _ in rank]
    below: list[list[int]] = [[] for _ in rank]
    for a, b in ranking.edges:
        above[b].append(a)
        below[a].append(b)
    first: dict[int, int] = {}  # the rank where what leads on begins in each frame
    filled = [dict.fromkeys(range(max(rank) + 1), 0.0) for _ in range(g.count)]
    for i, r in enumerate(rank):
        filled[g.times[i]][r] += widths[i]
        if not ranking.side[i]:
            first[home[i]] = min(first.get(home[i], r), r)
    for i, leads_back in enumerate(ranking.side):
        if leads_back and below[i]:
            column = filled[g.times[i]]
            column[rank[i]] -= widths[i]
            low = max([first.get(home[i], 0), *(rank[j] + 1 for j in above[i])])
            free = range(low, min(rank[j] for j in below[i]))
            rank[i] = min(free, key=lambda r: (column[r], -r), default=rank[i])
            column[rank[i]] += widths[i]
