"""How ops are written in a program: all that replay knows of an op beyond its calculus, in one table.

An op needs no row. A ufunc is written as `np.f(a, b, y)` and may put its result where an operand lies; any
other op is called, and its result is assumed to show its operands' memory. A row says what can be done
better.

An inlined op is replayed by tracing its NumPy text, after the sweeps have used its own rules. So the softmax
of a loss and that of its gradient turn out to be the same lines, and are computed once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from minigrad.ops import elementwise as e
from minigrad.ops import fused
from minigrad.ops.index import SLOT, diff_op, gather, getitem_op
from minigrad.ops.linalg import inner_op, linear, matmul_op, matvec_op
from minigrad.ops.random import uniform_op
from minigrad.ops.reduce import along_rows, max_op, mean_op, min_op, ones, prod_op, total, var_op
from minigrad.ops.shape import (
    astype_constant_op,
    astype_op,
    broadcast_to_op,
    reshape_op,
    stack_op,
    transpose_op,
    where_op,
)
from minigrad.products import BITS, scale, select
from minigrad.tensor import Op

__all__ = ["Printing", "printed", "printing"]

Template = Callable[..., Any]


class Printing(NamedTuple):
    """How a program may write an op.

    template: `template(y, *args, **params)` gives NumPy text with `{y}` for the result's buffer and `{0}`,
        `{1}`, … for the operands; or (text, further objects by the names in it); or None where the op is
        better called.
    may_alias: the result may be written over an operand of its shape.
    never_singular: a sweep through it cannot divide by 0, so NumPy's warnings need not be silenced.
    inlined: its forward, which is NumPy text, is recorded op by op in its place.
    deterministic: two evaluations of the same operands are equal; random numbers are not.
    meaning: the same function in NumPy text that can be recorded, where `forward` looks at values; the loops
        of `minigrad.loops` are made of it.
    """

    template: Template | None = None
    may_alias: bool = False
    never_singular: bool = False
    inlined: bool = False
    deterministic: bool = True
    meaning: Callable[..., Any] | None = None


_CALLED = Printing()
_UFUNC = Printing(may_alias=True)
_TABLE: dict[Op, Printing] = {}


def printing(op: Op) -> Printing:
    """The row of `op`."""
    return _TABLE.get(op) or _default(op)


def _default(op: Op) -> Printing:
    return _UFUNC if isinstance(op.forward, np.ufunc) and op.forward.signature is None else _CALLED


def printed(op: Op, template: Template | None = None, **facts: Any) -> None:
    """Set the row of `op`, or some fields of it; see `Printing`.

    >>> double = Op("double", lambda x: x + x)
    >>> printed(double, lambda y, x: "np.add({0}, {0}, {y})", may_alias=True)
    """
    known = printing(op)
    _TABLE[op] = known._replace(template=template or known.template, **facts)


printed(scale, lambda y, g, d: ("{scale}({0}, {1}, {y})", {"scale": scale.forward}))
printed(e.power_const_op, lambda y, x, p: ("np.power({0}, {p}, {y})", {"p": p}))
_DOT, _MATMUL = "{0}.dot({1}, {y})", "np.matmul({0}, {1}, {y})"  # `np.dot` takes 0.4 µs more than `x.dot`
printed(matmul_op, lambda y, a, b: _DOT if a.ndim == b.ndim == 2 else _MATMUL)
printed(inner_op, lambda y, a, b: _DOT)
printed(matvec_op, lambda y, a, x: _DOT)
printed(
    linear,
    lambda y, x, w, b: f"{_DOT}; np.add({{y}}, {{2}}, {{y}})" if x.dtype == w.dtype == b.dtype else None,
)
for _op, _reduce in (max_op, "maximum"), (min_op, "minimum"), (prod_op, "multiply"):
    printed(
        _op,
        lambda y, x, axis, keepdims, _reduce=_reduce: (
            f"np.{_reduce}.reduce({{0}}, axis={axis}, keepdims={keepdims}, out={{y}})"
        ),
    )
printed(astype_op, lambda y, x, dtype: "np.copyto({y}, {0}, casting='unsafe')")
printed(fused.centred_op, lambda y, x: ("{centred}({0}, {y})", {"centred": fused.centred_op.forward}))
printed(
    fused.minus_one_hot_op,
    lambda y, e, sums, places: "np.divide({0}, {1}[:, None], {y}); {y}.reshape(-1)[{2}] -= 1",
    may_alias=True,
    never_singular=True,
)


def _where(y: Any, c: Any, a: Any, b: Any) -> str | None:
    large = y.nbytes > 1 << 16 and np.asarray(c).dtype == bool
    return "np.copyto({y}, {2}); np.copyto({y}, {1}, where={0})" if large else None


def _select(y: Any, a: Any, b: Any) -> tuple[str, dict[str, Any]]:
    if b.dtype != bool or y.dtype not in BITS or a.dtype != y.dtype:
        return "{select}({0}, {1}, {y})", {"select": select.forward}
    a_bits, y_bits = "{0}.view({bits})", "{y}.view({bits})"
    return f"np.copyto({y_bits}, {{1}}); np.multiply({a_bits}, {y_bits}, {y_bits})", {"bits": BITS[y.dtype]}


def _gather(y: Any, x: Any, *arrays: Any, index: tuple[Any, ...]) -> str | None:
    operands = ", ".join(f"{{{i + 1}}}" for i in range(len(index)))
    return f"{{0}}[{operands}]" if all(i is SLOT for i in index) else None


def _sum(y: Any, x: Any, axis: tuple[int, ...], keepdims: bool = False) -> Any:
    if axis == (-2,) and not keepdims and x.dtype.kind == "f" and x.shape[-2]:
        return ("{n}.dot({0}, {y})" if x.ndim == 2 else "np.matmul({n}, {0}, {y})"), {
            "n": ones(x.shape[-2], x.dtype)
        }
    right = along_rows(x, axis, keepdims)
    if right is not None:
        return ("{0}.dot({n}, {y})" if x.ndim == 2 else "np.matmul({0}, {n}, {y})"), {"n": right}
    return f"np.add.reduce({{0}}, axis={axis}, keepdims={keepdims}, out={{y}})"


printed(where_op, _where)
printed(select, _select, never_singular=True)
printed(gather, _gather)
printed(total, _sum)
printed(uniform_op, deterministic=False)
for _op in (
    e.sigmoid, e.sigmoid_slope, e.softplus, e.relu, e.ratio, e.gap, e.clip_op, fused.mse_op,
    fused.cross_entropy_op, fused.softmax_residual_op, mean_op, var_op, diff_op, stack_op,
):  # fmt: skip
    printed(_op, inlined=True)
for _op in (
    e.add, e.subtract, e.multiply, e.negative, e.square, e.tanh, *e.EXTREMA, e.greater, total,
    matmul_op, inner_op, matvec_op, linear, where_op, astype_op, astype_constant_op,
    transpose_op, reshape_op, broadcast_to_op, getitem_op,
):  # fmt: skip
    printed(_op, never_singular=True)
