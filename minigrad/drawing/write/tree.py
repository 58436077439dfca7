"""A picture as text: an indented tree of the inputs of each output, and of their inputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from minigrad.drawing.layout.text_width import printable
from minigrad.drawing.picture import Node, Picture, lines_of

__all__ = ["tree"]

MOST_LINES = 120
DEEPEST = 60  # characters of indentation


def tree(picture: Picture) -> str:
    """One line for each node, below its user, and for each parameter inside it. A node shown before is named,
    with ↑, and not opened again."""
    sources: list[list[int]] = [[] for _ in picture.nodes]
    used = [False] * len(picture.nodes)
    for e in picture.edges:
        if e.source not in sources[e.target]:
            sources[e.target].append(e.source)
        used[e.source] = True
    roots = [node.id for node in picture.nodes if node.output or not used[node.id]]
    lines = [printable(picture.title[:200])] if picture.title else []
    seen: set[int] = set()
    stack = [(i, "", "") for i in reversed(roots)]
    while stack and len(lines) < MOST_LINES:
        i, lead, branch = stack.pop()
        first, text = _line(picture.nodes[i], picture.show)
        if i in seen:
            if branch:
                lines.append(f"{lead}{branch}{first} ↑" if sources[i] else f"{lead}{branch}{first}")
            continue
        seen.add(i)
        lines.append(f"{lead}{branch}{text}")
        below = lead if len(lead) > DEEPEST else lead + {"": "", "├─ ": "│  ", "└─ ": "   "}[branch]
        children = sources[i]
        held = picture.nodes[i].held
        for k, leaf in enumerate(held):
            last = k == len(held) - 1 and not children
            lines.append(f"{below}{'└─ ' if last else '├─ '}{_line(leaf, picture.show)[1]}")
        stack += [
            (j, below, "└─ " if k == len(children) - 1 else "├─ ")
            for k, j in reversed(list(enumerate(children)))
        ]
    if stack:
        lines.append(f"… {len(picture.nodes):,} boxes in all")
    return "\n".join([*lines, *(printable(note[:400]) for note in picture.notes)])


def _line(node: Node, show: Sequence[str]) -> tuple[str, str]:
    """The headline of a box, and the headline with its details behind it."""
    first, *details = [printable(line[:200]) for line in lines_of(replace(node, held=()), show)]
    return first, f"{first}  ({', '.join(details)})" if details else first
