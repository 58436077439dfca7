"""Calls of NumPy's functions on Tensors, mostly wrong ones: each ends in NumPy's result or in an error that
names the call.

`python -m benchmarks.bad_calls [calls] [seed]`. Hypothesis draws a function that has a rule and arguments:
arrays of many shapes and dtypes, numbers, None, texts, lists, axes that do not exist, words that the function
has or lacks. It is made with plain arrays and with a Tensor in place of one of them. Faults are
other numbers, another shape or dtype, a result where NumPy raises, and errors that do not name the call.
"""

from __future__ import annotations

import inspect
import sys
import warnings
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from hypothesis import Phase, given, seed, settings
from hypothesis import strategies as st

from minigrad import Tensor
from minigrad.arraylike import rule_of
from minigrad.calls import as_written
from minigrad.coverage import functions
from minigrad.trees import flatten

__all__ = ["Call", "calls", "fault"]

# Their results are texts or objects, are in no order, or show memory that was never written.
EXCEPT = {"empty_like", "shares_memory", "may_share_memory", "einsum_path", "unique_values"}
ERRORS = (TypeError, ValueError, IndexError, ZeroDivisionError, OverflowError, np.linalg.LinAlgError)
# More than NumPy takes, on purpose: a function or an option, and why.
LENIENT = {
    "clip": "one bound is enough, as in the method",
    "signature": "None says nothing, as for every other option without a default",
}
# NumPy's sums of no elements into a number end in a segmentation fault.
ENDS_PYTHON = {"cumsum", "cumprod", "nancumsum", "nancumprod"}
# Errors from before NumPy hands a call over: its own, and those of a Tensor read as a number or a list.
BEFORE_US = (
    "setting an array element", "cannot specify 'out' as both", "'out' must be a tuple of arrays",
    "Tensor can be used as an index", "iteration over a 0-d Tensor", "'Tensor' object is not callable",
    "Field elements must be", "expected a sequence of integers or a single",
)  # fmt: skip


class Call(NamedTuple):
    """A call of `function`; argument `live` is given as a Tensor."""

    name: str
    function: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    live: int

    def __str__(self) -> str:
        given = [_text(x) for x in self.args] + [f"{k}={_text(v)}" for k, v in self.kwargs.items()]
        return f"np.{self.name}({', '.join(given)}), argument {self.live} a Tensor"


def _text(x: Any) -> str:
    return f"{x.dtype}{list(x.shape)}" if isinstance(x, np.ndarray) else repr(x)


SHAPES: list[tuple[int, ...]] = [
    (), (0,), (1,), (3,), (4,), (2, 3), (3, 3), (3, 2), (2, 0), (1, 3), (2, 3, 3),
]  # fmt: skip
DTYPES = [np.float64] * 7 + [np.float32, np.int64, np.bool_]
SIMPLE: list[Any] = [
    None, 0, 1, -1, 2, 5, -4, 0.5, True, False, "linear", "x", (0, 1), (1, 0), [0, 1], (), [], 1j, (0, 0),
]  # fmt: skip
WORDS = ["axis", "keepdims", "dtype", "out", "where", "initial", "ddof", "mode", "n", "k", "nonsense"]


def _numbers(shape: tuple[int, ...], dtype: Any, seed: int) -> Any:
    return np.asarray(np.random.default_rng(seed).standard_normal(shape)).astype(dtype)


def _words(f: Any) -> list[str]:
    """The names of the arguments of a function."""
    try:
        return list(inspect.signature(f).parameters)
    except (TypeError, ValueError):
        return ["x"] * getattr(f, "nin", 1)


ARRAYS = st.builds(_numbers, st.sampled_from(SHAPES), st.sampled_from(DTYPES), st.integers(0, 99))
ARGUMENTS = st.sampled_from(SIMPLE) | ARRAYS
KNOWN = [(n, f, _words(f)) for n, f in functions() if rule_of(f) is not None and n not in EXCEPT]


