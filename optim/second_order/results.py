"""How a second-order step or a whole minimization ended: `Status`, `StepInfo`, `OptimizeResult`."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minigrad.extend import html_curves, html_table, html_title
from optim.second_order.records import (
    CG_ITERATIONS,
    SEARCH_POINTS,
    TRIALS,
    CGRow,
    Records,
    SearchRow,
    TrialRow,
    records,
)

__all__ = ["OptimizeResult", "Status", "StepInfo"]


class Status(StrEnum):
    """Why a step or a run ended; only the first two are success. Each equals its name: `status ==
    "MAXITER"`.

    A success speaks of f near x. Ten times as far out as usual, Osborne's second problem ends SECOND_ORDER at
    f = 1.79, with a minimum of 0.0401 elsewhere: its Gaussians underflow over all the data there, λmin is 0,
    and local searches from there find f lower by 4e-15 at most.
    """

    SECOND_ORDER = "SECOND_ORDER"
    FIRST_ORDER = "FIRST_ORDER"
    RUNNING = "RUNNING"
    FTOL = "FTOL"
    RADIUS_COLLAPSED = "RADIUS_COLLAPSED"
    PRECISION_LOSS = "PRECISION_LOSS"
    MAXITER = "MAXITER"
    MAXFEV = "MAXFEV"
    MAXHEV = "MAXHEV"
    CALLBACK = "CALLBACK"
    UNBOUNDED = "UNBOUNDED"
    NONFINITE = "NONFINITE"

    @property
    def success(self) -> bool:
        return self in (Status.SECOND_ORDER, Status.FIRST_ORDER)

    @property
    def message(self) -> str:
        return _MESSAGES[self]


_MESSAGES = {
    Status.SECOND_ORDER: "The gradient is small enough, and no direction curves downwards.",
    Status.FIRST_ORDER: "The gradient is small enough; the curvature was not checked.",
    Status.RUNNING: "Not finished.",
    Status.FTOL: "f fell by less than ftol, but the gradient is not small enough.",
    Status.RADIUS_COLLAPSED: "No step, however short, gave a lower f. Is the gradient that of f? "
    "Is f smooth here?",
    Status.PRECISION_LOSS: "Rounding errors in f and its gradient hide any further progress.",
    Status.MAXITER: "The limit of iterations was reached.",
    Status.MAXFEV: "The limit of function evaluations was reached.",
    Status.MAXHEV: "The limit of Hessian-vector products was reached.",
    Status.CALLBACK: "The callback raised StopIteration.",
    Status.UNBOUNDED: "f falls below every bound.",
    Status.NONFINITE: "f or a derivative became infinite or NaN; x is the last point where f was not. "
    "Is lr too large?",
}


@dataclass(frozen=True)
class StepInfo:
    """The report of one second-order step; `optimizer.last_step` holds the newest.

    The tables `cg` and `trials` and the direction `negative_curvature` are not part of the print.
    """

    accepted: bool = False
    status: Status = Status.RUNNING
    # actual over predicted decrease; of "ggn" for the whole step, before it was shortened
    rho: float = math.nan
    # of the trust region after the step; of the other globalizations, the length of the step
    radius: float = math.nan
    predicted: float = math.nan
    actual: float = math.nan
    step_norm: float = 0.0
    n_cg: int = 0  # Hessian products made by CG
    n_hv: int = 0  # all products of the step, with those of the second-order check
    # why CG stopped: "converged", "boundary", "negative curvature", "iterations", "not finite", "progress"
    why: str = ""
    smallest_curvature: float = math.nan  # dᵀHd/dᵀd over the directions of CG
    rejections: int = 0
    eta: float = math.nan  # the forcing term
    damping: float = math.nan
    noise: bool = False  # f could not tell, the gradients decided
    lambda_min: float = math.nan  # the smallest Hessian eigenvalue, if it was computed
    escaped: bool = False  # the step went along a direction of negative curvature found by the check
    # what the tables `cg` and `trials` are made of
    cg_rows: tuple[CGRow, ...] = field(default=(), repr=False)
    trial_rows: tuple[TrialRow | SearchRow, ...] = field(default=(), repr=False)
    # why CG stopped; `why` is of the step tried last, which a smaller radius may have cut short
    cg_end: str = field(default="", repr=False)
    # v with ‖v‖ = 1, gᵀv ≤ 0 and vᵀHv < 0, if one was met or the check found one: arrays by parameter name,
    # and from `minimize` an array like x
    negative_curvature: Any = field(default=None, repr=False, compare=False)

    @property
    def cg(self) -> Records:
        """The iterations of CG, one row each.

        residual: ‖r‖ after the iteration.
        curvature: dᵀHd/dᵀd along its direction d.
        model: q(z) = gᵀz + ½zᵀHz after it; of "ggn" with the damping, ½zᵀ(G + λI)z.
        norm: ‖z‖, in the norm of the preconditioner if a trust region has one.
        alpha: the step z ← z + αd; at the boundary shortened, NaN where d was not followed.
        """
        return records(CG_ITERATIONS, self.cg_rows)

    @property
    def trials(self) -> Records:
        """The trials of the step, one row each, the rejected ones too.

        length: the radius of the trust region, or the length of the step tried.
        predicted, actual, rho: the decrease of f that the model predicted, that of f, and their ratio; NaN
            where f was not finite, ρ then −∞.
        accepted: whether the step was taken.

        A line search has points instead: a, phi = f(w + a·p), slope = φ′(a), NaN where f alone told enough,
        and accepted.
        """
        points = any(len(row) == len(SEARCH_POINTS.names or ()) for row in self.trial_rows)
        return records(SEARCH_POINTS if points else TRIALS, self.trial_rows)

    def _repr_html_(self) -> str:
        """For notebooks: the numbers, and the tables of CG and of the trials."""
        shown = [(f.name, getattr(self, f.name)) for f in fields(self) if f.repr]
        rows = [(name, f"{v:.6g}" if isinstance(v, float) else str(v)) for name, v in shown]
        tables = [("Conjugate gradients", self.cg), ("Trials", self.trials)]
        return (
            html_title(type(self).__name__)
            + html_table(("", ""), rows)
            + "".join(html_title(title) + table._repr_html_() for title, table in tables if len(table))
        )


class OptimizeResult(dict[str, Any]):
    """The result of `minimize`: a dict whose keys are also attributes.

    x, fun, jac: the point found, in the shape of x0, f there, and its gradient.
    success, status, message: whether it succeeded, and why it ended; `status` is a `Status`.
    nit, nfev, njev, nhev: accepted steps; calls of f, of its gradient, and products Hv, or calls of `hess`. A
        gradient that fun returned (`jac=True`) counts when it is used, a whole Hessian made by us as n
        products.
    ncg: products made by CG; the others are the second-order check's. nreject, nnegcurv, nescape: rejected
        trials, CG solves that met negative curvature, escapes from saddle points.
    radius, lambda_min: the trust region's radius; the smallest Hessian eigenvalue at x; NaN if not known.
    tolerance: success means max|jac| ≤ tolerance.
    trace: for x0 and each iteration an OptimizeResult of x (a copy), fun, gradient (its max|·|), and step,
        the `StepInfo` of the step that led there; None at x0.

    >>> result = OptimizeResult(x=np.zeros(2), success=True)
    >>> result.success, result["x"]
    (True, array([0., 0.]))
    """

    x: NDArray[Any]
    fun: float
    jac: NDArray[Any]
    success: bool
    status: Status
    message: str
    nit: int
    nfev: int
    njev: int
    nhev: int
    ncg: int
    nreject: int
    nnegcurv: int
    nescape: int
    radius: float
    lambda_min: float
    tolerance: float
    trace: list[OptimizeResult]

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"OptimizeResult has no {name!r}; it has {', '.join(self)}.") from None

    __setattr__ = dict.__setitem__  # type: ignore[assignment]
    __delattr__ = dict.__delitem__  # type: ignore[assignment]

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self]

    def __repr__(self) -> str:
        if not self:
            return "OptimizeResult()"
        width = max(map(len, self))
        indent = "\n" + " " * (width + 2)
        return "\n".join(f"{key:>{width}}: " + text.replace("\n", indent) for key, text in self._texts())

    def _repr_html_(self) -> str:
        """For notebooks: f along the trace as a curve, and the table."""
        values = [point.fun for point in self.get("trace", ())]
        curve = html_curves({"fun": values}) if len(values) > 1 else ""
        return html_title("OptimizeResult") + curve + html_table(("", ""), self._texts())

    def plot(self, ax: Any = None) -> Any:
        """f and the largest slope by iteration, see `optim.figures.convergence`. Needs Matplotlib."""
        from optim.figures import convergence

        return convergence(self, ax=ax)

    def _texts(self) -> list[tuple[str, str]]:
        found = []
        for key, value in self.items():
            if key == "trace":
                text = f"{len(value)} points"
            elif isinstance(value, np.ndarray):
                text = np.array2string(value, threshold=20, edgeitems=3, precision=6)
            else:
                text = f"{value:.6g}" if isinstance(value, float) else str(value)
            found.append((key, text))
        return found
