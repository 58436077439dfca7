"""What a compiled function is called with: the arrays to trace, and the rest, on which a capture depends.

Names: `key` what of the arguments a capture depends on (structure, shapes, dtypes, numbers), `values` the arrays in them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minigrad.tensor import Tensor
from minigrad.trees import flatten

__all__ = ["any_live", "key_of", "plain", "traced"]


def key_of(tree: Any, values: list[Any], call: str) -> Any:
    """What a capture depends on; the arrays are added to `values`, in the order of `flatten`."""
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
        return (kind, repr(tree))  # tells −0.0 from 0.0, and NaN is itself
    try:
        hash(tree)
    except TypeError:
        raise TypeError(
            f"{call} takes arrays, Tensors, numbers, trees of them, and hashable values, got {kind.__name__}: {tree!r:.60}."
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

    code = getattr(f, "__code__", None)
    first = code.co_varnames[: code.co_argcount] if code else ()
    args, kwargs = tree
    paths: list[str] = []
    for i, x in enumerate(args):
        _paths(x, first[i] if i < len(first) else f"x{i}", paths)
    for k, x in kwargs.items():
        _paths(x, k, paths)
    return [leaves[i] for i in at], [paths[i] for i in at], rebuilt


def _paths(tree: Any, path: str, paths: list[str]) -> None:
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, tuple | list) else None
    if items is None:
        if tree is not None:
            paths.append(path)
        return
    for k, x in items:
        _paths(x, f"{path}_{k}", paths)


def plain(values: Sequence[Any]) -> list[Any]:
    """The arrays themselves, out of Tensors."""
    return [v.primal if isinstance(v, Tensor) else v for v in values]
