"""Sampled functions, convolutions and polynomials: shapes, special points, refusals, replays."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minigrad as mg
from minigrad import Tensor
from minigrad.tensor import data_of
from tests.minigrad.rows.calculus import KNOTS


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 6), st.integers(1, 6), st.sampled_from(["full", "same", "valid"]), st.booleans(),
       st.sampled_from([np.convolve, np.correlate]))  # fmt: skip
def test_convolutions_of_all_lengths_and_modes(n, m, mode, is_complex, f):
    a, v = np.sin(1.0 + np.arange(n)), np.cos(np.arange(m) - 0.5)
    if is_complex:
        a, v = a + 0.5j * v[0], v * (1 - 2j)
    y, pullback = mg.vjp(lambda a, v: f(a, v, mode), a, v[::-1])
    np.testing.assert_allclose(y, f(a, v[::-1], mode), rtol=1e-13, atol=1e-15)
    g = np.cos(np.arange(y.size)).astype(y.dtype)
    assert np.real(np.sum(pullback(g)[0] * a)) == pytest.approx(np.real(np.sum(g * y)), abs=1e-12)
    assert np.real(np.sum(pullback(g)[1] * v[::-1])) == pytest.approx(np.real(np.sum(g * y)), abs=1e-12)


@pytest.mark.parametrize("edge_order", [1, 2])
@pytest.mark.parametrize("shape", [(3,), (4, 3), (3, 4, 5)])
def test_gradients_of_arrays_are_numpys(shape, edge_order):
    x = np.sin(np.arange(float(np.prod(shape)))).reshape(shape)
    got, wanted = (np.gradient(z, edge_order=edge_order) for z in (Tensor(x[::-1]), x[::-1]))
    for one, other in zip(*(y if isinstance(y, tuple) else (y,) for y in (got, wanted)), strict=True):
        np.testing.assert_allclose(one.data, other, rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("x", [np.arange(4), np.array([True, False, True, True])])
@pytest.mark.parametrize(
    "f",
    [np.diff, np.ediff1d, np.gradient, np.trapezoid, lambda x: np.convolve(x, x), np.polyder, np.polyint,
     lambda x: np.polyval([1, 2], x), lambda x: np.interp(x, [0.0, 2.0], [1, 5]), np.vander],
)  # fmt: skip
def test_whole_numbers_have_numpys_results(f, x):
    try:
        wanted = f(x)
    except TypeError:
        return
    y = data_of(f(Tensor(x)))
    assert np.asarray(y).dtype == wanted.dtype
    np.testing.assert_allclose(y, wanted, rtol=1e-15)


def test_interpolation_at_knots_and_beyond():
    f = np.array([1.0, 2.0, 0.0, 5.0])
    slope = mg.grad(lambda x: np.sum(np.interp(x, KNOTS, f)))(np.array([-2.0, 0.2, 2.0, 3.0]))
    np.testing.assert_allclose(slope, [0, -2 / 0.7, 0, 0])
    ends = mg.grad(lambda f: np.sum(np.interp(np.array([-9.0, 9.0, 9.0]), KNOTS, f)))(f)
    assert ends.tolist() == [1, 0, 0, 2]
    assert mg.grad(lambda f: np.interp(0.5, [0.0], f))(np.ones(1)).tolist() == [1]


def test_empty_and_small_arrays():
    x = Tensor(np.ones((0, 3)), requires_grad=True)
    assert np.diff(x, axis=0).shape == (0, 3)
    assert np.trapezoid(x, axis=0).data.tolist() == [0, 0, 0]
    assert np.diff(Tensor([1.0]), n=3).shape == (0,)
    assert np.convolve(Tensor(2.0), np.array([1.0, 2.0])).data.tolist() == [2, 4]
    assert np.polyval(np.array([1.0, 2.0]), Tensor(3.0)).item() == 5


@pytest.mark.parametrize(("n", "slope"), [(0, [1, 1]), (1, [-1, 1]), (2, [0, 0]), (3, [0, 0])])
def test_differences_that_run_out_have_derivative_0(n, slope):
    f = lambda x: np.sum(np.diff(x, n, axis=0))  # noqa: E731
    expected = np.repeat(np.reshape(slope, (2, 1)), 3, 1)
    x = np.ones((2, 3))
    assert mg.grad(f)(x).tolist() == expected.tolist()
    assert mg.grad(lambda x: np.sum(mg.grad(f)(x * x)))(x).tolist() == np.zeros((2, 3)).tolist()


def test_the_curvature_of_differences():
    x = np.array([[0.3, 1.0, -2.0], [0.1, 0.7, 0.4]])
    first = np.diff(np.eye(3), axis=0)
    for row in x:
        expected = first.T @ np.diag(6 * np.diff(row)) @ first
        np.testing.assert_allclose(mg.hessian(lambda x: np.sum(np.diff(x) ** 3))(row), expected, atol=1e-14)


@pytest.mark.parametrize("shape", [(4,), (2, 3)])
@pytest.mark.parametrize("weight", [1.0, -1.0, 0.0])
def test_compiled_differences_have_the_signs_of_zero(shape, weight):
    x = np.sort(np.random.default_rng(0).integers(0, 2, shape)).astype(float)
    gradient = mg.grad(lambda x: np.sum(weight * np.diff(x) ** 2))
    assert mg.compile(gradient)(x).tobytes() == gradient(x).tobytes()


@pytest.mark.parametrize(("indices", "expected"), [([1, 1, 0], [4, 3, 0]), ([2, 2, 2], [0, 0, 7])])
def test_an_element_taken_twice_adds_up_its_derivatives(indices, expected):
    weights = np.array([1.0, 2.0, 4.0])
    f = lambda x: np.sum(np.take_along_axis(x, np.array(indices), 0) * weights)  # noqa: E731
    assert mg.grad(f)(np.ones(3)).tolist() == expected


REFUSED = [
    (lambda x: np.diff(x, -1), r"np.diff\(n=...\) must not be negative, got -1"),
    (lambda x: np.gradient(x[:1]), r"np.gradient\(edge_order=1\) needs at least 2 elements"),
    (lambda x: np.gradient(x, edge_order=3), r"np.gradient\(edge_order=...\) must be 1 or 2, got 3"),
    (lambda x: np.gradient(x, 1.0, 2.0), "one spacing for each of its 1 axes, got 2"),
    (lambda x: np.gradient(x, np.ones(2)), r"need its length, 3, got shape \(2,\)"),
    (lambda x: np.interp(x, [1.0, 2.0], [1.0]), r"np.interp\(x, xp, fp\) needs xp and fp of one shape"),
    (lambda x: np.interp(x * 1j, [0.0, 1.0], [1.0, 2.0]), "np.interp.* real x and xp, got complex128"),
    (lambda x: np.convolve(x[None], x), r"np.convolve needs two vectors that are not empty"),
    (lambda x: np.convolve(x, x, "half"), r"np.convolve\(mode=...\) must be 'full'.*got 'half'"),
    (lambda x: np.polymul(x, np.zeros((2, 0))), r"np.polymul.* two vectors that are not empty"),
    (lambda x: np.vander(x[None]), r"np.vander needs a vector, got shape \(1, 3\)"),
    (lambda x: np.poly(x[None]), "np.poly on Tensors takes a vector of zeros"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "text"), REFUSED)
def test_refusals_name_the_call_and_the_remedy(call, text):
    with pytest.raises((TypeError, ValueError), match=text):
        call(Tensor(np.ones(3), requires_grad=True))
