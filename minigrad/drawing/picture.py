"""The picture of a graph: plain data, without Tensors and arrays. All steps of drawing share it, and nothing
else.

`graph` makes a Picture of recorded Tensors, and smaller ones of it; `layout` gives every box a place; `write`
makes texts and files. Nodes stand in a topological order: an edge leads from a smaller id to a larger one.
All texts are as the user's program gave them, hostile or not; each writer escapes them for its own format.
"""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from operator import attrgetter

__all__ = [
    "DETAILS", "KINDS", "PHASES", "Cluster", "Edge", "Node", "Picture", "Program", "Visit",
    "amount", "gc_paused", "lines_of",
]  # fmt: skip

PHASES = ("forward", "backward", "tangent", "update")
KINDS = ("input", "parameter", "constant", "op", "fold")
DETAILS = ("shape", "dtype", "value", "grad", "bytes", "flops", "time", "source")


@dataclass(slots=True)
class Node:
    """One box: an operation, a leaf, or many operations folded into one.

    `kind` is "input" (an argument of the drawn function, or data), "parameter" (a live leaf), "constant",
    "op" or "fold" (a box that stands for `count` operations). `members` are the ids, in the unfolded picture,
    of the nodes that this one stands for. `arguments` are the operands of the op as they are written, with
    "·" for one that an edge brings, and "·=where" for one with a keyword; `stated` are the parameters that
    its formula states. `about` is the id of the node whose derivative this one helps to compute, negative if
    that node is not in the picture, and None where it is unknown. `seconds` is None where the time was not
    measured. `held` are the parameters that are written into this box and have none of their own.
    """

    id: int
    label: str
    kind: str = "op"
    op: str = ""
    name: str = ""
    phase: str = "forward"
    module: str = ""
    shape: tuple[int, ...] = ()
    dtype: str = ""
    output: bool = False
    formula: str = ""
    value: str = ""
    gradient: str = ""
    bytes: int = 0
    flops: int = 0
    seconds: float | None = None
    source: str = ""
    about: int | None = None
    arguments: tuple[str, ...] = ()
    params: str = ""
    stated: tuple[str, ...] = ()
    count: int = 1
    members: tuple[int, ...] = ()
    held: tuple[Node, ...] = ()

    def at(self, i: int) -> Node:
        """A copy with another id. `replace` takes several times as long."""
        return Node(i, *_without_id(self))


_without_id = attrgetter(*(f.name for f in fields(Node)[1:]))


@dataclass(slots=True)
class Edge:
    """`source` is an input of `target`, and `position` tells which one, counted from 0."""

    source: int
    target: int
    label: str = ""
    position: int = 0


@dataclass(slots=True)
class Cluster:
    """A frame around the nodes of one module. Clusters nest: `parent` is the position of the enclosing one in
    `Picture.clusters`, or None. `nodes` are the ids of the nodes directly inside."""

    label: str
    parent: int | None
    nodes: tuple[int, ...]


@dataclass(slots=True)
class Visit:
    """One step of the backward pass: `node` hands its cotangent, `gradient`, on to its inputs. `arrivals` are
    pairs of an input's id and the text of its cotangent after this contribution, in the order of the sweep.
    `within` are the same for parameters inside boxes: a box's id, the place in its `held`, and the text."""

    node: int
    gradient: str
    arrivals: tuple[tuple[int, str], ...]
    within: tuple[tuple[int, int, str], ...] = ()


