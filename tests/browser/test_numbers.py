"""The numbers of the HTML page in a real browser: they are changed there, and the page computes what minigrad
computes; the passes are played and explained; the picture is saved. The fixture `show` finds any console
message, violation of the policy, or request."""

import json
import re
import time
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest

from minigrad import Tensor, draw, log_softmax, relu, sigmoid, softmax, softplus, trace_source
from minigrad.drawing.graph.notation import array_text
from models import MLP, cross_entropy, mse_loss

pytestmark = pytest.mark.browser


def neuron(x1=2.0, w1=-3.0, b=6.88):
    leaves = {"x1": Tensor(x1, requires_grad=True, name="x1"), "w1": Tensor(w1, requires_grad=True, name="w1"),
              "b": Tensor(b, requires_grad=True, name="b")}  # fmt: skip
    return np.tanh(leaves["x1"] * leaves["w1"] + leaves["b"]), leaves


def kinks(x=2.0, b=-1.0):
    leaves = {"x": Tensor(x, requires_grad=True, name="x"), "b": Tensor(b, requires_grad=True, name="b")}
    x, b = leaves.values()
    y = relu(x) * np.abs(x) + np.tanh(x) * b**3 + np.maximum(x, b) / np.exp(b) + x**2
    return y + sigmoid(x * b) * softplus(x) + np.sqrt(x * x + 1) * np.sin(b) - np.arctan(x) / (
        3 + np.cos(b)
    ), leaves


def rosenbrock(x=(1.5, -0.5)):
    leaf = Tensor(np.array(x), requires_grad=True, name="x")
    return 100 * (leaf[1] - leaf[0] ** 2) ** 2 + (1 - leaf[0]) ** 2, {"x": leaf}


def loss(bias=None, activation="relu", classes=2):
    rng = np.random.default_rng(3)
    model = MLP((2, 3, classes), activation, rng=0)
    if bias is not None:
        model.layers[1].bias.data = np.array(bias)
    x = rng.normal(size=(4, 2))
    if classes == 1:
        return mse_loss(model(x), rng.normal(size=(4, 1))), dict(model.named_parameters())
    return cross_entropy(model(x), np.array([0, 1, 1, 0])), dict(model.named_parameters())


# What the page holds at this moment, in full: the value and the gradient of each leaf and output, by label
NUMBERS = """(() => {
    const found = {};
    for (const e of document.querySelectorAll(".node[data-node]"))
        found[e.querySelector(".name").textContent] = [e.dataset.value, e.dataset.gradient].map((t) => t && JSON.parse(t));
    return found;
})()"""


def find(page, name):
    return page.js(f"""[...document.querySelectorAll(".node[data-node]")]
        .findIndex((e) => e.querySelector(".name").textContent === {json.dumps(name)})""")


def change(page, name, *numbers):
    """Select a leaf, and type its numbers."""
    page.one(f'[data-node="{find(page, name)}"]', "e.focus()")
    page.key("Enter")
    for k, x in enumerate(numbers):
        field = f"#numbers div:nth-child({k + 1}) [type=number]"
        page.one(field, f"(e.focus(), e.value = '{float(x)!r}', e.dispatchEvent(new Event('input')))")
    page.rest()


def holds(page, leaves, y, names=None):
    y.backward()
    found = page.js(NUMBERS)
    assert leaves
    for name, leaf in leaves.items():
        value, gradient = found[(names or {}).get(name, name)]
        assert value == pytest.approx(np.ravel(leaf.numpy()), rel=1e-12, abs=1e-300), name
        assert gradient == pytest.approx(np.ravel(leaf.grad), rel=1e-12, abs=1e-14), name
    outputs = page.all(".node.output", "JSON.parse(e.dataset.value)")
    assert [pytest.approx(np.ravel(y.numpy()), rel=1e-12)] == outputs


@pytest.mark.parametrize("fold", [None, "formulas"])
def test_a_number_typed_in_changes_all_others_as_python_does(show, fold):
    page = show(draw(neuron()[0], fold=fold))
    for x in (0.25, -1e-3, 3.0):
        change(page, "w1", x)
        y, leaves = neuron(w1=x)
        holds(page, leaves, y)


