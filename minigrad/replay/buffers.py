"""Buffers: arrays in attributes of modules that a captured function assigns, as running means are.

A captured function keeps no state: its program takes the arrays of the buffers as further inputs and gives
their new values as further results, which are put into the attributes after each replay. So a replay changes
them as the function itself would, and values that anybody assigns in between are read by the next one.

An attribute is taken for such a buffer if `forward`, or a method that it names, assigns it. Other arrays are
constants, and a capture holds as long as they stay the same.
"""

from __future__ import annotations

import dis
from collections.abc import Iterator, Sequence
from functools import lru_cache
from types import CodeType
from typing import Any

import numpy as np

from minigrad.tensor import constant_tensor

__all__ = ["Buffer", "Buffers", "assigned_by"]


class Buffer:
    """The attribute `key` of a module, whose `__dict__` is `owner`.

    `leaf` stands for the array in the captured graph. If `in_place`, the function writes it as `a += b` does:
    into the same array, in its dtype.
    """

    __slots__ = ("in_place", "key", "kind", "leaf", "owner")

    def __init__(self, owner: dict[str, Any], key: str, in_place: bool) -> None:
        array = owner[key]
        self.owner, self.key, self.in_place = owner, key, in_place
        self.kind = array.shape, array.dtype
        self.leaf = constant_tensor(array)
        self.leaf.name = key

    def fits(self, x: Any) -> bool:
        """Whether a program for the captured array takes x."""
        return x.__class__ is np.ndarray and (x.shape, x.dtype) == self.kind

    def put(self, array: Any) -> None:
        if self.in_place:
            self.owner[self.key][...] = array
        else:
            self.owner[self.key] = array


class Buffers:
    """The buffers that a captured function reads, in the order of its first reads, and those it assigns."""

    def __init__(self) -> None:
        self.known: dict[tuple[int, str], Buffer] = {}
        self.written: list[Buffer] = []

    def __len__(self) -> int:
        return len(self.known)

    def of(self, kind: type, owner: dict[str, Any], key: str) -> Buffer | None:
        """The buffer in this attribute of a module of class `kind`; None if the class does not assign it."""
        found = self.known.get((id(owner), key))
        if found is None and (in_place := assigned_by(kind).get(key)) is not None:
            found = self.known[id(owner), key] = Buffer(owner, key, in_place)
        return found

    def arrays(self) -> list[Any]:
        """What the attributes hold now, in the order of the inputs. Arrays written in place are copied, for
        a later stage of a program may read them again."""
        found = self.known.values()
        return [b.owner[b.key].copy() if b.in_place else b.owner[b.key] for b in found]

    def assigned(self) -> list[Any]:
        """Copies of what the assigned ones hold now."""
        return [b.owner[b.key].copy() for b in self.written]

    def put(self, arrays: Sequence[Any]) -> None:
        """Give the assigned ones their new values."""
        for buffer, array in zip(self.written, arrays, strict=True):
            buffer.put(array)


@lru_cache(maxsize=1024)
def assigned_by(kind: type) -> dict[str, bool]:
    """The attributes that `forward` of a class assigns, itself or in methods that it names, and whether only
    by `+=` and the like."""
    found: dict[str, bool] = {}
    todo, seen = ["forward"], set[str]()
    while todo:
        name = todo.pop()
        if name in seen:
            continue
        seen.add(name)
        for code in _codes_of(kind, name):
            todo += code.co_names
            for attribute, in_place in _stores(code):
                found[attribute] = found.get(attribute, True) and in_place
    return found


def _codes_of(kind: type, name: str) -> Iterator[CodeType]:
    """The code of a method of a class, and of those that it may call by `super`."""
    for base in kind.__mro__:
        codes = list(_codes(vars(base).get(name)))
        yield from codes
        if codes and not any("super" in code.co_names for code in codes):
            return


def _codes(x: Any) -> Iterator[CodeType]:
    """The code of a method, also below decorators, and the code inside it."""
    for key in ("__wrapped__", "__func__", "function", "func", "fget"):
        if key in getattr(x, "__dict__", ()) or (key in ("__func__", "fget") and hasattr(type(x), key)):
            yield from _codes(getattr(x, key))
    todo = [getattr(x, "__code__", None)]
    while todo:
        code = todo.pop()
        if isinstance(code, CodeType):
            yield code
            todo += code.co_consts


def _stores(code: CodeType) -> Iterator[tuple[str, bool]]:
    """Each attribute that some code assigns, and whether by `+=` and the like."""
    recent: list[str] = []
    for step in dis.get_instructions(code):
        if step.opname == "STORE_ATTR":
            yield step.argval, any(text.endswith("=") for text in recent[-2:])
        # before the STORE_ATTR of `a.b += c` come a BINARY_OP and a SWAP
        recent.append(step.argrepr if step.opname == "BINARY_OP" else "")
