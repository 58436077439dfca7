"""NewtonCG: Newton's method by conjugate gradients, as an optimizer that takes a closure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from minigrad.extend import Packing
from optim.base.groups import ParamSlice, Values
from optim.base.optimizer import Params
from optim.base.options import checked
from optim.second_order.capped_cg import CappedCG
from optim.second_order.closure_optimizer import ClosureOptimizer
from optim.second_order.evaluation import Evaluation, Vector
from optim.second_order.levenberg_marquardt import LevenbergMarquardt
from optim.second_order.method import Method, Settings
from optim.second_order.objective import ClosureObjective
from optim.second_order.preconditioner import inverse_of
from optim.second_order.solver import Solver
from optim.second_order.trust_region import TrustRegion, require_trust_region

__all__ = ["NewtonCG", "method_of"]

NOT_HERE = {
    "lr": "a Newton step has a length of its own, and an lr for each group would turn it away from the "
    "direction in which the model was minimized",
    "decoupled_weight_decay": "decay that is not part of f would break the comparison of f with its model; "
    "use weight_decay",
}
MAY_BE_NONE = "['radius']", "['left_f']"  # in a state that was saved


class NewtonCG(ClosureOptimizer):
    """Newton's method without a matrix: CG on Hessian-vector products, inside a region in which the model can
    be trusted.

        p ≈ argmin gᵀp + ½pᵀHp over ‖p‖ ≤ Δ,   w ← w + p if f falls by 0.1 of the prediction

    Each step runs the closure once at the present parameters, and once for each trial; a trial that is
    refused costs no product, because the path of CG is kept. Directions of negative curvature are followed.
    Where the gradient has become small, the curvature is checked and a saddle point is left. Whatever happens
    in the closure (NaN, an exception, Ctrl-C), the parameters are those of the last accepted step.

    Every step needs one function for f, g and Hv: take one batch for each step, and switch off dropout.
    `last_step`, a `StepInfo`, tells what happened; `counts` holds the calls so far (nfev, njev, nhev).

    Args:
        params: see `Optimizer`. Groups may differ in weight_decay only: a step has one length for all
            parameters, and an lr for each group would turn it away from the direction in which the model was
            minimized.
        globalization: "trust-region"; or "line-search", a backtracking search along a capped-CG direction.
        curvature: "hessian"; or "ggn", the Gauss–Newton matrix with Levenberg–Marquardt damping in place of
            the region, for which the closure returns (loss, outputs).
        forcing: CG stops at ‖r‖ ≤ η‖g‖, with η = min(½, √(‖g‖/‖g₀‖)) for "superlinear", and beyond n = 50,
            where a loose residual hides flat directions, min(0.1, √(least ‖g‖∞ yet/‖g₀‖∞)); min(0.1,
            ‖g‖/‖g₀‖) for "quadratic"; for "eisenstat-walker" from the last decrease of ‖g‖; or a number in
            (0, 1).
        preconditioner: M ≈ H, positive definite: its diagonal (n,), or a function r ↦ M⁻¹r of vectors (n,),
            the parameters that require a gradient one after another. With "ggn" the default is Martens' (mean
            gᵢ² + λ)^¾.
        damping: for "ggn" the first λ, 1 by default; for "line-search" the shift of H, a share of ‖Hg‖/‖g‖.
        max_radius: an upper bound of Δ, > 0.
        initial_radius: the first Δ, > 0; None chooses it from the first product Hg. Later steps adapt it.
        lambda_tol: λmin counts as negative where it lies below −lambda_tol·max|λ|, and below its own
            rounding; in [0, 1).
        gtol, gtol_abs: where ‖g‖∞ ≤ gtol_abs + gtol·‖g₀‖∞, with g₀ the first gradient, `step` leaves the
            parameters unchanged.
        strict_monotone: never accept a higher f; otherwise it may rise by rounding, 1e3·eps·|f|, where the
            slope falls.
        second_order: whether to check the curvature where the gradient is small; "auto" does so until the
            same parameters give another loss than before, as mini-batches do.
        weight_decay: λ ≥ 0 adds ½λ‖w‖² to f, g and H. Decoupled decay would not be part of the f that is
            compared.
        seed: of the start vectors of the check, and of the signs behind Martens' preconditioner.

    Raises (of `step`):
        TypeError: no closure, or one that returns no Tensor.
        ValueError: the closure gives two losses for the same parameters (checked in the first step).
        FloatingPointError: the loss or its gradient is not finite at the present parameters.

    Reference: Steihaug 1983; Conn, Gould, Toint 2000; Nocedal and Wright 2006, algorithm 7.2.

    >>> from minigrad import Tensor
    >>> p = Tensor([-1.2, 1.0], requires_grad=True)
    >>> optimizer = NewtonCG([p])
    >>> while optimizer.last_step is None or optimizer.last_step.status == "RUNNING":
    ...     _ = optimizer.step(lambda: 100 * (p[1] - p[0] ** 2) ** 2 + (1 - p[0]) ** 2)
    >>> p.data.round(6), optimizer.last_step.status.name
    (array([1., 1.]), 'SECOND_ORDER')
    """

    _method: Solver

    def __init__(
        self,
        params: Params,
        *,
        globalization: str = "trust-region",
        curvature: str = "hessian",
        forcing: str | float = "superlinear",
        preconditioner: Any = None,
        damping: float | None = None,
        max_radius: float = math.inf,
        initial_radius: float | None = None,
        lambda_tol: float = 0.0,
        gtol: float = 1e-8,
        gtol_abs: float = 0.0,
        strict_monotone: bool = False,
        second_order: str | bool = "auto",
        weight_decay: float = 0.0,
        seed: int = 0,
    ) -> None:
        seed = checked("NewtonCG", "seed", seed)
        method = method_of("NewtonCG", globalization, curvature, preconditioner, damping, seed)
        self.kind = f"{globalization} {curvature}"
        self.preconditioned = preconditioner is not None
        super().__init__(
            params, Solver(method, seed=seed), forcing=forcing, max_radius=max_radius,
            initial_radius=initial_radius, lambda_tol=lambda_tol, gtol=gtol, gtol_abs=gtol_abs,
            strict_monotone=strict_monotone, second_order=second_order, weight_decay=weight_decay,
        )  # fmt: skip
        self.full_batch = True  # until a step begins where the last one ended, and finds another f there
        self._left_x: Vector | None = None  # where the last step ended,
        self._left_f: float | None = None  # and f there

    @property
    def needs_outputs(self) -> bool:
        """Whether the closure has to return (loss, outputs); a training loop may ask."""
        return self.kind.endswith("ggn")

    def consistent(self, options: Values) -> None:
        region = self.kind == "trust-region hessian"
        require_trust_region("NewtonCG", options["initial_radius"], region, options["max_radius"])

    def state_dict(self) -> Values:
        """Options and state: radius or damping, first gradient, random generator, counts. Weights are not in
        it."""
        solver = self._method.state()
        previous = solver["method"].pop("previous", None)
        saved = {
            "kind": self.kind, "solver": solver, "full_batch": self.full_batch, "left_f": self._left_f,
            "previous": {} if previous is None else self._by_name(previous),
        }  # fmt: skip
        return super().state_dict() | {"newton_cg": saved}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over the result of `state_dict`; see `Optimizer`."""
        mine = self.state_dict()["newton_cg"]
        saved = state_dict.get("newton_cg", {}) if isinstance(state_dict, Mapping) else {}
        if not isinstance(saved, Mapping) or saved.keys() != mine.keys() or str(saved["kind"]) != self.kind:
            raise ValueError(
                "`NewtonCG.load_state_dict` needs what `state_dict()` of a NewtonCG of the kind "
                f"{self.kind!r} returned, got {saved!r:.60}."
            )
        _require_alike({**saved, "previous": 0}, {**mine, "previous": 0}, "newton_cg")
        names, previous = self._loaded_previous(saved["previous"])
        solver = {**saved["solver"], "method": {**saved["solver"]["method"], "previous": previous}}
        before = self._method.state()
        try:
            self._method.restore(solver)
            super().load_state_dict(state_dict)
        except BaseException as error:
            self._method.restore(before)
            if isinstance(error, OverflowError):
                raise ValueError(
                    f"`NewtonCG.load_state_dict`: the state of a random generator is invalid: {error}."
                ) from None
            raise
        self._made_of = names
        self.full_batch, self._left_x, self._left_f = saved["full_batch"], None, saved["left_f"]

    # The parts

    def _settings(self, objective: ClosureObjective, here: Evaluation, options: Values) -> Settings:
        """A closure has to be deterministic, but may be another function, of another batch, at each step."""
        if self._left_f is None:
            _require_deterministic(objective, here)
        if options["second_order"] == "auto":
            options = options | {"second_order": self._still_full_batch(here)}
        return super()._settings(objective, here, options)

    def _stepped(self, here: Evaluation, there: Evaluation) -> None:
        self.full_batch = self._still_full_batch(here)
        self._left_x, self._left_f = there.x, there.f

    def _still_full_batch(self, here: Evaluation) -> bool:
        """Whether f has so far been the same whenever a step began where the last one ended."""
        moved = self._left_x is not None and not np.array_equal(here.x, self._left_x)
        return self.full_batch and (self._left_f is None or here.f == self._left_f or moved)

    def _repack(self, params: Sequence[ParamSlice]) -> None:
        """Keep each parameter's part of the last step, from which "ggn" starts; a new parameter gets 0."""
        state = self._method.state()
        previous = state["method"].get("previous")
        if previous is None:
            return
        known = self._by_name(previous)
        parts = [known.get(param.name, np.zeros(param.shape)) for param in params]
        state["method"]["previous"] = Packing(parts).join(parts)
        self._method.restore(state)

    def _loaded_previous(self, steps: Any) -> tuple[list[str], Vector | None]:
        """The names of the parameters that the saved last step belongs to, and that step as a vector."""
        shapes = {param.name: param.shape for param in self._slices()}
        if not isinstance(steps, Mapping) or any(
            np.shape(step) != shapes.get(name) for name, step in steps.items()
        ):
            raise ValueError(
                "`NewtonCG.load_state_dict`: 'previous' must hold an array of each parameter's shape, got "
                f"{steps!r:.60}."
            )
        names = [name for name in shapes if name in steps]
        parts = [np.array(steps[name], dtype=np.float64) for name in names]
        return names, Packing(parts).join(parts) if parts else None

    def _described(self, group: Any) -> tuple[list[Any], Values]:
        for name in NOT_HERE.keys() & (group.keys() if isinstance(group, Mapping) else ()):
            raise ValueError(f"`NewtonCG({name}=...)` does not exist: {NOT_HERE[name]}.")
        return super()._described(group)


