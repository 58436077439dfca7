"""Datasets: the numbers are the published ones, the generators match their equations, and no row is lost or
doubled."""

import ast
import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from models import datasets
from models.datasets import (
    Dataset,
    batches,
    blobs,
    breast_cancer,
    chebyshev,
    circles,
    diabetes,
    digits,
    iris,
    moons,
    one_hot,
    spirals,
    standardize,
    train_test_split,
    wine,
    xor,
)

# rows of each class (None: not classes), sum of all inputs, SHA-256 of X then y as little-endian bytes
REAL = [
    (digits, (1797, 64), [178, 182, 177, 183, 181, 182, 181, 179, 174, 180], 561718.0, "f6d9e39f37dc45d3"),
    (iris, (150, 4), [50, 50, 50], 2078.7, "aa06b8008ceba42e"),
    (wine, (178, 13), [59, 71, 48], 159975.295999, "3a28849ef2366c4b"),
    (breast_cancer, (569, 30), [212, 357], 1056474.4596356, "25e2eb7b7a8745b1"),
    (diabetes, (442, 10), None, 276404.2336, "e9c1f7559552854a"),
]
PLANAR = [moons, circles, spirals, blobs, xor]


def name(case):
    return getattr(case, "__name__", None)


# Real data


@pytest.mark.parametrize(("load", "shape", "counts", "total", "checksum"), REAL, ids=name)
def test_real_data_are_the_published_numbers(load, shape, counts, total, checksum):
    data = load()
    assert data.X.shape == shape
    assert data.X.dtype == np.float64
    assert data.y.dtype == (np.float64 if counts is None else np.int64)
    assert len(data.feature_names) == len(set(data.feature_names)) == shape[1]
    if counts is not None:
        assert np.bincount(data.y).tolist() == counts
        assert len(data.target_names) == len(counts)
    assert data.X.sum() == pytest.approx(total, rel=1e-12)
    raw = data.X.astype("<f8").tobytes() + data.y.astype("<f8" if counts is None else "<i8").tobytes()
    assert hashlib.sha256(raw).hexdigest().startswith(checksum)


@pytest.mark.parametrize("load", [case[0] for case in REAL], ids=name)
def test_real_data_equal_those_of_scikit_learn(load):
    theirs = pytest.importorskip("sklearn.datasets")
    theirs = getattr(theirs, f"load_{load.__name__}")(**({"scaled": False} if load is diabetes else {}))
    ours = load()
    np.testing.assert_array_equal(ours.X, theirs.data)
    np.testing.assert_array_equal(ours.y, theirs.target)
    assert ours.feature_names == tuple(theirs.feature_names)
    if load is not diabetes:
        assert ours.target_names == tuple(map(str, theirs.target_names))


def test_facts_from_the_papers():
    assert digits().X.min() == 0
    assert digits().X.max() == 16
    np.testing.assert_allclose(iris().X.mean(axis=0), [5.8433, 3.0573, 3.758, 1.1993], atol=5e-5)
    # where the UCI file errs
    assert iris().X[[34, 37]].tolist() == [[4.9, 3.1, 1.5, 0.2], [4.9, 3.6, 1.4, 0.1]]
    assert wine().X[:, wine().feature_names.index("proline")].max() == 1680
    assert breast_cancer().target_names[breast_cancer().y[0]] == "malignant"
    assert diabetes().y.mean() == pytest.approx(152.133, abs=5e-4)
    assert set(diabetes().X[:, 1]) == {1, 2}


@pytest.mark.parametrize("make", [*(case[0] for case in REAL), *PLANAR, chebyshev], ids=name)
def test_arrays_are_the_callers_own_and_complete(make):
    first = make()
    assert first.X.flags.writeable
    assert first.X.base is None or first.X.base.flags.owndata
    assert not np.shares_memory(first.X, make().X)
    before = make()
    first.X[:] = -1
    first.y[:] = -1
    np.testing.assert_array_equal(make().X, before.X)
    np.testing.assert_array_equal(make().y, before.y)
    assert before.description
    assert before.source
    assert len(before.feature_names) == before.X.shape[1]
    assert np.isfinite(before.X).all()


