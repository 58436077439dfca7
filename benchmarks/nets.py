"""The four nets, each with one batch and one set of parameters that are the same in every process."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


class Net(NamedTuple):
    """A tanh network of these sizes with one batch. Parameters and `x` are float32.

    `parameters` alternates W (n_in, n_out) and b (n_out,); `x` is (batch, n_in); `target` is (batch, n_out)
    for the mean squared error and (batch,), int64, for the cross entropy."""

    sizes: tuple[int, ...]
    batch: int
    loss: str  # mse | cross entropy
    parameters: list[Array]
    x: Array
    target: Array


SIZES = {"2-16-16-1": 100, "64-64-32-10": 64, "784-256-128-10": 128, "784-1024-1024-10": 512}  # net: batch


def net(name: str) -> Net:
    sizes, batch = tuple(int(n) for n in name.split("-")), SIZES[name]
    rng = np.random.default_rng(0)
    parameters = []
    for n_in, n_out in pairwise(sizes):
        parameters += [rng.standard_normal((n_in, n_out)) / np.sqrt(n_in), rng.standard_normal(n_out) / 10]
    x = rng.standard_normal((batch, sizes[0])).astype(np.float32)
    mse = sizes[-1] == 1
    target = rng.standard_normal((batch, 1)).astype(np.float32) if mse else rng.integers(0, sizes[-1], batch)
    return Net(
        sizes, batch, "mse" if mse else "cross entropy", [p.astype(np.float32) for p in parameters], x, target
    )
