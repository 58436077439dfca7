"""Update rules of optimizers as programs: elementwise on vectors of any length, in place, block by block.

A rule is recorded once on Tensors. Numbers (a learning rate, a step count) are recorded as 0-d leaves, so
they may change from call to call; the program gets them as Python floats, and beside vectors puts them into
0-d arrays of the vectors' dtype. It is printed like every other program, with two differences: it does not
know how long the vectors are, and results overwrite inputs. It runs block by block, so that all of its
vectors stay in the cache.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from typing import Any

import numpy as np

from minigrad.mode import scope
from minigrad.replay.capture import Capture
from minigrad.replay.code import evaluated
from minigrad.replay.lines import Input, Line, Lines, lines_of, nodes_of
from minigrad.replay.memory import aligned
from minigrad.replay.passes import fold_constants, simplified
from minigrad.replay.printing import printed
from minigrad.replay.program import Program
from minigrad.tensor import Op, Tensor

__all__ = ["UpdateProgram", "recorded_rule", "rule_lines"]

BLOCK_BYTES = 1 << 19  # of each vector
# Smaller blocks cost more in calls than the cache saves, and a second thread finds its core taken by BLAS,
# whose threads go on spinning after a matrix product. Both were measured with Adam inside a training loop.


class UpdateProgram:
    """An elementwise function as one in-place program.

    Args:
        f: f(vectors, numbers) -> dict of results, in NumPy operators. Python control flow may depend only on
            numbers that are zero, bool or None, which are constants of the program; never on other values.
        dtype: the dtype of the vectors.
        vectors: names of the vector inputs. A vector result with one of these names overwrites that input;
            other vector results are dropped.
        numbers: name → int, float or tuple of them.

    `program.source` is the text. Calling the program writes into the vectors and returns the results that are
    numbers.

    Raises:
        ValueError: f is not elementwise, or its results exchange vectors.

    >>> rule = lambda v, n: {"m": n["beta"] * v["m"] + v["g"]}
    >>> average = UpdateProgram(rule, np.float64, ["m", "g"], {"beta": 0.5})
    >>> print(average.source)
    def workspace(vector):
        t0 = np.empty((), np.float64)
        def run(m, g, beta):
            # update
            t0[()] = beta
            np.multiply(t0, m, m)
            np.add(m, g, m)
            return ()
        return run
    <BLANKLINE>
    >>> m = np.array([2.0, 4.0])
    >>> average([(m, np.ones(2))], {"beta": 0.25}), m
    ({}, array([1.5, 2. ]))
    """

    def __init__(
        self,
        f: Callable[[dict[str, Any], dict[str, Any]], Mapping[str, Any]],
        dtype: Any,
        vectors: Sequence[str],
        numbers: Mapping[str, Any],
    ) -> None:
        self.dtype = np.dtype(dtype)
        self.block = BLOCK_BYTES // self.dtype.itemsize
        starts = {name: Tensor(np.ones(2, dtype), name=name) for name in vectors}
        out, leaves, sources, capture = _recorded(f, starts, numbers)
        self._constants = {k: v for k, v in out.items() if not isinstance(v, Tensor)}
        written = [k for k, v in out.items() if k in starts and isinstance(v, Tensor) and v.ndim]
        self.written = set(written)
        self._kept = [k for k, v in out.items() if isinstance(v, Tensor) and not v.ndim]
        results = [out[k] for k in (*written, *self._kept)]
        lines = _on_vectors_of(_lines([*starts.values(), *leaves], results, capture), self.dtype)
        inputs = dict(zip(starts, lines.inputs, strict=False))
        into = {i: inputs[k] for i, k in enumerate(written)}
        self._program = Program(lines.lines, lines.inputs, lines.outputs, into=into, any_length=True)
        self.source = self._program.source
        read = "".join(f"float({source}), " for source in sources)
        self._numbers = evaluated(f"lambda n: ({read})")
        self._nothing = [np.empty(0, dtype) for _ in vectors]
        self._forget()

    def _forget(self) -> None:
        self._runs: dict[int, Callable[..., Any]] = {}  # by length; a program belongs to one thread
        self._scratch: list[Any] = []
        self._longest = -1

    def copy(self) -> UpdateProgram:
        """The same program with memory of its own."""
        new = copy(self)
        new._forget()
        return new

    @np.errstate(all="ignore")  # as a decorator it takes half the time of a block
    def __call__(self, pieces: Sequence[Sequence[Any]], numbers: Mapping[str, Any]) -> dict[str, Any]:
        """Run on each piece, a tuple of 1-D arrays of one length in the order of `vectors`; the numbers are
        common to all."""
        values = self._numbers(numbers)
        kept: Sequence[Any] = ()
        for piece in pieces or [self._nothing]:
            n = piece[0].size
            run = self._runs.get(n)
            kept = run(*piece, *values) if run is not None else self._by_blocks(piece, n, values)
        return (
            self._constants | dict(zip(self._kept, map(float, kept), strict=True))
            if kept
            else self._constants
        )

    def _made(self, n: int) -> Callable[..., Any]:
        """The program for vectors of length n. All lengths share the memory of the longest, in the cache."""
        if n > self._longest:
            self._longest = n
            self._scratch.clear()
            self._runs.clear()
        taken = itertools.count()

        def vector(dtype: Any) -> Any:
            i = next(taken)
            if i == len(self._scratch):
                self._scratch.append(aligned(self._longest, dtype))
            return self._scratch[i][:n]

        return self._program.workspace(vector)

    def _by_blocks(self, piece: Sequence[Any], n: int, values: Sequence[float]) -> Sequence[Any]:
        kept: Sequence[Any] = ()
        for lo in range(0, max(n, 1), self.block):
            length = min(n - lo, self.block)
            if length not in self._runs:
                self._runs[length] = self._made(length)
            kept = self._runs[length](*[a[lo : lo + length] for a in piece], *values)
        return kept


_in_dtype = Op("in_dtype", lambda x, dtype: np.asarray(x, dtype))
printed(_in_dtype, lambda y, x, dtype: "{y}[()] = {0}")


def _on_vectors_of(lines: Lines, dtype: Any) -> Lines:
    """Change float64 vectors to `dtype`, and the numbers beside vectors to 0-d arrays of it.

    A ufunc takes half a microsecond to see what a Python float is, and a NumPy float would promote float32.
    """
    known: dict[int, Line] = {}
    kept: list[Line] = []

    def beside_vectors(x: Any, phase: str) -> Any:
        if not isinstance(x, Line | Input) or x.array.ndim:
            return x
        if id(x) not in known:
            known[id(x)] = Line(_in_dtype, (x,), {"dtype": dtype}, np.empty((), dtype), phase, "")
            kept.append(known[id(x)])
        return known[id(x)]

    for x in lines.inputs:
        if x.array.ndim:
            x.array = x.array.astype(dtype)
    for line in lines.lines:
        if line.array.ndim:
            line.args = tuple(beside_vectors(x, line.phase) for x in line.args)
            line.array = line.array.astype(dtype) if line.array.dtype.kind == "f" else line.array
        elif any(x.array.ndim for x in line.args if isinstance(x, Line | Input)):
            raise ValueError(
                f"a rule must be elementwise, but {line.op.name} makes one number of a whole vector."
            )
        kept.append(line)
    lines.lines = kept
    return lines


def recorded_rule(
    f: Callable[[dict[str, Any], dict[str, Any]], Mapping[str, Any]],
    starts: Mapping[str, Tensor],
    numbers: Mapping[str, Any],
) -> tuple[Mapping[str, Any], list[Tensor], list[str]]:
    """Run an update rule on Tensors and record it.

    Returns:
        Its results, a leaf for each number, and for each leaf the expression in `n` that gives the number.
    """
    return _recorded(f, starts, numbers)[:3]


def rule_lines(
    f: Callable[[dict[str, Any], dict[str, Any]], Mapping[str, Any]],
    starts: Mapping[str, Tensor],
    numbers: Mapping[str, Any],
) -> tuple[Mapping[str, Any], list[str], Callable[[Sequence[str]], Lines]]:
    """Record an update rule.

    Returns:
        Its results; for each number the expression in `n` that gives it; and the function that gives the
        lines for some results, by name. Their inputs are the vectors, then the numbers.
    """
    out, leaves, sources, capture = _recorded(f, starts, numbers)
    inputs = [*starts.values(), *leaves]
    return out, sources, lambda names: _lines(inputs, [out[name] for name in names], capture)


def _lines(inputs: Sequence[Tensor], results: Sequence[Any], capture: Capture) -> Lines:
    return simplified(lines_of(inputs, results, nodes_of(results, capture), capture), (fold_constants,))


def _recorded(
    f: Callable[[dict[str, Any], dict[str, Any]], Mapping[str, Any]],
    starts: Mapping[str, Tensor],
    numbers: Mapping[str, Any],
) -> tuple[Mapping[str, Any], list[Tensor], list[str], Capture]:
    leaves: list[Tensor] = []
    sources: list[str] = []

    def leaf(value: Any, name: str, i: int | None = None) -> Any:
        if value is None or isinstance(value, bool | str) or value == 0:
            return value
        leaves.append(Tensor(float(value), name=name if i is None else f"{name}_{i + 1}"))
        sources.append(f"n[{name!r}]" if i is None else f"n[{name!r}][{i}]")
        return leaves[-1]

    capture = _OfRule(leaves)
    with scope(recording=True, capturing=capture, phase="update"):
        given = {
            name: tuple(leaf(v, name, i) for i, v in enumerate(value))
            if isinstance(value, tuple)
            else leaf(value, name)
            for name, value in numbers.items()
        }
        out = f(dict(starts), given)
    return out, leaves, sources, capture


class _OfRule(Capture):
    """The capture of a rule, which may ask if a number is 0: recorded ones are not, zeros are constants."""

    def __init__(self, numbers: list[Tensor]) -> None:
        super().__init__("an update rule")
        self.numbers = numbers

    def forbid(self, x: Tensor, how: str) -> None:
        if not (how.startswith("bool()") and any(x is number for number in self.numbers)):
            super().forbid(x, how)
