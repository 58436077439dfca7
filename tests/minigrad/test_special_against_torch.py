"""Running results, quantiles, Fourier transforms and special functions against PyTorch."""

import numpy as np
import pytest

import minigrad as mg
from minigrad import special

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.oracle

X = np.array([[0.3, -1.2, 2.2], [1.7, 0.4, -0.6]])
P = np.array([[0.3, 1.2, 2.2], [1.7, 0.4, 0.6]])
UNIT = np.array([0.2, 0.5, 0.9])

PAIRS = [
    ("cumsum", lambda x: np.cumsum(x, 1), lambda x: torch.cumsum(x, 1), X),
    ("cumprod, a zero", lambda x: np.cumprod(x, 1), lambda x: torch.cumprod(x, 1), X * [1, 0, 1]),
    ("maximum.accumulate", lambda x: np.maximum.accumulate(x, 1), lambda x: torch.cummax(x, 1).values, X),
    ("logaddexp.accumulate", lambda x: np.logaddexp.accumulate(x, 1), lambda x: torch.logcumsumexp(x, 1), X),
    ("quantile", lambda x: np.quantile(x, 0.3, 1), lambda x: torch.quantile(x, 0.3, 1), X),
    ("nansum", lambda x: np.nansum(x, 0), lambda x: torch.nansum(x, 0), X * [1, np.nan, 1]),
    ("nanmedian", lambda x: np.nanmedian(x, 1), lambda x: torch.nanquantile(x, 0.5, 1), X * [1, np.nan, 1]),
    ("std", lambda x: np.std(x, 1, correction=1), lambda x: torch.std(x, 1), X),
    ("cov", np.cov, torch.cov, X),
    ("corrcoef", np.corrcoef, torch.corrcoef, X),
    ("gradient", lambda x: np.gradient(x, axis=1), lambda x: torch.gradient(x, dim=1)[0], X),
    ("trapezoid", np.trapezoid, torch.trapezoid, X),
    ("rfft", lambda x: np.abs(np.fft.rfft(x)), lambda x: torch.abs(torch.fft.rfft(x)), X),
    ("irfft", lambda x: np.fft.irfft(x, 5), lambda x: torch.fft.irfft(x, 5), X),
    ("fft2", lambda x: np.abs(np.fft.fft2(x)), lambda x: torch.fft.fft2(x).abs(), X),
    ("hfft", lambda x: np.fft.hfft(x), lambda x: torch.fft.hfft(x), X),
    ("erfinv", special.erfinv, lambda x: torch.special.erfinv(x), UNIT),
    ("erfcx", special.erfcx, lambda x: torch.special.erfcx(x), X),
    ("log_ndtr", special.log_ndtr, lambda x: torch.special.log_ndtr(x), X),
    ("ndtri", special.ndtri, lambda x: torch.special.ndtri(x), UNIT),
    ("gammaln", special.gammaln, lambda x: torch.special.gammaln(x), P),
    ("digamma", special.digamma, lambda x: torch.special.digamma(x), X),
    ("polygamma", lambda x: special.polygamma(2, x), lambda x: torch.special.polygamma(2, x), P),
    ("i0e", special.i0e, lambda x: torch.special.i0e(x), X),
    ("i1", special.i1, lambda x: torch.special.i1(x), X),
    ("xlogy", lambda x: special.xlogy(x, x + 1), lambda x: torch.special.xlogy(x, x + 1), P),
    ("entr", special.entr, lambda x: torch.special.entr(x), P),
    ("logit", special.logit, lambda x: torch.special.logit(x), UNIT),
]  # fmt: skip


@pytest.mark.parametrize(("f", "its", "x"), [p[1:] for p in PAIRS], ids=[p[0] for p in PAIRS])
def test_value_and_gradient(f, its, x):
    weights = np.cos(np.arange(np.size(f(x)))).reshape(np.shape(f(x)))
    value, slope = mg.value_and_grad(lambda x: np.sum(f(x) * weights))(x)
    z = torch.tensor(x, requires_grad=True)
    wanted = (its(z) * torch.tensor(weights)).sum()
    wanted.backward()
    np.testing.assert_allclose(value, wanted.detach().numpy(), rtol=1e-11)
    np.testing.assert_allclose(slope, z.grad.numpy(), rtol=1e-9, atol=1e-12)
