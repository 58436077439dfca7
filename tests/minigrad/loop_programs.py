"""Some sixty programs written for NumPy that fill arrays by loops, each a function (np, x) of a vector.

Most are the test functions of Moré, Garbow and Hillstrom (ACM TOMS 7, 1981), written from their formulas;
the others are what textbooks of numerics write as loops. `np` is NumPy or `minigrad.numpy`. A program gives
a number or an array. Each is analytic at its point, so that the complex step tells its derivative.
"""

import numpy

PROGRAMS = {}


def program(*x):
    """Note a program with the point to run it at."""

    def note(f):
        PROGRAMS[f.__name__] = (f, numpy.array(x, float))
        return f

    return note


def squares(np, r):
    return np.sum(r * r)


# Least squares, small


@program(-1.2, 1.0, -0.8, 1.1)
def extended_rosenbrock(np, x):
    r = np.zeros(len(x))
    for i in range(0, len(x), 2):
        r[i] = 10 * (x[i + 1] - x[i] ** 2)
        r[i + 1] = 1 - x[i]
    return squares(np, r)


@program(3.0, -1.0, 0.5, 1.0)
def powell_singular(np, x):
    r = np.empty(4)
    r[0] = x[0] + 10 * x[1]
    r[1] = np.sqrt(5.0) * (x[2] - x[3])
    r[2] = (x[1] - 2 * x[2]) ** 2
    r[3] = np.sqrt(10.0) * (x[0] - x[3]) ** 2
    return squares(np, r)


@program(0.5, -2.0)
def freudenstein_roth(np, x):
    r = np.zeros(2)
    r[0] = -13 + x[0] + ((5 - x[1]) * x[1] - 2) * x[1]
    r[1] = -29 + x[0] + ((x[1] + 1) * x[1] - 14) * x[1]
    return squares(np, r)


@program(0.2, 1.3)
def powell_badly_scaled(np, x):
    r = np.zeros(2)
    r[0] = 1e4 * x[0] * x[1] - 1
    r[1] = np.exp(-x[0]) + np.exp(-x[1]) - 1.0001
    return squares(np, r)


@program(1.1, 0.9)
def brown_badly_scaled(np, x):
    return squares(np, np.array([x[0] - 1e3, x[1] - 2e-3, x[0] * x[1] - 2]))


@program(1.0, 0.8)
def beale(np, x):
    y = [1.5, 2.25, 2.625]
    r = np.zeros(3)
    for i in range(3):
        r[i] = y[i] - x[0] * (1 - x[1] ** (i + 1))
    return squares(np, r)


@program(0.3, 0.4)
def jennrich_sampson(np, x):
    r = np.zeros(10)
    for i in range(1, 11):
        r[i - 1] = 2 + 2 * i - (np.exp(i * x[0]) + np.exp(i * x[1]))
    return squares(np, r)


@program(0.9, 0.2, 0.3)
def helical_valley(np, x):
    theta = np.arctan(x[1] / x[0]) / (2 * np.pi)
    r = np.zeros(3)
    r[0] = 10 * (x[2] - 10 * theta)
    r[1] = 10 * (np.sqrt(x[0] ** 2 + x[1] ** 2) - 1)
    r[2] = x[2]
    return squares(np, r)


@program(1.0, 1.2, 0.9)
def bard(np, x):
    y = [0.14, 0.18, 0.22, 0.25, 0.29, 0.32, 0.35, 0.39, 0.37, 0.58, 0.73, 0.96, 1.34, 2.10, 4.39]
    r = np.zeros(15)
    for u in range(1, 16):
        v = 16 - u
        r[u - 1] = y[u - 1] - (x[0] + u / (v * x[1] + min(u, v) * x[2]))
    return squares(np, r)


@program(0.4, 1.0, 0.1)
def gaussian(np, x):
    half = [0.0009, 0.0044, 0.0175, 0.0540, 0.1295, 0.2420, 0.3521, 0.3989]
    y = half + half[-2::-1]
    r = np.zeros(15)
    for i in range(15):
        t = (7 - i) / 2
        r[i] = x[0] * np.exp(-x[1] * (t - x[2]) ** 2 / 2) - y[i]
    return squares(np, r)


