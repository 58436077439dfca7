"""The walk over a recorded graph: everything that leads to some Tensors, in the order in which it will be
drawn.

The graph is walked once, without recursion, and nothing on it is changed. Numbers among the operands become
part of an operation's text; arrays and leaves become boxes.

Names: `t` a Tensor, `key` the identity of a box before it has an id: the index of a Tensor, or ("array", id)
of an array.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from minigrad.drawing.graph.calls import Called, composed
from minigrad.drawing.graph.notation import exact_text, number_text
from minigrad.ops.index import SLOT
from minigrad.replay.watched import LABELLED
from minigrad.tables import symbol
from minigrad.tensor import Tensor

__all__ = ["IDENTITIES", "Key", "Operand", "Walk", "buffers_behind", "look", "operations_behind", "resolved"]

Key = Any
Operand = tuple[str, int | None]  # how it is written, and the position of its box in the order, if it has one

IDENTITIES = {"positive", "detach"}
SHORT = 4  # an index of so many places is written, a longer one is a box
_LABELLED = {"cross_entropy", "softmax_residual"}
_INDEXED = {"gather", "scatter", *_LABELLED}
LARGEST_NUMBER = 1 << 16  # a larger array is not checked for being one number repeated


def resolved(t: Tensor) -> Tensor:
    """The Tensor itself, past the identities that transforms put between a caller's leaf and their own."""
    while t.op is not None and t.op.name in IDENTITIES and t.inputs and isinstance(t.inputs[0], Tensor):
        t = t.inputs[0]
    return t


def operations_behind(ends: Sequence[Tensor]) -> list[Tensor]:
    """The operations that lead to these, in the order of their creation."""
    seen: dict[int, Tensor] = {}
    stack = list(ends)
    while stack:
        t = stack.pop()
        if t.index not in seen and t.inputs:
            seen[t.index] = t
            stack += [x for x in t.inputs if isinstance(x, Tensor)]
    return [seen[index] for index in sorted(seen)]


class Walk:
    """Everything that leads to `targets`. Constant arrays whose id is in `named` get a box even if they are
    one number.

    `order` holds the key of each box and the Tensor or array that it shows, in topological order, with each
    leaf right before its first use. `operands` are the operands of each box. `calls` are the boxes that stand
    for a call of several operations, `labels` the classes that a loss was given, by the keys of their boxes,
    `given` the arrays themselves where the graph has the loss, `masks` the masks that NumPy turned into
    places, `masked` the indices that are written with these, `formed` the indices of the Tensors on whose
    shape a user depends, and `numbers` the named numbers of update rules, which are written in formulas and
    not drawn.
    """

    def __init__(self, targets: Iterable[Tensor], named: Collection[int]) -> None:
        self.order: list[tuple[Key, Any]] = []
        self.operands: list[list[Operand]] = []
        self.numbers: dict[str, str] = {}
        self.labels: dict[Key, Any] = {}
        self.given: dict[Key, Any] = {}
        self.masks: dict[Key, Any] = {}
        self.masked: dict[int, tuple[Any, ...]] = {}
        self.formed: set[int] = set()
        self._place: dict[Key, int] = {}
        self._named = named
        ends = [resolved(t) for t in targets]
        whole = _behind(ends, {})
        for t in whole.values():
            if (labels := t.params.get("_labels")) is not None:
                self.given["array", id(t.inputs[1])] = labels
        self.calls = composed(whole, ends)
        self._tensors: dict[Key, Any] = _behind(ends, self.calls) if self.calls else whole
        leaves = [t for t in self._tensors.values() if not t.inputs]
        self._leaf_of: dict[int, Key] = {id(t.primal): t.index for t in leaves}
        self._matrices = {_place_of(t.primal): t.primal for t in leaves if t.primal.__class__ is np.ndarray}
        # Operations come in the order of their creation. A leaf may have a newer index than its users;
        # it is put before the first of them.
        for index in sorted(index for index, t in self._tensors.items() if t.inputs):
            t = self._tensors[index]
            call = self.calls.get(index)
            self._put(
                index,
                t,
                self._operands(t) if call is None else self._operands_of_call(call),
            )
        for t in ends:
            self._put(t.index, t, [])

    def _put(self, key: Key, x: Any, operands: list[Operand]) -> int:
        """The position of a box in the order; a new box is added at the end."""
        if key not in self._place:
            self._place[key] = len(self.order)
            self.order.append((key, x))
            self.operands.append(operands)
        return self._place[key]

    def _operands(self, t: Tensor) -> list[Operand]:
        name = t.op.name if t.op is not None else ""
        if name in ("gather", "scatter") and (masked := self._masked(t)) is not None:
            return [self._operand(t.inputs[0]), *masked]
        if name in _INDEXED:
            return [self._operand(t.inputs[0]), *(self._index(name, t, x) for x in t.inputs[1:])]
        elementwise = t.op is not None and t.op.broadcasts and name != "matmul"
        return [
            self._operand(x, name == "broadcast_to" or (elementwise and _formless(x, t))) for x in t.inputs
        ]

    def _operands_of_call(self, call: Called) -> list[Operand]:
        operands = map(self._operand, call.inputs)
        return [
            (f"{text}={word}" if text[:1] == "·" else f"{word}={text}", place) if word else (text, place)
            for (text, place), word in zip(operands, call.words, strict=True)
        ]

    def _masked(self, t: Tensor) -> list[Operand] | None:
        """The mask of A[mask], of which NumPy makes the places where it is true; None for other indices."""
        places, index = t.inputs[1:], tuple(t.params["index"])
        base = getattr(places[0], "base", None)
        shape = np.shape(t.args[0]) if t.op is not None and t.op.name == "gather" else t.params["shape"]
        k = len(places)
        begin = index.index(SLOT)
        if (
            not isinstance(base, np.ndarray)
            or any(getattr(x, "base", None) is not base for x in places)
            or np.ndim(places[0]) != 1
            or base.shape != (len(places[0]), k)
            or id(base) in self._named
            or any(i is None or i is Ellipsis for i in index[:begin])
        ):
            return None
        mask = np.zeros(shape[begin : begin + k], bool)
        mask[tuple(places)] = True
        if not all(np.array_equal(a, b) for a, b in zip(np.nonzero(mask), places, strict=True)):
            return None
        self.masked[t.index] = (*index[:begin], index[begin], *index[begin + k :])
        key = ("array", id(base))
        self.masks.setdefault(key, mask)
        return [("·", self._put(key, self.masks[key], []))]

    def _index(self, name: str, t: Tensor, x: Any) -> Operand:
        """An index: a short one without a name is written as a list. Labels are shown as the user gave them;
        the loss has them as places among the flattened logits."""
        if isinstance(x, Tensor) or id(x) in self._named or x.ndim != 1:
            return self._operand(x)
        if name not in _LABELLED:
            return (str(x.tolist()), None) if x.size <= SHORT else self._operand(x)
        key = ("array", id(x))
        if key not in self.labels:
            classes = np.shape(t.args[0])[-1]
            self.labels[key] = np.asarray(x - np.arange(x.size) * classes, np.int64)
        return "·", self._put(key, self.labels[key], [])

    def _operand(self, x: Any, formless: bool = False) -> Operand:
        """An operand; `formless` tells that the others alone give the result its shape."""
        if isinstance(x, Tensor):
            x = resolved(x)
            if not formless:
                self.formed.add(x.index)
            if x.inputs:
                return "·", self._place[x.index]
            number = self._number_in_leaf(x)
        else:
            number = self._number_in_array(x, formless)
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

    def _number_in_array(self, array: Any, formless: bool) -> str | None:
        """The text of an operand that is one number: without a dimension, or the same number everywhere, as
        the ones in the derivative of a sum are. An array with a name and a dimension keeps its box, which a
        reader expects."""
        if np.ndim(array) == 0:
            return _scalar_text(array)
        unnamed = formless and id(array) not in self._named
        if unnamed and 0 < array.size <= LARGEST_NUMBER and (array == array.flat[0]).all():
            return exact_text(array.flat[0])
        return None

    def _leaf(self, x: Any) -> Operand:
        """The box of a leaf or of a constant. A leaf and an array that is its value are one box."""
        array = x.primal if isinstance(x, Tensor) else x
        written, whole = ("·", array) if isinstance(x, Tensor) and x.op is None else self._base(array)
        key = self._leaf_of.get(id(whole), x.index if isinstance(x, Tensor) else ("array", id(whole)))
        return written, self._put(key, self._tensors.get(key, whole), [])

    def _base(self, array: Any) -> tuple[str, Any]:
        """How an array is written, and the array whose box it refers to: that of the same memory, and for a
        transpose its matrix."""
        if array.__class__ is not np.ndarray or array.ndim != 2:
            return "·", array
        place, turned = _place_of(array), _place_of(array.T)
        if place in self._matrices:
            return "·", self._matrices[place]
        if (
            turned not in self._matrices
            and isinstance(array.base, np.ndarray)
            and _place_of(array.base) == turned
        ):
            self._matrices[turned] = array.base
        if turned in self._matrices:
            return "·ᵀ", self._matrices[turned]
        self._matrices[place] = array
        return "·", array


