"""A laid-out picture as SVG: one well-formed XML document without scripts, links or resources from elsewhere.

Names: `look` the theme; `body` the elements of the picture between its title and its legend.
"""

from __future__ import annotations

from collections.abc import Sequence
from xml.sax.saxutils import escape

from minigrad.drawing.layout.boxes import LEADING, PAD_Y, ROUND, SIZE, box_lines, label_text
from minigrad.drawing.layout.geometry import Box, Layout, Route
from minigrad.drawing.layout.text_width import FAMILY, printable, shortened, width
from minigrad.drawing.picture import Node, Picture, lines_of
from minigrad.drawing.write.legend import SWATCH, TEXT_SIZE, Legend, legend
from minigrad.drawing.write.theme import Theme, theme_of

__all__ = ["path_of", "svg", "xml_text"]


def xml_text(text: str) -> str:
    """Any text as XML character data or as the value of a quoted attribute.

    >>> xml_text('<a "b"> & \\x00')
    '&lt;a &quot;b&quot;&gt; &amp; ·'
    """
    return escape(printable(text), {'"': "&quot;", "'": "&#39;"})


def path_of(route: Route, across: bool = False) -> str:
    """The smooth curve through a route's points as SVG path data. It leaves and enters every point in the
    direction in which the picture runs, if the points do not lie straight beside one another."""
    (x, y), *rest = route.points
    parts = [f"M{x:g} {y:g}"]
    for to_x, to_y in rest:
        if x == to_x or y == to_y:
            parts.append(f"L{to_x:g} {to_y:g}")
        elif across:
            middle = (x + to_x) / 2
            parts.append(f"C{middle:g} {y:g} {middle:g} {to_y:g} {to_x:g} {to_y:g}")
        else:
            middle = (y + to_y) / 2
            parts.append(f"C{x:g} {middle:g} {to_x:g} {middle:g} {to_x:g} {to_y:g}")
        x, y = to_x, to_y
    return "".join(parts)


def svg(picture: Picture, layout: Layout, theme: str | Theme = "light") -> str:
    """The whole document. The `<title>` of each node's `<g class="node" id="n3">` holds all its facts."""
    look = theme_of(theme)
    head, head_width, head_height = _heading(picture, look, max(layout.width - 32, 700))
    key = legend(picture, look, max(layout.width, head_width, 420.0))
    total_width = max(layout.width, head_width, key.width)
    total_height = head_height + layout.height + key.height
    dx = (total_width - layout.width) / 2
    body = []
    for frame in layout.frames:
        if frame is not None:
            body.append(_frame(frame, look))
    for edge, route in zip(picture.edges, layout.routes, strict=True):
        source = picture.nodes[edge.source]
        body.append(
            f'<path class="edge" data-from="n{edge.source}" data-to="n{edge.target}" '
            f'd="{path_of(route, layout.across)}" '
            f'fill="none" stroke="{look.line(source)}" stroke-width="1.3" '
            f'marker-end="url(#arrow-{source.phase})"/>'
        )
    for edge, route in zip(picture.edges, layout.routes, strict=True):
        if route.label is not None:
            box = route.label
            body.append(
                f'<rect x="{box.x - box.width / 2:g}" y="{box.y - 7:g}" width="{box.width:g}" height="14" '
                'rx="3" '
                f'fill="{look.background}"/>'
            )
            body.append(_text(route.label.x, route.label.y + 3.5, label_text(edge), 10, look.muted, "middle"))
    for frame, cluster in zip(layout.frames, picture.clusters, strict=True):
        if frame is not None:
            body.append(_frame_name(frame, cluster.label, look))
    for node, box in zip(picture.nodes, layout.boxes, strict=True):
        body.append(_node(node, box, picture.show, look))
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{total_width:g}" height="{total_height:g}" '
        f'viewBox="0 0 {total_width:g} {total_height:g}" font-family="{FAMILY}" font-size="{SIZE:g}" '
        'role="img">',
        f"<title>{xml_text(shortened(picture.title or 'a graph', 600))}</title>",
        "<defs>", *_arrows(look), "</defs>",
        f'<rect width="100%" height="100%" fill="{look.background}"/>',
        *head, f'<g transform="translate({dx:g} {head_height:g})">', *body, "</g>",
        f'<g transform="translate(0 {head_height + layout.height:g})">', *_legend(key, look), "</g>",
        "</svg>", "",
    ])  # fmt: skip