@program(0.02, 4000.0, 250.0)
def meyer(np, x):
    y = [
        34780,
        28610,
        23650,
        19630,
        16370,
        13720,
        11540,
        9744,
        8261,
        7030,
        6005,
        5147,
        4427,
        3820,
        3307,
        2872,
    ]
    r = np.zeros(16)
    for i in range(16):
        r[i] = x[0] * np.exp(x[1] / (45 + 5 * (i + 1) + x[2])) - y[i]
    return squares(np, r) * 1e-8


@program(5.0, 2.5, 0.15)
def gulf(np, x):
    r = np.zeros(10)
    for i in range(1, 11):
        t = i / 100
        y = 25 + (-50 * np.log(t)) ** (2 / 3)
        r[i - 1] = np.exp(-((y - x[1]) ** x[2]) / x[0]) - t
    return squares(np, r)


@program(0.5, 10.0, 2.0)
def box_three_dimensional(np, x):
    r = np.zeros(8)
    for i in range(8):
        t = 0.1 * (i + 1)
        r[i] = np.exp(-t * x[0]) - np.exp(-t * x[1]) - x[2] * (np.exp(-t) - np.exp(-10 * t))
    return squares(np, r)


@program(0.25, 0.39, 0.41, 0.39)
def kowalik_osborne(np, x):
    y = [0.1957, 0.1947, 0.1735, 0.1600, 0.0844, 0.0627, 0.0456, 0.0342, 0.0323, 0.0235, 0.0246]
    u = [4, 2, 1, 0.5, 0.25, 0.167, 0.125, 0.1, 0.0833, 0.0714, 0.0625]
    r = np.zeros(11)
    for i in range(11):
        r[i] = y[i] - x[0] * (u[i] ** 2 + u[i] * x[1]) / (u[i] ** 2 + u[i] * x[2] + x[3])
    return squares(np, r)


@program(-3.0, -1.0, -2.5, -0.5)
def wood(np, x):
    r = np.zeros(6)
    r[::3] = [10 * (x[1] - x[0] ** 2), np.sqrt(90.0) * (x[3] - x[2] ** 2)]
    r[1] = 1 - x[0]
    r[2] = 1 - x[2]
    r[4] = np.sqrt(10.0) * (x[1] + x[3] - 2)
    r[5] = (x[1] - x[3]) / np.sqrt(10.0)
    return squares(np, r)


@program(2.5, 0.5, -0.5, -0.1)
def brown_dennis(np, x):
    r = np.zeros(12)
    for i in range(12):
        t = (i + 1) / 5
        r[i] = (x[0] + t * x[1] - np.exp(t)) ** 2
        r[i] += (x[2] + x[3] * np.sin(t) - np.cos(t)) ** 2
    return squares(np, r)


@program(0.5, 1.5, -1.0, 0.01, 0.02)
def osborne_one(np, x):
    r = np.zeros(10)
    for i in range(10):
        t = 10.0 * i
        r[i] = 0.8 - 0.05 * i - (x[0] + x[1] * np.exp(-t * x[3]) + x[2] * np.exp(-t * x[4]))
    return squares(np, r)


@program(1.0, 2.0, 1.2, 0.9, 1.1, 0.8)
def biggs_exp6(np, x):
    r = np.zeros(9)
    for i in range(9):
        t = 0.1 * (i + 1)
        y = np.exp(-t) - 5 * np.exp(-10 * t) + 3 * np.exp(-4 * t)
        r[i] = x[2] * np.exp(-t * x[0]) - x[3] * np.exp(-t * x[1]) + x[5] * np.exp(-t * x[4]) - y
    return squares(np, r)


# Least squares, any number of variables


@program(0.1, -0.2, 0.3, 0.05, 0.2, -0.1)
def watson(np, x):
    n = len(x)
    r = np.zeros(12)
    for i in range(10):
        t = (i + 1) / 10
        powers = np.ones(n)
        for j in range(1, n):
            powers[j] = powers[j - 1] * t
        slope = 0.0
        for j in range(1, n):
            slope = slope + j * x[j] * powers[j - 1]
        r[i] = slope - np.sum(x * powers) ** 2 - 1
    r[10] = x[0]
    r[11] = x[1] - x[0] ** 2 - 1
    return squares(np, r)


