"""minigrad's own gradient, compiled, as the measure for its Hessian-vector products."""

from __future__ import annotations

from typing import Any

import minigrad as mg
from benchmarks.subjects.minigrad_second import loss_of


def build(task: str) -> Any:
    if not task.startswith("hv"):
        return None
    loss, parameters, v = loss_of(task)
    gradient = mg.compile(mg.value_and_grad(loss))
    return lambda: gradient(parameters), lambda: mg.hvp(loss, parameters, v)
