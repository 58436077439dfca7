"""Numbers at every edge: one table or property for each kind of fault.

`inner` functions choose (their derivative has zeros that are choices), `outer` functions are singular there.
"""

import math

import numpy as np
import pytest

import minigrad as mg
from minigrad import Tensor, compile, grad, hessian, jacobian, jvp, value_and_grad
from models.activations import elu
from tests.seeds import further

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # NumPy speaks of log(0) in forward values


def _and_zero(x):
    """x and a 0 that is live but does not depend on x."""
    return np.stack([x, np.zeros(())])


# A choice: the function, a point where it does not choose x, and the value that it takes there instead
CHOICES = {
    "relu": (mg.relu, -1.5),
    "relu at the corner": (mg.relu, 0.0),
    "maximum": (lambda x: np.maximum(x, 0), -1.5),
    "maximum, constant first": (lambda x: np.maximum(0, x), -1.5),
    "maximum, both live": (lambda x: np.maximum(*_and_zero(x)), -1.5),
    "minimum": (lambda x: np.minimum(x, 0), 1.5),
    "fmax": (lambda x: np.fmax(x, 0), -1.5),
    "fmin": (lambda x: np.fmin(x, 0), 1.5),
    "clip below": (lambda x: np.clip(x, 0, 5), -1.5),
    "clip above": (lambda x: np.clip(x, -5, 0), 1.5),
    "clip at its bound": (lambda x: np.clip(x, 0, 5), 0.0),
    "abs at the kink": (np.abs, 0.0),
    "fabs at the kink": (np.fabs, 0.0),
    "heaviside": (lambda x: np.heaviside(-1.0, x), 2.0),
    "max": (lambda x: np.max(_and_zero(x)), -1.5),
    "min": (lambda x: np.min(_and_zero(x)), 1.5),
    "where": (lambda x: np.where(x > 0, x, 0), -1.5),
    "sort": (lambda x: np.sort(_and_zero(x))[-1], -1.5),
    "index": (lambda x: mg.index_set(np.stack([x, x]), 0, 0.0)[0], -1.5),
    "elu of a choice": (lambda x: elu(mg.relu(x)), -1.5),
}
SINGULAR = {
    "sqrt": np.sqrt,
    "log": np.log,
    "power ½": lambda y: y**0.5,
    "power −½": lambda y: y**-0.5,
    "live power": lambda y: y ** (0.5 + 0 * mg.sigmoid(y)),
    "1/y": lambda y: 1 / y,
    "cbrt": np.cbrt,
    "arcsin at 1": lambda y: np.arcsin(1 + y),
    "arctanh at 1": lambda y: np.arctanh(1 + y),
    "arccosh at 1": lambda y: np.arccosh(1 + y),
    "y log y": lambda y: y * np.log(y),
}


@pytest.mark.parametrize("inner", CHOICES)
@pytest.mark.parametrize("outer", [*list(SINGULAR)[::2], *further(*list(SINGULAR)[1::2])])
def test_a_zero_that_comes_from_a_choice_wins(inner, outer):
    """Where x is not chosen, nothing depends on it, so derivatives of every order are 0 in both modes."""
    (choose, at), singular = CHOICES[inner], SINGULAR[outer]
    pull = push = lambda x: singular(choose(x))
    for order in (1, 2, 3):
        pull, push = grad(pull), (lambda x, f=push: jvp(f, (x,), (1.0,))[1])
        mixed = lambda x, f=pull: jvp(f, (x,), (1.0,))[1]  # noqa: E731
        for f in (pull, push, compile(pull), compile(push), mixed):
            assert float(f(at)) == 0.0, (inner, outer, order)


f16, f32 = np.float16, np.float32
EXACT = [  # function, order of the derivative, where, closed form, relative error
    (np.expm1, 1, -40.0, math.exp(-40), 1e-12),
    (np.expm1, 3, f32(-20), math.exp(-20), 1e-5),
    (mg.sigmoid, 2, 1e-20, -1.25e-21, 1e-12),
    (mg.sigmoid, 2, f32(1e-8), -1.25e-9, 1e-4),
    (mg.sigmoid, 2, 40.0, -math.exp(-40), 1e-12),
    (mg.softplus, 3, 1e-20, -1.25e-21, 1e-12),
    (np.arcsin, 2, 1e-20, 1e-20, 1e-12),
    (np.arccos, 2, 1e-20, -1e-20, 1e-12),
    (np.arctanh, 2, 1e-20, 2e-20, 1e-12),
    (np.arctan, 1, f16(300), 1 / 90001, 2e-2),
    (np.arcsinh, 1, f16(300), 1 / math.hypot(1, 300), 2e-3),
    (np.arcsinh, 1, 1e200, 1e-200, 1e-12),
    (np.arccosh, 1, 1e200, 1e-200, 1e-12),
    (lambda x: np.hypot(x, f32(1)), 2, f32(80), 1 / math.hypot(80, 1) ** 3, 2e-5),
    (lambda x: np.inf**-x, 1, 1.0, 0.0, 0),
]


