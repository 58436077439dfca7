"""`fit` compiles, and says that the history is the same: for losses and models made at random, whose weights
are closures, globals, attributes, defaults, lists, dicts or arrays that callbacks change, it is. Where it
cannot compile, fit tells so and trains without.
"""

from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import pytest

import optim
from minigrad import CaptureError, Tensor, uniform
from minigrad.handed_out import HANDED
from models import MLP, Linear, Module, fit, mse_loss

X, Y = np.random.default_rng(0).normal(size=(24, 3)), np.random.default_rng(1).normal(size=(24, 2))
shared = {"weight": 0.1}
factor = 0.1


class Weight:
    """A loss weight that lives in one of many places: `get` is a function for a loss, `put` sets it."""

    scale = 0.1

    def __init__(self, kind):
        self.value, self.items, self.array = 0.1, [0.1], np.array([0.1])
        self.get, self.put = getattr(self, f"in_{kind}")()
        self.put(0.1)

    def in_a_cell(self):
        k = 0.1

        def put(new):
            nonlocal k
            k = new

        return (lambda: k), put

    def in_an_attribute(self):
        return (lambda: self.value), lambda new: setattr(self, "value", new)

    def in_a_class(self):
        return (lambda: self.scale), lambda new: setattr(Weight, "scale", new)

    def in_a_list(self):
        return (lambda: self.items[0]), lambda new: self.items.__setitem__(0, new)

    def in_a_global(self):
        return (lambda: factor), lambda new: globals().__setitem__("factor", new)

    def in_a_dict(self):
        return (lambda: shared["weight"]), lambda new: shared.update(weight=new)

    def in_a_default(self):
        def get(k=0.1):
            return k

        return get, lambda new: setattr(get, "__defaults__", (new,))

    def in_an_array(self):
        return (lambda: self.array[0] + 0), lambda new: self.array.fill(new)

    def in_a_branch(self):
        return (lambda: 0.5 if self.value > 0.15 else 0.0), lambda new: setattr(self, "value", new)


KINDS = [name.removeprefix("in_") for name in vars(Weight) if name.startswith("in_")]


class Net(Module):
    """Two layers; `noise` says where their random numbers come from."""

    depth = 1.0

    def __init__(self, seed, noise):
        self.a, self.b = Linear(3, 4, rng=seed), Linear(4, 2, rng=seed + 1)
        self.rng, self.noise = np.random.default_rng(seed), noise
        self.gain = SimpleNamespace(k=1.0)

    def forward(self, x):
        h = np.tanh(self.a(x)) * self.depth * self.gain.k
        if self.training and self.noise == "uniform":
            h = h * (uniform(self.rng, (4,)) + 0.5)
        elif self.training and self.noise == "depth":
            h = h if self.rng.random() < 0.8 else h * 0.5
        elif self.training and self.noise == "mask":
            h = h * (self.rng.random(4) < 0.9)
        return self.b(h)


class Loss:
    def __init__(self, weights, rng, draws):
        self.weights, self.rng, self.draws = weights, rng, draws

    def __call__(self, out, y):
        total = mse_loss(out, y)
        for weight in self.weights:
            total = total + weight.get() * np.mean(out * out)
        return total * 2 if self.draws and self.rng.random() < 0.3 else total


def rows(seed, compile):
    rng = np.random.default_rng(seed)
    noise = rng.choice(["none", "none", "uniform", "depth", "mask"])
    draws = bool(rng.random() < 0.15)
    model = Net(seed, str(noise))
    loss = Loss([Weight(str(k)) for k in rng.choice(KINDS, 2)], np.random.default_rng(seed), draws)
    steps = [np.random.default_rng(seed + 1), rng.integers(3)]
    Net.depth = 1.0

    def anneal(epoch):
        for weight in loss.weights:
            if steps[0].random() < 0.7:
                weight.put(float(steps[0].uniform(0, 0.3)))
        model.gain.k += 0.1 * (steps[1] == 1)
        Net.depth += 0.1 * (steps[1] == 2)

    history = fit(
        model,
        optim.Momentum(model.named_parameters(), lr=0.05),
        loss,
        (X, Y),
        epochs=4,
        batch_size=8,
        callbacks=[anneal],
        progress=False,
        compile=compile,
    )
    return [{k: v for k, v in row.items() if k != "seconds"} for row in history.rows], draws or noise in (
        "depth",
        "mask",
    )


@pytest.mark.parametrize("seed", range(40))
def test_the_history_is_the_same_and_fit_tells_if_it_cannot_compile(seed):
    expected, draws = rows(seed, False)
    if draws:
        with pytest.warns(RuntimeWarning, match=r"random numbers.*fit\(compile=False\)") as told:
            assert rows(seed, True)[0] == expected
        assert [each.filename for each in told] == [__file__]
    else:
        assert rows(seed, True)[0] == expected


def trained(loss, compile, model=None, **options):
    model = model or Linear(3, 2, rng=0)
    optimizer = optim.Momentum(model.named_parameters(), lr=0.05)
    common = {"epochs": 3, "batch_size": 8, "progress": False, "compile": compile}
    history = fit(model, optimizer, loss, (X, Y), **common, **options)
    return history["train_loss"], [p.tolist() for p in model.state_dict().values()]


def in_a_list():
    steps, log = [0], []

    def loss(out, y):
        steps[0] += 1
        log.append(out)
        return mse_loss(out, y) * (1.0 if steps[0] > 4 else 0.5)

    return loss, lambda: (steps, len(log))


def in_a_cell():
    steps, seen = 0, set()

    def loss(out, y):
        nonlocal steps
        steps += 1
        seen.add(steps)
        return mse_loss(out, y) * steps

    return loss, lambda: (steps, seen)


