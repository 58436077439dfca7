"""Parameters as one vector: groups, a parameter's place in its group, and the stretches that are updated
together.

Each group keeps its parameters in one vector `w`, of which every parameter's array is a view, and the
optimizer's state in vectors of the same length.

Names: `w` weights, `g` gradient, `lo hi` the ends of a stretch of the group's vectors, `param` one
parameter's slice of them, `counters` the numbers that are kept for each parameter: its step count t and
whatever else the rule counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from minigrad import Tensor
from minigrad.extend import Packing, aligned, move_on, numeric

__all__ = ["Array", "ParamGroup", "ParamSlice", "Segment", "Values"]

Array: TypeAlias = NDArray[Any]
Values: TypeAlias = dict[str, Any]

# elements from which a parameter is a segment by itself, because its gradient is then not copied
LARGE = 1 << 15


@dataclass(slots=True, eq=False)
class ParamSlice:
    """One parameter and its place in the vectors of its group."""

    tensor: Tensor
    name: str
    shape: tuple[int, ...]
    lo: int
    hi: int
    counters: dict[str, Any]
    view: Array | None = None
    grad: Array | None = None  # its view into the group's `g`, where a replay writes


@dataclass(slots=True, eq=False)
class Segment:
    """Consecutive parameters that are updated together, with their gradients."""

    slices: list[ParamSlice]
    lo: int
    hi: int
    counters: dict[str, Any]
    grads: list[Array]
    joined: Array | None = None  # the gradients as one vector, where they were computed as one

    def gradient(self, maximize: bool) -> Array:
        if self.joined is not None:
            g = self.joined
        else:
            flat = [g.reshape(-1) for g in self.grads]
            g = flat[0] if len(flat) == 1 else np.concatenate(flat)
        return -g if maximize else g


class ParamGroup(MutableMapping[str, Any]):
    """Parameters with options of their own. It reads like a dict, but every assignment is checked.

    `group["params"]` is the tuple of parameters; the other keys are the optimizer's options and `initial_lr`,
    which schedules start from.

    Args:
        named: the names and parameters, all of one dtype.
        options: the group's options, already checked.
        check: takes options and returns them as plain values, or raises.
        starts: for the name of each state vector, the number that fills it at the beginning.
        scalars: the initial values of the numbers that are counted for each parameter beside its steps.
    """

    def __init__(
        self,
        named: Sequence[tuple[str, Tensor]],
        options: Values,
        check: Callable[[Values], Values],
        starts: Mapping[str, float],
        scalars: Values,
    ) -> None:
        self.options, self._check = options, check
        self.dtype = named[0][1].dtype
        self._note_options()
        packing = Packing([p for _, p in named])
        self.slices = [
            ParamSlice(p, name, p.shape, place.start, place.stop, {"t": 0, **scalars})
            for (name, p), place in zip(named, packing.places, strict=True)
        ]
        self.w = aligned(packing.n, self.dtype)
        self.state = {name: aligned(packing.n, self.dtype, np.zeros) for name in starts}
        for name, start in starts.items():
            if start:  # zeros are pages that nobody has touched yet
                self.state[name].fill(start)
        self.vectors = (self.w, *self.state.values())
        self.updated: tuple[Array, ...] = self.vectors  # and one for the step, if that was asked for
        self.g: Array | None = None
        self.prepared: list[tuple[Tensor, Array | None, bool]] = []  # (parameter, its array, was it live)
        self.joint: Segment | None = None  # all parameters as one segment, if all of them are live
        self.written: set[str] = set()  # the vectors a rule has returned: of its state, only these are saved

    def __getitem__(self, key: str) -> Any:
        if key == "params":
            return tuple(param.tensor for param in self.slices)
        return self.options[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.update({key: value})

    def update(self, *args: Any, **kwargs: Any) -> None:
        """Set several options at once; they are checked together, and if one is refused none is set."""
        changes = dict(*args, **kwargs)
        if "params" in changes:
            raise ValueError("the parameters of a group are fixed; add others with `add_param_group`.")
        self.options = self._check(self.options | changes)
        self._note_options()

    def __delitem__(self, key: str) -> None:
        raise TypeError(f"options of a group cannot be removed; set group[{key!r}] to the value wanted.")

    def __iter__(self) -> Iterator[str]:
        return iter(("params", *self.options))

    def __len__(self) -> int:
        return 1 + len(self.options)

    def __repr__(self) -> str:
        options = ", ".join(f"{key}: {value!r}" for key, value in self.options.items())
        return f"{{params: {[param.name for param in self.slices]}, {options}}}"

    def __getstate__(self) -> Values:
        """Leave out the step of an update, and the vectors that a replay writes to, whose views would become
        other arrays in a copy."""
        return self.__dict__ | {"g": None, "prepared": [], "joint": None, "updated": self.vectors}

    def _note_options(self) -> None:
        """Split the options into those that the rule is given and those that its program depends on."""
        self.for_rule = {
            key: value for key, value in self.options.items() if key not in ("maximize", "initial_lr")
        }
        if "eps" in self.for_rule:  # a weight that has never had a slope moves by 0/ε, which must not be 0/0
            self.for_rule["eps"] = max(self.options["eps"], float(np.finfo(self.dtype).tiny))
        self.kinds = (self.dtype.char, *map(_kind_of, self.for_rule.values()))

    def keep_step(self) -> Array:
        """Let each update leave its step, which it subtracted from w, in the vector that is returned."""
        step: Array = aligned(self.w.size, self.dtype, np.zeros)
        self.updated = (*self.vectors, step)
        return step

    def leave_step(self, step: Array) -> None:
        """Leave the step there no longer, unless another vector has been asked for since."""
        if self.updated[-1] is step:
            self.updated = self.vectors

    def adopt(self, param: ParamSlice) -> None:
        """Copy the parameter's present values into our vector and make its array a view of that."""
        p, before = param.tensor, param.tensor.primal
        param.view = self.w[param.lo : param.hi].reshape(param.shape)
        param.view[...] = before
        p.primal = param.view
        move_on(p, before)

    def prepare(self) -> list[ParamSlice]:
        """Make the vector that gradients are written to, with views into it. Return the live parameters."""
        if self.g is None:
            self.g = aligned(self.w.size, self.dtype, np.zeros)
            for param in self.slices:
                param.grad = self.g[param.lo : param.hi].reshape(param.shape)
        for param in self.slices:
            if param.tensor.primal is not param.view:  # another optimizer has adopted it since
                self.adopt(param)
            if not param.tensor.requires_grad:
                param.tensor.grad = None
        self.prepared = [(param.tensor, param.view, param.tensor.requires_grad) for param in self.slices]
        live = [param for param in self.slices if param.tensor.requires_grad]
        self.joint = (
            Segment(self.slices, 0, self.w.size, {}, [], self.g) if len(live) == len(self.slices) else None
        )
        return live

    def as_prepared(self) -> bool:
        """Whether the same parameters require a gradient, in the same arrays, as when `prepare` was
        called."""
        for p, data, live in self.prepared:  # noqa: SIM110  # at every step; all() of a generator takes twice as long
            if p.primal is not data or p.active is not live:
                return False
        return True

    def whole(self) -> Segment | None:
        """All parameters as one segment, if all are live and share their counters.

        Call it after a replay has reached all of them.
        """
        if self.joint is not None:
            counters = self.joint.counters = self.slices[0].counters
            for param in self.slices:
                if param.counters is not counters:
                    return None
        return self.joint

    def segments(self, call: str) -> list[Segment]:
        """The parameters that have a gradient, in as few segments as possible; `call` is named in errors.

        A large parameter is a segment by itself, so that its gradient need not be copied.
        """
        found: list[Segment] = []
        last = None
        for param in self.slices:
            p = param.tensor
            if p.primal is not param.view:  # another optimizer has adopted it since
                self.adopt(param)
            grad = p.gradient
            if grad is None or not p.active:
                continue
            if grad.__class__ is not np.ndarray:
                grad = numeric(grad.primal if isinstance(grad, Tensor) else grad, f"{param.name}.grad")
            if grad.shape != param.shape:
                raise ValueError(
                    f"`{call}.step()` needs {param.name}.grad of shape {param.shape}, got {grad.shape}."
                )
            if grad.dtype is not self.dtype:
                grad = grad.astype(self.dtype, casting="same_kind")
            lo, hi = param.lo, param.hi
            if (
                last is not None
                and last.hi == lo
                and last.counters == param.counters
                and hi - lo < LARGE > last.grads[-1].size
            ):
                last.slices.append(param)
                last.grads.append(grad)
                last.hi = hi
            else:
                last = Segment([param], lo, hi, param.counters, [grad])
                found.append(last)
        return found


def _kind_of(number: Any) -> Any:
    """The part of an option that a program depends on: whether a number is 0, or any other value."""
    if isinstance(number, tuple):
        return tuple(map(_kind_of, number))
    return number if number is None or isinstance(number, bool | str) else number == 0
