"""Grokking: it learns by heart at once, and understands long afterwards.

A network with one hidden layer and the activation z² learns (a + b) mod p from a part of all pairs:

    scores = V (W [a, b])²

with a and b as one-hot vectors, without biases, by the mean squared error. It knows its own pairs after
dozens of steps, when it is at chance on the others. It comes to know these in a thousand or two more: at this
size not at once, as in larger networks, but step by step. Gromov writes down weights that solve the task:
each neuron is a wave in a and one in b, and in V it has the wave of their sum,

    W: cos(2πka/p + φ),   cos(2πkb/p + ψ)
    V: cos(2πkc/p + φ + ψ)

for the square of a sum of waves holds a wave in a + b. Training finds such waves, slowly; what was learned by
heart has to give way. Decay of the weights drives it out, and from a small start there is less.

The setting is smaller than the published one. Here p = 23, with a width of 128, and 60 % of the 529 pairs are
known in training; Gromov and his co-authors take p = 97 and a width of 500, where a step costs 240 times as
many products, and the trainings of this page half an hour and more instead of half a minute. Started at
N(0, 1/fan_in), AdamW with decay groks and without it stays ignorant. Plain descent groks too, as Gromov
found, from 0.2 of these weights.

So no published step stands beside ours. What is marked "NumPy by hand" was found by writing the training out
in NumPy, from the same weights and pairs. Five draws of these differ by a factor of two; rounding moves the
step of one draw by 50.

Source: A. Gromov 2023, Grokking modular arithmetic, arXiv 2301.02679.
"""

from functools import cache
from typing import Any

import numpy as np

import optim
from examples.shared import Row, curves, steps_until
from minigrad import Tensor, compile

P, HIDDEN, EVERY = 23, 128, 50
SEEDS = range(5)
SOURCE, BY_HAND = "Gromov 2023", "NumPy by hand"
ADAMW = {"lr": 0.005, "betas": (0.9, 0.98)}
METHODS: dict[str, tuple[Any, dict[str, Any], float, int]] = {  # with the scale of the start, and steps
    "AdamW with decay": (optim.AdamW, ADAMW | {"weight_decay": 0.3}, 1.0, 2500),
    "AdamW without decay": (optim.AdamW, ADAMW | {"weight_decay": 0.0}, 1.0, 2500),
    "descent": (optim.SGD, {"lr": 40.0}, 0.2, 2000),
}


@cache
def run(name: str, seed: int = 0, steps: int | None = None) -> tuple[Any, Any]:
    """The accuracy on known pairs and on new ones every `EVERY` steps, as two rows; and W in the end."""
    kind, options, scale, most = METHODS[name]
    a, b = np.divmod(np.arange(P * P), P)
    x, y = np.concatenate([np.eye(P)[a], np.eye(P)[b]], axis=1), (a + b) % P
    rng = np.random.default_rng(seed)
    known, new = np.split(rng.permutation(P * P), [int(0.6 * P * P)])
    W, V = (
        Tensor(scale * rng.normal(size=(n, m)) / np.sqrt(n), requires_grad=True)
        for n, m in ((2 * P, HIDDEN), (HIDDEN, P))
    )
    loss = compile(lambda: np.mean(((x[known] @ W) ** 2 @ V - np.eye(P)[y[known]]) ** 2))
    optimizer, seen = kind([W, V], **options), []
    for step in range(1, (steps or most) + 1):
        optimizer.step(loss.at())
        if step % EVERY == 0:
            right = ((x @ W.data) ** 2 @ V.data).argmax(axis=1) == y
            seen.append((right[known].mean(), right[new].mean()))
    return np.array(seen).T, W.numpy()


def grokked(seed: int) -> int:
    """The step at which AdamW with decay is found to know 95 % of the new pairs."""
    return EVERY * (steps_until(lambda share: share >= 0.95, run("AdamW with decay", seed)[0][1]) + 1)


def wave_share(W: Any) -> float:
    """The share of the strongest wave of each neuron in all that W holds for a."""
    power = np.abs(np.fft.rfft(W[:P], axis=0)) ** 2
    return float(power[1:].max(axis=0).sum() / power.sum())


def written_down() -> float:
    """The accuracy of Gromov's weights, with frequencies and phases drawn at random, on all pairs."""
    rng, n = np.random.default_rng(0), np.arange(P)[:, None]
    k, phi, psi = rng.integers(1, P // 2 + 1, HIDDEN), *rng.uniform(0, 2 * np.pi, (2, HIDDEN))
    waves = [np.cos(2 * np.pi * k * n / P + phase) for phase in (phi, psi, phi + psi)]
    a, b = np.divmod(np.arange(P * P), P)
    scores = (waves[0][a] + waves[1][b]) ** 2 @ waves[2].T
    return float(np.mean(scores.argmax(axis=1) == (a + b) % P))


def numbers() -> list[Row]:
    (decay, W), (without, _), (descent, _) = map(run, METHODS)
    steps = [grokked(seed) for seed in SEEDS]
    return [
        Row("weights written down: all pairs", written_down(), 1, source=SOURCE),
        Row("with decay: known pairs, step 50", decay[0, 0], 1, 0.01, BY_HAND),
        Row("with decay: new pairs, step 50", decay[1, 0], 1 / P, 0.05, "chance"),
        Row("with decay: new pairs in the end", decay[1, -1], 1, 0.01, SOURCE),
        Row("step to 95 % of them, median of 5 seeds", np.median(steps), 1450, 250, BY_HAND),
        Row("share of one wave in each neuron", wave_share(W), 1, 0.2, SOURCE),
        Row("without decay: known pairs, step 50", without[0, 0], 1, 0.01, BY_HAND),
        Row("without decay: how often 95 % of the new", (without[1] >= 0.95).sum(), 0, source=BY_HAND),
        Row("descent: new pairs in the end", descent[1, -1], 1, 0.01, SOURCE),
    ]


def draw(plt: Any) -> Any:
    fig, axes = plt.subplots(1, 3, figsize=(10, 3.3), sharey=True)
    for ax, name in zip(axes, METHODS, strict=True):
        known, new = run(name)[0]
        steps = EVERY * np.arange(1, len(new) + 1)
        curves(ax, {"known pairs": (steps, known), "new pairs": (steps, new)}, title=name, xlabel="step")
    for seed in SEEDS[1:]:
        new = run("AdamW with decay", seed)[0][1]
        axes[0].plot(EVERY * np.arange(1, len(new) + 1), new, color="C1", alpha=0.5, linewidth=0.8)
    axes[0].set_ylabel("accuracy")
    return fig
