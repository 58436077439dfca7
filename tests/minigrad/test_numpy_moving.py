"""NumPy's functions that move, cut, join, choose and fill: what the rows under `rows/moving.py` leave out.

Values, shapes, dtypes and errors are NumPy's for every kind of array; what cannot be done says what to write.
"""

import inspect
import math
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.lib.stride_tricks import sliding_window_view

import minigrad as mg
from minigrad import Tensor, grad
from minigrad.arraylike import rule_of
from minigrad.calls import as_written
from minigrad.ops import moving

MOVES = {
    "roll": lambda x: np.roll(x, 1),
    "flip": np.flip,
    "tril": lambda x: np.tril(np.atleast_2d(x), -1),
    "diagflat": np.diagflat,
    "tile": lambda x: np.tile(x, 2),
    "repeat": lambda x: np.repeat(x, 2),
    "copy": lambda x: np.copy(x, order="F"),
    "resize": lambda x: np.resize(x, (2, 3)),
    "append": lambda x: np.append(x, [1, 2]),
    "append itself": lambda x: np.append(x, x),
    "insert": lambda x: np.insert(x, 0, 3),
    "delete": lambda x: np.delete(x, []),
    "pad": lambda x: np.pad(x, 1),
    "dstack": lambda x: np.dstack([x, x]),
    "column_stack": lambda x: np.column_stack([x, x]),
    "block": lambda x: np.block([[x], [x]]),
    "extract": lambda x: np.extract(np.ones(x.shape, bool), x),
    "array_split": lambda x: np.array_split(np.atleast_1d(x), 2),
    "atleast_3d": np.atleast_3d,
    "broadcast_arrays": lambda x: np.broadcast_arrays(x, np.ones((2, 1, 1, 1))),
    "meshgrid": lambda x: np.meshgrid(x, [1.0, 2.0]),
    "select": lambda x: np.select([np.ones(x.shape, bool)], [x], 1),
    "choose": lambda x: np.choose(np.zeros(x.shape, int), [x, x]),
    "concatenate": lambda x: np.concatenate([x, x], axis=None, dtype=np.complex128),
    "stack": lambda x: np.stack([x, x], axis=-1, casting="no"),
    "ravel, Fortran": lambda x: np.ravel(x, "F"),
    "ravel, A": lambda x: np.ravel(x, order="A"),
    "reshape, A": lambda x: np.reshape(x, (-1, 1), order="A"),
    "take, clip": lambda x: np.take(x, [3, 9, -5], mode="clip") if x.size else x,
    "full_like": lambda x: np.full_like(x, 2, shape=(2, 2)),
    "zeros_like": lambda x: np.zeros_like(x, order="F", subok=True, shape=3, dtype=np.float32),
    "ones_like": lambda x: np.ones_like(x, shape=(1, 2)),
    "trim_zeros": lambda x: np.trim_zeros(np.ravel(x), "fb"),
}

DRAWN = {
    "0-d": np.array(1.5),
    "empty": np.zeros((0, 3)),
    "size 1": np.ones((1, 1)),
    "integers": np.arange(6).reshape(2, 3),
    "bools": np.array([True, False]),
    "float32": np.arange(6, dtype=np.float32).reshape(2, 3),
    "complex": np.arange(4).reshape(2, 2) * (1 + 2j),
    "negative strides": np.arange(12.0).reshape(3, 4)[::-1, ::-2],
    "Fortran order": np.asfortranarray(np.arange(24.0).reshape(2, 3, 4)),
    "read-only": np.broadcast_to(np.arange(3.0), (2, 3)),
}


def same(found, expected):
    assert isinstance(found, list | tuple) == isinstance(expected, list | tuple)
    if isinstance(expected, list | tuple):
        assert type(found) is type(expected)
        assert len(found) == len(expected)
        for each in zip(found, expected, strict=True):
            same(*each)
        return
    found = found.data if isinstance(found, Tensor) else found
    assert (found.shape, found.dtype) == (np.shape(expected), np.asarray(expected).dtype)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("kind", DRAWN)
@pytest.mark.parametrize("name", MOVES)
def test_every_kind_of_array(name, kind):
    f, x = MOVES[name], DRAWN[kind]
    try:
        expected = f(x)
    except (ValueError, IndexError, TypeError) as error:
        kind = type(error)
    else:
        same(f(as_leaf(x)), expected)
        return
    with pytest.raises((ValueError, IndexError, TypeError)) as found:
        f(as_leaf(x))
    assert issubclass(found.type, kind)


