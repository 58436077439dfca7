"""What `fit` tells of single steps: `Step`, which functions of the user get, and the measures of `watch`.

Nothing here runs in a training without `on_step` and `watch`. Where something is due at a step, the weights
are copied before it if a measure compares them, and the gradient after it, because the next step writes over
both.

A measure is a function of a `Step`; it returns a number, or a dict of numbers, one column for each. What only
the optimizer can say of itself it offers by name in `measures()`; this package does not import `optim`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minigrad import Tensor
from minigrad.extend import as_sentence, instead
from models.history import History
from models.module import Module
from models.steps import Rows, Trainer, norm

__all__ = [
    "Step", "Watch", "Watching", "reason_to_end", "recorder_of", "step_functions", "title", "watches",
]  # fmt: skip

Array = NDArray[Any]
Weights = Mapping[str, tuple[Tensor, Array]]  # parameters, and copies of their values before a step


@dataclass(frozen=True, eq=False)
class Step:
    """The argument that the functions of `on_step` and `watch` get after a step of the optimizer.

    loss: the mean loss of the batch before the step.
    epoch, number: of this step in the training; both count from 1.
    rows: (n,), the positions of the batch's rows in the training data.
    x, y: the batch, with n rows, as the model saw it.
    gradient: a copy of the gradient that the step was made of, after clipping and accumulation, for each
        parameter by its name; None if the optimizer has no update rule, for it looks at several gradients.
    """

    model: Module
    optimizer: Any
    loss: float
    epoch: int
    number: int
    gradient: dict[str, Array] | None
    batches: Sequence[Rows] = field(repr=False)

    @cached_property
    def rows(self) -> Array:
        return np.asarray(self._joined(2))

    @cached_property
    def x(self) -> Any:
        return self._joined(0)

    @cached_property
    def y(self) -> Any:
        return self._joined(1)

    def _joined(self, i: int) -> Any:
        parts = [batch[i] for batch in self.batches]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)


Measure = Callable[[Step, Weights], Any]


@dataclass(frozen=True)
class Watch:
    """One entry of `watch`: measure(step, weights before it) after every so many steps, or once an epoch."""

    name: str
    every: int | None  # None for once an epoch
    measure: Measure

    def is_due(self, number: int) -> bool:
        return self.every is not None and number % self.every == 0

    def columns(self, step: Step, before: Weights) -> dict[str, float]:
        found = self.measure(step, before)
        named = {self.name: found}
        if isinstance(found, dict):
            named = {f"{self.name} {key}": value for key, value in found.items()}
        for value in named.values():
            if not isinstance(value, int | float | np.bool_ | np.integer | np.floating):
                raise TypeError(
                    f"`fit(watch=...)`: the function of {self.name!r} must return a number, or a dict of "
                    f"name: number, got {value!r:.60}."
                )
        return {name: float(value) for name, value in named.items()}


@dataclass
class Watching:
    """Takes the steps of a `Trainer`, and looks at each."""

    model: Module
    history: History
    functions: Sequence[Callable[[Step], Any]]
    watches: Sequence[Watch]
    reason: str | None = None  # why a function ended the training
    last: tuple[Step, Weights] | None = None  # the last step of this epoch, kept if it will be measured

    def __bool__(self) -> bool:
        return bool(self.functions or self.watches)

    def stopping(self, interrupted: Callable[[], bool]) -> Callable[[], bool]:
        """Whether training ends here, by Ctrl-C or by a function."""
        return (lambda: self.reason is not None or interrupted()) if self.functions else interrupted

    def step(self, trainer: Trainer, parts: Sequence[Rows], epoch: int) -> list[tuple[float, int]]:
        number = trainer.taken + 1
        due = [watch for watch in self.watches if watch.is_due(number)]
        at_end = [watch for watch in self.watches if watch.every is None]
        compared = any(watch.measure is _update_to_weight for watch in due + at_end)
        before = {name: (p, p.numpy()) for name, p in self._trained()} if compared else {}
        found = trainer.step(parts, f"epoch {epoch}")
        if trainer.taken == number and (due or at_end or self.functions):
            step = self._seen(trainer, parts, epoch, found)
            row = self._measured(due, step, before)
            if row:
                self.history.steps.rows.append({"step": number, "epoch": epoch, **row})
            self.last = (step, before) if at_end else None
            reasons = [reason_to_end("on_step", f, f(step)) for f in self.functions]
            self.reason = next(filter(None, reasons), None)
            if self.functions:
                self.model.train()  # as after `_measured`
        return found

    def of_epoch(self) -> dict[str, float]:
        """The columns that are measured once an epoch; the weights are those its last step led to."""
        watches, last = [watch for watch in self.watches if watch.every is None], self.last
        self.last = None
        return (
            dict.fromkeys((w.name for w in watches), math.nan)
            if last is None
            else self._measured(watches, *last)
        )

    @cached_property
    def _named(self) -> list[tuple[str, Tensor]]:
        return list(self.model.named_parameters())

    def _trained(self) -> list[tuple[str, Tensor]]:
        return [(name, p) for name, p in self._named if p.requires_grad]

    def _measured(self, watches: Sequence[Watch], step: Step, before: Weights) -> dict[str, float]:
        columns: dict[str, float] = {}
        for watch in watches:
            columns |= watch.columns(step, before)
        if watches:
            self.model.train()  # a function of the user's may have evaluated the model
        return columns

    def _seen(
        self, trainer: Trainer, parts: Sequence[Rows], epoch: int, found: Sequence[tuple[float, int]]
    ) -> Step:
        gradient = None
        if hasattr(trainer.optimizer, "rule"):
            grads = {name: p.grad for name, p in self._trained() if p.grad is not None}
            gradient = {n: np.array(g.data if isinstance(g, Tensor) else g) for n, g in grads.items()}
        loss = found[0][0]
        if len(found) > 1:
            loss = sum(value * n for value, n in found) / sum(n for _, n in found)
        return Step(self.model, trainer.optimizer, loss, epoch, trainer.taken, gradient, parts)


def reason_to_end(argument: str, function: Any, answer: Any, also: str = "a text") -> str | None:
    """Why the answer of a user's function ends training: its text, or for True the name of the argument."""
    call = f"`fit({argument}=...)`: the {'callback ' if argument == 'callbacks' else ''}{title(function)}"
    if isinstance(answer, str):
        if answer == "epochs":  # `stopped` would say that all epochs were done
            raise ValueError(f"{call} must return a text that says why training ends, other than 'epochs'.")
        return answer or None
    if isinstance(answer, bool | np.bool_):
        return argument.removesuffix("s") if answer else None  # "callback", "on_step"
    if answer is not None:
        raise TypeError(f"{call} must return None, True, or {also}, got {answer!r:.60}.")
    return None


