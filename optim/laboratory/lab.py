"""`lab`: a loss and optimizers as one offline page, in which they run forwards and backwards.

What was recorded is printed as JavaScript (`printed.py`): the loss with its gradient and its products with
the Hessian (`losses.py`), and the rule of each optimizer (`methods.py`). `page.py` puts them into the page,
whose scripts are in `viewer/`: an engine without a page, which takes the steps, and the panels.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from minigrad.extend import entry, numeric
from optim.base.options import COUNT, WHOLE, checked
from optim.laboratory.contents import Problem
from optim.laboratory.losses import CALL, Leaves, function_problem, net_problem
from optim.laboratory.methods import methods_of
from optim.laboratory.page import Lab

__all__ = ["Lab", "lab"]

MOST = 20  # numbers that a function of "a few numbers" may have; a net may have more


@entry
def lab(
    f: Any,
    optimizers: Any,
    *,
    start: Any = None,
    loss: Callable[..., Any] | None = None,
    data: Any = None,
    batch_size: int | None = None,
    rng: int = 0,
    region: Any = None,
    minima: Any = (),
    steps: int = 200,
    title: str | None = None,
) -> Lab:
    """Make a page in which optimizers walk on a loss, forwards and backwards, with every number of each step.

    The page runs what minigrad records: the loss, its gradient, its products with the Hessian, and the rules
    of the optimizers, printed as JavaScript. Its numbers are Python's, up to the last digit of `exp` and its
    like. It is one file that needs no network.

    Args:
        f: a function of an array of a few numbers, f(w) → one number; or a model, called as model(X).
        optimizers: a list. An entry is a class or its name (`optim.Adam`, "Adam"), which takes its default
            rate, but SGD and Momentum take 0.1 for a model; or a function of the parameters, as
            `lambda p: optim.Adam(p, lr=0.1)`; or for a model an optimizer of its parameters, which goes on in
            the page with the state it has. All optimizers with a rule run there, and `Newton` and `NewtonCG`.
        start: for a function, the first w: a number, or a 1-d array of at most 20.
        loss, data: for a model, loss(model(X), y) and data=(X, y), or a `Dataset` with X and y.
        batch_size: for a model, the rows of each step, a divisor of their number, in the order in which
            `fit(..., batch_size, rng=rng)` takes them. None takes all of them at each step.
        rng: a seed, for that order.
        region: for a function of two numbers, the map's ((x from, x to), (y from, y to)); by default it fits
            the walks. Of one number, ((x from, x to),).
        minima: points to mark on the map.
        steps: how far the page's slider goes, ≥ 1.
        title: of the page.

    Returns:
        A `Lab`: `.save("lab.html")`, `.show()`, `.html()`; in a notebook it shows itself.

    Raises:
        TypeError, ValueError: an argument is not as described; or the page cannot run an op of the loss or of
            a rule, which is named. The model is as before then, and nothing is written.

    >>> import optim
    >>> optim.lab(lambda w: w[0] ** 2 + 20 * w[1] ** 2, [optim.SGD, "Adam"], start=(1.0, 1.0))
    <Lab of SGD, Adam; .show() opens it in the browser, .save('lab.html') writes it>
    """
    steps = checked("lab", "steps", steps, COUNT)
    if isinstance(f, type):
        raise TypeError(
            f"`{CALL}`: f must be a model or a function, got the class {f.__name__}. Pass {f.__name__}(...)."
        )
    if of_model := hasattr(f, "named_parameters"):
        for name, given in (("start", start), ("region", region), ("minima", minima or None)):
            if given is not None:
                raise TypeError(
                    f"`lab({name}=...)` is for a function of a few numbers, and f is a model: leave it out."
                )
        problem, leaves = _of_model(f, loss, data, lambda n: _order(n, batch_size, rng, steps))
    else:
        for name, given in (("loss", loss), ("data", data), ("batch_size", batch_size)):
            if given is not None:
                raise TypeError(
                    f"`lab({name}=...)` is for a model, and f, a {type(f).__name__}, has no "
                    "named_parameters(). Pass the model; or for a function of w leave loss= and data= out: f "
                    "gives the loss."
                )
        problem, leaves = _of_function(f, start, region, minima)
    return Lab(title or problem.name, [problem], methods_of(optimizers, leaves, of_model), steps=steps)


def _of_function(f: Any, start: Any, region: Any, minima: Any) -> tuple[Problem, Leaves]:
    if not callable(f):
        raise TypeError(
            f"`{CALL}`: f must be a function of an array, or a model, got {f!r:.60}. Write lambda w: ..."
        )
    if start is None:
        raise TypeError(f"`{CALL}` of a function needs its first point: pass start=(0.0, 1.0), or a number.")
    w = np.asarray(numeric(start, "`lab(start=...)`"))
    if w.ndim > 1 or not 1 <= w.size <= MOST or w.dtype.kind not in "fiu" or not np.isfinite(w).all():
        raise ValueError(
            f"`lab(start=...)` must be a finite number or 1 to {MOST} of them in a row, got {start!r:.60}."
        )
    _require_one_argument(f)
    name = getattr(f, "__name__", "f").replace("_", " ")
    return function_problem(f, w, "f" if name == "<lambda>" else name, region=region, minima=minima)


def _require_one_argument(f: Callable[..., Any]) -> None:
    try:
        signature = inspect.signature(f)
    except (TypeError, ValueError):  # a function of C may have none
        return
    try:
        signature.bind(None)
    except TypeError:
        takes = f"takes ({', '.join(signature.parameters)})"
        remedy = (
            "Write lambda w: f(w[0], w[1])" if len(signature.parameters) > 1 else "Write lambda w: w[0] ** 2"
        )
        raise TypeError(
            f"`{CALL}`: f must take one array of all numbers, and it {takes}. {remedy}."
        ) from None


def _of_model(model: Any, loss: Any, data: Any, order: Callable[[int], Any]) -> tuple[Problem, Leaves]:
    if not callable(loss):
        raise TypeError(
            f"`{CALL}` of a model needs loss=, a function as models.cross_entropy, got {loss!r:.60}."
        )
    if hasattr(data, "X") and hasattr(data, "y"):
        data = data.X, data.y
    if not isinstance(data, tuple | list) or len(data) != 2:
        if isinstance(data, tuple | list):
            got = f"{len(data)} parts. Pass the inputs and the targets"
        else:
            got = (
                f"an array of shape {np.shape(data)} alone"
                if isinstance(data, np.ndarray)
                else f"{data!r:.60}"
            )
            got += ". Pass the targets too"
        raise TypeError(f"`{CALL}` of a model needs data=(X, y), got {got}.")
    X, y = (np.asarray(numeric(part, "`lab(data=...)`")) for part in data)
    if not X.size:
        raise ValueError(f"`lab(data=...)` needs rows, got X of shape {X.shape}. Pass at least one.")
    return net_problem(model, loss, X, y, order=order(len(X)) if X.ndim else None)


def _order(rows: int, size: int | None, rng: Any, steps: int) -> Any:
    """The rows of each step, for all steps of the slider and as many epochs as these begin."""
    if size is None:
        return None
    size = checked("lab", "batch_size", size, COUNT)
    if rows % size:
        near = [n for n in range(1, rows + 1) if rows % n == 0]
        raise ValueError(
            f"`lab(batch_size=...)` must divide the {rows} rows, got {size}: the page runs batches of one "
            f"size. Take {min(near, key=lambda n: abs(n - size))}."
        )
    generator = np.random.default_rng(checked("lab", "rng", rng, WHOLE))
    epochs = -(-steps * size // rows)
    return np.concatenate([generator.permutation(rows) for _ in range(epochs)]).reshape(-1, size)
