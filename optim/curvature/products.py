"""A function at one point, as products with its Hessian: what everything in this package is made of.

A function comes in one of two forms.

- `f, x`: a scalar function of an array, or of a tree (dicts, lists, tuples) of arrays, and where to look.
- `closure, parameters`: what an optimizer's `step` takes: a function without arguments that returns the loss,
  and the parameters it depends on, as in `sharpness(lambda: loss_fn(model(x), y), model.parameters())`.

With `batches` both take a batch too, f(x, *batch) or f(*batch), and stand for the mean over all rows:

    F(x) = Σ_b (m_b/m)·f(x, batch_b),   m_b rows in batch b, m in all,   Hv = Σ_b (m_b/m)·H_b v

The loss is recorded once at the present values, and with batches anew for each product, so that memory is
that of one batch. Nothing is changed, and without batches random parts (dropout) stay as they were drawn.

Names: `H` = ∇²f(x), taken as symmetric (n, n) on the entries of x in order; `V` directions as rows. All
vectors are float64, and products are computed in x's own precision."""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minigrad import Tensor, gradient_and_hvp
from minigrad.extend import Packing, between, data_of, flatten, portion, portions, require_plain, scope
from optim.base.loss import not_one_number
from optim.second_order.operator import as_tree

__all__ = ["Function", "HessianProducts", "arguments", "random_signs", "rows_of"]

Array = NDArray[Any]


class HessianProducts:
    """∇²f at one point as a map of flat float64 vectors, counting products; with `scale` d it is
    diag(d)·H·diag(d). `gradient` is ∇f there."""

    def __init__(self, call: str, f: Any, x: Any, batches: Any = None) -> None:
        self.call = call
        self.products = 0
        self.scale: Array | None = None
        self.function = Function(call, f, x, batched=batches is not None)
        self.packing = self.function.packing
        self.n = self.packing.n
        # of a product, relative
        self.rounding = 10 * max(float(np.finfo(dtype).eps) for dtype in self.packing.dtypes)
        self.held = 8 * self.n
        self.batches = ((),) if batches is None else _several(call, batches)
        self.product: Any = None  # of the one graph that is kept
        self.shares, self.losses = self._looked_through(batches is None)

    def _looked_through(self, keep: bool) -> tuple[list[float], list[float]]:
        """The share of each batch in all rows, and its loss; and the gradient."""
        counts, losses, gradient = list[int](), list[float](), np.zeros(self.n)
        for batch in self.batches:
            counts.append(1 if keep else rows_of(f"{self.call}(batches=...)", arguments(batch)))
            loss = self.function.loss(*arguments(batch))
            product, g = self._swept(loss)
            losses.append(float(loss.primal.reshape(())))
            gradient += counts[-1] * g
            self.product = product if keep else None
        if not sum(counts):
            raise ValueError(f"`{self.call}(batches=...)` must hold at least one row, got none.")
        self.gradient = gradient / sum(counts)
        return [count / sum(counts) for count in counts], losses

    def _swept(self, loss: Tensor) -> tuple[Any, Array]:
        """The product with the Hessian of a recorded loss, and its gradient."""
        leaves = self.function.leaves
        nodes = between(leaves, [loss]).nodes
        if self.function.closure and not nodes:
            raise ValueError(
                f"`{self.call}(closure, parameters)`: the loss depends on none of these parameters. Do they "
                "belong to the model that the closure calls?"
            )
        # The bytes that one direction holds: a recorded gradient is a few times the loss.
        held = 4 * sum(node.data.nbytes for node in nodes) + 8 * self.n
        self.held = max(self.held, held)
        with np.errstate(all="ignore"):  # each product is checked
            gradient, product = gradient_and_hvp(loss, leaves)
        return product, self.packing.join(gradient)

    def __call__(self, v: Array) -> Array:
        return self._products(v, ())

    def _products(self, V: Array, lead: tuple[int, ...]) -> Array:
        """H times each row of V: (*lead, n)."""
        self.products += math.prod(lead)
        if self.scale is not None:
            V = self.scale * V
        with np.errstate(all="ignore"):
            HV = self._mean(self.packing.split(V), lead)
        if not np.isfinite(HV).all():
            raise FloatingPointError(
                f"`{self.call}(f, x)`: a Hessian-vector product must be finite, got "
                f"{HV[~np.isfinite(HV)][0]}. Are f and its gradient finite at x, and is x off the singular "
                "points of sqrt, log, norms and powers?"
            )
        if self.scale is not None:
            HV *= self.scale
        return HV

    def _mean(self, parts: list[Array], lead: tuple[int, ...]) -> Array:
        """The mean over the batches of the products with each Hessian."""
        if self.product is not None:
            joined: Array = self.packing.join(self.product(parts, lead), lead)
            return joined
        total, seen = np.zeros((*lead, self.n)), 0
        for batch in self.batches:
            loss = self.function.loss(*arguments(batch))
            value = float(loss.primal.reshape(()))
            if seen == len(self.losses) or not np.array_equal(value, self.losses[seen], equal_nan=True):
                raise self._unsteady(f"batch {seen} has the loss {value!r} now")
            product, _ = self._swept(loss)
            total += self.shares[seen] * self.packing.join(product(parts, lead), lead)
            seen += 1
        if seen < len(self.losses):
            raise self._unsteady(f"there are {seen} batches now, and {len(self.losses)} before")
        return total

    def _unsteady(self, what: str) -> ValueError:
        return ValueError(
            f"`{self.call}(batches=...)` must give the same batches in the same order in each pass, and f "
            f"the same loss, but {what}. Switch off shuffling and dropout."
        )

    def images(self, rows: Iterator[Array], total: int) -> Iterator[tuple[Array, Array]]:
        """(V, HV) for all the rows, several at a time; every portion but a smaller last one has the same
        size."""
        for part in portions(total, portion(total, self.held)):
            V = np.stack([next(rows) for _ in range(part.stop - part.start)])
            yield V, self._products(V, (len(V),))

    def dense(self) -> Array:
        """H itself."""
        return np.concatenate([HV for _, HV in self.images(iter(np.eye(self.n)), self.n)])

    def tree(self, flat: Array) -> Any:
        """A vector (*lead, n) in the form of x."""
        return self.function.build(self.packing.split(flat))


