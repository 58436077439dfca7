"""A success can be believed: `minimize` from bad starts. benchmarks/false_success.py runs it at length."""

import numpy as np
import pytest

import optim
from benchmarks import false_success, least_squares
from benchmarks.false_success import METHODS, PROBLEMS, lower, runs
from optim import minimize
from tests.optim.test_problems import OPEN_SET
from tests.problems import leaf
from tests.seeds import further

STEEP = [
    "x - ln x", "sqrt x + 1/x", "x^2 + 1/x^2", "Poisson", "cosh", "Beale", "steep rotated well",
    "faint saddle", "scaled", "scaled quartic", "1e12 f", "1e12 quartic", "Powell singular", "steep saddle",
]  # fmt: skip
BY = ["newton-cg", "newton-cg, line search", "newton, abs", "newton, pinv", "lbfgs", "adam"]
OTHERS = [name for name in METHODS if name not in ("newton-cg", "newton, abs", "lbfgs", "gd", "momentum")]
FOUND = {  # starts from which a success was false once
    "1e12 f": [[6.07172813e02, -5.53746521e-09]],
    "Beale": [[-5.81987083e-05, 8.37662733e01]],
    "x^2 + 1/x^2": [[9.20425478e-03, 1.43598159e-08]],
    "cosh": [[3.06286979e-09, 1.29790530e02]],
    "scaled quartic": [
        [1e3, 1.0, 1.0, 1.0],
        [-448.8080259128908, 1004.6106060493611, -170.92621247695826, 936.3923253615127],
    ],
}


ADAM_ENDS = ["cosh", "1e12 f", "steep saddle"]  # elsewhere Adam is still on its way after 1000 steps


@pytest.mark.parametrize("problem", [*STEEP[::2], *further(*STEEP[1::2])])
def test_no_success_is_false(problem, monkeypatch):
    monkeypatch.setitem(false_success.SHORT, "adam", 1000 if problem in ADAM_ENDS else 250)
    found = [run for run in runs(2, methods=BY, problems={problem: PROBLEMS[problem]}) if run.false]
    assert not found, found[0]


@pytest.mark.parametrize("by", ["newton-cg", "newton, abs", "lbfgs", *further(*OTHERS)])
@pytest.mark.parametrize("problem", FOUND)
def test_a_start_that_misled_once_does_so_no_more(problem, by):
    (f, _, _), (method, options) = PROBLEMS[problem], METHODS[by]
    for start in FOUND[problem]:
        with np.errstate(all="ignore"):
            result = minimize(f, start, method, options={"trace": False, "maxiter": 500} | options)
            assert not result.success or result.fun - lower(f, result.x) <= 1e-4 * (1 + abs(result.fun))


@pytest.mark.parametrize("method", ["newton", "newton-cg"])
@pytest.mark.parametrize("power", [4, 6, 10])
def test_a_singular_minimum_is_reached_in_one_step_by_its_multiplicity(method, power):
    result = minimize(lambda x: 1e12 * np.sum((x - 1) ** power), [3.0, 1e3], method)
    assert result.success
    assert result.fun < 1e-10
    assert result.nit < 100


FAR_APART = {  # f, start, minimum
    "Brown": (
        lambda x: (x[0] - 1e6) ** 2 + (x[1] - 2e-6) ** 2 + (x[0] * x[1] - 2) ** 2, [1.0, 1.0], [1e6, 2e-6],
    ),
    "quartic": (
        lambda x: (1e-8 * x[0] - 1) ** 2 + (1e-8 * x[0] - 1) ** 4 + (x[1] - 1) ** 2 + (x[1] - 1) ** 4,
        [1e7, 3.0], [1e8, 1.0],
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    ("problem", "modification"),
    [("Brown", "abs"), ("Brown", "clip"), ("quartic", "abs"), ("quartic", "clip"), ("quartic", "pinv")],
)
def test_small_and_large_parameters_arrive_together(problem, modification):
    f, start, minimum = FAR_APART[problem]
    result = minimize(
        f, start, "newton", options={"modification": modification, "maxiter": 200, "gtol": 1e-14}
    )
    assert result.nit <= 40
    np.testing.assert_allclose(result.x, minimum, rtol=1e-6)


FITS = [
    "helical valley (7)", "scaled Rosenbrock", "scales of 1e12, curved", "offset of 1e3", "Bard", "Misra1a",
    "BoxBOD", "Rat42", "DanWood", "condition 1e12, with residual", "Osborne 2 (19)",
]  # fmt: skip


@pytest.mark.parametrize("problem", FITS)
def test_least_squares_arrive_or_say_no_success(problem):
    found = [*least_squares.runs([problem])]
    assert all(run.right for run in found)
    assert sum(run.arrived for run in found) >= len(found) - 1


@pytest.mark.parametrize("by", [*least_squares.METHODS])
def test_a_success_on_a_plateau_is_that_of_a_local_minimum(by):
    """Rounding decides whether f's last digits can be trusted, and so which of two names the end has."""
    fit, (method, options) = least_squares.PROBLEMS["Osborne 2 (19)"], least_squares.METHODS[by]
    ends = set()
    for times in (9, 10, 11, 100):
        with np.errstate(all="ignore"):
            result = minimize(fit.f, times * fit.start, method, options=options | {"trace": False})
            assert result.fun - lower(fit.f, result.x) <= 1e-12
        ends.add(result.status.value)
    assert "SECOND_ORDER" in ends <= {"SECOND_ORDER", "PRECISION_LOSS"}


def test_a_run_that_raises_is_counted_with_its_reason(capsys):
    methods = ["lbfgs", "newton-cg"]
    problems = {"wall": (lambda x: np.sum(np.exp(np.exp(x * x + 7))), 2, False)}
    found = [*runs(2, methods=methods, problems=problems)]
    assert [run.false for run in found] == [False] * 4
    assert all(run.result is None and "the loss is inf" in run.reason for run in found)
    assert false_success.main(2, methods=methods, problems=problems) == 0
    out = capsys.readouterr().out
    assert "4 runs\n" in out
    assert "4 raised in wall: FloatingPointError: `minimize(fun, x0)`: the loss is inf" in out


def test_the_digits_found_agree_with_those_published():
    for name, digits in least_squares.DIGITS.items():
        assert digits == pytest.approx(OPEN_SET[name].minima, rel=5e-6)


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
