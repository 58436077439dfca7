"""A race of optimizers over test functions with published minima and small networks, at equal cost.

Each optimizer of first order runs at ten learning rates, and takes part with the best of them on each
problem. L-BFGS and the Newton methods have no rate. A problem is solved when the loss has fallen to a given
share of its first value. What that took is counted in gradients: a product Hv, and a value of the loss alone,
count as many gradients as they take in time on this machine, which is measured first (`costs.csv`). The
linear algebra inside a method is not counted.

The rate is chosen on the starts that are raced, so optimizers with a rate look a little better than they are.

    python -m examples.race                the table, the profiles and the sensitivity curves in runs/race
    python -m examples.race --seeds 5      five starts of each problem in place of three

All runs are kept in runs/race/runs.csv. A race that was stopped goes on from there; delete the folder to race
anew.
"""

from __future__ import annotations

import csv
import math
import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import optim
from examples import plotting
from examples.command import folder, parser, whole
from minigrad import Tensor, compile, hvp, value_and_grad
from models import MLP, cross_entropy, mse_loss
from models.datasets import chebyshev, iris, moons, standardize
from tests.problems import beale, rosenbrock, wood

BUDGET = 500  # gradients of a run
RATES = [float(f"{rate:.1g}") for rate in np.logspace(-4, 0.5, 10)]
FIRST_ORDER: dict[str, Any] = {
    "SGD": optim.SGD, "Momentum": optim.Momentum, "RMSprop": optim.RMSprop, "Adam": optim.Adam,
    "NAdam": optim.NAdam,
}  # fmt: skip
SECOND_ORDER: dict[str, tuple[str, dict[str, Any]]] = {
    "L-BFGS": ("lbfgs", {}),
    "Newton": ("newton", {}),
    "NewtonCG": ("newton-cg", {}),
}


class Problem(NamedTuple):
    """f of a vector, its start for each seed, and the share of the first loss at which it is solved."""

    f: Callable[[Any], Any]
    start: Callable[[int], Any]
    share: float

    def target(self, seed: int) -> float:
        return self.share * float(self.f(self.start(seed)))


def _published(f: Callable[[Any], Any], start: Sequence[float]) -> Problem:
    """From the published start for seed 0, and from points around it. The minimum is 0."""

    def place(seed: int) -> Any:
        x = np.array(start, float)
        return x + (seed > 0) * 0.2 * np.random.default_rng(seed).normal(size=x.shape)

    return Problem(f, place, 1e-3)


def _network(
    sizes: tuple[int, ...], loss: Callable[[Any, Any], Any], x: Any, y: Any, share: float
) -> Problem:
    """The loss of a tanh network on all rows, as a function of its weights and biases in one vector."""
    layers = list(pairwise(sizes))

    def f(w: Any) -> Any:
        h, place = x, 0
        for i, (n, m) in enumerate(layers):
            weight, bias = w[place : place + n * m].reshape(n, m), w[place + n * m : place + n * m + m]
            h, place = h @ weight + bias, place + n * m + m
            h = np.tanh(h) if i < len(layers) - 1 else h
        return loss(h, y)

    def start(seed: int) -> Any:
        return np.concatenate([p.numpy().ravel() for p in MLP(sizes, "tanh", rng=seed).parameters()])

    return Problem(f, start, share)


def _problems() -> dict[str, Problem]:
    flower, moon, wave = iris(), moons(100, noise=0.1, rng=0), chebyshev(6, 40)
    return {
        "Rosenbrock": _published(rosenbrock, [-1.2, 1.0]),
        "Rosenbrock, 10": _published(rosenbrock, [-1.2, 1.0] * 5),
        "Beale": _published(beale, [1.0, 1.0]),
        "Wood": _published(wood, [-3.0, -1.0, -3.0, -1.0]),
        "moons 2-8-2": _network((2, 8, 2), cross_entropy, moon.X, moon.y, 0.1),
        "iris 4-8-3": _network((4, 8, 3), cross_entropy, standardize(flower.X)[0][0], flower.y, 0.1),
        "T₆ 1-10-1": _network((1, 10, 1), mse_loss, wave.X, wave.y[:, None], 0.3),
    }


PROBLEMS = _problems()


# A run


