"""A training from outside and inside: losses, the sizes of updates, and one weight step by step."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from minigrad.extend import axes, entry, look, palette
from optim.figures.style import GREY, Array, column, copy_colours, ink, legend, panels

__all__ = ["convergence", "coordinate", "learning_curves", "update_ratios"]


@entry
def learning_curves(history: Any, columns: Iterable[str] | None = None, *, ax: Any = None) -> Any:
    """Columns of a training against its epochs or steps, with the least validation loss marked.

    The y axis is logarithmic where all values are positive and span a factor of 20. A row without a value is
    left out, and the curve goes on at the next one.

    Args:
        history: the `History` of `fit`, or a dict of columns. Its column "epoch" or "step" is the x axis; a
            dict without one is counted from 1.
        columns: which; by default those with "loss" in their name.
        ax: Matplotlib's axes to draw on; by default those of a new figure.

    Returns:
        The axes.

    Raises:
        KeyError: there is no such column.
        ValueError: the history has no loss, or no rows.

    >>> from matplotlib.figure import Figure
    >>> ax = learning_curves({"epoch": [1, 2], "train_loss": [0.7, 0.4]}, ax=Figure().subplots())
    >>> ax.get_xlabel(), ax.get_ylabel(), ax.lines[0].get_ydata()
    ('epoch', 'train_loss', array([0.7, 0.4]))
    """
    call = "learning_curves"
    known = list(history.columns() if callable(getattr(history, "columns", None)) else history)
    names = [name for name in known if "loss" in name] if columns is None else list(columns)
    if isinstance(columns, str):
        names = [columns]
    if missing := [name for name in names if name not in known]:
        raise KeyError(f"`{call}(columns=...)`: there is no {missing[0]!r}; the columns are {known}.")
    if not names:
        raise ValueError(
            f"`{call}(history)` must have a column with 'loss' in its name, got {known}. Name others in "
            "columns=, and train for an epoch at least."
        )
    key = next((name for name in ("step", "epoch") if name in known and name not in names), None)
    curves = {}
    for name in names:
        y = column(call, name, history[name])
        x = np.arange(1.0, len(y) + 1) if key is None else column(call, key, history[key], len(y))
        curves[name] = x[np.isfinite(y)], y[np.isfinite(y)]
    ax = axes(ax)
    for i, (name, (x, y)) in enumerate(curves.items()):
        ax.plot(x, y, label=name, **look(ax, i, marker=len(x) <= 40))
    _mark_the_best(ax, key or "epoch", *curves.get("val_loss", (np.empty(0), np.empty(0))))
    _log_if_wide(ax, np.concatenate([y for _, y in curves.values()]))
    kinds = {name.rpartition("_")[2] for name in names}
    ax.set(xlabel=key or "epoch", ylabel=names[0] if len(names) == 1 else " / ".join(sorted(kinds)))
    ax.grid(alpha=0.25)
    if len(names) > 1:
        legend(ax)
    return ax


def _mark_the_best(ax: Any, key: str, x: Array, y: Array) -> None:
    if len(y):
        best = int(np.argmin(y))
        label = f"least val_loss: {y[best]:.4g} at {key} {x[best]:g}"
        ax.plot(
            x[best], y[best], "*", color=palette(ax)[4], markersize=13, markeredgecolor=ink(ax), label=label,
            zorder=3,
        )  # fmt: skip


def _log_if_wide(ax: Any, values: Array) -> None:
    if values.size and values.min() > 0 and values.max() > 20 * values.min():
        ax.set_yscale("log")


@entry
def convergence(result: Any, *, ax: Any = None) -> Any:
    """A minimization by its iterations: f above the least value found, and the largest slope.

    Args:
        result: what `optim.minimize` returns.
        ax: Matplotlib's axes to draw on; by default those of a new figure.

    Returns:
        The axes; the panels are `ax.child_axes`.

    >>> from matplotlib.figure import Figure
    >>> import optim
    >>> result = optim.minimize(lambda x: ((x - 1) ** 2).sum(), np.zeros(2))
    >>> [panel.get_ylabel() for panel in convergence(result, ax=Figure().subplots()).child_axes]
    ['f − least f', 'max |gradient|']
    """
    trace = result.trace
    values, slopes = np.array([p.fun for p in trace]), np.array([p.gradient for p in trace])
    above = values - np.min(values)
    ax = axes(ax, (6.4, 5.6))
    falls, gradients = panels(ax, (1, 1))
    k = np.arange(len(trace))
    falls.plot(k[above > 0], above[above > 0], **look(falls, 0, marker=len(trace) <= 60))
    gradients.plot(
        k[slopes > 0], slopes[slopes > 0], **look(gradients, 1, marker=len(trace) <= 60) | {"linestyle": "-"}
    )
    if result.tolerance > 0:
        label = f"tolerance {result.tolerance:.3g}"
        gradients.axhline(result.tolerance, color=GREY, linestyle="--", linewidth=1.5, label=label)
        legend(gradients)
    falls.set(yscale="log", ylabel="f − least f", xlim=(-0.5, len(trace) - 0.5))
    gradients.set(yscale="log", ylabel="max |gradient|", xlabel="iteration")
    ax.set_title(
        f"{result.status}: f = {result.fun:.6g}; {result.nfev} calls of f, {result.nhev} products Hv"
    )
    ax.title.set_fontsize(10)
    return ax


@entry
def update_ratios(ratios: Mapping[str, Any], steps: Any = None, *, ax: Any = None) -> Any:
    """‖Δw‖/‖w‖ of every parameter over time, in one picture: a row each, and colour for the ratio.

    The scale is logarithmic. About 10⁻³ is the rule of thumb, and is marked on it; a row much darker than the
    others learns more slowly than they. Grey: the parameter did not move, or its norm was 0.

    Args:
        ratios: for each parameter its ratios, ≥ 0, no unit, one for each step; the first is drawn on top.
        steps: their numbers, ascending; by default from 1.
        ax: Matplotlib's axes to draw on; by default those of a new figure.

    Returns:
        The axes; the scale is `ax.child_axes[0]`.

    Raises:
        ValueError: the columns differ in length, or a ratio is negative.

    >>> from matplotlib.figure import Figure
    >>> ax = update_ratios({"W": [1e-2, 1e-3], "b": [1e-3, 1e-3]}, ax=Figure().subplots())
    >>> [label.get_text() for label in ax.get_yticklabels()]
    ['W', 'b']
    """
    call = "update_ratios"
    if not isinstance(ratios, Mapping) or not ratios:
        raise TypeError(f"`{call}(ratios)` must be a dict of columns, got {ratios!r:.60}.")
    first = column(call, next(iter(ratios)), next(iter(ratios.values())))
    table = np.array([column(call, name, values, len(first)) for name, values in ratios.items()])
    if (table < 0).any():
        raise ValueError(
            f"`{call}(ratios)` must be ≥ 0, got {table.min():.4g}. Give ‖Δw‖/‖w‖ itself, no log."
        )
    t = np.arange(1.0, len(first) + 1) if steps is None else column(call, "steps", steps, len(first))
    if (np.diff(t) <= 0).any():
        raise ValueError(f"`{call}(steps=...)` must ascend, got {t.tolist()!r:.60}.")
    shown = np.ma.masked_where(~(np.isfinite(table) & (table > 0)), table)
    low, high = (shown.min(), shown.max()) if shown.count() else (1e-3, 1e-3)
    low, high = (low, high) if low < high else (0.5 * low, 2 * high)
    ax = axes(ax, (6.8, 1.4 + 0.3 * max(4, len(table))))
    from matplotlib import colormaps
    from matplotlib.colors import LogNorm

    mesh = ax.pcolormesh(
        _edges(t), np.arange(len(table) + 1) - 0.5, shown, norm=LogNorm(low, high),
        cmap=colormaps["viridis"].with_extremes(bad=GREY), rasterized=True,  # cividis has this grey itself
    )  # fmt: skip
    ax.set(xlabel="step", ylim=(len(table) - 0.5, -0.5))
    ax.set_yticks(range(len(table)), list(ratios), fontsize=9 if len(table) <= 16 else 6)
    scale = ax.inset_axes([1.02, 0, 0.03, 1])
    copy_colours(ax, scale)
    bar = ax.figure.colorbar(mesh, cax=scale)
    bar.outline.set_edgecolor(GREY)
    scale.set_ylabel("‖Δw‖/‖w‖ of a step", color=ink(ax))
    scale.tick_params(colors=ink(ax), which="both")
    if low <= 1e-3 <= high:
        scale.axhline(1e-3, color=palette(scale)[1], linewidth=3)
    return ax


def _edges(t: Array) -> Array:
    """The borders between cells around t."""
    if len(t) == 1:
        return np.array([t[0] - 0.5, t[0] + 0.5])
    middle = (t[1:] + t[:-1]) / 2
    return np.array([2 * t[0] - middle[0], *middle, 2 * t[-1] - middle[-1]])


SIGNS = {"g": "g", "m": "m", "m_hat": "m̂", "b": "b", "v": "√v", "v_hat": "√v̂"}  # in the unit of a slope
AVERAGES = ("m_hat", "m", "b", "g")  # what a step follows, if the rule has it


@entry
def coordinate(
    steps: Any, name: str, index: Any = (), *, at: int | None = None, formula: str = "", ax: Any = None
) -> Any:
    """One weight over time: its slope and averages, the rate it really has, and its steps.

        rate = "lr_eff" of the step if it is there, as lr/(√v̂ + ε) in Adam; else step/m̂

    m̂ stands for the average that the rule follows: m̂, m, b or g. The numbers of one step stand below, step =
    rate·m̂, with what the rule adds to it (decoupled decay). v is drawn as its root, which has the unit of a
    slope.

    Args:
        steps: what the steps computed, in the layout of `preview()`: a list of such dicts, one for each step,
            or a recorded run, whose `at(t)` gives them.
        name, index: the parameter, and the place of the weight in it.
        at: the step whose numbers are written, counted from 1; by default the last.
        formula: more lines to write below, such as an explanation of the rule.
        ax: Matplotlib's axes to draw on; by default those of a new figure.

    Returns:
        The axes; the panels are `ax.child_axes`.

    Raises:
        KeyError, IndexError: there is no such parameter, weight or step.

    >>> from matplotlib.figure import Figure
    >>> import optim
    >>> from minigrad import Tensor
    >>> p, shown = Tensor([3.0], requires_grad=True, name="p"), []
    >>> adam = optim.Adam([p], lr=0.1)
    >>> for _ in range(4):
    ...     (p * p).sum().backward()
    ...     shown.append(adam.preview())
    ...     _ = adam.step() or adam.zero_grad()
    >>> ax = coordinate(shown, "p", 0, ax=Figure().subplots())
    >>> [panel.get_ylabel() for panel in ax.child_axes]
    ['slope', 'rate', 'step']
    """
    call = "coordinate"
    steps = [steps.at(t) for t in range(1, len(steps) + 1)] if hasattr(steps, "at") else list(steps)
    if not steps or name not in steps[0]:
        known = sorted(steps[0]) if steps else []
        raise KeyError(f"`{call}(steps, name)`: there is no {name!r}; the parameters are {known}.")
    at = len(steps) if at is None else at
    if isinstance(at, bool) or not isinstance(at, int | np.integer) or not 1 <= at <= len(steps):
        raise IndexError(f"`{call}(at=...)` must be a step from 1 to {len(steps)}, got {at!r}.")
    found = _track(steps, name, index)
    if "v" in found:
        found.pop("b", None)  # RMSprop's, which has no unit
    average = next(key for key in AVERAGES if key in found)
    t = np.arange(1, len(steps) + 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        rate = found.get("lr_eff", found["step"] / found[average])
    ax = axes(ax, (6.8, 6.4))
    slopes, rates, moves = panels(ax, (3, 1.6, 1.6))
    drawn = [key for key in SIGNS if key in found]
    for i, key in enumerate(drawn):
        y = np.sqrt(np.maximum(found[key], 0)) if key.startswith("v") else found[key]
        slopes.plot(t, y, label=SIGNS[key], **look(slopes, i, marker=False))
    legend(
        slopes, ncols=len(drawn), loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0.2, frameon=False
    )
    rates.plot(t, rate, **look(rates, 1, marker=False) | {"linestyle": "-"})
    _log_if_wide(rates, rate[np.isfinite(rate)])
    moves.plot(t, found["step"], **look(moves, 2, marker=False) | {"linestyle": "-"})
    for panel, label in zip((slopes, rates, moves), ("slope", "rate", "step"), strict=True):
        panel.set_ylabel(label)
        panel.axvline(at, color=GREY, linewidth=1, zorder=1)
    moves.set_xlabel("t (steps)")
    for panel, unit in ((slopes, "loss per unit of w"), (moves, "w before − w after")):
        panel.set_title(unit, loc="right", fontsize=8, color=ink(ax), pad=2)
    rates.set_title("unit of w² per loss", loc="right", fontsize=8, color=ink(ax), pad=2)
    text = _live(at, SIGNS[average], rate[at - 1], found[average][at - 1], found["step"][at - 1])
    ax.text(
        0, -0.13, "\n".join([text, formula] if formula else [text]), transform=ax.transAxes, va="top",
        fontsize=9, color=ink(ax), family="monospace",
    )  # fmt: skip
    place = "" if index == () else f"[{', '.join(map(str, np.atleast_1d(index)))}]"
    ax.set_title(f"{name}{place}", loc="left", pad=24)
    return ax


def _live(t: int, sign: str, rate: float, average: float, step: float) -> str:
    """The formula of a step with its numbers."""
    rest = step - rate * average
    more, number = (" + rest", f" + {rest:.4g}") if abs(rest) > 1e-6 * abs(step) else ("", "")
    return f"t = {t}:  step = rate·{sign}{more} = {rate:.4g}·{average:.4g}{number} = {step:.4g}"


def _track(steps: list[Any], name: str, index: Any) -> dict[str, Array]:
    """The numbers of one weight over time, NaN where a step left it out."""
    keys = [key for key, value in steps[0][name].items() if np.ndim(value) or not index]
    try:
        rows = [
            [float(step[name][key][index]) if name in step else math.nan for key in keys] for step in steps
        ]
    except (IndexError, TypeError):
        shape = np.shape(steps[0][name]["step"])
        raise IndexError(
            f"`coordinate(index=...)` must be a place in {name!r} of shape {shape}, got {index!r}."
        ) from None
    return dict(zip(keys, np.array(rows).T, strict=True))
