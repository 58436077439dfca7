"""Numbers at the edges: kinks, singular points, dtypes, and refusals where an answer would be silently
wrong."""

import math

import numpy as np
import pytest

import minigrad as mg
from minigrad import Tensor, grad, jvp


def both_modes(f, x):
    """The gradient of a sum, by pull back and by push forward of unit vectors; they must agree."""
    x = np.asarray(x, dtype=float)
    reverse = grad(lambda z: np.sum(f(z)))(x)
    forward = np.array(
        [jvp(lambda z: np.sum(f(z)), (x,), (e.reshape(x.shape),))[1] for e in np.eye(x.size)]
    ).reshape(x.shape)
    np.testing.assert_allclose(forward, reverse, rtol=1e-14)
    return reverse


INF = np.inf
KINKS = [
    ("relu at 0", mg.relu, [-1.0, 0.0, 2.0], [0, 0, 1]),
    ("abs at 0", np.abs, [-1.0, 0.0, 2.0], [-1, 0, 1]),
    ("fabs at 0", np.fabs, [0.0], [0]),
    ("maximum with a constant, tie", lambda x: np.maximum(x, 1.0), [1.0, 2.0], [0, 1]),
    ("maximum, constant first", lambda x: np.maximum(1.0, x), [1.0, 2.0], [0, 1]),
    ("minimum with a constant, tie", lambda x: np.minimum(x, 1.0), [1.0, 0.0], [0, 1]),
    ("fmax with a constant, tie", lambda x: np.fmax(x, 1.0), [1.0, 2.0], [0, 1]),
    ("fmax ignores NaN", lambda x: np.fmax(x, np.nan), [1.0], [1]),
    ("clip at both bounds", lambda x: np.clip(x, 0, 1), [0.0, 0.5, 1.0, 2.0], [0, 1, 0, 0]),
    ("max reduction, ties", np.max, [3.0, 1.0, 3.0], [0.5, 0, 0.5]),
    ("min reduction, ties", np.min, [1.0, 1.0, 1.0, 2.0], [1 / 3, 1 / 3, 1 / 3, 0]),
    ("norm at 0", np.linalg.norm, [0.0, 0.0], [0, 0]),
    ("std of a constant", np.std, [2.0, 2.0, 2.0], [0, 0, 0]),
    ("where hides sqrt at 0", lambda x: np.where(x > 0, np.sqrt(x), 0), [0.0, 4.0], [0, 0.25]),
    ("where hides log of 0", lambda x: np.where(x > 0, np.log(np.abs(x)), 0), [0.0, 4.0], [0, 0.25]),
    ("where hides x log x", lambda x: np.where(x > 0, x * np.log(x), 0), [0.0, 1.0], [0, 1]),
    ("where hides 1/x", lambda x: np.where(x != 0, 1 / x, 0), [0.0, 2.0], [0, -0.25]),
    ("where hides an overflow", lambda x: np.where(x < 10, np.exp(x), 0), [0.0, 1e4], [1, 0]),
    ("where hides a power", lambda x: np.where(x > 0, x**0.5, 0), [0.0, 4.0], [0, 0.25]),
    ("prod with a zero", np.prod, [0.0, 2.0, 3.0], [6, 0, 0]),
    ("prod with two zeros", np.prod, [0.0, 0.0, 3.0], [0, 0, 0]),
    ("sinc at 0", np.sinc, [0.0], [0]),
    ("power 0 at 0", lambda x: x**0, [0.0, 2.0], [0, 0]),
    ("power 1 at 0", lambda x: x**1, [0.0], [1]),
    ("power 2 at 0", lambda x: x**2.0, [0.0], [0]),
    ("power 3 at 0", lambda x: x**3, [0.0], [0]),
    ("0 to a live exponent", lambda x: 0.0**x, [2.0, 0.0], [0, 0]),
    ("logsumexp of -inf", mg.logsumexp, [-INF, -INF], [0, 0]),
    ("logsumexp with one -inf", mg.logsumexp, [-INF, 3.0], [0, 1]),
    ("logaddexp of -inf twice", lambda x: np.logaddexp(x, -INF), [-INF], [0.5]),
    ("softplus far out", mg.softplus, [-1e4, 1e4], [0, 1]),
    ("sigmoid far out", mg.sigmoid, [-1e4, 1e4], [0, 0]),
]


