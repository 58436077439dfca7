"""Conjugate gradients: Steihaug–Toint CG, capped CG and Martens' CG keep the promises of theory on random
quadratics."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from optim.second_order.capped_cg import capped_cg
from optim.second_order.levenberg_marquardt import martens_cg
from optim.second_order.steihaug_cg import steihaug_cg
from tests.problems import rotation

INF = 1e300  # a region that is never left


class Counted:
    """v ↦ Hv, counting."""

    def __init__(self, H):
        self.H, self.calls = H, 0

    def __call__(self, v):
        self.calls += 1
        return self.H @ v


def symmetric(seed, n, low, high, negative=0):
    """(H, g, rng) with eigenvalues between 10^low and 10^high, the first `negative` of them with the sign
    turned."""
    rng = np.random.default_rng(seed)
    values = 10 ** rng.uniform(low, high, n)
    values[:negative] *= -1
    Q = rotation(rng, n)
    return (Q * values) @ Q.T, rng.normal(size=n), rng


def model(H, g, p):
    return float(g @ p + 0.5 * p @ H @ p)


def iterates(path):
    """The points of a path, from 0."""
    zs = [np.zeros_like(path.g)]
    for step in path.iterations:
        if step.a < math.inf:
            zs.append(zs[-1] + step.a * step.d)
    return zs


seeds = st.integers(0, 2**32 - 1)
many = settings(max_examples=100, deadline=None, derandomize=True)
sizes = st.integers(1, 12)


@many
@given(seeds, sizes)
def test_positive_definite_systems_are_solved_in_n_iterations(seed, n):
    H, g, _ = symmetric(seed, n, -0.5, 0.5)
    path, radius = steihaug_cg(hv := Counted(H), g, INF, 1e-9 * np.linalg.norm(g), 10 * n)
    s = path.at(radius)
    assert hv.calls == path.products == len(path.iterations) <= n
    assert s.why == "converged"
    np.testing.assert_allclose(s.p, -np.linalg.solve(H, g), rtol=1e-6, atol=1e-7)


@many
@given(seeds, st.integers(2, 10))
def test_the_path(seed, n):
    """Conjugate directions, growing iterates, a falling model, and Hp as a product would give it."""
    H, g, _ = symmetric(seed, n, -0.5, 0.5)
    path, _ = steihaug_cg(lambda v: H @ v, g, INF, 1e-4 * np.linalg.norm(g), n)
    D = np.array([step.d / np.linalg.norm(step.d) for step in path.iterations])
    energy = D @ H @ D.T
    scale = np.sqrt(np.outer(np.diag(energy), np.diag(energy)))
    assert np.abs(energy / scale - np.eye(len(D))).max() < 1e-6
    zs = iterates(path)
    norms, values = [np.linalg.norm(z) for z in zs], [model(H, g, z) for z in zs]
    assert all(b > a for a, b in itertools.pairwise(norms))
    assert all(b < a for a, b in itertools.pairwise(values))
    for step, z in zip(path.iterations, zs):
        assert step.zz == pytest.approx(z @ z, rel=1e-12)
    s = path.at(INF)
    np.testing.assert_allclose(s.Hp, H @ s.p, rtol=0, atol=1e-10 * np.linalg.norm(H) * np.linalg.norm(s.p))
    assert s.predicted == pytest.approx(-model(H, g, s.p), rel=1e-9)
    assert s.norm == pytest.approx(np.linalg.norm(s.p), rel=1e-10)


@many
@given(seeds, sizes, st.integers(0, 3), st.floats(1e-3, 1e3))
def test_inside_the_region_and_no_worse_than_cauchy(seed, n, negative, radius):
    H, g, _ = symmetric(seed, n, -2, 2, min(negative, n))
    path, _ = steihaug_cg(lambda v: H @ v, g, radius, 1e-3 * np.linalg.norm(g), 3 * n)
    s = path.at(radius)
    assert np.linalg.norm(s.p) <= radius * (1 + 1e-12)
    size, curvature = np.linalg.norm(g), g @ H @ g
    t = min(size**2 / curvature, radius / size) if curvature > 0 else radius / size
    cauchy = -model(H, g, -t * g)
    assert s.predicted >= cauchy * (1 - 1e-9)
    assert s.predicted >= 0.5 * size * min(radius, size / np.linalg.norm(H, 2)) * (1 - 1e-9)
    np.testing.assert_allclose(s.Hp, H @ s.p, rtol=0, atol=1e-10 * np.linalg.norm(H) * radius)


@many
@given(seeds, st.integers(2, 10), st.floats(0.1, 10))
def test_a_planted_negative_eigenvector_leads_to_the_boundary(seed, n, radius):
    H, _, rng = symmetric(seed, n, -1, 1, negative=1)
    v = np.linalg.eigh(H)[1][:, 0]
    path, _ = steihaug_cg(lambda d: H @ d, -v, radius, 1e-8, 5 * n)
    s = path.at(radius)
    assert s.why == "negative curvature"
    assert path.smallest_curvature == pytest.approx(np.linalg.eigvalsh(H)[0], rel=1e-9)
    np.testing.assert_allclose(s.p, radius * v, rtol=1e-9, atol=1e-12)
    # With all directions in g CG meets the negative one within n steps, or has left the region before.
    path, _ = steihaug_cg(lambda d: H @ d, rng.normal(size=n), INF, 0.0, 5 * n)
    assert path.end == "negative curvature"


@many
@given(
    seeds,
    sizes,
    st.integers(0, 2),
    st.floats(0.01, 100),
    st.lists(st.floats(1e-3, 1), min_size=1, max_size=5),
)
def test_a_replay_is_a_fresh_solve_without_products(seed, n, negative, radius, factors):
    H, g, _ = symmetric(seed, n, -2, 2, min(negative, n))
    path, _ = steihaug_cg(hv := Counted(H), g, radius, 1e-6 * np.linalg.norm(g), 3 * n)
    before = hv.calls
    for factor in factors:
        radius *= factor
        replayed = path.at(radius)
        assert hv.calls == before
        fresh, _ = steihaug_cg(lambda v: H @ v, g, radius, 1e-6 * np.linalg.norm(g), 3 * n)
        expected = fresh.at(radius)
        assert (replayed.p == expected.p).all()
        assert (replayed.Hp == expected.Hp).all()
        assert (replayed.why, replayed.predicted, replayed.norm) == (
            expected.why,
            expected.predicted,
            expected.norm,
        )


@many
@given(seeds, sizes)
def test_the_hessian_as_preconditioner_needs_one_iteration(seed, n):
    H, g, _ = symmetric(seed, n, -2, 2)
    path, _ = steihaug_cg(
        lambda v: H @ v, g, INF, 1e-6 * np.linalg.norm(g), 3 * n, solve=lambda r: np.linalg.solve(H, r)
    )
    assert path.products == 1
    np.testing.assert_allclose(path.at(INF).p, -np.linalg.solve(H, g), rtol=1e-6, atol=1e-8)


@many
@given(seeds, st.integers(2, 8), st.integers(0, 1), st.floats(0.01, 10))
def test_a_preconditioner_is_a_change_of_variables(seed, n, negative, radius):
    """CG with M in x is CG without in u = Lᵀx, M = LLᵀ; the region is a ball in u."""
    H, g, _rng = symmetric(seed, n, -1, 1, negative)
    M = symmetric(seed + 1, n, -1, 1)[0]
    L = np.linalg.cholesky(M)
    path, _ = steihaug_cg(lambda v: H @ v, g, radius, 0.0, n, solve=lambda r: np.linalg.solve(M, r))
    A = np.linalg.solve(L, np.linalg.solve(L, H).T)
    other, _ = steihaug_cg(lambda v: A @ v, np.linalg.solve(L, g), radius, 0.0, n)
    s, t = path.at(radius), other.at(radius)
    assume(path.products == other.products)  # rounding may decide the last iteration
    np.testing.assert_allclose(L.T @ s.p, t.p, rtol=1e-5, atol=1e-6 * radius)
    assert s.norm == pytest.approx(math.sqrt(s.p @ M @ s.p), rel=1e-5)


def test_a_radius_chosen_from_the_first_product():
    H = np.diag([1.0, 4.0])
    g = np.array([3.0, 4.0])
    seen = []

    def choose(Hd, dd):
        seen.append((Hd, dd))
        return 0.5

    path, radius = steihaug_cg(hv := Counted(H), g, choose, 1e-9, 10)
    assert radius == 0.5
    assert hv.calls == 1
    np.testing.assert_array_equal(seen[0][0], [-3, -16])
    assert seen[0][1] == 25
    np.testing.assert_allclose(path.at(radius).p, [-0.3, -0.4])


@pytest.mark.parametrize("solve", [None, lambda r: r / np.array([4.0, 1.0])])
def test_first_product_not_finite_gives_a_step_down_the_slope(solve):
    g = np.array([2.0, 1.0])
    path, radius = steihaug_cg(lambda v: v * np.nan, g, 0.5, 1e-9, 10, solve=solve)
    s = path.at(radius)
    assert s.why == "not finite"
    assert s.predicted == pytest.approx(-g @ s.p)
    assert s.predicted > 0
    M = np.array([4.0, 1.0]) if solve else np.ones(2)
    assert s.norm == 0.5
    assert s.norm == pytest.approx(math.sqrt(s.p @ (M * s.p)))
    assert np.isfinite(s.p).all()


def test_a_later_product_not_finite_keeps_what_there_is():
    H, g, _ = symmetric(0, 6, -1, 1)
    calls = []

    def hv(v):
        calls.append(v)
        return H @ v if len(calls) < 3 else v * np.inf

    s = (path := steihaug_cg(hv, g, INF, 0.0, 10)[0]).at(INF)
    assert s.why == path.end == "not finite"
    assert s.iterations == 2
    np.testing.assert_allclose(s.Hp, H @ s.p)
    assert s.predicted == pytest.approx(-model(H, g, s.p))
    assert s.predicted > 0


@pytest.mark.parametrize("scale", [1e-20, 1.0, 1e20])
def test_curvature_that_is_rounding_counts_as_none_in_any_units(scale):
    def end(curvature):
        H = scale * np.array([[curvature, 1e3], [1e3, 1e12]])
        return steihaug_cg(lambda v: H @ v, np.array([1.0, 0]), INF, 1e-6, 5)[0].end

    assert end(1e-12) == "negative curvature"  # beside 1e3 that is rounding
    assert end(1e-6 + 1e-10) == "converged"


def test_a_preconditioner_that_is_not_positive_is_refused():
    with pytest.raises(ValueError, match="positive definite"):
        steihaug_cg(lambda v: v, np.ones(2), 1.0, 1e-9, 5, solve=lambda r: -r)


# Capped CG


@many
@given(seeds, sizes)
def test_capped_cg_solves_the_shifted_system(seed, n):
    H, g, _ = symmetric(seed, n, -0.5, 0.5)
    found = capped_cg(hv := Counted(H), g, 1e-2, 1e-9, 10 * n)
    assert found.why == "converged"
    assert hv.calls == found.products <= n + 1
    ε = 1e-2 * np.linalg.norm(H @ g) / np.linalg.norm(g)
    np.testing.assert_allclose(found.d, -np.linalg.solve(H + 2 * ε * np.eye(n), g), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found.Hd, H @ found.d, rtol=1e-8, atol=1e-8)


@many
@given(seeds, st.integers(2, 10))
def test_capped_cg_reports_only_true_negative_curvature(seed, n):
    H, g, _ = symmetric(seed, n, -1, 1, negative=1)
    found = capped_cg(lambda v: H @ v, g, 1e-3, 1e-12, 10 * n)
    ε = 1e-3 * np.linalg.norm(H @ g) / np.linalg.norm(g)
    assume(np.linalg.eigvalsh(H)[0] < -2 * ε)
    assert found.why == "negative curvature"
    assert found.d @ H @ found.d < -ε * (found.d @ found.d) * (1 - 1e-6)


def between_ε_and_2ε(seed, n):
    """(H, g, ε) where the least eigenvalue of H is −1.5ε: H + 2ε is positive definite, so CG may converge all
    the same."""
    H, g, _ = symmetric(seed, n, -1.5, 1)
    values, Q = np.linalg.eigh(H)
    ε = 1e-2 * np.linalg.norm(H @ g) / np.linalg.norm(g)
    values[0] = -1.5 * ε
    H = (Q * values) @ Q.T
    return H, g, 1e-2 * np.linalg.norm(H @ g) / np.linalg.norm(g)


@many
@given(seeds, st.integers(2, 12))
def test_capped_cg_converges_to_no_direction_of_negative_curvature(seed, n):
    """None of CG's directions need have it, but where it ends does."""
    H, g, ε = between_ε_and_2ε(seed, n)
    found = capped_cg(lambda v: H @ v, g, 1e-2, 1e-10, 20 * n)
    curvature = found.d @ H @ found.d / (found.d @ found.d)
    if found.why == "negative curvature":
        assert curvature < -ε * (1 - 1e-6)
    else:
        assert curvature >= -ε * (1 + 1e-6)


