"""The steps of a run, taken again: from the last checkpoint before a step, with the gradients since. Those of
level "replay" are computed again first, from the weights and the loss of a step.

Names: `t` the number of a step in the run, from 1; `clone` an optimizer of the same class on parameters of
its own, which takes the recorded steps again.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np

from minigrad import Tensor
from minigrad.extend import Bound, numeric
from optim.base.first_order import FirstOrder
from optim.base.groups import Array, ParamSlice, Values
from optim.base.loss import no_loss
from optim.base.optimizer import Optimizer
from optim.recording.recorder import square_of
from optim.recording.written import Written
from optim.second_order.objective import ClosureObjective

__all__ = ["Again", "AlongStep", "along_step"]

RECOMPUTE = "run.recompute(loss)"


class Again:
    """Takes the steps of a run again, in order where it can, because each step is made of the last one."""

    def __init__(self, written: Written, optimizer_class: type | None) -> None:
        self.written = written
        self._class = optimizer_class
        self._source: tuple[Callable[[int], Any], Mapping[str, Tensor]] | None = None  # see `recompute`
        self.forget()

    def forget(self) -> None:
        """Steps were cut, or their gradients come from another loss."""
        self._clone: FirstOrder | None = None
        self._steps: list[Array] = []  # of the clone's groups: where an update leaves its step
        self._next = 0  # the step that the clone would take next
        self._computed: tuple[int, dict[str, Array]] = (0, {})  # the last gradient that was, and its step

    def recompute(self, loss: Callable[[int], Any], leaves: Mapping[str, Tensor]) -> None:
        """Compute the gradient of step t by loss(t), which uses these parameters."""
        self._source = (loss, leaves)
        self.forget()

    def is_ruled(self) -> bool:
        return issubclass(self._kind(), FirstOrder)

    def _kind(self) -> type:
        if self._class is None:
            module, name = self.written.meta["optimizer"]["module"], self.written.meta["optimizer"]["name"]
            try:
                found: Any = import_module(module)
                for part in name.split("."):
                    found = getattr(found, part)
            except (ImportError, AttributeError):
                raise ImportError(
                    f"`open_run({str(self.written.folder)!r})`: the optimizer {name} of {module} cannot be "
                    "imported here. Give its class: open_run(folder, optimizer_class=...)."
                ) from None
            self._class = found
        return self._class

    # The clone

    def before(self, t: int) -> FirstOrder:
        """The clone, as the optimizer was before step t."""
        checkpoints = self.written.checkpoints
        last = checkpoints[bisect_right(checkpoints, t) - 1]
        if self._clone is None or not last < self._next <= t:
            self._clone = self._clone or self._cloned()
            self._load(self._clone, last)
        while self._next < t:
            self._take(self._clone, self._next)
        return self._clone

    def after(self, t: int) -> FirstOrder:
        """The clone, as the optimizer was after step t; before the first one for t = 0."""
        clone = self.before(max(t, 1))
        if t:
            self._take(clone, t)
        return clone

    def about_to(self, t: int) -> FirstOrder:
        """The clone before step t, with the options and gradients of that step."""
        clone = self.before(t)
        self._give(clone, t)
        return clone

    def _cloned(self) -> FirstOrder:
        groups = [
            {
                "params": {
                    p["name"]: Tensor(np.zeros(p["shape"], group["dtype"]), requires_grad=True)
                    for p in group["params"]
                },
                **_options(options),
            }
            for group, options in zip(self.written.groups, self.written.valid("options", 1), strict=True)
        ]
        clone: FirstOrder = object.__new__(self._kind())
        FirstOrder.__init__(clone, groups, **{k: v for k, v in groups[0].items() if k != "params"})
        self._steps = [group.keep_step() for group in clone.param_groups]
        return clone

    def _load(self, clone: FirstOrder, t: int) -> None:
        """Put the checkpoint before step t into the clone."""
        states, counted = self.written.states(t), self.written.line(t)["counters"]
        for group, vectors, counters in zip(clone.param_groups, states, counted, strict=True):
            for vector, saved in zip(group.vectors, vectors, strict=True):
                vector[...] = saved
            for j, param in enumerate(group.slices):
                param.counters = counters if isinstance(counters, dict) else counters[j]
        self._next = t

    def _give(self, clone: FirstOrder, t: int) -> None:
        """Give the clone the options and gradients of step t."""
        gradients = self.gradient(t)
        for group, options in zip(clone.param_groups, self.written.valid("options", t), strict=True):
            options = _options(options)
            if options != group.options:
                group.update(options)
            for param in group.slices:
                param.tensor.gradient = gradients.get(param.name)

    def _take(self, clone: FirstOrder, t: int) -> None:
        """Take step t, and require that it is as long as it was."""
        self._give(clone, t)
        for step in self._steps:
            step.fill(0)  # an update writes only the parts that take part
        clone.step()
        self._next = t + 1
        length = math.sqrt(sum(map(square_of, self._steps)))
        was = self.written.numbers(t)["step_norm"]
        if math.isfinite(length + was) and not math.isclose(length, was, rel_tol=1e-3, abs_tol=1e-300):
            self._clone = None
            raise ValueError(
                f"run: step {t} was {was:.6g} long, and is {length:.6g} long when it is taken again. Was the "
                "optimizer's state changed by hand, or its rule since the recording?"
            )

    # Gradients

    def gradient(self, t: int) -> dict[str, Array]:
        """The gradient of step t by parameter: as it was written, or computed again."""
        if self.written.meta["level"] != "replay":
            return self.written.gradient(t)
        at, found = self._computed
        if at != t:
            found = self._gradient_again(t)
            self._computed = (t, found)
        return {name: g.copy() for name, g in found.items()}

    def _gradient_again(self, t: int) -> dict[str, Array]:
        """The gradient of step t, computed with the weights before it."""
        if self._source is None:
            raise ValueError(
                f"`run`: the gradient of step {t} is not kept at level 'replay'. Say how it is computed by "
                "run.recompute(loss, optimizer), or record with level='tape'."
            )
        by_fit = self.written.line(t).get("fit", {})
        if "batches" in by_fit:
            raise ValueError(
                f"`run`: step {t} was made of {by_fit['batches']} batches, by fit(accumulate=...), and is "
                'not computed again. Record with level="tape".'
            )
        loss, leaves = self._source
        weights = {p.name: p.tensor.data for group in self.before(t).param_groups for p in group.slices}
        value, found = _loss_and_gradient(loss, t, leaves, weights)
        wanted = self.written.present(t)
        if lacking := wanted - found.keys():
            raise ValueError(
                f"`{RECOMPUTE}`: loss({t}) does not reach {sorted(lacking)}, which took part in step "
                f"{t}. Is a parameter frozen?"
            )
        if (scale := by_fit.get("scale")) is not None:
            found = {name: g * scale for name, g in found.items()}
        found = {name: g for name, g in found.items() if name in wanted}
        was = self.written.numbers(t)
        _require_same(t, value, found, (was["loss"], was["gradient_norm"]))
        return found

    # Going on

    def find(self, optimizer: Optimizer) -> int | None:
        """The last t for which the optimizer is as it was after t steps, or None."""
        n = len(self.written)
        if not self.is_ruled():
            if self.written.meta["level"] != "tape":
                return n
            return next((t for t in range(n, -1, -1) if n and self._agrees(optimizer, t)), None if n else 0)
        wanted = [[param.counters["t"] for param in group.slices] for group in optimizer.param_groups]
        found = [t for t, counts in enumerate(self._counts(n)) if counts == wanted]
        return next((t for t in reversed(found) if not n or self._agrees(optimizer, t)), None if n else 0)

    def _counts(self, n: int) -> Iterator[list[list[int]]]:
        """The step counts of all parameters after 0, 1, 2, … n steps."""
        now: list[list[int]] = []
        for t in range(1, n + 1):
            if "counters" in (line := self.written.line(t)):
                pairs = zip(line["counters"], self.written.groups, strict=True)
                now = [
                    [c["t"]] * len(group["params"]) if isinstance(c, dict) else [each["t"] for each in c]
                    for c, group in pairs
                ]
            if t == 1:
                yield now
            present = self.written.valid("present", t)
            took = [range(len(c)) if p is None else p for c, p in zip(now, present, strict=True)]
            now = [[x + (i in part) for i, x in enumerate(c)] for c, part in zip(now, took, strict=True)]
            yield now

    def _agrees(self, optimizer: Optimizer, t: int) -> bool:
        if self.written.meta["level"] != "tape":  # nobody has said yet how a gradient is computed again
            return True
        if not self.is_ruled():
            weights = self.written.weights(t) if t else self.written.weights_before(1)
            pairs = [(p.tensor.data, weights[p.name]) for g in optimizer.param_groups for p in g.slices]
        else:
            groups = zip(optimizer.param_groups, self.after(t).param_groups, strict=True)
            pairs = [pair for a, b in groups for pair in zip(a.vectors, b.vectors, strict=True)]
        return all(a.tobytes() == b.tobytes() for a, b in pairs)


def _options(options: Values) -> Values:
    """The options as they were before JSON made lists of tuples."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in options.items()}


