"""`minimize`: what its result means, that its counts are true, that success can be believed, and what is
refused."""

import copy
import inspect
import math
import pickle
from collections import Counter

import numpy as np
import pytest
import scipy.optimize
from hypothesis import given, settings
from hypothesis import strategies as st

import minigrad as mg
import optim
from minigrad import Tensor, grad, hessian
from optim import OptimizeResult, minimize
from optim.minimizing import METHODS
from optim.second_order.results import Status
from tests.problems import counting, rotation
from tests.seeds import further

START = np.array([-1.2, 1.0])
SECOND = ("newton", "newton-cg")
FIRST = ("gd", "momentum", "adam")


def valley(x):
    """Rosenbrock's, not as steep: with 4 in place of 100 gradient descent gets through it too."""
    return 4 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2


def bowl(x):
    return ((x - 3.0) ** 2).sum()


def slope(x):
    return 2 * (x - 3.0)


def saddle(x):
    return x[0] ** 2 - x[1] ** 2 + x[1] ** 4


# Every method, in the way that suits it, on a problem it can solve.
WAYS = {
    "gd": {"options": {"lr": 0.02, "gtol": 1e-4}},
    "momentum": {"options": {"lr": 0.1, "gtol": 1e-4}},
    "adam": {"options": {"lr": 0.05, "gtol": 1e-4}},
    "lbfgs": {},
    "newton": {},
    "newton-cg": {},
    "newton, pure": {"method": "newton", "options": {"modification": "none", "line_search": None}},
    "newton, trust": {"method": "newton", "options": {"modification": "trust"}},
    "newton-cg, line search": {"method": "newton-cg", "options": {"globalization": "line-search"}},
    "newton-cg, quadratic": {"method": "newton-cg", "options": {"forcing": "quadratic"}},
}
SLOW = ["gd", "momentum"]  # take thousands of steps, and "adam" goes the same way
every_way = pytest.mark.parametrize("way", [*(way for way in WAYS if way not in SLOW), *further(*SLOW)])


class Counted:
    """A function with derivatives of its own, each call counted, written so that nothing could differentiate
    it."""

    def __init__(self, shape=(2,)):
        self.calls, self.shape = Counter(), shape
        self.gradient, self.matrix = grad(valley), hessian(valley)

    def plain(self, x):
        assert type(x) is np.ndarray
        assert x.dtype == np.float64
        assert x.shape == self.shape
        return x.reshape(2)

    def fun(self, x):
        self.calls["fun"] += 1
        a, b = map(float, self.plain(x))
        return 4 * (b - a**2) ** 2 + math.pow(1 - a, 2)

    def jac(self, x):
        self.calls["jac"] += 1
        return self.gradient(self.plain(x)).reshape(self.shape)

    def both(self, x):
        return self.fun(x), self.gradient(self.plain(x)).reshape(self.shape)

    def hess(self, x):
        self.calls["hess"] += 1
        return self.matrix(self.plain(x))

    def hessp(self, x, v):
        self.calls["hessp"] += 1
        return (self.matrix(self.plain(x)) @ self.plain(v)).reshape(self.shape)


def solved(way, fun=valley, x0=START, **more):
    how = {"method": way} | WAYS[way] | more
    if "options" in more and "options" in WAYS[way]:
        how["options"] = WAYS[way]["options"] | more["options"]
    return minimize(fun, x0, **how)


# What the result means


@every_way
def test_every_method_finds_the_minimum_and_success_is_true_on_a_second_look(way):
    x0 = START.copy()
    result = solved(way, x0=x0)
    assert result.success
    assert result.status.success
    np.testing.assert_allclose(result.x, [1, 1], atol=0.02)
    np.testing.assert_array_equal(x0, START)
    assert result.fun == pytest.approx(valley(result.x), rel=1e-14)
    np.testing.assert_array_equal(result.jac, grad(valley)(result.x))
    gtol = WAYS[way].get("options", {}).get("gtol", 1e-8)
    assert result.tolerance == gtol * np.abs(grad(valley)(START)).max()
    assert np.abs(grad(valley)(result.x)).max() <= result.tolerance
    textbook = WAYS[way].get("options", {}).get("modification") == "none"
    method = WAYS[way].get("method", way)
    assert result.status is (Status.SECOND_ORDER if method in SECOND and not textbook else Status.FIRST_ORDER)
    if result.status is Status.SECOND_ORDER:
        assert result.lambda_min == pytest.approx(np.linalg.eigvalsh(hessian(valley)(result.x))[0], rel=1e-6)
    else:
        assert math.isnan(result.lambda_min)