@pytest.mark.parametrize("kind", sorted(DRAWN.keys() - {"negative strides", "read-only"}))
def test_ravel_in_the_order_of_memory(kind):
    x = DRAWN[kind]
    same(np.ravel(as_leaf(x), order="K"), np.ravel(x, order="K"))
    same(np.ravel(as_leaf(x.T), order="k"), np.ravel(x.T, order="K"))
    same(np.ravel(np.flip(as_leaf(x)).T, order="K"), np.ravel(np.flip(x).T, order="K"))
    same(np.ravel(as_leaf(x)[..., None][::-1], order="K"), np.ravel(x[..., None][::-1], order="K"))


def as_leaf(x):
    """A Tensor that holds x itself, in its layout."""
    leaf = Tensor(x, requires_grad=x.dtype.kind in "fc")
    leaf.primal = x
    return leaf


def called(function):
    return f"({as_written(function).removeprefix('np.lib.stride_tricks.')}, "


def test_the_table_names_numpys_parameters():
    """In their order, and all but `out`."""
    text = inspect.getsource(moving)
    seen = 0
    for function, rule in mg.tensor.RULES.items():
        if getattr(rule, "__module__", "") != moving.__name__:
            continue
        names = list(inspect.signature(function).parameters)
        assert rule.keywords == set(names) - {"out"}, function
        line = next(line for line in text.splitlines() if called(function) in line)
        assert [word.rstrip("*") for word in line.split('"')[1].split()] == [n for n in names if n != "out"]
        seen += 1
    assert seen >= 24


@settings(max_examples=40, deadline=None)
@given(
    arrays.arrays(np.float64, arrays.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=4),
                  elements=st.floats(-3, 3)),
    st.integers(-5, 5), st.integers(0, 3), st.randoms(use_true_random=False),
)  # fmt: skip
def test_gradients_go_where_the_elements_came_from(x, shift, count, random):
    """The pull back of a function that moves elements adds up the weights at the places of each."""
    axis = random.randrange(-x.ndim, x.ndim)
    for f in (
        lambda z: np.roll(z, shift, axis),
        lambda z: np.flip(z, axis),
        lambda z: np.repeat(z, count, axis),
        lambda z: np.pad(z, count),
        lambda z: np.append(z, z, axis),
        lambda z: np.tile(z, (count, 1)),
    ):
        out, pull = mg.vjp(f, x)
        np.testing.assert_array_equal(out, f(x))
        g = np.arange(1.0, out.size + 1).reshape(out.shape)
        numbers = np.arange(1, x.size + 1).reshape(x.shape)
        expected = [g[f(numbers) == n].sum() for n in numbers.ravel()]
        np.testing.assert_array_equal(pull(g)[0], np.reshape(expected, x.shape))


