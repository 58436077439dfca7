"""Loss + all gradients, and a whole step of Adam, on four nets: minigrad beside its peers.

Four things make it fair. All subjects compute the same numbers, which is checked before timing. Rounds are
paired and interleaved: each subject has a turn of a few hundredths of a second in every round, in rotating
order. The median over rounds of the ratio within a round is reported, so drift of the machine cancels. And
each subject has a process of its own, which a signal stops while others have their turn.

The last one matters. These are µs for loss + gradients on 784-256-128-10, on two cores (NumPy by hand,
minigrad, PyTorch, HIPS autograd, JAX):

    each alone on the machine           399    481    865   1141    622
    own processes, idle ones stopped    408    481    864   1027    605     this is what is done here
    all in one process                  401    469   1715   1026    740     --one-process
    own processes, idle ones waiting   2834   3920   6817   7517    753

The threads of a library go on spinning for a while after its work is done, and take the second core from the
next subject. In one process nothing can stop them, and PyTorch suffers; idle processes spin too, unless they
are stopped.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import machine, report
from benchmarks.subjects import FILES, OURS
from benchmarks.worker import Worker

NETS = ("2-16-16-1", "64-64-32-10", "784-256-128-10", "784-1024-1024-10")
KINDS = {"gradient": "loss + gradients", "step": "Adam step"}
TURN = 0.03  # seconds


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.training", description=__doc__)
    parser.add_argument(
        "--only", choices=NETS, action="append", help="this net only (may be given several times)"
    )
    parser.add_argument(
        "--repeat", type=int, default=41, metavar="N", help="rounds for each table (default %(default)s)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the result here too")
    parser.add_argument(
        "--quick", action="store_true", help="7 rounds, not stored: only to see that all is well"
    )
    parser.add_argument(
        "--one-process", action="store_true", help="all subjects in one process, not stored: see the comment"
    )
    options = parser.parse_args()
    rounds = 7 if options.quick else max(1, options.repeat)

    absent = machine.missing(FILES)
    machine.say_missing(absent)
    names = [name for name in FILES if name not in absent]
    here = machine.describe(FILES)
    print(machine.line(here), flush=True)

    before = report.load("training")
    if before and before["machine"] != here:
        print(f"Changes are relative to the stored run, which was on: {machine.line(before['machine'])}")
    busy = machine.Busy()
    os.environ.clear()
    os.environ.update(machine.environment())  # for the workers, which are started from here
    together = Worker(*names) if options.one_process else None
    workers = {name: together or Worker(name) for name in names}
    nets: dict[str, Any] = {}
    try:
        for net in options.only or NETS:
            nets[net] = measure(net, workers, rounds)
            print("\n" + table(net, nets[net], before.get("nets", {}).get(net, {})), flush=True)
            first, second = nets[net]["first call"], nets[net]["second call"]
            print(
                f"compiled, the first call takes {first:.1f} eager ones of the same function, the second "
                f"{second:.1f} more"
            )
    finally:
        for worker in set(workers.values()):
            worker.close()
    if not busy.report() and not options.quick and not options.one_process:
        same = before.get("machine") == here
        report.save(
            report.RESULTS / "training.json",
            {"machine": here, "nets": (before["nets"] if same else {}) | nets},
        )
    if options.json:
        report.save(options.json, {"machine": here, "nets": nets})


def measure(net: str, workers: dict[str, Worker], rounds: int) -> dict[str, Any]:
    """{kind: {subject: {"us": median time of a call, "eager", "compiled": median over rounds of minigrad's
    time / its}}}"""
    able = {pair for worker in set(workers.values()) for pair in worker.ask("load", net)}
    result: dict[str, Any] = {}
    for kind in KINDS:
        names = [name for name in workers if (name, kind) in able]
        calls = {name: _calls(workers[name], name, kind) for name in names}
        times: dict[str, list[float]] = {name: [] for name in names}
        for i in range(rounds):
            for name in names[i % len(names) :] + names[: i % len(names)]:
                times[name].append(workers[name].ask("time", name, kind, calls[name]))
        result[kind] = {
            name: {
                "us": round(1e6 * median(times[name]), 1),
                **{
                    how: round(median(mine / its for mine, its in zip(times[ours], times[name])), 3)
                    for how, ours in OURS.items()
                },
            }
            for name in names
        }
    name = OURS["compiled"]
    ask = workers[name].ask
    calls = {kind: _calls(workers[name], name, kind) for kind in ("gradient", "uncompiled")}
    first, second = [], []
    for _ in range(rounds):
        once, twice = ask("time", name, "capture", 1), ask("time", name, "twice", 1)
        replay, eager = (ask("time", name, kind, n) for kind, n in calls.items())
        first.append(once / eager)
        second.append((twice - once - replay) / eager)
    return result | {"first call": round(median(first), 1), "second call": round(median(second), 1)}


def _calls(worker: Worker, name: str, kind: str) -> int:
    """The number of calls that fill a turn."""
    worker.ask("time", name, kind, 3)
    return max(3, round(TURN / worker.ask("time", name, kind, 10)))


def table(net: str, now: dict[str, Any], before: dict[str, Any]) -> str:
    lines = [f"{net:<22}" + "".join(f"│ {title:<52}" for title in KINDS.values())]
    lines.append(" " * 22 + "│       µs  change  eager/it         compiled/it      " * len(KINDS))
    for name in now["gradient"]:
        cells = []
        for kind in KINDS:
            cell, old = now[kind].get(name), before.get(kind, {}).get(name, {})
            if not cell:
                cells.append("│" + " " * 53)
                continue
            ratios = [f"{cell[how]:.2f}" + (f" (was {old[how]:.2f})" if how in old else "") for how in OURS]
            change = report.change(cell["us"], old.get("us"))
            cells.append(f"│{cell['us']:9,.1f}{change:>8}  {ratios[0]:<17}{ratios[1]:<17}")
        lines.append(f"{name:<22}" + "".join(cells))
    return "\n".join(line.rstrip() for line in lines)


if __name__ == "__main__":
    main()
