"""Arrays that record assignment (`import minigrad.numpy as np`): NumPy's own result, and the derivative of
what the assignments say. The programs that fill arrays by loops are in `loop_programs.py`."""

import sys
import traceback

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minigrad.numpy as mnp
from minigrad import Tensor, jacobian

# A random program: each step writes into an array, or into a view of it

VIEWS = [
    lambda a: a, lambda a: a.T, lambda a: a[::-1], lambda a: a[1:], lambda a: a.reshape(-1),
    lambda a: a[..., ::2], lambda a: a.ravel(), lambda a: a[0], lambda a: a[:, 1] if a.ndim > 1 else a[:2],
    lambda a: a[None], lambda a: a[..., -1:],
]  # fmt: skip
INDICES = [
    lambda a: ..., lambda a: 0, lambda a: -1, lambda a: slice(None, None, 2), lambda a: [0, 0],
    lambda a: [-1, 0], lambda a: a > 0.5, lambda a: numpy.arange(a.size).reshape(a.shape) % 2 == 0,
    lambda a: (..., 0), lambda a: (slice(1), ..., -1), lambda a: numpy.array([[0, -1], [0, 0]]),
    lambda a: (None, ..., slice(1, None)),
]  # fmt: skip
VALUES = [
    lambda np, a, x: x[0], lambda np, a, x: 2.0, lambda np, a, x: a[..., :1] * x[1],
    lambda np, a, x: a + x[2], lambda np, a, x: a[::-1], lambda np, a, x: np.sum(a) * x[0],
    lambda np, a, x: [x[1]], lambda np, a, x: a, lambda np, a, x: a.copy()[..., ::-1],
    lambda np, a, x: np.sin(a) * x[2], lambda np, a, x: numpy.ones(a.shape[-1]),
]  # fmt: skip


def assign(a, index, value):
    a[index] = value


def add(a, index, value):
    a[index] += value


def scale(a, index, value):
    view = a[index]
    view *= value


WAYS = [assign, assign, add, scale]
STEPS = st.lists(
    st.tuples(*[st.integers(0, len(table) - 1) for table in (VIEWS, INDICES, VALUES, WAYS)]), max_size=7
)


def run(np, x, shape, steps):
    """The array after the steps that NumPy accepts, and which those were."""
    out = np.zeros(shape, x.dtype) + x[0] * 0.5
    done = []
    for view, index, value, way in steps:
        try:
            a = VIEWS[view](out)
            WAYS[way](a, INDICES[index](a), VALUES[value](np, a, x))
            done.append(True)
        except (IndexError, ValueError, TypeError) as error:
            done.append(type(error))
    return out, done


@settings(max_examples=150, deadline=None)
@given(st.sampled_from([(3,), (2, 3), (3, 3), (1,), (2, 2, 2), (0, 2)]), STEPS)
def test_a_random_program_gives_numpys_values_and_the_derivative_of_its_steps(shape, steps):
    x = numpy.array([0.3, -0.7, 1.1])
    expected, accepted = run(numpy, x, shape, steps)
    got, done = run(mnp, Tensor(x, requires_grad=True), shape, steps)
    assert [d is True for d in done] == [a is True for a in accepted]
    numpy.testing.assert_allclose(got.numpy(), expected, rtol=1e-14, atol=1e-15)
    steps_taken = [step for step, ok in zip(steps, accepted) if ok is True]
    columns = [run(numpy, x + 1e-200j * e, shape, steps_taken)[0].imag / 1e-200 for e in numpy.eye(3)]
    found = jacobian(lambda x: run(mnp, x, shape, steps_taken)[0])(x)
    numpy.testing.assert_allclose(found, numpy.stack(columns, -1), rtol=1e-12, atol=1e-14)


# With plain NumPy

PLAIN = {
    "a[0] = t": lambda np, a, x: a.__setitem__(0, x[0]),
    "a[:2] = x": lambda np, a, x: a.__setitem__(slice(2), x),
    "a[[0, 1]] = x": lambda np, a, x: a.__setitem__([0, 1], x),
    "a[mask] = t": lambda np, a, x: a.__setitem__(a > -1, x[0]),
    "a[:2] = [t, u]": lambda np, a, x: a.__setitem__(slice(2), [x[0], x[1]]),
    "a[:2] += x": lambda np, a, x: add(a, slice(2), x),
    "a.fill(t)": lambda np, a, x: a.fill(x[0]),
    "np.array([t, u])": lambda np, a, x: np.array([x[0], x[1]]),
    "np.array([[t, 1], [u, 2]])": lambda np, a, x: np.array([[x[0], 1.0], [x[1], 2.0]]),
    "np.array([x, x])": lambda np, a, x: np.array([x, x]),
    "np.asarray(x)": lambda np, a, x: np.asarray(x),
    "np.full(3, t)": lambda np, a, x: np.full(3, x[0]),
    "np.full_like(a, t)": lambda np, a, x: np.full_like(a, x[0]),
    "np.fromiter": lambda np, a, x: np.fromiter((t for t in x), float),
    "np.r_": lambda np, a, x: np.r_[x[0], x[1]],
    "np.add.at": lambda np, a, x: np.add.at(a, [0, 0], x),
    "np.copyto": lambda np, a, x: np.copyto(a[:2], x),
    "np.fill_diagonal": lambda np, a, x: np.fill_diagonal(a.reshape(1, -1), x[:1]),
    "np.put": lambda np, a, x: np.put(a, [1, 2], x),
    "np.add(out=)": lambda np, a, x: np.add(x, 1.0, out=a[:2]),
}


@pytest.mark.parametrize("name", PLAIN)
def test_what_plain_numpy_refuses_names_the_import_in_its_last_line_and_works_with_it(name):
    x = Tensor([2.0, 3.0], requires_grad=True)
    with pytest.raises((TypeError, ValueError)) as raised:
        PLAIN[name](numpy, numpy.zeros(3), x)
    assert "import minigrad.numpy as np" in traceback.format_exception(raised.value)[-1]
    assert sys.gettrace() is None
    a, plain = mnp.zeros(3), numpy.zeros(3)
    got, expected = PLAIN[name](mnp, a, x), PLAIN[name](numpy, plain, x.data)
    numpy.testing.assert_array_equal(a.numpy(), plain)
    if expected is not None:
        numpy.testing.assert_array_equal(got.numpy(), expected)


def test_assignment_into_a_tensor_names_the_import():
    with pytest.raises(TypeError, match=r"`import minigrad.numpy as np`, and `y = np.array\(x\)`"):
        Tensor([1.0])[0] = 2.0
