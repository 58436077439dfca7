"""minigrad: reverse- and forward-mode differentiation of NumPy code, on one graph."""

from minigrad.errors import DerivativeError as DerivativeError
from minigrad.errors import StaleGraphError as StaleGraphError
from minigrad.families import bilinear as bilinear
from minigrad.families import elementwise as elementwise
from minigrad.families import linear as linear_op
from minigrad.mode import no_grad as no_grad
from minigrad.mode import trace_source as trace_source
from minigrad.ops.elementwise import relu as relu
from minigrad.ops.elementwise import sigmoid as sigmoid
from minigrad.ops.elementwise import softplus as softplus
from minigrad.ops.index import index_add as index_add
from minigrad.ops.index import index_set as index_set
from minigrad.ops.linalg import linear as linear
from minigrad.ops.reduce import log_softmax as log_softmax
from minigrad.ops.reduce import logsumexp as logsumexp
from minigrad.ops.reduce import softmax as softmax
from minigrad.tensor import Op as Op
from minigrad.tensor import Tensor as Tensor
from minigrad.transforms import grad as grad
from minigrad.transforms import hessian as hessian
from minigrad.transforms import hvp as hvp
from minigrad.transforms import jacobian as jacobian
from minigrad.transforms import jvp as jvp
from minigrad.transforms import linearize as linearize
from minigrad.transforms import value_and_grad as value_and_grad
from minigrad.transforms import vjp as vjp
