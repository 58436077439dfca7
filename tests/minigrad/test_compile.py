"""Replay: what a compiled function gives is what the function gives, at every call, or it says that it cannot."""

import numpy as np
import pytest

from minigrad import compile, grad, hvp, linearize

rng = np.random.default_rng(0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_two_linearizations_at_once_keep_what_is_theirs(dtype):
    def f(x):
        return (np.sin(x) * np.exp(0.3 * x) / (1 + x * x)).sum()

    compiled = compile(grad(f))
    points = [rng.standard_normal(5).astype(dtype) for _ in range(3)]
    vs = rng.standard_normal((2, 5)).astype(dtype)
    expected = [[hvp(f, x, v) for v in vs] for x in points]
    products = [linearize(compiled, x)[1] for x in points]
    for x in points:
        x += 1  # the caller may go on with it
    found = [[[product(v) for v in vs] for product in products] for _ in range(2)]
    for again in found:
        np.testing.assert_allclose(again, expected, rtol=1e-12 if dtype is np.float64 else 1e-5, atol=0)
