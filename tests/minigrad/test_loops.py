"""Captured lines as loops, run by Node: each number is Python's, with its NaN, ∞ and sign of zero.

The cases of a table run in one process of Node, which the fixture `found` starts when the first is asked for.
"""

import functools
import itertools
import json
import math
from contextlib import suppress
from functools import partial

import numpy as np
import pytest

import minigrad as mg
import models
from benchmarks.random_programs import programs
from minigrad import CaptureError, Tensor
from minigrad.extend import Op, apply, elementwise, printed, scale, select
from minigrad.loops.functions import FUNCTIONS, helpers
from minigrad.loops.javascript import number
from minigrad.loops.lowering import ELEMENTWISE
from minigrad.ops.index import put_along_op
from models.activations import ACTIVATIONS, gelu
from optim.laboratory.printed import forward_script, objective_script
from tests.javascript import run
from tests.minigrad.loop_programs import PROGRAMS
from tests.minigrad.test_ops import TABLE
from tests.problems import leaf
from tests.seeds import further

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")

INF, NAN = np.inf, np.nan
POINTS = np.array(
    [0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 1.5, -1.5, 2.5, 0.3, -0.7, 3.0, -7.25, 1e-300, 700.0, -745.5, 1e300,
     INF, -INF, NAN]
)  # fmt: skip
BINARY = {f for f in ELEMENTWISE if f.nin == 2}
OF_BITS = {np.bitwise_and, np.bitwise_or, np.bitwise_xor, np.invert}


def value(y):
    return y.primal if isinstance(y, Tensor) else np.asarray(y)


def outcome(f, *args):
    """What f gives in Python, for arrays that a capture would trace."""
    return value(f(*map(Tensor, args)))


def text_of(f, *args):
    return f"({forward_script(f, [], args)}).run(new Float64Array(0))"


def same(got, want, rtol=1e-13):
    """Assert equality of shape, NaN, ∞ and signs of zeros, and of the rest to a relative error."""
    got, want = np.asarray(got, float).reshape(np.shape(want)), np.asarray(want, float)
    np.testing.assert_array_equal(np.isnan(got), np.isnan(want))
    zero = want == 0
    np.testing.assert_array_equal(np.signbit(got[zero]), np.signbit(want[zero]))
    np.testing.assert_allclose(got, want, rtol=rtol, atol=0)


# Elementwise

A, B = (x.ravel() for x in np.meshgrid(POINTS, POINTS))
WHOLE = np.array([-7, -3, -1, 0, 1, 2, 5])
M, N = (x.ravel() for x in np.meshgrid(WHOLE, WHOLE))
TRUE = np.array([True, True, False, False]), np.array([True, False, True, False])


def elementwise_cases():
    for f in ELEMENTWISE:
        if f not in OF_BITS:
            args = (A, B) if f in BINARY else (POINTS,)
            yield f.__name__, f, args
    for f in (
        np.add,
        np.multiply,
        np.logical_xor,
        np.bitwise_and,
        np.bitwise_or,
        np.bitwise_xor,
        np.equal,
        np.maximum,
    ):
        yield f"{f.__name__} of bools", f, TRUE
    yield "invert of bools", np.invert, TRUE[:1]
    for f in (
        np.add,
        np.subtract,
        np.multiply,
        np.floor_divide,
        np.remainder,
        np.divide,
        np.less,
        np.maximum,
    ):
        yield f"{f.__name__} of integers", f, (M, N)
    for f in (np.negative, np.absolute, np.sign, np.square):
        yield f"{f.__name__} of integers", f, (WHOLE,)
    yield "integers beside floats", lambda a, b: a * b, (M, N / 3)
    yield "bools beside floats", lambda a, b: (a > 0) * b + (b > 0), (A, B)
    yield "where of floats", lambda a, b: np.where(a, b, -b), (A, B)
    yield "where of bools", lambda a, b: np.where(a < b, a, b), (A, B)
    yield "a power of a number", lambda a: a**3 + a**-2 + a**0.5, (POINTS,)
    yield "to integers", lambda a: a.astype(np.int64), (np.array([1.7, -1.7, 0.0]),)
    yield "to bools", lambda a: a.astype(bool), (POINTS,)
    yield "of integers to floats", lambda a: a.astype(float) / 2, (WHOLE,)
    yield "select of bools", lambda a, b: select(a, b > 0), (A, B)
    for name in ("relu", "sigmoid", "softplus", "softmax", "log_softmax", "logsumexp"):
        yield name, getattr(mg, name), (POINTS[:-3],)
    beside_infinity = np.array([[1.0, INF, 2.0], [-INF, 0.0, 1.0], [1000.0, 0.0, 1000.0]])
    yield "softmax beside infinity", mg.softmax, (beside_infinity,)
    for name in ("erf", "erfc", "ndtr", "entr", "xlogy"):
        yield name, getattr(mg.special, name), (A, B) if name == "xlogy" else (POINTS,)


