"""What a second-order step did inside: the iterations of CG, the trials, the points of a line search, and the
direction of negative curvature, against a textbook's CG and against f itself."""

import math
import pickle
from dataclasses import replace

import numpy as np
import pytest

from minigrad import Tensor, grad, hessian
from optim import LBFGS, Newton, NewtonCG, minimize
from optim.second_order.results import StepInfo

A = np.diag(np.geomspace(1.0, 30.0, 8)) + 0.3 * np.ones((8, 8))
B = np.linspace(-2.0, 3.0, 8)


def bowl(x):
    return 0.5 * np.sum(x * (A @ x)) + 0.1 * np.sum(x**4) - np.sum(B * x)


def saddle(x):
    return np.sum(x[1:] ** 2) - x[0] ** 2 + 0.1 * np.sum(x**4) + 0.3 * x[0] + 0.2 * x[1]


def wavy(x):
    """Of one number; the model is bad, so that trials are rejected."""
    return np.sum(0.05 * x**2 + np.cos(3 * x))


def textbook_cg(H, g, steps):
    """Residual, curvature, model, norm and step length of plain CG for Hz = −g."""
    z, r = np.zeros_like(g), g.copy()
    d, rows = -g, []
    for _ in range(steps):
        alpha = (r @ r) / (d @ H @ d)
        z = z + alpha * d
        new = H @ z + g
        rows.append(
            (np.linalg.norm(new), d @ H @ d / (d @ d), g @ z + 0.5 * z @ H @ z, np.linalg.norm(z), alpha)
        )
        d, r = (new @ new) / (r @ r) * d - new, new
    return np.array(rows)


def columns(table):
    return np.array([table[name] for name in table.dtype.names]).T