@program(1.0, 2.0, 3.0, 4.0)
def penalty_one(np, x):
    r = np.zeros(len(x) + 1)
    r[:-1] = np.sqrt(1e-5) * (x - 1)
    r[-1] = np.sum(x**2) - 0.25
    return squares(np, r)


@program(0.5, 0.4, 0.6, 0.3)
def penalty_two(np, x):
    n = len(x)
    r = np.zeros(2 * n)
    y = np.zeros(n)
    r[0] = x[0] - 0.2
    for i in range(1, n):
        y[i] = np.exp((i + 1) / 10) + np.exp(i / 10)
        r[i] = np.sqrt(1e-5) * (np.exp(x[i] / 10) + np.exp(x[i - 1] / 10) - y[i])
    for i in range(n, 2 * n - 1):
        r[i] = np.sqrt(1e-5) * (np.exp(x[i - n + 1] / 10) - np.exp(-0.1))
    for j in range(n):
        r[-1] += (n - j) * x[j] ** 2
    r[-1] -= 1
    return squares(np, r)


@program(0.75, 0.5, 0.25, 0.1)
def variably_dimensioned(np, x):
    n = len(x)
    r = np.zeros(n + 2)
    for i in range(n):
        r[i] = x[i] - 1
        r[n] += (i + 1) * (x[i] - 1)
    r[n + 1] = r[n] ** 2
    return squares(np, r)


@program(0.2, 0.25, 0.3, 0.15, 0.1)
def trigonometric(np, x):
    n = len(x)
    total = np.sum(np.cos(x))
    r = np.zeros(n)
    for i in range(n):
        r[i] = n - total + (i + 1) * (1 - np.cos(x[i])) - np.sin(x[i])
    return squares(np, r)


@program(0.5, 0.6, 0.4, 0.7, 0.5)
def brown_almost_linear(np, x):
    n = len(x)
    r = np.zeros_like(x)
    r[: n - 1] = x[: n - 1] + np.sum(x) - (n + 1)
    product = 1.0
    for i in range(n):
        product = product * x[i]
    r[n - 1] = product - 1
    return squares(np, r)


@program(-0.2, -0.3, -0.1, -0.25, -0.15)
def discrete_boundary_value(np, x):
    n = len(x)
    h = 1 / (n + 1)
    y = np.zeros(n + 2)
    y[1:-1] = x
    r = np.zeros(n)
    for i in range(1, n + 1):
        r[i - 1] = 2 * y[i] - y[i - 1] - y[i + 1] + h**2 * (y[i] + i * h + 1) ** 3 / 2
    return squares(np, r)


@program(-0.2, -0.3, -0.1, -0.25)
def discrete_integral_equation(np, x):
    n = len(x)
    h = 1 / (n + 1)
    t = np.linspace(h, n * h, n)
    r = np.zeros(n)
    for i in range(n):
        left, right = 0.0, 0.0
        for j in range(i + 1):
            left += t[j] * (x[j] + t[j] + 1) ** 3
        for j in range(i + 1, n):
            right += (1 - t[j]) * (x[j] + t[j] + 1) ** 3
        r[i] = x[i] + h * ((1 - t[i]) * left + t[i] * right) / 2
    return squares(np, r)


@program(-1.0, -0.8, -1.1, -0.9, -1.2)
def broyden_tridiagonal(np, x):
    n = len(x)
    r = np.zeros(n)
    for i in range(n):
        r[i] = (3 - 2 * x[i]) * x[i] + 1
        if i > 0:
            r[i] -= x[i - 1]
        if i < n - 1:
            r[i] -= 2 * x[i + 1]
    return squares(np, r)


@program(-1.0, -0.8, -1.1, -0.9, -1.2, -0.7)
def broyden_banded(np, x):
    n = len(x)
    r = np.zeros(n)
    for i in range(n):
        r[i] = x[i] * (2 + 5 * x[i] ** 2) + 1
        for j in range(max(0, i - 5), min(n, i + 2)):
            if j != i:
                r[i] -= x[j] * (1 + x[j])
    return squares(np, r)


