"""A whole training in minigrad, recorded anew at each step."""

from benchmarks.programs.problem import asked
from models import MLP
from models.losses import cross_entropy, mse_loss
from optim import Adam

problem = asked()
model = MLP(problem.sizes, dtype="float32")
for p, value in zip(model.parameters(), problem.parameters()):
    p.assign(value)
loss_of = mse_loss if problem.sizes[-1] == 1 else cross_entropy
adam = Adam(model.parameters(), lr=problem.lr)
for x, y in problem.batches(lambda array: array):
    adam.zero_grad()
    loss = loss_of(model(x), y)
    loss.backward()
    adam.step()
print(loss.item())
