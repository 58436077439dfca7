"""Newton-CG in a trust region: the loop of trial, acceptance and radius around Steihaug–Toint CG.

    x ← x + p,   p ≈ argmin gᵀp + ½pᵀHp  over ‖p‖ ≤ Δ
    ρ = (f(x) − f(x+p)) / predicted:   accept ρ > 0.1;   shrink Δ at ρ < ¼, expand at ρ > ¾ on the boundary

Every comparison is written so that NaN means "worse". Names: Δ `radius`, ρ `rho`, η `eta` the forcing term.

Reference: Conn, Gould, Toint, Trust Region Methods (2000), ch. 6, 7; Nocedal and Wright (2006), ch. 4, 7.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optim.cg import CGPath, Solution, steihaug_cg
from optim.objective import Evaluation, Objective

__all__ = ["NOISE", "StepInfo", "TrustRegion"]

Vector = NDArray[Any]
EPS = float(np.finfo(np.float64).eps)
NOISE = 1e3 * EPS  # differences of f below this share of |f| are rounding
MAX_REJECTIONS = 60


@dataclass(frozen=True)
class StepInfo:
    """What one step did: read it from `optimizer.last_step`."""

    accepted: bool
    rho: float
    radius: float  # Δ after the step
    predicted: float
    actual: float
    step_norm: float
    n_cg: int
    why: str  # why CG stopped; "collapsed" after too many rejections
    smallest_curvature: float
    rejections: int
    eta: float


class TrustRegion:
    """The state that lives from step to step: the radius Δ and the first gradient's size."""

    def __init__(
        self, *, forcing: str | float = "superlinear", max_radius: float = math.inf, strict_monotone: bool = False,
        noise: float = NOISE,
    ) -> None:  # fmt: skip
        self.forcing, self.max_radius, self.strict_monotone, self.noise = forcing, max_radius, strict_monotone, noise
        self.radius: float | None = None
        self.g0: float | None = None
        self.eta_before: float | None = None

    def step(
        self, objective: Objective, here: Evaluation, solve: Callable[[Vector], Vector] | None = None
    ) -> tuple[Evaluation, StepInfo]:
        """One accepted step from `here`, or `here` again if MAX_REJECTIONS radii were too large."""
        g = here.g
        size = float(np.linalg.norm(g))
        self.g0 = self.g0 or size
        eta = self.eta(size)
        path, radius = steihaug_cg(
            here.hv, g, self.radius if self.radius is not None else self._first_radius(here.x, solve), eta * size,
            min(max(2 * g.size, 50), 1000), solve=solve,
        )  # fmt: skip
        radius = min(radius, self.max_radius)
        for rejections in range(MAX_REJECTIONS):
            s = path.at(radius)
            there, rho, actual = self._trial(objective, here, s)
            shrunk = radius
            if not rho >= 0.25:
                shrunk = 0.25 * min(radius, s.norm)
            elif rho > 0.75 and s.norm >= 0.99 * radius:
                shrunk = min(2 * radius, self.max_radius)
            if there is not None and rho > 0.1:
                self.radius = shrunk
                return there, self._info(path, s, True, rho, actual, rejections, eta)
            radius = shrunk
        self.radius = radius
        return here, self._info(path, s, False, rho, actual, MAX_REJECTIONS, eta)

    def _trial(self, objective: Objective, here: Evaluation, s: Solution) -> tuple[Evaluation | None, float, float]:
        """The evaluation at x + p, ρ, and f(x) − f(x+p)."""
        if not s.predicted > 0:
            return None, -math.inf, math.nan
        there = objective(here.x + s.p)
        if not math.isfinite(there.f):
            return None, -math.inf, math.nan
        actual = here.f - there.f
        if abs(actual) <= self.noise * max(abs(here.f), abs(there.f)):
            if self.strict_monotone and actual < 0:
                return None, -math.inf, actual
            # f cannot tell the difference any more, but its slope can: the trapezoid rule along the step.
            actual = -0.5 * float((here.g + there.g) @ s.p)
        rho = actual / s.predicted
        if rho > 0.1 and not np.isfinite(there.g).all():
            return None, -math.inf, actual
        return there, rho, actual

    def _first_radius(self, x: Vector, solve: Any) -> Callable[[Vector, Vector], float]:
        """10·‖g‖²/‖Hg‖ from CG's first product: ten steepest-descent steps, whatever the units of f."""

        def choose(d: Vector, Hd: Vector) -> float:
            image = Hd if solve is None else solve(Hd)
            curvature = math.sqrt(max(float(Hd @ image), 0.0))
            length = float(d @ d) if solve is None else math.nan
            if solve is not None:
                length = self._m_norm_squared
            if not curvature > 0:
                return max(1.0, 0.1 * float(np.linalg.norm(x)))
            return 10 * length / curvature

        return choose

    _m_norm_squared = math.nan

    def eta(self, size: float) -> float:
        """The forcing term: how exactly CG solves, as a share of ‖g‖."""
        share = size / self.g0 if self.g0 else 0.0
        if self.forcing == "superlinear":
            return min(0.5, math.sqrt(share))
        if self.forcing == "quadratic":
            return min(0.1, share)
        if isinstance(self.forcing, float | int):
            return float(self.forcing)
        raise ValueError(f"forcing {self.forcing!r}")

    def _info(
        self, path: CGPath, s: Solution, accepted: bool, rho: float, actual: float, rejections: int, eta: float
    ) -> StepInfo:  # fmt: skip
        return StepInfo(
            accepted, rho, self.radius or 0.0, s.predicted, actual, float(np.linalg.norm(s.p)), s.iterations,
            s.why if accepted else "collapsed", path.smallest_curvature, rejections, eta,
        )  # fmt: skip
