"""`functional_call`: the model as a function of its parameters."""

import numpy as np
import pytest

import minigrad as mg
from minigrad import Tensor, grad, vmap
from models import MLP, Dropout, Linear, Module, Sequential, cross_entropy, functional_call

rng = np.random.default_rng(0)
X, Y = rng.normal(size=(6, 2)), rng.integers(0, 3, 6)


class Shared(Module):
    def __init__(self):
        self.layers = {"a": Linear(2, 2, rng=0), "b": [Linear(2, 3, rng=1)]}
        self.again = self.layers["a"]
        self.calls = 0

    def forward(self, x):
        self.calls += 1
        return self.layers["b"][0](self.again(np.tanh(self.layers["a"](x))))


@pytest.mark.parametrize("make", [lambda: MLP((2, 4, 3), "tanh", rng=0), Shared])
def test_it_is_the_model_with_those_values(make):
    model, other = make(), make()
    values = {name: 2 * p + 1 for name, p in other.state_dict().items()}
    before = model.state_dict()
    found = functional_call(model, values, X)
    other.load_state_dict(values)
    np.testing.assert_array_equal(found.data, other(X).data)
    for name, p in model.state_dict().items():
        np.testing.assert_array_equal(p, before[name])
    assert getattr(model, "calls", 0) == 0
    np.testing.assert_array_equal(functional_call(model, {}, X).data, model(X).data)


def test_gradients_are_those_of_backward():
    model = MLP((2, 4, 3), "tanh", rng=0)

    def loss(p, x, y):
        return cross_entropy(functional_call(model, p, x), y)

    gradient = grad(loss)(model.state_dict(), X, Y)
    cross_entropy(model(X), Y).backward()
    for name, p in model.named_parameters():
        np.testing.assert_allclose(gradient[name], p.grad, rtol=1e-13, atol=1e-16)
    replayed = mg.compile(grad(loss))
    for scale in (1.0, 2.0):
        values = {name: scale * p for name, p in model.state_dict().items()}
        for name, g in replayed(values, X, Y).items():
            np.testing.assert_allclose(g, grad(loss)(values, X, Y)[name], rtol=1e-13, atol=1e-16)
    each = vmap(grad(lambda p, x, y: loss(p, x[None], y[None])), in_axes=(None, 0, 0))(
        model.state_dict(), X, Y
    )
    for name, g in each.items():
        np.testing.assert_allclose(g.mean(axis=0), gradient[name], rtol=1e-12, atol=1e-16)


def test_a_part_of_the_parameters_and_the_rest_stays_live():
    model = MLP((2, 4, 3), rng=0)
    functional_call(model, {"layers.0.bias": np.ones(4)}, X).sum().backward()
    live = {name for name, p in model.named_parameters() if p.grad is not None}
    assert live == {"layers.0.weight", "layers.1.weight", "layers.1.bias"}
    w = Tensor(np.ones((2, 4)), requires_grad=True)
    functional_call(model, {"layers.0.weight": w}, X).sum().backward()
    assert w.grad is not None


def test_dropout_draws_new_numbers_and_modes_are_kept():
    model = Sequential(Linear(2, 50, rng=0), Dropout(0.5, rng=0))
    a, b = (functional_call(model, {}, X).data for _ in range(2))
    assert not np.array_equal(a, b)
    model.eval()
    np.testing.assert_array_equal(functional_call(model, {}, X).data, model(X).data)


@pytest.mark.parametrize(("args", "error", "text"), [
    ((np.tanh, {}, X), TypeError, "needs a Module, got ufunc"),
    ((Linear(2, 1, rng=0), [np.ones(2)], X), TypeError, "needs a dict of name: array, got list"),
    ((Linear(2, 1, rng=0), {"w": np.ones(2)}, X), ValueError, "has no parameters ['w']; it has"),
    ((Linear(2, 1, rng=0), {"weight": np.ones(2)}, X), ValueError, "'weight' needs shape (2, 1), got (2,)"),
    ((Linear(2, 1, rng=0), {"weight": "a"}, X), TypeError, "functional_call: 'weight'"),
])  # fmt: skip
def test_what_is_refused(args, error, text):
    with pytest.raises(error) as caught:
        functional_call(*args)
    assert text in str(caught.value)
