"""The errors of our own; each is also the built-in kind a caller would expect to catch."""

from __future__ import annotations

__all__ = ["DerivativeError", "StaleGraphError"]


class StaleGraphError(RuntimeError):
    """A leaf was changed after the graph was recorded, so the graph's derivative would be that of another function."""


class DerivativeError(AssertionError):
    """A derivative rule disagrees with the truth; says which op or function, which mode, and how far off."""
