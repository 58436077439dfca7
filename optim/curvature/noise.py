"""Gradients of single samples by one batched sweep, and how noisy the gradient of a batch is.

A function comes in the forms of `optim.curvature.products`, with a batch: f(x, *batch), or f(*batch) for a
closure over parameters. For one sample it is called with a batch of one row.

Names: `gᵢ` the gradient of sample i, `m` how many samples, `Σ` the covariance of the gᵢ."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

import minigrad
from minigrad.extend import (
    between,
    data_of,
    entry,
    html_table,
    html_title,
    portion,
    portions,
    pull_back,
    scope,
)
from optim.curvature.moments import Moments
from optim.curvature.products import Function, arguments, rows_of

__all__ = ["GradientNoise", "gradient_noise", "per_sample_gradients"]

Array = NDArray[Any]
MOST = 1024  # samples in one sweep


@entry
def per_sample_gradients(f: Any, x: Any, batch: Any) -> Any:
    """The gradient of each sample's loss, by one sweep for all samples.

        gᵢ = ∇f(x; sample i),   i = 1 … m

    Args:
        f, x: a function f(x, *batch) and the array or tree to look at; or a closure f(*batch) and the
            parameters, as in `lambda x, y: loss(model(x), y)` and `model.named_parameters()`. f is called
            with Tensors of one row for each sample, and has to be a scalar.
        batch: an array, or a tuple of arrays, with a row for each of the m samples.

    Returns:
        The form of x, with (m, *shape) for every array.

    Raises:
        TypeError, ValueError: f, x or the batch is not as described.
        CaptureError: f looked at the values of a sample (`if`, `float`) or drew random numbers: switch off
            dropout.

    Reference: Goodfellow 2015, Efficient per-example gradient computations.

    >>> f = lambda w, x, y: ((x @ w - y) ** 2).mean()
    >>> X, y = np.array([[1.0, 0.0], [1.0, 2.0]]), np.array([1.0, 1.0])
    >>> per_sample_gradients(f, np.zeros(2), (X, y))
    array([[-2.,  0.],
           [-2., -4.]])
    """
    function, arrays, _ = _given("per_sample_gradients", f, x, batch)
    return function.build(_each(function, arrays))


@dataclass(frozen=True, eq=False)
class GradientNoise:
    """The result of `gradient_noise`; mean, variance and gsnr have the form of x.

    samples: m.
    mean: ḡ, the gradient of the mean loss.
    variance: s², of one sample's gradient, for each entry.
    covariance_trace: tr Σ, the sum of the variances.
    squared_norm: ‖G‖² of the gradient G of all data that the samples were drawn from; below 0 where they are
        too few to tell.
    noise_scale: B = tr Σ/‖G‖², the batch size beyond which larger batches save few steps; ∞ where
        squared_norm is not positive.
    gsnr: the signal-to-noise ratio G²/σ² of each entry; about 0, and below 0 too, where the samples do not
        agree on a sign, ∞ where all agree, NaN where every gradient is 0.
    """

    samples: int
    mean: Any
    variance: Any
    covariance_trace: float
    squared_norm: float
    noise_scale: float
    gsnr: Any

    def _repr_html_(self) -> str:
        """For notebooks: the numbers."""
        numbers = ("samples", "covariance_trace", "squared_norm", "noise_scale")
        rows = [(name, f"{getattr(self, name):.6g}") for name in numbers]
        return html_title("GradientNoise") + html_table(("", ""), rows)


@entry
def gradient_noise(f: Any, x: Any, batch: Any) -> GradientNoise:
    """How much the gradients of single samples differ, and the batch size from which it no longer matters.

        ḡ = mean gᵢ,   s² = Σ(gᵢ − ḡ)²/(m − 1),   tr Σ ≈ Σ s²,   ‖G‖² ≈ ‖ḡ‖² − tr Σ/m
        noise scale B = tr Σ/‖G‖²,   gsnr = (ḡ² − s²/m)/s² for each entry

    The estimates of tr Σ, ‖G‖² and G² have no bias: the noise of ḡ itself is taken off. A gradient averaged
    over B samples has as much noise as signal. The samples are swept in portions of bounded memory.

    Args:
        f, x: see `per_sample_gradients`; f has to be a mean over the rows of a batch.
        batch: an array, or a tuple of arrays, with a row for each of m ≥ 2 samples, drawn at random.

    Returns:
        A `GradientNoise`.

    Raises:
        TypeError, ValueError, CaptureError: as `per_sample_gradients`; fewer than two samples.
        FloatingPointError: a gradient is not finite.

    Reference: McCandlish, Kaplan, Amodei 2018, An empirical model of large-batch training; Liu et al. 2020,
        Understanding why neural networks generalize well through GSNR of parameters.

    >>> noise = gradient_noise(lambda w, x: ((w - x) ** 2).mean() / 2, np.zeros(1), np.array([1.0, 2.0, 3.0]))
    >>> noise.mean, noise.covariance_trace, round(noise.squared_norm, 9), round(noise.noise_scale, 9)
    (array([-2.]), 1.0, 3.666666667, 0.272727273)
    """
    function, arrays, held = _given("gradient_noise", f, x, batch)
    if (rows := len(arrays[0])) < 2:
        raise ValueError(f"`gradient_noise(batch=...)` must hold two samples at least, got {rows}.")
    packing, moments = function.packing, Moments()
    for part in portions(rows, portion(rows, held, MOST)):
        found = _each(function, tuple(a[part] for a in arrays))
        moments.add(packing.join(found, (part.stop - part.start,)))
    mean, variance, m = moments.mean, moments.variance, moments.count
    if not np.isfinite(variance).all():
        raise FloatingPointError(
            "`gradient_noise(f, x, batch)`: every sample's gradient must be finite, and its square too. Look "
            "for NaN in the data, or for samples at a singular point of f."
        )
    trace = float(variance.sum())
    squared_norm = float(mean @ mean) - trace / m
    with np.errstate(all="ignore"):
        gsnr = (mean * mean - variance / m) / variance
    scale = trace / squared_norm if squared_norm > 0 else math.inf
    trees = [function.build(packing.split(flat)) for flat in (mean, variance, gsnr)]
    return GradientNoise(m, trees[0], trees[1], trace, squared_norm, scale, trees[2])


# The parts they are made of


def _given(call: str, f: Any, x: Any, batch: Any) -> tuple[Function, tuple[Array, ...], int]:
    """The function and the arrays of the batch, checked, and the bytes that one sample holds in a sweep."""
    function = Function(call, f, x, batched=True)
    arrays = tuple(np.asarray(data_of(a)) for a in arguments(batch))
    if not rows_of(f"{call}(batch=...)", arrays):
        raise ValueError(f"`{call}(batch=...)` must hold one sample at least, got none.")
    nodes = between(function.leaves, [function.loss(*(a[:1] for a in arrays))]).nodes
    held = 4 * sum(int(node.data.nbytes) for node in nodes) + 24 * int(function.packing.n)
    return function, arrays, held


def _each(function: Function, arrays: tuple[Array, ...]) -> list[Array]:
    """(m, *shape) for each leaf: the pull back of one sample's loss, done for all samples at once."""
    leaves = function.leaves

    def gradient_of_sample(*sample: Any) -> list[Any]:
        loss = function.loss(*(a[None] for a in sample))
        with scope(recording=True):
            found = pull_back(between(leaves, [loss]), {loss.index: np.ones_like(data_of(loss))}, record=True)
        return [found.get(leaf.index, np.zeros_like(data_of(leaf))) for leaf in leaves]

    with scope(recording=False, capturing=None), np.errstate(all="ignore"):
        return [np.array(data_of(g)) for g in minigrad.vmap(gradient_of_sample)(*arrays)]
