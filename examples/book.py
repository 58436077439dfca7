"""A book of topics, as the lecture and the gallery are.

A topic is a file of the book's package. The first line of its docstring is its title; `numbers()` returns
`Row`s; `draw(plt)` returns a figure of Matplotlib; `report()`, if there is one, returns a table.
"""

import argparse
from dataclasses import dataclass
from importlib import import_module
from typing import Any


@dataclass(frozen=True)
class Book:
    """opening: of the page; {} in it stands for how many numbers there are. beside: what the measured numbers
    are compared with. topics: the names of their files, in order; the first has the number 1."""

    package: str
    heading: str
    opening: str
    beside: str
    topics: tuple[str, ...]

    def topic(self, number: int) -> Any:
        """The module of a topic."""
        return import_module(f"{self.package}.{self.topics[number - 1]}")

    def title(self, number: int) -> str:
        return str(self.topic(number).__doc__).split("\n", 1)[0]

    def file(self, number: int) -> str:
        """The name of what is written about a topic, without its ending."""
        return f"{number:02}-{self.topics[number - 1].replace('_', '-')}"

    def number(self, text: str) -> int:
        """The number of the topic that a command line names by its number, or by the name of its file."""
        if text in self.topics:
            return self.topics.index(text) + 1
        if text in map(str, range(1, len(self.topics) + 1)):
            return int(text)
        raise argparse.ArgumentTypeError(
            f"must be a number from 1 to {len(self.topics)} or one of {', '.join(self.topics)}, got {text!r}"
        )
