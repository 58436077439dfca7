"""The notation: names as mathematics writes them, numbers and arrays in few characters, operations as
formulas.

A formula is a text with a strength, which says how tightly its outermost operator binds; so brackets stand
only where they must.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from minigrad.tables import subscript

__all__ = [
    "ATOM",
    "FROM_LOW",
    "PASSED",
    "Written",
    "array_text",
    "formula",
    "number_text",
    "stated",
    "tangent_of",
]

TRUTH, SUM, TOTAL, MATRIX, PRODUCT, SIGN, POWER, ATOM = range(8)
Written = tuple[str, int]

_SUPERSCRIPTS = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")


def tangent_of(name: str) -> str:
    """The tangent of a quantity: a dot over its letter.

    >>> tangent_of("z₁"), tangent_of("∂h"), tangent_of("weight")
    ('ż₁', '∂ḣ', 'ẇeight')
    """
    sign = "∂" if name.startswith("∂") else ""
    letter = name[len(sign) :]
    return unicodedata.normalize("NFC", f"{sign}{letter[:1]}\u0307{letter[1:]}")


def number_text(x: Any) -> str:
    """A number in about ten characters at most, a complex one in twice as many.

    >>> [number_text(x) for x in (0.30000000000000004, 2, -1234567.0, np.float32(0.1))]
    ['0.3', '2', '-1.235e+06', '0.1']
    """
    if isinstance(x, bool | np.bool_):
        return str(bool(x))
    if isinstance(x, int | np.integer):
        return str(x) if abs(int(x)) < 10**9 else f"{float(x):.4g}"
    if isinstance(x, complex | np.complexfloating):
        return f"{x:.3g}"
    return f"{float(x):.4g}"


def exact_text(x: Any) -> str:
    """A number with all its digits, for formulas that are still being written (see `rounded`).

    >>> exact_text(1 / 3), exact_text(200.0), exact_text(1 + 2j)
    ('0.3333333333333333', '200', '(1+2j)')
    """
    if isinstance(x, complex | np.complexfloating):
        return f"({number_text(x)})"
    text = repr(float(x)) if isinstance(x, float | np.floating) else str(x)
    return text.removesuffix(".0")


def rounded(text: str) -> str:
    """A formula with its numbers in four digits.

    >>> rounded("0.3333333333333333·x₁")
    '0.3333·x₁'
    """
    if "." not in text:
        return text
    return re.sub(r"(?<![\w.])\d+(\.\d+)?(e[-+]?\d+)?(?![\w.])", lambda found: _shorter(found[0]), text)


def _shorter(number: str) -> str:
    return number if number.isdecimal() else number_text(float(number))


def array_text(a: Any) -> str:
    """A number, a short array in full, or the range and mean of a long one.

    >>> array_text(np.array([1.0, 2.5])), array_text(np.linspace(0, 1, 101))
    ('[1, 2.5]', '0 … 1, mean 0.5')
    """
    if a.ndim == 0:
        return number_text(a[()])
    if a.size <= 4 and a.ndim == 1:
        return "[" + ", ".join(number_text(x) for x in a.tolist()) + "]"
    if a.size == 0:
        return "empty"
    if a.dtype.kind == "b":
        return f"{int(np.count_nonzero(a))} of {a.size} true"
    if a.dtype.kind not in "iuf":
        return f"{a.size} numbers"
    with np.errstate(all="ignore"):
        low, high, mean = a.min(), a.max(), a.mean(dtype=np.float64)
    return f"{number_text(low)} … {number_text(high)}, mean {number_text(mean)}"


_INFIX = {"add": ("+", SUM), "subtract": ("−", SUM), "multiply": ("·", PRODUCT), "scale": ("·", PRODUCT),
          "select": ("·", PRODUCT),
          "divide": ("/", PRODUCT), "matmul": ("@", MATRIX), "remainder": ("%", PRODUCT)}  # fmt: skip
_LOW = "₀₁₂₃₄₅₆₇₈₉"
FROM_LOW = str.maketrans(_LOW, "0123456789")
_RAISED = {"t": "ᵗ", "n": "ⁿ"}
COMPARED = {
    "greater": ">",
    "less": "<",
    "greater_equal": "≥",
    "less_equal": "≤",
    "equal": "==",
    "not_equal": "≠",
}
_ASSOCIATIVE = {"add", "multiply", "scale", "select", "matmul"}
PASSED = {"astype", "positive", "reshape", "broadcast_to", "expand_dims", "squeeze", "stop_gradient"}


def stated(op: str, params: Mapping[str, Any], shape: tuple[int, ...]) -> tuple[str, ...]:
    """The parameters that an operation's value depends on, as its formula states them; `shape` is that of its
    first operand.

    >>> stated("power", {"p": 3}, (2,)), stated("sum", {"axis": (-2,), "keepdims": False}, (2, 2))
    (('3',), ('axis=0',))
    >>> stated("transpose", {"axes": (1, 0)}, (2, 3)), stated("getitem", {"index": (0, slice(1, None))}, (2,))
    ((), ('0, 1:',))
    >>> stated("getitem", {"index": (1,)}, (2,)), stated("sum", {"axis": (-1,), "keepdims": True}, (2,))
    (('₁',), ('keepdims=True',))
    """
    ndim = len(shape)
    if op == "power" and "p" in params:
        return (number_text(params["p"]),)
    if op == "transpose" and "axes" in params:
        axes = tuple(params["axes"])
        return () if axes == tuple(reversed(range(ndim))) else (str(axes),)
    if "call" in params:  # of a function that moves elements
        options: tuple[str, ...] = params["call"].options
        return options[:-1] if options[-1:] == ("None",) else options  # the axis of roll, by its own rule
    if op in ("reshape", "astype"):
        return _stated_form(shape, params)
    if "index" in params and op in ("getitem", "place", "gather", "scatter"):
        text = _index_text(params["index"], len(params.get("shape", shape)))
        return (text,) if op != "scatter" else () if set(text) <= set("·, ") else (f"[{text}]",)
    if op == "einsum" and "subscripts" in params:
        return (repr(params["subscripts"]),)
    found: list[str] = []
    axis = params.get("axis")
    if axis is not None:
        axes = tuple(sorted(a % ndim for a in (axis if isinstance(axis, tuple) else (axis,)))) if ndim else ()
        usual = {"log_softmax": (ndim - 1,), "concatenate": (0,)}.get(op, tuple(range(ndim)))
        found += [] if axes == usual else [f"axis={axes[0] if len(axes) == 1 else axes}"]
    return (*found, *(f"{name}={params[name]}" for name in ("ddof", "order", "keepdims") if params.get(name)))


def _stated_form(shape: tuple[int, ...], params: Mapping[str, Any]) -> tuple[str, ...]:
    """The new shape, unless the two mean the same beside other arrays; the new dtype, if it is a rounding."""
    if "dtype" in params:
        return (str(params["dtype"]),) if np.dtype(params["dtype"]).kind in "biu" else ()
    new = tuple(params["shape"]) if "shape" in params else shape
    plain = [re.sub(r"^(1, )+", "", f"{', '.join(map(str, each))}, ") for each in (shape, new)]
    return () if plain[0] == plain[1] else (str(new),)


def _index_text(index: Sequence[Any], ndim: int) -> str:
    """An index as NumPy writes it; the place of an entry in a vector, one number, as a low number.

    An Ellipsis that stands for no axis is left out.
    """
    used = sum(i is not None and i is not Ellipsis for i in index)
    parts = [_part_text(i) for i in index if i is not Ellipsis or used < ndim]
    while len(parts) > 1 and parts[-1] == ":" and "…" not in parts:
        parts.pop()
    text = ", ".join(parts)
    if ndim == 1 and text.isdecimal():
        return subscript(text)
    return text if len(text) <= 24 else "…"


def _part_text(i: Any) -> str:
    if isinstance(i, slice):
        ends = ("" if end is None else str(end) for end in (i.start, i.stop))
        return ":".join(ends) + ("" if i.step is None else f":{i.step}")
    return "…" if i is Ellipsis else str(i)


def formula(op: str, operands: Sequence[Written], params: Sequence[str] = ()) -> Written:
    """One operation on written operands, as a call unless mathematics has a sign for it. `params` are its
    `stated` parameters.

    >>> x, y = ("x", ATOM), ("a + b", SUM)
    >>> formula("multiply", [x, y])[0], formula("power", [x, ("2", ATOM)])[0], formula("tanh", [y])[0]
    ('x·(a + b)', 'x²', 'tanh(a + b)')
    """
    if op == "sum" and len(operands) == 1 and all(text.startswith("axis=") for text in params):
        return _total(operands[0], re.sub(r"\D", "", params[0]) if params else "")
    if op in _INDEXED and len(operands) == 1:
        return _INDEXED[op](operands[0], params[0] if params else "")
    if op == "gather" and params and params[0].split(", ").count("·") == len(operands) - 1:
        return _gathered(operands[0], operands[1:], params[0])
    options = [(text, ATOM) for text in params]
    operands = [*options, *operands] if op == "einsum" else [*operands, *options]
    count, write = _WRITERS.get(op, (0, None))
    if write is not None and operands and count == len(operands):
        return write(operands)
    return _call(op, operands)


def _call(op: str, operands: Sequence[Written]) -> Written:
    return f"{op.rpartition('.')[2]}({', '.join(text for text, _ in operands)})", ATOM


def _total(operand: Written, axes: str) -> Written:
    """Σ x, or Σ₀ x over axis 0."""
    return f"Σ{subscript(axes)} {_in(operand, PRODUCT)}", TOTAL


def _linear(operands: Sequence[Written]) -> Written:
    return _infix("add", [_infix("matmul", operands[:2]), operands[2]])


def _square(x: Written) -> Written:
    return f"{_in(x, ATOM)}²", POWER


def _comparison(op: str, operands: Sequence[Written]) -> Written:
    left, right = operands
    return f"{_in(left, SUM)} {COMPARED[op]} {_in(right, SUM)}", TRUTH


def _transposed(operands: Sequence[Written]) -> Written:
    text = _in(operands[0], ATOM)
    return (text[:-1] if text.endswith("ᵀ") else f"{text}ᵀ"), ATOM


def _negative(operands: Sequence[Written]) -> Written:
    text, strength = operands[0]
    if strength == SIGN or (strength == ATOM and text[:1] == "-" and _numeric(text)):
        return text[1:], PRODUCT if strength == SIGN else ATOM
    return f"−{_in(operands[0], PRODUCT)}", SIGN


def _entry(operand: Written, index: str) -> Written:
    """x[1, 2]; of a vector with a name of one letter xᵢ, whose index is given as a low number."""
    text, _ = operand
    if index[:1] in _LOW and index:
        if re.fullmatch(r"[^\W\d_]\u0307?", text):
            return f"{text}{index}", ATOM
        index = index.translate(FROM_LOW)
    return f"{_in(operand, ATOM)}[{index or '…'}]", ATOM


def _placed(operand: Written, index: str) -> Written:
    """Zeros but for the operand at an index: eᵢ·x with the i-th unit vector where x is one number."""
    if index[:1] in _LOW and index:
        return _product("scale", (f"e{index}", ATOM), operand)
    return f"place({operand[0]}, [{index or '…'}])", ATOM


def _gathered(operand: Written, places: Sequence[Written], index: str) -> Written:
    """x[i, j] with arrays of places, which stand where the index has a dot."""
    given = iter(places)
    parts = (next(given)[0] if part == "·" else part for part in index.split(", "))
    return f"{_in(operand, ATOM)}[{', '.join(parts)}]", ATOM


def _inner(operands: Sequence[Written]) -> Written:
    left, right = operands
    if "[" in left[0] + right[0]:  # in xᵀA[2] the index would seem to be that of the product
        return _infix("matmul", operands)
    return f"{_in(left, ATOM)}ᵀ{_in(right, ATOM)}", PRODUCT


def _power(operands: Sequence[Written]) -> Written:
    base, exponent = operands
    if re.fullmatch(r"-?\d{1,3}", exponent[0]):
        raised = exponent[0].translate(_SUPERSCRIPTS)
    else:
        clear = exponent[0] if exponent[0][-1:] not in "ᵀ]" else f"({exponent[0]})"
        raised = _RAISED.get(exponent[0], f"^{_in((clear, exponent[1]), ATOM)}")
    return f"{_in(base, ATOM)}{raised}", POWER


def _exp(operands: Sequence[Written]) -> Written:
    text, strength = operands[0]
    if strength == ATOM and re.fullmatch(r"log_softmax\([^()]*\)", text):
        return text.removeprefix("log_"), ATOM
    return _call("exp", operands)


def _in(operand: Written, strength: int) -> str:
    """An operand, in brackets unless it binds at least as tightly as `strength`."""
    return operand[0] if operand[1] >= strength else _bracketed(operand)


def _bracketed(operand: Written) -> str:
    """An operand in brackets: those of a truth are Iverson's, [x > 0], which is 1 or 0."""
    return f"[{operand[0]}]" if operand[1] == TRUTH else f"({operand[0]})"


