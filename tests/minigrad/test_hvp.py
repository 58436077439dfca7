"""Hessian-vector and Gauss–Newton products of networks: every activation with every loss, every way to
compute them, the complex step as the truth, the matrices as witnesses."""

import itertools
import zlib
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minigrad as mg
from minigrad import Tensor, ggn_vp, grad, gradient_and_hvp, hessian, hvp, jacobian, jvp, linearize, vjp
from minigrad.gauss_newton import GaussNewton
from minigrad.trees import flatten, tree_map
from models import losses
from models.activations import ACTIVATIONS

SIZES, ROWS = (3, 5, 4, 2), 7
STEP = 1e-20


def targets(loss, rng):
    if loss == "cross_entropy":
        return rng.integers(0, SIZES[-1], ROWS)
    if loss == "hinge_loss":
        return rng.choice([-1.0, 1.0], (ROWS, SIZES[-1]))
    return rng.random((ROWS, SIZES[-1]))


# the other losses are composed of ops that have rows of their own
LOSSES = ["binary_cross_entropy_with_logits", "cross_entropy", "hinge_loss", "mse_loss"]
EVERY = list(itertools.product(ACTIVATIONS, LOSSES))
every = pytest.mark.parametrize(("activation", "loss"), EVERY)


class Net(NamedTuple):
    """A network as a function of its parameters, a loss as a function of its outputs, a point, and two
    directions there."""

    model: object
    head: object
    w: list
    u: list
    v: list

    def f(self, w):
        return self.head(self.model(w))


def net(activation, loss, sizes=SIZES, scale=1.0):
    rng = np.random.default_rng(zlib.crc32(f"{activation} {loss}".encode()))
    act, x = ACTIVATIONS[activation], rng.normal(size=(ROWS, sizes[0]))
    target = targets(loss, rng)

    def model(w):
        h = x
        for layer in w[:-1]:
            h = act(mg.linear(h, layer["W"], layer["b"]))
        return scale * mg.linear(h, w[-1]["W"], w[-1]["b"])

    def point():
        return [
            {"W": rng.normal(size=(i, o)) / i**0.5, "b": 0.3 * rng.normal(size=o)}
            for i, o in itertools.pairwise(sizes)
        ]

    return Net(model, lambda out: getattr(losses, loss)(out, target), point(), point(), point())


def flat(tree):
    return np.concatenate([np.ravel(leaf) for leaf in flatten(tree)[0]])


def dot(a, b):
    return float(flat(a) @ flat(b))


def assert_close(tree, truth, tolerance=1e-12):
    """Relative to the largest entry."""
    a, b = flat(tree), flat(truth)
    scale = np.abs(b).max()
    assert scale > 1e-6
    np.testing.assert_allclose(a, b, rtol=0, atol=tolerance * scale)


def complex_step(f, w, v):
    """Im ∇f(w + ihv)/h."""
    stepped = grad(f)(tree_map(lambda a, t: a + 1j * STEP * t, w, v))
    return tree_map(lambda g: g.imag / STEP, stepped)


WAYS = {
    "push over pull": lambda f, w, v: jvp(grad(f), (w,), (v,))[1],
    "pull over push": lambda f, w, v: grad(lambda z: jvp(f, (z,), (v,))[1])(w),
    "pull over pull": lambda f, w, v: vjp(grad(f), w)[1](v)[0],
    "the slope of gᵀv": lambda f, w, v: grad(
        lambda z: sum((g * t).sum() for g, t in zip(*map(leaves, (grad(f)(z), v))))
    )(w),
    "linearize": lambda f, w, v: linearize(grad(f), w)[1](v),
    "hvp": hvp,
    "from a recorded loss": lambda f, w, v: from_a_recorded_loss(f, w, v),
}


def leaves(tree):
    return flatten(tree)[0]


def from_a_recorded_loss(f, w, v):
    values, build = flatten(w)
    parameters = [Tensor(a, requires_grad=True) for a in values]
    gradient, product = gradient_and_hvp(f(build(parameters)), parameters)
    assert_close(build(gradient), grad(f)(w))
    return build(product(leaves(v)))


@every
def test_every_way_agrees_with_the_complex_step(activation, loss):
    n = net(activation, loss)
    truth = complex_step(n.f, n.w, n.v)
    for way, product in WAYS.items():
        found = product(n.f, n.w, n.v)
        assert [a.shape for a in leaves(found)] == [a.shape for a in leaves(n.w)], way
        assert_close(found, truth)


