"""The body of a Newton method's loop: test the gradient, check the curvature, or take a step.

`Solver` works on any `Objective`; `NewtonCG` gives it closures, `minimize` gives it functions.

Names: η `eta` the forcing term; `here` and `there` the evaluations before and after a step.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from optim.second_order.evaluation import Evaluation, Objective, Vector
from optim.second_order.method import Method, Settings
from optim.second_order.results import Status, StepInfo
from optim.second_order.stationary import curvature_at, escape, refine
from optim.second_order.trial import EPS, norm

__all__ = ["Solver"]

REFINING_PRODUCTS = 1000
PATIENCE = 10  # the steps that may pass in which f cannot tell and the gradient does not shrink


class Solver(Method):
    """Test the gradient; if it is small look at the curvature, else take a step of another method.

        ‖g‖∞ ≤ gtol_abs + gtol·‖g₀‖∞   →  λmin ≥ −1e-6·max|λ|: SECOND_ORDER, else escape along the eigenvector

    ‖g₀‖ is the first gradient, or, where that was small already, the one after the escape. Of the settings
    it reads gtol, gtol_abs, second_order and forcing, see `NewtonCG`, and gives the method η for the
    forcing.

    Args:
        method: takes the steps where the gradient is not small.
        seed: of the Lanczos start vectors.
    """

    def __init__(self, method: Method, *, seed: int = 0) -> None:
        self.method = method
        self.rng = np.random.default_rng(seed)
        self.f0 = self.g0 = self.g0_max = math.nan  # f, ‖g‖₂ and ‖g‖∞ at the first point
        self.eta = self.size = math.nan  # η and ‖g‖ of the step before, for Eisenstat and Walker
        self.accepted = self.refined = 0  # steps; Newton steps in a row at small gradients
        # the smallest ‖g‖∞ yet, and steps since in which f could not tell
        self.best, self.stalled = math.inf, 0

    NUMBERS = ("f0", "g0", "g0_max", "eta", "size", "best", "stalled", "accepted", "refined")

    def state(self) -> dict[str, Any]:
        return {
            **{name: getattr(self, name) for name in self.NUMBERS},
            "rng": self.rng.bit_generator.state,
            "method": self.method.state(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        self.rng.bit_generator.state = state["rng"]
        self.method.restore(state["method"])
        for name in self.NUMBERS:
            setattr(self, name, state[name])

    def after_escape(self, length: float, settings: Settings) -> None:
        self.method.after_escape(length, settings)

    def tolerance(self, settings: Settings) -> float:
        """The largest ‖g‖∞ that is small enough."""
        return settings.gtol_abs + settings.gtol * self.g0_max

    def begin(self, here: Evaluation) -> None:
        """Take `here` for the first point, unless there was one."""
        if math.isnan(self.f0):
            with np.errstate(all="ignore"):
                self.f0, self.g0, self.g0_max = here.f, norm(here.g), _max(here.g)

    def converged(self, here: Evaluation, settings: Settings) -> bool:
        return _max(here.g) <= self.tolerance(settings)

    def step(self, objective: Objective, here: Evaluation, settings: Settings) -> tuple[Evaluation, StepInfo]:
        self.begin(here)
        products = objective.counts.nhev
        with np.errstate(all="ignore"):
            if self.converged(here, settings):
                there, info = self._at_stationary_point(objective, here, settings)
            else:
                settings = replace(settings, eta=self._eta(here, settings.forcing))
                there, info = self.method.step(objective, here, settings)
                self.refined = 0
            info = self._judged(there, info, settings)
        return there, replace(info, n_hv=objective.counts.nhev - products)

    def _at_stationary_point(
        self, objective: Objective, here: Evaluation, settings: Settings
    ) -> tuple[Evaluation, StepInfo]:
        found = curvature_at(here, self.rng) if settings.second_order else None
        if found is None:
            return here, StepInfo(status=Status.FIRST_ORDER)
        verified = StepInfo(status=Status.SECOND_ORDER, lambda_min=found.lowest)
        if found.down is not None:
            # else the radius is no measure
            radius = self.method.state().get("radius") if found.negative else None
            there, length = escape(objective, here, found.down, radius, settings.noise)
            if there is None:
                return here, replace(verified, status=Status.PRECISION_LOSS)
            self.method.after_escape(length, settings)
            if not self.accepted:  # we began at a saddle point, whose gradient measures nothing
                self.g0, self.g0_max = max(self.g0, norm(there.g)), max(self.g0_max, _max(there.g))
            return there, replace(
                verified, accepted=True, status=Status.RUNNING, escaped=True, radius=length, step_norm=length,
                actual=here.f - there.f,
            )  # fmt: skip
        if self.refined < min(20, max(3, REFINING_PRODUCTS // here.x.size)):
            self.refined += 1
            trial = refine(objective, here, found.newton, settings.noise)
            if trial.there is not None:
                return trial.there, replace(
                    verified, accepted=True, status=Status.RUNNING, rho=trial.rho, actual=trial.actual,
                    noise=trial.noise,
                    step_norm=float(np.linalg.norm(trial.there.x - here.x)),
                )  # fmt: skip
        return here, verified

    def _judged(self, there: Evaluation, info: StepInfo, settings: Settings) -> StepInfo:
        """`info` with the status that only the course of many steps shows."""
        if not info.accepted:
            return info
        self.accepted += 1
        if there.f < min(-1.0, self.f0) / EPS:
            return replace(info, status=Status.UNBOUNDED)
        size = _max(there.g)
        self.stalled = self.stalled + 1 if info.noise and size > 0.9 * self.best else 0
        self.best = min(self.best, size)
        if self.stalled >= PATIENCE and not self.converged(there, settings):
            return replace(info, status=Status.PRECISION_LOSS)
        return info

    def _eta(self, here: Evaluation, forcing: str | float) -> float:
        """η: the residual of CG as a share of ‖g‖."""
        size = norm(here.g)
        share = size / self.g0 if self.g0 else 1.0
        if forcing == "superlinear":
            eta = min(0.5, math.sqrt(share))
        elif forcing == "quadratic":
            eta = min(0.1, share)
        elif forcing == "eisenstat-walker":  # their choice 2, with its safeguard
            golden = (1 + math.sqrt(5)) / 2
            eta = 0.9 * (size / self.size) ** golden if self.size > 0 else 0.5
            guard = 0.9 * self.eta**golden if self.size > 0 else 0.0
            eta = min(0.5, max(eta, guard if guard > 0.1 else 0.0))
        else:
            eta = float(forcing)
        self.eta, self.size = eta, size
        return eta


def _max(g: Vector) -> float:
    return float(np.abs(g).max(initial=0.0))
