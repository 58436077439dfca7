"""A picture as a Mermaid flowchart, which GitHub and many editors show as it is."""

from __future__ import annotations

from minigrad.drawing.layout.arranging import box_lines
from minigrad.drawing.layout.text_width import printable, shortened
from minigrad.drawing.picture import Picture
from minigrad.drawing.write.theme import Theme, theme_of

__all__ = ["mermaid", "mermaid_text"]

_DIRECTIONS = {"down": "TB", "right": "LR", "up": "BT", "left": "RL"}


def mermaid_text(*lines: str) -> str:
    """Lines of text in quotes, every sign that Mermaid could take for its own written by its number.

    >>> mermaid_text('a "b" <i>', "x;")
    '"a #34;b#34; #60;i#62;<br/>x#59;"'
    """
    safe = (
        "".join(c if c.isalnum() or c in " .,_+=/·×−" or ord(c) > 127 else f"#{ord(c)};" for c in printable(line))
        for line in lines
    )
    return '"' + "<br/>".join(safe) + '"'


def mermaid(picture: Picture, theme: str | Theme = "light") -> str:
    """The whole flowchart; modules are subgraphs, phases are classes."""
    look = theme_of(theme)
    out = [f"flowchart {_DIRECTIONS[picture.direction]}"]
    for node in picture.nodes:
        left, right = (
            ("([", "])") if node.kind in ("parameter", "input") else ("[[", "]]") if node.kind == "fold" else ("[", "]")
        )
        out.append(f"  n{node.id}{left}{mermaid_text(*box_lines(node, picture.show))}{right}")
    inside: dict[int | None, list[int]] = {}
    for k, cluster in enumerate(picture.clusters):
        inside.setdefault(cluster.parent, []).append(k)
    stack: list[tuple[int, bool]] = [(k, False) for k in reversed(inside.get(None, []))]
    while stack:
        k, done = stack.pop()
        if done:
            out.append("  end")
            continue
        out.append(f"  subgraph s{k}[{mermaid_text(shortened(picture.clusters[k].label, 300))}]")
        out += [f"    n{i}" for i in picture.clusters[k].nodes]
        stack.append((k, True))
        stack += [(child, False) for child in reversed(inside.get(k, []))]
    for e in picture.edges:
        label = f"|{mermaid_text(shortened(e.label, 120, 10))}|" if e.label else ""
        out.append(f"  n{e.source} -->{label} n{e.target}")
    for phase in picture.phases():
        fill, border, _ = look.phases[phase]
        out.append(f"  classDef {phase} fill:{fill},stroke:{border},color:{look.text}")
        ids = ",".join(f"n{node.id}" for node in picture.nodes if node.phase == phase and node.kind in ("op", "fold"))
        if ids:
            out.append(f"  class {ids} {phase}")
    return "\n".join([*out, ""])
