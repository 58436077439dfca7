"""Calls of NumPy functions on Tensors: how a call fits the rule of its function, and how errors name it.

A rule takes NumPy's positional arguments at NumPy's places, and some keywords. A user may also write a
positional argument by name, give a keyword's default, or pass `axis, None, True` by position; NumPy's own
signature says what is meant. It is looked at only if keywords were given or the rule did not take the
arguments, because that takes ten times as long as the call.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

__all__ = ["ODD", "as_written", "called_on", "fitting", "is_odd", "let_numpy_refuse", "refusal"]

Call = tuple[Sequence[Any], dict[str, Any]]

_ADVICE = {
    "where": "Select with np.where first.",
    "dtype": "Convert with .astype.",
    "initial": "Add or compare with the initial value afterwards.",
    "out": "Write `y = {called}(...)` instead, because the graph needs the values that out= would overwrite, "
    "or take an array of `import minigrad.numpy as np`.",
}


_NO_VALUE: Any = type(np._NoValue)
_FLAG = frozenset({bool, _NO_VALUE})
_USUAL = {
    "axis": frozenset({int, tuple, type(None)}), "axes": frozenset({int, tuple, list, type(None)}),
    "n": frozenset({int, type(None)}), "keepdims": _FLAG, "copy": _FLAG, "subok": _FLAG,
    "initial": frozenset({int, float, complex, type(None), _NO_VALUE}), "assume_unique": _FLAG,
}  # fmt: skip  # the kinds of the options that nearly all calls have
ODD = frozenset({bool, list, tuple})  # kinds that other arguments seldom have; of tuples, those with a bool


def is_odd(args: Sequence[Any], kwargs: dict[str, Any]) -> bool:
    """Whether an option is of an unusual kind, such as `axis=True`, `axis=(0, True)` or `keepdims=[0]`."""
    for x in args[1:]:
        if x.__class__ in ODD and (x.__class__ is not tuple or bool in map(type, x)):
            return True
    for word, x in kwargs.items():
        usual = _USUAL.get(word)
        if x.__class__ is list if usual is None else x.__class__ not in usual:
            return True
        if x.__class__ is tuple and bool in map(type, x):
            return True
    return False


def let_numpy_refuse(function: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> None:
    """Make a call with an odd option once more, by NumPy on the values, for the sake of its error.

    Rules read options as Python does, to which `True` is a number and `[0]` is true, and NumPy is stricter in
    its own way for each function.
    """
    if "out" in kwargs or any(map(_runs, (*args, *kwargs.values()))):
        return
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        function(*map(_values, args), **{word: _values(x) for word, x in kwargs.items()})


def _runs(x: Any) -> bool:
    """Whether x is a function of the user, which must not be called once more."""
    return callable(x) and not isinstance(x, type)


def _values(x: Any) -> Any:
    """An argument with NumPy's arrays in place of ours."""
    if isinstance(x, list | tuple):
        return type(x)(map(_values, x)) if type(x) in (list, tuple) else x
    x = x.__recorded__() if hasattr(x, "__recorded__") else x
    return getattr(x, "primal", x)


def as_written(function: Any) -> str:
    """The name of a NumPy or scipy function as a user writes it: "np.sin", "scipy.special.expit"."""
    name = function.__name__
    if isinstance(function, np.ufunc):
        special = sys.modules.get("scipy.special")
        is_scipys = special is not None and getattr(special, name, None) is function
        return f"scipy.special.{name}" if is_scipys else f"np.{name}" if hasattr(np, name) else str(name)
    module = function.__module__ or ""
    public = [part for part in module.split(".") if not part.startswith("_")]
    return ".".join([*(["np"] if public[:1] == ["numpy"] else public[:1]), *public[1:], name])


def called_on(rule: Any) -> str:
    """What a rule takes, as text: "(x, axis, keepdims=)"."""
    places, known = _places(rule), sorted(getattr(rule, "keywords", ()))
    return f"({', '.join([*places, *(f'{word}=' for word in known if word not in places)])})"


def _places(rule: Any) -> list[str]:
    code = getattr(rule, "__code__", None)
    if code is None:  # an Op
        return [f"x{i + 1}" for i in range(getattr(rule, "arity", None) or 1)]
    names = list(code.co_varnames[: code.co_argcount])
    return (
        [*names, f"*{code.co_varnames[code.co_argcount + code.co_kwonlyargcount]}"] if _many(rule) else names
    )


def _many(rule: Any) -> bool:
    code = getattr(rule, "__code__", None)
    return code is None or bool(code.co_flags & 0x04)


def fitting(
    function: Any, called: str, rule: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any]
) -> Call:
    """The arguments of a call of `function`, brought to the places and keywords that its rule knows.

    Raises:
        TypeError: the rule has no place for an argument, and it is not NumPy's default.
    """
    known = getattr(rule, "keywords", ())
    parameters = _signature(function)
    names = list(parameters)
    taken = list(args)
    most = len(taken) if _many(rule) else len(_places(rule))
    given = dict(zip(names[most:], taken[most:], strict=False)) | kwargs
    if len(taken) - most > len(names[most:]):
        raise refusal(called, rule, f"takes at most {len(names)} arguments, got {len(taken)}")
    taken, left = taken[:most], {}
    for word in sorted(given, key=lambda word: names.index(word) if word in names else len(names)):
        value = given[word]
        if word in known:
            left[word] = value
        elif word in kwargs and word in names and parameters[word].kind is parameters[word].POSITIONAL_ONLY:
            raise refusal(called, rule, f"takes {word} by position only")
        elif word in names and names.index(word) == len(taken) < len(_places(rule)):
            taken.append(value)
        elif not _says_nothing(value, parameters.get(word)):
            raise _unsupported(called, word, rule)
    return taken, left


def _says_nothing(value: Any, parameter: Any) -> bool:
    """Whether a keyword has the value that NumPy gives it anyway."""
    default = getattr(parameter, "default", None)
    if value is None or value is np._NoValue:
        return not isinstance(default, bool | str)
    return type(value) in (bool, str, int) and type(value) is type(default) and value == default


def _signature(function: Any) -> dict[str, Any]:
    import inspect  # only now, because importing it takes longer than the rest of minigrad

    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return {}
    return {p.name: p for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)}


def _unsupported(called: str, word: str, rule: Any) -> TypeError:
    advice = _ADVICE.get(word, "Leave it out, or call it on .numpy() if no derivative is needed.")
    return TypeError(
        f"{called}({word}=...) is not supported on Tensors, where it takes {called_on(rule)}. "
        + advice.format(called=called)
    )


def refusal(called: str, rule: Any, reason: str) -> TypeError:
    """The error for arguments that do not fit a rule."""
    return TypeError(f"{called} {reason}. On Tensors it takes {called_on(rule)}; pass no other arguments.")
