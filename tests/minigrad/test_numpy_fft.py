"""Fourier transforms: values for every length and norm, derivatives of complex arrays, refusals, replays."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minigrad as mg
from minigrad import Tensor

ONE_AXIS = ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft")
SEVERAL = ("fft2", "ifft2", "rfft2", "irfft2", "fftn", "ifftn", "rfftn", "irfftn")
NORMS = (None, "backward", "ortho", "forward")


def agree(transform, x, **options):
    """Values are NumPy's, and ⟨g, F·x⟩ = ⟨Fᵀ·g, x⟩ up to the imaginary part, because every F is linear."""
    expected = transform(x, **options)
    y, pullback = mg.vjp(lambda x: transform(x, **options), x)
    assert y.dtype == expected.dtype
    np.testing.assert_allclose(y, expected, rtol=1e-13, atol=1e-14)
    g = np.cos(np.arange(y.size)).reshape(y.shape).astype(y.dtype)
    g = g + (0.3j * g[..., ::-1] if np.iscomplexobj(g) else 0)
    left, right = np.sum(g * y), np.sum(pullback(g)[0] * x)
    assert np.real(left) == pytest.approx(np.real(right), rel=1e-12, abs=1e-12)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(ONE_AXIS), st.integers(2, 6), st.sampled_from([None, 1, 2, 3, 6, 7]),
       st.sampled_from(NORMS), st.sampled_from([0, -1]), st.booleans())  # fmt: skip
def test_every_length_norm_and_axis(name, size, n, norm, axis, is_complex):
    x = np.sin(1.0 + np.arange(3.0 * size)).reshape((size, 3) if axis == 0 else (3, size))
    if is_complex and name not in ("rfft", "ihfft"):
        x = x + 1j * np.cos(2 * x)
    for view in (x, x[::-1], np.asfortranarray(x)):
        agree(getattr(np.fft, name), view, n=n, axis=axis, norm=norm)


@pytest.mark.parametrize("name", SEVERAL)
@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize(("s", "axes"), [(None, (0, 2)), ((3, 4), (1, -1)), ((2, -1), (2, 0)), ((5,), (1,))])
def test_several_axes(name, norm, s, axes):
    x = np.sin(1.0 + np.arange(24.0)).reshape(2, 3, 4)
    agree(getattr(np.fft, name), x, s=s, axes=axes, norm=norm)


@pytest.mark.parametrize("name", ONE_AXIS)
def test_float32_and_whole_numbers_have_numpys_dtypes(name):
    transform = getattr(np.fft, name)
    for x in (np.arange(4, dtype=np.float32), np.arange(4)):
        assert transform(Tensor(x)).dtype == transform(x).dtype


def test_the_complex_derivative_is_that_of_an_analytic_function():
    z = np.array([1 + 2j, 0.5 - 1j, -0.3 + 0.1j])
    g = mg.grad(lambda z: np.sum(np.abs(np.fft.fft(z)) ** 2))(z)
    np.testing.assert_allclose(g, 2 * 3 * np.conj(z), rtol=1e-13)  # Parseval: Σ|Fz|² = 3·Σ|z|²


REFUSED = [
    (lambda x: np.fft.fft(x, 0), r"np.fft.fft needs a length of at least 1, got n=0"),
    (lambda x: np.fft.rfft(x + 1j), r"np.fft.rfft takes a real array.*np.fft.fft"),
    (lambda x: np.fft.ifft(x, norm="unitary"), r"np.fft.ifft\(norm=...\) must be one of .*got 'unitary'"),
    (lambda x: np.fft.fft(x[0]), "np.fft.fft needs an axis"),
    (lambda x: np.fft.fftn(x, s=(2, 2), axes=(0,)), "one length for each axis"),
    (lambda x: np.fft.fft(x, out=np.zeros(3, complex)), r"np.fft.fft\(out=...\) is not supported"),
]


@pytest.mark.parametrize(("call", "text"), REFUSED)
def test_refusals_name_the_call_and_the_remedy(call, text):
    with pytest.raises((TypeError, ValueError), match=text):
        call(Tensor(np.ones(3), requires_grad=True))
