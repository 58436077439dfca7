"""Runs of `minimize` from bad starts, by every method: how many successes are false?

    python -m benchmarks.false_success [starts [seed]]

7 starts are 32 problems × 7 × 13 methods = 2912 runs. What the runs so far have shown is printed after every
100, so that a run that is cut short has still said something.

A success is false if a local search from the point found reaches an f that is lower by 1e-4·(1 + |f|). The
local search is scipy's if it is installed, else our own, from the point and from points beside it. Starts
have sizes from 1e-9 to 1e3, and one coordinate may be far larger than the others. An honest "no success" is
fine, and is counted. A start at which f or its gradient is not finite is refused; these runs are counted too,
with the reason.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from minigrad import value_and_grad
from optim import minimize

__all__ = ["METHODS", "PROBLEMS", "Run", "runs"]

A = np.c_[np.ones(50), np.linspace(0, 1, 50)]
COUNTS = np.exp(A @ np.array([0.5, 1.0]))
Q = np.linalg.qr(np.random.default_rng(5).normal(size=(4, 4)))[0]
SCALES = np.array([1e-8, 1e-4, 1.0, 1e4])

PROBLEMS: dict[str, tuple[Callable[[Any], Any], int, bool]] = {  # f, n, whether x must be positive
    "x - ln x": (lambda x: np.sum(x - np.log(x)), 2, True),
    "sqrt x + 1/x": (lambda x: np.sum(np.sqrt(x) + 1 / x), 2, True),
    "x + 1/x": (lambda x: np.sum(x + 1 / x), 3, True),
    "x^2 + 1/x^2": (lambda x: np.sum(x**2 + 1e-3 / x**2), 2, True),
    "ln² x": (lambda x: np.sum(np.log(x) ** 2), 2, True),
    "Poisson": (lambda w: np.mean(np.exp(A @ w) - COUNTS * (A @ w)), 2, False),
    "cosh": (lambda x: np.sum(np.cosh(x - 1)), 2, False),
    "softplus": (lambda x: np.sum(np.logaddexp(0, x) - 0.3 * x), 2, False),
    "Rosenbrock": (lambda x: np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2), 4, False),
    "Rosenbrock + 7": (lambda x: 7 + np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2), 2, False),
    "quartic": (lambda x: np.sum(x**4), 3, False),
    "quartic + 1": (lambda x: 1 + np.sum((x - 1) ** 4), 2, False),
    "double well": (lambda x: np.sum((x**2 - 1) ** 2), 3, False),
    "steep double well": (lambda x: 1e6 * x[0] ** 2 + (x[1] ** 2 - 1) ** 2, 2, False),
    "steep rotated well": (lambda x: 1e8 * (x[0] + x[1]) ** 2 + ((x[0] - x[1]) ** 2 - 1) ** 2, 2, False),
    "faint saddle": (
        lambda x: 2.5e5 * (x[0] + x[1]) ** 2 - 0.0025 * (x[0] - x[1]) ** 2 + 0.25 * (x[0] - x[1]) ** 4, 2,
        False,
    ),
    "scaled": (lambda x: np.sum((SCALES * x - 1) ** 2), 4, False),
    "scaled, rotated": (lambda x: np.sum(SCALES * (Q @ x - 1) ** 2) + np.sum((Q @ x - 1) ** 4), 4, False),
    "well": (lambda x: -np.exp(-np.sum(x**2)), 2, False),
    "rational": (lambda x: np.sum(x**2 / (1 + x**2)), 2, False),
    "ln(1 + x²)": (lambda x: np.sum(np.log(1 + x**2)), 3, False),
    "Beale": (
        lambda x: sum((c - x[0] * (1 - x[1] ** k)) ** 2 for k, c in ((1, 1.5), (2, 2.25), (3, 2.625))), 2,
        False,
    ),
    "1e12 f": (lambda x: 1e12 * np.sum((x**2 - 1) ** 2), 2, False),
    "1e12 quartic": (lambda x: 1e12 * np.sum(x**4), 2, False),
    "1e-12 f": (lambda x: 1e-12 * np.sum((x**2 - 1) ** 2), 2, False),
    "1e12 Rosenbrock": (lambda x: 1e12 * (100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2), 2, False),
    "scaled quartic": (lambda x: np.sum((SCALES * x - 1) ** 2 + (SCALES * x - 1) ** 4), 4, False),
    "Powell singular": (
        lambda x: (x[0] + 10 * x[1]) ** 2 + 5 * (x[2] - x[3]) ** 2 + (x[1] - 2 * x[2]) ** 4
        + 10 * (x[0] - x[3]) ** 4, 4, False,
    ),
    "saddle": (lambda x: x[0] ** 2 - x[1] ** 2 + x[1] ** 4, 2, False),
    "steep saddle": (lambda x: 1e8 * x[0] ** 2 + np.sum(x[1:] ** 4 - x[1:] ** 2), 3, False),
    "1e12 (cosh - 1)": (lambda x: 1e12 * np.sum(np.cosh(x) - 1), 2, False),
    "exp wall": (lambda x: np.exp(x[0]) + (x[0] + x[1]) ** 2 - x[1] / 10 + x[1] ** 2, 2, False),
}  # fmt: skip

METHODS: dict[str, tuple[str, dict[str, Any]]] = {
    "newton-cg": ("newton-cg", {}),
    "newton-cg, line search": ("newton-cg", {"globalization": "line-search"}),
    "newton-cg, quadratic": ("newton-cg", {"forcing": "quadratic"}),
    **{f"newton, {m}": ("newton", {"modification": m}) for m in ("abs", "shift", "clip", "trust", "pinv")},
    "lbfgs": ("lbfgs", {}),
    "lbfgs, armijo": ("lbfgs", {"line_search": "armijo"}),
    "gd": ("gd", {"lr": 1e-3}),
    "momentum": ("momentum", {"lr": 1e-2}),
    "adam": ("adam", {"lr": 1e-2}),
}  # fmt: skip
SHORT = {"gd": 1000, "momentum": 1000, "adam": 1000}
EVALUATIONS = 5000  # of f, in one run at most


class Run(NamedTuple):
    """A success or an honest end, with the fall of f that a local search still found; or the error raised.

    Where there is a reason, there is no result."""

    problem: str
    method: str
    start: Any
    result: Any
    fall: float = 0.0
    reason: str = ""

    @property
    def false(self) -> bool:
        return bool(self.result and self.result.success and self.fall > 1e-4 * (1 + abs(self.result.fun)))


def lower(f: Callable[[Any], Any], x: Any, seed: int = 0) -> float:
    """The least f that a local search finds from x and from points beside it."""
    try:
        from scipy.optimize import minimize as search
    except ImportError:
        return min(float(minimize(f, x, "newton", options={"gtol": 1e-14, "maxiter": 200}).fun), float(f(x)))
    rng, found = np.random.default_rng(seed), [float(f(x))]

    def both(x: Any) -> Any:
        value, g = value_and_grad(f)(x)
        return (float(value), g) if np.isfinite(value) and np.isfinite(g).all() else (1e300, 0 * x)

    size = np.maximum(np.abs(x), 1e-3 * np.abs(x).max(initial=1e-3))
    for start in (x, x + 1e-4 * size * rng.normal(size=x.shape)):
        for method in ("BFGS", "L-BFGS-B"):
            end = search(both, start, jac=True, method=method, options={"maxiter": 500})
            if end.fun < 1e299:
                found.append(float(end.fun))
    return min(value for value in found if np.isfinite(value))


def runs(starts: int, seed: int = 0, methods: Any = METHODS, problems: Any = PROBLEMS) -> Iterator[Run]:
    """`starts` starts for each problem and method, one for each problem and then the next for each."""
    rng = np.random.default_rng(seed)
    for k in range(starts):
        for problem, (f, n, positive) in problems.items():
            x = rng.normal(size=n) * 10 ** rng.uniform(-9, 3)
            if k % 2:
                x[rng.integers(n)] = 10 ** rng.uniform(-9, 3)
            x = np.abs(x) if positive else x
            for name in methods:
                method, options = METHODS[name]
                limit = {"maxiter": SHORT.get(method, 500), "maxfev": EVALUATIONS, "trace": False}
                with np.errstate(all="ignore"):
                    try:
                        result = minimize(f, x, method, options=limit | options)
                    except (FloatingPointError, np.linalg.LinAlgError) as error:
                        yield Run(problem, name, x, None, reason=f"{type(error).__name__}: {error}")
                        continue
                    fall = result.fun - lower(f, result.x) if result.success else 0.0
                yield Run(problem, name, x, result, fall)


def main(starts: int, seed: int = 0, methods: Any = METHODS, problems: Any = PROBLEMS) -> int:
    """Print the false successes as they are found, and how the runs of each method ended."""
    table: dict[str, Counter[str]] = {name: Counter() for name in methods}
    said, reasons = 0, Counter[str]()
    for done, run in enumerate(runs(starts, seed, methods, problems), 1):
        table[run.method]["raised" if run.reason else run.result.status.name] += 1
        table[run.method]["false"] += run.false
        said += bool(run.result and run.result.success)
        if run.reason:
            reasons[f"{run.problem}: {run.reason}"] += 1
        if run.false:
            print(f"FALSE {run.problem:20} {run.method:22} x0={[*run.start]} f={run.result.fun:.6g} "
                  f"fall={run.fall:.3g}", flush=True)  # fmt: skip
        if done % 100 == 0:
            false = sum(counts["false"] for counts in table.values())
            print(f"{done} runs, {said} successes, {false} false", flush=True)
    print(f"{sum(n for counts in table.values() for key, n in counts.items() if key != 'false')} runs")
    for name, counts in table.items():
        print(f"{name:24}", dict(counts))
    for reason, n in reasons.items():
        print(f"{n} raised in {reason}")
    return sum(counts["false"] for counts in table.values())


if __name__ == "__main__":
    sys.exit(bool(main(*map(int, sys.argv[1:] or ["40"]))))