def test_a_difference_of_two_iterates_shows_negative_curvature_sooner():
    """Where CG is too slow they are looked at; here always. What they show is true, and CG alone does not see
    it yet."""
    sooner = 0
    for seed in range(40):
        H, g, ε = between_ε_and_2ε(seed, 12)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("optim.second_order.capped_cg._rate", lambda κ, j: 0.0)
            found = capped_cg(H.dot, g, 1e-2, 1e-10, 200)
            patch.setattr("optim.second_order.capped_cg._rate", lambda κ, j: math.inf)
            without = capped_cg(H.dot, g, 1e-2, 1e-10, 200)
        assert found.products <= without.products
        if found.products < without.products:
            sooner += 1
            assert found.why == "negative curvature"
            assert found.d @ H @ found.d < -ε * (found.d @ found.d) * (1 - 1e-6)
            np.testing.assert_allclose(found.Hd, H @ found.d, rtol=1e-8, atol=1e-8)
    assert sooner > 0


@many
@given(seeds, sizes)
def test_the_cap_invents_no_negative_curvature(seed, n):
    """The differences of iterates, looked at in every iteration, are never mistaken for it on positive
    definite H."""
    H, g, _ = symmetric(seed, n, -0.5, 0.5)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("optim.second_order.capped_cg._rate", lambda κ, j: 0.0)
        found = capped_cg(lambda v: H @ v, g, 1e-2, 1e-9, 10 * n)
    assert found.why == "converged"


