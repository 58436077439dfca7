"""The recorder: little work in each step, raw numbers only; `optim.recording.run` derives the rest.

A step copies its gradient into a row and writes one line, without a buffer; the line makes the step complete.
Weights and state are rows too, at every K steps and wherever they are not what the last step left. Options,
counters and the parameters that took part stand in a line only where they changed.

Names: `t` the number of a step in the run, from 1.
"""

from __future__ import annotations

import json
import math
import os
import warnings
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np

from minigrad import Tensor
from minigrad.extend import numeric
from optim.base.first_order import FirstOrder
from optim.base.groups import Array, ParamGroup, Segment
from optim.base.insight import Work
from optim.base.optimizer import Optimizer
from optim.recording.rows import RowWriter

__all__ = ["FORMAT", "LINES", "META", "Recorder", "described", "group_files"]

META, LINES, FORMAT = "meta.json", "scalars.jsonl", 1


def group_files(i: int) -> tuple[str, str, str]:
    """The names of the rows of group i: gradients; weights and state before a step; weights after it."""
    return f"gradient.{i}", f"state.{i}", f"weights.{i}"


def described(optimizer: Optimizer, level: str, every: int) -> dict[str, Any]:
    """What meta.json says of a run."""
    kind = type(optimizer)
    return {
        "format": FORMAT,
        "level": level,
        "every": every,
        "optimizer": {"module": kind.__module__, "name": kind.__qualname__},
        "groups": [
            {
                "dtype": group.dtype.name,
                "state": list(group.state),
                "params": [
                    {"name": p.name, "shape": list(p.shape), "lo": p.lo, "hi": p.hi} for p in group.slices
                ],
            }
            for group in optimizer.param_groups
        ],
    }


class _Log:
    """One group: what is known of it, and where it is written."""

    def __init__(self, group: ParamGroup, folder: Path, i: int, level: str, ruled: bool) -> None:
        n = group.w.size
        gradient, state, weights = group_files(i)
        self.group = group
        self.known = np.empty(n, group.dtype)  # the weights after the last step
        self.scratch = np.empty(n, group.dtype)
        vectors = group.vectors if ruled else group.vectors[:1]
        self.vectors = vectors if level != "scalars" else ()
        self.states = RowWriter(folder, state, (len(vectors), n), group.dtype) if self.vectors else None
        self.gradients = RowWriter(folder, gradient, (n,), group.dtype) if level == "tape" else None
        self.weights = RowWriter(folder, weights, (n,), group.dtype) if self.vectors and not ruled else None
        self.forget()

    def forget(self) -> None:
        self.options: Any = None
        self.counters: Any = None  # those of the first parameter after the last step; None if it was changed
        self.took_part: list[int] | None = None
        self.present: Any = ()  # the positions of the parameters that took part; None for all
        self.after = b""  # the bytes of `known`

    def changed(self, present: list[int] | None) -> bool:
        """Whether anything is not as the last line says; `known` is then what the weights are."""
        group = self.group
        same = not self.vectors or group.w.tobytes() == self.after
        if same and group.slices[0].counters is self.counters:
            if not self.vectors:
                self.known[...] = group.w
            return group.options is not self.options or present != self.present
        self.known[...] = group.w
        self.counters = None
        return True

    def gradient(self, segments: list[Segment], t: int) -> tuple[float, list[int] | None]:
        """Keep the gradient of step t + 1; its squared norm, and which parameters have one."""
        row = self.scratch if self.gradients is None else self.gradients.row(t)
        if len(segments) == 1 and (joined := segments[0].joined) is not None:
            row[...] = joined
            return float(joined.dot(joined)), None
        row.fill(0)
        for segment in segments:
            lo = segment.lo
            for g in segment.grads:
                row[lo : lo + g.size] = g.reshape(-1)
                lo += g.size
        slices = self.group.slices
        took_part = {id(param) for segment in segments for param in segment.slices}
        present = [i for i, param in enumerate(slices) if id(param) in took_part]
        return float(row.dot(row)), None if len(present) == len(slices) else present

    def step(self) -> float:
        """The squared length of the step that was taken."""
        w, known, moved = self.group.w, self.known, self.scratch
        np.subtract(w, known, moved)
        if self.vectors:
            known[...] = w
            self.after = w.tobytes()
        self.counters = self.group.slices[0].counters
        return float(moved.dot(moved))


