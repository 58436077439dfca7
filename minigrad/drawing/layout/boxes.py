"""The texts of boxes and edges, shortened where they are too long, and the sizes that they need."""

from __future__ import annotations

from collections.abc import Sequence

from minigrad.drawing.layout.text_width import shortened, width
from minigrad.drawing.picture import Edge, Node, lines_of

__all__ = [
    "LABEL_SIZE", "LEADING", "PAD_X", "PAD_Y", "ROUND", "SIZE", "WIDEST",
    "box_lines", "box_size", "label_size", "label_text", "straight",
]  # fmt: skip

SIZE = 12.0  # the font size in a box
LEADING = 16.0  # the distance from line to line
WIDEST = 480.0  # a longer line is cut off
PAD_X, PAD_Y = 10.0, 7.0  # the distance between the border of a box and its text
ROUND = ("parameter", "input")  # the kinds of nodes whose boxes have round corners
LABEL_SIZE = 10.0  # the font size beside an edge
LABEL_WIDEST = 120.0


def box_lines(node: Node, show: Sequence[str]) -> list[str]:
    """The lines of a box as they are drawn: printable, and no longer than a box may be wide."""
    return [shortened(line, WIDEST, SIZE, bold=i == 0) for i, line in enumerate(lines_of(node, show))]


def box_size(lines: Sequence[str]) -> tuple[float, float]:
    """The width and height of a box with these lines, the first of them bold."""
    widest = max((width(line, SIZE, bold=i == 0) for i, line in enumerate(lines)), default=0.0)
    return max(widest, 10.0) + 2 * PAD_X, len(lines) * LEADING + 2 * PAD_Y


def straight(node: Node, width: float) -> float:
    """The length of the straight part of an upper or lower border, where edges may meet it."""
    return width - 2 * (PAD_X if node.kind in ROUND else PAD_Y)


def label_text(edge: Edge) -> str:
    """The label of an edge as it is drawn."""
    return shortened(edge.label, LABEL_WIDEST, LABEL_SIZE)


def label_size(text: str) -> tuple[float, float]:
    """The width and height of the room for a label."""
    return width(text, LABEL_SIZE) + 8, LEADING
