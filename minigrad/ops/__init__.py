"""The table of rules, split by topic. Importing this package fills `RULES`, where NumPy calls on Tensors are
looked up; the topics in `LATE` follow when a function is met that has no rule yet."""

from minigrad.arraylike import LATE
from minigrad.ops import elementwise as elementwise
from minigrad.ops import index as index
from minigrad.ops import linalg as linalg
from minigrad.ops import reduce as reduce
from minigrad.ops import shape as shape

LATE += [
    "minigrad.ops.moving",
    "minigrad.ops.assembling",
    "minigrad.ops.einsum",
    "minigrad.ops.multilinear",
    "minigrad.ops.solving",
    "minigrad.ops.eigen",
    "minigrad.ops.singular",
    "minigrad.ops.triangular",
    "minigrad.ops.cumulative",
    "minigrad.ops.statistics",
    "minigrad.ops.calculus",
    "minigrad.ops.constants",
    "minigrad.ops.fft",
    "minigrad.special",
]
