"""`vmap`: a function of one sample becomes a function of a batch, without a loop.

The function is run once on the first sample, as `compile` runs it, so that its operations are a graph (those
of `grad` inside it too). Then each operation is done once for all samples. Values that depend on a sample get
a leading axis for it; how an op takes that axis follows from its family:

broadcasting     the axes behind it are lined up, as NumPy's broadcasting needs them
linear           the push forward, which moves many tangents at once, moves the samples
along an axis    axes are counted from the end, so the same call does it
others           a row in `_ROWS`; or, for those without one, the op sample by sample

The operations on batches are recorded as any others, so `vmap` may stand inside `grad`, `compile` and itself.

Names: `n` samples, `x` and `y` values with the leading axis, `node` the operation on one sample.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from minigrad.errors import entry
from minigrad.families import LINEAR
from minigrad.leaving import numeric
from minigrad.ops import fused
from minigrad.ops.index import SLOT, argsort_op, gather, put_along_op, scatter, take_along_op
from minigrad.ops.linalg import inner_op, linear, matmul_op, matvec_op
from minigrad.ops.reduce import log_softmax
from minigrad.ops.shape import astype, astype_constant_op, astype_op, concatenate_op, stack_op
from minigrad.replay.capture import Capture, captured
from minigrad.replay.lines import inside, nodes_of
from minigrad.sweeps import own
from minigrad.tensor import Tensor, data_of, detach_op
from minigrad.trees import flatten

__all__ = ["vmap"]

Axes = Any  # an integer, None, or a list or tuple of such
_FROM_THE_END = {"axis", "keepdims", "ddof"}


class _Value(NamedTuple):
    """A value of the batch, and the number of axes that it has for one sample."""

    x: Any
    many: bool  # x has a leading axis of samples
    ndim: int


@entry
def vmap(f: Callable[..., Any], in_axes: Axes = 0, out_axes: Axes = 0) -> Callable[..., Any]:
    """f for many samples at once: `vmap(f)(xs)[i]` is `f(xs[i])`.

    Args:
        f: a function of arrays, or trees of them, written in NumPy's functions. It may be what `grad` makes.
        in_axes: the axis of the samples in each positional argument; None for an argument that all samples
            share. One number holds for all; a tuple has one entry for each argument, and an entry holds for
            all arrays of a tree. Keyword arguments are shared.
        out_axes: where the axis of the samples goes in the result; a tuple for a tuple of results.

    The gradient of each sample's loss, for instance, is `vmap(grad(loss), in_axes=(None, 0, 0))(w, X, y)`.
    What f does besides, such as printing, happens once. Compile the whole, `compile(vmap(f))`, if it is to
    run often.

    Raises:
        ValueError: the samples differ in number, or there are none.
        TypeError: `in_axes` does not fit the arguments, or no argument has samples.
        CaptureError: f looked at the values of its arguments (`if`, `float`) or drew random numbers.

    >>> vmap(lambda x, w: (x * w).sum(), in_axes=(0, None))(np.eye(3), np.array([1.0, 2.0, 3.0]))
    array([1., 2., 3.])
    """
    if not callable(f):
        raise TypeError(f"vmap(f) needs a function of arrays, got {type(f).__name__}.")
    call = f"vmap({getattr(f, '__name__', type(f).__name__)})"

    @entry
    def mapped(*args: Any, **kwargs: Any) -> Any:
        leaves, build = flatten(list(args))
        axes = _spread(in_axes, list(args), call, "in_axes")
        batch = [_samples(x, axis, call) for x, axis in zip(leaves, axes, strict=True)]
        n = _number(batch, call)
        chosen = [i for i, value in enumerate(batch) if value is not None]

        def of_arrays(*arrays: Any) -> Any:
            given = list(leaves)
            for i, x in zip(chosen, arrays, strict=True):
                given[i] = x
            return f(*build(given), **kwargs)

        values = [value for value in batch if value is not None]
        firsts = [data_of(v.x)[0] if v.many else data_of(v.x) for v in values]
        names = [getattr(leaves[i], "name", None) or "" for i in chosen]
        inputs, outputs, build_out, capture = captured(of_arrays, firsts, names, lambda xs: (xs, {}), call)
        try:
            known = {node.index: value for node, value in zip(inputs, values, strict=True)}
            results = _run(outputs, known, capture, n)
        finally:
            capture.close()
        places = _spread(out_axes, build_out(outputs), call, "out_axes")
        plain = not any(isinstance(x, Tensor) for x in leaves)
        found = [_placed(y, axis, n, plain, call) for y, axis in zip(results, places, strict=True)]
        arrays = iter(own([y for y in found if not isinstance(y, Tensor)], *(data_of(v.x) for v in values)))
        return build_out([y if isinstance(y, Tensor) else next(arrays) for y in found])

    mapped.__name__ = call
    return mapped


def _spread(axes: Axes, tree: Any, call: str, what: str) -> list[int | None]:
    """The axis of each leaf of the tree: an entry of `axes` holds for all that it stands above."""
    if axes is None or not isinstance(axes, list | tuple):
        if axes is not None and (isinstance(axes, bool) or not hasattr(axes, "__index__")):
            raise TypeError(f"{call} needs {what} of integers and None, got {axes!r}.")
        return [None if axes is None else operator.index(axes)] * len(flatten(tree)[0])
    if not isinstance(tree, list | tuple) or len(tree) != len(axes):
        got = len(tree) if isinstance(tree, list | tuple) else f"a {type(tree).__name__}"
        raise TypeError(f"{call}: {what}={axes!r} has {len(axes)} entries, for {got}. Give one for each.")
    return [axis for a, part in zip(axes, tree, strict=True) for axis in _spread(a, part, call, what)]


def _samples(x: Any, axis: int | None, call: str) -> _Value | None:
    """A leaf of the arguments with its samples on the first axis; None for what is no array."""
    if axis is None:
        is_array = isinstance(x, Tensor | np.ndarray | np.generic | float | complex)
        return (
            _Value(x if isinstance(x, Tensor) else numeric(x, call), False, np.ndim(data_of(x)))
            if is_array
            else None
        )
    x = x if isinstance(x, Tensor) else numeric(x, call)
    if not -x.ndim <= axis < x.ndim:
        raise ValueError(
            f"{call}: an argument of shape {x.shape} has no axis {axis}. Pass in_axes=None to share it."
        )
    return _Value(np.moveaxis(x, axis, 0) if axis else x, True, x.ndim - 1)


def _number(batch: Sequence[_Value | None], call: str) -> int:
    lengths = {value.x.shape[0] for value in batch if value is not None and value.many}
    if not lengths:
        raise TypeError(f"{call} needs an argument with samples, but in_axes is None for all.")
    if len(lengths) > 1 or 0 in lengths:
        raise ValueError(f"{call} needs one number of samples ≥ 1 in all arguments, got {sorted(lengths)}.")
    return int(lengths.pop())


def _run(outputs: Sequence[Any], known: dict[int, _Value], capture: Capture, n: int) -> list[_Value]:
    """Do the captured operations for all samples; returns the value of each output."""
    if capture.draws or capture.drew_directly:
        capture.forbid(
            capture.draws[0] if capture.draws else outputs[0], "a random number, the same for all samples,"
        )
    for node in nodes_of(outputs, capture):
        if node.index in known:
            continue
        if not inside(node, capture):
            outer = capture.source(node) if node.op is None and not node.active else node
            known[node.index] = _Value(outer, False, node.ndim)
            continue
        args = [
            known[x.index] if isinstance(x, Tensor) else _Value(x, False, np.ndim(x)) for x in node.inputs
        ]
        many = any(a.many for a in args)
        y = _batched(node, args, n) if many else node.op(*(a.x for a in args), **node.params)  # type: ignore[misc]
        known[node.index] = _Value(y, many, node.ndim)
    return [
        known[y.index] if isinstance(y, Tensor) else _Value(np.asarray(y), False, np.ndim(y)) for y in outputs
    ]


def _placed(y: _Value, axis: int | None, n: int, plain: bool, call: str) -> Any:
    """A result with its samples at `axis`: an array, or a Tensor if it is live or Tensors were given."""
    x = y.x
    if axis is None:
        if y.many:
            raise ValueError(f"{call}: out_axes is None for a result that differs from sample to sample.")
    else:
        x = x if y.many else np.broadcast_to(x, (n, *np.shape(data_of(x))))
        x = np.moveaxis(x, 0, axis) if axis else x
    x = x.primal if plain and isinstance(x, Tensor) and not x.active else x
    return x if y.many or isinstance(x, Tensor) else np.array(x)  # what samples share may be the user's


# How an op takes a leading axis


def _batched(node: Tensor, args: Sequence[_Value], n: int) -> Any:
    """The operation of a node for all samples at once."""
    op, params = node.op, node.params
    assert op is not None
    row = _ROWS.get(op)
    y = row(*args, **params) if row is not None else None
    if y is not None:
        return y
    if op.broadcasts or (isinstance(op.forward, np.ufunc) and op.forward.signature is None):
        return op(*_lined_up(*args), **params)
    first = args[0].many and not any(a.many for a in args[1:])
    if first and op in LINEAR and op.batched:
        x = data_of(args[0].x)[0]
        return op.pushes[0](args[0].x, node.primal, x, *(a.x for a in args[1:]), **params)  # type: ignore[misc]
    if first and op.batched and "axis" in params and params.keys() <= _FROM_THE_END:
        return op(*(a.x for a in args), **params)
    return np.stack([op(*(a.x[i] if a.many else a.x for a in args), **params) for i in range(n)])


def _lined_up(*args: _Value) -> list[Any]:
    """The values with axes of length one behind the samples, where one has fewer axes than another."""
    ndim = max(a.ndim for a in args)
    return [
        np.reshape(a.x, (a.x.shape[0], *(1,) * (ndim - a.ndim), *a.x.shape[1:]))
        if a.many and a.ndim < ndim
        else a.x
        for a in args
    ]


def _dense(x: _Value, w: _Value, b: _Value) -> Any:
    rows = _Value(np.expand_dims(x.x, -2), x.many, 2) if x.ndim == 1 else x
    y, bias = _lined_up(_Value(_product(rows, w), True, rows.ndim), b)
    return np.squeeze(y + bias, -2) if x.ndim == 1 else y + bias


def _product(a: _Value, b: _Value) -> Any:
    """a·b. One large product takes less time than one for each sample, and × less than products of columns
    and rows."""
    if a.many and not b.many and b.ndim == 2:
        rows = np.reshape(a.x, (-1, a.x.shape[-1]))
        return np.reshape(np.matmul(rows, b.x), (*a.x.shape[:-1], b.x.shape[-1]))
    left, right = _lined_up(a, b)
    return left * right if left.shape[-1] == 1 else np.matmul(left, right)


def _inner(a: _Value, b: _Value) -> Any:
    return np.sum(a.x * b.x, axis=-1)


def _matrix_vector(a: _Value, x: _Value) -> Any:
    if a.x.ndim == 2 and not a.many:  # one product in place of one for each sample
        return np.matmul(x.x, a.x.T)
    return np.squeeze(np.matmul(a.x, np.expand_dims(x.x, -1)), -1)


def _joined(op: Any) -> Callable[..., Any]:
    """The row of an op of arrays of one rank, whose `axis` counts from the end."""

    def row(*args: _Value, axis: int) -> Any:
        n = next(a.x.shape[0] for a in args if a.many)
        return op(*(_for_all(a, n) for a in args), axis=axis)

    return row


def _same(x: _Value, **params: Any) -> Any:
    return x.x


def _cast(x: _Value, dtype: Any) -> Any:
    return astype(x.x, dtype)


def _places(x: _Value, arrays: Sequence[_Value], index: tuple[Any, ...]) -> Any:
    """The index for all samples; None if it mixes arrays and slices, where axes may change places."""
    if any(i is not SLOT for i in index):
        return None
    if x.many and not any(a.many for a in arrays):
        return [a.x for a in arrays], (slice(None), *index)
    n = next(a.x.shape[0] for a in arrays if a.many)
    sample = [np.arange(n).reshape(n, *(1,) * max(a.ndim for a in arrays))] * x.many
    return [*sample, *_lined_up(*arrays)], (SLOT,) * x.many + index


def _picked(x: _Value, *arrays: _Value, index: tuple[Any, ...]) -> Any:
    found = _places(x, arrays, index)
    return found and gather(x.x, *found[0], index=found[1])


def _added(g: _Value, *arrays: _Value, shape: tuple[int, ...], index: tuple[Any, ...]) -> Any:
    if not g.many:
        return None
    found = _places(g, arrays, index)
    return found and scatter(g.x, *found[0], shape=(g.x.shape[0], *shape), index=found[1])


def _along(op: Any) -> Callable[..., Any]:
    """The row of an op of arrays of one rank, whose `axis` may count from the front."""

    def row(*args: _Value, axis: int, **params: Any) -> Any:
        n = next(a.x.shape[0] for a in args if a.many)
        if "shape" in params:
            params["shape"] = (n, *params["shape"])
        axis = axis + 1 if axis >= 0 else axis
        return op(*(_for_all(a, n) for a in args), axis=axis, **params)

    return row


def _for_all(a: _Value, n: int) -> Any:
    return a.x if a.many else np.broadcast_to(a.x, (n, *np.shape(data_of(a.x))))


def _mean_square(p: _Value, q: _Value) -> Any:
    a, b = _lined_up(p, q)
    return np.mean(np.square(a - b), axis=tuple(range(-p.ndim, 0)))


def _hits(x: _Value, places: _Value) -> Any:
    """Where in logits (m, k) the labels are."""
    m, k = x.x.shape[-2:]
    return np.equal(np.arange(m * k).reshape(m, k), np.expand_dims(places.x, -1))


def _likelihood(x: _Value, places: _Value, _saves: Any = None, _labels: Any = None) -> Any:
    losses = np.where(_hits(x, places), log_softmax(x.x), 0)
    return np.sum(losses, axis=(-2, -1)) / -x.x.shape[-2]


def _residual(x: _Value, places: _Value) -> Any:
    """The rows of all samples are one batch, in which each label has a place of its own."""
    n = next(a.x.shape[0] for a in (x, places) if a.many)
    logits = _for_all(x, n)
    m, k = logits.shape[-2:]
    here = places.x + np.arange(n)[:, None] * (m * k)
    rows = fused.softmax_residual_op(np.reshape(logits, (n * m, k)), np.reshape(here, (-1,)))
    return np.reshape(rows, (n, m, k))


def _positions(labels: _Value, classes: int) -> Any:
    n, m = labels.x.shape
    places = fused.places_op(np.reshape(labels.x, (-1,)), classes=classes)
    return np.reshape(places, (n, m)) - np.arange(n)[:, None] * (m * classes)


_ROWS: dict[Any, Callable[..., Any]] = {
    linear: _dense,
    matmul_op: _product,
    inner_op: _inner,
    matvec_op: _matrix_vector,
    concatenate_op: _joined(concatenate_op),
    stack_op: _joined(stack_op),
    gather: _picked,
    scatter: _added,
    take_along_op: _along(take_along_op),
    put_along_op: _along(put_along_op),
    argsort_op: _along(argsort_op),
    detach_op: _same,
    astype_op: _cast,
    astype_constant_op: _cast,
    fused.mse_op: _mean_square,
    fused.cross_entropy_op: _likelihood,
    fused.softmax_residual_op: _residual,
    fused.places_op: _positions,
}
