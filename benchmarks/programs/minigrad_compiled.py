"""A whole training in minigrad, compiled: loss and gradients are recorded once and replayed into the
optimizer."""

import minigrad
from benchmarks.programs.problem import asked
from models import MLP
from models.losses import cross_entropy, mse_loss
from optim import Adam

problem = asked()
model = MLP(problem.sizes, dtype="float32")
for p, value in zip(model.parameters(), problem.parameters()):
    p.assign(value)
loss_of = mse_loss if problem.sizes[-1] == 1 else cross_entropy
compiled = minigrad.compile(lambda x, y: loss_of(model(x), y))
adam = Adam(model.parameters(), lr=problem.lr)
for x, y in problem.batches(lambda array: array):
    loss = adam.step(compiled.at(x, y))
print(loss.item())
