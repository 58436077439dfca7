"""The arguments of `fit`, checked before anything is changed."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from minigrad import Tensor
from minigrad.extend import require_plain
from models.module import FOUND_IN, Module

__all__ = [
    "checked_pair",
    "require_enough_steps",
    "require_functions",
    "require_optimizer",
    "require_options",
    "require_rng",
    "require_schedules",
    "require_settings",
    "schedules",
]


def checked_pair(argument: str, pair: Any) -> tuple[Any, Any]:
    """x and y as arrays, from a pair of them or from a `Dataset`, which is known by its X and y."""
    if hasattr(pair, "X") and hasattr(pair, "y"):
        pair = (pair.X, pair.y)
    if not isinstance(pair, tuple | list) or len(pair) != 2:
        got = f"{len(pair)} of them" if isinstance(pair, tuple | list) else type(pair).__name__
        raise TypeError(f"`{argument}` must be a pair of arrays (x, y) or a Dataset, got {got}.")
    if any(hasattr(each, "X") and hasattr(each, "y") for each in pair):
        raise TypeError(
            f"`{argument}` must be one Dataset, got a pair with one in it; give the second to validation=."
        )
    require_plain(pair, f"`{argument}`")
    try:
        x, y = (np.asarray(a.data if isinstance(a, Tensor) else a) for a in pair)
    except ValueError as error:
        if "inhomogeneous" not in str(error):
            raise
        raise ValueError(f"`{argument}` needs rows of one length, got {pair!r:.60}. Pad them.") from None
    if not x.ndim or not y.ndim or len(x) != len(y) or not len(x):
        shapes = f"{x.shape} and {y.shape}"
        raise ValueError(f"`{argument}` needs x and y with equally many rows, at least 1, got {shapes}.")
    return x, y


def require_settings(
    epochs: Any, size: Any, schedule_every: Any, held_out: Any, metrics: Any, checkpoint: Any, resume: Any
) -> None:
    for name, value in (("epochs", epochs), ("batch_size", size)):
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
            raise ValueError(f"`fit({name}=...)` must be a whole number of at least 1, got {value!r}.")
    if schedule_every not in ("epoch", "batch"):
        raise ValueError(f"`fit(schedule_every=...)` must be 'epoch' or 'batch', got {schedule_every!r}.")
    if metrics and held_out is None:
        raise ValueError("`fit(metrics=...)` needs validation=, the rows to measure on: "
                         "validation=(x, y), which may be those of train.")  # fmt: skip
    if resume and checkpoint is None:
        raise ValueError("`fit(resume=True)` needs checkpoint=, the file to go on from.")


def require_optimizer(model: Module, optimizer: Any, call: str = "fit") -> None:
    """Require an optimizer that has a `step` and holds every parameter to be trained."""
    if isinstance(model, Module) and (hidden := model.hidden_parameters()):
        raise ValueError(
            f"`{call}(model=...)` would not train {', '.join(hidden)}. {FOUND_IN} Make the object "
            "that holds them a Module, or freeze them: p.requires_grad = False."
        )
    if isinstance(optimizer, type) or not hasattr(optimizer, "step"):
        got = f"the class {optimizer.__name__}" if isinstance(optimizer, type) else type(optimizer).__name__
        example = "optim.Adam(model.named_parameters())"
        raise TypeError(f"`{call}(optimizer=...)` must be an optimizer, such as {example}, got {got}.")
    if hasattr(optimizer, "param_groups"):
        params = [p for group in optimizer.param_groups for p in group["params"]]
        if not any(p.requires_grad for p in params):
            raise ValueError(
                f"`{call}(optimizer=...)` must hold a parameter to be trained, but all {len(params)} are "
                "frozen. A parameter is made by Tensor(array, requires_grad=True)."
            )
        held = set(map(id, params))
        if lacking := [name for name, p in model.named_parameters() if p.requires_grad and id(p) not in held]:
            raise ValueError(
                f"`{call}(optimizer=...)` must hold every parameter to be trained, but it lacks "
                f"{', '.join(lacking)}. Was it made for another model, or before a layer was replaced? Make "
                "it again with model.named_parameters(), or freeze the parameters that must not change: "
                "p.requires_grad = False."
            )


def schedules(given: Any) -> list[Any]:
    if given is None:
        return []
    schedules = list(given) if isinstance(given, list | tuple) else [given]
    for schedule in schedules:
        if isinstance(schedule, type) or not callable(getattr(schedule, "step", None)):
            raise TypeError(
                "`fit(schedule=...)` must be a schedule such as optim.StepLR(optimizer, 10), or a list of "
                f"them, got {schedule!r:.60}."
            )
    return schedules


def require_schedules(optimizer: Any, schedules: Sequence[Any], every: str, columns: Collection[str]) -> None:
    """Require schedules of this optimizer that can be stepped as often, and with the metric they ask for."""
    for schedule in schedules:
        if getattr(schedule, "optimizer", optimizer) is not optimizer:
            raise ValueError("`fit(schedule=...)` must be a schedule of the optimizer that is given.")
        if getattr(schedule, "needs_metric", False) and every == "batch":
            raise ValueError(
                f"`fit(schedule_every=...)` must be 'epoch' for {type(schedule).__name__}, which needs the "
                "loss of an epoch."
            )
        if (monitor := getattr(schedule, "monitor", None)) is not None and monitor not in columns:
            raise ValueError(
                f"`fit(schedule=...)`: {type(schedule).__name__} watches {monitor!r}, but an epoch measures "
                f"{sorted(columns)}. Give it one of them as monitor=, or add validation= and metrics=."
            )


def require_functions(loss: Any, augment: Any, metrics: Any, callbacks: Any, call: str = "fit") -> None:
    if metrics is not None and not isinstance(metrics, Mapping):
        raise TypeError(f"`{call}(metrics=...)` must be a dict of name: function, got {metrics!r:.60}.")
    if not isinstance(callbacks, list | tuple):
        raise TypeError(f"`{call}(callbacks=...)` must be a list of functions, got {callbacks!r:.60}.")
    given = [("loss", loss), *(("metrics", each) for each in (metrics or {}).values())]
    given += [("callbacks", each) for each in callbacks]
    given += [] if augment is None else [("augment", augment)]
    for name, each in given:
        if isinstance(each, type) or not callable(each):
            raise TypeError(f"`{call}({name}=...)` needs a function, or an object to call, got {each!r:.60}.")


def require_options(optimizer: Any, clip_norm: Any, accumulate: Any, **switches: Any) -> None:
    """Require what `fit` may do with a gradient before the step, and switches that are True or False."""
    for name, on in switches.items():
        if not isinstance(on, bool | np.bool_):
            raise TypeError(f"`fit({name}=...)` must be True or False, got {on!r:.60}.")
    if isinstance(accumulate, bool) or not isinstance(accumulate, int | np.integer) or accumulate < 1:
        raise ValueError(
            f"`fit(accumulate=...)` must be a whole number of at least 1, got {accumulate!r:.60}."
        )
    number = isinstance(clip_norm, int | float | np.integer | np.floating) and not isinstance(clip_norm, bool)
    if clip_norm is not None and not (number and 0 < clip_norm < math.inf):
        raise ValueError(f"`fit(clip_norm=...)` must be a finite number > 0, or None, got {clip_norm!r:.60}.")
    if hasattr(optimizer, "rule") and hasattr(optimizer, "param_groups"):
        return
    used = {"clip_norm": clip_norm is not None, "accumulate": accumulate > 1}
    used["skip_nonfinite"] = switches["skip_nonfinite"]
    if asked := [name for name, on in used.items() if on]:
        raise TypeError(
            f"`fit({asked[0]}=...)` needs an optimizer that steps by an update rule, such as optim.Adam; "
            f"{type(optimizer).__name__} evaluates the loss at several points and judges gradients itself."
        )


def require_rng(rng: Any, call: str = "fit") -> None:
    if rng is None or isinstance(rng, np.random.Generator):
        return
    if isinstance(rng, bool) or not isinstance(rng, int | np.integer) or rng < 0:
        raise TypeError(f"`{call}(rng=...)` must be a whole number ≥ 0 or a Generator, got {rng!r:.60}.")


def require_enough_steps(schedules: Sequence[Any], each_epoch: int, epochs: int, resumed: bool) -> None:
    """Require that no schedule of limited length, such as OneCycleLR, ends before the training does."""
    for schedule in schedules:
        total = getattr(schedule, "total_steps", None)
        before = 0 if resumed else getattr(schedule, "last_epoch", 0)
        if total is not None and before + epochs * each_epoch > total:
            raise ValueError(
                f"`fit(schedule=...)`: {type(schedule).__name__} ends after total_steps={total}, but this "
                f"training steps it {epochs * each_epoch} times"
                + (f", after {before} before" if before else "")
                + f": {each_epoch} in each of {epochs} epochs. Give it that number, or change "
                "schedule_every=."
            )
