"""Checks of what the functions on data are given: each gives the value back, or names the call and what it
needs."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Array",
    "Rng",
    "as_array",
    "as_generator",
    "as_integer",
    "as_non_negative",
    "as_real",
    "same_rows",
]

Array = NDArray[Any]
Rng = int | np.random.Generator


def as_array(what: str, x: Any) -> Array:
    """x as an array; the entries that a mask hides would count."""
    if isinstance(x, np.ma.MaskedArray | np.matrix):
        raise TypeError(f"`{what}` takes plain arrays, got a {type(x).__name__}; pass the rows that count.")
    return np.asarray(x)


def as_integer(what: str, value: Any, least: int, reason: str = "") -> int:
    if not isinstance(value, Integral) or isinstance(value, bool):
        raise TypeError(f"`{what}` must be an integer, got {value!r}.")
    if value < least:
        raise ValueError(f"`{what}` must be at least {least}{', ' * bool(reason)}{reason}, got {value}.")
    return int(value)


def as_real(what: str, value: Any) -> float:
    if not isinstance(value, Real) or isinstance(value, bool):
        raise TypeError(f"`{what}` must be a real number, got {value!r}.")
    return float(value)


def as_non_negative(what: str, value: Any) -> float:
    number = as_real(what, value)
    if not 0 <= number < np.inf:
        raise ValueError(f"`{what}` must be 0 or more and finite, got {value}.")
    return number


def as_generator(call: str, rng: Any) -> np.random.Generator:
    if isinstance(rng, np.random.Generator):
        return rng
    if not isinstance(rng, Integral) or isinstance(rng, bool):
        raise TypeError(
            f"`{call}(rng=...)` must be an int seed or a np.random.Generator, got {rng!r}; pass rng=0."
        )
    if rng < 0:
        raise ValueError(f"`{call}(rng=...)` must be a seed of 0 or more, got {rng}.")
    return np.random.default_rng(int(rng))


def same_rows(what: str, arrays: Sequence[Array]) -> int:
    """The number of rows, which must be the same in all arrays."""
    if not arrays:
        raise TypeError(f"`{what}` needs at least one array, got none.")
    for a in arrays:
        if not a.ndim:
            got = a.item() if a.dtype != object else type(a.item()).__name__
            raise TypeError(f"`{what}` needs arrays with rows, got {got}; of a Dataset pass X and y.")
    lengths = [len(a) for a in arrays]
    if len(set(lengths)) > 1:
        raise ValueError(f"`{what}` needs arrays of one length, got {', '.join(map(str, lengths))} rows.")
    if not lengths[0]:
        raise ValueError(f"`{what}` needs at least one row, got shape {arrays[0].shape}.")
    return lengths[0]
