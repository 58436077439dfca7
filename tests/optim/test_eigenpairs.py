"""Eigenpairs at the ends of a Hessian's spectrum, against dense linear algebra and scipy; and the curvature
of a mean over many batches, against that of all data at once."""

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

import optim
from minigrad import Tensor, grad, hessian
from minigrad.extend import flatten
from models import MLP, cross_entropy
from models.datasets import moons
from optim.curvature import products as curvature
from tests.problems import counting, rotation

WHICH = ("largest", "smallest", "both", "magnitude")


def planted(spectrum, seed=0):
    Q = rotation(np.random.default_rng(seed), len(spectrum))
    A = (Q * np.asarray(spectrum, dtype=float)) @ Q.T
    return 0.5 * (A + A.T)


def quadratic(A):
    return lambda x: 0.5 * np.sum(x * (A @ x)) - np.sum(x)


def chosen(values, k, which):
    """The expected eigenvalues, from all of them."""
    up = np.sort(values)
    return {
        "largest": up[::-1][:k],
        "smallest": up[:k],
        "both": np.concatenate([up[:k], up[-k:]]),
        "magnitude": np.array(sorted(values, key=lambda v: -abs(v))[:k]),
    }[which]


REST = np.linspace(-1, 1, 140)
SPECTRA = {
    "small": np.array([-3.0, -1.0, 0.5, 2.0, 2.5, 4.0]),
    "outliers": np.append(REST, [10.0, 7.0, 5.0, -8.0, -4.0, -2.0]),
    "negative far": np.append(REST, [-30.0, -20.0, -20.0, 2.0]),
    "repeated at both ends": np.append(REST, [5.0, 5.0, 5.0, -5.5, -5.5, -5.5]),
    "all positive": np.append(np.linspace(0.1, 1, 140), [4.0, 4.0, 3.0]),
    "zero": np.zeros(100),
}


@pytest.mark.parametrize("which", WHICH)
@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize("name", SPECTRA)
def test_the_ends_of_planted_spectra(name, k, which):
    A = planted(SPECTRA[name])
    values, U, _ = optim.eigenpairs(quadratic(A), np.zeros(len(A)), k, which)
    scale = np.abs(SPECTRA[name]).max() or 1.0
    np.testing.assert_allclose(values, chosen(SPECTRA[name], k, which), atol=1e-5 * scale)
    np.testing.assert_allclose(U @ U.T, np.eye(len(values)), atol=1e-9)
    np.testing.assert_allclose(A @ U.T, U.T * values, atol=1e-5 * scale)