def recorder_of(optimizer: Any, augment: Any) -> tuple[Any, Any]:
    """The observer that is told of each batch, that of an open run of `optim.record`; and `augment`, made to
    tell it how its generator stands."""
    for observer in getattr(optimizer, "observers", ()):
        if hasattr(observer, "note_batch"):
            return observer, None if augment is None else observer.noting(augment)
    return None, augment


def title(function: Any) -> str:
    return getattr(function, "__qualname__", type(function).__name__)


def step_functions(given: Any) -> list[Callable[[Step], Any]]:
    """`on_step` as a list."""
    found = [] if given is None else list(given) if isinstance(given, list | tuple) else [given]
    for each in found:
        if isinstance(each, type) or not callable(each):
            raise TypeError(
                f"`fit(on_step=...)` must be a function of a step, or a list of them, got {each!r:.60}."
            )
    return found


# The measures that fit knows


def _rate(step: Step, before: Weights) -> Any:
    rates = [float(group["lr"]) for group in step.optimizer.param_groups]
    return rates[0] if len(rates) == 1 else {str(i): rate for i, rate in enumerate(rates)}


def _gradient_norm(step: Step, before: Weights) -> float:
    return norm((step.gradient or {}).values())


def _update_to_weight(step: Step, before: Weights) -> dict[str, float]:
    found = {}
    for name, (p, old) in before.items():
        moved, size = norm([np.subtract(p.data, old, dtype=np.float64)]), norm([old])
        found[name] = moved / size if size else math.inf if moved else math.nan
    return found


