"""Capturing: a function runs once on traced inputs, so that all its operations become a graph.

While it runs, every operation on a Tensor is recorded, constants too, and values may not be looked at:
`Tensor` refuses `.item()`, `bool()` and the like through `Capture.forbid`. The capture notes what else the
function depended on: all contents of a `Watched` object from which it read anything (a module's `training`
switch, a parameter, a list of layers), arrays whose values decided about shapes or positions, generators
that it drew random numbers from, and what `reached` finds by looking at the function's code. An array that
an operation reads must keep its contents until the run ends, because replays read it only then.

Arrays that modules assign as they run are `Buffers`. What `.data` gives may go into them, and nowhere else.
"""

from __future__ import annotations

import weakref
import zlib
from collections.abc import Callable, Iterable, Sequence
from operator import is_
from typing import Any

import numpy as np

from minigrad.errors import CaptureError
from minigrad.mode import scope, users_line
from minigrad.replay.buffers import Buffer, Buffers
from minigrad.replay.code import evaluated
from minigrad.replay.reached import ABSENT, SMALL, Reached, Slot, is_scalar, plain_state, same_scalar
from minigrad.tensor import Tensor, apply, constant_tensor, detach_op
from minigrad.trees import flatten

__all__ = ["Capture", "captured", "mark"]

SEPARATE = 32  # containers of more items are compared by one call, not item by item


