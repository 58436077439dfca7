"""Optimizers for the lab: how a list of them is understood, and what of an optimizer goes into the page."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import optim
from minigrad import Tensor
from minigrad.extend import as_sentence, instead
from optim.base.first_order import FirstOrder
from optim.base.groups import ParamGroup, Values
from optim.base.optimizer import Optimizer
from optim.laboratory.contents import Method
from optim.laboratory.losses import CALL, Leaves

__all__ = ["method_of", "methods_of"]

KINDS = {"Newton": "newton", "NewtonCG": "newton-cg"}
NET_RATE = 0.1  # of SGD and Momentum, given as classes: at their default, 0.001, a net hardly moves
MOST = 200  # unknowns of Newton in a page, which computes all eigenvalues in each step


def methods_of(optimizers: Any, leaves: Leaves, of_model: bool) -> list[tuple[Optimizer, Method]]:
    """The optimizers of a list as `lab` takes it, and what the page needs of each.

    Raises:
        TypeError, ValueError: an entry is none of those that `lab` describes.
    """
    if isinstance(optimizers, str | Mapping) or not isinstance(optimizers, Sequence) or not optimizers:
        raise TypeError(
            f"`{CALL}`: optimizers must be a list, as [optim.SGD, optim.Adam], got {optimizers!r:.60}."
        )
    made = [_made(given, leaves, of_model) for given in optimizers]
    described = [method_of(each, resumed=each is given) for each, given in zip(made, optimizers, strict=True)]
    anew = [method.name for method in described if method.state is None]
    names = [f"{x.name}, going on" if x.state is not None and x.name in anew else x.name for x in described]
    labels = told_apart(names, [_options(each) for each in made])
    named = zip(described, names, labels, strict=True)
    return list(zip(made, (replace(x, name=name, label=label) for x, name, label in named), strict=True))


def _made(given: Any, leaves: Leaves, of_model: bool) -> Optimizer:
    """The optimizer of an entry: the user's own, or one that is made for copies of the leaves, so that the
    user's stay as they are."""
    if isinstance(given, Optimizer) and not of_model:
        name = type(given).__name__
        raise TypeError(
            f"`{CALL}` of a function makes its own parameter, which begins at start, and {name} has another. "
            f"Pass optim.{name}, or lambda p: optim.{name}(p, ...)."
        )
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
    options = {"lr": NET_RATE} if of_model and maker in (optim.SGD, optim.Momentum) else {}
    made = maker([(name, Tensor(p.numpy(), requires_grad=True, name=name)) for name, p in leaves], **options)
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
            f"`{CALL}`: {name} must have one group of parameters, got {len(optimizer.param_groups)}. Pass "
            "all in one list."
        )
    if isinstance(optimizer, FirstOrder):
        return _first_order(optimizer, optimizer.param_groups[0], resumed)
    _require_runnable(optimizer, optimizer.param_groups[0])
    state = _solver_state(optimizer) if resumed else None
    return Method(name, name, KINDS[name], settings=_finite(_options(optimizer)), state=state)


def _first_order(optimizer: FirstOrder, group: ParamGroup, resumed: bool) -> Method:
    name, numbers = type(optimizer).__name__, {k: v for k, v in group.for_rule.items() if _is_number(v)}
    method = Method(name, name, "first", _rule_name(optimizer, group), numbers)
    if not resumed:
        return method
    counters = group.slices[0].counters
    if any(param.counters != counters for param in group.slices):
        raise ValueError(
            f"`{CALL}`: some parameters have taken more steps of {name} than others. "
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


def _options(optimizer: Optimizer) -> Values:
    return {k: v for k, v in optimizer.param_groups[0].items() if k not in ("params", "initial_lr")}


def told_apart(names: Sequence[str], options: Sequence[Values]) -> list[str]:
    """Names that are alike get the options in which they differ, and if none do, a number.

    >>> told_apart(["SGD", "Adam", "Adam"], [{"lr": 0.1}, {"lr": 0.01}, {"lr": 0.1, "amsgrad": True}])
    ['SGD', 'Adam(lr=0.01)', 'Adam(lr=0.1, amsgrad=True)']
    """
    labels: list[str] = []
    for name, mine in zip(names, options, strict=True):
        others = [each for other, each in zip(names, options, strict=True) if other == name]
        apart = [
            k
            for k, v in mine.items()
            if v not in (None, False, 0) and any(each.get(k) != v for each in others)
        ]
        label = f"{name}({', '.join(f'{k}={mine[k]!r}' for k in apart)})" if apart else name
        same = sum(other == label or other.startswith(f"{label} (") for other in labels)
        labels.append(f"{label} ({same + 1})" if same else label)
    return labels
