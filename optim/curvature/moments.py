"""Mean and variance of rows that arrive a few at a time.

Reference: Chan, Golub, LeVeque 1983, Algorithms for computing the sample variance."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Moments"]

Array = NDArray[Any]


class Moments:
    """The mean of all rows added, and what their variance is made of; nothing cancels.

    >>> moments = Moments()
    >>> for rows in (np.array([[1.0]]), np.array([[2.0], [6.0]])):
    ...     moments.add(rows)
    >>> moments.mean, moments.variance
    (array([3.]), array([7.]))
    """

    def __init__(self) -> None:
        self.count = 0
        self.mean = np.zeros(1)
        self.squares = np.zeros(1)  # Σ(x − mean)²

    def add(self, rows: Array) -> None:
        """Take in rows (m, n) of float64."""
        m, here = len(rows), rows.mean(axis=0)
        change, total = here - self.mean, self.count + m
        self.mean = self.mean + change * (m / total)
        self.squares = self.squares + ((rows - here) ** 2).sum(axis=0) + change**2 * (self.count * m / total)
        self.count = total

    @property
    def variance(self) -> Array:
        """Of one row, (n,), unbiased: Σ(x − mean)²/(m − 1); m must be 2 at least."""
        return self.squares / (self.count - 1)
