"""NewtonCG on problems with published minima, by the count of its products; the answer in each case from
outside.

The problems are those of Moré, Garbow and Hillstrom 1981 (f = Σr², no ½), from their standard starts, and
some that are known to trip trust-region codes. MEASURED holds the products that the method may take: what the
same algorithm took in an independent implementation, at ‖g‖∞ ≤ 1e-8·‖g₀‖∞."""

from typing import NamedTuple

import numpy as np
import pytest

from minigrad import Tensor, grad, hessian, hvp
from optim import NewtonCG, minimize
from tests.problems import rosenbrock
from tests.seeds import further


class Problem(NamedTuple):
    f: object
    start: list
    minima: tuple
    gtol: float = 1e-8  # of the gradient at the start


def squares(r):
    return lambda x: (r(x) ** 2).sum()


def each(*terms):
    return np.stack(terms)


def freudenstein_roth(x):
    a, b = x
    return each(-13 + a + ((5 - b) * b - 2) * b, -29 + a + ((b + 1) * b - 14) * b)


def beale(x):
    return np.array([1.5, 2.25, 2.625]) - x[0] * (1 - x[1] ** np.array([1.0, 2.0, 3.0]))


def jennrich_sampson(x):
    i = np.arange(1.0, 11)
    return 2 + 2 * i - (np.exp(i * x[0]) + np.exp(i * x[1]))


BARD = [0.14, 0.18, 0.22, 0.25, 0.29, 0.32, 0.35, 0.39, 0.37, 0.58, 0.73, 0.96, 1.34, 2.10, 4.39]


def bard(x):
    u = np.arange(1.0, 16)
    v = 16 - u
    return np.array(BARD) - (x[0] + u / (v * x[1] + np.minimum(u, v) * x[2]))


GAUSSIAN = [0.0009, 0.0044, 0.0175, 0.0540, 0.1295, 0.2420, 0.3521, 0.3989]


def gaussian(x):
    t = (8 - np.arange(1.0, 16)) / 2
    return x[0] * np.exp(-x[1] * (t - x[2]) ** 2 / 2) - np.array(GAUSSIAN + GAUSSIAN[-2::-1])


def box(x):
    t = 0.1 * np.arange(1.0, 11)
    return np.exp(-t * x[0]) - np.exp(-t * x[1]) - x[2] * (np.exp(-t) - np.exp(-10 * t))


def powell_singular(x):
    return each(
        x[0] + 10 * x[1], 5**0.5 * (x[2] - x[3]), (x[1] - 2 * x[2]) ** 2, 10**0.5 * (x[0] - x[3]) ** 2
    )


def wood(x):
    a, b, c, d = x
    return each(
        10 * (b - a**2), 1 - a, 90**0.5 * (d - c**2), 1 - c, 10**0.5 * (b + d - 2), 0.1**0.5 * (b - d)
    )


KOWALIK_Y = [0.1957, 0.1947, 0.1735, 0.1600, 0.0844, 0.0627, 0.0456, 0.0342, 0.0323, 0.0235, 0.0246]
KOWALIK_U = [4, 2, 1, 0.5, 0.25, 0.167, 0.125, 0.1, 0.0833, 0.0714, 0.0625]


def kowalik_osborne(x):
    u = np.array(KOWALIK_U)
    return np.array(KOWALIK_Y) - x[0] * (u**2 + u * x[1]) / (u**2 + u * x[2] + x[3])


def brown_dennis(x):
    t = np.arange(1, 21) / 5
    return (x[0] + t * x[1] - np.exp(t)) ** 2 + (x[2] + x[3] * np.sin(t) - np.cos(t)) ** 2


OSBORNE = [
    0.844, 0.908, 0.932, 0.936, 0.925, 0.908, 0.881, 0.850, 0.818, 0.784, 0.751, 0.718, 0.685, 0.658, 0.628,
    0.603, 0.580,
    0.558, 0.538, 0.522, 0.506, 0.490, 0.478, 0.467, 0.457, 0.448, 0.438, 0.431, 0.424, 0.420, 0.414, 0.411,
    0.406,
]  # fmt: skip


