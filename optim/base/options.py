"""What each option of an optimizer or schedule may be, said once: used at construction and whenever one is edited.

A `Kind` turns what the caller gave into a plain Python value, or refuses it. Plain matters: a Python float leaves float32
parameters float32, where an `np.float64` learning rate would quietly promote every update.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

__all__ = ["BETAS", "COUNT", "FLAG", "KINDS", "NON_NEGATIVE", "UP_TO_ONE", "WHOLE", "WITHIN_ONE", "Kind", "checked"]


class Kind(NamedTuple):
    """A requirement: how it reads in an error, and the function that converts or raises TypeError or ValueError."""

    requirement: str
    parse: Callable[[Any], Any]


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        raise TypeError
    return float(value)


def _between(low: float, high: float, *, closed: bool = False) -> Callable[[Any], float]:
    def parse(value: Any) -> float:
        number = _number(value)
        if not low <= number <= high or (number == high and not closed):  # NaN is not between anything
            raise ValueError
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


def _above(low: float, high: float = math.inf) -> Callable[[Any], float]:
    """A number > low and < high; infinity too where there is no upper limit."""

    def parse(value: Any) -> float:
        number = _number(value)
        if not low < number or not (number < high or number == high == math.inf):
            raise ValueError
        return number

    return parse


def _flag(value: Any) -> bool:
    if not isinstance(value, bool | np.bool_):
        raise TypeError
    return bool(value)


NON_NEGATIVE = Kind("a finite number ≥ 0", _between(0, math.inf))
WITHIN_ONE = Kind("a number in [0, 1)", _between(0, 1))
UP_TO_ONE = Kind("a number in [0, 1]", _between(0, 1, closed=True))
BETAS = Kind("a pair of numbers in [0, 1)", _pair)
FLAG = Kind("True or False", _flag)
COUNT = Kind("a whole number ≥ 1", _at_least(1))
WHOLE = Kind("a whole number ≥ 0", _at_least(0))
POSITIVE = Kind("a number > 0", _above(0))
FORCING = Kind(
    '"superlinear", "quadratic", "eisenstat-walker" or a number in (0, 1)',
    lambda v: _one_of("superlinear", "quadratic", "eisenstat-walker")(v) if isinstance(v, str) else _above(0, 1)(v),
)
SECOND_ORDER = Kind('True, False or "auto"', lambda v: _one_of("auto")(v) if isinstance(v, str) else _flag(v))
MODIFICATION = Kind(
    '"none", "shift", "abs", "clip", "pinv" or "trust"', _one_of("none", "shift", "abs", "clip", "pinv", "trust")
)
LINE_SEARCH = Kind('"armijo", "strong-wolfe" or None', lambda v: None if v is None else _one_of("armijo", "strong-wolfe")(v))

KINDS = {
    "lr": NON_NEGATIVE, "initial_lr": NON_NEGATIVE, "weight_decay": NON_NEGATIVE, "eps": NON_NEGATIVE,
    "lr_decay": NON_NEGATIVE, "momentum_decay": NON_NEGATIVE, "initial_accumulator_value": NON_NEGATIVE,
    "momentum": UP_TO_ONE, "dampening": UP_TO_ONE, "beta": WITHIN_ONE, "alpha": WITHIN_ONE, "betas": BETAS,
    "nesterov": FLAG, "centered": FLAG, "amsgrad": FLAG, "maximize": FLAG, "bias_correction": FLAG,
    "decoupled_weight_decay": FLAG, "dense_limit": COUNT, "history": COUNT,
    "modification": MODIFICATION, "line_search": LINE_SEARCH,
    "globalization": Kind('"trust-region" or "line-search"', _one_of("trust-region", "line-search")),
    "curvature": Kind('"hessian" or "ggn"', _one_of("hessian", "ggn")),
    "forcing": FORCING, "second_order": SECOND_ORDER, "damping": NON_NEGATIVE, "max_radius": POSITIVE, "gtol": NON_NEGATIVE,
    "gtol_abs": NON_NEGATIVE, "ftol": NON_NEGATIVE, "strict_monotone": FLAG, "seed": WHOLE,
}  # fmt: skip
"""One meaning for each name, whichever optimizer has it. A name that is not here is passed through unchecked."""


def checked(call: str, option: str, value: Any, kind: Kind | None = None) -> Any:
    """`value` as a plain Python value of the right kind.

    Raises:
        TypeError, ValueError: it is not; the message names the call, the requirement and the value.

    >>> checked("Adam", "lr", -0.1)
    Traceback (most recent call last):
    ValueError: `Adam(lr=...)` must be a finite number ≥ 0, got -0.1. To climb instead of descend pass maximize=True.
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
