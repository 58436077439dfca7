"""Common parts of several test files: functions with known minima, parameters, and counters of the work done.

Test files import it as `tests.problems`, which pytest's `pythonpath` makes possible without a package.
"""

import math

import numpy as np

from minigrad import Tensor

# Parameters


def leaf(values, dtype=np.float64, name=None):
    return Tensor(np.array(values, dtype), requires_grad=True, name=name)


# Functions of one vector


def rosenbrock(x):
    """In any number of dimensions; the minimum is 0 at (1, …, 1)."""
    return (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()


def beale(x):
    """The minimum is 0 at (3, ½)."""
    return sum((c - x[0] * (1 - x[1] ** k)) ** 2 for k, c in ((1, 1.5), (2, 2.25), (3, 2.625)))


def wood(x):
    """The minimum is 0 at (1, 1, 1, 1)."""
    return (
        100 * (x[1] - x[0] ** 2) ** 2
        + (1 - x[0]) ** 2
        + 90 * (x[3] - x[2] ** 2) ** 2
        + (1 - x[2]) ** 2
        + 10 * (x[1] + x[3] - 2) ** 2
        + 0.1 * (x[1] - x[3]) ** 2
    )


def wells(Q, lam, center=0.0):
    """½Σλu² + ¼Σu⁴ of u = Q(x − center): where a λ < 0, a saddle at the center and minima at u = ±√−λ.

    The value at the minima is −¼Σλ² over the negative λ.
    """

    def f(x):
        u = Q @ (x - center)
        return 0.5 * (lam * u**2).sum() + 0.25 * (u**4).sum()

    return f


def rotation(rng, n):
    """A random orthogonal matrix."""
    return np.linalg.qr(rng.normal(size=(n, n)))[0]


# Counters


def counting(gradient_and_hvp, calls):
    """`gradient_and_hvp`, which counts its calls in the Counter `calls` as "gradients"; products as below."""

    def counted(loss, leaves):
        calls["gradients"] += 1
        gradient, product = gradient_and_hvp(loss, leaves)
        return gradient, counting_products(product, calls)

    return counted


def counting_products(product, calls):
    """`product`, which counts its vectors in `calls` as "products", and as "batch" the most of one call."""

    def counted(vectors, lead=()):
        calls["products"] += math.prod(lead)
        calls["batch"] = max(calls["batch"], math.prod(lead))
        return product(vectors, lead=lead)

    return counted
