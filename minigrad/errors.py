"""The errors of our own; each is also the built-in kind a caller would expect to catch."""

from __future__ import annotations

__all__ = ["CaptureError", "DerivativeError", "StaleGraphError"]


class CaptureError(TypeError):
    """A function cannot be replayed: what it did while it was captured would be frozen, and a later call wrong."""


class StaleGraphError(RuntimeError):
    """A leaf was changed after the graph was recorded, so the graph's derivative would be that of another function."""


class DerivativeError(AssertionError):
    """A derivative rule disagrees with the truth; says which op or function, which mode, and how far off."""
