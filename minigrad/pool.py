"""The values behind an array of `minigrad.numpy`: parts that were recorded one after the other.

An element is named by its position, counted through all parts. Values are added and never change; reading
some positions joins the parts that they lie in and picks from these.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import Any

import numpy as np

from minigrad.errors import CaptureError
from minigrad.mode import current
from minigrad.tensor import ForEach, Op, Tensor

__all__ = ["Pool", "frozen"]

# Joining the parts of a pool

WIDTH = 32  # parts in one op; more are joined in a tree, so that n parts cost about n steps in both modes


def _place(i: int, args: Sequence[Any]) -> tuple[int, int]:
    start = sum([a.size for a in args[:i]])
    return start, start + args[i].size


def _taken(i: int, g: Any, y: Any, *args: Any) -> Any:
    start, stop = _place(i, args)
    return np.reshape(g[..., start:stop], g.shape[:-1] + args[i].shape)


def _put(i: int, t: Any, y: Any, *args: Any) -> Any:
    start, stop = _place(i, args)
    lead = t.shape[: t.ndim - args[i].ndim]
    before, after = np.zeros((*lead, start), t.dtype), np.zeros((*lead, y.size - stop), t.dtype)
    return np.concatenate([before, np.reshape(t, (*lead, stop - start)), after], axis=-1)


array_op = Op(
    "array",
    lambda *args: np.concatenate([a.ravel() for a in args]),
    pulls=ForEach(_taken),
    pushes=ForEach(_put),
    batched=True,
    doc="The elements of all inputs along one axis.",
)


def _joined(parts: Sequence[Any]) -> Any:
    while len(parts) > 1:
        parts = [array_op(*parts[i : i + WIDTH]) for i in range(0, len(parts), WIDTH)]
    return parts[0]


def _picked(whole: Any, at: Any) -> Any:
    """whole.ravel()[at], by a cheaper op if the positions follow each other or are all the same."""
    first, n = int(at.flat[0]), at.size
    if n > 1 and (at == first).all():
        return np.broadcast_to(np.reshape(whole, (-1,))[first], at.shape)
    if not (at.ravel() == np.arange(first, first + n)).all():
        return np.reshape(whole, (-1,))[frozen(np.array(at))]
    if n != whole.size:
        whole = np.reshape(whole, (-1,))[first : first + n]
    return whole if whole.shape == at.shape else np.reshape(whole, at.shape)


def frozen(array: Any) -> Any:
    array.flags.writeable = False
    return array


class Pool:
    """The values that the elements of an array and of its views come from.

    `parts` are Tensors and read-only ndarrays of one dtype; `starts` has the position where each begins.
    `base` has the positions of the array itself, None as long as it is the only part and has no views. It is
    `clean` while it counts through that part. `numbers` says of joined parts which elements were numbers:
    these are numbers again when they are read alone, so that a read of the whole changes no later one.
    """

    base: Any

    __slots__ = ("base", "capturing", "clean", "dtype", "noticed", "numbers", "parts", "size", "starts")

    def __init__(self, parts: list[Any], shape: tuple[int, ...] | None = None) -> None:
        self.parts, self.starts, self.size = parts, [0], 0
        self.numbers: dict[int, Any] = {}
        for part in parts:
            self.size += part.size
            self.starts.append(self.size)
        del self.starts[-1]
        self.dtype = parts[0].dtype
        self.base = None if shape is None else np.arange(self.size).reshape(shape)
        self.clean = shape is None
        self.capturing = self.noticed = current.mode.capturing

    def begin(self) -> Any:
        if self.base is None:
            self.base = np.arange(self.size).reshape(self.parts[0].shape)
        return self.base

    def add(self, value: Any) -> Any:
        """The positions of a new value, which may be any that `held` returns."""
        if self.size > 4 * self.base.size + 64:
            self._gather(self.read(self.base), self._numbers_at(self.base))
        start = self.size
        self.parts.append(value)
        self.starts.append(start)
        self.size += value.size
        return start if not value.ndim else np.arange(start, self.size).reshape(value.shape)

    def _gather(self, value: Any, numbers: Any) -> None:
        self.parts, self.starts, self.size = [value], [0], value.size
        self.numbers = {0: numbers.ravel()} if isinstance(value, Tensor) and numbers.any() else {}
        self.base[...] = np.arange(value.size).reshape(self.base.shape)
        self.clean = True

    def value(self, source: Any) -> Any:
        """The values at a view of `base`. Several parts become one, so that the next read finds that."""
        if source is None or (self.clean and source is self.base):
            return self.parts[0]
        value = self.read(source)
        if source is self.base:
            self._gather(value, self._numbers_at(source))
        elif value.size and not self._in_one_part(source):
            numbers = self._numbers_at(source)
            source[...] = self.add(value)
            if isinstance(value, Tensor) and numbers.any():
                self.numbers[len(self.parts) - 1] = numbers.ravel()
            self.clean = False
        return value

    def _is_number(self, position: int) -> bool:
        k = bisect_right(self.starts, position) - 1
        if k in self.numbers:
            return bool(self.numbers[k][position - self.starts[k]])
        return not isinstance(self.parts[k], Tensor)

    def _numbers_at(self, at: Any) -> Any:
        """Whether there are numbers at some positions, or Tensors."""
        which = np.searchsorted(self.starts, at, "right") - 1
        found = np.array([not isinstance(part, Tensor) for part in self.parts])[which]
        for k, numbers in self.numbers.items():
            here = which == k
            found[here] = numbers[at[here] - self.starts[k]]
        return found

    def _in_one_part(self, at: Any) -> bool:
        last = bisect_right(self.starts, int(at.max())) - 1
        return bool(at.min() >= self.starts[last])

    def read(self, at: Any) -> Any:
        """The values at some positions, in the shape of these."""
        if not at.size:
            return frozen(np.empty(at.shape, self.dtype))
        if self.numbers and self._is_number(int(at.max())) and self._numbers_at(at).all():
            return frozen(np.array([self.element(i) for i in at.ravel().tolist()]).reshape(at.shape))
        first = bisect_right(self.starts, int(at.min())) - 1
        starts = np.array(self.starts[first : bisect_right(self.starts, int(at.max()))])
        if len(starts) == 1:
            value = _picked(self.parts[first], at - starts[0])
        else:
            which = np.searchsorted(starts, at, "right") - 1
            used, which = np.unique(which, return_inverse=True)
            parts = [self.parts[first + i] for i in used.tolist()]
            ends = np.cumsum([0, *[part.size for part in parts]])
            at = at - (starts[used] - ends[:-1])[which.reshape(at.shape)]
            value = _picked(_joined(parts), at)
        return value if isinstance(value, Tensor) else frozen(np.asarray(value))

    def element(self, position: int) -> Any:
        """The value at one position: a Tensor without axes, or a number."""
        k = bisect_right(self.starts, position) - 1
        part = self.parts[k]
        if k in self.numbers and self._is_number(position):
            part = part.primal
        if not part.ndim:
            return part if isinstance(part, Tensor) else part[()]
        place = np.unravel_index(position - self.starts[k], part.shape)
        return part[tuple(map(int, place))]

    def require_own(self) -> None:
        """Raise CaptureError for an array that was made outside of the function that is being captured."""
        if current.mode.capturing is not None and current.mode.capturing is not self.capturing:
            raise CaptureError(
                f"{current.mode.capturing.call}: an array of minigrad.numpy that was made outside of the "
                "function is assigned to, which replays would not repeat. Make the array inside the "
                "function and return it."
            )
