"""Rows of the rarer ufuncs, and of functions that choose elements or add constants."""

import numpy as np

from tests.minigrad.rows.drawn import drawing

r = drawing(32)

SIGNS = np.array([1.5, -0.5, -2.0])

TABLE = [
    ("degrees", np.degrees, r(3)),
    ("radians", np.radians, r(3)),
    ("copysign", lambda x: np.copysign(x, SIGNS) * x, r(2, 3)),
    ("nextafter", lambda x: np.nextafter(x, 9.0) * x, np.array([1.3, -0.7])),
    ("ldexp", lambda x: np.ldexp(x, np.array([2, -1, 0])), r(2, 3)),
    ("float_power", np.float_power, r(2, 3, low=0.3), r(3)),
    ("frexp", lambda x: np.frexp(x)[0] * x, np.array([1.3, 0.7, -5.1])),
    ("modf", lambda x: np.modf(x)[0] * np.modf(x)[1], np.array([1.3, 2.7, -5.1])),
    ("divmod", lambda a, b: np.divmod(a, b)[1] * a, np.array([5.3, -5.3]), np.array([2.1, 2.3])),
    ("bincount, weights", lambda w: np.bincount(np.array([0, 2, 2, 1]), w, minlength=4), r(4)),
    ("partition", lambda x: np.partition(x, 2, axis=0)[2], r(4, 2)),
    ("angle", lambda x, y: np.angle(x + 1j * y), r(3, low=0.3), r(3)),
    ("angle, degrees", lambda x, y: np.angle(x + 1j * y, deg=True), r(3, low=0.3), r(3)),
    ("unwrap", lambda x: np.unwrap(x, axis=0), np.array([[0.0, 4.0], [5.0, -3.0], [1.0, 2.0]])),
    ("nan_to_num", lambda x: np.nan_to_num(np.where(SIGNS > 0, x, -np.inf), neginf=-5.0) * x, r(3)),
]