@every_way
def test_the_trace_holds_copies_of_every_accepted_point(way):
    result = solved(way)
    assert len(result.trace) == result.nit + 1
    points = [np.array(point.x) for point in result.trace]
    np.testing.assert_array_equal(points[0], START)
    np.testing.assert_array_equal(points[-1], result.x)
    for point in result.trace:
        # NumPy's numbers and arrays do not round alike
        assert point.fun == pytest.approx(valley(point.x), rel=1e-14)
        assert point.gradient == np.abs(grad(valley)(point.x)).max()
    assert result.trace[0].step is None
    assert all(point.step.accepted for point in result.trace[1:])
    if WAYS[way].get("method", way) not in FIRST and "pure" not in way:
        assert all(b.fun <= a.fun for a, b in zip(result.trace, result.trace[1:], strict=False))
    result.trace[0].x[:] = result.trace[-1].x[:] = 77  # the arrays are nobody else's
    np.testing.assert_array_equal(result.x, points[-1])
    assert not any(np.shares_memory(a.x, b.x) for a, b in zip(result.trace, result.trace[1:], strict=False))


def test_the_sums_over_the_steps_are_the_totals():
    result = minimize(lambda x: valley(x) + 0.5 * np.cos(3 * x).sum(), [3.0, -2.0])
    steps = [point.step for point in result.trace[1:]]
    assert result.ncg == sum(step.n_cg for step in steps)
    assert result.nreject == sum(step.rejections for step in steps)
    assert result.nnegcurv == sum(step.smallest_curvature <= 0 for step in steps) > 0
    assert result.nhev == result.ncg + 2  # the check's dense Hessian
    assert result.nfev == 1 + result.nit + result.nreject
    assert result.njev == 1 + result.nit
    assert result.nescape == 0
    assert result.radius == steps[-1].radius


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("shape", [(), (1,), (4,), (2, 3), (1, 2, 1)])
def test_x_and_its_gradient_have_the_shape_of_x0(method, shape):
    seen = []
    result = minimize(
        lambda x: (seen.append(x.shape), ((x - 3.0) ** 2).sum())[1],
        np.ones(shape),
        method,
        options={"lr": 0.3} if method in FIRST else {},
        callback=lambda x: seen.append(x.shape),
    )
    assert result.success
    assert (
        set(seen) == {shape} == {result.x.shape, result.jac.shape} | {point.x.shape for point in result.trace}
    )
    np.testing.assert_allclose(result.x, 3.0, atol=1e-6)


@pytest.mark.parametrize("start", [[-1, 1], (-1.0, 1.0), np.array([-1, 1], np.int8), np.array([-1, 1],
                                   np.float32), Tensor([-1.0, 1.0]), Tensor([-1.0, 1.0],
                                   requires_grad=True)])  # fmt: skip
def test_any_real_start_is_taken_and_computed_in_float64(start):
    before = copy.deepcopy(start) if not isinstance(start, Tensor) else start.numpy()
    result = minimize(valley, start)
    assert result.x.dtype == result.jac.dtype == np.float64
    assert type(result.x) is np.ndarray
    np.testing.assert_allclose(result.x, [1, 1], atol=1e-6)
    np.testing.assert_array_equal(start.numpy() if isinstance(start, Tensor) else start, before)
    if isinstance(start, Tensor):
        assert start.grad is None


@pytest.mark.parametrize("method", METHODS)
def test_from_the_minimum_no_step_is_taken(method):
    result = minimize(bowl, np.full(2, 3.0), method)
    assert result.success
    assert (result.nit, result.nfev, result.njev, len(result.trace)) == (0, 1, 1, 1)


def test_a_saddle_is_left_by_newton_methods_and_believed_by_the_others():
    for method in METHODS:
        result = minimize(saddle, np.zeros(2), method, options={"lr": 0.1} if method in FIRST else {})
        if method in SECOND:
            assert result.status is Status.SECOND_ORDER
            assert result.nescape == 1
            assert abs(result.x[1]) == pytest.approx(0.5**0.5)
        else:
            assert result.status is Status.FIRST_ORDER
            assert result.nit == 0
    told = minimize(saddle, np.zeros(2), "lbfgs", options={"second_order": True})
    assert told.fun == pytest.approx(-0.25)
    pure = minimize(saddle, [0.3, 0.1], "newton", options={"modification": "none", "line_search": None})
    assert (pure.fun, pure.status) == (pytest.approx(0, abs=1e-12), Status.FIRST_ORDER)
    ignored = minimize(saddle, np.zeros(2), options={"second_order": False})
    assert (ignored.nit, ignored.status) == (0, Status.FIRST_ORDER)


