"""Activation functions: plain functions of arrays or Tensors, so that a layer's activation is any
callable."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

import minigrad
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


def gelu(x: Any, approximate: str = "tanh") -> Any:
    """x·Φ(x), where Φ is the distribution function of N(0, 1) (Hendrycks & Gimpel 2016).

    Args:
        approximate: "tanh" is ½x(1 + tanh(√(2/π)(x + 0.044715x³))), "none" the exact ½x(1 + erf(x/√2)); they
            differ by up to 5e-4. PyTorch has the same names, and "none" as its default.

    >>> x = np.array([-1.0, 0.0, 1.0])
    >>> gelu(x), gelu(x, "none").round(8)
    (array([-0.15880801,  0.        ,  0.84119199]), array([-0.15865525,  0.        ,  0.84134475]))
    """
    if approximate == "tanh":
        return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * x * (1 + 0.044715 * np.square(x))))
    if approximate != "none":
        raise ValueError(f'`gelu(approximate=...)` must be "tanh" or "none", got {approximate!r}.')
    return x * minigrad.special.ndtr(x)


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
