"""Stochastic gradient descent, plain or with heavy-ball or Nesterov momentum."""

from __future__ import annotations

from typing import Any

from optim.base.first_order import Array, FirstOrder, Params, Values

__all__ = ["SGD"]


class SGD(FirstOrder):
    """Walk against the gradient; with momentum, against a decaying sum of all gradients so far.

        g ← g + λw
        b ← μb + (1−τ)g        b = g the first time
        w ← w − lr·b           nesterov: w − lr·(g + μb);  without momentum: w − lr·g

    Args:
        params: see `Optimizer`.
        lr: step length, ≥ 0.
        momentum: μ in [0, 1]. Unlike in `Momentum`, b grows to g/(1−μ) under a constant gradient.
        dampening: τ in [0, 1].
        weight_decay: λ ≥ 0, the coefficient of ½λ‖w‖² added to the loss.
        nesterov: look ahead; needs momentum > 0 and no dampening.
        maximize: climb: −g in place of g, before weight decay is added.

    Reference: Polyak 1964; Nesterov 1983; Sutskever et al. 2013. The form, and the undamped first step, are
        torch's.

    >>> from minigrad import Tensor
    >>> p = Tensor([1.0], requires_grad=True)
    >>> opt = SGD([p], lr=0.25)
    >>> [opt.step(lambda: (p * p).sum()).item() for _ in range(3)]
    [1.0, 0.25, 0.0625]
    """

    state_names = ("b",)
    state_needs = {"b": "momentum"}  # noqa: RUF012  # a constant, typed by the base
    scalars = {"started": 0}  # noqa: RUF012  # a constant, typed by the base; b has been set, not the same as t > 1

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr=lr,
            momentum=momentum,
            dampening=dampening,
            weight_decay=weight_decay,
            nesterov=nesterov,
            maximize=maximize,
        )

    def consistent(self, options: Values) -> None:
        if options["nesterov"] and (options["momentum"] == 0 or options["dampening"] != 0):
            raise ValueError(
                "`SGD(nesterov=True)` needs momentum > 0 and dampening = 0, got "
                f"momentum={options['momentum']}, dampening={options['dampening']}."
            )

    @staticmethod
    def rule(
        w: Array,
        g: Array,
        b: Array,
        *,
        t: int,
        started: int,
        lr: float,
        momentum: float,
        dampening: float,
        weight_decay: float,
        nesterov: bool,
    ) -> dict[str, Any]:
        if weight_decay:
            g = g + weight_decay * w
        if not momentum:
            step = lr * g
            return {"w": w - step, "step": step}
        b = momentum * b + (1 - dampening) * g if started else g
        step = lr * (g + momentum * b if nesterov else b)
        return {"w": w - step, "b": b, "step": step, "started": 1}
