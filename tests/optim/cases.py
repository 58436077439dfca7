"""A row for every optimizer, with the facts that its tests need.

`CASES` holds the first-order optimizers, for test_rules, test_parameters, test_saving, test_against_torch and
minigrad/test_replay. `MAKERS` holds those that need a closure, for test_closure_optimizer. A new optimizer is
tested as soon as it has a row here; test_cases fails until it has one, and while a row leaves something open.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pytest

import optim
from tests.problems import leaf


@dataclass(frozen=True)
class Case:
    """One first-order optimizer.

    kind: the class.
    settings: options to test it with, without lr. Together they go through every branch of the rule, and one
        of them makes it use all of its state.
    lr: the learning rate of those tests.
    bowl_lr: one with which every setting, without weight decay, gets from (1, −2) to within 0.05 of the
        minimum of a bowl, (½, ½), in 1,000 steps.
    torch: if PyTorch has the optimizer, values of each option; each pair of them is compared for 200 steps.
        Choose values with which the steps do not jitter around the minimum: there two right programs differ
        after rounding. Run them: `pytest -m oracle tests/optim/test_against_torch.py -k Name`.
    textbook: if not, the formula in plain NumPy: a generator of the parameters after each step, called as
        textbook(w, gradients, **options) with every option but maximize.
    bad: values that it refuses, for each option that is not in BAD.
    moves_without_eps: False if its steps have the size of ε, so that with ε = 0 it stays where it is.
    """

    kind: type
    settings: list[dict]
    lr: float
    bowl_lr: float = 0.02
    torch: dict[str, tuple] = field(default_factory=dict)
    textbook: Callable | None = None
    bad: dict[str, tuple] = field(default_factory=dict)
    moves_without_eps: bool = True

    @property
    def name(self):
        return self.kind.__name__

    @property
    def defaults(self):
        return self.kind([leaf([1.0])]).defaults


def momentum(w, gradients, lr, beta, bias_correction, weight_decay):
    """The average of the gradients in place of the gradient, as in Adam's first moment."""
    m = np.zeros_like(w)
    for t, g in enumerate(gradients, start=1):
        m = beta * m + (1 - beta) * (g + weight_decay * w)
        w = w - lr * (m / (1 - beta**t) if bias_correction else m)
        yield w


def lion(w, gradients, lr, betas, weight_decay):
    """Chen et al. 2023, algorithm 2."""
    m, (β1, β2) = np.zeros_like(w), betas
    for g in gradients:
        update = np.sign(β1 * m + (1 - β1) * g)
        m = β2 * m + (1 - β2) * g
        w = w - lr * (update + weight_decay * w)
        yield w


