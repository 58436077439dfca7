"""One table of ops drives the derivative tests: op × mode × order × batching × dtype.

A row is a name, a function of arrays written in NumPy, and the arrays to check it at. A new op gets a row
here."""

import warnings

import numpy as np
import pytest

import minigrad as mg
from minigrad import Tensor, check_derivatives
from minigrad.slices import between
from minigrad.sweeps import pull_back, push_forward

draw = np.random.default_rng(0).uniform  # for the table alone


def r(*shape, low=-2.0, high=2.0):
    """Random numbers in [low, high] away from ties and from the ends."""
    return draw(low + 0.05, high - 0.05, shape)


INDEX = np.array([[0, 2], [2, 2]])
MASK = np.array([[True, False, True], [False, True, True]])

TABLE = [
    ("negative", np.negative, r(2, 3)),
    ("positive", np.positive, r(2, 3)),
    ("add", np.add, r(2, 3), r(2, 3)),
    ("add, broadcast left", np.add, r(3), r(2, 3)),
    ("add, broadcast both", np.add, r(2, 1), r(1, 3)),
    ("add, 0-d", np.add, r(), r(2, 3)),
    ("add, size-1 kept", np.add, r(4, 1, 3), r(2, 3)),
    ("add, number", lambda x: 1.5 + x + 2, r(2, 3)),
    ("subtract", np.subtract, r(2, 3), r(3)),
    ("subtract, reflected", lambda x: 1.5 - x, r(2, 3)),
    ("multiply", np.multiply, r(2, 3), r(3)),
    ("multiply, twice the same", lambda x: x * x * x, r(2, 3)),
    ("divide", np.divide, r(2, 3), r(3, low=0.5, high=2)),
    ("divide, reflected", lambda x: 2 / x, r(2, 3, low=0.5)),
    ("reciprocal", np.reciprocal, r(3, low=0.5)),
    ("square", np.square, r(2, 3)),
    ("sqrt", np.sqrt, r(2, 3, low=0.2)),
    ("cbrt", np.cbrt, r(2, 3, low=0.2)),
    ("remainder", np.remainder, np.array([5.3, -5.3]), np.array([2.1, 2.3])),
    ("fmod", np.fmod, np.array([5.3, -5.3]), np.array([2.1, 2.3])),
    ("exp", np.exp, r(2, 3)),
    ("exp2", np.exp2, r(2, 3)),
    ("expm1", np.expm1, r(2, 3)),
    ("log", np.log, r(2, 3, low=0.2)),
    ("log2", np.log2, r(2, 3, low=0.2)),
    ("log10", np.log10, r(2, 3, low=0.2)),
    ("log1p", np.log1p, r(2, 3, low=-0.8)),
    ("logaddexp", np.logaddexp, r(2, 3), r(3)),
    ("logaddexp2", np.logaddexp2, r(2, 3), r(3)),
    ("sin", np.sin, r(2, 3)),
    ("cos", np.cos, r(2, 3)),
    ("tan", np.tan, r(2, 3, low=-1.2, high=1.2)),
    ("arcsin", np.arcsin, r(2, 3, low=-0.8, high=0.8)),
    ("arccos", np.arccos, r(2, 3, low=-0.8, high=0.8)),
    ("arctan", np.arctan, r(2, 3)),
    ("sinh", np.sinh, r(2, 3)),
    ("cosh", np.cosh, r(2, 3)),
    ("tanh", np.tanh, r(2, 3)),
    ("arcsinh", np.arcsinh, r(2, 3)),
    ("arccosh", np.arccosh, r(2, 3, low=1.3, high=3)),
    ("arctanh", np.arctanh, r(2, 3, low=-0.8, high=0.8)),
    ("deg2rad", np.deg2rad, r(3)),
    ("rad2deg", np.rad2deg, r(3)),
    ("hypot", np.hypot, r(2, 3, low=0.3), r(3, low=0.3)),
    ("arctan2", np.arctan2, r(2, 3, low=0.3), r(3, low=0.3)),
    ("absolute", np.absolute, np.array([-1.5, 0.7, 2.0])),
    ("fabs", np.fabs, np.array([-1.5, 0.7, 2.0])),
    (
        "heaviside, its value at 0",
        lambda h: np.heaviside(np.array([-1.0, 0.0, 0.0]), h),
        np.array([0.3, 0.6, 0.9]),
    ),
    ("maximum", np.maximum, r(2, 3), r(3)),
    ("maximum, constant", lambda x: np.maximum(x, 0.1), r(2, 3)),
    ("maximum, constant first", lambda x: np.maximum(0.1, x), r(2, 3)),
    ("minimum", np.minimum, r(2, 3), r(3)),
    ("minimum, constant", lambda x: np.minimum(x, 0.1), r(2, 3)),
    ("fmax", np.fmax, r(2, 3), r(3)),
    ("fmin", np.fmin, r(2, 3), r(3)),
    ("fmax, constant", lambda x: np.fmax(0.1, x), r(2, 3)),
    ("clip", lambda x: np.clip(x, -0.5, 0.7), r(3, 4)),
    ("clip, live bounds", lambda x, a: np.clip(x, a, 1.1), r(3, 4), r(4, low=-1, high=0)),
    ("power, 3", lambda x: x**3, r(2, 3)),
    ("power, 2", lambda x: x**2, r(2, 3)),
    ("power, 0", lambda x: x**0 + x, r(2, 3)),
    ("power, -1.5", lambda x: x**-1.5, r(2, 3, low=0.3)),
    ("power, live exponent", np.power, r(2, 3, low=0.3), r(3)),
    ("power, number to a Tensor", lambda x: 2.0**x, r(2, 3)),
    ("sinc", np.sinc, r(2, 3)),
    ("gap", mg.ops.elementwise.gap, r(2, 3), r(3)),
    ("sigmoid", mg.sigmoid, r(2, 3)),
    ("softplus", mg.softplus, r(2, 3)),
    ("relu", mg.relu, r(2, 3)),
    ("sum", np.sum, r(2, 3)),
    ("sum, axis", lambda x: np.sum(x, axis=1), r(2, 3, 2)),
    ("sum, axes kept", lambda x: np.sum(x, axis=(0, -1), keepdims=True), r(2, 3, 2)),
    ("sum, 0-d", np.sum, r()),
    ("add.reduce", lambda x: np.add.reduce(x) * x, r(2, 3)),
    ("mean", np.mean, r(2, 3)),
    ("mean, axis", lambda x: x.mean(axis=-2), r(2, 3, 2)),
    ("prod", np.prod, r(2, 3)),
    ("prod, axis", lambda x: np.prod(x, axis=1), r(2, 3, 2)),
    ("prod, kept", lambda x: np.prod(x, axis=(0, 2), keepdims=True), r(2, 3, 2)),
    ("prod, zeros", np.prod, np.array([0.0, 2.0, 3.0])),
    ("prod, two zeros", np.prod, np.array([0.0, 2.0, 0.0, 4.0])),
    ("max", np.max, r(2, 3)),
    ("max, axis", lambda x: np.max(x, axis=0), r(2, 3)),
    ("min, kept", lambda x: np.min(x, axis=1, keepdims=True), r(2, 3)),
    ("var", np.var, r(2, 3)),
    ("var, ddof", lambda x: np.var(x, axis=1, ddof=1), r(2, 3)),
    ("std", np.std, r(2, 3)),
    ("std, axis", lambda x: np.std(x, axis=(0, 2), ddof=1), r(2, 3, 2)),
    ("norm", np.linalg.norm, r(2, 3)),
    ("norm, axis", lambda x: np.linalg.norm(x, axis=1, keepdims=True), r(2, 3)),
    ("logsumexp", mg.logsumexp, r(2, 3)),
    ("logsumexp, axis", lambda x: mg.logsumexp(x, axis=0), r(2, 3)),
    ("log_softmax", mg.log_softmax, r(2, 3)),
    ("log_softmax, axis", lambda x: mg.log_softmax(x, axis=0), r(2, 3)),
    ("softmax", mg.softmax, r(2, 3)),
    ("reshape", lambda x: np.reshape(x, (3, -1)), r(2, 3)),
    ("ravel", np.ravel, r(2, 3)),
    ("squeeze", lambda x: np.squeeze(x, 1), r(2, 1, 3)),
    ("expand_dims", lambda x: np.expand_dims(x, (0, -1)), r(2, 3)),
    ("transpose", np.transpose, r(2, 3, 2)),
    ("transpose, axes", lambda x: np.transpose(x, (2, 0, 1)), r(2, 3, 2)),
    ("swapaxes", lambda x: np.swapaxes(x, 0, -1), r(2, 3, 2)),
    ("moveaxis", lambda x: np.moveaxis(x, 0, -1), r(2, 3, 2)),
    ("broadcast_to", lambda x: np.broadcast_to(x, (2, 3, 4)), r(3, 1)),
    ("astype", lambda x: x.astype(np.float64) * x, r(2, 3)),
    ("concatenate", lambda a, b: np.concatenate([a, b], axis=-1), r(2, 3), r(2, 1)),
    ("concatenate, with a constant", lambda a: np.concatenate([np.ones((1, 3)), a, a]), r(2, 3)),
    ("stack", lambda a, b: np.stack([a, b], axis=1), r(2, 3), r(2, 3)),
    ("hstack", lambda a, b: np.hstack([a, b]), r(2, 3), r(2, 1)),
    ("vstack", lambda a, b: np.vstack([a, b]), r(3), r(2, 3)),
    ("where", lambda a, b: np.where(MASK, a, b), r(2, 3), r(3)),
    ("where, number", lambda a: np.where(a > 0, a, 0.5), r(2, 3)),
    ("getitem", lambda x: x[1], r(2, 3)),
    ("getitem, slices", lambda x: x[..., None, ::-2], r(2, 3)),
    ("getitem, negative stride", lambda x: x[::-1, 1:], r(2, 3)),
    ("getitem, integers", lambda x: x[INDEX], r(3, 2)),
    ("getitem, repeated pairs", lambda x: x[np.array([0, 1, 1]), np.array([2, 0, 0])], r(2, 3)),
    ("getitem, mixed", lambda x: x[:, INDEX, 0], r(2, 3, 2)),
    ("getitem, split arrays", lambda x: x[np.array([0, 1]), :, np.array([1, 0])], r(2, 3, 2)),
    ("getitem, mask", lambda x: x[MASK], r(2, 3)),
    ("index_add", lambda x, v: mg.index_add(x, np.array([0, 0, 1]), v), r(2, 3), r(3, 3)),
    ("index_add, slice", lambda x, v: mg.index_add(x, (slice(None), 1), v), r(2, 3), r(2)),
    ("index_set", lambda x, v: mg.index_set(x, np.array([2, 0]), v), r(3, 2), r(2)),
    ("take_along_axis", lambda x: np.take_along_axis(x, np.array([[0, 0, 1]]), axis=0), r(2, 3)),
    ("take", lambda x: np.take(x, INDEX, axis=1), r(2, 3)),
    ("sort", lambda x: np.sort(x, axis=0), r(4, 3)),
    ("trace", np.trace, r(3, 3)),
    ("matmul 1·1", np.matmul, r(3), r(3)),
    ("matmul 1·2", np.matmul, r(3), r(3, 2)),
    ("matmul 2·1", np.matmul, r(2, 3), r(3)),
    ("matmul 2·2", np.matmul, r(2, 3), r(3, 4)),
    ("matmul 3·2", np.matmul, r(2, 2, 3), r(3, 2)),
    ("matmul 2·3", np.matmul, r(2, 3), r(2, 3, 2)),
    ("matmul 4·3, broadcast", np.matmul, r(2, 1, 2, 3), r(3, 3, 2)),
    ("matmul 1·3", np.matmul, r(3), r(2, 3, 2)),
    ("matmul 3·1", np.matmul, r(2, 2, 3), r(3)),
    ("matmul, constant", lambda x: np.ones((2, 3)) @ x, r(3, 2)),
    ("dot", np.dot, r(2, 3), r(3)),
    ("inner", np.inner, r(2, 3), r(4, 3)),
    ("outer", np.outer, r(2), r(3)),
    ("vdot", np.vdot, r(2, 3), r(2, 3)),
    ("tensordot", lambda a, b: np.tensordot(a, b, axes=([0, 2], [1, 0])), r(2, 3, 4), r(4, 2)),
    ("linear", mg.linear, r(4, 3), r(3, 2), r(2)),
    ("linear, 3-d", mg.linear, r(2, 4, 3), r(3, 2), r(2)),
    ("linear, vector", mg.linear, r(3), r(3, 2), r(2)),
]
IDS = [row[0] for row in TABLE]