@pytest.mark.parametrize(("f", "x", "expected"), [k[1:] for k in KINKS], ids=[k[0] for k in KINKS])
# NumPy speaks of log(0) and the like in the forward values
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_kinks_and_singular_points(f, x, expected):
    np.testing.assert_array_equal(both_modes(f, x), np.asarray(expected, dtype=float))


@pytest.mark.parametrize("f", [np.maximum, np.minimum, np.fmax, np.fmin])
def test_a_tie_of_two_live_inputs_is_shared(f):
    a, b = grad(lambda a, b: f(a, b), argnums=(0, 1))(1.0, 1.0)
    assert (a, b) == (0.5, 0.5)
    assert grad(lambda a: f(a, a))(1.0) == 1.0
    assert jvp(f, (1.0, 1.0), (1.0, 0.0))[1] == 0.5
    assert jvp(f, (1.0, 1.0), (1.0, 1.0))[1] == 1.0


def test_hypot_at_the_origin():
    assert grad(np.hypot, argnums=(0, 1))(0.0, 0.0) == (0.0, 0.0)
    assert jvp(np.hypot, (0.0, 0.0), (1.0, 1.0))[1] == 0.0


def test_zero_to_the_zero():
    a, b = grad(np.power, argnums=(0, 1))(0.0, 0.0)
    assert (a, b) == (0.0, 0.0)


def test_second_derivatives_do_not_leak_through_where():
    f = lambda x: np.where(x > 0, np.sqrt(x), 0)  # noqa: E731
    assert grad(grad(f))(0.0) == 0.0
    assert mg.hvp(f, 0.0, 1.0) == 0.0
    assert grad(grad(f))(4.0) == -0.25 * 4.0**-1.5


def test_an_undefined_derivative_that_is_used_is_not_hidden():
    assert np.isnan(grad(lambda x: np.cbrt(x * x * x))(0.0)), (
        "∞·0 inside the chain is unknown, so NaN, never a guess"
    )
    assert grad(np.sqrt)(0.0) == INF


def test_sinc_of_every_order():
    """Against ∫₀¹ tⁿ cos(ut + nπ/2) dt by Gauss–Legendre, on both sides of the switch between series and
    recursion."""
    t, weight = np.polynomial.legendre.leggauss(60)
    t, weight = (t + 1) / 2, weight / 2
    d = np.sinc
    for n in range(6):
        for x in (0.0, 1e-9, 1e-3, 0.2, (n + 0.9) / math.pi, (n + 1.1) / math.pi, 1.0, 2.5, -4.0):
            truth = math.pi**n * np.sum(weight * t**n * np.cos(math.pi * x * t + n * math.pi / 2))
            assert float(d(x)) == pytest.approx(truth, rel=1e-10, abs=1e-10 * math.pi**n)
        d = grad(d)


@pytest.mark.parametrize("scale", [1e-200, 1.0, 1e200])
def test_the_slope_of_arctan2_at_any_size(scale):
    """∂a = b/(a² + b²), ∂b = −a/(a² + b²), and the second derivatives by their closed forms."""
    a, b = 3.0 * scale, 4.0 * scale
    first, second = (grad(np.arctan2, argnums=i) for i in (0, 1))
    np.testing.assert_allclose([first(a, b), second(a, b)], np.array([0.16, -0.12]) / scale, rtol=1e-14)
    if scale == 1:
        found = [grad(f, argnums=i)(a, b) for f in (first, second) for i in (0, 1)]
        np.testing.assert_allclose(found, [-0.0384, -0.0112, -0.0112, 0.0384], rtol=1e-14)


def test_the_slope_of_arctan2_has_none_itself_at_the_origin():
    first = grad(np.arctan2)
    assert first(0.0, 0.0) == 0
    assert np.isnan(grad(first)(0.0, 0.0))
    assert np.isnan(grad(first, argnums=1)(0.0, 0.0))


@pytest.mark.parametrize("x", [
    [2.0, 3.0, 4.0], [0.0, 3.0, 4.0], [1e-200, 1e-200, 3.0], [1e-160, 1e-160, 2.0, 5.0],
    [1e200, 1e-200, 1e200],
    [np.inf, 2.0, 3.0], [-0.0, np.inf], [2.0, np.nan, 3.0],
], ids=str)  # fmt: skip
def test_the_derivative_of_prod_is_the_product_of_the_others(x):
    """Also where the product is 0, has few digits, is infinite or undefined, so that y/x would be wrong."""
    x = np.array(x)
    with np.errstate(all="ignore"):
        expected = [np.multiply.reduce(np.delete(x, i)) for i in range(x.size)]
        np.testing.assert_allclose(both_modes(np.prod, x), expected, rtol=1e-14)


