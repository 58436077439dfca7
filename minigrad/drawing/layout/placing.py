"""The third step of a layout: every vertex gets its x, and every frame its left and right border.

Each pair of neighbours in a rank, and each border beside its neighbours, is a condition "at least so far
apart". All conditions point to the right, so a pass from the left gives a solution near the wanted places,
and a pass from the right another one. Their mean is a solution too, because the conditions are convex.

Names: the variables of the conditions are the x of the m vertices, and then of the left and right border of
each frame.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import pairwise
from operator import add, sub

from minigrad.drawing.layout.frames import Frames

__all__ = ["placed"]

GAP, EDGE_GAP = 22.0, 14.0  # between two boxes; beside a passing edge

STILL = 0.01  # points
LARGE = 3000  # with more vertices, arcs are straightened once

Condition = tuple[int, int, float]  # the second variable has to lie at least so far to the right of the first
Weighted = list[tuple[int, float]]  # neighbours, and how strongly they pull, or how far away they lie


def placed(
    order: Sequence[Sequence[int]],
    links: Sequence[tuple[int, int]],
    widths: Sequence[float],
    frames: Frames,
    n: int,
    spines: Sequence[Sequence[int]] = (),
) -> tuple[list[float], list[float], list[float]]:
    """The x of each vertex, and of the left and right border of each frame. The vertices of a spine get the
    same x, if the frames let them."""
    m = len(widths)
    spines, conditions = _with_spines(spines, _conditions(order, widths, frames, n), m + 2 * frames.count)
    bound = {v for spine in spines for v in spine}
    levels, order = order, [[v for v in level if v not in bound] for level in order]
    up: list[Weighted] = [[] for _ in range(m)]
    down: list[Weighted] = [[] for _ in range(m)]
    for a, b in links:
        weight = 1.0 if a < n and b < n else 8.0 if a >= n and b >= n else 2.0
        down[a].append((b, weight))
        up[b].append((a, weight))
    both = list(map(add, up, down))
    fillers = [v for v in range(n, m) if not both[v]]
    x = [0.0] * (m + 2 * frames.count)
    for level in levels:
        at = -sum([widths[v] + GAP for v in level]) / 2
        for v in level:
            x[v] = at + widths[v] / 2
            at += widths[v] + GAP
    x = _feasible(x, widths, frames, conditions, spines)
    earlier: list[list[float]] = []
    for turn in range(max(1, min(117, 12_000 // max(m, 1) - 3))):
        earlier = [*earlier[-1:], x]
        want = x[:]
        for level in order if turn % 2 == 0 else reversed(order):
            _pull(level, up if turn % 2 == 0 else down, want, want)
        x = _feasible(want, widths, frames, conditions, spines)
        if _moved_as_one(x, earlier[0]):
            break
    for _ in range(3):
        want = x[:]
        _pull([v for level in order for v in level], both, x, want)
        x = _feasible(want, widths, frames, conditions, spines)
    beside = _beside(conditions, len(x))
    for _ in range(
        2 if m <= LARGE else 1
    ):  # arcs come near what they pass, then frames, and then the arcs beside these
        _tighten(x, widths, frames, fillers)
        _straighten(x, up, down, n, beside, bound)
    _tighten(x, widths, frames, fillers)
    return x[:m], x[m::2], x[m + 1 :: 2]


def _moved_as_one(x: Sequence[float], earlier: Sequence[float]) -> bool:
    """Whether all distances are what they were; then further rounds change nothing but the place of the
    whole."""
    moved = list(map(sub, x, earlier))
    return max(moved, default=0.0) - min(moved, default=0.0) < STILL


def _conditions(
    order: Sequence[Sequence[int]],
    widths: Sequence[float],
    frames: Frames,
    n: int,
) -> list[Condition]:
    """The conditions on neighbours in a rank, with the borders between them, and on frames in frames."""
    m = len(widths)
    found: list[Condition] = []
    for level in order:
        for a, b in pairwise(level):
            gap = GAP if a < n and b < n else EDGE_GAP
            if frames.home[a] == frames.home[b]:
                found.append((a, b, (widths[a] + widths[b]) / 2 + gap))
            else:
                found += _across_borders(a, b, gap, widths, frames)
        for v, left, right in zip(level, [-1, *level], [*level[1:], -1], strict=False):
            k = frames.home[v]
            if k >= 0 and (left < 0 or frames.home[left] != k):
                found.append((m + 2 * k, v, widths[v] / 2 + frames.first))
            if k >= 0 and (right < 0 or frames.home[right] != k):
                found.append((v, m + 2 * k + 1, widths[v] / 2 + frames.pad))
    for k in range(frames.count):
        if len(frames.lines[k]) > 1:
            above = frames.lines[k][-2]
            found.append((m + 2 * above, m + 2 * k, frames.first))
            found.append((m + 2 * k + 1, m + 2 * above + 1, frames.pad))
    return found


def _across_borders(
    a: int,
    b: int,
    gap: float,
    widths: Sequence[float],
    frames: Frames,
) -> Iterator[Condition]:
    """The conditions on two neighbours of different frames: from `a` over the right borders of its frames,
    the innermost first, and the left borders of the frames around `b`, to `b`. Frames around both are not
    crossed."""
    m = len(widths)
    around_a, around_b = frames.around(a), frames.around(b)
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
        yield u, v, wide + other + (frames.pad if inner or padding else gap)


def _with_spines(
    spines: Sequence[Sequence[int]], conditions: Sequence[Condition], count: int
) -> tuple[Sequence[Sequence[int]], list[Condition]]:
    """As many of the spines as can be straight, and the conditions, sorted. A spine is one variable, its
    first vertex; so it cannot pass a frame on two sides, which would be a cycle."""
    for kept in (spines, spines[:1], ()):
        variable = list(range(count))
        for spine in kept:
            for v in spine:
                variable[v] = spine[0]
        found = _sorted([(variable[a], variable[b], far) for a, b, far in conditions], count)
        if len(found) == len(conditions):
            return kept, found
    raise AssertionError("an order of vertices was called cyclic")


def _sorted(conditions: Sequence[Condition], count: int) -> list[Condition]:
    """The conditions sorted: those that bound a variable from the left precede those it puts on others.
    Those on a cycle are left out."""
    after: list[list[Condition]] = [[] for _ in range(count)]
    waiting = [0] * count
    for condition in conditions:
        after[condition[0]].append(condition)
        waiting[condition[1]] += 1
    ready = [v for v, k in enumerate(waiting) if not k]
    done: list[Condition] = []
    while ready:
        v = ready.pop()
        done += after[v]
        for _, u, _ in after[v]:
            waiting[u] -= 1
            if not waiting[u]:
                ready.append(u)
    return done


def _pull(vs: Iterable[int], near: Sequence[Weighted], x: Sequence[float], want: list[float]) -> None:
    """Set the wanted place of each vertex that has neighbours to the mean of their places."""
    for v in vs:
        pairs = near[v]
        if len(pairs) == 1:
            want[v] = x[pairs[0][0]]
        elif pairs:
            total = weights = 0.0
            for u, weight in pairs:
                total += weight * x[u]
                weights += weight
            want[v] = total / weights


def _feasible(
    want: list[float],
    widths: Sequence[float],
    frames: Frames,
    conditions: Sequence[Condition],
    spines: Sequence[Sequence[int]],
) -> list[float]:
    """The mean of the placements by the two passes, which keeps all distances."""
    m = len(widths)
    for k, vs in enumerate(frames.members):
        if vs:
            want[m + 2 * k] = min([want[v] - widths[v] / 2 for v in vs]) - frames.first
            want[m + 2 * k + 1] = max([want[v] + widths[v] / 2 for v in vs]) + frames.pad
    low, high = want[:], want[:]
    for a, b, far in conditions:
        at = low[a] + far
        if at > low[b]:
            low[b] = at
    for a, b, far in reversed(conditions):
        at = high[b] - far
        if at < high[a]:
            high[a] = at
    x = [(a + b) / 2 for a, b in zip(low, high, strict=True)]
    for spine in spines:
        for v in spine:
            x[v] = x[spine[0]]
    return x


def _tighten(x: list[float], widths: Sequence[float], frames: Frames, fillers: Collection[int]) -> None:
    """Draw the borders of each frame close around what is in it."""
    m = len(widths)
    low, high = [float("inf")] * frames.count, [-float("inf")] * frames.count
    loose = {*fillers}
    for v, k in enumerate(frames.home):
        if k >= 0 and v not in loose:
            half = widths[v] / 2
            if x[v] - half < low[k]:
                low[k] = x[v] - half
            if x[v] + half > high[k]:
                high[k] = x[v] + half
    for k in sorted(range(frames.count), key=lambda k: -len(frames.lines[k])):  # inner frames first
        if low[k] <= high[k]:
            x[m + 2 * k], x[m + 2 * k + 1] = low[k] - frames.first, high[k] + frames.pad
            for above in frames.lines[k][-2:-1]:
                low[above] = min(low[above], x[m + 2 * k])
                high[above] = max(high[above], x[m + 2 * k + 1])


def _mean(numbers: Sequence[float]) -> float:
    return sum(numbers) / len(numbers)


def _beside(conditions: Sequence[Condition], count: int) -> tuple[list[Weighted], list[Weighted]]:
    """The variables that have to lie to the left of each, and to its right, and how far away."""
    left: list[Weighted] = [[] for _ in range(count)]
    right: list[Weighted] = [[] for _ in range(count)]
    for a, b, far in conditions:
        left[b].append((a, far))
        right[a].append((b, far))
    return left, right


def _straighten(
    x: list[float],
    up: Sequence[Weighted],
    down: Sequence[Weighted],
    n: int,
    beside: tuple[Sequence[Weighted], Sequence[Weighted]],
    bound: Collection[int],
) -> None:
    """Put vertices that follow one another in single file exactly below one another, where there is room: an
    edge that passes ranks near its ends. The `bound` ones, which belong to spines, stay."""

    def below(v: int) -> int:
        u = following(v)
        return -1 if v in bound or u in bound else u

    def following(v: int) -> int:
        if len(down[v]) == 1 and len(up[down[v][0][0]]) == 1:
            return down[v][0][0]
        passing = [u for u, _ in down[v] if u >= n] if v >= n else ()
        return passing[0] if len(passing) == 1 else -1

    next_in_file = list(map(below, range(len(down))))
    follows = set(next_in_file)
    before, after = beside
    for v, u in enumerate(next_in_file):
        if u < 0 or v in follows:
            continue
        file = [v]
        while u >= 0:
            file.append(u)
            u = next_in_file[u]
        low = max((x[a] + far for u in file for a, far in before[u]), default=-float("inf"))
        high = min((x[a] - far for u in file for a, far in after[u]), default=float("inf"))
        if low <= high:
            ends = [x[u] for u, _ in (*up[file[0]], *down[file[-1]])] if min(file) >= n else ()
            at = max(low, min(high, _mean(ends or [x[u] for u in file])))
            for u in file:
                x[u] = at
