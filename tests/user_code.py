"""Forty lines as a beginner writes them. pyright checks them; its language server completes the next dot."""

# ruff: noqa: B018  # the lines that end in a comment `# .name` stop at the dot where an editor is asked

import numpy as np

import optim
from minigrad import Tensor, compile, draw, grad, hessian, no_grad, relu, value_and_grad
from models import MLP, Linear, Module, cross_entropy, datasets, fit, mse_loss

x = Tensor([[0.5, -1.0], [2.0, 0.0]], requires_grad=True, name="x")
x  # .reshape
x * 2  # .sum
2 * x - 1  # .backward
x @ x.T  # .reshape
x.sum(axis=0)  # .numpy
x[0]  # .detach
relu(x)  # .mean
total = np.sum(x * x)
total  # .backward
total.backward()


class Net(Module):
    def __init__(self):
        self.hidden = Linear(2, 8)
        self.out = Linear(8, 1)

    def forward(self, x):
        return self.out(relu(self.hidden(x)))


X, y = np.random.default_rng(0).normal(size=(20, 2)), np.zeros((20, 1))
net = Net()
net(X)  # .argmax
net.hidden.weight  # .grad
net.train()  # .hidden
loss = mse_loss(net(X), y)
loss  # .backward
optimizer = optim.Adam(net.named_parameters(), lr=0.01)
optimizer  # .step
history = fit(net, optimizer, mse_loss, (X, y), epochs=2, progress=False)
history  # .table
with no_grad():
    right = (net(X).numpy() > 0).mean()
labels = np.zeros(20, int)
cross_entropy(MLP((2, 4, 3), "tanh")(X), labels)  # .item
grad(lambda w: np.sum(w * w))(X)  # .shape
hessian(lambda w: np.sum(w * w))(X[0])  # .T
result = optim.minimize(lambda w: np.sum((w - 1) ** 2), X[0])
result.x  # .round
result.message  # .lower
value, slope = value_and_grad(lambda w: np.sum(w * w))(X)
slope  # .copy
draw(loss)  # .save
compile(lambda a: a * 2)  # .source
datasets.digits()  # .X
