"""What the topics of the lecture and the gallery share: a row of their tables, a walk of an optimizer, the
search for a limit.

The rules of first-order optimizers treat each coordinate by itself, so a walk on a sum over coordinates
is many walks at once, one from each start.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

import optim
from minigrad import Tensor, compile


class Row(NamedTuple):
    """One number of a topic: it holds if |measured − expected| ≤ tolerance.

    source: where the expected one comes from. reason: why the number is known not to hold; it is shown as
    such."""

    what: str
    measured: Any  # a number of Python or NumPy
    expected: Any
    tolerance: float = 0.0
    source: str = ""
    reason: str = ""

    @property
    def holds(self) -> bool:
        return bool(abs(self.measured - self.expected) <= self.tolerance)

    @property
    def as_known(self) -> bool:
        """Whether it holds; or does not, and the reason is given."""
        return self.holds is not bool(self.reason)

    @property
    def cells(self) -> list[str]:
        """As text, with as many digits as the tolerance asks for, and at least six."""
        digits = 6
        if self.tolerance and self.expected:
            digits = max(digits, round(math.log10(abs(self.expected) / self.tolerance)) + 1)
        numbers = (f"{x:.{digits}g}" for x in (self.measured, self.expected))
        return [self.what, *numbers, f"{self.tolerance:.3g}", self.source]


def cells(rows: list[Row], beside: str) -> list[list[str]]:
    """The rows as text below their heading; without the last column if no row has a source."""
    lines = [["", "measured", beside, "tolerance", "source"], *(row.cells for row in rows)]
    return lines if any(row.source for row in rows) else [line[:-1] for line in lines]


def table(rows: list[Row], beside: str) -> str:
    """The rows as text, with one number below the other."""
    lines = cells(rows, beside)
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    text = []
    for what, *numbers in lines:
        columns = [cell.rjust(width) for cell, width in zip(numbers[:3], widths[1:4], strict=True)]
        text.append("   ".join([what.ljust(widths[0]), *columns, *numbers[3:]]).rstrip())
    return "\n".join([*text, *differing(rows)])


def differing(rows: list[Row]) -> list[str]:
    """The reasons of those that are known not to hold."""
    return [f"{row.what}: {row.reason}" for row in rows if row.reason]


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
