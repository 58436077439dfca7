"""`compile`: a function captured once for each kind of arguments, and from then on run as straight-line NumPy.

Names: `key` what of the arguments a capture depends on (structure, shapes, dtypes, numbers), `values` the arrays in them.
"""

from __future__ import annotations

import threading
import warnings
import zlib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from minigrad.errors import CaptureError
from minigrad.mode import current, no_grad, scope
from minigrad.replay.capture import Capture, captured
from minigrad.replay.lines import Input, Lines, lines_of
from minigrad.replay.passes import PASSES
from minigrad.replay.stages import Run, Stages
from minigrad.sweeps import between, pull_back, push_forward
from minigrad.tensor import Tensor
from minigrad.transforms import linearize
from minigrad.trees import flatten

__all__ = ["Bound", "Compiled", "Memory", "compile"]

Function = Callable[..., Any]
MANY = 32  # captures of one function from which on something is probably amiss


class Memory(NamedTuple):
    """What the programs of a compiled function work in."""

    buffers: int  # arrays that are used again at each call
    bytes: int  # of these together
    result_bytes: int  # of the results, which are the caller's


def compile(f: Function, *, check: bool = False) -> Compiled:
    """A function that does what f does, faster: f is run to record its graph, which is then replayed as plain NumPy.

    f may be any function of arrays, or trees of them, that is written in NumPy's functions: a model with its loss, or what
    `grad`, `value_and_grad`, `hvp`, `jvp` make of one. Leaf Tensors that it reaches from outside, the parameters of a model
    for instance, are read at each call. Other shapes, dtypes, structures or Python numbers are captured anew, and so is
    another `training` mode of a module. Random numbers have to come from `minigrad.uniform`.

    Arrays give arrays and Tensors give Tensors, and these are the caller's own. Where a derivative is asked of it (an
    argument is live), f itself is run. It may be called from several threads.

    Args:
        f: its result depends only on its arguments, on Tensors and arrays it refers to, and on what never changes.
        check: compare each call with f itself.

    Raises:
        CaptureError: f looked at values (`if`, `.item()`, `float()`), changed something, or was not the same when run again;
            with `check`, a result differs from f's.

    >>> energy = compile(lambda x, v: 0.5 * (v * v).sum() - np.cos(x).sum())
    >>> energy(np.zeros(2), np.ones(2))
    array(-1.)
    """
    if not callable(f):
        raise TypeError(f"compile(f) needs a function, got {type(f).__name__}.")
    return Compiled(f, check)


class Compiled:
    """A function made by `compile`.

    `source` is the NumPy text it runs, `memory` what that works in (of all its captures so far).
    """

    def __init__(self, f: Function, check: bool = False) -> None:
        self.function, self.check = f, bool(check)
        self.__name__ = getattr(f, "__name__", type(f).__name__)
        self.__doc__ = getattr(f, "__doc__", None)
        self._call = f"compile({self.__name__})"
        self._replays: dict[Any, _Replay] = {}
        self._lock = threading.RLock()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        values: list[Any] = []
        key = _key(args, values, self._call)
        if kwargs:
            key = (key, _key(kwargs, values, self._call))
        replay = self._replays.get(key)
        if replay is None or (replay.guards and not replay.holds()):
            if current.mode.capturing is not None or (_live(values) and current.mode.recording):
                return self.function(*args, **kwargs)
            replay = self._captured(key, lambda: _Whole(self, args, kwargs, values))
        elif current.mode.capturing is not None:
            return self.function(*args, **kwargs)
        return replay(values, args, kwargs)

    def at(self, *args: Any, **kwargs: Any) -> Bound:
        """f with its arguments given: a closure for `optimizer.step`, which then replays the gradient too."""
        return Bound(self, args, kwargs)

    def __linearize__(self, primals: tuple[Any, ...]) -> tuple[Any, Function] | None:
        """What `linearize` asks: f's value and its push forward, replayed in two stages; None where f has to be run."""
        values: list[Any] = []
        key = ("linearize", _key(primals, values, self._call))
        if current.mode.capturing is not None or _live(values):
            return None
        replay = self._replays.get(key)
        if replay is None or (replay.guards and not replay.holds()):
            replay = self._captured(key, lambda: _Linearized(self, primals, values))
        return replay(values)  # type: ignore[no-any-return]  # a pair

    @property
    def source(self) -> str:
        """The text of its programs, each with what it is for."""
        if not self._replays:
            raise ValueError(f"{self._call} has not been called yet, so there is no source.")
        return "\n\n".join(replay.source for replay in self._replays.values())

    @property
    def memory(self) -> Memory:
        programs = [p for replay in self._replays.values() for p in replay.stages.programs]
        return Memory(*(sum(getattr(p, name) for p in programs) for name in ("buffers", "bytes", "result_bytes")))

    def recorded(self) -> dict[str, Tensor]:
        """The graph of the last capture, for pictures: its results by name. Its values are gone."""
        if not self._replays:
            raise ValueError(f"{self._call} has not been called yet, so there is no graph.")
        return list(self._replays.values())[-1].graph

    def __repr__(self) -> str:
        return f"<{self._call}, {len(self._replays)} captured>"

    def _captured(self, key: Any, make: Callable[[], _Replay]) -> _Replay:
        with self._lock:
            replay = self._replays.get(key)
            if replay is None or not replay.holds():
                replay = make()
                self._replays.pop(key, None)
                self._replays[key] = replay
                if len(self._replays) == MANY:
                    warnings.warn(
                        f"{self._call} has been captured {MANY} times, for other shapes or Python numbers each time. Pass a "
                        f"number that changes as np.asarray(number, dtype), and pad batches to one shape.",
                        RuntimeWarning, stacklevel=4,
                    )  # fmt: skip
        return replay


