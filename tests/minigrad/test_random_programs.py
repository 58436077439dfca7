"""Random programs: minigrad against itself, difference quotients and PyTorch."""

import numpy as np
import pytest

import minigrad as mg
from benchmarks.random_programs import differences, programs

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")


def test_plain_and_compiled_and_both_mixes_agree():
    for program in programs(12, seed=5):
        if np.all(np.isfinite(program.x)) and np.all(np.abs(program.x) < 1e100):
            assert [d for d in differences(program, None) if not d.rule] == [], program


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