@every
def test_symmetric_and_linear(activation, loss):
    n = net(activation, loss)
    product = linearize(grad(n.f), n.w)[1]
    Hu, Hv = product(n.u), product(n.v)
    size = np.linalg.norm(flat(n.u)) * np.linalg.norm(flat(Hv))
    assert abs(dot(n.u, Hv) - dot(n.v, Hu)) <= 1e-13 * size
    assert_close(
        product(tree_map(lambda a, b: 2 * a - 3 * b, n.u, n.v)), tree_map(lambda a, b: 2 * a - 3 * b, Hu, Hv)
    )


@pytest.mark.parametrize("loss", ["cross_entropy", "binary_cross_entropy_with_logits"])
@pytest.mark.parametrize("scale", [30.0, 1000.0])
def test_saturated_logits(loss, scale):
    """Where most probabilities are 0 or 1 to the last digit, no way loses a digit or makes a NaN."""
    n = net("tanh", loss, scale=scale)
    truth = complex_step(n.f, n.w, n.v)
    for product in WAYS.values():
        assert_close(product(n.f, n.w, n.v), truth)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("x", [-800.0, -40.0, -1e-9, 1e-9, 40.0, 800.0])
def test_second_derivatives_of_activations_far_out_and_near_zero(activation, x):
    act = ACTIVATIONS[activation]
    once = grad(lambda z: act(z))
    truth = np.imag(once(np.array(x + 1j * STEP))) / STEP
    for way in ("push over pull", "pull over push", "pull over pull"):
        assert abs(WAYS[way](act, np.array(x), np.array(1.0)) - truth) <= 1e-15 + 1e-12 * abs(truth)


@pytest.mark.parametrize("activation", ["relu", "leaky_relu"])
def test_piecewise_linear_activations_curve_only_through_the_other_layers(activation):
    """Between kinks a layer's weights act linearly, so its own diagonal block of the Hessian is JᵀH_L J."""
    n = net(activation, "mse_loss")
    for i in range(len(n.w)):
        v = [layer if j == i else tree_map(np.zeros_like, layer) for j, layer in enumerate(n.v)]
        assert_close(hvp(n.f, n.w, v)[i], ggn_vp(n.model, n.head, n.w, v)[i])


# The matrix


def as_matrix(blocks, out):
    """The tree of trees that hessian and jacobian give, as a matrix with `out` rows."""
    return np.concatenate([np.reshape(b, (out, -1)) for b in leaves(blocks)], axis=1)


def dense_hessian(f, w):
    H = hessian(f)(w)
    rows = [as_matrix(H[i][key], a.size) for i, layer in enumerate(w) for key, a in layer.items()]
    return np.concatenate(rows)


def basis(w):
    values, build = flatten(w)
    ends = np.cumsum([a.size for a in values])
    for e in np.eye(ends[-1]):
        yield build([part.reshape(a.shape) for part, a in zip(np.split(e, ends[:-1]), values, strict=True)])


@pytest.mark.parametrize(("activation", "loss"), [*EVERY[::3]])
def test_the_columns_of_the_hessian_are_products(activation, loss):
    n = net(activation, loss)
    H = dense_hessian(n.f, n.w)
    scale = np.abs(H).max()
    np.testing.assert_allclose(H, H.T, rtol=0, atol=1e-14 * scale)
    product = linearize(grad(n.f), n.w)[1]
    columns = np.stack([flat(product(e)) for e in basis(n.w)], axis=1)
    np.testing.assert_allclose(columns, H, rtol=0, atol=1e-13 * scale)


@pytest.mark.parametrize("batch_bytes", [1, 1 << 12, 1 << 30])
def test_the_hessian_does_not_depend_on_how_its_directions_are_batched(monkeypatch, batch_bytes):
    """One direction at a time, some, all; the last batch is not full."""
    n = net("tanh", "cross_entropy")
    wanted = np.stack([flat(hvp(n.f, n.w, e)) for e in basis(n.w)], axis=1)
    monkeypatch.setattr("minigrad.packing.PORTION_BYTES", batch_bytes)
    H = dense_hessian(n.f, n.w)
    np.testing.assert_allclose(H, wanted, rtol=0, atol=1e-14 * np.abs(wanted).max())


