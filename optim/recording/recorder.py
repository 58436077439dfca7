"""The recorder: little work in each step, raw numbers only; `optim.recording.again` derives the rest.

A step copies its gradient into a row and its numbers into another, whose last cell, t, makes the step
complete. Weights and state are rows too, at every K steps and wherever they are not what the last step left,
and so are the numbers of the data's rows in the batch. Options, counters, the parameters that took part and
other notes stand in a line of text where they changed; it is written before that t.

Names: `t` the number of a step in the run, from 1.
"""

from __future__ import annotations

import errno
import json
import math
import os
import struct
import warnings
from collections.abc import Callable, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np

from minigrad import Tensor
from minigrad.extend import numeric
from optim.base.first_order import FirstOrder
from optim.base.groups import Array, ParamGroup, ParamSlice, Segment
from optim.base.optimizer import Optimizer
from optim.recording.rows import RowWriter

__all__ = [
    "FORMAT",
    "LINES",
    "META",
    "NUMBERS",
    "ROWS",
    "SCALARS",
    "Recorder",
    "described",
    "group_files",
    "square_of",
]

vdot, sqrt = np.vdot, math.sqrt  # a.dot(a) would warn of an overflow
INFINITY = math.inf
TINY = 1e-30  # squares of float32 below 1e-38 lose digits, and are lost below 1e-45

META, LINES, SCALARS, ROWS, FORMAT = "meta.json", "changes.jsonl", "scalars", "rows", 2
NUMBERS = ("loss", "gradient_norm", "step_norm", "t")  # the cells of a row of scalars; t is written last
write_row = struct.Struct("=4d").pack_into  # one number after the other


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
    """One group of an optimizer with a rule: what is known of it, and where it is written."""

    def __init__(self, group: ParamGroup, folder: Path, i: int, level: str) -> None:
        self.group, self.w, self.first = group, group.w, group.slices[0]
        self.step = group.keep_step()
        self.vectors = self.kept(group) if level != "scalars" else ()
        self.bytes = bytearray(group.w.nbytes if self.vectors else 0)
        self.now = memoryview(group.w)  # compared with `bytes` without a copy of either
        self.known = np.ndarray(
            len(self.bytes) // group.w.itemsize, group.dtype, self.bytes
        )  # w after a step

        def rows(name: str, *lead: int) -> RowWriter:
            return RowWriter(folder, name, (*lead, group.w.size), group.dtype)

        gradient, state, weights = group_files(i)
        self.gradients = rows(gradient) if level == "tape" else None
        self.states = rows(state, len(self.vectors)) if self.vectors else None
        self.weights = rows(weights) if self.vectors and isinstance(self, _Unruled) else None
        self.square = 0.0  # of the gradient's norm; a tape has the gradient instead
        self.forget()

    def kept(self, group: ParamGroup) -> Sequence[Array]:
        """The vectors of a checkpoint."""
        return group.vectors

    def forget(self) -> None:
        self.options: Any = None
        self.counters: Any = None  # those of the first parameter after the last step; None if it was changed
        self.took_part: list[int] | None = None
        self.present: Any = ()  # the positions of the parameters that took part; None for all

    def begin(self, segments: list[Segment] | None, t: int) -> bool:
        """Keep the gradient of step t + 1, unless it is None, and the weights before it; whether anything is
        not as the last line says."""
        took_part = None
        if segments is not None:
            if len(segments) == 1 and (g := segments[0].joined) is not None:
                if self.gradients is not None:
                    self.gradients.put(t, g)
                else:
                    self.square = square_of(g)
            else:
                self.step.fill(0)  # an update writes only the parts that take part
                took_part = self.gather([x for each in segments for x in zip(each.slices, each.grads)], t)
        self.took_part = took_part
        if self.vectors and self.bytes != self.now:
            self.known[...] = self.w
            self.counters = None
        if self.first.counters is self.counters:
            return self.group.options is not self.options or took_part != self.present
        self.counters = None
        return True

    def gather(self, found: list[tuple[ParamSlice, Array]], t: int) -> list[int] | None:
        """Keep the gradient of step t + 1, given by parameter; which parameters have one, None for all."""
        row = np.empty_like(self.w) if self.gradients is None else self.gradients.row(t)
        row.fill(0)
        for param, g in found:
            row[param.lo : param.hi] = g.reshape(-1)
        if self.gradients is None:
            self.square = square_of(row)
        have = {id(param) for param, _ in found}
        slices = self.group.slices
        return None if len(have) == len(slices) else [i for i, p in enumerate(slices) if id(p) in have]

    def end(self) -> float:
        """The squared length of the step that was taken."""
        if self.vectors:
            self.known[...] = self.w
        self.counters = self.first.counters
        return square_of(self.step)

    def leave(self) -> None:
        self.group.leave_step(self.step)


