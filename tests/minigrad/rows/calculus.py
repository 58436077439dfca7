"""Rows of differences, slopes, integrals, interpolation, convolutions and polynomials."""

import numpy as np

from tests.minigrad.rows.drawn import drawing

r = drawing(36)

KNOTS = np.array([-1.0, 0.2, 0.9, 2.0])
PLACES = np.array([[-1.7, -0.3, 0.5], [1.3, 1.9, 2.4]])
TURNED = np.array([2.3, 0.4, 1.1])

TABLE = [
    ("diff", np.diff, r(2, 4)),
    ("diff, options", lambda x, a: np.diff(x, 2, axis=0, prepend=0.5, append=a), r(3, 2), r(1, 2)),
    ("ediff1d", lambda x, a: np.ediff1d(x, to_begin=a, to_end=[1.0, 2.0]), r(2, 2), r(2)),
    ("gradient", lambda x: np.gradient(x, 0.3), r(5)),
    ("gradient, two axes", lambda x: np.gradient(x, 0.3, KNOTS, edge_order=2)[1], r(3, 4)),
    ("gradient, first axis", lambda x, h: np.gradient(x, h, axis=0, edge_order=2), r(4, 2), r(low=0.5)),
    ("gradient, coordinates", lambda f, x: np.gradient(f, np.cumsum(x)), r(5), r(5, low=0.3)),
    (
        "gradient, coordinates, 2",
        lambda f, x: np.gradient(f, np.cumsum(x), edge_order=2),
        r(4),
        r(4, low=0.3),
    ),
    ("trapezoid", np.trapezoid, r(2, 4)),
    ("trapezoid, x", lambda y, x: np.trapezoid(y, x, axis=0), r(3, 2), r(3)),
    ("trapezoid, x of all", lambda y, x: np.trapezoid(y, x), r(2, 3), r(2, 3)),
    ("trapezoid, dx", lambda y, h: np.trapezoid(y, dx=h), r(4), r()),
    ("interp", np.interp, PLACES, KNOTS, r(4)),
    ("interp, ends", lambda x, f: np.interp(x, KNOTS, f, left=-3.0, right=4.0), PLACES, r(4)),
    ("interp, period", lambda x, xp, f: np.interp(x, xp, f, period=3.0), PLACES, TURNED, r(3)),
    ("convolve", np.convolve, r(4), r(3)),
    ("convolve, same", lambda a, v: np.convolve(a, v, "same"), r(2), r(5)),
    ("convolve, valid", lambda a, v: np.convolve(a, v, mode="valid"), r(5), r(2)),
    ("correlate", np.correlate, r(5), r(3)),
    ("correlate, full", lambda a, v: np.correlate(a, v, "full"), r(2), r(3)),
    ("correlate, same", lambda a, v: np.correlate(a, v, "same"), r(3), r(4)),
    ("vander", lambda x: np.vander(x, 4), r(3)),
    ("vander, increasing", lambda x: np.vander(x, increasing=True), r(3)),
    ("polyval", np.polyval, r(4), r(2, 2)),
    ("polyadd", np.polyadd, r(2), r(4)),
    ("polysub", np.polysub, r(2), r(4)),
    ("polymul", np.polymul, r(2), r(3)),
    ("polyder", lambda p: np.polyder(p, 2), r(5)),
    ("polyint", lambda p, k: np.polyint(p, 2, k), r(3), r(2)),
    ("poly", np.poly, r(3)),
]
