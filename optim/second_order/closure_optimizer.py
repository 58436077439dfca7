"""What NewtonCG, Newton and LBFGS share: a solver sees one vector and a function; here are the parameters and the closure.

One `step(closure)` is one step of the solver from where the parameters are. The closure is evaluated there anew, so it may
be another mini-batch each time, and how many steps are taken in a row makes no difference.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minigrad import Tensor
from minigrad.extend import Bound, CurvatureRequest
from optim.base.groups import ParamSlice, Values
from optim.base.optimizer import Optimizer, Params
from optim.base.options import WHOLE, checked
from optim.second_order.objective import ClosureObjective, Counts, Evaluation, Objective
from optim.second_order.results import StepInfo
from optim.second_order.solver import require_finite
from optim.second_order.trust_region import NOISE

__all__ = ["ClosureOptimizer", "VectorSolver"]

Vector = NDArray[Any]

PER_GROUP = {"weight_decay", "initial_lr"}
COUNTED = ("nfev", "njev", "nhev")


class VectorSolver:
    """A method that goes from one evaluation to the next: what `ClosureOptimizer` and `minimize` drive.

    It changes its own state only when a step has succeeded, so an exception out of the objective leaves it as it was.
    """

    noise: float = NOISE  # a change of f below this share of |f| is rounding
    max_radius: float = math.inf  # this, and the next two, are only for methods that say so
    strict_monotone: bool = False
    previous: Vector | None = None

    def step(self, objective: Objective, here: Evaluation, eta: float = math.nan) -> tuple[Evaluation, StepInfo]:
        """One step from `here`; or `here` again with an info that is not `accepted`. η is for methods that solve by CG."""
        raise NotImplementedError

    def after_escape(self, length: float) -> None:
        """Told that a step of this length was taken by someone else."""

    def state(self) -> dict[str, Any]:
        """What one step leaves to the next."""
        raise NotImplementedError

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from `state`."""
        raise NotImplementedError


class ClosureOptimizer(Optimizer):
    """An optimizer whose step evaluates the closure at several points.

    Whatever happens in the closure (an exception, NaN, Ctrl-C), the parameters are those of the last accepted step. Frozen
    parameters are not touched. Options belong to the whole vector, but for weight_decay, which each group may have its own.
    `counts` holds the losses, gradients and Hessian products of all steps (nfev, njev, nhev).

    Args:
        solver: takes the steps; its attributes of the options' names are set before each.
        options: as in `Optimizer`.
    """

    def __init__(self, params: Params, solver: VectorSolver, **options: Any) -> None:
        self._solver = solver
        super().__init__(params, **options)
        self.last_step: Any = None
        self._curvature: CurvatureRequest | None = None
        self.counts = Counts()

    def step(self, closure: Callable[[], Any] | None = None) -> Tensor:
        """Take one step.

        Args:
            closure: computes and returns the loss, or (loss, outputs). One that itself calls `zero_grad()` and `backward()`
                works too.

        Returns:
            The closure's loss before the step. What the step did is in `last_step`.

        Raises:
            TypeError, ValueError: no closure, one that returns no scalar Tensor, or groups with different options.
            FloatingPointError: the loss or its gradient is not finite at the present parameters.
        """
        call = f"{type(self).__name__}.step(closure)"
        if not callable(closure):
            got = "" if closure is None else f", a function, got {closure!r:.60}"
            raise TypeError(f"`{call}` needs a closure{got}, for it evaluates the loss at more than one point.")
        for option, value in self._common([dict(group) for group in self.param_groups]).items():
            setattr(self._solver, option, value)
        active = [(group, param) for group in self.param_groups for param in group.slices if param.tensor.requires_grad]
        slices = [param for _, param in active]
        if not any(param.tensor.size for param in slices):
            raise ValueError(f"`{call}`: every parameter is frozen or of size 0; set requires_grad=True on some with numbers.")
        self._solver.noise = 1e3 * max(float(np.finfo(param.tensor.dtype).eps) for param in slices)
        self._about_to_step(slices)
        decay = [group["weight_decay"] for group, _ in active]
        leaves = [param.tensor for param in slices]
        curvature = self._curvature_of(closure, leaves)
        objective = ClosureObjective(closure, leaves, decay, type(self).__name__, self.counts, curvature)
        x = objective.x
        try:
            here = objective.here()
            loss = objective.loss
            require_finite(call, here, [(param.name, param.tensor.data) for param in slices])
            there, info = self._solver.step(objective, here)
            x = there.x
        finally:
            objective.put(x)
        self.last_step = info
        for param in slices:
            param.counters = {**param.counters, "t": param.counters["t"] + 1}
        return loss

    def state_dict(self) -> Values:
        """As of `Optimizer`, with the counts."""
        return super().state_dict() | {"counts": {name: getattr(self.counts, name) for name in COUNTED}}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over what `state_dict` gave; see `Optimizer`."""
        given = state_dict.get("counts", {}) if isinstance(state_dict, Mapping) else {}
        call = f"{type(self).__name__}.load_state_dict"
        if not isinstance(given, Mapping):
            raise ValueError(f"`{call}` needs the counts that `state_dict()` returned, got {given!r:.60}.")
        counts = {name: checked(call, name, given.get(name, 0), WHOLE) for name in COUNTED}
        super().load_state_dict(state_dict)
        self.counts = Counts(**counts)
        self.last_step = None

    def __getstate__(self) -> Values:
        return self.__dict__ | {"_curvature": None}

    def _curvature_of(self, closure: Any, leaves: list[Tensor]) -> CurvatureRequest | None:
        """How to replay this closure, if it is compiled and its loss is all that is needed of it."""
        if not isinstance(closure, Bound) or getattr(self, "needs_outputs", False):
            return None
        known = self._curvature
        if known is None or known.compiled is not closure.compiled or [*map(id, known.leaves)] != [*map(id, leaves)]:
            known = self._curvature = CurvatureRequest(closure.compiled, leaves, self)
        return known

    def _about_to_step(self, slices: Sequence[ParamSlice]) -> None:
        """Told which parameters the vector is made of."""

    def _described(self, group: Any) -> tuple[list[Any], Values]:
        items, options = super()._described(group)
        self._common([self.defaults, options])
        return items, options

    def _common(self, options: Sequence[Mapping[str, Any]]) -> Values:
        """The options that all groups share."""
        shared = [{key: value for key, value in each.items() if key not in PER_GROUP | {"params"}} for each in options]
        for other in shared[1:]:
            if differing := sorted(key for key in other if key not in shared[0] or other[key] != shared[0][key]):
                key = differing[0]
                raise ValueError(
                    f"`{type(self).__name__}({key}=...)` must be the same in all groups, got {shared[0].get(key)!r} and "
                    f"{other[key]!r}: the step is one direction and one length for all parameters together. "
                    f"Only weight_decay may differ."
                )
        return shared[0]