def test_the_cap_survives_any_condition_number():
    """The first product says that H is tiny, the second one that it is not: ‖H‖/ε is 1e43 then."""
    scales, g = np.array([1e-20, 1e20, 1e18]), np.array([1.0, 1e-45, 1e-43])
    found = capped_cg(lambda v: scales * v, g, 1e-3, 1e-12, 50)
    assert found.why == "converged"
    assert np.linalg.norm((scales + 2e-23) * found.d + g) <= 1e-11


# Martens' CG


@many
@given(seeds, sizes, st.floats(0.01, 10))
def test_martens_cg_solves_the_damped_system(seed, n, damping):
    G, g, _rng = symmetric(seed, n, -0.5, 0.5)
    run = martens_cg(lambda v: G @ v, g, damping, 1e-10 * np.linalg.norm(g), 10)
    if run.why == "converged":
        np.testing.assert_allclose(
            run.kept[-1].p, -np.linalg.solve(G + damping * np.eye(n), g), rtol=1e-6, atol=1e-8
        )
    for p, Gp in run.kept:
        np.testing.assert_allclose(Gp, G @ p, rtol=1e-8, atol=1e-10)


def test_martens_cg_stops_when_the_model_stops_falling():
    G, g, _ = symmetric(3, 200, -6, 0)
    run = martens_cg(lambda v: G @ v, g, 1e-6, 0.0, 5000)
    assert run.why == "progress"
    φ = [model(G + 1e-6 * np.eye(200), g, p) for p, _ in run.kept]
    assert all(b < a for a, b in itertools.pairwise(φ))
    assert 10 < run.products < 5000
    # Kept are the iterates ⌈1.3ʲ⌉ and the last: their number grows like the logarithm.
    assert len(run.kept) <= 3 + math.log(run.products) / math.log(1.3)


def test_martens_cg_starts_from_where_it_is_told_unless_that_is_worse_than_nothing():
    G, g, _ = symmetric(4, 30, -1, 1)
    solution = -np.linalg.solve(G + np.eye(30), g)
    assert martens_cg(lambda v: G @ v, g, 1.0, 1e-8, 50, start=solution).products <= 2
    bad = martens_cg(lambda v: G @ v, g, 1.0, 1e-10, 50, start=-solution)
    np.testing.assert_allclose(bad.kept[-1].p, solution, rtol=1e-4, atol=1e-5)