class Recorder:
    """Writes the steps of an optimizer; one of its `observers`, or around its `step` if it has no rule."""

    def __init__(
        self,
        optimizer: Optimizer,
        folder: Path,
        level: str,
        every: int,
        max_bytes: int,
        steps: int,
        states: int,
    ) -> None:
        self.ruled = isinstance(optimizer, FirstOrder)
        self.optimizer, self.folder, self.every, self.max_bytes = optimizer, folder, every, max_bytes
        self.t, self.states = steps, states
        self.resuming: Callable[[Optimizer], tuple[int, int]] | None = None
        self.notes: dict[str, Any] = {}
        self.ended = False
        self._bytes = (folder / LINES).stat().st_size if steps else 0
        self._left = 0  # steps until the next checkpoint
        self._new_states = 0
        self._begun = False  # whether a step has begun and not ended
        self._finite = True  # whether the numbers of the last line are
        self._extra, self._square = "", 0.0
        groups = enumerate(optimizer.param_groups)
        self._logs = [_Log(group, folder, i, level, self.ruled) for i, group in groups]
        self._row_bytes = sum(
            each.row_bytes for log in self._logs for each in (log.gradients, log.weights) if each is not None
        )
        self._state_bytes = sum(log.states.row_bytes for log in self._logs if log.states is not None)
        self._bytes += steps * self._row_bytes + states * self._state_bytes
        self._file = os.open(folder / LINES, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)

    # Being told of steps

    def attach(self) -> None:
        if self.ruled:
            self.optimizer.observers = (*self.optimizer.observers, self)
        else:
            self.optimizer.step = self._around(self.optimizer.step)  # type: ignore[method-assign]

    def detach(self) -> None:
        if self.ruled:
            self.optimizer.observers = tuple(o for o in self.optimizer.observers if o is not self)
        else:
            del self.optimizer.step  # of the object; that of its class comes back
        os.close(self._file)

    def _around(self, step: Callable[..., Any]) -> Callable[..., Any]:
        def recorded(*args: Any, **kwargs: Any) -> Any:
            _adopted(self._logs)
            self.before(self.optimizer, [(group, []) for group in self.optimizer.param_groups])
            loss = step(*args, **kwargs)
            self.after(self.optimizer, loss)
            return loss

        return recorded

    def before(self, optimizer: Any, work: Work) -> None:
        if self.ended:
            return
        if self._begun or self.resuming is not None or len(work) != len(self._logs):
            self._prepare(work)
        self._begun = True
        changed, square, present = self._left <= 0 or bool(self.notes), 0.0, None
        for log, (_, segments) in zip(self._logs, work):
            if self.ruled:
                length, present = log.gradient(segments, self.t)
                square += length
            log.took_part = present
            if log.changed(present):
                changed = True
        self._square = square
        self._extra = self._changes() if changed else ""

    def after(self, optimizer: Any, loss: Any) -> None:
        if self.ended:
            return
        if not self.ruled:
            self._unruled()
        step = self._length()
        value = math.nan if loss is None else loss.item() if isinstance(loss, Tensor) else float(loss)
        gradient = math.sqrt(self._square)
        self._finite = math.isfinite(value + gradient + step)
        # nine digits are formatted six times as quickly as all seventeen, which only the loss gets
        numbers = (value, f"{gradient:.9g}", f"{step:.9g}") if self._finite else self._in_full(value, step)
        line = (
            f'{{"t": {self.t + 1}, "loss": {numbers[0]}, "gradient_norm": {numbers[1]}, '
            f'"step_norm": {numbers[2]}{self._extra}}}\n'
        ).encode()
        os.write(self._file, line)
        self._begun = False
        self.t += 1
        self._left -= 1
        self._bytes += self._row_bytes + len(line)
        if self._new_states:
            self.states += self._new_states
            self._new_states = 0
        if self._bytes > self.max_bytes:
            self._end()

    # The parts

    def _prepare(self, work: Work) -> None:
        """Do what is seldom needed: find the place to go on from, and forget a step that failed."""
        if len(work) != len(self._logs):
            raise ValueError(
                f"`optim.record(optimizer, ...)`: {type(self.optimizer).__name__} has {len(work)} "
                f"groups now, and {len(self._logs)} when the recording began. Record it again, into another "
                "folder."
            )
        if self.resuming is not None:
            self.t, self.states = self.resuming(self.optimizer)
            self.resuming = None
        self._new_states = 0
        for log in self._logs:  # no line holds what a step that failed has noted
            log.forget()

    def _length(self) -> float:
        """The length of the step."""
        if self._finite:
            square = 0.0
            for log in self._logs:
                square += log.step()
            return math.sqrt(square)
        with np.errstate(all="ignore"):  # ∞ − ∞ is not the recorder's to warn of
            return math.sqrt(sum(log.step() for log in self._logs))

    def _in_full(self, value: float, step: float) -> tuple[str, str, str]:
        """The loss and the norms, where one is not finite in the precision of the parameters."""
        if math.isinf(self._square):
            rows = [log.gradients.row(self.t) for log in self._logs if log.gradients is not None]
            self._square = sum(map(_square, rows)) if rows else self._square
        return json.dumps(value), json.dumps(math.sqrt(self._square)), json.dumps(step)

    def _changes(self) -> str:
        """The rest of the line: what is not as in the step before."""
        found: dict[str, Any] = {}
        moved = any(log.counters is None for log in self._logs)
        if (self._left <= 0 or moved) and self._logs[0].vectors:
            self._checkpoint()
            found["checkpoint"] = True
        if found or moved:
            found["counters"] = [_counters(log.group) for log in self._logs]
        if any(log.options is not log.group.options for log in self._logs):
            for log in self._logs:
                log.options = log.group.options
            found["options"] = [log.options for log in self._logs]
        if self.ruled:
            found |= self._presence()
        if self.notes:
            found["note"], self.notes = self.notes, {}
        return f", {json.dumps(found)[1:-1]}" if found else ""

    def _presence(self) -> dict[str, Any]:
        """Which parameters took part, if others than in the step before."""
        if all(log.present == log.took_part for log in self._logs):
            return {}
        for log in self._logs:
            log.present = log.took_part
        return {"present": [log.present for log in self._logs]}

    def _checkpoint(self) -> None:
        for log in self._logs:
            assert log.states is not None
            row = log.states.row(self.states)
            for i, vector in enumerate(log.vectors):
                row[i] = vector
        self._new_states = 1
        self._left = self.every
        self._bytes += self._state_bytes

    def _unruled(self) -> None:
        """Note the gradient, the weights after the step and the report of an optimizer without a rule."""
        _adopted(self._logs)
        given = getattr(self.optimizer, "last_gradient", None)
        for log in self._logs:
            row = log.scratch if log.gradients is None else log.gradients.row(self.t)
            row.fill(0)
            have = []
            for i, param in enumerate(log.group.slices):
                g = given.get(param.name) if given is not None else param.tensor.gradient
                if g is not None:
                    row[param.lo : param.hi] = np.reshape(numeric(g, f"{param.name}.grad"), -1)
                    have.append(i)
            self._square += _square(row)
            log.took_part = None if len(have) == len(log.group.slices) else have
            if log.weights is not None:
                log.weights.row(self.t)[...] = log.group.w
        found = self._presence()
        if (info := _plain(getattr(self.optimizer, "last_step", None))) is not None:
            found["info"] = info
        self._extra += f", {json.dumps(found)[1:-1]}" if found else ""

    def _end(self) -> None:
        self.ended = True
        warnings.warn(
            f"the recording in {str(self.folder)!r} ended after step {self.t}, at its max_bytes="
            f"{self.max_bytes:,}; the training goes on. Give `optim.record` a larger max_bytes, or "
            'level="scalars".',
            RuntimeWarning,
            stacklevel=4,
        )


def _square(a: Array) -> float:
    square = float(np.dot(a, a))
    if math.isfinite(square):
        return square
    wide = a.astype(np.float64)  # where a float32 overflows
    return float(np.dot(wide, wide))


def _counters(group: ParamGroup) -> Any:
    """The counters of every parameter, or those that all have."""
    each = [param.counters for param in group.slices]
    return each[0] if all(counters == each[0] for counters in each) else each


def _adopted(logs: list[_Log]) -> None:
    for log in logs:
        for param in log.group.slices:
            if param.tensor.primal is not param.view:  # another optimizer has adopted it since
                log.group.adopt(param)


def _plain(info: Any) -> dict[str, Any] | None:
    """The numbers and texts of a report."""
    if not is_dataclass(info) or isinstance(info, type):
        return None
    found = {field.name: getattr(info, field.name) for field in fields(info)}
    return {key: value for key, value in found.items() if isinstance(value, bool | int | float | str)}
