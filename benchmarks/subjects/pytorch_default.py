"""PyTorch, eager, with Adam as it is by default."""

from __future__ import annotations

from benchmarks.nets import Net
from benchmarks.subjects import Subject, pytorch_eager


def build(net: Net, lr: float) -> Subject:
    return pytorch_eager.build(net, lr, fused=False)
