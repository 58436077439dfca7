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
from optim.second_order.line_search import line_search
from optim.second_order.method import Method, Settings
from optim.second_order.quasi_newton import first_direction
from optim.second_order.records import TrialRow
from optim.second_order.results import Status, StepInfo
from optim.second_order.stationary import (
    StationaryCheck,
    curvature_at,
    escape,
    newton_by_differences,
    refine,
)
from optim.second_order.trial import EPS, NOISE, downhill, norm, stuck

__all__ = ["Solver"]

SMALL = 1e-9  # f has arrived where the model promises to fall by less than this share of |f|,
FAST, NOTHING = 1e-3, 1e-20  # or, while a step leaves less than FAST of the promise, has left NOTHING of it,
SHRUNK = 1e-20  # or, where f goes to 0 slowly, this share of the promise where the gradient became small,
SHORT = 1e-6  # and this share of the way that was to go then;
UNSEEN, GONE = 1e-16, 1e-28  # or this one, or that of the first |f|, without second derivatives
MANY = (
    50  # beyond so many unknowns CG does not come to its end by itself, and is asked for a smaller residual
)
PATIENCE = 10  # the steps that may pass in which f cannot tell and the gradient does not shrink


class Solver(Method):
    """Test the gradient; if it is small look at the curvature, else take a step of another method.

        ‖g‖∞ ≤ gtol_abs + gtol·‖g₀‖∞   →  λmin negative beyond rounding: escape along the eigenvector
                                          ½gᵀ|H|⁻¹g > 1e-9·|f|, and it still shrinks fast: a Newton step
                                          else SECOND_ORDER

    A method without second derivatives gets H from differences of gradients, once it seems to have arrived.

    ‖g₀‖ is the first gradient, or, where that was small already, the one after the escape. Of the settings
    it reads gtol, gtol_abs, second_order, lambda_tol and forcing, see `NewtonCG`, and gives the method η for
    the forcing.

    Args:
        method: takes the steps where the gradient is not small.
        seed: of the Lanczos start vectors.
    """

    def __init__(self, method: Method, *, seed: int = 0) -> None:
        self.method = method
        self.rng = np.random.default_rng(seed)
        self.f0 = self.g0 = self.g0_max = math.nan  # f, ‖g‖₂ and ‖g‖∞ at the first point
        self.eta = self.size = math.nan  # η and ‖g‖ of the step before, for Eisenstat and Walker
        self.accepted = 0  # how many steps
        self.predicted = self.length = math.nan  # the fall and the length of the last step
        # by how much f would still fall: now, and where the gradient became small, with the way to go then
        self.hoped = self.first = self.first_length = math.nan
        self.quick = 0.0  # the promise from which on it has shrunk fast, or 0
        # of a method without second derivatives: the first point; how many steps are taken between two looks
        # at differences of gradients, and which step was the last one
        self.x0: Vector | None = None
        self.pause, self.looked = 0, -1
        # the smallest ‖g‖∞ yet, and steps since in which f could not tell
        self.best, self.stalled = math.inf, 0

    NUMBERS = (
        "f0", "g0", "g0_max", "eta", "size", "best", "stalled", "accepted", "predicted",
        "length", "hoped", "first", "first_length", "quick",
    )  # fmt: skip

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
                self.x0 = here.x

    def converged(self, here: Evaluation, settings: Settings) -> bool:
        return _max(here.g) <= self.tolerance(settings)

    def step(self, objective: Objective, here: Evaluation, settings: Settings) -> tuple[Evaluation, StepInfo]:
        self.begin(here)
        products = objective.counts.nhev
        with np.errstate(all="ignore"):
            if self.converged(here, settings):
                there, info = self._at_stationary_point(objective, here, settings)
            else:
                there, info = self._method_step(objective, here, settings)
                self.first = math.nan
                if info.status.success:  # no step helps, but the gradient is not as small as was asked for
                    info = replace(info, status=Status.PRECISION_LOSS)
            info = self._judged(there, info, settings)
        return there, replace(info, n_hv=objective.counts.nhev - products)

    def _at_stationary_point(
        self, objective: Objective, here: Evaluation, settings: Settings
    ) -> tuple[Evaluation, StepInfo]:
        """Where the gradient is small beside the first one: leave a saddle, go on, or report success."""
        found = curvature_at(here, self.rng, settings.lambda_tol) if settings.second_order else None
        if found is None:
            return self._unchecked(objective, here, settings)
        down = None if found.down is None else downhill(found.down, here.g)
        verified = StepInfo(status=Status.SECOND_ORDER, lambda_min=found.lowest, negative_curvature=down)
        if found.down is not None and not found.faint:
            return self._escaped(objective, here, found, verified, settings)
        if _max(here.g) > settings.gtol_abs and not self._settled(here, found.newton):
            if found.newton is not None:
                rows: list[TrialRow] = []
                trial = refine(objective, here, found.newton, settings.noise, rows)
                if trial.there is not None:
                    return trial.there, replace(
                        verified, accepted=True, status=Status.RUNNING, rho=trial.rho, actual=trial.actual,
                        noise=trial.noise, step_norm=float(np.linalg.norm(trial.there.x - here.x)),
                        trial_rows=tuple(rows),
                    )  # fmt: skip
                if stuck(here, found.newton, settings.noise).success:
                    return here, verified
                here = objective(here.x)  # the trials have moved the parameters of a closure
            there, info = self._method_step(objective, here, settings)
            if info.status.success and found.newton is not None:
                info = replace(info, status=Status.PRECISION_LOSS)
            if not info.status.success:
                met = info.negative_curvature
                return there, replace(info, negative_curvature=down if met is None else met)
            here = objective(here.x)
        if found.down is not None:
            return self._escaped(objective, here, found, verified, settings)
        return here, verified

    def _escaped(
        self,
        objective: Objective,
        here: Evaluation,
        found: StationaryCheck,
        verified: StepInfo,
        settings: Settings,
    ) -> tuple[Evaluation, StepInfo]:
        """Leave along a direction of negative curvature."""
        assert found.down is not None
        # where the curvature is faint, the radius says nothing about lengths
        radius = self.method.state().get("radius") if found.negative else None
        rows: list[TrialRow] = []
        there, length = escape(objective, here, found.down, radius, settings.noise, rows)
        verified = replace(verified, trial_rows=tuple(rows))
        if there is None:
            return here, replace(verified, status=Status.PRECISION_LOSS)
        self.method.after_escape(length, settings)
        self.best = math.inf  # the gradient at a saddle point measures nothing
        if not self.accepted:  # we began there
            self.g0, self.g0_max = max(self.g0, norm(there.g)), max(self.g0_max, _max(there.g))
        return there, replace(
            verified, accepted=True, status=Status.RUNNING, escaped=True, radius=length, step_norm=length,
            actual=here.f - there.f,
        )  # fmt: skip

    def _unchecked(
        self, objective: Objective, here: Evaluation, settings: Settings
    ) -> tuple[Evaluation, StepInfo]:
        """The same without the curvature. A method that has no second derivatives tries once more along −g,
        and then looks at differences of gradients."""
        done = StepInfo(status=Status.FIRST_ORDER)
        if _max(here.g) <= settings.gtol_abs:  # an absolute tolerance needs no further check
            return here, done
        knows = self.method.promise(here) is None
        settled = self._settled(here)
        if knows and settled:
            return here, done
        if settled and self.accepted >= self.looked + self.pause:
            if left := self._along_slope(objective, here, settings):
                return left
            if self._verified(objective, here, settings):
                return here, done
        there, info = self._method_step(objective, here, settings)
        if info.status.success and not knows:  # no step of this method helps; would another one?
            sure = self._verified(objective, here, settings)
            info = replace(info, status=Status.FIRST_ORDER if sure else Status.PRECISION_LOSS)
        return there, info

    def _along_slope(
        self, objective: Objective, here: Evaluation, settings: Settings
    ) -> tuple[Evaluation, StepInfo] | None:
        """A step along −g, if f falls there by far more than the method promises."""
        p = first_direction(here)
        ray = line_search("strong-wolfe", objective, here, p, 1.0, settings.noise)
        fall = 0.0 if ray.there is None else here.f - ray.there.f
        if ray.there is None or not fall > max(100 * self.hoped, SMALL * abs(here.f)):
            return None
        length = ray.a * norm(p)
        self.method.after_escape(length, settings)
        self.first = math.nan
        return ray.there, StepInfo(
            accepted=True,
            step_norm=length,
            radius=length,
            actual=fall,
            why="a flat direction",
            trial_rows=ray.points,
        )

    def _verified(self, objective: Objective, here: Evaluation, settings: Settings) -> bool:
        """Whether differences of gradients agree that f will fall by next to nothing more, or by rounding.

        Where they do not, the method goes on, and the next look comes after twice as many steps."""
        self.looked, self.pause = self.accepted, 2 * self.pause + 1
        newton = newton_by_differences(objective, here, here.x if self.x0 is None else self.x0)
        if newton is None:
            return False
        return self._settled(here, newton) or stuck(here, newton, settings.noise).success

    def _method_step(
        self, objective: Objective, here: Evaluation, settings: Settings
    ) -> tuple[Evaluation, StepInfo]:
        return self.method.step(objective, here, settings._replace(eta=self._eta(here, settings.forcing)))

    def _settled(self, here: Evaluation, newton: Vector | None = None) -> bool:
        """Whether f will fall by next to nothing more: the model promises less than 1e-9 of |f|.

        Where f goes to 0 it has no size of its own. Does it do so at a point, as |x|ᵖ? There Newton's model
        promises more than ½|f|, and less where f goes to 0 at infinity, as x⁻ᵖ. If the promise shrinks fast,
        nothing must be left of it. At a singular minimum, p > 2, each step leaves a fixed share, and it is
        enough that the fall promised and the way to go have shrunk by much since the gradient became small.

        The first gradient alone would not do: it may have been huge."""
        known = self.method.promise(here)
        if newton is not None:
            hoped, length = -0.5 * float(here.g @ newton), float(np.linalg.norm(newton))
        else:
            hoped, length = known or (self.predicted, self.length)
        before, self.hoped = self.hoped, hoped
        if hoped <= SMALL * abs(here.f):
            return True
        if not self.first < math.inf:
            self.first, self.first_length, self.quick = hoped, length, 0.0
            return False
        gone = abs(here.f) <= SHRUNK * self.first and length <= SHORT * self.first_length
        if known is None and gone and hoped <= 0.4 * abs(here.f):
            return True  # H is singular up to rounding here, and says nothing more
        if not abs(here.f) <= (1.98 if newton is not None else 10) * hoped:
            return False
        # One quick step may have been that of a single coordinate, while another is still to go.
        again = self.quick > 0
        self.quick = max(self.quick, before) if hoped <= FAST * before else 0.0
        if known is None and self.quick:
            return again and hoped <= NOTHING * self.quick
        share = SHRUNK * self.first if known is None else max(UNSEEN * self.first, GONE * abs(self.f0))
        shrunk = hoped <= share and not (known is None and newton is not None and abs(here.f) < 1.25 * hoped)
        rounded = known is not None and length <= NOISE * norm(here.x)
        return (shrunk and length <= 0.5 * self.first_length) or rounded

    def _judged(self, there: Evaluation, info: StepInfo, settings: Settings) -> StepInfo:
        """`info` with the status that only the course of many steps shows."""
        if not info.accepted:
            return info
        self.accepted += 1
        self.predicted, self.length = info.predicted, info.step_norm
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
        if forcing == "superlinear" and here.g.size > MANY and self.g0_max:
            # In a bent valley ‖g‖ rises with each long step, and a residual that is small beside it hides the
            # flat directions along which f still falls. The smallest gradient yet does not rise.
            eta = min(0.1, math.sqrt(min(self.best, _max(here.g)) / self.g0_max))
        elif forcing == "superlinear":
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
