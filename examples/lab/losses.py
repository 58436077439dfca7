"""The losses of the lab: those of the lecture's topics, the classics, and two networks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from examples.lecture import learning_rate, local_minima, newton_nd, plateau
from examples.lecture.gradient_descent import bowl
from examples.lecture.second_moment import SLOPES, TURN, valley
from examples.newton_1d import circular, monkey
from examples.newton_1d import valley as exponential
from minigrad import Tensor
from models import MLP, cross_entropy
from models.datasets import moons
from optim.laboratory.contents import Problem
from optim.laboratory.losses import function_problem, net_problem, problem_of

__all__ = ["problems"]


class Function(NamedTuple):
    """f, the start, the map's ((x from, x to), (y from, y to)), a sentence, and the minima to mark."""

    f: Callable[[Any], Any]
    start: Any
    region: Any = None
    says: str = ""
    minima: Any = ()


def rosenbrock(w: Any) -> Any:
    return 100 * (w[1] - w[0] ** 2) ** 2 + (1 - w[0]) ** 2


def himmelblau(w: Any) -> Any:
    return (w[0] ** 2 + w[1] - 11) ** 2 + (w[0] + w[1] ** 2 - 7) ** 2


def beale(w: Any) -> Any:
    x, y = w[0], w[1]
    return (1.5 - x + x * y) ** 2 + (2.25 - x + x * y**2) ** 2 + (2.625 - x + x * y**3) ** 2


def two_minima(w: Any) -> Any:
    return w[0] ** 4 / 4 - w[0] ** 2 / 2 - 0.15 * w[0] + w[1] ** 2


def saddle(w: Any) -> Any:
    return 0.5 * (w[0] ** 2 - w[1] ** 2)


def narrow(w: Any) -> Any:
    return 0.5 * (w[0] ** 2 + 50 * w[1] ** 2)


def stretched(w: Any) -> Any:
    return 0.5 * (w[0] ** 2 + 1e4 * (w[1] + w[0]) ** 2)


def three_directions(w: Any) -> Any:
    return 0.5 * (w @ learning_rate.H @ w)


def four_curvatures(w: Any) -> Any:
    return 0.5 * np.sum(np.repeat([1.0, 11 / 3, 19 / 3, 9.0], 4) * w**2)


def shelf(slope: float) -> Callable[[Any], Any]:
    return lambda w: slope * w + 0.5 * np.minimum(w, 0) ** 2


