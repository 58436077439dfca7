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
from typing import Any

import numpy as np

from minigrad.errors import StaleGraphError, entry
from minigrad.leaving import leave_graph, numeric
from minigrad.linear_program import LinearProgram
from minigrad.mode import current, scope
from minigrad.ops.elementwise import positive
from minigrad.packing import Packing, portion, portions
from minigrad.slices import between
from minigrad.sweeps import own, pull_back, push_forward
from minigrad.tensor import Tensor, apply, data_of, traced_if_capturing
from minigrad.trees import flatten, leaves_like

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
    return _differentiated("value_and_grad", f, argnums, has_aux)


def _differentiated(
    transform: str, f: Function, argnums: int | Sequence[int], has_aux: bool = False
) -> Function:
    several, call = isinstance(argnums, Sequence), _called(transform, f)
    wanted = _positions(argnums)

    @entry
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        positions = _given(wanted, args, call)
        leaves, build = _fresh([args[i] for i in positions], call)
        with scope(recording=True):
            out = f(*_replaced(args, positions, build(leaves)), **kwargs)
        out, aux = _with_aux(out, call) if has_aux else (out, None)
        y = _scalar(out, call)
        if y.dtype.kind == "c" and any(a.dtype.kind != "c" for a in leaves):  # else it is f's derivative
            raise TypeError(
                f"{call}: a complex loss has no gradient for a real argument. Return np.real or np.abs of it."
            )
        run = _Recording.of(leaves, [y], build)
        gradient = run.build(run.pull([_one_like(y)]))
        value = run.released(y)
        result = tuple(gradient) if several else gradient[0]
        return ((value, _settled(aux, run.leaves)), result) if has_aux else (value, result)

    wrapped.__name__ = call
    return wrapped


def _with_aux(out: Any, call: str) -> tuple[Any, Any]:
    if not (isinstance(out, tuple) and len(out) == 2):
        raise TypeError(f"{call} with has_aux=True needs f to return (loss, aux), got {type(out).__name__}.")
    return out


def _scalar(out: Any, call: str) -> Tensor:
    y = _output(out, call)
    if y.size != 1:
        raise ValueError(
            f"{call} needs a scalar loss, got shape {y.shape}. Reduce it (sum, mean), or use jacobian or vjp."
        )
    return y


@entry
def grad(f: Function, argnums: int | Sequence[int] = 0, has_aux: bool = False) -> Function:
    """The gradient of a scalar function: `grad(f)(x)` has x's shape, structure and dtype.

    With `has_aux`, f returns (scalar, anything), and the result is (gradient, anything). `argnums` and
    errors: see `value_and_grad`. For a complex argument z, dL = Re(g·dz): to descend, step along −conj(g).

    >>> f = lambda x: x**3
    >>> [float(d(2.0)) for d in (grad(f), grad(grad(f)), grad(grad(grad(f))))]
    [12.0, 12.0, 6.0]
    """
    both = _differentiated("grad", f, argnums, has_aux)

    @entry
    def gradient(*args: Any, **kwargs: Any) -> Any:
        value, found = both(*args, **kwargs)
        return (found, value[1]) if has_aux else found

    gradient.__name__ = both.__name__
    return gradient


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
    run = _Recording.running(f, primals, call)
    like = run.build_out(run.outputs)

    @entry
    def pullback(cotangent: Any) -> Any:
        run.check()
        return tuple(run.build(run.pull(_matching(cotangent, like, run.outputs, f"{call}: the cotangent"))))

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
    run = _Recording.running(f, primals, call)
    again: list[LinearProgram] = []

    @entry
    def pushforward(*tangents: Any) -> Any:
        run.check()
        given = _matching(list(tangents), run.build(run.leaves), run.leaves, f"{call}: the tangents")
        if run.is_recorded(given):
            return run.build_out(run.push(given))
        if not again:
            again.append(run.linear_part())
        found = again[0]([data_of(t) for t in given])
        return run.build_out(list(own(dict(enumerate(found)), *given).values()))

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
    run = _Recording.running(f, primals, call)
    given = _matching(list(tangents), run.build(run.leaves), run.leaves, f"{call}: the tangents")
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
    wanted = _positions(argnums)

    @entry
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        positions = _given(wanted, args, call)

        def of_those(*chosen: Any) -> Any:
            return f(*_replaced(args, positions, chosen), **kwargs)

        run = _Recording.running(of_those, [args[i] for i in positions], call)
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
            rows = [list(own(dict(enumerate(row))).values()) for row in rows]
        return run.build_out([tuple(run.build(row)) if several else run.build(row)[0] for row in rows])

    return wrapped


