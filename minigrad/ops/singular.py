"""Singular values and vectors, of matrices and of stacks of them: svd.

Gauge, repeated values and packing: see the head of `factorisation`.

Names: `w` eigenvalues, `v` vectors, `H` the conjugate transpose, `t` tangent, `g` cotangent.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from minigrad.families import constant_op, register
from minigrad.ops.eigen import eigh
from minigrad.ops.factorisation import (
    Factorisation,
    H,
    Shapes,
    diagonal_of,
    gaps_of,
    matrices,
    off_diagonal,
    on_diagonal,
    over_gaps,
    parts_of,
    per_column,
    quadratic,
    values_op,
    with_rest,
    without_rest,
)

# svd: A = U·diag(s)·Vᴴ, with k = min(m, n) columns. With P = UᴴdAV, X and Y its Hermitian and anti-Hermitian
# parts: ds = diag X, UᴴdU = X/(sⱼ − sᵢ) + Y/(sⱼ + sᵢ), VᴴdV = X/(sⱼ − sᵢ) − Y/(sⱼ + sᵢ), and what leaves the
# columns of U is (1 − UUᴴ)dAV/s, of V (1 − VVᴴ)dAᴴU/s. Further columns turn only against the first k.

_SINGULAR = "Singular vectors"
_ZERO = "a singular value is 0"


def _svd_factors(a: Any, full: bool) -> Any:
    u, s, vh = np.linalg.svd(a, full_matrices=full)
    return u, s.astype(u.dtype), vh


def _svd_cores(m: int, n: int, full: bool) -> Shapes:
    k = min(m, n)
    return [(m, m if full else k), (k,), (n if full else k, n)]


def _turns(x: Any, y: Any, s: Any) -> tuple[Any, Any]:
    """X/(sⱼ − sᵢ) ± Y/(sⱼ + sᵢ)."""
    a = over_gaps(off_diagonal(x), gaps_of(s), s, _SINGULAR)
    b = over_gaps(y, np.expand_dims(s, -2) + np.expand_dims(s, -1), s, _SINGULAR, _ZERO)
    return a + b, a - b


def _outside(x: Any, u: Any) -> Any:
    """(1 − UUᴴ)·x."""
    return x - np.matmul(u, np.matmul(H(u), x))


def _over_values(x: Any, s: Any) -> Any:
    return over_gaps(x, per_column(s), s, _SINGULAR, _ZERO)


def _svd_push(t: Any, a: Any, u: Any, s: Any, vh: Any, full: bool) -> Any:
    (m, n), k = a.shape[-2:], s.shape[-1]
    u1, v = u[..., :k], H(vh)
    v1 = v[..., :k]
    p = np.matmul(H(u1), np.matmul(t, v1))
    turn_u, turn_v = _turns((p + H(p)) / 2, (p - H(p)) / 2, s)
    du, dv = np.matmul(u1, turn_u), np.matmul(v1, turn_v)
    if m > k:
        du = du + _over_values(_outside(np.matmul(t, v1), u1), s)
    if n > k:
        dv = dv + _over_values(_outside(np.matmul(H(t), u1), v1), s)
    return with_rest(du, u, k), np.real(diagonal_of(p)), H(with_rest(dv, v, k))


def _svd_pull(gu: Any, gs: Any, gvh: Any, a: Any, u: Any, s: Any, vh: Any, full: bool) -> Any:
    (m, n), k = a.shape[-2:], s.shape[-1]
    u1, v = u[..., :k], H(vh)
    v1 = v[..., :k]
    gu, gv = without_rest(gu, u, k), without_rest(H(gvh), v, k)
    turn_u, turn_v = np.matmul(u1.mT, gu), np.matmul(v1.mT, gv)
    gx, gy = _turned(turn_u + turn_v, turn_u - turn_v, s)
    p = (gx + H(gx)) / 2 + (gy - H(gy)) / 2 + on_diagonal(np.real(gs))
    c = np.matmul(np.conjugate(u1), np.matmul(p, v1.mT))
    if m > k:
        c = c + np.matmul(_outside(_over_values(gu, s), np.conjugate(u1)), v1.mT)
    if n > k:
        c = c + H(np.matmul(_outside(_over_values(gv, s), np.conjugate(v1)), u1.mT))
    return c


def _turned(gx: Any, gy: Any, s: Any) -> tuple[Any, Any]:
    """The transpose of `_turns` on the sum and the difference of its cotangents."""
    if gy.dtype.kind != "c":
        gy = off_diagonal(gy)  # Y's diagonal is imaginary
    a = over_gaps(off_diagonal(gx), gaps_of(s), s, _SINGULAR)
    return a, over_gaps(gy, np.expand_dims(s, -2) + np.expand_dims(s, -1), s, _SINGULAR, _ZERO)


_svd = Factorisation("svd", _svd_factors, _svd_cores, _svd_push, _svd_pull)


def _singular_vectors(packed: Any, a: Any, full: bool) -> tuple[Any, Any]:
    m, n = a.shape[-2:]
    k = min(m, n)
    u, _, vh = parts_of(packed, _svd_cores(m, n, full))
    return u[..., :k], H(vh)[..., :k]


def _svdvals_taken(a: Any, packed: Any, full: bool) -> Any:
    m, n = a.shape[-2:]
    return parts_of(packed, _svd_cores(m, n, full))[1].real


def _svdvals_push(t: Any, y: Any, a: Any, packed: Any, full: bool) -> Any:
    u, v = _singular_vectors(packed, a, full)
    return np.real(quadratic(t, u, v)) * np.sign(y)


def _svdvals_pull(g: Any, y: Any, a: Any, packed: Any, full: bool) -> Any:
    u, v = _singular_vectors(packed, a, full)
    return np.matmul(np.conjugate(u) * per_column(g * np.sign(y)), v.mT)


_svdvals_op = values_op("svdvals", _svdvals_taken, _svdvals_push, _svdvals_pull)


class SVDResult(NamedTuple):
    """The results of np.linalg.svd on Tensors."""

    U: Any
    S: Any
    Vh: Any


def svd(a: Any, full_matrices: bool = True, compute_uv: bool = True, hermitian: bool = False) -> Any:
    """U, s and Vᴴ. A singular value of 0 has the derivative 0, the minimum-norm choice."""
    a = matrices(a, "svd")
    if hermitian:
        u, s, vh = _svd_of_hermitian(a)
        return SVDResult(u, s, vh) if compute_uv else s
    full = bool(full_matrices) and bool(compute_uv)
    packed, (u, _, vh) = _svd(a, full=full)
    s = _svdvals_op(a, packed, full=full)
    return SVDResult(u, s, vh) if compute_uv else s


def svdvals(x: Any) -> Any:
    return svd(x, compute_uv=False)


_descending: Any = constant_op(lambda s: np.argsort(s)[..., ::-1], "argsort")


def _svd_of_hermitian(a: Any) -> Any:
    """From A = V·diag(w)·Vᴴ: s = |w| in falling order, U = V, and Vᴴ with the signs of w."""
    w, v = eigh(a)
    order: Any = _descending(np.abs(w))
    w = np.take_along_axis(w, order, axis=-1)
    v = np.take_along_axis(v, np.expand_dims(order, -2), axis=-1)
    sign = np.where(w < 0, -1.0, 1.0).astype(w.dtype)
    return v, np.abs(w), H(v * per_column(sign))


register(np.linalg.svd, svd, keywords=("full_matrices", "compute_uv", "hermitian"))
register(np.linalg.svdvals, svdvals)
