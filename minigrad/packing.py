"""Several arrays as one vector, and many directions in portions.

A Jacobian, a Newton method and an optimizer's state treat several arrays as one point. A `Packing` says where
each array lies in the vector of all their entries.

Names: `n` length of the vector, `lead` shape of extra leading axes, such as (k,) for k directions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

__all__ = ["Packing", "portion", "portions"]

# the most memory of a portion: a batch that does not fit the cache is slower than single directions
PORTION_BYTES = 1 << 22
PORTION_MOST = 64


class Packing:
    """Where each array (or Tensor) of a list lies in the vector of all their entries. It keeps no array.

    >>> packing = Packing([np.zeros((2, 2)), np.zeros(3, np.float32)])
    >>> packing.n, packing.places
    (7, [slice(0, 4, None), slice(4, 7, None)])
    >>> packing.split(np.arange(7.0))[1]
    array([4., 5., 6.], dtype=float32)
    """

    __slots__ = ("dtypes", "n", "places", "shapes")

    def __init__(self, like: Sequence[Any]) -> None:
        self.shapes = [x.shape for x in like]
        self.dtypes = [x.dtype for x in like]
        self.places: list[slice] = []
        self.n = 0
        for x in like:
            self.places.append(slice(self.n, self.n + x.size))
            self.n += x.size

    def join(self, arrays: Sequence[Any], lead: tuple[int, ...] = (), dtype: Any = np.float64) -> Any:
        """Arrays of shape (*lead, *shape) as one new vector (*lead, n)."""
        flat = [np.reshape(a, (*lead, -1)) for a in arrays]
        return np.concatenate(flat or [np.zeros((*lead, 0))], axis=-1).astype(dtype, copy=False)

    def split(self, vector: Any) -> list[Any]:
        """A vector (*lead, n) as new arrays (*lead, *shape), each in its own dtype."""
        parts = zip(self.pieces(vector), self.dtypes, strict=True)
        return [piece.astype(dtype) for piece, dtype in parts]

    def pieces(self, vector: Any) -> list[Any]:
        """A vector (*lead, n) cut into (*lead, *shape), as views where it is an array; works for Tensors
        too."""
        lead = vector.shape[:-1]
        return [
            vector[..., place].reshape(lead + shape)
            for place, shape in zip(self.places, self.shapes, strict=True)
        ]

    def basis(self, first: int, count: int) -> list[Any]:
        """Unit vectors first … first + count − 1, as one block (count, *shape) for each array.

        Rows beyond the n-th vector are zero.

        >>> Packing([np.zeros(2), np.zeros(1)]).basis(1, 2)
        [array([[0., 1.],
               [0., 0.]]), array([[0.],
               [1.]])]
        """
        found = []
        for place, shape, dtype in zip(self.places, self.shapes, self.dtypes, strict=True):
            block = np.zeros((count, place.stop - place.start), dtype)
            mine = np.arange(max(first, place.start), min(first + count, place.stop))
            block[mine - first, mine - place.start] = 1
            found.append(block.reshape((count, *shape)))
        return found


def portion(n: int, bytes_each: int, most: int = PORTION_MOST) -> int:
    """How many of n directions to sweep at once, from 1 to n, if each needs `bytes_each` bytes of memory.

    >>> portion(1000, 10**6), portion(10, 1), portion(10, 10**9)
    (4, 10, 1)
    """
    return max(1, min(n, most, PORTION_BYTES // (bytes_each + 1)))


def portions(n: int, size: int) -> Iterator[slice]:
    """Cut 0 … n into slices of length `size`; the last may be shorter.

    >>> list(portions(5, 2))
    [slice(0, 2, None), slice(2, 4, None), slice(4, 5, None)]
    """
    for first in range(0, n, size):
        yield slice(first, min(first + size, n))
