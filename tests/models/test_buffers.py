"""Buffers: arrays of modules are saved and loaded, and assigned by compiled steps as without compiling."""

import warnings

import numpy as np
import pytest

import optim
from minigrad import CaptureError, Tensor, compile, grad, hvp, linearize, no_grad, vmap
from models import Linear, Module, Sequential, accuracy, cross_entropy, fit, functional_call, mse_loss
from models.datasets import moons

DATA = moons(120, noise=0.1, rng=0)
X = np.random.default_rng(0).normal(size=(12, 3))
Y = np.random.default_rng(1).normal(size=(12, 3))


class Norm(Module):
    """Batch normalisation as a student writes it."""

    def __init__(self, n, dtype=np.float64):
        self.scale = Tensor(np.ones(n, dtype), requires_grad=True)
        self.mean, self.var = np.zeros(n, dtype), np.ones(n, dtype)
        self.steps = np.array(0)

    def forward(self, x):
        if self.training:
            mean, var = np.mean(x, axis=0), np.var(x, axis=0)
            self.update(mean, var)
        else:
            mean, var = self.mean, self.var
        return self.scale * (x - mean) / np.sqrt(var + 1e-5)

    def update(self, mean, var):
        self.mean = 0.9 * self.mean + 0.1 * mean.data
        self.var = 0.9 * self.var + 0.1 * var.numpy()
        self.steps = self.steps + 1


class NoData(Norm):
    def update(self, mean, var):
        self.mean = 0.9 * self.mean + 0.1 * mean
        self.var = 0.9 * self.var + 0.1 * var
        self.steps = self.steps + 1


class InPlace(Norm):
    def update(self, mean, var):
        self.mean *= 0.9
        self.mean += 0.1 * mean.data
        self.var -= 0.1 * (self.var - var.data)
        self.steps += 1


class Renormalised(Norm):
    """The output depends on the value that was just assigned, and on the one before."""

    def forward(self, x):
        before = self.mean
        if self.training:
            self.update(np.mean(x, axis=0), np.var(x, axis=0))
        return self.scale * (x - self.mean) * (1 + before * x)


class Derived(NoData):
    def update(self, mean, var):
        super().update(mean, var)
        self.steps += 1


KINDS = [Norm, NoData, InPlace, Renormalised]


def net(kind=Norm):
    return Sequential(Linear(2, 8, rng=0), kind(8), np.tanh, Linear(8, 8, rng=1), kind(8), np.tanh,
                      Linear(8, 2, rng=2))  # fmt: skip


def buffers(model):
    return {name: array.copy() for name, array in model.named_buffers()}


def assert_same(a, b):
    assert a.keys() == b.keys()
    for name in a:
        assert a[name].dtype == b[name].dtype
        np.testing.assert_array_equal(a[name], b[name], err_msg=name)


def trained(model, compile=True, epochs=3, optimizer=optim.Adam, **options):
    steps = optimizer(model.named_parameters(), lr=0.01) if optimizer is optim.Adam else optimizer(
        model.named_parameters())  # fmt: skip
    return fit(model, steps, cross_entropy, (DATA.X, DATA.y), epochs=epochs, compile=compile, progress=False,
               rng=0, **options)  # fmt: skip


# Names, files, checkpoints


class Held(Module):
    def __init__(self):
        self.weight = Tensor(np.ones(2), requires_grad=True)
        self.count, self.mask = np.array(3), np.array([True, False])
        self.tables = [np.arange(3), {"a": np.ones((2, 2), np.float32)}]
        self.again = self.mask
        self.words, self.number = np.array(["a"]), np.float64(2.0)


