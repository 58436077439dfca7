"""Modules: parameters by name, states that fit or are refused whole, files without pickle."""

import copy
import pickle
from types import SimpleNamespace

import numpy as np
import pytest

import minigrad as mg
import models
import optim
from minigrad import Tensor
from models import MLP, Dropout, Linear, Module, Sequential, fit, mse_loss
from models.activations import ACTIVATIONS
from models.initializers import INITIALIZERS
from tests.models.cases import BAD, CASES, EXAMPLES, IDS


class Nested(Module):
    def __init__(self):
        self.scale = Tensor(np.ones(1), requires_grad=True)
        self.blocks = {"left": Linear(2, 3, rng=1), "right": [Linear(2, 3, rng=2, bias=False)]}
        self.again = self.blocks["left"]
        self.width = 3

    def forward(self, x):
        return self.scale * (self.blocks["left"](x) + self.blocks["right"][0](x))


NAMES = ["scale", "blocks.left.weight", "blocks.left.bias", "blocks.right.0.weight"]


def test_parameters_are_found_by_path_and_shared_ones_once():
    m = Nested()
    assert [n for n, _ in m.named_parameters()] == NAMES
    assert [p.name for p in m.parameters()] == NAMES
    assert set(m.state_dict()) == set(NAMES)
    assert [n for n, _ in m.named_modules()] == ["", "blocks.left", "blocks.right.0"]


def test_modules_that_hold_each_other():
    a, b = Module(), Module()
    a.child, b.parent = b, a
    a.w = Tensor(1.0, requires_grad=True)
    assert [n for n, _ in a.named_parameters()] == ["w"]
    assert [n for n, _ in b.named_parameters()] == ["parent.w"]


def test_frozen_parameters_belong_to_the_state():
    m = Linear(2, 2)
    m.bias.requires_grad = False
    assert set(m.state_dict()) == {"weight", "bias"}
    assert "frozen" in repr(m)
    m(np.ones((1, 2))).sum().backward()
    assert m.bias.grad is None
    assert m.weight.grad is not None


def test_a_result_kept_in_forward_is_no_parameter():
    m = Nested()
    m.kept = [np.tanh(m.scale), m.scale.detach() * 2]
    assert [n for n, _ in m.named_parameters()] == NAMES
    m.loop = [m.blocks]
    m.loop.append(m.loop)
    assert [n for n, _ in m.named_parameters()] == NAMES


def test_two_parameters_of_one_path_are_refused():
    m = Module()
    m.a = {1: Tensor(1.0), "1": Tensor(2.0)}
    with pytest.raises(ValueError, match=r"'a\.1'"):
        m.state_dict()


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_pickled_and_copied_models_are_models_of_their_own(activation):
    m = MLP((2, 3, 1), activation)
    for twin in (pickle.loads(pickle.dumps(m)), copy.deepcopy(m), copy.copy(m.layers[0].weight)):
        if isinstance(twin, Tensor):
            twin.assign(np.zeros(twin.shape))
            continue
        x = np.ones((4, 2))
        (m(x) * twin(x)).sum().backward()
        for p, q in zip(m.parameters(), twin.parameters(), strict=True):
            np.testing.assert_array_equal(p.grad, q.grad)
        m.zero_grad()
    assert m.layers[0].weight.data.any()


def test_the_state_is_a_copy_and_loads_by_name():
    m, other = Nested(), Nested()
    state = m.state_dict()
    state["scale"][0] = 5.0
    assert m.scale.data[0] == 1.0
    arrays = [p.data for p in other.parameters()]
    other.load_state_dict(dict(reversed(state.items())))
    assert other.scale.data[0] == 5.0
    assert all(p.data is a for p, a in zip(other.parameters(), arrays, strict=True)), (
        "views of optimizers stay views"
    )


@pytest.mark.parametrize(("change", "says"), [
    (lambda s: s.pop("scale"), r"missing \['scale'\]"),
    (lambda s: s.update(more=np.ones(1)), r"unexpected \['more'\]"),
    (lambda s: s.update({"blocks.left.bias": np.ones(4)}),
        r"'blocks\.left\.bias' needs shape \(3,\), got \(4,\)"),
    (lambda s: s.update({"blocks.left.bias": np.array(["a", "b", "c"])}), "dtype"),
    (lambda s: s.update({"blocks.left.bias": np.ones(3, complex)}), "dtype"),
])  # fmt: skip
def test_a_state_that_does_not_fit_changes_nothing(change, says):
    m = Nested()
    before = m.state_dict()
    state = {k: v + 1 for k, v in before.items()}
    change(state)
    with pytest.raises(ValueError, match=says):
        m.load_state_dict(state)
    for name, p in m.named_parameters():
        np.testing.assert_array_equal(p.data, before[name])
    with pytest.raises(TypeError, match="dict"):
        m.load_state_dict([1, 2])


