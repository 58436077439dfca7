"""Curvature for study: the largest eigenvalues of a Hessian, its spectrum, trace and diagonal, from products
Hv.

Every function here takes the function to be differentiated in one of two forms.

- `f, x`: a scalar function of an array, or of a tree (dicts, lists, tuples) of arrays, and where to look.
- `closure, parameters`: what an optimizer's `step` takes: a function without arguments that returns the loss,
  and the parameters it depends on, as in `sharpness(lambda: loss_fn(model(x), y), model.parameters())`.

The loss is recorded once at the present values; nothing is changed, and random parts (dropout) stay as they
were drawn.

Names: `H` = ∇²f(x), taken as symmetric (n, n) on the entries of x in order; `v` a direction, `λ` eigenvalues,
`θ` Ritz values, their approximations by `lanczos`. All vectors are float64, and products are computed in x's
own precision."""

from __future__ import annotations

import inspect
import math
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from minigrad import Tensor, gradient_and_hvp
from minigrad.extend import (
    Packing,
    between,
    data_of,
    entry,
    flatten,
    html_curves,
    html_table,
    html_title,
    portion,
    portions,
    require_plain,
    scope,
)
from optim.base.loss import not_one_number
from optim.base.options import COUNT, NON_NEGATIVE, WHOLE, Kind, checked
from optim.second_order.lanczos import Krylov, krylov
from optim.second_order.operator import as_tree

__all__ = [
    "Estimate", "Spectrum", "hessian_diagonal", "hessian_spectrum", "hessian_trace",
    "preconditioned_sharpness", "sharpness",
]  # fmt: skip

Array = NDArray[Any]

DENSE = 64  # up to this n the whole matrix costs less than the products Lanczos needs
SEVERAL = Kind("a whole number ≥ 2", lambda value: COUNT.parse(value - 1) + 1)


