"""What a training leaves behind: `History`, a table with a row for each epoch, and in it `Steps`, with a row
for each step at which something was measured. Both are read, printed and drawn alike.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from minigrad.extend import (
    add_hints,
    axes,
    entry,
    html_curves,
    html_table,
    html_title,
    instead,
    look,
    visible,
)
from models.habits import HISTORY

__all__ = ["History", "Steps", "Table"]


class Table:
    """Rows, which are dicts of numbers by their column; `_key` is the column that counts them."""

    rows: list[dict[str, Any]]
    _name: str  # how a user writes the table
    _key: str
    _curves: tuple[str, ...] = ()  # the columns that a plot shows if it is not told which

    def __getitem__(self, column: str) -> list[float]:
        if self.rows and column not in self.columns():
            raise KeyError(f"{self._name}[{column!r}]: the columns are {sorted(self.columns())}.")
        return [row.get(column, math.nan) for row in self.rows]

    def columns(self) -> list[str]:
        """The columns of all rows. A row may lack some: `[column]` has NaN there, the table a gap."""
        return list(dict.fromkeys(name for row in self.rows for name in row))

    def __len__(self) -> int:
        return len(self.rows)

    def __dir__(self) -> list[str]:
        return visible(self)

    def _repr_html_(self) -> str:
        """For notebooks: curves, and the table, of which a long one shows both ends."""
        columns = self.columns()
        curves = {name: self._measured(name)[1] for name in self._shown()[:3]}
        rows = [[_cell(row.get(name, "")) for name in columns] for row in self.rows]
        if len(rows) > 16:
            rows = [*rows[:5], ["…"] * len(columns), *rows[-10:]]
        table = html_table(columns, rows) if rows else ""
        return html_title(repr(self).strip("<>")) + html_curves(curves) + table

    def table(self) -> str:
        """The rows as an aligned text.

        >>> print(History([{"epoch": 1, "train_loss": 0.5}]).table())
        epoch  train_loss
            1      0.5000
        """
        if not self.rows:
            return f"no {self._key} was completed"
        columns = self.columns()
        cells = [columns]
        for row in self.rows:
            cells.append([_cell(row.get(name, "")) for name in columns])
        widths = [max(len(line[i]) for line in cells) for i in range(len(columns))]
        return "\n".join(
            "  ".join(f"{cell:>{w}}" for cell, w in zip(line, widths, strict=True)) for line in cells
        )

    @entry
    def plot(self, columns: str | Sequence[str] | None = None, ax: Any = None) -> Any:
        """Draw columns as curves, on a logarithmic axis if all are positive and span a factor of 20.

        Args:
            columns: a column, or a list of them; "update/weight" stands for all that begin with it. By
                default the losses, or the first column.
            ax: Matplotlib's axes to draw on; by default those of a new figure. Nothing is shown or saved.

        Returns:
            The axes.

        Raises:
            KeyError: there is no such column.
            ImportError: Matplotlib is not installed.
        """
        names = self._shown() if columns is None else self._named(columns)
        ax = axes(ax)
        lowest, highest = math.inf, -math.inf
        for i, name in enumerate(names):
            x, y = self._measured(name)
            ax.plot(x, y, label=name, marker="." if len(y) < 40 else None, **look(ax, i, marker=False))
            finite = [v for v in y if math.isfinite(v)]
            lowest, highest = min([lowest, *finite]), max([highest, *finite])
        if highest > 20 * lowest > 0:
            ax.set_yscale("log")
        ax.set_xlabel(self._key)
        ax.set_ylabel(_common(names))
        if len(names) > 1:
            ax.legend(fontsize="small")
        return ax

    def _named(self, columns: str | Sequence[str]) -> list[str]:
        found, known = [], self.columns()
        for asked in [columns] if isinstance(columns, str) else columns:
            names = [name for name in known if name == asked or name.startswith(f"{asked} ")]
            if not names:
                remedy = instead(str(asked), known)
                raise KeyError(
                    f"{self._name}.plot({asked!r}): {remedy or 'there is no such column;'} the columns are "
                    f"{sorted(known)}."
                )
            found += names
        return found

    def _shown(self) -> list[str]:
        known = [name for name in self.columns() if name not in ("epoch", "step", "seconds")]
        return [name for name in self._curves if name in known] or known[:1]

    def _measured(self, column: str) -> tuple[list[float], list[float]]:
        """The keys and values of the rows that have the column: between them a curve goes on."""
        rows = [(i, row) for i, row in enumerate(self.rows) if column in row]
        return [row.get(self._key, i + 1) for i, row in rows], [row[column] for _, row in rows]


def _common(names: Sequence[str]) -> str:
    """What all these columns measure, as the title of an axis."""
    if len(names) == 1:
        return names[0]
    kinds = {name.partition(" ")[0] for name in names}
    if len(kinds) == 1:
        return kinds.pop()
    ends = {name.rpartition("_")[2] for name in names}
    return ends.pop() if len(ends) == 1 else ""


def _cell(value: Any) -> str:
    if not isinstance(value, float):
        return str(value)
    return f"{value:.4g}" if 0 < abs(value) < 1e-3 else f"{value:.4f}"


@dataclass(repr=False)
class Steps(Table):
    """What `fit(watch=...)` measured after steps: a row (a dict) for each step at which a value was due.

    `history.steps["loss"]` is a column, "step" the number of the step from 1, and "epoch" its epoch. `taken`
    counts all steps of the training.
    """

    rows: list[dict[str, Any]] = field(default_factory=list)
    taken: int = 0

    _name, _key, _curves = "history.steps", "step", ("loss",)

    def __repr__(self) -> str:
        return f"<Steps: {len(self)} rows of {self.taken} steps>"


@dataclass(repr=False)
class History(Table):
    """The record of a training: one row (a dict) for each epoch, and why training stopped.

    `history["train_loss"]` is a column. `stopped` is "epochs" when all of them were done, "interrupted" after
    Ctrl-C, or the text that a callback or a function of `on_step` returned ("callback" or "on_step" if it
    returned True). `steps` is the table of what was measured after single steps.
    """

    rows: list[dict[str, Any]] = field(default_factory=list)
    stopped: str = "epochs"
    steps: Steps = field(default_factory=Steps)

    _name, _key, _curves = "history", "epoch", ("train_loss", "val_loss")

    def __getitem__(self, column: str) -> list[float]:
        if self.rows and column not in self.columns() and column in self.steps.columns():
            raise KeyError(f"history[{column!r}] is measured after steps: write history.steps[{column!r}].")
        return super().__getitem__(column)

    def __repr__(self) -> str:
        return f"<History of {len(self)} epochs, stopped: {self.stopped}>"

    def _repr_html_(self) -> str:
        """For notebooks: the losses as curves, and the tables, of which a long one shows both ends."""
        return super()._repr_html_() + (self.steps._repr_html_() if self.steps.rows else "")


add_hints(History, "a History", HISTORY)
