"""Saddles: Newton's method is drawn to them, and the absolute value of its eigenvalues drives it away.

A tanh network 1-30-20-1 learns T₆ at 20 points. Where it predicts the mean of the data everywhere, it has a
wide flat saddle with the loss ½·var(T₆) = 0.2837. Along the Hessian's eigenvectors V the steps

    pure          −c/λ,   c = Vᵀg
    saddle-free   −c/|λ|

differ only by a sign where λ < 0: one goes up along negative curvature, and the other down. The first arrives
at the saddle within a dozen steps and stays, with dozens of negative eigenvalues left; the second fits the
data to the last digit in a few dozen steps. The Hessian is singular, so the pure step leaves flat directions
alone (`modification="pinv"`).

How many steps it takes depends on the line search; ours halves the step until the loss falls. It depends on
rounding, too: written out in NumPy, the method takes 21 to 27 steps from 32 starts an ulp apart, 23 in the
median, which is the number beside it. Dauphin et al. show the same on digits and images, where the numbers
are others: what is published is that one stops at a saddle, and that the other does not.

Source: Y. Dauphin et al. 2014, Identifying and attacking the saddle point problem in high-dimensional
non-convex optimization.
"""

from functools import cache
from typing import Any

import numpy as np

from examples.newton_vs_saddle import Run, X, chebyshev, picture, train
from examples.shared import Row

SOURCE = "Dauphin 2014"


@cache
def run(method: str) -> Run:
    return train(method)


def numbers() -> list[Row]:
    pure, free = run("pure Newton"), run("saddle-free Newton")
    saddle = 0.5 * np.var(chebyshev(X))
    return [
        Row("pure Newton: loss in the end", pure.losses[-1], saddle, 1e-5, "½·var(T₆)"),
        Row("its gradient there", pure.gradient, 0, 1e-3, SOURCE),
        Row("it is no minimum: λmin < 0", int(pure.lambda_min < 0), 1, source=SOURCE),
        Row("saddle-free Newton: loss in the end", free.losses[-1], 0, 1e-25, SOURCE),
        Row("its steps until 1e-28", len(free.losses) - 1, 23, 4, "NumPy by hand"),
        Row("its negative eigenvalues there", free.negative, 0, source=SOURCE),
    ]


def draw(plt: Any) -> Any:
    return picture(plt, {name: run(name) for name in ("pure Newton", "saddle-free Newton")})
