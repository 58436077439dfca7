"""Activation functions: plain functions of arrays or Tensors, so that a layer's activation is any
callable."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from minigrad import relu, sigmoid, softplus
from minigrad.extend import square, tanh

__all__ = [
    "ACTIVATIONS",
    "elu",
    "gelu",
    "identity",
    "leaky_relu",
    "relu",
    "sigmoid",
    "silu",
    "softplus",
    "square",
    "tanh",
]


def identity(x: Any) -> Any:
    """x itself. A network with this activation is a linear map, however deep it is."""
    return x


def silu(x: Any) -> Any:
    """x·σ(x), also called swish (Hendrycks & Gimpel 2016)."""
    return x * sigmoid(x)


def gelu(x: Any) -> Any:
    """½x(1 + tanh(√(2/π)(x + 0.044715x³))), the tanh form (Hendrycks & Gimpel 2016).

    PyTorch's default is x·Φ(x) by erf; this is its `approximate="tanh"`, which differs by up to 5e-4.

    >>> float(gelu(np.float64(0.0)))
    0.0
    """
    return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * x * (1 + 0.044715 * np.square(x))))


def leaky_relu(x: Any, slope: float = 0.01) -> Any:
    """x where x > 0, slope·x elsewhere."""
    return np.where(x > 0, x, slope * x)


def elu(x: Any) -> Any:
    """x where x > 0, eˣ − 1 elsewhere (Clevert et al. 2015)."""
    return np.where(x > 0, x, np.expm1(np.where(x > 0, 0, x)))


ACTIVATIONS: dict[str, Callable[[Any], Any]] = {
    "tanh": tanh, "relu": relu, "sigmoid": sigmoid, "softplus": softplus, "gelu": gelu, "silu": silu,
    "leaky_relu": leaky_relu, "elu": elu, "square": square, "identity": identity,
}  # fmt: skip
