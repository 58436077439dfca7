"""A learning-rate finder: how the loss answers to steps of growing length, on a model that is put back.

Names: `ηᵢ` the rate of step i, `ℓᵢ` the loss of its batch before it, `sᵢ` the smoothed losses.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minigrad import Tensor
from minigrad.extend import Compiled, axes, entry, html_curves, html_table, html_title, look
from models.fit_arguments import checked_pair, require_functions, require_optimizer, require_rng
from models.module import Module
from models.steps import Handling, Rows, Trainer, batches, loss_of_batch
from models.training import Stepper, deferred_interrupt

__all__ = ["LRCurve", "find_lr"]

Array = NDArray[Any]
SMOOTH = 0.9  # how much of the average of the losses remains at each step
EXPLODED = 3.0  # the search ends where the loss rises above its best by so many times the first loss
FEWEST = 10  # steps, so that there is a curve


@dataclass(frozen=True, eq=False)
class LRCurve:
    """The result of `find_lr`.

    rates: (n,), ascending; n is less than `steps` if the loss exploded.
    losses: (n,), of the batch before the step with each rate.
    smoothed: (n,), their running average sᵢ.
    """

    rates: Array
    losses: Array
    smoothed: Array

    @property
    @entry
    def suggestion(self) -> float:
        """The rate at which the smoothed loss falls most steeply per decade, on its way to its smallest value
        and after the first tenth of the rates. ValueError if it does not fall there."""
        return self._fallen("suggestion", self._steepest())

    @property
    @entry
    def valley(self) -> float:
        """The rate in the middle of the longest fall of the smoothed loss. ValueError if it never falls.

        The longest fall is the longest sequence of losses, each less than the one before, with others between
        them; its middle lies half its length before its end. Usually it is the more cautious of the two.
        """
        return self._fallen("valley", self._middle())

    def _fallen(self, name: str, rate: float | None) -> float:
        if rate is None:
            raise ValueError(
                f"`LRCurve.{name}` needs a loss that falls, and with rates from {self.rates[0]:.3g} to "
                f"{self.rates[-1]:.3g} it does not. Look at `plot()`, and try other rates or more steps."
            )
        return rate

    def _steepest(self) -> float | None:
        first, lowest = len(self.rates) // 10, int(np.argmin(self.smoothed))
        slope = np.diff(self.smoothed)[first:lowest]
        if not len(slope) or slope.min() >= 0:
            return None
        return float(self.rates[first + np.argmin(slope)])

    def _middle(self) -> float | None:
        s, n = self.smoothed, len(self.smoothed)
        length = np.ones(n, int)
        for i in range(1, n):
            higher = s[:i] > s[i]
            if higher.any():
                length[i] = 1 + length[:i][higher].max()
        end = int(np.argmax(length))
        half = int(length[end]) // 2
        return float(self.rates[end - half]) if half else None

    def _found(self) -> dict[str, float | None]:
        return {"suggestion": self._steepest(), "valley": self._middle()}

    def __repr__(self) -> str:
        found = [f"{name} {_number(rate)}" for name, rate in self._found().items()]
        return f"<LRCurve of {len(self.rates)} rates: {', '.join(found)}>"

    def _repr_html_(self) -> str:
        """For notebooks: the smoothed losses as a curve, and the numbers."""
        ends = f"smoothed loss, rates {_number(self.rates[0])} to {_number(self.rates[-1])}"
        rows = [[name, _number(rate)] for name, rate in self._found().items()]
        curve = html_curves({ends: self.smoothed.tolist()})
        return html_title(f"LRCurve of {len(self.rates)} rates") + curve + html_table(("", "rate"), rows)

    @entry
    def plot(self, ax: Any = None) -> Any:
        """Draw the losses over the rates, with the suggestion and the valley.

        Args:
            ax: Matplotlib's axes to draw on; by default those of a new figure. Nothing is shown or saved.

        Returns:
            The axes.

        Raises:
            ImportError: Matplotlib is not installed.
        """
        ax = axes(ax)
        ax.plot(
            self.rates,
            self.losses,
            label="loss of the batch",
            **look(ax, 5, marker=False) | {"linewidth": 0.8},
        )
        ax.plot(self.rates, self.smoothed, label="smoothed", **look(ax, 0, marker=False))
        for i, (name, rate) in enumerate(self._found().items()):
            if rate is not None:
                at = float(self.smoothed[np.searchsorted(self.rates, rate)])
                label = f"{name}: {_number(rate)}"
                ax.plot(
                    [rate],
                    [at],
                    label=label,
                    **look(ax, 1 + i, marker=False) | {"linestyle": "", "marker": "os"[i]},
                )
        fall = self.smoothed[0] - self.smoothed.min()
        if fall > 0:  # an explosion would press all else flat
            ax.set_ylim(self.smoothed.min() - fall, self.smoothed[0] + fall)
        ax.set_xscale("log")
        ax.set_xlabel("learning rate")
        ax.set_ylabel("loss")
        ax.legend(fontsize="small")
        return ax


def _number(rate: float | None) -> str:
    return "none" if rate is None else f"{rate:.3g}"


@entry
def find_lr(
    model: Module,
    optimizer: Stepper,
    loss: Callable[[Any, Any], Tensor],
    train: Any,
    *,
    smallest: float = 1e-7,
    largest: float = 10.0,
    steps: int = 100,
    batch_size: int | None = 32,
    rng: int | np.random.Generator = 0,
    compile: bool = True,
) -> LRCurve:
    """Train with learning rates that grow from step to step, and see where the loss falls and explodes.

        ηᵢ = smallest·(largest/smallest)^(i/(steps − 1))
        aᵢ = 0.9·aᵢ₋₁ + 0.1·ℓᵢ,   sᵢ = aᵢ/(1 − 0.9ⁱ⁺¹),   i = 0 … steps − 1

    The search ends early where the loss is no longer finite, or sᵢ − min s > 3·|ℓ₀|. Afterwards everything is
    as before, to the last bit, also if it raises or is interrupted: parameters and their gradients, the
    options and state of the optimizer, the training mode, and the random generators of the model and `rng`.

    Args:
        model, optimizer, loss, train, batch_size, rng, compile: as for `fit`. The optimizer has an lr, and
            all of its groups get the same rate.
        smallest, largest: the first and the last rate, 0 < smallest < largest.
        steps: how many rates, at least 10. After the last batch of an epoch the next epoch begins.

    Returns:
        An `LRCurve` with `suggestion` and `valley`, two rates that are worth a try.

    Raises:
        FloatingPointError: the loss or its gradient is not finite at the very start.
        ValueError, TypeError: an argument does not fit. This is found out before anything is changed.
        KeyboardInterrupt: after Ctrl-C, when the present step is done and everything is put back.

    Reference: Smith 2017, Cyclical learning rates for training neural networks; the conventions are those of
        fastai (valley) and PyTorch Lightning (steepest fall), but for losses near 0 or below it, where "four
        times the best loss" says nothing, and a shorter memory, of 10 steps and not of 50.

    >>> import optim
    >>> from models import MLP, cross_entropy
    >>> from models.datasets import moons
    >>> model = MLP((2, 16, 2), rng=0)
    >>> curve = find_lr(model, optim.Adam(model.named_parameters()), cross_entropy, moons(200, rng=0))
    >>> 1e-3 < curve.suggestion < 1
    True
    """
    x, y = checked_pair("find_lr(train=...)", train)
    size = len(x) if batch_size is None else batch_size
    require_functions(loss, None, None, (), call="find_lr")
    require_rng(rng, call="find_lr")
    require_optimizer(model, optimizer, call="find_lr")
    _require_rates(optimizer, smallest, largest, steps, size, compile)
    generator = np.random.default_rng(rng)
    compiled = Compiled(loss_of_batch(model, loss, False))
    trainer = Trainer(optimizer, compiled, bool(compile), [], Handling(call="find_lr"), (loss, model))
    rates, losses, smoothed, average = np.geomspace(smallest, largest, int(steps)), [], [], 0.0
    with deferred_interrupt() as interrupted:
        with _put_back(model, optimizer, generator):
            model.train()
            for i, value in enumerate(_losses(trainer, rates, _endless(x, y, int(size), generator))):
                losses.append(value)
                average = SMOOTH * average + (1 - SMOOTH) * value
                smoothed.append(average / (1 - SMOOTH ** (i + 1)))
                if interrupted() or smoothed[i] - min(smoothed) > EXPLODED * abs(losses[0]):
                    break
        if interrupted():
            raise KeyboardInterrupt
    return LRCurve(rates[: len(losses)], np.array(losses), np.array(smoothed))


def _losses(trainer: Trainer, rates: Array, rows: Iterator[Rows]) -> Iterator[float]:
    """The loss before the step with each rate, until it is not finite."""
    for i, rate in enumerate(rates):
        for group in trainer.optimizer.param_groups:
            group["lr"] = float(rate)
        try:
            [(loss, _)] = trainer.step([next(rows)], f"step {i + 1}, with the rate {rate:.3g}")
        except FloatingPointError:
            if i == 0:
                raise
            return
        yield loss


def _endless(x: Any, y: Any, size: int, rng: np.random.Generator) -> Iterator[Rows]:
    while True:
        yield from batches(x, y, size, None, rng)


@contextmanager
def _put_back(model: Module, optimizer: Any, rng: np.random.Generator) -> Iterator[None]:
    """Leave model, optimizer and random generators as they were, to the last bit."""
    parameters, state = model.state_dict(), optimizer.state_dict()
    leaves = [p for _, p in model.named_parameters()]
    # A compiled step writes into the arrays that an earlier one gave as gradients.
    gradients = [p.grad.copy() if isinstance(p.grad, np.ndarray) else p.grad for p in leaves]
    modes = [(module, module.training) for _, module in model.named_modules()]
    generators = [rng, *(each for _, each in model.named_generators())]
    positions = [each.bit_generator.state for each in generators]
    try:
        yield
    finally:
        with deferred_interrupt():  # a second Ctrl-C waits until all is done
            model.load_state_dict(parameters)
            optimizer.load_state_dict(state)
            for p, gradient in zip(leaves, gradients, strict=True):
                p.grad = gradient
            for module, training in modes:
                module.training = training
            for each, position in zip(generators, positions, strict=True):
                each.bit_generator.state = position


def _require_rates(optimizer: Any, smallest: Any, largest: Any, steps: Any, size: Any, compile: Any) -> None:
    if not all("lr" in group for group in getattr(optimizer, "param_groups", [()])):
        raise TypeError(
            f"`find_lr(optimizer=...)` must be an optimizer with an lr, and {type(optimizer).__name__} has "
            "none: it finds the length of its steps itself."
        )
    numbers = [
        isinstance(rate, int | float | np.integer | np.floating) and not isinstance(rate, bool)
        for rate in (smallest, largest)
    ]
    if not all(numbers) or not 0 < smallest < largest < math.inf:
        raise ValueError(
            "`find_lr(smallest=..., largest=...)` must be finite numbers with 0 < smallest < largest, got "
            f"{smallest!r:.60} and {largest!r:.60}."
        )
    for name, value, least in (("steps", steps, FEWEST), ("batch_size", size, 1)):
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
            raise ValueError(
                f"`find_lr({name}=...)` must be a whole number of at least {least}, got {value!r:.60}."
            )
    if not isinstance(compile, bool | np.bool_):
        raise TypeError(f"`find_lr(compile=...)` must be True or False, got {compile!r:.60}.")
