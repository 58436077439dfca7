"""Drawing: every target, every format, every hostile name; the graph is the same afterwards."""

import json
import re
import shutil
import subprocess
import time
import xml.etree.ElementTree as ET
from collections import Counter
from importlib.util import find_spec

import numpy as np
import pytest

import minigrad
import optim
from minigrad import Tensor, draw, grad, hvp, jacobian, trace_source, value_and_grad
from minigrad.drawing import Edge, Node, Picture
from minigrad.drawing.graph.fold import contract, runs
from minigrad.drawing.graph.levels import folded
from minigrad.drawing.layout.arranging import arranged
from minigrad.drawing.layout.boxes import box_lines
from minigrad.drawing.write import as_json
from minigrad.drawing.write.dot import dot
from minigrad.drawing.write.figure import figure as figure_of
from minigrad.drawing.write.mermaid import mermaid
from minigrad.drawing.write.svg import svg
from minigrad.drawing.write.tree import tree
from models import MLP, Linear, Module, Sequential, cross_entropy, mse_loss

HOSTILE = [
    "<lambda> <map>", 'a "quoted" name', "back\\slash\\", "{|}", "new\nline\r\n", "\u202eright to left\u200f",
    "\u2028\u2029",
    "x" * 10_000, "emoji 👩‍👩‍👧‍👦 👍🏽", "</script><script>alert(1)</script>", "javascript:alert(1)",
    "\x00\x01\x1f\x7f", "\ud800", "&lt; &amp; &#34;", "<b>bold</b>", "]]>", "<!--", "--", "%s {0}",
    "\\N \\G \\l", "graph", "digraph", "end", "", " ", "'", "`", ";", "#",
    "\ufffe\uffff", "漢字", "a->b", "\\", '\\"', "/*", "//", "𝕏",
]  # fmt: skip


def network(seed=0):
    rng = np.random.default_rng(seed)
    model = MLP((4, 5, 3), rng=rng)
    return model, rng.normal(size=(6, 4)), rng.integers(0, 3, 6)


def neuron():
    a, b = Tensor(2.0, requires_grad=True, name="a"), Tensor(-3.0, requires_grad=True, name="b")
    return a, b, np.tanh(a * b + a)


def real_drawings():
    """Thirty graphs of programs as people write them."""
    model, x, y = network()

    def f(w):
        return np.sum(np.tanh(x @ w) ** 2)

    w, v = np.ones((4, 2)), np.full((4, 2), 0.5)
    yield draw(neuron()[2], show={"value", "grad"})
    yield draw(neuron()[2], show=minigrad.drawing.picture.DETAILS, direction="down")
    yield draw(cross_entropy(model(x), y))
    yield draw(mse_loss(model(x), np.zeros((6, 3))), direction="up")
    yield draw(model, x)
    yield draw(model, x, fold="modules")
    yield draw(Linear(3, 2), np.ones((2, 3)))
    yield draw(Sequential(Linear(4, 3), np.tanh, Linear(3, 2)), x, direction="left")
    for phases in (("forward", "backward"), ("forward", "backward", "tangent"), ("backward",), ("tangent",)):
        yield draw(cross_entropy(model(x), y), phases=phases)
        yield draw(cross_entropy(model(x), y), phases=phases, fold=None, direction="down")
    yield draw(f, w)
    yield draw(grad(f), w)
    yield draw(value_and_grad(f), w, fold=None)
    yield draw(lambda w, v: hvp(f, w, v), w, v)
    yield draw(lambda w, v: hvp(f, w, v), w, v, fold=None, direction="down")
    yield draw(grad(lambda u: grad(lambda t: (t**3).sum())(u).sum()), np.ones(3))
    yield draw(jacobian(lambda t: np.sin(t) * t[::-1]), np.ones(3))
    yield draw(
        {"sum": (Tensor([1.0], requires_grad=True) + 1).sum(), "two": [Tensor(2.0, requires_grad=True) * 2]}
    )
    for make in (optim.SGD, optim.Adam, optim.AdamW, optim.Lion, optim.NAdam, optim.RMSprop):
        yield draw(make(model.named_parameters(), lr=0.1))


