"""Adam: momentum divided by the recent size of the gradient, both corrected for having started at zero."""

from __future__ import annotations

from typing import Any

import numpy as np

from optim.base.first_order import Array, FirstOrder, Params, Values

__all__ = ["Adam"]


class Adam(FirstOrder):
    """Average the gradient and its square; step by their ratio, which is about lr for a steady gradient of
    any size.

        g ← g + λw
        m ← β₁m + (1−β₁)g          m̂ = m/(1−β₁ᵗ)
        v ← β₂v + (1−β₂)g²         v̂ = v/(1−β₂ᵗ)        amsgrad: v̂ = max over time of v, divided by (1−β₂ᵗ)
        w ← w − lr·m̂/(√v̂ + ε)

    Args:
        params: see `Optimizer`.
        lr: about the length of a step in each weight, ≥ 0.
        betas: (β₁, β₂), each in [0, 1): the memories of m and v.
        eps: ε ≥ 0, outside the root and after the correction. It is raised to at least the smallest normal
            number of the parameters' dtype (6e-5 in float16), so that a weight without slope stays.
        weight_decay: λ ≥ 0, the coefficient of ½λ‖w‖² added to the loss. It passes through m and v; see
            `AdamW`.
        amsgrad: divide by the largest v so far.
        maximize: climb: −g in place of g.

    Reference: Kingma and Ba 2015; Reddi et al. 2018 for amsgrad, which like torch takes the maximum of v, not
        of v̂.

    >>> from minigrad import Tensor
    >>> p = Tensor([100.0, 0.01], requires_grad=True)
    >>> _ = Adam([p], lr=0.5).step(lambda: (p * p).sum())
    >>> p.data.round(6)
    array([99.5 , -0.49])
    """

    state_names = ("m", "v", "v_max")
    state_needs = {"v_max": "amsgrad"}  # noqa: RUF012  # a constant, typed by the base

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, amsgrad=amsgrad, maximize=maximize
        )

    @staticmethod
    def second_moment(state: Values, t: int, options: Values) -> Array:
        v: Array = state["v_max" if options["amsgrad"] else "v"]
        correction: float = 1 / (1 - options["betas"][1] ** t)
        return correction * v

    @staticmethod
    def rule(
        w: Array,
        g: Array,
        m: Array,
        v: Array,
        v_max: Array,
        *,
        t: int,
        lr: float,
        betas: tuple[float, float],
        eps: float,
        weight_decay: float,
        amsgrad: bool,
    ) -> dict[str, Any]:
        β1, β2 = betas
        if weight_decay:
            g = g + weight_decay * w
        m = β1 * m + (1 - β1) * g
        v = β2 * v + (1 - β2) * g * g
        if amsgrad:
            v_max = np.maximum(v_max, v)
        m_hat = 1 / (1 - β1**t) * m  # in this order only numbers are divided, which is cheaper
        v_hat = 1 / (1 - β2**t) * (v_max if amsgrad else v)
        step = lr * m_hat / (np.sqrt(v_hat) + eps)
        out = {"w": w - step, "m": m, "v": v, "m_hat": m_hat, "v_hat": v_hat, "step": step}
        return out | {"v_max": v_max} if amsgrad else out
