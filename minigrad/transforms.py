"""Derivatives of functions: grad, jvp, vjp, hvp, linearize, jacobian, hessian, on arrays or trees of them.

Every transform does the same three things: make fresh leaves from the inputs, run the function (which
records), sweep the part of the graph between leaves and outputs. The sweep is itself recorded if its results
also depend on some other live leaf, or while a function is captured; so an outer derivative can pass through,
and there are no levels to confuse.

Inputs that are Tensors of an outer graph stay connected to it. Results are ndarrays, unless they depend on
such a Tensor: then they are Tensors."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any, Literal, Protocol, TypeVar, overload

import numpy as np
from numpy.typing import NDArray

from minigrad.errors import StaleGraphError, entry, hide_our_frames
from minigrad.leaving import leave_graph
from minigrad.linear_program import LinearProgram
from minigrad.mode import scope
from minigrad.packing import Packing
from minigrad.recording import Recording, fresh, matching, output_of, recorded, settled, unit
from minigrad.slices import between
from minigrad.sweeps import own, pull_back
from minigrad.tensor import Tensor, data_of

__all__ = [
    "grad",
    "gradient_and_hvp",
    "hessian",
    "hvp",
    "jacobian",
    "jvp",
    "linearize",
    "value_and_grad",
    "vjp",
]

Function = Callable[..., Any]
T = TypeVar("T")


class _Gradient(Protocol):
    """The type of `grad(f)`: it gives arrays in the structure of its first argument."""

    @overload
    def __call__(self, x: NDArray[Any] | float, /, *args: Any, **kwargs: Any) -> NDArray[Any]: ...
    @overload
    def __call__(self, x: Tensor, /, *args: Any, **kwargs: Any) -> Any: ...
    @overload
    def __call__(self, x: T, /, *args: Any, **kwargs: Any) -> T: ...


class _ValueAndGradient(Protocol):
    @overload
    def __call__(
        self, x: NDArray[Any] | float, /, *args: Any, **kwargs: Any
    ) -> tuple[NDArray[Any], NDArray[Any]]: ...
    @overload
    def __call__(self, x: Tensor, /, *args: Any, **kwargs: Any) -> tuple[Any, Any]: ...
    @overload
    def __call__(self, x: T, /, *args: Any, **kwargs: Any) -> tuple[NDArray[Any], T]: ...


class _Hessian(Protocol):
    @overload
    def __call__(self, x: NDArray[Any] | float, /, *args: Any, **kwargs: Any) -> NDArray[Any]: ...
    @overload
    def __call__(self, x: Any, /, *args: Any, **kwargs: Any) -> Any: ...


@overload
def value_and_grad(f: Function, argnums: int = 0, has_aux: Literal[False] = False) -> _ValueAndGradient: ...
@overload
def value_and_grad(f: Function, argnums: int | Sequence[int] = 0, has_aux: bool = False) -> Function: ...
@entry
def value_and_grad(f: Function, argnums: int | Sequence[int] = 0, has_aux: bool = False) -> Function:
    """The function `(*args) -> (f(*args), gradient)`, from one forward pass and one pull back.

    Args:
        f: returns a scalar; with `has_aux`, returns (scalar, anything).
        argnums: which positional arguments to differentiate; a sequence gives a tuple of gradients.
        has_aux: give ((value, anything), gradient); only the scalar is differentiated.

    Raises:
        TypeError: an argument is an integer array, or f did not return a Tensor or array.
        ValueError: f returned a non-scalar, or `argnums` names an argument twice.

    >>> value_and_grad(lambda x: (x * x).sum())(np.array([1.0, 2.0]))
    (array(5.), array([2., 4.]))
    """
    return _differentiated("value_and_grad", f, argnums, has_aux, with_value=True)


def _differentiated(
    transform: str, f: Function, argnums: int | Sequence[int], has_aux: bool, with_value: bool
) -> Function:
    several, call = isinstance(argnums, Sequence), _called(transform, f)
    wanted = _positions(argnums, transform)

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        try:
            positions = _given(wanted, args, call)
            inputs = list(args)
            if several:
                leaves, build = fresh(tuple([args[i] for i in positions]), call)
                inputs = _replaced(args, positions, build(leaves))
            else:
                leaves, build = fresh(args[positions[0]], call)
                inputs[positions[0]] = build(leaves)
            out = recorded(f, inputs, kwargs)
            out, aux = _with_aux(out, call) if has_aux else (out, None)
            y = _scalar(out, leaves, call)
            run = Recording(leaves, (y,), build)
            gradient = build(run.pull((unit(y.primal.shape, y.primal.dtype),)))
            aux = settled(aux, leaves) if has_aux else None
        except Exception as error:
            hide_our_frames(error)
            raise
        if not with_value:
            return (gradient, aux) if has_aux else gradient
        value = run.released(y)
        return ((value, aux), gradient) if has_aux else (value, gradient)

    wrapped.__name__ = call
    return wrapped


def _with_aux(out: Any, call: str) -> tuple[Any, Any]:
    if not (isinstance(out, tuple) and len(out) == 2):
        raise TypeError(f"{call} with has_aux=True needs f to return (loss, aux), got {type(out).__name__}.")
    return out


def _scalar(out: Any, leaves: Sequence[Tensor], call: str) -> Tensor:
    """The loss, checked against the leaves."""
    y = out if out.__class__ is Tensor else output_of(out, call)
    if y.primal.size != 1:
        raise ValueError(
            f"{call} needs a scalar loss, got shape {y.shape}. Reduce it (sum, mean), or use jacobian or vjp."
        )
    if y.primal.dtype.kind == "c" and any(a.dtype.kind != "c" for a in leaves):  # else it is f's derivative
        raise TypeError(
            f"{call}: a complex loss has no gradient for a real argument. Return np.real or np.abs of it."
        )
    return y


@overload
def grad(f: Function, argnums: int = 0, has_aux: Literal[False] = False) -> _Gradient: ...
@overload
def grad(f: Function, argnums: int | Sequence[int] = 0, has_aux: bool = False) -> Function: ...
@entry
def grad(f: Function, argnums: int | Sequence[int] = 0, has_aux: bool = False) -> Function:
    """The gradient of a scalar function: `grad(f)(x)` has x's shape, structure and dtype.

    With `has_aux`, f returns (scalar, anything), and the result is (gradient, anything). `argnums` and
    errors: see `value_and_grad`. For a complex argument z, dL = Re(g·dz): to descend, step along −conj(g).

    >>> f = lambda x: x**3
    >>> [float(d(2.0)) for d in (grad(f), grad(grad(f)), grad(grad(grad(f))))]
    [12.0, 12.0, 6.0]
    """
    return _differentiated("grad", f, argnums, has_aux, with_value=False)


@entry
def vjp(f: Function, *primals: Any) -> tuple[Any, Function]:
    """f's value and its pull back: `out, pullback = vjp(f, *primals)`; `pullback(cotangent)` is a tuple, one
    per primal.

    The forward pass runs once; `pullback` may be called any number of times. It computes Jᵀ·cotangent.

    Raises (pullback):
        ValueError: the cotangent differs from f's value in structure or shape.
        StaleGraphError: a leaf that f used was changed since.

    >>> out, pullback = vjp(lambda x: x * x, np.array([1.0, 3.0]))
    >>> pullback(np.array([1.0, 10.0]))
    (array([ 2., 60.]),)
    """
    call = _called("vjp", f)
    run = Recording.running(f, primals, call)
    like = run.build_out(run.outputs)

    @entry
    def pullback(cotangent: Any) -> Any:
        run.check()
        return tuple(run.build(run.pull(matching(cotangent, like, run.outputs, f"{call}: the cotangent"))))

    return run.value(), pullback


@entry
def linearize(f: Function, *primals: Any) -> tuple[Any, Function]:
    """f's value and its push forward: `out, pushforward = linearize(f, *primals)`; `pushforward(*tangents)`
    is J·t.

    The function runs once. The first push forward evaluates everything that does not depend on the tangents,
    so each further call costs only the linear operations on them. For many Hessian-vector products at one x,
    use `linearize(grad(f), x)`. Errors: see `vjp` and `jvp`.

    >>> out, pushforward = linearize(lambda x: x * x, np.array([1.0, 3.0]))
    >>> pushforward(np.array([1.0, 10.0]))
    array([ 2., 60.])
    """
    call = _called("linearize", f)
    staged = f.__linearize__(primals) if hasattr(f, "__linearize__") else None
    if staged is not None:
        return staged  # type: ignore[no-any-return]  # a pair
    run = Recording.running(f, primals, call)
    again: list[LinearProgram] = []

    @entry
    def pushforward(*tangents: Any) -> Any:
        run.check()
        given = matching(list(tangents), run.build(run.leaves), run.leaves, f"{call}: the tangents")
        if run.is_recorded(given):
            return run.build_out(run.push(given))
        if not again:
            again.append(run.linear_part())
        found = again[0]([data_of(t) for t in given])
        return run.build_out(own(found, *given))

    return run.value(), pushforward


@entry
def jvp(f: Function, primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, Any]:
    """f's value and its derivative along `tangents`: (f(x), J·t), in one forward pass and one push forward.

    Args:
        primals, tangents: tuples of f's arguments and of one tangent for each.

    Raises:
        TypeError: they are not two tuples of one length, or a primal is an integer array.
        ValueError: a tangent differs from its primal in structure or shape.

    >>> jvp(lambda x: np.sin(x), (0.0,), (2.0,))
    (array(0.), array(2.))
    """
    if (
        not isinstance(primals, tuple | list)
        or not isinstance(tangents, tuple | list)
        or len(primals) != len(tangents)
    ):
        raise TypeError(
            f"{_called('jvp', f)} needs primals and tangents as tuples of one length: jvp(f, (x,), (t,))."
        )
    call = _called("jvp", f)
    run = Recording.running(f, primals, call)
    given = matching(list(tangents), run.build(run.leaves), run.leaves, f"{call}: the tangents")
    return run.value(), run.build_out(run.push(given))


@entry
def hvp(f: Function, x: Any, v: Any) -> Any:
    """The Hessian-vector product ∇²f(x)·v, exact: the push forward of v through the recorded gradient.

    `x` and `v` are arrays or trees of one structure, and f returns a scalar. Errors: see `grad` and `jvp`.

    >>> hvp(lambda x: (x**3).sum(), np.array([1.0, 2.0]), np.array([1.0, 1.0]))
    array([ 6., 12.])
    """
    return jvp(grad(f), (x,), (v,))[1]


@entry
def jacobian(f: Function, argnums: int | Sequence[int] = 0) -> Function:
    """The Jacobian of a function with respect to an array (or tree): all ∂f/∂x, f's axes first, x's last.

    It runs batched sweeps, forward or reverse, whichever needs fewer directions, and takes as many directions
    at once as fit a few megabytes. For trees, the result has f's structure, with x's in place of each leaf.
    Further arguments are passed on to f. `argnums`: see `value_and_grad`; a sequence gives a tuple in place
    of each leaf.

    >>> jacobian(lambda x: x * x)(np.array([1.0, 3.0]))
    array([[2., 0.],
           [0., 6.]])
    """
    several, call = isinstance(argnums, Sequence), _called("jacobian", f)
    wanted = _positions(argnums, "jacobian")

    @entry
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        positions = _given(wanted, args, call)

        def of_those(*chosen: Any) -> Any:
            return f(*_replaced(args, positions, chosen), **kwargs)

        run = Recording.running(of_those, [args[i] for i in positions], call)
        into, out = Packing(run.leaves), Packing(run.outputs)
        if not into.n or not out.n:
            rows = [[np.zeros(y.shape + a.shape, y.dtype) for a in run.leaves] for y in run.outputs]
        elif into.n <= out.n:
            columns = [np.moveaxis(t, 0, -1) for t in run.push_all(into)]  # (*y.shape, n_in) for each output
            rows = [into.pieces(column) for column in columns]
        else:
            pulled = run.pull_all(out)  # (n_out, *x.shape) for each leaf
            rows = [
                [np.reshape(c[place], shape + a.shape) for c, a in zip(pulled, run.leaves, strict=True)]
                for place, shape in zip(out.places, out.shapes, strict=True)
            ]
        if not run.is_recorded():
            rows = [own(row) for row in rows]
        return run.build_out([tuple(run.build(row)) if several else run.build(row)[0] for row in rows])

    return wrapped


@overload
def hessian(f: Function, argnums: int = 0) -> _Hessian: ...
@overload
def hessian(f: Function, argnums: int | Sequence[int] = 0) -> Function: ...
@entry
def hessian(f: Function, argnums: int | Sequence[int] = 0) -> Function:
    """The matrix of second derivatives of a scalar function, by batched push forwards through the recorded
    gradient. Further arguments are passed on to f. With a sequence of `argnums`, block [i][j] is ∂²f/∂xᵢ∂xⱼ.

    >>> hessian(lambda x: x[0] ** 2 * x[1])(np.array([1.0, 2.0]))
    array([[4., 2.],
           [2., 0.]])
    """
    _positions(argnums, "hessian")
    return jacobian(grad(f, argnums), argnums)


@entry
def gradient_and_hvp(
    loss: Tensor, leaves: Sequence[Tensor]
) -> tuple[list[Any], Callable[[Sequence[Any]], list[Any]]]:
    """The gradient of a recorded scalar with respect to leaves of its graph, and its Hessian-vector product
    there.

    An optimizer asks this of a closure's loss: no function of the parameters is needed, because the graph is
    the function. The product `hvp(vectors)` takes and returns one array for each leaf. Its first call
    evaluates everything that does not depend on the vectors, so further calls cost only the rest. With
    `lead=(k,)` it takes k directions at once, in sweeps of as many as fit a few megabytes.

    Raises (product):
        StaleGraphError: a leaf was changed before the first product or one with `lead`, which read the graph.

    >>> w = Tensor([1.0, 2.0], requires_grad=True)
    >>> gradient, product = gradient_and_hvp((w**3).sum(), [w])
    >>> gradient, product([np.ones(2)])
    ([array([ 3., 12.])], [array([ 6., 12.])])
    """
    leave_graph(loss, "gradient_and_hvp(), which gives arrays")
    path = between(leaves, [loss])
    with scope(recording=True, phase="backward"):
        cotangents = pull_back(path, {loss.index: np.ones_like(loss.primal)}, record=True)
    found = [cotangents.get(a.index) for a in leaves]
    outputs = [
        g if isinstance(g, Tensor) else Tensor(np.zeros_like(a.primal) if g is None else g)
        for g, a in zip(found, leaves, strict=True)
    ]
    run = Recording(leaves, outputs, are_ours=False)
    indices = [a.index for a in leaves]
    again: list[LinearProgram] = []

    @entry
    def product(vectors: Sequence[Any], lead: tuple[int, ...] = ()) -> list[Any]:
        if (lead or not again) and indices != [a.index for a in leaves]:
            raise StaleGraphError(
                "the parameters were changed before this Hessian product was asked for. Run the loss again."
            )
        if lead:
            return run.push_many(vectors, lead[0])
        if again:
            found = again[0](vectors)
        else:
            again.append(run.linear_part(at=vectors))
            found = again[0].recorded
        return own(found, *vectors)

    return own([y.primal for y in outputs]), product


# Parts of the transforms


def _called(transform: str, f: Any) -> str:
    if not callable(f):
        raise TypeError(
            f"`{transform}(f)` needs a function of arrays, got {type(f).__name__}. Pass the function itself, "
            f"as in {transform}(lambda x: (x * x).sum())."
        )
    return f"{transform}({getattr(f, '__name__', type(f).__name__)})"


def _positions(argnums: int | Sequence[int], transform: str) -> tuple[int, ...]:
    try:
        return tuple(operator.index(i) for i in (argnums if isinstance(argnums, Sequence) else (argnums,)))
    except TypeError:
        raise TypeError(
            f"`{transform}(f, argnums=...)` must be a whole number or a sequence of them, got "
            f"{type(argnums).__name__}. {transform}(f) is a function: for the derivative at x write "
            f"{transform}(f)(x)."
        ) from None


_FIRST = (0,)


def _given(positions: tuple[int, ...], args: Sequence[Any], call: str) -> tuple[int, ...]:
    """`positions`, checked against the arguments that were given."""
    if args and positions == _FIRST:  # nearly always
        return positions
    n = len(args)
    for i in positions:
        if not -n <= i < n:
            raise TypeError(
                f"{call}: argument {i} is to be differentiated, but only {n} were given by position."
            )
    if len(positions) > 1 and len({i % n for i in positions}) < len(positions):
        raise ValueError(f"{call}: argnums must name each argument once, got {positions}.")
    return positions


def _replaced(args: Sequence[Any], positions: Sequence[int], chosen: Sequence[Any]) -> list[Any]:
    replaced = list(args)
    for i, x in zip(positions, chosen, strict=True):
        replaced[i] = x
    return replaced