@pytest.mark.parametrize(("f", "shape"), [
    (lambda z: np.roll(z, (1, -2), (0, 1)), (3, 4)), (lambda z: np.roll(z, np.array(1, np.uint8)), (5,)),
    (lambda z: np.roll(a=z, shift=-1, axis=-1), (2, 3)), (lambda z: np.flip(z, (0, -1)), (2, 2, 3)),
    (lambda z: np.rot90(z, 3, (2, 0)), (2, 2, 3)), (np.fliplr, (2, 3)), (np.flipud, (2, 3)),
    (lambda z: np.tril(z, -1), (2, 3, 4)), (lambda z: np.triu(z, 1), (3,)), (np.diag, (3, 3)),
    (lambda z: np.diag(z, -1), (3, 3)), (lambda z: np.diag(z, 1), (2, 3)), (lambda z: np.diag(z, -2), (3,)),
    (lambda z: np.diag(z, 4), (3, 3)), (lambda z: np.diagflat(z, 2), (2, 2)),
    (lambda z: np.diagonal(z, 1, -1, 0), (3, 3)), (lambda z: np.diagonal(z, 1, 0, 2), (3, 2, 3)),
    (lambda z: np.tile(z, (2, 1, 3)), (2, 3)), (lambda z: np.tile(z, 2), ()),
    (lambda z: np.tile(z, ()), (2,)), (lambda z: np.tile(z, 0), (2,)), (lambda z: np.repeat(z, 3), (2, 3)),
    (lambda z: np.repeat(z, 3, -2), (2, 3)), (lambda z: np.repeat(z, 0), (2,)),
    (lambda z: np.repeat(z, 2, 0), ()), (np.copy, (2,)), (lambda z: np.pad(z, 0), ()),
    (lambda z: np.pad(z, ((1, 0), (0, 2)), constant_values=3.0), (2, 3)),
    (lambda z: np.pad(z, {0: 1}), (2, 3)),
    (lambda z: np.pad(z, 2, constant_values=z[1]), (3,)), (lambda z: np.pad(array=z, pad_width=1), (2,)),
    (lambda z: np.rollaxis(z, 2, 1), (2, 3, 4)), (lambda z: np.rollaxis(z, 0, 3), (2, 3, 4)),
    (np.matrix_transpose, (2, 3, 4)), (np.linalg.matrix_transpose, (3, 2)),
])  # fmt: skip
def test_one_direction_moves_as_many_do(f, shape):
    """One direction goes through the adjoint or the function itself, a batch through the numbers; both as in
    the matrix of f, which NumPy finds from unit vectors."""
    rng = np.random.default_rng(0)
    x, t = rng.standard_normal(shape), rng.standard_normal(shape)
    out, pull = mg.vjp(f, x)
    same(out, f(x))
    g = rng.standard_normal(out.shape)
    units = np.eye(x.size).reshape(x.size, *shape)
    rows = np.stack([np.ravel(f(unit) - f(np.zeros(shape))) for unit in units], axis=-1)
    np.testing.assert_array_equal(np.reshape(mg.jacobian(f)(x), rows.shape), rows)
    np.testing.assert_allclose(np.ravel(pull(g)[0]), g.ravel() @ rows, rtol=1e-14, atol=1e-15)
    np.testing.assert_allclose(np.ravel(mg.jvp(f, (x,), (t,))[1]), rows @ t.ravel(), rtol=1e-14, atol=1e-15)


@pytest.mark.parametrize("f", [
    lambda z: np.roll(z, 1), lambda z: np.pad(z, 2, "wrap"), lambda z: np.repeat(z, [2, 0, 1], 1), np.tril,
    lambda z: np.append(z, z), lambda z: np.take(z, [1, 1, 9], mode="wrap"), lambda z: np.ravel(z, "F"),
])  # fmt: skip
def test_complex_numbers_move_with_both_parts(f):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 3)) + 1j * rng.standard_normal((2, 3))
    out, pull = mg.vjp(f, x)
    g = rng.standard_normal(out.shape) + 1j * rng.standard_normal(out.shape)
    numbers = np.arange(1, 7).reshape(2, 3)
    expected = [g[f(numbers) == n].sum() for n in range(1, 7)]
    np.testing.assert_allclose(pull(g)[0], np.reshape(expected, (2, 3)), rtol=1e-14)
    np.testing.assert_array_equal(mg.jvp(f, (x,), (1j * x,))[1], f(1j * x))


@pytest.mark.parametrize(("f", "wanted"), [
    (lambda x, n: np.roll(x, n), "roll"),
    (lambda x, n: np.repeat(x, [n, 1, 2]), "repeat"),
    (lambda x, n: np.delete(x, n), "delete"),
    (lambda x, n: np.insert(x, [n], 7.0), "insert"),
    (lambda x, n: np.split(x, [n])[0], "split"),
])  # fmt: skip
def test_places_may_be_given_as_tensors_of_integers(f, wanted):
    x = np.array([1.0, 2.0, 3.0])
    n = Tensor(1)
    np.testing.assert_array_equal(f(Tensor(x), n).data, f(x, 1), wanted)
    with pytest.raises(mg.CaptureError):
        mg.compile(f)(x, np.array(1))


def test_an_option_that_is_changed_later_changes_no_derivative():
    counts = np.array([1, 2])
    x = Tensor([1.0, 2.0], requires_grad=True)
    y = np.repeat(x, counts)
    counts[:] = [2, 1]
    y.sum().backward()
    np.testing.assert_array_equal(x.grad, [1, 2])


def test_a_compiled_function_notices_other_places():
    index = np.array([0, 2])
    f = mg.compile(lambda x: np.delete(x, index))
    x = np.arange(4.0)
    np.testing.assert_array_equal(f(x), [1, 3])
    index[:] = [1, 2]
    np.testing.assert_array_equal(f(x), [0, 3])


