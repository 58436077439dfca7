"""Optimizers for the lab: how a list of them is understood, and what of an optimizer goes into the page."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

import minigrad
import optim
from minigrad import Tensor
from minigrad.extend import PAGE, Drawing, as_sentence, instead, symbol
from optim.base.first_order import FirstOrder
from optim.base.groups import ParamGroup, Values
from optim.base.optimizer import Optimizer
from optim.laboratory.contents import Method
from optim.laboratory.losses import CALL, Leaves

__all__ = ["drawn_rule", "method_of", "methods_of"]

KINDS = {"Newton": "newton", "NewtonCG": "newton-cg"}
MOST = 200  # unknowns of Newton in a page, which computes all eigenvalues in each step
WIDEST = "−0.000000e+00"  # of the numbers in the boxes of a drawn rule


def methods_of(optimizers: Any, leaves: Leaves) -> list[tuple[Optimizer, Method]]:
    """The optimizers of a list as `lab` takes it, and what the page needs of each.

    Raises:
        TypeError, ValueError: an entry is none of those that `lab` describes.
    """
    if isinstance(optimizers, str | Mapping) or not isinstance(optimizers, Sequence) or not optimizers:
        raise TypeError(
            f"`{CALL}`: optimizers must be a list, as [optim.SGD, optim.Adam], got {optimizers!r:.60}."
        )
    made = [_made(given, leaves) for given in optimizers]
    described = [method_of(each, resumed=each is given) for each, given in zip(made, optimizers, strict=True)]
    return list(zip(made, _told_apart(described), strict=True))


def _made(given: Any, leaves: Leaves) -> Optimizer:
    """The optimizer of an entry: the user's own, or one that is made for copies of the leaves, so that the
    user's stay as they are."""
    if isinstance(given, Optimizer):
        mine = [p for group in given.param_groups for p in group["params"]]
        if list(map(id, mine)) != [id(p) for _, p in leaves]:
            raise ValueError(
                f"`{CALL}`: {type(given).__name__} must optimize the parameters of the model, all and in its "
                "order. Make it with model.named_parameters(); or pass the class, which starts anew."
            )
        return given
    maker = _named(given) if isinstance(given, str) else given
    if not callable(maker):
        raise TypeError(
            f"`{CALL}`: an optimizer is a class, its name, or a function of the parameters, got "
            f"{given!r:.60}. Write lambda p: optim.Adam(p, lr=0.1)."
        )
    made = maker([(name, Tensor(p.numpy(), requires_grad=True, name=name)) for name, p in leaves])
    if not isinstance(made, Optimizer):
        raise TypeError(f"`{CALL}`: {given!r:.60} must return an optimizer, got {type(made).__name__}.")
    return made


def _named(name: str) -> Any:
    found = {each: getattr(optim, each) for each in optim.__all__}
    known = {k: x for k, x in found.items() if isinstance(x, type) and issubclass(x, Optimizer)}
    if name not in known or known[name] in (Optimizer, FirstOrder):
        remedy = instead(name, known) or f"the names are {', '.join(known)}"
        raise ValueError(f"`{CALL}`: there is no optimizer {name!r}; {as_sentence(remedy)}")
    return known[name]


def method_of(optimizer: Optimizer, resumed: bool = False) -> Method:
    """What the page needs of an optimizer; if it is `resumed`, with its state.

    Raises:
        ValueError: the page cannot run it.
    """
    name = type(optimizer).__name__
    if len(optimizer.param_groups) != 1:
        raise ValueError(
            f"`{CALL}`: {name} must have one group of parameters, got {len(optimizer.param_groups)}."
        )
    if isinstance(optimizer, FirstOrder):
        return _first_order(optimizer, optimizer.param_groups[0], resumed)
    _require_runnable(optimizer, optimizer.param_groups[0])
    settings = {k: v for k, v in optimizer.param_groups[0].items() if k not in ("params", "initial_lr")}
    state = _solver_state(optimizer) if resumed else None
    return Method(name, KINDS[name], settings=_finite(settings), state=state)


def _first_order(optimizer: FirstOrder, group: ParamGroup, resumed: bool) -> Method:
    numbers = {k: v for k, v in group.for_rule.items() if _is_number(v)}
    method = Method(_label(group, type(optimizer).__name__), "first", _rule_name(optimizer, group), numbers)
    if not resumed:
        return method
    counters = group.slices[0].counters
    if any(param.counters != counters for param in group.slices):
        raise ValueError(
            f"`{CALL}`: some parameters have taken more steps of {type(optimizer).__name__} than others. "
            "Pass its class, which starts anew."
        )
    needed = [k for k in group.state if group.for_rule.get(optimizer.state_needs.get(k, ""), True)]
    return replace(method, state=[group.state[k].tolist() for k in needed], counters=dict(counters))


