"""Factors that are triangular, of matrices and of stacks of them: qr and cholesky.

Gauge, repeated values and packing: see the head of `factorisation`.

Names: `w` eigenvalues, `v` vectors, `H` the conjugate transpose, `t` tangent, `g` cotangent.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from minigrad.families import register
from minigrad.ops.factorisation import (
    Factorisation,
    H,
    halved,
    matrices,
    of_triangle,
    with_rest,
    without_rest,
)
from minigrad.tensor import Op

# qr for m ≥ n: A = Q·R with R's diagonal real. With C = QᴴdAR⁻¹: dR = T·R, dQ = dAR⁻¹ − Q·T, where T is the
# upper triangle of C + Cᴴ with half the diagonal.


def _qr_factors(a: Any, complete: bool) -> Any:
    q, r = np.linalg.qr(a, mode="complete" if complete else "reduced")
    return q, r[..., : a.shape[-1], :]


def _over_r(x: Any, r: Any) -> Any:
    """x·R⁻¹."""
    return np.linalg.solve(r.mT, x.mT).mT


def _qr_push(t: Any, a: Any, q: Any, r: Any, complete: bool) -> Any:
    n = r.shape[-1]
    q1, x = q[..., :n], _over_r(t, r)
    c = np.matmul(H(q1), x)
    upper = halved(n, False).astype(r.dtype) * (c + H(c))
    return with_rest(x - np.matmul(q1, upper), q, n), np.matmul(upper, r)


def _qr_pull(gq: Any, gr: Any, a: Any, q: Any, r: Any, complete: bool) -> Any:
    n = r.shape[-1]
    q1, gq = q[..., :n], without_rest(gq, q, n)
    upper = halved(n, False).astype(r.dtype) * (np.matmul(gr, r.mT) - np.matmul(q1.mT, gq))
    x = gq + np.matmul(np.conjugate(q1), upper + H(upper))
    return np.linalg.solve(r, x.mT).mT


_qr = Factorisation(
    "qr", _qr_factors, lambda m, n, complete: [(m, m if complete else n), (n, n)], _qr_push, _qr_pull
)


class QRResult(NamedTuple):
    """The results of np.linalg.qr on Tensors."""

    Q: Any
    R: Any


def qr(a: Any, mode: str = "reduced") -> Any:
    """Q and R; "r" gives R alone. The derivative needs the first min(m, n) columns to be independent."""
    if mode not in ("reduced", "complete", "r"):
        raise ValueError(
            f"np.linalg.qr(mode=...) must be 'reduced', 'complete' or 'r' on Tensors, got {mode!r}; LAPACK's "
            "raw reflectors have no derivative rule."
        )
    a = matrices(a, "qr")
    m, n = a.shape[-2:]
    k = min(m, n)
    q, r = _qr(a[..., :k] if n > k else a, complete=mode == "complete" and m > n)[1]
    if n > k:
        r = np.concatenate([r, np.matmul(H(q), a[..., k:])], axis=-1)
    elif mode == "complete" and m > n:
        r = np.concatenate([r, np.zeros((*r.shape[:-2], m - n, n), r.dtype)], axis=-2)
    return r if mode == "r" else QRResult(q, r)


register(np.linalg.qr, qr, keywords=("mode",))

# cholesky: A = L·Lᴴ. dL = L·Φ(L⁻¹dAL⁻ᴴ), where Φ takes the lower triangle with half the diagonal.


def _between(left: Any, x: Any, right: Any) -> Any:
    """left⁻¹·x·right⁻ᵀ."""
    return np.linalg.solve(right, np.linalg.solve(left, x).mT).mT


def _cholesky_push(t: Any, y: Any, a: Any) -> Any:
    return np.matmul(y, halved(y.shape[-1], True).astype(y.dtype) * _between(y, t, np.conjugate(y)))


def _cholesky_pull(g: Any, y: Any, a: Any) -> Any:
    return _between(y.mT, halved(y.shape[-1], True).astype(y.dtype) * np.matmul(y.mT, g), H(y))


_cholesky = Op(
    "cholesky",
    lambda a: np.linalg.cholesky(a),
    pulls=(_cholesky_pull,),
    pushes=(_cholesky_push,),
    batched=True,
)


def cholesky(a: Any, *, upper: bool = False) -> Any:
    """L of A = L·Lᴴ, or U = Lᴴ with `upper`, from that triangle of a."""
    y = _cholesky(of_triangle(matrices(a, "cholesky", square=True), not upper))
    return H(y) if upper else y


register(np.linalg.cholesky, cholesky, keywords=("upper",))
