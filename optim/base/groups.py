"""Parameters as one vector: groups, a parameter's place in its group, and the stretches that are updated together.

Each group keeps its parameters in one vector `w`, of which every parameter's array is a view, and the optimizer's state in
vectors of the same length. Names: see `optim.base.optimizer`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from minigrad import Tensor
from minigrad.extend import aligned

__all__ = ["Array", "ParamGroup", "Segment", "Slot", "Values"]

Array: TypeAlias = NDArray[Any]
Values: TypeAlias = dict[str, Any]

LARGE = 1 << 15  # elements from which a parameter is a segment by itself, because its gradient is then not copied


@dataclass(slots=True, eq=False)
class Slot:
    """One parameter's place in its group's vectors."""

    tensor: Tensor
    name: str
    shape: tuple[int, ...]
    lo: int
    hi: int
    clock: dict[str, Any]
    view: Array | None = None
    grad: Array | None = None  # its part of the group's vector of gradients, where a replay writes them


@dataclass(slots=True, eq=False)
class Segment:
    """Consecutive parameters that are updated together, with their gradient."""

    slots: list[Slot]
    lo: int
    hi: int
    clock: dict[str, Any]
    grads: list[Array]
    joined: Array | None = None  # the gradients in one piece, if they are

    def gradient(self, maximize: bool) -> Array:
        if self.joined is not None:
            g = self.joined
        else:
            flat = [g.reshape(-1) for g in self.grads]
            g = flat[0] if len(flat) == 1 else np.concatenate(flat)
        return -g if maximize else g


class ParamGroup(MutableMapping[str, Any]):
    """Parameters with options of their own. A dict to look at, but every assignment is checked.

    `group["params"]` is the tuple of parameters; the other keys are the optimizer's options and `initial_lr`, which
    schedules start from.

    Args:
        named: the parameters, of one dtype, with their names.
        options: checked ones.
        check: gives options as they should be, or raises.
        starts: name of each state vector → what it is filled with at the beginning.
        scalars: what is counted for each parameter beside the steps, and from where.
    """

    def __init__(
        self, named: Sequence[tuple[str, Tensor]], options: Values, check: Callable[[Values], Values],
        starts: Mapping[str, float], scalars: Values,
    ) -> None:  # fmt: skip
        self._options, self._check = options, check
        self.dtype = named[0][1].dtype
        self._note_options()
        self.slots: list[Slot] = []
        lo = 0
        for name, p in named:
            self.slots.append(Slot(p, name, p.shape, lo, lo + p.size, {"t": 0, **scalars}))
            lo += p.size
        self.w = aligned(lo, self.dtype)
        self.state = {name: aligned(lo, self.dtype, np.zeros) for name in starts}
        for name, start in starts.items():
            if start:  # zeros are pages that nobody has touched yet
                self.state[name].fill(start)
        self.vectors = (self.w, *self.state.values())
        self.g: Array | None = None
        self.prepared: list[tuple[Tensor, Array | None, bool]] = []  # each with its array and whether it was live then
        self.joint: Segment | None = None  # all parameters in one, if they are all live
        self.written: set[str] = set()  # the state vectors a rule has returned; the others need not be saved

    def __getitem__(self, key: str) -> Any:
        if key == "params":
            return tuple(slot.tensor for slot in self.slots)
        return self._options[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.update({key: value})

    def update(self, *args: Any, **kwargs: Any) -> None:
        """Set several options at once; they are checked together, and if one is refused none is set."""
        changes = dict(*args, **kwargs)
        if "params" in changes:
            raise ValueError("the parameters of a group are fixed; add others with `add_param_group`.")
        self._options = self._check(self._options | changes)
        self._note_options()

    def __delitem__(self, key: str) -> None:
        raise TypeError(f"options of a group cannot be removed; set group[{key!r}] to the value wanted.")

    def __iter__(self) -> Iterator[str]:
        return iter(("params", *self._options))

    def __len__(self) -> int:
        return 1 + len(self._options)

    def __repr__(self) -> str:
        options = ", ".join(f"{key}: {value!r}" for key, value in self._options.items())
        return f"{{params: {[slot.name for slot in self.slots]}, {options}}}"

    def __getstate__(self) -> Values:
        """For copies, in which views are arrays by themselves: what a replay writes to is made again."""
        return self.__dict__ | {"g": None, "prepared": [], "joint": None}

    def _note_options(self) -> None:
        """What the rule is given, and what of it a program depends on."""
        self.for_rule = {key: value for key, value in self._options.items() if key not in ("maximize", "initial_lr")}
        self.kinds = (self.dtype.char, *map(_kind_of, self.for_rule.values()))

    def adopt(self, slot: Slot) -> None:
        """Copy the parameter's present values into our vector and make its array a view of that."""
        p = slot.tensor
        slot.view = self.w[slot.lo : slot.hi].reshape(slot.shape)
        slot.view[...] = p.primal
        p.primal = slot.view

    def prepare(self) -> list[Slot]:
        """Make one vector for the gradients to be written to, and each parameter's part of it. Returns the live parameters."""
        if self.g is None:
            self.g = aligned(self.w.size, self.dtype, np.zeros)
            for slot in self.slots:
                slot.grad = self.g[slot.lo : slot.hi].reshape(slot.shape)
        for slot in self.slots:
            if slot.tensor.primal is not slot.view:  # another optimizer has adopted it since
                self.adopt(slot)
            if not slot.tensor.requires_grad:
                slot.tensor.grad = None
        self.prepared = [(slot.tensor, slot.view, slot.tensor.requires_grad) for slot in self.slots]
        live = [slot for slot in self.slots if slot.tensor.requires_grad]
        self.joint = Segment(self.slots, 0, self.w.size, {}, [], self.g) if len(live) == len(self.slots) else None
        return live

    def as_prepared(self) -> bool:
        """Whether the same parameters require a gradient, in the same arrays, as when `prepare` was called."""
        for p, data, live in self.prepared:  # noqa: SIM110  # at every step; all() of a generator takes twice as long
            if p.primal is not data or p.active is not live:
                return False
        return True

    def whole(self) -> Segment | None:
        """All parameters as one segment, if they all are live and count alike; for use after a replay has reached all."""
        if self.joint is not None:
            clock = self.joint.clock = self.slots[0].clock
            for slot in self.slots:
                if slot.clock is not clock:
                    return None
        return self.joint

    def segments(self, call: str) -> list[Segment]:
        """What has a gradient, in as few stretches as possible. A large parameter is one by itself: that saves a copy."""
        found: list[Segment] = []
        last = None
        for slot in self.slots:
            p = slot.tensor
            if p.primal is not slot.view:  # another optimizer has adopted it since
                self.adopt(slot)
            grad = p.grad
            if grad is None or not p.requires_grad:
                continue
            if grad.__class__ is not np.ndarray:
                grad = np.asarray(grad.primal if isinstance(grad, Tensor) else grad)
            if grad.shape != slot.shape:
                raise ValueError(f"`{call}.step()` needs {slot.name}.grad of shape {slot.shape}, got {grad.shape}.")
            if grad.dtype is not self.dtype:
                grad = grad.astype(self.dtype, casting="same_kind")
            lo, hi = slot.lo, slot.hi
            if last is not None and last.hi == lo and last.clock == slot.clock and hi - lo < LARGE > last.grads[-1].size:
                last.slots.append(slot)
                last.grads.append(grad)
                last.hi = hi
            else:
                last = Segment([slot], lo, hi, slot.clock, [grad])
                found.append(last)
        return found


def _kind_of(number: Any) -> Any:
    """What of a number a program depends on: that it is 0, or its value where it is no number."""
    if isinstance(number, tuple):
        return tuple(map(_kind_of, number))
    return number if number is None or isinstance(number, bool | str) else number == 0
