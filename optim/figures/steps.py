"""One step and its limits: the loss along a step, sharpness against stability, and Newton-CG from inside."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from minigrad.extend import axes, entry, look, palette
from optim.base.optimizer import Optimizer
from optim.figures.style import GREY, Array, column, ink, legend, panels

__all__ = ["along_step", "newton_cg", "sharpness_over_time", "stability_threshold"]


@entry
def along_step(alpha: Any, loss: Any, slope: float, curvature: float, *, ax: Any = None) -> Any:
    """The loss along a step s, and what gradient and curvature predict of it.

        line f + α·gᵀs,   parabola f + α·gᵀs + ½α²·sᵀHs,   ρ = (f(x) − f(x + s))/(f(x) − parabola at α = 1)

    Args:
        alpha: ascending shares of the step; 0 and 1 have to be among them.
        loss: f(x + αs) for each.
        slope: gᵀs at x, in units of the loss.
        curvature: sᵀHs at x, in units of the loss.
        ax: Matplotlib's axes to draw on; by default those of a new figure.

    Returns:
        The axes.

    Raises:
        ValueError: 0 or 1 is missing in alpha, or a number is not finite.

    >>> from matplotlib.figure import Figure
    >>> alpha = [0.0, 0.5, 1.0]
    >>> ax = along_step(alpha, [2.0, 1.3, 1.0], slope=-2.0, curvature=2.0, ax=Figure().subplots())
    >>> [line.get_label() for line in ax.lines]
    ['loss', 'line: f + α·gᵀs', 'parabola: + ½α²·sᵀHs', 'x and x + s']
    """
    call = "along_step"
    α = column(call, "alpha", alpha)
    f = column(call, "loss", loss, len(α))
    slope, curvature = float(slope), float(curvature)
    if not (np.isfinite(f).any() and math.isfinite(slope) and math.isfinite(curvature)):
        raise ValueError(f"`{call}`: loss, slope and curvature must be finite, got {slope} and {curvature}.")
    for end in (0.0, 1.0):
        if end not in α:
            raise ValueError(
                f"`{call}(alpha=...)` must contain 0 and 1, where ρ is measured, got {α.min():g} to "
                f"{α.max():g} without {end:g}. Add it, and the loss there."
            )
    start, end = f[α == 0][0], f[α == 1][0]
    predicted, actual = -(slope + 0.5 * curvature), start - end
    line = start + α * slope
    ax = axes(ax)
    ax.plot(α, f, label="loss", **look(ax, 0, marker=False))
    ax.plot(α, line, label="line: f + α·gᵀs", **look(ax, 4, marker=False) | {"linestyle": (0, (1, 1))})
    parabola = line + 0.5 * α**2 * curvature
    ax.plot(
        α, parabola, label="parabola: + ½α²·sᵀHs", **look(ax, 1, marker=False) | {"linestyle": (0, (5, 1.5))}
    )
    ax.plot([0, 1], [start, end], "o", color=ink(ax), markersize=6, label="x and x + s", zorder=3)
    shown = np.concatenate([f[np.isfinite(f)], parabola])
    margin = 0.08 * (np.ptp(shown) or 1.0)
    ax.set_ylim(shown.min() - margin, shown.max() + margin)  # the line may leave the picture
    ax.set(xlabel="α (share of the step)", ylabel="loss")
    rho = "" if not predicted else f" = {actual / predicted:.3g}"
    ax.set_title(f"ρ = actual / predicted = {actual:.3g} / {predicted:.3g}{rho}", fontsize=11)
    ax.grid(alpha=0.25)
    legend(ax)
    return ax


# Stability


@entry
def stability_threshold(optimizer: Optimizer) -> tuple[float, str]:
    """The sharpness beyond which the steps of an optimizer swing ever wider on a quadratic, and its formula.

        SGD 2/η;   heavy ball (2+2β)/((1−τ)η), τ its dampening;   Nesterov (2+2β)/((1+2β)η)
        Momentum (2+2β)/((1−β)η);   Adam the same, 38/η at β₁ = 0.9;   NAdam (2+2β)/((1−β)(1+2β)η)
        AdamW (2−ηλ)(1+β)/((1−β)η);   NAdam with decoupled decay: that over 1+2β
        RMSprop 2/η, with momentum (2+2β)/η;   Adagrad 2/η

    η is lr and λ the weight decay of the first group. From Adam on, the optimizers divide by
    P = √v̂ + ε; their sharpness is that of P^-½ H P^-½, by `preconditioned_sharpness`. Coupled weight decay
    belongs to the loss whose Hessian H is. At the threshold, the recurrence of w and its velocity has the
    eigenvalue −1.

    Returns:
        The threshold, and its formula with η and numbers, such as "38/η".

    Raises:
        TypeError: no threshold is known: the step does not depend linearly on the gradient (Lion), or the
            method adapts to the curvature (NewtonCG).
        ValueError: lr is 0.

    Reference: Cohen et al. 2021, Gradient descent on neural networks typically occurs at the edge of
        stability; Cohen et al. 2022, Adaptive gradient methods at the edge of stability.

    >>> import optim
    >>> from minigrad import Tensor
    >>> stability_threshold(optim.Adam([Tensor([1.0], requires_grad=True)], lr=0.01))
    (3800.0, '38/η')
    """
    kind = type(optimizer).__name__
    if not isinstance(optimizer, Optimizer) or kind not in NUMERATORS:
        raise TypeError(
            f"`stability_threshold(optimizer)` is known for {', '.join(NUMERATORS)}, got {kind}. Pass a "
            "number as the threshold."
        )
    options = optimizer.param_groups[0]
    η = float(options["lr"])
    if not η > 0:
        raise ValueError(f"`stability_threshold(optimizer)` needs lr > 0, got {η}: nothing moves without it.")
    numerator = NUMERATORS[kind](options)
    return float(f"{numerator / η:.15g}"), f"{numerator:.4g}/η"


def _sgd(options: Any) -> float:
    β: float = options["momentum"]
    if options["nesterov"]:
        return (2 + 2 * β) / (1 + 2 * β)
    dampening: float = options["dampening"]
    return (2 + 2 * β) / (1 - dampening) if β else 2.0


def _averaged(options: Any) -> float:
    β: float = options["beta"] if "beta" in options else options["betas"][0]
    return (2 + 2 * β) / (1 - β)


def _decayed(options: Any) -> float:
    β: float = options["betas"][0]
    decay: float = options["lr"] * options["weight_decay"]
    return (2 - decay) * (1 + β) / (1 - β)


def _look_ahead(options: Any) -> float:
    β: float = options["betas"][0]
    whole = _decayed(options) if options["decoupled_weight_decay"] else _averaged(options)
    return whole / (1 + 2 * β)


NUMERATORS: dict[str, Callable[[Any], float]] = {
    "SGD": _sgd, "Momentum": _averaged, "Adam": _averaged, "AdamW": _decayed, "NAdam": _look_ahead,
    "RMSprop": lambda options: 2 + 2 * options["momentum"], "Adagrad": lambda options: 2.0,
}  # fmt: skip
PRECONDITIONED = ("Adam", "AdamW", "NAdam", "RMSprop", "Adagrad")


@entry
def sharpness_over_time(steps: Any, sharpness: Any, threshold: Any, *, ax: Any = None) -> Any:
    """Sharpness along training, against the threshold at which the optimizer becomes unstable.

    Args:
        steps: the numbers of the steps.
        sharpness: λ₁ of the Hessian at each; for an optimizer that divides by P, the preconditioned one.
        threshold: the optimizer, see `stability_threshold`; or a number; or one for each step.
        ax: Matplotlib's axes to draw on; by default those of a new figure.

    Returns:
        The axes.

    Raises:
        TypeError, ValueError: as `stability_threshold`; the columns differ in length.

    >>> from matplotlib.figure import Figure
    >>> ax = sharpness_over_time([0, 10, 20], [5.0, 12.0, 19.0], 20.0, ax=Figure().subplots())
    >>> [line.get_label() for line in ax.lines]
    ['sharpness', 'stable below 20']
    """
    call = "sharpness_over_time"
    t = column(call, "steps", steps)
    λ = column(call, "sharpness", sharpness, len(t))
    label, unit = "stable below {:.4g}", "λ₁ (loss per unit of w²)"
    if isinstance(threshold, Optimizer):
        if type(threshold).__name__ in PRECONDITIONED:
            unit = "λ₁ of P^-½ H P^-½ (1 / unit of lr)"
        threshold, formula = stability_threshold(threshold)
        label = f"stable below {formula} = {{:.4g}}"
    limits = column(call, "threshold", np.atleast_1d(threshold))
    limits = column(call, "threshold", np.full(len(t), limits[0]) if len(limits) == 1 else limits, len(t))
    varies = bool(np.ptp(limits))
    ax = axes(ax)
    ax.plot(t, λ, label="sharpness", **look(ax, 0, marker=len(t) <= 40))
    ax.plot(
        t, limits, color=palette(ax)[1], linestyle=(0, (5, 1.5)), linewidth=1.8,
        label="stable below" if varies else label.format(limits[0]),
    )  # fmt: skip
    positive = np.concatenate([λ[np.isfinite(λ)], limits])
    if positive.min() > 0 and positive.max() > 20 * positive.min():
        ax.set_yscale("log")
    else:
        ax.set_ylim(min(0.0, positive.min()), 1.08 * positive.max())
    ax.set(xlabel="step", ylabel=unit)
    ax.grid(alpha=0.25)
    legend(ax)
    return ax


# Newton-CG


@entry
def newton_cg(steps: Any, *, ax: Any = None) -> Any:
    """Newton-CG under the microscope: every iteration of CG and every trial of one step or several.

    Panels from above: the residual ‖Hz + g‖; the curvature dᵀHd/dᵀd along each direction, negative ones
    marked; the value of the model, gᵀz + ½zᵀHz; and for each step its trials, the radius or length of each
    with a disc if it was accepted, a cross if not, and its ρ. Lines part the steps, and above each stands why
    CG stopped.

    Args:
        steps: the report of a step, or a list of them: with `cg`, columns "residual", "curvature", "model" of
            its iterations; `trials`, columns "length", "rho", "accepted"; and `cg_end`, else `why`, a text.
            Attributes of an object, such as `optimizer.last_step`, or keys of a dict.
        ax: Matplotlib's axes to draw on; by default those of a new figure.

    Returns:
        The axes; the panels are `ax.child_axes`.

    Raises:
        ValueError: no step has an iteration of CG.

    >>> from matplotlib.figure import Figure
    >>> cg = {"residual": [1.0, 0.1], "curvature": [2.0, 1.0], "model": [-0.2, -0.3]}
    >>> trials = {"length": [1.0], "rho": [0.98], "accepted": [True]}
    >>> ax = newton_cg({"cg": cg, "trials": trials, "why": "converged"}, ax=Figure().subplots())
    >>> [panel.get_ylabel() for panel in ax.child_axes]
    ['‖Hz + g‖', 'dᵀHd / dᵀd', 'model', 'radius']
    """
    call = "newton_cg"
    listed = [steps] if isinstance(steps, Mapping) or not hasattr(steps, "__iter__") else list(steps)
    tables = [_of(call, step, "cg") for step in listed]
    parts = [{key: _numbers(table[key]) for key in CG_KEYS} for table in tables]
    counts = [len(part["residual"]) for part in parts]
    if not sum(counts):
        raise ValueError(
            f"`{call}(steps)`: no step has an iteration of CG. Pass reports of NewtonCG's steps."
        )
    starts = np.concatenate([[0], np.cumsum(counts)])
    ax = axes(ax, (7.0, 7.2))
    shown = panels(ax, (1.5, 1.5, 1.2, 1.3), 0.05)
    labels = ("‖Hz + g‖", "dᵀHd / dᵀd", "model", "radius")
    for panel, key, label in zip(shown, (*CG_KEYS, ""), labels, strict=True):
        panel.set_ylabel(label)
        for start in starts[1:-1]:
            panel.axvline(start + 0.5, color=GREY, linewidth=1, zorder=1)
        for part, start in zip(parts, starts, strict=False):
            if key:
                x = start + 1 + np.arange(len(part[key]))
                panel.plot(x, part[key], **look(panel, CG_KEYS.index(key)) | {"linestyle": "-"})
    residual, curvature, _, radius = shown
    _log_residuals(residual, parts)
    _mark_negative(ax, curvature, parts, starts)
    for step, start, count in zip(listed, starts, counts, strict=False):
        _trials(radius, _of(call, step, "trials"), start + 0.5, count, ink(ax))
        residual.text(
            start + 0.5 + 0.5 * count, 1.04, _ended(call, step), ha="center", va="bottom", fontsize=8,
            transform=residual.get_xaxis_transform(), color=ink(ax), rotation=0 if len(listed) <= 4 else 30,
        )  # fmt: skip
    radius.set(xlabel="iteration of CG, all steps together", yscale="log", xlim=(0.5, starts[-1] + 0.5))
    radius.margins(y=0.3)
    ax.set_title("why CG stopped, step by step", fontsize=10, pad=18 if len(listed) <= 4 else 60)
    return ax


CG_KEYS = ("residual", "curvature", "model")


def _of(call: str, step: Any, name: str) -> Any:
    found = step.get(name) if isinstance(step, Mapping) else getattr(step, name, None)
    if found is None:
        raise TypeError(
            f"`{call}(steps)`: each step must have {name!r}, got {type(step).__name__}. Pass "
            "`optimizer.last_step` of NewtonCG, or dicts."
        )
    return found


def _ended(call: str, step: Any) -> Any:
    """Why CG stopped; `why` is of the last trial, which a smaller radius may have cut short."""
    end = step.get("cg_end") if isinstance(step, Mapping) else getattr(step, "cg_end", None)
    return end or _of(call, step, "why")


def _numbers(values: Any) -> Array:
    return np.asarray(values, dtype=np.float64)


def _log_residuals(panel: Any, parts: list[dict[str, Array]]) -> None:
    if all((part["residual"] > 0).all() for part in parts):
        panel.set_yscale("log")


def _mark_negative(ax: Any, panel: Any, parts: list[dict[str, Array]], starts: Array) -> None:
    panel.axhline(0, color=ink(ax), linewidth=0.8)
    for part, start in zip(parts, starts, strict=False):
        down = np.flatnonzero(part["curvature"] <= 0)
        panel.plot(
            start + 1 + down,
            part["curvature"][down],
            "x",
            color=ink(ax),
            markersize=9,
            markeredgewidth=2,
            zorder=3,
        )


def _trials(panel: Any, trials: Any, left: float, width: float, colour: Any) -> None:
    """The trials of a step, spread over the width that its iterations take."""
    length, rho = _numbers(trials["length"]), _numbers(trials["rho"])
    taken = np.asarray(trials["accepted"], dtype=bool)
    x = left + width * (np.arange(len(length)) + 0.5) / max(1, len(length))
    panel.plot(x, length, color=GREY, linewidth=1, zorder=1)
    panel.plot(x[taken], length[taken], "o", color=palette(panel)[2], markersize=7)
    panel.plot(x[~taken], length[~taken], "x", color=palette(panel)[1], markersize=7, markeredgewidth=2)
    for place, height, ratio in zip(x, length, rho, strict=True):
        panel.annotate(
            f"ρ {ratio:.2g}".replace("-", "−"), (place, height), (0, 7), textcoords="offset points",
            ha="center", fontsize=8, color=colour,
        )  # fmt: skip
