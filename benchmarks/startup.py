"""What it costs to start: `import minigrad` beside `import numpy`, and a whole small training beside PyTorch's.

Every run is a fresh interpreter. Rounds are paired and interleaved; ratios are medians over rounds. The second part trains
a 2-16-16-1 net for 200 steps of Adam and takes the wall time and the peak memory of the whole process from the system.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

from benchmarks import machine, report

IMPORTS = ("import minigrad", "import numpy")
PROGRAMS = {"minigrad": "train_minigrad.py", "PyTorch": "train_pytorch.py"}
HERE = Path(__file__).parent


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.startup", description=__doc__)
    parser.add_argument("--repeat", type=int, default=21, metavar="N", help="rounds (default %(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the result here too")
    parser.add_argument("--quick", action="store_true", help="3 rounds, not stored")
    options = parser.parse_args()
    rounds = 3 if options.quick else max(1, options.repeat)
    here, before = machine.describe(), report.load("startup")
    print(machine.line(here))
    busy = machine.Busy()

    imports = _interleaved({code: ["-c", code] for code in IMPORTS}, rounds)
    programs = {name: [str(HERE / "programs" / file)] for name, file in PROGRAMS.items() if name not in machine.missing()}
    if len(programs) < len(PROGRAMS):
        print("PyTorch is not installed and is left out; `pip install .[bench]` brings all peers.")
    trained = _interleaved(programs, rounds)
    if len({run["said"] for run in trained.values()}) > 1:
        raise RuntimeError(f"the programs did not reach the same loss: { ({n: r['said'] for n, r in trained.items()}) }")

    result = {"machine": here, "import": imports, "training": trained}
    _print("", imports, before.get("import", {}))
    _print("200 Adam steps on 2-16-16-1, whole process", trained, before.get("training", {}))
    if not busy.report() and not options.quick:
        report.save(report.RESULTS / "startup.json", result)
    if options.json:
        report.save(options.json, result)


def _interleaved(commands: dict[str, list[str]], rounds: int) -> dict[str, Any]:
    """{name: wall ms, peak MB, and the ratios of the first command's to this one's}, after one run that is not counted."""
    runs: dict[str, list[tuple[float, float, str]]] = {name: [] for name in commands}
    for i in range(rounds + 1):
        for name in [*commands][i % len(commands) :] + [*commands][: i % len(commands)]:
            run = _run(commands[name])
            if i:  # the first round finds files not yet in memory and may write bytecode
                runs[name].append(run)
    first = runs[next(iter(commands))]
    return {
        name: {
            "ms": round(1e3 * median(wall for wall, _, _ in mine), 1),
            "mb": round(median(peak for _, peak, _ in mine), 1),
            "ms ratio": round(median(a[0] / b[0] for a, b in zip(first, mine)), 3),
            "mb ratio": round(median(a[1] / b[1] for a, b in zip(first, mine)), 3),
            "said": mine[-1][2],
        }
        for name, mine in runs.items()
    }


def _run(arguments: list[str]) -> tuple[float, float, str]:
    """Wall seconds, peak resident MB and what was printed, of one fresh interpreter."""
    read, write = os.pipe()
    start = perf_counter()
    command = [sys.executable, *arguments]
    actions = [(os.POSIX_SPAWN_DUP2, write, 1), (os.POSIX_SPAWN_CLOSE, read)]
    pid = os.posix_spawn(sys.executable, command, machine.environment(), file_actions=actions)
    os.close(write)
    _, status, usage = os.wait4(pid, 0)
    wall = perf_counter() - start
    with os.fdopen(read) as pipe:
        said = pipe.read().strip()
    if status:
        raise RuntimeError(f"{' '.join(command)} failed with status {os.waitstatus_to_exitcode(status)}.")
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, kilobytes on Linux
    return wall, usage.ru_maxrss * unit / 1e6, said


def _print(title: str, now: dict[str, Any], before: dict[str, Any]) -> None:
    first = next(iter(now))
    print(f"\n{title}".rstrip() or "")
    print(f"{'':<18}│ wall ms  change  {first + '/this':<22}│ peak MB  change  {first + '/this'}")
    for name, run in now.items():
        old = before.get(name, {})
        cells = []
        for what in ("ms", "mb"):
            was = f" (was {old[f'{what} ratio']:.2f})" if old else ""
            ratio = "" if name == first else f"{run[f'{what} ratio']:.2f}{was}"
            cells.append(f"│{run[what]:8,.1f}{report.change(run[what], old.get(what)):>8}  {ratio:<22}")
        print(f"{name:<18}{''.join(cells)}".rstrip())


if __name__ == "__main__":
    main()