@pytest.mark.parametrize(("x", "b"), [(-0.7, -1.0), (2.0, 3.5), (-2.5, 0.3), (0.0, -1.0), (1.5, 1.5)])
def test_masks_and_signs_follow_the_number(show, x, b):
    page = show(draw(kinks()[0]))
    change(page, "x", x)
    change(page, "b", b)
    y, leaves = kinks(x, b)
    holds(page, leaves, y)


def test_an_entry_of_an_array(show):
    page = show(draw(rosenbrock()[0]))
    change(page, "x", -0.3, 0.9)
    y, leaves = rosenbrock((-0.3, 0.9))
    holds(page, leaves, y)


@pytest.mark.parametrize(("activation", "classes"), [("relu", 2), ("tanh", 2), ("tanh", 1), ("sigmoid", 3)])
def test_a_parameter_of_a_network(show, activation, classes):
    page = show(draw(loss(activation=activation, classes=classes)[0], parameters="outside"))
    bias = list(np.linspace(-0.5, 3.0, classes))
    names = page.all(".node.parameter .name")
    change(page, names[-1], *bias)
    y, leaves = loss(bias, activation, classes)
    assert len(names) == len(leaves)
    holds(page, leaves, y, dict(zip(leaves, names, strict=True)))


def test_dragging_and_the_boxes_keep_their_texts_inside(show):
    page = show(draw(neuron()[0]))
    page.click(f'[data-node="{find(page, "b")}"]')
    assert page.count("#numbers [type=range]") == 1
    x, y, width, height = page.box("#numbers [type=range]")
    page.mouse("mousePressed", x + width / 2, y + height / 2, button="left", clickCount=1)
    for k in range(1, 9):
        page.mouse("mouseMoved", x + width / 2 + 4 * k, y + height / 2, button="left", buttons=1)
    page.mouse("mouseReleased", x + width / 2 + 32, y + height / 2, button="left", clickCount=1)
    page.rest()
    b = page.one("#numbers [type=number]", "+e.value")
    assert b > 7
    found, leaves = neuron(b=b)
    holds(page, leaves, found)
    assert "= " in page.one(".node.output .value")
    assert page.one("#facts").count(f"{b:.4g}") == 1
    page.one("#numbers [type=range]", "e.focus()")
    page.key("ArrowLeft")
    assert page.one("#numbers [type=number]", "+e.value") < b
    outside = page.js("""[...document.querySelectorAll(".node[data-node]")].filter((e) => {
        const box = e.querySelector(".box").getBoundingClientRect();
        return [...e.querySelectorAll("text")].some((t) => {
            const r = t.getBoundingClientRect();
            return r.left < box.left - 0.5 || r.right > box.right + 0.5;
        });
    }).length""")
    assert outside == 0


def stacks(s=0.5):
    """Attention for two sequences at once: products of stacks, one of them with a single matrix."""
    rng = np.random.default_rng(5)
    leaves = {"s": Tensor(s, requires_grad=True, name="s"), "B": Tensor(rng.normal(size=(4, 2)), requires_grad=True, name="B")}  # fmt: skip
    x = rng.normal(size=(2, 3, 4)) * leaves["s"]
    weights = softmax(x @ np.swapaxes(x, -1, -2) / 2)
    return np.sum(log_softmax(weights @ x @ leaves["B"]) ** 2) + np.sum(
        (rng.normal(size=(5, 3)) @ x) ** 3
    ), leaves


def test_products_of_stacks(show):
    page = show(draw(stacks()[0], parameters="outside"))
    for s in (-0.3, 1.7):
        change(page, "s", s)
        y, leaves = stacks(s)
        holds(page, leaves, y)


