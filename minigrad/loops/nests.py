"""The loop form: nests of loops over arrays of known shapes and strides. It knows no language and no op.

A `Nest` runs its body once for each index of its `extents`, the outermost loop first. A `Statement` of the
body computes one number from numbers. It puts it into a `Place` of an array, or combines it with what is
there; so a sum, a product of matrices and a scatter are nests like any other, whose target does not move with
every loop.

A `View` says how a value lies in an array. NumPy itself keeps the books: `lie` is an array of bytes as large
as the array, and whatever transposes, slices, reshapes or broadcasts `lie` does the same to the view.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

__all__ = ["Array", "By", "Nest", "Operand", "Place", "Statement", "View", "fresh"]


@dataclass(eq=False)
class Array:
    """Memory for as many numbers as `whole` has bytes; `kind` is "f", "i" or "b", as in `dtype.kind`.

    `name` is given to what belongs to the caller; the printer names the rest. A `variable` is no memory but a
    number that has a name. `values` are those of a constant.
    """

    whole: Any
    kind: str
    name: str = ""
    variable: bool = False
    values: Any = None

    @property
    def size(self) -> int:
        return self.whole.size  # type: ignore[no-any-return]


class By(NamedTuple):
    """A part of an address that is read from an array: `stride` times the index that stands at `place`.

    If the index may be negative, and counts from the end then, `length` is that of its axis; else 0.
    """

    place: Place
    stride: int
    length: int


@dataclass(frozen=True)
class Place:
    """The element of an array at offset + Σ strideₐ·indexₐ over the loops of a nest, and `by` indices."""

    array: Array
    offset: int
    strides: tuple[int, ...]
    by: tuple[By, ...] = ()

    def depth(self) -> int:
        """How many loops, from the outermost on, have to be entered before the place is known."""
        own = max((axis + 1 for axis, stride in enumerate(self.strides) if stride), default=0)
        return max([own, *(index.place.depth() for index in self.by)])

    def within(self) -> list[Place]:
        """The places of its indices, and itself."""
        return [*(place for index in self.by for place in index.place.within()), self]

    def over(self, axes: Sequence[int]) -> Place:
        """The same in a nest whose loops are these of the present ones."""
        by = tuple(index._replace(place=index.place.over(axes)) for index in self.by)
        return Place(self.array, self.offset, tuple(self.strides[a] for a in axes), by)


Operand = Place | float


@dataclass
class Statement:
    """target ← function(operands), or target ← combine(target, function(operands))."""

    target: Place
    function: str
    operands: tuple[Operand, ...]
    combine: str = ""

    def read(self) -> list[Place]:
        """All places that it reads, those of indices included."""
        operands = [x for x in self.operands if isinstance(x, Place)]
        return [p for x in operands for p in x.within()] + self.target.within()[:-1]

    def over(self, axes: Sequence[int]) -> Statement:
        operands = tuple(x.over(axes) if isinstance(x, Place) else x for x in self.operands)
        return Statement(self.target.over(axes), self.function, operands, self.combine)


@dataclass
class Nest:
    """Loops over `extents` around a body."""

    extents: tuple[Any, ...]  # numbers, or the text of one that is known only later
    body: list[Statement] = field(default_factory=list)

    def places(self) -> list[Place]:
        """All places that it reads or writes."""
        return [p for s in self.body for p in (*s.read(), s.target)]

    def over(self, axes: Sequence[int]) -> Nest:
        """The same loops in another order; loops that run once may be left out."""
        return Nest(tuple(self.extents[a] for a in axes), [s.over(axes) for s in self.body])

    def inward(self) -> Nest:
        """The same loops, those with long strides outside. Only for a body whose order does not matter."""
        places = self.places()
        weight = [sum(abs(p.strides[a]) for p in places) for a in range(len(self.extents))]
        return self.over(sorted(range(len(self.extents)), key=lambda a: -weight[a]))

    def joined(self) -> Nest:
        """The same with two loops as one, wherever every place moves on evenly from one to the next."""
        nest = self
        for a in reversed(range(len(self.extents) - 1)):
            n = nest.extents[a + 1]
            if isinstance(n, int) and all(p.strides[a] == n * p.strides[a + 1] for p in nest.places()):
                extents = (*nest.extents[:a], nest.extents[a] * n, *nest.extents[a + 2 :])
                kept = [b for b in range(len(nest.extents)) if b != a]
                nest = Nest(extents, nest.over(kept).body)
        return nest


class View(NamedTuple):
    """How a value lies in an array."""

    array: Array
    lie: Any

    @property
    def shape(self) -> tuple[int, ...]:
        return self.lie.shape  # type: ignore[no-any-return]

    def across(self, lie: Any) -> View:
        """Another view of the array: `lie` is a view of ours."""
        return View(self.array, lie)

    def reshape(self, shape: tuple[int, ...]) -> View:
        return self.across(self.lie.reshape(shape))

    def spread(self, shape: tuple[int, ...]) -> View:
        """The view broadcast to a shape."""
        return self.across(np.broadcast_to(self.lie, shape))

    def place(self) -> Place:
        """The element at the indices of a nest over our shape."""
        offset = _address(self.lie) - _address(self.array.whole) if self.lie.size else 0
        strides = zip(self.lie.strides, self.shape, strict=True)
        return Place(self.array, offset, tuple(stride if n != 1 else 0 for stride, n in strides))


def _address(lie: Any) -> int:
    return lie.__array_interface__["data"][0]  # type: ignore[no-any-return]


def fresh(
    shape: tuple[int, ...], kind: str, name: str = "", *, variable: bool = False, values: Any = None
) -> View:
    """A view of a new array, in C order. One number without a name is a variable. Kind "u" is kept as "i"."""
    whole, kind = np.empty(shape, np.int8), "i" if kind == "u" else kind
    variable = variable or (whole.size == 1 and not name and values is None)
    return View(Array(whole, kind, name, variable, values), whole)
