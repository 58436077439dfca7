"""What a function reads beside its arguments, found by looking at its code, so that nothing of it is frozen.

`reached` walks from a function to closure cells, to the globals and attributes that its code names, to
defaults, and to whatever lists, dicts, objects, classes and functions these hold. A capture compares what was
found at each call (`Capture.guard`), and a generator of random numbers that moved while the function ran, or
was made without a seed, is refused, for its numbers would be the same at each call.

Not looked into: functions of installed libraries, attributes whose names are put together at run time, and
more than `MOST` objects. `compile(check=True)` notices these.
"""

from __future__ import annotations

import builtins
import dis
import io
import sys
import types
from collections.abc import Callable, Iterator, Set
from functools import cached_property, lru_cache, partial
from itertools import pairwise
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np

from minigrad.replay.watched import Watched
from minigrad.tensor import Tensor

__all__ = [
    "ABSENT",
    "SMALL",
    "Moving",
    "Reached",
    "Slot",
    "is_scalar",
    "plain_state",
    "reached",
    "same_scalar",
]

MOST = 10_000
SMALL = 1 << 16  # bytes of an array whose contents are compared at each call in any case
LONG = 1_000  # containers of more items are compared, but their items are not looked into
ABSENT = object()

_SCALARS = (int, float, complex, str, bytes, type(None), np.generic)
_OURS = ("minigrad", "models", "optim", "numpy")
_UNNAMED = ("__init__", "__new__", "__repr__", "__init_subclass__", "__set_name__", "__doc__", "__module__")
_NOTING = ("append", "appendleft", "add", "extend", "insert", "update")
_MAKERS = (
    "default_rng",
    "RandomState",
    "SeedSequence",
    "MT19937",
    "PCG64",
    "PCG64DXSM",
    "Philox",
    "SFC64",
    "Random",
)
_WRAPPERS = {property: "fget", staticmethod: "__func__", classmethod: "__func__", cached_property: "func"}


class Slot(NamedTuple):
    """A place that holds a value: a cell, an item of a dict, or an attribute that is no item of one."""

    owner: Any
    kind: str  # cell | item | attribute
    key: Any
    value: Any
    what: str  # the name of the place in errors

    def now(self) -> Any:
        try:
            if self.kind == "item":
                return self.owner.get(self.key, ABSENT)
            return getattr(self.owner, self.key, ABSENT)
        except ValueError:  # an empty cell
            return ABSENT

    def put_back(self) -> bool:
        """Give the place its value again; False if that cannot be done, as in a class."""
        if isinstance(self.owner, types.MappingProxyType):
            return False
        absent = self.value is ABSENT
        if self.kind == "item" and absent:
            del self.owner[self.key]
        elif self.kind == "item":
            self.owner[self.key] = self.value
        elif absent:
            delattr(self.owner, self.key)
        else:
            setattr(self.owner, self.key, self.value)
        return True


class Moving(NamedTuple):
    """A source of random numbers, with the state that it had."""

    get: Callable[[], Any]
    put: Callable[[Any], Any]
    state: Any
    what: str

    def moved(self) -> bool:
        return bool(plain_state(self.get()) != plain_state(self.state))


