"""In-place operators: they change a live leaf inside `no_grad()`, refuse outside, and bind other names
anew."""

import operator

import numpy as np
import pytest

from minigrad import StaleGraphError, Tensor, no_grad

OPERATORS = {
    "+": operator.iadd, "-": operator.isub, "*": operator.imul, "/": operator.itruediv,
    "**": operator.ipow, "%": operator.imod, "//": operator.ifloordiv, "@": operator.imatmul,
}  # fmt: skip
A, B = np.array([[4.0, 2.0], [1.0, 3.0]]), np.array([[2.0, 1.0], [1.5, 0.5]])


@pytest.mark.parametrize("sign", OPERATORS)
@pytest.mark.parametrize("wrap", [lambda b: b, Tensor, lambda b: Tensor(b, requires_grad=True)])
def test_a_live_leaf_is_changed_inside_no_grad(sign, wrap):
    p = q = Tensor(A, requires_grad=True, name="p")
    memory, y = p.data, (p * p).sum()
    with no_grad():
        q = OPERATORS[sign](q, wrap(B))
    assert q is p
    assert p.requires_grad
    np.testing.assert_allclose(p.data, getattr(operator, OPERATORS[sign].__name__[1:])(A, B))
    assert p.data is memory
    with pytest.raises(StaleGraphError):
        y.backward()


@pytest.mark.parametrize("sign", OPERATORS)
def test_a_live_leaf_is_not_changed_while_recording(sign):
    p = Tensor(A, requires_grad=True, name="p")
    with pytest.raises(TypeError, match=r"leaf 'p'.*in place.*no_grad.*assign"):
        OPERATORS[sign](p, B)
    np.testing.assert_array_equal(p.data, A)


@pytest.mark.parametrize("sign", OPERATORS)
@pytest.mark.parametrize("make", [lambda: Tensor(A), lambda: Tensor(A, requires_grad=True) * 1])
def test_constants_and_results_are_bound_anew(sign, make):
    x = make()
    y = OPERATORS[sign](x, B)
    assert y is not x
    assert y.requires_grad is x.requires_grad or sign == "//"
    np.testing.assert_array_equal(x.data, A)


def test_a_step_that_does_not_fit_changes_nothing():
    p = Tensor([1.0, 2.0], requires_grad=True)
    with no_grad(), pytest.raises(ValueError, match="shape"):
        p -= np.ones((2, 2))
    np.testing.assert_array_equal(p.data, [1.0, 2.0])


def test_descent_written_by_hand():
    w = Tensor([1.0, 2.0], requires_grad=True)
    for _ in range(3):
        w.zero_grad()
        (w * w).sum().backward()
        with no_grad():
            w -= 0.25 * w.grad
    np.testing.assert_array_equal(w.data, [0.125, 0.25])


def test_touch_is_for_leaves():
    with pytest.raises(ValueError, match="result of multiply"):
        (Tensor([1.0], requires_grad=True) * 2).touch()
