"""`compile`: a function is captured once for each kind of arguments, then runs as straight-line NumPy.

Here a compiled function answers its callers, with its result and its push forward. `closures` answers
optimizers, with the gradient and the curvature of a loss.

Nothing compiles a closure behind the user's back. A closure may count or log its calls, and a captured one
would run twice and never again; so `minimize` and the Newton methods replay a function only if it is given
compiled. `fit` compiles, because it knows what a batch is.

The first call makes only what the first call needs: a graph, recorded twice and compared, and one text that
Python compiles. The second call makes the texts that take arguments apart, ask guards and assemble results.
"""

from __future__ import annotations

import math
import threading
import warnings
import weakref
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from minigrad.errors import CaptureError, entry, hide_our_frames
from minigrad.leaving import numeric
from minigrad.mode import current, no_grad
from minigrad.replay.arguments import any_live, key_of, matcher, packer, plain, traced
from minigrad.replay.buffers import Buffers
from minigrad.replay.capture import Capture
from minigrad.replay.passes import simplified
from minigrad.replay.stages import Stages
from minigrad.replay.verified import captured_twice
from minigrad.tensor import Tensor, data_of
from minigrad.transforms import linearize
from minigrad.trees import flatten, leaves_like, tree_map

__all__ = ["Bound", "Compiled", "Memory", "Replay", "Request", "compile", "titled"]

Function = Callable[..., Any]
MANY = 32  # so many captures of one function are probably a mistake
# If a function has thousands of operations on small arrays, a capture for products costs as much as a replay
# saves in 75 products. So a function of more than LONG operations is captured for products only when work
# worth WAIT products has been done without: 1 for each point and direction, FIRST more where a point is asked
# for its first product, since the gradient and the part of the work that all products share come with it.
LONG, WAIT, FIRST = 500, 100, 10


class NotYet(Exception):
    """A function is LONG and has not been asked for derivatives often enough to be captured."""


class Memory(NamedTuple):
    """The memory that the programs of a compiled function use."""

    buffers: int  # number of arrays that are used again at each call
    bytes: int  # size of these together
    result_bytes: int  # size of the results, which belong to the caller


@entry
def compile(f: Function, *, check: bool = False) -> Compiled:
    """A function that does what f does, faster: f is run to record its graph, which is then replayed as plain
    NumPy.

    f may be any function of arrays, or trees of them, that is written in NumPy's functions: a model with its
    loss, or what `grad`, `value_and_grad`, `hvp`, `jvp` make of one. Leaf Tensors that it reaches from
    outside, such as the parameters of a model, are read at each call. Other shapes, dtypes, structures or
    Python numbers are captured anew, and so is another `training` mode of a module. Random numbers have to
    come from `minigrad.uniform`.

    Array arguments give array results and Tensors give Tensors; the results belong to the caller. If the
    result would be live (recording is on, and an argument is live or f reaches live leaves), f itself runs,
    so that `backward` and `grad` still work. To have it replayed, call it inside `no_grad()`, compile the
    function that computes the gradient, or see `at`. A compiled function may be called from several threads.

    Where `forward` of a `Module` assigns to an attribute that holds an array, such as a running mean, replays
    assign too.

    What f does without Tensors happens only when it is captured. So its code is searched for what it reads:
    closure variables, globals, defaults, attributes of objects and classes, and what lists and dicts among
    them hold. If one of these is another number, text or object at a later call, or an array has other
    contents, f is captured anew. A function that draws random numbers without `minigrad.uniform`, or changes
    numbers that it reads, is refused. `check=True` notices what this search cannot see: the state of
    installed libraries, files, the clock, attributes whose names are put together at run time, and the
    contents of an array of more than 64 KB from which f takes a Python number or a branch.

    `@compile` may stand above a `def`, in a class too.

    Args:
        f: a function whose result depends only on its arguments and on what can be found by that search.
        check: compare each call with f itself.

    Raises:
        CaptureError: f looked at values (`if`, `.item()`, `float()`), changed something, wrote to an array
            that an operation had been given, or did something else when it ran again; with `check`, a result
            differs from f's.

    >>> import numpy as np
    >>> energy = compile(lambda x, v: 0.5 * (v * v).sum() - np.cos(x).sum())
    >>> energy(np.zeros(2), np.ones(2))
    array(-1.)
    """
    if not callable(f):
        raise TypeError(f"compile(f) needs a function, got {type(f).__name__}.")
    return Compiled(f, check)


