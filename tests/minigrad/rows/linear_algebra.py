"""Rows of einsum, of products of tensors, and of linear algebra. Matrices are drawn away from singular ones
and from repeated values."""

import numpy as np

from minigrad.ops.factorisation import of_triangle
from tests.minigrad.rows.drawn import drawing

r = drawing(14)
la = np.linalg

SQUARE = r(3, 3) + 3 * np.eye(3)
STACK = r(2, 3, 3) + 3 * np.eye(3)
BIG = r(5, 5) + 2 * np.eye(5)
POSITIVE = SQUARE @ SQUARE.T
SPREAD = r(3, 3) + np.diag([-4.0, 1.0, 5.0])  # eigenvalues far from each other, and real
SPREADS = r(2, 3, 3) + np.diag([-6.0, 1.0, 7.0])
TALL, WIDE = r(4, 2) + 2 * np.eye(4, 2), r(2, 4) + 2 * np.eye(2, 4)
TALLER, WIDER = TALL[:3], WIDE[:, 1:]  # a full factor's last column is determined
LOW = np.outer(r(4), r(3)) + np.outer(r(4), r(3))  # of rank 2


def ein(subscripts):
    return lambda *xs: np.einsum(subscripts, *xs)


def joined(f):
    """Several results as one vector."""
    return lambda *xs: np.concatenate([np.ravel(y) for y in f(*xs)])


def complex_of(x):
    """A complex matrix of a real one, analytic in it."""
    return x + 0.3j * x[..., ::-1, ::-1] + 0.2j * x * x


def reals(f):
    """The real and the imaginary part of a function of complex matrices."""

    def parts(*xs):
        y = f(*map(complex_of, xs))
        return np.stack([np.real(y), np.imag(y)])

    return parts


def low_rank(a, b):
    return la.pinv(np.outer(a, b), rcond=1e-10)


