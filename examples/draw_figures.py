"""The pictures of docs/figures.md: each figure of `optim.figures` on a small problem.

python -m examples.draw_figures            writes docs/figures/*.png
python -m examples.draw_figures --out DIR --dark
python -m examples.draw_figures --out DIR --gif      the paths in Rosenbrock's valley in motion, too

Names: `net` and its `moons` are a small network and its data; `rosenbrock` is a curved valley in two numbers.
"""

from __future__ import annotations

import argparse
import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

import optim
from examples.plotting import MISSING
from minigrad import Tensor, grad, hessian, hvp
from models import MLP, cross_entropy, fit, mse_loss
from models.datasets import moons
from optim import figures

DATA = moons(100, noise=0.1, rng=0)
FOLDER = Path(__file__).parents[1] / "docs" / "figures"
START = np.array([-1.2, 1.0])


def rosenbrock(x: Any) -> Any:
    return (1 - x[0]) ** 2 + 100 * (x[1] - x[0] ** 2) ** 2


def net() -> tuple[MLP, Any]:
    """A network of 42 weights, and its loss on all data."""
    model = MLP((2, 8, 2), "tanh", rng=0)
    return model, lambda: cross_entropy(model(DATA.X), DATA.y)


@functools.cache
def adam() -> tuple[list[dict[str, Any]], np.ndarray[Any, Any]]:
    """What 120 steps of Adam compute, and the weights along them."""
    model, loss = net()
    optimizer, shown = optim.Adam(model.named_parameters(), lr=0.05), []
    optimizer.keep_last_step = True
    path = [_flat(model)]
    for _ in range(120):
        optimizer.step(loss)
        shown.append(optimizer.last_step)
        path.append(_flat(model))
    return shown, np.array(path)


def _flat(model: MLP) -> np.ndarray[Any, Any]:
    return np.concatenate([p.data.ravel() for p in model.parameters()])


def learning_curves(ax: Any) -> Any:
    model, held_out = net()[0], moons(100, noise=0.3, rng=1)
    optimizer = optim.Adam(model.named_parameters(), lr=0.02)
    history = fit(model, optimizer, cross_entropy, DATA, epochs=60, validation=held_out, progress=False)
    return figures.learning_curves(history, ax=ax)


def convergence(ax: Any) -> Any:
    return optim.minimize(rosenbrock, START).plot(ax=ax)


def update_ratios(ax: Any) -> Any:
    """The weights before a step are its "w", which are those after it, and its "step"."""
    steps, ratios = adam()[0], {}
    for name in steps[0]:
        pairs = [(step[name]["step"], step[name]["w"] + step[name]["step"]) for step in steps]
        sizes = [(np.linalg.norm(step), np.linalg.norm(w)) for step, w in pairs]
        ratios[name] = [step / w if w > 1e-12 else 0.0 for step, w in sizes]  # biases start at 0
    return figures.update_ratios(ratios, ax=ax)


def coordinate(ax: Any) -> Any:
    return figures.coordinate(adam()[0], "layers.0.weight", (0, 3), at=40, ax=ax)


def along_step(ax: Any) -> Any:
    step = -1.2e-3 * grad(rosenbrock)(START)
    alpha = np.linspace(-0.25, 1.5, 36)
    alpha[[5, 25]] = 0, 1  # free of rounding
    slope, curvature = float(grad(rosenbrock)(START) @ step), float(step @ hvp(rosenbrock, START, step))
    return figures.along_step(alpha, [rosenbrock(START + a * step) for a in alpha], slope, curvature, ax=ax)


