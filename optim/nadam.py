"""NAdam: Adam that looks ahead as Nesterov's momentum does."""

from __future__ import annotations

from typing import Any

import numpy as np

from optim.base.first_order import Array, FirstOrder, Params, Values

__all__ = ["NAdam"]


class NAdam(FirstOrder):
    """Adam with Nesterov's look-ahead: the step adds the present gradient to the average as the next step
    would weigh it.

        g ← g + λw                             decoupled_weight_decay: w ← (1 − lr·λ)w in its place
        μₜ = β₁(1 − ½·0.96^(tψ))               Πₜ = μ₁μ₂…μₜ
        m ← β₁m + (1−β₁)g
        v ← β₂v + (1−β₂)g²                     v̂ = v/(1−β₂ᵗ)
        m̂ = μₜ₊₁·m/(1−Πₜ₊₁) + (1−μₜ)·g/(1−Πₜ)
        w ← w − lr·m̂/(√v̂ + ε)

    Args:
        params: see `Optimizer`.
        lr: about the length of a step in each weight, ≥ 0.
        betas: (β₁, β₂), each in [0, 1).
        eps: ε ≥ 0, outside the root. It is raised to at least the smallest normal number of the parameters'
            dtype (6e-5 in float16), so that a weight without slope stays.
        weight_decay: λ ≥ 0.
        momentum_decay: ψ ≥ 0, how fast μ rises from ½β₁ to β₁.
        decoupled_weight_decay: decay the weights themselves, as `AdamW` does.
        maximize: climb: −g in place of g.

    Reference: Dozat 2016; as torch.

    >>> from minigrad import Tensor
    >>> p = Tensor([1.0], requires_grad=True)
    >>> opt = NAdam([p], lr=0.125)
    >>> [round(opt.step(lambda: (p * p).sum()).item(), 3) for _ in range(3)]
    [1.0, 0.753, 0.603]
    """

    state_names = ("m", "v")
    scalars = {"mu_product": 1.0}  # noqa: RUF012  # a constant, typed by the base

    def __init__(
        self,
        params: Params,
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, momentum_decay=momentum_decay,
            decoupled_weight_decay=decoupled_weight_decay, maximize=maximize,
        )  # fmt: skip

    @staticmethod
    def second_moment(state: Values, t: int, options: Values) -> Array:
        correction: float = 1 / (1 - options["betas"][1] ** t)
        v: Array = state["v"]
        return correction * v

    @staticmethod
    def rule(
        w: Array,
        g: Array,
        m: Array,
        v: Array,
        *,
        t: int,
        mu_product: float,
        lr: float,
        betas: tuple[float, float],
        eps: float,
        weight_decay: float,
        momentum_decay: float,
        decoupled_weight_decay: bool,
    ) -> dict[str, Any]:
        β1, β2 = betas
        decay: Any = 0.0
        if weight_decay and decoupled_weight_decay:
            decay = lr * weight_decay * w
            w = (1 - lr * weight_decay) * w
        elif weight_decay:
            g = g + weight_decay * w
        μ, μ_next = (
            β1 * (1 - 0.5 * (0.96 ** (k * momentum_decay) if momentum_decay else 1)) for k in (t, t + 1)
        )
        Π = mu_product * μ
        m = β1 * m + (1 - β1) * g
        v = β2 * v + (1 - β2) * g * g
        m_hat = μ_next / (1 - Π * μ_next) * m + (1 - μ) / (1 - Π) * g
        v_hat = 1 / (1 - β2**t) * v
        step = lr * m_hat / (np.sqrt(v_hat) + eps)
        moved = step + decay if decoupled_weight_decay and weight_decay else step
        return {
            "w": w - step, "m": m, "v": v, "m_hat": m_hat, "v_hat": v_hat, "step": moved, "mu_product": Π,
        }  # fmt: skip
