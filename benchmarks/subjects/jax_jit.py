"""JAX: jit(value_and_grad), and a jitted step with Adam written out and its state donated, so that it works
in place.

Parameters stay a list of arrays: as one flat vector they made the large nets three to six times slower.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from benchmarks.nets import Net
from benchmarks.subjects import Subject


def build(net: Net, lr: float) -> Subject:
    x, target = jnp.array(net.x), jnp.array(net.target)
    parameters = [jnp.array(p) for p in net.parameters]

    def loss_of(parameters: list[Any], x: Any, target: Any) -> Any:
        h = x
        for w, b in zip(parameters[:-2:2], parameters[1:-2:2]):
            h = jnp.tanh(h @ w + b)
        z = h @ parameters[-2] + parameters[-1]
        if net.loss == "mse":
            return jnp.mean((z - target) ** 2)
        return jnp.mean(jax.nn.logsumexp(z, axis=1) - jnp.take_along_axis(z, target[:, None], axis=1)[:, 0])

    def adam(state: Any, x: Any, target: Any) -> Any:
        w, m, v, k = state
        loss, g = jax.value_and_grad(loss_of)(w, x, target)
        k = k + 1
        m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, m, g)
        v = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, v, g)
        rate, unbias = lr / (1 - 0.9**k), 1 / (1 - 0.999**k)
        w = jax.tree.map(lambda w, m, v: w - rate * m / (jnp.sqrt(v * unbias) + 1e-8), w, m, v)
        return loss, (w, m, v, k)

    both, jitted = jax.jit(jax.value_and_grad(loss_of)), jax.jit(adam, donate_argnums=0)
    zeros = [jnp.zeros_like(p) for p in parameters]
    state: Any = ([p.copy() for p in parameters], zeros, [z.copy() for z in zeros], jnp.float32(0))

    def gradient() -> Any:
        return jax.block_until_ready(both(parameters, x, target))

    def step() -> Any:
        nonlocal state
        loss, state = jax.block_until_ready(jitted(state, x, target))
        return loss

    return Subject(gradient, lambda result: [result[0], *result[1]], step)
