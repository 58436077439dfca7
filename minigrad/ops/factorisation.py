"""What the factorisations of matrices (`eigen`, `singular`, `triangular`) are made of.

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
from typing import Any

import numpy as np

from minigrad.families import constant_op
from minigrad.ops.elementwise import in_floats
from minigrad.tensor import Op

Shapes = Sequence[tuple[int, ...]]

# Parts


def H(x: Any) -> Any:
    """The conjugate transpose."""
    return np.conjugate(x.mT) if x.dtype.kind == "c" else x.mT


def per_column(w: Any) -> Any:
    """One factor for each column: M * per_column(w) is M·diag(w)."""
    return np.expand_dims(w, -2)


def diagonal_of(x: Any) -> Any:
    return np.linalg.diagonal(x)


def on_diagonal(x: Any) -> Any:
    return np.where(_eye(x.shape[-1]), np.expand_dims(x, -1), 0)


@lru_cache(maxsize=64)
def _eye(n: int) -> Any:
    return _kept(np.eye(n, dtype=bool))


@lru_cache(maxsize=64)
def _triangle(n: int, lower: bool) -> Any:
    """Where the lower (or upper) triangle is, with the diagonal."""
    return _kept(np.tri(n, dtype=bool) if lower else np.tri(n, dtype=bool).T)


@lru_cache(maxsize=64)
def halved(n: int, lower: bool) -> Any:
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


def over_gaps(m: Any, gap: Any, scale: Any, what: str, values: str = "two of their values are equal") -> Any:
    """m/gap, and 0 where both are 0.

    Raises:
        LinAlgError: a gap is 0, to the rounding of `scale`, and m is not.
    """
    hit = _zero_gaps_op(m, gap, scale, what=what, values=values)
    return np.where(hit, 0, m / np.where(hit, 1, gap))


def off_diagonal(x: Any) -> Any:
    return np.where(_eye(x.shape[-1]), 0, x)


def gaps_of(w: Any) -> Any:
    """wⱼ − wᵢ in row i and column j."""
    return np.expand_dims(w, -2) - np.expand_dims(w, -1)


# Packing


def _packed(parts: Sequence[Any], cores: Shapes) -> Any:
    flat = [
        np.reshape(p, (*p.shape[: p.ndim - len(core)], int(np.prod(core))))
        for p, core in zip(parts, cores, strict=True)
    ]
    return np.concatenate(flat, axis=-1)


def parts_of(packed: Any, cores: Shapes) -> list[Any]:
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
            return _packed(push(t, a, *parts_of(y, like), **params), like)

        def pulled(g: Any, y: Any, a: Any, **params: Any) -> Any:
            like = shapes(a, params)
            return pull(*parts_of(g, like), a, *parts_of(y, like), **params)

        self.op = Op(name, forward, pulls=(pulled,), pushes=(pushed,), batched=True)
        self.shapes = shapes

    def __call__(self, a: Any, **params: Any) -> tuple[Any, list[Any]]:
        """The packed result, for ops that take it as a constant, and its parts."""
        packed = self.op(a, **params)
        return packed, parts_of(packed, self.shapes(a, params))


def values_op(name: str, take: Any, push: Any, pull: Any) -> Op:
    """The op of values that a factorisation holds; `push(t, y, a, packed, ...)` and `pull` are by a alone."""
    return Op(name, take, pulls=(pull, None), pushes=(push, None), batched=True)


def matrices(a: Any, call: str, square: bool = False) -> Any:
    a = in_floats(a)
    if a.ndim < 2 or (square and a.shape[-1] != a.shape[-2]):
        raise np.linalg.LinAlgError(
            f"np.linalg.{call} needs {'square ' if square else ''}matrices on the last two axes, got shape "
            f"{a.shape}."
        )
    return a


def quadratic(t: Any, left: Any, right: Any) -> Any:
    """diag(Lᴴ·t·R)."""
    return np.sum(np.conjugate(left) * np.matmul(t, right), axis=-2)


def with_rest(du: Any, u: Any, k: int) -> Any:
    """The tangent of all columns of a unitary matrix from that of its first k."""
    if u.shape[-1] == k:
        return du
    return np.concatenate([du, -np.matmul(u[..., :k], np.matmul(H(du), u[..., k:]))], axis=-1)


def without_rest(g: Any, u: Any, k: int) -> Any:
    """The transpose of `with_rest`."""
    if u.shape[-1] == k:
        return g
    first, rest = np.conjugate(u[..., :k]), np.conjugate(u[..., k:])
    return g[..., :k] - np.matmul(rest, np.matmul(H(g[..., k:]), first))
