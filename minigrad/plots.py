"""How curves look in the pictures that `models` and `optim` draw with Matplotlib.

They differ in colour, marker and dash, so that they can be told apart in print and by the colour-blind. All
else has the colours of the axes that are drawn on, so a picture follows `plt.style.use("dark_background")`.
Matplotlib is imported when the first new figure is asked for.
"""

from __future__ import annotations

from typing import Any

__all__ = ["COLOURS", "axes", "look"]

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")  # Okabe and Ito 2008
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
