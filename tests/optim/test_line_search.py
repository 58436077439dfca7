"""The line searches: their conditions hold where they say so, and nothing that is not finite is ever
taken."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optim.second_order.line_search import RayPoint, SearchResult, _share, line_search
from optim.second_order.objective import FunctionObjective
from optim.second_order.trial import NOISE

C1, C2 = 1e-4, 0.9
CURVES = {  # functions of one number that fall to the right of 0
    "parabola": lambda a: (a - 1) ** 2,
    "narrow": lambda a: 1e6 * (a - 1e-3) ** 2,
    "far": lambda a: (a / 1e5 - 1) ** 2,
    "quartic": lambda a: (a - 2) ** 4,
    "waves": lambda a: np.sin(5 * a + 2) + 0.1 * a,
    "wall": lambda a: -10 * a - np.log(0.3 - a),  # NaN beyond 0.3
    "overflow": lambda a: np.exp(500 * a) - 1e3 * a,
    "More-Thuente 1": lambda a: -a / (a * a + 2),
    "More-Thuente 2": lambda a: (a + 0.004) ** 5 - 2 * (a + 0.004) ** 4,
}


def search(kind, curve, first=1.0, **keywords):
    f = FunctionObjective(lambda x: np.sum(curve(x)))
    here = f(np.zeros(1))
    found = line_search(kind, f, here, np.ones(1), first, **keywords)
    return f, here, found


@pytest.mark.parametrize("name", CURVES)
@pytest.mark.parametrize("first", [1e-6, 1e-2, 1.0, 1e3])
def test_the_conditions_hold(name, first):
    for kind in ("armijo", "strong-wolfe"):
        f, here, found = search(kind, CURVES[name], first)
        assert found.there is not None, found
        assert found.there.f <= here.f + C1 * found.a * here.g[0]
        assert np.isfinite(found.there.g).all()
        assert found.trials == f.counts.nfev - 1
        np.testing.assert_array_equal(found.there.x, [found.a])
        if kind == "strong-wolfe":
            assert abs(found.there.g[0]) <= C2 * abs(here.g[0])
            assert found.trials <= 30
        else:
            assert found.a <= first


@given(st.floats(-3, 3), st.floats(-3, 3), st.floats(0.1, 4), st.floats(1e-3, 1e3))
@settings(max_examples=60, deadline=None)
def test_strong_wolfe_on_wavy_bowls(a, b, c, first):
    f = FunctionObjective(lambda x: np.sum(c * x**2 + np.sin(3 * x + a) + np.cos(2 * x + b)))
    here = f(np.array([0.7]))
    if abs(here.g[0]) < 1e-3:
        return
    found = line_search("strong-wolfe", f, here, -here.g, first)
    slope = -float(here.g @ here.g)
    assert found.why == "strong Wolfe"
    assert found.there.f <= here.f + C1 * found.a * slope
    assert abs(found.there.g @ here.g) <= -C2 * slope


def test_strong_wolfe_goes_further_where_armijo_is_content():
    assert search("armijo", CURVES["far"])[2].a == 1.0
    assert search("strong-wolfe", CURVES["far"])[2].a > 1e4


def test_a_step_that_is_good_at_once_costs_one_value_and_one_gradient():
    for kind in ("armijo", "strong-wolfe", None):
        f, _, found = search(kind, CURVES["parabola"])
        assert (found.a, found.trials, f.counts.nfev, f.counts.njev) == (1.0, 1, 2, 2)


def test_gradients_are_computed_only_where_f_has_fallen():
    f, _, found = search("armijo", CURVES["narrow"])
    assert found.trials > 3
    assert f.counts.njev == 2


@pytest.mark.parametrize("kind", ["armijo", "strong-wolfe"])
def test_rounding_does_not_stop_the_search(kind):
    """f + 1e6 cannot show a decrease of 1e-14; the slopes can."""
    f = FunctionObjective(lambda x: 1e6 + np.sum(x**2))
    here = f(np.array([1e-7]))
    found = line_search(kind, f, here, -0.5 * here.g, 1.0)
    assert found.trials == 1
    assert found.there.x[0] == 0
    climb = line_search(kind, f, here, -2.5 * here.g, 1.0)  # past the minimum, to a steeper place
    assert climb.trials > 1
    assert abs(climb.there.x[0]) < 1e-7


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("kind", ["armijo", "strong-wolfe", None])
def test_what_is_not_finite_is_not_taken(kind, bad):
    def fun(x):
        return (x[0] - 1) ** 2 if x[0] < 0.2 else bad

    f = FunctionObjective(fun, jac=lambda x: 2 * (x - 1))
    found = line_search(kind, f, f(np.zeros(1)), np.ones(1), 1.0)
    if kind is None:
        assert (found.there, found.why) == (None, "not finite")
    else:
        assert 0 < found.there.x[0] < 0.2


@pytest.mark.parametrize("kind", ["armijo", "strong-wolfe"])
def test_a_finite_value_with_a_gradient_that_is_not_is_not_taken(kind):
    f = FunctionObjective(lambda x: (x[0] - 1) ** 2, jac=lambda x: np.where(x < 0.2, 2 * (x - 1), np.nan))
    found = line_search(kind, f, f(np.zeros(1)), np.ones(1), 1.0)
    assert 0 < found.there.x[0] < 0.2
    assert line_search(None, f, f(np.zeros(1)), np.ones(1), 1.0).there is None


@pytest.mark.parametrize("kind", ["armijo", "strong-wolfe"])
def test_there_is_no_step_up_or_nowhere(kind):
    f = FunctionObjective(lambda x: np.sum(x**2))
    here = f(np.ones(2))
    assert line_search(kind, f, here, here.g, 1.0).why == "not a direction of descent"
    assert line_search(kind, f, here, np.array([np.nan, 1.0]), 1.0).why == "not a direction of descent"
    assert line_search(kind, f, here, 0 * here.g, 1.0).why == "stationary"
    assert f.counts.nfev == 1
    wrong = FunctionObjective(lambda x: np.sum(x**2), jac=lambda x: -2 * x)  # a gradient with the wrong sign
    here = wrong(np.ones(2))
    found = line_search(kind, wrong, here, -here.g, 1.0)
    # where f cannot tell, the slopes are believed
    assert found.there is None or found.there.f <= here.f * (1 + NOISE)
    assert line_search(kind, wrong, here, -here.g, 1.0, 0.0).why == "no decrease"


@pytest.mark.parametrize("kind", ["armijo", "strong-wolfe", None])
def test_with_a_first_step_of_0_there_is_nothing_to_search(kind):
    f = FunctionObjective(lambda x: np.sum(x**2))
    here = f(np.ones(2))
    assert line_search(kind, f, here, -here.g, 0.0) == (None, 0.0, 0, "lr is 0", ())


@pytest.mark.parametrize(
    ("why", "status"),
    [("not finite", "NONFINITE"), ("not a direction of descent", "RADIUS_COLLAPSED"),
        ("stationary", "PRECISION_LOSS"),
     ("no decrease", "PRECISION_LOSS")],
)  # fmt: skip
def test_the_status_does_not_blame_rounding_for_what_it_has_not_done(why, status):
    assert SearchResult(None, 0.0, 1, why).status == status


@pytest.mark.parametrize("k", [-60, -7, 40])
@pytest.mark.parametrize("kind", ["armijo", "strong-wolfe"])
@pytest.mark.parametrize("name", ["waves", "narrow", "wall", "More-Thuente 2"])
def test_the_units_of_f_do_not_matter(name, kind, k):
    f, scaled = CURVES[name], 2.0**k
    plain = FunctionObjective(lambda x: np.sum(f(x)))
    other = FunctionObjective(lambda x: scaled * np.sum(f(x)))
    a = line_search(kind, plain, plain(np.zeros(1)), np.ones(1), 1.0)
    b = line_search(kind, other, other(np.zeros(1)), np.ones(1), 1.0)
    assert (a.a, a.trials, a.why) == (b.a, b.trials, b.why)


def test_the_interpolation_is_exact_for_cubics_and_parabolas():
    cubic = lambda a: a**3 - 3 * a  # noqa: E731
    slope = lambda a: 3 * a**2 - 3  # noqa: E731
    for low, high in ((0.0, 2.5), (2.5, 0.0), (0.5, 1.7)):
        if slope(low) * (high - low) > 0:
            low, high = high, low
        share = _share(
            RayPoint(low, cubic(low), slope(low), None), RayPoint(high, cubic(high), slope(high), None)
        )
        assert low + share * (high - low) == pytest.approx(1, abs=1e-12)
    # (a − 1)² − 1
    assert _share(RayPoint(0, 0, -2.0, None), RayPoint(4.0, 8.0, np.nan, None)) == pytest.approx(0.25)
    assert _share(RayPoint(0, 0, -2.0, None), RayPoint(4.0, np.inf, np.nan, None)) == 0.1


@pytest.mark.parametrize("kind", ["armijo", "strong-wolfe", None])
def test_a_step_too_short_to_move_is_none(kind):
    f = FunctionObjective(lambda x: np.sum(x**2))
    here = f(np.ones(2))
    found = line_search(kind, f, here, -1e-20 * here.g, 1.0)
    assert found.there is None
    assert found.why == ("no decrease" if kind else "stationary")
    assert f.counts.nfev == 1


def test_when_the_trials_run_out_the_lowest_point_is_taken():
    """−x falls for ever with the same slope: it satisfies Armijo's condition everywhere and Wolfe's
    nowhere."""
    f = FunctionObjective(lambda x: -x.sum())
    found = line_search("strong-wolfe", f, f(np.zeros(1)), np.ones(1), 1.0)
    assert found.why == "sufficient decrease"
    assert found.there.x[0] == found.a == 4.0 ** (found.trials - 1)


@pytest.mark.parametrize(
    ("width", "slope"), [(0.0, -1.0), (1.0, 0.0), (1.0, math.nan), (-1.0, 0.0), (5e-324, -1e-300)]
)
def test_a_bracket_that_has_closed_is_halved(width, slope):
    share = _share(RayPoint(1.0, 0.0, slope, None), RayPoint(1.0 + width, 0.0, 1.0, None))
    assert share == 0.5
