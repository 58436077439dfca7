"""A recorded run, read from its folder: what a step computed is computed again, from the last checkpoint
before it and the gradients since.

Names: `t` the number of a step in the run, from 1; `clone` an optimizer of the same class on parameters of
its own, which takes the recorded steps again.
"""

from __future__ import annotations

import json
import math
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from minigrad import Tensor
from minigrad.extend import entry, html_curves, html_table, html_title
from optim.base.first_order import FirstOrder
from optim.base.groups import Array, Values
from optim.base.optimizer import Optimizer
from optim.recording.again import loss_and_gradient, require_same
from optim.recording.recorder import FORMAT, LINES, META, NUMBERS, ROWS, SCALARS, Recorder, group_files
from optim.recording.rows import RowReader, drop_rows
from optim.second_order.objective import ClosureObjective

__all__ = ["AlongStep", "Run", "read_meta"]


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


class Run:
    """The recorded steps of an optimizer; `len(run)` is their number, also while it is being recorded.

    A step's gradient is as the rule was given it, clipped if it was, but not yet negated by `maximize`. Every
    method counts steps from 1; `weights(0)` are those before the first one.
    """

    @entry
    def __init__(self, folder: str | PathLike[str], optimizer_class: type | None = None) -> None:
        self.folder = folder = Path(folder)
        self.meta = read_meta("open_run(folder)", folder)
        self.level: str = self.meta["level"]
        self.recorder: Recorder | None = None
        self._class = optimizer_class
        self._names = [p["name"] for group in self.meta["groups"] for p in group["params"]]
        files = [group_files(i) for i in range(len(self.meta["groups"]))]
        self._gradients, self._states, self._weights = (
            [RowReader(folder, name) for name in names] for names in zip(*files, strict=True)
        )
        self._numbers, self._batches = RowReader(folder, SCALARS), RowReader(folder, ROWS)
        self._source: tuple[Callable[[int], Any], dict[str, Tensor]] | None = None  # see `recompute`
        self._forget()

    def _forget(self) -> None:
        self._steps = 0
        self._lines: dict[int, Values] = {}  # by step, where there is one
        self._end = 0  # the byte after the last of them
        self._checkpoints: list[int] = []  # the steps before which weights and state were kept
        self._changed: dict[str, list[int]] = {}  # the steps with new "options", and others "present"
        self._clone: FirstOrder | None = None
        self._next = 0  # the step that the clone would take next
        self._computed: tuple[int, dict[str, Array]] = (0, {})  # the last gradient that was, and its step

    # What was written

    def __len__(self) -> int:
        self._read()
        return self._steps

    def _read(self) -> None:
        """Read what was written since the last time. A row of scalars without its t was never completed."""
        before = self._steps
        for rows in self._numbers.stretches(before):
            complete = rows[:, -1] == np.arange(self._steps + 1, self._steps + len(rows) + 1)
            self._steps += len(rows) if complete.all() else int(complete.argmin())
            if self._steps == before or not complete.all():
                break
        if self._steps > before:
            self._read_lines()

    def _read_lines(self) -> None:
        """Read the lines of completed steps."""
        with (self.folder / LINES).open("rb") as file:
            file.seek(self._end)
            for text in file:
                if not text.endswith(b"\n") or (line := json.loads(text))["t"] > self._steps:
                    break
                self._lines[line["t"]] = line
                self._end += len(text)
        self._checkpoints = [t for t, line in self._lines.items() if "checkpoint" in line]
        self._changed = {
            key: [t for t, line in self._lines.items() if key in line] for key in ("options", "present")
        }

    def _require_step(self, t: int, call: str) -> None:
        if isinstance(t, bool) or not isinstance(t, int | np.integer) or not 1 <= t <= len(self):
            raise IndexError(f"`run.{call}` needs a step from 1 to {len(self)}, got {t!r:.60}.")

    def _of(self, key: str, t: int) -> Any:
        """The options, or the parameters that took part, as they were in step t."""
        steps = self._changed[key]
        return self._lines[steps[bisect_right(steps, t) - 1]][key]

    @property
    def scalars(self) -> dict[str, Array]:
        """A column of floats for each number that every step has: "t", "loss", "gradient_norm", "step_norm",
        "lr" (with several groups "lr.0", "lr.1", …), and those of the report of an optimizer without a rule,
        such as "radius". What a step lacks is NaN."""
        n = len(self)
        rows = np.concatenate([*self._numbers.stretches(0), np.empty((0, len(NUMBERS)))])[:n]
        columns = dict(zip(("t", *NUMBERS[:-1]), rows.T[[-1, 0, 1, 2]], strict=True))
        if self.level == "tape":
            columns["gradient_norm"] = self._gradient_norms(n)
        for t, line in self._lines.items():
            for name, value in line.get("info", {}).items():
                if isinstance(value, int | float):
                    columns.setdefault(name, np.full(n, math.nan))[t - 1] = value
        groups = len(self.meta["groups"])
        for i in range(groups):
            rates = [self._of("options", t)[i].get("lr", math.nan) for t in range(1, n + 1)]
            columns["lr" if groups == 1 else f"lr.{i}"] = np.array(rates, float)
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

    @entry
    def info(self, t: int) -> dict[str, Any]:
        """The report of step t of an optimizer without a rule, such as the `StepInfo` of `NewtonCG`, and what
        `note` added; {} where there is nothing."""
        self._require_step(t, "info(t)")
        line, rows = self._lines.get(t, {}), self._found_rows(t)
        noted = {} if rows is None else {"rows": rows.tolist()}
        return {**line.get("info", {}), **line.get("note", {}), **noted}

    @entry
    def rows(self, t: int) -> Array:
        """The rows of the batch of step t in the training data, (n,): `fit` notes them, or `note(rows=...)`.

        Raises:
            ValueError: none were noted.
        """
        self._require_step(t, "rows(t)")
        rows = self._found_rows(t)
        if rows is None:
            raise ValueError(
                f"`run.rows(t)`: no rows were noted of step {t}. `fit` notes them; in a loop of yours call "
                "run.note(rows=rows) before the step."
            )
        return rows

    def _found_rows(self, t: int) -> Array | None:
        row = self._batches.find(t - 1)
        return None if row is None or not row[0] else row[1 : 1 + row[0]].copy()

    @entry
    def recompute(self, loss: Callable[[int], Any], optimizer: Optimizer | None = None) -> None:
        """Let a run of level "replay" compute its gradients again, from the weights and the batch of a step.

        `at`, `weights`, `gradient`, `explain` and `restore` then work as at level "tape". A call may take as
        many gradients as there are steps between checkpoints.

        Args:
            loss: loss(t) computes the loss of step t from the parameters, as in training; `rows(t)` are the
                rows of its batch. Of a training by `fit`, info(t)["generators"] has the states of the
                random generators of the model's layers by path, and info(t)["augment"] that of fit's own,
                before the batch was augmented.
            optimizer: one with the parameters that the loss uses, by the same names; by default that which
                is being recorded. They are put back after each call of the loss.

        Raises:
            ValueError: the run keeps no checkpoints (level "scalars"), or the optimizer has other parameters.
                Later: the loss, or the norm of its gradient, is not what was recorded.

        >>> import tempfile, optim
        >>> x = np.array([1.0, 2.0, 4.0])
        >>> p = Tensor(3.0, requires_grad=True, name="p")
        >>> adam = optim.Adam([p], lr=0.5)
        >>> with tempfile.TemporaryDirectory() as folder, optim.record(adam, folder, "replay") as run:
        ...     for rows in ([0, 2], [1, 2]):
        ...         run.note(rows=rows)
        ...         _ = adam.step(lambda: (p * x[rows]).sum())
        ...     run.recompute(lambda t: (p * x[run.rows(t)]).sum())
        ...     run.gradient(2)["p"]
        array(6.)
        """
        if self.level != "replay":
            raise ValueError(
                f"`run.recompute(loss)` is for level='replay', and this run was recorded with level="
                f"{self.level!r}, which keeps {'the gradients' if self.level == 'tape' else 'no weights'}."
            )
        optimizer = self._with_parameters("recompute(loss, optimizer)", optimizer)
        leaves = {p.name: p.tensor for group in optimizer.param_groups for p in group.slices}
        shapes = {p["name"]: tuple(p["shape"]) for group in self.meta["groups"] for p in group["params"]}
        if _shapes(leaves) != shapes:
            raise ValueError(
                f"`run.recompute(loss, optimizer)` needs parameters of the run's names and shapes, "
                f"{shapes!s:.200}; those of the optimizer are {_shapes(leaves)!s:.200}."
            )
        self._source, self._clone, self._computed = (loss, leaves), None, (0, {})

    @entry
    def gradient(self, t: int) -> dict[str, Array]:
        """The gradient of step t by parameter; those without one are missing."""
        self._require_step(t, "gradient(t)")
        self._require("gradient(t)")
        if self.level == "replay":
            return {name: g.copy() for name, g in self._gradient_again(t).items()}
        present = self._present(t)
        found: dict[str, Array] = {}
        for group, row in zip(self.meta["groups"], self._gradients, strict=True):
            vector = row.row(t - 1)
            found |= {p["name"]: _piece(vector, p) for p in group["params"] if p["name"] in present}
        return found

    def _present(self, t: int) -> set[str]:
        """The parameters that took part in step t."""
        pairs = zip(self.meta["groups"], self._of("present", t), strict=True)
        return {
            p["name"]
            for group, some in pairs
            for k, p in enumerate(group["params"])
            if some is None or k in some
        }

    @entry
    def weights(self, t: int) -> dict[str, Array]:
        """The weights after t steps, by parameter; those before the first step for t = 0."""
        self._require("weights(t)")
        if t == 0 and len(self):
            return self._stored(1)
        self._require_step(t, "weights(t)")
        if self._is_ruled():
            clone = self._before(t)
            self._take(clone, t)
            return {p.name: p.tensor.data.copy() for group in clone.param_groups for p in group.slices}
        return self._pieces([rows.row(t - 1) for rows in self._weights])

    @entry
    def at(self, t: int) -> dict[str, Values]:
        """All that step t computed, by parameter, in the layout of `preview()` and with the same bits; "w"
        are the weights after it.

        An optimizer without a rule gives "g", where it has one, "w" and the "step", which is w before − w
        after; `info(t)` has its report.

        Raises:
            IndexError: there is no such step.
            ValueError: the run has no gradients (level "scalars", or "replay" before `recompute`), or the
                steps do not lead to what was recorded.
        """
        self._require_step(t, "at(t)")
        self._require("at(t)")
        if self._is_ruled():
            clone = self._before(t)
            return clone.preview() if self._give(clone, t) else {}
        before = self._stored(t) if t in self._checkpoints else self.weights(t - 1)
        after, found = self.weights(t), self.gradient(t)
        return {
            name: ({"g": found[name]} if name in found else {}) | {"w": w, "step": before[name] - w}
            for name, w in after.items()
        }

    @entry
    def explain(self, t: int, name: str, index: Any = ()) -> str:
        """The rule with the numbers of one coordinate in step t; see `FirstOrder.explain`."""
        self._require_step(t, "explain(t, name, index)")
        self._require("explain(t, name, index)")
        if not self._is_ruled():
            raise TypeError(f"`run.explain(t, name, index)`: {self.meta['optimizer']['name']} has no rule.")
        clone = self._before(t)
        self._give(clone, t)
        return clone.explain(name, index)

    @entry
    def restore(self, optimizer: Optimizer, t: int | None = None) -> None:
        """Put the weights and state after t steps (all of them for None) into an optimizer of the same class
        with the same parameters. Training goes on from there, with the same bits."""
        t = len(self) if t is None else t
        self._require("restore(optimizer, t)")
        if not self._is_ruled():
            raise TypeError(
                f"`run.restore(optimizer, t)`: of {self.meta['optimizer']['name']} a run holds the "
                "weights and no state. Save optimizer.state_dict(), and take the weights of run.weights(t)."
            )
        if t:
            self._require_step(t, "restore(optimizer, t)")
            clone = self._before(t)
            self._take(clone, t)
        else:
            clone = self._before(1)
        optimizer.load_state_dict(clone.state_dict())
        mine = {p.name: p.tensor for group in optimizer.param_groups for p in group.slices}
        for group in clone.param_groups:
            for p in group.slices:
                mine[p.name].assign(p.tensor.data)

    @entry
    def along(
        self, t: int, closure: Callable[[], Any], optimizer: Optimizer | None = None, alphas: Any = None
    ) -> AlongStep:
        """The loss along step t, with the line and the parabola that its gradient and curvature predict.

        Args:
            closure: computes the loss from the parameters of the optimizer, on the data you choose.
            optimizer: one with the parameters that the closure uses; by default that which is being recorded.
            alphas: where on x + αs to compute the loss, s being the step; by default 41 values from −½ to 2.

        The parameters are put back afterwards, whatever happens.
        """
        self._require_step(t, "along(t, closure)")
        optimizer = self._with_parameters("along(t, closure, optimizer)", optimizer)
        shown = self.at(t)
        after = self.weights(t)
        params = [p for group in optimizer.param_groups for p in group.slices if p.name in shown]
        leaves = [p.tensor for p in params]
        objective = ClosureObjective(closure, leaves, [0.0] * len(leaves), "run.along")
        join = [np.ravel(shown[p.name]["step"]) for p in params]
        now = objective.x
        s = -np.concatenate(join).astype(float)
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

    @entry
    def plot(self, columns: str | Sequence[str] = "loss", ax: Any = None) -> Any:
        """Columns of `scalars` by step, see `optim.figures.learning_curves`. Needs Matplotlib.

        Raises:
            KeyError: there is no such column.
            ValueError: the run has no step.
        """
        from optim.figures import learning_curves

        scalars = self.scalars if len(self) else {}
        if not scalars:
            raise ValueError(f"`run.plot()` needs a step at least, and {str(self.folder)!r} holds none.")
        names = [columns] if isinstance(columns, str) else list(columns)
        if missing := [name for name in names if name not in scalars]:
            raise KeyError(
                f"`run.plot(columns)`: there is no {missing[0]!r}; the columns are {sorted(scalars)}."
            )
        return learning_curves({"step": scalars["t"], **scalars}, names, ax=ax)

    def note(self, **values: Any) -> None:
        """Keep values with the step to come, while it is being recorded: "rows", the rows of its batch in the
        data, which `rows(t)` returns; under other names what you like, such as the state of a generator.
        `info(t)` returns all of them; arrays come back as lists."""
        if self.recorder is None:
            raise ValueError("`run.note(...)`: the run is not being recorded.")
        self.recorder.note(**values)

    def __repr__(self) -> str:
        kind = self.meta["optimizer"]["name"]
        return f"<Run of {len(self):,} steps of {kind}, level {self.level}, in {str(self.folder)!r}>"

    def _repr_html_(self) -> str:
        """For notebooks: the loss as a curve, and the last values of each column."""
        columns = self.scalars if len(self) else {}
        every = max(1, len(self) // 400)
        curve = html_curves({"loss": columns["loss"][::every]}) if len(self) > 1 else ""
        rows = [[name, f"{column[0]:.6g}", f"{column[-1]:.6g}"] for name, column in columns.items()]
        return html_title(repr(self)) + curve + (html_table(("", "first", "last"), rows) if rows else "")

    # The steps again

    def _with_parameters(self, call: str, optimizer: Optimizer | None) -> Optimizer:
        found = self.recorder.optimizer if optimizer is None and self.recorder is not None else optimizer
        if found is None:
            raise TypeError(f"`run.{call}` needs the optimizer that has the parameters.")
        return found

    def _gradient_again(self, t: int) -> dict[str, Array]:
        """The gradient of step t, computed with the weights before it."""
        at, found = self._computed
        if at == t:
            return found
        if self._source is None:
            raise ValueError(
                f"`run`: the gradient of step {t} is not kept at level 'replay'. Say how it is computed by "
                "run.recompute(loss, optimizer), or record with level='tape'."
            )
        by_fit = self._lines.get(t, {}).get("fit", {})
        if "batches" in by_fit:
            raise ValueError(
                f"`run`: step {t} was made of {by_fit['batches']} batches, by fit(accumulate=...), and is "
                'not computed again. Record with level="tape".'
            )
        loss, leaves = self._source
        clone = self._before(t)
        weights = {p.name: p.tensor.data for group in clone.param_groups for p in group.slices}
        value, found = loss_and_gradient(loss, t, leaves, weights)
        wanted = self._present(t)
        if lacking := wanted - found.keys():
            raise ValueError(
                f"`run.recompute(loss)`: loss({t}) does not reach {sorted(lacking)}, which took part in step "
                f"{t}. Is a parameter frozen?"
            )
        if (scale := by_fit.get("scale")) is not None:
            found = {name: g * scale for name, g in found.items()}
        found = {name: g for name, g in found.items() if name in wanted}
        was = self._numbers.row(t - 1)
        require_same(t, value, found, (float(was[0]), float(was[1])))
        self._computed = (t, found)
        return found

    def _require(self, call: str) -> None:
        if self.level == "scalars":
            raise ValueError(
                f"`run.{call}` needs the gradient of each step, and this run was recorded with "
                f'level={self.level!r}. Record with level="tape".'
            )

    def _is_ruled(self) -> bool:
        return issubclass(self._kind(), FirstOrder)

    def _kind(self) -> type:
        if self._class is None:
            module, name = self.meta["optimizer"]["module"], self.meta["optimizer"]["name"]
            try:
                found: Any = import_module(module)
                for part in name.split("."):
                    found = getattr(found, part)
            except (ImportError, AttributeError):
                raise ImportError(
                    f"`open_run({str(self.folder)!r})`: the optimizer {name} of {module} cannot be imported "
                    "here. Give its class: open_run(folder, optimizer_class=...)."
                ) from None
            self._class = found
        return self._class

    def _pieces(self, vectors: list[Array]) -> dict[str, Array]:
        pairs = zip(self.meta["groups"], vectors, strict=True)
        return {p["name"]: _piece(vector, p) for group, vector in pairs for p in group["params"]}

    def _stored(self, t: int) -> dict[str, Array]:
        """The weights before step t, which has a checkpoint."""
        k = self._checkpoints.index(t)
        return self._pieces([rows.row(k)[0] for rows in self._states])

    def _before(self, t: int) -> FirstOrder:
        """The clone, as the optimizer was before step t."""
        k = bisect_right(self._checkpoints, t) - 1
        if self._clone is None or not self._checkpoints[k] < self._next <= t:
            self._clone = self._clone or self._cloned()
            self._load(self._clone, k)
        while self._next < t:
            self._take(self._clone, self._next)
        return self._clone

    def _cloned(self) -> FirstOrder:
        groups = [
            {
                "params": {
                    p["name"]: Tensor(np.zeros(p["shape"], group["dtype"]), requires_grad=True)
                    for p in group["params"]
                },
                **_options(options),
            }
            for group, options in zip(self.meta["groups"], self._of("options", 1), strict=True)
        ]
        clone: FirstOrder = object.__new__(self._kind())
        FirstOrder.__init__(clone, groups, **{k: v for k, v in groups[0].items() if k != "params"})
        return clone

    def _load(self, clone: FirstOrder, k: int) -> None:
        t = self._checkpoints[k]
        for i, group in enumerate(clone.param_groups):
            for vector, saved in zip(group.vectors, self._states[i].row(k), strict=True):
                vector[...] = saved
            counters = self._lines[t]["counters"][i]
            for j, param in enumerate(group.slices):
                param.counters = counters if isinstance(counters, dict) else counters[j]
        self._next = t

    def _give(self, clone: FirstOrder, t: int) -> bool:
        """Give the clone the options and gradients of step t; whether there are any."""
        gradients = self.gradient(t)
        for group, options in zip(clone.param_groups, self._of("options", t), strict=True):
            options = _options(options)
            if options != group.options:
                group.update(options)
            for param in group.slices:
                param.tensor.gradient = gradients.get(param.name)
        return bool(gradients)

    def _take(self, clone: FirstOrder, t: int) -> None:
        """Take step t, and require that it is as long as it was."""
        self._give(clone, t)
        before = [group.w.copy() for group in clone.param_groups]
        clone.step()
        self._next = t + 1
        steps = [np.subtract(group.w, w) for group, w in zip(clone.param_groups, before, strict=True)]
        length = math.sqrt(sum(float(np.dot(s, s)) for s in steps))
        was = float(self._numbers.row(t - 1)[NUMBERS.index("step_norm")])
        if math.isfinite(length + was) and not math.isclose(length, was, rel_tol=1e-3, abs_tol=1e-300):
            self._clone = None
            raise ValueError(
                f"run: step {t} was {was:.6g} long, and is {length:.6g} long when it is taken again. Was the "
                "optimizer's state changed by hand, or its rule since the recording?"
            )

    # Going on

    def find(self, optimizer: Optimizer) -> int | None:
        """The last t for which the optimizer is as it was after t steps, or None."""
        n = len(self)
        if not self._is_ruled():
            if self.level != "tape":
                return n
            return next((t for t in range(n, -1, -1) if n and self._agrees(optimizer, t)), None if n else 0)
        wanted = [[param.counters["t"] for param in group.slices] for group in optimizer.param_groups]
        found = [t for t, counts in enumerate(self._counts()) if counts == wanted]
        return next((t for t in reversed(found) if not n or self._agrees(optimizer, t)), None if n else 0)

    def _counts(self) -> Iterator[list[list[int]]]:
        """The step counts of all parameters after 0, 1, 2, … steps."""
        now: list[list[int]] = []
        for t in range(1, self._steps + 1):
            line = self._lines.get(t, {})
            if "counters" in line:
                pairs = zip(line["counters"], self.meta["groups"], strict=True)
                now = [
                    [c["t"]] * len(group["params"]) if isinstance(c, dict) else [each["t"] for each in c]
                    for c, group in pairs
                ]
            if t == 1:
                yield now
            took = [
                range(len(c)) if p is None else p for c, p in zip(now, self._of("present", t), strict=True)
            ]
            now = [[x + (i in part) for i, x in enumerate(c)] for c, part in zip(now, took, strict=True)]
            yield now

    def _agrees(self, optimizer: Optimizer, t: int) -> bool:
        if self.level != "tape":  # nobody has said yet how a gradient is computed again
            return True
        if not self._is_ruled():
            weights = self.weights(t)
            pairs = [(p.tensor.data, weights[p.name]) for g in optimizer.param_groups for p in g.slices]
        else:
            clone = self._before(max(t, 1))
            if t:
                self._take(clone, t)
            groups = zip(optimizer.param_groups, clone.param_groups, strict=True)
            pairs = [pair for a, b in groups for pair in zip(a.vectors, b.vectors, strict=True)]
        return all(a.tobytes() == b.tobytes() for a, b in pairs)

    def cut(self, t: int) -> tuple[int, int]:
        """Forget the steps after t, for good; the numbers of steps and of checkpoints that are left."""
        self._read()
        drop_rows(self.folder, SCALARS, t)
        with (self.folder / LINES).open("a+b") as file:
            file.seek(0)
            lines = [text for text in file if text.endswith(b"\n") and json.loads(text)["t"] <= t]
            file.truncate(sum(map(len, lines)))
        self._numbers.forget()
        self._forget()
        self._read()
        drop_rows(self.folder, ROWS, t)
        self._batches.forget()
        for i in range(len(self.meta["groups"])):
            gradients, states, weights = group_files(i)
            for name, kept in ((gradients, t), (states, len(self._checkpoints)), (weights, t)):
                drop_rows(self.folder, name, kept)
        for readers in (self._gradients, self._states, self._weights):
            for reader in readers:
                reader.forget()
        return t, len(self._checkpoints)


def _shapes(leaves: dict[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: leaf.shape for name, leaf in leaves.items()}


def _piece(vector: Array, param: Values) -> Array:
    piece: Array = vector[param["lo"] : param["hi"]].reshape(param["shape"]).copy()
    return piece


def _options(options: Values) -> Values:
    """The options as they were before JSON made lists of tuples."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in options.items()}


def read_meta(call: str, folder: Path) -> dict[str, Any]:
    path = folder / META
    if not path.exists():
        raise FileNotFoundError(
            f"`{call}`: {str(folder)!r} holds no run. `with optim.record(optimizer, folder):` makes one."
        )
    meta: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if meta.get("format") != FORMAT:
        raise ValueError(
            f"`{call}`: {str(path)!r} has format {meta.get('format')}, and only {FORMAT} is known."
        )
    return meta
