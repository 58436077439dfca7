"""A whole training in JAX: the whole step is jitted, Adam written out, its state donated, so that it works in
place."""

import jax
import jax.numpy as jnp

from benchmarks.programs.problem import asked

jax.config.update("jax_platforms", "cpu")
problem = asked()


def loss_of(parameters, x, y):
    h = x
    for W, b in zip(parameters[:-2:2], parameters[1:-2:2]):
        h = jnp.tanh(h @ W + b)
    z = h @ parameters[-2] + parameters[-1]
    if problem.sizes[-1] == 1:
        return jnp.mean((z - y) ** 2)
    return jnp.mean(jax.nn.logsumexp(z, axis=1) - jnp.take_along_axis(z, y[:, None], axis=1)[:, 0])


def step(state, x, y):
    w, m, v, t = state
    loss, g = jax.value_and_grad(loss_of)(w, x, y)
    t = t + 1
    m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, m, g)
    v = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, v, g)
    rate, unbias = problem.lr / (1 - 0.9**t), 1 / (1 - 0.999**t)
    w = jax.tree.map(lambda w, m, v: w - rate * m / (jnp.sqrt(v * unbias) + 1e-8), w, m, v)
    return loss, (w, m, v, t)


compiled = jax.jit(step, donate_argnums=0)
w = [jnp.asarray(p) for p in problem.parameters()]
state = w, [jnp.zeros_like(p) for p in w], [jnp.zeros_like(p) for p in w], jnp.float32(0)
for x, y in problem.batches(jnp.asarray):
    loss, state = compiled(state, x, y)
print(loss.item())
