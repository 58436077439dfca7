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
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from minigrad.drawing.graph.fold import contract
from minigrad.drawing.graph.notation import (
    ATOM,
    COMPARED,
    FROM_LOW,
    PASSED,
    Written,
    formula,
    rounded,
    tangent_of,
)
from minigrad.drawing.picture import Node, Picture
from minigrad.tables import subscript

__all__ = ["distinct", "formulas", "renumbered", "short_name"]

LONGEST = 44  # characters of a formula
_LOW = "₀₁₂₃₄₅₆₇₈₉"
_LEAVES = ("input", "parameter", "constant")
_FORM = {"transpose", "swapaxes", "negative", "reshape", "astype", "broadcast_to", "square", "moveaxis",
         "getitem", "place", "positive", *COMPARED}  # fmt: skip
_LETTERS = {"linear": "z", "matmul": "z", "tanh": "h", "relu": "h", "sigmoid": "h", "softplus": "h",
            "leaky_relu": "h", "elu": "h", "gelu": "h", "silu": "h"}  # fmt: skip
_PHASE_LETTERS = {"backward": "g", "tangent": "t"}


@dataclass(slots=True)
class _Graph:
    """The graph of a picture with a transposed matrix written as its matrix, and an entry as its vector.
    `sources` are the inputs of each node, `uses` counts its users, and `views` maps each transpose and entry,
    now without users, to its array. `claimed` are the names that the user gave."""

    nodes: Sequence[Node]
    sources: list[list[int]]
    uses: list[int]
    views: dict[int, int]
    claimed: set[str]

    def array_of(self, i: int | None) -> int | None:
        """The array of which node i is a view, or i itself: their derivatives belong together."""
        return i if i is None else self.views.get(i, i)


def formulas(picture: Picture) -> Picture:
    """The picture with its operations written as formulas, several of them in one box."""
    graph = _graph_of(picture)
    joined = _joined(graph)
    short = _Names(graph, joined).short
    texts: list[Written] = [("", ATOM)] * len(graph.nodes)
    groups: dict[int, list[int]] = {}
    for i, node in enumerate(graph.nodes):
        if node.kind == "op" and i not in graph.views:
            sources = graph.sources[i]
            texts[i] = _written(node, sources, texts, short, {j for j in sources if joined[j] == i})
        top = graph.views.get(i, i)
        while joined[top] >= 0:
            top = joined[top]
        groups.setdefault(top, []).append(i)
    boxes = []
    for top, ids in groups.items():
        box = _box(graph.nodes[top], short[top], rounded(texts[top][0]), [graph.nodes[i] for i in ids])
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
    claimed = {short_name(node.name) for node in picture.nodes if node.name}
    nodes, views = _without_views(_indexed(picture.nodes, sources, claimed), sources)
    uses = [0] * len(nodes)
    for i, mine in enumerate(sources):
        for j in mine if i not in views else ():
            uses[j] += 1
    return _Graph(nodes, sources, uses, views, claimed)


def _indexed(nodes: Sequence[Node], sources: Sequence[Sequence[int]], claimed: Collection[str]) -> list[Node]:
    """The nodes, with brackets around an index where x₀ or the unit vector e₀ would be another one's name."""
    found = list(nodes)
    for i, node in enumerate(nodes):
        if node.op in ("getitem", "place") and len(node.stated) == 1 and sources[i]:
            of = nodes[sources[i][0]].name
            text = formula(node.op, [(short_name(of) if node.op == "getitem" else "1", ATOM)], node.stated)[0]
            if text in claimed or (node.op == "place" and "e" in claimed):
                found[i] = replace(node, stated=(node.stated[0].translate(FROM_LOW),))
    return found


def _without_views(nodes: Sequence[Node], sources: list[list[int]]) -> tuple[list[Node], dict[int, int]]:
    """Write a transposed matrix as its matrix with a ᵀ and an entry as its vector with an index, in the
    arguments of their users.

    Returns the changed nodes, and for each of these views the array it belongs to. `sources` is changed to
    lead past them.
    """
    views: dict[int, int] = {}
    marks: dict[int, str] = {}  # what a user writes behind the name of the array
    changed = list(nodes)
    for i, node in enumerate(nodes):
        if node.kind != "op":
            continue
        if any(j in views for j in sources[i]):
            node = changed[i] = _past_views(node, sources[i], marks)
            sources[i] = [views.get(j, j) for j in sources[i]]
        mark = _mark(node)
        if mark is not None and len(sources[i]) == 1 and not node.name and not node.output:
            views[i], marks[i] = sources[i][0], mark
    return changed, views