def test_arrays_of_numbers_are_buffers_and_found_where_parameters_are():
    m = Held()
    names = ["count", "mask", "tables.0", "tables.1.a"]
    assert [name for name, _ in m.named_buffers()] == names
    assert list(m.state_dict()) == ["weight", *names]
    assert [name for name, _ in m.named_parameters()] == ["weight"]
    assert [line.split() for line in repr(m).splitlines()[2:4]] == [
        ["count", "()", "int64", "buffer"], ["mask", "(2,)", "bool", "buffer"],
    ]  # fmt: skip
    assert "2 parameters" in repr(m)
    assert m._repr_html_().count("buffer") == 4


@pytest.mark.parametrize("suffix", ["mg", "npz", "safetensors"])
def test_buffers_travel_in_every_file(tmp_path, suffix):
    if suffix == "safetensors":
        pytest.importorskip("safetensors")
    a, b = Held(), Held()
    a.count[...], a.mask[...], a.tables[0][1], a.tables[1]["a"][0, 0] = 7, [False, True], 9, 5.0
    a.save(tmp_path / f"m.{suffix}")
    table = b.tables[0]
    b.load(tmp_path / f"m.{suffix}")
    assert_same(a.state_dict(), b.state_dict())
    assert b.tables[0] is table
    assert b.again is b.mask


def test_the_state_is_a_copy():
    m = Held()
    m.state_dict()["tables.0"][0] = 5
    assert m.tables[0][0] == 0


@pytest.mark.parametrize(("change", "says"), [
    (lambda s: s.pop("count"), r"missing \['count'\]"),
    (lambda s: s.update(more=np.ones(1)), r"unexpected \['more'\]"),
    (lambda s: s.update(mask=np.array([1, 0])), r"'mask' needs dtype bool, got int64"),
    (lambda s: s.update(count=np.array(1.5)), r"'count' needs dtype int64, got float64"),
    (lambda s: s.update({"tables.0": np.arange(4)}), r"'tables\.0' needs shape \(3,\), got \(4,\)"),
    (lambda s: s.update({"tables.1.a": np.zeros((2, 2))}), "read-only"),
])  # fmt: skip
def test_a_state_whose_buffers_do_not_fit_changes_nothing(change, says):
    m = Held()
    m.tables[1]["a"].flags.writeable = False
    before = m.state_dict()
    state = before | {"weight": np.zeros(2), "count": np.array(5)}
    change(state)
    with pytest.raises(ValueError, match=says):
        m.load_state_dict(state)
    assert_same(m.state_dict(), before)


def test_a_read_only_buffer_loads_its_own_values():
    m = Held()
    m.tables[1]["a"].flags.writeable = False
    m.load_state_dict(m.state_dict() | {"count": np.array(5)})
    assert m.count == 5


def test_a_buffer_and_a_parameter_of_one_path_are_refused():
    m = Module()
    m.a = {1: Tensor(1.0), "1": np.ones(1)}
    with pytest.raises(ValueError, match=r"two arrays have the path \['a\.1'\]"):
        m.state_dict()


def test_a_hand_written_norm_keeps_its_accuracy_through_a_file(tmp_path):
    m = net()
    trained(m)
    m.save(tmp_path / "m.npz")
    again = net().load(tmp_path / "m.npz").eval()
    score = accuracy(m(DATA.X), DATA.y)
    assert score > 0.8
    assert accuracy(again(DATA.X), DATA.y) == score
    np.testing.assert_array_equal(again(DATA.X).data, m(DATA.X).data)


@pytest.mark.parametrize("kind", [Norm, InPlace])
def test_a_resumed_training_equals_one_without_a_break(tmp_path, kind):
    whole, parts, then = net(kind), net(kind), net(kind)
    expected = trained(whole, epochs=4)
    trained(parts, epochs=2, checkpoint=tmp_path / "run")
    history = trained(then, epochs=4, checkpoint=tmp_path / "run", resume=True)
    assert history["train_loss"] == expected["train_loss"]
    assert_same(then.state_dict(), whole.state_dict())