def stepped(optimizer, f, x, times=1):
    """The report of the last step of an optimizer of parameters "a" and "b", the first half and the rest."""
    half = max(1, len(x) // 2)
    ps = {"a": Tensor(x[:half], requires_grad=True), "b": Tensor(x[half:], requires_grad=True)}
    made = optimizer({name: p for name, p in ps.items() if p.size}.items())
    for _ in range(times):
        made.step(lambda: f(np.concatenate([p for p in ps.values() if p.size])))
    return made.last_step


CG_CASES = {
    "converged": ({"initial_radius": 1e3, "forcing": 1e-3}, "converged"),
    "boundary": ({"initial_radius": 1.3, "forcing": 1e-3}, "boundary"),
}


@pytest.mark.parametrize("name", CG_CASES)
def test_the_iterations_of_a_trust_region_are_those_of_the_textbook(name):
    options, why = CG_CASES[name]
    x = np.full(8, 0.5)
    info = stepped(lambda ps: NewtonCG(ps, **options), bowl, x)
    H, g = hessian(bowl)(x), grad(bowl)(x)
    expected = textbook_cg(H, g, len(info.cg))
    whole = len(info.cg) - (why == "boundary")
    assert (info.cg_end, info.n_cg) == (why, len(info.cg))
    assert whole >= 1
    np.testing.assert_allclose(columns(info.cg)[:whole], expected[:whole], rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(info.cg[-1].model, -info.trials[0].predicted, rtol=1e-12)
    if why == "boundary":  # the last step is a part of the textbook's
        assert info.cg[-1].norm == 1.3
        assert 0 < info.cg[-1].alpha < expected[-1, -1]
        assert info.cg[-1].curvature == pytest.approx(expected[-1, 1])
        assert info.cg[-1].model > expected[-1, 2]
    else:
        assert info.cg[-1].residual <= 1e-3 * np.linalg.norm(g) < info.cg[-2].residual


def test_the_last_row_of_a_boundary_step_is_the_step():
    """With one iteration the step is −αg, so that everything is known."""
    x = np.full(8, 0.5)
    H, g = hessian(bowl)(x), grad(bowl)(x)
    info = stepped(lambda ps: NewtonCG(ps, initial_radius=1e-3), bowl, x)
    z = -1e-3 * g / np.linalg.norm(g)
    row = (
        np.linalg.norm(g + H @ z),
        g @ H @ g / (g @ g),
        g @ z + z @ H @ z / 2,
        1e-3,
        1e-3 / np.linalg.norm(g),
    )
    np.testing.assert_allclose(columns(info.cg), [row], rtol=1e-12)


def test_the_iterations_of_capped_cg_are_those_of_the_shifted_hessian():
    x = np.full(8, 0.5)
    info = stepped(lambda ps: NewtonCG(ps, globalization="line-search", forcing=1e-3), bowl, x)
    H, g = hessian(bowl)(x), grad(bowl)(x)
    shift = 2 * info.damping * np.linalg.norm(H @ g) / np.linalg.norm(g)
    expected = textbook_cg(H + shift * np.eye(8), g, len(info.cg))
    expected[:, 1] -= shift  # curvature and model are of H alone
    expected[:, 2] -= 0.5 * shift * expected[:, 3] ** 2
    np.testing.assert_allclose(columns(info.cg), expected, rtol=1e-9, atol=1e-9)
    assert (info.cg_end, len(info.cg)) == ("converged", info.n_cg)
    assert info.cg[-1].model == pytest.approx(-info.trials[0].predicted, rel=1e-12)


def test_the_iterations_of_gauss_newton_are_those_of_the_damped_matrix():
    rng = np.random.default_rng(0)
    X, y, w = rng.normal(size=(20, 5)), rng.normal(size=20), Tensor(np.ones(5), requires_grad=True)

    def closure():
        out = X @ w
        return np.mean((out - y) ** 2), out

    optimizer = NewtonCG([w], curvature="ggn", damping=0.5, preconditioner=np.ones(5))
    g = 2 / 20 * X.T @ (X @ w.data - y)
    optimizer.step(closure)
    info = optimizer.last_step
    expected = textbook_cg(2 / 20 * X.T @ X + 0.5 * np.eye(5), g, len(info.cg))
    expected[:, 1] -= 0.5
    found = columns(info.cg)
    assert len(info.cg) == info.n_cg >= 4
    np.testing.assert_allclose(found[:, 1:], expected[:, 1:], rtol=1e-7)
    np.testing.assert_allclose(found[:, 0], expected[:, 0], atol=1e-12, rtol=1e-7)
    assert info.trials[-1].accepted


REJECTING = {
    "trust region": lambda ps: NewtonCG(ps, initial_radius=8.0),
    "line search": lambda ps: NewtonCG(ps, globalization="line-search", damping=1e-12),
    "dense trust": lambda ps: Newton(ps, modification="trust", initial_radius=8.0),
}


@pytest.mark.parametrize("name", REJECTING)
def test_every_trial_is_told_with_what_f_did_there(name):
    """With one unknown the trial of length s goes to x ± s, down the slope."""
    x = np.array([-0.55 if name == "line search" else 0.4])
    info = stepped(REJECTING[name], wavy, x)
    t = info.trials
    assert t.dtype.names == ("length", "predicted", "actual", "rho", "accepted")
    assert len(t) == info.rejections + 1 >= 2
    assert t.accepted.tolist() == [False] * info.rejections + [True]
    sign = -np.sign(grad(wavy)(x)[0])
    g, h = grad(wavy)(x)[0], hessian(wavy)(x)[0, 0]
    for row in t:
        step = sign * row.length
        assert row.actual == pytest.approx(wavy(x) - wavy(x + step), rel=1e-9, abs=1e-12)
        assert row.predicted == pytest.approx(-(g * step + 0.5 * h * step**2), rel=1e-9)
        assert row.rho == pytest.approx(row.actual / row.predicted)
    assert (t[-1].rho, t[-1].actual, t[-1].predicted) == (info.rho, info.actual, info.predicted)
    assert np.all(np.diff(t.length) < 0)


SEARCHING = {
    "newton": lambda ps: Newton(ps, lr=20.0),
    "lbfgs, strong Wolfe": lambda ps: LBFGS(ps, lr=40.0),
    "lbfgs, Armijo": lambda ps: LBFGS(ps, lr=40.0, line_search="armijo"),
    "lbfgs, full step": lambda ps: LBFGS(ps, line_search=None),
}


@pytest.mark.parametrize("name", SEARCHING)
def test_every_point_of_a_line_search_is_told(name):
    x, seen = np.array([0.4]), []

    def f(x):
        seen.append(float(x.data[0]))
        return wavy(x)

    info = stepped(SEARCHING[name], f, x)
    t = info.trials
    assert t.dtype.names == ("a", "phi", "slope", "accepted")
    assert len(t) == info.rejections + 1
    assert len(t) >= (1 if "full" in name else 2)
    points = np.array(seen[-len(t) :])
    p = (points[0] - x[0]) / t[0].a
    np.testing.assert_allclose(points, x[0] + t.a * p, rtol=1e-12)
    np.testing.assert_array_equal(t.phi, [wavy(np.array([v])) for v in points])
    known = np.isfinite(t.slope)
    assert known[t.accepted].all()
    np.testing.assert_allclose(t.slope[known], [grad(wavy)(np.array([v]))[0] * p for v in points[known]])
    assert t.a[t.accepted].tolist() == [info.step_length]


def test_points_of_both_searches_where_the_pairs_mislead():
    """A point where f is not finite is infinitely high, and a search without success takes none."""
    w = Tensor([1.0], requires_grad=True)
    optimizer = LBFGS([w], line_search="armijo")
    optimizer.step(lambda: np.sum((w - 2) ** 2))
    before = w.data.copy()
    optimizer.step(lambda: np.sum(np.where(np.equal(w, before[0]), w, np.inf)))
    t = optimizer.last_step.trials
    assert len(t) == optimizer.last_step.rejections > 60
    assert np.isinf(t.phi[t.a > 1e-12]).all()
    assert set(t.phi) == {np.inf, before[0]}  # at last a·p is too short to move w
    assert not t.accepted.any()


METHODS = {
    "trust region": lambda ps: NewtonCG(ps, forcing=1e-6),
    "line search": lambda ps: NewtonCG(ps, globalization="line-search", forcing=1e-6),
    "newton abs": lambda ps: Newton(ps),
    "newton trust": lambda ps: Newton(ps, modification="trust"),
}


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("where", ["on the slope", "at the saddle"])
def test_a_direction_of_negative_curvature_is_told_by_parameter_name(name, where):
    x = np.full(4, 0.2)
    f = saddle if where == "on the slope" else lambda x: saddle(x) - 0.3 * x[0] - 0.2 * x[1]
    x = x if where == "on the slope" else np.zeros(4)
    info = stepped(METHODS[name], f, x)
    assert list(info.negative_curvature) == ["a", "b"]
    v = np.concatenate(list(info.negative_curvature.values()))
    assert np.linalg.norm(v) == pytest.approx(1)
    assert v @ hessian(f)(x) @ v < -0.1
    assert grad(f)(x) @ v <= 0
    assert stepped(METHODS[name], bowl, np.full(8, 0.5)).negative_curvature is None


@pytest.mark.parametrize("method", ["newton", "newton-cg"])
def test_escapes_are_trials(method):
    """At a saddle f promises nothing to first order: the trials are those along the eigenvector."""
    result = minimize(lambda x: np.sum(x[0] ** 2 - x[1] ** 2 + x[1] ** 4), np.zeros((2, 1)), method)
    info = result.trace[1].step
    assert info.escaped
    assert info.negative_curvature.shape == (2, 1)
    np.testing.assert_allclose(np.abs(info.negative_curvature), [[0], [1]], atol=1e-12)
    assert info.trials.accepted.tolist() == [False] * (len(info.trials) - 1) + [True]
    for row in info.trials:
        assert row.predicted == pytest.approx(row.length**2)
        assert row.actual == pytest.approx(row.length**2 - row.length**4)


def test_curvature_that_gauss_newton_meets_is_told():
    """A loss that is concave in the outputs."""
    w = Tensor([0.5, -1.0], requires_grad=True)
    optimizer = NewtonCG([("w", w)], curvature="ggn", damping=0.1)

    def closure():
        out = w * 2.0
        return np.sum(np.cos(out)) - 0.1 * np.sum(w**4), out

    optimizer.step(closure)
    info = optimizer.last_step
    assert info.cg_end == "negative curvature"
    v = info.negative_curvature["w"]
    assert np.linalg.norm(v) == pytest.approx(1)
    assert math.isnan(info.cg[-1].alpha)
    assert info.cg[-1].curvature == pytest.approx(info.smallest_curvature)
    assert info.smallest_curvature < 0


def test_the_tables_hold_numbers_only_and_change_no_print():
    info = stepped(METHODS["trust region"], saddle, np.full(4, 0.2))
    assert all(isinstance(v, float) for row in info.cg_rows + info.trial_rows for v in row[:4])
    bare = replace(info, cg_rows=(), trial_rows=(), cg_end="", negative_curvature=None)
    assert repr(bare) == repr(info)
    assert "cg" not in repr(StepInfo()).replace("n_cg", "")
    with pytest.raises(ValueError, match="read-only"):
        info.cg.residual[0] = 1.0
    again = pickle.loads(pickle.dumps(info))
    assert repr(again.cg) == repr(info.cg)
    lines = str(info.cg).splitlines()
    assert lines[0].split() == ["residual", "curvature", "model", "norm", "alpha"]
    assert len(lines) == len(info.cg) + 1
    page = info._repr_html_()
    assert "Conjugate gradients" in page
    assert page.count("<table") == 3
    assert StepInfo()._repr_html_().count("<table") == 1