@pytest.mark.parametrize("what", ["different", "ties", "zeros of both signs", "NaN"])
@pytest.mark.parametrize("axis", [0, 1])
def test_long_sorts_are_stable_in_their_derivative(what, axis):
    """Equal elements keep their order, as np.argsort(kind="stable") says."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((300, 300))
    if what == "ties":
        x = np.round(x, 1)
    elif what != "different":
        x[rng.random(x.shape) < 0.1] = np.nan if what == "NaN" else 0.0
        x[rng.random(x.shape) < 0.1] *= -1
    weights = rng.standard_normal(x.shape)
    expected = np.empty_like(x)
    np.put_along_axis(expected, np.argsort(x, axis=axis, kind="stable"), weights, axis)
    np.testing.assert_array_equal(mg.vjp(lambda x: np.sort(x, axis), x)[1](weights)[0], expected)


@pytest.mark.parametrize("scale", [1e-200, 1.0, 1e200])
def test_a_whole_norm_at_any_size(scale):
    x = np.array([3.0, 4.0]) * scale
    np.testing.assert_allclose(np.linalg.norm(Tensor(x)).data, 5 * scale, rtol=1e-14)
    np.testing.assert_allclose(both_modes(np.linalg.norm, x), [0.6, 0.8], rtol=1e-14)


def test_where_keeps_both_parts_of_a_complex_cotangent():
    """Where a part is infinite, a product with 1 would make the other NaN."""
    z, g = np.ones(2, complex), np.array([complex(np.inf, 1), complex(np.nan, 1)])
    pulled = mg.vjp(lambda z: np.where(np.array([True, False]), z, 0), z)[1](g)[0]
    np.testing.assert_array_equal(pulled.view(float), [np.inf, 1, 0, 0])


def test_the_mean_of_large_integers_does_not_wrap_around():
    x = np.full(4, 2**62)
    assert np.mean(Tensor(x)).data == np.mean(x) == 2.0**62


def test_prod_of_many_factors_keeps_its_cost_in_hand():
    x = np.linspace(0.999, 1.001, 100_000)
    g = grad(np.prod)(x)
    np.testing.assert_allclose(g, np.prod(x) / x, rtol=1e-10)


# dtypes


def test_python_numbers_do_not_promote():
    x = Tensor(np.ones(2, np.float32), requires_grad=True)
    y = (2.0 * x + 1) ** 2 / 3 - 0.5
    assert y.dtype == np.float32
    y.sum().backward()
    assert x.grad.dtype == np.float32


def test_mixed_precision_brings_each_gradient_home():
    a = Tensor(np.ones(3, np.float32), requires_grad=True)
    b = Tensor(np.ones(3, np.float64), requires_grad=True)
    ((a * b).sum() + a.astype(np.float64).sum()).backward()
    assert a.grad.dtype == np.float32
    assert b.grad.dtype == np.float64
    np.testing.assert_array_equal(a.grad, [2, 2, 2])


@pytest.mark.parametrize("data", [np.arange(3), np.array([True, False]), [1, 2], np.int64(3), True])
def test_integers_asked_for_a_gradient(data):
    with pytest.raises(TypeError, match=r"astype\(float\)"):
        Tensor(data, requires_grad=True)
    if not isinstance(data, list):  # a list is a tree of numbers there
        with pytest.raises(TypeError, match=r"astype\(float\)"):
            grad(lambda x: np.sum(x * 1.0))(data)


def test_a_bare_whole_number_is_a_number():
    x = Tensor(3, requires_grad=True)
    assert x.dtype == np.float64
    assert grad(lambda x: x * x)(3) == 6.0


def test_the_mean_and_friends_stay_float32():
    for f in (
        np.mean,
        np.var,
        np.std,
        np.linalg.norm,
        mg.logsumexp,
        lambda x: np.where(x > 0, x, 0),
        lambda x: np.maximum(x, 0),
    ):
        x = np.ones(3, np.float32)
        assert np.sum(f(Tensor(x))).dtype == np.float32
        assert grad(lambda x, f=f: np.sum(f(x)))(x).dtype == np.float32


# Refusals


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("call", "says"), [
    (lambda x: np.all(x, where=np.array([True, False])), r"np\.all\(where=\.\.\.\).*np\.where"),
    (lambda x: np.add(x, 1, out=np.zeros(2)), r"out=\.\.\.\).*instead"),
    (lambda x: np.add(x, 1, where=np.array([True, False])), r"where"),
    (lambda x: np.packbits(x), r"np\.packbits is not supported on Tensors"),
    (lambda x: np.asarray(x), r"drop its gradient"),
    (lambda x: np.array([x[0], x[1]]), r"np\.stack"),
    (lambda x: x + "a", r"numbers, got str"),
    (lambda x: x + None, r"got NoneType"),
    (lambda x: x["a"], r"index"),
    (lambda x: x[1.5], r"index"),
    (lambda x: x[np.array([0.5])], r"integers or booleans"),
    (lambda x: bool(x), r"ambiguous"),
    (lambda x: x.item(), r"one element"),
])  # fmt: skip
def test_what_is_not_supported_says_so(call, says):
    x = Tensor(np.array([1.0, 2.0]), requires_grad=True)
    with pytest.raises((TypeError, ValueError, IndexError), match=says):
        call(x)


def test_writing_into_an_array_with_a_tensor_raises():
    a, x = np.zeros(2), Tensor(np.ones(2), requires_grad=True)
    with pytest.raises(TypeError, match="out="):
        a += x
    np.testing.assert_array_equal(a, 0)
    with pytest.raises(TypeError, match="drop its gradient"):
        a[:] = x


def test_item_assignment_offers_the_way():
    x = Tensor(np.ones(3), requires_grad=True)
    with pytest.raises(TypeError, match="index_set"):
        x[0] = 2.0
    y = mg.index_set(x, 0, 2.0)
    np.testing.assert_array_equal(y.data, [2, 1, 1])
    (y * y).sum().backward()
    np.testing.assert_array_equal(x.grad, [0, 2, 2])
    with pytest.raises(ValueError, match="set twice"):
        mg.index_set(x, np.array([0, 0]), 1.0)


def test_values_taken_out_of_the_graph_are_noticed():
    with pytest.raises(TypeError, match="math module"):
        grad(lambda x: math.sin(x))(1.0)


def test_data_must_be_numbers():
    for bad in ("text", [None], {"a": 1}, ["a"], [[1, 2], [3]]):
        with pytest.raises((TypeError, ValueError)):
            Tensor(bad)


def test_the_constructor_copies():
    a = np.ones(2)
    x = Tensor(a, requires_grad=True)
    a[:] = 7
    np.testing.assert_array_equal(x.data, 1)
    b = x.numpy()
    b[:] = 7
    np.testing.assert_array_equal(x.data, 1)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize(
    "shape", [(0, 3), (3, 0), (1, 1), (5, 10), (4, 1024), (4, 1025), (2, 3, 7), (3, 1, 0)]
)
@pytest.mark.parametrize("keepdims", [False, True])
def test_sums_along_rows(shape, dtype, keepdims):
    """They are products with a vector of ones up to a length, of any layout; infinities and NaN come
    through."""
    x = np.random.default_rng(0).normal(size=shape).astype(dtype)
    tall = np.moveaxis(np.ascontiguousarray(np.moveaxis(x, -1, 0)), 0, -1)
    for a in (x, tall, x[..., ::-1], np.repeat(x, 2, axis=0)[::2]):
        y = np.sum(Tensor(a), axis=-1, keepdims=keepdims).data
        exact = a.astype(np.float64).sum(-1, keepdims=keepdims)
        assert (y.shape, y.dtype) == (exact.shape, dtype)
        scale = np.abs(a.astype(np.float64)).sum(-1, keepdims=keepdims)
        assert np.all(np.abs(y - exact) <= 4 * np.finfo(dtype).eps * scale)
    if x.size:
        x[(0,) * x.ndim] = np.inf
        assert np.sum(Tensor(x), axis=-1).data.flat[0] == np.inf
        x[(0,) * x.ndim] = np.nan
        assert np.isnan(np.sum(Tensor(x), axis=-1).data.flat[0])
