"""Five small real data sets. A file is read when its function is called; `models/data/README.md` gives the
source and licence of each."""

from __future__ import annotations

import gzip
from importlib import resources

import numpy as np

from models.datasets.dataset import Dataset

__all__ = ["breast_cancer", "diabetes", "digits", "iris", "wine"]


def digits() -> Dataset:
    """Handwritten digits: 1797 images of 8×8 pixels, each 0 … 16, in 10 classes.

    X: (1797, 64), the rows of an image one after the other, so `X[i].reshape(8, 8)` is the image. For a
    network, `X / 16` is scaled well enough.
    Source: E. Alpaydin and C. Kaynak (1998), the test part of the UCI set, https://doi.org/10.24432/C50P49.

    >>> digits().X[0].reshape(8, 8)[3].astype(int)
    array([ 0,  4, 12,  0,  0,  8,  8,  0])
    """
    return _load(
        "digits",
        classes=tuple("0123456789"),
        description="handwritten digits, 8×8 pixels of 0 … 16",
        source="E. Alpaydin, C. Kaynak (1998), UCI, https://doi.org/10.24432/C50P49",
    )


def iris() -> Dataset:
    """Iris flowers: 150 plants, 4 lengths in cm, 3 species of 50 plants each.

    X: (150, 4), between 0.1 and 7.9. A plane separates the first species from the others; none separates
    those two.
    Source: R. A. Fisher (1936), https://doi.org/10.24432/C56C76. Two rows that are wrong in the UCI copy have
    Fisher's values here.

    >>> iris().target_names
    ('setosa', 'versicolor', 'virginica')
    """
    return _load(
        "iris",
        classes=("setosa", "versicolor", "virginica"),
        description="iris flowers, 4 lengths in cm, 3 species",
        source="R. A. Fisher (1936), UCI, https://doi.org/10.24432/C56C76",
    )


def wine() -> Dataset:
    """Italian wines: 178 samples, 13 chemical measurements, 3 growers.

    X: (178, 13), columns from about 0.1 to 1680, so `standardize` first.
    Source: S. Aeberhard and M. Forina (1991), https://doi.org/10.24432/C5PC7J.

    >>> np.bincount(wine().y)
    array([59, 71, 48])
    """
    return _load(
        "wine",
        classes=("class_0", "class_1", "class_2"),
        description="wines, 13 chemical measurements, 3 growers",
        source="S. Aeberhard, M. Forina (1991), UCI, https://doi.org/10.24432/C5PC7J",
    )


def breast_cancer() -> Dataset:
    """Breast tumours: 569 patients, 30 shapes of cell nuclei in an image, malignant (0) or benign (1).

    X: (569, 30), columns from 0 to 4254, so `standardize` first.
    Source: W. Wolberg, O. Mangasarian, N. Street and W. Street (1995), https://doi.org/10.24432/C5DW2B.

    >>> np.bincount(breast_cancer().y)
    array([212, 357])
    """
    return _load(
        "breast_cancer",
        classes=("malignant", "benign"),
        description="breast tumours, 30 shapes of cell nuclei, malignant or benign",
        source="W. Wolberg, O. Mangasarian, N. Street, W. Street (1995), UCI, https://doi.org/10.24432/C5DW2B",
    )


def diabetes() -> Dataset:
    """Diabetes: 442 patients, 10 measurements in their own units, and the progression of the disease a year
    later.

    X: (442, 10), not scaled (scikit-learn's default is to scale), so `standardize` first.
    y: (442,), float64, 25 … 346.
    Source: B. Efron, T. Hastie, I. Johnstone and R. Tibshirani (2004), Least Angle Regression, Annals of
        Statistics 32.

    >>> diabetes().y[:3]
    array([151.,  75., 141.])
    """
    return _load(
        "diabetes",
        classes=None,
        description="diabetes patients, 10 measurements, progression of the disease after a year",
        source="B. Efron, T. Hastie, I. Johnstone, R. Tibshirani (2004), Annals of Statistics 32, 407–499",
    )


def _load(name: str, classes: tuple[str, ...] | None, description: str, source: str) -> Dataset:
    """Read `name`.csv.gz: a line of column names, then rows of numbers with the target in the last column."""
    path = resources.files("models.data").joinpath(f"{name}.csv.gz")
    header, *lines = gzip.decompress(path.read_bytes()).decode().splitlines()
    *features, target = header.split(",")
    table = np.loadtxt(lines, delimiter=",", ndmin=2)
    y = table[:, -1].astype(np.float64 if classes is None else np.int64)
    return Dataset(table[:, :-1].copy(), y, tuple(features), classes or (target,), description, source)
