"""Nests as JavaScript: how a loop, an array and a number are written; `functions.py` writes what is computed.

Arrays are typed: Float64Array, and Uint8Array for truth values; integers are float64 of 53 bits, but those of
constants and arguments Int32Array. What is read is named in the outermost loop that knows its place, and what
is combined into a place that inner loops do not move is kept in a number until they end.

Names in the text: `a0` an array, `s0` a number that several nests share, `t0` one that passes through a nest,
`c0` a constant, `i j k l` the loops.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from minigrad.loops.functions import FUNCTIONS, helpers
from minigrad.loops.fusing import passing
from minigrad.loops.nests import Array, Nest, Operand, Place, Statement

__all__ = ["LOOPS", "Function", "number", "script", "values"]

COMBINED = {"add": "{0} += {1}", "multiply": "{0} *= {1}"}
LOOPS = "ijklmnpq"
TYPES = {"f": "Float64Array", "i": "Float64Array", "b": "Uint8Array"}


class Function(NamedTuple):
    """A function to print.

    head: its first lines. result: the element or number that it returns, or text.
    """

    name: str
    parameters: str
    nests: Sequence[Nest]
    result: Operand | str = ""
    head: Sequence[str] = ()


def number(x: Any) -> str:
    """A number as JavaScript reads it, in brackets if it is negative.

    >>> number(2.0), number(-0.0), number(-math.inf), number(True)
    ('2', '(-0)', '(-Infinity)', '1')
    """
    if isinstance(x, float):
        if not math.isfinite(x):
            text = "NaN" if math.isnan(x) else "Infinity" if x > 0 else "-Infinity"
        else:
            text = repr(x).removesuffix(".0")
    else:
        if abs(x) > 1 << 53:
            raise TypeError(f"the integer {x} has more than 53 bits. Use a float.")
        text = str(int(x))
    return f"({text})" if text[0] == "-" else text


def values(x: Any) -> str:
    """An array as the text of a typed one."""
    kind = x.dtype.kind
    if kind in "iu" and x.size and max(abs(int(x.min())), abs(int(x.max()))) >= 1 << 31:
        raise TypeError("an array of integers of more than 31 bits cannot be printed. Use float64.")
    name = {"f": "Float64Array", "b": "Uint8Array"}.get(kind, "Int32Array")
    return f"new {name}([{', '.join(number(v).strip('()') for v in x.ravel().tolist())}])"


def script(functions: Sequence[Function], kept: Sequence[Array] = ()) -> tuple[list[str], list[str]]:
    """The lines of what the functions share (helpers, constants, memory), and those of the functions.

    `kept` are arrays that outlive a call, beside those that several functions use.
    """
    writer = _Writer(functions, kept)
    texts = [line for function in functions for line in writer.function(function)]
    return writer.shared(texts), texts


class _Writer:
    """Gives arrays their names, and writes functions."""

    def __init__(self, functions: Sequence[Function], kept: Sequence[Array]) -> None:
        users: dict[Array, set[str]] = {a: {"", "kept"} for a in kept}
        for function in functions:
            result = [function.result] if isinstance(function.result, Place) else []
            for place in (*result, *(p for nest in function.nests for p in nest.places())):
                users.setdefault(place.array, set()).add(function.name)
        self.common = {array for array, names in users.items() if len(names) > 1}
        self.memory: list[str] = []
        self._counts: dict[str, int] = {}

    def _name(self, array: Array) -> str:
        """The array's name; a new one is made where it is first used."""
        if not array.name:
            letter = "c" if array.values is not None else "s" if array.variable else "a"
            n = self._counts[letter] = self._counts.get(letter, -1) + 1
            array.name = f"{letter}{n}"
            if array.values is not None:
                self.memory.append(f"const {array.name} = {values(array.values)};")
            elif not array.variable:
                self.memory.append(f"const {array.name} = new {TYPES[array.kind]}({array.size});")
            elif array in self.common:
                self.memory.append(f"let {array.name} = 0;")
            else:
                self._locals.append(array.name)
        return array.name

    def shared(self, texts: Sequence[str]) -> list[str]:
        return [*helpers(texts), *self.memory]

    def function(self, function: Function) -> list[str]:
        self._locals: list[str] = []
        result = function.result
        kept = [*self.common, *([result.array] if isinstance(result, Place) else [])]
        self._passing = passing(function.nests, kept)
        self._taken = 0
        body = [line for nest in function.nests for line in _NestWriter(self, nest).text()]
        if isinstance(result, Place):
            result = self.element(result, ())
        elif not isinstance(result, str):
            result = number(result)
        local = [f"let {', '.join(f'{name} = 0' for name in self._locals)};"] if self._locals else []
        returned = [f"return {result};"] if result else []
        inner = [*function.head, *local, *body, *returned]
        return [f"function {function.name}({function.parameters}) {{", *(f"  {x}" for x in inner), "}"]

    def new(self) -> str:
        """A name for a number inside a nest."""
        self._taken += 1
        return f"t{self._taken - 1}"

    def passes(self, array: Array) -> bool:
        """Whether the array is only a number that passes through its nest."""
        return array in self._passing

    def element(self, place: Place, indices: Sequence[str]) -> str:
        """The text of an element; `indices` are those of the place's `by`."""
        array = place.array
        if array.size == 1 and array.values is not None:
            return number(array.values.ravel()[0].item())
        name = self._name(array)
        if array.variable:
            return name
        terms = [_times(LOOPS[a], stride) for a, stride in enumerate(place.strides) if stride]
        terms += [_times(index, by.stride) for index, by in zip(indices, place.by, strict=True)]
        terms += [str(place.offset)] if place.offset or not terms else []
        return f"{name}[{' + '.join(terms)}]"


