"""The problem that all programs train on: the data, the weights to start from, the batch of each step.
This file knows NumPy only.

x, y   the data: (n, features) float32, and (n, 1) float32 values or (n,) int64 classes
own    turns an array into the library's own kind
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
DIGITS = Path(__file__).parents[2] / "models" / "data" / "digits.csv.gz"


class Problem(NamedTuple):
    """A tanh net of these sizes, its data, and how many steps of so many rows it is trained for.

    By Adam with β = (0.9, 0.999), ε = 1e-8, on the mean squared error of values and the cross entropy of
    classes."""

    sizes: tuple[int, ...]
    x: Array
    y: Array
    batch: int
    lr: float
    steps: int

    def parameters(self) -> list[Array]:
        """W (n_in, n_out) and b (n_out,) of each layer in turn, without any library's random numbers."""
        shapes = [shape for n_in, n_out in pairwise(self.sizes) for shape in ((n_in, n_out), (n_out,))]
        # squared: of full rank
        start = [np.sin(np.arange(np.prod(s)) ** 2.0).reshape(s) / np.sqrt(s[0]) for s in shapes]
        return [a.astype(np.float32) for a in start]

    def batches(self, own: Callable[[Array], Any]) -> Iterator[tuple[Any, Any]]:
        """(x, y) for each step: all rows, the same objects each time, or `batch` of them, in a new order
        every epoch.

        What an epoch leaves over for less than a batch is dropped, so that every step has the same shapes.
        """
        whole, n = (own(self.x), own(self.y)) if self.batch == len(self.x) else None, len(self.x)
        rng = None if whole else np.random.default_rng(0)
        for step in range(self.steps):
            if whole or rng is None:
                yield whole
                continue
            i = step % (n // self.batch) * self.batch
            if i == 0:
                order = rng.permutation(n)
            yield own(self.x[order[i : i + self.batch]]), own(self.y[order[i : i + self.batch]])


def asked() -> Problem:
    """The problem the command line names: `python -m benchmarks.programs.PROGRAM NET STEPS`."""
    net, steps = sys.argv[1:]
    sizes = tuple(int(n) for n in net.split("-"))
    if net == "64-64-32-10":
        table = np.loadtxt(DIGITS, delimiter=",", skiprows=1, dtype=np.float32)
        return Problem(sizes, table[:, :-1] / 16, table[:, -1].astype(np.int64), 64, 1e-3, int(steps))
    grid = np.linspace(-1, 1, 10, dtype=np.float32)
    x = np.stack(np.meshgrid(grid, grid), axis=-1).reshape(100, 2)
    y = np.sin(4 * x[:, :1]) * np.cos(4 * x[:, 1:])
    # at 1e-3 Adam ends in a jitter of which no two libraries share a digit
    return Problem(sizes, x, y, 100, 1e-4, int(steps))
