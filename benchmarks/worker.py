"""A process that measures when its parent asks: one subject, or with `--one-process` all of them."""

from __future__ import annotations

import os
import signal
import traceback
from collections.abc import Callable
from importlib import import_module
from multiprocessing import get_context
from multiprocessing.connection import Connection
from time import perf_counter
from typing import Any

from benchmarks.machine import THREADS

CHECKED_STEPS, CHECK_LR = 5, 1e-3
TIMED_LR = 1e-6  # a larger one would drive the loss to 0 in thousands of timed steps, and denormals are slow


class Worker:
    """The parent's end: it starts the process, asks it, and stops it (SIGSTOP) while it has nothing to do."""

    def __init__(
        self, *names: str, serve: Callable[[Connection, tuple[str, ...]], None] | None = None
    ) -> None:
        context = get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=serve or _serve, args=(theirs, names), daemon=True)
        self.process.start()
        theirs.close()
        self.ask("ready")

    def ask(self, *command: Any) -> Any:
        self._signal("SIGCONT")
        self.connection.send(command)
        try:
            failed, answer = self.connection.recv()
        except EOFError:
            raise RuntimeError(f"the worker died while doing {command}.") from None
        self._signal("SIGSTOP")
        if failed:
            raise RuntimeError(answer)
        return answer

    def close(self) -> None:
        self._signal("SIGCONT")
        self.process.kill()
        self.process.join()

    def _signal(self, name: str) -> None:
        if hasattr(signal, name) and self.process.pid and self.process.is_alive():
            os.kill(self.process.pid, getattr(signal, name))


def answering(connection: Connection, commands: dict[str, Callable[..., Any]]) -> None:
    """Do what the parent asks, until the parent is gone."""
    if hasattr(os, "sched_setaffinity"):  # JAX takes as many threads as it sees processors
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:THREADS])
    while True:
        try:
            what, *arguments = connection.recv()
        except (EOFError, KeyboardInterrupt):
            return
        try:
            connection.send((False, commands[what](*arguments) if what in commands else None))
        except Exception:
            connection.send((True, traceback.format_exc()))


def _serve(connection: Connection, names: tuple[str, ...]) -> None:
    subjects: dict[str, Any] = {}

    def load(net: str) -> list[tuple[str, str]]:
        subjects.update({name: _checked(name, net) for name in names})
        return [
            (name, kind)
            for name, s in subjects.items()
            if s
            for kind in ("gradient", "step")
            if getattr(s, kind)
        ]

    def time(name: str, kind: str, calls: int) -> float:
        return timed(getattr(subjects[name], kind), calls)

    answering(connection, {"load": load, "time": time})


def timed(call: Callable[[], Any], calls: int) -> float:
    """Seconds that a call takes: the mean of `calls` calls, after some others to warm up."""
    for _ in range(1 + calls // 5):
        call()
    start = perf_counter()
    for _ in range(calls):
        call()
    return (perf_counter() - start) / calls


def _checked(name: str, net_name: str) -> Any:
    """The subject on this net, after making sure that it computes the same numbers as the reference."""
    import numpy as np

    from benchmarks.nets import net
    from benchmarks.subjects import FILES, REFERENCE

    def built(name: str, lr: float) -> Any:
        return import_module(f"benchmarks.subjects.{FILES[name]}").build(net(net_name), lr)

    subject, reference = built(name, CHECK_LR), built(REFERENCE, CHECK_LR)
    if subject is None:
        return None
    ours, theirs = subject.numbers(subject.gradient()), reference.numbers(reference.gradient())
    for i, (x, y) in enumerate(zip(ours, theirs, strict=True)):
        x, what = np.asarray(x), f"gradient {i - 1}" if i else "loss"
        if x.dtype != np.float32 or x.shape != y.shape:
            raise ValueError(
                f"{name} on {net_name}: {what} is {x.shape} {x.dtype}, the reference has {y.shape} float32."
            )
        error = np.abs(x - y).max() / np.abs(y).max()
        if not error < 1e-4:
            raise ValueError(
                f"{name} on {net_name}: {what} differs from the reference by {error:.1e} of its largest "
                "entry."
            )
    if subject.step:
        losses = [[float(s.step()) for s in (subject, reference)] for _ in range(CHECKED_STEPS)]
        if not np.allclose(*np.transpose(losses), rtol=1e-4):
            raise ValueError(
                f"{name} on {net_name}: the losses of Adam's first steps differ from the reference: {losses}."
            )
    return built(name, TIMED_LR)
