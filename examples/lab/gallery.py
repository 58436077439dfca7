"""Topics of the gallery as presets of the lab: what papers say that optimizers do, measured by the page.

Not here are those that need a Hessian of 701 rows at each step (saddles, outliers of the Hessian) or minutes
(grokking). The adaptive edge of stability and the counts of CG are in topics 10 and 12 of the lecture.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from examples import micrograd_demo
from examples.gallery import adam_can_fail, edge_of_stability, heavy_ball_cycle
from examples.lab.topics import PURE, Walkers, row
from minigrad import Tensor
from models import hinge_loss
from optim.laboratory.contents import Measure, Preset, Problem
from optim.laboratory.losses import function_problem, problem_of

__all__ = ["presets", "problems"]

KAPPA = 100.0
NAMES = {"descent": "SGD", "heavy ball": "heavy ball", "Nesterov": "Nesterov", "average": "Momentum"}


# The losses


def problems() -> list[Problem]:
    def elongated(w: Any) -> Any:
        return 0.5 * (w[0] ** 2 + KAPPA * w[1] ** 2)

    side = (-1.2, 1.2)
    made = [
        function_problem(heavy_ball_cycle.f, 3.3, "three parabolas", region=((-2.2, 3.6),)),
        function_problem(elongated, [1.0, 1.0], "κ of 100", region=((-0.3, 1.2), side)),
        *(
            function_problem(lambda w, p=p: w ** (2 * p), 1.0, f"x^{2 * p}", region=(side,))
            for p in (2, 3, 5)
        ),
    ]
    return [*(problem for problem, _ in made), rare_slope(), micrograd()]


def rare_slope() -> Problem:
    """A slope of 1010 in the first of each 101 steps, and of −10 in the others."""
    w = Tensor(0.0, requires_grad=True, name="w")
    slopes = np.where(np.arange(adam_can_fail.PERIOD) == 0, 1010.0, -10.0)[:, None]
    says = "The slope is 1010 in one of 101 steps, and −10 in the others: their sum says that less is better."
    return problem_of(
        lambda slope: slope[0, 0] * w,
        [("w", w)],
        (slopes[:1],),
        (slopes,),
        name="a rare slope",
        says=says,
        region=((-1.0, 21.0),),
    )


def micrograd() -> Problem:
    """The network of micrograd's demo. Its rate falls from step to step: here the loss does."""
    x, y = micrograd_demo.two_moons(100, 0.1, seed=1337)
    model, rates = micrograd_demo.start(seed=1337), (1 - 0.9 * np.arange(100) / 100)[:, None]
    decay = lambda: 1e-4 * sum((p * p).sum() for p in model.parameters())  # noqa: E731
    says = "micrograd's network 2-16-16-1; each step sees its loss times the rate of that step, 1 − 0.9k/100."
    return problem_of(
        lambda rate: rate[0, 0] * (hinge_loss(model(x)[:, 0], y) + decay()),
        list(model.named_parameters()),
        (rates[:1],),
        (rates,),
        name="micrograd's demo",
        says=says,
    )


# The presets


def presets() -> list[Preset]:
    return [digit_for_digit(), rates(), cycle(), habits(), forgetful(), edge()]


def digit_for_digit() -> Preset:
    return Preset(
        "Gallery: micrograd's demo",
        "The losses of micrograd's notebook, digit for digit, computed by this page.",
        "micrograd's demo",
        [("SGD", {"lr": 1.0})],
        t=50,
        steps=99,
        panel="measured",
        measures=[
            row(f"loss of step {k}", loss, 1e-13, "loss", t=k, over=1 - 0.9 * k / 100)
            for k, (loss, _) in micrograd_demo.PUBLISHED.items()
        ],
    )


