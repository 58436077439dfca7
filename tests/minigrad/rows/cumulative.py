"""Rows of running sums, products and extrema, and of the methods of ufuncs."""

import numpy as np

from minigrad.ops.cumulative import sum_in_runs
from tests.minigrad.rows.drawn import drawing

r = drawing(31)

FLAT = np.array([1.0, 1.7, 0.4, 2.3, 0.2])
GAPS = np.array([0.5, np.nan, -1.2, 2.0])

RUNS = np.array([0, 0, 1, 1, 1])

TABLE = [
    ("cumsum", np.cumsum, r(2, 3)),
    ("cumsum, axis", lambda x: np.cumsum(x, axis=0), r(2, 3)),
    ("cumsum, 0-d", np.cumsum, r()),
    ("cumprod", np.cumprod, r(2, 3)),
    ("cumprod, axis", lambda x: np.cumprod(x, axis=-2), r(3, 2)),
    ("cumprod, zeros", np.cumprod, np.array([2.0, 0.0, 3.0, 0.0, 4.0])),
    ("nancumsum", lambda x: np.nancumsum(np.where(np.isnan(GAPS), GAPS, x)), r(4)),
    ("nancumprod", lambda x: np.nancumprod(np.where(np.isnan(GAPS), GAPS, x)), r(4)),
    ("cumulative_sum", lambda x: np.cumulative_sum(x, axis=1, include_initial=True), r(2, 3)),
    ("cumulative_prod", lambda x: np.cumulative_prod(x, include_initial=True), r(3)),
    ("add.accumulate", lambda x: np.add.accumulate(x, axis=1), r(2, 3)),
    ("multiply.accumulate", np.multiply.accumulate, r(3, 2)),
    ("maximum.accumulate", np.maximum.accumulate, FLAT),
    ("minimum.accumulate", lambda x: np.minimum.accumulate(x, axis=-1), r(2, 4)),
    ("sums in runs", lambda x: sum_in_runs(x, RUNS, axis=-1, backwards=False), r(2, 5)),
    ("logaddexp.accumulate", np.logaddexp.accumulate, r(4)),
    ("logaddexp2.accumulate", np.logaddexp2.accumulate, r(4)),
    ("subtract.accumulate", lambda x: np.subtract.accumulate(x, axis=1), r(2, 3)),
    ("logaddexp.reduce", np.logaddexp.reduce, r(3, 2)),
    ("divide.reduce", lambda x: np.divide.reduce(x, axis=1, keepdims=True), r(2, 3, low=0.5)),
    ("add.reduceat", lambda x: np.add.reduceat(x, [0, 3, 1, 4], axis=1), r(2, 5)),
    ("multiply.reduceat", lambda x: np.multiply.reduceat(x, [1, 2]), r(4, 2)),
    ("multiply.outer", np.multiply.outer, r(2, 3), r(2)),
    ("subtract.outer", lambda a: np.subtract.outer(np.ones(2), a), r(3)),
]