class Compiled:
    """A function made by `compile`.

    `source` is the NumPy text that it runs, `memory` its buffers and results; both of all captures so far.
    """

    def __init__(self, f: Function, check: bool = False) -> None:
        self.function, self.check = f, bool(check)
        self.__name__ = getattr(f, "__name__", type(f).__name__)
        self.__doc__ = getattr(f, "__doc__", None)
        self.call = f"compile({self.__name__})"
        self._replays: dict[Any, Any] = {}
        self._last: Any = None
        self._vain = 0  # captures in a row that were hardly used
        self._asked: dict[Any, int] = {}  # for a key of a long function: the work done without a replay
        self._lock = threading.RLock()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        try:
            if current.mode.capturing is not None:
                return self.function(*args, **kwargs)
            last = self._last
            # the short way: the arguments are of the same kind as the last ones
            if last is not None and not kwargs:
                arrays = last.match(args)
                if (
                    arrays is not None
                    and (not last.guards or last.holds())
                    and not last.asked_for_derivatives()
                ):
                    return last(arrays)
            values: list[Any] = []
            key = key_of(args, values, self.call)
            if kwargs:
                key = (key, key_of(kwargs, values, self.call))
            replay = self._replays.get(key)
            if replay is None or replay.tensors or replay.guards or replay.live:
                if any_live(values) and current.mode.recording:
                    return self.function(*args, **kwargs)
                replay = self.replay_for(
                    key,
                    lambda: ResultReplay(
                        self.function, self.call, args, kwargs, values, None if kwargs else key
                    ),
                )
                if replay.asked_for_derivatives():
                    return self.function(*args, **kwargs)
            self._last = None if replay.tensors or kwargs or self.check else replay
            return replay.compared(values, args, kwargs) if self.check else replay(values)
        except Exception as error:
            hide_our_frames(error)
            raise

    def at(self, *args: Any, **kwargs: Any) -> Bound:
        """The function with its arguments given: a closure for `optimizer.step`, which then replays
        derivatives as well."""
        return Bound(self, args, kwargs)

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        """Above a method, `compile` gives each object a compiled function of its own, kept by the object."""
        bind = getattr(type(self.function), "__get__", None)
        if instance is None or bind is None:
            return self
        bound = bind(self.function, instance, owner)
        if current.mode.capturing is not None:
            return bound
        kept = getattr(instance, "__dict__", None)
        if kept is None:
            raise TypeError(
                f"{self.call} stands above a method of {type(instance).__name__}, whose objects have no "
                "__dict__ to keep what is compiled. Compile the bound method: compile(object.method)."
            )
        # no attribute has a name with a space
        key = f"compiled {getattr(self.function, '__qualname__', self.__name__)}"
        known = kept.get(key)
        if known is None or known.function != bound:  # a copy of the object has that of the original
            known = kept[key] = Compiled(bound, self.check)
        return known

    def __linearize__(self, primals: tuple[Any, ...]) -> tuple[Any, Function] | None:
        """For `linearize`: the value and a replayed push forward, or None if the function itself must run."""
        values: list[Any] = []
        kind = key_of(primals, values, self.call)
        if current.mode.capturing is not None or (any_live(values) and current.mode.recording):
            return None
        if len(flatten(primals)[0]) != len(values):  # a Python number among them has a tangent too
            return None
        key = "linearize", kind
        replay = self.replay_if_worth(
            key, lambda patient: Linearized(self.function, self.call, primals, kind, patient)
        )
        if replay is None:
            out, pushforward = linearize(self.function, *primals)
            return out, self.counted(key, pushforward)
        return None if replay.asked_for_derivatives() else replay(values)  # a pair

    @property
    def source(self) -> str:
        """The text of its programs, each under a title that says what it is for."""
        self._require_a_call()
        return "\n\n".join(replay.source for replay in self._replays.values())

    @property
    def memory(self) -> Memory:
        programs = [program for replay in self._replays.values() for program in replay.stages.programs]
        return Memory(*(sum(getattr(p, name) for p in programs) for name in Memory._fields))

    def recorded(self) -> dict[str, Tensor]:
        """The graph of the last capture, for pictures: its results by name, without values."""
        self._require_a_call()
        return list(self._replays.values())[-1].graph  # type: ignore[no-any-return]  # a dict of Tensors

    def __repr__(self) -> str:
        return f"<{self.call}, {len(self._replays)} captured>"

    def __reduce__(self) -> Any:
        """A copy captures for itself."""
        return Compiled, (self.function, self.check)

    def replay_if_worth(self, key: Any, make: Callable[[bool], Replay]) -> Any:
        """As `replay_for`, but None while the function is LONG and less than WAIT was done for `key`.

        Args:
            make: makes the replay; given True, it raises NotYet if the function is LONG.
        """
        replay = self._replays.get(key)
        if replay is not None and replay.holds():
            return replay
        with self._lock:
            asked = self._asked.get(key, 0)
            if 0 < asked < WAIT:
                self._asked[key] += 1
                return None
            try:
                replay = self.replay_for(key, lambda: make(not asked))
            except NotYet:
                self._asked[key] = 1
                self._tidy()
                return None
        return replay

    def counted(self, key: Any, product: Function) -> Function:
        """`product`, which works without the replay that `key` waits for, as a function that counts its work.

        With `lead=(k,)` it is asked for k directions.
        """
        first = FIRST

        def counted(*args: Any, **kwargs: Any) -> Any:
            nonlocal first
            with self._lock:
                if key in self._asked:
                    self._asked[key] += first + math.prod(kwargs.get("lead", ()))
            first = 0
            return product(*args, **kwargs)

        return counted

    def _tidy(self) -> None:
        """Drop what belongs to optimizers that are gone, and warn of too many kinds of arguments."""
        for known in (self._replays, self._asked):
            for old in [k for k in known if isinstance(k[0], Request) and k[0].owner() is None]:
                del known[old]
        if len(self._replays) + len(self._asked) == MANY:
            warnings.warn(
                f"{self.call} has been captured {MANY} times, for other shapes or Python numbers "
                "each time. Pass a number that changes as np.asarray(number, dtype), and pad "
                "batches to one shape.",
                RuntimeWarning,
                stacklevel=5,
            )

    def replay_for(self, key: Any, make: Callable[[], Replay]) -> Any:
        """The replay for this key, captured now if there is none or it no longer holds."""
        replay = self._replays.get(key)
        if replay is not None and replay.holds():
            return replay
        with self._lock:
            replay = self._replays.get(key)
            if replay is None or not replay.holds():
                new = make()
                self._notice(self._replays.pop(key, None))
                replay = self._replays[key] = new
                self._asked.pop(key, None)
                self._tidy()
        return replay

    def _notice(self, old: Replay | None) -> None:
        """Warn once if captures are made anew again and again, each for a call or two."""
        if old is None or old.uses > 4:
            self._vain = 0
            return
        self._vain += 1
        if self._vain == MANY:
            warnings.warn(
                f"{self.call} has been captured anew {MANY} times in a row, because {old.capture.changed()} "
                "changed, and that is slower than not compiling. Pass what changes as an argument (a number "
                "as np.asarray(number, dtype)).",
                RuntimeWarning,
                stacklevel=5,
            )

    def _require_a_call(self) -> None:
        if self._asked and not self._replays:
            raise ValueError(
                f"{self.call} has more than {LONG} operations, so it is captured for products only after "
                f"work worth {WAIT} products, and nothing is captured yet."
            )
        if not self._replays:
            raise ValueError(f"{self.call} has not been called yet, so nothing is captured.")


