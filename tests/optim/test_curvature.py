"""Curvature for study: Lanczos, sharpness, spectra, trace and diagonal, against dense linear algebra and
planted spectra."""

import math
import warnings
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import optim
from minigrad import Tensor, hessian, no_grad
from optim.curvature import products as curvature
from optim.second_order.lanczos import lanczos
from tests.problems import counting, leaf, rotation


def planted(spectrum, seed=0, dtype=np.float64):
    """A symmetric matrix with the given eigenvalues in a random frame."""
    n = len(spectrum)
    Q = rotation(np.random.default_rng(seed), n)
    A = (Q * np.asarray(spectrum, dtype=float)) @ Q.T
    return (0.5 * (A + A.T)).astype(dtype)


def quadratic(A):
    """x ↦ ½xᵀAx − Σx, whose Hessian is A."""
    return lambda x: 0.5 * np.sum(x * (A @ x)) - np.sum(x)


def bulk(n, *others, low=-1.0, high=1.0):
    """n eigenvalues: the given ones, and the rest spread evenly over [low, high]."""
    return np.sort(np.concatenate([others, np.linspace(low, high, n - len(others))]))


SPECTRA = {
    "spread": bulk(150),
    "outliers": bulk(150, 10.0, 7.0, 5.0, 4.9),
    "repeated on top": bulk(150, 5.0, 5.0, 5.0, 4.0, 4.0),
    "repeated below the top": bulk(150, 7.0, 5.0, 5.0, 4.0, 3.0, 3.0),
    "repeated everywhere": np.repeat([3.0, 1.0, -2.0], 50),
    "clustered": bulk(150, 2.0, 2.0 - 1e-4, 2.0 - 2e-4),
    "negative": bulk(150, low=-9.0, high=-1.0),
    "negative outliers": bulk(150, -40.0, -30.0, 3.0, 2.0),
    "rank 3": np.array([5.0, 4.0, 3.0] + [0.0] * 147),
    "rank 1, negative": np.array([-5.0] + [0.0] * 149),
    "zero": np.zeros(150),
    "identity": np.ones(150),
    "scales": np.concatenate([10.0 ** np.arange(-6, 7), np.zeros(137)]),
}
each_spectrum = pytest.mark.parametrize("name", SPECTRA)


class Net:
    """A tanh MLP as a function of a tree of weights, and as a closure over parameters."""

    def __init__(self, widths, points=20, seed=0, dtype=np.float64):
        rng = np.random.default_rng(seed)
        self.weights = [
            {
                "W": (rng.standard_normal((a, b)) / math.sqrt(a)).astype(dtype),
                "b": (0.1 * rng.standard_normal(b)).astype(dtype),
            }
            for a, b in pairwise(widths)
        ]
        self.X = rng.standard_normal((points, widths[0])).astype(dtype)
        self.Y = rng.standard_normal((points, widths[-1])).astype(dtype)
        self.parameters = [Tensor(a, requires_grad=True) for layer in self.weights for a in layer.values()]

    def __call__(self, weights):
        h = self.X
        for i, layer in enumerate(weights):
            h = h @ layer["W"] + layer["b"]
            h = np.tanh(h) if i < len(weights) - 1 else h
        return 0.5 * np.mean((h - self.Y) ** 2)

    def closure(self):
        return self([{"W": W, "b": b} for W, b in zip(self.parameters[::2], self.parameters[1::2])])

    def dense(self):
        """The Hessian by the transform, column by column of the flat vector."""
        shapes = [a.shape for layer in self.weights for a in layer.values()]
        flat = np.concatenate([a.ravel() for layer in self.weights for a in layer.values()])
        ends = np.cumsum([0] + [math.prod(s) for s in shapes])

        def f(x):
            parts = [x[a:b].reshape(s) for a, b, s in zip(ends, ends[1:], shapes)]
            return self([{"W": W, "b": b} for W, b in zip(parts[::2], parts[1::2])])

        return hessian(f)(flat)


@pytest.fixture(scope="module")
def net():
    return Net((3, 8, 6, 2))  # n = 100


@pytest.fixture(scope="module")
def dense(net):
    return net.dense()


@pytest.fixture
def counted(monkeypatch):
    """Counts the vectors that Hessian-vector products were asked for."""
    count = Counter()
    monkeypatch.setattr(curvature, "gradient_and_hvp", counting(curvature.gradient_and_hvp, count))
    return count


# Lanczos


@each_spectrum
def test_all_lanczos_steps_give_the_whole_spectrum(name):
    spectrum = np.sort(SPECTRA[name])
    A = planted(spectrum)
    run = lanczos(lambda v: A @ v, 150, 1000, rng=np.random.default_rng(1))
    scale = np.abs(spectrum).max()
    assert run.alpha.shape == run.beta.shape == (150,)
    np.testing.assert_allclose(run.basis @ run.basis.T, np.eye(150), atol=1e-12)
    np.testing.assert_allclose(run.ritz()[0], spectrum, atol=1e-12 * scale)
    assert run.beta[-1] == 0