def test_the_best_weights_come_with_their_buffers():
    m, seen = net(), []
    options = {"validation": (DATA.X, DATA.y), "keep_best": True, "epochs": 5}
    history = trained(m, callbacks=[lambda epoch: seen.append(epoch.model.state_dict())], **options)
    best = int(np.argmin(history["val_loss"]))
    assert_same(m.state_dict(), seen[best])


# Assigning


def test_a_module_keeps_values_where_it_held_an_array():
    m = Norm(3)
    w = Tensor(np.ones(3), requires_grad=True)
    m.mean = w * 2
    assert type(m.mean) is np.ndarray
    assert m.mean.flags.writeable
    m.steps = m.steps + 1
    assert type(m.steps) is np.ndarray
    assert m.steps.dtype == int
    m.steps = 5
    assert "steps" in m.state_dict()
    m.mean = w
    assert m.mean is w
    m.var = None
    assert list(m.state_dict()) == ["scale", "mean", "steps"]


def test_no_gradient_flows_into_statistics():
    m = NoData(3)
    m(Tensor(X, requires_grad=True))
    m.eval()
    x = Tensor(X, requires_grad=True)
    m(x).sum().backward()
    np.testing.assert_allclose(x.grad, np.broadcast_to(1 / np.sqrt(m.var + 1e-5), X.shape), rtol=1e-14)


# Compiled


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_replays_assign_what_the_function_does(kind, dtype):
    eager, compiled = kind(3, dtype), kind(3, dtype)
    run, replays = compile(lambda x: compiled(x)), set()
    for k in range(4):
        x = (X + k).astype(dtype)
        with no_grad():
            expected = eager(Tensor(x))
            np.testing.assert_array_equal(run(x), expected.data)
        assert_same(buffers(compiled), buffers(eager))
        replays.add(id(run._last))
    assert compiled.steps == 4
    assert len(replays) == 1, "it was captured anew"


def test_writing_in_place_keeps_the_array_and_its_dtype():
    eager, compiled = InPlace(3, np.float32), InPlace(3, np.float32)
    arrays = [array for _, array in compiled.named_buffers()]
    run = compile(lambda x: compiled(x))
    with no_grad():
        for _ in range(3):
            run(X)
            eager(Tensor(X))
    assert eager.mean.dtype == np.float32
    assert_same(buffers(compiled), buffers(eager))
    assert all(a is b for a, (_, b) in zip(arrays, compiled.named_buffers(), strict=True))


def test_data_of_more_digits_widens_the_statistics_as_without_compiling():
    eager, compiled = Norm(3, np.float32), Norm(3, np.float32)
    run = compile(lambda x: compiled(x))
    with no_grad():
        for _ in range(3):
            run(X)
            eager(Tensor(X))
    assert eager.mean.dtype == np.float64
    assert_same(buffers(compiled), buffers(eager))


@pytest.mark.parametrize("kind", KINDS)
def test_steps_assign_what_the_function_does(kind):
    """From the same parameters, because a compiled gradient may round otherwise."""
    eager, compiled = net(kind), net(kind)
    loss = compile(lambda x, y: cross_entropy(compiled(x), y))
    a, b = (optim.SGD(m.named_parameters(), lr=0.1) for m in (eager, compiled))
    for _ in range(3):
        one = a.step(lambda: cross_entropy(eager(DATA.X), DATA.y))
        two = b.step(loss.at(DATA.X, DATA.y))
        assert one.item() == two.item()
        assert_same(buffers(compiled), buffers(eager))
        for p, q in zip(eager.parameters(), compiled.parameters(), strict=True):
            np.testing.assert_allclose(q.data, p.data, rtol=0, atol=1e-15)
            q.assign(p)
    assert len(loss._replays) == 1


# NewtonCG refuses a loss that another call at the same point changes, as Renormalised does
SECOND = [(kind, optim.LBFGS) for kind in KINDS] + [(kind, optim.Newton) for kind in KINDS]
SECOND += [(kind, optim.NewtonCG) for kind in KINDS[:3]]


