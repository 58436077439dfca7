"""HIPS autograd: make_hvp, hessian, and scipy's trust-ncg fed by it."""

from __future__ import annotations

from typing import Any

import autograd.numpy as anp
from autograd import grad, hessian
from autograd.differential_operators import make_hvp

from benchmarks import tasks


def build(task: str) -> Any:
    if task.startswith("hv"):
        net = tasks.task_net(task)

        def loss(p: list[Any]) -> Any:
            h = net.x
            for w, b in zip(p[:-2:2], p[1:-2:2], strict=True):
                h = anp.tanh(anp.dot(h, w) + b)
            z = anp.dot(h, p[-2]) + p[-1]
            if net.loss == "mse":
                return anp.mean((z - net.target) ** 2)
            top = anp.max(z, axis=1)
            logs = anp.log(anp.sum(anp.exp(z - top[:, None]), axis=1)) + top
            return anp.mean(logs - z[anp.arange(net.batch), net.target])

        product, v = make_hvp(loss)(net.parameters)[0], tasks.direction(net)
        return lambda: product(v), lambda: product(v)
    if task.startswith("hessian"):
        w, x, y = tasks.small_net()
        H = hessian(lambda w: tasks.small_net_loss(anp, w, x, y))
        return lambda: H(w), lambda: [H(w)]
    from scipy.optimize import minimize

    loss_of, start = tasks.PROBLEMS[task]()
    f = lambda w: loss_of(anp, w)  # noqa: E731
    gradient = grad(f)
    size = float(abs(gradient(start)).max())

    def hessp(w: Any, v: Any) -> Any:
        return make_hvp(f)(w)[0](v)

    def run() -> Any:
        # scipy stops at ‖g‖₂, which is at least ‖g‖∞: with the same number it may do one iteration more,
        # never a looser job
        return minimize(
            f, start, jac=gradient, hessp=hessp, method="trust-ncg", options={"gtol": 1e-8 * size}
        )

    return run, lambda: [run().fun]
