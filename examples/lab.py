"""The lab: one offline page in which all optimizers run, with each topic of the lecture as a preset.

Drag the start, move the sliders, step forwards and backwards, and see every number of each step. The page
measures the numbers of a topic by its own run when the topic is opened, and shows them beside those that the
lecture derives.

    python -m examples.lab                     the page runs/lab/lab.html
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

import optim
from examples.command import folder, parser
from examples.lecture import bias_correction, learning_rate, local_minima, momentum_as_average, newton_nd, plateau
from examples.lecture.bias_correction import Uncorrected
from examples.lecture.gradient_descent import bowl
from examples.lecture.narrow_valley import BALL, SHARE
from examples.lecture.second_moment import SLOPES, TURN, valley
from examples.newton_1d import circular, monkey
from examples.newton_1d import valley as exponential
from examples.shared import limit
from minigrad import Tensor
from models import MLP, cross_entropy
from models.datasets import moons
from optim.laboratory.lab import Lab, function_problem, method_of, net_view, problem_of
from optim.laboratory.presets import Measure, Method, Preset, Problem

Numbers = dict[str, Any]
TINY = float(np.finfo(float).tiny)
NEWTON = {"modification": "none", "line_search": None}

# Losses


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


def shelf(slope: float) -> Callable[[Any], Any]:
    return lambda w: slope * w + 0.5 * np.minimum(w, 0) ** 2


NARROW = {k: lambda w, k=k: 0.5 * (w[0] ** 2 + k * w[1] ** 2) for k in (50.0, 1e4)}
FUNCTIONS: dict[str, tuple[Callable[[Any], Any], Any, dict[str, Any]]] = {
    "bowl": (bowl, [2.0, 1.0], {"minima": [(0, 0)], "region": ((-0.6, 2.4), (-0.7, 1.3))}),
    "three directions": (lambda w: 0.5 * (w @ learning_rate.H @ w), [1.0, 1.0, 1.0], {}),
    "narrow valley": (NARROW[50.0], [1.0, 1.0], {"minima": [(0, 0)], "region": ((-0.35, 1.15), (-1.3, 1.3))}),
    "turned valley": (valley(50.0, TURN), [0.9, 0.9], {"minima": [(0, 0)], "region": ((-1.1, 1.2), (-1.1, 1.2))}),
    "plateau": (plateau.LOSSES["squared error"], -5.0, {"region": ((-7.0, 5.0),)}),
    "cross-entropy of a neuron": (plateau.LOSSES["cross-entropy"], -5.0, {"region": ((-7.0, 5.0),)}),
    "shelf": (shelf(1.0), 10.0, {"region": ((-3.0, 11.0),)}),
    "gentle shelf": (shelf(0.1), 10.0, {"region": ((-3.0, 11.0),)}),
    "hill": (local_minima.hill, -1.33, {"region": ((-1.75, 1.75),)}),
    "two minima": (two_minima, [-1.4, 0.8], {"region": ((-1.8, 1.8), (-1.2, 1.2))}),
    "saddle": (saddle, [1.0, 1e-4], {"minima": [(0, 0)], "region": ((-0.5, 1.2), (-0.5, 1.6))}),
    "constant slope": (lambda w: 7.0 * w, 0.0, {"region": ((-1.2, 0.3),)}),
    "two slopes": (lambda w: 1e-3 * w[0] + 1e3 * w[1], [0.0, 0.0], {"region": ((-2.0, 0.6), (-2.0, 0.6))}),
    "slopes 1e-3 to 1e3": (lambda w: 0.5 * np.sum(SLOPES * w**2), [1.0, 1.0, 1.0], {}),
    "noisy bowl": (bowl, [2.0, 1.0], {"minima": [(0, 0)], "region": ((-1.2, 2.4), (-1.2, 1.6))}),
    "eˣ − 2x": (exponential, 2.0, {"region": ((-0.6, 2.4),)}),
    "a cycle": (circular, 0.0, {"region": ((-2.6, 2.0),)}),
    "bent valley": (newton_nd.bent, newton_nd.START, {"region": ((-1.0, 2.4), (-2.2, 2.0))}),
    "κ of 4·10⁴": (lambda w: 0.5 * (w[0] ** 2 + 1e4 * (w[1] + w[0]) ** 2), [1.0, 1.0], {}),
    "monkey saddle": (monkey, [1.0, 0.3], {"minima": [(0, 0)], "region": ((-1.2, 1.4), (-1.1, 1.1))}),
    "four curvatures": (
        lambda w: 0.5 * np.sum(np.repeat([1.0, 11 / 3, 19 / 3, 9.0], 4) * w**2), np.ones(16), {},
    ),
    "Rosenbrock": (rosenbrock, [-1.2, 1.0], {"minima": [(1, 1)], "region": ((-1.8, 1.6), (-0.7, 1.9))}),
    "Himmelblau": (
        himmelblau, [-0.3, -1.0],
        {"minima": [(3, 2), (-2.805118, 3.131313), (-3.779310, -3.283186), (3.584428, -1.848127)],
         "region": ((-5.5, 5.5), (-5.0, 5.0))},
    ),
    "Beale": (beale, [0.5, 2.0], {"minima": [(3, 0.5)], "region": ((-1.0, 4.5), (-1.5, 2.5))}),
}  # fmt: skip
SAYS = {
    "narrow valley": "f = ½(x² + 50y²): fifty times as steep across the valley as along it.",
    "turned valley": "The narrow valley, turned by 45°: both slopes have the same size.",
    "plateau": "A neuron that is wrong and sure of it: the squared error hardly slopes.",
    "two minima": "A hill between two minima, of which the right one is deeper.",
    "saddle": "f = ½(x² − y²): a ridge, from which all falls off to both sides.",
    "noisy bowl": "Each step sees the bowl tilted at random, as a mini-batch does.",
    "Rosenbrock": "A curved valley: quickly found, slowly followed. The minimum is at (1, 1).",
    "Himmelblau": "Four minima, all of the height 0.",
    "Beale": "A flat floor between steep walls. The minimum is at (3, ½).",
}  # fmt: skip


def problems() -> tuple[list[Problem], dict[str, Any]]:
    """All losses of the page, and a leaf of one number, for which optimizers can be made."""
    found = [function_problem(f, w, name, SAYS.get(name, ""), **facts)[0] for name, (f, w, facts) in FUNCTIONS.items()]
    by_name = {problem.name: problem for problem in found}
    w, rows = Tensor(np.array([2.0, 1.0]), requires_grad=True, name="w"), np.random.default_rng(0).normal(size=(256, 2))
    noisy = problem_of(lambda tilt: bowl(w) + np.sum(tilt[0] * w), [("w", w)], (rows[:1],), (rows,), name="noisy bowl",
                       says=by_name["noisy bowl"].says, region=by_name["noisy bowl"].region, minima=[[0.0, 0.0]])  # fmt: skip
    nets = [net("a network that learns T₆", *chebyshev()), net("a network and two moons", *two_moons())]
    return [*(noisy if problem.name == "noisy bowl" else problem for problem in found), *nets], by_name


def net(name: str, says: str, model: Any, loss: Callable[..., Any], X: Any, y: Any) -> Problem:
    """A network as a problem."""
    named = list(model.named_parameters())
    view, forward = net_view(model, named, X, y)
    return problem_of(lambda a, b: loss(model(a), b), named, (X, y), name=name, says=says, view=view, forward=forward)


def chebyshev() -> tuple[str, Any, Any, Any, Any]:
    """The network of the lecture's tenth topic."""
    x = np.linspace(-1, 1, 20)[:, None]
    says = "A 1-30-20-1 network with tanh and 20 points of T₆, all of which each step sees."
    return says, MLP((1, 30, 20, 1), "tanh", rng=0), lambda a, b: 0.5 * np.mean((a - b) ** 2), x, np.cos(6 * np.arccos(x))


