"""Newton steps with the whole Hessian, for any objective.

Names: `lam` `V` eigenvalues and eigenvectors of H; `c` the gradient in that basis; δ `floor` = √eps·max|λ|, the smallest
curvature that counts; Δ `radius` of the trust region; `unit` a power of two by which H and g are multiplied, so that
nothing over- or underflows whatever the units of f.

Reference: Nocedal and Wright 2006, Numerical Optimization, ch. 3.4; Dauphin et al. 2014; Moré and Sorensen 1983.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optim.second_order.closure_optimizer import VectorSolver
from optim.second_order.eigen_directions import DIAGONALS, more_sorensen, textbook_direction
from optim.second_order.line_search import blind, line_search
from optim.second_order.objective import Evaluation, Objective
from optim.second_order.results import Status, StepInfo
from optim.second_order.stationary import escape
from optim.second_order.trust_region import EPS, MAX_REJECTIONS, NOISE, tried, unit_of

__all__ = ["NewtonInfo", "NewtonSolver"]

Vector = NDArray[Any]
NEGATIVE = 1e-6  # λmin is negative if it is so by this share of max|λ|


@dataclass(frozen=True)
class NewtonInfo(StepInfo):
    """What one step of `Newton` did; `why` says how the line search ended."""

    step_length: float = 0.0  # a in w + a·p
    decrement: float = math.nan  # √(−gᵀp), NaN if p climbs; half its square is the fall that the model predicts
    negative: int = 0  # how many eigenvalues are below −δ
    asymmetry: float = 0.0  # max|H − Hᵀ| / max|H| before it was made symmetric


class NewtonSolver(VectorSolver):
    """Newton steps for any `Objective`; see `Newton` for the options.

    >>> from optim.second_order.objective import FunctionObjective
    >>> f = FunctionObjective(lambda x: np.exp(x[0]) - 2 * x[0])
    >>> here, solver = f(np.zeros(1)), NewtonSolver()
    >>> for _ in range(5):
    ...     here, info = solver.step(f, here)
    >>> abs(here.x[0] - math.log(2)) < 1e-9
    np.True_
    """

    def __init__(
        self, lr: float = 1.0, *, modification: str = "abs", damping: float = 0.0, line_search: str | None = "armijo",
        dense_limit: int = 3000, noise: float = NOISE,
    ) -> None:  # fmt: skip
        self.lr, self.modification, self.damping, self.line_search = lr, modification, damping, line_search
        self.dense_limit, self.noise = dense_limit, noise
        self.radius: float | None = None  # of modification "trust"; None: chosen at the next step

    def state(self) -> dict[str, Any]:
        return {"radius": self.radius}

    def restore(self, state: Mapping[str, Any]) -> None:
        self.radius = state["radius"]

    def after_escape(self, length: float) -> None:
        self.radius = length

    def step(self, objective: Objective, here: Evaluation, eta: float = math.nan) -> tuple[Evaluation, NewtonInfo]:
        n, products = here.x.size, objective.counts.nhev
        if n > self.dense_limit:
            raise ValueError(
                f"`Newton`: the Hessian of {n} parameters takes {8 * n * n:,} bytes, and dense_limit is {self.dense_limit}. "
                f"Use NewtonCG, which needs no matrix, or raise dense_limit."
            )
        H, asymmetry = _hessian(here)
        unit = unit_of(H)
        H, g = unit * H, unit * here.g
        lam, V = np.linalg.eigh(H)
        largest = float(np.abs(lam).max())
        # Without any curvature a step is as long as a first radius would be.
        floor = math.sqrt(EPS) * largest or float(np.linalg.norm(g)) / max(1.0, 0.1 * float(np.linalg.norm(here.x))) or 1.0
        if self.modification == "trust":
            there, info = self._trust_step(objective, here, lam + unit * self.damping, V, unit)
        else:
            p, down = self._direction(H, g, lam, V, floor, unit), V[:, 0]
            # At a saddle point, or so near to one that the slope promises nothing beside the curvature: first get away.
            promise = max(2 * abs(here.f), float(-lam[0]) / unit * max(1.0, 0.01 * float(here.x @ here.x)))
            flat = -float(here.g @ p) <= self.noise * promise
            stuck = flat and lam[0] < -NEGATIVE * largest and self.modification in ("shift", "abs", "clip")
            there, info = self._line_step(objective, here, p, down if stuck else None)
        return there, replace(
            info, lambda_min=float(lam[0]) / unit, negative=int(np.sum(lam < -math.sqrt(EPS) * largest)), asymmetry=asymmetry,
            n_hv=objective.counts.nhev - products, actual=here.f - there.f, noise=blind(here, there, self.noise),
        )  # fmt: skip

    def _direction(self, H: Vector, g: Vector, lam: Vector, V: Vector, floor: float, unit: float) -> Vector:
        if not g.any():
            return np.zeros_like(g)
        if self.modification == "none":
            return textbook_direction(H + unit * self.damping * np.eye(g.size), g)
        return -V @ ((V.T @ g) / (DIAGONALS[self.modification](lam, floor, np.diag(H)) + unit * self.damping))

    def _line_step(
        self, objective: Objective, here: Evaluation, p: Vector, down: Vector | None
    ) -> tuple[Evaluation, NewtonInfo]:  # fmt: skip
        slope = float(here.g @ p)
        decrement = math.sqrt(-slope) if slope <= 0 else math.nan
        if down is not None:
            there, s = escape(objective, here, down, None, self.noise)
            if there is not None:
                return there, NewtonInfo(
                    True, escaped=True, why="negative curvature", step_length=s, step_norm=s, decrement=decrement
                )
        found = line_search(self.line_search, objective, here, p, self.lr, self.noise)
        if found.there is None:
            return here, NewtonInfo(status=found.status, why=found.why, rejections=found.trials, decrement=decrement)
        return found.there, NewtonInfo(
            True, predicted=-found.a * slope * (1 - 0.5 * found.a), step_norm=found.a * float(np.linalg.norm(p)), why=found.why,
            rejections=found.trials - 1, step_length=found.a, decrement=decrement,
        )  # fmt: skip

    def _trust_step(
        self, objective: Objective, here: Evaluation, lam: Vector, V: Vector, unit: float
    ) -> tuple[Evaluation, NewtonInfo]:  # fmt: skip
        c = V.T @ (unit * here.g)
        radius, refused = self.radius or _first_radius(here.x, lam, c), 0
        for refused in range(MAX_REJECTIONS):
            q = more_sorensen(lam, c, radius)
            norm, predicted = float(np.linalg.norm(q)), -float(c @ q + 0.5 * (lam * q) @ q) / unit
            trial = tried(objective, here, V @ q, predicted, self.noise)
            after = radius
            if not trial.rho >= 0.25:
                after = 0.25 * min(radius, norm)
            elif trial.rho > 0.75 and norm >= 0.99 * radius:
                after = 2 * radius
            if trial.there is not None and trial.rho > 0.1:
                self.radius = after
                return trial.there, NewtonInfo(
                    True, rho=trial.rho, radius=after, predicted=predicted, step_norm=norm, step_length=1.0, why="trust region",
                    rejections=refused, decrement=math.sqrt(max(-float(c @ q) / unit, 0.0)),
                )  # fmt: skip
            if not trial.moved or not predicted > 0:
                break
            radius = after
        self.radius = None
        why = "no decrease" if c.any() or lam[0] < 0 else "stationary"
        return here, NewtonInfo(status=Status.PRECISION_LOSS, why=why, radius=radius, rejections=refused + 1)


def _hessian(here: Evaluation) -> tuple[Vector, float]:
    """½(H + Hᵀ), and max|H − Hᵀ| / max|H|."""
    whole = here.known.hessian
    H = whole() if whole else np.stack([here.hv(e) for e in np.eye(here.x.size)])
    largest = float(np.abs(H).max())
    if not math.isfinite(largest):
        raise FloatingPointError("`Newton`: f and its gradient are finite, but the Hessian is not; nothing was changed.")
    return 0.5 * (H + H.T), float(np.abs(H - H.T).max()) / largest if largest else 0.0


def _first_radius(x: Vector, lam: Vector, c: Vector) -> float:
    """10·‖g‖²/‖Hg‖, ten steps of steepest descent."""
    image = float(np.linalg.norm(lam * c))
    return 10 * float(c @ c) / image if image > 0 else max(1.0, 0.1 * float(np.linalg.norm(x)))
