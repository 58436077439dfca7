"""Schedules one after another."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Any

from minigrad.extend import entry
from optim.base.groups import Values
from optim.base.optimizer import Optimizer
from optim.schedules.base import RISING, LRSchedule
from optim.schedules.one_cycle import OneCycleLR
from optim.schedules.plateau import ReduceLROnPlateau

__all__ = ["SequentialLR"]


class SequentialLR(LRSchedule):
    """Follow one schedule after the other: the next begins, from the initial rate, at each milestone.

    Args:
        optimizer: the optimizer whose rates are set.
        schedulers: schedules of this optimizer, such as a warm-up and a cosine. `OneCycleLR`, which has an
            initial rate of its own, `ReduceLROnPlateau`, and a sequence itself are refused.
        milestones: the epochs at which the second, third, ... begins, in rising order.

    >>> from minigrad import Tensor
    >>> from optim import SGD, LinearLR, StepLR
    >>> sgd = SGD([Tensor([1.0], requires_grad=True)], lr=1.0)
    >>> schedule = SequentialLR(sgd, [LinearLR(sgd, 0.5, total_iters=2), StepLR(sgd, 1, 0.5)], [2])
    >>> [(schedule.step(), schedule.get_last_lr()[0])[1] for _ in range(4)]
    [0.75, 1.0, 0.5, 0.25]
    """

    _not_saved = ("optimizer", "schedulers")

    def __init__(
        self, optimizer: Optimizer, schedulers: Sequence[LRSchedule], milestones: Sequence[int]
    ) -> None:
        self.milestones = self._check("milestones", milestones, RISING)
        if not isinstance(schedulers, list | tuple) or not schedulers:
            raise TypeError(
                f"`SequentialLR(schedulers=...)` must be a list of schedules, got {schedulers!r:.60}."
            )
        for each in schedulers:
            if not isinstance(each, LRSchedule) or isinstance(
                each, OneCycleLR | ReduceLROnPlateau | SequentialLR
            ):
                raise TypeError(
                    "`SequentialLR(schedulers=...)` must hold schedules that start from the initial rate, "
                    f"got {type(each).__name__}."
                )
            if each.optimizer is not optimizer:
                raise ValueError(
                    f"`SequentialLR(schedulers=...)` must hold schedules of its optimizer; "
                    f"{type(each).__name__} belongs to another."
                )
        if len(self.milestones) != len(schedulers) - 1 or len(set(map(id, schedulers))) < len(schedulers):
            raise ValueError(
                "`SequentialLR(milestones=...)` must hold one number less than there are schedules, all of "
                f"them different objects, got {len(self.milestones)} for {len(schedulers)}."
            )
        self.schedulers: list[LRSchedule] = list(schedulers)
        super().__init__(optimizer)

    def rates(self) -> list[float]:
        i = bisect_right(self.milestones, self.last_epoch)
        start = self.milestones[i - 1] if i else 0
        schedule: LRSchedule = self.schedulers[i]
        before, rates = schedule.last_epoch, self.get_last_lr()
        try:
            schedule.last_epoch = self.last_epoch - start
            if schedule.last_epoch == 0:
                self._set([group["initial_lr"] for group in self.groups])
            return schedule.rates()
        except BaseException:
            schedule.last_epoch = before
            self._set(rates)
            raise

    def state_dict(self) -> Values:
        """As of every schedule, with the states of the schedules in it."""
        return super().state_dict() | {"schedulers": [each.state_dict() for each in self.schedulers]}

    def differing(self, state_dict: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
        """As of every schedule, with the options of the schedules in it."""
        found = super().differing(state_dict)
        for i, (each, saved) in enumerate(zip(self.schedulers, state_dict["schedulers"], strict=False)):
            found |= {f"schedulers[{i}].{key}": pair for key, pair in each.differing(saved).items()}
        return found

    @entry
    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over the result of `state_dict`; see `LRSchedule`."""
        call = "SequentialLR.load_state_dict"
        if not isinstance(state_dict, Mapping) or not isinstance(state_dict.get("schedulers"), list | tuple):
            raise TypeError(f"`{call}` needs what `state_dict()` returned, got {state_dict!r:.60}.")
        if len(state_dict["schedulers"]) != len(self.schedulers):
            raise ValueError(
                f"`{call}` needs the states of {len(self.schedulers)} schedules, got "
                f"{len(state_dict['schedulers'])}."
            )
        before = [each.state_dict() for each in self.schedulers]
        rates = self.get_last_lr()
        try:
            for each, saved in zip(self.schedulers, state_dict["schedulers"], strict=True):
                each.load_state_dict(saved)
            super().load_state_dict(state_dict)
        except BaseException:
            for each, saved in zip(self.schedulers, before, strict=True):
                each.load_state_dict(saved)
            self._set(rates)
            raise

    def _loaded(self, call: str, key: str, value: Any) -> Any:
        if key == "milestones" and len(value) != len(self.milestones):
            raise ValueError(
                f"`{call}(milestones=...)` must hold {len(self.milestones)} numbers, got {value!r:.60}."
            )
        return self.schedulers if key == "schedulers" else super()._loaded(call, key, value)
