"""Newton-CG with a line search: capped CG finds a direction, of Newton or of negative curvature, and
backtracking finds its length.

    (H + 2εI)d = −g by CG;   dᵀ(H + 2εI)d < ε‖d‖² at any point: d is a direction of negative curvature
    x ← x + αd,   f(x) − f(x + αd) > 0.1·(model's decrease),   α = 1, ½, ¼, …

The cap: CG on a matrix ≥ ε reduces the residual at a known rate. Where it falls behind, some difference of
two iterates has curvature below ε, and is found among those stored.

Names: `ε` epsilon, `y` iterate, `r` residual (H + 2ε)y + g, `p` direction, `M` the largest ‖Hv‖/‖v‖ so far.

Reference: Royer, O'Neill, Wright 2020, A Newton-CG algorithm with complexity guarantees for smooth
unconstrained optimization."""

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
from optim.second_order.trial import downhill, max_iterations, natural_length, norm, unit_of

__all__ = ["CappedCG", "Direction", "capped_cg"]


class Direction(NamedTuple):
    """A direction of Newton or of negative curvature, and how CG came to it."""

    d: Vector
    Hd: Vector
    why: str  # CG stopped: "converged", "negative curvature", "iterations" or "not finite"
    products: int
    smallest_curvature: float
    rows: list[CGRow]  # its iterations, as `CG_ITERATIONS` has them


def capped_cg(
    hv: Callable[[Vector], Vector], g: Vector, epsilon: float, eta: float, max_iterations: int
) -> Direction:
    """Algorithm 1 of the paper, with ‖r‖ ≤ η‖g‖ for its accuracy.

    Args:
        hv: v ↦ Hv, without the shift.
        g: the gradient, not 0.
        epsilon: ε > 0, as a share of ‖Hg‖/‖g‖.
        eta: the residual asked for, as a share of ‖g‖.

    >>> capped_cg(lambda v: np.array([2.0, -1.0]) * v, np.array([1.0, 1.0]), 1e-3, 1e-6, 10).why
    'negative curvature'
    """
    y, Hy, r, p = np.zeros_like(g), np.zeros_like(g), g, -g
    start = size = float(np.linalg.norm(g))
    Hp = hv(p)
    if not np.isfinite(Hp).all():
        return Direction(p, np.zeros_like(p), "not finite", 1, math.nan, [])
    M = float(np.linalg.norm(Hp)) / size
    ε = epsilon * M or epsilon
    iterates = [(y, Hy)]
    rows: list[CGRow] = []
    least, model, length = math.inf, 0.0, 0.0
    for j in range(max_iterations):
        pp = float(p @ p)
        curvature = float(p @ Hp)
        least = min(least, curvature / pp)
        if _below(curvature, pp, ε):
            rows.append((size, curvature / pp, model, length, math.nan))
            return Direction(p, Hp, "negative curvature", j + 1, least, rows)
        α = size * size / (curvature + 2 * ε * pp)
        y, Hy, r = y + α * p, Hy + α * Hp, r + α * (Hp + 2 * ε * p)
        β, size = float(r @ r) / size**2, float(np.linalg.norm(r))
        yy, yHy = float(y @ y), float(y @ Hy)
        model, length = float(g @ y) + 0.5 * yHy, math.sqrt(yy)
        rows.append((size, curvature / pp, model, length, α))
        if _below(yHy, yy, ε):
            return Direction(y, Hy, "negative curvature", j + 1, least, rows)
        if size <= eta * start:
            return Direction(y, Hy, "converged", j + 1, least, rows)
        M = max(M, float(np.linalg.norm(Hp)) / math.sqrt(pp), float(np.linalg.norm(Hy)) / length)
        if size > _rate(M / ε + 2, j + 1) * start and (found := _difference_below(y, Hy, iterates, ε)):
            return Direction(*found, "negative curvature", j + 1, least, rows)
        iterates.append((y, Hy))
        if j + 1 < max_iterations:
            p = β * p - r
            Hp = hv(p)
            if not np.isfinite(Hp).all():
                return Direction(y, Hy, "not finite", j + 2, least, rows)
    return Direction(y, Hy, "iterations", max_iterations, least, rows)


