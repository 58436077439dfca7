"""Each pass by itself: it removes what it should and nothing else, and the rest still gives the function's
values."""

import numpy as np
import pytest

from minigrad import Tensor, uniform
from minigrad.replay import passes
from minigrad.replay.capture import captured
from minigrad.replay.lines import Line, foldable, lines_of, nodes_of
from minigrad.replay.stages import Stages

X, Y = np.random.default_rng(0).standard_normal((2, 3, 3))


def lines(f, *arrays):
    names = [f"x{i}" for i in range(len(arrays))]
    inputs, outputs, _, capture = captured(f, arrays, names, lambda new: (new, {}), "test")
    return lines_of(inputs, outputs, nodes_of(outputs, capture), capture)


def after(change, f, *arrays):
    """The names of the operations that are left; what they compute is compared with f."""
    program = change(lines(f, *arrays))
    stages = Stages(program, [program.inputs], [len(program.outputs)])
    for scale in (1.0, 2.5):
        given = [(a * scale).astype(a.dtype) for a in arrays]
        expected = f(*map(Tensor, given))
        for a, b in zip(
            stages.programs[0](*given), expected if isinstance(expected, tuple) else (expected,), strict=True
        ):
            np.testing.assert_array_equal(a, b.primal if isinstance(b, Tensor) else b)
    return [line.op.name for line in program.lines]


def alone(change):
    return lambda program: program.rewritten(change)


def frozen(value):
    array = np.array(value)
    array.flags.writeable = False
    return array


@pytest.mark.parametrize(
    ("f", "left"),
    [
        (lambda x: x * 1.0, []),
        (lambda x: 1 * x, []),
        (lambda x: x * frozen(1.0), []),
        (lambda x: x / 1, []),
        (lambda x: 1 / x, ["divide"]),
        (lambda x: x * 1j, ["multiply"]),  # another dtype
        (lambda x: x * 2.0, ["multiply"]),
        (lambda x: x * np.array(1.0), ["multiply"]),  # this 1 can be written to
        (lambda x: x + 0.0, ["add"]),  # −0.0 + 0.0 is 0.0
        (lambda x: np.positive(x), []),
        (lambda x: np.reshape(x, (3, 3)), []),
        (lambda x: np.reshape(x, (1, 9)), ["reshape"]),
        (lambda x: x.T.T, ["transpose"]),
        (lambda x: np.broadcast_to(x, (3, 3)), []),
        (lambda x: np.broadcast_to(x, (1, 3, 3)), ["broadcast_to"]),
        (lambda x: x.astype(np.float64), []),
        (lambda x: x.astype(np.float32), ["astype"]),
        (lambda x: x * np.ones((2, 3, 3)), ["multiply"]),
        (lambda x: np.transpose(x, (0, 1)), []),
    ],
)
def test_identities(f, left):
    assert after(alone(passes.identities), f, X) == left


def test_two_transposes_become_the_right_one(rng):
    cube = rng.standard_normal((2, 3, 4))
    f = lambda x: np.transpose(np.transpose(x, (1, 2, 0)), (0, 2, 1))  # noqa: E731
    assert after(lambda p: passes.drop_dead(alone(passes.identities)(p)), f, cube) == ["transpose"]
    back = lambda x: np.transpose(np.transpose(x, (1, 2, 0)), (2, 0, 1))  # noqa: E731
    assert after(lambda p: passes.drop_dead(alone(passes.identities)(p)), back, cube) == []


@pytest.mark.parametrize(
    ("f", "n"),
    [
        (lambda x, y: (x + y) * (x + y), 2),
        (lambda x, y: (x + y) * (y + x), 3),
        (lambda x, y: np.sum(x, axis=0) + np.sum(x, axis=1), 3),  # other parameters
        (lambda x, y: x[0] + x[1], 3),
        (lambda x, y: x[0:1] + x[0:2][:1], 4),
        (lambda x, y: x * 0.0 + x * -0.0, 3),
        (lambda x, y: x * 1 + x * True, 3),
        (lambda x, y: x[:, 0] + x[0, :], 3),
        (lambda x, y: np.exp(np.sin(x)) - np.exp(np.sin(x)), 3),
        (lambda x, y: x.astype(np.float32) + x.astype(np.float64), 3),
    ],
)
def test_merge_common(f, n):
    assert len(after(alone(passes.merge_common()), f, X, Y)) == n