# Counts


@every_way
def test_counts_are_those_of_the_callers_own_functions(way):
    f = Counted()
    method = WAYS[way].get("method", way)
    for own in [{"hessp": f.hessp}, {"hess": f.hess}] if method in SECOND else [{}]:
        f.calls.clear()
        result = solved(way, f.fun, jac=f.jac, **own)
        assert result.success
        assert result.nfev == f.calls["fun"]
        assert result.njev == f.calls["jac"]
        assert result.nhev == f.calls["hessp"] + f.calls["hess"]
        assert (result.nhev > 0) == (method in SECOND)


@every_way
def test_own_derivatives_give_the_same_run_as_ours(way):
    f = Counted()
    own = {"hessp": f.hessp} if WAYS[way].get("method", way) in SECOND else {}
    mine, ours = solved(way, f.fun, jac=f.jac, **own), solved(way)
    assert (mine.nit, mine.status) == (ours.nit, ours.status)
    np.testing.assert_allclose(mine.x, ours.x, atol=1e-9)
    assert (mine.nfev, mine.njev, mine.nhev) == (ours.nfev, ours.njev, ours.nhev)


@every_way
def test_counts_are_those_of_the_sweeps_where_we_differentiate(way, monkeypatch):
    """Forward passes of fun, gradients, and products, each counted where it is done."""
    calls = Counter()
    monkeypatch.setattr(
        optim.second_order.objective, "gradient_and_hvp", counting(mg.gradient_and_hvp, calls)
    )
    result = solved(way, lambda x: (calls.update(["value"]), valley(x))[1])
    assert result.success
    assert (result.nfev, result.njev, result.nhev) == (calls["value"], calls["gradients"], calls["products"])


def test_jac_true_takes_the_gradient_that_came_with_the_value():
    f = Counted()
    result = minimize(f.both, START, jac=True, hessp=f.hessp)
    apart = minimize(f.fun, START, jac=f.jac, hessp=f.hessp)
    assert result.success
    assert result.fun == apart.fun
    np.testing.assert_array_equal(result.x, apart.x)
    assert (result.nfev, result.njev, result.nhev) == (apart.nfev, apart.njev, apart.nhev)


def test_own_products_are_used_beside_our_gradient():
    calls = []

    def hessp(x, v):
        calls.append(1)
        return hessian(valley)(x) @ v

    result = minimize(valley, START, hessp=hessp)
    assert result.success
    assert result.nhev == len(calls) > 0


def test_a_tensors_shape_is_that_of_its_derivatives_too():
    f = Counted((2, 1))
    x0 = START.reshape(2, 1)
    wanted = minimize(valley, START)
    for own in ({"hessp": f.hessp}, {"hess": f.hess}, {"hess": lambda x: f.hess(x).reshape(2, 1, 2, 1)}):
        result = minimize(f.fun, x0, jac=f.jac, **own)
        np.testing.assert_allclose(result.x.ravel(), wanted.x, atol=1e-12)


def test_the_callers_functions_may_write_into_what_they_get():
    f = Counted()

    def spoiling(g):
        def function(*arrays):
            value = g(*arrays)
            for a in arrays:
                a[...] = 99
            return value

        return function

    wanted = minimize(f.fun, START, jac=f.jac, hessp=f.hessp)
    seen = []
    result = minimize(
        spoiling(f.fun),
        START,
        jac=spoiling(f.jac),
        hessp=spoiling(f.hessp),
        callback=spoiling(lambda x: seen.append(x.copy())),
    )
    np.testing.assert_array_equal(result.x, wanted.x)
    assert result.fun == wanted.fun

    kept = np.zeros(2)  # an answer that is the same array every time

    def jac(x):
        kept[:] = grad(valley)(x)
        return kept

    np.testing.assert_array_equal(minimize(f.fun, START, jac=jac, hessp=f.hessp).x, wanted.x)


def test_args_go_to_every_function():
    def checked(function):
        return lambda *given: (function(*given[:-2]), given[-2:] == (5, "five") or pytest.fail("args"))[0]

    f = Counted()
    for own in ({}, {"jac": f.jac, "hessp": f.hessp}, {"jac": f.jac, "hess": f.hess}):
        own = {name: checked(function) for name, function in own.items()}
        fun = f.fun if own else valley
        assert minimize(checked(fun), START, args=(5, "five"), **own).success
    assert minimize(lambda x, a: ((x - a) ** 2).sum(), START, args=2.0).x.tolist() == pytest.approx([2, 2])