def _loss_and_gradient(
    loss: Callable[[int], Any], t: int, leaves: Mapping[str, Tensor], weights: Mapping[str, Array]
) -> tuple[float, dict[str, Array]]:
    """loss(t) and its gradient by name, with these weights in the leaves; they are put back afterwards."""
    kept = {name: (leaf.data.copy(), leaf.gradient) for name, leaf in leaves.items()}
    try:
        for name, leaf in leaves.items():
            leaf.assign(weights[name])
            leaf.gradient = None
        value = loss(t)
        value = value() if isinstance(value, Bound) else value
        if not isinstance(value, Tensor) or value.size != 1:
            raise no_loss(RECOMPUTE, value)
        value.backward()
        found = {n: numeric(p.gradient, f"{n}.grad") for n, p in leaves.items() if p.gradient is not None}
        return float(value.item()), found
    finally:
        for name, leaf in leaves.items():
            leaf.assign(kept[name][0])
            leaf.gradient = kept[name][1]


def _require_same(t: int, loss: float, gradient: Mapping[str, Array], was: tuple[float, float]) -> None:
    """Require the loss and the norm of the gradient that were recorded, up to rounding on another machine."""
    squares = [float(np.vdot(g, g)) for g in (each.astype(float) for each in gradient.values())]
    tolerance = math.sqrt(max(np.finfo(g.dtype).eps for g in gradient.values())) if gradient else 0.0
    names, now = ("loss", "norm of the gradient"), (loss, math.sqrt(sum(squares)))
    for name, before, again in zip(names, was, now, strict=True):
        if math.isfinite(before) and not math.isclose(before, again, rel_tol=tolerance, abs_tol=1e-300):
            raise ValueError(
                f"`{RECOMPUTE}`: the {name} of step {t} was {before:.9g}, and with loss({t}) it is "
                f"{again:.9g}. Does the loss take the rows of that step, in training mode, with the same "
                "random numbers?"
            )


