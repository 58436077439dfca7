"""HIPS autograd: `value_and_grad` of the loss written in its NumPy. It has no Adam that works in place, so no
step."""

from __future__ import annotations

from typing import Any

import autograd.numpy as anp
import numpy as np
from autograd import value_and_grad

from benchmarks.nets import Net
from benchmarks.subjects import Subject


def build(net: Net, lr: float) -> Subject | None:
    if net.sizes == (784, 1024, 1024, 10):
        return None  # four times PyTorch's time: the rounds would wait for it
    rows = np.arange(net.batch)

    def loss_of(parameters: list[Any]) -> Any:
        h = net.x
        for w, b in zip(parameters[:-2:2], parameters[1:-2:2]):
            h = anp.tanh(anp.dot(h, w) + b)
        z = anp.dot(h, parameters[-2]) + parameters[-1]
        if net.loss == "mse":
            return anp.mean((z - net.target) ** 2)
        z = z - anp.max(z, axis=1, keepdims=True)
        return anp.mean(anp.log(anp.sum(anp.exp(z), axis=1)) - z[rows, net.target])

    both = value_and_grad(loss_of)
    return Subject(lambda: both(net.parameters), lambda result: [result[0], *result[1]], None)
