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
        self.options: Any = None
        self.counters: Any = None
        self.present: Any = ()  # the positions of the parameters that took part; None for all
        self.before = self.after = b""  # the weights
        self.moved = np.empty(n, group.dtype)
        self.scratch = np.empty(n, group.dtype)
        vectors = group.vectors if ruled else group.vectors[:1]
        self.vectors = vectors if level != "scalars" else ()
        self.states = RowWriter(folder, state, (len(vectors), n), group.dtype) if self.vectors else None
        self.gradients = RowWriter(folder, gradient, (n,), group.dtype) if level == "tape" else None
        self.weights = RowWriter(folder, weights, (n,), group.dtype) if self.vectors and not ruled else None

    def forget(self) -> None:
        self.options, self.counters, self.present, self.after = None, None, (), b""

    def gradient(self, segments: list[Segment], row: Array) -> float:
        """Copy the gradient into the row; its squared norm."""
        if len(segments) == 1 and (joined := segments[0].joined) is not None:
            row[...] = joined
        else:
            if sum(segment.hi - segment.lo for segment in segments) < row.size:
                row.fill(0)
            for segment in segments:
                lo = segment.lo
                for g in segment.grads:
                    row[lo : lo + g.size] = g.reshape(-1)
                    lo += g.size
        return _square(row)

    def took_part(self, segments: list[Segment]) -> list[int] | None:
        slices = self.group.slices
        if len(segments) == 1 and len(segments[0].slices) == len(slices):
            return None
        present = {id(param) for segment in segments for param in segment.slices}
        return [i for i, param in enumerate(slices) if id(param) in present]

    def step(self) -> float:
        """The squared length of the step that was taken."""
        w = self.group.w
        np.subtract(w, np.frombuffer(self.before, w.dtype), out=self.moved)
        self.after = w.tobytes()
        self.counters = self.group.slices[0].counters
        return _square(self.moved)


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
        moved, square = False, 0.0
        for log, (group, segments) in zip(self._logs, work):
            log.before = group.w.tobytes()
            if log.counters is not group.slices[0].counters or (log.vectors and log.before != log.after):
                moved = True
            if self.ruled:
                row = log.scratch if log.gradients is None else log.gradients.row(self.t)
                square += log.gradient(segments, row)
        self._square = square
        self._extra = self._changes(work, moved)

    def after(self, optimizer: Any, loss: Any) -> None:
        if self.ended:
            return
        if not self.ruled:
            self._unruled()
        step = 0.0
        with np.errstate(all="ignore"):  # ∞ − ∞ is not the recorder's to warn of
            for log in self._logs:
                step += log.step()
        value = math.nan if loss is None else float(loss.item() if isinstance(loss, Tensor) else loss)
        gradient, step = math.sqrt(self._square), math.sqrt(step)
        if not math.isfinite(value + gradient + step):
            value, gradient, step = map(json.dumps, (value, gradient, step))  # type: ignore[assignment]
        line = (
            f'{{"t": {self.t + 1}, "loss": {value}, "gradient_norm": {gradient}, "step_norm": {step}'
            f"{self._extra}}}\n"
        ).encode()
        os.write(self._file, line)
        self._begun = False
        self.t += 1
        self.states += self._new_states
        self._left -= 1
        self._bytes += self._row_bytes + len(line)
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
        for log in self._logs:  # no line holds what a step that failed has noted
            log.forget()

    def _changes(self, work: Work, moved: bool) -> str:
        """The rest of the line: what is not as in the step before."""
        found: dict[str, Any] = {}
        self._new_states = 0
        if (self._left <= 0 or moved) and self._logs[0].vectors:
            self._checkpoint()
            found["checkpoint"] = True
        if found or moved:
            found["counters"] = [_counters(group) for group, _ in work]
        if any(log.options is not group.options for log, (group, _) in zip(self._logs, work)):
            for log, (group, _) in zip(self._logs, work):
                log.options = group.options
            found["options"] = [log.options for log in self._logs]
        if self.ruled:
            present = [log.took_part(segments) for log, (_, segments) in zip(self._logs, work)]
            found |= self._presence(present)
        if self.notes:
            found["note"], self.notes = self.notes, {}
        return f", {json.dumps(found)[1:-1]}" if found else ""

    def _presence(self, present: list[list[int] | None]) -> dict[str, Any]:
        if all(log.present == now for log, now in zip(self._logs, present)):
            return {}
        for log, now in zip(self._logs, present):
            log.present = now
        return {"present": present}

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
        present: list[list[int] | None] = []
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
            present.append(None if len(have) == len(log.group.slices) else have)
            if log.weights is not None:
                log.weights.row(self.t)[...] = log.group.w
        found = self._presence(present)
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
