"""LBFGS: the two loops against the matrix they stand for, counts beside scipy's and torch's, pairs, restarts,
batches."""

from itertools import pairwise

import numpy as np
import pytest
import scipy.optimize

import optim
from minigrad import Tensor, value_and_grad
from optim.second_order.method import Settings
from optim.second_order.objective import FunctionObjective
from optim.second_order.quasi_newton import QuasiNewton, two_loops
from tests.problems import beale, rosenbrock, wood

PROBLEMS = {
    "rosenbrock 2": (rosenbrock, [-1.2, 1.0]),
    "rosenbrock 10": (rosenbrock, [-1.2, 1.0] * 5),
    "beale": (beale, [1.0, 1.0]),
    "wood": (wood, [-3.0, -1.0, -3.0, -1.0]),
}


def course(fun, x, gtol=1e-8, steps=300, **options):
    f, solver, settings = (
        FunctionObjective(fun),
        QuasiNewton(),
        Settings(**{"line_search": "strong-wolfe"} | options),
    )
    points, infos = [f(np.array(x, float))], []
    while len(infos) < steps and np.abs(points[-1].g).max() > gtol * np.abs(points[0].g).max():
        there, info = solver.step(f, points[-1], settings)
        points.append(there)
        infos.append(info)
        if not info.accepted:
            break
    return f, points, infos


def test_the_two_loops_are_the_bfgs_matrix():
    rng = np.random.default_rng(0)
    n, A = 6, np.diag(np.arange(1.0, 7))
    pairs = [(s, A @ s) for s in rng.normal(size=(4, n))]
    s, y = pairs[-1]
    H = np.eye(n) * (s @ y) / (y @ y)
    for s, y in pairs:
        V = np.eye(n) - np.outer(y, s) / (s @ y)
        H = V.T @ H @ V + np.outer(s, s) / (s @ y)
    for g in rng.normal(size=(3, n)):
        np.testing.assert_allclose(two_loops(pairs, g), -H @ g, rtol=1e-12)
    s, y = pairs[-1]
    np.testing.assert_allclose(two_loops(pairs, y), -s, rtol=1e-12, atol=1e-12)  # the secant equation


@pytest.mark.parametrize("name", PROBLEMS)
def test_beside_scipy(name):
    fun, start = PROBLEMS[name]
    f, points, infos = course(fun, start)
    assert points[-1].f < 1e-10
    gtol = 1e-8 * np.abs(points[0].g).max()
    theirs = scipy.optimize.minimize(
        value_and_grad(fun),
        np.array(start),
        jac=True,
        method="L-BFGS-B",
        options={"gtol": gtol, "ftol": 0, "maxcor": 10},
    )
    assert theirs.fun < 1e-10
    assert f.counts.nfev <= 1.2 * theirs.nfev + 2
    assert f.counts.nfev == 1 + sum(info.rejections + 1 for info in infos)
    assert all(b.f <= a.f for a, b in pairwise(points))


@pytest.mark.oracle
@pytest.mark.parametrize("name", PROBLEMS)
def test_beside_torch(name):
    torch = pytest.importorskip("torch")
    fun, start = PROBLEMS[name]
    f, points, _ = course(fun, start)
    t = torch.tensor(start, dtype=torch.float64, requires_grad=True)
    theirs = torch.optim.LBFGS(
        [t],
        max_iter=500,
        history_size=10,
        tolerance_grad=1e-8 * np.abs(points[0].g).max(),
        tolerance_change=0,
        line_search_fn="strong_wolfe",
    )

    def closure():
        theirs.zero_grad()
        loss = fun(t)
        loss.backward()
        return loss

    theirs.step(closure)
    assert fun(t).item() < 1e-10
    assert f.counts.nfev <= 1.2 * theirs.state[t]["func_evals"] + 2


def test_the_course_does_not_depend_on_how_steps_are_batched():
    """The optimizer, which evaluates anew for each step, and the solver, which goes on from the last point,
    agree."""
    _, points, _ = course(rosenbrock, [-1.2, 1.0] * 3, steps=25)
    p = Tensor([-1.2, 1.0] * 3, requires_grad=True)
    optimizer = optim.LBFGS([p])
    for k in range(25):
        np.testing.assert_array_equal(p.data, points[k].x)
        assert optimizer.step(lambda: rosenbrock(p)).item() == points[k].f