def _past_views(node: Node, sources: Sequence[int], marks: Mapping[int, str]) -> Node:
    """The node with the marks of the views among its operands in its arguments. A ᵀ behind a ᵀ is none."""
    arguments = list(node.arguments)
    boxes = [p for p, text in enumerate(arguments) if text.startswith("·")]
    for p, j in zip(boxes, sources, strict=True):
        text, sign, word = arguments[p].partition("=")
        mark = text + marks.get(j, "")
        arguments[p] = ("·" if mark == "·ᵀᵀ" else mark) + sign + word
    return replace(node, arguments=tuple(arguments))


def _mark(node: Node) -> str | None:
    """What stands behind an array's name for this view of it: ᵀ, an index, or nothing if two ᵀ cancel. None
    for a node that is no view."""
    if len(node.arguments) != 1 or node.arguments[0] not in ("·", "·ᵀ"):
        return None
    turned = node.arguments[0] == "·ᵀ"
    if node.op in ("transpose", "swapaxes") and len(node.shape) == 2 and not node.stated:
        return "" if turned else "ᵀ"
    entry = node.op == "getitem" and node.shape == () and node.stated[0].translate(FROM_LOW).isdecimal()
    return node.stated[0] if entry and not turned else None


def short_name(name: str) -> str:
    """The name of a parameter in formulas.

    >>> [short_name(name) for name in ("layers.0.weight", "encoder.bias", "x", "net.neurons.1.w.0")]
    ['W₀', 'b', 'x', 'w₁₀']
    """
    *path, last = name.split(".")
    if not path:
        return name
    numbers = [part[-4:] for part in re.findall(r"\d+", ".".join(path))][-1:]
    while last.isdecimal() and path:  # an element of a list: all its numbers stand low
        numbers, last = [*re.findall(r"\d+", ".".join([*path, last]))], path.pop()
    return {"weight": "W", "bias": "b"}.get(last, last) + subscript("".join(str(int(n)) for n in numbers))


def distinct(name: str, taken: Collection[str]) -> str:
    """The name, or a similar one that is not taken: with one or two primes, or else with a number.

    >>> distinct("W", ["W", "W′"]), distinct("W", ["W", "W′", "W′′", "W₄"]), distinct("W₀", ["W₀", "W₀′"])
    ('W′′', 'W₅', 'W₀′′')
    """
    k, new = 0, name
    while new in taken:
        k += 1
        new = name + subscript(k + 1) if k > 2 and name[-1] not in _LOW else name + "′" * k
    return new


def _joined(graph: _Graph) -> list[int]:
    """For each node the one into whose formula it is written, or -1. A node is not written into a
    formula that would get longer than `LONGEST`."""
    nodes = graph.nodes
    joined = [-1] * len(nodes)
    texts: list[Written] = [("", ATOM)] * len(nodes)
    short = ["z₁"] * len(nodes)  # for measuring; names are given once it is known which nodes need one
    for i, node in enumerate(nodes):
        if node.kind != "op" or i in graph.views:
            continue
        sources = graph.sources[i]
        inner = {j for j in sources if _may_join(graph, joined, j, i)}
        texts[i] = _written(node, sources, texts, short, inner)
        while len(rounded(texts[i][0])) > LONGEST and inner:
            inner.remove(max(inner, key=lambda j: (len(rounded(texts[j][0])), j)))
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
    once = a.op in ("multiply", "scale", "select") and "1" in a.arguments
    if b.op in PASSED or a.phase == "update" or a.op in _FORM or once:
        return True
    return a.about is not None and _subject(graph, a, joined) == _subject(graph, b, joined)