def test_one_and_true_are_different_places():
    x = np.array([5.0])
    for obj, place in ((np.array([True]), 1), (np.array([1], np.int8), 0), (np.array([True]), 1)):
        slope = grad(lambda z, obj=obj: np.sum(np.insert(z, obj, 9.0) * np.array([2.0, 3.0])))
        assert slope(x) == [2, 3][place]


def test_large_arrays_are_not_kept():
    x = np.arange(float(moving.LARGEST_KEPT) + 1)
    np.testing.assert_array_equal(grad(lambda z: np.roll(z, 1)[0] * 2)(x)[-2:], [0, 2])


def test_elements_put_among_integers_have_no_derivative():
    y = np.insert(np.arange(3), 1, Tensor(1.7, requires_grad=True))
    assert not y.requires_grad
    same(y, np.array([0, 1, 1, 2]))


def test_lists_of_tensors_are_arrays_to_move():
    def f(a, b):
        return np.append(a, [[b, 1.0], [a[0], 2 * b]])

    ga, gb = grad(lambda a, b: np.sum(f(a, b) * np.arange(6)), (0, 1))(np.array([1.0, 2.0]), np.array(3.0))
    np.testing.assert_array_equal(ga, [4, 1])
    assert gb == 2 + 2 * 5


def test_infinite_cotangents_stay_where_they_belong():
    x = np.array([[0.0, 1.0], [1.0, 1.0]])
    with np.errstate(divide="ignore"):
        slope = grad(lambda z: np.sum(np.sqrt(np.tril(z))))(x)
    assert slope[0, 1] == 0
    assert slope[0, 0] == np.inf


@pytest.mark.parametrize("widths", [0, 1, 4, 9, ((2, 0), (0, 7)), ((0, 3), (5, 4))])
@pytest.mark.parametrize("shape", [(2, 3), (1, 4), (3, 1)])
@pytest.mark.parametrize(("mode", "options"), [
    ("edge", {}), ("wrap", {}), ("reflect", {}), ("symmetric", {}), ("reflect", {"reflect_type": "odd"}),
    ("symmetric", {"reflect_type": "odd"}), ("mean", {}), ("mean", {"stat_length": 2}), ("median", {}),
    ("maximum", {"stat_length": ((1, 2), (3, 1))}), ("minimum", {}), ("linear_ramp", {}),
    ("linear_ramp", {"end_values": ((1, 2), (3, 4))}), ("constant", {"constant_values": ((1, 2), (3, 4))}),
])  # fmt: skip
def test_pad_is_numpys(shape, widths, mode, options):
    if mode == "median" and rule_of(np.median) is None:
        pytest.skip("np.median has no rule yet")
    for x in (np.random.default_rng(0).uniform(1, 2, shape), np.arange(np.prod(shape)).reshape(shape)):
        expected = np.pad(x, widths, mode, **options)
        y = np.pad(Tensor(x), widths, mode, **options)
        assert y.dtype == expected.dtype
        np.testing.assert_allclose(y.data, expected, rtol=1e-13)


def test_pad_empty_leaves_the_middle():
    y = np.pad(Tensor([1.0, 2.0], requires_grad=True), 1, "empty")
    np.testing.assert_array_equal(y.data[1:-1], [1, 2])


@pytest.mark.parametrize("value", [np.array([0, 0, 1.5, 0, 2, 0]), np.zeros(3), np.eye(3)[:, 1:]])
@pytest.mark.parametrize(
    "options", [{}, {"trim": "f"}, {"trim": "b"}, {"axis": 0}, {"trim": "f", "axis": -1}]
)
def test_trim_zeros(value, options):
    same(np.trim_zeros(Tensor(value), **options), np.trim_zeros(value, **options))
    expected = np.zeros_like(value)
    kept = np.trim_zeros(np.where(value == 0, 0, value), **options).shape
    slope = grad(lambda x: np.sum(np.trim_zeros(x, **options)))(value) if np.prod(kept) else expected
    assert slope.sum() == np.prod(kept)


