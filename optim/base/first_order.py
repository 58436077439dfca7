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
    constant_tensor,
    entry,
    hide_our_frames,
    recorded_rule,
    touch,
)
from optim.base.groups import Array, ParamGroup, Segment, Values
from optim.base.loss import no_closure, no_loss
from optim.base.optimizer import Optimizer, Params

__all__ = ["Array", "FirstOrder", "Params", "Values"]


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
            for group, segments in work:
                if len(segments) == 1:
                    self._update(group, segments)
                    continue
                for _, alike in itertools.groupby(segments, key=lambda segment: segment.counters):
                    self._update(group, list(alike))
            return loss
        except Exception as error:
            hide_our_frames(error)
            raise

    @staticmethod
    def second_moment(state: Values, t: int, options: Values) -> Array | None:
        """v̂, whose root the last step was divided by; None for a rule without one."""
        return None

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
                v = self.second_moment(state, t, group.for_rule)
                if v is None:
                    raise TypeError(
                        f"`{call}`: this rule divides by no second moment. Use `optim.sharpness`, or Adam."
                    )
                found.append((np.sqrt(v) + group.for_rule["eps"]).reshape(param.shape))
        return found

    @entry
    def preview(self) -> dict[str, Values]:
        """All that the rule computes from the present weights, gradients and state, by parameter name;
        nothing changes.

        For Adam: the gradient "g", "m", "v", "m_hat", "v_hat", the "step" and the new "w", in the parameter's
        shape."""
        shown: dict[str, Values] = {}
        for group in self.param_groups:
            for segment in group.segments(type(self).__name__):
                g = segment.gradient(group.get("maximize", False))
                with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
                    out = {"g": g, **self._run(group, segment, g)}
                for param in segment.slices:
                    place = slice(param.lo - segment.lo, param.hi - segment.lo)
                    shown[param.name] = {
                        key: value[place].reshape(param.shape).copy()
                        if isinstance(value, np.ndarray)
                        else value
                        for key, value in out.items()
                    }
        if not shown:
            raise ValueError(
                f"`{type(self).__name__}.preview()` needs a gradient, and no parameter has one: call "
                "loss.backward() first, and preview before zero_grad()."
            )
        return shown

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
        return self.__dict__ | {"_programs": {}, "_replay": None}

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

    def _run(self, group: ParamGroup, segment: Segment, g: Array) -> Values:
        """Run the rule itself on a segment with gradient g."""
        vectors = [vector[segment.lo : segment.hi] for vector in group.vectors]
        for vector in vectors:
            # only these views become read-only; a rule that works in place would change the state
            vector.flags.writeable = False
        counters = segment.counters
        return self.rule(
            vectors[0], g, *vectors[1:], **{**counters, "t": counters["t"] + 1}, **group.for_rule
        )

    def _update(self, group: ParamGroup, segments: list[Segment]) -> None:
        """Run the rule, as one in-place program, on segments that share their counters."""
        counters = segments[0].counters
        numbers = {**group.for_rule, **counters, "t": counters["t"] + 1}
        maximize = group.options.get("maximize", False)
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
        counters = {name: out.get(name, numbers[name]) for name in counters}
        for segment in segments:
            for param in segment.slices:
                param.counters = counters
                touch(param.tensor)

    def _program(self, group: ParamGroup, numbers: Values) -> UpdateProgram:
        """The rule's program, which depends on the group's dtype and on which of the numbers are zero."""
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