def rates() -> Preset:
    root = np.sqrt(KAPPA)
    share, slow = (root - 1) / (root + 1), (KAPPA - 1) / (KAPPA + 1)
    return Preset(
        "Gallery: rates on quadratics",
        "What momentum buys: a digit takes 116 steps by descent, and in the end 12 by the heavy ball.",
        "κ of 100",
        [("SGD", {"lr": 2 / (KAPPA + 1)}), ("heavy ball", {"lr": 4 / (root + 1) ** 2, "momentum": share**2})],
        t=30,
        steps=300,
        chosen=1,
        panel="measured",
        measures=[
            row("descent: error after ÷ before", slow, 1e-9, "share", first=150, last=300),
            row(
                "descent: steps to a tenth",
                np.ceil(np.log(0.1) / np.log(slow)),
                0,
                "until",
                of="largest",
                side="below",
                value=0.1,
                most=200,
            ),
            row("heavy ball: error after ÷ before", share, 0.003 * share, "share", k=1, first=450, last=900),
        ],
    )


def cycle() -> Preset:
    walkers: Walkers = [(NAMES[name], options) for name, (_, options) in heavy_ball_cycle.METHODS.items()]
    low, high = min(heavy_ball_cycle.CYCLE.values()), max(heavy_ball_cycle.CYCLE.values())
    late = {"first": 291, "last": 300}

    def ends(k: int, who: str) -> list[Measure]:
        return [
            row(f"{who}: largest x from step 291 on", high, 1e-12, "largest", k=k, **late),
            row(f"{who}: least x from step 291 on", low, 1e-12, "least", k=k, **late),
        ]

    return Preset(
        "Gallery: a heavy ball in circles",
        "f is convex, and the rates the best for its curvatures; the ball runs through three points forever.",
        "three parabolas",
        walkers,
        t=12,
        steps=60,
        measures=[
            *ends(0, "heavy ball"),
            *ends(1, "average"),
            row("Nesterov: x after 400 steps", 0, 1e-12, "coordinate", k=2, t=400),
            row("descent: x after 400 steps", 0, 1e-12, "coordinate", k=3, t=400),
        ],
    )


def habits() -> Preset:
    newton: Walkers = [("Newton", PURE)]
    return Preset(
        "Gallery: Newton's habits",
        "Newton's method solves g = 0: from the start shown it climbs to the maximum. Drag it.",
        "Himmelblau",
        [*newton, ("Newton", {}), ("SGD", {"lr": 0.01})],
        t=3,
        steps=20,
        panel="model",
        measures=[
            row("points at which Newton ends, 441 starts", 9, 0, "ends", side=21, low=-6, high=6, t=100),
            row("f at the maximum", 181.6165, 1e-4, "loss", t=4),
            *(
                row(f"x^{2 * p}: x₊/x", (2 * p - 2) / (2 * p - 1), 1e-12, "coordinate", on=f"x^{2 * p}", t=1)
                for p in (2, 3, 5)
            ),
        ],
    )


def forgetful() -> Preset:
    period = adam_can_fail.PERIOD
    numbers: dict[str, Any] = {"lr": 1.0, "betas": list(adam_can_fail.BETAS), "eps": 0.0}
    last = {"t": 30 * period, "minus": 29 * period}
    return Preset(
        "Gallery: Adam can fail",
        "A rare large slope is forgotten before it counts: Adam climbs the mean, and AMSGrad does not.",
        "a rare slope",
        [("Adam", numbers), ("AMSGrad", numbers)],
        t=5 * period,
        steps=10 * period,
        measures=[
            row("Adam: change of x in a period ÷ lr", 1.9008548, 1e-6, "coordinate", **last),
            row("AMSGrad: change of x ÷ lr", -0.0788189, 1e-7, "coordinate", k=1, **last),
        ],
    )


def edge() -> Preset:
    methods = edge_of_stability.METHODS
    walkers = {name: (NAMES[name], dict(options)) for name, (_, options, _) in methods.items()}
    walkers["average"][1]["lr"] = 0.4  # at which it comes to its edge as soon as the others
    late = {"first": 2000, "last": 4000, "every": 200}
    return Preset(
        "Gallery: the edge of stability",
        "A network that sees all its data: the sharpness rises to the limit of its rate, and stays there.",
        "a network that learns T₆",
        list(walkers.values()),
        t=300,
        steps=2000,
        panel="stability",
        measures=[
            row(f"{name}: lr·sharpness in the end", limit, 0.03 * limit, "edge", k=k, **late)
            for k, (name, (_, _, limit)) in enumerate(methods.items())
        ],
    )
