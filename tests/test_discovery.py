"""What users find by themselves: `dir`, `help`, `import *`, the version, and docstrings all over."""

import ast
import importlib
import inspect
import os
import pydoc
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = [importlib.import_module(name) for name in ("minigrad", "models", "optim")]


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.__name__)
class TestPackage:
    def test_what_is_public_is_what_is_imported_as_itself(self, package):
        tree = ast.parse(Path(package.__file__).read_text(encoding="utf-8"))
        imported = {  # also those that only type checkers import, and Python when they are first used
            alias.asname
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom)
            for alias in node.names
            if (alias.asname or "_")[0] != "_"
        }
        assert set(package.__all__) == imported
        assert len(set(package.__all__)) == len(package.__all__)

    def test_dir_lists_what_is_public_and_nothing_else(self, package):
        assert dir(package) == sorted([*package.__all__, "__version__"])

    def test_a_star_import_brings_all_of_it(self, package):
        names = {}
        exec(f"from {package.__name__} import *", names)
        assert set(package.__all__) <= names.keys()
        assert names.keys() - set(package.__all__) <= {"__builtins__"}

    def test_help_lists_each_name_with_a_line(self, package):
        listed = re.findall(
            r"^        (\w+)  +\S", pydoc.render_doc(package, renderer=pydoc.plaintext), re.MULTILINE
        )
        wanted = set(package.__all__)
        assert sorted(name for name in listed if name in wanted)[: len(wanted)] == sorted(wanted)
        rows = re.findall(r"^    (\w+) +(\S.*)$", package.__doc__, re.MULTILINE)
        assert sorted(name for name, _ in rows) == sorted(wanted)

    def test_everything_public_has_a_docstring(self, package):
        missing = []
        for name in package.__all__:
            x = getattr(package, name)
            missing += [] if inspect.getdoc(x) else [name]
            if inspect.isclass(x):
                missing += [f"{name}.{each}" for each in without_docstring(x)]
        assert missing == []

    def test_the_version_is_that_of_the_distribution(self, package):
        project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
        assert "version" in project["project"]["dynamic"]
        assert project["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "minigrad.__version__"}
        assert re.fullmatch(r"\d+\.\d+\.\d+", package.__version__)
        assert package.__version__ == PACKAGES[0].__version__


def without_docstring(cls):
    """The public methods and properties of a class of ours that have none."""
    for name, x in inspect.getmembers(cls):
        if name.startswith("_") or not (inspect.isroutine(x) or isinstance(x, property)):
            continue
        if not inspect.getdoc(x):
            yield name


def test_the_version_is_known_in_a_plain_checkout(tmp_path):
    code = (
        "import minigrad, models, optim; print(minigrad.__version__, models.__version__, optim.__version__)"
    )
    for package in PACKAGES:  # without the metadata of an installation
        (tmp_path / package.__name__).symlink_to(Path(package.__file__).parent)
    env = os.environ | {"PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=env, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == [PACKAGES[0].__version__] * 3


def test_no_hint_names_a_distribution_that_is_not_ours():
    """On the package index, "minigrad" is somebody else's."""
    files = [
        p
        for top in ("minigrad", "models", "optim", "examples", "docs", "benchmarks")
        for p in (ROOT / top).rglob("*")
    ]
    files += ROOT.glob("*.md")
    texts = {p: p.read_text(encoding="utf-8") for p in files if p.suffix in (".py", ".md")}
    assert [
        str(p) for p, text in texts.items() if re.search(r"pip install (-\w+ )*[\"']?minigrad\b", text)
    ] == []
