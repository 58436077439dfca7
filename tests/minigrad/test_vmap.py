"""`vmap`: each op of the table, in both modes and under other transforms, equals the loop over samples."""

import warnings

import numpy as np
import pytest

import minigrad as mg
from minigrad import CaptureError, Tensor, check_derivatives, grad, vmap
from models import MLP, binary_cross_entropy_with_logits, cross_entropy, mse_loss
from tests.minigrad.test_ops import TABLE

N, RNG = 3, np.random.default_rng(0)


def near(xs, rng):
    """N samples close to the arrays of a row, so that no kink or order lies between them."""
    return [np.stack([x + 1e-3 * rng.random(x.shape) for _ in range(N)]) for x in xs]


LOOK = {"unique", "eig", "eig, as it is", "eigvals", "eigvals, complex pair"}  # at values, which vmap refuses


@pytest.mark.parametrize("row", [row for row in TABLE if row[0] not in LOOK], ids=lambda row: row[0])
def test_every_op_and_its_gradient_equal_the_loop(row, rng):
    _, f, *xs = row
    batch = near(xs, rng)
    shared = [None if i % 2 else 0 for i in range(len(xs))]

    def loss(*x):
        return np.sum(np.sin(f(*x)))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for g in (lambda *x: (f(*x),), grad(loss, argnums=tuple(range(len(xs))))):
            for in_axes in ([0] * len(xs), shared):
                args = [x if a == 0 else x[0] for x, a in zip(batch, in_axes, strict=True)]
                each = [
                    g(*(x[i] if a == 0 else x for x, a in zip(args, in_axes, strict=True))) for i in range(N)
                ]
                for k, y in enumerate(vmap(g, in_axes)(*args)):
                    np.testing.assert_allclose(y, np.stack([e[k] for e in each]), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("row", [row for row in TABLE if row[0] in LOOK], ids=lambda row: row[0])
def test_what_looks_at_values_is_refused(row, rng):
    _, f, *xs = row
    with pytest.raises(CaptureError):
        vmap(f)(*near(xs, rng))


def test_axes_trees_and_shared_arguments(rng):
    x, w = rng.normal(size=(4, 2, 3)), rng.normal(size=3)

    def f(p, w):
        return {"a": p["x"] @ w, "b": p["s"] * w}

    out = vmap(f, in_axes=(0, None))({"x": x, "s": np.arange(4.0)}, w)
    np.testing.assert_allclose(out["a"], x @ w, rtol=1e-14)
    np.testing.assert_allclose(out["b"], np.arange(4.0)[:, None] * w, rtol=1e-14)
    y = vmap(lambda x: x * w, in_axes=1, out_axes=-1)(x[0].T)
    np.testing.assert_allclose(y, (x[0] * w).T)
    a, b = vmap(lambda x, k: (x.sum(), x[k]), in_axes=(0, None), out_axes=(0, 1))(x[:, 0], slice(1))
    assert a.shape == (4,)
    assert b.shape == (1, 4)
    np.testing.assert_array_equal(vmap(lambda x: 7.0)(w), np.full(3, 7.0))
    np.testing.assert_array_equal(vmap(lambda x: w, out_axes=1)(x[:, 0, 0]), np.stack([w] * 4, 1))
    np.testing.assert_array_equal(vmap(lambda x, scale: x * scale, in_axes=0)(w, scale=2.0), 2 * w)


def test_results_belong_to_the_caller(rng):
    x, w = rng.normal(size=(4, 3)), rng.normal(size=3)
    a, b, c, d = vmap(lambda x: (x, x.reshape(3, 1), w * 1, x), out_axes=(0, 0, None, 0))(x)
    for y in (a, b, c, d):
        y[...] = 0
    assert np.all(x)
    assert np.all(w)
    e = vmap(lambda x: w, out_axes=None)(x)
    e[...] = 0
    assert np.all(w)


def test_inside_other_transforms(rng):
    x = rng.normal(size=(4, 3))

    def f(x):
        return np.sum(np.exp(x) * x[0])

    def total(x):
        return np.sum(vmap(f)(x) ** 2)

    check_derivatives(total, x, order=3)
    expected = grad(lambda x: sum(f(x[i]) ** 2 for i in range(4)))(x)
    np.testing.assert_allclose(grad(total)(x), expected, rtol=1e-13)
    replayed = mg.compile(vmap(grad(f)))
    for z in (x, 2 * x):
        np.testing.assert_allclose(replayed(z), [grad(f)(row) for row in z], rtol=1e-13)
    H = vmap(mg.hessian(f))(x)
    np.testing.assert_allclose(H, [mg.hessian(f)(row) for row in x], rtol=1e-12, atol=1e-14)
    twice = vmap(vmap(lambda a, b: a * b, in_axes=(None, 0)), in_axes=(0, None))(x[:, 0], x[0])
    np.testing.assert_allclose(twice, np.multiply.outer(x[:, 0], x[0]))
    np.testing.assert_allclose(
        vmap(lambda x, v: mg.hvp(f, x, v))(x, x), np.einsum("nij,nj->ni", H, x), rtol=1e-12
    )


def test_live_tensors_from_outside_stay_connected(rng):
    w, x = Tensor(rng.normal(size=3), requires_grad=True), rng.normal(size=(4, 3))
    y = vmap(lambda x: np.tanh(x @ w))(x)
    np.sum(y).backward()
    np.testing.assert_allclose(w.grad, ((1 - np.tanh(x @ w.data) ** 2) @ x), rtol=1e-13)
    given = vmap(lambda x: x * 2)(Tensor(x, requires_grad=True))
    assert isinstance(given, Tensor)
    assert given.requires_grad
    assert isinstance(vmap(lambda x: x * 2)(x), np.ndarray)


@pytest.mark.parametrize("loss", [cross_entropy, mse_loss, binary_cross_entropy_with_logits])
def test_gradients_of_each_sample(loss, rng):
    model = MLP((2, 5, 3), "tanh", rng=0)
    X = rng.normal(size=(7, 2))
    y = rng.integers(0, 3, 7) if loss is cross_entropy else rng.random((7, 3))
    parameters = model.parameters()

    def of(parameters, x, y):
        w1, b1, w2, b2 = parameters
        return loss(mg.linear(np.tanh(mg.linear(x[None], w1, b1)), w2, b2), y[None])

    arrays = [p.data for p in parameters]
    each = vmap(grad(of), in_axes=(None, 0, 0))(arrays, X, y)
    for i in range(7):
        for g, one in zip(each, grad(of)(arrays, X[i], y[i]), strict=True):
            np.testing.assert_allclose(g[i], one, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("axes", [(0, 0), (None, 0), (0, None)])
@pytest.mark.parametrize(
    "spread", [1.0, 100.0]
)  # where the logits lie far apart, each row has a shift of its own
def test_labels_of_each_sample_or_of_all(axes, spread, rng):
    """A sample of several rows; what all samples share, logits or labels, has no axis for them."""
    logits, labels = spread * rng.normal(size=(4, 3, 5)), rng.integers(0, 5, (4, 3))
    given = [x if axis == 0 else x[1] for x, axis in zip((logits, labels), axes, strict=True)]
    for f in grad(cross_entropy), grad(lambda z, y: np.sum(grad(cross_entropy)(z, y) ** 2)):
        each = vmap(f, in_axes=axes)
        for found in (each(*given), mg.compile(each)(*given)):
            for i in range(4):
                one = f(*(x[i] if axis == 0 else x for x, axis in zip(given, axes, strict=True)))
                np.testing.assert_allclose(found[i], one, rtol=1e-11, atol=1e-14)


@pytest.mark.parametrize(("call", "error", "text"), [
    ("vmap(3)", TypeError, "vmap(f) needs a function"),
    ("vmap(np.sin)(np.zeros((0, 2)))", ValueError, "one number of samples ≥ 1 in all arguments, got [0]"),
    ("vmap(np.add)(np.zeros(2), np.zeros(3))", ValueError, "got [2, 3]"),
    ("vmap(np.add, (0, None, 0))(np.zeros(2), np.zeros(3))", TypeError, "has 3 entries, for 2"),
    ("vmap(np.sin, None)(np.zeros(2))", TypeError, "in_axes is None for all"),
    ("vmap(np.sin)(np.zeros(()))", ValueError, "has no axis 0"),
    ("vmap(np.sin, 'x')(np.zeros(2))", TypeError, "integers and None, got 'x'"),
    ("vmap(np.sin, out_axes=None)(np.zeros(2))", ValueError, "differs from sample to sample"),
    ("vmap(lambda x: x if x > 0 else -x)(np.zeros(2))", CaptureError, "vmap(<lambda>)"),
    ("vmap(lambda x: x * mg.uniform(RNG))(np.zeros(2))", CaptureError, "a random number"),
])  # fmt: skip
def test_what_is_refused(call, error, text):
    with pytest.raises(error) as caught:
        eval(call, globals())
    assert text in str(caught.value)


def test_a_large_derivative_is_no_warning():
    np.testing.assert_array_equal(vmap(grad(np.exp))(np.array([400.0, 1.0])), np.exp([400.0, 1.0]))