@pytest.mark.parametrize("k", [1, 3])
def test_several_directions_at_once(k):
    n = net("softplus", "cross_entropy")
    values, build = flatten(n.w)
    parameters = [Tensor(a, requires_grad=True) for a in values]
    out = n.model(build(parameters))
    loss = n.head(out)
    rng = np.random.default_rng(3)
    vectors = [rng.normal(size=(k, *a.shape)) for a in values]
    exact = {
        "hvp": (gradient_and_hvp(loss, parameters)[1], lambda v: hvp(n.f, n.w, v)),
        "ggn": (GaussNewton(loss, out, parameters).product, lambda v: ggn_vp(n.model, n.head, n.w, v)),
    }
    for product, one in exact.values():
        found = product(vectors, lead=(k,))
        for i in range(k):
            assert_close([a[i] for a in found], one(build([a[i] for a in vectors])))


# Gauss–Newton


@every
def test_gauss_newton_is_the_product_of_its_three_matrices(activation, loss):
    n = net(activation, loss)
    out = n.model(n.w)
    J = as_matrix(jacobian(n.model)(n.w), out.size)
    H_L = hessian(n.head)(out).reshape(out.size, out.size)
    G = J.T @ H_L @ J
    scale = np.abs(J).max() ** 2
    found = flat(ggn_vp(n.model, n.head, n.w, n.v))
    np.testing.assert_allclose(found, G @ flat(n.v), rtol=0, atol=1e-13 * scale)
    if loss != "hinge_loss":  # which has no curvature in the outputs
        assert np.abs(found).max() > 1e-4 * scale
    # The rest of the Hessian is that of the outputs, weighted with the slope of the loss.
    slope = grad(n.head)(out)
    rest = hvp(lambda w: (slope * n.model(w)).sum(), n.w, n.v)
    np.testing.assert_allclose(found + flat(rest), flat(hvp(n.f, n.w, n.v)), rtol=0, atol=1e-12 * scale)


@every
def test_gauss_newton_is_positive_semi_definite(activation, loss):
    n = net(activation, loss)
    for v in (n.u, n.v, n.w, grad(n.f)(n.w)):
        Gv = flat(ggn_vp(n.model, n.head, n.w, v))
        assert flat(v) @ Gv >= -1e-14 * np.linalg.norm(flat(v)) * np.linalg.norm(Gv)
    Gu, Gv = ggn_vp(n.model, n.head, n.w, n.u), ggn_vp(n.model, n.head, n.w, n.v)
    assert abs(dot(n.u, Gv) - dot(n.v, Gu)) <= 1e-13 * (
        1e-300 + np.linalg.norm(flat(n.u)) * np.linalg.norm(flat(Gv))
    )


def test_the_hessian_itself_is_not():
    n = net("tanh", "mse_loss")
    assert np.linalg.eigvalsh(dense_hessian(n.f, n.w))[0] < -1e-3


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("loss", ["mse_loss", "binary_cross_entropy_with_logits"])
def test_at_zero_residual_gauss_newton_is_the_hessian(activation, loss):
    n = net(activation, loss)
    out = n.model(n.w)
    target = out if loss == "mse_loss" else mg.sigmoid(out)

    def head(y):
        return getattr(losses, loss)(y, target)

    assert np.abs(grad(head)(out)).max() < 1e-16
    assert_close(ggn_vp(n.model, head, n.w, n.v), hvp(lambda w: head(n.model(w)), n.w, n.v))


@pytest.mark.parametrize("loss", LOSSES)
def test_of_a_linear_model_gauss_newton_is_the_hessian(loss):
    n = net("identity", loss, sizes=(SIZES[0], SIZES[-1]))
    G, H = flat(ggn_vp(n.model, n.head, n.w, n.v)), flat(hvp(n.f, n.w, n.v))
    np.testing.assert_allclose(G, H, rtol=0, atol=1e-15)
    assert (np.abs(H).max() > 1e-3) == (loss != "hinge_loss")


