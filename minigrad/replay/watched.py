"""Objects whose attributes decide what is recorded, such as modules: captures notice when these are read.

Intercepting every read of an attribute would slow down every use of a module. So `Watched` has a
`__getattribute__` only while some thread captures (`watching`) and loses it afterwards; CPython then looks
attributes up as fast as before.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from minigrad.mode import current

__all__ = ["LABELLED", "Label", "Watched", "watching"]


class Watched:
    """Base of the classes whose objects decide what is recorded, modules above all.

    As soon as a function that is being captured reads an attribute or a method of one, the capture depends on
    everything in the object's `__dict__`. An array that `forward` assigns is read as a Tensor then.
    """

    __slots__ = ()


class Label(str):
    """The label of nodes, "MLP.layers.0", which knows the outermost module: those of two networks of a class
    are equal."""

    __slots__ = ("outermost",)
    outermost: weakref.ref[Watched]

    def __reduce__(self) -> tuple[Any, ...]:
        return str, (str(self),)  # elsewhere there is no such module


LABELLED: weakref.WeakValueDictionary[tuple[str, int], Watched] = weakref.WeakValueDictionary()
"""(the label of nodes, which is `Mode.module`, and an id) → an object that makes nodes of this label."""


def _watched(self: Any, name: str) -> Any:
    capturing = current.mode.capturing
    if capturing is not None and name != "__class__":  # isinstance reads this of any object
        contents = super(Watched, self).__getattribute__("__dict__")
        if capturing.made(contents):
            return super(Watched, self).__getattribute__(name)
        capturing.depends_on_contents(contents, f"what a {type(self).__name__} holds")
        if contents.get(name).__class__ is np.ndarray:
            return capturing.attribute(type(self), contents, name)
    return super(Watched, self).__getattribute__(name)


_lock = threading.Lock()
_within: list[int] = []  # the threads in a `watching` block


@contextmanager
def watching() -> Iterator[None]:
    """While this block runs, reading an attribute of a `Watched` object tells the thread's capture."""
    with _lock:
        _within.append(threading.get_ident())
        Watched.__getattribute__ = _watched  # type: ignore[method-assign]  # where there was none, so it can be deleted again
    try:
        yield
    finally:
        with _lock:
            _within.remove(threading.get_ident())
            if not _within:
                del Watched.__getattribute__
