"""np.einsum: sums of products by names of axes.

The user's call (subscripts or lists of axis numbers, an ellipsis, no output) is brought to one explicit
form: a letter for every axis, and no axis of length 1 that is stretched to another length. Then operands
are multiplied in pairs, in an order that is planned once for each subscripts and shapes. So the op has one
operand or two, and the sweeps share the intermediate products.

Its derivative is again einsum. For y = Σ a·b the cotangent of a is Σ g·b over the letters that a lacks; a
letter that only a has is broadcast, and a letter that a has twice is put on the diagonal.

Names: `terms` are the letters of the operands, `out` those of the result; `g` cotangent, `t` tangent.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import prod
from string import ascii_letters
from typing import Any

import numpy as np

from minigrad.families import register
from minigrad.leaving import numeric
from minigrad.tensor import ForEach, Op, Tensor, data_of, run, traced_if_capturing

# The op: `subscripts` name every axis, as "ij,jk->ik"


@lru_cache(maxsize=1024)
def _split(subscripts: str) -> tuple[tuple[str, ...], str]:
    left, out = subscripts.split("->")
    return tuple(left.split(",")), out


def _joined(terms: Sequence[str], out: str) -> str:
    return f"{','.join(terms)}->{out}"


def _computed(*args: Any, subscripts: str) -> Any:
    if len(args) == 2 and args[0].dtype == args[1].dtype and args[0].dtype.char in "fdFD":
        plan = _product(subscripts)
        if plan is not None:
            return _multiplied(*args, plan)
    return np.einsum(subscripts, *args)


Plan = tuple[tuple[int, ...], tuple[int, ...], int, int, tuple[int, ...]]


@lru_cache(maxsize=1024)
def _product(subscripts: str) -> Plan | None:
    """How to write a product of two operands as a product of matrices: the orders of their axes, how many are
    shared and how many are summed, and the order of the result's. None where np.einsum is as quick.

    >>> _product("ij,kj->ik")
    ((0, 1), (1, 0), 0, 1, (0, 1))
    """
    (a, b), out = _split(subscripts)
    summed = [x for x in a if x in b and x not in out]
    shared = [x for x in a if x in b and x in out]
    rows, columns = [x for x in a if x not in b], [x for x in b if x not in a]
    alone = set(rows + columns) - set(out)
    if alone or not summed or not (rows or columns) or len(set(a)) < len(a) or len(set(b)) < len(b):
        return None
    made = [*shared, *rows, *columns]
    return (
        tuple(a.index(x) for x in (*shared, *rows, *summed)),
        tuple(b.index(x) for x in (*shared, *summed, *columns)),
        len(shared),
        len(summed),
        tuple(made.index(x) for x in out),
    )


def _multiplied(a: Any, b: Any, plan: Plan) -> Any:
    order_a, order_b, shared, summed, order = plan
    a, b = a.transpose(order_a), b.transpose(order_b)
    if a.ndim == b.ndim == shared + 2:  # one axis of rows, one summed, one of columns
        y = np.matmul(a, b)
    else:
        lead, rows, columns = a.shape[:shared], a.shape[shared : a.ndim - summed], b.shape[shared + summed :]
        depth = prod(b.shape[shared : shared + summed])
        y = np.matmul(a.reshape(*lead, prod(rows), depth), b.reshape(*lead, depth, prod(columns)))
        y = y.reshape(*lead, *rows, *columns)
    return y.transpose(order)


def _led(terms: list[str], out: str, i: int, extra: int) -> tuple[list[str], str]:
    """The letters with `extra` fresh ones before those of operand i and of the result, for the leading axes
    of a batched sweep."""
    if not extra:
        return terms, out
    used = set("".join(terms) + out)
    fresh = "".join(x for x in ascii_letters if x not in used)[:extra]
    return [fresh + term if j == i else term for j, term in enumerate(terms)], fresh + out


def _pushed(i: int, t: Any, y: Any, *args: Any, subscripts: str) -> Any:
    terms, out = _split(subscripts)
    led, out = _led(list(terms), out, i, t.ndim - len(terms[i]))
    return einsum_op(*(t if j == i else a for j, a in enumerate(args)), subscripts=_joined(led, out))


def _pulled(i: int, g: Any, y: Any, *args: Any, subscripts: str) -> Any:
    product, given = _adjoint(i, subscripts, g.ndim - y.ndim)
    if product:
        g = run(einsum_op, (g, *args[:i], *args[i + 1 :]), {"subscripts": product})
    term = _split(subscripts)[0][i]
    return g if given == term else _widened(g, term, given, args[i].shape)


@lru_cache(maxsize=1024)
def _adjoint(i: int, subscripts: str, extra: int) -> tuple[str, str]:
    """The product of a cotangent, which has `extra` leading axes, and the other operands, "" if it is the
    cotangent itself; and which letters of operand i it has, each once."""
    terms, out = _split(subscripts)
    known = [out, *(term for j, term in enumerate(terms) if j != i)]
    given = "".join(c for c in dict.fromkeys(terms[i]) if any(c in term for term in known))
    led, made = _led(known, given, 0, extra)
    return _joined(led, made) if len(terms) > 1 or led[0] != made else "", given


def _widened(g: Any, term: str, given: str, lengths: tuple[int, ...]) -> Any:
    """g broadcast over the letters of a term that it lacks, and put on the diagonal of those met twice."""
    lead = g.shape[: g.ndim - len(given)]
    shape = [
        n if c in given and term.index(c) == p else 1
        for p, (c, n) in enumerate(zip(term, lengths, strict=True))
    ]
    if g.shape != (*lead, *shape):
        g = np.reshape(g, (*lead, *shape))
    if len(set(term)) < len(term):
        return np.where(_diagonal(term, lengths), g, 0)
    return g if g.shape == lead + lengths else np.broadcast_to(g, lead + lengths)


@lru_cache(maxsize=64)
def _diagonal(term: str, shape: tuple[int, ...]) -> Any:
    """Where the axes of the same letter have the same index."""
    places = np.indices(shape, sparse=True)
    mask = np.ones(shape, bool)
    for i, c in enumerate(term):
        mask &= places[i] == places[term.index(c)]
    mask.flags.writeable = False
    return mask


einsum_op: Op = Op("einsum", _computed, pulls=ForEach(_pulled), pushes=ForEach(_pushed), batched=True)

# The user's call


def einsum(
    *operands: Any, dtype: Any = None, order: str = "K", casting: str = "safe", optimize: Any = False
) -> Any:
    """Σ of products of the operands by the names of their axes. The order of the products is ours, so
    `optimize` says nothing."""
    if dtype is not None or order != "K" or casting != "safe":
        raise TypeError(
            f"np.einsum(dtype={dtype!r}, order={order!r}, casting={casting!r}) is not supported on Tensors, "
            "where it takes only optimize=. Convert the operands with .astype."
        )
    arrays, subscripts = _explicit(operands)
    shapes = tuple(a.shape for a in arrays)
    try:
        squeezed, steps = _planned(subscripts, shapes)
    except ValueError as error:
        written = ", ".join(map(str, shapes))
        raise ValueError(f"np.einsum({subscripts!r}) of shapes {written}: {error}") from None
    arrays = [a if s is None else np.reshape(a, s) for a, s in zip(arrays, squeezed, strict=True)]
    for places, step in steps:
        y = run(einsum_op, tuple([arrays[p] for p in places]), {"subscripts": step})
        arrays = [a for p, a in enumerate(arrays) if p not in places] + [y]
    return arrays[0]


def _explicit(operands: Sequence[Any]) -> tuple[list[Any], str]:
    """The arrays and the subscripts as text, from either form of the call."""
    if not operands:
        raise ValueError("np.einsum needs subscripts and operands, as np.einsum('ij,jk->ik', a, b).")
    if isinstance(operands[0], str):
        subscripts, given = operands[0].replace(" ", ""), list(operands[1:])
    else:
        given, lists = list(operands[0::2]), list(operands[1::2])
        out = given.pop() if len(given) > len(lists) else None
        subscripts = ",".join(map(_letters, lists)) + ("" if out is None else f"->{_letters(out)}")
    return [
        traced_if_capturing(x if isinstance(x, Tensor) else numeric(x, "np.einsum")) for x in given
    ], subscripts


def _letters(axes: Any) -> str:
    """A list of axis numbers as text.

    >>> _letters([0, Ellipsis, 2])
    'a...c'
    """
    for axis in axes:
        if axis is not Ellipsis and not 0 <= axis.__index__() < len(ascii_letters):
            raise ValueError(f"np.einsum: axes have numbers from 0 to {len(ascii_letters) - 1}, got {axis}.")
    return "".join("..." if axis is Ellipsis else ascii_letters[axis] for axis in axes)


Steps = tuple[tuple[tuple[int, ...], str], ...]


@lru_cache(maxsize=1024)
def _planned(
    subscripts: str, shapes: tuple[tuple[int, ...], ...]
) -> tuple[list[tuple[int, ...] | None], Steps]:
    """What to do with operands of these shapes: the shapes to squeeze them to, where an axis of length 1 is
    stretched to others of its name, and the products: which operands, with which subscripts."""
    # NumPy's own errors for subscripts and shapes; such an array takes no memory
    path = np.einsum_path(subscripts, *(np.broadcast_to(0.0, s) for s in shapes), optimize="greedy")[0][1:]
    terms, out = _spelled(subscripts, [len(s) for s in shapes])
    longest: dict[str, int] = {}
    for term, shape in zip(terms, shapes, strict=True):
        for c, n in zip(term, shape, strict=True):
            longest[c] = n if longest.get(c, 1) == 1 else longest[c]
    squeezed: list[tuple[int, ...] | None] = []
    kept = []
    for term, shape in zip(terms, shapes, strict=True):
        stays = [i for i, c in enumerate(term) if shape[i] == longest[c]]
        squeezed.append(None if len(stays) == len(term) else tuple(shape[i] for i in stays))
        kept.append("".join(term[i] for i in stays))
    steps, names = [], list(kept)
    order: Any = path if len(kept) > 1 else [(0,)]
    for places in order:
        for pair in _in_pairs(places, len(names)):
            chosen = tuple(names[p] for p in pair)
            names = [name for p, name in enumerate(names) if p not in pair]
            needed = set(out).union(*names)
            made = out if not names else "".join(c for c in dict.fromkeys("".join(chosen)) if c in needed)
            steps.append((pair, _joined(chosen, made)))
            names.append(made)
    return squeezed, tuple(steps)


def _in_pairs(places: Sequence[int], count: int) -> list[tuple[int, ...]]:
    """A product of several operands as products of two: the first two, then each result, which is put last,
    with the next.

    >>> _in_pairs((0, 1, 2), 3)
    [(0, 1), (1, 0)]
    """
    if len(places) < 3:
        return [tuple(places)]
    left = list(range(count))
    pairs: list[tuple[int, ...]] = []
    last = places[0]
    for step, p in enumerate(places[1:]):
        pairs.append((left.index(last), left.index(p)))
        left = [x for x in left if x not in (last, p)] + [-1 - step]
        last = -1 - step
    return pairs


def _spelled(subscripts: str, ranks: Sequence[int]) -> tuple[list[str], str]:
    """The letters of operands and result, with the ellipsis spelled out and the result made explicit."""
    left, arrow, out = subscripts.partition("->")
    terms = left.split(",")
    spare = [c for c in ascii_letters if c not in subscripts]
    widths = [rank - len(term.replace("...", "")) for term, rank in zip(terms, ranks, strict=True)]
    width = max(widths)  # 0 without an ellipsis
    dots = "".join(spare[:width])
    terms = [term.replace("...", dots[width - n :]) for term, n in zip(terms, widths, strict=True)]
    if not arrow:
        text = left.replace(",", "").replace(".", "")
        out = "..." + "".join(sorted(c for c in set(text) if text.count(c) == 1))
    return terms, out.replace("...", dots)


register(np.einsum, einsum, keywords=("dtype", "order", "casting", "optimize"))
register(
    np.einsum_path,
    lambda *operands, optimize="greedy": np.einsum_path(*map(_shape_only, operands), optimize=optimize),
    keywords=("optimize",),
)


def _shape_only(x: Any) -> Any:
    """An array of the shape of a Tensor: its values decide nothing."""
    return np.broadcast_to(np.zeros((), x.dtype), x.shape) if isinstance(x, Tensor) else data_of(x)