# The kinds of arguments


def _key(tree: Any, values: list[Any], call: str) -> Any:
    """What a capture depends on; the arrays are added to `values`, in the order of `flatten`."""
    kind = tree.__class__
    if kind is np.ndarray:
        values.append(tree)
        return (tree.shape, tree.dtype)
    if kind is tuple or kind is list:
        return (kind, *[_key(x, values, call) for x in tree])
    if kind is dict:
        return (kind, *[(k, _key(x, values, call)) for k, x in tree.items()])
    if isinstance(tree, Tensor):
        values.append(tree)
        return (Tensor, tree._data.shape, tree._data.dtype)
    if isinstance(tree, np.generic):
        values.append(np.asarray(tree))
        return ((), tree.dtype)
    if isinstance(tree, np.ndarray):
        if isinstance(tree, np.ma.MaskedArray):
            raise TypeError(f"{call} takes plain arrays, got a masked one; fill it first.")
        return _key(np.asarray(tree), values, call)
    if isinstance(tree, tuple | list | dict):
        items = tree.items() if isinstance(tree, dict) else enumerate(tree)
        return (kind, *[(k, _key(x, values, call)) for k, x in items])
    if isinstance(tree, float | complex):
        return (kind, repr(tree))  # tells −0.0 from 0.0, and NaN is itself
    try:
        hash(tree)
    except TypeError:
        raise TypeError(
            f"{call} takes arrays, Tensors, numbers, trees of them, and hashable values, got {kind.__name__}: {tree!r:.60}."
        ) from None
    return (kind, tree)


def _live(values: Sequence[Any]) -> bool:
    return any(isinstance(v, Tensor) and v._requires_grad for v in values)


def _traced(tree: Any, f: Function) -> tuple[list[Any], list[str], Callable[[Sequence[Any]], Any]]:
    """The arrays in (args, kwargs), names for them, and the function that puts others in their place."""
    leaves, build = flatten(tree)
    at = [i for i, x in enumerate(leaves) if isinstance(x, np.ndarray | np.generic | Tensor)]

    def rebuilt(new: Sequence[Any]) -> Any:
        filled = list(leaves)
        for i, x in zip(at, new, strict=True):
            filled[i] = x
        return build(filled)

    code = getattr(f, "__code__", None)
    first = code.co_varnames[: code.co_argcount] if code else ()
    args, kwargs = tree
    paths: list[str] = []
    for i, x in enumerate(args):
        _paths(x, first[i] if i < len(first) else f"x{i}", paths)
    for k, x in kwargs.items():
        _paths(x, k, paths)
    return [leaves[i] for i in at], [paths[i] for i in at], rebuilt


def _paths(tree: Any, path: str, paths: list[str]) -> None:
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, tuple | list) else None
    if items is None:
        if tree is not None:
            paths.append(path)
        return
    for k, x in items:
        _paths(x, f"{path}_{k}", paths)


# Captures