@pytest.mark.parametrize(("which", "theirs"), [("largest", "LA"), ("smallest", "SA"), ("magnitude", "LM")])
def test_against_scipy(which, theirs):
    linalg = pytest.importorskip("scipy.sparse.linalg")
    A = planted(np.append(REST, [9.0, 6.0, -7.0, -3.0]), 1)
    found = optim.eigenpairs(quadratic(A), np.zeros(len(A)), 3, which)
    λ, V = linalg.eigsh(A, 3, which=theirs)
    order = [int(np.argmin(np.abs(λ - v))) for v in found.values]
    np.testing.assert_allclose(found.values, λ[order], rtol=1e-9)
    np.testing.assert_allclose(np.abs(np.sum(found.vectors * V[:, order].T, axis=1)), 1, rtol=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_an_end_that_shows_early_hides_no_larger_magnitude_at_the_other(seed):
    """5 stands alone and is found long before −5.1, which is the end of a dense bulk."""
    A = planted(np.append(np.linspace(-5.1, 1, 300), 5.0), seed)
    found = optim.eigenpairs(quadratic(A), np.zeros(301), 1, "magnitude", tol=1e-3, seed=seed)
    assert found.values[0] == pytest.approx(-5.1, rel=1e-3)


@pytest.fixture(scope="module")
def net():
    data = moons(60, noise=0.2, rng=0)
    return MLP((2, 8, 8, 2), "tanh", rng=0), data.X, data.y  # n = 114


def whole(net):
    model, X, y = net
    return lambda: cross_entropy(model(X), y)


def dense(net):
    """Hessian and gradient over the parameters as one vector."""
    model, X, y = net
    ps = list(model.parameters())
    packing = curvature.HessianProducts("test", whole(net), ps).packing

    def f(flat):
        parts = packing.pieces(flat)
        out = X
        for i in range(0, len(parts), 2):
            out = out @ parts[i] + parts[i + 1]
            out = np.tanh(out) if i + 2 < len(parts) else out
        return cross_entropy(out, y)

    w = packing.join([p.data for p in ps])
    return hessian(f)(w), grad(f)(w)


def test_vectors_have_the_form_of_x_and_the_overlap_is_the_share_of_the_gradient(net):
    H, g = dense(net)
    λ, V = np.linalg.eigh(H)
    found = optim.eigenpairs(whole(net), net[0].named_parameters(), 2, "both", tol=1e-9)
    assert {name: u.shape for name, u in found.vectors.items()} == {
        name: (4, *p.shape) for name, p in net[0].named_parameters()
    }
    U = np.concatenate([u.reshape(4, -1) for u in found.vectors.values()], axis=1)
    ends = [0, 1, -2, -1]
    np.testing.assert_allclose(found.values, λ[ends], rtol=1e-8)
    np.testing.assert_allclose(np.abs(np.sum(U * V[:, ends].T, axis=1)), 1, rtol=1e-6)
    np.testing.assert_allclose(found.overlap, (V[:, ends].T @ g) ** 2 / (g @ g), rtol=1e-4, atol=1e-9)


def test_the_overlaps_of_all_eigenvectors_sum_to_one():
    x = np.array([0.3, -0.2, 1.0])
    found = optim.eigenpairs(lambda x: np.sum(x**4) + x[0] * x[1], x, 3)
    assert found.overlap.sum() == pytest.approx(1)
    assert np.isnan(optim.eigenpairs(lambda x: np.sum(x**2), np.zeros(3)).overlap).all()


def test_vectors_keep_the_dtype():
    found = optim.eigenpairs(lambda x: np.sum(x["a"] ** 2), {"a": np.ones((2, 2), np.float32)})
    assert found.vectors["a"].dtype == np.float32
    assert found.vectors["a"].shape == (1, 2, 2)


@pytest.mark.parametrize("which", WHICH)
def test_too_few_products_are_said(which):
    A = planted(np.linspace(-1, 1, 200))
    with pytest.warns(RuntimeWarning, match=r"`eigenpairs\(f, x\)`: after 8 products") as caught:
        values, U, _ = optim.eigenpairs(quadratic(A), np.zeros(200), 2, which, max_products=8)
    assert caught[0].filename == __file__
    assert len(values) == len(U) == (4 if which == "both" else 2)


# Many batches

CUTS = ([0, 1, 12, 60], [0, 60])
FUNCTIONS = {
    "sharpness": lambda *args, **kw: optim.sharpness(*args, k=2, tol=1e-9, **kw),
    "preconditioned_sharpness": lambda *args, **kw: optim.preconditioned_sharpness(
        *args, np.linspace(1, 2, 114), tol=1e-9, **kw
    ),
    "eigenpairs": lambda *args, **kw: optim.eigenpairs(*args, which="both", tol=1e-9, **kw)[::2],
    "hessian_spectrum": lambda *args, **kw: optim.hessian_spectrum(*args, **kw).values,
    "density": lambda *args, **kw: (
        optim.hessian_spectrum(*args, exact_limit=0, steps=5, vectors=2, **kw).values
    ),
    "hessian_trace": lambda *args, **kw: optim.hessian_trace(*args, samples=7, **kw).value,
    "hessian_diagonal": lambda *args, **kw: list(
        optim.hessian_diagonal(*args, samples=7, **kw).value.values()
    ),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_batches_are_the_whole_to_rounding(net, name):
    model, X, y = net
    expected = flatten(FUNCTIONS[name](whole(net), model.named_parameters()))[0]
    for cuts in CUTS:
        batches = [(X[a:b], y[a:b]) for a, b in pairwise(cuts)]
        found = FUNCTIONS[name](
            lambda x, y: cross_entropy(model(x), y), model.named_parameters(), batches=batches
        )
        for a, b in zip(flatten(found)[0], expected, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-10)


def test_batches_of_a_function_of_arrays():
    X = np.random.default_rng(0).normal(size=(30, 4))
    f = lambda w, x: np.mean(np.cos(x @ w))  # noqa: E731
    batches = [X[:7], X[7:30]]  # arrays of their own need no tuple
    w = np.linspace(-1, 1, 4)
    expected = optim.sharpness(lambda w: f(w, X), w)
    assert optim.sharpness(f, w, batches=batches) == pytest.approx(expected, rel=1e-12)


def test_each_product_holds_the_graph_of_one_batch(net, monkeypatch):
    """The graphs are those of single batches, and none is kept."""
    model, X, y = net
    sizes = []

    def watched(loss, leaves):
        sizes.append(len(loss.inputs[0].data) if loss.inputs else 0)
        return gradient_and_hvp(loss, leaves)

    gradient_and_hvp = curvature.gradient_and_hvp
    monkeypatch.setattr(curvature, "gradient_and_hvp", watched)
    batches = [(X[a : a + 20], y[a : a + 20]) for a in (0, 20, 40)]
    H = curvature.HessianProducts(
        "test", lambda x, y: cross_entropy(model(x), y), list(model.parameters()), batches
    )
    H(np.ones(H.n))
    assert H.product is None
    assert sizes == [20] * 6
    assert H.products == 1


def test_a_loader_is_gone_through_again(net):
    model, X, y = net

    class Loader:
        passes = 0

        def __iter__(self):
            self.passes += 1
            return iter([(X[:30], y[:30]), (X[30:], y[30:])])

    loader = Loader()
    H = curvature.HessianProducts(
        "t", lambda x, y: cross_entropy(model(x), y), list(model.parameters()), loader
    )
    H(np.ones(H.n))
    assert loader.passes == 2


def shuffled(net):
    rng, (_, X, y) = np.random.default_rng(0), net

    class Loader:
        def __iter__(self):
            order = rng.permutation(len(X))
            return iter([(X[order[:30]], y[order[:30]]), (X[order[30:]], y[order[30:]])])

    return Loader()


def growing(net):
    _, X, y = net
    batches = [(X, y)]

    class Loader:
        def __iter__(self):
            batches.append((X, y))
            return iter(batches[:-1])

    return Loader()


def shrinking(net):
    _, X, y = net
    batches = [(X, y)] * 3

    class Loader:
        def __iter__(self):
            batches.pop()
            return iter(list(batches))

    return Loader()


BAD_BATCHES = {
    "iterator": (lambda net: iter([net[1:]]), TypeError, r"got list_iterator. Pass list\(batches\)"),
    "no batches": (lambda net: 3, TypeError, "a list or a loader of batches.*got int"),
    "none": (lambda net: [], ValueError, "at least one row"),
    "no rows": (lambda net: [(net[1][:0], net[2][:0])], ValueError, "at least one row"),
    "rows that differ": (lambda net: [(net[1], net[2][:3])], ValueError, r"\(60, 2\), \(3,\)"),
    "numbers": (
        lambda net: [(1.0, 2.0)],
        ValueError,
        r"one row for each sample, got the shapes \[\(\), \(\)\]",
    ),
    "one array too few": (lambda net: [net[1]], TypeError, r"arrays of a batch alone: f\(\*batch\)"),
    "shuffled": (shuffled, ValueError, "same batches in the same order.*Switch off shuffling"),
    "one more": (growing, ValueError, "same batches in the same order"),
    "one fewer": (shrinking, ValueError, "there are 1 batches now, and 2 before"),
}


@pytest.mark.parametrize("case", BAD_BATCHES)
def test_batches_refused(net, case):
    make, error, message = BAD_BATCHES[case]
    model = net[0]
    batches = make(net)
    loss = lambda x, y: cross_entropy(model(x), y) if len(x) else model(x).sum()  # noqa: E731
    with pytest.raises(error, match=message):
        optim.sharpness(loss, model.parameters(), batches=batches)


BAD = {
    "which": ({"which": "LA"}, ValueError, r"`eigenpairs\(which=...\)` must be one of 'largest', 'smallest'"),
    "k": ({"k": 4}, ValueError, "at most n = 3.*got 4"),
    "k for both": ({"k": 2, "which": "both"}, ValueError, "at most n/2 = 1.*got 2"),
    "products": ({"k": 2, "max_products": 1}, ValueError, "at least k = 2, got 1"),
    "products for both": ({"which": "both", "max_products": 1}, ValueError, "at least 2k = 2, got 1"),
    "P of a tree": ({"x": Tensor([1.0], requires_grad=True)}, TypeError, "closure without arguments"),
}


@pytest.mark.parametrize("case", BAD)
def test_refused(case):
    options, error, message = BAD[case]
    with pytest.raises(error, match=message):
        optim.eigenpairs(lambda x: np.sum(x * x), **({"x": np.ones(3)} | options))


def test_both_ends_take_one_search(monkeypatch):
    """The outliers of both ends appear in one Krylov space."""
    count = Counter()
    monkeypatch.setattr(curvature, "gradient_and_hvp", counting(curvature.gradient_and_hvp, count))
    A = planted(np.append(REST, [10.0, -12.0]))
    optim.eigenpairs(quadratic(A), np.zeros(len(A)), 1, "both")
    assert 2 < count["products"] < 20
