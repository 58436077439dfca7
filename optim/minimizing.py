"""`minimize`: scipy's signature and result, every method of this package, and a success that can be
believed."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from minigrad import Tensor
from minigrad.extend import as_sentence, entry, instead, require_plain
from optim.adam import Adam
from optim.base.first_order import FirstOrder
from optim.base.optimizer import Optimizer
from optim.base.options import COUNT, FLAG, checked
from optim.habits import METHOD
from optim.lbfgs import LBFGS
from optim.momentum import Momentum
from optim.newton import Newton
from optim.newton_cg import NewtonCG, method_of
from optim.second_order.dense_newton import DenseNewton
from optim.second_order.evaluation import BudgetSpent, Evaluation, Objective, Vector, require_finite
from optim.second_order.method import Method, Settings
from optim.second_order.objective import FunctionObjective
from optim.second_order.quasi_newton import QuasiNewton
from optim.second_order.results import OptimizeResult, Status, StepInfo
from optim.second_order.solver import Solver
from optim.second_order.trial import EPS, evaluated, norm, unit_of
from optim.second_order.trust_region import require_trust_region
from optim.sgd import SGD

__all__ = ["minimize"]

FIRST_ORDER: dict[str, type[FirstOrder]] = {"gd": SGD, "momentum": Momentum, "adam": Adam}
SECOND_ORDER: dict[str, type[Optimizer]] = {"lbfgs": LBFGS, "newton": Newton, "newton-cg": NewtonCG}
OPTIMIZERS = {**FIRST_ORDER, **SECOND_ORDER}
METHODS = tuple(OPTIMIZERS)
NEWTON = ("newton", "newton-cg")
SOLVING = {  # options of the loop, which every method has
    "gtol": 1e-8, "gtol_abs": 0.0, "ftol": 0.0, "maxiter": None, "maxfev": None, "maxhev": None,
    "trace": True, "lambda_tol": 0.0,
    "second_order": "auto", "seed": 0,
}  # fmt: skip
NOT_OPTIONS = {"params", "weight_decay", "maximize", "curvature"}  # arguments that only the optimizers take


@entry
def minimize(
    fun: Callable[..., Any],
    x0: Any,
    method: str = "newton-cg",
    args: Any = (),
    *,
    jac: Any = None,
    hessp: Any = None,
    hess: Any = None,
    bounds: None = None,
    constraints: Any = (),
    callback: Callable[..., Any] | None = None,
    tol: float | None = None,
    options: Mapping[str, Any] | None = None,
) -> OptimizeResult:
    """Find a minimum of a function of an array.

    Args:
        fun: fun(x, *args) → f. Written in NumPy it is differentiated; with a `jac` it may be any callable.
        x0: the start, an array of any shape; x and the gradient have that shape everywhere. Computed in
            float64.
        method: "newton-cg" (see `NewtonCG`), "newton" (see `Newton`), "lbfgs" (see `LBFGS`), "gd", "momentum"
            or "adam".
        args: further arguments of fun, jac, hess and hessp.
        jac: jac(x, *args) → gradient; True if fun returns (f, gradient).
        hessp, hess: hessp(x, v, *args) → Hv, or hess(x, *args) → H of shape (n, n) or that of x twice; for
            Newton methods with a jac. If both are given, hess is used.
        bounds, constraints: not supported.
        callback: called after each iteration with a copy of x, or, if its parameter is called
            `intermediate_result`, with an `OptimizeResult`; StopIteration ends the run.
        tol: the same as the option gtol.
        options: gtol, gtol_abs: success needs max|∇f| ≤ gtol_abs + gtol·max|∇f(x0)|; by default gtol = 1e-8,
            gtol_abs = 0. Where only the share of the first gradient, which may have been huge, says so, f
            must also promise to fall by next to nothing more: ½gᵀ|H|⁻¹g against |f|, or, where f goes to 0,
            against what it was when the gradient became small. Methods without second derivatives take H from
            differences of gradients then: 2n of them up to n = 100, at most 30 beyond, where a direction that
            is far flatter can be missed.
            second_order: whether to check the Hessian then, and leave saddle points; "auto" does so for
            Newton methods, except the textbook's, modification "none". ftol: give up when f falls by
            less than this share of |f|. lambda_tol: λmin is negative below −lambda_tol·max|λ|; 0, the
            default, allows for rounding. maxiter, maxfev, maxhev: limits of nit, nfev, nhev. trace: False
            keeps no points. seed: of the check's start vectors. The others are those of the method's
            optimizer (lr, forcing, ...).

    Returns:
        An `OptimizeResult`.

    Raises:
        ValueError, TypeError: arguments that do not fit; bounds or constraints.
        FloatingPointError: f or its gradient is not finite at x0.

    >>> result = minimize(lambda x: 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2, [-1.2, 1.0])
    >>> result.x.round(6), result.success, result.status.name
    (array([1., 1.]), True, 'SECOND_ORDER')
    """
    for name, value in (("bounds", bounds), ("constraints", constraints)):
        if value is not None and not (isinstance(value, tuple | list | dict) and not value):
            raise ValueError(
                f"`minimize({name}=...)` is not supported: every x must be allowed. Use "
                "scipy.optimize.minimize."
            )
    kind = str(method).lower()
    if kind not in METHODS:
        remedy = as_sentence(known) if (known := instead(kind, METHODS, METHOD)) else ""
        raise ValueError(
            f"`minimize(method=...)` must be one of {', '.join(METHODS)}, got {method!r}. {remedy}".rstrip()
        )
    if not callable(fun):
        raise TypeError(f"`minimize(fun, x0)`: fun must be a function of x, got {fun!r:.60}.")
    if callback is not None and not callable(callback):
        raise TypeError(f"`minimize(callback=...)` must be a function or None, got {callback!r:.60}.")
    if options is not None and not isinstance(options, Mapping):
        raise TypeError(
            f'`minimize(options=...)` must be a dict, such as {{"maxiter": 100}}, got {options!r:.60}.'
        )
    x = _start(x0)
    given = {"gtol": tol} if tol is not None else {}
    solver, settings, limits = _prepared(kind, x.size, given | dict(options or {}), jac, hess, hessp)
    args = args if isinstance(args, tuple) else (args,)
    objective = FunctionObjective(fun, args, None if jac is False else jac, hess, hessp, shape=x.shape)
    here = objective(x.ravel())
    require_finite("minimize(fun, x0)", here, [("x0", x)])
    solver.begin(here)
    objective.counts.max_nfev, objective.counts.max_nhev = limits["maxfev"], limits["maxhev"]
    return Minimization(objective, solver, settings, limits, callback, x.shape).result(here)


class Minimization:
    """The loop of one minimization, with the steps and points that it went through."""

    def __init__(
        self,
        objective: FunctionObjective,
        solver: Solver,
        settings: Settings,
        limits: Mapping[str, Any],
        callback: Callable[..., Any] | None,
        shape: tuple[int, ...],
    ) -> None:
        self.objective, self.solver, self.settings, self.limits = objective, solver, settings, limits
        self.callback, self.shape = callback, shape
        self.steps: list[StepInfo] = []
        self.trace: list[OptimizeResult] = []

    def result(self, here: Evaluation) -> OptimizeResult:
        status, here, last = self._loop(here)
        counts, steps = self.objective.counts, self.steps
        size, tolerance = float(np.abs(here.g).max(initial=0.0)), self.solver.tolerance(self.settings)
        needs = f"success needs {tolerance:.3g}"
        if size <= tolerance and not status.success:
            needs += ", but it was not clear that f would fall by next to nothing more"
        return OptimizeResult(
            x=here.x.reshape(self.shape).copy(), fun=here.f, jac=here.g.reshape(self.shape).copy(),
            success=status.success,
            status=status, message=f"{status.message} max|jac| is {size:.3g}, {needs}.",
            nit=sum(step.accepted for step in steps), nfev=counts.nfev, njev=counts.njev, nhev=counts.nhev,
            ncg=sum(step.n_cg for step in steps), nreject=sum(step.rejections for step in steps),
            nnegcurv=sum(step.smallest_curvature <= 0 for step in steps),
            nescape=sum(step.escaped for step in steps),
            radius=float(self.solver.method.state().get("radius") or math.nan),
            lambda_min=last.lambda_min, tolerance=tolerance, trace=self.trace,
        )  # fmt: skip

    def _loop(self, here: Evaluation) -> tuple[Status, Evaluation, StepInfo]:
        self._note(here, None)
        accepted, limit, ftol = 0, self.limits["maxiter"], self.limits["ftol"]
        while accepted < limit or self._converged(here):
            try:
                there, info = self.solver.step(self.objective, here, self.settings)
            except BudgetSpent as spent:
                return Status(spent.limit), here, StepInfo()
            except FloatingPointError:
                return Status.NONFINITE, here, StepInfo()
            if info.accepted and accepted == limit:  # the gradient was small, but the curvature says to go on
                return Status.MAXITER, here, StepInfo()
            little = ftol > 0 and here.f - there.f <= ftol * abs(there.f)
            here, accepted = there, accepted + info.accepted
            if little and info.status is Status.RUNNING and not self._converged(here):
                info = replace(info, status=Status.FTOL)
            info = self._kept(info)
            self.steps.append(info)
            if info.accepted:
                self._note(here, info)
                try:
                    self._call_back(here)
                except StopIteration:
                    return Status.CALLBACK, here, info
            if info.status is not Status.RUNNING:
                return info.status, here, info
        return Status.MAXITER, here, StepInfo()

    def _converged(self, here: Evaluation) -> bool:
        return self.solver.converged(here, self.settings)

    def _kept(self, info: StepInfo) -> StepInfo:
        """The report with its vector in the shape of x; without vector and tables if there is no trace."""
        if not self.limits["trace"]:
            return replace(info, cg_rows=(), trial_rows=(), negative_curvature=None)
        down = info.negative_curvature
        return info if down is None else replace(info, negative_curvature=down.reshape(self.shape))

    def _note(self, here: Evaluation, info: StepInfo | None) -> None:
        if self.limits["trace"]:
            x = here.x.reshape(self.shape).copy()
            self.trace.append(
                OptimizeResult(x=x, fun=here.f, gradient=float(np.abs(here.g).max(initial=0.0)), step=info)
            )

    def _call_back(self, here: Evaluation) -> None:
        if self.callback is None:
            return
        x = here.x.reshape(self.shape).copy()
        try:
            named = "intermediate_result" in inspect.signature(self.callback).parameters
        except (TypeError, ValueError):  # a builtin, such as list.append
            named = False
        if named:
            jac = here.g.reshape(self.shape).copy()
            self.callback(intermediate_result=OptimizeResult(x=x, fun=here.f, jac=jac, nit=len(self.steps)))
        else:
            self.callback(x)


class RuleMethod(Method):
    """A first-order optimizer as a method of `Solver`: each step follows its rule and does not look at f."""

    def __init__(self, kind: type[FirstOrder], n: int, options: Mapping[str, Any]) -> None:
        self.leaf = Tensor(np.zeros(n), requires_grad=True)
        self.optimizer = kind([self.leaf], **options)
        self.last: tuple[Vector, Vector] | None = None  # the last step, and how the gradient changed over it

    def promise(self, here: Evaluation) -> tuple[float, float]:
        if self.last is None:
            return math.inf, math.inf
        (s, y), unit = self.last, unit_of(here.g)
        if norm(s) <= 4 * EPS * norm(here.x):  # steps are lost in the rounding of x, and y says nothing
            return 0.0, 0.0
        if not s @ s > 0:
            return math.inf, math.inf
        with np.errstate(all="ignore"):
            curvature, size = float(s @ y) / float(s @ s), float(np.linalg.norm(unit * here.g)) / unit
            length = size / curvature if curvature > 0 else math.inf
        return 0.5 * size * length, length

    def after_escape(self, length: float, settings: Settings) -> None:
        self.last = None

    def state(self) -> dict[str, Any]:
        return {"optimizer": self.optimizer.state_dict()}

    def restore(self, state: Mapping[str, Any]) -> None:
        self.optimizer.load_state_dict(state["optimizer"])

    def step(self, objective: Objective, here: Evaluation, settings: Settings) -> tuple[Evaluation, StepInfo]:
        self.leaf.assign(here.x)
        self.leaf.grad = here.g.copy()
        self.optimizer.step()
        there = evaluated(objective, self.leaf.numpy())
        if there is None or not np.isfinite(there.g).all():
            return here, StepInfo(status=Status.NONFINITE)
        self.last = there.x - here.x, there.g - here.g
        length = float(np.linalg.norm(there.x - here.x))
        return there, StepInfo(accepted=True, actual=here.f - there.f, step_norm=length, radius=length)


def _start(x0: Any) -> Vector:
    try:
        require_plain(x0, "`minimize(fun, x0)`")
        x = np.asarray(x0.data if isinstance(x0, Tensor) else x0)
    except ValueError as error:  # lists of different lengths
        raise ValueError(
            f"`minimize(fun, x0)`: x0 must be an array of numbers, got {x0!r:.60}: {error}"
        ) from None
    if x.dtype.kind not in "fiub":
        raise TypeError(f"`minimize(fun, x0)`: x0 must hold real numbers, got dtype {x.dtype}.")
    if not x.size:
        raise ValueError(f"`minimize(fun, x0)`: x0 must hold at least one number, got shape {x.shape}.")
    return np.array(x, dtype=np.float64)


def _prepared(
    kind: str, n: int, given: dict[str, Any], jac: Any, hess: Any, hessp: Any
) -> tuple[Solver, Settings, dict[str, Any]]:
    """The solver, the settings of its steps, and the limits."""
    loop = {name: given.pop(name, value) for name, value in SOLVING.items()}
    for name in ("gtol", "gtol_abs", "ftol", "second_order", "seed", "trace", "lambda_tol"):
        loop[name] = checked("minimize", name, loop[name], FLAG if name == "trace" else None)
    method, settings = _method(kind, n, given)
    second_order = loop["second_order"]
    if second_order == "auto":  # the textbook's method goes to saddle points too
        second_order = kind in NEWTON and given.get("modification") != "none"
    asks = f'method="{kind}"' if kind in NEWTON else "second_order=True"
    _require_derivatives(jac, hess, hessp, asks if kind in NEWTON or second_order else "")
    limits = {"ftol": loop["ftol"], "trace": loop["trace"]}
    for name, default in (
        ("maxiter", 100_000 if kind in FIRST_ORDER else 10_000),
        ("maxfev", math.inf),
        ("maxhev", math.inf),
    ):
        limits[name] = default if loop[name] is None else checked("minimize", name, loop[name], COUNT)
    settings = settings._replace(
        gtol=loop["gtol"],
        gtol_abs=loop["gtol_abs"],
        second_order=second_order,
        lambda_tol=loop["lambda_tol"],
    )
    return Solver(method, seed=loop["seed"]), settings, limits


def _require_derivatives(jac: Any, hess: Any, hessp: Any, curved: str) -> None:
    """Refuse the caller's derivatives if they are not functions or do not suffice.

    Args:
        curved: the argument of `minimize` that asks for second derivatives, or "".
    """
    if not (jac is None or jac is False or jac is True or callable(jac)):
        raise TypeError(
            f"`minimize(jac=...)` must be a function, True or None, got {jac!r:.60}; nothing is approximated "
            "here."
        )
    for name, function in (("hess", hess), ("hessp", hessp)):
        if function is not None and not callable(function):
            raise TypeError(
                f"`minimize({name}=...)` must be a function or None, got {function!r:.60}; nothing is "
                "approximated here."
            )
    if curved and jac and hess is None and hessp is None:
        raise TypeError(
            f"`minimize({curved}, jac=...)` also needs hessp= or hess=; or write fun in NumPy, without jac."
        )


def _method(kind: str, n: int, given: dict[str, Any]) -> tuple[Method, Settings]:
    """The method that takes the steps, and those of the settings that are options of its optimizer."""
    parameters = inspect.signature(OPTIMIZERS[kind]).parameters
    defaults = {name: p.default for name, p in parameters.items() if name not in NOT_OPTIONS | SOLVING.keys()}
    if unknown := sorted(given.keys() - defaults.keys()):
        raise ValueError(
            f'`minimize(method="{kind}", options=...)` has no option {", ".join(unknown)}; '
            f"it has {', '.join(sorted(defaults.keys() | SOLVING.keys()))}."
        )
    wanted = {
        name: value if value is None and defaults[name] is None else checked("minimize", name, value)
        for name, value in given.items()
    }
    if kind in FIRST_ORDER:
        return RuleMethod(FIRST_ORDER[kind], n, wanted), Settings()
    options = defaults | wanted
    if kind == "lbfgs":
        return QuasiNewton(), Settings(**options)
    region = (
        options["modification"] == "trust" if kind == "newton" else options["globalization"] == "trust-region"
    )
    max_radius = options.get("max_radius", math.inf)
    require_trust_region("minimize", options["initial_radius"], region, max_radius)
    if kind == "newton":
        return DenseNewton(), Settings(**options)
    globalization, damping = options.pop("globalization"), options.pop("damping")
    method = method_of("minimize", globalization, "hessian", options.pop("preconditioner"), damping)
    return method, Settings(**options)