def sharpness_over_time(ax: Any) -> Any:
    """Gradient descent on all data: the sharpness rises to 2/η, and then stays about there."""
    model, targets = MLP((2, 16, 16, 1), "tanh", rng=0), 2.0 * DATA.y[:, None] - 1
    sgd, seen = optim.SGD(model.named_parameters(), lr=0.1), []

    def loss() -> Any:
        return mse_loss(model(DATA.X), targets)

    for t in range(801):
        if t % 20 == 0:
            seen.append((t, optim.sharpness(loss, model.parameters(), tol=1e-2)))
        sgd.step(loss)
    steps, sharpness = zip(*seen, strict=True)
    return figures.sharpness_over_time(steps, sharpness, sgd, ax=ax)


def newton_cg(ax: Any) -> Any:
    """Steps 4 to 7 on the chained Rosenbrock function of 12 numbers, as `last_step` reports them."""
    p, steps = Tensor(np.tile([-1.2, 1.0], 6), requires_grad=True), []
    optimizer = optim.NewtonCG([p], forcing=0.01)
    for _ in range(7):
        optimizer.step(lambda: np.sum(100 * (p[1:] - p[:-1] ** 2) ** 2 + (1 - p[:-1]) ** 2))
        steps.append(optimizer.last_step)
    return figures.newton_cg(steps[3:], ax=ax)


def spectrum(ax: Any) -> Any:
    model, loss = net()
    estimate = optim.hessian_spectrum(loss, model.parameters(), exact_limit=0, steps=20, vectors=4)
    return estimate.plot(exact=optim.hessian_spectrum(loss, model.parameters()), ax=ax)


def gradient_noise(ax: Any) -> Any:
    """By a loop over the samples."""
    model, loss = net()
    sgd, rows = optim.SGD(model.named_parameters(), lr=0.5), []
    for t in range(0, 30, 2):
        each = []
        for i in range(100):
            model.zero_grad()
            cross_entropy(model(DATA.X[i : i + 1]), DATA.y[i : i + 1]).backward()
            each.append(np.concatenate([np.ravel(p.grad) for p in model.parameters()]))
        mean, trace = np.mean(each, axis=0), np.var(each, axis=0, ddof=1).sum()
        rows.append((t, mean @ mean - trace / len(each), trace))
        for _ in range(2):
            sgd.step(loss)
    steps, signal, noise = zip(*rows, strict=True)
    return figures.gradient_noise(steps, signal, noise, batch_size=10, ax=ax)


@functools.cache
def rosenbrock_paths() -> dict[str, Any]:
    paths = {}
    for name, lr in (("SGD", 1e-3), ("Momentum", 2e-3), ("Adam", 0.1), ("RMSprop", 0.03)):
        p = Tensor(START, requires_grad=True)
        optimizer, points = getattr(optim, name)([p], lr=lr), [START]
        for _ in range(300):
            optimizer.step(lambda p=p: rosenbrock(p))
            points.append(np.array(p.data))
        paths[name] = np.array(points)
    return paths


def trajectories(ax: Any) -> Any:
    return figures.trajectories(rosenbrock_paths(), minimum=(1, 1), ax=_valley(ax))


def _valley(ax: Any) -> Any:
    return figures.contours(rosenbrock, (-1.6, 1.6), (-0.6, 2.2), ax=ax)


def random_slice(ax: Any) -> Any:
    """Around the last point of Adam's path."""
    model, loss = net()
    with figures.loss_at(loss, model.parameters()) as f:
        f(adam()[1][-1])  # inside the block the model has these weights
        plane = figures.random_plane(model.parameters(), rng=1)
    return _slice(ax, plane, [[-0.7, -0.7], [0.7, 0.7]], False)


def pca_slice(ax: Any) -> Any:
    plane = figures.pca_plane(adam()[1])
    return _slice(ax, plane, plane.project(adam()[1])[0], True)


