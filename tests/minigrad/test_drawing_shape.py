"""The shape of a picture: parameters inside boxes, the spine, what a fold keeps."""

import json
from itertools import pairwise

import numpy as np
import pytest

from examples.graph_gallery import GALLERY
from minigrad import Tensor, draw, grad, trace_source
from minigrad.drawing import Edge, Node, Picture
from minigrad.drawing.graph.fold import repeats
from minigrad.drawing.graph.levels import folded
from minigrad.drawing.graph.modules import modules
from minigrad.drawing.picture import lines_of
from minigrad.drawing.write import as_json
from models import MLP, Linear, Sequential, cross_entropy, mse_loss


def network(sizes=(4, 5, 3), phases=None, **options):
    model, x = MLP(sizes, rng=0), Tensor(np.ones((6, sizes[0])), name="x")
    y = Tensor(np.zeros((6, sizes[-1])), name="y")
    return draw(mse_loss(model(x), y), phases=phases, **options)


def box(drawing, start):
    """The only node whose label begins so."""
    (node,) = (node for node in drawing.picture.nodes if node.label.startswith(start))
    return node


# Parameters inside


def test_a_dense_layer_is_one_box_that_lists_its_parameters():
    drawing = network()
    z = box(drawing, "z₀ = x @ W₀ + b₀")
    assert [(leaf.label, leaf.name, leaf.shape) for leaf in z.held] == [
        ("W₀", "layers.0.weight", (4, 5)), ("b₀", "layers.0.bias", (5,))
    ]  # fmt: skip
    assert "W₀ 4 × 5" in drawing.svg
    assert not any(node.kind == "parameter" for node in drawing.picture.nodes)
    assert (z.count, len(z.members)) == (1, 3)


def test_parameters_stay_outside_if_asked_and_where_every_leaf_is_drawn():
    kinds = [node.kind for node in network(parameters="outside").picture.nodes]
    assert kinds.count("parameter") == 4
    assert kinds.count("parameter") == [n.kind for n in network(fold=None).picture.nodes].count("parameter")
    with pytest.raises(
        ValueError, match=r"`draw\(parameters=...\)` must be one of inside, outside, got 'in'"
    ):
        network(parameters="in")


def test_values_and_gradients_of_parameters_inside_are_shown():
    drawing = network(show={"shape", "value", "grad"})
    w = next(node for node in drawing.full.nodes if node.name == "layers.0.weight")
    lines = str(drawing).splitlines()
    assert any(f"W₀  (layers.0.weight, 4 × 5, = {w.value}, grad {w.gradient})" in line for line in lines)
    assert f"grad {w.gradient}" in drawing.svg


def test_a_parameter_keeps_its_box_where_a_chain_begins():
    v, w = (Tensor(np.ones(2), requires_grad=True, name=name) for name in "vw")
    assert box(draw(np.tanh(v).sum()), "v").kind == "parameter"
    assert [n.kind for n in draw((v * w).sum()).picture.nodes][:2] == ["parameter"] * 2
    scalar = Tensor(2.0, requires_grad=True, name="s")
    assert box(draw((np.ones(3) * 2 - v[0] * scalar).sum()), "s").kind == "parameter"


def test_a_shared_parameter_is_listed_by_each_forward_user():
    tower = Linear(3, 2, rng=0)
    y = tower(Tensor(np.ones((4, 3)), name="a")) - tower(Tensor(np.ones((4, 3)), name="b"))
    drawing = draw((y**2).sum(), phases=("forward", "backward"))
    holders = [node.phase for node in drawing.picture.nodes if node.held]
    assert holders == ["forward", "forward"]
    users = [n for n in drawing.picture.nodes if {leaf.label for leaf in n.held} == {"weight", "bias"}]
    assert len(users) == 2


def test_each_step_of_a_recurrence_lists_its_weights():
    nodes = GALLERY["rnn_5"]().picture.nodes
    products = [node for node in nodes if " @ " in node.label]
    assert len(products) == 10
    assert all(node.held for node in products)


def test_in_the_backward_pass_a_parameter_needs_no_edge():
    drawing = network(phases=("forward", "backward"))
    z, h = box(drawing, "z₁ = "), box(drawing, "∂h₀ = ∂z₁ @ W₁ᵀ")
    assert not any((e.source, e.target) == (z.id, h.id) for e in drawing.picture.edges)
    assert not h.held
    alone = network(phases=("backward",))
    assert [leaf.label for leaf in box(alone, "∂x₂ = ").held] == []
    assert any(leaf.label == "W₁" for node in alone.picture.nodes for leaf in node.held)


