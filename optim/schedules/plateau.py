"""A schedule that looks at the training."""

from __future__ import annotations

import math
from typing import Any, ClassVar, SupportsFloat

from minigrad import Tensor
from minigrad.extend import entry
from optim.base.optimizer import Optimizer
from optim.base.options import (
    NON_NEGATIVE,
    WHOLE,
    WITHIN_ONE,
    Kind,
    choice,
)
from optim.schedules.base import BEST, LRSchedule, PerGroup

__all__ = ["ReduceLROnPlateau"]


def _column(value: Any) -> str | None:
    if value is not None and (not isinstance(value, str) or not value):
        raise TypeError
    return value


COLUMN = Kind("the name of a column, or None", _column)


class ReduceLROnPlateau(LRSchedule):
    """Multiply the rate by `factor` once a metric has not improved for more than `patience` epochs.

    Args:
        optimizer: the optimizer whose rates are set.
        mode: "min" if smaller is better, "max" if larger is.
        factor: in [0, 1).
        patience: how many epochs may pass without improvement, ≥ 0.
        threshold: ≥ 0; how much better counts as better, as a fraction of the best ("rel") or as it is
            ("abs").
        threshold_mode: "rel" or "abs".
        cooldown: epochs to wait after a reduction before counting again, ≥ 0.
        min_lr: the lowest rate, ≥ 0; or one for each group.
        eps: ≥ 0; smaller changes of the rate are not made.
        monitor: the column of the history that `models.fit` gives to `step`, such as "val_accuracy" with
            mode="max"; None stands for the validation loss, or, without validation, the training loss.

    `step(metric)` takes the metric; NaN is never an improvement. As torch, but for a negative best under
    "rel": better is then better by a fraction of its magnitude, while torch takes what is worse by that
    fraction.

    >>> from minigrad import Tensor
    >>> from optim import SGD
    >>> schedule = ReduceLROnPlateau(SGD([Tensor([1.0], requires_grad=True)], lr=1.0), patience=1)
    >>> [(schedule.step(loss), schedule.get_last_lr()[0])[1] for loss in (3.0, 2.0, 2.0, 2.0)]
    [1.0, 1.0, 1.0, 0.1]
    """

    needs_metric = True
    _progress: ClassVar[dict[str, Kind]] = {
        "last_epoch": WHOLE,
        "best": BEST,
        "num_bad_epochs": WHOLE,
        "cooldown_counter": WHOLE,
    }

    def __init__(
        self,
        optimizer: Optimizer,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: PerGroup[float] = 0.0,
        eps: float = 1e-8,
        monitor: str | None = None,
    ) -> None:
        self.mode = self._check("mode", mode, choice("min", "max"))
        self.factor = self._check("factor", factor, WITHIN_ONE)
        self.patience = self._check("patience", patience, WHOLE)
        self.threshold = self._check("threshold", threshold, NON_NEGATIVE)
        self.threshold_mode = self._check("threshold_mode", threshold_mode, choice("rel", "abs"))
        self.cooldown = self._check("cooldown", cooldown, WHOLE)
        self.min_lr = self._for_each("min_lr", min_lr, optimizer, NON_NEGATIVE)
        self.eps = self._check("eps", eps, NON_NEGATIVE)
        self.monitor = self._check("monitor", monitor, COLUMN)
        if self.monitor is not None and "accuracy" in self.monitor and mode == "min":
            raise ValueError(
                f'`ReduceLROnPlateau(monitor={monitor!r}, mode="min")`: more accuracy is better. Write '
                'mode="max".'
            )
        self.best = math.inf if self.mode == "min" else -math.inf
        self.num_bad_epochs = self.cooldown_counter = 0
        super().__init__(optimizer)

    def rates(self) -> list[float]:
        return self.get_last_lr()

    @entry
    def step(self, metrics: SupportsFloat) -> None:  # type: ignore[override]  # this one schedule looks at the training
        lows = self._of_groups("min_lr", self.min_lr)
        try:
            value = float(metrics.item() if isinstance(metrics, Tensor) else metrics)
        except (TypeError, ValueError):
            raise TypeError(
                f"`ReduceLROnPlateau.step(metric)` must be given one number, got {metrics!r:.60}."
            ) from None
        self.last_epoch += 1
        if self.improves(value):
            self.best = value
            self.num_bad_epochs = 0
        else:
            self.num_bad_epochs += 1
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            old = self.get_last_lr()
            new = [max(lr * self.factor, low) for lr, low in zip(old, lows, strict=True)]
            self._set([b if a - b > self.eps else a for a, b in zip(old, new, strict=True)])
            self.cooldown_counter = self.cooldown
            self.num_bad_epochs = 0

    def improves(self, value: float) -> bool:
        """Whether `value` is better than the best so far by more than the threshold."""
        sign = 1 if self.mode == "max" else -1
        bar = self.best
        if math.isfinite(bar):
            bar = (
                bar * (1 + sign * math.copysign(self.threshold, bar))
                if self.threshold_mode == "rel"
                else bar + sign * self.threshold
            )
        return sign * value > sign * bar