class Capture:
    """The record of one run of a function that is being captured.

    Attributes:
        draws: the nodes that are random numbers, in order. They are drawn at each call, even if unused.
        leaves: Tensors from outside that the function reached.
        own: plain arrays that the function made with `minigrad.numpy`, by id. It may change them as it runs.
        computed: whether one of these decided positions; the contents of every outer array then count.
        buffers: what modules assign as they run; None if that is not allowed.
    """

    def __init__(self, call: str, buffers: Buffers | None = None) -> None:
        self.call, self.buffers = call, buffers
        self.assigned: dict[tuple[int, str], Tensor] = {}  # the values of buffers so far, in this run
        self._kept: list[Tensor] = []  # all values that were assigned
        self._left: list[tuple[Tensor, str]] = []  # what `.data` gave, and the refusal of any other use
        self._modules: dict[int, Any] = {}  # `__dict__`s of modules that the function made
        self.draws: list[Tensor] = []
        self.leaves: list[Tensor] = []
        self.own: dict[int, Any] = {}
        self.computed = False
        self._live: list[bool] = []
        self._indices: list[tuple[Tensor, int]] = []
        self._contents: dict[int, tuple[dict[str, Any] | list[Any], Sequence[Any], tuple[Any, ...], str]] = {}
        self._inner: set[int] = set()  # ids of containers inside others; for such dicts the order may matter
        self._switched = ""  # names what was changed during the capture, even if it was changed back
        self._values: list[tuple[Any, Any]] = []
        self._slots: list[Slot] = []
        self._read: list[tuple[Any, bytes, str]] = []  # arrays that plain NumPy may have read
        self._generators: dict[int, tuple[np.random.Generator, Any]] = {}
        self._drawn: dict[int, Any] = {}  # id of a bit generator → its state after the last `uniform`
        self.drew_directly = False  # numbers were drawn beside those of `uniform`
        self._shown: dict[int, Tensor] = {}
        self._marks: dict[int, tuple[Any, Any, str]] = {}  # of writable arrays, with the lines
        self._made: list[weakref.ref[Tensor]] = []
        self._sources: dict[int, tuple[Any, Any]] = {}

    @property
    def operations(self) -> int:
        """How many operations have been recorded, up to those of the inputs."""
        return len(self._made)

    # Dependencies

    def reaches(self, leaf: Tensor) -> None:
        """Note a leaf from outside, and whether it is live, which may decide a derivative (at a tie)."""
        if any(leaf is known for known in self.leaves):
            return
        self.leaves.append(leaf)
        self._live.append(leaf.active)

    def depends_on_index(self, leaf: Tensor) -> None:
        """Let the capture hold only while the leaf is not changed."""
        self._indices.append((leaf, leaf.index))

    def depends_on_contents(self, container: dict[str, Any] | list[Any] | tuple[Any, ...], what: str) -> None:
        """Let the capture hold only while a container, and each one inside it, holds these very objects.

        A container is a dict (such as `vars(module)`), a list or a tuple; `what` names it in errors.
        """
        known = self._contents.get(id(container))
        if known is not None:
            self._switched = self._switched or (what if self._differs(container, *known[1:3]) else "")
            return
        items = tuple(container.values() if isinstance(container, dict) else container)
        if not isinstance(container, tuple):  # a tuple cannot change, but what it holds can
            keys = tuple(container) if isinstance(container, dict) else range(len(items))
            self._contents[id(container)] = (container, keys, items, what)
        for x in items:
            if isinstance(x, dict | list | tuple):
                self._inner.add(id(x))
                self.depends_on_contents(x, what)

    # Buffers

    def makes(self, attributes: dict[str, Any]) -> None:
        """Note the `__dict__` of a module that is made in this run; its arrays are the function's own."""
        self._modules[id(attributes)] = attributes

    def made(self, attributes: dict[str, Any]) -> bool:
        """Whether this is the `__dict__` of a module that was made in this run."""
        return id(attributes) in self._modules

    def attribute(self, kind: type, owner: dict[str, Any], key: str) -> Any:
        """What the function gets that reads the array in an attribute of a module of class `kind`."""
        if self.buffers is None:
            return owner[key]
        buffer = self.buffers.of(kind, owner, key)
        return owner[key] if buffer is None else self.assigned.get((id(owner), key), buffer.leaf)

    def assign(self, kind: type, owner: dict[str, Any], key: str, value: Any) -> None:
        """Note that the function assigns `value` to the attribute `key`, which holds an array."""
        if self.made(owner):
            owner[key] = self._keep(value) if isinstance(value, Tensor) else value
            return
        self.depends_on_contents(owner, f"what a {kind.__name__} holds")
        buffer = None if self.buffers is None else self.buffers.of(kind, owner, key)
        if buffer is None or not isinstance(value, Tensor | np.ndarray):
            raise CaptureError(
                f"{self.call}: {kind.__name__}.{key} is assigned at {users_line()}. While a function is "
                "captured, an array of a module can be replaced by an array alone, and by its `forward` or a "
                "method that this calls. Do so there, outside of the compiled function, or do not compile it."
            )
        if not isinstance(value, Tensor):
            value = constant_tensor(np.array(value))
        if value.dtype != buffer.kind[1] and buffer.in_place:
            value = value.astype(buffer.kind[1])
        self.assigned[id(owner), key] = self._keep(value)

    def _keep(self, value: Tensor) -> Tensor:
        self._kept.append(apply(detach_op, (value,), {}))
        return self._kept[-1]

    def values_of(self, buffers: Sequence[Buffer]) -> list[Tensor | None]:
        """The new values of buffers; None for one that this run has not assigned."""
        return [self.assigned.get((id(b.owner), b.key)) for b in buffers]

    def value(self, x: Tensor, how: str) -> Tensor:
        """What `.data` of x gives during the run: a constant that is recorded, to be kept in a buffer."""
        if self.buffers is None:
            self.forbid(x, how)
        detached = apply(detach_op, (x,), {})
        self._left.append((detached, self.refusal(x, how)))
        return detached

    def require_kept(self, outputs: Sequence[Any]) -> None:
        """Raise CaptureError if what `.data` gave went into a result, or anywhere but into a buffer."""
        if self._left:
            used, saved = _behind(outputs, {x.index for x in self._kept}), _behind(self._kept, set())
            for detached, refusal in self._left:
                if detached.index in used or detached.index not in saved:
                    raise CaptureError(refusal)

    def refused(self, error: BaseException) -> str:
        """Why the run may have failed: `.data` gave it a Tensor in place of an array. Else ""."""
        failed = isinstance(error, Exception) and not isinstance(error, CaptureError)
        return self._left[0][1] if failed and self._left else ""

    def depends_on_values(self, array: Any) -> None:
        """Let the capture hold only while an array has these values, which decided a shape or positions."""
        self._values.append((array, array.copy()))

    def follow(self, found: Reached, computed: bool) -> None:
        """Let the capture hold only while what the function reads is as it was found.

        Operations on Tensors read arrays anew. If some array or NumPy number was `computed` without Tensors,
        the contents of every array count; if none was, those of small ones, which may have decided a branch.
        """
        self._slots = [slot for slot in found.slots.values() if id(slot.owner) not in self._contents]
        for i, (container, keys, items, what) in found.containers.items():
            known = keys if isinstance(container, dict) else range(len(items))
            self._contents.setdefault(i, (container, known, items, f"what {what} holds"))
        written = {id(b.owner[b.key]) for b in self.buffers.written if b.in_place} if self.buffers else set()
        for array, data, what in found.arrays.values():
            if id(array) in written:  # a replay reads it anew, and changes it
                continue
            if (data is not None or computed) and not array.dtype.hasobject and _writable(array):
                self._read.append((array, array.tobytes() if data is None else data, f"`{what}`"))

    def changed(self) -> str:
        """Name the first dependency that changed since, or during, the capture; "" if none did."""
        if self._switched:
            return self._switched
        for container, keys, items, what in self._contents.values():
            if self._differs(container, keys, items):
                return what
        if any(leaf.active is not live for leaf, live in zip(self.leaves, self._live, strict=True)):
            return "requires_grad of a Tensor that it reaches"
        if any(leaf.index != index for leaf, index in self._indices):
            return "a Tensor that a vjp or linearize made outside depends on"
        if any(not np.array_equal(array, values) for array, values in self._values):
            return "an array used as an index or mask"
        for slot in self._slots:
            now = slot.now()
            if now is not slot.value and not same_scalar(now, slot.value):
                return slot.what
        return next((f"the array {what}" for x, data, what in self._read if x.tobytes() != data), "")

    def _buffer(self, container: Any, key: Any) -> Buffer | None:
        return self.buffers.known.get((id(container), key)) if self.buffers else None

    def _differs(self, container: Any, keys: Sequence[Any], items: Sequence[Any]) -> bool:
        """Whether a container holds other objects than `items`; a buffer may be another array of its kind."""
        now = container.values() if isinstance(container, dict) else container
        if len(now) != len(items):
            return True
        if self.buffers is None or not self.buffers.known or not isinstance(container, dict):
            return not all(map(is_, now, items))
        known = [self._buffer(container, key) for key in keys]
        return not all(x is y or (b and b.fits(x)) for x, y, b in zip(now, items, known, strict=True))

    def guard(self) -> Callable[[], bool] | None:
        """`not changed()` as one generated expression; None if nothing can change.

        It runs at every call, so it has to be fast. It raises KeyError if an attribute has been renamed,
        and ValueError if a closure variable has been deleted.
        """
        tests: list[str] = []
        scope: dict[str, Any] = {"same": np.array_equal, "alike": same_scalar, "absent": ABSENT, "all": all}
        scope |= {"map": map, "is_": is_}

        def named(x: Any) -> str:
            scope[f"g{len(scope)}"] = x
            return f"g{len(scope) - 1}"

        def unchanged(text: str, x: Any) -> str:
            name = named(x)
            return f"({text} is {name} or alike({text}, {name}))" if is_scalar(x) else f"{text} is {name}"

        for container, keys, items, _ in self._contents.values():
            name = named(container)
            buffers = [self._buffer(container, key) for key in keys]
            if isinstance(container, set) or (len(items) > SEPARATE and not any(buffers)):
                now = f"{name}.values()" if isinstance(container, dict) else name
                tests.append(f"len({name}) == {len(items)} and all(map(is_, {now}, {named(items)}))")
                continue
            ordered = isinstance(container, dict) and id(container) in self._inner
            tests.append(f"[*{name}] == {named(list(keys))}" if ordered else f"len({name}) == {len(items)}")
            known = [repr(key) if key.__class__ in (str, int) else named(key) for key in keys]
            tests += [
                unchanged(f"{name}[{key}]", x) if buffer is None else f"{named(buffer.fits)}({name}[{key}])"
                for key, x, buffer in zip(known, items, buffers, strict=True)
            ]
        for slot in self._slots:
            if slot.kind == "item":
                tests.append(unchanged(f"{named(slot.owner)}.get({slot.key!r}, absent)", slot.value))
            else:
                tests.append(unchanged(f"{named(slot.owner)}.{slot.key}", slot.value))
        tests += [
            f"{named(leaf)}.active is {live}" for leaf, live in zip(self.leaves, self._live, strict=True)
        ]
        tests += [f"{named(leaf)}.index == {index}" for leaf, index in self._indices]
        tests += [f"same({named(array)}, {named(values)})" for array, values in self._values]
        tests += [f"{named(array)}.tobytes() == {named(data)}" for array, data, _ in self._read]
        return evaluated(f"lambda: {' and '.join(tests)}", scope) if tests else None

    # Recording

    def shown(self, x: Any) -> Any:
        """A Tensor that holds x itself. Operations on it are recorded, so replays see changes of x."""
        if x.__class__ is not np.ndarray:
            return x
        if id(x) not in self._shown:
            self._shown[id(x)] = constant_tensor(x)
            if _writable(x):
                self._marks[id(x)] = (x, mark(x), users_line())
        elif id(x) in self._marks:
            self._require_unwritten(*self._marks[id(x)])
        return self._shown[id(x)]

    def _require_unwritten(self, x: Any, before: Any, line: str) -> None:
        if mark(x) != before:
            raise CaptureError(
                f"{self.call}: the array of shape {x.shape} that is used at {line} was written to "
                "afterwards, while the function was captured. An operation reads its arrays anew in each "
                "replay, so it would find there what was written last. Give each operation its own array, "
                "such as b.copy(), or do not compile the function."
            )

    def require_unwritten(self) -> None:
        """Raise CaptureError if an array was written to after an operation of this run had been given it."""
        for known in self._marks.values():
            self._require_unwritten(*known)

    def operands(self, node: Tensor, inputs: Sequence[Any]) -> Sequence[Any]:
        """The inputs that a new node keeps: those given, with arrays as Tensors."""
        self._made.append(weakref.ref(node))
        for x in inputs:
            if x.__class__ is np.ndarray:
                return tuple(map(self.shown, inputs))
        return inputs

    def copied(self, leaf: Tensor, data: Any) -> None:
        """Note that a leaf was made as a copy of `data`."""
        if isinstance(data, np.ndarray):
            self._sources[id(leaf.primal)] = (leaf.primal, data)

    def source(self, leaf: Tensor) -> Any:
        """The array a leaf was copied from, as long as it still holds the same values; else the copy."""
        copy, data = self._sources.get(id(leaf.primal), (leaf.primal, leaf.primal))
        return data if np.array_equal(copy, data, equal_nan=copy.dtype.kind in "fc") else copy

    def watch(self, nodes: Sequence[Tensor]) -> None:
        """Let `close` take the values out of these nodes too."""
        self._made += map(weakref.ref, nodes)

    def close(self) -> None:
        """Take the values, which would be wrong later, out of all nodes. The graph stays, for pictures."""
        gone: dict[Any, ValuelessArray] = {}
        for ref in self._made:
            node = ref()
            if node is not None:
                shape, dtype = key = node.primal.shape, node.primal.dtype
                if key not in gone:
                    gone[key] = ValuelessArray(shape, dtype, bytes(dtype.itemsize), strides=(0,) * len(shape))
                node.primal = gone[key]
                node.args = ()
        self._sources.clear()  # it holds the arguments and their copies
        self.assigned, self._kept, self._left = {}, [], []

    def draws_from(self, rng: np.random.Generator) -> None:
        """Note the state of a generator before numbers are drawn, so that `restore` can put it back."""
        state = rng.bit_generator.state
        self._generators.setdefault(id(rng), (rng, state))
        self._notice(rng.bit_generator, state)

    def drew(self, rng: np.random.Generator) -> None:
        """Random numbers were drawn; if the generator moves before the next ones, the function moved it."""
        self._drawn[id(rng.bit_generator)] = rng.bit_generator.state

    def _notice(self, bits: Any, state: Any) -> None:
        last = self._drawn.get(id(bits), state)
        self.drew_directly = self.drew_directly or plain_state(last) != plain_state(state)

    @property
    def generators(self) -> list[np.random.Generator]:
        return [rng for rng, _ in self._generators.values()]

    def restore(self) -> None:
        """Put all generators back to where they were, because capturing is not a call."""
        for rng, _ in self._generators.values():
            self._notice(rng.bit_generator, rng.bit_generator.state)
        for rng, state in reversed(self._generators.values()):  # two of them may share a bit generator
            rng.bit_generator.state = state

    def forbid(self, x: Tensor, how: str) -> None:
        """Raise CaptureError, because `how` would look at the value of x or change it."""
        raise CaptureError(self.refusal(x, how))

    def refusal(self, x: Tensor, how: str) -> str:
        who = f"Tensor {x.name!r}" if x.name else f"the result of {x.op.name}" if x.op else "a Tensor"
        return (
            f"{self.call}: {how} on {who} of shape {x.shape} at {users_line()}. While a function is captured "
            "there are no values to look at or change, only operations to write down: what happened here "
            "would be frozen for all later calls. Use NumPy's functions on the Tensor itself (np.where for "
            "a choice), do this outside the compiled function, or do not compile it."
        )


