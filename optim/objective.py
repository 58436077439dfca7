"""What second-order methods minimize: f of one vector, given as a function or as a closure over parameters.

An `Objective` is asked for the value at a point and gives an `Evaluation`; the gradient there and Hv are computed only when
asked for, and the evaluation remembers them. So a trial step that is rejected has cost one value.

Names: `x` the point, a float64 vector (n,); `f` `g` value and gradient there; `v` a direction.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minigrad import Tensor
from minigrad.mode import scope
from optim.evaluation import BudgetSpent, Counts, Derivatives, Evaluation, Graph, Objective, Vector

__all__ = ["BudgetSpent", "ClosureObjective", "Counts", "Derivatives", "Evaluation", "FunctionObjective", "Objective"]


class FunctionObjective:
    """A function of one array, as f of a vector: differentiated by minigrad, or with derivatives of the caller's own.

    Args:
        fun: x ↦ f(x); written in NumPy if it is to be differentiated, any callable if `jac` is given. `jac=True` says that
            fun returns (f, g).
        args: further arguments of fun, jac, hessp and hess.
        jac, hess, hessp: x ↦ g, x ↦ H, (x, v) ↦ Hv. A function whose `jac` is the caller's own is never differentiated.
            Each call of hessp counts as a product, and so does each of hess, whose products are then free.
        shape: of the array that fun, jac and hessp take; that of the vector if not given.
    """

    def __init__(
        self, fun: Callable[..., Any], args: tuple[Any, ...] = (), jac: Any = None, hess: Any = None, hessp: Any = None,
        shape: tuple[int, ...] | None = None,
    ) -> None:  # fmt: skip
        self.fun, self.args, self.jac, self.hess, self.hessp, self.shape = fun, args, jac, hess, hessp, shape
        self.counts = Counts()

    def __call__(self, x: Vector) -> Evaluation:
        x = np.array(x, dtype=np.float64)
        self.counts.value()
        with np.errstate(all="ignore"):
            if self.jac is None:
                leaf = Tensor(self._given(x), requires_grad=True)
                with scope(recording=True):
                    loss = self.fun(leaf, *self.args)
                return Evaluation(x, _scalar(loss), lambda: self._own(x, self._differentiated(loss, leaf)), self.counts)
            f = self.fun(self._given(x), *self.args)
            if self.jac is True:
                f, g = f
                return Evaluation(x, _scalar(f), lambda: self._own(x, Derivatives(_vector("jac", g, x), _missing)), self.counts)
            return Evaluation(x, _scalar(f), lambda: self._own(x, Derivatives(self._gradient(x), _missing)), self.counts)

    def _given(self, x: Vector) -> Vector:
        """A copy that the caller's function may keep or change."""
        return x.reshape(self.shape if self.shape is not None else x.shape).copy()

    def _gradient(self, x: Vector) -> Vector:
        with np.errstate(all="ignore"):
            return _vector("jac", self.jac(self._given(x), *self.args), x)

    def _differentiated(self, loss: Any, leaf: Tensor) -> Derivatives:
        if not isinstance(loss, Tensor) or not loss.requires_grad:
            raise TypeError(
                f"`minimize(fun, ...)`: fun(x) must return a Tensor that depends on x to be differentiated, got {loss!r:.60}. "
                f"Write it with NumPy's functions on x itself, or give jac= (and hessp= or hess=)."
            )
        return Graph([leaf], self.counts).derivatives(loss)

    def _own(self, x: Vector, found: Derivatives) -> Derivatives:
        """`found` with the caller's hess or hessp in place of ours."""
        if self.hess is not None:
            known: list[Vector] = []

            def hessian() -> Vector:
                if not known:
                    self.counts.products()
                    H = np.asarray(_plain(self.hess(self._given(x), *self.args)), dtype=np.float64)
                    if H.size != x.size**2:
                        raise ValueError(f"`minimize(hess=...)` must return shape {(x.size, x.size)}, got {H.shape}.")
                    known.append(H.reshape(x.size, x.size))
                return known[0]

            return Derivatives(found.g, lambda v: hessian() @ v, hessian)
        if self.hessp is not None:

            def times(v: Vector) -> Vector:
                self.counts.products()
                return _vector("hessp", self.hessp(self._given(x), self._given(v), *self.args), x)

            return Derivatives(found.g, times)
        return found


