"""The two derivative sweeps over a recorded graph: pull back (reverse mode) and push forward (forward mode).

A sweep reads attributes of nodes (`index op inputs args live watched params mode primal active name`) and
never asks what a Tensor is, so `Tensor.backward` can call it without a circle of imports. By default it runs
the rules on the ndarrays in `args`, at NumPy's own speed; with `record=True` it runs the same rules on the
Tensors in `inputs`, so the pass becomes graph and can be differentiated again.

Names: `y` a node's value, `x` an input's, `t` a tangent, `g` a cotangent, `c` one contribution to a
cotangent. `lead` is the shape of the extra leading axes of a batched sweep, `(k,)` for k directions at once,
else `()`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from minigrad.errors import DerivativeError, described, line_of, rephrased
from minigrad.mode import about, current, switch
from minigrad.slices import Slice

__all__ = ["own", "pull_back", "push_forward", "unbroadcast"]

Shape = tuple[int, ...]

# For rules at the edge of a domain. As a decorator it takes half the time of a block.
_quiet = np.errstate(divide="ignore", invalid="ignore", over="ignore")


@_quiet
def pull_back(  # noqa: C901  # the hot path: no calls
    path: Slice, cotangents: dict[int, Any], lead: Shape = (), *, record: bool = False
) -> dict[int, Any]:
    """Walk `path` from outputs to inputs and return the cotangents of the sources.

    `cotangents` maps a node's index to its cotangent; at the start it holds those of the outputs.

    Each contribution is brought to the input's shape and dtype here, so no rule has to care about
    broadcasting or precision. Cotangents of interior nodes live only here.
    """
    reach = path.reach
    before = mode = current.mode
    labelling = mode.phase != "forward"
    node: Any = None
    try:
        for node in reversed(path.nodes):
            g = cotangents.pop(node.index, None)
            if g is None:
                continue
            if labelling and (mode.tracing or node.mode.module != mode.module):
                mode = about(mode, node)
                switch(mode)
            op, inputs = node.op, node.inputs
            y, args = (node, inputs) if record else (node.primal, node.args)
            for position in node.live:
                x = inputs[position]
                index = x.index
                if index not in reach:
                    continue
                pull = op.pulls[position]
                if not lead or op.batched:
                    params = node.params  # `**` costs a dict, and most ops have none
                    c = pull(g, y, *args, **params) if params else pull(g, y, *args)
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
        if labelling:
            switch(before)
    return cotangents


@_quiet
def push_forward(  # noqa: C901  # the hot path: no calls
    path: Slice, tangents: dict[int, Any], lead: Shape = (), *, record: bool = False
) -> dict[int, Any]:
    """Walk `path` from inputs to outputs and return the tangents of all nodes, by index.

    `tangents` maps a source's index to its tangent.
    """
    reach = path.reach
    before = mode = current.mode
    labelling = mode.phase != "forward"
    node: Any = None
    try:
        for node in path.nodes:
            if labelling and (mode.tracing or node.mode.module != mode.module):
                mode = about(mode, node)
                switch(mode)
            op, inputs = node.op, node.inputs
            y, args = (node, inputs) if record else (node.primal, node.args)
            value = node.primal
            total: Any = None
            for position in node.live:
                x = inputs[position]
                t = tangents.get(x.index) if x.index in reach else None
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
                total = (
                    np.broadcast_to(total, lead + value.shape)
                    if op.broadcasts
                    else _wrong_shape(op, total, node)
                )
            if total.dtype is not value.dtype:
                total = _cast(total, value.dtype)
            tangents[node.index] = total
    except Exception as error:
        raise _explained(error, node, "pushing forward through") from error
    finally:
        if labelling:
            switch(before)
    return tangents


def _explained(error: Exception, node: Any, doing: str) -> Exception:
    """The error of a rule, with the op that it belongs to."""
    at = f"while {doing} {node.op.name}({described(node.args)}){line_of(node)}"
    return rephrased(error, f"{at}: {error}")


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
    raise DerivativeError(
        f"the rule of {op.name} gave a derivative of shape {c.shape} for a value of shape {x.shape}."
    )


def own(arrays: Iterable[Any], *shared: Any) -> list[Any]:
    """Give each receiver an array of its own: a sweep may hand out one array twice (x + z), or a view of
    another."""
    taken, owned = set(), []
    for x in shared:
        taken.add(id(x))
    for x in arrays:
        if x.__class__ is not np.ndarray:
            x = np.asarray(x)
        elif x.base is not None or id(x) in taken:
            x = x.copy()
        else:
            taken.add(id(x))
        owned.append(x)
    return owned