@pytest.fixture(scope="module")
def real():
    drawings = list(real_drawings())
    assert len(drawings) >= 28
    return drawings


# What is drawn


def test_a_neuron_shows_values_and_gradients():
    _, _, o = neuron()
    o.name = "o"
    picture = draw(o, show={"value", "grad"}).picture
    by_label = {n.label: n for n in picture.nodes}
    assert {"a", "b"} < by_label.keys()
    out = next(n for n in picture.nodes if n.output)
    assert out.label.startswith("o = tanh(")
    assert by_label["a"].value == "2"
    a, b, o = neuron()
    o.backward()
    assert (by_label["a"].gradient, by_label["b"].gradient) == tuple(
        f"{g:.4g}" for g in (a.grad.item(), b.grad.item())
    )


def test_playing_backward_ends_at_the_gradients():
    model, x, y = network()
    loss = cross_entropy(model(x), y)
    drawing = draw(loss, fold=None)
    loss.backward()
    full = drawing.full
    running = {}
    order = [visit.node for visit in full.visits]
    assert order == sorted(order, reverse=True), "outputs first"
    for visit in full.visits:
        if visit.node in running:
            assert running[visit.node] == visit.gradient, "a node is visited when its cotangent is complete"
        running |= dict(visit.arrivals)
    from minigrad.drawing.graph.notation import array_text

    for name, p in model.named_parameters():
        node = next(n for n in full.nodes if n.name == name)
        assert node.gradient == running[node.id] == array_text(p.grad)


def test_parameters_have_their_path_and_modules_their_frame_without_any_effort():
    model, x, _ = network()
    picture = draw(model(x).sum()).picture
    held = {leaf.name: n.module for n in picture.nodes for leaf in n.held}
    assert held == {f"layers.{k}.{what}": f"MLP.layers.{k}" for k in (0, 1) for what in ("weight", "bias")}
    assert [c.label for c in picture.clusters] == ["layers.0", "layers.1"]


def test_nested_modules_nest():
    class Block(Module):
        def __init__(self):
            self.first, self.second = Linear(3, 3), Linear(3, 3)

        def forward(self, x):
            return self.second(np.tanh(self.first(x))) + x

    class Net(Module):
        def __init__(self):
            self.blocks = [Block(), Block()]

        def forward(self, x):
            for block in self.blocks:
                x = block(x)
            return x

    picture = draw(Net(), np.ones((2, 3))).picture
    label = [c.label for c in picture.clusters]
    parent = {c.label: None if c.parent is None else label[c.parent] for c in picture.clusters}
    assert parent == {
        "blocks.0": None,
        "blocks.1": None,
        "blocks.0.first": "blocks.0",
        "blocks.0.second": "blocks.0",
        "blocks.1.first": "blocks.1",
        "blocks.1.second": "blocks.1",
    }
    assert all(layout is not None for layout in arranged(picture).frames)


def test_a_part_called_by_itself_does_not_spoil_the_names_of_the_whole():
    model, x, _ = network()
    model.layers[0](x)
    assert [p.name for p in model.parameters()] == [name for name, _ in model.named_parameters()]
    optim.SGD(model.parameters(), lr=0.1)


def test_phases_are_told_apart():
    def f(x):
        return (np.sin(x) ** 2).sum()

    drawn = draw(lambda x, v: hvp(f, x, v), np.ones(2), np.ones(2))
    assert drawn.picture.phases() == ["forward", "backward", "tangent"]
    assert draw(optim.Adam([Tensor([1.0], requires_grad=True)])).picture.phases()[-1] == "update"


def test_only_the_wanted_phases():
    model, x, y = network()
    picture = draw(cross_entropy(model(x), y), phases=("backward",)).picture
    inner = [n for n in picture.nodes if n.kind in ("op", "fold")]
    assert inner
    assert {n.phase for n in inner} == {"backward"}


