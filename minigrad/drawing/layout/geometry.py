"""The places of a drawn picture, in points, with y growing downward. A layout makes them; writers read
them."""

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
        """Whether the two boxes come nearer than `gap` to each other."""
        return (
            abs(self.x - other.x) < (self.width + other.width) / 2 + gap
            and abs(self.y - other.y) < (self.height + other.height) / 2 + gap
        )

    def holds(self, other: Box) -> bool:
        """Whether `other` lies inside this box, border included."""
        return (
            abs(self.x - other.x) <= (self.width - other.width) / 2 + 1e-6
            and abs(self.y - other.y) <= (self.height - other.height) / 2 + 1e-6
        )


@dataclass(slots=True)
class Route:
    """The way of an edge: the points that it passes, from the border of its source to the border of its
    target. It is drawn as a smooth curve through them. `label` is the room for its text, if it has one."""

    points: list[tuple[float, float]]
    label: Box | None = None


@dataclass(slots=True)
class Layout:
    """The places of everything in a Picture: `boxes[i]` of node i, `routes[j]` of edge j, `frames[k]` of
    cluster k, which is None if the cluster is empty. `direction` is where the picture runs: "down", "right",
    "up" or "left"."""

    width: float = 0.0
    height: float = 0.0
    boxes: list[Box] = field(default_factory=list)
    routes: list[Route] = field(default_factory=list)
    frames: list[Box | None] = field(default_factory=list)
    direction: str = "down"

    @property
    def across(self) -> bool:
        """Whether the ranks stand side by side."""
        return self.direction in ("right", "left")