class Bound:
    """A closure: a compiled loss together with its arguments.

    Calling it runs the function itself and returns the recorded loss, so it can be used like any closure. Our
    optimizers do not call it; they request what they need (see `closures`), and that is replayed.
    """

    __slots__ = ("args", "compiled", "kwargs")

    def __init__(self, compiled: Compiled, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.compiled, self.args, self.kwargs = compiled, args, kwargs

    def __call__(self) -> Any:
        return self.compiled.function(*self.args, **self.kwargs)

    def checked(self, loss: Any) -> Any:
        """The loss, before anything is done with it. A subclass may raise here."""
        return loss


class Request:
    """A request of an optimizer to a compiled function.

    Requests of one kind for the same objects compare equal, so they share a capture. Captures whose `owner`
    was garbage-collected are dropped at the next capture.
    """

    def __init__(self, compiled: Compiled, owner: Any, *objects: Any) -> None:
        self.compiled, self.owner = compiled, weakref.ref(owner)
        self._ids = tuple(map(id, objects))  # a subclass keeps the objects, so no others get these ids

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Request) or type(other) is not type(self):
            return NotImplemented
        return self.compiled is other.compiled and self._ids == other._ids

    def __hash__(self) -> int:
        return hash(self._ids)


class Title(NamedTuple):
    """The first line of a program's text, which says what it is for; put together when it is read."""

    prefix: str
    function: str
    names: Sequence[str]
    kinds: Sequence[tuple[Any, tuple[int, ...]]]

    def __str__(self) -> str:
        kinds = ", ".join(
            f"{n}: {dtype}{list(shape)}" for n, (dtype, shape) in zip(self.names, self.kinds, strict=False)
        )
        return f"{self.prefix}{self.function}({kinds})"


