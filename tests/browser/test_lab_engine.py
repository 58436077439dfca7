"""The engine of the lab in Chromium, with the network off: the tests that Node runs, in the browser."""

import json

import pytest

from tests import javascript
from tests.optim import test_lab_engine as engine

pytestmark = pytest.mark.browser

NETS = (12, 13, 14)  # those before are tested in Node


@pytest.fixture
def in_chromium(open_file, tmp_path, monkeypatch):
    """Lets the helpers of the engine's tests run their texts in a page of Chromium."""
    (tmp_path / "empty.html").write_text("<!doctype html><title>engine</title>", encoding="utf-8")
    page = open_file(tmp_path / "empty.html")

    def run(text):
        found = page.js(
            f'(() => {{ "use strict"; {javascript.NUMBERS}\nlet result;\n{text}\n'
            "return JSON.stringify(show(result)); })()"
        )
        return javascript.back(json.loads(found))

    monkeypatch.setattr(javascript, "run", run)


@pytest.mark.parametrize("seed", NETS)
def test_random_nets_train_as_in_python(seed, in_chromium):
    engine.test_random_nets_train_as_in_python(seed)


def test_newtons_methods_take_pythons_steps(in_chromium):
    engine.second_order.cache_clear()  # which may hold what Node has found
    for name, key in engine.QUICK:
        engine.test_every_step_radius_and_iteration_of_cg_is_pythons(name, key, "QUICK")
    engine.second_order.cache_clear()
