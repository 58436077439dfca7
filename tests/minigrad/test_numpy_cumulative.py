"""Running results and the methods of ufuncs: special points, shapes, refusals, replays."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import minigrad as mg
from minigrad import Tensor


@pytest.mark.parametrize(
    ("ufunc", "x", "pulled"),
    [
        (np.maximum, [1.0, 1.0, 1.0], [11 / 6, 5 / 6, 1 / 3]),  # shared by 1, 2 and 3 elements
        (np.maximum, [1.0, 2.0, 1.0, 2.0], [1.0, 2.5, 0.0, 0.5]),
        (np.minimum, [1.0, 2.0, 1.0], [2.5, 0.0, 0.5]),
        (np.maximum, [-np.inf, 1.0, 3.0], [1.0, 1.0, 1.0]),
    ],
)
def test_equal_elements_share_the_derivative_of_a_running_extremum(ufunc, x, pulled):
    f = lambda x: np.sum(ufunc.accumulate(x))  # noqa: E731
    x = np.array(x)
    np.testing.assert_allclose(mg.grad(f)(x), pulled, rtol=1e-15)
    for unit, wanted in zip(np.eye(len(x)), pulled, strict=True):
        np.testing.assert_allclose(mg.jvp(f, (x,), (unit,))[1], wanted, rtol=1e-15)


def test_a_running_product_is_right_at_zeros_to_third_order():
    x = np.array([2.0, 0.0, 3.0, 0.0])
    last = lambda x: np.cumprod(x)[-1]  # noqa: E731
    assert mg.grad(last)(x).tolist() == [0, 0, 0, 0]
    hessian = mg.hessian(last)(x)
    assert hessian[1, 3] == hessian[3, 1] == 6
    third = mg.jacobian(mg.hessian(last))(x)
    assert third[1, 3, 0] == 3
    assert third[1, 3, 2] == 2


@pytest.mark.parametrize("f", [np.cumsum, np.cumprod, np.maximum.accumulate, np.minimum.accumulate])
@pytest.mark.parametrize("dtype", [np.int32, np.bool_, np.float16, np.float32])
def test_other_dtypes_have_numpys_results(f, dtype):
    x = np.array([1, 0, 2, 3]).astype(dtype)
    y = f(Tensor(x))
    assert y.dtype == f(x).dtype
    assert y.data.tolist() == f(x).tolist()


@settings(max_examples=30, deadline=None)
@given(
    hnp.arrays(float, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0), elements=st.floats(-2, 2)),
    st.sampled_from([np.cumsum, np.cumprod, np.nancumsum, np.nancumprod]),
    st.data(),
)  # fmt: skip
def test_any_shape_and_axis_gives_numpys_values(x, f, data):
    axis = data.draw(st.sampled_from([None, *range(-x.ndim, x.ndim)]))
    for view in (x, np.asfortranarray(x), x[::-1] if x.ndim else x):
        out, pullback = mg.vjp(lambda x: f(x, axis=axis), view)
        np.testing.assert_allclose(out, f(view, axis=axis), rtol=1e-13, atol=1e-15)
        assert pullback(np.ones_like(out))[0].shape == view.shape


def test_options_of_running_results():
    x = Tensor(np.ones((2, 2), np.float32), requires_grad=True)
    assert np.cumsum(x, dtype=np.float64).dtype == np.float64
    assert np.cumsum(x, 1, None, None).shape == (2, 2)
    assert np.cumsum(a=x, axis=0).shape == (2, 2)
    with pytest.raises(ValueError, match=r"np.cumulative_sum of shape \(2, 2\) needs axis="):
        np.cumulative_sum(x)
    with pytest.raises(TypeError, match=r"np.cumsum\(out=...\) is not supported"):
        np.cumsum(x, out=np.zeros(4))


REFUSED = [
    (lambda x: np.add.at(x, 0, 1.0), r"np.add.at writes.*minigrad.index_add\(x, index, values\)"),
    (lambda x: np.multiply.at(x, 0, 1.0), r"np.multiply.at writes.*minigrad.index_set"),
    (lambda x: np.add.accumulate(np.sum(x)), "np.add.accumulate needs an axis"),
    (lambda x: np.add.reduceat(x, [0, 3]), r"np.add.reduceat\(x, indices\): indices must lie in \[0, 3\)"),
    (lambda x: np.logaddexp.reduce(x, where=x > 0), r"np.logaddexp.reduce\(where=...\)"),
    (lambda x: np.add.accumulate(x, out=np.zeros(3)), r"np.add.accumulate\(out=...\).*Write `y = ...`"),
    (lambda x: np.subtract.reduce(x[:0]), r"np.subtract.reduce of an empty axis: shape \(0,\)"),
    (lambda x: np.subtract.reduce(x[None], axis=(0, 1)), "takes one axis, an integer"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "text"), REFUSED)
def test_refusals_name_the_call_and_the_remedy(call, text):
    with pytest.raises((TypeError, ValueError, IndexError), match=text):
        call(Tensor(np.ones(3), requires_grad=True))
