"""Objects whose attributes decide what is recorded: what is read of them while a function is captured.

A look at each attribute that is read would make every use of a module slower. So `Watched` gets a `__getattribute__` only
while some thread captures (`watching`), and loses it again; CPython then looks attributes up as fast as before.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from minigrad.mode import current

__all__ = ["Watched", "watching"]


class Watched:
    """Base of the classes whose objects decide what is recorded, modules above all: as soon as a function that is being
    captured reads an attribute or a method of one, the capture depends on all that the object holds.

    A look at each read would make every use of a module slower, so there is one only within `watching`.
    """

    __slots__ = ()


def _watched(self: Any, name: str) -> Any:
    capturing = current.mode.capturing
    if capturing is not None and name != "__class__":  # isinstance asks any object for that
        contents = super(Watched, self).__getattribute__("__dict__")
        capturing.depends_on_contents(contents, f"what a {type(self).__name__} holds")
    return super(Watched, self).__getattribute__(name)


_lock = threading.Lock()
_within: list[int] = []  # the threads in a `watching` block


@contextmanager
def watching() -> Iterator[None]:
    """A block in which what is read of objects of `Watched` classes is told to the capture at work in the reading thread."""
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
