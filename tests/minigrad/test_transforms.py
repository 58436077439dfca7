"""Transforms on trees, several arguments, auxiliary values, and input that does not fit."""

import itertools
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

import minigrad as mg
from minigrad import (
    StaleGraphError,
    Tensor,
    grad,
    gradient_and_hvp,
    hessian,
    hvp,
    jacobian,
    jvp,
    linearize,
    value_and_grad,
    vjp,
)
from minigrad.gauss_newton import GaussNewton

ROOT = Path(__file__).parents[2]


class Pair(NamedTuple):
    a: object
    b: object


PARAMS = {
    "w": np.array([[1.0, 2.0], [3.0, 4.0]]),
    "rest": [np.array([1.0, -1.0]), Pair(np.array(2.0), (np.array(3.0),))],
}


def f(p, scale=1.0):
    w, (b, (c, (d,))) = p["w"], p["rest"]
    return scale * (np.sum(np.tanh(w @ b)) * c + d * d * c)


def test_gradients_have_the_structure_of_the_argument():
    g = grad(f)(PARAMS)
    assert list(g) == ["w", "rest"]
    assert isinstance(g["rest"][1], Pair)
    assert isinstance(g["rest"][1].b, tuple)
    assert g["w"].shape == (2, 2)
    assert g["rest"][1].b[0] == 2 * 3 * 2
    np.testing.assert_allclose(grad(f)(PARAMS, scale=2.0)["w"], 2 * g["w"])


def test_argnums():
    h = lambda a, b, c: (a * b * c).sum()  # noqa: E731
    a, b, c = np.ones(2), 2 * np.ones(2), 3 * np.ones(2)
    np.testing.assert_array_equal(grad(h, argnums=1)(a, b, c), 3)
    ga, gc = grad(h, argnums=(0, 2))(a, b, c)
    np.testing.assert_array_equal(ga, 6)
    np.testing.assert_array_equal(gc, 2)
    np.testing.assert_array_equal(grad(h, argnums=-1)(a, b, c), 2)


def test_has_aux():
    def h(x):
        y = x * x
        return y.sum(), {"y": y, "n": 3}

    (value, aux), g = value_and_grad(h, has_aux=True)(np.ones(2))
    assert value == 2.0
    assert isinstance(aux["y"], np.ndarray)
    assert aux["n"] == 3
    np.testing.assert_array_equal(g, 2)


def test_unused_arguments_have_zero_gradient():
    g = grad(lambda p: p["a"] * 2)({"a": 1.0, "b": np.ones(3, np.float32)})
    np.testing.assert_array_equal(g["b"], np.zeros(3))
    assert g["b"].dtype == np.float32
    assert jvp(lambda x: np.ones(2), (1.0,), (1.0,))[1].tolist() == [0, 0]
    assert vjp(lambda x: np.ones(2), 1.0)[1](np.ones(2))[0] == 0.0


def test_trees_through_jvp_vjp_linearize():
    tangents = mg.trees.tree_map(np.ones_like, PARAMS)
    _, t = jvp(f, (PARAMS,), (tangents,))
    back = vjp(f, PARAMS)[1](1.0)[0]
    total = sum(float(np.sum(g)) for g in mg.trees.flatten(back)[0])
    assert t == pytest.approx(total)
    pushforward = linearize(f, PARAMS)[1]
    assert pushforward(tangents) == pytest.approx(float(t))
    assert pushforward(tangents) == pytest.approx(float(t)), "a push forward can be used again"


def test_outputs_may_be_trees():
    out, t = jvp(lambda x: {"s": np.sin(x), "c": [x * 2]}, (0.0,), (1.0,))
    assert (out["s"], t["s"], t["c"][0]) == (0.0, 1.0, 2.0)
    out, pullback = vjp(lambda x: (x * 2, x * 3), 1.0)
    assert pullback((1.0, 10.0))[0] == 32.0
    same = lambda x: (x * 1.0,) * 2  # noqa: E731  # one Tensor twice
    y = vjp(lambda x: list(same(x)), 1.0)[1]([1.0, 10.0])
    assert y[0] == 11.0