class _Unruled(_Log):
    """One group of an optimizer without a rule, whose steps are seen by the weights before and after them."""

    def __init__(self, group: ParamGroup, folder: Path, i: int, level: str) -> None:
        super().__init__(group, folder, i, level)
        self.leave()

    def kept(self, group: ParamGroup) -> Sequence[Array]:
        return group.vectors[:1]

    def begin(self, segments: list[Segment] | None, t: int) -> bool:
        self.step[...] = self.w
        return super().begin(segments, t)

    def end(self) -> float:
        with np.errstate(all="ignore"):  # ∞ − ∞ is not the recorder's to warn of
            np.subtract(self.step, self.w, self.step)
        return super().end()


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
        self.optimizer, self.folder, self.level = optimizer, folder, level
        self.every, self.max_bytes = every, max_bytes
        self.t, self.states = steps, states
        self.resuming: Callable[[Optimizer], tuple[int, int]] | None = None
        self._step: Callable[..., Any] | None = None  # what is around that of an optimizer without a rule
        self.notes: dict[str, Any] = {}  # for the step to come
        self.rows: Array | None = None  # of the data, for the step to come
        self._by_fit: dict[str, Any] = {}  # what else it has told of the step to come
        self._noted: Array | None = None  # those of the step that has begun
        self._loss: float | None = None  # of several batches
        self._batches: RowWriter | None = None  # a row holds n, and n numbers
        self._widest = 0
        self.ended = False
        self._bytes = (folder / LINES).stat().st_size if steps else 0
        self._due = math.inf if level == "scalars" else steps  # the steps before the next checkpoint
        self._new_states = 0
        self._unready = bool(steps)  # whether `_prepare` is needed: to resume, or because a step has failed
        self._changed: dict[str, Any] = {}  # what a line will say of the step
        groups = enumerate(optimizer.param_groups)
        log = _Log if self.ruled else _Unruled
        self._logs = [log(group, folder, i, level) for i, group in groups]
        self._numbers = RowWriter(folder, SCALARS, (len(NUMBERS),), np.float64)
        self._row_bytes = self._numbers.row_bytes + sum(
            each.row_bytes for log in self._logs for each in (log.gradients, log.weights) if each is not None
        )
        self._state_bytes = sum(log.states.row_bytes for log in self._logs if log.states is not None)
        self._bytes += steps * self._row_bytes + states * self._state_bytes
        self._file = os.open(folder / LINES, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)

    # Being told of steps

    def attach(self) -> None:
        # The first, so that it sees weights before another observer changes them. `fit` finds it here, too.
        self.optimizer.observers = (self, *self.optimizer.observers)
        if not self.ruled:
            self._step = self._around(self.optimizer.step)
            self.optimizer.step = self._step  # type: ignore[method-assign]

    def detach(self) -> None:
        self._leave()
        os.close(self._file)

    def _leave(self) -> None:
        self.optimizer.observers = tuple(o for o in self.optimizer.observers if o is not self)
        if self._step is not None and vars(self.optimizer).get("step") is self._step:
            del self.optimizer.step  # of the object; that of its class comes back
        for log in self._logs:
            log.leave()

    # What a step cannot be taken again without

    def note(self, rows: Any = None, **values: Any) -> None:
        """See `Run.note`."""
        call = "run.note"
        values = {name: _as_json(value) for name, value in values.items()}
        for name, value in values.items():
            try:
                json.dumps(value)
            except TypeError as error:
                raise TypeError(
                    f"`{call}({name}=...)` must be what JSON can hold, or arrays: {error}."
                ) from None
        if rows is not None:
            rows = np.asarray(rows)
            if rows.ndim != 1 or rows.dtype.kind not in "iu":
                raise ValueError(
                    f"`{call}(rows=...)` must be one axis of whole numbers, the rows of the batch in the "
                    f"data, got {rows.dtype} of shape {rows.shape}. Note other things under another name."
                )
            self.rows = rows.copy()
        self.notes |= values

    def note_batch(
        self, batches: Sequence[Array], generators: Sequence[tuple[str, np.random.Generator]]
    ) -> None:
        """`fit` tells the rows of each batch of the step to come, and the random generators of the model."""
        self.rows = batches[0] if len(batches) == 1 else np.concatenate(batches)
        if len(batches) > 1:
            self._by_fit["batches"] = len(batches)
        if generators and self.level == "replay":
            self.note(generators={path: r.bit_generator.state for path, r in generators})

    def note_scale(self, factor: float) -> None:
        """`fit` has scaled the gradient of the step to come."""
        self._by_fit["scale"] = factor

    def note_loss(self, loss: float) -> None:
        """`fit` has made the step to come of several batches, whose mean loss this is."""
        self._loss = loss

    def noting(self, augment: Callable[..., Any]) -> Callable[..., Any]:
        """`augment`, which first tells how its generator stands."""
        if self.level != "replay":
            return augment

        def noted(x: Any, rng: np.random.Generator) -> Any:
            self.note(augment=rng.bit_generator.state)
            return augment(x, rng)

        return noted

    def _around(self, step: Callable[..., Any]) -> Callable[..., Any]:
        def recorded(*args: Any, **kwargs: Any) -> Any:
            if self.ended:
                return step(*args, **kwargs)
            _adopted(self._logs)
            self.before(self.optimizer, [(group, None) for group in self.optimizer.param_groups])
            loss = step(*args, **kwargs)
            self.after(self.optimizer, loss)
            return loss

        return recorded

    def before(self, optimizer: Any, work: Sequence[tuple[ParamGroup, list[Segment] | None]]) -> None:
        if self._unready or len(work) != len(self._logs):
            self._prepare(len(work))
        self._unready = True
        self._noted, self.rows = self.rows, None
        t = self.t
        changed = t >= self._due or self.notes or self._by_fit
        for log, (_, segments) in zip(self._logs, work):
            if log.begin(segments, t):
                changed = True
        self._changed = self._changes() if changed else {}

    def after(self, optimizer: Any, loss: Any) -> None:
        if not self.ruled:
            self._unruled()
        length = square = 0.0
        for log in self._logs:
            length += log.end()
            square += log.square
        value = loss.primal.item() if isinstance(loss, Tensor) else math.nan if loss is None else float(loss)
        if self._loss is not None:
            value, self._loss = self._loss, None
        if self._noted is not None:
            self._write_rows(self._noted)
        memory, place = self._numbers.place(self.t)
        t = self.t + 1
        if self._changed:
            self._write({"t": t, **self._changed})
        write_row(memory, place, value, sqrt(square), sqrt(length), t)
        self.t = t
        self._unready = False
        self._bytes += self._row_bytes
        if self._bytes > self.max_bytes:
            self._end()

    # The parts

    def _prepare(self, groups: int) -> None:
        """Do what is seldom needed: find the place to go on from, and forget a step that failed."""
        if groups != len(self._logs):
            raise ValueError(
                f"`optim.record(optimizer, ...)`: {type(self.optimizer).__name__} has {groups} groups now, "
                f"and {len(self._logs)} when the recording began. Record it again, into another folder."
            )
        if self.resuming is not None:
            self.t, self.states = self.resuming(self.optimizer)
            self.resuming = None
        self._new_states = 0
        for log in self._logs:  # no line holds what a step that failed has noted
            log.forget()

    def _write_rows(self, rows: Array) -> None:
        n = len(rows)
        if self._batches is None or n > self._widest:
            self._widest = n
            self._batches = RowWriter(self.folder, ROWS, (1 + n,), np.int64)
        row = self._batches.row(self.t)
        row[1 : 1 + n] = rows
        row[0] = n
        self._bytes += self._batches.row_bytes

    def _write(self, line: dict[str, Any]) -> None:
        """Write what is not as in the step before."""
        text = (json.dumps(line) + "\n").encode()
        if (written := os.write(self._file, text)) < len(text):
            os.ftruncate(self._file, os.fstat(self._file).st_size - written)  # the next line needs its own
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.folder / LINES))
        self._bytes += len(text)
        self.states += self._new_states
        self._new_states = 0

    def _changes(self) -> dict[str, Any]:
        """What is not as in the step before."""
        found: dict[str, Any] = {}
        moved = any(log.counters is None for log in self._logs)
        if self.t >= self._due or (moved and self._logs[0].vectors):
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
        if self._by_fit:
            found["fit"], self._by_fit = self._by_fit, {}
        return found

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
        self._due = self.t + self.every
        self._bytes += self._state_bytes

    def _unruled(self) -> None:
        """Note the gradient, the weights after the step and the report of an optimizer without a rule."""
        _adopted(self._logs)
        given = getattr(self.optimizer, "last_gradient", None)
        for log in self._logs:
            found = []
            for param in log.group.slices:
                g = given.get(param.name) if given is not None else param.tensor.gradient
                if g is not None:
                    found.append((param, numeric(g, f"{param.name}.grad")))
            log.took_part = log.gather(found, self.t)
            if log.weights is not None:
                log.weights.put(self.t, log.w)
        self._changed = self._changed | self._presence()
        if (info := _plain(getattr(self.optimizer, "last_step", None))) is not None:
            self._changed["info"] = info

    def _end(self) -> None:
        self.ended = True
        self._leave()
        warnings.warn(
            f"the recording in {str(self.folder)!r} ended after step {self.t}, at its max_bytes="
            f"{self.max_bytes:,}; the training goes on. Give `optim.record` a larger max_bytes, or "
            'level="scalars".',
            RuntimeWarning,
            stacklevel=4,
        )


def square_of(a: Array) -> float:
    """|a|², also where it overflows or vanishes in the dtype of a, or has three digits there, as float16."""
    square = float(vdot(a, a))
    if TINY < square < INFINITY and a.itemsize > 2:
        return square
    wide = a.astype(np.float64)
    return float(vdot(wide, wide))


def _as_json(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _as_json(each) for key, each in value.items()}
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value


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
