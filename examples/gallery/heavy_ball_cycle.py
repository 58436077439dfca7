"""The heavy ball can run in circles: on a convex function, at its best rates.

Take f with the slope

    f′ = 25x to 1,   x + 24 to 2,   25x − 24 from there on

It is smooth, convex, and its curvature lies between m = 1 and L = 25. For a quadratic with these bounds the
heavy ball's best choice is α = 4/(√L + √m)² = 1/9 and β = ((√L − √m)/(√L + √m))² = 4/9. Started at 3.3, it
does not go to the minimum at 0, but into a cycle of three points:

    792/1225,   −2208/1225,   2592/1225

The proof for quadratics looks at eigenvalues, and these say nothing once the curvature changes from step to
step. The average of `optim.Momentum` with lr = α/(1 − β) = 1/5 takes the same steps and the same cycle.
Descent at α = 2/(L + m) and Nesterov's method at α = 1/L, β = (√L − √m)/(√L + √m) are proved to converge on
every such f, and do.

Source: L. Lessard, B. Recht, A. Packard 2016, Analysis and design of optimization algorithms via integral
quadratic constraints, SIAM Journal on Optimization 26.
"""

from typing import Any

import numpy as np

import optim
from examples.shared import Row, curves, walk

SOURCE = "Lessard 2016"
CYCLE = {"792/1225": 792 / 1225, "−2208/1225": -2208 / 1225, "2592/1225": 2592 / 1225}


def f(x: Any) -> Any:
    return np.where(x < 1, 12.5 * x**2, np.where(x < 2, x**2 / 2 + 24 * x - 12, 12.5 * x**2 - 24 * x + 36))


METHODS: dict[str, tuple[Any, dict[str, Any]]] = {
    "heavy ball": (optim.SGD, {"lr": 1 / 9, "momentum": 4 / 9}),
    "average": (optim.Momentum, {"lr": 1 / 5, "beta": 4 / 9}),
    "Nesterov": (optim.SGD, {"lr": 1 / 25, "momentum": 2 / 3, "nesterov": True}),
    "descent": (optim.SGD, {"lr": 1 / 13}),
}


def path(name: str, steps: int) -> Any:
    kind, options = METHODS[name]
    return walk(kind, f, 3.3, steps, **options)


def numbers() -> list[Row]:
    rows = []
    for name in ("heavy ball", "average"):
        ends = path(name, 300)[-3:]
        first = np.argmin(np.abs(ends - CYCLE["792/1225"]))
        for x, (text, value) in zip(np.roll(ends, -first), CYCLE.items(), strict=True):
            rows.append(Row(f"{name}: {text}", x, value, 1e-12, SOURCE))
    ends = {name: path(name, 400)[-1] for name in ("Nesterov", "descent")}
    return [*rows, *(Row(f"{name}: end of the walk", x, 0, 1e-12, SOURCE) for name, x in ends.items())]


def draw(plt: Any) -> Any:
    fig, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6))
    lines = {name: path(name, 30) for name in ("heavy ball", "Nesterov", "descent")}
    curves(left, lines, ".-", title="from 3.3: one of them never arrives", xlabel="step", ylabel="x")
    x = np.linspace(-2.2, 3.5, 300)
    right.plot(x, f(x), color="grey")
    ends = path("heavy ball", 303)[-4:]
    right.plot(ends, f(ends), "o-", color="C0")
    right.set(title="f, and the cycle on it", xlabel="x")
    return fig
