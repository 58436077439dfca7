"""The lecture: what each method of training does, as pictures and numbers.

A topic is a file here. Its docstring teaches and derives what is to be expected; `numbers()` measures it
and returns rows of what was found beside what was predicted; `draw(plt)` makes its picture. The order of
`TOPICS` is that of the lecture.

    python -m examples.lecture                 all topics, and the page runs/lecture/index.html
"""

from importlib import import_module
from typing import Any

TOPICS = (
    "gradient_descent", "learning_rate", "narrow_valley", "plateau", "local_minima", "saddle",
    "momentum_as_average", "second_moment", "bias_correction", "adam", "newton_1d", "newton_nd", "summary",
    "rate_in_the_middle", "topological_order",
)  # fmt: skip


def topic(number: int) -> Any:
    """The module of a topic; the first is 1."""
    return import_module(f"{__name__}.{TOPICS[number - 1]}")
