"""Lion: steps by the sign of a blend of momentum and gradient."""

from __future__ import annotations

from typing import Any

import numpy as np

from optim.base.first_order import Array, FirstOrder, Params

__all__ = ["Lion"]


class Lion(FirstOrder):
    """Move every weight by lr against the sign of a blend of momentum and gradient.

        c = β₁m + (1−β₁)g
        w ← w − lr·(sign c + λw)
        m ← β₂m + (1−β₂)g

    Args:
        params: see `Optimizer`.
        lr: length of the step in each weight, ≥ 0; 3 to 10 times smaller than for `AdamW`.
        betas: (β₁, β₂), each in [0, 1).
        weight_decay: λ ≥ 0, decoupled; 3 to 10 times larger than for `AdamW`.
        maximize: climb: −g in place of g.

    Reference: Chen et al. 2023, algorithm 2. torch has no such class.

    >>> from minigrad import Tensor
    >>> p = Tensor([100.0, 0.01], requires_grad=True)
    >>> _ = Lion([p], lr=0.5).step(lambda: (p * p).sum())
    >>> p.data
    array([99.5 , -0.49])
    """

    state_names = ("m",)

    def __init__(
        self,
        params: Params,
        lr: float = 1e-4,
        betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, lr=lr, betas=betas, weight_decay=weight_decay, maximize=maximize)

    @staticmethod
    def rule(
        w: Array, g: Array, m: Array, *, t: int, lr: float, betas: tuple[float, float], weight_decay: float
    ) -> dict[str, Any]:
        β1, β2 = betas
        c = β1 * m + (1 - β1) * g
        direction = np.sign(c) + weight_decay * w if weight_decay else np.sign(c)
        step = lr * direction
        return {"w": w - step, "m": β2 * m + (1 - β2) * g, "c": c, "step": step}
