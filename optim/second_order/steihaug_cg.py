"""Conjugate gradients inside a trust region (Steihaug 1983, Toint 1981), with the path kept.

The path is what makes a rejected step cheap: the iterates of CG do not depend on the radius, only where to
stop does. So the solution for any smaller radius is read off the stored directions and products, without
another Hessian product.

Names: `z` iterate, `r` residual Hz + g, `y` = M⁻¹r, `d` direction, `a` step length α; norms are M-norms,
√(zᵀMz)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from optim.second_order.records import CGRow

__all__ = ["CGPath", "Solution", "steihaug_cg"]

Vector = NDArray[Any]
CURV_REL = 1e-14  # dᵀHd below this share of ‖d‖·‖Hd‖ is rounding, and counts as no curvature


class Solution(NamedTuple):
    """A step p, its image Hp, the decrease that the model predicts, and why CG ended there.

    why: "converged", "boundary", "negative curvature", "iterations" or "not finite".
    """

    p: Vector
    Hp: Vector
    predicted: float  # −(gᵀp + ½pᵀHp)
    norm: float  # ‖p‖
    why: str
    iterations: int  # steps of CG up to p


class _Iteration(NamedTuple):
    d: Vector
    Hd: Vector
    a: float  # ∞ where the curvature along d is not positive
    zz: float  # ‖z‖², ⟨z, d⟩, ‖d‖² before the step
    zd: float
    dd: float
    curvature: float  # dᵀHd/dᵀd
    residual: float  # ‖r‖₂ and rᵀy before the step
    ry: float

    @property
    def after(self) -> float:
        """‖z + αd‖²."""
        return self.zz + 2 * self.a * self.zd + self.a * self.a * self.dd if self.a < math.inf else math.inf


class CGPath:
    """The iterations of one CG solve; `at(radius)` is the solution for any radius up to the one it was made
    for."""

    def __init__(self, g: Vector, d: Vector, dd: float, residual: float) -> None:
        self.g = g
        self.d, self.dd = d, dd  # the first direction, −M⁻¹g, and its ‖d‖²
        self.end = "iterations"
        self.iterations: list[_Iteration] = []
        self.products = 0
        self.residual = residual  # ‖r‖₂ after the last step that CG took

    def at(self, radius: float) -> Solution:
        """The minimizer along the path inside ‖p‖ ≤ radius; before the negative curvature if that is ∞."""
        if not self.iterations:  # no product was finite, so only the slope is known
            z = self.d * (radius / math.sqrt(self.dd))
            return Solution(z, np.zeros_like(z), -float(self.g @ z), radius, self.end, 0)
        z, Hz = np.zeros_like(self.g), np.zeros_like(self.g)
        why, norm, taken = self.end, 0.0, 0
        for step in self.iterations:
            a = step.a
            if a == radius == math.inf:
                break
            taken += 1
            if outside := not step.after < radius * radius:
                why, norm = "boundary" if a < math.inf else "negative curvature", radius
                a = _to_boundary(step.zz, step.zd, step.dd, radius)
            z, Hz = z + a * step.d, Hz + a * step.Hd
            if outside:
                break
            norm = math.sqrt(step.after)
        return Solution(z, Hz, -float(self.g @ z + 0.5 * (z @ Hz)), norm, why, taken)

    def rows(self, s: Solution, unit: float = 1.0) -> tuple[CGRow, ...]:
        """The iterations up to a solution, as `CG_ITERATIONS` has them, where H and g were multiplied by
        `unit`.

        q falls by ½α·rᵀy in a whole step; the last step may end at the boundary, where the solution tells."""
        found, model = [], 0.0
        after = [step.residual for step in self.iterations[1:]] + [self.residual]
        for step, residual in zip(self.iterations[: s.iterations], after, strict=False):
            a, norm = step.a, step.after
            model -= 0.5 * a * step.ry
            found.append((residual / unit, step.curvature / unit, model / unit, math.sqrt(norm), a * unit))
        if found and s.why in ("boundary", "negative curvature"):
            step = self.iterations[s.iterations - 1]
            a = _to_boundary(step.zz, step.zd, step.dd, s.norm)
            residual = float(np.linalg.norm(self.g + s.Hp))
            found[-1] = residual / unit, step.curvature / unit, -s.predicted / unit, s.norm, a * unit
        return tuple(found)

    @property
    def negative(self) -> Vector | None:
        """The direction of negative curvature that CG met, or None."""
        return self.iterations[-1].d if self.end == "negative curvature" else None

    @property
    def smallest_curvature(self) -> float:
        """The smallest dᵀHd/dᵀd met."""
        return min((step.curvature for step in self.iterations), default=math.nan)


def _to_boundary(zz: float, zd: float, dd: float, radius: float) -> float:
    """The positive τ with ‖z + τd‖ = radius, by the form of the root that does not cancel."""
    c = max(radius * radius - zz, 0.0)
    root = math.sqrt(zd * zd + dd * c)
    return c / (zd + root) if zd > 0 else (root - zd) / dd


def steihaug_cg(
    hv: Callable[[Vector], Vector],
    g: Vector,
    radius: float | Callable[[Vector, float], float],
    tolerance: float,
    max_iterations: int,
    *,
    solve: Callable[[Vector], Vector] | None = None,
) -> tuple[CGPath, float]:
    """Minimize gᵀp + ½pᵀHp inside ‖p‖ ≤ radius by CG from 0, as far as the residual, the region and the
    curvature let it.

        α = rᵀy/dᵀHd,  z ← z + αd,  r ← r + αHd,  d ← −y + (rᵀy)₊/(rᵀy)·d
        dᵀHd ≤ 0 or ‖z + αd‖ ≥ radius: to the boundary

    Args:
        hv: v ↦ Hv.
        g: the gradient, not 0.
        radius: the region's; or a function of Hd and ‖d‖² for the first direction d that chooses it, so that
            a first radius needs no product of its own.
        tolerance: stop at ‖r‖₂ ≤ tolerance.
        max_iterations: at least 1.
        solve: r ↦ M⁻¹r for a positive definite M; norms of the region are M-norms then.

    Returns:
        The path and the radius; `path.at(radius)` is the solution.

    Reference: Steihaug 1983; Toint 1981; Conn, Gould, Toint 2000, section 7.5.

    >>> path, radius = steihaug_cg(lambda v: np.array([1.0, -1.0]) * v, np.array([1.0, 0.5]), 2.0, 1e-6, 10)
    >>> solution = path.at(radius)
    >>> solution.why, round(float(np.linalg.norm(solution.p)), 12)
    ('negative curvature', 2.0)
    """
    r, z = g, np.zeros_like(g)
    y = r if solve is None else solve(r)
    d = -y
    ry = float(r @ y)
    if not 0 < ry < math.inf:
        raise ValueError(
            f"steihaug_cg: gᵀM⁻¹g must be positive and finite, got {ry}. Is the preconditioner positive "
            "definite?"
        )
    zz, zd, dd = 0.0, 0.0, ry
    path = CGPath(g, d, dd, math.sqrt(r @ r))
    limit = radius if isinstance(radius, int | float) else math.inf
    for i in range(max_iterations):
        Hd = hv(d)
        path.products += 1
        if i == 0 and not isinstance(radius, int | float):
            limit = radius(Hd, dd)
        if not np.isfinite(Hd).all():
            path.end = "not finite"
            break
        curvature, length = float(d @ Hd), math.sqrt(d @ d)
        positive = curvature > CURV_REL * length * math.sqrt(Hd @ Hd)
        a = ry / curvature if positive else math.inf
        step = _Iteration(d, Hd, a, zz, zd, dd, curvature / (length * length), path.residual, ry)
        path.iterations.append(step)
        if not positive:
            path.end = "negative curvature"
            break
        if not step.after < limit * limit:
            path.end = "boundary"
            break
        z, r = z + a * d, r + a * Hd
        y = r if solve is None else solve(r)
        before, ry = ry, float(r @ y)
        path.residual = math.sqrt(r @ r)
        if path.residual <= tolerance or not ry > 0:
            path.end = "converged"
            break
        b = ry / before
        d = b * d - y
        if solve is None:  # exact, where the recurrences would drift with the loss of orthogonality
            zz, zd, dd = float(z @ z), float(z @ d), float(d @ d)
        else:
            zz, zd = step.after, b * (zd + a * dd)
            dd = ry + b * b * dd
    return path, limit
