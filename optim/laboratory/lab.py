"""`lab`: a loss and optimizers as one offline page, in which they run.

What was recorded is printed as JavaScript: the loss with its gradient and its products with the Hessian, and
each rule. The page (`viewer/`) steps them forwards and backwards. Its Content-Security-Policy allows its one
script and its one style by their hashes, and no request.

Names: `leaves` the Tensors that are optimized; `rule` the printed update of an optimizer; `view` what the
page draws of a net.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from importlib import import_module, resources
from os import PathLike, fspath
from pathlib import Path
from string import Template
from typing import Any

import numpy as np

import minigrad
import optim
from minigrad import Tensor
from minigrad.extend import (
    COLOURS,
    PAGE,
    Drawing,
    as_sentence,
    colours,
    data_text,
    entry,
    framed,
    instead,
    numeric,
    policy,
    symbol,
)
from optim.base.first_order import FirstOrder
from optim.base.loss import not_one_number
from optim.base.optimizer import Optimizer
from optim.laboratory.presets import Method, Preset, Problem, plain
from optim.laboratory.printed import forward_script, objective_script, rule_script

__all__ = ["Lab", "lab"]

CALL = "lab(f, optimizers)"
MOST = 20  # numbers that a function of "a few numbers" may have; a net may have more
PIXELS = 780  # the height of the frame in a notebook
SCRIPTS = (
    "format.js", "plot.js", "landscape.js", "race.js", "controls.js", "inside.js", "model.js", "stability.js",
    "measures.js", "lab.js",
)  # fmt: skip
KINDS = {"Newton": "newton", "NewtonCG": "newton-cg"}
WIDEST = "−0.000000e+00"  # of the numbers in the boxes of a drawn rule


class Lab:
    """A page in which losses and optimizers run. It shows itself in a notebook; `save` writes it, `show` opens
    it in the browser, and `html()` is its text.

    Made by `optim.lab`.
    """

    def __init__(
        self,
        title: str,
        problems: Sequence[Problem],
        methods: Sequence[tuple[Optimizer, Method]],
        presets: Sequence[Preset] = (),
        steps: int = 200,
    ) -> None:
        self.title, self.problems, self.presets, self.steps = title, list(problems), list(presets), steps
        self.methods = [method for _, method in methods]
        self._rules: dict[str, str] = {}
        self._boxes: dict[str, dict[str, tuple[str, str]]] = {}
        self._drawn: dict[str, str] = {}
        for optimizer, method in methods:
            if isinstance(optimizer, FirstOrder) and method.rule not in self._rules:
                self._rules[method.rule] = rule_script(optimizer)
                self._drawn[method.rule], self._boxes[method.rule] = _drawn_rule(optimizer)

    @cached_property
    def _page(self) -> str:
        style = "\n".join([colours(minigrad.draw(Tensor(0.0)).theme), _line_colours(), _file("lab.css")])
        script = "\n".join(['"use strict";\n{', *map(_file, ("engine.js", "second_order.js")), self._programs(),
                            "{", *map(_file, SCRIPTS), "}\n}\n"])  # fmt: skip
        data = {
            "title": self.title, "steps": self.steps, "problems": list(map(plain, self.problems)),
            "methods": list(map(plain, self.methods)), "presets": list(map(plain, self.presets)),
            "boxes": self._boxes,
        }  # fmt: skip
        rules = "\n".join(f'<template id="rule-{k}">{svg}</template>' for k, svg in enumerate(self._drawn.values()))
        return Template(_file("template.html")).substitute(
            policy=policy([script], [style]), style=style, script=script, rules=rules, data=data_text(data)
        )

    def html(self) -> str:
        """The page as text. It needs no other file and no network."""
        return self._page

    @entry
    def save(self, path: str | PathLike[str]) -> Path:
        """Write the page to a file whose name ends in .html, and return its path.

        Raises:
            ValueError: the name ends otherwise.
        """
        target = Path(fspath(path))
        if target.suffix.lower() not in (".html", ".htm"):
            raise ValueError(f"`Lab.save(path)` writes a page: its name must end in .html, got {target.name!r}.")
        target.write_text(self.html(), encoding="utf-8")
        return target

    def show(self) -> Path:
        """Open the page in the browser, from a temporary file; say and return where that is."""
        handle, name = tempfile.mkstemp(".html", "minigrad-lab-")
        os.close(handle)
        path = self.save(name)
        print(f"The lab is in {path}")
        webbrowser: Any = import_module("webbrowser")  # is slow to import
        if not webbrowser.open(path.as_uri()):
            print("No browser could be opened; open that file in one.")
        return path

    def _repr_html_(self) -> str:
        return framed(self.html(), "The lab", PIXELS)

    def __repr__(self) -> str:
        names = ", ".join(method.label for method in self.methods)
        return f"<Lab of {names}; .show() opens it in the browser, .save('lab.html') writes it>"

    def _programs(self) -> str:
        """The printed losses and rules. A loss is made anew for each walk, because it remembers a point."""
        problems = ",\n".join(f"() => ({problem.script})" for problem in self.problems)
        forwards = ",\n".join(problem.forward or "null" for problem in self.problems)
        rules = ",\n".join(f"{data_text(name)}: {script}" for name, script in self._rules.items())
        return (
            f"const PROBLEMS = [\n{problems}\n];\nconst FORWARDS = [\n{forwards}\n];\n"
            f"const RULES = {{\n{rules}\n}};"
        )


@entry
def lab(
    f: Any,
    optimizers: Any,
    *,
    start: Any = None,
    loss: Callable[..., Any] | None = None,
    data: Any = None,
    region: Any = None,
    minima: Any = (),
    steps: int = 200,
    title: str = "",
) -> Lab:
    """Make a page in which optimizers walk on a loss, forwards and backwards, with every number of each step.

    The page runs what minigrad records: the loss, its gradient, its products with the Hessian, and the rules
    of the optimizers, printed as JavaScript. Its numbers equal Python's up to an ulp of `exp` and its like. It
    is one file that needs no network.

    Args:
        f: a function of an array of a few numbers, f(w) → one number; or a model, called as model(X).
        optimizers: a list. An entry is a class or its name (`optim.Adam`, "Adam"), which takes its default
            rate; or a function of the parameters, as `lambda p: optim.Adam(p, lr=0.1)`; or for a model an
            optimizer of its parameters, which goes on in the page with the state it has. All first-order
            optimizers, `Newton` and `NewtonCG` run there.
        start: for a function, the first w: a number, or a 1-d array of at most 20.
        loss, data: for a model, loss(model(X), y) and data=(X, y). Every step takes all the data.
        region: for a function of two numbers, the map's ((x from, x to), (y from, y to)); by default it fits
            the walks. Of one number, ((x from, x to),).
        minima: points to mark on the map.
        steps: how far the page's slider goes, ≥ 1.
        title: of the page.

    Returns:
        A `Lab`: `.save("lab.html")`, `.show()`, `.html()`; in a notebook it shows itself.

    Raises:
        TypeError, ValueError: an argument is not as described; or the page cannot run an op of the loss,
            which is named. Nothing is written or changed then, the model neither.

    >>> import optim
    >>> optim.lab(lambda w: w[0] ** 2 + 20 * w[1] ** 2, [optim.SGD, "Adam"], start=(1.0, 1.0))
    <Lab of SGD, Adam; .show() opens it in the browser, .save('lab.html') writes it>
    """
    if not isinstance(steps, int | np.integer) or isinstance(steps, bool) or steps < 1:
        raise ValueError(f"`lab(steps=...)` must be a whole number ≥ 1, got {steps!r:.60}.")
    if hasattr(f, "named_parameters"):
        for name, given in (("start", start), ("region", region)):
            if given is not None:
                raise TypeError(
                    f"`lab({name}=...)` is for a function of a few numbers, and f is a model: leave it out. A "
                    "model starts from its present weights."
                )
        problem, leaves = _net(f, loss, data)
        walkers = [_walker(each, leaves) for each in _listed(optimizers)]
    else:
        if loss is not None or data is not None:
            raise TypeError(
                "`lab(loss=..., data=...)` are for a model, and f has no named_parameters(): leave them out."
            )
        problem, leaves = _function(f, start, region, minima)
        walkers = [_walker(each, leaves) for each in _listed(optimizers)]
    methods = _told_apart([(optimizer, method_of(optimizer, resumed)) for optimizer, resumed in walkers])
    return Lab(title or problem.name, [problem], methods, steps=int(steps))


# Losses


def _function(f: Any, start: Any, region: Any, minima: Any) -> tuple[Problem, list[tuple[str, Tensor]]]:
    if not callable(f):
        raise TypeError(
            f"`{CALL}`: f must be a function of an array, or a model, got {f!r:.60}. Write lambda w: ..."
        )
    if start is None:
        raise TypeError(f"`{CALL}` of a function needs its first point: pass start=(0.0, 1.0), or a number.")
    w = np.array(numeric(start, f"`lab(start=...)`"), float)
    if w.ndim > 1 or not 1 <= w.size <= MOST or not np.isfinite(w).all():
        raise ValueError(
            f"`lab(start=...)` must be a finite number or a 1-d array of 1 to {MOST}, got {start!r:.60}."
        )
    return function_problem(f, w, getattr(f, "__name__", "f"), region=region, minima=minima)


def function_problem(
    f: Callable[[Any], Any],
    start: Any,
    name: str = "f",
    says: str = "",
    *,
    region: Any = None,
    minima: Any = (),
) -> tuple[Problem, list[tuple[str, Tensor]]]:
    """A loss that is a function of an array, and its leaf."""
    w = Tensor(np.array(start, float), requires_grad=True, name="w")
    found = f(w)
    value = np.asarray(found.data if isinstance(found, Tensor) else found)
    if value.shape != () or value.dtype.kind not in "fiu":
        raise not_one_number(CALL, "f", found)
    if not np.isfinite(value):
        raise ValueError(f"`{CALL}`: f must be finite at the start, got {value} at {w.numpy()}.")
    box = _region(region, w.size)
    marks = [[float(x) for x in np.ravel(point)] for point in minima]
    title = "f" if name == "<lambda>" else name.replace("_", " ")
    leaves = [("w", w)]
    return problem_of(lambda: f(w), leaves, name=title, says=says, region=box, minima=marks), leaves


def problem_of(
    loss: Callable[..., Any],
    leaves: list[tuple[str, Tensor]],
    args: Sequence[Any] = (),
    rows: Sequence[Any] = (),
    **facts: Any,
) -> Problem:
    """loss(*args) as a problem of the page; `facts` are further fields of it.

    rows: for each argument the rows of all the data, of which every step takes as many as the argument has,
    in turn; or nothing, and every step takes the arguments.
    """
    script = objective_script(loss, [p for _, p in leaves], args, curvature=True)
    if rows:
        arrays = ", ".join(f"new Float64Array({data_text(np.ravel(part).tolist())})" for part in rows)
        batches = f'{{ size: {len(args[0])}, order: "cyclic", data: [{arrays}] }}'
        script = f"Object.assign({script}, {{ batches: {batches} }})"
    start = np.concatenate([p.numpy().ravel() for _, p in leaves]).tolist()
    names = [name for each, p in leaves for name in _coordinates(each, p.shape)]
    return Problem(script=script, start=start, names=names, **facts)


def _coordinates(name: str, shape: tuple[int, ...]) -> list[str]:
    if len(name) == 1 and len(shape) < 2:
        return [symbol(f"{name}_{i + 1}") for i in range(shape[0])] if shape else [name]
    return [f"{name}[{', '.join(map(str, at))}]" for at in np.ndindex(shape)] if shape else [name]


def _region(region: Any, n: int) -> Sequence[Sequence[float]] | None:
    if region is None:
        return None
    box = np.array(numeric(region, "`lab(region=...)`"), float)
    if box.shape != (n, 2) or n > 2 or not np.isfinite(box).all() or not (box[:, 0] < box[:, 1]).all():
        raise ValueError(
            "`lab(region=...)` must be ((x from, x to), (y from, y to)) for a function of two numbers, got "
            f"{region!r:.60}."
        )
    return [[float(low), float(high)] for low, high in box]


def _net(
    model: Any, loss: Any, data: Any
) -> tuple[Problem, list[tuple[str, Tensor]]]:
    if not callable(loss):
        raise TypeError(f"`lab(model, ...)` needs loss=, a function as cross_entropy, got {loss!r:.60}.")
    if not isinstance(data, tuple | list) or len(data) != 2:
        raise TypeError(f"`lab(model, ...)` needs data=(X, y), got {data!r:.60}.")
    X, y = (np.asarray(numeric(part, "`lab(data=...)`")) for part in data)
    if len(np.shape(X)) < 1 or len(X) != len(y):
        raise ValueError(f"`lab(data=...)` needs as many rows in X as in y, got {X.shape} and {y.shape}.")
    named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    if not named:
        raise ValueError("`lab(model, ...)`: no parameter of the model requires a gradient.")
    view, forward = net_view(model, named, X, y)
    return problem_of(lambda a, b: loss(model(a), b), named, (X, y), name="a network", says="", view=view, forward=forward), named


def net_view(
    model: Any, named: list[tuple[str, Tensor]], X: Any, y: Any
) -> tuple[dict[str, Any] | None, str]:
    """What the page draws of a net: its curve over one input, or its map over two; nothing else is drawn."""
    if X.ndim != 2 or X.shape[1] > 2 or X.dtype.kind != "f":
        return None, ""
    low, high = X.min(axis=0), X.max(axis=0)
    pad = 0.12 * np.where(high > low, high - low, 1.0)
    box = np.stack([low - pad, high + pad], axis=1)
    if X.shape[1] == 1:
        grid, size = np.linspace(*box[0], 161)[:, None], [161]
    else:
        xs, ys = (np.linspace(*side, 49) for side in box)
        grid, size = np.stack(np.meshgrid(xs, ys), axis=-1).reshape(-1, 2), [49, 49]
    labels = np.asarray(y, float).reshape(len(y), -1)
    if labels.shape[1] != 1:
        return None, ""
    forward = forward_script(lambda a: model(a), [p for _, p in named], (grid,))
    out = np.shape(model(grid[:1]))
    view = {
        "box": box.tolist(), "size": size, "points": X.tolist(), "labels": labels[:, 0].tolist(),
        "outputs": int(np.prod(out[1:], dtype=int)), "classes": bool(np.issubdtype(np.asarray(y).dtype, np.integer)),
    }  # fmt: skip
    return view, forward


# Optimizers


def _listed(optimizers: Any) -> list[Any]:
    if isinstance(optimizers, str | Mapping) or not isinstance(optimizers, Sequence) or not optimizers:
        raise TypeError(
            f"`{CALL}`: optimizers must be a list, as [optim.SGD, optim.Adam], got {optimizers!r:.60}."
        )
    return list(optimizers)


def _walker(given: Any, leaves: list[tuple[str, Tensor]]) -> tuple[Optimizer, bool]:
    """An optimizer for this entry of the list, and whether it is the user's own, which goes on. Others are
    made for copies of the leaves, so that the user's stay as they are."""
    if isinstance(given, Optimizer):
        return _own(given, leaves), True
    maker = getattr(optim, given, None) if isinstance(given, str) else given
    if isinstance(given, str) and not (isinstance(maker, type) and issubclass(maker, Optimizer)):
        known = [name for name in optim.__all__ if _is_optimizer(name)]
        remedy = instead(given, known) or f"the names are {', '.join(known)}"
        raise ValueError(f"`{CALL}`: there is no optimizer {given!r}; {as_sentence(remedy)}")
    if not callable(maker):
        raise TypeError(
            f"`{CALL}`: an optimizer is a class, its name, or a function of the parameters, got {given!r:.60}. "
            "Write lambda p: optim.Adam(p, lr=0.1)."
        )
    copies = [(name, Tensor(p.numpy(), requires_grad=True, name=name)) for name, p in leaves]
    made = maker(copies)
    if not isinstance(made, Optimizer):
        raise TypeError(f"`{CALL}`: {given!r:.60} must return an optimizer, got {type(made).__name__}.")
    return made, False


