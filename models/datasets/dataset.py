"""`Dataset`: inputs, targets, and what they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

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

    if not TYPE_CHECKING:  # type checkers refuse what has no such method

        @entry
        def __len__(self) -> int:
            """Two arrays or n rows? Whoever asks is told to name the array that is meant, as in `data.X`."""
            raise TypeError(
                "a Dataset has no length or items of its own: write X, y = data.X, data.y, then len(X) and "
                "X[i]; batches(data.X, data.y, batch_size=32) goes through the rows."
            )

        def __iter__(self) -> Any:
            return self.__len__()

        def __getitem__(self, i: Any) -> Any:
            return self.__len__()

        @entry
        def __getattr__(self, name: str) -> Any:
            raise AttributeError(
                f"a Dataset has no `{name}`: its inputs are data.X, its classes or values data.y.", name=name
            )

    def __bool__(self) -> bool:
        return True

    def __repr__(self) -> str:
        x, y = self.X, self.y
        return f"Dataset(X: {x.shape} {x.dtype}, y: {y.shape} {y.dtype}, {self.description!r})"


Dataset.__init__ = entry(Dataset.__init__)  # type: ignore[method-assign]
