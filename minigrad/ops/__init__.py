"""The table of rules, split by topic. Importing this package fills `RULES`, where NumPy calls on Tensors are
looked up; the topics in `LATE` follow when a function is met that has no rule yet."""

from minigrad.arraylike import LATE
from minigrad.ops import elementwise as elementwise
from minigrad.ops import index as index
from minigrad.ops import linalg as linalg
from minigrad.ops import reduce as reduce
from minigrad.ops import shape as shape

LATE += ["minigrad.ops.einsum", "minigrad.ops.multilinear"]
LATE += ["minigrad.ops.decompositions", "minigrad.ops.solving"]
LATE += ["minigrad.ops.moving", "minigrad.ops.assembling"]
LATE += ["minigrad.ops.cumulative", "minigrad.ops.constants", "minigrad.ops.statistics", "minigrad.ops.fft"]
LATE += ["minigrad.special"]
LATE += [
    "minigrad.ops.cumulative",
    "minigrad.ops.constants",
    "minigrad.ops.statistics",
    "minigrad.ops.fft",
    "minigrad.ops.calculus",
    "minigrad.special",
]
