"""The errors of our own, each also the built-in kind a caller would expect to catch; and how others are reworded."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

__all__ = ["CaptureError", "DerivativeError", "StaleGraphError", "described", "rephrased"]


class CaptureError(TypeError):
    """A function cannot be replayed: what it did while it was captured would be frozen, and a later call wrong."""


class StaleGraphError(RuntimeError):
    """A leaf was changed after the graph was recorded, so the graph's derivative would be that of another function."""


class DerivativeError(AssertionError):
    """A derivative rule disagrees with the truth; says which op or function, which mode, and how far off."""


def described(args: Iterable[Any]) -> str:
    """Operands as an error shows them: "(3, 2) float64, 2.0"."""
    return ", ".join(f"{x.shape} {x.dtype}" if isinstance(x, np.ndarray) else repr(x) for x in args)


def rephrased(error: Exception, message: str) -> Exception:
    """An exception with a better message that the handlers written for `error` still catch."""
    for kind in type(error).__mro__:
        if kind in (ValueError, TypeError, IndexError, ZeroDivisionError, FloatingPointError, OverflowError,
                    np.linalg.LinAlgError, CaptureError, DerivativeError, StaleGraphError, NotImplementedError,
                    MemoryError, RuntimeError):  # fmt: skip
            return kind(message)  # type: ignore[no-any-return]  # each of these takes one text
    return RuntimeError(message)
