"""The spines of a picture: the longest path of the forward pass, and that of the passes that lead back. A
reader follows them first, so each is drawn as one straight line; what skips a part of it runs beside it as an
arc.
"""

from __future__ import annotations

from collections.abc import Sequence

from minigrad.drawing.picture import Picture

__all__ = ["spines"]

SHORTEST = 6  # vertices of both spines together; with fewer, a picture looks best balanced


def spines(picture: Picture, side: Sequence[int], chains: Sequence[Sequence[int]]) -> list[list[int]]:
    """The vertices of each spine, at most one in each rank: of the nodes that lead on (`side` 0), and of
    those that lead back. `chains` are the vertices of each edge."""
    depth = [1] * len(side)
    before = [-1] * len(side)  # the last edge of the longest path to each node
    arriving: list[list[int]] = [[] for _ in side]
    for j, e in enumerate(picture.edges):
        if side[e.source] == side[e.target]:
            arriving[e.target].append(j)
    for i, edges in enumerate(arriving):  # in topological order
        for j in edges:
            if depth[picture.edges[j].source] >= depth[i]:
                depth[i], before[i] = depth[picture.edges[j].source] + 1, j
    found = []
    for half in (0, 1):
        ends = [i for i in range(len(side)) if side[i] == half]
        end = max(ends, key=lambda i: (depth[i], picture.nodes[i].output), default=-1)
        if end < 0:
            continue
        spine = {end}
        while (j := before[end]) >= 0:
            spine.update(chains[j])
            end = picture.edges[j].source
        found.append(sorted(spine))
    return found if sum(map(len, found)) >= SHORTEST else []
