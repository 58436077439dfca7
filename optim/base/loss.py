"""The errors for a closure, or a function, that does not return a loss: one real number as a Tensor."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad import Tensor

__all__ = ["no_closure", "no_loss", "not_one_number"]


def no_closure(call: str, given: Any) -> TypeError:
    """The error for a closure that is no function, such as the loss itself."""
    return TypeError(
        f"`{call}` needs a function that computes the loss, got {type(given).__name__}: {given!r:.60}. Write "
        "step(lambda: loss(model(x), y)), or loss.backward() and then step()."
    )


def no_loss(call: str, result: Any) -> TypeError | ValueError:
    """The error for a closure whose `result` is no Tensor, or one of several numbers."""
    if not isinstance(result, Tensor):
        got = f"{result!r:.60}"
        return TypeError(
            f"`{call}`: the closure must return the loss, a Tensor, got {got}. Is `return` missing?"
        )
    got = f"shape {result.shape}"
    return ValueError(f"`{call}`: the loss must be a scalar, got {got}. Reduce it, as with .mean().")


def not_one_number(call: str, giver: str, result: Any) -> ValueError:
    """The error for a function, called `giver`, whose `result` is not one real number."""
    value = np.asarray(result.data if isinstance(result, Tensor) else result)
    got = f"{result!r:.60}" if value.dtype.kind == "O" else f"{value.dtype} of shape {value.shape}"
    remedy = " Reduce it, as with .sum()." if value.size > 1 else ""
    return ValueError(f"`{call}`: {giver} must return one real number, got {got}.{remedy}")
