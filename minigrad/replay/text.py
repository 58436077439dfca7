"""How single things read in the text of a program: a call, a view, a dtype, a number, a name."""

from __future__ import annotations

import keyword
import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from minigrad.ops.index import getitem_op
from minigrad.ops.shape import broadcast_to_op, reshape_op, transpose_op
from minigrad.replay.lines import Line, axes_of

__all__ = [
    "OPERATORS",
    "VIEWS",
    "described",
    "dtype_text",
    "is_plain",
    "is_reserved",
    "ufunc_call",
    "view_text",
]

VIEWS = (reshape_op, transpose_op, broadcast_to_op, getitem_op)


def ufunc_call(
    ufunc: np.ufunc, name: str, operands: Sequence[str], target: str, keywords: Sequence[str] = ()
) -> str:
    """The text of a call that writes into `target`; without the word `out` where possible.

    Leaving it out saves 3 % of a small net's gradient.

    >>> ufunc_call(np.add, "np.add", ["a", "b"], "y"), ufunc_call(np.maximum, "np.maximum", ["a", "b"], "y")
    ('np.add(a, b, y)', 'np.maximum(a, b, out=y)')
    """
    # NumPy deprecates a third positional operand of maximum and minimum: it looks like one more to compare
    word = "out=" if ufunc in (np.maximum, np.minimum) else ""
    return f"{name}({', '.join([*operands, word + target, *keywords])})"


@lru_cache(maxsize=64)
def dtype_text(dtype: Any) -> str:
    """ "np.float32" and the like; "" for a dtype that has no such name."""
    name = dtype.name
    return f"np.{name}" if getattr(np, name, None) is dtype.type and np.dtype(name) == dtype else ""


OPERATORS: dict[Any, str] = {np.add: "+", np.subtract: "-", np.multiply: "*", np.divide: "/", np.power: "**"}


def is_plain(x: Any) -> bool:
    """Whether x is a Python number whose text gives the same number."""
    return x.__class__ in (int, bool) or (x.__class__ is float and math.isfinite(x))


def described(x: Any) -> str:
    if isinstance(x, np.ndarray):
        return f"{x.item()!r}, {x.dtype}" if not x.ndim else f"an array {x.shape}, {x.dtype}"
    return repr(x) if len(repr(x)) < 60 else f"a {type(x).__name__}"


def is_reserved(name: str) -> bool:
    """Whether the writer gives this name itself, or Python reserves it."""
    own = name[:1] in "tvsycmkuw" and name[1:].removesuffix("_new").isdigit()
    return own or keyword.iskeyword(name) or name in ("leaves", "kept", "aligned", "vector", "Recycler")


def view_text(line: Line, x: str) -> str:
    if line.op is transpose_op:
        axes = axes_of(line)
        return f"{x}.T" if axes == tuple(reversed(range(len(axes)))) else f"{x}.transpose({axes})"
    if line.op is reshape_op:
        return f"{x}.reshape({line.params['shape']})"
    if line.op is getitem_op:
        return f"{x}[{', '.join(map(_index_text, line.params['index'])) or '()'}]"
    return f"np.broadcast_to({x}, {line.params['shape']})"


def _index_text(i: Any) -> str:
    if isinstance(i, slice):
        parts = ["" if p is None else str(int(p)) for p in (i.start, i.stop, i.step)]
        return ":".join(parts if parts[2] else parts[:2])
    return "..." if i is Ellipsis else repr(i)
