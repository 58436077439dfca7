"""Adagrad: each weight's gradient divided by the size of all its gradients so far."""

from __future__ import annotations

from typing import Any

import numpy as np

from optim.base.first_order import Array, FirstOrder, Params, Values

__all__ = ["Adagrad"]


class Adagrad(FirstOrder):
    """Divide each weight's gradient by the root of the sum of its squares so far: weights of rare features
    keep taking long steps.

        g ← g + λw
        s ← s + g²
        w ← w − lr/(1 + (t−1)·η) · g/(√s + ε)

    Args:
        params: see `Optimizer`.
        lr: length of the first step, ≥ 0.
        lr_decay: η ≥ 0.
        weight_decay: λ ≥ 0, the coefficient of ½λ‖w‖² added to the loss.
        initial_accumulator_value: the first s, ≥ 0. Setting it later has no effect on parameters already
            there.
        eps: ε ≥ 0, outside the root. It is raised to at least the smallest normal number of the parameters'
            dtype (6e-5 in float16), so that a weight without slope stays.
        maximize: climb: −g in place of g.

    Reference: Duchi, Hazan and Singer 2011; as torch.

    >>> from minigrad import Tensor
    >>> p = Tensor([100.0, 0.01], requires_grad=True)
    >>> _ = Adagrad([p], lr=0.5).step(lambda: (p * p).sum())
    >>> p.data.round(6)
    array([99.5 , -0.49])
    """

    state_names = ("s",)

    def __init__(
        self,
        params: Params,
        lr: float = 1e-2,
        lr_decay: float = 0.0,
        weight_decay: float = 0.0,
        initial_accumulator_value: float = 0.0,
        eps: float = 1e-10,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr=lr,
            lr_decay=lr_decay,
            weight_decay=weight_decay,
            initial_accumulator_value=initial_accumulator_value,
            eps=eps,
            maximize=maximize,
        )

    def initial(self, name: str, options: Values) -> float:
        return float(options["initial_accumulator_value"])

    @staticmethod
    def second_moment(state: Values, t: int, options: Values) -> Array:
        s: Array = state["s"]
        return s

    @staticmethod
    def rate(t: int, options: Values) -> float:
        return options["lr"] / (1 + (t - 1) * options["lr_decay"])  # type: ignore[no-any-return]  # as in the base

    @staticmethod
    def rule(
        w: Array,
        g: Array,
        s: Array,
        *,
        t: int,
        lr: float,
        lr_decay: float,
        weight_decay: float,
        initial_accumulator_value: float,
        eps: float,
    ) -> dict[str, Any]:
        if weight_decay:
            g = g + weight_decay * w
        s = s + g * g
        rate = lr / (1 + (t - 1) * lr_decay) if lr_decay else lr
        step = rate * g / (np.sqrt(s) + eps)
        return {"w": w - step, "s": s, "step": step}
