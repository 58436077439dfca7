"""A chain that is too long for its page goes on in the next row, as a line of text does.

A picture is cut between two ranks where no frame and few edges are. A cut edge leaves its row at the end,
runs back between the rows, and enters the next row at the beginning. This happens before a layout is turned,
so here ranks follow one another in y, and rows in x.

Names: `cut` the position of the last rank of a row; `line` the two points between which edges pass a cut.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from minigrad.drawing.layout.geometry import Box, Layout

__all__ = ["COLUMN", "ROOM", "ROW", "wrapped"]

ROOM = 1000.0  # the width of a page
ROW, COLUMN = 940.0, 1300.0  # the length of a row, and of a column where a picture runs down
WORTHWHILE = 0.7  # of the whole length; with longer rows, a picture stays in one piece
LINES = 2  # at most so many lines pass a cut
LANE, TURN, ROW_GAP = 10.0, 12.0, 34.0  # between two lines; between a row and the first line; between rows

Point = tuple[float, float]
Line = tuple[Point, Point]


@dataclass(slots=True)
class _Row:
    """One row: where it begins and ends in y and reaches in x before it is `shift`ed, and the lines to the
    next row in their order."""

    begin: float
    end: float
    low: float
    high: float
    shift: Point = (0.0, 0.0)
    lines: list[Line] = field(default_factory=list)


def wrapped(layout: Layout, tops: Sequence[float], heights: Sequence[float], long: float) -> None:
    """Wrap a layout into rows that are at most so `long`, if it is longer and can be cut."""
    if not tops or tops[-1] + heights[-1] - tops[0] <= long:
        return
    middles = [(a + h + b) / 2 for a, h, b in zip(tops, heights, tops[1:], strict=False)]
    covered = [(f.y - f.height / 2, f.y + f.height / 2) for f in layout.frames if f]
    open_ = [r for r, y in enumerate(middles) if not any(top < y < bottom for top, bottom in covered)]
    lines = dict(zip(open_, _lines(layout, [middles[r] for r in open_]), strict=True))
    free = [r for r in open_ if len(lines[r]) <= LINES]
    cuts = _cuts(free, tops, heights, long)
    if cuts:
        _stack(layout, [middles[r] for r in cuts], [lines[r] for r in cuts])


def _lines(layout: Layout, middles: Sequence[float]) -> list[list[Line]]:
    """For each place between two ranks the different lines that pass it, from left to right."""
    found: list[set[Line]] = [set() for _ in middles]
    for route in layout.routes:
        for p, q in pairwise(route.points):
            p, q = (p, q) if p[1] <= q[1] else (q, p)
            for r in range(bisect_left(middles, p[1]), bisect_left(middles, q[1])):
                found[r].add((p, q))
    return [sorted(lines, key=lambda line: (line[0][0], line[1][0])) for lines in found]


def _cuts(free: Sequence[int], tops: Sequence[float], heights: Sequence[float], long: float) -> list[int]:
    """The best of the free cuts: few rows, hardly one too long, all of much the same length.
    There are none if the longest row would be nearly as long as the whole."""
    ends = [-1, *free, len(tops) - 1]
    cost, before = [0.0], [0]
    for i in range(1, len(ends)):
        best = float("inf"), 0
        for j in reversed(range(i)):
            length = tops[ends[i]] + heights[ends[i]] - tops[ends[j] + 1]
            here = cost[j] + 1 + (1 - length / long) ** 2 + 10 * max(0.0, length / long - 1)
            best = min(best, (here, j))
            if length > long:
                break
        cost.append(best[0])
        before.append(best[1])
    found = []
    longest, i = 0.0, len(ends) - 1
    while i > 0:
        length = tops[ends[i]] + heights[ends[i]] - tops[ends[before[i]] + 1]
        found.append(ends[i])
        longest, i = max(longest, length), before[i]
    return found[:0:-1] if longest <= WORTHWHILE * (tops[-1] + heights[-1] - tops[0]) else []


def _stack(layout: Layout, middles: Sequence[float], lines: Sequence[list[Line]]) -> None:
    """Put the rows one after the other in x, and lead the edges from row to row."""
    rows = _rows(layout, middles)
    at = 0.0
    for row, own in zip(rows, [*lines, []], strict=True):
        row.lines = own
        row.shift = at - row.low, -row.begin
        at += row.high - row.low + ROW_GAP + LANE * len(row.lines)
    labels = [route.label for route in layout.routes if route.label]
    for box in [*layout.boxes, *labels, *(f for f in layout.frames if f)]:
        dx, dy = rows[bisect_left(middles, box.y)].shift
        box.x, box.y = box.x + dx, box.y + dy
    for route in layout.routes:
        points: list[Point] = []
        last = route.points[0]
        last_row = rows[bisect_left(middles, last[1])]
        for p in route.points:
            row = rows[bisect_left(middles, p[1])]
            if row.begin > last_row.begin:
                points += _way(last_row, row, (last, p))
            elif row.begin < last_row.begin:
                points += reversed(_way(row, last_row, (p, last)))
            points.append(_moved(p, row))
            last_row, last = row, p
        route.points = points


def _rows(layout: Layout, middles: Sequence[float]) -> list[_Row]:
    rows = [_Row(float("inf"), -float("inf"), float("inf"), -float("inf")) for _ in range(len(middles) + 1)]
    boxes = [*layout.boxes, *(f for f in layout.frames if f), *(r.label for r in layout.routes if r.label)]
    boxes += [Box(x, y, 0.0, 0.0) for route in layout.routes for x, y in route.points]
    for box in boxes:
        row = rows[bisect_left(middles, box.y)]
        row.begin, row.end = min(row.begin, box.y - box.height / 2), max(row.end, box.y + box.height / 2)
        row.low, row.high = min(row.low, box.x - box.width / 2), max(row.high, box.x + box.width / 2)
    return rows


def _moved(p: Point, row: _Row) -> Point:
    return p[0] + row.shift[0], p[1] + row.shift[1]


def _way(row: _Row, following: _Row, line: Line) -> list[Point]:
    """The corners of a line from one row to the next. Lines turn inside one another, so none cross."""
    k = row.lines.index(line)
    inner = len(row.lines) - 1 - k
    (x, _), (to_x, _) = _moved(line[0], row), _moved(line[1], following)
    between = row.high + row.shift[0] + ROW_GAP / 2 + LANE * inner
    end = row.end + row.shift[1] + TURN + LANE * inner
    begin = following.begin + following.shift[1] - TURN - LANE * k
    return [(x, end), (between, end), (between, begin), (to_x, begin)]
