"""The arguments of a compiled function: arrays, which are traced, and the rest, which selects a capture.

Names: `key` selects a capture (by structure, shapes, dtypes, Python numbers), `values` the arrays.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minigrad.leaving import present
from minigrad.replay.code import defined, evaluated
from minigrad.tensor import Tensor
from minigrad.trees import flatten

__all__ = ["any_live", "key_of", "matcher", "packer", "plain", "traced"]


def key_of(tree: Any, values: list[Any], call: str) -> Any:  # noqa: C901  # one branch for each kind of value
    """The key of a tree of arguments; its arrays are appended to `values`, in the order of `flatten`.

    Raises:
        TypeError: the tree holds something that is neither an array nor hashable.
    """
    kind = tree.__class__
    if kind is np.ndarray:
        values.append(tree)
        return (tree.shape, tree.dtype)
    if kind is tuple or kind is list:
        return (kind, *[key_of(x, values, call) for x in tree])
    if kind is dict:
        return (kind, *[(k, key_of(x, values, call)) for k, x in tree.items()])
    if isinstance(tree, Tensor):
        values.append(tree)
        return (Tensor, tree.primal.shape, tree.primal.dtype)
    if isinstance(tree, np.generic):
        values.append(np.asarray(tree))
        return ((), tree.dtype)
    if isinstance(tree, np.ndarray):
        if isinstance(tree, np.ma.MaskedArray | np.matrix):
            raise TypeError(f"{call} takes plain arrays, got a {kind.__name__}; convert it first.")
        return key_of(np.asarray(tree), values, call)
    if isinstance(tree, tuple | list | dict):
        items = tree.items() if isinstance(tree, dict) else enumerate(tree)
        return (kind, *[(k, key_of(x, values, call)) for k, x in items])
    if isinstance(tree, float | complex):
        return (kind, repr(tree))  # the text tells −0.0 from 0.0, and that of NaN equals itself
    if present(tree) is not tree:
        return key_of(present(tree), values, call)
    try:
        hash(tree)
    except TypeError:
        raise TypeError(
            f"{call} takes arrays, Tensors, numbers, trees of them, and hashable values, got "
            f"{kind.__name__}: {tree!r:.60}."
        ) from None
    return (kind, tree)


def any_live(values: Sequence[Any]) -> bool:
    return any(isinstance(v, Tensor) and v.active for v in values)


def traced(tree: Any, f: Any) -> tuple[list[Any], list[str], Callable[[Sequence[Any]], Any]]:
    """The arrays in (args, kwargs), names for them, and the function that puts others in their place."""
    leaves, build = flatten(tree)
    at = [i for i, x in enumerate(leaves) if isinstance(x, np.ndarray | np.generic | Tensor)]

    def rebuilt(new: Sequence[Any]) -> Any:
        filled = list(leaves)
        for i, x in zip(at, new, strict=True):
            filled[i] = x
        return build(filled)

    # for `reached`: an object among the arguments has attributes
    rebuilt.others = [x for i, x in enumerate(leaves) if i not in at]  # type: ignore[attr-defined]  # functions carry attributes

    code = getattr(getattr(f, "__wrapped__", f), "__code__", None)
    first = code.co_varnames[: code.co_argcount] if code else ()
    args, kwargs = tree
    paths: list[str] = []
    for i, x in enumerate(args):
        _paths(x, first[i] if i < len(first) else f"x{i}", paths)
    for k, x in kwargs.items():
        _paths(x, k, paths)
    return [leaves[i] for i in at], [paths[i] for i in at], rebuilt


def _paths(tree: Any, path: str, paths: list[str]) -> None:
    items = (
        tree.items()
        if isinstance(tree, dict)
        else enumerate(tree)
        if isinstance(tree, tuple | list)
        else None
    )
    if items is None:
        if tree is not None:
            paths.append(path)
        return
    for k, x in items:
        _paths(x, f"{path}_{k}", paths)


def plain(values: Sequence[Any]) -> list[Any]:
    """The values, with each Tensor replaced by its array."""
    return [v.primal if isinstance(v, Tensor) else v for v in values]


# The short way: code generated for one structure. A general walk over trees takes microseconds, this code a
# fraction of one; on the smallest nets that counts.


def matcher(key: Any) -> Callable[[tuple[Any, ...]], Any]:
    """A function that returns the arrays in arguments of exactly this key (see `key_of`), else None.

    After None the caller takes the general way. If the key has anything but plain tuples, lists, dicts and
    arrays, the function always returns None.

    >>> arrays = matcher((tuple, ((2,), np.dtype(float)), (list, ((3,), np.dtype(float)))))
    >>> arrays((np.ones(2), [np.ones(3)])), arrays((np.ones(2), [np.ones(4)]))
    ((array([1., 1.]), array([1., 1., 1.])), None)
    """
    names = (f"a{i}" for i in itertools.count())
    scope: dict[str, Any] = {"ndarray": np.ndarray}
    lines: list[str] = []
    arrays: list[str] = []

    def unless(condition: str) -> None:
        lines.append(f"    if {condition}: return None")

    def take(key: Any, name: str) -> bool:
        kind, *inner = key
        if kind.__class__ is tuple:  # the shape of an array
            (known,) = inner
            dtype = f"d{known.num}"
            if scope.setdefault(dtype, known) is not known:
                return False
            unless(
                f"{name}.__class__ is not ndarray or {name}.shape != {kind} or {name}.dtype is not {dtype}"
            )
            arrays.append(name)
            return True
        parts = [next(names) for _ in inner]
        source = name
        if kind is dict:
            words = [word for word, _ in inner]
            if not all(word.__class__ is str for word in words):
                return False
            unless(f"{name}.__class__ is not dict or [*{name}] != {words!r}")
            inner, source = [x for _, x in inner], f"{name}.values()"
        elif kind is tuple or kind is list:
            unless(f"{name}.__class__ is not {kind.__name__} or len({name}) != {len(inner)}")
        else:
            return False
        if parts:
            lines.append(f"    {', '.join(parts)}, = {source}")
        return all(map(take, inner, parts))

    if not take(key, "args"):
        return lambda args: None
    text = "\n".join(["def match(args):", *lines, f"    return ({''.join(f'{a}, ' for a in arrays)})"])
    defined(text, scope)
    return scope["match"]  # type: ignore[no-any-return]  # the function just defined


def packer(build: Callable[[Sequence[Any]], Any], n: int) -> Callable[[Sequence[Any]], Any]:
    """`build`, which makes a tree of n leaves, as one expression if it makes plain tuples, lists and dicts.

    >>> packer(lambda leaves: {"loss": leaves[0], "rest": (leaves[1], [])}, 2)([5.0, 6.0])
    {'loss': 5.0, 'rest': (6.0, [])}
    """
    text = _text(build([_Leaf(f"y[{i}]") for i in range(n)]))
    return build if text is None else evaluated(f"lambda y: {text}")  # type: ignore[no-any-return]  # a function


class _Leaf:
    def __init__(self, text: str) -> None:
        self.text = text


def _text(tree: Any) -> str | None:
    if isinstance(tree, _Leaf):
        return tree.text
    kind = tree.__class__
    if kind in (tuple, list):
        parts = [_text(x) for x in tree]
        if None in parts:
            return None
        inner = "".join(f"{part}, " for part in parts)
        return f"({inner})" if kind is tuple else f"[{inner}]"
    if kind is dict and all(k.__class__ is str for k in tree):
        values = [_text(x) for x in tree.values()]
        return (
            None
            if None in values
            else "{" + ", ".join(f"{k!r}: {v}" for k, v in zip(tree, values, strict=True)) + "}"
        )
    return "None" if tree is None else None
