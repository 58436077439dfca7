"""The table of derivatives, as in a calculus book: each line is one function and its partial derivatives.

`y` is the output, `x` (or `a`, `b`) the inputs. At a kink the partial is the minimum-norm subgradient over
the inputs that are live together: |x|′(0) = 0, and a tie of maximum(x, y) gives ½, ½, but 0 against a
constant."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np

from minigrad.arraylike import SQUARES
from minigrad.families import constant_op, elementwise, register
from minigrad.products import scale
from minigrad.tensor import Op, Tensor, is_live, run

LN2, LN10 = math.log(2.0), math.log(10.0)

# Arithmetic

negative = elementwise(np.negative, -1)
positive = elementwise(np.positive, 1)
add = elementwise(np.add, 1, 1)
subtract = elementwise(np.subtract, 1, -1)
multiply = elementwise(np.multiply, lambda y, a, b: b, lambda y, a, b: a)
divide = elementwise(np.divide, lambda y, a, b: np.divide(1, b), lambda y, a, b: np.divide(-y, b))
reciprocal = elementwise(np.reciprocal, lambda y, x: -y * y)
square = elementwise(np.square, lambda y, x: 2 * x)
sqrt = elementwise(np.sqrt, lambda y, x: 0.5 / y)
cbrt = elementwise(np.cbrt, lambda y, x: 1 / (3 * y * y))
remainder = elementwise(np.remainder, 1, lambda y, a, b: -np.floor_divide(a, b))
fmod = elementwise(np.fmod, 1, lambda y, a, b: -np.rint((a - y) / b))

# Exponentials and logarithms

exp = elementwise(np.exp, lambda y, x: y)
exp2 = elementwise(np.exp2, lambda y, x: LN2 * y)
expm1 = elementwise(np.expm1, lambda y, x: np.exp(x))  # y + 1 would lose the tail
log = elementwise(np.log, lambda y, x: np.reciprocal(x))
log2 = elementwise(np.log2, lambda y, x: 1 / (LN2 * x))
log10 = elementwise(np.log10, lambda y, x: 1 / (LN10 * x))
log1p = elementwise(np.log1p, lambda y, x: 1 / (1 + x))
logaddexp = elementwise(np.logaddexp, lambda y, a, b: sigmoid(gap(a, b)), lambda y, a, b: sigmoid(gap(b, a)))
logaddexp2 = elementwise(
    np.logaddexp2, lambda y, a, b: sigmoid(LN2 * gap(a, b)), lambda y, a, b: sigmoid(LN2 * gap(b, a))
)

# Trigonometric and hyperbolic

sin = elementwise(np.sin, lambda y, x: np.cos(x))
cos = elementwise(np.cos, lambda y, x: -np.sin(x))
tan = elementwise(np.tan, lambda y, x: 1 + y * y)
arcsin = elementwise(np.arcsin, lambda y, x: 1 / np.sqrt(one_minus_square(x)))
arccos = elementwise(np.arccos, lambda y, x: -1 / np.sqrt(one_minus_square(x)))
arctan = elementwise(np.arctan, lambda y, x: np.square(1 / secant(x)))
sinh = elementwise(np.sinh, lambda y, x: np.cosh(x))
cosh = elementwise(np.cosh, lambda y, x: np.sinh(x))
tanh = elementwise(
    np.tanh,
    lambda y, x: 1 - np.square(y),
    bounded=True,
    doc="tanh x. Its derivative is 1 − y², 0 where y is rounded to ±1 (|x| > 19 in float64).",
)
arcsinh = elementwise(np.arcsinh, lambda y, x: 1 / secant(x))
arccosh = elementwise(np.arccosh, lambda y, x: 1 / (np.sqrt(x - 1) * np.sqrt(x + 1)))
arctanh = elementwise(np.arctanh, lambda y, x: 1 / one_minus_square(x))
deg2rad = elementwise(np.deg2rad, lambda y, x: math.pi / 180)
rad2deg = elementwise(np.rad2deg, lambda y, x: 180 / math.pi)
hypot = elementwise(np.hypot, lambda y, a, b: _over(a, b, y), lambda y, a, b: _over(b, a, y))
arctan2 = elementwise(np.arctan2, lambda y, a, b: over_squares(b, a), lambda y, a, b: -over_squares(a, b))

# Kinks

_absolute = elementwise(np.absolute, lambda y, x: np.sign(x), chooses=True)
fabs = elementwise(np.fabs, lambda y, x: np.sign(x), chooses=True)
_maximum = elementwise(
    np.maximum, lambda y, a, b: _larger(a, b, y), lambda y, a, b: _larger(b, a, y), chooses=True
)
_minimum = elementwise(
    np.minimum, lambda y, a, b: _larger(b, a, y), lambda y, a, b: _larger(a, b, y), chooses=True
)
_maximum_const = elementwise(np.maximum, lambda y, x, c: x > c, None, name="maximum", chooses=True)
_minimum_const = elementwise(np.minimum, lambda y, x, c: x < c, None, name="minimum", chooses=True)
_fmax = elementwise(
    np.fmax,
    lambda y, a, b: _chosen(np.greater, a, b),
    lambda y, a, b: _chosen(np.greater, b, a),
    chooses=True,
)
_fmin = elementwise(
    np.fmin, lambda y, a, b: _chosen(np.less, a, b), lambda y, a, b: _chosen(np.less, b, a), chooses=True
)
_fmax_const = elementwise(
    np.fmax, lambda y, x, c: _chosen(np.greater, x, c, tie=0), None, name="fmax", chooses=True
)
_fmin_const = elementwise(
    np.fmin, lambda y, x, c: _chosen(np.less, x, c, tie=0), None, name="fmin", chooses=True
)

clip_op = elementwise(
    lambda x, low, high: np.minimum(np.maximum(x, low), high),
    lambda y, x, low, high: np.greater(x, low) & np.less(x, high),
    None,
    None,
    name="clip",
    chooses=True,
)

SQUARES[hypot] = lambda a, b: a * a + b * b
SQUARES[_absolute] = SQUARES[fabs] = lambda x: x * x

EXTREMA = (_maximum, _minimum, _maximum_const, _minimum_const)

heaviside = elementwise(np.heaviside, None, lambda y, x, h: np.equal(x, 0), chooses=True)

# Constants: comparisons, rounding and logic are no errors, because their derivative is 0 wherever it exists

greater = constant_op(np.greater)
for _f in (np.sign, np.floor, np.ceil, np.rint, np.trunc, np.floor_divide, np.signbit,
           np.less, np.less_equal, np.greater_equal, np.equal, np.not_equal,
           np.isfinite, np.isnan, np.isinf, np.logical_and, np.logical_or, np.logical_not, np.logical_xor,
           np.invert, np.bitwise_and, np.bitwise_or, np.bitwise_xor,
           np.left_shift, np.right_shift):  # fmt: skip
    constant_op(_f)

register(np.divmod, lambda a, b: (np.floor_divide(a, b), np.remainder(a, b)))

# Functions NumPy lacks


def in_floats(x: Any) -> Any:
    """x, with integers and booleans as float64: differences of small or unsigned integers wrap around."""
    return x.astype(np.float64) if hasattr(x, "dtype") and x.dtype.kind in "biu" else x


def _sigmoid(x: Any) -> Any:
    x = in_floats(x)
    up = np.real(x) > 0  # one exponential that cannot overflow; small values keep their digits on either side
    e = np.exp(np.where(up, -x, x))
    return np.where(up, 1, e) / (1 + e)


def _ratio(a: Any, b: Any) -> Any:
    if isinstance(b, (np.ndarray, np.generic)) and np.count_nonzero(b) == b.size:
        return np.divide(a, b)
    return np.where(np.equal(b, 0), 0, np.divide(a, np.where(np.equal(b, 0), 1, b)))


def _softplus(x: Any) -> Any:
    x = in_floats(x)
    up = np.real(x) > 0  # max(x, 0) + log(1 + exp(-|x|)), written so that it stays analytic for complex steps
    return np.where(up, x, 0) + np.log1p(np.exp(np.where(up, -x, x)))


def _gap(a: Any, b: Any) -> Any:
    d = np.subtract(a, b)
    return np.where(np.isnan(d) & np.equal(a, b), 0, d)


ratio: Op = elementwise(
    _ratio, lambda y, a, b: np.divide(1, b), lambda y, a, b: np.divide(-y, b), name="ratio"
)
ratio.__doc__ = "a/b, but 0 where b is 0: a unit vector's minimum-norm choice. Its slope there is infinite."

# Parts of derivatives, with rules of their own: those of their texts would subtract what cancels or overflow.
one_minus_square: Op = elementwise(lambda x: (1 - x) * (1 + x), lambda y, x: -2 * x, name="one_minus_square")
secant: Op = elementwise(
    lambda x: np.sqrt(1 + x * x) if np.iscomplexobj(x) else np.hypot(1, x),
    lambda y, x: x / y,
    name="secant",
)
_cosine: Op = elementwise(
    lambda a, b: _ratio(a, np.hypot(a, b)),
    lambda y, a, b: _squared_sine(a, b) / np.hypot(a, b),
    lambda y, a, b: -ratio(y * _cosine(b, a), np.hypot(a, b)),
    name="cosine",
)


def _over(a: Any, b: Any, y: Any) -> Any:
    """a/√(a² + b²), and 0 at the origin; y is the root, but counts as no value of its own."""
    return _ratio(a, y) if y.__class__ is np.ndarray else _cosine(a, b)


@lru_cache
def least_square(dtype: Any) -> float:
    """The least square whose root has all its digits; the bits of a lesser one run out."""
    limits = np.finfo(dtype)
    return float(limits.tiny / limits.eps)


def _inverse(a: Any, b: Any) -> Any:
    squares = np.multiply(a, a) + np.multiply(b, b)
    if squares.dtype.kind == "c":
        return np.divide(a, squares)
    usual = squares.size and np.vdot(squares, squares) < np.inf
    if usual and least_square(squares.dtype) <= np.minimum.reduce(squares, None):
        return np.divide(a, squares)
    length = np.hypot(a, b)  # which neither over- nor underflows
    return _ratio(_ratio(a, length), length)


# a/(a² + b²), and 0 at the origin, where its slope is undefined
over_squares: Op = elementwise(
    _inverse,
    lambda y, a, b: _off_origin((over_squares(b, a) - y) * (over_squares(b, a) + y), a, b),
    lambda y, a, b: _off_origin(-2 * y * over_squares(b, a), a, b),
    name="over_squares",
)


def _off_origin(slope: Any, a: Any, b: Any) -> Any:
    return np.where(np.equal(a, 0) & np.equal(b, 0), np.nan, slope)


def _squared_sine(a: Any, b: Any) -> Any:
    """b²/(a² + b²), and 1 at the origin."""
    return np.where(np.equal(a, 0) & np.equal(b, 0), 1, np.square(_cosine(b, a)))


# σ(x)·σ(−x) from y = σ(x); its rule is the whole derivative by x, so y counts as a constant
sigmoid_slope: Op = elementwise(
    lambda y, x: y * _sigmoid(-x),
    None,
    lambda s, y, x: -s * np.tanh(0.5 * x),
    name="sigmoid_slope",
    bounded=True,
)
sigmoid: Op = elementwise(_sigmoid, lambda y, x: sigmoid_slope(y, x), name="sigmoid", bounded=True)
softplus: Op = elementwise(_softplus, lambda y, x: sigmoid(x), name="softplus", bounded=True)
relu: Op = elementwise(lambda x: np.maximum(x, 0), lambda y, x: x > 0, name="relu", chooses=True)
gap: Op = elementwise(_gap, 1, -1, name="gap")  # a − b, and 0 where both are the same infinity
sigmoid.__doc__ = "σ(x) = 1/(1 + e⁻ˣ), elementwise; σ′ = σ(1 − σ). Exact to rounding for any x."
softplus.__doc__ = "log(1 + eˣ), elementwise; its derivative is the sigmoid. Exact to rounding for any x."
relu.__doc__ = "max(x, 0), elementwise, with derivative 0 at 0."


def _one_where(condition: Any, y: Any) -> Any:
    """1 where the condition holds and 0 elsewhere, in y's dtype."""
    return condition.astype(y.dtype)


