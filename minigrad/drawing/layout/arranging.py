"""A layered layout: every node gets a rank, every rank an order, every box a place. Deterministic, and
without recursion.

The steps are Sugiyama's. `ranking` puts the nodes into ranks by longest paths and then shortens the edges;
`chains` gives an edge a vertex in each rank that it passes; `ordering` sorts the ranks by barycentres and
exchanges, and keeps the order with the fewest crossings; `placing` pulls every vertex towards its neighbours
as far as the others in its rank allow; `routing` finds the points of the edges. Modules' frames are part of
every step: their vertices stay together in each rank, and their left and right borders are placed like
vertices. The main chains (`spine`) are straight lines, and a long one goes on in the next row (`wrapping`).
A recurrence has a column for each step (`grid`, `lanes`).
Derivatives flow back: edges between nodes of the backward pass are ranked against their direction,
so a cotangent stands beside its value, and the picture gets the shape of a U.

All steps see a picture that runs downward; one that runs otherwise is turned at the end.

Names: `v` a vertex (see `chains`), `rank[v]`, `order[r]` the vertices of a rank from left to right.
"""

from __future__ import annotations

from collections.abc import Sequence

from minigrad.drawing.layout.boxes import LEADING, box_lines, box_size, label_size, label_text, straight
from minigrad.drawing.layout.chains import Vertices, chained
from minigrad.drawing.layout.frames import FRAME_LABEL, FRAME_PAD, Frames, Lines, framed, nested
from minigrad.drawing.layout.geometry import Box, Layout, Route
from minigrad.drawing.layout.grid import Grid, framed_columns, grid, sides, stepped, ungridded
from minigrad.drawing.layout.lanes import apart, lanes_of, routed
from minigrad.drawing.layout.ordering import ordered
from minigrad.drawing.layout.placing import placed
from minigrad.drawing.layout.routing import ports, way
from minigrad.drawing.layout.spine import spines
from minigrad.drawing.layout.wrapping import COLUMN, ROOM, ROW, wrapped
from minigrad.drawing.picture import Picture, gc_paused
from minigrad.drawing.recurrence import recurs

__all__ = ["arranged"]

RANK_GAP = 28.0
MARGIN = 8.0
PAGE = 1400.0  # the height of a page that is `ROOM` wide
TIGHT = 1.1  # a picture so many times too large for its page is tried in the other direction
TIGHT_TIME, TIGHT_GRID = 2.0, 2.4  # the same for a recurrence, and for a grid
LARGE = 400  # with more boxes, a picture fits into no page, and no second direction is tried


def arranged(picture: Picture) -> Layout:
    """A place for every node, edge and cluster of the picture. If its direction is "auto", it runs to the
    right, or down if a page of 1,000 × 1,400 points then shows it at clearly larger size. The time of a
    recurrence runs to the right as long as that can be read at all, in the columns of a grid where its edges
    allow that, which is a picture that runs up. What then runs down goes on in columns.

    No two boxes overlap, no edge runs through a box, and no text is wider than its box.
    """
    with gc_paused():
        if picture.direction == "up":
            return _arranged(picture, "up", 0.0, grid(picture))
        if picture.direction != "auto":
            return _arranged(picture, picture.direction, 0.0 if picture.direction == "down" else ROW)
        g = grid(picture)
        if g.count and _shrunk(columns := _arranged(picture, "up", 0.0, g)) <= TIGHT_GRID:
            return columns
        right = _arranged(picture, "right", ROW)
        enough = TIGHT_TIME if recurs(picture) else TIGHT
        if _shrunk(right) <= enough or len(picture.nodes) > LARGE:
            return right
        down = _arranged(picture, "down", COLUMN)
        return down if _shrunk(down) < 0.8 * _shrunk(right) else right


def _shrunk(layout: Layout) -> float:
    """How many times too large a layout is for a page, in the direction where it is worse."""
    return max(layout.width / ROOM, layout.height / PAGE)


