"""Derivatives of functions: grad, jvp, vjp, hvp, linearize, jacobian, hessian, on arrays or trees of them.

Every transform does the same three things: make fresh leaves from the inputs, run the function (which records), sweep
the part of the graph between leaves and outputs. The sweep is itself recorded exactly when that part has another live
leaf than its own; then an outer derivative can pass through, and there are no levels to confuse.

Inputs that are Tensors of an outer graph stay connected to it. Results are ndarrays, unless they depend on such a
Tensor: then they are Tensors.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minigrad.errors import StaleGraphError
from minigrad.mode import current, scope
from minigrad.ops.elementwise import positive
from minigrad.sweeps import LinearProgram, Slice, between, pull_back, push_forward
from minigrad.tensor import Tensor, apply, data_of, numeric, own, traced_if_capturing
from minigrad.trees import flatten, leaves_like

__all__ = ["grad", "gradient_and_hvp", "hessian", "hvp", "jacobian", "jvp", "linearize", "value_and_grad", "vjp"]

Function = Callable[..., Any]


def value_and_grad(f: Function, argnums: int | Sequence[int] = 0, has_aux: bool = False) -> Function:
    """The function `(*args) -> (f(*args), gradient)`, from one forward pass and one pull back.

    Args:
        f: returns a scalar; with `has_aux`, returns (scalar, anything).
        argnums: which positional arguments to differentiate; a sequence gives a tuple of gradients.

    Raises:
        TypeError: an argument is of integers, or f returned something that is not a Tensor or array.
        ValueError: f returned a non-scalar.

    >>> value_and_grad(lambda x: (x * x).sum())(np.array([1.0, 2.0]))
    (array(5.), array([2., 4.]))
    """
    return _differentiated("value_and_grad", f, argnums, has_aux)


def _differentiated(transform: str, f: Function, argnums: int | Sequence[int], has_aux: bool = False) -> Function:
    several = isinstance(argnums, Sequence)
    positions = tuple(operator.index(i) for i in (argnums if isinstance(argnums, Sequence) else (argnums,)))
    call = _called(transform, f)

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        outer = current.mode.recording
        trees = [_argument(args, i, call) for i in positions]
        if len({i % len(args) for i in positions}) < len(positions):
            raise ValueError(f"{call}: argnums must name each argument once, got {tuple(positions)}.")
        leaves, build = _fresh(trees, call)
        replaced = list(args)
        for i, tree in zip(positions, build(leaves), strict=True):
            replaced[i] = tree
        with scope(recording=True):
            out = f(*replaced, **kwargs)
        aux = None
        if has_aux:
            if not (isinstance(out, tuple) and len(out) == 2):
                raise TypeError(f"{call} with has_aux=True needs f to return (loss, aux), got {type(out).__name__}.")
            out, aux = out
        y = _output(out, call)
        if y.size != 1:
            raise ValueError(f"{call} needs a scalar loss, got shape {y.shape}. Reduce it (sum, mean), or use jacobian or vjp.")
        if y.dtype.kind == "c" and any(
            a.dtype.kind != "c" for a in leaves
        ):  # of a complex argument it is the complex derivative
            raise TypeError(f"{call}: a complex loss has no gradient for a real argument. Return np.real or np.abs of it.")
        path = _slice(leaves, [y])
        connected = path.open and outer
        grads = _pulled(path, y, _one_like(y), leaves, connected)
        gradient = build(grads)
        value = _released(y, connected) if connected or _capturing() else y.primal
        result = tuple(gradient) if several else gradient[0]
        return ((value, _settled(aux, leaves, outer)), result) if has_aux else (value, result)

    wrapped.__name__ = call
    return wrapped


def grad(f: Function, argnums: int | Sequence[int] = 0) -> Function:
    """The gradient of a scalar function: `grad(f)(x)` has x's shape, structure and dtype.

    >>> f = lambda x: x**3
    >>> [float(d(2.0)) for d in (grad(f), grad(grad(f)), grad(grad(grad(f))))]
    [12.0, 12.0, 6.0]
    """
    both = _differentiated("grad", f, argnums)

    def gradient(*args: Any, **kwargs: Any) -> Any:
        return both(*args, **kwargs)[1]

    gradient.__name__ = both.__name__
    return gradient


def vjp(f: Function, *primals: Any) -> tuple[Any, Function]:
    """f's value and its pull back: `out, pullback = vjp(f, *primals)`; `pullback(cotangent)` is a tuple, one per primal.

    The forward pass runs once; `pullback` may be called any number of times. It gives vᵀJ.

    >>> out, pullback = vjp(lambda x: x * x, np.array([1.0, 3.0]))
    >>> pullback(np.array([1.0, 10.0]))
    (array([ 2., 60.]),)
    """
    call = _called("vjp", f)
    path, leaves, build, outputs, build_out, outer = _recorded(f, primals, call)
    like = build_out(outputs)

    def pullback(cotangent: Any) -> Any:
        _check(path)
        given = _matching(cotangent, like, outputs, f"{call}: the cotangent")
        connected = current.mode.recording and (path.open or _any_live(given))
        return tuple(build(_pulled_many(path, outputs, given, leaves, connected)))

    connected = path.open and outer
    return build_out([_released(y, connected) for y in outputs]), pullback


def linearize(f: Function, *primals: Any) -> tuple[Any, Function]:
    """f's value and its push forward: `out, pushforward = linearize(f, *primals)`; `pushforward(*tangents)` is J·t.

    The function runs once, and in the first push forward all that does not depend on the tangents is evaluated for good;
    each further call costs only the linear operations on the tangents. `linearize(grad(f), x)` is how to ask for many
    Hessian-vector products at one x.

    >>> out, pushforward = linearize(lambda x: x * x, np.array([1.0, 3.0]))
    >>> pushforward(np.array([1.0, 10.0]))
    array([ 2., 60.])
    """
    call = _called("linearize", f)
    staged = f.__linearize__(primals) if hasattr(f, "__linearize__") else None
    if staged is not None:
        return staged  # type: ignore[no-any-return]  # a pair
    path, leaves, build, outputs, build_out, outer = _recorded(f, primals, call)
    again: list[LinearProgram] = []

    def pushforward(*tangents: Any) -> Any:
        _check(path)
        given = _matching(list(tangents), build(leaves), leaves, f"{call}: the tangents")
        connected = current.mode.recording and (path.open or _any_live(given))
        if connected or _capturing():
            return build_out(_pushed(path, leaves, given, outputs, connected))
        if not again:
            again.append(_linear_part(path, leaves, outputs))
        found = again[0]([data_of(t) for t in given])
        return build_out(list(own(dict(enumerate(found)), *given).values()))

    connected = path.open and outer
    return build_out([_released(y, connected) for y in outputs]), pushforward


def jvp(f: Function, primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, Any]:
    """f's value and its derivative along `tangents`: (f(x), J·t), in one forward pass and one push forward.

    >>> jvp(lambda x: np.sin(x), (0.0,), (2.0,))
    (array(0.), array(2.))
    """
    if not isinstance(primals, tuple | list) or not isinstance(tangents, tuple | list) or len(primals) != len(tangents):
        raise TypeError(f"{_called('jvp', f)} needs primals and tangents as tuples of one length: jvp(f, (x,), (t,)).")
    call = _called("jvp", f)
    path, leaves, build, outputs, build_out, outer = _recorded(f, primals, call)
    given = _matching(list(tangents), build(leaves), leaves, f"{call}: the tangents")
    connected = outer and path.open
    moved = _pushed(path, leaves, given, outputs, outer and (path.open or _any_live(given)))
    return build_out([_released(y, connected) for y in outputs]), build_out(moved)


def hvp(f: Function, x: Any, v: Any) -> Any:
    """The Hessian-vector product ∇²f(x)·v, exact: the push forward of v through the recorded gradient.

    >>> hvp(lambda x: (x**3).sum(), np.array([1.0, 2.0]), np.array([1.0, 1.0]))
    array([ 6., 12.])
    """
    return jvp(grad(f), (x,), (v,))[1]


def jacobian(f: Function) -> Function:
    """The Jacobian of a function of one array (or tree): all ∂f/∂x, with f's axes first and x's axes last.

    Batched sweeps, forward or reverse, whichever has fewer directions, of as many directions at once as fit a few
    megabytes. For trees, f's structure holds x's structure.

    >>> jacobian(lambda x: x * x)(np.array([1.0, 3.0]))
    array([[2., 0.],
           [0., 6.]])
    """

    def wrapped(x: Any) -> Any:
        call = _called("jacobian", f)
        path, leaves, build, outputs, build_out, outer = _recorded(f, (x,), call)
        connected = outer and path.open
        n_in, n_out = sum(a.size for a in leaves), sum(y.size for y in outputs)
        if not n_in or not n_out:
            rows = [[np.zeros(y.shape + a.shape, y.dtype) for a in leaves] for y in outputs]
        elif n_in <= n_out:
            pushed = _all_pushed(path, leaves, outputs, connected)
            columns = [np.moveaxis(t, 0, -1) for t in pushed]  # (*y.shape, n_in)
            rows = [[c.reshape(y.shape + a.shape) for c, a in _parted(column, leaves)]
                    for column, y in zip(columns, outputs, strict=True)]  # fmt: skip
        else:
            pulled = _all_pulled(path, outputs, leaves, connected)
            rows, start = [], 0
            for y in outputs:
                rows.append([np.reshape(c[start : start + y.size], y.shape + a.shape)
                             for c, a in zip(pulled, leaves, strict=True)])  # fmt: skip
                start += y.size
        if not connected and not _capturing():
            rows = [list(own(dict(enumerate(row))).values()) for row in rows]
        return build_out([build(row)[0] for row in rows])

    return wrapped


def hessian(f: Function) -> Function:
    """The matrix of second derivatives of a scalar function, by batched push forwards through the recorded gradient.

    >>> hessian(lambda x: x[0] ** 2 * x[1])(np.array([1.0, 2.0]))
    array([[4., 2.],
           [2., 0.]])
    """
    return jacobian(grad(f))


def gradient_and_hvp(loss: Tensor, leaves: Sequence[Tensor]) -> tuple[list[Any], Callable[[Sequence[Any]], list[Any]]]:
    """The gradient of a recorded scalar with respect to leaves of its graph, and its Hessian-vector product there.

    This is what an optimizer asks of a closure's loss: no function of the parameters is needed, the graph is the function.
    The product `hvp(vectors)` takes and returns one array for each leaf; it evaluates at its first call all that does not
    depend on the vectors, and further calls cost only the rest. With `lead=(k,)` it takes k directions at once, in sweeps
    of as many as fit a few megabytes.

    Raises (of the product):
        StaleGraphError: a leaf was changed where the graph has to be read: at the first product, and for directions at once.

    >>> w = Tensor([1.0, 2.0], requires_grad=True)
    >>> gradient, product = gradient_and_hvp((w**3).sum(), [w])
    >>> gradient, product([np.ones(2)])
    ([array([ 3., 12.])], [array([ 6., 12.])])
    """
    loss._leaves_the_graph("gradient_and_hvp(), which gives arrays")
    path = between(leaves, [loss])
    with scope(recording=True, phase="backward"):
        cotangents = pull_back(path, {loss.index: np.ones_like(loss.primal)}, record=True)
    zeros = [np.zeros_like(a.primal) for a in leaves]
    found = [cotangents.get(a.index, z) for a, z in zip(leaves, zeros, strict=True)]
    outputs = [g if isinstance(g, Tensor) else Tensor(g) for g in found]
    second = between(leaves, outputs)
    indices = [a.index for a in leaves]
    again: list[LinearProgram] = []

    def product(vectors: Sequence[Any], lead: tuple[int, ...] = ()) -> list[Any]:
        if (lead or not again) and indices != [a.index for a in leaves]:
            raise StaleGraphError("the parameters were changed before this Hessian product was asked for. Run the loss again.")
        if lead:
            return _all_pushed_along(second, leaves, vectors, outputs, lead[0])
        if again:
            found = again[0](vectors)
        else:
            again.append(_linear_part(second, leaves, outputs, at=vectors))
            found = again[0].recorded
        return list(own(dict(enumerate(found)), *vectors).values())

    return list(own({i: y.primal for i, y in enumerate(outputs)}).values()), product


# The parts they are made of


def _called(transform: str, f: Any) -> str:
    return f"{transform}({getattr(f, '__name__', type(f).__name__)})"


def _argument(args: Sequence[Any], i: int, call: str) -> Any:
    try:
        return args[i]
    except IndexError:
        raise TypeError(f"{call}: argument {i} is to be differentiated, but only {len(args)} were given by position.") from None


def _fresh(trees: Any, call: str) -> tuple[list[Tensor], Callable[[Sequence[Any]], Any]]:
    """A new leaf for every array in the trees; a live Tensor's leaf stays connected to it."""
    values, build = flatten(trees)
    return [_leaf(x, call) for x in values], build