# Ends


def test_limits_end_the_run_at_the_best_point_so_far():
    full = minimize(valley, START)
    for option, status, count in (
        ("maxiter", "MAXITER", "nit"),
        ("maxfev", "MAXFEV", "nfev"),
        ("maxhev", "MAXHEV", "nhev"),
    ):
        for limit in (1, 3, 7):
            result = minimize(valley, START, options={option: limit})
            assert result.status == status == result.status.name
            assert not result.success
            assert result[count] == limit if option != "maxhev" else result.nhev <= limit
            reached = [point.x.tolist() for point in full.trace]
            assert result.x.tolist() in reached[: limit + 1]
            assert result.fun == valley(result.x)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("limit", [{"maxiter": 2}, {"maxfev": 3}])
def test_limits_hold_for_every_method(method, limit):
    result = minimize(valley, START, method, options=limit)
    assert result.status == next(iter(limit)).upper()
    assert result.nit <= 2
    assert result.nfev <= 40 if "maxiter" in limit else result.nfev == 3
    np.testing.assert_array_equal(result.jac, grad(valley)(result.x))


def test_a_limit_that_is_just_enough_is_no_limit():
    full = minimize(valley, START)
    enough = minimize(valley, START, options={"maxiter": full.nit, "maxfev": full.nfev, "maxhev": full.nhev})
    assert enough.success
    assert not minimize(valley, START, options={"maxhev": full.nhev - 1}).success


def test_a_limit_that_ends_at_a_saddle_point_is_no_success_and_no_step_more():
    full = minimize(saddle, [1.0, 0.0])
    before = next(i for i, point in enumerate(full.trace[1:]) if point.step.escaped)
    result = minimize(saddle, [1.0, 0.0], options={"maxiter": before})
    assert (result.status, result.nit, result.nescape) == (Status.MAXITER, before, 0)
    np.testing.assert_array_equal(result.x, full.trace[before].x)
    assert result.tolerance >= np.abs(result.jac).max()


@pytest.mark.parametrize("method", METHODS)
def test_stop_iteration_in_the_callback(method):
    seen = []

    def stop(x):
        seen.append(x)
        if len(seen) == 2:
            raise StopIteration

    result = minimize(valley, START, method, callback=stop, options={"lr": 1e-4} if method in FIRST else {})
    assert (result.status, result.success, result.nit) == (Status.CALLBACK, False, 2)
    np.testing.assert_array_equal(result.x, seen[-1])


def test_other_exceptions_pass_through():
    def broken(x):
        raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        minimize(valley, START, callback=broken)
    with pytest.raises(ZeroDivisionError, match="mine"):
        minimize(broken, START)
    with pytest.raises(ZeroDivisionError, match="mine"):
        minimize(lambda x: float(bowl(x)), START, jac=broken, hessp=lambda x, v: 2 * v)


def test_both_forms_of_callback():
    plain, named = [], []
    result = minimize(valley, START, callback=plain.append)  # a builtin without a signature
    minimize(valley, START, callback=lambda intermediate_result: named.append(intermediate_result))
    assert len(plain) == len(named) == result.nit
    for x, step, point in zip(plain, named, result.trace[1:], strict=True):
        np.testing.assert_array_equal(x, point.x)
        np.testing.assert_array_equal(step.x, point.x)
        assert step.fun == point.fun
    assert [step.nit for step in named] == list(range(1, result.nit + 1))


@pytest.mark.parametrize("method", METHODS)
def test_unbounded(method):
    how = {"options": {"lr": 1e3 if method == "adam" else 0.1}} if method in FIRST else {}
    result = minimize(lambda x: -(x**4).sum() - (x**2).sum(), [1.0, 2.0], method, **how)
    assert (result.status, result.success) == (Status.UNBOUNDED, False)
    assert np.isfinite(result.x).all()
    assert math.isfinite(result.fun)


def test_what_becomes_infinite_on_the_way_is_told_and_left_out():
    result = minimize(valley, START, "gd", options={"lr": 1.0})
    assert (result.status, result.success) == (Status.NONFINITE, False)
    assert math.isfinite(result.fun)
    assert np.isfinite(result.jac).all()
    assert "lr" in result.message


