"""From recorded Tensors to a Picture: what is on the graph, written down. Reads the graph and changes nothing on it.

Everything that leads to the outputs is walked once, without recursion. Numbers among the operands become part of the
operation's text; arrays and leaves become boxes. A graph larger than `MOST` is first cut down (see `fold.intervals`), so that
a million operations cost a walk and not a million boxes.

Names: `t` a Tensor, `key` what identifies a box before it has an id: a Tensor's index, or ("array", id) of a plain array.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from time import perf_counter
from typing import Any

import numpy as np

from minigrad.drawing.graph.fold import intervals, with_clusters
from minigrad.drawing.graph.notation import ATOM, array_text, formula, number_text, symbol
from minigrad.drawing.picture import Edge, Node, Picture, Visit, gc_paused
from minigrad.sweeps import between, pull_back
from minigrad.tensor import Tensor

__all__ = ["MOST", "collect"]

MOST = 20_000  # boxes of a Picture; beyond it a graph is cut down while it is collected
VALUES = 5_000  # boxes up to which values are written even if not asked for, for what shows details on demand
LABELS = 300  # boxes up to which edges say which operand they are, where that matters
NUMBERS = 1 << 24  # elements of all arrays up to which that is done

Key = Any


def collect(
    outputs: Sequence[tuple[str, Tensor]], *, names: Mapping[Key, str] | None = None, title: str = "",
    show: Sequence[str] = ("shape",), inputs: Sequence[Key] = (), aside: Sequence[tuple[str, Tensor]] = (),
) -> Picture:  # fmt: skip
    """The Picture of all that leads to `outputs`, pairs of a name (or "") and a Tensor.

    Args:
        names: names for boxes that have none on the graph, by key.
        inputs: keys of the leaves that are arguments rather than parameters.
        aside: results that give others their names and are then left out (see `fold.leading`).
    """
    names = dict(names or {})
    with gc_paused():
        picture = _collected(outputs, names, title, tuple(show), set(inputs), aside)
    return with_clusters(picture)


def _collected(
    outputs: Sequence[tuple[str, Tensor]], names: Mapping[Key, str], title: str, show: tuple[str, ...], inputs: set[Key],
    aside: Sequence[tuple[str, Tensor]],
) -> Picture:  # fmt: skip
    order, operands, numbers = _walked([t for _, t in (*outputs, *aside)], {key[1] for key in names if isinstance(key, tuple)})
    total = len(order)
    last = {_resolved(t).index: name for name, t in outputs}
    notes = [", ".join(f"{name} = {value}" for name, value in numbers.items())] if numbers else []
    groups: list[tuple[Node, range]] = []
    if total > MOST:
        marks = [(_op_name(x) or "leaf", x.shape, _phase(x)) for _, x in order]
        sources = [[j for _, j in pairs if j is not None] for pairs in operands]
        groups, sentence = intervals(marks, sources, keep=300)
        notes.append(f"{total:,} recorded operations and leaves; {sentence}.")
    unit = _units(total, groups)
    position = {key: unit[i] for i, (key, _) in enumerate(order)}
    shown = unit[-1] + 1
    arrays = [x for _, x in order] if not groups else []
    describe = shown <= VALUES and ("value" in show or sum(x.size for x in arrays) <= NUMBERS)
    nodes: list[Node] = []
    at = 0
    for box, span in [*groups, (Node(0, ""), range(total, total))]:
        for i in range(at, span.start):
            key, x = order[i]
            nodes.append(_node(unit[i], key, x, operands[i], names, last, inputs, position, describe, "time" in show))
        if span:
            box = replace(box, id=len(nodes), count=len(span), members=(len(nodes),))
            box.output = any(order[i][0] in last for i in span) if len(span) < MOST else False
            nodes.append(box)
        at = span.stop
    edges = _edges(operands, unit, {node.id for node in nodes if node.kind == "fold"})
    if shown <= LABELS:
        for e in edges:
            if nodes[e.target].label in _ORDERED.values() or nodes[e.target].formula in _ORDERED.values():
                e.label = "ab"[e.position]
    picture = Picture(title, nodes, edges, notes=notes, show=show, total=total)
    if not groups:
        _play(picture, outputs, position, wanted="grad" in show)
    return picture


def _units(total: int, groups: Sequence[tuple[Node, range]]) -> list[int]:
    """For each recorded node the id of the box that shows it."""
    unit: list[int] = []
    count = 0
    for _, span in [*groups, (None, range(total, total))]:
        free = span.start - len(unit)
        unit += range(count, count + free)
        count += free
        if span:
            unit += [count] * len(span)
            count += 1
    return unit


def _edges(operands: Sequence[Sequence[tuple[str, int | None]]], unit: Sequence[int], folds: set[int]) -> list[Edge]:
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


# The walk

IDENTITIES = {"positive", "detach"}


def _resolved(t: Tensor) -> Tensor:
    """The Tensor itself, past the identities that transforms put between a caller's leaf and their own."""
    while t.op is not None and t.op.name in IDENTITIES and t.inputs and isinstance(t.inputs[0], Tensor):
        t = t.inputs[0]
    return t