def train(problem: str, optimizer: str, lr: float | None, seed: int) -> dict[str, float]:
    """The last loss; if the problem was solved, the gradients, values alone and products that it took."""
    with np.errstate(all="ignore"):
        given = PROBLEMS[problem]
        if lr is None:
            return _by_minimize(given, *SECOND_ORDER[optimizer], seed)
        return _by_steps(given, FIRST_ORDER[optimizer], lr, seed)


def _by_steps(given: Problem, kind: Any, lr: float, seed: int) -> dict[str, float]:
    p = Tensor(given.start(seed), requires_grad=True)
    rule, loss = kind([p], lr=lr), compile(lambda: given.f(p))
    target, found, f = given.target(seed), dict[str, float](), math.nan
    for i in range(1, BUDGET + 1):
        f = rule.step(loss.at()).item()
        if not math.isfinite(f):
            raise FloatingPointError(f"the loss became {f} after {i - 1} steps")
        if f <= target and not found:
            found = {"gradients": i, "values": 0, "products": 0}
    return {"loss": f, **found}


def _by_minimize(given: Problem, method: str, options: dict[str, Any], seed: int) -> dict[str, float]:
    target = given.target(seed)

    def solved(intermediate_result: Any) -> None:
        if intermediate_result.fun <= target:
            raise StopIteration

    limits = {"maxfev": BUDGET, "maxhev": 20 * BUDGET, "trace": False}
    result = optim.minimize(given.f, given.start(seed), method, callback=solved, options=limits | options)
    found: dict[str, float] = {}
    if result.fun <= target:
        found = {"gradients": result.njev, "values": result.nfev - result.njev, "products": result.nhev}
    return {"loss": result.fun, **found}


# What a run costs


def measured_costs(out: Path) -> dict[str, dict[str, float]]:
    """{problem: {"values", "products": time in gradients}}, from `costs.csv`, which is made if need be."""
    path = out / "costs.csv"
    if not path.exists():
        print("measuring what a product and a value cost, in gradients …", flush=True)
        costs = {name: _costs(problem) for name, problem in PROBLEMS.items()}
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, ["problem", "values", "products"], lineterminator="\n")
            writer.writeheader()
            writer.writerows({"problem": name, **cost} for name, cost in costs.items())
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return {row["problem"]: {key: float(row[key]) for key in ("values", "products")} for row in rows}


def _costs(problem: Problem, rounds: int = 100, calls: int = 5) -> dict[str, float]:
    """The least CPU times of compiled functions, in rounds that alternate: a busy machine hurts none."""
    x = problem.start(0)
    v = np.ones_like(x)
    value, both, product = (
        compile(problem.f), compile(value_and_grad(problem.f)), compile(lambda x, v: hvp(problem.f, x, v)),
    )  # fmt: skip
    work = {"values": lambda: value(x), "gradients": lambda: both(x), "products": lambda: product(x, v)}
    least = dict.fromkeys(work, math.inf)
    for _ in range(rounds):
        for name, call in work.items():
            began = time.thread_time()
            for _ in range(calls):
                call()
            least[name] = min(least[name], time.thread_time() - began)
    return {name: round(least[name] / least["gradients"], 2) for name in ("values", "products")}


def with_cost(found: optim.Sweep, costs: dict[str, dict[str, float]]) -> optim.Sweep:
    """The runs with a column "cost", in gradients; ∞ where `BUDGET` of them did not solve the problem."""
    runs = []
    for run in found.runs:
        counts, price = run.results, costs[run.settings["problem"]]
        cost = math.inf
        if "gradients" in counts:
            cost = counts["gradients"] + sum(price[name] * counts[name] for name in ("values", "products"))
            cost = cost if cost <= BUDGET else math.inf
        runs.append(run._replace(results={"cost": cost, **counts}))
    return optim.Sweep(runs)


# What is shown


class Result(NamedTuple):
    """An optimizer on a problem at its best rate: the cost for each seed, in gradients."""

    lr: float | None
    median: float
    costs: list[float]


