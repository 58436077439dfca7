"""The base of all schedules, and the kinds of their options."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Self, TypeAlias, TypeVar

from minigrad.extend import entry
from optim.base.groups import Values
from optim.base.optimizer import Optimizer
from optim.base.options import (
    COUNT,
    WHOLE,
    Kind,
    checked,
    interval,
)

__all__ = ["BEST", "MILESTONES", "RISING", "START_FACTOR", "LRSchedule", "PerGroup"]

T = TypeVar("T")
PerGroup: TypeAlias = T | Sequence[T]
START_FACTOR = Kind("a number in (0, 1]", interval(0, 1, "(]"))
BEST = Kind("a number, or infinity", interval(-math.inf, math.inf, "[]"))


def _milestones(strictly: bool) -> Callable[[Any], list[int]]:
    def parse(value: Any) -> list[int]:
        if not isinstance(value, list | tuple):
            raise TypeError
        numbers = [(COUNT if strictly else WHOLE).parse(each) for each in value]
        if numbers != sorted(numbers) or (strictly and len(set(numbers)) < len(numbers)):
            raise ValueError
        return numbers

    return parse


MILESTONES = Kind("a list of whole numbers ≥ 0 in rising order", _milestones(False))
RISING = Kind("a list of different whole numbers ≥ 1 in rising order", _milestones(True))


class LRSchedule:
    """The base of all schedules: `rates()` gives the groups' learning rates for `self.last_epoch`."""

    needs_metric: bool = False
    """Whether `step` takes a metric; `fit` then gives it one."""
    _not_saved: tuple[str, ...] = ("optimizer",)
    _progress: ClassVar[dict[str, Kind]] = {"last_epoch": WHOLE}  # the state that changes at each step
    _kinds: dict[str, tuple[Kind, bool]]  # of each option: its kind, and whether each group has one

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        schedule = super().__new__(cls)
        schedule._kinds = {}
        return schedule

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.__init__ = entry(cls.__init__)  # type: ignore[method-assign]

    @entry
    def __init__(self, optimizer: Optimizer) -> None:
        if not all("lr" in group for group in self._groups_of(optimizer)):
            raise TypeError(
                f"`{type(self).__name__}(optimizer)` must be an optimizer with an lr, and "
                f"{type(optimizer).__name__} has none: it finds the length of its steps itself."
            )
        self.optimizer = optimizer
        for group in self.groups:
            group.setdefault("initial_lr", group["lr"])
        self.last_epoch = 0
        self._set(self.rates())

    @property
    def groups(self) -> Sequence[Any]:
        """The optimizer's groups of parameters, each with a rate of its own."""
        return self.optimizer.param_groups

    def rates(self) -> list[float]:
        """The learning rate of each group at `self.last_epoch`."""
        raise NotImplementedError(
            f"`{type(self).__name__}` needs `rates(self)`, which returns one learning rate for each group."
        )

    @entry
    def step(self) -> None:
        """Go one epoch on and set the learning rates. A rate that cannot be used raises an error and changes
        nothing."""
        self.last_epoch += 1
        try:
            for group in self.groups:  # a group added since begins from the rate it came with
                group.setdefault("initial_lr", group["lr"])
            self._set(self.rates())
        except BaseException:
            self.last_epoch -= 1
            raise

    def get_last_lr(self) -> list[float]:
        """The groups' learning rates as they are now."""
        return [group["lr"] for group in self.groups]

    def __repr__(self) -> str:
        options = ", ".join(f"{key}={getattr(self, key)!r}" for key in self._kinds if hasattr(self, key))
        rates = ", ".join(f"{rate:.4g}" for rate in self.get_last_lr())
        return f"<{type(self).__name__}({options}) at epoch {self.last_epoch}, lr {rates}>"

    def state_dict(self) -> Values:
        """Everything but the optimizer and functions, as copies of plain values."""
        unsaved = ("_kinds", *self._not_saved)
        own = {key: copy.deepcopy(value) for key, value in vars(self).items() if key not in unsaved}
        return {"schedule": type(self).__name__, **own, "lr": self.get_last_lr()}

    def differing(self, state_dict: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
        """The options that differ between a saved state and this schedule: their saved and present values."""
        now = self.state_dict()
        return {
            key: (state_dict[key], now[key])
            for key in self._kinds
            if key in now and key in state_dict and state_dict[key] != now[key]
        }

    @entry
    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over the result of `state_dict`, the learning rates included.

        Raises:
            TypeError, ValueError: it belongs to another kind of schedule or to another number of groups, or
                the constructor would refuse an option or a count. Nothing is changed then.
        """
        call = f"{type(self).__name__}.load_state_dict"
        expected = self.state_dict()
        if not isinstance(state_dict, Mapping):
            raise TypeError(f"`{call}` needs what `state_dict()` returned, got {state_dict!r:.60}.")
        if state_dict.get("schedule") != expected["schedule"]:
            raise ValueError(
                f"`{call}` needs the state of {expected['schedule']}, got that of "
                f"{state_dict.get('schedule')}."
            )
        if state_dict.keys() != expected.keys():
            raise ValueError(f"`{call}` needs the keys {sorted(expected)}, got {sorted(state_dict)}.")
        if not isinstance(rates := state_dict["lr"], list | tuple) or len(rates) != len(self.groups):
            raise ValueError(
                f"`{call}`: the optimizer has {len(self.groups)} groups, but the rates {rates!r:.60} were "
                "saved."
            )
        loaded = {
            key: self._loaded(call, key, value)
            for key, value in state_dict.items()
            if key not in ("schedule", "lr")
        }
        before, groups = dict(vars(self)), [dict(group.options) for group in self.groups]
        try:
            self._set(rates)
            vars(self).update(loaded)
            self._taken_over()
        except BaseException:
            vars(self).update(before)
            for group, options in zip(self.groups, groups, strict=True):
                group.update(options)
            raise

    def _taken_over(self) -> None:
        """Do what a kind of schedule needs after a state was loaded, or raise if the state is impossible."""

    def _loaded(self, call: str, key: str, value: Any) -> Any:
        """A saved value, copied, and checked as the constructor checks it."""
        if key in self._progress:
            return checked(call, key, value, self._progress[key])
        kind, per_group = self._kinds.get(key, (None, False))
        if kind is None:
            return copy.deepcopy(value)
        if not per_group:
            return checked(call, key, value, kind)
        if not isinstance(value, list | tuple) or len(value) != len(self.groups):
            raise ValueError(
                f"`{call}({key}=...)` must have a value for each of {len(self.groups)} groups, got "
                f"{value!r:.60}."
            )
        return [checked(call, key, each, kind) for each in value]

    def _set(self, rates: Sequence[float]) -> None:
        rates = [checked(type(self).__name__, "lr", rate) for rate in rates]
        for group, rate in zip(self.groups, rates, strict=True):
            group["lr"] = rate

    def _groups_of(self, optimizer: Any) -> Sequence[Any]:
        try:
            return optimizer.param_groups  # type: ignore[no-any-return]
        except AttributeError:
            call, kind = type(self).__name__, type(optimizer).__name__
            raise TypeError(f"`{call}(optimizer)` must be an optimizer, got {kind}.") from None

    def _of_groups(self, option: str, values: list[Any]) -> list[Any]:
        """`values`, one for each group; an error if a group was added since."""
        if len(values) != len(self.groups):
            raise ValueError(
                f"`{type(self).__name__}`: {option} was given for {len(values)} groups, and the optimizer "
                f"has {len(self.groups)} by now. Make the schedule anew after `add_param_group`."
            )
        return values

    def _check(self, option: str, value: Any, kind: Kind) -> Any:
        self._kinds[option] = (kind, False)
        return checked(type(self).__name__, option, value, kind)

    def _for_each(self, option: str, value: Any, optimizer: Optimizer, kind: Kind | None = None) -> list[Any]:
        """One value for each group, from a list of values or from one value for all groups."""
        groups = len(self._groups_of(optimizer))
        values = list(value) if isinstance(value, list | tuple) else [value] * groups
        if len(values) != groups:
            raise ValueError(
                f"`{type(self).__name__}({option}=...)` must have a value for each of {groups} groups, got "
                f"{len(values)}."
            )
        if kind is None:
            return values
        self._kinds[option] = (kind, True)
        return [checked(type(self).__name__, option, value, kind) for value in values]
