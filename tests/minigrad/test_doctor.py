"""The doctor describes the machine, and recommends a setting only if it is measured to help."""

import subprocess
import sys

import numpy as np
import pytest

from minigrad import doctor


def test_the_report_names_what_is_here():
    text = doctor.report({"": {"gflops": 10.0, "kernels": "X"}})
    assert np.__version__ in text
    assert "BLAS" in text
    for thing in ("dot", "pygraphviz", "matplotlib"):
        assert thing in text


@pytest.mark.parametrize(
    ("gain", "said"), [(1.0, "nothing to set"), (1.1, "nothing to set"), (2.0, "OPENBLAS_CORETYPE=FAST")]
)
def test_advice_is_given_where_it_pays(gain, said):
    assert said in doctor.advice(
        {"": {"gflops": 50.0, "kernels": "A"}, "FAST": {"gflops": 50.0 * gain, "kernels": "B"}}
    )


def test_families_need_the_instructions(monkeypatch):
    monkeypatch.setattr(doctor, "_instructions", lambda: {"avx", "avx2", "fma", "sse4_2"})
    assert doctor.families() == ["NEHALEM", "SANDYBRIDGE", "HASWELL", "ZEN"]
    monkeypatch.setattr(doctor, "_instructions", set)
    assert doctor.families() == []


def test_the_command_measures(monkeypatch):
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")
    done = subprocess.run(
        [sys.executable, "-m", "minigrad.doctor"], capture_output=True, text=True, check=True
    )
    assert "GFLOP/s" in done.stdout
    assert "(as it is now)" in done.stdout
    assert done.stdout.strip().endswith((".", "nothing to set."))