@pytest.mark.parametrize("options", [
    {}, {"num": 1}, {"num": 0}, {"num": 5, "endpoint": False}, {"dtype": np.float32}, {"axis": -1},
    {"num": 2},
])  # fmt: skip
@pytest.mark.parametrize("f", [np.linspace, np.logspace, np.geomspace])
@pytest.mark.parametrize("ends", [
    (np.array(0.5), 2.0), (np.array([1.0, 3.0]), np.array([[2.0], [0.5]])),
    (np.float32([1, 2]), np.float32([2, 1])), (np.array(2), 1.5),
])  # fmt: skip
def test_ranges_are_numpys(f, options, ends):
    expected = f(*ends, **options)
    y = f(*(Tensor(x) if isinstance(x, np.ndarray) else x for x in ends), **options)
    assert (y.shape, y.dtype) == (expected.shape, expected.dtype)
    np.testing.assert_allclose(y.data, expected, rtol=1e-6 if expected.dtype == np.float32 else 1e-14)


def test_linspace_of_integers_and_with_step():
    same(np.linspace(Tensor(0.0), 5, 4, dtype=int), np.linspace(0.0, 5, 4, dtype=int))
    _, step = np.linspace(Tensor(0.0), 5, 4, retstep=True)
    assert step.item() == 5 / 3
    assert np.isnan(np.linspace(Tensor(0.0), 5, 1, retstep=True)[1])


def test_piecewise_is_numpys():
    x = np.array([-2.0, -0.5, 0.5, 2.0])
    for conditions, pieces in (
        ([x < 0, x > 1], [-1, 1]), ([x < 0], [lambda z: -z, lambda z: z]), (x > 0, [lambda z: z, 2]),
        ([x < 0, x < 1], [1, 2, 3]), ([x > 9], [np.log]),
    ):  # fmt: skip
        same(np.piecewise(Tensor(x), conditions, pieces), np.piecewise(x, conditions, pieces))
    same(
        np.piecewise(Tensor(0.5), [True], [lambda z: z + 1]),
        np.piecewise(np.array(0.5), [True], [lambda z: z + 1]),
    )
    same(np.piecewise(Tensor(x), [x > 0], [lambda z, a, b: a * z + b], 2, b=3),
         np.piecewise(x, [x > 0], [lambda z, a, b: a * z + b], 2, b=3))  # fmt: skip


@pytest.mark.parametrize("conditions", [
    np.array([[True, False], [False, True]]), [np.array([True, False])], np.array([False, True]),
    [[True, False]],
])  # fmt: skip
def test_piecewise_by_rows_as_numpy_masks_them(conditions):
    x = np.arange(4.0).reshape(2, 2)
    pieces = [5, 6][: len(conditions)] if np.ndim(conditions) > 1 else [7]
    same(np.piecewise(Tensor(x), conditions, pieces), np.piecewise(x, conditions, pieces))
    rest = [lambda z: np.sqrt(z) - 1] * len(pieces) + [lambda z: -z]
    same(np.piecewise(Tensor(x), conditions, rest), np.piecewise(x, conditions, rest))


@pytest.mark.filterwarnings("error")
def test_a_piece_sees_no_element_of_another():
    slope = grad(lambda x: np.sum(np.piecewise(x, [x > 0, x <= 0], [np.log, lambda z: z])))
    np.testing.assert_array_equal(slope(np.array([-2.0, 0.5, 0.0])), [1, 2, 1])


def test_apply_along_axis_is_numpys():
    x = np.arange(24.0).reshape(2, 3, 4)
    for f, *options in ((np.sum,), (np.diag,), (lambda z, a, b=0: z[:2] * a + b, 2)):
        for axis in (0, -1):
            expected = np.apply_along_axis(f, axis, x, *options)
            y = np.apply_along_axis(f, axis, Tensor(x), *options)
            np.testing.assert_array_equal(y.data, expected)
    expected = np.apply_along_axis(lambda z, b: z + b, 0, x, b=1)
    np.testing.assert_array_equal(np.apply_along_axis(lambda z, b: z + b, 0, Tensor(x), b=1).data, expected)


def test_facts_about_arrays_are_constants():
    x, z = Tensor(np.ones((2, 3)), requires_grad=True), Tensor(np.ones(3))
    assert np.shares_memory(x, x[0])
    assert not np.may_share_memory(x, z)
    assert np.array_equiv(x, z)
    assert np.size(x, axis=1) == 3
    assert np.isrealobj(x)
    assert np.common_type(x, np.float32(1)) is np.float64
    same(np.tril_indices_from(Tensor(np.ones((3, 3))), k=-1), np.tril_indices(3, -1))
    same(np.triu_indices_from(Tensor(np.ones((3, 3)))), np.triu_indices(3))
    same(np.diag_indices_from(Tensor(np.ones((3, 3)))), np.diag_indices(3))
    same(np.ix_(Tensor([0, 1]), [2]), np.ix_([0, 1], [2]))


