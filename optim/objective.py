"""What second-order methods minimize: f of one vector, with its gradient and Hessian products, each call counted.

An `Objective` is asked for the value at a point and gives an `Evaluation`; the gradient there and Hv are computed only when
asked for, and the evaluation remembers them. So a trial step that is rejected has cost one value.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from minigrad import Tensor, gradient_and_hvp

__all__ = ["ClosureObjective", "Counts", "Derivatives", "Evaluation", "FunctionObjective", "Objective"]

Vector = NDArray[Any]


@dataclass
class Counts:
    """How often each thing was computed; a Hessian-vector product counts once for each vector."""

    nfev: int = 0
    njev: int = 0
    nhev: int = 0


class Derivatives(NamedTuple):
    """The gradient at a point, v ↦ Hv there, and H itself; H is None where n products have to serve."""

    g: Vector
    hv: Callable[[Vector], Vector]
    hessian: Callable[[], Vector] | None = None


class Evaluation:
    """f at one point; the gradient `g`, the product `hv(v)` and the matrix `hessian()` on demand."""

    def __init__(self, x: Vector, f: float, derivatives: Callable[[], Derivatives], counts: Counts) -> None:
        self.x, self.f = x, f
        self._derivatives, self._counts = derivatives, counts
        self._known: Derivatives | None = None

    def _at_hand(self) -> Derivatives:
        if self._known is None:
            self._counts.njev += 1
            self._known = self._derivatives()
        return self._known

    @property
    def g(self) -> Vector:
        return self._at_hand().g

    def hv(self, v: Vector) -> Vector:
        """∇²f(x)·v."""
        product = self._at_hand().hv
        self._counts.nhev += 1
        return product(v)

    def hessian(self) -> Vector:
        """∇²f(x), (n, n), made symmetric; it counts as n products."""
        n = self.x.size
        whole = self._at_hand().hessian
        if whole is None:
            rows = np.stack([self.hv(e) for e in np.eye(n)]) if n else np.zeros((0, 0))
        else:
            self._counts.nhev += n
            rows = whole()
        return 0.5 * (rows + rows.T)


class Objective(Protocol):
    """f as something to evaluate; calling it may fail, and then nothing but the counts has changed."""

    counts: Counts

    def __call__(self, x: Vector) -> Evaluation: ...


class FunctionObjective:
    """A function of one vector: differentiated by minigrad, or with derivatives of the caller's own.

    Args:
        fun: x ↦ f(x); written in NumPy if it is to be differentiated, any callable if `jac` is given. `jac=True` says that
            fun returns (f, g).
        args: further arguments of fun, jac, hessp and hess.
        jac, hess, hessp: x ↦ g, x ↦ H, (x, v) ↦ Hv. A function whose `jac` is the caller's own is never differentiated.
    """

    def __init__(
        self, fun: Callable[..., Any], args: tuple[Any, ...] = (), jac: Any = None, hess: Any = None, hessp: Any = None
    ) -> None:
        self.fun, self.args, self.jac, self.hess, self.hessp = fun, args, jac, hess, hessp
        self.counts = Counts()

    def __call__(self, x: Vector) -> Evaluation:
        x = np.array(x, dtype=np.float64)
        self.counts.nfev += 1
        if self.jac is None:
            leaf = Tensor(x, requires_grad=True)
            loss = self.fun(leaf, *self.args)
            return Evaluation(x, _scalar(loss), lambda: self._with_hessian(x, *self._pulled(loss, leaf)), self.counts)
        if self.jac is True:
            f, g = self.fun(x.copy(), *self.args)
            return Evaluation(x, _scalar(f), lambda: self._with_hessian(x, _vector("jac", g, x), None), self.counts)
        f = self.fun(x.copy(), *self.args)
        return Evaluation(
            x, _scalar(f), lambda: self._with_hessian(x, _vector("jac", self.jac(x.copy(), *self.args), x), None), self.counts
        )

    @staticmethod
    def _pulled(loss: Any, leaf: Tensor) -> tuple[Vector, Any]:
        if not isinstance(loss, Tensor):
            raise TypeError(
                f"minimize: fun(x) must return a Tensor to be differentiated, got {type(loss).__name__}. "
                f"Write it with NumPy's functions, or give jac= (and hessp= or hess=)."
            )
        (g,), product = gradient_and_hvp(loss, [leaf])
        return g, product

    def _with_hessian(self, x: Vector, g: Vector, product: Any) -> Derivatives:
        if self.hess is not None:
            H = np.asarray(self.hess(x.copy(), *self.args), dtype=np.float64)
            if H.shape != (x.size, x.size):
                raise ValueError(f"minimize: hess(x) must have shape {(x.size, x.size)}, got {H.shape}.")
            return Derivatives(g, lambda v: H @ v, lambda: H)
        if self.hessp is not None:
            return Derivatives(g, lambda v: _vector("hessp", self.hessp(x.copy(), v.copy(), *self.args), x))
        if product is None:

            def missing(v: Vector) -> Vector:
                raise TypeError("minimize: with jac= of your own, Newton methods also need hessp= or hess=.")

            return Derivatives(g, missing)
        return Derivatives(g, lambda v: product([v])[0], lambda: product([np.eye(x.size)], lead=(x.size,))[0])


def _scalar(f: Any) -> float:
    value = np.asarray(f.data if isinstance(f, Tensor) else f)
    if value.size != 1:
        raise ValueError(f"minimize: fun(x) must return one number, got shape {value.shape}.")
    return float(value.reshape(()))


def _vector(name: str, value: Any, x: Vector) -> Vector:
    array = np.asarray(value, dtype=np.float64)
    if array.shape != x.shape:
        raise ValueError(f"minimize: {name} must return shape {x.shape}, got {array.shape}.")
    return array


class ClosureObjective:
    """A closure's loss as a function of the parameters taken as one float64 vector.

    Evaluating writes the point into the parameters; `put` writes without evaluating. The loss gets ½Σλw² added, with each
    parameter's own λ, so that f, g and Hv all know of the weight decay.

    Args:
        closure: returns the loss, a scalar Tensor, or (loss, outputs).
        parameters: the leaves that make up the vector, in order.
        decay: λ of each parameter.
    """

    def __init__(self, closure: Callable[[], Any], parameters: Sequence[Tensor], decay: Sequence[float], call: str) -> None:
        self.closure, self.parameters, self.call = closure, list(parameters), call
        self.counts = Counts()
        ends = np.cumsum([0, *(p.size for p in self.parameters)])
        self._places = [slice(a, b) for a, b in zip(ends[:-1], ends[1:], strict=True)]
        self.decay = np.concatenate([np.full(p.size, d) for p, d in zip(self.parameters, decay, strict=True)] or [np.zeros(0)])

    @property
    def x(self) -> Vector:
        """The parameters as they are."""
        return self._joined([p.data for p in self.parameters])

    def put(self, x: Vector) -> None:
        for p, place in zip(self.parameters, self._places, strict=True):
            p.data[...] = x[place].reshape(p.shape)
            p.touch()

    def __call__(self, x: Vector) -> Evaluation:
        self.put(x)
        return self.here()

    def here(self) -> Evaluation:
        """The evaluation at the parameters as they are."""
        self.counts.nfev += 1
        x = self.x
        loss, _ = self.run()
        f = float(loss) + 0.5 * float(self.decay @ (x * x))
        return Evaluation(x, f, lambda: self._derivatives(loss, x), self.counts)

    def run(self) -> tuple[Tensor, Any]:
        """(loss, outputs or None) of the closure, checked."""
        result = self.closure()
        loss, outputs = result if isinstance(result, tuple) and len(result) == 2 else (result, None)
        if not isinstance(loss, Tensor):
            raise TypeError(
                f"`{self.call}.step(closure)`: the closure must return the loss, a Tensor, got {result!r:.60}. "
                f"Is `return` missing?"
            )
        if loss.size != 1:
            raise ValueError(f"`{self.call}.step(closure)`: the loss must be a scalar, got shape {loss.shape}.")
        self.loss = loss
        return loss, outputs

    def _derivatives(self, loss: Tensor, x: Vector) -> Derivatives:
        gradients, product = gradient_and_hvp(loss, self.parameters)

        def hv(v: Vector) -> Vector:
            return self._joined(product(self._parts(v))) + self.decay * v

        def hessian() -> Vector:
            n = x.size
            blocks = [np.eye(n)[:, place].reshape((n, *p.shape)).astype(p.dtype)
                      for p, place in zip(self.parameters, self._places, strict=True)]  # fmt: skip
            rows = np.concatenate([r.reshape(n, -1) for r in product(blocks, lead=(n,))], axis=1).astype(np.float64)
            return rows + np.diag(self.decay)

        return Derivatives(self._joined(gradients) + self.decay * x, hv, hessian)

    def _parts(self, v: Vector) -> list[Any]:
        return [v[place].reshape(p.shape).astype(p.dtype) for p, place in zip(self.parameters, self._places, strict=True)]

    def _joined(self, arrays: Sequence[Any]) -> Vector:
        return np.concatenate([a.reshape(-1) for a in arrays] or [np.zeros(0)]).astype(np.float64)
