"""The built-in layout: nothing overlaps, nothing is clipped, nothing runs through a box, whatever the
graph."""

import random
import time
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from examples.graph_gallery import GALLERY
from minigrad.drawing import Edge, Node, Picture
from minigrad.drawing.graph.fold import with_clusters
from minigrad.drawing.layout.arranging import arranged
from minigrad.drawing.layout.boxes import PAD_X, SIZE, box_lines
from minigrad.drawing.layout.text_width import shortened, width
from minigrad.drawing.recurrence import steps
from tests.seeds import further

DIRECTIONS = ("down", "right", "up", "left")


def random_picture(seed, n=None):
    """Any graph: fans, long edges, several parts, leaves, phases, labels, modules inside modules, in any
    direction."""
    r = random.Random(seed)
    n = n or r.randrange(1, 60)
    parts, backward = r.choice([1, 1, 3, 8]), r.random() < 0.5
    nodes = []
    for i in range(n):
        part = i * parts // n
        module = r.choice(["", f"M.l{part}", f"M.l{part}", f"M.l{part}.inner"]) if parts > 1 else ""
        phase = (
            "forward"
            if not backward or i < n // 2
            else r.choice(["backward", "backward", "tangent", "update"])
        )
        label = "".join(r.choice("abcWmi x·∂ẇ√漢👍") for _ in range(r.randrange(1, 30)))
        nodes.append(
            Node(
                i, label, phase=phase, module=module, shape=(r.randrange(999),) * r.randrange(4), members=(i,)
            )
        )
    edges = []
    for i in range(1, n):
        for position in range(r.choice([0, 1, 1, 2, 2, 4])):
            source = r.randrange(max(0, i - 6), i) if r.random() < 0.85 else r.randrange(i)
            edges.append(Edge(source, i, r.choice(["", "", "", "left", "some words"]), position))
    used = {e.target for e in edges}
    for node in nodes:
        if node.id not in used:
            node.kind = r.choice(["parameter", "input", "constant"])
    picture = Picture(f"graph {seed}", nodes, edges, show=("shape",), direction=r.choice(DIRECTIONS), total=n)
    return with_clusters(picture)


def overlapping(boxes, gap=4.0):
    """Pairs that come nearer than `gap`."""
    centre = np.array([[b.x, b.y] for b in boxes]).reshape(-1, 2)
    size = np.array([[b.width, b.height] for b in boxes]).reshape(-1, 2)
    near = (np.abs(centre[:, None] - centre[None]) < (size[:, None] + size[None]) / 2 + gap).all(axis=-1)
    return [(i, j) for i, j in np.argwhere(near) if i < j]


def enclosing(picture, k):
    found = set()
    while k is not None:
        found.add(k)
        k = picture.clusters[k].parent
    return found


def check(picture, layout):
    assert not overlapping(layout.boxes)
    labels = [route.label for route in layout.routes if route.label is not None]
    assert not [(i, j) for i, j in overlapping([*layout.boxes, *labels], gap=0) if j >= len(layout.boxes)]
    for box in [*layout.boxes, *labels, *(f for f in layout.frames if f)]:
        assert box.x - box.width / 2 >= -1e-6
        assert box.x + box.width / 2 <= layout.width + 1e-6
        assert box.y - box.height / 2 >= -1e-6
        assert box.y + box.height / 2 <= layout.height + 1e-6
    home = {i: enclosing(picture, k) for k, cluster in enumerate(picture.clusters) for i in cluster.nodes}
    for k, frame in enumerate(layout.frames):
        for i, box in enumerate(layout.boxes):
            if k in home.get(i, ()):
                assert frame.holds(box), f"node {i} sticks out of frame {k}"
            else:
                assert not frame.overlaps(box), f"node {i} is a stranger in frame {k}"
        for m, other in enumerate(layout.frames[:k]):
            if m in enclosing(picture, k):
                assert other.holds(frame)
            elif k in enclosing(picture, m):
                assert frame.holds(other)
            else:
                assert not frame.overlaps(other)
    across = layout.across
    centre = np.array([[b.x, b.y] for b in layout.boxes])
    size = np.array([[b.width, b.height] for b in layout.boxes])
    for e, route in zip(picture.edges, layout.routes, strict=True):
        assert touches(layout.boxes[e.source], route.points[0])
        assert touches(layout.boxes[e.target], route.points[-1])
        away = np.abs(np.array(list(sampled(route.points, across)))[:, None] - centre) - size / 2
        assert not (away < -1).all(axis=-1).any(), f"edge {e} runs through a box"