@program(1.0, 0.5, -0.5)
def linear_full_rank(np, x):
    n, m = len(x), 5
    r = np.full(m, -1.0)
    for i in range(m):
        r[i] -= 2 / m * np.sum(x)
        if i < n:
            r[i] += x[i]
    return squares(np, r)


@program(1.0, 0.5, -0.5)
def linear_rank_one(np, x):
    r = np.zeros(5)
    for i in range(5):
        for j in range(len(x)):
            r[i] += (i + 1) * (j + 1) * x[j]
        r[i] -= 1
    return squares(np, r)


@program(0.15, 0.35, 0.6, 0.85)
def chebyquad(np, x):
    n = len(x)
    r = np.zeros(n)
    for j in range(n):
        t = np.zeros(n + 1)
        t[0], t[1] = 1.0, 2 * x[j] - 1
        for k in range(2, n + 1):
            t[k] = 2 * t[1] * t[k - 1] - t[k - 2]
        r += t[1:] / n
    for k in range(2, n + 1, 2):
        r[k - 1] += 1 / (k**2 - 1)
    return squares(np, r)


# Linear algebra by loops


def matrix(np, x, n):
    """A matrix that Gauss elimination needs no pivots for, with x in it."""
    a = np.zeros((n, n))
    for i in range(n):
        for j in range(n):
            a[i, j] = x[(i + 2 * j) % len(x)] * 0.3 + (i == j) * (n + i)
    return a


@program(0.5, -0.4, 1.2, 0.9)
def lu_without_pivots(np, x):
    a = matrix(np, x, 4)
    for k in range(3):
        for i in range(k + 1, 4):
            a[i, k] /= a[k, k]
            a[i, k + 1 :] -= a[i, k] * a[k, k + 1 :]
    return a


@program(0.5, -0.4, 1.2, 0.9)
def gauss_elimination_with_pivots(np, x):
    a, b = matrix(np, x, 3), np.array([x[0], 1.0, x[1] * x[2]])
    a[[0, 2]] = a[[2, 0]]
    for k in range(3):
        p = k + np.argmax(np.abs(a[k:, k]))
        if p != k:
            a[[k, p]] = a[[p, k]]
            b[[k, p]] = b[[p, k]]
        for i in range(k + 1, 3):
            f = a[i, k] / a[k, k]
            a[i] -= f * a[k]
            b[i] -= f * b[k]
    y = np.zeros(3)
    for i in range(2, -1, -1):
        y[i] = (b[i] - np.dot(a[i, i + 1 :], y[i + 1 :])) / a[i, i]
    return y


gauss_elimination_with_pivots.looks_at_values = True  # `compile` refuses to choose a pivot


@program(0.5, -0.4, 1.2)
def cholesky_by_rows(np, x):
    m = matrix(np, x, 3)
    a = np.dot(m, m.T)
    low = np.zeros((3, 3))
    for i in range(3):
        for j in range(i + 1):
            s = a[i, j] - np.sum(low[i, :j] * low[j, :j])
            low[i, j] = np.sqrt(s) if i == j else s / low[j, j]
    return low


@program(0.5, -0.4, 1.2)
def gram_schmidt(np, x):
    a = matrix(np, x, 3)
    q, r = np.zeros((3, 3)), np.zeros((3, 3))
    for j in range(3):
        v = a[:, j].copy()
        for i in range(j):
            r[i, j] = np.sum(q[:, i] * a[:, j])
            v -= r[i, j] * q[:, i]
        r[j, j] = np.sqrt(np.sum(v * v))
        q[:, j] = v / r[j, j]
    return q + r


@program(0.5, -0.4, 1.2, 0.9)
def forward_substitution(np, x):
    a = matrix(np, x, 4)
    y = np.empty_like(x)
    for i in range(4):
        y[i] = x[i]
        for j in range(i):
            y[i] -= a[i, j] * y[j]
        y[i] /= a[i, i]
    return y