EINSUM = [
    ("einsum, product", ein("ij,jk->ik"), r(2, 3), r(3, 4)),
    ("einsum, implicit result", ein("ij,jh"), r(2, 3), r(3, 2)),
    ("einsum, trace", ein("ii"), r(3, 3)),
    ("einsum, diagonal", ein("ijj->ji"), r(2, 3, 3)),
    ("einsum, diagonal of three", ein("iii->i"), r(2, 2, 2)),
    ("einsum, diagonal times matrix", ein("iij,jk->ik"), r(2, 2, 3), r(3, 2)),
    ("einsum, ellipsis", ein("...ij,...jk"), r(2, 1, 2, 3), r(3, 3, 2)),
    ("einsum, ellipsis summed first", ein("i...->..."), r(3, 2)),
    ("einsum, stack", ein("bij,bjk->bik"), r(2, 2, 3), r(2, 3, 2)),
    ("einsum, four operands", ein("ij,jk,kl,li->"), r(2, 3), r(3, 2), r(2, 2), r(2, 2)),
    ("einsum, outer of three", ein("i,j,k->kij"), r(2), r(3), r(2)),
    ("einsum, one letter thrice", ein("i,i,i->i"), r(3), r(3), r(3)),
    ("einsum, summed alone", ein("ij,k->i"), r(2, 3), r(4)),
    ("einsum, stretched", ein("ij,j->i"), r(2, 1), r(3)),
    ("einsum, 0-d", ein(",ij->ji"), r(), r(2, 3)),
    ("einsum, the same twice", lambda x: np.einsum("ij,ij->i", x, x), r(2, 3)),
    ("einsum, with an array", lambda x: np.einsum("ij,jk", np.eye(3)[:2], x, optimize=True), r(3, 2)),
    ("einsum, lists", lambda a, b: np.einsum(a, [0, 1], b, [1, 2], [2, 0]), r(2, 3), r(3, 2)),
    ("einsum, lists with an ellipsis", lambda a, b: np.einsum(a, [0, ...], b, [..., 2]), r(2, 3), r(3, 2)),
]
PRODUCTS = [
    ("dot 2·3", np.dot, r(2, 3), r(2, 3, 2)),
    ("inner", np.inner, r(2, 3), r(2, 3)),
    ("outer, number", lambda x: np.outer(x, 1.5), r(2, 2)),
    ("kron", np.kron, r(2, 3), r(3, 2)),
    ("kron, ranks differ", np.kron, r(2), r(2, 3)),
    ("cross", np.cross, r(2, 3), r(3)),
    ("cross, axes", lambda a, b: np.cross(a, b, axisa=0, axisb=1, axisc=0), r(3, 2), r(2, 3)),
    ("linalg.cross", lambda a, b: la.cross(a, b, axis=0), r(3, 2), r(3, 2)),
    ("vecdot", np.vecdot, r(2, 3), r(3)),
    ("vecdot, axis", lambda a, b: np.vecdot(a, b, axis=0), r(3, 2), r(3, 2)),
    ("linalg.vecdot", la.vecdot, r(2, 3), r(2, 3)),
    ("matvec", np.matvec, r(2, 2, 3), r(2, 3)),
    ("vecmat", np.vecmat, r(2, 2), r(2, 2, 3)),
    ("linalg.outer", la.outer, r(2), r(3)),
    ("linalg.matmul", la.matmul, r(2, 3), r(3, 2)),
    ("linalg.tensordot", lambda a, b: la.tensordot(a, b, axes=1), r(2, 3), r(3, 2)),
    ("linalg.diagonal", la.diagonal, r(2, 3, 4)),
    ("linalg.diagonal, offset", lambda x: la.diagonal(x, offset=-1), r(3, 3)),
    ("linalg.trace", lambda x: la.trace(x, offset=1), r(2, 3, 4)),
    ("matrix_transpose", np.matrix_transpose, r(2, 2, 3)),
    ("linalg.matrix_transpose", la.matrix_transpose, r(2, 2, 3)),
]
SOLVING = [
    ("solve", la.solve, SQUARE, r(3, 2)),
    ("solve, vector", la.solve, SQUARE, r(3)),
    ("solve, stack and vector", la.solve, STACK, r(3)),
    ("solve, stack of right sides", la.solve, SQUARE, r(2, 3, 1)),
    ("inv", la.inv, STACK),
    ("inv, complex", reals(la.inv), SQUARE),
    ("det, 1", la.det, r(2, 1, 1)),
    ("det, 2", la.det, r(2, 2)),
    ("det, 3", la.det, STACK),
    ("det, 5", la.det, BIG),
    ("det, rank 2 of 3", la.det, LOW[:3]),
    ("det, complex", reals(la.det), SQUARE),
    ("slogdet", lambda x: la.slogdet(x)[1], STACK),
    ("slogdet, sign", lambda x: la.slogdet(x).sign * x[0, 0], SQUARE),
    ("slogdet, complex", joined(lambda x: [la.slogdet(complex_of(x))[1], *parts_of_sign(x)]), SQUARE),
    ("pinv", la.pinv, TALL),
    ("pinv, wide", la.pinv, WIDE),
    ("pinv, rank 1", low_rank, r(3), r(2)),
    ("pinv, hermitian", lambda x: la.pinv(x, hermitian=True), SPREAD),
    ("pinv, complex", reals(la.pinv), TALL),
    ("lstsq", lambda a, b: la.lstsq(a, b)[0], TALL, r(4, 2)),
    ("lstsq, residuals", joined(lambda a, b: la.lstsq(a, b)[:2]), TALL, r(4)),
    ("lstsq, too few equations", lambda a, b: la.lstsq(a, b)[0], WIDE, r(2)),
    ("tensorsolve", la.tensorsolve, r(2, 3, 2, 3) + np.eye(6).reshape(2, 3, 2, 3) * 3, r(2, 3)),
    ("tensorsolve, axes", lambda a, b: la.tensorsolve(a, b, axes=(0,)), SQUARE, r(3)),
    ("tensorinv", lambda a: la.tensorinv(a, ind=1), np.reshape(BIG[:4, :4], (4, 2, 2))),
    ("matrix_power, 5", lambda x: la.matrix_power(x, 5), r(2, 2, 2)),
    ("matrix_power, 0", lambda x: la.matrix_power(x, 0) + x, r(2, 2)),
    ("matrix_power, -2", lambda x: la.matrix_power(x, -2), SQUARE),
    ("multi_dot", lambda *xs: la.multi_dot(xs), r(2, 3), r(3, 1), r(1, 2), r(2)),
    ("norm, 1", lambda x: la.norm(x, 1, axis=0), r(2, 3)),
    ("norm, 3", lambda x: la.norm(x, 3), r(4, low=0.2)),
    ("norm, 2.5 kept", lambda x: la.norm(x, 2.5, axis=1, keepdims=True), r(2, 3)),
    ("norm, 0.5", lambda x: la.norm(x, 0.5), r(3, low=0.2)),
    ("norm, 2.0", lambda x: la.norm(x, ord=2.0), r(3)),
    ("norm, 0", lambda x: la.norm(x, 0) * x, r(3)),
    ("norm, inf", lambda x: la.norm(x, np.inf, axis=-1), r(2, 3)),
    ("norm, -inf", lambda x: la.norm(x, -np.inf), r(3)),
    ("matrix norm, 1", lambda x: la.norm(x, 1), r(2, 3)),
    ("matrix norm, -1 kept", lambda x: la.norm(x, -1, keepdims=True), r(2, 3)),
    ("matrix norm, inf", lambda x: la.norm(x, np.inf, axis=(0, 2)), r(2, 2, 3)),
    ("matrix norm, -inf", lambda x: la.norm(x, -np.inf), r(2, 3)),
    ("matrix norm, 2", lambda x: la.norm(x, 2, axis=(2, 0)), r(2, 2, 3)),
    ("matrix norm, -2", lambda x: la.norm(x, -2), TALL),
    ("matrix norm, nuc", lambda x: la.norm(x, "nuc"), TALL),
    ("matrix norm, fro kept", lambda x: la.norm(x, "fro", axis=(0, 1), keepdims=True), r(2, 3)),
    ("vector_norm", la.vector_norm, r(2, 3)),
    (
        "vector_norm, options",
        lambda x: la.vector_norm(x, axis=(0, 2), keepdims=True, ord=3),
        r(2, 2, 2, low=0.2),
    ),
    ("matrix_norm", lambda x: la.matrix_norm(x, ord=1, keepdims=True), r(2, 2, 3)),
    ("cond", la.cond, STACK),
    ("cond, 1", lambda x: la.cond(x, 1), SQUARE),
    ("cond, -2", lambda x: la.cond(x, -2), SQUARE),
]