def _leaf(x: Any, call: str) -> Tensor:
    x = traced_if_capturing(x)
    if isinstance(x, Tensor):
        if x.requires_grad:
            with scope(recording=True):
                return apply(positive, (x,), {})
        if _capturing() and numeric(x.primal, call).dtype.kind in "fc":
            leaf = apply(positive, (x,), {})
            leaf.active = True  # a leaf for the sweeps, and for replay still what follows from x
            return leaf
        array = x.primal
    else:
        array = np.asarray(float(x) if type(x) is int else x)  # a bare Python number carries no dtype of its own
    if numeric(array, call).dtype.kind not in "fc":
        raise TypeError(f"{call} differentiates floating point arrays, got dtype {array.dtype}. Pass x.astype(float).")
    return Tensor(array, requires_grad=True, name=getattr(x, "name", None))


def _output(out: Any, call: str) -> Tensor:
    if isinstance(out, Tensor):
        return out
    if isinstance(out, np.ndarray | np.generic):
        return Tensor(out)  # a constant function: its derivative is 0
    raise TypeError(
        f"{call} needs f to return a Tensor, got {type(out).__name__}. Were values taken out of the graph, "
        f"with float(), .item() or a function of the math module? Use NumPy's functions on the Tensors themselves."
    )


def _recorded(f: Function, primals: Sequence[Any], call: str) -> tuple[Slice, list[Tensor], Any, list[Tensor], Any, bool]:
    outer = current.mode.recording
    leaves, build = _fresh(list(primals), call)
    with scope(recording=True):
        out = f(*build(leaves))
    values, build_out = flatten(out)
    outputs = [_output(y, call) for y in values]
    return _slice(leaves, outputs), leaves, build, outputs, build_out, outer


