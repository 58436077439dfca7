"""The problems of `benchmarks.second_order`: equal data in every process, losses for any `np`-like module."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.nets import Net, net

SMALL = (1, 30, 20, 1)


def direction(of: Net) -> list[Any]:
    """One direction in the space of the parameters, float32."""
    rng = np.random.default_rng(1)
    return [rng.standard_normal(p.shape).astype(np.float32) for p in of.parameters]


def small_net() -> tuple[Any, Any, Any]:
    """(weights as one float64 vector, x, T₆(x)) of the net on which the edge of stability is studied."""
    rng = np.random.default_rng(0)
    parts = [
        rng.standard_normal(n * m) / np.sqrt(n) if m else np.zeros(n)
        for n, m in ((1, 30), (30, 0), (30, 20), (20, 0), (20, 1), (1, 0))
    ]
    x = np.linspace(-1, 1, 20)[:, None]
    return np.concatenate(parts), x, np.cos(6 * np.arccos(x))


def small_net_loss(np_: Any, w: Any, x: Any, y: Any) -> Any:
    h = np_.tanh(x @ w[:30].reshape(1, 30) + w[30:60])
    h = np_.tanh(h @ w[60:660].reshape(30, 20) + w[660:680])
    d = h @ w[680:700].reshape(20, 1) + w[700:] - y
    return 0.5 * np_.mean(d * d)


def logistic() -> tuple[Callable[[Any, Any], Any], Any]:
    """ℓ₂-regularised logistic regression: (loss(np, w), w₀)."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((2000, 100))
    y = np.where(X @ rng.standard_normal(100) + rng.standard_normal(2000) > 0, 1.0, -1.0)
    yX = y[:, None] * X
    return lambda np_, w: np_.mean(np_.logaddexp(0.0, -(yX @ w))) + 1e-3 * np_.sum(w * w), np.zeros(100)


def small_mlp() -> tuple[Callable[[Any, Any], Any], Any]:
    """Regression with a tanh MLP of 2-10-1 and weight decay: (loss(np, w), w₀)."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((200, 2))
    t = np.sin(2 * x[:, :1]) * np.cos(x[:, 1:])

    def loss(np_: Any, w: Any) -> Any:
        h = np_.tanh(x @ w[:20].reshape(2, 10) + w[20:30])
        d = h @ w[30:40].reshape(10, 1) + w[40:] - t
        return np_.mean(d * d) + 1e-4 * np_.sum(w * w)

    return loss, 0.5 * rng.standard_normal(41)


PROBLEMS = {"newton-cg logistic": logistic, "newton-cg mlp": small_mlp}


def task_net(task: str) -> Net:
    return net(task.split()[1])
