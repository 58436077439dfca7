"""f at one point, with its gradient and Hessian products on demand, each call counted; from a recorded graph or otherwise.

Names: `x` the point, a float64 vector (n,); `f` `g` value and gradient there; `v` a direction.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from minigrad import Tensor, gradient_and_hvp
from minigrad.extend import CurvaturePoint, GaussNewton

__all__ = ["BudgetSpent", "Counts", "Derivatives", "Evaluation", "Graph", "Objective", "Product", "Vector"]

Vector = NDArray[Any]
Product = Callable[[Vector], Vector]


class BudgetSpent(Exception):
    """The next call would exceed a limit of `Counts`; `limit` is "MAXFEV" or "MAXHEV"."""

    def __init__(self, limit: str) -> None:
        super().__init__(limit)
        self.limit = limit


@dataclass
class Counts:
    """How often each thing was computed, and how often it may be; a Hessian-vector product counts once for each vector."""

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
    """The gradient at a point, and what to ask for more; products count themselves.

    hv, hessian: v ↦ Hv, and H; where hessian is None, n products serve.
    ggn, pulled: v ↦ Gv, the Gauss–Newton product, and signs ↦ Σᵢ signsᵢ·∇fᵢ over the rows i of the outputs, which sum to g;
        where the closure returns (loss, outputs).
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
        n = self.x.size
        whole = self.known.hessian
        rows = whole() if whole else np.stack([self.hv(e) for e in np.eye(n)]) if n else np.zeros((0, 0))
        return 0.5 * (rows + rows.T)


class Objective(Protocol):
    """f as something to evaluate; calling it may fail, and then nothing but the counts has changed."""

    counts: Counts

    def __call__(self, x: Vector) -> Evaluation: ...


class Graph:
    """Gradient and products of a recorded loss with respect to some leaves taken as one vector."""

    def __init__(self, leaves: Sequence[Tensor], counts: Counts) -> None:
        self.leaves, self.counts = list(leaves), counts
        ends = np.cumsum([0, *(p.size for p in self.leaves)])
        self.n = int(ends[-1])
        self.places = [slice(a, b) for a, b in pairwise(ends)]

    def joined(self, arrays: Sequence[Any], lead: tuple[int, ...] = ()) -> Vector:
        flat = [np.reshape(a, (*lead, -1)) for a in arrays]
        vector: Vector = np.concatenate(flat or [np.zeros((*lead, 0))], axis=-1).astype(np.float64)
        return vector

    def parted(self, v: Vector) -> list[Any]:
        """v, or rows of such vectors, as one array for each leaf."""
        lead = v.shape[:-1]
        return [
            v[..., place].reshape(lead + p.shape).astype(p.dtype) for p, place in zip(self.leaves, self.places, strict=True)
        ]

    def derivatives(self, loss: Tensor, outputs: Any = None, decay: Any = 0.0) -> Derivatives:
        """Of loss + ½Σ decay·w²."""
        with np.errstate(all="ignore"):
            gradients, product = gradient_and_hvp(loss, self.leaves)
        found = self._found(gradients, product, decay)
        if outputs is None:
            return found
        gauss_newton = GaussNewton(loss, outputs, self.leaves)

        def pulled(signs: Callable[[int], Vector]) -> Vector:
            slope = gauss_newton.slope
            rows = signs(len(slope)).reshape(-1, *(1,) * (slope.ndim - 1))
            return self.joined(gauss_newton.pulled(slope * rows.astype(slope.dtype)))

        return found._replace(ggn=self._counted(gauss_newton.product, decay), pulled=pulled)

    def replayed(self, point: CurvaturePoint, decay: Any = 0.0) -> Derivatives:
        """The same of a loss that is replayed; the leaves are as they were at the point."""
        with np.errstate(all="ignore"):
            return self._found(point.gradient(), point.product, decay)

    def _found(self, gradients: Sequence[Any], product: Callable[..., Sequence[Any]], decay: Any) -> Derivatives:
        hv = self._counted(product, decay)
        x = self.joined([p.data for p in self.leaves])
        g = self.joined(gradients) + decay * x
        return Derivatives(g, hv, lambda: hv(np.eye(self.n)) if self.n else np.zeros((0, 0)))

    def _counted(self, product: Callable[..., Sequence[Any]], decay: Any) -> Product:
        """`product` of one vector, or of rows of vectors, counted."""

        def times(v: Vector) -> Vector:
            lead = v.shape[:-1]
            self.counts.products(len(v) if lead else 1)
            total: Vector = self.joined(product(self.parted(v), lead=lead), lead) + decay * v
            return total

        return times
