"""L-BFGS: curvature learnt from the last few steps, the solver for any objective, and the optimizer for closures.

Names: `s` a step, `y` how the gradient changed over it, ρ `rho` = 1/sᵀy, γ `gamma` = sᵀy/yᵀy the size of H⁻¹, `p` the
direction.

Reference: Nocedal 1980; Liu and Nocedal 1989; Nocedal and Wright 2006, Numerical Optimization, ch. 7.2.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optim.base.groups import ParamSlice, Values
from optim.base.optimizer import Params
from optim.second_order.closure_optimizer import ClosureOptimizer, VectorSolver
from optim.second_order.line_search import STILL, blind, line_search
from optim.second_order.objective import Evaluation, Objective
from optim.second_order.results import StepInfo
from optim.second_order.trust_region import EPS, NOISE, unit_of

__all__ = ["LBFGS", "LBFGSInfo", "LBFGSSolver", "two_loops"]

Vector = NDArray[Any]
Pairs = list[tuple[Vector, Vector]]


@dataclass(frozen=True)
class LBFGSInfo(StepInfo):
    """What one step of `LBFGS` did; `why` says how the line search ended."""

    step_length: float = 0.0  # a in w + a·p
    gamma: float = math.nan  # sᵀy/yᵀy of the newest pair, NaN without one
    pairs: int = 0  # how many pairs made p
    skipped: bool = False  # the step's own pair was not kept, for lack of positive curvature


def two_loops(pairs: Pairs, g: Vector) -> Vector:
    """−Hg, with the inverse Hessian H that starts from γI and obeys Hy = s for the pairs, oldest first.

        H ← (I − ρsyᵀ)H(I − ρysᵀ) + ρssᵀ   for each pair, without ever forming H

    >>> s, y = np.array([1.0, 0.0]), np.array([4.0, 0.0])
    >>> two_loops([(s, y)], np.array([4.0, 8.0]))
    array([-1., -2.])
    """
    q, shares = g, []
    for s, y in reversed(pairs):
        share = float(s @ q) / float(s @ y)
        q = q - share * y
        shares.append(share)
    q = _gamma(pairs) * q
    for (s, y), share in zip(pairs, reversed(shares), strict=True):
        q = q + (share - float(y @ q) / float(s @ y)) * s
    return -q


def _gamma(pairs: Pairs) -> float:
    if not pairs:
        return math.nan
    s, y = pairs[-1]
    unit = unit_of(y)
    return unit * float(s @ (unit * y)) / float((unit * y) @ (unit * y))


class LBFGSSolver(VectorSolver):
    """L-BFGS steps for any `Objective`; see `LBFGS` for the options."""

    def __init__(
        self, lr: float = 1.0, *, history: int = 10, line_search: str | None = "strong-wolfe", noise: float = NOISE
    ) -> None:
        self.lr, self.history, self.line_search, self.noise = lr, history, line_search, noise
        self.pairs: Pairs = []

    def state(self) -> dict[str, Any]:
        return {"pairs": list(self.pairs)}

    def restore(self, state: Mapping[str, Any]) -> None:
        self.pairs = list(state["pairs"])

    def step(self, objective: Objective, here: Evaluation, eta: float = math.nan) -> tuple[Evaluation, LBFGSInfo]:
        g, pairs = here.g, self.pairs
        p = two_loops(pairs, g) if pairs else _first_direction(here)
        found = line_search(self.line_search, objective, here, p, self.lr, self.noise)
        tried = found.trials
        if found.there is None and pairs and found.why not in STILL:  # what was learnt misleads here: forget it
            pairs, p = [], _first_direction(here)
            found = line_search(self.line_search, objective, here, p, self.lr, self.noise)
            tried += found.trials
        there = found.there
        if there is None:
            return here, LBFGSInfo(status=found.status, why=found.why, rejections=tried, pairs=len(pairs))
        s, y = there.x - here.x, there.g - g  # not quite a·p where parameters are float32
        kept = float(s @ y) > EPS * abs(float(s @ g))
        self.pairs = [*pairs, (s, y)][-self.history :] if kept else pairs
        return there, LBFGSInfo(
            True, predicted=-found.a * (1 - 0.5 * found.a) * float(g @ p), actual=here.f - there.f,
            step_norm=float(np.linalg.norm(s)), why=found.why, rejections=tried - 1, step_length=found.a,
            gamma=_gamma(self.pairs), pairs=len(pairs), skipped=not kept, noise=blind(here, there, self.noise),
        )  # fmt: skip


def _first_direction(here: Evaluation) -> Vector:
    """−g with a length that depends on x, not on the units of f: max(1, ‖x‖/10)."""
    unit = unit_of(here.g)
    size = float(np.linalg.norm(unit * here.g))
    return -unit * here.g * (max(1.0, 0.1 * float(np.linalg.norm(here.x))) / size if size else 0.0)


class LBFGS(ClosureOptimizer):
    """Quasi-Newton steps: the last `history` steps, and how the gradient changed over them, stand for the Hessian.

        w ← w + a·p,   p = −Hg by the two loops,   H ≈ (∇²f)⁻¹ from γI and the pairs (s, y)

    One `step` is one iteration: one direction and one line search, about one call of the closure more than its trials. The
    pairs are made inside a step, from gradients of the same closure, so the course does not depend on how many steps are
    taken at a time. A pair without positive curvature, sᵀy ≤ eps·|sᵀg|, is skipped. The first step, of length
    max(1, ‖w‖/10) before the line search, does not depend on the units of f.

    Whatever happens in the closure (NaN, an exception, Ctrl-C), the parameters are those of the last accepted step. Take one
    batch for each step, and switch off dropout. If other parameters are frozen than before, the history starts anew.

    Args:
        params: see `Optimizer`. Groups may differ in weight_decay only, for a step has one direction and one length.
        lr: the first a that is tried, ≥ 0.
        history: how many pairs are kept, ≥ 1.
        line_search: "strong-wolfe", "armijo", or None: a = lr, whatever f does.
        weight_decay: λ ≥ 0 adds ½λ‖w‖² to f and g.

    Raises (of `step`):
        FloatingPointError: the loss or its gradient is not finite at the present parameters.

    Where we differ from torch: `step` is one iteration there with max_iter=1, and then the first is 1/‖g‖₁ long.

    >>> from minigrad import Tensor
    >>> p = Tensor([-1.2, 1.0], requires_grad=True)
    >>> optimizer = LBFGS([p])
    >>> for _ in range(40):
    ...     loss = optimizer.step(lambda: 100 * (p[1] - p[0] ** 2) ** 2 + (1 - p[0]) ** 2)
    >>> p.data.round(6)
    array([1., 1.])
    """

    _solver: LBFGSSolver

    def __init__(
        self, params: Params, lr: float = 1.0, *, history: int = 10, line_search: str | None = "strong-wolfe",
        weight_decay: float = 0.0,
    ) -> None:  # fmt: skip
        self._made_of: list[str] = []  # the names of the parameters that the pairs belong to
        super().__init__(
            params, LBFGSSolver(), lr=lr, history=history, line_search=line_search, weight_decay=weight_decay
        )  # fmt: skip

    def _about_to_step(self, slices: Sequence[ParamSlice]) -> None:
        names = [param.name for param in slices]
        if names != self._made_of:
            self._made_of, self._solver.pairs = names, []

    def state_dict(self) -> Values:
        """As of `Optimizer`, with the pairs "s" and "y" of each parameter, (k, *shape), oldest first."""
        saved, lo = super().state_dict(), 0
        slices = {param.name: param for param in self._slices()}
        for name in self._made_of if self._solver.pairs else ():
            shape, hi = slices[name].shape, lo + slices[name].tensor.size
            for i, key in enumerate("sy"):
                saved["state"][name][key] = np.stack([pair[i][lo:hi].reshape(shape) for pair in self._solver.pairs])
            lo = hi
        return saved

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over what `state_dict` gave, by parameter name and shape; see `Optimizer`."""
        states = state_dict.get("state") if isinstance(state_dict, Mapping) else None
        if not isinstance(states, Mapping) or not all(isinstance(state, Mapping) for state in states.values()):
            return super().load_state_dict(state_dict)  # which says what is wrong
        slices = [param for param in self._slices() if states.get(param.name, {}).keys() & {"s", "y"}]
        halves = [[self._half(param, states[param.name], key) for param in slices] for key in "sy"]
        if len(lengths := sorted({len(rows) for half in halves for rows in half})) > 1:
            raise ValueError(f"`LBFGS.load_state_dict`: every parameter must have as many pairs, got {lengths}.")
        plain = {name: {k: v for k, v in state.items() if k not in ("s", "y")} for name, state in states.items()}
        super().load_state_dict({**state_dict, "state": plain})
        self._made_of = [param.name for param in slices]
        S, Y = ([np.concatenate(rows) for rows in zip(*half, strict=True)] for half in halves)
        self._solver.pairs = list(zip(S, Y, strict=True))

    @staticmethod
    def _half(param: ParamSlice, state: Mapping[str, Any], key: str) -> Vector:
        rows = np.asarray(state.get(key, ()), dtype=np.float64)
        if rows.ndim == 0 or rows.shape[1:] != param.shape:
            raise ValueError(
                f"`LBFGS.load_state_dict`: {key!r} of {param.name!r} must have shape (pairs, *{param.shape}), got {rows.shape}."
            )
        return rows.reshape(len(rows), -1).copy()
