"""Graphs of every kind that people draw, for `python -m examples.draw_graphs --all`: scalars, networks, their
derivatives, blocks, recurrence, attention, update rules, long and wide programs.

`GALLERY` maps the name of each to a function that returns its Drawing. `tests/examples/drawn_sizes.json` says
how large each may be; it is the `sizes.json` that the command writes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import optim
from minigrad import Tensor, draw, grad, hvp, jacobian, logsumexp, relu, sigmoid, softmax
from models import MLP, BatchNorm, Embedding, LayerNorm, Linear, Module, Sequential, cross_entropy, mse_loss

__all__ = ["GALLERY"]

BOTH = ("forward", "backward")
ALL = ("forward", "backward", "tangent")


def _data(rows: int, columns: int) -> Tensor:
    return Tensor(np.random.default_rng(rows).normal(size=(rows, columns)), name="x")


def _regression(*sizes: int, phases: tuple[str, ...] | None = None, **options: Any) -> Any:
    model, x = MLP(sizes, bias=options.pop("bias", True), rng=0), _data(100, sizes[0])
    y = Tensor(np.ones((100, sizes[-1])), name="y")
    return draw(mse_loss(model(x), y), phases=phases, **options)


def _digits(phases: tuple[str, ...] | None = None, **options: Any) -> Any:
    """The network of the README: 64 pixels to ten classes, with its loss."""
    model, y = MLP((64, 64, 32, 10), activation="relu", rng=0), np.arange(20) % 10
    return draw(cross_entropy(model(_data(20, 64)), y), phases=phases, **options)


# Scalars and formulas


def _expression() -> Any:
    a, b, c = (Tensor(v, requires_grad=True, name=n) for n, v in (("a", 2.0), ("b", -3.0), ("c", 10.0)))
    return draw((a * b + c) * -2.0)


def _rosenbrock(x: Any) -> Any:
    return 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2


def _scalar_network(samples: int) -> Any:
    """A network of scalars with two inputs and four hidden neurons, as the lecture writes it."""
    rng = np.random.default_rng(0)

    def leaf(name: str) -> Tensor:
        return Tensor(rng.normal(), requires_grad=True, name=name)

    hidden = [[leaf(f"w{i}{j}") for j in range(2)] + [leaf(f"b{i}")] for i in range(4)]
    last = [leaf(f"v{i}") for i in range(4)]
    loss: Any = 0.0
    for _ in range(samples):
        x = rng.normal(size=2)
        h: list[Any] = [np.tanh(a * x[0] + b * x[1] + c) for a, b, c in hidden]
        loss = loss + (sum(v * u for v, u in zip(last, h, strict=True)) - 1.0) ** 2
    return draw(loss)


def _logistic(w: Any) -> Any:
    x, y = np.random.default_rng(1).normal(size=(50, 4)), np.ones(50)
    return np.mean(np.log(1 + np.exp(-y * (x @ w))))


def _mixture(μ: Any, σ: Any) -> Any:
    x = np.linspace(-2, 2, 30)[:, None]
    return -np.sum(logsumexp(-(((x - μ) / σ) ** 2) / 2 - np.log(σ), axis=1))


# Networks


class _Block(Module):
    """x + W₂·tanh(W₁·x): the block of a residual network."""

    def __init__(self, n: int) -> None:
        self.a, self.b = Linear(n, n, rng=0), Linear(n, n, rng=1)

    def forward(self, x: Any) -> Any:
        return x + self.b(np.tanh(self.a(x)))


class _Residual(Module):
    def __init__(self, count: int, n: int = 16) -> None:
        self.blocks = [_Block(n) for _ in range(count)]

    def forward(self, x: Any) -> Any:
        for block in self.blocks:
            x = block(x)
        return x


def _residual(count: int, phases: tuple[str, ...] | None = None, **options: Any) -> Any:
    return draw(np.mean(_Residual(count)(_data(8, 16)) ** 2), phases=phases, **options)


class _Cell(Module):
    def __init__(self, n_in: int, n: int) -> None:
        self.x, self.h = Linear(n_in, n, rng=0), Linear(n, n, bias=False, rng=1)

    def forward(self, x: Any, h: Any) -> Any:
        return np.tanh(self.x(x) + self.h(h))


class _RNN(Module):
    """Layers of cells over time; the state of each starts at 0."""

    def __init__(self, n_in: int, n: int, layers: int) -> None:
        self.cells = [_Cell(n if k else n_in, n) for k in range(layers)]
        self.n = n

    def forward(self, steps: Any) -> Any:
        h: list[Any] = [np.zeros((4, self.n)) for _ in self.cells]
        for x in steps:
            for k, cell in enumerate(self.cells):
                x = h[k] = cell(x, h[k])
        return h[-1]


def _rnn(steps: int, layers: int = 1, phases: tuple[str, ...] | None = None, **options: Any) -> Any:
    xs = [Tensor(np.ones((4, 3)) * t, name=f"x{t + 1}") for t in range(steps)]
    return draw(np.mean(_RNN(3, 8, layers)(xs) ** 2), phases=phases, **options)


class _Attention(Module):
    def __init__(self, n: int) -> None:
        self.q, self.k, self.v, self.out = (Linear(n, n, bias=False, rng=i) for i in range(4))

    def forward(self, x: Any) -> Any:
        weights = softmax(self.q(x) @ np.swapaxes(self.k(x), -1, -2) / np.sqrt(x.shape[-1]))
        return self.out(weights @ self.v(x))


class _Transformer(Module):
    def __init__(self, n: int) -> None:
        self.attention, self.norm1, self.norm2 = _Attention(n), LayerNorm(n), LayerNorm(n)
        self.up, self.down = Linear(n, 4 * n, rng=4), Linear(4 * n, n, rng=5)

    def forward(self, x: Any) -> Any:
        x = x + self.attention(self.norm1(x))
        return x + self.down(relu(self.up(self.norm2(x))))


class _Stack(Module):
    def __init__(self, count: int, n: int = 8) -> None:
        self.blocks = [_Transformer(n) for _ in range(count)]

    def forward(self, x: Any) -> Any:
        for block in self.blocks:
            x = block(x)
        return x


class _Words(Module):
    """The makemore network: an embedding of three letters, a hidden layer with BatchNorm, the next letter."""

    def __init__(self) -> None:
        self.table, self.hidden = Embedding(27, 10, rng=0), Linear(30, 64, bias=False, rng=1)
        self.norm, self.out = BatchNorm(64), Linear(64, 27, rng=2)

    def forward(self, letters: Any) -> Any:
        return self.out(np.tanh(self.norm(self.hidden(self.table(letters).reshape(-1, 30)))))


def _words() -> Any:
    letters = np.arange(30).reshape(10, 3) % 27
    return draw(cross_entropy(_Words()(letters), np.arange(10)))


def _autoencoder() -> Any:
    code, back = MLP((20, 8, 3), rng=0), MLP((3, 8, 20), rng=1)
    x = _data(16, 20)
    return draw(mse_loss(back(code(x)), x))


def _siamese() -> Any:
    tower, rng = Linear(6, 4, rng=0), np.random.default_rng(2)
    left, right = (Tensor(rng.normal(size=(5, 6)), name=name) for name in ("left", "right"))
    return draw(np.mean((np.tanh(tower(left)) - np.tanh(tower(right))) ** 2))


def _gates() -> Any:
    """A mixture of two experts, chosen by a softmax."""
    gate, first, second, x = Linear(6, 2, rng=0), MLP((6, 8, 3), rng=1), MLP((6, 8, 3), rng=2), _data(5, 6)
    p = softmax(gate(x))
    return draw((p[:, :1] * first(x) + p[:, 1:] * second(x)).sum())


def _lstm() -> Any:
    w, u, b = (Tensor(np.ones(s), requires_grad=True, name=n)
               for n, s in (("W", (3, 16)), ("U", (4, 16)), ("b", (16,))))  # fmt: skip
    x, h, c = (Tensor(np.ones((2, n)), name=name) for name, n in (("x", 3), ("h", 4), ("c", 4)))
    z = x @ w + h @ u + b
    i, f, o, g = sigmoid(z[:, :4]), sigmoid(z[:, 4:8]), sigmoid(z[:, 8:12]), np.tanh(z[:, 12:])
    new = f * c + i * g
    return draw({"h′": o * np.tanh(new), "c′": new})


# Programs that are long or wide


def _newton(x: Any) -> Any:
    """Five steps of Newton's method for the square root."""
    y = x
    for _ in range(5):
        y = (y + x / y) / 2
    return y


