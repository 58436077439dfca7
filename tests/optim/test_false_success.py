"""A success can be believed: `minimize` from bad starts. benchmarks/false_success.py runs it at length."""

import numpy as np
import pytest

import optim
from benchmarks.false_success import PROBLEMS, runs
from optim import minimize
from tests.problems import leaf

STEEP = ["x - ln x", "sqrt x + 1/x", "Poisson", "steep rotated well", "faint saddle", "scaled"]
BY = ["newton-cg", "newton-cg, line search", "newton, abs", "newton, pinv", "lbfgs", "adam"]


@pytest.mark.parametrize("problem", STEEP)
def test_no_success_is_false(problem):
    by = BY if problem != "scaled" else BY[:4]  # a direction flatter by 1e24 is not seen without H
    found = [run for run in runs(2, methods=by, problems={problem: PROBLEMS[problem]}) if run.false]
    assert not found, found[0]


@pytest.mark.parametrize("method", ["lbfgs", "newton-cg", "newton"])
@pytest.mark.parametrize("start", [[5.0, 1e-8], [1e-9, 1e-4], [1e3, 1e-6]])
@pytest.mark.parametrize("scale", [1e-12, 1.0, 1e12])
def test_a_steep_start_ends_at_the_minimum_in_any_units(method, start, scale):
    result = minimize(lambda x: scale * np.sum(x - np.log(x)), start, method)
    assert not result.success or result.fun / scale == pytest.approx(2, rel=1e-6)


@pytest.mark.parametrize("curvature", [-1e-2, -1e-3])
def test_a_faint_negative_curvature_is_no_minimum(curvature):
    u, v = (lambda x: (x[0] + x[1]) / np.sqrt(2)), (lambda x: (x[0] - x[1]) / np.sqrt(2))
    result = minimize(lambda x: 5e5 * u(x) ** 2 + 0.5 * curvature * v(x) ** 2 + v(x) ** 4, [1.0, 1.0])
    assert not (result.success and result.lambda_min < 0.5 * curvature)


@pytest.mark.parametrize("make", [optim.LBFGS, optim.Newton, optim.NewtonCG])
@pytest.mark.parametrize("offset", [0.0, 3.0])
def test_an_optimizer_ends_in_a_success_at_a_minimum(make, offset):
    p = leaf([0.0, 0.0])
    optimizer = make([p])
    for _ in range(60):
        optimizer.step(lambda: offset + (p * p).sum() + 0.1 * (p**4).sum())
        if optimizer.last_step.status != "RUNNING":
            break
        if offset and optimizer.counts.nfev < 3:
            p.assign([1.0, -2.0])
    assert optimizer.last_step.status.success


@pytest.mark.parametrize("method", ["lbfgs", "newton"])
def test_a_gradient_of_the_wrong_sign_is_asked_for(method):
    result = minimize(
        lambda x: float(x @ x), [1.0, 2.0], method, jac=lambda x: -2 * x,
        **({"hess": lambda x: 2 * np.eye(2)} if method == "newton" else {}),
    )  # fmt: skip
    assert not result.success
    assert "Is the gradient" in result.message
