"""Schedules that follow a formula of the epoch."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from optim.base.optimizer import Optimizer
from optim.base.options import (
    COUNT,
    NON_NEGATIVE,
    UP_TO_ONE,
)
from optim.schedules.base import MILESTONES, START_FACTOR, LRSchedule, PerGroup

__all__ = [
    "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "StepLR",
]


class StepLR(LRSchedule):
    """Multiply the rate by `gamma` every `step_size` epochs.

    Args:
        optimizer: the optimizer whose rates are set.
        step_size: ≥ 1.
        gamma: ≥ 0.

    >>> from minigrad import Tensor
    >>> from optim import SGD
    >>> schedule = StepLR(SGD([Tensor([1.0], requires_grad=True)], lr=1.0), step_size=2, gamma=0.5)
    >>> [(schedule.step(), schedule.get_last_lr()[0])[1] for _ in range(5)]
    [1.0, 0.5, 0.5, 0.25, 0.25]
    """

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1) -> None:
        self.step_size = self._check("step_size", step_size, COUNT)
        self.gamma = self._check("gamma", gamma, NON_NEGATIVE)
        super().__init__(optimizer)

    def rates(self) -> list[float]:
        factor = self.gamma if self.last_epoch and self.last_epoch % self.step_size == 0 else 1.0
        return [group["lr"] * factor for group in self.groups]


class MultiStepLR(LRSchedule):
    """Multiply the rate by `gamma` at each of the epochs `milestones`.

    Args:
        optimizer: the optimizer whose rates are set.
        milestones: whole numbers ≥ 0 in rising order; one that is given twice counts twice.
        gamma: ≥ 0.

    >>> from minigrad import Tensor
    >>> from optim import SGD
    >>> schedule = MultiStepLR(SGD([Tensor([1.0], requires_grad=True)], lr=1.0), [2, 3], gamma=0.5)
    >>> [(schedule.step(), schedule.get_last_lr()[0])[1] for _ in range(4)]
    [1.0, 0.5, 0.25, 0.25]
    """

    def __init__(self, optimizer: Optimizer, milestones: Sequence[int], gamma: float = 0.1) -> None:
        self.milestones = self._check("milestones", milestones, MILESTONES)
        self.gamma = self._check("gamma", gamma, NON_NEGATIVE)
        super().__init__(optimizer)

    def rates(self) -> list[float]:
        factor = self.gamma ** self.milestones.count(self.last_epoch) if self.last_epoch else 1.0
        return [group["lr"] * factor for group in self.groups]


class LambdaLR(LRSchedule):
    """Set the rate to its initial value times a function of the epoch.

        lr = lr₀ · f(epoch)

    Args:
        optimizer: the optimizer whose rates are set.
        lr_lambda: f, or a list with one for each group. Functions are not saved by `state_dict`.

    >>> from minigrad import Tensor
    >>> from optim import SGD
    >>> schedule = LambdaLR(SGD([Tensor([1.0], requires_grad=True)], lr=1.0), lambda epoch: 1 / (1 + epoch))
    >>> [(schedule.step(), schedule.get_last_lr()[0])[1] for _ in range(3)]
    [0.5, 0.3333333333333333, 0.25]
    """

    _not_saved = ("optimizer", "lr_lambdas")

    def __init__(self, optimizer: Optimizer, lr_lambda: PerGroup[Callable[[int], float]]) -> None:
        self.lr_lambdas = self._for_each("lr_lambda", lr_lambda, optimizer)
        for f in self.lr_lambdas:
            if not callable(f):
                raise TypeError(
                    "`LambdaLR(lr_lambda=...)` must be a function of the epoch, or a list of them, got "
                    f"{f!r:.60}."
                )
        super().__init__(optimizer)

    def rates(self) -> list[float]:
        lambdas = self._of_groups("lr_lambda", self.lr_lambdas)
        return [
            group["initial_lr"] * f(self.last_epoch) for group, f in zip(self.groups, lambdas, strict=True)
        ]


class LinearLR(LRSchedule):
    """Warm-up: let the rate grow in equal steps from a fraction of itself.

        factor = start + (end − start)·min(1, epoch/total)

    Args:
        optimizer: the optimizer whose rates are set.
        start_factor: in (0, 1].
        end_factor: in [0, 1]; below `start_factor` the rate falls instead.
        total_iters: how many epochs it takes, ≥ 1.

    >>> from minigrad import Tensor
    >>> from optim import SGD
    >>> sgd = SGD([Tensor([1.0], requires_grad=True)], lr=1.0)
    >>> schedule = LinearLR(sgd, start_factor=0.25, total_iters=3)
    >>> [(schedule.step(), schedule.get_last_lr()[0])[1] for _ in range(4)]
    [0.5, 0.75, 1.0, 1.0]
    """

    def __init__(
        self, optimizer: Optimizer, start_factor: float = 1 / 3, end_factor: float = 1.0, total_iters: int = 5
    ) -> None:
        self.start_factor = self._check("start_factor", start_factor, START_FACTOR)
        self.end_factor = self._check("end_factor", end_factor, UP_TO_ONE)
        self.total_iters = self._check("total_iters", total_iters, COUNT)
        super().__init__(optimizer)

    def factor(self, epoch: int) -> float:
        """What the initial rate is multiplied by."""
        done = min(1.0, epoch / self.total_iters)
        return float(self.start_factor + (self.end_factor - self.start_factor) * done)

    def rates(self) -> list[float]:
        if self.last_epoch == 0:
            change = self.start_factor
        elif self.last_epoch <= self.total_iters:
            change = self.factor(self.last_epoch) / self.factor(self.last_epoch - 1)
        else:
            change = 1.0
        return [group["lr"] * change for group in self.groups]


class CosineAnnealingLR(LRSchedule):
    """Let the rate fall along half a cosine to `eta_min` at epoch `T_max`; it rises again after that.

        lr = η + ½(lr₀ − η)(1 + cos(π·epoch/T))

    Args:
        optimizer: the optimizer whose rates are set.
        T_max: T ≥ 1.
        eta_min: η ≥ 0.

    Reference: Loshchilov and Hutter 2017, without restarts.

    >>> from minigrad import Tensor
    >>> from optim import SGD
    >>> schedule = CosineAnnealingLR(SGD([Tensor([1.0], requires_grad=True)], lr=1.0), T_max=3)
    >>> [(schedule.step(), round(schedule.get_last_lr()[0], 3))[1] for _ in range(4)]
    [0.75, 0.25, 0.0, 0.25]
    """

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0) -> None:
        self.T_max = self._check("T_max", T_max, COUNT)
        self.eta_min = self._check("eta_min", eta_min, NON_NEGATIVE)
        super().__init__(optimizer)

    def height(self, epoch: int) -> float:
        """The height of the cosine above its lowest point: from 2 to 0."""
        return 1 + math.cos(math.pi * epoch / self.T_max)

    def rates(self) -> list[float]:
        epoch, low = self.last_epoch, self.eta_min
        if epoch == 0:
            return self.get_last_lr()
        if (epoch - 1) % (2 * self.T_max) == self.T_max:  # at the bottom the ratio would divide by 0
            return [
                group["lr"] + (group["initial_lr"] - low) * self.height(epoch) / 2 for group in self.groups
            ]
        ratio = self.height(epoch) / self.height(epoch - 1)
        return [low + (group["lr"] - low) * ratio for group in self.groups]


class CosineAnnealingWarmRestarts(LRSchedule):
    """Let the rate fall along half a cosine to `eta_min`, jump back, and fall again, in rounds that are each
    `T_mult` times as long as the one before.

        lr = η + ½(lr₀ − η)(1 + cos(π·t/T)),  t epochs into a round of T = T_0·T_multⁱ

    Args:
        optimizer: the optimizer whose rates are set.
        T_0: the epochs of the first round, ≥ 1.
        T_mult: a whole number ≥ 1.
        eta_min: η ≥ 0.

    Reference: Loshchilov and Hutter 2017.

    >>> from minigrad import Tensor
    >>> from optim import SGD
    >>> sgd = SGD([Tensor([1.0], requires_grad=True)], lr=1.0)
    >>> schedule = CosineAnnealingWarmRestarts(sgd, T_0=2, T_mult=2)
    >>> [(schedule.step(), round(schedule.get_last_lr()[0], 3))[1] for _ in range(6)]
    [0.5, 1.0, 0.854, 0.5, 0.146, 1.0]
    """

    def __init__(self, optimizer: Optimizer, T_0: int, T_mult: int = 1, eta_min: float = 0.0) -> None:
        self.T_0 = self._check("T_0", T_0, COUNT)
        self.T_mult = self._check("T_mult", T_mult, COUNT)
        self.eta_min = self._check("eta_min", eta_min, NON_NEGATIVE)
        super().__init__(optimizer)

    def rates(self) -> list[float]:
        done, length = self.last_epoch, self.T_0
        if self.T_mult == 1:
            done %= length
        while done >= length:
            done, length = done - length, length * self.T_mult
        height, low = (1 + math.cos(math.pi * done / length)) / 2, self.eta_min
        return [low + (group["initial_lr"] - low) * height for group in self.groups]
