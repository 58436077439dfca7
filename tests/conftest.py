"""Before NumPy is loaded: one BLAS thread for each test process. Two of them on two cores spend their time waiting for one
another, as the threads of OpenBLAS spin."""

import os

for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")
