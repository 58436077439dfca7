"""The base of NewtonCG, Newton and LBFGS: it makes a vector of the parameters and a function of the closure.

One `step(closure)` is one step of the method from the present parameters. The closure is evaluated there
anew, so it may be another mini-batch each time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from minigrad import Tensor
from minigrad.extend import Bound, CurvatureRequest, Packing, add_hints, entry
from optim.base.groups import ParamSlice, Values
from optim.base.optimizer import Optimizer, Params
from optim.base.options import WHOLE, checked
from optim.habits import EVALUATING
from optim.second_order.evaluation import Counts, Evaluation, Vector, require_finite
from optim.second_order.method import Method, Settings
from optim.second_order.objective import ClosureObjective
from optim.second_order.results import StepInfo
from optim.second_order.trial import noise_of

__all__ = ["ClosureOptimizer"]

PER_GROUP = {"weight_decay", "initial_lr"}
COUNTED = ("nfev", "njev", "nhev")


class ClosureOptimizer(Optimizer):
    """An optimizer whose step evaluates the closure at several points.

    Whatever happens in the closure (an exception, NaN, Ctrl-C), the parameters are those of the last
    accepted step. Frozen parameters are not touched. All groups share their options, except weight_decay,
    which may differ between groups. `last_step` tells what the last step did; `counts`
    holds the losses, gradients and Hessian products of all steps (nfev, njev, nhev).

    Args:
        method: takes the steps; the options are its `Settings`.
        options: as in `Optimizer`.
    """

    def __init__(self, params: Params, method: Method, **options: Any) -> None:
        super().__init__(params, **options)
        self._method = method
        self._made_of: list[str] = []  # the names of the parameters that the method's vectors belong to
        self._curvature: CurvatureRequest | None = None
        self.last_step: Any = None
        self.counts = Counts()
        self._gradient: Vector | None = None

    @property
    def last_gradient(self) -> dict[str, Vector] | None:
        """The gradient where the last step began, with weight decay, by parameter; None before any step."""
        return None if self._gradient is None else self._by_name(self._gradient)

    @property
    def needs_outputs(self) -> bool:
        """Whether the closure has to return (loss, outputs); a training loop may ask."""
        return False

    @entry
    def step(self, closure: Callable[[], Any] | None = None) -> Tensor:
        """Take one step, or none where no step helps: `last_step` tells which, and why.

        Args:
            closure: computes and returns the loss, or (loss, outputs). One that itself calls `zero_grad()`
                and `backward()` works too.

        Returns:
            The closure's loss before the step.

        Raises:
            TypeError, ValueError: no closure, one that returns no scalar Tensor, or groups with different
                options.
            FloatingPointError: the loss or its gradient is not finite at the present parameters.
        """
        call = f"{type(self).__name__}.step(closure)"
        if not callable(closure):
            got = "" if closure is None else f", a function, got {closure!r:.60}"
            raise TypeError(
                f"`{call}` needs a closure{got}, for it evaluates the loss at more than one point."
            )
        options = self._common([dict(group) for group in self.param_groups])
        active = [
            (group, param)
            for group in self.param_groups
            for param in group.slices
            if param.tensor.requires_grad
        ]
        params = [param for _, param in active]
        if not any(param.tensor.size for param in params):
            raise ValueError(
                f"`{call}`: every parameter is frozen or of size 0; set requires_grad=True on one that is "
                "not empty."
            )
        options["noise"] = noise_of([param.tensor.dtype for param in params])
        decay, leaves = [group["weight_decay"] for group, _ in active], [param.tensor for param in params]
        curvature = self._curvature_of(closure, leaves)
        objective = ClosureObjective(closure, leaves, decay, type(self).__name__, self.counts, curvature)
        x, made_of, state = objective.x, self._made_of, self._method.state()
        try:
            self._make_of(params)
            here = objective.here()
            loss = objective.loss
            require_finite(call, here, [(param.name, param.tensor.data) for param in params])
            there, info = self._method.step(objective, here, self._settings(objective, here, options))
            x = there.x
        except BaseException:
            self._made_of = made_of
            self._method.restore(state)
            raise
        finally:
            objective.put(x)
        self._stepped(here, there)
        self.last_step, self._gradient = self._named(info), here.g
        for param in params:
            param.counters = {**param.counters, "t": param.counters["t"] + 1}
        return loss

    def state_dict(self) -> Values:
        """As of `Optimizer`, with the counts."""
        return super().state_dict() | {"counts": {name: getattr(self.counts, name) for name in COUNTED}}

    @entry
    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over the result of `state_dict`; see `Optimizer`."""
        given = state_dict.get("counts", {}) if isinstance(state_dict, Mapping) else {}
        call = f"{type(self).__name__}.load_state_dict"
        if not isinstance(given, Mapping):
            raise ValueError(f"`{call}` needs the counts that `state_dict()` returned, got {given!r:.60}.")
        counts = {name: checked(call, name, given.get(name, 0), WHOLE) for name in COUNTED}
        super().load_state_dict(state_dict)
        self.counts = Counts(**counts)
        self.last_step = None

    def __getstate__(self) -> Values:
        return super().__getstate__() | {"_curvature": None}

    # What a subclass may add to a step

    def _settings(self, objective: ClosureObjective, here: Evaluation, options: Values) -> Settings:
        """The settings of the step from `here`, out of the options of all groups."""
        return Settings(**options)

    def _stepped(self, here: Evaluation, there: Evaluation) -> None:
        """Take note of a step that has raised nothing."""

    def _repack(self, params: Sequence[ParamSlice]) -> None:
        """Convert the method's vectors from the parameters in `self._made_of` to these."""

    # The parts

    def _named(self, info: StepInfo) -> StepInfo:
        """The report with the direction of negative curvature by parameter name."""
        down = info.negative_curvature
        return info if down is None else replace(info, negative_curvature=self._by_name(down))

    def _make_of(self, params: Sequence[ParamSlice]) -> None:
        names = [param.name for param in params]
        if names != self._made_of:
            self._repack(params)
            self._made_of = names

    def _by_name(self, vector: Vector) -> dict[str, Vector]:
        """One of the method's vectors, or rows of them, as a copy for each parameter, by name."""
        params = {param.name: param for param in self._slices()}
        pieces = Packing([params[name].tensor for name in self._made_of]).pieces(vector)
        return {name: piece.copy() for name, piece in zip(self._made_of, pieces, strict=True)}

    def _curvature_of(self, closure: Any, leaves: list[Tensor]) -> CurvatureRequest | None:
        """The request that replays this closure, if it is compiled and nothing but its loss is needed."""
        if not isinstance(closure, Bound) or self.needs_outputs:
            return None
        known = self._curvature
        if (
            known is None
            or known.compiled is not closure.compiled
            or [*map(id, known.leaves)] != [*map(id, leaves)]
        ):
            known = self._curvature = CurvatureRequest(closure.compiled, leaves, self)
        return known

    def _described(self, group: Any) -> tuple[list[Any], Values]:
        items, options = super()._described(group)
        self._common([self.defaults, options])
        return items, options

    def _common(self, options: Sequence[Mapping[str, Any]]) -> Values:
        """The options that all groups share."""
        shared = [
            {key: value for key, value in each.items() if key not in PER_GROUP | {"params"}}
            for each in options
        ]
        for other in shared[1:]:
            if differing := sorted(
                key for key in other if key not in shared[0] or other[key] != shared[0][key]
            ):
                key = differing[0]
                raise ValueError(
                    f"`{type(self).__name__}({key}=...)` must be the same in all groups, got "
                    f"{shared[0].get(key)!r} and {other[key]!r}: the step is one direction and one length "
                    "for all parameters together. Only weight_decay may differ."
                )
        return shared[0]


add_hints(ClosureOptimizer, "an optimizer that evaluates its closure at several points", EVALUATING)
