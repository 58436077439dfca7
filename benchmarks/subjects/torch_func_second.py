"""PyTorch's functional side: jvp of grad."""

from __future__ import annotations

from typing import Any

import torch

from benchmarks import tasks
from benchmarks.machine import THREADS
from benchmarks.subjects.pytorch_second import loss_of


def build(task: str) -> Any:
    if not task.startswith("hv"):
        return None
    torch.set_num_threads(THREADS)
    net = tasks.task_net(task)
    p = tuple(torch.from_numpy(a) for a in net.parameters)
    v = tuple(torch.from_numpy(a) for a in tasks.direction(net))
    gradient = torch.func.grad(loss_of(net, fused=False), argnums=tuple(range(len(p))))

    def product() -> Any:
        return torch.func.jvp(gradient, p, v)[1]

    return product, lambda: [a.numpy() for a in product()]