class _Replay:
    """One capture of one function for one kind of arguments, ready to run."""

    stages: Stages
    capture: Capture
    title: str

    def __init__(self, stages: Stages, capture: Capture, title: str, outputs: Sequence[Any]) -> None:
        self.stages, self.capture, self.title = stages, capture, title
        self.guards = capture.guards
        self.graph = {
            f"result {i}" if len(outputs) > 1 else "result": y for i, y in enumerate(outputs) if isinstance(y, Tensor)
        }
        _forget_values(self.graph.values())

    def __call__(self, values: Sequence[Any], *more: Any) -> Any:
        raise NotImplementedError

    def holds(self) -> bool:
        """Whether what Python branched on is still as it was."""
        return all(getattr(thing, name) is value for thing, name, value in self.guards)

    @property
    def source(self) -> str:
        return "\n".join([f"# {self.title}", *(p.source for p in self.stages.programs)])


class _Whole(_Replay):
    """f's result from its arguments."""

    def __init__(self, of: Compiled, args: Any, kwargs: Any, values: Sequence[Any]) -> None:
        arrays, names, build = _traced((args, kwargs), of.function)
        lines, inputs, outputs, build_out, capture = _twice(of.function, arrays, names, build, of._call)
        self.constant_outputs = [None if isinstance(y, Tensor | np.ndarray | np.generic) else y for y in outputs]
        wanted = [y for y in lines.outputs if not _python(y)]
        self.rebuild = _rebuild(outputs, build_out, any(isinstance(v, Tensor) for v in values))
        lines.outputs = wanted
        super().__init__(Stages(_simplified(lines), [inputs], [len(wanted)]), capture, _title(of, names, arrays), outputs)
        self.program = self.stages.programs[0]
        self.of = of
        self.tensors = [i for i, v in enumerate(values) if isinstance(v, Tensor)]

    def __call__(self, values: Sequence[Any], *more: Any) -> Any:
        if self.tensors:
            if _live(values) and current.mode.recording:
                return self.of.function(*more[0], **more[1])
            values = [v._data if isinstance(v, Tensor) else v for v in values]
        if self.of.check:
            return self._checked(values, *more)
        return self.rebuild(self.program(*values))

    def _checked(self, values: Sequence[Any], args: Any, kwargs: Any) -> Any:
        """The result, after f itself has given the same."""
        before = [(rng, rng.bit_generator.state) for rng in self.capture.generators]
        result = self.rebuild(self.program(*values))
        for rng, state in before:
            rng.bit_generator.state = state
        with no_grad():
            expected = self.of.function(*args, **kwargs)
        for i, (a, b) in enumerate(zip(flatten(result)[0], flatten(expected)[0], strict=True)):
            x, y = (np.asarray(v._data if isinstance(v, Tensor) else v) for v in (a, b))
            if y.dtype.kind not in "fc":
                same = np.array_equal(x, y)
            else:
                most = np.abs(y[np.isfinite(y)]).max(initial=0.0)
                same = np.allclose(x, y, rtol=0, atol=1e4 * np.finfo(y.dtype).eps * most, equal_nan=True)
            if x.dtype != y.dtype or x.shape != y.shape or not same:
                raise CaptureError(
                    f"{self.of._call}: result {i} of the replay differs from that of the function itself ({x.dtype} {x.shape} "
                    f"against {y.dtype} {y.shape}). Does it depend on something that has changed since it was captured: a "
                    f"global, an attribute, an array computed from another? Pass that as an argument."
                )
        return result


