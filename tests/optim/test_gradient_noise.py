"""Gradients of single samples, and the statistics of their noise, against a loop over the samples."""

import math

import numpy as np
import pytest

import optim
from minigrad import CaptureError, Tensor, grad
from models import MLP, Dropout, Sequential, cross_entropy, mse_loss
from models.datasets import moons
from optim.curvature import noise as module
from optim.curvature.moments import Moments

RNG = np.random.default_rng


class Net:
    """A model, its data, and its loss as a closure of a batch."""

    def __init__(self, widths=(2, 8, 2), m=30, dtype=np.float64):
        data = moons(m, noise=0.2, rng=0)
        self.X, self.y = data.X.astype(dtype), data.y
        self.model = MLP(widths, "tanh", rng=0)
        if dtype != np.float64:
            self.model = self.model.astype(dtype) if hasattr(self.model, "astype") else self.model

    def loss(self, x, y):
        return cross_entropy(self.model(x), y)

    def looped(self):
        """{name: (m, *shape)} by one backward a sample."""
        found = {name: [] for name, _ in self.model.named_parameters()}
        for i in range(len(self.X)):
            for _, p in self.model.named_parameters():
                p.grad = None
            self.loss(self.X[i : i + 1], self.y[i : i + 1]).backward()
            for name, p in self.model.named_parameters():
                found[name].append(p.grad.copy())
                p.grad = None
        return {name: np.array(rows) for name, rows in found.items()}


@pytest.fixture(scope="module")
def net():
    return Net()


def test_a_closure_over_parameters(net):
    found = optim.per_sample_gradients(net.loss, net.model.named_parameters(), (net.X, net.y))
    expected = net.looped()
    assert list(found) == list(expected)
    for name, rows in expected.items():
        assert type(found[name]) is np.ndarray
        np.testing.assert_allclose(found[name], rows, rtol=1e-12, atol=1e-14)
    assert all(p.grad is None for p in net.model.parameters())


