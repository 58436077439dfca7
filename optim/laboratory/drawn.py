"""The drawing of an update rule, with room for a number in each box, and which number that is.

`draw` splits a long rule into formulas. It calls those that the rule has not named u₁, u₂, ...; their numbers
are found by the positions of their operations among all that the rule makes, in their order.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

import minigrad
from minigrad import Tensor
from minigrad.extend import PAGE, Drawing, recorded_rule, symbol
from optim.base.first_order import FirstOrder

__all__ = ["DrawnRule", "drawn_rule", "operations"]

WIDEST = "−0.000000e−00"  # of the numbers in the boxes


@dataclass(frozen=True)
class DrawnRule:
    """A rule as SVG. `boxes` has, by box, the ("before", "m") that the rule is given or the ("after", "m")
    that it makes; `unnamed` the positions of what is called u_1, u_2, ... there. `first` is the rule of the
    first step, where that is another, as b = g of a heavy ball."""

    svg: str
    boxes: dict[str, tuple[str, str]]
    unnamed: Sequence[int]
    first: DrawnRule | None = None


def drawn_rule(optimizer: FirstOrder) -> DrawnRule:
    """The drawing of a rule, as it is after its first step, and of the first."""
    later = _drawn(_Rule(optimizer, dict.fromkeys(optimizer.scalars, 1)))
    first = _drawn(_Rule(optimizer, optimizer.scalars)) if 0 in optimizer.scalars.values() else later
    return later if first == later else replace(later, first=first)


def _drawn(rule: _Rule) -> DrawnRule:
    options = {"show": "value", "direction": "down"}
    picture = minigrad.draw(rule, fold="formulas", **options).picture
    whole = [node.id for node in minigrad.draw(rule, fold=None, **options).picture.nodes if node.kind == "op"]
    boxes, unnamed = {}, []
    for node in picture.nodes:
        name = node.label.partition(" = ")[0]
        if name in rule.names:
            boxes[f"n{node.id}"] = rule.names[name]
        elif node.kind == "op":
            unnamed.append(whole.index(max(node.members)))
            boxes[f"n{node.id}"] = ("after", f"u_{len(unnamed)}")
    wide = replace(picture, title="", nodes=[replace(node, value=WIDEST) for node in picture.nodes])
    return DrawnRule(_trimmed(Drawing(wide, fold=None, theme=PAGE).svg), boxes, unnamed)


def _trimmed(svg: str) -> str:
    """Without titles, arrows that no rule has, and the legend, whose numbers the page shows beside their
    sliders; and with boxes that are empty until the page fills them."""
    rule, _, legend = svg.rpartition('<g transform="translate(0 ')
    bottom = legend.partition(")")[0]  # where the legend begins
    rule = re.sub(r'(?s)<title>.*?</title>|<marker id="arrow-(?:backward|tangent)".*?</marker>', "", rule)
    rule = re.sub(
        r'height="[\d.]+" viewBox="0 0 ([\d.]+) [\d.]+"',
        rf'height="{bottom}" viewBox="0 0 \1 {bottom}"',
        rule,
        count=1,
    )
    return f"{rule.replace(f'= {WIDEST}', '')}</svg>"


def operations(results: Iterable[Any], given: Iterable[Any]) -> list[Tensor]:
    """What a rule makes from what it is given, in the order in which it does so."""
    known, found, waiting = set(map(id, given)), [], list(results)
    while waiting:
        y = waiting.pop()
        if not isinstance(y, Tensor) or id(y) in known:
            continue
        known.add(id(y))
        waiting.extend(y.inputs)
        if y.op is not None:
            found.append(y)
    return sorted(found, key=lambda y: y.index)


class _Rule:
    """The rule of the first group, recorded on one weight, for `draw`; `names` has the boxes it names."""

    def __init__(self, optimizer: FirstOrder, scalars: Mapping[str, Any]) -> None:
        (group,) = optimizer.param_groups[:1]
        vectors = ("w", "g", *group.state)
        starts = {name: Tensor(np.ones(1), name=name) for name in vectors}
        numbers = {**group.for_rule, **scalars, "t": 2}
        with np.errstate(all="ignore"):
            out, _, _ = recorded_rule(lambda v, n: optimizer.rule(*v.values(), **n), starts, numbers)
        given = set(map(id, starts.values()))
        out = {
            name: np.positive(y) if id(y) in given else y for name, y in out.items()
        }  # b = g gets a box too
        self._made = {name: y for name, y in out.items() if isinstance(y, Tensor) and y.op is not None}
        for name, y in self._made.items():
            y.name = name
        self._starts = starts
        self.names = {symbol(name): ("before", name) for name in (*starts, *optimizer.scalars)}
        self.names |= {symbol(name) + "′" * (name in starts): ("after", name) for name in self._made}
        self.names["g"] = ("after", "g")  # the slope is among the numbers of the step

    def recorded(self) -> dict[str, Tensor]:
        return {f"{name}′": y for name, y in self._made.items() if name in self._starts}
