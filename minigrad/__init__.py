"""minigrad: reverse- and forward-mode differentiation of NumPy code, on one graph."""

from typing import TYPE_CHECKING

from minigrad.check import check_derivatives as check_derivatives
from minigrad.errors import CaptureError as CaptureError
from minigrad.errors import DerivativeError as DerivativeError
from minigrad.errors import StaleGraphError as StaleGraphError
from minigrad.families import bilinear as bilinear
from minigrad.families import elementwise as elementwise
from minigrad.families import linear_op as linear_op
from minigrad.families import register as register
from minigrad.gauss_newton import ggn_vp as ggn_vp
from minigrad.mode import no_grad as no_grad
from minigrad.mode import trace_source as trace_source
from minigrad.ops.elementwise import relu as relu
from minigrad.ops.elementwise import sigmoid as sigmoid
from minigrad.ops.elementwise import softplus as softplus
from minigrad.ops.index import index_add as index_add
from minigrad.ops.index import index_set as index_set
from minigrad.ops.linalg import linear as linear
from minigrad.ops.random import uniform as uniform
from minigrad.ops.reduce import log_softmax as log_softmax
from minigrad.ops.reduce import logsumexp as logsumexp
from minigrad.ops.reduce import softmax as softmax
from minigrad.replay.compiled import compile as compile
from minigrad.tensor import Op as Op
from minigrad.tensor import Tensor as Tensor
from minigrad.transforms import grad as grad
from minigrad.transforms import gradient_and_hvp as gradient_and_hvp
from minigrad.transforms import hessian as hessian
from minigrad.transforms import hvp as hvp
from minigrad.transforms import jacobian as jacobian
from minigrad.transforms import jvp as jvp
from minigrad.transforms import linearize as linearize
from minigrad.transforms import value_and_grad as value_and_grad
from minigrad.transforms import vjp as vjp

if TYPE_CHECKING:
    from minigrad.drawing.draw import draw as draw


def __getattr__(name: str) -> object:
    """Load `minigrad.draw` when it is first used, because most programs draw nothing."""
    if name == "draw":
        from minigrad.drawing.draw import draw

        globals()["draw"] = draw
        return draw
    raise AttributeError(f"module 'minigrad' has no attribute {name!r}")
