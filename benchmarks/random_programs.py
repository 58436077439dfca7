"""Random programs, differentiated by minigrad and by PyTorch: where do they differ, and is it known why?

    python -m benchmarks.random_programs [programs] [first seed]

A program takes four numbers through a few random operations to a weighted sum. Compared are its value, its
gradient and Hv (forward over reverse, reverse over reverse), plain and compiled, in float64 and float32. Half
of the programs get special numbers: ±0, ±1, ±∞, NaN, 1e±200 (1e±30 in float32). PyTorch uses reverse mode.

Every number that differs must fall under one of the named `RULES`, or it is printed with its program.
Without PyTorch, `differences(program, None)` compares the ways of minigrad with one another.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np

import minigrad as mg

__all__ = ["RULES", "Difference", "Program", "differences", "programs"]

RULES = {
    "zero wins": "PyTorch has NaN = 0·∞ behind a choice or a cotangent of 0; ours is finite",
    "infinite curvature": "ours is ±∞ where PyTorch has NaN, and difference quotients grow to it",
    "square of a length": "PyTorch has 0 for |x|·|x| at 0; ours is what difference quotients tend to",
    "forward meets ∞": "forward mode met ∞·0 with the ∞ first, and is NaN (see `minigrad.extend.scale`)",
    "rounding": "a change of x in its last digits moves the derivative as far, or larger terms cancel",
    "sign of zero": "NumPy and PyTorch differ in the sign of a 0, which a pole shows; they agree at −x",
    "out of range": "PyTorch over- or underflows on the way; ours is as in extended precision, or NaN or ±∞",
    "value NaN": "the value is NaN; at a maximum with NaN PyTorch passes derivatives on, we do not",
}
SPECIAL = (0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, 1e200, -1e200, 1e-200)
MATRIX = np.array([[1, -2, 0, 0.5], [0, 1, 1, -1], [2, 0, -0.5, 1], [0.3, 0, 1, 0]])
WEIGHTS = np.array([1, -0.5, 2, 0.25])
ORDER = np.array([3, 0, 0, 2])

# An operation: in NumPy, and in PyTorch (given `t`, the module) with the same choice at kinks and ties
Pair = tuple[Callable[..., Any], Callable[..., Any]]


def _both(*names: str) -> dict[str, Pair]:
    return {n: (getattr(np, n, getattr(mg, n, None)), lambda t, *x, n=n: getattr(t, n)(*x)) for n in names}


UNARY: dict[str, Pair] = {
    **_both("sin", "exp", "expm1", "log", "log1p", "sqrt", "tanh", "sigmoid"),
    "softplus": (mg.softplus, lambda t, x: t.logaddexp(x, t.zeros_like(x))),
    **_both("arctan", "arcsinh", "cosh", "square"),
    "cube": (lambda x: x**3, lambda t, x: x**3),
    "root": (lambda x: x**0.5, lambda t, x: x**0.5),
    "reciprocal": (lambda x: 1 / x, lambda t, x: 1 / x),
    **_both("negative", "abs", "relu"),
    "clip": (lambda x: np.clip(x, -1, 2), lambda t, x: _clip(t, x)),
    "where": (lambda x: np.where(x > 0, x * x, 0.5), lambda t, x: t.where(x > 0, x * x, 0.5)),
    "gather": (lambda x: x[ORDER], lambda t, x: x[t.tensor(ORDER)]),
    "reverse": (lambda x: x[::-1], lambda t, x: x.flip(0)),
    "matmul": (lambda x: x @ MATRIX.astype(x.dtype), lambda t, x: x @ t.tensor(MATRIX, dtype=x.dtype)),
    "centre": (lambda x: x - np.mean(x), lambda t, x: x - x.mean()),
    "over the norm": (lambda x: x / (1 + np.linalg.norm(x)), lambda t, x: x / (1 + t.linalg.norm(x))),
    "less the largest": (lambda x: x - np.max(x), lambda t, x: x - t.amax(x)),
    "logsumexp": (lambda x: x + mg.logsumexp(x), lambda t, x: x + t.logsumexp(x, 0)),
    "softmax": (mg.softmax, lambda t, x: t.softmax(x, 0)),
}
BINARY: dict[str, Pair] = {
    **_both("add", "subtract", "multiply", "divide", "maximum", "minimum", "logaddexp", "hypot"),
    "select": (lambda a, b: np.where(a > b, a, b * b), lambda t, a, b: t.where(a > b, a, b * b)),
    "dot": (lambda a, b: a * (a @ b), lambda t, a, b: a * (a @ b)),
}


def _clip(t: Any, x: Any) -> Any:
    low = t.where(x > -1, x, t.where(x.isnan(), x, -t.ones_like(x)))
    return t.where(low < 2, low, t.where(low.isnan(), low, 2 * t.ones_like(x)))


class Program(NamedTuple):
    """`steps` are (operation, numbers of its operands); value 0 is the input `x`. `v` is the direction."""

    steps: list[tuple[str, tuple[int, ...]]]
    x: Any
    v: Any

    def values(self, x: Any, torch: Any = None) -> list[Any]:
        values = [x]
        for name, operands in self.steps:
            ours, theirs = (UNARY if len(operands) == 1 else BINARY)[name]
            args = [values[i] for i in operands]
            values.append(ours(*args) if torch is None else theirs(torch, *args))
        return values

    def run(self, x: Any, torch: Any = None) -> Any:
        weights = WEIGHTS.astype(x.dtype) if torch is None else torch.tensor(WEIGHTS, dtype=x.dtype)
        return (self.values(x, torch)[-1] * weights).sum()

    def __str__(self) -> str:
        steps = "; ".join(f"{name}{operands}" for name, operands in self.steps)
        return f"x = {self.x.tolist()}, v = {self.v.tolist()}: {steps}"


class Difference(NamedTuple):
    """Where `ours` and `theirs` differ; `rule` is a key of `RULES`, or "" if none explains it."""

    what: str
    rule: str
    ours: Any
    theirs: Any


def programs(count: int, seed: int = 0) -> Iterator[Program]:
    """`count` random programs; each depends on its own seed only: seed, seed + 1, …"""
    for i in range(seed, seed + count):
        rng = np.random.default_rng(i)
        x, v = rng.normal(size=4), rng.normal(size=4).round(2)
        if rng.random() < 0.5:
            for at in rng.choice(4, size=rng.integers(1, 4), replace=False):
                x[at] = rng.choice(SPECIAL) if rng.random() < 0.8 else x[0]
        steps: list[tuple[str, tuple[int, ...]]] = []
        for n in range(rng.integers(2, 6)):
            table = UNARY if rng.random() < 0.6 else BINARY
            last = [n] if rng.random() < 0.8 else [int(rng.integers(n + 1))]
            others = [int(rng.integers(n + 1))] if table is BINARY else []
            steps.append((str(rng.choice(list(table))), tuple(last + others)))
        yield Program(steps, x, v)


def _ours(f: Callable[..., Any], x: Any, v: Any, *, compiled: bool = True) -> dict[str, Any]:
    g = mg.grad(f)

    def all_four(x: Any, v: Any) -> Any:
        forward = mg.jvp(g, (x,), (v,))[1]
        return (*mg.value_and_grad(f)(x), forward, mg.grad(lambda z: np.sum(g(z) * v))(x))

    names = ("value", "gradient", "Hv forward", "Hv reverse")
    answers = dict(zip(names, all_four(x, v), strict=True))
    if compiled:
        answers |= {f"{k} compiled": y for k, y in zip(names, mg.compile(all_four)(x, v), strict=True)}
    return {name: np.asarray(y) for name, y in answers.items()}


def _theirs(torch: Any, program: Program, x: Any, v: Any) -> dict[str, Any]:
    leaf = torch.tensor(x, requires_grad=True)
    y = program.run(leaf, torch)
    (g,) = torch.autograd.grad(y, leaf, create_graph=True)
    h = torch.zeros_like(leaf)
    if g.requires_grad:
        (h,) = torch.autograd.grad((g * torch.tensor(v)).sum(), leaf, allow_unused=True)
    h = 0 * x if h is None else h.numpy(force=True)
    return {"value": y.numpy(force=True), "gradient": g.numpy(force=True), "Hv": h}


def differences(program: Program, torch: Any) -> list[Difference]:
    """All differences of one program, each with the rule that explains it."""
    found = []
    for dtype in (np.float64, np.float32):
        with np.errstate(all="ignore"):
            x, v = program.x, program.v.astype(dtype)
            if dtype == np.float32:  # 1e±200 becomes 1e±30
                x = np.where(np.isin(np.abs(x), (1e200, 1e-200)), np.sign(x) * np.abs(x) ** 0.15, x)
            x = x.astype(dtype)
            # half of the programs are compiled in float64, the others in float32
            ours = _ours(program.run, x, v, compiled=(program.v[0] > 0) == (dtype == np.float64))
            theirs = _theirs(torch, program, x, v) if torch else ours | {"Hv": ours["Hv reverse"]}
            for name, y in ours.items():
                want = theirs[name.split()[0]]
                if not _same(y, want):
                    rule = _rule(program, torch, name, x, v, y, want, theirs["value"])
                    found.append(Difference(f"{name}, {np.dtype(dtype)}", rule, y, want))
    return found


def _same(a: Any, b: Any, slack: Any = 0) -> bool:
    near = 1e-9 if b.dtype == np.float64 else 2e-4
    size = np.max(np.abs(b), where=np.isfinite(b), initial=0)
    close = np.abs(a - b) <= near * np.maximum(np.abs(b), 1e-3 * size) + slack
    return bool(np.all(close | (a == b) | (np.isnan(a) & np.isnan(b))))


def _rule(program: Program, torch: Any, name: str, x: Any, v: Any, y: Any, want: Any, value: Any) -> str:
    """The key of the rule in `RULES` that explains the difference between y and `want`; "" if none does."""
    slack = 1e3 * np.finfo(x.dtype).eps * np.maximum(1, np.nan_to_num(np.abs(value), posinf=0))
    for rule, excused in _excuses(program, torch, name, x, v, y, want, value, slack):
        want = np.where(excused, y, want)  # each rule may explain some of the elements
        if _same(y, want, slack):
            return rule
    return ""


def _excuses(
    program: Program, torch: Any, name: str, x: Any, v: Any, y: Any, want: Any, value: Any, noise: Any
) -> Iterator[tuple[str, Any]]:
    """The rules in turn, each with the elements that it explains."""
    kind = name.split()[0]
    if torch:
        yield "zero wins", np.isnan(want) & np.isfinite(y)
    if torch and kind == "Hv":
        limit = _is_limit(program, x, v, y)
        yield "square of a length", limit & np.isfinite(y)
        yield "infinite curvature", limit & np.isnan(want)
    if "forward" in name:
        yield "forward meets ∞", np.isnan(y)
    for sign in (1, -1):
        moved = x * (1 + sign * np.array([4, -4, 4, -4]) * np.finfo(x.dtype).eps).astype(x.dtype)
        theirs = _theirs(torch, program, moved, v)[kind] if torch else want
        for change in (_ours(program.run, moved, v)[name] - y, theirs - want):
            noise = np.maximum(noise, 100 * np.nan_to_num(np.abs(change), posinf=0))
    yield "rounding", np.abs(y - want) <= noise
    if _is_extreme(program, x):
        yield "out of range", _is_exact(program, name, x, v, y, want)
    if np.isinf(np.asarray(program.run(x.astype(np.longdouble)), x.dtype)):
        yield "out of range", np.isnan(want) & ~np.isfinite(y)
    if torch:
        yield "sign of zero", np.abs(_theirs(torch, program, np.where(x == 0, -x, x), v)[kind] - y) <= noise
    yield "value NaN", np.isnan(value)


def _is_limit(program: Program, x: Any, v: Any, y: Any) -> Any:
    """At which elements difference quotients of our gradient tend to y: all of them, or one to ±∞."""
    g, x, v = mg.grad(program.run), x.astype(float), v.astype(float)
    quotients = []
    for h, k in ((1, 0), (0, -1), (1, -1)):  # forward, backward, central
        far, near = ((g(x + e * h * v) - g(x + e * k * v)) / (e * (h - k)) for e in (1e-4, 1e-6))
        grows = np.sign(y) * near > 5 * np.abs(far)
        quotients.append(np.where(np.isinf(y), grows, np.abs(near - y) <= 1e-3 * (1 + np.abs(y))))
    return np.where(np.isinf(y), np.any(quotients, axis=0), np.all(quotients, axis=0))


def _is_extreme(program: Program, x: Any) -> bool:
    """Whether squares of the numbers on the way, or of their reciprocals, come near the end of the range."""
    sizes = np.abs(np.concatenate([np.ravel(value) for value in program.values(x)]))
    end = np.sqrt(np.sqrt(np.finfo(x.dtype).max))
    return bool(np.any((sizes > end) | (sizes < 1 / end) & (sizes > 0)))


def _is_exact(program: Program, name: str, x: Any, v: Any, y: Any, want: Any) -> Any:
    """Where y is as in extended precision, or, if `want` is not, NaN or an infinity of the right sign."""
    wide = _ours(program.run, x.astype(np.longdouble), v.astype(np.longdouble), compiled=False)
    exact = wide[name.removesuffix(" compiled")].astype(x.dtype)
    far = np.isnan(y) | np.isinf(y) & (np.sign(y) == np.sign(exact))
    good = np.abs(y - exact) <= 1e3 * np.finfo(x.dtype).eps * np.abs(exact)
    return good | (y == exact) | far & (want != exact)


def main(count: int, seed: int) -> int:
    torch = import_module("torch")
    tally: Counter[str] = Counter()
    for program in programs(count, seed):
        tally["programs"] += 1
        try:
            found = differences(program, torch)
        except Exception as error:  # an error is a difference too, and the run goes on
            found = [Difference(f"{type(error).__name__}: {error}", "", None, None)]
        for d in found:
            tally[d.rule or "unexplained"] += 1
            if not d.rule:
                print(f"{program}\n    {d.what}: ours {d.ours}, PyTorch {d.theirs}", flush=True)
    for rule, n in tally.most_common():
        print(f"{n:7}  {rule}{': ' + RULES[rule] if rule in RULES else ''}")
    return tally["unexplained"]


if __name__ == "__main__":
    given = [int(a) for a in sys.argv[1:]]
    sys.exit(bool(main(*(given + [1000, 0][len(given) :]))))
