"""A layered layout: every box gets a rank, every rank an order, every box a place. Deterministic, and without recursion.

The steps are Sugiyama's: ranks by longest path, then shortened edges; vertices of no width where an edge passes a rank;
orders by barycentres and exchanges, keeping the one with the fewest crossings; coordinates by pulling everything towards its
neighbours as far as the neighbours in the rank allow. Modules' frames are part of it: their vertices stay together in each
rank, and their left and right borders are variables of the last step. Derivatives flow back: edges between nodes of the
backward pass are ranked the other way round, so that a cotangent stands beside the value it belongs to, and the picture gets
the shape of a U.

Names: `v` a vertex (a node, or where an edge passes a rank), `rank`, `order[r]` the vertices of a rank from left to right.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from minigrad.drawing.layout.geometry import Box, Layout, Route
from minigrad.drawing.layout.ordering import ordered
from minigrad.drawing.layout.placing import Frames, placed
from minigrad.drawing.layout.ranking import ranked
from minigrad.drawing.layout.text_width import shortened, width
from minigrad.drawing.picture import Node, Picture, gc_paused, lines_of

__all__ = ["SIZE", "WIDEST", "arranged", "box_lines"]

SIZE = 12.0  # of the text
LEADING = 16.0
WIDEST = 330.0  # of a line; what is longer is cut off
PAD_X, PAD_Y = 12.0, 8.0
RANK_GAP = 34.0
PORT_GAP, TWIN_GAP = 18.0, 8.0  # at a box, between edges to different boxes and to the same one
FRAME_PAD = 14.0
FRAME_LABEL = 18.0
MARGIN = 12.0
ROUND = ("parameter", "input")  # kinds of boxes with round corners


def box_lines(node: Node, show: Sequence[str]) -> list[str]:
    """The lines of a box as they are drawn: printable, and no longer than a box may be wide."""
    return [shortened(line, WIDEST, SIZE, bold=i == 0) for i, line in enumerate(lines_of(node, show))]


def arranged(picture: Picture) -> Layout:
    """A place for every node, edge and cluster of the picture.

    No two boxes overlap, no edge runs through a box, and no text is wider than its box.
    """
    with gc_paused():
        return _arranged(picture)


def _arranged(picture: Picture) -> Layout:
    across = picture.direction in ("right", "left")
    sizes = [_size(box_lines(node, picture.show)) for node in picture.nodes]
    if across:
        sizes = [(h, w) for w, h in sizes]
    labels = {j: shortened(e.label, 120, 10) for j, e in enumerate(picture.edges) if e.label}
    ranking = ranked(picture, dict.fromkeys(labels, 2))
    widths = [w for w, _ in sizes]
    chains: list[list[int]] = []  # for each edge, the vertices from its upper to its lower end
    vertex_rank = list(ranking.rank)
    home = _homes(picture)
    shared: dict[tuple[int, int], int] = {}
    label_of: dict[int, int] = {}
    for j, (a, b) in enumerate(ranking.edges):
        chain = [a]
        middle = (vertex_rank[a] + vertex_rank[b]) // 2 if j in labels else -1
        if vertex_rank[b] - vertex_rank[a] <= ranking.longest:
            for r in range(vertex_rank[a] + 1, vertex_rank[b]):
                key = (b if ranking.reversed[j] else a, r)
                if r == middle or j in labels:
                    key = (-1 - j, r)
                if key not in shared:
                    shared[key] = len(vertex_rank)
                    vertex_rank.append(r)
                    label_width = width(labels[j], 10) + 8 if r == middle else 0.0
                    widths.append(LEADING if across and label_width else label_width)
                    home.append(_common(picture, home[a], home[b]))
                chain.append(shared[key])
                if r == middle:
                    label_of[j] = shared[key]
        chain.append(b)
        chains.append(chain)
    _filled(picture, vertex_rank, widths, home)
    frames = Frames([c.parent for c in picture.clusters], home, FRAME_PAD, FRAME_LABEL if across else 0.0)
    links = sorted({(a, b) for chain in chains if len(chain) > 2 or _adjacent(chain, vertex_rank) for a, b in pairwise(chain)})
    order = ordered(vertex_rank, links, frames, len(picture.nodes), ranking.side)
    x, left, right = placed(order, links, widths, frames, len(picture.nodes))
    y, tops, heights = _levels(picture, order, [h for _, h in sizes], vertex_rank, home, across)
    layout = Layout(across=across)
    for i, (w, h) in enumerate(sizes):
        layout.boxes.append(Box(x[i], y[vertex_rank[i]], w, h))
    layout.frames = _frames(picture, layout.boxes, left, right, across)
    rooms = [w - 2 * (PAD_X if node.kind in ROUND else PAD_Y) for node, (w, _) in zip(picture.nodes, sizes, strict=True)]
    ports = _ports(chains, x, rooms)
    for j, chain in enumerate(chains):
        points = _points(chain, x, ports[j], layout.boxes, vertex_rank, tops, heights)
        route = Route(points[::-1] if ranking.reversed[j] else points)
        if j in label_of:
            v = label_of[j]
            w, h = width(labels[j], 10) + 8, LEADING
            route.label = Box(x[v], y[vertex_rank[v]], *((h, w) if across else (w, h)))
        layout.routes.append(route)
    return _turned(layout, picture.direction)


def _filled(picture: Picture, rank: list[int], widths: list[float], home: list[int]) -> None:
    """A frame also takes its place in the ranks in which it has no node; there a vertex of no width stands for it."""
    taken = {(a, rank[v]) for v, k in enumerate(home) if k >= 0 for a in _line(picture, k)}
    for k, (low, high) in sorted(_spans(picture, rank).items()):
        for r in range(low, high + 1):
            if (k, r) not in taken:
                rank.append(r)
                widths.append(0.0)
                home.append(k)
                taken |= {(a, r) for a in _line(picture, k)}


def _size(lines: Sequence[str]) -> tuple[float, float]:
    widest = max((width(line, SIZE, bold=i == 0) for i, line in enumerate(lines)), default=0.0)
    return max(widest, 10.0) + 2 * PAD_X, len(lines) * LEADING + 2 * PAD_Y


def _adjacent(chain: Sequence[int], rank: Sequence[int]) -> bool:
    return rank[chain[1]] - rank[chain[0]] == 1


def _homes(picture: Picture) -> list[int]:
    """The innermost cluster of each node, or -1."""
    home = [-1] * len(picture.nodes)
    for k, cluster in enumerate(picture.clusters):
        for i in cluster.nodes:
            home[i] = k
    return home


def _common(picture: Picture, a: int, b: int) -> int:
    """The innermost cluster that encloses both."""
    above = []
    while a >= 0:
        above.append(a)
        parent = picture.clusters[a].parent
        a = -1 if parent is None else parent
    while b >= 0 and b not in above:
        parent = picture.clusters[b].parent
        b = -1 if parent is None else parent
    return b


def _levels(
    picture: Picture, order: Sequence[Sequence[int]], heights: Sequence[float], rank: Sequence[int], home: Sequence[int],
    across: bool,
) -> tuple[list[float], list[float], list[float]]:  # fmt: skip
    """The middle, the top and the height of each rank. Where frames begin or end there is room for their borders."""
    n = len(picture.nodes)
    begin, end = [0] * (len(order) + 1), [0] * (len(order) + 1)
    spans = _spans(picture, rank)
    for k in range(len(picture.clusters)):
        if k in spans:
            low, high = spans[k]
            begin[low] = max(begin[low], sum(1 for a in _line(picture, k) if spans[a][0] == low), 1)
            end[high] = max(end[high], sum(1 for a in _line(picture, k) if spans[a][1] == high), 1)
    tall = [max((heights[v] for v in vs if v < n), default=LEADING) for vs in order]
    middle, tops = [], []
    at = 0.0
    for r, h in enumerate(tall):
        at += begin[r] * (FRAME_PAD + (0 if across else FRAME_LABEL))
        tops.append(at)
        middle.append(at + h / 2)
        at += h + end[r] * FRAME_PAD + (RANK_GAP + 14 if across else RANK_GAP)
    return middle, tops, tall


def _line(picture: Picture, k: int) -> list[int]:
    """A cluster and all that enclose it."""
    line = [k]
    while (parent := picture.clusters[line[-1]].parent) is not None:
        line.append(parent)
    return line


def _spans(picture: Picture, rank: Sequence[int]) -> dict[int, tuple[int, int]]:
    """First and last rank of each cluster, those inside it included."""
    spans: dict[int, tuple[int, int]] = {}
    for k, cluster in enumerate(picture.clusters):
        for i in cluster.nodes:
            for a in _line(picture, k):
                low, high = spans.get(a, (rank[i], rank[i]))
                spans[a] = min(low, rank[i]), max(high, rank[i])
    return spans


def _frames(
    picture: Picture, boxes: Sequence[Box], left: Sequence[float], right: Sequence[float], across: bool
) -> list[Box | None]:  # fmt: skip
    """Around all that is inside, the inner frames with their own padding; None where there is nothing inside."""
    label = 0.0 if across else FRAME_LABEL
    frames: list[Box | None] = [None] * len(picture.clusters)
    for k in sorted(range(len(frames)), key=lambda k: -len(_line(picture, k))):
        inside = [boxes[i] for i in picture.clusters[k].nodes]
        inside += [f for m, f in enumerate(frames) if f is not None and picture.clusters[m].parent == k]
        if not inside:
            continue
        top = min(b.y - b.height / 2 for b in inside) - FRAME_PAD - label
        bottom = max(b.y + b.height / 2 for b in inside) + FRAME_PAD
        frames[k] = Box((left[k] + right[k]) / 2, (top + bottom) / 2, right[k] - left[k], bottom - top)
    return frames


def _ports(
    chains: Sequence[Sequence[int]], x: Sequence[float], rooms: Sequence[float]
) -> list[tuple[float, float]]:  # fmt: skip
    """Where each edge leaves its upper and enters its lower box, beside its neighbours rather than on top of them, and
    within the straight part of the border, as wide as there is room."""
    lower: dict[int, dict[int, list[int]]] = {}
    upper: dict[int, dict[int, list[int]]] = {}
    for j, chain in enumerate(chains):
        lower.setdefault(chain[0], {}).setdefault(chain[1], []).append(j)
        upper.setdefault(chain[-1], {}).setdefault(chain[-2], []).append(j)
    start, stop = [0.0] * len(chains), [0.0] * len(chains)
    for sides, at in ((lower, start), (upper, stop)):
        for v, neighbours in sides.items():
            if len(neighbours) == 1:
                (twins,) = neighbours.values()
                if len(twins) == 1:
                    at[twins[0]] = x[v]
                    continue
            places = [0.0]
            edges = []
            for u in sorted(neighbours, key=lambda u: (x[u], u)):
                between_twins = 0.0 if u >= len(rooms) else TWIN_GAP  # passing twins are drawn as one
                for m, j in enumerate(neighbours[u]):
                    edges.append(j)
                    places.append(places[-1] + (between_twins if m else PORT_GAP))
            wide = places[-1] - places[1]
            scale = min(1.0, rooms[v] / wide) if wide else 1.0
            for j, place in zip(edges, places[1:], strict=True):
                at[j] = x[v] + (place - places[1] - wide / 2) * scale
    return list(zip(start, stop, strict=True))


def _points(
    chain: Sequence[int], x: Sequence[float], ports: tuple[float, float], boxes: Sequence[Box], rank: Sequence[int],
    tops: Sequence[float], heights: Sequence[float],
) -> list[tuple[float, float]]:  # fmt: skip
    """Through the ranks straight down, so that the curves lie in the gaps between them."""
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


def _turned(layout: Layout, direction: str) -> Layout:
    """Move the picture, which runs downward so far, to begin at the margin, and turn it to run as asked."""
    everything = [*layout.boxes, *(f for f in layout.frames if f), *(r.label for r in layout.routes if r.label)]
    xs = [x for r in layout.routes for x, _ in r.points]
    ys = [y for r in layout.routes for _, y in r.points]
    left = MARGIN - min([b.x - b.width / 2 for b in everything] + xs, default=0.0)
    top = MARGIN - min([b.y - b.height / 2 for b in everything] + ys, default=0.0)
    width = left + max([b.x + b.width / 2 for b in everything] + xs, default=0.0) + MARGIN
    height = top + max([b.y + b.height / 2 for b in everything] + ys, default=0.0) + MARGIN
    sign = 1 if direction in ("down", "right") else -1
    begin = top if sign > 0 else height - top
    for box in everything:
        box.x, box.y = box.x + left, sign * box.y + begin
        if layout.across:
            box.x, box.y, box.width, box.height = box.y, box.x, box.height, box.width
    for route in layout.routes:
        if layout.across:
            route.points = [(sign * y + begin, x + left) for x, y in route.points]
        else:
            route.points = [(x + left, sign * y + begin) for x, y in route.points]
    layout.width, layout.height = (height, width) if layout.across else (width, height)
    return layout
