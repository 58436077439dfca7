"""NumPy's functions that only move elements: roll, tril, pad, insert, repeat and their like.

One trick gives them all their derivatives. Apply such a function to the numbers 1, 2, 3, … of an input's
elements instead of the elements, with 0 for everything else, and the result says for each of its places
which element came there. A tangent is picked from those places, and a cotangent is added back into them:

    y = [x, 0][at]        t ↦ [t, 0][at]        g ↦ Σ over the places that show an element

Going through the numbers takes ten times as long as the function. So a tangent is given to the function
itself, with zeros for the other arrays. And where NumPy has the adjoint of the function, which sends a
cotangent back (`roll` by the negative shift, `tril` itself), the table names it. The numbers serve the rest,
and batched sweeps.

So a function takes one line, its parameters with a star after the arrays, and keeps NumPy's own signature,
options, shapes, dtypes and errors, because it is NumPy's function that computes the values. Its parameters
must not be of the kind that compares or computes values.

Names: `t` tangent, `g` cotangent, `at` the places, `xs` the arrays of a call.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property, lru_cache
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.array_utils import normalize_axis_index
from numpy.lib.stride_tricks import sliding_window_view

from minigrad.calls import as_written
from minigrad.families import LINEAR, linear_op, register
from minigrad.ops.index import known
from minigrad.ops.reduce import total
from minigrad.tensor import ForEach, Op, Tensor, apply, run, traced_if_capturing

# Picking and adding back


class Places:
    """For each element of a result, its place in a flattened input; the place behind the last one is a 0."""

    def __init__(self, numbers: Any, shape: tuple[int, ...]) -> None:
        self.shape, self.size = shape, prod(shape)
        self.at = np.asarray((numbers - 1) % (self.size + 1))  # the number 0 becomes the last place
        count = np.bincount(self.at.ravel(), minlength=self.size + 1)
        self.with_zeros = bool(count[-1])
        self.once = bool(count[:-1].max(initial=0) <= 1)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Places) and self.shape == other.shape and np.array_equal(self.at, other.at)

    def __hash__(self) -> int:
        return hash((self.shape, self.at.shape))

    def __repr__(self) -> str:
        return f"{self.at.shape} of {self.shape}"


def _picked(x: Any, places: Places) -> Any:
    lead = x.shape[: x.ndim - len(places.shape)]
    pool = x.reshape(*lead, places.size)
    if places.with_zeros:
        pool = np.concatenate([pool, np.zeros((*lead, 1), x.dtype)], axis=-1)
    return pool.take(places.at, axis=-1)


def _added_back(g: Any, places: Places) -> Any:
    lead, at = g.shape[: g.ndim - places.at.ndim], places.at.ravel()
    pool = np.zeros((*lead, places.size + places.with_zeros), g.dtype)
    flat = g.reshape(*lead, at.size)
    if places.once:
        pool[..., at] = flat
    else:
        rows = prod(lead)
        for row, part in zip(pool.reshape(rows, -1), flat.reshape(rows, at.size), strict=True):
            np.add.at(row, at, part)
    return pool[..., : places.size].reshape(lead + places.shape)


pick: Op = linear_op("pick", _picked, lambda g, x, places: add_back(g, places=places), batched=True)
add_back: Op = linear_op("add_back", _added_back, lambda g, x, places: pick(g, places=places), batched=True)

# Calls


class Slot(NamedTuple):
    """Stands for the i-th array in the arguments of a call."""

    i: int

    def __repr__(self) -> str:
        return "·"


_FIRST = Slot(0)


class Call:
    """A call of a NumPy function without its arrays: `call(*xs)` runs it on them."""

    def __init__(
        self, function: Any, args: Sequence[Any], keywords: dict[str, Any], is_of_one: bool = False
    ) -> None:
        self.function, self.args, self.keywords = function, args, keywords
        self.is_of_one = is_of_one  # its only array is the first argument

    def __call__(self, *xs: Any) -> Any:
        return self.given(QUICK.get(self.function, self.function), (), xs)

    def given(self, function: Any, first: tuple[Any, ...], xs: Sequence[Any]) -> Any:
        """Another function with the arguments of this call, after those of `first`."""
        if self.is_of_one:
            return function(*first, xs[0], *self.args[1:], **self.keywords)
        keywords = {word: _filled(x, xs) for word, x in self.keywords.items()}
        return function(*first, *[_filled(x, xs) for x in self.args], **keywords)

    def begins_with(self, i: int) -> bool:
        """Whether the first argument is the i-th array."""
        return self.is_of_one or (bool(self.args) and self.args[0] == Slot(i))

    def places(self, i: int, xs: Sequence[Any]) -> Places:
        """Where the elements of the i-th array go."""
        shapes = tuple(map(_shape, xs))
        small = max(map(prod, shapes)) <= LARGEST_KEPT
        return (_kept_places if small else _places)(self, i, shapes)

    @cached_property
    def key(self) -> Any:
        return self.function, _key(self.args), tuple([(word, _key(x)) for word, x in self.keywords.items()])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Call) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)

    @property
    def options(self) -> tuple[str, ...]:
        """The arguments beside the arrays, as text."""
        plain = [_text(x) for x in self.args if not _has_slots(x)]
        return (*plain, *(f"{word}={_text(x)}" for word, x in self.keywords.items() if not _has_slots(x)))

    def __repr__(self) -> str:
        words = [f"{word}={_text(x)}" for word, x in self.keywords.items()]
        return f"{as_written(self.function)}({', '.join([*map(_text, self.args), *words])})"


def _text(x: Any) -> str:
    text = " ".join(repr(x).split())
    return text if len(text) <= 20 else "…"


# Functions that are Python within NumPy, the same for their usual arguments, in a fifth of the time


def _rolled(a: Any, shift: Any, axis: Any = None) -> Any:
    whole = axis is None or (axis.__class__ is int and axis in (0, -1))
    if a.ndim != 1 or not a.size or shift.__class__ is not int or not whole:
        return np.roll(a, shift, axis)
    cut = -shift % a.size
    return np.concatenate((a[cut:], a[:cut]))


def _triangle(lower: bool) -> Any:
    function: Any = np.tril if lower else np.triu

    def part(m: Any, k: Any = 0) -> Any:
        if m.ndim < 2 or k.__class__ is not int or m.shape[-1] * m.shape[-2] > LARGEST_KEPT:
            return function(m, k)
        mask = _below(*m.shape[-2:], k if lower else k - 1)
        zero = _zero(m.dtype)
        return np.where(mask, m, zero) if lower else np.where(mask, zero, m)

    return part


@lru_cache
def _zero(dtype: Any) -> Any:
    return np.zeros((), dtype)


@lru_cache(maxsize=64)
def _below(rows: int, columns: int, k: int) -> Any:
    return np.tri(rows, columns, k, bool)


def _framed(array: Any, pad_width: Any, mode: Any = "constant", **options: Any) -> Any:
    if options or mode != "constant" or pad_width.__class__ is not int or pad_width < 0:
        return np.pad(array, pad_width, mode, **options)
    y = np.zeros([n + 2 * pad_width for n in array.shape], array.dtype, "F" if array.flags.fnc else "C")
    y[tuple([slice(pad_width, pad_width + n) for n in array.shape])] = array
    return y


def _diagonal(v: Any, k: Any = 0) -> Any:
    return v.diagonal(k) if v.ndim == 2 else np.diag(v, k)


def _tiled(A: Any, reps: Any) -> Any:
    if A.ndim != 1 or reps.__class__ is not int or not 1 <= reps <= 16:
        return np.tile(A, reps)
    return np.concatenate((A,) * reps)  # of many, the tuple takes longer than all of np.tile


QUICK: dict[Any, Any] = {
    np.roll: _rolled, np.tril: _triangle(lower=True), np.triu: _triangle(lower=False), np.pad: _framed,
    np.diag: _diagonal, np.tile: _tiled,
}  # fmt: skip


def _adjoint(function: Any, g: Any, *options: Any) -> Any:
    """The function on a cotangent: quick on an array, recorded on a Tensor."""
    return (QUICK[function] if g.__class__ is np.ndarray else function)(g, *options)


LARGEST_KEPT = 1 << 14  # elements of an array up to which places are kept


def _places(call: Call, i: int, shapes: tuple[tuple[int, ...], ...]) -> Places:
    numbers = [np.zeros(shape, np.intp) for shape in shapes]
    numbers[i] = np.arange(1, numbers[i].size + 1).reshape(shapes[i])
    return Places(call(*numbers), shapes[i])


_kept_places = lru_cache(maxsize=128)(_places)


def _shape(x: Any) -> tuple[int, ...]:
    return x.shape if hasattr(x, "shape") else ()


def _filled(x: Any, xs: Sequence[Any]) -> Any:
    if x.__class__ is Slot:
        return xs[x.i]
    if x.__class__ in (list, tuple):
        return x.__class__([_filled(item, xs) for item in x])
    return x


def _has_slots(x: Any) -> bool:
    return isinstance(x, Slot) or (isinstance(x, list | tuple) and any(map(_has_slots, x)))


def _key(x: Any) -> Any:
    """A hashable value that two equal arguments share."""
    if isinstance(x, np.ndarray):
        return x.shape, x.dtype.str, x.tobytes()
    if isinstance(x, list | tuple):
        return (x.__class__, *map(_key, x))
    if isinstance(x, dict):
        return _key([*x.items()])
    return (slice, x.start, x.stop, x.step) if isinstance(x, slice) else x


def _holds_tensor(x: Any) -> bool:
    return isinstance(x, Tensor) or (isinstance(x, list | tuple) and any(map(_holds_tensor, x)))


def _with_slots(x: Any, xs: list[Any], nested: bool) -> Any:
    """The argument x with a slot for each array in it; the arrays are appended to xs."""
    if isinstance(x, list | tuple) and (nested or _holds_tensor(x)):
        return [_with_slots(item, xs, nested) for item in x]
    xs.append(np.asarray(x) if isinstance(x, list | tuple) else x)
    return Slot(len(xs) - 1)


def _option(x: Any) -> Any:
    """An argument that is no array to move. It decides places, so a capture depends on its values."""
    if x.__class__ is int:  # nearly always
        return x
    if isinstance(x, Tensor | np.ndarray):
        return np.array(known(x))
    return x.__class__([_option(item) for item in x]) if x.__class__ in (list, tuple) else x


def moved(function: Any, parameters: str, adjoint: Any = None) -> Callable[..., Any]:
    """The rule of a NumPy function that moves elements.

    Args:
        parameters: their names in NumPy's order, "arr* obj values* axis": a star after an array whose
            elements are moved, two after lists of arrays in lists.
        adjoint: `adjoint(g, x, *options)`, with the options of the function, gives the cotangent of its first
            argument x, of which only the shape counts; None for calls that are left to the numbers.
    """
    names = [word.rstrip("*") for word in parameters.split()]
    stars = {word.rstrip("*"): word.count("*") for word in parameters.split()}

    def pull(i: int, g: Any, y: Any, *xs: Any, call: Call) -> Any:
        if adjoint is not None and g.ndim == y.ndim and call.begins_with(i):
            found = call.given(adjoint, (g,), xs)
            if found is not None:
                return found
        return add_back(g, places=call.places(i, xs))

    def push(i: int, t: Any, y: Any, *xs: Any, call: Call) -> Any:
        if t.ndim > len(_shape(xs[i])):
            return pick(t, places=call.places(i, xs))
        zeros = [traced_if_capturing(np.zeros(_shape(x), t.dtype)) for x in xs]
        return op(*zeros[:i], t, *zeros[i + 1 :], call=call)

    op = Op(function.__name__, _run, pulls=ForEach(pull), pushes=ForEach(push), batched=True)
    others = {word for word in names[1:] if stars[word]}
    most = min(map(names.index, others), default=len(names)) if stars[names[0]] == 1 else 0
    if adjoint is not None and parameters.count("*") == 1:  # a function of one array
        LINEAR.add(op)

    def rule(*args: Any, **keywords: Any) -> Any:
        if 0 < len(args) <= most and args[0].__class__ is Tensor and others.isdisjoint(keywords):
            options = {word: _option(x) for word, x in keywords.items()} if keywords else keywords
            call = Call(function, [_FIRST, *map(_option, args[1:])], options, is_of_one=True)
            return apply(op, args[:1], {"call": call})
        xs: list[Any] = []

        def argument(word: str, x: Any) -> Any:
            return _with_slots(x, xs, stars[word] == 2) if stars.get(word) else _option(x)

        places = [argument(word, x) for word, x in zip(names, args, strict=False)]
        given = {word: argument(word, x) for word, x in keywords.items()}
        y = op(*xs, call=Call(function, places, given))
        # elements that were put among integers are rounded, so they have no derivative
        return y.detach() if isinstance(y, Tensor) and y.active and y.dtype.kind in "iub" else y

    rule.keywords = frozenset(names)  # type: ignore[attr-defined]  # functions carry attributes
    return rule


def _run(*xs: Any, call: Call) -> Any:
    return call(*xs)


# Adjoints: the parameters are NumPy's


def _negative(shift: Any) -> Any:
    return -shift if isinstance(shift, int) else -np.asarray(shift, np.intp)


def _on_diagonal(g: Any, x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    if x.ndim != 2 or x.shape != (g.size + abs(offset),) * 2:
        return None
    return np.diag(g, offset if axis1 % 2 < axis2 % 2 else -offset)


def _of_diag(g: Any, v: Any, k: int = 0) -> Any:
    return _on_diagonal(g, v, k) if v.ndim == 2 else np.diagonal(g, k)


def _untiled(g: Any, A: Any, reps: Any) -> Any:
    if A.ndim == 1 and reps.__class__ is int:
        return run(total, (g.reshape((reps, *A.shape)),), {"axis": (-2,)})
    reps = np.atleast_1d(reps).astype(np.intp).tolist()
    n = max(len(reps), A.ndim)
    lengths = (*(1,) * (n - A.ndim), *A.shape)
    pairs = zip([*[1] * (n - len(reps)), *reps], lengths, strict=True)
    folded = np.reshape(g, tuple([length for pair in pairs for length in pair]))
    return np.reshape(np.sum(folded, axis=tuple(range(0, 2 * n, 2))), A.shape)


def _unrepeated(g: Any, a: Any, repeats: Any, axis: Any = None) -> Any:
    if not isinstance(repeats, int | np.integer):
        return None
    last = a.ndim if axis is None or not a.ndim else normalize_axis_index(axis, a.ndim) + 1
    apart = np.reshape(g, (*a.shape[:last], int(repeats), *a.shape[last:]))
    return total(apart, axis=(last - apart.ndim,))  # which is quick along short rows


def _cropped(g: Any, array: Any, pad_width: Any, mode: str, **options: Any) -> Any:
    if mode != "constant":
        return None
    plain = pad_width.__class__ is int
    starts = [pad_width] * array.ndim if plain else [width[0] for width in widths(pad_width, array)]
    return g[tuple([slice(start, start + n) for start, n in zip(starts, array.shape, strict=True)])]


def widths(pad_width: Any, array: Any) -> Any:
    """The numbers of elements before and after each axis."""
    if isinstance(pad_width, dict):
        pad_width = [pad_width.get(a, pad_width.get(a - array.ndim, 0)) for a in range(array.ndim)]
        pad_width = [width if isinstance(width, tuple) else (width, width) for width in pad_width]
    return np.broadcast_to(known(pad_width), (array.ndim, 2)).tolist()


# The table


def moves(function: Any, parameters: str, adjoint: Any = None) -> Callable[..., Any]:
    """Register the rule of a function; returns it."""
    return register(function, moved(function, parameters, adjoint))  # type: ignore[no-any-return]


moves(np.roll, "a* shift axis", lambda g, a, shift, axis=None: _adjoint(np.roll, g, _negative(shift), axis))
moves(np.flip, "m* axis", lambda g, m, axis=None: np.flip(g, axis))
moves(np.fliplr, "m*", lambda g, m: np.fliplr(g))
moves(np.flipud, "m*", lambda g, m: np.flipud(g))
moves(np.rot90, "m* k axes", lambda g, m, k=1, axes=(0, 1): np.rot90(g, -k, axes))
moves(np.tril, "m* k", lambda g, m, k=0: _adjoint(np.tril, g, k) if m.ndim > 1 else None)
moves(np.triu, "m* k", lambda g, m, k=0: _adjoint(np.triu, g, k) if m.ndim > 1 else None)
moves(np.diag, "v* k", _of_diag)
moves(np.diagflat, "v* k", lambda g, v, k=0: np.reshape(np.diagonal(g, k), v.shape))
diagonal = moves(np.diagonal, "a* offset axis1 axis2", _on_diagonal)
moves(np.linalg.diagonal, "x* offset", _on_diagonal)
moves(np.tile, "A* reps", _untiled)
moves(np.repeat, "a* repeats axis", _unrepeated)
moves(np.resize, "a* new_shape")
moves(np.copy, "a* order subok", lambda g, a, order="K", subok=False: g)
moves(np.append, "arr* values* axis")
moves(np.insert, "arr* obj values* axis")
moves(np.delete, "arr* obj axis")
moves(np.column_stack, "tup*")
moves(np.dstack, "tup*")
moves(np.block, "arrays**")
moves(np.compress, "condition a* axis")
moves(np.extract, "condition arr*")
moves(np.choose, "a choices* mode")
moves(sliding_window_view, "x* window_shape axis subok writeable")
# further modes of pad are in `assembling`
padded = moved(np.pad, "array* pad_width mode constant_values* reflect_type", _cropped)
