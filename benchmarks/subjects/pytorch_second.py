"""PyTorch: double backward through a gradient's graph that is kept."""

from __future__ import annotations

from typing import Any

import torch

from benchmarks import tasks
from benchmarks.machine import THREADS


def loss_of(net: Any, fused: bool = True) -> Any:
    """The net's loss; `fused` uses addmm and mse_loss, through whose gradients torch.func.jvp cannot pass."""
    x, target = torch.from_numpy(net.x), torch.from_numpy(net.target)
    f = torch.nn.functional

    def loss(*p: Any) -> Any:
        h = x
        for w, b in zip(p[:-2:2], p[1:-2:2], strict=True):
            h = torch.tanh(torch.addmm(b, h, w) if fused else h @ w + b)
        out = torch.addmm(p[-1], h, p[-2]) if fused else h @ p[-2] + p[-1]
        if net.loss != "mse":
            return f.cross_entropy(out, target)
        return f.mse_loss(out, target) if fused else ((out - target) ** 2).mean()

    return loss


def build(task: str) -> Any:
    if not task.startswith("hv"):
        return None
    torch.set_num_threads(THREADS)
    net = tasks.task_net(task)
    p = [torch.from_numpy(a).requires_grad_() for a in net.parameters]
    g = torch.autograd.grad(loss_of(net)(*p), p, create_graph=True)
    v = [torch.from_numpy(a) for a in tasks.direction(net)]

    def product() -> Any:
        return torch.autograd.grad(g, p, grad_outputs=v, retain_graph=True)

    return product, lambda: [a.numpy() for a in product()]