def _walked(
    targets: Sequence[Tensor], named: Collection[int]
) -> tuple[list[tuple[Key, Any]], list[list[tuple[str, int | None]]], dict[str, str]]:
    """All boxes in topological order, each leaf right before its first use; for each, its operands: how they are written and
    which box they come from; and the named numbers of update rules, which are written and not drawn."""
    seen: dict[int, Tensor] = {}
    stack = [_resolved(t) for t in targets]
    while stack:
        t = stack.pop()
        if t.index not in seen:
            seen[t.index] = t
            stack += [_resolved(x) for x in t.inputs if isinstance(x, Tensor)]
    order: list[tuple[Key, Any]] = []
    numbers: dict[str, str] = {}
    operands: list[list[tuple[str, int | None]]] = []
    place: dict[Key, int] = {}
    arrays: dict[int, Key] = {id(t.primal): t.index for t in seen.values() if not t.inputs}

    def put(key: Key, x: Any, given: list[tuple[str, int | None]]) -> int:
        if key not in place:
            place[key] = len(order)
            order.append((key, x))
            operands.append(given)
        return place[key]

    ops = sorted(index for index, t in seen.items() if t.inputs)  # a leaf's index may be newer than its users'
    for index in ops:
        given: list[tuple[str, int | None]] = []
        op = seen[index].op
        elementwise = op is not None and op.broadcasts and op.name != "matmul"
        for x in seen[index].inputs:
            if isinstance(x, Tensor):
                x = _resolved(x)
                if x.inputs:
                    given.append(("·", place[x.index]))
                    continue
                array = x.primal
            else:
                array = x
            if isinstance(x, Tensor) and x.name and x.op is None and array.ndim == 0 and x.mode.phase == "update":
                given.append((symbol(x.name), None))
                numbers[symbol(x.name)] = number_text(array[()])
                continue
            if np.ndim(array) == 0 and (not isinstance(x, Tensor) or (x.op is not None and not x.name)):
                given.append((number_text(array[()] if isinstance(array, np.ndarray) else array), None))
                continue
            if (
                not isinstance(x, Tensor)
                and elementwise
                and id(array) not in named
                and array.size <= 1 << 16
                and _uniform(array)
            ):
                given.append((number_text(array.flat[0]), None))
                continue
            written, whole = ("·", array) if isinstance(x, Tensor) and x.op is None else _base(array)
            key = arrays.get(id(whole), x.index if isinstance(x, Tensor) else ("array", id(whole)))
            given.append((written, put(key, seen.get(key, whole), [])))
        put(index, seen[index], given)
    for t in targets:
        t = _resolved(t)
        put(t.index, t, [])
    return order, operands, numbers


def _uniform(array: Any) -> bool:
    """Whether an array without a name, made inside a rule, is one number repeated, as the ones of a sum's derivative are."""
    return bool(array.size) and bool((array == array.flat[0]).all())


def _base(array: Any) -> tuple[str, Any]:
    """A constant that is another array seen transposed is drawn as that array."""
    base = array.base
    if isinstance(base, np.ndarray) and array.ndim == 2 and base.ndim == 2:
        same_place = array.__array_interface__["data"][0] == base.__array_interface__["data"][0]
        if same_place and array.shape == base.shape[::-1] and array.strides == base.strides[::-1]:
            return "·ᵀ", base
    return "·", array


def _op_name(x: Any) -> str:
    return str(x.op.name) if isinstance(x, Tensor) and x.op is not None else ""


def _phase(x: Any) -> str:
    return x.mode.phase if isinstance(x, Tensor) else "forward"


def _module(x: Any) -> str:
    return x.mode.module if isinstance(x, Tensor) and x.op is not None else ""


# One box


