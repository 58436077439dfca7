"""The pictures of a sweep: sensitivity curves with bands over the seeds, and performance profiles."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigrad.extend import axes, entry, look
from optim.figures.style import GREY, legend

__all__ = ["performance_profiles", "sensitivity"]


@entry
def sensitivity(
    sweep: Any,
    *,
    metric: str | None = None,
    x: str = "lr",
    by: Any = None,
    over: Any = None,
    higher_is_better: bool = False,
    limit: float | None = None,
    ax: Any = None,
) -> Any:
    """The result of a sweep against the learning rate: medians, and their intervals over the seeds as bands.

    A cross on the upper edge stands where at least one run diverged.

    Args:
        sweep: a `Sweep`.
        metric, over, higher_is_better: see `Sweep.summary`.
        x: the setting on the axis.
        by: the settings that have a curve for each value; by default "optimizer", if there is one.
        limit: a proven bound on the rate, > 0, drawn as a line; for gradient descent 2/λmax, where λmax is
            the largest eigenvalue of the Hessian (`sharpness`).
        ax: Matplotlib's axes to draw on; by default those of a new figure.

    Returns:
        The axes.

    Raises:
        ValueError: a setting has no place in the picture, or x is no setting of numbers.

    >>> from matplotlib.figure import Figure
    >>> from optim import sweep
    >>> found = sweep(lambda lr: (1 - 4 * lr) ** 20, {"lr": [0.01, 0.1]}, executor="serial", progress=False)
    >>> ax = sensitivity(found, limit=2 / 4, ax=Figure().subplots())
    >>> ax.get_xlabel(), len(ax.lines)
    ('learning rate', 3)
    """
    if limit is not None and not 0 < limit < math.inf:
        raise ValueError(f"`sensitivity(limit=...)` must be a finite rate > 0, got {limit!r:.60}.")
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
    if limit is not None:
        ax.axvline(limit, color=GREY, linestyle="--", linewidth=1.5, label=f"limit {limit:.4g}", zorder=1)
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
        ax.plot([], [], "x", color=GREY, markersize=7, markeredgewidth=2, label="a run diverged")
    if len(curves) > 1 or diverged or limit is not None:
        legend(ax)
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
    style = look(ax, i)
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


@entry
def performance_profiles(profile: Any, *, ax: Any = None) -> Any:
    """The share of problems that each solver solves within τ times the least cost of any, against τ.

    Args:
        profile: what `optim.performance_profile` or `Sweep.profile` returns.
        ax: Matplotlib's axes to draw on; by default those of a new figure.

    Returns:
        The axes.

    >>> from matplotlib.figure import Figure
    >>> from optim import performance_profile
    >>> ax = performance_profiles(performance_profile({"a": [1, 2], "b": [2, 2]}), ax=Figure().subplots())
    >>> [line.get_label() for line in ax.lines]
    ['a', 'b']
    """
    ax = axes(ax)
    finite = [r for ratios in profile.ratios.values() for r in ratios if math.isfinite(r)]
    right = 1.15 * max([2.0, *finite])
    for i, (name, ratios) in enumerate(profile.ratios.items()):
        solved = sorted(r for r in ratios if math.isfinite(r))
        steps = [0.0, *(np.arange(1, len(solved) + 1) / len(ratios))]
        ax.step(
            [1.0, *solved, right], [*steps, steps[-1]], where="post", label=name, clip_on=False,
            markevery=[len(solved) + 1], **look(ax, i),
        )  # fmt: skip
    ax.set(
        xscale="log", xlim=(1, right), ylim=(0, 1.02), xlabel="τ: cost ÷ the least cost of any solver",
        ylabel="share of problems solved within τ",
    )  # fmt: skip
    ax.grid(alpha=0.25)
    legend(ax)
    return ax
