"""The spectrum of a Hessian, and how noisy the gradient of a batch is."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.extend import axes, entry, look, palette
from optim.figures.style import GREY, column, ink, legend, panels

__all__ = ["gradient_noise", "spectrum"]


@entry
def spectrum(estimate: Any, exact: Any = None, *, width: float | None = None, ax: Any = None) -> Any:
    """The density of a Hessian's eigenvalues, and below it the exact ones, a tick each.

    Each eigenvalue is smoothed by a Gaussian; the y axis is logarithmic and ends where one of n eigenvalues
    alone would be hard to see. The exact density, smoothed alike, lies beside the estimate.

    Args:
        estimate: the `Spectrum` that `hessian_spectrum` returns; an exact one is drawn with its ticks.
        exact: all eigenvalues, to compare with: an exact `Spectrum`, or their list.
        width: the Gaussian's standard deviation, > 0; by default a hundredth of the range.
        ax: Matplotlib's axes to draw on; by default those of a new figure.

    Returns:
        The axes.

    Raises:
        ValueError: the width is not positive, or `exact` has another number of eigenvalues than n.

    >>> from matplotlib.figure import Figure
    >>> import optim
    >>> found = optim.hessian_spectrum(lambda x: x[0] ** 2 - 3 * x[1] ** 2, np.zeros(2))
    >>> ax = spectrum(found, ax=Figure().subplots())
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['exact density', 'eigenvalues: 2, of which 1 < 0']
    """
    call = "spectrum"
    exact = estimate.values if exact is None and estimate.exact else exact
    values = None if exact is None else column(call, "exact", getattr(exact, "values", exact))
    if values is not None and len(values) != estimate.n:
        raise ValueError(f"`{call}(exact=...)` must be all {estimate.n} eigenvalues, got {len(values)}.")
    ends = estimate.values if values is None else np.concatenate([estimate.values, values])
    low, high = float(ends.min()), float(ends.max())
    if width is None:
        width = 0.01 * ((high - low) or abs(high) or 1.0)
    grid = np.linspace(low - 6 * width, high + 6 * width, 1601)
    ax = axes(ax)
    kind = "exact density" if estimate.exact else f"estimate: {estimate.products:,} Hessian products"
    density = estimate.density(grid, width)[1]
    ax.plot(grid, density, label=kind, **look(ax, 0, marker=False))
    floor = 0.03 / (estimate.n * width * np.sqrt(2 * np.pi))  # the peak of one eigenvalue is 33 times this
    top = float(density.max())
    ax.fill_between(grid, floor, np.maximum(density, floor), color=palette(ax)[0], alpha=0.15, linewidth=0)
    if values is not None:
        if not estimate.exact:
            smooth = np.exp(-0.5 * ((grid[:, None] - values) / width) ** 2).mean(axis=1)
            smooth /= width * np.sqrt(2 * np.pi)
            top = max(top, float(smooth.max()))
            ax.plot(grid, smooth, label="exact density", **look(ax, 1, marker=False))
        label = f"eigenvalues: {len(values):,}, of which {(values < 0).sum():,} < 0"
        ax.plot(
            values, np.full(len(values), 0.03), "|", color=ink(ax), markersize=10, alpha=0.6, label=label,
            transform=ax.get_xaxis_transform(),
        )  # fmt: skip
    ax.axvline(0, color=GREY, linewidth=0.8, zorder=1)
    ax.set(yscale="log", ylim=(floor, 3 * top), xlabel="eigenvalue λ (loss per unit of w²)")
    ax.set_ylabel("density (share of eigenvalues per unit of λ)")
    ax.set_xlim(grid[0], grid[-1])
    ax.grid(alpha=0.25)
    legend(ax)
    return ax


@entry
def gradient_noise(
    steps: Any, squared_norm: Any, covariance_trace: Any, *, batch_size: int | None = None, ax: Any = None
) -> Any:
    """Signal and noise of the gradient along training, and the batch size at which they are equal.

        signal ‖G‖²,   noise of a batch tr Σ/B,   noise scale tr Σ/‖G‖²

    Where the noise lies above the signal, a step goes mostly at random.

    Args:
        steps: the numbers of the steps.
        squared_norm: ‖G‖² at each, of the gradient over all data. An estimate may be negative; it is left out
            of the picture then, and the noise scale is.
        covariance_trace: tr Σ at each, ≥ 0, of the gradients of single samples.
        batch_size: B, ≥ 1; by default 1.
        ax: Matplotlib's axes to draw on; by default those of a new figure.

    Returns:
        The axes; the panels are `ax.child_axes`.

    Raises:
        ValueError: the columns differ in length, tr Σ is negative, or B < 1.

    Reference: McCandlish, Kaplan, Amodei 2018, An empirical model of large-batch training.

    >>> from matplotlib.figure import Figure
    >>> ax = gradient_noise([0, 10], [4.0, 1.0], [8.0, 8.0], batch_size=4, ax=Figure().subplots())
    >>> ax.child_axes[1].lines[0].get_ydata()
    array([2., 8.])
    """
    call = "gradient_noise"
    t = column(call, "steps", steps)
    signal = column(call, "squared_norm", squared_norm, len(t))
    trace = column(call, "covariance_trace", covariance_trace, len(t))
    if (trace < 0).any():
        raise ValueError(f"`{call}(covariance_trace=...)` must be ≥ 0, got {trace.min():.4g}.")
    B = 1 if batch_size is None else batch_size
    if isinstance(B, bool) or not isinstance(B, int | np.integer) or B < 1:
        raise ValueError(f"`{call}(batch_size=...)` must be a whole number of at least 1, got {B!r}.")
    hidden = int((signal <= 0).sum())
    signal = np.where(signal > 0, signal, np.nan)
    noise = trace / B
    ax = axes(ax, (6.8, 5.6))
    parts, scale = panels(ax, (1.4, 1))
    said = f"signal ‖G‖² (where it is > 0, at {len(t) - hidden} of {len(t)})" if hidden else "signal ‖G‖²"
    parts.plot(t, signal, label=said, **look(parts, 0, marker=len(t) <= 40))
    label = "noise of one sample, tr Σ" if B == 1 else f"noise of a batch of {B}, tr Σ/{B}"
    parts.plot(t, noise, label=label, **look(parts, 3, marker=len(t) <= 40) | {"color": palette(parts)[1]})
    parts.fill_between(
        t, signal, noise, where=noise > signal, color=palette(parts)[1], alpha=0.15, linewidth=0,
        label="more noise than signal",
    )  # fmt: skip
    parts.set(yscale="log", ylabel="(loss per unit of w)²")
    parts.margins(y=0.25)
    legend(parts)
    scale.plot(t, trace / signal, **look(scale, 2, marker=len(t) <= 40) | {"linestyle": "-"})
    if batch_size is not None:
        scale.axhline(B, color=GREY, linestyle="--", linewidth=1.5, label=f"batch size {B}")
        legend(scale)
    scale.set(yscale="log", xlabel="step", ylabel="noise scale (samples)")
    return ax