@entry
def hessian(f: Function, argnums: int | Sequence[int] = 0) -> Function:
    """The matrix of second derivatives of a scalar function, by batched push forwards through the recorded
    gradient. Further arguments are passed on to f. With a sequence of `argnums`, block [i][j] is ∂²f/∂xᵢ∂xⱼ.

    >>> hessian(lambda x: x[0] ** 2 * x[1])(np.array([1.0, 2.0]))
    array([[4., 2.],
           [2., 0.]])
    """
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
    run = _Recording(leaves, outputs, arrays_only=True)
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
        return list(own(dict(enumerate(found)), *vectors).values())

    return list(own({i: y.primal for i, y in enumerate(outputs)}).values()), product


# Parts of the transforms


def _called(transform: str, f: Any) -> str:
    return f"{transform}({getattr(f, '__name__', type(f).__name__)})"


def _positions(argnums: int | Sequence[int]) -> tuple[int, ...]:
    return tuple(operator.index(i) for i in (argnums if isinstance(argnums, Sequence) else (argnums,)))


def _given(positions: tuple[int, ...], args: Sequence[Any], call: str) -> tuple[int, ...]:
    """`positions`, checked against the arguments that were given."""
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


def _fresh(trees: Sequence[Any], call: str) -> tuple[list[Tensor], Callable[[Sequence[Any]], Any]]:
    """A new leaf for every array in the trees, and the function that builds such trees from leaves."""
    values, build = flatten(list(trees))
    return [_leaf(x, call) for x in values], build


def _leaf(x: Any, call: str) -> Tensor:
    x = traced_if_capturing(x)
    if isinstance(x, Tensor):
        if x.requires_grad:
            with scope(recording=True):
                return apply(positive, (x,), {})
        if _capturing() and x.primal.dtype.kind in "fc":
            leaf = apply(positive, (x,), {})
            leaf.grad = None
            leaf.active = True  # the sweeps take it for a leaf; replay still computes it from x
            return leaf
        array = x.primal
    else:
        # a bare Python number carries no dtype of its own
        array = numeric(float(x) if type(x) is int else x, call)
    if array.dtype.kind not in "fc":
        raise TypeError(
            f"{call} differentiates floating point arrays, got dtype {array.dtype}. Pass x.astype(float)."
        )
    return Tensor(array, requires_grad=True, name=getattr(x, "name", None))


def _output(out: Any, call: str) -> Tensor:
    if isinstance(out, Tensor):
        return out
    if isinstance(out, np.ndarray | np.generic):
        return Tensor(numeric(out, call))  # a constant function: its derivative is 0
    raise TypeError(
        f"{call} needs f to return a Tensor, got {type(out).__name__}. Were values taken out of the graph, "
        "with float(), .item() or a function of the math module? Use NumPy's functions on the Tensors "
        "themselves."
    )


def _any_live(xs: Sequence[Any]) -> bool:
    for x in xs:  # noqa: SIM110  # at every sweep; any() of a generator takes twice as long
        if isinstance(x, Tensor) and x.active:
            return True
    return False


def _matching(given: Any, tree: Any, like: Sequence[Tensor], what: str) -> list[Any]:
    """Tangents or cotangents as a flat list, checked against the tree of values they belong to."""
    checked = []
    for t, x in zip(leaves_like(given, tree, what), like, strict=True):
        t = traced_if_capturing(t if isinstance(t, Tensor) else numeric(t, what))
        if t.shape != x.shape:
            raise ValueError(f"{what} must have shape {x.shape}, got {t.shape}.")
        if t.dtype != x.dtype:
            if t.dtype.kind == "c" and x.dtype.kind != "c":
                raise TypeError(f"{what} is complex, but the value it belongs to is {x.dtype}.")
            t = t.astype(x.dtype)
        checked.append(t if _any_live([t]) or _capturing() else data_of(t))
    return checked


