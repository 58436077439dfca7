"""Products of vectors and tensors, and diagonals of matrices: compositions of einsum and multiplication.

Those of NumPy's functions that conjugate their first argument (vecdot, vecmat) do so here.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from minigrad.families import register
from minigrad.leaving import numeric
from minigrad.ops.linalg import matmul, outer, tensordot
from minigrad.tensor import Tensor, traced_if_capturing


def _array(x: Any, call: str) -> Any:
    return traced_if_capturing(x if isinstance(x, Tensor | np.ndarray) else numeric(x, call))


def _conjugate(x: Any) -> Any:
    return np.conjugate(x) if x.dtype.kind == "c" else x


# Vectors


def vecdot(x1: Any, x2: Any, *, axis: int = -1, call: str = "np.vecdot") -> Any:
    """Σ x̄·y along an axis, the others broadcast."""
    a, b = _array(x1, call), _array(x2, call)
    if not a.ndim or not b.ndim or a.shape[axis] != b.shape[axis]:
        raise ValueError(
            f"{call}(axis={axis}) needs one length along that axis, got shapes {a.shape} and {b.shape}."
        )
    a, b = (x if axis == -1 else np.moveaxis(x, axis, -1) for x in (a, b))
    return np.einsum("...i,...i->...", _conjugate(a), b)


def _require_one_length(call: str, a: Any, x: Any, axis: int) -> None:
    """Raise where einsum would stretch a vector of one element."""
    if a.ndim < 2 or not x.ndim or a.shape[axis] != x.shape[-1]:
        raise ValueError(f"{call} needs matrices and vectors that fit, got shapes {a.shape} and {x.shape}.")


def matvec(x1: Any, x2: Any) -> Any:
    """Matrices times vectors, stacked on the leading axes."""
    a, x = _array(x1, "np.matvec"), _array(x2, "np.matvec")
    _require_one_length("np.matvec", a, x, -1)
    return np.einsum("...ij,...j->...i", a, x)


def vecmat(x1: Any, x2: Any) -> Any:
    """Vectors, conjugated, times matrices, stacked on the leading axes."""
    x, a = _array(x1, "np.vecmat"), _array(x2, "np.vecmat")
    _require_one_length("np.vecmat", a, x, -2)
    return np.einsum("...i,...ij->...j", _conjugate(x), a)


def cross(a: Any, b: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None) -> Any:
    """The vector product a × b; of two vectors of the plane, its third component alone."""
    if axis is not None:
        axisa = axisb = axisc = axis
    a, b = _array(a, "np.cross"), _array(b, "np.cross")
    a, b = (np.moveaxis(x, normalize_axis_index(i, x.ndim), -1) for x, i in ((a, axisa), (b, axisb)))
    lengths = {a.shape[-1], b.shape[-1]}
    if not lengths <= {2, 3}:
        raise ValueError(
            f"np.cross needs vectors of length 3 (or 2), got {a.shape[-1]} and {b.shape[-1]}; pass axis=."
        )
    if lengths == {2}:
        return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
    a0, a1, a2 = _components(a)
    b0, b1, b2 = _components(b)
    y = np.stack([a1 * b2 - a2 * b1, a2 * b0 - a0 * b2, a0 * b1 - a1 * b0], axis=-1)
    return y if axisc in (-1, y.ndim - 1) else np.moveaxis(y, -1, axisc)


def _components(x: Any) -> tuple[Any, Any, Any]:
    return x[..., 0], x[..., 1], x[..., 2] if x.shape[-1] == 3 else 0.0 * x[..., 0]


# Tensors


def kron(a: Any, b: Any) -> Any:
    """Every element of a times all of b, in blocks."""
    a, b = _array(a, "np.kron"), _array(b, "np.kron")
    rank = max(a.ndim, b.ndim)
    shape_a = (1,) * (rank - a.ndim) + a.shape
    shape_b = (1,) * (rank - b.ndim) + b.shape
    spread_a = [n for pair in zip(shape_a, (1,) * rank, strict=True) for n in pair]
    spread_b = [n for pair in zip((1,) * rank, shape_b, strict=True) for n in pair]
    blocks = np.reshape(a, spread_a) * np.reshape(b, spread_b)
    return np.reshape(blocks, [m * n for m, n in zip(shape_a, shape_b, strict=True)])


def linalg_outer(x1: Any, x2: Any, /) -> Any:
    a, b = _array(x1, "np.linalg.outer"), _array(x2, "np.linalg.outer")
    if a.ndim != 1 or b.ndim != 1:
        raise ValueError(
            f"np.linalg.outer needs two vectors, got shapes {a.shape} and {b.shape}; np.outer flattens."
        )
    return outer(a, b)


# Matrices on the last two axes


def diagonal(x: Any, /, *, offset: int = 0) -> Any:
    """The diagonal of each matrix, or the one `offset` columns to the right."""
    if x.ndim < 2:
        raise ValueError(f"np.linalg.diagonal needs matrices on the last two axes, got shape {x.shape}.")
    offset = operator.index(offset)
    x = x[..., max(-offset, 0) :, max(offset, 0) :] if offset else x
    n = min(x.shape[-2:])
    return np.einsum("...ii->...i", x if x.shape[-2:] == (n, n) else x[..., :n, :n])


def trace(x: Any, /, *, offset: int = 0) -> Any:
    """The sum of the diagonal of each matrix."""
    return np.sum(diagonal(x, offset=offset), axis=-1)


def matrix_transpose(x: Any, /) -> Any:
    if x.ndim < 2:
        raise ValueError(
            f"matrix_transpose needs at least two axes, got shape {x.shape}; use np.reshape first."
        )
    return np.swapaxes(x, -1, -2)


def linalg_cross(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    a, b = _array(x1, "np.linalg.cross"), _array(x2, "np.linalg.cross")
    for x in (a, b):
        if x.shape[normalize_axis_index(axis, x.ndim)] != 3:
            raise ValueError(
                f"np.linalg.cross(axis={axis}) needs vectors of length 3, got shapes {a.shape} and {b.shape}."
            )
    return cross(a, b, axis=axis)


register(np.kron, kron)
register(np.cross, cross, keywords=("axisa", "axisb", "axisc", "axis"))
register(np.linalg.outer, linalg_outer)
register(np.linalg.diagonal, diagonal, keywords=("offset",))
register(np.linalg.trace, trace, keywords=("offset",))
register((np.matrix_transpose, np.linalg.matrix_transpose), matrix_transpose)
register(np.linalg.cross, linalg_cross, keywords=("axis",))
register(np.linalg.matmul, lambda x1, x2, /: matmul(x1, x2, call="np.linalg.matmul"))
register(np.linalg.tensordot, lambda x1, x2, /, *, axes=2: tensordot(x1, x2, axes), keywords=("axes",))
register(np.linalg.vecdot, lambda x1, x2, /, *, axis=-1: vecdot(x1, x2, axis=axis), keywords=("axis",))
if hasattr(np, "vecdot"):  # NumPy 2.0 and 2.2 brought these
    register(np.vecdot, vecdot, keywords=("axis",))
if hasattr(np, "matvec"):
    register(np.matvec, matvec)
    register(np.vecmat, vecmat)
