"""Local minima: descent ends in the valley of its start; a ball may roll on into the next.

    f = ¼x⁴ − ½x² − 0.15x,   a hill between two minima, the right one deeper

Small steps of gradient descent never cross a point with slope 0, so the top of the hill, a root of f′,
parts its starts. The heavy ball x″ = −c x′ − f′ with c = (1 − μ)/√η and √η as the time of a step keeps f
+ ½x′², but for friction. From rest at a it gets over the top b if f(a) − f(b) exceeds what friction
takes, c∫|x′|dx ≈ c∫√(2(f(a) − f(x)))dx from a to b. Where both are equal lies the limit of its starts.
"""

from typing import Any

import numpy as np

import optim
from examples.shared import Row, limit, walk

KINDS: dict[str, dict[str, float]] = {"descent": {"lr": 0.05}, "ball": {"lr": 1e-3, "momentum": 0.999}}
TOP = float(np.sort(np.roots([1, 0, -1, -0.15]).real)[1])


def hill(x: Any) -> Any:
    return x**4 / 4 - x**2 / 2 - 0.15 * x


def ends(starts: Any, name: str) -> Any:
    """The side of the hill on which the walk from each start has come to rest: −1 or 1."""
    return np.sign(walk(optim.SGD, lambda x: np.sum(hill(x)), starts, 3000, **KINDS[name])[-1] - TOP)


def left_over(a: float) -> float:
    """What is left of f(a) − f(b) after friction."""
    x = np.linspace(a, TOP, 4001)
    taken = 1e-3 / np.sqrt(1e-3) * np.sum(np.sqrt(2 * np.maximum(hill(a) - hill(x), 0))) * (x[1] - x[0])
    return float(hill(a) - hill(TOP) - taken)


def numbers() -> list[Row]:
    near, far = np.linspace(-0.3, 0, 301), np.linspace(-1.36, -1.2, 161)
    over, friction = far[ends(far, "ball") > 0].max(), limit(lambda a: left_over(a) > 0, -1.36, -1.2)
    return [
        Row("descent: limit of the starts", near[ends(near, "descent") > 0].min(), TOP, 1.01e-3),
        Row("ball: limit of the starts", over, friction, 5e-3),
    ]


def draw(plt: Any) -> Any:
    fig, ax = plt.subplots(figsize=(7, 3.6))
    x = np.linspace(-1.75, 1.75, 561)
    ax.plot(x, hill(x), color="grey")
    for name, y in (("descent", -0.6), ("ball", -0.75)):
        ax.scatter(x, 0 * x + y, c=np.where(ends(x, name) < 0, "C1", "C0"), marker="|", s=90)
    ax.set(title="where each start ends: left or right", xlabel="start", ylim=(-0.9, 0.7))
    ax.set_yticks([-0.6, -0.75], KINDS)
    return fig
