"""The doctor describes the machine, and recommends a setting only if it is measured to help."""

import importlib.util
import json
import os
import platform
import runpy
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


def test_the_speeds_are_those_of_processes_with_each_setting(monkeypatch):
    """With few products and one more round: how exact the speeds are is not what is asked here."""
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")
    monkeypatch.setattr(doctor, "PRODUCTS", 2)
    monkeypatch.setattr(doctor, "ROUNDS", 1)
    now = doctor.blas()["kernels"]
    others = [name for name in doctor.families() if name.lower() != now.lower()][:1]
    monkeypatch.setattr(doctor, "families", lambda: others)
    speeds = doctor.measured()
    assert speeds[""]["kernels"] == now
    if now != "unknown":
        assert {name: speed["kernels"].upper() for name, speed in speeds.items() if name} == {
            name: name for name in others
        }
    assert all(1e-3 < speed["gflops"] < 1e5 for speed in speeds.values())


def test_the_command_measures_and_reports(monkeypatch, capsys):
    asked = []

    def run(command, env, **options):
        asked.append((command[0], env.get("OPENBLAS_CORETYPE")))
        return subprocess.CompletedProcess(command, 0, json.dumps({"gflops": 50.0, "kernels": "unknown"}))

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.delenv("OPENBLAS_CORETYPE", raising=False)
    runpy.run_path(doctor.__file__, run_name="__main__")
    out, err = capsys.readouterr()
    assert asked == [(sys.executable, None)] * 4  # once, and three times again
    assert "GFLOP/s with kernels unknown (as it is now)" in out
    assert out.strip().endswith("nothing to set.")
    assert err.startswith("measuring")
