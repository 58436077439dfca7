"""minigrad's own errors, each also the built-in kind that a caller would expect; and helpers for messages."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

__all__ = ["CaptureError", "DerivativeError", "StaleGraphError", "described", "line_of", "rephrased"]


class CaptureError(TypeError):
    """A function cannot be replayed: what it did during capture would be frozen, and later calls wrong."""


class StaleGraphError(RuntimeError):
    """A leaf was changed after the graph was recorded, so the graph's derivative would be that of another
    function."""


class DerivativeError(AssertionError):
    """A derivative rule is wrong; the message names the op or function, the mode, and the error."""


def described(args: Iterable[Any]) -> str:
    """Operands as an error shows them: "(3, 2) float64, 2.0"."""
    return ", ".join(f"{x.shape} {x.dtype}" if isinstance(x, np.ndarray) else repr(x) for x in args)


def rephrased(error: Exception, message: str) -> Exception:
    """An exception with a better message that the handlers written for `error` still catch."""
    for kind in type(error).__mro__:
        if kind in (
            ValueError,
            TypeError,
            IndexError,
            ZeroDivisionError,
            FloatingPointError,
            OverflowError,
            np.linalg.LinAlgError,
            CaptureError,
            DerivativeError,
            StaleGraphError,
            NotImplementedError,
            MemoryError,
            RuntimeError,
        ):
            return kind(message)  # type: ignore[no-any-return]  # each of these takes one text
    return RuntimeError(message)


def line_of(node: Any) -> str:
    """ " at train.py:12 in loss" if the line of the user's program that made the node is known, else ""."""
    return f" at {node.mode.line}" if node.mode.line else ""
