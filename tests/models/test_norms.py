"""Layers that normalise, Embedding and the GELU beside PyTorch's, and what they do in training."""

import warnings

import numpy as np
import pytest

import optim
from minigrad import Tensor, check_derivatives, compile, draw, grad, hvp, no_grad
from models import MLP, BatchNorm, Embedding, LayerNorm, Linear, RMSNorm, Sequential, cross_entropy, fit
from models.activations import gelu, silu
from models.datasets import moons
from tests.models.cases import EXAMPLES, IDS

DATA = moons(64, noise=0.1, rng=0)
NORMS = [BatchNorm, LayerNorm, RMSNorm]
SHAPES = [(6, 3), (4, 5, 3)]


@pytest.fixture
def torch():
    return pytest.importorskip("torch")


def theirs_of(torch, kind, dtype):
    names = {BatchNorm: "BatchNorm1d", LayerNorm: "LayerNorm", RMSNorm: "RMSNorm"}
    return getattr(torch.nn, names[kind])(3).to(dtype)


def filled(layer, rng):
    for p in layer.parameters():
        p.assign(rng.normal(size=p.shape))
    return layer


@pytest.mark.oracle
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", NORMS)
def test_norms_are_those_of_pytorch(torch, kind, shape, dtype, rng):
    """Outputs, gradients and running statistics of three steps of training, then of evaluation. PyTorch has
    the features of a sequence on the second axis."""
    tolerance = {"rtol": 1e-10, "atol": 1e-12} if dtype == "float64" else {"rtol": 2e-4, "atol": 1e-5}
    ours = filled(kind(3, dtype=dtype), rng)
    theirs = theirs_of(torch, kind, getattr(torch, dtype))
    assert [name for name, _ in theirs.named_parameters()] == [name for name, _ in ours.named_parameters()]
    with torch.no_grad():
        for name, p in theirs.named_parameters():
            p.copy_(torch.from_numpy(dict(ours.named_parameters())[name].numpy()))
    turned = kind is BatchNorm and len(shape) == 3
    for k in range(4):
        if k == 3:
            ours.eval()
            theirs.eval()
        data = (rng.normal(size=shape) * (k + 1) + k).astype(dtype)
        x, t = Tensor(data, requires_grad=True), torch.from_numpy(data).requires_grad_()
        y = ours(x)
        s = theirs(t.transpose(1, 2)).transpose(1, 2) if turned else theirs(t)
        assert y.dtype == dtype
        np.testing.assert_allclose(y.data, s.detach().numpy(), **tolerance)
        weights = rng.normal(size=shape).astype(dtype)
        ours.zero_grad()
        theirs.zero_grad()
        np.sum(weights * y * y).backward()
        (torch.from_numpy(weights) * s * s).sum().backward()
        np.testing.assert_allclose(x.grad, t.grad.numpy(), **tolerance)
        for name, p in theirs.named_parameters():
            np.testing.assert_allclose(dict(ours.named_parameters())[name].grad, p.grad.numpy(), **tolerance)
        for name, b in theirs.named_buffers():
            mine = dict(ours.named_buffers())[name]
            assert str(mine.dtype) == str(b.numpy().dtype)
            np.testing.assert_allclose(mine, b.numpy(), **tolerance)


@pytest.mark.oracle
def test_weights_and_statistics_come_from_pytorch_and_go_back(torch, rng):
    net = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.Tanh()).double()
    net(torch.from_numpy(rng.normal(size=(8, 3))))
    net.eval()
    ours = Sequential(Linear(3, 4), BatchNorm(4), np.tanh).eval()
    ours.load_state_dict({f"layers.{name}": x.numpy().T for name, x in net.state_dict().items()})
    x = rng.normal(size=(5, 3))
    np.testing.assert_allclose(ours(x).data, net(torch.from_numpy(x)).detach().numpy(), rtol=0, atol=1e-12)
    assert ours.layers[1].num_batches_tracked == 1
    back = {
        name.removeprefix("layers."): torch.from_numpy(x.T.copy()) for name, x in ours.state_dict().items()
    }
    net.load_state_dict(back)
    np.testing.assert_allclose(ours(x).data, net(torch.from_numpy(x)).detach().numpy(), rtol=0, atol=1e-12)


@pytest.mark.oracle
@pytest.mark.parametrize("form", ["none", "tanh"])
def test_gelu_has_the_names_and_values_of_pytorch(torch, form):
    x = np.linspace(-9, 9, 181)
    t = torch.from_numpy(x).requires_grad_()
    theirs = torch.nn.functional.gelu(t, approximate=form)
    np.testing.assert_allclose(gelu(x, form), theirs.detach().numpy(), rtol=1e-9, atol=1e-15)
    slope = grad(lambda v: np.sum(gelu(v, form)))(x)
    np.testing.assert_allclose(slope, torch.autograd.grad(theirs.sum(), t)[0].numpy(), rtol=1e-9, atol=1e-14)