def test_loading_makes_older_graphs_stale():
    m = Linear(2, 1)
    loss = m(np.ones((1, 2))).sum()
    m.load_state_dict(m.state_dict())
    with pytest.raises(mg.StaleGraphError):
        loss.backward()


def test_save_and_load(tmp_path):
    m, other = MLP((3, 4, 2), rng=0), MLP((3, 4, 2), rng=1)
    m.save(tmp_path / "m.mg")
    other.load(tmp_path / "m.mg")
    x = np.ones((2, 3))
    np.testing.assert_array_equal(m(x).data, other(x).data)
    with pytest.raises(ValueError, match=r"names differ|needs shape"):
        MLP((3, 5, 2)).load(tmp_path / "m.mg")
    with pytest.raises(FileNotFoundError):
        m.load(tmp_path / "none.mg")


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_have_right_derivatives_and_keep_float32(name):
    x = np.array([[-1.7, -0.4, 0.3, 2.1]])
    mg.check_derivatives(ACTIVATIONS[name], x, order=3)
    out = MLP((4, 3, 2), name, dtype=np.float32)(x.astype(np.float32))
    assert out.dtype == np.float32
    assert np.isfinite(ACTIVATIONS[name](np.array([-1e4, 1e4]))).all()


@pytest.mark.parametrize(("name", "variance"), [
    ("glorot_uniform", 2 / 500), ("glorot_normal", 2 / 500), ("he_normal", 2 / 300), ("he_uniform", 2 / 300),
    ("lecun_normal", 1 / 300), ("zeros", 0.0),
])  # fmt: skip
def test_initializers_have_their_variance(name, variance):
    w = INITIALIZERS[name](np.random.default_rng(0), 300, 200, np.float64)
    assert w.shape == (300, 200)
    assert w.var() == pytest.approx(variance, rel=0.02)
    assert abs(w.mean()) < 1e-3


def test_the_seed_decides_everything():
    a, b, c = MLP((3, 4, 2), rng=0), MLP((3, 4, 2), rng=0), MLP((3, 4, 2), rng=1)
    np.testing.assert_array_equal(a.layers[1].weight.data, b.layers[1].weight.data)
    assert not np.array_equal(a.layers[0].weight.data, c.layers[0].weight.data)
    assert not np.array_equal(a.layers[0].weight.data[:2, :2], a.layers[1].weight.data[:2, :2])


each_example = pytest.mark.parametrize("example", EXAMPLES, ids=IDS)


def test_every_layer_has_a_row():
    exported = {x for x in vars(models).values() if isinstance(x, type) and issubclass(x, Module)}
    missing = exported - {Module, *(case.kind for case in CASES)}
    names = sorted(kind.__name__ for kind in missing)
    assert not names, f"give {', '.join(names)} a row in CASES of tests/models/cases.py"
    assert [case.kind.__name__ for case in CASES if not case.examples] == []


@each_example
def test_the_output_is_what_the_formula_gives(example, rng):
    layer, x = example.make(), example.input(rng)
    for p in layer.parameters():
        p.data = rng.normal(size=p.shape)  # so that a bias counts too
    y = layer(Tensor(x))
    assert y.shape == example.output
    np.testing.assert_allclose(y.data, example.formula(layer, x), rtol=1e-13, atol=1e-14)


@each_example
def test_derivatives_with_respect_to_the_input_and_every_parameter(example):
    layer, rng = example.make(), np.random.default_rng(0)
    x = example.input(rng)
    if not example.rows:
        mg.check_derivatives(layer, x, order=2)
    for p in layer.parameters():
        holder, name = next((m, k) for _, m in layer.named_modules() for k, v in vars(m).items() if v is p)

        def of(value, p=p, holder=holder, name=name):
            """The layer as a function of one parameter's array."""
            setattr(holder, name, value if isinstance(value, Tensor) else Tensor(value))
            try:
                return layer(x)
            finally:
                setattr(holder, name, p)

        mg.check_derivatives(of, rng.normal(size=p.shape), order=2)


def test_dropout():
    d = Dropout(0.25, rng=0)
    x = Tensor(np.ones((100, 100)), requires_grad=True)
    y = d(x)
    assert set(np.unique(y.data)) == {0.0, 1 / 0.75}
    assert (y.data == 0).mean() == pytest.approx(0.25, abs=0.02)
    y.sum().backward()
    np.testing.assert_array_equal(x.grad, y.data)
    assert not np.array_equal(d(x).data, y.data)
    assert Dropout(0.25).eval()(x) is x
    assert Dropout(0.5)(np.ones(3, np.float32)).dtype == np.float32


def test_train_and_eval_reach_all_modules():
    m = Sequential(Linear(2, 2), Dropout(0.5), Sequential(Dropout(0.1)))
    m.eval()
    assert not any(child.training for _, child in m.named_modules())
    assert len(m.named_generators()) == 2