@dataclass(frozen=True)
class AlongStep:
    """The loss along a step, x + αs for the α given, and what gradient and curvature predict.

    line = f + α·gᵀs,   parabola = f + α·gᵀs + ½α²·sᵀHs,   ρ = (f(x) − f(x + s))/(f − parabola at α = 1)
    """

    alpha: Array
    loss: Array
    line: Array
    parabola: Array
    rho: float


def along_step(
    closure: Callable[[], Any],
    params: Sequence[ParamSlice],
    after: Mapping[str, Array],
    steps: Mapping[str, Array],
    alphas: Any,
) -> AlongStep:
    """See `Run.along`; `after` are the weights after the step, from which w = before − step leads there."""
    leaves = [p.tensor for p in params]
    objective = ClosureObjective(closure, leaves, [0.0] * len(leaves), "run.along")
    now = objective.x
    s = -np.concatenate([np.ravel(steps[p.name]) for p in params]).astype(float)
    x = np.concatenate([np.ravel(after[p.name]) for p in params]).astype(float) - s
    α = np.linspace(-0.5, 2.0, 41) if alphas is None else np.asarray(alphas, float)
    try:
        here = objective(x)
        slope, curvature = float(here.g @ s), float(s @ here.hv(s))
        f = here.f
        loss = np.array([objective(x + a * s).f for a in α])
        end = objective(x + s).f
    finally:
        objective.put(now)
    predicted = -(slope + curvature / 2)
    line = f + α * slope
    return AlongStep(α, loss, line, line + α**2 * curvature / 2, (f - end) / predicted)
