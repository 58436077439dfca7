"""Nests with the same loops become one, so that what only passes through an array stays a number.

Nests are taken group by group: all that have the same loops, whose operands are there, or are the very
elements that the group has just computed. Numbers come first, because they wait for nothing. Afterwards an
array that is read only where it is made is no array any more: its statement stores nothing (`passing`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from minigrad.loops.nests import Array, Nest, Statement

__all__ = ["fused", "passing"]


def fused(nests: Iterable[Nest]) -> list[Nest]:
    """The nests, in an order that computes the same, with those joined that can be."""
    waiting = [nest.over([a for a, n in enumerate(nest.extents) if n != 1]) for nest in nests]
    made: list[Nest] = []
    while waiting:
        # the first nest can always go; a number that can go too goes before it
        group = _group(waiting, ()) or _group(waiting, waiting[0].extents)
        made.append(Nest(group[0].extents, [s for nest in group for s in nest.body]).joined())
        taken = set(map(id, group))
        waiting = [nest for nest in waiting if id(nest) not in taken]
    return made


def _group(waiting: Sequence[Nest], extents: tuple[int, ...]) -> list[Nest]:
    """The nests with these loops that can run next, as one, in their order."""
    group: list[Nest] = []
    late: set[Array] = set()  # what has a writer that must run after the group
    read: set[Array] = set()  # what such a one still has to read
    inside: dict[Array, Statement] = {}  # what the group writes
    for nest in waiting:
        if nest.extents == extents and _fits(nest, late, read, inside):
            group.append(nest)
            inside |= {s.target.array: s for s in nest.body}
        else:
            late |= {s.target.array for s in nest.body}
            read |= {place.array for s in nest.body for place in s.read()}
    return group


def _fits(nest: Nest, late: set[Array], read: set[Array], inside: dict[Array, Statement]) -> bool:
    """Whether a nest may run in the group: nothing it reads comes later, nor is at another place inside."""
    for statement in nest.body:
        target = statement.target.array
        if target in late or target in read or target in inside:
            return False
        for place in statement.read():
            writer = inside.get(place.array)
            if place.array in late or (writer and (writer.combine or writer.target != place or place.by)):
                return False
    return True


def passing(nests: Sequence[Nest], kept: Iterable[Array] = ()) -> set[Array]:
    """The arrays that need no memory: each is written once, read only in that nest, and not the caller's."""
    homes: dict[Array, set[int]] = {}
    writers: dict[Array, int] = {}
    for at, nest in enumerate(nests):
        for statement in nest.body:
            target = statement.target.array
            writers[target] = writers.get(target, 0) + (2 if statement.combine else 1)
        for place in nest.places():
            homes.setdefault(place.array, set()).add(at)
    once = {array for array, n in writers.items() if n == 1 and len(homes[array]) == 1}
    return {array for array in once - set(kept) if not array.name}