def results(found: optim.Sweep) -> dict[tuple[str, str], Result]:
    """{(problem, optimizer): result}. The best rate has the least median cost, or else the least loss."""
    chosen = {}
    for problem in PROBLEMS:
        for optimizer in (*FIRST_ORDER, *SECOND_ORDER):
            runs = found.where(problem=problem, optimizer=optimizer)
            best = runs.best("cost", by=())[0]
            if not math.isfinite(best.summary.median):
                best = runs.best("loss", by=())[0]
            at_best = runs.where(lr=best.settings["lr"])
            costs = [r.results["cost"] for r in at_best.runs]
            chosen[problem, optimizer] = Result(best.settings["lr"], float(np.median(costs)), costs)
    return chosen


def profile(chosen: dict[tuple[str, str], Result]) -> optim.PerformanceProfile:
    """Of all optimizers; each problem from each start counts as one."""
    names = [*FIRST_ORDER, *SECOND_ORDER]
    return optim.performance_profile(
        {name: [c for problem in PROBLEMS for c in chosen[problem, name].costs] for name in names}
    )


def table(chosen: dict[tuple[str, str], Result]) -> str:
    """The median cost of each optimizer on each problem, and its best rate."""
    names = [*FIRST_ORDER, *SECOND_ORDER]
    lines = [
        "gradients to solve the problem, at the best rate",
        f"{'':16}" + "".join(f"{n:>14}" for n in names),
    ]
    for problem in PROBLEMS:
        cells = []
        for name in names:
            lr, median, _ = chosen[problem, name]
            rate = "" if lr is None else f" @{lr:g}"
            cells.append((f"{median:.0f}" if math.isfinite(median) else "–") + rate)
        lines.append(f"{problem:16}" + "".join(f"{cell:>14}" for cell in cells))
    return "\n".join(lines)


def draw(found: optim.Sweep, chosen: dict[tuple[str, str], Result], out: Path) -> None:
    plt = plotting.pyplot()
    fig, ax = plt.subplots(figsize=(7.5, 4.6))
    profile(chosen).plot(ax)
    ax.set_title(f"{len(PROBLEMS)} problems, cost in gradients; {BUDGET} at most")
    plotting.save(fig, out / "profiles.png")

    columns = 4
    fig, axes = plt.subplots(-(-len(PROBLEMS) // columns), columns, figsize=(13, 6.4), squeeze=False)
    rated = optim.Sweep([run for run in found.runs if run.settings["lr"] is not None])
    handles, labels = [], []
    for ax, problem in zip(axes.flat, PROBLEMS, strict=False):
        rated.where(problem=problem).plot(ax, metric="loss")
        target = PROBLEMS[problem].target(0)
        ax.axhline(target, color="grey", linewidth=0.9, linestyle=":")
        ax.set_title(problem)
        handles, labels = ax.get_legend_handles_labels()
        ax.get_legend().remove()
    for ax in axes.flat[len(PROBLEMS) :]:
        ax.axis("off")
    axes.flat[-1].legend(handles, labels, loc="center", title="medians, bands from start to start;\n"
                         "dotted: solved")  # fmt: skip
    fig.suptitle(f"loss after {BUDGET} gradients", x=0.02, ha="left", fontsize=12)
    plotting.save(fig, out / "sensitivity.png")


def race(out: Path, seeds: int, executor: Any = None) -> optim.Sweep:
    """All runs, with their cost."""
    costs = measured_costs(out)
    common: dict[str, Any] = {"problem": list(PROBLEMS), "seed": range(seeds)}
    grids = [
        common | {"optimizer": list(FIRST_ORDER), "lr": RATES},
        common | {"optimizer": list(SECOND_ORDER), "lr": [None]},
    ]
    return with_cost(optim.sweep(train, grids, executor=executor, out=out), costs)


def main(arguments: Sequence[str] | None = None) -> None:
    command = parser("examples.race", __doc__)
    command.add_argument("--seeds", type=whole(1), default=3, help="starts of each problem")
    command.add_argument("--out", type=folder, default="runs/race", help="folder for runs and pictures")
    options = command.parse_args(arguments)
    found = race(options.out, options.seeds)
    chosen = results(found)
    print(table(chosen))
    print("\nshare of the problems solved within τ times the least cost")
    print(profile(chosen).table())
    try:
        draw(found, chosen, options.out)
    except ImportError:
        print(plotting.MISSING)


if __name__ == "__main__":
    main()
