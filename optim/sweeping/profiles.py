"""Performance profiles: on which share of the problems is a solver within a factor τ of the best one?"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from minigrad.extend import entry, html_table, html_title

__all__ = ["PerformanceProfile", "performance_profile"]


@dataclass(frozen=True, repr=False)
class PerformanceProfile:
    """ρₛ(τ) of each solver s: the share of problems that it solved at up to τ times the least cost.

    `ratios` holds the ratios of each solver to the best one, in the order of the problems, and ∞ where it
    failed. ρ(1) is how often the solver is the best, ρ(∞) how often it succeeds.
    """

    ratios: dict[str, list[float]]

    @entry
    def share(self, solver: str, tau: float) -> float:
        """ρ(τ) of a solver, from 0 to 1; τ ≥ 1."""
        if solver not in self.ratios:
            raise KeyError(f"`share(solver, tau)`: the solvers are {list(self.ratios)}, got {solver!r}.")
        if not tau >= 1:
            raise ValueError(f"`share(solver, tau)`: tau must be at least 1, got {tau!r}.")
        return float(
            np.mean([ratio <= tau < math.inf or ratio < math.inf == tau for ratio in self.ratios[solver]])
        )

    def _rows(self) -> list[list[str]]:
        rows = [[name, *(f"{self.share(name, t):.2f}" for t in TAUS)] for name in self.ratios]
        return sorted(rows, key=lambda row: [-float(cell) for cell in row[1:]])

    def table(self) -> str:
        """ρ at τ = 1, 2, 5, 10 and ∞, as an aligned text, the most often best first."""
        cells = [HEAD, *self._rows()]
        width = max(len(row[0]) for row in cells)
        return "\n".join(f"{row[0]:<{width}}" + "".join(f"{c:>8}" for c in row[1:]) for row in cells)

    def __repr__(self) -> str:
        problems = len(next(iter(self.ratios.values())))
        return f"<PerformanceProfile of {len(self.ratios)} solvers on {problems} problems>"

    def _repr_html_(self) -> str:
        return html_title(repr(self).strip("<>")) + html_table(HEAD, self._rows())

    def plot(self, ax: Any = None) -> Any:
        """The profiles as steps over log τ. Needs Matplotlib; returns the axes."""
        from optim.figures import performance_profiles

        return performance_profiles(self, ax=ax)


TAUS = (1, 2, 5, 10, math.inf)
HEAD = ["solver", *(f"ρ({tau})" for tau in TAUS[:-1]), "ρ(∞)"]


@entry
def performance_profile(costs: Mapping[str, Sequence[float]]) -> PerformanceProfile:
    """The performance profiles of some solvers (Dolan and Moré 2002, Math. Program. 91, 201–213).

    rₚₛ = costₚₛ / minₛ costₚₛ,   ρₛ(τ) = share of problems p with rₚₛ ≤ τ

    A profile says who is best, and how much worse the others are than that one. The order of the others among
    themselves can change when a solver is left out (Gould and Scott 2016).

    Args:
        costs: for each solver its cost on each problem, in the same order: above 0, of any unit; ∞ or NaN
            where it failed.

    >>> found = performance_profile({"a": [1.0, 4.0, 2.0], "b": [2.0, 1.0, np.inf]})
    >>> [round(found.share(s, 2), 2) for s in "ab"]
    [0.67, 0.67]
    """
    if not isinstance(costs, Mapping) or not costs:
        raise TypeError(
            '`performance_profile(costs)` must be a dict of lists, such as {"Adam": [120, 90]}, got '
            f"{costs!r:.60}."
        )
    lengths = {name: len(values) for name, values in costs.items()}
    if len(set(lengths.values())) > 1 or not all(lengths.values()):
        raise ValueError(
            f"`performance_profile(costs)` needs one cost for each problem from every solver, got {lengths}; "
            "write inf where a solver failed."
        )
    table = np.array([[math.inf if c is None else c for c in values] for values in costs.values()], float)
    table[np.isnan(table)] = math.inf
    if not (table > 0).all():
        raise ValueError(
            f"`performance_profile(costs)` must be above 0, got {table.min():g}. Count work, such as "
            "gradients until a target is met, and not a loss."
        )
    with np.errstate(invalid="ignore"):
        ratios = np.where(np.isinf(table), math.inf, table / table.min(axis=0))
    return PerformanceProfile({name: row.tolist() for name, row in zip(costs, ratios, strict=True)})
