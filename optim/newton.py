"""Newton's method with the whole Hessian, as an optimizer that takes a closure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from optim.base.groups import Values
from optim.base.optimizer import Params
from optim.base.options import POSITIVE, checked
from optim.second_order.closure_optimizer import ClosureOptimizer
from optim.second_order.dense_newton import DenseNewton
from optim.second_order.trial import CUTOFF
from optim.second_order.trust_region import require_trust_region

__all__ = ["Newton"]


class Newton(ClosureOptimizer):
    """Newton's method: go to the minimum of f's quadratic model, which is modified where it has none.

        w ← w − a·V(c/d),   H = VΛVᵀ,   c = Vᵀg

    | modification | d in place of λ | |
    |---|---|---|
    | "none" | λ | −H⁻¹g, the textbook: it goes to saddle points as well as to minima |
    | "shift" | λ + τ | enough of the identity added (Nocedal and Wright, algorithm 3.3) |
    | "abs" | max(|λ|, δ) | saddle-free: away along negative curvature (Dauphin et al. 2014) |
    | "clip" | max(λ, δ) | far along negative curvature |
    | "pinv" | λ, or ∞ if |λ| ≤ δ | −H⁺g: "none" for a singular H, which networks often have |
    | "trust" | λ + μ | the minimum of the parabola within ‖p‖ ≤ Δ (Moré and Sorensen 1983) |

    with δ = cutoff·max|λ|. Where some |λ| of "abs", "clip" or "pinv" lie below δ, and none would if rows and
    columns of H were scaled to 1, the rule is applied to the scaled H: so a parameter in other units is not
    taken for a flat direction. With `modification="none", line_search=None` this is the pure method. At a
    saddle point itself, where the slope says nothing, "shift", "abs" and "clip" leave along the most negative
    curvature.

    Whatever happens in the closure (NaN, an exception, Ctrl-C), the parameters are those of the last accepted
    step. Take one batch for each step, and switch off dropout. The whole Hessian costs about n gradients, its
    eigenvectors 10n³ operations.

    Args:
        params: see `Optimizer`. Groups may differ in weight_decay only: a step has one direction and one
            length for all parameters, and an lr for each group would turn it away from the direction in which
            f falls.
        lr: the first a that is tried, ≥ 0; 1 is Newton's. With "trust" it has to be 1.
        modification: see above.
        cutoff: δ as a share of max|λ|, in (0, 1); √eps = 1.5e-8 by default. "pinv" does not move along
            smaller |λ|, "abs" and "clip" take δ in their place.
        initial_radius: the first Δ of "trust", > 0; None chooses it from g and H. Later steps adapt it.
        lambda_tol: λmin counts as negative where it lies below −lambda_tol·max|λ|, and below its own
            rounding; in [0, 1).
        damping: ≥ 0, added to every d; in units of curvature.
        line_search: "armijo", which halves the step until f falls, "strong-wolfe", or None:
            a = lr, whatever f does. "trust" needs none and uses none.
        dense_limit: the largest n allowed.
        weight_decay: λ ≥ 0 adds ½λ‖w‖² to f, g and H.

    Raises (of `step`):
        SingularHessianError: H is singular up to rounding, and modification is "none". It is a LinAlgError.
        FloatingPointError: the loss, its gradient or H is not finite at the present parameters.
        ValueError: n > dense_limit.

    >>> import numpy as np
    >>> from minigrad import Tensor
    >>> p = Tensor([5.0, 1.0], requires_grad=True)
    >>> optimizer = Newton([p])
    >>> loss = optimizer.step(lambda: (p[0] - p[1]) ** 2 + 3 * p[1] ** 2)  # a quadratic takes one step
    >>> np.allclose(p.data, 0), round(optimizer.last_step.lambda_min, 3)
    (True, 1.394)
    """

    _method: DenseNewton

    def __init__(
        self,
        params: Params,
        lr: float = 1.0,
        *,
        modification: str = "abs",
        damping: float = 0.0,
        line_search: str | None = "armijo",
        dense_limit: int = 3000,
        cutoff: float = CUTOFF,
        initial_radius: float | None = None,
        lambda_tol: float = 0.0,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(
            params, DenseNewton(), lr=lr, modification=modification, damping=damping, line_search=line_search,
            dense_limit=dense_limit, cutoff=cutoff, initial_radius=initial_radius, lambda_tol=lambda_tol,
            weight_decay=weight_decay,
        )  # fmt: skip

    def consistent(self, options: Values) -> None:
        if options["modification"] == "trust" and options["lr"] != 1:
            raise ValueError(
                f'`Newton(lr=...)` must be 1 with modification="trust", got {options["lr"]!r}: the radius '
                "sets the length."
            )
        require_trust_region("Newton", options["initial_radius"], options["modification"] == "trust")

    def state_dict(self) -> Values:
        """As of `Optimizer`, with the trust region's radius."""
        return super().state_dict() | self._method.state()

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over the result of `state_dict`; see `Optimizer`."""
        radius = state_dict.get("radius") if isinstance(state_dict, Mapping) else None
        if radius is not None:
            radius = checked("Newton.load_state_dict", "radius", radius, POSITIVE)
        super().load_state_dict(state_dict)
        self._method.restore({"radius": radius})