def test_adam_reads_like_the_textbook():
    text = str(draw(optim.Adam([Tensor([1.0, 2.0], requires_grad=True)], lr=0.5)))
    for line in (
        "m′ = β₁·m + (1 − β₁)·g",
        "v′ = β₂·v + (1 − β₂)·g²",
        "w′ = w − step",
        "step = lr·m̂/(√v̂ + ε)",
        "lr = 0.5",
    ):
        assert line in text


def test_every_rule_can_be_recorded_and_gives_the_numbers_of_a_step():
    made = [x for x in vars(optim).values() if isinstance(x, type) and issubclass(x, optim.FirstOrder)]
    elementwise = [x for x in made if x.rule is not optim.FirstOrder.rule]
    assert len(elementwise) >= 8
    for make in elementwise:
        p = Tensor([1.0, -2.0, 3.0], requires_grad=True, name="p")
        rule = make([p], lr=0.1)
        for _ in range(3):
            rule.step(lambda p=p: (p * p).sum())
        expected = rule.preview()["p"]["w"]
        before = p.numpy()
        np.testing.assert_allclose(rule.recorded()["w′"].numpy(), expected, rtol=1e-15)
        np.testing.assert_array_equal(p.numpy(), before)


def test_source_lines_where_asked_for():
    x = Tensor([1.0], requires_grad=True)
    with trace_source():
        y = np.tanh(x)
    assert "test_drawing.py" in next(n.source for n in draw(y).picture.nodes if n.op == "tanh")
    z = np.tanh(x)
    assert not any(n.source for n in draw(z).picture.nodes)


def test_details_are_measured():
    a = Tensor(np.ones((30, 20)), requires_grad=True)
    b = Tensor(np.ones((20, 10)), requires_grad=True)
    node = next(n for n in draw(a @ b, show={"flops", "bytes", "time"}).full.nodes if n.op == "matmul")
    assert (node.flops, node.bytes) == (2 * 30 * 20 * 10, 30 * 10 * 8)
    assert 0 < node.seconds < 1


def test_a_compiled_function_is_drawn_and_shows_no_values():
    compiled = minigrad.compile(lambda x: (np.sin(x) * x).sum())
    compiled(np.ones(3))
    picture = draw(compiled, show={"value"}).picture
    assert any("sin" in n.label for n in picture.nodes)
    assert not any(n.value for n in picture.nodes if n.kind == "op")
    with_values = draw(compiled, np.ones(3), show={"value"}).picture
    assert any(n.value for n in with_values.nodes if n.kind == "op")


def test_names_of_the_callers_variables():
    weights = Tensor([1.0, 2.0], requires_grad=True)
    data = np.array([3.0, 4.0])
    nodes = draw((weights * data).sum(), parameters="outside").picture.nodes
    assert {"weights", "data"} <= {n.name for n in nodes}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: draw(3), "takes Tensors, a function"),
        (lambda x: draw(lambda t: 1.0, x), "no Tensor in the result"),
        (lambda x: draw([]), "no Tensor in the output"),
        (lambda x: draw(x, 1), "inputs are for functions"),
        (lambda x: draw(x, show={"colour"}), "show"),
        (lambda x: draw(x, direction="sideways"), "direction"),
        (lambda x: draw(x, engine="paint"), "engine"),
        (lambda x: draw(x, theme="pink"), "theme"),
        (lambda x: draw(x, fold="twice"), "fold"),
        (lambda x: draw(x, phases=("sideways",)), "phases"),
        (lambda x: draw(x).save("picture.bmp"), "suffix"),
        (lambda x: draw(lambda t: t * t), r"`draw\(f, \*inputs\)` calls f.*got 0.*Write draw\(f, t\)"),
        (lambda x: draw(lambda t, s: t * s, x), r"example of each argument, got 1.*Write draw\(f, t, s\)"),
        (lambda x: draw(lambda t: t * t, x, x), r"got 2: too many positional arguments. Write draw\(f, t\)"),
        (
            lambda x: draw(optim.NewtonCG([x])),
            r"an object with recorded\(\), got NewtonCG.*draw its loss with phases",
        ),
    ],
)
def test_errors_say_what_to_do(call, message):
    with pytest.raises((TypeError, ValueError), match=message):
        call(Tensor([1.0], requires_grad=True))