def test_nothing_is_read_at_import():
    code = (
        "import sys; opened = []; sys.addaudithook(lambda e, a: opened.append(str(a[0])) if e == 'open' else "
        "None)\n"
        "from models.datasets import iris; assert not [f for f in opened if f.endswith('.csv.gz')], opened\n"
        "iris(); assert len([f for f in opened if f.endswith('.csv.gz')]) == 1"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_only_numpy_the_standard_library_and_entry_are_imported():
    files = sorted(Path(datasets.__file__).parent.glob("*.py"))
    nodes = [node for file in files for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))]
    modules = {a.name for node in nodes if isinstance(node, ast.Import) for a in node.names}
    names = {(node.module, a.name) for node in nodes if isinstance(node, ast.ImportFrom) for a in node.names}
    modules |= {module for module, name in names if (module, name) != ("minigrad.extend", "entry")}
    ours = {f"models.datasets.{file.stem}" for file in files}
    assert {m.split(".")[0] for m in modules - ours} <= {"numpy", *sys.stdlib_module_names}


def test_readme_names_every_file_with_its_size_and_licence():
    folder = Path(datasets.__file__).parents[1] / "data"
    text = (folder / "README.md").read_text(encoding="utf-8")
    assert sorted(p.name for p in folder.glob("*.csv.gz")) == sorted(
        f"{load.__name__}.csv.gz" for load, *_ in REAL
    )
    for load, (rows, columns), *_ in REAL:
        line = next(line for line in text.splitlines() if f"`{load.__name__}.csv.gz`" in line)
        assert f"| {rows} | {columns} |" in line
        doi = load().source.split("https://doi.org/")
        assert len(doi) == 1 or doi[1] in text
    assert text.count("Licence:") == len(REAL)


# Generators


@pytest.mark.parametrize("make", PLANAR, ids=name)
def test_randomness_comes_from_rng_alone(make):
    kwargs = {"std": 0.3} if make is blobs else {"noise": 0.3}
    data = make(30, rng=5, **kwargs)
    np.random.seed(1)  # noqa: NPY002 - the global state must neither matter nor move
    state = np.random.get_state()[1].tolist()  # noqa: NPY002
    again = make(30, rng=np.random.default_rng(5), **kwargs)
    assert np.random.get_state()[1].tolist() == state  # noqa: NPY002
    np.testing.assert_array_equal(data.X, again.X)
    np.testing.assert_array_equal(data.y, again.y)
    np.testing.assert_array_equal(make(30, **kwargs).X, make(30, rng=0, **kwargs).X)
    assert (make(30, rng=6, **kwargs).X != data.X).any()
    generator = np.random.default_rng(5)
    assert (make(30, rng=generator, **kwargs).X != make(30, rng=generator, **kwargs).X).any()


@pytest.mark.parametrize("make", PLANAR, ids=name)
def test_noise_is_normal_on_every_coordinate(make):
    noise = {"std" if make is blobs else "noise": 0.3}
    still = {"std" if make is blobs else "noise": 0.0}
    difference = make(4000, rng=3, **noise).X - make(4000, rng=3, **still).X
    assert difference.mean(axis=0) == pytest.approx([0, 0], abs=0.02)
    assert difference.std(axis=0) == pytest.approx([0.3, 0.3], rel=0.05)
    assert abs(np.corrcoef(difference.T)[0, 1]) < 0.05


@pytest.mark.parametrize("make", [moons, circles, spirals, blobs], ids=name)
def test_rows_are_in_random_order(make):
    changes = np.count_nonzero(np.diff(make(300).y))
    assert changes > 100  # sorted classes would change once or twice


def rows(X, y):
    table = np.column_stack([y, X]).round(12) + 0.0
    return table[np.lexsort(table.T[::-1])]


