"""Replay against eager: every row of the table of ops, and random graphs, called several times: 100 of them,
and 400 others with `-m further`.

Results are compared with those of the same function on Tensors. Nothing that was returned may change later,
nor share memory with anything; inputs are never written to. The whole of a graph is compared bit for bit
where it has only operations whose rounding does not depend on the layout in memory, else to 1e-12 of its
largest number (1e-5 in float32)."""

import warnings

import numpy as np
import pytest

import minigrad as mg
from minigrad import Tensor, hvp, jvp, no_grad, value_and_grad
from minigrad.trees import flatten
from tests.minigrad.test_ops import TABLE
from tests.seeds import further


def eager(f, xs):
    """What f gives on Tensors, as arrays."""
    with no_grad():
        return [np.asarray(y.primal if isinstance(y, Tensor) else y) for y in flatten(f(*map(Tensor, xs)))[0]]


def transformed(f, xs):
    """What the transform f gives on arrays."""
    return [np.asarray(y.primal if isinstance(y, Tensor) else y) for y in flatten(f(*xs))[0]]


def assert_alike(found, expected, exact, wide):
    assert len(found) == len(expected)
    most = max([1.0, *(float(np.abs(y).max()) for y in expected if y.size and y.dtype.kind in "fc")])
    for a, b in zip(found, expected, strict=True):
        assert type(a) is np.ndarray
        assert (a.dtype, a.shape) == (b.dtype, b.shape)
        if exact or b.dtype.kind not in "fc":
            assert_same(a, b)
        else:
            np.testing.assert_allclose(a, b, rtol=0, atol=(1e-12 if wide else 1e-5) * most)


def assert_same(a, b):
    if a.tobytes() != b.tobytes():  # NaNs may differ in their bits, zeros must not
        np.testing.assert_array_equal(a, b)
        for part in (np.real, np.imag):
            zero = part(a) == 0
            np.testing.assert_array_equal(np.signbit(part(a)[zero]), np.signbit(part(b)[zero]))


def check(f, draws, exact=False, reference=eager, wide=True):
    """f compiled, on each of several draws of its arguments, against f itself; `wide`: nothing in it is of
    float32."""
    compiled = mg.compile(f)
    kept = []
    for i, xs in enumerate(draws):
        before = [x.copy() for x in xs]
        result = compiled(*xs)
        found = flatten(result)[0]
        for x, b in zip(xs, before, strict=True):
            assert_same(x, b)
        for n, y in enumerate(found):
            assert not any(np.may_share_memory(y, x) for x in (*xs, *found[:n])) or not y.size
            assert y.flags.writeable
        expected = reference(f, xs)
        assert_alike(found, expected, exact, wide)
        if i % 2:  # of every other result only views stay alive
            found = [y[..., ::-1] if y.ndim else y.reshape(1) for y in found]
        kept.append((found, [y.copy() for y in found]))
    for found, copies in kept:
        for y, copy in zip(found, copies, strict=True):
            assert_same(y, copy)
    return compiled


@pytest.mark.parametrize("dtype", [np.float32, float, complex])
def test_zeros_of_other_signs_are_not_the_same(dtype):
    zero = np.zeros(1, dtype)
    nan = zero * np.nan
    assert_same(np.append(zero, nan), np.append(zero, -nan))
    for other in (-zero, -np.conj(zero)):
        with pytest.raises(AssertionError):
            assert_same(zero, other)


# of a real matrix; its values decide whether the result is complex, so this is not captured
EIG = {"eig", "eig, as it is", "eigvals", "eigvals, complex pair"}


ROWS = pytest.mark.parametrize("row", [row for row in TABLE if row[0] not in EIG], ids=lambda row: row[0])


def loss_of(f):
    return lambda *xs: np.sum(np.sin(f(*xs)))


def drawn_for(row):
    rng = np.random.default_rng(1)
    return [[x * rng.uniform(0.9, 1.0, x.shape) for x in row[2:]] for _ in range(3)]


