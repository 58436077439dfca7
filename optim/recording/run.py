"""A recorded run, as its user sees it: what each step computed, asked for by the number of the step.

What was written is read by `written`; the steps are taken again by `again`. Names: `t` the number of a step
in the run, from 1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from minigrad import Tensor
from minigrad.extend import entry, html_curves, html_table, html_title
from optim.base.groups import Array, ParamSlice, Values
from optim.base.optimizer import Optimizer
from optim.recording.again import Again, AlongStep, along_step
from optim.recording.recorder import Recorder
from optim.recording.written import Written

__all__ = ["Run"]


class Run:
    """The recorded steps of an optimizer; `len(run)` is their number, also while it is being recorded.

    A step's gradient is as the rule was given it, clipped if it was, but not yet negated by `maximize`. Every
    method counts steps from 1; `weights(0)` are those before the first one.
    """

    @entry
    def __init__(self, folder: str | PathLike[str], optimizer_class: type | None = None) -> None:
        self.folder = Path(folder)
        self._written = Written(self.folder)
        self.meta = self._written.meta
        self.level: str = self.meta["level"]
        self.recorder: Recorder | None = None
        self._again = Again(self._written, optimizer_class)

    # What was written

    def __len__(self) -> int:
        return len(self._written)

    @property
    def scalars(self) -> dict[str, Array]:
        """A column of floats for each number that every step has: "t", "loss", "gradient_norm", "step_norm"
        (of the "step" of `at`), "lr" (with several groups "lr.0", "lr.1", …), and those of the report of an
        optimizer without a rule, such as "radius". What a step lacks is NaN."""
        return self._written.scalars()

    @entry
    def info(self, t: int) -> dict[str, Any]:
        """The report of step t of an optimizer without a rule, such as the `StepInfo` of `NewtonCG`, and what
        `note` added; {} where there is nothing."""
        self._require_step(t, "info(t)")
        line, rows = self._written.line(t), self._written.rows(t)
        noted = {} if rows is None else {"rows": rows.tolist()}
        return {**line.get("info", {}), **line.get("note", {}), **noted}

    @entry
    def rows(self, t: int) -> Array:
        """The rows of the batch of step t in the training data, (n,): `fit` notes them, or `note(rows=...)`.

        Raises:
            ValueError: none were noted.
        """
        self._require_step(t, "rows(t)")
        rows = self._written.rows(t)
        if rows is None:
            raise ValueError(
                f"`run.rows(t)`: no rows were noted of step {t}. `fit` notes them; in a loop of yours call "
                "run.note(rows=rows) before the step."
            )
        return rows

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
        title = html_title(repr(self).strip("<>"))
        return title + curve + (html_table(("", "first", "last"), rows) if rows else "")

    # The steps again

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
        leaves = {p.name: p.tensor for p in self._parameters_of("recompute(loss, optimizer)", optimizer)}
        self._again.recompute(loss, leaves)

    @entry
    def gradient(self, t: int) -> dict[str, Array]:
        """The gradient of step t by parameter; those without one are missing."""
        self._require_step(t, "gradient(t)")
        self._require("gradient(t)")
        return self._again.gradient(t)

    @entry
    def weights(self, t: int) -> dict[str, Array]:
        """The weights after t steps, by parameter; those before the first step for t = 0."""
        self._require("weights(t)")
        if t == 0 and len(self):
            return self._written.weights_before(1)
        self._require_step(t, "weights(t)")
        if not self._again.is_ruled():
            return self._written.weights(t)
        groups = self._again.after(t).param_groups
        return {p.name: p.tensor.data.copy() for group in groups for p in group.slices}

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
        if self._again.is_ruled():
            return self._again.about_to(t).preview() if self._written.present(t) else {}
        at_checkpoint = t in self._written.checkpoints
        before = self._written.weights_before(t) if at_checkpoint else self.weights(t - 1)
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
        if not self._again.is_ruled():
            raise TypeError(f"`run.explain(t, name, index)`: {self.meta['optimizer']['name']} has no rule.")
        return self._again.about_to(t).explain(name, index)

    @entry
    def restore(self, optimizer: Optimizer, t: int | None = None) -> None:
        """Put the weights and state after t steps (all of them for None) into an optimizer of the same class
        with the same parameters. Training goes on from there, with the same bits."""
        steps = len(self)
        t = steps if t is None else t
        self._require("restore(optimizer, t)")
        if not self._again.is_ruled():
            raise TypeError(
                f"`run.restore(optimizer, t)`: of {self.meta['optimizer']['name']} a run holds the "
                "weights and no state. Save optimizer.state_dict(), and take the weights of run.weights(t)."
            )
        if t or not steps:
            self._require_step(t, "restore(optimizer, t)")
        clone = self._again.after(t)
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
        self._require("along(t, closure)")
        params = self._parameters_of("along(t, closure, optimizer)", optimizer)
        before, after = self.weights(t - 1), self.weights(t)
        if t in self._written.checkpoints:  # they may have been changed since the step before
            before = self._written.weights_before(t)
        steps = {name: before[name] - w for name, w in after.items()}
        return along_step(closure, params, after, steps, alphas)

    # Going on

    def find(self, optimizer: Optimizer) -> int | None:
        """The last t for which the optimizer is as it was after t steps, or None."""
        return self._again.find(optimizer)

    def cut(self, t: int) -> tuple[int, int]:
        """Forget the steps after t, for good; the numbers of steps and of checkpoints that are left."""
        self._again.forget()
        return self._written.cut(t)

    # What a call needs

    def _require_step(self, t: int, call: str) -> None:
        if isinstance(t, bool) or not isinstance(t, int | np.integer) or not 1 <= t <= len(self):
            held = f"from 1 to {len(self)}" if len(self) else "of the run, which holds no step yet"
            raise IndexError(f"`run.{call}` needs a step {held}, got {t!r:.60}.")

    def _require(self, call: str) -> None:
        if self.level == "scalars":
            raise ValueError(
                f"`run.{call}` needs the gradient of each step, and this run was recorded with "
                f'level={self.level!r}. Record with level="tape".'
            )

    def _with_parameters(self, call: str, optimizer: Optimizer | None) -> Optimizer:
        found = self.recorder.optimizer if optimizer is None and self.recorder is not None else optimizer
        if found is None:
            raise TypeError(f"`run.{call}` needs the optimizer that has the parameters.")
        return found

    def _parameters_of(self, call: str, optimizer: Optimizer) -> list[ParamSlice]:
        """The parameters of an optimizer, which must be those of the run."""
        params = [p for group in optimizer.param_groups for p in group.slices]
        shapes = {p["name"]: tuple(p["shape"]) for group in self.meta["groups"] for p in group["params"]}
        if (mine := _shapes({p.name: p.tensor for p in params})) != shapes:
            raise ValueError(
                f"`run.{call}` needs parameters of the run's names and shapes, {shapes!s:.200}; those of the "
                f"optimizer are {mine!s:.200}."
            )
        return params


def _shapes(leaves: dict[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: leaf.shape for name, leaf in leaves.items()}
