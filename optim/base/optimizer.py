"""What every first-order optimizer shares: steps, closures and their replays, saving and loading.

An optimizer is an update rule: a pure function of vectors `rule(w, g, *state, t=..., **options)` that returns the new `w`,
the new state and every intermediate worth a name. This file and `optim.base.groups` bring parameters and gradients into that
form. The rule runs on segments: stretches of consecutive parameters that have a gradient and the same step count. Normally
that is a group's whole vector; a parameter without a gradient is left out, and neither its state nor its count moves.

Names: `w` weights, `g` gradient, `t` step count from 1, `lo hi` a stretch of the group's vector, `slot` a parameter's place
in it, `clock` the numbers kept for each parameter: t and what else the rule counts.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, ClassVar, TypeAlias

import numpy as np

from minigrad import Tensor
from minigrad.extend import Bound, GradientRequest, UpdateProgram, constant_tensor, recorded_rule, touch
from optim.base.groups import Array, ParamGroup, Segment, Slot, Values
from optim.base.options import NON_NEGATIVE, WHOLE, checked

__all__ = ["Array", "Optimizer", "ParamGroup", "Params", "Values"]

Params: TypeAlias = Iterable[Tensor] | Iterable[tuple[str, Tensor]] | Mapping[str, Tensor] | Iterable[Mapping[str, Any]]


class Optimizer:
    """The base of the first-order optimizers: give it a `rule`, the names of the state, and a constructor.

    Args:
        params: Tensors; or (name, Tensor) pairs or a dict of them, such as `model.named_parameters()`; or a list of dicts
            `{"params": ..., "lr": ...}`, one for each group, whose options override the optimizer's. A parameter is a leaf
            of real floating dtype, one dtype to a group; it may be frozen (`requires_grad=False`) and is then skipped.
            Its name is the one given, else `p.name`, else "param0", "param1", ...
        options: the optimizer's own.

    Raises:
        TypeError, ValueError: parameters or options that are not what they should be; nothing was changed then.

    A new optimizer in full:

    >>> class SignDescent(Optimizer):
    ...     rule = staticmethod(lambda w, g, *, t, lr: {"w": w - lr * np.sign(g)})
    >>> p = Tensor([1.0, -2.0], requires_grad=True)
    >>> _ = SignDescent([p], lr=0.5).step(lambda: (p * p).sum())
    >>> p.data
    array([ 0.5, -1.5])
    """

    state_names: ClassVar[tuple[str, ...]] = ()
    """State with one number for each weight, in the order in which the rule takes it."""
    scalars: ClassVar[dict[str, Any]] = {}
    """State with one number for each parameter, beside the step count `t`, and what it starts from."""

    @staticmethod
    def rule(*args: Any, **kwargs: Any) -> Values:
        """One update: `rule(w, g, *state, t, **scalars, **options)` gives the new "w", new state and named intermediates.

        It is plain NumPy without in-place writes, so it also runs on Tensors and can then be drawn.
        """
        raise NotImplementedError("an optimizer needs a `rule` of its own; the docstring of `Optimizer` shows a whole one.")

    def __init__(self, params: Params, **options: Any) -> None:
        self.defaults = self._checked(options)
        self._programs: dict[Any, UpdateProgram] = {}
        self._replay: GradientRequest | None = None  # what was last replayed
        self.param_groups: list[ParamGroup] = []
        call = type(self).__name__
        if isinstance(params, Tensor | str | set | frozenset):
            raise TypeError(
                f"`{call}(params)` must be an ordered collection of Tensors, got {type(params).__name__}. Use a list."
            )
        if not isinstance(params, Iterable):
            raise TypeError(
                f"`{call}(params)` must hold Tensors, (name, Tensor) pairs or group dicts, got {type(params).__name__}. "
                f"Pass model.named_parameters()."
            )
        given = list(params.items() if isinstance(params, Mapping) else params)
        if not given:
            raise ValueError(f"`{call}(params)` must not be empty. Has the model no parameters, or was a generator used up?")
        groups = given if all(isinstance(item, Mapping) for item in given) else [{"params": given}]
        self._add([self._described(group) for group in groups])

    def initial(self, name: str, options: Values) -> float:
        """What the state vector `name` is filled with at the beginning."""
        return 0.0

    def consistent(self, options: Values) -> None:
        """Raise ValueError where options, right one by one, exclude each other."""

    def add_param_group(self, param_group: Mapping[str, Any]) -> None:
        """Add a group `{"params": ..., **options}`; options not given are the optimizer's own."""
        self._add([self._described(param_group)])

    def zero_grad(self) -> None:
        """Forget the gradients of all parameters."""
        for slot in self._slots():
            slot.tensor.grad = None

    def step(self, closure: Callable[[], Tensor] | None = None) -> Tensor | None:
        """Update every parameter that has a gradient.

        Args:
            closure: computes and returns the loss; the gradients are then found here. One that itself calls
                `zero_grad()` and `backward()` works too. Without it the gradients of the last `backward()` are used.
                With `minigrad.compile(loss_of).at(x, y)` loss and gradients are replayed, which is quicker.

        Returns:
            The closure's loss, or None.

        Raises:
            TypeError, ValueError: the closure gives no scalar Tensor, or a gradient has another shape than its parameter.
                The parameters are unchanged then. Non-finite gradients are not looked for and go into the parameters.
        """
        reached_all = False
        if isinstance(closure, Bound):
            loss: Tensor | None
            loss, reached_all = self._replayed(closure)
        else:
            loss = None if closure is None else self._pulled_back(closure)
        # What can raise comes before any change.
        work = [(group, self._segments(group, reached_all)) for group in self.param_groups]
        for group, segments in work:
            if len(segments) == 1:
                self._update(group, segments)
                continue
            for _, alike in itertools.groupby(segments, key=lambda segment: segment.clock):
                self._update(group, list(alike))
        return loss

    def preview(self) -> dict[str, Values]:
        """All that the rule computes from the present weights, gradients and state, by parameter name; nothing changes.

        For Adam: the gradient "g", "m", "v", "m_hat", "v_hat", the "step" and the new "w", in the parameter's shape.
        """
        shown: dict[str, Values] = {}
        for group in self.param_groups:
            for segment in group.segments(type(self).__name__):
                lo, hi = segment.lo, segment.hi
                g = segment.gradient(group.get("maximize", False))
                with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
                    out = {"g": g, **self._run(group, lo, hi, g, segment.clock)}
                for slot in segment.slots:
                    part = slice(slot.lo - lo, slot.hi - lo)
                    shown[slot.name] = {
                        key: value[part].reshape(slot.shape).copy() if isinstance(value, np.ndarray) else value
                        for key, value in out.items()
                    }
        return shown

    def recorded(self) -> dict[str, Tensor]:
        """The next update of the first group as a graph: the new "w′", "m′", ... made from "w", "g", "m", ...

        It holds the present weights, state and gradients (0 where there are none); intermediates carry the names that the
        rule gives them. This is what `minigrad.draw(optimizer)` draws.

        Raises:
            TypeError: the optimizer has no elementwise rule, as those of second order.
        """
        if type(self).rule is Optimizer.rule:
            raise TypeError(
                f"`{type(self).__name__}` has no elementwise update rule to record. Draw the loss with "
                f'phases=("forward", "backward", "tangent"): its Hessian-vector product is what a step is made of.'
            )
        group = self.param_groups[0]
        vectors = {"w": group.w, "g": np.zeros_like(group.w), **group.state}
        for segment in group.segments(type(self).__name__):
            vectors["g"][segment.lo : segment.hi] = segment.gradient(group.get("maximize", False))
        starts = {name: Tensor(vector, name=name) for name, vector in vectors.items()}
        clock = group.slots[0].clock
        numbers = {**clock, "t": clock["t"] + 1, **group.for_rule}
        out, _, _ = recorded_rule(lambda v, n: self.rule(*v.values(), **n), starts, numbers)
        made = {name: y for name, y in out.items() if isinstance(y, Tensor) and y.op is not None}
        for name, y in made.items():
            y.name = name
        return {f"{name}′": y for name, y in made.items() if name in starts}

    def state_dict(self) -> Values:
        """Options and state as a nested dict of plain values and copied arrays, by parameter name. Weights are not in it."""
        return {
            "optimizer": type(self).__name__,
            "groups": [
                {"params": [slot.name for slot in group.slots], "options": dict(group._options)} for group in self.param_groups
            ],
            "state": {
                slot.name: {"shape": slot.shape, **slot.clock}
                | {name: group.state[name][slot.lo : slot.hi].reshape(slot.shape).copy() for name in sorted(group.written)}
                for group in self.param_groups
                for slot in group.slots
            },
        }

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over what `state_dict` gave. Parameters are matched by name and shape, in whatever order they are.

        Raises:
            ValueError: it belongs to another optimizer, or names, shapes, groups or options do not match. Nothing is
                changed then.
        """
        call = f"{type(self).__name__}.load_state_dict"
        try:
            kind, groups, states = state_dict["optimizer"], state_dict["groups"], state_dict["state"]
            options_of = {frozenset(saved["params"]): dict(saved["options"]) for saved in groups}
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise ValueError(f"`{call}` needs what `state_dict()` returned: {error!r}.") from None
        if not isinstance(states, Mapping) or not all(isinstance(state, Mapping) for state in states.values()):
            raise ValueError(f"`{call}` needs what `state_dict()` returned; its state of each parameter must be a dict.")
        if kind != type(self).__name__:
            raise ValueError(f"`{call}` needs the state of {type(self).__name__}, got that of {kind}.")
        slots = {slot.name: slot for slot in self._slots()}
        missing, unexpected = sorted(slots.keys() - states.keys()), sorted(states.keys() - slots.keys())
        if missing or unexpected:
            raise ValueError(
                f"`{call}`: the parameters differ; missing {missing}, unexpected {unexpected}. Give them the same names."
            )
        options = []
        for group in self.param_groups:
            names = frozenset(slot.name for slot in group.slots)
            if names not in options_of:
                raise ValueError(
                    f"`{call}`: no saved group has just the parameters {sorted(names)}. Group them as they were saved."
                )
            if missing := sorted(group._options.keys() - {"initial_lr"} - options_of[names].keys()):
                raise ValueError(f"`{call}`: the saved group of {sorted(names)} lacks the options {missing}.")
            options.append(self._checked(options_of[names]))
        loaded = {name: self._loaded(call, slot, states[name]) for name, slot in slots.items()}
        for group, new in zip(self.param_groups, options, strict=True):
            group.update(new)
            group.written = set()
            for slot in group.slots:
                slot.clock, vectors = loaded[slot.name]
                group.written |= vectors.keys()
                for name, vector in group.state.items():
                    vector[slot.lo : slot.hi] = np.ravel(vectors[name]) if name in vectors else self.initial(name, new)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(map(repr, self.param_groups))})"

    def __getstate__(self) -> Values:
        """For copies: programs are made again."""
        return self.__dict__ | {"_programs": {}, "_replay": None}

    # The parts

    def _slots(self) -> Iterator[Slot]:
        return (slot for group in self.param_groups for slot in group.slots)

    def _checked(self, options: Values) -> Values:
        call = type(self).__name__
        known = getattr(self, "defaults", options).keys() | {"initial_lr"}
        if unknown := sorted(options.keys() - known):
            raise ValueError(f"`{call}` has no option {', '.join(unknown)}; it has {', '.join(sorted(known))}.")
        options = {name: checked(call, name, value) for name, value in options.items()}
        self.consistent(options)
        return options

    def _described(self, group: Any) -> tuple[list[Any], Values]:
        """A group as given, split into its parameters and its full options."""
        call = type(self).__name__
        if not isinstance(group, Mapping) or "params" not in group:
            raise TypeError(f'`{call}`: a parameter group must be a dict with the key "params", got {group!r:.60}.')
        params = group["params"]
        if isinstance(params, Tensor | str | set | frozenset):
            raise TypeError(
                f'`{call}`: "params" must be an ordered collection of Tensors, got {type(params).__name__}. Use a list.'
            )
        options = self.defaults | {key: value for key, value in group.items() if key != "params"}
        return list(params.items() if isinstance(params, Mapping) else params), options

    def _add(self, described: list[tuple[list[Any], Values]]) -> None:
        """Check all new groups, then add them all and take over their parameters."""
        call = type(self).__name__
        names = {slot.name for slot in self._slots()}
        ids = {id(slot.tensor) for slot in self._slots()}
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
                    raise ValueError(f"`{call}(params)`: {name!r} is given twice; each parameter belongs to one group, once.")
                if name in names:
                    raise ValueError(
                        f"`{call}(params)`: two parameters are called {name!r}. State is saved by name; pass (name, Tensor) "
                        f"pairs with distinct names, such as model.named_parameters()."
                    )
                names.add(name)
                ids.add(id(p))
                named.append((name, p))
            if len(dtypes := sorted({str(p.dtype) for _, p in named})) > 1:
                raise TypeError(
                    f"`{call}(params)`: a group must have one dtype, got {', '.join(dtypes)}. Make a group for each."
                )
            options = self._checked(options)
            starts = {name: self.initial(name, options) for name in self.state_names}
            groups.append(ParamGroup(named, options, self._checked, starts, self.scalars))
        for group in groups:
            for slot in group.slots:
                group.adopt(slot)
        self.param_groups += groups
        self._replay = None  # it knows nothing of these

    def _pulled_back(self, closure: Callable[[], Tensor]) -> Tensor:
        """The closure's loss, with all gradients set."""
        call = type(self).__name__
        self.zero_grad()
        loss = closure()
        if not isinstance(loss, Tensor):
            raise TypeError(
                f"`{call}.step(closure)`: the closure must return the loss, a Tensor, got {loss!r:.60}. Is `return` missing?"
            )
        if loss.size != 1:
            raise ValueError(
                f"`{call}.step(closure)`: the loss must be a scalar, got shape {loss.shape}. Reduce it, as with .mean()."
            )
        if all(slot.tensor.grad is None for slot in self._slots()):  # else the closure has pulled back itself
            loss.backward()
        return loss

    def _replayed(self, bound: Bound) -> tuple[Tensor, bool]:
        """The loss of a compiled closure, with all gradients written into the groups' vectors; and whether it has them all."""
        gradient = self._replay
        ready = gradient is not None and gradient.compiled is bound.compiled
        for group in self.param_groups:
            ready = ready and group.as_prepared()
        if gradient is None or not ready:
            live = [slot for group in self.param_groups for slot in group.prepare()]
            gradient = GradientRequest(bound.compiled, [slot.tensor for slot in live], [slot.grad for slot in live], self)
            self._replay = gradient
        try:
            loss, reached = gradient(bound)
        except BaseException:
            self.zero_grad()  # what is in the vectors now belongs to no point
            raise
        if False not in reached:
            for p, g in gradient.pairs:
                p.grad = g
            return constant_tensor(loss), True
        for (p, g), there in zip(gradient.pairs, reached, strict=True):
            p.grad = g if there else None
        return constant_tensor(loss), False

    def _segments(self, group: ParamGroup, reached_all: bool) -> list[Segment]:
        whole = group.whole() if reached_all else None
        return group.segments(type(self).__name__) if whole is None else [whole]

    def _run(self, group: ParamGroup, lo: int, hi: int, g: Array, clock: dict[str, Any]) -> Values:
        vectors = [vector[lo:hi] for vector in (group.w, *group.state.values())]
        for vector in vectors:
            vector.flags.writeable = False  # these views only: a rule that works in place would change the state
        return self.rule(vectors[0], g, *vectors[1:], **{**clock, "t": clock["t"] + 1}, **group.for_rule)

    def _update(self, group: ParamGroup, segments: list[Segment]) -> None:
        """Run the rule, as one in-place program, on segments of one clock."""
        clock = segments[0].clock
        numbers = {**group.for_rule, **clock, "t": clock["t"] + 1}
        maximize = group._options.get("maximize", False)
        vectors = group.vectors
        n = group.w.size
        pieces = []
        for segment in segments:
            g, (w, *state) = segment.gradient(maximize), vectors
            if segment.hi - segment.lo < n:
                w, *state = (v[segment.lo : segment.hi] for v in vectors)
            pieces.append((w, g, *state))
        program = self._program(group, numbers)
        out = program(pieces, numbers)
        if not program.written <= group.written:
            group.written |= program.written & group.state.keys()
        clock = {name: out.get(name, numbers[name]) for name in clock}
        for segment in segments:
            for slot in segment.slots:
                slot.clock = clock
                touch(slot.tensor)

    def _program(self, group: ParamGroup, numbers: Values) -> UpdateProgram:
        """The rule's program for the group's dtype and for which of the numbers are zero; they are few."""
        key = (group.kinds, *[numbers[name] == 0 for name in self.scalars])
        if key not in self._programs:
            names = ("w", "g", *group.state)
            call = f"`{type(self).__name__}.rule`"

            def rule(v: Values, n: Values) -> Values:
                out = self.rule(*(v[name] for name in names), **n)
                if not isinstance(out, dict) or "w" not in out:
                    got = sorted(out) if isinstance(out, dict) else type(out).__name__
                    raise TypeError(f'must return a dict with the new "w", got {got}.')
                return out

            try:
                self._programs[key] = UpdateProgram(rule, group.dtype, names, numbers)
            except (TypeError, ValueError) as error:
                raise type(error)(f"{call}: {error}") from error
        return self._programs[key]

    def _loaded(self, call: str, slot: Slot, saved: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Array]]:
        """One parameter's saved clock and vectors, checked."""
        vectors = {key: np.asarray(value) for key, value in saved.items() if key != "shape" and key not in slot.clock}
        shape = saved.get("shape", ())
        if not isinstance(shape, tuple | list) or tuple(shape) != slot.shape:
            raise ValueError(f"`{call}`: {slot.name!r} has shape {slot.shape}, but {saved.get('shape')} was saved.")
        lacking = sorted(slot.clock.keys() - saved.keys())
        if lacking or vectors.keys() - set(self.state_names):
            raise ValueError(f"`{call}`: the state of {slot.name!r} has keys {sorted(saved)}; lacking {lacking}.")
        for key, vector in vectors.items():
            if vector.shape != slot.shape or vector.dtype.kind != "f":
                raise ValueError(
                    f"`{call}`: {key!r} of {slot.name!r} must be floats of shape {slot.shape}, got "
                    f"{vector.dtype} {vector.shape}."
                )
        kinds = {key: WHOLE if isinstance(now, int) else NON_NEGATIVE for key, now in slot.clock.items()}
        return {key: checked(call, key, saved[key], kind) for key, kind in kinds.items()}, vectors


def _require_parameter(call: str, name: Any, p: Any) -> None:
    if not isinstance(p, Tensor) or not isinstance(name, str):
        raise TypeError(
            f"`{call}(params)` must hold Tensors, (name, Tensor) pairs, or group dicts only, got {type(p).__name__}: {p!r:.60}."
        )
    if p.live:
        raise ValueError(
            f"`{call}(params)`: {name!r} is the result of an operation, not a leaf; pass the Tensors it was made from, "
            f"or make a new one with Tensor(x.data, requires_grad=True)."
        )
    if p.dtype.kind != "f":
        raise TypeError(
            f"`{call}(params)`: {name!r} must have a real floating dtype, got {p.dtype}. Convert it with astype first."
        )
