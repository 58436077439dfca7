"""From recorded Tensors to a Picture: a graph is written down as plain data, and nothing on it is changed.

`walk` finds the boxes and their order, this file makes a Node of each, and `backward` plays the backward
pass. A graph larger than `MOST` is first cut down (see `fold.intervals`), so that a million operations cost a
walk and not a million boxes.

Names: `t` a Tensor, `x` a Tensor or an array, `key` the identity of a box before it has an id (see `walk`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from time import perf_counter
from typing import Any

import numpy as np

from minigrad.drawing.graph.backward import VALUES, Named, play
from minigrad.drawing.graph.calls import Called
from minigrad.drawing.graph.fold import intervals, with_clusters
from minigrad.drawing.graph.notation import ATOM, array_text, formula, rounded, stated
from minigrad.drawing.graph.walk import Key, Operand, Walk, buffers_behind, look, resolved
from minigrad.drawing.picture import Edge, Node, Picture, gc_paused
from minigrad.tables import symbol
from minigrad.tensor import Tensor

__all__ = ["MOST", "collect"]

MOST = 20_000  # boxes of a Picture; a larger graph is cut down while it is collected
LABELS = 300  # up to so many boxes, edges say which operand they are where that matters
NUMBERS = 1 << 24  # elements of all arrays together up to which their values are written unasked

Spans = Sequence[tuple[Node, range]]  # stretches of the order, each with the box that stands for it


def collect(
    outputs: Named,
    *,
    names: Mapping[Key, str] | None = None,
    title: str = "",
    show: Sequence[str] = ("shape",),
    inputs: Sequence[Key] = (),
    aside: Named = (),
    places: dict[Key, int] | None = None,
) -> Picture:
    """The Picture of everything that leads to `outputs`, pairs of a name (or "") and a Tensor.

    Args:
        names: names for boxes that have none on the graph, by key.
        inputs: keys of the leaves that are arguments rather than parameters.
        aside: results that give others their names and are then left out (see `fold.leading`).
        places: is filled with the id of the box of each Tensor, by its index.
    """
    targets = [t for _, t in (*outputs, *aside)]
    with gc_paused():
        buffers = buffers_behind(targets)
        names = {**(names or {}), **buffers}
        walk = Walk(targets, {key[1] for key in names if isinstance(key, tuple)})
        names |= {key: _name_of_labels(walk, key, names) for key in walk.labels}
        names |= {key: names.get(look(a), "") for key, a in walk.masks.items()}
        picture = _collected(walk, outputs, names, title, tuple(show), set(inputs), buffers, places)
    return with_clusters(picture)


def _name_of_labels(walk: Walk, key: Key, names: Mapping[Key, str]) -> str:
    known = ("array", id(walk.given[key])) if key in walk.given else look(walk.labels[key])
    return names.get(known) or "labels"


def _collected(
    walk: Walk,
    outputs: Named,
    names: Mapping[Key, str],
    title: str,
    show: tuple[str, ...],
    inputs: Collection[Key],
    buffers: Collection[Key],
    places: dict[Key, int] | None,
) -> Picture:
    total = len(walk.order)
    notes = [", ".join(f"{name} = {value}" for name, value in walk.numbers.items())] if walk.numbers else []
    spans: Spans = []
    if total > MOST:
        spans, sentence = _cut_down(walk)
        notes.append(f"{total:,} recorded operations and leaves; {sentence}.")
    unit = _units(total, spans)
    shown = unit[-1] + 1
    arrays = [x for _, x in walk.order] if not spans else []
    boxes = _Boxes(
        names=names,
        last={resolved(t).index: name for name, t in outputs},
        calls=walk.calls,
        masked=walk.masked,
        formed=walk.formed,
        roots=_roots(walk, names),
        inputs=inputs,
        buffers=buffers,
        position={key: unit[i] for i, (key, _) in enumerate(walk.order)},
        valued=shown <= VALUES and ("value" in show or sum(x.size for x in arrays) <= NUMBERS),
        timed="time" in show,
    )
    nodes: list[Node] = []
    at = 0
    for box, span in [*spans, (Node(0, ""), range(total, total))]:
        for i in range(at, span.start):
            nodes.append(boxes.node(unit[i], *walk.order[i], walk.operands[i]))
        if span:
            box = replace(box, id=len(nodes), count=len(span), members=(len(nodes),))
            box.output = len(span) < MOST and any(walk.order[i][0] in boxes.last for i in span)
            nodes.append(box)
        at = span.stop
    edges = _edges(walk.operands, unit, {node.id for node in nodes if node.kind == "fold"})
    if shown <= LABELS:
        for e in edges:
            if nodes[e.target].label in _ORDERED.values() or nodes[e.target].formula in _ORDERED.values():
                e.label = "ab"[e.position]
    files = {source: path for source, path in boxes.files.items() if path}
    picture = Picture(title, nodes, edges, notes=notes, show=show, total=total, files=files)
    if places is not None and not spans:
        places.update(boxes.position)
    if not spans:
        inside = {i: index for index, call in walk.calls.items() for i in call.inside}
        play(picture, outputs, boxes.position, inside, wanted="grad" in show)
    return picture


def _cut_down(walk: Walk) -> tuple[Spans, str]:
    """The stretches of a long walk to draw as one box each, and a sentence that says so."""
    marks = [(_op_name(x) or "leaf", x.shape, _phase(x)) for _, x in walk.order]
    sources = [[j for _, j in operands if j is not None] for operands in walk.operands]
    return intervals(marks, sources, keep=300)


def _units(total: int, spans: Spans) -> list[int]:
    """For each recorded node the id of the box that shows it."""
    unit: list[int] = []
    count = 0
    for _, span in [*spans, (None, range(total, total))]:
        free = span.start - len(unit)
        unit += range(count, count + free)
        count += free
        if span:
            unit += [count] * len(span)
            count += 1
    return unit


def _edges(operands: Sequence[Sequence[Operand]], unit: Sequence[int], folds: Collection[int]) -> list[Edge]:
    """The edges between different boxes; a fold gets at most one from each box."""
    edges: list[Edge] = []
    known: set[tuple[int, int]] = set()
    for i, pairs in enumerate(operands):
        target = unit[i]
        for p, (_, j) in enumerate(pairs):
            if j is None or unit[j] == target:
                continue
            source = unit[j]
            if target in folds:
                if (source, target) in known:
                    continue
                known.add((source, target))
            edges.append(Edge(source, target, "", p))
    return edges


def _op_name(x: Any) -> str:
    return str(x.op.name) if isinstance(x, Tensor) and x.op is not None else ""


def _phase(x: Any) -> str:
    return x.mode.phase if isinstance(x, Tensor) else "forward"


def _roots(walk: Walk, names: Mapping[Key, str]) -> dict[int, str]:
    """Names for the outermost modules, if the graph has several: those that the user gave, or else the class,
    with numbers if there are several of it. The keys are the ids of the weak references to them."""
    classes: dict[str, dict[int, Any]] = {}
    for _, x in walk.order:
        label = x.mode.module if isinstance(x, Tensor) else ""
        if (module := getattr(label, "outermost", None)) is not None:
            classes.setdefault(label.partition(".")[0], {})[id(module)] = module()
    found: dict[int, str] = {}
    for kind, roots in classes.items():
        for k, (key, module) in enumerate(roots.items()):
            path = names.get(("module", id(module)), "") if module is not None else ""
            holder, _, name = path.rpartition(".")
            if name.isdigit():  # of a list
                name = f"{holder.rpartition('.')[2]}[{name}]"
            numbered = f"{kind} {k + 1}" if len(roots) > 1 else kind
            found[key] = name if name and name not in found.values() else numbered
    return found if len(found) > 1 else {}


# One box


@dataclass(slots=True)
class _Boxes:
    """Makes the Node of one Tensor or array. Tables by key are `names`, `last` (the names of the outputs),
    `calls` (of several operations), `masked` (see `Walk`) and `position` (the ids of the nodes);
    `formed` are the indices of Tensors whose shape matters (see `Walk`), `roots` the names of outermost
    modules, `inputs` are the keys of arguments, `buffers` those of arrays that modules hold. `files`
    gets the path for each source; `valued` and `timed` say whether values and times are written."""

    names: Mapping[Key, str]
    last: Mapping[Key, str]
    calls: Mapping[Key, Called]
    masked: Mapping[int, tuple[Any, ...]]
    formed: Collection[int]
    roots: Mapping[Any, str]
    inputs: Collection[Key]
    buffers: Collection[Key]
    position: Mapping[Key, int]
    valued: bool
    timed: bool
    files: dict[str, str] = field(default_factory=dict)

    def node(self, i: int, key: Key, x: Any, operands: Sequence[Operand]) -> Node:
        tensor = isinstance(x, Tensor)
        array = x.primal if tensor else x
        own = (x.name if tensor else "") or ""
        name = str(self.last.get(key) or own or self.names.get(key, "") or "")
        if _phase(x) == "update":
            name = symbol(name)
        node = Node(
            i,
            name,
            name=name,
            phase=_phase(x),
            module=self.module(x),
            shape=tuple(array.shape),
            dtype=str(array.dtype),
            bytes=int(array.nbytes),
            output=key in self.last,
            members=(i,),
        )
        captured = tensor and array.__class__ is not np.ndarray  # then there are no values
        if self.valued and not captured:
            node.value = array_text(array)
        if tensor and x.op is not None and x.inputs:
            self._describe_operation(node, x, operands)
        else:
            self._describe_leaf(node, key, x)
        return node

    def module(self, x: Any) -> str:
        """The path of the module that made x, from the outermost one, or ""."""
        label = x.mode.module if isinstance(x, Tensor) and x.op is not None else ""
        root = self.roots.get(id(getattr(label, "outermost", None)))
        return root + "".join(label.partition(".")[1:]) if root else str(label)

    def _describe_leaf(self, node: Node, key: Key, x: Any) -> None:
        live = isinstance(x, Tensor) and x.active
        node.op = _op_name(x)
        if key in self.inputs:
            node.kind = "input"
        else:
            node.kind = (
                "parameter" if live else "input" if node.name and key not in self.buffers else "constant"
            )
        if not node.op:
            node.phase = "forward"
        if not node.name:
            node.label = node.op or ("input" if live else "constant" if node.shape else node.value)

    def _describe_operation(self, node: Node, t: Tensor, operands: Sequence[Operand]) -> None:
        node.op = _op_name(t)
        node.arguments = tuple(text for text, _ in operands)
        kept = [(k, v) for k, v in t.params.items() if k[0] != "_"]  # the others are values saved by it
        node.params = ", ".join(f"{k}={_short(v)}" for k, v in kept)
        index = {"index": self.masked[t.index]} if t.index in self.masked else {}
        node.stated = stated(node.op, {**t.params, **index}, np.shape(t.args[0]) if t.args else ())
        if (call := self.calls.get(t.index)) is not None:
            node.op, node.params, node.stated = call.name, ", ".join(call.options), call.options
        elif node.op in ("transpose", "swapaxes") and _keeps_order(t):
            node.op, node.stated = "positive", ()
        if node.op == "broadcast_to" and (node.phase == "forward" or t.index in self.formed):
            node.stated = (str(node.shape),)  # elsewhere it goes without saying
        elif node.op == "reshape" and t.index in self.formed and node.shape != np.shape(t.args[0]):
            node.stated = (str(node.shape),)
        line = t.mode.line.replace("\\", "/")
        node.source = line.rpartition("/")[2]  # without folders, which are private
        if self.files.setdefault(node.source, line) != line:
            self.files[node.source] = ""  # two files have the same name
        node.about = self.position.get(t.mode.about, -t.mode.about) if t.mode.about else None
        node.flops = _flops(t)
        written = _written(node)
        node.label = node.name or written
        node.formula = written if node.name else ""
        if self.timed:
            node.seconds = _seconds(t)


def _keeps_order(t: Tensor) -> bool:
    """Whether a transpose changes nothing: of a vector, or by the axes in their order."""
    return t.ndim < 2 or tuple(t.params.get("axes", ())) == tuple(range(t.ndim))


def _written(node: Node) -> str:
    """The operation alone: "tanh"; "1 − x", where one operand is a box and the others are numbers; "a / b",
    where two are boxes and their order matters."""
    boxes = [text for text in node.arguments if text.startswith("·")]
    only_boxes = len(boxes) == len(node.arguments)
    if len(node.arguments) > 8 or len(boxes) > 3 or node.op == "linear":
        return node.op
    if only_boxes and node.op in _SIGNS:
        return _SIGNS[node.op]
    if only_boxes and len(boxes) == 2 and node.op in _ORDERED:
        return _ORDERED[node.op]
    if only_boxes and len(boxes) != 1:
        return node.op
    letters = iter("xyz" if len(boxes) == 1 else "abcdefgh")
    named = []
    for text in node.arguments:
        mark, _, word = text.partition("=") if text.startswith("·") else (text, "", "")
        mark = mark.replace("·", next(letters)) if mark.startswith("·") else mark
        named.append(f"{word}={mark}" if word else mark)
    text = rounded(formula(node.op, [(text, ATOM) for text in named], node.stated)[0])
    return node.op if text == f"{node.op}(x)" else text


_MOVES = {
    "reshape", "transpose", "swapaxes", "moveaxis", "broadcast_to", "getitem", "astype", "concatenate",
    "stack",
}  # fmt: skip
_SIGNS = {"add": "+", "multiply": "×", "scale": "×", "select": "×"}
_ORDERED = {"subtract": "a − b", "divide": "a / b", "matmul": "a @ b", "power": "a ^ b", "remainder": "a % b"}


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "..."


def _flops(t: Tensor) -> int:
    """The number of floating point operations by the usual count: 2·m·n·k for a product of matrices, one for
    each element of an elementwise operation, 0 for a move."""
    name, size = t.op.name if t.op is not None else "", int(t.primal.size)
    shapes = [np.shape(a) for a in t.args]
    if name in ("matmul", "linear", "dot") and shapes and shapes[0]:
        return 2 * size * int(shapes[0][-1]) + (size if name == "linear" else 0)
    if name in _MOVES or not {"call", "places"}.isdisjoint(t.params):
        return 0
    return max([size, *(int(np.prod(shape)) for shape in shapes)]) if shapes else size


def _seconds(t: Tensor) -> float | None:
    """The shortest of three runs of the operation on the operands it was recorded with."""
    best = None
    try:
        for _ in range(3):
            start = perf_counter()
            with np.errstate(all="ignore"):
                t.op.forward(*t.args, **t.params)  # type: ignore[union-attr]  # only operations come here
            took = perf_counter() - start
            best = took if best is None else min(best, took)
    except Exception:  # the operation cannot be run again, so there is nothing to measure
        return None
    return best