def _subject(graph: _Graph, node: Node, joined: Sequence[int]) -> int | None:
    """The node whose derivative this one helps to compute, or the node into which that was folded."""
    i = graph.array_of(node.about)
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
        text, _, word = text.partition("=")
        operand = texts[j] if j in inner else (short[j] or "…", ATOM)
        if text == "·ᵀ":
            operand = formula("transpose", [operand])
        elif text != "·":
            operand = formula("getitem", [operand], [text[1:]])
        operands.append((f"{word}={operand[0]}", ATOM) if word else operand)
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
        if i in self._graph.views and node.op == "getitem":
            text = formula("getitem", [(self.short[self._graph.views[i]] or "…", ATOM)], node.stated)[0]
            return "" if "[" in text else text
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
        index = numbers[-1] if numbers else _index_of([short[j] for j in self._graph.sources[i]], letter)
        name = letter + subscript(index)
        return self._unique(name) if index and name not in self._taken else self._counted(letter)

    def _unique(self, name: str) -> str:
        name = distinct(name, self._taken)
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

    A cotangent is used by a node that belongs to another derivative than its own, and has the shape of its
    value. It is no part of a gradient to which a sum adds what that other derivative sends.
    """
    found: dict[int, int] = {}
    for i, node in enumerate(graph.nodes):
        if node.kind == "op" and node.phase == "backward" and _about(node) >= 0:
            own, shape = graph.array_of(node.about), graph.nodes[_about(node)].shape
            strange = [j for j in graph.sources[i] if graph.array_of(graph.nodes[j].about) != own]
            if node.op == "add" and len(strange) < len(graph.sources[i]):
                continue
            for j in strange:
                if graph.nodes[j].phase == "backward" and graph.nodes[j].shape == shape:
                    found.setdefault(j, _about(node))
    return found


def _tangents(graph: _Graph, joined: Sequence[int]) -> dict[int, int]:
    """For nodes of the tangent pass the node whose tangent they are: the last one that is about it."""
    last: dict[int, int] = {}
    for i, node in enumerate(graph.nodes):
        if node.kind == "op" and node.phase == "tangent" and joined[i] < 0 and _about(node) >= 0:
            last[_about(node)] = i
    return {i: about for about, i in last.items()}


# a letter with an index, also beside raised signs, as in u₁ᵀu₂²
_NUMBERED = re.compile("(?<![^\\Wᵀ₀-₉⁰¹²³⁴-⁹])([^\\W\\d_ᵀ]\u0307?)[₀-₉]+(?![^\\Wᵀᵗⁿ⁰¹²³⁴-⁹])")


def renumbered(picture: Picture) -> Picture:
    """The picture with its letters counted from 1 in the order of its boxes, because folding leaves gaps.

    Names that the user gave stay, and so do those of layers: z₂ and h₂ belong to the layer of this number.
    """
    given = {text for node in picture.nodes if node.name for text in (node.name, short_name(node.name))}
    texts = [f"{node.label} {node.formula}" for node in picture.nodes]
    first = [match[0] for text in texts if (match := _NUMBERED.match(text))]
    layered = any(match[0].startswith("z") for text in texts for match in _NUMBERED.finditer(text))
    letters = {*"ugtcx", "u" if layered else "h"} - given  # x₁ may be an entry of a vector x
    new: dict[str, str] = {}
    counts: dict[str, int] = {}
    for name in [*first, *(match[0] for text in texts for match in _NUMBERED.finditer(text))]:
        letter = name[0]
        if name in new or name in given or len(name.rstrip(_LOW)) > 1 or letter not in letters:
            continue
        while name not in new or new[name] in given:
            counts[letter] = counts.get(letter, 0) + 1
            new[name] = letter + subscript(counts[letter])
    new |= {tangent_of(old): tangent_of(name) for old, name in new.items()}
    if all(old == name for old, name in new.items()):
        return picture

    def text_of(text: str) -> str:
        return _NUMBERED.sub(lambda match: new.get(match[0], match[0]), text)

    nodes = [
        replace(node, label=text_of(node.label), formula=text_of(node.formula)) for node in picture.nodes
    ]
    return replace(picture, nodes=nodes)


def _index_of(names: Sequence[str], letter: str) -> str:
    """The subscript that an activation takes over from its operand: h₀ = tanh(z₀)."""
    found = re.fullmatch("z([₀-₉]+)", names[0]) if names and letter == "h" else None
    return found[1].translate(FROM_LOW) if found else ""