@pytest.mark.parametrize("method", ["lbfgs", "newton", "newton-cg"])
def test_a_wall_is_not_run_into(method):
    """log x is NaN beyond 0, and raises there in plain Python; both only mean that the step was too long."""
    wanted = minimize(lambda x: (x - np.log(x)).sum(), [5.0, 0.01], method)
    assert wanted.success
    np.testing.assert_allclose(wanted.x, 1, atol=1e-6)

    def fun(x):
        if (x <= 0).any():
            raise FloatingPointError("log of a negative number")
        return float((x - np.log(x)).sum())

    own = minimize(fun, [5.0, 0.01], method, jac=lambda x: 1 - 1 / x, hess=lambda x: np.diag(x**-2))
    np.testing.assert_allclose(own.x, 1, atol=1e-6)


def test_ftol_gives_up_and_does_not_call_it_success():
    result = minimize(valley, START, "gd", options={"lr": 1e-3, "ftol": 1e-3})
    assert (result.status, result.success) == (Status.FTOL, False)
    a, b = result.trace[-2:]
    assert a.fun - b.fun <= 1e-3 * b.fun
    assert all(
        a.fun - b.fun > 1e-3 * b.fun for a, b in zip(result.trace[:-2], result.trace[1:-1], strict=True)
    )


def test_a_step_that_lands_on_the_minimum_is_a_success_whatever_ftol_says():
    for method in SECOND:
        assert minimize(lambda x: bowl(x) + 1, np.zeros(2), method, options={"ftol": 1e3}).success


def test_a_wrong_gradient_is_not_called_a_minimum():
    for method in ("lbfgs", *SECOND):
        result = minimize(
            lambda x: float(bowl(x)), np.zeros(2), method, jac=lambda x: -slope(x), hessp=lambda x, v: 2 * v
        )
        assert not result.success
        assert result.status in (Status.RADIUS_COLLAPSED, Status.PRECISION_LOSS)
        assert "gradient" in result.message


def test_tolerances():
    g0 = np.abs(grad(valley)(START)).max()
    for how, tolerance in (
        ({}, 1e-8 * g0), ({"tol": 1e-3}, 1e-3 * g0), ({"options": {"gtol": 1e-3}}, 1e-3 * g0),
        ({"options": {"gtol_abs": 0.5}}, 0.5 + 1e-8 * g0), ({"options": {"gtol": 0.0, "gtol_abs": 0.5}}, 0.5),
        ({"tol": 1e-3, "options": {"gtol": 1e-5}}, 1e-5 * g0),
    ):  # fmt: skip
        result = minimize(valley, START, **how)
        assert result.tolerance == pytest.approx(tolerance, rel=1e-15)
        assert np.abs(result.jac).max() <= result.tolerance


def test_no_trace():
    result = minimize(valley, START, options={"trace": False})
    assert result.success
    assert result.trace == []


def test_runs_repeat():
    def run():
        return minimize(lambda x: (x**4).sum() - (x**2).sum(), np.zeros(600), options={"seed": 3})

    a, b = run(), run()
    np.testing.assert_array_equal(a.x, b.x)
    assert a.nescape >= 1


# What is refused


NAN_AT_THE_START = {
    "x0": (bowl, [1.0, math.nan], "x0 is not finite"),
    "inf in x0": (bowl, [1.0, math.inf], "x0 is not finite"),
    "f": (lambda x: np.log(x).sum(), [1.0, -1.0], "the loss is nan at the present value of x0"),
    "f, infinite": (lambda x: -np.log(x).sum(), [1.0, 0.0], "the loss is inf at the present value of x0"),
    "gradient": (lambda x: np.sqrt(x).sum(), [1.0, 0.0], "its gradient for x0 is not"),
}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("what", NAN_AT_THE_START)
def test_a_start_that_is_not_finite_is_refused_by_name(method, what):
    fun, x0, says = NAN_AT_THE_START[what]
    x0 = np.array(x0)
    before = x0.copy()
    with pytest.raises(FloatingPointError, match=f"minimize.*{says}"):
        minimize(fun, x0, method)
    np.testing.assert_array_equal(x0, before)


