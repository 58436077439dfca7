"""CG and forcing terms: how exactly Newton's equation has to be solved.

Conjugate gradients solve Hp = −g by products with H alone. After k of them the error is the smallest that a
polynomial of degree k allows, so they are done when a polynomial with value 1 at 0 can vanish at all
eigenvalues: after as many products as H has *distinct* eigenvalues, whatever n is.

Newton-CG stops earlier, at ‖Hp + g‖ ≤ η‖g‖. The forcing term η decides how fast the method converges:

    η constant             order 1
    η = √(‖g‖/‖g₀‖)        order 3/2
    η = ‖g‖/‖g₀‖           order 2, Newton's own

Far away a loose η saves products; near the end a tight one saves steps. The problem is logistic regression on
the breast-cancer data (569 rows, 30 columns), with a penalty of 0.005‖w‖². The order is the slope of log‖g₊‖
over log‖g‖, of the steps at which ‖g‖ has fallen below a thousandth of its start and not yet to rounding.

Sources: M. Hestenes, E. Stiefel 1952, Methods of conjugate gradients for solving linear systems; R. Dembo,
S. Eisenstat, T. Steihaug 1982, Inexact Newton methods.
"""

from functools import cache
from typing import Any

import numpy as np

import optim
from examples.lecture.measurements import cg_products
from examples.shared import Row, curves
from minigrad import Tensor, compile, grad
from models.datasets import breast_cancer, standardize

ORDERS: dict[str | float, float] = {0.1: 1, "superlinear": 1.5, "quadratic": 2}
SOURCE = "Dembo 1982"


@cache
def gradients(forcing: str | float) -> Any:
    """‖g‖ before each step and after the last."""
    data = breast_cancer()
    x, sign = standardize(data.X)[0][0], np.where(data.y, 1.0, -1.0)
    f = lambda w: np.mean(np.logaddexp(0, -sign * (x @ w))) + 0.005 * np.sum(w**2)  # noqa: E731
    w = Tensor(np.zeros(30), requires_grad=True)
    solver = optim.NewtonCG([w], forcing=forcing, gtol=0.0, initial_radius=1e3, second_order=False)
    loss, size = compile(lambda: f(w)), [float(np.linalg.norm(grad(f)(w.data)))]
    while size[-1] > 1e-12 * size[0] and len(size) < 40:
        solver.step(loss.at())
        size.append(float(np.linalg.norm(grad(f)(w.data))))
    return np.array(size)


def order(size: Any) -> float:
    """The slope of log‖g₊‖ over log‖g‖."""
    before, after = size[:-1], size[1:]
    late = (before < 1e-3 * size[0]) & (after > 1e-13)
    return float(np.polyfit(np.log(before[late]), np.log(after[late]), 1)[0])


def numbers() -> list[Row]:
    rows = [
        Row(f"products, {d} eigenvalues, n = 24", cg_products(d), d, source="Hestenes 1952")
        for d in (3, 6, 12)
    ]
    return rows + [
        Row(f"η {name}: order", order(gradients(name)), p, 0.05 * p, SOURCE) for name, p in ORDERS.items()
    ]


def draw(plt: Any) -> Any:
    fig, ax = plt.subplots(figsize=(7, 3.6))
    lines = {f"η {name}": gradients(name) for name in ORDERS}
    curves(ax, lines, ".-", xlabel="step of Newton-CG", ylabel="‖g‖", yscale="log")
    ax.set_title("the forcing term decides the order")
    return fig
