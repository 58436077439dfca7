"""Lines printed as straight-line NumPy with reused buffers, and run.

Every line that can write into a given array (`out=`) gets a buffer, chosen by liveness: that of an operand
which is read here for the last time, if the op works in place; else a free one; else a new one. Results, and
values that a later stage needs, go into arrays of their own. Views of buffers are made once. A program writes
only to memory that it allocated itself, and to arrays that it was given to write to (`into`).

A ufunc is written as `np.f(a, b, y)`, with y for the result; an op with a template by that template (see
`minigrad.replay.printing`); any other op as a call of its `forward`. A number beside arrays becomes a 0-d
array, because a ufunc takes half a microsecond to see what a Python float is: a third of its whole time on a
small net.

Names: `t0` a buffer, `v0` a view, `s0` a number, `y0` a result, `c0` a constant, `m0` the memory behind
buffers."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from minigrad.replay.code import Shown, defined
from minigrad.replay.lines import Input, Line, Variable, value_of
from minigrad.replay.memory import Recycler, aligned
from minigrad.replay.printing import printing
from minigrad.replay.text import (
    OPERATORS,
    VIEWS,
    described,
    dtype_text,
    is_plain,
    is_reserved,
    ufunc_call,
    view_text,
)

__all__ = ["Program"]

RECYCLED = 1 << 16  # results of so many bytes reuse the memory of earlier ones that the caller has dropped


class Program:
    """One stage of a captured function: `program(arguments, kept)` → (results, values for later stages).

    Args:
        lines: the lines of this stage, in order.
        inputs: which arguments it takes, in order.
        given: lines and inputs that an earlier stage keeps for this one.
        keeps: lines and inputs that this stage has to keep for a later one.
        outputs: the results: lines of this or an earlier stage, inputs, variables or constants.
        into: output number → the array that it is written to, instead of a new one; or the input whose array
            it overwrites, and then it is not returned.
        any_length: the lines are elementwise on vectors, and run on vectors of any one length; 0-d inputs are
            Python floats. `workspace(vector)` gives the function; `vector(dtype)` gives it its buffers.

    Attributes:
        source: the text.
        workspace: makes the memory and the function that works in it.
        bytes, buffers, result_bytes: see `Memory`.
    """

    def __init__(
        self,
        lines: Sequence[Line],
        inputs: Sequence[Input],
        outputs: Sequence[Any],
        *,
        given: Sequence[Any] = (),
        keeps: Sequence[Any] = (),
        into: dict[int, Any] | None = None,
        any_length: bool = False,
    ) -> None:
        writer = _Writer(lines, inputs, outputs, given, keeps, into or {}, any_length)
        self.source = writer.source
        self.bytes, self.buffers, self.result_bytes = writer.bytes, writer.count, writer.result_bytes
        self.quiet = any(line.phase != "forward" and not printing(line.op).never_singular for line in lines)
        self._shown = Shown.of(defined(self.source, writer.scope), self.source)
        self.workspace: Callable[..., Callable[..., Any]] = writer.scope["workspace"]
        self._idle: list[Callable[..., Any]] = []  # workspaces that no thread is using

    def __call__(self, *arguments: Any) -> Any:
        try:
            run = self._idle.pop()
        except IndexError:
            run = self.workspace()
        try:
            if not self.quiet:
                return run(*arguments)
            with np.errstate(divide="ignore", invalid="ignore", over="ignore", under="ignore"):
                return run(*arguments)
        finally:
            self._idle.append(run)


class _Block:
    """Memory: how many elements it needs, and a name for each shape in which it is used.

    It is `borrowed` if it belongs to an input that is overwritten, else the program's own.
    """

    __slots__ = ("borrowed", "dtype", "names", "size")

    def __init__(self, dtype: Any, borrowed: bool = False) -> None:
        self.size, self.dtype, self.borrowed = 0, dtype, borrowed
        self.names: dict[tuple[int, ...], str] = {}


class _Writer:
    """Writes the text, and holds everything that is decided meanwhile."""

    def __init__(
        self,
        lines: Sequence[Line],
        inputs: Sequence[Input],
        outputs: Sequence[Any],
        given: Sequence[Any],
        keeps: Sequence[Any],
        into: dict[int, Any],
        any_length: bool,
    ) -> None:
        self.any_length = any_length
        self.lines, self.outputs, self.keeps, self.into = list(lines), list(outputs), list(keeps), into
        self.scope: dict[str, Any] = {"np": np, "aligned": aligned}
        self.names: dict[int, str] = {}  # id of a line, input, variable, constant → how the text calls it
        self.head: list[str | _Block] = []  # once for a workspace
        self.body: list[str] = []  # at each call
        self.bytes = self.count = self.result_bytes = 0
        self._counters: dict[str, int] = {}
        self._storage: dict[int, _Block] = {}  # id of a line → the block its value lies in
        self._free: dict[Any, dict[int, list[_Block]]] = {}  # unused blocks: dtype → elements → which
        self._fixed: dict[int, Any] = {}  # id of a line that is a view of a buffer, made once → such a view
        self._numbers: dict[Any, Any] = {}
        self._made: dict[tuple[str, str], str] = {}
        taken: set[str] = {"np", "workspace", "run"}
        arguments = []
        for x in inputs:
            name = x.name if x.name.isidentifier() and x.name not in taken else f"x{x.i}"
            while name in taken or is_reserved(name):
                name += "_"
            taken.add(name)
            self.names[id(x)] = name
            arguments.append(name)
        for i, x in enumerate(given):
            self.names.setdefault(id(x), f"k{i}")
        if given:
            arguments.append("(" + ", ".join(self.names[id(x)] for x in given) + ",)")
        self._taken = taken
        self._homes: dict[int, Input] = {}  # id of an output → the input that it overwrites
        for n, home in self.into.items():
            if isinstance(home, Input):
                self._homes.setdefault(id(self.outputs[n]), home)
                block = self._storage[id(home)] = _Block(home.array.dtype, borrowed=True)
                block.names[home.array.shape] = self.names[id(home)]
        self.overwritten = set(self._storage)
        self._find_kinds()
        self._find_lifetimes()
        self._section = ("", "")
        for i, line in enumerate(self.lines):
            self._line(i, line)
        self.body.append(f"return {self._returned(given)}")
        variables = [f"{self.names[id(v)]} = leaves[{i}].primal" for i, v in enumerate(self.variables)]
        if self.variables:
            self.scope["leaves"] = [v.leaf for v in self.variables]
        unpack = [f"{arguments.pop()} = kept"] if given else []
        signature = ", ".join([*arguments, "kept"] if given else arguments)
        head = [*self._head()]
        named = [name for name in self.scope if name[0] == "c" and name[1:].isdigit()]
        constants = [f"    # {name} is {described(self.scope[name])}" for name in named]
        self.source = "\n".join([
            f"def workspace({'vector' if any_length else ''}):",
            *constants, *(f"    {text}" for text in head),
            f"    def run({signature}):", *(f"        {text}" for text in (*unpack, *variables, *self.body)),
            "    return run", "",
        ])  # fmt: skip

    # How long values live

    def _find_kinds(self) -> None:
        """For every line: what kind it is, and which buffers its value may lie in."""
        self.kind: dict[int, str] = {}
        self.text: dict[int, Any] = {}
        # id of a line or input → ids of those whose memory it may show
        roots = {key: {key} for key in self._storage}
        self.variables: list[Variable] = []
        for line in self.lines:
            for x in line.args:
                if x.__class__ is Variable:
                    self._meet(x)
            kind = self._kind(line)
            if self.any_length and line.array.ndim and kind in ("call", "view"):
                kind = "into"  # its result is copied, because the memory it shows may be overwritten
            self.kind[id(line)] = kind
            aliased = (
                set().union(*(roots.get(id(x), set()) for x in line.args))
                if kind in ("view", "call")
                else set()
            )
            roots[id(line)] = aliased if kind in ("view", "call") else {id(line)} if kind == "into" else set()
        self.roots = roots

    def _find_lifetimes(self) -> None:
        """For every buffer: the last line that reads it, and whether it goes to the caller or to a later
        stage."""
        roots, end = self.roots, len(self.lines)
        self.last: dict[int, int] = {}
        for i, line in enumerate(self.lines):
            for x in line.args:
                for root in roots.get(id(x), ()):
                    self.last[root] = i
        self.results: set[int] = set()  # lines whose memory goes to the caller or to a later stage
        for y in (*self.outputs, *self.keeps):
            if y.__class__ is Variable:
                self._meet(y)
            for root in roots.get(id(y), ()):
                self.last[root] = end
        # number of a line → ids of the lines that it is the last to read
        self.dying: dict[int, list[int]] = {}
        for root, i in self.last.items():
            self.dying.setdefault(i, []).append(root)
        self.results |= {id(y) for y in self.outputs if self.kind.get(id(y)) == "into"}
        for y in self.keeps:
            self.results |= {root for root in roots.get(id(y), ()) if self.kind[root] == "into"}

    def _meet(self, x: Variable) -> None:
        """Give a leaf its name, which all variables that stand for it share."""
        known = next((self.names[id(v)] for v in self.variables if v.leaf is x.leaf), None)
        if known is None:
            self.variables.append(x)
            known = "".join(c if c.isalnum() and c.isascii() else "_" for c in x.leaf.name or "")
            if not known.isidentifier() or known in self._taken or is_reserved(known):
                known = self._new("w")
            self._taken.add(known)
        self.names[id(x)] = known

    def _kind(self, line: Line) -> str:
        if line.op in VIEWS:
            return "view"
        if isinstance(line.op.forward, np.ufunc):
            return "into" if line.array.ndim else "scalar"
        text_of = printing(line.op).template
        found = text_of(line.array, *map(value_of, line.args), **line.params) if text_of else None
        if found is None:
            return "call"
        template, names = found if isinstance(found, tuple) else (found, {})
        if not line.array.ndim and not template.startswith("{y}[()]"):
            template = template.replace(", {y})", ")").replace(", out={y})", ")")
            if "{y}" in template:
                return "call"
        self.text[id(line)] = template, names
        return "into" if "{y}" in template else "scalar" if not line.array.ndim else "call"

    # Where values lie

    def _new(self, kind: str) -> str:
        n = self._counters[kind] = self._counters.get(kind, -1) + 1
        return f"{kind}{n}"

    def _line(self, i: int, line: Line) -> None:
        if (line.phase, line.module) != self._section:
            self._section = (line.phase, line.module)
            self.body.append(" ".join(filter(None, ("#", *self._section))))
        kind = self.kind[id(line)]
        operands = [self._operand(x, line) for x in line.args]
        if kind == "into":
            target = self._target(i, line)
            self.names[id(line)] = target
            if isinstance(line.op.forward, np.ufunc):
                text = ufunc_call(
                    line.op.forward, self._function(line), operands, target, self._keywords(line)
                )
            elif self._is_written(line):
                text = self._filled(line, operands, target)
            else:
                text = (
                    f"{target}[...] = {self._function(line)}({', '.join([*operands, *self._keywords(line)])})"
                )
            self.body += [part.strip() for part in text.split(";")]
        elif kind == "view":
            self._view(line, operands[0])
        else:
            name = self.names[id(line)] = self._new("s" if not line.array.ndim else "u")
            sign = self._operator(line)
            if sign:
                # on NumPy's scalars an operator is quicker than a ufunc
                left, right = (f"({x})" if x.startswith("-") else x for x in operands)
                self.body.append(f"{name} = {left} {sign} {right}")
            elif id(line) in self.text:
                self.body.append(f"{name} = {self._filled(line, operands, '')}")
            else:
                call = f"{self._function(line)}({', '.join([*operands, *self._keywords(line)])})"
                as_float = (
                    self.any_length and line.array.dtype.kind == "f"
                )  # numbers of rules are Python floats
                self.body.append(f"{name} = float({call})" if as_float else f"{name} = {call}")
        for root in self.dying.get(i, ()):
            free = self._storage.pop(root, None)
            if free is not None and not free.borrowed:
                self._free.setdefault(free.dtype, {}).setdefault(free.size, []).append(free)

    def _target(self, i: int, line: Line) -> str:
        """The name of the array that a line writes into."""
        home = self._homes.get(id(line))
        if home is not None:
            if self._vacant(home, line, i):
                return self.names[id(home)]
            self.results.discard(id(line))  # its value is copied to its home at the end
        if id(line) in self.results:
            return self._result(line)
        if not line.array.ndim:
            name = self._new("t")
            self.head.append(f"{name} = np.empty((), {self._dtype(line.array.dtype)})")
            return name
        return self._operands_place(i, line) or self._free_place(line)

    def _operands_place(self, i: int, line: Line) -> str | None:
        """The buffer of an operand that is read here for the last time, if the op may write over it."""
        for x in line.args if printing(line.op).may_alias else ():
            block = self._storage.get(id(x))
            if block is None or self.last.get(id(x)) != i or not _alike(x.array, line.array):
                continue
            if block.borrowed and self.last.get(id(line)) == len(self.lines):
                continue  # a result must not lie in the place of another result
            self._storage[id(line)] = self._storage.pop(id(x))
            return self.names[id(x)]
        return None

    def _free_place(self, line: Line) -> str:
        """The name of an unused block, or of a new one."""
        shape, dtype, size = line.array.shape, line.array.dtype, line.array.size
        free = self._free.get(dtype)
        if free:
            nearest = min(free, key=lambda n: (n < size, abs(n - size)))
            block = free[nearest].pop(0)
            if not free[nearest]:
                del free[nearest]
        else:
            block = _Block(dtype)
            self.head.append(block)
            self.count += 1
        block.size = max(block.size, size)
        self._storage[id(line)] = block
        if shape not in block.names:
            block.names[shape] = self._new("t")
        return block.names[shape]

    def _vacant(self, home: Input, line: Line, i: int) -> bool:
        """Whether line number i may overwrite the input `home`; if so, it forgets other values there."""
        block = next(
            (block for block in self._storage.values() if self.names[id(home)] in block.names.values()), None
        )
        for holder in [key for key, held in self._storage.items() if held is block and block]:
            last = self.last.get(holder, -1)
            if last > i or (last == i and self._is_written(line) and not printing(line.op).may_alias):
                return False
            del self._storage[holder]
        return True

    def _result(self, line: Line) -> str:
        for n, y in enumerate(self.outputs):
            if y is line and n in self.into:
                return self._named(self.into[n])
        name = self._new("y")
        shape, dtype = line.array.shape, line.array.dtype
        self.result_bytes += line.array.nbytes
        if line.array.nbytes >= RECYCLED and getattr(sys, "_is_gil_enabled", lambda: True)() is not False:
            self.head.append(f"{name}_new = Recycler({shape}, np.dtype({dtype.str!r}))")
            self.scope["Recycler"] = Recycler
            self.body.append(f"{name} = {name}_new()")
        else:
            self.body.append(f"{name} = np.empty({shape}, {self._dtype(dtype)})")
        return name

    def _view(self, line: Line, operand: str) -> None:
        """Write a view: once in the head if it shows a buffer, else in the body, for each call."""
        name = self._new("v")
        text = f"{name} = {view_text(line, operand)}"
        source = line.args[0]
        fixed = self._fixed
        probe = None
        if id(source) in fixed:
            probe = fixed[id(source)]
        elif (
            isinstance(source, Line)
            and self.kind.get(id(source)) == "into"
            and id(source) not in self.results
        ):
            probe = np.empty(source.array.shape, source.array.dtype)
        if probe is not None:
            seen = line.op.forward(probe, **line.params)
            if isinstance(seen, np.ndarray) and np.may_share_memory(seen, probe):
                fixed[id(line)] = seen
                key = (operand, view_text(line, operand))
                if key in self._made:
                    self.names[id(line)] = self._made[key]
                    self._counters["v"] -= 1
                    return
                self._made[key] = name
                self.names[id(line)] = name
                self.head.append(text)
                return
        self.names[id(line)] = name
        self.body.append(text)

    # How operations are written

    def _operand(self, x: Any, line: Line) -> str:
        """An operand's name, or the text of a number that need not be a 0-d array."""
        if not is_plain(x):
            return self._named(x)
        dtypes = {getattr(value_of(a), "dtype", None) for a in line.args if not is_plain(a)}
        dtype = (dtypes.pop() if len(dtypes) == 1 else None) or np.dtype(bool)
        if (
            line.array.ndim
            and isinstance(line.op.forward, np.ufunc)
            and dtype.kind in "fc"
            and line.array.dtype in (dtype, bool)
        ):
            key = (repr(x), dtype)
            if key not in self._numbers:
                with np.errstate(over="ignore"):
                    self._numbers[key] = np.array(x, dtype)
            return self._named(self._numbers[key])
        return repr(x)

    def _named(self, x: Any) -> str:
        """The name of a line, an input, a variable or, at the first time a new one, a constant."""
        name = self.names.get(id(x))
        if name is None:
            name = self.names[id(x)] = self._new("c")
            self.scope[name] = x
        return name

    def _dtype(self, dtype: Any) -> str:
        return dtype_text(dtype) or self._named(dtype)

    def _filled(self, line: Line, operands: list[str], target: str) -> str:
        template, extra = self.text[id(line)]
        named = {k: self._called(k, v) if callable(v) else self._parameter(v) for k, v in extra.items()}
        text = str(template.format(*operands, y=target, **named))
        return re.sub(r"\bt\d+(\.view\(np\.\w+\)|\.reshape\(-1\)|\[:, None\])", self._once, text)

    def _once(self, view: re.Match[str]) -> str:
        """The name of a view of a buffer, which is contiguous; it is made once, in the head."""
        text = view[0]
        if (text, "") not in self._made:
            name = self._made[text, ""] = self._new("v")
            self.head.append(f"{name} = {text}")
        return self._made[text, ""]

    def _operator(self, line: Line) -> str | None:
        """Python's operator for this operation on numbers; None for arrays, and if there is no operator."""
        if line.array.dtype.kind != "f" or line.op.forward not in OPERATORS:
            return None
        # NumPy's power of a NumPy number may round otherwise
        if line.op.forward is np.power and not self.any_length:
            return None
        return OPERATORS[line.op.forward] if all(map(self._is_number, line.args)) else None

    def _is_written(self, line: Line) -> bool:
        """Whether the op's template writes into a buffer; else its result is copied there."""
        return "{y}" in self.text.get(id(line), ("",))[0] or isinstance(line.op.forward, np.ufunc)

    def _is_number(self, x: Any) -> bool:
        given = self.any_length and isinstance(x, Input) and not x.array.ndim
        return given or self.kind.get(id(x)) == "scalar" or is_plain(x)

    def _function(self, line: Line) -> str:
        return self._called(line.op.name, line.op.forward)

    def _called(self, name: str, forward: Any) -> str:
        """A name for a function in the text."""
        given = name
        name = getattr(forward, "__name__", "")
        if getattr(np, name, None) is forward:
            return f"np.{name}"
        name = "".join(c if c.isalnum() and c.isascii() else "_" for c in given)
        while (
            (name in self.scope and self.scope[name] is not forward)
            or name in self._taken
            or is_reserved(name)
        ):
            name += "_"
        self.scope[name] = forward
        return name

    def _keywords(self, line: Line) -> list[str]:
        return [f"{k}={self._parameter(v)}" for k, v in line.params.items()]

    def _parameter(self, v: Any) -> str:
        if isinstance(v, np.dtype):
            return self._dtype(v)
        if (
            v is None
            or isinstance(v, str)
            or is_plain(v)
            or (isinstance(v, tuple) and all(x is None or is_plain(x) for x in v))
        ):
            return repr(v)
        return self._named(v)

    def _returned(self, given: Sequence[Any]) -> str:
        """(results…) or ((results…), (kept…))."""
        first: set[int] = set()
        results = []
        copies: list[tuple[Any, str, set[int]]] = []
        for n, y in enumerate(self.outputs):
            name = self._named(y)
            own = id(y) in self.results and id(y) not in first
            first.add(id(y))
            if n in self.into:
                target = self.into[n]
                if not own and y is not target:
                    copies.append((target, name, self.roots.get(id(y), set()) & self.overwritten))
                if not isinstance(target, Input):
                    results.append(self._named(target))
            elif own or self.any_length:
                results.append(name)
            elif isinstance(y, Line) and self.kind.get(id(y)) == "scalar":
                results.append(f"np.asarray({name})")
            else:
                results.append(f"np.array({name})")
        self._copy(copies)
        text = "(" + "".join(f"{r}, " for r in results) + ")"
        return f"{text}, {self._kept(first)}" if self.keeps else text

    def _copy(self, copies: list[tuple[Any, str, set[int]]]) -> None:
        """Write each named value over its target, first those that lie in a vector which is overwritten."""
        old = [copy for copy in copies if copy[2]]
        if {id(target) for target, _, _ in old} & set().union(*(read for _, _, read in old)):
            names = sorted(self._named(target) for target, _, _ in old)
            raise ValueError(f"a rule cannot exchange its vectors {names}; write one of them as 1 * x.")
        for target, name, _ in sorted(copies, key=lambda copy: not copy[2]):
            self.body.append(f"np.copyto({self._named(target)}, {name})")

    def _kept(self, results: set[int]) -> str:
        """The values for later stages, copied if they share memory with a result, which callers may write
        to."""
        kept = []
        for x in self.keeps:
            roots = self.roots.get(id(x), set())
            safe = isinstance(x, Line) and roots <= self.results and (roots or self.kind[id(x)] == "scalar")
            kept.append(self._named(x) if safe and not roots & results else f"np.array({self._named(x)})")
        return "(" + "".join(f"{k}, " for k in kept) + ")"

    def _head(self) -> Iterator[str]:
        """The text that runs once for a workspace, now that the sizes of the blocks are known."""
        for part in self.head:
            if isinstance(part, str):
                yield part
                continue
            self.bytes += part.size * part.dtype.itemsize
            dtype = self._dtype(part.dtype)
            if len(part.names) == 1:
                ((shape, name),) = part.names.items()
                yield f"{name} = {f'vector({dtype})' if self.any_length else f'aligned({shape}, {dtype})'}"
                continue
            memory = self._new("m")
            yield f"{memory} = aligned({part.size}, {dtype})"
            for shape, name in part.names.items():
                yield f"{name} = {memory}[:{math.prod(shape)}].reshape({shape})"


def _alike(x: Any, y: Any) -> bool:
    return bool(x.shape == y.shape and x.dtype == y.dtype)
