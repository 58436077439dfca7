"""The command lines of the examples. A bad argument is refused before any work is done."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from math import isfinite
from pathlib import Path

__all__ = ["folder", "parser", "positive", "whole"]


def parser(module: str, doc: str | None) -> argparse.ArgumentParser:
    """The parser of `python -m module`, described by the first paragraph of the module's docstring `doc`."""
    return argparse.ArgumentParser(prog=f"python -m {module}", description=(doc or "").split("\n\n")[0])


def folder(text: str) -> Path:
    """A folder that can be written to. It is made if it does not exist."""
    path = Path(text)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise argparse.ArgumentTypeError(
            f"must be a folder to write into, got {text!r} ({error.strerror})"
        ) from None
    if not os.access(path, os.W_OK):
        raise argparse.ArgumentTypeError(f"must be a folder to write into, got {text!r} (not writable)")
    return path


def whole(least: int) -> Callable[[str], int]:
    """A function that reads a whole number of at least `least`."""

    def number(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = least - 1
        if value < least:
            raise argparse.ArgumentTypeError(f"must be a whole number of at least {least}, got {text!r}")
        return value

    return number


def positive(text: str) -> float:
    """Read a finite number above 0."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not (value > 0 and isfinite(value)):
        raise argparse.ArgumentTypeError(f"must be a number above 0, got {text!r}")
    return value
