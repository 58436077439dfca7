"""The subjects of the benchmarks, one file each. A file has `build(net, lr) -> Subject`; it is imported only
in its own process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

REFERENCE = "NumPy by hand"
OURS = {"eager": "minigrad", "compiled": "minigrad, compiled"}
FILES = {
    REFERENCE: "by_hand",
    "NumPy, features first": "by_hand_features_first",
    OURS["eager"]: "minigrad_eager",
    OURS["compiled"]: "minigrad_replay",
    "PyTorch": "pytorch_eager",
    "PyTorch, default": "pytorch_default",
    "HIPS autograd": "hips_autograd",
    "JAX": "jax_jit",
}


class Subject(NamedTuple):
    """One implementation, ready to run on one net.

    Adam has β = (0.9, 0.999), ε = 1e-8. Both calls return when the work is done.
    """

    gradient: Callable[[], Any]  # loss and gradients of all parameters, in the library's own form
    # what `gradient` returned, as [loss, ∂W₁, ∂b₁, …] with W (n_in, n_out)
    numbers: Callable[[Any], list[Any]]
    step: Callable[[], Any] | None  # one step of Adam, from zero_grad to the update; returns the loss
    # the function of which `gradient` is the compiled form, for minigrad only,
    uncompiled: Callable[[], Any] | None = None
    capture: Callable[[], Any] | None = None  # the first call of that, compiled,
    twice: Callable[[], Any] | None = None  # and the first two
