"""`sweep`: train at every combination of some settings, on all cores, and keep each run as it ends.

This file runs and stores; what the runs say is in `optim/sweeping/results.py`. A folder of a sweep holds
`runs.jsonl`, to which each finished run is appended as one line, and `runs.csv`, the same runs as a table,
which is written anew at the end. The parent process alone writes, so a kill can spoil the last line at most.

`train` runs in a worker, and whatever it raises comes back as part of a record. So an exception from a worker
itself means that the run could not be handed over.
"""

from __future__ import annotations

import itertools
import json
import math
import numbers
import os
import pickle
import sys
import time
import traceback
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from minigrad.extend import entry, progress_bar, require_folder
from optim.sweeping.results import RESERVED, Run, Sweep, open_sweep, read_log

__all__ = ["sweep"]

Train = Callable[..., Any]
Key = tuple[Any, ...]  # the labels of a combination, in the order of the settings
Outcomes = Generator[tuple[Key, "_Outcome"], None, None]
THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


@entry
def sweep(
    train: Train,
    grid: Mapping[str, Any] | Sequence[Mapping[str, Any]],
    *,
    executor: Any = None,
    out: str | PathLike[str] | None = None,
    progress: bool = True,
) -> Sweep:
    """Call `train` with every combination of the settings in `grid`.

    A run whose result is NaN or infinite, or that raises FloatingPointError or OverflowError, has diverged:
    it is a row like the others, and counts as worse than all finite results. If `train` raises another error,
    that is recorded too. The sweep goes on if some run has succeeded, and raises at its end.

    Args:
        train: train(**settings) → a number (column "loss"), a dict of numbers, or the `History` of `fit`, of
            which the last row is taken. The first number is what reports compare, unless told otherwise.
        grid: for each setting its values: {"optimizer": ["SGD", "Adam"], "lr": [0.01, 0.1], "seed": [0, 1]}.
            A value is a number, a text, None, or a function or class, which is known by its name. Of a list
            of grids, which have the same settings, all combinations are run.
        executor: None: processes, one for each core, each with one BLAS thread. "serial": one run after the
            other in this process, which is best for a debugger and for runs of milliseconds. Or any
            `concurrent.futures` executor, such as Dask's `client.get_executor()` or mpi4py's
            `MPIPoolExecutor()`; it is not shut down.
        out: a folder, made if need be. Every run is appended to its `runs.jsonl` when it ends, and `runs.csv`
            is the table. A combination that the folder has is not run again, unless it raised an error: so
            a killed sweep goes on where it was, and a larger grid adds to a smaller one. Give a new folder
            when `train` has changed, which is not noticed.
        progress: show a bar of the runs. Give the `fit` in `train` progress=False.

    Returns:
        A `Sweep` of all runs, with those that the folder had, sorted by their settings.

    Raises:
        RuntimeError: `train` raised an error, or its result is none of those above; the message tells which
            call did, and where. Or the workers cannot run `train`.
        ValueError, TypeError: an argument does not fit. Nothing has been run or written.

    >>> def train(lr, seed):
    ...     w = 1.0 + seed
    ...     for _ in range(10):
    ...         w -= lr * 2 * w
    ...     return w**2
    >>> found = sweep(train, {"lr": [0.01, 0.1, 0.3], "seed": [0, 1, 2]}, executor="serial", progress=False)
    >>> found.best()[0].settings
    {'lr': 0.3}
    """
    if not callable(train):
        raise TypeError(f"`sweep(train, grid)`: train must be a function of the settings, got {train!r:.60}.")
    names, wanted = _combinations(grid)
    if not (executor is None or executor == "serial" or callable(getattr(executor, "submit", None))):
        raise TypeError(
            '`sweep(executor=...)` must be None for processes, "serial", or an executor with a `submit`, got '
            f"{executor!r:.60}."
        )
    log = _Log(None if out is None else Path(out), names)
    todo = {key: settings for key, settings in wanted.items() if key not in log.done}
    try:
        with (
            _progress_bar(len(wanted), len(wanted) - len(todo), progress) as bar,
            closing(_outcomes(train, todo, executor)) as outcomes,
        ):
            for key, outcome in outcomes:
                run = log.add(key, outcome)
                bar.update()
                if run.status == "error" and not any(r.status == "ok" for r in log.done.values()):
                    break  # a train that has never worked need not be tried a hundred times
    finally:
        log.close()
    found = Sweep(sorted(log.done.values(), key=Run.key))
    if out is not None:
        found.save(Path(out) / "runs.csv")
    _raise_of(found, log.tracebacks, "" if out is None else " The other runs are kept in `out`.")
    return found