def _is_optimizer(name: str) -> bool:
    found = getattr(optim, name)
    return isinstance(found, type) and issubclass(found, Optimizer) and found not in (Optimizer, FirstOrder)


def _own(optimizer: Optimizer, leaves: list[tuple[str, Tensor]]) -> Optimizer:
    mine = [p for group in optimizer.param_groups for p in group["params"]]
    if list(map(id, mine)) != [id(p) for _, p in leaves]:
        raise ValueError(
            f"`{CALL}`: {type(optimizer).__name__} must optimize the parameters of the model, in its order. Pass "
            "it model.named_parameters(); or pass the class, which starts anew."
        )
    return optimizer


def method_of(optimizer: Optimizer, resumed: bool = False) -> Method:
    """An optimizer as the page takes it.

    Raises:
        ValueError: the page cannot run it.
    """
    name = type(optimizer).__name__
    if len(optimizer.param_groups) != 1:
        raise ValueError(f"`{CALL}`: {name} must have one group of parameters, got {len(optimizer.param_groups)}.")
    group = optimizer.param_groups[0]
    if isinstance(optimizer, FirstOrder):
        numbers = {k: v for k, v in group.for_rule.items() if _is_number(v)}
        needed = [k for k in group.state if group.for_rule.get(optimizer.state_needs.get(k, ""), True)]
        state = [group.state[k].tolist() for k in needed] if resumed else None
        counters = dict(group.slices[0].counters) if resumed else None
        return Method(_label(optimizer), "first", _rule_name(optimizer), numbers, {}, state, counters)
    if name not in KINDS:
        raise ValueError(f"`{CALL}`: {name} does not run in the page. Use Newton or NewtonCG.")
    settings = {k: v for k, v in group.items() if k not in ("params", "initial_lr") and v != np.inf}
    return Method(name, KINDS[name], settings=settings)


