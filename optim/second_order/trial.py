"""A trial step to x + p: is f lower there, as predicted? And the tolerances that all methods share.

    ρ = (f(x) − f(x+p)) / predicted:   accept ρ > 0.1;   shrink Δ at ρ < ¼, expand at ρ > ¾ on the boundary

Every comparison is written so that NaN means "worse". Names: Δ `radius`, ρ `rho`, `unit` a power of two
that brings numbers close to 1.

Reference: Conn, Gould, Toint 2000, Trust Region Methods, ch. 6.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from optim.second_order.evaluation import Evaluation, Objective, Vector
from optim.second_order.records import TrialRow
from optim.second_order.results import Status

__all__ = [
    "CUTOFF", "EPS", "EXPAND", "FAINT", "MAX_REJECTIONS", "NEGATIVE", "NOISE", "SHRINK", "Trial", "blind",
    "downhill", "evaluated", "first_radius", "max_iterations", "natural_length", "next_radius", "noise_of",
    "norm", "refusal", "stuck", "tried", "unit_of",
]  # fmt: skip

EPS = float(np.finfo(np.float64).eps)
NOISE_IN_EPS = 1e3
CUTOFF = math.sqrt(EPS)  # δ of `Newton`, as a share of the largest |λ|
NOISE = NOISE_IN_EPS * EPS  # a change of f below this share of |f| is rounding
NEGATIVE = 1e-6  # an eigenvalue is negative if it lies below 0 by this share of the largest |λ|
FAINT = 1e3 * EPS  # below 0 by a smaller share than this, it is 0 up to rounding
MAX_REJECTIONS = 60
ACCEPT, SHRINK, EXPAND = 0.1, 0.25, 0.75  # accept a step above this ρ; shrink Δ below, expand Δ above
ON_BOUNDARY = 0.99  # a step of this share of Δ has reached the boundary
PATH_BYTES = 1 << 28  # CG keeps two vectors an iteration


class Trial(NamedTuple):
    """The result of trying a step: the evaluation if the step is accepted, and the reasons."""

    there: Evaluation | None
    rho: float = -math.inf
    actual: float = math.nan  # f(x) − f(x+p), or its estimate by the slopes
    noise: bool = False  # f could not tell the points apart, and the slopes decided
    moved: bool = True  # x + p differs from x

    def row(self, length: float, predicted: float) -> TrialRow:
        """The trial as `TRIALS` has it; `length` is the radius, or ‖p‖."""
        return length, predicted, self.actual, self.rho, self.there is not None


def tried(
    objective: Objective,
    here: Evaluation,
    p: Vector,
    predicted: float,
    noise: float,
    strict_monotone: bool = False,
) -> Trial:
    """Go to x + p, and compare the decrease of f there with the one predicted.

    Where f cannot tell the two points apart, its slopes can: the decrease is then that of the trapezoid rule.
    """
    x = here.x + p
    if not predicted > 0:
        return Trial(None)
    if np.array_equal(x, here.x):
        return Trial(None, moved=False)
    there = evaluated(objective, x)
    if there is None:
        return Trial(None)
    moved = there.x - here.x  # not quite p where parameters are float32
    if not moved.any():
        return Trial(None, moved=False)
    actual = here.f - there.f
    if drowned := blind(here, there, noise):
        if strict_monotone and actual < 0:
            return Trial(None, actual=actual, noise=True)
        actual = -0.5 * float((here.g + there.g) @ moved)
    rho = actual / predicted
    if not rho > ACCEPT:
        return Trial(None, rho, actual, drowned)
    if not np.isfinite(there.g).all():
        return Trial(None, actual=actual, noise=drowned)
    return Trial(there, rho, actual, drowned)


def evaluated(objective: Objective, x: Vector) -> Evaluation | None:
    """The evaluation at x, or None if f is not finite there or says so by a FloatingPointError."""
    try:
        there = objective(x)
    except FloatingPointError:
        return None
    return there if math.isfinite(there.f) else None


def blind(here: Evaluation, there: Evaluation, noise: float) -> bool:
    """Whether f cannot tell the two points apart: its change is below this share of |f|."""
    return abs(there.f - here.f) <= noise * max(abs(there.f), abs(here.f))


def noise_of(dtypes: list[Any]) -> float:
    """The share of |f| below which a change of f is rounding, where the parameters have these dtypes."""
    return NOISE_IN_EPS * max(float(np.finfo(dtype).eps) for dtype in dtypes)


def refusal(hoped: float, here: Evaluation, noise: float) -> Status:
    """The status of a step whose trials were all refused: PRECISION_LOSS if only rounding was predicted."""
    return Status.PRECISION_LOSS if hoped <= noise * abs(here.f) else Status.RADIUS_COLLAPSED


def stuck(here: Evaluation, p: Vector, noise: float) -> Status:
    """The status where f does not fall along p although it should: a success if p changes next to nothing.

    That is so where the gradient is 0, the model promises no more than rounding of f, or p is rounding of x.
    """
    promised = 0.5 * abs(float(here.g @ p))
    if promised <= noise * abs(here.f) or (np.abs(p) <= NOISE * np.abs(here.x)).all():
        return Status.FIRST_ORDER
    return Status.RADIUS_COLLAPSED


def downhill(v: Vector, g: Vector) -> Vector:
    """v with length 1 and gᵀv ≤ 0."""
    unit: Vector = v / math.copysign(norm(v), -float(g @ v))
    return unit


def next_radius(radius: float, rho: float, length: float, max_radius: float = math.inf) -> float:
    """Δ after a trial of this length: shrunk at ρ < ¼, doubled at ρ > ¾ on the boundary, else the same."""
    if not rho >= SHRINK:
        return 0.25 * min(radius, length)
    if rho > EXPAND and length >= ON_BOUNDARY * radius:
        return min(2 * radius, max_radius)
    return radius


def first_radius(x: Vector, gg: float, image: float, steps: float = 10) -> float:
    """10·‖g‖²/‖Hg‖, ten steps of steepest descent, whatever the units of f.

    Args:
        gg: ‖g‖².
        image: ‖Hg‖; where it is 0 or infinite, the radius is the natural length at x.
        steps: another number of steps. CG looks far cheaply, because a shorter step is on its path already.
    """
    return steps * gg / image if 0 < image < math.inf else natural_length(x)


def natural_length(x: Vector) -> float:
    """max(1, ‖x‖/10): a step length that depends on x alone, for where f says nothing about lengths."""
    return max(1.0, 0.1 * float(np.linalg.norm(x)))


def unit_of(g: Vector) -> float:
    """The power of two that brings the largest entry of g into [½, 1)."""
    return math.ldexp(1.0, -max(-1000, min(1000, math.frexp(float(np.abs(g).max()))[1])))


def norm(g: Vector) -> float:
    """‖g‖, also where its square would over- or underflow."""
    unit = unit_of(g)
    return float(np.linalg.norm(unit * g)) / unit


def max_iterations(n: int) -> int:
    """The limit of CG's iterations: with rounding, n may not suffice; and their vectors have to be kept."""
    return min(max(2 * n, 50), 1000, max(50, PATH_BYTES // (16 * n)))
