"""Newton's method in n dimensions: solve Hp = −g.

    w ← w − H⁻¹g

In other coordinates, w = Az, the gradient is Aᵀg and the Hessian AᵀHA, so the step is A⁻¹p: the same
step. Newton's walk does not depend on units, on κ, or on the angle of a valley, while descent's step,
seen in w, becomes −η AAᵀg. A parabola of any κ takes one step.

It goes wherever g = 0. On the monkey saddle x³ − 3xy² g is of degree 2 and H of degree 1, so Hw = 2g
(Euler), and each step goes half the way into the saddle.

H has n² numbers. Newton-CG never makes it: conjugate gradients solve Hp = −g by products Hv, each about
two gradients, and end after as many products as H has *distinct* eigenvalues.
"""

from typing import Any

import numpy as np

import optim
from examples.lecture.measurements import cg_products
from examples.newton_1d import monkey
from examples.shared import Row, contours, curves, newton, walk
from minigrad import grad

A, START = np.array([[3.0, 1.0], [40.0, 20.0]]), np.array([2.0, 1.5])


def bent(w: Any) -> Any:
    return np.cosh(w[0] - 1) + np.cosh(w[1] + w[0]) + 0.1 * w[1] ** 2


def elsewhere(method: Any, *args: Any, **options: Any) -> Any:
    """The walk in the coordinates z, w = Az, as points w."""
    return method(*args, lambda z: bent(A @ z), np.linalg.solve(A, START), **options) @ A.T


def numbers() -> list[Row]:
    apart = elsewhere(newton, steps=5) - newton(bent, START, 5)
    step = np.diff(elsewhere(walk, optim.SGD, steps=1, lr=1e-5), axis=0)
    size = np.linalg.norm(newton(monkey, [1.0, 0.3], 5), axis=1)
    narrow = newton(lambda w: 0.5 * (w[0] ** 2 + 1e4 * (w[1] + w[0]) ** 2), [1.0, 1.0], 1)
    return [
        Row("Newton: walk in z − walk in w", np.abs(apart).max(), 0, 1e-9),
        Row("descent: step in z + η AAᵀg", np.abs(step + 1e-5 * A @ A.T @ grad(bent)(START)).max(), 0, 1e-9),
        Row("κ of 4·10⁴: distance from the minimum after 1 step", np.abs(narrow[1]).max(), 0, 1e-9),
        Row("monkey saddle: ‖w‖ after a step ÷ before", size[5] / size[4], 0.5, 1e-9),
        *(Row(f"Newton-CG: products, {d} distinct eigenvalues", cg_products(d), d) for d in (2, 4, 8)),
    ]


def draw(plt: Any) -> Any:
    fig, ax = plt.subplots(figsize=(7, 3.9))
    contours(ax, bent, (-1, 2.4), (-2.2, 2), np.geomspace(2.1, 60, 9))
    ax.plot(*newton(bent, START, 6).T, "o-", lw=5, ms=11, alpha=0.5, label="Newton in w")  # below that in z
    lines = {"Newton in z": elsewhere(newton, steps=6)}
    lines["descent in w"] = walk(optim.SGD, bent, START, 60, lr=0.02)
    lines["descent in z"] = elsewhere(walk, optim.SGD, steps=60, lr=1e-5)
    curves(ax, {k: tuple(w.T) for k, w in lines.items()}, ".-", title="Newton: one walk, descent: two")
    return fig