@entry
def sharpness(
    f: Any, x: Any, k: int = 1, *, tol: float = 1e-6, max_products: int = 500, seed: Any = 0
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
    return _sharpness("sharpness", _Hessian("sharpness", f, x), k, tol, max_products, seed)


@entry
def preconditioned_sharpness(
    f: Any, x: Any, P: Any, k: int = 1, *, tol: float = 1e-6, max_products: int = 500, seed: Any = 0
) -> Any:
    """The largest eigenvalue of P^-½ ∇²f(x) P^-½, the Hessian as an optimizer that divides by P sees it.

    For Adam, P = √v̂ + ε; this sharpness then hovers at (2+2β₁)/((1−β₁)lr) in full-batch training.

    Args:
        P: the diagonal of a positive preconditioner: a tree like x, or one vector (n,).
        f, x, k, tol, max_products, seed: see `sharpness`, also for the result, the warning and the errors.

    Raises:
        ValueError: P has another shape than x, or an entry that is not positive and finite.

    Reference: Cohen et al. 2022, Adaptive gradient methods at the edge of stability.

    >>> f = lambda x: (np.array([1.0, 2.0]) * x**2).sum()
    >>> preconditioned_sharpness(f, np.zeros(2), P=np.array([0.25, 4.0]))
    8.0
    """
    call = "preconditioned_sharpness"
    H = _Hessian(call, f, x)
    H.scale = 1 / np.sqrt(H.positive(P))
    return _sharpness(call, H, k, tol, max_products, seed)


@dataclass(frozen=True, eq=False)
class Spectrum:
    """The distribution of a Hessian's eigenvalues: values, ascending, and what share of the n eigenvalues
    each stands for.

    values: (m,): the eigenvalues themselves if `exact`, else nodes of quadratures.
    weights: (m,), ≥ 0, sum 1; 1/n each if `exact`.
    n: the size of the Hessian.
    exact: whether this is the spectrum or an estimate.
    products: how many Hv it took.
    """

    values: Array
    weights: Array
    n: int
    exact: bool
    products: int

    def _repr_html_(self) -> str:
        """For notebooks: the density as a curve, and the extreme eigenvalues."""
        kind = "all eigenvalues" if self.exact else "an estimate"
        rows = [[str(i), f"{λ:.6g}", f"{w:.3g}"] for i, (λ, w) in enumerate(zip(self.values, self.weights))]
        if len(rows) > 12:
            rows = [*rows[:5], ["…"] * 3, *rows[-5:]]
        spread = len(self.values) > 1 and float(self.values[0]) < float(self.values[-1])
        curve = {f"density from {self.values[0]:.3g} to {self.values[-1]:.3g}": self.density()[1][::5]}
        title = f"Spectrum: {kind} of {self.n:,}, by {self.products:,} Hessian products"
        return (
            html_title(title)
            + (html_curves(curve, linear=True) if spread else "")
            + html_table(("", "λ", "share"), rows)
        )

    @entry
    def density(self, grid: Array | None = None, width: float | None = None) -> tuple[Array, Array]:
        """(grid, ρ): the distribution smoothed by a Gaussian, ρ(t) = Σ wᵢ N(t; λᵢ, width²), with integral 1.

        Args:
            grid: where to evaluate; by default 1001 points across the spectrum and 5 widths beyond.
            width: standard deviation, > 0; by default a hundredth of the range.
        """
        low, high = float(self.values[0]), float(self.values[-1])
        if width is None:
            width = 0.01 * ((high - low) or abs(high) or 1.0)
        if not 0 < width < math.inf:
            raise ValueError(f"`Spectrum.density(width=...)` must be a finite number > 0, got {width!r}.")
        t = (
            np.linspace(low - 5 * width, high + 5 * width, 1001)
            if grid is None
            else np.asarray(grid, dtype=np.float64)
        )
        ρ = np.zeros(t.shape)
        for λ, w in zip(self.values, self.weights, strict=True):
            ρ += w * np.exp(-0.5 * ((t - λ) / width) ** 2)
        return t, ρ / (width * math.sqrt(2 * math.pi))


@entry
def hessian_spectrum(
    f: Any, x: Any, *, exact_limit: int = 1000, steps: int = 80, vectors: int = 10, seed: Any = 0
) -> Spectrum:
    """The eigenvalues of ∇²f(x), all of them for n ≤ exact_limit, else their density by stochastic Lanczos
    quadrature.

        (1/n) Σ φ(λᵢ) ≈ mean over v of Σⱼ sⱼ₁² φ(θⱼ),   v random signs/√n, θ and s from `steps` Lanczos
        steps from v

    The moments Σ wλᵖ are unbiased up to p = 2·steps − 1. An outlier shows as nodes on it, one for each v, of
    total weight near 1/n; how many there are is a question for `sharpness(f, x, k)`.

    Args:
        f, x: see `sharpness`.
        exact_limit: up to this n the whole matrix is computed, in batches of bounded memory, ≥ 0; 8n² bytes.
        steps, vectors: Lanczos steps for each of so many start vectors, ≥ 1.
        seed: of the start vectors, or a `numpy.random.Generator`.

    Raises:
        TypeError, ValueError, FloatingPointError: as `sharpness`.

    Reference: Ghorbani, Krishnan, Xiao 2019, An investigation into neural net optimization via Hessian
        eigenvalue density.

    >>> saddle = hessian_spectrum(lambda x: x[0] ** 2 - 3 * x[1] ** 2, np.zeros(2))
    >>> saddle.values, float(saddle.weights[saddle.values < 0].sum())
    (array([-6.,  2.]), 0.5)
    """
    call = "hessian_spectrum"
    exact_limit = checked(call, "exact_limit", exact_limit, WHOLE)
    steps, vectors = checked(call, "steps", steps, COUNT), checked(call, "vectors", vectors, COUNT)
    rng = np.random.default_rng(seed)
    H = _Hessian(call, f, x)
    n = H.n
    if n <= exact_limit:
        return Spectrum(np.linalg.eigvalsh(H.dense()), np.full(n, 1 / n), n, True, H.products)
    values, weights = [], []
    for _ in range(vectors):
        run = krylov(H, n, steps, rng=rng, start=_signs(rng, n), stop=lambda run: bool(run.beta[-1] == 0))
        θ, s, _ = run.ritz()
        values.append(θ)
        weights.append(s[0] ** 2 / vectors)
    order = np.argsort(θ := np.concatenate(values))
    return Spectrum(θ[order], np.concatenate(weights)[order], n, False, H.products)


class Estimate(NamedTuple):
    """A mean over random directions, and its standard error: the truth is within two errors about 19 times in
    20."""

    value: Any
    error: Any


@entry
def hessian_trace(f: Any, x: Any, *, samples: int = 100, seed: Any = 0) -> Estimate:
    """tr ∇²f(x), estimated by Hutchinson's method.

        tr H ≈ mean of vᵀHv,   v random signs;   variance of one term 2·Σ_{i≠j} Hᵢⱼ²

    Args:
        f, x: see `sharpness`.
        samples: how many v, ≥ 2; they are pushed forward in batches. With n products one could compute
            all eigenvalues.
        seed: of the signs, or a `numpy.random.Generator`.

    Raises:
        TypeError, ValueError, FloatingPointError: as `sharpness`.

    Reference: Hutchinson 1990, A stochastic estimator of the trace of the influence matrix.

    >>> hessian_trace(lambda x: (np.array([1.0, 2.0]) * x**2).sum(), np.zeros(2))
    Estimate(value=6.0, error=0.0)
    """
    H = _Hessian("hessian_trace", f, x)
    mean, error = H.sampled(samples, seed, lambda V, HV: np.sum(V * HV, axis=1, keepdims=True))
    return Estimate(float(mean[0]), float(error[0]))


@entry
def hessian_diagonal(f: Any, x: Any, *, samples: int = 100, seed: Any = 0) -> Estimate:
    """The diagonal of ∇²f(x), estimated by Hutchinson's method: value and error have x's structure, shapes
    and dtypes.

        diag H ≈ mean of v ⊙ Hv,   v random signs;   variance of one term of entry i: Σ_{j≠i} Hᵢⱼ²

    Args:
        f, x, samples, seed: see `hessian_trace`, also for the errors.

    Reference: Bekas, Kokiopoulou, Saad 2007, An estimator for the diagonal of a matrix.

    >>> hessian_diagonal(lambda x: (np.array([1.0, 2.0]) * x**2).sum(), np.zeros(2)).value
    array([2., 4.])
    """
    H = _Hessian("hessian_diagonal", f, x)
    mean, error = H.sampled(samples, seed, lambda V, HV: V * HV)
    return Estimate(H.tree(mean), H.tree(error))


# The parts they are made of


class _Hessian:
    """∇²f at one point as a map of flat float64 vectors, counting products; with `scale` d it is
    diag(d)·H·diag(d)."""

    def __init__(self, call: str, f: Any, x: Any) -> None:
        if callable(getattr(x, "named_parameters", None)):
            raise TypeError(
                f"`{call}(closure, parameters)` needs the parameters, got the {type(x).__name__} itself: "
                f"write {call}(lambda: loss(model(x), y), model.parameters())."
            )
        self.call = call
        self.products = 0
        self.scale: Array | None = None
        self.leaves, self.build, loss = _recorded(call, f, x)
        self.rounding = 10 * max(float(np.finfo(a.dtype).eps) for a in self.leaves)  # of a product, relative
        self.packing = Packing(self.leaves)
        self.n = self.packing.n
        nodes = between(self.leaves, [loss]).nodes
        # The bytes that one direction holds: a recorded gradient is a few times the loss.
        self.held = 4 * sum(node.data.nbytes for node in nodes) + 8 * self.n
        with np.errstate(all="ignore"):  # each product is checked
            self.product: Any = gradient_and_hvp(loss, self.leaves)[1]

    def __call__(self, v: Array) -> Array:
        return self._products(v, ())

    def _products(self, V: Array, lead: tuple[int, ...]) -> Array:
        """H times each row of V: (*lead, n)."""
        self.products += math.prod(lead)
        if self.scale is not None:
            V = self.scale * V
        with np.errstate(all="ignore"):
            found = self.product(self.packing.split(V), lead)
        HV: Array = self.packing.join(found, lead)
        if not np.isfinite(HV).all():
            raise FloatingPointError(
                f"`{self.call}(f, x)`: a Hessian-vector product must be finite, got "
                f"{HV[~np.isfinite(HV)][0]}. Are f and its gradient finite at x, and is x off the singular "
                "points of sqrt, log, norms and powers?"
            )
        if self.scale is not None:
            HV *= self.scale
        return HV

    def batches(self, rows: Iterator[Array], total: int) -> Iterator[tuple[Array, Array]]:
        """(V, HV) for all the rows, several at a time; every batch but a smaller last one has the same
        size."""
        for part in portions(total, portion(total, self.held)):
            V = np.stack([next(rows) for _ in range(part.stop - part.start)])
            yield V, self._products(V, (len(V),))

    def dense(self) -> Array:
        """H itself."""
        return np.concatenate([HV for _, HV in self.batches(iter(np.eye(self.n)), self.n)])

    def sampled(self, samples: int, seed: Any, term: Callable[[Array, Array], Array]) -> tuple[Array, Array]:
        """Mean and standard error of term(V, HV) over random signs, in one pass (Chan's update of mean and
        squares)."""
        samples = checked(self.call, "samples", samples, SEVERAL)
        rng = np.random.default_rng(seed)
        done, mean, squares = 0, np.zeros(1), np.zeros(1)
        for V, HV in self.batches((_signs(rng, self.n) for _ in range(samples)), samples):
            terms = term(V, HV)
            m, here = len(terms), terms.mean(axis=0)
            change = here - mean
            mean = mean + change * (m / (done + m))
            squares = squares + ((terms - here) ** 2).sum(axis=0) + change**2 * (done * m / (done + m))
            done += m
        return mean, np.sqrt(squares / (samples - 1) / samples)

    def tree(self, flat: Array) -> Any:
        """A vector in the form of x."""
        return self.build(self.packing.split(flat))

    def positive(self, P: Any) -> Array:
        """A preconditioner's diagonal as a vector, checked."""
        given = flatten(as_tree(P))[0]
        require_plain(given, "`preconditioned_sharpness(f, x, P)`")
        parts = [np.asarray(data_of(part), dtype=np.float64) for part in given]
        shapes, wanted = [part.shape for part in parts], self.packing.shapes
        if shapes not in (wanted, [(self.n,)]):
            raise ValueError(
                f"`{self.call}(P=...)` must have the arrays of x, of shapes {wanted}, or be one of shape "
                f"{(self.n,)}, got {shapes}. For Adam, P holds √v̂ + ε for each parameter."
            )
        flat = np.concatenate([part.reshape(-1) for part in parts])
        bad = np.flatnonzero(~((flat > 0) & (flat < np.inf)))
        if bad.size:
            raise ValueError(
                f"`{self.call}(P=...)` must be positive and finite, got {flat[bad[0]]} at entry {bad[0]}. "
                "Add a small ε."
            )
        return flat


def _recorded(call: str, f: Any, x: Any) -> tuple[list[Tensor], Callable[[Any], Any], Tensor]:
    """The leaves, the function that builds a tree like x, and the loss as a graph on the leaves."""
    if not callable(f):
        raise TypeError(f"`{call}(f, x)`: f must be a function or a closure, got {f!r:.60}.")
    given, build = flatten(as_tree(x))
    if not sum(np.size(data_of(a)) for a in given):
        raise ValueError(
            f"`{call}(f, x)`: x must hold at least one number, got {x!r:.60}. Has an iterator been used up?"
        )
    if any(isinstance(p, Tensor) and p.requires_grad for p in given):
        leaves = _parameters(call, given)
        _accepts(
            call,
            f,
            (),
            "x holds parameters, so f must be a closure without arguments. To call f(x) pass arrays: x.data",
        )
        with scope(recording=True):
            loss = f()
        # (loss, outputs), as an optimizer's closure may return
        if isinstance(loss, tuple) and len(loss) == 2:
            loss = loss[0]
    else:
        leaves = [_leaf(call, a) for a in given]
        argument = build(leaves)
        _accepts(
            call,
            f,
            (argument,),
            "x holds arrays, so f must take x. To call a closure pass the parameters themselves",
        )
        with scope(recording=True):
            loss = f(argument)
        if isinstance(loss, np.ndarray | np.generic):
            loss = Tensor(loss)  # a constant function
    if not isinstance(loss, Tensor):
        raise TypeError(
            f"`{call}(f, x)`: f must return a Tensor, got {loss!r:.60}. Is `return` missing, or was the "
            "value taken out of the graph with float() or .item()?"
        )
    if loss.size != 1 or loss.dtype.kind == "c":
        raise not_one_number(f"{call}(f, x)", "f", loss)
    return leaves, build, loss


def _parameters(call: str, given: list[Any]) -> list[Tensor]:
    seen: set[int] = set()
    for p in given:
        if not isinstance(p, Tensor):
            raise TypeError(
                f"`{call}(f, x)`: x must hold parameters only, or arrays only, got both: {type(p).__name__}."
            )
        name = repr(p.name) if p.name else f"a parameter of shape {p.shape}"
        if not p.requires_grad:
            raise ValueError(
                f"`{call}(f, x)`: {name} is frozen. Leave it out: [p for p in parameters if p.requires_grad]."
            )
        if p.live:
            raise ValueError(
                f"`{call}(f, x)`: {name} is the result of an operation, not a leaf. Pass what it was made "
                "from."
            )
        if p.dtype.kind != "f":
            raise TypeError(f"`{call}(f, x)`: {name} must be real, got {p.dtype}.")
        if id(p) in seen:
            raise ValueError(f"`{call}(f, x)`: {name} is given twice. Pass each parameter once.")
        seen.add(id(p))
    return given


def _leaf(call: str, a: Any) -> Tensor:
    require_plain(a, f"`{call}(f, x)`")
    array = np.asarray(float(a) if type(a) is int else data_of(a))
    if array.dtype.kind != "f":
        raise TypeError(
            f"`{call}(f, x)`: x must hold real floating point arrays, got {array.dtype}. Use x.astype(float)."
        )
    return Tensor(array, requires_grad=True)


def _accepts(call: str, f: Any, args: tuple[Any, ...], otherwise: str) -> None:
    try:
        signature = inspect.signature(f)
    except (TypeError, ValueError):  # some built-in functions have none
        return
    try:
        signature.bind(*args)
    except TypeError as error:
        raise TypeError(f"`{call}(f, x)`: {otherwise}. Got f{signature}: {error}.") from None


def _signs(rng: np.random.Generator, n: int) -> Array:
    return rng.integers(0, 2, n) * 2.0 - 1.0


def _sharpness(call: str, H: _Hessian, k: int, tol: float, max_products: int, seed: Any) -> Any:
    k, max_products = checked(call, "k", k, COUNT), checked(call, "max_products", max_products, COUNT)
    tol = checked(call, "tol", tol, NON_NEGATIVE)
    rng = np.random.default_rng(seed)
    if k > H.n:
        raise ValueError(f"`{call}(k=...)` must be at most n = {H.n}, the number of entries of x, got {k}.")
    if max_products < k:
        raise ValueError(f"`{call}(max_products=...)` must be at least k = {k}, got {max_products}.")
    if H.n <= min(DENSE, max_products):
        λ = np.linalg.eigvalsh(H.dense())[::-1][:k]
    else:
        λ, doubt = _largest(H, k, max(tol, H.rounding), max_products, rng)
        if doubt:
            warnings.warn(
                f"`{call}(f, x)`: after {H.products} products {doubt}; eigenvalues may be larger than "
                f"returned. Raise max_products={max_products} or tol={tol:g}.",
                RuntimeWarning,
                stacklevel=4,
            )
    return float(λ[0]) if k == 1 else λ.copy()


def _largest(H: _Hessian, k: int, tol: float, budget: int, rng: np.random.Generator) -> tuple[Array, str]:
    """The k largest eigenvalues, descending, and the reason to doubt them, if the budget did not suffice.

    One Krylov space shows each eigenvalue once. So for k > 1 a second run looks at the complement of the
    vectors found, for as many steps as the first took. If it meets something above the k-th largest, that
    is added, and another run looks again.
    """

    def settled(run: Krylov) -> bool:
        θ, _, residual = run.ritz()
        return bool((residual[-k:] <= allowed(θ)[-k:]).all())

    def allowed(θ: Array) -> Array:  # a share of each eigenvalue, not of one that is larger by far
        limits: Array = np.maximum(tol * np.abs(θ), H.rounding * np.abs(θ).max())
        return limits

    run = krylov(H, H.n, budget, rng=rng, stop=_now_and_then(settled, k))
    θ, s, residual = run.ritz()
    steps, slack = len(θ), float(allowed(θ)[-k])
    if (residual[-k:] > allowed(θ)[-k:]).any():
        return θ[-k:][::-1], f"the residual ‖Hu − λu‖ is {residual[-k:].max():.1e}"
    found, vectors = θ[-k:], s[:, -k:].T @ run.basis
    while k > 1 and len(found) < H.n:
        kth = float(np.sort(found)[-k]) + slack  # an eigenvalue up to this changes nothing

        def answered(run: Krylov, kth: float = kth) -> bool:
            θ, _, residual = run.ritz()
            return bool(residual[-1] <= slack or (len(θ) >= steps and θ[-1] <= kth))

        if (left := budget - H.products) < 1:
            return np.sort(found)[::-1][:k], "copies of repeated eigenvalues were not all looked for"
        away = np.linalg.qr(vectors.T)[0].T
        run = krylov(H, H.n, left, rng=rng, orthogonal_to=away, stop=_now_and_then(answered, 1))
        if len(run.alpha) < H.n - len(away) and not answered(run):
            return np.sort(found)[::-1][:k], "copies of repeated eigenvalues were not all looked for"
        θ, s, _ = run.ritz()
        if θ[-1] <= kth:
            break
        found, vectors = np.append(found, θ[-1]), np.vstack([vectors, s[:, -1] @ run.basis])
    return np.sort(found)[::-1][:k], ""


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