def touches(box, point):
    dx, dy = abs(point[0] - box.x) - box.width / 2, abs(point[1] - box.y) - box.height / 2
    return max(dx, dy) < 0.1 and (abs(dx) < 0.1 or abs(dy) < 0.1)


def sampled(points, across):
    """Points of the curve that is drawn through the route."""
    for (x, y), (u, v) in pairwise(points):
        middle = (x + u) / 2 if across else (y + v) / 2
        a, b = ((middle, y), (middle, v)) if across else ((x, middle), (u, middle))
        yield from BERNSTEIN @ np.array(((x, y), a, b, (u, v)))


BERNSTEIN = np.array(
    [((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3) for t in (0.1, 0.3, 0.5, 0.7, 0.9)]
)


def long_chain(seed):
    """A chain of boxes to the right, some in frames, with edges that skip a few of them."""
    r = random.Random(seed)
    n = r.randrange(15, 60)
    nodes = [Node(i, "word " * r.randrange(1, 5), module=r.choice(["", f"M.l{i // 3}"])) for i in range(n)]
    edges = [Edge(i - 1, i, r.choice(["", "", "a"]), 0) for i in range(1, n)]
    edges += [Edge(i, min(n - 1, i + r.randrange(2, 5)), "", 1) for i in range(n - 2) if r.random() < 0.15]
    return with_clusters(Picture("", nodes, edges, direction=r.choice(("right", "left"))))


def test_a_long_chain_goes_on_in_rows():
    wrapped = 0
    for seed in range(12):
        picture = long_chain(seed)
        layout = arranged(picture)
        check(picture, layout)
        length = sum(box.width + 20 for box in layout.boxes)
        wrapped += layout.width < length / 2
    assert wrapped > 8


def test_the_lines_from_row_to_row_cross_only_where_they_did_before():
    nodes = [Node(i, "a long name of a box") for i in range(9)]
    edges = [*(Edge(i, i + 1) for i in range(8)), Edge(2, 6, "", 1)]
    layout = arranged(Picture("", nodes, edges, direction="right"))
    assert layout.width <= 1000
    lines = {line for route in layout.routes for line in pairwise(route.points)}
    assert len({y for (x, y), (u, v) in lines if y == v and x > u}) == 2, (
        "chain and skip run back to the next row"
    )
    assert not [(p, q) for p in lines for q in lines if crossing(*p, *q)]


def crossing(a, b, c, d):
    def side(p, q, r):
        return (q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0])

    return side(a, b, c) * side(a, b, d) < 0 and side(c, d, a) * side(c, d, b) < 0


def test_auto_takes_the_direction_with_more_room():
    def picture(n, parallel):
        nodes = [Node(i, "a long name of a box") for i in range(n)]
        edges = [Edge(0, i) for i in range(1, n)] if parallel else [Edge(i, i + 1) for i in range(n - 1)]
        return Picture("", nodes, edges, direction="auto")

    assert arranged(picture(4, parallel=False)).direction == "right"
    assert arranged(picture(9, parallel=True)).direction == "right"
    wide = picture(40, parallel=False)
    wide.edges += [Edge(i, j) for i in range(36) for j in (i + 2, i + 3, i + 4)]  # too many to be cut
    assert arranged(wide).direction == "down"
    assert arranged(wide) == arranged(replace(wide, direction="down"))


def recurrence(steps):
    """Boxes in a row that list the same parameter, and an input for each."""
    w = Node(0, "W", kind="parameter", shape=(3, 3), members=(0,))
    nodes, edges = [], []
    for k in range(steps):
        nodes += [Node(2 * k, "input", kind="input"), Node(2 * k + 1, "h = tanh(x @ W)", held=(w,))]
        edges += [Edge(2 * k, 2 * k + 1), *([Edge(2 * k - 1, 2 * k + 1, "", 1)] if k else [])]
    edges += [Edge(i, j) for j in range(2 * steps) for i in range(j - 6, j - 1) if i >= 0]  # it is not cut
    return Picture("", nodes, edges, direction="auto")


