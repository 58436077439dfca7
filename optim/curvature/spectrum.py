"""The spectrum of a Hessian: all eigenvalues, or their density.

Names: `λ` eigenvalues, `θ` Ritz values, their approximations by `krylov`, `s` their vectors, `n` the size."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minigrad.extend import entry, html_curves, html_table, html_title
from optim.base.options import COUNT, WHOLE, checked
from optim.curvature.products import HessianProducts, random_signs
from optim.second_order.lanczos import krylov

__all__ = ["Spectrum", "hessian_spectrum"]

Array = NDArray[Any]


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

    def plot(self, ax: Any = None, *, exact: Any = None, width: float | None = None) -> Any:
        """The density, and the exact eigenvalues if they are given or known; see `optim.figures.spectrum`.
        Needs Matplotlib; returns the axes."""
        from optim.figures import spectrum

        return spectrum(self, exact, width=width, ax=ax)


@entry
def hessian_spectrum(
    f: Any,
    x: Any,
    *,
    exact_limit: int = 1000,
    steps: int = 80,
    vectors: int = 10,
    seed: Any = 0,
    batches: Any = None,
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
        batches: see `sharpness`.

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
    H = HessianProducts(call, f, x, batches)
    n = H.n
    if n <= exact_limit:
        return Spectrum(np.linalg.eigvalsh(H.dense()), np.full(n, 1 / n), n, True, H.products)
    values, weights = [], []
    for _ in range(vectors):
        run = krylov(
            H, n, steps, rng=rng, start=random_signs(rng, n), stop=lambda run: bool(run.beta[-1] == 0)
        )
        θ, s, _ = run.ritz()
        values.append(θ)
        weights.append(s[0] ** 2 / vectors)
    order = np.argsort(θ := np.concatenate(values))
    return Spectrum(θ[order], np.concatenate(weights)[order], n, False, H.products)