def _raise_of(found: Sweep, tracebacks: Mapping[Key, str], kept: str) -> None:
    failed = [run for run in found.runs if tuple(run.settings.values()) in tracebacks]
    if not failed:
        return
    call = ", ".join(f"{name}={value!r}" for name, value in failed[0].settings.items())
    raise RuntimeError(
        f"`sweep(train, grid)`: {len(failed)} of {len(found)} runs raised an error, the first of them "
        f"train({call}): {failed[0].error}. Mend train and call sweep again.{kept}\n\n"
        f"{tracebacks[tuple(failed[0].settings.values())]}"
    )


# The combinations


def _combinations(grid: Any) -> tuple[tuple[str, ...], dict[Key, dict[str, Any]]]:
    """The names of the settings, and the settings of each combination by their labels."""
    grids = [grid] if isinstance(grid, Mapping) else grid
    if isinstance(grids, str) or not isinstance(grids, Sequence) or not grids:
        raise TypeError(
            '`sweep(train, grid)`: grid must be a dict of lists, such as {"lr": [0.01, 0.1]}, or a list of '
            f"such dicts, got {grid!r:.60}."
        )
    found: dict[Key, dict[str, Any]] = {}
    names: tuple[str, ...] = ()
    for each in grids:
        lists = _checked_grid(each)
        if names and set(lists) != set(names):
            raise ValueError(
                f"`sweep(train, grid)`: all grids must have the same settings, got {sorted(names)} and "
                f"{sorted(lists)}. Give a setting that a grid lacks one value, as {{'lr': [None]}}."
            )
        names = names or tuple(lists)
        for values in itertools.product(*(lists[name] for name in names)):
            key = tuple(_label(name, value) for name, value in zip(names, values, strict=True))
            if key in found:
                raise ValueError(
                    f"`sweep(train, grid)`: the combination {dict(zip(names, key, strict=True))} is there "
                    "twice. Leave the second one out."
                )
            found[key] = dict(zip(names, values, strict=True))
    return names, found


def _checked_grid(grid: Any) -> dict[str, list[Any]]:
    if not isinstance(grid, Mapping) or not grid:
        raise TypeError(
            '`sweep(train, grid)`: grid must be a dict of lists, such as {"lr": [0.01, 0.1]}, got '
            f"{grid!r:.60}."
        )
    lists = {}
    for name, values in grid.items():
        if not isinstance(name, str) or not name.isidentifier() or name in RESERVED:
            raise ValueError(
                f"`sweep(train, grid)`: a setting is a parameter of train and none of {sorted(RESERVED)}, "
                f"got {name!r}. Rename it."
            )
        if isinstance(values, str | Mapping) or not hasattr(values, "__iter__") or np.ndim(values) > 1:
            raise TypeError(
                f"`sweep(train, grid)`: the values of {name!r} must be a list, got {values!r:.60}. Write "
                f"{{{name!r}: [{values!r:.40}]}} for a single one."
            )
        lists[name] = [v.item() if isinstance(v, np.generic) else v for v in values]
        if not lists[name]:
            raise ValueError(f"`sweep(train, grid)`: {name!r} must have at least one value, got [].")
    return lists


def _label(name: str, value: Any) -> Any:
    """What stands in the table for a value: itself, or the name of a function or class."""
    if value is None or isinstance(value, bool | int | float | str):
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"`sweep(train, grid)`: the values of {name!r} must be finite, got {value!r}.")
        return value
    label = getattr(value, "__name__", "<lambda>")
    if not callable(value) or label == "<lambda>":
        raise TypeError(
            f"`sweep(train, grid)`: a value of {name!r} must be a number, a text, None, or a function or "
            f"class with a name, got {value!r:.60}. Give it a name, and let train find it in a dict."
        )
    return label