@pytest.mark.parametrize("steps", [11, 20])
def test_time_runs_to_the_right_as_long_as_it_can_be_read(steps):
    shared, own = recurrence(steps), recurrence(steps)
    for node in own.nodes:
        node.held = tuple(replace(w, members=(node.id,)) for w in node.held)
    wide = arranged(replace(shared, direction="right")).width
    assert (wide <= 2000) == (steps == 11)
    assert arranged(own).direction == "down"
    assert arranged(shared).direction == ("right" if steps == 11 else "down")


def test_each_step_of_a_recurrence_is_a_column_and_layers_stand_above_one_another():
    for name, sweeps in (
        ("rnn_4_layers_2", ["forward"]),
        ("rnn_4_layers_2_backward", ["forward", "backward"]),
    ):
        drawing = GALLERY[name]()
        picture, layout = drawing.picture, drawing.layout
        check(picture, layout)
        assert (layout.direction, picture.phases()) == ("up", sweeps)
        assert [cluster.label for cluster in picture.clusters] == ["cells.0"] * 4 + ["cells.1"] * 4
        lower, upper = layout.frames[:4], layout.frames[4:]
        for now, later in (*pairwise(lower), *pairwise(upper), *zip(lower, upper[1:], strict=False)):
            assert now.x + now.width / 2 < later.x - later.width / 2, "time runs to the right"
        for below, above in zip(lower, upper, strict=True):
            assert above.y + above.height / 2 < below.y - below.height / 2, "layers run up"
        for phase in sweeps:
            rows = {}
            for cluster in picture.clusters[4:-1]:  # the last step has a loss and no later step
                for i in cluster.nodes:
                    if picture.nodes[i].phase == phase == "forward":
                        rows.setdefault(picture.nodes[i].op, set()).add(round(layout.boxes[i].y, 6))
            assert all(len(ys) == 1 for ys in rows.values()), "what is alike stands in a row"


def test_a_recurrence_that_is_to_run_up_is_a_grid_however_wide():
    """So it keeps its columns where a page needs room for values and gradients."""
    picture = replace(GALLERY["rnn_4_layers_2"]().picture, show=("shape", "value", "grad"), direction="up")
    layout = arranged(picture)
    check(picture, layout)
    columns = [[f.x for f in layout.frames[k::4]] for k in range(4)]
    assert all(max(now) < min(later) for now, later in pairwise(columns))
    assert arranged(replace(picture, direction="down")).direction == "down"


def test_the_layers_of_a_recurrence_are_drawn_without_a_crossing():
    layout = GALLERY["rnn_4_layers_2"]().layout
    lines = {line for route in layout.routes for line in pairwise(route.points)}
    assert not [(p, q) for p in lines for q in lines if crossing(*p, *q)]


@pytest.mark.parametrize("start", [0, *further(20, 40)])
def test_nothing_overlaps_in_random_recurrences(start):
    gridded = 0
    for seed in range(start, start + 12):
        picture = random_recurrence(seed)
        layout = arranged(picture)
        check(picture, layout)
        gridded += layout.direction == "up"
    assert gridded > 3


def random_recurrence(seed):
    """Cells of any form, in some layers and steps, with derivatives that run back through them."""
    r = random.Random(seed)
    layers, count, size = r.randrange(1, 4), r.randrange(2, 6), r.randrange(2, 5)
    form = [[(k, r.randrange(k)) for k in range(1, size)] for _ in range(layers)]
    weights = [Node(0, f"W{k}", kind="parameter", members=(-1 - k,)) for k in range(layers)]
    nodes, edges, states = [], [], [[None] * layers]

    def add(sources, **kind):
        nodes.append(Node(len(nodes), "word " * r.randrange(1, 4), members=(len(nodes),), **kind))
        edges.extend(Edge(j, nodes[-1].id, "", p) for p, j in enumerate(sources) if j is not None)
        return nodes[-1].id

    for _ in range(count):
        x, now = add([], kind="input"), []
        for layer in range(layers):
            module = f"M.cells.{layer}"
            cell = [add([x, states[-1][layer]], module=module, held=(weights[layer],))]
            for k, j in form[layer]:
                cell.append(add({cell[k - 1], cell[j]}, module=module))
            x = cell[-1]
            now.append(x)
        states.append(now)
    add([states[-1][-1]], output=True)
    later = [None] * layers
    for now in reversed(states[1:] if r.random() < 0.6 else []):
        for layer in reversed(range(layers)):
            back = {"phase": "backward", "about": now[layer], "module": f"M.cells.{layer}"}
            g = add([now[layer], later[layer]], **back)
            later[layer] = add([g], **back)
            add([g, now[layer]], **back)
    picture = Picture("", nodes, edges, direction="auto")
    return with_clusters(picture, steps(picture))


