"""A whole training in tinygrad on the processor, the whole step in a TinyJit."""

from itertools import pairwise

from tinygrad import Context, Tensor, TinyJit, nn
from tinygrad.helpers import DEV

from benchmarks.programs.problem import asked

DEV.value = "CPU"
problem = asked()
layers = [nn.Linear(n_in, n_out) for n_in, n_out in pairwise(problem.sizes)]
parameters = [p for layer in layers for p in (layer.weight, layer.bias)]
for p, value in zip(parameters, problem.parameters()):
    p.assign(Tensor(value.T.copy())).realize()
adam = nn.optim.Adam(parameters, lr=problem.lr)


@TinyJit
def step(x, y):
    h = x
    for layer in layers[:-1]:
        h = layer(h).tanh()
    z = layers[-1](h)
    loss = ((z - y) ** 2).mean() if problem.sizes[-1] == 1 else z.sparse_categorical_crossentropy(y)
    adam.zero_grad()
    loss.backward()
    return loss.realize(*adam.schedule_step())


with Context(TRAINING=1):
    for x, y in problem.batches(lambda array: Tensor(array).realize()):
        loss = step(x, y)
print(loss.item())