# Shapes


def moving_cases():
    rng = np.random.default_rng(1)
    x, y, v = rng.normal(size=(3, 4)), rng.normal(size=(2, 3, 4)), rng.normal(size=5)
    i = np.array([2, 0, 2, -1])
    yield "transposed and added", lambda x: x.T + x.T[::-1], (x,)
    yield "a computed square transposed", lambda x: (x[:, :3] * 2).T - x[:, :3] * 2, (x,)
    yield "a computed array backwards", lambda v: (v * 2)[::-1] + v * 2, (v,)
    yield "sliced backwards", lambda y: y[1, ::-1, 1::2], (y,)
    yield "an element", lambda y: y[1, 2, 3] * y[0, 0, 0], (y,)
    yield "new axes", lambda v: v[:, None] * v[None, 1:], (v,)
    yield "reshaped", lambda x: x.reshape(2, 6) + 1, (x,)
    yield "reshaped after a transpose", lambda x: x.T.reshape(2, 6) * np.arange(6.0), (x,)
    yield "transposed of three axes", lambda y: np.transpose(y, (2, 0, 1)) - 1, (y,)
    yield "flipped", lambda y: np.flip(y, 1) * y, (y,)
    yield "broadcast", lambda x: np.broadcast_to(x[:, None], (3, 2, 4)) * x[:, :1, None], (x,)
    yield "numbers", lambda x: x * 3 - x, (np.array(2.0),)
    yield "empty", lambda x: np.sum(x[:0], axis=0) + x[0, :0].sum(), (x,)
    yield "an empty result", lambda x: x[:0] * 2, (x,)
    yield "joined", lambda x, v: np.concatenate([x.ravel(), v, v[:0], x[0]]), (x, v)
    yield "joined along columns", lambda x: np.concatenate([x, x[:, ::-1], x[:, :1]], axis=1), (x,)
    yield "stacked", lambda v: np.stack([v, v * v], axis=1), (v,)
    for axis in (None, 0, 1, -1, (0, 2), (0, 1, 2)):
        for keepdims in (False, True):
            for f in (np.sum, np.mean, np.max, np.min, np.prod):
                name = f"{f.__name__} over {axis}{' kept' * keepdims}"
                yield name, lambda y, f=f, a=axis, k=keepdims: f(y, axis=a, keepdims=k), (y,)
    yield "sum of a transpose", lambda x: np.sum(x.T * np.arange(4.0)[:, None], axis=0), (x,)
    yield "sum of bools", lambda x: np.sum(x > 0, axis=1), (x,)
    yield "var and std", lambda y: np.var(y, axis=1) + np.std(y, axis=1), (y,)
    yield "a NaN in max", lambda x: np.max(np.where(x == x[1, 1], NAN, x), axis=0), (x,)
    yield "gathered rows", lambda x, i: x[i], (x, i)
    yield "gathered along the middle", lambda y, i: y[:, i, 1:], (y, i)
    yield "gathered by two", lambda y, i: y[i % 2, :, i], (y, i)
    yield "gathered by two together", lambda y, i: y[0, i, i], (y, i)
    yield "gathered by a grid", lambda x, i: x[i[:, None], i[None, :3]], (x, i)
    yield "taken along", lambda x, i: np.take_along_axis(x, i[None], 0), (x, i)
    columns = np.array([[1, 0, 1, 3]])
    yield "put along", lambda x: put_along_op(x[:1], columns, axis=1, shape=(1, 4)), (x,)
    for k, row in enumerate(np.array([[3, 4], [0, 0], [3e200, 4e200], [3e-200, 4e-200], [INF, 1], [NAN, 1]])):
        yield f"norm {k}", np.linalg.norm, (row,)
    yield (
        "norms",
        lambda y: np.linalg.norm(y, axis=1) + np.linalg.norm(y, axis=(0, 1), keepdims=True)[0],
        (y,),
    )
    yield "rolled", lambda x: np.roll(x, 5) - np.roll(x, (1, -1), (0, 1)), (x,)
    yield "padded", lambda x: np.pad(x, 1) + np.pad(x, 1, "reflect"), (x,)
    yield "a triangle", lambda x: np.tril(x, 1) * np.triu(x), (x,)
    yield "repeated and inserted", lambda x: np.insert(np.repeat(x, 2, axis=1), 1, 3.0, axis=0), (x,)
    yield "index_add", lambda x, i: mg.index_add(x, i, np.arange(4.0)), (x, i)