def _missing(v: Vector) -> Vector:
    raise TypeError("`minimize(jac=...)`: with a gradient of your own, Newton methods also need hessp= or hess=.")


def _plain(value: Any) -> Any:
    return value.data if isinstance(value, Tensor) else value


def _scalar(f: Any) -> float:
    value = np.asarray(_plain(f))
    if value.size != 1 or value.dtype.kind not in "fiub":
        raise ValueError(f"`minimize(fun, ...)`: fun(x) must return one real number, got {value.dtype} of shape {value.shape}.")
    return float(value.reshape(()))


def _vector(name: str, value: Any, x: Vector) -> Vector:
    array = np.asarray(_plain(value), dtype=np.float64)
    if array.size != x.size:
        raise ValueError(f"`minimize({name}=...)` must return as many numbers as x has, {x.size}, got shape {array.shape}.")
    return array.reshape(x.shape).copy()


class ClosureObjective:
    """A closure's loss as a function of the parameters taken as one float64 vector.

    Evaluating writes the point into the parameters; `put` writes without evaluating. The loss gets ½Σλw² added, with each
    parameter's own λ, so that f, g and Hv all know of the weight decay.

    Args:
        closure: returns the loss, a scalar Tensor, or (loss, outputs).
        parameters: the leaves that make up the vector, in order.
        decay: λ of each parameter.
        call: who asks, for errors.
    """

    def __init__(self, closure: Callable[[], Any], parameters: Sequence[Tensor], decay: Sequence[float], call: str) -> None:
        self.closure, self.parameters, self.call = closure, list(parameters), call
        self.counts = Counts()
        self._graph = Graph(self.parameters, self.counts)
        self.decay = np.concatenate([np.full(p.size, d) for p, d in zip(self.parameters, decay, strict=True)] or [np.zeros(0)])

    @property
    def x(self) -> Vector:
        """The parameters as they are."""
        return self._graph.joined([p.data for p in self.parameters])

    def put(self, x: Vector) -> None:
        for p, part in zip(self.parameters, self._graph.parted(x), strict=True):
            p.data[...] = part
            p.touch()

    def __call__(self, x: Vector) -> Evaluation:
        self.put(x)
        return self.here()

    def here(self) -> Evaluation:
        """The evaluation at the parameters as they are."""
        self.counts.value()
        x = self.x
        with np.errstate(all="ignore"):
            loss, outputs = self.run()
            f = loss.item() + 0.5 * float(self.decay @ (x * x))
        return Evaluation(x, f, lambda: self._graph.derivatives(loss, outputs, self.decay), self.counts)

    def run(self) -> tuple[Tensor, Any]:
        """(loss, outputs or None) of the closure, checked."""
        result = self.closure()
        loss, outputs = result if isinstance(result, tuple) and len(result) == 2 else (result, None)
        call = f"`{self.call}.step(closure)`"
        if not isinstance(loss, Tensor):
            raise TypeError(f"{call}: the closure must return the loss, a Tensor, got {result!r:.60}. Is `return` missing?")
        if loss.size != 1:
            raise ValueError(f"{call}: the loss must be a scalar, got shape {loss.shape}. Reduce it, as with .mean().")
        if not loss.requires_grad:
            raise RuntimeError(
                f"{call}: the loss does not depend on a parameter that requires a gradient. "
                f"Was it made inside no_grad(), or from .data, .numpy() or .detach()?"
            )
        self.loss = loss
        return loss, outputs
