"""The three families of nearly every op, and how each gets both modes from one line of calculus.

elementwise   give the function and its partial derivatives;  push: t·∂,  pull: g·∂ over broadcast axes
linear        give the function and its transpose;            push: f(t),  pull: the transpose of g
bilinear      give the function and its two transposes;       push: f(t, b) and f(a, t),  pull: the transposes

Rules are plain NumPy. They get the output first, so that `tanh` can say `1 - y*y`: partials are called as
`partial(y, *args, **params)`, transposes as `transpose(g, *args, **params)`.

Names: `y` output, `a b x` inputs, `t` tangent, `g` cotangent.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minigrad.errors import entry
from minigrad.products import scale, select
from minigrad.tensor import RULES, Op

__all__ = ["bilinear", "constant_op", "elementwise", "linear_op", "register"]

Rule = Callable[..., Any]
LINEAR: set[Op] = set()  # linear maps of the first input


@entry
def register(function: Any, rule: Callable[..., Any], *, keywords: Sequence[str] = ()) -> Any:
    """Let a NumPy function that is called on Tensors run `rule`; returns the rule.

    Args:
        function: a NumPy function or ufunc, or a tuple of them.
        rule: takes the positional arguments, and those of `keywords` that were given.
        keywords: the keyword arguments that `rule` takes; calls with others raise TypeError.
    """
    if keywords:
        rule.keywords = frozenset(keywords)  # type: ignore[attr-defined]  # functions carry attributes
    for f in function if isinstance(function, tuple) else (function,):
        RULES[f] = rule
    return rule


@entry
def elementwise(
    function: Any, *partials: Any, name: str = "", bounded: bool = False, chooses: bool = False, doc: str = ""
) -> Op:
    """An op that acts on each element by itself, with NumPy's broadcasting.

    Args:
        function: a ufunc, or a function of the inputs in NumPy. A ufunc that has no rule yet gets this one.
        partials: one for each input: `partial(y, *inputs, **params)`, or the number 1 or -1, or None for an
            input without a derivative.
        name: shown in errors and pictures; the function's own by default.
        bounded: the partials are finite for every input, so g·∂ needs no guard against 0·∞ (see `scale`).
        chooses: the function picks one of its inputs or a constant. The zeros of its partials, which must be
            finite or bools, then win over infinite and undefined cotangents (see `select`).
        doc: the docstring of the op.

    The tangent is Σ tᵢ·∂ᵢ, the cotangent of input i is g·∂ᵢ.

    >>> slope = lambda y, x: (1 - np.abs(y)) ** 2
    >>> softsign = elementwise(lambda x: x / (1 + np.abs(x)), slope, name="softsign")
    >>> float(softsign(1.0))
    0.5
    """
    rules = [_times(p, select if chooses else np.multiply if bounded else scale) for p in partials]
    op = Op(
        name or function.__name__, function, pulls=rules, pushes=rules, broadcasts=True, batched=True, doc=doc
    )
    if isinstance(function, np.ufunc):
        RULES.setdefault(function, op)
    return op


def _times(partial: Any, product: Any) -> Rule | None:
    """The rule "multiply by the partial derivative", the same in both directions."""
    if partial is None:
        return None
    if not callable(partial):
        if partial not in (1, -1):
            raise ValueError(f"a partial derivative must be a function, 1, -1 or None, got {partial!r}.")
        return (lambda g, y, *args, **params: g) if partial == 1 else (lambda g, y, *args, **params: -g)
    forward = getattr(product, "forward", product)

    def times(g: Any, y: Any, *args: Any, **params: Any) -> Any:
        d = partial(y, *args, **params)
        plain = g.__class__ is d.__class__ is np.ndarray  # nearly always
        return forward(g, d) if plain else product(g, d)

    return times


@entry
def constant_op(function: Any, name: str = "") -> Op:
    """An op whose derivative is zero wherever it exists (sign, floor, comparisons): its result is a
    constant."""
    op = Op(name or function.__name__, function)
    if isinstance(function, np.ufunc):
        RULES[function] = op
    return op


@entry
def linear_op(
    name: str,
    function: Rule,
    transpose: Any = None,
    *,
    pull: Rule | None = None,
    push: Rule | None = None,
    others: int = 0,
    batched: bool = False,
) -> Op:
    """A linear map of its first input.

    Args:
        function: `function(x, *others, **params)`.
        transpose: `transpose(g, x, *others, **params)`, which may use only the shape of `x`.
        pull: `pull(g, y, x, *others, **params)`, in place of the transpose: it saves a call.
        push: `push(t, x, *others, **params)`; by default `function`, which then takes extra leading axes.
        others: how many further inputs there are (indices, conditions); they have no derivative.
        batched: both directions work with extra leading axes.

    >>> double = linear_op("double", lambda x: x + x, lambda g, x: g + g)
    >>> float(double(1.5))
    3.0
    """
    if (transpose is None) == (pull is None):
        raise TypeError(f"linear_op({name!r}, function, transpose) takes a transpose or pull=, one of them.")
    forward_push = push or (lambda t, x, *others, **params: op(t, *others, **params))
    op = Op(
        name,
        function,
        pulls=[pull or (lambda g, y, *args, **params: transpose(g, *args, **params)), *[None] * others],
        pushes=[lambda t, y, *args, **params: forward_push(t, *args, **params), *[None] * others],
        batched=batched,
    )
    LINEAR.add(op)
    return op


@entry
def bilinear(
    name: str, function: Rule, first: Rule, second: Rule, *, broadcasts: bool = False, batched: bool = False
) -> Op:
    """A product of two inputs, linear in each.

    Args:
        function: `function(a, b, **params)`.
        first, second: the transposes, `first(g, a, b, **params)` for a's cotangent and `second(...)` for b's.
        broadcasts, batched: see `Op`.
    """
    op = Op(
        name,
        function,
        pulls=(
            lambda g, y, a, b, **params: first(g, a, b, **params),
            lambda g, y, a, b, **params: second(g, a, b, **params),
        ),
        pushes=(
            lambda t, y, a, b, **params: op(t, b, **params),
            lambda t, y, a, b, **params: op(a, t, **params),
        ),
        broadcasts=broadcasts,
        batched=batched,
    )
    return op
