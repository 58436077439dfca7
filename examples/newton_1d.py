"""Newton's method in one dimension, x ← x − f′/f″: how it converges, and three ways in which it disappoints.

Near a minimum where f curves upwards, the number of right digits doubles with each step. But the method only
solves f′ = 0 with tangents: it can run in circles, it is slow where f is flat, and saddle points attract it
as minima do.

    python -m examples.newton_1d            the numbers, and a picture in runs/newton_1d
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

import optim
from examples import plotting
from examples.command import folder, parser
from minigrad import Tensor, grad


def newton(f: Callable[[Any], Any], x: float, steps: int) -> list[float]:
    """x₀, x₁, … of x ← x − f′(x)/f″(x)."""
    first, second = grad(f), grad(grad(f))
    xs = [x]
    for _ in range(steps):
        xs.append(float(xs[-1] - first(xs[-1]) / second(xs[-1])))
    return xs


def by_optimizer(f: Callable[[Any], Any], x: Any, steps: int) -> list[Any]:
    """The same iteration by `optim.Newton`, in any number of dimensions."""
    p = Tensor(x, requires_grad=True)
    optimizer = optim.Newton([p], modification="none", line_search=None)
    xs = [p.numpy()]
    for _ in range(steps):
        optimizer.step(lambda: f(p))
        xs.append(p.numpy())
    return xs


def valley(x: Any) -> Any:
    """eˣ − 2x, with its minimum at ln 2."""
    return np.exp(x) - 2 * x


def circular(x: Any) -> Any:
    """f with f′ = x³ − 2x + 2: Newton's steps to its minimum are those to a root of that polynomial."""
    return x**4 / 4 - x**2 + 2 * x


def monkey(x: Any) -> Any:
    """The monkey saddle x³ − 3xy², with valleys for two legs and a tail."""
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


def picture(plt: Any) -> Any:
    """Four panels: doubling of digits, the cycle, flat minima, the monkey saddle."""
    blue, red, green = (f"C{i}" for i in range(3))
    ink = plt.rcParams["text.color"]
    fig, axes = plt.subplots(2, 2, figsize=(10, 8))
    (fast, circle), (flat, saddle) = axes

    errors = [abs(x - np.log(2)) for x in newton(valley, 2.0, 5)]
    fast.semilogy(errors, "-o", color=blue)
    for k in (3, 4, 5):
        fast.annotate(
            f"{errors[k]:.0e}",
            (k, errors[k]),
            xytext=(-8, -4),
            textcoords="offset points",
            ha="right",
            fontsize=9,
        )
    fast.set(title="eˣ − 2x: the error squares itself", xlabel="step", ylabel="error", xticks=range(6))

    x = np.linspace(-0.45, 1.45, 200)
    slope = grad(lambda x: circular(x).sum())
    circle.axhline(0, color="grey", linewidth=0.8)
    circle.plot(x, slope(x), color=blue)
    for start, end in ((0.0, 1.0), (1.0, 0.0)):
        height = float(slope(np.array(start)))
        circle.plot([start, start], [0, height], ":", color="grey")
        circle.annotate(
            "",
            (end, 0),
            (start, height),
            arrowprops={"arrowstyle": "-|>", "color": red, "shrinkA": 0, "shrinkB": 0},
        )
        circle.plot(start, height, "o", color=red)
    circle.text(-0.03, 1.15, "the tangent at 0\nleads to 1", color=red, fontsize=9, ha="right")
    circle.text(1.02, 0.45, "the tangent at 1\nleads to 0", color=red, fontsize=9)
    circle.set(
        title="x⁴/4 − x² + 2x: tangents of f′ lead in a circle",
        xlabel="x",
        ylabel="f′",
        xticks=[0, 1],
        ylim=(-0.35, 2.5),
    )

    for p, name, colour in ((2, "x⁴", blue), (3, "x⁶", red), (5, "x¹⁰", green)):
        xs = newton(lambda x, p=p: x ** (2 * p), 1.0, 30)
        flat.semilogy(xs, color=colour)
        flat.annotate(
            f"{name}: × {contraction(p):.3f}",
            (30, xs[-1]),
            xytext=(5, -3),
            textcoords="offset points",
            color=colour,
            fontsize=9,
        )
    flat.set(title="flat minima: each step goes a constant share", xlabel="step", ylabel="x", xlim=(0, 39))

    side = np.linspace(-1.15, 1.15, 300)
    f = monkey(np.stack(np.meshgrid(side, side)))
    levels = np.linspace(-2, 2, 17)
    saddle.contourf(side, side, f, levels=levels, cmap="RdBu_r", alpha=0.45, extend="both")
    saddle.contour(side, side, f, levels=levels, colors="white", linewidths=0.6)
    for angle in np.radians([17, 77, 137, 197, 257, 317]):
        points = np.array(by_optimizer(monkey, [np.cos(angle), np.sin(angle)], 6))
        saddle.plot(*points.T, "-o", color=ink, markersize=4, linewidth=1.2)
    saddle.set(
        title="monkey saddle: each step goes half the way in",
        xlabel="x",
        ylabel="y",
        aspect="equal",
        xticks=[-1, 0, 1],
        yticks=[-1, 0, 1],
    )
    return fig


def main(arguments: Sequence[str] | None = None) -> None:
    command = parser("examples.newton_1d", __doc__)
    command.add_argument("--out", type=folder, default="runs/newton_1d", help="folder for the picture")
    options = command.parse_args(arguments)
    print("eˣ − 2x from 2: the error squares itself, e₊/e² → f‴/2f″ = ½")
    for k, x in enumerate(newton(valley, 2.0, 6)):
        print(f"  {k}  x = {x:.16f}   error {abs(x - np.log(2)):.1e}")
    print("  e₊/e²:", *(f"{r:.4f}" for r in error_ratios()))
    print("a root of x³ − 2x + 2 from 0: the steps go round and round")
    print("  x:", *(f"{x:g}" for x in newton(circular, 0.0, 7)))
    print("x²ᵖ is flat at its minimum, so each step only multiplies x by (2p−2)/(2p−1)")
    for p in (1, 2, 3, 5):
        print(f"  p = {p}: {contraction(p):.6f}   expected {(2 * p - 2) / (2 * p - 1):.6f}")
    print("monkey saddle x³ − 3xy²: each step goes half the way into the saddle")
    print("  ‖x₊‖/‖x‖:", *(f"{r:.6f}" for r in monkey_ratios()))
    try:
        plotting.save(picture(plotting.pyplot()), options.out / "newton.png")
    except ImportError:
        print(plotting.MISSING)


if __name__ == "__main__":
    main()
