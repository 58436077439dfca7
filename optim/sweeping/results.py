"""What the runs of a sweep say: `Sweep`, its table, the best rate of each optimizer, and the files it is kept
in.

A run that diverged counts as ∞ (as −∞ where more is better), so medians and intervals need no run to be left
out. Intervals are those of order statistics, which hold for any distribution and for ∞ as well.
"""

from __future__ import annotations

import io
import itertools
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from minigrad.extend import entry, html_table, html_title, write_whole
from optim.sweeping.profiles import PerformanceProfile, performance_profile

__all__ = ["RESERVED", "Best", "Run", "Summary", "Sweep", "median_interval", "open_sweep", "read_log"]

RESERVED = {"status", "seconds", "error"}  # columns of ours; no setting and no result has such a name
STATUSES = ("ok", "diverged", "error")
RESAMPLES = 1000


class Run(NamedTuple):
    """One call of `train`.

    status: "ok"; "diverged": a result is not finite, or train raised FloatingPointError or OverflowError;
    or "error": train raised another error, whose text is `error`. seconds: the time that train took.
    """

    settings: dict[str, Any]
    status: str
    seconds: float
    results: dict[str, float]
    error: str = ""

    def key(self) -> tuple[Any, ...]:
        """Sorts runs by their settings: numbers by size, then texts."""
        return tuple(map(_order, self.settings.values()))


def _order(value: Any) -> tuple[int, Any]:
    return (0, value) if isinstance(value, int | float) else (1, "" if value is None else str(value))


class Summary(NamedTuple):
    """A metric at one combination of settings, over the runs that repeat it.

    low, high: the interval of the median at 95 %, or at the `coverage` that the number of runs allows if that
    is less; see `median_interval`.
    """

    settings: dict[str, Any]
    runs: int
    diverged: int
    median: float
    low: float
    high: float
    coverage: float


class Best(NamedTuple):
    """The settings with the best median among those that share the settings `by`.

    between: for each number among the other settings the interval at 95 % of the best value: over bootstrap
    resamples of the repetitions (percentile method, Efron 1979), how low and how high the best one came out.
    """

    by: dict[str, Any]
    settings: dict[str, Any]
    summary: Summary
    between: dict[str, tuple[float, float]]


