"""The common part of the two graph languages, DOT and Mermaid: directions, and blocks inside blocks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from minigrad.drawing.picture import Cluster

__all__ = ["DIRECTIONS", "blocks"]

DIRECTIONS = {"auto": "LR", "down": "TB", "right": "LR", "up": "BT", "left": "RL"}


def blocks(clusters: Sequence[Cluster]) -> Iterator[tuple[int, bool]]:
    """The positions of the clusters as a text nests them: (k, True) where cluster k begins, (k, False) where
    it ends.

    >>> list(blocks([Cluster("outer", None, ()), Cluster("inner", 0, ())]))
    [(0, True), (1, True), (1, False), (0, False)]
    """
    inside: dict[int | None, list[int]] = {}
    for k, cluster in enumerate(clusters):
        inside.setdefault(cluster.parent, []).append(k)
    stack = [(k, True) for k in reversed(inside.get(None, []))]
    while stack:
        k, begins = stack.pop()
        yield k, begins
        if begins:
            stack.append((k, False))
            stack += [(child, True) for child in reversed(inside.get(k, []))]
