"""A picture as DOT, the language of Graphviz. All quoting is our own: identifiers are n0, n1, ...; whatever a user named goes
into quoted labels only, never into a record, an HTML label or a URL; and no `size`, which makes Graphviz clip."""

from __future__ import annotations

from minigrad.drawing.layout.arranging import box_lines
from minigrad.drawing.layout.text_width import printable, shortened
from minigrad.drawing.picture import Node, Picture
from minigrad.drawing.write.theme import Theme, theme_of

__all__ = ["dot", "quoted"]

_DIRECTIONS = {"down": "TB", "right": "LR", "up": "BT", "left": "RL"}


def quoted(*lines: str) -> str:
    r"""Lines of text as one quoted string that Graphviz shows literally.

    >>> quoted('<b> "x" {a|b}', r"\N & more")
    '"<b> \\"x\\" {a|b}\\n\\\\N &amp; more"'
    """
    safe = (printable(line).replace("&", "&amp;").replace("\\", "\\\\").replace('"', '\\"') for line in lines)
    return '"' + "\\n".join(safe) + '"'


def dot(picture: Picture, theme: str | Theme = "light") -> str:
    """The whole graph as DOT text; modules are clusters."""
    look = theme_of(theme)
    out = [
        f"digraph {quoted(shortened(picture.title or 'graph', 600))} {{",
        f'  graph [rankdir={_DIRECTIONS[picture.direction]}, fontname="Verdana", fontsize=11, bgcolor="{look.background}", '
        f'fontcolor="{look.muted}", color="{look.frame}"];',
        f'  node [shape=box, style="filled,rounded", fontname="Verdana", fontsize=12, fontcolor="{look.text}", '
        f'margin="0.16,0.09"];',
        f'  edge [fontname="Verdana", fontsize=10, color="{look.edge}", fontcolor="{look.muted}", arrowsize=0.7];',
    ]
    for node in picture.nodes:
        out.append(f"  n{node.id} [label={quoted(*box_lines(node, picture.show))}, {_style(node, look)}];")
    inside: dict[int | None, list[int]] = {}
    for k, cluster in enumerate(picture.clusters):
        inside.setdefault(cluster.parent, []).append(k)
    stack: list[tuple[int, bool]] = [(k, False) for k in reversed(inside.get(None, []))]
    while stack:
        k, done = stack.pop()
        if done:
            out.append("  }")
            continue
        cluster = picture.clusters[k]
        members = " ".join(f"n{i};" for i in cluster.nodes)
        out.append(f"  subgraph cluster_{k} {{ label={quoted(shortened(cluster.label, 300))}; {members}")
        stack.append((k, True))
        stack += [(child, False) for child in reversed(inside.get(k, []))]
    for e in picture.edges:
        phase = picture.nodes[e.source].phase
        colour = "" if phase == "forward" else f'color="{look.phases[phase][1]}"'
        label = f"label={quoted(shortened(e.label, 120, 10))}" if e.label else ""
        attributes = ", ".join(filter(None, (label, colour)))
        out.append(f"  n{e.source} -> n{e.target}" + (f" [{attributes}];" if attributes else ";"))
    return "\n".join([*out, "}", ""])


def _style(node: Node, look: Theme) -> str:
    fill, border, _ = look.paint(node)
    extra = ", penwidth=2.4" if node.output else ", peripheries=2" if node.kind == "fold" else ""
    return f'fillcolor="{fill}", color="{border}"{extra}'