# Drawing changes nothing


def state(tensors):
    seen, stack = {}, list(tensors)
    while stack:
        t = stack.pop()
        if id(t) not in seen:
            seen[id(t)] = (
                t,
                t.index,
                t.op,
                t.requires_grad,
                t.name,
                t.params,
                t.mode,
                t.numpy(),
                t.live,
                len(t.inputs),
                t.grad if t.op is None else None,  # results have none
            )
            stack += [x for x in t.inputs if isinstance(x, Tensor)]
    return seen


def test_drawing_changes_nothing(tmp_path):
    model, x, y = network()
    loss = cross_entropy(model(x), y)
    model.named_parameters()
    before = state([loss])
    for phases in (None, ("forward", "backward"), ("forward", "backward", "tangent")):
        drawing = draw(loss, phases=phases, show=minigrad.drawing.picture.DETAILS)
        for suffix in ("svg", "dot", "mmd", "json"):
            drawing.save(tmp_path / f"g.{suffix}")
        assert str(drawing)
    after = state([loss])
    assert before.keys() == after.keys()
    for key, old in before.items():
        for was, now in zip(old, after[key], strict=True):
            assert was is now or np.array_equal(was, now)
    assert minigrad.mode.current.mode == minigrad.mode.Mode()
    loss.backward()
    drawn = [p.grad for p in model.parameters()]
    again, x, y = network()
    cross_entropy(again(x), y).backward()
    assert all(np.array_equal(g, p.grad) for g, p in zip(drawn, again.parameters(), strict=True))


# Folding


def reach(picture):
    """For every node, the original operations that can be reached from it."""
    found = [set(n.members) for n in picture.nodes]
    users = [[] for _ in picture.nodes]
    for e in picture.edges:
        assert e.source < e.target, "ids are in topological order"
        users[e.source].append(e.target)
    for i in reversed(range(len(found))):
        for j in users[i]:
            found[i] |= found[j]
    return found


def test_folding_keeps_reachability(real):
    for drawing in real:
        whole = reach(drawing.full)
        for _, view in drawing.views():
            small = reach(view)
            holders = {}  # a parameter is inside the boxes of all its users
            for node in view.nodes:
                for member in node.members:
                    holders.setdefault(member, set()).update(small[node.id])
            for node in view.nodes:
                for member in node.members:
                    lost = whole[member] - holders[member]
                    left_out = {m for m in lost if not any(m in n.members for n in view.nodes)}
                    assert lost == left_out, "only what leads to no output is left out"


def test_a_group_that_would_make_a_cycle_stays_as_it_is():
    chain = Picture("", [Node(i, str(i), members=(i,)) for i in range(3)], [Edge(0, 1), Edge(1, 2)])
    assert len(contract(chain, [(Node(0, "ends", kind="fold"), [0, 2])]).nodes) == 3
    assert len(contract(chain, [(Node(0, "start", kind="fold"), [0, 1])]).nodes) == 2


def test_repeated_blocks_are_folded():
    x = Tensor([0.5], requires_grad=True, name="x")
    y = x
    for _ in range(40):
        y = np.sin(y) * 0.9 + y
    picture = draw(y.sum(), fold="repeats").picture
    assert len(picture.nodes) < 12
    assert any(re.fullmatch("× 3[5-8] the same", n.label) for n in picture.nodes)
    assert any("folded" in note for note in picture.notes)


