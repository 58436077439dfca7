"""The machine that measurements run on: the environment of every child process, and its description.

This file imports no library that is measured. `benchmarks.whole` needs its own process small, because a
child's peak memory counts from the size of the process that started it.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterable
from functools import cache
from importlib import metadata, util
from pathlib import Path
from typing import Any

THREADS = 2
PACKAGES = {
    "PyTorch": "torch",
    "JAX": "jax",
    "HIPS autograd": "autograd",
    "tinygrad": "tinygrad",
    "MLX": "mlx",
}
COMPILERS = {"PyTorch, compiled": "g++", "tinygrad": "clang", "MLX": "g++"}  # programs that the peers start


@cache
def environment() -> dict[str, str]:
    """The environment of every measured process: two threads, and the fastest kernels OpenBLAS has for this
    processor.

    OpenBLAS does not know every processor and then falls back to kernels of half the speed, and
    OPENBLAS_CORETYPE may already be set to such a family. So the family is chosen here, by measuring a matrix
    product, and all NumPy runs get the same one.
    """
    settings = {
        "OPENBLAS_NUM_THREADS": str(THREADS),
        "OMP_NUM_THREADS": str(THREADS),
        "MKL_NUM_THREADS": str(THREADS),
    }
    plain = {name: value for name, value in os.environ.items() if not name.startswith("OPENBLAS_")} | settings
    # Installed packages have their byte code beside them. With this variable set, our files would have none
    # and be compiled anew at every import.
    plain.pop("PYTHONDONTWRITEBYTECODE", None)
    command = [
        sys.executable,
        "-c",
        "import json; from minigrad import doctor; print(json.dumps(doctor.measured()))",
    ]
    speeds = json.loads(subprocess.run(command, env=plain, capture_output=True, text=True, check=True).stdout)
    family = max(speeds, key=lambda name: float(speeds[name]["gflops"]))
    if speeds[family]["gflops"] < 1.1 * speeds[""]["gflops"]:  # so much is noise
        family = ""
    return plain | ({"OPENBLAS_CORETYPE": family} if family else {})


def missing(names: Iterable[str]) -> dict[str, str]:
    """{name: what is not installed} for the subjects that cannot run here.

    The package of a subject is that of the name before the comma: "PyTorch, compiled" needs PyTorch.
    """
    lacks = {}
    for name in names:
        package, compiler = PACKAGES.get(name.partition(",")[0]), COMPILERS.get(name)
        if package and util.find_spec(package) is None:
            lacks[name] = f"{package}, which `pip install .[bench]` brings where there is one for this system"
        elif compiler and shutil.which(compiler) is None:
            lacks[name] = f"the compiler {compiler}"
    return lacks


def say_missing(lacks: dict[str, str]) -> None:
    for name, what in lacks.items():
        print(f"{name} is left out. Not installed: {what}.")


def describe(names: Iterable[str] = ()) -> dict[str, Any]:
    """Processor, BLAS and versions, also those of the measured peers, as one flat dict.

    A child process finds them out, so they are those that the measured processes see.
    """
    command = [sys.executable, "-m", "benchmarks.machine"]
    said = subprocess.run(command, env=environment(), capture_output=True, text=True, check=True).stdout
    names = set(names)
    present = names & PACKAGES.keys() - missing(names).keys()
    peers = {name: metadata.version(package) for name, package in PACKAGES.items() if name in present}
    return {
        "cpu": _cpuinfo("model name") or platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        **json.loads(said),
        "threads": THREADS,
        **peers,
    }


def line(machine: dict[str, Any]) -> str:
    peers = ", ".join(f"{name} {machine[name]}" for name in PACKAGES if name in machine) or "no peers"
    return (
        f"{machine['cpu']}, {machine['cores']} cores; Python {machine['python']}, NumPy {machine['numpy']}; "
        f"BLAS of all NumPy runs: {machine['blas']}, kernels {machine['kernels']}; {machine['threads']} "
        f"threads; {peers}"
    )


class Busy:
    """Watches how much of the machine other programs use during a measurement. It needs Linux."""

    def __init__(self) -> None:
        self.start = self._used()

    def report(self) -> bool:
        """Print the share that other programs used; True if it is too large for the result to be stored."""
        if not self.start:
            return False
        total, others = (now - then for now, then in zip(self._used(), self.start))
        share = max(0.0, others / max(total, 1))
        busy = share > 0.05
        advice = (
            " That is too much: the result is not stored; run it again when the machine is quiet."
            if busy
            else ""
        )
        print(f"\nOther programs used {share:.0%} of the processors meanwhile.{advice}")
        return busy

    @staticmethod
    def _used() -> tuple[float, ...]:
        """Ticks of all processors so far: all of them, and those that other programs used.

        The latter are neither idle nor waiting, and belong neither to us nor to our finished children.
        """
        path = Path("/proc/stat")
        if not path.exists():
            return ()
        ticks = [int(field) for field in path.read_text().split("\n", 1)[0].split()[1:9]]
        return float(sum(ticks)), sum(ticks) - ticks[3] - ticks[4] - sum(os.times()[:4]) * os.sysconf(
            "SC_CLK_TCK"
        )


def _cpuinfo(field: str) -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    return next((text.partition(":")[2].strip() for text in lines if text.startswith(field)), "")


if __name__ == "__main__":
    from minigrad.doctor import blas

    print(json.dumps(blas()))
