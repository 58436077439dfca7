"""One table of ops drives the derivative tests: op × mode × order × batching × dtype.

A row is a name, a function of arrays written in NumPy, and the arrays to check it at. A new op gets a row in
the file of its topic under `rows`."""

import sys
import warnings
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

import minigrad as mg
from minigrad import Tensor, check_derivatives
from minigrad.arraylike import LATE
from minigrad.slices import between
from minigrad.sweeps import pull_back, push_forward

ROWS = Path(__file__).parent / "rows"
TABLE = [
    row
    for file in sorted(ROWS.glob("*.py"))
    for row in getattr(import_module(f"tests.minigrad.rows.{file.stem}"), "TABLE", ())
]
IDS = [row[0] for row in TABLE]


@pytest.mark.parametrize("row", TABLE, ids=IDS)
def test_derivatives_of_three_orders(row):
    _, f, *xs = row
    check_derivatives(f, *xs, order=3)


@pytest.mark.further
@pytest.mark.parametrize("row", TABLE, ids=IDS)
def test_derivatives_inside_another_function(row):
    """A linear op alone would never have its transpose recorded."""
    _, f, *xs = row
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
    for name in LATE:
        import_module(name)
    fused = "minigrad.ops.fused"  # the losses have tests of their own
    modules = [m for name, m in sys.modules.items() if name.startswith("minigrad.ops.") and name != fused]
    ops = [x for module in modules for x in vars(module).values()] + list(mg.tensor.RULES.values())
    # of rules, or complex
    inside = {
        "one_minus_square", "secant", "cosine", "sigmoid_slope", "scale", "select", "ratio", "add_along_axis",
        "scatter", "place", "real", "imag", "conjugate",
    }  # fmt: skip
    names = {op.name for op in ops if isinstance(op, mg.Op) and op.pulls} - seen - inside
    assert not names, f"give {names} a row in a file under tests/minigrad/rows"


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