@pytest.mark.parametrize("loss", LOSSES)
def test_gauss_newton_of_a_recorded_loss(loss):
    n = net("tanh", loss)
    values, build = flatten(n.w)
    parameters = [Tensor(a, requires_grad=True) for a in values]
    out = n.model(build(parameters))
    found = GaussNewton(n.head(out), out, parameters)
    for v in (n.u, n.v):
        np.testing.assert_allclose(
            flat(found.product(leaves(v))), flat(ggn_vp(n.model, n.head, n.w, v)), rtol=0, atol=1e-13
        )
    np.testing.assert_allclose(found.slope, grad(n.head)(n.model(n.w)), rtol=0, atol=1e-15)
    assert_close(build(found.pulled(found.slope)), grad(n.f)(n.w))


def test_the_price_of_a_gauss_newton_product(matrix_products):
    """4L − 2 matrix products for L layers: a push with 2L − 1, a pull with 2L − 1."""
    n = net("tanh", "cross_entropy")
    values, build = flatten(n.w)
    parameters = [Tensor(a, requires_grad=True) for a in values]
    out = n.model(build(parameters))
    found = GaussNewton(n.head(out), out, parameters)
    found.product(leaves(n.v))
    matrix_products.clear()
    found.product(leaves(n.u))
    assert len(matrix_products) == 4 * 3 - 2


def test_a_penalty_beside_the_outputs_is_not_in_gauss_newton():
    w = Tensor([1.0, 2.0], requires_grad=True)
    out = 3 * w
    found = GaussNewton((out**2).sum() + 5 * (w**2).sum(), out, [w])
    np.testing.assert_allclose(found.product([np.ones(2)])[0], 18)


def test_outputs_that_do_not_depend_on_a_parameter_or_do_not_matter():
    a, b = Tensor([1.0, 2.0], requires_grad=True), Tensor([3.0], requires_grad=True)
    out = a * 2
    found = GaussNewton((out**2).sum() + b.sum(), out, [a, b])
    np.testing.assert_array_equal(found.product([np.ones(2), np.ones(1)])[1], [0])
    linear = GaussNewton(out.sum(), out, [a])
    np.testing.assert_array_equal(linear.product([np.ones(2)])[0], [0, 0])


@settings(max_examples=25, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 4), min_size=2, max_size=5), seed=st.integers(0, 1000),
    activation=st.sampled_from([*ACTIVATIONS]), outer=st.booleans(),
)  # fmt: skip
def test_networks_of_any_shape(sizes, seed, activation, outer):
    """Also inside an outer derivative, which then sees through the product."""
    rng = np.random.default_rng(seed)
    act, x = ACTIVATIONS[activation], rng.normal(size=(3, sizes[0]))
    # Weights so small that squares of squares do not saturate the tanh, whose 1 − y² has then lost its
    # digits.
    w, v = ([0.4 * rng.normal(size=pair) for pair in itertools.pairwise(sizes)] for _ in range(2))

    def f(w):
        h = x
        for W in w[:-1]:
            h = act(h @ W)
        return (np.tanh(h @ w[-1]) ** 2).mean()

    def close(a, b):
        np.testing.assert_allclose(flat(a), flat(b), rtol=0, atol=1e-12 * max(1.0, np.abs(flat(b)).max()))

    close(hvp(f, w, v), complex_step(f, w, v))
    if outer:

        def curvature(w):
            return sum((a * b).sum() for a, b in zip(leaves(hvp(f, w, v)), leaves(v), strict=True))

        stepped = hvp(f, tree_map(lambda a, t: a + 1j * STEP * t, w, v), tree_map(lambda t: t + 0j, v))
        close(dot(grad(curvature)(w), v), dot(tree_map(lambda h: h.imag / STEP, stepped), v))


@pytest.mark.parametrize(("call", "error", "says"), [
    (lambda n: hvp(n.f, n.w, n.v[:-1]), ValueError, "structure"),
    (lambda n: hvp(n.model, n.w, n.v), ValueError, "scalar"),
    (lambda n: ggn_vp(n.model, n.head, n.w, n.v[:-1]), ValueError, "structure"),
    (lambda n: ggn_vp(n.model, lambda y: y, n.w, n.v), ValueError, "scalar"),
    (lambda n: ggn_vp(n.model, lambda y: 1.0, n.w, n.v), TypeError, "needs f to return a Tensor"),
    (lambda n: ggn_vp(n.model, n.head, n.w, tree_map(lambda t: 1j * t, n.v)), TypeError, "complex"),
])  # fmt: skip
def test_bad_input(call, error, says):
    with pytest.raises(error, match=says):
        call(net("tanh", "mse_loss"))
