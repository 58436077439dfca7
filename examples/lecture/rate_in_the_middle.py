"""A rate changed in mid-course: outside the velocity it acts at once, inside only slowly.

    outside:  b ← μb + g,      w ← w − lr·b        PyTorch, and minigrad: `SGD`, `Momentum` and all others
    inside:   v ← μv − lr·g,   w ← w + v           Polyak; Sutskever et al. 2013; Keras

At a constant rate both walk alike. Let the rate fall to lr′ under a constant gradient, where b = g/(1 −
μ). Outside, the next step is lr′/lr of the last. Inside, k steps after the change a step is still (lr′ +
(lr − lr′)μᵏ)/lr of the last old one. In sum it goes further by (lr − lr′)g·(μ + μ² + …)/(1 − μ) = (lr −
lr′)g·μ/(1 − μ)².
"""

from typing import Any

import numpy as np

import optim
from examples.shared import Row, curves
from minigrad import Tensor

MU, CHANGE, LR = 0.9, 300, (0.1, 0.01)


class Inside(optim.FirstOrder):  # the heavy ball with its rate inside the velocity
    state_names = ("v",)

    @staticmethod
    def rule(w: Any, g: Any, v: Any, *, t: int, lr: float, momentum: float) -> dict[str, Any]:
        return {"w": w + momentum * v - lr * g, "v": momentum * v - lr * g}


def steps(kind: Any, **options: float) -> Any:
    """The lengths of 600 steps under the gradient 1; the rate changes before step `CHANGE`."""
    w, places = Tensor(0.0, requires_grad=True), [0.0]
    optimizer = kind([w], lr=LR[0], **options)
    for t in range(600):
        optimizer.param_groups[0]["lr"] = LR[t >= CHANGE]
        optimizer.step(lambda: 1.0 * w)
        places.append(w.item())
    return -np.diff(places)


def numbers() -> list[Row]:
    ours, inside = steps(optim.SGD, momentum=MU), steps(Inside, momentum=MU)
    mean, law = steps(optim.Momentum, beta=MU), (LR[1] + (LR[0] - LR[1]) * MU ** np.arange(20)) / LR[0]
    return [
        Row("before the change: outside − inside", np.abs(ours - inside)[:CHANGE].max(), 0, 1e-12),
        Row("SGD: first new step ÷ last old one", ours[CHANGE] / ours[CHANGE - 1], LR[1] / LR[0], 1e-9),
        Row("Momentum: the same", mean[CHANGE] / mean[CHANGE - 1], LR[1] / LR[0], 1e-9),
        Row("inside: the same", inside[CHANGE] / inside[CHANGE - 1], law[1], 1e-9),
        Row("inside: tenth new step ÷ last old one", inside[CHANGE + 9] / inside[CHANGE - 1], law[10], 1e-9),
        Row("inside goes further by", inside.sum() - ours.sum(), (LR[0] - LR[1]) * MU / (1 - MU) ** 2, 1e-9),
    ]


def draw(plt: Any) -> Any:
    fig, ax = plt.subplots(figsize=(7, 3.2))
    lines = {kind.__name__: steps(kind, momentum=MU) for kind in (optim.SGD, Inside)}
    curves(ax, lines, ".-", title="length of a step ÷ the old one", xlabel="step", xlim=(280, 360))
    return fig