def test_common_keeps_every_draw_and_every_array():
    a, b = np.ones((3, 3)), np.ones((3, 3))
    assert len(alone(passes.merge_common())(lines(lambda x: x * a + x * b, X)).lines) == 3
    assert len(alone(passes.merge_common())(lines(lambda x: x * a + x * a, X)).lines) == 2
    assert len(alone(passes.merge_common())(lines(lambda x: x * a[:2, :2].sum() + x * a.T, X)).lines) == 3
    generator = np.random.default_rng(0)
    program = alone(passes.merge_common())(lines(lambda: uniform(generator, (2,)) + uniform(generator, (2,))))
    assert [line.op.name for line in program.lines] == ["uniform", "uniform", "add"]
    p, q = Tensor(np.ones((3, 3))), Tensor(np.ones((3, 3)))
    assert len(alone(passes.merge_common())(lines(lambda x: x * p + x * q, X)).lines) == 3


def test_constants_are_folded_unless_they_can_change():
    open_to_all, closed = np.array([1.0, 2.0, 3.0]), frozen([1.0, 2.0, 3.0])
    view = open_to_all[:]
    view.flags.writeable = False  # what it shows can still change
    assert foldable(closed)
    assert foldable(2.0)
    assert not foldable(view)
    assert not foldable(open_to_all)
    for array, left in (
        (closed, ["multiply"]),
        (open_to_all, ["exp", "multiply"]),
        (view, ["exp", "multiply"]),
    ):
        program = alone(passes.fold_constants)(lines(lambda x, array=array: x * np.exp(Tensor(array)), X))
        assert [line.op.name for line in program.lines] == left
    leaf = Tensor(closed)  # from outside: it may be assigned to
    program = alone(passes.fold_constants)(lines(lambda x: x * np.exp(leaf), X))
    assert [line.op.name for line in program.lines] == ["exp", "multiply"]


def test_what_folds_keeps_its_value():
    closed = frozen([1.0, 2.0, 3.0])
    (line,) = alone(passes.fold_constants)(lines(lambda x: x * (2 * np.exp(Tensor(closed))), X)).lines
    (constant,) = [a for a in line.args if isinstance(a, np.ndarray)]
    np.testing.assert_array_equal(constant, 2 * np.exp(closed))
    assert not constant.flags.writeable


@pytest.mark.parametrize(
    ("f", "left"),
    [
        (lambda x, y: x + np.broadcast_to(y[0], (3, 3)), ["getitem", "add"]),
        # the shape would be another
        (lambda x, y: np.sin(np.broadcast_to(y[0], (3, 3))), ["getitem", "broadcast_to", "sin"]),
        (
            lambda x, y: np.broadcast_to(x[0], (3, 3)) + np.broadcast_to(y[0], (3, 3)),
            ["getitem", "getitem", "broadcast_to", "add"],
        ),
        # not elementwise
        (lambda x, y: x @ np.broadcast_to(y[0], (3, 3)), ["getitem", "broadcast_to", "matmul"]),
    ],
)
def test_drop_broadcasts(f, left):
    names = after(lambda p: passes.drop_dead(alone(passes.drop_broadcasts)(p)), f, X, Y)
    assert sorted(names) == sorted(left)


def test_drop_dead():
    def f(x, y):
        np.exp(x)
        np.sin(x) * y
        return np.cos(y), y

    program = lines(f, X, Y)
    extra = Line(program.lines[0].op, (program.inputs[0],), {}, X, "forward", "")
    program.lines.insert(0, extra)
    assert [line.op.name for line in passes.drop_dead(program).lines] == ["cos"]


@pytest.mark.parametrize(
    "f", [lambda x, y: (x + y) * x, lambda x, y: (x, x, y.T), lambda x, y: np.sum(np.tanh(x) * np.tanh(x))]
)
def test_all_of_them(f):
    after(passes.simplified, f, X, Y)


def test_one_walk_is_enough():
    """What a change makes possible for lines further on is done in the same walk: a second one finds
    nothing."""

    def f(x, y):
        one = np.broadcast_to(frozen(1.0), (3, 3))
        return (x * one).T.T + np.broadcast_to(x.T.T[:1], (3, 3)) * y - np.tanh(x * one) * np.tanh(x)

    program = passes.simplified(lines(f, X, Y))
    names = [line.op.name for line in program.lines]
    assert names == ["getitem", "multiply", "add", "tanh", "multiply", "subtract"]
    assert [line.op.name for line in passes.simplified(program).lines] == names
    after(passes.simplified, f, X, Y)
