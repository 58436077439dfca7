"""`Dataset`: inputs, targets, and what they are."""

from __future__ import annotations

from dataclasses import dataclass

from minigrad.extend import entry
from models.datasets.checks import Array, as_array, same_rows

__all__ = ["Dataset"]


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """Inputs, targets, and the names and source of both.

    X: (n, features), float64. y: (n,), int64 classes or float64 values; for a network whose output is (n, 1)
    pass `y[:, None]`, since (n, 1) − (n,) would broadcast to (n, n).
    target_names: one name for each class; for values, the one name of the quantity.
    Raises ValueError if X and y differ in their number of rows.

    >>> import numpy as np
    >>> Dataset(np.zeros((3, 2)), np.zeros(3), description="nothing")
    Dataset(X: (3, 2) float64, y: (3,) float64, 'nothing')
    """

    X: Array
    y: Array
    feature_names: tuple[str, ...] = ()
    target_names: tuple[str, ...] = ()
    description: str = ""
    source: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "X", as_array("Dataset(X=...)", self.X))
        object.__setattr__(self, "y", as_array("Dataset(y=...)", self.y))
        same_rows("Dataset(X, y)", [self.X, self.y])

    def __repr__(self) -> str:
        x, y = self.X, self.y
        return f"Dataset(X: {x.shape} {x.dtype}, y: {y.shape} {y.dtype}, {self.description!r})"


Dataset.__init__ = entry(Dataset.__init__)  # type: ignore[method-assign]
