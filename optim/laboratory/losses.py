"""Losses for the lab: a function of a few numbers, or a net with its data, printed with their derivatives.

Names: `leaves` the Tensors that are optimized, with their names; `view` what the page draws of a net.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import Any

import numpy as np

from minigrad import Tensor, trace_source
from minigrad.extend import as_written, data_of, data_text, numeric, recorded_function
from optim.base.loss import not_one_number
from optim.laboratory.contents import Problem
from optim.laboratory.drawn import operations
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
    try:
        with np.errstate(all="ignore"):
            found = f(w)
    except Exception as error:
        if not isinstance(error, IndexError) and not any(words in str(error) for words in _OF_SHAPES):
            error.add_note(f"`{CALL}`: f(w) fails at the start, w of shape {w.shape}.")
            raise  # f's own words
        raise _wrong_start(w, error) from error
    value = np.asarray(found.data if isinstance(found, Tensor) else found)
    if value.shape == w.shape == (1,):
        raise ValueError(
            f"`{CALL}`: f must return one real number, got an array of one. Write w[0] in f, or "
            f"pass start as a number, start={w.item()}."
        )
    if value.shape != () or value.dtype.kind not in "fiu":
        raise not_one_number(CALL, "f", found)
    if not np.isfinite(value):
        raise ValueError(f"`{CALL}`: f must be finite at the start, got {value} at {w.numpy()}.")
    points = minima if isinstance(minima, Sequence | np.ndarray) else [minima]
    marks = [_mark(point, w.size) for point in points]
    leaves = [("w", w)]
    box = _region(region, w.size)
    if w.size > 2 and not says:
        says = f"f has {w.size} numbers, and a map has two axes: the page shows the losses."
    problem = problem_of(lambda: f(w), leaves, name=name, says=says, region=box, minima=marks)
    if (read := _numbers_read(f, w.numpy())) < w.size:
        raise ValueError(
            f"`lab(start=...)` has {w.size} numbers, and f takes none after the first {read}. Pass {read}."
        )
    return problem, leaves


_OF_SHAPES = ("positional argument", "to unpack", "broadcast", "core dimension")  # errors of a wrong start


def _wrong_start(w: Tensor, error: Exception) -> Exception:
    remedy = "Pass as many numbers as f takes" if w.ndim else "A number has no entry w[0]: pass start=(1.0,)"
    told = str(error).rstrip(".")
    return ValueError(f"`lab(start=...)` has the shape {w.shape}, and f fails there: {told}. {remedy}.")


def _numbers_read(f: Callable[[Any], Any], start: Any) -> int:
    """How many numbers f takes, if it takes them one by one, as w[0] and w[1]: as many as the last that it
    takes. All of them if anything else is done with w."""
    found = recorded_function(f, CALL, (start,), {})
    w, places = found.lines.inputs[0], np.arange(start.size)
    taken: list[Any] = []
    for line in found.lines.lines:
        if any(x is w for x in line.args):
            if line.op.name != "getitem" or len(line.args) > 1:
                return int(start.size)
            taken.append(np.ravel(places[line.params["index"]]))
    return (
        1 + int(np.concatenate(taken).max()) if taken and np.size(np.concatenate(taken)) else int(start.size)
    )


def net_problem(
    model: Any,
    loss: Callable[..., Any],
    X: Any,
    y: Any,
    name: str = "a network",
    says: str = "",
    order: Any = None,
) -> tuple[Problem, Leaves]:
    """A net and its data, and the net's live parameters. Data of float32 are taken as float64, in which they
    are the same numbers.

    order: row t has the numbers of the rows that step t + 1 takes; None for all of them.

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
    shape = _tried(model, loss, X, y)
    view, forward, drawn = _view(model, loss, leaves, X, y, shape)
    taken = f"all {len(X)} rows" if order is None else f"{len(order[0])} of the {len(X)} rows"
    told = f"A network of {sum(p.size for _, p in leaves)} numbers. Each step takes {taken} of the data"
    told += "." if order is None else ", and the loss is that of the rows of the next step."
    facts: Any = {"name": name, "says": says or f"{told} {drawn}".strip(), "view": view, "forward": forward}
    loss_of = lambda X, y: loss(model(X), y)  # noqa: E731
    if order is None:
        return problem_of(loss_of, leaves, (X, y), **facts), leaves
    return problem_of(loss_of, leaves, (X[order[0]], y[order[0]]), (X, y), np.ravel(order), **facts), leaves


