"""minigrad: linearize(grad(f)), hessian(f), minimize(method="newton-cg")."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import minigrad as mg
from benchmarks import tasks
from models.losses import cross_entropy, mse_loss


def loss_of(task: str) -> tuple[Callable[..., Any], list[Any], list[Any]]:
    """The loss of the task's net, its parameters, and a direction."""
    net = tasks.task_net(task)
    measure = mse_loss if net.loss == "mse" else cross_entropy

    def loss(p: list[Any]) -> Any:
        h: Any = net.x
        for w, b in zip(p[:-2:2], p[1:-2:2], strict=True):
            h = np.tanh(mg.linear(h, w, b))
        return measure(mg.linear(h, p[-2], p[-1]), net.target)

    return loss, net.parameters, tasks.direction(net)


def build(task: str) -> Any:
    if task.startswith("hv"):
        loss, parameters, v = loss_of(task)
        _, product = mg.linearize(mg.grad(loss), parameters)
        return lambda: product(v), lambda: product(v)
    if task.startswith("hessian"):
        w, x, y = tasks.small_net()
        H = mg.hessian(lambda w: tasks.small_net_loss(np, w, x, y))
        return lambda: H(w), lambda: [H(w)]
    from optim import minimize

    f, start = tasks.PROBLEMS[task]()
    run = lambda: minimize(lambda w: f(np, w), start, method="newton-cg", options={"gtol": 1e-8})  # noqa: E731
    return run, lambda: [run().fun]
