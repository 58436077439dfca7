"""`Method`, the protocol of everything that takes steps, and `Settings`, the options of each step."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

from optim.second_order.evaluation import Evaluation, Objective
from optim.second_order.results import StepInfo
from optim.second_order.trial import CUTOFF, NOISE

__all__ = ["Method", "Settings"]


class Settings(NamedTuple):
    """The options of one step; see `Newton`, `NewtonCG` and `LBFGS`. Each method reads those it knows."""

    noise: float = NOISE  # a change of f below this share of |f| is rounding
    # The loop of Newton methods, `Solver`
    gtol: float = 1e-8
    gtol_abs: float = 0.0
    second_order: bool = True
    forcing: str | float = "superlinear"
    lambda_tol: float = 0.0  # λmin is negative below this share of −max|λ|, and below its own rounding
    # Methods with a trust region
    initial_radius: float | None = None  # None: chosen from the first Hessian product
    # Methods that solve by CG
    eta: float = math.nan  # the residual asked for, as a share of ‖g‖: set by `Solver`, from the forcing
    max_radius: float = math.inf
    strict_monotone: bool = False
    # Methods that search along a direction
    lr: float = 1.0
    line_search: str | None = "armijo"
    history: int = 10  # of `QuasiNewton`
    modification: str = "abs"  # this and the next three are of `DenseNewton`
    damping: float = 0.0
    cutoff: float = CUTOFF
    dense_limit: int = 3000


class Method(Protocol):
    """A way to take steps. Its state passes from one step to the next; the options come with each step.

    Where a step raises, its caller restores the `state` of before, so that nothing has changed.
    """

    def step(self, objective: Objective, here: Evaluation, settings: Settings) -> tuple[Evaluation, StepInfo]:
        """One step from `here`; or `here` again, with an info that is not `accepted` and says why."""
        ...

    def after_escape(self, length: float, settings: Settings) -> None:
        """Take note of a step of this length that was taken without this method."""
        return  # a method without such state has nothing to do

    def promise(self, here: Evaluation) -> tuple[float, float] | None:
        """By how much f would still fall, and over what length, if it had the curvature met so far; infinite
        if none was met. None for a method whose steps report a prediction."""
        return None

    def state(self) -> dict[str, Any]:
        """Everything that passes from one step to the next."""
        ...

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from `state`."""
        ...
