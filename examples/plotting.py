"""The common style of the examples' pictures: two open sides, and colours that all readers can tell apart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from minigrad.plots import COLOURS, ON_DARK

__all__ = ["COLOURS", "MISSING", "STYLE", "THEMES", "pyplot", "save"]

STYLE: dict[Any, Any] = {
    "figure.constrained_layout.use": True, "savefig.dpi": 150, "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 11, "axes.titlelocation": "left", "legend.frameon": False, "legend.fontsize": 9,
    "lines.linewidth": 1.8,
}  # fmt: skip
THEMES: dict[str, dict[str, Any]] = {  # of a page: rcParams of Matplotlib
    "light": {},
    "dark": {
        "axes.prop_cycle": f"cycler(color={list(ON_DARK)})",
        **dict.fromkeys(("figure.facecolor", "axes.facecolor", "savefig.facecolor"), "#0d1117"),
        **dict.fromkeys(
            ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), "#e8edf3"
        ),
    },
}
MISSING = 'no picture: Matplotlib is not installed (pip install -e ".[plot]")'


def pyplot() -> Any:
    """matplotlib.pyplot in our style, drawing into files. Raises ImportError if it is not installed."""
    import matplotlib as mpl
    from cycler import cycler

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    plt.rcParams.update({**STYLE, "axes.prop_cycle": cycler(color=COLOURS)})
    return plt


def save(fig: Any, path: Path) -> None:
    """Make the folder of `path`, write the figure there, and print where it is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fig.savefig(path)
    pyplot().close(fig)
    print(f"picture: {path}")
