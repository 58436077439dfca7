"""What a notebook shows: tables and curves without scripts, whose text is escaped; the bar that suits it; and
`show`, which opens a drawing from the terminal."""

import re
import subprocess
import sys
import types
import webbrowser
from html.parser import HTMLParser
from importlib.machinery import ModuleSpec
from pathlib import Path

import numpy as np
import pytest

import optim
from minigrad import Tensor, draw
from minigrad.extend import html_curves, html_table
from models import MLP, History, Module, cross_entropy, fit
from models.datasets import moons

EVIL = "<script>alert('&\"')</script>"


class Evil(Module):
    def __init__(self):
        setattr(self, EVIL, Tensor(np.ones(2), requires_grad=True, name=EVIL))
        self.held = {Tensor(1.0, requires_grad=True)}

    def extra_repr(self):
        return EVIL


def evil_optimizer():
    return optim.Adam([Tensor(np.ones(2), requires_grad=True, name=EVIL)])


def spectrum():
    return optim.hessian_spectrum(lambda w: np.sum(w**2 * np.arange(1, 31)), np.ones(30))


def minimum():
    return optim.minimize(lambda x: np.sum(x**2) + np.sum(x**4), np.ones(3), method="newton-cg")


RESULTS = {
    "history": lambda: History([{"epoch": 1, EVIL: 0.5, "train_loss": 1.0}], stopped=EVIL),
    "module": Evil,
    "summary": lambda: MLP((2, 3, 1)).summary((5, 2)),
    "optimizer": evil_optimizer,
    "second order": lambda: optim.NewtonCG([Tensor(np.ones(2), requires_grad=True)]),
    "spectrum": spectrum,
    "minimum": minimum,
    "status": lambda: optim.OptimizeResult(message=EVIL, x=np.zeros(2)),
    "nothing": History,
}


