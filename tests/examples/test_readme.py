"""The README tells the truth: its examples run, and the programs and files it names are there."""

import doctest
import importlib.util
import re
from pathlib import Path

import pytest

README = Path(__file__).parents[2] / "README.md"
TEXT = README.read_text(encoding="utf-8")


def test_every_example_prints_what_it_says():
    failed, tried = doctest.testfile(str(README), module_relative=False, encoding="utf-8")
    assert tried > 20
    assert not failed


@pytest.mark.parametrize("module", sorted(set(re.findall(r"python -m ((?:examples|benchmarks)\.\w+)", TEXT))))
def test_every_program_exists(module):
    assert importlib.util.find_spec(module)


@pytest.mark.parametrize("name", sorted(set(re.findall(r"\]\((?!http)([^)#]+)\)", TEXT))))
def test_every_link_leads_to_a_file(name):
    assert (README.parent / name).exists()
