"""`fit` compiles, and says that the history is the same: for losses and models made at random, whose weights
are closures, globals, attributes, defaults, lists, dicts or arrays that callbacks change, it is, or fit
refuses.
"""

from types import SimpleNamespace

import numpy as np
import pytest

import optim
from minigrad import CaptureError, Tensor, uniform
from models import Linear, Module, fit, mse_loss

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
def test_the_history_is_the_same_or_fit_refuses(seed):
    expected, draws = rows(seed, False)
    if draws:
        with pytest.raises(CaptureError, match=r"random numbers.*fit\(compile=False\)"):
            rows(seed, True)
    else:
        assert rows(seed, True)[0] == expected


def test_a_loss_that_counts_its_steps_is_refused():
    steps = [0]

    def warmed_up(out, y):
        steps[0] += 1
        return mse_loss(out, y) * (1.0 if steps[0] > 100 else 0.5)

    model = Linear(3, 2, rng=0)
    before = model.state_dict()
    with pytest.raises(CaptureError, match=r"steps.*fit\(compile=False\)"):
        fit(model, optim.SGD(model.named_parameters()), warmed_up, (X, Y), epochs=1, progress=False)
    assert all(np.array_equal(p, before[name]) for name, p in model.state_dict().items())


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