def titled(prefix: str, f: Function, names: Sequence[str], arrays: Sequence[Any]) -> Title:
    return Title(
        prefix, getattr(f, "__name__", type(f).__name__), names, [(a.dtype, a.shape) for a in arrays]
    )


def is_long() -> bool:
    """Whether more than LONG operations have been captured so far."""
    capture = current.mode.capturing
    return capture is not None and capture.operations > LONG


class Replay:
    """A capture, made into programs.

    Args:
        key: the key of the arguments (see `key_of`); None if calls always take the general way.
        built: makes the result from its leaves.
        n: how many leaves the result has; -1 if `built` has to be called as it is.

    Attributes:
        title: the function and the arguments that it was captured for.
        graph: the captured results by name, without their values; for pictures.

    Guards and matcher are made when a second call asks for them, because the first call is slow enough.
    """

    def __init__(
        self,
        title: Title,
        stages: Stages,
        capture: Capture,
        outputs: Sequence[Any],
        key: Any,
        built: Callable[[Sequence[Any]], Any],
        n: int = -1,
    ) -> None:
        self.title, self.stages, self.capture = title, stages, capture
        self.buffers = capture.buffers or None  # arrays of modules that f reads and assigns
        self._key, self._built, self._n = key, built, n
        self.uses = 0  # how often a caller asked whether it still holds
        results = [y for y in outputs if isinstance(y, Tensor)]
        self.live = any(y.active for y in results)
        self.graph = {f"result {i}" if len(results) > 1 else "result": y for i, y in enumerate(results)}

    @cached_property
    def guards(self) -> Callable[[], bool] | None:
        return self.capture.guard()

    @cached_property
    def match(self) -> Callable[[tuple[Any, ...]], Any]:
        """A function: arguments → their arrays, or None if they are of another kind than was captured."""
        if self._n >= 0:
            self._built = packer(self._built, self._n)
        return matcher(self._key or (None,))

    def holds(self) -> bool:
        """Whether everything that the capture depends on is unchanged."""
        self.uses += 1
        try:
            return self.guards is None or self.guards()
        except (KeyError, ValueError):  # an attribute has another name now, a closure variable is gone
            return False

    def asked_for_derivatives(self) -> bool:
        """Whether f's results would be live: f reaches live leaves, parameters for instance, and recording is
        on."""
        return self.live and current.mode.recording

    @property
    def source(self) -> str:
        return "\n".join([f"# {self.title}", *(program.source for program in self.stages.programs)])


class ResultReplay(Replay):
    """The replay that computes f's result from its arguments."""

    def __init__(
        self, f: Function, call: str, args: Any, kwargs: Any, values: Sequence[Any], key: Any
    ) -> None:
        arrays, names, build = traced((args, kwargs), f)
        lines, outputs, build_out, capture = captured_twice(f, arrays, names, build, call)
        # Python values, returned as they are
        still = [not isinstance(y, Tensor | np.ndarray | np.generic) for y in outputs]
        assigned = lines.outputs[len(outputs) :]
        lines.outputs = [y for y, fixed in zip(lines.outputs, still) if not fixed] + assigned
        stages = Stages(simplified(lines), [lines.inputs], [len(lines.outputs)])
        self.f, self.call, self.program = f, call, stages.programs[0]
        self.tensors = any(isinstance(v, Tensor) for v in values)
        built, n = build_out, len(outputs)
        if self.tensors or any(still):
            fixed = [y if is_fixed else None for y, is_fixed in zip(outputs, still, strict=True)]
            wrap: Callable[[Any], Any] = Tensor if self.tensors else lambda y: y

            def with_fixed(found: Sequence[Any]) -> Any:
                given = iter(found)
                return build_out(
                    [y if as_is else wrap(next(given)) for y, as_is in zip(fixed, still, strict=True)]
                )

            built, n = with_fixed, -1
        super().__init__(titled("", f, names, arrays), stages, capture, outputs, key, built, n)

    def __call__(self, values: Sequence[Any]) -> Any:
        if self.buffers is None:
            return self._built(self.program(*(plain(values) if self.tensors else values)))
        found = self.program(*plain(values), *self.buffers.arrays())
        n = len(found) - len(self.buffers.written)
        self.buffers.put(found[n:])
        return self._built(found[:n])

    def compared(self, values: Sequence[Any], args: Any, kwargs: Any) -> Any:
        """The result, after a check that f itself gives the same."""
        before = [(rng, rng.bit_generator.state) for rng in self.capture.generators]
        buffers = self.buffers or Buffers()
        held = buffers.assigned()
        result = self(values)
        found = [*flatten(result)[0], *buffers.assigned()]
        for rng, state in before:
            rng.bit_generator.state = state
        buffers.put(held)
        with no_grad():
            expected = self.f(*args, **kwargs)
        wanted = [*flatten(expected)[0], *buffers.assigned()]
        for i, (a, b) in enumerate(zip(found, wanted, strict=True)):
            x, y = map(np.asarray, plain([a, b]))
            if x.dtype != y.dtype or x.shape != y.shape or not _alike(x, y):
                raise CaptureError(
                    f"{self.call}: result {i} of the replay ({x.dtype} {x.shape}) differs from that of the "
                    f"function itself ({y.dtype} {y.shape}). Does it depend on something that has changed "
                    "since it was captured: a global, an attribute, an array computed from another? Pass "
                    "that as an argument."
                )
        return result


