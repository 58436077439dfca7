"""Newton's method in one dimension: go to the vertex of the parabola that fits f here.

    f(x + p) ≈ f + f′p + ½f″p²,   its vertex is at p = −f′/f″, lower by f′²/2f″

Near a minimum x* with f″ > 0 the error squares itself: e₊/e² → f‴/2f″ at x*, ½ for eˣ − 2x, whose
derivatives are all 2 at ln 2. Each step doubles the number of right digits.

Far from it anything may happen. For f′ = x³ − 2x + 2 the steps from 0 go 0, 1, 0, 1, … for ever. In the
double well ¼x⁴ − ½x² a step leads from x to 2x³/(3x² − 1). It swaps x and −x where 2x² = 1 − 3x², at x =
1/√5, and all that starts nearer to 0 ends at 0, the *top* of the hill. Where f ∝ x²ᵖ is flat, a step
leaves (2p − 2)/(2p − 1) of the error.
"""

from itertools import pairwise
from typing import Any

import numpy as np

from examples.newton_1d import circular, contraction, valley
from examples.shared import Row, limit, newton
from minigrad import grad


def parabola(f: Any, x: float, p: Any) -> Any:
    return f(x) + grad(f)(x) * p + grad(grad(f))(x) * p**2 / 2


def numbers() -> list[Row]:
    x, cycle = newton(valley, 2.0, 6), newton(circular, 0.0, 8)
    errors = np.abs(x - np.log(2))
    p = x[1] - x[0] + np.linspace(-1e-3, 1e-3, 5)
    edge = limit(lambda a: abs(newton(lambda x: x**4 / 4 - x**2 / 2, a, 30)[-1]) < 1e-6, 0.3, 0.5, 16)
    return [
        Row("the lowest point of the parabola, number of 5", np.argmin(parabola(valley, 2.0, p)), 2),
        Row("e₊/e² near the minimum", errors[5] / errors[4] ** 2, 0.5, 1e-3),
        Row("cycle: x after 7 steps", cycle[7], 1),
        Row("cycle: x after 8 steps", cycle[8], 0),
        Row("double well: limit of the starts that end on the hill", edge, 1 / np.sqrt(5), 1e-5),
        Row("x⁴: x₊/x", contraction(2), 2 / 3, 1e-12),
    ]


def draw(plt: Any) -> Any:
    fig, (left, right) = plt.subplots(1, 2, figsize=(8.4, 3.6))
    x, path = np.linspace(-0.6, 2.4, 200), newton(valley, 2.2, 3)
    left.plot(x, valley(x), color="grey")
    for i, (start, end) in enumerate(pairwise(map(float, path))):
        left.plot(x, parabola(valley, start, x - start), "--", color=f"C{i}", linewidth=1.2)
        left.plot([start, end], [valley(start), parabola(valley, start, end - start)], "o", color=f"C{i}")
    left.set(title="each step goes to the vertex of a parabola", xlabel="x", ylim=(0, 5))
    starts = ends = np.linspace(-1.3, 1.3, 521)
    for _ in range(60):
        ends = 2 * ends**3 / (3 * ends**2 - 1)
    right.plot(starts, starts**4 / 4 - starts**2 / 2, color="grey")
    right.scatter(starts, 0 * starts - 0.32, c=[f"C{round(end) + 1}" for end in ends], marker="|", s=90)
    right.set(title="where each start ends: left, hill, right", xlabel="start", yticks=[], ylim=(-0.4, 0.2))
    return fig
