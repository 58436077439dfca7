"""Random programs, differentiated by minigrad and by PyTorch: where do they differ, and is it known why?

`python -m benchmarks.random_programs [programs] [first seed]`. A program takes four numbers through a few
random operations to a weighted sum. Compared are its value, its gradient and Hv (forward over reverse,
reverse over reverse), plain and compiled, in float64 and float32, and their dtypes. Half of the programs get
special numbers: ±0, ±1, ±∞, NaN, 1e±200 (1e±30 in float32). PyTorch uses reverse mode.

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
from minigrad.extend import linear_op

__all__ = ["RULES", "Difference", "Program", "differences", "programs"]

RULES = {
    "rounding": "ours or PyTorch's differ by 1/100 of it at a point beside x or in another dtype",
    "zero wins": "PyTorch has NaN = 0·∞; ours lies among difference quotients, or is 0 where they diverge",
    "second difference": "PyTorch has NaN; ours is the second difference quotient of PyTorch's values",
    "no limit": "PyTorch has NaN, and difference quotients diverge; nothing confirms or refutes ours",
    "square of a length": "PyTorch has 0 for |x|·|x| at 0; difference quotients tend to ours, not to it",
    "infinite curvature": "PyTorch has NaN or 0; ours is ±∞, and difference quotients grow to it",
    "out of range": "numbers near the ends of the range; ours is as in extended precision, or NaN or ±∞",
    "underflow": "ours is WRONG (`minigrad.products.scale` says so), PyTorch has NaN: a cotangent underflows",
    "of NaN": "the value is NaN, and so is ours or PyTorch's; or PyTorch has slope 1 at relu or max of NaN",
    "pole": "PyTorch has NaN; the value is infinite, and ours is ±∞",
    "sign of zero": "NumPy and PyTorch differ in the sign of a 0, which a pole shows; with others they agree",
    "slope at -0": "PyTorch has NaN, ours ±∞; at +0 ours is ∓∞, and difference quotients grow to that",
    "limit": "PyTorch has NaN, and at large numbers in place of ±∞ what ours is there",
    "infinite logits": "PyTorch has NaN; in softmax and logsumexp of ours +∞ share equally",
    "at infinity": "a number is infinite; PyTorch has NaN = 0·∞, ours takes 0·∞ as 0; nothing confirms it",
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


CHOICES = ("relu", "maximum", "minimum")


def _clip(t: Any, x: Any) -> Any:
    return t.where((x > -1) & (x < 2), x, x.detach().clip(-1, 2))


class Program(NamedTuple):
    """`steps` are (operation, numbers of its operands); value 0 is the input `x`. `v` is the direction."""

    steps: list[tuple[str, tuple[int, ...]]]
    x: Any
    v: Any

    def values(self, x: Any, torch: Any = None, after: Callable[[Any], Any] = lambda y: y) -> list[Any]:
        """All values, with `after` applied to each."""
        values = [after(x)]
        for name, operands in self.steps:
            args = [values[i] for i in operands]
            ours, theirs = (UNARY | BINARY)[name]
            values.append(after(theirs(torch, *args) if torch else ours(*args)))
        return values

    def run(self, x: Any, torch: Any = None, after: Callable[[Any], Any] = lambda y: y) -> Any:
        weights = WEIGHTS.astype(x.dtype) if torch is None else torch.tensor(WEIGHTS, dtype=x.dtype)
        return (self.values(x, torch, after)[-1] * weights).sum()

    def __str__(self) -> str:
        return f"x = {self.x.tolist()}, v = {self.v.tolist()}: " + "; ".join(f"{n}{i}" for n, i in self.steps)


# Where `ours` and `theirs` differ; `rule` is a key of `RULES`, or "" if none explains it
class Difference(NamedTuple):
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
                x[at] = rng.choice(SPECIAL[: rng.choice([4, 10])]) if rng.random() < 0.8 else x[0]
        steps: list[tuple[str, tuple[int, ...]]] = []
        for n in range(rng.integers(2, 6)):
            table = UNARY if rng.random() < 0.6 else BINARY
            operands = [n] if rng.random() < 0.8 else [int(rng.integers(n + 1))]
            operands += [int(rng.integers(n + 1))] if table is BINARY else []
            steps.append((str(rng.choice(list(table))), tuple(operands)))
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
    hv = (g * torch.tensor(v)).sum()
    h = torch.autograd.grad(hv, leaf, allow_unused=True)[0] if g.requires_grad else None
    three = {"value": y, "gradient": g, "Hv": 0 * leaf if h is None else h}
    return {name: a.numpy(force=True) for name, a in three.items()}


def differences(program: Program, torch: Any) -> Iterator[Difference]:
    """All differences of one program, each with the rule that explains it."""
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
                    yield Difference(f"{name}, {np.dtype(dtype)}", rule, y, want)


def _same(a: Any, b: Any, slack: Any = 0) -> bool:
    near = 1e-9 if b.dtype == np.float64 else 2e-4
    size = np.max(np.abs(b), where=np.isfinite(b), initial=0)
    close = np.abs(a - b) <= near * np.maximum(np.abs(b), 1e-3 * size) + slack
    return a.dtype == b.dtype and bool(np.all(close | (a == b) | (np.isnan(a) & np.isnan(b))))


def _rule(program: Program, torch: Any, name: str, x: Any, v: Any, y: Any, want: Any, value: Any) -> str:
    """The key of the rule in `RULES` that explains the difference between y and `want`; "" if none does."""
    slack = 1e3 * np.finfo(x.dtype).eps
    for rule, excused in _excuses(program, torch, name, x, v, y, want, value, slack):
        want = np.where(excused, y, want).astype(x.dtype)  # each rule may explain some of the elements
        if _same(y, want, slack):
            return rule
    return ""


def _excuses(
    program: Program, torch: Any, name: str, x: Any, v: Any, y: Any, want: Any, value: Any, noise: Any
) -> Iterator[tuple[str, Any]]:
    """The rules in turn, each with the elements that it explains."""
    kind, nan = name.split()[0], np.isnan(want)
    beside = 4 * np.finfo(x.dtype).eps * np.random.default_rng(0).normal(size=(6, 4))
    for e in beside:
        a, b = x * (1 + e).astype(x.dtype), x * (1 + 2 * e).astype(x.dtype)
        ours = (_ours(program.run, z, v, compiled=name.endswith("compiled"))[name] for z in (a, b))
        changes = [np.subtract(*ours)]
        if torch:
            changes.append(_theirs(torch, program, a, v)[kind] - _theirs(torch, program, b, v)[kind])
        noise = np.maximum(noise, 100 * np.nan_to_num(np.max(np.abs(changes), axis=0), posinf=0))
    yield "rounding", np.abs(y - want) <= noise
    values = program.values(x)
    if torch and kind != "value":
        yield from _by_quotients(program, torch, name, x, v, y, want)
    yield "out of range", _is_exact(program, name, x, v, y, want)
    if kind == "gradient":
        yield "underflow", nan & _is_underflow(program, x, y)
    choices = [values[i] for step, operands in program.steps if step in CHOICES for i in operands]
    chosen = any(np.any(np.isnan(z)) for z in choices)
    yield "of NaN", (np.isnan(y) | nan | chosen) & np.isnan(value)
    yield "pole", nan & np.isinf(y) & np.isinf(value)
    for zero in (-x, 0.0, -0.0) if torch else ():
        z = _theirs(torch, program, np.where(x == 0, zero, x).astype(x.dtype), v)[kind]
        yield "sign of zero", (np.abs(z - y) <= noise) | (z == y) | (np.isnan(z) & np.isnan(y))
    for large in (50, 1e4) if torch and np.any(np.isinf(x)) else ():
        far = np.where(np.isinf(x), np.sign(x) * large, x).astype(x.dtype)
        limit = _theirs(torch, program, far, v)[kind]
        yield "limit", nan & np.isfinite(y) & (np.abs(limit - y) <= 1e-3 * (1 + np.abs(y)))
    logits = [values[i] for step, (i, *_) in program.steps if step in ("softmax", "logsumexp")]
    yield "infinite logits", nan & any(np.any(z == np.inf) for z in logits)
    yield "at infinity", nan & np.isfinite(y) & any(np.any(np.isinf(z)) for z in values)
    wide = np.float64 if x.dtype == np.float32 else np.longdouble
    changes = [_ours(program.run, x.astype(wide), v.astype(wide), compiled=False)[name.split(" comp")[0]] - y]
    if torch and wide == np.float64:
        changes.append(_theirs(torch, program, x.astype(wide), v.astype(wide))[kind] - want)
    elif torch:
        changes += [_noise_of_torch(torch, program, x, v, e)[kind] for e in beside]
    # what is wrong in one dtype, or in the compiled program only, is no rounding
    limit = (1e-3 if wide == np.float64 else 1e-7) * np.max(np.abs(y), where=np.isfinite(y), initial=1)
    change = np.max(np.nan_to_num(np.abs(changes), posinf=0), axis=0)
    noise = np.maximum(noise, np.minimum(100 * change, limit))
    yield "rounding", np.abs(y - want) <= noise


def _noise_of_torch(torch: Any, program: Program, x: Any, v: Any, e: Any) -> dict[str, Any]:
    """PyTorch's rounding in float64 at a point beside x, from its own in float32."""
    share = np.finfo(np.float64).eps / np.finfo(np.float32).eps
    x, v = (x * (1 + e / share)).astype(np.float32), v.astype(np.float32)
    narrow = _theirs(torch, program, x, v)
    double = _theirs(torch, program, x.astype(np.float64), v.astype(np.float64))
    return {name: share * (y - narrow[name]) for name, y in double.items()}