@entry
def median_interval(values: Iterable[float], level: float = 0.95) -> tuple[float, float, float, float]:
    """The median, and an interval that holds the true median with a probability of at least `level`.

    Between the i-th smallest and the i-th largest of n values the true median lies with probability
    1 − 2·Σₖ₍ₖ₌₀…ᵢ₋₁₎ C(n, k)/2ⁿ, whatever the distribution (the interval of the sign test; Conover 1999,
    §3.2). The largest i that reaches `level` is taken, or i = 1 if none does: up to 5 values.

    Returns:
        (median, low, high, coverage). One value has no interval: NaN, NaN and 0.

    >>> median_interval([3.0, 1.0, 2.0, 5.0, 4.0])
    (3.0, 1.0, 5.0, 0.9375)
    """
    found = np.sort(np.array(list(values), float))
    n = found.size
    if not n or np.isnan(found).any():
        raise ValueError(f"`median_interval(values)` needs numbers other than NaN, got {found!r:.60}.")
    if not 0 < level < 1:
        raise ValueError(f"`median_interval(level=...)` must be between 0 and 1, got {level!r}.")
    middle = float(_medians(found))
    if n == 1:
        return middle, math.nan, math.nan, 0.0

    def coverage(i: int) -> float:
        return float(1 - 2 * sum(math.comb(n, k) for k in range(i)) / 2**n)

    i = max((i for i in range(1, n // 2 + 1) if coverage(i) >= level), default=1)
    return middle, float(found[i - 1]), float(found[n - i]), coverage(i)


def _medians(values: Any) -> Any:
    """The median along the last axis, without NaN; ∞ where there is no value."""
    found = np.sort(values, axis=-1)  # NaN comes last
    n = np.sum(~np.isnan(found), axis=-1)
    ends = [
        np.take_along_axis(found, np.maximum(i, 0)[..., None], -1)[..., 0] for i in ((n - 1) // 2, n // 2)
    ]
    low, high = ends
    with np.errstate(invalid="ignore"):
        middle = np.where(low == high, low, low + (high - low) / 2)  # ∞ − ∞ is no number
    return np.where(n == 0, np.inf, middle)


@dataclass(frozen=True, repr=False)
class Sweep:
    """The runs of a sweep, sorted by their settings.

    `sweep["loss"]` is a column, NaN where a run has no such number. `over` names the settings that only
    repeat a run ("seed", if there is one, by default); `metric` is a column of results (by default the first
    one), of which less is better unless `higher_is_better`.

    >>> runs = [Run({"lr": lr, "seed": s}, "ok", 0.1, {"loss": lr + s}) for lr in (1, 2) for s in (0, 1)]
    >>> print(Sweep(runs).table())
    lr  runs  diverged  loss: median    low   high
     1     2         0         1.500  1.000  2.000
     2     2         0         2.500  2.000  3.000
    the intervals hold the true median with a probability of 50 %
    """

    runs: list[Run]

    def __len__(self) -> int:
        return len(self.runs)

    def __repr__(self) -> str:
        counts = [(s, sum(run.status == s for run in self.runs)) for s in STATUSES]
        said = ", ".join(f"{n} {s}" for s, n in counts if n and s != "ok")
        return f"<Sweep of {len(self)} runs over {', '.join(self.settings)}{said and ': ' + said}>"

    def __getitem__(self, column: str) -> list[Any]:
        if column not in self.columns:
            raise KeyError(f"sweep[{column!r}]: the columns are {self.columns}.")
        rows = [{**run.settings, **run._asdict(), **run.results} for run in self.runs]
        return [row.get(column, math.nan) for row in rows]

    @property
    def settings(self) -> dict[str, list[Any]]:
        """The values of each setting, sorted."""
        names = self.runs[0].settings if self.runs else {}
        return {name: sorted({run.settings[name] for run in self.runs}, key=_order) for name in names}

    @property
    def metrics(self) -> list[str]:
        """The columns of results."""
        return list(dict.fromkeys(name for run in self.runs for name in run.results))

    @property
    def columns(self) -> list[str]:
        """The settings, then "status", "seconds", the metrics and "error"."""
        return [*self.settings, "status", "seconds", *self.metrics, "error"]

    @entry
    def where(self, **settings: Any) -> Sweep:
        """The runs with these settings, which the result no longer has.

        >>> Sweep([Run({"lr": 1, "seed": 0}, "ok", 0.1, {"loss": 2.0})]).where(lr=1)
        <Sweep of 1 runs over seed>
        """
        known = self.settings
        for name, value in settings.items():
            if name not in known or value not in known[name]:
                of = (
                    f"values of {name!r} are {known[name]}"
                    if name in known
                    else f"settings are {list(known)}"
                )
                raise ValueError(f"`Sweep.where({name}={value!r})`: there is no such run; the {of}.")
        found = [run for run in self.runs if settings.items() <= run.settings.items()]
        return Sweep(
            [
                run._replace(settings={k: v for k, v in run.settings.items() if k not in settings})
                for run in found
            ]
        )

    @entry
    def summary(
        self, metric: str | None = None, *, over: Any = None, higher_is_better: bool = False
    ) -> list[Summary]:
        """The metric at each combination of the settings that are not in `over`: median and interval."""
        _, groups = self._grouped("summary", metric, over, higher_is_better)
        sign = -1 if higher_is_better else 1
        return [_summary(dict(key), list(costs.values()), sign) for key, costs in groups.items()]

    @entry
    def best(
        self,
        metric: str | None = None,
        *,
        by: Any = None,
        over: Any = None,
        higher_is_better: bool = False,
    ) -> list[Best]:
        """The best settings for each combination of the settings `by`, the best of them first.

        by: "optimizer" by default, if there is such a setting; () gives the best of all. The interval of the
        best rate says how sure the choice is; the metric of a best setting is that of a choice among many,
        so it is a little too good. Seeds that took no part in it give a fair value.
        """
        over = self._names("best", "over", over, ("seed",))
        by = self._names("best", "by", by, ("optimizer",))
        _, groups = self._grouped("best", metric, over, higher_is_better)
        rivals: dict[Any, list[Any]] = {}
        for key in groups:
            rivals.setdefault(tuple(pair for pair in key if pair[0] in by), []).append(key)
        sign = -1 if higher_is_better else 1
        found = [
            _best(dict(which), {key: groups[key] for key in keys}, sign) for which, keys in rivals.items()
        ]
        return sorted(found, key=lambda best: sign * best.summary.median)

    @entry
    def profile(self, metric: str | None = None, *, by: Any = None, over: Any = None) -> PerformanceProfile:
        """The performance profile of the best settings for each of `by`; each of `over` is a problem.

        The metric is a cost, above 0. A run that diverged or lacks it has not solved its problem.
        """
        costs = {}
        for best in self.best(metric, by=by, over=over):
            name = " ".join(map(str, best.by.values()))
            _, groups = self._grouped("profile", metric, over, False)
            costs[name] = groups[tuple(best.settings.items())]
        problems = sorted(
            {key for cost in costs.values() for key in cost}, key=lambda key: [*map(_order, key)]
        )
        return performance_profile(
            {name: [cost.get(problem, math.inf) for problem in problems] for name, cost in costs.items()}
        )

    def plot(self, ax: Any = None, **options: Any) -> Any:
        """Sensitivity curves: the metric against the learning rate, a curve for each optimizer.

        Options: metric, over, higher_is_better as everywhere; x, the setting on the axis ("lr"); by, that of
        the curves ("optimizer", if there is one); limit, a proven bound on the rate. Lines are medians, bands
        their intervals, and a cross on the upper edge stands where at least one run diverged. Needs
        Matplotlib; returns the axes.
        """
        from optim.figures import sensitivity

        return sensitivity(self, ax=ax, **options)

    @entry
    def table(self, metric: str | None = None, *, over: Any = None, higher_is_better: bool = False) -> str:
        """`summary` as an aligned text."""
        head, rows, note = self._cells(metric, over, higher_is_better)
        widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
        lines = ["  ".join(f"{c:>{w}}" for c, w in zip(row, widths, strict=True)) for row in [head, *rows]]
        return "\n".join([*lines, note] if note else lines)

    def _repr_html_(self) -> str:
        """For notebooks: the best settings, and all of them."""
        title = html_title(repr(self).strip("<>"))
        if not self.metrics:
            return title
        head, rows, note = self._cells(None, None, False)
        best = [
            [*map(str, b.settings.values()), *(f"{low:g} … {high:g}" for low, high in b.between.values()),
             f"{b.summary.median:.4g}"]
            for b in self.best()
        ]  # fmt: skip
        top = self.best()[0]
        names = [*top.settings, *(f"best {name}, 95 %" for name in top.between), self.metrics[0]]
        if len(rows) > 60:
            rows = [*rows[:50], ["…"] * len(head), *rows[-10:]]
        return title + html_table(names, best) + html_title(note or "All") + html_table(head, rows)

    def _cells(
        self, metric: str | None, over: Any, higher_is_better: bool
    ) -> tuple[list[str], list[list[str]], str]:
        found = self.summary(metric, over=over, higher_is_better=higher_is_better)
        metric = metric or self.metrics[0]
        names = list(found[0].settings)
        rows = [
            [str(s.settings[n]) for n in names]
            + [str(s.runs), str(s.diverged), *(_number(v) for v in (s.median, s.low, s.high))]
            for s in found
        ]
        sure = sorted({s.coverage for s in found if s.coverage})
        said = " to ".join(dict.fromkeys(f"{100 * c:.3g}" for c in (sure[0], sure[-1]))) if sure else ""
        note = f"the intervals hold the true median with a probability of {said} %" if said else ""
        return [*names, "runs", "diverged", f"{metric}: median", "low", "high"], rows, note

    @entry
    def save(self, path: str | PathLike[str]) -> None:
        """Write the runs as CSV: settings, status, seconds, results, error; all of it, or nothing."""
        import csv

        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(self.columns)
        for run in self.runs:
            row = {**run.settings, **run._asdict(), **run.results}
            writer.writerow([_text(row.get(name, "")) for name in self.columns])
        write_whole("Sweep.save(path)", path, text.getvalue().encode())

    def _names(self, call: str, argument: str, given: Any, default: Sequence[str]) -> tuple[str, ...]:
        """The settings that an argument names; by default those of `default` that there are."""
        known = self.runs[0].settings if self.runs else {}
        if given is None:
            return tuple(name for name in default if name in known)
        names = (given,) if isinstance(given, str) else tuple(given)
        if missing := [name for name in names if name not in known]:
            raise ValueError(
                f"`Sweep.{call}({argument}=...)` must name settings, which are {list(known)}, got {missing}."
            )
        return names

    def _grouped(
        self, call: str, metric: str | None, over: Any, higher_is_better: bool
    ) -> tuple[str, dict[Any, dict[Any, float]]]:
        """{items of the other settings: {values of those in `over`: cost}}: less is better, ∞ is diverged."""
        over = self._names(call, "over", over, ("seed",))
        if not self.metrics or (metric is not None and metric not in self.metrics):
            got = "no run has given a number" if not self.metrics else f"got {metric!r}"
            raise ValueError(f"`Sweep.{call}(metric=...)` must be one of {self.metrics}; {got}.")
        metric, sign = metric or self.metrics[0], -1 if higher_is_better else 1
        groups: dict[Any, dict[Any, float]] = {}
        for run in self.runs:
            key = tuple((name, value) for name, value in run.settings.items() if name not in over)
            cost = sign * run.results.get(metric, math.nan) if run.status != "error" else math.nan
            if run.status == "diverged" or math.isnan(cost):
                cost = math.inf
            groups.setdefault(key, {})[tuple(run.settings[name] for name in over)] = cost
        return metric, groups


def _summary(settings: dict[str, Any], costs: list[float], sign: int) -> Summary:
    median, low, high, coverage = median_interval(costs)
    low, high = (low, high) if sign > 0 else (-high, -low)
    return Summary(settings, len(costs), sum(map(math.isinf, costs)), sign * median, low, high, coverage)


def _best(by: dict[str, Any], rivals: Mapping[Any, Mapping[Any, float]], sign: int) -> Best:
    keys = list(rivals)
    repeats = sorted({r for costs in rivals.values() for r in costs}, key=lambda r: [*map(_order, r)])
    costs = np.array([[rivals[key].get(r, math.nan) for r in repeats] for key in keys])
    first = int(np.argmin(_medians(costs)))
    drawn = np.random.default_rng(0).integers(len(repeats), size=(RESAMPLES, len(repeats)))
    chosen = np.argmin(_medians(costs[:, drawn]), axis=0)
    between = {}
    for name, value in keys[first]:
        values = [dict(key)[name] for key in keys]
        if name not in by and all(isinstance(v, int | float) and not isinstance(v, bool) for v in values):
            low, high = np.quantile(np.array(values)[chosen], [0.025, 0.975], method="inverted_cdf")
            between[name] = (type(value)(low), type(value)(high))
    best = dict(keys[first])
    return Best(by, best, _summary(best, list(rivals[keys[first]].values()), sign), between)


def _number(value: float) -> str:
    return (
        "" if math.isnan(value) else f"{value:#.4g}" if math.isfinite(value) else "∞" if value > 0 else "−∞"
    )


# The files


def _text(value: Any) -> str:
    return repr(value) if isinstance(value, float) else " ".join(str(value).split("\n"))


def _value(text: str) -> Any:
    """A cell of a CSV file: a number, True, False, None, or the text."""
    if text in (known := {"True": True, "False": False, "None": None}):
        return known[text]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    return text


@entry
def open_sweep(path: str | PathLike[str]) -> Sweep:
    """Read the sweep that `sweep(out=...)` keeps in a folder, finished or not, or one in a CSV file.

    From a CSV file alone, settings that are texts but look like numbers are read as numbers.

    Raises:
        FileNotFoundError: there is none. ValueError: the file is no table of runs.
    """
    path = Path(path)
    if path.is_dir() and (path / "runs.jsonl").exists():
        return Sweep(sorted(read_log(path / "runs.jsonl")[0], key=Run.key))
    file = path / "runs.csv" if path.is_dir() else path
    if not file.exists():
        raise FileNotFoundError(
            f"`open_sweep(path)`: {str(path)!r} holds no sweep; give the folder that `sweep(out=...)` wrote."
        )
    return Sweep(sorted(_read_csv(file), key=Run.key))


def read_log(path: Path) -> tuple[list[Run], int]:
    """The runs of a `runs.jsonl`, the last of each combination, and how many bytes its whole lines have."""
    whole = path.read_bytes()
    whole = whole[: whole.rfind(b"\n") + 1]
    found: dict[Any, Run] = {}
    for number, line in enumerate(whole.splitlines(), 1):
        try:
            run = Run(**json.loads(line))
        except (TypeError, ValueError):
            raise ValueError(f"`open_sweep`: line {number} of {str(path)!r} is no run of a sweep.") from None
        found[tuple(run.settings.items())] = run
    return list(found.values()), len(whole)


def _read_csv(path: Path) -> list[Run]:
    import csv

    with path.open(newline="", encoding="utf-8") as file:
        head, *lines = list(csv.reader(file)) or [[]]
    if not {"status", "seconds"} <= set(head):
        raise ValueError(
            f"`open_sweep`: {str(path)!r} is no table of runs: it must have the columns status and seconds, "
            f"got {head}."
        )
    split = head.index("status")
    found = []
    for line in lines:
        row = dict(zip(head, line, strict=True))
        results = {
            n: row[n] for n in itertools.islice(head, split, None) if n not in RESERVED and row[n] != ""
        }
        found.append(
            Run(
                {name: _value(row[name]) for name in head[:split]}, row["status"], float(row["seconds"]),
                {name: _value(text) for name, text in results.items()}, row.get("error", ""),
            )
        )  # fmt: skip
    return found
