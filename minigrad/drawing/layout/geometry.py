"""Where things stand in a drawn picture, in points, y growing downward. Made by a layout, read by the writers."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["Box", "Layout", "Route"]


@dataclass(slots=True)
class Box:
    """A rectangle by its centre."""

    x: float
    y: float
    width: float
    height: float

    def overlaps(self, other: Box, gap: float = 0.0) -> bool:
        """Whether the two come nearer than `gap` to each other."""
        return (
            abs(self.x - other.x) < (self.width + other.width) / 2 + gap
            and abs(self.y - other.y) < (self.height + other.height) / 2 + gap
        )

    def holds(self, other: Box) -> bool:
        """Whether `other` lies inside, its border included."""
        return (
            abs(self.x - other.x) <= (self.width - other.width) / 2 + 1e-6
            and abs(self.y - other.y) <= (self.height - other.height) / 2 + 1e-6
        )


@dataclass(slots=True)
class Route:
    """An edge's way: the points it passes, from the border of its source to the border of its target. It is drawn as a
    smooth curve through them. `label` is where its text stands, if it has one."""

    points: list[tuple[float, float]]
    label: Box | None = None


@dataclass(slots=True)
class Layout:
    """Places for everything in a Picture: `boxes[i]` of node i, `routes[j]` of edge j, `frames[k]` of cluster k (None if it
    could not be drawn without enclosing a stranger). `across` tells that the ranks run from left to right."""

    width: float = 0.0
    height: float = 0.0
    boxes: list[Box] = field(default_factory=list)
    routes: list[Route] = field(default_factory=list)
    frames: list[Box | None] = field(default_factory=list)
    across: bool = False