class Reached:
    """What was found: slots, containers with their items, arrays, sources of random numbers."""

    def __init__(self) -> None:
        self.slots: dict[tuple[int, Any], Slot] = {}
        self.containers: dict[int, tuple[Any, tuple[Any, ...], tuple[Any, ...], str]] = {}
        self.arrays: dict[int, tuple[Any, bytes | None, str]] = {}  # with the contents of small ones
        self.attributes: list[tuple[dict[str, Any], dict[str, Any]]] = []  # of `Watched` objects
        self.iterators: list[tuple[str, bool]] = []  # and whether it is a file
        self.moving: dict[int, Moving] = {}
        self.names: set[str] = set()
        self.uses: set[str] = set()  # the names that are not only noted in
        self.handed: set[str] = set()  # the names of which not only attributes are read
        self.makers: dict[types.CodeType, dict[int, str]] = {}  # where generators are made without a seed
        self._todo: list[tuple[Any, str]] = []
        self._seen: dict[int, Any] = {}

    def changes_by(self, later: Reached) -> str:
        """Name the first number that the function changed between this look and a later one; "" if none.

        What else it changed (a list that it only appends to, the last result it keeps) is taken out of
        `later`: it is the function's own and is not compared.
        """
        for key, slot in self.slots.items():
            now = later.slots.get(key)
            if now is None or now.value is slot.value:
                continue
            if is_scalar(now.value) and is_scalar(slot.value) and slot.value is not None:
                if not same_scalar(now.value, slot.value):
                    return slot.what
            else:
                del later.slots[key]
        for i, (_, keys, items, what) in self.containers.items():
            _, new_keys, new, _ = later.containers.get(i, (None, keys, items, ""))
            if len(items) == len(new) and all(map(_same_item, items, new)):
                continue
            scalars = keys == new_keys and all(is_scalar(a) for a in (*items, *new))
            grows = len(items) != len(new) and what.rpartition(".")[2] in self.uses
            if grows or (len(items) == len(new) and scalars):
                return f"what {what} holds"
            del later.containers[i]
        changed = (
            what for i, (_, data, what) in self.arrays.items() if later.arrays.get(i, (0, data))[1] != data
        )
        return next((f"the array `{what}`" for what in changed), "")

    def iterated(self) -> str:
        """Name an iterator that the function takes items from, as far as its code shows; "" if none."""
        for what, file in self.iterators:
            known = what.rpartition(".")[2] in self.handed or " " in what  # it is a default
            if self.names & {"next", "__next__"} or (known and not file):
                return what
        return ""

    def put_back(self) -> str:
        """Undo what a function did since this look, and name what cannot be undone; "" if all was.

        Arrays of more than `SMALL` bytes, and what lies outside of Python's variables, are not followed.
        """
        for source in self.moving.values():
            source.put(source.state)
        for attributes, before in self.attributes:
            if list(attributes) != list(before) or any(attributes[k] is not v for k, v in before.items()):
                attributes.clear()
                attributes.update(before)
        for container, keys, items, _ in self.containers.values():
            _refill(container, keys, items)
        for array, data, _ in self.arrays.values():
            if data is not None and array.tobytes() != data and array.flags.writeable:
                array[...] = np.frombuffer(data, array.dtype).reshape(array.shape)
        slots = (slot for slot in self.slots.values() if slot.now() is not slot.value)
        lost = [slot.what for slot in slots if not slot.put_back()]
        return lost[0] if lost else self.iterated()

    # The walk

    def walk(self, x: Any, what: str) -> None:
        self._todo.append((x, what))
        while self._todo and len(self._seen) < MOST:
            x, what = self._todo.pop()
            look_into = _looks_into(x.__class__)  # of a proxy, the class of what it stands for
            if look_into is not None and id(x) not in self._seen:
                self._seen[id(x)] = x
                look_into(self, x, what)

    def _push(self, x: Any, what: str) -> None:
        self._todo.append((x, what))

    def _array(self, x: Any, what: str) -> None:
        small = x.nbytes <= SMALL and not x.dtype.hasobject
        self.arrays[id(x)] = (x, x.tobytes() if small else None, what)

    def _generator(self, x: Any, what: str) -> None:
        self.moving[id(x)] = _source(x, what)

    def _method(self, x: Any, what: str) -> None:
        self._todo += (x.__func__, what), (x.__self__, what)

    def _partial(self, x: Any, what: str) -> None:
        self._todo += (x.func, what), (x.args, what), (x.keywords, what)

    def _bound(self, x: Any, what: str) -> None:
        self._push(x.__self__, what)

    def _wrapper(self, x: Any, what: str) -> None:
        self._push(getattr(x, _WRAPPERS[type(x)]), what)

    def _module(self, x: Any, what: str) -> None:
        if not _is_library(x.__name__):
            self._named_items(vars(x), what)

    def _function(self, f: types.FunctionType, what: str) -> None:
        ours = _is_library(f.__module__ or "")
        for name, cell in zip(f.__code__.co_freevars, f.__closure__ or (), strict=True):
            value = Slot(cell, "cell", "cell_contents", None, name).now()
            if not ours:
                self._slot(cell, "cell", "cell_contents", value, name)
            if not ours or callable(value):
                self._push(value, name)
        if ours:
            for other in vars(f).get("others", ()):
                self._push(other, type(other).__name__)
        else:
            self._code(f)

    def _code(self, f: types.FunctionType) -> None:
        names, uses, handed, makers = _looked_at(f.__code__)
        self.names |= names.keys()
        self.uses |= uses
        self.handed |= handed
        self.makers |= makers
        for name in names:
            if name in f.__globals__:
                value = f.__globals__[name]
                if not isinstance(value, types.ModuleType):
                    self._slot(f.__globals__, "item", name, value, name)
                self._push(value, name)
        for key in ("__defaults__", "__kwdefaults__"):
            if getattr(f, key):
                self._slot(f, "attribute", key, getattr(f, key), f"a default of {f.__name__}")
                self._push(getattr(f, key), f"a default of {f.__name__}")
        self._named_items(vars(f), f.__name__)

    def _container(self, x: Any, what: str) -> None:
        items = tuple(x.values() if isinstance(x, dict) else x)
        if not isinstance(x, tuple | frozenset):  # these cannot change, but what they hold can
            self.containers[id(x)] = (x, tuple(x) if isinstance(x, dict) else (), items, what)
        if len(items) <= LONG:
            for item in items:
                self._push(item, what)

    def _named_items(self, owner: Any, what: str) -> None:
        for name in sorted(self.names & owner.keys()):
            value = owner[name]
            if not isinstance(value, types.ModuleType):
                self._slot(owner, "item", name, value, f"{what}.{name}")
            self._push(value, f"{what}.{name}")

    def _class(self, kind: type, what: str) -> None:
        if _is_library(kind.__module__):
            return
        for name, value in vars(kind).items():
            special = name.startswith("__") and name not in _UNNAMED and isinstance(value, types.FunctionType)
            if name in self.names or special:
                self._push(value, f"{kind.__name__}.{name}")
        inherited = {name for base in kind.__mro__ if not _is_library(base.__module__) for name in vars(base)}
        for name in sorted(self.names & inherited):
            for base in kind.__mro__[:-1]:
                if not _is_library(base.__module__):
                    value = vars(base).get(name, ABSENT)
                    self._slot(base.__dict__, "item", name, value, f"{kind.__name__}.{name}", id(base))
        for base in kind.__mro__[1:]:
            self._push(base, base.__name__)

    def _object(self, x: Any, what: str) -> None:
        kind = type(x)
        name = what.split(".")[0] if what else kind.__name__
        self._push(kind, name)
        attributes = getattr(x, "__dict__", None)
        if isinstance(x, Watched):  # every change of its `__dict__` is noticed
            self.names.add("forward")
            self.attributes.append((vars(x), dict(vars(x))))
            for key, value in vars(x).items():
                self._push(value, f"{kind.__name__}.{key}")
            return
        if isinstance(x, Iterator):
            self.iterators.append((what, isinstance(x, io.IOBase)))
        if isinstance(attributes, dict):
            self._named_items(attributes, what)
            if _is_library(kind.__module__):  # a compiled function holds another
                for value in filter(callable, attributes.values()):
                    self._push(value, what)
        own = attributes if not _is_library(kind.__module__) else None
        for key in sorted(self.names):
            known = next((vars(base)[key] for base in kind.__mro__ if key in vars(base)), ABSENT)
            if isinstance(known, types.MemberDescriptorType):
                value = getattr(x, key, ABSENT)
                self._slot(x, "attribute", key, value, f"{what}.{key}")
                self._push(value, f"{what}.{key}")
            elif known is not ABSENT and own is not None and key not in own:
                # an attribute of the object may come before that of its class
                self._slot(own, "item", key, ABSENT, f"{what}.{key}")

    def _slot(self, owner: Any, kind: str, key: Any, value: Any, what: str, place: int = 0) -> None:
        self.slots[place or id(owner), key] = Slot(owner, kind, key, value, f"`{what}`")


