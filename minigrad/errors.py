"""minigrad's own errors, each also the built-in kind that a caller would expect; how errors are worded, and
which frames their tracebacks show.

A traceback shows the frames of the user's program and none of ours, as JAX's does, because our frames do not
help to find a mistake in the user's. `hide_our_frames` takes them out where an exception leaves us: a public
function is an `entry`, and the places that are called most often call it themselves, which saves a call. The
environment variable MINIGRAD_TRACEBACK=full shows all frames.
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any, TypeVar

import numpy as np

from minigrad.habits import KEYWORDS, instead

__all__ = [
    "CaptureError",
    "DerivativeError",
    "StaleGraphError",
    "as_sentence",
    "described",
    "entry",
    "hide_our_frames",
    "line_of",
    "name_call",
    "not_called",
    "rephrased",
    "unexpected",
    "without_inner_name",
]

F = TypeVar("F", bound=Callable[..., Any])


class CaptureError(TypeError):
    """A function cannot be replayed: replays would repeat what it did during capture and be wrong.

    `left` names what the capture changed and could not put back; mostly it is empty.
    """

    left: str = ""


class StaleGraphError(RuntimeError):
    """A leaf was changed after the graph was recorded, so the graph's derivative would be that of another
    function."""


class DerivativeError(AssertionError):
    """A derivative rule is wrong; the message names the op or function, the mode, and the error."""


def described(args: Iterable[Any]) -> str:
    """Operands as an error shows them: "(3, 2) float64, 2.0"."""
    return ", ".join(f"{x.shape} {x.dtype}" if isinstance(x, np.ndarray) else repr(x) for x in args)


def rephrased(error: Exception, message: str) -> Exception:
    """An exception with a better message that the handlers written for `error` still catch."""
    for kind in type(error).__mro__:
        if kind in (
            np.exceptions.AxisError,
            ValueError,
            TypeError,
            IndexError,
            ZeroDivisionError,
            FloatingPointError,
            OverflowError,
            np.linalg.LinAlgError,
            CaptureError,
            DerivativeError,
            StaleGraphError,
            NotImplementedError,
            MemoryError,
            RuntimeError,
        ):
            return kind(message)  # type: ignore[no-any-return]  # each of these takes one text
    return TypeError(message) if isinstance(error, AttributeError) else RuntimeError(message)


def name_call(error: Exception, called: str) -> None:
    """Put the call before the text of an error that does not name it."""
    if called.removeprefix("np.") in str(error) or not isinstance(error, _OF_CALLS):
        return
    if isinstance(error, np.exceptions.AxisError):
        text = called if error.axis is not None else f"{called}: {error}"
        error._msg = text  # type: ignore[attr-defined]  # NumPy's prefix, which it reads itself
    else:
        text = f"{called}: {error}"
        error.args = (text,)
        if isinstance(error, TypeError) and str(error) != text:
            error.__class__ = _WithText  # NumPy's UFuncTypeErrors make their text anew


_WithText: Any = type("TypeError", (TypeError,), {"__module__": "builtins"})
_OF_CALLS = (TypeError, ValueError, IndexError, ZeroDivisionError, OverflowError)


def line_of(node: Any) -> str:
    """ " at train.py:12 in loss" if the line of the user's program that made the node is known, else ""."""
    return f" at {node.mode.line}" if node.mode.line else ""


def not_called(error: BaseException) -> bool:
    """Whether a call failed before the function began: the arguments do not fit its signature."""
    return (
        isinstance(error, TypeError) and error.__traceback__ is not None and not error.__traceback__.tb_next
    )


def without_inner_name(error: BaseException) -> str:
    """The text of an error without the name of the function of ours that did not take its arguments.

    >>> without_inner_name(TypeError("_make.<locals>.rule() takes 1 positional argument but 2 were given"))
    'takes 1 positional argument but 2 were given'
    """
    text = re.sub(r"^\S*\(\) (?=takes|got|missing)", "", str(error))
    unknown = re.search(_UNKNOWN, text)
    remedy = unknown and instead(unknown[1], (), KEYWORDS)
    return f"{text}: {remedy}" if remedy else text


# Tracebacks

_ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_OURS = (*(os.path.join(_ROOT, name, "") for name in ("minigrad", "models", "optim")), "<minigrad program")
_HELPERS = (os.path.dirname(os.path.abspath(np.__file__)), contextlib.__file__, functools.__file__)