def test_a_step_costs_its_trials_and_one_call_more():
    p, calls = Tensor([-1.2, 1.0], requires_grad=True), []
    optimizer = optim.LBFGS([p])

    def closure():
        calls.append(1)
        return rosenbrock(p)

    for _ in range(10):
        calls.clear()
        optimizer.step(closure)
        assert len(calls) == 2 + optimizer.last_step.rejections


@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e9])
def test_the_first_step_has_the_size_of_x_in_any_units_of_f(scale):
    f = FunctionObjective(lambda x: scale * np.sum(x))
    for start, length in (([3.0, 4.0], 1.0), ([300.0, 400.0], 50.0)):
        _, info = QuasiNewton().step(f, f(np.array(start)), Settings(line_search=None))
        assert info.step_norm == pytest.approx(length)


def test_gradients_beyond_the_range_of_squares():
    fun = lambda x: rosenbrock(x)  # noqa: E731
    plain = course(fun, [-1.2, 1.0], steps=20)[1]
    for scale in (2.0**-700, 2.0**600):
        _, points, _ = course(lambda x, c=scale: c * fun(x), [-1.2, 1.0], steps=20)
        np.testing.assert_array_equal(points[-1].x, plain[-1].x)


def test_pairs_without_positive_curvature_are_skipped():
    f = FunctionObjective(lambda x: -np.sum(x**2))
    solver, settings = QuasiNewton(), Settings(line_search="armijo")
    here, info = solver.step(f, f(np.array([1.0, 0.5])), settings)
    assert info.accepted
    assert info.skipped
    assert solver.pairs == []
    assert np.isnan(info.gamma)
    _, info = solver.step(f, here, settings)
    assert info.pairs == 0
    older = [(np.array([1.0, 0.0]), np.array([1.0, 0.0])), (np.array([0.0, 1.0]), np.array([0.0, 1.0]))]
    solver.pairs = list(older)
    _, info = solver.step(f, here, settings)
    assert (info.skipped, info.pairs, solver.pairs) == (True, 2, older)


def test_the_history_is_as_long_as_said_and_gamma_the_newest():
    for history in (1, 4):
        _, points, infos = course(rosenbrock, [-1.2, 1.0, 0.3], history=history)
        assert [info.pairs for info in infos[:6]] == [min(k, history) for k in range(6)]
        s, y = points[-1].x - points[-2].x, points[-1].g - points[-2].g
        assert infos[-1].gamma == s @ y / (y @ y)
        assert points[-1].f < 1e-10


def test_a_history_that_misleads_is_forgotten():
    f = FunctionObjective(lambda x: np.sum(x**2))
    solver = QuasiNewton()
    solver.pairs = [(np.array([1.0, 0.0]), np.array([np.nan, 1.0]))]
    there, info = solver.step(f, f(np.array([1.0, 2.0])), Settings(line_search="strong-wolfe"))
    assert info.accepted
    assert info.pairs == 0
    assert len(solver.pairs) == 1
    assert np.isfinite(solver.pairs[0][1]).all()
    assert there.f < 5


def test_at_a_stationary_point_nothing_happens():
    p = Tensor([0.0, 0.0], requires_grad=True)
    optimizer = optim.LBFGS([p])
    optimizer.step(lambda: (p * p).sum())
    assert (optimizer.last_step.accepted, optimizer.last_step.why) == (False, "stationary")


def test_freezing_another_parameter_starts_the_history_anew():
    a, b = Tensor([-1.2], requires_grad=True), Tensor([1.0], requires_grad=True)
    optimizer = optim.LBFGS({"a": a, "b": b})
    for _ in range(4):
        optimizer.step(lambda: rosenbrock(np.concatenate([a, b])))
    b.requires_grad = False
    optimizer.step(lambda: rosenbrock(np.concatenate([a, b])))
    assert optimizer.last_step.pairs == 0
    assert optimizer.state_dict()["state"]["b"].keys() == {"shape", "t"}
    other = optim.LBFGS({"b": Tensor([1.0]), "a": Tensor([0.5], requires_grad=True)})
    other.load_state_dict(optimizer.state_dict())
    assert other._made_of == ["a"]
    assert len(other._method.pairs) == 1
