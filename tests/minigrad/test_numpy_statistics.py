"""Options of reductions, quantiles and averages: special points, shapes, refusals, replays."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import minigrad as mg
from minigrad import Tensor


@settings(max_examples=40, deadline=None)
@given(
    hnp.arrays(float, hnp.array_shapes(min_dims=1, max_dims=3, max_side=4), elements=st.integers(-2, 2)),
    st.sampled_from(
        [np.median, np.nanmedian, np.ptp, np.nansum, np.nanmean, np.nanstd, np.nanmax, np.average]
    ),
    st.data(),
)
def test_any_shape_and_axis_gives_numpys_values(x, f, data):
    axis = data.draw(st.sampled_from([None, 0, -1, tuple(range(x.ndim))]))
    for view in (x, np.asfortranarray(x), x[::-1]):
        out, pullback = mg.vjp(lambda x: f(x, axis=axis), view)
        np.testing.assert_allclose(out, f(view, axis=axis), rtol=1e-13, atol=1e-15)
        assert pullback(np.ones_like(out))[0].shape == view.shape


@pytest.mark.parametrize("x", [[1, 2, 4], [True, False, True], [3, 3, 3]])
@pytest.mark.parametrize(
    "f",
    [np.median, np.nansum, np.nanprod, np.nanmean, np.nanvar, np.nanmax, np.ptp, np.average, np.cov,
     lambda x: np.quantile(x, 0.3), lambda x: np.percentile(x, [10, 20], method="lower"),
     lambda x: np.sum(x, dtype=np.float32), lambda x: np.mean(x, dtype=np.float32),
     lambda x: np.max(x, initial=2)],
)  # fmt: skip
def test_whole_numbers_have_numpys_results(f, x):
    try:
        expected = f(np.array(x))
    except TypeError:
        return
    y = f(Tensor(np.array(x)))
    assert y.dtype == expected.dtype
    np.testing.assert_allclose(y.data, expected, rtol=1e-15)


def test_a_missing_number_passes_no_derivative_and_takes_none():
    x = np.array([1.0, np.nan, 3.0, 2.0])
    assert mg.grad(np.nansum)(x).tolist() == [1, 0, 1, 1]
    assert mg.grad(np.nanmean)(x).tolist() == [1 / 3, 0, 1 / 3, 1 / 3]
    assert mg.grad(np.nanmax)(x).tolist() == [0, 0, 1, 0]
    assert mg.grad(np.nanmedian)(x).tolist() == [0, 0, 0, 1]
    np.testing.assert_allclose(mg.grad(np.nanprod)(x), [6, 0, 2, 3])
    with np.errstate(all="ignore"):
        assert np.isnan(np.nanmedian(Tensor(x * np.nan)).data)
        assert np.isnan(np.nanmax(Tensor(x * np.nan)).data)
        assert np.isnan(np.median(Tensor(x)).data)


def test_a_spread_of_zero_has_derivative_zero():
    x = np.full(3, 0.1)
    where = np.array([True, True, False])
    assert mg.grad(lambda x: np.std(x, where=where))(x).tolist() == [0, 0, 0]
    assert mg.grad(np.nanstd)(x).tolist() == [0, 0, 0]
    hessian = mg.hessian(lambda x: np.nanstd(x) ** 2)(x)
    np.testing.assert_allclose(hessian, 2 / 3 * (np.eye(3) - 1 / 3), atol=1e-15)


def test_ends_and_infinities_of_quantiles():
    x = Tensor([-np.inf, 1.0, np.inf])
    assert np.median(x).item() == 1
    assert np.quantile(x, 0.0).item() == -np.inf
    assert np.median(Tensor([np.inf, np.inf])).item() == np.inf
    assert np.quantile(Tensor([3.0]), [0.2, 0.9]).data.tolist() == [3, 3]
    assert np.median(Tensor(np.ones((0, 3, 2))), axis=(1, 2)).shape == (0,)
    assert np.percentile(Tensor(np.ones((0, 3))), [10, 20], axis=1).shape == (2, 0)
    assert np.median(Tensor(2.0)).item() == 2


def test_options_that_say_nothing_and_positional_ones():
    x = Tensor(np.ones((2, 3)), requires_grad=True)
    assert np.sum(x, 0, np.float32).dtype == np.float32
    assert np.sum(x, axis=None, dtype=None, out=None, where=True, initial=np._NoValue).item() == 6
    assert np.max(x[:, :0], axis=1, initial=0.5).data.tolist() == [0.5, 0.5]
    assert np.var(a=x, axis=0, correction=1).shape == (3,)
    assert np.var(x, 0, None, None, 1).shape == np.std(x, 0, None).shape == np.nanvar(x, 0, None, None).shape


PICKED = {
    "sort": np.sort,
    "median": np.median,
    "quantile": lambda x: np.quantile(x, [0.1, 0.35, 0.6, 0.9]),
    "percentile": lambda x: np.percentile(x, 33, method="hazen"),
}
TIES = np.array([2.0, 1.0, 2.0, 3.0, 1.0, 2.0])


@pytest.mark.parametrize("name", PICKED)
def test_ties_have_the_derivative_of_directions_that_keep_their_order(name):
    f, t = PICKED[name], np.array([0.1, -0.4, 0.5, 0.3, 0.8, 0.9])
    pushed = mg.jvp(f, (TIES,), (t,))[1]
    np.testing.assert_allclose(pushed, (f(TIES + 1e-6 * t) - f(TIES)) / 1e-6, atol=1e-8)


def test_equal_elements_keep_their_order_in_a_partition():
    x = np.tile(TIES, 30)
    sources = mg.jacobian(lambda x: np.partition(x, 70))(x).argmax(axis=1)
    np.testing.assert_array_equal(x[sources], np.partition(x, 70))
    for value in TIES:
        assert np.all(np.diff(sources[x[sources] == value]) > 0)


REFUSED = [
    (lambda x: np.max(x, where=x > 0), r"np.max\(where=...\) needs initial="),
    (lambda x: np.var(x, ddof=1, correction=1), "ddof or correction"),
    (lambda x: np.std(x, ddof=np.array([1.0])), r"one number as ddof or correction .* shape \(1,\)"),
    (lambda x: np.var(x, correction=np.array([1.0])), r"one number as ddof or correction .* shape \(1,\)"),
    (lambda x: np.std(x, correction=None), "np.std.*NoneType"),
    (lambda x: np.nanvar(x, axis=0, ddof=np.array([0.0, 1.0])), r"one number as ddof .* shape \(2,\)"),
    (lambda x: np.quantile(x, 1.5), r"np.quantile needs q in \[0, 1\]"),
    (lambda x: np.quantile(x, 0.5, method="inverted_cdf"), r"np.quantile\(method='inverted_cdf'\).*'linear'"),
    (lambda x: np.nanpercentile(1j * x, 50), "np.nanpercentile needs real numbers, got complex128"),
    (lambda x: np.bincount([0, 1, 1], 1j * x), "np.bincount needs real weights"),
    (lambda x: np.median(x[:0]), r"np.median of an empty slice: shape \(0,\)"),
    (lambda x: np.average(x, weights=[1.0, 2.0]), r"np.average\(weights=...\) needs the shape of a, \(3,\)"),
    (lambda x: np.average(x, weights=np.zeros(3)), "the weights sum to zero"),
    (lambda x: np.cov(x[None, None]), "np.cov needs at most 2 axes"),
    (lambda x: np.sum(x, out=np.zeros(())), r"np.sum\(out=...\) is not supported"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "text"), REFUSED)
def test_refusals_name_the_call_and_the_remedy(call, text):
    with pytest.raises((TypeError, ValueError, ZeroDivisionError), match=text):
        call(Tensor(np.ones(3), requires_grad=True))