def _slice(leaves: list[Tensor], outputs: list[Tensor]) -> Slice:
    """What lies between; from here on the leaves are no longer live for anyone else."""
    path = between(leaves, outputs)
    for leaf in leaves:
        leaf.requires_grad = bool(leaf.live)
    return path


def _any_live(xs: Sequence[Any]) -> bool:
    return any(isinstance(x, Tensor) and x.requires_grad for x in xs)


def _matching(given: Any, tree: Any, like: Sequence[Tensor], what: str) -> list[Any]:
    """Tangents or cotangents as a flat list, checked against the tree of values they belong to."""
    checked = []
    for t, x in zip(leaves_like(given, tree, what), like, strict=True):
        t = traced_if_capturing(t if isinstance(t, Tensor) else numeric(np.asarray(t), what))
        if t.shape != x.shape:
            raise ValueError(f"{what} must have shape {x.shape}, got {t.shape}.")
        if t.dtype != x.dtype:
            if t.dtype.kind == "c" and x.dtype.kind != "c":
                raise TypeError(f"{what} is complex, but the value it belongs to is {x.dtype}.")
            t = t.astype(x.dtype)
        checked.append(t if _any_live([t]) or _capturing() else data_of(t))
    return checked


def _pulled(path: Slice, y: Tensor, seed: Any, leaves: Sequence[Tensor], connected: bool) -> list[Any]:
    return _pulled_many(path, [y], [seed], leaves, connected)


