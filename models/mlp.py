"""The multi-layer perceptron."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from minigrad import Tensor
from models.activations import ACTIVATIONS
from models.initializers import Initializer
from models.layers import Linear
from models.module import Module, titled

__all__ = ["MLP"]

_STARTS = {
    "relu": "he_normal",
    "leaky_relu": "he_normal",
    "elu": "he_normal",
    "silu": "he_normal",
    "gelu": "he_normal",
}


class MLP(Module):
    """Dense layers with an activation between them: x → W₁ → φ → W₂ → φ → … → W_L.

    Args:
        sizes: (n_in, hidden, …, n_out), at least two numbers.
        activation: a name of `models.activations.ACTIVATIONS` or any function.
        rng: a seed or a Generator.
        dtype: the dtype of the parameters. Give the data the same dtype, or NumPy promotes the results.
        bias: whether the layers have biases.
        init: an initializer. The default is He for activations of the ReLU kind and Glorot for all others.

    Raises:
        ValueError: `sizes` has fewer than two numbers or one below 1, or the activation is unknown.
        TypeError: the activation is neither a name nor a function.

    >>> MLP((2, 16, 16, 1))
    MLP(2 → 16 → 16 → 1, tanh)
      layers.0.weight  (2, 16)      float64
      layers.0.bias    (16,)        float64
      layers.1.weight  (16, 16)     float64
      layers.1.bias    (16,)        float64
      layers.2.weight  (16, 1)      float64
      layers.2.bias    (1,)         float64
      337 parameters
    """

    def __init__(
        self,
        sizes: Sequence[int],
        activation: str | Callable[[Any], Any] = "tanh",
        *,
        rng: int | np.random.Generator = 0,
        dtype: Any = np.float64,
        bias: bool = True,
        init: str | Initializer | None = None,
    ) -> None:
        if len(sizes) < 2:
            raise ValueError(
                f"`MLP(sizes=...)` needs at least an input and an output size, got {tuple(sizes)}."
            )
        if isinstance(activation, str):
            if activation not in ACTIVATIONS:
                raise ValueError(
                    f"`MLP(activation=...)` must be one of {sorted(ACTIVATIONS)} or a function, got "
                    f"{activation!r}."
                )
            init = init or _STARTS.get(activation)
        elif not callable(activation):
            raise TypeError(f"`MLP(activation=...)` must be a name or a function, got {activation!r}.")
        generator = np.random.default_rng(rng)
        self.activation = ACTIVATIONS[activation] if isinstance(activation, str) else activation
        self.layers = [
            Linear(n_in, n_out, bias=bias, init=init or "glorot_uniform", rng=generator, dtype=dtype)
            for n_in, n_out in pairwise(sizes)
        ]

    def forward(self, x: Any) -> Tensor:
        for layer in self.layers[:-1]:
            x = self.activation(layer(x))
        return self.layers[-1](x)

    def extra_repr(self) -> str:
        sizes = [self.layers[0].n_in, *(layer.n_out for layer in self.layers)]
        return f"{' → '.join(map(str, sizes))}, {titled(self.activation)}"
