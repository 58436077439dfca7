"""The pictures of a sweep. Each function draws on the axes it is given, or on new ones, and returns them.

Curves differ in colour, marker and dash, so that they can be told apart in print and by the colour-blind. All
else has Matplotlib's own colours, so a picture follows `plt.style.use("dark_background")`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

__all__ = ["plot_profile", "plot_sensitivity"]

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")  # Okabe and Ito 2008
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
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
    """How the i-th curve looks."""
    return {
        "color": COLOURS[i % len(COLOURS)], "marker": MARKERS[i % len(MARKERS)],
        "linestyle": DASHES[(i // 2) % len(DASHES)], "linewidth": 1.8, "markersize": 5,
    }  # fmt: skip


def plot_sensitivity(
    sweep: Any,
    ax: Any = None,
    *,
    metric: str | None = None,
    x: str = "lr",
    by: Any = None,
    over: Any = None,
    higher_is_better: bool = False,
) -> Any:
    """See `Sweep.plot`."""
    found = sweep.summary(metric, over=over, higher_is_better=higher_is_better)
    metric = metric or sweep.metrics[0]
    names = list(found[0].settings)
    by = (
        [name for name in names if name == "optimizer"]
        if by is None
        else [by]
        if isinstance(by, str)
        else [*by]
    )
    _require_on_axis(names, found, x, by)
    ax = axes(ax)
    curves: dict[str, list[Any]] = {}
    for s in found:
        if s.settings[x] is not None:
            curves.setdefault(" ".join(str(s.settings[name]) for name in by), []).append(s)
    for i, (name, points) in enumerate(curves.items()):
        _curve(ax, i, name, [p.settings[x] for p in points], points)
    rates = [p.settings[x] for points in curves.values() for p in points]
    ends = [
        v for points in curves.values() for p in points for v in (p.median, p.low, p.high) if math.isfinite(v)
    ]
    if rates and min(rates) > 0 and max(rates) > 5 * min(rates):
        ax.set_xscale("log")
    if ends and min(ends) > 0 and max(ends) > 20 * min(ends):
        ax.set_yscale("log")
    coverage = {f"{100 * p.coverage:.3g} %" for points in curves.values() for p in points if p.coverage}
    ax.set_title(
        f"median and its interval at {' or '.join(sorted(coverage))}" if coverage else "", fontsize=10
    )
    ax.set(
        xlabel="learning rate" if x == "lr" else x, ylabel=f"final {metric}" if "loss" in metric else metric
    )
    ax.grid(alpha=0.25)
    if diverged := any(p.diverged for points in curves.values() for p in points):
        ax.plot([], [], "x", color="grey", markersize=7, markeredgewidth=2, label="a run diverged")
    if len(curves) > 1 or diverged:
        ax.legend(fontsize=9)
    return ax


def _require_on_axis(names: list[str], found: Any, x: str, by: list[str]) -> None:
    if x not in names or any(isinstance(s.settings[x], str) for s in found):
        raise ValueError(
            f"`Sweep.plot(x=...)` must be a setting of numbers, got {x!r}; settings are {names}."
        )
    for name in by:
        if name not in names:
            raise ValueError(f"`Sweep.plot(by=...)` must name settings, which are {names}, got {name!r}.")
    for name in names:
        if name != x and name not in by:
            value = found[0].settings[name]
            raise ValueError(
                f"`Sweep.plot`: {name!r} has no place in this picture. Write sweep.where({name}={value!r})"
                f".plot(), or name it in by= or over=."
            )


def _curve(ax: Any, i: int, name: str, rates: list[float], points: Any) -> None:
    style = look(i)
    finite = np.array([[p.median, p.low, p.high] for p in points])
    finite[~np.isfinite(finite)] = np.nan
    ax.plot(rates, finite[:, 0], label=name or None, **style)
    top = np.where(np.isnan(finite[:, 2]), finite[:, 0], finite[:, 2])
    ax.fill_between(rates, finite[:, 1], top, color=style["color"], alpha=0.18, linewidth=0)
    bad = [rate for rate, p in zip(rates, points, strict=True) if p.diverged]
    ax.plot(
        bad, [0.985 - 0.035 * i] * len(bad), "x", color=style["color"], markersize=7, markeredgewidth=2,
        transform=ax.get_xaxis_transform(),
    )  # fmt: skip


def plot_profile(profile: Any, ax: Any = None) -> Any:
    """See `PerformanceProfile.plot`."""
    ax = axes(ax)
    finite = [r for ratios in profile.ratios.values() for r in ratios if math.isfinite(r)]
    right = 1.15 * max([2.0, *finite])
    for i, (name, ratios) in enumerate(profile.ratios.items()):
        solved = sorted(r for r in ratios if math.isfinite(r))
        steps = [0.0, *(np.arange(1, len(solved) + 1) / len(ratios))]
        ax.step(
            [1.0, *solved, right], [*steps, steps[-1]], where="post", label=name, clip_on=False,
            markevery=[len(solved) + 1], **look(i),
        )  # fmt: skip
    ax.set(
        xscale="log", xlim=(1, right), ylim=(0, 1.02), xlabel="τ: cost ÷ the least cost of any solver",
        ylabel="share of problems solved within τ",
    )  # fmt: skip
    ax.grid(alpha=0.25)
    ax.legend(fontsize=9)
    return ax
