"""Momentum as the textbooks write it: descent along an exponential average of the gradients."""

from __future__ import annotations

from typing import Any

from optim.base.first_order import Array, FirstOrder, Params

__all__ = ["Momentum"]


class Momentum(FirstOrder):
    """Walk against the exponential average of the gradients, so the step length stays that of plain descent.

        g ← g + λw
        m ← βm + (1−β)g
        w ← w − lr·m           bias_correction: w − lr·m/(1−βᵗ)

    Args:
        params: see `Optimizer`.
        lr: step length, ≥ 0.
        beta: β in [0, 1), the memory: about 1/(1−β) steps.
        bias_correction: make up for m having started at zero.
        weight_decay: λ ≥ 0, the coefficient of ½λ‖w‖² added to the loss.
        maximize: climb: −g in place of g.

    Without bias correction it takes the steps of the heavy ball `SGD(lr=lr·(1−β), momentum=β)`. torch has no
    such class.

    >>> from minigrad import Tensor
    >>> p = Tensor([1.0], requires_grad=True)
    >>> opt = Momentum([p], lr=0.25, beta=0.5)
    >>> [opt.step(lambda: (p * p).sum()).item() for _ in range(3)]
    [1.0, 0.5625, 0.19140625]
    """

    state_names = ("m",)

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        beta: float = 0.9,
        *,
        bias_correction: bool = False,
        weight_decay: float = 0.0,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr=lr,
            beta=beta,
            bias_correction=bias_correction,
            weight_decay=weight_decay,
            maximize=maximize,
        )

    @staticmethod
    def rule(
        w: Array,
        g: Array,
        m: Array,
        *,
        t: int,
        lr: float,
        beta: float,
        bias_correction: bool,
        weight_decay: float,
    ) -> dict[str, Any]:
        if weight_decay:
            g = g + weight_decay * w
        m = beta * m + (1 - beta) * g
        m_hat = 1 / (1 - beta**t) * m if bias_correction else m
        step = lr * m_hat
        return {"w": w - step, "m": m, "m_hat": m_hat, "step": step}
