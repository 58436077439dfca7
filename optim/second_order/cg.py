"""`cg`: Hx = b for a caller's product, on arrays or lists of them, by the CG that `NewtonCG` uses.

Names: `x` the solution, `r` = b − Hx, `d` directions, `M` the preconditioner.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from minigrad.extend import entry, require_plain
from optim.base.options import COUNT, NON_NEGATIVE, POSITIVE, checked
from optim.second_order.operator import Form, SymmetricProduct, Vector
from optim.second_order.preconditioner import inverse_of
from optim.second_order.steihaug_cg import steihaug_cg
from optim.second_order.trial import max_iterations as most_iterations

__all__ = ["CGResult", "cg"]


@dataclass(frozen=True, eq=False)
class CGResult:
    """The result of `cg`.

    x: the solution, in the form of b.
    success: whether ‖b − Hx‖ ≤ tolerance·‖b‖.
    why: "converged"; "boundary", at the radius; "negative curvature", where H is not positive definite; or
        "iterations", after so many as were allowed.
    residuals: ‖b − Hx‖ at the start and after each iteration, as CG updates it.
    iterations: how many steps led to x.
    products: how many Hv it took.
    smallest_curvature: the smallest dᵀHd/dᵀd met; NaN without a product.
    """

    x: Any
    success: bool
    why: str
    residuals: list[float]
    iterations: int
    products: int
    smallest_curvature: float


@entry
def cg(
    hv: Callable[[Any], Any],
    b: Any,
    *,
    preconditioner: Any = None,
    tolerance: float = 1e-6,
    max_iterations: int | None = None,
    radius: float | None = None,
) -> CGResult:
    """Solve Hx = b by conjugate gradients, for a symmetric positive definite H known by its products.

        x minimizes ½xᵀHx − bᵀx;   with a radius Δ, as far as ‖x‖ ≤ Δ lets it

    If H turns out not to be positive definite, x is what was reached before; with a radius it is the point
    where the direction of negative curvature meets the boundary.

    Args:
        hv: v ↦ Hv, from vectors in the form of b to the same.
        b: an array, or a list or tree of arrays or Tensors, such as the gradients of parameters. Their
            values are taken, and nothing is recorded.
        preconditioner: M as its positive diagonal, in the form of b, or a function r ↦ M⁻¹r.
            `Adam.preconditioner()` gives one. ‖x‖ ≤ Δ is then meant in M: √(xᵀMx).
        tolerance: stop at ‖b − Hx‖ ≤ tolerance·‖b‖, ≥ 0.
        max_iterations: ≥ 1; by default about 2n, and never more than 1,000. Two vectors are kept for each.
        radius: Δ > 0; None for no limit.

    Returns:
        A `CGResult`; `why` says how it ended.

    Raises:
        TypeError: hv is no function, or b holds no real numbers.
        ValueError: a wrong structure or shape, an option out of range, a preconditioner that is not positive,
            an H that is not symmetric beyond a thousandth of its norm.
        FloatingPointError: b or a product is not finite.

    Reference: Hestenes and Stiefel 1952; with a radius Steihaug 1983, Toint 1981.

    >>> H = np.array([[2.0, 1.0], [1.0, 3.0]])
    >>> result = cg(lambda v: H @ v, np.array([3.0, 4.0]))
    >>> result.x.round(9), result.why, result.iterations
    (array([1., 1.]), 'converged', 2)
    """
    form = Form(b, "`cg(hv, b)`: b")
    H = SymmetricProduct("cg", hv, form)
    solve = _inverse(preconditioner, form)
    tolerance = checked("cg", "tolerance", tolerance, NON_NEGATIVE)
    limit = most_iterations(form.n) if max_iterations is None else max_iterations
    limit = checked("cg", "max_iterations", limit, COUNT)
    Δ = math.inf if radius is None else checked("cg", "radius", radius, POSITIVE)
    given = form.vector(b, "`cg(hv, b)`: b")
    unit = float(np.abs(given).max())  # H is linear, and a b of this size neither overflows nor vanishes
    if not math.isfinite(unit):
        raise FloatingPointError(f"`cg(hv, b)`: b must be finite, got {given[~np.isfinite(given)][0]}.")
    if not unit:
        return CGResult(form.tree(given), True, "converged", [0.0], 0, 0, math.nan)
    r = given / -unit
    start = math.sqrt(r @ r)

    def times(d: Vector) -> Vector:
        Hd = H(d)
        with np.errstate(over="ignore"):
            if not Hd @ Hd < math.inf:
                raise FloatingPointError(
                    f"`cg(hv, ...)`: the norm of product {H.products} must be less than 1e154, got an entry "
                    f"of {np.abs(Hd).max():.1e}. Divide hv by it, and multiply x."
                )
        return Hd

    path, _ = steihaug_cg(times, r, Δ / unit, tolerance * start, limit, solve=solve)
    found = path.at(Δ / unit)
    residuals = [start]
    for step in path.iterations[: found.iterations - 1]:
        r = r + step.a * step.Hd
        residuals.append(math.sqrt(r @ r))
    if found.iterations:
        last = path.iterations[found.iterations - 1]
        r = r + last.a * last.Hd if found.why == "converged" else found.Hp - given / unit
        residuals.append(math.sqrt(r @ r))
    success = residuals[-1] <= tolerance * start
    if found.why == "converged" and not success:
        raise ValueError(
            "`cg(preconditioner=...)` must be positive definite, but rᵀM⁻¹r is 0 for a residual r."
        )
    return CGResult(
        form.tree(unit * found.p), success, found.why, [unit * size for size in residuals],
        found.iterations, path.products, path.smallest_curvature,
    )  # fmt: skip


def _inverse(preconditioner: Any, form: Form) -> Callable[[Vector], Vector] | None:
    """The caller's M in the form of b as the function r ↦ M⁻¹r of vectors."""
    what = "`cg(preconditioner=...)`"
    if preconditioner is None:
        return None
    if callable(preconditioner):
        return inverse_of("cg", lambda r: form.vector(preconditioner(form.tree(r)), what))
    require_plain(preconditioner, what)
    return inverse_of("cg", form.vector(preconditioner, what))