CASES = [
    Case(
        optim.SGD,
        settings=[
            {"momentum": 0.9, "nesterov": True, "weight_decay": 0.01}, {"momentum": 0.9, "nesterov": True},
            {"momentum": 0.9, "dampening": 0.1, "weight_decay": 0.01}, {"momentum": 0.9, "dampening": 0.1},
            {},
        ],
        lr=0.05,
        torch={"momentum": (0.0, 0.9), "dampening": (0.0, 0.3), "weight_decay": (0.0, 0.1),
               "nesterov": (False, True), "lr": (0.01, 0.05)},
        bad={"dampening": (-0.1, 1.1), "nesterov": (1, True)},  # True without momentum
    ),
    Case(
        optim.Momentum,
        settings=[{"bias_correction": True}, {"beta": 0.8, "weight_decay": 0.1}],
        lr=0.1,
        textbook=momentum,
        bad={"beta": (1.0, -0.1, (0.9, 0.9)), "bias_correction": ("no",)},
    ),
    Case(
        optim.RMSprop,
        settings=[{"momentum": 0.5, "centered": True}, {}],
        lr=0.01,
        torch={"alpha": (0.99, 0.7), "eps": (1e-8, 0.1), "weight_decay": (0.0, 0.1), "momentum": (0.0, 0.8),
               "centered": (False, True)},
        bad={"alpha": (1.0, -0.5), "centered": (0,)},
    ),
    Case(
        optim.Adam,
        settings=[{"amsgrad": True, "weight_decay": 0.01}, {"amsgrad": True}, {}],
        lr=0.05,
        torch={"betas": ((0.9, 0.999), (0.5, 0.8)), "eps": (1e-8, 0.1), "weight_decay": (0.0, 0.1),
               "amsgrad": (False, True), "lr": (1e-3, 0.05)},
    ),
    Case(
        optim.AdamW,
        settings=[{"amsgrad": True}, {}],
        lr=0.05,
        torch={"betas": ((0.9, 0.999), (0.0, 0.8)), "eps": (1e-8, 0.1), "weight_decay": (1e-2, 0.0, 0.3),
               "amsgrad": (False, True), "lr": (1e-3, 0.05)},
    ),
    Case(
        optim.Adagrad,
        settings=[{"lr_decay": 0.1, "initial_accumulator_value": 0.1}, {}],
        lr=0.1,
        bowl_lr=1.0,  # its steps shrink
        torch={"lr_decay": (0.0, 0.1), "weight_decay": (0.0, 0.1), "initial_accumulator_value": (0.0, 0.3),
               "eps": (1e-10, 0.1), "lr": (1e-2, 0.2)},
        bad={"lr_decay": (-0.1, math.nan), "initial_accumulator_value": (-1.0,)},
    ),
    Case(
        optim.NAdam,
        settings=[{"weight_decay": 0.1, "decoupled_weight_decay": True}, {"weight_decay": 0.1}, {}],
        lr=0.05,
        torch={"betas": ((0.9, 0.999), (0.5, 0.8)), "weight_decay": (0.0, 0.1), "momentum_decay": (4e-3, 0.5),
               "decoupled_weight_decay": (False, True), "eps": (1e-8, 0.1)},
        bad={"momentum_decay": (-1.0,), "decoupled_weight_decay": ("yes",)},
    ),
    Case(
        optim.Lion,
        settings=[{"betas": (0.8, 0.95), "weight_decay": 0.3}, {}],
        lr=0.01,
        textbook=lion,
    ),
]  # fmt: skip
NAMES = [case.name for case in CASES]
each = pytest.mark.parametrize("name", NAMES)

BAD = {  # values that every optimizer with the option refuses
    "lr": (-0.1, math.nan, math.inf, True, "0.1", None, [0.1], 1j),
    "weight_decay": (-1e-9, math.nan, False, "0"),
    "maximize": (1, "yes", None),
    "eps": (-1e-8, math.inf, True),
    "betas": (
        (1.0, 0.999), (0.9, 1.0), (-0.1, 0.9), (0.9,), (0.9,) * 3, 0.9, "ab", (True, 0.9), (0.9, math.nan),
    ),
    "momentum": (-0.1, -0.5, 2, 9, "0.9", True),
    "amsgrad": (1,),
}  # fmt: skip

SETTINGS = {
    " ".join([case.name, *(f"{option}={value}" for option, value in options.items())]): (case, options)
    for case in CASES
    for options in case.settings
}
"""Every setting of every first-order optimizer, by a name that tells it."""

MAKERS = {
    "abs": lambda p, **o: optim.Newton(p, **o),
    "shift": lambda p, **o: optim.Newton(p, modification="shift", **o),
    "clip wolfe": lambda p, **o: optim.Newton(p, modification="clip", line_search="strong-wolfe", **o),
    "trust": lambda p, **o: optim.Newton(p, modification="trust", **o),
    "pure": lambda p, **o: optim.Newton(p, modification="none", line_search=None, **o),
    "pinv": lambda p, **o: optim.Newton(p, modification="pinv", line_search=None, **o),
    "lbfgs": lambda p, **o: optim.LBFGS(p, **{"history": 3, **o}),
    "lbfgs armijo": lambda p, **o: optim.LBFGS(p, line_search="armijo", **o),
    "cg": lambda p, **o: optim.NewtonCG(p, **o),
    "cg search": lambda p, **o: optim.NewtonCG(
        p, globalization="line-search", forcing="eisenstat-walker", **o
    ),
}  # fmt: skip
"""The optimizers that need a closure, in the ways they are made."""