def _arrows(look: Theme) -> list[str]:
    colours = {
        phase: look.edge if phase == "forward" else border for phase, (_, border, _) in look.phases.items()
    }
    return [
        f'<marker id="arrow-{phase}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="6.5" '
        'markerHeight="6.5" '
        f'orient="auto-start-reverse"><path d="M0 0.8L7.5 4L0 7.2z" fill="{colour}"/></marker>'
        for phase, colour in colours.items()
    ]


def _text(
    x: float,
    y: float,
    text: str,
    size: float,
    colour: str,
    anchor: str = "start",
    weight: str = "normal",
) -> str:
    bold = "" if weight == "normal" else f' font-weight="{weight}"'
    place = f'x="{x:g}" y="{y:g}" font-size="{size:g}" fill="{colour}" text-anchor="{anchor}"{bold}'
    return f"<text {place}>{xml_text(text)}</text>"


def _frame(frame: Box, look: Theme) -> str:
    left, top = frame.x - frame.width / 2, frame.y - frame.height / 2
    return (
        f'<rect class="frame" x="{left:g}" y="{top:g}" width="{frame.width:g}" height="{frame.height:g}" '
        'rx="10" '
        f'fill="{look.frame_fill}" stroke="{look.frame}"/>'
    )


def _frame_name(frame: Box, label: str, look: Theme) -> str:
    """The name of a frame, which stays legible where an edge runs through it."""
    left, top = frame.x - frame.width / 2, frame.y - frame.height / 2
    text = _text(left + 10, top + 16, shortened(label, frame.width - 16, 11), 11, look.muted)
    return f'<g paint-order="stroke" stroke="{look.frame_fill}" stroke-width="4">{text}</g>'


def _node(node: Node, box: Box, show: Sequence[str], look: Theme) -> str:
    fill, border, dash = look.paint(node)
    radius = min(box.height / 2, 16.0) if node.kind in ROUND else 5.0
    extra = f' stroke-width="{2.4 if node.output else 1.2:g}"'
    if dash:
        extra += f' stroke-dasharray="{dash}"'
    left, top = box.x - box.width / 2, box.y - box.height / 2
    shapes = []
    if node.kind == "fold":
        shapes.append(
            f'<rect x="{left + 4:g}" y="{top + 4:g}" width="{box.width:g}" height="{box.height:g}" rx="5" '
            f'fill="{fill}" '
            f'stroke="{border}" stroke-width="1"/>'
        )
    shapes.append(
        f'<rect class="box" x="{left:g}" y="{top:g}" width="{box.width:g}" height="{box.height:g}" '
        f'rx="{radius:g}" '
        f'fill="{fill}" stroke="{border}"{extra}/>'
    )
    lines = box_lines(node, show)
    for i, line in enumerate(lines):
        y = top + PAD_Y + LEADING * i + LEADING / 2 + SIZE * 0.36
        colour = look.text if i == 0 else look.muted
        shapes.append(
            _text(
                box.x, y, line, SIZE if i == 0 else SIZE - 1, colour, "middle", "600" if i == 0 else "normal"
            )
        )
    title = xml_text(shortened(" | ".join(_all(node)), 4000))
    inside = f"<title>{title}</title>{''.join(shapes)}"
    return f'<g class="node {node.phase} {node.kind}" id="n{node.id}">{inside}</g>'


def _all(node: Node) -> list[str]:
    known = lines_of(node, ("shape", "dtype", "value", "grad", "bytes", "flops", "time", "source"))
    known += [
        text
        for text in (node.op and f"op {node.op}", node.params, node.module and f"in {node.module}")
        if text
    ]
    return known + ([f"{node.count:,} operations"] if node.count > 1 else [])


def _heading(picture: Picture, look: Theme, room: float) -> tuple[list[str], float, float]:
    if not picture.title:
        return [], 0.0, 0.0
    title = shortened(picture.title, room, 14, bold=True)
    return [_text(16, 26, title, 14, look.text, weight="600")], width(title, 14, bold=True) + 32, 34.0


def _legend(key: Legend, look: Theme) -> list[str]:
    parts = []
    for s in key.swatches:
        parts.append(
            f'<rect x="{s.x:g}" y="{s.y:g}" width="{SWATCH:g}" height="{SWATCH:g}" rx="{s.radius:g}" '
            f'fill="{s.fill}" stroke="{s.border}" stroke-width="1.4"/>'
        )
        parts.append(_text(s.x + SWATCH + 6, s.y + SWATCH / 2 + 4, s.text, TEXT_SIZE, look.muted))
    return parts + [_text(x, y + 4, line, TEXT_SIZE, look.muted) for x, y, line in key.lines]