def _larger(a: Any, b: Any, y: Any) -> Any:
    """1 where a > b, ½ at a tie; bools if there is none, which `select` multiplies faster."""
    larger = np.greater(a, b)
    if y.__class__ is np.ndarray and not np.count_nonzero(np.equal(a, b)):
        return larger
    return (_one_where(larger, y) + _one_where(np.greater_equal(a, b), y)) / 2


def _chosen(better: Any, a: Any, b: Any, tie: float = 0.5) -> Any:
    """1 where fmax or fmin takes a: the better one, or the one that is not NaN."""
    wins = better(a, b) | (np.isnan(b) & ~np.isnan(a))
    return np.where(wins, 1.0, np.where(np.equal(a, b), tie, 0.0))


def _tied(both: Op, one: Op) -> Any:
    """A two-input extremum: the joint rule when both inputs are live, the rule against a constant when one
    is."""

    def rule(a: Any, b: Any) -> Any:
        if is_live(a) and is_live(b):
            return both(a, b)
        return one(b, a) if is_live(b) else one(a, b)

    rule.__name__ = both.name
    return rule


maximum = register(np.maximum, _tied(_maximum, _maximum_const))
minimum = register(np.minimum, _tied(_minimum, _minimum_const))
fmax = register(np.fmax, _tied(_fmax, _fmax_const))
fmin = register(np.fmin, _tied(_fmin, _fmin_const))


