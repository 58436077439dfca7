"""Hessian-free optimization: CG on the Gauss–Newton matrix with Levenberg–Marquardt damping.

    (G + λI)p = −g,   G = JᵀH_L J positive semi-definite;   ρ = (f(x) − f(x+p)) / −(gᵀp + ½pᵀGp)
    λ ← λ·3/2 at ρ < ¼,   λ·2/3 at ρ > ¾

Names: `λ` damping, `φ` the value of the damped model along CG, `r` residual, `y` = M⁻¹r, `d` direction.

Reference: Martens 2010, Deep learning via Hessian-free optimization; Martens and Sutskever 2012.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from optim.second_order.backtracking import backtrack
from optim.second_order.evaluation import Evaluation, Objective, Vector
from optim.second_order.method import Method, Settings
from optim.second_order.records import CGRow
from optim.second_order.results import StepInfo
from optim.second_order.trial import EXPAND, SHRINK, downhill, evaluated, max_iterations

__all__ = ["Iterate", "LevenbergMarquardt", "MartensRun", "martens_cg"]

GROWTH = 1.3  # iterates ⌈1.3ʲ⌉ are kept for backtracking
PROGRESS = 5e-4
TOLERANCE = 1e-10
KEEP = 0.95  # the share of the last solution from which CG starts
SAMPLES = 4  # pull backs for the preconditioner


class Iterate(NamedTuple):
    """An iterate of CG, with its image under G."""

    p: Vector
    Gp: Vector


class MartensRun(NamedTuple):
    """The iterates that were kept, and how CG ended."""

    kept: list[Iterate]
    why: str  # "progress", "converged", "iterations", "negative curvature" or "not finite"
    products: int
    smallest_curvature: float
    rows: list[CGRow]  # its iterations, as `CG_ITERATIONS` has them; q is φ
    negative: Vector | None  # the direction of negative curvature that CG met


def martens_cg(
    gv: Callable[[Vector], Vector],
    g: Vector,
    damping: float,
    tolerance: float,
    max_iterations: int,
    *,
    start: Vector | None = None,
    solve: Callable[[Vector], Vector] | None = None,
) -> MartensRun:
    """Solve (G + λI)p = −g by CG until the model stops falling, and keep some of the iterates.

        φᵢ = ½pᵀ(G + λI)p + gᵀp;   stop when φᵢ < 0 and (φᵢ − φᵢ₋ₖ)/φᵢ < k·5e-4,   k = max(10, ⌈0.1i⌉) < i

    Args:
        gv: v ↦ Gv, positive semi-definite, without the damping.
        tolerance: stop also at ‖r‖ ≤ tolerance.
        start: the first iterate; it costs a product.
        solve: r ↦ M⁻¹r.

    >>> run = martens_cg(lambda v: np.array([1.0, 3.0]) * v, np.array([2.0, 4.0]), 1.0, 1e-12, 10)
    >>> run.kept[-1].p
    array([-1., -1.])
    """
    p, Gp, products = _first_iterate(gv, g, damping, start)
    r = g + Gp + damping * p
    y = r if solve is None else solve(r)
    d, ry = -y, float(r @ y)
    φ = [0.5 * float(p @ (r + g))]
    kept, keep, least, why = [Iterate(p, Gp)], 1.0, math.inf, "iterations"
    rows: list[CGRow] = []
    size, negative = float(np.linalg.norm(r)), None
    for i in range(1, max_iterations + 1):
        if size <= tolerance:
            why = "converged"
            break
        Gd = gv(d)
        products += 1
        dd = float(d @ d)
        curvature = float(d @ Gd) + damping * dd
        if finite := np.isfinite(Gd).all():
            least = min(least, curvature / dd - damping)
        if not finite or not curvature > 0:
            why, negative = ("negative curvature", d) if finite else ("not finite", None)
            rows.append((size, curvature / dd - damping, φ[-1], float(np.linalg.norm(p)), math.nan))
            # the loss is not convex in the outputs: go as far as |G| says
            if i == 1 and finite and curvature < 0:
                p, Gp = p - ry / curvature * d, Gp - ry / curvature * Gd
            elif not p.any():  # only the slope is known
                p = d
            break
        α = ry / curvature
        p, Gp, r = p + α * d, Gp + α * Gd, r + α * (Gd + damping * d)
        y = r if solve is None else solve(r)
        ry, β = float(r @ y), float(r @ y) / ry
        d = β * d - y
        φ.append(0.5 * float(p @ (r + g)))
        size = float(np.linalg.norm(r))
        rows.append((size, curvature / dd - damping, φ[-1], float(np.linalg.norm(p)), α))
        if i >= math.ceil(keep):
            kept.append(Iterate(p, Gp))
            keep *= GROWTH
        if _stalls(φ):
            why = "progress"
            break
    if kept[-1].p is not p:
        kept.append(Iterate(p, Gp))
    return MartensRun(kept[1:] or kept, why, products, least, rows, negative)


def _first_iterate(
    gv: Callable[[Vector], Vector], g: Vector, damping: float, start: Vector | None
) -> tuple[Vector, Vector, int]:
    """`start` and its image, or zeros if the damped model is no lower there; and the number of products."""
    if start is None:
        return np.zeros_like(g), np.zeros_like(g), 0
    Gp = gv(start)
    if not np.isfinite(Gp).all() or not g @ start + 0.5 * (start @ (Gp + damping * start)) < 0:
        return np.zeros_like(g), np.zeros_like(g), 1
    return start, Gp, 1


def _stalls(φ: list[float]) -> bool:
    """Whether the model has fallen by less than 5e-4 a step over the last tenth of the steps, 10 at least."""
    i = len(φ) - 1
    k = max(10, math.ceil(0.1 * i))
    return i > k and φ[i] < 0 and (φ[i] - φ[i - k]) / φ[i] < k * PROGRESS


class LevenbergMarquardt(Method):
    """CG on the damped Gauss–Newton matrix, backtracking along its path, then along the step.

    Args:
        damping: the first λ, ≥ 0, in the units of f over those of x².
        solve: r ↦ M⁻¹r; if None, Martens' M = (diag(mean gᵢ²) + λ)^¾, where gᵢ is the gradient of row i of
            the outputs. The mean is estimated without the single gᵢ: for random signs sᵢ the mean of
            (Σsᵢgᵢ)² is Σgᵢ².
        seed: of the signs.
    """

    def __init__(
        self, *, damping: float = 1.0, solve: Callable[[Vector], Vector] | None = None, seed: int = 0
    ) -> None:
        self.damping, self.solve = damping, solve
        self.previous: Vector | None = None  # the last solution of CG
        self.rng = np.random.default_rng(seed)

    def state(self) -> dict[str, Any]:
        return {"damping": self.damping, "rng": self.rng.bit_generator.state, "previous": self.previous}

    def restore(self, state: Mapping[str, Any]) -> None:
        self.damping, self.rng.bit_generator.state = state["damping"], state["rng"]
        self.previous = state["previous"]

    def after_escape(self, length: float, settings: Settings) -> None:
        self.previous = None

    def step(self, objective: Objective, here: Evaluation, settings: Settings) -> tuple[Evaluation, StepInfo]:
        gv = here.known.ggn
        if gv is None:
            raise TypeError(
                'curvature="ggn" needs a closure that returns (loss, outputs), the loss computed from the '
                "outputs."
            )
        g = here.g
        start = None if self.previous is None else KEEP * self.previous
        run = martens_cg(
            gv,
            g,
            self.damping,
            TOLERANCE * float(np.linalg.norm(g)),
            max_iterations(g.size),
            start=start,
            solve=self.solve or self._martens(here),
        )
        p, Gp = lowest(objective, here, run.kept, settings.noise)
        slope, curvature = float(g @ p), float(p @ Gp)

        def model(a: float) -> float:
            return -(a * slope + 0.5 * a * a * curvature)

        length = float(np.linalg.norm(p))
        there, info, rho = backtrack(objective, here, p, length, model, settings, hoped=model(1.0))
        if not rho >= SHRINK:
            self.damping *= 1.5
        elif rho > EXPAND:
            self.damping *= 2 / 3
        self.previous = run.kept[-1].p if info.accepted else None
        return there, replace(
            info,
            rho=rho,
            n_cg=run.products,
            why=run.why,
            smallest_curvature=run.smallest_curvature,
            eta=settings.eta,
            damping=self.damping,
            cg_rows=tuple(run.rows),
            cg_end=run.why,
            negative_curvature=None if run.negative is None else downhill(run.negative, g),
        )

    def _martens(self, here: Evaluation) -> Callable[[Vector], Vector] | None:
        pulled, rows = here.known.pulled, 1
        if pulled is None:
            return None

        def signs(n: int) -> Vector:
            nonlocal rows
            rows = n
            return self.rng.choice((-1.0, 1.0), n)

        squares = sum(pulled(signs) ** 2 for _ in range(SAMPLES)) / SAMPLES
        M = (rows * squares + self.damping) ** 0.75
        return (lambda r: r / M) if np.isfinite(M).all() and (M > 0).all() else None


def lowest(objective: Objective, here: Evaluation, kept: list[Iterate], noise: float) -> Iterate:
    """Backtrack along CG: the last iterate, or the one before as long as f is lower there."""
    best, least = kept[-1], math.inf
    for candidate in reversed(kept):
        there = evaluated(objective, here.x + candidate.p)
        if there is not None and not there.f < least - noise * abs(there.f):
            break
        if there is not None:
            best, least = candidate, there.f
    return best
