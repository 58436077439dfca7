"""Newton's method in one dimension, x ← x − f′/f″: how it converges, and four ways in which it does not as one hopes.

Near a minimum where f curves upwards the number of right digits doubles with each step. But the method only solves f′ = 0
with tangents: it can run in circles, it is slow where f is flat, and it cares for saddle points as much as for minima.

    python -m examples.newton_1d
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

import optim
from minigrad import Tensor, grad


def newton(f: Callable[[Any], Any], x: float, steps: int) -> list[float]:
    """x₀, x₁, … of x ← x − f′(x)/f″(x)."""
    first, second = grad(f), grad(grad(f))
    xs = [x]
    for _ in range(steps):
        xs.append(float(xs[-1] - first(xs[-1]) / second(xs[-1])))
    return xs


def by_optimizer(f: Callable[[Any], Any], x: Any, steps: int) -> list[Any]:
    """The same with `optim.Newton`, in any number of dimensions."""
    p = Tensor(x, requires_grad=True)
    optimizer = optim.Newton([p], modification="none", line_search=None)
    xs = [p.numpy()]
    for _ in range(steps):
        optimizer.step(lambda: f(p))
        xs.append(p.numpy())
    return xs


def valley(x: Any) -> Any:
    """Its minimum is at ln 2."""
    return np.exp(x) - 2 * x


def circular(x: Any) -> Any:
    """f′ = x³ − 2x + 2, so the steps are those of finding a root of that polynomial."""
    return x**4 / 4 - x**2 + 2 * x


def monkey(x: Any) -> Any:
    """A saddle for two legs and a tail."""
    return x[0] ** 3 - 3 * x[0] * x[1] ** 2


def error_ratios() -> list[float]:
    """e₊/e² along the way to the minimum of eˣ − 2x."""
    errors = [x - float(np.log(2)) for x in newton(valley, 2.0, 6)]
    return [after / before**2 for before, after in pairwise(errors) if abs(after) > 1e-13]


def contraction(p: int) -> float:
    """x₊/x for x²ᵖ."""
    return newton(lambda x: x ** (2 * p), 1.0, 1)[1]


def monkey_ratios() -> list[float]:
    """‖x₊‖/‖x‖ on the monkey saddle."""
    sizes = [float(np.linalg.norm(x)) for x in by_optimizer(monkey, [1.0, 0.3], 5)]
    return [after / before for before, after in pairwise(sizes)]


def main() -> None:
    print("eˣ − 2x from 2: the error squares itself, e₊/e² → f‴/2f″ = ½")
    for k, x in enumerate(newton(valley, 2.0, 6)):
        print(f"  {k}  x = {x:.16f}   error {abs(x - np.log(2)):.1e}")
    print("  e₊/e²:", *(f"{r:.4f}" for r in error_ratios()))
    print("a root of x³ − 2x + 2 from 0: it never ends")
    print("  x:", *(f"{x:g}" for x in newton(circular, 0.0, 7)))
    print("x²ᵖ: flat at the minimum, so only a share of the way each step, (2p−2)/(2p−1)")
    for p in (1, 2, 3, 5):
        print(f"  p = {p}: {contraction(p):.6f}   expected {(2 * p - 2) / (2 * p - 1):.6f}")
    print("monkey saddle x³ − 3xy²: straight into the saddle, half the way each step")
    print("  ‖x₊‖/‖x‖:", *(f"{r:.6f}" for r in monkey_ratios()))


if __name__ == "__main__":
    main()
