"""Adam: the average of the gradients, divided by the root of the average of their squares.

    m ← β₁m + (1 − β₁)g,   v ← β₂v + (1 − β₂)g²,   w ← w − lr·m̂/(√v̂ + ε)

It is the last three topics at once; the picture shows the rule that trains. Where gradients agree, m̂ =
√v̂ and a step is lr. Where they are noise, v̂ is σ² and m̂ keeps the share (1 − β₁)/(1 + β₁) of σ² (topic
7), so a step is lr·√(0.1/1.9) = 0.229 lr: Adam slows down by itself where the slope is unknown.

Late in training v̂ hardly moves, so Adam is an average of gradients in the coordinates √P·w, P = √v̂ + ε.
Its limit is that of topic 2 for the Hessian P^-½ H P^-½: (2 + 2β₁)/((1 − β₁)lr) = 38/lr. A network that
sees all its data in each step drives this curvature up to the limit, and stays there (Cohen et al. 2022).
"""

from typing import Any

import numpy as np

import minigrad
import optim
from examples.lecture.measurements import LR, at_the_edge
from examples.shared import Row, curves, walk
from minigrad import Tensor


def numbers() -> list[Row]:
    steady = walk(optim.Adam, lambda w: 3 * w, 1.0, 1, lr=LR)
    rng, w = np.random.default_rng(0), Tensor(np.zeros(2000), requires_grad=True)
    noisy, places = optim.Adam([w], lr=1.0), []
    for _ in range(200):
        w.grad = rng.normal(size=2000)
        noisy.step()
        places.append(w.numpy())
    size = np.std(places[-1] - places[-2])
    rows = [
        Row("gradients agree: step ÷ lr", (steady[0] - steady[1]) / LR, 1, 1e-6),
        Row("gradients are noise: size of a step ÷ lr", size, np.sqrt(0.1 / 1.9), 0.01),
    ]
    for beta in (0.5, 0.9):
        end, most = np.median(at_the_edge(beta)["sharpness"][12:]), (2 + 2 * beta) / (1 - beta)
        rows.append(Row(f"lr·sharpness in the end, β₁ = {beta}", end, most, 0.05 * most))
    return rows


def draw(plt: Any) -> Any:
    fig, ((rule, slopes), (steps, edge)) = plt.subplots(2, 2, figsize=(9, 5.6), width_ratios=(1.25, 1))
    tree = str(minigrad.draw(optim.Adam([Tensor([0.0], requires_grad=True, name="w")], lr=LR)))
    rule.text(-0.1, 1, tree, family="monospace", fontsize=8.5, va="top")
    rule.axis("off")
    seen, t, k = at_the_edge(0.9), 20 * np.arange(125), 100 * np.arange(1, 26)
    lines = {"g": (t, seen["g"]), "m̂": (t, seen["m_hat"]), "√v̂": (t, np.sqrt(seen["v_hat"]))}
    curves(slopes, lines, title="the slope of one weight of a network", xlabel="step")
    steps.plot(t, np.array(seen["step"]) / LR)
    steps.set(title="its step ÷ lr: 1 at first, then far less", xlabel="step")
    edges = {f"β₁ = {beta}": (k, at_the_edge(beta)["sharpness"]) for beta in (0.9, 0.5)}
    curves(edge, edges, title="lr · sharpness: 38 and 6", xlabel="step", ylim=(0, 45))
    edge.hlines([38, 6], 0, 2500, color="grey", linestyle=":")
    return fig
