"""This sets one BLAS thread for each test process, before NumPy is loaded. Two test processes on two cores
would spend their time waiting for one another, because the threads of OpenBLAS spin.

The packages are imported here, so that pytest, which imports a file by its path, takes these modules when it
runs the examples in their docstrings, and does not make a second one of each. The generator that tests draw
from is here too.

What collecting the tests has made stays until the end, and so does most of what the tests of a file leave.
It is set aside for Python's garbage collector, which would otherwise walk through all of it each time that a
test asks it to collect.
"""

import gc
import importlib
import os
import zlib

import pytest

for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")
for name in ("minigrad", "models", "optim"):
    importlib.import_module(name)
# Not imported above, because it loads NumPy. A busy machine is no fault of the example that it drew.
hypothesis = importlib.import_module("hypothesis")
hypothesis.settings.register_profile("no deadline", deadline=None)
hypothesis.settings.load_profile("no deadline")


def pytest_collection_finish():
    set_aside()


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item, nextitem):
    if nextitem is None or nextitem.path != item.path:
        set_aside()


def set_aside():
    gc.collect()
    gc.freeze()


@pytest.fixture
def rng(request):
    """A generator of the test's own, seeded by its name: its data do not depend on what ran before."""
    import numpy as np  # only now, see above

    return np.random.default_rng(zlib.crc32(request.node.nodeid.encode()))