class _NestWriter:
    """Writes one nest: what stands before, inside and after each of its loops."""

    def __init__(self, writer: _Writer, nest: Nest) -> None:
        self.writer, self.nest, self.depth = writer, nest, len(nest.extents)
        self.heads: list[list[str]] = [[] for _ in range(self.depth + 1)]
        self.tails: list[list[str]] = [[] for _ in range(self.depth + 1)]
        self.known: dict[Place, str] = {}
        self.read = {place for statement in nest.body for place in statement.read()}

    def text(self) -> list[str]:
        for statement in self.nest.body:
            if statement.combine:
                self._combined(statement)
            else:
                self._stored(statement)
        lines: list[str] = []
        for level, head in enumerate(self.heads):
            lines += [f"{'  ' * level}{line}" for line in head]
            if level < self.depth:
                i, n = LOOPS[level], self.nest.extents[level]
                lines.append(f"{'  ' * level}for (let {i} = 0; {i} < {n}; {i}++) {{")
        for level in reversed(range(self.depth)):
            lines += [f"{'  ' * level}}}", *(f"{'  ' * level}{line}" for line in self.tails[level])]
        return lines

    def _stored(self, statement: Statement) -> None:
        inside, target = self.heads[-1], statement.target
        value = self._value(statement)
        passes = self.writer.passes(target.array)
        if passes or target in self.read:
            if not re.fullmatch(r"\w+", value):
                name = self.writer.new()
                inside.append(f"const {name} = {value};")
                value = name
            self.known[target] = value
        if not passes:
            inside.append(f"{self._element(target)} = {value};")

    def _combined(self, statement: Statement) -> None:
        target, value = statement.target, self._value(statement)
        element, level = self._element(target), target.depth()
        name = self.writer.new() if level < self.depth else element
        template = COMBINED.get(statement.combine, "{0} = " + FUNCTIONS[statement.combine])
        self.heads[-1].append(f"{template.format(name, value)};")
        if level < self.depth:
            self.heads[level].append(f"let {name} = {element};")
            self.tails[level].append(f"{element} = {name};")

    def _value(self, statement: Statement) -> str:
        return FUNCTIONS[statement.function].format(*map(self._read, statement.operands))

    def _read(self, x: Operand) -> str:
        """The name of what is read; it is read in the outermost loop that knows where it is."""
        if not isinstance(x, Place):
            return number(x)
        if x not in self.known:
            element = self._element(x)
            if "[" not in element:
                return element
            self.known[x] = name = self.writer.new()
            self.heads[x.depth()].append(f"const {name} = {element};")
        return self.known[x]

    def _element(self, place: Place) -> str:
        indices = [self._index(by.place, by.length) for by in place.by]
        return self.writer.element(place, indices)

    def _index(self, place: Place, length: int) -> str:
        index, known = self._read(place), place.array.values
        never_negative = known is not None and (not known.size or known.min() >= 0)
        return index if never_negative else f"wrapped({index}, {length})"


def _times(index: str, stride: int) -> str:
    return index if stride == 1 else f"{index} * {stride}" if stride >= 0 else f"{index} * ({stride})"
