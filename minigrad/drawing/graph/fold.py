"""Smaller pictures from larger ones: many operations drawn as one box.

`contract` folds any choice of groups and never makes a cycle. The choices are `repeats`, where the same block
comes many times; and `intervals`, which cuts stretches out of graphs too large to draw. The folding of a line
of calculus and that of modules have files of their own, `formulas` and `modules`.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Collection, Hashable, Iterable, Sequence
from dataclasses import replace
from itertools import takewhile

from minigrad.drawing.picture import Cluster, Edge, Node, Picture, Visit

__all__ = [
    "contract",
    "folded_box",
    "homes_of",
    "intervals",
    "leading",
    "only",
    "repeats",
    "runs",
    "subgraph",
    "with_clusters",
]

REPEATS = 3  # a block is folded if it comes at least so many times in succession
NEAR = 16  # an input at most so many places back belongs to the same block
SMALLEST = 4  # a fold stands for at least so many boxes

_WORKING = ("op", "fold")

Group = tuple[Node, Sequence[int]]  # the box to draw, and the ids of the nodes that it replaces
Sorted = tuple[Node, list[int]]  # the same with the ids sorted
Marks = list[tuple[Hashable, ...]]


def contract(picture: Picture, groups: Iterable[Group]) -> Picture:
    """The picture with each group as one node and without frames; a group whose contraction would make a
    cycle stays as it is.

    A node that could be reached from another one can still be reached from it.
    """
    kept, owner, order = _contractible(picture, [(box, sorted(ids)) for box, ids in groups if ids])
    group_at = {ids[-1]: (box, ids) for box, ids in kept}
    nodes = []
    for new, old in enumerate(order):
        if old in group_at:
            nodes.append(_merged(new, *group_at[old], picture))
        else:
            nodes.append(picture.nodes[old].at(new))
    place = {old: new for new, old in enumerate(order)}
    moved = [place[i] for i in owner]  # the new id of each old node
    for node in nodes:
        if node.about is not None and node.about >= 0:
            node.about = moved[node.about]
    edges = _moved_edges(picture.edges, moved, {place[ids[-1]] for _, ids in kept})
    visits = []
    for v in picture.visits:
        arrivals = tuple((moved[i], text) for i, text in v.arrivals)
        within = tuple((moved[i], k, text) for i, k, text in v.within if nodes[moved[i]].held)
        visits.append(Visit(moved[v.node], v.gradient, arrivals, within))
    return replace(picture, nodes=nodes, edges=edges, visits=visits, clusters=[], notes=list(picture.notes))


def _contractible(picture: Picture, groups: list[Sorted]) -> tuple[list[Sorted], list[int], list[int]]:
    """The groups that can be contracted without a cycle, the owner of each node, and the owners in
    topological order. The owner of a node is the last member of its group, or the node itself."""
    while True:
        owner = list(range(len(picture.nodes)))
        for _, ids in groups:
            for i in ids:
                owner[i] = ids[-1]
        order = _ordered(owner, picture.edges)
        if order is not None:
            return groups, owner, order
        groups = _without_one_cycle(groups, owner, picture.edges)


def _merged(new: int, box: Node, ids: Sequence[int], picture: Picture) -> Node:
    """The box of a group, standing for all that its nodes stand for."""
    inside = [picture.nodes[i] for i in ids]
    return replace(
        box,
        id=new,
        members=tuple(sorted({m for node in inside for m in node.members})),
        count=sum(node.count for node in inside),
        output=any(node.output for node in inside),
    )


def _moved_edges(edges: Iterable[Edge], moved: Sequence[int], folded: Collection[int]) -> list[Edge]:
    """The edges between the new nodes; a folded node gets at most one from each other node."""
    kept: list[Edge] = []
    known: set[tuple[int, int]] = set()
    for e in edges:
        ends = moved[e.source], moved[e.target]
        if ends[0] == ends[1] or ends in known:
            continue
        if ends[1] in folded:
            known.add(ends)
        kept.append(Edge(*ends, e.label, e.position))
    return kept


def _ordered(owner: Sequence[int], edges: Sequence[Edge]) -> list[int] | None:
    """The owners in topological order, or None if there is a cycle. Where there is a choice, the group comes
    first that begins first, and leaves stand right before their first use. A group does not count by its end,
    because a value's transposes, which belong to it, may be as late as the backward pass."""
    waiting = dict.fromkeys(owner, 0)
    users: dict[int, list[int]] = {i: [] for i in waiting}
    sources: dict[int, list[int]] = {i: [] for i in waiting}
    for e in edges:
        a, b = owner[e.source], owner[e.target]
        if a != b:
            waiting[b] += 1
            users[a].append(b)
            sources[b].append(a)
    first = {owner[i]: i for i in reversed(range(len(owner)))}
    ready = [(first[i], i) for i, k in waiting.items() if not k]
    heapq.heapify(ready)
    order = []
    while ready:
        _, i = heapq.heappop(ready)
        order.append(i)
        for j in users[i]:
            waiting[j] -= 1
            if not waiting[j]:
                heapq.heappush(ready, (first[j], j))
    if len(order) < len(waiting):
        return None
    placed: dict[int, None] = {}
    for i in order:
        if sources[i] or not users[i]:
            placed |= dict.fromkeys(j for j in sources[i] if j not in placed)
            placed[i] = None
    return list(placed)


