"""`Module.summary` says what a call does and leaves no trace; a Sequential is a list of layers; parameters
are found, or told about, wherever people put them."""

import collections
import functools
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest

import optim
from minigrad import Tensor
from models import MLP, Dropout, Linear, Module, Sequential, fit, mse_loss


class Gated(Module):
    def __init__(self):
        self.a, self.b = Linear(2, 8, rng=0), Linear(2, 8, rng=1)
        self.gain, self.unused = Tensor(np.ones(8), requires_grad=True), Linear(3, 3)

    def forward(self, x, *, scale=1.0):
        return np.tanh(self.a(x)) * self.b(x) * self.gain * scale


def columns(model, *inputs, **named):
    return [tuple(row.values()) for row in model.summary(*inputs, **named).rows]


def test_the_rows_are_the_layers_in_the_order_of_their_calls():
    model = Sequential(
        Gated(), Dropout(0.5), lambda x: x.reshape(-1, 4, 2), Linear(2, 3, bias=False), np.tanh
    )
    assert columns(model, (5, 2)) == [
        ("layers.0", "Gated()", "(5, 8)", 8, 120),  # three products of its own, of 5·8
        ("layers.0.a", "Linear(2 → 8)", "(5, 8)", 24, 80),
        ("layers.0.b", "Linear(2 → 8)", "(5, 8)", 24, 80),
        ("layers.1", "Dropout(p=0.5)", "(5, 8)", 0, 0),
        ("", "<lambda>", "(5, 4, 2)", 0, 0),
        ("layers.3", "Linear(2 → 3, no bias)", "(5, 4, 3)", 6, 120),
        ("", "tanh", "(5, 4, 3)", 0, 0),
        ("layers.0.unused", "Linear(3 → 3)", "not called", 12, 0),
        ("", "Sequential", "(5, 4, 3)", 74, 400),
    ]


def test_a_layer_called_twice_has_one_row_and_its_parameters_once():
    shared = Linear(4, 4)
    rows = columns(Sequential(shared, np.tanh, shared), np.ones((3, 4)))
    assert rows[0] == ("layers.0", "Linear(4 → 4)", "(3, 4) × 2", 20, 96)
    assert rows[-1][3:] == (20, 96)
    assert columns(MLP((2, 4, 4, 1)), (3, 2))[1] == ("", "tanh", "(3, 4)", 0, 0)


def test_frozen_layers_whole_numbers_and_vectors_count_too():
    model = MLP((3, 4, 2))
    for p in model.parameters():
        p.requires_grad = False
    assert columns(model, (5, 3))[-1][3:] == (26, 5 * (12 + 8))
    assert columns(model, np.ones((5, 3), int))[-1][3:] == (26, 5 * (12 + 8))
    assert columns(model, np.ones(3))[-1][2:] == ("(2,)", 26, 20)
    assert [p.requires_grad for p in model.parameters()] == [False] * 4


def test_inputs_by_name_and_the_rest_of_a_module():
    rows = columns(Gated(), x=(5, 2), scale=np.ones(8))
    assert [row[1] for row in rows] == ["Linear(2 → 8)"] * 2 + ["Linear(3 → 3)", "of its own", "Gated()"]
    assert rows[-2][3:] == (8, 120)
    assert rows[-1][3:] == (68, 280)


def test_a_summary_leaves_no_trace():
    model = Sequential(Linear(2, 3), Dropout(0.5, rng=0), np.tanh, MLP((3, 2)))
    leaves = [x for m in (model[0], model[3].layers[0]) for x in (m.weight, m.bias)]
    state = model[1].rng.bit_generator.state
    before = [(dict(vars(m)), m.training) for _, m in model.named_modules()]
    assert "layers.0" in str(model.summary((4, 2)))
    assert model[1].rng.bit_generator.state == state
    assert [(dict(vars(m)), m.training) for _, m in model.named_modules()] == before
    assert [(p.name, p.grad) for p in leaves] == [(None, None)] * 4


@pytest.mark.parametrize(("inputs", "says"), [
    ((), r"MLP\.summary\(\.\.\.\) needs the inputs"),
    (((-1, 3),), r"a shape has sizes of at least 0, got \(-1, 3\)"),
    (((5, 4),), r"n_in.*\(5, 4\)"),
    ((object(),), "object"),
])  # fmt: skip
def test_bad_inputs_of_a_summary(inputs, says):
    with pytest.raises((ValueError, TypeError), match=says):
        MLP((3, 2)).summary(*inputs)


def test_a_model_that_cannot_be_copied_is_told():
    model = MLP((3, 2))
    model.lock = (n for n in range(3))
    with pytest.raises(TypeError, match=r"MLP\.summary calls a copy of the model, and it cannot be copied"):
        model.summary((1, 3))


def test_a_summary_in_html_escapes_what_users_wrote():
    class Marked(Module):
        def extra_repr(self):
            return "<b>&"

        def forward(self, x):
            return x

    html = Sequential(Marked()).summary((1, 2))._repr_html_()
    assert "Marked(&lt;b&gt;&amp;)" in html
    assert "<b>" not in html


# Sequential