OWN = {"jac": slope, "hessp": lambda x, v: 2 * v}
REFUSED = [
    ({"bounds": [(0, 1), (0, 1)]}, ValueError, r"minimize\(bounds=...\).*not supported.*scipy"),
    ({"bounds": scipy.optimize.Bounds([0, 0], [1, 1])}, ValueError, "bounds"),
    ({"constraints": {"type": "eq", "fun": bowl}}, ValueError, r"minimize\(constraints=...\).*not supported"),
    ({"constraints": [{"type": "eq", "fun": bowl}]}, ValueError, "constraints"),
    ({"method": "bfgs"}, ValueError, "gd, momentum, adam, lbfgs, newton, newton-cg, got 'bfgs'"),
    ({"method": None}, ValueError, "must be one of"),
    ({"method": (1.0,)}, ValueError, "must be one of"),
    (
        {"options": {"gtoll": 1e-3}},
        ValueError,
        r"newton-cg.*no option gtoll; it has .*forcing.*gtol.*maxiter.*max_radius|no opt",
    ),
    ({"options": {"lr": 1e-3}}, ValueError, "no option lr; it has .*forcing"),
    ({"options": {"curvature": "ggn"}}, ValueError, "no option curvature"),
    ({"options": {"params": []}, "method": "gd"}, ValueError, "no option params; it has .*lr"),
    ({"options": {"weight_decay": 0.1}, "method": "adam"}, ValueError, "no option weight_decay"),
    ({"options": {"forcing": 0.1}, "method": "gd"}, ValueError, "no option forcing"),
    ({"options": {"maxiter": 0}}, ValueError, r"minimize\(maxiter=...\)` must be a whole number ≥ 1, got 0"),
    ({"options": {"maxfev": 1.5}}, TypeError, "maxfev.*whole number"),
    ({"options": {"maxhev": True}}, TypeError, "maxhev.*whole number"),
    ({"options": {"gtol": -1.0}}, ValueError, "gtol.*≥ 0"),
    ({"tol": "small"}, TypeError, "gtol"),
    ({"options": {"gtol": math.nan}}, ValueError, "gtol"),
    ({"options": {"ftol": -1}}, ValueError, "ftol"),
    ({"options": {"trace": "yes"}}, TypeError, "trace.*True or False"),
    ({"options": {"second_order": "maybe"}}, ValueError, "second_order"),
    ({"options": {"seed": -1}}, ValueError, "seed"),
    ({"options": {"max_radius": None}}, TypeError, "max_radius.*> 0"),
    ({"options": {"max_radius": 0}}, ValueError, "max_radius"),
    ({"options": {"forcing": "cubic"}}, ValueError, "superlinear"),
    ({"options": {"globalization": "none"}}, ValueError, "trust-region"),
    ({"options": {"preconditioner": [1.0, -1.0]}}, ValueError, "preconditioner"),
    ({"options": {"preconditioner": "jacobi"}}, TypeError, "preconditioner=.*got 'jacobi'"),
    ({"options": [("maxiter", 3)]}, TypeError, r"minimize\(options=...\)` must be a dict"),
    ({"options": "maxiter"}, TypeError, r"minimize\(options=...\)` must be a dict.*got 'maxiter'"),
    ({"fun": 3.0}, TypeError, r"fun must be a function of x, got 3\.0"),
    ({"callback": 3}, TypeError, r"minimize\(callback=...\)` must be a function or None, got 3"),
    ({"x0": [[1.0, 2.0], [3.0]]}, ValueError, "x0 must be an array of numbers, got .*inhomogeneous"),
    ({"method": "newton", "options": {"modification": "magic"}}, ValueError, "modification"),
    ({"method": "newton", "options": {"damping": None}}, TypeError, "damping"),
    ({"method": "lbfgs", "options": {"history": 0}}, ValueError, "history"),
    ({"method": "gd", "options": {"lr": -1.0}}, ValueError, "lr"),
    ({"x0": [1 + 2j]}, TypeError, "real numbers, got dtype complex"),
    ({"x0": ["a"]}, TypeError, "real numbers"),
    ({"x0": None}, TypeError, "real numbers"),
    ({"x0": []}, ValueError, r"x0 must hold at least one number, got shape \(0,\)"),
    ({"jac": "2-point"}, TypeError, "nothing is approximated"),
    ({"jac": "2-point", "method": "gd"}, TypeError, "nothing is approximated"),
    ({"jac": slope, "hess": "cs"}, TypeError, r"minimize\(hess=...\)` must be a function"),
    ({"jac": slope, "hessp": 1}, TypeError, r"minimize\(hessp=...\)` must be a function"),
    ({"jac": slope}, TypeError, "also needs hessp= or hess="),
    ({"jac": slope, "method": "newton"}, TypeError, "also needs hessp= or hess="),
    (
        {"jac": slope, "method": "lbfgs", "options": {"second_order": True}},
        TypeError,
        "second_order=True.*also needs hessp=",
    ),
    (
        {**OWN, "jac": lambda x: x[:1]},
        ValueError,
        r"minimize\(jac=...\)` must return shape \(2,\), got \(1,\)",
    ),
    ({**OWN, "jac": lambda x: 1.0}, ValueError, r"jac.*\(2,\), got \(\)"),
    ({**OWN, "jac": lambda x: slope(x)[:, None]}, ValueError, r"jac.*\(2,\), got \(2, 1\)"),
    ({**OWN, "jac": lambda x: None}, TypeError, "jac.*real numbers, got None"),
    ({**OWN, "jac": lambda x: slope(x) + 0j}, TypeError, "jac.*real numbers"),
    ({**OWN, "jac": True}, TypeError, r"fun\(x\) must return \(f, gradient\)"),
    (
        {**OWN, "hessp": lambda x, v: v[:1]},
        ValueError,
        r"minimize\(hessp=...\)` must return shape \(2,\), got \(1,\)",
    ),
    ({**OWN, "hessp": lambda x, v: np.eye(2)}, ValueError, r"hessp.*\(2,\), got \(2, 2\)"),
    (
        {"jac": slope, "hess": lambda x: np.ones(2)},
        ValueError,
        r"minimize\(hess=...\)` must return shape \(2, 2\), got \(2,\)",
    ),
    ({"jac": slope, "hess": lambda x: np.ones(4)}, ValueError, r"hess.*\(2, 2\), got \(4,\)"),
    ({"jac": slope, "hess": lambda x: None}, TypeError, "hess.*real numbers"),
    ({"fun": lambda x: x}, ValueError, r"fun\(x\) must return one real number, got float64 of shape \(2,\)"),
    ({"fun": lambda x: 3.0}, TypeError, "must return a Tensor that depends on x"),
    ({"fun": lambda x: bowl(x.numpy())}, TypeError, "NumPy's functions on x itself"),
    ({"fun": lambda x: None}, ValueError, "one real number, got None"),
    ({**OWN, "fun": lambda x: bowl(x) + 0j}, ValueError, "one real number, got complex"),
]


