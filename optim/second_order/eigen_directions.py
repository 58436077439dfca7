"""Newton directions from a whole spectrum, with a substitute for H where H is not positive definite.

In the basis of eigenvectors H is diagonal, H = VΛVᵀ, and the gradient is c = Vᵀg. Then every modification is
a rule for numbers: the direction is −V(c/d) with d in place of λ.

Names: λ `lam` eigenvalues, ascending; `V` eigenvectors, as columns; δ `floor` the smallest curvature that
counts."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "DIAGONALS", "SingularHessianError", "modified_direction", "more_sorensen", "textbook_direction",
]  # fmt: skip

Vector = NDArray[Any]


class SingularHessianError(np.linalg.LinAlgError):
    """The Newton direction −H⁻¹g does not exist, for H is singular up to rounding."""


def textbook_direction(H: Vector, g: Vector) -> Vector:
    """−H⁻¹g, whatever the signs of the eigenvalues; `H` symmetric.

    Rows and columns are scaled to a largest entry of about 1 first (Ruiz 2001), so that coordinates in
    different units do not make H look singular.

    Raises:
        SingularHessianError: an eigenvalue of the scaled H is 0 up to rounding, n·eps of the largest.
    """
    s = _equilibrated(H)
    lam, V = np.linalg.eigh(s[:, None] * H * s)
    least, most = float(lam[np.argmin(np.abs(lam))]), float(np.abs(lam).max())
    if not abs(least) > g.size * np.finfo(np.float64).eps * most:
        raise SingularHessianError(
            '`Newton(modification="none")`: the Hessian is singular. With rows and columns scaled to 1 its '
            f"eigenvalue nearest 0 is {least:.3g}, and the largest {most:.3g}. Use another modification, or "
            "damping > 0."
        )
    p: Vector = -s * (V @ ((V.T @ (s * g)) / lam))
    return p


def _equilibrated(H: Vector) -> Vector:
    """s, for which the largest entry of each row of sᵢHᵢⱼsⱼ is about 1 (Ruiz 2001)."""
    s: Vector = np.ones(len(H))
    size = np.abs(H)
    for _ in range(10):
        largest = s * (size * s).max(axis=1)
        s /= np.sqrt(np.where(largest > 0, largest, 1.0))
    return s


def modified_direction(
    H: Vector, g: Vector, lam: Vector, V: Vector, floor: float, damping: float, modification: str
) -> Vector:
    """−V(c/d), with d of `DIAGONALS`.

    An eigenvalue below the floor may only be that of a coordinate in other units. So where some lie below,
    rows and columns are scaled as in `textbook_direction`; if none do then, the rule for d and the floor
    belong to the scaled H.

    Args:
        lam, V: the spectrum of H.
        floor: δ, a share of the largest |λ|.
    """
    s: Vector = np.ones(g.size)
    most = float(np.abs(lam).max())
    if modification != "shift" and most and np.any(np.abs(lam) <= floor):
        scale = _equilibrated(H)
        scaled = scale[:, None] * (H + damping * np.eye(g.size)) * scale
        values = np.abs(np.linalg.eigvalsh(scaled))  # with vectors it takes twice as long
        bound = floor / most * float(values.max())
        if not np.any(values <= bound):
            lam, V = np.linalg.eigh(scaled)
            s, H, floor, damping = scale, scaled, bound, 0.0
    p: Vector = -s * (V @ ((V.T @ (s * g)) / (DIAGONALS[modification](lam, floor, np.diag(H)) + damping)))
    return p


def _shifted(lam: Vector, floor: float, diagonal: Vector) -> Vector:
    """λ + τ, with τ found as in Nocedal and Wright's algorithm 3.3.

    They test by a Cholesky factorization whether H + τI is positive definite; here the eigenvalues show it.
    """
    beta = 1e-3 * float(np.abs(diagonal).max()) or 1e-3 * float(np.abs(lam).max()) or floor
    tau = 0.0 if diagonal.min() > 0 else beta - float(diagonal.min())
    while not lam[0] + tau > lam.size * np.finfo(np.float64).eps * np.abs(lam).max():
        tau = max(2 * tau, beta)
    return lam + tau


DIAGONALS: dict[str, Callable[[Vector, float, Vector], Vector]] = {
    "shift": _shifted,
    "abs": lambda lam, floor, diagonal: np.maximum(np.abs(lam), floor),
    "clip": lambda lam, floor, diagonal: np.maximum(lam, floor),
    "pinv": lambda lam, floor, diagonal: np.where(np.abs(lam) > floor, lam, np.inf),
}
"""(λ, δ, diagonal of H) ↦ d."""


def more_sorensen(lam: Vector, c: Vector, radius: float) -> Vector:
    """The global minimizer q of cᵀq + ½qᵀΛq over ‖q‖ ≤ radius.

        q = −c/(λ + μ),   μ ≥ max(0, −λ₁),   ‖q‖ = radius if μ > 0

    With σ = λ₁ + μ the function 1/‖q(σ)‖ is concave and rises, so Newton's method for 1/‖q‖ = 1/radius climbs
    to the solution from the left without a safeguard. In the hard case c has no part in the lowest
    eigenspace, and even at σ = 0 q is too short: the rest of the way is free along the first eigenvector.

    Args:
        lam: (n,) ascending.
        radius: > 0.

    Reference: Moré and Sorensen 1983; Conn, Gould, Toint 2000, section 7.3.

    >>> more_sorensen(np.array([-1.0, 1.0]), np.array([0.0, 1.0]), 1.0)  # the hard case
    array([ 0.8660254, -0.5      ])
    """
    gaps = lam - lam[0]
    # The parts of c in the lowest eigenspace alone need this σ at least.
    sigma = max(float(np.abs(c[gaps == 0]).max()) / radius, float(lam[0]), 0.0)
    for _ in range(100):
        d = gaps + sigma
        q: Vector = -np.divide(c, d, out=np.zeros_like(c), where=d > 0)
        norm = float(np.linalg.norm(q))
        if not norm > radius * (1 + 1e-12):
            break
        bend = float(np.sum(np.divide(q * q, d, out=np.zeros_like(c), where=d > 0)))  # −½ d‖q‖²/dσ
        sigma += (norm / radius - 1) * norm * norm / bend
    if lam[0] < 0 and sigma == 0:
        q[0] = math.sqrt(max(radius * radius - norm * norm, 0.0))
    return q
