"""`Module.summary`: what a call of a model does, layer by layer, found by calling a copy of it.

The copy is taken to pieces where it is called: each module's `forward` notes what it gives, and so do the
functions that a `Sequential` or an `MLP` applies. Multiplications are counted on the graph that the call
recorded.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from minigrad import Tensor
from minigrad.extend import flatten, html_table, numeric, scope
from models.layers import Sequential
from models.mlp import MLP
from models.module import Module, holder_of, titled, walk

__all__ = ["Summary", "summary"]

COLUMNS = ("layer", "output", "parameters", "multiplications")


@dataclass(repr=False)
class Summary:
    """The table of `Module.summary`.

    Each of `rows` is a dict with path, layer, output, parameters, multiplications; the last is of the whole.
    """

    rows: list[dict[str, Any]]

    def __str__(self) -> str:
        width = max(len(row["path"]) for row in self.rows)
        cells = [list(COLUMNS)]
        for row in self.rows[:-1]:
            name = f"{row['path']:<{width}}  {row['layer']}" if width else row["layer"]
            cells.append([name, *_texts(row)])
        cells.append([self.rows[-1]["layer"], *_texts(self.rows[-1])])
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        left = (0, 1)
        return "\n".join(
            "  ".join(f"{c:<{w}}" if i in left else f"{c:>{w}}" for i, (c, w) in enumerate(zip(line, widths)))
            for line in cells
        )

    __repr__ = __str__

    def _repr_html_(self) -> str:
        lines = [[row["path"], row["layer"], *_texts(row)] for row in self.rows]
        return html_table(("", *COLUMNS), lines, last_is_total=True)


def _texts(row: Mapping[str, Any]) -> list[str]:
    return [row["output"], f"{row['parameters']:,}", f"{row['multiplications']:,}"]


def summary(model: Module, inputs: Sequence[Any], named: Mapping[str, Any]) -> Summary:
    """See `Module.summary`."""
    call = f"{type(model).__name__}.summary"
    if not inputs and not named:
        raise TypeError(f"{call}(...) needs the inputs of a call: a batch, or its shape such as (32, 2).")
    try:
        twin = copy.deepcopy(model)
    except Exception as error:
        raise TypeError(f"{call} calls a copy of the model, and it cannot be copied: {error}") from error
    dtype = next((p.dtype for p in _leaves(model) if p.dtype.kind in "fc"), np.dtype(float))
    given = [_input(x, dtype, call) for x in inputs]
    by_name = {name: _input(x, dtype, call) for name, x in named.items()}
    calls = _Calls(twin)
    with scope(recording=True), np.errstate(all="ignore"):
        out = calls.at("", twin, twin)(*given, **by_name)
    return Summary(calls.rows(twin, out))


def _leaves(model: Module) -> list[Tensor]:
    return [x for _, x in walk(model, "") if isinstance(x, Tensor) and x.op is None]


def _input(x: Any, dtype: Any, call: str) -> Any:
    """A batch; one of floating point is live, so that all that depends on it is recorded."""
    if isinstance(x, tuple) and x and all(isinstance(n, int | np.integer) for n in x):
        if min(x) < 0:
            raise ValueError(f"{call}: a shape has sizes of at least 0, got {x}.")
        x = np.zeros(x, dtype)
    elif not isinstance(x, Tensor | np.ndarray | list | float | int | np.generic):
        return x
    array = x.numpy() if isinstance(x, Tensor) else numeric(np.asarray(x), call)
    return Tensor(array, requires_grad=True) if array.dtype.kind in "fc" else array


@dataclass
class _Row:
    path: str
    layer: str
    times: int = 0
    outputs: list[str] = field(default_factory=list)
    multiplications: int = 0
    parameters: int = 0


class _Calls:
    """The rows of a model in the order of their first calls, and the module at work."""

    def __init__(self, model: Module) -> None:
        self.found: dict[Any, _Row] = {}
        self.owner: dict[int, str] = {}  # the module that made a node, by the node's index
        self.paths: dict[str, Module] = {}
        self.last: Any = ""
        for path, x in walk(model, ""):
            if isinstance(x, Tensor) and x.op is None:
                x.requires_grad = x.dtype.kind in "fc"
            if isinstance(x, Module) and not any(x is m for m in self.paths.values()):
                self.paths[path] = x
        model.eval()
        for path, m in self.paths.items():
            if m is not model:
                vars(m)["forward"] = self.at(path, m, m.forward)
            if isinstance(m, Sequential):
                m.layers = [x if isinstance(x, Module) else self.at(None, x, x) for x in m.layers]
            elif isinstance(m, MLP):
                m.activation = self.at(None, m.activation, m.activation)

    def at(self, path: str | None, x: Any, f: Callable[..., Any]) -> Callable[..., Any]:
        """f, noting its calls; those of a function, which has no path, belong to the row before it."""

        def noted(*inputs: Any, **named: Any) -> Any:
            key = path if path is not None else (self.last, id(x))
            row = self.found.setdefault(key, _Row(path or "", titled(x)))
            self.last = key
            out = f(*inputs, **named)
            row.times += 1
            text = _shapes(out)
            row.outputs += [] if text in row.outputs else [text]
            return out

        noted.__name__ = titled(x)
        return noted

    def rows(self, model: Module, out: Any) -> list[dict[str, Any]]:
        titles = {path: titled(m) for path, m in self.paths.items()}
        if len(titles[""]) > 40:
            titles[""] = type(model).__name__
        roots = {path: self.found.get(path) or _Row(path, titles[path]) for path, m in self.paths.items()}
        for path, p in _first_paths(model):
            roots[holder_of(path, roots)].parameters += p.size
        prefix = type(model).__name__
        for node in _nodes(out):
            where = node.mode.module.removeprefix(prefix).removeprefix(".")
            roots[holder_of(where, roots)].multiplications += _multiplications(node)
        total = roots.pop("")
        total.layer = titles[""]
        listed = [row for key, row in self.found.items() if key != ""]
        listed += [row for row in roots.values() if not row.times]
        if listed and (total.parameters or total.multiplications):
            listed.append(_Row("", "of its own", 1, [""], total.multiplications, total.parameters))
        if listed:
            total.parameters = sum(row.parameters for row in listed)
            total.multiplications = sum(row.multiplications for row in listed)
        return [_as_dict(row) for row in (*listed, total)]


def _as_dict(row: _Row) -> dict[str, Any]:
    output = " or ".join(row.outputs) if row.times else "not called"
    if row.times > 1:
        output += f" × {row.times}"
    counts = {"parameters": row.parameters, "multiplications": row.multiplications}
    return {"path": row.path, "layer": row.layer, "output": output, **counts}


def _first_paths(model: Module) -> list[tuple[str, Tensor]]:
    found: dict[int, tuple[str, Tensor]] = {}
    for path, x in walk(model, ""):
        if isinstance(x, Tensor) and x.op is None:
            found.setdefault(id(x), (path, x))
    return list(found.values())


def _shapes(out: Any) -> str:
    if isinstance(out, Tensor | np.ndarray | np.generic):
        return str(tuple(out.shape))
    return ", ".join(_shapes(x) for x in flatten(out)[0]) if isinstance(out, list | tuple | dict) else "?"


def _nodes(out: Any) -> list[Tensor]:
    """The operations that lead to the output."""
    found: dict[int, Tensor] = {}
    stack = [x for x in flatten(out)[0] if isinstance(x, Tensor)]
    while stack:
        x = stack.pop()
        if x.op is not None and x.index not in found:
            found[x.index] = x
            stack += [y for y in x.inputs if isinstance(y, Tensor)]
    return list(found.values())


def _multiplications(node: Tensor) -> int:
    name = getattr(node.op, "name", "")
    if name in ("multiply", "square"):
        return int(node.size)
    if name in ("matmul", "linear", "inner", "vecdot"):
        return int(node.size * np.shape(node.inputs[0])[-1])
    return 0
