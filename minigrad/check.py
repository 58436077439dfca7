"""Check derivatives against the values of a function, for the tests and for users' own ops and functions.

Where f is analytic, the truth is the complex step Im f(x + iht)/h with h = 1e-20, which is exact to rounding.
Elsewhere it is a central difference, extrapolated twice (Richardson). f counts as analytic if the two agree.

Names: `t` tangents, `g` cotangents, both random and fixed by `rng`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minigrad.errors import DerivativeError, entry
from minigrad.mode import scope
from minigrad.slices import between
from minigrad.tensor import Op, Tensor, data_of
from minigrad.transforms import jvp, vjp
from minigrad.trees import flatten, tree_map

__all__ = ["check_derivatives"]

Function = Callable[..., Any]
SHARP, BLUNT = 1e-9, 2e-6  # relative tolerances against the complex step and against central differences


@entry
def check_derivatives(f: Function, *xs: Any, order: int = 2, rng: int | np.random.Generator = 0) -> None:
    """Check f's derivatives at xs in both modes, up to `order`; return None if they are right.

    At each order the push forward J·t is compared with the truth, and the pull back is checked by the adjoint
    identity ⟨g, J·t⟩ = ⟨Jᵀ·g, t⟩. The next order does the same to the pull back of f. At first order the
    shapes and dtypes of the gradients are checked too, and the derivatives once more at a point beside xs.

    Args:
        f: a function of floating point arrays (or trees of them), smooth near xs.
        xs: where to check; float32 is checked at float64's precision, because rules do not depend on it.
        order: how many times to differentiate, at least 1.
        rng: seed or generator of the random tangents and cotangents.

    Raises:
        DerivativeError: a derivative is wrong; the message names the op, the mode, the order and the error.
        TypeError, ValueError: `xs` is empty or holds a list of numbers; `order` is below 1; f or a difference
            of its values is not finite at xs, so that there is nothing to compare with.

    >>> check_derivatives(lambda x: np.sin(x) * x, np.array([0.5, 2.0]))
    """
    if isinstance(order, bool) or not isinstance(order, int) or order < 1:
        raise ValueError(
            f"`check_derivatives(order=...)` must be a whole number of at least 1, got {order!r}."
        )
    if any(
        isinstance(x, list) and x and not isinstance(x[0], np.ndarray | Tensor | dict | list | tuple)
        for x in xs
    ):
        raise TypeError(
            "check_derivatives: a list stands for a tree of arrays; for an array pass np.array([...])."
        )
    if not xs:
        raise TypeError("check_derivatives(f, *xs) needs at least one point to check at.")
    generator = np.random.default_rng(rng)
    _check_kept(f, xs, generator)
    here = tree_map(_as_float64, xs)
    _check(f, here, order, 1, generator)
    # Check beside the point too: a rule that has frozen the values at the point is right only there.
    _check(f, tree_map(lambda x: x + 1e-4 * _direction(x, generator), here), 1, 1, generator)


def _as_float64(x: Any) -> Any:
    x = np.asarray(data_of(x))
    return x if x.dtype.kind == "c" else x.astype(np.float64)


def _check(f: Function, xs: Sequence[Any], order: int, level: int, rng: np.random.Generator) -> None:
    tangents = tree_map(lambda x: _tangent(x, rng), xs)
    # jvp returns Tensors if f has live parameters of its own
    out, forward = (tree_map(data_of, y) for y in jvp(f, xs, tangents))
    cotangent = tree_map(lambda y: _direction(y, rng), out)
    truth, tolerance = _truth(f, xs, tangents)
    if not all(np.isfinite(values).all() for values in (*_leaves(out), *truth)):
        at_order = f"at order {level}, " if level > 1 else ""
        raise ValueError(
            f"check_derivatives({_name(f)}): {at_order}f is not finite at or beside these xs (overflow, or a "
            "pole), so no difference of its values can be compared with its derivative. Choose other xs."
        )
    off = _distance(forward, truth)
    if not off <= tolerance:
        raise DerivativeError(_report(f, xs, "forward mode (push)", level, off, tolerance, rng))
    pullback = vjp(f, *xs)[1]
    left, right = _inner(cotangent, forward), _inner(tree_map(data_of, pullback(cotangent)), tangents)
    size = sum(
        float(np.abs(np.asarray(g) * np.asarray(t)).sum())
        for g, t in zip(_leaves(cotangent), _leaves(forward), strict=True)
    )
    off = abs(left - right) / max(size, abs(right), 1e-30)
    if not off <= SHARP:
        raise DerivativeError(_report(f, xs, "reverse mode (pull)", level, off, SHARP, rng))
    if order > level:
        _check(lambda *x: vjp(f, *x)[1](cotangent), xs, order, level + 1, rng)


def _check_kept(f: Function, xs: Sequence[Any], rng: np.random.Generator) -> None:
    out, pullback = vjp(f, *xs)
    pulled = pullback(tree_map(lambda y: _direction(y, rng), out))
    for x, g in zip(_leaves(xs), _leaves(pulled), strict=True):
        x = np.asarray(data_of(x))
        if x.dtype.kind in "fc" and (g.dtype != x.dtype or g.shape != x.shape):
            raise DerivativeError(
                f"the gradient of a {x.shape} {x.dtype} input came back as {g.shape} {g.dtype}."
            )


def _direction(x: Any, rng: np.random.Generator) -> Any:
    x = np.asarray(data_of(x))
    return np.asarray(rng.standard_normal(x.shape)).astype(x.dtype)


def _tangent(x: Any, rng: np.random.Generator) -> Any:
    """A random direction in which a small step changes x: beside 1e100 a step of 1e-3 would be lost."""
    return _direction(x, rng) * np.maximum(1, np.abs(x) / 1e3)


def _name(f: Function) -> str:
    return f.name if isinstance(f, Op) else getattr(f, "__name__", type(f).__name__)


def _truth(f: Function, xs: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, float]:
    """J·t from values of f alone, and the relative tolerance within which it is known."""

    def at(h: float) -> list[Any]:
        return [np.asarray(data_of(y)) for y in _leaves(f(*tree_map(lambda x, t: x + h * t, xs, tangents)))]

    def central(h: float) -> list[Any]:
        return [(a - b) / (2 * h) for a, b in zip(at(h), at(-h), strict=True)]

    lengths = [
        float(np.abs(t / np.maximum(1, np.abs(x) / 1e3)).max(initial=0))
        for t, x in zip(_leaves(tangents), _leaves(xs), strict=True)
    ]
    h = 1e-3 / max(1.0, *lengths, 1.0)
    coarse, fine = central(h), central(h / 2)
    finest = central(h / 4)
    once = [(4 * b - a) / 3 for a, b in zip(coarse, fine, strict=True)]
    again = [(4 * b - a) / 3 for a, b in zip(fine, finest, strict=True)]
    blunt = [(16 * b - a) / 15 for a, b in zip(once, again, strict=True)]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            stepped = f(*tree_map(lambda x, t: x + 1e-20j * t, xs, tangents))
        sharp = [np.imag(np.asarray(data_of(y))) / 1e-20 for y in _leaves(stepped)]
        if all(np.isfinite(s).all() for s in sharp) and _distance(sharp, blunt) <= BLUNT:
            return sharp, SHARP
    except (TypeError, ValueError, NotImplementedError, np.linalg.LinAlgError):
        pass  # not defined for complex numbers
    return blunt, BLUNT


def _leaves(tree: Any) -> list[Any]:
    return flatten(tree)[0]


def _distance(a: Any, b: Any) -> float:
    """max |a − b| relative to the larger of max |a|, max |b| and 1e-3; NaN counts as infinitely far."""
    worst = 0.0
    scale = max([1e-3] + [float(np.abs(v).max(initial=0)) for v in (*_leaves(a), *_leaves(b))])
    for u, v in zip(_leaves(a), _leaves(b), strict=True):
        d = np.abs(np.asarray(u) - np.asarray(v)).max(initial=0)
        worst = max(worst, float(d) / scale) if np.isfinite(d) else np.inf
    return worst


def _inner(a: Any, b: Any) -> float:
    return float(
        sum(np.sum(np.asarray(u) * np.asarray(v)) for u, v in zip(_leaves(a), _leaves(b), strict=True)).real
    )


def _report(
    f: Function,
    xs: Sequence[Any],
    mode: str,
    level: int,
    off: float,
    tolerance: float,
    rng: np.random.Generator,
) -> str:
    culprit = _culprit(f, xs, rng)
    return (
        f"{mode} of {_name(f)} is wrong at order {level}: relative error {off:.1e}, allowed {tolerance:.0e}"
        + (f"; the rule of op {culprit!r} is to blame." if culprit else ".")
    )


def _culprit(f: Function, xs: Sequence[Any], rng: np.random.Generator) -> str | None:
    """The first op of f's graph whose own rules disagree with its own values."""
    leaves = [Tensor(x, requires_grad=True) for x in _leaves(xs)]
    build = flatten(xs)[1]
    with scope(recording=True):
        outputs = [y for y in _leaves(f(*build(leaves))) if isinstance(y, Tensor)]
    for node in between(leaves, outputs).nodes:
        if not _op_is_right(node.op, node, rng):
            return str(node.op.name)
    return None


def _op_is_right(op: Op, node: Any, rng: np.random.Generator) -> bool:
    y = node.primal
    for i in node.live:
        x = np.asarray(node.args[i])

        def alone(z: Any, i: int = i) -> Any:
            return op.forward(*(z if j == i else a for j, a in enumerate(node.args)), **node.params)

        t, g = _tangent(x, rng), _direction(y, rng)
        truth, tolerance = _truth(alone, (x,), (t,))
        pushed = np.broadcast_to(op.pushes[i](t, y, *node.args, **node.params), y.shape)
        if not _distance([pushed], truth) <= tolerance:
            return False
        pulled = op.pulls[i](g, y, *node.args, **node.params)
        pushed_size = float(np.abs(g * pushed).sum())
        spread = (
            np.sum(pulled * t)
            if np.shape(pulled) == x.shape
            else np.sum(pulled * np.broadcast_to(t, np.shape(pulled)))
        )
        if not abs(np.sum(g * pushed) - spread) <= SHARP * max(pushed_size, 1e-30):
            return False
    return True