def test_a_sequential_is_indexed_like_a_list():
    layers = [Linear(2, 3, rng=0), np.tanh, Linear(3, 1, rng=1)]
    net = Sequential(*layers)
    assert (len(net), list(net), net[0], net[-1]) == (3, layers, layers[0], layers[2])
    head = net[:2]
    assert isinstance(head, Sequential)
    assert head.layers == layers[:2]
    x = np.ones((4, 2))
    np.testing.assert_array_equal(net[2](head(x)).data, net(x).data)
    assert Sequential()
    assert len(Sequential()) == 0


@pytest.mark.parametrize(("i", "error", "says"), [
    (3, IndexError, r"Sequential\[3\]: there are 3 layers"),
    (-4, IndexError, "there are 3 layers"),
    ("weight", TypeError, "takes a whole number or a slice, got 'weight'"),
    (0.0, TypeError, "got 0.0"),
])  # fmt: skip
def test_bad_indices_of_a_sequential(i, error, says):
    with pytest.raises(error, match=says):
        Sequential(Linear(2, 3), np.tanh, Linear(3, 1))[i]


def test_a_repr_names_layers_and_functions():
    def mine(x):
        return x

    net = Sequential(
        Linear(2, 3), np.tanh, Sequential(Dropout(0.1)), functools.partial(np.clip, a_min=0), mine
    )
    assert repr(net).splitlines()[0] == (
        "Sequential(Linear(2 → 3), tanh, Sequential(Dropout(p=0.1)), partial(clip, a_min=0), mine)"
    )
    assert repr(MLP((2, 1), lambda x: x)).startswith("MLP(2 → 1, <lambda>)")


# Where parameters are put


@dataclass
class Plain:
    w: object


@dataclass(slots=True)
class Slotted:
    w: object


class Prelu:
    """A function with a parameter, as no Module."""

    def __init__(self, w):
        self.w = w

    def __call__(self, x):
        return np.where(x > 0, x, self.w * x)


class WithSlots:
    __slots__ = ("w",)

    def __init__(self, w):
        self.w = w


def objects(*items):
    array = np.empty(len(items), object)
    for i, item in enumerate(items):
        array[i] = item
    return array


@pytest.mark.parametrize(("put", "path"), [
    (lambda w: [w], "it.0"),
    (lambda w: ({"a": [w]},), "it.0.a.0"),
    (lambda w: collections.OrderedDict(a=w), "it.a"),
    (Plain, "it.w"),
    (Slotted, "it.w"),
    (lambda w: Plain({"a": [w]}), "it.w.a.0"),
    (lambda w: objects(None, w), "it.1"),
    (lambda w: objects(None, w).reshape(2, 1), "it.1.0"),
])  # fmt: skip
@pytest.mark.parametrize("inside", [False, True])
def test_where_parameters_are_found(put, path, inside):
    model, w = Linear(3, 2, rng=0), Tensor(np.ones(2), requires_grad=True)
    layer = Module()
    layer.w = w
    model.it = put(layer if inside else w)
    names = dict(model.named_parameters())
    assert names[path + ".w" * inside] is w
    assert model.hidden_parameters() == []
    model.eval()
    assert layer.training is not inside


@pytest.mark.parametrize(("put", "path"), [
    (lambda w: {w}, "it.{0}"),
    (lambda w: frozenset([w]), "it.{0}"),
    (lambda w: collections.deque([1, w]), "it.{1}"),
    (lambda w: SimpleNamespace(a=[{"b": w}]), "it.a.0.b"),
    (lambda w: [SimpleNamespace(a=SimpleNamespace(b=w))], "it.0.a.b"),
    (Prelu, "it.w"),
    (WithSlots, "it.w"),
    (lambda w: functools.partial(np.multiply, w), "it.0"),
    (lambda w: collections.UserDict(a=w), "it.data.a"),
])  # fmt: skip
@pytest.mark.parametrize("inside", [False, True])
def test_what_is_not_found_is_told(put, path, inside):
    model, w = Linear(3, 2, rng=0), Tensor(np.ones(2), requires_grad=True)
    adam = optim.Adam(model.parameters())
    layer = Module()
    layer.w = w
    model.it = put(layer if inside else w)
    where = path + ".w" * inside
    assert model.hidden_parameters() == [where]
    assert f"{where} is no parameter" in repr(model)
    with pytest.raises(ValueError, match=r"fit.* would not train ") as told:
        fit(model, adam, mse_loss, (np.ones((4, 3)), np.ones((4, 2))), epochs=1)
    assert where in str(told.value)
    for ask in (model.parameters, model.named_parameters, model.state_dict):
        with pytest.raises(ValueError, match="would not train") as told:
            ask()
        assert where in str(told.value)
    w.requires_grad = False
    assert len(model.parameters()) == 2


def test_a_model_may_hold_its_optimizer_and_its_history():
    model = MLP((3, 4, 2))
    model.optimizer = optim.Adam(model.named_parameters())
    data = (np.ones((4, 3)), np.ones((4, 2)))
    model.history = fit(model, model.optimizer, mse_loss, data, epochs=1, progress=False)
    assert model.hidden_parameters() == []
    assert next(name for name, _ in model.named_parameters()) == "layers.0.weight"