def two_moons() -> tuple[str, Any, Any, Any, Any]:
    X, y = moons(100, noise=0.15, rng=0)
    return "A 2-8-2 network with tanh and 100 points of two kinds.", MLP((2, 8, 2), "tanh", rng=0), cross_entropy, X, y


# Methods


def methods() -> list[tuple[Any, Method]]:
    """The optimizers of the page, each with a name of its own."""
    w = [Tensor(1.0, requires_grad=True, name="w")]
    made = {
        "SGD": optim.SGD(w, lr=0.1), "heavy ball": optim.SGD(w, lr=0.01, momentum=0.9),
        "Nesterov": optim.SGD(w, lr=0.01, momentum=0.9, nesterov=True),
        "Momentum": optim.Momentum(w, lr=0.1), "RMSprop": optim.RMSprop(w, lr=0.1), "Adagrad": optim.Adagrad(w, lr=0.5),
        "Adam": optim.Adam(w, lr=0.1), "AdamW": optim.AdamW(w, lr=0.1), "NAdam": optim.NAdam(w, lr=0.1),
        "Lion": optim.Lion(w, lr=0.05), "Adam without corrections": Uncorrected(w, lr=0.01),
        "Newton": optim.Newton(w), "Newton-CG": optim.NewtonCG(w),
    }  # fmt: skip
    return [(optimizer, replace(method_of(optimizer), label=label)) for label, optimizer in made.items()]


