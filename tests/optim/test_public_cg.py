"""`cg` and `lanczos` on arrays, lists and trees, against NumPy's dense solvers; what is refused, and why they
stop."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import optim
from minigrad import Tensor, grad, gradient_and_hvp, linearize
from tests.problems import leaf, rotation

FORMS = {
    "an array": np.zeros(6),
    "a matrix": np.zeros((2, 3)),
    "whole numbers": np.zeros(6, int),
    "a Tensor": Tensor(np.zeros((3, 2))),
    "numbers": [0.0] * 6,
    "a list": [np.zeros((2, 2)), np.zeros(1), np.zeros(())],
    "parameters": [leaf(np.zeros((1, 4))), leaf(np.zeros(2))],
    "a tree": {"W": np.zeros((2, 2)), "b": (np.zeros(1), [np.zeros(1)])},
    "named": [("W", leaf(np.zeros((2, 2)))), ("b", leaf(np.zeros(2)))],
}  # fmt: skip
forms = st.sampled_from(sorted(FORMS))
seeds = st.integers(0, 2**32 - 1)
many = settings(max_examples=60, deadline=None, derandomize=True)


def leaves(tree):
    if isinstance(tree, dict):
        tree = list(tree.values())
    return [a for part in tree for a in leaves(part)] if isinstance(tree, list | tuple) else [tree]


def flat(tree):
    return np.concatenate([np.ravel(a) for a in leaves(tree)])


def filled(like, values):
    """`like` with other numbers; named pairs become a dict, and Tensors and numbers arrays."""
    values = iter(values)

    def fill(part):
        if isinstance(part, list) and part and isinstance(part[0], tuple):
            part = dict(part)
        if isinstance(part, dict):
            return {name: fill(a) for name, a in part.items()}
        if isinstance(part, list | tuple):
            return type(part)(map(fill, part))
        shape = np.shape(part)
        return np.array([next(values) for _ in range(math.prod(shape))]).reshape(shape)

    return fill(np.zeros(6) if like is FORMS["numbers"] else like)


def times(H, seen=None):
    """The product with H on trees of any form; it notes the shapes that it was given."""

    def hv(v):
        if seen is not None:
            seen.append([a.shape for a in leaves(v)])
        return filled(v, H @ flat(v))

    return hv


def matrix(seed, negative=0):
    rng = np.random.default_rng(seed)
    values = 10 ** rng.uniform(-1, 1, 6)
    values[:negative] *= -1
    Q = rotation(rng, 6)
    H = (Q * values) @ Q.T
    return 0.5 * (H + H.T), rng.normal(size=6)


@many
@given(seeds, forms)
def test_cg_solves_what_numpy_solves_in_the_form_of_b(seed, name):
    H, b = matrix(seed)
    given = filled(FORMS[name], b)
    seen = []
    result = optim.cg(times(H, seen), given, tolerance=1e-10)
    np.testing.assert_allclose(flat(result.x), np.linalg.solve(H, b), rtol=1e-7, atol=1e-8)
    shapes = [a.shape for a in leaves(given)]
    assert seen == [shapes] * result.products
    assert [a.shape for a in leaves(result.x)] == shapes
    assert type(result.x) is type(given)
    assert (result.success, result.why) == (True, "converged")
    assert len(result.residuals) == result.iterations + 1 <= 13
    assert result.residuals[0] == pytest.approx(np.linalg.norm(b))
    assert result.residuals[-1] <= 1e-10 * np.linalg.norm(b) * (1 + 1e-9)
    assert result.smallest_curvature >= np.linalg.eigvalsh(H)[0] * (1 - 1e-9)


@many
@given(seeds, forms)
def test_a_preconditioner_is_a_diagonal_or_a_function_in_the_form_of_b(seed, name):
    H, b = matrix(seed)
    D = np.diag(10.0 ** np.arange(6))
    A, like = D @ H @ D, FORMS[name]
    M = filled(like, np.diag(A))
    solves = [M, lambda r: filled(r, flat(r) / np.diag(A))]
    found = [optim.cg(times(A), filled(like, b), preconditioner=m, tolerance=1e-9) for m in solves]
    for result in found:
        assert result.success
        assert np.linalg.norm(A @ flat(result.x) - b) <= 1e-5 * np.linalg.norm(b)
        np.testing.assert_array_equal(flat(result.x), flat(found[0].x))
    assert optim.cg(times(A), filled(like, b), max_iterations=found[0].iterations).why == "iterations"


@many
@given(seeds, forms, st.floats(1e-3, 1e3), st.integers(0, 2))
def test_a_radius_is_kept_and_tells_where_cg_ended(seed, name, radius, negative):
    H, b = matrix(seed, negative)
    result = optim.cg(times(H), filled(FORMS[name], b), radius=radius)
    x = flat(result.x)
    size = np.linalg.norm(x)
    assert size <= radius * (1 + 1e-9)
    assert result.residuals[-1] == pytest.approx(np.linalg.norm(b - H @ x), rel=1e-6, abs=1e-9)
    assert result.success == (result.why == "converged")
    if not result.success:
        assert result.why in ("boundary", "negative curvature")
        assert size == pytest.approx(radius, rel=1e-9)


def test_without_a_radius_cg_stops_before_negative_curvature():
    for seed in range(20):
        H, b = matrix(seed, negative=1)
        result = optim.cg(times(H), b)
        assert (result.success, result.why) == (False, "negative curvature")
        assert result.smallest_curvature < 0
        assert np.isfinite(result.x).all()
        assert result.residuals[-1] == pytest.approx(np.linalg.norm(b - H @ result.x))
        assert result.products == result.iterations + 1


def test_cg_in_any_units_and_for_zero():
    H, b = matrix(0)
    one = optim.cg(times(H), b)
    for scale in (2.0**-900, 2.0**900):
        other = optim.cg(times(H), scale * b)
        np.testing.assert_array_equal(other.x, scale * one.x)
    nothing = optim.cg(times(H), np.zeros(6))
    assert (nothing.x == 0).all()
    assert (nothing.success, nothing.products, nothing.residuals) == (True, 0, [0.0])
    one = optim.cg(times(H), b.astype(np.float32))
    assert one.x.dtype == np.float32


def test_newtons_step_for_a_list_of_parameters():
    rng = np.random.default_rng(0)
    ps = [leaf(rng.normal(size=(2, 3))), leaf(rng.normal(size=2))]
    X = rng.normal(size=(20, 3))

    def closure():
        return np.sum(np.logaddexp(0, X @ ps[0].T + ps[1])) + 0.5 * sum(np.sum(p * p) for p in ps)

    closure().backward()
    product = gradient_and_hvp(closure(), ps)[1]
    step = optim.cg(product, [p.grad for p in ps], tolerance=1e-10)
    for image, p in zip(product(step.x), ps):
        np.testing.assert_allclose(image, p.grad, rtol=1e-8, atol=1e-8)


def test_a_product_of_linearize_may_return_tensors_or_tuples():
    f = lambda v: np.sum(v["a"] ** 2) + 3 * np.sum(v["b"] ** 2)  # noqa: E731
    x = {"a": np.ones(2), "b": np.ones((1, 2))}
    product = linearize(grad(f), x)[1]
    found = optim.cg(product, x).x
    np.testing.assert_allclose(flat(found), [1 / 2, 1 / 2, 1 / 6, 1 / 6])
    found = optim.cg(lambda v: (Tensor(2 * v[0]), 4 * v[1]), [np.ones(1), np.ones(2)]).x
    np.testing.assert_allclose(flat(found), [0.5, 0.25, 0.25])


@many
@given(seeds, forms)
def test_lanczos_gives_numpys_eigenvalues_and_vectors_in_the_form_it_was_given(seed, name):
    H, start = matrix(seed, negative=2)
    seen = []
    run = optim.lanczos(times(H, seen), FORMS[name], 6, start=filled(FORMS[name], start))
    λ, U = np.linalg.eigh(H)
    shapes = [a.shape for a in leaves(filled(FORMS[name], start))]
    assert seen == [shapes] * 6
    np.testing.assert_allclose(run.ritz()[0], λ, atol=1e-11)
    vectors = run.vectors()
    assert [a.shape for a in leaves(vectors)] == [(6, *shape) for shape in shapes]
    rows = np.concatenate([a.reshape(6, -1) for a in leaves(vectors)], axis=1)
    np.testing.assert_allclose(np.abs(np.sum(rows.T * U, axis=0)), 1, atol=1e-6)
    top = filled_rows(FORMS[name], rows[-2:])
    rest = optim.lanczos(times(H), FORMS[name], 9, orthogonal_to=top)
    np.testing.assert_allclose(rest.ritz()[0], λ[:-2], atol=1e-9)


def filled_rows(like, rows):
    parts = [filled(like, row) for row in rows]
    stacks = iter([np.stack(group) for group in zip(*map(leaves, parts))])

    def fill(part):
        if isinstance(part, dict):
            return {name: fill(a) for name, a in part.items()}
        return type(part)(map(fill, part)) if isinstance(part, list | tuple) else next(stacks)

    return fill(parts[0])


def test_lanczos_is_the_same_each_time_and_for_a_dimension():
    H, _ = matrix(1)
    runs = [optim.lanczos(times(H), like, 3) for like in (6, np.zeros(6), 6)]
    for one, other in itertools.pairwise(runs):
        np.testing.assert_array_equal(one.basis, other.basis)
    assert runs[0].vectors().shape == (3, 6)


def skew(v):
    return np.array([[1.0, 2.0], [0.0, 1.0]]) @ v


def random_product(v):
    return np.random.default_rng(int(1e6 * abs(v[0]))).uniform(1, 3, 2) * v


def two():
    return [np.ones(2), np.ones(1)]


BAD = {
    "asymmetric": (skew, np.array([1.0, 0.5]), ValueError, "must be symmetric.*uᵀHv"),
    "random": (random_product, np.ones(2), ValueError, "must be symmetric.*random numbers"),
    "arrays in another order": (lambda v: v[::-1], two(), ValueError, r"Hv must be.*\(2,\), got \(1,\)"),
    "too few arrays": (lambda v: v[:1], two(), ValueError, "2 in a list, got 1 of them"),
    "an array for a list": (lambda v: v[0], two(), ValueError, "2 in a list, got ndarray"),
    "other names": (lambda v: {"x": v["w"]}, {"w": np.ones(1)}, ValueError, r"dict of \['w'\], got \['x'\]"),
    "another length": (lambda v: v[:1], np.ones(2), ValueError, r"\(2,\), got \(1,\)"),
    "None": (lambda v: None, np.ones(2), ValueError, "must be real numbers"),
    "complex": (lambda v: 1j * v, np.ones(2), ValueError, "got complex128"),
    "NaN": (lambda v: [v[0] * np.nan, v[1]], two(), FloatingPointError, "product 1 must be finite, got nan"),
    "NaN in an array": (lambda v: v * np.nan, np.ones(2), FloatingPointError, "product 1 must be finite"),
    "a masked product": (lambda v: np.ma.array(v), np.ones(2), TypeError, "MaskedArray"),
    "a matrix": (np.eye(2), np.ones(2), TypeError, "hv must be a function"),
    "words": (lambda v: v, np.array(["a"]), TypeError, "must hold real numbers, got <U1"),
    "complex form": (lambda v: v, [np.ones(2), np.ones(2) * 1j], TypeError, "real numbers, got complex128"),
    "nothing": (lambda v: v, [], ValueError, r"at least one number, got \[\]"),
    "empty arrays": (lambda v: v, [np.zeros(0)], ValueError, "at least one number"),
    "masked": (lambda v: v, np.ma.ones(2), TypeError, "MaskedArray"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
@pytest.mark.parametrize("call", ["cg", "lanczos"])
def test_what_is_refused_names_the_call(case, call):
    hv, like, error, message = BAD[case]
    with pytest.raises(error, match=rf"`{call}\(hv.*{message}"):
        optim.cg(hv, like) if call == "cg" else optim.lanczos(hv, like, 3)


BAD_OPTIONS = {
    "tolerance": ({"tolerance": -1.0}, ValueError, r"cg\(tolerance=...\)` must be a finite number ≥ 0"),
    "iterations": ({"max_iterations": 0}, ValueError, r"cg\(max_iterations=...\)` must be.*got 0"),
    "radius": ({"radius": 0.0}, ValueError, r"cg\(radius=...\)` must be a number > 0"),
    "diagonal < 0": ({"preconditioner": [-np.ones(2), np.ones(1)]}, ValueError, "of positive numbers"),
    "diagonal of another form": ({"preconditioner": np.ones(3)}, ValueError, "2 in a list"),
    "diagonal of other shapes": ({"preconditioner": [np.ones(1), np.ones(1)]}, ValueError,
        r"`cg\(preconditioner=...\)` must be real numbers of shape \(2,\), got \(1,\)"),
    "negative function": ({"preconditioner": lambda r: [-a for a in r]}, ValueError, "positive definite"),
    "null function": ({"preconditioner": lambda r: [0 * a for a in r]}, ValueError, "positive definite"),
    "function of another form": ({"preconditioner": lambda r: r[0]}, ValueError, "2 in a list"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_OPTIONS)
def test_bad_options_of_cg(case):
    options, error, message = BAD_OPTIONS[case]
    with pytest.raises(error, match=message):
        optim.cg(lambda v: [2 * a for a in v], two(), **options)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_b_that_is_not_finite_or_products_too_large_to_square(bad):
    with pytest.raises(FloatingPointError, match=f"b must be finite, got {bad}"):
        optim.cg(lambda v: v, [np.ones(1), np.array([1.0, bad])])
    with pytest.raises(
        FloatingPointError, match=r"product 1 must be less than 1e154, got an entry of 1.0e\+200"
    ):
        optim.cg(lambda v: 1e200 * v, np.ones(2))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_rounding_is_no_asymmetry(dtype):
    rng = np.random.default_rng(0)
    H = rng.normal(size=(200, 200)) / 14
    H = (H @ H.T).astype(dtype)
    assert H.dtype == dtype
    optim.lanczos(lambda v: (H @ v).astype(dtype), np.zeros(200, dtype), 60)
    low = (H[:, :3] @ H[:3]).astype(dtype)  # of rank 3; the rest of the run sees rounding only
    low = np.maximum(low, low.T)
    optim.lanczos(lambda v: low @ v, np.zeros(200, dtype), 60)
