"""Frames around the nodes of modules: which frame encloses which, which vertices are in each, and at last its
rectangle.

Names: `lines[k]` frame k with all frames around it, the outermost first; `home[v]` the innermost frame of
vertex v, or -1.
"""

from __future__ import annotations

from collections.abc import Sequence

from minigrad.drawing.layout.geometry import Box
from minigrad.drawing.picture import Picture

__all__ = ["FRAME_LABEL", "FRAME_PAD", "Frames", "common", "framed", "homes", "nested", "spans"]

FRAME_PAD = 10.0  # the distance between a frame and the boxes inside
FRAME_LABEL = 18.0  # the height of a frame's name

Lines = Sequence[tuple[int, ...]]


def nested(parent: Sequence[int | None]) -> list[tuple[int, ...]]:
    """The line of each frame, given the frame that encloses it directly.

    >>> nested([None, 0, 1, None])
    [(0,), (0, 1), (0, 1, 2), (3,)]
    """
    lines = []
    for k in range(len(parent)):
        line = [k]
        while (above := parent[line[-1]]) is not None:
            line.append(above)
        lines.append(tuple(reversed(line)))
    return lines


def homes(picture: Picture) -> list[int]:
    """The innermost frame of each node, or -1."""
    home = [-1] * len(picture.nodes)
    for k, cluster in enumerate(picture.clusters):
        for i in cluster.nodes:
            home[i] = k
    return home


def common(lines: Lines, a: int, b: int) -> int:
    """The innermost frame that encloses both frames or is one of them, or -1."""
    found = -1
    if a >= 0 and b >= 0:
        for k, other in zip(lines[a], lines[b], strict=False):
            if k != other:
                break
            found = k
    return found


def spans(lines: Lines, home: Sequence[int], rank: Sequence[int]) -> dict[int, tuple[int, int]]:
    """The first and the last rank of each frame that has a vertex, in itself or in a frame inside it."""
    found: dict[int, tuple[int, int]] = {}
    for r, k in zip(rank, home, strict=True):
        for frame in lines[k] if k >= 0 else ():
            low, high = found.get(frame, (r, r))
            found[frame] = min(low, r), max(high, r)
    return found


class Frames:
    """The frames while the vertices are ordered and placed. `pad` is the room inside a frame's right border,
    and `first` that inside its left border, where its name may stand. `members` are all vertices in a frame,
    at any depth. The first `columns` frames keep their order."""

    def __init__(
        self, parent: Sequence[int | None], home: list[int], pad: float, head: float = 0.0, columns: int = 0
    ) -> None:
        self.home, self.pad, self.first, self.columns = home, pad, pad + head, columns
        self.count = len(parent)
        self.lines = nested(parent)
        self.members: list[list[int]] = [[] for _ in parent]
        for v, k in enumerate(home):
            for frame in self.lines[k] if k >= 0 else ():
                self.members[frame].append(v)

    def around(self, v: int) -> tuple[int, ...]:
        """The frames around a vertex, the outermost first."""
        return self.lines[self.home[v]] if self.home[v] >= 0 else ()

    def places(self, position: Sequence[float]) -> list[tuple[tuple[float, int], ...]]:
        """The first key by which a rank is sorted, one for the vertices of each frame; the last one is for
        vertices in no frame.

        A key is the mean positions of the frames around a vertex. So a rank keeps the vertices of a frame
        together, and two frames stand in the same order in all ranks.
        """
        means = [
            (k if k < self.columns else sum([position[v] for v in vs]) / len(vs) if vs else 0.0, -1 - k)
            for k, vs in enumerate(self.members)
        ]
        return [*(tuple(means[k] for k in line) for line in self.lines), ()]

    def blocks(self, level: Sequence[int], k: int) -> tuple[int, int] | None:
        """Where the two blocks that meet before place `k` of a level begin and end. A block is a vertex, or a
        frame with everything in it. The result is None if both are frames: those are not exchanged in one
        rank alone."""
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


def framed(
    picture: Picture,
    boxes: Sequence[Box],
    left: Sequence[float],
    right: Sequence[float],
    names: tuple[float, float],
) -> list[Box | None]:
    """The rectangle of each frame, `names` being the room for its name above and below; None for a frame with
    nothing inside.

    The left and right borders are given. Upper and lower ones lie around the boxes and the inner frames,
    which therefore come first.
    """
    frames: list[Box | None] = [None] * len(picture.clusters)
    lines = nested([cluster.parent for cluster in picture.clusters])
    for k in sorted(range(len(frames)), key=lambda k: -len(lines[k])):
        inside = [boxes[i] for i in picture.clusters[k].nodes]
        inside += [f for m, f in enumerate(frames) if f is not None and picture.clusters[m].parent == k]
        if not inside:
            continue
        top = min(b.y - b.height / 2 for b in inside) - FRAME_PAD - names[0]
        bottom = max(b.y + b.height / 2 for b in inside) + FRAME_PAD + names[1]
        frames[k] = Box((left[k] + right[k]) / 2, (top + bottom) / 2, right[k] - left[k], bottom - top)
    return frames
