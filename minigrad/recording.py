"""One run of a function on fresh leaves: what it recorded, and the sweeps over that.

Every transform makes fresh leaves from its inputs, runs the function, and asks the `Recording` for a sweep or
for many. Here it is decided whether such a sweep is itself recorded.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from minigrad.leaving import numeric, present
from minigrad.linear_program import LinearProgram
from minigrad.mode import current, scope
from minigrad.ops.elementwise import positive
from minigrad.packing import Packing, portion, portions
from minigrad.slices import between
from minigrad.sweeps import own, pull_back, push_forward
from minigrad.tensor import Tensor, apply, constant_tensor, data_of, is_live, traced_if_capturing
from minigrad.trees import flatten, leaves_like, only

__all__ = ["Recording", "fresh", "is_capturing", "matching", "output_of", "recorded", "settled", "unit"]

Function = Callable[..., Any]


def fresh(tree: Any, call: str) -> tuple[list[Tensor], Callable[[Sequence[Any]], Any]]:
    """A new leaf for every array in the tree, and the function that builds such a tree from leaves."""
    if tree.__class__ is np.ndarray:  # nearly always
        return [_leaf(tree, call)], only
    values, build = flatten(tree)
    return [_leaf(x, call) for x in values], build


def _leaf(x: Any, call: str) -> Tensor:
    capturing = current.mode.capturing
    if capturing is not None:
        x = capturing.shown(x)
    elif x.__class__ is np.ndarray and x.dtype.kind in "fc":  # nearly always
        leaf = constant_tensor(x.copy("K"))
        leaf.active = True
        return leaf
    if isinstance(x, Tensor):
        if x.requires_grad:
            with scope(recording=True):
                return apply(positive, (x,), {})
        if capturing is not None and x.primal.dtype.kind in "fc":
            leaf = apply(positive, (x,), {})
            leaf.grad = None
            leaf.active = True  # the sweeps take it for a leaf; replay still computes it from x
            return leaf
        array = x.primal
    else:
        # a bare Python number carries no dtype of its own
        array = numeric(float(x) if x.__class__ is int else x, call)
    if array.dtype.kind not in "fc":
        raise TypeError(
            f"{call} differentiates floating point arrays, got dtype {array.dtype}. Pass x.astype(float)."
        )
    leaf = constant_tensor(array.copy("K"))  # Tensor(array, requires_grad=True) would check it once more
    if capturing is not None:
        capturing.copied(leaf, array)
    leaf.active = True
    if x is not array:
        leaf.name = getattr(x, "name", None)
    return leaf


def recorded(f: Function, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """f(*args, **kwargs), recorded even inside `no_grad`."""
    if current.mode.recording:  # nearly always
        return f(*args, **kwargs)
    with scope(recording=True):
        return f(*args, **kwargs)


def output_of(out: Any, call: str) -> Tensor:
    out = present(out)
    if isinstance(out, Tensor):
        return out
    if isinstance(out, np.ndarray | np.generic):
        return Tensor(numeric(out, call))  # a constant function: its derivative is 0
    raise TypeError(
        f"{call} needs f to return a Tensor, got {type(out).__name__}. Were values taken out of the graph, "
        "with float(), .item() or a function of the math module? Use NumPy's functions on the Tensors "
        "themselves."
    )


def matching(given: Any, tree: Any, like: Sequence[Tensor], what: str) -> list[Any]:
    """Tangents or cotangents as a flat list, checked against the tree of values they belong to."""
    checked = []
    for t, x in zip(leaves_like(given, tree, what), like, strict=True):
        t = traced_if_capturing(t if isinstance(t, Tensor) else numeric(t, what))
        if t.shape != x.shape:
            raise ValueError(f"{what} must have shape {x.shape}, got {t.shape}.")
        if t.dtype != x.dtype:
            if t.dtype.kind == "c" and x.dtype.kind != "c":
                raise TypeError(f"{what} is complex, but the value it belongs to is {x.dtype}.")
            t = t.astype(x.dtype)
        checked.append(t if is_live(t) or is_capturing() else data_of(t))
    return checked


class Recording:
    """The graph between leaves and outputs, and the sweeps over it.

    A sweep is recorded if its results belong to an outer graph (recording is on, and the path `must_record`
    or a live tangent or cotangent was given), and while a function is captured. It then returns Tensors, else
    arrays that belong to the caller.

    Args:
        leaves, outputs: Tensors.
        build, build_out: make the trees that the leaves and the outputs were taken from.
        are_ours: the leaves were made for this run, and from now on they are live for no other sweep, unless
            they continue an outer graph. If they were not, sweeps return arrays even if the outputs belong
            to an outer graph.
    """

    __slots__ = ("_are_ours", "build", "build_out", "leaves", "outputs", "path")

    def __init__(
        self,
        leaves: Sequence[Tensor],
        outputs: Sequence[Tensor],
        build: Any = list,
        build_out: Any = list,
        are_ours: bool = True,
    ) -> None:
        self.leaves, self.outputs, self.build, self.build_out = leaves, outputs, build, build_out
        self.path = between(leaves, outputs)
        self._are_ours = are_ours
        if are_ours:
            for leaf in leaves:
                leaf.active = bool(leaf.live)

    @classmethod
    def running(cls, f: Function, primals: Sequence[Any], call: str) -> Recording:
        """`f` run on fresh leaves in place of the primals."""
        leaves, build = fresh(list(primals), call)
        results, build_out = flatten(recorded(f, build(leaves), {}))
        return cls(leaves, [output_of(y, call) for y in results], build, build_out)

    def is_connected(self, given: Sequence[Any] = ()) -> bool:
        """Whether the results of a sweep of `given` belong to an outer graph."""
        if not self.path.must_record and not _some_live(given):
            return False
        return self._are_ours and current.mode.recording

    def is_recorded(self, given: Sequence[Any] = ()) -> bool:
        """Whether a sweep of `given` runs on Tensors."""
        return is_capturing() or self.is_connected(given)

    def value(self) -> Any:
        """The outputs as f returned them."""
        return self.build_out([self.released(y) for y in self.outputs])

    def released(self, y: Tensor) -> Any:
        """An output as the caller gets it: a Tensor if it belongs to an outer graph, else a plain value."""
        return _released(y, self.is_connected())

    def check(self) -> None:
        """Raise StaleGraphError if a leaf that was used has changed; a capture depends on these leaves."""
        self.path.check()
        if is_capturing():
            for leaf, _ in self.path.guards:
                current.mode.capturing.depends_on_index(leaf)

    def pull(self, seeds: Sequence[Any], lead: tuple[int, ...] = ()) -> list[Any]:
        """Pull back one cotangent for each output; returns one for each leaf."""
        cotangents: dict[int, Any] = {}
        for place, y in enumerate(self.outputs):
            if y.index in self.path.reach:
                g = seeds[place]
                cotangents[y.index] = cotangents[y.index] + g if y.index in cotangents else g
        return self._swept(pull_back, "backward", cotangents, seeds, self.leaves, lead)

    def push(self, tangents: Sequence[Any], lead: tuple[int, ...] = ()) -> list[Any]:
        """Push forward one tangent for each leaf; returns one for each output."""
        starts = {a.index: t for a, t in zip(self.leaves, tangents, strict=True)}
        return self._swept(push_forward, "tangent", starts, tangents, self.outputs, lead)

    def _swept(
        self,
        sweep: Any,
        phase: str,
        start: dict[int, Any],
        given: Sequence[Any],
        ends: Sequence[Tensor],
        lead: tuple[int, ...],
    ) -> list[Any]:
        connected, capturing = self.is_connected(given), current.mode.capturing is not None
        if connected or capturing:
            with scope(recording=True, phase=phase):
                found = sweep(self.path, start, lead, record=True)
        else:
            if not (self._are_ours and current.mode.recording):  # then what is given may be live
                start = {index: data_of(g) for index, g in start.items()}
            found = sweep(self.path, start, lead)
        results = []
        for x in ends:
            r = found.get(x.index)
            results.append(np.zeros(lead + x.primal.shape, x.primal.dtype) if r is None else r)
        if connected:
            return results
        if capturing:
            return [r.detach() if isinstance(r, Tensor) else r for r in results]
        return own(results, *given)

    def push_all(self, packing: Packing) -> list[Any]:
        """Push forward all unit vectors of the leaves; returns an array (n, *y.shape) for each output."""
        if self.is_recorded():  # all at once, because portions would have to be joined by recorded ops
            return self.push(packing.basis(0, packing.n), (packing.n,))
        n, k = packing.n, self._portion(packing.n)
        linear = self.linear_part((k,))
        columns = [np.empty((n, *y.shape), y.dtype) for y in self.outputs]
        for part in portions(n, k):  # the last portion is filled up with zeros
            for column, found in zip(columns, linear(packing.basis(part.start, k)), strict=True):
                column[part] = found[: part.stop - part.start]
        return columns

    def pull_all(self, packing: Packing) -> list[Any]:
        """Pull back all unit vectors of the outputs; returns an array (n, *x.shape) for each leaf."""
        n = packing.n
        parts = []
        for part in portions(n, n if self.is_recorded() else self._portion(n)):
            count = part.stop - part.start
            parts.append(self.pull(packing.basis(part.start, count), (count,)))
        return parts[0] if len(parts) == 1 else [np.concatenate(rows) for rows in zip(*parts, strict=True)]

    def push_many(self, tangents: Sequence[Any], n: int) -> list[Any]:
        """Push forward n ≥ 1 tangents in portions; returns an array (n, *y.shape) for each output."""
        parts = [
            self.push([t[part] for t in tangents], (part.stop - part.start,))
            for part in portions(n, self._portion(n))
        ]
        return [np.concatenate(rows) for rows in zip(*parts, strict=True)]

    def _portion(self, n: int) -> int:
        return portion(n, sum(int(node.primal.nbytes) for node in self.path.nodes))

    def linear_part(self, lead: tuple[int, ...] = (), at: Sequence[Any] = ()) -> LinearProgram:
        """The push forward as a graph whose only leaves are tangents; it is recorded with the values `at`."""
        starts = [
            Tensor(t, requires_grad=True)
            for t in at or [np.zeros(lead + a.shape, a.dtype) for a in self.leaves]
        ]
        tangents: dict[int, Any] = {a.index: t for a, t in zip(self.leaves, starts, strict=True)}
        with scope(recording=True, phase="tangent"):
            push_forward(self.path, tangents, lead=lead)
            ends = [tangents.get(y.index) for y in self.outputs]
            moved = [
                t if isinstance(t, Tensor) else Tensor(np.zeros(lead + y.shape, y.dtype))
                for t, y in zip(ends, self.outputs, strict=True)
            ]
        return LinearProgram(starts, moved)


def _some_live(given: Sequence[Any]) -> bool:
    for x in given:  # noqa: SIM110  # at every sweep; any() of a generator takes twice as long
        if isinstance(x, Tensor) and x.active:
            return True
    return False


def _released(y: Tensor, connected: bool) -> Any:
    if connected:
        return y
    return y.primal.copy() if current.mode.capturing is None else y.detach()


def is_capturing() -> bool:
    """Whether a function is being captured: then every sweep is recorded, so that it can be replayed."""
    return current.mode.capturing is not None


@lru_cache(maxsize=64)
def unit(shape: tuple[int, ...], dtype: Any) -> Any:
    """The cotangent 1 of a loss; read-only, so that replay can fold it into a constant."""
    one = np.ones(shape, dtype)
    one.flags.writeable = False
    return one


def settled(aux: Any, leaves: Sequence[Tensor]) -> Any:
    """`aux` as the caller gets it: Tensors where they depend on something live outside f, else arrays."""
    values, build = flatten(aux)
    outer = current.mode.recording
    return build(
        [
            _released(x, outer and between(leaves, [x]).must_record) if isinstance(x, Tensor) else x
            for x in values
        ]
    )