@pytest.mark.oracle
def test_silu_is_that_of_pytorch(torch):
    x = np.linspace(-30, 30, 121)
    theirs = torch.nn.functional.silu(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(silu(x), theirs, rtol=1e-14, atol=0)


def test_the_exact_gelu():
    x = np.array([[-1.7, -0.4, 0.3, 2.1]])
    check_derivatives(lambda v: gelu(v, "none"), x, order=3)
    assert gelu(x.astype(np.float32), "none").dtype == np.float32
    np.testing.assert_allclose(gelu(x, "none"), gelu(x), atol=5e-4)
    with pytest.raises(ValueError, match=r'"tanh" or "none", got \'erf\''):
        gelu(x, "erf")
    net = MLP((4, 3, 2), lambda v: gelu(v, "none"), rng=0)
    with no_grad():
        np.testing.assert_array_equal(compile(lambda v: net(v))(x), net(Tensor(x)).data)


@pytest.mark.parametrize("example", EXAMPLES, ids=IDS)
def test_a_compiled_layer_gives_what_the_layer_gives(example, rng):
    layer, x = example.make(), example.input(rng)
    run = compile(lambda x: layer(x))
    with no_grad():
        expected, kept = np.asarray(layer(Tensor(x))), {n: b.copy() for n, b in layer.named_buffers()}
        for name, array in example.make().named_buffers():
            dict(layer.named_buffers())[name][...] = array
        np.testing.assert_allclose(run(x), expected, rtol=1e-14, atol=1e-15)
    for name, array in layer.named_buffers():
        np.testing.assert_array_equal(array, kept[name])


@pytest.mark.parametrize("kind", NORMS)
def test_float32_stays_and_whole_numbers_become_floats(kind, rng):
    layer = kind(3, dtype=np.float32)
    x = rng.normal(size=(4, 3)).astype(np.float32)
    y = layer(Tensor(x, requires_grad=True))
    y.sum().backward()
    assert y.dtype == layer.weight.grad.dtype == np.float32
    assert {a.dtype.name for _, a in layer.named_buffers()} <= {"float32", "int64"}
    whole = np.arange(12).reshape(4, 3) ** 2
    np.testing.assert_array_equal(kind(3)(whole).data, kind(3)(whole.astype(float)).data)
    with pytest.raises(TypeError, match="needs numbers"):
        kind(1)(np.array([["a"], ["b"]]))


@pytest.mark.parametrize("kind", NORMS)
def test_hessian_products_through_a_norm(kind, rng):
    """Against central differences of the gradient, which knows nothing of second-order rules."""
    layer, x, v = filled(kind(3), rng), rng.normal(size=(5, 3)), rng.normal(size=(5, 3))
    for p in layer.parameters():
        p.requires_grad = False

    def f(x):
        return np.sum(np.tanh(layer(x)) ** 3)

    h = 1e-5
    numeric = (grad(f)(x + h * v) - grad(f)(x - h * v)) / (2 * h)
    np.testing.assert_allclose(hvp(f, x, v), numeric, rtol=1e-6, atol=1e-8)


def test_batch_norm_moves_its_statistics_only_in_training(rng):
    layer, x = BatchNorm(3, momentum=0.25), rng.normal(2.0, 3.0, size=(50, 3))
    for _ in range(60):
        layer(x)
    np.testing.assert_allclose(layer.running_mean, x.mean(0), rtol=1e-6)
    np.testing.assert_allclose(layer.running_var, x.var(0, ddof=1), rtol=1e-6)
    before = layer.state_dict()
    layer.eval()(x)
    layer(x[:1])
    for name, array in layer.state_dict().items():
        np.testing.assert_array_equal(array, before[name])
    assert layer.num_batches_tracked == 60


def test_a_batch_that_is_refused_moves_nothing():
    layer = BatchNorm(3)
    for x in (np.ones((1, 3)), np.ones((4, 2))):
        with pytest.raises(ValueError, match=r"BatchNorm\(3\)"):
            layer(x)
    assert layer.num_batches_tracked == 0
    assert not layer.running_mean.any()


# Embedding


def test_a_row_that_is_picked_twice_gets_both_gradients():
    layer = Embedding(4, 2, rng=0)
    i, g = np.array([[1, 3], [1, 1]]), np.arange(8.0).reshape(2, 2, 2)
    np.sum(layer(i) * g).backward()
    expected = np.zeros((4, 2))
    np.add.at(expected, i, g)
    np.testing.assert_array_equal(layer.weight.grad, expected)


@pytest.mark.oracle
def test_an_embedding_is_that_of_pytorch(torch, rng):
    ours, theirs = Embedding(7, 3), torch.nn.Embedding(7, 3).double()
    ours.load_state_dict({name: x.numpy() for name, x in theirs.state_dict().items()})
    i = rng.integers(7, size=(4, 6))
    y, t = ours(i), theirs(torch.from_numpy(i))
    np.testing.assert_array_equal(y.data, t.detach().numpy())
    np.sum(y**3).backward()
    (t**3).sum().backward()
    np.testing.assert_allclose(ours.weight.grad, theirs.weight.grad.numpy(), rtol=1e-12, atol=1e-14)


def test_rows_start_as_normal_numbers_of_their_own_seed():
    a = Embedding(300, 200, rng=0).weight.data
    assert a.var() == pytest.approx(1.0, rel=0.02)
    assert abs(a.mean()) < 0.01
    assert not np.array_equal(Embedding(4, 4).weight.data, Embedding(4, 4).weight.data)
    assert Embedding(2, 2, dtype=np.float32)(np.array([1])).dtype == np.float32


@pytest.mark.parametrize(("i", "bad"), [([0, 4], 4), ([-1, 0], -1), ([[9, -2]], 9)])
def test_rows_that_a_table_does_not_have_are_refused_also_in_a_replay(i, bad):
    layer = Embedding(4, 2)
    run = compile(lambda i: layer(i))
    good, i = np.zeros_like(i), np.array(i)
    with no_grad():
        run(good)
        for call in (layer, run):
            with pytest.raises(IndexError, match=rf"between 0 and 3, got {bad}\."):
                call(i)


def test_unsigned_row_numbers():
    layer = Embedding(4, 2)
    np.testing.assert_array_equal(layer(np.array([3], np.uint8)).data, layer.weight.data[[3]])
    assert layer(np.zeros((0,), int)).shape == (0, 2)


def test_a_table_trains_compiled(rng):
    """Which of two letters is larger: the rows find an order."""
    x = rng.integers(5, size=(200, 2))
    y = (x[:, 0] > x[:, 1]).astype(int)
    found = []
    for compiled in (True, False):
        net = Sequential(Embedding(5, 3, rng=0), lambda h: h.reshape(len(h), 6), Linear(6, 2, rng=1))
        steps = optim.Adam(net.named_parameters(), lr=0.05)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            history = fit(net, steps, cross_entropy, (x, y), epochs=5, progress=False, compile=compiled)
        found.append(history["train_loss"])
    np.testing.assert_allclose(*found, rtol=1e-9)
    assert found[0][-1] < 0.5 * found[0][0]


# In a model


def net():
    return Sequential(Linear(2, 8, rng=0), BatchNorm(8), silu, Linear(8, 8, rng=1), LayerNorm(8), gelu,
                      RMSNorm(8), Linear(8, 2, rng=2))  # fmt: skip


def test_norms_train_compiled_and_resume(tmp_path):
    found = []
    for compiled, stop in ((False, 4), (True, 4), (True, 2)):
        model = net()
        for epochs in (stop, 4):
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                history = fit(
                    model, optim.AdamW(model.named_parameters(), lr=0.01), cross_entropy, (DATA.X, DATA.y),
                    epochs=epochs, compile=compiled, progress=False, rng=0, validation=(DATA.X, DATA.y),
                    checkpoint=tmp_path / f"{compiled}{stop}", resume=epochs > stop,
                )  # fmt: skip
            if stop == 4:
                break
        found.append((history["train_loss"], history["val_loss"], model.state_dict()))
    eager, whole, resumed = found
    np.testing.assert_allclose(whole[0], eager[0], rtol=1e-9)
    np.testing.assert_allclose(whole[1], eager[1], rtol=1e-6)
    assert resumed[:2] == whole[:2]
    for name, array in whole[2].items():
        np.testing.assert_array_equal(resumed[2][name], array)


def test_summary_and_picture_know_them():
    model = net().eval()
    table = str(model.summary((4, 2)))
    for layer in ("BatchNorm(8)", "LayerNorm(8)", "RMSNorm(8)", "silu", "gelu"):
        assert layer in table
    assert [row["parameters"] for row in model.summary((4, 2)).rows if "Norm" in row["layer"]][:3] == [
        16,
        16,
        8,
    ]
    assert "layers.1.weight" in str(draw(model(DATA.X)))


def test_a_buffer_is_drawn_by_its_name_and_as_no_parameter(rng):
    model = Sequential(Linear(2, 3, rng=0), BatchNorm(3))
    model(rng.normal(size=(8, 2)))
    model.eval()
    picture = draw(model(rng.normal(size=(4, 2)))).picture
    (box,) = [leaf for node in picture.nodes for leaf in node.held if "running_mean" in leaf.name]
    assert (box.name, box.kind, box.label) == ("layers.1.running_mean", "constant", "running_mean₁")
