"""A laid-out picture as a Matplotlib figure, for PNG and PDF without Graphviz.

Names: `look` the theme; `pen` the Matplotlib axes together with the place of the layout on it.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from minigrad.drawing.layout.boxes import LABEL_SIZE, LEADING, PAD_Y, ROUND, SIZE, box_lines, label_text
from minigrad.drawing.layout.geometry import Box, Layout, Route
from minigrad.drawing.layout.text_width import shortened
from minigrad.drawing.picture import Node, Picture
from minigrad.drawing.write.legend import SWATCH, TEXT_SIZE, Legend, legend
from minigrad.drawing.write.theme import Theme, theme_of

__all__ = ["figure"]

HEAD = 34.0  # the height of the title
NARROWEST = 420.0
LARGEST = 14_000.0  # pixels of a side


def figure(picture: Picture, layout: Layout, theme: str | Theme = "light") -> Any:
    """A figure of the size of the picture, at 72 points an inch. It belongs to no window."""
    look = theme_of(theme)
    key = legend(picture, look, max(layout.width, NARROWEST))
    total_width = max(layout.width, key.width, NARROWEST)
    fig, axes = _sheet(total_width, HEAD + layout.height + key.height, look)
    pen = _Pen(axes, (total_width - layout.width) / 2, HEAD)
    if picture.title:
        title = shortened(picture.title, total_width - 32, 14, bold=True)
        _Pen(axes, 0, 0).text(16, 20, title, 14, look.text, "left", bold=True)
    for frame, cluster in zip(layout.frames, picture.clusters, strict=True):
        if frame is not None:
            _frame(pen, frame, cluster.label, look)
    for edge, route in zip(picture.edges, layout.routes, strict=True):
        pen.arrow(route, layout.across, look.line(picture.nodes[edge.source]))
        if route.label is not None:
            pen.text(route.label.x, route.label.y, label_text(edge), LABEL_SIZE, look.muted)
    for node, box in zip(picture.nodes, layout.boxes, strict=True):
        _box(pen, box, node, box_lines(node, picture.show), look)
    _legend(_Pen(axes, 0, HEAD + layout.height), key, look)
    return fig


def _sheet(width: float, height: float, look: Theme) -> tuple[Any, Any]:
    """An empty figure of this size in points, and axes that cover it, with y growing downward."""
    from matplotlib.figure import Figure

    dpi = max(20.0, min(144.0, LARGEST * 72 / max(width, height)))
    fig = Figure(figsize=(width / 72, height / 72), dpi=dpi, facecolor=look.background)
    fig.set_layout_engine("none")
    axes = fig.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, width)
    axes.set_ylim(height, 0)
    axes.axis("off")
    return fig, axes


class _Pen:
    """Draws on `axes`, with (dx, dy) as the origin."""

    def __init__(self, axes: Any, dx: float, dy: float) -> None:
        self.axes, self.dx, self.dy = axes, dx, dy

    def text(
        self,
        x: float,
        y: float,
        words: str,
        size: float,
        colour: str,
        anchor: str = "center",
        bold: bool = False,
    ) -> None:
        self.axes.text(
            self.dx + x,
            self.dy + y,
            words,
            fontsize=size,
            color=colour,
            ha=anchor,
            va="center",
            family="DejaVu Sans",
            parse_math=False,
            weight="bold" if bold else "normal",
            zorder=5,
        )

    def rounded(self, box: Box, radius: float, fill: str, border: str, **how: Any) -> None:
        """A rectangle with round corners, which Matplotlib pads by their radius."""
        from matplotlib.patches import FancyBboxPatch

        left, top = self.dx + box.x - box.width / 2, self.dy + box.y - box.height / 2
        self.axes.add_patch(
            FancyBboxPatch(
                (left + radius, top + radius),
                box.width - 2 * radius,
                box.height - 2 * radius,
                boxstyle=f"round,pad={radius}",
                facecolor=fill,
                edgecolor=border,
                **how,
            )
        )

    def arrow(self, route: Route, across: bool, colour: str) -> None:
        """The same curve that the SVG has."""
        from matplotlib.patches import FancyArrowPatch
        from matplotlib.path import Path

        points = [(x + self.dx, y + self.dy) for x, y in route.points]
        vertices, codes = [points[0]], [Path.MOVETO]
        for (x, y), (to_x, to_y) in pairwise(points):
            if across:
                middle = (x + to_x) / 2
                vertices += [(middle, y), (middle, to_y), (to_x, to_y)]
            else:
                middle = (y + to_y) / 2
                vertices += [(x, middle), (to_x, middle), (to_x, to_y)]
            codes += [Path.CURVE4] * 3
        self.axes.add_patch(
            FancyArrowPatch(
                path=Path(vertices, codes),
                arrowstyle="-|>,head_length=6,head_width=2.6",
                mutation_scale=1,
                color=colour,
                linewidth=1.1,
                zorder=2,
                shrinkA=0,
                shrinkB=0,
            )
        )


def _frame(pen: _Pen, frame: Box, label: str, look: Theme) -> None:
    pen.rounded(frame, 6, look.frame_fill, look.frame, zorder=1)
    left, top = frame.x - frame.width / 2, frame.y - frame.height / 2
    pen.text(left + 10, top + 12, shortened(label, frame.width - 16, 11), 11, look.muted, "left")


def _box(pen: _Pen, box: Box, node: Node, lines: list[str], look: Theme) -> None:
    fill, border, _ = look.paint(node)
    radius = min(box.height / 2, 16.0) - 1 if node.kind in ROUND else 4.0
    pen.rounded(box, radius, fill, border, zorder=3, linewidth=2.2 if node.output else 1.1)
    top = box.y - box.height / 2
    for i, line in enumerate(lines):
        y = top + PAD_Y + LEADING * (i + 0.5)
        if i == 0:
            pen.text(box.x, y, line, SIZE, look.text, bold=True)
        else:
            pen.text(box.x, y, line, SIZE - 1, look.muted)


def _legend(pen: _Pen, key: Legend, look: Theme) -> None:
    for s in key.swatches:
        square = Box(s.x + SWATCH / 2, s.y + SWATCH / 2, SWATCH, SWATCH)
        pen.rounded(square, s.radius, s.fill, s.border, zorder=3)
        pen.text(s.x + SWATCH + 6, square.y, s.text, TEXT_SIZE, look.muted, "left")
    for x, y, line in key.lines:
        pen.text(x, y, line, TEXT_SIZE, look.muted, "left")
