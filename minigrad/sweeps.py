"""The two derivative sweeps over a recorded graph: pull back (reverse mode) and push forward (forward mode).

This file knows a node only by what is written on it (`index op inputs args live params`), not how it was made. A sweep
given ndarrays runs the rules on ndarrays, at NumPy's own speed; a sweep with `record=True` runs the same rules on the
Tensors themselves, so the pass becomes graph and can be differentiated again.

Names: `y` a node's value, `x` an input's, `t` a tangent, `g` a cotangent, `c` one contribution to a cotangent.
`lead` is the shape of the extra leading axes of a batched sweep, `(k,)` for k directions at once, else `()`.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from minigrad.errors import CaptureError, DerivativeError, StaleGraphError
from minigrad.mode import about, current

__all__ = ["LinearProgram", "Slice", "between", "pull_back", "push_forward", "unbroadcast"]

Shape = tuple[int, ...]


class Slice(NamedTuple):
    """The part of a graph between some sources and some targets."""

    nodes: list[Any]  # in creation order, which is a topological order; sources not included
    sources: list[Any]
    reach: set[int]  # indices of the nodes and the sources
    open: bool  # the targets depend on another live leaf as well, so a sweep of this slice must be recorded
    guards: list[tuple[Any, int]]  # other leaves that were used, with their index at that time

    def check(self) -> None:
        """Raise StaleGraphError if a leaf that was used has changed since the slice was made."""
        for leaf, index in self.guards:
            if leaf.index != index:
                raise StaleGraphError(_stale("the function", leaf, ""))


def between(sources: Sequence[Any] | None, targets: Iterable[Any]) -> Slice:
    """Collect the nodes that lie on a path from `sources` (None: every leaf) to `targets`.

    An input newer than its user can only be a leaf that was changed after recording: `StaleGraphError`.
    """
    wanted = None if sources is None else {s.index for s in sources}
    first = 0 if wanted is None else min(wanted, default=0)
    seen: dict[int, Any] = {}
    leaves: list[Any] = []
    is_open = False
    guards: list[tuple[Any, int]] = []
    stack = [node for node in targets if node.active]
    while stack:
        node = stack.pop()
        index = node.index
        if index in seen:
            continue
        seen[index] = node
        if wanted is not None and index in wanted:
            is_open = is_open or bool(node.live)
            continue
        inputs = node.inputs
        for position in node.live:
            x = inputs[position]
            if x.index > index:
                raise StaleGraphError(_stale(node.op.name, x, _at(node)))
            if x.index < first:
                is_open = True
                if x.op is None:
                    guards.append((x, x.index))
            else:
                stack.append(x)
        for x in node.watched:
            if x.index > index:
                raise StaleGraphError(_stale(node.op.name, x, _at(node)))
            guards.append((x, x.index))
    nodes: list[Any] = []
    if wanted is None:
        for index in sorted(seen):
            node = seen[index]
            (nodes if node.live else leaves).append(node)
        return Slice(nodes, leaves, set(seen), False, guards)
    reach = set(wanted)
    for index in sorted(seen):
        if index in wanted:
            continue
        node = seen[index]
        if any(node.inputs[position].index in reach for position in node.live):
            reach.add(index)
            nodes.append(node)
        elif not node.live:
            is_open = is_open or node.active
            guards.append((node, index))
    assert sources is not None
    return Slice(nodes, list(sources), reach, is_open, guards)


def pull_back(path: Slice, cotangents: dict[int, Any], *, record: bool = False, lead: Shape = ()) -> dict[int, Any]:
    """Walk `path` from outputs to inputs; `cotangents` maps a node's index to its cotangent. Returns those of the sources.

    Each contribution is brought to the input's own shape and dtype. Cotangents of interior nodes live only here.
    """
    reach = path.reach
    node = None
    before = mode = current.mode
    labelling = mode.phase != "forward"
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        try:
            for node in reversed(path.nodes):
                g = cotangents.pop(node.index, None)
                if g is None:
                    continue
                if labelling and (mode.tracing or node.mode.module != mode.module):
                    mode = current.mode = about(mode, node)
                op, inputs = node.op, node.inputs
                y, args = (node, inputs) if record else (node.primal, node.args)
                for position in node.live:
                    x = inputs[position]
                    index = x.index
                    if index not in reach:
                        continue
                    pull = op.pulls[position]
                    if not lead or op.batched:
                        c = pull(g, y, *args, **node.params)
                    else:
                        c = np.stack([pull(row, y, *args, **node.params) for row in g])
                    value = x.primal
                    shape = lead + value.shape if lead else value.shape
                    if c.shape != shape:
                        c = unbroadcast(c, shape, len(lead)) if op.broadcasts else _wrong_shape(op, c, x)
                    if c.dtype is not value.dtype:
                        c = _cast(c, value.dtype)
                    cotangents[index] = cotangents[index] + c if index in cotangents else c
        except Exception as error:
            raise _explained(error, node, "pulling back through") from error
        finally:
            current.mode = before
    return cotangents


def push_forward(path: Slice, tangents: dict[int, Any], *, record: bool = False, lead: Shape = ()) -> dict[int, Any]:
    """Walk `path` from inputs to outputs; `tangents` maps a source's index to its tangent. Returns those of all nodes."""
    reach = path.reach
    node = None
    before = mode = current.mode
    labelling = mode.phase != "forward"
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        try:
            for node in path.nodes:
                if labelling and (mode.tracing or node.mode.module != mode.module):
                    mode = current.mode = about(mode, node)
                op, inputs = node.op, node.inputs
                y, args = (node, inputs) if record else (node.primal, node.args)
                value = node.primal
                total: Any = None
                for position in node.live:
                    x = inputs[position]
                    if x.index not in reach:
                        continue
                    t = tangents.get(x.index)
                    if t is None:
                        continue
                    if lead and op.broadcasts and x.primal.ndim < value.ndim:
                        ones = (1,) * (value.ndim - x.primal.ndim)
                        t = np.reshape(t, lead + ones + x.primal.shape)
                    push = op.pushes[position]
                    if not lead or op.batched:
                        part = push(t, y, *args, **node.params)
                    else:
                        part = np.stack([push(row, y, *args, **node.params) for row in t])
                    total = part if total is None else total + part
                if total is None:
                    continue
                if total.shape != lead + value.shape:
                    total = np.broadcast_to(total, lead + value.shape) if op.broadcasts else _wrong_shape(op, total, node)
                if total.dtype is not value.dtype:
                    total = _cast(total, value.dtype)
                tangents[node.index] = total
        except Exception as error:
            raise _explained(error, node, "pushing forward through") from error
        finally:
            current.mode = before
    return tangents


