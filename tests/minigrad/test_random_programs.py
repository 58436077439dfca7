"""Random programs: the ways of minigrad agree; benchmarks/random_programs.py asks PyTorch."""

import numpy as np
import pytest

from benchmarks.random_programs import differences, programs

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")


def test_plain_and_compiled_and_both_mixes_agree():
    for program in programs(12, seed=5):
        if np.all(np.isfinite(program.x)) and np.all(np.abs(program.x) < 1e100):
            assert [d for d in differences(program, None) if not d.rule] == [], program


@pytest.mark.oracle
def test_against_torch():
    torch = pytest.importorskip("torch")
    for program in programs(40, seed=0):
        assert [d for d in differences(program, torch) if not d.rule] == [], program
