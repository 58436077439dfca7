"""Differences, slopes, integrals and interpolation of sampled functions; convolutions; polynomials.

All are compositions of slices, sums and products but one, the convolution yₖ = Σᵢ aᵢ vₖ₋ᵢ. It is bilinear,
and its transposes are convolutions too: that of the full one (all k) is the valid one (only the k at which v
lies inside) with v reversed, and the other way round.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from minigrad.families import bilinear, constant_op, register
from minigrad.mode import current
from minigrad.ops.index import cut, diff_op
from minigrad.ops.reduce import from_the_end, one_from_the_end
from minigrad.tensor import Op, Tensor, data_of, run, traced_if_capturing


def _array(x: Any) -> Any:
    return x if isinstance(x, Tensor) else traced_if_capturing(np.asarray(x))


# Differences and slopes


def _diff(a: Any, n: int = 1, axis: int = -1, prepend: Any = np._NoValue, append: Any = np._NoValue) -> Any:
    """The n-th differences xᵢ₊₁ − xᵢ."""
    a = _array(a)
    if n < 0:
        raise ValueError(f"np.diff(n=...) must not be negative, got {n}.")
    last = one_from_the_end(axis, a.ndim)
    parts = [x if x is a else _slab(x, a, last) for x in (prepend, a, append) if x is not np._NoValue]
    a = np.concatenate(parts, axis=last) if len(parts) > 1 else a
    for _ in range(min(n, a.shape[last])):
        if a.dtype.kind == "b":
            a = np.not_equal(a[cut(last, 1, None)], a[cut(last, None, -1)])
        else:
            a = run(diff_op, (a,), {"axis": last})
    return a


def _slab(x: Any, a: Any, axis: int) -> Any:
    """A number spread to one element along an axis of a; an array as it is."""
    x = _array(x)
    return x if x.ndim else np.broadcast_to(x, [1 if i == axis else a.shape[i] for i in range(-a.ndim, 0)])


def _ediff1d(ary: Any, to_end: Any = None, to_begin: Any = None) -> Any:
    flat = np.reshape(_array(ary), (-1,))
    ends = [
        None if x is None else np.reshape(_array(x), (-1,)).astype(flat.dtype) for x in (to_begin, to_end)
    ]
    for word, x in (("to_begin", to_begin), ("to_end", to_end)):
        if x is not None and not np.can_cast(_array(x).dtype, flat.dtype, "same_kind"):
            raise TypeError(
                f"np.ediff1d({word}=...) of dtype {_array(x).dtype} does not fit an array of {flat.dtype}."
            )
    parts = [x for x in (ends[0], flat[1:] - flat[:-1], ends[1]) if x is not None]
    return np.concatenate(parts) if len(parts) > 1 else parts[0]


def _slopes(f: Any, spacing: Any, axis: int, edge_order: int) -> Any:
    """Second-order slopes inside, of `edge_order` at both ends; `spacing` is a number or the coordinates."""
    n = f.shape[axis]
    if n < edge_order + 1:
        raise ValueError(
            f"np.gradient(edge_order={edge_order}) needs at least {edge_order + 1} elements along each axis, "
            f"got shape {f.shape}."
        )
    if np.ndim(data_of(spacing)):
        if spacing.shape != (n,):
            raise ValueError(
                f"np.gradient: coordinates of an axis need its length, {n}, got shape {spacing.shape}."
            )
        steps = np.reshape(spacing[1:] - spacing[:-1], (-1,) + (1,) * (-axis - 1))
    else:
        steps = None

    def at(*ends: int | None) -> Any:
        return f[cut(axis, *ends)]

    def h(*ends: int | None) -> Any:
        return steps[cut(axis, *ends)] if steps is not None else spacing

    if steps is None:
        inside = (at(2, None) - at(None, -2)) / (2.0 * spacing)
    else:
        a, b = h(None, -1), h(1, None)
        inside = (
            -b / (a * (a + b)) * at(None, -2)
            + (b - a) / (a * b) * at(1, -1)
            + a / (b * (a + b)) * at(2, None)
        )
    if edge_order == 1:
        first, last = (at(1, 2) - at(0, 1)) / h(0, 1), (at(-1, None) - at(-2, -1)) / h(-1, None)
    else:
        first = _edge(at(0, 1), at(1, 2), at(2, 3), h(0, 1), h(1, 2))
        last = -_edge(at(-1, None), at(-2, -1), at(-3, -2), h(-1, None), h(-2, -1))
    return np.concatenate([first, inside, last], axis=axis)


def _edge(f0: Any, f1: Any, f2: Any, a: Any, b: Any) -> Any:
    """The slope at the first of three places with the distances a and b."""
    return -(2 * a + b) / (a * (a + b)) * f0 + (a + b) / (a * b) * f1 - a / (b * (a + b)) * f2


def _gradient(f: Any, *varargs: Any, axis: Any = None, edge_order: int = 1) -> Any:
    f = _array(f)
    if f.dtype.kind == "b":
        raise TypeError("np.gradient needs numbers, whose differences have a sign, got dtype bool.")
    f = f if f.dtype.kind in "fc" else f.astype(np.float64)
    axes = from_the_end(axis, f.ndim)
    if edge_order not in (1, 2):
        raise ValueError(f"np.gradient(edge_order=...) must be 1 or 2, got {edge_order!r}.")
    spacings = [x if isinstance(x, int | float) else _array(x) for x in varargs] or [1.0]
    if f.dtype.kind != "c" and any(np.iscomplexobj(data_of(x)) for x in spacings):
        raise TypeError("np.gradient of real values needs real spacings, got a complex one.")
    if len(spacings) == 1 and not np.ndim(data_of(spacings[0])):
        spacings = spacings * len(axes)
    if len(spacings) != len(axes):
        raise TypeError(
            f"np.gradient takes one spacing for each of its {len(axes)} axes, got {len(varargs)}."
        )
    found = tuple(_slopes(f, h, each, edge_order) for h, each in zip(spacings, axes, strict=True))
    return found[0] if len(found) == 1 else found


register(np.diff, _diff, keywords=("n", "axis", "prepend", "append"))
register(np.ediff1d, _ediff1d, keywords=("to_end", "to_begin"))
register(np.gradient, _gradient, keywords=("axis", "edge_order"))

# Integrals and interpolation


def _trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Any:
    y = _array(y)
    last = one_from_the_end(axis, y.ndim)
    if x is not None:
        x = _array(x)
        dx = np.reshape(_diff(x), (-1,) + (1,) * (-last - 1)) if x.ndim == 1 else _diff(x, axis=axis)
    return np.sum(dx * (y[cut(last, 1, None)] + y[cut(last, None, -1)]) / 2.0, axis=last)


_interval = constant_op(
    lambda x, xp: np.clip(np.searchsorted(xp, x, "right") - 1, 0, max(xp.size - 2, 0)), "interval"
)


def _interp(x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, period: Any = None) -> Any:
    """The straight line between the neighbours of x in xp; at a knot, the slope to its right."""
    x, xp, fp = _array(x), _array(xp), _array(fp)
    if xp.ndim != 1 or xp.shape != fp.shape or not xp.size:
        raise ValueError(
            f"np.interp(x, xp, fp) needs xp and fp of one shape (n,), n ≥ 1, got {xp.shape} and {fp.shape}."
        )
    if "c" in (x.dtype.kind, xp.dtype.kind):
        raise TypeError(
            f"np.interp(x, xp, fp) needs real x and xp, got {x.dtype} and {xp.dtype}. Pass their np.real."
        )
    x, xp = (z if z.dtype.kind == "f" and z.dtype.itemsize == 8 else z.astype(np.float64) for z in (x, xp))
    fp = fp.astype(np.complex128 if fp.dtype.kind == "c" else np.float64)
    if period is not None:
        x, xp = np.remainder(x, abs(period)), np.remainder(xp, abs(period))
        order = np.argsort(xp)
        xp, fp, left, right = xp[order], fp[order], None, None
        xp = np.concatenate([xp[-1:] - abs(period), xp, xp[:1] + abs(period)])
        fp = np.concatenate([fp[-1:], fp, fp[:1]])
    if xp.size == 1:
        y = np.broadcast_to(fp[0], x.shape)
    else:
        i = _interval(x, xp)
        y = (fp[i + 1] - fp[i]) / (xp[i + 1] - xp[i]) * (x - xp[i]) + fp[i]
        y = np.where(np.equal(x, xp[-1]), fp[-1], y)
    y = np.where(np.less(x, xp[0]), fp[0] if left is None else left, y)
    return np.where(np.greater(x, xp[-1]), fp[-1] if right is None else right, y)


register(np.trapezoid, _trapezoid, keywords=("x", "dx", "axis"))
register(np.interp, _interp, keywords=("left", "right", "period"))

# Convolutions

_full: Op = bilinear(
    "convolve",
    lambda a, v: np.convolve(a, v),
    lambda g, a, v: _valid(g, v[::-1]),
    lambda g, a, v: _valid(g, a[::-1]),
)
_valid: Op = bilinear(  # a is not shorter than v
    "convolve",
    lambda a, v: np.convolve(a, v, "valid"),
    lambda g, a, v: _full(g, v[::-1]),
    lambda g, a, v: _valid(a, g[::-1])[::-1],
)


def _convolve(a: Any, v: Any, mode: str = "full") -> Any:
    return _of_mode("np.convolve", a, v, mode, False)


def _correlate(a: Any, v: Any, mode: str = "valid") -> Any:
    """Σᵢ aᵢ₊ₖ v̄ᵢ, the convolution with v̄ reversed."""
    return _of_mode("np.correlate", a, np.conjugate(_array(v))[::-1], mode, True)


def _of_mode(called: str, a: Any, v: Any, mode: str, correlating: bool) -> Any:
    a, v = (x if x.ndim else np.reshape(x, (1,)) for x in map(_array, (a, v)))
    if a.ndim > 1 or v.ndim > 1 or not a.size or not v.size:
        raise ValueError(
            f"{called} needs two vectors that are not empty, got shapes {a.shape} and {v.shape}."
        )
    if mode not in ("full", "same", "valid"):
        raise ValueError(f"{called}(mode=...) must be 'full', 'same' or 'valid', got {mode!r}.")
    n, m = max(a.size, v.size), min(a.size, v.size)
    if mode == "valid":
        return _valid(a, v) if a.size >= v.size else _valid(v, a)
    y = _full(a, v)
    if mode == "full":
        return y
    start = m - 1 - m // 2
    if correlating and v.size > a.size:  # NumPy correlates the other way round, and turns the result
        start = m // 2
    return y[start : start + n]


register(np.convolve, _convolve, keywords=("mode",))
register(np.correlate, _correlate, keywords=("mode",))

# Polynomials: coefficients from the highest power to the constant


def _vander(x: Any, N: int | None = None, increasing: bool = False) -> Any:
    """The powers of x in columns, from the highest to 1."""
    if x.ndim != 1:
        raise ValueError(f"np.vander needs a vector, got shape {x.shape}.")
    if N is not None and N < 0:
        raise ValueError(f"np.vander(N=...) must not be negative, got {N}.")
    powers = np.arange(x.size if N is None else operator.index(N))
    return x[:, None] ** (powers if increasing else powers[::-1])


def _polyval(p: Any, x: Any) -> Any:
    """Σ pᵢ xⁿ⁻ⁱ, by Horner's rule."""
    p, x = _array(p), _array(x)
    y = np.zeros_like(x)
    for i in range(p.shape[0]):
        y = y * x + p[i]
    return y


