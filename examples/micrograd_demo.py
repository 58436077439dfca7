"""micrograd's demo with the same numbers: two moons, an MLP of 2-16-16-1 with ReLU, a max-margin loss,
gradient descent.

Andrej Karpathy's micrograd trains this network one scalar at a time; here it is trained on whole arrays. The
gradients are the same, so the printed losses agree with micrograd's to 1e-13.

    python -m examples.micrograd_demo
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import Any

import numpy as np

from examples.command import parser
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


def train(steps: int = 100) -> list[tuple[float, int]]:
    """(loss, accuracy in %) before each step."""
    x, y = two_moons(100, 0.1, seed=1337)
    model = start(seed=1337)
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


def main(arguments: Sequence[str] | None = None) -> None:
    parser("examples.micrograd_demo", __doc__).parse_args(arguments)
    trace = train()
    print("step   loss                  accuracy   difference from the published loss")
    for step, (loss, _) in PUBLISHED.items():
        mine, right = trace[step]
        print(f"{step:4d}   {mine:<20.17f}  {right:3d} %      {mine - loss:+.1e}")


if __name__ == "__main__":
    main()