def _by_quotients(
    program: Program, torch: Any, name: str, x: Any, v: Any, y: Any, want: Any
) -> Iterator[tuple[str, Any]]:
    """The rules that difference quotients speak for, each with the elements that it explains."""
    kind, nan, values = name.split()[0], np.isnan(want), program.values(x)
    hypots = [[values[i] for i in operands] for step, operands in program.steps if step == "hypot"]
    corner = any(np.any((a == 0) & (b == 0)) for a, b in hypots)
    close = 1e-3 * (1 + np.where(np.isfinite(y), np.abs(y), 0))
    for number in (np.nan, 0.7, -0.7):  # in place of NaN in x
        known = np.where(np.isnan(x), number, x)
        near, far = _quotients(program, torch, kind, known, v)
        low, high = np.fmin.reduce(near), np.fmax.reduce(near)
        no_limit = _diverge(near, far) | corner
        # the elements are mixed by some operations, and an isolated value has no derivative at all
        jump = np.any(no_limit) or (
            kind == "Hv" and np.any(_diverge(*_quotients(program, torch, "", known, v)))
        )
        within = (low - close <= y) & (y <= high + close) | (y == 0) & no_limit
        yield "zero wins", nan & np.isfinite(y) & within
        yield "no limit", nan & np.isfinite(y) & jump
        ours, theirs = (np.all(np.abs(near - z) <= close, axis=0) for z in (y, want))
        yield "square of a length", ours & ~theirs
        grows = (np.sign(y) * near > np.maximum(1, 5 * np.abs(far))) | (near == y)
        yield "infinite curvature", np.isinf(y) & np.any(grows, axis=0)
    if kind == "Hv":
        second = _second_differences(program, torch, x, v)
        yield "second difference", nan & np.all(np.abs(second - y) <= close, axis=0)
    if np.any((x == 0) & np.signbit(x)):
        positive = np.where(x == 0, 0, x).astype(x.dtype)
        z = _ours(program.run, positive, v, compiled=False)[name.removesuffix(" compiled")]
        near, far = _quotients(program, torch, kind, positive, v)
        grows = np.sign(z) * near > np.maximum(1, 5 * np.abs(far))
        yield "slope at -0", nan & np.isinf(y) & (z == -y) & np.any(grows, axis=0)


