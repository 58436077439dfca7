"""Data to learn from: five small real sets, six generators, and the splitting, batching and scaling around
them.

These files know NumPy and the files in `models/data`; of minigrad they take only that errors show no frames
of ours. Every array returned is the caller's own. Randomness comes from `rng` alone: an int is a seed; a
Generator is drawn from, so it moves on.

    X      inputs: (n, features), float64
    y      targets: (n,), int64 classes 0 … classes−1, or float64 values
    n      number of rows
    order  a permutation of the rows
"""

from models.datasets.dataset import Dataset as Dataset
from models.datasets.generators import blobs as blobs
from models.datasets.generators import chebyshev as chebyshev
from models.datasets.generators import circles as circles
from models.datasets.generators import moons as moons
from models.datasets.generators import spirals as spirals
from models.datasets.generators import xor as xor
from models.datasets.preparing import Scaling as Scaling
from models.datasets.preparing import batches as batches
from models.datasets.preparing import one_hot as one_hot
from models.datasets.preparing import standardize as standardize
from models.datasets.preparing import train_test_split as train_test_split
from models.datasets.real import breast_cancer as breast_cancer
from models.datasets.real import diabetes as diabetes
from models.datasets.real import digits as digits
from models.datasets.real import iris as iris
from models.datasets.real import wine as wine
