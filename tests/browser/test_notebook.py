"""A notebook that is executed, and shown in a real browser as Jupyter shows it: a drawing is its page, in a frame
without an origin, and plays there. Needs three packages: `pip install -e ".[notebook]"`."""

import numpy as np
import pytest

pytestmark = pytest.mark.browser

CELLS = [
    """
import numpy as np
import optim
from minigrad import Tensor, draw
from models import MLP, cross_entropy, fit
from models.datasets import moons
a = Tensor(2.0, requires_grad=True, name="a")
b = Tensor(-3.0, requires_grad=True, name="b")
draw(np.tanh(a * b + 5.5))
""",
    "model = MLP((2, 4, 2), rng=0)\nmodel",
    "adam = optim.Adam(model.named_parameters())\nadam",
    "fit(model, adam, cross_entropy, moons(40, rng=0), epochs=3)",
    "optim.hessian_spectrum(lambda w: np.sum(w**2 * np.arange(1, 5)), np.ones(4))",
]


def executed(cells):
    """The outputs of each cell, as (what, data by MIME type or text)."""
    nbclient = pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    pytest.importorskip("ipywidgets")  # for the bar
    nbformat = pytest.importorskip("nbformat")
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    code = [
        {
            "cell_type": "code",
            "id": f"c{k}",
            "metadata": {},
            "source": s,
            "outputs": [],
            "execution_count": None,
        }
        for k, s in enumerate(cells)
    ]
    notebook = {"nbformat": 4, "nbformat_minor": 5, "metadata": kernel, "cells": code}
    done = nbclient.NotebookClient(nbformat.from_dict(notebook), timeout=120).execute()
    return [
        [(o["output_type"], o.get("data") or o.get("text")) for o in cell["outputs"]]
        for cell in done["cells"]
    ]


@pytest.fixture(scope="module")
def outputs():
    return executed(CELLS)


def inside(page, expression):
    """The value of an expression in the frame of the drawing."""
    frame = page.call("Page.getFrameTree")["frameTree"]["childFrames"][0]["frame"]["id"]
    made = [e["params"]["context"] for e in page._mine("Runtime.executionContextCreated")]
    (context,) = [c["id"] for c in made if c["auxData"]["frameId"] == frame and c["auxData"]["isDefault"]][
        -1:
    ]
    answer = page.call("Runtime.evaluate", expression=expression, contextId=context, returnByValue=True)
    assert "exceptionDetails" not in answer, answer
    return answer["result"].get("value")


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (760, True), (400, False)])
def test_a_drawing_plays_in_its_frame(outputs, open_file, tmp_path, width, dark):
    html = outputs[0][0][1]["text/html"]
    file = tmp_path / "notebook.html"
    file.write_text(f"<!doctype html><meta charset=utf-8><body><h1>A notebook</h1><div>{html}</div>")
    page = open_file(file, width=width, dark=dark)
    assert page.js("document.documentElement.scrollWidth") <= width
    assert page.js("document.querySelector('iframe').contentDocument") is None, "the frame has no origin"
    assert inside(page, "origin") == "null"
    assert inside(page, "document.querySelectorAll('.node').length") == 4
    frame = page.box("iframe")
    middle = inside(page, """(() => { const b = document.querySelector("#play-mode").getBoundingClientRect();
        return [b.x + b.width / 2, b.y + b.height / 2]; })()""")  # fmt: skip
    for kind in ("mousePressed", "mouseReleased"):
        page.mouse(kind, frame[0] + middle[0], frame[1] + middle[1], button="left", clickCount=1)
    page.rest()
    assert inside(page, "document.querySelector('#player').hidden") is False
    page.key("End")
    slots = inside(page, "[...document.querySelectorAll('.slot')].map((e) => e.textContent)")
    assert f"grad {-3 * (1 - np.tanh(-0.5) ** 2):.4g}" in slots
    assert len(slots) == 4
    colour = inside(page, "getComputedStyle(document.body).backgroundColor")
    assert (colour == "rgb(255, 255, 255)") != dark
    covered = inside(page, """[...document.querySelectorAll("button, input, select, summary")].filter((e) => e.checkVisibility())
        .filter((e) => {
            const { x, y, width, height } = e.getBoundingClientRect();
            return !e.contains(document.elementFromPoint(x + width / 2, y + height / 2));
        }).map((e) => e.id || e.textContent)""")  # fmt: skip
    assert covered == []


def test_results_show_themselves_and_training_says_nothing_red(outputs):
    for cell in outputs:
        kinds = [kind for kind, _ in cell]
        assert "stream" not in kinds, cell
        assert kinds[-1] == "execute_result"
        assert "text/html" in cell[-1][1]
    assert set(outputs[0][0][1]) == {"text/plain", "image/svg+xml", "text/html"}
    assert "History of 3 epochs" in outputs[3][-1][1]["text/html"]
