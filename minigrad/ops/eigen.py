"""Eigenvalues and eigenvectors, of matrices and of stacks of them: eigh and eig.

Gauge, repeated values and packing: see the head of `factorisation`.

Names: `w` eigenvalues, `v` vectors, `H` the conjugate transpose, `t` tangent, `g` cotangent.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from minigrad.errors import CaptureError
from minigrad.families import register
from minigrad.mode import current
from minigrad.ops.factorisation import (
    Factorisation,
    H,
    diagonal_of,
    gaps_of,
    matrices,
    of_triangle,
    off_diagonal,
    on_diagonal,
    over_gaps,
    parts_of,
    per_column,
    quadratic,
    values_op,
)
from minigrad.tensor import data_of

# eigh: A = V·diag(w)·Vᴴ. With P = VᴴdAV: dw = diag P, VᴴdV = P/(wⱼ − wᵢ) off the diagonal, 0 on it.


def _eigh_factors(a: Any, uplo: str) -> Any:
    lapack: Any = np.linalg.eigh
    w, v = lapack(a, uplo)  # of a Hermitian matrix the triangle only decides the signs of vectors
    return w.astype(v.dtype), v


def _eigh_push(t: Any, a: Any, w: Any, v: Any, uplo: str) -> Any:
    p = np.matmul(H(v), np.matmul(t, v))
    turn = over_gaps(off_diagonal(p), gaps_of(w), w, "Eigenvectors")
    return np.real(diagonal_of(p)), np.matmul(v, turn)


def _eigh_pull(gw: Any, gv: Any, a: Any, w: Any, v: Any, uplo: str) -> Any:
    turn = over_gaps(off_diagonal(np.matmul(v.mT, gv)), gaps_of(w), w, "Eigenvectors")
    return np.matmul(np.conjugate(v), np.matmul(turn + on_diagonal(np.real(gw)), v.mT))


_eigh = Factorisation("eigh", _eigh_factors, lambda m, n, uplo="": [(n,), (n, n)], _eigh_push, _eigh_pull)


def _eigh_vectors(packed: Any, a: Any) -> Any:
    return parts_of(packed, _eigh.shapes(a, {}))[1]


_eigvalsh_op = values_op(
    "eigvalsh",
    lambda a, packed: packed[..., : a.shape[-1]].real,
    lambda t, y, a, packed: np.real(quadratic(t, v := _eigh_vectors(packed, a), v)),
    lambda g, y, a, packed: np.matmul(np.conjugate(v := _eigh_vectors(packed, a)) * per_column(g), v.mT),
)


class EighResult(NamedTuple):
    """The results of np.linalg.eigh on Tensors."""

    eigenvalues: Any
    eigenvectors: Any


def _lower(uplo: str) -> bool:
    if uplo not in ("L", "U", "l", "u"):
        raise ValueError(f"np.linalg.eigh(UPLO=...) must be 'L' or 'U', got {uplo!r}.")
    return uplo in "Ll"


def eigh(a: Any, UPLO: str = "L") -> EighResult:
    a = of_triangle(matrices(a, "eigh", square=True), _lower(UPLO))
    packed, (_, v) = _eigh(a, uplo=UPLO)
    return EighResult(_eigvalsh_op(a, packed), v)


def eigvalsh(a: Any, UPLO: str = "L") -> Any:
    a = of_triangle(matrices(a, "eigvalsh", square=True), _lower(UPLO))
    return _eigvalsh_op(a, _eigh(a, uplo=UPLO)[0])


register(np.linalg.eigh, eigh, keywords=("UPLO",))
register(np.linalg.eigvalsh, eigvalsh, keywords=("UPLO",))

# eig: A·V = V·diag(w). With P = V⁻¹dAV: dw = diag P, and dV = V·(P/(wⱼ − wᵢ)) brought back to vᴴdv = 0.


def _eig_factors(a: Any) -> Any:
    w, v = np.linalg.eig(a)
    return (w, v) if a.dtype.kind == "c" else (np.asarray(w, _complex_of(a)), np.asarray(v, _complex_of(a)))


def _complex_of(a: Any) -> Any:
    return np.result_type(a.dtype, np.complex64)


def _inward(x: Any, v: Any) -> Any:
    """x without the part of each column that only changes the length and the phase of v's."""
    return x - v * per_column(np.sum(np.conjugate(v) * x, axis=-2))


def _eig_push(t: Any, a: Any, w: Any, v: Any) -> Any:
    p = np.linalg.solve(v, np.matmul(t, v))
    turn = over_gaps(off_diagonal(p), gaps_of(w), w, "Eigenvectors")
    return diagonal_of(p), _inward(np.matmul(v, turn), v)


def _eig_pull(gw: Any, gv: Any, a: Any, w: Any, v: Any) -> Any:
    gv = gv - np.conjugate(v) * per_column(np.sum(v * gv, axis=-2))
    turn = over_gaps(off_diagonal(np.matmul(v.mT, gv)), gaps_of(w), w, "Eigenvectors")
    return _turned_back(turn + on_diagonal(gw), v)


def _turned_back(p: Any, v: Any) -> Any:
    """V⁻ᵀ·p·Vᵀ, the transpose of t ↦ V⁻¹·t·V."""
    return np.linalg.solve(v.mT, np.matmul(p, v.mT))


_eig = Factorisation("eig", _eig_factors, lambda m, n: [(n,), (n, n)], _eig_push, _eig_pull)


def _eig_vectors(packed: Any, a: Any) -> Any:
    return parts_of(packed, _eig.shapes(a, {}))[1]


_eigvals_op = values_op(
    "eigvals",
    lambda a, packed: packed[..., : a.shape[-1]],
    lambda t, y, a, packed: diagonal_of(np.linalg.solve(v := _eig_vectors(packed, a), np.matmul(t, v))),
    lambda g, y, a, packed: _turned_back(on_diagonal(g), _eig_vectors(packed, a)),
)


class EigResult(NamedTuple):
    """The results of np.linalg.eig on Tensors."""

    eigenvalues: Any
    eigenvectors: Any


def eig(a: Any) -> EigResult:
    a = matrices(a, "eig", square=True)
    packed, (_, v) = _eig(a)
    w = _eigvals_op(a, packed)
    return EigResult(np.real(w), np.real(v)) if _all_real("eig", a, w) else EigResult(w, v)


def eigvals(a: Any) -> Any:
    a = matrices(a, "eigvals", square=True)
    w = _eigvals_op(a, _eig(a)[0])
    return np.real(w) if _all_real("eigvals", a, w) else w


def _all_real(call: str, a: Any, w: Any) -> bool:
    """Whether NumPy gives real numbers: real matrices, none of which has a complex eigenvalue."""
    if a.dtype.kind == "c":
        return False
    if current.mode.capturing is not None:
        raise CaptureError(
            f"np.linalg.{call} of a real matrix gives real or complex numbers, as its values decide, so it "
            f"cannot be captured. Write np.linalg.{call}(a.astype(complex)), whose result is always complex."
        )
    return not np.any(data_of(w).imag)


register(np.linalg.eig, eig)
register(np.linalg.eigvals, eigvals)