def test_hvp_of_trees():
    v = mg.trees.tree_map(np.ones_like, PARAMS)
    hv = hvp(f, PARAMS, v)
    H = hessian(f)(PARAMS)
    row = sum(np.sum(block.reshape(4, -1), axis=1) for block in mg.trees.flatten(H["w"])[0])
    np.testing.assert_allclose(hv["w"].ravel(), row)


def test_jacobian_both_ways():
    A = np.arange(6.0).reshape(2, 3)
    np.testing.assert_array_equal(jacobian(lambda x: A @ x)(np.ones(3)), A)
    np.testing.assert_array_equal(jacobian(lambda x: A.T @ x)(np.ones(2)), A.T)
    J = jacobian(lambda p: {"y": p["a"] * p["b"], "s": p["a"].sum()})({"a": np.ones(2), "b": 2 * np.ones(2)})
    np.testing.assert_array_equal(J["y"]["a"], 2 * np.eye(2))
    np.testing.assert_array_equal(J["y"]["b"], np.eye(2))
    np.testing.assert_array_equal(J["s"]["a"], [1, 1])
    np.testing.assert_array_equal(J["s"]["b"], [0, 0])


def test_jacobians_nest():
    T = jacobian(jacobian(jacobian(lambda x: (x**4).sum())))(np.array([1.0, 2.0]))
    assert T.shape == (2, 2, 2)
    assert T[0, 0, 0] == 24.0
    assert T[1, 1, 1] == 48.0
    assert np.count_nonzero(T) == 2
    assert grad(lambda x: hessian(lambda z: (z**3).sum())(x).sum())(np.array([1.0, 2.0])).tolist() == [
        6.0,
        6.0,
    ]


def test_the_hessian_of_an_mlp_takes_a_few_sweeps_not_one_per_column():
    X = np.linspace(-1, 1, 20).reshape(-1, 1)
    passes = []

    def counted(x):
        passes.append(1)
        return np.tanh(x)

    op = mg.elementwise(counted, lambda y, x: (passes.append(1), 1 - y * y)[1], name="counted")
    n = 30 + 30

    def loss(w):
        h = op(X @ w[:30].reshape(1, 30) + w[30:60])
        return (h * h).mean()

    H = hessian(loss)(np.linspace(-0.5, 0.5, n))
    assert H.shape == (n, n)
    assert len(passes) < 8


def test_complex_functions_are_holomorphic():
    z = np.array([0.3 + 0.4j, -1.0 + 0.1j])
    np.testing.assert_allclose(
        vjp(lambda z: np.exp(z) * z, z)[1](np.ones(2))[0], np.exp(z) * (1 + z), rtol=1e-14
    )
    np.testing.assert_allclose(jvp(np.tanh, (z,), (np.ones(2),))[1], 1 - np.tanh(z) ** 2, rtol=1e-13)


@pytest.mark.parametrize(("call", "error", "says"), [
    (lambda: grad(lambda x: x)(np.ones(2)), ValueError, r"scalar loss, got shape \(2,\)"),
    (lambda: grad(lambda x: 3.0)(1.0), TypeError, "must|needs f to return a Tensor"),
    (lambda: grad(lambda x: None)(1.0), TypeError, "NoneType"),
    (lambda: grad(lambda x: x, argnums=2)(1.0), TypeError, "argument 2"),
    (lambda: grad(lambda x: x)("a"), (TypeError, ValueError), "numbers|str"),
    (lambda: grad(lambda x: x)(np.arange(3)), TypeError, "int64"),
    (lambda: value_and_grad(lambda x: x, has_aux=True)(1.0), TypeError, "aux"),
    (lambda: jvp(lambda x: x, 1.0, 1.0), TypeError, "tuples"),
    (lambda: jvp(lambda x: x, (1.0,), (1.0, 2.0)), TypeError, "one length"),
    (lambda: jvp(lambda x: x, (np.ones(2),), (np.ones(3),)), ValueError, r"shape \(2,\), got \(3,\)"),
    (lambda: vjp(lambda x: x, np.ones(2))[1](np.ones(3)), ValueError, r"shape \(2,\), got \(3,\)"),
    (lambda: vjp(lambda x: (x, x), np.ones(2))[1](np.ones(2)), ValueError, "structure"),
    (lambda: hvp(lambda x: x.sum(), np.ones(2), np.ones(3)), ValueError, "shape"),
    (lambda: hvp(lambda x: x.sum(), np.ones(2), 1j * np.ones(2)), TypeError, "complex"),
    (lambda: linearize(lambda x: x, np.ones(2))[1](), ValueError, "structure"),
])  # fmt: skip
def test_bad_input(call, error, says):
    with pytest.raises(error, match=says):
        call()
    assert mg.mode.current.mode.recording


