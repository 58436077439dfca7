"""`draw`: it takes a Tensor, a function or an optimizer, finds names for everything in it, and returns a
Drawing.

Names: `outputs` pairs of a name (or "") and a Tensor; `names` the names that variables and arguments give, by
the index of a Tensor, by ("array", id) of an array, by ("module", id), or by `look` of labels and masks.
"""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from types import FrameType, FunctionType, ModuleType
from typing import Any

import numpy as np

from minigrad.drawing.drawing import Drawing
from minigrad.drawing.graph.afresh import afresh
from minigrad.drawing.graph.collect import collect
from minigrad.drawing.graph.fold import only
from minigrad.drawing.graph.formulas import distinct, short_name
from minigrad.drawing.graph.notation import tangent_of
from minigrad.drawing.graph.walk import look
from minigrad.drawing.picture import DETAILS, PHASES, Picture, Program
from minigrad.drawing.write.theme import Theme
from minigrad.errors import entry
from minigrad.mode import scope
from minigrad.replay.watched import Watched
from minigrad.slices import Slice, between
from minigrad.sweeps import pull_back, push_forward
from minigrad.tensor import Tensor
from minigrad.trees import flatten

__all__ = ["draw"]

Named = list[tuple[str, Tensor]]
DIRECTIONS = ("auto", "down", "right", "up", "left")


@entry
def draw(
    target: Any,
    *inputs: Any,
    show: Sequence[str] | set[str] | None = None,
    direction: str = "auto",
    fold: str | None = "auto",
    parameters: str = "inside",
    phases: Sequence[str] | None = None,
    engine: str = "auto",
    theme: str | Theme = "light",
    title: str | None = None,
) -> Drawing:
    """Draw a recorded graph, and change nothing on it.

    Args:
        target: a Tensor; several, in a list, tuple or dict; a function, called here with `inputs`: any Python
            function, a Module, `grad(f)`, `lambda x, v: hvp(f, x, v)`; or an object with a method
            `recorded()` that returns named Tensors, such as an optimizer, whose update rule is drawn.
        inputs: example arguments of a function: arrays, numbers, or trees of them. Derivatives are taken with
            respect to the floating ones.
        show: the details in the boxes: any of "shape", "dtype", "value", "grad" (the derivative of the one
            scalar output), "bytes", "flops", "time", "source" (the line that made it; recorded inside
            `trace_source()`). None shows values and gradients if all boxes are scalars, or else shapes.
        direction: "right", "down", "left" or "up"; "auto" is right or down, where there is more room for it.
        fold: None draws one box for each operation, "formulas" one for each line of calculus; "repeats" also
            folds blocks that repeat, and "modules" draws each module with everything below it as one box;
            "auto" folds only as far as a readable picture needs.
        parameters: "inside" writes weights and biases into the box of the operation that uses them;
            "outside" gives each a box of its own, as None for `fold` always does.
        phases: phases to draw, of "forward", "backward", "tangent", "update". If the graph of a scalar has
            only a forward pass, "backward" adds the pull back to its parameters, and "tangent" its
            Hessian-vector product.
        engine: "builtin" is our own layout; "graphviz" and "pygraphviz" let those packages draw; "auto" is
            the builtin one.
        theme: "light" or "dark".
        title: the heading of the picture; None takes the name of the function or the class.

    Raises:
        TypeError: the target cannot be drawn, or a function returned no Tensor.
        ValueError: an option has a value that does not exist.

    >>> x = Tensor([1.0, 2.0], requires_grad=True, name="x")
    >>> drawing = draw(np.tanh(x).sum(), show={"value"})
    >>> print(drawing)
    Σ h₁  (= 1.726)
    └─ h₁ = tanh(x)  (= [0.7616, 0.964])
       └─ x  (= [1, 2])
    """
    details = _checked("show", show or (), DETAILS)
    wanted = _checked("phases", phases, PHASES) if phases is not None else None
    if direction not in DIRECTIONS:
        raise ValueError(f"`draw(direction=...)` must be one of {', '.join(DIRECTIONS)}, got {direction!r}.")
    names: dict[Any, str] = {}
    arguments: list[Any] = []
    called = ""
    if isinstance(target, Tensor | list | tuple | Mapping):
        if inputs:
            raise TypeError(
                "`draw(target, *inputs)`: inputs are for functions; a Tensor is drawn as it was recorded."
            )
        outputs = _named_outputs(target, "output")
        names = _names_around(sys._getframe(2))
    elif not inputs and callable(getattr(target, "recorded", None)):
        outputs = _named_outputs(target.recorded(), "output")
        called = _title(target)
    elif callable(target):
        if not inputs and hasattr(target, "named_parameters"):
            raise TypeError(
                "`draw(model, x)` calls the model, so it needs an example of each input: write draw(model, "
                "np.ones((5, 2))), with as many columns as the model takes."
            )
        outputs, arguments, names = _run(target, inputs)
        called = _title(target)
    else:
        instead = ""
        if hasattr(target, "step"):  # an optimizer that steps by a closure
            instead = (
                ' It has no update rule; draw its loss with phases=("forward", "backward", "tangent"), for a '
                "step is made of Hessian-vector products."
            )
        raise TypeError(
            "`draw(target)` takes Tensors, a function with example inputs, or an object with recorded(), "
            f"got {type(target).__name__}: {target!r:.60}.{instead}"
        )
    aside: Named = []
    outputs, note = afresh(outputs, names)
    if wanted is not None:
        outputs, aside = _derived(outputs, wanted, names)
    title = called if title is None else title
    places: dict[Any, int] = {}
    full = whole = collect(
        outputs, aside=aside, names=names, title=title, show=details, inputs=arguments, places=places
    )
    full.show = _unasked(full) if show is None else details
    full.direction = direction
    full.notes += [note] if note else []
    if wanted is not None:
        full = only(full, wanted)
    return Drawing(
        full,
        fold=fold,
        parameters=parameters,
        engine=engine,
        theme=theme,
        program=partial(_program, full, whole, outputs, places),
    )