# Complex numbers. A cotangent g means dL = Re(g·dx), without a conjugate, so analytic rules hold.

real = elementwise(lambda x: np.real(x), 1, name="real")
imag = elementwise(lambda x: np.imag(x), lambda y, x: -1j, name="imag")
_imag_push = lambda t, y, x: np.imag(t)  # noqa: E731  # not a multiple of t: only its imaginary part counts
imag.pushes = [_imag_push]
real.pushes = [lambda t, y, x: np.real(t)]
conjugate = Op(
    "conjugate",
    np.conjugate,
    pulls=[lambda g, y, x: np.conjugate(g)],
    pushes=[lambda t, y, x: np.conjugate(t)],
    batched=True,
)
register(np.real, lambda x: real(x) if x.dtype.kind == "c" else x)
register(np.imag, lambda x: imag(x) if x.dtype.kind == "c" else np.zeros_like(x))
register((np.conjugate,), lambda x: conjugate(x) if x.dtype.kind in "cb" else x)


def absolute(x: Any) -> Any:
    return hypot(real(x), imag(x)) if x.dtype.kind == "c" else _absolute(x)


register(np.absolute, absolute)

# Powers. The exponent is usually a number, and then the rule needs neither a logarithm nor care at 0.

_power = elementwise(
    np.power,
    lambda y, a, b: b * np.power(a, np.where(np.equal(b, 0) & np.equal(a, 0), 1, b - 1)),
    lambda y, a, b: scale(y, np.log(np.where(np.equal(a, 0) & np.greater_equal(b, 0), 1, a))),
)
power_const_op = elementwise(
    lambda x, p: np.power(x, p), lambda y, x, p: p * power(x, p - 1) if p else 0 * y, name="power"
)