def test_returned_values_are_the_callers_own():
    x = np.ones(2)
    out, _ = vjp(lambda x: x, x)
    out[0] = 5
    assert x[0] == 1
    out, t = jvp(lambda x: +x, (x,), (x,))
    t[0] = 7
    assert x[0] == 1
    g = grad(lambda x: x.sum())(x)
    g[0] = 3
    assert grad(lambda x: x.sum())(x)[0] == 1


def test_modules_parameters_are_live_inside_transforms():
    w = Tensor(3.0, requires_grad=True)
    gx = grad(lambda x: w * x * x)(2.0)
    gx.backward()
    assert w.grad == 4.0


def test_linearize_runs_only_what_depends_on_the_tangents(matrix_products):
    """The GEMM count of a Hessian-vector product at fixed weights is 6L − 4 for L layers; a gradient has 3L −
    1."""
    rng = np.random.default_rng(0)
    sizes = (3, 5, 4, 2)
    p = [(rng.normal(size=(i, o)), rng.normal(size=o)) for i, o in itertools.pairwise(sizes)]
    x = rng.normal(size=(6, 3))

    def loss(p):
        h = x
        for w, b in p:
            h = np.tanh(mg.linear(h, w, b))
        return (h * h).sum()

    v = [(rng.normal(size=w.shape), rng.normal(size=b.shape)) for w, b in p]
    hv = linearize(grad(loss), p)[1]
    first = hv(v)
    matrix_products.clear()
    second = hv(v)
    assert len(matrix_products) == 6 * 3 - 4
    for a, b, c in zip(*(mg.trees.flatten(t)[0] for t in (first, second, hvp(loss, p, v))), strict=True):
        np.testing.assert_array_equal(a, b)
        np.testing.assert_allclose(a, c, rtol=1e-13)


A, B = np.arange(12.0).reshape(3, 4) / 7, np.arange(16.0).reshape(4, 4) / 5


@pytest.mark.parametrize(
    "f",
    [
        lambda x: (y := x * 2, y.T),  # a value and a view of it are both results
        lambda x: (y := np.sin(x) * 3, y * x),  # a result is used again
        lambda x: ((x * A).T, np.exp((x * A).T @ x)),  # the view is a result, what it shows is used again
        lambda x: np.reshape(np.sin(x), (4, 3)) @ np.sin(x) + np.tanh(x.T @ A),
        # in place of a transposed operand
        lambda x: (np.sin(x).T @ np.cos(x)).T * B + (np.sin(x).T @ np.cos(x)),
        lambda x: np.broadcast_to(np.sum(x * x, axis=0), (3, 4)) * x - x[::-1] * np.sum(x),
        lambda x: [x, x.T, 3.0 * x, np.sqrt(np.abs(x)), np.ones(2)],
    ],
)
def test_memory_that_linearize_uses_again_is_never_seen(f):
    """Directions in turn give what each gives by itself, and a result is not written to by later calls."""
    rng = np.random.default_rng(0)
    x, directions = rng.normal(size=(3, 4)), rng.normal(size=(4, 3, 4))
    push = linearize(f, x)[1]
    found = [mg.trees.flatten(push(t))[0] for t in (*directions, directions[0])]
    alone = [mg.trees.flatten(jvp(f, (x,), (t,))[1])[0] for t in (*directions, directions[0])]
    for some, others in zip(found, alone, strict=True):
        for a, b in zip(some, others, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-13, atol=1e-13)


