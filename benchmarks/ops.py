"""Value and gradient of 40 common functions at 10 and at 10,000 elements, beside HIPS autograd and PyTorch.

The fairness is that of `benchmarks.training`: a process for each subject, stopped while others have their
turn, paired rounds, medians of the ratios within a round. Every gradient is compared before it is timed. Ours
and HIPS autograd's are `value_and_grad` of the same text; PyTorch's is the sum's `backward` on a leaf, eager.

    python -m benchmarks.ops [--repeat N] [--only FUNCTION] [--quick]
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from multiprocessing.connection import Connection
from statistics import median
from typing import Any

import numpy as np

from benchmarks import machine, report
from benchmarks.worker import Worker, answering, timed

OURS = "minigrad"
SUBJECTS = (OURS, "HIPS autograd", "PyTorch")
SIZES = (10, 10_000)
TURN = 0.01  # seconds

Function = Callable[..., Any]


def _row(
    ours: Function, torch: Function | None = None, kind: str = "vector"
) -> tuple[Function, Function, str]:
    """(f(np, x), f(torch, x), the kind of x); without the second, both libraries name it alike."""
    return ours, torch or ours, kind


OPS = {
    "sin": _row(lambda m, x: m.sin(x)),
    "exp": _row(lambda m, x: m.exp(x)),
    "log": _row(lambda m, x: m.log(x), kind="positive"),
    "tanh": _row(lambda m, x: m.tanh(x)),
    "sqrt": _row(lambda m, x: m.sqrt(x), kind="positive"),
    "x**3": _row(lambda m, x: x**3),
    "x * x + x": _row(lambda m, x: x * x + x),
    "x / (1 + x)": _row(lambda m, x: x / (1 + x), kind="positive"),
    "arctan2": _row(lambda m, x: m.arctan2(x, 1 + x), kind="positive"),
    "abs": _row(lambda m, x: m.abs(x)),
    "maximum": _row(lambda m, x: m.maximum(x, 0 * x)),
    "clip": _row(lambda m, x: m.clip(x, -0.5, 0.5)),
    "where": _row(lambda m, x: m.where(x > 0, x, 0.1 * x)),
    "sum": _row(lambda m, x: m.sum(x)),
    "mean": _row(lambda m, x: m.mean(x)),
    "prod": _row(lambda m, x: m.prod(x), kind="near one"),
    "max": _row(lambda m, x: m.max(x)),
    "var": _row(lambda m, x: m.var(x), lambda t, x: t.var(x, correction=0)),
    "std": _row(lambda m, x: m.std(x), lambda t, x: t.std(x, correction=0)),
    "norm": _row(lambda m, x: m.linalg.norm(x)),
    "cumsum": _row(lambda m, x: m.cumsum(x), lambda t, x: t.cumsum(x, 0)),
    "sort": _row(lambda m, x: m.sort(x), lambda t, x: t.sort(x)[0]),
    "diff": _row(lambda m, x: m.diff(x)),
    "reshape": _row(lambda m, x: m.reshape(x, (-1, 2))),
    "transpose": _row(lambda m, x: m.transpose(x), lambda t, x: x.T, kind="matrix"),
    "x[1:]": _row(lambda m, x: x[1:]),
    "x[integers]": _row(lambda m, x: x[ORDER[: len(x)] % len(x)]),
    "concatenate": _row(lambda m, x: m.concatenate((x, x))),
    "stack": _row(lambda m, x: m.stack((x, x))),
    "roll": _row(lambda m, x: m.roll(x, 1)),
    "flip": _row(lambda m, x: m.flip(x, 0), lambda t, x: t.flip(x, (0,))),
    "tile": _row(lambda m, x: m.tile(x, 3)),
    "repeat": _row(lambda m, x: m.repeat(x, 2), lambda t, x: t.repeat_interleave(x, 2)),
    "pad": _row(lambda m, x: m.pad(x, 1, "constant"), lambda t, x: t.nn.functional.pad(x, (1, 1))),
    "diag": _row(lambda m, x: m.diag(x), kind="matrix"),
    "tril": _row(lambda m, x: m.tril(x), kind="matrix"),
    "matmul": _row(lambda m, x: m.matmul(x, x), kind="matrix"),
    "einsum": _row(lambda m, x: m.einsum("ij,kj->ik", x, x), kind="matrix"),
    "solve": _row(lambda m, x: m.linalg.solve(x, x[0]), kind="matrix"),
    "fft": _row(lambda m, x: m.abs(m.fft.fft(x))),
}  # fmt: skip
ORDER = np.random.default_rng(1).integers(0, SIZES[-1], SIZES[-1])


def inputs(kind: str, size: int) -> Any:
    x = np.random.default_rng(0).standard_normal(size)
    if kind == "positive":
        return 0.5 + np.abs(x)
    if kind == "near one":
        return 1 + 1e-3 * x
    if kind == "matrix":
        n = round(size**0.5)
        return x[: n * n].reshape(n, n) + n**0.5 * 2 * np.eye(n)
    return x


def serve(connection: Connection, names: tuple[str, ...]) -> None:
    subject: dict[str, Any] = {}

    def load(name: str, size: int) -> Any:
        ours, torchs, kind = OPS[name]
        x = inputs(kind, size)
        try:
            subject["call"] = _call(names[0], ours, torchs, x)
            value, gradient = subject["call"]()
        except (NotImplementedError, AttributeError, TypeError) as error:
            return str(error) or type(error).__name__
        return float(value), np.asarray(gradient)

    answering(connection, {"load": load, "time": lambda calls: timed(subject["call"], calls)})


def _call(subject: str, ours: Function, torchs: Function, x: Any) -> Callable[[], Any]:
    if subject == "PyTorch":
        import torch

        torch.set_num_threads(1)
        leaf = torch.tensor(x, requires_grad=True)

        def both() -> Any:
            leaf.grad = None
            value = torchs(torch, leaf).sum()
            value.backward()
            return value.detach(), leaf.grad

        return both
    if subject == OURS:
        from minigrad import value_and_grad

        of = value_and_grad(lambda x: np.sum(ours(np, x)))
    else:
        import autograd.numpy as anp
        from autograd import value_and_grad as hips

        of = hips(lambda x: anp.sum(ours(anp, x)))
    return lambda: of(x)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ops", description=__doc__)
    parser.add_argument("--only", choices=OPS, action="append")
    parser.add_argument("--repeat", type=int, default=15, metavar="N", help="rounds (default %(default)s)")
    parser.add_argument("--quick", action="store_true", help="3 rounds, not stored")
    options = parser.parse_args()
    absent = machine.missing(SUBJECTS)
    machine.say_missing(absent)
    here = machine.describe(SUBJECTS)
    print(machine.line(here), flush=True)
    busy = machine.Busy()
    os.environ.clear()
    os.environ.update(machine.environment())
    workers = {name: Worker(name, serve=serve) for name in SUBJECTS if name not in absent}
    results: dict[str, Any] = {}
    print(f"{'µs, then ours ÷ it':<24}" + "".join(f"{name:>22}" for name in workers))
    try:
        for name in options.only or OPS:
            for size in SIZES:
                cells = measure(name, size, workers, 3 if options.quick else max(1, options.repeat))
                results[f"{name}, {size:,}"] = cells
                print(
                    f"{name + ', ' + format(size, ','):<24}" + "".join(map(_text, cells.values())), flush=True
                )
    finally:
        for worker in workers.values():
            worker.close()
    _summary(results)
    if not busy.report() and not options.quick and not options.only:
        report.save(report.RESULTS / "ops.json", {"machine": here, "ops": results})


def _text(cell: Any) -> str:
    return f"{'–':>22}" if cell is None else f"{cell['us']:14.1f}{cell['ratio']:8.2f}"


def _summary(results: dict[str, Any]) -> None:
    for peer, size, limit in (
        ("HIPS autograd", 10, 0.5),
        ("HIPS autograd", 10_000, 0.5),
        ("PyTorch", 10, 1.0),
    ):
        ratios = {
            name: cells[peer]["ratio"]
            for name, cells in results.items()
            if name.endswith(f", {size:,}") and cells.get(peer)
        }
        above = {name: ratio for name, ratio in ratios.items() if ratio > limit}
        print(
            f"{peer}, {size:,} elements: {len(ratios) - len(above)} of {len(ratios)} at most {limit}; {above}"
        )


def measure(name: str, size: int, workers: dict[str, Worker], rounds: int) -> dict[str, Any]:
    answers = {who: worker.ask("load", name, size) for who, worker in workers.items()}
    if isinstance(answers[OURS], str):
        raise ValueError(f"{name}: minigrad: {answers[OURS]}")
    value, gradient = answers[OURS]
    able = [who for who, answer in answers.items() if not isinstance(answer, str)]
    for who in able:
        its_value, its = answers[who]
        if not (
            np.allclose(its_value, value, rtol=1e-9) and np.allclose(its, gradient, rtol=1e-7, atol=1e-10)
        ):
            raise ValueError(f"{name} at {size} elements: {who} has other numbers.")
    calls = {who: max(1, round(TURN / workers[who].ask("time", 3))) for who in able}
    times: dict[str, list[float]] = {who: [] for who in able}
    for i in range(rounds):
        for who in able[i % len(able) :] + able[: i % len(able)]:
            times[who].append(workers[who].ask("time", calls[who]))
    return {
        who: {
            "us": round(1e6 * median(times[who]), 2),
            "ratio": round(median(a / b for a, b in zip(times[OURS], times[who], strict=True)), 3),
        }
        if who in able
        else None
        for who in workers
    }


if __name__ == "__main__":
    main()
