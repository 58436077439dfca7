"""micrograd's demo with the same numbers: two moons, an MLP of 2-16-16-1 with ReLU, a max-margin loss,
gradient descent.

Andrej Karpathy's micrograd trains this network one scalar at a time; here it is trained on whole arrays. The
gradients are the same, so the printed losses agree with micrograd's to 1e-13.

    python -m examples.micrograd_demo         the losses, and the moons told apart in runs/micrograd/moons.png
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import Any

import numpy as np

from examples import plotting
from examples.command import folder, parser
from minigrad import Tensor
from models import MLP, hinge_loss

PUBLISHED = {  # step: (loss, accuracy in %), as micrograd's own notebook computes them
    0: (0.8958441028683222, 50), 1: (1.7235905336972022, 81), 10: (0.24507023853658053, 91),
    50: (0.09875114765619622, 96), 90: (0.010984458327280174, 100), 99: (0.010978370135492717, 100),
}  # fmt: skip


def two_moons(n: int, noise: float, seed: int) -> tuple[Any, Any]:
    """The moons as scikit-learn draws them from NumPy's older generator: first shuffled, then noisy."""
    rng = np.random.RandomState(seed)  # the published numbers were drawn from this generator
    t = np.linspace(0, math.pi, n // 2)
    x = np.concatenate(
        [np.stack([np.cos(t), np.sin(t)], 1), np.stack([1 - np.cos(t), 1 - np.sin(t) - 0.5], 1)]
    )
    y = np.repeat([-1, 1], n // 2)
    order = np.arange(n)
    rng.shuffle(order)
    return x[order] + rng.normal(scale=noise, size=x.shape), y[order]


def start(seed: int) -> MLP:
    """The network with weights from U(−1, 1) and biases 0.

    As in micrograd, the weights are drawn neuron by neuron from Python's generator.
    """
    random.seed(seed)
    model = MLP((2, 16, 16, 1), "relu")
    for layer in model.layers:
        layer.weight.assign(
            np.array([[random.uniform(-1, 1) for _ in range(layer.n_in)] for _ in range(layer.n_out)]).T
        )
    return model


def train(steps: int = 100, model: MLP | None = None) -> list[tuple[float, int]]:
    """(loss, accuracy in %) before each step of the model, by default that of `start`."""
    x, y = two_moons(100, 0.1, seed=1337)
    model = model or start(seed=1337)
    trace = []
    for k in range(steps):
        scores = model(x)[:, 0]
        loss: Tensor = hinge_loss(scores, y) + 1e-4 * sum((p * p).sum() for p in model.parameters())
        model.zero_grad()
        loss.backward()
        for p in model.parameters():
            p.data -= (1.0 - 0.9 * k / 100) * p.grad
        trace.append((loss.item(), int(np.sum((scores.data > 0) == (y > 0)))))
    return trace


def picture(plt: Any, model: MLP, trace: list[tuple[float, int]]) -> Any:
    ink = plt.rcParams["text.color"]
    x, y = two_moons(100, 0.1, seed=1337)
    across, up = np.linspace(-1.6, 2.6, 240), np.linspace(-1.2, 1.7, 200)
    grid = np.stack(np.meshgrid(across, up), axis=-1)
    scores = model(grid.reshape(-1, 2)).numpy().reshape(grid.shape[:2])
    fig, (left, right) = plt.subplots(1, 2, figsize=(10, 4.2))
    left.semilogy([loss for loss, _ in trace])
    left.set(xlabel="step", title="loss")
    colours = plotting.COLOURS[1::-1]  # of the class −1, and of 1
    right.contourf(across, up, scores, levels=[-np.inf, 0, np.inf], colors=colours, alpha=0.2)
    right.contour(across, up, scores, levels=[0], colors=ink, linewidths=1.2)
    right.contour(across, up, scores, levels=[-1, 1], colors="grey", linewidths=0.8, linestyles="--")
    for sign, colour in zip((-1, 1), colours, strict=True):
        right.plot(
            *x[y == sign].T,
            "o",
            color=colour,
            markersize=4.5,
            markeredgecolor="white",
            label=f"{sign:+d}".replace("-", "−"),
        )
    right.set(
        title="where the score is 0 (solid) and ±1 (the margins)", xticks=[-1, 0, 1, 2], yticks=[-1, 0, 1]
    )
    fig.legend(*right.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return fig


def main(arguments: Sequence[str] | None = None) -> None:
    command = parser("examples.micrograd_demo", __doc__)
    command.add_argument("--out", type=folder, default="runs/micrograd", help="folder for the picture")
    args = command.parse_args(arguments)
    model = start(seed=1337)
    trace = train(model=model)
    print("step   loss                  accuracy   difference from the published loss")
    for step, (loss, _) in PUBLISHED.items():
        mine, right = trace[step]
        print(f"{step:4d}   {mine:<20.17f}  {right:3d} %      {mine - loss:+.1e}")
    try:
        plotting.save(picture(plotting.pyplot(), model, trace), args.out / "moons.png")
    except ImportError:
        print(plotting.MISSING)


if __name__ == "__main__":
    main()
