"""The ends of a Hessian's spectrum: sharpness, plain and preconditioned, and eigenpairs.

Names: `H` the products, `λ` eigenvalues, `u` eigenvectors (rows of `U`), `θ` Ritz values, their
approximations by `krylov`, `g` the gradient."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from minigrad.extend import data_of, entry, flatten, require_plain
from optim.base.options import COUNT, NON_NEGATIVE, checked, choice
from optim.curvature.products import HessianProducts
from optim.second_order.lanczos import Krylov, krylov
from optim.second_order.operator import as_tree

__all__ = ["Eigenpairs", "eigenpairs", "preconditioned_sharpness", "sharpness"]

Array = NDArray[Any]

DENSE = 64  # up to this n the whole matrix costs less than the products Lanczos needs


@entry
def sharpness(
    f: Any,
    x: Any,
    k: int = 1,
    *,
    tol: float = 1e-6,
    max_products: int = 500,
    seed: Any = 0,
    batches: Any = None,
) -> Any:
    """The largest eigenvalue of ∇²f(x); with k > 1 the k largest, descending, each as often as it occurs.

        λ₁ ≥ λ₂ ≥ … by value, not by magnitude; gradient descent with step η needs λ₁ < 2/η

    By the Lanczos process, until every residual ‖Hu − θu‖ ≤ tol·|θ|, or is the rounding of max|θ|. An
    eigenvalue is wrong by at most its residual, and by about the residual's square over the gap to the next
    one. With k > 1 as many products again make sure that no copy of a repeated eigenvalue was missed. For
    n ≤ 64, from the matrix itself.

    Args:
        f, x: a scalar function and the array or tree to look at; or a closure and the parameters, such as
            `lambda: loss(model(x), y)` and `model.parameters()`.
        k: how many, 1 ≤ k ≤ n.
        tol: the residual at which to stop, ≥ 0, relative to each |θ| asked for; no less than the rounding of
            the largest.
        max_products: how many Hv at most, ≥ k.
        seed: of the start vector, or a `numpy.random.Generator`.
        batches: for data too large for one graph, a list or loader of batches (arrays, or tuples of arrays
            with a row for each sample). f is then called as f(*batch) for a closure, or f(x, *batch). It has
            to be a mean over the rows of the batch, and stands for the mean over all rows. Each product goes
            through all batches, which have to be the same each time; memory is that of one.

    Returns:
        A float for k = 1, else an array (k,).

    Warns:
        RuntimeWarning: `max_products` did not suffice; the estimates, which lie below the eigenvalues, are
            returned.

    Raises:
        TypeError, ValueError: f, x or an option is not as described.
        FloatingPointError: a product is not finite.

    >>> sharpness(lambda x: (np.array([1.0, 2.0, 3.0]) * x**2).sum(), np.zeros(3))
    6.0
    """
    H = HessianProducts("sharpness", f, x, batches)
    return _plain(_extreme(H, k, "largest", tol, max_products, seed)[0])


@entry
def preconditioned_sharpness(
    f: Any,
    x: Any,
    P: Any,
    k: int = 1,
    *,
    tol: float = 1e-6,
    max_products: int = 500,
    seed: Any = 0,
    batches: Any = None,
) -> Any:
    """The largest eigenvalue of P^-½ ∇²f(x) P^-½, the Hessian as an optimizer that divides by P sees it.

    For Adam, P = √v̂ + ε; this sharpness then hovers at (2+2β₁)/((1−β₁)lr) in full-batch training.

    Args:
        P: the diagonal of a positive preconditioner: a tree like x, or one vector (n,).
        f, x, k, tol, max_products, seed, batches: see `sharpness`, also for the result, the
            warning and the errors.

    Raises:
        ValueError: P has another shape than x, or an entry that is not positive and finite.

    Reference: Cohen et al. 2022, Adaptive gradient methods at the edge of stability.

    >>> f = lambda x: (np.array([1.0, 2.0]) * x**2).sum()
    >>> preconditioned_sharpness(f, np.zeros(2), P=np.array([0.25, 4.0]))
    8.0
    """
    H = HessianProducts("preconditioned_sharpness", f, x, batches)
    H.scale = 1 / np.sqrt(_positive(H, P))
    return _plain(_extreme(H, k, "largest", tol, max_products, seed)[0])


class Eigenpairs(NamedTuple):
    """The result of `eigenpairs`.

    values: (k,), or (2k,) for "both".
    vectors: orthonormal eigenvectors in the form of x, (k, *shape) for every array; row i belongs to
        values[i].
    overlap: (k,), (uᵢᵀg)²/‖g‖², the share of the gradient at x that lies along each; NaN where g is 0.
    """

    values: Array
    vectors: Any
    overlap: Array


@entry
def eigenpairs(
    f: Any,
    x: Any,
    k: int = 1,
    which: str = "largest",
    *,
    tol: float = 1e-6,
    max_products: int = 500,
    seed: Any = 0,
    batches: Any = None,
) -> Eigenpairs:
    """Eigenvalues of ∇²f(x) at the ends of its spectrum, eigenvectors, and the gradient's share along each.

        Hu = λu,   ‖u‖ = 1;   overlap (uᵀg)²/‖g‖² with g = ∇f(x)

    In training, most of g soon lies along the few largest ones. Found as by `sharpness`; an eigenvector is
    wrong by about its residual over the gap to the next eigenvalue.

    Args:
        which: "largest" by value, descending; "smallest", ascending; "both": the k smallest and the k
            largest, all ascending; "magnitude": the largest |λ|, descending.
        k: how many, 1 ≤ k ≤ n, and 2k ≤ n for "both".
        f, x, tol, max_products, seed, batches: see `sharpness`, also for the warning and the errors.

    Returns:
        `Eigenpairs`: values, vectors, overlap.

    Reference: Gur-Ari, Roberts, Dyer 2018, Gradient descent happens in a tiny subspace, for the overlap.

    >>> f = lambda x: (np.array([1.0, -2.0, 3.0]) * x**2).sum()
    >>> values, vectors, overlap = eigenpairs(f, np.array([1.0, 1.0, 0.0]), which="both")
    >>> values, np.abs(vectors), overlap
    (array([-4.,  6.]), array([[0., 1., 0.],
           [0., 0., 1.]]), array([0.8, 0. ]))
    """
    checked("eigenpairs", "which", which, choice(*ENDS))
    H = HessianProducts("eigenpairs", f, x, batches)
    values, U = _extreme(H, k, which, tol, max_products, seed)
    g = H.gradient
    with np.errstate(all="ignore"):
        overlap = (U @ g) ** 2 / (g @ g)
    return Eigenpairs(values, H.tree(U), overlap)


# The parts they are made of


ENDS: dict[str, tuple[Callable[[Array], Array], ...]] = {
    "largest": (np.positive,),
    "smallest": (np.negative,),
    "both": (np.negative, np.positive),
    "magnitude": (np.abs,),
}
"""For each kind of ends the functions of an eigenvalue that are largest there."""


def _plain(λ: Array) -> Any:
    """One eigenvalue as a float, several as an array."""
    return float(λ[0]) if len(λ) == 1 else λ


def _extreme(
    H: HessianProducts, k: int, which: str, tol: float, max_products: int, seed: Any
) -> tuple[Array, Array]:
    """Eigenvalues at the ends, in the order that `eigenpairs` tells, and eigenvectors as rows."""
    call = H.call
    k, max_products = checked(call, "k", k, COUNT), checked(call, "max_products", max_products, COUNT)
    tol = checked(call, "tol", tol, NON_NEGATIVE)
    rng = np.random.default_rng(seed)
    most, bound = (H.n // 2, "n/2") if which == "both" else (H.n, "n")
    if k > most:
        raise ValueError(
            f"`{call}(k=...)` must be at most {bound} = {most}, the number of entries of x, got {k}."
        )
    number = k * len(ENDS[which])
    if max_products < number:
        wanted = "2k" if number > k else "k"
        raise ValueError(
            f"`{call}(max_products=...)` must be at least {wanted} = {number}, got {max_products}."
        )
    if H.n <= min(DENSE, max_products):
        λ, V = np.linalg.eigh(H.dense())
        U = V.T
    else:
        λ, U, doubt = _searched(H, Ends(which, k, max(tol, H.rounding), H.rounding), max_products, rng)
        if doubt:
            warnings.warn(
                f"`{call}(f, x)`: after {H.products} products {doubt}; eigenvalues may lie further out than "
                f"returned. Raise max_products={max_products} or tol={tol:g}.",
                RuntimeWarning,
                stacklevel=4,
            )
    chosen = _picked(λ, k, which)
    return λ[chosen], U[chosen]


def _picked(λ: Array, k: int, which: str) -> Array:
    """The places of those asked for, in the order that `eigenpairs` tells."""
    order = np.argsort(λ, kind="stable")
    if which == "both":
        return np.concatenate([order[:k], order[-k:]])
    chosen: Array = order[np.argsort(-ENDS[which][0](λ[order]), kind="stable")][:k]
    return chosen


class Ends:
    """Which Ritz values are asked for, the k with the largest score for each score, and how exact they have
    to be."""

    def __init__(self, which: str, k: int, tol: float, rounding: float) -> None:
        self.scores, self.which = ENDS[which], which
        self.k, self.tol, self.rounding = k, tol, rounding
        self.number = k * len(self.scores)  # of eigenvalues asked for

    def places(self, θ: Array, residual: Array) -> Array:
        """Where they are among the Ritz values."""
        places = _picked(θ, self.k, self.which)
        if self.which == "magnitude":  # the other end may still grow beyond
            ends, least = np.array([0, len(θ) - 1]), np.abs(θ[places]).min()
            places = np.append(places, ends[np.abs(θ[ends]) + residual[ends] >= least])
        return np.unique(places)

    def allowed(self, θ: Array) -> Array:
        """The residuals allowed: a share of each eigenvalue, not of one that is larger by far."""
        limits: Array = np.maximum(self.tol * np.abs(θ), self.rounding * np.abs(θ).max())
        return limits

    def lacking(self, θ: Array, residual: Array) -> float:
        """The largest residual that is not allowed, or 0."""
        return float(np.where(residual > self.allowed(θ), residual, 0.0)[self.places(θ, residual)].max())

    def tops(self, θ: Array) -> list[int]:
        """The place of the largest score, for each score."""
        return [int(np.argmax(score(θ))) for score in self.scores]

    def kth(self, θ: Array) -> list[int]:
        """The place of the k-th largest score, for each score."""
        return [int(np.argsort(score(θ), kind="stable")[-self.k]) for score in self.scores]


class Known(NamedTuple):
    """What a search beyond the eigenvalues found has to answer, for each score.

    scores: an eigenvalue up to this score changes nothing.
    slack: the residual at which one counts as found.
    steps: how many steps to look before it is believed that there is none.
    """

    scores: list[float]
    slack: list[float]
    steps: int


def _searched(
    H: HessianProducts, ends: Ends, budget: int, rng: np.random.Generator
) -> tuple[Array, Array, str]:
    """Eigenvalues and eigenvectors among which are those asked for, and the reason to doubt them, if the
    budget did not suffice.

    One Krylov space shows each eigenvalue once. So for k > 1 a second run looks at the complement of the
    vectors found, for as many steps as the first took. If it meets something above the k-th largest, that
    is added, and another run looks again.
    """

    def settled(run: Krylov) -> bool:
        θ, _, residual = run.ritz()
        return not ends.lacking(θ, residual)

    run = krylov(H, H.n, budget, rng=rng, stop=_now_and_then(settled, ends.number))
    θ, s, residual = run.ritz()
    places = ends.places(θ, residual)
    found, U = θ[places], s[:, places].T @ run.basis
    if lacking := ends.lacking(θ, residual):
        return found, U, f"the residual ‖Hu − λu‖ is {lacking:.1e}"
    slack, steps = [float(ends.allowed(θ)[i]) for i in ends.kth(θ)], len(θ)
    while ends.k > 1 and len(found) < H.n:
        scores = [
            float(score(found)[i]) + more
            for score, i, more in zip(ends.scores, ends.kth(found), slack, strict=True)
        ]
        beyond = _beyond(H, ends, Known(scores, slack, steps), budget, rng, U)
        if beyond is None:
            return found, U, "copies of repeated eigenvalues were not all looked for"
        if not len(beyond[0]):
            break
        found, U = np.append(found, beyond[0]), np.vstack([U, beyond[1]])
    return found, U, ""


def _beyond(
    H: HessianProducts, ends: Ends, known: Known, budget: int, rng: np.random.Generator, U: Array
) -> tuple[Array, Array] | None:
    """Eigenpairs in the complement of U beyond the known scores; None where the budget did not suffice."""

    def answered(run: Krylov) -> bool:
        θ, _, residual = run.ritz()
        return all(
            residual[top] <= slack or (len(θ) >= known.steps and score(θ)[top] <= most)
            for score, top, slack, most in zip(
                ends.scores, ends.tops(θ), known.slack, known.scores, strict=True
            )
        )

    if (left := budget - H.products) < 1:
        return None
    away = np.linalg.qr(U.T)[0].T
    run = krylov(H, H.n, left, rng=rng, orthogonal_to=away, stop=_now_and_then(answered, 1))
    if len(run.alpha) < H.n - len(away) and not answered(run):
        return None
    θ, s, _ = run.ritz()
    tops = zip(ends.scores, ends.tops(θ), known.scores, strict=True)
    places = np.array(sorted({top for score, top, most in tops if score(θ)[top] > most}), dtype=int)
    return θ[places], s[:, places].T @ run.basis


def _now_and_then(check: Callable[[Krylov], bool], first: int) -> Callable[[Krylov], bool]:
    """Call `check`, whose cost is the cube of the steps, from step `first` on whenever they have grown by a
    tenth."""
    due = first

    def stop(run: Krylov) -> bool:
        nonlocal due
        m = len(run.alpha)
        if m < due:
            return False
        due = m + 1 + m // 10
        return check(run)

    return stop


def _positive(H: HessianProducts, P: Any) -> Array:
    """A preconditioner's diagonal as a vector, checked."""
    given = flatten(as_tree(P))[0]
    require_plain(given, "`preconditioned_sharpness(f, x, P)`")
    parts = [np.asarray(data_of(part), dtype=np.float64) for part in given]
    shapes, wanted = [part.shape for part in parts], H.packing.shapes
    if shapes not in (wanted, [(H.n,)]):
        raise ValueError(
            f"`{H.call}(P=...)` must have the arrays of x, of shapes {wanted}, or be one of shape "
            f"{(H.n,)}, got {shapes}. For Adam, P holds √v̂ + ε for each parameter."
        )
    flat = np.concatenate([part.reshape(-1) for part in parts])
    bad = np.flatnonzero(~((flat > 0) & (flat < np.inf)))
    if bad.size:
        raise ValueError(
            f"`{H.call}(P=...)` must be positive and finite, got {flat[bad[0]]} at entry {bad[0]}. "
            "Add a small ε."
        )
    return flat
