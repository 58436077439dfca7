"""How curves look in the pictures that `models` and `optim` draw with Matplotlib.

They differ in colour, marker and dash, so that they can be told apart in print and by the colour-blind. On a
dark ground the colours are lighter ones of the same hues. All else has the colours of the axes that are drawn
on, so a picture follows `plt.style.use("dark_background")`.
Matplotlib is imported when the first new figure is asked for.
"""

from __future__ import annotations

from typing import Any

__all__ = ["COLOURS", "ON_DARK", "axes", "is_dark", "look", "palette"]

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")  # Okabe and Ito 2008
ON_DARK = ("#5AA9EC", "#F29A4E", "#43C79B", "#E69FC7", "#F0C04E", "#9AD0F5")  # the same hues, lighter
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


def is_dark(ax: Any) -> bool:
    """Whether the ground of the axes is dark; where they have none, that of their figure."""
    grounds = (ax.get_facecolor(), ax.figure.get_facecolor(), (1.0, 1.0, 1.0, 1.0))
    return sum(next(ground for ground in grounds if ground[3] > 0.5)[:3]) < 1.5


def palette(ax: Any) -> tuple[str, ...]:
    """The colours of curves on these axes."""
    return ON_DARK if is_dark(ax) else COLOURS


def look(ax: Any, i: int, marker: bool = True) -> dict[str, Any]:
    """How the i-th curve on these axes looks."""
    dash, colours = i // 2 if marker else i, palette(ax)
    found = {
        "color": colours[i % len(colours)], "linestyle": DASHES[dash % len(DASHES)], "linewidth": 1.8,
    }  # fmt: skip
    return found | {"marker": MARKERS[i % len(MARKERS)], "markersize": 5} if marker else found
