"""Conjugate gradients inside a trust region (Steihaug 1983, Toint 1981), with the path kept.

The path is what makes a rejected step cheap: the iterates of CG do not depend on the radius, only where to stop does. So
the solution for any smaller radius is read off the stored directions and products, without another Hessian product.

Names: `z` iterate, `r` residual Hz + g, `y` = M⁻¹r, `d` direction, `a` step length α; norms are M-norms.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["CGPath", "Solution", "steihaug_cg"]

Vector = NDArray[Any]
CURV_REL = 1e-14  # dᵀHd below this share of ‖d‖·‖Hd‖ is rounding, and counts as no curvature


@dataclass(frozen=True)
class Solution:
    """A step p, its image Hp, the model's decrease, and why CG ended where it did.

    why: "converged", "boundary", "negative curvature", "iterations" or "not finite".
    """

    p: Vector
    Hp: Vector
    predicted: float  # −(gᵀp + ½pᵀHp)
    norm: float  # ‖p‖ in the norm of the region
    why: str
    iterations: int


@dataclass
class _Iteration:
    d: Vector
    Hd: Vector
    a: float  # ∞ where the curvature along d is not positive
    zz: float  # ‖z‖², ⟨z, d⟩, ‖d‖² before the step
    zd: float
    dd: float
    curvature: float  # dᵀHd/dᵀd
    residual: float  # ‖r‖ before the step


@dataclass
class CGPath:
    """The iterations of one CG solve; `at(radius)` is the solution for any radius up to the one it was made for."""

    g: Vector
    end: str = "iterations"
    iterations: list[_Iteration] = field(default_factory=list)

    def at(self, radius: float) -> Solution:
        """The minimizer along the path inside ‖p‖ ≤ radius."""
        z, Hz = np.zeros_like(self.g), np.zeros_like(self.g)
        why, norm, taken = self.end, 0.0, 0
        for it in self.iterations:
            taken += 1
            after = it.zz + 2 * it.a * it.zd + it.a * it.a * it.dd if math.isfinite(it.a) else math.inf
            if not after < radius * radius:
                a = _to_boundary(it.zz, it.zd, it.dd, radius)
                z, Hz = z + a * it.d, Hz + a * it.Hd
                why = "boundary" if math.isfinite(it.a) else "negative curvature"
                norm = radius
                break
            z, Hz = z + it.a * it.d, Hz + it.a * it.Hd
            norm = math.sqrt(max(after, 0.0))
        if not taken:  # the first product was not finite: a small step down the gradient, its curvature unknown
            size = float(np.linalg.norm(self.g))
            z, norm = self.g * (-radius / size if size else 0.0), radius
        predicted = -float(self.g @ z + 0.5 * (z @ Hz))
        return Solution(z, Hz, predicted, norm, why, taken)

    @property
    def smallest_curvature(self) -> float:
        """The smallest dᵀHd/dᵀd met."""
        return min((it.curvature for it in self.iterations), default=math.nan)


def _to_boundary(zz: float, zd: float, dd: float, radius: float) -> float:
    """The positive τ with ‖z + τd‖ = radius, by the form of the root that does not cancel."""
    c = radius * radius - zz
    root = math.sqrt(max(zd * zd + dd * c, 0.0))
    return c / (zd + root) if zd > 0 else (root - zd) / dd


def steihaug_cg(
    hv: Callable[[Vector], Vector],
    g: Vector,
    radius: float | Callable[[Vector, Vector], float],
    tolerance: float,
    max_iterations: int,
    *,
    solve: Callable[[Vector], Vector] | None = None,
    max_products: float = math.inf,
) -> tuple[CGPath, float]:
    """Minimize gᵀp + ½pᵀHp inside ‖p‖ ≤ radius by CG from 0, as far as the residual, the region and the curvature let it.

    Args:
        hv: v ↦ Hv.
        radius: the region's; or a function of the first direction d and Hd that chooses it, so that a first radius needs
            no product of its own.
        tolerance: stop at ‖r‖ ≤ tolerance.
        solve: r ↦ M⁻¹r for a preconditioner M; norms of the region are M-norms then.

    Returns:
        The path and the radius.
    """
    path = CGPath(g)
    r = g
    y = r if solve is None else solve(r)
    d = -y
    ry = float(r @ y)
    zz, zd, dd = 0.0, 0.0, ry
    size = float(np.linalg.norm(r))
    limit = radius if isinstance(radius, int | float) else math.inf
    for i in range(max_iterations):
        if i >= max_products:
            return path, limit
        Hd = hv(d)
        if not np.isfinite(Hd).all():
            path.end = "not finite"
            return path, limit if math.isfinite(limit) else 1e-3 * max(1.0, size)
        if i == 0 and not isinstance(radius, int | float):
            limit = radius(d, Hd)
        curvature, length = float(d @ Hd), float(np.linalg.norm(d))
        relative = curvature / (length * length) if length else 0.0
        if not curvature > CURV_REL * length * float(np.linalg.norm(Hd)):
            path.iterations.append(_Iteration(d, Hd, math.inf, zz, zd, dd, relative, size))
            path.end = "negative curvature"
            return path, limit
        a = ry / curvature
        path.iterations.append(_Iteration(d, Hd, a, zz, zd, dd, relative, size))
        zz, zd_after = zz + 2 * a * zd + a * a * dd, zd + a * dd
        if not zz < limit * limit:
            path.end = "boundary"
            return path, limit
        r = r + a * Hd
        y = r if solve is None else solve(r)
        size, ry_before, ry = float(np.linalg.norm(r)), ry, float(r @ y)
        if size <= tolerance:
            path.end = "converged"
            return path, limit
        b = ry / ry_before
        d = b * d - y
        zd, dd = b * zd_after, ry + b * b * dd
    return path, limit