def _padded(name: str) -> Callable[..., Any]:
    ufunc = {"polyadd": np.add, "polysub": np.subtract}[name]

    def rule(a1: Any, a2: Any) -> Any:
        a, b = (np.atleast_1d(_array(x)) for x in (a1, a2))
        n = max(len(a), len(b))
        a, b = (np.concatenate([np.zeros(n - len(x), x.dtype), x]) if len(x) < n else x for x in (a, b))
        return ufunc(a, b)

    return rule


def _polynomial(p: Any) -> Any:
    """Coefficients without the zeros in front, as in NumPy's products; a capture cannot look for them."""
    p = np.atleast_1d(_array(p))
    if p.ndim > 1 or (isinstance(p, Tensor) and current.mode.capturing is not None):
        return p  # the convolution refuses what is no vector
    p = np.trim_zeros(p, "f")
    return p if p.size else np.zeros(1, p.dtype)


def _order(called: str, m: Any) -> int:
    if int(m) < 0:
        raise ValueError(f"{called}(m=...) must not be negative, got {m}.")
    return int(m)


def _polyder(p: Any, m: int = 1) -> Any:
    if p.ndim != 1:
        np.polyder(np.zeros(p.shape), m)  # raises for nearly all of these shapes
    for _ in range(_order("np.polyder", m)):
        p = p[:-1] * np.arange(p.shape[0] - 1, 0, -1)
    return p