class Function:
    """A scalar function in one of the two forms, with its arguments as leaves of a graph.

    leaves, build, packing: x as Tensors, the function that builds a tree like x, and where each lies in the
        vector of all entries.
    batched: whether f is called with a batch too.
    """

    def __init__(self, call: str, f: Any, x: Any, batched: bool = False) -> None:
        if callable(getattr(x, "named_parameters", None)):
            arguments = "x, y" if batched else ""
            raise TypeError(
                f"`{call}(closure, parameters)` needs the parameters, got the {type(x).__name__} itself: "
                f"write {call}(lambda {arguments}: loss(model(x), y), model.parameters()).".replace(" :", ":")
            )
        if not callable(f):
            raise TypeError(f"`{call}(f, x)`: f must be a function or a closure, got {f!r:.60}.")
        given, self.build = flatten(as_tree(x))
        if not sum(np.size(data_of(a)) for a in given):
            raise ValueError(
                f"`{call}(f, x)`: x must hold at least one number, got {x!r:.60}. Has an iterator been used "
                "up?"
            )
        self.call, self.f, self.batched = call, f, batched
        self.closure = any(isinstance(p, Tensor) and p.requires_grad for p in given)
        self.leaves = _parameters(call, given) if self.closure else [_leaf(call, a) for a in given]
        self.packing = Packing(self.leaves)

    def loss(self, *batch: Any) -> Tensor:
        """The loss as a graph on the leaves, checked."""
        arguments = batch if self.closure else (self.build(self.leaves), *batch)
        self._require_fit(arguments)
        with scope(recording=True):
            loss = self.f(*arguments)
        # (loss, outputs), as an optimizer's closure may return
        if self.closure and isinstance(loss, tuple) and len(loss) == 2:
            loss = loss[0]
        if not self.closure and isinstance(loss, np.ndarray | np.generic):
            loss = Tensor(loss)  # a constant function
        call = self.call
        if not isinstance(loss, Tensor):
            raise TypeError(
                f"`{call}(f, x)`: f must return a Tensor, got {loss!r:.60}. Is `return` missing, or was the "
                "value taken out of the graph with float() or .item()?"
            )
        if loss.size != 1 or loss.dtype.kind == "c":
            raise not_one_number(f"{call}(f, x)", "f", loss)
        return loss

    def _require_fit(self, arguments: tuple[Any, ...]) -> None:
        try:
            signature = inspect.signature(self.f)
        except (TypeError, ValueError):  # some built-in functions have none
            return
        try:
            signature.bind(*arguments)
        except TypeError as error:
            form = (
                "x holds parameters, so f must be a closure without arguments. To call f(x) pass arrays: "
                "x.data",
                "x holds parameters, so f must take the arrays of a batch alone: f(*batch)",
                "x holds arrays, so f must take x. To call a closure pass the parameters themselves",
                "x holds arrays, so f must take x and the arrays of a batch: f(x, *batch)",
            )[2 * (not self.closure) + self.batched]
            raise TypeError(f"`{self.call}(f, x)`: {form}. Got f{signature}: {error}.") from None