@ROWS
def test_every_op_of_the_table(row):
    f, draws = row[1], drawn_for(row)
    check(f, draws)
    check(value_and_grad(loss_of(f), tuple(range(len(row[2:])))), draws, reference=transformed)


@pytest.mark.further
@ROWS
def test_every_op_of_the_table_in_float32_and_at_second_order(row):
    f, draws = row[1], drawn_for(row)
    check(f, [[x.astype(np.float32) for x in xs] for xs in draws], wide=False)
    gradient = value_and_grad(loss_of(f), tuple(range(len(row[2:]))))
    check(lambda *xs: jvp(gradient, xs, tuple(0.5 * x for x in xs)), draws, reference=transformed)


# Random graphs

EXACT = ["add", "subtract", "multiply", "maximum", "minimum", "where", "negative", "absolute", "square",
         "root", "divide", "reshape", "transpose", "slice", "broadcast", "concatenate", "gather", "cast",
         "number", "constant", "again", "expand", "relu", "clip", "scatter"]  # fmt: skip
ROUNDED = [
    "sum",
    "mean",
    "matmul",
    "exp",
    "tanh",
    "sin",
    "sigmoid",
    "softmax",
    "cube",
    "max",
    "std",
    "sort",
    "norm",
]

COMPLEX = ["add", "subtract", "multiply", "negative", "reshape", "transpose", "slice", "concatenate",
           "number", "square", "expand", "broadcast", "matmul", "exp", "sum"]  # fmt: skip