X = np.arange(6.0).reshape(2, 3)


@pytest.mark.parametrize("f", [
    lambda x: np.roll(x, 1, axis=2), lambda x: np.roll(x, (1, 2), axis=(0, 1, 1)), lambda x: np.flip(x, 5),
    lambda x: np.fliplr(x[0]), lambda x: np.rot90(x, axes=(0, 0)), lambda x: np.diag(x[None]),
    lambda x: np.diagonal(x[0]), lambda x: np.repeat(x, [1, 2], axis=1), lambda x: np.delete(x, 9, axis=0),
    lambda x: np.insert(x, 9, 0.0, axis=1), lambda x: np.append(x, x[0], axis=0), lambda x: np.split(x, 4),
    lambda x: np.hsplit(x[0, 0], 1), lambda x: np.vsplit(x[0], 1), lambda x: np.dsplit(x, 1),
    lambda x: np.pad(x, -1), lambda x: np.pad(x, 1, "other"), lambda x: np.pad(x, 1, "edge", stat_length=1),
    lambda x: np.pad(x, 1.5), lambda x: np.pad(x[:0], 1, "reflect"),
    lambda x: np.pad(x, 1, "maximum", stat_length=0),
    lambda x: np.concatenate([x, x], dtype=int), lambda x: np.concatenate([x, x[0]]),
    lambda x: np.stack([x, x[0]]), lambda x: np.block([[x, x[0]]]), lambda x: np.column_stack([x, x[0, :1]]),
    lambda x: np.meshgrid(x, indexing="no"), lambda x: np.broadcast_arrays(x, np.ones(2)),
    lambda x: np.select([x > 0], [x, x]), lambda x: np.select([x], [x]), lambda x: np.choose([3], [x, x]),
    lambda x: np.piecewise(x, [x > 0], [1, 2, 3]), lambda x: np.take(x, 9),
    lambda x: np.take(x, 1, mode="no"),
    lambda x: np.linspace(x, 1, -1), lambda x: np.geomspace(x, 1), lambda x: np.reshape(x, (2, 2), order="F"),
    lambda x: np.reshape(x, 6, order="no"), lambda x: np.reshape(x.T, 6, copy=False),
    lambda x: sliding_window_view(x, 5), lambda x: np.trace(x[0]), lambda x: np.unstack(x, axis=4),
    lambda x: np.apply_along_axis(np.sum, 5, x), lambda x: np.apply_along_axis(np.sum, 1, x[:0]),
    lambda x: np.apply_over_axes(lambda a, axis: a[0, 0], x, 0), lambda x: np.compress([True], x, axis=3),
    lambda x: np.full_like(x, np.ones(2)), lambda x: np.trim_zeros(x, "x"), lambda x: np.tile(x, -1),
])  # fmt: skip
def test_what_numpy_refuses_is_refused_alike(f):
    with pytest.raises((ValueError, TypeError, IndexError, AttributeError)) as numpys:
        f(X)
    with pytest.raises(numpys.type) as ours:
        f(Tensor(X, requires_grad=True))
    assert len(str(ours.value)) > 15


@pytest.mark.parametrize(("f", "says"), [
    (lambda x: np.fill_diagonal(x, 0), r"np\.fill_diagonal .*writes into its first argument.*np\.eye"),
    (lambda x: np.put(x, [0], 1), r"np\.put .*writes.*index_set"),
    (lambda x: np.put(np.zeros(3), [0], x[0, 0]), r"np\.put .*writes.*index_set"),
    (lambda x: np.place(x, x.data > 0, [1]), r"np\.place .*writes.*index_set"),
    (lambda x: np.putmask(x, x.data > 0, 1), r"np\.putmask .*writes.*np\.where"),
    (lambda x: np.copyto(np.zeros((2, 3)), x, where=True), r"np\.copyto .*writes.*broadcast_to"),
    (lambda x: np.put_along_axis(x, np.array([[0]]), 1, axis=1), r"np\.put_along_axis .*writes.*index_set"),
    (lambda x: np.full_like(np.ones(3), x[0]), r"broadcast_to"),
    (lambda x: np.pad(x, 1, lambda *_: None), r"np\.pad\(mode=function\).*concatenate"),
    (lambda x: np.take(x, [0], out=np.zeros(1)), r"np\.take\(out=\.\.\.\).*Write"),
    (lambda x: np.compress([True], x, out=np.zeros(1)), r"np\.compress\(out=\.\.\.\).*Write"),
    (lambda x: np.choose([0], [x[0]], out=np.zeros(3)), r"np\.choose\(out=\.\.\.\).*Write"),
    (lambda x: np.trace(x, out=np.zeros(())), r"np\.trace\(out=\.\.\.\).*Write"),
    (lambda x: np.concatenate([x, x], out=np.zeros((4, 3))), r"np\.concatenate\(out=\.\.\.\).*Write"),
    (lambda x: np.ravel(np.broadcast_to(x, (2, 2, 3)), order="K"), r"was broadcast.*order='C'"),
])  # fmt: skip
def test_what_cannot_be_done_says_what_to_write(f, says):
    with pytest.raises(TypeError, match=says):
        f(Tensor(X, requires_grad=True))


