"""What the topics of the lecture share: a row of their tables, a walk of an optimizer, the search for a
limit.

The rules of first-order optimizers treat each coordinate by itself, so a walk on a sum over coordinates
is many walks at once, one from each start.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

import optim
from minigrad import Tensor, compile


class Row(NamedTuple):
    """One number of the lecture: it holds if |measured − predicted| ≤ tolerance."""

    what: str
    measured: Any  # a number of Python or NumPy
    predicted: Any
    tolerance: float = 0.0

    @property
    def holds(self) -> bool:
        return bool(abs(self.measured - self.predicted) <= self.tolerance)


def table(rows: list[Row]) -> str:
    """The rows as text, with one number below the other."""
    width = max(len(row.what) for row in rows)
    lines = [f"{'':{width}}    measured   predicted   tolerance"]
    for what, *numbers in rows:
        lines.append(f"{what:{width}}" + "".join(f"{number:12.5g}" for number in numbers))
    return "\n".join(lines)


def walk(kind: Any, f: Callable[[Any], Any], start: Any, steps: int, **options: Any) -> Any:
    """The points x₀, x₁, … of `kind([x], **options)` on f, as an array (steps + 1, *shape of x)."""
    x = Tensor(np.array(start, float), requires_grad=True)
    optimizer, loss, points = kind([x], **options), compile(lambda: f(x)), [x.numpy()]
    for _ in range(steps):
        optimizer.step(loss.at())
        points.append(x.numpy())
    return np.array(points)


def newton(f: Callable[[Any], Any], start: Any, steps: int, modification: str = "none") -> Any:
    """The points of Newton's method with whole steps, as `walk` gives them."""
    return walk(optim.Newton, f, start, steps, modification=modification, line_search=None)


def contours(
    ax: Any, f: Callable[[Any], Any], x: tuple[float, float], y: tuple[float, float], levels: Any
) -> None:
    """Grey lines of equal f([x, y]) behind a path; f takes arrays (2, …)."""
    xs, ys = np.linspace(*x, 200), np.linspace(*y, 200)
    ax.contour(xs, ys, f(np.array(np.meshgrid(xs, ys))), levels=levels, colors="grey", linewidths=0.7)


def curves(ax: Any, lines: dict[str, Any], style: str = "-", **settings: Any) -> None:
    """Lines with names: each is y, or (x, y)."""
    for label, line in lines.items():
        ax.plot(*(line if isinstance(line, tuple) else (line,)), style, label=label)
    ax.legend()
    ax.set(**settings)


def steps_until(reached: Callable[[Any], Any], points: Any) -> int:
    """The number of steps of a walk before a point is `reached`. Raises if none is."""
    for step, point in enumerate(points):
        if reached(point):
            return step
    raise ValueError(f"no point of {len(points)} is reached: take more steps")


def limit(works: Callable[[float], bool], low: float, high: float, halvings: int = 24) -> float:
    """The number between `low`, which works, and `high`, which does not, from which on it no longer works."""
    for _ in range(halvings):
        middle = (low + high) / 2
        low, high = (middle, high) if works(middle) else (low, middle)
    return low
