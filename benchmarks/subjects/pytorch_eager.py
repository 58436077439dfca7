"""PyTorch, eager: nn.Sequential, autograd, and Adam in its fused form, its fastest; `pytorch_default` has the
default one."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch
from torch import nn

from benchmarks.machine import THREADS
from benchmarks.nets import Net
from benchmarks.subjects import Subject


def build(net: Net, lr: float, fused: bool = True) -> Subject:
    torch.set_num_threads(THREADS)
    layers: list[nn.Module] = []
    for n_in, n_out in pairwise(net.sizes):
        layers += [nn.Linear(n_in, n_out), nn.Tanh()]
    model = nn.Sequential(*layers[:-1])
    parameters = list(model.parameters())
    with torch.no_grad():
        for p, value in zip(parameters, net.parameters):
            p.copy_(torch.from_numpy(value.T))
    x, target = torch.from_numpy(net.x), torch.from_numpy(net.target)
    loss_of = nn.functional.mse_loss if net.loss == "mse" else nn.functional.cross_entropy
    adam = torch.optim.Adam(parameters, lr=lr, fused=fused)

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
        return loss.detach()

    return Subject(
        gradient, lambda loss: [loss.detach().numpy(), *(p.grad.numpy().T for p in parameters)], step
    )