@pytest.mark.oracle
def test_against_torch():
    torch = pytest.importorskip("torch")
    x = np.random.default_rng(0).standard_normal((3, 4))
    for ours, theirs in (
        (lambda z: np.roll(z, (1, -2), (0, 1)), lambda z: torch.roll(z, (1, -2), (0, 1))),
        (lambda z: np.rot90(z, 3), lambda z: torch.rot90(z, 3)),
        (lambda z: np.triu(z, -1), lambda z: torch.triu(z, -1)),
        (lambda z: np.diagonal(z, 1), lambda z: torch.diagonal(z, 1)),
        (lambda z: np.tile(z, (2, 1, 3)), lambda z: z.tile(2, 1, 3)),
        (lambda z: np.repeat(z, 3, 1), lambda z: z.repeat_interleave(3, 1)),
        (lambda z: sliding_window_view(z, 2, 1), lambda z: z.unfold(1, 2, 1)),
        (lambda z: np.pad(z, ((0, 0), (2, 1)), "reflect"),
         lambda z: torch.nn.functional.pad(z, (2, 1), "reflect")),
        (lambda z: np.pad(z, ((0, 0), (2, 1)), "wrap"),
         lambda z: torch.nn.functional.pad(z, (2, 1), "circular")),
    ):  # fmt: skip
        leaf = torch.tensor(x, requires_grad=True)
        torch.sin(theirs(leaf)).sum().backward()
        np.testing.assert_allclose(grad(lambda z, f=ours: np.sum(np.sin(f(z))))(x), leaf.grad, rtol=1e-14)


# Methods of ndarrays

METHODS = [
    lambda x: x.repeat(2, axis=0), lambda x: x.repeat([1, 2, 0], 1), lambda x: x.diagonal(1),
    lambda x: x.trace(), lambda x: x.trace(1, dtype=np.float32), lambda x: x.take([0, 5]),
    lambda x: x.take([0, 4], axis=1, mode="wrap"), lambda x: x.compress([True, False, True], axis=1),
    lambda x: x.astype(int).choose([x[0], 2 * x[0], x[0], x[0], x[0], x[0]]), lambda x: x.copy(),
    lambda x: x.copy("F"), lambda x: x.flatten(), lambda x: x.flatten("F"), lambda x: x.ravel(order="F"),
    lambda x: x.T.ravel("A"), lambda x: x.reshape(3, 2, order="F"), lambda x: x.reshape((3, 2), copy=True),
    lambda x: x.argsort(axis=0, kind="stable"), lambda x: x.argsort(stable=True), lambda x: x.conj(),
    lambda x: x.conjugate(), lambda x: x.var(ddof=1), lambda x: x.std(0, ddof=1),
    lambda x: x.argmax(axis=1, keepdims=True), lambda x: x.argmin(keepdims=True),
    lambda x: x.all(axis=0, keepdims=True), lambda x: x.any(keepdims=True),
    lambda x: x.max(axis=1, keepdims=True),
    lambda x: divmod(x, 2)[0], lambda x: divmod(x, 2)[1], lambda x: divmod(7, x + 1)[0],
    lambda x: divmod(7, x + 1)[1], lambda x: x.astype(int) ^ 3, lambda x: 3 ^ x.astype(int),
    lambda x: 3 & x.astype(int), lambda x: 3 | x.astype(int), lambda x: x.astype(int) << 2,
    lambda x: 3 << x.astype(int), lambda x: x.astype(int) >> 1, lambda x: 100 >> x.astype(int),
    lambda x: (x > 2) ^ (x > 3),
]  # fmt: skip