def method_of(
    call: str, globalization: str, curvature: str, preconditioner: Any, damping: float | None, seed: int = 0
) -> Method:
    """The method that the options name.

    Raises:
        ValueError: options that exclude each other, or a preconditioner with an entry that is not positive.
    """
    checked(call, "globalization", globalization)
    checked(call, "curvature", curvature)
    if damping is not None:
        damping = checked(call, "damping", damping)
    solve = inverse_of(call, preconditioner)
    if curvature == "ggn":
        if globalization != "trust-region":
            raise ValueError(
                f'`{call}(curvature="ggn")` brings its own damping; globalization="{globalization}" cannot '
                "be too."
            )
        return LevenbergMarquardt(damping=1.0 if damping is None else damping, solve=solve, seed=seed)
    if globalization == "line-search":
        if solve is not None:
            raise ValueError(
                f'`{call}(globalization="line-search")` takes no preconditioner; use "trust-region".'
            )
        return CappedCG(damping=1e-3 if damping is None else damping)
    if damping is not None:
        raise ValueError(
            f'`{call}(damping=...)` belongs to curvature="ggn" and globalization="line-search"; a trust '
            "region has a radius."
        )
    return TrustRegion(solve=solve)


def _require_deterministic(objective: ClosureObjective, here: Evaluation) -> None:
    again = objective.here().f  # without writing: `here` has its graph still to give
    if again != here.f:
        raise ValueError(
            "`NewtonCG.step(closure)`: the closure is not deterministic: two calls at the same parameters "
            f"gave the losses {here.f!r} and {again!r}. Draw the batch and the dropout masks outside of it."
        )


def _require_alike(saved: Any, mine: Any, where: str) -> None:
    """Refuse a saved state unless its keys, its texts and the places of numbers and flags are those of
    ours."""
    if isinstance(mine, Mapping):
        if isinstance(saved, Mapping) and saved.keys() == mine.keys():
            for key, own in mine.items():
                _require_alike(saved[key], own, f"{where}[{key!r}]")
            return
    elif isinstance(mine, str):
        if isinstance(saved, str) and saved == mine:
            return
    elif isinstance(mine, bool) or isinstance(saved, bool):
        if isinstance(mine, bool) and isinstance(saved, bool):
            return
    elif isinstance(saved, int | float | np.number) or (saved is None and where.endswith(MAY_BE_NONE)):
        return
    raise ValueError(f"`NewtonCG.load_state_dict`: {where} must be like {mine!r:.40}, got {saved!r:.60}.")