def _program(full: Picture, whole: Picture, outputs: Named, places: Mapping[Any, int]) -> Program:
    """How the numbers of `full` follow from the leaves. Only pages need it, and it takes a second run."""
    if len(full.nodes) < len(whole.nodes):
        return Program(why="Its numbers cannot be changed here: parts of the graph are not drawn.")
    module: Any = importlib.import_module("minigrad.drawing.graph.program")
    return module.program(full, outputs, places)  # type: ignore[no-any-return]


def _unasked(picture: Picture) -> tuple[str, ...]:
    """What boxes show if nothing was asked for."""
    return ("shape",) if any(node.shape for node in picture.nodes) else ("value", "grad")


def _checked(option: str, given: Any, known: Sequence[str]) -> tuple[str, ...]:
    """The given words, in the order in which they are documented."""
    chosen = {given} if isinstance(given, str) else set(given)
    if unknown := chosen - set(known):
        raise ValueError(
            f"`draw({option}=...)` takes any of {', '.join(known)}, got {sorted(map(str, unknown))}."
        )
    return tuple(word for word in known if word in chosen)


def _named_outputs(tree: Any, call: str) -> Named:
    """Every Tensor in a tree, with a name where the tree gives one."""
    if isinstance(tree, Mapping):
        pairs = [(str(key), x) for key, x in tree.items()]
    elif isinstance(tree, list | tuple):
        pairs = [("", x) for x in tree]
    else:
        pairs = [("", tree)]
    found = []
    for name, x in pairs:
        leaves = [leaf for leaf in flatten(x)[0] if isinstance(leaf, Tensor)]
        found += [
            (f"{name}[{i}]" if name and len(leaves) > 1 else name, leaf) for i, leaf in enumerate(leaves)
        ]
    if not found:
        raise TypeError(
            f"`draw`: there is no Tensor in the {call}, got {type(tree).__name__}: {tree!r:.60}. A result is "
            "a Tensor only if it depends on a Tensor with requires_grad=True, and was made by NumPy "
            "functions on Tensors."
        )
    return found


def _title(f: Any) -> str:
    name = getattr(f, "__name__", type(f).__name__)
    nameless = ("<lambda>", "wrapped")  # the transforms call their own functions "wrapped"
    return "" if name in nameless else str(name)


# Functions


