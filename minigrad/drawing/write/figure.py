"""A laid-out picture as a Matplotlib figure, for PNG and PDF where there is no Graphviz."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from minigrad.drawing.layout.arranging import LEADING, PAD_Y, SIZE, box_lines
from minigrad.drawing.layout.geometry import Layout, Route
from minigrad.drawing.layout.text_width import shortened
from minigrad.drawing.picture import Picture
from minigrad.drawing.write.legend import SWATCH, TEXT_SIZE, legend
from minigrad.drawing.write.theme import Theme, theme_of

__all__ = ["figure"]

HEAD = 34.0
NARROWEST = 420.0
LARGEST = 14_000.0  # pixels of a side


def figure(picture: Picture, layout: Layout, theme: str | Theme = "light") -> Any:
    """A figure of the size of the picture, one point of the layout to 1/72 inch; it belongs to no window."""
    from matplotlib.figure import Figure
    from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

    look = theme_of(theme)
    key = legend(picture, look, max(layout.width, NARROWEST))
    total_width = max(layout.width, key.width, NARROWEST)
    total_height = HEAD + layout.height + key.height
    dpi = max(20.0, min(144.0, LARGEST * 72 / max(total_width, total_height)))
    fig = Figure(figsize=(total_width / 72, total_height / 72), dpi=dpi, facecolor=look.background)
    fig.set_layout_engine("none")
    ax = fig.add_axes((0, 0, 1, 1))
    ax.set_xlim(0, total_width)
    ax.set_ylim(total_height, 0)
    ax.axis("off")
    dx, dy = (total_width - layout.width) / 2, HEAD

    def text(x: float, y: float, words: str, size: float, colour: str, anchor: str = "center", bold: bool = False) -> None:
        ax.text(x, y, words, fontsize=size, color=colour, ha=anchor, va="center", family="DejaVu Sans", parse_math=False,
                weight="bold" if bold else "normal", zorder=5)  # fmt: skip

    if picture.title:
        text(16, 20, shortened(picture.title, total_width - 32, 14, bold=True), 14, look.text, "left", bold=True)
    for k, frame in enumerate(layout.frames):
        if frame is None:
            continue
        left, top = dx + frame.x - frame.width / 2, dy + frame.y - frame.height / 2
        ax.add_patch(FancyBboxPatch((left + 6, top + 6), frame.width - 12, frame.height - 12, zorder=1,
                                    boxstyle="round,pad=6", facecolor=look.frame_fill, edgecolor=look.frame))  # fmt: skip
        text(left + 10, top + 12, shortened(picture.clusters[k].label, frame.width - 16, 11), 11, look.muted, "left")
    for e, route in zip(picture.edges, layout.routes, strict=True):
        colour = look.line(picture.nodes[e.source])
        path = _path(route, layout.across, dx, dy)
        ax.add_patch(FancyArrowPatch(path=path, arrowstyle="-|>,head_length=6,head_width=2.6", mutation_scale=1, color=colour,
                                     linewidth=1.1, zorder=2, shrinkA=0, shrinkB=0))  # fmt: skip
        if route.label is not None:
            text(dx + route.label.x, dy + route.label.y, shortened(e.label, 120, 10), 10, look.muted)
    for node, box in zip(picture.nodes, layout.boxes, strict=True):
        fill, border, _ = look.paint(node)
        radius = min(box.height / 2, 16.0) - 1 if node.kind in ("parameter", "input") else 4.0
        left, top = dx + box.x - box.width / 2, dy + box.y - box.height / 2
        ax.add_patch(FancyBboxPatch((left + radius, top + radius), box.width - 2 * radius, box.height - 2 * radius, zorder=3,
                                    boxstyle=f"round,pad={radius}", facecolor=fill, edgecolor=border,
                                    linewidth=2.2 if node.output else 1.1))  # fmt: skip
        for i, line in enumerate(box_lines(node, picture.show)):
            y = top + PAD_Y + LEADING * (i + 0.5)
            text(dx + box.x, y, line, SIZE - (i > 0), look.text if i == 0 else look.muted, bold=i == 0)
    for s in key.swatches:
        y = HEAD + layout.height + s.y
        ax.add_patch(FancyBboxPatch((s.x + s.radius, y + s.radius), SWATCH - 2 * s.radius, SWATCH - 2 * s.radius, zorder=3,
                                    boxstyle=f"round,pad={s.radius}", facecolor=s.fill, edgecolor=s.border))  # fmt: skip
        text(s.x + SWATCH + 6, y + SWATCH / 2, s.text, TEXT_SIZE, look.muted, "left")
    for x, y, line in key.lines:
        text(x, HEAD + layout.height + y, line, TEXT_SIZE, look.muted, "left")
    return fig


def _path(route: Route, across: bool, dx: float, dy: float) -> Any:
    """The same curve that the SVG has."""
    from matplotlib.path import Path

    points = [(x + dx, y + dy) for x, y in route.points]
    vertices, codes = [points[0]], [Path.MOVETO]
    for (x, y), (to_x, to_y) in pairwise(points):
        middle = (x + to_x) / 2 if across else (y + to_y) / 2
        vertices += [(middle, y), (middle, to_y), (to_x, to_y)] if across else [(x, middle), (to_x, middle), (to_x, to_y)]
        codes += [Path.CURVE4] * 3
    return Path(vertices, codes)