def _place_of(array: Any) -> tuple[Any, ...]:
    """What tells whether two arrays are the same elements of one memory."""
    return array.__array_interface__["data"][0], array.dtype.str, array.shape, array.strides


def look(array: Any) -> tuple[Any, ...]:
    """The key under which names of labels and masks are kept. A mask is known by its values, because NumPy
    makes places of it, and so are labels of which only a derivative is left, which has their places."""
    kind = bool if array.dtype.kind == "b" else np.int64
    return "values", array.shape, array.dtype.kind == "b", array.astype(kind).tobytes()


def buffers_behind(targets: Iterable[Tensor]) -> dict[Key, str]:
    """The arrays among the operands that modules hold in attributes now, by key, with their paths."""
    modules: dict[str, list[Any]] = {}
    for (label, _), module in LABELLED.items():
        modules.setdefault(label, []).append(module)
    found: dict[Key, str] = {}
    for t in _behind([resolved(t) for t in targets], {}).values() if modules else ():
        for x in t.inputs:
            for module in modules.get(t.mode.module, ()) if isinstance(x, np.ndarray) else ():
                path = [*t.mode.module.split(".")[1:]]
                found |= {("array", id(x)): ".".join([*path, k]) for k, v in vars(module).items() if v is x}
    return found


def _behind(ends: Sequence[Tensor], calls: Mapping[int, Called]) -> dict[Key, Any]:
    """All Tensors that lead to these, by index, past the identities and past what is inside `calls`."""
    seen: dict[Key, Any] = {}
    stack = list(ends)
    while stack:
        t = stack.pop()
        if t.index not in seen:
            seen[t.index] = t
            stack += [resolved(x) for x in calls.get(t.index, t).inputs if isinstance(x, Tensor)]
    return seen


def _formless(x: Any, t: Tensor) -> bool:
    """Whether the other inputs alone give the elementwise result t its shape."""
    others = [y.shape for y in t.inputs if isinstance(y, Tensor) and y is not x]
    return t.shape in others or np.broadcast_shapes(*others) == t.shape


def _scalar_text(x: Any) -> str:
    return exact_text(x[()] if isinstance(x, np.ndarray) else x)