def _arranged(picture: Picture, direction: str, row: float, g: Grid | None = None) -> Layout:
    """The layout that runs in a direction, in rows of the length `row`, or in one piece if that is 0; in the
    columns of `g`, or in none."""
    g = g or ungridded(picture)
    n, across = len(picture.nodes), direction in ("right", "left")
    sizes = [box_size(box_lines(node, picture.show)) for node in picture.nodes]
    labels = {j: label_size(label_text(e)) for j, e in enumerate(g.part.edges) if e.label}
    if across:
        sizes = [(height, width) for width, height in sizes]
        labels = {j: (height, width) for j, (width, height) in labels.items()}
    widths, label_widths = [width for width, _ in sizes], {j: width for j, (width, _) in labels.items()}
    ranking = stepped(g, dict.fromkeys(labels, 2), widths)  # a label needs a rank of its own on the way
    home, parents = framed_columns(g)
    lines = nested(parents)
    vertices = chained(ranking, widths, home, lines, label_widths)
    name_width, name_height = (FRAME_LABEL, 0.0) if across else (0.0, FRAME_LABEL)
    names = (0.0, name_height) if direction == "up" else (name_height, 0.0)  # it will be turned over
    frames = Frames(parents, vertices.home, FRAME_PAD, name_width, g.count)
    links = vertices.links()
    order = ordered(vertices.rank, links, frames, n, ranking.side, sides(g))
    x, left, right = placed(
        order, links, vertices.widths, frames, n, spines(g.part, ranking.side, vertices.chains)
    )
    lanes = lanes_of(g, vertices.rank)
    lane_middles = apart(x, left, right, frames, lanes)
    heights = [max((sizes[v][1] for v in level if v < n), default=LEADING) for level in order]
    tops = _tops(heights, vertices, g.count, lines, names)
    middles = [top + height / 2 for top, height in zip(tops, heights, strict=True)]

    layout = Layout(direction=direction)
    for i, (width, height) in enumerate(sizes):
        layout.boxes.append(Box(x[i], middles[vertices.rank[i]], width, height))
    layout.frames = framed(picture, layout.boxes, left[g.count :], right[g.count :], names)
    rooms = [straight(node, width) for node, (width, _) in zip(picture.nodes, sizes, strict=True)]
    rows = [(top, top + height) for top, height in zip(tops, heights, strict=True)]
    routes = routed(g, lanes, lane_middles, layout.boxes, vertices.rank, rows)
    for j, (chain, port) in enumerate(zip(vertices.chains, ports(vertices.chains, x, rooms), strict=True)):
        points = way(chain, x, port, layout.boxes, vertices.rank, tops, heights)
        route = routes[g.inner[j]] = Route(points[::-1] if ranking.reversed[j] else points)
        if j in vertices.label_at:
            v = vertices.label_at[j]
            route.label = Box(x[v], middles[vertices.rank[v]], *labels[j])
    layout.routes = [routes[j] for j in range(len(picture.edges))]
    if row and ranking.longest > len(order):  # an edge without a vertex in each rank cannot be cut
        wrapped(layout, tops, heights, row)
    return _turned(layout, direction)


def _tops(
    heights: Sequence[float],
    vertices: Vertices,
    columns: int,
    lines: Lines,
    names: tuple[float, float],
) -> list[float]:
    """The top of each rank, `RANK_GAP` below the one above, with more room where borders of frames and their
    names lie between. The first frames are `columns`, which are not drawn."""
    begin, end = [0] * len(heights), [0] * len(heights)  # how many borders lie above and below a rank at most
    for k, (low, high) in vertices.spans.items():
        drawn = [frame for frame in lines[k] if frame >= columns]
        begin[low] = max(begin[low], sum(1 for frame in drawn if vertices.spans[frame][0] == low))
        end[high] = max(end[high], sum(1 for frame in drawn if vertices.spans[frame][1] == high))
    tops = []
    at = 0.0
    for height, borders_above, borders_below in zip(heights, begin, end, strict=True):
        at += borders_above * (FRAME_PAD + names[0])
        tops.append(at)
        at += height + borders_below * (FRAME_PAD + names[1]) + RANK_GAP
    return tops


def _turned(layout: Layout, direction: str) -> Layout:
    """Move a picture that runs downward to begin at the margin, and turn it into the given direction."""
    everything = [
        *layout.boxes,
        *(f for f in layout.frames if f),
        *(r.label for r in layout.routes if r.label),
    ]
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
