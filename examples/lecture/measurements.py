"""The long measurements of the lecture: Adam at the edge of stability, the products of CG, and what the
summary measures of each optimizer, and the small problems it is tried on.

Costs are counted in gradients. A network's value takes one product of matrices per layer, its gradient
two more, and a product Hv pushes a tangent through all three; so a value alone counts ⅓ and a product Hv
2.
"""

import tracemalloc
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np

import optim
from minigrad import Tensor, compile
from models import MLP

FIRST_ORDER = ("SGD", "Momentum", "RMSprop", "Adagrad", "Adam", "AdamW", "NAdam", "Lion")
NAMES = (*FIRST_ORDER, "LBFGS", "NewtonCG", "Newton")
RATES, BUDGET = (0.001, 0.01, 0.1, 1.0), 500  # gradients of a run
TURN = np.array([[1.0, -1.0], [1.0, 1.0]]) / np.sqrt(2)
NOISE = np.random.default_rng(0).normal(size=(BUDGET + 1, 10))


class Problem(NamedTuple):
    """f(w, noise), the start, and the value at which it is solved."""

    f: Callable[[Any, Any], Any]
    start: Any
    target: float


PROBLEMS = {
    "narrow valley": Problem(lambda w, _: 0.5 * (w[0] ** 2 + 1e3 * w[1] ** 2), [1.3, 0.7], 1e-3),
    "turned valley": Problem(
        lambda w, _: 0.5 * ((TURN @ w)[0] ** 2 + 1e3 * (TURN @ w)[1] ** 2), TURN.T @ [1.3, 0.7], 1e-3
    ),
    "plateau": Problem(lambda w, _: 0.5 * (1 - 1 / (1 + np.exp(-w))) ** 2, -8.0, 0.125),
    "saddle": Problem(lambda w, _: w[0] ** 2 / 2 - w[1] ** 2 / 2 + w[1] ** 4 / 4, [0.8, 1e-6], -0.24),
    "noise": Problem(lambda w, noise: 0.5 * np.sum(w**2) + np.sum(noise * w), np.ones(10), 0.25),
}


def made(name: str, w: Tensor, lr: float | None = None) -> Any:
    return getattr(optim, name)([w], **({} if lr is None else {"lr": lr}))


def cost(optimizer: Any, steps: int) -> float:
    """What the steps so far cost, in gradients."""
    counts = getattr(optimizer, "counts", None)
    return steps if counts is None else counts.njev + (counts.nfev - counts.njev) / 3 + 2 * counts.nhev


def run(name: str, problem: Problem, lr: float | None) -> float:
    """The gradients until the problem is solved and stays so: the value without noise has come to the target,
    and so has the mean of ten. ∞ if the budget does not suffice."""
    w = Tensor(np.array(problem.start), requires_grad=True)
    optimizer, loss = made(name, w, lr), compile(lambda noise: problem.f(w, noise))
    values, costs = list[float](), list[float]()
    for noise in NOISE:
        values.append(float(problem.f(w.data, 0.0)))
        costs.append(cost(optimizer, len(costs)))
        if len(values) >= 10 and max(values[-10], np.mean(values[-10:])) <= problem.target:
            return costs[-10]
        if not np.isfinite(values[-1]) or costs[-1] > BUDGET:
            break
        optimizer.step(loss.at(noise))
    return np.inf


@cache
def needed(name: str) -> dict[str, float]:
    """The gradients that each problem takes, at the best of `RATES` if the optimizer has a rate."""
    rates = RATES if name in FIRST_ORDER else (None,)
    with np.errstate(all="ignore"):
        return {title: min(run(name, p, lr) for lr in rates) for title, p in PROBLEMS.items()}


class Facts(NamedTuple):
    """kept: vectors in a checkpoint after 12 steps. working: the most memory that a step takes anew, in
    vectors. cost: of a step, in gradients. digits: log₁₀ of the largest step over the smallest, slopes 1e-3
    to 1e3."""

    kept: float
    working: float
    cost: float
    digits: float


def size(state: Any) -> int:
    """The numbers in the arrays of a state."""
    if isinstance(state, dict | list | tuple):
        return sum(map(size, state.values() if isinstance(state, dict) else state))
    return state.size if isinstance(state, np.ndarray) else 0


