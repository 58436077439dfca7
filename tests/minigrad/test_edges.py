"""Numbers at every edge: one table or property for each kind of fault.

`inner` functions choose (their derivative has zeros that are choices), `outer` functions are singular there.
"""

import numpy as np
import pytest

import minigrad as mg
from minigrad import compile, grad, jvp
from models.activations import elu

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # NumPy speaks of log(0) in forward values


def _and_zero(x):
    """x and a 0 that is live but does not depend on x."""
    return np.stack([x, np.zeros(())])


# A choice: the function, a point where it does not choose x, and the value that it takes there instead
CHOICES = {
    "relu": (mg.relu, -1.5),
    "relu at the corner": (mg.relu, 0.0),
    "maximum": (lambda x: np.maximum(x, 0), -1.5),
    "maximum, constant first": (lambda x: np.maximum(0, x), -1.5),
    "maximum, both live": (lambda x: np.maximum(*_and_zero(x)), -1.5),
    "minimum": (lambda x: np.minimum(x, 0), 1.5),
    "fmax": (lambda x: np.fmax(x, 0), -1.5),
    "fmin": (lambda x: np.fmin(x, 0), 1.5),
    "clip below": (lambda x: np.clip(x, 0, 5), -1.5),
    "clip above": (lambda x: np.clip(x, -5, 0), 1.5),
    "clip at its bound": (lambda x: np.clip(x, 0, 5), 0.0),
    "abs at the kink": (np.abs, 0.0),
    "fabs at the kink": (np.fabs, 0.0),
    "heaviside": (lambda x: np.heaviside(-1.0, x), 2.0),
    "max": (lambda x: np.max(_and_zero(x)), -1.5),
    "min": (lambda x: np.min(_and_zero(x)), 1.5),
    "where": (lambda x: np.where(x > 0, x, 0), -1.5),
    "sort": (lambda x: np.sort(_and_zero(x))[-1], -1.5),
    "index": (lambda x: mg.index_set(np.stack([x, x]), 0, 0.0)[0], -1.5),
    "elu of a choice": (lambda x: elu(mg.relu(x)), -1.5),
}
SINGULAR = {
    "sqrt": np.sqrt,
    "log": np.log,
    "power ½": lambda y: y**0.5,
    "power −½": lambda y: y**-0.5,
    "live power": lambda y: y ** (0.5 + 0 * mg.sigmoid(y)),
    "1/y": lambda y: 1 / y,
    "cbrt": np.cbrt,
    "arcsin at 1": lambda y: np.arcsin(1 + y),
    "arctanh at 1": lambda y: np.arctanh(1 + y),
    "arccosh at 1": lambda y: np.arccosh(1 + y),
    "y log y": lambda y: y * np.log(y),
}


@pytest.mark.parametrize("inner", CHOICES)
@pytest.mark.parametrize("outer", SINGULAR)
def test_a_zero_that_comes_from_a_choice_wins(inner, outer):
    """Where x is not chosen, nothing depends on it, so derivatives of every order are 0 in both modes."""
    (choose, at), singular = CHOICES[inner], SINGULAR[outer]
    pull = push = lambda x: singular(choose(x))
    for order in (1, 2, 3):
        pull, push = grad(pull), (lambda x, f=push: jvp(f, (x,), (1.0,))[1])
        mixed = lambda x, f=pull: jvp(f, (x,), (1.0,))[1]  # noqa: E731
        for f in (pull, push, compile(pull), compile(push), mixed):
            assert float(f(at)) == 0.0, (inner, outer, order)
