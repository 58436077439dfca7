"""The backward pass that a picture shows: run once beside the graph, and written down step by step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from minigrad.drawing.graph.notation import array_text
from minigrad.drawing.graph.walk import IDENTITIES, Key, resolved
from minigrad.drawing.picture import Picture, Visit
from minigrad.slices import Slice, between
from minigrad.sweeps import pull_back
from minigrad.tensor import Tensor

__all__ = ["VALUES", "Noting", "play"]

VALUES = 5_000  # no values or cotangents are written for more boxes; up to so many, pages show them on demand


Named = Sequence[tuple[str, Tensor]]


class Noting(dict[int, Any]):
    """The cotangents by index, as the sweep keeps them. It notes which ones the sweep takes out and puts
    in."""

    def __init__(self, start: Mapping[int, Any]) -> None:
        super().__init__(start)
        self.visits: list[tuple[int, Any, list[tuple[int, Any]]]] = []

    def pop(self, index: int, *default: Any) -> Any:
        g = super().pop(index, *default)
        if g is not None:
            self.visits.append((index, g, []))
        return g

    def __setitem__(self, index: int, g: Any) -> None:
        super().__setitem__(index, g)
        if self.visits:
            self.visits[-1][2].append((index, g))


def play(
    picture: Picture, outputs: Named, position: Mapping[Key, int], inside: Mapping[int, int], wanted: bool
) -> None:
    """Write the backward pass from the one scalar output into the picture: its visits, and the gradients of
    its nodes.

    Args:
        position: the id of the node that shows a Tensor, by the Tensor's index.
        inside: the results of calls of several operations, by the indices of the Tensors that they hide.
        wanted: whether the reader asked for gradients, and so is told why there are none.
    """
    scalars = [t for _, t in outputs if t.active and t.primal.size == 1 and t.mode.phase == "forward"]
    if len(scalars) != 1 or len(picture.nodes) > VALUES:
        if wanted:
            picture.notes.append(
                "No gradients are shown: they need one scalar output that depends on a live leaf, and no "
                "more than 5,000 boxes."
            )
        return
    y = scalars[0]
    try:
        path = between(None, (y,))
        cotangents = Noting({y.index: np.ones_like(y.primal)})
        pull_back(path, cotangents)
    except Exception as error:  # a stale graph, or a rule that fails here; the picture needs no gradients
        picture.notes.append(f"No gradients are shown: {error}")
        return
    _write(picture, path, cotangents, position, inside)


def _write(
    picture: Picture, path: Slice, cotangents: Noting, position: Mapping[Key, int], inside: Mapping[int, int]
) -> None:
    tensors = {t.index: t for t in (*path.nodes, *path.sources)}

    def node_of(index: int) -> int | None:
        shown = resolved(tensors[index]).index
        return position.get(inside.get(shown, shown))

    for index, g, arrivals in cotangents.visits:
        texts = [(i, array_text(np.asarray(c))) for j, c in arrivals if (i := node_of(j)) is not None]
        node, op = node_of(index), tensors[index].op
        if node is not None:
            if index not in inside:
                picture.nodes[node].gradient = array_text(np.asarray(g))
            if op is not None and op.name not in IDENTITIES:
                picture.visits.append(Visit(node, picture.nodes[node].gradient, tuple(texts)))
    for leaf in path.sources:
        node = node_of(leaf.index)
        if node is not None and leaf.index in cotangents:
            picture.nodes[node].gradient = array_text(np.asarray(cotangents[leaf.index]))
