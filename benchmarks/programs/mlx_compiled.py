"""A whole training in MLX on the processor, the whole step through mx.compile."""

from functools import partial
from itertools import pairwise

import mlx.core as mx
from mlx import nn, optimizers

from benchmarks.programs.problem import asked

mx.set_default_device(mx.cpu)
problem = asked()
layers = [layer for n_in, n_out in pairwise(problem.sizes) for layer in (nn.Linear(n_in, n_out), nn.Tanh())]
model = nn.Sequential(*layers[:-1])
start = iter(problem.parameters())
for layer in model.layers[::2]:
    layer.weight, layer.bias = mx.array(next(start).T), mx.array(next(start))


def loss_of(x, y):
    z = model(x)
    return (
        mx.mean((z - y) ** 2) if problem.sizes[-1] == 1 else nn.losses.cross_entropy(z, y, reduction="mean")
    )


adam = optimizers.Adam(learning_rate=problem.lr, bias_correction=True)
adam.init(model.trainable_parameters())
gradient, state = nn.value_and_grad(model, loss_of), [model.state, adam.state]


@partial(mx.compile, inputs=state, outputs=state)
def step(x, y):
    loss, g = gradient(x, y)
    adam.update(model, g)
    return loss


for x, y in problem.batches(mx.array):
    loss = step(x, y)
    mx.eval(loss, state)
print(loss.item())