def parts_of_sign(x):
    sign = la.slogdet(complex_of(x))[0]
    return np.real(sign), np.imag(sign)


def projected(result):
    """Squared sizes of the vectors' components: free of signs and phases."""
    values, vectors = result
    return np.concatenate([np.ravel(np.real(values)), np.ravel(np.abs(vectors) ** 2)])


def function_of(x):
    """V·exp(w/4)·Vᴴ of a Hermitian matrix, which is free of the gauge."""
    w, v = la.eigh(complex_of(x))
    y = v * np.exp(w / 4) @ np.conjugate(v.mT)
    return np.stack([np.real(y), np.imag(y)])


def polar(x, full):
    u, s, vh = la.svd(complex_of(x), full_matrices=full)
    k = s.shape[-1]
    y = (u[..., :k] * s**2) @ vh[..., :k, :]
    return np.concatenate([np.ravel(np.real(y)), np.ravel(np.imag(y)), s])


DECOMPOSITIONS = [
    ("eigh", joined(la.eigh), SPREAD),
    ("eigh, stack and upper", joined(lambda x: la.eigh(x, UPLO="U")), SPREADS),
    ("eigh, complex", function_of, SPREAD),
    ("eigvalsh", la.eigvalsh, SPREADS),
    ("eigvalsh, complex", lambda x: la.eigvalsh(complex_of(x)), SPREAD),
    ("eigh, hermitian part", of_triangle, r(3, 3)),
    ("eig", lambda x: projected(la.eig(x)), SPREAD),
    ("eig, as it is", joined(la.eig), SPREADS),
    ("eig, complex", lambda x: projected(la.eig(complex_of(x))), SPREAD),
    ("eigvals", la.eigvals, SPREADS),
    ("eigvals, complex pair", lambda x: np.abs(la.eigvals(x)), np.array([[1.0, -2.0], [1.5, 0.5]])),
    ("svd", joined(la.svd), TALLER),
    ("svd, wide", joined(la.svd), WIDER),
    ("svd, thin", joined(lambda x: la.svd(x, full_matrices=False)), np.stack([TALL, TALL[::-1] * 1.5])),
    ("svd, thin and wide", joined(lambda x: la.svd(x, full_matrices=False)), WIDE),
    ("svd, square", joined(la.svd), SPREADS),
    ("svd, values", lambda x: la.svd(x, compute_uv=False), STACK),
    ("svd, hermitian", joined(lambda x: la.svd(x, hermitian=True)), SPREAD),
    ("svd, complex", lambda x: polar(x, False), TALL),
    ("svd, complex full", lambda x: polar(x, True), WIDE),
    ("svdvals", la.svdvals, WIDE),
    ("qr", joined(la.qr), TALL),
    ("qr, stack", joined(la.qr), STACK),
    ("qr, wide", joined(la.qr), WIDE),
    ("qr, r", lambda x: la.qr(x, mode="r"), TALL),
    ("qr, complete", joined(lambda x: la.qr(x, mode="complete")), TALLER),
    ("qr, complex", joined(lambda x: reals_of(la.qr(complex_of(x)))), TALL),
    ("cholesky", la.cholesky, POSITIVE),
    ("cholesky, upper", lambda x: la.cholesky(x, upper=True), np.stack([POSITIVE, 2 * POSITIVE + np.eye(3)])),
    ("cholesky, complex", joined(lambda x: reals_of([la.cholesky(complex_of(x))])), POSITIVE + 9 * np.eye(3)),
]


def reals_of(ys):
    return [part(y) for y in ys for part in (np.real, np.imag)]


TABLE = EINSUM + PRODUCTS + SOLVING + DECOMPOSITIONS
