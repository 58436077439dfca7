"""Newton steps with the whole Hessian, for any objective.

Names: `lam` `V` eigenvalues and eigenvectors of H; `c` the gradient in that basis; δ `floor` = cutoff·max|λ|,
the smallest curvature that counts; Δ `radius` of the trust region; `unit` a power of two by which H and g are
multiplied, so that nothing over- or underflows whatever the units of f.

Reference: Nocedal and Wright 2006, Numerical Optimization, ch. 3.4; Dauphin et al. 2014; Moré and Sorensen
1983."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from optim.second_order.eigen_directions import modified_direction, more_sorensen, textbook_direction
from optim.second_order.evaluation import Evaluation, Objective, Vector, symmetric
from optim.second_order.line_search import line_search
from optim.second_order.method import Method, Settings
from optim.second_order.records import TrialRow
from optim.second_order.results import Status, StepInfo
from optim.second_order.stationary import escape
from optim.second_order.trial import (
    EPS,
    FAINT,
    MAX_REJECTIONS,
    NEGATIVE,
    blind,
    downhill,
    first_radius,
    natural_length,
    next_radius,
    stuck,
    tried,
    unit_of,
)

__all__ = ["DenseNewton", "NewtonInfo"]


@dataclass(frozen=True)
class NewtonInfo(StepInfo):
    """The report of one step of `Newton`; `why` says how the line search ended."""

    step_length: float = 0.0  # a in w + a·p
    # √(−gᵀp), NaN if p climbs; half its square is the fall that the model predicts
    decrement: float = math.nan
    negative: int = 0  # how many eigenvalues are below −δ
    asymmetry: float = 0.0  # max|H − Hᵀ| / max|H| before it was made symmetric


class DenseNewton(Method):
    """Newton steps for any `Objective`; see `Newton` for the options.

    >>> from optim.second_order.objective import FunctionObjective
    >>> f = FunctionObjective(lambda x: np.exp(x[0]) - 2 * x[0])
    >>> here, newton = f(np.zeros(1)), DenseNewton()
    >>> for _ in range(5):
    ...     here, info = newton.step(f, here, Settings())
    >>> abs(here.x[0] - math.log(2)) < 1e-9
    np.True_
    """

    def __init__(self) -> None:
        self.radius: float | None = None  # of modification "trust"; None: chosen at the next step

    def state(self) -> dict[str, Any]:
        return {"radius": self.radius}

    def restore(self, state: Mapping[str, Any]) -> None:
        self.radius = state["radius"]

    def after_escape(self, length: float, settings: Settings) -> None:
        self.radius = length

    def step(
        self, objective: Objective, here: Evaluation, settings: Settings
    ) -> tuple[Evaluation, NewtonInfo]:
        n, products = here.x.size, objective.counts.nhev
        if n > settings.dense_limit:
            raise ValueError(
                f"`Newton`: the Hessian of {n} parameters takes {8 * n * n:,} bytes, and dense_limit is "
                f"{settings.dense_limit}. Use NewtonCG, which needs no matrix, or raise dense_limit."
            )
        H, asymmetry = _hessian(here)
        unit = unit_of(H)
        H, g = unit * H, unit * here.g
        lam, V = np.linalg.eigh(H)
        largest = float(np.abs(lam).max())
        # Without any curvature a step is as long as a first radius would be.
        floor = settings.cutoff * largest or float(np.linalg.norm(g)) / natural_length(here.x) or 1.0
        if settings.modification == "trust":
            there, info = self._trust_step(objective, here, lam + unit * settings.damping, V, unit, settings)
        else:
            p, down = _direction(H, g, lam, V, floor, unit * settings.damping, settings.modification), V[:, 0]
            # Leave a saddle point, and also a point so near to one that the slope promises no more than
            # rounding.
            promise = max(2 * abs(here.f), float(-lam[0]) / unit * max(1.0, 0.01 * float(here.x @ here.x)))
            flat = -float(here.g @ p) <= settings.noise * promise
            leave = (
                flat
                and lam[0] < -max(NEGATIVE, settings.lambda_tol) * largest
                and settings.modification in ("shift", "abs", "clip")
            )
            there, info = _line_step(objective, here, p, down if leave else None, settings)
        status = info.status
        if status.success:
            status = _end(here, lam, V, g, settings)
        return there, replace(
            info, status=status, lambda_min=float(lam[0]) / unit,
            negative=int(np.sum(lam < -settings.cutoff * largest)),
            asymmetry=asymmetry,
            n_hv=objective.counts.nhev - products, actual=here.f - there.f,
            noise=blind(here, there, settings.noise),
            negative_curvature=downhill(V[:, 0], g) if lam[0] < -settings.cutoff * largest else None,
        )  # fmt: skip

    def _trust_step(
        self, objective: Objective, here: Evaluation, lam: Vector, V: Vector, unit: float, settings: Settings
    ) -> tuple[Evaluation, NewtonInfo]:
        c, noise = V.T @ (unit * here.g), settings.noise
        # One step of steepest descent: the minimum next to x, not one that a long first step jumps into.
        chosen = first_radius(here.x, float(c @ c), float(np.linalg.norm(lam * c)), steps=1)
        radius = self.radius or settings.initial_radius or chosen
        refused, rows = 0, list[TrialRow]()
        for refused in range(MAX_REJECTIONS):
            q = more_sorensen(lam, c, radius)
            norm, predicted = float(np.linalg.norm(q)), -float(c @ q + 0.5 * (lam * q) @ q) / unit
            trial = tried(objective, here, V @ q, predicted, noise)
            rows.append(trial.row(radius, predicted))
            after = next_radius(radius, trial.rho, norm)
            if trial.there is not None:
                self.radius = after
                return trial.there, NewtonInfo(
                    True, rho=trial.rho, radius=after, predicted=predicted, step_norm=norm, step_length=1.0,
                    why="trust region",
                    rejections=refused, decrement=math.sqrt(max(-float(c @ q) / unit, 0.0)),
                    trial_rows=tuple(rows),
                )  # fmt: skip
            if not trial.moved or not predicted > 0:
                break
            radius = after
        self.radius = None
        status = stuck(here, V @ q, noise)
        why = "no decrease" if c.any() or lam[0] < 0 else "stationary"
        return here, NewtonInfo(
            status=status, why=why, radius=radius, rejections=refused + 1, trial_rows=tuple(rows)
        )


def _direction(
    H: Vector, g: Vector, lam: Vector, V: Vector, floor: float, damping: float, modification: str
) -> Vector:
    if not g.any():
        return np.zeros_like(g)
    if modification == "none":
        return textbook_direction(H + damping * np.eye(g.size), g)
    return modified_direction(H, g, lam, V, floor, damping, modification)


def _line_step(
    objective: Objective, here: Evaluation, p: Vector, down: Vector | None, settings: Settings
) -> tuple[Evaluation, NewtonInfo]:
    """A step along `down`, a direction of negative curvature, if given and if f falls; else one along p."""
    slope = float(here.g @ p)
    decrement = math.sqrt(-slope) if slope <= 0 else math.nan
    if down is not None:
        rows: list[TrialRow] = []
        there, s = escape(objective, here, down, None, settings.noise, rows)
        if there is not None:
            return there, NewtonInfo(
                True,
                escaped=True,
                why="negative curvature",
                step_length=s,
                step_norm=s,
                decrement=decrement,
                trial_rows=tuple(rows),
            )
    found = line_search(settings.line_search, objective, here, p, settings.lr, settings.noise, shortest=0.5)
    if found.there is None:
        status = found.status
        if status is Status.PRECISION_LOSS and (settings.lr or not here.g.any()):
            status = stuck(here, p, settings.noise)
        return here, NewtonInfo(
            status=status, why=found.why, rejections=found.trials, decrement=decrement,
            trial_rows=found.points,
        )  # fmt: skip
    return found.there, NewtonInfo(
        True, predicted=-found.a * slope * (1 - 0.5 * found.a), step_norm=found.a * float(np.linalg.norm(p)),
        why=found.why,
        rejections=found.trials - 1, step_length=found.a, decrement=decrement, trial_rows=found.points,
    )  # fmt: skip


def _end(here: Evaluation, lam: Vector, V: Vector, g: Vector, settings: Settings) -> Status:
    """The status where no step helps: a minimum, unless f curves down, or falls where no step went."""
    largest = float(np.abs(lam).max())
    if lam[0] < -max(FAINT, settings.lambda_tol) * largest:
        return Status.PRECISION_LOSS
    p = V @ ((V.T @ g) / np.maximum(np.abs(lam), EPS * g.size * largest or 1.0))
    return Status.SECOND_ORDER if stuck(here, p, settings.noise).success else Status.PRECISION_LOSS


def _hessian(here: Evaluation) -> tuple[Vector, float]:
    """½(H + Hᵀ), and max|H − Hᵀ| / max|H|."""
    H = here.hessian_rows()
    largest = float(np.abs(H).max())
    if not math.isfinite(largest):
        raise FloatingPointError(
            "`Newton`: f and its gradient are finite, but the Hessian is not; nothing was changed."
        )
    return symmetric(H), float(np.abs(H - H.T).max()) / largest if largest else 0.0
