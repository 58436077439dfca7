"""Drawn, mostly wrong calls of NumPy's functions: see `benchmarks/bad_calls.py`, which makes many more."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings

import minigrad as mg
from benchmarks import bad_calls
from minigrad.arraylike import RULES


@settings(max_examples=400, deadline=None, derandomize=True)
@given(bad_calls.calls())
def test_drawn_calls_end_in_numpys_result_or_in_an_error_that_names_the_call(call):
    assert not bad_calls.fault(call), str(call)


def _fails(x):
    raise KeyError("no place")


PLANTED = {
    "other numbers": lambda x: x + 1,
    "float64(1, 2) for float64(2,)": lambda x: x[None],
    "float32(2,) for float64(2,)": lambda x: x.astype(np.float32),
    "2 results for 1": lambda x: (x, x),
    "KeyError": _fails,
}


@pytest.mark.parametrize("text", PLANTED)
def test_a_wrong_rule_is_a_fault(monkeypatch, text):
    call = bad_calls.Call("cbrt", np.cbrt, (np.array([1.0, 2.0]),), {}, 0)
    assert bad_calls.fault(call) == ""
    monkeypatch.setitem(RULES, np.cbrt, PLANTED[text])
    assert text in bad_calls.fault(call)


def test_a_result_where_numpy_raises_is_a_fault(monkeypatch):
    call = bad_calls.Call("roll", np.roll, (np.ones(3), 1, 5), {}, 0)
    assert bad_calls.fault(call) == ""
    monkeypatch.setitem(RULES, np.roll, lambda a, shift, axis=None: a)
    assert bad_calls.fault(call).startswith("no error, where NumPy says AxisError")


ODD = [
    ("axis", lambda x: np.max(x, False)),
    ("keepdims", lambda x: np.sum(x, axis=0, keepdims=[0])),
    ("keepdims", lambda x: np.ptp(x, 0, keepdims="x")),
    ("where", lambda x: np.std(x, where=np.ones(3))),
    ("kind", lambda x: np.sort(x, kind="x")),
    ("subok", lambda x: np.sin(x, subok=None)),
    ("order", lambda x: np.ravel(x, order=np.ones(2))),
    ("initial", lambda x: np.prod(x, initial=1j)),
    ("shape", lambda x: np.reshape(x, (1.5, 3))),
    ("shape", lambda x: np.broadcast_to(x, 3.5)),
]


@pytest.mark.parametrize(("word", "call"), ODD, ids=[f"{i}-{word}" for i, (word, _) in enumerate(ODD)])
def test_an_option_of_an_odd_kind_is_refused(word, call):
    with pytest.raises((TypeError, ValueError), match=r"np\.\w+|sort kind"):
        call(mg.Tensor(np.ones(3)))


BOOLS = [
    lambda x: np.reshape(x, (True, 8)),
    lambda x: np.reshape(x, shape=(8, True)),
    lambda x: x.reshape(True, 8),
    lambda x: np.broadcast_to(x, (True, 8)),
    lambda x: np.sum(x, (False,)),
    lambda x: np.max(x, axis=(False,)),
    lambda x: x.mean(axis=(False,)),
    lambda x: np.linalg.norm(x, axis=(False,)),
    lambda x: np.transpose(x, (False,)),
    lambda x: np.tile(x, (True, 2)),  # which NumPy takes, and these
    lambda x: np.expand_dims(x, (True,)),
    lambda x: np.flip(x, (False,)),
    lambda x: np.roll(x, True),
]


@pytest.mark.parametrize("call", BOOLS)
def test_a_bool_in_place_of_an_integer_is_taken_where_numpy_takes_it(call):
    x = np.arange(8.0)
    try:
        wanted = call(x)
    except TypeError:
        with pytest.raises(TypeError, match=r"integer|Integer"):
            call(mg.Tensor(x))
    else:
        np.testing.assert_array_equal(call(mg.Tensor(x)).data, wanted)


def test_a_users_function_is_not_called_once_more():
    seen = []
    x = mg.Tensor(np.ones((2, 2)))
    np.apply_along_axis(lambda row, *flags: seen.append(1) or np.sum(row), 0, x, True)
    assert len(seen) == 2


def test_dtypes_and_values_that_random_calls_found():
    x = np.array([[0, 1], [1, -1]])
    t = mg.Tensor(x)
    assert np.array_equal(np.std(t, mean=0), np.std(x, mean=0))  # was cut to an integer
    assert np.modf(t)[1].dtype == np.modf(x)[1].dtype
    assert np.conjugate(t > 0).dtype == np.conjugate(x > 0).dtype
    assert np.angle(t > 0).dtype == np.angle(x > 0).dtype
    assert np.polyadd(t, x).shape == (2, 2)
    assert np.inner(mg.Tensor(np.float32([1, 2])), 1j).dtype == np.inner(np.float32([1, 2]), 1j).dtype
    assert np.linspace(mg.Tensor(np.float32([1, 2])), 5).dtype == np.float32
    assert np.quantile(t, 1).dtype == np.quantile(x, 1).dtype


NO_ELEMENTS = np.zeros((2, 0, 3))
AS_NUMPY = {
    "vdot of an empty list": (np.arange(0), lambda x: np.vdot(x, [])),
    "zeros in front of a polynomial": (np.float32([0, 3]), lambda x: np.polymul(x, [0, 2])),
    "product with the polynomial 0": (np.float32([0, 3]), lambda x: np.polymul([0, 0], x)),
    "a length as an array": (np.arange(4), lambda x: np.reshape(x, np.array(4))),
    "dot of an empty list": (np.float32(2), lambda x: np.dot(x, [])),
    "take an empty list": (np.ones(3), lambda x: np.take(x, [])),
    "bincount of nothing": (np.ones(0), lambda x: np.bincount([], x, 2)),
    "norm of no vectors": (NO_ELEMENTS, lambda x: np.linalg.vector_norm(x, axis=2)),
    "largest of no sizes": (NO_ELEMENTS, lambda x: np.linalg.norm(x, np.inf, axis=1)),
    "norm of no matrices": (NO_ELEMENTS, lambda x: np.linalg.norm(x, 2, axis=(1, 2))),
    "nanmedian of no vectors": (NO_ELEMENTS, lambda x: np.nanmedian(x, axis=())),
    "nanquantile of no vectors": (NO_ELEMENTS[:0], lambda x: np.nanquantile(x, 0.5, axis=(1, 2))),
    "full_like, a number": (np.ones((1, 1)), lambda x: np.full_like(x[0, 0], x)),
    "full, axes too many": (np.ones((1, 3)), lambda x: np.full(3, x, like=x)),
    "quantile, Python's number": (np.ones(3, np.float32), lambda x: np.quantile(x, 0.5)),
    "quantile, NumPy's number": (np.ones(3, np.float32), lambda x: np.quantile(x, np.array(0.5))),
    "percentile, a whole number": (np.ones(3, np.float32), lambda x: np.percentile(x, np.array(10))),
    "nanpercentile, NumPy's number": (np.ones(3, np.float32), lambda x: np.nanpercentile(x, np.float64(10))),
    "quantile, midpoint": (np.ones(3, np.float32), lambda x: np.quantile(x, np.array(1), method="midpoint")),
    "quantile of whole numbers": (np.arange(3), lambda x: np.quantile(x, [0, 1], method="weibull")),
}


@pytest.mark.parametrize("name", AS_NUMPY)
def test_shapes_and_dtypes_that_drawn_calls_found(name):
    x, call = AS_NUMPY[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wanted = np.asarray(call(np.asarray(x)))
    found = call(mg.Tensor(x))
    found = found.data if isinstance(found, mg.Tensor) else found
    assert (found.shape, found.dtype) == (wanted.shape, wanted.dtype)
    np.testing.assert_array_equal(found, wanted)
