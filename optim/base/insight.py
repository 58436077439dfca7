"""What an update rule computes, for people to look at: every intermediate by parameter, and the rule with the
numbers of one coordinate.

An update overwrites weights and state, so a step that has been taken can be looked at only if its `Inputs`
were copied before. The rule is a pure function: run on the copies it gives all that the step computed, with
the same bits.

Names: `mark` a character that stands for a name and a number until a line is written.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

import minigrad
from minigrad import Tensor
from minigrad.extend import as_sentence, instead, recorded_rule, symbol
from optim.base.groups import Array, ParamGroup, ParamSlice, Segment, Values

__all__ = ["Inputs", "LastStep", "Observer", "Work", "by_parameter", "explained", "inputs_of"]

Work = Sequence[tuple[ParamGroup, list[Segment]]]


class Observer(Protocol):
    """Is told of each step of an optimizer in whose `observers` it is."""

    def before(self, optimizer: Any, work: Work) -> None:
        """All gradients are known, and nothing has changed yet, nor may it be changed here; an exception
        prevents the step."""

    def after(self, optimizer: Any, loss: Tensor | None) -> None:
        """The step has been taken; `loss` is what `step` returns."""


class Ruled(Protocol):
    """The parts of a `FirstOrder` optimizer that describe its rule."""

    def rule(self, *args: Any, **kwargs: Any) -> Values: ...
    def divisor(self, state: Values, t: int, options: Values) -> Array | None: ...
    def rate(self, t: int, options: Values) -> float: ...


class Inputs(NamedTuple):
    """All that the update of a segment depends on."""

    slices: Sequence[ParamSlice]
    lo: int
    vectors: dict[str, Array]  # "w", "g" as the rule is given it, and the state
    numbers: Values  # the options and counters

    def of(self, param: ParamSlice) -> slice:
        return slice(param.lo - self.lo, param.hi - self.lo)


def inputs_of(group: ParamGroup, segment: Segment, copied: bool = False) -> Inputs:
    """The inputs of the update to come, as views that cannot be written to, or as copies."""
    lo, hi, counters = segment.lo, segment.hi, segment.counters
    w, *state = (vector[lo:hi] for vector in group.vectors)
    g = segment.gradient(group.options.get("maximize", False))
    vectors = {"w": w, "g": g, **dict(zip(group.state, state, strict=True))}
    if copied:
        vectors = {name: vector.copy() for name, vector in vectors.items()}
    for name, vector in vectors.items():
        if name != "g":  # which may be an array of the user's
            vector.flags.writeable = False
    return Inputs(segment.slices, lo, vectors, {**counters, "t": counters["t"] + 1, **group.for_rule})


def by_parameter(optimizer: Ruled, given: Sequence[Inputs]) -> dict[str, Values]:
    """The results of the rule, the gradient and the effective rate, by parameter, in its shape."""
    shown: dict[str, Values] = {}
    for inputs in given:
        out = _evaluated(optimizer, inputs)
        for param in inputs.slices:
            place = inputs.of(param)
            shown[param.name] = {
                key: value[place].reshape(param.shape).copy() if isinstance(value, np.ndarray) else value
                for key, value in out.items()
            }
    return shown


def _evaluated(optimizer: Ruled, inputs: Inputs) -> Values:
    numbers, vectors = inputs.numbers, inputs.vectors
    with np.errstate(all="ignore"):
        out = {"g": vectors["g"], **optimizer.rule(*vectors.values(), **numbers)}
        divisor = optimizer.divisor({**vectors, **out}, numbers["t"], numbers)
        if divisor is not None:
            out["lr_eff"] = optimizer.rate(numbers["t"], numbers) / divisor
    return out


class LastStep:
    """An observer that keeps the inputs of the last step."""

    def __init__(self) -> None:
        self.inputs: list[Inputs] | None = None
        self._coming: list[Inputs] = []

    def before(self, optimizer: Any, work: Work) -> None:
        self._coming = [inputs_of(group, segment, copied=True) for group, found in work for segment in found]

    def after(self, optimizer: Any, loss: Tensor | None) -> None:
        self.inputs = self._coming


# The rule with numbers

FIRST_MARK = 0xE000  # of the characters for private use


class _Written:
    """The rule on one coordinate, recorded with a mark for each name; `draw` writes its formulas."""

    def __init__(self, optimizer: Ruled, vectors: Values, numbers: Values) -> None:
        self._marked: list[tuple[str, Tensor]] = []  # in the order of their marks
        starts = {name: self._mark(name, Tensor(x)) for name, x in vectors.items()}

        def rule(v: Values, n: Values) -> Values:
            for name, number in n.items():
                for i, x in enumerate(number if isinstance(number, tuple) else [number]):
                    if isinstance(x, Tensor):
                        self._mark(f"{name}_{i + 1}" if isinstance(number, tuple) else name, x)
            return optimizer.rule(*v.values(), **n)

        out, _, _ = recorded_rule(rule, starts, numbers)
        self._results: dict[int, Tensor] = {}
        for name, y in out.items():
            if isinstance(y, Tensor) and y.op is not None and id(y) not in self._results:
                new = name in vectors or name in numbers
                self._results[id(y)] = self._mark(f"{name}′" if new else name, y)

    def _mark(self, name: str, x: Tensor) -> Tensor:
        x.name = chr(FIRST_MARK + len(self._marked))
        self._marked.append((name, x))
        return x

    def recorded(self) -> dict[str, Tensor]:
        return {str(y.name): y for y in self._results.values()}

    def lines(self) -> list[str]:
        """The lines of the rule, in the order in which they are computed."""
        names, numbers = {}, {}
        for i, (name, x) in enumerate(self._marked):
            names[chr(FIRST_MARK + i)], numbers[chr(FIRST_MARK + i)] = symbol(name), _text(x.numpy())
        found = []
        for box in minigrad.draw(self, fold="formulas", show="value").picture.nodes:
            result, _, formula = box.label.partition(" = ")
            value = box.value.strip("[]").replace("-", "−")
            if not formula:
                found.append(f"{names[result]} = {value}")
                continue
            numbers.setdefault(result, value)
            worked = _replaced(formula, {mark: _operand(number) for mark, number in numbers.items()})
            found.append(f"{names.get(result, result)} = {_replaced(formula, names)} = {worked} = {value}")
        return found


def explained(optimizer: Ruled, given: Sequence[Inputs], call: str, name: str, index: Any) -> str:
    """The lines of the rule for one coordinate: each result, its formula, that with numbers, its value."""
    inputs, param = _found(given, call, name)
    at = _index(call, param, index)
    k = inputs.of(param).start + (int(np.ravel_multi_index(at, param.shape)) if at else 0)
    one = {key: vector[k : k + 1] for key, vector in inputs.vectors.items()}
    lines = [f"{name}{list(at) if at else ''} in step {inputs.numbers['t']}"]
    lines += _Written(optimizer, one, inputs.numbers).lines()
    out = _evaluated(optimizer, inputs._replace(vectors=one))
    return "\n".join([*lines, f"lr_eff = {_text(out['lr_eff'])}"] if "lr_eff" in out else lines)


def _text(x: Any) -> str:
    return f"{float(np.reshape(x, ())):.4g}".replace("-", "−")


def _operand(number: str) -> str:
    return f"({number})" if number.startswith("−") else number


def _replaced(formula: str, texts: dict[str, str]) -> str:
    """The formula with other names; a t or a number that is an exponent is set high, as in textbooks."""
    pattern = "|".join(map(re.escape, sorted(texts, key=len, reverse=True)))
    text = re.sub(pattern, lambda found: texts[found[0]], formula)
    return re.sub(r"\^(t|\d+)(?![\d.])", lambda found: found[1].translate(_HIGH), text)


_HIGH = str.maketrans("0123456789t", "⁰¹²³⁴⁵⁶⁷⁸⁹ᵗ")


def _found(given: Sequence[Inputs], call: str, name: str) -> tuple[Inputs, ParamSlice]:
    held = {param.name: (inputs, param) for inputs in given for param in inputs.slices}
    if name not in held:
        hint = instead(str(name), held) or f"those of the step are {', '.join(held)}"
        raise ValueError(f"`{call}`: no parameter {name!r} took part in the step; {as_sentence(hint)}")
    return held[name]


def _index(call: str, param: ParamSlice, index: Any) -> tuple[int, ...]:
    """The index as one whole number ≥ 0 for each axis."""
    at = index if isinstance(index, tuple) else (index,)
    plain = all(isinstance(i, int | np.integer) and not isinstance(i, bool) for i in at)
    if len(at) != len(param.shape) or not plain:
        raise IndexError(
            f"`{call}`: {param.name} of shape {param.shape} needs {len(param.shape)} whole numbers as index, "
            f"got {index!r:.60}."
        )
    if not all(-n <= i < n for i, n in zip(at, param.shape, strict=True)):
        raise IndexError(f"`{call}`: {param.name} of shape {param.shape} has no element {index!r:.60}.")
    return tuple(int(i) % n for i, n in zip(at, param.shape, strict=True))
