"""The learning rate: a little above the limit 2/λmax everything is lost.

Along an eigenvector of H with eigenvalue λ, a step of gradient descent multiplies the error by 1 − ηλ. It
shrinks while |1 − ηλ| < 1, so the largest eigenvalue sets the limit η < 2/λmax. With the heavy ball the
error obeys e₊ = (1 + μ − ηλ)e − μe₋, and a root of z² − (1 + μ − ηλ)z + μ reaches −1 where ηλ = 2 + 2μ.
An average of gradients is the heavy ball with η(1 − β), so its limit is (2 + 2β)/((1 − β)λ).

The limits below were found by trying rates, with no knowledge of H: does the loss still fall at the end?
λmax is that of `optim.sharpness`, which needs products with H only.
"""

from typing import Any

import numpy as np

import optim
from examples.shared import Row, limit, walk

H = np.array([[6.0, 2.0, 0.0], [2.0, 4.0, 1.0], [0.0, 1.0, 1.0]])
KINDS: dict[str, tuple[Any, dict[str, float], float]] = {  # the limit times λmax
    "gradient descent": (optim.SGD, {}, 2.0),
    "heavy ball, μ = 0.5": (optim.SGD, {"momentum": 0.5}, 3.0),
    "average, β = 0.5": (optim.Momentum, {"beta": 0.5}, 6.0),
}


def losses(kind: Any, lr: float, steps: int = 200, **options: Any) -> Any:
    w = walk(kind, lambda w: 0.5 * (w @ H @ w), [1.0, 1.0, 1.0], steps, lr=lr, **options)
    return 0.5 * np.einsum("ti,ij,tj->t", w, H, w)


def falls(kind: Any, lr: float, options: dict[str, Any]) -> bool:
    last = losses(kind, lr, **options)[-20:]
    return bool(last[10:].max() < last[:10].max())


def numbers() -> list[Row]:
    top = float(optim.sharpness(lambda w: 0.5 * (w @ H @ w), np.zeros(3)))
    rows = [Row("λmax", top, np.linalg.eigvalsh(H)[-1], 1e-6)]
    for name, (kind, options, share) in KINDS.items():
        found = limit(lambda lr, k=kind, o=options: falls(k, lr, o), 1 / top, 8 / top, 14)
        rows.append(Row(f"{name}: limit of η", found, share / top, 1e-3))
    growth = losses(optim.SGD, 2.02 / top)[-2:]
    return [*rows, Row("1 % above it: growth per step", (growth[1] / growth[0]) ** 0.5, 1.02, 1e-3)]


def draw(plt: Any) -> Any:
    fig, ax = plt.subplots(figsize=(7, 3.6))
    top = np.linalg.eigvalsh(H)[-1]
    for share, style in ((0.2, ":"), (1.0, "-"), (1.9, "-"), (1.99, "--"), (2.02, "-"), (2.2, "-")):
        ax.semilogy(losses(optim.SGD, share / top, 100), style, label=f"η = {share:g}/λmax")
    ax.set(title="on this side of 2/λmax it converges, beyond it explodes", xlabel="step", ylabel="f")
    ax.set_ylim(1e-9, 1e9)
    ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return fig
