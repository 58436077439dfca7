"""The Lanczos process: a symmetric operator seen through a few of its products, as a small tridiagonal
matrix.

Names: `H` the operator, known by `hv(v)` = Hv; `q` basis vectors, kept as rows of `basis`; `T` = QHQᵀ,
tridiagonal, with `alpha` on its diagonal and `beta` beside it; `θ` Ritz values, the eigenvalues of T; `s` its
eigenvectors; `m` steps taken."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from minigrad.extend import entry
from optim.base.options import COUNT, checked

__all__ = ["Krylov", "lanczos"]

Array = NDArray[Any]
ORTHONORMAL = 1e-8  # the products of the rows `orthogonal_to` may be so far from 0 and 1


class Krylov(NamedTuple):
    """The result of m Lanczos steps; each step was one product.

    alpha: (m,), the diagonal of T.
    beta: (m,), the norms of what remained after each step; `beta[:-1]` lies beside the diagonal of T,
        `beta[-1]` says how far the basis is from being invariant. It is exactly 0 if the basis is.
    basis: (m, n), orthonormal rows.
    """

    alpha: Array
    beta: Array
    basis: Array

    def ritz(self) -> tuple[Array, Array, Array]:
        """Ritz values θ, ascending; the eigenvectors s of T as columns; the residuals ‖Hu − θu‖ = β|s₋₁| of u
        = Qᵀs.

        Within its residual of each θ lies an eigenvalue of H. The vectors u are the rows of `s.T @ basis`.
        """
        T = np.diag(self.alpha) + np.diag(self.beta[:-1], 1) + np.diag(self.beta[:-1], -1)
        θ, s = np.linalg.eigh(T)
        return θ, s, self.beta[-1] * np.abs(s[-1])


@entry
def lanczos(
    hv: Callable[[Array], Array],
    n: int,
    k: int,
    *,
    rng: np.random.Generator,
    start: Array | None = None,
    orthogonal_to: Array | None = None,
    stop: Callable[[Krylov], bool] | None = None,
) -> Krylov:
    """Up to k steps of the Lanczos process with full reorthogonalisation, in float64.

        βⱼqⱼ₊₁ = Hqⱼ − αⱼqⱼ − βⱼ₋₁qⱼ₋₁,   αⱼ = qⱼᵀHqⱼ,   q₁ = start/‖start‖

    The ends of the spectrum appear among the Ritz values first. One start vector sees one copy of a
    repeated eigenvalue. When the basis becomes invariant (β = 0) the process goes on from a new random
    vector orthogonal to it, which finds further copies, and eigenvectors that the start vector had no part
    in; `stop=lambda run: run.beta[-1] == 0` ends it there instead.

    Args:
        hv: v ↦ Hv, (n,) to (n,), for a symmetric H.
        n: the dimension, ≥ 1.
        k: how many steps at most, ≥ 1; never more than n, or than `orthogonal_to` leaves room for.
        rng: draws the start vector, unless given, and new ones after a breakdown.
        start: q₁ up to its length, (n,), finite and not zero.
        orthogonal_to: orthonormal rows (p, n) to stay away from: the process sees H on their complement only.
        stop: looks at the run after each step and ends it with True. The run it gets is valid during the
            call.

    Raises:
        TypeError: rng is not a `numpy.random.Generator`.
        ValueError: a wrong shape, n or k < 1, a start without direction.
        FloatingPointError: a product is not finite.

    Reference: Golub and Van Loan 2013, section 10.3; Parlett 1998, chapter 13.

    >>> run = lanczos(lambda v: np.arange(100.0) * v, 100, 60, rng=np.random.default_rng(0))
    >>> print(f"{run.ritz()[0][-1]:.9f}")
    99.000000000
    """
    n, k = checked("lanczos", "n", n, COUNT), checked("lanczos", "k", k, COUNT)
    if not callable(hv):
        raise TypeError(
            f"`lanczos(hv, ...)`: hv must be a function v ↦ Hv, got {hv!r:.60}. For a matrix pass lambda v: "
            "H @ v."
        )
    if not isinstance(rng, np.random.Generator):
        raise TypeError(
            f"`lanczos(rng=...)` must be a numpy.random.Generator, got {rng!r:.60}. Use "
            "np.random.default_rng(0)."
        )
    away = np.zeros((0, n)) if orthogonal_to is None else np.asarray(orthogonal_to, dtype=np.float64)
    if away.ndim != 2 or away.shape[1] != n or len(away) >= n:
        raise ValueError(
            f"`lanczos(orthogonal_to=...)` must be fewer than n = {n} rows of that length, got {away.shape}."
        )
    p = len(away)
    skew = float(np.abs(away @ away.T - np.eye(p)).max(initial=0.0))
    if not skew <= ORTHONORMAL:
        raise ValueError(
            "`lanczos(orthogonal_to=...)` must have orthonormal rows, but their products with each other "
            f"are off by {skew:.1e}. Pass np.linalg.qr(rows.T)[0].T."
        )
    k = min(k, n - p)

    rows = np.empty((p + min(k, 32), n))  # `away`, then the basis; it grows
    rows[:p] = away
    rows[p] = _first(start, n, away, rng)
    alpha, beta = np.empty(k), np.empty(k)
    size = 0.0  # the largest ‖Hq‖ yet: below n·eps of it a remainder is rounding
    for m in range(1, k + 1):
        q, held = rows[p + m - 1], rows[: p + m]
        w = np.asarray(hv(q.copy()))
        if w.shape != (n,) or w.dtype.kind not in "fiub":
            kind = "" if w.dtype.kind in "fiub" else f"{w.dtype} of shape "
            raise ValueError(
                f"`lanczos(hv, ...)`: hv must return real numbers of shape {(n,)}, got {kind}{w.shape}."
            )
        w = w.astype(np.float64)
        norm = _norm(w)
        if not np.isfinite(norm):
            raise FloatingPointError(
                f"`lanczos(hv, ...)`: the norm of product {m} must be finite, got {norm}."
            )
        alpha[m - 1], size = q @ w, max(size, norm)
        w, remains = _orthogonal(w, held)
        complete = p + m == n  # then there is no further direction, and the remainder is rounding
        invariant = complete or not remains > n * np.finfo(np.float64).eps * size
        beta[m - 1] = 0.0 if invariant else remains
        if m == k or (stop is not None and stop(Krylov(alpha[:m], beta[:m], rows[p : p + m]))):
            break
        if p + m == len(rows):
            rows = np.concatenate([rows, np.empty((min(m, k - m), n))])
        rows[p + m] = _random(n, rows[: p + m], rng) if invariant else w / remains
    return Krylov(alpha[:m].copy(), beta[:m].copy(), rows[p : p + m])


def _first(start: Array | None, n: int, away: Array, rng: np.random.Generator) -> Array:
    if start is None:
        return _random(n, away, rng)
    w = np.asarray(start, dtype=np.float64)
    if w.shape != (n,):
        raise ValueError(f"`lanczos(start=...)` must have shape {(n,)}, got {w.shape}.")
    largest = float(np.abs(w).max())
    if not 0 < largest < np.inf:
        raise ValueError(
            f"`lanczos(start=...)` must be finite and not zero, got a largest entry of {largest}."
        )
    w = w / largest
    before = _norm(w)
    w, norm = _orthogonal(w, away)
    if not norm > n * np.finfo(np.float64).eps * before:
        raise ValueError(
            "`lanczos(start=...)` must not lie in the span of `orthogonal_to`. Leave it out for a random one."
        )
    return w / norm


def _random(n: int, away: Array, rng: np.random.Generator) -> Array:
    while True:
        w, norm = _orthogonal(rng.standard_normal(n), away)
        if norm > 0:
            return w / norm


def _orthogonal(w: Array, rows: Array) -> tuple[Array, float]:
    """w without its part along `rows`, and the norm of the rest: Gram–Schmidt until the norm has ceased to
    fall.

    Twice is enough unless next to nothing remains; then further passes tell a direction from rounding.
    """
    norm = _norm(w)
    for _ in range(5):
        before = norm
        w = w - (rows @ w) @ rows
        norm = _norm(w)
        if norm > 0.5 * before:
            break
    return w, norm


def _norm(w: Array) -> float:
    """‖w‖, also where its square would overflow or vanish."""
    with np.errstate(over="ignore", invalid="ignore"):
        norm = float(np.linalg.norm(w))
        if 1e-140 < norm < 1e140 or not 0 < (largest := float(np.abs(w).max())) < np.inf:
            return norm
        return largest * float(np.linalg.norm(w / largest))
