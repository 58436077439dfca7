"""A method: how one step leads from an evaluation to the next, and the settings it is given for it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from optim.second_order.evaluation import Evaluation, Objective
from optim.second_order.results import StepInfo
from optim.second_order.trial import NOISE

__all__ = ["Method", "Settings"]


@dataclass(frozen=True)
class Settings:
    """The options of one step. Each method reads those that concern it; `Newton`, `NewtonCG`, `LBFGS` explain them."""

    noise: float = NOISE  # a change of f below this share of |f| is rounding
    # The loop of Newton methods, `Solver`
    gtol: float = 1e-8
    gtol_abs: float = 0.0
    second_order: bool = True
    forcing: str | float = "superlinear"
    # Methods that solve by CG
    eta: float = math.nan  # the residual asked for, as a share of ‖g‖: set by `Solver`, from the forcing
    max_radius: float = math.inf
    strict_monotone: bool = False
    # Methods that search along a direction
    lr: float = 1.0
    line_search: str | None = "armijo"
    history: int = 10  # of `QuasiNewton`
    modification: str = "abs"  # this and the next two are of `DenseNewton`
    damping: float = 0.0
    dense_limit: int = 3000


class Method(Protocol):
    """A way to take steps. Its attributes are what one step leaves to the next; options come with each step.

    A method changes its state only when a step has succeeded, or can be put back to an earlier `state`.
    """

    def step(self, objective: Objective, here: Evaluation, settings: Settings) -> tuple[Evaluation, StepInfo]:
        """One step from `here`; or `here` again, with an info that is not `accepted` and says why."""
        ...

    def after_escape(self, length: float, settings: Settings) -> None:
        """Take note of a step of this length that was taken without this method."""
        return  # a method that keeps nothing of the kind need not

    def state(self) -> dict[str, Any]:
        """Everything that one step leaves to the next."""
        ...

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from `state`."""
        ...
