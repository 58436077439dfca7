"""minigrad, compiled: linearize(compile(grad(f))), compile(hessian(f)), minimize of a compiled function."""

from __future__ import annotations

from typing import Any

import numpy as np

import minigrad as mg
from benchmarks import tasks
from benchmarks.subjects.minigrad_second import loss_of


def build(task: str) -> Any:
    if task.startswith("hv"):
        loss, parameters, v = loss_of(task)
        _, product = mg.linearize(mg.compile(mg.grad(loss)), parameters)
        return lambda: product(v), lambda: product(v)
    if task.startswith("hessian"):
        w, x, y = tasks.small_net()
        H = mg.compile(mg.hessian(lambda w: tasks.small_net_loss(np, w, x, y)))
        return lambda: H(w), lambda: [H(w)]
    from optim import minimize

    f, start = tasks.PROBLEMS[task]()
    run = lambda: minimize(mg.compile(lambda w: f(np, w)), start, method="newton-cg", options={"gtol": 1e-8})  # noqa: E731
    return run, lambda: [run().fun]
