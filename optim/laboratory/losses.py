"""Losses for the lab: a function of a few numbers, or a net with its data, printed with their derivatives.

Names: `leaves` the Tensors that are optimized, with their names; `view` what the page draws of a net.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minigrad import Tensor
from minigrad.extend import data_text, numeric
from optim.base.loss import not_one_number
from optim.laboratory.contents import Problem
from optim.laboratory.printed import forward_script, objective_script

__all__ = ["Leaves", "function_problem", "net_problem", "problem_of"]

Leaves = list[tuple[str, Tensor]]
CALL = "lab(f, optimizers)"
CURVE, MAP = [161], [45, 45]  # the places at which the page asks a net of one or two inputs


def function_problem(
    f: Callable[[Any], Any],
    start: Any,
    name: str = "f",
    says: str = "",
    *,
    region: Any = None,
    minima: Any = (),
) -> tuple[Problem, Leaves]:
    """A function of an array, and its leaf.

    Raises:
        ValueError: f is not one finite number at the start, or the region is none.
    """
    w = Tensor(np.array(start, float), requires_grad=True, name="w")
    with np.errstate(all="ignore"):
        found = f(w)
    value = np.asarray(found.data if isinstance(found, Tensor) else found)
    if value.shape != () or value.dtype.kind not in "fiu":
        raise not_one_number(CALL, "f", found)
    if not np.isfinite(value):
        raise ValueError(f"`{CALL}`: f must be finite at the start, got {value} at {w.numpy()}.")
    marks = [_mark(point, w.size) for point in minima]
    leaves = [("w", w)]
    box = _region(region, w.size)
    return problem_of(lambda: f(w), leaves, name=name, says=says, region=box, minima=marks), leaves


def net_problem(
    model: Any, loss: Callable[..., Any], X: Any, y: Any, name: str = "a network", says: str = ""
) -> tuple[Problem, Leaves]:
    """A net and all its data, and the net's live parameters. Data of float32 are taken as float64, in which
    they are the same numbers.

    Raises:
        ValueError: no parameter requires a gradient, or the data do not fit together.
    """
    leaves = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    if not leaves:
        raise ValueError("`lab(model, ...)`: no parameter of the model requires a gradient.")
    for each, p in leaves:
        if p.dtype != np.float64:
            raise TypeError(
                f"`{CALL}`: the page computes in float64, and {each} is {p.dtype}. Make the model of float64 "
                "arrays."
            )
    if not X.ndim or not y.ndim or len(X) != len(y):
        raise ValueError(f"`lab(data=...)` needs as many rows in X as in y, got {X.shape} and {y.shape}.")
    X, y = (part.astype(np.float64) if part.dtype == np.float32 else part for part in (X, y))
    view, forward = _view(model, leaves, X, y)
    loss_of = lambda X, y: loss(model(X), y)  # noqa: E731
    return problem_of(loss_of, leaves, (X, y), name=name, says=says, view=view, forward=forward), leaves


def problem_of(
    loss: Callable[..., Any], leaves: Leaves, args: Sequence[Any] = (), rows: Sequence[Any] = (), **facts: Any
) -> Problem:
    """loss(*args) as a problem of the page; `facts` are the other fields of it.

    rows: for each argument the rows of all the data, of which every step takes as many as the argument has,
    in turn; or nothing, and every step takes the arguments.
    """
    script = _printed(objective_script, loss, [p for _, p in leaves], args, curvature=True)
    if rows:
        arrays = ", ".join(f"new Float64Array({data_text(np.ravel(part).tolist())})" for part in rows)
        batches = f'{{ size: {len(args[0])}, order: "cyclic", data: [{arrays}] }}'
        script = f"Object.assign({script}, {{ batches: {batches} }})"
    start = np.concatenate([p.numpy().ravel() for _, p in leaves]).tolist()
    return Problem(script=script, start=start, **facts)


def _printed(script: Callable[..., str], *args: Any, **options: Any) -> str:
    """A printed script; what cannot be printed is told with the call that the user wrote."""
    try:
        return script(*args, **options)
    except (TypeError, ValueError) as error:
        told = str(error).replace(f"{script.__name__}: ", "")
        raise type(error)(f"`{CALL}`: {told}") from None


def _mark(point: Any, n: int) -> list[float]:
    place = np.ravel(np.asarray(numeric(point, "`lab(minima=...)`"), float))
    if place.size != n or not np.isfinite(place).all():
        raise ValueError(f"`lab(minima=...)` must be points of {n} finite numbers each, got {point!r:.60}.")
    return [float(x) for x in place]


def _region(region: Any, n: int) -> list[list[float]] | None:
    if region is None:
        return None
    box = np.asarray(numeric(region, "`lab(region=...)`"), float)
    if n > 2 or box.shape != (n, 2) or not np.isfinite(box).all() or not (box[:, 0] < box[:, 1]).all():
        wanted = "((x from, x to), (y from, y to))" if n == 2 else "((x from, x to),)"
        remedy = f"must be {wanted}" if n <= 2 else f"is for one or two numbers, and f has {n}: leave it out"
        raise ValueError(f"`lab(region=...)` {remedy}, got {region!r:.60}.")
    return [[float(low), float(high)] for low, high in box]


def _view(model: Any, leaves: Leaves, X: Any, y: Any) -> tuple[dict[str, Any] | None, str]:
    """What the page draws of a net: its curve over one input, or its map over two. Of others it draws
    nothing."""
    if X.ndim != 2 or X.shape[1] not in (1, 2) or X.dtype.kind != "f" or y.size != len(y):
        return None, ""
    low, high = X.min(axis=0), X.max(axis=0)
    pad = 0.12 * np.where(high > low, high - low, 1.0)
    size = CURVE if X.shape[1] == 1 else MAP
    grid = np.zeros((int(np.prod(size)), X.shape[1]))  # the page computes the places from the box
    view = {
        "box": np.stack([low - pad, high + pad], axis=1).tolist(), "size": size, "points": X.tolist(),
        "labels": np.ravel(y).astype(float).tolist(), "outputs": int(np.size(model(grid[:1]))),
    }  # fmt: skip
    forward = _printed(forward_script, lambda places: model(places), [p for _, p in leaves], (grid,))
    return view, forward.replace(f"[{', '.join('0' * grid.size)}]", str(grid.size))