def test_a_deep_network_is_folded_in_each_of_its_passes():
    model = MLP((4, *[5] * 40, 3), rng=0)
    loss = cross_entropy(model(np.ones((6, 4))), np.zeros(6, int))
    for phases, most in ((None, 25), (("forward", "backward"), 50), (("forward", "backward", "tangent"), 90)):
        drawing = draw(loss, phases=phases)
        assert len(drawing.picture.nodes) <= most
        assert sum(len(n.members) for n in drawing.picture.nodes) > 100
        blocks = [n for n in drawing.picture.nodes if "the same" in n.label]
        assert {n.phase for n in blocks} == set(phases or ("forward",))
        ET.fromstring(drawing.svg)


def test_runs_finds_what_repeats():
    assert runs("abcabcabcab") == [(0, 3, 3)]
    assert runs("aaaaaxbcbcbcbc") == [(0, 1, 5), (6, 2, 4)]
    assert runs("abcdefg") == []


def test_what_is_left_of_a_run_begins_no_run_before_it():
    rng = np.random.default_rng(3)
    for text in ["ccaccaccacccbbcc", *("".join(rng.choice([*"abc"], 16)) for _ in range(300))]:
        for start, period, times in runs(text):
            assert period > 0
            assert text[start : start + period] * times == text[start : start + period * times], text


@pytest.mark.further
def test_a_million_operations_say_so_and_do_not_hang():
    x = Tensor(1.0, requires_grad=True, name="x")
    y = x
    for _ in range(40_000):
        y = y * 0.999 + 0.001
    deep = draw(y)
    start = time.perf_counter()
    assert len(deep.picture.nodes) < 20
    assert "80,001 recorded operations" in str(deep)
    assert ET.fromstring(deep.svg) is not None
    r = np.random.default_rng(0)
    pool = [x]
    for _ in range(30_000):
        a, b = r.integers(max(0, len(pool) - 20), len(pool), 2)
        pool.append(np.sin(pool[a]) - pool[b] if r.random() < 0.5 else np.tanh(pool[a]))
    z = sum(pool[-20:])
    del pool
    wild = draw(z)
    assert len(wild.picture.nodes) < 400
    assert "between the beginning and the end are folded" in str(wild)
    assert len(wild.svg) < 2_000_000
    assert time.perf_counter() - start < 60


# Formats


def test_json_round_trip(real):
    for drawing in real:
        for picture in (drawing.full, drawing.picture):
            text = json.dumps(as_json.to_dict(picture))
            assert as_json.from_dict(json.loads(text)) == picture
        assert as_json.from_dict(json.loads(drawing.json)) == drawing.picture


def test_30_real_graphs_are_well_formed_and_nothing_overlaps(real):
    for drawing in real:
        for direction in ("right", "down"):
            picture = folded(drawing.full, drawing.fold)
            picture.direction = direction
            layout = arranged(picture)
            for i, a in enumerate(layout.boxes):
                assert not any(a.overlaps(b, 4.0) for b in layout.boxes[:i])
            root = ET.fromstring(svg(picture, layout, "dark"))
            assert len(root.findall(".//{*}g[@id]")) == len(picture.nodes)
            assert len(root.findall(".//{*}path[@class='edge']")) == len(picture.edges)


def hostile_picture(names):
    nodes = [
        Node(i, name, name=name, value=name, source=name, formula=name, members=(i,), module="m")
        for i, name in enumerate(names)
    ]
    edges = [Edge(i - 1, i, names[i] if i % 7 == 0 else "", 0) for i in range(1, len(names))]
    return Picture(
        names[0],
        nodes,
        edges,
        [minigrad.drawing.Cluster(names[1], None, (0, 1, 2))],
        notes=list(names[:3]),
        show=("shape", "value", "source"),
    )


