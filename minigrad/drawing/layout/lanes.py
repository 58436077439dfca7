"""The edges from step to step of a grid. Each turns into the lane between two columns: it leaves the side of
its box if no other box of its row stands before the lane, or else goes around the row, and it enters its
target so too.

All this sees a picture that runs downward, as every step of a layout does. Names: `g` the grid; `side` 1 to
the right and -1 to the left; `rows` the top and the bottom of each rank.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from minigrad.drawing.layout.frames import Frames
from minigrad.drawing.layout.geometry import Box, Route
from minigrad.drawing.layout.grid import Grid

__all__ = ["Line", "apart", "lanes_of", "routed"]

LANE = 9.0  # between two lines of a lane, and beside them
PORT, END = 8.0, 14.0  # between edges at a side; from the end of a border to an edge that goes around the row
TURN, TURNS = 7.0, 3  # from a row to a turn; so many turns lie at different heights, 4 points apart

Point = tuple[float, float]


@dataclass(slots=True)
class Line:
    """The edges from one box in a lane, which are drawn as one there; the ranks where they pass its left and
    its right border, and their place in it."""

    edges: list[int] = field(default_factory=list)
    left: list[int] = field(default_factory=list)
    right: list[int] = field(default_factory=list)
    place: int = 0

    def passes(self, rank: int) -> bool:
        """Whether it runs along a rank; where it begins or ends it does not."""
        return min(self.left + self.right) < rank < max(self.left + self.right)

    def meets(self, other: Line) -> bool:
        """Whether the two are beside each other somewhere."""
        mine, its = self.left + self.right, other.left + other.right
        return min(mine) <= max(its) and min(its) <= max(mine)


def lanes_of(g: Grid, rank: Sequence[int]) -> list[list[Line]]:
    """The lines of the lane behind each step but the last, in an order with few crossings."""
    lanes: list[dict[int, Line]] = [{} for _ in range(g.count - 1)]
    for j, e in zip(g.outer, g.between(), strict=True):
        line = lanes[min(g.times[e.source], g.times[e.target])].setdefault(e.source, Line())
        begin, end = (line.left, line.right) if g.side(e) > 0 else (line.right, line.left)
        begin.append(rank[e.source])
        end.append(rank[e.target])
        line.edges.append(j)
    return [_sorted(list(lane.values())) for lane in lanes]


def _sorted(lines: list[Line]) -> list[Line]:
    """The lines from left to right, so that no exchange of two neighbours saves crossings."""
    for _ in lines:
        for k in range(1, len(lines)):
            a, b = lines[k - 1 : k + 1]
            if _crossed(b, a) < _crossed(a, b):
                lines[k - 1 : k + 1] = b, a
    for k, line in enumerate(lines):
        line.place = max((1 + other.place for other in lines[:k] if line.meets(other)), default=0)
    return lines


def _crossed(left: Line, right: Line) -> int:
    """How often two lines of a lane cross."""
    return sum(map(right.passes, left.right)) + sum(map(left.passes, right.left))


def _breadth(lines: Sequence[Line]) -> float:
    """The distance from the first to the last line."""
    return LANE * max((line.place for line in lines), default=0)


def apart(
    x: list[float],
    left: list[float],
    right: list[float],
    frames: Frames,
    lanes: Sequence[Sequence[Line]],
) -> list[float]:
    """Move the columns until each lane has just the room that it needs, and return the middles of the
    lanes."""
    if not lanes:
        return []
    shifts = [0.0]
    for t, lines in enumerate(lanes):
        shifts.append(shifts[-1] + _breadth(lines) + 2 * LANE - (left[t + 1] - right[t]))
    for v in range(len(x)):
        x[v] += shifts[frames.around(v)[0]]
    for k, line in enumerate(frames.lines):
        left[k] += shifts[line[0]]
        right[k] += shifts[line[0]]
    return [(right[t] + left[t + 1]) / 2 for t in range(len(lanes))]


def routed(
    g: Grid,
    lanes: Sequence[Sequence[Line]],
    middles: Sequence[float],
    boxes: Sequence[Box],
    rank: Sequence[int],
    rows: Sequence[Point],
) -> dict[int, Route]:
    """The routes of the edges between steps, by position. `middles` are the x of the lanes."""
    ways = _ways(g, lanes, boxes, rank, rows)
    found: dict[int, Route] = {}
    for lines, middle in zip(lanes, middles, strict=True):
        for line in lines:
            at, begin = middle - _breadth(lines) / 2 + LANE * line.place, ways[line.edges[0], True]
            for j in line.edges:
                end = ways[j, False]
                found[j] = Route([*begin, (at, begin[-1][1]), (at, end[-1][1]), *reversed(end)])
    return found


def _ways(
    g: Grid,
    lanes: Sequence[Sequence[Line]],
    boxes: Sequence[Box],
    rank: Sequence[int],
    rows: Sequence[Point],
) -> dict[tuple[int, bool], list[Point]]:
    """The points from a box to where its edge turns into the lane: for edge j going out (j, True), of which
    the first of a line stands for all, and coming in (j, False)."""
    ends: dict[tuple[int, int], list[tuple[float, int, bool]]] = {}  # at a side of a box
    for line in (line for lines in lanes for line in lines):
        for j in line.edges:
            e = g.picture.edges[j]
            if j == line.edges[0]:
                ends.setdefault((e.source, g.side(e)), []).append((boxes[e.target].y, j, True))
            ends.setdefault((e.target, -g.side(e)), []).append((boxes[e.source].y, j, False))
    found: dict[tuple[int, bool], list[Point]] = {}
    turns = dict.fromkeys(((r, out) for r in range(len(rows)) for out in (True, False)), 0)
    for (v, side), there in sorted(ends.items()):
        row = [u for u in range(len(boxes)) if (rank[u], g.times[u]) == (rank[v], g.times[v])]
        free = all((boxes[u].x - boxes[v].x) * side <= 0 for u in row)
        for k, (_, j, out) in enumerate(sorted(there)):
            if free:
                found[j, out] = [_at_side(boxes[v], side, k - (len(there) - 1) / 2, len(there))]
            else:
                turn = TURN + 4 * (turns[rank[v], out] % TURNS)
                found[j, out] = _around(boxes[v], side * (1 - k / len(there)), out, rows[rank[v]], turn)
                turns[rank[v], out] += 1
    return found


def _at_side(box: Box, side: int, place: float, count: int) -> Point:
    """Where an edge meets the side of a box; `place` counts from the middle of all `count`."""
    return box.x + side * box.width / 2, box.y + place * min(PORT, (box.height - 2 * TURN) / count)


def _around(box: Box, part: float, out: bool, row: Point, turn: float) -> list[Point]:
    """The way from a border of a box past its row, to where it turns; `part` tells where on the border."""
    x = box.x + part * (box.width / 2 - END)
    if out:
        return [(x, box.y + box.height / 2), (x, row[1] + turn)]
    return [(x, box.y - box.height / 2), (x, row[0] - turn)]
