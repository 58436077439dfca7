"""What all figures share beside `minigrad/plots.py`: panels inside the axes, legends, and columns of numbers.
All has the colours of the axes that are drawn on, also those that were set by hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["GREY", "Array", "column", "copy_colours", "ink", "legend", "panels"]

Array = NDArray[Any]

GREY = "#8A8A8A"  # as far from white as from black


def ink(ax: Any) -> Any:
    """The colour of the axes' own text."""
    return ax.xaxis.label.get_color()


def legend(ax: Any, **options: Any) -> Any:
    """A legend on the ground of the axes, in the colour of their text."""
    found = ax.legend(
        **{"fontsize": 9, "labelcolor": ink(ax), "facecolor": ax.get_facecolor(), "framealpha": 0.85}
        | options
    )
    found.get_frame().set_edgecolor(GREY)
    return found


def panels(ax: Any, heights: Sequence[float], space: float = 0.08) -> list[Any]:
    """Panels one below the other inside `ax`, which keeps its title and shows nothing else.

    They are `ax.child_axes`, and share the x axis, which the lowest labels. The heights are in any unit, and
    the space between two is a share of the whole.
    """
    ax.set_axis_off()
    unit, top, found = (1 - space * (len(heights) - 1)) / sum(heights), 1.0, list[Any]()
    for height in heights:
        bottom = top - unit * height
        child = ax.inset_axes([0, bottom, 1, unit * height], sharex=found[0] if found else None)
        copy_colours(ax, child)
        child.grid(alpha=0.25)
        found.append(child)
        top = bottom - space
    for child in found[:-1]:
        child.tick_params(labelbottom=False)
    return found


def copy_colours(ax: Any, child: Any) -> None:
    """Give an inset the colours of the axes that it lies in."""
    child.set_facecolor(ax.get_facecolor())
    colour = ink(ax)
    child.tick_params(colors=colour, which="both")
    for side in child.spines.values():
        side.set_edgecolor(ax.spines["left"].get_edgecolor())
    for label in (child.xaxis.label, child.yaxis.label, child.title):
        label.set_color(colour)


def column(call: str, name: str, values: Any, length: int | None = None) -> Array:
    """A column of numbers as float64, checked; with `length`, one of so many."""
    try:
        found = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise TypeError(f"`{call}({name}=...)` must be numbers, got {values!r:.60}.") from None
    if found.ndim != 1 or not found.size:
        raise ValueError(f"`{call}({name}=...)` must be a list of numbers, got the shape {found.shape}.")
    if length is not None and len(found) != length:
        raise ValueError(f"`{call}({name}=...)` must have {length} numbers, got {len(found)}.")
    return found
