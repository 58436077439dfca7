"""check_derivatives must catch every wrong rule: a checker that checks nothing is worse than none."""

import numpy as np
import pytest

import minigrad as mg
from minigrad import DerivativeError, Op, check_derivatives, elementwise, linear_op
from minigrad.tensor import RULES

X = np.array([[0.3, -0.7, 1.1], [0.2, 0.9, -1.3]])
SIN = {"pulls": [lambda g, y, x: g * np.cos(x)], "pushes": [lambda t, y, x: t * np.cos(x)]}


def wrong(name, forward=np.sin, **rules):
    return Op(name, forward, **{**SIN, **rules})


WRONG = {
    "sign": elementwise(lambda x: np.cos(x), lambda y, x: np.sin(x), name="sign"),
    "factor 45": elementwise(lambda x: np.sin(x), lambda y, x: 45 * np.cos(x), name="factor"),
    "factor 1 + 1e-6": elementwise(lambda x: np.sin(x), lambda y, x: (1 + 1e-6) * np.cos(x), name="close"),
    "missing inner derivative": elementwise(
        lambda x: np.sin(2 * x), lambda y, x: np.cos(2 * x), name="inner"
    ),
    "zero": elementwise(lambda x: np.sin(x), lambda y, x: 0 * x, name="zero"),
    "pull only": wrong("pull", pulls=[lambda g, y, x: g * np.sin(x)]),
    "push only": wrong("push", pushes=[lambda t, y, x: t * np.sin(x)]),
    "pull of one element": wrong(
        "element", pulls=[lambda g, y, x: np.where(np.arange(3) == 2, 0, g * np.cos(x))]
    ),
    "transpose not transposed": linear_op("shuffle", lambda x: x[:, [1, 2, 0]], lambda g, x: g[:, [1, 2, 0]]),
    "constant rule of a curved function": elementwise(lambda x: x * x, lambda y, x: 2.0 * X, name="frozen"),
    "kinked against its sides": elementwise(lambda x: np.abs(x), lambda y, x: 1.0 + 0 * x, name="abs"),
}

# Right values of the first derivative, but hidden from the graph, so that the second is lost.
FROZEN_SLOPE = elementwise(lambda x: np.sin(x), lambda y, x: np.cos(mg.tensor.data_of(x)), name="hidden")


@pytest.mark.parametrize("name", WRONG)
def test_every_planted_bug_is_caught(name):
    with pytest.raises(DerivativeError, match="wrong at order"):
        check_derivatives(WRONG[name], X)


@pytest.mark.parametrize("name", WRONG)
def test_the_op_is_named_inside_a_larger_function(name):
    op = WRONG[name]
    with pytest.raises(DerivativeError, match=f"{op.name}' is to blame"):
        check_derivatives(lambda x: np.exp(0.3 * op(np.sin(x)) + 0.1).sum(), X)


def test_mode_order_and_size_are_told():
    with pytest.raises(DerivativeError, match=r"reverse mode \(pull\) of .* order 1: relative error \d"):
        check_derivatives(WRONG["pull only"], X)
    with pytest.raises(DerivativeError, match=r"forward mode \(push\)"):
        check_derivatives(WRONG["push only"], X)
    with pytest.raises(DerivativeError, match="order 2"):
        check_derivatives(FROZEN_SLOPE, X)


def test_second_order_is_only_looked_at_when_asked():
    check_derivatives(FROZEN_SLOPE, X, order=1)


def test_breaking_a_rule_of_the_table_is_caught(monkeypatch):
    tanh = RULES[np.tanh]
    monkeypatch.setitem(RULES, np.tanh, elementwise(lambda x: np.tanh(x), lambda y, x: 1 - y, name="tanh"))
    with pytest.raises(DerivativeError, match="'tanh' is to blame"):
        check_derivatives(lambda x: (np.tanh(x) * x).sum(), X)
    monkeypatch.setitem(RULES, np.tanh, tanh)
    check_derivatives(lambda x: (np.tanh(x) * x).sum(), X)


def test_gradients_of_another_dtype_are_caught():
    op = Op("stretch", np.sin, **SIN)
    check_derivatives(op, X.astype(np.float32))


def test_right_functions_pass_at_order_4():
    check_derivatives(lambda x: mg.logsumexp(np.sin(x) @ x.T), X, order=4)
    check_derivatives(lambda p: np.sum(p["a"] * np.exp(p["b"])), {"a": X, "b": X[0]}, order=3)


@pytest.mark.parametrize("order", [0, -1, True, 1.5])
def test_bad_order(order):
    with pytest.raises(ValueError, match="order"):
        check_derivatives(np.sin, X, order=order)


@pytest.mark.parametrize("rules", [{}, {"transpose": lambda g, x: 2 * g, "pull": lambda g, y, x: 2 * g}])
def test_a_linear_op_takes_one_rule_backwards(rules):
    with pytest.raises(
        TypeError, match=r"linear_op\('twice', function, transpose\) takes a transpose or pull="
    ):
        linear_op("twice", lambda x: 2 * x, **rules)


def test_a_pull_of_a_linear_op_stands_for_its_transpose():
    twice = linear_op("twice", lambda x: 2 * x, pull=lambda g, y, x: twice(g), batched=True)
    check_derivatives(lambda x: np.sin(twice(x)), np.array([0.3, -1.2]))
