"""f of one vector, given as a function of an array or as a closure over parameters.

Both are an `Objective`, which methods ask for an `Evaluation`; see `optim.second_order.evaluation`.

Names: `x` the point, a float64 vector (n,); `f` `g` value and gradient there; `v` a direction.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minigrad import Tensor, gradient_and_hvp
from minigrad.extend import (
    Bound,
    Compiled,
    CurvaturePoint,
    CurvatureRequest,
    GaussNewton,
    Packing,
    require_plain,
    scope,
)
from optim.base.loss import no_loss, not_one_number
from optim.second_order.evaluation import Counts, Derivatives, Evaluation, Product, Vector

__all__ = ["ClosureObjective", "FunctionObjective", "Graph"]


class Graph:
    """Gradient and products of a recorded loss with respect to some leaves taken as one vector."""

    def __init__(self, leaves: Sequence[Tensor], counts: Counts) -> None:
        self.leaves, self.counts = list(leaves), counts
        self.packing = Packing(self.leaves)

    def derivatives(
        self,
        loss: Tensor,
        outputs: Any = None,
        decay: Any = 0.0,
        curvature: CurvatureRequest | None = None,
    ) -> Derivatives:
        """The derivatives of loss + ½Σ decay·w²; a `curvature` that does not replay yet counts products."""
        with np.errstate(all="ignore"):
            gradients, product = gradient_and_hvp(loss, self.leaves)
        if curvature is not None:
            product = curvature.counted(product)
        found = self._found(gradients, product, decay)
        if outputs is None:
            return found
        gauss_newton = GaussNewton(loss, outputs, self.leaves)

        def pulled(signs: Callable[[int], Vector]) -> Vector:
            slope = gauss_newton.slope
            rows = signs(len(slope)).reshape(-1, *(1,) * (slope.ndim - 1))
            joined: Vector = self.packing.join(gauss_newton.pulled(slope * rows.astype(slope.dtype)))
            return joined

        return found._replace(ggn=self._counted(gauss_newton.product, decay), pulled=pulled)

    def replayed(self, point: CurvaturePoint, decay: Any = 0.0) -> Derivatives:
        """The same derivatives of a loss that is replayed; the leaves are as they were at the point."""
        with np.errstate(all="ignore"):
            return self._found(point.gradient(), point.product, decay)

    def _found(
        self, gradients: Sequence[Any], product: Callable[..., Sequence[Any]], decay: Any
    ) -> Derivatives:
        hv = self._counted(product, decay)
        x = self.packing.join([p.data for p in self.leaves])
        g = self.packing.join(gradients) + decay * x
        n = self.packing.n
        return Derivatives(g, hv, lambda: hv(np.eye(n)) if n else np.zeros((0, 0)))

    def _counted(self, product: Callable[..., Sequence[Any]], decay: Any) -> Product:
        """`product` as a function of one vector, or of rows of vectors, that counts its products."""

        def times(v: Vector) -> Vector:
            lead = v.shape[:-1]
            self.counts.products(len(v) if lead else 1)
            total: Vector = self.packing.join(product(self.packing.split(v), lead=lead), lead) + decay * v
            return total

        return times


class FunctionObjective:
    """A function of one array, as f of a vector: differentiated by minigrad, or with derivatives of the
    caller's own.

    Args:
        fun: x ↦ f(x); written in NumPy if it is to be differentiated, any callable if `jac` is given.
            `jac=True` says that fun returns (f, g).
        args: further arguments of fun, jac, hessp and hess.
        jac, hess, hessp: x ↦ g, x ↦ H, (x, v) ↦ Hv. A function whose `jac` is the caller's own is never
            differentiated. Each call of hessp counts as a product, and so does each of hess, whose products
            are then free.
        shape: of the array that fun, jac and hessp take; that of the vector if not given.
    """

    def __init__(
        self,
        fun: Callable[..., Any],
        args: tuple[Any, ...] = (),
        jac: Any = None,
        hess: Any = None,
        hessp: Any = None,
        shape: tuple[int, ...] | None = None,
    ) -> None:
        self.fun, self.args, self.jac, self.hess, self.hessp, self.shape = fun, args, jac, hess, hessp, shape
        self.counts = Counts()
        self._curvature: CurvatureRequest | None = None

    def __call__(self, x: Vector) -> Evaluation:
        x = np.array(x, dtype=np.float64)
        self.counts.value()
        with np.errstate(all="ignore"):
            if self.jac is None and isinstance(self.fun, Compiled):
                return self._replayed(self.fun, x) or self._recorded(self.fun.function, x)
            if self.jac is None:
                return self._recorded(self.fun, x)
            f = self.fun(self._given(x), *self.args)
            if self.jac is True:
                f, g = _pair(f)
                g = _array("jac", g, self._shape(x)).ravel()
                return Evaluation(x, _scalar(f), lambda: self._own(x, Derivatives(g, _missing)), self.counts)
            return Evaluation(
                x, _scalar(f), lambda: self._own(x, Derivatives(self._gradient(x), _missing)), self.counts
            )

    def _recorded(self, fun: Callable[..., Any], x: Vector) -> Evaluation:
        """Value and, when asked for, derivatives of a function that minigrad records anew."""
        leaf = Tensor(self._given(x), requires_grad=True)
        with scope(recording=True):
            loss = fun(leaf, *self.args)
        return Evaluation(
            x, _scalar(loss), lambda: self._own(x, self._differentiated(loss, leaf)), self.counts
        )

    def _replayed(self, fun: Compiled, x: Vector) -> Evaluation | None:
        """Value and, when asked for, derivatives of a compiled function, from one capture for all points;
        None if it is not captured yet."""
        if self._curvature is None:
            leaf = Tensor(self._given(x), requires_grad=True, name="x")
            self._curvature = CurvatureRequest(
                Compiled(lambda *args: fun.function(leaf, *args)), [leaf], self
            )
        curvature = self._curvature
        curvature.leaves[0].assign(self._given(x))
        point = curvature.at(curvature.compiled.at(*self.args))
        if point is None:
            return None

        def derivatives() -> Derivatives:
            curvature.leaves[0].assign(self._given(x))
            return self._own(x, Graph(curvature.leaves, self.counts).replayed(point))

        return Evaluation(x, _scalar(point.loss), derivatives, self.counts)

    def _shape(self, x: Vector) -> tuple[int, ...]:
        return x.shape if self.shape is None else self.shape

    def _given(self, x: Vector) -> Vector:
        """A copy that the caller's function may keep or change."""
        return x.reshape(self._shape(x)).copy()

    def _gradient(self, x: Vector) -> Vector:
        with np.errstate(all="ignore"):
            return _array("jac", self.jac(self._given(x), *self.args), self._shape(x)).ravel()

    def _differentiated(self, loss: Any, leaf: Tensor) -> Derivatives:
        if not isinstance(loss, Tensor) or not loss.requires_grad:
            raise TypeError(
                "`minimize(fun, ...)`: fun(x) must return a Tensor that depends on x to be differentiated, "
                f"got {loss!r:.60}. Write it with NumPy's functions on x itself, or give jac= (and hessp= or "
                "hess=)."
            )
        return Graph([leaf], self.counts).derivatives(loss, curvature=self._curvature)

    def _own(self, x: Vector, found: Derivatives) -> Derivatives:
        """`found`, with the caller's hess or hessp, if given, in place of our products."""
        if self.hess is not None:
            known: list[Vector] = []

            def hessian() -> Vector:
                if not known:
                    self.counts.products()
                    with np.errstate(all="ignore"):
                        H = self.hess(self._given(x), *self.args)
                    known.append(
                        _array("hess", H, self._shape(x) * 2, (x.size, x.size)).reshape(x.size, x.size)
                    )
                return known[0]

            return Derivatives(found.g, lambda v: hessian() @ v, hessian)
        if self.hessp is not None:

            def times(v: Vector) -> Vector:
                self.counts.products()
                with np.errstate(all="ignore"):
                    Hv = self.hessp(self._given(x), self._given(v), *self.args)
                return _array("hessp", Hv, self._shape(x)).ravel()

            return Derivatives(found.g, times)
        return found


