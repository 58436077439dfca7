"""Every method of `optim.minimize` in the bent and narrow valley of Rosenbrock, 100(y − x²)² + (1 − x)².

It is easy to get into the valley. Inside it the gradient points across, not along: gradient descent creeps,
momentum and Adam swing from side to side, and methods that know the curvature turn with the valley. Steps of
different methods cost different amounts, so the table counts calls: nfev of f, njev of its gradient, and nhev
products Hv, of which conjugate gradients made ncg.

    python -m examples.minimize_rosenbrock            the table, and the paths in runs/rosenbrock/paths.png
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

import optim
from examples import plotting
from examples.command import folder, parser, positive
from minigrad import grad

START = (-1.2, 1.0)
METHODS: dict[str, dict[str, Any]] = {  # those with a learning rate get one that suits this function
    "gd": {"lr": 1e-3},
    "momentum": {"lr": 5e-3},
    "adam": {"lr": 0.02},
    "lbfgs": {},
    "newton": {},
    "newton-cg": {},
}


def rosenbrock(x: Any) -> Any:
    return 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2


def results(gtol: float) -> dict[str, optim.OptimizeResult]:
    """The result of each method, run until max|∇f| is at most `gtol` times its first value."""
    # As an absolute tolerance, because a share of the first gradient alone is not believed: f must then also
    # promise no further fall, and plain descent takes twice as many steps for that.
    stop = {"gtol": 0.0, "gtol_abs": gtol * float(np.abs(grad(rosenbrock)(np.array(START))).max())}
    return {
        method: optim.minimize(rosenbrock, START, method, options=stop | options)
        for method, options in METHODS.items()
    }


def table(found: dict[str, optim.OptimizeResult]) -> str:
    lines = ["method        nit   nfev   njev   nhev    ncg         f  status"]
    for method, r in found.items():
        lines.append(f"{method:<10}{r.nit:7}{r.nfev:7}{r.njev:7}{r.nhev:7}{r.ncg:7}{r.fun:10.1e}  {r.status}")
    return "\n".join(lines)


def draw(found: dict[str, optim.OptimizeResult], path: Path) -> None:
    plt = plotting.pyplot()
    from matplotlib.colors import LogNorm

    x, y = np.linspace(-1.6, 1.4, 400), np.linspace(-0.6, 1.6, 300)
    f = rosenbrock(np.stack(np.meshgrid(x, y)))
    levels = 10.0 ** np.arange(-2, 3.5, 0.5)
    fig, axes = plt.subplots(2, 3, figsize=(11, 6.6), sharex=True, sharey=True)
    filled: Any = None
    for ax, (method, r), colour in zip(axes.flat, found.items(), plotting.COLOURS, strict=True):
        # The scale of greys ends far above the drawn levels, so that the darkest grey drawn is lighter than
        # the paths.
        filled = ax.contourf(x, y, f, levels=levels, norm=LogNorm(1e-2, 1e11), cmap="Greys", extend="min")
        ax.contour(x, y, f, levels=levels, colors="white", linewidths=0.6)
        points = np.array([point.x for point in r.trace])
        marked = len(points) < 100  # the markers of more points would overlap
        ax.plot(*points.T, "-o" if marked else "-", color=colour, markersize=4, linewidth=1.6)
        ax.plot(*START, "o", color="white", markeredgecolor="black", markersize=7, zorder=5)
        ax.plot(1, 1, "*", color="gold", markeredgecolor="black", markersize=14, zorder=5)
        work = f"{r.nit:,} steps, {r.njev:,} gradients" + (f", {r.nhev} products Hv" if r.nhev else "")
        ax.set_title(method, fontsize=12, fontweight="bold", pad=20)
        ax.text(0, 1.03, work, transform=ax.transAxes, fontsize=9.5)
        ax.set(xticks=[-1, 0, 1], yticks=[0, 1])
    for name, place, below in (("start", START, -18), ("minimum", (1, 1), 11)):
        axes[0, 0].annotate(
            name, place, xytext=(0, below), textcoords="offset points", ha="center", fontsize=9.5
        )
    for ax in axes[1]:
        ax.set_xlabel("x")
    for ax in axes[:, 0]:
        ax.set_ylabel("y", rotation=0)
    fig.colorbar(filled, ax=axes, label="f", shrink=0.7, pad=0.02, ticks=10.0 ** np.arange(-2, 4))
    plotting.save(fig, path)


def main(arguments: Sequence[str] | None = None) -> None:
    command = parser("examples.minimize_rosenbrock", __doc__)
    command.add_argument("--gtol", type=positive, default=1e-6, help="stop at this part of max|∇f(x₀)|")
    command.add_argument("--out", type=folder, default="runs/rosenbrock", help="folder for the picture")
    options = command.parse_args(arguments)
    found = results(options.gtol)
    print(table(found))
    try:
        draw(found, options.out / "paths.png")
    except ImportError:
        print(plotting.MISSING)


if __name__ == "__main__":
    main()