def eigenvector_slice(ax: Any) -> Any:
    """The plane of the two largest eigenvalues at the last point of Adam's path."""
    path, names = adam()[1], "eigenvector of λ{} = {:.3g}"

    def loss(w: Any) -> Any:
        hidden = np.tanh(DATA.X @ w[:16].reshape(2, 8) + w[16:24])
        return cross_entropy(hidden @ w[24:40].reshape(8, 2) + w[40:], DATA.y)

    values, vectors = np.linalg.eigh(hessian(loss)(path[-1]))
    labels = (names.format("₁", values[-1]), names.format("₂", values[-2]))
    plane = figures.plane_through(path[-1], vectors[:, -1], vectors[:, -2], labels)
    return _slice(ax, plane, plane.project(path)[0], True)


def _slice(ax: Any, plane: Any, corners: Any, with_path: bool) -> Any:
    """The loss of the net on a plane, a fifth further than the corners, with Adam's path if it is near."""
    model, loss = net()
    low, high = np.min(corners, axis=0), np.max(corners, axis=0)
    low, high = low - 0.2 * (high - low), high + 0.2 * (high - low)
    with figures.loss_at(loss, model.parameters()) as f:
        figures.contours(f, (low[0], high[0]), (low[1], high[1]), plane=plane, ax=ax)
    return figures.trajectories({"Adam": adam()[1]}, plane=plane, ax=ax) if with_path else ax


@functools.cache
def swept() -> Any:
    """Trainings on ½(w₁² + 20w₂²), whose largest eigenvalue is 20, from random starts."""

    def train(optimizer: str, lr: float, seed: int) -> float:
        p = Tensor(np.random.default_rng(seed).normal(size=2), requires_grad=True)
        rule, scales = getattr(optim, optimizer)([p], lr=lr), np.array([0.5, 10.0])
        for _ in range(30):
            rule.step(lambda: (scales * p * p).sum())
        return float((scales * p.data**2).sum())

    grid = {"optimizer": ["SGD", "Adam"], "lr": [0.005, 0.01, 0.02, 0.04, 0.08, 0.11], "seed": range(6)}
    return optim.sweep(train, grid, executor="serial", progress=False)


def sensitivity(ax: Any) -> Any:
    return swept().plot(ax=ax, limit=2 / 20)


def performance_profiles(ax: Any) -> Any:
    rng = np.random.default_rng(0)
    means = {"Adam": 0.0, "SGD": 0.8, "L-BFGS": 0.3}
    costs = {name: rng.lognormal(mean, 1, 20).tolist() for name, mean in means.items()}
    return optim.performance_profile(costs).plot(ax=ax)


FIGURES = {
    draw.__name__: draw
    for draw in (
        learning_curves, convergence, update_ratios, coordinate, along_step, sharpness_over_time, newton_cg,
        spectrum, gradient_noise, trajectories, random_slice, pca_slice, eigenvector_slice, sensitivity,
        performance_profiles,
    )
}  # fmt: skip
SIZES = {"coordinate": (6.4, 6.0), "newton_cg": (6.8, 6.8), "update_ratios": (6.6, 2.6)}


def draw_one(name: str, folder: Path, dark: bool = False, dpi: int = 65) -> Path:
    from matplotlib import style
    from matplotlib.figure import Figure

    with style.context("dark_background" if dark else "default"):
        figure = Figure(figsize=SIZES.get(name, (6.4, 4.4)), layout="constrained")
        FIGURES[name](figure.subplots())
        path = folder / f"{name}.png"
        figure.savefig(path, dpi=dpi, metadata={"Software": None})
    return path


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Draw the pictures of docs/figures.md.")
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder (default: docs/figures)")
    parser.add_argument("--dark", action="store_true", help="light lines on a dark ground")
    parser.add_argument("--gif", action="store_true", help="write trajectories.gif too")
    arguments = parser.parse_args(argv)
    arguments.out.mkdir(parents=True, exist_ok=True)
    try:
        for name in FIGURES:
            print(draw_one(name, arguments.out, arguments.dark))
    except ImportError:
        print(MISSING)
        return
    if arguments.gif:
        print(figures.save_gif(arguments.out / "trajectories.gif", rosenbrock_paths(), _valley, frames=40))


if __name__ == "__main__":
    main()