@given(st.integers(2, 40), st.integers(1, 40), st.integers(0, 10**6))
@settings(max_examples=60, deadline=None)
def test_lanczos_relation(n, k, seed):
    rng = np.random.default_rng(seed)
    A = planted(rng.standard_normal(n), seed)
    start = rng.standard_normal(n)
    run = lanczos(lambda v: A @ v, n, k, rng=rng, start=start)
    m = min(n, k)
    assert len(run.alpha) == m
    Q, T = run.basis, run.basis @ A @ run.basis.T
    np.testing.assert_allclose(Q[0], start / np.linalg.norm(start), atol=1e-14)
    np.testing.assert_allclose(Q @ Q.T, np.eye(m), atol=1e-13)
    np.testing.assert_allclose(np.diag(T), run.alpha, atol=1e-12)
    np.testing.assert_allclose(np.diag(T, 1), run.beta[:-1], atol=1e-12)
    np.testing.assert_allclose(np.triu(T, 2), 0, atol=1e-12)
    # AQᵀ = QᵀT + β q eᵀ: the remainder lies in the last column alone, with norm β
    rest = A @ Q.T - Q.T @ T
    np.testing.assert_allclose(rest[:, :-1], 0, atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(rest[:, -1]), run.beta[-1], atol=1e-12)
    θ, s, residual = run.ritz()
    U = s.T @ Q
    np.testing.assert_allclose(np.linalg.norm(U @ A - θ[:, None] * U, axis=1), residual, atol=1e-12)
    true = np.linalg.eigvalsh(A)
    assert (np.abs(true[:, None] - θ).min(axis=0) <= residual + 1e-12).all()
    assert (θ <= true[-m:] + 1e-12).all()
    assert (θ >= true[:m] - 1e-12).all()


def test_breakdown_can_end_the_process_or_start_a_new_block():
    A = np.diag([5.0, 5.0, 1.0, 1.0, 1.0])
    start = np.array([1.0, 0, 1, 0, 0])
    run = lanczos(
        lambda v: A @ v, 5, 5, rng=np.random.default_rng(0), start=start, stop=lambda run: run.beta[-1] == 0
    )
    assert len(run.alpha) == 2
    np.testing.assert_allclose(run.ritz()[0], [1, 5], atol=1e-14)
    whole = lanczos(lambda v: A @ v, 5, 5, rng=np.random.default_rng(0), start=start)
    np.testing.assert_allclose(whole.ritz()[0], [1, 1, 1, 5, 5], atol=1e-14)
    np.testing.assert_array_equal(whole.alpha[:2], run.alpha)
    assert whole.beta[1] == whole.beta[-1] == 0


def test_a_start_that_misses_the_eigenvector_finds_it_after_the_breakdown():
    A = np.diag([1.0, 2.0, 3.0, -7.0])
    run = lanczos(lambda v: A @ v, 4, 4, rng=np.random.default_rng(0), start=np.array([1.0, 1, 1, 0]))
    assert run.beta[2] == 0
    assert run.ritz()[0][0] == pytest.approx(-7, abs=1e-14)


def test_lanczos_sees_only_the_complement():
    A = planted(bulk(60, 9.0, 8.0, 7.0))
    λ, V = np.linalg.eigh(A)
    run = lanczos(lambda v: A @ v, 60, 100, rng=np.random.default_rng(0), orthogonal_to=V[:, -2:].T)
    assert len(run.alpha) == 58
    np.testing.assert_allclose(run.basis @ V[:, -2:], 0, atol=1e-13)
    np.testing.assert_allclose(run.ritz()[0], λ[:-2], atol=1e-12)


def test_a_basis_of_the_whole_space_is_invariant():
    rng = np.random.default_rng(0)
    for seed in range(200):
        A = planted(rng.standard_normal(3), seed)
        assert lanczos(lambda v, A=A: A @ v, 3, 3, rng=rng).beta[-1] == 0
        assert lanczos(lambda v, A=A: A @ v, 3, 3, rng=rng, orthogonal_to=np.eye(3)[:1]).beta[-1] == 0


def test_lanczos_is_invariant_to_powers_of_two():
    A = planted(bulk(60))
    start = np.random.default_rng(3).standard_normal(60)
    one, other = (
        lanczos(lambda v, c=c: (c * A) @ v, 60, 20, rng=np.random.default_rng(0), start=d * start)
        for c, d in ((1.0, 1.0), (2.0**40, 2.0**-900))
    )
    np.testing.assert_array_equal(one.basis, other.basis)
    np.testing.assert_array_equal(one.alpha * 2.0**40, other.alpha)


@pytest.mark.parametrize("scale", [1e-300, 1e-160, 1e160, 1e300])
def test_lanczos_at_the_ends_of_the_range(scale):
    run = lanczos(
        lambda v: scale * (np.arange(30.0) * v),
        30,
        30,
        rng=np.random.default_rng(0),
        start=np.full(30, scale),
    )
    np.testing.assert_allclose(run.ritz()[0], scale * np.arange(30.0), atol=1e-12 * scale)


def test_hv_may_write_into_what_it_is_given():
    def destructive(v):
        v *= np.arange(30.0)
        return v

    run = lanczos(destructive, 30, 30, rng=np.random.default_rng(0))
    np.testing.assert_allclose(run.ritz()[0], np.arange(30.0), atol=1e-12)


def rng():
    return np.random.default_rng(0)


