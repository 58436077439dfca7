"""A model as a function of its parameters, for what transforms functions: `grad`, `hvp`, `vmap`."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from minigrad import Tensor
from minigrad.extend import constant_tensor, current, entry, numeric, scope
from models.module import Module, walk

__all__ = ["functional_call"]


@entry
def functional_call(model: Module, parameters: Mapping[str, Any], *inputs: Any, **named: Any) -> Any:
    """`model(*inputs)` with other values for its parameters; the model stays as it is.

    The call runs on a copy of the modules that holds the given values. Everything else is shared, such as
    random generators, so Dropout draws new numbers; what `forward` assigns to attributes is gone afterwards.

    Args:
        parameters: arrays or Tensors under the names of `model.state_dict()`; those left out keep the model's
            own Tensors and arrays.
        inputs, named: what the model is called with.

    Raises:
        TypeError: `model` is no Module, or `parameters` no dict.
        ValueError: a name that the model does not have, or a shape that differs.

    >>> import numpy as np
    >>> from minigrad import grad
    >>> from models import Linear
    >>> layer = Linear(2, 1, rng=0)
    >>> of_weights = lambda w: functional_call(layer, {"weight": w}, np.ones((1, 2))).sum()
    >>> grad(of_weights)(np.zeros((2, 1))).tolist()
    [[1.0], [1.0]]
    """
    if not isinstance(model, Module):
        raise TypeError(
            f"functional_call(model, parameters, ...) needs a Module, got {type(model).__name__}."
        )
    if not isinstance(parameters, Mapping):
        raise TypeError(
            f"functional_call(model, parameters, ...) needs a dict of name: array, got "
            f"{type(parameters).__name__}. Pass model.state_dict(), or a part of it."
        )
    mine: dict[str, Any] = dict([*model.named_parameters(), *model.named_buffers()])
    unknown = sorted(parameters.keys() - mine.keys())
    if unknown:
        raise ValueError(f"functional_call: the model has no parameters {unknown}; it has {sorted(mine)}.")
    shared: dict[int, Any] = {
        id(x): x
        for _, x in walk(model, "")
        if not isinstance(x, Module | list | tuple | dict) and not hasattr(type(x), "__dataclass_fields__")
    }
    for name, x in parameters.items():
        if not isinstance(x, Tensor):
            x = numeric(x, f"functional_call: {name!r}")
            x = constant_tensor(x) if isinstance(mine[name], Tensor) else x
        if x.shape != mine[name].shape:
            raise ValueError(f"functional_call: {name!r} needs shape {mine[name].shape}, got {x.shape}.")
        shared[id(mine[name])] = x
    capturing = current.mode.capturing
    with scope(capturing=None):  # a capture depends on the model, not on how its copy is put together
        twin = deepcopy(model, shared)
        copies = [vars(m) for _, m in twin.named_modules()]
    if capturing is not None:
        for attributes in copies:
            capturing.makes(attributes)
    return twin(*inputs, **named)
