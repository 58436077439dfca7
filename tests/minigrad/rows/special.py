"""Rows of special functions, by the names of `minigrad.special`."""

import numpy as np

from minigrad import special
from tests.minigrad.rows.drawn import drawing

r = drawing(35)
B = np.array([1.0, -0.3, 0.0])

TABLE = [
    ("log_expit", special.log_expit, r(2, 3)),
    ("logit", special.logit, r(2, 3, low=0.05, high=0.95)),
    ("erf", special.erf, r(2, 3)),
    ("erfc", special.erfc, r(2, 3)),
    ("erfcx", special.erfcx, r(2, 3)),
    ("erfinv", special.erfinv, r(2, 3, low=-0.8, high=0.8)),
    ("erfcinv", special.erfcinv, r(2, 3, low=0.2, high=1.8)),
    ("ndtr", special.ndtr, r(2, 3)),
    ("ndtri", special.ndtri, r(2, 3, low=0.1, high=0.9)),
    ("log_ndtr", special.log_ndtr, r(2, 3, low=-4)),
    ("gamma", special.gamma, np.array([0.7, 1.4, 2.9, -0.4, -1.7])),
    ("gammaln", special.gammaln, np.array([0.7, 1.4, 2.9, -0.4, -1.7, 11.0])),
    ("digamma", special.digamma, np.array([0.7, 1.4, 2.9, -0.4, 11.0])),
    ("polygamma", lambda x: special.polygamma(2, x), np.array([0.7, 1.4, 2.9, -0.4, 11.0])),
    ("beta", special.beta, r(2, 3, low=0.5), r(3, low=0.5)),
    ("betaln", special.betaln, r(2, 3, low=0.5), np.array([0.6, 2.0, 15.0])),
    ("bessel_j", lambda x: special.bessel_j(x, n=2), r(3, high=3)),
    ("bessel_i", lambda x: special.bessel_i(x, n=1, scaled=True), r(3, low=0.2)),
    ("j0", special.j0, np.array([-1.3, 0.0, 0.6, 30.0])),
    ("j1", special.j1, np.array([-1.3, 0.0, 0.6, 30.0])),
    ("i0", special.i0, np.array([-1.3, 0.0, 0.6])),
    ("i1", special.i1, np.array([-1.3, 0.0, 0.6])),
    ("i0e", special.i0e, np.array([-1.3, 0.4, 40.0])),
    ("i1e", special.i1e, np.array([-1.3, 0.4, 40.0])),
    ("np.i0", np.i0, r(3)),
    ("xlogy", special.xlogy, r(2, 3), r(3, low=0.3)),
    ("xlog1py", special.xlog1py, r(2, 3), r(3, low=-0.7)),
    ("entr", special.entr, r(2, 3, low=0.2)),
    ("log_ratio", special.log_ratio, r(2, 3, low=0.2), r(3, low=0.2)),
    ("rel_entr", special.rel_entr, r(2, 3, low=0.2), r(3, low=0.2)),
    ("kl_div", special.kl_div, r(2, 3, low=0.2), r(3, low=0.2)),
    ("exprel", special.exprel, np.array([-5.0, -0.7, 0.0, 1e-9, 2.5])),
    ("boxcox", special.boxcox, r(2, 3, low=0.3), np.array([0.4, 1.0, -1.3])),
    ("boxcox, power 0", special.boxcox, r(3, low=0.3), np.zeros(1)),
    ("huber", special.huber, np.array([0.5, 1.0]), np.array([[0.2, -1.7], [-0.9, 0.3]])),
    ("pseudo_huber", special.pseudo_huber, r(3, low=0.3), r(2, 3)),
    ("exp10", special.exp10, r(3)),
    ("logsumexp, factors", lambda a, b: special.logsumexp(a, 0, b), r(3, 2), r(3, 1, low=0.3)),
    ("logsumexp, sign", lambda a: special.logsumexp(a, axis=1, b=B, return_sign=True)[0], r(2, 3)),
    ("special.log_softmax", lambda x: special.log_softmax(x, axis=(0, 1)), r(2, 3)),
    ("special.softmax", special.softmax, r(2, 3)),
]
