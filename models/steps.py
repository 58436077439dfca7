"""An epoch of `fit`: one step of the optimizer for each batch, or for each few batches.

A gradient can be looked at between the loss and the step, because an optimizer with an update rule hands its
loss to `Batch.checked` first. Whatever `fit` does with a gradient is done there: it is required to be finite,
added to those of other batches, and clipped. Raising `NotTaken` there leaves out the step.
"""

from __future__ import annotations

import math
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import Any

import numpy as np

from minigrad import CaptureError, Tensor
from minigrad.extend import Bound, Compiled
from models.module import Module

__all__ = ["Batches", "Handling", "Rows", "Trainer", "batches", "loss_of_batch", "norm", "step_all"]

PACKAGES = ("minigrad", "models", "optim")
Loss = Callable[[Any, Any], Any]  # loss(model(x), y), a scalar Tensor; or of a batch, loss(x, y)
Augment = Callable[[Any, np.random.Generator], Any]  # augment(x, rng), an x
Rows = tuple[Any, Any, Any]  # the rows (x, y) of a batch, and their numbers in the data
Batches = Iterator[Rows]  # those of an epoch
ARRAYS = (Tensor, np.ndarray)
vdot = np.vdot  # a.dot(a) would warn of an overflow


def loss_of_batch(
    model: Module, loss: Callable[[Any, Any], Any], with_outputs: bool
) -> Callable[[Any, Any], Any]:
    def loss_of_batch(x: Any, y: Any) -> Any:
        outputs = model(x)
        value = loss(outputs, y)
        return (value, outputs) if with_outputs else value

    return loss_of_batch


def batches(x: Any, y: Any, size: int, augment: Augment | None, rng: np.random.Generator) -> Batches:
    """All rows once in a random order, `size` at a time."""
    order = rng.permutation(len(x))
    inputs, labels = rows_of(x), rows_of(y)
    for start in range(0, len(x), size):
        rows = order[start : start + size]
        chosen = inputs(rows)
        yield chosen if augment is None else augment(chosen, rng), labels(rows), rows


def rows_of(x: Any) -> Callable[[Any], Any]:
    """x[rows] as a function of rows. Where rows are short, `take` needs a third of the time; but where x is
    not in C order, it copies all of x first, and gives another order of memory."""
    return partial(x.take, axis=0) if x.flags.c_contiguous else x.__getitem__


@dataclass
class Handling:
    """What is done with a gradient before the step, and what is left of the batches before this one."""

    clip_norm: float | None = None
    accumulate: int = 1
    skip_nonfinite: bool = False
    sums: dict[int, Any] = field(default_factory=dict)  # the gradients so far, by group or parameter
    call: str = "fit"  # as the user wrote it
    spoiled: bool = False  # whether a loss of the present step was not finite
    mean: float = 0.0  # of the losses of the step so far, each by its share of the rows
    recorder: Any = None  # of the optimizer's steps; it is told what a step cannot be taken again without
    generators: Sequence[tuple[str, np.random.Generator]] = ()  # those of the model

    def __post_init__(self) -> None:
        self.plain = self.clip_norm is None and self.accumulate == 1  # a finite gradient is used as it is


class NotTaken(Exception):  # it is no error
    """The optimizer is not to step on this loss."""


