"""The doctor describes the machine, and recommends a setting only if it is measured to help."""

import importlib.util
import os
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import minigrad
import models
import optim
from minigrad import doctor


def test_the_report_names_what_is_here():
    text = doctor.report({"": {"gflops": 10.0, "kernels": "X"}})
    assert np.__version__ in text
    assert "BLAS" in text
    assert f"minigrad {minigrad.__version__}, Python {platform.python_version()}, NumPy" in text
    for thing in ("dot", "pygraphviz", "matplotlib", "browser"):
        assert thing in text


def test_the_report_says_what_a_script_imports_and_who_hides_it(tmp_path, monkeypatch):
    ours = "".join(doctor.packages())
    assert "HIDES" not in ours
    for package in (minigrad, models, optim):
        assert str(Path(package.__file__).parent) in ours
    (tmp_path / "models.py").write_text("")
    told = [sys.executable, "-c", "from minigrad import doctor; print(*doctor.packages(), sep='\\n')"]
    path = str(Path(minigrad.__file__).parents[1])
    done = subprocess.run(
        told, cwd=tmp_path, env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True, check=True
    )
    lines = done.stdout.splitlines()
    assert "HIDES" not in lines[0] + lines[2]
    assert f"{tmp_path / 'models.py'} HIDES OURS" in lines[1]
    assert lines[1].endswith("give that file another name")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert "pip install -e ." in doctor.packages()[2]


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
