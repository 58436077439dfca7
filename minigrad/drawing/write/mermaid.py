"""A picture as a Mermaid flowchart, which GitHub and many editors render."""

from __future__ import annotations

from minigrad.drawing.layout.boxes import ROUND, box_lines, label_text
from minigrad.drawing.layout.text_width import printable, shortened
from minigrad.drawing.picture import Picture
from minigrad.drawing.write.nesting import DIRECTIONS, blocks
from minigrad.drawing.write.theme import Theme, theme_of

__all__ = ["mermaid", "mermaid_text"]


_BRACKETS = {**dict.fromkeys(ROUND, ("([", "])")), "fold": ("[[", "]]")}


def mermaid_text(*lines: str) -> str:
    """Lines of text in quotes. Every character that could have a meaning in Mermaid is written by its number.

    >>> mermaid_text('a "b" <i>', "x;")
    '"a #34;b#34; #60;i#62;<br/>x#59;"'
    """
    safe = (
        "".join(
            c if c.isalnum() or c in " .,_+=/·×−" or ord(c) > 127 else f"#{ord(c)};" for c in printable(line)
        )
        for line in lines
    )
    return '"' + "<br/>".join(safe) + '"'


def mermaid(picture: Picture, theme: str | Theme = "light") -> str:
    """The whole flowchart; modules are subgraphs, phases are classes."""
    look = theme_of(theme)
    out = [f"flowchart {DIRECTIONS[picture.direction]}"]
    for node in picture.nodes:
        left, right = _BRACKETS.get(node.kind, ("[", "]"))
        out.append(f"  n{node.id}{left}{mermaid_text(*box_lines(node, picture.show))}{right}")
    for k, begins in blocks(picture.clusters):
        if begins:
            out.append(f"  subgraph s{k}[{mermaid_text(shortened(picture.clusters[k].label, 300))}]")
            out += [f"    n{i}" for i in picture.clusters[k].nodes]
        else:
            out.append("  end")
    for e in picture.edges:
        label = f"|{mermaid_text(label_text(e))}|" if e.label else ""
        out.append(f"  n{e.source} -->{label} n{e.target}")
    for phase in picture.phases():
        fill, border, _ = look.phases[phase]
        out.append(f"  classDef {phase} fill:{fill},stroke:{border},color:{look.text}")
        ids = ",".join(
            f"n{node.id}" for node in picture.nodes if node.phase == phase and node.kind in ("op", "fold")
        )
        if ids:
            out.append(f"  class {ids} {phase}")
    return "\n".join([*out, ""])