def _pulled_many(
    path: Slice, outputs: Sequence[Tensor], seeds: Sequence[Any], leaves: Sequence[Tensor], connected: bool,
    lead: tuple[int, ...] = (),
) -> list[Any]:  # fmt: skip
    cotangents: dict[int, Any] = {}
    for y, g in zip(outputs, seeds, strict=True):
        if y.index in path.reach:
            cotangents[y.index] = cotangents[y.index] + g if y.index in cotangents else g
    if connected or _capturing():
        with scope(recording=True, phase="backward"):
            pull_back(path, cotangents, record=True, lead=lead)
    else:
        cotangents = pull_back(path, {i: data_of(g) for i, g in cotangents.items()}, lead=lead)
    found = {i: cotangents.get(a.index) for i, a in enumerate(leaves)}
    for i, a in enumerate(leaves):
        if found[i] is None:
            found[i] = np.zeros(lead + a.shape, a.dtype)
    return _results(found, connected, seeds)


def _pushed(
    path: Slice, leaves: Sequence[Tensor], given: Sequence[Any], outputs: Sequence[Tensor], connected: bool,
    lead: tuple[int, ...] = (),
) -> list[Any]:  # fmt: skip
    tangents = {a.index: t for a, t in zip(leaves, given, strict=True)}
    if connected or _capturing():
        with scope(recording=True, phase="tangent"):
            push_forward(path, tangents, record=True, lead=lead)
    else:
        tangents = push_forward(path, {i: data_of(t) for i, t in tangents.items()}, lead=lead)
    found = {i: tangents.get(y.index) for i, y in enumerate(outputs)}
    for i, y in enumerate(outputs):
        if found[i] is None:
            found[i] = np.zeros(lead + y.shape, y.dtype)
    return _results(found, connected, given)