@pytest.mark.parametrize("row", TABLE, ids=IDS)
def test_derivatives_of_three_orders(row):
    _, f, *xs = row
    check_derivatives(f, *xs, order=3)
    # a linear op alone would never have its transpose recorded
    check_derivatives(lambda *x: np.exp(0.3 * f(*x)), *xs, order=2)


@pytest.mark.parametrize("row", TABLE, ids=IDS)
def test_values_are_numpys(row):
    _, f, *xs = row
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = f(*xs)
    out = f(*(Tensor(x, requires_grad=True) for x in xs))
    assert out.shape == np.shape(expected)
    assert out.dtype == np.asarray(expected).dtype
    np.testing.assert_allclose(out.data, expected, rtol=1e-14, atol=1e-15)


@pytest.mark.parametrize("row", TABLE, ids=IDS)
def test_batched_sweeps_equal_one_direction_at_a_time(row, rng):
    _, f, *xs = row
    leaves = [Tensor(x, requires_grad=True) for x in xs]
    y = f(*leaves)
    path = between(leaves, [y])
    k = 3
    tangents = [rng.standard_normal((k, *x.shape)) for x in xs]
    cotangents = rng.standard_normal((k, *y.shape))
    pushed = push_forward(path, {a.index: t for a, t in zip(leaves, tangents, strict=True)}, lead=(k,))[
        y.index
    ]
    pulled = pull_back(path, {y.index: cotangents}, lead=(k,))
    for i in range(k):
        one = push_forward(path, {a.index: t[i] for a, t in zip(leaves, tangents, strict=True)})[y.index]
        np.testing.assert_allclose(pushed[i], one, rtol=1e-12, atol=1e-13)
        back = pull_back(path, {y.index: cotangents[i]})
        for a in leaves:
            if a.index in back:
                np.testing.assert_allclose(pulled[a.index][i], back[a.index], rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("row", TABLE, ids=IDS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_gradients_and_tangents_keep_the_dtype(row, dtype):
    _, f, *xs = row
    xs = [x.astype(dtype) for x in xs]
    out, pullback = mg.vjp(f, *xs)
    for x, g in zip(xs, pullback(np.ones_like(out)), strict=True):
        assert g.dtype == dtype
        assert g.shape == x.shape
    out, tangent = mg.jvp(f, xs, [np.ones_like(x) for x in xs])
    assert tangent.dtype == out.dtype
    for i, x in enumerate(xs):  # one input of the other precision: each gradient keeps its own input's
        mixed = [z.astype(np.float32) if j == i else z.astype(np.float64) for j, z in enumerate(xs)]
        out, pullback = mg.vjp(f, *mixed)
        assert [g.dtype for g in pullback(np.ones_like(out))] == [z.dtype for z in mixed], x.shape


def test_every_op_of_the_registry_has_a_row():
    """The table would not be the table if an op could be added without one."""
    seen = set()
    for _, f, *xs in TABLE:
        leaves = [Tensor(x, requires_grad=True) for x in xs]
        path = between(leaves, [f(*leaves)])
        seen |= {node.op.name for node in path.nodes}
    modules = (mg.ops.elementwise, mg.ops.index, mg.ops.linalg, mg.ops.reduce, mg.ops.shape)
    ops = [x for module in modules for x in vars(module).values()] + list(mg.tensor.RULES.values())
    # of rules, or complex
    inside = {
        "one_minus_square", "secant", "cosine", "sigmoid_slope", "scale", "select", "ratio", "add_along_axis",
        "scatter", "place", "real", "imag", "conjugate",
    }  # fmt: skip
    names = {op.name for op in ops if isinstance(op, mg.Op) and op.pulls} - seen - inside
    assert not names, f"give {names} a row in the table of tests/minigrad/test_ops.py"


@pytest.mark.parametrize("shape", [(0,), (2, 0), (0, 3)])
@pytest.mark.parametrize(
    "f",
    [np.sin, np.sum, lambda x: x * 2 + x, lambda x: np.reshape(x, (-1,)), lambda x: x[:0],
        lambda x: np.sum(x, axis=0),
     lambda x: x.T @ x, np.prod, lambda x: np.concatenate([x, x]), lambda x: np.where(x > 0, x, 0)],
)  # fmt: skip
def test_empty_arrays(shape, f):
    x = np.zeros(shape)
    out, pullback = mg.vjp(f, x)
    assert out.shape == np.shape(f(x))
    assert pullback(np.zeros_like(out))[0].shape == shape
    assert mg.jvp(f, (x,), (x,))[1].shape == out.shape


def test_read_only_and_strided_views(rng):
    base = rng.standard_normal((4, 6))
    view = base[::-2, 1::2].T
    view.flags.writeable = False
    check_derivatives(lambda x: np.tanh(x) @ x.T, view)