def _tried(model: Any, loss: Callable[..., Any], X: Any, y: Any) -> tuple[int, ...]:
    """The shape of the model's outputs. A copy is run, because a call may change the model."""
    try:
        trial = deepcopy(model)
    except TypeError as error:
        error.add_note(
            f"`{CALL}` tries a copy of the model. Take out of it what cannot be copied, such as a file."
        )
        raise
    try:
        with np.errstate(all="ignore"):
            outputs = trial(X)
            value = np.asarray(data_of(loss(outputs, y)))
    except Exception as error:
        error.add_note(f"`{CALL}`: loss(model(X), y) fails on X of {X.shape} and y of {y.shape}.")
        raise
    for (name, before), (_, after) in zip(
        *(getattr(x, "named_buffers", list)() for x in (model, trial)), strict=True
    ):
        if not np.array_equal(before, after):
            raise TypeError(
                f"`{CALL}`: a call of the model changes {name}, as BatchNorm does while it trains, and the "
                "page keeps nothing but weights and the optimizer's state. Pass model.eval()."
            )
    if value.shape != () or value.dtype.kind not in "fiu":
        raise not_one_number(CALL, "loss", value)
    if not np.isfinite(value):
        raise ValueError(
            f"`{CALL}`: the loss must be finite at the start, got {value}. Look for NaN in the data and the "
            "weights."
        )
    return np.shape(outputs)


def problem_of(
    loss: Callable[..., Any],
    leaves: Leaves,
    args: Sequence[Any] = (),
    rows: Sequence[Any] = (),
    order: Any = None,
    **facts: Any,
) -> Problem:
    """loss(*args) as a problem of the page; `facts` are the other fields of it.

    rows: for each argument the rows of all the data, of which every step takes as many as the argument has,
    in this `order`, or for None in turn, and then again; or nothing, and every step takes the arguments.
    """
    script = _printed(objective_script, loss, [p for _, p in leaves], args, curvature=True)
    if rows:
        arrays = ", ".join(f"new Float64Array({data_text(np.ravel(part).tolist())})" for part in rows)
        turn = "cyclic" if order is None else order.tolist()
        batches = f"{{ size: {len(args[0])}, order: {json.dumps(turn)}, data: [{arrays}] }}"
        script = f"Object.assign({script}, {{ batches: {batches} }})"
    start = np.concatenate([p.numpy().ravel() for _, p in leaves]).tolist()
    return Problem(script=script, start=start, **facts)


def _printed(script: Callable[..., str], *args: Any, **options: Any) -> str:
    """A printed script; what cannot be printed is told with the call that the user wrote."""
    try:
        return script(*args, **options)
    except (TypeError, ValueError) as error:
        told = str(error).replace(f"{script.__name__}: ", "").replace("the compiled function", "the function")
        told = re.sub(r",? or do not compile it", "", told)  # which nobody did here
        if op := re.match(r"(\w+)(?= cannot be printed as loops: there are no loops)", told):
            told = _called(op[0], args[0], args[2] if len(args) > 2 else ()) + told[op.end() :]
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"`{CALL}`: {told}") from None


