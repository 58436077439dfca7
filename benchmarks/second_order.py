"""Hessian-vector products at fixed weights, a whole Hessian, and a whole run of Newton-CG, beside the peers.

The comparison is fair in the same way as `benchmarks.training`. Every subject has a process of its own, which
is stopped while others have their turn. Rounds are paired, and the median of the ratios within a round is
reported. All products and Hessians are compared before timing.

    python -m benchmarks.second_order [--repeat N] [--only TASK] [--quick]
"""

from __future__ import annotations

import argparse
import os
from importlib import import_module
from multiprocessing.connection import Connection
from statistics import median
from typing import Any

import numpy as np

from benchmarks import machine, report
from benchmarks.worker import Worker, answering, timed

OURS = {"eager": "minigrad", "compiled": "minigrad, compiled"}
GRADIENT = "its gradient, compiled"
FILES = {
    OURS["eager"]: "minigrad_second",
    OURS["compiled"]: "minigrad_second_replay",
    GRADIENT: "minigrad_own_gradient",
    "PyTorch": "pytorch_second",
    "torch.func": "torch_func_second",
    "JAX": "jax_second",
    "HIPS autograd": "hips_second",
}
TASKS = {
    "hv 2-16-16-1": "Hv at fixed weights, µs",
    "hv 64-64-32-10": "Hv at fixed weights, µs",
    "hv 784-256-128-10": "Hv at fixed weights, µs",
    "hv 784-1024-1024-10": "Hv at fixed weights, µs",
    "hessian 1-30-20-1": "Hessian of 701 weights, µs",
    "newton-cg logistic": "Newton-CG to 1e-8‖g₀‖, n = 2000, d = 100, µs",
    "newton-cg mlp": "Newton-CG to 1e-8‖g₀‖, tanh MLP 2-10-1, µs",
}
TURN = 0.05  # seconds


def serve(connection: Connection, names: tuple[str, ...]) -> None:
    subject: dict[str, Any] = {}

    def load(task: str) -> Any:
        built = import_module(f"benchmarks.subjects.{FILES[names[0]]}").build(task)
        subject["call"] = built and built[0]
        return built and [np.asarray(a, np.float64) for a in built[1]()]

    answering(connection, {"load": load, "time": lambda calls: timed(subject["call"], calls)})


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.second_order", description=__doc__)
    parser.add_argument("--only", choices=TASKS, action="append")
    parser.add_argument(
        "--repeat", type=int, default=21, metavar="N", help="rounds for each task (default %(default)s)"
    )
    parser.add_argument("--quick", action="store_true", help="5 rounds, not stored")
    options = parser.parse_args()
    absent = machine.missing(FILES)
    if "PyTorch" in absent:
        absent["torch.func"] = absent["PyTorch"]
    machine.say_missing(absent)
    here = machine.describe(FILES)
    print(machine.line(here), flush=True)
    before = report.load("second_order")
    busy = machine.Busy()
    os.environ.clear()
    os.environ.update(machine.environment())
    workers = {name: Worker(name, serve=serve) for name in FILES if name not in absent}
    results: dict[str, Any] = {}
    try:
        for task in options.only or TASKS:
            results[task] = measure(task, workers, 5 if options.quick else max(1, options.repeat))
            print(f"\n{task}: {TASKS[task]}")
            old = before.get("tasks", {}).get(task, {})
            for name, cell in results[task].items():
                ratios = "  ".join(f"{how}/it {cell[how]:.2f}" for how in OURS if how in cell)
                change = report.change(cell["us"], old.get(name, {}).get("us"))
                print(f"  {name:<24}{cell['us']:14,.1f}{change:>7}  {ratios}", flush=True)
    finally:
        for worker in workers.values():
            worker.close()
    if not busy.report() and not options.quick:
        same = before.get("machine") == here
        stored = {"machine": here, "tasks": (before["tasks"] if same else {}) | results}
        report.save(report.RESULTS / "second_order.json", stored)


def measure(task: str, workers: dict[str, Worker], rounds: int) -> dict[str, Any]:
    numbers = {name: worker.ask("load", task) for name, worker in workers.items()}
    names = [name for name, n in numbers.items() if n is not None]
    for name in names:
        for i, (mine, theirs) in enumerate(zip(numbers[OURS["eager"]], numbers[name], strict=True)):
            tolerance = 1e-4 if task.startswith("hv") else 1e-6
            if not np.abs(mine - theirs).max() <= tolerance * np.abs(mine).max():
                raise ValueError(
                    f"{task}: result {i} of {name} differs by {np.abs(mine - theirs).max():.1e}."
                )
    calls = {name: max(1, round(TURN / workers[name].ask("time", 2))) for name in names}
    times: dict[str, list[float]] = {name: [] for name in names}
    for i in range(rounds):
        for name in names[i % len(names) :] + names[: i % len(names)]:
            times[name].append(workers[name].ask("time", calls[name]))
    return {
        name: {
            "us": round(1e6 * median(times[name]), 1),
            **{
                how: round(median(mine / its for mine, its in zip(times[ours], times[name], strict=True)), 3)
                for how, ours in OURS.items()
                if ours in times
            },
        }
        for name in names
    }


if __name__ == "__main__":
    main()