class LinearProgram:
    """A recorded graph evaluated again for other values of its leaves; all that does not depend on them stays as it was.

    A push forward whose tangents are leaves and whose primals are plain arrays records nothing but linear operations on
    the tangents. Run again, it costs only those: what many Hessian-vector products at one point need. Intermediate values
    are written into the arrays of the recorded run, as few of them as will do; fresh memory would cost as much as the
    arithmetic on it. A second thread that comes meanwhile takes fresh memory.
    """

    def __init__(self, leaves: Sequence[Any], outputs: Sequence[Any]) -> None:
        nodes = between(leaves, outputs).nodes
        memory = _shared(nodes, outputs)
        slot = {leaf.index: i for i, leaf in enumerate(leaves)}
        self.steps: list[tuple[Any, list[Any], list[tuple[int, int]], dict[str, Any], dict[str, Any]]] = []
        for node in nodes:
            fill = [(p, slot[node.inputs[p].index]) for p in node.live if node.inputs[p].index in slot]
            slot[node.index] = len(slot)
            into = node.params if node.index not in memory else node.params | {"out": memory[node.index]}
            self.steps.append((node.op.forward, list(node.args), fill, node.params, into))
        self.outputs = [slot.get(y.index, y.primal) for y in outputs]  # an output that depends on no leaf is a constant
        self.recorded = [y.primal for y in outputs]  # the outputs for the values at which it was recorded
        self._idle = threading.Lock()

    def __call__(self, values: Sequence[Any]) -> list[Any]:
        slots = list(values)
        mine = self._idle.acquire(blocking=False)
        try:
            with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
                for forward, args, fill, params, into in self.steps:
                    args = args.copy()
                    for position, slot in fill:
                        args[position] = slots[slot]
                    slots.append(forward(*args, **(into if mine else params)))
        finally:
            if mine:
                self._idle.release()
        return [slots[i] if isinstance(i, int) else i.copy() for i in self.outputs]