BAD_LANCZOS = {
    "n = 0": (lambda: lanczos(lambda v: v, 0, 1, rng=rng()), ValueError, r"lanczos\(n=...\).*≥ 1, got 0"),
    "k = 0": (lambda: lanczos(lambda v: v, 3, 0, rng=rng()), ValueError, r"lanczos\(k=...\).*≥ 1, got 0"),
    "no rng": (lambda: lanczos(lambda v: v, 3, 1, rng=0), TypeError, "default_rng"),
    "hv of another shape": (lambda: lanczos(lambda v: v[:2], 3, 1, rng=rng()), ValueError,
        r"\(3,\), got \(2,\)"),
    "NaN": (lambda: lanczos(lambda v: v * np.nan, 3, 1, rng=rng()), FloatingPointError,
        "product 1 must be finite, got nan"),
    "inf": (lambda: lanczos(lambda v: v + np.inf, 3, 1, rng=rng()), FloatingPointError,
        "must be finite, got (inf|nan)"),
    "start of another shape": (lambda: lanczos(lambda v: v, 3, 1, rng=rng(), start=np.ones(2)), ValueError,
        r"\(3,\)"),
    "start of zeros": (lambda: lanczos(lambda v: v, 3, 1, rng=rng(), start=np.zeros(3)), ValueError,
        "not zero"),
    "start of NaN": (lambda: lanczos(lambda v: v, 3, 1, rng=rng(), start=np.full(3, np.nan)), ValueError,
        "finite"),
    "start in the span": (
        lambda: lanczos(lambda v: v, 3, 1, rng=rng(), start=np.eye(3)[0], orthogonal_to=np.eye(3)[:2]),
        ValueError, "span"),
    "nothing left": (lambda: lanczos(lambda v: v, 3, 1, rng=rng(), orthogonal_to=np.eye(3)), ValueError,
        "fewer than n = 3"),
    "rows not of length 1": (
        lambda: lanczos(lambda v: v, 3, 1, rng=rng(), orthogonal_to=np.ones((1, 3))), ValueError,
        r"orthonormal.*by 2\.0e\+00"),
    "rows not orthogonal": (
        lambda: lanczos(lambda v: v, 3, 1, rng=rng(), orthogonal_to=np.eye(3)[[0, 0]]), ValueError,
        "orthonormal"),
    "rows of NaN": (
        lambda: lanczos(lambda v: v, 3, 1, rng=rng(), orthogonal_to=np.full((1, 3), np.nan)), ValueError,
        "orthonormal.*nan"),
    "hv complex": (lambda: lanczos(lambda v: v * 1j, 3, 1, rng=rng()), ValueError,
        "real numbers.*got complex128"),
    "a matrix": (lambda: lanczos(np.eye(3), 3, 1, rng=rng()), TypeError, "must be a function"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_LANCZOS)
def test_lanczos_refuses(case):
    call, error, message = BAD_LANCZOS[case]
    with pytest.raises(error, match=message):
        call()


# Sharpness


@each_spectrum
@pytest.mark.parametrize("k", [1, 2, 3, 5])
def test_sharpness_is_the_largest_eigenvalues_by_value(name, k):
    wanted = np.sort(SPECTRA[name])[::-1][:k]
    scale = np.abs(SPECTRA[name]).max()
    for seed in range(3):
        found = optim.sharpness(quadratic(planted(SPECTRA[name], seed)), np.ones(150), k, seed=seed)
        np.testing.assert_allclose(found, wanted if k > 1 else wanted[0], atol=1e-6 * scale, rtol=0)
        assert type(found) is float if k == 1 else found.shape == (k,)


@pytest.mark.parametrize("tol", [1e-2, 1e-4, 1e-8, 0.0])
def test_tolerance(tol, counted):
    A = planted(bulk(300, 1.05, 1.02))
    found = optim.sharpness(quadratic(A), np.zeros(300), 2, tol=tol)
    np.testing.assert_allclose(found, [1.05, 1.02], atol=max(tol, 1e-13) * 1.05)
    assert counted["gradients"] == 1
    assert counted["products"] < (100 if tol == 1e-2 else 300)


def test_fewer_products_for_a_looser_tolerance(counted):
    A = planted(bulk(300, 1.1))
    used = []
    for tol in (1e-1, 1e-3, 1e-6, 1e-10):
        counted["products"] = 0
        optim.sharpness(quadratic(A), np.zeros(300), tol=tol)
        used.append(counted["products"])
    assert used == sorted(set(used))
    assert used[-1] < 120


def test_an_outlier_is_found_in_few_products(counted):
    assert optim.sharpness(quadratic(planted(bulk(400, 20.0))), np.zeros(400)) == pytest.approx(20, rel=1e-9)
    assert counted["products"] <= 12


@pytest.mark.parametrize("n", [1, 2, 3, 63, 64, 65])
def test_exact_for_small_n(n, counted):
    spectrum = np.random.default_rng(n).standard_normal(n)
    found = optim.sharpness(quadratic(planted(spectrum)), np.zeros(n), n, tol=1e-1)
    np.testing.assert_allclose(np.atleast_1d(found), np.sort(spectrum)[::-1], atol=1e-12)
    assert counted["products"] <= n + 1


def test_n_may_be_a_bare_number():
    assert optim.sharpness(lambda x: 3 * x**2, 1) == 6.0
    assert optim.sharpness(lambda x: np.exp(x), 0.0, 1) == 1.0
    assert optim.preconditioned_sharpness(lambda x: 3 * x**2, 1.0, 4.0) == 1.5
    assert optim.sharpness(lambda x: (x**3).sum(), Tensor([1.0, 2.0])) == 12.0


@given(
    st.lists(st.sampled_from([-3.0, -1.0, 0.0, 1.0, 2.0, 2.0 + 1e-9, 5.0]), min_size=65, max_size=90),
    st.integers(1, 12), st.integers(0, 10**6),
)  # fmt: skip
@settings(max_examples=40, deadline=None)
def test_every_copy_of_a_repeated_eigenvalue_is_found(spectrum, k, seed):
    found = optim.sharpness(quadratic(planted(spectrum, seed)), np.zeros(len(spectrum)), k, seed=seed)
    np.testing.assert_allclose(np.atleast_1d(found), np.sort(spectrum)[::-1][:k], atol=1e-5)


@given(st.integers(-40, 40), st.integers(0, 10**6))
@settings(max_examples=20, deadline=None)
def test_scaling_f_by_a_power_of_two_scales_the_sharpness_exactly(p, seed):
    A = planted(bulk(70, 3.0), seed)
    one = optim.sharpness(quadratic(A), np.zeros(70), seed=seed)
    assert optim.sharpness(quadratic(2.0**p * A), np.zeros(70), seed=seed) == 2.0**p * one


@given(st.integers(0, 10**6))
@settings(max_examples=10, deadline=None)
def test_sharpness_bounds_every_rayleigh_quotient(seed):
    net = Net((2, 7, 7, 1), seed=seed)  # n = 85
    H = net.dense()
    found = optim.sharpness(net, net.weights, 3)
    np.testing.assert_allclose(
        found, np.linalg.eigvalsh(H)[::-1][:3], atol=1e-6 * np.abs(H).sum(axis=1).max()
    )
    v = np.random.default_rng(seed).standard_normal(85)
    assert v @ H @ v / (v @ v) <= found[0] * (1 + 1e-9)


def test_networks_as_function_and_as_closure(net, dense):
    λ = np.linalg.eigvalsh(dense)
    np.testing.assert_allclose(optim.sharpness(net, net.weights), λ[-1], rtol=1e-6)
    np.testing.assert_allclose(optim.sharpness(net, net.weights, 5), λ[::-1][:5], rtol=1e-6)
    forms = {
        "list": net.parameters,
        "iterator": iter(net.parameters),
        "pairs": [(f"p{i}", p) for i, p in enumerate(net.parameters)],
        "pairs of an iterator": ((f"p{i}", p) for i, p in enumerate(net.parameters)),
        "dict": {f"p{i}": p for i, p in enumerate(net.parameters)},
    }
    for form in forms.values():
        assert optim.sharpness(net.closure, form) == optim.sharpness(net, net.weights)
    assert optim.sharpness(lambda: (net.closure(), "outputs"), net.parameters) == optim.sharpness(
        net, net.weights
    )
    with no_grad():
        assert optim.sharpness(net.closure, net.parameters) == optim.sharpness(net, net.weights)


def test_some_of_the_parameters_is_a_block_of_the_hessian(net, dense):
    λ = np.linalg.eigvalsh(dense[:32, :32])  # W and b of the first layer
    assert optim.sharpness(net.closure, net.parameters[:2]) == pytest.approx(λ[-1], rel=1e-12)


def test_nothing_is_changed(net):
    before = [(p.data.copy(), p.index, p.grad) for p in net.parameters]
    weights = [{key: a.copy() for key, a in layer.items()} for layer in net.weights]
    optim.sharpness(net.closure, net.parameters)
    optim.hessian_spectrum(net.closure, net.parameters, exact_limit=0, vectors=1)
    optim.hessian_diagonal(net.closure, net.parameters)
    optim.hessian_trace(net, net.weights)
    for p, (data, index, grad) in zip(net.parameters, before):
        np.testing.assert_array_equal(p.data, data)
        assert (p.index, p.grad) == (index, grad)
        assert p.requires_grad
    for layer, saved in zip(net.weights, weights):
        for key in layer:
            np.testing.assert_array_equal(layer[key], saved[key])


def test_the_closure_runs_once(net):
    calls = []

    def closure():
        calls.append(1)
        return net.closure()

    optim.sharpness(closure, net.parameters, 4)
    assert len(calls) == 1


@pytest.mark.parametrize("spectrum", ["outliers", "negative", "rank 3", "zero", "repeated on top"])
def test_float32(spectrum):
    A = planted(SPECTRA[spectrum], dtype=np.float32)
    wanted = np.linalg.eigvalsh(A.astype(np.float64))[::-1]
    scale = max(abs(wanted).max(), 1e-30)
    f, x = quadratic(A), np.zeros(150, np.float32)
    np.testing.assert_allclose(optim.sharpness(f, x), wanted[0], atol=2e-6 * scale)
    np.testing.assert_allclose(optim.sharpness(f, x, 4, tol=0.0), wanted[:4], atol=2e-6 * scale)
    np.testing.assert_allclose(optim.hessian_spectrum(f, x).values, wanted[::-1], atol=2e-6 * scale)
    diagonal = optim.hessian_diagonal(f, x, samples=4)
    assert diagonal.value.dtype == diagonal.error.dtype == np.float32


def test_float32_network():
    net = Net((3, 8, 6, 2), dtype=np.float32)
    assert optim.sharpness(net, net.weights) == pytest.approx(np.linalg.eigvalsh(net.dense())[-1], rel=1e-5)


def test_too_few_products_is_said_and_the_estimate_is_a_lower_bound(counted):
    f = quadratic(planted(bulk(300)))
    with pytest.warns(
        RuntimeWarning, match=r"`sharpness\(f, x\)`: after 10 products the residual .* Raise max_products=10"
    ):
        found = optim.sharpness(f, np.zeros(300), max_products=10)
    assert counted["products"] == 10
    assert 0.8 < found < 1
    with pytest.warns(RuntimeWarning, match="residual"):
        optim.sharpness(f, np.zeros(300), max_products=1)


@pytest.mark.parametrize("extra", [0, 6, 12])
def test_unfinished_search_for_copies_is_said(extra, counted):
    f = quadratic(planted(bulk(300, 5.0, 5.0, 4.0)))
    first = None
    for limit in range(2, 60):  # the fewest products with which the first run settles
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            optim.sharpness(f, np.zeros(300), 2, max_products=limit)
        if caught and "copies" in str(caught[0].message):
            first = limit
            break
    assert first is not None
    counted["products"] = 0
    with pytest.warns(RuntimeWarning, match="copies of repeated eigenvalues"):
        optim.sharpness(f, np.zeros(300), 2, max_products=first + extra)
    assert counted["products"] == first + extra
    np.testing.assert_allclose(optim.sharpness(f, np.zeros(300), 2), [5, 5], atol=1e-5)


def test_few_products_are_respected_for_small_n(counted):
    with pytest.warns(RuntimeWarning, match="after 3 products"):
        optim.sharpness(quadratic(planted(bulk(50))), np.zeros(50), max_products=3)
    assert counted["products"] == 3


def test_the_warning_points_at_the_caller():
    with pytest.warns(RuntimeWarning) as caught:
        optim.sharpness(quadratic(planted(bulk(100))), np.zeros(100), max_products=2)
    assert caught[0].filename == __file__
    with pytest.warns(RuntimeWarning, match="preconditioned_sharpness") as caught:
        optim.preconditioned_sharpness(
            quadratic(planted(bulk(100))), np.zeros(100), np.ones(100), max_products=2
        )
    assert caught[0].filename == __file__


# Preconditioned


@pytest.mark.parametrize("n", [5, 40, 100])
@pytest.mark.parametrize("k", [1, 3])
def test_preconditioned_sharpness(n, k):
    A = planted(bulk(n, 6.0, 5.0))
    P = np.exp(np.random.default_rng(1).standard_normal(n))
    wanted = np.linalg.eigvalsh(A / np.sqrt(np.outer(P, P)))[::-1][:k]
    f, x = quadratic(A), np.zeros(n)
    np.testing.assert_allclose(
        optim.preconditioned_sharpness(f, x, P, k), wanted if k > 1 else wanted[0], rtol=1e-6
    )
    assert optim.preconditioned_sharpness(f, x, np.ones(n)) == optim.sharpness(f, x)
    assert optim.preconditioned_sharpness(f, x, np.full(n, 4.0)) == pytest.approx(
        optim.sharpness(f, x) / 4, rel=1e-9
    )


def test_preconditioner_as_tree_and_as_vector(net, dense):
    P = [{key: 0.1 + np.abs(a) for key, a in layer.items()} for layer in net.weights]
    flat = np.concatenate([a.ravel() for layer in P for a in layer.values()])
    wanted = np.linalg.eigvalsh(dense / np.sqrt(np.outer(flat, flat)))[-1]
    given = [a for layer in P for a in layer.values()]
    forms = [(net, net.weights, P), (net, net.weights, flat), (net.closure, net.parameters, given),
             (net.closure, net.parameters, iter(given)),
             (net.closure, net.parameters, [Tensor(a) for a in given])]  # fmt: skip
    for f, x, form in forms:
        assert optim.preconditioned_sharpness(f, x, form) == pytest.approx(wanted, rel=1e-6)


def test_preconditioned_by_the_hessian_itself_it_is_one():
    d = np.geomspace(1e-3, 1e3, 100)
    assert optim.preconditioned_sharpness(
        lambda x: 0.5 * np.sum(d * x * x), np.zeros(100), d
    ) == pytest.approx(1, rel=1e-12)


# Spectrum


def test_exact_spectrum(net, dense, counted):
    found = optim.hessian_spectrum(net, net.weights)
    np.testing.assert_allclose(found.values, np.linalg.eigvalsh(dense), atol=1e-13)
    assert (found.exact, found.n, found.products) == (True, 100, 100)
    assert counted["products"] == 100
    np.testing.assert_array_equal(found.weights, np.full(100, 0.01))


@pytest.mark.parametrize("rows", [1, 7, 32])
def test_batches_change_nothing(net, dense, monkeypatch, counted, rows):
    monkeypatch.setattr(curvature, "portion", lambda n, bytes_each: min(n, rows))
    np.testing.assert_allclose(
        optim.hessian_spectrum(net, net.weights).values, np.linalg.eigvalsh(dense), atol=1e-13
    )
    got = optim.hessian_trace(net, net.weights, samples=50)
    signs = np.random.default_rng(0).integers(0, 2, (50, 100)) * 2.0 - 1.0
    terms = np.sum(signs * (signs @ dense), axis=1)
    np.testing.assert_allclose(got, [terms.mean(), terms.std(ddof=1) / math.sqrt(50)], rtol=1e-10)
    assert counted == {"products": 150, "gradients": 2, "batch": rows}


def test_batches_hold_bounded_memory():
    x = np.zeros((300, 2000))
    H = curvature.HessianProducts("test", lambda w: np.sum(np.tanh(x + w) ** 2), np.zeros(2000))
    assert curvature.portion(1000, H.held) == 1
    # 1000 in 16 portions
    assert (
        curvature.portion(1000, curvature.HessianProducts("test", lambda w: np.sum(w**2), np.zeros(3)).held)
        == 64
    )


@each_spectrum
def test_quadrature_has_the_moments_of_the_spectrum(name, counted):
    spectrum = SPECTRA[name]
    A = planted(spectrum)
    got = optim.hessian_spectrum(quadratic(A), np.zeros(150), exact_limit=100, steps=30, vectors=40)
    scale = max(1e-300, np.abs(spectrum).max())
    assert not got.exact
    assert got.products == counted["products"] <= 30 * 40
    assert got.weights.sum() == pytest.approx(1, abs=1e-12)
    assert (got.weights >= 0).all()
    assert (np.diff(got.values) >= 0).all()
    assert spectrum.min() - 1e-12 * scale <= got.values[0]
    assert got.values[-1] <= spectrum.max() + 1e-12 * scale
    draw = np.random.default_rng(0)
    # the start vectors
    V = np.stack([draw.integers(0, 2, 150) * 2.0 - 1 for _ in range(40)]) / math.sqrt(150)
    AV = V
    for p in range(1, 21):
        AV = AV @ A / scale
        assert got.weights @ (got.values / scale) ** p == pytest.approx(
            np.mean(np.sum(V * AV, axis=1)), abs=1e-10
        )


def test_density_of_a_known_law():
    n = 500
    R = np.random.default_rng(0).standard_normal((n, n))
    A = (R + R.T) / math.sqrt(2 * n)
    found = optim.hessian_spectrum(quadratic(A), np.zeros(n), exact_limit=0, steps=40, vectors=40)
    t, ρ = found.density(np.linspace(-1.5, 1.5, 61), width=0.2)
    np.testing.assert_allclose(ρ, np.sqrt(4 - t**2) / (2 * math.pi), atol=0.02)  # Wigner's semicircle
    assert found.products == 1600
    t, ρ = found.density()
    assert np.trapezoid(ρ, t) == pytest.approx(1, abs=1e-4)


def test_an_outlier_of_a_large_hessian_has_its_weight():
    n = 1200
    d = np.concatenate([np.linspace(0, 1, n - 3), [8.0, 9.0, 10.0]])
    rotate = np.linalg.qr(np.random.default_rng(0).standard_normal((n, 3)))[0]

    def f(x):  # rotated by a reflection, so that the signs are not aligned with the eigenvectors
        y = x - 2 * (rotate @ (x @ rotate))
        return 0.5 * np.sum(d * y * y)

    found = optim.hessian_spectrum(f, np.zeros(n), vectors=30, steps=40)
    for λ in (8.0, 9.0, 10.0):
        weight = found.weights[np.abs(found.values - λ) < 1e-6].sum()
        assert 0.4 / n < weight < 1.9 / n


@pytest.mark.parametrize("values", [[0.0, 0.0], [2.0, 2.0], [-1.0, 4.0], [3.0]])
def test_density_integrates_to_one(values):
    found = optim.hessian_spectrum(lambda x: 0.5 * np.sum(np.array(values) * x * x), np.zeros(len(values)))
    t, ρ = found.density()
    assert np.trapezoid(ρ, t) == pytest.approx(1, abs=1e-5)
    t, ρ = found.density(width=0.5)
    assert np.trapezoid(ρ, t) == pytest.approx(1, abs=1e-5)
    mean = np.trapezoid(ρ * t, t)
    assert mean == pytest.approx(np.mean(values), abs=1e-4)
    assert np.trapezoid(ρ * (t - mean) ** 2, t) == pytest.approx(np.var(values) + 0.25, rel=1e-3)


@pytest.mark.parametrize("width", [0.0, -1.0, math.nan, math.inf])
def test_density_refuses(width):
    found = optim.hessian_spectrum(lambda x: np.sum(x * x), np.zeros(2))
    with pytest.raises(ValueError, match=r"Spectrum.density\(width=...\)"):
        found.density(width=width)


# Hutchinson


def test_error_bars_of_the_trace_cover_and_are_no_wider_than_they_should_be(net, dense):
    truth = np.trace(dense)
    spread = math.sqrt(2 * (np.sum(dense**2) - np.sum(np.diag(dense) ** 2)) / 40)
    z, errors = [], []
    for seed in range(200):
        value, error = optim.hessian_trace(net, net.weights, samples=40, seed=seed)
        z.append((value - truth) / error)
        errors.append(error)
    assert 0.88 < np.mean(np.abs(z) < 2) < 0.99
    assert 0.85 < np.std(z) < 1.2
    assert abs(np.mean(z)) < 0.25
    assert np.mean(np.square(errors)) == pytest.approx(spread**2, rel=0.1)


def test_error_bars_of_the_diagonal_cover(net, dense):
    value, error = optim.hessian_diagonal(net.closure, net.parameters, samples=400)
    assert [a.shape for a in value] == [p.shape for p in net.parameters] == [a.shape for a in error]
    flat, bars = (np.concatenate([a.ravel() for a in tree]) for tree in (value, error))
    off = dense - np.diag(np.diag(dense))
    np.testing.assert_allclose(bars, np.sqrt(np.sum(off**2, axis=1) / 400), rtol=0.25)
    z = (flat - np.diag(dense)) / bars
    assert np.mean(np.abs(z) < 2) > 0.88
    assert np.abs(z).max() < 5


@pytest.mark.parametrize("samples", [2, 33, 100])
def test_samples_are_counted(net, counted, samples):
    optim.hessian_trace(net, net.weights, samples=samples)
    assert (counted["products"], counted["gradients"]) == (samples, 1)
    optim.hessian_diagonal(net, net.weights, samples=samples)
    assert (counted["products"], counted["gradients"]) == (2 * samples, 2)


@given(st.lists(st.integers(-800, 800), min_size=1, max_size=70), st.integers(2, 40), st.integers(0, 100))
@settings(max_examples=25, deadline=None)
def test_diagonal_hessians_are_estimated_exactly(d, samples, seed):
    d = np.array(d) / 8
    f, x = (lambda x: 0.5 * np.sum(d * x * x)), np.ones(len(d))
    value, error = optim.hessian_diagonal(f, x, samples=samples, seed=seed)
    np.testing.assert_allclose(value, d, rtol=1e-13)
    np.testing.assert_allclose(error, 0, atol=1e-12)
    trace = optim.hessian_trace(f, x, samples=samples, seed=seed)
    np.testing.assert_allclose(trace, [d.sum(), 0], atol=1e-11)
    assert type(trace.value) is type(trace.error) is float


def test_structure_is_kept():
    x = {"a": np.ones((2, 3)), "b": [np.float32(2.0), (np.zeros(0), np.ones(1))]}
    found = optim.hessian_diagonal(
        lambda x: np.sum(x["a"] ** 3) + x["b"][0] ** 2 + np.sum(x["b"][1][1] ** 4), x
    )
    np.testing.assert_allclose(found.value["a"], np.full((2, 3), 6.0))
    assert found.value["b"][0] == 2.0
    assert found.value["b"][0].dtype == np.float32
    assert found.value["b"][1][0].shape == (0,)
    np.testing.assert_allclose(found.value["b"][1][1], [12.0])


ALL = {
    "sharpness": lambda f, x, **options: optim.sharpness(f, x, tol=1e-2, **options),
    "preconditioned_sharpness": lambda f, x, **options: optim.preconditioned_sharpness(
        f, x, np.ones(100), tol=1e-2, **options
    ),
    "hessian_spectrum": lambda f, x, **options: (
        optim.hessian_spectrum(f, x, exact_limit=0, steps=10, **options).values
    ),
    "hessian_trace": lambda f, x, **options: optim.hessian_trace(f, x, **options).value,
    "hessian_diagonal": lambda f, x, **options: optim.hessian_diagonal(f, x, **options).value[0]["W"],
}
each_function = pytest.mark.parametrize("name", ALL)


@each_function
def test_seeds(name, net):
    one, same, other = (ALL[name](net, net.weights, seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)
    np.testing.assert_array_equal(ALL[name](net, net.weights, seed=np.random.default_rng(1)), other)
    rng = np.random.default_rng(1)
    ALL[name](net, net.weights, seed=rng)
    assert not np.array_equal(ALL[name](net, net.weights, seed=rng), other)


@each_function
def test_a_constant_function_has_no_curvature_and_a_loss_of_other_parameters_is_refused(name):
    """A closure that uses none of the parameters was made for another model, whose 0 would mean nothing."""
    x = [{"W": np.ones((10, 10))}]
    assert not np.any(ALL[name](lambda x: np.array(3.0), x))
    assert not np.any(ALL[name](lambda x: np.sum(x[0]["W"]), x))
    p, q = Tensor(np.ones(100), requires_grad=True), Tensor(np.ones(1), requires_grad=True)
    assert not np.any(ALL[name](lambda: p.sum() + (q * q).sum(), [{"W": p}]))
    with pytest.raises(ValueError, match="the loss depends on none of these parameters"):
        ALL[name](lambda: (q * q).sum(), [{"W": p}])


# What is refused


def square(x):
    return np.sum(x * x)


P1 = leaf([1.0, 2.0], name="w")
FROZEN = Tensor([1.0, 2.0], name="b")
BAD_CALLS = {
    "not callable": (3.0, np.ones(2), TypeError, "must be a function or a closure, got 3.0"),
    "empty list": (square, [], ValueError, "at least one number"),
    "used-up iterator": (square, iter(()), ValueError, "at least one number"),
    "empty array": (square, np.zeros((0, 3)), ValueError, "at least one number"),
    "None": (square, None, ValueError, "at least one number"),
    "integers": (square, np.array([1, 2]), TypeError, r"int64. Use x.astype\(float\)"),
    "complex": (square, np.array([1j]), TypeError, "complex128"),
    "text": (square, "weights", TypeError, "real floating point"),
    "function with parameters": (square, [P1], TypeError, r"closure without arguments.*x\.data"),
    "closure with arrays": (lambda: square(P1), np.ones(2), TypeError, "pass the parameters themselves"),
    "mixed": (lambda: square(P1), [P1, np.ones(2)], TypeError, "parameters only, or arrays only.*ndarray"),
    "frozen": (lambda: square(P1), [P1, FROZEN], ValueError, "'b' is frozen. Leave it out"),
    "not a leaf": (lambda: square(P1), [P1 * 2.0], ValueError, "result of an operation"),
    "twice": (lambda: square(P1), [P1, P1], ValueError, "'w' is given twice"),
    "complex parameter": (lambda: square(P1), [leaf([1j], complex)], TypeError, "must be real"),
    "no return": (lambda: None, [P1], TypeError, "must return a Tensor, got None. Is `return` missing"),
    "a float": (lambda x: 3.0, np.ones(2), TypeError, "must return a Tensor, got 3.0"),
    "not a scalar": (lambda x: x * x, np.ones(2), ValueError,
        r"one real number, got float64 of shape \(2,\). Reduce it"),
    "NaN": (lambda x: square(x) * np.nan, np.ones(2), FloatingPointError, "must be finite, got nan"),
    "a singular point": (lambda x: np.sum(np.sqrt(x)), np.zeros(2), FloatingPointError,
        "off the singular points"),
}  # fmt: skip
FUNCTIONS = {
    "sharpness": {},
    "preconditioned_sharpness": {"P": np.ones(2)},
    "hessian_spectrum": {},
    "hessian_trace": {},
    "hessian_diagonal": {},
}


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("case", BAD_CALLS)
def test_refused(name, case):
    f, x, error, message = BAD_CALLS[case]
    x = iter(()) if case == "used-up iterator" else x
    with pytest.raises(error, match=rf"`{name}\(f, x\)`.*{message}"):
        getattr(optim, name)(f, x, **FUNCTIONS[name])


BAD_OPTIONS = {
    "k = 0": ("sharpness", {"k": 0}, ValueError, r"`sharpness\(k=...\)` must be a whole number ≥ 1, got 0"),
    "k = 1.5": ("sharpness", {"k": 1.5}, TypeError, "whole number ≥ 1, got 1.5"),
    "k > n": ("sharpness", {"k": 3}, ValueError, "at most n = 2.*got 3"),
    "tol < 0": ("sharpness", {"tol": -1e-3}, ValueError, r"`sharpness\(tol=...\)`.*got -0.001"),
    "tol NaN": ("sharpness", {"tol": math.nan}, ValueError, "got nan"),
    "products": ("sharpness", {"max_products": 0}, ValueError, r"max_products=...\)`.*got 0"),
    "products < k": ("sharpness", {"k": 2, "max_products": 1}, ValueError, "at least k = 2, got 1"),
    "P as numbers": ("preconditioned_sharpness", {"P": [1.0, 2.0]}, ValueError, r"got \[\(\), \(\)\]"),
    "P zero": ("preconditioned_sharpness", {"P": np.array([1.0, 0.0])}, ValueError,
        "positive and finite, got 0.0 at entry 1"),
    "P < 0": ("preconditioned_sharpness", {"P": np.array([-2.0, 1.0])}, ValueError,
        "got -2.0 at entry 0. Add a small ε"),
    "P NaN": ("preconditioned_sharpness", {"P": np.array([np.nan, 1.0])}, ValueError, "got nan"),
    "P inf": ("preconditioned_sharpness", {"P": np.array([1.0, np.inf])}, ValueError, "got inf at entry 1"),
    "P of another shape": ("preconditioned_sharpness", {"P": np.ones(3)}, ValueError,
        r"of shape \(2,\), got \[\(3,\)\]"),
    "P, k": ("preconditioned_sharpness", {"P": np.ones(2), "k": 0}, ValueError,
        r"`preconditioned_sharpness\(k=...\)`"),
    "steps": ("hessian_spectrum", {"steps": 0}, ValueError, r"`hessian_spectrum\(steps=...\)`"),
    "vectors": ("hessian_spectrum", {"vectors": -1}, ValueError, "got -1"),
    "exact_limit": ("hessian_spectrum", {"exact_limit": -1}, ValueError, "whole number ≥ 0, got -1"),
    "samples": ("hessian_trace", {"samples": 1}, ValueError,
        r"`hessian_trace\(samples=...\)` must be .* ≥ 2, got 1"),
    "samples of text": ("hessian_diagonal", {"samples": "9"}, TypeError, "whole number ≥ 2, got '9'"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_OPTIONS)
def test_refused_options(case):
    name, options, error, message = BAD_OPTIONS[case]
    with pytest.raises(error, match=message):
        getattr(optim, name)(square, np.ones(2), **options)


def test_errors_of_f_come_through():
    def f(x):
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        optim.sharpness(f, np.ones(2))


@pytest.mark.parametrize("k", [1, 2])
@pytest.mark.parametrize("far", [-1e6, -1e3, -1.0])
@pytest.mark.parametrize("top", [1e-2, -1e-2, 1e-4])
def test_a_large_negative_eigenvalue_hides_no_small_one_in_silence(top, far, k):
    d = np.concatenate([[far, top], np.linspace(-1, top - 0.02, 198)])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = np.atleast_1d(optim.sharpness(lambda x: 0.5 * np.sum(d * x * x), np.zeros(200), k))
    assert caught or found == pytest.approx(np.sort(d)[::-1][:k], rel=1e-5, abs=1e-9)
