"""Calls of NumPy functions that are recorded as several operations: np.median, np.outer, np.stack.

A graph that was traced knows for each node the call of a NumPy function that made it (see `mode.traced`). If
only the result of a call is used, its nodes are one box, which has the name that the user called.

Names: `t` a Tensor, `made` the Tensors of one call.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from minigrad.calls import as_written
from minigrad.drawing.graph.notation import number_text
from minigrad.tensor import Tensor

__all__ = ["Called", "composed"]

LONGEST = 24  # characters of an option


class Called(NamedTuple):
    """A call: the name of the function, the arrays that it was given, with their keywords or "", its other
    arguments as they are written, and the indices of the Tensors between them and the result."""

    name: str
    inputs: tuple[Any, ...]
    words: tuple[str, ...]
    options: tuple[str, ...]
    inside: frozenset[int]


def composed(tensors: Mapping[int, Tensor], ends: Iterable[Tensor]) -> dict[int, Called]:
    """The calls of which only the result is used, by the index of the result."""
    groups: dict[int, list[Tensor]] = {}
    for t in tensors.values():
        call = getattr(t.mode, "call", None)
        if call is not None and t.inputs:
            groups.setdefault(id(call[1]), []).append(t)
    groups = {key: made for key, made in groups.items() if len(made) > 1}
    if not groups:
        return {}
    group_of = {t.index: key for key, made in groups.items() for t in made}
    used = {t.index for t in ends}
    for t in tensors.values():
        mine = group_of.get(t.index)
        used |= {
            x.index
            for x in t.inputs
            if isinstance(x, Tensor) and (mine is None or group_of.get(x.index) != mine)
        }
    found = {}
    for made in groups.values():
        results = [t for t in made if t.index in used]
        called = _called(results[0], made) if len(results) == 1 else None
        if called is not None:
            found[results[0].index] = called
    return found


def _called(result: Tensor, made: Iterable[Tensor]) -> Called | None:
    """The call that made these Tensors, unless it used another Tensor than those it was given."""
    function, args, kwargs = result.mode.call  # type: ignore[attr-defined]  # only traced nodes come here
    values = [*((None, x) for x in args), *kwargs.items()]
    given = [(x, word or "") for word, value in values for x in _arrays(value)]
    inputs, words = tuple(x for x, _ in given), tuple(word for _, word in given)
    known = {x.index for x in (*inputs, *made) if isinstance(x, Tensor)}
    if not all(x.index in known for t in made for x in t.inputs if isinstance(x, Tensor)):
        return None
    options = tuple(
        (f"{word}=" if word else "") + _text(value) for word, value in values if not list(_arrays(value))
    )
    inside = frozenset(t.index for t in made if t is not result)
    name = "matmul" if function is np.matmul else as_written(function)  # a @ b holds for vectors too
    return Called(name, inputs, words, options, inside)


def _arrays(value: Any) -> list[Any]:
    """The Tensors and arrays of an argument, also in a list."""
    values = value if isinstance(value, list | tuple) else [value]
    return [x for x in values if isinstance(x, Tensor | np.ndarray)]


def _text(value: Any) -> str:
    text = number_text(value) if isinstance(value, int | float) else " ".join(repr(value).split())
    return text if len(text) <= LONGEST else "…"