def osborne(x):
    t = 10.0 * np.arange(33)
    return np.array(OSBORNE) - (x[0] + x[1] * np.exp(-t * x[3]) + x[2] * np.exp(-t * x[4]))


def watson(x):
    t, j = np.arange(1, 30)[:, None] / 29, np.arange(len(x))
    slopes = j[1:] * t ** (j[1:] - 1.0)
    r = slopes @ x[1:] - ((t**j) @ x) ** 2 - 1
    return np.concatenate([r, each(x[0], x[1] - x[0] ** 2 - 1)])


def penalty(x):
    return np.concatenate([1e-5**0.5 * (x - 1), each((x**2).sum() - 0.25)])


def brown_badly_scaled(x):
    return each(x[0] - 1e6, x[1] - 2e-6, x[0] * x[1] - 2)


OPEN_SET = {
    "Rosenbrock": Problem(rosenbrock, [-1.2, 1], (0,)),
    "Freudenstein-Roth": Problem(squares(freudenstein_roth), [0.5, -2], (48.9842, 0)),
    "Beale": Problem(squares(beale), [1, 1], (0,)),
    "Jennrich-Sampson": Problem(squares(jennrich_sampson), [0.3, 0.4], (124.362,)),
    "Bard": Problem(squares(bard), [1, 1, 1], (8.21487e-3,)),
    "Gaussian": Problem(squares(gaussian), [0.4, 1, 0], (1.12793e-8,)),
    "Box 3D": Problem(squares(box), [0, 10, 20], (0,)),
    "Powell singular": Problem(squares(powell_singular), [3, -1, 0, 1], (0,)),
    "Wood": Problem(squares(wood), [-3, -1, -3, -1], (0,)),
    "Kowalik-Osborne": Problem(squares(kowalik_osborne), [0.25, 0.39, 0.415, 0.39], (3.07505e-4,)),
    "Brown-Dennis": Problem(squares(brown_dennis), [25, 5, -5, -1], (85822.2,)),
    "Osborne 1": Problem(squares(osborne), [0.5, 1.5, -1, 0.01, 0.02], (5.46489e-5,)),
    "Watson 6": Problem(squares(watson), [0] * 6, (2.28767e-3,)),
    "Watson 9": Problem(squares(watson), [0] * 9, (1.39976e-6,)),
    "Watson 12": Problem(squares(watson), [0] * 12, (4.72238e-10,)),
    "Penalty I, 4": Problem(squares(penalty), [1, 2, 3, 4], (2.24997e-5,)),
    "Penalty I, 10": Problem(squares(penalty), list(range(1, 11)), (7.08765e-5,)),
    # that is 2e6; 1e-8 of it is 0.02
    "Brown badly scaled": Problem(squares(brown_badly_scaled), [1, 1], (0,), gtol=1e-12),
}

KAPPA = np.logspace(0, 6, 20)
MEASURED = {  # f, start, CG products at most; the second-order check comes on top
    "Rosenbrock, 2": (rosenbrock, [-1.2, 1], 48),
    "Rosenbrock, 10": (rosenbrock, [-1.2, 1] * 5, 215),
    "Wood": (squares(wood), [-3, -1, -3, -1], 139),
    "Powell singular": (squares(powell_singular), [3, -1, 0, 1], 60),
    "Brown-Dennis": (squares(brown_dennis), [25, 5, -5, -1], 20),
    "Beale": (squares(beale), [1, 1], 19),
    "quartic": (lambda x: (x**4).sum(), [1, 2], 16),
    "Brown badly scaled": (squares(brown_badly_scaled), [1, 1], 8),
    "z - ln z": (lambda x: (x - np.log(x)).sum(), [3, 5], 11),
    "condition 1e6": (lambda x: 0.5 * (KAPPA * x**2).sum(), [1] * 20, 264),
}
SCALED = {name: (problem.f, problem.start) for name, problem in OPEN_SET.items()} | {
    n: m[:2] for n, m in MEASURED.items()
}


def is_published(problem, f):
    return any(f == pytest.approx(minimum, rel=1e-5, abs=1e-10) for minimum in problem.minima)


