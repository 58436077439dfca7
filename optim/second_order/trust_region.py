"""A trust-region step: the loop of trial, acceptance and radius around Steihaug–Toint CG.

    x ← x + p,   p ≈ argmin gᵀp + ½pᵀHp  over ‖p‖ ≤ Δ

Names: Δ `radius`, ρ `rho`, η `eta` the forcing term; `unit` a power of two that brings g close to 1, so
that nothing over- or underflows: it changes no digit.

Reference: Conn, Gould, Toint 2000, Trust Region Methods, ch. 6, 7; Nocedal and Wright 2006, ch. 4, 7.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from optim.second_order.evaluation import Evaluation, Objective, Vector
from optim.second_order.method import Method, Settings
from optim.second_order.records import CGRow, TrialRow
from optim.second_order.results import Status, StepInfo
from optim.second_order.steihaug_cg import CGPath, Solution, steihaug_cg
from optim.second_order.trial import (
    MAX_REJECTIONS,
    Trial,
    downhill,
    first_radius,
    max_iterations,
    next_radius,
    refusal,
    tried,
    unit_of,
)

__all__ = ["TrustRegion", "require_trust_region"]


class TrustRegion(Method):
    """Steps inside a trust region, whose radius Δ is kept from step to step.

    Args:
        solve: r ↦ M⁻¹r, the preconditioner.
    """

    def __init__(self, *, solve: Callable[[Vector], Vector] | None = None) -> None:
        self.solve = solve
        self.radius: float | None = None  # None: chosen at the next step

    def state(self) -> dict[str, Any]:
        return {"radius": self.radius}

    def restore(self, state: Mapping[str, Any]) -> None:
        self.radius = state["radius"]

    def after_escape(self, length: float, settings: Settings) -> None:
        self.radius = min(length, settings.max_radius)

    def step(self, objective: Objective, here: Evaluation, settings: Settings) -> tuple[Evaluation, StepInfo]:
        unit = unit_of(here.g)
        g = unit * here.g
        path, radius = steihaug_cg(
            lambda v: unit * here.hv(v),
            g,
            self.radius or settings.initial_radius or self._first_radius(here.x),
            settings.eta * float(np.linalg.norm(g)),
            max_iterations(g.size),
            solve=self.solve,
        )
        radius = min(radius, settings.max_radius)
        hoped, rows = math.nan, list[TrialRow]()
        for rejections in range(MAX_REJECTIONS):
            s = path.at(radius)
            if not rejections:
                hoped, cg = s.predicted / unit, path.rows(s, unit)
            trial = tried(objective, here, s.p, s.predicted / unit, settings.noise, settings.strict_monotone)
            rows.append(trial.row(radius, s.predicted / unit))
            after = next_radius(radius, trial.rho, s.norm, settings.max_radius)
            if trial.there is not None:
                self.radius = after
                return trial.there, self._info(path, s, unit, trial, cg, rows, settings.eta)
            if not trial.moved:
                break
            radius = after
        self.radius = None
        status = refusal(hoped, here, settings.noise)
        return here, self._info(path, s, unit, trial, cg, rows, settings.eta, status)

    def _first_radius(self, x: Vector) -> Callable[[Vector, float], float]:
        """The first radius from CG's first product, Hd, and ‖d‖²."""

        def choose(Hd: Vector, dd: float) -> float:
            image = math.sqrt(max(float(Hd @ (Hd if self.solve is None else self.solve(Hd))), 0.0))
            return first_radius(x, dd, image)

        return choose

    def _info(
        self,
        path: CGPath,
        s: Solution,
        unit: float,
        trial: Trial,
        cg: tuple[CGRow, ...],
        rows: list[TrialRow],
        eta: float,
        status: Status = Status.RUNNING,
    ) -> StepInfo:
        return StepInfo(
            accepted=status is Status.RUNNING, status=status, rho=trial.rho, radius=self.radius or 0.0,
            predicted=s.predicted / unit, actual=trial.actual, n_cg=path.products,
            step_norm=float(np.linalg.norm(s.p)) if status is Status.RUNNING else 0.0,
            why=s.why, smallest_curvature=path.smallest_curvature / unit, eta=eta,
            rejections=sum(not accepted for *_, accepted in rows),
            noise=trial.noise, cg_rows=cg, trial_rows=tuple(rows), cg_end=path.end,
            negative_curvature=None if path.negative is None else downhill(path.negative, path.g),
        )  # fmt: skip


def require_trust_region(
    call: str, initial_radius: float | None, region: bool, max_radius: float = math.inf
) -> None:
    """Refuse a first radius without a region, or above the largest radius."""
    if initial_radius is None:
        return
    if not region:
        raise ValueError(
            f"`{call}(initial_radius=...)` belongs to a trust region, got {initial_radius!r}. "
            'With Newton, pass modification="trust"; with NewtonCG, globalization="trust-region" and '
            'curvature="hessian".'
        )
    if initial_radius > max_radius:
        raise ValueError(
            f"`{call}(initial_radius=...)` must be at most max_radius = {max_radius!r}, got "
            f"{initial_radius!r}. Raise max_radius too."
        )
