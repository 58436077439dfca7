"""Random programs: minigrad against itself, difference quotients and PyTorch."""

import numpy as np
import pytest

import minigrad as mg
from benchmarks import random_programs
from benchmarks.random_programs import differences, programs

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")


def test_plain_and_compiled_and_both_mixes_agree():
    for program in programs(12, seed=5):
        if np.all(np.isfinite(program.x)) and np.all(np.abs(program.x) < 1e100):
            assert [d for d in differences(program, None) if not d.rule] == [], program


WRONG = {
    "sign": lambda y: -y,
    "factor": lambda y: y * y.dtype.type(1 + (1e-6 if y.dtype == np.float64 else 1e-2)),
    "dtype": lambda y: y.astype(np.float32 if y.dtype == np.float64 else np.float64),
    "NaN": lambda y: np.where(np.arange(y.size) == 1, np.nan, y).astype(y.dtype),
    "infinite": lambda y: np.where(np.arange(y.size) == 1, np.inf, y).astype(y.dtype),
    "zero": lambda y: 0 * y,
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
@pytest.mark.parametrize("name", ["gradient compiled", "Hv forward"])
def test_no_rule_excuses_a_wrong_number(name, wrong, monkeypatch):
    ours = random_programs._ours
    monkeypatch.setattr(
        random_programs,
        "_ours",
        lambda *a, **k: {n: wrong(y) if n == name else y for n, y in ours(*a, **k).items()},
    )
    for seed in (13, 4):  # smooth, and without a zero in the result; compiled in float64, and in float32
        (program,) = programs(1, seed)
        found = [d for d in differences(program, None) if d.what.startswith(name)]
        assert found, program
        assert [d.rule for d in found] == [""] * len(found), program


def test_the_derivatives_are_what_difference_quotients_tend_to():
    compared = 0
    for program in programs(150, seed=5):
        x, v = np.random.default_rng(0).normal(size=(2, 4))
        gradient = mg.grad(program.run)
        for f, slope in ((program.run, gradient(x) @ v), (gradient, mg.jvp(gradient, (x,), (v,))[1])):
            far, near = ((f(x + h * v) - f(x - h * v)) / (2 * h) for h in (1e-4, 1e-5))
            if np.allclose(far, near, rtol=1e-4, atol=1e-6):  # smooth, and finite
                assert np.allclose(slope, near, rtol=1e-3, atol=1e-5), program
                compared += 1
    assert compared > 150


@pytest.mark.oracle
def test_against_torch():
    torch = pytest.importorskip("torch")
    for program in programs(40, seed=0):
        assert [d for d in differences(program, torch) if not d.rule] == [], program


PLANTED = [  # what a rule of few programs explains, and what it must not
    (5842, "gradient", "underflow", ("sign", "factor", "dtype")),
    (9692, "Hv forward", "slope at -0", ("sign", "factor", "dtype", "infinite", "zero")),
    (9658, "Hv forward", "second difference", ("sign", "factor", "dtype", "infinite", "zero")),
    (8981, "Hv forward", "rounding", ("dtype", "NaN", "infinite")),
]


@pytest.mark.oracle
@pytest.mark.parametrize(("seed", "name", "rule", "wrongs"), PLANTED)
def test_a_rule_of_few_programs_is_no_excuse_for_others(seed, name, rule, wrongs, monkeypatch):
    torch = pytest.importorskip("torch")
    ours, (program,) = random_programs._ours, programs(1, seed)
    at = f"{name}, float{64 if seed == 8981 else 32}"
    assert [d.rule for d in differences(program, torch) if d.what == at] == [rule]
    for wrong in wrongs:
        monkeypatch.setattr(
            random_programs,
            "_ours",
            lambda *a, w=WRONG[wrong], **k: {n: w(y) if n == name else y for n, y in ours(*a, **k).items()},
        )
        assert [d.rule for d in differences(program, torch) if d.what == at] == [""], wrong