def product_cases():
    rng = np.random.default_rng(2)
    shapes = [
        ((2, 3), (3, 4)), ((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 4)), ((5, 2, 3), (3, 4)),
        ((2, 3), (5, 3, 4)), ((5, 2, 3), (5, 3, 4)), ((5, 1, 2, 3), (2, 3, 4)), ((2, 0), (0, 3)),
        ((1, 3), (3, 1)),
    ]  # fmt: skip
    for a, b in shapes:
        yield f"{a} @ {b}", lambda a, b: a @ b, (rng.normal(size=a), rng.normal(size=b))
    x, w, b = rng.normal(size=(5, 3)), rng.normal(size=(3, 4)), rng.normal(size=4)
    yield "linear", mg.linear, (x, w, b)
    yield "linear of transposes", lambda x, w, b: mg.linear(x.T[:, :4], w.T, x[0]), (x, w, b)
    yield "products of transposes", lambda x, w: (w.T @ x.T) + (x @ w).T, (x, w)
    yield "outer", lambda x, b: np.outer(x[0], b), (x, b)
    yield "tensordot", lambda x, w: np.tensordot(x, w, axes=([1], [0])), (x, w)


CASES = {
    name: (f, args) for name, f, args in itertools.chain(elementwise_cases(), moving_cases(), product_cases())
}
ZEROS_WIN = {"scale": scale, "select": select}
CASES |= {name: (op, (A, B)) for name, op in ZEROS_WIN.items()}


def test_the_error_function_has_pythons_digits(rng):
    """By a series and a continued fraction; the errors of `exp` and of the last divisions add up."""
    x = np.concatenate([np.linspace(-7, 28, 4001), rng.normal(size=2000), [0.84375, 1.25, 1 / 0.35, 28.0]])
    text = "\n".join([*helpers(["erf erfc"]), f"const x = {x.tolist()};"])
    found = run(f"{text} result = [x.map(erf), x.map(erfc)];")
    for got, f, ulps in zip(found, (math.erf, math.erfc), (1, 3), strict=True):
        want = np.array(list(map(f, x)))
        assert (np.abs(got - want) <= ulps * np.spacing(np.abs(want))).all()


@functools.cache
def table():
    texts = {name: text_of(f, *args) for name, (f, args) in CASES.items()}
    return run("\n".join(["result = {};", *(f"result[{json.dumps(k)}] = {v};" for k, v in texts.items())]))


