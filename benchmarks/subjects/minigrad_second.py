"""minigrad: linearize(grad(f)), hessian(f), minimize(method="newton-cg")."""

from __future__ import annotations

from typing import Any

import numpy as np

import minigrad as mg
from benchmarks import tasks
from models.losses import cross_entropy, mse_loss


def build(task: str) -> Any:
    if task.startswith("hv"):
        net = tasks.task_net(task)
        loss_of = mse_loss if net.loss == "mse" else cross_entropy

        def loss(p: list[Any]) -> Any:
            h: Any = net.x
            for w, b in zip(p[:-2:2], p[1:-2:2], strict=True):
                h = np.tanh(mg.linear(h, w, b))
            return loss_of(mg.linear(h, p[-2], p[-1]), net.target)

        _, product = mg.linearize(mg.grad(loss), net.parameters)
        v = tasks.direction(net)
        return lambda: product(v), lambda: product(v)
    if task.startswith("hessian"):
        w, x, y = tasks.small_net()
        H = mg.hessian(lambda w: tasks.small_net_loss(np, w, x, y))
        return lambda: H(w), lambda: [H(w)]
    from optim import minimize

    f, start = tasks.PROBLEMS[task]()
    run = lambda: minimize(lambda w: f(np, w), start, method="newton-cg", options={"gtol": 1e-8})  # noqa: E731
    return run, lambda: [run().fun]
