"""What was written of a run: the rows and lines in its folder, which may grow while they are read.

Names: `t` the number of a step in the run, from 1; `line` what changes.jsonl says of a step, if anything;
`checkpoint` the weights and state before a step.
"""

from __future__ import annotations

import json
import math
from bisect import bisect_right
from pathlib import Path
from typing import Any

import numpy as np

from optim.base.groups import Array, Values
from optim.recording.recorder import FORMAT, LINES, META, NUMBERS, ROWS, SCALARS, group_files
from optim.recording.rows import RowReader, drop_rows

__all__ = ["Written", "read_meta"]


class Written:
    """The folder of a run; its `len` is the number of completed steps."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.meta = read_meta("open_run(folder)", folder)
        self.groups: list[Values] = self.meta["groups"]
        files = [group_files(i) for i in range(len(self.groups))]
        self._gradients, self._states, self._weights = (
            [RowReader(folder, name) for name in names] for names in zip(*files, strict=True)
        )
        self._numbers, self._batches = RowReader(folder, SCALARS), RowReader(folder, ROWS)
        self._forget()

    def _forget(self) -> None:
        self._steps = 0
        self._lines: dict[int, Values] = {}  # by step, where there is one
        self._end = 0  # the byte after the last of them
        self.checkpoints: list[int] = []  # the steps that have one
        self._changed: dict[str, list[int]] = {}  # the steps with new "options", and others "present"

    def __len__(self) -> int:
        before = self._steps
        for rows in self._numbers.stretches(before):
            # A row of scalars without its t was never completed.
            complete = rows[:, -1] == np.arange(self._steps + 1, self._steps + len(rows) + 1)
            self._steps += len(rows) if complete.all() else int(complete.argmin())
            if self._steps == before or not complete.all():
                break
        if self._steps > before:
            self._read_lines()
        return self._steps

    def _read_lines(self) -> None:
        """Read the lines of completed steps."""
        with (self.folder / LINES).open("rb") as file:
            file.seek(self._end)
            for text in file:
                if not text.endswith(b"\n") or (line := json.loads(text))["t"] > self._steps:
                    break
                self._lines[line["t"]] = line
                self._end += len(text)
        self.checkpoints = [t for t, line in self._lines.items() if "checkpoint" in line]
        self._changed = {
            key: [t for t, line in self._lines.items() if key in line] for key in ("options", "present")
        }

    # One step

    def line(self, t: int) -> Values:
        return self._lines.get(t, {})

    def valid(self, key: str, t: int) -> Any:
        """The options, or the positions of the parameters that took part, as they were in step t."""
        steps = self._changed[key]
        return self._lines[steps[bisect_right(steps, t) - 1]][key]

    def present(self, t: int) -> set[str]:
        """The names of the parameters that took part in step t."""
        pairs = zip(self.groups, self.valid("present", t), strict=True)
        return {
            p["name"]
            for group, some in pairs
            for k, p in enumerate(group["params"])
            if some is None or k in some
        }

    def numbers(self, t: int) -> dict[str, float]:
        """The numbers of step t, by `NUMBERS`."""
        return dict(zip(NUMBERS, self._numbers.row(t - 1).tolist(), strict=True))

    def rows(self, t: int) -> Array | None:
        """The data's rows in the batch of step t, or None."""
        row = self._batches.find(t - 1)
        return None if row is None or not row[0] else row[1 : 1 + row[0]].copy()

    def gradient(self, t: int) -> dict[str, Array]:
        """The gradient of step t by parameter, of those that took part."""
        present, found = self.present(t), self._pieces([rows.row(t - 1) for rows in self._gradients])
        return {name: g for name, g in found.items() if name in present}

    def weights(self, t: int) -> dict[str, Array]:
        """The weights after step t of an optimizer without a rule."""
        return self._pieces([rows.row(t - 1) for rows in self._weights])

    def states(self, t: int) -> list[Array]:
        """The weights and state of each group before step t, which has a checkpoint."""
        k = self.checkpoints.index(t)
        return [rows.row(k) for rows in self._states]

    def weights_before(self, t: int) -> dict[str, Array]:
        """The weights before step t, which has a checkpoint."""
        return self._pieces([vectors[0] for vectors in self.states(t)])

    def _pieces(self, vectors: list[Array]) -> dict[str, Array]:
        """A copy of each parameter's piece of its group's vector."""
        return {
            p["name"]: vector[p["lo"] : p["hi"]].reshape(p["shape"]).copy()
            for group, vector in zip(self.groups, vectors, strict=True)
            for p in group["params"]
        }

    # All steps

    def scalars(self) -> dict[str, Array]:
        """See `Run.scalars`."""
        n = len(self)
        rows = np.concatenate([*self._numbers.stretches(0), np.empty((0, len(NUMBERS)))])[:n]
        columns = dict(zip(("t", *NUMBERS[:-1]), rows.T[[-1, 0, 1, 2]], strict=True))
        if self.meta["level"] == "tape":
            columns["gradient_norm"] = self._gradient_norms(n)
        for t, line in self._lines.items():
            for name, value in line.get("info", {}).items():
                if isinstance(value, int | float):
                    columns.setdefault(name, np.full(n, math.nan))[t - 1] = value
        for i in range(len(self.groups)):
            rates = [self.valid("options", t)[i].get("lr", math.nan) for t in range(1, n + 1)]
            columns["lr" if len(self.groups) == 1 else f"lr.{i}"] = np.array(rates, float)
        return columns

    def _gradient_norms(self, n: int) -> Array:
        squares = np.zeros(n)
        for reader in self._gradients:
            seen = 0
            for rows in reader.stretches(0):
                wide = rows[: n - seen].astype(float)
                squares[seen : seen + len(wide)] += np.einsum("ij,ij->i", wide, wide)
                seen += len(wide)
        return np.sqrt(squares)

    def cut(self, t: int) -> tuple[int, int]:
        """Forget the steps after t, for good; the numbers of steps and of checkpoints that are left."""
        len(self)  # so that every reader knows its files
        drop_rows(self.folder, SCALARS, t)
        with (self.folder / LINES).open("a+b") as file:
            file.seek(0)
            lines = [text for text in file if text.endswith(b"\n") and json.loads(text)["t"] <= t]
            file.truncate(sum(map(len, lines)))
        self._numbers.forget()
        self._forget()
        len(self)
        drop_rows(self.folder, ROWS, t)
        self._batches.forget()
        for i in range(len(self.groups)):
            gradients, states, weights = group_files(i)
            for name, kept in ((gradients, t), (states, len(self.checkpoints)), (weights, t)):
                drop_rows(self.folder, name, kept)
        for readers in (self._gradients, self._states, self._weights):
            for reader in readers:
                reader.forget()
        return t, len(self.checkpoints)


def read_meta(call: str, folder: Path) -> Values:
    path = folder / META
    if not path.exists():
        raise FileNotFoundError(
            f"`{call}`: {str(folder)!r} holds no run. `with optim.record(optimizer, folder):` makes one."
        )
    meta: Values = json.loads(path.read_text(encoding="utf-8"))
    if meta.get("format") != FORMAT:
        raise ValueError(
            f"`{call}`: {str(path)!r} has format {meta.get('format')}, and only {FORMAT} is known."
        )
    return meta