def _diverge(near: Any, far: Any) -> Any:
    return np.any(np.isnan(near) | (np.abs(near) > 5 * np.abs(far)), axis=0)


def _quotients(program: Program, torch: Any, kind: str, x: Any, v: Any) -> Any:
    """Difference quotients of PyTorch's values or, for Hv, of our gradients, shape (2, 3, 4): with steps of
    1e-6 and of 1e-4, forward, backward and central. What stays NaN or infinite does not change."""
    x, v = x.astype(float), v.astype(float)
    lengths = np.ones(1) if kind == "Hv" else np.maximum(1, np.where(np.isfinite(x), np.abs(x), 1))
    steps = [v] if kind == "Hv" else np.diag(lengths)

    def f(z: Any) -> Any:
        hv = kind == "Hv"
        return mg.grad(program.run)(z) if hv else WEIGHTS * program.values(torch.tensor(z), torch)[-1].numpy()

    def quotient(h: float, k: float) -> Any:
        pairs = [(f(x + h * s), f(x + k * s)) for s in steps]
        changes = [np.where((a == b) | np.isnan(a) & np.isnan(b), 0, a - b) for a, b in pairs]
        return (changes[0] if kind == "Hv" else np.sum(changes, axis=1) / lengths) / (h - k)

    return np.array([[quotient(h * e, k * e) for h, k in ((1, 0), (0, -1), (1, -1))] for e in (1e-6, 1e-4)])


