"""Text that we have put together becomes Python here. Equal texts are compiled once.

Python's compiler takes a fifth of the time of a small net's capture, and equal nets have equal programs: a
text names what it reads, `c0` or `g1`, and holds no object itself. Whoever runs a text gives a scope with
these objects, so that programs share code and nothing else.
"""

from __future__ import annotations

import itertools
import linecache
import weakref
from functools import lru_cache
from types import CodeType
from typing import Any, ClassVar

__all__ = ["Shown", "defined", "evaluated"]

MOST = 256  # texts that are kept, each of at most LONGEST characters
LONGEST = 1 << 16
_numbered = itertools.count()


def defined(text: str, scope: dict[str, Any]) -> CodeType:
    """Run definitions in `scope`, where they stay; returns their code."""
    code = _code(text, "exec")
    exec(code, scope)  # our own text
    return code


def evaluated(text: str, scope: dict[str, Any] | None = None) -> Any:
    """The value of an expression.

    >>> evaluated("x + 1", {"x": 2})
    3
    """
    return eval(_code(text, "eval"), {} if scope is None else scope)  # our own text


def _code(text: str, kind: str) -> CodeType:
    return _kept(text, kind) if len(text) <= LONGEST else _compiled(text, kind)


def _compiled(text: str, kind: str) -> CodeType:
    return compile(text, f"<minigrad program {next(_numbered)}>", kind)  # type: ignore[no-any-return]  # of any mode


_kept = lru_cache(maxsize=MOST)(_compiled)


class Shown:
    """As long as somebody holds this, tracebacks show the lines of a text. Programs of one code share it."""

    __slots__ = ("__weakref__",)
    _known: ClassVar[weakref.WeakValueDictionary[str, Shown]] = weakref.WeakValueDictionary()

    @classmethod
    def of(cls, code: CodeType, text: str) -> Shown:
        name = code.co_filename
        shown = cls._known.get(name)
        if shown is None:
            shown = cls._known[name] = cls()
            linecache.cache[name] = (len(text), None, text.splitlines(True), name)
            weakref.finalize(shown, linecache.cache.pop, name, None).atexit = False
        return shown
