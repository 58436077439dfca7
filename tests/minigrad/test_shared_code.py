"""Programs of one text share its code, and nothing else: no constant, parameter, memory or guard."""

import gc
import linecache
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest

import optim
from minigrad import Tensor, compile
from models import MLP, cross_entropy


def scaled_by(factors):
    factors = np.array(factors)
    factors.flags.writeable = False  # so it is a constant of the program
    return compile(lambda x: np.sum(np.tanh(x * factors)))


def run_of(f):
    return next(iter(f._replays.values())).program.workspace


def test_programs_of_one_text_keep_their_own_constants():
    x, a, b = np.ones(3), [1.0, 2.0, 3.0], [4.0, 5.0, 6.0]
    f, g = scaled_by(a), scaled_by(b)
    for _ in range(3):  # the second call takes the short way
        assert f(x) == np.sum(np.tanh(a))
        assert g(x) == np.sum(np.tanh(b))
    assert f.source == g.source
    assert run_of(f).__code__ is run_of(g).__code__
    assert run_of(f).__globals__ is not run_of(g).__globals__


def test_programs_of_one_text_keep_their_own_parameters_and_state():
    """Two nets of one shape, trained in turn, go the way that each goes alone."""
    X, y = np.linspace(-1, 1, 8).reshape(4, 2), np.array([0, 1, 1, 0])

    def training(seed, rate):
        model = MLP((2, 3, 2), "tanh", rng=seed)
        adam = optim.Adam(model.named_parameters(), lr=rate)
        loss = compile(lambda x, y: cross_entropy(model(x), y))
        return model, lambda: adam.step(loss.at(X, y)).item(), loss

    def alone(seed, rate):
        model, step, _ = training(seed, rate)
        return [step() for _ in range(5)], model.state_dict()

    (first, one, f), (second, other, g) = training(0, 0.1), training(1, 0.2)
    losses = [(one(), other()) for _ in range(5)]
    assert f.source == g.source
    for model, found, expected in zip(
        (first, second), zip(*losses, strict=True), (alone(0, 0.1), alone(1, 0.2))
    ):
        assert list(found) == expected[0]
        for name, w in model.state_dict().items():
            np.testing.assert_array_equal(w, expected[1][name])


def test_guards_of_one_text_look_at_their_own_objects():
    def scaled():
        options = SimpleNamespace(k=2.0)
        return compile(lambda x: np.sum(x * options.k)), options

    (f, _), (g, changed), x = scaled(), scaled(), np.ones(3)
    assert [(f(x), g(x)) for _ in range(3)] == [(6.0, 6.0)] * 3  # the second call asks the guards
    changed.k = 5.0
    assert (f(x), g(x)) == (6.0, 15.0)
    assert [len(h._replays) for h in (f, g)] == [1, 1]


def test_a_text_is_shown_as_long_as_one_of_its_programs_lives():
    f, g = scaled_by([1.0, 2.0]), scaled_by([3.0, 4.0])
    f(np.ones(2)), g(np.ones(2))
    name = run_of(g).__code__.co_filename
    del f
    gc.collect()
    assert linecache.getline(name, 1).startswith("def workspace")
    del g
    gc.collect()
    assert linecache.getline(name, 1) == ""


def test_optimizers_in_two_threads_share_no_memory():
    """Their vectors are so long that NumPy lets both threads compute at once."""

    def trained(seed):
        w = Tensor(np.ones(100_000), requires_grad=True)
        adam = optim.Adam([w], lr=0.1 * seed)
        w.grad = np.random.default_rng(seed).normal(size=w.size)
        for _ in range(30):
            adam.step()
        return w.numpy()

    alone = [trained(1), trained(2)]
    with ThreadPoolExecutor(2) as pool:
        together = list(pool.map(trained, (1, 2)))
    np.testing.assert_array_equal(together, alone)


def test_a_users_rule_is_recorded_for_each_optimizer():
    """It may read what has changed since; a rule of ours reads its arguments alone."""
    factor = 1.0

    class Scaled(optim.FirstOrder):
        @staticmethod
        def rule(w, g, *, t, lr, **options):
            return {"w": w - factor * lr * g}

    def step():
        w = Tensor(np.ones(2), requires_grad=True)
        w.grad = np.ones(2)
        Scaled([w], lr=0.5).step()
        return w.numpy().tolist()

    assert step() == [0.5, 0.5]
    factor = 2.0
    assert step() == [0.0, 0.0]


def test_a_rule_set_on_one_optimizer_is_its_own():
    """It reaches no other optimizer of the class, and is not passed over for the kept rule of the class."""

    def mine(w, g, *_, **__):
        return {"w": w - 10 * g}

    def stepped(own):
        w = Tensor(np.ones(1), requires_grad=True)
        sgd = optim.SGD([w], lr=0.1)
        if own:
            sgd.rule = mine
        sgd.step(lambda: np.sum(w))
        return w.item()

    assert [stepped(own) for own in (True, False, True, False)] == [-9, 0.9, -9, 0.9]
    w = Tensor(np.ones(1), requires_grad=True)
    sgd = optim.SGD([w], lr=0.1)
    sgd.step(lambda: np.sum(w))
    sgd.rule = mine  # after a step of the other
    sgd.step(lambda: np.sum(w))
    assert w.item() == pytest.approx(0.9 - 10)
