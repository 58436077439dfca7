"""The last step of a layout: where each edge leaves and enters its boxes, and the points that it passes in
between.

Names: `chain` the vertices of an edge from its upper to its lower end, `port` a place on the border of a box,
`twins` edges that join the same two vertices.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from minigrad.drawing.layout.geometry import Box

__all__ = ["ports", "way"]

PORT_GAP, TWIN_GAP = 18.0, 8.0  # at a box, between edges to different vertices and between twins

Chains = Sequence[Sequence[int]]


def ports(chains: Chains, x: Sequence[float], rooms: Sequence[float]) -> list[tuple[float, float]]:
    """The places where each edge leaves its upper and enters its lower box.

    The edges at a box stand side by side rather than on top of one another, as far apart as the straight part
    of the box's border allows, which is `rooms` wide.
    """
    below: dict[int, dict[int, list[int]]] = {}
    above: dict[int, dict[int, list[int]]] = {}
    for j, chain in enumerate(chains):
        below.setdefault(chain[0], {}).setdefault(chain[1], []).append(j)
        above.setdefault(chain[-1], {}).setdefault(chain[-2], []).append(j)
    start, stop = [0.0] * len(chains), [0.0] * len(chains)
    for sides, at in ((below, start), (above, stop)):
        for v, neighbours in sides.items():
            twins = next(iter(neighbours.values()))
            if len(neighbours) == len(twins) == 1:  # the usual case has a quick way
                at[twins[0]] = x[v]
            else:
                _spread(v, neighbours, x, rooms, at)
    return list(zip(start, stop, strict=True))


def _spread(
    v: int,
    neighbours: Mapping[int, Sequence[int]],
    x: Sequence[float],
    rooms: Sequence[float],
    at: list[float],
) -> None:
    """Write into `at` the places of the edges on one side of a box, in the order of their other ends."""
    places = [0.0]
    edges: list[int] = []
    ends: list[int] = []
    for u in sorted(neighbours, key=lambda u: (x[u], u)):
        between_twins = 0.0 if u >= len(rooms) else TWIN_GAP  # twins to a passing vertex are drawn as one
        for m, j in enumerate(neighbours[u]):
            edges.append(j)
            ends.append(u)
            places.append(places[-1] + (between_twins if m else PORT_GAP))
    middle = (places[1] + places[-1]) / 2
    straight = [place for place, u in zip(places[1:], ends, strict=True) if x[u] == x[v]]
    if len(straight) == 1:  # it stays straight
        middle = straight[0]
    wide = 2 * max(places[-1] - middle, middle - places[1])
    scale = min(1.0, rooms[v] / wide) if wide else 1.0
    for j, place in zip(edges, places[1:], strict=True):
        at[j] = x[v] + (place - middle) * scale


def way(
    chain: Sequence[int],
    x: Sequence[float],
    ports: tuple[float, float],
    boxes: Sequence[Box],
    rank: Sequence[int],
    tops: Sequence[float],
    heights: Sequence[float],
) -> list[tuple[float, float]]:
    """The points of an edge. It runs straight down through the ranks; its curves lie in the gaps between."""
    a, b = chain[0], chain[-1]
    points = [(ports[0], boxes[a].y + boxes[a].height / 2)]
    bottom = tops[rank[a]] + heights[rank[a]]
    if bottom > points[0][1] + 1:
        points.append((ports[0], bottom))
    for v in chain[1:-1]:
        points += [(x[v], tops[rank[v]]), (x[v], tops[rank[v]] + heights[rank[v]])]
    last = (ports[1], boxes[b].y - boxes[b].height / 2)
    if tops[rank[b]] < last[1] - 1:
        points.append((ports[1], tops[rank[b]]))
    return [*points, last]
