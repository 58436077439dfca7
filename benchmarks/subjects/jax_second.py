"""JAX: jit of the linear part of linearize(grad)."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from benchmarks import tasks


def build(task: str) -> Any:
    if task.startswith("newton"):
        return None
    if task.startswith("hessian"):
        jax.config.update("jax_enable_x64", True)
        w, x, y = tasks.small_net()
        H = jax.jit(jax.hessian(lambda w: tasks.small_net_loss(jnp, w, x, y)))
        return lambda: H(w).block_until_ready(), lambda: [H(w)]
    jax.config.update("jax_enable_x64", False)
    net = tasks.task_net(task)
    x, target = jnp.array(net.x), jnp.array(net.target)

    def loss(p: list[Any]) -> Any:
        h = x
        for w, b in zip(p[:-2:2], p[1:-2:2], strict=True):
            h = jnp.tanh(h @ w + b)
        z = h @ p[-2] + p[-1]
        if net.loss == "mse":
            return jnp.mean((z - target) ** 2)
        return jnp.mean(jax.nn.logsumexp(z, axis=1) - jnp.take_along_axis(z, target[:, None], axis=1)[:, 0])

    _, linear = jax.linearize(jax.grad(loss), [jnp.array(p) for p in net.parameters])
    product = jax.jit(linear)
    v = [jnp.array(a) for a in tasks.direction(net)]
    return lambda: jax.block_until_ready(product(v)), lambda: product(v)