def test_a_copy_is_independent():
    m = MLP((2, 3, 1))
    twin = copy.deepcopy(m)
    twin.layers[0].weight.assign(np.zeros((2, 3)))
    assert m.layers[0].weight.data.any()


@pytest.mark.parametrize(("make", "says"), [*BAD, (lambda: Module()(1.0), "forward")])
def test_bad_arguments(make, says):
    with pytest.raises((ValueError, TypeError), match=says):
        make()


def test_layers_made_without_a_seed_differ():
    a, b = Linear(4, 4), Linear(4, 4)
    assert not np.array_equal(a.weight.data, b.weight.data)
    x = np.ones(1000)
    assert not np.array_equal(Dropout()(x), Dropout()(x))


def test_a_part_that_was_asked_first_is_named_as_part_of_the_whole_later():
    part = Linear(2, 2, rng=0)
    part.bias.name = "mine"
    part.parameters()
    assert (part.weight.name, part.bias.name) == ("weight", "mine")
    Sequential(np.tanh, part).parameters()
    assert (part.weight.name, part.bias.name) == ("layers.1.weight", "mine")


def test_inputs_may_be_given_by_name():
    x = np.ones((2, 3))
    for model in (MLP((3, 4, 2), rng=0), Linear(3, 2, rng=0)):
        np.testing.assert_array_equal(model(x=x).data, model(x).data)


@pytest.mark.parametrize(
    "holder", [lambda p: SimpleNamespace(scale=p), lambda p: {p}, lambda p: frozenset([p])]
)
def test_a_parameter_in_a_plain_object_is_told_before_training(holder):
    model, scale = Linear(3, 2, rng=0), Tensor(np.ones(2), requires_grad=True)
    model.holder = holder(scale)
    with pytest.raises(ValueError, match=r"would not train holder\..*Module"):
        fit(model, optim.SGD(model.parameters()), mse_loss, (np.ones((4, 3)), np.ones((4, 2))), epochs=1)
    scale.requires_grad = False
    assert model.hidden_parameters() == []


def foreign(array):
    """A stand-in for a Tensor of PyTorch, known by the package of its class."""
    kind = type("Parameter", (), {"__module__": "torch.nn.parameter", "__array__": lambda *a, **k: array})
    return kind()


def test_tensors_of_torch_are_refused_because_their_weights_are_transposed():
    m = models.Linear(3, 3, rng=0)
    before = m.state_dict()
    with pytest.raises(TypeError, match=r"'weight' is a Tensor of PyTorch.*w\.detach\(\)\.numpy\(\)\.T"):
        m.load_state_dict({"weight": foreign(np.ones((3, 3))), "bias": foreign(np.ones(3))})
    assert all(np.array_equal(m.state_dict()[name], before[name]) for name in before)


def test_a_transposed_array_is_called_so():
    m = models.Linear(2, 3, rng=0)
    with pytest.raises(ValueError, match=r"needs shape \(2, 3\), got \(3, 2\)\. Transpose it: pass w\.T"):
        m.load_state_dict({"weight": np.ones((3, 2)), "bias": np.ones(3)})
    with pytest.raises(ValueError, match=r"got \(4, 2\)\.$"):
        m.load_state_dict({"weight": np.ones((4, 2)), "bias": np.ones(3)})


def test_only_a_tensor_or_none_takes_the_place_of_a_parameter():
    m = models.MLP((2, 8, 1), rng=0)
    for value in (np.ones((2, 8)), [[1.0]], 3.0):
        with pytest.raises(TypeError, match=r"write weight\.assign\(array\)") as caught:
            m.layers[0].weight = value
        assert caught.traceback[-1].path.name == "test_module.py"
    assert len(m.parameters()) == 4
    m.layers[0].weight = Tensor(np.ones((2, 8)), requires_grad=True)
    m.layers[0].bias = None
    assert len(m.parameters()) == 3
    m.kept = m(np.ones((1, 2)))  # results may be replaced by anything
    m.kept = np.ones(2)
    m.seen = Tensor([1.0])
    m.seen = np.ones(1)


class Scaled(Module):
    """One that takes the result of a product for a parameter."""

    def __init__(self):
        self.linear = Linear(3, 2)
        self.w = Tensor(np.ones((3, 2)), requires_grad=True) * 0.1

    def forward(self, x):
        self.hidden = np.tanh(self.linear(x))
        return self.hidden + x @ self.w


def test_a_result_in_place_of_a_parameter_is_refused_and_one_kept_for_inspection_is_not():
    model = Scaled()
    with pytest.raises(ValueError, match="Scaled: `w` is the result of an operation"):
        model.named_parameters()
    model.w = Tensor(0.1 * np.ones((3, 2)), requires_grad=True)
    model(np.ones((1, 3)))
    assert [name for name, _ in model.named_parameters()] == ["linear.weight", "linear.bias", "w"]