def test_a_zero_still_wins_against_an_infinite_slope_in_memory_used_again():
    push = linearize(lambda x: np.exp(np.sqrt(3 * (x * x))), np.array([0.0, 1.0]))[1]
    for _ in range(3):
        np.testing.assert_allclose(push(np.array([0.0, 1.0])), [0, np.sqrt(3) * np.exp(np.sqrt(3))])


def test_a_push_forward_may_be_used_by_several_threads_at_once():
    rng = np.random.default_rng(1)
    w, x = rng.normal(size=(60, 60)), rng.normal(size=(300, 60))
    push = linearize(grad(lambda w: np.sum(np.tanh(np.tanh(x @ w) @ w))), w)[1]
    directions = rng.normal(size=(8, 60, 60))
    alone = [push(v) for v in directions]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(5):
            for a, b in zip(alone, pool.map(push, directions), strict=True):
                np.testing.assert_array_equal(a, b)


def test_linearize_gives_arrays_of_ones_own_and_may_be_differentiated():
    pushforward = linearize(lambda x: (x * x, x * 1.0), np.array([1.0, 2.0]))[1]
    a, b = pushforward(np.ones(2))
    a[:] = b[:] = 9
    np.testing.assert_array_equal(pushforward(np.ones(2))[0], [2, 4])
    assert grad(lambda t: pushforward(t)[0].sum())(np.ones(2)).tolist() == [2, 4]
    assert grad(lambda x: linearize(lambda z: z**3, x)[1](1.0))(2.0) == 12.0


# Gradient and products of a recorded loss


def recorded_loss():
    w, b = (
        Tensor(np.linspace(-1, 1, 6).reshape(2, 3), requires_grad=True),
        Tensor([0.3, -0.2, 0.1], requires_grad=True),
    )
    return np.tanh(np.array([[1.0, 2.0], [0.5, -1.0]]) @ w + b), [w, b]


@pytest.mark.parametrize("kind", ["hessian", "gauss-newton"])
def test_directions_at_once_are_those_one_by_one(kind):
    out, leaves = recorded_loss()
    loss = (out**2).sum()
    product = (
        gradient_and_hvp(loss, leaves)[1] if kind == "hessian" else GaussNewton(loss, out, leaves).product
    )
    vectors = [np.random.default_rng(0).normal(size=(70, *a.shape)) for a in leaves]
    at_once = product(vectors, lead=(70,))
    for i in range(70):
        for one, row in zip(product([v[i] for v in vectors]), at_once):
            np.testing.assert_allclose(row[i], one, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("bytes_at_once", [1, 3000, 1 << 30])
def test_directions_at_once_in_any_portions(bytes_at_once, monkeypatch):
    monkeypatch.setattr("minigrad.packing.PORTION_BYTES", bytes_at_once)
    w = Tensor(np.linspace(-1, 1, 7), requires_grad=True)
    product = gradient_and_hvp((w**3).sum(), [w])[1]
    np.testing.assert_allclose(product([np.eye(7)], lead=(7,))[0], np.diag(6 * w.data), rtol=1e-14)


@pytest.mark.parametrize("kind", ["hessian", "gauss-newton"])
def test_products_that_would_read_a_changed_graph_are_refused(kind):
    def product():
        out, leaves = recorded_loss()
        loss = (out**2).sum()
        made = (
            gradient_and_hvp(loss, leaves)[1] if kind == "hessian" else GaussNewton(loss, out, leaves).product
        )
        return made, leaves, [np.ones(a.shape) for a in leaves]

    ready, leaves, ones = product()
    before = ready(ones)
    leaves[0].assign(leaves[0].data + 1)
    for a, b in zip(ready(ones), before):  # what it needs it has read
        np.testing.assert_array_equal(a, b)
    with pytest.raises(StaleGraphError, match="changed before"):
        ready([v[None] for v in ones], lead=(1,))
    fresh, leaves, ones = product()
    leaves[1].assign(leaves[1].data + 1)
    with pytest.raises(StaleGraphError, match="changed before"):
        fresh(ones)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ((4, 3), (5, 3, 1)),
        ((4, 3), (2, 5, 3, 1)),
        ((5, 1, 3), (3, 4)),
        ((2, 5, 1, 3), (3, 4)),
        ((1, 3), (5, 3, 1)),
    ],
)
def test_a_matrix_times_a_stack_of_single_columns_or_rows(a, b):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=a), rng.normal(size=b)
    out = Tensor(x, requires_grad=True) @ Tensor(y, requires_grad=True)
    assert out.shape == (x @ y).shape
    np.testing.assert_allclose(out.data, x @ y, rtol=1e-13, atol=1e-15)


