"""A whole step of Adam in Node, by the text that the lab puts into its page, beside the compiled NumPy step.

Both compute in float64, the same loss from the same weights; the losses of some steps are compared first.
Rounds alternate, each runner has a process of its own, and of each the quickest round counts, because
whatever else runs on the machine only makes a round slower. Node comes with `pip install "pyright[nodejs]"`.
"""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

import numpy as np

from benchmarks.nets import SIZES, net
from minigrad import compile
from models import MLP
from models.losses import cross_entropy, mse_loss
from optim import Adam
from optim.laboratory.printed import objective_script, rule_script
from tests.javascript import run

NETS = ("2-16-16-1", "64-64-32-10")
CHECKED = 5  # steps

RACE = """
const problem = %(objective)s, rule = %(rule)s;
const w = new Float64Array(%(start)s), g = new Float64Array(w.length);
const state = rule.state.map(() => new Float64Array(w.length));
let counters = { t: 0 };
function step() {
  const loss = problem.gradient(w, g);
  counters = rule.step(w, g, state, counters, rule.numbers);
  return loss;
}
const losses = [];
for (let i = 0; i < %(checked)d; i++) losses.push(step());
for (let i = 0; i < %(steps)d; i++) step(); // until the compiler has seen it
let best = Infinity;
for (let turn = 0; turn < 5; turn++) {
  const from = performance.now();
  for (let i = 0; i < %(steps)d; i++) step();
  best = Math.min(best, (performance.now() - from) / %(steps)d);
}
result = [1e3 * best, losses];
"""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.lab", description=__doc__)
    parser.add_argument("--only", choices=NETS, help="this net only")
    parser.add_argument("--repeat", type=int, default=5, metavar="N", help="rounds (default %(default)s)")
    options = parser.parse_args()
    print("Adam step in float64          Node, µs   NumPy, compiled, µs   ratio")
    for name in [options.only] if options.only else NETS:
        ours, numpys = measure(name, options.repeat)
        print(f"{name:24}{ours:14.1f}{numpys:22.1f}{ours / numpys:8.2f}", flush=True)


def measure(name: str, rounds: int) -> tuple[float, float]:
    """The µs of a step in Node and in NumPy."""
    task, steps = net(name), 200 if SIZES[name] < 100 else 1_000
    model = MLP(task.sizes, activation="tanh")
    for p, value in zip(model.parameters(), task.parameters, strict=True):
        p.assign(value.astype(float))
    x, target = task.x.astype(float), task.target.astype(float) if task.loss == "mse" else task.target
    loss_of = mse_loss if task.loss == "mse" else cross_entropy

    def loss(x: Any, target: Any) -> Any:
        return loss_of(model(x), target)

    adam = Adam(model.parameters(), lr=1e-6)
    text = RACE % {
        "objective": objective_script(loss, model.parameters(), (x, target)),
        "rule": rule_script(adam),
        "start": json.dumps(np.concatenate([p.data.ravel() for p in model.parameters()]).tolist()),
        "steps": steps,
        "checked": CHECKED,
    }
    compiled = compile(loss)
    losses = [float(adam.step(compiled.at(x, target)).data) for _ in range(CHECKED)]
    ours, numpys = [], []
    for _ in range(rounds):
        spent, found = run(text)
        np.testing.assert_allclose(found, losses, rtol=1e-12)
        ours.append(spent)
        for _ in range(5):
            before = time.perf_counter()
            for _ in range(steps):
                adam.step(compiled.at(x, target))
            numpys.append(1e6 * (time.perf_counter() - before) / steps)
    return min(ours), min(numpys)


if __name__ == "__main__":
    main()