@pytest.mark.parametrize(("kind", "optimizer"), SECOND)
def test_second_order_steps_assign_at_each_evaluation(kind, optimizer):
    """The same products as without compiling, though the buffers they read have been assigned since."""
    models = [kind(3), kind(3)]
    loss = compile(lambda x, y: mse_loss(np.tanh(models[1](x)), y))
    steps = [optimizer(m.named_parameters()) for m in models]
    for _ in range(3):
        steps[0].step(lambda: mse_loss(np.tanh(models[0](Tensor(X))), Y))
        steps[1].step(loss.at(X, Y))
        assert models[1].steps == models[0].steps
        for name, array in models[0].state_dict().items():
            np.testing.assert_allclose(models[1].state_dict()[name], array, rtol=1e-10, atol=1e-14)
    assert steps[0].counts == steps[1].counts


@pytest.mark.parametrize("kind", KINDS)
def test_fit_compiles_them(kind):
    eager, compiled = net(kind), net(kind)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        a = trained(eager, compile=False, validation=(DATA.X, DATA.y))
        b = trained(compiled, validation=(DATA.X, DATA.y))
    np.testing.assert_allclose(b["train_loss"], a["train_loss"], rtol=1e-12)
    np.testing.assert_allclose(b["val_loss"], a["val_loss"], rtol=1e-7)  # Adam divides rounding by itself
    assert compiled.layers[1].steps == eager.layers[1].steps == 12


def test_evaluation_reads_the_present_values():
    m = Norm(3).eval()
    run = compile(lambda x: m(x))
    with no_grad():
        for change in (lambda: setattr(m, "mean", m.mean + 1), lambda: m.mean.fill(3.0), lambda: None,
                       lambda: m.load_state_dict(m.state_dict() | {"var": np.full(3, 4.0)})):  # fmt: skip
            change()
            np.testing.assert_array_equal(run(X), m(Tensor(X)).data)
    replay = run._last
    m.mean = m.mean - 2
    with no_grad():
        np.testing.assert_array_equal(run(X), m(Tensor(X)).data)
    assert run._last is replay, "another array of the same kind needs no new capture"
    m.mean = np.zeros(1)
    with no_grad():
        np.testing.assert_array_equal(run(X), m(Tensor(X)).data)


def test_what_a_method_assigns_by_super_is_a_buffer_too():
    m = Derived(3)
    run = compile(lambda x: m(x))
    with no_grad():
        run(X)
        run(X)
    assert m.steps == 4
    np.testing.assert_allclose(m.mean, 0.19 * X.mean(0), rtol=1e-12)


def test_a_capture_assigns_nothing():
    m = InPlace(3)
    before = buffers(m)
    loss = compile(lambda x: (m(x) ** 2).sum())
    run = loss.at(X)
    optim.SGD(m.named_parameters(), lr=0.0).step(run)
    assert m.steps == 1
    np.testing.assert_allclose(m.mean, 0.1 * X.mean(0), rtol=1e-12)
    assert before["steps"] == 0


def test_linearize_of_a_compiled_function_assigns_once():
    eager, compiled = NoData(3), NoData(3)
    eager.scale.requires_grad = compiled.scale.requires_grad = False
    value, push = linearize(compile(lambda x: compiled(x)), X)
    expected, pushed = linearize(lambda x: eager(x), X)
    np.testing.assert_allclose(value, expected, rtol=1e-13, atol=1e-15)
    for t in (np.cos(X), X**2):
        np.testing.assert_allclose(push(t), pushed(t), rtol=1e-11, atol=1e-13)
    assert_same(buffers(compiled), buffers(eager))
    assert compiled.steps == 1


def test_compile_check_runs_the_function_beside_the_replay_and_assigns_once():
    m = Norm(3)
    run = compile(lambda x: m(x), check=True)
    with no_grad():
        run(Tensor(X))
        run(Tensor(X))
    assert m.steps == 2


class Logs(Norm):
    def __init__(self, n):
        super().__init__(n)
        self.log = []

    def update(self, mean, var):
        self.log.append(mean.data.mean())