def test_errors_name_the_transform_that_was_called():
    integers, vector = np.array([1, 2]), lambda x: x * x
    for call, said in (
        (lambda: grad(np.sum)(integers), r"grad\(sum\) differentiates floating"),
        (lambda: grad(vector)(np.ones(2)), r"grad\(<lambda>\) needs a scalar"),
        (lambda: value_and_grad(vector)(np.ones(2)), r"value_and_grad\(<lambda>\) needs a scalar"),
        (lambda: hessian(vector)(np.ones(2)), r"grad\(<lambda>\) needs a scalar"),
        (lambda: grad(np.sum, argnums=2)(np.ones(2)), r"grad\(sum\): argument 2 is to be"),
        (lambda: hvp(np.sum, np.ones(2), np.ones(3)), r"jvp\(grad\(sum\)\)"),
    ):
        with pytest.raises((TypeError, ValueError), match=said):
            call()


@pytest.mark.parametrize("argnums", [(1, -1), (-2, 0)])
def test_an_argument_named_twice_is_refused(argnums):
    with pytest.raises(ValueError, match="each argument once"):
        grad(lambda x, y: (x * y).sum(), argnums)(np.ones(2), np.ones(2))


def test_jacobian_and_hessian_take_further_arguments():
    x = np.random.default_rng(0).normal(size=(5, 3))

    def loss(w, x, power=2):
        return np.sum((x @ w) ** power)

    np.testing.assert_allclose(hessian(loss)(np.ones(3), x, power=2), 2 * x.T @ x)
    np.testing.assert_allclose(jacobian(loss, 1)(np.ones(3), x), grad(loss, 1)(np.ones(3), x))
    a, b = np.ones(2), np.array([2.0, 3.0])
    first, second = jacobian(lambda a, b: a * b, (0, 1))(a, b)
    np.testing.assert_allclose(first, np.diag(b))
    np.testing.assert_allclose(second, np.diag(a))
    blocks = hessian(lambda a, b: np.sum(a * b), (0, 1))(a, b)
    np.testing.assert_allclose(blocks[0][1], np.eye(2))
    np.testing.assert_allclose(blocks[1][1], np.zeros((2, 2)))
    with pytest.raises(TypeError, match="argument 2 is to be"):
        jacobian(loss, 2)(a, b)


def test_grad_gives_aux():
    g, aux = grad(lambda x: (np.sum(x * x), "extra"), has_aux=True)(np.ones(2))
    assert g.tolist() == [2.0, 2.0]
    assert aux == "extra"


def test_a_parameter_called_out_is_the_users_own():
    gain = mg.linear_op("gain", lambda v, out=1.0: v * out, lambda g, v, out=1.0: g * out)
    x = np.array([1.0, 2.0, 3.0])
    found = mg.jacobian(lambda v: np.sin(gain(v * 3, out=2.0) * 5) * 7)(x)
    np.testing.assert_allclose(np.diagonal(found), 210 * np.cos(30 * x))


