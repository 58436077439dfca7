"""Train a 64-64-32-10 MLP on real handwritten digits, from pixels to a saved model that predicts.

There are 1,797 images of 8×8 pixels, and a fifth of them is held out for testing. Each training image is
moved by up to one pixel at random, which teaches the network that a digit stays the same digit when it moves.
The learning rate rises and falls once (one cycle). The seed determines everything random.

NewtonCG has no learning rate. It needs a smooth function, so its network has tanh in place of ReLU. Each of
its steps costs many Hessian-vector products and deserves a good estimate of the loss, so an epoch is one step
on all images at once, each in three versions.

    python -m examples.train_digits                          Adam, 80 epochs, a few seconds
    python -m examples.train_digits --optimizer newton-cg    Gauss-Newton by conjugate gradients, 35 steps
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

import optim
from examples import plotting
from examples.command import folder, parser, whole
from models import MLP, History, accuracy, cross_entropy, fit
from models.datasets import digits, train_test_split

SIZES = (64, 64, 32, 10)
BATCH = 64
OPTIMIZERS: dict[str, Any] = {  # each with a learning rate that suits this task
    "sgd": lambda p: optim.SGD(p, lr=0.3),
    "momentum": lambda p: optim.Momentum(p, lr=0.5, beta=0.9),
    "nesterov": lambda p: optim.SGD(p, lr=0.05, momentum=0.9, nesterov=True),
    "adagrad": lambda p: optim.Adagrad(p, lr=0.05),
    "rmsprop": lambda p: optim.RMSprop(p, lr=3e-3),
    "adam": lambda p: optim.Adam(p, lr=1e-2),
    "adamw": lambda p: optim.AdamW(p, lr=1e-2, weight_decay=1e-2),
    "nadam": lambda p: optim.NAdam(p, lr=5e-3),
    "lion": lambda p: optim.Lion(p, lr=1e-3),
    "newton-cg": lambda p: optim.NewtonCG(p, curvature="ggn", damping=0.1, weight_decay=5e-4),
}
FULL_BATCH = {"newton-cg"}
VERSIONS = 3  # of each image in a full batch
EPOCHS, FULL_BATCH_EPOCHS = 80, 35


def load(seed: int) -> tuple[Any, Any]:
    """(train, test). Each is a pair: images in [0, 1], float32 (n, 64), and labels (n,)."""
    train, test = train_test_split(digits(), test_size=0.2, rng=seed, stratify=True)
    return tuple(((part.X / 16).astype(np.float32), part.y) for part in (train, test))  # type: ignore[return-value]


def shifted(images: Any, rng: np.random.Generator) -> Any:
    """The images, half of them moved by up to one pixel in each direction; zeros come in from the edge."""
    n, pixel = len(images), np.arange(8)
    padded = np.zeros((n, 10, 10), images.dtype)
    padded[:, 1:9, 1:9] = images.reshape(n, 8, 8)
    down, right = np.where(rng.random(n) < 0.5, rng.integers(0, 3, (2, n)), 1)
    rows, columns = (down[:, None] + pixel)[:, :, None], (right[:, None] + pixel)[:, None, :]
    return padded[np.arange(n)[:, None, None], rows, columns].reshape(n, 64)


def network(name: str, seed: int = 0) -> MLP:
    return MLP(SIZES, "tanh" if name in FULL_BATCH else "relu", rng=seed, dtype=np.float32)


def train(
    name: str, epochs: int | None, seed: int, data: tuple[Any, Any], progress: bool = True
) -> tuple[MLP, History]:
    """A trained network and its history."""
    (images, labels), test_set = data
    model = network(name, seed)
    optimizer = OPTIMIZERS[name](model.named_parameters())
    if name in FULL_BATCH:
        images, labels = np.tile(images, (VERSIONS, 1)), np.tile(labels, VERSIONS)
        epochs, batch, schedule = epochs or FULL_BATCH_EPOCHS, len(images), None
    else:
        epochs, batch = epochs or EPOCHS, BATCH
        peak, steps = optimizer.param_groups[0]["lr"], epochs * -(-len(images) // BATCH)
        schedule = optim.OneCycleLR(optimizer, max_lr=peak, total_steps=steps, cycle_momentum=False)
    history = fit(
        model, optimizer, cross_entropy, (images, labels), epochs=epochs, batch_size=batch,
        validation=test_set,
        metrics={"accuracy": accuracy}, schedule=schedule, schedule_every="batch", augment=shifted, rng=seed,
        progress=progress,
    )  # fmt: skip
    return model, history


def confusion(model: MLP, data: tuple[Any, Any]) -> Any:
    """(10, 10): how often each true digit (row) was read as each digit (column)."""
    x, y = data
    table = np.zeros((10, 10), int)
    np.add.at(table, (y, model(x).data.argmax(1)), 1)
    return table


def pictures(name: str, history: History, table: Any, out: Path) -> None:
    """Learning curves and the confusion matrix, as PNG files in `out`."""
    plt = plotting.pyplot()
    epochs, accuracies = history["epoch"], np.array(history["val_accuracy"])
    fig, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6))
    fig.get_layout_engine().set(w_pad=0.15)
    fig.suptitle(
        f"{name} trains a {'-'.join(map(str, SIZES))} network on 8×8 digits", x=0.02, ha="left", fontsize=12
    )
    left.semilogy(epochs, history["train_loss"], label="training images, shifted")
    left.semilogy(epochs, history["val_loss"], label="test images")
    left.set(xlabel="epoch", title="cross-entropy")
    left.legend()
    right.semilogy(epochs, 100 * (1 - accuracies), color=plotting.COLOURS[1])  # accuracies look like 100 %
    right.set(xlabel="epoch", title="test digits misread, %")
    for ax in (left, right):
        ax.xaxis.get_major_locator().set_params(integer=True)
    ticks = [share for share in (0.5, 1, 2, 5, 10, 20, 50, 90) if share >= 50 * (1 - accuracies[-1])]
    right.set_yticks(ticks, [f"{share:g}" for share in ticks])
    right.minorticks_off()
    right.text(
        1, 0.93, f"{100 * accuracies[-1]:.2f} % read right at the end", transform=right.transAxes, ha="right"
    )
    plotting.save(fig, out / "learning_curves.png")

    fig, ax = plt.subplots(figsize=(4.6, 4.4))
    ax.imshow(np.sqrt(table), cmap="Blues")  # the root makes the few mistakes visible beside the many hits
    for i, j in zip(*np.nonzero(table), strict=True):
        ax.text(j, i, table[i, j], ha="center", va="center", color="white" if i == j else "black", fontsize=9)
    ax.set(
        xlabel="read as", ylabel="digit", xticks=range(10), yticks=range(10), title="what was taken for what"
    )
    ax.spines[:].set_visible(False)
    plotting.save(fig, out / "confusion.png")


def one(name: str, epochs: int | None, seed: int, out: Path) -> float:
    """Train, print the table, draw, save, reload and predict; return the test accuracy."""
    data = load(seed)
    model, history = train(name, epochs, seed, data)
    print("epoch  train loss  test accuracy  seconds")
    for row in history.rows:
        print(
            f"{row['epoch']:5d}  {row['train_loss']:10.4f}  {row['val_accuracy']:13.4f}  "
            f"{row['seconds']:7.2f}"
        )
    if history.stopped != "epochs":
        print(f"stopped: {history.stopped}")
    if not history.rows:
        raise SystemExit("no epoch was completed")
    out.mkdir(parents=True, exist_ok=True)
    model.save(out / "model.mg")
    again = network(name).load(out / "model.mg")
    images, labels = data[1]
    reads = again(images[:12]).data.argmax(1)
    print(
        f"reloaded {out / 'model.mg'}: reads {' '.join(map(str, reads))}, truth "
        f"{' '.join(map(str, labels[:12]))}"
    )
    try:
        pictures(name, history, confusion(model, data[1]), out)
    except ImportError:
        print(plotting.MISSING)
    right = accuracy(again(images), labels)
    print(f"test accuracy {right:.4f}")
    return right


def main(arguments: Sequence[str] | None = None) -> None:
    command = parser("examples.train_digits", __doc__)
    command.add_argument("--optimizer", choices=[*OPTIMIZERS], default="adam")
    command.add_argument(
        "--epochs", type=whole(1), help=f"by default {EPOCHS}, and {FULL_BATCH_EPOCHS} for newton-cg"
    )
    command.add_argument("--seed", type=whole(0), default=0)
    command.add_argument(
        "--out", type=folder, default="runs/digits", help="folder for pictures and the model"
    )
    options = command.parse_args(arguments)
    one(options.optimizer, options.epochs, options.seed, options.out)


if __name__ == "__main__":
    main()
