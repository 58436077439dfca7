"""`python -m minigrad.doctor`: what minigrad runs on here, which files a script would import, and whether a
setting would make it faster.

OpenBLAS picks its kernels by the processor's model, and for a model that it does not know it may pick kernels
of half the speed. So a matrix product is timed with each family of kernels that the processor's instruction
set allows, each in a process of its own, because OpenBLAS chooses when NumPy is loaded.
"""

from __future__ import annotations

import ctypes
import importlib.metadata
import importlib.util
import json
import os
import platform
import shutil
import subprocess
import sys
import webbrowser
from pathlib import Path
from typing import Any

from minigrad import __version__

__all__ = ["blas", "families", "main", "measured", "packages", "report"]

FAMILIES = {  # OPENBLAS_CORETYPE: the instructions it needs
    "NEHALEM": {"sse4_2"}, "SANDYBRIDGE": {"avx"}, "HASWELL": {"avx2", "fma"}, "ZEN": {"avx2", "fma"},
    "SKYLAKEX": {"avx512vl"}, "COOPERLAKE": {"avx512_bf16"}, "SAPPHIRERAPIDS": {"amx_bf16"},
    "NEOVERSEN1": {"asimddp"}, "NEOVERSEV1": {"sve"},
}  # fmt: skip
_ROOT = Path(__file__).resolve().parent.parent
WORTH = 1.15  # a setting is recommended if it is faster by at least this factor
PRODUCTS, ROUNDS = 60, 3  # how many products a process times, and how often each setting is timed again
_TIMED = """
import json, sys, time, numpy as np
from minigrad.doctor import blas
rng = np.random.default_rng(0)
a, b = (rng.standard_normal(shape).astype(np.float32) for shape in ((512, 768), (768, 1024)))
out = np.empty((512, 1024), np.float32)
times = []
for _ in range(int(sys.argv[1])):
    start = time.perf_counter(); np.dot(a, b, out); times.append(time.perf_counter() - start)
seconds = sorted(times)[len(times) // 4]
print(json.dumps({"gflops": 2 * 512 * 768 * 1024 / seconds / 1e9, "kernels": blas()["kernels"]}))
"""


def main() -> None:
    """Print the report."""
    print("measuring matrix products …", file=sys.stderr)
    print(report(measured()))


def blas() -> dict[str, str]:
    """NumPy's version, and name, version and kernel family of the BLAS it uses."""
    import numpy as np

    built = np.show_config("dicts")["Build Dependencies"]["blas"]  # type: ignore[call-overload]  # a string in the stubs
    kernels = "unknown"
    root = Path(np.__file__).parent
    for library in [*root.parent.glob("numpy.libs/*openblas*"), *root.glob(".dylibs/*openblas*")]:
        corename = getattr(ctypes.CDLL(str(library)), "scipy_openblas_get_corename64_", None)
        if corename:
            corename.restype = ctypes.c_char_p
            kernels = corename().decode()
    return {"numpy": np.__version__, "blas": f"{built['name']} {built['version']}", "kernels": kernels}


def packages() -> list[str]:
    """A line on where a script in the present folder finds minigrad, models and optim, or what hides them."""
    lines = []
    for name in ("minigrad", "models", "optim"):
        ours = _ROOT / name / "__init__.py"
        spec = None if name == "minigrad" else importlib.util.find_spec(name)  # minigrad is this one
        found = ours if name == "minigrad" else Path(spec.origin) if spec and spec.origin else None
        if found is not None and found.resolve() == ours.resolve():
            lines.append(f"{name:<10} {ours.parent}")
        elif found is None:
            lines.append(f"{name:<10} not found; write pip install -e . in {_ROOT}")
        else:
            lines.append(
                f"{name:<10} {found} HIDES OURS, {ours.parent}: `from {name} import ...` fails here; "
                "give that file another name"
            )
    return lines


def families() -> list[str]:
    """The kernel families that the processor's instructions allow; none if the system does not list those."""
    flags = _instructions()
    return [name for name, needed in FAMILIES.items() if needed <= flags]