def _missing(v: Vector) -> Vector:
    raise TypeError(
        "`minimize(jac=...)`: with a gradient of your own, Newton methods also need hessp= or hess=."
    )


def _plain(value: Any) -> Any:
    return value.data if isinstance(value, Tensor) else value


def _scalar(f: Any) -> float:
    require_plain(f, "`minimize(fun, ...)`: the value of fun(x)")
    value = np.asarray(_plain(f))
    if value.size != 1 or value.dtype.kind not in "fiub":
        raise not_one_number("minimize(fun, ...)", "fun(x)", f)
    return float(value.reshape(()))


def _pair(result: Any) -> tuple[Any, Any]:
    if not isinstance(result, tuple | list) or len(result) != 2:
        raise TypeError(f"`minimize(fun, jac=True)`: fun(x) must return (f, gradient), got {result!r:.60}.")
    return result[0], result[1]


def _array(name: str, value: Any, *shapes: tuple[int, ...]) -> Vector:
    """The caller's derivative as a new float64 array of one of these shapes; one number may have any
    shape."""
    require_plain(value, f"`minimize({name}=...)`")
    array = np.asarray(_plain(value))
    if array.dtype.kind not in "fiub":
        raise TypeError(f"`minimize({name}=...)` must return an array of real numbers, got {value!r:.60}.")
    if array.shape not in shapes and not array.size == 1 == math.prod(shapes[0]):
        wanted = " or ".join(map(str, dict.fromkeys(shapes)))
        raise ValueError(f"`minimize({name}=...)` must return shape {wanted}, got {array.shape}.")
    return np.array(array, dtype=np.float64)


