"""The HTML page of a drawing in a real browser: nothing leaves it, nothing hostile runs in it, and what it
shows is true.

The fixture `show` opens a drawing in headless Chromium without a network and, at the end of each test, finds
any console message, exception, violation of the policy, or request. Reachability is always read from the
elements that are displayed."""

import itertools
import json
import re
import time

import numpy as np
import pytest

import minigrad
import optim
from minigrad import Tensor, draw
from minigrad.drawing.drawing import Drawing
from minigrad.drawing.layout.boxes import PAD_X, WIDEST
from minigrad.drawing.picture import DETAILS, Edge, Node, Picture
from minigrad.drawing.write.theme import THEMES
from models import MLP, cross_entropy

pytestmark = pytest.mark.browser

INSIDE = """(() => {
    const box = e.querySelector(".box").getBoundingClientRect();
    return [...e.querySelectorAll("text")].every((text) => {
        const t = text.getBoundingClientRect();
        return t.left > box.left - 0.5 && t.right < box.right + 0.5 && t.top > box.top - 1 && t.bottom < box.bottom + 1;
    });
})()"""  # no text is wider than its box
HOSTILE = [
    "</script><script>window.ran=1</script>", "<img src=x onerror=window.ran=1>", "<!--<script>", "]]>",
    "<lambda> <map>",
    "javascript:window.ran=1", "'\"`\\", "a\\u003cb", "{|}${window.ran=1}", "line\nbreak\r\n",
    "\u2028\u2029", "\u202eright to left\u202c", "\x00\x07\x1b[31m", "\ud800 alone", "🦆👩‍👩‍👧", "x" * 10_000,
    "__proto__",
    "constructor", "&lt;b&gt;&amp;", "--></style><style>*{display:none}", "\" onmouseover=\"window.ran=1",
    "$script $data ${policy}", "\ufeff\u200b", "</script ", "</SCRIPT/x",
]  # fmt: skip


def neuron():
    x1, x2 = Tensor(2.0, requires_grad=True, name="x1"), Tensor(0.0, requires_grad=True, name="x2")
    w1, w2 = Tensor(-3.0, requires_grad=True, name="w1"), Tensor(1.0, requires_grad=True, name="w2")
    b = Tensor(6.8813735870195432, requires_grad=True, name="b")
    return np.tanh(x1 * w1 + x2 * w2 + b), [x1, x2, w1, w2, b]


def network(widths=(4, 8, 8, 3)):
    rng = np.random.default_rng(0)
    model = MLP(widths, "tanh", rng=0)
    with minigrad.trace_source():
        loss = cross_entropy(model(rng.normal(size=(16, widths[0]))), rng.integers(0, widths[-1], 16))
    return loss, model


def second_order():
    return draw(network((4, 8, 3))[0], phases=("forward", "backward", "tangent"), title="Hv")


def chain(n):
    """A long recorded chain with a block that repeats, three modules, and shortcuts."""
    nodes = [Node(0, "x", kind="parameter", name="x", shape=(3,), members=(0,))]
    edges = []
    for i in range(1, n):
        nodes.append(
            Node(
                i,
                f"tanh {i}",
                op="tanh",
                shape=(3,),
                value="[1, 2, 3]",
                formula=f"h{i} = tanh(h{i - 1})",
                members=(i,),
            )
        )
        edges.append(Edge(i - 1, i))
        if i > 9:
            edges.append(Edge(i - 1 - i % 8, i, "", 1))
    nodes[-1].output = True
    return Picture(f"{n:,} boxes", nodes, edges, total=n)


def reaches(edges, ids):
    """All pairs (a, b) with a way from a to b."""
    after = {i: set() for i in ids}
    for a, b in sorted(edges, key=lambda e: -e[0]):
        after[a] |= {b} | after[b]
    return {(a, b) for a in ids for b in after[a]}


def shown(page):
    return page.all(".node[data-node]:not(.gone)", "+e.dataset.node")


def edges(page, which=":not(.gone)"):
    return page.all(f".edge{which}", "[+e.dataset.source, +e.dataset.target]")


