"""Results without a derivative equal NumPy's, and are constants; special points and refusals of their
neighbours."""

import numpy as np
import pytest

import minigrad as mg
from minigrad import Tensor, check_derivatives
from minigrad.tensor import data_of

X = np.array([[1.5, -2.25, 0.0], [3.0, np.inf, 1.5]])
LINE = np.array([0.0, 1.0, 2.0])

CONSTANT = [
    ("round", lambda x: np.round(x, 1)),
    ("around", lambda x: np.around(x, decimals=-1)),
    ("fix", np.fix),
    ("isclose", lambda x: np.isclose(x, 1.5, 1e-3, equal_nan=True)),
    ("isin", lambda x: np.isin(x, [0.0, 3.0])),
    ("searchsorted", lambda x: np.searchsorted(LINE, x, "right")),
    ("digitize", lambda x: np.digitize(x, LINE)),
    ("searchsorted in a Tensor", lambda x: np.searchsorted(np.sort(x[1]), [1.0, 2.0])),
    ("argpartition", lambda x: np.argpartition(x, 1, axis=0)),
    ("nanargmax", lambda x: np.nanargmax(x, axis=1)),
    ("nanargmin", np.nanargmin),
    ("iscomplex", np.iscomplex),
    ("isreal", np.isreal),
    ("isposinf", np.isposinf),
    ("isneginf", np.isneginf),
    ("nonzero", np.nonzero),
    ("argwhere", np.argwhere),
    ("flatnonzero", np.flatnonzero),
    ("array_equiv", lambda x: np.array_equiv(x, x)),
    ("array_equal", lambda x: np.array_equal(x, x, equal_nan=True)),
    ("lexsort", lambda x: np.lexsort((x[0], x[1]))),
    ("histogram", lambda x: np.histogram(x[0], bins=3, density=True)),
    ("isrealobj", np.isrealobj),
    ("histogram edges", lambda x: np.histogram_bin_edges(x[0], 4)),
    ("spacing", np.spacing),
    ("unique", lambda x: np.unique(x, True, return_counts=True)),
    ("unique, axis", lambda x: np.unique(x, axis=0)),
    ("unique_values", lambda x: np.unique_values(x)),
    ("unique_counts", lambda x: tuple(np.unique_counts(x))),
    ("unique_all", lambda x: tuple(np.unique_all(x))),
    ("union1d", lambda x: np.union1d(LINE.astype(x.dtype), x)),
    ("intersect1d", lambda x: np.intersect1d(x, LINE)),
    ("setdiff1d", lambda x: np.setdiff1d(x, LINE)),
    ("trim_zeros", lambda x: np.trim_zeros(np.concatenate([x[0, 2:], x[0]]), "f")),
    ("unravel_index", lambda x: np.unravel_index(np.argmax(x), (2, 3))),
    ("ravel_multi_index", lambda x: np.ravel_multi_index((np.argmax(x), 0), (9, 3))),
    ("histogram2d", lambda x: np.histogram2d(x[0], x[0], bins=2)),
    ("clip, None", lambda x: np.clip(x, None, x[0])),
    ("clip, keywords", lambda x: np.clip(x, min=0.5, max=np.float32(1.0))),
    ("sort", lambda x: np.sort(x, axis=None, kind="heapsort")),
    ("sort, stable", lambda x: np.sort(x, stable=True)),
    ("argsort", lambda x: np.argsort(x, axis=0, stable=True)),
    ("partition", lambda x: np.partition(x, 1, None)),
    ("real_if_close", np.real_if_close),
    ("angle", np.angle),
    ("modf", np.modf),
    ("frexp", np.frexp),
    ("divmod", lambda x: np.divmod(x[0], 2)),
    ("float_power", lambda x: np.float_power(x, 2)),
    ("nan_to_num", np.nan_to_num),
    ("nan_to_num, complex", lambda x: np.nan_to_num(x + 1j * x[::-1], posinf=3.0)),
    ("unwrap", lambda x: np.unwrap(x[0], period=2.0)),
    ("bincount", lambda x: np.bincount([0, 1, 1], x[0])),
    ("bincount, minlength", lambda x: np.bincount([1, 0], minlength=3, weights=x[0, :2])),
    ("bit operations", lambda x: np.left_shift(x[0].astype(int), np.gcd(x[0].astype(int), 6))),
]


@pytest.mark.parametrize("f", [f for _, f in CONSTANT], ids=[name for name, _ in CONSTANT])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_values_and_dtypes_are_numpys(f, dtype):
    x = X.astype(dtype)
    with np.errstate(all="ignore"):
        expected, got = f(x), f(Tensor(x, requires_grad=True))
    for one, other in zip(*((y if isinstance(y, tuple) else (y,)) for y in (expected, got)), strict=True):
        other = np.asarray(data_of(other))
        assert other.dtype == np.asarray(one).dtype
        np.testing.assert_array_equal(one, other)


def test_constants_pass_no_derivative_and_are_computed_anew_by_a_compiled_function():
    f = lambda x: np.sum(x * np.round(x) + x * np.isclose(x, 2.0) + np.searchsorted(LINE, x))  # noqa: E731
    assert mg.grad(f)(np.array([1.2, 2.0])).tolist() == [1.0, 3.0]
    compiled = mg.compile(mg.value_and_grad(f))
    for x in (np.array([1.2, 2.0]), np.array([0.2, 1.7])):
        value, slope = compiled(x)
        assert value == pytest.approx(f(x))
        assert slope.tolist() == (np.round(x) + np.isclose(x, 2.0)).tolist()


def test_a_count_is_not_frozen_into_a_compiled_function():
    with pytest.raises(mg.CaptureError):
        mg.compile(lambda x: np.sum(x) * len(np.flatnonzero(x)))(np.array([1.0, 0.0]))


def test_special_points():
    grad = lambda f, *x: mg.grad(lambda x: np.sum(f(x)))(np.array(x)).tolist()  # noqa: E731
    assert grad(lambda x: np.copysign(x, [1.0, -1.0]), 0.0, 2.0) == [0.0, -1.0]
    assert grad(np.nan_to_num, np.nan, np.inf, 1.0) == [0.0, 0.0, 1.0]
    check_derivatives(np.unique, np.array([0.3, -1.0, 2.0]), order=2)
    assert grad(np.unique, 3.0, 3.0, 1.0) == [1.0, 0.0, 1.0]
    assert grad(lambda x: np.setdiff1d(x, [1.0]), 3.0, 1.0) == [1.0, 0.0]
    assert grad(np.trim_zeros, 0.0, 2.0, 0.0) == [0.0, 1.0, 0.0]
    assert grad(np.frexp(2.0)[0].__mul__, 8.0) == [0.5]
    assert grad(lambda x: np.modf(x)[0], 1.5, -0.5) == [1.0, 1.0]


REFUSED = [
    (np.roots, r"np.roots is not supported on Tensors: .*one Newton step"),
    (lambda x: np.polyfit(LINE, x, 1), r"np.polyfit is not supported on Tensors: write np.linalg.lstsq"),
    (lambda x: np.histogram(LINE, weights=x), r"np.histogram\(weights=...\).*write np.bincount"),
    (lambda x: np.copyto(np.zeros(3), x), r"np.copyto .* it writes into its first argument"),
    (lambda x: np.round(x, out=np.zeros(3)), r"np.round\(out=...\) is not supported"),
]


@pytest.mark.parametrize(("call", "text"), REFUSED)
def test_refusals_name_the_call_and_the_remedy(call, text):
    with pytest.raises(TypeError, match=text):
        call(Tensor(np.ones(3), requires_grad=True))