def _run(f: Callable[..., Any], inputs: Sequence[Any]) -> tuple[Named, list[Any], dict[Any, str]]:
    """Call `f` on leaves made of the inputs, and trace it.

    Returns the outputs, the keys of the leaves, and names for the leaves and for the arrays that `f` uses.
    """
    _require_examples(f, inputs)
    live = not hasattr(f, "named_parameters")  # data given to a model needs no derivative
    names = _names_within(f)
    given: list[Any] = []
    keys: list[Any] = []
    for name, value in zip(_argument_names(f, len(inputs)), inputs, strict=True):
        leaves, build = flatten(value)
        made = []
        for path, x in zip(_paths(value, name), leaves, strict=True):
            if not isinstance(x, Tensor):
                array = np.asarray(x)
                if array.dtype.kind not in "fc":
                    if isinstance(x, np.ndarray):
                        _note([(path, x)], names)
                        keys.append(("array", id(x)))
                    made.append(x)
                    continue
                x = Tensor(array, requires_grad=live, name=path)
            elif not x.name:
                names[x.index] = path
            keys.append(x.index)
            made.append(x)
        given.append(build(made))
    with scope(recording=True, tracing=True):
        out = f(*given)
    return _named_outputs(out, "result"), keys, names


def _signature(f: Any) -> inspect.Signature | None:
    """The arguments of a function or of a model's `forward`; None for a builtin that does not tell them."""
    try:
        return inspect.signature(f.forward if hasattr(f, "named_parameters") else f)
    except (TypeError, ValueError, AttributeError):
        return None


def _require_examples(f: Any, inputs: Sequence[Any]) -> None:
    signature = _signature(f)
    if signature is None:
        return
    try:
        signature.bind(*inputs)
    except TypeError as error:
        name = _title(f) or "f"
        needed = [
            p.name
            for p in signature.parameters.values()
            if p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
        ]
        raise TypeError(
            f"`draw({name}, *inputs)` calls {name}, so it needs an example of each argument, got "
            f"{len(inputs)}: {error}. Write draw({', '.join([name, *needed])}) with arrays or numbers."
        ) from None


def _argument_names(f: Any, count: int) -> list[str]:
    """The names of the first `count` positional arguments, as the signature gives them."""
    signature = _signature(f)
    parameters = () if signature is None else signature.parameters.values()
    plain = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return [plain[i] if i < len(plain) else "x" if count == 1 else f"x{i + 1}" for i in range(count)]


def _paths(tree: Any, path: str) -> list[str]:
    """Names for the leaves of a tree, in the order of `flatten`."""
    if isinstance(tree, dict):
        return [
            name
            for key, x in tree.items()
            for name in _paths(x, str(key) if path in ("p", "params") else f"{path}.{key}")
        ]
    if isinstance(tree, list | tuple):
        return [name for i, x in enumerate(tree) for name in _paths(x, f"{path}.{i}")]
    return [] if tree is None else [path]


def _names_within(f: Any) -> dict[Any, str]:
    """Names of the arrays and Tensors that a function, or one that it calls, finds in globals and
    closures."""
    names: dict[Any, str] = {}
    stack: list[Any] = [f]
    seen: set[int] = set()
    while stack and len(seen) < 50:
        g = stack.pop()
        code = getattr(g, "__code__", None)
        owner = (
            g if code is None else getattr(g, "__self__", None)
        )  # of a method, or an object that is called
        if owner is not None:
            _note([("self", owner)], names)
        if id(g) in seen or code is None:
            continue
        seen.add(id(g))
        variables = [(name, g.__globals__[name]) for name in code.co_names if name in g.__globals__]
        for name, cell in zip(code.co_freevars, g.__closure__ or (), strict=False):
            try:
                variables.append((name, cell.cell_contents))
            except ValueError:  # not yet assigned
                continue
        _note(variables, names)
        stack += [value for _, value in variables if isinstance(value, FunctionType)]
    return names


def _names_around(frame: FrameType) -> dict[Any, str]:
    """Names of the arrays and Tensors among the caller's variables."""
    names: dict[Any, str] = {}
    _note([(name, x) for name, x in frame.f_locals.items() if name.isidentifier()], names)
    return names


MOST_OBJECTS, DEEPEST = 5_000, 8  # where names are looked for


