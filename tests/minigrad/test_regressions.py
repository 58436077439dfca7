"""Wrong numbers and half-changed states that were once found, each by its shortest program."""

import copy
import math
import pickle
import tracemalloc

import numpy as np
import pytest

import minigrad as mg
from minigrad import (
    StaleGraphError,
    Tensor,
    grad,
    hessian,
    hvp,
    jacobian,
    jvp,
    linearize,
    no_grad,
    value_and_grad,
    vjp,
)
from minigrad.ops.fused import centred_op
from tests.problems import leaf


@pytest.mark.parametrize("f", [
    lambda x: np.sum(fill(x)), lambda x: (fill(x) * x).sum(), lambda x: x[0] * math.sin(x[1]),
    lambda x: float(x[0]) * x[1],
    lambda x: np.float64(x[0]), lambda x: np.fromiter([x[0], x[1]], float).sum(),
])  # fmt: skip
def test_values_do_not_slip_out_of_the_graph(f):
    with pytest.raises((TypeError, ValueError)) as caught:
        grad(f)(np.array([1.0, 2.0]))
    told = caught.value.__cause__ or caught.value  # NumPy wraps the error of an element it cannot convert
    assert "drop its gradient" in str(told)


def fill(x):
    a = np.zeros(2)
    a[0] = x[0] ** 2
    return a


