"""The second step of a layout: every rank is sorted so that few edges cross.

Sweeps of barycentres find the coarse order, exchanges of neighbours the fine one. In a small picture readers
see every crossing, so its best order is shaken: a few connected vertices are moved aside, neighbours are
exchanged as long as that saves crossings, and the new order is kept if it is no worse. The tests compare the
result with the fewest crossings that are possible.

Names: `level` the vertices of one rank from left to right; `position[v]` the place of v in its level, 0 being
the middle.
"""

from __future__ import annotations

import random
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence

from minigrad.drawing.layout.frames import Frames

__all__ = ["crossings", "ordered"]

LARGE = 1500  # with more vertices, no neighbours are exchanged
SMALL = 300  # up to so many vertices, random starts and shakes are tried; fewer vertices get more of them
HOPELESS = 60  # with more crossings, nothing else is tried
MOST_MOVED = 24  # at most so many vertices are moved aside together


def ordered(
    rank: Sequence[int],
    links: Sequence[tuple[int, int]],
    frames: Frames,
    n: int,
    side: Sequence[int],
    aside: Mapping[int, int] | None = None,
) -> list[list[int]]:
    """The vertices of each rank from left to right. Vertices of a frame stay together, and two frames stand
    in the same order in all ranks.

    Args:
        links: pairs of vertices in neighbouring ranks (upper, lower).
        n: the number of nodes, which are the first vertices; the others are places in ranks (see `chains`).
        side: for each node 1 to begin on the right, else 0.
        aside: 1 for a vertex that should stand on the right in its frame, -1 on the left, where that costs no
            crossing.
    """
    m = len(rank)
    up: list[list[int]] = [[] for _ in range(m)]
    down: list[list[int]] = [[] for _ in range(m)]
    for a, b in links:
        down[a].append(b)
        up[b].append(a)
    chance = random.Random(m)  # seeded, so that the same picture is always drawn the same way
    aside = aside or {}
    starts = (
        sorted(start, key=lambda v: aside.get(v, 0)) if aside else start
        for start in _starts(m, n, up, down, side, chance)
    )
    best = _best(starts, rank, up, down, frames, chance)
    best.put_aside(aside)
    return best.levels