@pytest.mark.parametrize(("given", "error", "says"), REFUSED)
def test_what_does_not_fit_is_refused(given, error, says):
    x0 = np.zeros(2)
    call = {"fun": bowl, "x0": x0} | given
    if call.get("jac") is not None:
        call["fun"] = given.get("fun", lambda x: float(bowl(x)))
    with pytest.raises(error, match=says) as refused:
        minimize(**call)
    assert "minimize(" in str(refused.value)
    np.testing.assert_array_equal(x0, 0)


def test_options_are_refused_before_anything_is_computed():
    def never(*given):
        pytest.fail("called")

    for call, error, _ in REFUSED:
        if "fun" not in call and not callable(call.get("jac")) and call.get("jac") is not True:
            with pytest.raises(error):
                minimize(**{"fun": never, "x0": np.zeros(2), "hessp": never} | call)


@pytest.mark.parametrize(
    ("preconditioner", "says"),
    [(np.ones(3), "3 entries, where n = 2"), (lambda r: r[:1], r"float64 of shape \(1,\), where n = 2"),
     (lambda r: None, "object"), (lambda r: -r, "Is M positive definite"),
     (lambda r: r * np.nan, "Is M positive definite")],
)  # fmt: skip
def test_a_preconditioner_that_does_not_fit_is_refused(preconditioner, says):
    with pytest.raises(ValueError, match=rf"minimize\(preconditioner=...\)` must be a function.*{says}"):
        minimize(bowl, START, options={"preconditioner": preconditioner})


@pytest.mark.parametrize("name", ["jac", "hessp"])
def test_a_transposed_derivative_is_refused(name):
    own = {**OWN, name: lambda *where: OWN[name](*where).T}
    with pytest.raises(ValueError, match=rf"{name}.*shape \(2, 3\), got \(3, 2\)"):
        minimize(lambda x: float(bowl(x)), np.zeros((2, 3)), **own)


def test_empty_bounds_and_constraints_are_none():
    assert minimize(bowl, START, bounds=None, constraints=()).success
    assert minimize(bowl, START, bounds=[], constraints=[]).success


@pytest.mark.parametrize("spelling", ["Newton-CG", "LBFGS", "Adam", "GD"])
def test_methods_are_known_in_any_case(spelling):
    assert minimize(bowl, START, spelling, options={"lr": 0.1} if spelling in ("Adam", "GD") else {}).success


# Beside scipy


def test_the_signature_has_scipys_names():
    theirs = inspect.signature(scipy.optimize.minimize).parameters
    assert theirs.keys() == inspect.signature(minimize).parameters.keys()