@st.composite
def calls(draw: Any) -> Call:
    """A call of any function with any arguments."""
    name, f, own = draw(st.sampled_from(KNOWN))
    places = min(len(own), draw(st.integers(1, 3)))
    args = [draw(ARRAYS), *(draw(ARGUMENTS) for _ in range(max(places, getattr(f, "nin", 1)) - 1))]
    if own[:1] in (["arrays"], ["tup"], ["arys"]) or draw(st.integers(0, 29)) == 29:
        args[0] = [args[0], draw(ARRAYS)]
    kwargs = {}
    if draw(st.booleans()):
        kwargs[draw(st.sampled_from(own[1:] or WORDS) | st.sampled_from(WORDS))] = draw(ARGUMENTS)
    # NumPy hands a call over for the arrays of a function, mostly its first argument, not for options
    arrays = [i for i, x in enumerate(args) if isinstance(x, np.ndarray) and isinstance(f, np.ufunc)]
    return Call(name, f, tuple(args), kwargs, draw(st.sampled_from(arrays)) if arrays else 0)


def _run(call: Call, wrap: Callable[[Any], Any]) -> Any:
    args = [wrap(x) if i == call.live else x for i, x in enumerate(call.args)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return call.function(*args, **call.kwargs)
        except Exception as error:
            return error


def _tensor(x: Any) -> Any:
    if isinstance(x, list):
        return [Tensor(x[0]), *x[1:]]
    return Tensor(x) if isinstance(x, np.ndarray) else x


def fault(call: Call) -> str:
    """What is wrong with the answer to this call; "" if nothing is."""
    found = _run(call, _tensor)
    if isinstance(call.kwargs.get("out"), np.ndarray) and call.name in ENDS_PYTHON:
        wanted: Any = TypeError("out=")
    else:
        wanted = _run(call, lambda x: x)
    if isinstance(found, Exception):
        if type(found) is type(wanted) and str(found) == str(wanted):
            return ""
        if not isinstance(found, ERRORS):
            return f"{type(found).__name__}: {found}"
        name = as_written(call.function).removeprefix("np.")
        if name in str(found) or any(text in str(found) for text in BEFORE_US):
            return ""
        return f"an error that does not name the call: {type(found).__name__}: {found}"
    if isinstance(wanted, Exception):
        if call.name in LENIENT or not LENIENT.keys().isdisjoint(call.kwargs):
            return ""
        return f"no error, where NumPy says {type(wanted).__name__}: {wanted}"
    return _difference(found, wanted)


def _difference(found: Any, wanted: Any) -> str:
    ours, theirs = flatten(found)[0], flatten(wanted)[0]
    if len(ours) != len(theirs):
        return f"{len(ours)} results for {len(theirs)}"
    for x, y in zip(ours, theirs, strict=True):
        x, y = np.asarray(x.primal if isinstance(x, Tensor) else x), np.asarray(y)
        if x.shape != y.shape or x.dtype != y.dtype:
            return f"{x.dtype}{x.shape} for {y.dtype}{y.shape}"
        if x.dtype.kind in "biufc" and not np.allclose(
            x, y, rtol=1e-5 if x.dtype == np.float32 else 1e-10, equal_nan=True
        ):
            return f"other numbers: {x!r:.80} for {y!r:.80}"
    return ""


def main(count: int = 20_000, start: int = 0) -> int:
    faults: Counter[str] = Counter()
    first: dict[str, str] = {}
    answers: Counter[str] = Counter()

    @seed(start)
    @settings(max_examples=count, deadline=None, database=None, phases=[Phase.generate])
    @given(calls())
    def look(call: Call) -> None:
        answer = fault(call)
        answers[
            "fault" if answer else "error" if isinstance(_run(call, _tensor), Exception) else "result"
        ] += 1
        if answer:
            faults[call.name] += 1
            first.setdefault(call.name, f"{call}: {answer:.300}")

    look()
    for name, n in faults.most_common():
        print(f"{n:4} {first[name]}")
    print(f"{answers['fault']} of {answers.total():,} calls are faults; {answers['result']:,} gave a result.")
    return answers["fault"]


if __name__ == "__main__":
    sys.exit(bool(main(*map(int, sys.argv[1:]))))