@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid"])
def test_float32(show, activation):
    """Each result is rounded to it, so that the page agrees with NumPy to some of its last places."""

    def made(bias=(0.0, 0.0)):
        rng, model = np.random.default_rng(3), MLP((2, 3, 2), activation, rng=0, dtype=np.float32)
        model.layers[1].bias.data = np.array(bias, np.float32)
        x, y = rng.normal(size=(4, 2)).astype(np.float32), np.zeros((4, 2), np.float32)
        return 0.1 * mse_loss(model(x), y), dict(model.named_parameters())

    page = show(draw(made()[0], parameters="outside"))
    names = page.all(".node.parameter .name")
    change(page, names[-1], 0.3, -0.7)
    y, leaves = made((0.3, -0.7))
    y.backward()
    found = page.js(NUMBERS)
    assert y.dtype == np.float32
    for name, leaf in zip(names, leaves.values(), strict=True):
        for numbers, wanted in zip(found[name], (leaf.numpy(), leaf.grad), strict=True):
            assert numbers == pytest.approx(np.ravel(wanted), rel=3e-6, abs=1e-8)
            assert numbers == np.float32(numbers).tolist(), "no more digits than it has"
    assert page.all(".node.output", "JSON.parse(e.dataset.value)") == [[pytest.approx(y.item(), rel=1e-6)]]


def test_a_drawn_backward_pass_follows_through_relu(show):
    """Its mask is a box, and is computed anew: a change opens a unit that was shut."""
    rng = np.random.default_rng(3)
    x, target, w, v = (rng.normal(size=shape) for shape in ((4, 2), (4, 1), (2, 3), (3, 1)))

    def made(bias):
        leaves = [
            Tensor(a, requires_grad=True, name=n) for n, a in (("w", w), ("b", np.array(bias)), ("v", v))
        ]
        z = x @ leaves[0] + leaves[1]
        return mse_loss(relu(z) @ leaves[2], target), leaves, z

    y, _, before = made([0.1, 0.2, -3.0])
    page = show(draw(y, phases=("forward", "backward"), parameters="outside", fold="formulas"))
    change(page, "b", 0.9, -0.8, 1.1)
    y, leaves, after = made([0.9, -0.8, 1.1])
    y.backward()
    assert np.any((before.numpy() > 0) != (after.numpy() > 0))
    found = page.js(NUMBERS)
    for leaf in leaves:
        drawn = [
            numbers[0] for label, numbers in found.items() if label.partition(" = ")[0] == f"∂{leaf.name}"
        ]
        assert drawn == [pytest.approx(np.ravel(leaf.grad), rel=1e-12, abs=1e-14)]


def drag(page, name, pixels):
    """Press on the number in the box of a leaf, and move to the right."""
    x, y, width, height = page.box(f'[data-node="{find(page, name)}"] .value')
    at = x + width / 2, y + height / 2
    page.mouse("mousePressed", *at, button="left", clickCount=1)
    for k in range(1, 5):
        page.mouse("mouseMoved", at[0] + pixels * k / 4, at[1], button="left", buttons=1)
    page.mouse("mouseReleased", at[0] + pixels, at[1], button="left", clickCount=1)
    page.rest()


@pytest.mark.parametrize("show_what", [None, {"shape", "value"}])
def test_a_number_is_dragged_on_its_box(show, show_what):
    """A pixel is a hundredth of the number's power of ten. The second picture is laid out anew meanwhile, and
    the box keeps its place under the pointer."""
    page = show(draw(neuron()[0], show=show_what))
    place = page.js("document.querySelector('#stage').style.transform")
    for name, pixels, values in (("b", 40, {"b": 7.28}), ("w1", -36, {"b": 7.28, "w1": -3.36})):
        drag(page, name, pixels)
        y, leaves = neuron(**values)
        holds(page, leaves, y)
    assert page.one("#details", "e.hidden"), "a drag is no click"
    if show_what is None:
        assert page.js("document.querySelector('#stage').style.transform") == place, "nor does it move all"
    page.click(f'[data-node="{find(page, "b")}"] .value')
    assert page.one("#what") == "b", "a press that does not move is one"
    drag(page, "b", -50)
    assert page.one("#numbers [type=number]", "e.checkVisibility() && +e.value") == 6.78, "the card follows"


def test_the_arrow_keys_change_the_number_of_the_box_that_was_entered(show):
    page = show(draw(neuron()[0]))
    page.one(f'[data-node="{find(page, "b")}"]', "e.focus()")
    page.key("ArrowRight")
    assert page.count("[data-node][data-value]") == 0, "before that they lead to another box"
    page.one(f'[data-node="{find(page, "b")}"]', "e.focus()")
    page.key("Enter", "ArrowRight", "ArrowRight", "ArrowLeft")
    y, leaves = neuron(b=6.89)
    holds(page, leaves, y)
    assert page.one("#said") == "b = 6.89"
    page.key("ArrowUp", "ArrowDown")
    page.key("Escape", "ArrowRight")
    y, leaves = neuron(b=6.89)
    holds(page, leaves, y)


