"""A captured function in stages: lines whose inputs are known early run once, and only the rest runs again.

Each value is computed in the first stage whose outputs need it. But nothing that is known before the last
stage is left to the last stage, because that one runs many times. With one stage this is just a program.

Names: `known` the earliest stage in which all operands of a line are there, `asked` the first in which it is
needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

from minigrad.errors import StaleGraphError
from minigrad.replay.lines import Input, Line, Lines, Variable
from minigrad.replay.passes import premultiply
from minigrad.replay.printing import printing
from minigrad.replay.program import Program

__all__ = ["Run", "Stages", "put_in_stages"]


class Stages:
    """Programs, one for each stage.

    Args:
        lines: of the whole function; its `outputs` are those of all stages, joined.
        inputs: for each stage, the inputs that are given to it.
        counts: for each stage, how many of the outputs are its own.
        into: output number (of the first stage) → array to write it to.
    """

    def __init__(
        self,
        lines: Lines,
        inputs: Sequence[Sequence[Input]],
        counts: Sequence[int],
        into: dict[int, Any] | None = None,
    ) -> None:
        last = len(counts) - 1
        if last:
            put_in_stages(lines, inputs, counts)
            lines = premultiply(lines, last)
        wanted = [lines.outputs[end - n : end] for n, end in zip(counts, accumulate(counts), strict=True)]
        by_stage: list[list[Line]] = [[] for _ in counts]
        for line in lines.lines:
            by_stage[line.stage].append(line)
        given: list[list[Any]] = []
        for s, part in enumerate(by_stage):
            used = [x for line in part for x in line.args] + wanted[s] if s else []
            given.append(
                list({id(x): x for x in used if isinstance(x, (Line, Input)) and x.stage < s}.values())
            )
        keeps = [
            list({id(x): x for later in given[s + 1 :] for x in later if x.stage == s}.values())
            for s in range(len(counts))
        ]
        place = {id(x): (s, i) for s, kept in enumerate(keeps) for i, x in enumerate(kept)}
        self.places = [[place[id(x)] for x in group] for group in given]
        self.programs = [
            Program(
                by_stage[s],
                inputs[s],
                wanted[s],
                given=given[s],
                keeps=keeps[s],
                into=into if s == 0 else None,
            )
            for s in range(len(counts))
        ]
        self.keeps = [bool(kept) for kept in keeps]
        leaves = {id(x.leaf): x.leaf for line in lines.lines for x in line.args if isinstance(x, Variable)}
        self.variables = list(leaves.values())

    def start(self) -> Run:
        return Run(self)


def put_in_stages(lines: Lines, inputs: Sequence[Sequence[Input]], counts: Sequence[int]) -> None:
    """Give every line and input its stage."""
    last = len(counts) - 1
    known: dict[int, int] = {id(x): s for s, group in enumerate(inputs) for x in group}
    for line in lines.lines:
        known[id(line)] = max((known.get(id(x), 0) for x in line.args), default=0)
    asked: dict[int, int] = {}
    owner = [s for s, n in enumerate(counts) for _ in range(n)]
    for s, y in zip(owner, lines.outputs, strict=True):
        asked[id(y)] = min(asked.get(id(y), s), s)
    for line in reversed(lines.lines):
        stage = asked.get(id(line), last) if printing(line.op).deterministic else 0
        line.stage = max(known[id(line)], min(stage, last - 1))
        for x in line.args:
            asked[id(x)] = min(asked.get(id(x), line.stage), line.stage)
    for s, group in enumerate(inputs):
        for x in group:
            x.stage = s


class Run:
    """One pass through the stages: `run(s, arrays)` gives the results of stage s.

    The stages run in order, each once, but the last as often as needed. Variables must not change in between.
    """

    __slots__ = ("_given", "_indices", "_kept", "_stages")

    def __init__(self, stages: Stages) -> None:
        self._stages = stages
        self._kept: list[Any] = [()] * len(stages.programs)
        self._given: list[Any] = [None] * len(stages.programs)
        self._indices = [leaf.index for leaf in stages.variables]

    def __call__(self, s: int, arrays: Sequence[Any] = ()) -> Any:
        stages = self._stages
        if s:
            for leaf, index in zip(stages.variables, self._indices, strict=True):
                if leaf.index != index:
                    raise StaleGraphError(
                        f"{leaf.name or f'a leaf of shape {leaf.shape}'} was changed after this "
                        "linearization was made; make it again at the new point."
                    )
            if self._given[s] is None:
                self._given[s] = tuple(self._kept[stage][i] for stage, i in stages.places[s])
            given = self._given[s]
            found = stages.programs[s](*arrays, given) if given else stages.programs[s](*arrays)
        else:
            found = stages.programs[0](*arrays)
        if stages.keeps[s]:
            found, self._kept[s] = found
        return found