class ClosureObjective:
    """A closure's loss as a function of the parameters taken as one float64 vector.

    Evaluating writes the point into the parameters; `put` writes without evaluating. The loss gets ½Σλw²
    added, with each parameter's own λ, so that f, g and Hv all contain the weight decay.

    Args:
        closure: returns the loss, a scalar Tensor, or (loss, outputs).
        parameters: the leaves that make up the vector, in order.
        decay: λ of each parameter.
        call: the name of the optimizer, for errors.
        counts: where calls are counted; by default from 0.
        curvature: replays a compiled closure.
    """

    def __init__(
        self,
        closure: Callable[[], Any],
        parameters: Sequence[Tensor],
        decay: Sequence[float],
        call: str,
        counts: Counts | None = None,
        curvature: CurvatureRequest | None = None,
    ) -> None:
        self.closure, self.parameters, self.call = closure, list(parameters), call
        self._curvature = curvature
        self.counts = Counts() if counts is None else counts
        self._graph = Graph(self.parameters, self.counts)
        self.decay = np.concatenate(
            [np.full(p.size, d) for p, d in zip(self.parameters, decay, strict=True)] or [np.zeros(0)]
        )

    @property
    def x(self) -> Vector:
        """The parameters as they are."""
        joined: Vector = self._graph.packing.join([p.data for p in self.parameters])
        return joined

    def put(self, x: Vector) -> None:
        for p, part in zip(self.parameters, self._graph.packing.split(x), strict=True):
            p.data[...] = part
            p.touch()

    def __call__(self, x: Vector) -> Evaluation:
        self.put(x)
        return self.here()

    def here(self) -> Evaluation:
        """The evaluation at the parameters as they are."""
        self.counts.value()
        x = self.x
        decay, curvature = self.decay, self._curvature
        with np.errstate(all="ignore"):
            penalty = 0.5 * float(decay @ (x * x))
            if isinstance(self.closure, Bound) and curvature is not None:
                point = curvature.at(self.closure)
                if point is not None:
                    self.loss = Tensor(point.loss)
                    f = point.loss.item() + penalty
                    return Evaluation(x, f, lambda: self._graph.replayed(point, decay), self.counts)
            loss, outputs = self._recorded()
        return Evaluation(
            x,
            loss.item() + penalty,
            lambda: self._graph.derivatives(loss, outputs, decay, curvature),
            self.counts,
        )

    def _recorded(self) -> tuple[Tensor, Any]:
        """As `run`; for a closure that is not replayed yet, with recording on and its own check, as then."""
        if not isinstance(self.closure, Bound) or self._curvature is None:
            return self.run()
        with scope(recording=True):
            loss, outputs = self.run()
        self.closure.checked(loss.primal)
        return loss, outputs

    def run(self) -> tuple[Tensor, Any]:
        """(loss, outputs or None) of the closure, checked."""
        result = self.closure()
        loss, outputs = result if isinstance(result, tuple) and len(result) == 2 else (result, None)
        call = f"{self.call}.step(closure)"
        if not isinstance(loss, Tensor) or loss.size != 1:
            raise no_loss(call, loss)
        if not loss.requires_grad:
            raise RuntimeError(
                f"`{call}`: the loss does not depend on a parameter that requires a gradient. Was it made "
                "inside no_grad(), or from .data, .numpy() or .detach()?"
            )
        self.loss = loss
        return loss, outputs
