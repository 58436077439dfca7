"""L-BFGS steps for any objective: curvature learnt from the last few steps.

Names: `s` a step, `y` the change of the gradient over it, ρ `rho` = 1/sᵀy, γ `gamma` = sᵀy/yᵀy the scale of
the inverse Hessian H, `p` the direction.

Reference: Nocedal 1980; Liu and Nocedal 1989; Nocedal and Wright 2006, Numerical Optimization, ch. 7.2.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from optim.second_order.evaluation import Evaluation, Objective, Vector
from optim.second_order.line_search import STILL, line_search
from optim.second_order.method import Method, Settings
from optim.second_order.results import Status, StepInfo
from optim.second_order.trial import EPS, blind, natural_length, stuck, unit_of

__all__ = ["LBFGSInfo", "Pairs", "QuasiNewton", "first_direction", "two_loops"]

Pairs = list[tuple[Vector, Vector]]


@dataclass(frozen=True)
class LBFGSInfo(StepInfo):
    """The report of one step of `LBFGS`; `why` says how the line search ended."""

    step_length: float = 0.0  # a in w + a·p
    gamma: float = math.nan  # sᵀy/yᵀy of the newest pair, NaN without one
    pairs: int = 0  # how many pairs made p
    skipped: bool = False  # the step's own pair was not kept, for lack of positive curvature


class QuasiNewton(Method):
    """L-BFGS steps for any `Objective`; see `LBFGS` for the options."""

    def __init__(self) -> None:
        self.pairs: Pairs = []  # oldest first

    def promise(self, here: Evaluation) -> tuple[float, float]:
        if not self.pairs:
            return math.inf, math.inf
        p = two_loops(self.pairs, here.g)
        return -0.5 * float(here.g @ p), float(np.linalg.norm(p))

    def after_escape(self, length: float, settings: Settings) -> None:
        self.pairs = []

    def state(self) -> dict[str, Any]:
        return {"pairs": list(self.pairs)}

    def restore(self, state: Mapping[str, Any]) -> None:
        self.pairs = list(state["pairs"])

    def step(
        self, objective: Objective, here: Evaluation, settings: Settings
    ) -> tuple[Evaluation, LBFGSInfo]:
        kind, lr, noise = settings.line_search, settings.lr, settings.noise
        g, pairs = here.g, self.pairs
        p = two_loops(pairs, g) if pairs else first_direction(here)
        found = line_search(kind, objective, here, p, lr, noise)
        trials, points = found.trials, found.points
        if found.there is None and pairs and found.why not in STILL:  # the pairs mislead here: forget them
            pairs, p = [], first_direction(here)
            found = line_search(kind, objective, here, p, lr, noise)
            trials, points = trials + found.trials, points + found.points
        there = found.there
        if there is None:
            status = found.status
            if status is Status.PRECISION_LOSS and (lr or not g.any()):
                status = stuck(here, two_loops(self.pairs, g) if self.pairs else p, noise)
            return here, LBFGSInfo(
                status=status, why=found.why, rejections=trials, pairs=len(pairs), trial_rows=points
            )
        s, y = there.x - here.x, there.g - g  # not quite a·p where parameters are float32
        kept = float(s @ y) > EPS * abs(float(s @ g))
        self.pairs = [*pairs, (s, y)][-settings.history :] if kept else pairs
        return there, LBFGSInfo(
            True, predicted=-found.a * (1 - 0.5 * found.a) * float(g @ p), actual=here.f - there.f,
            step_norm=float(np.linalg.norm(s)), why=found.why, rejections=trials - 1, step_length=found.a,
            gamma=_gamma(self.pairs), pairs=len(pairs), skipped=not kept, noise=blind(here, there, noise),
            trial_rows=points,
        )  # fmt: skip


def two_loops(pairs: Pairs, g: Vector) -> Vector:
    """−Hg, with the inverse Hessian H that starts from γI and obeys Hy = s for the pairs, oldest first.

        H ← (I − ρsyᵀ)H(I − ρysᵀ) + ρssᵀ   for each pair, without ever forming H

    >>> s, y = np.array([1.0, 0.0]), np.array([4.0, 0.0])
    >>> two_loops([(s, y)], np.array([4.0, 8.0]))
    array([-1., -2.])
    """
    q, shares = g, []
    for s, y in reversed(pairs):
        share = float(s @ q) / float(s @ y)
        q = q - share * y
        shares.append(share)
    q = _gamma(pairs) * q
    for (s, y), share in zip(pairs, reversed(shares), strict=True):
        q = q + (share - float(y @ q) / float(s @ y)) * s
    return -q


def _gamma(pairs: Pairs) -> float:
    if not pairs:
        return math.nan
    s, y = pairs[-1]
    unit = unit_of(y)
    return unit * float(s @ (unit * y)) / float((unit * y) @ (unit * y))


def first_direction(here: Evaluation) -> Vector:
    """−g with a length that depends on x, not on the units of f: max(1, ‖x‖/10)."""
    unit = unit_of(here.g)
    size = float(np.linalg.norm(unit * here.g))
    return -unit * here.g * (natural_length(here.x) / size if size else 0.0)