def _of_optimizer(measure: Callable[[Any, Any], Any], f: Any, data: Any) -> Any:
    """A measure of the loss of all training rows, in evaluation mode, so that no random numbers are drawn."""

    def measured(step: Step, before: Weights) -> Any:
        modes = [(module, module.training) for _, module in step.model.named_modules()]
        step.model.eval()
        try:
            return measure(f, data)
        finally:
            for module, training in modes:
                module.training = training

    return measured


def _known(optimizer: Any, f: Any, data: Any) -> tuple[dict[str, Any], dict[str, str]]:
    """The measures of this training by name, and of the others what they need."""
    known: dict[str, Any] = {"loss": lambda step, before: step.loss, "update/weight": _update_to_weight}
    lacking = {}
    if all("lr" in group for group in getattr(optimizer, "param_groups", [()])):
        known["lr"] = _rate
    else:
        lacking["lr"] = "has no lr"
    if hasattr(optimizer, "rule"):
        known["gradient_norm"] = _gradient_norm
    else:
        lacking["gradient_norm"] = "looks at several gradients in a step"
    offered = optimizer.measures() if hasattr(optimizer, "measures") else {}
    for name in ("sharpness", "preconditioned_sharpness", "gradient_noise"):
        if name not in offered:
            lacking[name] = "does not offer it in `measures()`"
    known |= {name: _of_optimizer(measure, f, data) for name, measure in offered.items()}
    return known, lacking


def watches(given: Any, optimizer: Any, f: Any, data: Any, taken: Collection[str]) -> list[Watch]:
    """`fit(watch=...)`, checked: the mean loss f(x, y) of any rows, and all rows, are what curvature is of.

    `taken` are the columns that an epoch has without it.
    """
    if given is None:
        return []
    if not isinstance(given, Mapping):
        raise TypeError(f"`fit(watch=...)` must be a dict of name: every, got {given!r:.60}.")
    known, lacking = _known(optimizer, f, data)
    found = []
    for name, value in given.items():
        every, own = value if isinstance(value, tuple) and len(value) == 2 else (value, None)
        _require_name(name, every, own, known, lacking, type(optimizer).__name__, taken)
        measure = known[name] if own is None else _own(own)
        found.append(Watch(name, None if every == "epoch" else int(every), measure))
    return found


def _own(f: Callable[[Step], Any]) -> Measure:
    return lambda step, before: f(step)


def _require_name(
    name: Any, every: Any, own: Any, known: Iterable[str], lacking: Mapping[str, str], optimizer: str,
    taken: Collection[str],
) -> None:  # fmt: skip
    call = f"`fit(watch={{{name!r}: ...}})`"
    if every != "epoch" and (isinstance(every, bool) or not isinstance(every, int | np.integer) or every < 1):
        raise ValueError(
            f"{call} must be a number of steps of at least 1, 'epoch', or a pair (every, function), got "
            f"{every!r:.60}."
        )
    if own is None:
        _require_known(call, name, known, lacking, optimizer)
        return
    if isinstance(own, type) or not callable(own):
        raise TypeError(f"{call} needs a function of a step as the second of the pair, got {own!r:.60}.")
    if not isinstance(name, str) or name in {*known, *lacking, *taken, "step", "epoch"}:
        raise ValueError(f"{call} must have a name for your function that no column of fit has.")


def _require_known(
    call: str, name: Any, known: Iterable[str], lacking: Mapping[str, str], optimizer: str
) -> None:
    if name in lacking:
        raise ValueError(
            f"{call}: {optimizer} {lacking[name]}; with it fit measures {sorted(known)}. Leave {name!r} out."
        )
    if name not in known:
        remedy = instead(str(name), [*known, *lacking])
        raise ValueError(
            f"{call}: {as_sentence(remedy) + ' ' if remedy else ''}fit measures {sorted(known)}; a function "
            f"of your own stands in a pair: {{{name!r}: (10, f)}}."
        )
