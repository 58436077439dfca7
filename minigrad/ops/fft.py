"""Fourier transforms: each is linear, and its transpose is a transform again.

A cotangent g means dL = Re(g·dx), without a conjugate. The matrix Fⱼₖ = exp(∓2πi jk/n) is symmetric, so the
transpose of `fft` is `fft` itself, and that of `ifft` `ifft`. For a real x of length n and half of its
spectrum c₀ … cₘ, m = ⌊n/2⌋, w counts how often cₖ stands in the whole spectrum: twice, but once for k = 0
and, if n is even, for k = m. Then without factors

    irfft(c)ⱼ = Re Σₖ wₖ cₖ exp(2πi jk/n)     irfftᵀ(g) = w·(rfft g)*
    rfft(x)ₖ  = Σⱼ xⱼ exp(−2πi jk/n)          rfftᵀ(g) = irfft(g*/w)

The factor that `norm=` puts before one is what the opposite norm puts before the other. Other lengths (`n=`,
`s=`) cut or fill up with zeros beforehand, and several axes are transformed one after the other. `axis` is
counted from the end.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import index
from typing import Any

import numpy as np

from minigrad.families import linear_op, register
from minigrad.ops.index import cut
from minigrad.ops.reduce import from_the_end, one_from_the_end
from minigrad.tensor import Op

_OPPOSITE = {"backward": "forward", "ortho": "ortho", "forward": "backward"}

fft_op: Op = linear_op(
    "fft",
    lambda x, axis, norm: np.fft.fft(x, axis=axis, norm=norm),
    lambda g, x, axis, norm: fft_op(g, axis=axis, norm=norm),
    batched=True,
)
ifft_op: Op = linear_op(
    "ifft",
    lambda x, axis, norm: np.fft.ifft(x, axis=axis, norm=norm),
    lambda g, x, axis, norm: ifft_op(g, axis=axis, norm=norm),
    batched=True,
)
rfft_op: Op = linear_op(
    "rfft",
    lambda x, axis, norm: np.fft.rfft(x, axis=axis, norm=norm),
    lambda g, x, axis, norm: irfft_op(
        np.conjugate(g) / _weights(x.shape[axis], axis), n=x.shape[axis], axis=axis, norm=_OPPOSITE[norm]
    ),
    batched=True,
)
irfft_op: Op = linear_op(
    "irfft",
    lambda c, n, axis, norm: np.fft.irfft(c, n, axis=axis, norm=norm),
    lambda g, c, n, axis, norm: _weights(n, axis) * np.conjugate(rfft_op(g, axis=axis, norm=_OPPOSITE[norm])),
    batched=True,
)
fftshift_op: Op = linear_op(
    "fftshift",
    lambda x, axes: np.fft.fftshift(x, axes),
    lambda g, x, axes: ifftshift_op(g, axes=axes),
    batched=True,
)
ifftshift_op: Op = linear_op(
    "ifftshift",
    lambda x, axes: np.fft.ifftshift(x, axes),
    lambda g, x, axes: fftshift_op(g, axes=axes),
    batched=True,
)


def _weights(n: int, axis: int) -> Any:
    w = np.full(n // 2 + 1, 2.0)
    w[0] = 1
    if n % 2 == 0:
        w[-1] = 1
    return w.reshape((-1,) + (1,) * (-axis - 1))


def _fitted(called: str, x: Any, n: int, axis: int) -> Any:
    """x cut, or filled up with zeros, to n elements along an axis."""
    has = x.shape[axis]
    if n < 1:
        raise ValueError(f"{called} needs a length of at least 1, got n={n} (a has the shape {x.shape}).")
    if n == has:
        return x
    if n < has:
        return x[cut(axis, n)]
    zeros = np.zeros([n - has if i == axis else x.shape[i] for i in range(-x.ndim, 0)], x.dtype)
    return np.concatenate([x, zeros], axis=axis)


# Along one axis: (a, n, axis, norm)


def _settled(called: str, a: Any, axis: int, norm: str | None) -> dict[str, Any]:
    if not a.ndim:
        raise ValueError(f"{called} needs an axis, got a number; use x[None].")
    if norm not in (None, *_OPPOSITE):
        raise ValueError(f"{called}(norm=...) must be one of {', '.join(_OPPOSITE)}, got {norm!r}.")
    return {"axis": one_from_the_end(axis, a.ndim), "norm": norm or "backward"}


def _along(name: str, op: Op) -> Callable[..., Any]:
    called = f"np.fft.{name}"

    def rule(a: Any, n: int | None = None, axis: int = -1, norm: str | None = None) -> Any:
        how = _settled(called, a, axis, norm)
        n = None if n is None else index(n)
        if op is rfft_op and a.dtype.kind == "c":
            raise TypeError(f"{called} takes a real array, got a complex one; use np.fft.fft.")
        if op is not irfft_op:
            return op(_fitted(called, a, a.shape[how["axis"]] if n is None else n, how["axis"]), **how)
        n = 2 * (a.shape[how["axis"]] - 1) if n is None else n
        return op(_fitted(called, a, n // 2 + 1 if n > 0 else n, how["axis"]), n=n, **how)

    return register(getattr(np.fft, name), rule, keywords=("n", "axis", "norm"))  # type: ignore[no-any-return]


_fft, _ifft, _rfft, _irfft = (
    _along(name, op)
    for name, op in (("fft", fft_op), ("ifft", ifft_op), ("rfft", rfft_op), ("irfft", irfft_op))
)


def _opposite(norm: Any) -> Any:
    return _OPPOSITE.get("backward" if norm is None else norm, norm)


def _hfft(a: Any, n: int | None = None, axis: int = -1, norm: str | None = None) -> Any:
    return _irfft(np.conjugate(a), n, axis, _opposite(norm))


def _ihfft(a: Any, n: int | None = None, axis: int = -1, norm: str | None = None) -> Any:
    return np.conjugate(_rfft(a, n, axis, _opposite(norm)))


register(np.fft.hfft, _hfft, keywords=("n", "axis", "norm"))
register(np.fft.ihfft, _ihfft, keywords=("n", "axis", "norm"))


# Along several: (a, s, axes, norm)


def _several(
    one: Callable[..., Any], last: Callable[..., Any], default: Sequence[int] | None
) -> Callable[..., Any]:
    """`last` along the last axis and `one` along the others; a half spectrum is completed at the end."""

    def rule(a: Any, s: Any = None, axes: Any = default, norm: str | None = None) -> Any:
        if axes is None:
            axes = range(-a.ndim if s is None else -len(s), 0)
        if isinstance(axes, np.ndarray):
            axes = axes.astype(int, casting="same_kind").tolist()
        axes = [one_from_the_end(axis, a.ndim) for axis in axes]
        sizes = [None] * len(axes) if s is None else [None if n in (None, -1) else index(n) for n in s]
        if not axes and last is not one:
            raise ValueError("a Fourier transform of a real array needs at least one axis, got none.")
        if len(sizes) != len(axes):
            raise ValueError(
                f"a Fourier transform needs one length for each axis, got s={s} and axes={axes}."
            )
        steps = [(one, n, axis) for n, axis in zip(sizes, axes, strict=True)]
        if steps:
            steps[-1] = (last, *steps[-1][1:])
        if last is _irfft and s is not None and sizes[-1] is None:
            steps[-1] = (last, a.shape[axes[-1]], axes[-1])  # here -1 stands for the length that a has
        for transform, n, axis in steps if last is _irfft else reversed(steps):
            a = transform(a, n, axis, norm)
        return a

    return rule


_PLANE = (-2, -1)
for _two, _any, _one, _last in (
    (np.fft.fft2, np.fft.fftn, _fft, _fft), (np.fft.ifft2, np.fft.ifftn, _ifft, _ifft),
    (np.fft.rfft2, np.fft.rfftn, _fft, _rfft), (np.fft.irfft2, np.fft.irfftn, _ifft, _irfft),
):  # fmt: skip
    register(_two, _several(_one, _last, _PLANE), keywords=("s", "axes", "norm"))
    register(_any, _several(_one, _last, None), keywords=("s", "axes", "norm"))

_f: Any
for _f, _op in ((np.fft.fftshift, fftshift_op), (np.fft.ifftshift, ifftshift_op)):
    register(_f, lambda x, axes=None, op=_op: op(x, axes=from_the_end(axes, x.ndim)), keywords=("axes",))