def _alike(x: Any, y: Any) -> bool:
    if y.dtype.kind not in "fc":
        return np.array_equal(x, y)
    most = np.abs(y[np.isfinite(y)]).max(initial=0.0)
    return np.allclose(x, y, rtol=0, atol=float(1e4 * np.finfo(y.dtype).eps * most), equal_nan=True)


class Linearized(Replay):
    """The replay of f's value and push forward; for new tangents only lines that depend on them run again."""

    def __init__(
        self, f: Function, call: str, primals: tuple[Any, ...], key: Any, patient: bool = False
    ) -> None:
        arrays, names, build = traced((primals, {}), f)
        n = len(arrays)
        own, long = 0, False

        def both(*given: Any) -> Any:
            nonlocal own, long
            out, pushforward = linearize(f, *build(given[:n])[0])
            results, self._build_out = flatten(out)
            own = len(results)
            if long := patient and is_long():
                return results
            return [*results, *flatten(pushforward(*build(given[n:])[0]))[0]]

        everything = [*arrays, *(np.zeros_like(a) for a in plain(arrays))]
        lines, outputs, _, capture = captured_twice(
            both, everything, [*names, *(f"d_{name}" for name in names)], lambda new: (new, {}), call
        )
        if long:
            raise NotYet
        inputs = [lines.inputs[:n] + lines.inputs[2 * n :], [], lines.inputs[n : 2 * n]]
        assigned = len(capture.buffers.written) if capture.buffers else 0
        lines.outputs = (
            lines.outputs[:own] + lines.outputs[len(outputs) :] + lines.outputs[own : len(outputs)]
        )
        stages = Stages(simplified(lines), inputs, [own + assigned, 0, len(outputs) - own])
        title = titled("linearize: ", f, names, arrays)
        super().__init__(title, stages, capture, outputs, key, self._build_out, own)
        self.call = f"linearize({call})"
        # The shapes and dtypes of tangents, without their memory.
        self._like = tree_map(lambda x: np.broadcast_to(np.zeros((), x.dtype), x.shape), list(primals))

    def __call__(self, values: Sequence[Any]) -> tuple[Any, Function]:
        run = self.stages.start()
        if self.buffers is None:
            out = run(0, plain(values))
        else:
            out = run(0, [*plain(values), *self.buffers.arrays()])
            n = len(out) - len(self.buffers.written)
            self.buffers.put(out[n:])
            out = out[:n]
        ready = False

        def pushforward(*tangents: Any) -> Any:
            nonlocal ready
            given = self.match(tangents)
            if given is not None and ready and current.mode.capturing is None:  # the short way
                return self._built(run(2, given))
            given = leaves_like(list(tangents), self._like, f"{self.call}: the tangents")
            if current.mode.capturing is not None or (any_live(given) and current.mode.recording):
                raise CaptureError(
                    f"{self.call}: this pushforward is a replay and cannot be recorded; linearize the "
                    "function itself."
                )
            if not ready:
                run(1)
                ready = True
            return self._built(
                run(2, [self._fitting(t, x) for t, x in zip(given, flatten(self._like)[0], strict=True)])
            )

        return self._built(out), pushforward

    def _fitting(self, t: Any, x: Any) -> Any:
        t = numeric(np.asarray(data_of(t)), f"{self.call}: a tangent")
        if t.shape != x.shape:
            raise ValueError(f"{self.call}: the tangents must have shape {x.shape}, got {t.shape}.")
        if t.dtype is not x.dtype:
            if t.dtype.kind == "c" and x.dtype.kind != "c":
                raise TypeError(
                    f"{self.call}: the tangents are complex, but the value they belong to is {x.dtype}."
                )
            t = t.astype(x.dtype)
        return t
