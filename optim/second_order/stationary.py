"""Is a stationary point a minimum? The smallest Hessian eigenvalue, and the way out where it is negative.

No gradient method can tell a saddle point from a minimum; at both the gradient is 0. The smallest eigenvalue
can, and its eigenvector v leads away: f(x + sv) ≈ f(x) − ½|λ|s².

A small gradient says little about coordinates whose scale is tiny beside the others'. Where the whole Hessian
is at hand it is also looked at in units in which its diagonal is 1: a negative eigenvalue there has to be
left too before it is called a minimum, and the Newton step, which tells how much f would still fall, is made
of it.

Names: `λ` eigenvalues, `v` an eigenvector of length 1, `s` the length of the step along it.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from optim.second_order.evaluation import Evaluation, Objective, Vector
from optim.second_order.lanczos import lanczos
from optim.second_order.trial import EPS, FAINT, NEGATIVE, Trial, evaluated, natural_length, tried

__all__ = ["StationaryCheck", "curvature_at", "escape", "refine"]

DENSE = 500  # up to this n the whole spectrum is computed,
PRODUCTS = 60  # and beyond it, at most so many Lanczos steps are taken
MAX_REFINE_HALVINGS = 10
MAX_HALVINGS = 60


class StationaryCheck(NamedTuple):
    """The part of the Hessian's spectrum at a point that decides what to do there.

    lowest, largest: the smallest eigenvalue, and the largest |λ|.
    down: a direction that curves downwards beyond rounding, the eigenvector of a negative λmin, or one that
        shows when the diagonal of H is scaled to 1; None if there is none.
    newton: −|H|⁻¹g if H is known, in which |H| has the absolute values of its eigenvalues, else None.
    faint: whether f curves down by so little that other things come first.
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


def curvature_at(here: Evaluation, rng: np.random.Generator) -> StationaryCheck | None:
    """The smallest Hessian eigenvalue: from the dense matrix for n ≤ 500, else by Lanczos with at most 60
    products.

    An eigenvalue λ = vᵀHv is negative if it is so beyond the rounding of this product, of size |v|ᵀ|H||v|.
    Lanczos finds it from above: an isolated negative eigenvalue is found with probability 1, but a tiny one
    in a dense spectrum may be missed.

    Returns:
        None where the Hessian is not finite.
    """
    n = here.x.size
    if n > DENSE:
        try:
            run = lanczos(here.hv, n, PRODUCTS, rng=rng)
        except FloatingPointError:
            return None
        values, s, _ = run.ritz()
        found = StationaryCheck(float(values[0]), float(np.abs(values).max()))
        if found.lowest < -FAINT * found.largest:
            return found._replace(down=s[:, 0] @ run.basis, faint=not found.negative)
        return found
    H = here.hessian()
    if not np.isfinite(H).all():
        return None
    values, V = np.linalg.eigh(H)
    found = StationaryCheck(float(values[0]), float(np.abs(values).max()))
    d = np.abs(np.diag(H))
    unit = np.sqrt(np.where(d > 0, d, np.abs(H).max(axis=0)))
    unit[unit == 0] = 1.0
    scaled = H / unit / unit[:, None]
    lam, U = np.linalg.eigh(scaled)
    size = np.maximum(np.abs(lam), EPS * n * float(np.abs(lam).max())) if lam.any() else np.ones(n)
    found = found._replace(newton=-(U @ ((U.T @ (here.g / unit)) / size)) / unit)
    for matrix, lowest, v in ((H, values[0], V[:, 0]), (scaled, lam[0], U[:, 0])):
        if lowest < -FAINT * float(np.abs(v) @ np.abs(matrix) @ np.abs(v)):
            clear = found.negative or lam[0] < -NEGATIVE
            return found._replace(down=v if matrix is H else v / unit, faint=not clear)
    return found


def escape(
    objective: Objective, here: Evaluation, v: Vector, radius: float | None, noise: float
) -> tuple[Evaluation | None, float]:
    """Leave along v, downhill if there is a slope: s is halved until f has fallen by ¼·½|λ|s², λ = vᵀHv/vᵀv.

    Args:
        v: a direction of negative curvature, of any length.
        radius: the first s; if None, max(1, ‖x‖/10).
        noise: a fall of less than this share of |f| does not count.

    Returns:
        The evaluation there, or None if f does not fall; and s.
    """
    v = v / math.copysign(float(np.linalg.norm(v)), -float(here.g @ v))
    curvature = float(v @ here.hv(v))
    s = radius or natural_length(here.x)
    for _ in range(MAX_HALVINGS):
        there = evaluated(objective, here.x + s * v)
        if there is not None:
            fall = here.f - there.f
            enough = fall >= 0.125 * abs(curvature) * s * s and fall > noise * max(abs(here.f), abs(there.f))
            if enough and np.isfinite(there.g).all():
                return there, s
        s *= 0.5
    return None, math.nan


def refine(objective: Objective, here: Evaluation, newton: Vector, noise: float) -> Trial:
    """A step along −|H|⁻¹g, halved as needed."""
    promised = -0.5 * float(here.g @ newton)
    for a in 0.5 ** np.arange(MAX_REFINE_HALVINGS):
        trial = tried(objective, here, a * newton, promised * a * (2 - a), noise)
        if trial.there is not None or not trial.moved:
            return trial
    return Trial(None)