@pytest.mark.parametrize("name", CASES)
def test_each_op_gives_numpys_numbers(name):
    f, args = CASES[name]
    if (
        name in ZEROS_WIN
    ):  # each pair by itself: beside an infinite one NumPy's way forgets the signs of zeros
        want = [f.forward(np.array(a), np.array(b)) for a, b in zip(*args, strict=True)]
    else:
        want = outcome(f, *args)
    same(table()[name], want)


# Whole functions: loss, gradient, and products with the Hessian

POINT = """
const problem = %s, w = new Float64Array(%s), v = new Float64Array(%s);
const [g, slope, hv] = [0, 0, 0].map(() => new Float64Array(w.length));
const loss = problem.gradient(w, g), again = problem.point(w);
problem.product(v, hv);
problem.pointGradient(slope);
result.push([loss, g, again, slope, hv]);
"""


def printed_point(loss, leaves, args=()):
    """The text that puts out loss, gradient and Hv at the leaves, and the same numbers of Python."""
    w = np.concatenate([p.data.ravel() for p in leaves])
    v = np.random.default_rng(0).normal(size=w.size)
    script = objective_script(loss, leaves, args, curvature=True)
    text = "{" + POINT % (script, json.dumps(w.tolist()), json.dumps(v.tolist())) + "}"
    ends = np.cumsum([p.size for p in leaves])[:-1]
    y = loss(*args)
    g, product = mg.gradient_and_hvp(y, leaves)
    hv = product([x.reshape(p.shape) for x, p in zip(np.split(v, ends), leaves, strict=True)])
    g, hv = (np.concatenate([np.ravel(x) for x in each]) for each in (g, hv))
    return text, (float(y.data), g, float(y.data), g, hv)


def largest(numbers):
    return np.abs(np.ravel(numbers)[np.isfinite(np.ravel(numbers))]).max(initial=0)


def compare(points, rtol=1e-12):
    """Run the texts in one process, and compare with Python; `rtol` is relative to the largest number."""
    found = run("\n".join(["result = [];", *(text for text, _ in points.values())]))
    for name, got, (_, wanted) in zip(points, found, points.values(), strict=True):
        for part, ours, theirs in zip(
            ("loss", "gradient", "loss at", "slope", "Hv"), got, wanted, strict=True
        ):
            atol = rtol * largest(theirs)
            if part in ("slope", "Hv"):  # where they are 0, rounding of the gradient's terms is left
                atol += 1e-15 * largest(wanted[1])
            np.testing.assert_allclose(ours, theirs, rtol=rtol, atol=atol, err_msg=f"{part} of {name}")


def net_points(seeds):
    """Nets of random sizes, activations and losses."""
    for seed in seeds:
        rng = np.random.default_rng(seed)
        sizes = [int(n) for n in rng.integers(1, 7, size=rng.integers(2, 5))]
        batch, activation = int(rng.integers(2, 8)), sorted(ACTIVATIONS)[seed % len(ACTIVATIONS)]
        net = models.MLP(sizes, activation=activation, rng=rng)
        for p in net.parameters():
            p.assign(p.data + 0.1 * rng.normal(size=p.shape))
        x, y = rng.normal(size=(batch, sizes[0])), rng.normal(size=(batch, sizes[-1]))
        labels, hits = rng.integers(0, sizes[-1], batch), (y > 0).astype(float)
        losses = {
            "cross entropy": (models.cross_entropy, labels),
            "smoothed": (
                lambda p, q: models.cross_entropy(p, q, label_smoothing=0.1, reduction="sum"),
                labels,
            ),
            "weighted": (lambda p, q: models.cross_entropy(p, q, weight=1.0 + np.arange(p.shape[1])), labels),
            "ignoring": (lambda p, q: models.cross_entropy(p, q, ignore_index=1), labels * 0),
            "of probabilities": (models.cross_entropy, np.abs(y) / np.abs(y).sum(axis=1, keepdims=True)),
            "mse": (models.mse_loss, y),
            "huber": (models.huber_loss, y),
            "l1": (models.l1_loss, y),
            "logistic": (models.binary_cross_entropy_with_logits, hits),
            "hinge": (models.hinge_loss, 2 * hits - 1),
        }
        name = list(losses)[int(rng.integers(len(losses)))]
        loss, target = losses[name]
        of = partial(lambda net, loss, x, target: loss(net(x), target), net, loss)
        yield f"{sizes} {activation} {name}", printed_point(of, list(net.parameters()), (x, target))


