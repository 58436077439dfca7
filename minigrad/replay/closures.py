"""Requests of an optimizer to a compiled loss: for its gradient, written into arrays, and its curvature.

A request finds its replay among those of the compiled function. Requests for the same objects compare equal,
so optimizers and losses may take turns without a new capture.

A training step is two programs on the same vectors: loss and gradients here, the update in `update_program`.
The update runs block by block, so that long vectors stay in the cache; one text for both would save only a
single call of a Python function.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from minigrad.errors import CaptureError
from minigrad.mode import current, scope
from minigrad.packing import portion, portions
from minigrad.replay.arguments import key_of, plain, traced
from minigrad.replay.capture import Capture
from minigrad.replay.compiled import Bound, Compiled, NotYet, Replay, Request, is_long, titled
from minigrad.replay.lines import Lines
from minigrad.replay.passes import simplified
from minigrad.replay.stages import Run, Stages
from minigrad.replay.verified import captured_twice
from minigrad.slices import between
from minigrad.sweeps import pull_back, push_forward
from minigrad.tensor import Tensor

__all__ = [
    "CurvaturePoint",
    "CurvatureRequest",
    "GradientRequest",
    "Recorded",
    "recorded_curvature",
    "recorded_function",
    "recorded_gradient",
]

Function = Callable[..., Any]
FEW = 8  # so many products of a long function, one by one, cost less than a capture for all of them together


def _require_no_capture(call: str) -> None:
    if current.mode.capturing is not None:
        raise CaptureError(
            f"{call}.at(...): an optimizer cannot step inside a compiled function; step outside of it."
        )


class GradientRequest(Request):
    """A first-order optimizer's request: the loss of a bound function, and its gradient written into arrays.

    Args:
        compiled: the function that is bound.
        leaves: the Tensors to differentiate with respect to.
        into: an array for the gradient of each leaf.
        owner: the optimizer.

    `gradient(bound)` returns the loss and, for each leaf, whether the loss depends on it.
    """

    def __init__(self, compiled: Compiled, leaves: Sequence[Tensor], into: Sequence[Any], owner: Any) -> None:
        super().__init__(compiled, owner, *leaves, *into)
        self.pairs = list(zip(leaves, into, strict=True))
        self._last: Any = None

    def __call__(self, bound: Bound) -> tuple[Any, tuple[bool, ...]]:
        of, replay = self.compiled, self._last
        _require_no_capture(of.call)
        values = replay.match(bound.args) if replay is not None and not bound.kwargs else None
        if values is None or (replay.guards and not replay.holds()):
            values = []
            kinds = (
                key_of(bound.args, values, of.call),
                key_of(bound.kwargs, values, of.call) if bound.kwargs else None,
            )
            replay = of.replay_for(
                (self, *kinds),
                lambda: LossAndGradient(of.function, of.call, bound.args, bound.kwargs, self.pairs, kinds[0]),
            )
            self._last, values = None if bound.kwargs else replay, plain(values)
        return bound.checked(replay(values)), replay.reached


class CurvatureRequest(Request):
    """A second-order optimizer's request: loss, gradient and Hessian-vector products of a bound function.

    `curvature.at(bound)` is the `CurvaturePoint` at the present values of the leaves; the leaves may change
    afterwards. It is None as long as a capture is not worth its cost (see `LONG` in `compiled`): then run the
    function, and take its products through `counted`.

    Args:
        compiled: the function that is bound.
        leaves: the Tensors to differentiate with respect to.
        owner: the optimizer, or another object that asks.
    """

    def __init__(self, compiled: Compiled, leaves: Sequence[Tensor], owner: Any) -> None:
        super().__init__(compiled, owner, *leaves)
        self.leaves = list(leaves)
        self._kinds: Any = ()

    def counted(self, product: Function) -> Function:
        """The products at the last point, computed without a replay, as a function that counts them."""
        return self.compiled.counted((self, (), *self._kinds), product)

    def at(self, bound: Bound) -> CurvaturePoint | None:
        values: list[Any] = []
        of = self.compiled
        _require_no_capture(of.call)
        kinds = self._kinds = key_of(bound.args, values, of.call), key_of(bound.kwargs, values, of.call)

        def made(lead: tuple[int, ...], patient: bool = False) -> SecondOrder:
            return SecondOrder(of.function, of.call, bound.args, bound.kwargs, self.leaves, lead, patient)

        def replay(lead: tuple[int, ...]) -> SecondOrder:
            return of.replay_for((self, lead, *kinds), lambda: made(lead))  # type: ignore[no-any-return]

        one = of.replay_if_worth((self, (), *kinds), lambda patient: made((), patient))
        if one is None:
            return None
        buffers = one.buffers.arrays() if one.buffers is not None else []
        point = CurvaturePoint(
            one, replay, [*plain(values), *(p.primal.copy() for p in self.leaves), *buffers]
        )
        bound.checked(point.loss)
        return point


class Recorded(NamedTuple):
    """Lines, and what they were captured from.

    The inputs of the lines are the arrays among the arguments; for curvature a tangent of each leaf and the
    leaves; and buffers. The outputs are the loss; a gradient of each leaf, without those that are not
    `reached`; for curvature a product for each leaf; and new values of buffers.
    """

    lines: Lines
    arrays: list[Any]
    names: list[str]
    outputs: list[Any]
    capture: Capture
    reached: tuple[bool, ...] = ()
    long: bool = False


def recorded_gradient(f: Function, call: str, args: Any, kwargs: Any, leaves: Sequence[Tensor]) -> Recorded:
    """Capture the loss f(*args, **kwargs), and pull it back to its leaves."""
    arrays, names, build = traced((args, kwargs), f)
    reached: list[bool] = []

    def both(*args: Any, **kwargs: Any) -> Any:
        loss, gradients = _pulled_back(call, f(*args, **kwargs), leaves)
        reached[:] = [g is not None for g in gradients]
        return [loss, *(g for g in gradients if g is not None)]

    lines, outputs, _, capture = captured_twice(both, arrays, names, build, call)
    return Recorded(lines, arrays, names, outputs, capture, tuple(reached))


class LossAndGradient(Replay):
    """The loss of a function of some leaves, with its gradient with respect to each written into an array."""

    def __init__(
        self, f: Function, call: str, args: Any, kwargs: Any, pairs: Sequence[tuple[Tensor, Any]], key: Any
    ) -> None:
        found = recorded_gradient(f, call, args, kwargs, [p for p, _ in pairs])
        lines, reached = found.lines, found.reached
        targets = [a for (_, a), there in zip(pairs, reached, strict=True) if there]
        stages = Stages(
            simplified(lines), [lines.inputs], [len(lines.outputs)], {i + 1: a for i, a in enumerate(targets)}
        )
        title = titled("loss and gradient: ", f, found.names, found.arrays)
        super().__init__(title, stages, found.capture, found.outputs, key, tuple)
        self.reached = reached
        self.program = stages.programs[0]

    def __call__(self, values: Sequence[Any]) -> Any:
        """The loss; the values are arrays."""
        if self.buffers is None:
            return self.program(*values)[0]
        found = self.program(*values, *self.buffers.arrays())
        self.buffers.put(found[len(found) - len(self.buffers.written) :])
        return found[0]


def recorded_function(f: Function, call: str, args: Any, kwargs: Any) -> Recorded:
    """Capture f(*args, **kwargs)."""
    arrays, names, build = traced((args, kwargs), f)
    lines, outputs, _, capture = captured_twice(f, arrays, names, build, call)
    return Recorded(lines, arrays, names, outputs, capture)


def _require_loss(call: str, loss: Any) -> None:
    if not isinstance(loss, Tensor) or loss.size != 1:
        got = f"shape {loss.shape}" if isinstance(loss, Tensor) else type(loss).__name__
        raise TypeError(f"{call}: the function must return the loss, a scalar Tensor, got {got}.")


def _pulled_back(call: str, loss: Any, leaves: Sequence[Tensor]) -> tuple[Tensor, list[Any]]:
    _require_loss(call, loss)
    path = between(leaves, [loss])
    one = np.ones_like(loss.primal)
    one.flags.writeable = False
    with scope(phase="backward"):
        found = pull_back(path, {loss.index: one}, record=True) if loss.index in path.reach else {}
    return loss, [found.get(p.index) for p in leaves]


def recorded_curvature(
    f: Function,
    call: str,
    args: Any,
    kwargs: Any,
    leaves: Sequence[Tensor],
    lead: tuple[int, ...] = (),
    patient: bool = False,
) -> Recorded:
    """Capture a loss, its gradient, and its products with the Hessian; arguments as for `SecondOrder`.

    If the loss is `long` and we are patient, it may be the only output.
    """
    arrays, names, build = traced((args, kwargs), f)
    n, long = len(arrays), False

    def everything(*given: Any) -> Any:
        nonlocal long
        args, kwargs = build(given[:n])
        loss = f(*args, **kwargs)
        _require_loss(call, loss)
        long = is_long()
        if long and patient and loss.active:
            return [loss]
        loss, found = _pulled_back(call, loss, leaves)
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
    return Recorded(lines, arrays, names, outputs, capture, long=long)


class SecondOrder(Replay):
    """A loss as a function of some leaves: value, gradient, Hessian-vector products, each made on demand.

    Args:
        leaves: Tensors that f reaches from outside.
        lead: () for one direction at a time, (k,) for k.
        patient: raise NotYet if f is LONG; f has then been recorded and checked, but not its derivatives.
    """

    def __init__(
        self,
        f: Function,
        call: str,
        args: Any,
        kwargs: Any,
        leaves: Sequence[Tensor],
        lead: tuple[int, ...] = (),
        patient: bool = False,
    ) -> None:
        found = recorded_curvature(f, call, args, kwargs, leaves, lead, patient)
        lines, outputs, n, m = found.lines, found.outputs, len(found.arrays), len(leaves)
        if found.long and patient and len(outputs) == 1:  # the loss alone
            raise NotYet
        self.long = found.long
        inputs = [lines.inputs[:n] + lines.inputs[n + m :], [], [], lines.inputs[n : n + m]]
        assigned = lines.outputs[len(outputs) :]
        lines.outputs = [lines.outputs[0], *assigned, *lines.outputs[1 : len(outputs)]]
        stages = Stages(simplified(lines), inputs, [1 + len(assigned), m, 0, m])
        title = titled("loss, gradient, Hv: ", f, found.names, found.arrays)
        super().__init__(title, stages, found.capture, outputs, None, tuple)


class CurvaturePoint:
    """A loss at one point, with gradient and Hessian-vector products on demand.

    Args:
        one: the `SecondOrder` for one direction at a time.
        replay: gives that for a `lead` (k,), for k directions at a time.
        values: the arrays of the arguments, of the leaves and of the buffers; they must not be changed.
    """

    __slots__ = ("_done", "_gradient", "_one", "_replay", "_runs", "_values", "loss")

    def __init__(
        self, one: SecondOrder, replay: Callable[[tuple[int, ...]], SecondOrder], values: Sequence[Any]
    ) -> None:
        self._one, self._replay, self._values = one, replay, values
        self._runs: dict[tuple[int, ...], Run] = {(): one.stages.start()}
        self.loss, *assigned = self._runs[()](0, values)
        if one.buffers is not None:
            one.buffers.put(assigned)
        self._done = 0

    def gradient(self) -> Sequence[Any]:
        """∇f, one array for each leaf."""
        if self._done < 1:
            self._gradient = self._runs[()](1)
            self._done = 1
        return self._gradient  # type: ignore[no-any-return]  # a tuple of arrays

    def product(self, vectors: Sequence[Any], lead: tuple[int, ...] = ()) -> Sequence[Any]:
        """H·v, one array for each leaf; with lead=(k,) for k directions at once."""
        if lead:
            return self._products(vectors, lead[0])
        if self._done < 2:
            self.gradient()
            self._runs[()](2)
            self._done = 2
        return self._runs[()](3, vectors)  # type: ignore[no-any-return]  # a tuple of arrays

    def _products(self, vectors: Sequence[Any], n: int) -> list[Any]:
        """The products of n directions, in portions that fit a cache; zeros fill up the last one."""
        if self._one.long and n <= FEW:
            rows = [self.product(row) for row in zip(*vectors, strict=True)]
            return [np.stack(found) for found in zip(*rows, strict=True)]
        one = self._one.stages.programs[-1]
        k = portion(n, one.bytes + one.result_bytes)
        if (k,) not in self._runs:
            run = self._runs[(k,)] = self._replay((k,)).stages.start()
            run(0, self._values)
            run(1)
            run(2)
        products = [np.empty(v.shape, v.dtype) for v in vectors]
        for place in portions(n, k):
            part, count = [v[place] for v in vectors], place.stop - place.start
            if count < k:
                part = [np.concatenate([v, np.zeros((k - count, *v.shape[1:]), v.dtype)]) for v in part]
            for whole, found in zip(products, self._runs[(k,)](3, part), strict=True):
                whole[place] = found[:count]
        return products
