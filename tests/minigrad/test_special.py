"""minigrad.special against scipy.special: values, special points, dtypes; and SciPy's ufuncs on Tensors."""

import inspect
import subprocess
import sys

import numpy as np
import pytest
import scipy.special

import minigrad as mg
from minigrad import Tensor, check_derivatives, special
from minigrad.tensor import data_of
from tests.minigrad.rows.special import TABLE

LINE = np.concatenate([np.linspace(-20, 20, 101), [1e-9, -1e-9, 0.0, 35.0, -35.0]])
HALF = np.concatenate([np.geomspace(1e-12, 1e8, 97), np.linspace(0.05, 4, 40)])
UNIT = np.concatenate([np.geomspace(1e-300, 0.5, 61), 1 - np.geomspace(1e-15, 0.5, 41)])
SQUARE = np.geomspace(1e-3, 1e4, 23)
PAIRS = tuple(x.ravel() for x in np.meshgrid(SQUARE, SQUARE))

VALUES = [
    ("expit", LINE), ("log_expit", LINE), ("erf", LINE), ("erfc", LINE), ("erfcx", LINE), ("exprel", LINE),
    ("logit", UNIT), ("erfinv", UNIT), ("erfinv", -UNIT), ("erfcinv", UNIT), ("erfcinv", 2 - UNIT),
    ("ndtri", UNIT),
    ("ndtr", LINE[LINE > -20]), ("log_ndtr", LINE[LINE < 20]), ("log_ndtr", -HALF), ("entr", HALF),
    ("gamma", np.linspace(-4.97, 170, 150)), ("gammaln", HALF), ("gammaln", -np.linspace(0.03, 9.43, 33)),
    ("digamma", HALF), ("digamma", -np.linspace(0.03, 9.43, 33)), ("i0", LINE), ("i1", LINE),
    ("i0e", LINE * 30),
    ("i1e", LINE * 30), ("j0", LINE * 3), ("j1", LINE * 3),
    ("xlogy", *PAIRS), ("xlog1py", *PAIRS), ("rel_entr", *PAIRS), ("kl_div", *PAIRS), ("huber", *PAIRS),
    ("pseudo_huber", *PAIRS), ("beta", *(x / 500 for x in PAIRS)), ("betaln", *(x / 500 for x in PAIRS)),
    ("boxcox", PAIRS[0], np.log10(PAIRS[1])),
]  # fmt: skip


@pytest.mark.parametrize(("name", "xs"), [(name, xs) for name, *xs in VALUES])
def test_values_are_scipys(name, xs):
    with np.errstate(all="ignore"):
        wanted = getattr(scipy.special, name)(*xs)
    # beside a zero only the absolute error counts
    near_zero = 3e-15 if name[0] in "jdgb" else 1e-14 if name == "kl_div" else 0
    np.testing.assert_allclose(getattr(special, name)(*xs), wanted, rtol=2e-13, atol=near_zero)


@pytest.mark.parametrize("n", range(1, 6))
def test_polygamma_is_scipys_and_reflects(n):
    x = np.geomspace(1e-3, 1e4, 41)
    np.testing.assert_allclose(special.polygamma(n, x), scipy.special.polygamma(n, x), rtol=2e-13)
    x = np.array([-0.3, -1.6, -7.45])  # ψ⁽ⁿ⁾(x + 1) = ψ⁽ⁿ⁾(x) + (−1)ⁿ n! x⁻ⁿ⁻¹
    step = (-1) ** n * scipy.special.factorial(n) * x ** (-n - 1.0)
    np.testing.assert_allclose(
        special.polygamma(n, x + 1), special.polygamma(n, x) + step, rtol=1e-11, atol=1e-11
    )


INF, NAN = np.inf, np.nan
EDGES = [
    (special.erf, [-INF, 0, INF, NAN], [-1, 0, 1, NAN]), (special.erfinv, [-1, 1, 1.5], [-INF, INF, NAN]),
    (special.erfcinv, [0, 2, 3], [INF, -INF, NAN]), (special.ndtri, [0, 1, -1], [-INF, INF, NAN]),
    (special.log_ndtr, [-INF, INF, NAN], [-INF, 0, NAN]), (special.erfcx, [-INF, INF, -30], [INF, 0, INF]),
    (special.logit, [0, 1, 2], [-INF, INF, NAN]), (special.entr, [0, -1, INF], [0, -INF, -INF]),
    (special.gamma, [0.0, -0.0, -2, INF, 200], [INF, -INF, NAN, INF, INF]),
    (special.gammaln, [0, -3, INF, 1, 2], [INF, INF, INF, 0, 0]),
    (special.digamma, [0.0, -0.0, -1, INF], [-INF, INF, NAN, INF]),
    (special.j0, [0, INF, NAN], [1, 0, NAN]), (special.i1, [0, -INF, 720], [0, -INF, INF]),
    (special.exprel, [0, -INF, INF], [1, 0, INF]),
    (lambda x: special.xlogy(0, x), [0, INF, NAN], [0, 0, NAN]),
    (lambda x: special.rel_entr(x, 0.0), [0, 1, -1], [0, INF, INF]),
    (lambda x: special.kl_div(0.0, x), [0, 2, -1], [0, 2, INF]),
    (lambda x: special.boxcox(x, 0.0), [0, 1, INF], [-INF, 0, INF]),
    (lambda x: special.huber(x, 2.0), [-1, 0, 3], [INF, 0, 2]),
    (lambda x: special.pseudo_huber(x, 0.0), [-1, 0, 3], [INF, 0, 0]),
]  # fmt: skip