def _polyint(p: Any, m: int = 1, k: Any = None) -> Any:
    m = _order("np.polyint", m)
    constants: Any = [0.0] * m if k is None else np.broadcast_to(_array(k), (m,))
    for i in range(m):
        constant = np.reshape(_array(constants[i]), (1,))
        p = np.concatenate([p / np.arange(p.shape[0], 0, -1), constant.astype(np.result_type(p.dtype, 0.0))])
    return p


def _poly(seq_of_zeros: Any) -> Any:
    """The coefficients of Π(x − zᵢ)."""
    z = _array(seq_of_zeros)
    if z.ndim != 1:
        raise ValueError(f"np.poly on Tensors takes a vector of zeros, got shape {z.shape}.")
    z = z.astype(np.mintypecode(z.dtype.char))
    p: Any = np.ones(1, z.dtype)
    for i in range(z.size):
        p = _full(p, np.concatenate([np.ones(1, z.dtype), -z[i : i + 1]]))
    return p


register(np.vander, _vander, keywords=("N", "increasing"))
register(np.polyval, _polyval)
register(np.polyadd, _padded("polyadd"))
register(np.polysub, _padded("polysub"))
register(np.polymul, lambda a1, a2: _convolve(_polynomial(a1), _polynomial(a2)))
register(np.polyder, _polyder, keywords=("m",))
register(np.polyint, _polyint, keywords=("m", "k"))
register(np.poly, _poly)
