"""The colours of pictures, light and dark. Blue, orange, green-blue and purple follow the palette of Okabe
and Ito, which colour-blind readers can tell apart, and are about equally bright."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from minigrad.drawing.picture import Node

__all__ = ["LIGHT", "PHASE_NAMES", "THEMES", "Theme", "theme_of"]

PHASE_NAMES = {
    "forward": "forward: values",
    "backward": "backward: derivatives of the output (∂)",
    "tangent": "tangent: change along a direction (ẋ)",
    "update": "update rule",
}


@dataclass(frozen=True)
class Theme:
    """The colours of a picture. `phases` gives the fill, border and dash pattern (or "") of each phase."""

    name: str
    background: str
    text: str
    muted: str
    edge: str
    frame: str
    frame_fill: str
    parameter: str
    constant: str
    phases: Mapping[str, tuple[str, str, str]]

    def paint(self, node: Node) -> tuple[str, str, str]:
        """The fill, border and dash pattern of a box."""
        fill, border, dash = self.phases[node.phase]
        if node.kind == "parameter":
            return self.parameter, border, dash
        if node.kind == "input":
            return self.parameter, self.muted, dash
        return (self.constant, self.frame, dash) if node.kind == "constant" else (fill, border, dash)

    def line(self, source: Node) -> str:
        """The colour of an edge from this node."""
        return self.edge if source.phase == "forward" else self.phases[source.phase][1]


LIGHT = Theme(
    "light", "#ffffff", "#1c2430", "#5b6675", "#7d8896", "#c3cad4", "#f6f7f9", "#ffffff", "#f1f2f4",
    {"forward": ("#dbeafb", "#2a74bd", ""), "backward": ("#fde4cf", "#c25708", ""),
        "tangent": ("#d5f0e6", "#0a7d5b", ""),
     "update": ("#eddff5", "#8a4baf", "")},
)  # fmt: skip
DARK = Theme(
    "dark", "#0d1117", "#e8edf3", "#9aa5b4", "#8792a2", "#3a4452", "#141a22", "#0d1117", "#1b212a",
    {"forward": ("#12314f", "#5aa9ec", ""), "backward": ("#4a2708", "#f29a4e", ""),
        "tangent": ("#0a3b2d", "#43c79b", ""),
     "update": ("#3a1f4c", "#c58ae6", "")},
)  # fmt: skip
THEMES = {"light": LIGHT, "dark": DARK}


def theme_of(theme: str | Theme) -> Theme:
    """A Theme, given itself or its name.

    >>> theme_of("dark").background
    '#0d1117'
    """
    if isinstance(theme, Theme):
        return theme
    if theme not in THEMES:
        raise ValueError(f"`draw(theme=...)` must be one of {sorted(THEMES)} or a Theme, got {theme!r}.")
    return THEMES[theme]