def _is_number(value: Any) -> bool:
    """Whether an option is a number of the printed rule; others are part of its text."""
    return any(value) if isinstance(value, tuple) else isinstance(value, float) and value != 0


def _rule_name(optimizer: FirstOrder, group: ParamGroup) -> str:
    """The same for optimizers with the same printed rule."""
    kinds = [k if _is_number(v) else f"{k}={v}" for k, v in group.for_rule.items()]
    words = ", ".join([*kinds, f"maximize={group.get('maximize', False)}"])
    return f"{type(optimizer).__name__}({words})"


def _require_runnable(optimizer: Optimizer, group: ParamGroup) -> None:
    name, n = type(optimizer).__name__, group.w.size
    if name not in KINDS:
        raise ValueError(f"`{CALL}`: {name} does not run in the page. Use Newton or NewtonCG.")
    if name == "Newton" and group["line_search"] == "strong-wolfe":
        raise ValueError(
            f'`{CALL}`: Newton(line_search="strong-wolfe") does not run in the page. Use "armijo".'
        )
    if name == "Newton" and n > MOST:
        raise ValueError(
            f"`{CALL}`: Newton takes at most {MOST} unknowns in the page, got {n}. Use NewtonCG."
        )
    kind = getattr(optimizer, "kind", "trust-region hessian")
    if kind != "trust-region hessian" or getattr(optimizer, "preconditioned", False):
        raise ValueError(
            f"`{CALL}`: NewtonCG runs in the page with its trust region and H alone, got {kind}"
            f"{', preconditioned' * getattr(optimizer, 'preconditioned', False)}. Leave these options out."
        )


def _solver_state(optimizer: Optimizer) -> Values:
    saved = optimizer.state_dict()
    return _finite(saved["newton_cg"]["solver"]) if "newton_cg" in saved else {"radius": saved["radius"]}


def _finite(values: Values) -> Values:
    """What JSON can hold. What is left out begins, in the page too, as it does in Python."""
    plain = {k: v for k, v in values.items() if k != "rng"}
    return {k: v for k, v in plain.items() if not isinstance(v, float) or math.isfinite(v)}


# Names


def _label(group: ParamGroup, name: str) -> str:
    names = ("momentum", "nesterov", "centered", "amsgrad", "bias_correction", "maximize")
    told = [each.replace("_", " ") for each in names if group.options.get(each)]
    return ", ".join([name, *(each for each in told if each != "momentum" or "nesterov" not in told)])


def _told_apart(methods: list[Method]) -> list[Method]:
    """Labels that are alike get their rate, and if that is alike too, a number."""
    names = [method.label for method in methods]
    labels = [
        f"{name}, lr {method.numbers['lr']:g}" if names.count(name) > 1 and "lr" in method.numbers else name
        for name, method in zip(names, methods, strict=True)
    ]
    taken: list[str] = []
    for label in labels:
        same = sum(other == label or other.startswith(f"{label} (") for other in taken)
        taken.append(f"{label} ({same + 1})" if same else label)
    return [replace(method, label=label) for method, label in zip(methods, taken, strict=True)]


# The drawing of a rule


def drawn_rule(optimizer: FirstOrder) -> tuple[str, dict[str, tuple[str, str]]]:
    """The drawing of a rule as SVG, with room for a number in each box; and by box which number it is: the
    ("before", "m") that the rule is given, or the ("after", "m") that it makes."""
    group = optimizer.param_groups[0]
    inputs, given = {"w", *group.state, *optimizer.scalars}, [np.ones(1) for _ in ("w", "g", *group.state)]
    with np.errstate(all="ignore"):
        picture = minigrad.draw(optimizer, fold="formulas", show="value", direction="down").picture
        made = optimizer.rule(*given, **{**group.for_rule, **optimizer.scalars, "t": 1})
    known = {symbol(name): ("before", name) for name in inputs}
    known |= {symbol(name) + "′" * (name in inputs - {*optimizer.scalars}): ("after", name) for name in made}
    known |= {"g": ("after", "g")}
    boxes = {f"n{node.id}": known.get(node.label.partition(" = ")[0]) for node in picture.nodes}
    wide = replace(picture, title="", nodes=[replace(node, value=WIDEST) for node in picture.nodes])
    svg = re.sub("<title>.*?</title>", "", Drawing(wide, fold=None, theme=PAGE).svg)
    return svg, {box: name for box, name in boxes.items() if name is not None}
