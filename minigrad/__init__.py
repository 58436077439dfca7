"""Reverse- and forward-mode differentiation of NumPy code, on one graph.

`import minigrad.numpy as np` is NumPy for programs that fill arrays.

The graph
    Tensor        a NumPy array that remembers how it was made
    no_grad       a block that records nothing
    trace_source  a block whose errors name the line that made a node
    draw          a picture of a graph, a function or an optimizer's formula

Derivatives of functions
    grad               the gradient of a scalar function
    value_and_grad     its value and its gradient, in one pass
    jvp                value and derivative along a direction: forward mode
    vjp                value and pull back: reverse mode
    linearize          value and push forward, for many directions
    jacobian           all first derivatives
    hessian            all second derivatives of a scalar function
    hvp                the Hessian times a vector
    gradient_and_hvp   gradient and Hessian-vector product of a recorded scalar
    ggn_vp             the Gauss–Newton matrix times a vector
    check_derivatives  compares the derivatives of a function with differences
    vmap               a function of one sample, for a batch of them
    compile            the same function, replayed as plain NumPy: faster

Functions that NumPy lacks
    relu         max(x, 0)
    sigmoid      1/(1 + e⁻ˣ)
    softplus     log(1 + eˣ)
    softmax      exp(x)/Σ exp(x)
    log_softmax  x − logsumexp(x)
    logsumexp    log Σ exp(x)
    linear       x·w + b, the dense layer
    index_add    x with values added at an index
    index_set    x with values at an index replaced
    uniform      random numbers that a compiled function draws anew
    special      a module of special functions: erf, gamma, Bessel functions, ...

Operations of your own
    Op           an operation with its derivative rules
    elementwise  makes an op that acts on each element by itself
    linear_op    makes an op from a linear map and its transpose
    bilinear     makes an op from a product
    register     connects a NumPy function with a rule

Errors
    CaptureError     a function cannot be replayed
    DerivativeError  a derivative rule is wrong
    StaleGraphError  a leaf was changed after its graph was recorded
"""

from typing import TYPE_CHECKING as _TYPE_CHECKING

import numpy as _np

from minigrad.errors import CaptureError as CaptureError
from minigrad.errors import DerivativeError as DerivativeError
from minigrad.errors import StaleGraphError as StaleGraphError
from minigrad.families import bilinear as bilinear
from minigrad.families import elementwise as elementwise
from minigrad.families import linear_op as linear_op
from minigrad.families import register as register
from minigrad.habits import PACKAGE as _HABITS
from minigrad.hints import listed as _listed
from minigrad.hints import missing as _missing
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

if _TYPE_CHECKING:
    from minigrad import special as special
    from minigrad.batching import vmap as vmap
    from minigrad.check import check_derivatives as check_derivatives
    from minigrad.drawing.draw import draw as draw
    from minigrad.gauss_newton import ggn_vp as ggn_vp
    from minigrad.replay.compiled import compile as compile

# glibc gives the end of its heap back to the system as soon as 128 KB of it are free. A sweep over arrays of
# such sizes would then fetch its memory anew at each call, page by page, and take twice as long. Once a block
# of n bytes was freed, glibc keeps up to 2n.
_np.empty(1 << 23, _np.uint8)

# The files that are loaded when one of their names is first used, because most programs need none of them.
_LATER = {
    "batching": ("vmap",),
    "check": ("check_derivatives",),
    "drawing.draw": ("draw",),
    "gauss_newton": ("ggn_vp",),
    "replay.compiled": ("compile",),
    "special": ("special",),
}

__all__ = list(_listed(globals(), _LATER))

__version__ = "0.1.0"  # pyproject.toml reads it here
__getattr__ = _missing(__name__, __all__, _HABITS, _LATER | {"numpy": ("numpy",)}, numpys=True)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
