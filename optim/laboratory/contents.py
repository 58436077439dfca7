"""What a page of the lab holds, as plain data: problems, methods, and presets that open it at a moment.

A `Measure` is a number that the page finds by its own run. How it does so is said by a word and its settings,
because no page may run code that it reads as text; the words are those of `viewer/measures.js`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

__all__ = ["Measure", "Method", "Preset", "Problem", "plain"]


@dataclass(frozen=True)
class Problem:
    """A loss to walk on.

    script: the printed loss. start: the first θ. says: a sentence about it. region: ((x from, x to), (y from,
    y to)) of the map; None fits it to the walks. minima: points to mark. view: how a net is drawn, and
    `forward`, what it computes, printed.
    """

    name: str
    script: str
    start: Sequence[float]
    says: str = ""
    region: Sequence[Sequence[float]] | None = None
    minima: Sequence[Sequence[float]] = ()
    view: Mapping[str, Any] | None = None
    forward: str = ""


@dataclass(frozen=True)
class Method:
    """An optimizer, by its `name`, and its `label`, which no other method of the page has.

    It is "first" of first order, by the name of its printed `rule` and the `numbers` to run it with; or
    "newton" or "newton-cg", with `settings`. `state` and `counters` are those of a training that goes on.
    """

    label: str
    name: str
    kind: str
    rule: str = ""
    numbers: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    state: Any = None
    counters: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Measure:
    """A number that the page measures, and what it should be: it holds if they differ by at most
    `tolerance`."""

    what: str
    word: str
    settings: Mapping[str, Any]
    expected: float
    tolerance: float = 0.0


@dataclass(frozen=True)
class Preset:
    """A moment of the lab: who walks where, how far, and what to look at.

    methods: labels of methods, with the numbers or settings that differ from theirs; `chosen` is the position
    of the one whose numbers are shown. t: the step that is shown, of `steps`. panel: "inside", "model",
    "stability" or "measured". axis: "steps", or "costs" in gradients.
    """

    name: str
    says: str
    problem: str
    methods: Sequence[tuple[str, Mapping[str, Any]]]
    start: Sequence[float] | None = None
    t: int = 0
    steps: int = 100
    panel: str = "inside"
    axis: str = "steps"
    chosen: int = 0
    coordinate: int = 0
    measures: Sequence[Measure] = ()


def plain(thing: Problem | Method | Preset) -> dict[str, Any]:
    """As JSON may hold it, without the printed scripts."""
    return {k: v for k, v in asdict(thing).items() if k not in ("script", "forward")}