ORIGIN = ((0, 0),)
HIMMELBLAU = ((3, 2), (-2.805118, 3.131313), (-3.779310, -3.283186), (3.584428, -1.848127))
FUNCTIONS = {
    "bowl": Function(bowl, [2.0, 1.0], ((-0.6, 2.4), (-0.7, 1.3)), minima=ORIGIN),
    "three directions": Function(three_directions, [1.0, 1.0, 1.0]),
    "narrow valley": Function(narrow, [1.0, 1.0], ((-0.35, 1.15), (-1.3, 1.3)),
                              "f = ½(x² + 50y²): fifty times as steep across as along the valley.", ORIGIN),
    "turned valley": Function(valley(50.0, TURN), [0.9, 0.9], ((-1.1, 1.2), (-1.1, 1.2)),
                              "The narrow valley, turned by 45°: both slopes have the same size.", ORIGIN),
    "plateau": Function(plateau.LOSSES["squared error"], -5.0, ((-7.0, 5.0),),
                        "A neuron that is wrong and sure of it: the squared error hardly slopes."),
    "cross-entropy of a neuron": Function(plateau.LOSSES["cross-entropy"], -5.0, ((-7.0, 5.0),)),
    "shelf": Function(shelf(1.0), 10.0, ((-3.0, 11.0),)),
    "gentle shelf": Function(shelf(0.1), 10.0, ((-3.0, 11.0),)),
    "hill": Function(local_minima.hill, -1.33, ((-1.75, 1.75),)),
    "two minima": Function(two_minima, [-1.4, 0.8], ((-1.8, 1.8), (-1.2, 1.2)),
                           "A hill between two minima, of which the right one is deeper."),
    "saddle": Function(saddle, [1.0, 1e-4], ((-0.5, 1.2), (-0.5, 1.6)),
                       "f = ½(x² − y²): a ridge, from which all falls off to both sides."),
    "constant slope": Function(lambda w: 7.0 * w, 0.0, ((-1.2, 0.3),)),
    "two slopes": Function(lambda w: 1e-3 * w[0] + 1e3 * w[1], [0.0, 0.0], ((-2.0, 0.6), (-2.0, 0.6))),
    "slopes 1e-3 to 1e3": Function(lambda w: 0.5 * np.sum(SLOPES * w**2), [1.0, 1.0, 1.0]),
    "eˣ − 2x": Function(exponential, 2.0, ((-0.6, 2.4),)),
    "a cycle": Function(circular, 0.0, ((-2.6, 2.0),)),
    "bent valley": Function(newton_nd.bent, newton_nd.START, ((-1.0, 2.4), (-2.2, 2.0))),
    "κ of 4·10⁴": Function(stretched, [1.0, 1.0]),
    "monkey saddle": Function(monkey, [1.0, 0.3], ((-1.2, 1.4), (-1.1, 1.1))),
    "four curvatures": Function(four_curvatures, np.ones(16)),
    "Rosenbrock": Function(rosenbrock, [-1.2, 1.0], ((-1.8, 1.6), (-0.7, 1.9)),
                           "A curved valley: quickly found, slowly followed.", ((1, 1),)),
    "Himmelblau": Function(himmelblau, [-0.3, -1.0], ((-5.5, 5.5), (-5.0, 5.0)),
                           "Four minima, all of the height 0.", HIMMELBLAU),
    "Beale": Function(beale, [0.5, 2.0], ((-1.0, 4.5), (-1.5, 2.5)), "A flat floor between steep walls.",
                      ((3, 0.5),)),
}  # fmt: skip


def problems() -> list[Problem]:
    """All losses of the page."""
    functions = [
        function_problem(f, start, name, says, region=region, minima=minima)[0]
        for name, (f, start, region, says, minima) in FUNCTIONS.items()
    ]
    return [*functions, noisy(), chebyshev(), two_moons()]


def noisy() -> Problem:
    """A bowl with another tilt at each step, as mini-batches have: that of step t is row t of 256."""
    w = Tensor([2.0, 1.0], requires_grad=True, name="w")
    rows = np.random.default_rng(0).normal(size=(256, 2)).round(2)  # few digits, for a small page
    return problem_of(
        lambda tilt: bowl(w) + np.sum(tilt[0] * w),
        [("w", w)],
        (rows[:1],),
        (rows,),
        name="noisy bowl",
        says="Each step sees the bowl tilted at random, as a mini-batch does.",
        region=((-1.2, 2.4), (-1.2, 1.6)),
        minima=ORIGIN,
    )


def chebyshev() -> Problem:
    """The network of the lecture's tenth topic."""
    x = np.linspace(-1, 1, 20)[:, None]
    y, model = np.cos(6 * np.arccos(x)), MLP((1, 30, 20, 1), "tanh", rng=0)
    for p in model.parameters():
        p.assign(p.data.round(4))  # few digits, for a small page
    says = "A 1-30-20-1 network with tanh and 20 points of T₆, all of which each step sees."
    return net_problem(model, half_mean_square, x, y, "a network that learns T₆", says)[0]


def half_mean_square(a: Any, b: Any) -> Any:
    return 0.5 * np.mean((a - b) ** 2)


def two_moons() -> Problem:
    points, model = moons(100, noise=0.15, rng=0), MLP((2, 8, 2), "tanh", rng=0)
    says = "A 2-8-2 network with tanh and 100 points of two kinds."
    return net_problem(model, cross_entropy, points.X, points.y, "two moons", says)[0]