def in_an_object():
    state = SimpleNamespace(steps=0, last=None, by={})

    def loss(out, y):
        state.steps += 1
        state.last = out
        state.by[state.steps] = 1
        return mse_loss(out, y) * state.steps

    return loss, lambda: (state.steps, state.by)


def in_an_array():
    means = np.zeros(2)

    def loss(out, y):
        means[:] = 0.9 * means + 0.1
        return mse_loss(out, y) * float(means[0]) + 0 * out.sum().item()

    return loss, lambda: means.tolist()


@pytest.mark.parametrize("kind", [in_a_list, in_a_cell, in_an_object, in_an_array])
def test_what_the_attempt_to_compile_changed_is_undone(kind):
    loss, state = kind()
    expected = trained(loss, False), state()
    loss, state = kind()
    with pytest.warns(RuntimeWarning, match="cannot be replayed"):
        assert (trained(loss, True), state()) == expected


class Standardized(Module):
    """Running means kept as an array, as a student's BatchNorm keeps them, and a count of calls."""

    def __init__(self, calls):
        self.layer, self.calls, self.mean = Linear(3, 2, rng=0), calls, np.zeros(2)

    def forward(self, x):
        z = self.layer(x)
        if self.training:
            self.calls += 1
            self.mean = 0.9 * self.mean + 0.1 * z.numpy().mean(0)
        return z - self.mean


@pytest.mark.parametrize("number", [int, np.array])  # an array is assigned by replays, a number is not
def test_a_model_with_running_means_trains_as_without_compiling(number):
    found = []
    for compile in (False, True):
        model, told = Standardized(number(0)), nullcontext()
        if compile and number is int:
            told = pytest.warns(RuntimeWarning, match=r"Standardized holds.*test_compiled_fit\.py:\d+")
        with told as warned:
            found.append((*trained(mse_loss, compile, model), int(model.calls), model.mean.tolist()))
        assert warned is None or len(warned) == 1
    assert found[0] == found[1]
    assert found[0][2] == 9


class Counting(Module):
    calls = 0

    def __init__(self):
        self.layer = Linear(3, 2, rng=0)

    def forward(self, x):
        Counting.calls += 1
        return self.layer(x) * Counting.calls


def test_what_cannot_be_undone_is_refused():
    numbers = iter(range(1, 100))
    for loss, model in ((lambda out, y: mse_loss(out, y) * next(numbers), None), (mse_loss, Counting())):
        with pytest.raises(CaptureError, match=r"fit\(compile=False\)"):
            trained(loss, True, model)


def test_a_model_that_turns_bad_later_goes_on_where_it_was():
    def run(compile):
        switch = SimpleNamespace(on=False)

        def loss(out, y):
            value = mse_loss(out, y)
            return value * 2 if switch.on and value.item() > 0 else value

        return trained(loss, compile, callbacks=[lambda epoch: setattr(switch, "on", True)])

    expected = run(False)
    with pytest.warns(RuntimeWarning, match=r"\.item\(\)"):
        assert run(True) == expected


def test_a_loss_that_counts_its_steps_is_told():
    steps = [0]

    def warmed_up(out, y):
        steps[0] += 1
        return mse_loss(out, y) * (1.0 if steps[0] > 100 else 0.5)

    model = Linear(3, 2, rng=0)
    with pytest.warns(RuntimeWarning, match=r"steps.*warmed_up at .*fit\(compile=False\)"):
        fit(model, optim.SGD(model.named_parameters()), warmed_up, (X, Y), epochs=1, progress=False)
    assert steps == [1]


def test_a_parameter_put_in_the_place_of_another_is_followed():
    offset = [Tensor(np.zeros(2))]
    losses = []
    for compile in (True, False):
        offset[0] = Tensor(np.zeros(2))
        model = Linear(3, 2, rng=0)

        def move(epoch):
            offset[0] = Tensor(np.full(2, float(len(epoch.history))))

        loss = lambda out, y: mse_loss(out + offset[0], y)  # noqa: E731
        optimizer = optim.SGD(model.named_parameters())
        options = {"epochs": 3, "callbacks": [move], "progress": False, "compile": compile}
        losses.append(fit(model, optimizer, loss, (X, Y), **options)["train_loss"])
    assert losses[0] == losses[1]


class Fading(Module):
    def __init__(self):
        self.layer = Linear(2, 1, rng=0)

    def forward(self, x):
        mask, out = np.ones(2), 0.0
        for _ in range(3):
            out = out + self.layer(x * mask)
            mask *= 0.5
        return out


def test_a_model_that_refills_an_array_is_trained_without_replays():
    x = np.random.default_rng(0).standard_normal((32, 2))
    losses = []
    for on in (True, False):
        model = Fading()
        adam = optim.Adam(model.named_parameters(), lr=0.1)
        call = {"epochs": 3, "progress": False, "compile": on}
        told = pytest.warns(RuntimeWarning, match=r"was written to.*Fading\.forward") if on else nullcontext()
        with told:
            history = fit(model, adam, mse_loss, (x, x[:, :1]), **call)
        losses.append(history["train_loss"])
    assert losses[0] == losses[1]


@pytest.mark.parametrize("compiled", [True, False])
def test_no_parameter_is_handed_out_by_fit(compiled):
    """Each step would take a checksum of it, which is a tenth of the time of a small training."""
    model, x = MLP((2, 3, 1), "tanh", rng=0), np.random.default_rng(0).normal(size=(20, 2))
    adam = optim.Adam(model.named_parameters())
    fit(model, adam, mse_loss, (x, x[:, :1]), epochs=2, compile=compiled, progress=False)
    assert not [name for name, p in model.named_parameters() if id(p) in HANDED]