def _without_one_cycle(groups: list[Sorted], owner: Sequence[int], edges: Sequence[Edge]) -> list[Sorted]:
    """The groups except the largest one that lies on a cycle."""
    users: dict[int, set[int]] = {}
    for e in edges:
        if owner[e.source] != owner[e.target]:
            users.setdefault(owner[e.source], set()).add(owner[e.target])
    for _, ids in sorted(groups, key=lambda group: -len(group[1])):
        start = owner[ids[0]]
        seen: set[int] = set()
        stack = [*users.get(start, ())]
        while stack:
            i = stack.pop()
            if i == start:
                return [(box, other) for box, other in groups if other is not ids]
            if i not in seen:
                seen.add(i)
                stack += users.get(i, ())
    raise AssertionError("an acyclic graph was called cyclic")


def folded_box(label: str, ops: Iterable[str], phases: Iterable[str], module: str = "") -> Node:
    """The box of a group, with its name and the operations in it, the most frequent first."""
    counts = Counter(op for op in ops if op)
    common = counts.most_common(4)
    text = ", ".join(op if k == 1 else f"{k:,} {op}" for op, k in common) + (
        ", …" if len(counts) > len(common) else ""
    )
    phase = Counter(phases).most_common(1)
    return Node(0, label, kind="fold", phase=phase[0][0] if phase else "forward", module=module, formula=text)


# Repetition


