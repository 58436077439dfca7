"""What can be replayed of one function for one kind of arguments: its result, its push forward, a loss with its gradient,
and a loss with gradient and Hessian-vector products. Each captures in the same way and differs in what is asked when.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from minigrad.errors import CaptureError
from minigrad.leaving import numeric
from minigrad.mode import current, no_grad, scope
from minigrad.replay.arguments import any_live, plain, traced
from minigrad.replay.capture import Capture
from minigrad.replay.passes import simplified
from minigrad.replay.stages import Run, Stages
from minigrad.replay.unpacking import matcher, packer
from minigrad.replay.verified import captured_twice
from minigrad.sweeps import between, pull_back, push_forward
from minigrad.tensor import Tensor, data_of
from minigrad.transforms import linearize
from minigrad.trees import flatten, leaves_like, tree_map

__all__ = ["CurvaturePoint", "Linearized", "LossAndGradient", "Replay", "ResultReplay", "SecondOrder"]

Function = Callable[..., Any]
PORTION = 16  # directions at once


class Title(NamedTuple):
    """What a program is for, as its first line says: put into words only when it is read, for that takes a while."""

    prefix: str
    function: str
    names: Sequence[str]
    kinds: Sequence[tuple[Any, tuple[int, ...]]]

    def __str__(self) -> str:
        kinds = ", ".join(f"{n}: {dtype}{list(shape)}" for n, (dtype, shape) in zip(self.names, self.kinds, strict=False))
        return f"{self.prefix}{self.function}({kinds})"


def _title(prefix: str, f: Function, names: Sequence[str], arrays: Sequence[Any]) -> Title:
    return Title(prefix, getattr(f, "__name__", type(f).__name__), names, [(a.dtype, a.shape) for a in arrays])


class Replay:
    """A capture, made into programs.

    Args:
        key: of the arguments that it was captured for (see `key_of`); None if only the general way leads here.
        built: makes the result from its leaves, and how many these are.

    Attributes:
        title: the function and what it was captured for.
        graph: the captured results by name, without their values; for pictures.

    What only a second call needs is made then: the first one is slow enough.
    """

    def __init__(
        self, title: Title, stages: Stages, capture: Capture, outputs: Sequence[Any], key: Any,
        built: Callable[[Sequence[Any]], Any], n: int = -1,
    ) -> None:  # fmt: skip
        self.title, self.stages, self.capture = title, stages, capture
        self._key, self._built, self._n = key, built, n
        results = [y for y in outputs if isinstance(y, Tensor)]
        self.live = any(y.active for y in results)
        self.graph = {f"result {i}" if len(results) > 1 else "result": y for i, y in enumerate(results)}

    @cached_property
    def guards(self) -> Callable[[], bool] | None:
        return self.capture.guard()

    @cached_property
    def match(self) -> Callable[[tuple[Any, ...]], Any]:
        """The arrays in arguments of the kind that it was captured for, else None."""
        if self._n >= 0:
            self._built = packer(self._built, self._n)
        return matcher(self._key or (None,))

    def holds(self) -> bool:
        """Whether what Python branched on is still as it was."""
        try:
            return self.guards is None or self.guards()
        except KeyError:  # an attribute has another name now
            return False

    def asked_for_derivatives(self) -> bool:
        """Whether f's results would be live: f reaches live leaves, parameters for instance, and recording is on."""
        return self.live and current.mode.recording

    @property
    def source(self) -> str:
        return "\n".join([f"# {self.title}", *(program.source for program in self.stages.programs)])


class ResultReplay(Replay):
    """f's result from its arguments."""

    def __init__(self, f: Function, call: str, args: Any, kwargs: Any, values: Sequence[Any], key: Any) -> None:
        arrays, names, build = traced((args, kwargs), f)
        lines, outputs, build_out, capture = captured_twice(f, arrays, names, build, call)
        still = [not isinstance(y, Tensor | np.ndarray | np.generic) for y in outputs]  # Python values, returned as they are
        lines.outputs = [y for y, fixed in zip(lines.outputs, still, strict=True) if not fixed]
        stages = Stages(simplified(lines), [lines.inputs], [len(lines.outputs)])
        self.f, self.call, self.program = f, call, stages.programs[0]
        self.tensors = any(isinstance(v, Tensor) for v in values)
        built, n = build_out, len(outputs)
        if self.tensors or any(still):
            fixed = [y if is_fixed else None for y, is_fixed in zip(outputs, still, strict=True)]
            wrap: Callable[[Any], Any] = Tensor if self.tensors else lambda y: y

            def with_fixed(found: Sequence[Any]) -> Any:
                given = iter(found)
                return build_out([y if as_is else wrap(next(given)) for y, as_is in zip(fixed, still, strict=True)])

            built, n = with_fixed, -1
        super().__init__(_title("", f, names, arrays), stages, capture, outputs, key, built, n)

    def __call__(self, values: Sequence[Any]) -> Any:
        return self._built(self.program(*(plain(values) if self.tensors else values)))

    def compared(self, values: Sequence[Any], args: Any, kwargs: Any) -> Any:
        """The result, after f itself has given the same."""
        before = [(rng, rng.bit_generator.state) for rng in self.capture.generators]
        result = self(values)
        for rng, state in before:
            rng.bit_generator.state = state
        with no_grad():
            expected = self.f(*args, **kwargs)
        for i, (a, b) in enumerate(zip(flatten(result)[0], flatten(expected)[0], strict=True)):
            x, y = map(np.asarray, plain([a, b]))
            if x.dtype != y.dtype or x.shape != y.shape or not _alike(x, y):
                raise CaptureError(
                    f"{self.call}: result {i} of the replay ({x.dtype} {x.shape}) differs from that of the function itself "
                    f"({y.dtype} {y.shape}). Does it depend on something that has changed since it was captured: a global, an "
                    f"attribute, an array computed from another? Pass that as an argument."
                )
        return result