class ValuelessArray(np.ndarray[Any, Any]):
    """The shape and dtype of a removed value. Tensors kept from a capture have one; to use it is an error."""

    def _refuse(self, *args: Any, **kwargs: Any) -> Any:
        raise CaptureError(
            "a Tensor from inside a compiled function was kept, in an attribute, a list or a global, and is "
            "used outside. It has no value there, because replays do not update it. Return it from the "
            "function instead."
        )

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return (
            function(*map(np.asarray, args)) if function in (np.ndim, np.shape, np.size) else self._refuse()
        )

    __array_ufunc__ = item = copy = __bool__ = __float__ = __int__ = __index__ = _refuse
    __getitem__ = astype = dot = sum = tolist = _refuse


def mark(x: Any) -> Any:
    """What differs if the contents of an array do: they themselves if they are short, else a checksum."""
    if x.dtype.hasobject:
        return 0
    if x.nbytes <= SMALL:
        return x.tobytes()
    return zlib.crc32(np.ascontiguousarray(x).reshape(-1).view(np.uint8).data)


def _writable(array: Any) -> bool:
    """Whether somebody can write to the memory of an array."""
    while not array.flags.writeable and isinstance(array.base, np.ndarray):
        array = array.base
    return bool(array.flags.writeable or array.base is not None)


