"""A fixture that the tests of minigrad share."""

import pytest

from minigrad.ops import linalg


@pytest.fixture
def matrix_products(monkeypatch):
    """A list that grows by one with each product of matrices."""
    done = []
    for name in ("linear", "matmul_op"):
        op = getattr(linalg, name)
        monkeypatch.setattr(op, "forward", lambda *a, f=op.forward, **k: (done.append(1), f(*a, **k))[1])
    return done