def _alike(x: Any, y: Any) -> bool:
    if y.dtype.kind not in "fc":
        return np.array_equal(x, y)
    most = np.abs(y[np.isfinite(y)]).max(initial=0.0)
    return np.allclose(x, y, rtol=0, atol=float(1e4 * np.finfo(y.dtype).eps * most), equal_nan=True)


class Linearized(Replay):
    """f's value at the primals, and its push forward for any tangents, of which only what depends on them is run again."""

    def __init__(self, f: Function, call: str, primals: tuple[Any, ...], key: Any) -> None:
        arrays, names, build = traced((primals, {}), f)
        n = len(arrays)
        own = 0

        def both(*given: Any) -> Any:
            nonlocal own
            out, pushforward = linearize(f, *build(given[:n])[0])
            results, self._build_out = flatten(out)
            own = len(results)
            return [*results, *flatten(pushforward(*build(given[n:])[0]))[0]]

        everything = [*arrays, *(np.zeros_like(a) for a in plain(arrays))]
        lines, outputs, _, capture = captured_twice(
            both, everything, [*names, *(f"d_{name}" for name in names)], lambda new: (new, {}), call
        )
        inputs = [lines.inputs[:n], [], lines.inputs[n:]]
        stages = Stages(simplified(lines), inputs, [own, 0, len(outputs) - own])
        title = _title("linearize: ", f, names, arrays)
        super().__init__(title, stages, capture, outputs, key, self._build_out, own)
        self.call = f"linearize({call})"
        # What tangents are like.
        self._like = tree_map(lambda x: np.broadcast_to(np.zeros((), x.dtype), x.shape), list(primals))

    def __call__(self, values: Sequence[Any]) -> tuple[Any, Function]:
        run = self.stages.start()
        out = run(0, plain(values))
        ready = False

        def pushforward(*tangents: Any) -> Any:
            nonlocal ready
            given = self.match(tangents)
            if given is not None and ready and current.mode.capturing is None:  # the short way
                return self._built(run(2, given))
            given = leaves_like(list(tangents), self._like, f"{self.call}: the tangents")
            if current.mode.capturing is not None or (any_live(given) and current.mode.recording):
                raise CaptureError(
                    f"{self.call}: this pushforward is a replay and cannot be recorded; linearize the function itself."
                )
            if not ready:
                run(1)
                ready = True
            return self._built(run(2, [self._fitting(t, x) for t, x in zip(given, flatten(self._like)[0], strict=True)]))

        return self._built(out), pushforward

    def _fitting(self, t: Any, x: Any) -> Any:
        t = numeric(np.asarray(data_of(t)), f"{self.call}: a tangent")
        if t.shape != x.shape:
            raise ValueError(f"{self.call}: the tangents must have shape {x.shape}, got {t.shape}.")
        if t.dtype is not x.dtype:
            if t.dtype.kind == "c" and x.dtype.kind != "c":
                raise TypeError(f"{self.call}: the tangents are complex, but the value they belong to is {x.dtype}.")
            t = t.astype(x.dtype)
        return t


class LossAndGradient(Replay):
    """The loss of a function of some leaves, with its gradient with respect to each written into an array."""

    def __init__(
        self, f: Function, call: str, args: Any, kwargs: Any, pairs: Sequence[tuple[Tensor, Any]], key: Any
    ) -> None:  # fmt: skip
        arrays, names, build = traced((args, kwargs), f)
        leaves = [p for p, _ in pairs]
        reached: list[bool] = []

        def both(*args: Any, **kwargs: Any) -> Any:
            loss, gradients = _pulled_back(call, f(*args, **kwargs), leaves)
            reached[:] = [g is not None for g in gradients]
            return [loss, *(g for g in gradients if g is not None)]

        lines, outputs, _, capture = captured_twice(both, arrays, names, build, call)
        targets = [a for (_, a), there in zip(pairs, reached, strict=True) if there]
        stages = Stages(simplified(lines), [lines.inputs], [len(outputs)], {i + 1: a for i, a in enumerate(targets)})
        title = _title("loss and gradient: ", f, names, arrays)
        super().__init__(title, stages, capture, outputs, key, tuple)
        self.reached = tuple(reached)
        self.program = stages.programs[0]

    def __call__(self, values: Sequence[Any]) -> Any:
        """The loss."""
        return self.program(*plain(values))[0]


