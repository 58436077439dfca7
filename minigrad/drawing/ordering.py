"""The second step of a layout: who stands beside whom in each rank, so that few edges cross."""

from __future__ import annotations

import random
from bisect import bisect_right
from collections.abc import Sequence

from minigrad.drawing.placing import Frames

__all__ = ["crossings", "ordered"]

HOPELESS = 60  # crossings, beyond which other beginnings are not worth their time


def ordered(
    rank: Sequence[int], links: Sequence[tuple[int, int]], frames: Frames, n: int, side: Sequence[int]
) -> list[list[int]]:  # fmt: skip
    """The vertices of each rank from left to right. Those of a frame stay together, in every rank on the same side of
    everything else.

    Args:
        links: pairs of vertices in neighbouring ranks (upper, lower), or further apart.
        n: how many vertices are nodes; the others are passing edges.
        side: of the nodes, 1 to begin on the right.
    """
    m = len(rank)
    up: list[list[int]] = [[] for _ in range(m)]
    down: list[list[int]] = [[] for _ in range(m)]
    for a, b in links:
        down[a].append(b)
        up[b].append(a)
    starts = [_walk(m, n, up, down, side)]
    if m <= 1500:
        starts += [_walk(m, n, down, up, side), sorted(range(m), key=lambda v: (side[v] if v < n else 0, v))]
    if m <= 150:
        chance = random.Random(m)  # always the same one
        starts += [chance.sample(range(m), m) for _ in range(24)]
    fewest, best = _swept(starts[0], rank, up, down, frames)
    for start in starts[1:]:
        if not 0 < fewest <= HOPELESS:
            break
        found, order = _swept(start, rank, up, down, frames)
        if found < fewest:
            fewest, best = found, order
    return best


def _swept(
    start: Sequence[int], rank: Sequence[int], up: Sequence[Sequence[int]], down: Sequence[Sequence[int]], frames: Frames
) -> tuple[int, list[list[int]]]:  # fmt: skip
    """Sweeps of barycentres down and up from one first order; the fewest crossings found, and the order that has them."""
    m = len(rank)
    levels: list[list[int]] = [[] for _ in range(max(rank, default=-1) + 1)]
    for v in start:
        levels[rank[v]].append(v)
    position = [0.0] * m
    for level in levels:
        _number(level, position)
    levels = _grouped(levels, position, frames)
    best = [list(level) for level in levels]
    fewest = crossings(best, down, position)
    idle = 0
    for sweep in range(24 if m <= 500 else 8 if m <= 1500 else 4):
        if not fewest or idle > 6:
            break
        near = up if sweep % 2 == 0 else down
        centre = frames.centres(position)
        for level in levels if sweep % 2 == 0 else reversed(levels):
            want = _centres(level, near, position)
            if frames.count:
                level.sort(key=lambda v: frames.key(v, want[v], position[v], centre))
            else:
                level.sort(key=want.__getitem__)  # stable, so equals keep their order
            _number(level, position)
        if m <= 1500:
            _swapped(levels, up, down, position, frames)
        found = crossings(levels, down, position)
        if found < fewest:
            fewest, best, idle = found, [list(level) for level in levels], 0
        else:
            idle += 1
    return fewest, best


def _walk(m: int, n: int, up: Sequence[Sequence[int]], down: Sequence[Sequence[int]], side: Sequence[int]) -> list[int]:
    """All vertices, neighbours soon after each other, the returning half of a U last."""
    seen = [False] * m
    walked = []
    for half in (0, 1):
        for start in [v for v in range(n) if side[v] == half and not up[v]] + [v for v in range(n) if side[v] == half]:
            stack = [start]
            while stack:
                v = stack.pop()
                if seen[v] or (v < n and side[v] != half):
                    continue
                seen[v] = True
                walked.append(v)
                stack += reversed(down[v])
    return walked + [v for v in range(m) if not seen[v]]


def _number(level: Sequence[int], position: list[float]) -> None:
    half = (len(level) - 1) / 2
    for k, v in enumerate(level):
        position[v] = k - half


def _centres(level: Sequence[int], near: Sequence[Sequence[int]], position: Sequence[float]) -> dict[int, float]:
    """The mean position of each vertex's neighbours; its own where it has none."""
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


def _grouped(levels: Sequence[list[int]], position: list[float], frames: Frames) -> list[list[int]]:
    centre = frames.centres(position)
    grouped = [sorted(level, key=lambda v: frames.key(v, position[v], position[v], centre)) for level in levels]
    for level in grouped:
        _number(level, position)
    return grouped


def _swapped(
    levels: Sequence[list[int]], up: Sequence[Sequence[int]], down: Sequence[Sequence[int]], position: list[float],
    frames: Frames,
) -> None:  # fmt: skip
    """Exchange neighbours in a rank as long as that saves crossings."""
    for _ in range(6):
        better = False
        for level in levels:
            for k in range(len(level) - 1):
                a, b = level[k], level[k + 1]
                if frames.home[a] != frames.home[b]:
                    continue
                now = _pair(up[a], up[b], position) + _pair(down[a], down[b], position)
                if now and _pair(up[b], up[a], position) + _pair(down[b], down[a], position) < now:
                    level[k], level[k + 1] = b, a
                    position[a], position[b] = position[b], position[a]
                    better = True
        if not better:
            return


def _pair(left: Sequence[int], right: Sequence[int], position: Sequence[float]) -> int:
    """Crossings of the edges of two neighbours if `left` stands left."""
    return sum(position[u] > position[v] for u in left for v in right)


def crossings(levels: Sequence[Sequence[int]], down: Sequence[Sequence[int]], position: Sequence[float]) -> int:
    """How many pairs of edges between neighbouring ranks cross, by counting inversions."""
    total = 0
    for level in levels:
        ends: list[float] = []  # of the edges met so far, sorted
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