@dataclass(slots=True)
class Picture:
    """A graph to be drawn.

    `total` counts the recorded operations and leaves that the picture stands for. `notes` are sentences for
    the reader: what was folded, the values of numbers. `show` are the details asked for. `direction` is
    "down", "right", "up", "left", or "auto", which leaves it to the layout. `visits` are the steps of the
    backward pass in order, if there is one scalar output; the first one is that output's. `files` has the
    whole path for each `source` of a node; it is the reader's own, so no writer but a page for links writes
    it.
    """

    title: str = ""
    nodes: list[Node] = field(default_factory=list)
    edges: list[Edge] = field(default_factory=list)
    clusters: list[Cluster] = field(default_factory=list)
    visits: list[Visit] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    show: tuple[str, ...] = ("shape",)
    direction: str = "down"
    total: int = 0
    files: dict[str, str] = field(default_factory=dict, compare=False)

    def phases(self) -> list[str]:
        """The phases that occur, in the order of a legend."""
        found = {node.phase for node in self.nodes}
        return [phase for phase in PHASES if phase in found]

    def leads_back(self, node: Node) -> bool:
        """Whether a node belongs to the backward pass, or is a tangent of something that does."""
        of = self.nodes[node.about].phase if node.about is not None and node.about >= 0 else ""
        return node.phase == "backward" or (node.phase == "tangent" and of == "backward")

    def showing(self, show: Iterable[str]) -> Picture:
        """The same picture with other details on its boxes."""
        return replace(self, show=tuple(show))


@dataclass(slots=True)
class Program:
    """How all numbers of a picture follow from its leaves; empty, and `why` a sentence, if a page cannot
    compute them.

    A step is [name, size, refs], [name, size, refs, more] or, in float32, [name, size, refs, more, 1]; a
    constant or leaf is ["", size, numbers], or ["", size, numbers, 1]. A ref is the position of an earlier
    step. `values` and `gradients` give the ref of a node of the unfolded
    picture, and `leaves` are the nodes whose numbers may be changed. `visits` stand beside
    `Picture.visits`: (the ref of the cotangent, [(that of the input's so far, that of the local derivative
    or -1, its formula), ...]). `strips` show the numbers of nodes where the page has none (see
    `program.strip_text`).
    """

    steps: list[list[object]] = field(default_factory=list)
    values: dict[int, int] = field(default_factory=dict)
    gradients: dict[int, int] = field(default_factory=dict)
    leaves: list[int] = field(default_factory=list)
    visits: list[tuple[int, list[tuple[int, int, str]]]] = field(default_factory=list)
    why: str = ""
    strips: dict[int, str] = field(default_factory=dict)


def lines_of(node: Node, show: Iterable[str]) -> list[str]:
    """The text of a box in every format: its headline, then one line for each detail. Parameters inside it
    come last."""
    show = tuple(show)
    lines = [node.label]
    if node.formula and node.formula != node.label:
        lines.append(node.formula)
    lines += _details(node, show)
    for leaf in node.held:
        details = _details(leaf, show)
        shape = details.pop(0) if details and {"shape", "dtype"} & {*show} else ""
        lines += [f"{leaf.label} {shape}".rstrip(), *details]
    return lines


def _details(node: Node, show: Sequence[str]) -> list[str]:
    lines = []
    kind = " ".join(
        text
        for text in (_shape(node.shape) if "shape" in show else "", node.dtype if "dtype" in show else "")
        if text
    )
    if kind:
        lines.append(kind)
    if "value" in show and node.value:
        lines.append(f"= {node.value}")
    if "grad" in show and node.gradient:
        lines.append(f"grad {node.gradient}")
    if "bytes" in show and node.bytes:
        lines.append(amount(node.bytes, "B"))
    if "flops" in show and node.flops:
        lines.append(amount(node.flops, "flop"))
    if "time" in show and node.seconds is not None:
        lines.append(amount(node.seconds, "s"))
    if "source" in show and node.source:
        lines.append(node.source)
    return lines


def _shape(shape: tuple[int, ...]) -> str:
    return " × ".join(map(str, shape))


def amount(number: float, unit: str) -> str:
    """A number of a unit, with the prefix that suits it.

    >>> amount(2048, "B"), amount(3.25e-6, "s")
    ('2.0 kB', '3.2 µs')
    """
    if number < 1 and number > 0:
        for factor, prefix in ((1e-3, "m"), (1e-6, "µ"), (1e-9, "n")):
            if number >= factor:
                return f"{number / factor:.1f} {prefix}{unit}"
    for factor, prefix in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= factor:
            return f"{number / factor:.1f} {prefix}{unit}"
    return f"{number:g} {unit}"


@contextmanager
def gc_paused() -> Iterator[None]:
    """Switch garbage collection off in this block.

    A large picture is some hundred thousand small objects, and none of them is garbage: to walk all of them
    again and again would take longer than to make them.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