def _is_number(value: Any) -> bool:
    """Whether an option is a number of the printed rule; others are part of its text."""
    return any(value) if isinstance(value, tuple) else isinstance(value, float) and value != 0


def _rule_name(optimizer: FirstOrder) -> str:
    """The same for optimizers with the same printed rule: what is 0 or a flag is part of the text."""
    group = optimizer.param_groups[0]
    kinds = [k if _is_number(v) else f"{k}={v}" for k, v in group.for_rule.items()]
    words = ", ".join([*kinds, f"maximize={group.get('maximize', False)}"])
    return f"{type(optimizer).__name__}({words})"


def _label(optimizer: FirstOrder) -> str:
    group = optimizer.param_groups[0]
    names = ("momentum", "nesterov", "centered", "amsgrad", "bias_correction", "maximize")
    told = [name.replace("_", " ") for name in names if group.options.get(name)]
    told = [name for name in told if name != "momentum" or "nesterov" not in told]
    return ", ".join([type(optimizer).__name__, *told])


def _told_apart(methods: list[tuple[Optimizer, Method]]) -> list[tuple[Optimizer, Method]]:
    """The labels of which two are alike get their rate, or a number."""
    labels = [method.label for _, method in methods]
    found: list[tuple[Optimizer, Method]] = []
    for optimizer, method in methods:
        label = method.label
        if labels.count(label) > 1 and "lr" in method.numbers:
            label = f"{label}, lr {method.numbers['lr']:g}"
        taken = [other.label for _, other in found]
        k = 2
        base = label
        while label in taken:
            label, k = f"{base} ({k})", k + 1
        found.append((optimizer, replace(method, label=label)))
    return found


