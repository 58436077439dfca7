"""A row for every layer, with the facts that its tests in test_module need.

A new layer is tested as soon as it has a row here, and a test fails until it has one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from models import MLP, Dropout, Linear, Sequential


class Example(NamedTuple):
    """A layer that draws nothing at random, the shape of an input, and what must come out of it."""

    make: Callable
    shape: tuple[int, ...]
    formula: Callable  # of the layer and the input, in NumPy on arrays
    output: tuple[int, ...]


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