def measured() -> dict[str, Any]:
    """Time a float32 product of 512 × 768 by 768 × 1024 under each setting, "" standing for the present one.

    Returns:
        {setting: {"gflops", "kernels"}}
    """
    found = {"": _timed({})}
    candidates = families() if found[""]["kernels"] != "unknown" else []
    for family in candidates:
        result = _timed({"OPENBLAS_CORETYPE": family})
        if result["kernels"] not in [other["kernels"] for other in found.values()]:
            found[family] = result
    for name, speed in [*found.items()] * ROUNDS:  # the best of several: other programs may disturb one
        again = _timed({"OPENBLAS_CORETYPE": name} if name else {})
        speed["gflops"] = max(speed["gflops"], again["gflops"])
    return found


def report(speeds: dict[str, Any]) -> str:
    """The machine, the versions and the measured speeds as text.

    >>> now, other = {"gflops": 50.0, "kernels": "Haswell"}, {"gflops": 100.0, "kernels": "SkylakeX"}
    >>> print(report({"": now, "SKYLAKEX": other}))
    ... # doctest: +ELLIPSIS
    minigrad ...
    matmul 512 × 768 × 1024, float32 ... 50 GFLOP/s with kernels Haswell (as it is now)
                                    ... 100 GFLOP/s with kernels SkylakeX
    OPENBLAS_CORETYPE=SKYLAKEX, set before Python starts, would make matrix products 2.0 times as fast.
    """
    here = blas()
    lines = [
        f"minigrad {__version__}, Python {platform.python_version()}, NumPy {here['numpy']}, "
        f"{platform.machine()}",
        *packages(),
        f"BLAS       {here['blas']}, kernels {here['kernels']}",
        f"threads    {os.cpu_count()} processors; " + _settings(),
        f"matplotlib {_version('matplotlib')}: for PNG, PDF and the pictures of the examples",
        f"Graphviz   dot {_yes(shutil.which('dot'))}, graphviz {_version('graphviz')}, pygraphviz "
        f"{_version('pygraphviz')}: for PNG and PDF by their layout",
        f"browser    {_browser()}: for the pages of drawings (HTML); SVG, HTML, DOT and Mermaid are written "
        "without any of these",
        "",
    ]
    for i, (name, speed) in enumerate(speeds.items()):
        start = "matmul 512 × 768 × 1024, float32" if not i else " " * 32
        now = " (as it is now)" if not name else ""
        lines.append(f"{start}  {speed['gflops']:6.0f} GFLOP/s with kernels {speed['kernels']}{now}")
    return "\n".join([*lines, advice(speeds)])


def advice(speeds: dict[str, Any]) -> str:
    """The sentence that recommends a setting, or says that none is worth it."""
    best = max(speeds, key=lambda name: float(speeds[name]["gflops"]))
    gain = speeds[best]["gflops"] / speeds[""]["gflops"]
    if not best or gain < WORTH:
        return "No other family of kernels is notably faster here: nothing to set."
    return (
        f"OPENBLAS_CORETYPE={best}, set before Python starts, would make matrix products {gain:.1f} times as "
        "fast."
    )


def _timed(settings: dict[str, str]) -> dict[str, Any]:
    path = os.pathsep.join(filter(None, (str(_ROOT), os.environ.get("PYTHONPATH"))))
    command = [sys.executable, "-c", _TIMED, str(PRODUCTS)]
    said = subprocess.run(
        command, env=os.environ | {"PYTHONPATH": path} | settings, capture_output=True, text=True, check=True
    )
    return json.loads(said.stdout)  # type: ignore[no-any-return]  # the dict that the text above prints


def _instructions() -> set[str]:
    path = Path("/proc/cpuinfo")
    for line in path.read_text().splitlines() if path.exists() else ():
        if line.startswith(("flags", "Features")):
            return set(line.partition(":")[2].split())
    return set()


def _settings() -> str:
    names = [name for name in os.environ if name.startswith(("OPENBLAS_", "OMP_NUM", "MKL_NUM", "VECLIB_"))]
    return (
        ", ".join(f"{name}={os.environ[name]}" for name in sorted(names))
        or "no BLAS setting in the environment"
    )


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _browser() -> str:
    try:
        return getattr(webbrowser.get(), "name", "found")
    except webbrowser.Error:
        return "not found"


def _yes(found: Any) -> str:
    return "found" if found else "not found"


if __name__ == "__main__":
    main()
