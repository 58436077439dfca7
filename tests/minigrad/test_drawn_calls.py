"""Each function of NumPy with a rule, on arrays of any shape and layout: NumPy's values, and derivatives that
do not depend on how the arrays lie in memory."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minigrad as mg
from minigrad import Tensor, special
from minigrad.coverage import functions, status
from minigrad.trees import flatten
from tests.minigrad.drawn_calls import DTYPES, KINDS, calls

FUNCTIONS = {name: f for name, f in functions() if status(name, f).standing == "rule"}
FUNCTIONS |= {f"special.{name}": getattr(special, name) for name in special.__all__}
# their arguments are cut or split in ways of their own: see test_numpy_moving
ELSEWHERE = {"hsplit", "vsplit", "dsplit"}
H = 1e-6


def numpys(call):
    """NumPy's or SciPy's results for plain arrays, or the error or warning that it gives."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            return flatten(call.oracle(*call.arguments(call.bases)))[0]
        except Exception as error:
            return error


def floats(f):
    """f, with those of its results that have derivatives."""
    return lambda *xs: [y for y in flatten(f(*xs))[0] if y.dtype.kind in "fc"]


def weights(y):
    return directions(np.cos, y)


def directions(wave, x):
    """Numbers of both signs in the shape and dtype of x; complex ones have an imaginary part."""
    t = wave(1.0 + np.arange(x.size)) + (0.5j * wave(2.0 * np.arange(x.size)) if x.dtype.kind == "c" else 0)
    return np.asarray(t.reshape(x.shape), x.dtype)


def close(got, wanted, tolerance):
    wanted = np.asarray(wanted)
    size = np.max(np.abs(wanted[np.isfinite(wanted)]), initial=1)
    np.testing.assert_allclose(got, wanted, rtol=tolerance, atol=tolerance * size)


NAMES = pytest.mark.parametrize("name", sorted(FUNCTIONS.keys() - ELSEWHERE))


@NAMES
@settings(max_examples=3, deadline=None, derandomize=True)
@given(data=st.data())
def test_any_shape_and_layout(name, data):
    check(name, data)


@pytest.mark.further
@NAMES
@settings(max_examples=24, deadline=None, derandomize=True)
@given(data=st.data())
def test_more_shapes_and_layouts(name, data):
    check(name, data)


@pytest.mark.further
@NAMES
@settings(max_examples=24, deadline=None, derandomize=True)
@given(data=st.data())
def test_more_complex_numbers(name, data):
    check(name, data, [np.complex128])


def check(name, data, dtypes=DTYPES):
    call = data.draw(calls(name, FUNCTIONS[name], dtypes))
    before = [x.copy() for x in call.bases]
    expected = numpys(call)
    leaves = [Tensor(x, requires_grad=True) for x in call.bases]
    if isinstance(expected, Warning):  # of no elements: NaN there, and an error here
        return
    if isinstance(expected, Exception):
        with pytest.raises((TypeError, ValueError, IndexError, ZeroDivisionError, np.linalg.LinAlgError)):
            call(*leaves)
        return
    single = call.bases[0].dtype == np.float32
    exact = 1e-5 if single else 1e-11 if name.startswith("special") else 1e-12
    found = flatten(call(*leaves))[0]
    assert len(found) == len(expected)
    for y, wanted in zip(found, map(np.asarray, expected), strict=True):
        y = y.primal if isinstance(y, Tensor) else y
        assert (y.shape, y.dtype) == (wanted.shape, wanted.dtype)
        close(y, wanted, exact)
    check_gradients(call, exact)
    if not single:
        check_directions(call)
    for x, kept in zip(call.bases, before, strict=True):
        np.testing.assert_array_equal(x, kept)


def check_gradients(call, exact):
    """Those of views are those of contiguous copies, sent back through the views and added up."""
    out, pullback = mg.vjp(floats(call), *call.bases)
    pulled = pullback([weights(y) for y in out])
    copies = [np.array(x, order="C") for x in call.arguments(call.bases)]
    parts = mg.vjp(floats(call.function), *copies)[1]([weights(y) for y in out])
    wanted = [np.zeros(x.shape, x.dtype) for x in call.bases]
    for i, view, part in zip(call.places, call.views, parts, strict=True):
        wanted[i] += mg.vjp(view, call.bases[i])[1](part)[0]
    for g, x, w in zip(pulled, call.bases, wanted, strict=True):
        assert (g.shape, g.dtype) == (x.shape, x.dtype)
        close(g, w, 10 * exact)


def check_directions(call):
    """J·t is a difference quotient of NumPy's values, and ⟨g, J·t⟩ = ⟨Jᵀ·g, t⟩."""
    tangents = [directions(np.sin, x) for x in call.bases]
    out, pushed = mg.jvp(floats(call), call.bases, tangents)
    if not call.repeats:  # numbers that are repeated may be a kink
        ahead, behind = (
            floats(call)(*(np.asarray(x + h * t) for x, t in zip(call.bases, tangents, strict=True)))
            for h in (H, -H)
        )
        for t, a, b in zip(pushed, ahead, behind, strict=True):
            close(t, (a - b) / (2 * H), 1e-6)
    cotangents = [weights(y) for y in out]
    pulled = mg.vjp(floats(call), *call.bases)[1](cotangents)
    left = sum(np.sum(g * t) for g, t in zip(cotangents, pushed, strict=True))
    right = sum(np.sum(g * t) for g, t in zip(pulled, tangents, strict=True))
    close(np.real(right), np.real(left), 1e-10)


def test_each_function_with_a_rule_is_drawn():
    drawn = {name for _, names in KINDS for name in names.split()}
    assert drawn == FUNCTIONS.keys() - ELSEWHERE