class _Linearized(_Replay):
    """f's value at the primals, then its push forward for any tangents."""

    def __init__(self, of: Compiled, primals: tuple[Any, ...], values: Sequence[Any]) -> None:
        arrays, names, build = _traced((primals, {}), of.function)
        n = len(arrays)
        count = [0]

        def both(*given: Any) -> Any:
            out, pushforward = linearize(of.function, *build(given[:n])[0])
            moved = pushforward(*build(given[n:])[0])
            leaves, self.build_out = flatten(out)
            count[0] = len(leaves)
            return [*leaves, *flatten(moved)[0]]

        tangents = [np.zeros_like(a._data if isinstance(a, Tensor) else a) for a in arrays]
        lines, inputs, outputs, _, capture = _twice(
            both, [*arrays, *tangents], [*names, *(f"d_{name}" for name in names)], lambda new: (new, {}), of._call
        )
        k = count[0]
        stages = Stages(_simplified(lines), [inputs[:n], [], inputs[n:]], [k, 0, len(outputs) - k])
        super().__init__(stages, capture, f"linearize: {_title(of, names, arrays)}", outputs)
        self.like = arrays
        self.of = of

    def __call__(self, values: Sequence[Any], *more: Any) -> Any:
        run = self.stages.start()
        primals = [v._data if isinstance(v, Tensor) else v for v in values]
        out = run(0, primals)
        run_once = [False]

        def pushforward(*tangents: Any) -> Any:
            given: list[Any] = []
            _key(tangents, given, self.of._call)
            if current.mode.capturing is not None or _live(given):
                raise CaptureError(
                    f"linearize({self.of._call}): this pushforward runs a replayed program and cannot itself be recorded; "
                    f"linearize the function that was compiled instead."
                )
            if not run_once[0]:
                run(1)
                run_once[0] = True
            arrays = [
                _fitting(t._data if isinstance(t, Tensor) else t, x, self.of._call) for t, x in zip(given, primals, strict=True)
            ]
            return self.build_out(list(run(2, arrays)))

        return self.build_out(list(out)), pushforward


def _fitting(t: Any, x: Any, call: str) -> Any:
    if t.shape != x.shape:
        raise ValueError(f"linearize({call}): the tangents must have shape {x.shape}, got {t.shape}.")
    if t.dtype != x.dtype:
        if t.dtype.kind == "c" and x.dtype.kind != "c":
            raise TypeError(f"linearize({call}): the tangents are complex, but the value they belong to is {x.dtype}.")
        t = t.astype(x.dtype)
    return t