@cache
def facts(name: str, n: int = 300) -> Facts:
    """Measured on Σcᵢ cosh wᵢ; of a step, on the third."""
    c, w = np.linspace(1, 9, n), Tensor(np.linspace(2, 4, n), requires_grad=True, name="w")
    optimizer, loss = made(name, w), compile(lambda: np.sum(c * np.cosh(w)))
    for _ in range(2):
        optimizer.step(loss.at())
    paid = cost(optimizer, 2)
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    tracemalloc.reset_peak()
    optimizer.step(loss.at())
    working = (tracemalloc.get_traced_memory()[1] - before) / (8 * n)
    tracemalloc.stop()
    paid = cost(optimizer, 3) - paid
    for _ in range(9):
        optimizer.step(loss.at())
    return Facts(size(optimizer.state_dict()) / n, working, paid, digits(name))


def digits(name: str) -> float:
    slopes, w = np.array([1e-3, 1.0, 1e3]), Tensor(np.ones(3), requires_grad=True)
    made(name, w).step(lambda: 0.5 * np.sum(slopes * w**2))
    step = np.abs(w.data - 1)
    return float(np.log10(step.max() / step.min()))


def adapts_to(name: str) -> str:
    """What the walk does not feel the scale of: a whole valley however it lies, single slopes, or nothing."""
    found = needed(name)
    narrow, turned = found["narrow valley"], found["turned valley"]
    if max(narrow, turned) <= 100 and abs(turned - narrow) <= 0.1 * narrow:
        return "every direction"
    return "each coordinate" if facts(name).digits < 0.01 else "nothing"


def summary() -> list[dict[str, str]]:
    """The table: a row for each optimizer, the text of each column by its title."""
    best = {title: min(needed(name)[title] for name in NAMES) for title in PROBLEMS}
    rows = []
    for name in NAMES:
        fact, found = facts(name), needed(name)
        wins = [title for title in PROBLEMS if found[title] <= 2 * best[title]]
        fails = [title for title in PROBLEMS if found[title] == np.inf]
        row = {"optimizer": name, "type": f"{'first' if name in FIRST_ORDER else 'second'} order"}
        row |= {"vectors kept": f"{fact.kept:.0f}", "vectors made in a step": f"{fact.working:.0f}"}
        row |= {"gradients a step": f"{fact.cost:.0f}", "adapts to": adapts_to(name)}
        row |= {title: "–" if found[title] == np.inf else f"{found[title]:.0f}" for title in PROBLEMS}
        rows.append(row | {"wins": ", ".join(wins) or "–", "fails": ", ".join(fails) or "–"})
    return rows


LR = 1e-2


@cache
def at_the_edge(beta: float, steps: int = 2500) -> dict[str, list[float]]:
    """A network that learns T₆ by Adam with β₁ = `beta`: every 20 steps what its first weight sees, every 100
    steps lr times the sharpness of P^-½ H P^-½."""
    x = np.linspace(-1, 1, 20)[:, None]
    model, y = MLP((1, 30, 20, 1), "tanh", rng=0), np.cos(6 * np.arccos(x))
    weights, loss = list(model.parameters()), compile(lambda: 0.5 * np.mean((model(x) - y) ** 2))
    adam = optim.Adam(model.named_parameters(), lr=LR, betas=(beta, 0.999))
    seen: dict[str, list[float]] = {name: [] for name in ("g", "m_hat", "v_hat", "step", "sharpness")}
    for t in range(steps):
        adam.keep_last_step = t % 20 == 0
        adam.step(loss.at())
        if t % 20 == 0:
            now = adam.last_step["layers.0.weight"]
            for name in ("g", "m_hat", "v_hat", "step"):
                seen[name].append(now[name][0, 0])
        if t % 100 == 99:
            P = adam.preconditioner()
            seen["sharpness"].append(LR * optim.preconditioned_sharpness(loss, weights, P, tol=1e-3))
    return seen


def cg_products(distinct: int) -> int:
    """How many products CG makes for a step on a parabola with that many distinct eigenvalues, n = 24."""
    w = Tensor(np.ones(24), requires_grad=True)
    H = np.repeat(np.linspace(1, 9, distinct), 24 // distinct)
    solver = optim.NewtonCG([w], forcing=1e-10, initial_radius=1e3, second_order=False)
    solver.step(lambda: 0.5 * np.sum(H * w**2))
    return int(solver.last_step.n_cg)
