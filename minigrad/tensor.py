"""The graph: a `Tensor` is a NumPy array that remembers how it was made.

Here live the Tensor, the `Op` (one operation with its derivative rules), `apply` (which runs an op and
records it), and the two NumPy protocols through which plain NumPy code ends up in `apply`. The rules
themselves come from elsewhere: the tables under `ops` fill `RULES`.

Three invariants carry everything else:
- a node points to its inputs only, so dropping the output frees the graph at once;
- `index` grows with every node, so creation order is a topological order and nothing needs recursion;
- changing a leaf gives it a new index, so a graph recorded before has an input newer than its user, and that
  is how a stale graph is recognised.

An array given to an op is not copied. Writing into it between the forward pass and the sweep changes the
gradient silently, as in every engine on NumPy: leaves can be guarded, plain arrays cannot.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minigrad.arraylike import REDUCTIONS, RULES, SQUARES, ArrayLike, defers, dispatch, rule_of, squared
from minigrad.calls import as_written
from minigrad.errors import (
    described,
    entry,
    hide_our_frames,
    name_call,
    not_called,
    rephrased,
    without_inner_name,
)
from minigrad.habits import TENSOR
from minigrad.hints import Size, add_hints
from minigrad.leaving import NO_OPERANDS, Leaving, leave_graph, next_index, numeric, operand, with_operands
from minigrad.mode import Mode, current, scope, traced
from minigrad.slices import between
from minigrad.sweeps import own, pull_back

__all__ = [
    "RULES", "ForEach", "Op", "Tensor",
    "apply", "constant_tensor", "data_of", "is_live", "run", "traced_if_capturing",
]  # fmt: skip

Array = NDArray[Any]
Rule = Callable[..., Any]

_PLAIN = (float, int, complex, bool)


class ForEach(Sequence[Rule | None]):
    """The rules of an op with any number of inputs: input i has `rule(i, g, y, *args, **params)`.

    With `only_first`, the inputs after the first (indices) have no derivative.
    """

    def __init__(self, rule: Rule, *, only_first: bool = False) -> None:
        self.rule, self.only_first = rule, only_first

    def __len__(self) -> int:
        return 1

    def __getitem__(self, i: Any) -> Any:
        return None if self.only_first and i else partial(self.rule, i)


class Op:
    """One operation: how to compute it, and for each input how derivatives pass through it both ways.

    `forward(*args, **params)` is plain NumPy. `pushes[i](t, y, *args, **params)` is what the tangent `t` of
    input i adds to the output's tangent; `pulls[i](g, y, *args, **params)` is what the output's cotangent `g`
    adds to input i's. None stands for an input that has no derivative (an index, a condition). `broadcasts`:
    inputs follow NumPy's broadcasting, so a contribution is summed back to its input's shape. `batched`: the
    rules also work when `t` and `g` have extra leading axes; if not, a batched sweep calls them row by row.

    Calling an Op on ndarrays just computes; on Tensors it computes and records.
    """

    @entry
    def __init__(
        self,
        name: str,
        forward: Rule,
        *,
        pulls: Sequence[Rule | None] = (),
        pushes: Sequence[Rule | None] = (),
        broadcasts: bool = False,
        batched: bool = False,
        doc: str = "",
    ) -> None:
        if len(pulls) != len(pushes):
            raise ValueError(
                f"Op({name!r}) needs one push for each pull, got {len(pushes)} and {len(pulls)}."
            )
        self.name, self.forward = name, forward
        self.pulls, self.pushes = pulls, pushes
        self.some_constant = pulls.only_first if isinstance(pulls, ForEach) else None in pulls
        self.arity = None if isinstance(pulls, ForEach) else len(pulls)
        self.broadcasts, self.batched = broadcasts, batched
        self.__doc__ = doc or forward.__doc__ or ""
        self.__module__ = None  # type: ignore[assignment]  # pickle then searches for the module of this op

    def __call__(self, *inputs: Any, **params: Any) -> Tensor:
        try:
            for x in inputs:
                if isinstance(x, Tensor):
                    return apply(self, inputs, params)
                if x.__class__ in NO_OPERANDS:
                    return with_operands(self, inputs, params)  # type: ignore[no-any-return]
            return self.forward(*inputs, **params)  # type: ignore[no-any-return]
        except Exception as error:
            if not_called(error):
                error.args = (f"{self.name} {without_inner_name(error)}.",)
            hide_our_frames(error)
            raise

    def __repr__(self) -> str:
        return f"Op({self.name!r})"

    def __reduce__(self) -> str:
        """Pickle an op by its name: each exists once, so a copy of it is the op itself."""
        return self.name


def apply(op: Op, inputs: Sequence[Any], params: dict[str, Any]) -> Tensor:  # noqa: C901  # the hot path: no calls
    """Run `op` on the inputs' values and, where an input is live, record the result as a node of the
    graph."""
    args: list[Any] = []
    live: tuple[int, ...] = ()
    watched: tuple[Tensor, ...] = ()
    for position, x in enumerate(inputs):
        if isinstance(x, Tensor):
            args.append(x.primal)
            if x.active:
                live += (position,)
            elif x.op is None:
                watched += (x,)
        elif x.__class__ in _PLAIN or (x.__class__ is np.ndarray and x.dtype.kind in "fibcu"):
            args.append(x)
        elif hasattr(x, "__apply__"):  # an array of minigrad.numpy, and the result is to be one
            return x.__apply__(op, inputs, params)  # type: ignore[no-any-return]
        else:
            x = operand(op.name, x)
            args.append(x)
            inputs = (*inputs[:position], x, *inputs[position + 1 :])
    mode = current.mode
    if mode.tracing:
        mode = traced(mode)
    try:
        y = op.forward(*args, **params)
    except Exception as error:
        at = f" at {mode.line}" if mode.line else ""
        why = without_inner_name(error) if not_called(error) else error
        raise rephrased(error, f"{op.name}({described(args)}){at}: {why}") from error
    if y.__class__ is not np.ndarray:
        y = np.asarray(y)
    node = _new(Tensor)
    if mode.capturing is not None:
        inputs = mode.capturing.operands(node, inputs)
    node.primal = y
    node.index = next_index()
    node.name = None
    node.mode = mode
    node.op = op
    if live:
        if not mode.recording or not op.pulls:
            live = ()
        elif op.arity is not None and op.arity != len(inputs):
            raise TypeError(
                f"{op.name} has rules for {op.arity} inputs and was given {len(inputs)}; give a partial for "
                "each."
            )
        elif op.some_constant:
            live = tuple(filter(op.pulls.__getitem__, live))
    if live or mode.capturing is not None or mode.tracing:
        node.inputs = inputs
        node.args = args
        node.params = params
        node.live = live
        node.watched = watched
        node.active = bool(live)
    else:
        node.inputs = node.args = node.live = node.watched = ()
        node.params = _NO_PARAMS
        node.active = False
    return node


_SQUARING = frozenset((np.multiply, np.square))
_NO_PARAMS: dict[str, Any] = {}
_new = object.__new__


def run(op: Op, inputs: tuple[Any, ...], params: dict[str, Any]) -> Any:
    """op(*inputs, **params), for rules: parameters that stay one dict take half the time of a short op."""
    for x in inputs:
        if x.__class__ is not np.ndarray:
            return apply(op, inputs, params) if x.__class__ is Tensor else op(*inputs, **params)
    return op.forward(*inputs, **params)


class Tensor(ArrayLike, Leaving):
    """An array that remembers the op, the inputs and the parameters that made it.

    Args:
        data: array, nested lists or number; copied. A Python int becomes float64 if a gradient is asked for.
        requires_grad: make this a leaf whose derivative is wanted. Needs a floating dtype.
        name: shown in pictures and errors, and used to match parameters in saved files.

    Raises:
        TypeError: `data` does not hold numbers, or a gradient is asked for an array of integers.

    >>> import numpy as np
    >>> x = Tensor([1.0, 2.0], requires_grad=True)
    >>> (np.sin(x) * x).sum().backward()
    >>> bool(np.allclose(x.grad, np.sin(x.data) + x.data * np.cos(x.data)))
    True
    """

    __slots__ = (
        "__weakref__", "active", "args", "index", "inputs", "live", "mode", "name", "op",
        "params", "primal", "watched",
    )  # fmt: skip

    primal: Array  # the value itself, for code that has asked `leave_graph`; users have `.data`
    active: bool  # a live leaf, or the result of an op with one upstream
    op: Op | None  # the op that made it; None for a leaf
    inputs: Sequence[Any]  # Tensors and plain operands, as they were given
    args: Sequence[Any]  # their values, so that a first-order sweep need not unwrap
    live: tuple[int, ...]  # positions of the inputs that lead back to a live leaf
    watched: tuple[Tensor, ...]  # constant leaves among the inputs: changing one makes the graph stale too
    params: dict[str, Any]
    index: int
    name: str | None
    mode: Mode

    @entry
    def __init__(self, data: Any, requires_grad: bool = False, name: str | None = None) -> None:
        if isinstance(data, Tensor):
            leave_graph(data, "Tensor(x)")
            data = data.primal
        elif requires_grad and type(data) is int:
            data = float(data)  # a bare Python number carries no dtype of its own
        self.primal = np.array(numeric(data, "Tensor(data)"))
        if current.mode.capturing is not None:
            current.mode.capturing.copied(self, data)
        self.op = None
        self.inputs = self.args = self.live = self.watched = ()
        self.params = _NO_PARAMS
        self.index = next_index()
        self.gradient = None
        self.name = name
        self.mode = current.mode
        self.requires_grad = bool(requires_grad)

    # Properties

    @property
    def requires_grad(self) -> bool:
        """Whether derivatives flow through here. May be set on a leaf: False freezes it, True makes it
        live."""
        return self.active

    @requires_grad.setter
    def requires_grad(self, on: bool) -> None:
        if on and self.primal.dtype.kind not in "fc":
            raise TypeError(
                "Tensor(data, requires_grad=True) needs floating point numbers, got dtype "
                f"{self.primal.dtype}. Derivatives of integers do not exist; pass data.astype(float)."
            )
        if on and self.op is not None and not self.live:
            raise ValueError(
                "requires_grad=True: this Tensor is the result of an operation; make a leaf of it by "
                ".detach()."
            )
        self.active = bool(on)

    @property
    def shape(self) -> tuple[int, ...]:
        """The lengths of the axes."""
        return self.primal.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """The NumPy dtype of the values."""
        return self.primal.dtype

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return self.primal.ndim

    @property
    def size(self) -> int:
        """The number of elements."""
        return Size(self.primal.size)

    @entry
    def detach(self) -> Tensor:
        """A constant Tensor with the same values; no derivative passes through it."""
        if current.mode.capturing is not None:
            return apply(detach_op, (self,), {})
        return Tensor(self.primal, name=self.name)

    @entry
    def zero_grad(self) -> None:
        """Forget the gradient: `.grad` is None."""
        leave_graph(self, "zero_grad()")
        self.grad = None

    @entry
    def backward(self, gradient: Any = None, create_graph: bool = False) -> None:
        """Pull back from here and add each leaf's gradient to its `.grad`.

        Args:
            gradient: the cotangent of this Tensor, same shape; 1 for a scalar if not given.
            create_graph: record the sweep, so that the gradients (then Tensors) can be differentiated again.

        Raises:
            ValueError: `gradient` is missing for a non-scalar, or has another shape.
            TypeError: `gradient` has another kind of dtype; a complex result depends on a real leaf.
            RuntimeError: no leaf with `requires_grad=True` leads here.
            StaleGraphError: a leaf was changed since the graph was recorded.
        """
        leave_graph(self, "backward()")
        if not self.active:
            raise RuntimeError(
                "backward() needs a Tensor that depends on a leaf with requires_grad=True; this one is a "
                "constant. Was it made inside no_grad(), or from .data, .numpy() or .detach()?"
            )
        data = self.primal
        if gradient is None:
            if data.size != 1:
                raise ValueError(
                    f"backward() without a gradient needs a scalar, got shape {data.shape}. Reduce it first, "
                    "as with .sum(), or pass gradient= of that shape."
                )
            seed: Any = np.array(1, data.dtype).reshape(data.shape)
        else:
            given = isinstance(gradient, Tensor) and create_graph
            seed = gradient if given else numeric(data_of(gradient), "backward(gradient=...)")
            if seed.shape != data.shape:
                raise ValueError(f"backward(gradient=...) needs shape {data.shape}, got {seed.shape}.")
            if not np.can_cast(data_of(seed).dtype, data.dtype, "same_kind"):
                raise TypeError(f"backward(gradient=...) needs dtype {data.dtype}, got {seed.dtype}.")
            if seed.dtype != data.dtype:
                seed = seed.astype(data.dtype)
        path = between(None, (self,))
        if (
            gradient is None
            and data.dtype.kind == "c"
            and any(leaf.primal.dtype.kind != "c" for leaf in path.sources)
        ):
            raise TypeError(
                "backward() of a complex Tensor has no gradient for a real leaf; take np.real or np.abs of "
                "it first."
            )
        if create_graph:
            with scope(recording=True, phase="backward"):
                cotangents = pull_back(path, {self.index: seed}, record=True)
        else:
            cotangents = pull_back(path, {self.index: seed})
        leaves = [leaf for leaf in path.sources if leaf.index in cotangents]
        gradients = [cotangents[leaf.index] for leaf in leaves]
        for leaf, g in zip(leaves, gradients if create_graph else own(gradients, seed), strict=True):
            leaf.gradient = g if leaf.gradient is None else leaf.gradient + g

    def __len__(self) -> int:
        if not self.primal.ndim:
            raise TypeError("len() of a 0-d Tensor.")
        return len(self.primal)

    def __iter__(self) -> Iterator[Tensor]:
        if not self.primal.ndim:
            raise TypeError("iteration over a 0-d Tensor; use .item() for its value.")
        return (self[i] for i in range(len(self.primal)))

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if method == "__call__":
            rule = RULES.get(ufunc)
            try:
                # nearly always; straight to `apply` saves two calls of three
                if rule.__class__ is Op and not kwargs:
                    if ufunc in _SQUARING and getattr(x := inputs[0], "op", None) in SQUARES:
                        y = squared(x, inputs[-1])
                        if y is not None:
                            return y
                    return apply(rule, inputs, _NO_PARAMS)
                return dispatch(ufunc, inputs, kwargs)
            except Exception as error:
                if any(map(defers, (*inputs, *kwargs.get("out", ())))):
                    return NotImplemented
                name_call(error, as_written(ufunc))
                hide_our_frames(error)
                raise
        if method != "reduce" or ufunc not in REDUCTIONS:
            return rule_of("ufunc.method")(ufunc, method, inputs, kwargs)  # type: ignore[misc]  # it is there
        return dispatch(REDUCTIONS[ufunc], inputs, {"axis": 0} | kwargs, f"np.{ufunc.__name__}.{method}")


add_hints(Tensor, "a Tensor", TENSOR)
detach_op = Op("detach", lambda x: x)  # without rules, so no derivative passes


def constant_tensor(array: Array) -> Tensor:
    """A constant Tensor that holds `array` itself, not a copy."""
    leaf = _new(Tensor)
    leaf.primal = array
    leaf.op = None
    leaf.inputs = leaf.args = leaf.live = leaf.watched = ()
    leaf.params = _NO_PARAMS
    leaf.index = next_index()
    leaf.gradient = leaf.name = None
    leaf.mode = current.mode
    leaf.active = False
    return leaf


def traced_if_capturing(x: Any) -> Any:
    """`x`, but an array becomes a Tensor while a function is captured.

    So operations on the array are recorded, and replays read the array anew.
    """
    capturing = current.mode.capturing
    return x if capturing is None else capturing.shown(x)


def data_of(x: Any) -> Any:
    """The value of a Tensor, or `x` itself.

    >>> data_of(Tensor(2.0) * 3.0)
    array(6.)
    """
    return x.primal if isinstance(x, Tensor) else x


def is_live(x: Any) -> bool:
    """Whether `x` is a Tensor through which derivatives flow."""
    return isinstance(x, Tensor) and x.active
