"""Random numbers. A function that draws them with `uniform` can be compiled: every call draws new ones."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.errors import entry
from minigrad.mode import current
from minigrad.tensor import Op, apply


@entry
def uniform(rng: np.random.Generator, shape: int | tuple[int, ...] = (), dtype: Any = np.float64) -> Any:
    """Uniform random numbers in [0, 1): `rng.random(shape, dtype)`, a constant for derivatives.

    Numbers drawn directly from a generator would be the same at each call of a compiled function, so
    `compile` refuses that. Functions of uniform numbers give other distributions, as −log(1 − u) gives the
    exponential.

    Args:
        rng: the generator; its state moves on as if the function had been run without compiling.
        shape: the shape of the array.
        dtype: float64 or float32.

    >>> uniform(np.random.default_rng(0), (2,)).round(3).tolist()
    [0.637, 0.27]
    """
    if not isinstance(rng, np.random.Generator):
        raise TypeError(
            f"uniform(rng, ...) needs a numpy Generator, got {type(rng).__name__}: {rng!r:.40}. Pass "
            "np.random.default_rng(seed), made once outside the function."
        )
    capture = current.mode.capturing
    if capture is None:
        return rng.random(shape, np.dtype(dtype))  # type: ignore[arg-type]  # the stubs want a literal
    capture.draws_from(rng)
    node = apply(uniform_op, (), {"rng": rng, "shape": shape, "dtype": np.dtype(dtype)})
    capture.draws.append(node)
    capture.drew(rng)
    return node


uniform_op = Op("uniform", lambda rng, shape, dtype: rng.random(shape, dtype))