_Look = Callable[[Reached, Any, str], None] | None
_LOOKS: WeakKeyDictionary[type, _Look] = WeakKeyDictionary()  # by class; it keeps none alive


def _looks_into(kind: type) -> _Look:
    """How the walk looks into objects of a class; None for numbers, texts and Tensors."""
    try:
        return _LOOKS[kind]
    except KeyError:
        return _LOOKS.setdefault(kind, _look_of(kind))


def _look_of(kind: type) -> _Look:
    random = sys.modules.get("random")  # whoever has such a generator has loaded it
    table: list[tuple[Any, Any]] = [  # the first that fits
        ((*_SCALARS, Tensor), None),
        (np.ndarray, Reached._array),
        ((np.random.Generator, np.random.BitGenerator, np.random.RandomState), Reached._generator),
        (random.Random if random else (), Reached._generator),
        (types.FunctionType, Reached._function),
        (types.MethodType, Reached._method),
        (partial, Reached._partial),
        (types.BuiltinFunctionType, Reached._bound),
        ((list, tuple, dict, set, frozenset), Reached._container),
        (tuple(_WRAPPERS) if kind in _WRAPPERS else (), Reached._wrapper),
        (types.ModuleType, Reached._module),
        (type, Reached._class),
    ]
    return next((look for kinds, look in table if issubclass(kind, kinds)), Reached._object)


def _refill(container: Any, keys: tuple[Any, ...], items: tuple[Any, ...]) -> None:
    """Let a dict, list or set hold these items again."""
    if isinstance(container, dict):
        if list(container) != list(keys) or any(container[k] is not v for k, v in zip(keys, items)):
            container.clear()
            container.update(zip(keys, items, strict=True))
    elif isinstance(container, set):
        if len(container) != len(items) or not container.issuperset(items):
            container.clear()
            container.update(items)
    elif len(container) != len(items) or any(a is not b for a, b in zip(container, items)):
        container[:] = items