# Presets


def presets() -> list[Preset]:
    """The thirteen topics of the lecture, and the races."""
    return [*lecture(), *races()]


def lecture() -> list[Preset]:
    top = float(np.linalg.eigvalsh(learning_rate.H)[-1])
    factor, beta = bias_correction.factor, momentum_as_average.BETA
    friction = limit(lambda a: local_minima.left_over(a) > 0, -1.36, -1.2)
    return [
        Preset(
            "1 Gradient descent", "Each step goes against the slope, and multiplies the error of each direction by 1 − ηλ.",
            "bowl", [("SGD", {})], t=20, steps=150, panel="measured",
            measures=[
                Measure("w₁ after 20 steps ÷ w₁ at the start", "coordinate", {"t": 20, "over": 0}, 0.9**20, 1e-12),
                Measure("w₂ after 20 steps ÷ w₂ at the start", "coordinate", {"i": 1, "t": 20, "over": 0}, 0.6**20, 1e-12),
                Measure("change of f in the first step", "loss", {"t": 1, "minus": 0}, -0.1 * 20 + 0.005 * 68, 1e-12),
                Measure("steps to a millionth of w₁", "until", {"side": "below", "value": 2e-6, "most": 200}, 132),
            ],
        ),
        Preset(
            "2 The learning rate", "A little above the limit 2/λmax everything is lost. The slider of the rate shows the limit.",
            "bowl", [("SGD", {"lr": 0.49}), ("heavy ball", {"lr": 0.3, "momentum": 0.5})], t=30, steps=60, panel="stability",
            measures=[
                Measure("λmax", "sharpness", {"on": "three directions"}, top, 1e-9),
                Measure("gradient descent: limit of the rate", "limit", {"on": "three directions", "low": 1 / top, "high": 8 / top}, 2 / top, 1e-3),
                Measure("heavy ball, μ = 0.5: limit", "limit", {"on": "three directions", "k": 1, "low": 1 / top, "high": 8 / top}, 3 / top, 1e-3),
                Measure("average, β = 0.5: limit", "limit", {"on": "three directions", "who": [["Momentum", {"beta": 0.5}]], "low": 1 / top, "high": 8 / top}, 6 / top, 1e-3),
            ],
        ),
        Preset(
            "3 A narrow valley", "Across it the steps swing from side to side, along it they creep.",
            "narrow valley", [("SGD", {"lr": 1.8 / 50}), ("heavy ball", BALL)], t=40, steps=120, panel="measured", coordinate=1,
            measures=[
                Measure("steep axis: y₊/y at η = 1.8/κ", "coordinate", {"i": 1, "t": 1, "over": 0}, 1 - 1.8, 1e-12),
                Measure("changes of its sign in 40 steps", "signs", {"i": 1, "t": 40}, 40),
                Measure("flat axis: x₊/x", "coordinate", {"t": 1, "over": 0}, 1 - 1.8 / 50, 1e-12),
                Measure("heavy ball: share kept by a step", "share", {"k": 1, "first": 250, "last": 500}, float(SHARE), 5e-3),
            ],
        ),
        Preset(
            "4 A plateau", "Plain descent walks at the speed of the slope; Adam divides the slope by its own size.",
            "plateau", [("SGD", {"lr": 0.1}), ("Momentum", {"lr": 0.1}), ("Adam", {"lr": 0.1})], t=60, steps=1500, panel="inside",
            measures=[
                *(Measure(f"shelf of slope {slope}: steps of {who}", "until",
                          {"on": shelf, "who": [[who, {"lr": 0.1}]], "side": "below", "value": 1e-9, "most": 1200}, steps, 1)
                  for shelf, slope, who, steps in (("shelf", 1, "SGD", 100), ("gentle shelf", 0.1, "SGD", 1000),
                                                   ("shelf", 1, "Momentum", 109), ("gentle shelf", 0.1, "Adam", 100))),
                *(Measure(f"{name}: steps to σ = ½", "until",
                          {"on": loss, "who": [["SGD", {"lr": 0.1}]], "side": "above", "value": 0, "most": 2000}, time / 0.1, 3)
                  for name, loss, time in (("squared error", "plateau", waiting("squared error")),
                                           ("cross-entropy", "cross-entropy of a neuron", waiting("cross-entropy")))),
            ],
        ),
        Preset(
            "5 Local minima", "Descent ends in the valley of its start; a ball may roll on into the next. Drag the start.",
            "hill", [("SGD", {"lr": 0.05}), ("heavy ball", {"lr": 1e-3, "momentum": 0.999})], t=100, steps=600, panel="inside",
            measures=[
                Measure("descent: limit of the starts", "basin", {"low": -0.3, "high": 0.0, "t": 3000, "value": local_minima.TOP}, local_minima.TOP, 1.01e-3),
                Measure("ball: limit of the starts", "basin", {"k": 1, "low": -1.36, "high": -1.2, "t": 3000, "value": local_minima.TOP}, friction, 5e-3),
            ],
        ),
        Preset(
            "6 A saddle", "The slope vanishes on the ridge, and it takes time to fall off. Newton's method walks to the saddle itself.",
            "saddle", [("SGD", {"lr": 0.1}), ("Adam", {"lr": 0.1, "eps": 1e-16}), ("Newton", NEWTON | {"modification": "abs"}), ("Newton", NEWTON)],
            t=14, steps=100, panel="model",
            measures=[
                *(Measure(f"descent: steps from δ = {d:g}", "until", {"from": [1.0, d], "i": 1, "of": "size", "side": "above", "value": 1, "most": 200},
                          float(np.ceil(np.log(1 / d) / np.log(1.1)))) for d in (1e-2, 1e-4, 1e-6)),
                *(Measure(f"Newton with |λ|: steps from δ = {d:g}", "until", {"k": 2, "from": [1.0, d], "i": 1, "of": "size", "side": "above", "value": 1, "most": 40},
                          float(np.ceil(np.log2(1 / d)))) for d in (1e-2, 1e-4, 1e-6)),
                Measure("Newton with λ: distance after 1 step", "distance", {"k": 3, "t": 1, "to": [0, 0]}, 0, 1e-12),
            ],
        ),
        Preset(
            "7 Momentum as an average", "Under a constant slope m comes up to it: after 1/(1 − β) steps by 63 %.",
            "constant slope", [("Momentum", {"lr": 0.001}), ("heavy ball", {"lr": 0.001 * (1 - beta), "momentum": beta})], t=10, steps=60,
            measures=[
                *(Measure(f"m/g after {t} steps", "traced", {"name": "m", "t": t, "over": 7}, 1 - beta**t, 1e-12) for t in (1, 10, 40)),
                Measure("average − heavy ball at lr·(1 − β)", "apart", {"k": 0, "other": 1, "t": 60}, 0, 1e-12),
            ],
        ),
        Preset(
            "8 The second moment", "Each coordinate is divided by the size of its own slope: slopes of 0.001 and 1000, and one way.",
            "two slopes", [("RMSprop", {"lr": 0.02, "eps": TINY}), ("Adam", {"lr": 0.02, "eps": TINY})], t=30, steps=80, coordinate=0,
            measures=[
                *(Measure(f"step {t} ÷ lr", "stride", {"t": t, "over": 0.02}, 1 / np.sqrt(1 - 0.99**t), 1e-9) for t in (1, 10, 800)),
                Measure("step along the slope 1000 ÷ along 0.001", "stride", {"i": 1, "against": 0, "t": 50}, 1, 1e-9),
            ],
        ),
        Preset(
            "9 Bias correction", "An average that starts from 0 is too small at first: without corrections Adam's first step is 3.162 lr.",
            "constant slope", [("Adam", {"lr": 0.01}), ("Adam without corrections", {"lr": 0.01}), ("RMSprop", {"lr": 0.01})], t=1, steps=60,
            measures=[
                Measure("with: step 1 ÷ lr", "stride", {"t": 1, "over": 0.01}, 1, 1e-6),
                *(Measure(f"without: step {t} ÷ lr", "stride", {"k": 1, "t": t, "over": 0.01}, float(factor(t)), 1e-9) for t in (1, 10, 100)),
                Measure("without: number of the largest step", "longest", {"k": 1, "t": 200}, float(1 + factor(np.arange(1, 201)).argmax())),
                Measure("RMSprop: step 1 ÷ lr", "stride", {"k": 2, "t": 1, "over": 0.01}, 10, 1e-6),
            ],
        ),
        Preset(
            "10 Adam", "A network that sees all its data drives the curvature up to Adam's limit, 38/lr, and stays there.",
            "a network that learns T₆", [("Adam", {"lr": 0.01}), ("Adam", {"lr": 0.01, "betas": [0.5, 0.999]})], t=40, steps=2500, panel="stability",
            measures=[
                Measure("gradients agree: step ÷ lr", "stride", {"on": "constant slope", "t": 1, "over": 0.01}, 1, 1e-6),
                Measure("lr·sharpness in the end, β₁ = 0.9", "edge", {"first": 1300, "last": 2500, "every": 100}, 38, 1.9),
                Measure("lr·sharpness in the end, β₁ = 0.5", "edge", {"k": 1, "first": 1300, "last": 2500, "every": 100}, 6, 0.3),
            ],
        ),
        Preset(
            "11 Newton in one dimension", "Each step goes to the vertex of the parabola that fits here.",
            "eˣ − 2x", [("Newton", NEWTON), ("SGD", {"lr": 0.1})], t=1, steps=20, panel="model",
            measures=[
                Measure("e₊/e² near the minimum", "order", {"t": 5, "to": [float(np.log(2))]}, 0.5, 1e-3),
                *(Measure(f"x³ − 2x + 2: x after {t} steps", "coordinate", {"on": "a cycle", "t": t}, t % 2) for t in (7, 8)),
            ],
        ),
        Preset(
            "12 Newton in n dimensions", "Newton's walk does not depend on units or on the angle of a valley.",
            "bent valley", [("Newton", NEWTON), ("Newton-CG", {}), ("SGD", {"lr": 0.02})], t=3, steps=60, panel="model",
            measures=[
                Measure("κ of 4·10⁴: distance from the minimum after 1 step", "distance", {"on": "κ of 4·10⁴", "t": 1, "to": [0, 0]}, 0, 1e-9),
                Measure("monkey saddle: ‖w‖ after a step ÷ before", "share", {"on": "monkey saddle", "first": 4, "last": 5}, 0.5, 1e-9),
                Measure("Newton-CG: products, 4 distinct eigenvalues", "products",
                        {"on": "four curvatures", "who": [["Newton-CG", {"forcing": 1e-10, "initial_radius": 1000.0}]], "t": 1}, 4),
            ],
        ),
        Preset(
            "13 The summary", "One step of Newton solves a parabola, and costs six gradients; who divides by the slope feels no scale.",
            "turned valley", [("SGD", {"lr": 0.036}), ("Momentum", {"lr": 0.1}), ("RMSprop", {"lr": 0.02}), ("Adam", {"lr": 0.1}), ("Newton-CG", {}), ("Newton", {})],
            t=40, steps=150, axis="costs", panel="measured",
            measures=[
                Measure("Newton: gradients, narrow valley", "cost", {"on": "narrow valley", "k": 5, "t": 1}, 6),
                Measure("Newton: gradients, turned valley", "cost", {"k": 5, "t": 1}, 6),
                Measure("SGD: log₁₀ of its largest ÷ smallest step", "digits", {"on": "slopes 1e-3 to 1e3"}, 6, 1e-3),
                *(Measure(f"{name}: log₁₀ of the same", "digits", {"on": "slopes 1e-3 to 1e3", "k": k}, 0, 1e-3) for name, k in (("RMSprop", 2), ("Adam", 3), ("Newton", 5))),
            ],
        ),
    ]  # fmt: skip