@pytest.mark.parametrize("seeds", [range(5), *further(range(5, 30))], ids=str)
def test_nets(seeds):
    compare(dict(net_points(seeds)))


def layer_points():
    rng = np.random.default_rng(3)
    x, labels = rng.normal(size=(6, 2)), rng.integers(0, 3, 6)
    for norm in (models.BatchNorm, models.LayerNorm, models.RMSNorm):
        for training in (True, False):
            net = models.Sequential(models.Linear(2, 4), norm(4), np.tanh, models.Linear(4, 3)).train(
                training
            )
            of = partial(lambda net: models.cross_entropy(net(x), labels), net)
            yield f"{norm.__name__} {training}", printed_point(of, list(net.parameters()))
    words = models.Sequential(models.Embedding(5, 3), models.Linear(3, 3))
    drawn = rng.integers(0, 5, 6)
    yield (
        "Embedding",
        printed_point(lambda i: models.cross_entropy(words(i), labels), list(words.parameters()), (drawn,)),
    )
    frozen = models.MLP([2, 3, 3])
    first, *others = frozen.parameters()
    first.requires_grad = False
    yield "frozen", printed_point(lambda: models.cross_entropy(frozen(x), labels), others)
    p, q = (Tensor(rng.normal(size=3), requires_grad=True) for _ in "pq")
    yield "a leaf that the loss does not reach", printed_point(lambda: np.sum(p**3), [q, p])
    yield "a linear loss", printed_point(lambda: np.sum(p * 2.0), [p])


# Of `tests/minigrad/rows`; the others are refused
SHORT = [
    "arctan2",
    "over_squares",
    "norm",
    "norm, axis",
    "roll, tuples",
    "erf",
    "ndtr",
    "pad, reflect odd",
    "add_back",
]


def row_points(names):
    """The sum of sin y, with weights, of each op with a row in the tables."""
    for name, f, *xs in TABLE:
        real = all(np.asarray(x).dtype.kind != "c" for x in xs)
        if real and (names is None or name in names):
            xs = [leaf(x) if np.asarray(x).dtype.kind == "f" else x for x in xs]
            leaves = [x for x in xs if isinstance(x, Tensor)]
            with suppress(TypeError, CaptureError):
                yield name, printed_point(partial(weighted, f, xs), leaves)


def weighted(f, xs):
    y = f(*xs)
    return np.sum(np.sin(y) * np.cos(np.arange(1.0, y.size + 1)).reshape(y.shape))


@pytest.mark.parametrize("names", [SHORT, *further(None)], ids=["short", "all"])
def test_ops_of_the_tables(names):
    points = dict(row_points(names))
    assert len(points) == (len(SHORT) if names else 362)
    compare(points, rtol=1e-11)


def test_an_exact_gelu_net():
    rng = np.random.default_rng(4)
    net = models.Sequential(
        models.Linear(2, 5, rng=rng), partial(gelu, approximate="none"), models.Linear(5, 1, rng=rng)
    )
    x, y = rng.normal(size=(8, 2)), rng.normal(size=(8, 1))
    of = lambda: models.mse_loss(net(x), y)  # noqa: E731
    compare({"gelu": printed_point(of, list(net.parameters()))})


def test_a_constant_behind_a_check_is_not_taken_for_its_stand_in():
    checked = elementwise(lambda x: x if x > 0 else 1 / 0, 1, name="checked")
    printed(checked, meaning=lambda x: +x)
    scaled = elementwise(lambda x, c: x * (1 + c), lambda y, x, c: 1 + c, None, name="scaled")
    p, c = Tensor([1.0, -2.0], requires_grad=True), np.array(2.0)
    script = objective_script(lambda: np.sum(scaled(p, 1.0 / apply(checked, (c,), {}))), [p])
    found = run(f"const g = new Float64Array(2); result = [{script}.gradient([1, -2], g), g];")
    assert found == [-1.5, [1.5, 1.5]]