def _drawn_rule(optimizer: FirstOrder) -> tuple[str, dict[str, tuple[str, str]]]:
    """The drawing of a rule, with room for a number in each box, and by box what the number is: "m′" is the
    new m, "m" the one before."""
    group = optimizer.param_groups[0]
    picture = minigrad.draw(optimizer, fold="formulas", show="value", direction="down").picture
    inputs = {"w", *group.state, *optimizer.scalars}
    zeros = [np.zeros(1) for _ in ("w", "g", *group.state)]
    with np.errstate(all="ignore"):
        made = optimizer.rule(*zeros, **{**group.for_rule, **optimizer.scalars, "t": 1})
    after = {symbol(name) + "′" * (name in inputs): name for name in ("g", *made)}
    before = {symbol(name): name for name in inputs}
    boxes = {}
    for node in picture.nodes:
        label = node.label.partition(" = ")[0]
        for when, names in (("after", after), ("before", before)):
            if label in names and (when == "after") == (label in after):
                boxes[f"n{node.id}"] = (when, names[label])
    wide = replace(picture, title="", nodes=[replace(node, value=WIDEST) for node in picture.nodes])
    return Drawing(wide, fold=None, theme=PAGE).svg, boxes


# The page


def _file(name: str) -> str:
    return resources.files("optim.laboratory").joinpath("viewer", name).read_text(encoding="utf-8")


def _line_colours() -> str:
    """The colours of the walks, those of the figures; on a dark page a little lighter."""
    light = " ".join(f"--walk-{i}: {colour};" for i, colour in enumerate(COLOURS))
    dark = " ".join(f"--walk-{i}: {_lighter(colour)};" for i, colour in enumerate(COLOURS))
    return (
        f":root {{ {light} }}\n"
        f"@media screen and (prefers-color-scheme: dark) {{ :root:not([data-theme=light]) {{ {dark} }} }}\n"
        f"@media screen {{ :root[data-theme=dark] {{ {dark} }} }}"
    )


def _lighter(colour: str) -> str:
    parts = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return "#" + "".join(f"{round(part + 0.35 * (255 - part)):02x}" for part in parts)
