"""A drawing as one offline HTML page: every level of folding with its own layout, and a small script to look
around in it.

Everything is computed here: places, the texts in the boxes, the facts about each box, the steps of the
backward pass. The page (`viewer/`: a template, a style, a few scripts) puts it on the screen, as text content
and never as markup.

Names: `view` a level of folding; `slot` the line of a box that holds its cotangent, or -1; `step` one box
handing its cotangent on to its inputs.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import replace
from importlib import resources
from string import Template
from typing import Any
from urllib.parse import quote

from minigrad.drawing.layout.arranging import arranged
from minigrad.drawing.layout.boxes import LEADING, PAD_Y, SIZE, box_lines, label_text
from minigrad.drawing.layout.geometry import Box, Layout
from minigrad.drawing.layout.text_width import FAMILY, printable, width
from minigrad.drawing.picture import Node, Picture, Program, Visit, amount, lines_of
from minigrad.drawing.write.page import colours, data_text, policy
from minigrad.drawing.write.svg import path_of
from minigrad.drawing.write.theme import PHASE_NAMES, Theme

__all__ = ["html"]

MOST = 6_000  # boxes; a level with more is left out of the page, unless it is the one asked for
LESS = 0.9  # a folding level is kept only if it has at most this part of the previous level's boxes
SCRIPTS = ("graph.js", "scene.js", "camera.js", "calculator.js", "player.js", "viewer.js")
FACTS = (
    "name", "kind", "operation", "options", "formula", "module", "shape", "dtype", "value", "gradient",
    "memory", "work",
    "time", "derivative of", "stands for", "parameters", "source",
)  # fmt: skip


def html(
    full: Picture,
    shown: Picture,
    levels: Sequence[tuple[str, Picture]],
    theme: Theme,
    program: Program | None = None,
    links: bool = False,
) -> str:
    """The page as text: it needs no other file and no network.

    Args:
        full: the picture of the whole graph.
        shown: the picture that the page shows first.
        levels: the names and pictures of the levels of folding.
        program: how the numbers follow from the leaves; None if the page is not to compute them.
        links: whether the line of the program that made a box is a link, by the path of its file.
    """
    style = f"{colours(theme)}\n{_file('viewer.css')}"
    script = '"use strict";\n{\n' + "\n".join(map(_file, SCRIPTS)) + "}\n"
    data = _page_data(full, shown, levels, theme, program or Program())
    data["links"] = {source: _link(place) for source, place in full.files.items() if links}
    return Template(_file("template.html")).substitute(
        policy=policy([script], [style]), style=style, script=script, data=data_text(data)
    )


def _file(name: str) -> str:
    return resources.files("minigrad.drawing").joinpath("viewer", name).read_text(encoding="utf-8")


def _link(place: str) -> str:
    """The address at which Visual Studio Code opens a place, "/home/me/train.py:12 in loss"."""
    return "vscode://file/" + quote(re.sub(r"(:\d+) in .*$", r"\1", place).lstrip("/"), safe="/:")


# Data


def _page_data(
    full: Picture,
    shown: Picture,
    levels: Sequence[tuple[str, Picture]],
    theme: Theme,
    program: Program,
) -> dict[str, Any]:
    """Everything that the scripts of the page read."""
    views, start, left_out = _views(shown, levels)
    notes = [*shown.notes, *left_out]
    word = lines_of(Node(0, "", gradient="·"), ["grad"])[-1].removesuffix("·")  # before each cotangent
    return {
        "title": printable(full.title), "total": full.total, "notes": [printable(note) for note in notes],
        "theme": "dark" if theme.name == "dark" else "", "gradient": word,
        "font": FAMILY, "size": SIZE, "leading": LEADING, "pad": PAD_Y, "facts": FACTS, "phases": PHASE_NAMES,
        "start": start, "views": [_view(name, picture, program) for name, picture in views],
        "program": _program(full, program),
    }  # fmt: skip


def _views(
    shown: Picture,
    levels: Sequence[tuple[str, Picture]],
) -> tuple[list[tuple[str, Picture]], int, list[str]]:
    """The levels of the page, the position of the one asked for, and sentences about those left out."""
    key = [node.members for node in shown.nodes]
    views = [
        (name, shown if key == [n.members for n in picture.nodes] else picture) for name, picture in levels
    ]
    if all(picture is not shown for _, picture in views):
        views.append(("overview", shown))
        views.sort(key=lambda view: -len(view[1].nodes))
    kept: list[tuple[str, Picture]] = []
    left_out = []
    for name, picture in views:
        size = len(picture.nodes)
        if picture is shown or (size <= MOST and (not kept or size <= LESS * len(kept[-1][1].nodes))):
            kept.append((name, picture))
        elif size > MOST:
            left_out.append(
                f"The level “{name}” has {size:,} boxes, more than the {MOST:,} of a page, and was left out."
            )
    return kept, next(i for i, (_, picture) in enumerate(kept) if picture is shown), left_out


def _program(full: Picture, program: Program) -> dict[str, Any]:
    """The program, with the form in which the number of each node is written."""
    nodes = full.nodes
    return {
        "steps": program.steps,
        "values": {i: [ref, _form(nodes[i])] for i, ref in program.values.items()},
        "gradients": {i: [ref, _form(nodes[i])] for i, ref in program.gradients.items()},
        "leaves": program.leaves,
        "strips": {i: [strip, math.prod(nodes[i].shape)] for i, strip in program.strips.items()},
        "why": printable(program.why),
    }


def _form(node: Node) -> int:
    """0 a number, 1 a short list, 2 the range of many, 3 how many are true, 4 a bool; see `array_text`."""
    if node.dtype == "bool":
        return 3 if node.shape else 4
    return 0 if not node.shape else 1 if len(node.shape) == 1 and node.shape[0] <= 4 else 2


def _view(name: str, picture: Picture, program: Program) -> dict[str, Any]:
    """One level: its graph, the facts about each box, the steps of the backward pass, and its layout. Unless
    the boxes show cotangents anyway, a second layout has room for them."""
    steps, refs = _steps(picture, program)
    roomy = _with_room(picture, steps)
    if "grad" in picture.show or not steps:
        layouts = [_layout(roomy, arranged(roomy))]
    else:
        first = arranged(picture)
        roomy = replace(roomy, show=(*picture.show, "value", "grad"), direction=first.direction)
        layouts = [_layout(picture, first), _layout(roomy, arranged(roomy))]
    return {
        "name": name,
        "nodes": [_node(node, picture) for node in picture.nodes],
        "edges": [
            [e.source, e.target, printable(e.label)] if e.label else [e.source, e.target]
            for e in picture.edges
        ],
        "clusters": [
            [printable(c.label), -1 if c.parent is None else c.parent, c.nodes] for c in picture.clusters
        ],
        "steps": steps,
        "refs": refs if program.visits else [],
        "layouts": layouts,
        "settled": "grad" in picture.show,
    }


def _node(node: Node, picture: Picture) -> dict[str, Any]:
    known = {
        "name": node.name, "operation": node.op, "options": node.params, "module": node.module,
        "dtype": node.dtype,
        "formula": node.formula if node.formula not in (node.name, node.label) else "",
        "value": node.value, "gradient": node.gradient, "source": node.source,
        "kind": {"op": f"{node.phase} operation", "fold": f"{node.phase} operations, folded"}.get(node.kind,
            node.kind),
        "shape": "" if node.kind == "fold" else " × ".join(map(str, node.shape)) or "scalar",
        "memory": amount(node.bytes, "B") if node.bytes else "",
        "work": amount(node.flops, "flop") if node.flops else "",
        "time": "" if node.seconds is None else amount(node.seconds, "s"),
        "derivative of": "" if node.about is None or node.about < 0 else picture.nodes[node.about].label,
        "parameters": "; ".join(f"{leaf.name} {' × '.join(map(str, leaf.shape))}" for leaf in node.held),
        "stands for": f"{node.count:,} operations and leaves" if node.count > 1 else "",
    }  # fmt: skip
    facts = [printable(known[fact]) for fact in FACTS]
    while facts and not facts[-1]:
        facts.pop()
    data: dict[str, Any] = {
        "label": printable(node.label),
        "kind": node.kind,
        "phase": node.phase,
        "facts": facts,
    }
    if node.output:
        data["output"] = 1
    if node.about is not None and node.about >= 0:
        data["about"] = node.about
    data["members"] = _spans(node.members)
    return data


def _spans(ids: Sequence[int]) -> list[int]:
    """Ids as stretches: the first id and one past the last id of each, in one flat list."""
    flat: list[int] = []
    for i in sorted(ids):
        if flat and flat[-1] == i:
            flat[-1] = i + 1
        else:
            flat += [i, i + 1]
    return flat


def _steps(picture: Picture, program: Program) -> tuple[list[list[Any]], list[list[Any]]]:
    """The backward pass box by box: [box, its cotangent, [[input, its cotangent so far], ...], within], and
    `within` has the same for parameters inside boxes: [[box, the parameter's place, its cotangent so far, its
    node], ...]. Successive visits inside one box are one step. A folded box has no cotangent of its own,
    because it stands for many operations.

    Beside each step: [ref of its cotangent, [[that of the input's, that of the local derivative, its
    formula], ...]]. A step that is several operations has no local derivative.
    """
    steps: list[list[Any]] = []
    refs: list[list[Any]] = []
    folds = {node.id for node in picture.nodes if node.kind == "fold"}
    known = program.visits if len(program.visits) == len(picture.visits) else [(-1, [])] * len(picture.visits)
    for visit, (ref, told) in zip(picture.visits, known, strict=True):
        pairs = [(i, text) for i, text in visit.arrivals if i != visit.node]
        arrivals = {i: "" if i in folds else printable(text) for i, text in pairs}
        told = told if len(told) == len(visit.arrivals) else [(-1, -1, "")] * len(visit.arrivals)
        ways = {i: list(way) for (i, _), way in zip(visit.arrivals, told, strict=True) if i != visit.node}
        if len(ways) < len(visit.arrivals):  # an input that came twice, or a part of the box itself
            ways = {i: [way[0], -1, ""] for i, way in ways.items()}
        if steps and steps[-1][0] == visit.node:
            steps[-1][2].update(arrivals)
            steps[-1][3].update(_within(visit, picture))
            refs[-1][1].update({i: [way[0], -1, ""] for i, way in ways.items()})
        else:
            g = "" if visit.node in folds else printable(visit.gradient)
            steps.append([visit.node, g, arrivals, _within(visit, picture)])
            refs.append([ref, ways])
    return (
        [
            [node, g, list(map(list, arrivals.items())), [[*at, *told] for at, told in within.items()]]
            for node, g, arrivals, within in steps
        ],
        [[ref, list(ways.values())] for ref, ways in refs],
    )


def _within(visit: Visit, picture: Picture) -> dict[tuple[int, int], tuple[str, int]]:
    return {(i, k): (printable(text), picture.nodes[i].held[k].members[0]) for i, k, text in visit.within}


def _with_room(picture: Picture, steps: Sequence[Sequence[Any]]) -> Picture:
    """The same picture with each gradient replaced by the widest text shown for it during the backward
    pass."""
    widest: dict[Any, str] = {node.id: node.gradient for node in picture.nodes if node.gradient}
    for _, _, arrivals, within in steps:
        for i, text in [*arrivals, *(((i, k), text) for i, k, text, _ in within)]:
            if i not in widest or width(text, SIZE) > width(widest[i], SIZE):
                widest[i] = text
    nodes = []
    for node in picture.nodes:
        held = [replace(leaf, gradient=widest.get((node.id, k), "")) for k, leaf in enumerate(node.held)]
        nodes.append(replace(node, gradient=widest.get(node.id, ""), held=tuple(held)))
    return replace(picture, nodes=nodes)


def _layout(picture: Picture, layout: Layout) -> dict[str, Any]:
    before = [word for word in picture.show if word in ("shape", "dtype", "value")]
    shown = "grad" in picture.show
    bare = [replace(node, held=()) for node in picture.nodes]
    slots = [len(lines_of(node, before)) if shown and node.gradient else -1 for node in bare]
    return {
        "width": round(layout.width, 1),
        "height": round(layout.height, 1),
        "boxes": [_corner(box) for box in layout.boxes],
        "lines": [box_lines(node, picture.show) for node in picture.nodes],
        "slots": slots if max(slots, default=-1) >= 0 else [],
        "within": [slot for node in picture.nodes for slot in _slots_within(node, picture.show) if shown],
        "paths": [path_of(route, layout.across) for route in layout.routes],
        "labels": [
            [round(route.label.x, 1), round(route.label.y, 1), label_text(edge)] if route.label else 0
            for edge, route in zip(picture.edges, layout.routes, strict=True)
        ],
        "frames": [_corner(frame) if frame else 0 for frame in layout.frames],
    }


def _slots_within(node: Node, show: Sequence[str]) -> list[list[int]]:
    """[box, place, line] for each parameter inside a box whose gradient has a line there."""
    found = []
    for k, leaf in enumerate(node.held):
        if leaf.gradient:
            shown = (*node.held[:k], replace(leaf, bytes=0, flops=0, seconds=None, source=""))
            found.append([node.id, k, len(lines_of(replace(node, held=shown), show)) - 1])
    return found


def _corner(box: Box) -> list[float]:
    """x and y of the upper left corner, width, height."""
    return [
        round(number, 1) for number in (box.x - box.width / 2, box.y - box.height / 2, box.width, box.height)
    ]
