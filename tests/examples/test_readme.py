"""The README and the pages of docs/ tell the truth: examples run, links lead somewhere, all public names are
explained."""

import doctest
import importlib
import importlib.util
import re
from pathlib import Path

import pytest

import models
import optim
from benchmarks import page as speed_page

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
DOCS = [README, *sorted((ROOT / "docs").glob("*.md"))]
LINKED = [
    *sorted(ROOT.glob("*.md")),
    *DOCS[1:],
    ROOT / "benchmarks" / "README.md",
    ROOT / "models" / "data" / "README.md",
]
WITHOUT_EXAMPLES = {"docs/README.md", "docs/numpy.md", "docs/speed.md"}
PACKAGES = ("minigrad", "models", "optim")


def text(path):
    return path.read_text(encoding="utf-8")


def name(path):
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", DOCS, ids=name)
def test_every_example_prints_what_it_says(path):
    failed, tried = doctest.testfile(str(path), module_relative=False, encoding="utf-8")
    assert not failed
    assert (tried > 5) == (name(path) not in WITHOUT_EXAMPLES)


@pytest.mark.parametrize(
    "module", sorted(set(re.findall(r"python -m ((?:\w+\.)+\w+)", "".join(map(text, DOCS)))))
)
def test_every_program_exists(module):
    assert importlib.util.find_spec(module)


def links(path):
    """(file, anchor) of every relative link and picture; code is left out."""
    plain = re.sub(r"```.*?```|`[^`\n]*`", "", text(path), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", plain) + re.findall(
        r'\b(?:src|srcset|href)="([^"]+)"', plain
    ):
        if not re.match(r"[a-z]+:", target):
            file, _, anchor = target.partition("#")
            yield (path.parent / file).resolve() if file else path, anchor


def anchors(path):
    """The anchors that GitHub gives to headings."""
    headings = re.findall(
        r"^#+ (.+)$", re.sub(r"```.*?```", "", text(path), flags=re.DOTALL), flags=re.MULTILINE
    )
    return {re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", LINKED, ids=name)
def test_every_link_leads_to_a_file_and_a_heading(path):
    for file, anchor in links(path):
        assert file.exists(), f"{name(path)} links to {file}"
        assert not anchor or anchor in anchors(file), f"{name(path)} links to #{anchor} of {name(file)}"


def test_every_page_is_linked_from_the_index():
    linked = {file for file, _ in links(ROOT / "docs" / "README.md")}
    assert [name(path) for path in DOCS[1:] if path not in linked and path.name != "README.md"] == []


def test_the_readme_can_be_read_in_one_sitting():
    assert len(text(README).splitlines()) <= 180
    assert len(text(README).split()) <= 1200, "move something to a page under docs/"


def words(paths):
    return set(re.findall(r"\w+", "".join(map(text, paths))))


def test_the_readme_names_every_optimizer_and_layer():
    classes = [getattr(package, name) for package in (optim, models) for name in package.__all__]
    bases = (optim.Optimizer, models.Module)
    wanted = {c.__name__ for c in classes if isinstance(c, type) and issubclass(c, bases)} - {
        "Optimizer",
        "FirstOrder",
    }
    assert len(wanted) > 15
    missing = sorted(wanted - words([README]))
    assert not missing, f"name {missing} in README.md's table, What is in it"


@pytest.mark.parametrize("package", PACKAGES)
def test_the_pages_name_everything_that_is_public(package):
    public = set(importlib.import_module(package).__all__)
    missing = sorted(public - words(DOCS))
    assert not missing, f"name {missing} on a page under docs/, or in README.md"


def test_the_pages_about_speed_say_what_the_benchmarks_stored():
    for path, wanted in speed_page.pages().items():
        assert text(path) == wanted, f"{name(path)} is not what is stored: run `python -m benchmarks.page`"
