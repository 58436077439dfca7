"""How a habit of another library (`habits.py`) meets its hint, at no cost for names that exist.

A class gets one descriptor for each name, because a `__getattr__` would slow down all its attributes. A
package has a `__getattr__`, and the imports of modules a finder, which Python calls for missing names only.
`hasattr` stays False everywhere, and `find_spec` None.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Mapping
from importlib import import_module
from types import MappingProxyType, ModuleType
from typing import Any, ClassVar

from minigrad.errors import as_sentence, entry
from minigrad.habits import instead, table

__all__ = ["Hint", "Size", "add_hints", "listed", "missing", "visible"]

Later = Mapping[str, tuple[str, ...]]  # the names, by the file that has them
_NOTHING: Later = MappingProxyType({})


class Hint:
    # A name that a class does not have. Without a `__set__`, attributes of subclasses and objects win.

    __slots__ = ("name", "owner", "remedy")

    @property
    def __doc__(self) -> str:  # type: ignore[override]  # help() of the class shows it under the name
        return f"Not here: {self.remedy}."

    def __init__(self, owner: str, name: str, remedy: str) -> None:
        self.owner, self.name, self.remedy = owner, name, remedy

    @entry
    def __get__(self, found: Any, kind: Any = None) -> Any:
        raise AttributeError(f"{self.owner} has no `{self.name}`: {self.remedy}.", name=self.name)

    def __repr__(self) -> str:  # help() of the class lists it
        return f"<not here: {self.remedy}>"


class Size(int):
    """A number of elements. Called, as PyTorch's `size()` is, it says what to write."""

    __slots__ = ()

    @entry
    def __call__(self, *axes: Any) -> Any:
        axis = f"[{axes[0]}]" if axes else ""
        raise TypeError(f"`size` of a Tensor is a number, not a method: write x.shape{axis}.")

    def __reduce__(self) -> Any:
        return int, (int(self),)


def add_hints(cls: type, owner: str, habits: str, kind: type[Hint] = Hint) -> None:
    """Put a `Hint` on the class for each name; `owner` is the class in errors, as "a Tensor"."""
    for name, remedy in table(habits).items():
        setattr(cls, name, kind(owner, name, remedy))


def visible(x: Any, hidden: Collection[str] = ()) -> list[str]:
    """What `dir(x)` lists: no hints, and none of the names in `hidden`."""
    names = object.__dir__(x)
    found = {name: value for c in reversed(type(x).__mro__) for name, value in vars(c).items()}
    own = getattr(x, "__dict__", {})
    return [n for n in names if n not in hidden and (n in own or not isinstance(found.get(n), Hint))]


class _NoFunction(ModuleType):
    """A file of ours whose name is called as if it were a class: `minigrad.tensor([1, 2])`."""

    @entry
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        package, _, name = self.__name__.rpartition(".")
        public = next(each for each in sys.modules[package].__all__ if each.lower() == name)
        raise TypeError(
            f"`{self.__name__}` is a file of ours, not a function: write {package}.{public}(...)."
        )


def listed(names: dict[str, Any], later: Later = _NOTHING) -> tuple[str, ...]:
    """The `__all__` of a package: what it imports under a name without an underscore, and names it loads
    later."""
    found = {name for name, x in names.items() if name[0] != "_" and not isinstance(x, ModuleType)}
    return tuple(sorted(found.union(*later.values())))


def _name_files(package: str, public: Collection[str]) -> None:
    """Let the files that were loaded say what to write if one is called by the name of its class."""
    for name in public:
        file = sys.modules.get(f"{package}.{name.lower()}")
        if file is not None and not name.islower():
            file.__class__ = _NoFunction


def _load(package: str, name: str, file: str, public: Collection[str]) -> Any:
    module = import_module(f"{package}.{file}")
    found = module if name == file else getattr(module, name)
    setattr(sys.modules[package], name, found)  # so that it is looked up here once
    _name_files(package, public)
    return found


def missing(
    package: str, public: Collection[str], habits: str, later: Later = _NOTHING, numpys: bool = False
) -> Callable[[str], Any]:
    """The `__getattr__` of a package: loads what is loaded when first used, and for any other name raises
    AttributeError, with what to write instead where that is known.

    Args:
        habits: a table as in `habits.py`.
        later: the names that are loaded when first used, by the file that has them. A file named as its
            only entry is itself what is loaded.
        numpys: whether any other name of NumPy's is answered with that.
    """
    _name_files(package, public)
    _NoModule.habits[package] = habits
    files = {name: file for file, names in later.items() for name in names}

    @entry
    def __getattr__(name: str) -> Any:
        if name in files:
            return _load(package, name, files[name], public)
        text = f"module {package!r} has no attribute {name!r}"
        remedy = "" if name.startswith("_") else instead(name, (), habits)
        if not remedy and not name.startswith("_"):
            its = numpys and name in vars(sys.modules["numpy"])
            remedy = f"functions are NumPy's, write np.{name}" if its else instead(name, public)
        if not remedy:
            raise AttributeError(text, name=name)
        if _is_imported(package, name):
            raise ImportError(
                f"cannot import name {name!r} from {package!r}: {as_sentence(remedy)}", name=package
            )
        raise AttributeError(f"{text}: {as_sentence(remedy)}", name=name)

    return __getattr__


class _NoModule:
    """The last finder of Python's import system. Where no other finds `minigrad.nn`, it says what to write.

    It raises where the module is imported. It finds nothing for those who only ask, such as `find_spec`.
    """

    habits: ClassVar[dict[str, str]] = {}  # a table for each package

    @classmethod
    @entry
    def find_spec(cls, name: str, path: Any = None, target: Any = None) -> None:
        package, _, module = name.rpartition(".")
        remedy = table(cls.habits.get(package, "")).get(module)
        if remedy and _asker("find_spec", "called", "_find_spec") == _IMPORTS:
            raise ModuleNotFoundError(f"No module named {name!r}: {as_sentence(remedy)}", name=name)


_IMPORTS = "_find_and_load_unlocked"  # Python's function that imports a module which is not there yet
sys.meta_path.append(_NoModule)


def _is_imported(package: str, name: str) -> bool:
    """Whether `from package import name` asks, which would replace the text of an AttributeError."""
    if _asker("_is_imported", "__getattr__", "called") != "_handle_fromlist":
        return False
    from importlib.util import find_spec

    return find_spec(f"{package}.{name}") is None


def _asker(*between: str) -> str:
    """The name of the function that called us through functions with the names in `between`."""
    frame: Any = sys._getframe(1)
    while frame is not None and frame.f_code.co_name in between:
        frame = frame.f_back
    return "" if frame is None else frame.f_code.co_name
