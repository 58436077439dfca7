"""The functions of numbers as JavaScript, each with NumPy's NaN, ∞ and sign of zero.

`FUNCTIONS` has the text of each, with {0}, {1}, … for its operands. Where JavaScript differs from NumPy, or
has no such function, the text calls one of `HELPERS`, which is put before.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence

__all__ = ["FUNCTIONS", "helpers"]

FUNCTIONS = {
    "positive": "{0}", "negative": "-{0}", "add": "{0} + {1}", "subtract": "{0} - {1}",
    "multiply": "{0} * {1}", "divide": "{0} / {1}", "reciprocal": "1 / {0}", "square": "{0} * {0}",
    "fmod": "{0} % {1}",
    "greater": "{0} > {1}", "greater_equal": "{0} >= {1}", "less": "{0} < {1}", "less_equal": "{0} <= {1}",
    "equal": "{0} == {1}", "not_equal": "{0} != {1}", "isnan": "{0} !== {0}", "isfinite": "isFinite({0})",
    "isinf": "Math.abs({0}) === Infinity", "signbit": "{0} < 0 || Object.is({0}, -0)",
    "logical_and": "{0} != 0 && {1} != 0", "logical_or": "{0} != 0 || {1} != 0", "logical_not": "{0} == 0",
    "logical_xor": "({0} != 0) !== ({1} != 0)", "truth": "{0} != 0", "where": "{0} != 0 ? {1} : {2}",
    "keep": "{1} ? {0} : 0", "exp2": "2 ** {0}", "deg2rad": f"{{0}} * {math.pi / 180}",
    "rad2deg": f"{{0}} * {180 / math.pi}", "integer_multiply": "{0} * {1} + 0", "integer_negative": "0 - {0}",
    "integer_floor_divide": "{1} == 0 ? 0 : Math.floor({0} / {1}) + 0", "fabs": "Math.abs({0})",
    "integer_remainder": "{1} == 0 ? 0 : {0} - {1} * Math.floor({0} / {1})",
}  # fmt: skip
FUNCTIONS |= {
    name: f"Math.{word or name}({{0}})"
    for name, word in {
        "sqrt": "", "cbrt": "", "exp": "", "expm1": "", "log": "", "log2": "", "log10": "", "log1p": "",
        "sin": "", "cos": "", "tan": "", "arcsin": "asin", "arccos": "acos", "arctan": "atan", "sinh": "",
        "cosh": "", "tanh": "", "arcsinh": "asinh", "arccosh": "acosh", "arctanh": "atanh",
        "absolute": "abs", "floor": "", "ceil": "", "trunc": "",
    }.items()
} | {"arctan2": "Math.atan2({0}, {1})", "hypot": "Math.hypot({0}, {1})"}  # fmt: skip
# Where JavaScript differs from NumPy, or has no such function, a function of the same name is put before.
HELPERS = {
    "scale": "(g, d) { const y = g * d; return y === y || g !== 0 ? y : 0; }",
    "select": "(a, b) { const y = a * b; return y === y || (a !== 0 && b !== 0) ? y : 0; }",
    "maximum": "(a, b) { return a > b || a !== a ? a : b; }",
    "minimum": "(a, b) { return a < b || a !== a ? a : b; }",
    "fmax": "(a, b) { return a > b || b !== b ? a : b; }",
    "fmin": "(a, b) { return a < b || b !== b ? a : b; }",
    "sign": "(x) { return x > 0 ? 1 : x < 0 ? -1 : x === 0 ? 0 : x; }",
    "power": "(a, b) { return a === 1 || (a === -1 && (b === Infinity || b === -Infinity)) ? 1 : a ** b; }",
    "rint": "(x) { const y = Math.round(x); return y - x === 0.5 && y % 2 !== 0 ? y - 1 : y; }",
    "heaviside": "(x, h) { return x < 0 ? 0 : x > 0 ? 1 : x === 0 ? h : x; }",
    "floor_divide": "(a, b) { if (b === 0) return a / b; const m = a % b; "
    "const q = (a - m) / b - (m !== 0 && (b < 0) !== (m < 0) ? 1 : 0), f = Math.floor(q); "
    "return q === 0 ? 0 * (a / b) : q - f > 0.5 ? f + 1 : f; }",
    "remainder": "(a, b) { const m = a % b; return m !== 0 ? ((b < 0) !== (m < 0) ? m + b : m) : "
    "m !== m ? m : b < 0 ? -0 : 0; }",
    "logaddexp": "(a, b) { return a === b ? a + Math.LN2 : a - b > 0 ? a + Math.log1p(Math.exp(b - a)) : "
    "b - a > 0 ? b + Math.log1p(Math.exp(a - b)) : a - b; }",
    "logaddexp2": "(a, b) { return a === b ? a + 1 : a - b > 0 ? a + Math.log1p(2 ** (b - a)) / Math.LN2 : "
    "b - a > 0 ? b + Math.log1p(2 ** (a - b)) / Math.LN2 : a - b; }",
    "wrapped": "(i, n) { return i < 0 ? i + n : i; }",
}  # fmt: skip


def _polynomial(c: Sequence[float]) -> str:
    """Σₖ cₖ·zᵏ as text, by pairs: (c₀ + z·c₁) + z²·(c₂ + z·c₃) + …, as the C library adds them."""
    pairs = [f"({' + z * '.join(map(repr, c[k : k + 2]))})" for k in range(0, len(c), 2)]
    return " + ".join([pairs[0], *(f"z{2 * k} * {pair}" for k, pair in enumerate(pairs[1:], 1))])


# The error function by the quotients of FDLIBM (s_erf.c, Sun Microsystems 1993), as in the C library that
# Python's math.erf calls: erf x is x + x·q(x²) below 0.84375, 0.845… + q(x − 1) below 1.25, and beyond that
# erfc x is exp(q(1/x²) − 0.5625 − x²)/x, whose square is split in two, because its rounding would be seen.
_QUOTIENTS = {
    "erfNear": (
        (0.12837916709551256, -0.3250421072470015, -0.02848174957559851, -0.005770270296489442,
         -2.3763016656650163e-05),
        (1.0, 0.39791722395915535, 0.0650222499887673, 0.005081306281875766, 0.00013249473800432164,
         -3.960228278775368e-06),
    ),
    "erfMiddle": (
        (-0.0023621185607526594, 0.41485611868374833, -0.3722078760357013, 0.31834661990116175,
         -0.11089469428239668, 0.035478304325618236, -0.002166375594868791),
        (1.0, 0.10642088040084423, 0.540397917702171, 0.07182865441419627, 0.12617121980876164,
         0.01363708391202905, 0.011984499846799107),
    ),
    "erfcFar": (
        (-0.009864944034847148, -0.6938585727071818, -10.558626225323291, -62.375332450326006,
         -162.39666946257347, -184.60509290671104, -81.2874355063066, -9.814329344169145),
        (1.0, 19.651271667439257, 137.65775414351904, 434.56587747522923, 645.3872717332679,
         429.00814002756783, 108.63500554177944, 6.570249770319282, -0.0604244152148581),
    ),
    "erfcFurther": (
        (-0.0098649429247001, -0.799283237680523, -17.757954917754752, -160.63638485582192,
         -637.5664433683896, -1025.0951316110772, -483.5191916086514),
        (1.0, 30.33806074348246, 325.7925129965739, 1536.729586084437, 3199.8582195085955,
         2553.0504064331644, 474.52854120695537, -22.44095244658582),
    ),
}  # fmt: skip
_POWERS = "const z2 = z * z, z4 = z2 * z2, z6 = z4 * z2, z8 = z4 * z4;"
HELPERS |= {
    "erfc": "(x) { return x < 0.25 ? 1 - erf(x) : x < 0.84375 ? 0.5 - (x - 0.5 + x * erfNear(x * x)) : "
    "x < 1.25 ? 1 - 0.8450629115104675 - erfMiddle(x - 1) : erfcTail(x); }",
    "erf": "(x) { const a = Math.abs(x); if (a < 0.84375) return x + x * erfNear(x * x); "
    "const y = a < 1.25 ? 0.8450629115104675 + erfMiddle(a - 1) : 1 - erfcTail(a); return x < 0 ? -y : y; }",
    "erfcTail": "(x) { const s = 2 ** (20 - Math.floor(Math.log2(x))), h = Math.floor(s * x) / s; "
    "const q = (x < 1 / 0.35 ? erfcFar : erfcFurther)(1 / (x * x)); "
    "return x > 28 ? 0 : Math.exp(-h * h - 0.5625) * Math.exp((h - x) * (h + x) + q) / x; }",
} | {
    name: f"(z) {{ {_POWERS} return ({_polynomial(p)}) / ({_polynomial(q)}); }}"
    for name, (p, q) in _QUOTIENTS.items()
}  # fmt: skip
for _name, _text in HELPERS.items():
    _parameters = _text[1 : _text.index(")")].split(", ")
    FUNCTIONS[_name] = f"{_name}({', '.join(f'{{{i}}}' for i in range(len(_parameters)))})"


def helpers(texts: Iterable[str]) -> list[str]:
    """The functions that the texts call, and those that these call, which stand further down in the table."""
    whole, found = "\n".join(texts), []
    for name, text in HELPERS.items():
        if re.search(rf"\b{name}\b", whole):
            found.append(f"function {name}{text}")
            whole += text
    return found