def _pendulum(steps: int) -> Any:
    a, v = (Tensor(n, requires_grad=True, name=name) for name, n in (("angle", 1.0), ("velocity", 0.0)))
    angle: Any = a
    speed: Any = v
    for _ in range(steps):
        speed = speed - 0.1 * np.sin(angle)
        angle = angle + 0.1 * speed
    return draw(angle)


def _fan(width: int) -> Any:
    x = _data(4, 3)
    heads = [np.tanh(Linear(3, 2, rng=k)(x)).sum() for k in range(width)]
    return draw(sum(heads))


def _rule(make: Callable[..., Any]) -> Any:
    return draw(make([Tensor(np.ones(3), requires_grad=True, name="w")], lr=0.01))


def _square(x: Any) -> Any:
    return np.sum(np.sin(x) ** 2)


GALLERY: dict[str, Callable[[], Any]] = {
    "expression": _expression,
    "rosenbrock": lambda: draw(_rosenbrock, np.array([-1.2, 1.0])),
    "rosenbrock_gradient": lambda: draw(grad(_rosenbrock), np.array([-1.2, 1.0])),
    "scalar_network": lambda: _scalar_network(1),
    "scalar_network_batch": lambda: _scalar_network(4),
    "logistic": lambda: draw(_logistic, np.ones(4)),
    "mixture": lambda: draw(_mixture, np.zeros(2), np.ones(2)),
    "mlp": lambda: _regression(64, 32, 10),
    "mlp_backward": lambda: _regression(64, 32, 10, phases=BOTH),
    "mlp_backward_only": lambda: _regression(64, 32, 10, phases=("backward",)),
    "digits": _digits,
    "digits_outside": lambda: _digits(parameters="outside"),
    "digits_down": lambda: _digits(direction="down"),
    "digits_backward": lambda: _digits(BOTH),
    "digits_values": lambda: _digits(show={"shape", "value", "grad"}),
    "hv_two_layers": lambda: _regression(64, 32, 10, phases=ALL),
    "hv_three_layers": lambda: _regression(64, 32, 16, 10, phases=ALL),
    "mlp_13_layers": lambda: _regression(*[8] * 14),
    "mlp_40_layers": lambda: _regression(*[8] * 41),
    "mlp_40_layers_backward": lambda: _regression(*[8] * 41, phases=BOTH),
    "residual_3": lambda: _residual(3),
    "residual_3_backward": lambda: _residual(3, BOTH),
    "residual_3_modules": lambda: _residual(3, fold="modules"),
    "residual_12": lambda: _residual(12),
    "rnn_5": lambda: _rnn(5),
    "rnn_5_backward": lambda: _rnn(5, phases=BOTH),
    "rnn_20": lambda: _rnn(20),
    "rnn_20_right": lambda: _rnn(20, direction="right"),
    "rnn_20_backward": lambda: _rnn(20, phases=BOTH),
    "rnn_4_layers_2": lambda: _rnn(4, 2, fold="formulas"),
    "rnn_4_layers_2_backward": lambda: _rnn(4, 2, BOTH, fold="formulas"),
    "lstm_step": _lstm,
    "attention": lambda: draw(_Attention(8), np.ones((5, 8))),
    "transformer_block": lambda: draw(_Transformer(8), np.ones((5, 8))),
    "transformer_3_modules": lambda: draw(_Stack(3), np.ones((5, 8)), fold="modules"),
    "words": _words,
    "autoencoder": _autoencoder,
    "siamese": _siamese,
    "experts": _gates,
    "sequential": lambda: draw(
        Sequential(Linear(4, 8, rng=0), relu, LayerNorm(8), Linear(8, 2, rng=1)), np.ones((3, 4))
    ),
    "newton": lambda: draw(_newton, 2.0),
    "pendulum": lambda: _pendulum(30),
    "fan": lambda: _fan(8),
    "hvp": lambda: draw(lambda x, v: hvp(_square, x, v), np.ones(3), np.ones(3)),
    "jacobian": lambda: draw(jacobian(lambda t: np.sin(t) * t[::-1]), np.ones(3)),
    "momentum": lambda: _rule(optim.Momentum),
    "nadam": lambda: _rule(optim.NAdam),
    "lion": lambda: _rule(optim.Lion),
}  # fmt: skip
