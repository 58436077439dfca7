"""First-order optimizers: an update rule, and how one step runs it on the parameters and their gradients.

A rule is a pure function of vectors, `rule(w, g, *state, t=..., **options)`, that returns the new `w`, the
new state and every intermediate worth a name. This file and `optim.base.groups` bring parameters and
gradients into that form. The rule runs on segments: stretches of consecutive parameters that have a
gradient and the same step count. Normally that is a group's whole vector; a parameter without a gradient is
left out, and neither its state nor its count moves.

Names: `w` weights, `g` gradient, `t` step count from 1, `lo hi` the ends of a stretch of the group's
vectors, `param` one parameter's slice of them, `counters` the numbers kept for each parameter: t and
whatever else the rule counts.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from minigrad import Tensor
from minigrad.extend import (
    Bound,
    GradientRequest,
    UpdateProgram,
    add_hints,
    constant_tensor,
    entry,
    hide_our_frames,
    recorded_rule,
    touch,
)
from optim.base.groups import Array, ParamGroup, Segment, Values
from optim.base.insight import Inputs, LastStep, by_parameter, explained, inputs_of
from optim.base.loss import no_closure, no_loss
from optim.base.optimizer import Optimizer, Params
from optim.base.options import FLAG, checked
from optim.habits import RULED

__all__ = ["Array", "FirstOrder", "Params", "Values"]


_OURS = "optim."
_STEP = "the step of an update"  # no name that a rule could give to anything
_KEPT: dict[Any, UpdateProgram] = {}  # programs of our own rules, which read nothing but their arguments


class FirstOrder(Optimizer):
    """The base of the optimizers that follow a rule: add a `rule`, the names of its state, and a constructor.

    Args:
        params, options: see `Optimizer`.

    A new optimizer in full:

    >>> class SignDescent(FirstOrder):
    ...     rule = staticmethod(lambda w, g, *, t, lr: {"w": w - lr * np.sign(g)})
    >>> p = Tensor([1.0, -2.0], requires_grad=True)
    >>> _ = SignDescent([p], lr=0.5).step(lambda: (p * p).sum())
    >>> p.data
    array([ 0.5, -1.5])
    """

    def __init__(self, params: Params, **options: Any) -> None:
        super().__init__(params, **options)
        self._programs: dict[Any, UpdateProgram] = {}

    @staticmethod
    def rule(*args: Any, **kwargs: Any) -> Values:
        """One update: `rule(w, g, *state, t, **scalars, **options)` gives the new "w", new state and named
        intermediates.

        The state comes in the order of `state_names`. The rule is plain NumPy without in-place writes, so
        it also runs on Tensors and can then be drawn.
        """
        raise NotImplementedError(
            "an optimizer needs a `rule` of its own; the docstring of `FirstOrder` shows a complete "
            "optimizer."
        )

    def step(self, closure: Callable[[], Tensor] | None = None) -> Tensor | None:
        """Update every parameter that has a gradient.

        Args:
            closure: computes and returns the loss; the gradients are then found here. One that itself calls
                `zero_grad()` and `backward()` works too. Without it the gradients of the last `backward()`
                are used. With `minigrad.compile(loss_of).at(x, y)` loss and gradients are replayed, which is
                quicker.

        Returns:
            The closure's loss, or None.

        Raises:
            TypeError, ValueError: the closure gives no scalar Tensor, or a gradient has another shape than
                its parameter. The parameters are unchanged then. Non-finite gradients are not looked for and
                go into the parameters.
        """
        try:
            reached_all = False
            if isinstance(closure, Bound):
                loss: Tensor | None
                loss, reached_all = self._replayed(closure)
            else:
                loss = None if closure is None else self._pulled_back(closure)
            # All gradients are checked before the first change.
            work = [(group, self._segments(group, reached_all)) for group in self.param_groups]
            observers = self.observers
            if observers:
                for observer in observers:
                    observer.before(self, work)
            for group, segments in work:
                if len(segments) == 1:
                    self._update(group, segments)
                    continue
                for _, alike in itertools.groupby(segments, key=lambda segment: segment.counters):
                    self._update(group, list(alike))
            if observers:
                for observer in observers:
                    observer.after(self, loss)
            return loss
        except Exception as error:
            hide_our_frames(error)
            raise

    @staticmethod
    def second_moment(state: Values, t: int, options: Values) -> Array | None:
        """v̂, whose root the last step was divided by; None for a rule without one."""
        return None

    @staticmethod
    def rate(t: int, options: Values) -> float:
        """The rate of step t, before a second moment divides it; `lr` unless the rule makes it fall."""
        return options["lr"]  # type: ignore[no-any-return]  # a float, or a Tensor while it is recorded

    def divisor(self, state: Values, t: int, options: Values) -> Array | None:
        """P = √v̂ + ε, what a rule with a second moment divides by; None for others."""
        v = self.second_moment(state, t, options)
        return None if v is None else np.sqrt(v) + options["eps"]

    @entry
    def preconditioner(self) -> list[Array]:
        """The diagonal P of the last step: what each slope, or its average, was divided by.

            P = √v̂ + ε,   w ← w − lr·m̂/P;   for `RMSprop` and `Adagrad` without the corrections of v̂ and m̂

        `preconditioned_sharpness(f, x, P)` and `cg(hv, b, preconditioner=P)` take it.

        Returns:
            A new array for each parameter that is not frozen, in its shape, in the order of `param_groups`.

        Raises:
            TypeError: the rule divides by no second moment.
            ValueError: a parameter has taken no step.

        >>> import optim
        >>> p = Tensor([3.0, 4.0], requires_grad=True)
        >>> adam = optim.Adam([p], lr=0.1)
        >>> _ = adam.step(lambda: (p * p).sum())
        >>> adam.preconditioner()
        [array([6.00000001, 8.00000001])]
        """
        call, found = f"{type(self).__name__}.preconditioner()", []
        for group in self.param_groups:
            for param in group.slices:
                if not param.tensor.requires_grad:
                    continue
                state = {name: vector[param.lo : param.hi] for name, vector in group.state.items()}
                t = param.counters["t"]
                if not t:
                    raise ValueError(f"`{call}`: {param.name!r} has taken no step. Call `step` first.")
                p = self.divisor(state, t, group.for_rule)
                if p is None:
                    raise TypeError(
                        f"`{call}`: this rule divides by no second moment. Use `optim.sharpness`, or Adam."
                    )
                found.append(p.reshape(param.shape))
        return found

    @entry
    def preview(self) -> dict[str, Values]:
        """All that the rule computes from the present weights, gradients and state, by parameter name;
        nothing changes.

        For Adam: the gradient "g", "m", "v", "m_hat", "v_hat", the "step", the new "w" and the effective rate
        of each weight, "lr_eff" = lr/(√v̂ + ε), in the parameter's shape. Rules that divide by no second
        moment have no "lr_eff". `last_step` holds the same of the step that was taken."""
        return by_parameter(self, self._next("preview()"))

    @property
    def keep_last_step(self) -> bool:
        """Whether `last_step` is kept: set it to True before the step. Each step then copies its weights,
        gradients and state, which is all it costs."""
        return any(isinstance(observer, LastStep) for observer in self.observers)

    @keep_last_step.setter
    def keep_last_step(self, keep: bool) -> None:
        keep = checked(type(self).__name__, "keep_last_step", keep, FLAG)
        if keep != self.keep_last_step:
            others = tuple(o for o in self.observers if not isinstance(o, LastStep))
            self.observers = (*others, LastStep()) if keep else others

    @property
    def last_step(self) -> dict[str, Values] | Any:  # Any: editors would object to None["w"] after a step
        """All that the last step computed, by parameter name, as `preview()` shows a step to come; None
        before the first step. Parameters that the step left out are missing.

        Raises:
            AttributeError: `keep_last_step` is not set.

        >>> import optim
        >>> p = Tensor([3.0, 4.0], requires_grad=True, name="p")
        >>> adam = optim.Adam([p], lr=0.1)
        >>> adam.keep_last_step = True
        >>> _ = adam.step(lambda: (p * p).sum())
        >>> adam.last_step["p"]["m_hat"], adam.last_step["p"]["lr_eff"].round(6)
        (array([6., 8.]), array([0.016667, 0.0125  ]))
        """
        kept = self._kept()
        if kept is None:
            raise AttributeError(
                f"`{type(self).__name__}.last_step` was not kept, for an update overwrites what it is made "
                "from. Set optimizer.keep_last_step = True before the step."
            )
        return None if kept.inputs is None else by_parameter(self, kept.inputs)

    @entry
    def explain(self, name: str, index: Any = ()) -> str:
        """The rule with the numbers of one coordinate: of the last step if `keep_last_step` is set and a step
        was taken, else of the step that `preview()` shows.

        Each line is a result, its formula, the formula with numbers, and the value, in four digits. A prime
        marks what the rule has made new.

        Args:
            name: a parameter's name.
            index: a whole number for each of its axes; () for a 0-d parameter.

        Raises:
            ValueError: no such parameter took part in the step.
            IndexError: the parameter has no such element.

        >>> import optim
        >>> p = Tensor([3.0, 4.0], requires_grad=True, name="p")
        >>> adam = optim.Momentum([p], lr=0.5)
        >>> (p * p).sum().backward()
        >>> print(adam.explain("p", 1))
        p[1] in step 1
        m = 0
        g = 8
        m′ = β·m + (1 − β)·g = 0.9·0 + (1 − 0.9)·8 = 0.8
        step = lr·m′ = 0.5·0.8 = 0.4
        w = 4
        w′ = w − step = 4 − 0.4 = 3.6
        """
        kept = self._kept()
        given = kept.inputs if kept is not None and kept.inputs is not None else self._next("explain()")
        return explained(self, given, f"{type(self).__name__}.explain(name, index)", name, index)

    def recorded(self) -> dict[str, Tensor]:
        """The next update of the first group as a graph: the new "w′", "m′", ... made from "w", "g", "m", ...

        It holds the present weights, state and gradients (0 where there are none); intermediates carry the
        names that the rule gives them. `minigrad.draw(optimizer)` draws this graph."""
        group = self.param_groups[0]
        vectors = {"w": group.w, "g": np.zeros_like(group.w), **group.state}
        for segment in group.segments(type(self).__name__):
            vectors["g"][segment.lo : segment.hi] = segment.gradient(group.get("maximize", False))
        starts = {name: Tensor(vector, name=name) for name, vector in vectors.items()}
        counters = group.slices[0].counters
        numbers = {**counters, "t": counters["t"] + 1, **group.for_rule}
        out, _, _ = recorded_rule(lambda v, n: self.rule(*v.values(), **n), starts, numbers)
        made = {name: y for name, y in out.items() if isinstance(y, Tensor) and y.op is not None}
        for name, y in made.items():
            y.name = name
        return {f"{name}′": y for name, y in made.items() if name in starts}

    def __getstate__(self) -> Values:
        """A copy makes its programs anew."""
        kept = {"observers": (LastStep(),)} if self.keep_last_step else {}
        return super().__getstate__() | {"_programs": {}, "_replay": None} | kept

    # The parts

    def _add(self, described: list[tuple[list[Any], Values]]) -> None:
        super()._add(described)
        self._replay: GradientRequest | None = None  # the last request does not know the new groups

    def _pulled_back(self, closure: Callable[[], Tensor]) -> Tensor:
        """Return the closure's loss, and set all gradients."""
        if not callable(closure):
            raise no_closure(f"{type(self).__name__}.step(closure)", closure)
        self.zero_grad()
        loss = closure()
        if not isinstance(loss, Tensor) or loss.size != 1:
            raise no_loss(f"{type(self).__name__}.step(closure)", loss)
        if all(param.tensor.gradient is None for param in self._slices()):  # else the closure has pulled back
            loss.backward()
        return loss

    def _replayed(self, bound: Bound) -> tuple[Tensor, bool]:
        """Replay a compiled closure: return its loss, and whether it reached every live parameter.

        The gradients are written into the groups' vectors.
        """
        gradient = self._replay
        ready = gradient is not None and gradient.compiled is bound.compiled
        for group in self.param_groups:
            ready = ready and group.as_prepared()
        if gradient is None or not ready:
            live = [param for group in self.param_groups for param in group.prepare()]
            gradient = GradientRequest(
                bound.compiled, [param.tensor for param in live], [param.grad for param in live], self
            )
            self._replay = gradient
        try:
            loss, reached = gradient(bound)
        except BaseException:
            self.zero_grad()  # the vectors of gradients now belong to no point
            raise
        if False not in reached:
            for p, g in gradient.pairs:
                p.gradient = g
            return constant_tensor(loss), True
        for (p, g), there in zip(gradient.pairs, reached, strict=True):
            p.gradient = g if there else None
        return constant_tensor(loss), False

    def _segments(self, group: ParamGroup, reached_all: bool) -> list[Segment]:
        whole = group.whole() if reached_all else None
        return group.segments(type(self).__name__) if whole is None else [whole]

    def _next(self, call: str) -> list[Inputs]:
        """The inputs of the step that the present gradients would make."""
        found = [
            inputs_of(group, segment)
            for group in self.param_groups
            for segment in group.segments(type(self).__name__)
        ]
        if not found:
            raise ValueError(
                f"`{type(self).__name__}.{call}` needs a gradient, and no parameter has one: call "
                "loss.backward() first, and preview before zero_grad(). To see a step that was taken, set "
                "optimizer.keep_last_step = True before it."
            )
        return found

    def _kept(self) -> LastStep | None:
        return next((observer for observer in self.observers if isinstance(observer, LastStep)), None)

    def _update(self, group: ParamGroup, segments: list[Segment]) -> None:
        """Run the rule, as one in-place program, on segments that share their counters."""
        counters = segments[0].counters
        numbers = {**group.for_rule, **counters, "t": counters["t"] + 1}
        maximize = group.options.get("maximize", False)
        vectors = group.updated
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
            group.written |= program.written
        counters = {name: out.get(name, numbers[name]) for name in counters}
        for segment in segments:
            for param in segment.slices:
                param.counters = counters
                touch(param.tensor)

    def _program(self, group: ParamGroup, numbers: Values) -> UpdateProgram:
        """The rule's program, which depends on the group's dtype and on which of the numbers are zero."""
        own = vars(self).get("rule")  # one that was set on this object alone
        key = (group.kinds, len(group.updated), own, *[numbers[name] == 0 for name in self.scalars])
        program = self._programs.get(key)
        if program is None:
            kind = type(self)
            kept = _KEPT if own is None and kind.__module__.startswith(_OURS) else {}
            whole = (kind, kind.rule, *key)
            if whole not in kept:
                kept[whole] = self._made(group, numbers)
            program = self._programs[key] = kept[whole].copy()
        return program

    def _made(self, group: ParamGroup, numbers: Values) -> UpdateProgram:
        names = ("w", "g", *group.state)
        keeps_step = len(group.updated) > len(group.vectors)

        def rule(v: Values, n: Values) -> Values:
            out = self.rule(*(v[name] for name in names), **n)
            used = (s for s in group.state if numbers.get(self.state_needs.get(s, ""), True))
            needed = ("w", *used)
            if not isinstance(out, dict) or not out.keys() >= set(needed):
                got = sorted(out) if isinstance(out, dict) else type(out).__name__
                raise TypeError(f"must return a dict with the new {', '.join(needed)}, got {got}.")
            for name in ("w", *(s for s in group.state if s in out)):
                if np.shape(out[name]) != v["w"].shape:
                    raise TypeError(
                        f'must return a vector like w as "{name}", got {type(out[name]).__name__} of shape '
                        f"{np.shape(out[name])}; a number for each weight is written n + 0 * w."
                    )
            if keeps_step:
                step: Any = None if "step" in group.state else out.get("step")
                if not isinstance(step, Tensor) or step.shape != v["w"].shape:
                    step = v["w"] - out["w"]
                # A product, because a vector that the update overwrites could not be copied out at its end.
                out = out | {_STEP: 1 * step if any(step is x for x in v.values()) else step}
            return out

        try:
            inputs = (*names, _STEP) if keeps_step else names
            return UpdateProgram(rule, group.dtype, inputs, numbers)
        except (TypeError, ValueError) as error:
            raise type(error)(f"`{type(self).__name__}.rule`: {error}") from error


add_hints(FirstOrder, "a first-order optimizer", RULED)
