"""The five pictures of docs/drawing.md: a neuron, a network, its Hessian-vector product, a step of Adam, an
iteration of CG.

python -m examples.draw_graphs            writes docs/pictures/*.svg, each light and dark
python -m examples.draw_graphs --out DIR --format png
python -m examples.draw_graphs --all --out DIR      also those of `examples/graph_gallery.py`, and all sizes
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import optim
from examples.graph_gallery import GALLERY
from minigrad import Tensor, draw, hvp, softplus
from minigrad.extend import scope
from models import MLP, mse_loss


def neuron() -> Any:
    """micrograd's classic picture: each value, and the derivative of the output with respect to it."""
    names = ("x₁", "x₂", "w₁", "w₂", "b")
    values = (2.0, 0.0, -3.0, 1.0, 6.8813735870195432)
    x1, x2, w1, w2, b = (
        Tensor(value, requires_grad=True, name=name) for name, value in zip(names, values, strict=True)
    )
    n = x1 * w1 + x2 * w2 + b
    n.name = "n"
    o: Any = np.tanh(n)  # a Tensor; NumPy's stubs call it an array
    o.name = "o"
    return draw(o, title="A neuron: every value, and every derivative of the output (grad)")


def _regression(bias: bool = True) -> tuple[MLP, Tensor, Tensor]:
    rng = np.random.default_rng(0)
    x, y = Tensor(rng.normal(size=(100, 64)), name="x"), Tensor(rng.normal(size=(100, 10)), name="y")
    return MLP((64, 32, 10), bias=bias, rng=rng), x, y


def network() -> Any:
    """An MLP's forward pass, and its backward pass drawn beside it."""
    model, x, y = _regression()
    loss = mse_loss(model(x), y)
    title = "A network of two layers: forward to the loss, backward to the gradient"
    return draw(loss, phases=("forward", "backward"), title=title)


def curvature() -> Any:
    """A network's Hessian-vector product: how the gradient changes along a direction.

    The network has no biases, so that the picture stays small.
    """
    model, x, y = _regression(bias=False)
    loss = mse_loss(model(x), y)
    title = (
        "The Hessian of a network's loss times a vector: the change of all values in a direction, then of "
        "the gradient"
    )
    return draw(loss, phases=("forward", "backward", "tangent"), title=title)


def adam() -> Any:
    """One step of Adam, from w, g, m, v to w′, m′, v′."""
    model, x, y = _regression()
    rule = optim.Adam(model.named_parameters(), lr=0.01)
    for _ in range(3):
        rule.step(lambda: mse_loss(model(x), y))
    model.zero_grad()
    mse_loss(model(x), y).backward()
    return draw(rule, title="One step of Adam")


def conjugate_gradients() -> Any:
    """The inner iteration of Newton-CG on a logistic regression: one Hessian-vector product, then short
    formulas."""
    rng = np.random.default_rng(1)
    X, y = rng.normal(size=(200, 20)), rng.choice([-1.0, 1.0], 200)

    def loss(w: Any) -> Any:
        return softplus(-(y * (X @ w))).mean()

    def iteration(w: Any, z: Any, r: Any, d: Any) -> dict[str, Any]:
        with scope(module="∇²f(w)·d"):
            Hd = hvp(loss, w, d)
        Hd.name = "Hd"
        with scope(phase="update"):
            rr = r @ r
            α = rr / (d @ Hd)
            z, r = z + α * d, r + α * Hd
            β = (r @ r) / rr
            rr.name, α.name, β.name, r.name = "‖r‖²", "α", "β", "r′"
            return {"z′": z, "r′": r, "d′": β * d - r}

    start = rng.normal(size=(4, 20))
    return draw(
        iteration, *start, title="An iteration of conjugate gradients inside Newton-CG: z, r, d → z′, r′, d′"
    )


PICTURES: dict[str, Callable[[], Any]] = {
    "neuron": neuron, "network": network, "curvature": curvature, "adam": adam, "cg": conjugate_gradients,
}  # fmt: skip


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m examples.draw_graphs", description=__doc__)
    parser.add_argument(
        "--out", type=Path, default=Path(__file__).parent.parent / "docs" / "pictures", metavar="DIR"
    )
    parser.add_argument(
        "--format", default="svg", choices=("svg", "html", "dot", "mmd", "json", "png", "pdf")
    )
    parser.add_argument("--all", action="store_true", help="draw the gallery too")
    options = parser.parse_args(argv)
    options.out.mkdir(parents=True, exist_ok=True)
    sizes = {}
    for name, make in {**PICTURES, **(GALLERY if options.all else {})}.items():
        drawing = make()
        sizes[name] = [round(drawing.layout.width), round(drawing.layout.height)]
        for theme in ("light", "dark"):
            print(drawing.themed(theme).save(options.out / f"{name}-{theme}.{options.format}"))
    if options.all:
        rows = (f'  "{name}": {size}' for name, size in sizes.items())
        (options.out / "sizes.json").write_text("{\n" + ",\n".join(rows) + "\n}\n")


if __name__ == "__main__":
    main()