def waiting(name: str) -> float:
    """The time of a neuron on its plateau, as the lecture derives it."""
    a, e = plateau.WRONG, np.exp(plateau.WRONG)
    return float(1 / e + 2.5 - 3 * a - 3 * e - e * e / 2 if name == "squared error" else 1 - a - e)


def races() -> list[Preset]:
    return [
        Preset(
            "Race: Rosenbrock", "A curved valley is quickly found and slowly followed. Who turns with it?",
            "Rosenbrock", [("SGD", {"lr": 0.001}), ("heavy ball", {"lr": 2e-4}), ("Adam", {}), ("NAdam", {}), ("Newton-CG", {})], t=30, steps=300,
        ),
        Preset(
            "Race: Himmelblau", "Four minima. Drag the start: which of them do they find?",
            "Himmelblau", [("SGD", {"lr": 0.01}), ("Momentum", {"lr": 0.02}), ("Adam", {"lr": 0.2}), ("Lion", {}), ("Newton", {})], t=25, steps=100,
        ),
        Preset(
            "Race: under noise", "Each step sees the bowl tilted at random: the rate sets how far they stay from the minimum.",
            "noisy bowl", [("SGD", {}), ("Momentum", {}), ("Adam", {}), ("Adagrad", {})], t=60, steps=200,
        ),
        Preset(
            "Race: a network", "Two moons, and where the chosen optimizer's network draws the border.",
            "a network and two moons", [("SGD", {"lr": 0.5}), ("Adam", {"lr": 0.05}), ("Lion", {"lr": 0.01}), ("Newton-CG", {})], t=20, steps=200,
        ),
    ]  # fmt: skip


def canned() -> Lab:
    """The page."""
    found, _ = problems()
    return Lab("Optimizers at work", found, methods(), presets())


def main(arguments: Sequence[str] | None = None) -> None:
    command = parser("examples.lab", __doc__)
    command.add_argument("--out", type=folder, default="runs/lab", help="folder for the page")
    options = command.parse_args(arguments)
    path = canned().save(options.out / "lab.html")
    print(f"page: {path} ({path.stat().st_size / 1000:.0f} kB)")


if __name__ == "__main__":
    main()
