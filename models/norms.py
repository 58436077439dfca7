"""Layers that normalise: BatchNorm, LayerNorm, RMSNorm. Features are along the last axis.

Names: `μ` a mean, `σ²` a variance, `γ` the weight and `β` the bias, one number for each feature.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad import Tensor
from minigrad.extend import in_floats, numeric
from models.layers import require_float, require_sizes
from models.module import Module

__all__ = ["BatchNorm", "LayerNorm", "RMSNorm"]


class _Norm(Module):
    """What the three share: sizes, γ and β, and checks."""

    weight: Tensor  # or None, as the bias
    bias: Tensor

    def __init__(self, n: int, eps: float | None, affine: bool, dtype: Any, with_bias: bool = True) -> None:
        call = type(self).__name__
        require_sizes(call, n=n)
        require_float(call, dtype)
        if eps is not None and not (isinstance(eps, int | float) and 0 <= eps < np.inf):
            raise ValueError(f"`{call}(eps=...)` must be a finite number of at least 0, got {eps!r}.")
        self.n, self.eps = int(n), eps
        self.weight = Tensor(np.ones(n, dtype), requires_grad=True) if affine else None  # type: ignore[assignment]
        if with_bias:
            self.bias = Tensor(np.zeros(n, dtype), requires_grad=True) if affine else None  # type: ignore[assignment]

    def _checked(self, x: Any) -> Any:
        x = in_floats(x if isinstance(x, Tensor) else numeric(x, type(self).__name__))
        if not x.ndim or x.shape[-1] != self.n:
            raise ValueError(
                f"{type(self).__name__}({self.n}) needs {self.n} features along the last axis of x, got "
                f"shape {x.shape}."
            )
        return x

    def _scaled(self, y: Any) -> Any:
        return y if self.weight is None else y * self.weight + self.bias

    def extra_repr(self) -> str:
        return str(self.n)


class BatchNorm(_Norm):
    """y = γ·(x − μ)/√(σ² + ε) + β, where μ and σ² are those of the batch, feature by feature.

    While training, each call also moves the running statistics: r ← (1 − momentum)·r + momentum·(that of the
    batch), where the batch's variance is the unbiased one, with n − 1 in its denominator. In evaluation μ and
    σ² are the running statistics. They are buffers (see `Module`): no gradient flows into them.

    Args:
        n: the number of features. x, y: (..., n); the batch is all axes but the last. PyTorch's BatchNorm1d
            agrees on (batch, n), but takes sequences as (batch, n, length), not as (batch, length, n).
        eps: ε ≥ 0.
        momentum: 0 ≤ momentum ≤ 1.
        affine: whether the layer has γ, which starts at 1, and β, which starts at 0.
        dtype: that of γ, β and the running statistics.

    Raises:
        ValueError: x has another number of features; or, while training, one value of each feature, whose
            variance is 0.

    Reference: Ioffe & Szegedy 2015.

    >>> norm = BatchNorm(2)
    >>> norm(np.array([[1.0, 10.0], [3.0, 30.0]])).data.round(3)
    array([[-1., -1.],
           [ 1.,  1.]])
    >>> norm.running_mean, norm.running_var.round(3), norm.num_batches_tracked
    (array([0.2, 2. ]), array([ 1.1, 20.9]), array(1))
    """

    def __init__(
        self,
        n: int,
        *,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = True,
        dtype: Any = np.float64,
    ) -> None:
        super().__init__(n, eps, affine, dtype)
        if isinstance(momentum, bool) or not isinstance(momentum, int | float) or not 0 <= momentum <= 1:
            raise ValueError(f"`BatchNorm(momentum=...)` must be in [0, 1], got {momentum!r}.")
        self.momentum = momentum
        self.running_mean, self.running_var = np.zeros(n, dtype), np.ones(n, dtype)
        self.num_batches_tracked = np.array(0)

    def forward(self, x: Any) -> Tensor:
        x = self._checked(x)
        if self.training:
            centred, var = self._of_batch(x)
        else:
            centred, var = x - self.running_mean, self.running_var
        return self._scaled(centred / np.sqrt(var + self.eps))  # type: ignore[no-any-return]  # a Tensor

    def _of_batch(self, x: Any) -> tuple[Any, Any]:
        """x − μ and σ²; moves the running statistics."""
        rows, axes = x.size // self.n, tuple(range(x.ndim - 1))
        if rows < 2:
            raise ValueError(
                f"BatchNorm({self.n}) needs at least two values of each feature while training, got shape "
                f"{x.shape}. Leave out a last batch of one row, or call .eval()."
            )
        mean = np.mean(x, axis=axes)
        centred = x - mean
        var = np.mean(np.square(centred), axis=axes)
        old, new = 1 - self.momentum, self.momentum
        self.running_mean = old * self.running_mean + new * mean
        self.running_var = old * self.running_var + new * rows / (rows - 1) * var
        self.num_batches_tracked = self.num_batches_tracked + 1
        return centred, var


class LayerNorm(_Norm):
    """y = γ·(x − μ)/√(σ² + ε) + β, where μ and σ² are those of each row along the last axis.

    Args:
        n: the number of features. x, y: (..., n).
        eps: ε ≥ 0.
        affine: whether the layer has γ, which starts at 1, and β, which starts at 0.
        dtype: that of γ and β.

    Raises:
        ValueError: x has another number of features.

    Reference: Ba, Kiros & Hinton 2016.

    >>> LayerNorm(2)(np.array([[1.0, 3.0], [50.0, 10.0]])).data.round(3)
    array([[-1.,  1.],
           [ 1., -1.]])
    """

    def __init__(self, n: int, *, eps: float = 1e-5, affine: bool = True, dtype: Any = np.float64) -> None:
        super().__init__(n, eps, affine, dtype)

    def forward(self, x: Any) -> Tensor:
        x = self._checked(x)
        centred = x - np.mean(x, axis=-1, keepdims=True)
        var = np.mean(np.square(centred), axis=-1, keepdims=True)
        return self._scaled(centred / np.sqrt(var + self.eps))  # type: ignore[no-any-return]  # a Tensor


class RMSNorm(_Norm):
    """y = γ·x/√(mean(x²) + ε), with the mean of each row along the last axis.

    Args:
        n: the number of features. x, y: (..., n).
        eps: ε ≥ 0; None is the spacing of x's dtype at 1 (2.2e-16 for float64), as in PyTorch.
        affine: whether the layer has γ, which starts at 1.
        dtype: that of γ.

    Raises:
        ValueError: x has another number of features.

    Reference: Zhang & Sennrich 2019.

    >>> RMSNorm(2)(np.array([[3.0, 3.0], [1.0, -7.0]])).data.round(3)
    array([[ 1. ,  1. ],
           [ 0.2, -1.4]])
    """

    def __init__(
        self, n: int, *, eps: float | None = None, affine: bool = True, dtype: Any = np.float64
    ) -> None:
        super().__init__(n, eps, affine, dtype, with_bias=False)

    def forward(self, x: Any) -> Tensor:
        x = self._checked(x)
        eps = float(np.finfo(x.dtype).eps) if self.eps is None else self.eps
        y = x / np.sqrt(np.mean(np.square(x), axis=-1, keepdims=True) + eps)
        return y if self.weight is None else y * self.weight  # type: ignore[no-any-return]  # a Tensor