def _infix(op: str, operands: Sequence[Written]) -> Written:
    sign, strength = _INFIX[op]
    (left, left_strength), right = operands
    if (part := _part_of_a_sum(op, *operands)) is not None:
        return part
    if strength == PRODUCT and op != "divide" and op != "remainder":
        return _product(op, *operands)
    if (same := _without_neutral(op, *operands)) is not None:
        return same
    if op == "matmul":  # brackets show whether a product of numbers or one of matrices comes first
        clear = [text if own == MATRIX or own >= SIGN else _bracketed((text, own)) for text, own in operands]
        return " @ ".join(clear), MATRIX
    if strength == SUM and right[0][:1] in ("−", "-") and right[1] >= PRODUCT:  # a + (−b), a − (−b)
        return f"{left} {'−' if op == 'add' else '+'} {right[0][1:]}", SUM
    first = left if left_strength == SIGN else _in(operands[0], strength)
    needed = strength if op in _ASSOCIATIVE else strength + 1
    second = _in(right, needed)
    if right[1] == SIGN or (second and second[0] in "−-"):
        second = f"({right[0]})"
    between = sign if sign == "/" else f" {sign} "
    return f"{first}{between}{second}", SUM if op == "remainder" else strength


def _without_neutral(op: str, left: Written, right: Written) -> Written | None:
    """x + 0, x − 0 and x/1 are x, and 0 − x is −x."""
    if (op in ("add", "subtract") and right[0] == "0") or (op == "divide" and right[0] == "1"):
        return left
    if op == "add" and left[0] == "0":
        return right
    return _negative([right]) if op == "subtract" and left[0] == "0" else None