def reached(f: Any, names: Set[str] = frozenset()) -> Reached:
    """What f reads beside its arguments, as it is now.

    Args:
        names: those that an earlier look at f has found; they save walks.
    """
    while True:  # a function that is found late may name an attribute of an object that was found early
        found = Reached()
        found.names |= names
        found.walk(f, "")
        if found.names == names:
            break
        names = found.names
    for i, (get, put, what) in enumerate(_global_sources()):
        found.moving[-1 - i] = Moving(get, put, get(), what)
    return found


def is_scalar(x: Any) -> bool:
    return isinstance(x, _SCALARS)


def same_scalar(a: Any, b: Any) -> bool:
    """Whether two numbers or texts are alike in kind and value; NaN is like itself, and 0.0 unlike −0.0.

    >>> same_scalar(2.0, 2.0), same_scalar(1, True), same_scalar(np.nan, np.nan)
    (True, False, True)
    """
    return a.__class__ is b.__class__ and is_scalar(a) and (a is b or repr(a) == repr(b))


def _same_item(a: Any, b: Any) -> bool:
    return a is b or same_scalar(a, b)


def _codes(code: types.CodeType) -> Iterator[types.CodeType]:
    """Some code, and the code inside it."""
    yield code
    for inner in code.co_consts:
        if isinstance(inner, types.CodeType):
            yield from _codes(inner)


_Makers = dict[types.CodeType, dict[int, str]]
_OF_ATTRIBUTES = ("LOAD_ATTR", "LOAD_METHOD", "STORE_ATTR")


@lru_cache(maxsize=4096)
def _looked_at(code: types.CodeType) -> tuple[dict[str, None], set[str], set[str], _Makers]:
    """What some code and the code inside it do: the globals and attributes that it names, in order; the names
    that it does more with than call `append` and its like; those of which it reads not only attributes; and
    where it makes generators without a seed, for each code: offset of the call → how it is written."""
    names: dict[str, None] = {}
    uses: set[str] = set()
    handed: set[str] = set()
    makers: _Makers = {}
    for each in _codes(code):
        names |= dict.fromkeys(each.co_names)
        steps = [s for s in dis.get_instructions(each) if s.opname not in ("PRECALL", "PUSH_NULL")]
        pairs = list(pairwise(steps))
        loads = [(a.argval, b) for a, b in pairs if a.opname.startswith("LOAD") and isinstance(a.argval, str)]
        uses |= {name for name, then in loads if then.argval not in _NOTING}
        handed |= {name for name, then in loads if then.opname not in _OF_ATTRIBUTES}
        made = [
            (a, b) for a, b in pairs if a.argval in _MAKERS and b.opname.startswith("CALL") and b.arg == 0
        ]
        if made:
            makers[each] = {b.offset: f"{a.argval}()" for a, b in made}
    return names, uses, handed, makers


@lru_cache(maxsize=4096)
def _is_library(module: str) -> bool:
    """Whether a module belongs to Python, to us or to an installed package, and so is not looked into."""
    top = module.partition(".")[0]
    if top == "__main__":  # `python -m pytest` gives it an installed file, but its functions are the user's
        return False
    if top in _OURS or top in sys.stdlib_module_names or top == builtins.__name__:
        return True
    file = getattr(sys.modules.get(top), "__file__", None) or ""
    return "site-packages" in file or "dist-packages" in file


def _source(x: Any, what: str) -> Moving:
    """A generator of random numbers, and its state."""
    if isinstance(x, np.random.Generator):
        x = x.bit_generator
    if isinstance(x, np.random.BitGenerator):
        return Moving(lambda: x.state, lambda state: setattr(x, "state", state), x.state, what)
    if isinstance(x, np.random.RandomState):
        return Moving(x.get_state, x.set_state, x.get_state(), what)
    return Moving(x.getstate, x.setstate, x.getstate(), what)


def _global_sources() -> Iterator[tuple[Callable[[], Any], Callable[[Any], Any], str]]:
    yield np.random.get_state, np.random.set_state, "np.random"
    random = sys.modules.get("random")
    if random is not None:
        yield random.getstate, random.setstate, "the module random"


def plain_state(state: Any) -> Any:
    """A state as something that can be compared."""
    try:
        hash(state)  # 625 numbers, as the module random keeps them, are compared as they are
        return state
    except TypeError:
        pass
    if isinstance(state, np.ndarray):
        return state.tobytes()
    if isinstance(state, dict):
        return {k: plain_state(v) for k, v in state.items()}
    return tuple(map(plain_state, state)) if isinstance(state, tuple) else state
