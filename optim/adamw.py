"""AdamW: Adam with weight decay that acts on the weights themselves."""

from __future__ import annotations

from typing import Any

from optim.adam import Adam
from optim.base.first_order import Array, Params

__all__ = ["AdamW"]


class AdamW(Adam):
    """Shrink the weights by a fixed fraction, then take Adam's step; the decay is not divided by the
    gradient's size.

        w ← (1 − lr·λ)w
        w ← w − lr·m̂/(√v̂ + ε)        m̂, v̂ as in `Adam`, of the bare gradient

    Args:
        weight_decay: λ ≥ 0, the fraction, in units of lr, that is taken off at each step.
        params, lr, betas, eps, amsgrad, maximize: as in `Adam`.

    Reference: Loshchilov and Hutter 2019; as in torch the decay is multiplied by lr, which the paper's λ is
        not.

    >>> from minigrad import Tensor
    >>> p = Tensor([100.0, 0.01], requires_grad=True)
    >>> _ = AdamW([p], lr=0.5, weight_decay=0.02).step(lambda: (p * p).sum())
    >>> p.data.round(6)
    array([98.5   , -0.4901])
    """

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, maximize=maximize)

    @staticmethod
    def rule(w: Array, *args: Any, lr: float, weight_decay: float, **options: Any) -> dict[str, Any]:
        if not weight_decay:
            return Adam.rule(w, *args, lr=lr, weight_decay=0.0, **options)
        out = Adam.rule((1 - lr * weight_decay) * w, *args, lr=lr, weight_decay=0.0, **options)
        return out | {"adam_step": out["step"], "step": lr * weight_decay * w + out["step"]}