def _all_pushed_along(
    path: Slice, leaves: Sequence[Tensor], given: Sequence[Any], outputs: Sequence[Tensor], n: int
) -> list[Any]:  # fmt: skip
    """The push forwards of n ≥ 1 given tangents, (n, *y.shape) for each output, in portions."""
    k = _directions_at_once(path, n, connected=False)
    parts = []
    for first in range(0, n, k):
        some = [t[first : first + k] for t in given]
        parts.append(_pushed(path, leaves, some, outputs, connected=False, lead=(min(k, n - first),)))
    return [np.concatenate(rows) for rows in zip(*parts, strict=True)]


def _linear_part(
    path: Slice, leaves: Sequence[Tensor], outputs: Sequence[Tensor], lead: tuple[int, ...] = (), at: Sequence[Any] = ()
) -> LinearProgram:  # fmt: skip
    """The push forward through `path` as a graph of its own, in which only the tangents are leaves, recorded `at` some."""
    given = at or [np.zeros(lead + a.shape, a.dtype) for a in leaves]
    starts = [Tensor(t, requires_grad=True) for t in given]
    tangents: dict[int, Any] = {a.index: t for a, t in zip(leaves, starts, strict=True)}
    with scope(recording=True, phase="tangent"):
        push_forward(path, tangents, lead=lead)
        ends = [tangents.get(y.index) for y in outputs]
        moved = [t if isinstance(t, Tensor) else Tensor(np.zeros(lead + y.shape, y.dtype))
                 for t, y in zip(ends, outputs, strict=True)]  # fmt: skip
    return LinearProgram(starts, moved)


def _released(y: Tensor, connected: bool) -> Any:
    if connected:
        return y
    return y.detach() if _capturing() else y.primal.copy()


