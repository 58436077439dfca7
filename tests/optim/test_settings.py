"""The first radius, the cutoff and the tolerance of λmin are followed, and refused where they cannot be."""

import numpy as np
import pytest

import optim
from minigrad import Tensor
from optim.second_order.dense_newton import DenseNewton
from optim.second_order.method import Settings
from optim.second_order.objective import FunctionObjective

START = np.array([-1.2, 1.0])


def rosenbrock(x):
    return 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2


def saddle(x):  # λ = 2 and −2e-4 at 0
    return x[0] ** 2 - 1e-4 * x[1] ** 2 + x[1] ** 4


REGIONS = {"newton": {"modification": "trust"}, "newton-cg": {}}
OPTIMIZERS = {
    "newton": lambda p, **options: optim.Newton(p, **options),
    "newton-cg": lambda p, **options: optim.NewtonCG(p, **options),
}


@pytest.mark.parametrize("method", REGIONS)
def test_the_first_radius_bounds_the_first_step(method):
    options = REGIONS[method] | {"initial_radius": 1e-3}
    result = optim.minimize(rosenbrock, START, method, options=options)
    assert result.success
    assert result.trace[1].step.step_norm == pytest.approx(1e-3)
    p = Tensor(START, requires_grad=True)
    optimizer = OPTIMIZERS[method]([p], **options)
    optimizer.step(lambda: rosenbrock(p))
    assert np.linalg.norm(p.data - START) == pytest.approx(1e-3)
    assert optimizer.last_step.radius == pytest.approx(2e-3)  # and it has grown


@pytest.mark.parametrize(("cutoff", "moved"), [(1.5e-8, True), (1e-3, False)])
def test_pinv_does_not_move_along_curvatures_below_the_cutoff(cutoff, moved):
    Q, _ = np.linalg.qr(np.random.default_rng(0).standard_normal((2, 2)))
    H = Q * np.array([1.0, 1e-6]) @ Q.T
    p = Tensor(Q @ np.ones(2), requires_grad=True)
    optim.Newton([p], modification="pinv", cutoff=cutoff).step(lambda: 0.5 * (p @ (H @ p)))
    assert np.allclose(Q.T @ p.data, [0, 0 if moved else 1], atol=1e-6)


@pytest.mark.parametrize("n", [2, 501])  # a whole Hessian, and the Lanczos process
@pytest.mark.parametrize("method", REGIONS)
def test_lambda_tol_is_a_share_of_the_largest_eigenvalue(method, n):
    def f(x):
        return saddle(x) + np.sum(x[2:] ** 2)

    x0 = np.r_[1.0, np.zeros(n - 1)]
    tight, loose = (optim.minimize(f, x0, method, options={"lambda_tol": tol}) for tol in (0.0, 1e-3))
    assert tight.success
    assert abs(tight.x[1]) == pytest.approx(0.00707, rel=0.01)
    assert loose.success
    assert loose.lambda_min == pytest.approx(-2e-4)
    assert loose.x[1] == 0


@pytest.mark.parametrize(("tol", "leaves"), [(0.0, True), (1e-3, False)])
@pytest.mark.parametrize("modification", ["abs", "shift", "clip"])
def test_a_newton_step_leaves_a_saddle_that_is_negative_beyond_lambda_tol(modification, tol, leaves):
    p = Tensor([1e-11, 1e-11], requires_grad=True)
    newton = optim.Newton([p], modification=modification, lambda_tol=tol)
    newton.step(lambda: saddle(p))
    assert newton.last_step.escaped == leaves
    assert (abs(p.data[1]) > 1e-3) == leaves


@pytest.mark.parametrize(("tol", "status"), [(0.0, "PRECISION_LOSS"), (1e-3, "SECOND_ORDER")])
@pytest.mark.parametrize("modification", ["none", "pinv"])  # these leave no saddle
def test_a_newton_step_ends_at_a_minimum_up_to_lambda_tol(modification, tol, status):
    f = FunctionObjective(saddle)
    here, settings = f(np.zeros(2)), Settings(modification=modification, lambda_tol=tol)
    _, info = DenseNewton().step(f, here, settings)
    assert info.status == status


REFUSED = {
    "a radius without a region": ("newton", {"initial_radius": 1.0}, r"\(initial_radius=.*modification="),
    "a radius beside a line search": (
        "newton-cg", {"initial_radius": 1.0, "globalization": "line-search"}, "belongs to a trust region",
    ),
    "a radius above the largest": (
        "newton-cg", {"initial_radius": 2.0, "max_radius": 1.0}, "at most max_radius = 1",
    ),
    "radius 0": ("newton-cg", {"initial_radius": 0.0}, "finite number > 0, or None"),
    "cutoff 0": ("newton", {"cutoff": 0.0}, r"cutoff.*in \(0, 1\)"),
    "cutoff 1": ("newton", {"cutoff": 1.0}, r"cutoff.*in \(0, 1\)"),
    "negative λ": ("newton", {"lambda_tol": -1e-6}, r"lambda_tol.*in \[0, 1\)"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_followed_is_refused(case):
    method, options, message = REFUSED[case]
    with pytest.raises(ValueError, match=message):
        optim.minimize(rosenbrock, START, method, options=options)
    with pytest.raises(ValueError, match=message):
        OPTIMIZERS[method]([Tensor(START, requires_grad=True)], **options)