@program(0.5, -0.4, 1.2, 0.9, 0.3)
def thomas_algorithm(np, x):
    n = len(x)
    c, d = np.zeros(n), np.zeros(n)
    c[0], d[0] = -1 / (3 + x[0]), x[0] / (3 + x[0])
    for i in range(1, n):
        w = 3 + x[i] + c[i - 1]
        c[i] = -1 / w
        d[i] = (x[i] + d[i - 1]) / w
    for i in range(n - 2, -1, -1):
        d[i] -= c[i] * d[i + 1]
    return d


@program(0.5, -0.4, 1.2)
def power_iteration(np, x):
    a = matrix(np, x, 3)
    history = np.zeros((5, 3))
    history[0] = 1.0
    for k in range(1, 5):
        history[k] = np.dot(a, history[k - 1])
        history[k] /= np.sqrt(np.sum(history[k] ** 2))
    return history


@program(0.5, -0.4, 1.2)
def determinant_by_minors(np, x):
    def det(a):
        if a.shape[0] == 1:
            return a[0, 0]
        total = 0.0
        for j in range(a.shape[0]):
            minor = np.zeros((a.shape[0] - 1, a.shape[0] - 1))
            minor[:, :j] = a[1:, :j]
            minor[:, j:] = a[1:, j + 1 :]
            total = total + (-1) ** j * a[0, j] * det(minor)
        return total

    return det(matrix(np, x, 3))


@program(0.5, -0.4, 1.2)
def conjugate_gradients(np, x):
    m = matrix(np, x, 3)
    a, y = np.dot(m.T, m), np.zeros(3)
    r = np.array(x)
    p = r.copy()
    for _ in range(2):
        ap = np.dot(a, p)
        alpha = np.sum(r * r) / np.sum(p * ap)
        y += alpha * p
        old = np.sum(r * r)
        r -= alpha * ap
        p *= np.sum(r * r) / old
        p += r
    return y


@program(0.5, -0.4, 1.2)
def householder_reflection(np, x):
    v = np.zeros(3)
    v[:] = x
    v[0] += np.sqrt(np.sum(x**2))
    h = np.eye(3)
    for i in range(3):
        for j in range(3):
            h[i, j] -= 2 * v[i] * v[j] / np.sum(v * v)
    return h


@program(0.3, 0.7, -0.2, 0.5)
def vandermonde_interpolation(np, x):
    nodes = np.array([0.0, 1.0, 2.0, 3.0])
    c = np.array(x)
    for k in range(1, 4):  # Newton's divided differences, in place from below
        for i in range(3, k - 1, -1):
            c[i] = (c[i] - c[i - 1]) / (nodes[i] - nodes[i - k])
    return c


# Differential equations


@program(0.1, 0.8, 1.0, 0.4, 0.2)
def heat_equation(np, x):
    u = np.zeros((6, len(x)))
    u[0] = x
    for k in range(5):
        u[k + 1, 1:-1] = u[k, 1:-1] + 0.2 * (u[k, 2:] - 2 * u[k, 1:-1] + u[k, :-2])
        u[k + 1, 0], u[k + 1, -1] = u[k, 0], u[k, -1]
    return u


@program(0.1, 0.8, 1.0, 0.4, 0.2)
def burgers_in_place(np, x):
    u = np.array(x)
    for _ in range(4):
        u[1:] -= 0.1 * u[1:] * (u[1:] - u[:-1])
        u[0] = u[-1] * 0.5
    return u


@program(0.1, 0.8, 1.0, 0.4, 0.2, 0.3)
def wave_equation(np, x):
    old, now = np.array(x), np.array(x)
    for _ in range(4):
        new = np.zeros(len(x))
        for i in range(1, len(x) - 1):
            new[i] = 2 * now[i] - old[i] + 0.25 * (now[i + 1] - 2 * now[i] + now[i - 1])
        old, now = now, new
    return now


@program(1.0, 0.5, 0.3)
def runge_kutta_trajectory(np, x):
    def slope(s):
        d = np.zeros(2)
        d[0] = s[1]
        d[1] = -x[2] * s[1] - np.sin(s[0])
        return d

    n, h = 5, 0.1
    path = np.zeros((n + 1, 2))
    path[0, :] = x[:2]
    for k in range(n):
        k1 = slope(path[k])
        k2 = slope(path[k] + h / 2 * k1)
        k3 = slope(path[k] + h / 2 * k2)
        k4 = slope(path[k] + h * k3)
        path[k + 1] = path[k] + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    return path


