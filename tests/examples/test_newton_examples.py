"""The examples about Newton's method show what they say."""

import numpy as np
import pytest

from examples import newton_1d, newton_vs_saddle


def test_the_error_squares_itself():
    ratios = newton_1d.error_ratios()
    assert ratios[-1] == pytest.approx(0.5, abs=1e-3)
    assert len(ratios) == 5


def test_the_cycle_is_exact():
    assert newton_1d.newton(newton_1d.circular, 0.0, 7) == [0, 1] * 4


@pytest.mark.parametrize("p", [1, 2, 3, 5, 8])
def test_flat_minima_contract_as_expected(p):
    assert newton_1d.contraction(p) == pytest.approx((2 * p - 2) / (2 * p - 1), abs=1e-14)


def test_the_monkey_saddle_halves():
    np.testing.assert_allclose(newton_1d.monkey_ratios(), 0.5, rtol=1e-13)


@pytest.mark.parametrize("f", [newton_1d.valley, newton_1d.circular, lambda x: x**6 - x])
def test_the_optimizer_is_the_formula(f):
    np.testing.assert_allclose(newton_1d.by_optimizer(f, 1.7, 5), newton_1d.newton(f, 1.7, 5), rtol=1e-12)


def test_newton_1d_prints_its_numbers(capsys):
    newton_1d.main()
    out = capsys.readouterr().out
    assert "x: 0 1 0 1 0 1 0 1" in out
    assert "0.500000 0.500000" in out


@pytest.fixture(scope="module")
def pure():
    return newton_vs_saddle.train("pure Newton")


def test_pure_newton_stops_at_the_saddle(pure):
    assert pure.losses[-1] == pytest.approx(0.28372589, abs=1e-5)
    assert pure.gradient < 1e-3
    assert pure.negative > 12
    assert pure.lambda_min < 0


def test_saddle_free_newton_does_not(pure):
    run = newton_vs_saddle.train("saddle-free Newton")
    assert run.losses[0] == pure.losses[0]
    assert run.losses[-1] < 1e-25
    assert len(run.losses) < 40
    assert run.negative == 0


def test_the_others_pass_it_by(monkeypatch, tmp_path, capsys):
    few = {name: (make, 3 if "Newton" in name[5:] else steps) for name, (make, steps) in newton_vs_saddle.METHODS.items()}
    monkeypatch.setattr(newton_vs_saddle, "METHODS", few)
    for name in ("NewtonCG", "L-BFGS"):
        assert newton_vs_saddle.train(name).losses[-1] < 1e-3
    newton_vs_saddle.main(["--out", str(tmp_path)])
    assert all(name in capsys.readouterr().out for name in [*few][:1])
    assert (tmp_path / "losses.png").stat().st_size > 5000
