"""Schedules: how the learning rate of an optimizer changes from step to step, or from epoch to epoch.

A schedule sets `group["lr"]` when it is made and at each `schedule.step()`, to be called after
`optimizer.step()`. Those that follow a formula start from `group["initial_lr"]`, the rate the group had when
the first schedule was put on it. As in torch, `StepLR`, `CosineAnnealingLR` and `LinearLR` multiply the
present rate, so they can be combined (warm-up, then cosine) and an edit by hand stays. To resume, make the
schedule anew and call `load_state_dict`; it sets the rates too.

Names: `epoch` counts calls of `step()`, whatever they stand for.
"""

from __future__ import annotations

import copy
import math
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Self, SupportsFloat, TypeAlias, TypeVar

from minigrad import Tensor
from minigrad.extend import entry
from optim.base.groups import Values
from optim.base.optimizer import Optimizer
from optim.base.options import (
    COUNT,
    FINITE_POSITIVE,
    FLAG,
    NON_NEGATIVE,
    UP_TO_ONE,
    WHOLE,
    WITHIN_ONE,
    Kind,
    checked,
    choice,
    interval,
)

__all__ = [
    "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts",
    "LRSchedule",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "OneCycleLR",
    "ReduceLROnPlateau",
    "SequentialLR",
    "StepLR",
]

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
    _progress: ClassVar[dict[str, Kind]] = {"last_epoch": WHOLE}  # what moves, beside the options
    _kinds: dict[str, tuple[Kind, bool]]  # of each option: its kind, and whether each group has one

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        schedule = super().__new__(cls)
        schedule._kinds = {}
        return schedule

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.__init__ = entry(cls.__init__)  # type: ignore[method-assign]

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

    def state_dict(self) -> Values:
        """Everything but the optimizer and functions, as copies of plain values."""
        unsaved = ("_kinds", *self._not_saved)
        own = {key: copy.deepcopy(value) for key, value in vars(self).items() if key not in unsaved}
        return {"schedule": type(self).__name__, **own, "lr": self.get_last_lr()}

    def differing(self, state_dict: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
        """The options that a saved state has otherwise than this schedule: their saved and present values."""
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
                an option or a count is not what the constructor would take. Nothing is changed then.
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
        """Do what a kind of schedule needs after a state was loaded, or raise if the state cannot be."""

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
        """`values`, one for each group, if no group was added since."""
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
        """One value for each group, from a list of them or from one for all."""
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


class StepLR(LRSchedule):
    """Multiply the rate by `gamma` every `step_size` epochs.

    Args:
        optimizer: whose rates are set.
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
        optimizer: whose rates are set.
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
        optimizer: whose rates are set.
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
        optimizer: whose rates are set.
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
        optimizer: whose rates are set.
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
        return 1 + math.cos(math.pi * epoch / self.T_max)

    def rates(self) -> list[float]:
        epoch, low = self.last_epoch, self.eta_min
        if epoch == 0:
            return self.get_last_lr()
        if (epoch - 1) % (2 * self.T_max) == self.T_max:  # from the bottom a ratio leads nowhere
            return [
                group["lr"] + (group["initial_lr"] - low) * self.height(epoch) / 2 for group in self.groups
            ]
        ratio = self.height(epoch) / self.height(epoch - 1)
        return [low + (group["lr"] - low) * ratio for group in self.groups]


class CosineAnnealingWarmRestarts(LRSchedule):
    """Let the rate fall along half a cosine to `eta_min`, jump back, and fall again, in longer and longer
    rounds.

        lr = η + ½(lr₀ − η)(1 + cos(π·t/T)),  t epochs into a round of T = T_0·T_multⁱ

    Args:
        optimizer: whose rates are set.
        T_0: the epochs of the first round, ≥ 1.
        T_mult: how many times longer each round is than the one before, a whole number ≥ 1.
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


class SequentialLR(LRSchedule):
    """Follow one schedule after the other: the next begins, from the initial rate, at each milestone.

    Args:
        optimizer: whose rates are set.
        schedulers: schedules of this optimizer, such as a warm-up and a cosine. `OneCycleLR`, which has an
            initial rate of its own, `ReduceLROnPlateau`, and a sequence itself are refused.
        milestones: the epochs at which the second, third, ... begins, in rising order.

    >>> from minigrad import Tensor
    >>> from optim import SGD
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
                    f"{type(each).__name__} is one of another."
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


class OneCycleLR(LRSchedule):
    """Let the rate rise to `max_lr` and fall far below where it began, and momentum do the opposite.

    Epochs 0 to pct·N−1 lead from max_lr/div_factor up to max_lr, the rest down to
    max_lr/div_factor/final_div_factor; with `three_phase` the fall first mirrors the rise. Momentum
    (`betas[0]`, `momentum` or `beta`, whichever the optimizer has) goes from `max_momentum` to
    `base_momentum` and back.

    Args:
        optimizer: whose rates are set.
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


class ReduceLROnPlateau(LRSchedule):
    """Multiply the rate by `factor` once a metric has not improved for more than `patience` epochs.

    Args:
        optimizer: whose rates are set.
        mode: "min" if smaller is better, "max" if larger is.
        factor: in [0, 1).
        patience: how many epochs without improvement are let pass, ≥ 0.
        threshold: ≥ 0; how much better counts as better, as a fraction of the best ("rel") or as it is
            ("abs").
        threshold_mode: "rel" or "abs".
        cooldown: epochs to wait after a reduction before counting again, ≥ 0.
        min_lr: ≥ 0, no rate goes below; or one for each group.
        eps: ≥ 0; smaller changes of the rate are not made.

    `step(metric)` takes the metric; NaN is never an improvement. `fit` gives it the validation loss, or,
    without validation, the training loss. As torch, but for a negative best under "rel": better is then
    better by a fraction of its magnitude, while torch takes what is worse by that fraction.

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
    ) -> None:
        self.mode = self._check("mode", mode, choice("min", "max"))
        self.factor = self._check("factor", factor, WITHIN_ONE)
        self.patience = self._check("patience", patience, WHOLE)
        self.threshold = self._check("threshold", threshold, NON_NEGATIVE)
        self.threshold_mode = self._check("threshold_mode", threshold_mode, choice("rel", "abs"))
        self.cooldown = self._check("cooldown", cooldown, WHOLE)
        self.min_lr = self._for_each("min_lr", min_lr, optimizer, NON_NEGATIVE)
        self.eps = self._check("eps", eps, NON_NEGATIVE)
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
