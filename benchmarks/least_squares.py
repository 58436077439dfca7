"""Nonlinear least squares with known minima, by Newton methods: is it reached, or no success said?

    python -m benchmarks.least_squares

30 problems, each from its standard start and from one ten times as far out. 18 are those of
tests/optim/test_problems.py; the others are written here from the formulas of Moré, Garbow and Hillstrom 1981
(their numbers stand beside them), or are linear or exponential fits whose minimum is 0 by construction.
Coordinates differ by up to 1e12 in scale. A run is right if it ends with f at a minimum to its six digits, or
says that it is no success. Published minima have six digits, and are met to 5e-6; a minimum of 0 is met to
1e-12 of f at the standard start.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from optim import minimize
from tests.optim.test_problems import OPEN_SET

__all__ = ["METHODS", "PROBLEMS", "Fit", "Run", "runs"]


class Fit(NamedTuple):
    """f, the standard start, and the values of f at its known minima."""

    f: Callable[[Any], Any]
    start: Any
    minima: tuple[float, ...]


class Run(NamedTuple):
    """A run from the start times `factor`."""

    problem: str
    method: str
    factor: float
    result: Any
    arrived: bool

    @property
    def right(self) -> bool:
        """Whether the minimum was reached, or no success said."""
        return self.arrived or not self.result.success


def _powell_badly_scaled(x: Any) -> Any:
    return (1e4 * x[0] * x[1] - 1) ** 2 + (np.exp(-x[0]) + np.exp(-x[1]) - 1.0001) ** 2


def _helical_valley(x: Any) -> Any:
    angle = np.arctan2(x[1], x[0]) / (2 * np.pi)
    return 100 * (x[2] - 10 * angle) ** 2 + 100 * (np.sqrt(x[0] ** 2 + x[1] ** 2) - 1) ** 2 + x[2] ** 2


def _variably_dimensioned(x: Any) -> Any:
    moment = np.sum(np.arange(1.0, 11) * (x - 1))
    return np.sum((x - 1) ** 2) + moment**2 + moment**4


def _broyden_tridiagonal(x: Any) -> Any:
    inner = (3 - 2 * x) * x + 1
    left, right = np.concatenate([np.zeros(1), x[:-1]]), np.concatenate([x[1:], np.zeros(1)])
    return np.sum((inner - left - 2 * right) ** 2)


def _boundary_value(x: Any) -> Any:
    h, t = 1 / 11, np.arange(1.0, 11) / 11
    left, right = np.concatenate([np.zeros(1), x[:-1]]), np.concatenate([x[1:], np.zeros(1)])
    return np.sum((2 * x - left - right + h * h * (x + t + 1) ** 3 / 2) ** 2)


T10 = np.arange(1.0, 11) / 11
HILBERT = 1 / (np.arange(8)[:, None] + np.arange(8) + 1.0)
SCALES = np.logspace(-6, 6, 6)
TIMES = np.linspace(0, 4, 25)
DECAY = 2e6 * np.exp(-0.5 * TIMES) + 3 * np.exp(-2e0 * TIMES)


def _extended_rosenbrock(x: Any) -> Any:
    return np.sum(100 * (x[1::2] - x[::2] ** 2) ** 2 + (1 - x[::2]) ** 2)


PROBLEMS: dict[str, Fit] = {
    **{
        name: Fit(p.f, np.array(p.start, dtype=float), tuple(map(float, p.minima)))
        for name, p in OPEN_SET.items()
    },
    "Powell badly scaled (3)": Fit(_powell_badly_scaled, np.array([0.0, 1.0]), (0.0,)),
    "helical valley (7)": Fit(_helical_valley, np.array([-1.0, 0.1, 0.1]), (0.0,)),
    "extended Rosenbrock (21)": Fit(_extended_rosenbrock, np.array([-1.2, 1.0] * 5), (0.0,)),
    "variably dimensioned (25)": Fit(_variably_dimensioned, 1 - np.arange(1.0, 11) / 10, (0.0,)),
    "boundary value (28)": Fit(_boundary_value, T10 * (T10 - 1), (0.0,)),
    "Broyden tridiagonal (30)": Fit(_broyden_tridiagonal, -np.ones(10), (0.0,)),
    "Hilbert": Fit(lambda x: np.sum((HILBERT @ (x - 1)) ** 2), np.zeros(8) + 2.0, (0.0,)),
    "scales of 1e12": Fit(lambda x: np.sum((SCALES * x - 1) ** 2), np.ones(6), (0.0,)),
    "scales of 1e12, curved": Fit(
        lambda x: np.sum((SCALES * x - 1) ** 2 + (SCALES * x - 1) ** 4), np.ones(6), (0.0,)
    ),
    "scaled Rosenbrock": Fit(
        lambda x: 100 * (1e-6 * x[1] - (1e6 * x[0]) ** 2) ** 2 + (1 - 1e6 * x[0]) ** 2,
        np.array([-1.2e-6, 1e6]), (0.0,),
    ),
    "amplitudes of 1e6": Fit(
        lambda x: np.sum((x[0] * np.exp(-x[1] * TIMES) + x[2] * np.exp(-x[3] * TIMES) - DECAY) ** 2),
        np.array([1e6, 0.3, 1.0, 3.0]), (0.0,),
    ),
    "offset of 1e3": Fit(
        lambda x: 1e6 + 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2, np.array([-1.2, 1.0]), (1e6,)
    ),
}  # fmt: skip

METHODS: dict[str, tuple[str, dict[str, Any]]] = {
    "newton-cg": ("newton-cg", {}),
    "newton-cg, line search": ("newton-cg", {"globalization": "line-search"}),
    "newton, abs": ("newton", {}),
    "newton, trust": ("newton", {"modification": "trust"}),
}


def runs(problems: Any = PROBLEMS, methods: Any = METHODS) -> Iterator[Run]:
    """Each problem from its two starts, by each method."""
    for name in problems:
        f, start, minima = PROBLEMS[name]
        for factor in (1.0, 10.0):
            x = factor * start if start.any() else start + factor - 1
            size = float(f(start))
            for by in methods:
                method, options = METHODS[by]
                with np.errstate(all="ignore"):
                    result = minimize(f, x, method, options={"maxiter": 2000, "trace": False} | options)
                arrived = any(result.fun <= best + 5e-6 * abs(best) + 1e-12 * size * (best == 0)
                              for best in minima)  # fmt: skip
                yield Run(name, by, factor, result, arrived)


def main() -> int:
    """Print how each run ended, and how many were right by each method."""
    right, arrived = dict.fromkeys(METHODS, 0), dict.fromkeys(METHODS, 0)
    for run in runs():
        right[run.method] += run.right
        arrived[run.method] += run.arrived
        if not run.arrived:
            print(
                f"{run.problem:26} {run.method:24} ×{run.factor:g} {run.result.status} f={run.result.fun:.8g}"
            )
    print("of", 2 * len(PROBLEMS), "runs at the minimum:", arrived)
    print("of", 2 * len(PROBLEMS), "runs right:", right)
    return 2 * len(PROBLEMS) - min(right.values())


if __name__ == "__main__":
    sys.exit(main() > 6)
