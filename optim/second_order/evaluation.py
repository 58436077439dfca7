"""f as methods see it: an `Objective`, which gives an `Evaluation` of f at each point it is asked for.

The gradient and products Hv are computed only when they are asked for, and the evaluation remembers the
gradient. So a trial step that is rejected has cost one value of f.

Names: `x` the point, a float64 vector (n,); `f` `g` value and gradient there; `v` a direction.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from minigrad.extend import Packing

__all__ = [
    "BudgetSpent", "Counts", "Derivatives", "Evaluation", "Objective", "Product", "Vector", "require_finite",
    "symmetric",
]  # fmt: skip

Vector = NDArray[Any]
Product = Callable[[Vector], Vector]


class BudgetSpent(Exception):
    """The next call would exceed a limit of `Counts`; `limit` is "MAXFEV" or "MAXHEV"."""

    def __init__(self, limit: str) -> None:
        super().__init__(limit)
        self.limit = limit


@dataclass
class Counts:
    """How often each thing was computed, and how often it may be; a Hessian-vector product counts once for
    each vector."""

    nfev: int = 0
    njev: int = 0
    nhev: int = 0
    max_nfev: float = math.inf
    max_nhev: float = math.inf

    def value(self) -> None:
        if self.nfev >= self.max_nfev:
            raise BudgetSpent("MAXFEV")
        self.nfev += 1

    def products(self, k: int = 1) -> None:
        if self.nhev + k > self.max_nhev:
            raise BudgetSpent("MAXHEV")
        self.nhev += k


class Derivatives(NamedTuple):
    """The gradient at a point, and the functions that give more; products count themselves.

    hv, hessian: v ↦ Hv, and the function that returns H; without a `hessian`, n products give it.
    ggn, pulled: v ↦ Gv, the Gauss–Newton product, and signs ↦ Σᵢ signsᵢ·∇fᵢ over the rows i of the outputs,
        which sum to g; where the closure returns (loss, outputs).
    """

    g: Vector
    hv: Product
    hessian: Callable[[], Vector] | None = None
    ggn: Product | None = None
    pulled: Callable[[Callable[[int], Vector]], Vector] | None = None


class Evaluation:
    """f at one point; the gradient `g`, the product `hv(v)` and the matrix `hessian()` on demand."""

    def __init__(self, x: Vector, f: float, derivatives: Callable[[], Derivatives], counts: Counts) -> None:
        self.x, self.f = x, f
        self._derivatives, self._counts = derivatives, counts
        self._known: Derivatives | None = None

    @property
    def known(self) -> Derivatives:
        """The derivatives; the first use computes them, and counts as one gradient."""
        if self._known is None:
            self._counts.njev += 1
            self._known = self._derivatives()
        return self._known

    @property
    def g(self) -> Vector:
        """∇f(x)."""
        return self.known.g

    def hv(self, v: Vector) -> Vector:
        """∇²f(x)·v."""
        return self.known.hv(v)

    def hessian(self) -> Vector:
        """∇²f(x), (n, n), made symmetric; it counts as n products."""
        return symmetric(self.hessian_rows())

    def hessian_rows(self) -> Vector:
        """∇²f(x), (n, n), as it was computed, row by row: symmetric only up to rounding."""
        n = self.x.size
        whole = self.known.hessian
        return whole() if whole else np.stack([self.hv(e) for e in np.eye(n)]) if n else np.zeros((0, 0))


class Objective(Protocol):
    """f as something to evaluate. A call that fails may have moved the parameters of a closure to x."""

    counts: Counts

    def __call__(self, x: Vector) -> Evaluation: ...


def symmetric(H: Vector) -> Vector:
    """½(H + Hᵀ)."""
    return 0.5 * (H + H.T)


def require_finite(call: str, here: Evaluation, arrays: list[tuple[str, Vector]]) -> None:
    """Raise FloatingPointError if f or its gradient is not finite; it names the arrays at fault.

    Args:
        arrays: (name, values) of the arrays that make up x, in order.
    """
    if math.isfinite(here.f) and np.isfinite(here.g).all():
        return
    for name, values in arrays:
        if not np.isfinite(values).all():
            raise FloatingPointError(f"`{call}`: {name} is not finite at the start; nothing was changed.")
    if not math.isfinite(here.f):
        names = ", ".join(name for name, _ in arrays)
        raise FloatingPointError(
            f"`{call}`: the loss is {here.f} at the present value of {names}; nothing was changed. Start "
            "from another point, or look for NaN in the data."
        )
    for (name, _), g in zip(arrays, Packing([values for _, values in arrays]).pieces(here.g), strict=True):
        if not np.isfinite(g).all():
            raise FloatingPointError(
                f"`{call}`: the loss is finite, but its gradient for {name} is not; nothing was changed."
            )
