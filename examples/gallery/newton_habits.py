"""Newton's habits: quadratic near a minimum, and elsewhere as tangents will have it.

    x ← x − f′/f″,   or   x ← x − H⁻¹g

Near a minimum the error squares itself, with a constant that Taylor's series gives: e₊/e² → f‴/2f″, which is
½ for eˣ − 2x. All else is in the textbooks too, as warnings:

    a cycle         f′ = x³ − 2x + 2:   0, 1, 0, 1, …
    flat minima     f = x²ᵖ:   x₊ = (2p − 2)/(2p − 1) x
    monkey saddle   f = x³ − 3xy²:   w₊ = ½w

The walk of the first never ends. At a flat minimum order two becomes order one. On the monkey saddle g is of
degree 2, so Hw = 2g by Euler's theorem, and each step goes half the way *into* the saddle.

The method solves g = 0 and does not ask whether that is a minimum. `optim.Newton` with `modification="none"`
is this pure method; its other modifications are cures.

Sources: J. Dennis, R. Schnabel 1983, Numerical methods for unconstrained optimization and nonlinear
equations; for the cycle S. Smale 1985, On the efficiency of algorithms of analysis.
"""

from typing import Any

import numpy as np

from examples.newton_1d import circular, contraction, error_ratios, monkey_ratios, newton, picture
from examples.shared import Row


def numbers() -> list[Row]:
    xs = newton(circular, 0.0, 101)
    return [
        Row("eˣ − 2x: e₊/e² near ln 2", error_ratios()[-1], 0.5, 1e-4, "Dennis 1983"),
        Row("cycle: x after 100 steps", xs[100], 0, source="Smale 1985"),
        Row("cycle: x after 101 steps", xs[101], 1, source="Smale 1985"),
        *(
            Row(f"x^{2 * p}: x₊/x", contraction(p), (2 * p - 2) / (2 * p - 1), 1e-14, "Dennis 1983")
            for p in (2, 3, 5)
        ),
        Row("monkey saddle: ‖w₊‖/‖w‖", np.mean(monkey_ratios()), 0.5, 1e-13, "Euler's theorem"),
    ]


def draw(plt: Any) -> Any:
    return picture(plt)