FRAMES = """
import os, sys
import numpy as np
import minigrad

ours, found = os.path.dirname(minigrad.__file__), []

def count(frame, event, _):
    if event == "call" and frame.f_code.co_filename.startswith(ours):
        found.append(frame.f_code.co_name)

x, both = np.ones(10), minigrad.value_and_grad(lambda x: np.sum(np.sin(x)))
both(x)
sys.setprofile(count)
both(x)
sys.setprofile(None)
print(*found)
"""


def test_a_gradient_takes_few_frames_of_ours():
    """The fixed cost of a derivative is Python frames; unlike time, their number does not depend on the
    machine. In a new process, so that it does not depend on other tests either."""
    command = [sys.executable, "-c", FRAMES]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    assert 20 < len(found) <= 37, found


PAGES = """
import resource
import numpy as np
from minigrad import value_and_grad

def faults(calls):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(calls):
        slope(x)
    return (resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) / calls

x = np.linspace(0.0, 1.0, 12_000)
slope = value_and_grad(lambda x: np.sum(np.sin(x) * np.cos(x) * x + x * x * x))
faults(5)
print(faults(20))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="counts page faults as Linux does")
def test_calls_keep_the_memory_of_their_arrays():
    command = [sys.executable, "-c", PAGES]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert float(found) < 5, found  # 24 pages for each of ten arrays, if the memory was given back


def test_the_cotangent_1_that_calls_share_is_handed_out_to_nobody():
    identity = grad(lambda x: x)
    first = identity(np.array([2.0]))
    first[:] = 7.0
    np.testing.assert_array_equal(identity(np.array([2.0])), [1.0])


@pytest.mark.parametrize("transform", [vjp, linearize])
def test_the_input_may_be_written_to_once_the_function_has_run(transform):
    x = np.array([1.0, 3.0])
    _, derivative = transform(lambda x: x * x, x)
    x[:] = 100.0
    np.testing.assert_array_equal(derivative(np.ones(2)), [[2.0, 6.0]] if transform is vjp else [2.0, 6.0])


def test_f_may_write_to_the_array_that_it_was_given():
    x = np.array([1.0, 3.0])

    def f(t):
        y = np.sum(t * t)
        x[:] = 100.0
        return y

    np.testing.assert_array_equal(grad(f)(x), [2.0, 6.0])


def test_without_a_recording_f_is_recorded_and_the_switch_is_put_back():
    with mg.no_grad():
        value, gradient = value_and_grad(lambda x: np.sum(x * x))(np.array([1.0, 3.0]))
        kept = (Tensor(2.0, requires_grad=True) * 3).requires_grad
    np.testing.assert_array_equal(gradient, [2.0, 6.0])
    assert (float(value), kept) == (10.0, False)


def _times_new_leaf(made):
    def f(x):
        made.append(Tensor(3.0, requires_grad=True))
        return x * x * made[-1]

    return f


def test_a_leaf_that_f_makes_is_live_for_the_gradient():
    made = []
    slope = grad(_times_new_leaf(made))(2.0)
    slope.backward()
    assert slope.item() == 12
    assert made[0].grad == 4


def test_a_source_that_f_does_not_use_records_nothing():
    w = Tensor(2.0, requires_grad=True)
    first, second = grad(lambda a, b: a * a, argnums=(0, 1))(3.0, w * 1)
    assert type(first) is type(second) is np.ndarray
    assert (first, second) == (6, 0)


@pytest.mark.parametrize("within", [True, False], ids=["made within f", "older"])
def test_a_pullback_is_stale_once_a_leaf_that_f_used_was_changed(within):
    made = [] if within else [Tensor(3.0, requires_grad=True)]
    f = _times_new_leaf(made) if within else lambda x: x * x * made[0]
    _, pullback = vjp(f, np.array(2.0))
    made[0].assign(5.0)
    with pytest.raises(StaleGraphError, match="changed after"):
        pullback(1.0)