@pytest.mark.parametrize(("f", "x", "wanted"), EDGES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_values_at_the_edges(f, x, wanted, dtype):
    y = f(Tensor(np.array(x, dtype)))
    np.testing.assert_allclose(y.data, wanted, atol=1e-15)


SLOPES = [
    (lambda x: special.xlogy(x, x), 0.0, -INF),
    (lambda x: special.xlogy(0.0, x), 0.0, 0.0),
    (lambda x: special.rel_entr(0.0, x), 0.0, 0.0),
    (lambda x: special.kl_div(0.0, x), 0.0, 1.0),
    (special.i0e, 0.0, 0.0),  # the kink of exp(−|x|)
    (special.i1e, 0.0, 0.5),
    (special.j1, 0.0, 0.5),
    (lambda x: special.pseudo_huber(x, 0.0), 0.0, 0.0),
    (lambda x: special.huber(1.0, x), 1.0, 1.0),
    (lambda x: special.huber(x, 1.0), 1.0, 0.0),
    (special.log_ndtr, -1e4, 10000.0001),
    (special.erfcx, 30.0, 2 * 30 * scipy.special.erfcx(30) - 2 / np.sqrt(np.pi)),
]


@pytest.mark.parametrize(("f", "x", "slope"), SLOPES)
def test_slopes_at_special_points(f, x, slope):
    assert mg.grad(f)(x) == pytest.approx(slope, rel=1e-10)


def test_every_function_has_a_row():
    tested = {f.name for _, f, *_ in TABLE if isinstance(f, mg.Op)} | {"sigmoid", "polygamma"}
    ops = {x.name for x in vars(special).values() if isinstance(x, mg.Op) and x.pulls}
    assert ops - tested - {"relu", "softplus", "ratio", "bessel_j", "bessel_i"} == set()
    assert {name for name in special.__all__ if name not in dir(scipy.special)} == set()


SCIPYS = [row for row in TABLE if isinstance(getattr(scipy.special, row[0], None), np.ufunc)] + [
    ("expit", None, np.array([0.3, -2.0])), ("psi", None, np.array([0.3, 2.0])),
    *((name, None, np.array([0.3, 1.7])) for name in ("cbrt", "exp2", "expm1", "log1p")),
]  # fmt: skip


@pytest.mark.parametrize(("name", "xs"), [(name, xs) for name, _, *xs in SCIPYS])
def test_scipys_ufuncs_have_their_values_and_our_derivatives(name, xs):
    f = getattr(scipy.special, name)
    y = f(*(Tensor(x, requires_grad=True) for x in xs))
    np.testing.assert_array_equal(y.data, f(*xs))
    check_derivatives(f, *xs, order=2)
    single = [x.astype(np.float32) for x in xs]
    assert mg.grad(lambda *x: np.sum(f(*x)))(*single).dtype == np.float32
    compiled = mg.compile(mg.value_and_grad(lambda *x: np.sum(f(*x))))
    for one, other in zip(compiled(*xs), mg.value_and_grad(lambda *x: np.sum(f(*x)))(*xs), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-13)


def test_more_than_ten_of_scipys_ufuncs_were_met():
    assert len(SCIPYS) > 30


def test_scipy_may_be_imported_after_our_late_rules():
    code = (
        "import sys, numpy as np, minigrad as mg\n"
        "x = mg.Tensor([0.5], requires_grad=True)\n"
        "np.cumsum(x); assert 'minigrad.special' in sys.modules and 'scipy' not in sys.modules\n"
        "from scipy.special import erf\n"
        "erf(x).sum().backward(); print(x.grad[0])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert float(out) == pytest.approx(2 / np.sqrt(np.pi) * np.exp(-0.25))


def test_importing_minigrad_loads_no_special_functions():
    code = "import sys, minigrad; assert 'minigrad.special' not in sys.modules; minigrad.special.erf(0.1)"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("logsumexp", {"axis": 1, "keepdims": True}),
        ("logsumexp", {"b": np.array([[2.0, 0.0, -0.5]]), "axis": (0, 1)}),
        ("logsumexp", {"b": -1.0, "axis": 0, "return_sign": True}),
        ("softmax", {}), ("softmax", {"axis": (0, 1)}), ("log_softmax", {"axis": 0}), ("log_softmax", {}),
    ],
)  # fmt: skip
def test_functions_along_axes_are_scipys(name, options):
    x = np.array([[1.0, 2.0, -1000.0], [0.5, -np.inf, 3.0]])
    wanted = getattr(scipy.special, name)(x, **options)
    got = getattr(special, name)(Tensor(x), **options)
    for one, other in zip(*(y if isinstance(y, tuple) else (y,) for y in (got, wanted)), strict=True):
        np.testing.assert_allclose(data_of(one), other, rtol=1e-14)


def test_arguments():
    assert special.erf(1) == pytest.approx(scipy.special.erf(1), rel=1e-15)
    assert special.erf(np.float32(1)).dtype == np.float32
    assert special.erf([0.0, 1.0]).shape == (2,)
    assert special.xlogy(Tensor(np.ones(2, np.float32)), 2.0).dtype == np.float32
    assert special.gamma(Tensor([3])).data.tolist() == [2.0]
    with pytest.raises(
        TypeError, match=r"erf.*: the functions of minigrad.special take real numbers, got complex128"
    ):
        special.erf(Tensor([1j]))
    with pytest.raises(
        TypeError, match=r"xlogy\(.*: this function takes the arguments \(x, y\), got 1 of them"
    ):
        special.xlogy(Tensor([1.0]))
    for n in (-1, 1.0, True, np.array([1, 2])):
        with pytest.raises(TypeError, match=r"polygamma\(n, x\) takes one whole number n ≥ 0"):
            special.polygamma(n, 1.0)


def test_every_name_stands_in_the_opening_paragraph():
    opening = inspect.getdoc(special)
    assert [name for name in special.__all__ if name not in opening] == []