def _shared(nodes: Sequence[Any], outputs: Sequence[Any]) -> dict[int, Any]:
    """Index of a node → an array for its value, in place of an operand where its op allows. Outputs get none, nor do values
    that may be views of another's."""
    roots: dict[int, set[int]] = {}  # whose memory a node's value may lie in
    last: dict[int, int] = {}  # the step that reads this memory for the last time
    for i, node in enumerate(nodes):
        read: set[int] = set().union(*(roots.get(node.inputs[p].index, ()) for p in node.live))
        last.update(dict.fromkeys(read, i))
        roots[node.index] = {node.index} if node.op.fills else read
    for y in outputs:
        last.update(dict.fromkeys(roots.get(y.index, ()), len(nodes)))
    dying: list[list[int]] = [[] for _ in range(len(nodes) + 1)]
    for index, i in last.items():
        dying[i].append(index)
    memory: dict[int, Any] = {}
    free: dict[Any, list[Any]] = {}

    def release(indices: Sequence[int]) -> None:
        for index in indices:
            if index in memory:
                free.setdefault((memory[index].shape, memory[index].dtype), []).append(memory[index])

    for i, node in enumerate(nodes):
        value = node.primal
        if node.op.in_place:
            release(dying[i])
        if node.op.fills and value.base is None and last.get(node.index, len(nodes)) < len(nodes):
            known = free.get((value.shape, value.dtype))
            memory[node.index] = known.pop() if known else value
        if not node.op.in_place:
            release(dying[i])
    return memory


def unbroadcast(c: Any, shape: Shape, lead: int = 0) -> Any:
    """The transpose of broadcasting: sum `c` over the axes along which an input of `shape` was repeated.

    The first `lead` axes belong to a batched sweep and are left alone.

    >>> unbroadcast(np.ones((4, 2, 3)), (2, 1)).tolist()
    [[12.0], [12.0]]
    """
    extra = c.ndim - len(shape)
    if extra > 0:
        c = np.add.reduce(c, axis=tuple(range(lead, lead + extra)))
    ones = tuple(i for i, n in enumerate(shape) if n == 1 and c.shape[i] != 1)
    if ones:
        c = np.add.reduce(c, axis=ones, keepdims=True)
    return c if c.shape == shape else np.broadcast_to(c, shape)


def _cast(c: Any, dtype: Any) -> Any:
    if c.dtype == dtype:
        return c
    if c.dtype.kind == "c" and dtype.kind != "c":
        c = np.real(c)
    return c.astype(dtype)


def _wrong_shape(op: Any, c: Any, x: Any) -> Any:
    raise DerivativeError(f"the rule of {op.name} gave a derivative of shape {c.shape} for a value of shape {x.shape}.")


def _stale(user: str, leaf: Any, at: str) -> str:
    who = f"{leaf.name!r}" if leaf.name else f"a leaf of shape {leaf.primal.shape}"
    return (
        f"{who} was changed after {user} had used it{at}, so this graph's gradient would be that of "
        f"another function. Run the forward pass again after changing parameters, then pull back."
    )


def _at(node: Any) -> str:
    return f" at {node.mode.line}" if node.mode.line else ""


def _explained(error: Exception, node: Any, doing: str) -> Exception:
    """`error` again, with the op, its operands and the user's line in the text, and of the same class where possible."""
    if node is None:
        return error
    return rephrased(error, f"while {doing} {node.op.name}({described(node.args)}){_at(node)}: {error}")


def described(args: Iterable[Any]) -> str:
    """Operands as an error shows them: "(3, 2) float64, 2.0"."""
    return ", ".join(f"{x.shape} {x.dtype}" if isinstance(x, np.ndarray) else repr(x) for x in args)


def rephrased(error: Exception, message: str) -> Exception:
    """An exception with a better message that the handlers written for `error` still catch."""
    for kind in type(error).__mro__:
        if kind in (ValueError, TypeError, IndexError, ZeroDivisionError, FloatingPointError, OverflowError,
                    np.linalg.LinAlgError, CaptureError, DerivativeError, StaleGraphError, NotImplementedError,
                    MemoryError, RuntimeError):  # fmt: skip
            return kind(message)  # type: ignore[no-any-return]  # each of these takes one text
    return RuntimeError(message)
