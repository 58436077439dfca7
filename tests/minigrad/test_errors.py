"""An error names the op, its operands, and inside trace_source the user's line; in backward passes too."""

import numpy as np
import pytest

import minigrad as mg
from minigrad import Tensor, trace_source


def test_a_forward_error_names_op_shapes_and_dtypes():
    with pytest.raises(ValueError, match=r"matmul\(\(2, 3\) float64, \(2, 3\) float32\)"):
        Tensor(np.ones((2, 3))) @ np.ones((2, 3), np.float32)
    with pytest.raises(ValueError, match=r"add\(\(2,\) float64, \(3,\) float64\)"):
        Tensor(np.ones(2)) + np.ones(3)
    with pytest.raises(IndexError, match=r"gather\(\(3,\) float64, \(1,\) int64\)"):
        Tensor(np.ones(3))[np.array([5])]


def test_the_users_line_is_named_when_traced():
    x = Tensor(np.ones(2), requires_grad=True)
    with trace_source(), pytest.raises(ValueError, match=r"test_errors\.py:\d+ in test_the_users_line"):
        x + np.ones(3)
    with trace_source():
        y = np.tanh(x)
    assert "test_errors.py" in y.mode.line
    assert np.tanh(x).mode.line == ""


def broken(**rules):
    return mg.Op("broken", np.sin, pulls=[rules.get("pull")], pushes=[rules.get("push")])


def test_a_backward_error_names_op_and_line():
    op = broken(pull=lambda g, y, x: g @ np.ones((7, 7)))
    x = Tensor(np.ones((2, 3)), requires_grad=True, name="x")
    with trace_source():
        y = op(x)
    with pytest.raises(
        ValueError, match=r"pulling back through broken\(\(2, 3\) float64\) at .*test_errors\.py:\d+"
    ):
        y.sum().backward()
    assert x.grad is None


def test_a_forward_mode_error_names_op_and_line():
    op = broken(pull=lambda g, y, x: g, push=lambda t, y, x: t @ np.ones((7, 7)))
    with pytest.raises(ValueError, match=r"pushing forward through broken\(\(2, 3\) float64\)"):
        mg.jvp(op, (np.ones((2, 3)),), (np.ones((2, 3)),))


def test_a_rule_of_the_wrong_shape_is_caught_by_the_sweep():
    op = broken(pull=lambda g, y, x: g[:1], push=lambda t, y, x: t[:1])
    x = Tensor(np.ones((2, 3)), requires_grad=True)
    with pytest.raises(mg.DerivativeError, match=r"broken gave a derivative of shape \(1, 3\)"):
        op(x).sum().backward()
    with pytest.raises(mg.DerivativeError, match="broken"):
        mg.jvp(op, (np.ones((2, 3)),), (np.ones((2, 3)),))


def test_a_failed_backward_changes_no_gradient():
    good, bad = Tensor(1.0, requires_grad=True), Tensor(1.0, requires_grad=True)
    op = broken(pull=lambda g, y, x: 1 // 0)
    y = op(bad) + good * 2
    good.grad = np.array(5.0)
    with pytest.raises(ZeroDivisionError):
        y.backward()
    assert good.grad == 5.0
    assert bad.grad is None


@pytest.mark.parametrize(
    ("gradient", "says"), [(np.ones(3), r"needs shape \(2,\), got \(3,\)"), (None, "needs a scalar")]
)
def test_backward_checks_its_cotangent(gradient, says):
    x = Tensor(np.ones(2), requires_grad=True)
    with pytest.raises(ValueError, match=says):
        (x * 2).backward(gradient)
