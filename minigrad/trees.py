"""Nested dicts, lists and tuples of arrays, flattened to a list and built again."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any

import numpy as np

from minigrad.leaving import present

__all__ = ["flatten", "leaves_like", "only", "tree_map"]


def flatten(tree: Any) -> tuple[list[Any], Callable[[Sequence[Any]], Any]]:
    """The leaves of a tree in a fixed order, and the function that builds the same tree from other leaves.

    Dicts keep their own order; named tuples and subclasses of dict stay what they are; None is an empty tree.

    >>> leaves, build = flatten({"w": 1, "b": [2, 3]})
    >>> leaves, build([10, 20, 30])
    ([1, 2, 3], {'w': 10, 'b': [20, 30]})
    """
    if tree.__class__ is np.ndarray:  # nearly always
        return [tree], only
    if isinstance(tree, dict):
        keys, like = tuple(tree), None
        if type(tree) is not dict:
            like = copy.copy(tree)
            dict.update(like, dict.fromkeys(keys))  # a copy that keeps no values alive
        return _joined(list(tree.values()), lambda parts: _dict(keys, parts, like))
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return _joined(list(tree), getattr(tree, "_make"))  # noqa: B009  # tuple itself has no such attribute
    if isinstance(tree, list | tuple):
        return _joined(list(tree), type(tree))
    if tree is None:
        return [], lambda leaves: None
    return [present(tree)], only


only = itemgetter(0)
"""Build the tree that is one leaf."""


def _dict(keys: tuple[Any, ...], parts: list[Any], like: Any) -> Any:
    """A dict of the parts, of the class of `like` and with its attributes if it is given."""
    made = {} if like is None else copy.copy(like)
    dict.update(made, zip(keys, parts, strict=True))
    return made


def _joined(
    children: list[Any], make: Callable[[list[Any]], Any]
) -> tuple[list[Any], Callable[[Sequence[Any]], Any]]:
    leaves: list[Any] = []
    builders: list[tuple[int, int, Callable[[Sequence[Any]], Any]]] = []
    for child in children:
        part, build = flatten(child)
        builders.append((len(leaves), len(leaves) + len(part), build))
        leaves += part
    return leaves, lambda new: make([build(new[start:stop]) for start, stop, build in builders])


def tree_map(f: Callable[..., Any], tree: Any, *others: Any) -> Any:
    """The tree of `f` applied to the leaves of `tree` and the matching leaves of `others`.

    >>> tree_map(lambda a, b: a + b, {"x": 1}, {"x": 2})
    {'x': 3}
    """
    leaves, build = flatten(tree)
    rest = [leaves_like(t, tree, "tree_map: each tree") for t in others]
    return build([f(*group) for group in zip(leaves, *rest, strict=True)])


def leaves_like(tree: Any, like: Any, what: str) -> list[Any]:
    """The leaves of `tree` in the order of `like`'s, which must have the same structure; dicts are matched by
    key.

    Raises:
        ValueError: the structures differ; `what` begins the message.

    >>> leaves_like({"b": 2, "a": 1}, {"a": 0, "b": 0}, "the tree")
    [1, 2]
    """
    if isinstance(like, dict):
        if not isinstance(tree, dict) or tree.keys() != like.keys():
            got = sorted(map(str, tree)) if isinstance(tree, dict) else type(tree).__name__
            raise ValueError(
                f"{what} must have the structure of the values: a dict of {sorted(map(str, like))}, got "
                f"{got}."
            )
        return [leaf for key in like for leaf in leaves_like(tree[key], like[key], what)]
    if isinstance(like, list | tuple):
        if not isinstance(tree, list | tuple) or len(tree) != len(like):
            got = f"{len(tree)} of them" if isinstance(tree, list | tuple) else type(tree).__name__
            raise ValueError(
                f"{what} must have the structure of the values: {len(like)} in a {type(like).__name__}, got "
                f"{got}."
            )
        return [leaf for t, x in zip(tree, like, strict=True) for leaf in leaves_like(t, x, what)]
    if isinstance(tree, dict | list | tuple) and like is None:
        raise ValueError(f"{what} must have the structure of the values: None, got {type(tree).__name__}.")
    return [] if like is None else [present(tree)]
