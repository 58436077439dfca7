"""The two products in which a zero wins over infinity and NaN. The families multiply derivatives by them.

`scale` is for a cotangent times a partial derivative: only the cotangent's zeros win. `select` is for a
cotangent times a mask: the zeros of both win.

Names: `y` output, `t` tangent, `c` and `g` cotangents, `d` partial derivative.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.linear_program import takes_out
from minigrad.tensor import Op

__all__ = ["BITS", "scale", "select"]

_BOOL = np.dtype(bool)
# floats → whole numbers of the same size
BITS = {np.dtype(f"f{n}"): np.dtype(f"i{n}") for n in (2, 4, 8)}


def _scale(g: Any, d: Any, out: Any = None) -> Any:
    """g·d, but 0 wherever g is 0, even where d is infinite or undefined.

    A value that was not selected (`np.where(x > 0, np.sqrt(x), 0)` at 0) has cotangent 0, and an infinite
    derivative behind it must not turn that into NaN. Only a zero g wins: ∞·0 the other way round stays NaN,
    because there the chain rule does not know the answer.

    So a zero cotangent and a zero tangent do not promise the same. Through `np.sqrt(x)**2` at 0 the pull back
    meets 0·∞ with the zero first and gives 0; the push forward meets ∞·0 and gives NaN. Neither finds the
    true value, 1. A cotangent that underflowed to 0 counts as a zero too: 1 / (1 / x) at 1e-200 has the
    derivative 1 and gets 0, as x² of a float64 must stay between 1e-308 and 1e308 there.
    """
    r = np.multiply(g, d, out=out)  # `out` is neither g nor d
    # Nearly always everything is finite, and one dot product shows it. NaN fails the test as well; a square
    # that overflows only costs the careful path. The way into np.vdot is longer than the product of ten.
    if abs(r.dot(r) if r.ndim == 1 else np.vdot(r, r)) < np.inf:
        return r
    r = np.asarray(r)
    np.copyto(r, 0, where=np.equal(g, 0))
    return r


def _select(a: Any, b: Any, out: Any = None) -> Any:
    """a·b, but 0 wherever either is 0, even where the other is infinite or undefined.

    The derivative of a choice (`relu`, `np.maximum`) is a mask. Its zeros say that the input was not chosen,
    so they win over anything that comes from further out: through `np.sqrt(relu(x))` at −1 the pull back
    meets ∞·0 with the mask second, and the answer is 0. A product in which either zero wins is its own
    derivative, so this holds in both modes and at every order.

    If b is an array of bools, the bits of a are multiplied as a whole number, which needs no care for ∞ or
    NaN: half of relu's derivative would be spent on that care.
    """
    bits = BITS.get(a.dtype) if b.dtype is _BOOL else None
    if bits is not None:
        kept = np.multiply(a.view(bits), b.astype(bits), out=None if out is None else out.view(bits))
        return kept.view(a.dtype)
    r = np.multiply(a, b, out=out)  # `out` is neither a nor b
    if abs(np.vdot(r, r)) < np.inf:  # as in `_scale`
        return r
    r = np.asarray(r)
    np.copyto(r, 0, where=np.equal(a, 0) | np.equal(b, 0))
    return r


def _product(name: str, function: Any) -> Op:
    """The op of a product of a and b. In its derivative by b, which is a, both factors' zeros win."""
    op: Op = Op(
        name,
        function,
        pulls=(lambda c, y, a, b: op(c, b), lambda c, y, a, b: select(c, a)),
        pushes=(lambda t, y, a, b: op(t, b), lambda t, y, a, b: select(a, t)),
        broadcasts=True,
        batched=True,
        doc=function.__doc__,
    )
    takes_out(op)
    return op


scale, select = _product("scale", _scale), _product("select", _select)
