"""What happened inside a second-order step, as tables: the iterations of CG, the trials, the points of a line
search.

A table is a record array: `cg.residual` is a column, `cg[0]` a row, `cg[0].residual` a number. It holds
numbers only, so a report keeps no vector of an iteration alive."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from minigrad.extend import html_table

__all__ = [
    "CG_ITERATIONS", "SEARCH_POINTS", "TRIALS", "CGRow", "Records", "SearchRow", "TrialRow", "records",
]  # fmt: skip

CG_ITERATIONS = np.dtype([(name, float) for name in ("residual", "curvature", "model", "norm", "alpha")])
TRIALS = np.dtype([(name, float) for name in ("length", "predicted", "actual", "rho")] + [("accepted", bool)])
SEARCH_POINTS = np.dtype([(name, float) for name in ("a", "phi", "slope")] + [("accepted", bool)])

CGRow = tuple[float, float, float, float, float]
TrialRow = tuple[float, float, float, float, bool]
SearchRow = tuple[float, float, float, bool]


class Records(np.recarray[Any, Any]):
    """A record array that is shown as a table.

    >>> records(SEARCH_POINTS, [(1.0, 4.0, np.nan, False), (0.5, 1.0, -2.0, True)])
         a  phi  slope  accepted
    0    1    4    nan  False
    1  0.5    1     -2  True
    """

    def __repr__(self) -> str:
        if self.dtype.names is None or self.ndim != 1:
            return str(np.asarray(self).__repr__())
        lines = [("", *self.dtype.names), *((str(i), *row) for i, row in enumerate(self.texts()))]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        numbers = [True, *(self.dtype[name].kind == "f" for name in self.dtype.names)]
        columns = list(zip(widths, numbers, strict=True))
        return "\n".join(
            "  ".join(
                cell.rjust(width) if number else cell.ljust(width)
                for cell, (width, number) in zip(line, columns, strict=True)
            ).rstrip()
            for line in lines
        )

    __str__ = __repr__

    def _repr_html_(self) -> str:
        """For notebooks: the table."""
        rows = [[str(i), *row] for i, row in enumerate(self.texts())]
        return html_table(("", *(self.dtype.names or ())), rows)

    def texts(self) -> list[tuple[str, ...]]:
        """The cells of each row."""
        return [tuple(str(v) if isinstance(v, bool) else f"{v:.6g}" for v in row) for row in self.tolist()]


def records(kind: np.dtype[Any], rows: Sequence[tuple[Any, ...]] = ()) -> Records:
    """The rows as a table of this kind; it cannot be written to."""
    table: Records = np.array(list(rows), dtype=kind).view(Records)
    table.flags.writeable = False
    return table