@pytest.mark.parametrize("twin", [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_copies_have_gradients_of_their_own(twin):
    x = leaf([2.0, 3.0])
    y = twin(x)
    (x * y * y).sum().backward()
    np.testing.assert_array_equal(x.grad, [4, 9])
    np.testing.assert_array_equal(y.grad, [8, 18])
    y.assign([0.0, 0.0])
    np.testing.assert_array_equal(x.data, [2, 3])
    with pytest.raises(TypeError, match="only leaves"):
        twin(x * 2)


def test_complex_numbers_on_the_way():
    f = lambda x: np.abs(x * (1 + 2j)) ** 2  # noqa: E731
    assert grad(f)(3.0) == pytest.approx(30)
    assert jvp(f, (3.0,), (1.0,))[1] == pytest.approx(30)
    assert hvp(f, 3.0, 1.0) == pytest.approx(10)
    assert grad(lambda x: np.linalg.norm(x * np.array([1j, 2])))(1.0) == pytest.approx(math.sqrt(5))
    z = np.array([1 + 2j, 3 - 1j])
    for g in (
        np.linalg.norm,
        np.abs,
        np.real,
        np.imag,
        np.conj,
        lambda z: np.vdot(z, z),
        np.mean,
        np.var,
        np.std,
    ):
        np.testing.assert_allclose(g(Tensor(z)).data, g(z))
    for part in (np.real, np.imag, lambda w: np.real(np.conj(w) * (1 + 3j)), lambda w: np.imag(w * w)):
        f = lambda x, part=part: part(x * (1 + 2j) + 1j * x * x)  # noqa: E731
        assert grad(f)(0.7) == pytest.approx((f(0.7 + 1e-6) - f(0.7 - 1e-6)) / 2e-6)
        assert jvp(f, (0.7,), (1.0,))[1] == pytest.approx(grad(f)(0.7))


def test_tangents_are_matched_by_key():
    f = lambda p: p["a"] * 10 + p["b"]  # noqa: E731
    p = {"a": 1.0, "b": 2.0}
    assert jvp(f, (p,), ({"b": 0.0, "a": 1.0},))[1] == 10.0
    for wrong in ({"zz": 1.0, "q": 1.0}, [1.0, 1.0], {"a": 1.0}, 1.0):
        with pytest.raises(ValueError, match="structure"):
            jvp(f, (p,), (wrong,))
    assert mg.trees.tree_map(lambda a, b: a - b, {"x": 1, "y": 2}, {"y": 2, "x": 1}) == {"x": 0, "y": 0}


def test_a_changed_constant_makes_the_graph_stale():
    w, c = leaf([1.0, 2.0]), Tensor([3.0, 4.0], name="c")
    loss = (w * c).sum()
    c.assign([100.0, 100.0])
    with pytest.raises(StaleGraphError, match="'c'"):
        loss.backward()


def test_pull_backs_and_push_forwards_notice_changes():
    w = leaf([1.0, 2.0])
    x = np.ones(2)
    with no_grad():
        _, pullback = vjp(lambda x: (x * w).sum(), x)
        _, pushforward = linearize(grad(lambda x: (x * x * w).sum()), x)
        pushforward(x)
    w.assign([5.0, 5.0])
    with pytest.raises(StaleGraphError):
        pullback(np.ones(()))
    with pytest.raises(StaleGraphError):
        pushforward(x)


def test_masks_must_fit():
    for x, mask in (
        (leaf([1.0, 2.0, 3.0]), np.array([True, False, False, False])),
        (leaf(np.ones((3, 4))), np.eye(2) > 0),
    ):
        with pytest.raises(IndexError):
            x[mask]


def test_tensordot_compares_the_summed_axes():
    for a, b, axes in (((2, 3), (3, 2), ([0, 1], [0, 1])), ((2, 6), (3, 4), 2)):
        with pytest.raises(ValueError, match="differ in length"):
            np.tensordot(leaf(np.ones(a)), np.ones(b), axes)


@pytest.mark.parametrize(
    ("shape", "ord", "axis"), [((2, 3), 3, (0, 1)), ((3,), "fro", None), ((2, 2, 2), None, (0, 1, 2))]
)
def test_norms_that_are_not_there_raise(shape, ord, axis):
    with pytest.raises((TypeError, ValueError)):
        np.linalg.norm(leaf(np.ones(shape)), ord, axis)


def test_aux_keeps_its_gradient_and_is_the_callers_own():
    def outer(w):
        (_, aux), _ = value_and_grad(lambda x: ((x * x).sum(), w * 3), has_aux=True)(np.ones(2))
        return aux

    assert grad(outer)(2.0) == 3.0
    w = leaf([1.0])
    with no_grad():
        (_, aux), _ = value_and_grad(lambda x: (x, w), has_aux=True)(1.0)
    assert aux is not w.data


def test_a_push_forward_made_without_recording_can_be_differentiated():
    with no_grad():
        _, pushforward = linearize(lambda x: x * x, np.array([1.0, 2.0]))
    np.testing.assert_array_equal(grad(lambda t: pushforward(t).sum())(np.ones(2)), [2, 4])


def test_softmax_runs_along_one_axis():
    for axis in (None, (0, 1), True):
        with pytest.raises(TypeError, match="one axis"):
            mg.softmax(np.ones((2, 2)), axis)


def test_logsumexp_of_infinity_and_nan():
    assert np.isnan(grad(mg.logsumexp)(np.array([np.nan, 1.0]))).all()
    g = grad(mg.logsumexp)(np.array([np.inf, 3.0]))
    assert np.isnan(g[0])
    assert g[1] == 0


@pytest.mark.parametrize("x", [-700.0, -40.0, -5.0, 0.0, 5.0, 40.0])
def test_sigmoid_keeps_its_digits(x):
    assert float(mg.sigmoid(x)) == pytest.approx(math.exp(min(x, 0.0)) / (1 + math.exp(-abs(x))), rel=1e-15)
    slope = math.exp(-abs(x)) / (1 + math.exp(-abs(x))) ** 2
    assert grad(mg.sigmoid)(x) == pytest.approx(slope, rel=1e-14)
    assert grad(lambda x: np.log(mg.sigmoid(x)))(np.float32(max(x, -80))) > -1e-6


def test_integers_cannot_be_made_live_later():
    x = Tensor([1, 2])
    with pytest.raises(TypeError, match=r"astype\(float\)"):
        x.requires_grad = True
    y = leaf([1.0, 2.0])
    (y * 2).backward(Tensor([1, 2]))
    assert y.grad.dtype == np.float64
    with pytest.raises(TypeError, match="dtype"):
        (y * 2).backward(np.array([1j, 2]))


def test_half_precision_reductions_do_not_overflow():
    x = np.full(1000, 100, np.float16)
    assert np.mean(Tensor(x)).item() == np.mean(x) == 100
    assert np.mean(Tensor(x)).dtype == np.float16
    assert np.var(Tensor(np.array([0, 400], np.float16))).item() == 40000
    assert grad(np.mean)(x).dtype == np.float16
    assert np.prod(Tensor(np.array([100, 100], np.int8))).item() == 10000


@pytest.mark.parametrize("size", [1e-23, 1.0, 1e200])
def test_arctan2_far_in_and_far_out(size):
    a, b = grad(np.arctan2, argnums=(0, 1))(size, size)
    assert a == pytest.approx(0.5 / size)
    assert b == pytest.approx(-0.5 / size)


def test_the_quotient_of_a_remainder_is_that_of_its_value():
    assert grad(lambda b: np.remainder(1.0, b))(0.1) == -np.floor_divide(1.0, 0.1)
    assert grad(lambda b: np.remainder(1.0, b))(-np.inf) == 1.0


def test_elu_is_smooth_at_zero():
    from models.activations import elu

    assert grad(elu)(0.0) == 1.0
    assert jvp(elu, (0.0,), (1.0,))[1] == 1.0


def test_empty_jacobians_and_divisors_of_zero():
    assert jacobian(lambda x: x[np.zeros(0, int)])(np.zeros(3)).shape == (0, 3)
    assert jacobian(np.sort)(np.zeros(0)).shape == (0, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        assert grad(lambda x: np.where(x > 5, x / 0.0, x).sum())(np.ones(2)).tolist() == [1, 1]
        assert np.isnan(grad(lambda x: np.var(x, ddof=1))(np.ones(1))).all()


def test_lists_as_operands():
    for f in (lambda x: (x ** [2.0, 3.0]).sum(), lambda x: np.arctan2(x, [1.0, 2.0]).sum()):
        mg.check_derivatives(f, np.array([0.5, 1.5]))
    assert grad(lambda x: np.fmin(x, np.array([1, 5], np.uint8)).sum())(np.array([2.0, 3.0])).tolist() == [
        0,
        1,
    ]


def test_singular_curvature_is_not_hidden():
    with np.errstate(divide="ignore", invalid="ignore"):
        for f in (np.linalg.norm, np.std, lambda x: np.hypot(x[0], x[1])):
            assert not np.isfinite(hessian(f)(np.zeros(2))).all()


def test_views_do_not_write_through():
    w = leaf([1.0, 2.0, 3.0])
    with no_grad():
        v = w[:2]
    with pytest.raises(ValueError, match="result of getitem"):
        v.assign([50.0, 50.0])
    y = w * 2
    with pytest.raises(ValueError, match="read-only"):
        y.data += 5
    np.testing.assert_array_equal(y.data, [2, 4, 6])


@pytest.mark.parametrize("call", [
    lambda x: np.take(x, [0], axis=-4), lambda x: np.take_along_axis(x, np.zeros((1, 2), int), axis=-3),
    lambda x: np.swapaxes(x, 0, 5),
])  # fmt: skip
def test_axes_out_of_range(call):
    with pytest.raises(np.exceptions.AxisError):
        call(leaf(np.ones((3, 2))))


def test_take_counts_with_truth_values():
    x = np.array([5.0, 6.0, 7.0])
    np.testing.assert_array_equal(np.take(leaf(x), [True, False, True]).data, np.take(x, [True, False, True]))


def test_argnums_once_each():
    with pytest.raises(ValueError, match="once"):
        grad(lambda x: x, argnums=(0, 0))(3.0)
    assert isinstance(grad(lambda x: x, argnums=np.int64(0))(3.0), np.ndarray)


def test_partials_are_checked():
    for bad in (0, 2):
        with pytest.raises(ValueError, match="partial"):
            mg.elementwise(np.sin, bad, name="bad")
    op = mg.elementwise(lambda a, b: a * b, lambda y, a, b: b, name="half")
    with pytest.raises(TypeError, match="rules for 1 inputs"):
        op(leaf(1.0), leaf(2.0))


def test_stacking_lists_and_numbers_with_tensors():
    x = leaf([1.0, 2.0])
    np.testing.assert_array_equal(np.vstack([x, [3.0, 4.0]]).data, [[1, 2], [3, 4]])
    np.testing.assert_array_equal(np.inner(2.0, x).data, [2, 4])
    assert [a.shape for a in np.atleast_1d(x, leaf(1.0))] == [(2,), (1,)]


def test_shape_errors_of_the_dense_layer_name_the_users_line():
    with mg.trace_source(), pytest.raises(ValueError, match=r"linear\(.*test_regressions\.py:\d+"):
        mg.linear(leaf(np.ones((4, 5))), np.ones((3, 2)), np.zeros(2))


@pytest.mark.parametrize("f", [
    lambda x, a: np.ma.exp(x), lambda x, a: np.ma.add(x, 1), lambda x, a: np.ma.where(a > 0, x, 0), lambda x,
    a: np.ma.sqrt(x),
    lambda x, a: x * np.ma.array(a, mask=a > 0), lambda x, a: np.ma.array(a) * x, lambda x,
    a: np.ma.array(a) @ x,
    lambda x, a: x * np.matrix(a), lambda x, a: np.matrix(a) * x,
])  # fmt: skip
@pytest.mark.filterwarnings("ignore:the matrix subclass")
def test_arrays_that_compute_otherwise_do_not_mix_with_tensors(f):
    """np.ma reads any operand's `_data`, and a matrix has another product."""
    with pytest.raises(TypeError, match=r"np\.ma|plain arrays"):
        f(leaf([[1.0, 2.0], [3.0, 4.0]]), np.eye(2))


@pytest.mark.parametrize("f", [
    lambda x: x.sum(0, np.float32), lambda x: x.mean(1, float), lambda x: x.prod(0, float),
    lambda x: x.var(0, 1),
    lambda x: x.std(0, float), lambda x: x.max(0, np.zeros(2)), lambda x: x.min(0, np.zeros(2)),
])  # fmt: skip
def test_a_dtype_by_position_is_not_taken_for_keepdims(f):
    with pytest.raises(TypeError, match="positional"):
        f(leaf(np.ones((2, 2))))


def test_transpose_needs_all_axes_also_when_it_is_told_the_first():
    with pytest.raises(ValueError, match="each of the 2 axes"):
        leaf(np.ones((2, 3))).transpose(0)
    assert leaf(np.ones(3)).transpose(0).shape == (3,)
    assert leaf(1.0).transpose(()).shape == ()


def test_the_value_of_heaviside_at_zero_has_a_derivative():
    x, h = np.array([-1.0, 0.0, 2.0, 0.0]), np.array([5.0, 6.0, 7.0, 8.0])
    for c in (grad(lambda h: np.heaviside(x, h).sum()), mg.compile(grad(lambda h: np.heaviside(x, h).sum()))):
        np.testing.assert_array_equal(c(h), [0, 1, 0, 1])
    np.testing.assert_array_equal(jvp(lambda h: np.heaviside(x, h), (h,), (h,))[1], [0, 6, 0, 8])
    np.testing.assert_array_equal(grad(lambda x: (np.heaviside(x, 0.5) * x).sum())(x), [0, 0.5, 1, 0.5])


def test_atleast_1d_and_2d_give_arrays_for_all_they_are_given():
    for f in (np.atleast_1d, np.atleast_2d):
        for a, b in zip(f((2.0, 3.0), 1.5, leaf([4.0])), f((2.0, 3.0), 1.5, np.array([4.0])), strict=True):
            np.testing.assert_array_equal(mg.tensor.data_of(a), b)
            assert mg.tensor.data_of(a).shape == b.shape


def test_allclose_takes_a_tensor_as_its_tolerance():
    assert np.allclose(leaf([1.0]), [1.5], rtol=leaf(1.0))
    assert not np.allclose(leaf([1.0]), [1.5], atol=leaf(0.1))


def test_a_complex_loss_of_real_arguments_has_no_gradient():
    f = lambda x, z: x * z  # noqa: E731
    for of in (grad(f), grad(f, (0, 1)), mg.compile(grad(f)), lambda x, z: hvp(lambda x: f(x, z), x, x)):
        with pytest.raises(TypeError, match=r"np\.real"):
            of(np.array(2.0), np.array(1j))
    assert grad(f, 1)(2.0, 1j) == 2  # of a complex argument: the complex derivative
    x = leaf(2.0)
    with pytest.raises(TypeError, match=r"np\.real"):
        (x * 1j).backward()
    np.real(x * 1j * 1j).backward()
    assert x.grad == -1


@pytest.mark.parametrize("f", [mg.softmax, mg.log_softmax, mg.logsumexp, mg.sigmoid, mg.softplus])
@pytest.mark.parametrize(
    "x",
    [
        np.array([200, 100], np.uint8),
        np.array([100, -128], np.int8),
        np.array([True, False]),
        np.array([3, -2]),
    ],
)
def test_whole_numbers_do_not_wrap_around_in_exponentials(f, x):
    for found in (f(x), f(Tensor(x)).data, mg.compile(f)(x)):
        np.testing.assert_allclose(found, f(x.astype(float)), rtol=1e-15)


def test_norm_of_whole_numbers_and_axes_of_tensordot():
    assert float(np.linalg.norm(Tensor(np.array([200, 100], np.uint8)))) == pytest.approx(np.sqrt(50_000))
    assert float(np.linalg.norm(Tensor([10**10, 1]))) == pytest.approx(1e10)
    x = Tensor(np.ones((2, 3)), requires_grad=True)
    for axes in (([5], [0]), ([0], [-3])):
        with pytest.raises(ValueError, match="out of bounds"):
            np.tensordot(x, np.ones((2, 3)), axes=axes)
    for axes in (([True], [0]), ([1], [False]), ([0, np.True_], [1, 0])):
        for array in (x, x.data):
            with pytest.raises((TypeError, ValueError), match=None if array is not x else "integer"):
                np.tensordot(array, np.ones((3, 2)), axes=axes)
    with pytest.raises(
        TypeError, match=r"^np.tensordot: axes are integers, got \[True\]; write 1 for True.$"
    ):
        np.tensordot(x, np.ones((3, 2)), axes=([True], [0]))
    assert np.tensordot(x, np.ones((3, 2)), axes=np.int64(1)).shape == (2, 2)


@pytest.mark.parametrize("sort", [np.sort, np.argsort])
def test_a_sort_takes_a_number_as_its_axis(sort):
    array = np.array([[3.0, 1.0], [0.0, 2.0]])
    for axis in (True, False):
        if sort is np.sort:
            np.testing.assert_array_equal(sort(Tensor(array), axis=axis).data, sort(array, axis=axis))
            continue
        with pytest.raises(TypeError):
            sort(array, axis=axis)
        with pytest.raises(
            TypeError, match=rf"^np.argsort: axis is an integer, got {axis}; write {axis:d} for {axis}"
        ):
            sort(Tensor(array), axis=axis)
    with pytest.raises(ValueError, match="axis 2 is out of bounds"):
        sort(Tensor(np.ones((2, 3))), axis=2, stable=True)


@pytest.mark.parametrize("stable", [False, True])
@pytest.mark.parametrize("x", [np.array([[3.0, 1.0], [0.0, 2.0]]), np.arange(600.0).reshape(2, 300), 5.0])
def test_argsort_of_all_elements_is_numpys(x, stable):
    for y in (x, -np.asarray(x)):
        found, expected = np.argsort(Tensor(y), axis=None, stable=stable), np.argsort(y, None, stable=stable)
        assert (found.shape, found.data.tolist()) == (expected.shape, expected.tolist())


def peak_bytes(call):
    """The most memory that is taken at once during the call."""
    call()
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_tiles_and_centred_columns_take_no_memory_beside_the_result():
    assert 8e5 < peak_bytes(lambda: np.tile(Tensor([1.0]), 10**5)) < 9e5
    columns = np.asfortranarray(np.ones((10**4, 10)))
    assert peak_bytes(lambda: centred_op.forward(columns, columns)) < 1e5


def test_an_overflow_of_a_number_stays_one():
    with pytest.raises(OverflowError, match="add"):
        Tensor(np.arange(3)) + 10**20