def _node(
    i: int, key: Key, x: Any, pairs: list[tuple[str, int | None]], names: Mapping[Key, str], last: Mapping[Key, str],
    inputs: set[Key], position: Mapping[Key, int], describe: bool, timed: bool,
) -> Node:  # fmt: skip
    array = x.primal if isinstance(x, Tensor) else x
    own = (x.name if isinstance(x, Tensor) else "") or ""
    name = str(last.get(key) or own or names.get(key, "") or "")
    if _phase(x) == "update":
        name = symbol(name)
    node = Node(
        i, name, name=name, phase=_phase(x), module=_module(x), shape=tuple(array.shape), dtype=str(array.dtype),
        bytes=int(array.nbytes), output=key in last, count=1, members=(i,),
    )  # fmt: skip
    if describe and not (isinstance(x, Tensor) and array.__class__ is not np.ndarray):  # a captured graph has no values
        node.value = array_text(array)
    op = x.op if isinstance(x, Tensor) else None
    if op is None or not x.inputs:
        live = isinstance(x, Tensor) and x.active
        node.op = _op_name(x)
        node.kind = "input" if key in inputs else "parameter" if live else "input" if name else "constant"
        node.phase = "forward" if op is None else node.phase
        if not name:
            node.label = node.value if array.ndim == 0 else node.op or ("input" if live else "constant")
        return node
    node.op = str(op.name)
    node.arguments = tuple(text for text, _ in pairs)
    node.params = ", ".join(f"{k}={_short(v)}" for k, v in x.params.items() if k[0] != "_")  # those are what an op has kept
    node.source = x.mode.line.replace("\\", "/").rpartition("/")[2]  # a picture tells nobody how a disk is laid out
    node.about = position.get(x.mode.about, -x.mode.about) if x.mode.about else None
    node.flops = _flops(x)
    node.label = name or _plain(node)
    if name:
        node.formula = _plain(node)
    if timed:
        node.seconds = _seconds(x)
    return node


def _plain(node: Node) -> str:
    """The operation alone: "tanh", "1 − x" (one operand is a box, the others are numbers), "a / b" (two, and their order
    matters)."""
    boxes = [text for text in node.arguments if text.startswith("·")]
    letters = iter("xyz" if len(boxes) == 1 else "abcdefgh")
    if len(node.arguments) > 8 or len(boxes) > 3 or node.op == "linear":
        return node.op
    if len(boxes) == len(node.arguments) and node.op in _SIGNS:
        return _SIGNS[node.op]
    if len(boxes) == len(node.arguments) == 2 and node.op in _ORDERED:
        return _ORDERED[node.op]
    if len(boxes) == len(node.arguments) and len(boxes) != 1:
        return node.op
    written = [(text.replace("·", next(letters)) if text.startswith("·") else text, ATOM) for text in node.arguments]
    text = formula(node.op, written, node.params)[0]
    return node.op if text == f"{node.op}(x)" else text


_SIGNS = {"add": "+", "multiply": "×", "scale": "×"}
_ORDERED = {"subtract": "a − b", "divide": "a / b", "matmul": "a @ b", "power": "a ^ b", "remainder": "a % b"}


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "..."


def _flops(t: Tensor) -> int:
    """Floating point operations, by the usual count: a product of matrices 2·m·n·k, elementwise 1 an element, moves 0."""
    name, size = t.op.name if t.op is not None else "", int(t.primal.size)
    shapes = [np.shape(a) for a in t.args]
    if name in ("matmul", "linear", "dot") and shapes and shapes[0]:
        return 2 * size * int(shapes[0][-1]) + (size if name == "linear" else 0)
    if name in ("reshape", "transpose", "swapaxes", "moveaxis", "broadcast_to", "getitem", "astype", "concatenate", "stack"):
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
    except Exception:  # an operand was overwritten since: then there is nothing to measure
        return None
    return best


# The backward pass, played


class _Watched(dict[int, Any]):
    """Cotangents by index, as the sweep keeps them, that notes what the sweep takes out and puts in."""

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


def _play(picture: Picture, outputs: Sequence[tuple[str, Tensor]], position: Mapping[Key, int], wanted: bool) -> None:
    """Run the backward pass from the one scalar output beside the graph, and write down what it does."""
    scalars = [t for _, t in outputs if t.active and t.primal.size == 1 and t.mode.phase == "forward"]
    if len(scalars) != 1 or len(picture.nodes) > VALUES:
        if wanted:
            picture.notes.append("No gradients are shown: they need one scalar output that depends on a live leaf.")
        return
    y = scalars[0]
    try:
        path = between(None, (y,))
        cotangents = _Watched({y.index: np.ones_like(y.primal)})
        pull_back(path, cotangents)
    except Exception as error:  # a stale graph, or a rule that does not hold here; the picture can do without
        picture.notes.append(f"No gradients are shown: {error}")
        return
    tensors = {t.index: t for t in (*path.nodes, *path.sources)}

    def place(index: int) -> int | None:
        return position.get(_resolved(tensors[index]).index)

    for index, g, arrivals in cotangents.visits:
        node = place(index)
        at = [(i, array_text(np.asarray(c))) for j, c in arrivals if (i := place(j)) is not None]
        if node is not None:
            picture.nodes[node].gradient = array_text(np.asarray(g))
            if tensors[index].op is not None and tensors[index].op.name not in IDENTITIES:  # type: ignore[union-attr]
                picture.visits.append(Visit(node, picture.nodes[node].gradient, tuple(at)))
    for leaf in path.sources:
        node = place(leaf.index)
        if node is not None and leaf.index in cotangents:
            picture.nodes[node].gradient = array_text(np.asarray(cotangents[leaf.index]))
