"""A graph whose leaves have changed since it was recorded, as after the step of an optimizer, made anew.

Its sweeps would give the gradient of another function, so they are refused. A picture needs numbers that
belong together: those of the recording where the leaves' old arrays are still there, or else those that the
same operations give for the present values.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.drawing.graph.walk import operations_behind
from minigrad.mode import scope
from minigrad.tensor import Tensor, apply

__all__ = ["afresh"]

Named = list[tuple[str, Tensor]]


def afresh(outputs: Named, names: dict[Any, str]) -> tuple[Named, str]:
    """The outputs, of a new graph if a leaf is newer than one of its users, and a sentence about it or "".

    `names` get the new indices of what they name.
    """
    nodes = operations_behind([t for _, t in outputs])
    if any(t.primal.__class__ is not np.ndarray for t in nodes):
        return outputs, ""  # of a compiled function, which has no values
    old = {
        x.index: value
        for t in nodes
        for x, value in zip(t.inputs, t.args, strict=True)
        if isinstance(x, Tensor) and x.op is None and x.index > t.index
    }
    if not old:
        return outputs, ""
    leaves = {x.index: x for t in nodes for x in t.inputs if isinstance(x, Tensor) and not x.inputs}
    kept = not any(value is leaves[index].primal for index, value in old.items())
    made: dict[int, Tensor] = {}
    for index, x in leaves.items():
        value = old[index] if kept and index in old else x.primal
        made[index] = Tensor(value, requires_grad=x.active, name=x.name) if x.op is None else x
    for t in nodes:
        params = {k: [] if k == "_saves" else v for k, v in t.params.items()}  # values of the old graph
        with scope(recording=True, tracing=False):
            y = apply(t.op, [made[x.index] if isinstance(x, Tensor) else x for x in t.inputs], params)  # type: ignore[arg-type]  # operations have one
        y.name, y.mode = t.name, t.mode
        if t.mode.about in made:
            y.mode = t.mode._replace(about=made[t.mode.about].index)
        made[t.index] = y
    names |= {made[index].index: names[index] for index in made.keys() & names.keys()}
    changed = sorted(leaves[i].name or names.get(i, "") or f"a leaf of shape {leaves[i].shape}" for i in old)
    few = ", ".join(changed[:3]) + (f" and {len(changed) - 3} more" if len(changed) > 3 else "")
    of = "of the recording" if kept else "that the graph has for the present values"
    note = f"Changed since the recording: {few}. All numbers are those {of}."
    return [(name, made.get(t.index, t)) for name, t in outputs], note
