"""Trace and diagonal of a Hessian, estimated from its products with random signs.

Names: `v` random signs, `V` several as rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from minigrad.extend import entry
from optim.base.options import COUNT, Kind, checked
from optim.curvature.moments import Moments
from optim.curvature.products import HessianProducts, random_signs

__all__ = ["Estimate", "hessian_diagonal", "hessian_trace"]

Array = NDArray[Any]
SEVERAL = Kind("a whole number ≥ 2", lambda value: COUNT.parse(value - 1) + 1)


class Estimate(NamedTuple):
    """A mean over random directions, and its standard error: the truth is within two errors about 19 times in
    20."""

    value: Any
    error: Any


@entry
def hessian_trace(f: Any, x: Any, *, samples: int = 100, seed: Any = 0, batches: Any = None) -> Estimate:
    """tr ∇²f(x), estimated by Hutchinson's method.

        tr H ≈ mean of vᵀHv,   v random signs;   variance of one term 2·Σ_{i≠j} Hᵢⱼ²

    Args:
        f, x: see `sharpness`.
        samples: how many v, ≥ 2; they are pushed forward in batches. With n products one could compute
            all eigenvalues.
        seed: of the signs, or a `numpy.random.Generator`.
        batches: see `sharpness`.

    Raises:
        TypeError, ValueError, FloatingPointError: as `sharpness`.

    Reference: Hutchinson 1990, A stochastic estimator of the trace of the influence matrix.

    >>> hessian_trace(lambda x: (np.array([1.0, 2.0]) * x**2).sum(), np.zeros(2))
    Estimate(value=6.0, error=0.0)
    """
    H = HessianProducts("hessian_trace", f, x, batches)
    mean, error = _sampled(H, samples, seed, lambda V, HV: np.sum(V * HV, axis=1, keepdims=True))
    return Estimate(float(mean[0]), float(error[0]))


@entry
def hessian_diagonal(f: Any, x: Any, *, samples: int = 100, seed: Any = 0, batches: Any = None) -> Estimate:
    """The diagonal of ∇²f(x), estimated by Hutchinson's method: value and error have x's structure, shapes
    and dtypes.

        diag H ≈ mean of v ⊙ Hv,   v random signs;   variance of one term of entry i: Σ_{j≠i} Hᵢⱼ²

    Args:
        f, x, samples, seed, batches: see `hessian_trace`, also for the errors.

    Reference: Bekas, Kokiopoulou, Saad 2007, An estimator for the diagonal of a matrix.

    >>> hessian_diagonal(lambda x: (np.array([1.0, 2.0]) * x**2).sum(), np.zeros(2)).value
    array([2., 4.])
    """
    H = HessianProducts("hessian_diagonal", f, x, batches)
    mean, error = _sampled(H, samples, seed, lambda V, HV: V * HV)
    return Estimate(H.tree(mean), H.tree(error))


def _sampled(
    H: HessianProducts, samples: int, seed: Any, term: Callable[[Array, Array], Array]
) -> tuple[Array, Array]:
    """Mean and standard error of term(V, HV) over random signs."""
    samples = checked(H.call, "samples", samples, SEVERAL)
    rng = np.random.default_rng(seed)
    moments = Moments()
    for V, HV in H.images((random_signs(rng, H.n) for _ in range(samples)), samples):
        moments.add(term(V, HV))
    return moments.mean, np.sqrt(moments.variance / samples)
