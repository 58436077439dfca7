"""`record` makes a run, or goes on with one; `open_run` opens it again."""

from __future__ import annotations

import json
import os
import warnings
from os import PathLike
from pathlib import Path
from typing import Any, NoReturn

from minigrad.extend import entry, require_folder
from optim.base.first_order import FirstOrder
from optim.base.optimizer import Optimizer
from optim.base.options import COUNT, FLAG, checked, choice
from optim.recording.recorder import LINES, META, Recorder, described
from optim.recording.run import Run
from optim.recording.written import read_meta

__all__ = ["open_run", "record"]

LEVELS = ("scalars", "replay", "tape")


@entry
def record(
    optimizer: Optimizer,
    folder: str | PathLike[str],
    level: str = "tape",
    *,
    every: int = 100,
    max_bytes: int = 1 << 30,
    resume: bool = False,
) -> Recording:
    """Record each step that the optimizer takes inside the `with`: in `fit`, compiled, or in a loop of yours.

        with optim.record(optimizer, "runs/adam") as run:
            fit(model, optimizer, loss, (x, y), epochs=10)
        run.at(7)["layers.0.weight"]["m_hat"]

    A run is a folder: meta.json, rows for each step in .npy files, and what changed in changes.jsonl. A
    killed process leaves every completed step in it; a crash of the system may not.

    Args:
        optimizer: any `Optimizer`, also of a class of your own. A step of one without a `rule` is recorded by
            its weights before and after.
        folder: made if it does not exist.
        level: "scalars" keeps the loss, the learning rates and the norms of gradient and step, and what
            `run.note` adds; "tape" also the gradient of each step, so that `run.at(t)` gives everything that
            step t computed; "replay" less than that, for `run.recompute` computes the gradients again. All
            keep the rows of each batch of `fit`.
        every: steps from one checkpoint of weights and state to the next. A large number makes `run.at`
            slower, a small one takes more space.
        max_bytes: where the recording ends, with one warning; the training goes on.
        resume: go on with the run in the folder, if there is one. Before the first step the optimizer must be
            as it was after some step of the run, because `fit(resume=True)` or `run.restore` has put it
            there. The steps after that one are cut away.

    Raises:
        FileExistsError: the folder holds a run, and `resume` is not set.
        TypeError, ValueError: an argument is not as described, an option of the optimizer cannot be written
            as JSON, the run in the folder is another one, or the optimizer is recorded already.
        AttributeError, RuntimeError: what is returned is not used in a `with`, or in two.

    >>> import tempfile
    >>> from minigrad import Tensor
    >>> import optim
    >>> p = Tensor([3.0, 4.0], requires_grad=True, name="p")
    >>> adam = optim.Adam([p], lr=0.5)
    >>> with tempfile.TemporaryDirectory() as folder, optim.record(adam, folder) as run:
    ...     for _ in range(3):
    ...         _ = adam.step(lambda: (p * p).sum())
    ...     run.at(1)["p"]["m_hat"], len(run)
    (array([6., 8.]), 3)
    """
    call = "optim.record"
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"`{call}(optimizer, folder)` needs an Optimizer, got {type(optimizer).__name__}.")
    checked(call, "level", level, choice(*LEVELS))
    every, max_bytes = checked(call, "every", every, COUNT), checked(call, "max_bytes", max_bytes, COUNT)
    resume = checked(call, "resume", resume, FLAG)
    if level == "replay" and not isinstance(optimizer, FirstOrder):
        raise TypeError(
            f'`{call}(level="replay")`: {type(optimizer).__name__} has no rule, so its steps cannot be taken '
            'again. Give level="tape".'
        )
    return Recording(optimizer, Path(folder), level, every, max_bytes, resume)


