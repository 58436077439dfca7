"""Newton: what each modification does to a spectrum, published iterates, saddles, order of convergence, the
dense limit."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import optim
from minigrad import Tensor
from optim.second_order.dense_newton import DenseNewton
from optim.second_order.eigen_directions import (
    DIAGONALS,
    modified_direction,
    more_sorensen,
    textbook_direction,
)
from optim.second_order.method import Settings
from optim.second_order.objective import FunctionObjective
from tests.problems import beale, rosenbrock, rotation, wells, wood

MODIFICATIONS = ["none", "shift", "abs", "clip", "pinv", "trust"]
PURE = {"modification": "none", "line_search": None}


def powell(x):
    return (x[0] + 10 * x[1]) ** 2 + 5 * (x[2] - x[3]) ** 2 + (x[1] - 2 * x[2]) ** 4 + 10 * (x[0] - x[3]) ** 4


def saddle(x):
    """A saddle at 0, minima of −1 at (0, ±√2)."""
    return x[0] ** 2 - x[1] ** 2 + 0.25 * x[1] ** 4


def course(fun, x, steps, gtol=0.0, **options):
    """The evaluations from x on, and what each step did."""
    f, solver, settings = FunctionObjective(fun), DenseNewton(), Settings(**options)
    points, infos = [f(np.array(x, float))], []
    for _ in range(steps):
        if gtol and np.abs(points[-1].g).max() <= gtol * np.abs(points[0].g).max():
            break
        there, info = solver.step(f, points[-1], settings)
        points.append(there)
        infos.append(info)
    return points, infos


def spd(n, rng, kappa=1e3):
    Q = rotation(rng, n)
    return Q @ np.diag(np.geomspace(1, kappa, n)) @ Q.T


# Published courses


def test_pure_newton_on_rosenbrock_as_published():
    points, _ = course(rosenbrock, [-1.2, 1], 6, **PURE)
    published = [24.2, 4.731884325, 1411.845179, 0.0559655168, 0.313189076]
    np.testing.assert_allclose([p.f for p in points[:5]], published, rtol=2e-9)
    assert points[5].f == pytest.approx(1.85e-11, rel=5e-3)
    assert points[6].f == pytest.approx(3.4e-20, rel=2e-2)


def test_pure_newton_on_beale_lands_on_a_saddle_in_one_step():
    points, infos = course(beale, [1, 1], 1, **PURE)
    assert points[1].f == pytest.approx(14.203125, abs=1e-12)
    assert np.abs(points[1].g).max() < 1e-13
    np.testing.assert_allclose(points[1].x, [0, 1], atol=1e-14)
    assert infos[0].lambda_min < 0
    points, _ = course(beale, [1, 1], 30, gtol=1e-10)
    np.testing.assert_allclose(points[-1].x, [3, 0.5], atol=1e-6)


def test_powell_singular_is_linear_at_two_thirds():
    points, _ = course(powell, [3, -1, 0, 1], 15, **PURE)
    ratios = [np.linalg.norm(b.x) / np.linalg.norm(a.x) for a, b in pairwise(points[5:])]
    np.testing.assert_allclose(ratios, 2 / 3, atol=1e-6)


@pytest.mark.parametrize("modification", ["shift", "abs", "clip", "trust"])
@pytest.mark.parametrize(
    ("fun", "start", "best"),
    [(rosenbrock, [-1.2, 1], 0), (beale, [1, 1], 0), (wood, [-3, -1, -3, -1], 0), (saddle, [0.3, 0.1], -1)],
)
@pytest.mark.parametrize("line_search", ["armijo", "strong-wolfe"])
def test_minima_are_reached(modification, fun, start, best, line_search):
    points, infos = course(fun, start, 80, gtol=1e-9, modification=modification, line_search=line_search)
    assert points[-1].f == pytest.approx(best, abs=1e-12)
    assert len(infos) < 80
    for before, after in pairwise(points):
        assert after.f <= before.f * (1 + 1e-12) if before.f > 0 else after.f <= before.f * (1 - 1e-12)


# One step


@pytest.mark.parametrize("modification", ["none", "shift", "abs", "clip", "pinv"])
@given(seed=st.integers(0, 10**6), n=st.integers(2, 12))
@settings(max_examples=25, deadline=None, derandomize=True)
def test_a_quadratic_takes_one_step(modification, seed, n):
    rng = np.random.default_rng(seed)
    A, b = spd(n, rng), rng.normal(size=n)
    points, infos = course(
        lambda x: 0.5 * (x @ (A @ x)) - b @ x, rng.normal(size=n), 1, modification=modification
    )
    np.testing.assert_allclose(points[1].x, np.linalg.solve(A, b), rtol=1e-9, atol=1e-10)
    info = infos[0]
    assert (info.accepted, info.step_length, info.rejections, info.negative) == (True, 1.0, 0, 0)
    assert info.lambda_min == pytest.approx(1, rel=1e-9)
    assert (
        info.predicted
        == pytest.approx(info.actual, rel=1e-9)
        == pytest.approx(0.5 * info.decrement**2, rel=1e-9)
    )


def test_lr_and_damping_shorten_the_step():
    fun = lambda x: np.sum(np.array([1.0, 4.0]) * x**2)  # noqa: E731
    points, _ = course(fun, [1, 1], 1, lr=0.25)
    np.testing.assert_allclose(points[1].x, [0.75, 0.75], rtol=1e-12)
    for modification in ("none", "shift", "abs", "clip", "pinv"):
        points, _ = course(fun, [1, 1], 1, modification=modification, damping=2.0)
        np.testing.assert_allclose(points[1].x, [0.5, 0.2], rtol=1e-12)


def test_the_rules_for_the_spectrum():
    lam, floor, diagonal = np.array([-2.0, -1e-12, 1e-12, 3.0]), 1e-8, np.array([0.5, -1.0, 1.0, 1.0])
    np.testing.assert_array_equal(DIAGONALS["abs"](lam, floor, diagonal), [2, 1e-8, 1e-8, 3])
    np.testing.assert_array_equal(DIAGONALS["clip"](lam, floor, diagonal), [1e-8, 1e-8, 1e-8, 3])
    np.testing.assert_array_equal(DIAGONALS["pinv"](lam, floor, diagonal), [-2, np.inf, np.inf, 3])
    # algorithm 3.3: β = 1e-3·max|hᵢᵢ|, τ₀ = β − min hᵢᵢ = 1.001, doubled until H + τI is positive definite
    np.testing.assert_allclose(DIAGONALS["shift"](lam, floor, diagonal), lam + 2.002, rtol=1e-15)
    np.testing.assert_array_equal(DIAGONALS["shift"](np.array([1.0, 2]), 0.0, np.array([1.5, 1.5])), [1, 2])
    np.testing.assert_allclose(
        DIAGONALS["shift"](np.array([-1.0, 1]), 0.0, np.zeros(2)), [1e-3 * 2**10 - 1, 1e-3 * 2**10 + 1]
    )


def test_away_from_saddles_abs_turns_the_signs_and_nothing_else():
    H, g = np.diag([-2.0, 4.0]), np.array([1.0, 1.0])
    fun = lambda x: 0.5 * (x @ (H @ x)) + g @ x  # noqa: E731
    points, _ = course(fun, [0, 0], 1, line_search=None)
    np.testing.assert_allclose(points[1].x, [-0.5, -0.25], rtol=1e-12)
    points, _ = course(fun, [0, 0], 1, **PURE)
    np.testing.assert_allclose(points[1].x, [0.5, -0.25], rtol=1e-12)


# Saddles


@given(seed=st.integers(0, 10**6), n=st.integers(2, 6))
@settings(max_examples=25, deadline=None, derandomize=True)
def test_none_goes_to_a_planted_saddle_and_the_others_leave_it(seed, n):
    """f = ½Σλu² + ¼Σu⁴, u = Q(x − c): a saddle at c, and minima at u = ±√−λ where λ < 0."""
    rng = np.random.default_rng(seed)
    Q, c = rotation(rng, n), rng.normal(size=n)
    lam = rng.uniform(0.5, 2, n) * np.where(np.arange(n) == 0, -1, rng.choice([-1, 1], n))
    fun, start = wells(Q, lam, c), c + 0.2 * Q.T @ rng.uniform(0.5, 1, n)
    points, infos = course(fun, start, 8, **PURE)
    np.testing.assert_allclose(points[-1].x, c, atol=1e-9)
    assert infos[-1].lambda_min == pytest.approx(lam.min())
    for modification in ("shift", "abs", "clip", "trust"):
        points, infos = course(fun, start, 60, gtol=1e-9, modification=modification)
        assert points[-1].f == pytest.approx(-0.25 * (lam[lam < 0] ** 2).sum(), rel=1e-9), modification


@pytest.mark.parametrize("modification", ["shift", "abs", "clip", "trust"])
@pytest.mark.parametrize("start", [[0.0, 0.0], [1.0, 0.0]])
@pytest.mark.parametrize("offset", [0.0, 7.0])
def test_a_start_without_any_slope_towards_the_minimum(modification, start, offset):
    """From (1, 0) every step of descent keeps the second coordinate at 0, and (0, 0) has no slope at all."""
    points, infos = course(lambda x: saddle(x) + offset, start, 40, modification=modification)
    assert points[-1].f == pytest.approx(offset - 1, abs=1e-12)
    assert sum(info.escaped for info in infos) == (0 if modification == "trust" else 1)
    assert infos[-1].lambda_min > 0


@pytest.mark.parametrize("modification", ["none", "pinv"])
def test_the_pure_method_stays_at_a_saddle(modification):
    points, infos = course(saddle, [0.0, 0.0], 2, modification=modification)
    assert (infos[0].accepted, infos[0].why) == (False, "stationary")
    np.testing.assert_array_equal(points[-1].x, 0)


def test_the_textbook_step_with_a_line_search_does_not_climb():
    _, infos = course(saddle, [0.01, 0.3], 1, modification="none")
    assert (infos[0].accepted, infos[0].why) == (False, "not a direction of descent")
    assert infos[0].status == "RADIUS_COLLAPSED"
    assert math.isnan(infos[0].decrement)


@pytest.mark.parametrize("modification", ["shift", "abs", "clip", "trust"])
def test_without_curvature_the_step_has_the_size_of_x(modification):
    points, infos = course(
        lambda x: 3 * x[0] + 4 * x[1], [30.0, 40.0], 1, modification=modification, line_search="armijo"
    )
    assert infos[0].step_norm == pytest.approx(5)
    assert points[1].f < points[0].f


# Invariance and order


@pytest.mark.parametrize("modification", ["none", "abs"])
@given(seed=st.integers(0, 10**6))
@settings(max_examples=25, deadline=None, derandomize=True)
def test_iterates_are_affine_invariant(modification, seed):
    A = spd(2, rng := np.random.default_rng(seed), 10.0) @ rotation(rng, 2)
    x = np.array([1.6, 2.3])  # the Hessian is positive definite on the way from here
    plain, _ = course(rosenbrock, x, 6, modification=modification)
    moved, infos = course(lambda z: rosenbrock(A @ z), np.linalg.solve(A, x), 6, modification=modification)
    assert all(info.lambda_min > 0 for info in infos)
    for p, q in zip(plain, moved, strict=True):
        np.testing.assert_allclose(A @ q.x, p.x, rtol=1e-6)


def test_coordinates_in_any_units_do_not_look_singular_to_the_textbook_step():
    H, g = np.diag([1e16, 1e-16, 1.0]), np.array([1e16, 1e-16, 1.0])
    np.testing.assert_allclose(textbook_direction(H, g), -1, rtol=1e-14)
    H[0, 2] = H[2, 0] = 0.5e8
    np.testing.assert_allclose(
        textbook_direction(H, g), [(0.5e-8 - 1) / 0.75, -1, (0.5e8 - 1) / 0.75], rtol=1e-12
    )


@pytest.mark.parametrize("modification", MODIFICATIONS)
def test_the_order_of_convergence_is_two(modification):
    A = np.array([[1.0, 0.3, 0.0], [0.2, 1.0, -0.4], [0.5, -0.1, 1.0]])
    fun = lambda x: np.sum(np.exp(A @ x)) + 0.5 * np.sum(x**2) - np.sum(x)  # noqa: E731
    best = course(fun, [0, 0, 0], 20)[0][-1].x
    points, _ = course(fun, best + 0.5, 8, modification=modification)
    errors = [e for e in (np.linalg.norm(p.x - best) for p in points) if e > 1e-12]
    orders = [
        math.log(c / b) / math.log(b / a) for a, b, c in zip(errors, errors[1:], errors[2:], strict=False)
    ]
    assert len(errors) >= 4
    assert orders[-1] >= 1.8


# The trust region


@given(
    st.integers(0, 10**6),
    st.integers(1, 8),
    st.sampled_from([1e-6, 1e-2, 1.0, 50.0]),
    st.booleans(),
    st.booleans(),
)
@settings(max_examples=200, deadline=None, derandomize=True)
def test_more_sorensen_is_the_global_minimum(seed, n, radius, hard, twice):
    """Against the optimality conditions, which are sufficient: ‖q‖ ≤ Δ, (Λ + μ)q = −c, Λ + μ ≥ 0, μ(Δ − ‖q‖)
    = 0."""
    rng = np.random.default_rng(seed)
    lam = np.sort(rng.normal(size=n) * 10.0 ** rng.integers(-3, 3))
    c = rng.normal(size=n) * 10.0 ** rng.integers(-3, 2)
    if twice and n > 1:
        lam[1] = lam[0]
    if hard:
        c[lam == lam[0]] = 0
    q = more_sorensen(lam, c, radius)
    norm = np.linalg.norm(q)
    assert norm <= radius * (1 + 1e-9)
    i = np.argmax(np.abs(q * lam) + np.abs(c))
    mu = -(c[i] / q[i] + lam[i]) if q[i] else max(0.0, -lam[0])
    scale = np.abs(lam).max() + np.linalg.norm(c) / radius
    assert mu >= max(0.0, -lam[0]) - 1e-8 * scale
    np.testing.assert_allclose((lam + mu) * q, -c, atol=1e-7 * scale * radius)
    if norm < radius * (1 - 1e-8):
        assert abs(mu) <= 1e-8 * scale
        assert lam[0] >= -1e-12 * scale


def test_the_hard_case():
    q = more_sorensen(np.array([-2.0, -2.0, 1.0, 5.0]), np.array([0.0, 0.0, 3.0, 7.0]), 2.0)
    np.testing.assert_allclose(q[2:], [-1, -1], rtol=1e-14)
    np.testing.assert_allclose(np.linalg.norm(q), 2, rtol=1e-14)
    nearly = more_sorensen(np.array([-2.0, -2.0, 1.0, 5.0]), np.array([1e-200, 0.0, 3.0, 7.0]), 2.0)
    np.testing.assert_allclose(nearly, [-math.sqrt(2), 0, -1, -1], rtol=1e-9)
    interior = more_sorensen(np.array([1.0, 5.0]), np.array([1.0, 5.0]), 2.0)
    np.testing.assert_array_equal(interior, [-1, -1])
    np.testing.assert_array_equal(more_sorensen(np.array([0.0, 1.0]), np.array([0.0, 1.0]), 2.0), [0, -1])


def test_the_radius_shrinks_on_nan_and_grows_on_success():
    fun = lambda x: np.sum(x - np.log(x))  # noqa: E731
    points, infos = course(fun, [3.0, 5.0], 12, gtol=1e-9, modification="trust")
    np.testing.assert_allclose(points[-1].x, 1, rtol=1e-8)
    assert sum(info.rejections for info in infos) > 0
    f = FunctionObjective(lambda x: -1e3 * x[0] + 1e-4 * x[0] ** 2)
    solver, here, settings = DenseNewton(), f(np.zeros(1)), Settings(modification="trust")
    solver.radius = 1.0
    here, info = solver.step(f, here, settings)
    assert (info.radius, solver.radius, info.step_norm) == (2.0, 2.0, 1.0)
    f = FunctionObjective(
        lambda x: -x[0] if x[0] <= 0 else np.nan, jac=lambda x: -np.ones(1), hess=lambda x: np.zeros((1, 1))
    )
    solver.radius = 1.0
    here, info = solver.step(f, f(np.zeros(1)), settings)
    assert (info.accepted, here.x[0], solver.radius) == (False, 0.0, None)


# Errors and reports


def test_a_singular_hessian_is_named():
    p = Tensor([1.0, 2.0], requires_grad=True)
    optimizer = optim.Newton([p], modification="none")
    with pytest.raises(
        np.linalg.LinAlgError, match=r"singular.*nearest 0 is .*the largest .*damping > 0"
    ) as error:
        optimizer.step(lambda: (p[0] + p[1]) ** 2 + p[0])
    assert error.type is optim.SingularHessianError
    np.testing.assert_array_equal(p.data, [1, 2])
    optim.Newton([p], modification="none", damping=1e-3).step(lambda: (p[0] + p[1]) ** 2 + p[0])


def test_a_hessian_singular_up_to_rounding_counts_as_singular():
    rng = np.random.default_rng(0)
    for n in (3, 10, 40):
        B = rng.normal(size=(n, n - 1)) * 10.0 ** rng.uniform(-3, 3, size=(n, 1))
        with pytest.raises(optim.SingularHessianError):
            textbook_direction(B @ B.T, rng.normal(size=n))
    assert np.isfinite(textbook_direction(spd(10, rng, 1e12), np.ones(10))).all()


def test_where_the_gradient_is_zero_no_hessian_is_too_singular():
    p = Tensor([0.0, 5.0], requires_grad=True)
    optimizer = optim.Newton([p], **PURE)
    optimizer.step(lambda: p[0] ** 2)
    assert optimizer.last_step.why == "stationary"


def test_pinv_leaves_flat_directions_alone():
    p = Tensor([1.0, 2.0, 5.0], requires_grad=True)
    optim.Newton([p], modification="pinv").step(lambda: (p[0] + p[1]) ** 2)
    np.testing.assert_allclose(p.data, [-0.5, 0.5, 5], atol=1e-14)


def test_the_dense_limit_names_n_and_the_bytes():
    p = Tensor(np.zeros(11), requires_grad=True)
    with pytest.raises(
        ValueError, match=r"11 parameters takes 968 bytes, and dense_limit is 10\. Use NewtonCG"
    ):
        optim.Newton([p], dense_limit=10).step(lambda: (p * p).sum())
    p = Tensor(np.zeros(3001), requires_grad=True)
    with pytest.raises(ValueError, match="3001 parameters takes 72,048,008 bytes"):
        optim.Newton([p]).step(lambda: (p * p).sum())


def test_an_asymmetric_hessian_is_made_symmetric_and_reported():
    skew = np.array([[4.0, 1.0], [0.0, 2.0]])
    f = FunctionObjective(
        lambda x: x @ (skew @ x) / 2, jac=lambda x: (skew + skew.T) @ x / 2, hess=lambda x: skew
    )
    there, info = DenseNewton().step(f, f(np.ones(2)), Settings(modification="none"))
    assert info.asymmetry == 0.25
    np.testing.assert_allclose(there.x, 0, atol=1e-15)
    by_products = FunctionObjective(f.fun, jac=f.jac, hessp=lambda x, v: skew @ v)
    there, info = DenseNewton().step(by_products, by_products(np.ones(2)), Settings())
    assert (info.asymmetry, info.n_hv) == (0.25, 2)
    assert course(rosenbrock, [-1.2, 1], 1)[1][0].asymmetry < 1e-15


def test_a_hessian_that_is_not_finite_is_refused():
    f = FunctionObjective(lambda x: x[0], jac=lambda x: np.ones(1), hess=lambda x: np.full((1, 1), np.nan))
    with pytest.raises(FloatingPointError, match="the Hessian is not"):
        DenseNewton().step(f, f(np.zeros(1)), Settings())


def test_counts():
    f = FunctionObjective(rosenbrock)
    _, info = DenseNewton().step(f, f(np.array([-1.2, 1.0])), Settings())
    assert (f.counts.nfev, f.counts.njev, f.counts.nhev) == (1 + info.rejections + 1, 2, 2)
    assert info.n_hv == 2
    assert info.actual == pytest.approx(24.2 - 4.731884325, rel=1e-9)


def test_rounding_is_not_counted_as_negative_curvature():
    """A Hessian of rank 1: its other eigenvalues are 0 and come out as ±1e-17."""
    lowest = []
    for seed in range(10):
        a, x = np.random.default_rng(seed).normal(size=(2, 5))
        _, (info,) = course(lambda x, a=a: (a @ x - 1) ** 2, x, 1)
        lowest.append(info.lambda_min)
        assert info.negative == 0
    assert min(lowest) < 0


def test_armijo_halves_a_newton_step():
    """A parabola through f at the end of a step that is far too long would propose a tenth."""
    p = Tensor([3.0], requires_grad=True)
    optimizer = optim.Newton([p])
    optimizer.step(lambda: ((1 + p * p) ** 0.5).sum())
    assert optimizer.last_step.step_length == 0.125
    assert optimizer.last_step.rejections == 3


def test_the_first_radius_stays_out_of_the_valley_of_exp6():
    """Biggs 1971; a first radius of 1 leads to f = 0.2427 at infinity."""
    t = np.arange(1, 14) / 10

    def exp6(x):
        y = x[2] * np.exp(-t * x[0]) - x[3] * np.exp(-t * x[1]) + x[5] * np.exp(-t * x[4])
        return np.sum((y - np.exp(-t) + 5 * np.exp(-10 * t) - 3 * np.exp(-4 * t)) ** 2)

    rng, start = np.random.default_rng(0), np.array([1.0, 2, 1, 1, 1, 1])
    options = {"modification": "trust", "maxiter": 150}
    for x0 in (start, *(start * (1 + 0.02 * rng.normal(size=6)) for _ in range(3))):
        result = optim.minimize(exp6, x0, method="newton", options=options)
        assert result.success
        assert result.fun < 1e-20
        # the minimum, and its mirror image: the first and the third term may change places
        assert np.allclose(np.sort(result.x), [1, 1, 3, 4, 5, 10], atol=1e-6)


@pytest.mark.parametrize("modification", ["abs", "clip", "pinv"])
def test_a_coordinate_in_other_units_is_not_taken_for_a_flat_one(modification):
    """Rescaled, this H is far from singular, so that the direction is Newton's own."""
    A, c = np.array([[2.0, 1.0, 0.0], [1.0, 3.0, 1.0], [0.0, 1.0, 2.0]]), np.array([1.0, -2.0, 3.0])
    units = np.array([1.0, 1e-8, 1e4])
    H, g = units[:, None] * A * units, units * c
    lam, V = np.linalg.eigh(H)
    floor = 1e-12 * np.abs(lam).max()
    assert np.abs(lam).min() < floor
    p = modified_direction(H, g, lam, V, floor, 0.0, modification)
    np.testing.assert_allclose(p, -np.linalg.solve(A, c) / units, rtol=1e-12)
