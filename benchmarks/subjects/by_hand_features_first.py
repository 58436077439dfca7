"""NumPy by hand without regard to how others lay out their arrays, as fast as NumPy lets us; the batch never
changes.

These tricks pay, the best on the small nets first: every result in a buffer made beforehand; features
first, arrays (n, batch), so that the softmax reduces along the long axis; the bias as a last column of V =
[Wᵀ b] against a last row of ones in the layer's input, so that one product gives W·h + b and one gives both
gradients; np.dot, which starts faster than np.matmul; all parameters in one vector, so that Adam is ten
calls.

Names: `a` a layer's input with its row of ones, `h` the same without, `z` a layer's output, `g` a
cotangent."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from benchmarks.nets import Array, Net
from benchmarks.subjects import Subject


def build(net: Net, lr: float) -> Subject:
    sizes, batch, x, target = net.sizes, net.batch, net.x, net.target
    dtype = x.dtype.type
    shapes = [(n_out, n_in + 1) for n_in, n_out in pairwise(sizes)]
    w, V = _flat(shapes)
    gw, gV = _flat(shapes)
    for v, weight, bias in zip(V, net.parameters[::2], net.parameters[1::2]):
        v[:, :-1], v[:, -1] = weight.T, bias

    a = [np.ones((n + 1, batch), dtype) for n in sizes[:-1]]
    a[0][:-1] = x.T
    h = [rows[:-1] for rows in a]
    z = np.empty((sizes[-1], batch), dtype)
    ga = [np.empty_like(rows) for rows in a]
    hidden = list(zip(V, a, h[1:]))  # strict=False: the last layer has no activation
    back = list(zip(gV, a, [v.T for v in V], ga, [rows[:-1] for rows in ga], h))[:0:-1]
    residual = _squared(z, target.T) if net.loss == "mse" else _crossed(z, target)

    def gradient() -> tuple[float, list[Array]]:
        for v, inputs, outputs in hidden:
            np.dot(v, inputs, outputs)
            np.tanh(outputs, outputs)
        np.dot(V[-1], a[-1], z)
        loss, g = residual()
        for gv, inputs, vT, g_all, g_rows, outputs in back:
            np.dot(g, inputs.T, gv)
            np.dot(vT, g, g_all)
            np.multiply(outputs, outputs, outputs)  # g·(1 − h²), as g − g·h², in place: h is not needed again
            np.multiply(outputs, g_rows, outputs)
            g = np.subtract(g_rows, outputs, g_rows)
        np.dot(g, a[0].T, gV[0])
        return loss, gV

    m, v = np.zeros_like(w), np.zeros_like(w)
    rate, eps, beta1, beta2 = lr, 1e-8, dtype(0.9), dtype(0.999)
    k = 0

    def step() -> float:
        nonlocal k
        loss, _ = gradient()
        k += 1
        root = (1 - 0.999**k) ** 0.5
        # m and v are kept without their factors (1 − β), which the two scalars below take in
        scale = (1 - 0.9) / (1 - 0.9**k) * root / (1 - 0.999) ** 0.5
        np.multiply(m, beta1, m)
        np.add(m, gw, m)
        np.multiply(v, beta2, v)
        np.multiply(gw, gw, gw)
        np.add(v, gw, v)
        np.sqrt(v, gw)
        np.add(gw, dtype(eps * root / (1 - 0.999) ** 0.5), gw)
        np.divide(m, gw, gw)
        np.multiply(gw, dtype(rate * scale), gw)
        np.subtract(w, gw, w)
        return loss

    def numbers(result: tuple[float, list[Array]]) -> list[Array]:
        loss, gradients = result
        return [np.asarray(loss), *(part.copy() for g in gradients for part in (g[:, :-1].T, g[:, -1]))]

    return Subject(gradient, numbers, step)


def _flat(shapes: list[tuple[int, int]]) -> tuple[Array, list[Array]]:
    """A vector, and views of it of these shapes."""
    flat = np.zeros(sum(n * m for n, m in shapes), np.float32)
    cuts = np.cumsum([n * m for n, m in shapes])[:-1]
    return flat, [part.reshape(shape) for part, shape in zip(np.split(flat, cuts), shapes)]


def _squared(z: Array, target: Array):  # type: ignore[no-untyped-def]
    flat, n, factor = z.ravel(), z.size, z.dtype.type(2 / z.size)

    def residual() -> tuple[float, Array]:
        np.subtract(z, target, z)
        loss = np.dot(flat, flat) / n
        return loss, np.multiply(z, factor, z)

    return residual


def _crossed(z: Array, labels: Array):  # type: ignore[no-untyped-def]
    classes, batch = z.shape
    p, top, total = np.empty_like(z), np.empty(batch, z.dtype), np.empty(batch, z.dtype)
    flat_z, flat_p, index, columns = z.ravel(), p.ravel(), np.empty(batch, np.intp), np.arange(batch)
    ones, n, share = np.ones(classes, z.dtype), z.dtype.type(batch), z.dtype.type(1 / batch)

    def residual() -> tuple[float, Array]:
        np.maximum.reduce(z, 0, None, top)
        np.subtract(z, top, z)
        np.exp(z, p)
        np.dot(ones, p, total)
        np.multiply(labels, batch, index)
        np.add(index, columns, index)
        loss = (np.add.reduce(np.log(total)) - np.add.reduce(flat_z[index])) * share
        np.multiply(total, n, total)
        np.divide(p, total, p)
        flat_p[index] -= share
        return loss, p

    return residual
