"""The reference: the network, its gradient and Adam written out in NumPy for given parameters and batches.

Arrays lie as everyone has them, x (batch, n_in) and W (n_in, n_out); every product and every function writes
into a buffer made beforehand, except that gradients asked for without a step are the caller's own, as those
of all other subjects are. In a step of Adam all parameters, and all gradients, are parts of one vector, so
that it is thirteen calls. `by_hand_features_first` gives up the layout, and with it half of the time on the
smallest net.

Names: `h` a layer's output, `g` the cotangent of its value before tanh, `s` the slope 1 − h².
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from benchmarks.nets import Array, Net
from benchmarks.subjects import Subject


def build(net: Net, lr: float) -> Subject:
    sizes, batch = net.sizes, net.batch
    shapes = [shape for n_in, n_out in pairwise(sizes) for shape in ((n_in, n_out), (n_out,))]
    w, parts = _flat(shapes)
    gw, gradients = _flat(shapes)
    for part, value in zip(parts, net.parameters):
        part[...] = value
    W, b = parts[::2], parts[1::2]
    last = len(W) - 1
    h, g, s = ([np.empty((batch, n), np.float32) for n in sizes[1:]] for _ in range(3))
    ones = np.ones(batch, np.float32)
    residual = _squared(h[-1], g[-1]) if net.loss == "mse" else _crossed(h[-1], g[-1])

    def gradient(x: Array, target: Array, gW: list[Array], gb: list[Array]) -> float:
        a = x
        for i, out in enumerate(h):
            np.dot(a, W[i], out)
            np.add(out, b[i], out)
            if i < last:
                a = np.tanh(out, out)
        loss = residual(target)
        for i in range(last, -1, -1):
            a = h[i - 1] if i else x
            np.dot(a.T, g[i], gW[i])
            np.dot(ones, g[i], gb[i])
            if i:
                below, slope = g[i - 1], s[i - 1]
                np.dot(g[i], W[i].T, below)
                np.multiply(a, a, slope)
                np.subtract(1, slope, slope)
                np.multiply(below, slope, below)
        return loss

    m, v, t1, t2 = (np.zeros_like(w) for _ in range(4))
    beta1, beta2, eps = 0.9, 0.999, 1e-8
    k = 0

    def step() -> float:
        nonlocal k
        loss = gradient(net.x, net.target, gradients[::2], gradients[1::2])
        k += 1
        np.multiply(m, beta1, m)
        np.multiply(gw, 1 - beta1, t1)
        np.add(m, t1, m)
        np.multiply(v, beta2, v)
        np.multiply(gw, 1 - beta2, t1)
        np.multiply(t1, gw, t1)
        np.add(v, t1, v)
        np.multiply(v, 1 / (1 - beta2**k), t1)
        np.sqrt(t1, t1)
        np.add(t1, eps, t1)
        np.multiply(m, lr / (1 - beta1**k), t2)
        np.divide(t2, t1, t2)
        np.subtract(w, t2, w)
        return loss

    def fresh() -> tuple[float, list[Array]]:
        found = [np.empty(shape, np.float32) for shape in shapes]
        return gradient(net.x, net.target, found[::2], found[1::2]), found

    return Subject(fresh, lambda result: [np.float32(result[0]), *result[1]], step)


def _flat(shapes: list[tuple[int, ...]]) -> tuple[Array, list[Array]]:
    """A vector, and views of it of these shapes."""
    ends = np.cumsum([np.prod(shape, dtype=int) for shape in shapes])
    flat = np.zeros(ends[-1], np.float32)
    return flat, [part.reshape(shape) for part, shape in zip(np.split(flat, ends[:-1]), shapes)]


def _squared(z: Array, g: Array):  # type: ignore[no-untyped-def]
    flat = z.ravel()

    def residual(target: Array) -> float:
        np.subtract(z, target, z)
        np.multiply(z, 2 / z.size, g)
        return np.dot(flat, flat) / z.size

    return residual


def _crossed(z: Array, g: Array):  # type: ignore[no-untyped-def]
    n, classes = z.shape
    ones, rows, total, logs = (
        np.ones(classes, z.dtype),
        np.arange(n),
        np.empty(n, z.dtype),
        np.empty(n, z.dtype),
    )

    def residual(labels: Array) -> float:
        np.subtract(z, np.maximum.reduce(z, axis=None), z)
        np.exp(z, g)
        np.dot(g, ones, total)
        np.log(total, logs)
        loss = (np.add.reduce(logs) - np.add.reduce(z[rows, labels])) / n
        np.divide(g, total[:, None], g)
        g[rows, labels] -= 1
        np.multiply(g, 1 / n, g)
        return loss

    return residual