def test_hostile_names_in_every_text_format():
    picture = hostile_picture(HOSTILE)
    text = svg(picture, arranged(picture))
    root = ET.fromstring(text.encode())
    assert {element.tag.rpartition("}")[2] for element in root.iter()} <= {
        "svg",
        "g",
        "rect",
        "path",
        "text",
        "title",
        "defs",
        "marker",
    }
    assert not any(
        name.rpartition("}")[2] in ("href", "onload", "onclick") for e in root.iter() for name in e.attrib
    )
    assert dot(picture).isprintable() is False
    for line in (*dot(picture).splitlines(), *mermaid(picture).splitlines(), *tree(picture).splitlines()):
        assert line.isprintable(), repr(line)
    assert max(map(len, dot(picture).splitlines())) < 2_000, "10 kB are cut off"
    assert as_json.from_dict(json.loads(json.dumps(as_json.to_dict(picture)))) == picture
    bodies = re.findall(r'"((?:[^"])*)"', mermaid(picture))
    assert not any(set("<>{}[]()|") & set(body.replace("<br/>", "")) for body in bodies)


def test_hostile_names_on_tensors():
    for name in HOSTILE:
        x = Tensor([1.0], requires_grad=True, name=name)
        drawing = draw(np.tanh(x), title=name, show={"value", "source"})
        ET.fromstring(drawing.svg.encode())
        bundle = drawing._repr_mimebundle_()
        assert set(bundle) == {"text/plain", "image/svg+xml", "text/html"}
        ET.fromstring(bundle["image/svg+xml"].encode())
        assert repr(drawing)


def test_nothing_raises_from_a_repr(monkeypatch):
    drawing = draw(neuron()[2])

    def broken(*args, **kwargs):
        raise RuntimeError("planted")

    monkeypatch.setattr("minigrad.drawing.drawing.svg", broken)
    assert "planted" in drawing._repr_mimebundle_()["text/plain"]
    monkeypatch.setattr("minigrad.drawing.drawing.tree", broken)
    assert "planted" in str(drawing)
    assert "Drawing" in repr(drawing)


def test_files_by_suffix(tmp_path):
    drawing = draw(neuron()[2])
    for suffix, beginning in (
        ("svg", "<svg"),
        ("dot", "digraph"),
        ("gv", "digraph"),
        ("mmd", "flowchart"),
        ("json", "{"),
    ):
        path = drawing.save(tmp_path / f"graph.{suffix}")
        assert path.read_text(encoding="utf-8").startswith(beginning)


def test_png_and_pdf_through_matplotlib(tmp_path):
    pytest.importorskip("matplotlib")
    model, x, y = network()
    drawing = draw(
        cross_entropy(model(x), y), phases=("forward", "backward"), title="$x_1$ & <b>", engine="builtin"
    )
    assert drawing.save(tmp_path / "g.png").read_bytes().startswith(b"\x89PNG")
    assert drawing.save(tmp_path / "g.pdf").read_bytes().startswith(b"%PDF")


def test_svg_and_figure_say_the_same(real):
    pytest.importorskip("matplotlib")
    for drawing in real[::3]:
        figure = figure_of(drawing.picture, drawing.layout)
        drawn = sorted(text.get_text() for text in figure.axes[0].texts)
        assert drawn == sorted(
            element.text for element in ET.fromstring(drawing.svg).iter("{http://www.w3.org/2000/svg}text")
        )


def test_without_any_engine_all_but_pixels_works(tmp_path, monkeypatch):
    monkeypatch.setattr("minigrad.drawing.write.engines.available", lambda engine: False)
    drawing = draw(neuron()[2])
    for suffix in ("svg", "dot", "mmd", "json"):
        drawing.save(tmp_path / f"graph.{suffix}")
    for engine in ("auto", "graphviz", "pygraphviz", "builtin"):
        with pytest.raises(RuntimeError, match="install"):
            draw(neuron()[2], engine=engine).save(tmp_path / "graph.png")


# Engines

needs_dot = pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz is not installed")


