"""The recording switch, one for each thread and asyncio task: the only global state minigrad has.

A `Mode` is a small frozen value. Every recorded node keeps a pointer to the mode it was made under, so at the
price of one pointer the graph knows which pass a node belongs to (`phase`), which module made it (`module`)
and, inside `trace_source`, which line of the user's program made it (`line`) and whose derivative it helps to
compute (`about`).

A module labels the nodes it makes by entering a mode with its path, which it keeps from call to call. That
costs a quarter of a microsecond a call, and no stack frame is walked.
"""

from __future__ import annotations

import sys
from contextlib import ContextDecorator
from contextvars import ContextVar
from functools import wraps
from typing import Any, NamedTuple, NoReturn

from minigrad.errors import entry

__all__ = ["Mode", "about", "current", "no_grad", "scope", "switch", "trace_source", "traced", "users_line"]


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


_mode: ContextVar[Mode] = ContextVar("minigrad mode")


class _Current(Mode):
    """The present mode of this thread or task, as `current.mode`.

    `ContextVar.get` returns its argument, here `current` itself, where nothing has been set. So `current` is
    a Mode, the default one, and reading needs no function of ours.
    """

    mode = property(_mode.get)  # type: ignore[arg-type]


current = _Current()
switch = _mode.set
"""Make a Mode the present one."""


class _Scoped(Mode):
    """A mode that a scope has set. It knows the scope, and so the scopes around it."""

    scope: scope | None = None


class scope(ContextDecorator):  # used like a function; as a class it takes a third of the time of a generator
    """Run a block under the present mode with some fields changed, and restore the old mode afterwards.

    One `scope` is entered once; a function decorated with it gets a new one at each call. Each thread and
    each asyncio task has a mode of its own.

    >>> with scope(phase="update"):
    ...     current.mode.phase
    'update'
    """

    __slots__ = ("_before", "_changes", "_in_generator", "_mode")

    def __init__(self, **changes: Any) -> None:
        self._changes = changes
        self._before: Mode | None = None

    def __enter__(self) -> None:
        if self._before is not None:  # entered again or by another thread, it would restore the wrong mode
            raise RuntimeError("a scope can be entered once; make a new one, as in `with no_grad():`.")
        self._in_generator = bool(sys._getframe(1).f_code.co_flags & _GENERATOR)
        self._before = _mode.get(current)
        _mode.set(self._changed(self._before))

    def __exit__(self, *_: object) -> None:
        """Restore the mode from before.

        Blocks in generators may be left out of turn. If blocks that were entered inside this one are still
        open, they stay open, but for those in generators: these wait outside of this block. A block that is
        itself open no more has nothing to restore.
        """
        assert self._before is not None
        mode = _mode.get(current)
        if mode is self._mode:
            _mode.set(self._before)
            return
        inside: list[scope] = []
        while mode is not self._mode:
            inner = getattr(mode, "scope", None)
            if inner is None:
                return
            inside.append(inner)
            mode = inner._before
        mode = self._before
        for inner in reversed(inside):
            if not inner._in_generator:
                inner._before, mode = mode, inner._changed(mode)
        _mode.set(mode)

    def _changed(self, before: Mode) -> Mode:
        mode = self._mode = _Scoped._make(map(self._changes.copy().pop, Mode._fields, before))
        mode.scope = self
        return mode

    def __call__(self, f: Any) -> Any:
        """Decorate a function. In a generator or coroutine the mode holds whenever it runs."""
        code = getattr(getattr(f, "func", f), "__code__", None)
        flags = code.co_flags if code is not None else 0
        if flags & _ASYNC_GENERATOR:
            raise TypeError(
                f"{f.__qualname__} is an asynchronous generator, which cannot be decorated; write `with "
                "no_grad():` around the lines that compute."
            )
        if flags & _COROUTINE:
            return self._around_coroutine(f)
        return self._around_each_turn(f) if flags & _GENERATOR else super().__call__(f)

    def _around_coroutine(self, f: Any) -> Any:
        @wraps(f)
        async def coroutine(*args: Any, **kwargs: Any) -> Any:
            with self._recreate_cm():
                return await f(*args, **kwargs)

        return coroutine

    def _around_each_turn(self, f: Any) -> Any:
        @wraps(f)
        def generator(*args: Any, **kwargs: Any) -> Any:
            inner = f(*args, **kwargs)
            resume, given = inner.send, None
            while True:
                try:
                    with self._recreate_cm():
                        item = resume(given)
                except StopIteration as stop:
                    return stop.value
                try:
                    resume, given = inner.send, (yield item)
                except GeneratorExit:
                    with self._recreate_cm():
                        inner.close()
                    raise
                except BaseException as error:  # handed over to the generator, which may handle it
                    resume, given = inner.throw, error

        return generator

    def _recreate_cm(self) -> scope:  # a decorated function enters this at each call
        return scope(**self._changes)


_GENERATOR, _COROUTINE, _ASYNC_GENERATOR = 0x20, 0x80, 0x200  # in `co_flags`; `inspect` is slow to import


class _Block(type):
    """The class of `no_grad` and its like. A `with` that lacks the parentheses asks the class itself."""

    @entry
    def __enter__(cls) -> NoReturn:
        raise TypeError(f"`with {cls.__name__}:` lacks the parentheses: write `with {cls.__name__}():`.")

    def __exit__(cls, *_: object) -> None:
        """Python looks for this before it enters."""


class no_grad(scope, metaclass=_Block):
    """Record nothing in this block, so results are constants. The switch concerns the present thread or
    asyncio task only.

    As a decorator, `@no_grad()`, it serves functions, generators and coroutines. A `with no_grad():` around
    a `yield` also concerns those who take the items, until the generator goes on; decorate the generator
    instead.

    Raises:
        TypeError: where the parentheses are missing, as in `with no_grad:` or `@no_grad`.

    >>> import numpy as np, minigrad
    >>> x = minigrad.Tensor(2.0, requires_grad=True)
    >>> with minigrad.no_grad():
    ...     (x * x).requires_grad
    False
    """

    __slots__ = ()

    @entry
    def __init__(self, *given: Any) -> None:
        if given:
            raise TypeError(f"`no_grad()` takes no arguments, got {given[0]!r}: {_DECORATE}.")
        scope.__init__(self, recording=False)  # quicker than super()


_DECORATE = "write `@no_grad()` above a function, and `with no_grad():` before a block"


class trace_source(scope, metaclass=_Block):
    """Note for each node made in this block which line of the user's program made it; errors then name that
    line.

    Walking the stack costs a few microseconds an operation, so it is off unless asked for.
    """

    __slots__ = ()

    @entry
    def __init__(self) -> None:
        scope.__init__(self, tracing=True)


class _Traced(Mode):
    """The mode of a node that was made while tracing. `call` is (function, args, kwargs) of the call of a
    NumPy function in the user's program, or None; the nodes of one call share its `args`."""

    call: Any = None


def traced(mode: Mode) -> Mode:
    """The mode with the user's line, and the outermost call of a NumPy function on the way from there."""
    frame, call = sys._getframe(1), None
    while frame is not None and f"{frame.f_globals.get('__name__', '')}.".startswith(_OURS):
        if frame.f_code.co_name == "dispatch" and frame.f_globals["__name__"] == "minigrad.arraylike":
            call = frame
        frame = frame.f_back  # type: ignore[assignment]  # None ends the loop
    found = _Traced._make(mode._replace(line=users_line()))
    if call is not None:
        found.call = tuple(map(call.f_locals.get, ("func", "args", "kwargs")))
    return found


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
