"""The Lanczos process: a symmetric operator seen through a few of its products, as a small tridiagonal
matrix.

Names: `H` the operator, known by `hv(v)` = Hv; `q` basis vectors, kept as rows of `basis`; `T` = QHQᵀ,
tridiagonal, with `alpha` on its diagonal and `beta` beside it; `θ` Ritz values, the eigenvalues of T; `s` its
eigenvectors; `m` steps taken."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minigrad.extend import entry, flatten
from optim.base.options import COUNT, checked
from optim.second_order.operator import Form, SymmetricProduct, as_tree

__all__ = ["Krylov", "krylov", "lanczos"]

Array = NDArray[Any]
ORTHONORMAL = 1e-8  # the products of the rows `orthogonal_to` may be so far from 0 and 1


@dataclass(frozen=True, slots=True, eq=False)
class Krylov:
    """The result of m Lanczos steps; each step was one product.

    alpha: (m,), the diagonal of T.
    beta: (m,), the norms of what remained after each step; `beta[:-1]` lies beside the diagonal of T,
        `beta[-1]` says how far the basis is from being invariant. It is exactly 0 if the basis is.
    basis: (m, n), orthonormal rows.
    form: what the caller's vectors look like.
    """

    alpha: Array
    beta: Array
    basis: Array
    form: Form | None = None

    def ritz(self) -> tuple[Array, Array, Array]:
        """Ritz values θ, ascending; the eigenvectors s of T as columns; the residuals ‖Hu − θu‖ = β|s₋₁| of u
        = Qᵀs.

        Within its residual of each θ lies an eigenvalue of H. The vectors u are the rows of `s.T @ basis`.
        """
        T = np.diag(self.alpha) + np.diag(self.beta[:-1], 1) + np.diag(self.beta[:-1], -1)
        θ, s = np.linalg.eigh(T)
        return θ, s, self.beta[-1] * np.abs(s[-1])

    @entry
    def vectors(self) -> Any:
        """The approximate eigenvectors u = Qᵀs in the form that `lanczos` was given, each of length 1.

        For every array of the form there is one of shape (m, *shape), whose row i belongs to θ[i] of `ritz`.

        >>> run = lanczos(lambda v: [3 * v[0], -v[1]], [np.zeros(2), np.zeros(1)], 2)
        >>> [u.shape for u in run.vectors()]
        [(2, 2), (2, 1)]
        """
        u = self.ritz()[1].T @ self.basis
        return u if self.form is None else self.form.tree(u)


@entry
def lanczos(
    hv: Callable[[Any], Any],
    n: Any,
    k: int,
    *,
    rng: np.random.Generator | None = None,
    start: Any = None,
    orthogonal_to: Any = None,
    stop: Callable[[Krylov], bool] | None = None,
) -> Krylov:
    """Up to k steps of the Lanczos process with full reorthogonalisation, in float64.

        βⱼqⱼ₊₁ = Hqⱼ − αⱼqⱼ − βⱼ₋₁qⱼ₋₁,   αⱼ = qⱼᵀHqⱼ,   q₁ = start/‖start‖

    The ends of the spectrum appear among the Ritz values first. One start vector sees one copy of a
    repeated eigenvalue. When the basis becomes invariant (β = 0) the process goes on from a new random
    vector orthogonal to it, which finds further copies, and eigenvectors that the start vector had no part
    in; `stop=lambda run: run.beta[-1] == 0` ends it there instead.

    Args:
        hv: v ↦ Hv for a symmetric H, from vectors in the form of `n` to the same.
        n: what vectors look like: an array, or a list or tree of arrays or parameters, whose values do not
            matter; or a dimension ≥ 1, for arrays of shape (n,).
        k: how many steps at most, ≥ 1; never more than numbers in a vector, or than `orthogonal_to` leaves
            room for.
        rng: draws the start vector, unless given, and new ones after a breakdown; by default
            np.random.default_rng(0).
        start: q₁ up to its length, in the form of `n`, finite and not zero.
        orthogonal_to: p orthonormal vectors to stay away from, as `Krylov.vectors` gives them: (p, *shape)
            for each array. The process sees H on their complement only.
        stop: looks at the run after each step and ends it with True. The run it gets is valid during the
            call.

    Returns:
        A `Krylov`: its `ritz()` are eigenvalues, its `vectors()` eigenvectors in the form of `n`.

    Raises:
        TypeError: rng is not a `numpy.random.Generator`, or hv no function.
        ValueError: a wrong structure or shape, n or k < 1, a start without direction, an H that is not
            symmetric beyond a thousandth of its norm.
        FloatingPointError: a product is not finite.

    Reference: Golub and Van Loan 2013, section 10.3; Parlett 1998, chapter 13.

    >>> run = lanczos(lambda v: np.arange(100.0) * v, 100, 60, rng=np.random.default_rng(0))
    >>> print(f"{run.ritz()[0][-1]:.9f}")
    99.000000000
    """
    if np.isscalar(n):
        n = np.empty(checked("lanczos", "n", n, COUNT))
    form = Form(n, "`lanczos(hv, n, ...)`: n")
    k = checked("lanczos", "k", k, COUNT)
    H = SymmetricProduct("lanczos", hv, form)
    if start is not None:
        start = form.vector(start, "`lanczos(start=...)`")
    if orthogonal_to is not None:
        first = np.shape(flatten(as_tree(orthogonal_to))[0][0])
        orthogonal_to = form.vector(orthogonal_to, "`lanczos(orthogonal_to=...)`", first[:1])
    rng = np.random.default_rng(0) if rng is None else rng
    return krylov(H, form.n, k, rng=rng, start=start, orthogonal_to=orthogonal_to, stop=stop, form=form)


def krylov(
    hv: Callable[[Array], Array],
    n: int,
    k: int,
    *,
    rng: np.random.Generator,
    start: Array | None = None,
    orthogonal_to: Array | None = None,
    stop: Callable[[Krylov], bool] | None = None,
    form: Form | None = None,
) -> Krylov:
    """`lanczos` on vectors (n,) and rows (p, n); it does not ask whether hv is symmetric."""
    if not isinstance(rng, np.random.Generator):
        raise TypeError(
            f"`lanczos(rng=...)` must be a numpy.random.Generator, got {rng!r:.60}. Use "
            "np.random.default_rng(0)."
        )
    away = np.zeros((0, n)) if orthogonal_to is None else np.asarray(orthogonal_to, dtype=np.float64)
    p = len(away)
    if p >= n:
        raise ValueError(
            f"`lanczos(orthogonal_to=...)` must hold fewer than n = {n} vectors of that size, got {p}."
        )
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
        w = hv(q.copy())
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
        if m == k or (stop is not None and stop(Krylov(alpha[:m], beta[:m], rows[p : p + m], form))):
            break
        if p + m == len(rows):
            rows = np.concatenate([rows, np.empty((min(m, k - m), n))])
        rows[p + m] = _random(n, rows[: p + m], rng) if invariant else w / remains
    return Krylov(alpha[:m].copy(), beta[:m].copy(), rows[p : p + m], form)


def _first(w: Array | None, n: int, away: Array, rng: np.random.Generator) -> Array:
    if w is None:
        return _random(n, away, rng)
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
