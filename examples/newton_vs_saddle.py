"""Pure Newton is drawn to saddle points; the same step with |λ| in place of λ is repelled by them.

A tanh network 1-30-20-1 fits the Chebyshev polynomial T₆ at 20 points. Where it predicts the mean of the data
everywhere, it has a flat and wide saddle point with loss 0.2837. Newton's step −V(c/λ) goes *up* along each
eigenvector of negative curvature, so it arrives there almost at once and stays. Saddle-free Newton (Dauphin
et al. 2014) divides by |λ|, goes down along each of them, and fits the data to the last digit. NewtonCG and
L-BFGS pass by the saddle too. They do not know the whole spectrum and need more steps, but each of these is
far cheaper.

The Hessian of this network has a rank far below its 701 rows, so −H⁻¹g does not exist, and
`modification="none"` raises an error that says so. "pinv" leaves the flat directions alone and is the pure
method in all others.

    python -m examples.newton_vs_saddle               a table, and the pictures in runs/newton_vs_saddle
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

import optim
from examples import plotting
from examples.command import folder, parser, whole
from models import MLP

SIZES = (1, 30, 20, 1)
DONE = 1e-28  # such a loss is only rounding


X = np.linspace(-1, 1, 20)
FINE = np.linspace(-1, 1, 400)


class Run(NamedTuple):
    """The loss before each step and after the last one, and the measurements at the end.

    gradient: its norm. negative: the number of negative λ. curve: the network's predictions at `FINE`.
    """

    losses: list[float]
    gradient: float
    lambda_min: float
    negative: int
    curve: Any


METHODS: dict[str, tuple[Any, int]] = {  # name: (optimizer, the number of steps it may take)
    "pure Newton": (lambda p: optim.Newton(p, modification="pinv", line_search=None), 20),  # stays from 12 on
    "saddle-free Newton": (lambda p: optim.Newton(p, modification="abs"), 40),
    "NewtonCG": (lambda p: optim.NewtonCG(p), 100),
    "L-BFGS": (lambda p: optim.LBFGS(p), 300),
}


def network(seed: int) -> MLP:
    """The network with weights from N(0, 1/fan_in) and biases 0."""
    rng = np.random.default_rng(seed)
    model = MLP(SIZES, "tanh")
    for layer in model.layers:
        layer.weight.assign(rng.normal(size=(layer.n_in, layer.n_out)) / np.sqrt(layer.n_in))
        layer.bias.assign(np.zeros(layer.n_out))
    return model


def chebyshev(x: Any) -> Any:
    """T₆(x)."""
    return np.cos(6 * np.arccos(x))


def train(method: str, seed: int = 0, progress: bool = False) -> Run:
    x, y = X[:, None], chebyshev(X)[:, None]
    model = network(seed)
    make, steps = METHODS[method]
    optimizer = make(model.named_parameters())

    def loss() -> Any:
        return 0.5 * np.mean((model(x) - y) ** 2)

    losses = [loss().item()]
    with tqdm(total=steps, desc=method, unit="step", leave=False, disable=not progress) as bar:
        while len(losses) <= steps and losses[-1] > DONE:
            optimizer.step(loss)
            losses.append(loss().item())
            bar.set_postfix(loss=f"{losses[-1]:.1e}", refresh=False)
            bar.update()
    curve = model(FINE[:, None]).numpy()[:, 0]
    # One more step, whose result is not used, measures the spectrum at the point reached.
    probe = optim.Newton(model.named_parameters(), modification="pinv", line_search=None)
    model.zero_grad()
    loss().backward()
    gradient = float(np.sqrt(sum(np.sum(p.grad**2) for p in model.parameters())))
    probe.step(loss)
    return Run(losses, gradient, probe.last_step.lambda_min, probe.last_step.negative, curve)


def picture(plt: Any, runs: dict[str, Run]) -> Any:
    ink = plt.rcParams["text.color"]
    fig, (left, right) = plt.subplots(1, 2, figsize=(11, 4.2))
    saddle = 0.5 * np.var(chebyshev(X))
    left.axhline(saddle, color="grey", linewidth=0.8)
    left.text(0.2, saddle * 20, "the saddle: the mean of the data everywhere", fontsize=9, color="grey")
    for i, (name, run) in enumerate(runs.items()):
        colour = f"C{i}"
        left.plot(run.losses, color=colour)
        left.plot(len(run.losses) - 1, run.losses[-1], "o", color=colour, markersize=5)
        right.plot(FINE, run.curve, color=colour, label=name)
    left.set_xscale("symlog", linthresh=10, linscale=0.8)
    end = 1.3 * max(len(run.losses) for run in runs.values())
    ticks = [step for step in (0, 5, 10, 30, 100, 300) if step < end]
    left.set(xlabel="step", ylabel="loss", title="loss", yscale="log", xlim=(0, end), ylim=(1e-30, 1e4),
             xticks=ticks, xticklabels=ticks)  # fmt: skip
    right.plot(X, chebyshev(X), "o", color=ink, markersize=4, label="data, T₆")
    right.set(
        xlabel="x",
        title="what the network has learned",
        ylim=(-1.35, 1.35),
        xticks=[-1, 0, 1],
        yticks=[-1, 0, 1],
    )
    fig.legend(*right.get_legend_handles_labels(), loc="outside lower center", ncols=5)
    return fig


def main(argv: Sequence[str] | None = None) -> None:
    command = parser("examples.newton_vs_saddle", __doc__)
    command.add_argument("--seed", type=whole(0), default=0)
    command.add_argument("--out", type=folder, default="runs/newton_vs_saddle", help="folder for the picture")
    args = command.parse_args(argv)
    print(f"{'':20} steps          loss      ‖gradient‖   λmin       negative λ", flush=True)
    runs = {}
    for name, (_, most) in METHODS.items():
        run = runs[name] = train(name, args.seed, progress=True)
        steps = len(run.losses) - 1
        print(
            f"{name:20} {steps:5d} {'(all)' if steps == most else '     '}    {run.losses[-1]:.2e}  "
            f"{run.gradient:.1e}      {run.lambda_min:+.1e}   {run.negative:3d}",
            flush=True,
        )
    try:
        plotting.save(picture(plotting.pyplot(), runs), args.out / "losses.png")
    except ImportError:
        print(plotting.MISSING)


if __name__ == "__main__":
    main()
