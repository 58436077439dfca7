"""Capturing: running a function once on traced inputs, so that all it does becomes graph.

Inside, every operation on a Tensor is recorded, constants too, and values may not be looked at: `Tensor` refuses
`.item()`, `bool()` and the like through `Capture.forbid`. What the function depended on beside its inputs is noted:
attributes that steered it (a module's `training`), and generators it drew random numbers from.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minigrad.errors import CaptureError
from minigrad.mode import scope, users_line
from minigrad.tensor import Tensor
from minigrad.trees import flatten

__all__ = ["Capture", "captured"]


class Capture:
    """What is known of one run of a function that is being captured.

    guards: (object, attribute, value): the capture is good while the attribute has this value.
    """

    def __init__(self, call: str) -> None:
        self.call = call
        self.guards: list[tuple[Any, str, Any]] = []
        self._generators: dict[int, tuple[np.random.Generator, Any]] = {}

    def depends_on(self, thing: Any, attribute: str) -> None:
        """Python has branched on this attribute; another value needs another capture."""
        guard = (thing, attribute, getattr(thing, attribute))
        if not any(thing is other and attribute == name for other, name, _ in self.guards):
            self.guards.append(guard)

    def draws_from(self, rng: np.random.Generator) -> None:
        """Random numbers are about to be drawn; `restore` will put the generator back."""
        self._generators.setdefault(id(rng), (rng, rng.bit_generator.state))

    @property
    def generators(self) -> list[np.random.Generator]:
        return [rng for rng, _ in self._generators.values()]

    def restore(self) -> None:
        """Put all generators back to where they were: capturing is not a call."""
        for rng, state in self._generators.values():
            rng.bit_generator.state = state

    def forbid(self, x: Tensor, how: str) -> None:
        """Raise, for `how` would look at the value of x, or change it."""
        who = f"Tensor {x.name!r}" if x.name else f"the result of {x.op.name}" if x.op else "a Tensor"
        raise CaptureError(
            f"{self.call}: {how} on {who} of shape {x.shape} at {users_line()}. While a function is captured there are no "
            f"values to look at or change, only operations to write down: what happened here would be frozen for all later "
            f"calls. Use NumPy's functions on the Tensor itself (np.where for a choice), do this outside the compiled "
            f"function, or do not compile it."
        )


def captured(
    f: Callable[..., Any], values: Sequence[Any], names: Sequence[str], build: Callable[[Sequence[Any]], Any], call: str
) -> tuple[list[Tensor], list[Any], Callable[[Sequence[Any]], Any], Capture]:
    """Run `f(*args, **kwargs)` with (args, kwargs) = build(traced values).

    Returns:
        The traced inputs, the leaves of f's result, the function that builds the result from such leaves, and the capture.
    """
    capture = Capture(call)
    try:
        with scope(recording=True, capturing=capture, phase="forward"):
            inputs = [Tensor(value, name=name) for value, name in zip(values, names, strict=True)]
            args, kwargs = build(inputs)
            outputs, build_out = flatten(f(*args, **kwargs))
    finally:
        capture.restore()
    return inputs, outputs, build_out, capture
