"""How the pictures of this package look. What draws takes axes and returns them, and shows nothing.

Curves differ in colour and dash, so that they can be told apart in print and by the colour-blind. All else
has Matplotlib's own colours, so a picture follows `plt.style.use("dark_background")`. Matplotlib is imported
when the first picture is asked for.
"""

from __future__ import annotations

from typing import Any

__all__ = ["axes", "look"]

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")  # Okabe and Ito 2008
DASHES = ("-", (0, (5, 1.5)), (0, (1, 1)), (0, (5, 1, 1, 1)))


def axes(ax: Any) -> Any:
    """`ax`, or those of a new figure."""
    if ax is not None:
        return ax
    try:
        from matplotlib import pyplot as plt
    except ImportError as error:
        raise ImportError('plot() needs Matplotlib: pip install -e ".[plot]"') from error
    return plt.subplots(layout="constrained")[1]


def look(i: int) -> dict[str, Any]:
    """How the i-th curve looks; 24 differ."""
    dash = DASHES[(i // len(COLOURS)) % len(DASHES)]
    return {"color": COLOURS[i % len(COLOURS)], "linestyle": dash, "linewidth": 1.8}