@dataclass
class Trainer:
    """Takes the steps of an epoch."""

    optimizer: Any
    loss: Compiled
    compile: bool
    schedules: Sequence[Any]  # are stepped after each step of the optimizer
    handling: Handling
    written: tuple[Any, Module]  # the loss and the model, as the user wrote them
    watching: Any = None  # a `Watching`, which takes each step and looks at it
    taken: int = 0  # steps of the training
    skipped: int = 0  # steps of this epoch that were not taken

    def epoch(self, number: int, batches: Batches, interrupted: Callable[[], bool]) -> float | None:
        """Train on each batch; the mean loss of the rows, or None if `interrupted` cut the epoch short.

        Rows of a loss that is not finite, whose step was skipped, do not count.
        """
        where, total, rows, watching = f"epoch {number}", 0.0, 0, self.watching
        self.skipped = 0
        while parts := list(islice(batches, self.handling.accumulate)):
            found = self.step(parts, where) if watching is None else watching.step(self, parts, number)
            for loss, n in found:
                total += loss * n
                rows += n
            if self.schedules:
                step_all(self.schedules, {})
            if interrupted():
                return None
        return total / rows if rows else math.nan

    def step(self, parts: Sequence[Rows], where: str) -> list[tuple[float, int]]:
        """One step on the mean loss of these batches; the loss and the number of rows of each, before it."""
        how, last = self.handling, len(parts) - 1
        rows = sum(len(y) for _, y, _ in parts) if last else len(parts[0][1])
        found, taken = [], False
        how.sums, how.spoiled, how.mean = {}, False, 0.0
        if how.recorder is not None:
            how.recorder.note_batch([rows for _, _, rows in parts], how.generators)
        for i, (x, y, _) in enumerate(parts):
            share = (len(y) / rows, i == last)
            batch = Batch(self.loss, (x, y), where, self.optimizer, self.compile, how, share)
            try:
                result = self.optimizer.step(batch if self.compile else batch.__call__)
                if result is None:
                    kind = type(self.optimizer).__name__
                    raise TypeError(
                        f"`{how.call}`: {kind}.step(closure) must call the closure and return its loss, got "
                        "None."
                    )
                loss = float(result.primal.item() if isinstance(result, Tensor) else result)
                taken = True
            except NotTaken:
                loss = batch.loss
            except CaptureError as error:
                if not self.compile or error.left or i:  # gradients of batches before are kept in vectors
                    raise CaptureError(
                        f"{error} `{how.call}(compile=False)` trains without compiling."
                    ) from error
                self.compile = False
                _warn_of_eager(*self.written, error, how.call)
                return self.step(parts, where)
            if not how.skip_nonfinite or math.isfinite(loss):
                found.append((loss, len(y)))
        if taken:
            self.taken += 1
        else:
            self.skipped += 1
        return found


class Batch(Bound):
    """The loss of one batch, as a closure that looks at loss and gradient before a step is taken.

    An optimizer with a `rule` has its gradient here: replayed into the vectors of its groups, or pulled back
    by this closure. The others evaluate several points and look at their gradients themselves.

    `share` is the part that the batch has in the rows of the step, and whether it is the last one.
    """

    __slots__ = ("_compile", "_handling", "_optimizer", "_share", "_where", "loss")

    def __init__(
        self,
        compiled: Compiled,
        pair: tuple[Any, Any],
        where: str,
        optimizer: Any,
        compile: bool,
        handling: Handling,
        share: tuple[float, bool],
    ) -> None:
        self.compiled, self.args, self.kwargs = compiled, pair, {}
        self._where, self._optimizer, self._compile = where, optimizer, compile
        self._handling, self._share, self.loss = handling, share, math.nan

    def __call__(self) -> Any:
        result = super().__call__()
        self.checked(result[0] if isinstance(result, tuple) else result)
        return result

    def checked(self, loss: Any) -> Any:
        if not isinstance(loss, ARRAYS) or loss.size != 1:
            got = f"shape {loss.shape}" if isinstance(loss, Tensor) else type(loss).__name__
            raise TypeError(f"{self._handling.call}: loss(model(x), y) must be a scalar Tensor, got {got}.")
        # Only the first loss is that of the step to be taken; later ones belong to trial points, which an
        # optimizer may reject.
        if math.isnan(self.loss):
            value = loss.item()
            if not math.isfinite(value):
                self._not_finite(f"the loss became {value} in {self._where}", "Lower the learning rate, clip "
                                 "the gradients, or look for NaN in the data.")  # fmt: skip
            self.loss = value
        if hasattr(self._optimizer, "rule"):
            self._prepare_gradient(loss)
        return loss

    def _prepare_gradient(self, loss: Any) -> None:
        """Make the gradient that the optimizer steps along: finite, of all batches of the step, clipped."""
        how, (share, is_last) = self._handling, self._share
        if how.plain and self._compile and self._is_finite():
            return
        gradients = self._gradients(loss)
        if how.accumulate > 1:
            gradients = {key: how.sums.get(key, 0) + share * g for key, g in gradients.items()}
            gradients = {**how.sums, **gradients}
            how.sums = gradients
            how.mean += share * self.loss
        if not is_last:
            self._clear()
            raise NotTaken
        # The square overflows where the gradient need not, so only then every number is looked at.
        squares = [float(np.vdot(g, g).real) for g in gradients.values()]
        finite = math.isfinite(sum(squares)) or all(np.isfinite(g).all() for g in gradients.values())
        if how.spoiled or not finite:
            self._clear()
            self._not_finite(
                f"the gradient became NaN or infinite in {self._where}, at a loss of {loss.item()}",
                "Look for a sqrt, log or division at 0 in the loss.",
            )
        if how.accumulate > 1 and how.recorder is not None:
            how.recorder.note_loss(how.mean)
        if how.clip_norm is not None and (length := _length(gradients, squares)) > how.clip_norm:
            scale = how.clip_norm / length
            gradients = {key: g * scale for key, g in gradients.items()}
            if how.recorder is not None:
                how.recorder.note_scale(scale)
        elif how.accumulate == 1:
            return
        self._put(gradients)

    def _is_finite(self) -> bool:
        """Whether a compiled gradient is finite for sure: its square may overflow where it need not."""
        for group in self._optimizer.param_groups:
            g = group.g
            if g is not None and not math.isfinite(vdot(g, g).real):
                return False
        return True

    def _not_finite(self, what: str, remedy: str) -> None:
        if self._handling.skip_nonfinite:
            self._handling.spoiled = True
            raise NotTaken
        raise FloatingPointError(f"{self._handling.call}: {what}; the step was not taken. {remedy}")

    # The gradient: of a compiled loss a vector for each group, else an array for each parameter

    def _parameters(self) -> list[Any]:
        return [p for group in self._optimizer.param_groups for p in group["params"]]

    def _gradients(self, loss: Any) -> dict[int, Any]:
        if self._compile:
            groups = enumerate(self._optimizer.param_groups)
            return {i: group.g for i, group in groups if group.g is not None}
        loss.backward()
        found = {i: p.grad for i, p in enumerate(self._parameters()) if p.grad is not None}
        return {i: g.data if isinstance(g, Tensor) else g for i, g in found.items()}

    def _put(self, gradients: Mapping[int, Any]) -> None:
        if self._compile:
            for i, g in gradients.items():
                self._optimizer.param_groups[i].g[...] = g
            return
        parameters = self._parameters()
        for i, g in gradients.items():
            parameters[i].grad = np.asarray(g, parameters[i].dtype)

    def _clear(self) -> None:
        """Forget the gradient: in a vector, what a later loss does not reach would stay."""
        for group in self._optimizer.param_groups if self._compile else ():
            if group.g is not None:
                group.g.fill(0)
        for p in () if self._compile else self._parameters():
            p.grad = None


