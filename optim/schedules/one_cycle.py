"""One cycle of learning rate and momentum."""

from __future__ import annotations

import math
from typing import Any

from optim.base.optimizer import Optimizer
from optim.base.options import (
    COUNT,
    FINITE_POSITIVE,
    FLAG,
    UP_TO_ONE,
    WITHIN_ONE,
    choice,
)
from optim.schedules.base import LRSchedule, PerGroup

__all__ = ["OneCycleLR"]


class OneCycleLR(LRSchedule):
    """Let the rate rise to `max_lr` and fall far below where it began, and momentum do the opposite.

    Epochs 0 to pct·N−1 lead from max_lr/div_factor up to max_lr, the rest down to
    max_lr/div_factor/final_div_factor; with `three_phase` the fall first mirrors the rise. Momentum
    (`betas[0]`, `momentum` or `beta`, whichever the optimizer has) goes from `max_momentum` to
    `base_momentum` and back.

    Args:
        optimizer: the optimizer whose rates are set.
        max_lr: > 0; or one for each group.
        total_steps: N, in calls of `step()`; or else give both
        epochs, steps_per_epoch: N is their product.
        pct_start: the part of N spent rising, in [0, 1].
        anneal_strategy: "cos" or "linear".
        cycle_momentum: whether momentum moves.
        base_momentum, max_momentum: in [0, 1); or one for each group.
        div_factor, final_div_factor: > 0.
        three_phase: see above.

    Raises:
        ValueError: also in `step()`, when it is called more than N times.

    Reference: Smith and Topin 2018; as torch up to epoch N−1. At epoch N, which a usual loop reaches without
    using it, the rate stays where it is, while torch extrapolates (to a negative rate, for "linear").

    >>> from minigrad import Tensor
    >>> from optim import SGD
    >>> sgd = SGD([Tensor([1.0], requires_grad=True)], momentum=0.9)
    >>> schedule = OneCycleLR(sgd, max_lr=1.0, total_steps=6)
    >>> [(schedule.step(), round(schedule.get_last_lr()[0], 3))[1] for _ in range(5)]
    [0.994, 0.812, 0.463, 0.133, 0.0]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: PerGroup[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: PerGroup[float] = 0.85,
        max_momentum: PerGroup[float] = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
    ) -> None:
        if total_steps is None:
            if epochs is None or steps_per_epoch is None:
                raise ValueError("`OneCycleLR` needs total_steps, or both epochs and steps_per_epoch.")
            total_steps = self._check("epochs", epochs, COUNT) * self._check(
                "steps_per_epoch", steps_per_epoch, COUNT
            )
        self.total_steps = self._check("total_steps", total_steps, COUNT)
        self.pct_start = self._check("pct_start", pct_start, UP_TO_ONE)
        self.anneal_strategy = self._check("anneal_strategy", anneal_strategy, choice("cos", "linear"))
        self.cycle_momentum = self._check("cycle_momentum", cycle_momentum, FLAG)
        self.three_phase = self._check("three_phase", three_phase, FLAG)
        self.max_lr = self._for_each("max_lr", max_lr, optimizer, FINITE_POSITIVE)
        self.base_momentum = self._for_each("base_momentum", base_momentum, optimizer, WITHIN_ONE)
        self.max_momentum = self._for_each("max_momentum", max_momentum, optimizer, WITHIN_ONE)
        self.div_factor = self._check("div_factor", div_factor, FINITE_POSITIVE)
        self.final_div_factor = self._check("final_div_factor", final_div_factor, FINITE_POSITIVE)
        if self.cycle_momentum and not all(
            {"betas", "momentum", "beta"} & group.keys() for group in optimizer.param_groups
        ):
            raise ValueError(
                "`OneCycleLR(cycle_momentum=True)` needs an optimizer with momentum, and "
                f"{type(optimizer).__name__} has none. Pass cycle_momentum=False."
            )
        for group, top in zip(optimizer.param_groups, self.max_lr, strict=True):
            group["initial_lr"] = top / self.div_factor
        super().__init__(optimizer)

    def position(self) -> tuple[int, float]:
        """The present phase (0 rising, 1 falling, 2 falling further) and how much of it is done, in [0,
        1]."""
        n, rise = self.total_steps, self.pct_start * self.total_steps
        ends = [rise - 1, 2 * rise - 2, n - 1] if self.three_phase else [rise - 1, n - 1]
        start = 0.0
        for phase, end in enumerate(ends):
            if self.last_epoch <= end or phase == len(ends) - 1:
                break
            start = end
        return phase, min(1.0, (self.last_epoch - start) / (end - start)) if end > start else 1.0

    def rates(self) -> list[float]:
        if self.last_epoch > self.total_steps:
            raise ValueError(
                f"`OneCycleLR.step()` was called more than total_steps={self.total_steps} times."
            )
        phase, done = self.position()
        rates, tops = [], self._of_groups("max_lr", self.max_lr)
        for i, group in enumerate(self.groups):
            low, top = group["initial_lr"], tops[i]
            heights = (
                [low, top, low, low / self.final_div_factor]
                if self.three_phase
                else [low, top, low / self.final_div_factor]
            )
            rates.append(self._anneal(heights[phase], heights[phase + 1], done))
            if self.cycle_momentum:
                rest, peak = self.max_momentum[i], self.base_momentum[i]
                momenta = [rest, peak, rest, rest]
                _set_momentum(group, self._anneal(momenta[phase], momenta[phase + 1], done))
        return rates

    def _taken_over(self) -> None:
        self.rates()  # sets the momentum

    def _anneal(self, start: float, end: float, done: float) -> float:
        if self.anneal_strategy == "cos":
            return end + (start - end) / 2 * (1 + math.cos(math.pi * done))
        return start + (end - start) * done


def _set_momentum(group: Any, value: float) -> None:
    if "betas" in group:
        group["betas"] = (value, group["betas"][1])
    else:
        group["momentum" if "momentum" in group else "beta"] = value
