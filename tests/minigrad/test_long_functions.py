"""Functions of thousands of operations are captured for products only after work that pays for it."""

from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest

import minigrad as mg
import optim
from minigrad import Tensor, compile, grad, linearize
from minigrad.replay import closures as closures_module
from minigrad.replay import compiled as compiled_module
from optim import minimize


def close(a, b):
    np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


def rosenbrock(terms, shift=0.0):
    """The chained function of `terms` terms in three variables, as scalar operations: 12 for each term."""

    def f(x):
        total = shift
        for k in range(terms):
            i = k % 2
            a, b = x[i + 1] - x[i] * x[i], 1.0 - x[i]
            total = total + (10.0 * a * a + b * b)
        return total

    return f


@pytest.fixture
def captures(monkeypatch):
    """Which captures for products were made, by name, in order."""
    made = []
    for module, name in ((compiled_module, "Linearized"), (closures_module, "SecondOrder")):

        def noted(*args, make, name, **kwargs):
            replay = make(*args, **kwargs)
            made.append(name)
            return replay

        make = getattr(module, name)
        monkeypatch.setattr(module, name, partial(noted, make=make, name=name))
    return made


@pytest.mark.parametrize("method", ["newton", "newton-cg"])
@pytest.mark.parametrize(
    ("terms", "steps", "captured"),
    [(3, 1, True), (50, 2, False), (50, 12, True)],
    ids=["small", "short", "many"],
)
def test_a_long_function_is_captured_for_products_after_work_that_pays(
    captures, method, terms, steps, captured
):
    f, start = rosenbrock(terms), np.array([-1.2, 1.0, -0.7])
    options = {"maxiter": steps}
    found = minimize(compile(f), start, method=method, options=options)
    truth = minimize(f, start, method=method, options=options)
    assert captures == ["SecondOrder"] * captured + ["SecondOrder"] * (terms < 50 and method == "newton")
    assert (found.nit, found.nfev, found.nhev) == (truth.nit, truth.nfev, truth.nhev)
    np.testing.assert_allclose(found.x, truth.x, rtol=1e-9)


@pytest.mark.parametrize(("terms", "first"), [(3, True), (50, False)])
def test_a_long_closure_is_captured_for_products_after_work_that_pays(captures, terms, first):
    start = np.array([-1.2, 1.0, -0.7])
    ours, theirs = (Tensor(start, requires_grad=True) for _ in range(2))
    of = rosenbrock(terms)
    compiled = compile(lambda: of(ours))
    newton, eager = optim.NewtonCG([ours]), optim.NewtonCG([theirs])
    for k in range(10):
        with mg.no_grad():
            loss = newton.step(compiled.at())
        close(loss.data, eager.step(lambda: of(theirs)).data)
        assert k > 0 or bool(captures) is first
    close(ours.data, theirs.data)
    assert captures == ["SecondOrder"]


def test_linearizations_of_a_long_function_wait_for_products(captures):
    slope = grad(rosenbrock(50))
    compiled, x = compile(slope), np.array([-1.2, 1.0, -0.7])
    truth, push = linearize(slope, x)
    value, product = linearize(compiled, x)
    close(value, truth)
    with pytest.raises(ValueError, match="operations, so it is captured for products only after"):
        compiled.source  # noqa: B018  # it is computed
    for v in np.eye(3):
        close(product(v), push(v))
    linearize(compiled, x)
    assert captures == []
    for _ in range(compiled_module.WAIT):
        product(x)
    assert captures == []
    value, product = linearize(compiled, x)
    assert captures == ["Linearized"]
    close(value, truth)
    close(product(x), push(x))
    compiled(x)
    assert "linearize" in compiled.source


def test_a_long_function_that_changes_waits_again(captures):
    options = SimpleNamespace(shift=0.5)
    terms = rosenbrock(50)
    compiled, x = compile(lambda x: terms(x) * options.shift), np.ones(3)
    for shift in (1.0, 2.0):
        options.shift = shift
        before = len(captures)
        while len(captures) == before:
            value, product = linearize(compiled, x * 2)
            close(value, terms(x * 2) * shift)
            for _ in range(20):
                product(x)
        assert linearize(compiled, x)[0] == terms(x) * shift
        assert captures == ["Linearized"] * (before + 1)


def test_a_long_function_is_refused_at_once_and_leaves_generators_as_they_were(captures):
    terms, rng = rosenbrock(50), np.random.default_rng(0)
    state = rng.bit_generator.state
    with pytest.raises(mg.CaptureError, match="random numbers"):
        minimize(compile(lambda x: terms(x) + rng.standard_normal()), np.ones(3))
    assert rng.bit_generator.state == state
    with pytest.raises(mg.CaptureError, match="bool"):
        minimize(compile(lambda x: terms(x) if x[0] > 0 else terms(-x)), np.ones(3))
    with pytest.raises(TypeError, match="must return the loss, a scalar Tensor"):
        minimize(compile(lambda x: terms(x) * x), np.ones(3))
    drawn = compile(lambda x: terms(x) + np.sum(mg.uniform(rng, (2,)) * x[0]))
    eager = np.random.default_rng(0)
    for _ in range(3):
        value = linearize(drawn, np.ones(3))[0]
        close(value, terms(np.ones(3)) + np.sum(mg.uniform(eager, (2,))))
