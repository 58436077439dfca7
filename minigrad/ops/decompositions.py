"""Factorisations: eigh, eig, svd, qr, cholesky, of matrices and of stacks of them.

An op has one result, and a factorisation has several. So the op returns its factors packed as one vector for
each matrix, and slices of that vector are the results: the factorisation is computed once, the derivatives of
all factors are one rule, and the sweeps need not know. Eigenvalues and singular values are ops of their own,
which take the factorisation as a constant: their first derivative uses the vectors but not the vectors'
derivative, and so exists also where values are repeated.

A push is the derivative of the defining equations, and the pull is the push transposed line by line. The
transpose of P = M·t·N is Mᵀ·g·Nᵀ, and that of P = tᴴ is gᴴ, because dL = Re(g·dx) has no conjugate.

Gauge. Where factors are not unique, NumPy's choice is followed if it is differentiable: Q's columns by a real
diagonal of R, real vectors by their length 1 and sign. The phase of a complex vector is the one that moves
least, vᴴdv = 0 (of a pair of singular vectors uᴴdu + vᴴdv = 0), and so do the columns that a full U or Q has
beyond the thin one. Derivatives of functions that do not depend on such a choice are right.

Repeated values. Their vectors can be any basis, so they have no derivative: it is an error where it would
be used, and no infinity. (A push gives the tangents of all factors, so in forward mode all vectors must
have one.) "Repeated" means to rounding, n·ε·max|w|. The first derivative of values uses no derivative of
vectors. It is right for functions that treat repeated values alike (sums, norms), and a subgradient for
others, such as the largest value. The second derivative uses it, so at repeated values it is an error.

Names: `w` eigenvalues, `v` vectors, `H` the conjugate transpose, `t` tangent, `g` cotangent.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from minigrad.errors import CaptureError
from minigrad.families import constant_op, register
from minigrad.mode import current
from minigrad.ops.elementwise import in_floats
from minigrad.tensor import Op, data_of

Shapes = Sequence[tuple[int, ...]]

# Parts


def H(x: Any) -> Any:
    """The conjugate transpose."""
    return np.conjugate(x.mT) if x.dtype.kind == "c" else x.mT


def _columns(w: Any) -> Any:
    """One factor for each column: M * _columns(w) is M·diag(w)."""
    return np.expand_dims(w, -2)


def _diagonal(x: Any) -> Any:
    return np.linalg.diagonal(x)


def _on_diagonal(x: Any) -> Any:
    return np.where(_eye(x.shape[-1]), np.expand_dims(x, -1), 0)


@lru_cache(maxsize=64)
def _eye(n: int) -> Any:
    return _kept(np.eye(n, dtype=bool))


@lru_cache(maxsize=64)
def _triangle(n: int, lower: bool) -> Any:
    """Where the lower (or upper) triangle is, with the diagonal."""
    return _kept(np.tri(n, dtype=bool) if lower else np.tri(n, dtype=bool).T)


@lru_cache(maxsize=64)
def _halved(n: int, lower: bool) -> Any:
    """1 in a triangle, ½ on its diagonal and 0 elsewhere: Φ with X = Φ∘X + (Φ∘X)ᴴ for Hermitian X."""
    return _kept(_triangle(n, lower) - 0.5 * np.eye(n))


def _kept(array: Any) -> Any:
    array.flags.writeable = False  # so that a replay takes it as a constant
    return array


def of_triangle(a: Any, lower: bool = True) -> Any:
    """The Hermitian matrix whose one triangle is that of a: all that LAPACK reads, so the other triangle has
    the derivative 0."""
    n = a.shape[-1]
    whole = np.where(_triangle(n, lower), a, H(a))
    return np.where(_eye(n), np.real(whole), whole) if a.dtype.kind == "c" else whole


_REPEATED = (
    "{what} have no derivative where {values} (to rounding); functions of the values alone have a first one. "
    "Use those, a function of the matrix itself (np.trace, np.linalg.inv, powers), or a matrix whose values "
    "differ."
)


def _zero_gaps(m: Any, gap: Any, scale: Any, what: str, values: str) -> Any:
    limit = m.shape[-1] * np.finfo(gap.dtype).eps * np.abs(scale).max(axis=-1, keepdims=True, initial=0)
    hit = np.abs(gap) <= limit[..., None]
    if np.any(hit & (m != 0)):
        raise np.linalg.LinAlgError(_REPEATED.format(what=what, values=values))
    return hit


_zero_gaps_op = constant_op(_zero_gaps, "zero_gaps")


def _over(m: Any, gap: Any, scale: Any, what: str, values: str = "two of their values are equal") -> Any:
    """m/gap, and 0 where both are 0.

    Raises:
        LinAlgError: a gap is 0, to the rounding of `scale`, and m is not.
    """
    hit = _zero_gaps_op(m, gap, scale, what=what, values=values)
    return np.where(hit, 0, m / np.where(hit, 1, gap))


def _off_diagonal(x: Any) -> Any:
    return np.where(_eye(x.shape[-1]), 0, x)


def _gaps(w: Any) -> Any:
    """wⱼ − wᵢ in row i and column j."""
    return np.expand_dims(w, -2) - np.expand_dims(w, -1)


# Packing


def _packed(parts: Sequence[Any], cores: Shapes) -> Any:
    flat = [
        np.reshape(p, (*p.shape[: p.ndim - len(core)], int(np.prod(core))))
        for p, core in zip(parts, cores, strict=True)
    ]
    return np.concatenate(flat, axis=-1)


def _parts(packed: Any, cores: Shapes) -> list[Any]:
    parts, start = [], 0
    for core in cores:
        stop = start + int(np.prod(core))
        part = packed[..., start:stop]
        parts.append(part if len(core) == 1 else np.reshape(part, (*packed.shape[:-1], *core)))
        start = stop
    return parts


class Factorisation:
    """An op with several results.

    Args:
        name: of the op, shown in pictures.
        factors: `factors(a, **params)`, the results for an array.
        cores: `cores(m, n, **params)`, their shapes for one m × n matrix.
        push: `push(t, a, *factors, **params)`, a tangent for each factor.
        pull: `pull(*cotangents, a, *factors, **params)`, the cotangent of a.
    """

    def __init__(
        self, name: str, factors: Callable[..., Any], cores: Callable[..., Shapes], push: Any, pull: Any
    ) -> None:
        def shapes(a: Any, params: dict[str, Any]) -> Shapes:
            return cores(*a.shape[-2:], **params)

        def forward(a: Any, **params: Any) -> Any:
            return _packed(factors(a, **params), shapes(a, params))

        def pushed(t: Any, y: Any, a: Any, **params: Any) -> Any:
            like = shapes(a, params)
            return _packed(push(t, a, *_parts(y, like), **params), like)

        def pulled(g: Any, y: Any, a: Any, **params: Any) -> Any:
            like = shapes(a, params)
            return pull(*_parts(g, like), a, *_parts(y, like), **params)

        self.op = Op(name, forward, pulls=(pulled,), pushes=(pushed,), batched=True)
        self.shapes = shapes

    def __call__(self, a: Any, **params: Any) -> tuple[Any, list[Any]]:
        """The packed result, for ops that take it as a constant, and its parts."""
        packed = self.op(a, **params)
        return packed, _parts(packed, self.shapes(a, params))


def _values_op(name: str, take: Any, push: Any, pull: Any) -> Op:
    """The op of values that a factorisation holds; `push(t, y, a, packed, ...)` and `pull` are by a alone."""
    return Op(name, take, pulls=(pull, None), pushes=(push, None), batched=True)


def _matrices(a: Any, call: str, square: bool = False) -> Any:
    a = in_floats(a)
    if a.ndim < 2 or (square and a.shape[-1] != a.shape[-2]):
        raise np.linalg.LinAlgError(
            f"np.linalg.{call} needs {'square ' if square else ''}matrices on the last two axes, got shape "
            f"{a.shape}."
        )
    return a


# eigh: A = V·diag(w)·Vᴴ. With P = VᴴdAV: dw = diag P, VᴴdV = P/(wⱼ − wᵢ) off the diagonal, 0 on it.


def _eigh_factors(a: Any, uplo: str) -> Any:
    lapack: Any = np.linalg.eigh
    w, v = lapack(a, uplo)  # of a Hermitian matrix the triangle only decides the signs of vectors
    return w.astype(v.dtype), v


def _eigh_push(t: Any, a: Any, w: Any, v: Any, uplo: str) -> Any:
    p = np.matmul(H(v), np.matmul(t, v))
    turn = _over(_off_diagonal(p), _gaps(w), w, "Eigenvectors")
    return np.real(_diagonal(p)), np.matmul(v, turn)


def _eigh_pull(gw: Any, gv: Any, a: Any, w: Any, v: Any, uplo: str) -> Any:
    turn = _over(_off_diagonal(np.matmul(v.mT, gv)), _gaps(w), w, "Eigenvectors")
    return np.matmul(np.conjugate(v), np.matmul(turn + _on_diagonal(np.real(gw)), v.mT))


_eigh = Factorisation("eigh", _eigh_factors, lambda m, n, uplo="": [(n,), (n, n)], _eigh_push, _eigh_pull)


def _eigh_vectors(packed: Any, a: Any) -> Any:
    return _parts(packed, _eigh.shapes(a, {}))[1]


def _quadratic(t: Any, left: Any, right: Any) -> Any:
    """diag(Lᴴ·t·R)."""
    return np.sum(np.conjugate(left) * np.matmul(t, right), axis=-2)


_eigvalsh_op = _values_op(
    "eigvalsh",
    lambda a, packed: packed[..., : a.shape[-1]].real,
    lambda t, y, a, packed: np.real(_quadratic(t, v := _eigh_vectors(packed, a), v)),
    lambda g, y, a, packed: np.matmul(np.conjugate(v := _eigh_vectors(packed, a)) * _columns(g), v.mT),
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
    a = of_triangle(_matrices(a, "eigh", square=True), _lower(UPLO))
    packed, (_, v) = _eigh(a, uplo=UPLO)
    return EighResult(_eigvalsh_op(a, packed), v)


def eigvalsh(a: Any, UPLO: str = "L") -> Any:
    a = of_triangle(_matrices(a, "eigvalsh", square=True), _lower(UPLO))
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
    return x - v * _columns(np.sum(np.conjugate(v) * x, axis=-2))


def _eig_push(t: Any, a: Any, w: Any, v: Any) -> Any:
    p = np.linalg.solve(v, np.matmul(t, v))
    turn = _over(_off_diagonal(p), _gaps(w), w, "Eigenvectors")
    return _diagonal(p), _inward(np.matmul(v, turn), v)


def _eig_pull(gw: Any, gv: Any, a: Any, w: Any, v: Any) -> Any:
    gv = gv - np.conjugate(v) * _columns(np.sum(v * gv, axis=-2))
    turn = _over(_off_diagonal(np.matmul(v.mT, gv)), _gaps(w), w, "Eigenvectors")
    return _turned_back(turn + _on_diagonal(gw), v)


def _turned_back(p: Any, v: Any) -> Any:
    """V⁻ᵀ·p·Vᵀ, the transpose of t ↦ V⁻¹·t·V."""
    return np.linalg.solve(v.mT, np.matmul(p, v.mT))


_eig = Factorisation("eig", _eig_factors, lambda m, n: [(n,), (n, n)], _eig_push, _eig_pull)


def _eig_vectors(packed: Any, a: Any) -> Any:
    return _parts(packed, _eig.shapes(a, {}))[1]


_eigvals_op = _values_op(
    "eigvals",
    lambda a, packed: packed[..., : a.shape[-1]],
    lambda t, y, a, packed: _diagonal(np.linalg.solve(v := _eig_vectors(packed, a), np.matmul(t, v))),
    lambda g, y, a, packed: _turned_back(_on_diagonal(g), _eig_vectors(packed, a)),
)


class EigResult(NamedTuple):
    """The results of np.linalg.eig on Tensors."""

    eigenvalues: Any
    eigenvectors: Any


def eig(a: Any) -> EigResult:
    a = _matrices(a, "eig", square=True)
    packed, (_, v) = _eig(a)
    w = _eigvals_op(a, packed)
    return EigResult(np.real(w), np.real(v)) if _all_real("eig", a, w) else EigResult(w, v)


def eigvals(a: Any) -> Any:
    a = _matrices(a, "eigvals", square=True)
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
    a = _over(_off_diagonal(x), _gaps(s), s, _SINGULAR)
    b = _over(y, np.expand_dims(s, -2) + np.expand_dims(s, -1), s, _SINGULAR, _ZERO)
    return a + b, a - b


def _outside(x: Any, u: Any) -> Any:
    """(1 − UUᴴ)·x."""
    return x - np.matmul(u, np.matmul(H(u), x))


def _over_values(x: Any, s: Any) -> Any:
    return _over(x, _columns(s), s, _SINGULAR, _ZERO)


def _with_rest(du: Any, u: Any, k: int) -> Any:
    """The tangent of all columns of a unitary matrix from that of its first k."""
    if u.shape[-1] == k:
        return du
    return np.concatenate([du, -np.matmul(u[..., :k], np.matmul(H(du), u[..., k:]))], axis=-1)


def _without_rest(g: Any, u: Any, k: int) -> Any:
    """The transpose of `_with_rest`."""
    if u.shape[-1] == k:
        return g
    first, rest = np.conjugate(u[..., :k]), np.conjugate(u[..., k:])
    return g[..., :k] - np.matmul(rest, np.matmul(H(g[..., k:]), first))


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
    return _with_rest(du, u, k), np.real(_diagonal(p)), H(_with_rest(dv, v, k))


def _svd_pull(gu: Any, gs: Any, gvh: Any, a: Any, u: Any, s: Any, vh: Any, full: bool) -> Any:
    (m, n), k = a.shape[-2:], s.shape[-1]
    u1, v = u[..., :k], H(vh)
    v1 = v[..., :k]
    gu, gv = _without_rest(gu, u, k), _without_rest(H(gvh), v, k)
    turn_u, turn_v = np.matmul(u1.mT, gu), np.matmul(v1.mT, gv)
    gx, gy = _turned(turn_u + turn_v, turn_u - turn_v, s)
    p = (gx + H(gx)) / 2 + (gy - H(gy)) / 2 + _on_diagonal(np.real(gs))
    c = np.matmul(np.conjugate(u1), np.matmul(p, v1.mT))
    if m > k:
        c = c + np.matmul(_outside(_over_values(gu, s), np.conjugate(u1)), v1.mT)
    if n > k:
        c = c + H(np.matmul(_outside(_over_values(gv, s), np.conjugate(v1)), u1.mT))
    return c


def _turned(gx: Any, gy: Any, s: Any) -> tuple[Any, Any]:
    """The transpose of `_turns` on the sum and the difference of its cotangents."""
    if gy.dtype.kind != "c":
        gy = _off_diagonal(gy)  # Y's diagonal is imaginary
    a = _over(_off_diagonal(gx), _gaps(s), s, _SINGULAR)
    return a, _over(gy, np.expand_dims(s, -2) + np.expand_dims(s, -1), s, _SINGULAR, _ZERO)


_svd = Factorisation("svd", _svd_factors, _svd_cores, _svd_push, _svd_pull)


def _singular_vectors(packed: Any, a: Any, full: bool) -> tuple[Any, Any]:
    m, n = a.shape[-2:]
    k = min(m, n)
    u, _, vh = _parts(packed, _svd_cores(m, n, full))
    return u[..., :k], H(vh)[..., :k]


def _svdvals_taken(a: Any, packed: Any, full: bool) -> Any:
    m, n = a.shape[-2:]
    return _parts(packed, _svd_cores(m, n, full))[1].real


def _svdvals_push(t: Any, y: Any, a: Any, packed: Any, full: bool) -> Any:
    u, v = _singular_vectors(packed, a, full)
    return np.real(_quadratic(t, u, v)) * np.sign(y)


def _svdvals_pull(g: Any, y: Any, a: Any, packed: Any, full: bool) -> Any:
    u, v = _singular_vectors(packed, a, full)
    return np.matmul(np.conjugate(u) * _columns(g * np.sign(y)), v.mT)


_svdvals_op = _values_op("svdvals", _svdvals_taken, _svdvals_push, _svdvals_pull)


class SVDResult(NamedTuple):
    """The results of np.linalg.svd on Tensors."""

    U: Any
    S: Any
    Vh: Any


def svd(a: Any, full_matrices: bool = True, compute_uv: bool = True, hermitian: bool = False) -> Any:
    """U, s and Vᴴ. A singular value of 0 has the derivative 0, the minimum-norm choice."""
    a = _matrices(a, "svd")
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
    return v, np.abs(w), H(v * _columns(sign))


register(np.linalg.svd, svd, keywords=("full_matrices", "compute_uv", "hermitian"))
register(np.linalg.svdvals, svdvals)

# qr for m ≥ n: A = Q·R with R's diagonal real. With C = QᴴdAR⁻¹: dR = T·R, dQ = dAR⁻¹ − Q·T, where T is the
# upper triangle of C + Cᴴ with half the diagonal.


def _qr_factors(a: Any, complete: bool) -> Any:
    q, r = np.linalg.qr(a, mode="complete" if complete else "reduced")
    return q, r[..., : a.shape[-1], :]


def _over_r(x: Any, r: Any) -> Any:
    """x·R⁻¹."""
    return np.linalg.solve(r.mT, x.mT).mT


def _qr_push(t: Any, a: Any, q: Any, r: Any, complete: bool) -> Any:
    n = r.shape[-1]
    q1, x = q[..., :n], _over_r(t, r)
    c = np.matmul(H(q1), x)
    upper = _halved(n, False).astype(r.dtype) * (c + H(c))
    return _with_rest(x - np.matmul(q1, upper), q, n), np.matmul(upper, r)


def _qr_pull(gq: Any, gr: Any, a: Any, q: Any, r: Any, complete: bool) -> Any:
    n = r.shape[-1]
    q1, gq = q[..., :n], _without_rest(gq, q, n)
    upper = _halved(n, False).astype(r.dtype) * (np.matmul(gr, r.mT) - np.matmul(q1.mT, gq))
    x = gq + np.matmul(np.conjugate(q1), upper + H(upper))
    return np.linalg.solve(r, x.mT).mT


_qr = Factorisation(
    "qr", _qr_factors, lambda m, n, complete: [(m, m if complete else n), (n, n)], _qr_push, _qr_pull
)


class QRResult(NamedTuple):
    """The results of np.linalg.qr on Tensors."""

    Q: Any
    R: Any


def qr(a: Any, mode: str = "reduced") -> Any:
    """Q and R; "r" gives R alone. The derivative needs the first min(m, n) columns to be independent."""
    if mode not in ("reduced", "complete", "r"):
        raise ValueError(
            f"np.linalg.qr(mode=...) must be 'reduced', 'complete' or 'r' on Tensors, got {mode!r}; LAPACK's "
            "raw reflectors have no derivative rule."
        )
    a = _matrices(a, "qr")
    m, n = a.shape[-2:]
    k = min(m, n)
    q, r = _qr(a[..., :k] if n > k else a, complete=mode == "complete" and m > n)[1]
    if n > k:
        r = np.concatenate([r, np.matmul(H(q), a[..., k:])], axis=-1)
    elif mode == "complete" and m > n:
        r = np.concatenate([r, np.zeros((*r.shape[:-2], m - n, n), r.dtype)], axis=-2)
    return r if mode == "r" else QRResult(q, r)


register(np.linalg.qr, qr, keywords=("mode",))

# cholesky: A = L·Lᴴ. dL = L·Φ(L⁻¹dAL⁻ᴴ), where Φ takes the lower triangle with half the diagonal.


def _between(left: Any, x: Any, right: Any) -> Any:
    """left⁻¹·x·right⁻ᵀ."""
    return np.linalg.solve(right, np.linalg.solve(left, x).mT).mT


def _cholesky_push(t: Any, y: Any, a: Any) -> Any:
    return np.matmul(y, _halved(y.shape[-1], True).astype(y.dtype) * _between(y, t, np.conjugate(y)))


def _cholesky_pull(g: Any, y: Any, a: Any) -> Any:
    return _between(y.mT, _halved(y.shape[-1], True).astype(y.dtype) * np.matmul(y.mT, g), H(y))


_cholesky = Op(
    "cholesky",
    lambda a: np.linalg.cholesky(a),
    pulls=(_cholesky_pull,),
    pushes=(_cholesky_push,),
    batched=True,
)


def cholesky(a: Any, *, upper: bool = False) -> Any:
    """L of A = L·Lᴴ, or U = Lᴴ with `upper`, from that triangle of a."""
    y = _cholesky(of_triangle(_matrices(a, "cholesky", square=True), not upper))
    return H(y) if upper else y


register(np.linalg.cholesky, cholesky, keywords=("upper",))
