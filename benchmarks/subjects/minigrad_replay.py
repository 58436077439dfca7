"""minigrad, compiled: value_and_grad as one program; loss and gradients of a closure replayed into
optim.Adam."""

from __future__ import annotations

from typing import Any

import numpy as np

import minigrad as mg
from benchmarks.nets import Net
from benchmarks.subjects import Subject
from models import MLP
from models.losses import cross_entropy, mse_loss
from optim import Adam


def build(net: Net, lr: float) -> Subject:
    model = MLP(net.sizes, activation="tanh", dtype=np.float32)
    for p, value in zip(model.parameters(), net.parameters):
        p.assign(value)
    x, target = net.x, net.target
    loss_of = mse_loss if net.loss == "mse" else cross_entropy

    def functional(parameters: list[Any], x: Any, target: Any) -> Any:
        h = x
        for w, b in zip(parameters[:-2:2], parameters[1:-2:2]):
            h = np.tanh(mg.linear(h, w, b))
        return loss_of(mg.linear(h, parameters[-2], parameters[-1]), target)

    uncompiled = mg.value_and_grad(functional)
    both = mg.compile(uncompiled)
    parameters = [p.copy() for p in net.parameters]
    loss_of_batch = mg.compile(lambda x, target: loss_of(model(x), target))
    adam = Adam(model.parameters(), lr=lr)

    def step() -> Any:
        return adam.step(loss_of_batch.at(x, target)).data

    def capture() -> Any:
        return mg.compile(uncompiled)(parameters, x, target)

    def twice() -> Any:
        new = mg.compile(uncompiled)
        new(parameters, x, target)
        return new(parameters, x, target)

    return Subject(
        lambda: both(parameters, x, target),
        lambda result: [result[0], *result[1]],
        step,
        lambda: uncompiled(parameters, x, target),
        capture,
        twice,
    )