def _product(op: str, left: Written, right: Written) -> Written:
    """The sign stands first, then one number, then what is not a number: −2·x·y."""
    (minus, one, x), (other_minus, two, y) = _factors(left), _factors(right)
    number = _product_of_numbers(one, two)
    if number == "1":
        number = ""
    rest = x if y[0] == "" else y if x[0] == "" else _product_of_terms(op, x, y)
    if number and rest[0]:
        rest = f"{number}·{_in(rest, PRODUCT)}", PRODUCT
    elif number or not rest[0]:
        rest = number or "1", PRODUCT if "·" in number else ATOM
    rest = (_bracketed(rest), ATOM) if rest[1] == TRUTH else rest
    return _negative([rest]) if minus != other_minus else rest


def _factors(operand: Written) -> tuple[bool, str, Written]:
    """Whether there is a minus before a product, its number or "", and the rest, which may be empty."""
    text, strength = operand
    minus = strength == SIGN or (strength == ATOM and text[:1] == "-" and _numeric(text))
    if minus:
        text, strength = text[1:], PRODUCT if strength == SIGN else ATOM
    number, _, rest = text.partition("·") if strength in (PRODUCT, ATOM) else ("", "", "")
    if strength in (PRODUCT, ATOM) and _numeric(number):
        one_name = re.fullmatch(r"∂?\w+\u0307?\w*", rest)
        return minus, "" if number == "1" else number, (rest, ATOM if one_name else PRODUCT)
    return minus, "", (text, strength)


