"""The third step of a layout: how far to the right each vertex stands, and where the frames have their borders.

Every pair of neighbours in a rank, and every border beside its neighbours, is a condition "at least so far apart". All
conditions point to the right, so one pass from the left and one from the right give two solutions that come as near to what
is wanted as that pass allows; their mean is a solution too, for the conditions are convex.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

__all__ = ["Frames", "placed"]

GAP, EDGE_GAP = 22.0, 14.0  # between two boxes; beside a passing edge


class Frames:
    """Which frame each vertex is in: `parent` of each frame or None, `home` the innermost frame of each vertex or -1. `pad`
    is the room between a frame's right border and what is inside, `first` that at its left, where its name may stand."""

    def __init__(self, parent: Sequence[int | None], home: list[int], n: int, pad: float, head: float = 0.0) -> None:
        self.home, self.n, self.pad, self.first = home, n, pad, pad + head
        self.count = len(parent)
        self.lines: list[tuple[int, ...]] = []  # each frame with all around it, the outermost first
        for k in range(len(parent)):
            line = [k]
            while (above := parent[line[-1]]) is not None:
                line.append(above)
            self.lines.append(tuple(reversed(line)))
        self.members: list[list[int]] = [[] for _ in parent]
        for v, k in enumerate(home):
            for frame in self.lines[k] if k >= 0 else ():
                self.members[frame].append(v)

    def around(self, v: int) -> tuple[int, ...]:
        return self.lines[self.home[v]] if self.home[v] >= 0 else ()

    def centres(self, position: Sequence[float]) -> list[float]:
        """The mean position of each frame's vertices."""
        return [sum(position[v] for v in vs) / len(vs) if vs else 0.0 for vs in self.members]

    def blocks(self, level: Sequence[int], k: int) -> tuple[int, int] | None:
        """Where the blocks begin and end that meet before place `k` of a level; a block is a vertex, or a frame with all that
        is in it. None if both are frames: those are not exchanged in one rank alone."""
        a, b = self.around(level[k - 1]), self.around(level[k])
        depth = 0
        while a[depth : depth + 1] == b[depth : depth + 1]:
            depth += 1
        left, right = a[depth : depth + 1], b[depth : depth + 1]
        if left and right:
            return None
        i, j = k - 1, k + 1
        while left and i > 0 and self.around(level[i - 1])[depth : depth + 1] == left:
            i -= 1
        while right and j < len(level) and self.around(level[j])[depth : depth + 1] == right:
            j += 1
        return i, j

    def key(self, v: int, want: float, now: float, centre: Sequence[float]) -> tuple[tuple[float, int], ...]:
        """Sorted by this, a rank keeps frames together, and two frames in the same order in all ranks."""
        own = (want, 0), (now, v)
        return (*((centre[k], -1 - k) for k in self.around(v)), *own) if self.count else own


def placed(
    order: Sequence[Sequence[int]], links: Sequence[tuple[int, int]], widths: Sequence[float], frames: Frames, n: int
) -> tuple[list[float], list[float], list[float]]:  # fmt: skip
    """The x of each vertex, and of the left and right border of each frame."""
    m = len(widths)
    count = m + 2 * frames.count
    after: list[list[tuple[int, float]]] = [[] for _ in range(count)]
    before: list[list[tuple[int, float]]] = [[] for _ in range(count)]

    def apart(a: int, b: int, far: float) -> None:
        after[a].append((b, far))
        before[b].append((a, far))

    for level in order:
        for a, b in pairwise(level):
            gap = GAP if a < n and b < n else EDGE_GAP
            around_a, around_b = frames.around(a), frames.around(b)
            if around_a == around_b:
                apart(a, b, (widths[a] + widths[b]) / 2 + gap)
                continue
            shared = 0
            while shared < min(len(around_a), len(around_b)) and around_a[shared] == around_b[shared]:
                shared += 1
            steps = [(a, widths[a] / 2)]
            steps += [(m + 2 * k + 1, 0.0) for k in reversed(around_a[shared:])]
            steps += [(m + 2 * k, 0.0) for k in around_b[shared:]]
            steps += [(b, widths[b] / 2)]
            for (u, wide), (v, other) in pairwise(steps):
                inner = u >= m and v >= m and (u - m) % 2 == (v - m) % 2
                padding = (u < m and v >= m and (v - m) % 2 == 1) or (u >= m and v < m and (u - m) % 2 == 0)
                apart(u, v, wide + other + (frames.pad if inner or padding else gap))
    for k in range(frames.count):
        for v in frames.members[k]:
            if frames.home[v] == k:
                apart(m + 2 * k, v, widths[v] / 2 + frames.first)
                apart(v, m + 2 * k + 1, widths[v] / 2 + frames.pad)
        if len(frames.lines[k]) > 1:
            above = frames.lines[k][-2]
            apart(m + 2 * above, m + 2 * k, frames.first)
            apart(m + 2 * k + 1, m + 2 * above + 1, frames.pad)
    sequence = _topological(after, before)
    return _relaxed(order, links, widths, frames, n, m, sequence, after, before)


