"""Forward and reverse in any mix: right values to order 5, and no derivative taken for another's."""

import itertools

import numpy as np
import pytest

import minigrad as mg
from minigrad import Tensor, grad, hvp, jacobian, jvp, linearize, no_grad, value_and_grad, vjp

MODES = {
    "F": lambda f: lambda x: jvp(f, (x,), (np.ones_like(x),))[1],
    "R": lambda f: lambda x: vjp(f, x)[1](np.ones_like(x))[0],
}
MIXES = ["".join(mix) for n in range(1, 6) for mix in itertools.product("FR", repeat=n)]


def test_there_are_62_mixes():
    assert len(MIXES) == 62


@pytest.mark.parametrize("mix", MIXES)
def test_every_mix_to_order_5_agrees_with_the_closed_form(mix):
    f = lambda x: np.sin(x) * np.exp(x)  # noqa: E731  # f⁽ⁿ⁾ = 2^(n/2) eˣ sin(x + nπ/4)
    x = np.array([0.3, -1.1, 0.0])
    d = f
    for mode in mix:
        d = MODES[mode](d)
    n = len(mix)
    truth = 2 ** (n / 2) * np.exp(x) * np.sin(x + n * np.pi / 4)
    got = d(x)
    assert isinstance(got, np.ndarray)
    np.testing.assert_allclose(got, truth, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("mix", [m for m in MIXES if len(m) < 5])
def test_every_mix_on_rational_functions(mix):
    """1/(1 + x²) through divide, power, log and sqrt, against the derivatives of a polynomial quotient."""
    polynomial = np.polynomial.Polynomial
    numerator, power = polynomial([1.0]), 1  # f⁽ⁿ⁾ = p_n/(1 + x²)^(n+1)
    q = polynomial([1.0, 0.0, 1.0])
    d = lambda x: np.sqrt(np.exp(2 * np.log(1 / (1 + x**2))))  # noqa: E731
    x = np.array([0.4, -0.9])
    for mode in mix:
        d = MODES[mode](d)
        numerator = numerator.deriv() * q - power * q.deriv() * numerator
        power += 1
    np.testing.assert_allclose(d(x), numerator(x) / q(x) ** power, rtol=1e-11)


@pytest.mark.parametrize("inner", "FR")
@pytest.mark.parametrize("outer", "FR")
def test_no_perturbation_confusion(outer, inner):
    """d/dx [x · d/dy (x + y)] = 1; an engine that mixes up whose derivative it takes says 2."""
    f = MODES[outer](lambda x: x * MODES[inner](lambda y: x + y)(1.0))
    assert f(2.0) == 1.0


@pytest.mark.parametrize("inner", "FR")
@pytest.mark.parametrize("outer", "FR")
def test_closures_count(outer, inner):
    """d/dx [d/dy (x·y²) at 1] = 2, though the inner function is not given x."""
    f = MODES[outer](lambda x: MODES[inner](lambda y: x * y**2)(1.0))
    assert f(3.0) == 2.0


def test_closures_count_with_whole_numbers():
    g = grad(lambda x: grad(lambda y: x * y**2)(1))(3)
    assert g == 2
    assert isinstance(g, np.ndarray), "the inner variable is no longer live when the outer sweep runs"


def test_three_levels_of_closures():
    f = lambda x: grad(lambda y: grad(lambda z: x * y * z**2)(1.0) * y)(2.0)  # noqa: E731  # 2xy² → 4xy
    assert grad(f)(3.0) == 8.0
    assert jvp(f, (3.0,), (1.0,))[1] == 8.0


def test_inner_gradient_at_an_outer_point():
    f = lambda x: grad(lambda y: y**3)(x) * x  # noqa: E731  # 3x³
    assert grad(f)(2.0) == 36.0
    assert grad(grad(f))(2.0) == 36.0


def test_an_inner_tangent_may_depend_on_the_outer_variable():
    f = lambda x: jvp(lambda y: y**2, (3.0,), (x * x,))[1]  # noqa: E731  # 6x²
    assert grad(f)(2.0) == 24.0
    assert jvp(f, (2.0,), (1.0,))[1] == 24.0


def test_an_inner_cotangent_may_depend_on_the_outer_variable():
    f = lambda x: vjp(lambda y: y**2, 3.0)[1](x * x)[0]  # noqa: E731
    assert grad(f)(2.0) == 24.0


def test_the_same_leaf_differentiated_twice_inside():
    f = lambda x: grad(lambda y: y * x)(x) + grad(lambda y: y * y * x)(x)  # noqa: E731  # x + 2x²
    assert grad(f)(3.0) == 13.0


def test_constants_have_derivative_zero_at_every_order():
    assert grad(grad(lambda x: 2.0 * x))(1.0) == 0.0
    assert jvp(grad(lambda x: 2.0 * x), (1.0,), (1.0,))[1] == 0.0
    np.testing.assert_array_equal(mg.hessian(lambda x: x.sum())(np.ones(2)), np.zeros((2, 2)))


def test_results_are_arrays_unless_something_outside_is_live():
    x = np.ones(3)
    f = lambda x: (x * x).sum()  # noqa: E731
    for out in (
        grad(f)(x),
        *value_and_grad(f)(x),
        hvp(f, x, x),
        *jvp(f, (x,), (x,)),
        linearize(f, x)[1](x),
        jacobian(f)(x),
    ):
        assert isinstance(out, np.ndarray)
    w = Tensor(2.0, requires_grad=True)
    g = grad(lambda x: (w * x * x).sum())(x)
    assert isinstance(g, Tensor)
    g.sum().backward()
    assert w.grad == 6.0
    with no_grad():
        assert isinstance(grad(lambda x: (w * x * x).sum())(x), np.ndarray)
    assert isinstance(grad(f)(Tensor(x, requires_grad=True)), Tensor)


def test_hessian_vector_products_three_ways_agree():
    rng = np.random.default_rng(1)
    X, T = rng.standard_normal((7, 3)), rng.standard_normal((7, 2))
    n = 3 * 4 + 4 + 4 * 2 + 2

    def f(w):
        h = np.tanh(mg.linear(X, w[:12].reshape(3, 4), w[12:16]))
        d = mg.linear(h, w[16:24].reshape(4, 2), w[24:]) - T
        return np.mean(d * d) + 0.1 * mg.logsumexp(w)

    w, v = rng.standard_normal(n), rng.standard_normal(n)
    forward_over_reverse = hvp(f, w, v)
    reverse_over_forward = grad(lambda w: jvp(f, (w,), (v,))[1])(w)
    reverse_over_reverse = grad(lambda w: (grad(f)(w) * v).sum())(w)
    scale = np.abs(forward_over_reverse).max()
    np.testing.assert_allclose(reverse_over_forward, forward_over_reverse, atol=1e-13 * scale)
    np.testing.assert_allclose(reverse_over_reverse, forward_over_reverse, atol=1e-13 * scale)
    complex_step = np.imag(grad(f)(w + 1e-20j * v)) / 1e-20
    np.testing.assert_allclose(complex_step, forward_over_reverse, atol=1e-13 * scale)
    H = mg.hessian(f)(w)
    np.testing.assert_allclose(H, H.T, atol=1e-14 * np.abs(H).max())
    np.testing.assert_allclose(H @ v, forward_over_reverse, atol=1e-13 * scale)
