"""Rows of sums and spreads with options, of quantiles, and of averages."""

import numpy as np

from tests.minigrad.rows.drawn import drawing

r = drawing(33)

MASK = np.array([[True, False, True], [True, True, True]])
HOLES = np.array([[0.0, np.nan, 0.0], [0.0, 0.0, np.nan]])
STEPS = ("linear", "lower", "higher", "nearest", "midpoint", "hazen", "weibull", "interpolated_inverted_cdf",
         "median_unbiased", "normal_unbiased")  # fmt: skip


def quantile(method):
    return lambda x: np.quantile(x, [0.12, 0.4, 1.0], axis=0, method=method)


TABLE = [
    ("sum, where and initial", lambda x: np.sum(x, axis=1, where=MASK, initial=2.0), r(2, 3)),
    ("sum, live initial", lambda x, a: np.sum(x, initial=a), r(2, 3), r()),
    ("prod, where and initial", lambda x: np.prod(x, axis=1, where=MASK, initial=2.0), r(2, 3)),
    ("max, where", lambda x: np.max(x, axis=1, where=MASK, initial=-3.0), r(2, 3)),
    ("min, initial", lambda x: np.min(x, axis=0, initial=-0.1, keepdims=True), r(4, 3)),
    ("maximum.reduce, initial", lambda x: np.maximum.reduce(x, initial=0.1), r(2, 3)),
    ("mean, where", lambda x: np.mean(x, axis=1, where=MASK, keepdims=True), r(2, 3)),
    ("var, where", lambda x: np.var(x, axis=1, where=MASK, correction=1), r(2, 3)),
    ("var, mean", lambda x: np.var(x, axis=1, mean=np.mean(x, axis=1, keepdims=True)), r(2, 3)),
    ("std, where", lambda x: np.std(x, axis=1, where=MASK), r(2, 3)),
    ("var, complex", lambda x, y: np.var(x + 1j * y, axis=0), r(3, 2), r(3, 2)),
    ("std, complex", lambda x, y: np.std(x + 1j * y, axis=0), r(3, 2), r(3, 2)),
    ("nansum", lambda x: np.nansum(x + HOLES, axis=0), r(2, 3)),
    ("nanprod", lambda x: np.nanprod(x + HOLES, axis=1), r(2, 3)),
    ("nanmean", lambda x: np.nanmean(x + HOLES, axis=1), r(2, 3)),
    ("nanvar", lambda x: np.nanvar(x + HOLES, axis=1, ddof=1), r(2, 3)),
    ("nanstd", lambda x: np.nanstd(x + HOLES), r(2, 3)),
    ("nanmax", lambda x: np.nanmax(x + HOLES, axis=1), r(2, 3)),
    ("nanmin", lambda x: np.nanmin(x + HOLES, axis=1, keepdims=True), r(2, 3)),
    ("ptp", lambda x: np.ptp(x, axis=-1, keepdims=True), r(2, 3)),
    *((f"quantile, {method}", quantile(method), r(5, 2)) for method in STEPS),
    ("quantile, of three axes", lambda x: np.quantile(x, [0.2, 0.7], axis=1), r(2, 3, 2)),
    ("quantile, live q", np.quantile, r(4, 2), r(2, low=0.1, high=0.9)),
    ("percentile", lambda x: np.percentile(x, 30, axis=(0, -1), keepdims=True), r(2, 3, 2)),
    ("median", np.median, r(2, 3)),
    ("median, axis", lambda x: np.median(x, axis=1, keepdims=True), r(2, 3)),
    ("nanmedian", lambda x: np.nanmedian(x + HOLES, axis=1), r(2, 3)),
    ("nanpercentile", lambda x: np.nanpercentile(x + HOLES, 40, axis=1), r(2, 3)),
    ("nanquantile", lambda x: np.nanquantile(x + HOLES, [0.3, 0.7], method="hazen"), r(2, 3)),
    ("average", lambda x, w: np.average(x, weights=w), r(2, 3), r(2, 3, low=0.2)),
    ("average, axis", lambda x, w: np.average(x, 1, w, keepdims=True), r(2, 3), r(3, low=0.2)),
    ("average, returned", lambda x, w: np.prod(np.stack(np.average(x, 0, w, True))), r(2, 3), r(2, low=0.2)),
    ("cov", np.cov, r(2, 4)),
    ("cov, two", lambda x, y: np.cov(x, y, rowvar=False, bias=True), r(4, 2), r(4)),
    ("cov, weights", lambda x, w: np.cov(x, fweights=[1, 2, 1], aweights=w), r(2, 3), r(3, low=0.2)),
    ("cov, 0-d", lambda x: np.cov(x, aweights=np.array([1.0, 2.0, 0.5]), ddof=0), r(3)),
    ("corrcoef", lambda x: np.corrcoef(x)[0, 1:], r(3, 5)),
]
