"""Is a stationary point a minimum? The smallest Hessian eigenvalue, and the way out where it is negative.

No gradient method can tell a saddle point from a minimum; at both the gradient is 0. The smallest eigenvalue
can, and its eigenvector v leads away: f(x + sv) ≈ f(x) − ½|λ|s².

A small gradient says little about coordinates whose scale is tiny beside the others'. Where the whole Hessian
is known it is also examined in units in which its diagonal is 1: the point is not called a minimum if that
matrix has a negative eigenvalue, and the Newton step, which tells how much f would still fall, is computed
from it.

Names: `λ` eigenvalues, `v` an eigenvector of length 1, `s` the length of the step along it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from optim.second_order.evaluation import Evaluation, Objective, Vector, symmetric
from optim.second_order.lanczos import krylov
from optim.second_order.records import TrialRow
from optim.second_order.steihaug_cg import steihaug_cg
from optim.second_order.trial import (
    EPS,
    FAINT,
    NEGATIVE,
    Trial,
    downhill,
    evaluated,
    natural_length,
    norm,
    tried,
)

__all__ = ["StationaryCheck", "curvature_at", "escape", "newton_by_differences", "refine"]

DENSE = 500  # up to this n the whole spectrum is computed,
PRODUCTS = 60  # and beyond it, at most so many Lanczos steps are taken
DIFFERENCED = 100  # up to this n the whole Hessian is made of differences of gradients
DIFFERENCES = 30  # and beyond it, at most so many products are
STEP = EPS ** (1 / 3)  # of a central difference, as a share of what x has gone through
COARSE = 1e-9  # the smallest share of the largest curvature that differences can see
MULTIPLE = 1e-3  # at a multiple root p − 1 steps at once have to leave no more than this share of f
MAX_REFINE_HALVINGS = 10
MAX_HALVINGS = 60


class StationaryCheck(NamedTuple):
    """The part of the Hessian's spectrum at a point that decides what to do there.

    lowest, largest: the smallest eigenvalue, and the largest |λ|.
    down: a direction that curves downwards beyond rounding, the eigenvector of a negative λmin, or one that
        shows when the diagonal of H is scaled to 1; None if there is none.
    newton: −|H|⁻¹g if H is known, in which |H| has the absolute values of its eigenvalues, else None.
    faint: whether f curves down by so little that other steps are tried before an escape.
    """

    lowest: float
    largest: float
    down: Vector | None = None
    newton: Vector | None = None
    faint: bool = False

    @property
    def negative(self) -> bool:
        """λmin < −1e-6·max|λ|."""
        return self.lowest < -NEGATIVE * self.largest


def curvature_at(
    here: Evaluation, rng: np.random.Generator, tolerance: float = 0.0
) -> StationaryCheck | None:
    """The smallest Hessian eigenvalue: from the dense matrix for n ≤ 500, else by Lanczos with at most 60
    products.

    An eigenvalue λ = vᵀHv counts as negative if it is below 0 by more than the rounding of this product, of
    size |v|ᵀ|H||v|. Lanczos approaches it from above, so a negative eigenvalue that is tiny or lies in a
    dense spectrum may be missed.

    Args:
        tolerance: a λ above −tolerance·max|λ| is no negative one either.

    Returns:
        None where the Hessian is not finite.
    """
    n = here.x.size
    if n > DENSE:
        try:
            run = krylov(here.hv, n, PRODUCTS, rng=rng)
        except FloatingPointError:
            return None
        values, s, _ = run.ritz()
        found = StationaryCheck(float(values[0]), float(np.abs(values).max()))
        if found.lowest < -max(FAINT, tolerance) * found.largest:
            return found._replace(down=s[:, 0] @ run.basis, faint=not found.negative)
        return found
    H = here.hessian()
    if not np.isfinite(H).all():
        return None
    values, V = np.linalg.eigh(H)
    found = StationaryCheck(float(values[0]), float(np.abs(values).max()))
    unit = units(H)
    scaled = H / unit / unit[:, None]
    lam, U = np.linalg.eigh(scaled)
    size = np.maximum(np.abs(lam), EPS * n * float(np.abs(lam).max())) if lam.any() else np.ones(n)
    found = found._replace(newton=-(U @ ((U.T @ (here.g / unit)) / size)) / unit)
    if tolerance and found.lowest >= -tolerance * found.largest:
        return found
    for matrix, lowest, v in ((H, values[0], V[:, 0]), (scaled, lam[0], U[:, 0])):
        if lowest < -FAINT * float(np.abs(v) @ np.abs(matrix) @ np.abs(v)):
            clear = found.negative or lam[0] < -NEGATIVE
            return found._replace(down=v if matrix is H else v / unit, faint=not clear)
    return found


def units(H: Vector) -> Vector:
    """The units of coordinates in which the diagonal of H is 1."""
    d = np.abs(np.diag(H))
    unit: Vector = np.sqrt(np.where(d > 0, d, np.abs(H).max(axis=0)))
    unit[unit == 0] = 1.0
    return unit


def escape(
    objective: Objective,
    here: Evaluation,
    v: Vector,
    radius: float | None,
    noise: float,
    rows: list[TrialRow] | None = None,
) -> tuple[Evaluation | None, float]:
    """Leave along v, downhill if there is a slope: s is halved until f has fallen by ¼·½|λ|s², λ = vᵀHv/vᵀv.

    Args:
        v: a direction of negative curvature, of any length.
        radius: the first s; if None, max(1, ‖x‖/10).
        noise: a fall of less than this share of |f| does not count.
        rows: gets a row of `TRIALS` for each s.

    Returns:
        The evaluation there, or None if f does not fall; and s.
    """
    v, rows = downhill(v, here.g), [] if rows is None else rows
    curvature = float(v @ here.hv(v))
    s = radius or natural_length(here.x)
    for _ in range(MAX_HALVINGS):
        there, predicted = evaluated(objective, here.x + s * v), 0.5 * abs(curvature) * s * s
        fall = math.nan if there is None else here.f - there.f
        rows.append((s, predicted, fall, fall / predicted if predicted else math.nan, False))
        if there is not None:
            enough = fall >= 0.25 * predicted and fall > noise * max(abs(here.f), abs(there.f))
            if enough and np.isfinite(there.g).all():
                rows[-1] = (*rows[-1][:4], True)
                return there, s
        s *= 0.5
    return None, math.nan


def refine(
    objective: Objective, here: Evaluation, newton: Vector, noise: float, rows: list[TrialRow]
) -> Trial:
    """A step along −|H|⁻¹g, halved as needed.

    Where f goes to 0 as |x|ᵖ, a step makes x shorter by 1/(p − 1) of itself, and promises ½p/(p − 1) of f.
    Then p − 1 steps at once reach the minimum (Schröder 1870), which is tried first for 8/3 < p < 20."""
    promised, length = -0.5 * float(here.g @ newton), norm(newton)
    if 0.526 * here.f < promised < 0.8 * here.f:
        order = 2 * promised / here.f - 1
        there = evaluated(objective, here.x + newton / order)
        good = there is not None and abs(there.f) <= MULTIPLE * here.f and np.isfinite(there.g).all()
        trial = Trial(there if good else None, actual=math.nan if there is None else here.f - there.f)
        rows.append((length / order, math.nan, trial.actual, math.nan, bool(good)))
        if good:
            return trial
    for a in 0.5 ** np.arange(MAX_REFINE_HALVINGS):
        predicted = promised * a * (2 - a)
        trial = tried(objective, here, a * newton, predicted, noise)
        rows.append(trial.row(a * length, predicted))
        if trial.there is not None or not trial.moved:
            return trial
    return Trial(None)


def newton_by_differences(objective: Objective, here: Evaluation, origin: Vector) -> Vector | None:
    """−|H|⁻¹g, with H from differences of the gradient: for methods that have no second derivatives.

    Up to n = 100 it takes 2n gradients, beyond that at most 30, for the first steps of CG.

    Args:
        origin: where x came from. |x| and the way from there give each coordinate its scale.

    Returns:
        None where H has a negative eigenvalue, or a gradient is not finite.
    """
    n = here.x.size
    reach = np.maximum(np.abs(here.x), 1e-3 * np.abs(here.x - origin))
    reach[reach == 0] = reach.max() or 1.0
    if n > DIFFERENCED:
        path, _ = steihaug_cg(
            _forward(objective, here, reach), here.g, math.inf, 0.1 * norm(here.g), DIFFERENCES
        )
        return path.at(math.inf).p if path.end in ("converged", "iterations") else None
    rows = [_row(objective, here, reach, j) for j in range(n)]
    H = np.stack([row for row in rows if row is not None] or [np.full(n, math.nan)])
    if len(H) < n or not np.isfinite(H).all():
        return None
    unit = units(H)
    H = H / unit / unit[:, None]
    lam, U = np.linalg.eigh(symmetric(H))
    doubt = max(COARSE * float(np.abs(lam).max()), float(np.abs(H - H.T).max()))
    if lam[0] < -10 * doubt:
        return None
    c = U.T @ (here.g / unit)
    newton: Vector = -(U @ (c / np.maximum(np.abs(lam), doubt or 1.0))) / unit
    return newton


def _row(objective: Objective, here: Evaluation, reach: Vector, j: int) -> Vector | None:
    """Row j of H, with a shorter step where f ends within the first one, as ln x does at 0."""
    for h in (STEP * reach[j], STEP * abs(here.x[j])):
        e = np.zeros_like(here.x)
        e[j] = h
        ends = [evaluated(objective, here.x + e), evaluated(objective, here.x - e)]
        if ends[0] is not None and ends[1] is not None:
            row: Vector = (ends[0].g - ends[1].g) / (ends[0].x[j] - ends[1].x[j])
            if np.isfinite(row).all():
                return row
    return None


def _forward(objective: Objective, here: Evaluation, reach: Vector) -> Callable[[Vector], Vector]:
    def product(v: Vector) -> Vector:
        h = math.sqrt(EPS) * norm(reach) / norm(v)
        there = evaluated(objective, here.x + h * v)
        return np.full_like(v, math.nan) if there is None else (there.g - here.g) / h

    return product