def require_minimum(f, x, tolerance):
    """Both conditions of a minimum, computed anew."""
    assert np.abs(grad(f)(x)).max() <= tolerance
    values = np.linalg.eigvalsh(hessian(f)(x))
    assert values[0] >= -1e-6 * np.abs(values).max()


@pytest.mark.parametrize("globalization", ["trust-region", "line-search"])
@pytest.mark.parametrize("name", OPEN_SET)
def test_published_minima_are_reached(name, globalization):
    problem = OPEN_SET[name]
    result = minimize(
        problem.f, problem.start, options={"globalization": globalization, "gtol": problem.gtol}
    )
    assert result.success
    assert result.status == "SECOND_ORDER"
    assert result.tolerance == problem.gtol * np.abs(grad(problem.f)(np.array(problem.start, float))).max()
    require_minimum(problem.f, result.x, result.tolerance)
    assert is_published(problem, result.fun), result.fun


@pytest.mark.parametrize("name", OPEN_SET)
def test_as_exactly_as_rounding_allows_or_an_honest_status(name):
    problem = OPEN_SET[name]
    result = minimize(problem.f, problem.start, options={"gtol": 1e-14})
    assert is_published(problem, result.fun)
    if result.success:
        require_minimum(
            problem.f, result.x, 1e-14 * np.abs(grad(problem.f)(np.array(problem.start, float))).max()
        )
    else:
        assert result.status in ("PRECISION_LOSS", "RADIUS_COLLAPSED")


@pytest.mark.parametrize("name", OPEN_SET)
def test_the_optimizer_takes_the_steps_of_minimize(name):
    problem = OPEN_SET[name]
    p = Tensor(np.array(problem.start, float), requires_grad=True)
    optimizer, points = NewtonCG([p]), [p.numpy()]
    while optimizer.last_step is None or optimizer.last_step.status == "RUNNING":
        optimizer.step(lambda: problem.f(p))
        if optimizer.last_step.accepted:
            points.append(p.numpy())
    result = minimize(problem.f, problem.start)
    assert optimizer.last_step.status == result.status
    np.testing.assert_array_equal(points, [point.x for point in result.trace])


@pytest.mark.parametrize("name", MEASURED)
def test_products_are_at_most_those_measured(name):
    f, start, most = MEASURED[name]
    result = minimize(f, start)
    assert result.success
    assert result.ncg <= most
    checks = 1 + sum(point.step is not None and point.step.n_cg == 0 for point in result.trace)
    assert result.nhev == result.ncg + len(start) * checks, (
        "all other products are those of the second-order checks"
    )


@pytest.mark.parametrize("name", SCALED)
@pytest.mark.parametrize("k", [30, *further(-30, 300)])  # 2³⁰ is about 1e9
def test_powers_of_two_change_no_digit(name, k):
    f, start = SCALED[name]
    k = min(k, 200) if name.startswith("Brown") else k  # f itself must not overflow
    one, other = minimize(f, start), minimize(lambda x: f(x) * 2.0**k, start)
    for a, b in zip(one.trace, other.trace):
        if min(a.fun, b.fun) < 1e-250:  # where f underflows it is another function
            return
        np.testing.assert_array_equal(a.x, b.x)
        assert a.fun == b.fun * 2.0**-k
    assert (one.status, one.ncg, one.nfev, len(one.trace)) == (
        other.status,
        other.ncg,
        other.nfev,
        len(other.trace),
    )


@pytest.mark.parametrize(
    "name", ["Rosenbrock, 2", "Rosenbrock, 10", "Wood", "Powell singular", "Brown-Dennis", "Beale", "quartic"]
)
def test_fewer_products_than_scipys_trust_ncg(name):
    optimize = pytest.importorskip("scipy.optimize")
    f, start, _ = MEASURED[name]
    x0, calls = np.array(start, float), []

    def product(x, v):
        calls.append(1)
        return hvp(f, x, v)

    theirs = optimize.minimize(
        lambda x: float(f(x)), x0, jac=grad(f), hessp=product, method="trust-ncg",
        options={"gtol": 1e-8 * np.abs(grad(f)(x0)).max()},
    )  # fmt: skip
    assert minimize(f, start).ncg < len(calls), theirs.message
