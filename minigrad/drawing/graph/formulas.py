"""Fold the operations that belong to one line of calculus: the picture reads like the derivation on paper.

Values get letters (z₁, h₁), cotangents a ∂ (∂h₁), tangents a dot (ḣ₁). An operation is written into its only
user where both help to compute the same derivative, or the same line of an update rule. In the forward pass a
reader wants to see the operations, so there only changes of form (transposes, signs, numbers) are written
into their users.

Names: `short` the name of a node in the formulas of others; `inner` the inputs that are written into a
node's formula; `joined[i]` the node into whose formula node i is written, or -1.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from minigrad.drawing.graph.fold import contract
from minigrad.drawing.graph.notation import ATOM, PASSED, Written, formula, tangent_of
from minigrad.drawing.picture import Node, Picture
from minigrad.tables import subscript

__all__ = ["formulas", "short_name"]

LONGEST = 44  # characters of a formula
_LEAVES = ("input", "parameter", "constant")
_FORM = {"transpose", "swapaxes", "negative", "reshape", "astype", "broadcast_to", "square", "moveaxis"}
_LETTERS = {"linear": "z", "matmul": "z", "tanh": "h", "relu": "h", "sigmoid": "h", "softplus": "h",
            "leaky_relu": "h", "elu": "h", "gelu": "h", "silu": "h"}  # fmt: skip
_PHASE_LETTERS = {"backward": "g", "tangent": "t"}


@dataclass(slots=True)
class _Graph:
    """The graph of a picture with a transposed matrix written as its matrix. `sources` are the inputs of each
    node, `uses` counts its users, and `turned` maps each transpose, now without users, to its matrix."""

    nodes: Sequence[Node]
    sources: list[list[int]]
    uses: list[int]
    turned: dict[int, int]


def formulas(picture: Picture) -> Picture:
    """The picture with its operations written as formulas, several of them in one box."""
    graph = _graph_of(picture)
    joined = _joined(graph)
    short = _Names(graph, joined).short
    texts: list[Written] = [("", ATOM)] * len(graph.nodes)
    groups: dict[int, list[int]] = {}
    for i, node in enumerate(graph.nodes):
        if node.kind == "op" and i not in graph.turned:
            sources = graph.sources[i]
            texts[i] = _written(node, sources, texts, short, {j for j in sources if joined[j] == i})
        top = graph.turned.get(i, i)
        while joined[top] >= 0:
            top = joined[top]
        groups.setdefault(top, []).append(i)
    boxes = []
    for top, ids in groups.items():
        box = _box(graph.nodes[top], short[top], texts[top][0], [graph.nodes[i] for i in ids])
        if box is not None:
            boxes.append((box, ids))
    small = contract(picture, boxes)
    for e in small.edges:
        e.label = ""  # the formula names its operands
    for node in small.nodes:
        if node.kind in _LEAVES:
            node.count = 1
    return small


def _box(top: Node, short: str, text: str, members: Sequence[Node]) -> Node | None:
    """The box of a formula and of the leaves in it, or None where the node stays as it is."""
    if top.kind == "op":
        if top.name and top.name != short:
            box = replace(top, label=top.name, formula=text)
        else:
            box = replace(top, label=f"{short} = {text}" if short else text, formula="")
        box.bytes, box.flops = sum(node.bytes for node in members), sum(node.flops for node in members)
        timed = [node.seconds for node in members if node.seconds is not None]
        box.seconds = sum(timed) if timed else None
        return box
    if short in ("", top.label):
        return top if len(members) > 1 else None
    if top.kind in _LEAVES:
        return replace(top, label=short, formula=top.label if top.name else "")
    return None


def _graph_of(picture: Picture) -> _Graph:
    sources: list[list[int]] = [[] for _ in picture.nodes]
    for e in sorted(picture.edges, key=lambda e: (e.target, e.position)):
        sources[e.target].append(e.source)
    nodes, turned = _without_transposes(picture.nodes, sources)
    uses = [0] * len(nodes)
    for i, mine in enumerate(sources):
        for j in mine if i not in turned else ():
            uses[j] += 1
    return _Graph(nodes, sources, uses, turned)


def _without_transposes(nodes: Sequence[Node], sources: list[list[int]]) -> tuple[list[Node], dict[int, int]]:
    """Write a transposed matrix as its matrix with a ᵀ, in the arguments of its users.

    Returns the changed nodes, and for each transpose the matrix it belongs to. `sources` is changed to lead
    past them.
    """
    turned: dict[int, int] = {}
    changed = list(nodes)
    for i, node in enumerate(nodes):
        if node.kind != "op":
            continue
        boxes = [p for p, text in enumerate(node.arguments) if text.startswith("·")]
        if any(j in turned for j in sources[i]):
            arguments = list(node.arguments)
            for p, j in zip(boxes, sources[i], strict=True):
                if j in turned:
                    arguments[p] = "·" if arguments[p] == "·ᵀ" else "·ᵀ"
            sources[i] = [turned.get(j, j) for j in sources[i]]
            changed[i] = replace(node, arguments=tuple(arguments))
        matrix = node.op in ("transpose", "swapaxes") and len(node.shape) == 2 and len(sources[i]) == 1
        if (
            matrix
            and not node.name
            and not node.output
            and changed[i].arguments[boxes[0]] == "·"
            and not node.stated
        ):
            turned[i] = sources[i][0]
    return changed, turned


def short_name(name: str) -> str:
    """The name of a parameter in formulas.

    >>> short_name("layers.0.weight"), short_name("encoder.bias"), short_name("x")
    ('W₀', 'b', 'x')
    """
    path, _, last = name.rpartition(".")
    if not path:
        return name
    numbers = re.findall(r"\d+", path)
    return {"weight": "W", "bias": "b"}.get(last, last) + (
        subscript(int(numbers[-1][-4:])) if numbers else ""
    )


def _joined(graph: _Graph) -> list[int]:
    """For each node the one into whose formula it is written, or -1. A node is not written into a
    formula that would get longer than `LONGEST`."""
    nodes = graph.nodes
    joined = [-1] * len(nodes)
    texts: list[Written] = [("", ATOM)] * len(nodes)
    short = ["z₁"] * len(nodes)  # for measuring; names are given once it is known which nodes need one
    for i, node in enumerate(nodes):
        if node.kind != "op":
            continue
        sources = graph.sources[i]
        inner = {j for j in sources if _may_join(graph, joined, j, i)}
        texts[i] = _written(node, sources, texts, short, inner)
        while len(texts[i][0]) > LONGEST and inner:
            inner.remove(max(inner, key=lambda j: (len(texts[j][0]), j)))
            texts[i] = _written(node, sources, texts, short, inner)
        for j in inner:
            joined[j] = i
    return joined


def _may_join(graph: _Graph, joined: Sequence[int], i: int, user: int) -> bool:
    """Whether node i may be written into the formula of `user`, which must be its only user."""
    a, b = graph.nodes[i], graph.nodes[user]
    if a.kind != "op" or a.output or a.name or graph.uses[i] != 1 or a.phase != b.phase:
        return False
    if a.phase == "forward":
        simple = a.op in _FORM or (len(graph.sources[i]) == 1 and len(a.arguments) > 1)
        return simple and a.module == b.module
    if b.op in PASSED or a.phase == "update" or a.op in _FORM:
        return True
    return a.about is not None and _subject(a, joined) == _subject(b, joined)


def _subject(node: Node, joined: Sequence[int]) -> int | None:
    """The node whose derivative this one helps to compute, or the node into which that was folded."""
    i = node.about
    while i is not None and i >= 0 and joined[i] >= 0:
        i = joined[i]
    return i


def _written(
    node: Node, sources: Sequence[int], texts: Sequence[Written], short: Sequence[str], inner: Collection[int]
) -> Written:
    """The formula of an operation, with those of its `inner` inputs written into it."""
    operands: list[Written] = []
    given = iter(sources)
    for text in node.arguments:
        if not text.startswith("·"):
            operands.append((text, ATOM))
            continue
        j = next(given)
        operand = texts[j] if j in inner else (short[j] or "…", ATOM)
        operands.append(formula("transpose", [operand]) if text == "·ᵀ" else operand)
    return formula(node.op, operands, node.stated)


class _Names:
    """`short` holds each node's name in formulas: its own, or else a letter with an index, a ∂ or a dot.

    Letters are counted in the order of creation. Nodes that are written into others have no name.
    """

    def __init__(self, graph: _Graph, joined: Sequence[int]) -> None:
        self._graph, self._joined = graph, joined
        self._taken: set[str] = set()
        self._counts: dict[str, int] = {}
        self._cotangent_of = _cotangents(graph)
        self._tangent_of = _tangents(graph, joined)
        self.short = [""] * len(graph.nodes)
        for i in range(len(graph.nodes)):
            self.short[i] = self._name(i)

    def _name(self, i: int) -> str:
        node = self._graph.nodes[i]
        if node.kind in _LEAVES:
            if node.name:
                return self._unique(short_name(node.name))
            if (node.shape or node.kind == "parameter") and self._graph.uses[i]:
                return self._counted("c" if node.kind == "constant" else "x")
            return node.label
        if self._joined[i] >= 0:
            return ""
        if node.name:
            return self._unique(node.name)
        return self._letter(i) if self._graph.uses[i] else ""

    def _letter(self, i: int) -> str:
        """A name for an operation that the user has not named."""
        node, short = self._graph.nodes[i], self.short
        value = self._cotangent_of.get(i)
        if value is not None and short[value]:
            return self._unique(f"∂{short[value]}")
        moved = self._tangent_of.get(i)
        if moved is not None and short[moved]:
            return self._unique(tangent_of(short[moved]))
        letter = _PHASE_LETTERS.get(node.phase) or _LETTERS.get(node.op, "u")
        numbers = re.findall(r"\d+", node.module)
        index = numbers[-1] if numbers else _index_of([short[j] for j in self._graph.sources[i]])
        name = letter + subscript(index)
        return self._unique(name) if index and name not in self._taken else self._counted(letter)

    def _unique(self, name: str) -> str:
        while name in self._taken:
            name += "′"
        self._taken.add(name)
        return name

    def _counted(self, letter: str) -> str:
        """The letter with the next number that gives a new name."""
        while True:
            self._counts[letter] = self._counts.get(letter, 0) + 1
            name = letter + subscript(self._counts[letter])
            if name not in self._taken:
                self._taken.add(name)
                return name


def _about(node: Node) -> int:
    """The node in the picture whose derivative this one helps to compute, or a negative number."""
    return -1 if node.about is None else node.about


def _cotangents(graph: _Graph) -> dict[int, int]:
    """For nodes of the backward pass, the node whose cotangent they are.

    A cotangent is used by a node that belongs to another derivative than its own.
    """
    found: dict[int, int] = {}
    for i, node in enumerate(graph.nodes):
        if node.kind == "op" and node.phase == "backward" and _about(node) >= 0:
            for j in graph.sources[i]:
                if graph.nodes[j].phase == "backward" and graph.nodes[j].about != node.about:
                    found.setdefault(j, _about(node))
    return found


def _tangents(graph: _Graph, joined: Sequence[int]) -> dict[int, int]:
    """For nodes of the tangent pass the node whose tangent they are: the last one that is about it."""
    last: dict[int, int] = {}
    for i, node in enumerate(graph.nodes):
        if node.kind == "op" and node.phase == "tangent" and joined[i] < 0 and _about(node) >= 0:
            last[_about(node)] = i
    return {i: about for about, i in last.items()}


_UP = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")


def _index_of(names: Sequence[str]) -> str:
    """The subscript of the first operand, which its result takes over: h₀ = tanh(z₀)."""
    found = re.search("[₀-₉]+$", names[0]) if names else None
    return found[0].translate(_UP) if found else ""
