"""Layers: Linear, Embedding, Dropout, Sequential. Those that normalise are in `models/norms.py`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, SupportsIndex, overload

import numpy as np

from minigrad import Tensor, linear, uniform
from minigrad.extend import add_hints, constant_op, entry, in_floats, numeric, printed, select
from models.habits import SEQUENTIAL
from models.initializers import INITIALIZERS, Initializer
from models.module import Module, titled

__all__ = ["Dropout", "Embedding", "Linear", "Sequential", "require_float", "require_sizes"]


def require_sizes(layer: str, **sizes: Any) -> None:
    for name, n in sizes.items():
        if isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 1:
            raise ValueError(f"`{layer}({name}=...)` must be a whole number of at least 1, got {n!r}.")


def require_float(layer: str, dtype: Any) -> None:
    if np.dtype(dtype).kind != "f":
        raise TypeError(f"`{layer}(dtype=...)` must be a floating point dtype, got {np.dtype(dtype)}.")


class Linear(Module):
    """The dense layer y = x·W + b.

    Args:
        n_in, n_out: sizes, at least 1. x: (..., n_in), W: (n_in, n_out), b: (n_out,), y: (..., n_out).
        bias: whether the layer has a b; it starts at 0.
        init: the name of an initializer, or a function of (rng, n_in, n_out, dtype).
        rng: a seed or a Generator. By default each layer draws from fresh entropy, so no two start alike.

    >>> Linear(3, 2)(np.ones((5, 3))).shape
    (5, 2)
    """

    bias: Tensor  # or None; only those who ask for that have to know

    def __init__(
        self,
        n_in: int,
        n_out: int,
        *,
        bias: bool = True,
        init: str | Initializer = "glorot_uniform",
        rng: int | np.random.Generator | None = None,
        dtype: Any = np.float64,
    ) -> None:
        require_sizes("Linear", n_in=n_in, n_out=n_out)
        if isinstance(init, str) and init not in INITIALIZERS:
            raise ValueError(
                f"`Linear(init=...)` must be one of {sorted(INITIALIZERS)} or a function, got {init!r}."
            )
        require_float("Linear", dtype)
        make = INITIALIZERS[init] if isinstance(init, str) else init
        self.n_in, self.n_out = int(n_in), int(n_out)
        self.weight = Tensor(
            make(np.random.default_rng(rng), self.n_in, self.n_out, dtype), requires_grad=True
        )
        self.bias = Tensor(np.zeros(n_out, dtype), requires_grad=True) if bias else None  # type: ignore[assignment]

    def forward(self, x: Any) -> Tensor:
        return x @ self.weight if self.bias is None else linear(x, self.weight, self.bias)

    def extra_repr(self) -> str:
        return f"{self.n_in} → {self.n_out}" + ("" if self.bias is not None else ", no bias")


def _checked(i: Any, n: int) -> Any:
    """Row numbers as they are, if a table of n rows has them; NumPy would take −1 for the last row."""
    if i.dtype.kind not in "iu":
        raise TypeError(
            f"Embedding(...)(i): the row numbers i must be whole numbers, got dtype {i.dtype}. Convert them "
            "with i.astype(int)."
        )
    bad = i[(i < 0) | (i >= n)]
    if bad.size:
        raise IndexError(
            f"Embedding(...)(i): the row numbers i must lie between 0 and {n - 1}, got {bad.flat[0]}. Give "
            "the table more rows, or number what it holds from 0."
        )
    return i


checked_op = constant_op(_checked, "row numbers")  # an op, so that replays check too
printed(checked_op, meaning=lambda i, n: +i)


class Embedding(Module):
    """A table W with a row for each of n things, such as words: y[…] = W[i[…]].

    Its derivative adds up what arrives at the same row. Rows start as N(0, 1), as in PyTorch.

    Args:
        n, dim: the numbers of rows and of columns, at least 1. i: (...) whole numbers from 0 to n − 1,
            W: (n, dim), y: (..., dim).
        rng: a seed or a Generator. By default each layer draws from fresh entropy.
        dtype: that of W and y.

    Raises:
        TypeError: i holds no whole numbers.
        IndexError: i holds a number below 0 or above n − 1.

    >>> Embedding(10, 4)(np.array([[1, 2, 1], [0, 9, 3]])).shape
    (2, 3, 4)
    """

    def __init__(
        self, n: int, dim: int, *, rng: int | np.random.Generator | None = None, dtype: Any = np.float64
    ) -> None:
        require_sizes("Embedding", n=n, dim=dim)
        require_float("Embedding", dtype)
        self.n, self.dim = int(n), int(dim)
        rows = np.random.default_rng(rng).standard_normal((self.n, self.dim))
        self.weight = Tensor(rows.astype(dtype), requires_grad=True)

    def forward(self, i: Any) -> Tensor:
        i = i if isinstance(i, Tensor) else numeric(i, "Embedding")
        return self.weight[checked_op(i, n=self.n)]

    def extra_repr(self) -> str:
        return f"{self.n} rows → {self.dim}"


class Dropout(Module):
    """Zero each element with probability p and scale the others by 1/(1 − p); in evaluation, change nothing.

    Whole numbers become float64 first. A dropped element is 0 even if it was infinite or NaN.

    Args:
        p: 0 ≤ p < 1.
        rng: a seed or a Generator. Checkpoints of `fit` save and restore its state. By default each layer
            draws from fresh entropy, so no two draw alike.

    Reference: Srivastava et al. 2014.

    >>> Dropout(0.5, rng=0).eval()(np.ones(3))
    array([1., 1., 1.])
    """

    def __init__(self, p: float = 0.5, *, rng: int | np.random.Generator | None = None) -> None:
        if isinstance(p, bool) or not 0 <= p < 1:
            raise ValueError(f"`Dropout(p=...)` must be in [0, 1), got {p!r}.")
        self.p = float(p)
        self.rng = np.random.default_rng(rng)

    def forward(self, x: Any) -> Tensor:
        if not self.training or not self.p:
            return x  # type: ignore[no-any-return]
        x = in_floats(x if isinstance(x, Tensor) else numeric(x, "Dropout"))
        kept = uniform(self.rng, x.shape) >= self.p
        return select((kept / (1 - self.p)).astype(x.dtype), x)

    def extra_repr(self) -> str:
        return f"p={self.p}"


class Sequential(Module):
    """Call the layers one after the other. A layer is a Module or any function, such as np.tanh.

    It is indexed as a list is; a slice is a Sequential of the same layers.

    >>> net = Sequential(Linear(2, 3), np.tanh, Linear(3, 1))
    >>> net(np.ones((4, 2))).shape
    (4, 1)
    >>> net[:2]
    Sequential(Linear(2 → 3), tanh)
      layers.0.weight  (2, 3)       float64
      layers.0.bias    (3,)         float64
      9 parameters
    """

    layers: list[Any]

    def __init__(self, *layers: Callable[[Any], Any]) -> None:
        for i, layer in enumerate(layers):
            if not callable(layer):
                remedy = ""
                if isinstance(layer, list | tuple):
                    remedy = " Write the layers one by one, Sequential(*layers)."
                elif isinstance(layer, str):
                    remedy = " An activation is given as the function, such as np.tanh or minigrad.relu."
                raise TypeError(
                    f"`Sequential(...)` takes Modules and functions, got {layer!r:.60} at position {i}."
                    + remedy
                )
        self.layers = list(layers)

    def forward(self, x: Any) -> Tensor:
        for layer in self.layers:
            x = layer(x)
        return x  # type: ignore[no-any-return]

    @overload
    def __getitem__(self, i: SupportsIndex) -> Any: ...
    @overload
    def __getitem__(self, i: slice) -> Sequential: ...
    @entry
    def __getitem__(self, i: Any) -> Any:
        if isinstance(i, slice):
            return Sequential(*self.layers[i])
        if not hasattr(i, "__index__"):
            raise TypeError(f"Sequential[...] takes a whole number or a slice, got {i!r:.60}.")
        if not -len(self) <= i.__index__() < len(self):
            raise IndexError(f"Sequential[{i}]: there are {len(self)} layers.")
        return self.layers[i]

    def __iter__(self) -> Iterator[Any]:
        return iter(self.layers)

    def __len__(self) -> int:
        return len(self.layers)

    def __bool__(self) -> bool:
        return True

    def extra_repr(self) -> str:
        return ", ".join(map(titled, self.layers))


add_hints(Sequential, "a Sequential", SEQUENTIAL)
