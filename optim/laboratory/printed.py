"""What is recorded, printed as JavaScript: an objective with its derivatives, a model's output, a rule.

Each script is an expression, a function that is called at once, so nothing of it is global. The vector of
unknowns, θ, is one Float64Array: the leaves one after the other, each in C order. Everything is computed in
float64; what would need another dtype, or has no loops, is refused by name when the text is made.

Names: `to` the lowering that knows where each recorded value lies.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minigrad import Tensor
from minigrad.extend import (
    LOOPS,
    Function,
    Lowering,
    Nest,
    Variable,
    data_text,
    entry,
    expanded,
    fresh,
    fused,
    put_in_stages,
    recorded_curvature,
    recorded_function,
    recorded_gradient,
    rule_lines,
    script,
    simplified,
    values,
)
from optim.base.first_order import FirstOrder
from optim.base.groups import ParamGroup, Values
from optim.laboratory.drawn import operations

__all__ = ["forward_script", "objective_script", "rule_script"]


class _Unknowns:
    """The leaves as parts of one vector."""

    def __init__(self, leaves: Sequence[Tensor], call: str) -> None:
        for leaf in leaves:
            if not isinstance(leaf, Tensor) or leaf.dtype != np.float64:
                got = leaf.dtype if isinstance(leaf, Tensor) else type(leaf).__name__
                raise TypeError(f"`{call}(leaves=...)` needs Tensors of float64, got {got}.")
        self.leaves = list(leaves)
        self.names = [leaf.name or f"x{i}" for i, leaf in enumerate(leaves)]
        self.offsets = [0, *itertools.accumulate(leaf.size for leaf in leaves)]
        self.n = self.offsets.pop()

    def views(self, name: str) -> list[Any]:
        """The part of each leaf in the vector that the text calls `name`."""
        whole = fresh((self.n,), "f", name)
        places = zip(self.offsets, self.leaves, strict=True)
        return [whole.across(whole.lie[lo : lo + leaf.size].reshape(leaf.shape)) for lo, leaf in places]

    def described(self) -> Values:
        shapes = [list(leaf.shape) for leaf in self.leaves]
        return {"n": self.n, "names": self.names, "shapes": shapes, "offsets": self.offsets}


class _Data:
    """The arrays among the arguments, which the page may replace."""

    def __init__(self, found: Any, call: str) -> None:
        self.arrays = [x.primal if isinstance(x, Tensor) else np.asarray(x) for x in found.arrays]
        self.names = found.names[: len(self.arrays)]
        for name, x in zip(self.names, self.arrays, strict=True):
            if x.dtype.kind in "fc" and x.dtype != np.float64:
                raise TypeError(
                    f"{call}: the argument {name} is {x.dtype}, and the script computes in float64. Pass "
                    f"{name}.astype(np.float64)."
                )
        self.views = [fresh(x.shape, x.dtype.kind, f"x{i}") for i, x in enumerate(self.arrays)]

    @property
    def head(self) -> list[str]:
        """The line by which a function names them."""
        names = ", ".join(f"x{i}" for i in range(len(self.arrays)))
        return [f"const [{names}] = data;"] if names else []

    @property
    def text(self) -> str:
        return f"const data = [{', '.join(map(values, self.arrays))}];"

    def described(self) -> list[Values]:
        pairs = zip(self.names, self.arrays, strict=True)
        return [{"name": name, "shape": list(x.shape), "dtype": x.dtype.name} for name, x in pairs]


def _bind(to: Lowering, lines: Any, unknowns: _Unknowns, theta: Sequence[Any]) -> None:
    """Say where each variable lies: a leaf in θ; another is a constant with its present value."""
    of = {id(leaf): view for leaf, view in zip(unknowns.leaves, theta, strict=True)}
    operands = itertools.chain(lines.outputs, *(line.args for line in lines.lines))
    for x in operands:
        if isinstance(x, Variable):
            to.lies(x, of[id(x.leaf)] if id(x.leaf) in of else to.constant(x.array))


def _give(to: Lowering, inputs: Sequence[Any], views: Sequence[Any]) -> None:
    """Say where inputs lie; those without a view (buffers) are constants."""
    for x, view in itertools.zip_longest(inputs, views):
        to.lies(x, view or to.constant(x.array))


def _copies(to: Lowering, results: Sequence[Any], targets: Sequence[Any]) -> list[Any]:
    to.nests = []
    for x, view in zip(results, targets, strict=True):
        to.copied(to.operand(x), view)
    return to.nests


def _result(to: Lowering, x: Any) -> Any:
    found = to.operand(x)
    return found if isinstance(found, float | int) else found.place()


def _described(members: Values) -> str:
    """Members as JSON without its braces. Names of the user's are in it: none may look like a comment, or end
    the script of a page."""
    return data_text(members)[1:-1].replace("/", "\\/")


def _expression(parts: Sequence[str], members: str) -> str:
    lines = ['"use strict";', *parts, f"return {{ {members} }};"]
    return "\n".join(["(() => {", *(f"  {line}" for line in lines), "})()"])


@entry
def objective_script(
    f: Callable[..., Any], leaves: Sequence[Tensor], args: Sequence[Any] = (), curvature: bool = False
) -> str:
    """A loss with its gradient, and on demand its products with the Hessian, as JavaScript.

    Args:
        f: f(*args) is the loss, a scalar Tensor; it reaches the leaves from outside.
        leaves: Tensors of float64, the unknowns.
        args: the arguments; arrays among them become `data` of the script, which the page may replace.
        curvature: whether the script has `point`, `pointGradient` and `product` too.

    Returns:
        An expression whose value is
        {n, names, shapes, offsets, inputs, data, gradient(theta, g) → loss,
        constantHessian, point(theta) → loss, pointGradient(g), product(v, out)}.
        `constantHessian` is true if no part of the product was computed from θ.

    Raises:
        TypeError: something recorded cannot be printed; the message names it.

    >>> from minigrad import Tensor
    >>> p = Tensor([1.0, 2.0], requires_grad=True, name="p")
    >>> print(objective_script(lambda: p[0] * p[1], [p]).splitlines()[0])
    (() => {
    """
    unknowns, to = _Unknowns(leaves, "objective_script"), Lowering()
    found = recorded_gradient(f, "objective_script", tuple(args), {}, unknowns.leaves)
    data = _Data(found, "objective_script")
    members = {**unknowns.described(), "inputs": data.described()}
    functions = [_gradient(to, found, unknowns, data)]
    kept: list[Any] = []
    state: list[str] = []
    if curvature:
        more, kept, members["constantHessian"] = _curvature(to, f, args, unknowns, data)
        functions += more
        state = [f"const at = new Float64Array({unknowns.n});", "let done = 0;"]
    shared, texts = script(functions, kept)
    names = "data, gradient" + (", point, pointGradient, product" if curvature else "")
    return _expression([*shared, *state, data.text, *texts], f"{_described(members)}, {names}")


def _gradient(to: Lowering, found: Any, unknowns: _Unknowns, data: _Data) -> Function:
    lines = expanded(simplified(found.lines))
    _give(to, lines.inputs, data.views)
    _bind(to, lines, unknowns, unknowns.views("theta"))
    nests = to.lowered(lines.lines)
    loss, *slopes = lines.outputs
    live = iter(slopes)
    gradient = [next(live) if there else 0.0 for there in found.reached]
    nests += _copies(to, gradient, unknowns.views("g"))
    return Function("gradient", "theta, g", fused(nests), _result(to, loss), data.head)


def _curvature(
    to: Lowering, f: Any, args: Sequence[Any], unknowns: _Unknowns, data: _Data
) -> tuple[list[Function], list[Any], bool]:
    """Loss, gradient and products at one point; each part is computed when it is first needed. Also their
    common memory, and whether the products are the same at every point.

    `done` counts the parts that have run: 1 the gradient, 2 what the products share.
    """
    found = recorded_curvature(f, "objective_script", tuple(args), {}, unknowns.leaves)
    n, m = len(found.arrays), len(unknowns.leaves)
    found.lines.outputs = found.lines.outputs[: 1 + 2 * m]
    lines = expanded(simplified(found.lines))
    point = unknowns.views("at")
    arguments, tangents, rest = lines.inputs[:n], lines.inputs[n : n + m], lines.inputs[n + m :]
    _give(to, arguments, data.views)
    _give(to, tangents, unknowns.views("v"))
    _give(to, rest, point)
    _bind(to, lines, unknowns, point)
    put_in_stages(lines, [arguments + rest, [], [], tangents], [1, m, 0, m])
    parts = [fused(to.lowered([x for x in lines.lines if x.stage == s])) for s in range(4)]
    loss, *results = lines.outputs
    constant = not _depend(results[m:], rest)
    copies = fused(_copies(to, results[:m], unknowns.views("g")))
    products = fused([*parts[3], *_copies(to, results[m:], unknowns.views("out"))])
    first = "if (done < 1) { slope(); done = 1; }"
    return (
        [
            Function(
                "point", "theta", parts[0], _result(to, loss), ["at.set(theta);", "done = 0;", *data.head]
            ),
            Function("slope", "", parts[1], "", data.head),
            Function("pointGradient", "g", copies, "", [first, *data.head]),
            Function("prepare", "", parts[2], "", data.head),
            Function(
                "product",
                "v, out",
                products,
                "",
                [first, "if (done < 2) { prepare(); done = 2; }", *data.head],
            ),
        ],
        [point[0].array],
        constant,
    )


def _depend(results: Sequence[Any], unknowns: Sequence[Any]) -> bool:
    """Whether results were computed from a leaf: one of the inputs `unknowns`, or a variable."""
    among, todo, seen = set(map(id, unknowns)), list(results), set[int]()
    while todo:
        x = todo.pop()
        if id(x) in among or isinstance(x, Variable):
            return True
        if id(x) not in seen:
            seen.add(id(x))
            todo += getattr(x, "args", ())
    return False


@entry
def forward_script(f: Callable[..., Any], leaves: Sequence[Tensor], args: Sequence[Any] = ()) -> str:
    """A function of the unknowns with an array as its result, as JavaScript: {shape, data, run(theta)}.

    Arguments and errors: see `objective_script`. `run` returns a new Float64Array in C order.
    """
    unknowns, to = _Unknowns(leaves, "forward_script"), Lowering()
    found = recorded_function(f, "forward_script", tuple(args), {})
    data = _Data(found, "forward_script")
    lines = expanded(simplified(found.lines))
    _give(to, lines.inputs, data.views)
    _bind(to, lines, unknowns, unknowns.views("theta"))
    nests = to.lowered(lines.lines)
    y = found.outputs[0]
    result = fresh(y.shape, "f", "y")
    nests += _copies(to, lines.outputs[:1], [result])
    head = [f"const y = new Float64Array({y.size});", *data.head]
    shared, texts = script([Function("run", "theta", fused(nests), "y", head)])
    members = {**unknowns.described(), "inputs": data.described(), "shape": list(y.shape)}
    return _expression([*shared, data.text, *texts], f"{_described(members)}, data, run")


@entry
def rule_script(optimizer: FirstOrder, unnamed: Sequence[int] = (), at_first: Sequence[int] = ()) -> str:
    """The update rule of an optimizer, with its options of the first group, as JavaScript.

    Options that are 0, False, None or words are constants of the text; the others are `numbers`, which may
    change from step to step. A counter that may be 0 at one step and not at another gives the rule a text for
    each.

    Args:
        unnamed: positions among the `operations` of the rule after its first step; `trace` gives their
            numbers too, as u_1, u_2, ...
        at_first: the same of the first step, where its rule is another.

    Returns:
        An expression whose value is
        {name, state, counters, starts, numbers, constants, step(w, g, state, counters, numbers) → counters,
        trace(w, g, state, counters, numbers)}: `step` writes into its vectors, `trace` takes and returns the
        numbers of one coordinate, under the names of `optimizer.preview()`. `starts` has the number that
        fills each state vector at the beginning, and that each counter starts from.

    Raises:
        TypeError: a group is not float64, or the rule computes something that cannot be printed.
    """
    (group,) = optimizer.param_groups[:1]
    if group.dtype != np.float64:
        raise TypeError(f"`rule_script(optimizer)` needs parameters of float64, got {group.dtype}.")
    counters = group.slices[0].counters
    numbers = group.for_rule
    needed = [s for s in group.state if numbers.get(optimizer.state_needs.get(s, ""), True)]
    starts = list(itertools.product((0, 1), repeat=len(optimizer.scalars)))
    begins = tuple(int(x != 0) for x in optimizer.scalars.values())
    variants = [
        _Rule(optimizer, group, needed, dict(zip(optimizer.scalars, start, strict=True)), f"{at or ''}",
              unnamed if start == starts[-1] else at_first if start == begins else ())
        for at, start in enumerate(starts)
    ]  # fmt: skip
    functions = [function for rule in variants for function in rule.functions()]
    shared, texts = script(functions)
    tests = [f"counters.{name} !== 0" for name in optimizer.scalars]
    which = " + ".join(f"{1 << i} * ({test})" for i, test in enumerate(reversed(tests))) or "0"
    names = {kind: ", ".join(f"{kind}{rule.suffix}" for rule in variants) for kind in ("step", "trace")}
    parts = [
        *shared,
        *texts,
        *(f"const {kind}s = [{names[kind]}];" for kind in names),
    ]
    given = "w, g, state, counters, numbers"
    constants = {k: v for k, v in numbers.items() if not _varies(v)} | {
        "maximize": group.get("maximize", False)
    }
    members = {
        "name": type(optimizer).__name__,
        "state": needed,
        "counters": list(counters),
        "starts": {s: optimizer.initial(s, group.options) for s in needed} | {"t": 0, **optimizer.scalars},
        "numbers": {k: v for k, v in numbers.items() if _varies(v)},
        "constants": constants,
    }
    calls = ", ".join(f"{kind}: ({given}) => {kind}s[{which}]({given})" for kind in names)
    return _expression(parts, f"{_described(members)}, {calls}, boxes: null")


def _varies(option: Any) -> bool:
    """Whether an option is a number of the rule, not a constant of its text."""
    if isinstance(option, tuple):
        return any(map(_varies, option))
    return not (option is None or isinstance(option, bool | str) or option == 0)


class _Rule:
    """The rule of a group as two functions, for counters that are 0 or not."""

    def __init__(
        self, optimizer: FirstOrder, group: ParamGroup, state: Sequence[str], scalars: Values, suffix: str,
        unnamed: Sequence[int],
    ) -> None:  # fmt: skip
        self.name, self.suffix = type(optimizer).__name__, suffix
        self.state, self.scalars = state, scalars
        vectors = ("w", "g", *group.state)
        numbers = {**group.for_rule, **scalars, "t": 2}

        def rule(v: Values, n: Values) -> Values:
            given = v | {"g": np.negative(v["g"])} if group.get("maximize", False) else v
            out = {"g": given["g"], **optimizer.rule(*(given[name] for name in vectors), **n)}
            made = operations([out[name] for name in vectors if name in out], given.values())
            out |= {f"u_{k + 1}": made[at] for k, at in enumerate(unnamed)}
            divisor = optimizer.divisor({**given, **out}, n["t"], n)
            return out if divisor is None else out | {"lr_eff": optimizer.rate(n["t"], n) / divisor}

        starts = {name: Tensor(np.ones(2), name=name) for name in vectors}
        self.out, self.sources, self.lines = rule_lines(rule, starts, numbers)
        self.vectors = vectors

    def functions(self) -> list[Function]:
        return [self._step(), self._trace()]

    def _lowered(
        self, names: Sequence[str], targets: Sequence[Any], one: bool
    ) -> tuple[list[Any], list[str]]:
        """The nests for results of these names, and the lines that name what they read."""
        lines, to = expanded(self.lines(names)), Lowering()
        vectors, numbers = lines.inputs[: len(self.vectors)], lines.inputs[len(self.vectors) :]
        views = [fresh((2,), "f", _word(name), variable=one) for name in self.vectors]
        given = [fresh((), "f", _word(x.name), variable=True) for x in numbers]
        _give(to, [*vectors, *numbers], [*views, *given])
        nests = to.lowered(lines.lines)
        nests += _copies(to, lines.outputs, targets)
        head = [f"const [{', '.join(map(_word, self.state))}] = state;"] if self.state else []
        head.append("const n = { ...numbers, ...counters, t: counters.t + 1 };")
        pairs = zip(numbers, self.sources, strict=True)
        return nests, [*head, *(f"const {_word(x.name)} = {source};" for x, source in pairs)]

    def _step(self) -> Function:
        written = [name for name in ("w", *self.state) if isinstance(self.out.get(name), Tensor)]
        counted = [name for name in self.scalars if name in self.out]
        targets = [fresh((2,), "f", _word(name)) for name in written]
        targets += [fresh((), "f", f"n.{name}", variable=True) for name in counted]
        nests, head = self._lowered([*written, *counted], targets, False)
        whole = fused(nests)
        if sum(nest.extents != () for nest in whole) > 1:
            raise TypeError(f"`{self.name}.rule` cannot be printed: it is not elementwise in one pass.")
        long = [Nest(("w.length",) if nest.extents else (), nest.body) for nest in whole]
        counters = ", ".join(f"{name}: n.{name}" for name in ("t", *self.scalars))
        return Function(f"step{self.suffix}", _RULE, long, f"{{ {counters} }}", head)

    def _trace(self) -> Function:
        names = list(self.out)
        targets = [
            fresh((2,) if np.ndim(self.out[name]) else (), "f", f"out.{name}", variable=True)
            for name in names
        ]
        nests, head = self._lowered(names, targets, True)
        alone = fused(nest.over(()) for nest in nests)
        return Function(f"trace{self.suffix}", _RULE, alone, "out", ["const out = {};", *head])


_RULE = "w, g, state, counters, numbers"
_TAKEN = {"n", "state", "counters", "numbers", "out", *LOOPS}


def _word(name: str) -> str:
    """The name of a vector or number of a rule in the text, apart from what the text names itself."""
    return f"{name}_" if name in _TAKEN or re.fullmatch(r"[acst]\d+", name) else name
