"""Basins: Newton's method ends at any of nine points, and only four of them are minima.

    f = (x² + y − 11)² + (x + y² − 7)²

is Himmelblau's function. It has four minima of value 0, one maximum of value 181.617 between them, and four
saddles. Newton's method x ← x − H⁻¹g is run from each of 121 × 121 starts on [−6, 6]². It solves g = 0, so
the minima have no privilege: wherever a walk ends is a critical point, and all nine occur. Their kind is read
from the eigenvalues of H there.

The colours show where each start ends. Far out the basins are large and quiet. Between them, along the curves
where H is singular, a step is as long as it likes and may lead anywhere: there the basins are fractal.

The starts are one batch: f is summed over all of them, so one gradient gives the gradients at all points, and
two products with H, along the axes, give all their Hessians.

Source: D. Himmelblau 1972, Applied nonlinear programming.
"""

from functools import cache
from typing import Any

import numpy as np

from examples.shared import Row
from minigrad import grad, hvp

SIDE = 121
MINIMA = ((3.0, 2.0), (-2.805118, 3.131312), (-3.779310, -3.283186), (3.584428, -1.848126))
TOP = (-0.270845, -0.923039)
SOURCE = "Himmelblau 1972"


def himmelblau(w: Any) -> Any:
    """w: (2, …)."""
    return (w[0] ** 2 + w[1] - 11) ** 2 + (w[0] + w[1] ** 2 - 7) ** 2


def total(w: Any) -> Any:
    return np.sum(himmelblau(w))


def hessians(w: Any) -> Any:
    """(n, 2, 2) at the columns of w: (2, n)."""
    columns = [hvp(total, w, np.repeat(axis[:, None], w.shape[1], axis=1)) for axis in np.eye(2)]
    return np.transpose(np.array(columns), (2, 1, 0))


@cache
def ends(steps: int = 100) -> Any:
    """(2, SIDE²): where Newton's method is after so many steps from each point of the grid."""
    side = np.linspace(-6, 6, SIDE)
    w = np.array(np.meshgrid(side, side)).reshape(2, -1)
    for _ in range(steps):
        w = w - np.linalg.solve(hessians(w), grad(total)(w).T[:, :, None])[:, :, 0].T
    return w


@cache
def points() -> Any:
    """The different ends, (2, number), in order of f, and for each start the number of its end."""
    found, number = np.unique(ends().round(6), axis=1, return_inverse=True)
    order = np.argsort(himmelblau(found), kind="stable")
    return found[:, order], np.argsort(order)[number]


def numbers() -> list[Row]:
    found, _ = points()
    negative = (np.linalg.eigvalsh(hessians(found)) < 0).sum(axis=1)
    kinds = {"minima": (0, 4), "saddles": (1, 4), "maxima": (2, 1)}
    rows = [Row("critical points found", found.shape[1], 9, source=SOURCE)]
    rows += [Row(kind, (negative == n).sum(), count, source=SOURCE) for kind, (n, count) in kinds.items()]
    rows.append(Row("f at the maximum", himmelblau(found)[negative == 2][0], 181.6165, 1e-4, SOURCE))
    for point in (*MINIMA, TOP):
        distance = np.linalg.norm(found.T - point, axis=1).min()
        rows.append(Row(f"distance from {point}", distance, 0, 2e-6, SOURCE))
    return rows


def draw(plt: Any) -> Any:
    found, number = points()
    fig, ax = plt.subplots(figsize=(5.6, 5))
    image = number.reshape(SIDE, SIDE)
    ax.imshow(image, cmap="tab10", vmin=0, vmax=9, origin="lower", extent=(-6, 6, -6, 6))
    negative = (np.linalg.eigvalsh(hessians(found)) < 0).sum(axis=1)
    for kind, marker, n in (("minimum", "o", 0), ("saddle", "X", 1), ("maximum", "^", 2)):
        style = {"color": "white", "markeredgecolor": "black", "markersize": 9}
        ax.plot(*found[:, negative == n], marker, **style, label=kind)
    fig.legend(loc="outside lower center", ncols=3)
    ax.set(title="where each start ends", xlabel="x", ylabel="y", xlim=(-6, 6), ylim=(-6, 6))
    return fig