class Bound:
    """A compiled function of a loss with its arguments: a closure. An optimizer that knows it replays gradients as well.

    Called, it runs the function itself and returns the recorded loss, so it serves wherever a closure does.
    """

    __slots__ = ("args", "compiled", "kwargs")

    def __init__(self, compiled: Compiled, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.compiled, self.args, self.kwargs = compiled, args, kwargs

    def __call__(self) -> Any:
        return self.compiled.function(*self.args, **self.kwargs)

    def gradient(self, leaves: Sequence[Tensor], into: Sequence[Any]) -> tuple[Any, tuple[bool, ...]]:
        """The loss, with its gradient with respect to each leaf written into an array; and which leaves it depends on."""
        values: list[Any] = []
        key = ("gradient", _key(self.args, values, ""), _key(self.kwargs, values, "") if self.kwargs else (),
               *map(id, leaves), *map(id, into))  # fmt: skip
        of = self.compiled
        replay = of._replays.get(key)
        if replay is None or (replay.guards and not replay.holds()):
            replay = of._captured(key, lambda: _Gradient(of, self, leaves, into))
        return replay(values)  # type: ignore[no-any-return]  # a pair

    def linearized(self, leaves: Sequence[Tensor]) -> Point:
        """Loss, gradient and Hessian-vector products at the present values of the leaves, each when asked for."""
        values: list[Any] = []
        key = ("second order", _key(self.args, values, ""), _key(self.kwargs, values, "") if self.kwargs else (),
               *map(id, leaves))  # fmt: skip
        of = self.compiled
        replay = of._replays.get(key)
        if replay is None or (replay.guards and not replay.holds()):
            replay = of._captured(key, lambda: _SecondOrder(of, self, leaves))
        return replay(values)  # type: ignore[no-any-return]  # a Point


class _Gradient(_Replay):
    def __init__(self, of: Compiled, bound: Bound, leaves: Sequence[Tensor], into: Sequence[Any]) -> None:
        arrays, names, build = _traced((bound.args, bound.kwargs), of.function)
        reached: list[bool] = []

        def both(*args: Any, **kwargs: Any) -> Any:
            loss, gradients = _pulled_back(of, of.function(*args, **kwargs), leaves)
            reached[:] = [g is not None for g in gradients]
            return [loss, *(g for g in gradients if g is not None)]

        lines, inputs, outputs, _, capture = _twice(both, arrays, names, build, of._call)
        targets = {i + 1: a for i, a in enumerate(a for a, there in zip(into, reached, strict=True) if there)}
        stages = Stages(_simplified(lines), [inputs], [len(outputs)], targets)
        super().__init__(stages, capture, f"loss and gradients: {_title(of, names, arrays)}", outputs)
        self.reached = tuple(reached)
        self.leaves, self.into = leaves, into  # kept alive, for they are known by their ids
        self.program = stages.programs[0]

    def __call__(self, values: Sequence[Any], *more: Any) -> Any:
        return self.program(*[v._data if isinstance(v, Tensor) else v for v in values])[0], self.reached


def _pulled_back(of: Compiled, loss: Any, leaves: Sequence[Tensor]) -> tuple[Tensor, list[Any]]:
    if not isinstance(loss, Tensor) or loss.size != 1:
        got = f"shape {loss.shape}" if isinstance(loss, Tensor) else type(loss).__name__
        raise TypeError(f"{of._call}: to pull back, the function must return a scalar Tensor, got {got}.")
    path = between(leaves, [loss])
    one = np.ones_like(loss._data)
    one.flags.writeable = False
    with scope(phase="backward"):
        found = pull_back(path, {loss.index: one}, record=True) if loss.index in path.reach else {}
    return loss, [found.get(p.index) for p in leaves]


class _SecondOrder(_Replay):
    def __init__(self, of: Compiled, bound: Bound, leaves: Sequence[Tensor]) -> None:
        arrays, names, build = _traced((bound.args, bound.kwargs), of.function)
        n = len(arrays)

        def all_three(*given: Any) -> Any:
            args, kwargs = build(given[:n])
            loss, gradients = _pulled_back(of, of.function(*args, **kwargs), leaves)
            gradients = [np.zeros_like(p._data) if g is None else g for g, p in zip(gradients, leaves, strict=True)]
            live = [g for g in gradients if isinstance(g, Tensor)]
            with scope(phase="tangent"):
                start = {p.index: t for p, t in zip(leaves, given[n:], strict=True)}
                moved = push_forward(between(leaves, live), start, record=True)
            products = [moved.get(g.index) if isinstance(g, Tensor) else None for g in gradients]
            products = [np.zeros_like(p._data) if t is None else t for t, p in zip(products, leaves, strict=True)]
            return [loss, *gradients, *products]

        tangents = [np.zeros_like(p._data) for p in leaves]
        names_of = [*names, *(f"d_{p.name or i}" for i, p in enumerate(leaves))]
        lines, inputs, outputs, _, capture = _twice(all_three, [*arrays, *tangents], names_of, lambda new: (new, {}), of._call)
        m = len(leaves)
        stages = Stages(_simplified(lines), [inputs[:n], [], [], inputs[n:]], [1, m, 0, m])
        super().__init__(stages, capture, f"loss, gradient, Hessian-vector products: {_title(of, names, arrays)}", outputs)
        self.leaves = leaves

    def __call__(self, values: Sequence[Any], *more: Any) -> Any:
        return Point(self.stages.start(), [v._data if isinstance(v, Tensor) else v for v in values])


class Point:
    """A loss at one point, replayed stage by stage: the loss at once, the gradient and products on demand."""

    def __init__(self, run: Run, values: Sequence[Any]) -> None:
        self._run, self._next = run, 1
        self.loss = run(0, values)[0]

    def gradient(self) -> list[Any]:
        self._gradient = list(self._run(1))
        self._next = 2
        return self._gradient

    def product(self, vectors: Sequence[Any]) -> list[Any]:
        """H·v, one array for each leaf."""
        if self._next == 1:
            self.gradient()
        if self._next == 2:
            self._run(2)
            self._next = 3
        return list(self._run(3, vectors))


# The parts they are made of


def _twice(
    f: Function, arrays: Sequence[Any], names: Sequence[str], build: Callable[[Sequence[Any]], Any], call: str
) -> tuple[Lines, list[Input], list[Any], Any, Capture]:  # fmt: skip
    """Capture f, and once more: what differs the second time would be frozen at what it was the first."""
    values = [a._data if isinstance(a, Tensor) else np.asarray(a) for a in arrays]
    first = captured(f, values, names, build, call)
    lines = lines_of(first[0], first[1], first[3])
    marks = [(x, _mark(x)) for line in lines.lines for x in line.args if isinstance(x, np.ndarray) and x.flags.writeable]
    again = captured(f, values, names, build, call)
    difference = _difference(lines, lines_of(again[0], again[1], again[3]))
    if any(_mark(x) != mark for x, mark in marks):
        difference = "an array that it refers to was changed by it"
    if difference:
        raise CaptureError(
            f"{call}: run twice on the same arguments, the function was not the same ({difference}). Random numbers, counters "
            f"and changing arrays would be frozen. Draw random numbers with minigrad.uniform(rng, shape), pass what changes "
            f"as an argument and return what has changed, or do not compile it."
        )
    inputs: dict[int, Input] = {}
    for x in (x for line in lines.lines for x in line.args):
        if isinstance(x, Input):
            inputs[x.i] = x
    for y in lines.outputs:
        if isinstance(y, Input):
            inputs[y.i] = y
    all_inputs = [inputs.get(i) or Input(i, tensor) for i, tensor in enumerate(first[0])]
    return lines, all_inputs, first[1], first[2], first[3]


def _mark(x: Any) -> int:
    return zlib.crc32(np.ascontiguousarray(x).view(np.uint8).reshape(-1).data) if x.dtype != object else 0


def _difference(a: Lines, b: Lines) -> str:
    """How two captures differ, or nothing."""
    if len(a.lines) != len(b.lines) or len(a.outputs) != len(b.outputs):
        return f"{len(a.lines)} operations, then {len(b.lines)}"
    place = {id(line): i for lines in (a.lines, b.lines) for i, line in enumerate(lines)}

    def same(x: Any, y: Any) -> bool:
        if x is y:
            return True
        if x.__class__ is not y.__class__:
            return False
        if id(x) in place and id(y) in place:
            return place[id(x)] == place[id(y)]
        if isinstance(x, np.ndarray):
            return x.dtype == y.dtype and np.array_equal(x, y, equal_nan=x.dtype.kind in "fc")
        if isinstance(x, Input):
            return bool(x.i == y.i)
        if hasattr(x, "leaf"):
            return bool(x.leaf is y.leaf)
        if isinstance(x, tuple | list):
            return len(x) == len(y) and all(map(same, x, y))
        return bool(x == y or (x != x and y != y))

    for x, y in zip(a.lines, b.lines, strict=True):
        if x.op is not y.op and x.op.name != y.op.name:
            return f"{x.op.name}, then {y.op.name}"
        if len(x.args) != len(y.args) or not all(map(same, x.args, y.args)) or x.params.keys() != y.params.keys():
            return f"other operands of {x.op.name}"
        if not all(same(x.params[k], y.params[k]) for k in x.params):
            return f"other parameters of {x.op.name}"
    return "" if all(map(same, a.outputs, b.outputs)) else "other results"


def _simplified(lines: Lines) -> Lines:
    for change in PASSES:
        lines = change(lines)
    return lines


def _python(y: Any) -> bool:
    """Whether a result is a Python value that is returned as it is."""
    return not isinstance(y, np.ndarray | np.generic) and not hasattr(y, "array")


def _rebuild(outputs: Sequence[Any], build_out: Callable[[Sequence[Any]], Any], tensors: bool) -> Callable[[Any], Any]:
    """From the program's tuple of results to what f returns."""
    fixed = [not isinstance(y, Tensor | np.ndarray | np.generic) for y in outputs]

    def rebuild(found: tuple[Any, ...]) -> Any:
        given = iter(found)
        return build_out([y if still else wrapped(next(given)) for y, still in zip(outputs_only, fixed, strict=True)])

    outputs_only = [y if still else None for y, still in zip(outputs, fixed, strict=True)]
    wrapped: Callable[[Any], Any] = Tensor if tensors else (lambda y: y)
    if not tensors and not any(fixed):
        probe = build_out(list(range(len(outputs))))
        if probe == 0 and len(outputs) == 1:
            return lambda found: found[0]
        if probe == tuple(range(len(outputs))) and type(probe) is tuple:
            return lambda found: found
        return lambda found: build_out(found)
    return rebuild


def _title(of: Compiled, names: Sequence[str], arrays: Sequence[Any]) -> str:
    return f"{of.__name__}({', '.join(f'{n}: {a.dtype}{list(a.shape)}' for n, a in zip(names, arrays, strict=True))})"


def _forget_values(outputs: Any) -> None:
    """Keep the graph but not the arrays in it: every value becomes one repeated element."""
    stack = [y for y in outputs if isinstance(y, Tensor)]
    seen: set[int] = set()
    while stack:
        node = stack.pop()
        if node.index in seen or node.op is None:
            continue
        seen.add(node.index)
        stack += [x for x in node.inputs if isinstance(x, Tensor)]
        node._data = np.broadcast_to(np.zeros((), node._data.dtype), node._data.shape)
        node.args = ()
