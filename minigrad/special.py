"""Special functions under SciPy's names, with derivatives of every order, in NumPy and the `math` module.

    expit logit log_expit              the logistic function, its inverse, its logarithm
    erf erfc erfcx erfinv erfcinv      the error function and its relatives
    ndtr ndtri log_ndtr                the normal distribution
    gamma gammaln digamma polygamma beta betaln
    i0 i1 i0e i1e j0 j1                Bessel functions
    xlogy xlog1py entr rel_entr kl_div logarithms in which 0·log 0 is 0
    boxcox exprel huber pseudo_huber
    logsumexp softmax log_softmax

The second half of this file is the table of derivatives, one line a function; the first half computes values,
in float64, to a few units in the last place. Results have the dtype of the arguments. Complex numbers are
refused, except by `expit` and `log_expit`.

`scipy.special.erf(x)` on a Tensor x takes the same derivatives, and its value from SciPy. We never import
SciPy, so its functions are recognised when they come, by name (`_of_scipy`).
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from functools import lru_cache, wraps
from typing import Any, cast

import numpy as np

from minigrad import ops
from minigrad.arraylike import FINDERS
from minigrad.errors import entry
from minigrad.families import constant_op, elementwise, register
from minigrad.ops.elementwise import LN10, ratio, relu, sigmoid, softplus
from minigrad.ops.reduce import from_the_end
from minigrad.tensor import RULES, Op, Tensor, traced_if_capturing

__all__ = [
    "beta", "betaln", "boxcox", "digamma", "entr", "erf", "erfc", "erfcinv", "erfcx", "erfinv", "expit",
    "exprel",
    "gamma", "gammaln", "huber", "i0", "i0e", "i1", "i1e", "j0", "j1", "kl_div", "log_expit", "log_ndtr",
    "log_softmax", "logit", "logsumexp", "ndtr", "ndtri", "polygamma", "pseudo_huber", "rel_entr", "softmax",
    "xlog1py", "xlogy",
]  # fmt: skip

Function = Callable[..., Any]
SQRT2, SQRT_PI, SQRT_2PI = math.sqrt(2), math.sqrt(math.pi), math.sqrt(2 * math.pi)


def _in_float64(f: Function) -> Function:
    """f, computed in float64 without warnings, with a result in the dtype of the arguments."""
    names = f.__code__.co_varnames[: f.__code__.co_argcount]
    inputs = [name for name in names if name not in ("n", "scaled")]  # the others are parameters

    @wraps(f)
    def forward(*xs: Any, **params: Any) -> Any:
        if len(xs) != len(inputs):
            raise TypeError(
                f"this function takes the arguments ({', '.join(inputs)}), got {len(xs)} of them."
            )
        dtype = np.result_type(*xs)
        if dtype.kind == "c":
            raise TypeError(
                f"the functions of minigrad.special take real numbers, got {dtype}; take np.real of it."
            )
        with np.errstate(all="ignore"):
            y = f(*(np.asarray(x, np.float64) for x in xs), **params)
        return np.asarray(y, dtype if dtype.kind == "f" else np.float64)[()]

    return forward


def _each(f: Callable[[float], float]) -> Function:
    """A function of the `math` module on the elements of an array."""
    on_objects = np.frompyfunc(f, 1, 1)
    return lambda x: np.asarray(on_objects(x), np.float64)


# Values: the error function

_erf, _erfc = _each(math.erf), _each(math.erfc)


def _exp_square(x: Any) -> Any:
    """exp(x²): the square is split in two, because its rounding would be seen in many digits."""
    head = np.asarray(x, np.float32).astype(np.float64)
    return np.exp(head * head) * np.exp((x - head) * (x + head))


@_in_float64
def _erfcx(x: Any) -> Any:
    """exp(x²)·erfc(x), for large x by the continued fraction 1/√π/(x + ½/(x + 1/(x + 3⁄2/(x + …))))."""
    far = np.abs(x)
    near = np.minimum(far, 5)
    small = _exp_square(near) * _erfc(near)
    tail = np.maximum(far, 5)
    fraction = tail
    for k in range(60, 0, -1):
        fraction = tail + k / 2 / fraction
    y = np.where(far < 5, small, 1 / SQRT_PI / fraction)
    return np.where(x < 0, 2 * _exp_square(np.clip(x, -27, 0)) - y, y) + np.where(x < -26.7, np.inf, 0)


@_in_float64
def _erfcinv(q: Any) -> Any:
    """Newton's method on log erfc y = log q for q < ½, Halley's on erf y = 1 − q in the middle."""
    low = np.minimum(q, 2 - q)
    p = np.where(low < 0.5, 0, 1 - q)
    middle = SQRT_PI / 2 * p * (1 + math.pi / 12 * p * p)
    for _ in range(4):
        u = (_erf(middle) - p) * (SQRT_PI / 2) * np.exp(middle * middle)
        middle = middle - u / (1 + middle * u)
    goal = np.log(np.clip(low, 5e-324, 0.5))
    y = np.sqrt(-goal)
    for _ in range(7):
        scaled = _erfcx(y)
        y = y + (np.log(scaled) - y * y - goal) * scaled * (SQRT_PI / 2)
    y = np.where(q < 1, y, -y)
    y = np.where(low < 0.5, np.where(low == 0, np.where(q < 1, np.inf, -np.inf), y), middle)
    return np.where((low >= 0) & (q <= 2), y, np.nan)


@_in_float64
def _erfinv(p: Any) -> Any:
    size = np.abs(p)
    small = np.abs(_erfcinv(np.where(size < 0.5, 1, 1 - size)))
    near = np.where(size < 0.5, p, 0)
    y = SQRT_PI / 2 * near * (1 + math.pi / 12 * near * near)
    for _ in range(4):
        u = (_erf(y) - near) * (SQRT_PI / 2) * np.exp(y * y)
        y = y - u / (1 + y * u)
    return np.where(size <= 1, np.where(size < 0.5, y, np.copysign(small, p)), np.nan)


@_in_float64
def _log_ndtr(x: Any) -> Any:
    """log ½erfc(−x/√2)."""
    left = np.minimum(x, -1)
    right = np.log1p(-0.5 * _erfc(np.maximum(x, -1) / SQRT2))
    return np.where(x < -1, np.log(0.5 * _erfcx(-left / SQRT2)) - 0.5 * left * left, right)


@_in_float64
def _logit(p: Any) -> Any:
    middle = np.abs(p - 0.5) < 0.25
    near = 2 * np.arctanh(2 * np.where(middle, p, 0.5) - 1)  # 2p − 1 is exact there
    return np.where(middle, near, np.log(p) - np.log1p(-p))


# Values: the gamma function


def _or_limit(f: Callable[[float], float], limit: Callable[[float], float]) -> Callable[[float], float]:
    def value(x: float) -> float:
        try:
            return f(x)
        except (ValueError, OverflowError) as error:
            return math.inf if isinstance(error, OverflowError) else limit(x)

    return value


_gamma_of = _each(_or_limit(math.gamma, lambda x: math.nan if x else math.copysign(math.inf, x)))
_lgamma_of = _each(_or_limit(math.lgamma, lambda x: math.inf))

_BERNOULLI = (  # B₂, B₄, …
    1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510, 43867 / 798, -174611 / 330,
    854513 / 138, -236364091 / 2730,
)  # fmt: skip


def _hurwitz(s: int, x: Any) -> Any:
    """Σₖ (x + k)⁻ˢ for x > 0, by Euler and Maclaurin; for s = 1 its regular part, −ψ(x)."""
    n = 12 + s
    z = x + n
    y = np.where(s == 1, -np.log(z), z ** (1.0 - s) / max(s - 1, 1)) + 0.5 * z ** float(-s)
    rising = 1.0 * s
    for j, b in enumerate(_BERNOULLI, 1):
        y = y + b / math.factorial(2 * j) * rising * z ** (1.0 - s - 2 * j)
        rising *= (s + 2 * j - 1) * (s + 2 * j)
    for k in reversed(range(n)):
        y = y + (x + k) ** float(-s)
    return y


@lru_cache(maxsize=16)
def _cot_derivative(n: int) -> Any:
    """The polynomial Pₙ with dⁿ/dxⁿ cot x = Pₙ(cot x), by coefficients: P₀(c) = c, Pₙ₊₁ = −(1 + c²)·Pₙ′."""
    p = np.array([1.0, 0.0])
    for _ in range(n):
        p = -np.polymul([1.0, 0.0, 1.0], np.polyder(p))
    return p


@_in_float64
def _polygamma(x: Any, n: int) -> Any:
    """ψ⁽ⁿ⁾(x) = (−1)ⁿ⁺¹ n! ζ(n + 1, x), and by reflection ψ⁽ⁿ⁾(x) = (−1)ⁿ ψ⁽ⁿ⁾(1 − x) − dⁿ/dxⁿ π cot πx."""
    left = x < 0.5
    y = (-1) ** (n + 1) * math.factorial(n) * _hurwitz(n + 1, np.where(left, 1 - x, x))
    off = np.where(left, x - np.rint(x), 0.25)
    turned = np.polyval(_cot_derivative(n), 1 / np.tan(math.pi * off)) * math.pi ** (n + 1)
    y = np.where(left & (x != 0), (-1) ** n * y - turned, y)
    pole = np.where(x == 0, -np.copysign(np.inf, x) if n % 2 == 0 else np.inf, np.nan if n == 0 else np.inf)
    return np.where(left & (x == np.rint(x)), np.where(np.isneginf(x), np.nan, pole), y)


_ZETA_MINUS_1 = [float(_hurwitz(k, np.float64(2.0))) for k in range(2, 40)]
_EULER = 0.57721566490153286


@_in_float64
def _gammaln(x: Any) -> Any:
    """log|Γ(x)|; near its zeros 1 and 2 from log Γ(2 + z) = (1 − γ)z + Σₖ (ζ(k) − 1)(−z)ᵏ/k."""
    middle = (x > 0.5) & (x < 2.5)
    first = x < 1.5
    z = np.where(middle, np.where(first, x - 1, x - 2), 0.0)
    series = np.zeros_like(z)
    for k in reversed(range(2, 40)):
        series = -z * (series + _ZETA_MINUS_1[k - 2] / k)
    near = z * (1 - _EULER - series) - np.where(first, np.log1p(z), 0)
    return np.where(middle, near, _lgamma_of(x))


def _stirling(x: Any) -> Any:
    """log Γ(x) − (x − ½)log x + x − ½log 2π for x ≥ 10."""
    return sum(b / (2 * k * (2 * k - 1)) * x ** (1.0 - 2 * k) for k, b in enumerate(_BERNOULLI[:8], 1))


@_in_float64
def _betaln(a: Any, b: Any) -> Any:
    """log|Γ(a)Γ(b)/Γ(a + b)|; by Stirling's formula where the terms are large and would cancel."""
    a, b = np.minimum(a, b), np.maximum(a, b)
    plain = _gammaln(a) + _gammaln(b) - _gammaln(a + b)
    x, y = np.maximum(a, 10), np.maximum(b, 10)
    rest = -(y - 0.5) * np.log1p(a / y) + _stirling(y) - _stirling(a + y)
    one = _gammaln(a) + a - a * np.log(a + y) + rest
    both = 0.5 * math.log(2 * math.pi) - 0.5 * np.log(x) - x * np.log1p(y / x) + _stirling(x)
    both = both - (y - 0.5) * np.log1p(x / y) + _stirling(y) - _stirling(x + y)
    y = np.where((b < 10) | (a <= 0), plain, np.where(a < 10, one, both))
    return np.where((a == 0) | (b == 0), np.inf, y)


