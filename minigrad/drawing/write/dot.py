"""A picture as DOT, the language of Graphviz.

All quoting is our own. Identifiers are n0, n1, ...; a user's texts go into quoted labels only, never into a
record, an HTML label or a URL. There is no `size`, because it makes Graphviz clip.
"""

from __future__ import annotations

from minigrad.drawing.layout.boxes import box_lines, label_text
from minigrad.drawing.layout.text_width import printable, shortened
from minigrad.drawing.picture import Edge, Node, Picture
from minigrad.drawing.write.nesting import DIRECTIONS, blocks
from minigrad.drawing.write.theme import Theme, theme_of

__all__ = ["dot", "quoted"]


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
        f'  graph [rankdir={DIRECTIONS[picture.direction]}, fontname="Verdana", fontsize=11, '
        f'bgcolor="{look.background}", fontcolor="{look.muted}", color="{look.frame}"];',
        '  node [shape=box, style="filled,rounded", fontname="Verdana", fontsize=12, '
        f'fontcolor="{look.text}", '
        f'margin="0.16,0.09"];',
        f'  edge [fontname="Verdana", fontsize=10, color="{look.edge}", fontcolor="{look.muted}", '
        "arrowsize=0.7];",
    ]
    for node in picture.nodes:
        out.append(f"  n{node.id} [label={quoted(*box_lines(node, picture.show))}, {_style(node, look)}];")
    for k, begins in blocks(picture.clusters):
        if begins:
            cluster = picture.clusters[k]
            members = " ".join(f"n{i};" for i in cluster.nodes)
            out.append(f"  subgraph cluster_{k} {{ label={quoted(shortened(cluster.label, 300))}; {members}")
        else:
            out.append("  }")
    out += [_edge(e, picture.nodes[e.source].phase, look) for e in picture.edges]
    return "\n".join([*out, "}", ""])


def _style(node: Node, look: Theme) -> str:
    fill, border, _ = look.paint(node)
    extra = ", penwidth=2.4" if node.output else ", peripheries=2" if node.kind == "fold" else ""
    return f'fillcolor="{fill}", color="{border}"{extra}'


def _edge(e: Edge, phase: str, look: Theme) -> str:
    attributes = []
    if e.label:
        attributes.append(f"label={quoted(label_text(e))}")
    if phase != "forward":
        attributes.append(f'color="{look.phases[phase][1]}"')
    return f"  n{e.source} -> n{e.target}" + (f" [{', '.join(attributes)}];" if attributes else ";")
