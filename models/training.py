"""The training loop: `fit`, early stopping, and checkpoints that a run resumes from bit for bit.

This file knows optimizers and schedules only by their methods (`Stepper`, `Stateful`) and imports none.
"""

from __future__ import annotations

import math
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from os import PathLike
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from minigrad import Tensor, no_grad
from minigrad.extend import Compiled, entry, progress_bar, require_writable
from models.files import load_tree, save_tree
from models.fit_arguments import (
    checked_pair,
    require_enough_steps,
    require_functions,
    require_optimizer,
    require_options,
    require_rng,
    require_schedules,
    require_settings,
    schedules,
)
from models.history import History
from models.module import Module
from models.steps import Handling, Trainer, batches, loss_of_batch, step_all
from models.watching import Step, Watching, reason_to_end, recorder_of, step_functions, title, watches

if TYPE_CHECKING:
    from models.datasets import Dataset

__all__ = ["EarlyStopping", "Epoch", "History", "Stepper", "deferred_interrupt", "evaluate", "fit"]

Loss = Callable[[Any, Any], Any]  # loss(model(x), y), a scalar Tensor
Metrics = Mapping[str, Callable[[Any, Any], float]]  # metric(model(x), y) by name


class Stateful(Protocol):
    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state: Any, /) -> None: ...


class Stepper(Stateful, Protocol):
    """The part of an optimizer that `fit` needs: `step(closure)` does its own backward passes.

    The closure returns the loss. To an optimizer with a true attribute `needs_outputs` it returns
    (loss, outputs); `NewtonCG` has one when it uses the Gauss–Newton matrix.
    """

    def step(self, closure: Callable[[], Any], /) -> Any: ...


class Schedule(Stateful, Protocol):
    def step(self, *metric: Any, **named: Any) -> None: ...  # some take the metric of an epoch


@dataclass(frozen=True)
class Epoch:
    """The argument that callbacks get after each epoch."""

    model: Module
    optimizer: Any
    history: History

    @property
    def row(self) -> dict[str, Any]:
        return self.history.rows[-1]