def graphviz_reads(text):
    """Nodes (id → label), edges and the number of clusters, as Graphviz understands the text."""
    run = subprocess.run(["dot", "-Tdot_json"], input=text.encode(), capture_output=True, check=False)
    assert run.returncode == 0, run.stderr.decode()[:500]
    data = json.loads(run.stdout.decode(errors="replace"), strict=False)
    objects = data.get("objects", [])
    nodes = {
        o["name"]: o.get("label", "")
        for o in objects
        if "nodes" not in o and "subgraphs" not in o and o["name"][0] == "n"
    }
    edges = Counter((objects[e["tail"]]["name"], objects[e["head"]]["name"]) for e in data.get("edges", []))
    return nodes, edges, sum(o["name"].startswith("cluster") for o in objects)


def ours(picture):
    edges = Counter((f"n{e.source}", f"n{e.target}") for e in picture.edges)
    return {f"n{n.id}" for n in picture.nodes}, edges, len(picture.clusters)


@needs_dot
def test_graphviz_has_the_same_nodes_edges_and_labels(real):
    for drawing in real:
        nodes, edges, clusters = graphviz_reads(drawing.dot)
        assert (nodes.keys(), edges, clusters) == ours(drawing.picture)
        for node in drawing.picture.nodes:
            shown = box_lines(node, drawing.picture.show)
            assert nodes[f"n{node.id}"].replace("\\n", "\n").replace("&amp;", "&").replace(
                "\\\\", "\\"
            ) == "\n".join(shown)


@needs_dot
def test_the_graphviz_package_draws(real, tmp_path):
    pytest.importorskip("graphviz")
    model, x, y = network()
    drawing = draw(cross_entropy(model(x), y), engine="graphviz")
    root = ET.fromstring(drawing.svg)
    assert len(root.findall(".//{*}g[@class='node']")) == len(drawing.picture.nodes)
    assert len(root.findall(".//{*}g[@class='edge']")) == len(drawing.picture.edges)
    assert len(root.findall(".//{*}g[@class='cluster']")) == len(drawing.picture.clusters)
    assert drawing.save(tmp_path / "g.png").read_bytes().startswith(b"\x89PNG")
    assert drawing.graphviz.source == drawing.dot


@pytest.mark.skipif(find_spec("pygraphviz") is None, reason="pygraphviz is not installed")
def test_pygraphviz_draws_the_same(real, tmp_path):
    pygraphviz = pytest.importorskip("pygraphviz")
    for drawing in real:
        graph = pygraphviz.AGraph(string=drawing.dot)
        assert set(graph.nodes()) == ours(drawing.picture)[0]
        assert Counter(graph.edges()) == ours(drawing.picture)[1]
    drawing = draw(neuron()[2], engine="pygraphviz")
    assert len(ET.fromstring(drawing.svg).findall(".//{*}g[@class='node']")) == len(drawing.picture.nodes)


@pytest.mark.further
@needs_dot
def test_graphviz_parses_10000_fuzzed_names():
    r = np.random.default_rng(0)
    pieces = [*HOSTILE, *"<>\"\\{}|&;'`#%\n\t\u202e\u2028\x00\x1b", "\\n", "\\l", '"]', "a", "->", "é"]

    def fuzzed():
        if r.random() < 0.3:
            return "".join(chr(c) for c in r.integers(1, 0x3000, r.integers(1, 12)))
        return "".join(pieces[r.integers(len(pieces))] for _ in range(r.integers(1, 5)))[:400]

    for _ in range(5):
        names = [fuzzed() for _ in range(2_000)]
        picture = hostile_picture(names)
        nodes, edges, _ = graphviz_reads(dot(picture))
        assert (nodes.keys(), edges) == ours(picture)[:2]


def test_the_order_of_operands_is_told_where_it_matters():
    a, b = Tensor([1.0], requires_grad=True, name="p"), Tensor([2.0], requires_grad=True, name="q")
    picture = draw(a - b * 2, fold=None).picture
    labels = {(picture.nodes[e.source].label, e.label) for e in picture.edges}
    assert {("p", "a"), ("2·x", "b")} <= labels
    assert "a − b" in {n.label for n in picture.nodes}
    assert not any(e.label for e in draw(a - b * 2).picture.edges), "a formula names its operands"
    assert all(
        route.label for e, route in zip(picture.edges, arranged(picture).routes, strict=True) if e.label
    )


