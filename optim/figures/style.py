"""What all figures share: the axes, panels inside them, and how curves and legends look.

Curves differ in colour, marker and dash, so that they can be told apart in print and by the colour-blind. All
else has the colours of the axes that are drawn on, so a figure follows `plt.style.use("dark_background")`,
and colours of axes that were set by hand. Matplotlib is imported when the first new figure is asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["COLOURS", "GREY", "Array", "axes", "column", "copy_colours", "ink", "legend", "look", "panels"]

Array = NDArray[Any]

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")  # Okabe and Ito 2008
GREY = "#8A8A8A"  # as far from white as from black
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
DASHES = ("-", (0, (5, 1.5)), (0, (1, 1)), (0, (5, 1, 1, 1)))


def axes(ax: Any, size: tuple[float, float] = (6.4, 4.8)) -> Any:
    """`ax`, or those of a new figure of this size in inches."""
    if ax is not None:
        if not hasattr(ax, "inset_axes"):
            raise TypeError(
                f"`ax=` must be Matplotlib's axes, got {type(ax).__name__}. `figure, ax = plt.subplots()` "
                "makes a figure with one."
            )
        return ax
    try:
        from matplotlib import pyplot as plt
    except ImportError as error:
        raise ImportError('a figure needs Matplotlib: pip install -e ".[plot]"') from error
    return plt.subplots(layout="constrained", figsize=size)[1]


def look(i: int, marker: bool = True) -> dict[str, Any]:
    """How the i-th curve looks."""
    dash = i // 2 if marker else i
    found = {
        "color": COLOURS[i % len(COLOURS)], "linestyle": DASHES[dash % len(DASHES)], "linewidth": 1.8,
    }  # fmt: skip
    return found | {"marker": MARKERS[i % len(MARKERS)], "markersize": 5} if marker else found


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
