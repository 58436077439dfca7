"""Wall time and peak memory of whole processes: an import, and trainings from the start of Python to its end.

Every run is a fresh interpreter on two processors. Rounds are paired and interleaved; ratios are medians over
rounds. torch.compile, tinygrad and MLX keep compiled code in directories. These are empty in the first run of
each program, which is shown apart; later runs find the code there. All programs must print the same final
loss, or nothing is reported.

The system reports the memory of the largest process of a program, so a compiler that it starts counts if it
is larger.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any, NamedTuple

from benchmarks import machine, report

PROGRAMS = {
    "minigrad, compiled": "minigrad_compiled",
    "minigrad": "minigrad_eager",
    "PyTorch": "pytorch_eager",
    "PyTorch, compiled": "pytorch_compiled",
    "JAX": "jax_jit",
    "tinygrad": "tinygrad_jit",
    "MLX": "mlx_compiled",
}
# Rounding grows with the steps. Among all peers the losses were seen to differ by up to 8e-6, after 200 steps
# as after 10,000.
SAME_LOSS = 1e-4


class Run(NamedTuple):
    seconds: float
    mb: float
    said: str


class Task(NamedTuple):
    title: str
    commands: dict[str, list[str]]  # name: arguments of Python
    rounds: int


def training(net: str, steps: int) -> dict[str, list[str]]:
    return {name: ["-m", f"benchmarks.programs.{file}", net, str(steps)] for name, file in PROGRAMS.items()}


TASKS = {
    "import": Task("An import", {code: ["-c", code] for code in ("import minigrad", "import numpy")}, 21),
    "short": Task("2-16-16-1, 200 Adam steps on all 100 rows", training("2-16-16-1", 200), 7),
    "long": Task("2-16-16-1, 10,000 Adam steps on all 100 rows", training("2-16-16-1", 10_000), 7),
    "digits": Task(
        "64-64-32-10 on the digits, 30 epochs of 28 batches of 64", training("64-64-32-10", 30 * 28), 7
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.whole", description=__doc__)
    parser.add_argument(
        "--only", choices=TASKS, action="append", help="this task only (may be given several times)"
    )
    parser.add_argument(
        "--repeat", type=int, metavar="N", help="rounds of each task (default 21 imports, 7 trainings)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the result here too")
    parser.add_argument("--quick", action="store_true", help="1 round, not stored")
    options = parser.parse_args()
    absent = machine.missing(PROGRAMS)
    machine.say_missing(absent)
    here, before = machine.describe(PROGRAMS), report.load("whole")
    print(machine.line(here), flush=True)
    if hasattr(os, "sched_setaffinity"):  # children inherit it; JAX starts a thread for each processor
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: machine.THREADS])
    busy = machine.Busy()
    results: dict[str, Any] = {}
    for key in options.only or TASKS:
        title, commands, rounds = TASKS[key]
        commands = {name: command for name, command in commands.items() if name not in absent}
        results[key] = measured(commands, 1 if options.quick else max(1, options.repeat or rounds))
        print(f"\n{title}\n{table(results[key], before.get('tasks', {}).get(key, {}))}", flush=True)
    if not busy.report() and not options.quick:
        kept = before["tasks"] if before.get("machine") == here else {}
        report.save(report.RESULTS / "whole.json", {"machine": here, "tasks": kept | results})
    if options.json:
        report.save(options.json, {"machine": here, "tasks": results})


def measured(commands: dict[str, list[str]], rounds: int) -> dict[str, Any]:
    """The results of each command by name.

    "ms" and "mb" are medians, "ms ratio" and "mb ratio" are those of the first command to this one, "first
    ms" is the time of the first run, without a cache, and "said" is the text that the command printed.
    """
    names = [*commands]
    runs: dict[str, list[Run]] = {name: [] for name in names}
    with TemporaryDirectory() as caches:
        for i in range(rounds + 1):
            for name in names[i % len(names) :] + names[: i % len(names)]:
                runs[name].append(run(commands[name], Path(caches, str(names.index(name)))))
    check({name: mine[-1].said for name, mine in runs.items()})
    ours = runs[names[0]]
    return {
        name: {
            "ms": round(1e3 * median(r.seconds for r in mine[1:]), 1),
            "mb": round(median(r.mb for r in mine[1:]), 1),
            "ms ratio": round(median(a.seconds / b.seconds for a, b in zip(ours[1:], mine[1:])), 3),
            "mb ratio": round(median(a.mb / b.mb for a, b in zip(ours[1:], mine[1:])), 3),
            "first ms": round(1e3 * mine[0].seconds, 1),
            "said": mine[-1].said,
        }
        for name, mine in runs.items()
    }


def check(said: dict[str, str]) -> None:
    """Raise unless all programs printed the same loss, or all printed nothing."""
    if not any(said.values()):
        return
    losses = {name: float(text) for name, text in said.items()}
    reference = next(iter(losses.values()))
    if not all(abs(loss - reference) <= SAME_LOSS * reference for loss in losses.values()):
        raise RuntimeError(f"the programs must reach the same loss to {SAME_LOSS:g} of it, got {losses}.")


def run(arguments: list[str], caches: Path) -> Run:
    """Run one fresh interpreter, which keeps its caches for the next one in the folder `caches`."""
    caches.mkdir(exist_ok=True)
    environment = machine.environment() | {"TMPDIR": str(caches), "XDG_CACHE_HOME": str(caches)}
    read, write = os.pipe()
    command = [sys.executable, *arguments]
    actions = [(os.POSIX_SPAWN_DUP2, write, 1), (os.POSIX_SPAWN_CLOSE, read)]
    start = perf_counter()
    pid = os.posix_spawn(sys.executable, command, environment, file_actions=actions)
    os.close(write)
    _, status, usage = os.wait4(pid, 0)
    seconds = perf_counter() - start
    with os.fdopen(read) as pipe:
        said = pipe.read().strip()
    if status:
        raise RuntimeError(f"{' '.join(command)} failed with status {os.waitstatus_to_exitcode(status)}.")
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, kilobytes on Linux
    return Run(seconds, usage.ru_maxrss * unit / 1e6, said)


def table(now: dict[str, Any], before: dict[str, Any]) -> str:
    first = next(iter(now))
    lines = [f"{'':<20}│  wall ms  change  first ms  {first + '/it':<26}│ peak MB  change  {first}/it"]
    for name, mine in now.items():
        old = before.get(name, {})
        ratios = {}
        for what in ("ms ratio", "mb ratio"):
            was = f" (was {old[what]:.2f})" if what in old else ""
            ratios[what] = "" if name == first else f"{mine[what]:.2f}{was}"
        changes = {what: report.change(mine[what], old.get(what)) for what in ("ms", "mb")}
        lines.append(
            f"{name:<20}│{mine['ms']:9,.1f}{changes['ms']:>8}{mine['first ms']:10,.1f}  "
            f"{ratios['ms ratio']:<26}│{mine['mb']:8,.1f}{changes['mb']:>8}  {ratios['mb ratio']}"
        )
    return "\n".join(line.rstrip() for line in lines)


if __name__ == "__main__":
    main()
