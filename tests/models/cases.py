"""A row for every layer, with the facts that its tests in test_module need.

A new layer is tested as soon as it has a row here, and a test fails until it has one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from models import MLP, BatchNorm, Dropout, Embedding, LayerNorm, Linear, RMSNorm, Sequential


class Example(NamedTuple):
    """A layer that draws nothing at random, the shape of an input, and what must come out of it."""

    make: Callable
    shape: tuple[int, ...]
    formula: Callable  # of the layer and the input, in NumPy on arrays
    output: tuple[int, ...]
    rows: int = 0  # if not 0, the input is whole numbers below it, which have no derivatives

    def input(self, rng):
        return rng.integers(self.rows, size=self.shape) if self.rows else rng.normal(size=self.shape)


@dataclass(frozen=True)
class Case:
    """One layer.

    kind: the class.
    examples: at least one.
    bad: calls that are refused, each with what the error says (a regular expression).
    """

    kind: type
    examples: list[Example]
    bad: list[tuple[Callable, str]]


def dense(layer, x):
    return x @ layer.weight.data + layer.bias.data


def batch_norm(layer, x):
    axes = tuple(range(x.ndim - 1))
    mean, var = (x.mean(axes), x.var(axes)) if layer.training else (layer.running_mean, layer.running_var)
    return layer.weight.data * (x - mean) / np.sqrt(var + 1e-5) + layer.bias.data


def layer_norm(layer, x):
    y = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)
    return y if layer.weight is None else layer.weight.data * y + layer.bias.data


def rms_norm(layer, x):
    y = x / np.sqrt((x * x).mean(-1, keepdims=True) + 2.0**-52)
    return y if layer.weight is None else layer.weight.data * y


def evaluating(layer):
    layer.running_mean, layer.running_var = np.arange(2.0), np.arange(2.0, 4.0)
    return layer.eval()


CASES = [
    Case(
        Linear,
        examples=[
            Example(lambda: Linear(3, 2), (4, 3), dense, (4, 2)),
            Example(lambda: Linear(3, 2), (2, 4, 3), dense, (2, 4, 2)),
            Example(lambda: Linear(3, 2, bias=False), (4, 3), lambda layer, x: x @ layer.weight.data, (4, 2)),
        ],
        bad=[
            (lambda: Linear(0, 1), r"`Linear\(n_in=\.\.\.\)` must be .* got 0"),
            (lambda: Linear(2, True), "n_out"),
            (lambda: Linear(2, 2, init="best"), "init"),
            (lambda: Linear(2, 2, dtype=int), "dtype"),
            (lambda: Linear(3, 2)(np.ones((4, 5))), r"n_in.*\(4, 5\)"),
        ],
    ),
    Case(
        Embedding,
        examples=[
            Example(lambda: Embedding(5, 2), (4,), lambda layer, i: layer.weight.data[i], (4, 2), 5),
            Example(lambda: Embedding(3, 2), (2, 4), lambda layer, i: layer.weight.data[i], (2, 4, 2), 3),
        ],
        bad=[
            (lambda: Embedding(0, 1), r"`Embedding\(n=\.\.\.\)` must be .* got 0"),
            (lambda: Embedding(2, 1.0), "dim"),
            (lambda: Embedding(2, 2, dtype=int), "dtype"),
            (lambda: Embedding(3, 2)(np.ones(2)), r"whole numbers, got dtype float64.*astype\(int\)"),
            (lambda: Embedding(3, 2)(np.array([True])), "whole numbers, got dtype bool"),
        ],
    ),
    Case(
        BatchNorm,
        examples=[
            Example(lambda: BatchNorm(3), (4, 3), batch_norm, (4, 3)),
            Example(lambda: BatchNorm(3), (2, 4, 3), batch_norm, (2, 4, 3)),
            Example(lambda: evaluating(BatchNorm(2)), (4, 2), batch_norm, (4, 2)),
        ],
        bad=[
            (lambda: BatchNorm(0), r"`BatchNorm\(n=\.\.\.\)` must be .* got 0"),
            (lambda: BatchNorm(2, eps=-1.0), r"`BatchNorm\(eps=\.\.\.\)` must be .* got -1"),
            (lambda: BatchNorm(2, momentum=1.5), r"momentum=.* must be in \[0, 1\], got 1\.5"),
            (lambda: BatchNorm(2, dtype=int), "dtype"),
            (lambda: BatchNorm(3)(np.ones((4, 5))), r"BatchNorm\(3\) needs 3 features .* got shape \(4, 5\)"),
            (lambda: BatchNorm(3)(np.ones((1, 3))), r"at least two values .* got shape \(1, 3\)"),
            (lambda: BatchNorm(3)(np.ones(3)), r"at least two values .* got shape \(3,\)"),
        ],
    ),
    Case(
        LayerNorm,
        examples=[
            Example(lambda: LayerNorm(3), (4, 3), layer_norm, (4, 3)),
            Example(lambda: LayerNorm(3, affine=False), (2, 4, 3), layer_norm, (2, 4, 3)),
        ],
        bad=[
            (lambda: LayerNorm(-1), "n="),
            (lambda: LayerNorm(2, eps=float("nan")), "eps"),
            (lambda: LayerNorm(3)(np.ones(2)), r"LayerNorm\(3\) needs 3 features .* got shape \(2,\)"),
        ],
    ),
    Case(
        RMSNorm,
        examples=[
            Example(lambda: RMSNorm(3), (4, 3), rms_norm, (4, 3)),
            Example(lambda: RMSNorm(3, affine=False), (2, 4, 3), rms_norm, (2, 4, 3)),
        ],
        bad=[
            (lambda: RMSNorm(True), "n="),
            (lambda: RMSNorm(2, eps="small"), "eps"),
            (lambda: RMSNorm(3)(np.float64(1.0)), r"RMSNorm\(3\) needs 3 features .* got shape \(\)"),
        ],
    ),
    Case(
        Dropout,
        examples=[Example(lambda: Dropout(0.5).eval(), (4, 3), lambda layer, x: x, (4, 3))],
        bad=[(lambda: Dropout(1.0), r"\[0, 1\)"), (lambda: Dropout(float("nan")), r"\[0, 1\)")],
    ),
    Case(
        Sequential,
        examples=[
            Example(
                lambda: Sequential(Linear(3, 2), np.tanh, Dropout(0.5)).eval(), (4, 3),
                lambda layer, x: np.tanh(dense(layer.layers[0], x)), (4, 2),
            ),
        ],
        bad=[(lambda: Sequential(3), "position 0")],
    ),
    Case(
        MLP,
        examples=[
            Example(
                lambda: MLP((3, 4, 2)), (5, 3),
                lambda layer, x: dense(layer.layers[1], np.tanh(dense(layer.layers[0], x))), (5, 2),
            ),
        ],
        bad=[
            (lambda: MLP((3,)), "sizes"),
            (lambda: MLP((3, 2), "tan"), "activation"),
            (lambda: MLP((3, 2), 5), "activation"),
        ],
    ),
]  # fmt: skip
EXAMPLES = [example for case in CASES for example in case.examples]
IDS = [f"{case.kind.__name__} {i}" for case in CASES for i in range(len(case.examples))]
BAD = [call for case in CASES for call in case.bad]
