"""The values that each option may have, checked at construction and whenever an option is edited.

A `Kind` turns the given value into a plain Python value, or refuses it. Plain matters: a Python float
leaves float32 parameters float32, where an `np.float64` learning rate would quietly promote every update.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

__all__ = [
    "BETAS",
    "COUNT",
    "FINITE_POSITIVE",
    "FLAG",
    "KINDS",
    "NON_NEGATIVE",
    "POSITIVE",
    "UP_TO_ONE",
    "WHOLE",
    "WITHIN_ONE",
    "Kind",
    "checked",
    "choice",
    "interval",
]


class Kind(NamedTuple):
    """A requirement: how it reads in an error, and the function that converts or raises TypeError or
    ValueError."""

    requirement: str
    parse: Callable[[Any], Any]


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        raise TypeError
    return float(value)


def interval(low: float, high: float, ends: str = "[)") -> Callable[[Any], float]:
    """A number from low to high; the brackets say which of the two ends belong to it, as in [0, 1)."""

    def parse(value: Any) -> float:
        number = _number(value)
        if not low <= number <= high or (number == low and "(" in ends) or (number == high and ")" in ends):
            raise ValueError  # for NaN too, which lies between no numbers
        return number

    return parse


def _at_least(low: int) -> Callable[[Any], int]:
    def parse(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int | np.integer):
            raise TypeError
        if value < low:
            raise ValueError
        return int(value)

    return parse


def _pair(value: Any) -> tuple[float, float]:
    if not isinstance(value, tuple | list):
        raise TypeError
    first, second = value  # another length is a ValueError
    return WITHIN_ONE.parse(first), WITHIN_ONE.parse(second)


def _one_of(*names: str) -> Callable[[Any], str]:
    def parse(value: Any) -> str:
        if not isinstance(value, str):
            raise TypeError
        if value not in names:
            raise ValueError
        return str(value)

    return parse


def _flag(value: Any) -> bool:
    if not isinstance(value, bool | np.bool_):
        raise TypeError
    return bool(value)


NON_NEGATIVE = Kind("a finite number ≥ 0", interval(0, math.inf))
WITHIN_ONE = Kind("a number in [0, 1)", interval(0, 1))
UP_TO_ONE = Kind("a number in [0, 1]", interval(0, 1, "[]"))
BETAS = Kind("a pair of numbers in [0, 1)", _pair)
FLAG = Kind("True or False", _flag)
COUNT = Kind("a whole number ≥ 1", _at_least(1))
WHOLE = Kind("a whole number ≥ 0", _at_least(0))
POSITIVE = Kind("a number > 0", interval(0, math.inf, "(]"))
FINITE_POSITIVE = Kind("a finite number > 0", interval(0, math.inf, "()"))
FORCINGS = ("superlinear", "quadratic", "eisenstat-walker")
FORCING = Kind(
    '"superlinear", "quadratic", "eisenstat-walker" or a number in (0, 1)',
    lambda v: _one_of(*FORCINGS)(v) if isinstance(v, str) else interval(0, 1, "()")(v),
)
SECOND_ORDER = Kind('True, False or "auto"', lambda v: _one_of("auto")(v) if isinstance(v, str) else _flag(v))
MODIFICATION = Kind(
    '"none", "shift", "abs", "clip", "pinv" or "trust"',
    _one_of("none", "shift", "abs", "clip", "pinv", "trust"),
)
LINE_SEARCH = Kind(
    '"armijo", "strong-wolfe" or None', lambda v: None if v is None else _one_of("armijo", "strong-wolfe")(v)
)


INITIAL_RADIUS = Kind(
    "a finite number > 0, or None", lambda v: None if v is None else FINITE_POSITIVE.parse(v)
)
SHARE = Kind("a number in (0, 1)", interval(0, 1, "()"))


def choice(*words: str) -> Kind:
    """One of these words."""
    return Kind(f"one of {', '.join(map(repr, words))}", _one_of(*words))


KINDS = {
    "lr": NON_NEGATIVE, "initial_lr": NON_NEGATIVE, "weight_decay": NON_NEGATIVE, "eps": NON_NEGATIVE,
    "lr_decay": NON_NEGATIVE, "momentum_decay": NON_NEGATIVE, "initial_accumulator_value": NON_NEGATIVE,
    "momentum": UP_TO_ONE, "dampening": UP_TO_ONE, "beta": WITHIN_ONE, "alpha": WITHIN_ONE, "betas": BETAS,
    "nesterov": FLAG, "centered": FLAG, "amsgrad": FLAG, "maximize": FLAG, "bias_correction": FLAG,
    "decoupled_weight_decay": FLAG, "dense_limit": COUNT, "history": COUNT,
    "modification": MODIFICATION, "line_search": LINE_SEARCH,
    "globalization": Kind('"trust-region" or "line-search"', _one_of("trust-region", "line-search")),
    "curvature": Kind('"hessian" or "ggn"', _one_of("hessian", "ggn")),
    "forcing": FORCING, "second_order": SECOND_ORDER, "damping": NON_NEGATIVE, "max_radius": POSITIVE,
    "initial_radius": INITIAL_RADIUS, "cutoff": SHARE, "lambda_tol": WITHIN_ONE,
    "gtol": NON_NEGATIVE,
    "gtol_abs": NON_NEGATIVE, "ftol": NON_NEGATIVE, "strict_monotone": FLAG, "seed": WHOLE,
}  # fmt: skip
"""The kind of each option, the same for every optimizer. An option that is missing here is not checked."""


def checked(call: str, option: str, value: Any, kind: Kind | None = None) -> Any:
    """`value` as a plain Python value, if it is of the kind that `option` needs.

    Raises:
        TypeError, ValueError: it is of another kind. The message says call, requirement and value.

    >>> checked("Adam", "lr", math.nan)
    Traceback (most recent call last):
    ValueError: `Adam(lr=...)` must be a finite number ≥ 0, got nan.
    """
    kind = kind or KINDS.get(option)
    if kind is None:
        return value
    try:
        return kind.parse(value)
    except (TypeError, ValueError, OverflowError) as error:
        message = f"`{call}({option}=...)` must be {kind.requirement}, got {value!r:.60}."
        if isinstance(error, TypeError):
            raise TypeError(f"{message[:-1]} of type {type(value).__name__}.") from None
        if option == "lr" and value < 0:
            message += " To climb instead of descend pass maximize=True."
        raise ValueError(message) from None