@pytest.mark.parametrize(("f", "order", "at", "want", "rtol"), EXACT)
def test_neither_tails_nor_cancellation_nor_overflow_cost_digits(f, order, at, want, rtol):
    pull = push = f
    for _ in range(order):
        pull, push = grad(pull), (lambda x, g=push: jvp(g, (x,), (np.ones_like(x),))[1])
    for g in (pull, push, compile(pull)):
        assert float(g(at)) == pytest.approx(want, rel=rtol, abs=0)


def test_lengths_and_spreads():
    norm = np.linalg.norm
    for unit in (1e200, 1e-200):
        y, g = value_and_grad(norm)(np.array([3 * unit, 4 * unit]))
        assert y == pytest.approx(5 * unit)
        np.testing.assert_allclose(g, [0.6, 0.8])
    assert grad(norm)(np.full((3, 3), 100, f16)).dtype == f16
    assert float(norm(Tensor(np.full((3, 3), 100, f16)))) == 300
    assert float(mg.logsumexp(np.zeros(70000, f16))) == pytest.approx(math.log(70000), rel=2e-3)
    for x in (np.full(3, 0.1), np.full(7, 1e15 / 3), np.array([5.0])):
        np.testing.assert_array_equal(grad(np.std)(x), 0 * x)
    with np.errstate(all="ignore"):
        assert np.var(Tensor([1.0, 2.0]), ddof=3).item() == np.var([1.0, 2.0], ddof=2) == np.inf


def test_integers_to_a_float_power():
    got = Tensor(np.array([20], np.uint8)) ** 2.0
    assert (got.dtype, got.item()) == (np.float64, 400.0)


def test_the_third_derivative_beside_a_removable_singularity():
    """The rule of a guarded product has to let the same zeros win as the product itself."""

    def exprel(x):
        series = 1 + x / 2 + x * x / 6 + x**3 / 24
        return np.where(np.abs(x) < 1e-5, series, np.expm1(x) / x)

    third = grad(grad(grad(exprel)))
    for f in (third, compile(third)):
        assert float(f(0.0)) == pytest.approx(0.25, rel=1e-12)


LENGTHS = {  # a square, written through a length, and its Hessian at 0 divided by that of Σx²
    "norm ** 2": (lambda x: np.linalg.norm(x) ** 2, 1),
    "norm · norm": (lambda x: np.linalg.norm(x) * np.linalg.norm(x), 1),
    "square of a norm": (lambda x: np.square(np.linalg.norm(x)), 1),
    "multiply": (lambda x: np.multiply(*(np.linalg.norm(x),) * 2), 1),
    "norm along an axis": (lambda x: np.sum(np.linalg.norm(np.reshape(x, (3, 1)), axis=1) ** 2), 1),
    "abs": (lambda x: np.sum(np.abs(x) * np.abs(x)), 1),
    "fabs": (lambda x: np.sum(np.square(np.fabs(x))), 1),
    "hypot": (lambda x: np.hypot(x[0], x[1]) ** 2 + x[2] ** 2, 1),
    "complex abs": (lambda x: np.sum(np.abs(x + 1j * x) ** 2), 2),
}


@pytest.mark.parametrize("name", LENGTHS)
def test_the_square_of_a_length_is_smooth_at_0(name):
    f, factor = LENGTHS[name]
    zero, want = np.zeros(3), 2 * factor * np.eye(3)
    for h in (hessian(f), compile(hessian(f)), jacobian(grad(f))):
        np.testing.assert_array_equal(h(zero), want)
    np.testing.assert_allclose(hessian(f)(np.array([1.0, 2, 3])), want, rtol=1e-12, atol=1e-12)
    variance = hessian(lambda x: np.std(x) ** 2)(zero)
    np.testing.assert_allclose(variance, 2 / 3 * (np.eye(3) - 1 / 3), rtol=1e-12)


FOLDS = (np.sum, np.prod, np.max, np.min, np.amax, np.amin, np.all, np.any, np.mean, np.var, np.std)


@pytest.mark.parametrize("axis", [0, -1, 1, (), (0,), None])
@pytest.mark.parametrize("fold", FOLDS, ids=lambda f: f.__name__)
def test_an_axis_of_a_number_is_what_it_is_in_numpy(fold, axis):
    try:
        want = fold(np.array(2.0), axis=axis)
    except np.exceptions.AxisError:
        with pytest.raises(ValueError, match="out of bounds"):
            fold(Tensor(2.0, requires_grad=True), axis=axis)
    else:
        got = fold(Tensor(2.0, requires_grad=True), axis=axis)
        assert (got.shape, got.item()) == ((), want)
        if fold in (np.sum, np.prod, np.max, np.min):
            assert float(grad(lambda x: fold(x, axis=axis))(2.0)) == 1
