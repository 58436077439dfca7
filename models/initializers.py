"""Initializers: functions of (rng, n_in, n_out, dtype) that return the first weights, (n_in, n_out)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "INITIALIZERS",
    "Initializer",
    "glorot_normal",
    "glorot_uniform",
    "he_normal",
    "he_uniform",
    "lecun_normal",
    "zeros",
]

Initializer = Callable[[np.random.Generator, int, int, Any], NDArray[Any]]


def glorot_uniform(rng: np.random.Generator, n_in: int, n_out: int, dtype: Any = np.float64) -> NDArray[Any]:
    """U(−a, a), a = √(6/(n_in + n_out)) (Glorot & Bengio 2010).

    Through tanh layers it keeps the variance of values forward and of gradients backward.

    >>> bool(abs(glorot_uniform(np.random.default_rng(0), 3, 3)).max() <= 1)
    True
    """
    a = math.sqrt(6 / (n_in + n_out))
    return rng.uniform(-a, a, (n_in, n_out)).astype(dtype)


def glorot_normal(rng: np.random.Generator, n_in: int, n_out: int, dtype: Any = np.float64) -> NDArray[Any]:
    """N(0, 2/(n_in + n_out)) (Glorot & Bengio 2010)."""
    return _normal(rng, n_in, n_out, 2 / (n_in + n_out), dtype)


def he_normal(rng: np.random.Generator, n_in: int, n_out: int, dtype: Any = np.float64) -> NDArray[Any]:
    """N(0, 2/n_in): keeps the variance through ReLU layers (He et al. 2015)."""
    return _normal(rng, n_in, n_out, 2 / n_in, dtype)


def he_uniform(rng: np.random.Generator, n_in: int, n_out: int, dtype: Any = np.float64) -> NDArray[Any]:
    """U(−a, a), a = √(6/n_in) (He et al. 2015)."""
    a = math.sqrt(6 / n_in)
    return rng.uniform(-a, a, (n_in, n_out)).astype(dtype)


def lecun_normal(rng: np.random.Generator, n_in: int, n_out: int, dtype: Any = np.float64) -> NDArray[Any]:
    """N(0, 1/n_in): keeps the variance through linear layers (LeCun et al. 1998)."""
    return _normal(rng, n_in, n_out, 1 / n_in, dtype)


def zeros(rng: np.random.Generator, n_in: int, n_out: int, dtype: Any = np.float64) -> NDArray[Any]:
    """All 0. If all layers of a network start so, the units of each hidden layer stay equal for ever."""
    return np.zeros((n_in, n_out), dtype)


def _normal(rng: np.random.Generator, n_in: int, n_out: int, variance: float, dtype: Any) -> NDArray[Any]:
    return (rng.standard_normal((n_in, n_out)) * math.sqrt(variance)).astype(dtype)


INITIALIZERS: dict[str, Initializer] = {
    f.__name__: f for f in (glorot_uniform, glorot_normal, he_normal, he_uniform, lecun_normal, zeros)
}
