"""The house: imports run one way, a wheel is whole, an import loads nothing unneeded, private names stay in
their file, the engine is small and near NumPy's kernels, and no test depends on another.
"""

import ast
import functools
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

from minigrad import Tensor

ROOT = Path(__file__).parent.parent
PACKAGES = ("minigrad", "models", "optim")
ALLOWED = {"minigrad": {"minigrad"}, "models": {"minigrad", "models"}, "optim": {"minigrad", "optim"}}
LAYERS = [  # inside minigrad, each may import only from the lines above its own
    {"habits", "refused"}, {"calls", "errors", "files", "handed_out", "packing", "plots", "tables"},
    {"hints", "mode"}, {"arraylike"}, {"leaving", "slices"}, {"sweeps"},
    {"tensor", "linear_program"}, {"products", "trees"}, {"families"},
    {"ops", "pool"}, {"arrays", "special"}, {"numpy"}, {"recording"}, {"transforms"},
    {"gauss_newton", "replay"}, {"loops"},
    {"batching", "check", "coverage", "doctor", "drawing", "extend"},
]  # fmt: skip


@functools.cache
def parsed(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return tree, list(ast.walk(tree))


def is_for_types(node):
    return isinstance(node, ast.If) and ast.unparse(node.test).split(".")[-1].lstrip("_") == "TYPE_CHECKING"


def imports(path, for_types=True):
    tree, nodes = parsed(path)
    typing = [node for block in tree.body if is_for_types(block) for node in block.body]
    for node in nodes:
        if not for_types and node in typing:
            continue
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
            carried |= {
                path.relative_to(ROOT) for path in ROOT.glob(f"{package.replace('.', '/')}/{pattern}")
            }
    assert [path for path in files if path.suffix != ".py" and path not in carried] == []


def test_layers_inside_minigrad():
    rank = {name: i for i, layer in enumerate(LAYERS) for name in layer}
    for path in (ROOT / "minigrad").rglob("*.py"):
        here = path.relative_to(ROOT / "minigrad").parts[0].removesuffix(".py")
        if here == "__init__":
            continue
        assert here in rank, f"{path} has no place in the house; give it one here and in ARCHITECTURE.md"
        for name in imports(path, for_types=False):  # which checkers follow, and Python does not
            parts = name.split(".")
            if parts[0] == "minigrad" and len(parts) > 1 and parts[1] != here:
                assert rank[parts[1]] < rank[here], f"{path} imports {name}, which lies above or beside it"


def test_import_pulls_in_numpy_alone():
    code = (
        "import sys, numpy; before = set(sys.modules); import minigrad; print(sorted(set(sys.modules) - "
        "before))"
    )
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    ).stdout
    heavy = [
        m
        for m in ("graphviz", "tqdm", "matplotlib", "scipy", "models", "optim", "inspect", "difflib")
        if f"'{m}'" in out
    ]
    assert heavy == [], out


def sources(folder):
    """The files, and all nodes of each."""
    for path in sorted((ROOT / folder).rglob("*.py")):
        yield path.relative_to(ROOT), parsed(path)[1]


def names_imported_by(nodes):
    for node in nodes:
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module=module, names=names):
                yield from (f"{module}.{alias.name}" for alias in names)


@pytest.mark.parametrize("package", ["models", "optim"])
def test_models_and_optim_see_two_faces_of_minigrad(package):
    """`minigrad` and `minigrad.extend`: what is inside may then move."""
    inside = {path.stem for path in (ROOT / "minigrad").iterdir()} - {"extend"}
    found = []
    for path, nodes in sources(package):
        for name in names_imported_by(nodes):
            top, *below = name.split(".")
            if top == "minigrad" and inside.intersection(below[:1]):
                found.append(f"{path} imports {name}")
    assert not found, found


# Private names

NOT_SECRET = {"_NoValue", "_asdict", "_fields", "_getframe", "_make", "_replace"}  # NumPy, named tuples, sys


def is_private(name):
    return name.startswith("_") and not name.endswith("__") and name not in NOT_SECRET


def is_own(value):
    """Whether an object is the one a method was called with: self, cls or super()."""
    return isinstance(value, ast.Name | ast.Call) and ast.unparse(value) in ("self", "cls", "super()")


def names_defined_in(nodes):
    for node in nodes:
        match node:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name) | ast.Name(id=name, ctx=ast.Store()):
                yield name
            case ast.Attribute(value=value, attr=name, ctx=ast.Store()) if is_own(value):
                yield name
            case ast.Assign(targets=[ast.Name(id="__slots__")], value=slots):
                yield from ast.literal_eval(slots)


def private_reaches(nodes):
    """The places that use a private name which another file defines: (line, text)."""
    own = set(names_defined_in(nodes))
    for node in nodes:
        match node:
            case ast.Attribute(value=value, attr=name) if is_private(name) and not is_own(value):
                if name not in own:
                    yield node.lineno, ast.unparse(node)
            case ast.ImportFrom(module=module, names=names) if module.split(".")[0] in PACKAGES:
                for alias in names:
                    if is_private(alias.name):
                        yield node.lineno, f"{module}.{alias.name}"


@pytest.mark.parametrize(("package", "most"), [("minigrad", 5), ("models", 1), ("optim", 4)])
def test_private_names_stay_in_their_file(package, most):
    places = [(path, *place) for path, nodes in sources(package) for place in private_reaches(nodes)]
    found = [f"{path}:{line} {text}" for path, line, text in places]
    assert len(found) <= most, "\n".join(["make some of these public, or unnecessary:", *found])


# The engine


def test_two_frames_lie_between_a_call_and_numpys_kernel():
    x, frames = Tensor([1.0], requires_grad=True), []

    def profile(frame, event, _):
        if event == "call" and Path(frame.f_code.co_filename).is_relative_to(ROOT / "minigrad"):
            frames.append(frame.f_code.co_qualname)

    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        np.sin(x)
    finally:
        sys.setprofile(before)
    assert len(frames) <= 2, frames


def test_the_engine_can_be_read_in_one_sitting():
    files = [ROOT / "minigrad" / f"{name}.py" for name in ("tensor", "sweeps", "families")]
    sizes = {path.name: len(path.read_text(encoding="utf-8").splitlines()) for path in files}
    assert sum(sizes.values()) <= 800, sizes


# Tests


def generators_read_in_functions(nodes):
    """The lines where a function or lambda reads a generator of its module."""
    body = nodes[0].body
    made = [node for node in body if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call)]
    kinds = ("default_rng", "Generator", "Random")
    made = [node for node in made if ast.unparse(node.value.func).endswith(kinds)]
    generators = {target.id for node in made for target in node.targets if isinstance(target, ast.Name)}
    for function in nodes if generators else ():
        if isinstance(function, ast.FunctionDef | ast.Lambda):
            names = [node for node in ast.walk(function) if isinstance(node, ast.Name)]
            local = {node.id for node in names if isinstance(node.ctx, ast.Store)}
            local |= {node.arg for node in ast.walk(function) if isinstance(node, ast.arg)}
            yield from (node.lineno for node in names if node.id in generators - local)


def test_no_test_draws_from_a_generator_of_its_module():
    """Its data would depend on which tests ran before. The fixture `rng` is a generator of the test's own."""
    found = [(str(path), [*generators_read_in_functions(nodes)]) for path, nodes in sources("tests")]
    assert [(path, lines) for path, lines in found if lines] == []
