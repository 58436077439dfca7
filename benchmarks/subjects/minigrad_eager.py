"""minigrad, eager: models.MLP, its losses, backward(), optim.Adam."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.nets import Net
from benchmarks.subjects import Subject
from models import MLP
from models.losses import cross_entropy, mse_loss
from optim import Adam


def build(net: Net, lr: float) -> Subject:
    model = MLP(net.sizes, activation="tanh", dtype=np.float32)
    parameters = model.parameters()
    for p, value in zip(parameters, net.parameters):
        p.assign(value)
    x, target = net.x, net.target
    loss_of = mse_loss if net.loss == "mse" else cross_entropy
    adam = Adam(parameters, lr=lr)

    def gradient() -> Any:
        for p in parameters:
            p.grad = None
        loss = loss_of(model(x), target)
        loss.backward()
        return loss

    def step() -> Any:
        adam.zero_grad()
        loss = loss_of(model(x), target)
        loss.backward()
        adam.step()
        return loss.data

    return Subject(gradient, lambda loss: [loss.data, *(p.grad for p in parameters)], step)
