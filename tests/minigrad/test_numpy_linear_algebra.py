"""Linear algebra at its special points: repeated values, singular and empty matrices, complex numbers,
replays, and the errors of calls that cannot be right. The rows are in `rows/linear_algebra.py`."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minigrad import CaptureError, Tensor, check_derivatives, compile, grad, hessian, jvp, value_and_grad, vjp
from minigrad.ops.einsum import einsum_op
from tests.minigrad.rows.linear_algebra import TABLE, joined

la = np.linalg
close = np.testing.assert_allclose


def leaf(x):
    return Tensor(np.asarray(x, float), requires_grad=True)


# Replays


REAL = ("eig", "eig, as it is", "eigvals", "eigvals, complex pair")


@pytest.mark.parametrize("row", [row for row in TABLE if row[0] in REAL], ids=lambda row: row[0])
def test_eigenvalues_of_a_real_matrix_are_not_compiled(row):
    _, f, *xs = row
    loss = value_and_grad(lambda *x: np.sum(np.sin(f(*x))), tuple(range(len(xs))))
    with pytest.raises(CaptureError, match=r"Write np\.linalg\.eig(vals)?\(a\.astype\(complex\)\)"):
        compile(loss)(*xs)


@pytest.mark.parametrize("n", [2, 3, 8])
@pytest.mark.parametrize("wrt", [0, 1])
def test_a_compiled_solve_has_the_signs_of_zero(n, wrt):
    a, b, w = np.diag(np.arange(1.0, n + 1)), np.resize([1.0, 0.0, -2.0], n), np.resize([1.0, 0.0, -1.0], n)
    gradient = grad(lambda a, b: np.sum(la.solve(a, b) * w), wrt)
    assert compile(gradient)(a, b).tobytes() == gradient(a, b).tobytes()


def test_a_compiled_least_squares_problem_minds_its_rank():
    def loss(a, b):
        x, residuals, rank, s = la.lstsq(a, b)
        return np.sum(x * x) + np.sum(residuals) + rank * np.sum(s)

    compiled, b = compile(loss), np.arange(4.0)
    good, bad = np.eye(4, 2) + 0.1, np.ones((4, 2))
    assert compiled(good, b) == pytest.approx(loss(good, b))
    x, residuals, rank, _ = la.lstsq(leaf(bad), b)
    assert (residuals.shape, rank, x.shape) == ((0,), 1, (2,))
    with pytest.raises(la.LinAlgError, match="the rank is 1, below 2, so NumPy gives no residuals"):
        compiled(bad, b)


# Determinants where there is no inverse


def of_rank(rank, n, rng, shape=()):
    return rng.standard_normal((*shape, n, rank)) @ rng.standard_normal((*shape, rank, n))


def cofactors(a):
    """By definition, from minors."""
    n = len(a)
    minors = [[np.delete(np.delete(a, i, 0), j, 1) for j in range(n)] for i in range(n)]
    return np.array([[(-1) ** (i + j) * la.det(minors[i][j]) for j in range(n)] for i in range(n)])


@pytest.mark.parametrize(
    ("n", "rank"), [(1, 0), (2, 0), (2, 1), (3, 1), (3, 2), (5, 5), (5, 4), (5, 3), (6, 2), (6, 0)]
)
def test_the_derivative_of_det_is_the_matrix_of_cofactors_at_every_rank(n, rank, rng):
    a = of_rank(rank, n, rng)
    close(grad(la.det)(a), cofactors(a), rtol=1e-9, atol=1e-11)
    close(jvp(la.det, (a,), (a + 1,))[1], np.sum(cofactors(a) * (a + 1)), rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize(("n", "rank"), [(3, 0), (4, 3), (5, 3), (5, 2), (6, 2)])
def test_higher_derivatives_of_det_at_singular_matrices(n, rank, rng):
    check_derivatives(lambda x: la.det(x) + 0.1 * np.sum(x * x), of_rank(rank, n, rng), order=3)


def test_a_stack_of_regular_and_singular_matrices(rng):
    a = np.stack([of_rank(rank, 4, rng) for rank in (4, 3, 2, 0)])
    close(grad(lambda x: np.sum(la.det(x)))(a), [cofactors(x) for x in a], rtol=1e-9, atol=1e-11)


def test_a_replay_of_det_is_right_at_singular_matrices_too(monkeypatch, rng):
    """Far from singular ones no singular vectors are computed; a replay decides for its own values."""
    svds = []
    svd = la.svd
    monkeypatch.setattr(la, "svd", lambda a: svds.append(1) or svd(a))
    f = compile(grad(la.det))
    for rank, wanted in ((5, 0), (4, 1), (2, 1), (5, 0)):
        a = of_rank(rank, 5, rng) + (3 * np.eye(5) if rank == 5 else 0)
        f(a)  # the first call is captured
        svds.clear()
        close(f(a), cofactors(a), rtol=1e-9, atol=1e-10)
        assert len(svds) == wanted


def test_determinants_of_any_scale(rng):
    a = 1e30 * of_rank(4, 5, rng)
    close(grad(la.det)(a) / 1e120, cofactors(a / 1e30), rtol=1e-9, atol=1e-9)
    sizes = np.array(
        [1e20, 1.0, 1e-3, 2.0, 1e-15]
    )  # of full rank, though some are below the rounding of others
    close(np.diag(grad(la.det)(np.diag(sizes))), np.prod(sizes) / sizes, rtol=1e-12)
    a = rng.standard_normal((5, 5)) * sizes
    close(grad(la.det)(a), la.det(a) * la.inv(a).T, rtol=1e-9)


def test_the_condition_of_singular_matrices_is_infinite():
    for a in (np.zeros((2, 2)), np.diag([1.0, 0.0])):
        assert la.cond(leaf(a)).item() == la.cond(a) == np.inf


# Repeated values

CLUSTER = np.diag([1.0, 1.0, 3.0])
TURN = la.qr(np.array([[1.0, 2, 3], [0, 1, 4], [5, 6, 0]])).Q
ALIKE = [np.eye(3), np.zeros((3, 3)), CLUSTER, TURN @ CLUSTER @ TURN.T]


def symmetric(f):
    """f of the symmetric part, so that gradients are symmetric."""
    return lambda x: f((x + x.T) / 2)


@pytest.mark.parametrize("a", ALIKE)
def test_sums_over_repeated_eigenvalues_have_their_derivatives(a):
    close(grad(symmetric(lambda x: np.sum(la.eigvalsh(x))))(a), np.eye(3), atol=1e-14)
    close(grad(symmetric(lambda x: np.sum(la.eigh(x).eigenvalues ** 2)))(a), 2 * a, atol=1e-14)
    close(grad(lambda x: np.sum(np.real(la.eigvals(x))))(a), np.eye(3), atol=1e-14)
    tangent = np.arange(9.0).reshape(3, 3)
    close(
        jvp(symmetric(lambda x: np.sum(la.eigvalsh(x) ** 3)), (a,), (tangent,))[1],
        np.sum(3 * a @ a * tangent),
    )


@pytest.mark.parametrize(
    "a", [np.eye(3), CLUSTER, TURN @ CLUSTER @ TURN.T, np.ones((3, 2)), np.zeros((3, 2))]
)
def test_sums_over_repeated_singular_values_have_their_derivatives(a):
    close(grad(lambda x: np.sum(la.svdvals(x) ** 2))(a), 2 * a, atol=1e-14)


VECTORS = {
    "eigh": (lambda x: la.eigh(x)[1] * np.arange(3.0), CLUSTER, "Eigenvectors have no derivative where two"),
    "eigh, turned": (lambda x: la.eigh(x)[1], TURN @ CLUSTER @ TURN.T, "Eigenvectors have no derivative"),
    "eigh, matrix function": (lambda x: (y := la.eigh(x))[1] * y[0] @ y[1].T, np.eye(3), "Eigenvectors"),
    "eig": (lambda x: np.real(la.eig(x).eigenvectors), np.eye(3), "Eigenvectors have no derivative"),
    "svd": (lambda x: la.svd(x).U, np.eye(2), "Singular vectors have no derivative where two"),
    "svd at 0": (
        lambda x: la.svd(x, full_matrices=False)[0],
        np.outer([1.0, 2.0, 1.0], [1.0, 1.0]),
        "a singular value is 0",
    ),
    "qr": (lambda x: la.qr(x).Q, np.zeros((3, 2)), "qr.*Singular matrix"),
    "inv": (lambda x: la.inv(x), np.ones((2, 2)), "Singular matrix"),
    "slogdet": (lambda x: la.slogdet(x)[1], np.zeros((2, 2)), "slogdet.*Singular matrix"),
    "cholesky": (lambda x: la.cholesky(x), -np.eye(2), "not positive definite"),
}


@pytest.mark.parametrize("name", VECTORS)
def test_what_has_no_derivative_is_an_error_in_both_modes(name):
    f, a, says = VECTORS[name]
    with pytest.raises(la.LinAlgError, match=says):
        grad(lambda x: np.sum(f(x) * np.arange(1.0, 1 + x.size).reshape(x.shape)))(a)
    with pytest.raises(la.LinAlgError, match=says):
        jvp(f, (a,), (np.arange(a.size, dtype=float).reshape(a.shape) ** 2 + 1,))


def test_the_vector_of_a_simple_value_has_its_derivative_beside_repeated_ones(rng):
    weights = rng.standard_normal(3)

    def f(x):
        return np.sum(la.eigh(symmetric(lambda y: y)(x)).eigenvectors[:, 2] ** 2 * weights)

    a, t, h = TURN @ CLUSTER @ TURN.T, rng.standard_normal((3, 3)), 1e-5
    close(np.sum(grad(f)(a) * t), (f(a + h * t) - f(a - h * t)) / (2 * h), rtol=1e-7)


def test_hessians_of_symmetric_functions_of_distinct_values(rng):
    a = np.diag([1.0, 2.0, 4.0]) + 0.1
    h = hessian(symmetric(lambda x: np.sum(la.eigvalsh(x) ** 2)))(a).reshape(9, 9)
    t = rng.standard_normal((3, 3))
    close(h @ t.ravel(), (t + t.T).ravel(), atol=1e-12)


# Kinks of norms: the smallest subgradient


@pytest.mark.parametrize("ord", [None, 0, 1, 2, 3, 2.5, np.inf, -np.inf])
def test_the_derivative_of_a_norm_at_0_is_0(ord):
    assert not grad(lambda x: la.norm(x, ord))(np.zeros(3)).any()
    assert jvp(lambda x: la.norm(x, ord), (np.zeros(3),), (np.ones(3),))[1] == 0


@pytest.mark.parametrize("ord", [None, "fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf])
def test_the_derivative_of_a_matrix_norm_at_0_is_0(ord):
    assert not grad(lambda x: la.norm(x, ord))(np.zeros((3, 2))).any()
    assert jvp(lambda x: la.norm(x, ord), (np.zeros((3, 2)),), (np.ones((3, 2)),))[1] == 0


def test_ties_of_norms_share():
    close(grad(lambda x: la.norm(x, np.inf))(np.array([2.0, -2.0, 1.0])), [0.5, -0.5, 0])
    close(grad(lambda x: la.norm(x, 2))(np.eye(2)), np.eye(2) / 2)
    close(grad(lambda x: la.norm(x, 1))(np.array([[1.0, 2.0], [-3.0, 2.0]])), [[0.5, 0.5], [-0.5, 0.5]])
    close(grad(lambda x: la.norm(x, 0.5))(np.array([4.0, 0.0])), [1, 0])


# Complex numbers: dL = Re(g·dx)

LOSSES = {
    "inv": lambda a: la.inv(a),
    "solve": lambda a: la.solve(a, a @ a + 1),
    "det": lambda a: la.det(a),
    "det of a larger one": lambda a: la.det(np.kron(np.eye(2), a)),
    "slogdet": lambda a: la.slogdet(a)[0] * la.slogdet(a)[1],
    "pinv": lambda a: la.pinv(a[:, :2]),
    "pinv, wide": lambda a: la.pinv(a[:2]),
    "pinv, rank 1": lambda a: la.pinv(np.outer(a[0], a[1]), rcond=1e-10),
    "lstsq": lambda a: la.lstsq(a[:, :2], a[:, 2])[1],
    "eigvals": lambda a: la.eigvals(a),
    "eig": lambda a: np.abs(la.eig(a)[1]) ** 2,
    "eigvalsh": lambda a: la.eigvalsh(a),
    "eigvalsh, upper": lambda a: la.eigvalsh(a, UPLO="U"),
    "eigh": lambda a: np.abs(la.eigh(a)[1]) ** 2,
    "svdvals": lambda a: la.svdvals(a[:2]),
    "svd": lambda a: np.abs(la.svd(a)[0]) ** 2 + np.abs(la.svd(a)[2]) ** 2,
    "svd, polar": lambda a: (y := la.svd(a[:, :2], full_matrices=False))[0] @ y[2],
    "svd, hermitian": lambda a: np.abs(la.svd(a, hermitian=True)[2]) ** 2,
    "qr": lambda a: np.concatenate(la.qr(a)),
    "qr, wide": lambda a: la.qr(a[:2])[1],
    "qr, complete": lambda a: np.abs(la.qr(a[:, :2], mode="complete")[0]),
    "cholesky": lambda a: la.cholesky(a @ np.conj(a.mT) + np.eye(3)),
    "cholesky, of one triangle": lambda a: la.cholesky(a + 20 * np.eye(3)),
    "cholesky, upper": lambda a: la.cholesky(a + 20 * np.eye(3), upper=True),
    "norm, nuc": lambda a: la.norm(a, "nuc"),
    "norm, 3": lambda a: la.norm(a, 3, axis=0),
    "cond": lambda a: la.cond(a),
    "matrix_power": lambda a: la.matrix_power(a, -3),
    "einsum": lambda a: np.einsum("ii,ij->j", a, a),
    "vecdot": lambda a: np.vecdot(a, a.T + 1),
    "vecmat": lambda a: np.vecmat(a[0], a),
    "vdot": lambda a: np.vdot(a, a.T),
    "kron": lambda a: np.kron(a, np.conj(a)),
}


@pytest.mark.parametrize("name", LOSSES)
def test_complex_matrices(name, rng):
    f = LOSSES[name]
    a, t, u = (rng.standard_normal((3, 3)) + 1j * rng.standard_normal((3, 3)) for _ in range(3))
    a = a + np.diag([1.0, 3.0, 6.0])
    close(f(Tensor(a)).data, f(a), rtol=1e-12, atol=1e-13)
    weight = rng.standard_normal(np.shape(f(a))) + 1j * rng.standard_normal(np.shape(f(a)))

    def loss(x):
        return np.sum(np.real(weight * f(x)))

    def central(g, h=1e-4):
        coarse, fine = ((g(a + s * t) - g(a - s * t)) / (2 * s) for s in (h, h / 2))
        return (4 * fine - coarse) / 3

    slope = np.sum(grad(loss)(a) * t).real
    close(slope, central(loss), rtol=1e-7, atol=1e-8)
    close(jvp(loss, (a,), (t,))[1], slope, rtol=1e-9, atol=1e-9)
    _, second = jvp(lambda x: np.sum(np.real(grad(loss)(x) * u)), (a,), (t,))
    close(second, central(lambda x: np.sum(grad(loss)(x) * u).real), rtol=1e-6, atol=1e-7)


def test_real_matrices_with_complex_eigenvalues(rng):
    a = np.array([[0.0, -2.0], [1.0, 0.5]])
    result = la.eig(leaf(a))
    assert result.eigenvalues.dtype == result.eigenvectors.dtype == complex
    assert la.eigvals(leaf(np.diag([1.0, 2.0]))).dtype == float
    assert grad(lambda x: np.sum(np.abs(la.eigvals(x))))(a).dtype == float
    f = compile(grad(lambda x: np.sum(np.abs(la.eigvals(x.astype(complex))))))
    close(f(a), grad(lambda x: np.sum(np.abs(la.eigvals(x))))(a), atol=1e-12)


# Shapes, dtypes, operands


@pytest.mark.parametrize("shape", [(0, 0), (0, 3, 3), (2, 0, 0)])
@pytest.mark.parametrize(
    "name", ["inv", "det", "eigvalsh", "eigh", "svdvals", "qr", "cholesky", "slogdet", "pinv"]
)
def test_empty_matrices(name, shape):
    f = getattr(la, name)
    whole = f if name not in ("eigh", "qr", "slogdet") else joined(f)
    a = np.zeros(shape)
    out, pullback = vjp(whole, a)
    assert out.shape == whole(a).shape
    assert pullback(np.ones_like(out))[0].shape == shape
    assert jvp(whole, (a,), (a,))[1].shape == out.shape


@pytest.mark.parametrize("subscripts", ["ij,jk->ik", "ij,kj", "ij,ij->"])
def test_einsum_of_empty_arrays(subscripts):
    a, b = np.zeros((2, 0)), np.zeros((0, 3) if subscripts == "ij,jk->ik" else (2, 0))
    y, pullback = vjp(lambda *x: np.einsum(subscripts, *x), a, b)
    assert y.shape == np.einsum(subscripts, a, b).shape
    assert [g.shape for g in pullback(np.ones_like(y))] == [a.shape, b.shape]


NAMES = {
    "eigh": ("eigenvalues", "eigenvectors"), "eig": ("eigenvalues", "eigenvectors"), "qr": ("Q", "R"),
    "svd": ("U", "S", "Vh"), "slogdet": ("sign", "logabsdet"),
}  # fmt: skip


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex64, np.int64])
@pytest.mark.parametrize("name", NAMES)
def test_several_results_have_numpys_names_dtypes_and_shapes(name, dtype):
    a = np.array([[[4, 1], [1, 3]], [[2, 0], [1, 5]], [[1, 2], [2, 9]]], dtype)
    ours, numpys = getattr(la, name)(Tensor(a)), getattr(la, name)(a)
    assert ours._fields == NAMES[name]
    for field in NAMES[name]:
        x, y = getattr(ours, field), getattr(numpys, field)
        assert (x.shape, x.dtype) == (y.shape, y.dtype)
        close(x.data, y, rtol=1e-5, atol=1e-6)


def test_strided_views_and_integers(rng):
    base = rng.standard_normal((6, 8))
    view = base[::-2, 1:7:2].T
    view.flags.writeable = False
    check_derivatives(lambda x: la.inv(x) @ x.T, view)
    check_derivatives(lambda x: np.einsum("ij,kj->ik", x, x), np.asfortranarray(view))
    whole = np.arange(6).reshape(2, 3)
    y = np.einsum("ij->j", Tensor(whole))
    assert y.dtype == whole.dtype
    assert y.data.tolist() == [3, 5, 7]
    assert la.inv(Tensor(np.array([[2, 0], [0, 4]]))).data.tolist() == [[0.5, 0], [0, 0.25]]


def test_arrays_and_tensors_in_any_mixture(rng):
    a, b = rng.standard_normal((3, 3)) + 3 * np.eye(3), rng.standard_normal(3)
    for f in (la.solve, lambda a, b: la.lstsq(a, b)[0], np.kron, np.matvec, lambda a, b: np.vecmat(b, a),
              lambda a, b: la.multi_dot([a, b]), lambda a, b: la.cross(a, b),
              lambda a, b: np.einsum("ij,j", a, b)):  # fmt: skip
        close(f(leaf(a), b).data, f(a, b), rtol=1e-12, atol=1e-12)
        close(f(a, leaf(b)).data, f(a, b), rtol=1e-12, atol=1e-12)


def test_vectors_of_the_plane():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # NumPy's, for lengths of 2
        check_derivatives(lambda a, b: np.cross(a, b), np.array([[1.0, 2.0]]), np.array([3.0, 5.0]))
        check_derivatives(lambda a: np.cross(a, np.array([1.0, 2.0, 3.0])), np.array([4.0, 1.0]))


@pytest.mark.parametrize("how", [{}, {"rcond": 1e-3}, {"rtol": None}, {"rtol": 1e-3}, {"hermitian": True},
                                 {"rcond": np.array(1e-3)}])  # fmt: skip
def test_tolerances_of_pinv_are_numpys(how):
    for small in (1e-4, 8e-16, 5e-16):  # NumPy's default is 1e-15; that of rtol=None is 3ε = 6.7e-16
        a = np.diag([1.0, 0.5, small])
        close(la.pinv(leaf(a), **how).data, la.pinv(a, **how), rtol=1e-12)


@pytest.mark.parametrize("rcond", [None, -1, 1e-3])
def test_tolerances_of_lstsq_are_numpys(rcond):
    for small in (1e-4, 8e-16, 5e-16, 1e-16):
        a = np.concatenate([np.diag([1.0, 0.5, small]), np.zeros((1, 3))])
        ours, numpys = la.lstsq(leaf(a), np.ones(4), rcond), la.lstsq(a, np.ones(4), rcond)
        assert ours[2] == numpys[2]
        for x, y in zip(ours[:2], numpys[:2], strict=True):
            close(x if isinstance(x, np.ndarray) else x.data, y, rtol=1e-12, atol=1e-14)


def test_constants():
    a = leaf(np.diag([1.0, 2.0, 0.0]))
    rank = la.matrix_rank(a)
    assert (rank.item(), rank.requires_grad) == (2, False)
    assert la.matrix_rank(a, tol=1.5).item() == 1
    assert np.einsum_path("ij,jk", a, a)[0] == ["einsum_path", (0, 1)]


def test_norm_of_the_short_orders_is_still_one_node():
    x = leaf(np.ones((2, 3)))
    for y in (la.norm(x), la.norm(x, "fro"), la.norm(x, 2, axis=0)):
        assert y.op.name == "norm"
        assert y.inputs[0] is x


def test_einsum_is_planned_once_and_keeps_to_two_operands():
    a, b, c = (leaf(np.ones(s)) for s in ((2, 3), (3, 4), (4, 2)))
    y = np.einsum("ij,jk,kl->il", a, b, c)
    assert y.op is einsum_op
    assert len(y.inputs) == 2
    assert np.einsum("ij,jk->ik", a, b).inputs == (a, b)


# einsum: any subscripts


@st.composite
def sums(draw):
    """Subscripts and arrays of their shapes."""
    letters = "abcd"
    lengths = {c: draw(st.integers(1, 3)) for c in letters}
    terms = draw(st.lists(st.text(letters, max_size=3), min_size=1, max_size=3))
    used = sorted(set("".join(terms)))
    out = draw(st.permutations(used).map("".join))
    out = out[: draw(st.integers(0, len(out)))] if draw(st.booleans()) else None
    shapes = [tuple(lengths[c] for c in term) for term in terms]
    return ",".join(terms) + ("" if out is None else f"->{out}"), shapes, draw(st.integers(0, 9))


@settings(max_examples=60, deadline=None)
@given(sums())
def test_einsum_has_numpys_value_and_its_modes_agree(drawn):
    subscripts, shapes, seed = drawn
    rng = np.random.default_rng(seed)
    xs, ts = ([np.asarray(rng.standard_normal(s)) for s in shapes] for _ in range(2))

    def f(*x):
        return np.einsum(subscripts, *x)

    y, pullback = vjp(f, *xs)
    close(y, f(*xs), rtol=1e-12, atol=1e-13)
    g = np.asarray(rng.standard_normal(y.shape))
    pulled = sum(np.sum(a * t) for a, t in zip(pullback(g), ts, strict=True))
    tangent = sum(f(*(t if j == i else x for j, x in enumerate(xs))) for i, t in enumerate(ts))
    close(jvp(f, xs, ts)[1], tangent, rtol=1e-11, atol=1e-12)
    close(pulled, np.sum(g * tangent), rtol=1e-11, atol=1e-11)


# Errors

a23, a33 = np.ones((2, 3)), np.eye(3)
ERRORS = {
    r"np\.linalg\.inv needs square matrices .*, got shape \(2, 3\)": lambda: la.inv(leaf(a23)),
    r"np\.linalg\.det needs square": lambda: la.det(leaf(np.ones(3))),
    r"np\.linalg\.eigh needs square": lambda: la.eigh(leaf(a23)),
    r"np\.linalg\.svd needs matrices": lambda: la.svd(leaf(np.ones(3))),
    r"UPLO=\.\.\.\) must be 'L' or 'U', got 'X'": lambda: la.eigh(leaf(a33), UPLO="X"),
    r"qr\(mode=\.\.\.\) must be .*, got 'raw'": lambda: la.qr(leaf(a33), "raw"),
    r"norm\(ord='nuc'\) is for matrices": lambda: la.norm(leaf(np.ones(3)), "nuc"),
    r"norm\(ord=3\) of a matrix must be": lambda: la.norm(leaf(a33), 3),
    r"needs one axis \(a vector\) or two": lambda: la.norm(leaf(np.ones((2, 2, 2))), 1),
    r"np\.einsum\(dtype=.*with \.astype": lambda: np.einsum("ij", leaf(a33), dtype=np.float32),
    r"axes have numbers from 0 to 51, got 60": lambda: np.einsum(leaf(a33), [0, 60]),
    r"np\.einsum\('ij,jk'\) of shapes \(3, 3\): ": lambda: np.einsum("ij,jk", leaf(a33)),
    r"np\.einsum\('ijk'\) of shapes \(3, 3\): ": lambda: np.einsum("ijk", leaf(a33)),
    r"np\.linalg\.lstsq needs a \(m, n\)": lambda: la.lstsq(leaf(a33), np.ones(2)),
    r"tensorinv\(ind=\.\.\.\) must be positive": lambda: la.tensorinv(leaf(a33), ind=0),
    r"np\.linalg\.tensorsolve\(a, b, axes=None\)": lambda: la.tensorsolve(leaf(a23), np.ones(2)),
    r"as b, got shapes \(2, 2\) and \(1,\)": lambda: la.tensorsolve(leaf(np.ones((2, 2))), np.ones(1)),
    r"^np\.linalg\.solve.* shapes \(2, 2\) and \(3,\)": lambda: la.solve(leaf(np.eye(2)), np.ones(3)),
    r"^np\.linalg\.solve.* shapes \(2, 2\) and \(\)": lambda: la.solve(leaf(np.eye(2)), 1.0),
    r"np\.linalg\.multi_dot needs at least two arrays, got 1": lambda: la.multi_dot([leaf(a33)]),
    r"multi_dot needs matrices, and vectors only at the ends": lambda: la.multi_dot([leaf(a33), a33[0], a33]),
    r"takes rcond= or rtol=": lambda: la.pinv(leaf(a33), 1e-3, rtol=1e-3),
    r"np\.linalg\.outer needs two vectors": lambda: la.outer(leaf(a33), a33),
    r"np\.linalg\.cross\(axis=-1\) needs vectors of length 3": lambda: la.cross(leaf(a23.T), a23.T),
    r"np\.cross needs vectors of length 3": lambda: np.cross(leaf(np.ones(4)), np.ones(4)),
    r"np\.vecdot\(axis=-1\) needs one length": lambda: np.vecdot(leaf(np.ones(3)), np.ones(4)),
    r"np\.linalg\.trace\(dtype=\.\.\.\)": lambda: la.trace(leaf(a33), dtype=int),
    r"matrix_transpose needs at least two axes": lambda: la.matrix_transpose(leaf(np.ones(3))),
}  # fmt: skip


@pytest.mark.parametrize("says", ERRORS)
def test_a_bad_call_names_itself(says):
    with pytest.raises((ValueError, TypeError, la.LinAlgError), match=says):
        ERRORS[says]()


# PyTorch


@pytest.mark.oracle
@pytest.mark.parametrize("dtype", [np.float64, np.complex128])
@pytest.mark.parametrize(
    "name",
    ["inv", "det", "slogdet", "eigvalsh", "eigh", "eigvals", "eig", "svdvals", "svd", "qr", "cholesky",
     "pinv", "matrix_power", "solve", "lstsq", "norm nuc", "norm 2", "norm 3", "cond", "einsum"],
)  # fmt: skip
def test_gradients_are_torchs(name, dtype, rng):
    torch = pytest.importorskip("torch")
    tl = torch.linalg
    a = rng.standard_normal((2, 3, 3)).astype(dtype) + np.diag([1.0, 3.0, 6.0])
    if dtype == np.complex128:
        a = a + 1j * rng.standard_normal((2, 3, 3))

    def herm(x):
        return x + x.conj().swapaxes(-1, -2) if isinstance(x, torch.Tensor) else x + np.conj(x.mT)

    functions = {
        "inv": lambda lib, x: lib.inv(x),
        "det": lambda lib, x: lib.det(x),
        "slogdet": lambda lib, x: lib.slogdet(x)[1],
        "eigvalsh": lambda lib, x: lib.eigvalsh(herm(x)),
        "eigh": lambda lib, x: abs(lib.eigh(herm(x))[1]) ** 2,
        "eigvals": lambda lib, x: abs(lib.eigvals(x)) ** 2,
        "eig": lambda lib, x: abs(lib.eig(x)[1]) ** 2,
        "svdvals": lambda lib, x: lib.svdvals(x),
        "svd": lambda lib, x: abs(lib.svd(x)[0]) ** 2 + abs(lib.svd(x)[2]) ** 2,
        "qr": lambda lib, x: abs(lib.qr(x)[0] + 2 * lib.qr(x)[1]) ** 2,
        "cholesky": lambda lib, x: abs(lib.cholesky(herm(x) @ herm(x))) ** 2,
        "pinv": lambda lib, x: abs(lib.pinv(x[..., :2])) ** 2,
        "matrix_power": lambda lib, x: abs(lib.matrix_power(x, -2)) ** 2,
        "solve": lambda lib, x: abs(lib.solve(x, x @ x)) ** 2,
        "lstsq": lambda lib, x: abs(lib.lstsq(x[0][:, :2], x[1])[0]) ** 2,
        "norm nuc": lambda lib, x: lib.norm(x, "nuc", (-2, -1)),
        "norm 2": lambda lib, x: lib.norm(x, 2, (-2, -1)),
        "norm 3": lambda lib, x: lib.norm(x, 3, -1),
        "cond": lambda lib, x: lib.cond(x),
        "einsum": lambda lib, x: abs((np if lib is la else torch).einsum("aij,bjk,aki->ab", x, x, x)) ** 2,
    }
    f = functions[name]
    x = torch.tensor(a, requires_grad=True)
    y = f(tl, x)
    y = y.abs() ** 2 if y.is_complex() else y
    weights = rng.standard_normal(tuple(y.shape))
    (y * torch.tensor(weights)).sum().backward()

    def ours(z):
        value = f(la, z)
        return np.sum((np.abs(value) ** 2 if value.dtype.kind == "c" else value) * weights)

    # torch's gradient is the conjugate of ours
    close(grad(ours)(a), np.conj(x.grad.numpy()), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("g", [0.0, 2.0, np.inf, np.nan])
@pytest.mark.parametrize(
    "x", [[0, 3, -4], [0, 3e-200, 4e-200], [0, 3e200, 4e200], [0, 5e-324], [0, 0], [0, np.inf]]
)
def test_only_a_zero_cotangent_of_a_norm_wins(x, g):
    x = np.array(x, float)
    y, pullback = vjp(la.norm, x)
    with np.errstate(all="ignore"):
        unit = np.zeros_like(x) if y == 0 else x / y
        expected = np.where(g == 0, 0, g * unit)
    close(pullback(np.array(g))[0], expected, rtol=1e-15)


@pytest.mark.parametrize("reps", [0, 1, True, np.int64(2), (2, 2), 16, 17])
def test_a_vector_is_tiled_as_by_numpy(reps):
    x = np.arange(3.0)
    y = np.tile(leaf(x), reps)
    assert np.array_equal(y.data, np.tile(x, reps))
    assert grad(lambda x: np.sum(np.tile(x, reps)))(x).tolist() == [np.prod(reps)] * 3