@_in_float64
def _beta(a: Any, b: Any) -> Any:
    plain = _gamma_of(a) * (_gamma_of(b) / _gamma_of(a + b))
    large = (a + b > 150) & (np.minimum(a, b) > 0)
    return np.where((a == 0) | (b == 0), np.inf, np.where(large, np.exp(_betaln(a, b)), plain))


# Values: Bessel functions. The trapezoidal rule on a quarter of the circle is exact to rounding for |x| < 25,
# of Iₙ for |x| < 30; beyond, Hankel's expansion Σₖ aₖ(n)/xᵏ ends below rounding.

_NODES = (np.arange(32) + 0.5) * (math.pi / 64)


def _hankel(n: int) -> list[float]:
    a = [1.0]
    for k in range(1, 40):
        a.append(a[-1] * (4 * n * n - (2 * k - 1) ** 2) / (8 * k))
    return a


@_in_float64
def _bessel_j(x: Any, n: int) -> Any:
    """Jₙ(x) = 2/π ∫ cos(x sin θ) cos nθ dθ over [0, π/2]; for odd n with sines."""
    far = np.abs(x)
    near = np.minimum(far, 25)[..., None] * np.sin(_NODES)
    wave = np.cos(near) * np.cos(n * _NODES) if n % 2 == 0 else np.sin(near) * np.sin(n * _NODES)
    small = np.mean(wave, axis=-1)
    z = np.where(np.isfinite(far), np.maximum(far, 25), 25)
    a = _hankel(n)
    p = sum((-1) ** (k // 2) * a[k] * z ** float(-k) for k in range(0, 30, 2))
    q = sum((-1) ** (k // 2) * a[k] * z ** float(-k) for k in range(1, 30, 2))
    c, s = (np.cos(z) + np.sin(z)) / SQRT2, (np.sin(z) - np.cos(z)) / SQRT2  # of z − π/4
    for _ in range(n % 4):
        c, s = s, -c
    large = np.sqrt(2 / (math.pi * z)) * (p * c - q * s)
    y = np.where(far < 25, small, np.where(np.isinf(far), 0, large))
    return np.where(x < 0, (-1) ** n * y, y) + 0 * np.where(np.isnan(x), x, 0)


@_in_float64
def _bessel_i(x: Any, n: int, scaled: bool) -> Any:
    """Iₙ(x) = 2/π ∫ cosh(x cos θ) cos nθ dθ over [0, π/2], for odd n with sinh; scaled: times exp(−|x|)."""
    far = np.abs(x)
    near, c = np.minimum(far, 30)[..., None], np.cos(_NODES)
    down = np.exp(-2 * near * c) + 1 if n % 2 == 0 else -np.expm1(-2 * near * c)
    small = np.mean(0.5 * np.exp(near * (c - 1)) * down * np.cos(n * _NODES), axis=-1)
    z = np.maximum(far, 30)
    large = sum((-1) ** k * a * z ** float(-k) for k, a in enumerate(_hankel(n)[:30])) / np.sqrt(
        2 * math.pi * z
    )
    y = np.where(far < 30, small, large)
    if not scaled:
        y = np.where(
            np.isinf(far), np.inf, y * np.exp(far / 2) * np.exp(far / 2)
        )  # exp(far) overflows earlier
    return np.where(x < 0, (-1) ** n * y, y) + 0 * np.where(np.isnan(x), x, 0)


# Values: logarithms, powers, losses


def _at_zero(product: Any, x: Any, y: Any) -> Any:
    """The product, but 0 where x is 0 and y is a number."""
    return np.where((x == 0) & ~np.isnan(y), 0, product)


@_in_float64
def _entr(x: Any) -> Any:
    return np.where(x < 0, -np.inf, _at_zero(-x * np.log(x), x, x))


def _log_of_ratio(x: Any, y: Any) -> Any:
    r = x / y
    return np.where(
        (r > 0.5) & (r < 2),
        np.log1p((x - y) / y),
        np.where((r > 0) & (r < np.inf), np.log(r), np.log(x) - np.log(y)),
    )


@_in_float64
def _rel_entr(x: Any, y: Any) -> Any:
    inside = np.where((x > 0) & (y > 0), x * _log_of_ratio(x, y), np.inf)
    return np.where(np.isnan(x) | np.isnan(y), np.nan, np.where((x == 0) & (y >= 0), 0, inside))


@_in_float64
def _kl_div(x: Any, y: Any) -> Any:
    inside = np.where((x > 0) & (y > 0), x * _log_of_ratio(x, y) - x + y, np.inf)
    return np.where(np.isnan(x) | np.isnan(y), np.nan, np.where((x == 0) & (y >= 0), y, inside))


@_in_float64
def _boxcox(x: Any, power: Any) -> Any:
    log = np.log(x)
    return np.where(np.abs(power) < 1e-300, log, np.expm1(power * log) / power)


@_in_float64
def _exprel(u: Any, n: int = 0) -> Any:
    """∫ sⁿ exp(us) ds over [0, 1], which is dⁿ/duⁿ (exp(u) − 1)/u."""
    far = np.abs(u) > n + 2
    safe = np.where(far, u, 1)
    y = np.expm1(safe) / safe
    for k in range(1, n + 1):
        y = (np.exp(safe) - k * y) / safe
    if n == 0:
        y = np.expm1(u) / np.where((u == 0) | np.isposinf(u), 1, u)
        return np.where(u == 0, 1, y)
    near = np.where(far, 0, u)
    series = sum(near**k / (math.factorial(k) * (k + n + 1)) for k in range(30 + 2 * n))
    return np.where(far, y, series)


@_in_float64
def _huber(delta: Any, r: Any) -> Any:
    size = np.abs(r)
    y = np.where(size <= delta, 0.5 * r * r, delta * (size - 0.5 * delta))
    return np.where(delta < 0, np.inf, y)


@_in_float64
def _pseudo_huber(delta: Any, r: Any) -> Any:
    y = delta * r * (r / (np.hypot(delta, r) + delta))
    y = np.where((delta == 0) | (r == 0), 0, np.where(np.isinf(r), np.inf, y))
    return np.where(delta < 0, np.inf, y)


# The table of derivatives

expit = sigmoid
log_expit = elementwise(
    lambda x: -softplus.forward(-x), lambda y, x: sigmoid(-x), name="log_expit", bounded=True
)
logit = elementwise(_logit, lambda y, p: 1 / (p * (1 - p)), name="logit")

erf = elementwise(_in_float64(_erf), lambda y, x: 2 / SQRT_PI * np.exp(-x * x), name="erf", bounded=True)
erfc = elementwise(_in_float64(_erfc), lambda y, x: -2 / SQRT_PI * np.exp(-x * x), name="erfc", bounded=True)
erfcx: Op = elementwise(_erfcx, lambda y, x: 2 * x * y - 2 / SQRT_PI, name="erfcx")
erfinv = elementwise(_erfinv, lambda y, p: SQRT_PI / 2 * np.exp(y * y), name="erfinv")
erfcinv = elementwise(_erfcinv, lambda y, q: -SQRT_PI / 2 * np.exp(y * y), name="erfcinv")
ndtr = elementwise(
    _in_float64(lambda x: 0.5 * _erfc(-x / SQRT2)),
    lambda y, x: np.exp(-0.5 * x * x) / SQRT_2PI,
    name="ndtr",
    bounded=True,
)
ndtri = elementwise(
    _in_float64(lambda p: -SQRT2 * _erfcinv(2 * p)), lambda y, p: SQRT_2PI * np.exp(0.5 * y * y), name="ndtri"
)
log_ndtr = elementwise(_log_ndtr, lambda y, x: 2 / SQRT_2PI / erfcx(-x / SQRT2), name="log_ndtr")

gamma = elementwise(_in_float64(_gamma_of), lambda y, x: y * digamma(x), name="gamma")
gammaln = elementwise(_gammaln, lambda y, x: digamma(x), name="gammaln")
polygamma_op: Op = elementwise(_polygamma, lambda y, x, n: polygamma_op(x, n=n + 1), name="polygamma")
digamma: Op = elementwise(
    _in_float64(lambda x: _polygamma(x, n=0)), lambda y, x: polygamma_op(x, n=1), name="digamma"
)
beta = elementwise(
    _beta,
    lambda y, a, b: y * (digamma(a) - digamma(a + b)),
    lambda y, a, b: y * (digamma(b) - digamma(a + b)),
    name="beta",
)
betaln = elementwise(
    _betaln,
    lambda y, a, b: digamma(a) - digamma(a + b),
    lambda y, a, b: digamma(b) - digamma(a + b),
    name="betaln",
)

bessel_j: Op = elementwise(
    _bessel_j, lambda y, x, n: 0.5 * (_j(x, n - 1) - _j(x, n + 1)), name="bessel_j", bounded=True
)
bessel_i: Op = elementwise(
    _bessel_i,
    lambda y, x, n, scaled: (
        0.5 * (_i(x, n - 1, scaled) + _i(x, n + 1, scaled)) - (np.sign(x) * y if scaled else 0)
    ),
    name="bessel_i",
)


def _j(x: Any, n: int) -> Any:
    return bessel_j(x, n=n) if n >= 0 else (-1) ** n * bessel_j(x, n=-n)


def _i(x: Any, n: int, scaled: bool) -> Any:
    return bessel_i(x, n=abs(n), scaled=scaled)


def _order(f: Function, name: str, partial: Function, **params: Any) -> Op:
    return elementwise(_in_float64(lambda x: f(x, **params)), partial, name=name, bounded=name[0] == "j")


j0 = _order(_bessel_j, "j0", lambda y, x: -_j(x, 1), n=0)
j1 = _order(_bessel_j, "j1", lambda y, x: 0.5 * (_j(x, 0) - _j(x, 2)), n=1)
i0 = _order(_bessel_i, "i0", lambda y, x: _i(x, 1, False), n=0, scaled=False)
i1 = _order(_bessel_i, "i1", lambda y, x: 0.5 * (_i(x, 0, False) + _i(x, 2, False)), n=1, scaled=False)
i0e = _order(_bessel_i, "i0e", lambda y, x: _i(x, 1, True) - np.sign(x) * y, n=0, scaled=True)
i1e = _order(
    _bessel_i, "i1e", lambda y, x: 0.5 * (_i(x, 0, True) + _i(x, 2, True)) - np.sign(x) * y, n=1, scaled=True
)

xlogy = elementwise(
    _in_float64(lambda x, y: _at_zero(x * np.log(y), x, y)),
    lambda z, x, y: np.log(y),
    lambda z, x, y: np.where(np.equal(x, 0), 0, x / y),
    name="xlogy",
)
xlog1py = elementwise(
    _in_float64(lambda x, y: _at_zero(x * np.log1p(y), x, y)),
    lambda z, x, y: np.log1p(y),
    lambda z, x, y: np.where(np.equal(x, 0), 0, x / (1 + y)),
    name="xlog1py",
)
entr = elementwise(_entr, lambda y, x: -np.log(x) - 1, name="entr")
log_ratio: Op = elementwise(
    _in_float64(_log_of_ratio), lambda z, x, y: 1 / x, lambda z, x, y: -1 / y, name="log_ratio"
)
rel_entr = elementwise(
    _rel_entr,
    lambda z, x, y: log_ratio(x, y) + 1,
    lambda z, x, y: np.where(np.equal(x, 0), 0, -x / y),
    name="rel_entr",
)
kl_div = elementwise(
    _kl_div,
    lambda z, x, y: log_ratio(x, y),
    lambda z, x, y: np.where(np.equal(x, 0), 1, (y - x) / y),
    name="kl_div",
)

exprel: Op = elementwise(_exprel, lambda y, u, n=0: exprel(u, n=n + 1), name="exprel")
boxcox = elementwise(
    _boxcox,
    lambda y, x, power: np.power(x, power - 1),
    lambda y, x, power: np.square(np.log(x)) * exprel(power * np.log(x), n=1),
    name="boxcox",
)
huber = elementwise(
    _huber,
    lambda y, delta, r: relu(np.abs(r) - delta),
    lambda y, delta, r: np.clip(r, -delta, delta),
    name="huber",
)
pseudo_huber = elementwise(
    _pseudo_huber,
    lambda y, delta, r: ratio(np.square(ratio(r * r, np.hypot(delta, r) + delta)), np.hypot(delta, r)),
    lambda y, delta, r: delta * ratio(r, np.hypot(delta, r)),
    name="pseudo_huber",
)
exp10 = elementwise(lambda x: np.power(10.0, x), lambda y, x: LN10 * y, name="exp10")
register(np.i0, elementwise(np.i0, lambda y, x: i1(x), name="i0"))


# Functions of an order, or along axes


@entry
def polygamma(n: int, x: Any) -> Any:
    """The n-th derivative of the digamma function, n ≥ 0, a whole number."""
    if isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 0:
        raise TypeError(
            f"polygamma(n, x) takes one whole number n ≥ 0, got {n!r:.40}; call it for each order."
        )
    return digamma(x) if n == 0 else polygamma_op(x, n=int(n))


_top = constant_op(lambda a, axis: _finite_top(a, axis), "top")


def _finite_top(a: Any, axis: tuple[int, ...]) -> Any:
    top = np.max(a, axis=axis, keepdims=True, initial=-np.inf)
    return np.where(np.isfinite(top), top, 0).astype(a.dtype)


def _array(x: Any) -> Any:
    return x if isinstance(x, Tensor) else traced_if_capturing(np.asarray(x))


@entry
def logsumexp(
    a: Any, axis: Any = None, b: Any = None, keepdims: bool = False, return_sign: bool = False
) -> Any:
    """log Σ b·exp(a) along axes (None: all), without overflow; a negative sum gives NaN.

    Args:
        b: factors, broadcast with a; those that are 0 win over an infinite a.
        return_sign: return (log|Σ|, sign of Σ) instead.

    >>> float(logsumexp([1000.0, 1000.0], b=[3.0, -2.0]))
    1000.0
    """
    if b is None and not return_sign:
        return ops.reduce.logsumexp(a, axis, keepdims=keepdims)
    a = ops.elementwise.in_floats(_array(a))
    if b is not None:
        b = _array(b)
        a = np.where(np.equal(b, 0), -np.inf, a)
    axes = from_the_end(axis, a.ndim)
    top = _top(a, axis=axes)
    terms = np.exp(a - top)
    total = np.sum(terms if b is None else terms * b, axis=axes, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        y = np.log(np.abs(total) if return_sign else total) + top
    y, sign = (x if keepdims else np.squeeze(x, axes) for x in (y, np.sign(total)))
    return (y, sign) if return_sign else y


@entry
def log_softmax(x: Any, axis: Any = None) -> Any:
    """x − logsumexp(x) along axes (None: all)."""
    if isinstance(axis, int | np.integer):
        return ops.reduce.log_softmax(x, int(axis))
    x = ops.elementwise.in_floats(_array(x))
    if axis is None:
        return np.reshape(ops.reduce.log_softmax(np.reshape(x, (-1,)), 0), x.shape)
    return x - logsumexp(x, axis, keepdims=True)


@entry
def softmax(x: Any, axis: Any = None) -> Any:
    """exp(x)/Σ exp(x) along axes (None: all)."""
    return np.exp(log_softmax(x, axis))


# SciPy's ufuncs. Some are NumPy's functions by another name.

_HERE = {
    name: op
    for name, op in {**globals(), "psi": digamma, "expit": sigmoid}.items()
    if isinstance(op, Op) and (name in __all__ or name in ("psi", "exp10"))
} | {name: RULES[getattr(np, name)] for name in ("cbrt", "exp2", "expm1", "log1p")}


def _of_scipy(function: Any) -> Any:
    """The rule of a ufunc of scipy.special: SciPy's values with the derivatives of ours."""
    special: Any = sys.modules.get("scipy.special")
    name = getattr(function, "__name__", "")
    if special is None or not isinstance(function, np.ufunc) or getattr(special, name, None) is not function:
        return None
    ours: Any = _HERE.get(name)
    if ours is None:
        return None
    op = Op(
        name, cast(Function, function), pulls=ours.pulls, pushes=ours.pushes, broadcasts=True, batched=True
    )
    RULES[function] = op
    return op


FINDERS.append(_of_scipy)
