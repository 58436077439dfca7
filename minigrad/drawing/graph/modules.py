"""Modules as boxes: each pass of a module, with everything below it, becomes one.

Names: `path` where a module stands in the whole one, "Net.blocks.0.a"; its `steps` are "blocks.0" and "a",
for a module in a list is one step below the module that has the list.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from minigrad.drawing.graph.fold import contract, folded_box, homes_of
from minigrad.drawing.picture import Picture

__all__ = ["deepest", "modules"]


def modules(picture: Picture, depth: int = 1) -> Picture:
    """Draw each pass (forward, backward, ...) of each module that is `depth` steps below the whole one as a
    box. Modules that are less deep stay open."""
    groups: dict[tuple[str, str], list[int]] = {}
    for node, steps in zip(picture.nodes, _steps(picture), strict=True):
        if len(steps) >= depth:
            groups.setdefault((".".join(steps[:depth]), node.phase), []).append(node.id)
    boxes = []
    for (label, phase), ids in groups.items():
        inside = [picture.nodes[i] for i in ids]
        if len(ids) > 1 and any(node.kind in ("op", "fold") for node in inside):
            box = folded_box(label, (node.op for node in inside), [phase], inside[-1].module)
            boxes.append((box, ids))
    return contract(picture, boxes)


def deepest(picture: Picture) -> int:
    """How many steps the deepest module is below the whole one."""
    return max(map(len, _steps(picture)), default=0)


def _steps(picture: Picture) -> list[Sequence[str]]:
    """The steps to the module of each node. A module that is no part of another is a step of its own."""
    paths = homes_of(picture)
    roots = {path.partition(".")[0] for path in paths if "." in path}
    found: list[Sequence[str]] = []
    for path in paths:
        root, _, rest = path.partition(".")
        steps = re.findall(r"[^.]+(?:\.\d+(?=\.|$))*", rest if root in roots else path)
        if steps and len(roots) > 1 and root in roots:
            steps[0] = f"{root}.{steps[0]}"
        found.append(steps)
    return found