@program(1.1, 0.4, 0.9, 0.3)
def lotka_volterra_euler(np, x):
    prey, hunters = np.zeros(8), np.zeros(8)
    prey[0], hunters[0] = 1.0, 0.5
    for k in range(7):
        prey[k + 1] = prey[k] + 0.1 * (x[0] * prey[k] - x[1] * prey[k] * hunters[k])
        hunters[k + 1] = hunters[k] + 0.1 * (x[2] * prey[k] * hunters[k] - x[3] * hunters[k])
    return np.concatenate([prey, hunters])


@program(0.9, 0.1, -0.4, 1.2)
def verlet_chain(np, x):
    n = len(x)
    q, v = np.array(x), np.zeros(n)
    energy = np.zeros(4)
    for k in range(4):
        force = np.zeros(n)
        for i in range(n - 1):
            pull = (q[i + 1] - q[i]) - 0.1 * (q[i + 1] - q[i]) ** 3
            force[i] += pull
            force[i + 1] -= pull
        v += 0.1 * force
        q += 0.1 * v
        energy[k] = np.sum(v**2) / 2
    return energy


@program(1.0, 2.0, 0.5, 1.5)
def finite_element_assembly(np, x):
    n = len(x)
    k = np.zeros((n + 1, n + 1))
    for e in range(n):
        local = x[e] * np.array([[1.0, -1.0], [-1.0, 1.0]])
        for a in range(2):
            for b in range(2):
                k[e + a, e + b] += local[a, b]
    k[0, :], k[:, 0], k[0, 0] = 0.0, 0.0, 1.0
    return k


@program(1.0, 2.0, 0.5, 1.5)
def finite_elements_by_index_arrays(np, x):
    k = np.zeros((5, 5))
    for e in range(4):
        dofs = numpy.array([e, e + 1])
        k[numpy.ix_(dofs, dofs)] += x[e] * np.array([[2.0, 1.0], [1.0, 2.0]]) / 6
    return k


@program(0.3, 0.6, -0.1, 0.2, 0.5, 0.4, 0.1, -0.2, 0.7)
def gauss_seidel_on_a_grid(np, x):
    u = np.zeros((5, 5))
    u[1:4, 1:4] = x.reshape(3, 3)
    for _ in range(2):
        for i in range(1, 4):
            for j in range(1, 4):
                u[i, j] = (u[i - 1, j] + u[i + 1, j] + u[i, j - 1] + u[i, j + 1] + 0.1) / 4
    return u[1:-1, 1:-1]


# Signals, sequences, and the rest


@program(0.5, -0.4, 1.2, 0.9, 0.3)
def convolution_by_loops(np, x):
    kernel = np.array([x[0], 0.5, x[1]])
    out = np.zeros(len(x) + 2)
    for i in range(len(x)):
        for j in range(3):
            out[i + j] += x[i] * kernel[j]
    return out


@program(0.5, -0.4, 1.2, 0.9, 0.3, 0.7)
def recursive_filter(np, x):
    y = np.zeros_like(x)
    for i in range(len(x)):
        y[i] = 0.5 * x[i]
        if i >= 1:
            y[i] += x[0] * y[i - 1]
        if i >= 2:
            y[i] -= 0.2 * y[i - 2]
    return y


@program(0.5, 0.4, 1.2, 0.9, 0.3)
def cumulative_product(np, x):
    out = np.ones(len(x) + 1)
    for i in range(len(x)):
        out[i + 1] = out[i] * x[i]
    return out[1:] / out[-1]


@program(0.1, 0.5, -0.3, 0.8, 0.2, 0.4, -0.6, 0.9, 0.7)
def box_filter(np, x):
    image = x.reshape(3, 3)
    padded = np.zeros((5, 5))
    padded[1:-1, 1:-1] = image**2
    out = np.zeros((3, 3))
    for i in range(3):
        for j in range(3):
            out[i, j] = padded[i : i + 3, j : j + 3].sum() / 9
    return out