def whole(page, level=None):
    """Of the data of a level, by default the one on the screen: (nodes, all reachable pairs)."""
    views = page.js("JSON.parse(document.querySelector('#data').textContent).views")
    if level is None:
        level = (page.all("[role=radio][aria-checked=true]", "+e.dataset.level") or [0])[0]
    nodes = views[level]["nodes"]
    return nodes, reaches([e[:2] for e in views[level]["edges"]], range(len(nodes)))


def numbers(text):
    return [float(x) for x in re.findall(r"-?\d+\.?\d*(?:e[+-]?\d+)?", text)]


def slot(page, i):
    return (page.all(f'[data-node="{i}"] .slot') or [None])[0]


def levels(page):
    return page.all("[role=radio]", "+e.dataset.level")


# Nothing leaves, nothing runs


def test_policy_stops_what_a_page_could_try(show):
    page = show(draw(neuron()[0]))
    done, ran = page.js("""(async () => {
        const done = [], wait = (start) => new Promise((yes, no) => { start(yes, no); setTimeout(no, 300); });
        const attempt = async (name, f) => { try { await f(); done.push(name); } catch { } };
        const add = (name, fields) => attempt(name, () => wait((yes, no) => {
            document.body.append(Object.assign(document.createElement(name), fields, { onload: yes, onerror: no }));
        }));
        await attempt("fetch", () => fetch("https://example.org/"));
        await attempt("file", () => fetch(location.href));
        await attempt("eval", () => eval("1"));
        await attempt("markup", () => { document.body.innerHTML = "<b>x</b>"; });
        await attempt("worker", () => wait((yes, no) => { new Worker("data:,1").onerror = no; }));
        await attempt("handler", () => document.querySelector("h1").setAttribute("onclick", "window.ran = 1"));
        document.querySelector("h1").click();
        await add("img", { src: "https://example.org/a" });
        await add("iframe", { src: "https://example.org/b" });
        await attempt("script", () => add("script", { src: "https://example.org/c" }).then(() => { throw 0; }));
        await add("link", { rel: "stylesheet", href: "https://example.org/d" });
        const inline = document.createElement("script");
        inline.append("window.ran = 1");
        await attempt("inline", () => document.body.append(inline));
        return [done, window.ran ?? 0];
    })()""")
    # a blocked frame loads an error page, a blocked script does nothing
    assert set(done) <= {"iframe", "inline"}
    assert ran == 0
    stopped = {text.split(":")[0] for text in page.js("__violations")}
    assert {"connect-src", "img-src", "frame-src", "style-src-elem", "require-trusted-types-for"} <= stopped
    assert [t for t in page.troubles() if t.startswith("request: http") and not page.was_blocked(t)] == []
    page.forgive()


@pytest.mark.parametrize("where", ["names", "title"])
def test_hostile_texts_neither_run_nor_break_the_page(show, where):
    total = Tensor(0.0)
    for k, name in enumerate(HOSTILE):
        x = Tensor(float(k), requires_grad=True, name=name if where == "names" else f"x{k}")
        total = total + x * x
    title = "".join(HOSTILE) if where == "title" else "hostile"
    page = show(draw(total, title=title, fold="formulas", show={"shape", "value", "grad", "source"}))
    assert page.count("script") == 2
    assert page.count("style") == 1
    assert page.count("img, iframe, object, embed, a, lambda, map, b:not(.phase b)") == 0
    assert len(shown(page)) >= 2 * len(HOSTILE)
    for i in shown(page):
        page.tap(f'[data-node="{i}"]')
    page.key("p", "End")
    if where == "names":
        for words in ("</script>", "javascript:", "👩", "__proto__", "'\"`\\"):
            page.type("#query", words)
            assert page.count(".hit") >= 1
        page.key("Enter")
        assert max(page.all(".node", "e.getBBox().width")) < WIDEST + 2 * PAD_X + 4
    assert page.js("typeof window.ran") == "undefined"
    assert page.one("header", "getComputedStyle(e).display") == "flex"
    assert page.js("document.documentElement.scrollWidth <= innerWidth")