def _parameters(call: str, given: list[Any]) -> list[Tensor]:
    seen: set[int] = set()
    for p in given:
        if not isinstance(p, Tensor):
            raise TypeError(
                f"`{call}(f, x)`: x must hold parameters only, or arrays only, got both: {type(p).__name__}."
            )
        name = repr(p.name) if p.name else f"a parameter of shape {p.shape}"
        if not p.requires_grad:
            raise ValueError(
                f"`{call}(f, x)`: {name} is frozen. Leave it out: [p for p in parameters if p.requires_grad]."
            )
        if p.live:
            raise ValueError(
                f"`{call}(f, x)`: {name} is the result of an operation, not a leaf. Pass what it was made "
                "from."
            )
        if p.dtype.kind != "f":
            raise TypeError(f"`{call}(f, x)`: {name} must be real, got {p.dtype}.")
        if id(p) in seen:
            raise ValueError(f"`{call}(f, x)`: {name} is given twice. Pass each parameter once.")
        seen.add(id(p))
    return given


def _leaf(call: str, a: Any) -> Tensor:
    require_plain(a, f"`{call}(f, x)`")
    array = np.asarray(float(a) if type(a) is int else data_of(a))
    if array.dtype.kind != "f":
        raise TypeError(
            f"`{call}(f, x)`: x must hold real floating point arrays, got {array.dtype}. Use x.astype(float)."
        )
    return Tensor(array, requires_grad=True)


def _several(call: str, batches: Any) -> Iterable[Any]:
    if isinstance(batches, Iterator) or not isinstance(batches, Iterable):
        raise TypeError(
            f"`{call}(batches=...)` must be a list or a loader of batches, for each product goes through all "
            f"of them again, got {type(batches).__name__}. Pass list(batches)."
        )
    return batches


def arguments(batch: Any) -> tuple[Any, ...]:
    """What f is called with for a batch: its arrays, or the one array that it is."""
    return tuple(batch) if isinstance(batch, list | tuple) else (batch,)


def rows_of(call: str, arrays: tuple[Any, ...]) -> int:
    """How many rows the arrays of a batch have, all the same."""
    shapes = [np.shape(data_of(a)) for a in arrays]
    rows = {shape[0] if shape else None for shape in shapes}
    if len(rows) != 1 or None in rows:
        raise ValueError(
            f"`{call}`: the arrays of a batch must have one row for each sample, got the shapes {shapes}."
        )
    return int(shapes[0][0])


def random_signs(rng: np.random.Generator, n: int) -> Array:
    """(n,) of ±1."""
    return rng.integers(0, 2, n) * 2.0 - 1.0