def test_boxes_with_parameters_survive_json():
    picture = network().picture
    assert any(visit.within for visit in picture.visits)
    assert as_json.from_dict(json.loads(json.dumps(as_json.to_dict(picture)))) == picture


# The spine


@pytest.mark.parametrize("name", ["digits", "residual_3", "transformer_block", "digits_backward"])
def test_the_main_chain_is_one_straight_line(name):
    drawing = GALLERY[name]()
    drawing.full.direction = "down"  # to the right it may be wrapped into rows
    nodes, places = drawing.picture.nodes, drawing.layout.boxes
    sources = {}
    for e in drawing.picture.edges:
        if nodes[e.source].phase == nodes[e.target].phase == "forward":
            sources.setdefault(e.target, []).append(e.source)
    depth = {}
    for i in range(len(nodes)):
        depth[i] = 1 + max((depth[j] for j in sources.get(i, ())), default=0)
    i = max((i for i in depth if nodes[i].phase == "forward"), key=depth.get)
    chain = [i]
    while i in sources:
        i = max(sources[i], key=depth.get)
        chain.append(i)
    assert len(chain) >= 6
    assert len({round(places[i].x, 6) for i in chain}) == 1
    for e, route in zip(drawing.picture.edges, drawing.layout.routes, strict=True):
        if (e.target, e.source) in pairwise(chain):
            assert {x for x, _ in route.points} == {places[e.source].x}, "its arrows are straight too"


# Folds


def test_forward_and_backward_fold_the_same_blocks():
    drawing = network((4, *[5] * 30, 3), phases=("forward", "backward"))
    assert [n.label for n in drawing.picture.nodes if n.kind == "fold"] == ["× 28 the same"] * 2
    shown = {n.module for n in drawing.picture.nodes if n.kind == "op" and n.module.count(".") == 1}
    by_phase = [
        {n.module for n in drawing.picture.nodes if n.phase == phase and n.kind == "op"} & shown
        for phase in ("forward", "backward")
    ]
    assert by_phase[0] == by_phase[1]


def test_a_module_with_everything_below_it_is_one_box():
    drawing = GALLERY["residual_3_modules"]()
    assert [n.label for n in drawing.picture.nodes if n.kind == "fold"] == [
        "blocks.0",
        "blocks.1",
        "blocks.2",
    ]
    assert not drawing.picture.clusters
    both = GALLERY["residual_3_backward"]()
    labels = [(n.label, n.phase) for n in folded(both.full, "modules").nodes if n.kind == "fold"]
    assert sorted(labels) == sorted(
        (f"blocks.{k}", phase) for k in range(3) for phase in ("forward", "backward")
    )


def test_nested_modules_have_a_level_for_each_depth():
    sizes = {name: len(picture.nodes) for name, picture in GALLERY["transformer_3_modules"]().views()}
    assert list(sizes) == ["operations", "formulas", "modules to depth 2", "modules"]
    assert sorted(sizes.values(), reverse=True) == list(sizes.values())
    assert sizes["modules"] == 4
    outer = modules(folded(GALLERY["transformer_3_modules"]().full, "formulas"), 2)
    assert {n.label for n in outer.nodes if n.kind == "fold"} >= {"blocks.0.attention", "blocks.2.norm1"}


def frames_of(drawing):
    return [cluster.label for cluster in drawing.picture.clusters]


def test_each_of_two_networks_has_frames_of_its_own():
    """Two networks of a class have layers of the same path. Their frames are told apart by the names that the
    user gave, or else by numbers."""
    x = Tensor(np.ones((5, 4)), name="x")
    teacher, student = MLP((4, 6, 2), rng=0), MLP((4, 3, 2), rng=1)
    named = ["student.layers.0", "student.layers.1", "teacher.layers.0", "teacher.layers.1"]
    for options in ({}, {"phases": ("forward", "backward")}):
        drawing = draw(mse_loss(student(x), teacher(x)), **options)
        assert frames_of(drawing) == named
        frames = drawing.picture.clusters
        boxes = [[drawing.picture.nodes[i] for i in frame.nodes] for frame in frames]
        widths = [{leaf.shape[-1] for box in inside for leaf in box.held} for inside in boxes]
        assert widths == [{3}, {2}, {6}, {2}], "each frame holds the boxes of its own network"
    assert frames_of(draw(lambda x: mse_loss(student(x), teacher(x)), np.ones((5, 4)))) == named
    first, second = MLP((4, 6, 2), rng=0)(x), MLP((4, 3, 2), rng=1)(x)  # their networks are gone
    assert frames_of(draw(mse_loss(first, second))) == [
        "MLP 1.layers.0", "MLP 1.layers.1", "MLP 2.layers.0", "MLP 2.layers.1"
    ]  # fmt: skip
    pair = [student, teacher]
    assert frames_of(draw(mse_loss(pair[0](x), pair[0](x + 1)))) == ["layers.0", "layers.1"]