def _called(op: str, f: Callable[..., Any], args: Sequence[Any]) -> str:
    """The NumPy function that makes an op in f, as the user writes it: "np.median (argsort)". The name of the
    op alone if f makes it elsewhere."""
    with trace_source(), np.errstate(all="ignore"):
        made = operations([f(*args)], ())
    calls = [getattr(y.mode, "call", None) for y in made if y.op is not None and y.op.name == op]
    if not calls or calls[0] is None:
        return op
    function = as_written(calls[0][0])
    return function if function.endswith(f".{op}") else f"{function} ({op})"


def _mark(point: Any, n: int) -> list[float]:
    place = np.ravel(np.asarray(numeric(point, "`lab(minima=...)`"), float))
    if place.size != n or not np.isfinite(place).all():
        raise ValueError(
            f"`lab(minima=...)` must be a list of points of {n} finite numbers each, got {point!r:.60}."
        )
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


def _view(
    model: Any, loss: Any, leaves: Leaves, X: Any, y: Any, outputs: tuple[int, ...]
) -> tuple[dict[str, Any] | None, str, str]:
    """What the page draws of a net, the script of its outputs, and a sentence on what is not drawn. It draws
    the curve over one input, the border between classes over two, or the share of rows answered rightly."""
    whole = outputs[:1] == y.shape[:1] and y.size == len(y) and len(outputs) <= 2
    width = outputs[1] if len(outputs) == 2 else 1
    classes = whole and _are_classes(y, width) and (width > 1 or _takes_logits(loss, y, outputs))
    inputs = X.shape[1] if X.ndim == 2 and X.dtype.kind == "f" else None
    plotted = {"labels": np.ravel(y).astype(float).tolist(), "outputs": width} if whole else {}
    if inputs == 1 and width == 1 and whole:
        kind, size, says = "curve", CURVE, ""
    elif inputs == 2 and classes:
        kind, size, says = "border", MAP, ""
    elif classes:
        says = (
            f"The model has {inputs} input{'s' * (inputs != 1)}"
            if inputs
            else f"A row of X has the shape {X.shape[1:]}"
        )
        says += (
            ": no border between its classes can be drawn, so the page draws the share of the rows that it "
            "answers rightly."
        )
        places = np.zeros_like(X)
        return {"kind": "share", **plotted}, _outputs(model, leaves, places), says
    else:
        return (
            None,
            "",
            "The page draws a model of one input and one output as a curve; of this one it shows the loss.",
        )
    low, high = X.min(axis=0), X.max(axis=0)
    pad = 0.12 * np.where(high > low, high - low, 1.0)
    grid = np.zeros((int(np.prod(size)), inputs))  # the page computes the places from the box
    box = np.stack([low - pad, high + pad], axis=1).tolist()
    return (
        {"kind": kind, "box": box, "size": size, "points": X.tolist(), **plotted},
        _outputs(model, leaves, grid),
        says,
    )


def _are_classes(y: Any, width: int) -> bool:
    """Whether y numbers the classes of a net with so many outputs; with one output, 0 and 1."""
    return bool(np.isin(y, range(max(width, 2))).all()) and (width == 1 or y.dtype.kind in "iu")


def _takes_logits(loss: Any, y: Any, outputs: tuple[int, ...]) -> bool:
    """Whether a loss of one output falls all along it for the label 1, and rises for 0, so that no output is
    wrong for being large. So do losses of logits; squares do not."""

    def losses(label: float) -> Any:
        labels = np.full_like(y, label)
        return [float(data_of(loss(np.full(outputs, z), labels))) for z in (-9.0, -2.0, -0.5, 0.5, 2.0, 9.0)]

    try:
        up, down = np.diff(losses(0)), np.diff(losses(1))
    except Exception:  # not every loss takes such labels
        return False
    return bool((up >= 0).all() and up.any() and (down <= 0).all() and down.any())


def _outputs(model: Any, leaves: Leaves, places: Any) -> str:
    """The script of the model's outputs at places that the page fills in."""
    script = _printed(forward_script, lambda places: model(places), [p for _, p in leaves], (places,))
    return re.sub(r"\(\[0(?:, 0)*\]\)", f"({places.size})", script, count=1)