def _behind(outputs: Iterable[Any], without: set[int]) -> set[int]:
    """The indices of the nodes that lead to `outputs`, but not by way of the nodes `without`."""
    seen: set[int] = set()
    todo = [x for x in outputs if isinstance(x, Tensor)]
    while todo:
        x = todo.pop()
        if x.index not in seen and x.index not in without:
            seen.add(x.index)
            todo += [y for y in x.inputs if isinstance(y, Tensor)]
    return seen


def captured(
    f: Callable[..., Any],
    values: Sequence[Any],
    names: Sequence[str],
    build: Callable[[Sequence[Any]], Any],
    call: str,
    buffers: Buffers | None = None,
) -> tuple[list[Tensor], list[Any], Callable[[Sequence[Any]], Any], Capture]:
    """Capture a run of `f(*args, **kwargs)`, where (args, kwargs) = build(traced values).

    Returns:
        The traced inputs, the leaves of f's result, the function that builds the result from such leaves, and
        the capture.
    """
    capture = Capture(call, buffers)
    try:
        with scope(recording=True, capturing=capture, phase="forward"):
            inputs = [Tensor(value, name=name) for value, name in zip(values, names, strict=True)]
            capture.watch(inputs)
            args, kwargs = build(inputs)
            outputs, build_out = flatten(f(*args, **kwargs))
        capture.require_unwritten()
        capture.require_kept(outputs)
    except BaseException as error:
        refusal = capture.refused(error)
        capture.close()
        if refusal:
            raise CaptureError(refusal) from error
        raise
    finally:
        capture.restore()
    return inputs, outputs, build_out, capture