def test_layers():
    compare(dict(layer_points()))


def program_points():
    for name, (f, x) in PROGRAMS.items():
        p = Tensor(x, requires_grad=True)
        with suppress(TypeError):  # it is refused
            yield name, printed_point(lambda f=f, p=p: np.sum(f(mg.numpy, p)), [p])


@pytest.mark.further
def test_programs_that_fill_arrays():
    points = dict(program_points())
    assert len(points) > len(PROGRAMS) / 2
    compare(points, rtol=1e-9)  # some cancel: their Hessians have entries of 1e10


def random_points(count, seed):
    for program in programs(count, seed):
        p = Tensor(program.x, requires_grad=True)
        with suppress(TypeError):  # norm is refused
            yield str(program), printed_point(lambda p=p, program=program: program.run(p), [p])


@pytest.mark.parametrize("count", [15, *further(300)])
def test_random_programs(count):
    """Half of them at special numbers: ±0, ±∞, NaN, 1e±200."""
    points = dict(random_points(count, 100))
    assert len(points) > count / 2
    compare(points, rtol=1e-11)


# What is refused


def refused(f, *leaves, args=()):
    with pytest.raises(TypeError) as error:
        objective_script(f, leaves, args)
    return str(error.value)


def test_what_cannot_be_printed_is_refused_by_name():
    p = Tensor([1.0, 2.0], requires_grad=True)
    rng = np.random.default_rng(0)
    assert refused(lambda: np.sum(p * mg.uniform(rng, (2,))), p).startswith("uniform cannot be printed")
    assert refused(lambda: np.sum(mg.special.erfinv(p)), p).startswith("erfinv cannot be printed")
    shown = elementwise(lambda x: np.cumsum(x), 1, name="shown")
    assert refused(lambda: np.sum(shown(p)), p).startswith("shown cannot be printed")
    rounded = elementwise(lambda x: (x.astype(np.float32) * 2).astype(float), 1, name="rounded")
    assert refused(lambda: np.sum(rounded(p)), p).startswith("rounded cannot be printed")
    own = Op("own", lambda x: np.asarray([float(x[0]), 0.0]))
    assert refused(lambda: np.sum(own(p) * p), p).startswith("own cannot be printed")
    single = Tensor(np.ones(2, np.float32), requires_grad=True)
    assert "needs Tensors of float64, got float32" in refused(lambda: np.sum(single), single)
    message = refused(lambda: np.sum(p * np.ones(2, np.float32) * np.float32(0.1)), p)
    assert "float32" in message
    message = refused(lambda X: np.sum(X.T * p), p, args=(np.ones(2, np.float32),))
    assert message.startswith("objective_script: the argument X is float32")
    assert "complex128" in refused(lambda: np.sum(np.abs(p * 1j)), p)
    assert "wrap around" in refused(lambda i: np.sum(p * (i * i)), p, args=(np.array([1, 2], np.int8),))
    assert "bits" in refused(lambda i: np.sum(p * i), p, args=(np.array([1, 1 << 40]),))


def test_an_op_of_ones_own_is_printed_by_its_text():
    softsign = elementwise(lambda x: x / (1 + np.abs(x)), lambda y, x: (1 - np.abs(y)) ** 2, name="softsign")
    p = Tensor([1.0, -2.0], requires_grad=True)
    compare({"softsign": printed_point(lambda: np.sum(softsign(p) * p), [p])})


def test_every_function_of_numbers_has_its_text():
    assert set(ELEMENTWISE.values()) - {f.__name__ for f in OF_BITS} <= set(FUNCTIONS)


def test_numbers_survive():
    numbers = [0.1, -0.0, 1e300, 5e-324, INF, -INF, NAN, 3, -3, True, 1 << 53]
    same(run(f"result = [{', '.join(map(number, numbers))}];"), numbers, rtol=0)
