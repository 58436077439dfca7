"""Programs that fill arrays by loops: `minigrad.numpy` gives NumPy's values, and the derivatives that the
complex step finds in the same program."""

import numpy
import pytest

import minigrad.numpy as mnp
from minigrad import CaptureError, compile, grad, hvp, value_and_grad
from tests.minigrad.loop_programs import PROGRAMS

STEP = 1e-150


class Complex:
    """NumPy or `minigrad.numpy` with arrays that are complex unless a dtype is asked for."""

    def __init__(self, np):
        self.np = np

    def __getattr__(self, name):
        found = getattr(self.np, name)
        return (lambda *args: found(*args, dtype=complex)) if name in MAKERS else found


MAKERS = ("zeros", "ones", "empty", "full", "eye", "array", "linspace")


def loss_of(f, np):
    """The program as a scalar function: the sum of what it returns, with weights."""

    def loss(x):
        y = f(np, x)
        return np.sum(y * (1 + numpy.arange(numpy.size(y)).reshape(numpy.shape(y)) % 3))

    return loss


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_has_numpys_values_and_the_derivatives_of_the_complex_step(name):
    f, x = PROGRAMS[name]
    v = numpy.cos(numpy.arange(len(x)))
    y = f(mnp, x)
    numpy.testing.assert_allclose(numpy.asarray(y), f(numpy, x), rtol=1e-15, atol=0)
    plain, ours = loss_of(f, Complex(numpy)), loss_of(f, mnp)
    slope = numpy.array([plain(x + 1j * STEP * e).imag / STEP for e in numpy.eye(len(x))])
    value, gradient = value_and_grad(ours)(x)
    numpy.testing.assert_allclose(value, loss_of(f, numpy)(x), rtol=1e-15)
    close(gradient, slope)
    product = grad(loss_of(f, Complex(mnp)))(x + 1j * STEP * v).imag / STEP
    close(hvp(ours, x, v), product)
    both = compile(lambda x, v: (value_and_grad(ours)(x), hvp(ours, x, v)))
    if hasattr(f, "looks_at_values"):
        with pytest.raises(CaptureError):
            both(x, v)
        return
    both(x * 1.01, -v)
    (value, gradient), replayed = both(x, v)
    numpy.testing.assert_allclose(value, loss_of(f, numpy)(x), rtol=1e-14)
    close(gradient, slope)
    close(replayed, product)


def close(found, expected):
    numpy.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-10 * numpy.abs(expected).max())
