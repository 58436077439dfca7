"""The house: imports run one way, the public names are the ones promised, importing costs nothing it need not."""

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("minigrad", "models", "optim")
ALLOWED = {"minigrad": {"minigrad"}, "models": {"minigrad", "models"}, "optim": {"minigrad", "optim"}}
LAYERS = [  # inside minigrad, each may import only from the lines above its own
    {"arraylike", "errors", "mode", "packing"}, {"leaving", "sweeps"}, {"tensor", "linear_program"}, {"families", "trees"},
    {"ops"}, {"transforms"}, {"gauss_newton", "replay"}, {"check", "doctor", "drawing", "extend"},
]  # fmt: skip


def imports(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: write absolute imports"
            yield node.module


@pytest.mark.parametrize("package", PACKAGES)
def test_import_direction(package):
    for path in (ROOT / package).rglob("*.py"):
        for name in imports(path):
            top = name.split(".")[0]
            if top in (*PACKAGES, "examples", "tests", "benchmarks"):
                assert top in ALLOWED[package], f"{path} imports {name}"


def test_a_wheel_carries_every_package_and_every_file_in_it():
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    files = [path.relative_to(ROOT) for top in PACKAGES for path in (ROOT / top).rglob("*") if path.is_file()]
    files = [path for path in files if "__pycache__" not in path.parts]
    assert {".".join(path.parent.parts) for path in files if path.suffix == ".py"} == set(tools["packages"])
    carried = set()
    for package, patterns in tools["package-data"].items():
        for pattern in patterns:
            carried |= {path.relative_to(ROOT) for path in ROOT.glob(f"{package.replace('.', '/')}/{pattern}")}
    assert [path for path in files if path.suffix != ".py" and path not in carried] == []


def test_layers_inside_minigrad():
    rank = {name: i for i, layer in enumerate(LAYERS) for name in layer}
    for path in (ROOT / "minigrad").rglob("*.py"):
        here = path.relative_to(ROOT / "minigrad").parts[0].removesuffix(".py")
        if here == "__init__":
            continue
        assert here in rank, f"{path} has no place in the house; give it one here and in ARCHITECTURE.md"
        for name in imports(path):
            parts = name.split(".")
            if parts[0] == "minigrad" and len(parts) > 1 and parts[1] != here:
                assert rank[parts[1]] < rank[here], f"{path} imports {name}, which lies above or beside it"


def test_import_pulls_in_numpy_alone():
    code = "import sys, numpy; before = set(sys.modules); import minigrad; print(sorted(set(sys.modules) - before))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    heavy = [m for m in ("graphviz", "tqdm", "matplotlib", "scipy", "models", "optim", "inspect") if f"'{m}'" in out]
    assert heavy == [], out
