"""The graph run again as straight-line NumPy with reused buffers. So far for elementwise functions of vectors, which is
what update rules of optimizers are.

The function is recorded once on Tensors; numbers (a learning rate, a step count) are recorded as 0-d leaves, so that they
may change from call to call. What is left is a list of ufunc calls, printed as Python text: numbers first, once a call;
then the vector part, with each result written into the storage of an operand that is not needed any more. It is run block
by block, so that all of its vectors stay in the cache, and on long vectors by two threads.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from minigrad.mode import scope
from minigrad.replay.capture import Capture
from minigrad.replay.memory import aligned
from minigrad.replay.program import ufunc_call
from minigrad.tensor import Tensor

__all__ = ["UpdateProgram", "recorded_rule"]

BLOCK_BYTES = 1 << 19  # of each vector. Smaller blocks cost more calls than the cache saves; a second thread finds its core
# taken by BLAS, whose threads go on spinning after a matrix product (both measured with Adam inside a training loop).


class UpdateProgram:
    """An elementwise function as one in-place program.

    Args:
        f: f(vectors, numbers) -> dict of results, in NumPy operators. Python control flow may depend on numbers that are
            zero, bool or None only (these are constants of the program), never on values.
        dtype: of the vectors.
        vectors: names of the vector inputs. A vector result of one of these names overwrites that input; others are not kept.
        numbers: name → int, float or tuple of them.

    `program.source` is the text. Calling the program writes into the vectors and returns the results that are numbers.

    >>> average = UpdateProgram(lambda v, n: {"m": n["beta"] * v["m"] + v["g"]}, np.float64, ["m", "g"], {"beta": 0.5})
    >>> print(average.source.split("def block")[1])
    (m, g, beta):
        np.multiply(beta, m, m)
        np.add(m, g, m)
    <BLANKLINE>
    >>> m = np.array([2.0, 4.0])
    >>> average([(m, np.ones(2))], {"beta": 0.25}), m
    ({}, array([1.5, 2. ]))
    """

    def __init__(
        self, f: Callable[[dict[str, Any], dict[str, Any]], Mapping[str, Any]], dtype: Any, vectors: Sequence[str],
        numbers: Mapping[str, Any],
    ) -> None:  # fmt: skip
        self.vectors = tuple(vectors)
        starts = {name: Tensor(np.ones(2, dtype), name=name) for name in vectors}
        self._rest: Sequence[Any] = ()  # scratch vectors and numbers, kept from call to call: a program belongs to one thread
        self._size = -1
        out, leaves, sources = recorded_rule(f, starts, numbers)
        self._constants = {k: v for k, v in out.items() if not isinstance(v, Tensor)}
        results = {k: v for k, v in out.items() if isinstance(v, Tensor) and (v.ndim == 0 or k in starts)}
        self.source, functions, self.scratch, used = _printed(starts, leaves, sources, results)
        exec(compile(self.source, "<elementwise>", "exec"), functions)  # our own text, made just above
        self._numbers, self._block = functions["numbers"], functions["block"]
        # Numbers reach the vector part as arrays of no dimension: a ufunc takes half a microsecond to see what a float is.
        self._values = np.empty(used, dtype)
        self._scalars = [self._values[i : i + 1].reshape(()) for i in range(used)]
        self.written = {k for k in results if k in starts}
        self._kept = [k for k, v in results.items() if v.ndim == 0]
        self.dtype = np.dtype(dtype)
        self.block = BLOCK_BYTES // self.dtype.itemsize

    def __call__(self, pieces: Sequence[Sequence[Any]], numbers: Mapping[str, Any]) -> dict[str, Any]:
        """Run on each piece, a tuple of 1-D arrays of one length in the order of `vectors`; the numbers are common to all."""
        used, kept = self._numbers(numbers)
        longest = pieces[0][0].size if len(pieces) == 1 else max((piece[0].size for piece in pieces), default=0)
        if self._size != min(longest, self.block):
            self._size = min(longest, self.block)
            self._rest = *[aligned(self._size, self.dtype) for _ in range(self.scratch)], *self._scalars
        with np.errstate(all="ignore"):
            self._values[:] = used
            for piece in pieces:
                if piece[0].size == self._size:
                    self._block(*piece, *self._rest)
                else:
                    self._by_blocks(piece)
        return self._constants | dict(zip(self._kept, kept, strict=True)) if kept else self._constants

    def _by_blocks(self, piece: Sequence[Any]) -> None:
        n, scratch = piece[0].size, self._rest[: self.scratch]
        for lo in range(0, n, self.block):
            hi = min(lo + self.block, n)
            self._block(*[a[lo:hi] for a in piece], *[s[: hi - lo] for s in scratch], *self._scalars)


def recorded_rule(
    f: Callable[[dict[str, Any], dict[str, Any]], Mapping[str, Any]], starts: Mapping[str, Tensor], numbers: Mapping[str, Any]
) -> tuple[Mapping[str, Any], list[Tensor], list[str]]:  # fmt: skip
    """An update rule run on Tensors, everything recorded: its results, a leaf for each number, and where each comes from."""
    leaves: list[Tensor] = []
    sources: list[str] = []

    def leaf(value: Any, name: str, i: int | None = None) -> Any:
        if value is None or isinstance(value, bool | str) or value == 0:
            return value
        leaves.append(Tensor(float(value), name=name if i is None else f"{name}_{i + 1}"))
        sources.append(f"n[{name!r}]" if i is None else f"n[{name!r}][{i}]")
        return leaves[-1]

    with scope(recording=True, capturing=_OfRule(leaves), phase="update"):
        given = {
            name: tuple(leaf(v, name, i) for i, v in enumerate(value)) if isinstance(value, tuple) else leaf(value, name)
            for name, value in numbers.items()
        }
        out = f(dict(starts), given)
    return out, leaves, sources


class _OfRule(Capture):
    """A rule may ask whether a number is there: zeros are constants of the program, so the answer is always yes."""

    def __init__(self, numbers: list[Tensor]) -> None:
        super().__init__("an update rule")
        self.numbers = numbers

    def forbid(self, x: Tensor, how: str) -> None:
        if not (how.startswith("bool()") and any(x is number for number in self.numbers)):
            super().forbid(x, how)


def _needed(results: Sequence[Tensor]) -> list[Any]:
    """All operations that the results follow from, in the order in which they were recorded."""
    found: dict[int, Tensor] = {}
    stack = list(results)
    while stack:
        node = stack.pop()
        if node.op is not None and node.index not in found:
            found[node.index] = node
            stack += [x for x in node.inputs if isinstance(x, Tensor)]
    return [found[i] for i in sorted(found)]


_OPERATORS = {np.add: "+", np.subtract: "-", np.multiply: "*", np.divide: "/", np.power: "**"}


def _printed(
    starts: Mapping[str, Tensor], leaves: Sequence[Tensor], sources: Sequence[str], results: Mapping[str, Tensor]
) -> tuple[str, dict[str, Any], int, int]:  # fmt: skip
    """The program's text, the functions it calls, how many scratch vectors it wants, and how many numbers."""
    nodes = _needed(list(results.values()))
    end = len(nodes)
    last_use = {x.index: i for i, node in enumerate(nodes) for x in node.inputs if isinstance(x, Tensor)}
    last_use |= {t.index: end for t in results.values()}
    wanted = {t.index: name for name, t in results.items() if t.ndim}
    place = {t.index: name for name, t in starts.items()} | {t.index: str(t.name) for t in leaves}
    holds = {name: t.index for name, t in starts.items()}  # which value a storage has at the moment
    functions: dict[str, Any] = {"np": np}
    numbers: list[str] = []
    lines: list[str] = []
    free: list[str] = []
    count = scratch = 0
    for i, node in enumerate(nodes):
        operands = [
            place[x.index] if isinstance(x, Tensor) else repr(x.item() if hasattr(x, "item") else x) for x in node.inputs
        ]
        tensors = [x for x in node.inputs if isinstance(x, Tensor)]
        if node.ndim == 0:
            if any(x.ndim for x in tensors):
                raise ValueError(f"a rule must be elementwise, but {node.op.name} makes one number of a whole vector.")
            place[node.index] = f"n{count}"
            count += 1
            numbers.append(f"    {place[node.index]} = {_on_numbers(node, operands, functions)}")
            continue
        dying = [place[x.index] for x in tensors if x.ndim and last_use[x.index] == i]
        # In place is twice as fast: no memory but the operand's own is touched. An input that will be overwritten anyway
        # may hold an intermediate result once its old value has been used.
        reusable = [d for d in dying if d not in starts or (d in wanted.values() and last_use[node.index] < end)]
        name = wanted.get(node.index)
        if name is not None and last_use.get(holds[name], -1) <= i:
            target = name
        elif reusable:
            target = reusable[0]
        elif free:
            target = free.pop()
        else:
            target, scratch = f"tmp{scratch}", scratch + 1
        free += [d for d in dict.fromkeys(dying) if d not in starts and d != target]
        holds[target] = node.index
        place[node.index] = target
        call = _named(node.op, functions)
        keywords = [f"{k}={v!r}" for k, v in node.params.items()]
        if isinstance(node.op.forward, np.ufunc):
            lines.append("    " + ufunc_call(node.op.forward, call, operands, target, keywords))
        else:
            lines.append(f"    {target}[...] = {call}({', '.join([*operands, *keywords])})")
    copies = [(name, place[t.index]) for name, t in results.items() if t.ndim and place[t.index] != name]
    old = [c for c in copies if c[1] in starts]  # these read an old value, so they come before anything overwrites it
    if {name for name, _ in old} & {source for _, source in old}:
        raise ValueError(f"a rule cannot exchange its vectors {sorted(name for name, _ in old)}; write one of them as 1 * x.")
    lines += [f"    {name}[...] = {source}" for name, source in sorted(copies, key=lambda c: c not in old)]
    given = [str(t.name) for t in leaves]
    made, buffers = [f"n{i}" for i in range(count)], [f"tmp{i}" for i in range(scratch)]
    kept = [place[t.index] for t in results.values() if not t.ndim]
    words = set(re.findall(r"\w+", " ".join(lines)))
    used = [name for name in given + made if name in words]
    read = [f"    {name} = float({source})" for name, source in zip(given, sources, strict=True)]
    text = "\n".join([
        "def numbers(n):", *read, *numbers, f"    return {_tuple(used)}, {_tuple(kept)}", "",
        f"def block({', '.join([*starts, *buffers, *used])}):", *(lines or ["    pass"]), "",
    ])  # fmt: skip
    return text, functions, scratch, len(used)


def _tuple(names: list[str]) -> str:
    return "(" + "".join(f"{name}, " for name in names) + ")"


def _on_numbers(node: Any, operands: list[str], functions: dict[str, Any]) -> str:
    """A line on Python floats: they promote nothing."""
    sign = _OPERATORS.get(node.op.forward)
    if sign:
        return f"{operands[0]} {sign} {operands[1]}"
    keywords = "".join(f", {k}={v!r}" for k, v in node.params.items())
    return f"float({_named(node.op, functions)}({', '.join(operands)}{keywords}))"


def _named(op: Any, functions: dict[str, Any]) -> str:
    name = getattr(op.forward, "__name__", "")
    if getattr(np, name, None) is op.forward:
        return f"np.{name}"
    functions[op.name] = op.forward
    return str(op.name)