FUNCTIONS = {
    "a vector": (lambda w, x: np.mean(np.sin(x @ w)), np.array([0.3, -1.0, 2.0]), (3,)),
    "a dict": (
        lambda w, x: np.mean((np.tanh(x @ w["A"]) @ w["b"] - 1) ** 2),
        {"A": RNG(0).normal(size=(3, 2)), "b": np.ones(2)},
        (3,),
    ),
    "a number": (lambda w, x: np.mean(np.exp(w * x)), 0.5, ()),
    "unused": (lambda w, x: np.mean(w[0] * x**2), [np.array([2.0]), np.ones(2)], (1,)),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_of_arrays(name):
    f, w, shape = FUNCTIONS[name]
    x = RNG(1).normal(size=(7, *shape))
    found = optim.per_sample_gradients(f, w, x)
    rows = [grad(f)(w, x[i : i + 1]) for i in range(7)]
    if isinstance(w, dict):
        for key in w:
            np.testing.assert_allclose(found[key], [row[key] for row in rows], rtol=1e-12)
    elif isinstance(w, list):
        for i in range(len(w)):
            np.testing.assert_allclose(found[i], [row[i] for row in rows], rtol=1e-12)
    else:
        np.testing.assert_allclose(found, rows, rtol=1e-12)


def test_float32_stays_float32():
    w = np.ones(2, np.float32)
    x = np.arange(6, dtype=np.float32).reshape(3, 2)
    f = lambda w, x: np.mean((x @ w) ** 2)  # noqa: E731
    assert optim.per_sample_gradients(f, w, x).dtype == np.float32
    found = optim.gradient_noise(f, w, x)
    assert (found.mean.dtype, found.gsnr.dtype) == (np.float32, np.float32)
    rows = np.array([grad(f)(w.astype(float), x[i : i + 1].astype(float)) for i in range(3)])
    np.testing.assert_allclose(found.variance, rows.var(axis=0, ddof=1), rtol=1e-5)


@pytest.mark.parametrize("most", [1024, 7, 1])
def test_the_noise_is_that_of_a_loop_whatever_the_portions(net, monkeypatch, most):
    monkeypatch.setattr(module, "MOST", most)
    found = optim.gradient_noise(net.loss, net.model.named_parameters(), (net.X, net.y))
    rows = net.looped()
    m = len(net.X)
    trace = sum(g.var(axis=0, ddof=1).sum() for g in rows.values())
    size = sum((g.mean(axis=0) ** 2).sum() for g in rows.values()) - trace / m
    assert found.samples == m
    assert found.covariance_trace == pytest.approx(trace, rel=1e-10)
    assert found.squared_norm == pytest.approx(size, rel=1e-10)
    assert found.noise_scale == pytest.approx(trace / size, rel=1e-10)
    for name, g in rows.items():
        mean, variance = g.mean(axis=0), g.var(axis=0, ddof=1)
        np.testing.assert_allclose(found.mean[name], mean, rtol=1e-9, atol=1e-14)
        np.testing.assert_allclose(found.variance[name], variance, rtol=1e-9, atol=1e-16)
        np.testing.assert_allclose(
            found.gsnr[name], (mean**2 - variance / m) / variance, rtol=1e-7, atol=1e-9
        )


def test_the_mean_is_the_gradient_of_the_whole_batch(net):
    found = optim.gradient_noise(net.loss, net.model.named_parameters(), (net.X, net.y))
    net.loss(net.X, net.y).backward()
    for name, p in net.model.named_parameters():
        np.testing.assert_allclose(found.mean[name], p.grad, rtol=1e-9, atol=1e-14)
        p.grad = None


def test_the_estimates_have_no_bias():
    """Over many draws of samples the means are the truth; ‖ḡ‖² alone would be 1.5 for m = 2.

    The gradient of ½(w − x)² is w − x, so that G = −1 and σ² = 1 where x is drawn from N(1, 1) and w is 0."""
    f = lambda w, x: np.mean((w - x) ** 2) / 2  # noqa: E731
    draws = RNG(0).normal(1.0, 1.0, size=(300, 2))
    found = [optim.gradient_noise(f, np.zeros(1), x) for x in draws]
    for values, truth in (
        ([a.squared_norm for a in found], 1.0),
        ([a.covariance_trace for a in found], 1.0),
    ):
        error = np.std(values, ddof=1) / math.sqrt(len(values))
        assert abs(np.mean(values) - truth) < 3 * error < 0.35


def test_samples_that_agree_have_no_noise_and_those_that_cancel_no_scale():
    f = lambda w, x: np.mean(w[0] * x)  # noqa: E731
    w = [np.ones(1), np.ones(1)]
    same = optim.gradient_noise(f, w, np.full(4, 3.0))
    assert (same.covariance_trace, same.squared_norm, same.noise_scale) == (0.0, 9.0, 0.0)
    assert same.gsnr[0].tolist() == [math.inf]
    assert np.isnan(same.gsnr[1]).all()
    cancel = optim.gradient_noise(f, w, np.array([-1.0, 1.0]))
    assert cancel.squared_norm == -1.0
    assert cancel.noise_scale == math.inf
    assert cancel.gsnr[0].tolist() == [-0.5]


def test_moments_do_not_cancel():
    x = 1e8 + RNG(0).normal(size=(50, 3))
    moments = Moments()
    for a, b in ((0, 1), (1, 20), (20, 50)):
        moments.add(x[a:b])
    np.testing.assert_allclose(moments.variance, x.var(axis=0, ddof=1), rtol=1e-6)
    np.testing.assert_allclose(moments.mean, x.mean(axis=0), rtol=1e-15)


def test_notebooks_show_the_numbers(net):
    page = optim.gradient_noise(net.loss, net.model.parameters(), (net.X, net.y))._repr_html_()
    assert "noise_scale" in page


def branching(x):
    return np.mean(x) if x.sum().item() > 0 else np.mean(-x)


W = Tensor([1.0, 2.0], requires_grad=True)
DROPPING = Sequential(MLP((2, 3), rng=0), Dropout(0.5, rng=0))
BOTH = ("per_sample_gradients", "gradient_noise")
BAD = {
    "rows that differ": (lambda w, x, y: np.mean(w * x), np.ones(1), (np.ones(3), np.ones(2)), ValueError,
        r"\(batch=...\)`: the arrays of a batch must have one row for each sample.*\(3,\), \(2,\)"),
    "no rows": (lambda w, x: np.mean(w * x), np.ones(1), np.zeros((0, 2)), ValueError, "one sample at least"),
    "a number": (lambda w, x: np.mean(w * x), np.ones(1), 3.0, ValueError, "one row for each sample"),
    "no arrays": (lambda w: np.mean(w), np.ones(1), (), ValueError, "one row for each sample"),
    "one array too many": (lambda w, x: np.mean(w * x), np.ones(1), (np.ones(3), np.ones(3)), TypeError,
        r"f must take x and the arrays of a batch: f\(x, \*batch\)"),
    "a closure without a batch": (lambda: np.sum(W * W), [W], np.ones(3), TypeError,
        "the arrays of a batch alone"),
    "a model": (lambda x: 0.0, DROPPING, np.ones((3, 2)), TypeError,
        r"needs the parameters, got the Sequential.*lambda x, y: loss\(model\(x\), y\), model.parameters"),
    "not a scalar": (lambda w, x: w * x, np.ones(2), np.ones((3, 2)), ValueError, "one real number"),
    "branches": (lambda w, x: branching(w * x), np.ones(2), np.ones((3, 2)), CaptureError, "item"),
    "dropout": (lambda x: mse_loss(DROPPING(x), np.zeros((1, 3))), DROPPING.parameters(), np.ones((3, 2)),
        CaptureError, "random"),
}  # fmt: skip


@pytest.mark.parametrize("name", BOTH)
@pytest.mark.parametrize("case", BAD)
def test_refused(name, case):
    f, x, batch, error, message = BAD[case]
    with pytest.raises(error, match=message):
        getattr(optim, name)(f, x, batch)


def test_noise_refuses_one_sample_and_what_is_not_finite():
    f = lambda w, x: np.mean(np.sqrt(w * x))  # noqa: E731
    with pytest.raises(
        ValueError, match=r"`gradient_noise\(batch=...\)` must hold two samples at least, got 1"
    ):
        optim.gradient_noise(f, np.ones(1), np.ones(1))
    with pytest.raises(FloatingPointError, match="every sample's gradient must be finite"):
        optim.gradient_noise(f, np.ones(1), np.array([1.0, 0.0]))
