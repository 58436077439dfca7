"""The legend, which explains the colours of a picture, and the notes. Writers draw them below the picture."""

from __future__ import annotations

from dataclasses import dataclass, field

from minigrad.drawing.layout.text_width import printable, shortened, width
from minigrad.drawing.picture import Picture
from minigrad.drawing.write.theme import PHASE_NAMES, Theme

__all__ = ["SWATCH", "TEXT_SIZE", "Legend", "Swatch", "legend"]

SWATCH = 14.0  # a square of colour
TEXT_SIZE = 11.0
LINE = 20.0
MARGIN = 16.0


@dataclass(slots=True)
class Swatch:
    """A coloured square, its upper left corner, and the text that explains it."""

    x: float
    y: float
    text: str
    fill: str
    border: str
    radius: float


@dataclass(slots=True)
class Legend:
    """The notes are `lines`: (x, y, text), with y their middle. `swatches` explain the colours."""

    width: float = 0.0
    height: float = 0.0
    swatches: list[Swatch] = field(default_factory=list)
    lines: list[tuple[float, float, str]] = field(default_factory=list)


def legend(picture: Picture, look: Theme, room: float) -> Legend:
    """The legend, in rows at most `room` wide. A picture of one colour has no swatches."""
    kinds = {node.kind for node in picture.nodes}
    phases = {node.phase for node in picture.nodes if node.kind in ("op", "fold")}
    entries = [(PHASE_NAMES[p], *look.phases[p][:2], 3.0) for p in PHASE_NAMES if p in phases]
    if "parameter" in kinds:
        entries.append(("parameter", look.parameter, look.phases["forward"][1], SWATCH / 2))
    if "input" in kinds:
        entries.append(("input", look.parameter, look.muted, SWATCH / 2))
    if "constant" in kinds:
        entries.append(("constant", look.constant, look.frame, 3.0))
    made = Legend()
    x, y = MARGIN, 6.0
    for text, fill, border, radius in entries if len(entries) > 1 else ():
        wide = SWATCH + 6 + width(text, TEXT_SIZE) + 18
        if x > MARGIN and x + wide > room:
            x, y = MARGIN, y + LINE
        made.swatches.append(Swatch(x, y, text, fill, border, radius))
        x += wide
        made.width = max(made.width, x)
    if made.swatches:
        y += LINE
    for note in picture.notes:
        for line in _broken(note, room - 2 * MARGIN):
            made.lines.append((MARGIN, y + SWATCH / 2, line))
            made.width = max(made.width, width(line, TEXT_SIZE) + 2 * MARGIN)
            y += LINE - 3
    made.height = y + 8 if made.swatches or made.lines else 0.0
    return made


def _broken(text: str, room: float) -> list[str]:
    """`text` broken into lines of at most this width; after six lines it ends."""
    lines, line = [], ""
    for word in printable(text[:2000]).split(" "):
        longer = f"{line} {word}" if line else word
        if line and width(longer, TEXT_SIZE) > room:
            lines.append(line)
            longer = word
        line = shortened(longer, room, TEXT_SIZE)
    return [*lines, line][:6]