def entry(f: F) -> F:
    """A public function: exceptions that leave it show no frames of ours."""

    @functools.wraps(f)
    def called(*args: Any, **kwargs: Any) -> Any:
        try:
            return f(*args, **kwargs)
        except Exception as error:
            if not_called(error):
                error.args = (_with_remedy(f, str(error), args),)
            hide_our_frames(error)
            raise

    return called  # type: ignore[return-value]  # it has the signature of f


def _with_remedy(f: Callable[..., Any], text: str, args: tuple[Any, ...]) -> str:
    """Python's text for arguments that do not fit a function of ours, and what to write instead."""
    if not re.match(r"\S+\(\) (takes|got|missing)", text) or text.endswith("."):
        return text  # an inner entry has said what to write
    import inspect  # takes long to import, and is needed for an error only

    call = re.sub(r"^(ArrayLike|Leaving)\.", "Tensor.", f.__qualname__.rpartition("<locals>.")[2])
    call, text = call.removesuffix(".__init__"), text.removeprefix(f.__qualname__)
    if twice := re.search(_TWICE, text):
        own = instead(f"{call.rpartition('.')[2]}.{twice[1]}", (), KEYWORDS)
        text = f"{text} (by place, and by name)" + (f": {own}" if own else "")
    given = {name: p for name, p in inspect.signature(f).parameters.items() if name != "self"}
    if unknown := re.search(_UNKNOWN, text):
        remedy = unexpected(call, unknown[1], given) or f"it takes {', '.join(given) or 'nothing'}"
        return f"{call}{text}: {as_sentence(remedy)}"
    needed = [
        f"{name}=..." if p.kind is p.KEYWORD_ONLY else str(p).partition(":")[0]
        for name, p in given.items()
        if p.kind is not p.KEYWORD_ONLY or p.default is p.empty or len(given) < 6
    ]
    owner, _, method = call.rpartition(".")
    if owner and args and not any(kind.__name__ == owner for kind in type(args[0]).__mro__):
        return f"{call}() is a method of an object: write object.{method}({', '.join(needed)})."
    return f"{call}{text}; write {call}({', '.join(needed)})."


_TWICE = r"got multiple values for argument '(\w+)'"  # Python compiles these when an error needs them
_UNKNOWN = r"unexpected keyword argument '(\w+)'"


def unexpected(call: str, name: str, known: Iterable[str]) -> str:
    """What to write instead of an option that `call` does not have; "" if there is no guess.

    >>> unexpected("Tensor.sum", "dim", ["axis", "keepdims"])
    'axes are called as in NumPy, write axis=0'
    """
    own = f"{call.rpartition('.')[2]}.{name}"
    return instead(own, (), KEYWORDS) or instead(name, known, KEYWORDS)


def as_sentence(remedy: str) -> str:
    return remedy if remedy.endswith("?") else f"{remedy}."


def hide_our_frames(error: BaseException) -> None:
    """Take our frames out of the traceback of an exception that is about to leave us, and of its causes.

    So are the frames of NumPy that we called. A cause that only repeats in NumPy's words what the error says
    goes as well. The bare `raise` that follows adds no frame of its own.
    """
    if os.environ.get("MINIGRAD_TRACEBACK") == "full":
        return
    seen: set[int] = set()
    while id(error) not in seen:
        seen.add(id(error))
        error.__traceback__ = _users(error.__traceback__)
        cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        if cause is None:
            return
        if _users(cause.__traceback__) is None and str(cause) in str(error):
            error.__cause__ = None  # this suppresses the context too
            return
        error = cause


def _users(traceback: TracebackType | None) -> TracebackType | None:
    """The traceback without our frames, and without those of NumPy that follow ours."""
    kept: list[TracebackType] = []
    within = False
    while traceback is not None:
        file = traceback.tb_frame.f_code.co_filename
        if file == "<string>":  # the __init__ of a dataclass belongs to the file of its class
            file = traceback.tb_frame.f_globals.get("__file__", file)
        within = file.startswith(_OURS) or (within and file.startswith(_HELPERS))
        if not within:
            kept.append(traceback)
        traceback = traceback.tb_next
    found = None
    for each in reversed(kept):
        found = TracebackType(found, each.tb_frame, each.tb_lasti, each.tb_lineno)
    return found