def test_what_cannot_be_computed_says_why(show):
    x = Tensor(2.0, requires_grad=True, name="x")
    for y, why in (
        (np.where(x.numpy() > 1, 1.0, 2.0) * np.sinc(x), "sinc"),
        (np.where(x > 1, np.sign(x), 2.0) * x, "kept as a constant"),
        (Tensor(np.ones(3000), requires_grad=True, name="x") @ np.ones(3000), "numbers at most"),
        (np.tanh(Tensor(np.float16(1), requires_grad=True, name="x")), "float16"),
    ):
        page = show(draw(y, parameters="outside"))
        page.one(f'[data-node="{find(page, "x")}"]', "e.focus()")
        page.key("Enter")
        assert page.count("#numbers input") == 0
        assert page.one("#numbers p").startswith("Its numbers cannot be changed here: ")
        assert why in page.one("#numbers p")


# Playing


def test_the_forward_pass_is_played_before_the_backward_pass(show):
    y, _ = neuron()
    page = show(draw(y, fold=None))
    page.key("p", "Home")
    assert page.one("#count") == "→ 0 / 3"
    assert page.count(".unborn") == 3
    assert page.count(".done, .partial") == 0
    seen = []
    for _ in range(3):
        page.key("ArrowRight")
        seen.append((page.count(".unborn"), page.one("#story")))
    assert [left for left, _ in seen[:-1]] == [2, 1]
    assert "is -6." in seen[0][1]
    assert "is 0.88." in seen[1][1]
    assert page.one("#count").startswith("0 / ")
    page.one("#speed", "e.value = '16'")
    page.key("End", " ")  # from the beginning
    page.until("document.querySelector('#step').value === document.querySelector('#step').max")


def test_each_step_shows_the_local_derivative(show):
    y, leaves = neuron()
    y.backward()
    page = show(draw(y, fold=None))
    page.key("p", "ArrowRight")
    slope = 1 - y.item() ** 2
    assert page.all(".slope") == [f"× {slope:.4g}"]
    assert f"gets 1 · {slope:.4g} = {slope:.4g}, for ∂y/∂x = 1 − y² = {slope:.4g}." in page.one("#story")
    page.key("ArrowRight", "ArrowRight")
    assert sorted(page.all(".slope")) == ["× -3", "× 2"]
    assert f"= {leaves['w1'].grad.item():.4g}, for ∂y/∂b = a = 2." in page.one("#story")
    change(page, "w1", 0.5)
    assert sorted(page.all(".slope")) == ["× 0.5", "× 2"]
    page.tap("#first")
    assert page.count(".slope") == 0


def test_the_boxes_of_a_drawn_backward_pass_light_up(show):
    page = show(draw(loss(activation="tanh", classes=1)[0], phases=("forward", "backward")))
    page.key("p", "Home")
    total = page.count(".node.backward:not(.parameter, .input, .constant)")
    assert total >= 4
    lit = []
    for _ in range(page.one("#step", "e.max - e.min")):
        page.key("ArrowRight")
        lit.append(page.count(".node.backward.worked"))
    assert lit == sorted(lit)
    assert lit[0] == 0
    assert lit[-1] == total
    assert len(set(lit)) >= 3, "they light up one after another"