def _product_of_numbers(one: str, two: str) -> str:
    return exact_text(float(one) * float(two)) if one and two else one or two


def _product_of_terms(op: str, left: Written, right: Written) -> Written:
    (x, _), (y, strength) = left, right
    if op == "multiply" and strength == ATOM and "…" not in y:  # that stands for something else at each place
        if x == y:
            return _power([right, ("2", ATOM)])
        if x.endswith(f"·{y}"):
            return f"{x}²", PRODUCT
    if strength == PRODUCT and y.startswith("1/"):
        return f"{_in(left, PRODUCT)}{y[1:]}", PRODUCT
    return f"{_in(left, PRODUCT)}·{_in(right, PRODUCT)}", PRODUCT


def _part_of_a_sum(op: str, left: Written, right: Written) -> Written | None:
    """Σ x/3 or 3·Σ x, which needs no brackets, because a sum of parts is a part of the sum."""
    if op == "divide" and left[1] == TOTAL and _numeric(right[0]):
        return f"{left[0]}/{right[0]}", TOTAL
    if op in ("multiply", "scale") and right[1] == TOTAL and _numeric(left[0]):
        return f"{left[0]}·{right[0]}", TOTAL
    return None


def _numeric(text: str) -> bool:
    return bool(re.fullmatch(r"[-−]?[\d.]+(e[-+]?\d+)?", text))