def test_networks_in_a_list_and_with_a_common_layer_have_frames_of_their_own():
    x, common = Tensor(np.ones((5, 4)), name="x"), Linear(4, 3, rng=0)
    pair = [Sequential(common, Linear(3, 2, rng=k)) for k in (1, 2)]
    named = [f"pair[{k}].layers.{i}" for k in (0, 1) for i in (0, 1)]
    assert frames_of(draw(mse_loss(pair[0](x), pair[1](x)))) == named
    with trace_source():  # another mode, in which all are labelled anew
        assert frames_of(draw(mse_loss(pair[0](x), pair[1](x)))) == named


@pytest.mark.parametrize("name", ["rnn_5_backward", "two"])
def test_each_gradient_has_the_name_of_its_parameter(name):
    """Of two parameters called W₀ the second is W₀′, and so is its gradient: it has the same shape."""
    if name == "two":
        x, first, second = Tensor(np.ones((5, 4)), name="x"), MLP((4, 6, 2), rng=0), MLP((4, 3, 2), rng=1)
        drawing = draw(mse_loss(first(x), second(x)), phases=("forward", "backward"))
    else:
        drawing = GALLERY[name]()
    leaves = {leaf.label: leaf.shape for node in drawing.picture.nodes for leaf in node.held}
    found = [node for node in drawing.picture.nodes if node.output and node.phase == "backward"]
    assert {f"∂{label}": shape for label, shape in leaves.items()} == {
        node.label.partition(" = ")[0]: node.shape for node in found
    }


def test_equal_modules_are_folded_and_others_are_not():
    twelve = folded(GALLERY["residual_12"]().full, "modules")
    assert [n.label for n in twelve.nodes if n.kind == "fold"] == ["blocks.0", "× 10 the same", "blocks.11"]
    boxes = [Node(i, str(i), kind="fold", formula=text) for i, text in enumerate("abcdefgh")]
    different = Picture("", boxes, [Edge(i, i + 1) for i in range(7)])
    assert repeats(different).nodes == boxes


def test_repeats_are_folded_by_what_that_saves():
    def chain(steps):
        y = x = Tensor([0.5], requires_grad=True, name="x")
        for _ in range(steps):
            y = np.sin(y) * x + y
        return draw(y)

    assert len(chain(8).picture.nodes) == len(folded(chain(8).full, "formulas").nodes)
    assert len(chain(14).picture.nodes) < 15


def test_scalars_show_values_and_gradients_by_themselves():
    """As micrograd's pictures do. One box with a dimension is enough to make a graph one of tensors."""
    a, b = (Tensor(v, requires_grad=True, name=n) for v, n in ((2.0, "a"), (-3.0, "b")))
    y = np.tanh(a * b + 5.5)
    y.backward()
    lines = {node.name: lines_of(node, draw(y).picture.show) for node in draw(y).picture.nodes}
    assert lines["a"] == ["a", "= 2", f"grad {a.grad.item():.4g}"]
    assert lines["b"] == ["b", "= -3", f"grad {b.grad.item():.4g}"]
    assert draw(y, show={"shape"}).picture.show == ("shape",)
    assert draw(np.ones(2) @ (np.ones(2) * a)).picture.show == ("shape",)
    assert draw(y, show=()).picture.show == ()


@pytest.mark.parametrize("name", ["rnn_20", "rnn_20_backward"])
def test_a_fold_of_steps_leaves_the_first_and_the_last_step_whole(name):
    """The first step differs from the others, for it has a constant for its state, and stands for all."""
    nodes = GALLERY[name]().picture.nodes
    steps = [node.op for node in nodes if node.kind == "op" and node.phase == "forward" and node.module]
    assert steps == ["linear", "matmul", "add", "tanh"] * 2
    folds = [(node.label, node.phase) for node in nodes if node.kind == "fold"]
    assert folds == [("× 18 the same", phase) for phase in ("forward", "backward")][: len(folds)]
    assert len(folds) == 1 + name.endswith("backward")


