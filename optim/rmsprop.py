"""RMSprop: each weight's gradient divided by its own recent size."""

from __future__ import annotations

from typing import Any

import numpy as np

from optim.base.first_order import Array, FirstOrder, Params, Values

__all__ = ["RMSprop"]


class RMSprop(FirstOrder):
    """Divide each weight's gradient by the root of its running mean square, so all weights move at about the
    same pace.

        g ← g + λw
        v ← αv + (1−α)g²
        d = √v + ε                  centered: ḡ ← αḡ + (1−α)g,  d = √(v − ḡ²) + ε
        w ← w − lr·g/d              with momentum: b ← μb + g/d,  w ← w − lr·b

    Args:
        params: see `Optimizer`.
        lr: step length, ≥ 0.
        alpha: α in [0, 1), the memory of v.
        eps: ε ≥ 0, outside the root. It is raised to at least the smallest normal number of the parameters'
            dtype (6e-5 in float16), so that a weight without slope stays.
        weight_decay: λ ≥ 0, the coefficient of ½λ‖w‖² added to the loss.
        momentum: μ in [0, 1].
        centered: divide by the standard deviation rather than the root mean square.
        maximize: climb: −g in place of g.

    Reference: Hinton's lecture 6e, 2012; centered: Graves 2013. As torch, with one difference: v − ḡ² is at
    least 0, where rounding would make it negative and the step NaN.

    >>> from minigrad import Tensor
    >>> p = Tensor([100.0, 0.01], requires_grad=True)
    >>> _ = RMSprop([p], lr=0.5, alpha=0.75).step(lambda: (p * p).sum())
    >>> p.data.round(4)
    array([99.  , -0.99])
    """

    state_names = ("v", "g_mean", "b")
    state_needs = {"g_mean": "centered", "b": "momentum"}  # noqa: RUF012  # a constant, typed by the base

    def __init__(
        self,
        params: Params,
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        centered: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params, lr=lr, alpha=alpha, eps=eps, weight_decay=weight_decay, momentum=momentum,
            centered=centered,
            maximize=maximize,
        )  # fmt: skip

    @staticmethod
    def second_moment(state: Values, t: int, options: Values) -> Array:
        v: Array = state["v"]
        m = state["g_mean"]
        return np.maximum(v - m * m, 0) if options["centered"] else v

    @staticmethod
    def rule(
        w: Array,
        g: Array,
        v: Array,
        g_mean: Array,
        b: Array,
        *,
        t: int,
        lr: float,
        alpha: float,
        eps: float,
        weight_decay: float,
        momentum: float,
        centered: bool,
    ) -> dict[str, Any]:
        out: dict[str, Any] = {}
        if weight_decay:
            g = g + weight_decay * w
        v = out["v"] = alpha * v + (1 - alpha) * g * g
        if centered:
            g_mean = out["g_mean"] = alpha * g_mean + (1 - alpha) * g
            v = np.maximum(v - g_mean * g_mean, 0)
        scaled = g / (np.sqrt(v) + eps)
        if momentum:
            scaled = out["b"] = momentum * b + scaled
        step = lr * scaled
        return {"w": w - step, **out, "step": step}