def power(a: Any, b: Any) -> Any:
    """aᵇ. ∂a = b·aᵇ⁻¹ (0 where b is 0), ∂b = aᵇ·log a (0 where a is 0 and b ≥ 0)."""
    if type(b) in (int, float) and isinstance(a, Tensor):
        if type(b) is float:
            a = in_floats(a)
        elif a.dtype.kind == "b":
            a = a.astype(int)  # as in NumPy, where np.square would give int8
        if b == 2:
            return np.square(a) if a.op in SQUARES else square(a)
        if b == 1:
            return positive(a)
        return power_const_op(a, p=b)
    return _power(a, b) if isinstance(a, Tensor) or isinstance(b, Tensor) else np.power(a, b)


register(np.power, power)


# sinc and its derivatives of every order, exact also at 0


def _sinc(x: Any, order: int = 0) -> Any:
    """dⁿ/duⁿ (sin u / u) at u = πx, times πⁿ: the n-th derivative of sin(πx)/(πx)."""
    u = np.pi * np.asarray(x)
    far = np.abs(u) > order + 1
    # Far from 0: (u·f)⁽ⁿ⁾ = sin(u + nπ/2), so f⁽ⁿ⁾ = (sin(u + nπ/2) − n f⁽ⁿ⁻¹⁾)/u, stable for |u| > n.
    safe = np.where(far, u, 1)
    f = np.sin(safe) / safe
    for n in range(1, order + 1):
        f = (np.sin(safe + n * np.pi / 2) - n * f) / safe
    # Near 0: the Taylor series Σ (−1)ᵏ u²ᵏ⁻ⁿ (2k)!/((2k−n)!(2k+1)!).
    near = np.where(far, 0, u)
    series = 0 * near
    for k in range((order + 1) // 2, (order + 1) // 2 + 12 + 2 * order):
        power_of_u = 2 * k - order
        series = series + (-1) ** k / (2 * k + 1) / math.factorial(power_of_u) * near**power_of_u
    return (np.pi**order * np.where(far, f, series)).astype(u.dtype)


_sinc_op: Op = elementwise(
    _sinc, lambda y, x, order=0: _sinc_op(x, order=order + 1), name="sinc", bounded=True
)
sinc = register(np.sinc, lambda x: _sinc_op(x, order=0))


# Compositions: correct in both modes and all orders because their parts are


def clip(x: Any, min: Any = None, max: Any = None, *, a_min: Any = None, a_max: Any = None) -> Any:
    """min(max(x, lo), hi): derivative 1 strictly inside the bounds, 0 at and beyond them."""
    low, high = a_min if min is None else min, a_max if max is None else max
    if low.__class__ is high.__class__ is float or not (
        low is None or high is None or is_live(low) or is_live(high)
    ):
        return run(clip_op, (x, low, high), {})
    if low is not None:
        x = maximum(x, low)
    if low is high is None:
        return positive(x)  # which refuses booleans, as np.clip does
    return x if high is None else minimum(x, high)


register(np.clip, clip, keywords=("a_min", "a_max", "min", "max"))
