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

__all__ = ["PASSED", "array_text", "formula", "number_text", "stated", "tangent_of"]

SUM, TOTAL, MATRIX, PRODUCT, SIGN, POWER, ATOM = range(1, 8)
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
_RAISED = {"t": "ᵗ", "n": "ⁿ"}
_COMPARED = {
    "greater": ">",
    "less": "<",
    "greater_equal": "≥",
    "less_equal": "≤",
    "equal": "=",
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
    """
    ndim = len(shape)
    if op == "power" and "p" in params:
        return (number_text(params["p"]),)
    if op == "transpose" and "axes" in params:
        axes = tuple(params["axes"])
        return () if axes == tuple(reversed(range(ndim))) else (str(axes),)
    if "call" in params:  # of a function that moves elements
        return params["call"].options  # type: ignore[no-any-return]
    if op in ("reshape", "astype"):
        return _stated_form(shape, params)
    if op == "getitem" and "index" in params:
        text = ", ".join(map(_index_text, params["index"]))
        return (text if len(text) <= 12 else "…",)
    found: list[str] = []
    axis = params.get("axis")
    if axis is not None:
        axes = tuple(sorted(a % ndim for a in (axis if isinstance(axis, tuple) else (axis,)))) if ndim else ()
        usual = {"log_softmax": (ndim - 1,), "concatenate": (0,)}.get(op, tuple(range(ndim)))
        found += [] if axes == usual else [f"axis={axes[0] if len(axes) == 1 else axes}"]
    return (*found, *(f"{name}={params[name]}" for name in ("ddof", "order") if params.get(name)))


def _stated_form(shape: tuple[int, ...], params: Mapping[str, Any]) -> tuple[str, ...]:
    """The new shape, unless the two mean the same beside other arrays; the new dtype, if it is a rounding."""
    if "dtype" in params:
        return (str(params["dtype"]),) if np.dtype(params["dtype"]).kind in "biu" else ()
    new = tuple(params["shape"]) if "shape" in params else shape
    plain = [re.sub(r"^(1, )+", "", f"{', '.join(map(str, each))}, ") for each in (shape, new)]
    return () if plain[0] == plain[1] else (str(new),)


def _index_text(i: Any) -> str:
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
    if op == "getitem" and len(operands) == 1:
        return f"{_in(operands[0], ATOM)}[{params[0] if params else '…'}]", ATOM
    operands = [*operands, *((text, ATOM) for text in params)]
    count, write = _WRITERS.get(op, (0, None))
    if write is not None and operands and count == len(operands):
        return write(operands)
    return _call(op, operands)


def _call(op: str, operands: Sequence[Written]) -> Written:
    return f"{op}({', '.join(text for text, _ in operands)})", ATOM


def _total(operand: Written, axes: str) -> Written:
    """Σ x, or Σ₀ x over axis 0."""
    return f"Σ{subscript(axes)} {_in(operand, PRODUCT)}", TOTAL


def _linear(operands: Sequence[Written]) -> Written:
    return _infix("add", [_infix("matmul", operands[:2]), operands[2]])


def _comparison(op: str, operands: Sequence[Written]) -> Written:
    left, right = operands
    return f"{_in(left, SUM)} {_COMPARED[op]} {_in(right, SUM)}", 0


def _inner(operands: Sequence[Written]) -> Written:
    left, right = operands
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
    text, own = operand
    return text if own >= strength else f"({text})"


def _infix(op: str, operands: Sequence[Written]) -> Written:
    sign, strength = _INFIX[op]
    if op in ("multiply", "scale", "select") and "1" in (operands[0][0], operands[1][0]):
        return operands[1] if operands[0][0] == "1" else operands[0]
    (left, left_strength), right = operands
    if (part := _part_of_a_sum(op, *operands)) is not None:
        return part
    if op == "matmul":  # brackets show whether a product of numbers or one of matrices comes first
        clear = [text if own == MATRIX or own >= SIGN else f"({text})" for text, own in operands]
        return " @ ".join(clear), MATRIX
    if op == "add" and right[0].startswith("−") and right[1] >= PRODUCT:
        return f"{left} − {right[0][1:]}", SUM
    number, _, rest = right[0].partition("·")
    if (
        op in ("multiply", "scale", "select")
        and right[1] == PRODUCT
        and _numeric(number)
        and not _numeric(left.partition("·")[0])
    ):
        return f"{number}·{left if left_strength >= PRODUCT else f'({left})'}·{rest}", PRODUCT
    if (
        op in ("multiply", "scale", "select")
        and right[1] == ATOM
        and _numeric(right[0])
        and not _numeric(left)
    ):
        return _infix(op, [right, operands[0]])  # numbers stand first
    if (
        op == "multiply"
        and right[1] == ATOM
        and "…" not in right[0]  # that stands for something else at each place
        and (left == right[0] or left.endswith(f"·{right[0]}"))
        and left_strength >= PRODUCT
    ):
        return f"{left}²", POWER if left == right[0] else PRODUCT
    first = left if left_strength >= strength else f"({left})"
    if left_strength == SIGN and op != "add" and op != "subtract":
        first = left
    needed = strength if op in _ASSOCIATIVE else strength + 1
    second = _in(right, needed)
    if right[1] == SIGN or (second and second[0] in "−-"):
        second = f"({right[0]})"
    between = sign if strength == PRODUCT and sign in "·/" else f" {sign} "
    return f"{first}{between}{second}", SUM if op == "remainder" else strength


def _part_of_a_sum(op: str, left: Written, right: Written) -> Written | None:
    """Σ x/3 or 3·Σ x, which needs no brackets, because a sum of parts is a part of the sum."""
    if op == "divide" and left[1] == TOTAL and _numeric(right[0]):
        return f"{left[0]}/{right[0]}", TOTAL
    if op in ("multiply", "scale") and right[1] == TOTAL and _numeric(left[0]):
        return f"{left[0]}·{right[0]}", TOTAL
    return None


def _numeric(text: str) -> bool:
    return bool(re.fullmatch(r"[-−]?[\d.]+(e[-+]?\d+)?", text))


Writer = Callable[[Sequence[Written]], Written]

_WRITERS: dict[str, tuple[int, Writer]] = {  # op: the number of operands, and its writer
    **{op: (2, partial(_infix, op)) for op in _INFIX},
    **{op: (2, partial(_comparison, op)) for op in _COMPARED},
    **dict.fromkeys(("inner", "dot", "vdot"), (2, _inner)),
    **{op: (1, lambda xs: xs[0]) for op in PASSED},
    **{op: (1, lambda xs: (f"{_in(xs[0], ATOM)}ᵀ", ATOM)) for op in ("transpose", "swapaxes")},
    "linear": (3, _linear),
    "power": (2, _power),
    "exp": (1, _exp),
    "negative": (1, lambda xs: (f"−{_in(xs[0], PRODUCT)}", SIGN)),
    "square": (1, lambda xs: (f"{_in(xs[0], ATOM)}²", POWER)),
    "sqrt": (1, lambda xs: (f"√{_in(xs[0], ATOM)}", POWER)),
    "absolute": (1, lambda xs: (f"|{xs[0][0]}|", ATOM)),
}