def _warn_of_eager(loss: Any, model: Module, error: CaptureError, call: str) -> None:
    """Tell once that the training goes on without replays, at the line that called `fit` or `find_lr`."""
    depth, frame = 1, sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").split(".")[0] in PACKAGES:
        depth, frame = depth + 1, frame.f_back
    users = [f for f in (loss, model.forward) if str(f.__module__).split(".")[0] not in PACKAGES]
    places = map(_place_of, users or [loss])
    warnings.warn(
        f"{call} trains without compiling, and more slowly, because the loss cannot be replayed. {error} "
        f"({'; '.join(places)}.) "
        f"`{call}(compile=False)` does the same without this warning.",
        RuntimeWarning,
        stacklevel=depth + 1,
    )


def _place_of(f: Any) -> str:
    """The name of a function and the line where its text begins."""
    code = getattr(getattr(f, "__func__", f), "__code__", None) or getattr(type(f).__call__, "__code__", None)
    name = getattr(f, "__qualname__", type(f).__name__)
    return f"{name} at {code.co_filename}:{code.co_firstlineno}" if code is not None else name


def norm(arrays: Iterable[Any]) -> float:
    """The joint norm of real arrays, also where their squares overflow or vanish."""
    arrays = [np.asarray(a, float) for a in arrays]
    square = sum(float(np.vdot(a, a)) for a in arrays)
    if 1e-200 < square < math.inf:
        return math.sqrt(square)
    top = max((float(np.abs(a).max(initial=0)) for a in arrays), default=0.0)
    if not 0 < top < math.inf:
        return top
    return top * math.sqrt(sum(float(np.vdot(a / top, a / top)) for a in arrays))


def _length(gradients: Mapping[int, Any], squares: Sequence[float]) -> float:
    """Their norm, whose squares are known unless they overflow."""
    square = sum(squares)
    return math.sqrt(square) if math.isfinite(square) else norm(gradients.values())


def step_all(schedules: Sequence[Any], measured: Mapping[str, float]) -> None:
    """Step every schedule, with the metric that it asks for: its `monitor`, else the loss.

    `measured` are the columns of the epoch, with the validation loss last if there is one.
    """
    for schedule in schedules:
        if getattr(schedule, "needs_metric", False):
            monitor = getattr(schedule, "monitor", None)
            schedule.step(measured[monitor or ("val_loss" if "val_loss" in measured else "train_loss")])
        else:
            schedule.step()
