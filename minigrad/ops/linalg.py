"""Products of matrices. `linear` is the dense layer in one node: x·W + b."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from minigrad.arraylike import SQUARES
from minigrad.families import bilinear, register
from minigrad.leaving import numeric
from minigrad.linear_program import takes_out
from minigrad.ops.elementwise import in_floats, least_square, ratio
from minigrad.ops.reduce import from_the_end, in_float32, ones, total, with_axes
from minigrad.products import scale
from minigrad.tensor import Op, Tensor, run, traced_if_capturing

# y = a·b on the last two axes, the others broadcast; cotangents ∂a = g·bᵀ, ∂b = aᵀ·g


def _stacked(a: Any, b: Any, out: Any = None) -> Any:
    """np.matmul, but a matrix times a stack of single columns or rows is one product, not one for each."""
    if a.ndim == 2 and b.ndim > 2 and b.shape[-1] == 1:
        return np.matmul(b[..., 0], a.T)[..., None]
    if b.ndim == 2 and a.ndim > 2 and a.shape[-2] == 1:
        return np.matmul(a[..., 0, :], b)[..., None, :]
    return np.matmul(a, b, out=out)


matmul_op = bilinear(
    "matmul",
    _stacked,
    lambda g, a, b: np.matmul(g, b.mT),
    lambda g, a, b: np.matmul(a.mT, g),
    broadcasts=True,
    batched=True,
)
takes_out(matmul_op)

inner_op = Op(
    "inner",
    lambda a, b: np.dot(a, b),
    pulls=(lambda g, y, a, b: np.expand_dims(g, -1) * b, lambda g, y, a, b: np.expand_dims(g, -1) * a),
    pushes=(lambda t, y, a, b: np.matmul(t, b), lambda t, y, a, b: np.matmul(t, a)),
    batched=True,
    doc="Σ aᵢbᵢ of two vectors.",
)

matvec_op: Op = Op(
    "matmul",
    np.dot,
    pulls=(lambda g, y, a, x: np.expand_dims(g, -1) * x, lambda g, y, a, x: np.matmul(g, a)),
    pushes=(
        lambda t, y, a, x: np.matmul(t, x),
        lambda t, y, a, x: matvec_op(a, t) if t.ndim == 1 else np.matmul(t, a.T),
    ),
    batched=True,
    doc="A matrix times a vector.",
)
takes_out(matvec_op)


def matmul(a: Any, b: Any, *, call: str = "matmul") -> Any:
    """NumPy's a @ b for every rank from 1 up: a vector stands for a row on the left and for a column on the
    right."""
    a, b = _array(a), _array(b)
    if a.ndim > 1 and b.ndim > 1:
        return matmul_op(a, b)
    if not a.ndim or not b.ndim:
        raise ValueError(
            f"{call} needs at least one axis on each side, got shapes {a.shape} and {b.shape}; use * instead."
        )
    if a.shape == b.shape:
        return inner_op(a, b)
    if a.ndim == 2 and b.shape == a.shape[1:]:
        return matvec_op(a, b)
    if b.ndim == 2 and a.shape == b.shape[:1]:
        return matvec_op(b.T, a)
    row, column = a.ndim == 1, b.ndim == 1
    if a.shape[-1] != b.shape[0 if column else -2]:
        raise ValueError(
            f"{call} of shapes {a.shape} and {b.shape}: the last axis of the first must be as long as "
            f"{'the second' if column else 'the last axis but one of the second'}. Transpose or reshape one."
        )
    y = matmul_op(np.reshape(a, (1, -1)) if row else a, np.reshape(b, (-1, 1)) if column else b)
    shape = list(y.shape)
    if column:
        del shape[-1]
    if row:
        del shape[-1 if column else -2]
    return np.reshape(y, shape)


def _array(x: Any) -> Any:
    if isinstance(x, Tensor):  # nearly always
        return x
    return traced_if_capturing(x if isinstance(x, np.ndarray) else numeric(x, "a matrix product"))


def _arrays(a: Any, b: Any) -> tuple[Any, Any]:
    """Both as arrays. To np.dot and its like an empty list has the dtype of the other one."""
    x, y = _array(a), _array(b)
    if isinstance(a, list | tuple) and not x.size:
        x = x.astype(y.dtype)
    if isinstance(b, list | tuple) and not y.size:
        y = y.astype(x.dtype)
    return x, y


def dot(a: Any, b: Any) -> Any:
    a, b = _arrays(a, b)
    if not a.ndim or not b.ndim:
        return a * b
    if b.ndim <= 2:
        return matmul(a, b, call="np.dot")
    return tensordot(a, b, ([-1], [-2]))


def inner(a: Any, b: Any) -> Any:
    a, b = _arrays(a, b)
    return tensordot(a, b, ([-1], [-1])) if a.ndim and b.ndim else a * b


def vdot(a: Any, b: Any) -> Any:
    a, b = _arrays(a, b)
    return matmul(np.conjugate(np.reshape(a, (-1,))), np.reshape(b, (-1,)))


def outer(a: Any, b: Any) -> Any:
    return np.reshape(_array(a), (-1, 1)) * np.reshape(_array(b), (1, -1))


def tensordot(a: Any, b: Any, axes: Any = 2) -> Any:
    a, b = _array(a), _array(b)
    if isinstance(axes, int | np.integer):
        n = int(axes)
        left, right = tuple(range(a.ndim - n, a.ndim)), tuple(range(n))
    else:
        left, right = (
            normalize_axis_tuple(_integers(x), array.ndim) for x, array in zip(axes, (a, b), strict=True)
        )
    free_a, free_b = [i for i in range(a.ndim) if i not in left], [i for i in range(b.ndim) if i not in right]
    if [a.shape[i] for i in left] != [b.shape[i] for i in right]:
        raise ValueError(
            f"np.tensordot(axes={axes}) of shapes {a.shape} and {b.shape}: the summed axes differ in length."
        )
    n = int(np.prod([a.shape[i] for i in left], dtype=int))
    rows, columns = [a.shape[i] for i in free_a], [b.shape[i] for i in free_b]
    size = [int(np.prod(each, dtype=int)) for each in (rows, columns)]
    y = matmul_op(_matrix(a, [*free_a, *left], (size[0], n)), _matrix(b, [*right, *free_b], (n, size[1])))
    shape = (*rows, *columns)
    return y if y.shape == shape else np.reshape(y, shape)


def _integers(axes: Any) -> Any:
    """The same axes; a bool among them is refused, as NumPy does in a list of axes."""
    if isinstance(axes, list | tuple) and not {bool, np.bool}.isdisjoint(map(type, axes)):
        raise TypeError(f"axes are integers, got {axes}; write 1 for True.")
    return axes


def _matrix(x: Any, axes: list[int], shape: tuple[int, int]) -> Any:
    """x with its axes in another order, as a matrix."""
    if axes != sorted(axes):
        x = np.transpose(x, axes)
    return x if x.shape == shape else np.reshape(x, shape)


register(np.matmul, matmul)
register(np.dot, dot)
register(np.vdot, vdot)
register(np.inner, inner)
register(np.outer, outer)
register(np.tensordot, tensordot, keywords=("axes",))

# The dense layer


def _dense(x: Any, w: Any, b: Any) -> Any:
    if w.ndim != 2 or b.shape != w.shape[1:] or not x.ndim or x.shape[-1] != w.shape[0]:
        raise ValueError(
            f"needs x (..., n_in), w (n_in, n_out) and b (n_out,), got {x.shape}, {w.shape} and {b.shape}; "
            "the last axis of x has to fit the first of w, and the size of b its second."
        )
    y = x.dot(w)  # `np.dot` first looks for overriding types, which takes 0.2 to 0.4 µs
    if y.dtype != b.dtype:
        return y + b
    y += b
    return y


def _product(a: Any, b: Any) -> Any:
    """a·b over the last axis of a and the last but one of b; `dot` is quicker where it computes the same."""
    if b.ndim != 2:
        return np.matmul(a, b)
    return a.dot(b) if b.__class__ is np.ndarray else np.dot(a, b)  # an array's method would not see a Tensor


def _rows(z: Any, like: Any) -> Any:
    """z with all axes but the last joined; the leading axes of a batched sweep, which `like` lacks, stay."""
    return z if like.ndim == 2 else np.reshape(z, (*z.shape[: z.ndim - like.ndim], -1, z.shape[-1]))


def _over_rows(g: Any) -> Any:
    """Σ over the last axis but one."""
    return (
        ones(g.shape[0], g.dtype).dot(g)
        if g.__class__ is np.ndarray and g.ndim == 2
        else total(g, axis=(-2,))
    )


def _to_rows(t: Any, y: Any) -> Any:
    """A tangent of b, repeated for every row of y."""
    lead = t.shape[:-1]
    return np.broadcast_to(np.reshape(t, (*lead, *(1,) * (y.ndim - 1), t.shape[-1])), lead + y.shape)


linear = Op(
    "linear",
    _dense,
    pulls=(
        lambda g, y, x, w, b: _product(g, w.T),
        lambda g, y, x, w, b: _product(x.T, g) if x.ndim == 2 else _product(_rows(x, x).mT, _rows(g, y)),
        lambda g, y, x, w, b: _over_rows(g if x.ndim == 2 else _rows(g, y)),
    ),
    pushes=(
        lambda t, y, x, w, b: _product(t, w),
        lambda t, y, x, w, b: (
            _product(x, t) if t.ndim == 2 else np.matmul(_rows(x, x), t).reshape(t.shape[:1] + y.shape)
        ),
        lambda t, y, x, w, b: _to_rows(t, y),
    ),
    batched=True,
    doc="""x·w + b, the dense layer as one node.

    Args:
        x: (..., n_in); w: (n_in, n_out); b: (n_out,)

    Raises:
        ValueError: the shapes do not fit.

    >>> linear(np.ones((2, 3)), np.ones((3, 4)), np.zeros(4)).shape
    (2, 4)
    """,
)


def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    """The Euclidean (Frobenius) norm √Σx², over all axes or the given ones; its derivative x/‖x‖ is 0 at
    0.

    Its curvature at 0 is infinite, so the Hessian holds NaN or infinity there. The squares ‖x‖² and ‖x‖·‖x‖
    are recorded as Σx², so their Hessian is 2I. Write other smooth functions of ‖x‖, such as cos ‖x‖, in Σx².
    """
    axes = from_the_end(axis, x.ndim)
    if ord is None:
        fits = axis is None or len(axes) <= 2
    else:
        fits = isinstance(ord, str | int) and _AXES.get(ord) == len(axes)
    if not fits:
        from minigrad.ops.solving import norm_of_order  # a late topic

        return norm_of_order(x, ord, axis, keepdims)
    params = {"axis": axes, "keepdims": bool(keepdims)}
    if x.dtype.char in "df":  # nearly always
        return run(norm_op, (x,), params)
    if x.dtype.kind == "c":
        return norm(np.abs(x), ord, axis, keepdims)
    return in_float32(norm_op, in_floats(x), params)


_AXES = {2: 1, "fro": 2}  # of the orders that are this norm, along how many axes
_total: Any = np.add.reduce  # the stubs want a literal bool as keepdims


def _length(x: Any, axis: tuple[int, ...], keepdims: bool) -> Any:
    """√Σx²; where squares over- or underflow, from x divided by its largest element."""
    least = least_square(x.dtype)
    if len(axis) == x.ndim and not keepdims and least <= (whole := np.vdot(x, x)) < np.inf:
        return np.sqrt(whole)
    with np.errstate(over="ignore", under="ignore"):
        squares = _total(x * x, axis=axis, keepdims=keepdims)
    if not np.any(np.isinf(squares) | (squares < least)):
        return np.sqrt(squares)
    top = np.maximum.reduce(np.abs(x), axis=axis, keepdims=True, initial=0)
    top = np.where(np.isfinite(top) & (top > 0), top, 1)
    squares = _total(np.square(x / top), axis=axis, keepdims=keepdims)
    return np.sqrt(squares) * (top if keepdims else np.squeeze(top, axis))


def _norm_slope(y: Any, x: Any, axis: tuple[int, ...], keepdims: bool) -> Any:
    return ratio(x, with_axes(y, axis, keepdims))


def _norm_pull(g: Any, y: Any, x: Any, axis: tuple[int, ...], keepdims: bool) -> Any:
    alone = y.__class__ is g.__class__ is np.ndarray and not (y.ndim or g.ndim) and x.ndim
    if alone and 0 < y.item() < math.inf:
        return g * (x / y)  # the quotients are finite, so no zero of g meets an infinity
    return scale(with_axes(g, axis, keepdims), _norm_slope(y, x, axis, keepdims))


norm_op = Op(
    "norm",
    _length,
    pulls=(_norm_pull,),
    pushes=(
        lambda t, y, x, axis, keepdims: np.add.reduce(
            scale(t, _norm_slope(y, x, axis, keepdims)), axis=axis, keepdims=keepdims
        ),
    ),
    batched=True,
)
SQUARES[norm_op] = lambda x, axis, keepdims: total(x * x, axis=axis, keepdims=keepdims)
register(np.linalg.norm, norm, keywords=("ord", "axis", "keepdims"))