def many():
    x = start = Tensor(np.ones(3), requires_grad=True, name="x")
    for _ in range(30_000):
        x = np.tanh(x) * 0.999
    return draw(np.sum(x * start))


DRAWINGS = {
    "a function": lambda: draw(
        lambda w, v: minigrad.hvp(lambda u: np.sum(np.sin(u) * u), w, v), np.ones(3), np.ones(3)
    ),
    "an optimizer": lambda: draw(optim.Adam([Tensor(np.ones(3), requires_grad=True)])),
    "every phase": lambda: second_order(),
    "60,000 operations": many,
    "every detail": lambda: draw(network()[0], show=DETAILS, direction="up", theme="dark"),
    "one leaf": lambda: draw(Tensor(1.0, requires_grad=True, name="x")),
    "nothing": lambda: Drawing(Picture("nothing")),
}


@pytest.mark.parametrize("kind", DRAWINGS)
def test_every_drawing_is_a_page_in_which_everything_can_be_pressed(show, kind):
    page = show(DRAWINGS[kind]())
    boxes = len(shown(page))
    assert (boxes == 0) == (kind == "nothing")
    for level in levels(page) or [0]:
        if levels(page):
            page.tap(f'[data-level="{level}"]')
        for i in shown(page)[:: max(1, boxes // 12)]:
            page.tap(f'[data-node="{i}"]')
            for word in ("Centre", "Fold", "Unfold"):
                page.js(
                    "[...document.querySelectorAll('#actions button')].find((e) => "
                    f"e.innerText.startsWith('{word}'))?.click()"
                )
        page.key(
            "p",
            "ArrowRight",
            "End",
            "Home",
            "Escape",
            "p",
            "0",
            "+",
            "-",
            "f",
            "Enter",
            "t",
            "n",
            "N",
            "Escape",
            "Escape",
        )
        for phase in page.all(".phase", "e.classList[1]"):
            page.tap(f".phase.{phase}")
            page.key("p", "p")
            page.tap(f".phase.{phase}")
    page.type("#query", "a")
    page.key("Enter", "Enter", "Escape")
    page.call("Emulation.setDeviceMetricsOverride", width=500, height=300, deviceScaleFactor=2, mobile=False)
    page.rest()


# What is shown is true


def test_boxes_say_what_the_picture_says(show):
    drawing = draw(network()[0], show={"shape", "dtype", "value"})
    page = show(drawing)
    for node, text in zip(drawing.picture.nodes, page.all(".node[data-node]"), strict=True):
        assert node.label in text
        assert node.dtype in text
    assert all(page.all(".node[data-node]", INSIDE))


def test_details_tell_all_that_is_known(show):
    loss, model = network()
    page = show(draw(loss, parameters="outside"))
    i = next(i for i, text in enumerate(page.all(".node[data-node]")) if "layers.1.weight" in text)
    page.click(f'[data-node="{i}"]')
    facts = dict(page.all("#facts div", "[e.children[0].textContent, e.children[1].textContent]"))
    weight = model.layers[1].weight
    loss.backward()
    assert (facts["name"], facts["shape"], facts["dtype"], facts["memory"]) == (
        "layers.1.weight",
        "8 × 8",
        "float64",
        "512 B",
    )
    for fact, array in (("value", weight.numpy()), ("gradient", weight.grad)):
        assert numbers(facts[fact]) == pytest.approx([array.min(), array.max(), array.mean()], rel=1e-3)
    page.click("#links button")  # to the operation that uses it
    facts = dict(page.all("#facts div", "[e.children[0].textContent, e.children[1].textContent]"))
    assert "test_viewer.py" in facts["source"]
    assert facts["operation"] == "linear"


def test_highlight_is_what_it_depends_on_and_what_depends_on_it(show):
    page = show(second_order())
    nodes, pairs = whole(page)
    for i in (0, len(nodes) // 2, len(nodes) - 1):
        page.tap(f'[data-node="{i}"]')
        above, below = {a for a, b in pairs if b == i} | {i}, {b for a, b in pairs if a == i} | {i}
        assert set(page.all(".node.lit", "+e.dataset.node")) == above | below
        ways = {(a, b) for a, b in pairs if {a, b} <= above or {a, b} <= below or (a in above and b in below)}
        assert reaches(edges(page, ".lit"), range(len(nodes))) == ways
    page.key("Escape")
    assert page.count(".lit") == 0


def test_hovering_shows_a_card(show):
    page = show(draw(neuron()[0]))
    x, y, width, height = page.box('[data-node="0"]')
    page.mouse("mouseMoved", x + width / 2, y + height / 2)
    page.rest()
    assert page.one("#tip strong") in page.one('[data-node="0"]')
    left, top, wide, high = page.box("#tip")
    assert left >= x + width or left + wide <= x
    assert top >= 0
    assert top + high <= 800
    page.mouse("mouseMoved", 640, 790)
    page.rest()
    assert page.one("#tip", "e.hidden")


# Playing the backward pass


def test_playing_to_the_end_shows_the_gradients(show):
    y, leaves = neuron()
    y.backward()
    page = show(draw(y))
    page.click("#play-mode")
    labels = page.all(".node[data-node] .name")
    places = [labels.index(leaf.name) for leaf in leaves]
    assert [slot(page, i) for i in places] == [""] * 5
    assert page.count(".done") == 1  # the output
    length = page.one("#step", "+e.max")
    states = []
    for _ in range(length):
        page.key("ArrowRight")
        states.append(page.count(".done"))
    assert states == sorted(states)
    assert states[-1] == len(labels)
    for leaf, i in zip(leaves, places, strict=True):
        assert numbers(slot(page, i)) == pytest.approx([float(leaf.grad)], rel=1e-3, abs=1e-12)
    page.key("Home")
    assert [slot(page, i) for i in places] == [""] * 5
    page.one("#step", "(e.value = 3, e.dispatchEvent(new Event('input')))")
    assert page.one("#count") == f"3 / {length}"
    half = page.count(".done")
    assert 1 < half < len(labels)
    page.key("ArrowLeft", "ArrowRight")
    assert page.count(".done") == half


@pytest.mark.parametrize("fold", [None, "formulas", "modules"])
def test_playing_a_network_at_every_level(show, fold):
    loss, model = network()
    loss.backward()
    page = show(draw(loss, fold=fold, parameters="outside"))
    page.key("p", "End")
    assert all(page.all(".node[data-node]", INSIDE))
    boxes = page.all(".node[data-node]", "[e.textContent, e.querySelector('.slot')?.textContent ?? '']")
    checked = 0
    for name, p in model.named_parameters():
        for text in (gradient for words, gradient in boxes if name in words):
            wanted = p.grad if p.grad.size <= 4 else [p.grad.min(), p.grad.max(), p.grad.mean()]
            assert numbers(text) == pytest.approx(list(wanted), rel=1e-3, abs=1e-17)
            checked += 1
    assert checked == (0 if fold == "modules" else 6)
    assert page.one("#story").endswith("Done: every gradient is complete.")


def test_contributions_add_up_on_the_way(show):
    x = Tensor(3.0, requires_grad=True, name="x")
    page = show(draw(x * x + 5 * x, fold=None))  # 2x + 5 = 11
    page.key("p")
    i = next(i for i, text in enumerate(page.all(".node[data-node]")) if text.startswith("x="))
    seen = []
    for _ in range(page.one("#step", "+e.max")):
        page.key("ArrowRight")
        seen.append((slot(page, i), page.count(f'[data-node="{i}"].partial') == 1))
    assert seen[-1] == ("grad 11", False)
    assert [text for text, partial in seen if partial] in (["grad 5"], ["grad 6"])


def test_play_runs_by_itself_and_stops_at_the_end(show):
    page = show(draw(neuron()[0]))
    page.key("p")
    page.one("#speed", "e.value = '16'")
    page.key(" ")
    page.until("document.querySelector('#step').value === document.querySelector('#step').max")
    page.until("document.querySelector('#play').getAttribute('aria-label') === 'Play'")
    page.one("#speed", "e.value = '0.5'")
    page.key(" ")  # again from the beginning
    assert page.one("#play", "e.getAttribute('aria-label')") == "Pause"
    page.key(" ")
    assert page.one("#play", "e.getAttribute('aria-label')") == "Play"
    assert page.one("#step", "+e.value") <= 1
    page.key("Escape")
    assert page.one("#player", "e.hidden")


def test_a_graph_without_a_scalar_output_has_no_playback(show):
    page = show(draw(np.tanh(Tensor([1.0, 2.0], requires_grad=True, name="x"))))
    assert page.one("#play-mode", "e.hidden")
    page.key("p", " ", "ArrowRight")
    assert page.one("#player", "e.hidden")


# Hiding and folding keep reachability


def test_hidden_phases_keep_reachability(show):
    page = show(second_order())
    phases = ("forward", "backward", "tangent")
    assert len(levels(page)) >= 2
    for level in levels(page):
        page.tap(f'[data-level="{level}"]')
        nodes, pairs = whole(page)
        for off in itertools.chain(*(itertools.combinations(phases, k) for k in range(4))):
            for phase in off:
                page.tap(f".phase.{phase}")
            left = shown(page)
            assert left == [i for i, node in enumerate(nodes) if node["phase"] not in off]
            assert reaches(edges(page), left) == {(a, b) for a, b in pairs if a in left and b in left}
            for bridge in edges(page, ".bridge"):  # none is there that says nothing
                others = [edge for edge in edges(page) if edge != bridge]
                assert tuple(bridge) not in reaches(others, left)
            assert page.count(".phase[aria-pressed=false]") == len(off)
            for phase in off:
                page.tap(f".phase.{phase}")
        assert page.count(".bridge") == 0


def test_levels_of_folding_keep_reachability(show):
    page = show(second_order())
    full, pairs = whole(page, 0)
    ids = [node["members"][0] for node in full]
    assert all(node["members"] == [i, i + 1] for i, node in zip(ids, full, strict=True))
    for level in levels(page):
        page.tap(f'[data-level="{level}"]')
        box = {}  # of a parameter all boxes that list it
        for k, node in enumerate(whole(page, level)[0]):
            for first, end in zip(node["members"][::2], node["members"][1::2], strict=True):
                for i in range(first, end):
                    box.setdefault(i, []).append(k)
        assert set(box) >= set(ids)
        now = reaches(edges(page), shown(page)) | {(k, k) for k in shown(page)}
        assert all(any((k, m) in now for k in box[ids[a]]) for a, b in pairs for m in box[ids[b]])


def test_folded_modules_keep_reachability_and_unfold_again(show):
    page = show(draw(network()[0], parameters="outside"))
    nodes, pairs = whole(page)
    frames = page.count(".handle")
    assert frames == 3
    before = edges(page)
    clusters = page.js(
        "JSON.parse(document.querySelector('#data').textContent).views[0].clusters.map((c) => c[2])"
    )
    for k in range(frames):
        page.click(".frame:not(.gone) .handle")
        home = page.all(".node[data-node]", "e.dataset.in ?? null")
        assert shown(page) == [i for i, card in enumerate(home) if card is None]
        assert {i for i, card in enumerate(home) if card == str(k)} == set(clusters[k])
        group = [i if card is None else f"card {card}" for i, card in enumerate(home)]
        after = {a: set() for a in group}
        for a, b in edges(page):
            after[group[a]].add(group[b])
        for _ in group:
            after = {a: b.union(*(after[c] for c in b)) for a, b in after.items()}
        assert all(group[a] == group[b] or group[b] in after[group[a]] for a, b in pairs)
    assert page.count(".card-fold") == frames
    assert "boxes folded" in page.one(".card-fold")
    for _ in range(frames):
        page.click(".card-fold")
    assert page.count(".card-fold") == 0
    assert edges(page) == before
    assert shown(page) == list(range(len(nodes)))


def test_a_folded_box_unfolds_to_its_members(show):
    page = show(draw(network()[0], fold="modules", parameters="outside"))
    level = page.one("[role=radio][aria-checked=true]")
    page.click(".node.fold", times=2)
    assert page.one("[role=radio][aria-checked=true]") != level
    assert page.count(".node.selected") == 1


# Search


def test_search_finds_names_operations_and_shapes(show):
    page = show(second_order())
    for words, least in (
        ("layers.0.weight", 1),
        ("TANH", 1),
        ("16 × 8", 3),
        ("16x8", 3),
        ("(16, 8)", 3),
        ("softmax", 1),
    ):
        page.type("#query", words)
        assert page.count(".hit") >= least, words
        assert page.one("#found") == str(page.count(".hit"))
    page.type("#query", "16 × 8")
    hits = page.all(".hit", "+e.dataset.node")
    seen = []
    for _ in hits:
        page.key("Enter")
        seen.append(page.one(".here", "+e.dataset.node"))
        x, y, width, height = page.box(".here")
        assert min(x, y) >= 0
        assert x + width <= 1280
        assert y + height <= 800
    assert seen == hits
    page.key("Enter")
    assert page.one("#found") == f"1 of {len(hits)}"
    page.key("Enter", shift=True)
    assert page.one("#found") == f"{len(hits)} of {len(hits)}"
    page.type("#query", "no such thing")
    assert page.one("#found") == "none"
    page.key("Escape")
    assert page.count(".hit, .here") == 0


def test_search_brings_back_what_is_hidden_and_looks_into_folds(show):
    page = show(draw(network()[0]))
    for k in range(page.count(".handle")):
        page.tap(f'[data-cluster="{k}"] .handle')
    page.click(".phase.forward")
    assert shown(page) == []
    page.type("#query", "layers.2.bias")
    page.key("Enter")
    assert page.count(".here:not(.gone)") == 1
    assert page.count(".phase.forward[aria-pressed=true]") == 1
    page.tap(f'[data-level="{levels(page)[-1]}"]')
    page.type("#query", "layers.2.bias")
    assert page.count(".hit") >= 1


# By keyboard, on a telephone, light and dark


def test_everything_by_keyboard(show):
    page = show(draw(network()[0], parameters="outside"))
    stops = []
    for _ in range(40):
        page.key("Tab")
        stops.append(
            page.js(
                "(({ id, className, tagName }) => id || className.baseVal || tagName)(document.activeElement)"
            )
        )
        if stops[-1] == "BODY":
            break
        ring = """(() => {
            const e = document.activeElement, box = e.querySelector(".box");
            const ring = getComputedStyle(e).outlineStyle !== "none" || e.id === "query";
            return ring || getComputedStyle(box).strokeWidth === "3.6px";
        })()"""
        assert page.js(ring), stops[-1]
    assert {"query", "previous", "next", "play-mode", "theme", "help", "closer", "farther", "fit"} <= set(
        stops
    )
    assert sum(stop.startswith("node") for stop in stops) == 1  # the graph is one stop
    page.one(".node[tabindex='0']", "e.focus()")
    visited = set()
    for key in ["ArrowRight"] * 12 + ["ArrowDown", "ArrowUp"] * 3 + ["ArrowLeft"] * 12 + ["ArrowDown"] * 4:
        page.key(key)
        visited.add(page.js("document.activeElement.dataset.node"))
    assert len(visited) >= 5
    page.one(f'[data-node="{page.all(".node[data-node] .name").index("W₁")}"]', "e.focus()")
    page.key("Enter")
    assert page.one("#what") == "W₁"
    page.key("Escape")
    assert page.one("#details", "e.hidden")
    page.key("f")
    assert page.js("document.activeElement.matches('.card-fold')")
    page.key("f")
    assert page.count(".card-fold") == 0
    for key, sign in (("+", 1), ("-", -1)):
        before = page.box("#stage")[2]
        page.key(key)
        assert (page.box("#stage")[2] - before) * sign > 0
    page.key("/")
    assert page.js("document.activeElement.id") == "query"
    page.key("Escape", "]", "[", "?")
    assert page.one("#keys", "e.open")
    page.key("Escape")
    assert not page.one("#keys", "e.open")


def test_every_box_can_be_reached_by_the_arrows(show):
    page = show(draw(network()[0]))
    seen, queue = {0}, [0]
    while queue:
        i = queue.pop()
        for key in ("ArrowRight", "ArrowLeft", "ArrowDown", "ArrowUp"):
            press = f"e.dispatchEvent(new KeyboardEvent('keydown', {{ key: '{key}', bubbles: true }}))"
            j = page.one(f'[data-node="{i}"]', f"(e.focus(), {press}, +document.activeElement.dataset.node)")
            if j not in seen:
                seen.add(j)
                queue.append(j)
    assert sorted(seen) == shown(page)


@pytest.mark.parametrize("playing", [False, True])
def test_four_hundred_pixels(show, playing):
    page = show(second_order(), width=400, height=780, touch=True)
    if playing:
        page.key("p", "ArrowRight")

    def fits():
        return (
            page.js("Math.max(document.documentElement.scrollWidth, document.body.scrollWidth, innerWidth)")
            <= 400
        )

    assert fits()
    controls = page.js("""[...document.querySelectorAll("button, input, select, summary")].filter((e) => e.checkVisibility())
        .map((e) => {
            const { x, y, width, height } = e.getBoundingClientRect();
            const over = document.elementFromPoint(x + width / 2, y + height / 2);
            return [e.id || e.textContent, x >= 0 && x + width <= 400.5 && y >= 0 && y + height <= 780,
                e.contains(over), Math.min(width, height)];
        })""")
    assert len(controls) > 8
    for name, inside, clear, least in controls:
        assert inside, name
        assert clear, f"{name} is covered"
        assert least >= 23, name
    page.tap("#legend summary")
    assert page.one("#legend", "e.getBoundingClientRect().right") <= 400
    page.tap("#legend summary")
    page.tap(".node")
    x, y, width, height = page.box("#details")
    assert x >= 0
    assert x + width <= 400
    assert y + height <= 780
    assert fits()


def test_two_fingers_zoom_and_one_moves(show):
    page = show(second_order(), width=400, height=780, touch=True)

    def touch(kind, *points):
        points = [{"x": x, "y": y, "id": k} for k, (x, y) in enumerate(points)]
        page.call("Input.dispatchTouchEvent", type=kind, touchPoints=points)

    x, y, width, _ = page.box("#stage")
    touch("touchStart", (200, 400))
    for k in range(1, 6):
        touch("touchMove", (200 + 10 * k, 400 + 4 * k))
    touch("touchEnd")
    page.rest()
    moved = page.box("#stage")
    assert moved[2] == width
    assert moved[0] > x + 30
    assert moved[1] > y + 8
    touch("touchStart", (180, 400), (220, 400))
    for k in range(1, 8):
        touch("touchMove", (180 - 10 * k, 400), (220 + 10 * k, 400))
    touch("touchEnd")
    page.rest()
    assert page.box("#stage")[2] > 1.5 * width


def test_the_wheel_zooms_about_the_pointer_and_the_mouse_drags(show):
    page = show(draw(network()[0]))
    x, y, width, height = page.box('[data-node="3"]')
    at = x + width / 2, y + height / 2
    page.mouse("mouseWheel", *at, deltaX=0, deltaY=-200)
    page.rest()
    x, y, larger, height = page.box('[data-node="3"]')
    assert larger > 1.2 * width
    assert (x + larger / 2, y + height / 2) == pytest.approx(at, abs=1.5)
    page.mouse("mousePressed", 640, 600, button="left", clickCount=1)
    for k in range(1, 5):
        page.mouse("mouseMoved", 640 + 20 * k, 600 + 10 * k, button="left", buttons=1)
    page.mouse("mouseReleased", 720, 640, button="left", clickCount=1)
    page.rest()
    assert page.box('[data-node="3"]')[:2] == pytest.approx([x + 80, y + 40], abs=1.5)


def luminance(colour):
    r, g, b = (
        (c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4) for c in (v / 255 for v in colour)
    )
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


def contrast(a, b):
    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)


def rgb(text):
    """The three numbers of "#0a7d5b", "rgb(10, 125, 91)" or "color(srgb 0.04 0.49 0.36)", each up to 255."""
    if text.startswith("#"):
        return [int(text[i : i + 2], 16) for i in (1, 3, 5)]
    values = [float(x) for x in re.findall(r"[\d.]+", text)][:3]
    return [255 * v for v in values] if text.startswith("color(") else values


@pytest.mark.parametrize("dark", [False, True])
def test_light_and_dark(show, dark):
    page = show(second_order(), dark=dark)
    page.key("p", "ArrowRight")

    def colour(selector, what="color"):
        return rgb(page.one(selector, f"getComputedStyle(e).{what}"))

    names = ("dark", "light") if dark else ("light", "dark")
    for name in names:
        theme = THEMES[name]
        assert colour("body", "backgroundColor") == rgb(theme.background)
        for phase in ("forward", "backward", "tangent"):
            box = (
                f".node.{phase}.op:not(.output, .done, .partial)"
                if phase != "forward"
                else ".node.forward.op"
            )
            assert colour(f"{box} .box", "fill") == rgb(theme.phases[phase][0])
            if phase != "forward":
                assert colour(f"{box} .box", "stroke") == rgb(theme.phases[phase][1])
            for words in ("name", "line"):
                assert contrast(colour(f"{box} .{words}", "fill"), rgb(theme.phases[phase][0])) >= 4.5, (
                    name,
                    phase,
                    words,
                )
        assert contrast(colour(".done .slot", "fill"), rgb(theme.phases["forward"][0])) >= 4.5, name
        card = colour("#legend", "backgroundColor")
        for what in ("summary", "#size", "h1", ".phase span:last-child", "#count", "#story"):
            assert contrast(colour(what), card) >= 4.5, (name, what)
        assert contrast(colour("#play-mode"), rgb(theme.phases["backward"][0])) >= 4.5, name
        page.key("t")
    assert colour("body", "backgroundColor") == rgb(THEMES[names[0]].background)


def test_reduced_motion_is_kept(show):
    for calm in (True, False):
        page = show(draw(neuron()[0]), calm=calm)
        page.key("p", "ArrowRight")
        assert (page.js("document.getAnimations().length") == 0) == calm


def test_print(show):
    page = show(draw(network()[0]), dark=True)
    page.media(dark=True, medium="print")
    assert not any(page.all("header, .zoom, #player, #details", "e.checkVisibility()"))
    assert page.one("#stage svg", "e.getBoundingClientRect().width <= innerWidth")
    assert rgb(page.one("body", "getComputedStyle(e).backgroundColor")) == [255, 255, 255]
    page.media()


# Speed


def test_five_thousand_boxes_pan_smoothly(show, record_property):
    drawing = Drawing(chain(5000), fold=None)
    start = time.perf_counter()
    page = show(drawing, calm=False)
    seconds = time.perf_counter() - start
    assert len(shown(page)) == 5000
    page.key("0")
    found = {}
    for where, keys in (("whole", []), ("near", ["+"] * 20)):
        page.key(*keys)
        time.sleep(1)
        frames = page.js("""new Promise((done) => {
            const view = document.querySelector("#view"), frames = [];
            const send = (type, clientX, clientY) =>
                view.dispatchEvent(new PointerEvent(type, { pointerId: 7, clientX, clientY, bubbles: true, buttons: 1 }));
            view.setPointerCapture = () => {};
            view.hasPointerCapture = () => true;
            send("pointerdown", 600, 400);
            let last = performance.now(), i = 0;
            const step = (now) => {
                frames.push(now - last);
                last = now;
                i += 1;
                send("pointermove", 600 + 4 * (i % 60), 400 + 2 * (i % 40));
                if (i < 90) requestAnimationFrame(step); else { send("pointerup", 0, 0); done(frames); }
            };
            requestAnimationFrame(step);
        })""")
        frames.sort()
        found[where] = {"median": frames[45], "p95": frames[85], "longest": frames[-1]}
        assert found[where]["median"] < 50, found
    record_property("frames", json.dumps(found))
    print(
        f"5,000 boxes: page made and opened in {seconds:.1f} s; milliseconds per frame while panning: {found}"
    )