@pytest.mark.parametrize("f", METHODS)
def test_methods_are_those_of_arrays(f):
    same(f(Tensor(X, requires_grad=True)), np.asarray(f(X)))


LATE_METHODS = {  # whose rules are in other topics
    "cumsum": lambda x: x.cumsum(1), "cumprod": lambda x: x.cumprod(), "round": lambda x: x.round(1),
    "nonzero": lambda x: x.nonzero(), "searchsorted": lambda x: x[1].searchsorted(4.5, side="right"),
    "argpartition": lambda x: x.argpartition(1).shape,
}  # fmt: skip


@pytest.mark.parametrize("name", LATE_METHODS)
def test_methods_call_the_function_of_their_name(name):
    x = Tensor(X, requires_grad=True)
    if rule_of(getattr(np, name)) is None:
        with pytest.raises(TypeError, match=rf"np\.{name} has no derivative rule"):
            LATE_METHODS[name](x)
    else:
        found, expected = LATE_METHODS[name](x), LATE_METHODS[name](X)
        several = isinstance(expected, tuple)
        for y, z in zip(found if several else [found], expected if several else [expected], strict=True):
            np.testing.assert_array_equal(y.data if isinstance(y, Tensor) else y, z)


def test_values_leave_as_python_numbers():
    x = Tensor(X, requires_grad=True)
    assert x.tolist() == X.tolist()
    assert x.item(4) == x.item(1, 1) == 4.0
    assert Tensor(2.5).tolist() == 2.5
    assert (x.nbytes, x.itemsize) == (48, 8)
    with pytest.raises(IndexError, match="out of bounds"):
        x.item(6)
    with pytest.raises(mg.CaptureError, match="tolist"):
        mg.compile(lambda z: z * len(z.tolist()))(X)


@pytest.mark.parametrize("name", ["fill", "view", "sort", "partition", "put", "resize", "itemset", "ptp"])
def test_methods_that_write_in_place_are_not_there(name):
    with pytest.raises(AttributeError, match=f"a Tensor has no `{name}`.*write "):
        getattr(Tensor(X), name)


def test_derivatives_pass_through_methods():
    slope = grad(lambda x: np.sum(x.repeat(2).copy().take([0, 1, 5]) * np.array([1, 2, 3])))(X)
    np.testing.assert_array_equal(slope, [[3, 0, 3], [0, 0, 0]])
    np.testing.assert_array_equal(grad(lambda x: np.sum(divmod(x, 2.0)[1]))(X), np.ones((2, 3)))


# Pictures


def test_a_picture_shows_the_function_with_its_options():
    x = Tensor(X, requires_grad=True, name="x")
    y = np.roll(np.pad(x, 1, mode="edge"), 1, axis=0) + np.insert(x, np.arange(40) % 2, 0.5)[:1]
    nodes = {node.op: node for node in mg.draw(y, show={"flops"}).full.nodes}
    assert nodes["roll"].label == "roll(x, 1, axis=0)"
    assert nodes["pad"].label == "pad(x, 1, 'edge')"
    assert nodes["insert"].label == "insert(x, 0.5, …)"
    assert nodes["roll"].params == "call=np.roll(·, 1, axis=0)"
    assert nodes["roll"].flops == 0


@pytest.mark.parametrize("dtype", [float, np.float32, int, bool, complex])
@pytest.mark.parametrize("shape", [(0,), (1,), (5,), (3, 3), (2, 4), (4, 2, 3), (0, 3), ()])
@pytest.mark.parametrize("option", [0, 1, -2, 7])
def test_the_quick_forms_give_what_numpy_gives(dtype, shape, option):
    x = np.asarray(np.arange(math.prod(shape)).reshape(shape) - 2, dtype)
    for function, quick in moving.QUICK.items():
        for array in (x, np.asfortranarray(x), x[::-1] if shape else x):
            try:
                wanted = function(array, option)
            except (TypeError, ValueError) as error:
                with pytest.raises(type(error), match=re.escape(str(error))):
                    quick(array, option)
                continue
            found = quick(array, option)
            assert found.dtype == wanted.dtype
            assert found.flags.c_contiguous == wanted.flags.c_contiguous
            np.testing.assert_array_equal(found, wanted)
