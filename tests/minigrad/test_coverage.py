"""Each public function of NumPy has a rule, gives a constant, or is refused with a reason."""

from pathlib import Path

import numpy as np
import pytest

from minigrad import Tensor, grad
from minigrad.arraylike import rule_of
from minigrad.coverage import CONSTANT, functions, page, status
from minigrad.refused import why_refused
from tests.minigrad.test_ops import TABLE

FUNCTIONS = dict(functions())
# The size of their result depends on values; test_numpy_constants and test_numpy_moving differentiate them.
ELSEWHERE = {
    "trim_zeros", "unique", "unique_values", "unique_all", "union1d", "intersect1d", "setdiff1d",
    "real_if_close",
}  # fmt: skip


def test_each_function_stands_in_one_place():
    unknown = [name for name, f in FUNCTIONS.items() if not status(name, f).standing]
    assert not unknown, f"give {unknown} a rule, or a reason in minigrad/refused.py"
    both = [name for name, f in FUNCTIONS.items() if rule_of(f) is not None and why_refused(name)]
    assert not both
    gone = [name for name in CONSTANT.split() if name not in FUNCTIONS or rule_of(FUNCTIONS[name]) is None]
    assert not gone
    assert len(FUNCTIONS) > 400


def test_each_rule_with_a_derivative_has_a_row(monkeypatch):
    met = set()
    of_function, of_ufunc = Tensor.__array_function__, Tensor.__array_ufunc__

    def array_function(self, function, types, args, kwargs):
        met.add(function)
        return of_function(self, function, types, args, kwargs)

    def array_ufunc(self, ufunc, method, *inputs, **kwargs):
        met.add(ufunc)
        return of_ufunc(self, ufunc, method, *inputs, **kwargs)

    monkeypatch.setattr(Tensor, "__array_function__", array_function)
    monkeypatch.setattr(Tensor, "__array_ufunc__", array_ufunc)
    for _, f, *xs in TABLE:
        f(*(Tensor(x, requires_grad=True) for x in xs))
    without = {
        name for name, f in FUNCTIONS.items() if status(name, f).standing == "rule" and f not in met
    } - ELSEWHERE
    assert not without, f"give {without} a row in tests/minigrad/rows"


@pytest.mark.parametrize("name", ["round", "argsort", "isclose", "searchsorted", "floor", "shape"])
def test_a_constant_has_derivative_zero(name):
    f = FUNCTIONS[name]
    given = (np.ones(3),) if name in ("isclose", "searchsorted") else ()
    assert not grad(lambda x: np.sum(f(x, *given) + 0 * x[0]))(np.array([1.0, 2.2, 3.7])).any()


def test_refusals_name_the_call_and_the_reason():
    x = Tensor([1.0, 2.0], requires_grad=True)
    for name, call in {
        "np.putmask": lambda: np.putmask(x, [True, False], 0),
        "np.array2string": lambda: np.array2string(x),
        "np.roots": lambda: np.roots(x),
    }.items():
        with pytest.raises(TypeError, match=name) as caught:
            call()
        assert why_refused(name) in str(caught.value)


def test_the_page_is_what_the_rules_say():
    path = Path(__file__).parent.parent.parent / "docs" / "numpy.md"
    text = path.read_text(encoding="utf-8")
    version = ".".join(np.__version__.split(".")[:2])
    if f"NumPy {version} has" not in text:
        pytest.skip("the page was written for another version of NumPy")
    assert text == page(), "run `python -m minigrad.coverage`"