# The runs


class _Outcome(NamedTuple):
    """What a worker sends back."""

    status: str  # "ok", "diverged", "error", or "interrupted": Ctrl-C ended a `fit` before its last epoch
    seconds: float
    results: dict[str, float]
    error: str = ""
    traceback: str = ""


def _run(train: Train, settings: dict[str, Any]) -> _Outcome:
    """Call train, in a worker."""
    began, results = time.perf_counter(), dict[str, float]()
    try:
        results = _numbers(result := train(**settings))
        status = "ok" if all(map(math.isfinite, results.values())) else "diverged"
        if getattr(result, "stopped", "") == "interrupted":
            status = "interrupted"
        return _Outcome(status, time.perf_counter() - began, results)
    except Exception as error:
        said = f"{type(error).__name__}: {error}"
        diverged = isinstance(error, FloatingPointError | OverflowError)
        status, seconds = "diverged" if diverged else "error", time.perf_counter() - began
        return _Outcome(status, seconds, results, said, traceback.format_exc())


def _numbers(result: Any) -> dict[str, float]:
    """The columns of what train returned."""
    if hasattr(result, "rows") and hasattr(result, "stopped"):  # a History, of `models`
        last = dict(result.rows[-1]) if result.rows else {}
        result = {"epochs" if k == "epoch" else k: v for k, v in last.items() if k != "seconds"}
        # what reports compare comes first
        result = {k: v for k, v in result.items() if k != "epochs"} | {"epochs": result.get("epochs", 0)}
    elif not isinstance(result, Mapping):
        result = {"loss": result}
    found = {}
    for name, value in result.items():
        if getattr(value, "shape", None) == ():  # a scalar array or Tensor
            value = value.item()
        if not isinstance(value, numbers.Real) or not isinstance(name, str) or name in RESERVED:
            raise TypeError(
                f"train must return a number, a dict of numbers by names that are none of {sorted(RESERVED)}"
                f", or a History; got {name!r}: {value!r:.60}"
            )
        found[name] = int(value) if isinstance(value, numbers.Integral) else float(value)
    if not found:
        raise TypeError("train must return at least one number, got an empty dict")
    return found


def _outcomes(train: Train, todo: Mapping[Key, dict[str, Any]], executor: Any) -> Outcomes:
    """Run what is to do; each outcome when it is there."""
    if executor == "serial":
        for key, settings in todo.items():
            yield key, _run(train, settings)
    elif executor is not None:
        yield from _from_pool(executor, {key: (_run, train, each) for key, each in todo.items()})
    elif todo:
        with _processes(train, list(todo.values())) as pool:
            yield from _from_pool(pool, {key: (_run_own, i) for i, key in enumerate(todo)})


def _from_pool(pool: Any, calls: Mapping[Key, tuple[Any, ...]]) -> Outcomes:
    from concurrent.futures import as_completed

    futures: dict[Any, Key] = {}
    try:
        for key, call in calls.items():
            futures[pool.submit(*call)] = key
        for future in as_completed(futures):
            yield futures[future], future.result()
    except (pickle.PicklingError, AttributeError, TypeError, ImportError, RuntimeError) as error:
        raise RuntimeError(
            f"`sweep(train, grid)`: the workers cannot run train ({type(error).__name__}: {error}). Define "
            "it at the top of a file that can be imported, where a script calls sweep below "
            "`if __name__ == '__main__':`; or pass executor=\"serial\"."
        ) from error
    finally:
        for future in futures:
            future.cancel()


_own: list[Any] = []  # in a process of ours: train, and the settings of all runs


def _run_own(i: int) -> _Outcome:
    train, settings = _own
    return _run(train, settings[i])


