"""How far to go along a direction: backtrack until f falls enough, or bracket a minimum until the slope is
small too.

    Armijo        φ(a) ≤ φ(0) + c₁·a·φ′(0)
    strong Wolfe  and |φ′(a)| ≤ c₂·|φ′(0)|,      φ(a) = f(x + a·p)

A point where f or its gradient is not finite counts as infinitely high. Where the change of f drowns in
rounding the slopes decide, φ(a) − φ(0) ≈ ½a(φ′(0) + φ′(a)): Armijo's condition is then the approximate one of
Hager and Zhang (2005).

Names: `a` step length, `p` direction, `c1` `c2` the constants, `low` the best point so far, `high` the
bracket's other end.

Reference: Nocedal and Wright 2006, Numerical Optimization, ch. 3.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from optim.second_order.evaluation import Evaluation, Objective, Vector
from optim.second_order.records import SearchRow
from optim.second_order.results import Status
from optim.second_order.trial import NOISE, blind, evaluated

__all__ = ["STILL", "RayPoint", "SearchResult", "line_search"]


class RayPoint(NamedTuple):
    """A point of the ray: a, φ(a) − φ(0), and φ′(a), which is NaN where it was not asked for.

    If `there` is None, f is not finite and the change is infinite, or a·p is too short to move x and the
    change is 0."""

    a: float
    change: float
    slope: float
    there: Evaluation | None


class SearchResult(NamedTuple):
    """The point to go to, or None; the step length there, how many points were tried, why the search ended,
    and the points."""

    there: Evaluation | None
    a: float
    trials: int
    why: str
    points: tuple[SearchRow, ...] = ()  # those tried: a, φ(a), φ′(a) or NaN, and whether it was taken

    @property
    def status(self) -> Status:
        """The status of a step whose search ended without a point."""
        return _ENDS.get(self.why, Status.PRECISION_LOSS)


TINY = 1e-6  # a step this much shorter than the first, where f cannot tell, was not worth the search
STILL = ("stationary", "lr is 0")  # where a search ends for these reasons, no other direction would help
_ENDS = {"not finite": Status.NONFINITE, "not a direction of descent": Status.RADIUS_COLLAPSED}


class Ray:
    """φ(a) = f(x + a·p), with its slope at 0.

    Args:
        noise: a change of f below this share of |f| is rounding.
    """

    def __init__(self, objective: Objective, here: Evaluation, p: Vector, noise: float) -> None:
        self.objective, self.here, self.p, self.noise = objective, here, p, noise
        self.slope = float(here.g @ p)
        self.tried: list[tuple[float, float, float]] = []  # a, φ(a), φ′(a) of each point

    def at(self, a: float) -> RayPoint:
        """The point x + a·p; its gradient is computed only where f alone cannot tell."""
        self.tried.append((a, math.nan, math.nan))
        point = self._at(a)
        f = self.here.f + point.change if point.there is None else point.there.f
        self.tried[-1] = a, f, point.slope
        return point

    def _at(self, a: float) -> RayPoint:
        x = self.here.x + a * self.p
        if np.array_equal(x, self.here.x):
            return RayPoint(a, 0.0, math.nan, None)
        there = evaluated(self.objective, x)
        if there is None:
            return RayPoint(a, math.inf, math.nan, None)
        if np.array_equal(there.x, self.here.x):  # where parameters are float32
            return RayPoint(a, 0.0, math.nan, None)
        point = RayPoint(a, there.f - self.here.f, math.nan, there)
        if not blind(self.here, there, self.noise):
            return point
        point = self.with_slope(point)
        return (
            point._replace(change=0.5 * a * (self.slope + point.slope))
            if math.isfinite(point.slope)
            else point
        )

    def with_slope(self, point: RayPoint) -> RayPoint:
        """With φ′(a) too; a gradient that is not finite makes the point infinitely high."""
        slope = math.nan if point.there is None else float(point.there.g @ self.p)
        self.tried[-1] = (*self.tried[-1][:2], slope)
        return point._replace(slope=slope) if math.isfinite(slope) else point._replace(change=math.inf)


def line_search(
    kind: str | None,
    objective: Objective,
    here: Evaluation,
    p: Vector,
    first: float,
    noise: float = NOISE,
    shortest: float = 0.1,
) -> SearchResult:
    """Search along p from `here`, with the step length `first` for the first point.

    Args:
        kind: "armijo", "strong-wolfe", or None: take `first` whatever f does, unless it is not finite there.
        first: ≥ 0; at 0 there is nothing to search.
        noise: a change of f below this share of |f| is rounding.
        shortest: of "armijo", the least share of the step length that the next trial may have. For a Newton
            step ½ is better: f beyond it is no parabola, and short steps creep.

    Returns:
        `SearchResult`, whose `there` is None if no point was good enough; else the gradient there is finite.

    >>> from optim.second_order.objective import FunctionObjective
    >>> f = FunctionObjective(lambda x: np.sum(x**4))
    >>> here = f(np.array([1.0]))
    >>> found = line_search("armijo", f, here, -here.g, 1.0)
    >>> found.trials, found.a, found.there.f < here.f
    (2, 0.1, True)
    """
    ray = Ray(objective, here, p, noise)
    if not p.any() or not first > 0:
        return SearchResult(None, 0.0, 0, "stationary" if first > 0 else "lr is 0")
    if kind is not None and not ray.slope < 0:
        return SearchResult(None, 0.0, 0, "not a direction of descent")
    found = _armijo(ray, first, shortest) if kind == "armijo" else _SEARCHES[kind](ray, first)
    points = tuple((*point, found.there is not None and point[0] == found.a) for point in ray.tried)
    # f rose at every longer step, and only the slopes say that it falls: they may not be those of f
    tiny = found.there is not None and found.a < TINY * first and blind(here, found.there, noise)
    if tiny and -0.5 * TINY * first * ray.slope > noise * abs(here.f):
        refused = tuple((*point, False) for point in ray.tried)
        return SearchResult(None, 0.0, found.trials, "no decrease", refused)
    return found._replace(points=points)


def _full_step(ray: Ray, first: float) -> SearchResult:
    point = ray.at(first)
    if point.there is not None and math.isfinite(ray.with_slope(point).change):
        return SearchResult(point.there, first, 1, "full step")
    return SearchResult(None, 0.0, 1, "not finite" if point.change else "stationary")


def _armijo(ray: Ray, first: float, shortest: float, c1: float = 1e-4, max_trials: int = 60) -> SearchResult:
    """Shorten the step until f has fallen: to where a parabola has its minimum, but by ½ at least and to the
    share `shortest` at most."""
    a = first
    for trials in range(1, max_trials + 1):
        point = ray.at(a)
        if point.there is not None and point.change <= c1 * a * ray.slope:
            point = ray.with_slope(point)
            if math.isfinite(point.change):
                return SearchResult(point.there, a, trials, "sufficient decrease")
        a *= min(max(_parabola(ray.slope * a, point.change), shortest), 0.5)
    return SearchResult(None, 0.0, max_trials, "no decrease")


def _strong_wolfe(
    ray: Ray, first: float, c1: float = 1e-4, c2: float = 0.9, max_trials: int = 40
) -> SearchResult:
    """Lengthen the step until a minimum is bracketed, then close in on it until the slope is small.

    `low` satisfies Armijo's condition, and φ falls from there towards `high`; without a `high`, towards
    infinity. If the trials run out, `low` is taken."""
    low, a = RayPoint(0.0, 0.0, ray.slope, ray.here), first
    high: RayPoint | None = None
    for trials in range(1, max_trials + 1):
        point = ray.at(a)
        better = point.change <= c1 * a * ray.slope and point.change < low.change
        if better:
            point = ray.with_slope(point)
            better = math.isfinite(point.slope)
        if not better:
            high = point
        elif abs(point.slope) <= -c2 * ray.slope:
            return SearchResult(point.there, a, trials, "strong Wolfe")
        else:
            if point.slope * (math.inf if high is None else high.a - low.a) > 0:
                high = low
            low = point
        a = 4 * a if high is None else low.a + _share(low, high) * (high.a - low.a)
    if low.a:
        return SearchResult(low.there, low.a, max_trials, "sufficient decrease")
    return SearchResult(None, 0.0, max_trials, "no decrease")


_SEARCHES: dict[str | None, Callable[[Ray, float], SearchResult]] = {
    "strong-wolfe": _strong_wolfe, None: _full_step,
}  # fmt: skip


def _share(low: RayPoint, high: RayPoint) -> float:
    """The next point's share of the way from low to high: a cubic's or a parabola's minimum, in [0.1,
    0.9]."""
    width = high.a - low.a
    if not low.slope * width < 0:  # the bracket has closed, or the slope is 0
        return 0.5
    start = -low.slope * width  # > 0, and the unit of the numbers below, so no square over- or underflows
    rise, end = (high.change - low.change) / start, high.slope * width / start
    if math.isfinite(end) and math.isfinite(rise):
        d1 = -1 + end - 3 * rise
        d2 = math.sqrt(max(d1 * d1 + end, 0.0))
        bend = end + 1 + 2 * d2
        share = 1 - (end + d2 - d1) / bend if bend else 0.5
    else:
        share = _parabola(-1.0, rise)
    return min(max(share, 0.1), 0.9)


def _parabola(slope: float, rise: float) -> float:
    """Where the parabola with φ(0) = 0, φ′(0) = slope, φ(1) = rise is lowest."""
    return 0.5 * slope / (slope - rise) if rise > slope else math.inf
