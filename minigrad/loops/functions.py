"""The functions of numbers as JavaScript, each with NumPy's NaN, ∞ and sign of zero.

`FUNCTIONS` has the text of each, with {0}, {1}, … for its operands. Where JavaScript differs from NumPy, or
has no such function, the text calls one of `HELPERS`, which is put before.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

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


# The error function: Taylor's series to 0.84, and beyond erfc by its continued fraction, of which 12 + 250/x²
# terms give all digits (Abramowitz and Stegun 1964, 7.1.5 and 7.1.14). x² is exp's argument in two parts, of
# which the first is exact, because its rounding would be seen.
HELPERS |= {
    "erfc": "(x) { return x < 0.25 ? 1 - erf(x) : x < 0.84 ? 0.5 - (x - 0.5 + x * erfNear(x * x)) : "
    "erfcTail(x); }",
    "erf": "(x) { const a = Math.abs(x); return a < 0.84 ? x + x * erfNear(x * x) : "
    "x < 0 ? erfcTail(a) - 1 : 1 - erfcTail(a); }",
    "erfNear": "(z) { let s = 0.12837916709551257, t = 2 / Math.sqrt(Math.PI), n = 0, d; "
    "do { t *= -z / ++n; s += d = t / (2 * n + 1); } while (Math.abs(d) > 1e-18); return s; }",
    "erfcTail": "(x) { if (x > 28) return 0; const h = Math.fround(x), g = Math.exp(-h * h); let f = 0; "
    "for (let k = Math.ceil(12 + 250 / (x * x)); k > 0; k--) f = k / 2 / (x + f); "
    "return 0.5641895835477563 * (g + g * Math.expm1((h - x) * (h + x))) / (x + f); }",
}
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