def _pulled_back(call: str, loss: Any, leaves: Sequence[Tensor]) -> tuple[Tensor, list[Any]]:
    if not isinstance(loss, Tensor) or loss.size != 1:
        got = f"shape {loss.shape}" if isinstance(loss, Tensor) else type(loss).__name__
        raise TypeError(f"{call}: the function must return the loss, a scalar Tensor, got {got}.")
    path = between(leaves, [loss])
    one = np.ones_like(loss.primal)
    one.flags.writeable = False
    with scope(phase="backward"):
        found = pull_back(path, {loss.index: one}, record=True) if loss.index in path.reach else {}
    return loss, [found.get(p.index) for p in leaves]


class SecondOrder(Replay):
    """A loss as a function of some leaves: value, gradient and Hessian-vector products, each when asked for.

    Args:
        leaves: Tensors that f reaches from outside.
        lead: () for one direction at a time, (k,) for k.
    """

    def __init__(
        self, f: Function, call: str, args: Any, kwargs: Any, leaves: Sequence[Tensor], lead: tuple[int, ...] = ()
    ) -> None:  # fmt: skip
        arrays, names, build = traced((args, kwargs), f)
        n, m = len(arrays), len(leaves)

        def everything(*given: Any) -> Any:
            args, kwargs = build(given[:n])
            loss, found = _pulled_back(call, f(*args, **kwargs), leaves)
            gradient = [np.zeros_like(p.primal) if g is None else g for g, p in zip(found, leaves, strict=True)]
            live = [g for g in gradient if isinstance(g, Tensor)]
            with scope(phase="tangent"):
                start = {p.index: t for p, t in zip(leaves, given[n:], strict=True)}
                moved = push_forward(between(leaves, live), start, record=True, lead=lead)
            product = [moved.get(g.index) if isinstance(g, Tensor) else None for g in gradient]
            zeros = [np.zeros(lead + p.shape, p.dtype) for p in leaves]
            return [loss, *gradient, *(z if t is None else t for t, z in zip(product, zeros, strict=True))]

        tangents = [np.zeros(lead + p.shape, p.dtype) for p in leaves]
        names = [*names, *(f"d_{p.name or i}" for i, p in enumerate(leaves))]
        lines, outputs, _, capture = captured_twice(
            everything, [*arrays, *tangents], names, lambda new: (new, {}), call, leaves
        )
        inputs = [lines.inputs[:n] + lines.inputs[n + m :], [], [], lines.inputs[n : n + m]]
        stages = Stages(simplified(lines), inputs, [1, m, 0, m])
        title = _title("loss, gradient, Hv: ", f, names, arrays)
        super().__init__(title, stages, capture, outputs, None, tuple)


class CurvaturePoint:
    """A loss at one point, with gradient and Hessian-vector products on demand.

    Args:
        replay: for `lead`, () for one direction at a time or (k,) for k, what to run.
        values: of the arguments and, after them, of the leaves; they may not be changed.
    """

    __slots__ = ("_done", "_gradient", "_replay", "_runs", "_values", "loss")

    def __init__(self, replay: Callable[[tuple[int, ...]], SecondOrder], values: Sequence[Any]) -> None:
        self._replay, self._values = replay, values
        self._runs: dict[tuple[int, ...], Run] = {(): replay(()).stages.start()}
        self.loss = self._runs[()](0, values)[0]
        self._done = 0

    def gradient(self) -> Sequence[Any]:
        """∇f, one array for each leaf."""
        if self._done < 1:
            self._gradient = self._runs[()](1)
            self._done = 1
        return self._gradient  # type: ignore[no-any-return]  # a tuple of arrays

    def product(self, vectors: Sequence[Any], lead: tuple[int, ...] = ()) -> Sequence[Any]:
        """H·v, one array for each leaf; with lead=(k,) of k directions at once."""
        if lead:
            return self._products(vectors, lead[0])
        if self._done < 2:
            self.gradient()
            self._runs[()](2)
            self._done = 2
        return self._runs[()](3, vectors)  # type: ignore[no-any-return]  # a tuple of arrays

    def _products(self, vectors: Sequence[Any], n: int) -> list[Any]:
        """In portions that fit a cache; the last one is filled up with zeros."""
        k = min(n, PORTION)
        if (k,) not in self._runs:
            run = self._runs[(k,)] = self._replay((k,)).stages.start()
            run(0, self._values)
            run(1)
            run(2)
        products = [np.empty(v.shape, v.dtype) for v in vectors]
        for first in range(0, n, k):
            part = [v[first : first + k] for v in vectors]
            if n - first < k:
                part = [np.concatenate([v, np.zeros((k - len(v), *v.shape[1:]), v.dtype)]) for v in part]
            for whole, found in zip(products, self._runs[(k,)](3, part), strict=True):
                whole[first : first + k] = found[: n - first]
        return products