@program(0.1, 0.5, -0.3, 0.8, 0.2, 0.4)
def hidden_markov_forward(np, x):
    trans, emit = np.zeros((2, 2)), np.zeros((4, 2))
    for i in range(2):
        trans[i] = x[2 * i : 2 * i + 2] - np.log(np.sum(np.exp(x[2 * i : 2 * i + 2])))
    for t in range(4):
        emit[t, :] = [-((t - 1.5 - x[4]) ** 2), -((t - 1.5 - x[5]) ** 2)]
    alpha = np.full((4, 2), 0.0)
    alpha[0] = emit[0] + np.log(0.5)
    for t in range(1, 4):
        for j in range(2):
            alpha[t, j] = np.log(np.sum(np.exp(alpha[t - 1] + trans[:, j]))) + emit[t, j]
    return np.log(np.sum(np.exp(alpha[-1])))


@program(0.1, 0.5, -0.3, 0.8, 0.2)
def soft_alignment(np, x):
    y = [0.0, 0.4, 0.6]
    cost = np.full((len(x) + 1, 4), 30.0)
    cost[0, 0] = 0.0
    for i in range(1, len(x) + 1):
        for j in range(1, 4):
            before = np.array([cost[i - 1, j], cost[i, j - 1], cost[i - 1, j - 1]])
            cost[i, j] = (x[i - 1] - y[j - 1]) ** 2 - np.log(np.sum(np.exp(-before)))
    return cost[-1, -1]


@program(0.5, -0.4, 1.2, 0.9)
def horner(np, x):
    points = np.linspace(-1.0, 1.0, 5)
    out = np.zeros(5)
    for k in range(5):
        for c in x:
            out[k] = out[k] * points[k] + c
    return out


@program(0.5, -0.4, 1.2, 0.9)
def natural_cubic_spline(np, x):
    n = len(x)
    m = np.zeros(n)
    a, b = np.full(n, 4.0), np.zeros(n)
    for i in range(1, n - 1):
        b[i] = 6 * (x[i + 1] - 2 * x[i] + x[i - 1])
        if i > 1:
            a[i] = 4 - 1 / a[i - 1]
            b[i] -= b[i - 1] / a[i - 1]
    for i in range(n - 2, 0, -1):
        m[i] = (b[i] - m[i + 1]) / a[i]
    values = np.zeros(n - 1)
    for i in range(n - 1):
        values[i] = (x[i] + x[i + 1]) / 2 - (m[i] + m[i + 1]) / 16
    return values


@program(0.5, 0.2, 1.2, 0.9)
def bezier_by_de_casteljau(np, x):
    curve = np.zeros(5)
    for k in range(5):
        b = np.array(x)
        for step in range(1, len(x)):
            for i in range(len(x) - step):
                b[i] = (1 - k / 4) * b[i] + k / 4 * b[i + 1]
        curve[k] = b[0]
    return curve


@program(0.5, 0.2, 1.2, 0.9, 0.4, 0.3)
def pairwise_distances(np, x):
    points = x.reshape(3, 2)
    d = np.zeros((3, 3))
    for i in range(3):
        for j in range(i):
            d[i, j] = np.sqrt(np.sum((points[i] - points[j]) ** 2))
            d[j, i] = d[i, j]
    return d


@program(0.5, 0.2, 1.2, 0.9)
def recurrent_network(np, x):
    h = np.zeros((4, 2))
    w = np.array([[x[0], x[1]], [x[2], x[3]]])
    for t in range(1, 4):
        h[t] = np.tanh(np.dot(w, h[t - 1]) + 0.1 * t)
    return np.mean(h[1:], axis=0)


@program(0.5, 0.2, 1.2, 0.9)
def fourier_sum(np, x):
    n = len(x)
    re, im = np.zeros(n), np.zeros(n)
    for k in range(n):
        for j in range(n):
            re[k] += x[j] * np.cos(2 * np.pi * j * k / n)
            im[k] -= x[j] * np.sin(2 * np.pi * j * k / n)
    return re**2 + im**2