def _below(curvature: float, square: float, ε: float) -> bool:
    """Whether dᵀ(H + 2εI)d < ε‖d‖², given dᵀHd and ‖d‖²."""
    return curvature + 2 * ε * square < ε * square


def _difference_below(
    y: Vector, Hy: Vector, iterates: list[tuple[Vector, Vector]], ε: float
) -> tuple[Vector, Vector] | None:
    """The first difference of y and an earlier iterate whose curvature is below ε, with its image under H."""
    for before, Hbefore in iterates:
        d, Hd = y - before, Hy - Hbefore
        if _below(float(d @ Hd), float(d @ d), ε):
            return d, Hd
    return None


def _rate(κ: float, j: int) -> float:
    """√T·τ^(j/2): where ‖r‖/‖g‖ must be after j iterations if no curvature is below ε."""
    s = math.sqrt(κ)
    τ = s / (s + 1)
    # 2κ²/(1 − √τ), which would divide by 0 where s + 1 rounds to s
    T = 2 * κ * κ * (s + 1) * (1 + math.sqrt(τ))
    return T * math.pow(τ, 0.5 * j)


class CappedCG(Method):
    """Capped CG, with backtracking until f has fallen by a tenth of the prediction.

    The paper asks for a cubic decrease σα³‖d‖³, and makes ‖d‖ = |dᵀHd|/‖d‖² where the curvature is negative;
    both depend on the units of f and x. Here that length is the one that |H| would give, |gᵀd|/|dᵀHd|·‖d‖,
    but at least twice that of the last step.

    Args:
        damping: ε = damping·√(‖g‖/‖g₀‖)·‖Hg‖/‖g‖: it vanishes at a minimum, where it would slow Newton's
            convergence.
    """

    def __init__(self, *, damping: float = 1e-3) -> None:
        self.damping = damping
        self.g0 = math.nan  # ‖g₀‖
        self.length = 0.0  # of the last step

    def state(self) -> dict[str, Any]:
        return {"g0": self.g0, "length": self.length}

    def restore(self, state: Mapping[str, Any]) -> None:
        self.g0, self.length = state["g0"], state["length"]

    def after_escape(self, length: float, settings: Settings) -> None:
        self.length = length

    def step(self, objective: Objective, here: Evaluation, settings: Settings) -> tuple[Evaluation, StepInfo]:
        unit = unit_of(here.g)  # see trust_region.py
        g = unit * here.g
        size = norm(here.g)
        g0 = size if math.isnan(self.g0) else self.g0
        epsilon = max(self.damping * math.sqrt(min(1.0, size / g0)), 1e-12)
        found = capped_cg(lambda v: unit * here.hv(v), g, epsilon, settings.eta, max_iterations(g.size))
        d, slope, curvature, length = (
            found.d,
            float(g @ found.d),
            float(found.d @ found.Hd),
            float(np.linalg.norm(found.d)),
        )
        if found.why == "negative curvature":
            wanted = max(abs(slope / curvature) * length, 2 * self.length) or natural_length(here.x)
            scale = math.copysign(wanted / length, -slope)
            d, slope, curvature, length = scale * d, scale * slope, scale * scale * curvature, wanted

        def model(a: float) -> float:
            return -(a * slope + 0.5 * a * a * curvature) / unit

        there, info, _ = backtrack(objective, here, d, length, model, settings)
        self.g0, self.length = g0, info.step_norm
        return there, replace(
            info,
            n_cg=found.products,
            why=found.why,
            smallest_curvature=found.smallest_curvature / unit,
            eta=settings.eta,
            damping=epsilon,
            cg_rows=tuple((r / unit, c / unit, q / unit, z, a * unit) for r, c, q, z, a in found.rows),
            cg_end=found.why,
            negative_curvature=downhill(d, g) if found.why == "negative curvature" else None,
        )
