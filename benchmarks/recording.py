"""What recording costs: a compiled step of Adam that is not recorded, and one recorded with "scalars", with
"tape", and with `keep_last_step`.

All are in one process, on models of their own, and take turns of a few steps in rotating order. Reported are
the least time of a step, the median over rounds of its ratio to the step that is not recorded, and the ratio
of all rounds together, in which the files are made that the steps fill, and the checkpoints.

Where `cockpit-for-pytorch` is installed with PyTorch, a step of PyTorch stands beside: alone, with the same
numbers recorded (loss, norms of gradient and update), and with Cockpit's configuration "economy".
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np

import optim
from benchmarks import machine, report
from benchmarks.nets import net as net_of
from minigrad import compile
from models import MLP, cross_entropy, mse_loss

NETS = ("2-16-16-1", "64-64-32-10")
WAYS = ("off", "off again", "scalars", "tape", "last step")
COCKPIT = ("PyTorch", "the same", "economy")
STEPS, LR = 20, 1e-6  # of a turn; a larger rate would drive the loss to 0


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.recording", description=__doc__)
    parser.add_argument("--repeat", type=int, default=201, metavar="N", help="rounds (default %(default)s)")
    parser.add_argument("--quick", action="store_true", help="11 rounds, not stored")
    parser.add_argument("--folder", type=Path, help="where runs are recorded (default: a temporary folder)")
    options = parser.parse_args()
    here, busy = machine.describe(), machine.Busy()
    print(machine.line(here))
    cockpit = bool(find_spec("cockpit") and find_spec("torch"))
    print(f"{'µs':<14}" + "".join(f"{way:>22}" for way in (*WAYS, *(COCKPIT if cockpit else ()))))
    nets = {}
    for net in NETS:
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            nets[net] = measured(net, Path(folder), 11 if options.quick else max(1, options.repeat))
        if cockpit:
            nets[net] |= timed({way: _cockpit_step(net, way) for way in COCKPIT}, 11, 2)
        cells = (f"{cell['us']:.1f} ({cell['ratio']:.3f}, {cell['all']:.3f})" for cell in nets[net].values())
        print(f"{net:<14}" + "".join(f"{cell:>22}" for cell in cells), flush=True)
    if not busy.report() and not options.quick:
        report.save(report.RESULTS / "recording.json", {"machine": here, "nets": nets})


def measured(net: str, folder: Path, rounds: int) -> dict[str, Any]:
    """{way: {"us": the least time of a step, "ratio": the median of its ratio to that of "off", "all": the
    ratio of all steps together}}"""
    with ExitStack() as stack:
        return timed({way: _step(net, way, folder / way, stack) for way in WAYS}, rounds, STEPS)


def timed(steps: dict[str, Callable[[], Any]], rounds: int, turn: int) -> dict[str, Any]:
    """The same for steps that are called in turn; the first is that which others are compared with."""
    ways = list(steps)
    times: dict[str, list[float]] = {way: [] for way in ways}
    for i in range(rounds + 2):
        for way in ways[i % len(ways) :] + ways[: i % len(ways)]:
            start = perf_counter()
            for _ in range(turn):
                steps[way]()
            if i >= 2:
                times[way].append((perf_counter() - start) / turn)
    return {
        way: {
            "us": round(1e6 * min(mine), 1),
            "ratio": round(median(a / b for a, b in zip(mine, times[ways[0]], strict=True)), 3),
            "all": round(sum(mine) / sum(times[ways[0]]), 3),
        }
        for way, mine in times.items()
    }


def _step(name: str, way: str, folder: Path, stack: ExitStack) -> Any:
    net = net_of(name)
    model = MLP(net.sizes, activation="tanh", dtype=np.float32)
    loss_of = mse_loss if net.loss == "mse" else cross_entropy
    loss = compile(lambda x, target: loss_of(model(x), target))
    adam = optim.Adam(model.named_parameters(), lr=LR)
    if way in ("scalars", "tape"):
        stack.enter_context(optim.record(adam, folder, level=way, max_bytes=1 << 40))
    adam.keep_last_step = way == "last step"
    return lambda: adam.step(loss.at(net.x, net.target))


def _cockpit_step(name: str, way: str) -> Callable[[], Any]:
    import torch
    from backpack import extend
    from cockpit import Cockpit
    from cockpit.quantities import GradNorm, Loss, UpdateSize
    from cockpit.utils.configuration import configuration
    from cockpit.utils.schedules import linear

    torch.set_num_threads(1)  # more of them are slower here
    net = net_of(name)
    layers: list[Any] = []
    for n_in, n_out in zip(net.sizes, net.sizes[1:]):
        layers += [torch.nn.Linear(n_in, n_out), torch.nn.Tanh()]
    kind: Any = torch.nn.MSELoss if net.loss == "mse" else torch.nn.CrossEntropyLoss
    model, loss, each = torch.nn.Sequential(*layers[:-1]), kind(), kind(reduction="none")
    adam = torch.optim.Adam(model.parameters(), lr=LR)
    x, target = torch.from_numpy(net.x), torch.from_numpy(net.target)

    def step() -> None:
        adam.zero_grad()
        loss(model(x), target).backward()
        adam.step()

    if way == "PyTorch":
        return step
    model, loss, each = extend(model), extend(loss), extend(each)
    every = linear(1)
    same = [kind(track_schedule=every) for kind in (Loss, GradNorm, UpdateSize)]
    economy = configuration("economy", track_schedule=every)
    cockpit = Cockpit(model.parameters(), quantities=same if way == "the same" else economy)
    steps = count()

    def tracked() -> None:
        adam.zero_grad()
        outputs, t = model(x), next(steps)
        value = loss(outputs, target)
        losses = each(outputs, target).reshape(len(x), -1).mean(1)
        told = {"batch_size": len(x), "individual_losses": losses, "loss": value, "optimizer": adam}
        with cockpit(t, info=told):
            value.backward(create_graph=cockpit.create_graph(t))
        adam.step()

    return tracked


if __name__ == "__main__":
    main()
