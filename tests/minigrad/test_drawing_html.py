"""The text of the HTML page, without a browser: it is one file, its policy names what is in it, and names
stay data."""

import base64
import hashlib
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from examples.graph_gallery import GALLERY
from minigrad import Tensor, draw
from minigrad.drawing.drawing import Drawing
from minigrad.drawing.graph.program import ELEMENTWISE, WHOLE
from minigrad.drawing.picture import Edge, Node, Picture
from minigrad.drawing.write import html
from minigrad.drawing.write.theme import LIGHT, Theme
from minigrad.families import elementwise
from models import MLP

HOSTILE = "</script><script>alert(1)</script><!-- ]]> & ' \" \\ \u2028 \u202e \x00 \ud800 🦆 $data ${x}"


class Elements(HTMLParser):
    """(tag, attributes, text up to the next tag) of each element."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append([tag, dict(attrs), ""])

    def handle_endtag(self, tag):
        self.found.append(["", {}, ""])

    def handle_data(self, data):
        if self.found:
            self.found[-1][2] += data

    def texts(self, tag):
        return [text for name, _, text in self.found if name == tag]


def small():
    x, y = Tensor([1.0, 2.0], requires_grad=True, name="x"), Tensor([0.5, -1.0], requires_grad=True, name="y")
    return np.sum(np.tanh(x * y) + x)


def data(text):
    return json.loads(Elements(text).texts("script")[0])


def line(n, **more):
    """A picture of n boxes in a row."""
    nodes = [
        Node(i, f"op {i}", op="tanh", shape=(i,), members=(i,), output=i == n - 1, **more) for i in range(n)
    ]
    return Picture("row", nodes, [Edge(i, i + 1) for i in range(n - 1)], total=n)


def test_one_file_that_asks_for_nothing():
    text = draw(small()).html
    elements = Elements(text)
    for tag, attributes, _ in elements.found:
        assert tag not in (
            "link",
            "img",
            "iframe",
            "object",
            "embed",
            "base",
            "form",
            "a",
            "audio",
            "video",
        ), tag
        names = set(attributes)
        assert not names & {"src", "href", "srcset", "action", "style", "background"}, (tag, names)
        assert not any(name.startswith("on") for name in names), (tag, names)
    assert set(re.findall(r"\w+://[\w./]+", text)) == {"http://www.w3.org/2000/svg"}  # a name, not an address
    assert not re.search(
        r"\b(innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval|Function|fetch|import)\b", text
    )


def test_policy_names_the_one_script_and_the_one_style():
    elements = Elements(draw(small()).html)
    policy = next(
        a["content"] for _, a, _ in elements.found if a.get("http-equiv") == "Content-Security-Policy"
    )
    parts = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    assert parts["default-src"] == "'none'"
    (style,), (_, script) = elements.texts("style"), elements.texts("script")
    for kind, text in (("style-src", style), ("script-src", script)):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert parts[kind] == f"'sha256-{digest}'"
    assert "unsafe" not in policy


def test_hostile_texts_stay_inside_the_data():
    clean = [tag for tag, _, _ in Elements(draw(small()).html).found]
    x = Tensor([1.0, 2.0], requires_grad=True, name=HOSTILE)
    y = Tensor([0.5, -1.0], requires_grad=True, name=HOSTILE + "2")
    text = draw(np.sum(np.tanh(x * y) + x), title=HOSTILE).html
    assert [tag for tag, _, _ in Elements(text).found] == clean
    shown = data(text)
    assert "</script><script>alert(1)</script>" in shown["title"]
    assert not set("\u2028\u202e\x00\ud800") & set(json.dumps(shown, ensure_ascii=False))
    text.encode("ascii", "strict") if text.isascii() else text.encode("utf-8", "strict")


def test_views_have_places_and_texts_for_everything():
    drawing = draw(small())
    for view in data(drawing.html)["views"]:
        boxes, edges = len(view["nodes"]), len(view["edges"])
        for layout in view["layouts"]:
            assert len(layout["boxes"]) == len(layout["lines"]) == boxes
            assert len(layout["paths"]) == len(layout["labels"]) == edges
            for x, y, width, height in layout["boxes"]:
                assert min(x, y) >= 0
                assert x + width <= layout["width"] + 0.2
                assert y + height <= layout["height"] + 0.2


@pytest.mark.parametrize("fold", ["auto", None, "formulas", "repeats", "modules"])
def test_the_page_opens_at_the_level_that_was_asked_for(fold):
    drawing = draw(small(), fold=fold)
    page = data(drawing.html)
    view = page["views"][page["start"]]
    assert len(view["nodes"]) == len(drawing.picture.nodes)
    assert [node["label"] for node in view["nodes"]] == [node.label for node in drawing.picture.nodes]


def test_the_second_layout_has_room_for_numbers_on_their_way():
    """A cotangent may be wider before it is complete: 123456.789 − 123455.789 = 1."""
    x = Tensor(1.0, requires_grad=True, name="x")
    y = x * 12345.678 - x * 12344.678
    view = data(draw(y, fold=None, show={"shape"}).html)["views"][0]
    plain, roomy = view["layouts"]
    assert plain["slots"] == []
    k = next(i for i, node in enumerate(view["nodes"]) if node["label"] == "x")
    written = roomy["lines"][k][roomy["slots"][k]]
    way = [text for _, _, arrivals, _ in view["steps"] for i, text in arrivals if i == k]
    assert len(way) == 2
    assert written.removeprefix("grad ") == max(way, key=len)


def test_gradients_asked_for_need_no_second_layout():
    view = data(draw(small(), show={"shape", "grad"}).html)["views"][0]
    assert len(view["layouts"]) == 1
    assert view["settled"]


def test_a_level_too_large_for_a_page_is_left_out_and_told():
    n = html.MOST + 1
    picture = line(n)
    picture.nodes = [
        Node(i, "tanh", op="tanh", shape=(2,), members=(i,), output=i == n - 1) for i in range(n)
    ]
    page = data(Drawing(picture, fold="repeats").html)
    assert max(len(view["nodes"]) for view in page["views"]) <= html.MOST
    assert any("left out" in note and f"{n:,}" in note for note in page["notes"])


def test_a_level_that_was_asked_for_is_never_left_out():
    page = data(Drawing(line(html.MOST + 1), fold=None).html)
    assert [len(view["nodes"]) for view in page["views"]] == [html.MOST + 1]
    assert page["start"] == 0


def test_themes():
    assert data(draw(small(), theme="dark").html)["theme"] == "dark"
    assert data(draw(small()).html)["theme"] == ""
    own = Theme(
        "own",
        "#fffdf5",
        *(
            getattr(LIGHT, f)
            for f in ("text", "muted", "edge", "frame", "frame_fill", "parameter", "constant", "phases")
        ),
    )
    assert draw(small(), theme=own).html.count("--background: #fffdf5;") == 3
    bad = Theme(
        "bad",
        "red;} * { display: none",
        *(
            getattr(LIGHT, f)
            for f in ("text", "muted", "edge", "frame", "frame_fill", "parameter", "constant", "phases")
        ),
    )
    with pytest.raises(ValueError, match="needs CSS colours"):
        _ = draw(small(), theme=bad).html


def test_spans():
    assert html._spans((5, 1, 2, 3, 9)) == [1, 4, 5, 6, 9, 10]
    assert html._spans(()) == []


def test_the_same_drawing_gives_the_same_page():
    loss = small()
    assert draw(loss).html == draw(loss).html


def test_an_empty_picture_is_a_page():
    page = data(Drawing(Picture("nothing")).html)
    assert page["views"][page["start"]]["nodes"] == []


def test_the_facts_name_the_parameters_inside_a_box():
    read = data(draw(MLP((4, 5, 3), rng=0), np.ones((2, 4))).html)
    at = read["facts"].index("parameters")
    found = [n["facts"][at] for n in read["views"][-1]["nodes"] if n["facts"][at:][:1] > [""]]
    assert found == [
        f"layers.{k}.weight {m} × {n}; layers.{k}.bias {n}" for k, m, n in ((0, 4, 5), (1, 5, 3))
    ]


# The program by which a page computes


def test_the_page_has_every_function_that_a_program_may_name():
    text = html._file("calculator.js")
    for name in {"copy", *ELEMENTWISE.values(), *WHOLE.values()}:
        assert re.search(rf"\b{name}: ", text), name


def test_a_program_has_a_step_for_each_value_and_gradient():
    drawing = draw(small())
    page = data(drawing.html)["program"]
    assert page["why"] == ""
    assert sorted(map(int, page["values"])) == [node.id for node in drawing.full.nodes]
    assert sorted(map(int, page["gradients"])) == [node.id for node in drawing.full.nodes if node.gradient]
    assert page["leaves"] == [node.id for node in drawing.full.nodes if node.kind == "parameter"]
    for at, (name, _, refs, *_) in enumerate(page["steps"]):
        assert not name or max(refs) < at, "what a step reads was computed before"


def test_a_leaf_that_changed_since_is_no_start_of_a_program():
    x = Tensor(2.0, requires_grad=True, name="x")
    drawing = draw(np.tanh(x))
    assert data(drawing.html)["program"]["why"] == ""
    x.data = np.array(3.0)
    assert "changed" in data(drawing.html)["program"]["why"]
    assert data(drawing.html)["program"]["steps"] == []


def test_a_constant_that_changed_since_is_found_by_what_follows_from_it():
    c = np.ones(2)
    drawing = draw(np.sum(Tensor([1.0, 2.0], requires_grad=True, name="x") * c))
    assert data(drawing.html)["program"]["why"] == ""
    c[0] = 5.0
    assert "an array has changed" in data(drawing.html)["program"]["why"]


def test_an_op_of_the_same_name_is_not_taken_for_ours():
    tanh = elementwise(lambda x: 2 * np.tanh(x), lambda y, x: 2 - y * y / 2, name="tanh")
    program = data(draw(tanh(Tensor(1.0, requires_grad=True, name="x"))).html)["program"]
    assert "does not know tanh" in program["why"]


def test_strips_of_what_a_page_does_not_compute():
    x, c = Tensor(np.arange(6000.0), requires_grad=True, name="x"), np.linspace(-2, 1, 6000)
    y = np.mean(x * c)
    program = data(draw(y).html)["program"]
    assert "numbers at most" in program["why"]
    (one, size), (other, _) = program["strips"]["0"], program["strips"]["1"]
    assert (len(one), size, one[0], one[-1]) == (32, 6000, "j", "a")
    assert list(one) == sorted(one, reverse=True)
    assert (other[0], other[-1]) == ("s", "f"), "−2 is s, 1 is half way from j, which is 0, to a"
    drawing = draw(y)
    c[:] = 1
    assert sorted(data(drawing.html)["program"]["strips"]) == ["0", "2"], "c is not what was drawn"


def test_the_page_of_a_network_stays_small():
    assert len(GALLERY["digits_backward"]().html.encode()) <= 150_000


def test_a_program_in_float32_has_the_numbers_that_numpy_takes():
    x = Tensor(np.float32(2.0), requires_grad=True, name="x")
    steps = data(draw(np.tanh(0.1 * x)).html)["program"]["steps"]
    numbers = [step[2] for step in steps if step[0] == ""]
    assert [float(np.float32(0.1))] in numbers
    assert [0.1] not in numbers
    assert {step[4] for step in steps if step[0] in ("multiply", "tanh")} == {1}