def _results(found: dict[int, Any], connected: bool, shared: Sequence[Any]) -> list[Any]:
    """What a sweep hands out: Tensors of the outer graph, or arrays of the caller's own."""
    if connected:
        return list(found.values())
    if _capturing():
        return [x.detach() if isinstance(x, Tensor) else x for x in found.values()]
    return list(own(found, *shared).values())


def _check(path: Slice) -> None:
    """Raise if a leaf that was used has changed; and if it does so later, a replay must not go on with the old values."""
    path.check()
    if _capturing():
        for leaf, _ in path.guards:
            current.mode.capturing.depends_on_index(leaf)


def _capturing() -> bool:
    """Whether a function is being captured: then every sweep is recorded, to be run again, whoever is live."""
    return current.mode.capturing is not None


def _one_like(y: Tensor) -> Any:
    """The cotangent of a loss. Read-only, so that a replay may count on its value."""
    one = np.ones_like(y.primal)
    one.flags.writeable = False
    return one


def _settled(aux: Any, leaves: Sequence[Tensor], outer: bool) -> Any:
    """What f returned beside the loss: Tensors where they depend on something live outside, else arrays."""
    values, build = flatten(aux)
    return build([_released(x, outer and between(leaves, [x]).open) if isinstance(x, Tensor) else x for x in values])


def _basis(values: Sequence[Tensor], first: int, count: int) -> list[Any]:
    """Unit vectors first … first + count − 1 of the joint space of `values`, one array (count, *shape) for each."""
    basis, start = [], 0
    for x in values:
        block = np.zeros((count, x.size), x.dtype)
        mine = np.arange(max(first, start), min(first + count, start + x.size))
        block[mine - first, mine - start] = 1
        basis.append(block.reshape((count, *x.shape)))
        start += x.size
    return basis


BATCH_BYTES = 1 << 22  # of all values of the graph times the directions: beyond the cache a batch is slower, not faster
BATCH_MOST = 64


def _directions_at_once(path: Slice, n: int, connected: bool) -> int:
    """How many directions one batched sweep takes. A recorded one takes all, for its pieces could not be joined as cheaply."""
    if connected or _capturing():
        return n
    return min(n, BATCH_MOST, max(1, BATCH_BYTES // (sum(int(node.primal.nbytes) for node in path.nodes) + 1)))


def _all_pushed(path: Slice, leaves: Sequence[Tensor], outputs: Sequence[Tensor], connected: bool) -> list[Any]:
    """The push forwards of all unit vectors, (n_in, *y.shape) for each output."""
    n = sum(a.size for a in leaves)
    k = _directions_at_once(path, n, connected)
    if connected or _capturing():
        return _pushed(path, leaves, _basis(leaves, 0, n), outputs, connected, lead=(n,))
    linear = _linear_part(path, leaves, outputs, lead=(k,))
    columns = [np.empty((n, *y.shape), y.dtype) for y in outputs]
    for first in range(0, n, k):  # the last batch is filled up with zeros
        for column, part in zip(columns, linear(_basis(leaves, first, k)), strict=True):
            column[first : first + k] = part[: n - first]
    return columns


def _all_pulled(path: Slice, outputs: Sequence[Tensor], leaves: Sequence[Tensor], connected: bool) -> list[Any]:
    """The pull backs of all unit vectors, (n_out, *x.shape) for each leaf."""
    n = sum(y.size for y in outputs)
    k = _directions_at_once(path, n, connected)
    parts = []
    for first in range(0, n, k):
        count = min(k, n - first)
        parts.append(_pulled_many(path, outputs, _basis(outputs, first, count), leaves, connected, lead=(count,)))
    return parts[0] if len(parts) == 1 else [np.concatenate(rows) for rows in zip(*parts, strict=True)]


def _parted(column: Any, leaves: Sequence[Tensor]) -> list[tuple[Any, Tensor]]:
    """(*y.shape, n) cut into one piece for each leaf."""
    parts, start = [], 0
    for a in leaves:
        parts.append((column[..., start : start + a.size], a))
        start += a.size
    return parts