def _starts(
    m: int,
    n: int,
    up: Sequence[Sequence[int]],
    down: Sequence[Sequence[int]],
    side: Sequence[int],
    chance: random.Random,
) -> Iterator[list[int]]:
    """Orders of all vertices to begin with. Later ones are made only if the earlier leave crossings."""
    yield _walk(m, n, up, down, side)
    if m <= LARGE:
        yield _walk(m, n, down, up, side)
        yield sorted(range(m), key=lambda v: (side[v] if v < n else 0, v))
    for _ in range(min(8, 800 // max(m, 1)) if m <= SMALL else 0):
        yield chance.sample(range(m), m)


def _best(
    starts: Iterator[Sequence[int]],
    rank: Sequence[int],
    up: Sequence[Sequence[int]],
    down: Sequence[Sequence[int]],
    frames: Frames,
    chance: random.Random,
) -> _Order:
    """The order with the fewest crossings that is found from the starts and by shaking the best of them."""
    m = len(rank)
    best = _Order(rank, up, down, frames, next(starts))
    best.sweep()
    for start in starts:
        if not 0 < best.crossed <= HOPELESS:
            return best
        other = _Order(rank, up, down, frames, start)
        other.sweep()
        best = min(best, other, key=lambda order: order.crossed)
    for _ in range(min(150, 6000 // m) if 0 < m <= SMALL else 0):
        if not 0 < best.crossed <= HOPELESS:
            break
        best.shake(chance)
    return best


class _Order:
    """An order of all vertices. `crossed` is the number of pairs of links that cross in it."""

    def __init__(
        self,
        rank: Sequence[int],
        up: Sequence[Sequence[int]],
        down: Sequence[Sequence[int]],
        frames: Frames,
        start: Iterable[int],
    ) -> None:
        self.rank, self.up, self.down, self.frames = rank, up, down, frames
        self.levels: list[list[int]] = [[] for _ in range(max(rank, default=-1) + 1)]
        self.position = [0.0] * len(rank)
        for v in start:
            self.levels[rank[v]].append(v)
        for level in self.levels:
            self._number(level)
        places = frames.places(self.position)
        for level in self.levels:
            self._sort(level, self.position, places)
        self.crossed = crossings(self.levels, down, self.position)

    def sweep(self) -> None:
        """Sort every level by barycentres, going down and up in turns, and keep the best order."""
        m, levels = len(self.rank), self.levels
        best = self.crossed, [list(level) for level in levels]
        idle = 0
        for turn in range(24 if m <= 500 else 8 if m <= LARGE else 4):
            if not best[0] or idle > 3:
                break
            near = self.up if turn % 2 == 0 else self.down
            places = self.frames.places(self.position)
            for level in levels if turn % 2 == 0 else reversed(levels):
                self._sort(level, self._barycentres(level, near), places)
            if m <= LARGE:
                self._exchange(range(len(levels)))
            self.crossed = crossings(levels, self.down, self.position)
            idle += 1
            if self.crossed < best[0]:
                best = self.crossed, [list(level) for level in levels]
                idle = 0
        self.crossed, self.levels = best
        for level in self.levels:
            self._number(level)

    def shake(self, chance: random.Random) -> None:
        """Move a few connected vertices aside, exchange neighbours, and go back if more links cross."""
        before = self.crossed, self.levels, self.position
        self.levels, self.position = [list(level) for level in self.levels], self.position[:]
        moved = {chance.randrange(len(self.rank))}
        size, ends = chance.randint(1, MOST_MOVED), list(moved)
        while ends and len(moved) < size:
            v = ends.pop(chance.randrange(len(ends)))
            fresh = [u for u in (*self.up[v], *self.down[v]) if u not in moved]
            moved.update(fresh)
            ends += fresh
        aside = chance.uniform(-4, 4)
        for v in moved:
            self.position[v] += aside
        places = self.frames.places(self.position)
        changed = []
        for r, level in enumerate(self.levels):
            self._sort(level, self.position, places)
            if level != before[1][r]:
                changed.append(r)
        self._exchange(changed)
        self.crossed = crossings(self.levels, self.down, self.position)
        if self.crossed > before[0]:
            self.crossed, self.levels, self.position = before

    def put_aside(self, aside: Mapping[int, int]) -> None:
        """Exchange neighbours in a frame that want to stand the other way round, unless more links cross."""
        home, position = self.frames.home, self.position
        for level in self.levels if aside else ():
            for _ in level:
                for k in range(1, len(level)):
                    a, b = level[k - 1], level[k]
                    wanted = aside.get(a, 0) > aside.get(b, 0) and home[a] == home[b]
                    if wanted and self._saved(a, b) >= 0:
                        level[k - 1], level[k] = b, a
                        position[a], position[b] = position[b], position[a]

    def _number(self, level: Sequence[int]) -> None:
        half = (len(level) - 1) / 2
        for k, v in enumerate(level):
            self.position[v] = k - half

    def _sort(
        self,
        level: list[int],
        want: Sequence[float] | dict[int, float],
        places: Sequence[tuple[tuple[float, int], ...]],
    ) -> None:
        """Sort by the wanted positions, with the vertices of a frame together and frames by their places."""
        if self.frames.count:
            home, position = self.frames.home, self.position
            level.sort(key=lambda v: (*places[home[v]], (want[v], 0), (position[v], v)))
        else:
            level.sort(key=want.__getitem__)  # stable, so equals keep their order
        self._number(level)

    def _barycentres(self, level: Sequence[int], near: Sequence[Sequence[int]]) -> dict[int, float]:
        """The mean position of the neighbours of each vertex, or its own position if it has none."""
        position = self.position
        want = {}
        for v in level:
            us = near[v]
            if len(us) == 1:
                want[v] = position[us[0]]
            elif us:
                want[v] = sum([position[u] for u in us]) / len(us)
            else:
                want[v] = position[v]
        return want

    def _exchange(self, ranks: Iterable[int]) -> None:
        """Exchange neighbours in these ranks, and beside changed ones, as long as that saves crossings."""
        waiting = set(ranks)
        for _ in range(6):
            for r in sorted(waiting):
                if self._exchanged(self.levels[r]):
                    waiting |= {r - 1, r, r + 1}
                else:
                    waiting.discard(r)
            waiting &= set(range(len(self.levels)))
            if not waiting:
                return

    def _exchanged(self, level: list[int]) -> bool:
        """Pass over a level once and exchange neighbours where that saves crossings: two vertices of the same
        frame, or a vertex and a whole frame beside it. Tells whether any were exchanged."""
        home, position, better = self.frames.home, self.position, False
        for k in range(1, len(level)):
            a, b = level[k - 1], level[k]
            if home[a] == home[b]:
                if self._saved(a, b) > 0:
                    level[k - 1], level[k] = b, a
                    position[a], position[b] = position[b], position[a]
                    better = True
            elif block := self.frames.blocks(level, k):
                i, j = block
                if sum(self._saved(a, b) for a in level[i:k] for b in level[k:j]) > 0:
                    first = position[level[i]]
                    level[i:j] = level[k:j] + level[i:k]
                    for v in level[i:j]:
                        position[v], first = first, first + 1
                    better = True
        return better

    def _saved(self, a: int, b: int) -> int:
        """The number of crossings saved if `b`, which stands to the right of `a`, goes to its left."""
        position, saved = self.position, 0
        for near in (self.up, self.down):
            right = near[b]
            for u in near[a] if right else ():
                p = position[u]
                for v in right:
                    q = position[v]
                    if p > q:
                        saved += 1
                    elif p < q:
                        saved -= 1
        return saved


def _walk(
    m: int,
    n: int,
    up: Sequence[Sequence[int]],
    down: Sequence[Sequence[int]],
    side: Sequence[int],
) -> list[int]:
    """All vertices, with neighbours soon after each other and the returning half of a U last."""
    seen = [False] * m
    walked = []
    for half in (0, 1):
        for start in [v for v in range(n) if side[v] == half and not up[v]] + [
            v for v in range(n) if side[v] == half
        ]:
            stack = [start]
            while stack:
                v = stack.pop()
                if seen[v] or (v < n and side[v] != half):
                    continue
                seen[v] = True
                walked.append(v)
                stack += reversed(down[v])
    return walked + [v for v in range(m) if not seen[v]]


def crossings(
    levels: Sequence[Sequence[int]], down: Sequence[Sequence[int]], position: Sequence[float]
) -> int:
    """The number of pairs of edges between neighbouring ranks that cross, by counting inversions."""
    total = 0
    for level in levels:
        ends: list[float] = []  # the lower ends of the edges met so far, sorted
        for v in level:
            near = down[v]
            if len(near) == 1:
                p = position[near[0]]
                k = bisect_right(ends, p)
                total += len(ends) - k
                ends.insert(k, p)
                continue
            for p in sorted([position[u] for u in near]):
                k = bisect_right(ends, p)
                total += len(ends) - k
                ends.insert(k, p)
    return total