class EarlyStopping:
    """Stop when `column` has not improved by more than `min_delta` for `patience` epochs.

    Less is better, but in a column that is named after accuracy; `higher_is_better` says it for any other.

    >>> stop = EarlyStopping("val_loss", patience=1)
    >>> rows = [{"val_loss": v} for v in (1.0, 0.5, 0.6)]
    >>> [stop(Epoch(None, None, History(rows[: i + 1]))) for i in range(3)]
    [None, None, 'no better val_loss for 1 epochs']
    """

    @entry
    def __init__(
        self,
        column: str = "val_loss",
        patience: int = 5,
        min_delta: float = 0.0,
        higher_is_better: bool | None = None,
    ) -> None:
        if isinstance(patience, bool) or not isinstance(patience, int | np.integer) or patience < 1:
            raise ValueError(
                f"`EarlyStopping(patience=...)` must be a whole number of at least 1, got {patience!r}."
            )
        if not isinstance(min_delta, int | float | np.number) or not 0 <= min_delta < math.inf:
            raise ValueError(
                f"`EarlyStopping(min_delta=...)` must be a finite number ≥ 0, got {min_delta!r:.60}."
            )
        self.column, self.patience, self.min_delta = column, int(patience), float(min_delta)
        if higher_is_better is None:
            higher_is_better = "accuracy" in column
        self.sign = -1.0 if higher_is_better else 1.0
        self.reset()

    def reset(self) -> None:
        """Forget all epochs. `fit` does so unless it resumes, so that one object can serve many trainings."""
        self.best, self.waited = self.sign * math.inf, 0

    def __call__(self, epoch: Epoch) -> str | None:
        if self.column not in epoch.row:
            raise KeyError(f"EarlyStopping watches {self.column!r}, but the columns are {sorted(epoch.row)}.")
        value = epoch.row[self.column]
        if self.sign * value < self.sign * self.best - self.min_delta:
            self.best, self.waited = value, 0
        else:
            self.waited += 1
        return f"no better {self.column} for {self.patience} epochs" if self.waited >= self.patience else None

    def state_dict(self) -> dict[str, Any]:
        """The best value so far, and how many epochs ago it was; `fit` saves it in checkpoints."""
        return {"best": self.best, "waited": self.waited}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over the result of `state_dict`."""
        self.best, self.waited = float(state["best"]), int(state["waited"])


@entry
def fit(
    model: Module,
    optimizer: Stepper,
    loss: Callable[[Any, Any], Tensor],
    train: tuple[Any, Any] | Dataset,
    *,
    epochs: int,
    batch_size: int | None = 32,
    accumulate: int = 1,
    clip_norm: float | None = None,
    skip_nonfinite: bool = False,
    keep_best: bool = False,
    validation: tuple[Any, Any] | Dataset | None = None,
    metrics: Mapping[str, Callable[[Any, Any], float]] | None = None,
    schedule: Schedule | Sequence[Schedule] | None = None,
    schedule_every: str = "epoch",
    augment: Callable[[Any, np.random.Generator], Any] | None = None,
    callbacks: Sequence[Callable[[Epoch], Any]] = (),
    on_step: Callable[[Step], Any] | Sequence[Callable[[Step], Any]] | None = None,
    watch: Mapping[str, Any] | None = None,
    rng: int | np.random.Generator = 0,
    compile: bool = True,
    checkpoint: str | PathLike[str] | None = None,
    resume: bool = False,
    progress: bool = True,
) -> History:
    """Train `model` on batches of `train` for some epochs.

    Afterwards the model is ready to predict: it is in evaluation mode, and its parameters hold no gradients.

    Args:
        optimizer: holds every parameter of the model that is not frozen.
        loss: loss(model(x), y), a scalar Tensor.
        train, validation: pairs of arrays (x, y) with equally many rows, or each a `Dataset` with X and y.
        epochs: their number, at least 1. A resumed run counts the epochs before the stop too.
        batch_size: rows for each step; None takes all rows at once. Each epoch visits all rows, in a new
            random order.
        accumulate: so many batches make one step, along the gradient of the mean loss of their rows. The last
            step of an epoch has the batches that are left.
        clip_norm: scale the gradient of a step so that the norm of all of it is at most this.
        skip_nonfinite: leave out a step whose loss or gradient is NaN or infinite, instead of raising. The
            column "skipped" counts them, and their rows do not enter "train_loss".
        keep_best: give the model, at the end, the weights of the epoch with the smallest validation loss, or
            without validation training loss. The optimizer stays as the last epoch left it.
        metrics: further columns: "accuracy" adds "val_accuracy", its function of (model(x), y) on the
            validation rows.
        schedule: its `step()` is called after each "epoch", or after each step that is due or skipped, for
            "batch" (`schedule_every`). Of a list all are called, in turn. One whose `needs_metric` is true,
            as that of `ReduceLROnPlateau`, is given the column that its `monitor` names, else the validation
            loss of the epoch, or without validation the training loss.
        augment: augment(x, rng) is applied to the inputs of each training batch.
        callbacks: are called with an `Epoch` after each epoch. One that returns True or a text ends training,
            and the text becomes `History.stopped`; a dict of numbers adds columns; None, False and "" go on.
            See `EarlyStopping`, which begins anew with each `fit` that does not resume.
        on_step: f, or a list of them: f(step) is called after each step that was taken, with a `Step`: model,
            optimizer, loss, epoch, number, rows, x, y and gradient. One that returns True or a text ends
            training then, with no row for the epoch that was cut short; None, False and "" go on.
        watch: what to measure, as {name: every}: after every so many steps, in a column of `History.steps`;
            or after the last step of each "epoch", in a column of the history, with NaN if none was taken.
            "lr", the rate of the step, and "loss", of its batch before it; "gradient_norm", of the gradient
            as it was used; "update/weight", ‖Δw‖/‖w‖ for each parameter, in columns such as
            "update/weight layers.0.weight"; "sharpness", "preconditioned_sharpness" and "gradient_noise" of
            the loss of all training rows, in evaluation mode, at the weights that the step led to. A function
            of your own is a pair, {"name": (every, f)}; f(step) gives a number, or a dict of numbers, which
            become the columns "name key".
        rng: a seed or a Generator, for the order of the rows and the augmentation.
        compile: replay loss and gradients (see `minigrad.compile`) instead of recording them for each batch;
            the history is the same. Weights, options and objects that the loss reads, and callbacks or
            schedules change, are followed. A loss or a model that branches on values, draws random numbers
            without `minigrad.uniform`, counts its calls, or fills an array anew after using it cannot be
            replayed: a warning names its line, and the training goes on as with False. What the attempt did
            to variables, random generators and arrays of up to 64 kB is undone first. Without compiling, an
            array that is filled anew between its use and the gradient still spoils the gradient, in silence,
            where its values enter the slope: give each operation a `b.copy()`.
        checkpoint: a file, written after each epoch, whole or not at all. Its folder must exist.
        resume: go on from `checkpoint` if that file exists; the result is bit-identical to a run that never
            stopped. A run that a callback ended stays ended.

    Returns:
        The history. Ctrl-C finishes the current step and returns it as well; a second Ctrl-C raises
        KeyboardInterrupt.

    Raises:
        CaptureError: the loss or the model cannot be replayed, and the attempt could not be undone (an
            iterator that moved on, a counter in a class, a batch in the middle of `accumulate`); pass
            compile=False.
        FloatingPointError: the loss or its gradient became NaN or infinite; the step that would have used it
            was not taken. Or a step led to weights that are not finite; no checkpoint was written of them.
        ValueError, TypeError: an argument does not fit. This is found out before anything is changed.
    """
    x, y = checked_pair("fit(train=...)", train)
    held_out = None if validation is None else checked_pair("fit(validation=...)", validation)
    size = len(x) if batch_size is None else batch_size
    scheduled = schedules(schedule)
    require_functions(loss, augment, metrics, callbacks)
    if checkpoint is not None:
        require_writable("fit(checkpoint=...)", checkpoint)
    require_rng(rng)
    require_optimizer(model, optimizer)
    switches = {"skip_nonfinite": skip_nonfinite, "keep_best": keep_best}
    require_options(optimizer, clip_norm, accumulate, **switches, compile=compile, resume=resume)
    require_settings(epochs, size, schedule_every, held_out, metrics, checkpoint, resume)
    measured = _measured(held_out, metrics)
    require_schedules(optimizer, scheduled, schedule_every, measured)
    skipped = {"skipped"} if skip_nonfinite else set()
    standing = measured | {"epoch", "seconds"} | skipped
    called = step_functions(on_step)
    watched = watches(watch, optimizer, loss_of_batch(model, loss, False), (x, y), standing)
    of_epochs = {each.name for each in watched if each.every is None}
    _require_watched_columns(callbacks, standing | of_epochs)
    resumes = bool(resume) and checkpoint is not None and os.path.exists(checkpoint)
    steps = -(-len(x) // (int(size) * int(accumulate))) if schedule_every == "batch" else 1
    require_enough_steps(scheduled, steps, epochs, resumes)

    generator, history = np.random.default_rng(rng), History()
    run = _Run(model, optimizer, scheduled, callbacks, generator, history, _Best() if keep_best else None)
    if resumes and checkpoint is not None:
        run.restore(load_tree(checkpoint))
    else:
        run.begin()

    compiled = Compiled(loss_of_batch(model, loss, getattr(optimizer, "needs_outputs", False)))
    each_batch, each_epoch = (scheduled, []) if schedule_every == "batch" else ([], scheduled)
    recorder, augment = recorder_of(optimizer, augment)
    handling = Handling(
        None if clip_norm is None else float(clip_norm), int(accumulate), bool(skip_nonfinite),
        recorder=recorder, generators=model.named_generators(),
    )  # fmt: skip
    watching = Watching(model, history, called, watched)
    trainer = Trainer(
        optimizer, compiled, bool(compile), each_batch, handling, (loss, model), watching or None,
        history.steps.taken,
    )  # fmt: skip
    with _progress_bar(len(history), epochs, progress) as bar, deferred_interrupt() as interrupted:
        stopped = watching.stopping(interrupted)
        model.train()
        while len(history) < epochs and history.stopped == "epochs":
            began, number = time.perf_counter(), len(history) + 1
            train_loss = trainer.epoch(number, batches(x, y, int(size), augment, generator), stopped)
            history.steps.taken = trainer.taken
            if train_loss is None:
                history.stopped = watching.reason or "interrupted"
                break
            _require_finite(model, optimizer, number)
            measures = {} if held_out is None else evaluate(model, loss, held_out, metrics)
            columns = {f"val_{name}": value for name, value in measures.items()}
            columns = {"train_loss": train_loss, **columns, **watching.of_epoch()}
            step_all(each_epoch, columns)
            if skip_nonfinite:
                columns["skipped"] = trainer.skipped
            seconds = time.perf_counter() - began
            history.rows.append({"epoch": number, **columns, "seconds": seconds})
            if run.best is not None:
                run.best.see(columns.get("val_loss", train_loss), model)
            _show(bar, history.rows[-1])
            _tell(callbacks, Epoch(model, optimizer, history))
            if checkpoint is not None:
                save_tree(checkpoint, run.state(), "fit(checkpoint=...)")
        if watching.reason is not None and checkpoint is not None:
            _require_finite(model, optimizer, len(history) + 1)
            save_tree(checkpoint, run.state(), "fit(checkpoint=...)")
    if run.best is not None and run.best.parameters is not None:
        model.load_state_dict(run.best.parameters)
    return _ready(model, history)


@entry
def evaluate(
    model: Module,
    loss: Loss,
    data: tuple[Any, Any] | Dataset,
    metrics: Metrics | None = None,
    batch_size: int = 4096,
) -> dict[str, float]:
    """The mean loss and metrics over `data`, in evaluation mode, without recording."""
    x, y = checked_pair("evaluate(data=...)", data)
    modes = [(module, module.training) for _, module in model.named_modules()]
    model.eval()
    try:
        with no_grad():
            parts = [model(x[i : i + batch_size]) for i in range(0, len(x), batch_size)]
        out = np.concatenate([p.data if isinstance(p, Tensor) else p for p in parts])
        value = loss(out, y)
        values = {"loss": float(value.item() if isinstance(value, Tensor) else value)}
        return values | {name: float(metric(out, y)) for name, metric in (metrics or {}).items()}
    finally:
        for module, training in modes:
            module.training = training


def _measured(held_out: Any, metrics: Any) -> set[str]:
    """The columns that an epoch measures."""
    columns = {"train_loss", *(f"val_{name}" for name in metrics or ())}
    return columns if held_out is None else columns | {"val_loss"}


def _require_watched_columns(callbacks: Any, columns: set[str]) -> None:
    """Require that the history will have the column that an `EarlyStopping` watches."""
    for callback in callbacks:
        if not isinstance(callback, EarlyStopping) or callback.column in columns:
            continue
        if not any(callback.column.startswith(f"{name} ") for name in columns):
            raise ValueError(
                f"`fit(callbacks=...)`: EarlyStopping watches {callback.column!r}, but the history will have "
                f"the columns {sorted(columns)}."
            )


# After an epoch: the progress bar, the callbacks; and at the end


def _progress_bar(done: int, epochs: int, shown: bool) -> Any:
    return progress_bar(
        initial=done, total=epochs, desc="epochs", unit="epoch", disable=not shown, leave=False
    )


def _show(bar: Any, row: dict[str, Any]) -> None:
    if bar.disable:
        return
    bar.update()
    bar.set_postfix({k: f"{v:.4g}" for k, v in row.items() if k not in ("epoch", "seconds")}, refresh=False)


def _tell(callbacks: Sequence[Callable[[Epoch], Any]], epoch: Epoch) -> None:
    """Call every callback; the first True or text ends training, a dict adds columns to the row."""
    reasons: list[str] = []
    for callback in callbacks:
        answer = callback(epoch)
        epoch.model.train()  # it may have evaluated the model
        if isinstance(answer, dict):
            epoch.row.update(_new_columns(callback, answer, epoch.row))
        elif reason := reason_to_end("callbacks", callback, answer, "text, or a dict of new columns"):
            reasons.append(reason)
    if reasons:
        epoch.history.stopped = reasons[0]


def _new_columns(callback: Any, answer: dict[Any, Any], row: dict[str, Any]) -> dict[str, Any]:
    for name, value in answer.items():
        number = isinstance(value, int | float | np.bool_ | np.integer | np.floating)
        if not isinstance(name, str) or name in row or not number:
            raise ValueError(
                f"`fit(callbacks=...)`: the callback {title(callback)} must return new columns as a dict of "
                f"name: number, with names that are not yet in {sorted(row)}, got {name!r}: {value!r:.60}."
            )
    return {name: v.item() if isinstance(v, np.generic) else v for name, v in answer.items()}


def _require_finite(model: Module, optimizer: Any, number: int) -> None:
    # Whoever reads p.data gets an array that may be written to, so each step would take a checksum of it.
    trained = [p for group in getattr(optimizer, "param_groups", ()) for p in group["params"]]
    if trained and all(np.isfinite(p.primal).all() for p in trained):
        return  # a walk through the model, which finds the names too, takes longer than all of this
    bad = [name for name, p in model._named() if not np.isfinite(p.primal).all()]
    if bad:
        raise FloatingPointError(
            f"fit: a step of epoch {number} made {', '.join(bad)} NaN or infinite; no checkpoint was "
            "written of it. Lower the learning rate, or clip the gradients."
        )


def _ready(model: Module, history: History) -> History:
    model.eval()
    model.zero_grad()  # the user's next backward() would add to the gradients of the last batch
    return history


@contextmanager
def deferred_interrupt() -> Iterator[Callable[[], bool]]:
    """Let Ctrl-C wait for the end of a step, so that parameters and optimizer state stay a matching pair."""
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked.is_set
        return
    before = signal.getsignal(signal.SIGINT)

    def handler(number: int, frame: Any) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()

    signal.signal(signal.SIGINT, handler)
    try:
        yield asked.is_set
    finally:
        signal.signal(signal.SIGINT, before if before is not None else signal.SIG_DFL)


@dataclass
class _Best:
    """The weights of the epoch with the smallest loss so far."""

    value: float = math.inf
    parameters: dict[str, Any] | None = None

    def see(self, value: float, model: Module) -> None:
        if value < self.value:
            self.value, self.parameters = value, model.state_dict()


@dataclass
class _Run:
    """Everything that a checkpoint holds."""

    model: Module
    optimizer: Stepper
    schedules: Sequence[Any]
    callbacks: Sequence[Any]
    rng: np.random.Generator
    history: History
    best: _Best | None = None

    def state(self) -> dict[str, Any]:
        best = {} if self.best is None else {"best": [self.best.value, self.best.parameters]}
        return {
            **best,
            "parameters": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": [schedule.state_dict() for schedule in self.schedules] or None,
            "callbacks": [c.state_dict() if hasattr(c, "state_dict") else None for c in self.callbacks],
            "rng": self.rng.bit_generator.state,
            "generators": {path: r.bit_generator.state for path, r in self.model.named_generators()},
            "rows": self.history.rows,
            "steps": {"taken": self.history.steps.taken, "rows": self.history.steps.rows},
            "stopped": self.history.stopped,
        }

    def begin(self) -> None:
        for callback in self.callbacks:
            if isinstance(callback, EarlyStopping):
                callback.reset()

    def restore(self, state: Any) -> None:
        """Put everything back, or raise and leave everything as it was."""
        if not isinstance(state, dict) or "optimizer" not in state:
            raise ValueError(
                "fit(resume=True): this file holds parameters only; it was written by Module.save, not by "
                "fit."
            )
        if self.best is not None and "best" not in state:
            raise ValueError(
                "fit(resume=True, keep_best=True): the checkpoint is of a training without keep_best, so the "
                "best of its epochs is not known. Leave keep_best= out, or start another training."
            )
        if lacking := sorted(self.state().keys() - state.keys()):
            raise ValueError(
                f"fit(resume=True): the checkpoint lacks {lacking}; it was not written by this version of "
                "fit."
            )
        generators = dict(self.model.named_generators())
        if generators.keys() != state["generators"].keys() or len(state["callbacks"]) != len(self.callbacks):
            raise ValueError(
                "fit(resume=True): the checkpoint is of a run with other random layers or callbacks."
            )
        if len(saved := _as_list(state["schedule"])) != len(self.schedules):
            raise ValueError(
                f"fit(resume=True): the checkpoint has {len(saved)} schedules and this run has "
                f"{len(self.schedules)}. Give fit the same schedule."
            )
        before = self.state()
        try:
            self._set(state, generators)
        except BaseException:
            self._set(before, generators)
            raise

    def _set(self, state: dict[str, Any], generators: dict[str, np.random.Generator]) -> None:
        self.model.load_state_dict(state["parameters"])
        self.optimizer.load_state_dict(state["optimizer"])
        for schedule, saved in zip(self.schedules, _as_list(state["schedule"]), strict=True):
            if hasattr(schedule, "differing") and saved.get("schedule") == type(schedule).__name__:
                _require_same(type(schedule).__name__, schedule.differing(saved))
            schedule.load_state_dict(saved)
        for callback, saved in zip(self.callbacks, state["callbacks"], strict=True):
            if hasattr(callback, "load_state_dict"):
                callback.load_state_dict(saved)
        self.rng.bit_generator.state = state["rng"]
        for path, generator in generators.items():
            generator.bit_generator.state = state["generators"][path]
        self.history.rows[:] = state["rows"]
        self.history.steps.rows[:] = state["steps"]["rows"]
        self.history.steps.taken = state["steps"]["taken"]
        self.history.stopped = state["stopped"]
        if self.best is not None:
            self.best.value, self.best.parameters = state["best"]


def _as_list(saved: Any) -> list[Any]:
    return saved if isinstance(saved, list) else [] if saved is None else [saved]


def _require_same(call: str, differing: Mapping[str, tuple[Any, Any]]) -> None:
    for option, (saved, given) in differing.items():
        raise ValueError(
            f"fit(resume=True): the checkpoint was made with {call}({option}={saved!r}), and this run has "
            f"{option}={given!r}. Give the schedule the options it was begun with, or start another training."
        )
