"""`Module`: an object whose Tensors are its parameters, found by name through attributes and containers."""

from __future__ import annotations

import types
import weakref
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import fields
from functools import partial
from os import PathLike
from typing import TYPE_CHECKING, Any, ParamSpec, Protocol, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from minigrad import CaptureError, Tensor
from minigrad.extend import (
    LABELLED,
    Label,
    Mode,
    Op,
    Watched,
    add_hints,
    current,
    entry,
    hide_our_frames,
    html_table,
    html_title,
    require_plain,
    switch,
    visible,
)
from models.habits import MODULE
from models.weights import read_weights, write_weights

if TYPE_CHECKING:
    from models.summary import Summary

__all__ = ["FOUND_IN", "Module", "holder_of", "titled", "walk"]

FOUND_IN = (
    "Parameters are found in attributes, lists, tuples, dicts, dataclasses and object arrays of Modules only."
)
P = ParamSpec("P")
R = TypeVar("R", covariant=True)


class _Forward(Protocol[P, R]):
    """A module as type checkers see it: a call of it takes and gives what its `forward` does."""

    _labels: tuple[Mode, Mode] | None

    def _labelled(self, before: Mode) -> Mode: ...
    def forward(self, *inputs: P.args, **named: P.kwargs) -> R: ...


class Module(Watched):
    """Base class of layers and networks: assign Tensors and Modules as attributes and define `forward`.

    A parameter is any leaf Tensor held by the module, directly or in nested modules, lists, tuples, dicts,
    dataclasses and object arrays. Its name is the path to it: "layers.0.weight". Calling the module or asking
    for its parameters writes the name on each Tensor that has none, so pictures, errors and saved files can
    use it. A live leaf elsewhere, in a set or in an object of another class, is refused where parameters are
    asked for.

    A NumPy array of numbers in such a place is a buffer: a running mean or a count, but also a constant, such
    as a mask. It is saved and loaded as parameters are, and not trained. `forward` may assign a new value to
    an attribute that holds one. Of a Tensor only the values are kept, so no gradient flows into them, and a
    number becomes an array. Each call of `forward` assigns, as in PyTorch: also a compiled call, and one at
    a point that an optimizer such as `NewtonCG` tries and rejects.

    >>> class Scale(Module):
    ...     def __init__(self): self.factor = Tensor([2.0], requires_grad=True)
    ...     def forward(self, x): return self.factor * x
    >>> Scale()(3.0)
    Tensor([6.], op=multiply)
    >>> class Mean(Module):
    ...     def __init__(self): self.mean = np.zeros(1)
    ...     def forward(self, x):
    ...         self.mean = 0.9 * self.mean + 0.1 * np.mean(x, axis=0)
    ...         return x - self.mean
    >>> module = Mean()
    >>> module(np.array([[1.0], [3.0]])).tolist(), module.state_dict()
    ([[0.8], [2.8]], {'mean': array([0.2])})
    """

    # `_labels` and `_path` are slots, so `vars(module)` holds only the user's attributes.
    __slots__ = ("__dict__", "__weakref__", "_labels", "_path")

    training: bool = True
    _path: str  # the path from the outermost module to this one
    _labels: tuple[Mode, Mode] | None  # the mode of an earlier call, and that mode with our label

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        module = super().__new__(cls)
        module._path, module._labels = "", None
        if current.mode.capturing is not None:
            current.mode.capturing.makes(object.__getattribute__(module, "__dict__"))
        return module

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.__init__ = entry(cls.__init__)  # type: ignore[method-assign]

    if not TYPE_CHECKING:  # with it, type checkers would allow any attribute

        def __setattr__(self, name: str, value: Any) -> None:
            # not `vars(self)`, on which a capture would depend from now on
            attributes = object.__getattribute__(self, "__dict__")
            known = attributes.get(name)
            try:
                if _is_buffer(known):
                    value = _kept(known, value)
                    if current.mode.capturing is not None:
                        current.mode.capturing.assign(type(self), attributes, name, value)
                        return
                    if isinstance(value, Tensor) and not (_is_leaf(value) and value.active):
                        value = value.numpy()
                elif not isinstance(value, Tensor | None) and _is_leaf(known) and known.active:
                    _refuse_to_drop(self, name, value)
            except (TypeError, CaptureError) as error:
                hide_our_frames(error)
                raise
            object.__setattr__(self, name, value)

    def forward(self, *inputs: Any, **named: Any) -> Any:
        """The output for these inputs. Each module defines its own `forward`."""
        raise TypeError(f"{type(self).__name__} defines no forward(self, ...) and cannot be called.")

    def __call__(self: _Forward[P, R], *inputs: P.args, **named: P.kwargs) -> R:
        before = current.mode
        known = self._labels
        switch(known[1] if known is not None and known[0] is before else self._labelled(before))
        try:
            return self.forward(*inputs, **named) if named else self.forward(*inputs)  # type: ignore[call-arg]
        except Exception as error:
            hide_our_frames(error)
            raise
        finally:
            switch(before)

    def _labelled(self, before: Mode) -> Mode:
        """The mode to run `forward` under, so that its nodes know their module.

        The outermost module also tells the modules below it their paths and names the parameters.
        """
        if not before.recording:
            return before
        if self._labels is not None and _alike(self._labels[0], before):
            return self._labels[1]
        if not before.module:
            for path, x in walk(self, ""):
                if isinstance(x, Module):
                    x._path = path
                elif isinstance(x, Tensor) and x.op is None and x.name is None:
                    x.name = path
        root = before.module.split(".")[0] or type(self).__name__
        label = Label(f"{root}.{self._path}" if self._path else root)
        label.outermost = getattr(before.module, "outermost", None) or weakref.ref(self)
        mode = before._replace(module=label)
        if before.capturing is None:  # a cached mode would keep its capture alive
            self._labels = (before, mode)
            LABELLED[mode.module, id(self)] = self
        return mode

    @entry
    def named_parameters(self) -> list[tuple[str, Tensor]]:
        """(path, parameter) in the order of definition; a parameter held in two places has the first path.

        Raises:
            ValueError: two parameters have one path, or there are `hidden_parameters`.
        """
        if hidden := self.hidden_parameters():
            raise ValueError(
                f"{type(self).__name__}: a training would not train {', '.join(hidden)}, and a file would "
                f"not hold it. {FOUND_IN} Make the object that holds it a Module, or freeze it: "
                "p.requires_grad = False."
            )
        return self._named()

    def _named(self) -> list[tuple[str, Tensor]]:
        """`named_parameters` without looking for those that are hidden, which takes most of the time."""
        found: dict[int, tuple[str, Tensor]] = {}
        results: list[tuple[str, Tensor]] = []
        for path, x in walk(self, ""):
            if isinstance(x, Tensor):
                if x.op is None:
                    found.setdefault(id(x), (path, x))
                elif x.live:
                    results.append((path, x))
        for path, x in results:  # one that is kept for inspection has parameters behind it
            if not any(id(leaf) in found for leaf in _leaves_behind(x)):
                raise ValueError(
                    f"{type(self).__name__}: `{path}` is the result of an operation, so it is no parameter "
                    "and would not be trained. Compute with the array inside: "
                    "Tensor(0.1 * array, requires_grad=True)."
                )
        names = [path for path, _ in found.values()]
        if len(set(names)) < len(names):
            twice = sorted({n for n in names if names.count(n) > 1})
            raise ValueError(
                f"{type(self).__name__}: two parameters have the path {twice}; rename an attribute or key."
            )
        for path, p in found.values():
            # A module called or asked by itself has given its parameters only the end of their path.
            if p.name is None or path.endswith(f".{p.name}"):
                p.name = path
        return list(found.values())

    def named_buffers(self) -> list[tuple[str, NDArray[Any]]]:
        """(path, array) for each array of numbers, found where parameters are; one in two places has the
        first path."""
        found: dict[int, tuple[str, NDArray[Any]]] = {}
        for path, x in walk(self, ""):
            if _is_buffer(x):
                found.setdefault(id(x), (path, x))
        return list(found.values())

    @entry
    def parameters(self) -> list[Tensor]:
        """The parameters in the order of definition, each once."""
        return [p for _, p in self.named_parameters()]

    def hidden_parameters(self) -> list[str]:
        """The paths of live leaves that are held but are no parameters: in sets, deques, plain objects.

        `fit` and `named_parameters` refuse a model that has some. Objects are looked into as deep as they go,
        but not functions: a leaf that only a closure holds is not noticed.
        """
        known, found = {}, dict[int, str]()
        for _, x in walk(self, ""):
            known[id(x)] = x
        if all(isinstance(x, _KNOWN) or _children(x) for x in known.values()):  # the usual case
            return []
        for path, x in walk(self, "", everywhere=True):
            if isinstance(x, Tensor) and x.op is None and x.requires_grad and id(x) not in known:
                found.setdefault(id(x), path)
        return list(found.values())

    def named_modules(self) -> list[tuple[str, Module]]:
        """(path, module) for this module (path "") and all below it."""
        return [(path, m) for path, m in walk(self, "") if isinstance(m, Module)]

    def named_generators(self) -> list[tuple[str, np.random.Generator]]:
        """(path, generator) for each random generator that a module holds, as Dropout does."""
        return [(path, r) for path, r in walk(self, "") if isinstance(r, np.random.Generator)]

    @entry
    def train(self, on: bool = True) -> Self:
        """Switch this module and all below it to training, or with `on=False` to evaluation.

        Dropout does nothing in evaluation.
        """
        for _, module in self.named_modules():
            module.training = bool(on)
        return self

    @entry
    def eval(self) -> Self:
        """Switch this module and all below it to evaluation."""
        return self.train(False)

    @entry
    def zero_grad(self) -> None:
        """Forget the gradients of all parameters."""
        for _, p in self._named():
            p.zero_grad()

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """Copies of all parameters and, after them, of all buffers, by name."""
        return {name: x.numpy() if isinstance(x, Tensor) else x.copy() for name, x in self._held().items()}

    def _held(self) -> dict[str, Any]:
        """The parameters and buffers by name."""
        pairs = [*self.named_parameters(), *self.named_buffers()]
        if len(held := dict(pairs)) < len(pairs):
            twice = sorted({n for n, _ in pairs if [m for m, _ in pairs].count(n) > 1})
            raise ValueError(
                f"{type(self).__name__}: two arrays have the path {twice}; rename an attribute or key."
            )
        return held

    @entry
    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Copy values into the parameters and buffers, matched by name. All are checked before any changes.

        Raises:
            ValueError: a name is missing or unexpected, a shape or dtype does not fit, or a buffer that is
                read-only has other values.
            TypeError: the values are Tensors of PyTorch, whose weights are the transposes of ours.
        """
        call = f"{type(self).__name__}.load_state_dict"
        if not isinstance(state, Mapping):
            raise TypeError(f"{call} needs a dict of name: array, got {type(state).__name__}.")
        mine = self._held()
        if foreign := [name for name, x in state.items() if type(x).__module__.split(".")[0] == "torch"]:
            raise TypeError(
                f"{call}: {foreign[0]!r} is a Tensor of PyTorch, which keeps the weight of a Linear as "
                "(n_out, n_in), the transpose of ours. Pass w.detach().numpy().T for each; docs/weights.md "
                "has a function that does so, and gives our names."
            )
        missing, unexpected = sorted(mine.keys() - state.keys()), sorted(state.keys() - mine.keys())
        if missing or unexpected:
            raise ValueError(
                f"{call}: the names differ; missing {missing}, unexpected {unexpected}. Was the state saved "
                "from a model of another structure, or by PyTorch? For that, docs/weights.md has a function."
            )
        require_plain([state[name] for name in mine], call)
        # Converting may fail too, so all of it comes before the first change.
        arrays = {name: _fitting(f"{call}: {name!r}", state[name], x) for name, x in mine.items()}
        for name, x in mine.items():
            if isinstance(x, Tensor):
                x.assign(arrays[name])
            elif x.flags.writeable:
                x[...] = arrays[name]

    @entry
    def save(self, path: str | PathLike[str]) -> None:
        """Write parameters and buffers to a file, without pickle. Only a complete file replaces an older one.

        A path that ends in .npz or .safetensors gets that format, which other programs read; the arrays have
        the names of `state_dict`. Other paths get our own format, which notices every damage.

        Raises:
            ImportError: the path ends in .safetensors, and the package of that name is not installed.
        """
        write_weights(path, self.state_dict(), f"{type(self).__name__}.save")

    @entry
    def load(self, path: str | PathLike[str]) -> Self:
        """Read what `save` wrote, or arrays with their names from an .npz or .safetensors file.

        Raises:
            FileError: the file is damaged, or it holds something else.
            ValueError: the file was saved from a model of another structure.
            ImportError: as for `save`.
        """
        self.load_state_dict(read_weights(path, f"{type(self).__name__}.load"))
        return self

    @entry
    def summary(self, *inputs: Any, **named: Any) -> Summary:
        """A table of what a call does: layers in the order of their calls, outputs, parameters, products.

        Each input is a batch: a Tensor, an array, or the shape of one, as a tuple. The model itself is not
        called but a copy of it, in evaluation, so modes, generators and names stay as they are. `print` the
        table; its `rows` are dicts. Functions of a `Sequential` or an `MLP` have rows of their own.

        "multiplications" counts those of numbers that lead to the output, for this batch: n·k·m for a matrix
        product, the size of the result for `*` and squares.

        Raises:
            TypeError: the model cannot be copied, or an input does not fit.

        >>> import models
        >>> print(models.MLP((2, 16, 1)).summary((32, 2)))
        layer                     output    parameters  multiplications
        layers.0  Linear(2 → 16)  (32, 16)          48            1,024
                  tanh            (32, 16)           0                0
        layers.1  Linear(16 → 1)  (32, 1)           17              512
        MLP(2 → 16 → 1, tanh)     (32, 1)           65            1,536
        """
        from models.summary import summary

        return summary(self, inputs, named)

    def extra_repr(self) -> str:
        """The text between the brackets of the repr."""
        return ""

    def __dir__(self) -> list[str]:
        return visible(self)

    def __repr__(self) -> str:
        lines = [titled(self)]
        parameters, buffers = self._named(), self.named_buffers()
        width = max((len(name) for name, _ in (*parameters, *buffers)), default=0)
        for name, p in parameters:
            frozen = "" if p.requires_grad else "  frozen"
            lines.append(f"  {name:<{width}}  {p.shape!s:<12} {p.dtype}{frozen}")
        lines += [f"  {name:<{width}}  {x.shape!s:<12} {x.dtype}  buffer" for name, x in buffers]
        lines.append(f"  {sum(p.size for _, p in parameters):,} parameters")
        lines += [f"  {path} is no parameter, see hidden_parameters" for path in self.hidden_parameters()]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        """The same for notebooks."""
        rows = [
            [name, str(p.shape), str(p.dtype), f"{p.size:,}", "" if p.requires_grad else "frozen"]
            for name, p in self._named()
        ]
        rows += [[name, str(x.shape), str(x.dtype), "", "buffer"] for name, x in self.named_buffers()]
        total = f"{sum(p.size for _, p in self._named()):,}"
        note = "no parameter, see hidden_parameters"
        rows += [[path, "", "", "", note] for path in self.hidden_parameters()]
        rows.append(["all", "", "", total, ""])
        return html_title(titled(self)) + html_table(
            ("", "shape", "dtype", "parameters", ""), rows, last_is_total=True
        )


add_hints(Module, "a Module", MODULE)


def _fitting(what: str, x: Any, mine: Any) -> NDArray[Any]:
    """A value of a state in the shape and dtype of a parameter or buffer."""
    array = np.asarray(x)
    if array.shape != mine.shape:
        turned = array.shape == mine.shape[::-1]
        why = " Transpose it: pass w.T, as for PyTorch; see docs/weights.md." if turned else ""
        raise ValueError(f"{what} needs shape {mine.shape}, got {array.shape}.{why}")
    kinds = "b" if mine.dtype.kind == "b" else "fciu"
    if array.dtype.kind not in kinds or not np.can_cast(array.dtype, mine.dtype, "same_kind"):
        raise ValueError(f"{what} needs dtype {mine.dtype}, got {array.dtype}.")
    array = array.astype(mine.dtype)
    if isinstance(mine, np.ndarray) and not mine.flags.writeable and array.tobytes() != mine.tobytes():
        raise ValueError(
            f"{what} is a read-only array of the model, and the state has other values; make it a copy, as "
            "with .copy(), before loading."
        )
    return array


def _alike(mode: Mode, other: Mode) -> bool:
    """Whether two modes are equal and belong to the same outermost module."""
    mine, its = (getattr(m.module, "outermost", None) for m in (mode, other))
    return mode == other and mine is its


def _is_leaf(x: Any) -> bool:
    return isinstance(x, Tensor) and x.op is None


def _is_buffer(x: Any) -> bool:
    return x.__class__ is np.ndarray and x.dtype.kind in "biufc"


def _kept(known: NDArray[Any], value: Any) -> Any:
    """A value that is assigned over the array `known`; a number becomes an array."""
    if isinstance(value, np.generic):
        return np.asarray(value)
    if known.ndim == 0 and isinstance(value, bool | int | float | complex):
        return np.array(value, known.dtype)
    return value


def _refuse_to_drop(module: Module, name: str, value: Any) -> None:
    raise TypeError(
        f"`{name}` of a {type(module).__name__} is a parameter, and {type(value).__name__} in its place "
        f"would be neither trained nor saved: write {name}.assign(array) to change its values, assign a "
        "Tensor to replace it, or None to remove it."
    )


# What a module holds

MOST = 10_000  # objects that are looked into where parameters should not be
_KNOWN: tuple[type, ...] = (  # are not looked into
    types.NoneType, str, bytes, int, float, complex, type, types.FunctionType, types.BuiltinFunctionType,
    types.MethodType, types.ModuleType, np.ufunc, np.generic, np.random.Generator, Tensor, np.ndarray, Op,
)  # fmt: skip
_LEAVES = frozenset(
    {types.NoneType, str, bytes, bool, int, float, complex, types.FunctionType, np.ufunc, Tensor}
)


def walk(x: Any, path: str, everywhere: bool = False) -> Iterator[tuple[str, Any]]:
    """(path, object) for everything reachable through attributes of Modules and dataclasses, lists, tuples,
    dicts and object arrays.

    Objects of other classes are yielded but not entered, unless one looks `everywhere`.
    """
    seen: set[int] = set()
    stack = [(path, x)]
    while stack and (not everywhere or len(seen) < MOST):
        path, x = stack.pop()
        if type(x) in _LEAVES:  # most of what a module holds; fit walks in each epoch
            yield path, x
            continue
        children = _children(x)
        if not children and everywhere:
            children = _insides(x)
        if children and not isinstance(x, tuple):
            if id(x) in seen:
                continue
            seen.add(id(x))
        yield path, x
        stack += [(f"{path}.{key}" if path else key, value) for key, value in reversed(children)]


def _leaves_behind(x: Tensor) -> Iterator[Tensor]:
    seen: set[int] = set()
    stack = [x]
    while stack:
        node = stack.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if node.op is None:
            yield node
        stack += [node.inputs[i] for i in node.live]


def _children(x: Any) -> list[tuple[str, Any]]:
    if isinstance(x, Module):
        return list(vars(x).items())
    if isinstance(x, Tensor):
        return []
    if isinstance(x, dict):
        return [(str(key), value) for key, value in x.items()]
    if isinstance(x, list | tuple):
        return [(str(i), value) for i, value in enumerate(x)]
    if isinstance(x, np.ndarray):
        return [(".".join(map(str, i)), x[i]) for i in np.ndindex(x.shape)] if x.dtype.hasobject else []
    if hasattr(type(x), "__dataclass_fields__"):
        return [(f.name, getattr(x, f.name, None)) for f in fields(x)]
    return []


def _insides(x: Any) -> list[tuple[str, Any]]:
    """What is in an object of some other class."""
    if isinstance(x, _KNOWN):
        return []
    if isinstance(x, set | frozenset | deque):
        return [(f"{{{i}}}", each) for i, each in enumerate(x)]
    if isinstance(x, partial):
        return [*((str(i), each) for i, each in enumerate(x.args)), *x.keywords.items()]
    names = [name for kind in type(x).__mro__ for name in _slots(kind)]
    return [*getattr(x, "__dict__", {}).items(), *((name, getattr(x, name, None)) for name in names)]


def _slots(kind: type) -> list[str]:
    slots = vars(kind).get("__slots__", ())
    return [name for name in ([slots] if isinstance(slots, str) else slots) if not name.startswith("__")]


def holder_of(path: str, modules: Mapping[str, Any]) -> str:
    """The longest path of `modules` that the path of a parameter begins with."""
    while path and path not in modules:
        path = path.rpartition(".")[0]
    return path


def titled(x: Any) -> str:
    """A module with its `extra_repr`, a function by its name: "Linear(2 → 3)", "tanh", "partial(clip, 0)"."""
    if isinstance(x, Module):
        return f"{type(x).__name__}({x.extra_repr()})"
    if isinstance(x, partial):
        given = [*map(repr, x.args), *(f"{key}={value!r}" for key, value in x.keywords.items())]
        return f"partial({', '.join([titled(x.func), *given])})"
    return getattr(x, "__name__", None) or getattr(x, "name", None) or type(x).__name__
