"""Fold what belongs to one line of calculus: the picture reads like the derivation on paper.

Values get letters (z₁, h₁), cotangents a ∂ (∂h₁), tangents a dot (ḣ₁). An operation is written into its only user where both
help to compute the same derivative, or the same line of an update rule; in the forward pass only what merely changes form
(transposes, signs, numbers) is, for there the operations are what one wants to see.

Names: `short` what a node is called in the formulas of others; `inner` the inputs that are written into a node's formula;
`joined[i]` the node into whose formula i is written, or -1.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import replace

from minigrad.drawing.graph.fold import contract
from minigrad.drawing.graph.notation import ATOM, PASSED, Written, formula, subscript, tangent_of
from minigrad.drawing.picture import Node, Picture

__all__ = ["formulas", "short_name"]

LONGEST = 44  # characters of a formula
_LEAVES = ("input", "parameter", "constant")
_FORM = {"transpose", "swapaxes", "negative", "reshape", "astype", "broadcast_to", "square", "moveaxis"}
_LETTERS = {"linear": "z", "matmul": "z", "tanh": "h", "relu": "h", "sigmoid": "h", "softplus": "h", "leaky_relu": "h",
            "elu": "h", "gelu": "h", "silu": "h"}  # fmt: skip


def formulas(picture: Picture) -> Picture:
    """The picture with its operations written as formulas, on as few boxes as tell the story."""
    nodes = picture.nodes
    n = len(nodes)
    sources: list[list[int]] = [[] for _ in range(n)]
    uses = [0] * n
    for e in sorted(picture.edges, key=lambda e: (e.target, e.position)):
        sources[e.target].append(e.source)
    nodes, turned = _without_transposes(nodes, sources)
    for i, mine in enumerate(sources):
        for j in mine if i not in turned else ():
            uses[j] += 1
    joined = _joined(nodes, sources, uses)
    short = _shorts(nodes, sources, uses, joined)
    texts: list[Written] = [("", ATOM)] * n
    groups: dict[int, list[int]] = {}
    for i, node in enumerate(nodes):
        if node.kind == "op" and i not in turned:
            texts[i] = _written(node, sources[i], texts, short, {j for j in sources[i] if joined[j] == i})
        top = turned.get(i, i)
        while joined[top] >= 0:
            top = joined[top]
        groups.setdefault(top, []).append(i)
    boxes = []
    for top, ids in groups.items():
        node = nodes[top]
        if node.kind == "op":
            text = texts[top][0]
            label = f"{short[top]} = {text}" if short[top] else text
            if node.name and node.name != short[top]:
                box = replace(node, label=node.name, formula=text)
            else:
                box = replace(node, label=label, formula="")
            box.bytes, box.flops = sum(nodes[i].bytes for i in ids), sum(nodes[i].flops for i in ids)
            timed = [seconds for i in ids if (seconds := nodes[i].seconds) is not None]
            box.seconds = sum(timed) if timed else None
            boxes.append((box, ids))
        elif len(ids) > 1 and short[top] in ("", node.label):
            boxes.append((node, ids))
        elif node.kind in _LEAVES and short[top] not in ("", node.label):
            boxes.append((replace(node, label=short[top], formula=node.label if node.name else ""), ids))
    small = contract(picture, boxes)
    for e in small.edges:
        e.label = ""  # the formula names its operands
    for node in small.nodes:
        if node.kind in _LEAVES:
            node.count = 1
    return small


def _without_transposes(nodes: Sequence[Node], sources: list[list[int]]) -> tuple[list[Node], dict[int, int]]:
    """A transposed matrix is its matrix with a ᵀ in the formulas of its users: the nodes with such arguments, and which node
    each transpose belongs to. `sources` is changed to lead past them."""
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
        if matrix and not node.name and not node.output and changed[i].arguments[boxes[0]] == "·" and "0, 1" not in node.params:
            turned[i] = sources[i][0]
    return changed, turned


def short_name(name: str) -> str:
    """What a parameter is called in formulas.

    >>> short_name("layers.0.weight"), short_name("encoder.bias"), short_name("x")
    ('W₀', 'b', 'x')
    """
    path, _, last = name.rpartition(".")
    if not path:
        return name
    numbers = re.findall(r"\d+", path)
    return {"weight": "W", "bias": "b"}.get(last, last) + (subscript(int(numbers[-1][-4:])) if numbers else "")


def _joined(nodes: Sequence[Node], sources: Sequence[Sequence[int]], uses: Sequence[int]) -> list[int]:
    joined = [-1] * len(nodes)

    def subject(node: Node) -> int | None:
        """Whose derivative it helps to compute: where that was folded, the box it was folded into."""
        i = node.about
        while i is not None and i >= 0 and joined[i] >= 0:
            i = joined[i]
        return i

    def may_join(i: int, u: int) -> bool:
        a, b = nodes[i], nodes[u]
        if a.kind != "op" or a.output or a.name or uses[i] != 1 or a.phase != b.phase:
            return False
        if a.phase == "forward":
            simple = a.op in _FORM or (len(sources[i]) == 1 and len(a.arguments) > 1)
            return simple and a.module == b.module
        if b.op in PASSED:
            return True
        return a.phase == "update" or (a.about is not None and subject(a) == subject(b)) or a.op in _FORM

    texts: list[Written] = [("", ATOM)] * len(nodes)
    short = ["z₁"] * len(nodes)  # for measuring; the real ones are given when it is known who needs one
    for i, node in enumerate(nodes):
        if node.kind != "op":
            continue
        inner = {j for j in sources[i] if may_join(j, i)}
        texts[i] = _written(node, sources[i], texts, short, inner)
        while len(texts[i][0]) > LONGEST and inner:
            inner.remove(max(inner, key=lambda j: (len(texts[j][0]), j)))
            texts[i] = _written(node, sources[i], texts, short, inner)
        for j in inner:
            joined[j] = i
    return joined


def _written(
    node: Node, sources: Sequence[int], texts: Sequence[Written], short: Sequence[str], inner: Collection[int]
) -> Written:  # fmt: skip
    operands: list[Written] = []
    given = iter(sources)
    for text in node.arguments:
        if not text.startswith("·"):
            operands.append((text, ATOM))
            continue
        j = next(given)
        operand = texts[j] if j in inner else (short[j] or "…", ATOM)
        operands.append(formula("transpose", [operand]) if text == "·ᵀ" else operand)
    return formula(node.op, operands, node.params)


def _shorts(nodes: Sequence[Node], sources: Sequence[Sequence[int]], uses: Sequence[int], joined: Sequence[int]) -> list[str]:
    """What each node is called: its name, or a letter in the order of creation, ∂ and dots for derivatives."""
    subject: dict[int, int] = {}  # a backward node → the node whose cotangent it is
    moved: dict[int, int] = {}  # a tangent node → the node whose tangent it is
    for i, node in enumerate(nodes):
        if node.about is None or node.about < 0 or node.kind != "op":
            continue
        if node.phase == "backward":
            for j in sources[i]:
                if nodes[j].phase == "backward" and nodes[j].about != node.about:
                    subject.setdefault(j, node.about)
        elif node.phase == "tangent" and joined[i] < 0:
            moved[i] = node.about
    last = {about: i for i, about in moved.items()}
    taken: set[str] = set()
    counts: dict[str, int] = {}
    short = [""] * len(nodes)

    def unique(name: str) -> str:
        while name in taken:
            name += "′"
        taken.add(name)
        return name

    for i, node in enumerate(nodes):
        if node.kind in _LEAVES:
            if node.name:
                short[i] = unique(short_name(node.name))
            elif node.shape and uses[i]:
                short[i] = _counted("c" if node.kind == "constant" else "x", counts, taken)
            else:
                short[i] = node.label
        elif joined[i] < 0 and node.name:
            short[i] = unique(node.name)
        elif joined[i] < 0 and uses[i]:
            about = subject.get(i)
            if about is not None and short[about]:
                short[i] = unique(f"∂{short[about]}")
            elif i in moved and last[moved[i]] == i and short[moved[i]]:
                short[i] = unique(tangent_of(short[moved[i]]))
            else:
                letter = {"backward": "g", "tangent": "t"}.get(node.phase) or _LETTERS.get(node.op, "u")
                numbers = re.findall(r"\d+", node.module)
                index = numbers[-1] if numbers else _index_of([short[j] for j in sources[i]])
                name = letter + index.translate(_DOWN) if index else ""
                short[i] = unique(name) if name and name not in taken else _counted(letter, counts, taken)
    return short


_DOWN = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
_UP = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")


def _index_of(names: Sequence[str]) -> str:
    """The subscript that the first operand has: h₀ = tanh(z₀)."""
    found = re.search("[₀-₉]+$", names[0]) if names else None
    return found[0].translate(_UP) if found else ""


def _counted(letter: str, counts: dict[str, int], taken: set[str]) -> str:
    while True:
        counts[letter] = counts.get(letter, 0) + 1
        name = letter + subscript(counts[letter])
        if name not in taken:
            taken.add(name)
            return name