def _note(variables: Sequence[tuple[str, Any]], names: dict[Any, str]) -> None:
    """Note the arrays and Tensors in these variables by name, and those in plain objects, lists and dicts by
    path: `net.layers.0.w`. What `self` holds needs no `self`."""
    level = [(name, value) for name, value in variables if not name.startswith("_")]
    seen: set[int] = set()
    for _ in range(DEEPEST):
        below: list[tuple[str, Any]] = []
        for path, value in level:
            if isinstance(value, Tensor):
                names.setdefault(value.index, path)
            elif isinstance(value, np.ndarray):
                own = names.setdefault(("array", id(value)), path)
                labels = value.ndim == 1 and value.dtype.kind in "iu"
                if (labels or value.dtype.kind == "b") and names.setdefault(look(value), own) != own:
                    names[look(value)] = ""  # two have the same values, and which was meant cannot be told
            elif id(value) not in seen and len(seen) < MOST_OBJECTS:
                seen.add(id(value))
                if isinstance(value, Watched):
                    names.setdefault(("module", id(value)), path)
                within = "" if path == "self" else f"{path}."
                below += [(f"{within}{key}", x) for key, x in _held(value)]
        level = below


def _held(value: Any) -> list[tuple[Any, Any]]:
    """What a list, a dict or a plain object holds, with the index, the key or the attribute."""
    if isinstance(value, list | tuple):
        return list(enumerate(value[:MOST_OBJECTS]))
    if isinstance(value, dict):
        return list(value.items())[:MOST_OBJECTS]
    if (
        isinstance(value, type | FunctionType | ModuleType)
        or type(value).__module__ in sys.builtin_module_names
    ):
        return []
    try:
        held = vars(value)
    except TypeError:  # an object without attributes of its own
        return []
    return list(held.items()) if isinstance(held, dict) else []


# Derivatives of the recorded graph


def _derived(outputs: Named, wanted: Sequence[str], names: Mapping[Any, str]) -> tuple[Named, Named]:
    """Add the pull back, or the Hessian-vector product, to a scalar whose graph has neither.

    Returns all outputs to draw, and those that only give names to others: beside a Hessian-vector product,
    the gradient.
    """
    scalars = [(name, t) for name, t in outputs if t.size == 1 and t.requires_grad]
    present = {t.mode.phase for t in _nodes(outputs)}
    if (
        len(outputs) != 1
        or not scalars
        or not {"backward", "tangent"} & set(wanted)
        or present != {"forward"}
    ):
        return outputs, []
    _, y = scalars[0]
    path = between(None, (y,))
    with scope(recording=True, tracing=True, phase="backward"):
        cotangents: dict[int, Any] = pull_back(path, {y.index: np.ones_like(y.numpy())}, record=True)
    leaves = [a for a in path.sources if isinstance(cotangents.get(a.index), Tensor)]
    called = _short_names(path, leaves, names)
    gradient = [cotangents[a.index] for a in leaves]
    named = [(f"∂{called[a.index]}", g) for a, g in zip(leaves, gradient, strict=True)]
    if "tangent" not in wanted:
        return [*outputs, *named], []
    slopes = {
        a.index: Tensor(np.ones(a.shape, a.dtype), requires_grad=True, name=tangent_of(called[a.index]))
        for a in leaves
    }
    second = between(leaves, gradient)
    with scope(recording=True, tracing=True, phase="tangent"):
        tangents = push_forward(second, dict(slopes), record=True)
    moved = [(f"Hv({called[a.index]})", tangents.get(g.index)) for a, g in zip(leaves, gradient, strict=True)]
    return [*outputs, *((name, t) for name, t in moved if isinstance(t, Tensor))], named


def _short_names(path: Slice, leaves: Sequence[Tensor], names: Mapping[Any, str]) -> dict[int, str]:
    """Short names for leaves, each different, by index: of two that are called W₀ the one that is used later
    is W₀′, as in the formulas."""
    met = dict.fromkeys(x.index for t in path.nodes for x in t.inputs if isinstance(x, Tensor))
    place = {index: k for k, index in enumerate(met)}
    called: dict[int, str] = {}
    for i, a in sorted(enumerate(leaves), key=lambda pair: place.get(pair[1].index, -1)):
        name = short_name(a.name or names.get(a.index, "") or f"p.{i}")
        called[a.index] = distinct(name, called.values())
    return called


def _nodes(outputs: Named) -> Iterator[Tensor]:
    """The operations that lead to the outputs."""
    for _, y in outputs:
        yield from between(None, (y,)).nodes
