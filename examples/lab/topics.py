"""Who walks in the lab, and its presets: the thirteen topics of the lecture with their numbers, and races.

A `row` is a number that the page measures when the preset is opened, beside the one that the lecture derives.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

import optim
from examples.lecture import learning_rate, local_minima, plateau
from examples.lecture.bias_correction import Uncorrected, factor
from examples.lecture.momentum_as_average import BETA
from examples.lecture.narrow_valley import BALL, SHARE
from examples.shared import limit
from minigrad import Tensor
from optim.laboratory.contents import Measure, Method, Preset
from optim.laboratory.methods import method_of

__all__ = ["methods", "presets"]

Walkers = list[tuple[str, dict[str, Any]]]
PURE = {"modification": "none", "line_search": None}  # Newton's method with whole steps
ABS = {"modification": "abs", "line_search": None}


def methods() -> list[tuple[Any, Method]]:
    """The optimizers of the page, each with a name of its own."""
    w = [Tensor(1.0, requires_grad=True, name="w")]
    made = {
        "SGD": optim.SGD(w, lr=0.1), "heavy ball": optim.SGD(w, lr=0.01, momentum=0.9),
        "Nesterov": optim.SGD(w, lr=0.01, momentum=0.9, nesterov=True),
        "Momentum": optim.Momentum(w, lr=0.1), "RMSprop": optim.RMSprop(w, lr=0.1),
        "Adagrad": optim.Adagrad(w, lr=0.5), "Adam": optim.Adam(w, lr=0.1), "AdamW": optim.AdamW(w, lr=0.1),
        "AMSGrad": optim.Adam(w, lr=0.1, amsgrad=True), "NAdam": optim.NAdam(w, lr=0.1),
        "Lion": optim.Lion(w, lr=0.05), "Adam without corrections": Uncorrected(w, lr=0.01),
        "Newton": optim.Newton(w), "Newton-CG": optim.NewtonCG(w),
    }  # fmt: skip
    return [
        (optimizer, replace(method_of(optimizer), label=label, name=label))
        for label, optimizer in made.items()
    ]


def row(what: str, expected: Any, tolerance: float, word: str, **settings: Any) -> Measure:
    return Measure(what, word, settings, float(expected), tolerance)


def presets() -> list[Preset]:
    """The thirteen topics of the lecture, and the races."""
    first = [gradient_descent(), rate(), narrow_valley(), plateaus(), minima(), saddle()]
    averages = [momentum(), second_moment(), bias_correction(), adam()]
    return [*first, *averages, newton_1d(), newton_nd(), summary(), *races()]


# The lecture


def gradient_descent() -> Preset:
    return Preset(
        "1 Gradient descent",
        "Each step goes against the slope, and multiplies the error of each direction by 1 − ηλ.",
        "bowl",
        [("SGD", {})],
        t=20,
        steps=150,
        panel="measured",
        measures=[
            row("w₁ after 20 steps ÷ w₁ at the start", 0.9**20, 1e-12, "coordinate", t=20, over=0),
            row("w₂ after 20 steps ÷ w₂ at the start", 0.6**20, 1e-12, "coordinate", i=1, t=20, over=0),
            row("change of f in the first step", -0.1 * 20 + 0.005 * 68, 1e-12, "loss", t=1, minus=0),
            row("steps to a millionth of w₁", 132, 0, "until", side="below", value=2e-6, most=200),
        ],
    )


def rate() -> Preset:
    top = float(np.linalg.eigvalsh(learning_rate.H)[-1])
    tried = {"on": "three directions", "low": 1 / top, "high": 8 / top}
    average: Walkers = [("Momentum", {"beta": 0.5})]
    return Preset(
        "2 The learning rate",
        "At 98 % of the limit 2/λmax it converges, a little above it not. Move the rate past its mark.",
        "bowl",
        [("SGD", {"lr": 0.49}), ("heavy ball", {"lr": 0.3, "momentum": 0.5})],
        t=30,
        steps=60,
        panel="stability",
        measures=[
            row("λmax", top, 1e-9, "sharpness", on="three directions"),
            row("gradient descent: limit of the rate", 2 / top, 1e-3, "limit", **tried),
            row("heavy ball, μ = 0.5: limit of the rate", 3 / top, 1e-3, "limit", k=1, **tried),
            row("average, β = 0.5: limit of the rate", 6 / top, 1e-3, "limit", who=average, **tried),
        ],
    )


def narrow_valley() -> Preset:
    ball = {name: round(float(x), 6) for name, x in BALL.items()}
    return Preset(
        "3 A narrow valley",
        "Across it the steps swing, along it they creep. The tuned heavy ball swings out, and then gains.",
        "narrow valley",
        [("SGD", {"lr": 0.036}), ("heavy ball", ball)],
        t=40,
        steps=120,
        panel="measured",
        coordinate=1,
        measures=[
            row("steep axis: y₊/y at η = 1.8/κ", 1 - 1.8, 1e-12, "coordinate", i=1, t=1, over=0),
            row("changes of its sign in 40 steps", 40, 0, "signs", i=1, t=40),
            row("flat axis: x₊/x", 1 - 1.8 / 50, 1e-12, "coordinate", t=1, over=0),
            row("heavy ball: share kept by a step", SHARE, 5e-3, "share", k=1, first=250, last=500),
        ],
    )


def plateaus() -> Preset:
    def crossing(what: str, steps: float, on: str, name: str) -> Measure:
        who: Walkers = [(name, {"lr": 0.1})]
        return row(what, steps, 1, "until", on=on, who=who, side="below", value=1e-9, most=1200)

    def turning(what: str, time: float, on: str) -> Measure:
        who: Walkers = [("SGD", {"lr": 0.1})]
        return row(what, time / 0.1, 3, "until", on=on, who=who, side="above", value=0, most=2000)

    a, e = plateau.WRONG, np.exp(plateau.WRONG)
    return Preset(
        "4 A plateau",
        "Plain descent walks at the speed of the slope; Adam divides the slope by its own size.",
        "plateau",
        [("SGD", {"lr": 0.1}), ("Momentum", {"lr": 0.1}), ("Adam", {"lr": 0.1})],
        t=60,
        steps=300,
        measures=[
            crossing("shelf of slope 1: steps of SGD", 100, "shelf", "SGD"),
            crossing("shelf of slope 0.1: steps of SGD", 1000, "gentle shelf", "SGD"),
            crossing("shelf of slope 1: steps of Momentum", 109, "shelf", "Momentum"),
            crossing("shelf of slope 0.1: steps of Adam", 100, "gentle shelf", "Adam"),
            turning("squared error: steps to σ = ½", 1 / e + 2.5 - 3 * a - 3 * e - e * e / 2, "plateau"),
            turning("cross-entropy: steps to σ = ½", 1 - a - e, "cross-entropy of a neuron"),
        ],
    )


def minima() -> Preset:
    top, ends = local_minima.TOP, {"t": 3000, "value": local_minima.TOP}
    friction = limit(lambda a: local_minima.left_over(a) > 0, -1.36, -1.2)
    return Preset(
        "5 Local minima",
        "Descent ends in the valley of its start; a ball may roll on into the next. Drag the start.",
        "hill",
        [("SGD", {"lr": 0.05}), ("heavy ball", {"lr": 1e-3, "momentum": 0.999})],
        t=100,
        steps=200,
        measures=[
            row("descent: limit of the starts", top, 1.01e-3, "basin", low=-0.3, high=0.0, **ends),
            row("ball: limit of the starts", friction, 5e-3, "basin", k=1, low=-1.3, high=-1.2, **ends),
        ],
    )


def saddle() -> Preset:
    def leaving(what: str, k: int, delta: float, growth: float) -> Measure:
        steps = np.ceil(np.log(1 / delta) / np.log(growth))
        away = {"i": 1, "of": "size", "side": "above", "value": 1, "most": 200}
        return row(
            f"{what}: steps from δ = {delta:g}".replace("e-0", "e−"),
            steps,
            0,
            "until",
            k=k,
            start=[1.0, delta],
            **away,
        )

    deltas = (1e-2, 1e-4, 1e-6)
    return Preset(
        "6 A saddle",
        "On the ridge the slope vanishes; it takes time to fall off. Newton's method walks to the saddle.",
        "saddle",
        [("SGD", {"lr": 0.1}), ("Adam", {"lr": 0.1, "eps": 1e-16}), ("Newton", ABS), ("Newton", PURE)],
        t=14,
        steps=100,
        panel="model",
        chosen=2,
        measures=[
            *(leaving("descent", 0, delta, 1.1) for delta in deltas),
            *(leaving("Newton with |λ|", 2, delta, 2.0) for delta in deltas),
            row("Newton with λ: distance after 1 step", 0, 1e-12, "distance", k=3, t=1, to=[0, 0]),
        ],
    )


def momentum() -> Preset:
    return Preset(
        "7 Momentum as an average",
        "Under a constant slope m comes up to it: after 1/(1 − β) = 10 steps by 65 %, or 1 − βᵗ.",
        "constant slope",
        [("Momentum", {"lr": 0.003}), ("heavy ball", {"lr": 3e-4, "momentum": BETA})],
        t=10,
        steps=60,
        measures=[
            *(
                row(f"m/g after {t} step{'s' * (t > 1)}", 1 - BETA**t, 1e-12, "traced", name="m", t=t, over=7)
                for t in (1, 10, 40)
            ),
            row("average − heavy ball at lr·(1 − β)", 0, 1e-12, "apart", k=0, other=1, t=60),
        ],
    )


def second_moment() -> Preset:
    return Preset(
        "8 The second moment",
        "Each slope is divided by its own size: slopes of 0.001 and of 1000 make steps of one length.",
        "two slopes",
        [("RMSprop", {"lr": 0.02, "eps": 1e-300}), ("Adam", {"lr": 0.02, "eps": 1e-300})],
        t=30,
        steps=80,
        measures=[
            *(
                row(f"step {t} ÷ lr", 1 / np.sqrt(1 - 0.99**t), 1e-9, "stride", t=t, over=0.02)
                for t in (1, 10, 800)
            ),
            row("step along the slope 1000 ÷ along 0.001", 1, 1e-9, "stride", i=1, against=0, t=50),
        ],
    )


def bias_correction() -> Preset:
    largest = 1 + factor(np.arange(1, 201)).argmax()
    return Preset(
        "9 Bias correction",
        "An average that starts from 0 is too small at first: uncorrected, Adam's first step is 3.162 lr.",
        "constant slope",
        [("Adam", {"lr": 0.01}), ("Adam without corrections", {"lr": 0.01}), ("RMSprop", {"lr": 0.01})],
        t=1,
        steps=20,
        measures=[
            row("with: step 1 ÷ lr", 1, 1e-6, "stride", t=1, over=0.01),
            *(
                row(f"without: step {t} ÷ lr", factor(t), 1e-9, "stride", k=1, t=t, over=0.01)
                for t in (1, 10, 100)
            ),
            row("without: number of the largest step", largest, 0, "longest", k=1, t=200),
            row("RMSprop: step 1 ÷ lr", 10, 1e-6, "stride", k=2, t=1, over=0.01),
        ],
    )


def adam() -> Preset:
    late = {"first": 1300, "last": 2500, "every": 100}
    return Preset(
        "10 Adam",
        "A network that sees all its data drives the curvature up to Adam's limit, 38/lr, and stays there.",
        "a network that learns T₆",
        [("Adam", {"lr": 0.01}), ("Adam", {"lr": 0.01, "betas": [0.5, 0.999]})],
        t=1500,
        steps=2500,
        panel="stability",
        measures=[
            row("gradients agree: step ÷ lr", 1, 1e-6, "stride", on="constant slope", t=1, over=0.01),
            row("lr·sharpness in the end, β₁ = 0.9", 38, 1.9, "edge", **late),
            row("lr·sharpness in the end, β₁ = 0.5", 6, 0.3, "edge", k=1, **late),
        ],
    )


def newton_1d() -> Preset:
    return Preset(
        "11 Newton in one dimension",
        "Each step goes to the vertex of the parabola that fits here.",
        "eˣ − 2x",
        [("Newton", PURE), ("SGD", {"lr": 0.1})],
        t=1,
        steps=8,
        panel="model",
        measures=[
            row("e₊/e² near the minimum", 0.5, 1e-3, "order", t=5, to=[float(np.log(2))]),
            row("a cycle: x after 7 steps", 1, 0, "coordinate", on="a cycle", t=7),
            row("a cycle: x after 8 steps", 0, 0, "coordinate", on="a cycle", t=8),
        ],
    )


def newton_nd() -> Preset:
    exact: Walkers = [("Newton-CG", {"forcing": 1e-10, "initial_radius": 1000.0})]
    stretched = "κ of 4·10⁴"
    return Preset(
        "12 Newton in n dimensions",
        "Newton's walk feels neither units nor the angle of a valley; CG finds it by products with H.",
        "bent valley",
        [("Newton", PURE), ("Newton-CG", {}), ("SGD", {"lr": 0.02})],
        t=3,
        steps=20,
        panel="model",
        chosen=1,
        measures=[
            row(f"{stretched}: distance after 1 step", 0, 1e-9, "distance", on=stretched, t=1, to=[0, 0]),
            row("monkey saddle: ‖w‖ ÷ before", 0.5, 1e-9, "share", on="monkey saddle", first=4, last=5),
            row("four curvatures: products", 4, 0, "products", on="four curvatures", who=exact, t=1),
        ],
    )


def summary() -> Preset:
    slopes = "slopes 1e-3 to 1e3"
    return Preset(
        "13 The summary",
        "One step of Newton solves a parabola, and costs six gradients; Adam and its like feel no scale.",
        "turned valley",
        [
            ("SGD", {"lr": 0.036}),
            ("Momentum", {"lr": 0.1}),
            ("RMSprop", {"lr": 0.02}),
            ("Adam", {"lr": 0.1}),
            ("Newton-CG", {}),
            ("Newton", {}),
        ],
        t=40,
        steps=150,
        axis="costs",
        panel="measured",
        measures=[
            row("Newton: gradients, narrow valley", 6, 0, "cost", on="narrow valley", k=5, t=1),
            row("Newton: gradients, turned valley", 6, 0, "cost", k=5, t=1),
            row("SGD: log₁₀ of its largest ÷ smallest step", 6, 1e-3, "digits", on=slopes),
            *(
                row(f"{name}: log₁₀ of the same", 0, 1e-3, "digits", on=slopes, k=k)
                for name, k in (("RMSprop", 2), ("Adam", 3), ("Newton", 5))
            ),
        ],
    )


# Races


def races() -> list[Preset]:
    return [
        Preset(
            "Race: Rosenbrock",
            "A curved valley is quickly found and slowly followed. Who turns with it?",
            "Rosenbrock",
            [
                ("SGD", {"lr": 0.001}),
                ("heavy ball", {"lr": 2e-4}),
                ("Adam", {}),
                ("NAdam", {}),
                ("Newton-CG", {}),
            ],
            t=100,
            steps=300,
            chosen=2,
        ),
        Preset(
            "Race: Himmelblau",
            "Four minima. Drag the start: which of them do they find?",
            "Himmelblau",
            [
                ("SGD", {"lr": 0.01}),
                ("Momentum", {"lr": 0.02}),
                ("Adam", {"lr": 0.2}),
                ("Lion", {}),
                ("Newton", {}),
            ],
            t=25,
            steps=100,
            chosen=2,
        ),
        Preset(
            "Race: under noise",
            "Each step sees the bowl tilted at random: the rate sets how far they stay from the minimum.",
            "noisy bowl",
            [("SGD", {}), ("Momentum", {}), ("Adam", {}), ("Adagrad", {})],
            t=60,
            steps=200,
        ),
        Preset(
            "Race: a network",
            "Two moons, and where the chosen optimizer's network draws the border.",
            "two moons",
            [("SGD", {"lr": 0.5}), ("Adam", {"lr": 0.05}), ("Lion", {"lr": 0.01}), ("Newton-CG", {})],
            t=20,
            steps=200,
            chosen=1,
        ),
    ]