def runs(signs: Sequence[Hashable]) -> list[tuple[int, int, int]]:
    """Blocks that come `REPEATS` times or more in direct succession, as (start, length of a block, how many).

    >>> runs(list("xabababy"))
    [(1, 2, 3)]
    """
    numbers: dict[Hashable, int] = {}
    code = [numbers.setdefault(sign, len(numbers)) for sign in signs]
    n = len(code)
    recent: dict[int, tuple[int, ...]] = {}
    found = []
    i = end = 0  # the blocks found so far lie before `end`, and the next one begins there or later
    budget = 6 * n  # comparisons, so that the search stays linear
    while i < n:
        best = 0, 0
        for j in recent.get(code[i], ()):
            period = i - j
            if j < end or period > n // REPEATS or budget < 0:
                continue
            m = 0
            while i + m < n and code[i + m] == code[i + m - period]:
                m += 1
            budget -= m
            if m >= (REPEATS - 1) * period and m + period > best[0]:
                best = m + period, period
        if best[1]:
            length, period = best
            start = i - period
            found.append((start, period, length // period))
            for k in range(i, start + length // period * period):
                recent[code[k]] = (k,)
            i = end = start + length // period * period
            continue
        recent[code[i]] = (i, *recent.get(code[i], ())[:3])
        i += 1
    return found


def signs_of(marks: Sequence[tuple[Hashable, ...]], inputs: Sequence[Sequence[int]]) -> list[Hashable]:
    """A sign for each box, the same for boxes that may be the same place in a repeated block.

    It is the mark, which ends with the phase, and how far back each input stands. Of an input of another
    phase, or that stands far back, or is a leaf that another box used before, only the mark counts, because a
    backward pass meets the blocks of the forward pass in the opposite order.
    """
    used = [False] * len(marks)
    signs: list[Hashable] = []
    for i, sources in enumerate(inputs):
        where: list[Hashable] = []
        for j in sources:
            elsewhere = i - j > NEAR or marks[i][-1] != marks[j][-1]
            where.append(marks[j] if elsewhere or (not inputs[j] and used[j]) else i - j)
        for j in sources:
            used[j] = True
        signs.append((marks[i], tuple(where)))
    return signs


def repeats(picture: Picture) -> Picture:
    """Draw the first and the last of successive equal blocks, and all blocks between them as one box. A
    derivative of blocks that are folded is folded with them, so the passes show the same blocks."""
    marks, inputs = _marked(picture)
    signs = signs_of(marks, inputs)
    boxes = []
    notes = []
    folded: set[int] = set()
    for start, period, times in runs(signs):
        start, stop = _mirrored(picture.nodes, start, start + times * period, folded) or _between(
            picture, signs, inputs, (start, period, times)
        )
        times = (stop - start) // period
        if times < 2 or times * period < SMALLEST:
            continue
        folded.update(range(start, stop))
        inside = picture.nodes[start:stop]
        box = folded_box(
            f"× {times:,} the same",
            (x.op for x in inside[:period]),
            (x.phase for x in inside),
            _around([x.module for x in inside if x.op]),
        )
        boxes.append((box, range(start, stop)))
        notes.append(f"{times:,} repetitions of {period:,} boxes are folded")
    small = contract(picture, boxes)
    small.notes += notes
    return small


def _between(
    picture: Picture,
    signs: Sequence[Hashable],
    inputs: Sequence[Sequence[int]],
    run: tuple[int, int, int],
) -> tuple[int, int]:
    """The blocks of a run between its first and its last one, where they begin and end.

    Equal boxes can be cut into blocks at each place of a period. They are cut where the fewest values pass,
    before an input or where a module begins: so the steps of a recurrence stay whole. If the block before the
    run has the same operations, as the first step has, it stands for the first one too.
    """
    start, period, times = run
    nodes, end = picture.nodes, start + times * period

    def cost(offset: int) -> tuple[int, bool, bool]:
        at = start + period + offset
        passing = {j for i in range(at, at + period) for j in inputs[i] if at - period <= j < at}
        here, before = nodes[at], nodes[at - 1]
        return len(passing), here.kind in _WORKING, here.module == before.module

    whole = 0  # by so much can the run be moved and keep all its blocks
    while whole < period - 1 and signs[end + whole : end + whole + 1] == [signs[start + whole]]:
        whole += 1
    offset = min(range(period), key=lambda k: (cost(k), k > whole, k))
    start, times = start + offset, times - (offset > whole)
    ops = [x.op for x in nodes[start : start + period] if x.kind in _WORKING]
    ahead = [x.op for x in nodes[max(0, start - 2 * period) : start] if x.kind in _WORKING]
    first = 0 if ops and all(ops) and ahead[-len(ops) :] == ops else 1
    return start + first * period, start + (times - 1) * period


def _mirrored(
    nodes: Sequence[Node], start: int, stop: int, folded: Collection[int]
) -> tuple[int, int] | None:
    """The stretch of nodes that overlaps this one and helps to compute derivatives of the folded ones."""
    there = [i for i in range(start, stop) if nodes[i].about in folded]
    if not there:
        return None
    start, stop = there[0], there[-1] + 1
    while start and nodes[start - 1].about in folded:
        start -= 1
    while stop < len(nodes) and nodes[stop].about in folded:
        stop += 1
    return start, stop


def _around(modules: Sequence[str]) -> str:
    """The innermost module that holds all of these, or "".

    >>> _around(["net.cells.0.x", "net.cells.0", "net.cells.0.h"])
    'net.cells.0'
    """
    paths = [path.split(".") for path in modules]
    shared = takewhile(lambda parts: len({*parts}) == 1, zip(*paths, strict=False))
    return ".".join(parts[0] for parts in shared)


def _marked(picture: Picture) -> tuple[Marks, list[list[int]]]:
    """The marks by which boxes are compared, and the inputs of each."""
    marks: Marks = [
        (x.op or (x.formula if x.kind == "fold" else ""), x.params, x.shape, x.kind, x.phase)
        for x in picture.nodes
    ]
    inputs: list[list[int]] = [[] for _ in picture.nodes]
    for e in picture.edges:
        inputs[e.target].append(e.source)
    return marks, inputs


def _repeat_groups(
    marks: Sequence[tuple[Hashable, ...]], inputs: Sequence[Sequence[int]]
) -> list[tuple[int, int, int, int]]:
    """The stretches of boxes to draw as one, as (start, stop, length of a block, how many blocks)."""
    return [
        (start + period, start + (times - 1) * period, period, times - 2)
        for start, period, times in runs(signs_of(marks, inputs))
        if (times - 2) * period >= SMALLEST
    ]


def intervals(
    marks: Sequence[tuple[str, object, str]], inputs: Sequence[Sequence[int]], keep: int
) -> tuple[list[tuple[Node, range]], str]:
    """Stretches of a long topological order to draw as one box each, so that about `keep` boxes stay, and a
    sentence about them.

    Repetitions are folded first. If that is not enough, all but the beginning and the end is cut into a few
    stretches.
    """
    found = _repeat_groups(marks, inputs)
    pieces: list[tuple[range, str]] = []
    at = 0
    for start, stop, _, times in found:
        pieces += [(range(i, i + 1), "") for i in range(at, start)]
        pieces.append((range(start, stop), f"× {times:,} the same"))
        at = stop
    pieces += [(range(i, i + 1), "") for i in range(at, len(marks))]
    sentences = (
        [f"{sum(len(r) for r, text in pieces if text):,} of them repeat a block and are folded"]
        if found
        else []
    )
    if len(pieces) > keep:
        head, tail, parts = keep // 3, keep // 3, max(1, keep // 6)
        middle = pieces[head : len(pieces) - tail]
        step = -(-len(middle) // parts)
        joined = []
        for k in range(0, len(middle), step):
            part = middle[k : k + step]
            whole = range(part[0][0].start, part[-1][0].stop)
            joined.append((whole, f"{len(whole):,} operations"))
        sentences.append(f"{sum(len(r) for r, _ in joined):,} between the beginning and the end are folded")
        pieces = pieces[:head] + joined + pieces[len(pieces) - tail :]
    groups = []
    for span, label in pieces:
        if label:
            inside = [marks[i] for i in span]
            groups.append(
                (folded_box(label, (m[0] for m in inside if m[0] != "leaf"), (m[2] for m in inside)), span)
            )
    return groups, " and ".join(sentences) or "all are shown"


# Parts


def only(picture: Picture, phases: Iterable[str]) -> Picture:
    """The part of the picture that was made in these phases, with the nodes that are its direct inputs."""
    wanted = set(phases)
    inner = {x.id for x in picture.nodes if x.kind in ("op", "fold") and x.phase in wanted}
    part = subgraph(picture, inner | {e.source for e in picture.edges if e.target in inner})
    used = {e.target for e in part.edges}
    for node in part.nodes:
        node.members = (node.id,)  # this part becomes the whole picture
        if node.kind == "op" and node.phase not in wanted:
            node.kind, node.arguments = "input", ()
    part.edges = [
        e for e in part.edges if part.nodes[e.target].phase in wanted or part.nodes[e.target].kind != "input"
    ]
    return with_clusters(part) if used else part


def leading(picture: Picture) -> Picture:
    """The part of the picture that leads to an output."""
    sources: list[list[int]] = [[] for _ in picture.nodes]
    for e in picture.edges:
        sources[e.target].append(e.source)
    stack = [node.id for node in picture.nodes if node.output]
    kept = set(stack)
    while stack:
        new = [j for j in sources[stack.pop()] if j not in kept]
        kept |= set(new)
        stack += new
    return subgraph(picture, kept) if len(kept) < len(picture.nodes) else picture


def subgraph(picture: Picture, kept: set[int]) -> Picture:
    """The picture of some of the nodes, with the edges and visits between them, and without frames."""
    place = {old: new for new, old in enumerate(sorted(kept))}
    nodes = [picture.nodes[old].at(new) for old, new in place.items()]
    for node in nodes:
        if node.about is not None:
            node.about = place.get(node.about, -1 - abs(node.about))
    inside = [e for e in picture.edges if e.source in place and e.target in place]
    edges = [Edge(place[e.source], place[e.target], e.label, e.position) for e in inside]
    visits = []
    for v in picture.visits:
        if v.node in place:
            arrivals = tuple((place[i], text) for i, text in v.arrivals if i in place)
            within = tuple((place[i], k, text) for i, k, text in v.within if i in place)
            visits.append(Visit(place[v.node], v.gradient, arrivals, within))
    return replace(picture, nodes=nodes, edges=edges, visits=visits, clusters=[], notes=list(picture.notes))


def homes_of(picture: Picture) -> list[str]:
    """The module of each node, or "". A parameter belongs to the module of its users."""
    modules: dict[int, set[str]] = {node.id: set() for node in picture.nodes if node.kind == "parameter"}
    for e in picture.edges:
        if e.source in modules:
            modules[e.source].add(picture.nodes[e.target].module)
    return [
        node.module if not (of := modules.get(node.id)) else next(iter(of)) if len(of) == 1 else ""
        for node in picture.nodes
    ]


def with_clusters(picture: Picture, times: Sequence[int] = ()) -> Picture:
    """The picture with frames around the nodes of each module. Frames of modules inside modules nest. In a
    recurrence, where `times` tells the step of each node, every step has its own frames; a module whose
    forward pass is one box in a step needs none.

    Beside its forward pass, a module's frame holds the derivatives that end in it, those of its parameters.
    One that leads back to an earlier module stands between the two frames, so that both stay short; in a
    recurrence it stays inside.
    """
    users: list[list[int]] = [[] for _ in picture.nodes]
    for e in picture.edges:
        users[e.source].append(e.target)
    members: dict[tuple[str, int], list[int]] = {}
    forward = {
        node.module for node in picture.nodes if node.phase == "forward" and node.kind in ("op", "fold")
    }
    for node, module in zip(picture.nodes, homes_of(picture), strict=True):
        inside = times or module not in forward or not _passes_on(node, module, picture, users[node.id])
        if module and inside:
            members.setdefault((module, times[node.id] if times else 0), []).append(node.id)
    roots = {path.split(".")[0] for path, _ in members if "." in path}
    for path, t in sorted(members, key=lambda key: -key[0].count(".")):  # inner modules first
        if _is_one_box([picture.nodes[i] for i in members[path, t]], bool(times)):
            around = next((above for above in _above(path) if (above, t) in members), "")
            members.setdefault((around, t), []).extend(members.pop((path, t)))
    keys = sorted(key for key in members if key[0] and key[0] not in roots)
    position = {key: k for k, key in enumerate(keys)}
    short = Counter(path.partition(".")[2] for path in {path for path, _ in keys})
    clusters = []
    for path, t in keys:
        parent = next((position[above, t] for above in _above(path) if (above, t) in position), None)
        below = path.partition(".")[2]
        label = below if below and short[below] == 1 else path
        clusters.append(Cluster(label, parent, tuple(members[path, t])))
    return replace(picture, clusters=clusters)


def _is_one_box(inside: Sequence[Node], recurs: bool) -> bool:
    """Whether a module with these nodes needs no frame."""
    if recurs:
        return sum(node.phase == "forward" for node in inside) < 2
    return len(inside) == 1 and not inside[0].held


def _above(path: str) -> list[str]:
    """The paths above one, the nearest first."""
    parts = path.split(".")
    return [".".join(parts[:k]) for k in range(len(parts) - 1, 0, -1)]


def _passes_on(node: Node, module: str, picture: Picture, users: Sequence[int]) -> bool:
    """Whether a derivative of the backward pass is used outside the module."""
    there = (f"{picture.nodes[j].module}." for j in users)
    return picture.leads_back(node) and not all(m.startswith(f"{module}.") for m in there)
