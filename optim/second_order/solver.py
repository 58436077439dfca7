"""The loop's body of a second-order method: test the gradient, look at the curvature, or take a step that can be trusted.

`Solver` works on any `Objective`; `NewtonCG` gives it closures, `minimize` gives it functions.

Names: η `eta` the forcing term; `here` and `there` the evaluations before and after a step.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from optim.base.options import checked
from optim.second_order.capped_cg import CappedCG
from optim.second_order.levenberg_marquardt import LevenbergMarquardt
from optim.second_order.objective import Evaluation, Objective
from optim.second_order.results import Status, StepInfo
from optim.second_order.stationary import curvature_at, escape, refine
from optim.second_order.trust_region import EPS, TrustRegion, norm

__all__ = ["Globalization", "NewtonMethod", "Solver", "globalization_of", "require_finite"]

Vector = NDArray[Any]
REFINING_PRODUCTS = 1000
NewtonMethod: TypeAlias = TrustRegion | CappedCG | LevenbergMarquardt
PATIENCE = 10  # so many steps may pass in which f cannot tell and the gradient does not shrink


class Globalization(Protocol):
    """What turns a local model into a step that can be trusted. Its state changes only when a step has succeeded."""

    @property
    def noise(self) -> float: ...
    def step(self, objective: Objective, here: Evaluation, eta: float) -> tuple[Evaluation, StepInfo]: ...
    def after_escape(self, length: float) -> None: ...
    def state(self) -> dict[str, Any]: ...
    def restore(self, state: Mapping[str, Any]) -> None: ...


class Solver:
    """Test the gradient; if it is small look at the curvature, else take a globalized step.

        ‖g‖∞ ≤ gtol_abs + gtol·‖g₀‖∞   →  λmin ≥ −1e-6·max|λ|: SECOND_ORDER, else escape along the eigenvector

    Args:
        method: the globalization.
        forcing: how exactly CG solves, ‖r‖ ≤ η‖g‖: see `NewtonCG`.
        gtol, gtol_abs: the test above. ‖g₀‖ is the first gradient, or, where that was small already, the one after the
            escape.
        seed: of the Lanczos start vectors.
    """

    def __init__(
        self, method: Globalization, *, forcing: str | float = "superlinear", gtol: float = 1e-8, gtol_abs: float = 0.0,
        seed: int = 0,
    ) -> None:  # fmt: skip
        self.method, self.forcing, self.gtol, self.gtol_abs = method, forcing, gtol, gtol_abs
        self.rng = np.random.default_rng(seed)
        self.f0 = self.g0 = self.g0_max = math.nan  # f, ‖g‖₂ and ‖g‖∞ at the first point
        self.eta = self.size = math.nan  # of the step before, for Eisenstat and Walker
        self.accepted = self.refined = 0  # steps; Newton steps in a row at small gradients
        self.best, self.stalled = math.inf, 0  # the smallest ‖g‖∞ yet, and steps since in which f could not tell

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

    @property
    def tolerance(self) -> float:
        """The largest ‖g‖∞ that is small enough."""
        return self.gtol_abs + self.gtol * self.g0_max

    def begin(self, here: Evaluation) -> None:
        """Take `here` for the first point, unless there was one."""
        if math.isnan(self.f0):
            with np.errstate(all="ignore"):
                self.f0, self.g0, self.g0_max = here.f, norm(here.g), _max(here.g)

    def converged(self, here: Evaluation) -> bool:
        return _max(here.g) <= self.tolerance

    def step(self, objective: Objective, here: Evaluation, second_order: bool = True) -> tuple[Evaluation, StepInfo]:
        """One step from `here`, or `here` again with the status that says why not."""
        self.begin(here)
        products = objective.counts.nhev
        with np.errstate(all="ignore"):
            if self.converged(here):
                there, info = self._at_stationary_point(objective, here, second_order)
            else:
                there, info = self.method.step(objective, here, self._forcing(here))
                self.refined = 0
            info = self._judged(there, info)
        return there, replace(info, n_hv=objective.counts.nhev - products)

    def _at_stationary_point(
        self, objective: Objective, here: Evaluation, second_order: bool
    ) -> tuple[Evaluation, StepInfo]:  # fmt: skip
        found = curvature_at(here, self.rng) if second_order else None
        if found is None:
            return here, StepInfo(status=Status.FIRST_ORDER)
        noise, verified = self.method.noise, StepInfo(status=Status.SECOND_ORDER, lambda_min=found.lowest)
        if found.down is not None:
            radius = self.method.state().get("radius") if found.negative else None  # a radius knows nothing of tiny scales
            there, length = escape(objective, here, found.down, radius, noise)
            if there is None:
                return here, replace(verified, status=Status.PRECISION_LOSS)
            self.method.after_escape(length)
            if not self.accepted:  # we began at a saddle point, whose gradient measures nothing
                self.g0, self.g0_max = max(self.g0, norm(there.g)), max(self.g0_max, _max(there.g))
            return there, replace(
                verified, accepted=True, status=Status.RUNNING, escaped=True, radius=length, step_norm=length,
                actual=here.f - there.f,
            )  # fmt: skip
        if self.refined < min(20, max(3, REFINING_PRODUCTS // here.x.size)):
            self.refined += 1
            trial = refine(objective, here, found.newton, noise)
            if trial.there is not None and trial.rho > 0.1:
                return trial.there, replace(
                    verified, accepted=True, status=Status.RUNNING, rho=trial.rho, actual=trial.actual, noise=trial.noise,
                    step_norm=float(np.linalg.norm(trial.there.x - here.x)),
                )  # fmt: skip
        return here, verified

    def _judged(self, there: Evaluation, info: StepInfo) -> StepInfo:
        """`info` with the status that only the course of many steps shows."""
        if not info.accepted:
            return info
        self.accepted += 1
        if there.f < min(-1.0, self.f0) / EPS:
            return replace(info, status=Status.UNBOUNDED)
        size = _max(there.g)
        self.stalled = self.stalled + 1 if info.noise and size > 0.9 * self.best else 0
        self.best = min(self.best, size)
        if self.stalled >= PATIENCE and not self.converged(there):
            return replace(info, status=Status.PRECISION_LOSS)
        return info

    def _forcing(self, here: Evaluation) -> float:
        """η: the residual of CG as a share of ‖g‖."""
        size = norm(here.g)
        share = size / self.g0 if self.g0 else 1.0
        if self.forcing == "superlinear":
            eta = min(0.5, math.sqrt(share))
        elif self.forcing == "quadratic":
            eta = min(0.1, share)
        elif self.forcing == "eisenstat-walker":  # their choice 2, with its safeguard
            golden = (1 + math.sqrt(5)) / 2
            eta = 0.9 * (size / self.size) ** golden if self.size > 0 else 0.5
            guard = 0.9 * self.eta**golden if self.size > 0 else 0.0
            eta = min(0.5, max(eta, guard if guard > 0.1 else 0.0))
        else:
            eta = float(self.forcing)
        self.eta, self.size = eta, size
        return eta


def _max(g: Vector) -> float:
    return float(np.abs(g).max(initial=0.0))


def globalization_of(
    call: str, globalization: str, curvature: str, preconditioner: Any, damping: float | None, seed: int = 0
) -> NewtonMethod:  # fmt: skip
    """The method that the options name.

    Raises:
        ValueError: options that exclude each other, or a preconditioner with an entry that is not positive.
    """
    checked(call, "globalization", globalization)
    checked(call, "curvature", curvature)
    if damping is not None:
        damping = checked(call, "damping", damping)
    solve = _inverse(call, preconditioner)
    if curvature == "ggn":
        if globalization != "trust-region":
            raise ValueError(
                f'`{call}(curvature="ggn")` brings its own damping; globalization="{globalization}" cannot be too.'
            )
        return LevenbergMarquardt(damping=1.0 if damping is None else damping, solve=solve, seed=seed)
    if globalization == "line-search":
        if solve is not None:
            raise ValueError(f'`{call}(globalization="line-search")` takes no preconditioner; use "trust-region".')
        return CappedCG(damping=1e-3 if damping is None else damping)
    if damping is not None:
        raise ValueError(
            f'`{call}(damping=...)` belongs to curvature="ggn" and globalization="line-search"; a trust region has a radius.'
        )
    return TrustRegion(solve=solve)


def _inverse(call: str, preconditioner: Any) -> Callable[[Vector], Vector] | None:
    if preconditioner is None:
        return None
    what = f"`{call}(preconditioner=...)` must be a function r ↦ M⁻¹r or a diagonal (n,) of positive numbers"
    if not callable(preconditioner):
        try:
            diagonal = np.asarray(preconditioner, dtype=np.float64)
        except (TypeError, ValueError):
            raise TypeError(f"{what}, got {preconditioner!r:.60}.") from None
        if diagonal.ndim != 1 or not (np.isfinite(diagonal).all() and (diagonal > 0).all()):
            raise ValueError(f"{what}, got {preconditioner!r:.60}.")

    def solve(r: Vector) -> Vector:
        if callable(preconditioner):
            y = np.asarray(preconditioner(r.copy()))
            if y.shape != r.shape or y.dtype.kind not in "fiub":
                raise ValueError(f"{what}; it returned {y.dtype} of shape {y.shape}, where n = {r.size}.")
            ry, rounding = float(r @ y), 1e-8 * math.sqrt(float(r @ r) * float(y @ y))
            if not ry >= -rounding and np.isfinite(r).all():
                raise ValueError(f"{what}; rᵀM⁻¹r is {ry:.3g} for a residual r. Is M positive definite?")
            return y
        if diagonal.size != r.size:
            raise ValueError(f"{what}; it has {diagonal.size} entries, where n = {r.size}.")
        return r / diagonal

    return solve


def require_finite(call: str, here: Evaluation, arrays: list[tuple[str, Vector]]) -> None:
    """Raise FloatingPointError that names an array which is not finite itself, or whose gradient is not.

    Args:
        arrays: (name, values) of what x is made of, in order.
    """
    if math.isfinite(here.f) and np.isfinite(here.g).all():
        return
    start = 0
    for name, values in arrays:
        if not np.isfinite(values).all():
            raise FloatingPointError(f"`{call}`: {name} is not finite at the start; nothing was changed.")
    if not math.isfinite(here.f):
        names = ", ".join(name for name, _ in arrays)
        raise FloatingPointError(
            f"`{call}`: the loss is {here.f} at the present value of {names}; nothing was changed. "
            f"Start from another point, or look for NaN in the data."
        )
    for name, values in arrays:
        if not np.isfinite(here.g[start : start + values.size]).all():
            raise FloatingPointError(f"`{call}`: the loss is finite, but its gradient for {name} is not; nothing was changed.")
        start += values.size