@pytest.mark.parametrize("n", [2, 3, 10, 101])
@pytest.mark.parametrize(
    ("ours", "theirs", "kwargs"), [(moons, "make_moons", {}), (circles, "make_circles", {"factor": 0.7})]
)
def test_points_are_those_of_scikit_learn(ours, theirs, kwargs, n):
    generators = pytest.importorskip("sklearn.datasets")
    data = ours(n, noise=0, **kwargs)
    np.testing.assert_array_equal(
        rows(data.X, data.y), rows(*getattr(generators, theirs)(n, shuffle=False, **kwargs))
    )


def test_moons_lie_on_two_half_circles():
    data = moons(101, noise=0)
    upper, lower = data.X[data.y == 0], data.X[data.y == 1]
    assert (len(upper), len(lower)) == (50, 51)
    np.testing.assert_allclose(np.hypot(*upper.T), 1)
    np.testing.assert_allclose(np.hypot(*(lower - [1, 0.5]).T), 1)
    assert upper[:, 1].min() > -1e-9
    assert lower[:, 1].max() < 0.5 + 1e-9


@pytest.mark.parametrize("factor", [0.2, 0.9])
def test_circles_have_radii_one_and_factor(factor):
    data = circles(40, noise=0, factor=factor)
    np.testing.assert_allclose(np.hypot(*data.X.T), np.where(data.y == 0, 1, factor))
    np.testing.assert_allclose(data.X[data.y == 0].mean(axis=0), 0, atol=1e-12)


@pytest.mark.parametrize(("classes", "turns"), [(1, 1.0), (2, 1.5), (3, 0.75), (5, 0.2)])
def test_spirals_follow_their_equation(classes, turns):
    data = spirals(20 * classes + 1, classes, turns, noise=0)
    t = np.hypot(*data.X.T)
    expected = 2 * np.pi * (turns * t + data.y / classes)
    off = np.angle(np.exp(1j * (np.arctan2(data.X[:, 1], data.X[:, 0]) - expected)))
    np.testing.assert_allclose(off, 0, atol=1e-9)
    assert t.max() == pytest.approx(1)
    assert t.min() == pytest.approx(1 / 21)
    assert np.bincount(data.y).tolist() == [21] + [20] * (classes - 1)


def test_blobs_are_around_their_centers():
    centers = np.array([[0, 0, 9], [5, 5, 5], [-3, 0, 0], [1, 2, 3.0]])
    data = blobs(4002, centers, std=0.5)
    assert np.bincount(data.y).tolist() == [1001, 1001, 1000, 1000]
    for c, center in enumerate(centers):
        cloud = data.X[data.y == c]
        np.testing.assert_allclose(cloud.mean(axis=0), center, atol=0.07)
        np.testing.assert_allclose(np.cov(cloud.T), 0.25 * np.eye(3), atol=0.05)


def test_blobs_draw_their_centers_from_the_box():
    data = blobs(3000, 1000, features=4, std=0, box=2.0)
    centers = np.array([data.X[data.y == c][0] for c in range(1000)])
    assert centers.shape == (1000, 4)
    assert np.abs(centers).max() <= 2
    assert np.abs(centers).max() > 1.9
    assert centers.std(axis=0) == pytest.approx([2 / np.sqrt(3)] * 4, rel=0.1)
    assert (blobs(9, rng=1, std=0).X[0] != blobs(9, rng=2, std=0).X[0]).any()


def test_blobs_draw_their_noise_from_rng_too():
    here = [[0.0, 0.0]]
    assert (blobs(9, here, rng=1).X != blobs(9, here, rng=2).X).all()


def test_xor_is_the_truth_table_over_and_over():
    data = xor(10)
    np.testing.assert_array_equal(data.X[:4], [[0, 0], [0, 1], [1, 0], [1, 1]])
    np.testing.assert_array_equal(data.X[4:8], data.X[:4])
    np.testing.assert_array_equal(data.y, [int(a) ^ int(b) for a, b in data.X])
    assert data.y.dtype == np.int64