@pytest.mark.parametrize("what", [None, {"shape", "value", "grad"}])
def test_parameters_inside_a_box_fill_their_gradients(show, what):
    y, leaves = loss(activation="tanh", classes=1)
    y.backward()
    page = show(draw(y, show=what))
    weights = [leaf for name, leaf in leaves.items() if name.startswith("layers.0")]
    wanted = [f"grad {array_text(leaf.grad)}" for leaf in weights]

    def lines():
        texts = page.all(".node.op text", "[e.closest('.node').dataset.node, e.textContent]")
        box = next(i for i, text in texts if "W₀" in text)
        return [text for i, text in texts if i == box]

    page.key("p", "Home")
    assert [text for text in lines() if text.startswith("grad")] == []
    page.key("End")
    (own, *held) = [text for text in lines() if text.startswith("grad")]
    assert held == wanted
    assert own not in wanted
    assert lines().index(own) < min(k for k, text in enumerate(lines()) if text.startswith(("W", "b")))
    page.key("ArrowLeft")
    assert [text for text in lines() if text.startswith("grad")] == [own], "the step before the last one"
    page.key("p")
    left = [text for text in lines() if text.startswith("grad")]
    assert left == ([own, *wanted] if what else [])


def test_gradients_inside_a_box_follow_a_number(show):
    w, s = Tensor(np.ones((2, 3)), requires_grad=True, name="w"), Tensor(2.0, requires_grad=True, name="s")

    def made(s):
        return np.sum(np.tanh(np.ones((3, 2)) * s @ w))

    page = show(draw(made(s), show={"value", "grad"}))
    change(page, "s", 0.25)
    made(Tensor(0.25)).backward()
    assert page.all(".node.op text", "e.textContent").count(f"grad {array_text(w.grad)}") == 1


# Colours, strips, saving


def test_a_gradient_that_vanishes_is_pale(show):
    x = Tensor(0.3, requires_grad=True, name="x")
    y = x
    for _ in range(5):
        y = sigmoid(0.1 * y)
    page = show(draw(y + 0 * Tensor(1.0, requires_grad=True, name="none"), fold=None))
    page.key("g")
    heats = page.all(".node.hot", "[+e.dataset.node, parseFloat(e.style.getPropertyValue('--heat'))]")
    weak, strong = dict(heats)[find(page, "x")], max(heat for _, heat in heats)
    assert weak < 10 < 40 < strong
    assert page.count(".node.cold") == 1
    assert page.one("#scale").endswith("… 1, pale to strong")
    page.key("g")
    assert page.count(".hot") == 0


def test_a_tensor_is_a_strip(show):
    page = show(draw(np.sum(np.tanh(Tensor([1.0, -2.0, 0.5], requires_grad=True, name="x")))))
    strip = f'[data-node="{find(page, "x")}"] .strip rect'
    assert page.all(strip, "[e.getAttribute('class'), e.getAttribute('fill-opacity')]") == [
        ["more", "0.500"], ["less", "1.000"], ["more", "0.250"],
    ]  # fmt: skip
    change(page, "x", 4.0, -2.0, 0.0)
    assert page.all(strip, "e.getAttribute('fill-opacity')") == ["1.000", "0.500", "0.000"]


@pytest.mark.parametrize("size", [64, 5000])
def test_a_large_tensor_is_a_strip_of_means_that_says_so(show, size):
    """Of 64 numbers the page has all, of 5,000 only the strip."""
    x = Tensor(np.repeat([2.0, -1.0], size // 2), requires_grad=True, name="x")
    page = show(draw(np.sum(np.tanh(x))))
    i = find(page, "x")
    strip = page.all(
        f'[data-node="{i}"] .strip rect', "[e.getAttribute('class'), +e.getAttribute('fill-opacity')]"
    )
    assert [kind for kind, _ in strip] == ["more"] * 16 + ["less"] * 16
    assert {shade for _, shade in strip[:16]} == {1}
    assert [shade for _, shade in strip[16:]] == pytest.approx([0.5] * 16, abs=0.06)
    page.one(f'[data-node="{i}"]', "e.focus()")
    page.key("Enter")
    each = "2" if size == 64 else "about 156"
    assert f"strip32 cells, each the mean of {each} numbers" in page.one("#facts")


@pytest.mark.parametrize("dark", [False, True])
def test_export(show, dark, tmp_path):
    page = show(draw(neuron()[0], title="my neuron"), dark=dark)
    page.browser.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path),
                      browserContextId=page.context)  # fmt: skip
    change(page, "b", 6.5)
    for name in ("svg", "png"):
        page.tap(f"#save-{name}")
        wanted = tmp_path / f"my_neuron.{name}"
        end = time.monotonic() + 20
        while not wanted.exists():
            assert time.monotonic() < end
            time.sleep(0.05)
    troubles = page.troubles()
    assert all(trouble.startswith("request: data:image/svg+xml") for trouble in troubles), (
        "made by the page itself"
    )
    page.forgive()
    tree = ET.fromstring((tmp_path / "my_neuron.svg").read_bytes())
    words = [e.text for e in tree.iter() if e.tag.endswith("}text")]
    assert {"x1", "w1", "b", "= 6.5"} <= set(words)
    assert not re.search(rb"var\(|class=|<style|<script", (tmp_path / "my_neuron.svg").read_bytes())
    assert (tmp_path / "my_neuron.png").read_bytes()[:4] == b"\x89PNG"
    background = tree.find("{http://www.w3.org/2000/svg}rect").attrib["fill"]
    assert (background == "rgb(255, 255, 255)") != dark