def _second_differences(program: Program, torch: Any, x: Any, v: Any) -> Any:
    """Second difference quotients of PyTorch's values in the direction v, shape (2, 4): with two steps."""
    x, v = x.astype(float), v.astype(float)

    def quotient(h: float, e: Any) -> Any:
        corners = [(s * t, x + h * (s * v + t * e)) for s in (1, -1) for t in (1, -1)]
        terms = [s * program.values(torch.tensor(z), torch)[-1].numpy() for s, z in corners]
        return WEIGHTS @ np.sum(terms, axis=0) / (4 * h * h)

    return np.array([[quotient(h, e) for e in np.eye(4)] for h in (1e-4, 3e-4)])


def _is_underflow(program: Program, x: Any, y: Any) -> Any:
    """Where the gradient in extended precision is y if all cotangents are cut to x's range, and not else."""
    cut = linear_op("cut", lambda z: z + 0, lambda g, z: g.astype(x.dtype).astype(z.dtype))
    exact, within = (
        mg.grad(lambda z, after=after: program.run(z, after=after))(x.astype(np.longdouble))
        for after in (lambda z: z, cut)
    )
    noise = 1e3 * np.finfo(x.dtype).eps
    size = noise * np.max(np.abs(y), where=np.isfinite(y), initial=0)
    return np.isclose(y, within, noise, size) & ~np.isclose(y, exact, noise, size)


def _is_exact(program: Program, name: str, x: Any, v: Any, y: Any, want: Any) -> Any:
    """Where y is as in extended precision, an infinity, or, if `want` is not exact, NaN, in a program where
    squares of finite numbers or of their reciprocals come near the end of the range."""
    sizes = np.abs(np.concatenate([np.ravel(value) for value in program.values(x)]))
    end = np.sqrt(np.sqrt(np.finfo(x.dtype).max))
    if not np.any((sizes > end) & (sizes < np.inf) | (sizes < 1 / end) & (sizes > 0)):
        return False
    wide = _ours(program.run, x.astype(np.longdouble), v.astype(np.longdouble), compiled=False)
    exact = wide[name.removesuffix(" compiled")].astype(x.dtype)
    noise = 1e3 * np.finfo(x.dtype).eps
    size = noise * np.max(np.abs(exact), where=np.isfinite(exact), initial=0)
    ours, theirs = np.isclose(y, exact, noise, size), np.isclose(want, exact, noise, 0)
    return ours | ~theirs & np.isnan(y) | np.isinf(y)


def main(count: int = 1000, seed: int = 0) -> int:
    torch = import_module("torch")
    tally = Counter(programs=count)
    for program in programs(count, seed):
        try:
            found = list(differences(program, torch))
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
    sys.exit(bool(main(*map(int, sys.argv[1:]))))
