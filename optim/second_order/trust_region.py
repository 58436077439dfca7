"""A trust-region step: the loop of trial, acceptance and radius around Steihaug–Toint CG.

    x ← x + p,   p ≈ argmin gᵀp + ½pᵀHp  over ‖p‖ ≤ Δ
    ρ = (f(x) − f(x+p)) / predicted:   accept ρ > 0.1;   shrink Δ at ρ < ¼, expand at ρ > ¾ on the boundary

Every comparison is written so that NaN means "worse". Names: Δ `radius`, ρ `rho`, η `eta` the forcing term.

Reference: Conn, Gould, Toint 2000, Trust Region Methods, ch. 6, 7; Nocedal and Wright 2006, ch. 4, 7.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optim.second_order.objective import Evaluation, Objective
from optim.second_order.results import Status, StepInfo
from optim.second_order.steihaug_cg import CGPath, Solution, steihaug_cg

__all__ = ["EPS", "NOISE", "Trial", "TrustRegion", "evaluated", "max_iterations", "norm", "tried", "unit_of"]

Vector = NDArray[Any]
EPS = float(np.finfo(np.float64).eps)
NOISE = 1e3 * EPS  # differences of f below this share of |f| are rounding
MAX_REJECTIONS = 60
PATH_BYTES = 1 << 28  # CG keeps two vectors an iteration


@dataclass(frozen=True)
class Trial:
    """What came of a step: the evaluation if it may be accepted, ρ, f(x) − f(x+p) or its estimate, whether f was blind."""

    there: Evaluation | None
    rho: float = -math.inf
    actual: float = math.nan
    noise: bool = False
    moved: bool = True  # x + p is not x


class TrustRegion:
    """The radius Δ, which lives from step to step, and the rules that change it.

    Args:
        max_radius: an upper bound of Δ.
        strict_monotone: refuse steps that leave f higher by rounding.
        noise: differences of f below this share of |f| are left to the gradients.
        solve: r ↦ M⁻¹r, the preconditioner.
    """

    def __init__(
        self, *, max_radius: float = math.inf, strict_monotone: bool = False, noise: float = NOISE,
        solve: Callable[[Vector], Vector] | None = None,
    ) -> None:  # fmt: skip
        self.max_radius, self.strict_monotone, self.noise, self.solve = max_radius, strict_monotone, noise, solve
        self.previous: Vector | None = None
        self.radius: float | None = None  # None: chosen at the next step

    def state(self) -> dict[str, Any]:
        return {"radius": self.radius}

    def restore(self, state: Mapping[str, Any]) -> None:
        self.radius = state["radius"]

    def after_escape(self, length: float) -> None:
        """A step of this length was taken without asking the model."""
        self.radius = min(length, self.max_radius)

    def step(self, objective: Objective, here: Evaluation, eta: float) -> tuple[Evaluation, StepInfo]:
        """One accepted step from `here`; or `here` again, with the status that says why there is none."""
        # In units in which g is about 1, nothing over- or underflows; a power of two changes no digit.
        unit = unit_of(here.g)
        g = unit * here.g
        path, radius = steihaug_cg(
            lambda v: unit * here.hv(v), g, self.radius if self.radius is not None else self._first_radius(here.x),
            eta * float(np.linalg.norm(g)), max_iterations(g.size), solve=self.solve,
        )  # fmt: skip
        radius = min(radius, self.max_radius)
        hoped = math.nan
        for rejections in range(MAX_REJECTIONS):
            s = path.at(radius)
            hoped = hoped if rejections else s.predicted / unit
            trial = tried(objective, here, s.p, s.predicted / unit, self.noise, self.strict_monotone)
            after = radius
            if not trial.rho >= 0.25:
                after = 0.25 * min(radius, s.norm)
            elif trial.rho > 0.75 and s.norm >= 0.99 * radius:
                after = min(2 * radius, self.max_radius)
            if trial.there is not None and trial.rho > 0.1:
                self.radius = after
                return trial.there, self._info(path, s, unit, trial, rejections, eta)
            if not trial.moved:
                break
            radius = after
        self.radius = None
        status = Status.PRECISION_LOSS if hoped <= self.noise * abs(here.f) else Status.RADIUS_COLLAPSED
        return here, self._info(path, s, unit, trial, rejections + 1, eta, status)

    def _first_radius(self, x: Vector) -> Callable[[Vector, float], float]:
        """10·‖g‖²/‖Hg‖ from CG's first product: ten steps of steepest descent, whatever the units of f."""

        def choose(Hd: Vector, dd: float) -> float:
            image = math.sqrt(max(float(Hd @ (Hd if self.solve is None else self.solve(Hd))), 0.0))
            return 10 * dd / image if 0 < image < math.inf else max(1.0, 0.1 * float(np.linalg.norm(x)))

        return choose

    def _info(
        self, path: CGPath, s: Solution, unit: float, trial: Trial, rejections: int, eta: float,
        status: Status = Status.RUNNING,
    ) -> StepInfo:  # fmt: skip
        return StepInfo(
            accepted=status is Status.RUNNING, status=status, rho=trial.rho, radius=self.radius or 0.0,
            predicted=s.predicted / unit, actual=trial.actual, n_cg=path.products,
            step_norm=float(np.linalg.norm(s.p)) if status is Status.RUNNING else 0.0,
            why=s.why, smallest_curvature=path.smallest_curvature / unit, rejections=rejections, eta=eta, noise=trial.noise,
        )  # fmt: skip


def unit_of(g: Vector) -> float:
    """The power of two that brings the largest entry of g into [½, 1)."""
    return math.ldexp(1.0, -max(-1000, min(1000, math.frexp(float(np.abs(g).max()))[1])))


def norm(g: Vector) -> float:
    """‖g‖, also where its square would over- or underflow."""
    unit = unit_of(g)
    return float(np.linalg.norm(unit * g)) / unit


def max_iterations(n: int) -> int:
    """How many iterations CG gets: with rounding, n do not always suffice; and their vectors have to be kept."""
    return min(max(2 * n, 50), 1000, max(50, PATH_BYTES // (16 * n)))


def evaluated(objective: Objective, x: Vector) -> Evaluation | None:
    """The evaluation at x, or None if f is not finite there or says so by a FloatingPointError."""
    try:
        there = objective(x)
    except FloatingPointError:
        return None
    return there if math.isfinite(there.f) else None


def tried(
    objective: Objective, here: Evaluation, p: Vector, predicted: float, noise: float, strict_monotone: bool = False
) -> Trial:
    """Go to x + p, and compare the decrease of f there with the one predicted.

    Where f cannot tell the difference any more its slope can: then the decrease is that of the trapezoid rule along p.
    """
    x = here.x + p
    if not predicted > 0:
        return Trial(None)
    if np.array_equal(x, here.x):
        return Trial(None, moved=False)
    there = evaluated(objective, x)
    if there is None:
        return Trial(None)
    moved = there.x - here.x  # not quite p where parameters are float32
    if not moved.any():
        return Trial(None, moved=False)
    actual = here.f - there.f
    if blind := abs(actual) <= noise * max(abs(here.f), abs(there.f)):
        if strict_monotone and actual < 0:
            return Trial(None, actual=actual, noise=True)
        actual = -0.5 * float((here.g + there.g) @ moved)
    rho = actual / predicted
    if rho > 0.1 and not np.isfinite(there.g).all():
        return Trial(None, actual=actual, noise=blind)
    return Trial(there, rho, actual, blind)