def test_the_minimap_shows_what_is_seen_and_leads_elsewhere(show):
    page = show(draw(neuron()[0]))
    assert page.one("#minimap", "e.hidden"), "everything is in sight"
    x = Tensor(0.3, requires_grad=True, name="x")
    for _ in range(40):
        x = np.sin(x)
    page = show(draw(x, fold=None, direction="down"))
    assert page.one("#minimap", "e.checkVisibility()")
    last = page.count(".node[data-node]") - 1
    left, top, width, height = page.box("#minimap")
    for there, node in ((0.97, last), (0.02, 0)):
        for kind in ("mousePressed", "mouseReleased"):
            page.mouse(kind, left + width / 2, top + there * height, button="left", clickCount=1)
        page.rest()
        _, at, _, high = page.box(f'[data-node="{node}"]')
        assert 0 <= at <= at + high <= page.js("innerHeight")
        _, frame, _, size = page.box("#seen")
        assert abs(frame + size / 2 - top - there * height) < 3


# Sizes


@pytest.mark.parametrize("width", [400, 760, 1280])
def test_nothing_is_covered_while_it_plays_and_a_number_is_changed(show, width):
    page = show(draw(neuron()[0]), width=width, height=780, touch=width == 400)
    page.key("p", "ArrowRight")

    def covered():
        return page.js(f"""[...document.querySelectorAll("button, input, select, summary")].filter((e) => e.checkVisibility())
            .filter((e) => !e.closest("#links, #actions")) // these are scrolled to
            .filter((e) => {{
                const {{ x, y, width, height }} = e.getBoundingClientRect();
                const over = document.elementFromPoint(x + width / 2, y + height / 2);
                return !(x >= 0 && x + width <= {width} + 0.5 && y >= 0 && y + height <= 780 && e.contains(over));
            }}).map((e) => e.id || e.ariaLabel || e.textContent)""")

    assert covered() == []
    free = page.js("""(() => {
        const cards = [...document.querySelectorAll(".card")].filter((e) => e.checkVisibility() && e.id !== "tip").map((e) => e.getBoundingClientRect());
        const box = document.querySelector(".now .box").getBoundingClientRect();
        return cards.every((c) => c.right <= box.left || c.left >= box.right || c.bottom <= box.top || c.top >= box.bottom);
    })()""")
    assert free, "the box of this step is in sight"
    page.key("p")
    change(page, "b", 6.5)
    assert covered() == []
    assert page.one("#numbers [type=range]", "e.checkVisibility()")


def test_the_line_that_made_a_box_is_a_link_only_where_it_was_asked_for(open_file, tmp_path):
    x = Tensor(2.0, requires_grad=True, name="x")
    with trace_source():
        y = np.tanh(x)
    drawing = draw(y)
    found = {}
    for links in (False, True):
        path = drawing.save(tmp_path / f"{links}.html", links=links)
        assert (str(Path(__file__).parent) in path.read_text(encoding="utf-8")) == links, (
            "folders are private"
        )
        page = open_file(path)
        page.click(".node.output")
        found[links] = page.all("#facts a", "e.href")
        assert "sourcetest_numbers.py:" in page.one("#facts")
    line = page.one("#facts a").partition(":")[2].split()[0]
    assert found == {False: [], True: [f"vscode://file{Path(__file__).as_posix()}:{line}"]}
