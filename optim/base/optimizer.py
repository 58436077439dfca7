"""The base of all optimizers: parameters, groups of them with their options, saving and loading.

Two subclasses define a step: `FirstOrder` runs an update rule, and `ClosureOptimizer` evaluates a closure
at several points. Names: `param` one parameter's slice of the vectors of its group, see
`optim.base.groups`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, ClassVar, TypeAlias

import numpy as np

from minigrad import Tensor
from minigrad.extend import Hint, add_hints, as_sentence, entry, html_table, html_title, unexpected, visible
from optim.base.groups import Array, ParamGroup, ParamSlice, Values
from optim.base.insight import Observer
from optim.base.options import NON_NEGATIVE, WHOLE, checked
from optim.habits import OPTIMIZER, SETTINGS

__all__ = ["Optimizer", "Params"]

Params: TypeAlias = (
    Iterable[Tensor] | Iterable[tuple[str, Tensor]] | Mapping[str, Tensor] | Iterable[Mapping[str, Any]]
)


class Optimizer:
    """The base of all optimizers. An update rule of your own makes a `FirstOrder` optimizer.

    Args:
        params: Tensors; or (name, Tensor) pairs or a dict of them, such as `model.named_parameters()`; or a
            list of dicts `{"params": ..., "lr": ...}`, one for each group, whose options override the
            optimizer's. A parameter is a leaf of real floating dtype, one dtype to a group; it may be frozen
            (`requires_grad=False`) and is then skipped. Its name is the one given, else `p.name`, else
            "param0", "param1", ...
        options: the optimizer's own.

    Raises:
        TypeError, ValueError: parameters or options are not as described; nothing is changed then.
    """

    state_names: ClassVar[tuple[str, ...]] = ()
    state_needs: ClassVar[dict[str, str]] = {}  # state: the option without which it stays 0
    """The names of the state vectors, which hold one number for each weight."""
    scalars: ClassVar[dict[str, Any]] = {}
    """The initial values of the state that is one number for each parameter, beside the step count `t`."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.__init__ = entry(cls.__init__)  # type: ignore[method-assign]

    @entry
    def __init__(self, params: Params, **options: Any) -> None:
        self.defaults = self._checked(options)
        self.observers = ()  # an attribute of the object is found more quickly
        self.param_groups: list[ParamGroup] = []
        call = type(self).__name__
        if isinstance(params, Tensor | str | set | frozenset):
            raise TypeError(
                f"`{call}(params)` must be an ordered collection of Tensors, got {type(params).__name__}. "
                "Use a list."
            )
        if not isinstance(params, Iterable):
            raise TypeError(
                f"`{call}(params)` must hold Tensors, (name, Tensor) pairs or group dicts, got "
                f"{type(params).__name__}. Pass model.named_parameters()."
            )
        given = list(params.items() if isinstance(params, Mapping) else params)
        if not given:
            raise ValueError(
                f"`{call}(params)` must not be empty. Does the model have no parameters, or is an iterator "
                "used up?"
            )
        groups = given if all(isinstance(item, Mapping) for item in given) else [{"params": given}]
        self._add([self._described(group) for group in groups])

    def initial(self, name: str, options: Values) -> float:
        """The number that fills the state vector `name` at the beginning."""
        return 0.0

    def consistent(self, options: Values) -> None:
        """Raise ValueError where options exclude each other, although each of them is right by itself."""

    observers: tuple[Observer, ...] = ()
    """Who is told of each step: `optim.record` and `keep_last_step` put themselves here."""

    @entry
    def add_param_group(self, param_group: Mapping[str, Any]) -> None:
        """Add a group `{"params": ..., **options}`; options not given are the optimizer's own."""
        self._add([self._described(param_group)])

    @entry
    def zero_grad(self) -> None:
        """Forget the gradients of all parameters."""
        for param in self._slices():
            param.tensor.gradient = None

    def step(self, closure: Callable[[], Any] | None = None) -> Tensor | None:
        """Take one step; every subclass says how."""
        raise NotImplementedError(
            f"`{type(self).__name__}` needs a `step` of its own. An optimizer with a `rule` is a subclass of "
            "`optim.FirstOrder`."
        )

    def measures(self) -> dict[str, Callable[[Callable[..., Tensor], Any], float]]:
        """What this optimizer can measure of a loss, by name: functions of f and a batch, where f(*batch) is
        the mean loss of the batch's rows. `fit(watch=...)` offers them beside measures of its own.

        "sharpness" and "gradient_noise", the noise scale B = tr Σ/‖G‖²; and "preconditioned_sharpness" of an
        optimizer that divides by a second moment. All are of the parameters that are not frozen.

        >>> import optim
        >>> p = Tensor(np.zeros(2), requires_grad=True)
        >>> X = np.array([[1.0, 2.0], [1.0, 2.0]])
        >>> optim.SGD([p]).measures()["sharpness"](lambda x: (x * p**2).mean(), (X,))
        2.0
        """
        from optim.measures import measures  # which imports this file

        return measures(self)

    def state_dict(self) -> Values:
        """Options and state, but not the weights, as a nested dict of plain values and copied arrays."""
        return {
            "optimizer": type(self).__name__,
            "groups": [
                {"params": [param.name for param in group.slices], "options": dict(group.options)}
                for group in self.param_groups
            ],
            "state": {
                param.name: _saved(group, param) for group in self.param_groups for param in group.slices
            },
        }

    @entry
    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over the result of `state_dict`. Parameters are matched by name and shape, in any order.

        Raises:
            ValueError: it belongs to another optimizer, or names, shapes, groups or options do not match.
                Nothing is changed then.
        """
        call = f"{type(self).__name__}.load_state_dict"
        options_of, states = self._taken_apart(call, state_dict)
        params = {param.name: param for param in self._slices()}
        missing, unexpected = sorted(params.keys() - states.keys()), sorted(states.keys() - params.keys())
        if missing or unexpected:
            raise ValueError(
                f"`{call}`: the parameters differ; missing {missing}, unexpected {unexpected}. Give them the "
                "same names."
            )
        options = [self._loaded_options(call, group, options_of) for group in self.param_groups]
        loaded = {name: self._loaded_state(call, param, states[name]) for name, param in params.items()}
        for group, new in zip(self.param_groups, options, strict=True):
            group.update(new)
            group.written = set()
            for param in group.slices:
                param.counters, vectors = loaded[param.name]
                group.written |= vectors.keys()
                for name, vector in group.state.items():
                    vector[param.lo : param.hi] = (
                        np.ravel(vectors[name]) if name in vectors else self.initial(name, new)
                    )

    def __getstate__(self) -> Values:
        """A copy is observed by nobody, and its `step` is that of the class."""
        return {key: value for key, value in vars(self).items() if key not in ("observers", "step")}

    def __dir__(self) -> list[str]:
        return visible(self)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(map(repr, self.param_groups))})"

    def _repr_html_(self) -> str:
        """For notebooks: the options and parameters of each group, and the names of the state in use."""
        rows = []
        for i, group in enumerate(self.param_groups):
            names = [p.name or f"parameter of shape {p.shape}" for p in group["params"]]
            names = [*names[:6], f"… {len(names)} in all"] if len(names) > 7 else names
            size = sum(p.size for p in group["params"])
            head = f"group {i}" if len(self.param_groups) > 1 else ""
            rows += [[head, "parameters", f"{', '.join(names)} ({size:,} numbers)"]]
            rows += [["", key, str(value)] for key, value in group.items() if key != "params"]
        groups, needs = self.param_groups, self.state_needs
        used = [n for n in self.state_names if n not in needs or any(group[needs[n]] for group in groups)]
        if used:
            rows.append(["", "state", ", ".join(used)])
        return html_title(type(self).__name__) + html_table(("", "", ""), rows)

    # The parts

    def _slices(self) -> Iterator[ParamSlice]:
        return (param for group in self.param_groups for param in group.slices)

    def _checked(self, options: Values) -> Values:
        call = type(self).__name__
        known = getattr(self, "defaults", options).keys() | {"initial_lr"}
        if unknown := sorted(options.keys() - known):
            remedy = unexpected(call, unknown[0], known)
            raise ValueError(
                f"`{call}` has no option {', '.join(unknown)}; it has {', '.join(sorted(known))}."
                + (f" For {unknown[0]}: {as_sentence(remedy)}" if remedy else "")
            )
        options = {name: checked(call, name, value) for name, value in options.items()}
        self.consistent(options)
        return options

    def _described(self, group: Any) -> tuple[list[Any], Values]:
        """A group as given, split into its parameters and its full options."""
        call = type(self).__name__
        if not isinstance(group, Mapping) or "params" not in group:
            raise TypeError(
                f'`{call}`: a parameter group must be a dict with the key "params", got {group!r:.60}.'
            )
        params = group["params"]
        if isinstance(params, Tensor | str | set | frozenset):
            raise TypeError(
                f'`{call}`: "params" must be an ordered collection of Tensors, got {type(params).__name__}. '
                "Use a list."
            )
        options = self.defaults | {key: value for key, value in group.items() if key != "params"}
        return list(params.items() if isinstance(params, Mapping) else params), options

    def _add(self, described: list[tuple[list[Any], Values]]) -> None:
        """Check all new groups, then add them all and take over their parameters."""
        call = type(self).__name__
        names = {param.name for param in self._slices()}
        ids = {id(param.tensor) for param in self._slices()}
        groups = []
        for items, options in described:
            if not items:
                raise ValueError(f"`{call}(params)`: a parameter group must not be empty.")
            named = []
            for item in items:
                name, p = item if isinstance(item, tuple) and len(item) == 2 else (None, item)
                if name is None:
                    name = getattr(p, "name", None) or f"param{len(names)}"
                _require_parameter(call, name, p)
                if id(p) in ids:
                    raise ValueError(
                        f"`{call}(params)`: {name!r} is given twice; each parameter belongs to one group, "
                        "once."
                    )
                if name in names:
                    raise ValueError(
                        f"`{call}(params)`: two parameters are called {name!r}. State is saved by name; pass "
                        "(name, Tensor) pairs with distinct names, such as model.named_parameters()."
                    )
                names.add(name)
                ids.add(id(p))
                named.append((name, p))
            if len(dtypes := sorted({str(p.dtype) for _, p in named})) > 1:
                raise TypeError(
                    f"`{call}(params)`: a group must have one dtype, got {', '.join(dtypes)}. Make a group "
                    "for each."
                )
            options = self._checked(options)
            starts = {name: self.initial(name, options) for name in self.state_names}
            groups.append(ParamGroup(named, options, self._checked, starts, self.scalars))
        for group in groups:
            for param in group.slices:
                group.adopt(param)
        self.param_groups += groups

    def _taken_apart(
        self, call: str, state_dict: Any
    ) -> tuple[dict[frozenset[str], Values], Mapping[str, Any]]:
        """The options for the names of each saved group, and the state for the name of each parameter."""
        try:
            kind, groups, states = state_dict["optimizer"], state_dict["groups"], state_dict["state"]
            options_of = {frozenset(saved["params"]): dict(saved["options"]) for saved in groups}
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise ValueError(f"`{call}` needs what `state_dict()` returned: {error!r}.") from None
        if not isinstance(states, Mapping) or not all(
            isinstance(state, Mapping) for state in states.values()
        ):
            raise ValueError(
                f"`{call}` needs what `state_dict()` returned; its state of each parameter must be a dict."
            )
        if kind != type(self).__name__:
            raise ValueError(f"`{call}` needs the state of {type(self).__name__}, got that of {kind}.")
        return options_of, states

    def _loaded_options(
        self, call: str, group: ParamGroup, options_of: Mapping[frozenset[str], Values]
    ) -> Values:
        """The saved options of a group, checked."""
        names = frozenset(param.name for param in group.slices)
        if names not in options_of:
            raise ValueError(
                f"`{call}`: no saved group has just the parameters {sorted(names)}. Group them as they were "
                "saved."
            )
        if missing := sorted(group.options.keys() - {"initial_lr"} - options_of[names].keys()):
            raise ValueError(f"`{call}`: the saved group of {sorted(names)} lacks the options {missing}.")
        return self._checked(options_of[names])

    def _loaded_state(
        self, call: str, param: ParamSlice, saved: Mapping[str, Any]
    ) -> tuple[Values, dict[str, Array]]:
        """The saved counters and vectors of one parameter, checked."""
        vectors = {
            key: np.asarray(value)
            for key, value in saved.items()
            if key != "shape" and key not in param.counters
        }
        shape = saved.get("shape", ())
        if not isinstance(shape, tuple | list) or tuple(shape) != param.shape:
            raise ValueError(
                f"`{call}`: {param.name!r} has shape {param.shape}, but {saved.get('shape')} was saved."
            )
        lacking = sorted(param.counters.keys() - saved.keys())
        if lacking or vectors.keys() - set(self.state_names):
            raise ValueError(
                f"`{call}`: the state of {param.name!r} has keys {sorted(saved)}; lacking {lacking}."
            )
        for key, vector in vectors.items():
            if vector.shape != param.shape or vector.dtype.kind != "f":
                raise ValueError(
                    f"`{call}`: {key!r} of {param.name!r} must be floats of shape {param.shape}, got "
                    f"{vector.dtype} {vector.shape}."
                )
        kinds = {key: WHOLE if isinstance(now, int) else NON_NEGATIVE for key, now in param.counters.items()}
        return {key: checked(call, key, saved[key], kind) for key, kind in kinds.items()}, vectors


class _Setting(Hint):
    """A hint that also refuses to be set on optimizers of this package, where that would have no effect."""

    __slots__ = ()

    @entry
    def __set__(self, optimizer: Optimizer, value: Any) -> None:
        if type(optimizer).__module__.startswith("optim."):
            raise AttributeError(
                f"setting `{self.name}` on {type(optimizer).__name__} would change nothing: {self.remedy} = "
                f"{value!r:.60}."
            )
        vars(optimizer)[self.name] = value

    @entry
    def __get__(self, found: Any, kind: Any = None) -> Any:
        if self.name in getattr(found, "__dict__", ()):
            return vars(found)[self.name]
        return super().__get__(found, kind)


add_hints(Optimizer, "an Optimizer", OPTIMIZER)
add_hints(Optimizer, "an Optimizer", SETTINGS, _Setting)


def _saved(group: ParamGroup, param: ParamSlice) -> Values:
    """The shape, the counters and the vectors of one parameter, copied."""
    vectors = {
        name: v[param.lo : param.hi] for name, v in sorted(group.state.items()) if name in group.written
    }
    copies = {name: vector.reshape(param.shape).copy() for name, vector in vectors.items()}
    return {"shape": param.shape, **param.counters, **copies}


def _require_parameter(call: str, name: Any, p: Any) -> None:
    if not isinstance(p, Tensor) or not isinstance(name, str):
        raise TypeError(
            f"`{call}(params)` must hold Tensors, (name, Tensor) pairs, or group dicts only, got "
            f"{type(p).__name__}: {p!r:.60}."
        )
    if p.live:
        raise ValueError(
            f"`{call}(params)`: {name!r} is the result of an operation, not a leaf; pass the Tensors it was "
            "made from, or make a new one with Tensor(x.data, requires_grad=True)."
        )
    if p.dtype.kind != "f":
        raise TypeError(
            f"`{call}(params)`: {name!r} must have a real floating dtype, got {p.dtype}. Convert it with "
            "astype first."
        )
