"""Gauss–Newton products: the Hessian of a loss of a model's outputs, without the curvature of the model.

    ∇²(L∘model) = JᵀH_L J + Σᵢ (∂L/∂outᵢ)·∇²outᵢ,   and   G = JᵀH_L J

G is positive semi-definite wherever L is convex in the outputs, for any model; where ∂L/∂out = 0 it equals
the Hessian. A product is three sweeps: push v forward to the outputs, multiply by H_L, pull the result back.

Names: `J` Jacobian of the outputs, `H_L` Hessian of the loss with respect to them, `t` tangents.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minigrad.errors import StaleGraphError, entry
from minigrad.leaving import leave_graph
from minigrad.linear_program import LinearProgram
from minigrad.mode import scope
from minigrad.slices import between
from minigrad.sweeps import own, pull_back, push_forward
from minigrad.tensor import Tensor
from minigrad.transforms import hvp, jvp, vjp

__all__ = ["GaussNewton", "ggn_vp"]

Function = Callable[..., Any]


@entry
def ggn_vp(model_fn: Function, loss_fn: Function, x: Any, v: Any) -> Any:
    """The Gauss–Newton product JᵀH_L J·v of loss_fn(model_fn(x)).

    Args:
        model_fn: x ↦ outputs, an array or a tree of them.
        loss_fn: outputs ↦ scalar.
        x, v: arrays or trees of one structure.

    Returns:
        A tree like x.

    Raises:
        TypeError, ValueError: v does not match x, or loss_fn gives no scalar.

    Reference: Schraudolph 2002, Fast curvature matrix-vector products for second-order gradient descent.

    >>> ggn_vp(lambda x: x**2, lambda y: (y**2).sum(), np.array([1.0, 2.0]), np.array([1.0, 1.0]))
    array([ 8., 32.])
    """
    outputs, t = jvp(model_fn, (x,), (v,))
    return vjp(model_fn, x)[1](hvp(loss_fn, outputs, t))[0]


class GaussNewton:
    """J and G = JᵀH_L J of a recorded graph: `leaves` ↦ `outputs` ↦ scalar `loss`.

    A term of the loss that bypasses `outputs`, such as a penalty on the leaves, is not in G. `product` works
    like that of `gradient_and_hvp`: it takes and returns one array for each leaf, evaluates everything that
    does not depend on the vectors only once, and with `lead=(k,)` takes k directions at once. For L dense
    layers it costs 4L − 2 matrix multiplications.

    >>> w = Tensor([1.0, 2.0], requires_grad=True)
    >>> out = w**2
    >>> GaussNewton((out**2).sum(), out, [w]).product([np.ones(2)])
    [array([ 8., 32.])]
    """

    def __init__(self, loss: Tensor, outputs: Tensor, leaves: Sequence[Tensor]) -> None:
        leave_graph(loss, "GaussNewton(), which gives arrays")
        self.leaves, self.outputs = list(leaves), outputs
        self._model, head = between(leaves, [outputs]), between([outputs], [loss])
        with scope(recording=True, phase="backward"):
            found = pull_back(head, {loss.index: np.ones_like(loss.primal)}, record=True).get(outputs.index)
        self._slope = (
            found
            if isinstance(found, Tensor)
            else Tensor(np.zeros_like(outputs.primal) if found is None else found)
        )
        self._programs: dict[tuple[int, ...], LinearProgram] = {}
        self._indices = [a.index for a in self.leaves]

    @property
    def slope(self) -> Any:
        """∂L/∂outputs."""
        return self._slope.primal.copy()

    def pulled(self, cotangent: Any) -> list[Any]:
        """Jᵀ·cotangent."""
        ends = pull_back(self._model, {self.outputs.index: cotangent})
        return own([ends.get(a.index, np.zeros_like(a.primal)) for a in self.leaves], cotangent)

    def product(self, vectors: Sequence[Any], lead: tuple[int, ...] = ()) -> list[Any]:
        """G·v."""
        if lead not in self._programs:
            if self._indices != [a.index for a in self.leaves]:
                raise StaleGraphError(
                    "the parameters were changed before this product was asked for. Run the loss again."
                )
            self._programs[lead] = self._linear(lead)
        return own(self._programs[lead](vectors), *vectors)

    def _linear(self, lead: tuple[int, ...]) -> LinearProgram:
        """The three sweeps as one recorded program, whose only leaves are the tangents."""
        starts = [Tensor(np.zeros(lead + a.shape, a.dtype), requires_grad=True) for a in self.leaves]
        place, slope = self.outputs.index, self._slope
        with scope(recording=True, phase="tangent"):
            tangents = {a.index: t for a, t in zip(self.leaves, starts, strict=True)}
            t = push_forward(self._model, tangents, lead=lead).get(place)
            curved = (
                {} if t is None else push_forward(between([self.outputs], [slope]), {place: t}, lead=lead)
            )
            u = curved.get(slope.index)
            ends = {} if u is None else pull_back(self._model, {place: u}, lead=lead)
        zeros = [Tensor(np.zeros_like(t.primal)) for t in starts]
        found = [ends.get(a.index) for a in self.leaves]
        return LinearProgram(
            starts, [c if isinstance(c, Tensor) else z for c, z in zip(found, zeros, strict=True)]
        )