def test_operations_stand_in_the_order_in_which_they_were_made():
    """The backward pass uses W and h transposed, but that is no reason for their boxes to stand late."""
    W, v = (Tensor(np.ones(s), requires_grad=True, name=n) for s, n in (((3, 3), "W"), ((2, 3), "v")))
    h = np.tanh(v)
    y = np.sum((h @ W) * np.sin(v) + np.cos(v))
    nodes = draw(y, phases=("forward", "backward"), fold="formulas", parameters="outside").picture.nodes
    made = [node.op for node in nodes if node.kind == "op" and node.phase == "forward"]
    assert made == ["tanh", "matmul", "sin", "multiply", "cos", "add", "sum"]
    assert any("hᵀ" in node.label or "Wᵀ" in node.label for node in nodes)


# What is written for arrays among the arguments


def labels_of(drawing):
    return [node.label for node in drawing.picture.nodes]


def test_an_array_keeps_its_keyword():
    x, m, w = np.arange(6.0).reshape(2, 3), np.arange(6).reshape(2, 3) > 2, np.arange(1.0, 4.0)
    assert "sum(x, where=m)" in labels_of(draw(lambda x, m: np.sum(x, where=m), x, m))
    assert "average(x, weights=w, axis=1)" in labels_of(draw(lambda x: np.average(x, weights=w, axis=1), x))
    assert "average(x, weights=Vᵀ, axis=1)" in labels_of(
        draw(lambda x, V: np.average(x, weights=V.T, axis=1), x, np.ones((3, 2)))
    )


def test_a_mask_is_written_as_one():
    A = Tensor(np.arange(24.0).reshape(2, 3, 4), requires_grad=True, name="A")
    chosen, rows = A.numpy() % 5 > 2, np.array([False, True, True])
    assert "u₁ = A[chosen]" in labels_of(draw(np.sum(A[chosen])))
    assert "u₁ = A[1, rows, ::2]" in labels_of(draw(np.sum(A[1, rows, ::2])))
    assert "u₁ = A[c₁]" in labels_of(draw(np.sum(A[A > 7])))
    (box,) = (node for node in draw(np.sum(A[chosen])).picture.nodes if node.label == "chosen")
    assert (box.shape, box.value) == ((2, 3, 4), f"{chosen.sum()} of 24 true")
    i, j = np.nonzero(rows[1:])[0], np.array([2, 0])
    assert "u₁ = A[i, j]" in labels_of(draw(np.sum(A[i, j])))
    pairs = np.array([[0, 1], [1, 2]])  # two columns of the user's own, as NumPy makes them of a mask
    assert not {"c₁", "u₁ = A[c₁]"} & {*labels_of(draw(np.sum(A[pairs[:, 0], pairs[:, 1]])))}


@pytest.mark.parametrize("seed", range(8))
def test_labels_have_the_name_of_the_array_that_the_loss_was_given(seed):
    """However many others have the same values, before and after a step, forward and backward."""
    r = np.random.default_rng(seed)
    x = Tensor(r.normal(size=(4, 3)), requires_grad=True, name="x")
    first = r.integers(0, 3, 4)
    second, third, order = first.copy(), first.astype(np.int32), first.copy()
    known = {"first": first, "second": second, "third": third, "labels": first.copy() + 0}
    given = r.permutation([*known])[:2]
    loss = cross_entropy(x, known[given[0]]) * cross_entropy(x, known[given[1]])
    del known  # in a dict they would have other names
    phases = [None, ("forward", "backward")][seed % 2]
    if seed % 4 < 2:
        x.data = x.data + 1
    found = [label for label in labels_of(draw(loss, phases=phases)) if "cross_" in label]
    assert found == [f"u₁ = cross_entropy(x, {given[0]})", f"u₂ = cross_entropy(x, {given[1]})"]
    assert (order == second).all()
    assert third.dtype == np.int32


TRAIN = np.array([0, 1, 2])
TEST = TRAIN.copy()


def test_equal_labels_are_not_taken_for_one_another_where_values_decide():
    """The derivative of a loss has only the places of the labels. Then values decide, if no two arrays have
    the same."""
    x = Tensor(np.eye(3), requires_grad=True, name="x")
    train = np.array([0, 1, 2])
    again = train
    assert "cross_entropy(x, train)" in labels_of(draw(cross_entropy(x, again))), "the same array twice"
    assert train is again
    one, either = (
        labels_of(draw(grad(f), x.numpy()))
        for f in (lambda x: cross_entropy(x, TRAIN), lambda x: cross_entropy(x, TRAIN) + TEST[0])
    )
    assert "TRAIN" in one
    assert "labels" in either
    assert not {"TRAIN", "TEST"} & {*either}