def test_what_is_too_high_goes_on_in_columns_unless_it_is_to_run_down():
    picture = GALLERY["transformer_block"]().picture
    free, down = (arranged(replace(picture, direction=way)) for way in ("auto", "down"))
    assert (free.direction, down.direction) == ("down", "down")
    assert free.height < 1400 < down.height
    assert down.width < 650 < free.width
    check(picture, free)


@pytest.mark.parametrize("start", [0, 20, *further(40, 60, 80)])
def test_nothing_overlaps_on_100_random_graphs(start):
    for seed in range(start, start + 20):
        picture = random_picture(seed)
        check(picture, arranged(picture))


def test_the_same_picture_gets_the_same_layout():
    assert all(arranged(random_picture(seed)) == arranged(random_picture(seed)) for seed in range(5))


def test_all_texts_fit_their_boxes_in_an_actual_font():
    path = pytest.importorskip("matplotlib.font_manager").findfont("DejaVu Sans")
    bold = pytest.importorskip("matplotlib.font_manager").findfont("DejaVu Sans:bold")
    font, heavy = (pytest.importorskip("matplotlib.ft2font").FT2Font(p) for p in (path, bold))

    def measured(text, size, face):
        face.set_size(size, 72)
        known = face.get_charmap()
        return sum(face.load_char(ord(c)).linearHoriAdvance / 65536 for c in text if ord(c) in known)

    for seed in range(12):
        picture = random_picture(seed)
        picture.direction = "down"
        for node, box in zip(picture.nodes, arranged(picture).boxes, strict=True):
            for i, line in enumerate(box_lines(node, picture.show)):
                wide = measured(line, SIZE if i == 0 else SIZE - 1, heavy if i == 0 else font)
                assert wide <= box.width - 2 * PAD_X + 3, line


def test_widths_are_those_of_the_font():
    path = pytest.importorskip("matplotlib.font_manager").findfont("DejaVu Sans")
    font = pytest.importorskip("matplotlib.ft2font").FT2Font(path)
    font.set_size(1000, 72)
    letters = [
        chr(c)
        for c in (*range(32, 127), *range(0xC0, 0x17F), *range(0x391, 0x3C9), 0x2080, 0x2207, 0x1E87)
        if chr(c).isprintable()
    ]
    known = font.get_charmap()
    for c in letters:
        if ord(c) in known:
            real = font.load_char(ord(c)).linearHoriAdvance / 65536
            assert width(c, 1000) >= real - 2, c
            assert width(c, 1000) <= real + (2 if c.isascii() else 900), c


@pytest.mark.parametrize(
    "text", ["", "a", "x" * 10_000, "漢" * 300, "\u202e" * 50, "👍" * 99, "\ud800", "a\nb\x00"]
)
def test_a_shortened_text_is_as_narrow_as_asked(text):
    for most in (20.0, 80.0, 330.0):
        assert width(shortened(text, most)) <= most


def test_long_edges_are_straight_where_nothing_is_in_the_way():
    nodes = [Node(i, "a") for i in range(6)]
    picture = Picture("", nodes, [*(Edge(i, i + 1) for i in range(5)), Edge(0, 5)], direction="down")
    layout = arranged(picture)
    inner = layout.routes[-1].points[2:-2]
    assert len({x for x, _ in inner}) == 1


@pytest.mark.parametrize("framed", [True, *further(False)])
def test_the_time_of_a_layout_does_not_grow_with_the_square_of_its_size(framed):
    """Of eight times as many boxes: about 8, where a quadratic part would make it 64. How long it takes,
    `benchmarks` says."""
    small, large = (min(timed(arranged, long_picture(n, framed)) for _ in range(2)) for n in (1_000, 8_000))
    assert large < 40 * small


def long_picture(n, framed):
    r = random.Random(1)
    edges = [
        Edge(r.randrange(max(0, i - 12), i), i, "", p) for i in range(1, n) for p in range(r.randrange(1, 3))
    ]
    nodes = [Node(i, "multiply", module=f"M.l{i // 50}" if framed else "") for i in range(n)]
    return with_clusters(Picture("", nodes, edges, direction="down"))


def timed(f, x):
    start = time.process_time()
    f(x)
    return time.process_time() - start