class Recording:
    """What `record` returns: a `with` begins it, gives the `Run`, and ends it."""

    _forgotten = False  # of a copy, which has no attributes yet

    def __init__(
        self, optimizer: Optimizer, folder: Path, level: str, every: int, max_bytes: int, resume: bool
    ) -> None:
        self._optimizer, self._folder, self._level = optimizer, folder, level
        self._every, self._max_bytes, self._resume = every, max_bytes, resume
        self._run: Run | None = None
        self._forgotten = True  # nobody has entered it, or been told to

    @entry
    def __enter__(self) -> Run:
        call, optimizer = "optim.record", self._optimizer
        self._forgotten = False
        if self._run is not None:
            raise RuntimeError(
                f"`{call}(...)` is for one `with`, and this one has had it. Call it again, with resume=True "
                "to go on with the run."
            )
        if "step" in vars(optimizer) or any(isinstance(each, Recorder) for each in optimizer.observers):
            raise ValueError(f"`{call}`: this {type(optimizer).__name__} is being recorded already.")
        meta = described(optimizer, self._level, self._every)
        found = _begun(call, self._folder, meta, optimizer, self._resume)
        run = Run(self._folder, type(optimizer))
        steps, states = run.cut(len(run)) if found else (0, 0)
        recorder = Recorder(optimizer, self._folder, self._level, self._every, self._max_bytes, steps, states)
        if steps:
            recorder.resuming = lambda optimizer: run.cut(_place(call, run, optimizer))
        recorder.attach()
        run.recorder = recorder
        self._run = run
        return run

    def __exit__(self, *error: object) -> None:
        if self._run is not None and self._run.recorder is not None:
            self._run.recorder.detach()
            self._run.recorder = None

    @entry
    def __getattr__(self, name: str) -> NoReturn:
        self._forgotten = self._forgotten and name.startswith("_")  # notebooks ask for _repr_html_
        raise AttributeError(f"`optim.record(...)` is not the run yet, and has no .{name}. {_REMEDY}")

    def __bool__(self) -> bool:
        return True

    @entry
    def __len__(self) -> NoReturn:
        self._forgotten = False
        raise TypeError(f"`optim.record(...)` is not the run yet, and has no length. {_REMEDY}")

    def __del__(self) -> None:
        if self._forgotten:
            text = f"`optim.record(...)` was not entered, and recorded nothing. {_REMEDY}"
            warnings.warn(text, RuntimeWarning, stacklevel=2)


_REMEDY = "Write `with optim.record(optimizer, folder) as run:`, and use the run."


@entry
def open_run(folder: str | PathLike[str], optimizer_class: type[Optimizer] | None = None) -> Run:
    """Open a recorded run, also one that is being recorded, or whose process was killed.

    Args:
        folder: that was given to `record`.
        optimizer_class: that of the optimizer, where it cannot be imported by the name in meta.json.

    Raises:
        FileNotFoundError: the folder holds no run.
    """
    if optimizer_class is not None and not (
        isinstance(optimizer_class, type) and issubclass(optimizer_class, Optimizer)
    ):
        raise TypeError(
            f"`open_run(folder, optimizer_class=...)` must be a class of optimizers, got "
            f"{optimizer_class!r:.60}."
        )
    return Run(Path(folder), optimizer_class)


def _begun(call: str, folder: Path, meta: dict[str, Any], optimizer: Optimizer, resume: bool) -> bool:
    """Begin a run in the folder, or require that it holds this one; whether it does."""
    if (folder / META).exists():
        if not resume:
            raise FileExistsError(
                f"`{call}`: {str(folder)!r} holds a run. Give another folder, or resume=True to go "
                "on with it."
            )
        before = read_meta(call, folder)
        for key in ("level", "optimizer", "groups"):
            if before[key] != meta[key]:
                raise ValueError(
                    f"`{call}(resume=True)`: the run in {str(folder)!r} has another {key}: "
                    f"{before[key]!r:.200}, and not {meta[key]!r:.200}. Record into another folder."
                )
        return True
    if (folder / LINES).exists():
        raise FileExistsError(f"`{call}`: {str(folder)!r} holds a {LINES}, but no run. Give another folder.")
    try:
        json.dumps([group.options for group in optimizer.param_groups])
    except TypeError as error:
        raise TypeError(
            f"`{call}`: the options of {type(optimizer).__name__} cannot be kept: {error}."
        ) from None
    require_folder(f"{call}(folder)", folder)
    part = folder / (META + ".part")
    part.write_text(json.dumps(meta, indent=1), encoding="utf-8")
    os.replace(part, folder / META)
    return False


def _place(call: str, run: Run, optimizer: Optimizer) -> int:
    t = run.find(optimizer)
    if t is None:
        raise ValueError(
            f"`{call}(resume=True)`: after none of its {len(run)} steps the run in {str(run.folder)!r} had "
            "the weights and state that the optimizer has now. Put them back with run.restore(optimizer), or "
            "record into another folder."
        )
    return t