class Strict(HTMLParser):
    """Requires that tags are closed in turn, and notes them."""

    def __init__(self, text):
        super().__init__()
        self.open, self.seen, self.text = [], set(), []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        self.seen.add(tag)

    def handle_startendtag(self, tag, attrs):
        self.seen.add(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


@pytest.mark.parametrize("name", RESULTS)
def test_html_is_well_formed_and_text_is_escaped(name):
    html = RESULTS[name]()._repr_html_()
    page = Strict(html)
    known = {"div", "table", "tr", "td", "th", "svg", "polyline", "path", "text", "span"}
    assert page.seen <= known
    assert not re.search(r"https?:|#000|#fff|\bblack\b|\bwhite\b(?!-)", html), "colours are those of the page"
    if name in ("history", "module", "optimizer", "status"):
        assert EVIL in "".join(page.text)


def test_a_history_shows_its_ends_and_its_losses():
    model = MLP((2, 4, 2), rng=0)
    data = moons(40, rng=0)
    adam = optim.Adam(model.parameters())
    history = fit(model, adam, cross_entropy, data, epochs=30, validation=data, progress=False)
    page = Strict(history._repr_html_())
    assert page.text[0] == "History of 30 epochs, stopped: epochs"
    assert [f"{history['val_loss'][i]:.4f}" in page.text for i in (0, 4, 10, -1)] == [True, True, False, True]
    assert history._repr_html_().count("<polyline") == 2


def test_a_summary_and_a_module_show_the_same_total():
    model = MLP((2, 16, 1))
    assert "65" in Strict(model._repr_html_()).text
    assert Strict(model.summary((5, 2))._repr_html_()).text[-4:] == [
        "MLP(2 → 16 → 1, tanh)",
        "(5, 1)",
        "65",
        "240",
    ]


def test_an_optimizer_shows_options_parameters_and_state():
    model = MLP((2, 3, 1))
    groups = [{"params": [model.layers[0].weight], "lr": 0.5}, {"params": [model.layers[1].weight]}]
    text = Strict(optim.Adam(groups, lr=0.25)._repr_html_()).text
    assert text.index("0.5") < text.index("group 1") < text.index("0.25")
    assert text[-2:] == ["state", "m, v"]
    assert Strict(optim.Adam(groups, amsgrad=True)._repr_html_()).text[-2:] == ["state", "m, v, v_max"]
    assert "state" not in Strict(optim.SGD(groups)._repr_html_()).text
    many = optim.SGD(MLP((2,) * 9).named_parameters())
    assert "layers.2.bias, … 16 in all (48 numbers)" in "".join(Strict(many._repr_html_()).text)


def points(html):
    found = re.findall(r'points="([^"]*)"', html)
    return [[tuple(map(float, pair.split(","))) for pair in line.split()] for line in found]


def test_curves_have_gaps_where_there_is_no_number_and_a_scale_that_suits():
    (first, second) = points(html_curves({"a": [1.0, 2.0, np.nan, np.inf, 3.0]}))
    assert len(first) == 2
    assert second[0] == second[1], "a point by itself"
    assert first[0][1] > first[1][1] > second[0][1], "up is more"
    ((a, b, c),) = points(html_curves({"a": [1.0, 10.0, 100.0]}))
    assert a[1] - b[1] == pytest.approx(b[1] - c[1])
    ((a, b, c),) = points(html_curves({"a": [1.0, 10.0, 100.0]}, linear=True))
    assert a[1] - b[1] == pytest.approx((b[1] - c[1]) / 10, abs=0.2)
    assert html_curves({"a": [np.nan]}) == html_curves({}) == ""
    assert len(points(html_curves({"a": [1.0, 1.0], "b": [5e-324, 1.8e308]}))) == 2


def test_columns_of_numbers_are_set_to_the_right():
    html = html_table(("name", "n"), [("a", "1,000"), ("b", "…"), ("3", "-2.5")])
    assert re.findall(r"text-align:(\w+)", html) == ["left", "right"] * 4


# A drawing


class Frame(HTMLParser):
    def handle_starttag(self, tag, attrs):
        self.tag, self.attributes = tag, dict(attrs)


@pytest.mark.parametrize("name", ["x", EVIL, "' srcdoc='", "&amp;'&#39;"])
def test_a_drawing_shows_its_page_in_a_frame_that_reaches_nothing(name):
    x = Tensor(2.0, requires_grad=True, name=name)
    drawing = draw(np.tanh(x), title=name)
    bundle = drawing._repr_mimebundle_()
    frame = Frame()
    frame.feed(bundle["text/html"])
    assert frame.tag == "iframe"
    assert bundle["text/html"].count("<iframe") == 1
    assert frame.attributes["srcdoc"] == drawing.html
    assert frame.attributes["sandbox"].split() == ["allow-scripts", "allow-downloads"], "no origin"
    assert frame.attributes["width"] == "100%"
    assert "max-width:100%" in bundle["image/svg+xml"][:400]
    assert bundle["image/svg+xml"].count("<svg") == 1


def test_a_page_too_large_for_a_notebook_leaves_the_picture(monkeypatch):
    monkeypatch.setattr("minigrad.drawing.drawing.IN_NOTEBOOK", 1000)
    bundle = draw(np.tanh(Tensor(2.0, requires_grad=True)))._repr_mimebundle_()
    assert set(bundle) == {"text/plain", "image/svg+xml"}


# The bar


@pytest.mark.parametrize("modules", [(), ("IPython",), ("ipywidgets",), ("IPython", "ipywidgets")])
def test_the_bar_is_that_of_the_terminal_unless_a_notebook_can_show_widgets(monkeypatch, modules):
    made = []

    def bar(*args, **kwargs):
        made.append(kwargs["total"])
        return sys.modules["tqdm"].tqdm(disable=True)

    monkeypatch.setitem(sys.modules, "tqdm.auto", types.SimpleNamespace(tqdm=bar))
    monkeypatch.delitem(sys.modules, "IPython", raising=False)
    monkeypatch.setitem(sys.modules, "ipywidgets", None)  # as if it were not installed
    for name in modules:
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
        sys.modules[name].__spec__ = ModuleSpec(name, None)
    model = MLP((2, 2), rng=0)
    fit(model, optim.SGD(model.parameters()), cross_entropy, moons(20, rng=0), epochs=2)
    assert made == [2] * (len(modules) == 2)


def test_importing_models_imports_no_bar():
    code = (
        "import sys, models; print([m for m in ('tqdm', 'IPython', 'asyncio', 'html') if m in sys.modules])"
    )
    root = Path(__file__).parents[2]
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root)
    assert run.stdout.strip() == "[]"


# show


@pytest.mark.parametrize("opens", [True, False])
def test_show_opens_the_page_and_says_where_it_is(opens, monkeypatch, capsys, tmp_path):
    opened = []
    monkeypatch.setattr(webbrowser, "open", lambda address: opened.append(address) or opens)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    drawing = draw(Tensor(2.0, requires_grad=True, name="x") ** 2)
    path = drawing.show()
    assert opened == [path.as_uri()]
    assert path.parent == tmp_path
    assert path.read_text(encoding="utf-8") == drawing.html
    out = capsys.readouterr().out
    assert str(path) in out
    assert ("No browser" in out) is not opens
    assert ".show()" in repr(drawing)
