"""LBFGS: quasi-Newton steps, as an optimizer that takes a closure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from minigrad.extend import Packing
from optim.base.groups import ParamSlice, Values
from optim.base.optimizer import Params
from optim.second_order.closure_optimizer import ClosureOptimizer
from optim.second_order.evaluation import Vector
from optim.second_order.quasi_newton import QuasiNewton

__all__ = ["LBFGS"]


class LBFGS(ClosureOptimizer):
    """Quasi-Newton steps: the last `history` steps, and how the gradient changed over them, stand for the
    Hessian.

        w ← w + a·p,   p = −Hg by the two loops,   H ≈ (∇²f)⁻¹ from γI and the pairs (s, y)

    One `step` is one iteration: one direction and one line search. It calls the closure once, and again for
    each trial. The pairs are made inside a step, from gradients of the same closure, so each step may have
    another batch. A pair without positive curvature, sᵀy ≤ eps·|sᵀg|, is
    skipped. The first step, of length max(1, ‖w‖/10) before the line search, does not depend on the units of
    f.

    Whatever happens in the closure (NaN, an exception, Ctrl-C), the parameters are those of the last accepted
    step. Take one batch for each step, and switch off dropout. If other parameters are frozen than before,
    the history starts anew.

    Args:
        params: see `Optimizer`. Groups may differ in weight_decay only, for a step has one direction and one
            length.
        lr: the first a that is tried, ≥ 0.
        history: how many pairs are kept, ≥ 1.
        line_search: "strong-wolfe", "armijo", or None: a = lr, whatever f does.
        weight_decay: λ ≥ 0 adds ½λ‖w‖² to f and g.

    Raises (of `step`):
        FloatingPointError: the loss or its gradient is not finite at the present parameters.

    Where we differ from torch: there `step` is one iteration only with max_iter=1, and the first direction is
        −g·min(1, 1/‖g‖₁).

    >>> from minigrad import Tensor
    >>> p = Tensor([-1.2, 1.0], requires_grad=True)
    >>> optimizer = LBFGS([p])
    >>> for _ in range(40):
    ...     loss = optimizer.step(lambda: 100 * (p[1] - p[0] ** 2) ** 2 + (1 - p[0]) ** 2)
    >>> p.data.round(6)
    array([1., 1.])
    """

    _method: QuasiNewton

    def __init__(
        self,
        params: Params,
        lr: float = 1.0,
        *,
        history: int = 10,
        line_search: str | None = "strong-wolfe",
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(
            params, QuasiNewton(), lr=lr, history=history, line_search=line_search, weight_decay=weight_decay
        )

    def state_dict(self) -> Values:
        """As of `Optimizer`, with the pairs "s" and "y" of each parameter, (k, *shape), oldest first."""
        saved = super().state_dict()
        pairs = self._method.pairs
        for key, vectors in zip("sy", zip(*pairs, strict=True), strict=True) if pairs else ():
            for name, rows in self._by_name(np.stack(vectors)).items():
                saved["state"][name][key] = rows
        return saved

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over the result of `state_dict`, by parameter name and shape; see `Optimizer`."""
        states = state_dict.get("state") if isinstance(state_dict, Mapping) else None
        if not isinstance(states, Mapping) or not all(
            isinstance(state, Mapping) for state in states.values()
        ):
            return super().load_state_dict(state_dict)  # which says what is wrong
        params = [param for param in self._slices() if states.get(param.name, {}).keys() & {"s", "y"}]
        halves = [[_half(param, states[param.name], key) for param in params] for key in "sy"]
        if len(lengths := sorted({len(rows) for half in halves for rows in half})) > 1:
            raise ValueError(
                f"`LBFGS.load_state_dict`: every parameter must have as many pairs, got {lengths}."
            )
        packing = Packing([param.tensor for param in params])
        S, Y = (packing.join(half, lead=tuple(lengths)) if half else () for half in halves)
        plain = {
            name: {k: v for k, v in state.items() if k not in ("s", "y")} for name, state in states.items()
        }
        super().load_state_dict({**state_dict, "state": plain})
        self._made_of = [param.name for param in params]
        self._method.pairs = list(zip(S, Y, strict=True))

    def _repack(self, params: Sequence[ParamSlice]) -> None:
        self._method.pairs = []  # the history of other parameters starts anew


def _half(param: ParamSlice, state: Mapping[str, Any], key: str) -> Vector:
    """The saved rows "s" or "y" of one parameter, checked."""
    rows = np.asarray(state.get(key, ()), dtype=np.float64)
    if rows.ndim == 0 or rows.shape[1:] != param.shape:
        raise ValueError(
            f"`LBFGS.load_state_dict`: {key!r} of {param.name!r} must have shape (pairs, *{param.shape}), "
            f"got {rows.shape}."
        )
    return rows