class _Recording:
    """The graph between leaves and outputs, and the sweeps over it.

    A sweep is recorded if its results belong to an outer graph (recording is on, and the path `must_record`
    or a live tangent or cotangent was given), and while a function is captured. It then returns Tensors, else
    arrays that belong to the caller.

    Args:
        leaves, outputs: Tensors.
        build, build_out: make the trees that the leaves and the outputs were taken from.
        arrays_only: return arrays even if the outputs belong to an outer graph.
    """

    def __init__(
        self,
        leaves: Sequence[Tensor],
        outputs: Sequence[Tensor],
        build: Any = list,
        build_out: Any = list,
        arrays_only: bool = False,
    ) -> None:
        self.leaves, self.outputs, self.build, self.build_out = leaves, outputs, build, build_out
        self.path = between(leaves, outputs)
        self._arrays_only = arrays_only

    @classmethod
    def of(cls, leaves: list[Tensor], outputs: list[Tensor], build: Any, build_out: Any = list) -> _Recording:
        """The graph of a run on fresh leaves. From now on they are live for no other sweep, unless they
        continue an outer graph."""
        run = cls(leaves, outputs, build, build_out)
        for leaf in leaves:
            leaf.requires_grad = bool(leaf.live)
        return run

    @classmethod
    def running(cls, f: Function, primals: Sequence[Any], call: str) -> _Recording:
        """`f` run on fresh leaves in place of the primals."""
        leaves, build = _fresh(primals, call)
        with scope(recording=True):
            out = f(*build(leaves))
        results, build_out = flatten(out)
        return cls.of(leaves, [_output(y, call) for y in results], build, build_out)

    def is_connected(self, given: Sequence[Any] = ()) -> bool:
        """Whether the results of a sweep of `given` belong to an outer graph."""
        if self._arrays_only or not current.mode.recording:
            return False
        return self.path.must_record or _any_live(given)

    def is_recorded(self, given: Sequence[Any] = ()) -> bool:
        """Whether a sweep of `given` runs on Tensors."""
        return _capturing() or self.is_connected(given)

    def value(self) -> Any:
        """The outputs as f returned them."""
        return self.build_out([self.released(y) for y in self.outputs])

    def released(self, y: Tensor) -> Any:
        """An output as the caller gets it: a Tensor if it belongs to an outer graph, else a plain value."""
        return _released(y, self.is_connected())

    def check(self) -> None:
        """Raise StaleGraphError if a leaf that was used has changed; a capture depends on these leaves."""
        self.path.check()
        if _capturing():
            for leaf, _ in self.path.guards:
                current.mode.capturing.depends_on_index(leaf)

    def pull(self, seeds: Sequence[Any], lead: tuple[int, ...] = ()) -> list[Any]:
        """Pull back one cotangent for each output; returns one for each leaf."""
        cotangents: dict[int, Any] = {}
        for y, g in zip(self.outputs, seeds, strict=True):
            if y.index in self.path.reach:
                cotangents[y.index] = cotangents[y.index] + g if y.index in cotangents else g
        return self._swept(pull_back, "backward", cotangents, seeds, self.leaves, lead)

    def push(self, tangents: Sequence[Any], lead: tuple[int, ...] = ()) -> list[Any]:
        """Push forward one tangent for each leaf; returns one for each output."""
        starts = {a.index: t for a, t in zip(self.leaves, tangents, strict=True)}
        return self._swept(push_forward, "tangent", starts, tangents, self.outputs, lead)

    def _swept(
        self,
        sweep: Any,
        phase: str,
        start: dict[int, Any],
        given: Sequence[Any],
        ends: Sequence[Tensor],
        lead: tuple[int, ...],
    ) -> list[Any]:
        connected = self.is_connected(given)
        if connected or _capturing():
            with scope(recording=True, phase=phase):
                found = sweep(self.path, start, record=True, lead=lead)
        else:
            found = sweep(self.path, {i: data_of(g) for i, g in start.items()}, lead=lead)
        results = [found.get(x.index) for x in ends]
        results = [
            np.zeros(lead + x.shape, x.dtype) if r is None else r for r, x in zip(results, ends, strict=True)
        ]
        if connected:
            return results
        if _capturing():
            return [r.detach() if isinstance(r, Tensor) else r for r in results]
        return list(own(dict(enumerate(results)), *given).values())

    def push_all(self, packing: Packing) -> list[Any]:
        """Push forward all unit vectors of the leaves; returns an array (n, *y.shape) for each output."""
        if self.is_recorded():  # all at once, because portions would have to be joined by recorded ops
            return self.push(packing.basis(0, packing.n), (packing.n,))
        n, k = packing.n, self._portion(packing.n)
        linear = self.linear_part((k,))
        columns = [np.empty((n, *y.shape), y.dtype) for y in self.outputs]
        for part in portions(n, k):  # the last portion is filled up with zeros
            for column, found in zip(columns, linear(packing.basis(part.start, k)), strict=True):
                column[part] = found[: part.stop - part.start]
        return columns

    def pull_all(self, packing: Packing) -> list[Any]:
        """Pull back all unit vectors of the outputs; returns an array (n, *x.shape) for each leaf."""
        n = packing.n
        parts = []
        for part in portions(n, n if self.is_recorded() else self._portion(n)):
            count = part.stop - part.start
            parts.append(self.pull(packing.basis(part.start, count), (count,)))
        return parts[0] if len(parts) == 1 else [np.concatenate(rows) for rows in zip(*parts, strict=True)]

    def push_many(self, tangents: Sequence[Any], n: int) -> list[Any]:
        """Push forward n ≥ 1 tangents in portions; returns an array (n, *y.shape) for each output."""
        parts = [
            self.push([t[part] for t in tangents], (part.stop - part.start,))
            for part in portions(n, self._portion(n))
        ]
        return [np.concatenate(rows) for rows in zip(*parts, strict=True)]

    def _portion(self, n: int) -> int:
        return portion(n, sum(int(node.primal.nbytes) for node in self.path.nodes))

    def linear_part(self, lead: tuple[int, ...] = (), at: Sequence[Any] = ()) -> LinearProgram:
        """The push forward as a graph whose only leaves are tangents; it is recorded with the values `at`."""
        starts = [
            Tensor(t, requires_grad=True)
            for t in at or [np.zeros(lead + a.shape, a.dtype) for a in self.leaves]
        ]
        tangents: dict[int, Any] = {a.index: t for a, t in zip(self.leaves, starts, strict=True)}
        with scope(recording=True, phase="tangent"):
            push_forward(self.path, tangents, lead=lead)
            ends = [tangents.get(y.index) for y in self.outputs]
            moved = [
                t if isinstance(t, Tensor) else Tensor(np.zeros(lead + y.shape, y.dtype))
                for t, y in zip(ends, self.outputs, strict=True)
            ]
        return LinearProgram(starts, moved)


def _released(y: Tensor, connected: bool) -> Any:
    if connected:
        return y
    return y.detach() if _capturing() else y.primal.copy()


def _capturing() -> bool:
    """Whether a function is being captured: then every sweep is recorded, so that it can be replayed."""
    return current.mode.capturing is not None


def _one_like(y: Tensor) -> Any:
    """The cotangent 1 of a loss; read-only, so that replay can fold it into a constant."""
    one = np.ones_like(y.primal)
    one.flags.writeable = False
    return one


def _settled(aux: Any, leaves: Sequence[Tensor]) -> Any:
    """`aux` as the caller gets it: Tensors where they depend on something live outside f, else arrays."""
    values, build = flatten(aux)
    outer = current.mode.recording
    return build(
        [
            _released(x, outer and between(leaves, [x]).must_record) if isinstance(x, Tensor) else x
            for x in values
        ]
    )