@contextmanager
def _processes(train: Train, settings: list[dict[str, Any]]) -> Iterator[Any]:
    """A pool of processes, one for each core, with one BLAS thread each.

    On Linux they are forked: they start within milliseconds, and have every `train`, also a lambda or one of
    a notebook, because nothing is pickled but results. The pool forks them all before it starts a thread.
    Elsewhere a fork is not safe; new Pythons start, which import `train`, and read the number of threads from
    their environment.
    """
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    forks = sys.platform == "linux"
    if not forks:
        _require_importable(train)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    environment = {name: os.environ.get(name) for name in THREADS}
    children = set(multiprocessing.active_children())
    pool = ProcessPoolExecutor(
        min(cores, len(settings)),
        multiprocessing.get_context("fork" if forks else "spawn"),
        _begin_worker,
        (forks, train, settings),
    )
    os.environ.update(dict.fromkeys(THREADS, "1"))
    try:
        yield pool
    except BaseException:  # also Ctrl-C, and the end of a sweep whose train has never worked
        for child in set(multiprocessing.active_children()) - children:
            child.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)
        for name, value in environment.items():
            os.environ.pop(name, None) if value is None else os.environ.update({name: value})


def _require_importable(train: Train) -> None:
    main = sys.modules["__main__"]
    if getattr(train, "__module__", "") == "__main__" and not hasattr(main, "__file__"):
        raise RuntimeError(
            "`sweep(train, grid)`: new processes cannot import a train that was defined in a notebook or at "
            'a prompt. Write it into a file and import it from there, or pass executor="serial".'
        )


def _begin_worker(forked: bool, train: Train, settings: list[dict[str, Any]]) -> None:
    """Take the work, leave Ctrl-C to the parent; in a fork, end with it too, and let BLAS use one thread."""
    import ctypes
    import signal

    _own[:] = train, settings
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if not forked:
        return
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG: else a killed parent leaves its workers
    maps = Path("/proc/self/maps").read_text(encoding="utf-8")
    for library in {line.split()[-1] for line in maps.splitlines() if "blas" in line or "mkl_rt" in line}:
        for name in (
            "scipy_openblas_set_num_threads64_", "scipy_openblas_set_num_threads",
            "openblas_set_num_threads64_", "openblas_set_num_threads", "MKL_Set_Num_Threads",
        ):  # fmt: skip
            if ".so" in library and (limit := getattr(ctypes.CDLL(library), name, None)) is not None:
                limit(1)


# The folder


class _Log:
    """The runs that are done, and the file to which each is appended."""

    def __init__(self, folder: Path | None, names: tuple[str, ...]) -> None:
        self.names, self.file = names, None
        self.done: dict[Key, Run] = {}
        self.tracebacks: dict[Key, str] = {}
        if folder is None:
            return
        require_folder("sweep(out=...)", folder)
        kept = (
            open_sweep(folder).runs
            if any((folder / f"runs.{end}").exists() for end in ("jsonl", "csv"))
            else []
        )
        for run in kept:
            if set(run.settings) != set(names):
                raise ValueError(
                    f"`sweep(out=...)`: {str(folder)!r} holds a sweep over {sorted(run.settings)}, "
                    f"and this one is over {sorted(names)}. Give another folder."
                )
            if run.status != "error":
                run = run._replace(settings={name: run.settings[name] for name in names})
                self.done[tuple(run.settings.values())] = run
        path = folder / "runs.jsonl"
        whole = read_log(path)[1] if path.exists() else 0
        self.file = path.open("ab")
        self.file.truncate(whole)  # what a kill left of a line
        if not whole:  # the folder has the table alone
            for run in self.done.values():
                self._write(run)

    def add(self, key: Key, outcome: _Outcome) -> Run:
        if outcome.status == "interrupted":
            raise KeyboardInterrupt
        run = Run(dict(zip(self.names, key, strict=True)), *outcome[:4])
        self.done[key] = run
        if run.status == "error":
            self.tracebacks[key] = outcome.traceback
        self._write(run)
        return run

    def _write(self, run: Run) -> None:
        if self.file is not None:
            self.file.write(json.dumps(run._asdict(), ensure_ascii=False).encode() + b"\n")
            self.file.flush()

    def close(self) -> None:
        if self.file is not None:
            self.file.close()


def _progress_bar(total: int, done: int, shown: bool) -> Any:
    return progress_bar(initial=done, total=total, desc="runs", unit="run", disable=not shown, leave=False)
