"""The recording switch, one per thread: the only global state minigrad has.

A `Mode` is a small frozen value. Every recorded node keeps a pointer to the mode it was made under, so at the
price of one pointer the graph knows which pass a node belongs to (`phase`), which module made it (`module`)
and, inside `trace_source`, which line of the user's program made it (`line`) and whose derivative it helps to
compute (`about`).

A module labels the nodes it makes by entering a mode with its path, which it keeps from call to call. That
costs a quarter of a microsecond a call, and no stack frame is walked.
"""

from __future__ import annotations

import sys
import threading
from contextlib import ContextDecorator
from typing import Any, NamedTuple

__all__ = ["Mode", "about", "current", "no_grad", "scope", "trace_source", "users_line"]


class Mode(NamedTuple):
    """How operations are recorded just now, and how the nodes made now are labelled."""

    recording: bool = True
    phase: str = "forward"  # forward | backward | tangent | update
    module: str = ""  # path of the module at work, "MLP.layers.0"
    # the `Capture` at work: every operation is recorded, constants too, to be run again
    capturing: Any = None
    tracing: bool = False  # find the user's line for each node
    line: str = ""  # "train.py:12 in loss", where it was found
    about: int = 0  # while tracing, the index of the node a recorded sweep is at


def about(mode: Mode, node: Any) -> Mode:
    """The mode in which a recorded sweep computes with `node`: the derivative of a module's work belongs to
    that module."""
    return mode._replace(module=node.mode.module, about=node.index if mode.tracing else 0)


class _PerThread(threading.local):
    mode = Mode()


current = _PerThread()


class scope(ContextDecorator):  # used like a function; as a class it takes a third of the time of a generator
    """Run a block under the present mode with some fields changed, and restore the old mode afterwards.

    One `scope` is entered once; a function decorated with it gets a new one at each call.

    >>> with scope(phase="update"):
    ...     current.mode.phase
    'update'
    """

    __slots__ = ("_before", "_changes")

    def __init__(self, **changes: Any) -> None:
        self._changes = changes
        self._before: Mode | None = None

    def __enter__(self) -> None:
        if self._before is not None:  # entered again or by another thread, it would restore the wrong mode
            raise RuntimeError("a scope can be entered once; make a new one, as in `with no_grad():`.")
        self._before = current.mode
        current.mode = self._before._replace(**self._changes)

    def __exit__(self, *_: object) -> None:
        assert self._before is not None
        current.mode = self._before

    def _recreate_cm(self) -> scope:  # what a decorated function enters at each call
        return scope(**self._changes)


def no_grad() -> scope:
    """Record nothing in this block, so results are constants. The switch concerns the present thread only.

    >>> import numpy as np, minigrad
    >>> x = minigrad.Tensor(2.0, requires_grad=True)
    >>> with minigrad.no_grad():
    ...     (x * x).requires_grad
    False
    """
    return scope(recording=False)


def trace_source() -> scope:
    """Note for each node made in this block which line of the user's program made it; errors then name that
    line.

    Walking the stack costs a few microseconds an operation, so it is off unless asked for.
    """
    return scope(tracing=True)


_OURS = tuple(f"{name}." for name in ("minigrad", "models", "optim", "numpy"))


def users_line() -> str:
    """The innermost line on the stack that belongs neither to this library nor to NumPy: "file.py:12 in
    loss"."""
    frame = sys._getframe(1)
    while frame is not None:
        name = frame.f_globals.get("__name__", "")
        if not f"{name}.".startswith(_OURS):
            code = frame.f_code
            return f"{code.co_filename}:{frame.f_lineno} in {code.co_name}"
        frame = frame.f_back  # type: ignore[assignment]  # None ends the loop
    return ""
