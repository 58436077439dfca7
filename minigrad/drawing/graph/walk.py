"""The walk over a recorded graph: everything that leads to some Tensors, in the order in which it will be
drawn.

The graph is walked once, without recursion, and nothing on it is changed. Numbers among the operands become
part of an operation's text; arrays and leaves become boxes.

Names: `t` a Tensor, `key` the identity of a box before it has an id: the index of a Tensor, or ("array", id)
of an array.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

import numpy as np

from minigrad.drawing.graph.notation import number_text
from minigrad.replay.watched import LABELLED
from minigrad.tables import symbol
from minigrad.tensor import Tensor

__all__ = ["IDENTITIES", "Key", "Operand", "Walk", "buffers_behind", "resolved"]

Key = Any
Operand = tuple[str, int | None]  # how it is written, and the position of its box in the order, if it has one

IDENTITIES = {"positive", "detach"}
LARGEST_NUMBER = 1 << 16  # a larger array is not checked for being one number repeated


def resolved(t: Tensor) -> Tensor:
    """The Tensor itself, past the identities that transforms put between a caller's leaf and their own."""
    while t.op is not None and t.op.name in IDENTITIES and t.inputs and isinstance(t.inputs[0], Tensor):
        t = t.inputs[0]
    return t


class Walk:
    """Everything that leads to `targets`. Constant arrays whose id is in `named` get a box even if they are
    one number.

    `order` holds the key of each box and the Tensor or array that it shows, in topological order, with each
    leaf right before its first use. `operands` are the operands of each box, and `numbers` the named numbers
    of update rules, which are written in formulas and not drawn.
    """

    def __init__(self, targets: Iterable[Tensor], named: Collection[int]) -> None:
        self.order: list[tuple[Key, Any]] = []
        self.operands: list[list[Operand]] = []
        self.numbers: dict[str, str] = {}
        self._place: dict[Key, int] = {}
        self._named = named
        ends = [resolved(t) for t in targets]
        self._tensors: dict[Key, Any] = _behind(ends)
        leaves = [t for t in self._tensors.values() if not t.inputs]
        self._leaf_of: dict[int, Key] = {id(t.primal): t.index for t in leaves}
        # Operations come in the order of their creation. A leaf may have a newer index than its users;
        # it is put before the first of them.
        for index in sorted(index for index, t in self._tensors.items() if t.inputs):
            t = self._tensors[index]
            elementwise = t.op is not None and t.op.broadcasts and t.op.name != "matmul"
            self._put(index, t, [self._operand(x, elementwise) for x in t.inputs])
        for t in ends:
            self._put(t.index, t, [])

    def _put(self, key: Key, x: Any, operands: list[Operand]) -> int:
        """The position of a box in the order; a new box is added at the end."""
        if key not in self._place:
            self._place[key] = len(self.order)
            self.order.append((key, x))
            self.operands.append(operands)
        return self._place[key]

    def _operand(self, x: Any, elementwise: bool) -> Operand:
        if isinstance(x, Tensor):
            x = resolved(x)
            if x.inputs:
                return "·", self._place[x.index]
            number = self._number_in_leaf(x)
        else:
            number = self._number_in_array(x, elementwise)
        return (number, None) if number is not None else self._leaf(x)

    def _number_in_leaf(self, x: Tensor) -> str | None:
        """The text of a leaf that is written and not drawn: a named number of an update rule, or a number
        that some operation made without any input."""
        if x.primal.ndim != 0:
            return None
        if x.op is None and x.name and x.mode.phase == "update":
            name = symbol(x.name)
            self.numbers[name] = number_text(x.primal[()])
            return name
        return _scalar_text(x.primal) if x.op is not None and not x.name else None

    def _number_in_array(self, array: Any, elementwise: bool) -> str | None:
        """The text of an operand that is one number: without a dimension, or the same number everywhere, as
        the ones in the derivative of a sum are. An array with a name and a dimension keeps its box, which a
        reader expects."""
        if np.ndim(array) == 0:
            return _scalar_text(array)
        unnamed = elementwise and id(array) not in self._named
        if unnamed and 0 < array.size <= LARGEST_NUMBER and (array == array.flat[0]).all():
            return number_text(array.flat[0])
        return None

    def _leaf(self, x: Any) -> Operand:
        """The box of a leaf or of a constant. A leaf and an array that is its value are one box."""
        array = x.primal if isinstance(x, Tensor) else x
        written, whole = ("·", array) if isinstance(x, Tensor) and x.op is None else _base(array)
        key = self._leaf_of.get(id(whole), x.index if isinstance(x, Tensor) else ("array", id(whole)))
        return written, self._put(key, self._tensors.get(key, whole), [])


def buffers_behind(targets: Iterable[Tensor]) -> dict[Key, str]:
    """The arrays among the operands that modules hold in attributes now, by key, with their paths."""
    modules: dict[str, list[Any]] = {}
    for (label, _), module in LABELLED.items():
        modules.setdefault(label, []).append(module)
    found: dict[Key, str] = {}
    for t in _behind([resolved(t) for t in targets]).values() if modules else ():
        for x in t.inputs:
            for module in modules.get(t.mode.module, ()) if isinstance(x, np.ndarray) else ():
                path = [*t.mode.module.split(".")[1:]]
                found |= {("array", id(x)): ".".join([*path, k]) for k, v in vars(module).items() if v is x}
    return found


def _behind(ends: Sequence[Tensor]) -> dict[Key, Any]:
    """All Tensors that lead to these, by index, past the identities."""
    seen: dict[Key, Any] = {}
    stack = list(ends)
    while stack:
        t = stack.pop()
        if t.index not in seen:
            seen[t.index] = t
            stack += [resolved(x) for x in t.inputs if isinstance(x, Tensor)]
    return seen


def _scalar_text(x: Any) -> str:
    return number_text(x[()] if isinstance(x, np.ndarray) else x)


def _base(array: Any) -> tuple[str, Any]:
    """The text for an array, and the array whose box it refers to: a transpose refers to its base."""
    base = array.base
    if isinstance(base, np.ndarray) and array.ndim == 2 and base.ndim == 2:
        same_place = array.__array_interface__["data"][0] == base.__array_interface__["data"][0]
        if same_place and array.shape == base.shape[::-1] and array.strides == base.strides[::-1]:
            return "·ᵀ", base
    return "·", array