_INDEXED = {"getitem": _entry, "place": _placed}

Writer = Callable[[Sequence[Written]], Written]

_WRITERS: dict[str, tuple[int, Writer]] = {  # op: the number of operands, and its writer
    **{op: (2, partial(_infix, op)) for op in _INFIX},
    **{op: (2, partial(_comparison, op)) for op in COMPARED},
    **dict.fromkeys(("inner", "dot", "vdot"), (2, _inner)),
    **{op: (1, lambda xs: xs[0]) for op in PASSED},
    **dict.fromkeys(("transpose", "swapaxes"), (1, _transposed)),
    "linear": (3, _linear),
    "power": (2, _power),
    "exp": (1, _exp),
    "negative": (1, _negative),
    "square": (1, lambda xs: _square(xs[0])),
    "sqrt": (1, lambda xs: (f"√{_in(xs[0], ATOM)}", POWER)),
    "absolute": (1, lambda xs: (f"|{xs[0][0]}|", ATOM)),
    "cosine": (2, lambda xs: _infix("divide", [xs[0], (f"hypot({xs[0][0]}, {xs[1][0]})", ATOM)])),
    "over_squares": (
        2,
        lambda xs: _infix("divide", [xs[0], _infix("add", [_square(xs[0]), _square(xs[1])])]),
    ),
    "one_minus_square": (1, lambda xs: _infix("subtract", [("1", ATOM), _square(xs[0])])),
    "secant": (1, lambda xs: (f"√(1 + {_square(xs[0])[0]})", POWER)),
    "gap": (2, partial(_infix, "subtract")),
    "sigmoid_slope": (2, lambda xs: _infix("multiply", [xs[0], _call("sigmoid", [_negative(xs[1:])])])),
}
