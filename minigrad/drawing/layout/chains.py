"""Between ranking and ordering: an edge that passes ranks becomes a chain of vertices, one in each rank that
it passes.

A vertex is a node, a place where edges pass a rank, or a place where an empty part of a frame does. After
this step every link joins neighbouring ranks, and every frame has a vertex in each rank between its first and
its last.

Names: `j` an edge, `r` a rank, `v` a vertex; the nodes are the first vertices and keep their ids.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise

from minigrad.drawing.layout.frames import Lines, common, spans
from minigrad.drawing.layout.ranking import Ranking

__all__ = ["Vertices", "chained"]


@dataclass(slots=True)
class Vertices:
    """The `rank`, the width and the innermost frame (`home`, or -1) of each vertex. `chains[j]` are the
    vertices of edge j from its upper to its lower end, and `label_at[j]` is the one that has room for its
    label. `spans` are the first and last rank of each frame."""

    rank: list[int]
    widths: list[float]
    home: list[int]
    chains: list[list[int]] = field(default_factory=list)
    label_at: dict[int, int] = field(default_factory=dict)
    spans: dict[int, tuple[int, int]] = field(default_factory=dict)

    def add(self, rank: int, width: float, home: int) -> int:
        """Add a vertex that is not a node, and return its number."""
        self.rank.append(rank)
        self.widths.append(width)
        self.home.append(home)
        return len(self.rank) - 1

    def links(self) -> list[tuple[int, int]]:
        """The pairs of vertices in neighbouring ranks that an edge joins; edges without a chain join none."""
        ranks = self.rank
        steps = {
            (a, b)
            for chain in self.chains
            if len(chain) > 2 or ranks[chain[1]] - ranks[chain[0]] == 1
            for a, b in pairwise(chain)
        }
        return sorted(steps)


def chained(
    ranking: Ranking,
    widths: list[float],
    home: list[int],
    lines: Lines,
    labels: Mapping[int, float],
) -> Vertices:
    """The vertices of a picture, from the widths and frames of its nodes and the widths of its labels."""
    vertices = Vertices(list(ranking.rank), widths, home, spans=spans(lines, home, ranking.rank))
    _pass_ranks(vertices, ranking, lines, labels)
    _fill_frames(vertices, lines)
    return vertices


def _pass_ranks(vertices: Vertices, ranking: Ranking, lines: Lines, labels: Mapping[int, float]) -> None:
    """Make the chain of each edge. Edges from the same node share the vertices of the ranks that they pass,
    so they are drawn as one there; an edge with a label has vertices of its own, for the label belongs to it
    alone."""
    shared: dict[tuple[int, int], int] = {}
    for j, (upper, lower) in enumerate(ranking.edges):
        first, last = ranking.rank[upper], ranking.rank[lower]
        passed = range(first + 1, last) if last - first <= ranking.longest else ()
        middle = (first + last) // 2 if j in labels else -1
        owner = -1 - j if j in labels else lower if ranking.reversed[j] else upper
        chain = [upper]
        for r in passed:
            if (owner, r) not in shared:
                inside = common(lines, vertices.home[upper], vertices.home[lower])
                shared[owner, r] = vertices.add(r, labels[j] if r == middle else 0.0, inside)
            chain.append(shared[owner, r])
            if r == middle:
                vertices.label_at[j] = chain[-1]
        vertices.chains.append([*chain, lower])


def _fill_frames(vertices: Vertices, lines: Lines) -> None:
    """Give each frame a vertex of width 0 in every rank of its span where it has none."""
    framed = [(r, k) for r, k in zip(vertices.rank, vertices.home, strict=True) if k >= 0]
    taken = {(frame, r) for r, k in framed for frame in lines[k]}
    for k, (low, high) in sorted(vertices.spans.items()):
        for r in range(low, high + 1):
            if (k, r) not in taken:
                vertices.add(r, 0.0, k)
                taken |= {(frame, r) for frame in lines[k]}