class Gates(Norm):
    def update(self, mean, var):
        self.mean = mean.data if mean.data[0] > 0 else self.mean


class Hashes(Norm):
    def update(self, mean, var):
        self.seen = hash(mean.data.tobytes())


class FillsRows(Norm):
    def update(self, mean, var):
        self.mean[...] = mean.data


def note(module, mean):
    module.last = mean


class Outside(Norm):
    def __init__(self, n):
        super().__init__(n)
        self.last = np.zeros(n)

    def update(self, mean, var):
        note(self, mean)


class Twice(Norm):
    def forward(self, x):
        mean = np.mean(x, axis=0).data
        self.mean = mean
        return x * mean * self.scale


class Scaled(Norm):
    def forward(self, x):
        return x * np.mean(x, axis=0).data * self.scale


@pytest.mark.parametrize("kind", [Logs, Gates, Hashes, FillsRows, Outside, Scaled, Twice])
def test_what_cannot_be_replayed_is_refused_with_its_line_and_fit_goes_on_without(kind):
    m, eager = net(kind), net(kind)
    before = buffers(m)
    run = compile(lambda x: m(x))
    with no_grad(), pytest.raises(CaptureError, match=r"test_buffers\.py:\d+ in (update|forward|note)"):
        run(DATA.X)
    assert_same(buffers(m), before)
    with pytest.warns(RuntimeWarning, match="trains without compiling"):
        trained(m)
    trained(eager, compile=False)
    assert_same(m.state_dict(), eager.state_dict())
    if kind is Logs:
        assert m.layers[1].log == eager.layers[1].log


def test_a_functional_call_takes_buffers_and_leaves_the_models_as_they_are():
    m = NoData(3)
    before = buffers(m)
    state = m.state_dict()
    functional_call(m, state, X)
    assert_same(buffers(m), before)
    m.eval().scale.requires_grad = False
    moved = functional_call(m, {"mean": np.ones(3)}, X)
    np.testing.assert_allclose(np.asarray(moved), (X - 1) / np.sqrt(1 + 1e-5), rtol=1e-14)
    slope = grad(lambda mean: functional_call(m, {"mean": mean}, X).sum())(np.ones(3))
    np.testing.assert_allclose(slope, np.full(3, -12 / np.sqrt(1 + 1e-5)), rtol=1e-14)
    with pytest.raises(ValueError, match="'mean' needs shape"):
        functional_call(m, {"mean": np.ones(2)}, X)


@pytest.mark.parametrize("training", [True, False])
def test_a_compiled_functional_call_follows_the_model(training):
    m = NoData(3)
    whole = Sequential(m).train(training)
    run = compile(lambda scale, x: functional_call(whole, {"layers.0.scale": scale}, x))
    with no_grad():
        for k in range(3):
            m.mean = np.full(3, float(k))
            expected = functional_call(whole, {"layers.0.scale": np.ones(3)}, Tensor(X))
            np.testing.assert_array_equal(run(np.ones(3), X), expected.data)
    assert m.steps == 0


def test_products_through_a_norm_are_those_of_its_formula():
    m = Norm(3)
    m.scale.requires_grad = False

    def plain(x):
        return (np.tanh((x - np.mean(x, 0)) / np.sqrt(np.var(x, 0) + 1e-5)) ** 3).sum()

    def mine(x):
        return (np.tanh(m(x)) ** 3).sum()

    v = np.random.default_rng(2).normal(size=X.shape)
    np.testing.assert_allclose(hvp(mine, X, v), hvp(plain, X, v), rtol=1e-12, atol=1e-14)


def test_vmap_does_not_mix_samples_into_a_buffer():
    m = NoData(3)
    with pytest.raises(CaptureError, match=r"NoData\.mean is assigned"):
        vmap(lambda x: m(x))(X.reshape(2, 6, 3))
    assert m.steps == 0