@pytest.mark.parametrize("k", [0, 1, 2, 6, 31])
def test_chebyshev_is_cos_k_arccos(k):
    data = chebyshev(k, 41)
    np.testing.assert_array_equal(data.X, np.linspace(-1, 1, 41)[:, None])
    np.testing.assert_allclose(data.y, np.cos(k * np.arccos(data.X[:, 0])), atol=1e-12)


# Splitting


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    n=st.integers(2, 60),
    test_size=st.floats(0.01, 0.99),
    seed=st.integers(0, 99),
    classes=st.integers(1, 5),
    stratify=st.booleans(),
)
def test_split_keeps_every_row_once_and_together(n, test_size, seed, classes, stratify):
    X, y = np.arange(3 * n).reshape(n, 3), np.random.default_rng(seed).integers(0, classes, n)
    n_test = round(test_size * n)
    if not 0 < n_test < n:
        with pytest.raises(ValueError, match=r"must leave a row on each side"):
            train_test_split((X, y), test_size, seed, stratify)
        return
    train, test = train_test_split((X, y), test_size, seed, stratify)
    assert len(test[0]) == len(test[1]) == n_test
    both = np.concatenate([train[0], test[0]])
    np.testing.assert_array_equal(both[np.argsort(both[:, 0])], X)
    for part, labels in (train, test):
        np.testing.assert_array_equal(labels, y[part[:, 0] // 3])
    if stratify:
        share = np.bincount(y, minlength=classes) * n_test / n
        assert (np.abs(np.bincount(test[1], minlength=classes) - share) < 1).all()


def test_split_of_a_dataset_gives_datasets_and_is_shuffled():
    data = iris()
    train, test = train_test_split(data, 0.3, rng=1)
    assert (train.X.shape, test.X.shape) == ((105, 4), (45, 4))
    assert train.feature_names == test.feature_names == data.feature_names
    assert train.target_names == data.target_names
    for side in (train, test):
        assert np.count_nonzero(np.diff(side.y)) > len(side.y) / 3
        assert not np.shares_memory(side.X, data.X)
    pairs = train_test_split((data.X, data.y), 0.3, rng=1)
    np.testing.assert_array_equal(pairs[1][0], test.X)
    assert (train_test_split(data, 0.3, rng=2)[1].X != test.X).any()
    np.testing.assert_array_equal(train_test_split(data, 0.3, rng=np.random.default_rng(1))[1].X, test.X)


def test_stratified_split_is_still_random_and_shuffled():
    data = digits()
    train, test = train_test_split(data, 0.25, stratify=True)
    assert len(test.y) == 449
    np.testing.assert_allclose(np.bincount(test.y), np.bincount(data.y) / 4, atol=1)
    assert np.count_nonzero(np.diff(test.y)) > 300
    assert np.count_nonzero(np.diff(train.y)) > 900
    assert (train_test_split(data, 0.25, rng=1, stratify=True)[1].X != test.X).any()


# Batches


@settings(max_examples=60, deadline=None, derandomize=True)
@given(n=st.integers(1, 40), size=st.integers(1, 50), seed=st.none() | st.integers(0, 9), drop=st.booleans())
def test_batches_have_every_row_exactly_once(n, size, seed, drop):
    X, y = np.arange(2 * n).reshape(n, 2), np.arange(n)
    if drop and size > n:
        with pytest.raises(ValueError, match="at most the"):
            batches(X, y, batch_size=size, rng=seed, drop_last=drop)
        return
    got = list(batches(X, y, batch_size=size, rng=seed, drop_last=drop))
    full, rest = divmod(n, size)
    assert [len(b[1]) for b in got] == [size] * full + [rest] * (rest > 0 and not drop)
    seen = np.concatenate([b[1] for b in got])
    assert len(set(seen.tolist())) == len(seen) == (full * size if drop else n)
    np.testing.assert_array_equal(np.concatenate([b[0] for b in got]), X[seen])
    if seed is None:
        np.testing.assert_array_equal(seen, np.arange(len(seen)))


def test_batches_shuffle_with_rng_anew_each_pass_of_a_generator():
    def pass_over(rng):
        return np.concatenate([b for (b,) in batches(np.arange(100), batch_size=7, rng=rng)]).tolist()

    generator = np.random.default_rng(4)
    first, second = pass_over(generator), pass_over(generator)
    assert first != second
    assert first != list(range(100))
    assert pass_over(4) == pass_over(4) == first


def test_batches_are_copies():
    X = np.zeros(4)
    for (b,) in batches(X, batch_size=2):
        b += 1
    assert not X.any()


# Scaling and encoding


def test_standardize_uses_the_statistics_of_train_alone():
    train, test = train_test_split(wine())
    (a, b), (mean, scale) = standardize(train.X, test.X)
    np.testing.assert_allclose(a.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(a.std(axis=0), 1)
    np.testing.assert_allclose(mean, train.X.mean(axis=0))
    np.testing.assert_allclose(scale, train.X.std(axis=0))
    np.testing.assert_allclose(b * scale + mean, test.X)
    assert abs(b.mean(axis=0)).max() > 0.01
    (y,), _ = standardize(diabetes().y)
    assert y.shape == (442,)
    assert y.std() == pytest.approx(1)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    hnp.arrays(
        np.float64, hnp.array_shapes(min_dims=1, max_dims=3, max_side=6), elements=st.floats(-1e6, 1e6)
    ),
    st.floats(-1e6, 1e6),
)
def test_standardize_is_finite_and_bounded(x, constant):
    (a, b), (_, scale) = standardize(x, np.full((2, *x.shape[1:]), constant))
    assert np.isfinite(a).all()
    assert np.isfinite(b).all()
    assert (scale > 0).all()
    assert np.abs(a).max() <= np.sqrt(len(x)) * (1 + 1e-9) or (scale == 1).any()
    c, _ = standardize(np.full_like(x, constant))
    assert not c[0].any()


@pytest.mark.parametrize("value", [0.1, 1 / 3, 1e-300, 1e17 + 2])
@pytest.mark.parametrize("n", [1, 3, 7, 1000])
def test_constant_columns_become_exactly_zero(value, n):
    (a, b), scaling = standardize(np.full((n, 2), value), [[value, value + 1]])
    assert not a.any()
    assert b[0, 0] == 0
    assert scaling.scale.tolist() == [1, 1]
    assert scaling.mean.tolist() == [value, value]


def test_columns_whose_variance_underflows_stay_finite():
    (a,), _ = standardize([[0.0], [1e-200]])
    assert np.isfinite(a).all()


def test_digits_have_constant_pixels_and_scale_without_nan():
    (X,), scaling = standardize(digits().X)
    assert np.isfinite(X).all()
    assert np.count_nonzero(~X.any(axis=0)) == 3
    assert (scaling.scale[~X.any(axis=0)] == 1).all()


@pytest.mark.parametrize(
    ("dtype", "out"), [(np.float32, np.float32), (np.float64, np.float64), (np.int32, np.float64)]
)
def test_standardize_keeps_floating_dtypes(dtype, out):
    (a,), _ = standardize(np.arange(6).reshape(3, 2).astype(dtype))
    assert a.dtype == out
    np.testing.assert_allclose(a[:, 0], [-np.sqrt(1.5), 0, np.sqrt(1.5)], rtol=1e-6)


def test_standardize_leaves_its_arguments_alone():
    x = np.arange(6.0).reshape(3, 2)
    standardize(x, x)
    np.testing.assert_array_equal(x, np.arange(6.0).reshape(3, 2))


@pytest.mark.parametrize("shape", [(), (5,), (2, 3), (0,)])
def test_one_hot_is_the_row_of_the_identity(shape):
    y = np.random.default_rng(0).integers(0, 4, shape)
    out = one_hot(y, 4)
    assert out.shape == (*shape, 4)
    assert out.dtype == np.float64
    np.testing.assert_array_equal(out, np.eye(4)[y])


# Errors: the call, the requirement, the value, the remedy

X5, Y4 = np.zeros((5, 2)), np.zeros(4, int)
ERRORS = [
    (lambda: moons(0), ValueError, r"`moons\(n=\.\.\.\)` must be at least 2, got 0\."),
    (lambda: moons(10.0), TypeError, r"`moons\(n=\.\.\.\)` must be an integer, got 10\.0"),
    (lambda: moons(True), TypeError, "must be an integer, got True"),
    (lambda: moons(10, -0.1), ValueError, r"`moons\(noise=\.\.\.\)` must be 0 or more and finite, got -0\.1"),
    (lambda: moons(10, np.nan), ValueError, "must be 0 or more and finite, got nan"),
    (lambda: moons(10, "a"), TypeError, "must be a real number, got 'a'"),
    (
        lambda: moons(rng=None),
        TypeError,
        r"`moons\(rng=\.\.\.\)` must be an int seed .* got None; pass rng=0",
    ),
    (lambda: moons(rng=-1), ValueError, "seed of 0 or more, got -1"),
    (lambda: circles(1), ValueError, r"`circles\(n=\.\.\.\)` must be at least 2, got 1"),
    (
        lambda: circles(factor=1),
        ValueError,
        r"`circles\(factor=\.\.\.\)` must be between 0 and 1, exclusive, got 1",
    ),
    (lambda: spirals(2, 3), ValueError, r"`spirals\(n=\.\.\.\)` must be at least 3, one row a class, got 2"),
    (lambda: spirals(classes=0), ValueError, r"`spirals\(classes=\.\.\.\)` must be at least 1, got 0"),
    (lambda: spirals(turns=0), ValueError, r"`spirals\(turns=\.\.\.\)` must be positive and finite, got 0"),
    (lambda: blobs(2), ValueError, r"`blobs\(n=\.\.\.\)` must be at least 3, one row a center, got 2"),
    (lambda: blobs(centers=0), ValueError, r"`blobs\(centers=\.\.\.\)` must be at least 1, got 0"),
    (
        lambda: blobs(centers=[1.0, 2.0]),
        ValueError,
        r"their number or an array \(k, features\), got shape \(2,\)",
    ),
    (lambda: blobs(features=0), ValueError, r"`blobs\(features=\.\.\.\)` must be at least 1, got 0"),
    (lambda: blobs(std=-1), ValueError, r"`blobs\(std=\.\.\.\)` must be 0 or more"),
    (lambda: blobs(box=-1), ValueError, r"`blobs\(box=\.\.\.\)` must be 0 or more"),
    (lambda: xor(0), ValueError, r"`xor\(n=\.\.\.\)` must be at least 1, got 0"),
    (lambda: xor(4, -1), ValueError, r"`xor\(noise=\.\.\.\)` must be 0 or more"),
    (lambda: chebyshev(-1), ValueError, r"`chebyshev\(k=\.\.\.\)` must be at least 0, got -1"),
    (lambda: chebyshev(2, 1), ValueError, r"`chebyshev\(n=\.\.\.\)` must be at least 2, got 1"),
    (lambda: Dataset(X5, Y4), ValueError, r"`Dataset\(X, y\)` needs arrays of one length, got 5, 4 rows"),
    (
        lambda: train_test_split(iris(), 0),
        ValueError,
        r"test_size=\.\.\.\)` must be between 0 and 1, exclusive, got 0\.",
    ),
    (lambda: train_test_split(iris(), 1.0), ValueError, "exclusive, got 1"),
    (lambda: train_test_split(iris(), 30), ValueError, "got 30; for that many of 150 rows write 30 / 150"),
    (lambda: train_test_split(iris(), np.nan), ValueError, "exclusive, got nan"),
    (
        lambda: train_test_split((X5,), 0.01),
        ValueError,
        "must leave a row on each side, got 0.01 of 5 rows: test is empty",
    ),
    (lambda: train_test_split((X5,), 0.99), ValueError, "got 0.99 of 5 rows: train is empty"),
    (
        lambda: train_test_split((X5, Y4)),
        ValueError,
        r"`train_test_split\(data\)` needs arrays of one length, got 5, 4 rows",
    ),
    (
        lambda: train_test_split(X5, Y4),
        TypeError,
        r"must be a Dataset or a tuple of arrays, got ndarray; pass `\(X, y\)`",
    ),
    (
        lambda: train_test_split((X5,), X5),
        TypeError,
        r"must be a fraction, got ndarray; pass arrays as `\(X, y\)`",
    ),
    (lambda: train_test_split(()), TypeError, "needs at least one array, got none"),
    (
        lambda: train_test_split(iris(), rng=None),
        TypeError,
        r"`train_test_split\(rng=\.\.\.\)` must be an int seed",
    ),
    (lambda: train_test_split(iris(), stratify=iris().y), TypeError, "must be True or False, got ndarray"),
    (
        lambda: train_test_split(diabetes(), stratify=True),
        TypeError,
        r"integer classes \(n,\) last, got float64 \(442,\)",
    ),
    (
        lambda: batches(X5, Y4, batch_size=2),
        ValueError,
        r"`batches\(\*arrays\)` needs arrays of one length, got 5, 4 rows",
    ),
    (
        lambda: batches(X5, batch_size=0),
        ValueError,
        r"`batches\(batch_size=\.\.\.\)` must be at least 1, got 0",
    ),
    (lambda: batches(X5, batch_size=2.0), TypeError, "must be an integer, got 2.0"),
    (
        lambda: batches(X5, batch_size=6, drop_last=True),
        ValueError,
        "at most the 5 rows with drop_last=True, got 6",
    ),
    (lambda: batches(X5, batch_size=2, rng="a"), TypeError, r"`batches\(rng=\.\.\.\)` must be an int seed"),
    (lambda: batches(batch_size=2), TypeError, "needs at least one array, got none"),
    (
        lambda: batches(iris(), batch_size=2),
        TypeError,
        "needs arrays with rows, got Dataset; of a Dataset pass X and y",
    ),
    (lambda: batches([], batch_size=2), ValueError, r"needs at least one row, got shape \(0,\)"),
    (
        lambda: standardize(X5, np.zeros((3, 1))),
        ValueError,
        r"others\[0\]\)` must have the columns of train, \(2,\), got shape",
    ),
    (
        lambda: standardize([[0.0], [np.nan]]),
        ValueError,
        r"`standardize\(train\)` must be finite, got nan at \(1, 0\); drop",
    ),
    (
        lambda: standardize(X5, [[0, np.inf]]),
        ValueError,
        r"others\[0\]\)` must be finite, got inf at \(0, 1\)",
    ),
    (lambda: standardize([["a"]]), TypeError, "must hold real numbers, got dtype <U1"),
    (lambda: standardize(np.zeros((0, 2))), ValueError, r"needs at least one row, got shape \(0, 2\)"),
    (lambda: one_hot([0, 3], 3), ValueError, r"`one_hot\(y, n=3\)` must have classes from 0 to 2, got 3"),
    (lambda: one_hot([-1], 3), ValueError, "classes from 0 to 2, got -1"),
    (lambda: one_hot([0.0], 3), TypeError, "must hold integers, got dtype float64"),
    (lambda: one_hot([0], 0), ValueError, r"`one_hot\(n=\.\.\.\)` must be at least 1, got 0"),
]


@pytest.mark.parametrize(("call", "error", "message"), ERRORS, ids=[message[:40] for *_, message in ERRORS])
def test_errors_say_what_to_do(call, error, message):
    with pytest.raises(error, match=message):
        call()  # `batches` too complains here, before its first batch


def test_numpy_integers_are_integers():
    n = np.int64(6)
    assert len(moons(n).y) == len(spirals(n, np.int64(2)).y) == len(chebyshev(np.int64(2), n).y) == 6
    assert len(list(batches(X5, batch_size=np.int64(2)))) == 3