@pytest.mark.parametrize(
    ("method", "theirs"), [("newton-cg", "trust-ncg"), ("newton", "trust-exact"), ("lbfgs", "L-BFGS-B")]
)
def test_fields_mean_what_scipys_mean(method, theirs):
    runs = []
    for function, name in ((minimize, method), (scipy.optimize.minimize, theirs)):
        f, seen = Counted(), []
        curved = {} if method == "lbfgs" else {"hess" if method == "newton" else "hessp": None}
        own = {key: getattr(f, key) for key in curved}
        result = function(f.fun, START, method=name, jac=f.jac, callback=seen.append, tol=1e-8, **own)
        runs.append((f.calls, seen, result))
    for calls, _, result in runs:
        assert result.success is True or result.success is np.True_
        np.testing.assert_allclose(result.x, [1, 1], atol=1e-5)
        assert result.fun == pytest.approx(0, abs=1e-10)
        assert np.shape(result.x) == np.shape(result.jac) == (2,)
        np.testing.assert_allclose(result.jac, grad(valley)(result.x), atol=1e-12)
        assert isinstance(result.message, str)
        assert isinstance(result.nit, int)
        assert result["nfev"] == result.nfev == calls["fun"]
        assert result.njev == calls["jac"]
    (_, seen, ours), (_, _, scipys) = runs
    assert len(seen) == ours.nit
    assert set(scipys.keys()) - set(ours.keys()) <= {"hess", "hess_inv"}  # matrices of their methods
    assert dir(ours)


@settings(max_examples=25, deadline=None)
@given(
    n=st.integers(1, 6),
    seed=st.integers(0, 10_000),
    log_condition=st.floats(0, 4),
    method=st.sampled_from(["lbfgs", *SECOND]),
)
def test_quadratics_end_where_linear_algebra_says(n, seed, log_condition, method):
    rng = np.random.default_rng(seed)
    Q = rotation(rng, n)
    A = (Q * np.logspace(0, log_condition, n)) @ Q.T
    A, b = 0.5 * (A + A.T), rng.normal(size=n)
    result = minimize(lambda x: 0.5 * (x @ A @ x) - b @ x, rng.normal(size=n), method)
    assert result.success
    assert np.abs(A @ result.x - b).max() <= result.tolerance * (1 + 1e-6) + 1e-14
    np.testing.assert_allclose(result.x, np.linalg.solve(A, b), atol=10 * result.tolerance * n)
    if method in SECOND:
        assert result.lambda_min == pytest.approx(np.linalg.eigvalsh(A)[0], rel=1e-6)


# The result as an object


def test_a_result_is_a_dict_with_attributes():
    result = minimize(valley, START)
    assert result["x"] is result.x
    assert "trace" in dir(result)
    result.note = "mine"
    assert result["note"] == "mine"
    del result.note
    with pytest.raises(AttributeError, match="no 'note'; it has x, fun, jac"):
        result.note  # noqa: B018
    again = pickle.loads(pickle.dumps(result))
    np.testing.assert_array_equal(again.x, result.x)
    assert again.status is result.status
    assert copy.deepcopy(result).nit == result.nit


def test_its_repr_is_short_and_says_all():
    result = minimize(valley, START)
    text = repr(result)
    assert len(text.splitlines()) == len(result)
    assert f"trace: {result.nit + 1} points" in text
    assert "SECOND_ORDER" in text
    assert len(repr(OptimizeResult(x=np.zeros(10_000)))) < 200
    assert repr(OptimizeResult()) == "OptimizeResult()"


def test_every_status_has_a_message_and_two_are_success():
    assert [status for status in Status if status.success] == [Status.SECOND_ORDER, Status.FIRST_ORDER]
    assert len({status.message for status in Status}) == len(Status)
    assert all(status == status.name for status in Status)


def test_the_message_gives_the_numbers():
    result = minimize(valley, START, options={"maxiter": 3})
    assert "limit of iterations" in result.message
    assert f"{np.abs(result.jac).max():.3g}" in result.message
    assert f"{result.tolerance:.3g}" in result.message


def test_a_small_gradient_without_success_says_what_was_missing():
    ended = minimize(lambda x: np.sum(x**4), [1.0], "gd", tol=1e-3, options={"lr": 0.1, "maxiter": 150})
    assert np.abs(ended.jac).max() < ended.tolerance
    assert not ended.success
    assert "success needs 0.004, but it was not clear that f would fall" in ended.message


@pytest.mark.further
def test_descent_whose_steps_are_lost_in_rounding_has_arrived():
    """In Rosenbrock's valley, where f goes to 0: f might fall for ever, but x no longer changes."""
    ended = minimize(lambda x: 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2, [-1.2, 1.0], "gd")
    assert ended.success
    np.testing.assert_allclose(ended.x, 1, rtol=1e-12)