def test_drawing_from_threads_and_without_garbage_collection():
    import gc
    from concurrent.futures import ThreadPoolExecutor

    model, x, y = network()
    loss = cross_entropy(model(x), y)
    with ThreadPoolExecutor(4) as pool:
        texts = list(pool.map(lambda _: draw(loss, phases=("forward", "backward"), title="t").svg, range(8)))
    assert len(set(texts)) == 1
    assert gc.isenabled()


def test_sweeps_put_every_derivative_into_the_module_it_belongs_to():
    model, x, y = network()
    loss = cross_entropy(model(x), y)
    loss.backward(create_graph=True)
    g = dict(model.named_parameters())["layers.0.weight"].grad
    assert g.mode.module == "MLP.layers.0"
    assert g.mode.about == 0, "noted only while tracing"
    w = Tensor(np.ones(2), requires_grad=True)
    with trace_source():
        z = np.tanh(w)
        z.sum().backward(create_graph=True)
    assert w.grad.mode.about == z.index
    assert minigrad.mode.current.mode == minigrad.mode.Mode()


def test_a_sweep_leaves_the_mode_as_it_was():
    model, x, y = network()
    loss = cross_entropy(model(x), y)
    with minigrad.mode.scope(phase="backward"):
        before = minigrad.mode.current.mode
        loss.backward(create_graph=True)
        path = minigrad.slices.between(None, (loss,))
        minigrad.sweeps.pull_back(path, {loss.index: np.ones(())}, record=True)
        minigrad.sweeps.push_forward(
            path, {p.index: np.ones(p.shape) for p in model.parameters()}, record=True
        )
        assert minigrad.mode.current.mode is before


def test_the_added_passes_have_their_own_phases():
    model, x, y = network()
    loss = cross_entropy(model(x), y)
    assert draw(loss, phases=("forward", "backward")).picture.phases() == ["forward", "backward"]
    drawn = draw(loss, phases=("forward", "backward", "tangent")).full
    assert drawn.phases() == ["forward", "backward", "tangent"]
    assert {n.phase for n in drawn.nodes if n.name.startswith("Hv(")} == {"tangent"}


@needs_dot
def test_graphviz_shows_names_literally():
    name = "&lt;b&gt; &#34;&amp; <i> \\N {a|b}"
    picture = Picture("", [Node(0, name, members=(0,))], [])
    out = subprocess.run(
        ["dot", "-Tsvg"], input=dot(picture).encode(), capture_output=True, check=True
    ).stdout
    assert [text.text for text in ET.fromstring(out).findall(".//{*}text")] == [name]


@pytest.mark.parametrize("shape", [(), (4, 4), (4, 3)])
def test_parts_of_the_gradient_of_a_weight_used_again_are_no_cotangents(shape):
    """Of the boxes ∂u₁ and ∂u₂ there is one each: what is added up to ∂w has a letter of its own."""
    w = Tensor(np.full(shape[-1:] * 2, 0.5), requires_grad=True, name="w")
    h = np.ones(shape)
    for _ in range(3):
        h = np.tanh(h @ w if shape else h * w)
    nodes = draw(np.sum(h), phases=("forward", "backward"), fold="formulas").picture.nodes
    formula = dict(node.label.split(" = ") for node in nodes if " = " in node.label)
    if shape:
        assert {"∂z₁", "∂z₂", "∂z₃", "g₁", "g₂"} <= formula.keys()
        assert (formula["g₁"], formula["g₂"]) == ("h₂ᵀ @ ∂z₃", "g₁ + h₁ᵀ @ ∂z₂")
    else:
        assert {"∂u₁", "∂u₂", "g₁"} <= formula.keys()
        assert (formula["g₁"], formula["g₂"]) == ("∂u₂·h₂", "g₁ + ∂u₁·h₁")
    assert not [name for name in formula if "′" in name]
