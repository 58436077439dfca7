"""A hundred trainings: 4 optimizers × 5 rates × 5 seeds, 2-16-16-2 on 200 moons, 50 epochs in batches of 32.

    python -m benchmarks.sweep            serial and on processes; some ten seconds on a quiet machine
    python -m benchmarks.sweep --quick    a tenth of the runs, nothing stored

The time of the sweep is counted with its start-up: workers are forked, so nothing is imported twice. A third
line is the part of a run that does not grow with its epochs: a net, an optimizer, and the capture of the
loss, which each `fit` makes anew for the two shapes of its batches, 32 and 8 rows. "CPU" is the time
of all processes, which other programs disturb less than the wall time.
"""

from __future__ import annotations

import argparse
import os
import time
from typing import Any

import optim
from benchmarks import machine, report
from models import MLP, History, cross_entropy, fit
from models.datasets import moons

GRID: dict[str, Any] = {
    "optimizer": [optim.SGD, optim.Momentum, optim.RMSprop, optim.Adam],
    "lr": [1e-3, 3e-3, 1e-2, 3e-2, 1e-1],
    "seed": list(range(5)),
}
EPOCHS = 50
DATA = moons(200, noise=0.1, rng=0)


def train(optimizer: Any, lr: float, seed: int, epochs: int = EPOCHS) -> History:
    model = MLP((2, 16, 16, 2), "tanh", rng=seed)
    rule = optimizer(model.named_parameters(), lr=lr)
    return fit(model, rule, cross_entropy, (DATA.X, DATA.y), epochs=epochs, rng=seed, progress=False)


def one_epoch(optimizer: Any, lr: float, seed: int) -> History:
    return train(optimizer, lr, seed, epochs=1)


def measure(f: Any, grid: dict[str, Any], executor: Any) -> dict[str, float]:
    """{"runs", "wall", "cpu": seconds of this process and its children}"""
    cpu, wall = sum(os.times()[:4]), time.perf_counter()
    found = optim.sweep(f, grid, executor=executor, progress=False)
    wall, cpu = time.perf_counter() - wall, sum(os.times()[:4]) - cpu
    return {"runs": len(found), "wall": round(wall, 2), "cpu": round(cpu, 2)}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sweep", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the runs, not stored")
    options = parser.parse_args()
    grid = GRID | ({"lr": [1e-2], "seed": [0, 1, 2]} if options.quick else {})
    here, before, busy = machine.describe(), report.load("sweep"), machine.Busy()
    print(machine.line(here), flush=True)
    result: dict[str, Any] = {}
    for name, f, executor in (
        ("serial", train, "serial"), ("processes", train, None), ("serial, one epoch", one_epoch, "serial"),
    ):  # fmt: skip
        now = result[name] = measure(f, grid, executor)
        old = before.get("sweep", {}).get(name, {}).get("cpu") if before.get("machine") == here else None
        change = "" if options.quick else report.change(now["cpu"], old)
        print(
            f"{name:20}{now['runs']:4} runs {now['wall']:7.2f} s, CPU {now['cpu']:7.2f} s  {change}",
            flush=True,
        )
    if not busy.report() and not options.quick:
        report.save(report.RESULTS / "sweep.json", {"machine": here, "sweep": result})


if __name__ == "__main__":
    main()