def _topological(after: Sequence[Sequence[tuple[int, float]]], before: Sequence[Sequence[tuple[int, float]]]) -> list[int]:
    waiting = [len(b) for b in before]
    sequence = [v for v, k in enumerate(waiting) if not k]
    for v in sequence:
        for u, _ in after[v]:
            waiting[u] -= 1
            if not waiting[u]:
                sequence.append(u)
    return sequence


def _relaxed(
    order: Sequence[Sequence[int]], links: Sequence[tuple[int, int]], widths: Sequence[float], frames: Frames, n: int, m: int,
    sequence: Sequence[int], after: Sequence[Sequence[tuple[int, float]]], before: Sequence[Sequence[tuple[int, float]]],
) -> tuple[list[float], list[float], list[float]]:  # fmt: skip
    count = len(after)
    up: list[list[tuple[int, float]]] = [[] for _ in range(m)]
    down: list[list[tuple[int, float]]] = [[] for _ in range(m)]
    for a, b in links:
        weight = 1.0 if a < n and b < n else 8.0 if a >= n and b >= n else 2.0
        down[a].append((b, weight))
        up[b].append((a, weight))
    x = [0.0] * count
    for level in order:
        half = sum(widths[v] + GAP for v in level) / 2
        at = -half
        for v in level:
            x[v] = at + widths[v] / 2
            at += widths[v] + GAP
    x = _feasible(x, widths, frames, m, sequence, after, before)
    rounds = 120 if m <= 300 else 24 if m <= 1500 else 6 if m <= 4000 else 4
    for turn in range(rounds):
        want = x[:]
        if turn >= rounds - 3:
            for v in range(m):
                _pull(v, (*up[v], *down[v]), want, x)
        else:
            for level in order if turn % 2 == 0 else reversed(order):
                for v in level:
                    _pull(v, up[v] if turn % 2 == 0 else down[v], want, want)
        x = _feasible(want, widths, frames, m, sequence, after, before)
    _straightened(x, up, down, n, before, after)
    return x[:m], x[m::2], x[m + 1 :: 2]


def _straightened(
    x: list[float], up: Sequence[Sequence[tuple[int, float]]], down: Sequence[Sequence[tuple[int, float]]], n: int,
    before: Sequence[Sequence[tuple[int, float]]], after: Sequence[Sequence[tuple[int, float]]],
) -> None:  # fmt: skip
    """Put what hangs together in single file exactly below one another, where there is room."""

    def below(v: int) -> int:
        if len(down[v]) == 1 and len(up[down[v][0][0]]) == 1:
            return down[v][0][0]
        passing = [u for u, _ in down[v] if u >= n] if v >= n else []
        return passing[0] if len(passing) == 1 else -1

    follows = {u for v in range(len(down)) if (u := below(v)) >= 0}
    for v in range(len(down)):
        if v in follows:
            continue
        file = [v]
        while (u := below(file[-1])) >= 0:
            file.append(u)
        if len(file) > 1:
            low = max((x[a] + far for u in file for a, far in before[u]), default=-float("inf"))
            high = min((x[a] - far for u in file for a, far in after[u]), default=float("inf"))
            if low <= high:
                at = max(low, min(high, sum(x[u] for u in file) / len(file)))
                for u in file:
                    x[u] = at


def _pull(v: int, near: Sequence[tuple[int, float]], want: list[float], x: Sequence[float]) -> None:
    if near:
        total = weight = 0.0
        for u, w in near:
            total += w * x[u]
            weight += w
        want[v] = total / weight


def _feasible(
    want: list[float], widths: Sequence[float], frames: Frames, m: int, sequence: Sequence[int],
    after: Sequence[Sequence[tuple[int, float]]], before: Sequence[Sequence[tuple[int, float]]],
) -> list[float]:  # fmt: skip
    """The mean of the two nearest placements that keep all distances."""
    for k, vs in enumerate(frames.members):
        if vs:
            want[m + 2 * k] = min(want[v] - widths[v] / 2 for v in vs) - frames.first
            want[m + 2 * k + 1] = max(want[v] + widths[v] / 2 for v in vs) + frames.pad
    low, high = want[:], want[:]
    for v in sequence:
        at = low[v]
        for u, far in before[v]:
            if low[u] + far > at:
                at = low[u] + far
        low[v] = at
    for v in reversed(sequence):
        at = high[v]
        for u, far in after[v]:
            if high[u] - far < at:
                at = high[u] - far
        high[v] = at
    return [(a + b) / 2 for a, b in zip(low, high, strict=True)]
