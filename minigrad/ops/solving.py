"""Linear equations and what belongs to them: solve, inv, det, pinv, lstsq, norms, powers and chains.

All act on matrices on the last two axes, and on stacks of them. Complex matrices follow the same rules,
because a cotangent means dL = Re(g·dx) without a conjugate; only pinv, norms and slogdet meet a conjugate.

Names: `y` result, `t` tangent, `g` cotangent, `a` matrix, `H` the conjugate transpose.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from minigrad.families import constant_op, register
from minigrad.leaving import numeric
from minigrad.mode import current
from minigrad.ops.elementwise import in_floats, ratio
from minigrad.ops.factorisation import H, of_triangle
from minigrad.ops.reduce import from_the_end, with_axes
from minigrad.ops.singular import svdvals
from minigrad.products import scale
from minigrad.tensor import Op, Tensor, data_of, run, traced_if_capturing


def _array(x: Any, call: str) -> Any:
    return in_floats(traced_if_capturing(x if isinstance(x, Tensor | np.ndarray) else numeric(x, call)))


def _square(x: Any, call: str) -> Any:
    x = _array(x, f"np.linalg.{call}")
    if x.ndim < 2 or x.shape[-1] != x.shape[-2]:
        raise np.linalg.LinAlgError(
            f"np.linalg.{call} needs square matrices on the last two axes, got shape {x.shape}."
        )
    return x


# Equations. For a·y = b: a·dy = db − da·y, so with h = a⁻ᵀ·g: ∂b = h, ∂a = −h·yᵀ.


def _minus_outer(h: Any, y: Any) -> Any:
    """−h·yᵀ. Of one column it is a product without a sum, so that zeros have the signs of `_solve_vector`."""
    return h * -y.mT if y.shape[-1] == 1 else -np.matmul(h, y.mT)


_solve: Op = Op(
    "solve",
    lambda a, b: np.linalg.solve(a, b),
    pulls=(
        lambda g, y, a, b: _minus_outer(_solve(a.mT, g), y),
        lambda g, y, a, b: _solve(a.mT, g),
    ),
    pushes=(lambda t, y, a, b: -_solve(a, np.matmul(t, y)), lambda t, y, a, b: _solve(a, t)),
    broadcasts=True,
    batched=True,
)

_inv = Op(
    "inv",
    lambda a: np.linalg.inv(a),
    pulls=(lambda g, y, a: -np.matmul(y.mT, np.matmul(g, y.mT)),),
    pushes=(lambda t, y, a: -np.matmul(y, np.matmul(t, y)),),
    batched=True,
)


_solve_vector: Op = Op(  # a matrix and a vector: half the nodes of a matrix of one column
    "solve",
    lambda a, b: np.linalg.solve(a, b),
    pulls=(lambda g, y, a, b: _solved(a.mT, g)[..., None] * -y, lambda g, y, a, b: _solved(a.mT, g)),
    pushes=(lambda t, y, a, b: -_solved(a, np.matmul(t, y)), lambda t, y, a, b: _solved(a, t)),
    batched=True,
)


def _solved(a: Any, b: Any) -> Any:
    """a⁻¹·b for a vector, or for each of those that a batched sweep has."""
    return run(_solve_vector, (a, b), {}) if b.ndim == 1 else _solve(a, b[..., None])[..., 0]


def solve(a: Any, b: Any) -> Any:
    a, b = _square(a, "solve"), _array(b, "np.linalg.solve")
    if not b.ndim or a.shape[-1] != b.shape[-2:][0]:
        raise np.linalg.LinAlgError(
            "np.linalg.solve(a, b) needs a (..., n, n) and b (n,) or (..., n, k), got shapes "
            f"{a.shape} and {b.shape}."
        )
    if a.ndim == 2 and b.ndim == 1 and current.mode.capturing is None:  # vmap needs an op that broadcasts
        return run(_solve_vector, (a, b), {})
    if b.ndim == 1:
        return _solve(a, np.expand_dims(b, -1))[..., 0]
    return _solve(a, b)


def inv(a: Any) -> Any:
    return _inv(_square(a, "inv"))


def tensorsolve(a: Any, b: Any, axes: Any = None) -> Any:
    """x with tensordot(a, x, x.ndim) = b."""
    a, b = _array(a, "np.linalg.tensorsolve"), _array(b, "np.linalg.tensorsolve")
    if axes is not None:
        last = [operator.index(k) for k in axes]
        a = np.transpose(a, [k for k in range(a.ndim) if k not in last] + last)
    shape = a.shape[b.ndim - a.ndim :]  # of all axes if b has as many, as in NumPy
    size = int(np.prod(shape))
    if a.size != size * size or b.size != size:
        raise np.linalg.LinAlgError(
            f"np.linalg.tensorsolve(a, b, axes={axes}): the leading axes of a, as many as b has, must hold "
            f"as many elements as the others, and as b, got shapes {a.shape} and {b.shape}."
        )
    return np.reshape(solve(np.reshape(a, (size, size)), np.reshape(b, (-1,))), shape)


def tensorinv(a: Any, ind: int = 2) -> Any:
    if ind <= 0:
        raise ValueError(f"np.linalg.tensorinv(ind=...) must be positive, got {ind}.")
    a = _array(a, "np.linalg.tensorinv")
    if not a.ndim:
        raise ValueError("np.linalg.tensorinv needs at least one axis, got a number.")
    shape = a.shape[ind:] + a.shape[:ind]
    return np.reshape(inv(np.reshape(a, (int(np.prod(a.shape[ind:])), -1))), shape)


register(np.linalg.solve, solve)
register(np.linalg.inv, inv)
register(np.linalg.tensorsolve, tensorsolve, keywords=("axes",))
register(np.linalg.tensorinv, tensorinv, keywords=("ind",))

# Determinants. ∂det = g·cof(a), the matrix of cofactors, which is finite also where a has no inverse.

_det = Op(
    "det",
    lambda a: np.linalg.det(a),
    pulls=(lambda g, y, a: _each(g) * _cofactors(a),),
    pushes=(lambda t, y, a: np.sum(t * _cofactors(a), axis=(-2, -1)),),
    batched=True,
)

_SMALL = 3
_SIGNS = np.array([[1.0, -1.0], [-1.0, 1.0]])
_SIGNS.flags.writeable = False


def _each(g: Any) -> Any:
    """One number for each matrix, to multiply matrices by."""
    return np.expand_dims(g, (-2, -1))


def _cofactors(a: Any) -> Any:
    """The cofactors of a: polynomials up to 3 × 3, beyond by a bordered matrix that has an inverse.

    M = [[b, B], [C, 0]] with B and C of three columns and rows has det b = det M · det E, where E is the last
    block of M⁻¹ = [[G, P], [Q, E]]. So cof b = det M · (det E · G − P·adj E·Q)ᵀ. This holds for any constants
    B and C. With the singular vectors of the three smallest singular values M has an inverse if the rank of b
    is at least n − 3, and every derivative is right. If the rank is less, the first three derivatives of det
    are 0, and so is this. That a singular value is 0 is judged after a was balanced: b is a with rows and
    columns of elements near 1.
    """
    n = a.shape[-1]
    if n <= _SMALL:
        return _small_cofactors(a, n)
    rows = _balance(a)
    units = rows * _balance((a * rows).mT).mT
    b = a * units
    border = _border(b)
    top = np.concatenate([b + border[..., :n, :n], border[..., :n, n:-1]], axis=-1)
    inverse = inv(bordered := np.concatenate([top, border[..., n:, :-1]], axis=-2))
    e = inverse[..., n:, n:]
    c = _small_cofactors(e, _SMALL)
    whole = np.sum(e[..., 0, :] * c[..., 0, :], axis=-1)  # det E
    turned = np.matmul(np.matmul(inverse[..., :n, n:], c.mT), inverse[..., n:, :n])
    factor = _det(bordered) * border[..., 0, -1]
    return _each(factor) * _volume(units) * units * (_each(whole) * inverse[..., :n, :n] - turned).mT


def _small_cofactors(a: Any, n: int) -> Any:
    if n < 2:
        return np.ones_like(a)
    if n == 2:
        return a[..., ::-1, ::-1] * _SIGNS.astype(a.dtype)
    once = _next(a, -1)
    twice = _next(once, -1)
    below, above = (once, twice), (_next(once, -2), _next(twice, -2))
    return _next(below[0], -2) * _next(above[1], -2) - _next(below[1], -2) * _next(above[0], -2)


def _next(x: Any, axis: int) -> Any:
    """Along an axis of length 3: element i + 1 in place i."""
    rest = (slice(None),) * (-axis - 1)
    return np.concatenate([x[(..., slice(1, None), *rest)], x[(..., slice(0, 1), *rest)]], axis=axis)


def _balance_of(a: Any) -> Any:
    """Powers of two that bring the largest element of each row to [½, 1)."""
    largest = np.abs(a).max(axis=-1, keepdims=True)
    return np.exp2(-np.frexp(largest)[1]).astype(largest.dtype)


def _border_of(b: Any) -> Any:
    """What `_cofactors` adds around b, and in one more column 1, or 0 if the rank is below n − 3. Such
    matrices are made regular by adding to b itself. Where all b are far from singular, their first columns
    are border enough, which saves the singular vectors. A replay decides anew."""
    n = b.shape[-1]
    border = np.zeros((*b.shape[:-2], n + _SMALL, n + _SMALL + 1), b.dtype)
    if _far_from_singular(b):
        border[..., :n, n:-1] = b[..., :_SMALL]
        border[..., n:, :_SMALL] = np.eye(_SMALL)
        border[..., -1] = 1
        return border
    u, s, vh = np.linalg.svd(b)
    lost = s[..., : n - _SMALL] <= n * np.finfo(s.dtype).eps * s[..., :1]
    border[..., :n, :n] = np.matmul(u[..., : n - _SMALL] * lost[..., None, :], vh[..., : n - _SMALL, :])
    border[..., :n, n:-1] = u[..., -_SMALL:]
    border[..., n:, :n] = vh[..., -_SMALL:, :]
    border[..., -1] = ~lost.any(axis=-1, keepdims=True)
    return border


def _far_from_singular(b: Any) -> bool:
    """Whether the inverses lose less than a quarter of the digits, by ‖b‖·‖b⁻¹‖ in the maximum row sum."""
    try:
        size, of_inverse = (np.abs(x).sum(axis=-1).max(axis=-1) for x in (b, np.linalg.inv(b)))
    except np.linalg.LinAlgError:
        return False
    return bool(np.all(size * of_inverse < np.finfo(b.dtype).eps ** -0.25))


def _volume_of(units: Any) -> Any:
    """1/(Πr·Πc) of units r·c, of which the diagonal is enough."""
    logs = np.log2(np.diagonal(units, axis1=-2, axis2=-1)).sum(axis=-1)
    return np.exp2(-logs)[..., None, None].astype(units.dtype)


_balance, _border = constant_op(_balance_of, "balance"), constant_op(_border_of, "border")
_volume = constant_op(_volume_of, "volume")


def det(a: Any) -> Any:
    return _det(_square(a, "det"))


# log|det|: d = Re tr(a⁻¹da). The sign of a real det is constant, of a complex one it turns by i·Im tr(a⁻¹da).


def _traced(a: Any, t: Any) -> Any:
    """tr(a⁻¹·t)."""
    return np.sum(inv(a).mT * t, axis=(-2, -1))


_logabsdet = Op(
    "slogdet",
    lambda a: np.linalg.slogdet(a)[1],
    pulls=(lambda g, y, a: _each(g) * inv(a).mT,),
    pushes=(lambda t, y, a: np.real(_traced(a, t)),),
    batched=True,
)
_sign = constant_op(lambda a: np.linalg.slogdet(a)[0], "slogdet")
_phase = Op(
    "slogdet",
    lambda a: np.linalg.slogdet(a)[0],
    pulls=(lambda g, y, a: _each(-1j * np.real(1j * g * y)) * inv(a).mT,),
    pushes=(lambda t, y, a: 1j * y * np.imag(_traced(a, t)),),
    batched=True,
)


class SlogdetResult(NamedTuple):
    """The results of np.linalg.slogdet on Tensors."""

    sign: Any
    logabsdet: Any


def slogdet(a: Any) -> SlogdetResult:
    a = _square(a, "slogdet")
    return SlogdetResult(_phase(a) if a.dtype.kind == "c" else _sign(a), _logabsdet(a))


register(np.linalg.det, det)
register(np.linalg.slogdet, slogdet)

# The pseudoinverse y = a⁺, where the rank stays the same (Golub and Pereyra 1973):
# dy = −y·da·y + y·yᴴ·daᴴ·(1 − a·y) + (1 − y·a)·daᴴ·yᴴ·y


def _pinv_push(t: Any, y: Any, a: Any, rcond: Any, hermitian: bool) -> Any:
    th, yh = H(t), H(y)
    left, right = np.matmul(y, np.matmul(yh, th)), np.matmul(np.matmul(th, yh), y)
    inner = np.matmul(y, np.matmul(t, y))
    return left - np.matmul(np.matmul(left, a), y) + right - np.matmul(y, np.matmul(a, right)) - inner


def _pinv_pull(g: Any, y: Any, a: Any, rcond: Any, hermitian: bool) -> Any:
    gh, yc, ac = H(g), np.conjugate(y), np.conjugate(a)
    left = gh - np.matmul(ac, np.matmul(yc, gh))
    right = gh - np.matmul(np.matmul(gh, yc), ac)
    inner = np.matmul(y.mT, np.matmul(g, y.mT))
    return np.matmul(np.matmul(left, yc), y.mT) + np.matmul(y.mT, np.matmul(yc, right)) - inner


_pinv = Op(
    "pinv",
    lambda a, rcond, hermitian: np.linalg.pinv(a, rcond, hermitian),
    pulls=(_pinv_pull,),
    pushes=(_pinv_push,),
    batched=True,
)


def _constant(x: Any) -> Any:
    """A tolerance as a number or nested lists, as parameters of ops are."""
    if isinstance(x, Tensor):
        x = x.data
    return x.tolist() if isinstance(x, np.ndarray | np.generic) else x


def pinv(a: Any, rcond: Any = None, hermitian: bool = False, *, rtol: Any = np._NoValue) -> Any:
    """a⁺, differentiated among matrices of the same rank, values below the tolerance left out."""
    if rcond is not None and rtol is not np._NoValue:
        raise ValueError(f"np.linalg.pinv takes rcond= or rtol=, got both: {rcond} and {rtol}.")
    if np.ndim(data_of(a)) > 1 and not np.size(data_of(a)):
        return a.mT
    a = _array(a, "np.linalg.pinv")
    if hermitian:
        a = _square(a, "pinv")
    limit = 1e-15 if rtol is np._NoValue else _rounding(a) if rtol is None else rtol
    limit = _constant(limit if rcond is None else rcond)
    return _pinv(of_triangle(a) if hermitian else a, rcond=limit, hermitian=bool(hermitian))


def _rounding(a: Any) -> float:
    return float(max(a.shape[-2:]) * np.finfo(a.dtype).eps)


_lstsq_rank = constant_op(lambda a, rcond: np.linalg.matrix_rank(a, rtol=rcond), "matrix_rank")


def _require_full(rank: Any, n: int) -> Any:
    if rank < n:
        raise np.linalg.LinAlgError(
            f"np.linalg.lstsq: the rank is {rank}, below {n}, so NumPy gives no residuals. A compiled "
            "function cannot change the shape of a result; leave the residuals out, or do not compile it."
        )
    return np.ones(())


_full = constant_op(_require_full, "full_rank")


def lstsq(a: Any, b: Any, rcond: Any = None) -> tuple[Any, Any, Any, Any]:
    """x, residuals, rank and singular values, with x = a⁺·b; derivatives as those of pinv."""
    a, b = _array(a, "np.linalg.lstsq"), _array(b, "np.linalg.lstsq")
    if a.ndim != 2 or b.ndim not in (1, 2) or a.shape[0] != b.shape[0]:
        raise np.linalg.LinAlgError(
            f"np.linalg.lstsq needs a (m, n) and b (m,) or (m, k), got shapes {a.shape} and {b.shape}."
        )
    a = a.astype(np.result_type(a.dtype, b.dtype))
    m, n = a.shape
    limit = _rounding(a) if rcond is None else float(_constant(rcond))
    limit = limit if 0 < limit < 1 else float(np.finfo(a.dtype).eps)  # as LAPACK reads rcond=-1, or 2
    x = np.matmul(pinv(a, limit), b)
    rank = _lstsq_rank(a, rcond=limit)
    residuals: Any = np.zeros(0, a.dtype)
    if m > n and current.mode.capturing is not None:
        residuals = _residuals(a, x, b)
        residuals = (residuals * _full(rank, n=n)).astype(residuals.dtype)
    elif m > n and data_of(rank) == n:
        residuals = _residuals(a, x, b)
    return x, residuals, rank if current.mode.capturing is not None else np.int32(data_of(rank)), svdvals(a)


def _residuals(a: Any, x: Any, b: Any) -> Any:
    """The squared length of each column of b − a·x."""
    r = np.abs(b - np.matmul(a, x))
    return np.reshape(np.sum(r * r, axis=0), (-1,))


register(np.linalg.pinv, pinv, keywords=("rcond", "hermitian", "rtol"))
register(np.linalg.lstsq, lstsq, keywords=("rcond",))

# Chains and powers


def matrix_power(a: Any, n: Any) -> Any:
    """aⁿ by squaring; a negative n is a power of the inverse."""
    a = _square(a, "matrix_power") if operator.index(n) < 0 else _array_as_is(a)
    n = operator.index(n)
    if n < 0:
        a, n = inv(a), -n
    if not n:
        return np.where(False, a, np.eye(a.shape[-1], dtype=a.dtype))
    result = None
    while n:
        if n % 2:
            result = a if result is None else np.matmul(result, a)
        n //= 2
        a = np.matmul(a, a) if n else a
    return result


def _array_as_is(a: Any) -> Any:
    if a.ndim < 2 or a.shape[-1] != a.shape[-2]:
        raise np.linalg.LinAlgError(
            f"np.linalg.matrix_power needs square matrices on the last two axes, got shape {a.shape}."
        )
    return a


def multi_dot(arrays: Sequence[Any]) -> Any:
    """The product of a chain of matrices, in the order that takes the fewest multiplications. The first and
    the last may be vectors."""
    chain = [
        traced_if_capturing(x if isinstance(x, Tensor) else numeric(x, "np.linalg.multi_dot")) for x in arrays
    ]
    if len(chain) < 2:
        raise ValueError(f"np.linalg.multi_dot needs at least two arrays, got {len(chain)}.")
    if any(x.ndim != 2 for x in chain[1:-1]) or not all(x.ndim in (1, 2) for x in (chain[0], chain[-1])):
        shapes = ", ".join(str(x.shape) for x in chain)
        raise np.linalg.LinAlgError(
            f"np.linalg.multi_dot needs matrices, and vectors only at the ends, got shapes {shapes}."
        )
    sizes = [1 if chain[0].ndim == 1 else chain[0].shape[0], *(x.shape[0] for x in chain[1:])]
    sizes.append(1 if chain[-1].ndim == 1 else chain[-1].shape[1])
    cut = _cuts(tuple(sizes))

    def product(i: int, j: int) -> Any:
        return chain[i] if i == j else np.dot(product(i, cut[i, j]), product(cut[i, j] + 1, j))

    return product(0, len(chain) - 1)


@lru_cache(maxsize=256)
def _cuts(sizes: tuple[int, ...]) -> dict[tuple[int, int], int]:
    """After which matrix to cut the chain i…j, if matrix i has the shape (sizes[i], sizes[i + 1])."""
    cost: dict[tuple[int, int], int] = {(i, i): 0 for i in range(len(sizes) - 1)}
    cut: dict[tuple[int, int], int] = {}
    for length in range(1, len(sizes) - 1):
        for i in range(len(sizes) - 1 - length):
            j = i + length
            ends = sizes[i] * sizes[j + 1]
            cost[i, j], cut[i, j] = min(
                (cost[i, k] + cost[k + 1, j] + ends * sizes[k + 1], k) for k in range(i, j)
            )
    return cut


register(np.linalg.matrix_power, matrix_power)
register(np.linalg.multi_dot, multi_dot)

# Norms, those that `norm` in ops/linalg.py hands over. ∂‖x‖ₚ = sign x·(|x|/‖x‖)ᵖ⁻¹, and 0 at 0.


def _slope(y: Any, x: Any, p: float, axis: tuple[int, ...], keepdims: bool) -> Any:
    share = ratio(np.abs(x), with_axes(y, axis, keepdims))
    return np.sign(x) * np.where(np.equal(x, 0), 0, np.where(np.equal(x, 0), 1, share) ** (p - 1))


_power_norm = Op(
    "norm",
    lambda x, p, axis, keepdims: np.linalg.norm(x, p, axis[0], keepdims),
    pulls=(
        lambda g, y, x, p, axis, keepdims: scale(
            with_axes(g, axis, keepdims), _slope(y, x, p, axis, keepdims)
        ),
    ),
    pushes=(
        lambda t, y, x, p, axis, keepdims: np.sum(
            scale(t, _slope(y, x, p, axis, keepdims)), axis=axis, keepdims=keepdims
        ),
    ),
    batched=True,
)


def norm_of_order(x: Any, ord: Any, axis: Any, keepdims: bool) -> Any:
    """np.linalg.norm of any order: of vectors along one axis, of matrices along two."""
    x = in_floats(x)
    axes = from_the_end(axis, x.ndim)
    if len(axes) == 1:
        return _of_vectors(x, ord, axes, bool(keepdims))
    if len(axes) != 2:
        raise ValueError(
            f"np.linalg.norm(ord={ord!r}, axis={axis}) of shape {x.shape} needs one axis (a vector) or two "
            "(a matrix); pass axis=."
        )
    y = _of_matrices(np.moveaxis(x, axes, (-2, -1)), ord)
    return with_axes(y, axes, False) if keepdims else y


def _largest(sizes: Any, axis: Any, keepdims: bool = False) -> Any:
    """The maximum, which of no sizes is 0."""
    if not sizes.size:
        return np.max(sizes, axis=axis, keepdims=keepdims, initial=0)
    return np.max(sizes, axis=axis, keepdims=keepdims)


def _of_vectors(x: Any, ord: Any, axis: tuple[int, ...], keepdims: bool) -> Any:
    if ord is None or ord == 2:
        return np.linalg.norm(x, None, axis, keepdims)
    if isinstance(ord, str):
        raise ValueError(
            f"np.linalg.norm(ord={ord!r}) is for matrices; a vector takes numbers, inf and -inf."
        )
    size = np.abs(x)
    if ord == np.inf:
        return _largest(size, axis, keepdims)
    if ord == -np.inf:
        return np.min(size, axis=axis, keepdims=keepdims)
    if ord == 1:
        return np.sum(size, axis=axis, keepdims=keepdims)
    if ord == 0:
        return np.sum(np.not_equal(x, 0).astype(size.dtype), axis=axis, keepdims=keepdims)
    return _power_norm(size if x.dtype.kind == "c" else x, p=float(ord), axis=axis, keepdims=keepdims)


_MATRIX_NORMS: dict[Any, Any] = {
    2: lambda x: _largest(svdvals(x), -1),
    -2: lambda x: np.min(svdvals(x), axis=-1),
    "nuc": lambda x: np.sum(svdvals(x), axis=-1),
    1: lambda x: _largest(np.sum(np.abs(x), axis=-2), -1),
    -1: lambda x: np.min(np.sum(np.abs(x), axis=-2), axis=-1),
    np.inf: lambda x: _largest(np.sum(np.abs(x), axis=-1), -1),
    -np.inf: lambda x: np.min(np.sum(np.abs(x), axis=-1), axis=-1),
    None: lambda x: np.linalg.norm(x, None, (-2, -1)),
    "fro": lambda x: np.linalg.norm(x, None, (-2, -1)),
    "f": lambda x: np.linalg.norm(x, None, (-2, -1)),
}


def _of_matrices(x: Any, ord: Any) -> Any:
    if ord not in _MATRIX_NORMS:
        raise ValueError(
            f"np.linalg.norm(ord={ord!r}) of a matrix must be None, 'fro', 'nuc', ±1, ±2 or ±inf."
        )
    return _MATRIX_NORMS[ord](x)


def vector_norm(x: Any, /, *, axis: Any = None, keepdims: bool = False, ord: Any = 2) -> Any:
    """The norm of the elements along the axes, as one vector."""
    axes = from_the_end(axis, x.ndim)
    rest = [a for a in range(-x.ndim, 0) if a not in axes]
    turned = np.transpose(x, [a + x.ndim for a in (*rest, *axes)])
    size = int(np.prod([x.shape[a] for a in axes], dtype=int))
    y = norm_of_order(np.reshape(turned, [*(x.shape[a] for a in rest), size]), ord, -1, False)
    return with_axes(y, axes, not keepdims)


def matrix_norm(x: Any, /, *, keepdims: bool = False, ord: Any = "fro") -> Any:
    return norm_of_order(x, ord, (-2, -1), keepdims)


def cond(x: Any, p: Any = None) -> Any:
    """‖x‖·‖x⁻¹‖; by singular values for p of None, 2 and −2."""
    x = _array(x, "np.linalg.cond")
    if p is None or p in (2, -2):
        s = svdvals(x)
        with np.errstate(divide="ignore", invalid="ignore"):  # ∞ for a singular matrix, as in NumPy
            y = s[..., -1] / s[..., 0] if p == -2 else s[..., 0] / s[..., -1]
        return np.where(np.equal(s[..., 0], 0), np.inf, y)
    return matrix_norm(x, ord=p) * matrix_norm(inv(x), ord=p)


register(np.linalg.vector_norm, vector_norm, keywords=("axis", "keepdims", "ord"))
register(np.linalg.matrix_norm, matrix_norm, keywords=("keepdims", "ord"))
register(np.linalg.cond, cond, keywords=("p",))

_rank = constant_op(
    lambda a, tol, hermitian, rtol: np.linalg.matrix_rank(a, tol, hermitian, rtol=rtol), "matrix_rank"
)


def matrix_rank(A: Any, tol: Any = None, hermitian: bool = False, *, rtol: Any = None) -> Any:
    return _rank(A, tol=_constant(tol), hermitian=bool(hermitian), rtol=_constant(rtol))


register(np.linalg.matrix_rank, matrix_rank, keywords=("tol", "hermitian", "rtol"))
