"""`compile`: a function captured once for each kind of arguments, and from then on run as straight-line NumPy."""

from __future__ import annotations

import threading
import warnings
import weakref
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from minigrad.errors import CaptureError
from minigrad.mode import current
from minigrad.replay.arguments import any_live, key_of, plain
from minigrad.replay.replays import CurvaturePoint, Linearized, LossAndGradient, Replay, ResultReplay, SecondOrder
from minigrad.tensor import Tensor
from minigrad.trees import flatten

__all__ = ["Bound", "Compiled", "GradientRequest", "Memory", "compile"]

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

    Arrays give arrays and Tensors give Tensors, and these are the caller's own. Where the result would be live (an argument
    is, or f reaches live leaves, and recording is on), f itself is run, so nothing is lost to `backward` or `grad`: call a
    compiled model inside `no_grad()`, or compile what computes its gradient, or see `at`. It may be called from several
    threads.

    What f computes without Tensors it computes once: NumPy on arrays alone, attributes of objects that are no Modules, globals.

    Args:
        f: its result depends only on its arguments, on Tensors and arrays it refers to, and on what never changes.
        check: compare each call with f itself.

    Raises:
        CaptureError: f looked at values (`if`, `.item()`, `float()`), changed something, or was not the same when run again;
            with `check`, a result differs from f's.

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

    `source` is the NumPy text it runs, `memory` what that works in (of all its captures so far).
    """

    def __init__(self, f: Function, check: bool = False) -> None:
        self.function, self.check = f, bool(check)
        self.__name__ = getattr(f, "__name__", type(f).__name__)
        self.__doc__ = getattr(f, "__doc__", None)
        self._call = f"compile({self.__name__})"
        self._replays: dict[Any, Any] = {}
        self._last: Any = None
        self._lock = threading.RLock()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if current.mode.capturing is not None:
            return self.function(*args, **kwargs)
        last = self._last
        if last is not None and not kwargs:  # the short way: the arguments are of the same kind as the last ones
            arrays = last.match(args)
            if arrays is not None and (not last.guards or last.holds()) and not last.asked_for_derivatives():
                return last(arrays)
        values: list[Any] = []
        key = key_of(args, values, self._call)
        if kwargs:
            key = (key, key_of(kwargs, values, self._call))
        replay = self._replays.get(key)
        if replay is None or replay.tensors or replay.guards or replay.live:
            if any_live(values) and current.mode.recording:
                return self.function(*args, **kwargs)
            replay = self._known(
                key, lambda: ResultReplay(self.function, self._call, args, kwargs, values, None if kwargs else key)
            )
            if replay.asked_for_derivatives():
                return self.function(*args, **kwargs)
        self._last = None if replay.tensors or kwargs or self.check else replay
        return replay.compared(values, args, kwargs) if self.check else replay(values)

    def at(self, *args: Any, **kwargs: Any) -> Bound:
        """The function with its arguments given: a closure for `optimizer.step`, which then replays derivatives as well."""
        return Bound(self, args, kwargs)

    def __linearize__(self, primals: tuple[Any, ...]) -> tuple[Any, Function] | None:
        """What `linearize` asks: the value and the push forward, replayed; None where the function itself has to run."""
        values: list[Any] = []
        kind = key_of(primals, values, self._call)
        if current.mode.capturing is not None or (any_live(values) and current.mode.recording):
            return None
        if len(flatten(primals)[0]) != len(values):  # a Python number among them has a tangent too
            return None
        replay = self._known(("linearize", kind), lambda: Linearized(self.function, self._call, primals, kind))
        return None if replay.asked_for_derivatives() else replay(values)  # type: ignore[no-any-return]  # a pair

    @property
    def source(self) -> str:
        """The text of its programs, each with what it is for."""
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
        return f"<{self._call}, {len(self._replays)} captured>"

    def __reduce__(self) -> Any:
        """A copy captures for itself."""
        return Compiled, (self.function, self.check)

    def _known(self, key: Any, make: Callable[[], Replay]) -> Any:
        """The replay for this key, captured now if there is none or if it does not hold any more."""
        replay = self._replays.get(key)
        if replay is not None and replay.holds():
            return replay
        with self._lock:
            replay = self._replays.get(key)
            if replay is None or not replay.holds():
                new = make()
                self._replays.pop(key, None)
                for old in [k for k in self._replays if isinstance(k[0], Request) and k[0].owner() is None]:
                    del self._replays[old]
                replay = self._replays[key] = new
                if len(self._replays) == MANY:
                    warnings.warn(
                        f"{self._call} has been captured {MANY} times, for other shapes or Python numbers each time. Pass a "
                        f"number that changes as np.asarray(number, dtype), and pad batches to one shape.",
                        RuntimeWarning, stacklevel=4,
                    )  # fmt: skip
        return replay

    def _require_a_call(self) -> None:
        if not self._replays:
            raise ValueError(f"{self._call} has not been called yet, so nothing is captured.")


class Bound:
    """A compiled function of a loss with its arguments: a closure.

    Called, it runs the function itself and returns the recorded loss, so it serves wherever a closure does. An optimizer
    that knows it asks for what it needs instead, and that is replayed.
    """

    __slots__ = ("args", "compiled", "kwargs")

    def __init__(self, compiled: Compiled, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.compiled, self.args, self.kwargs = compiled, args, kwargs

    def __call__(self) -> Any:
        return self.compiled.function(*self.args, **self.kwargs)

    def checked(self, loss: Any) -> Any:
        """The loss, before anything is done with it. A subclass may raise here."""
        return loss


def _require_no_capture(call: str) -> None:
    if current.mode.capturing is not None:
        raise CaptureError(f"{call}.at(...): an optimizer cannot step inside a compiled function; step outside of it.")


class Request:
    """What an optimizer asks of a compiled function. Two of one kind that ask for the same objects are equal, so what one has
    captured serves the other: optimizers and losses may take turns. What was captured for an `owner` that is no more is let
    go at the next capture."""

    def __init__(self, compiled: Compiled, owner: Any, *objects: Any) -> None:
        self.compiled, self.owner = compiled, weakref.ref(owner)
        self._ids = tuple(map(id, objects))  # a subclass keeps the objects, so these stay theirs

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Request) or type(other) is not type(self):
            return NotImplemented
        return self.compiled is other.compiled and self._ids == other._ids

    def __hash__(self) -> int:
        return hash(self._ids)


class GradientRequest(Request):
    """Loss and gradient of bound functions, the gradient written into arrays: what a first-order optimizer asks.

    Args:
        compiled: the function that is bound.
        leaves: what is differentiated.
        into: an array for each.
        owner: the optimizer.

    `gradient(bound)` returns the loss and which leaves it depends on.
    """

    def __init__(self, compiled: Compiled, leaves: Sequence[Tensor], into: Sequence[Any], owner: Any) -> None:
        super().__init__(compiled, owner, *leaves, *into)
        self.pairs = list(zip(leaves, into, strict=True))
        self._last: Any = None

    def __call__(self, bound: Bound) -> tuple[Any, tuple[bool, ...]]:
        of, replay = self.compiled, self._last
        _require_no_capture(of._call)
        values = replay.match(bound.args) if replay is not None and not bound.kwargs else None
        if values is None or (replay.guards and not replay.holds()):
            values = []
            kinds = key_of(bound.args, values, of._call), key_of(bound.kwargs, values, of._call) if bound.kwargs else None
            replay = of._known(
                (self, *kinds),
                lambda: LossAndGradient(of.function, of._call, bound.args, bound.kwargs, self.pairs, kinds[0]),
            )
            self._last = None if bound.kwargs else replay
        return bound.checked(replay(values)), replay.reached


class CurvatureRequest(Request):
    """Loss, gradient and Hessian-vector products of bound functions: what a second-order optimizer asks.

    `curvature.at(bound)` is the `CurvaturePoint` at the present values of the leaves; the leaves may change afterwards.

    Args:
        compiled: the function that is bound.
        leaves: what is differentiated.
        owner: the optimizer, or whoever asks.
    """

    def __init__(self, compiled: Compiled, leaves: Sequence[Tensor], owner: Any) -> None:
        super().__init__(compiled, owner, *leaves)
        self.leaves = list(leaves)

    def at(self, bound: Bound) -> CurvaturePoint:
        values: list[Any] = []
        of = self.compiled
        _require_no_capture(of._call)
        kinds = key_of(bound.args, values, of._call), key_of(bound.kwargs, values, of._call)

        def replay(lead: tuple[int, ...]) -> SecondOrder:
            make = lambda: SecondOrder(of.function, of._call, bound.args, bound.kwargs, self.leaves, lead)  # noqa: E731
            return of._known((self, lead, *kinds), make)  # type: ignore[no-any-return]  # what make gives

        point = CurvaturePoint(replay, [*plain(values), *(p.primal.copy() for p in self.leaves)])
        bound.checked(point.loss)
        return point