class Graph:
    """A random function of a few arrays, made of a list of instructions, and draws of its arguments."""

    def __init__(self, seed):
        rng = self.rng = np.random.default_rng(seed)
        kind = (
            "complex"
            if seed % 19 == 7
            else "mixed"
            if seed % 3 == 0
            else "float32"
            if seed % 3 == 1
            else "float64"
        )
        self.exact = seed % 2 == 0 and kind != "complex"
        large = seed % 40 == 0
        self.shapes = []
        for _ in range(int(rng.integers(1, 4))):
            ndim = int(rng.choice([0, 1, 2, 2, 3]))
            shape = tuple(int(n) for n in rng.choice([1, 2, 3, 4] if seed % 11 else [0, 1, 3], ndim))
            self.shapes.append((150, 70) if large else shape)
        self.dtypes = [
            np.dtype(
                np.complex128
                if kind == "complex"
                else kind
                if kind != "mixed"
                else ["float32", "float64"][int(rng.integers(2))]
            )
            for _ in self.shapes
        ]
        self.with_index = seed % 5 == 0 and kind != "complex"
        self.constants = []
        self.program = []
        values = [x for x in self.draw() if x.dtype.kind != "i"]
        vocabulary = COMPLEX if kind == "complex" else EXACT if self.exact else EXACT + ROUNDED
        while len(self.program) < rng.integers(3, 16):
            step = self.instruction(str(rng.choice(vocabulary)), values)
            if step is not None:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    y = np.asarray(self.run(step, values, np.zeros(3, int)))
                if (
                    y.size <= 50_000
                    and y.ndim < 6
                    and np.isfinite(y).all()
                    and np.abs(y).max(initial=0) < 1e3
                ):
                    self.program.append(step)
                    values.append(y)
        # outputs: values, inputs, views of inputs, the same twice
        self.outputs = [int(i) for i in rng.integers(0, len(values), int(rng.integers(1, 5)))] + [
            len(values) - 1
        ]

    def draw(self):
        rng = self.rng
        xs = []
        for shape, dtype in zip(self.shapes, self.dtypes, strict=True):
            x = rng.uniform(-1.5, 1.5, shape)
            x = np.asarray(x + 1j * rng.uniform(-1, 1, shape) if dtype.kind == "c" else x).astype(dtype)
            if x.ndim and rng.integers(3) == 0:  # not contiguous, or read-only
                wide = np.repeat(x, 2, axis=-1)
                x = wide[..., ::2] if rng.integers(2) else np.asfortranarray(x)
                x.flags.writeable = False
            xs.append(x)
        return [*xs, *([rng.integers(0, 1 << 20, 3)] if self.with_index else [])]

    def instruction(self, name, values):  # noqa: C901  # one branch for each kind of instruction
        """(name, operands, static parameters), or None if it does not apply."""
        rng = self.rng
        i = int(rng.integers(0, len(values)))
        x = values[i] if rng.integers(2) else values[-1]
        i = next(n for n, v in enumerate(values) if v is x)
        fitting = [n for n, v in enumerate(values) if self.broadcasts(v.shape, x.shape)]
        j = int(rng.choice(fitting or [i]))
        if name == "reshape":
            return name, (i,), [(-1,), x.shape[::-1], (1, *x.shape)][int(rng.integers(3))] if x.size else (0,)
        if name == "transpose":
            return name, (i,), tuple(int(a) for a in rng.permutation(x.ndim))
        if name == "slice":
            one = [
                slice(None),
                slice(None, None, -1),
                slice(1, None),
                slice(None, None, 2),
                slice(-1, None, -2),
                0,
                -1,
                None,
            ]
            index = tuple(one[int(rng.integers(len(one)))] for _ in range(x.ndim))
            fits = all(
                x.shape[a] for a, k in enumerate(k for k in index if k is not None) if isinstance(k, int)
            )
            return (name, (i,), index) if fits else None
        if name == "broadcast":
            return (name, (i,), (int(rng.integers(1, 3)), *x.shape)) if x.ndim < 3 and x.size < 500 else None
        if name == "concatenate":
            same = [n for n, v in enumerate(values) if v.shape == x.shape]
            return (name, (i, int(rng.choice(same))), int(rng.integers(-x.ndim, x.ndim))) if x.ndim else None
        if name in ("gather", "scatter"):
            return (
                (name, (i,), int(rng.integers(2)))
                if x.ndim and x.shape[0] and (self.with_index or name == "gather")
                else None
            )
        if name in ("sum", "mean", "max", "std", "norm"):
            if not x.size:
                return None
            axis = [None, *range(-x.ndim, x.ndim)][int(rng.integers(2 * x.ndim + 1))]
            return name, (i,), (axis, bool(rng.integers(2)))
        if name in ("softmax", "sort"):
            return (name, (i,), int(rng.integers(-x.ndim, x.ndim))) if x.ndim and x.size else None
        if name == "matmul":
            other = [
                n
                for n, v in enumerate(values)
                if x.ndim
                and v.ndim
                and v.shape[-2 if v.ndim > 1 else 0] == x.shape[-1]
                and (v.ndim < 3 or x.ndim < 3)
            ]
            return (name, (i, int(rng.choice(other))), None) if other else None
        if name == "number":
            return name, (i,), [2, 0.5, -1.0, 1, True, 1e-3][int(rng.integers(6))]
        if name == "constant":
            self.constants.append(np.asarray(rng.uniform(-1, 1, x.shape)).astype(x.dtype))
            if rng.integers(2):
                self.constants[-1].flags.writeable = False
            return name, (i,), len(self.constants) - 1
        if name == "cast":
            return name, (i,), [np.float32, np.float64][int(rng.integers(2))]
        if name == "again":  # the same subgraph twice
            return name, (i, j), None
        return name, (i, j), None

    @staticmethod
    def broadcasts(a, b):
        try:
            return len(np.broadcast_shapes(a, b)) <= 3
        except ValueError:
            return False

    def run(self, step, values, index):
        name, operands, p = step
        x, y = values[operands[0]], values[operands[-1]]
        if name == "concatenate":
            return np.concatenate([x, y], axis=p)
        if name == "gather":
            return x[index % x.shape[0]] if p and self.with_index else x[np.array([0, x.shape[0] - 1, 0])]
        if name == "scatter":
            return mg.index_add(x, index % x.shape[0], x[:1])
        if name == "softmax":
            return mg.softmax(x, p)
        if name in ("mean", "sum", "max", "std"):
            return getattr(np, name)(x, axis=p[0], keepdims=p[1])
        if name == "norm":
            return np.linalg.norm(x, axis=p[0], keepdims=p[1])
        return {
            "add": lambda: x + y,
            "subtract": lambda: x - y,
            "multiply": lambda: x * y,
            "maximum": lambda: np.maximum(x, y),
            "minimum": lambda: np.minimum(x, y),
            "where": lambda: np.where(x > y, x, 2 * y),
            "negative": lambda: -x,
            "absolute": lambda: np.abs(x),
            "square": lambda: x * x,
            "root": lambda: np.sqrt(1 + np.abs(x)),
            "divide": lambda: x / (1 + y * y),
            "reshape": lambda: np.reshape(x, p),
            "transpose": lambda: np.transpose(x, p),
            "slice": lambda: x[p],
            "broadcast": lambda: np.broadcast_to(x, p),
            "cast": lambda: x.astype(p),
            "number": lambda: p * x + p,
            "constant": lambda: x * self.constants[p] - self.constants[p],
            "again": lambda: (x * y + x) * (x * y + x),
            "expand": lambda: np.expand_dims(x, 0)[..., None],
            "relu": lambda: mg.relu(x),
            "clip": lambda: np.clip(x, -0.5, 0.5),
            "matmul": lambda: np.matmul(x, y),
            "exp": lambda: np.exp(0.3 * x),
            "tanh": lambda: np.tanh(x),
            "sin": lambda: np.sin(x),
            "sigmoid": lambda: mg.sigmoid(x),
            "cube": lambda: x**3,
            "sort": lambda: np.sort(x, axis=p),
        }[name]()

    def __call__(self, *xs):
        index = xs[-1] if self.with_index else None
        values = list(xs[:-1] if self.with_index else xs)
        for step in self.program:
            values.append(self.run(step, values, index))
        return tuple(values[i] for i in self.outputs)

    def loss(self, *xs):
        return sum(np.sum(y * y) for y in self(*xs)) * 0.1

    def along(self, *xs):
        n = len(self.shapes)
        return jvp(lambda *z: self(*z, *xs[n:]), xs[:n], [np.sin(x) for x in xs[:n]])

    def product(self, *xs):
        return hvp(lambda z: self.loss(z, *xs[1:]), xs[0], np.cos(xs[0]))


def calls(graph, n):
    """n draws on which the graph stays moderate."""
    return [graph.draw() for _ in range(n)]


@pytest.mark.filterwarnings("ignore:.* encountered in:RuntimeWarning")
@pytest.mark.parametrize("block", [*range(4), *further(*range(4, 20))])
def test_random_graphs(block):
    for seed in range(25 * block, 25 * block + 25):
        graph = Graph(seed)
        wide = not any(d == np.float32 for d in graph.dtypes) and not any(
            s[2] is np.float32 for s in graph.program
        )
        try:
            check(graph, calls(graph, 4), graph.exact, wide=wide)
            if graph.dtypes[0].kind == "c":
                continue
            floats = tuple(range(len(graph.shapes)))
            draws = calls(graph, 3)
            if seed % 4 < 2:
                check(value_and_grad(graph.loss, floats), draws, reference=transformed, wide=wide)
            elif seed % 4 == 2:
                check(graph.along, draws, reference=transformed, wide=wide)
            else:
                check(graph.product, draws, reference=transformed, wide=wide)
        except Exception as error:
            error.add_note(
                f"seed {seed}: {graph.program}, outputs {graph.outputs}, shapes {graph.shapes} {graph.dtypes}"
            )
            raise
