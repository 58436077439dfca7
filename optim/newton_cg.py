"""NewtonCG: Newton's method by conjugate gradients, as an optimizer that takes a closure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minigrad import Tensor
from optim.base.groups import ParamSlice, Values
from optim.base.optimizer import Params
from optim.base.options import checked
from optim.second_order.closure_optimizer import ClosureOptimizer, VectorSolver
from optim.second_order.objective import ClosureObjective, Evaluation, Objective
from optim.second_order.results import StepInfo
from optim.second_order.solver import NewtonMethod, Solver, globalization_of

__all__ = ["NewtonCG"]

Vector = NDArray[Any]
NOT_HERE = {
    "lr": "a Newton step has a length of its own, and an lr for each group would turn it away from the direction in which "
    "the model was minimized",
    "decoupled_weight_decay": "decay that is not part of f would break the comparison of f with its model; use weight_decay",
}


MAY_BE_NONE = "['radius']", "['left_f']"  # of what is saved


class ClosureSolver(VectorSolver):
    """`Solver` for closures: they have to be deterministic, but may be another function (batch) at each step."""

    forcing: str | float
    gtol: float
    gtol_abs: float
    second_order: str | bool  # "auto": until the same x gives another f

    def __init__(self, method: NewtonMethod, seed: int) -> None:
        self.method, self.solver = method, Solver(method, seed=seed)
        self.full_batch = True
        self.left_x: Vector | None = None  # where the last step ended,
        self.left_f: float | None = None  # and f there

    def state(self) -> dict[str, Any]:
        return {"solver": self.solver.state(), "full_batch": self.full_batch, "left_f": self.left_f}

    def restore(self, state: Mapping[str, Any]) -> None:
        self.solver.restore(state["solver"])
        self.full_batch, self.left_x, self.left_f = state["full_batch"], None, state["left_f"]

    def step(self, objective: Objective, here: Evaluation, eta: float = math.nan) -> tuple[Evaluation, StepInfo]:
        method, solver = self.method, self.solver
        method.max_radius, method.strict_monotone = self.max_radius, self.strict_monotone
        method.noise, method.previous = self.noise, self.previous
        solver.forcing, solver.gtol, solver.gtol_abs = self.forcing, self.gtol, self.gtol_abs
        saved = solver.state()
        try:
            if self.left_f is None:
                self._require_deterministic(objective, here)
            moved = self.left_x is not None and not np.array_equal(here.x, self.left_x)
            full_batch = self.full_batch and (self.left_f is None or here.f == self.left_f or moved)
            there, info = solver.step(objective, here, full_batch if self.second_order == "auto" else bool(self.second_order))
        except BaseException:
            solver.restore(saved)
            raise
        self.full_batch, self.left_x, self.left_f, self.previous = full_batch, there.x, there.f, method.previous
        return there, info

    @staticmethod
    def _require_deterministic(objective: Objective, here: Evaluation) -> None:
        assert isinstance(objective, ClosureObjective)
        again = objective.here().f  # without writing: `here` has its graph still to give
        if again != here.f:
            raise ValueError(
                f"`NewtonCG.step(closure)`: the closure is not deterministic: two calls at the same parameters gave the losses "
                f"{here.f!r} and {again!r}. Draw the batch and the dropout masks outside of it."
            )


class NewtonCG(ClosureOptimizer):
    """Newton's method without a matrix: CG on Hessian-vector products, inside a region in which the model can be trusted.

        p ≈ argmin gᵀp + ½pᵀHp over ‖p‖ ≤ Δ,   w ← w + p if f falls by 0.1 of what the model says

    Each step runs the closure once at the present parameters, and once for each trial; a trial that is refused costs no
    product, for the path of CG is replayed. Directions of negative curvature are used, not feared. Where the gradient has
    become small, the curvature is checked and a saddle point is left. Whatever happens in the closure (NaN, an
    exception, Ctrl-C), the parameters are those of the last accepted step.

    Every step needs one function for f, g and Hv: take one batch for each step, and switch off dropout. What happened is
    told by `last_step`, a `StepInfo`; `counts` holds the calls so far (nfev, njev, nhev).

    Args:
        params: see `Optimizer`. Groups may differ in weight_decay only: a step has one length for all parameters, and an
            lr for each group would turn it away from the direction in which the model was minimized.
        globalization: "trust-region"; or "line-search", a backtracking search along a capped-CG direction.
        curvature: "hessian"; or "ggn", the Gauss–Newton matrix with Levenberg–Marquardt damping in place of the region, for
            which the closure returns (loss, outputs).
        forcing: CG stops at ‖r‖ ≤ η‖g‖ with η = min(½, √(‖g‖/‖g₀‖)) for "superlinear", min(0.1, ‖g‖/‖g₀‖) for
            "quadratic", from the last decrease of ‖g‖ for "eisenstat-walker"; or a number in (0, 1).
        preconditioner: M ≈ H, positive definite: its diagonal (n,), or a function r ↦ M⁻¹r of vectors (n,), the parameters
            that require a gradient one after another. With "ggn" the default is Martens' (mean gᵢ² + λ)^¾.
        damping: of "ggn" the first λ, 1 by default; of "line-search" the shift of H as a share of ‖Hg‖/‖g‖.
        max_radius: an upper bound of Δ, > 0.
        gtol, gtol_abs: a step from ‖g‖∞ ≤ gtol_abs + gtol·‖g₀‖∞ is none; ‖g₀‖ is the first gradient's.
        strict_monotone: never accept a higher f; otherwise it may rise by rounding, 1e3·eps·|f|, where the slope falls.
        second_order: whether to check the curvature where the gradient is small; "auto" does so until the same parameters
            give another loss than before, as mini-batches do.
        weight_decay: λ ≥ 0 adds ½λ‖w‖² to f, g and H. Decoupled decay would not be part of the f that is compared.
        seed: of the check's start vectors, and of the signs behind Martens' preconditioner.

    Raises (of `step`):
        TypeError: no closure, or one that returns no Tensor.
        ValueError: the closure gives two losses for the same parameters (looked at in the first step).
        FloatingPointError: the loss or its gradient is not finite at the present parameters.

    Reference: Steihaug 1983; Conn, Gould, Toint 2000; Nocedal and Wright 2006, algorithm 7.2.

    >>> p = Tensor([-1.2, 1.0], requires_grad=True)
    >>> optimizer = NewtonCG([p])
    >>> while optimizer.last_step is None or optimizer.last_step.status == "RUNNING":
    ...     _ = optimizer.step(lambda: 100 * (p[1] - p[0] ** 2) ** 2 + (1 - p[0]) ** 2)
    >>> p.data.round(6), optimizer.last_step.status.name
    (array([1., 1.]), 'SECOND_ORDER')
    """

    _solver: ClosureSolver

    def __init__(
        self, params: Params, *, globalization: str = "trust-region", curvature: str = "hessian",
        forcing: str | float = "superlinear", preconditioner: Any = None, damping: float | None = None,
        max_radius: float = math.inf, gtol: float = 1e-8, gtol_abs: float = 0.0, strict_monotone: bool = False,
        second_order: str | bool = "auto", weight_decay: float = 0.0, seed: int = 0,
    ) -> None:  # fmt: skip
        seed = checked("NewtonCG", "seed", seed)
        method = globalization_of("NewtonCG", globalization, curvature, preconditioner, damping, seed)
        super().__init__(
            params, ClosureSolver(method, seed), forcing=forcing, max_radius=max_radius, gtol=gtol,
            gtol_abs=gtol_abs, strict_monotone=strict_monotone, second_order=second_order, weight_decay=weight_decay,
        )  # fmt: skip
        self.kind = f"{globalization} {curvature}"
        self._previous: dict[str, Vector] = {}  # the last step, by parameter; "ggn" starts from it

    @property
    def needs_outputs(self) -> bool:
        """Whether the closure has to return (loss, outputs); a training loop may ask."""
        return self.kind.endswith("ggn")

    def step(self, closure: Any = None) -> Tensor:
        """Take one step, or none where the gradient is small enough or no step helps: `last_step` tells which.

        Args:
            closure: computes and returns the loss, or (loss, outputs). One that itself calls `zero_grad()` and `backward()`
                works too.

        Returns:
            The closure's loss before the step.
        """
        loss = super().step(closure)
        previous, self._previous = self._solver.previous, {}
        if previous is not None:
            ends = np.cumsum([param.tensor.size for param in self._active])[:-1]
            parts = zip(self._active, np.split(previous, ends), strict=True)
            self._previous = {param.name: part.reshape(param.shape) for param, part in parts}
        return loss

    def state_dict(self) -> Values:
        """Options and state: radius or damping, first gradient, random generator, counts. Weights are not in it."""
        previous = {name: value.copy() for name, value in self._previous.items()}
        return super().state_dict() | {"newton_cg": {"kind": self.kind, **self._solver.state(), "previous": previous}}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over what `state_dict` gave; see `Optimizer`."""
        mine = self.state_dict()["newton_cg"]
        saved = state_dict.get("newton_cg", {}) if isinstance(state_dict, Mapping) else {}
        if not isinstance(saved, Mapping) or saved.keys() != mine.keys() or str(saved["kind"]) != self.kind:
            raise ValueError(
                f"`NewtonCG.load_state_dict` needs what `state_dict()` of a NewtonCG of the kind {self.kind!r} returned, "
                f"got {saved!r:.60}."
            )
        _require_alike({**saved, "previous": 0}, {**mine, "previous": 0}, "newton_cg")
        shapes = {param.name: param.shape for param in self._slices()}
        steps = saved["previous"]
        if not isinstance(steps, Mapping) or any(np.shape(step) != shapes.get(name) for name, step in steps.items()):
            raise ValueError(
                f"`NewtonCG.load_state_dict`: 'previous' must hold an array of each parameter's shape, got {steps!r:.60}."
            )
        previous = {name: np.array(step, dtype=np.float64) for name, step in steps.items()}
        before = self._solver.state()
        try:
            self._solver.restore(saved)
            super().load_state_dict(state_dict)
        except BaseException as error:
            self._solver.restore(before)
            if isinstance(error, OverflowError):
                raise ValueError(f"`NewtonCG.load_state_dict`: the state of a random generator cannot be: {error}.") from None
            raise
        self._previous = previous

    # The parts

    def _described(self, group: Any) -> tuple[list[Any], Values]:
        for name in NOT_HERE.keys() & (group.keys() if isinstance(group, Mapping) else ()):
            raise ValueError(f"`NewtonCG({name}=...)` does not exist: {NOT_HERE[name]}.")
        return super()._described(group)

    def _about_to_step(self, slices: Sequence[ParamSlice]) -> None:
        super()._about_to_step(slices)
        parts = [self._previous.get(param.name, np.zeros(param.shape)).ravel() for param in slices]
        self._solver.previous = np.concatenate(parts) if self._previous else None
        self._active = slices


def _require_alike(saved: Any, mine: Any, where: str) -> None:
    """That a saved state has the form of ours: the same keys and texts, and numbers and flags where ours are."""
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
