"""The levels of detail: a whole graph, folded as far as its reader wants or needs it."""

from __future__ import annotations

from minigrad.drawing.graph.fold import leading, repeats, with_clusters
from minigrad.drawing.graph.formulas import formulas, renumbered
from minigrad.drawing.graph.inside import inside
from minigrad.drawing.graph.modules import deepest, modules
from minigrad.drawing.picture import Picture
from minigrad.drawing.recurrence import steps

__all__ = ["FOLDS", "PARAMETERS", "folded", "levels"]

FEW = 150  # boxes up to which "auto" draws all modules open
SAVED = 30  # boxes that "auto" wants to save by folding repetitions
FOLDS = ("auto", "formulas", "repeats", "modules", None)
PARAMETERS = ("inside", "outside")


def folded(picture: Picture, fold: str | None, parameters: str = "inside") -> Picture:
    """The picture at a level of detail.

    None shows every operation, "formulas" one box for each line of calculus; "repeats" and "modules" fold
    further; "auto" folds as far as a readable picture needs. `parameters` tells whether they stand inside the
    box of their operation; of None, which draws every leaf, they never do.
    """
    return with_clusters(leading(picture)) if fold is None else _finished(_folded(picture, fold, parameters))


def _finished(picture: Picture) -> Picture:
    """A folded picture with its letters counted from 1, and with frames; a recurrence has some for each
    step."""
    return renumbered(with_clusters(picture, steps(picture)))


def _folded(picture: Picture, fold: str, parameters: str) -> Picture:
    small = leading(formulas(picture))
    if parameters == "inside":
        small = inside(small)
    if fold == "modules":
        return repeats(modules(small))
    if fold in ("repeats", "auto"):
        fewer = repeats(small)
        wanted = SAVED if fold == "auto" and len(small.nodes) <= FEW else 0
        small = fewer if len(small.nodes) - len(fewer.nodes) >= wanted else small
    if fold == "auto" and len(small.nodes) > FEW:
        small = repeats(modules(small))
    return small


def levels(picture: Picture, parameters: str = "inside") -> list[tuple[str, Picture]]:
    """The names and pictures of all levels, from the most detailed; one that changes nothing is left out.
    Nested modules have a level for each depth."""
    plain = _folded(picture, "formulas", parameters)
    deep = [(f"modules to depth {depth}", modules(plain, depth)) for depth in range(deepest(plain), 1, -1)]
    smaller = [
        ("repeats folded", _folded(picture, "repeats", parameters)),
        *deep,
        ("modules", _folded(picture, "modules", parameters)),
    ]
    smaller.sort(key=lambda level: -len(level[1].nodes))
    smaller = [(name, _finished(small)) for name, small in [("formulas", plain), *smaller]]
    found: list[tuple[str, Picture]] = []
    for name, small in (("operations", folded(picture, None)), *smaller):
        if not found or len(small.nodes) != len(found[-1][1].nodes):
            found.append((name, small))
    return found
