"""The examples of second order show what they say."""

import numpy as np
import pytest

from examples import minimize_rosenbrock, newton_1d, newton_vs_saddle, plotting
from examples.gallery import saddles
from optim.minimizing import METHODS


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


def test_newton_1d_prints_its_numbers_and_draws(tmp_path, capsys):
    newton_1d.main(["--out", str(tmp_path)])
    assert (tmp_path / "newton.png").stat().st_size > 20_000
    out = capsys.readouterr().out
    assert "x: 0 1 0 1 0 1 0 1" in out
    assert "0.500000 0.500000" in out


@pytest.fixture(scope="module")
def pure():
    """After 16 of its 40 steps: it has stayed at the saddle since the twelfth."""
    with pytest.MonkeyPatch.context() as patch:
        make, _ = newton_vs_saddle.METHODS["pure Newton"]
        patch.setitem(newton_vs_saddle.METHODS, "pure Newton", (make, 16))
        return newton_vs_saddle.train("pure Newton")


def test_pure_newton_stops_at_the_saddle(pure):
    assert pure.losses[-1] == pytest.approx(0.28372589, abs=1e-5)
    assert pure.gradient < 1e-3
    assert pure.negative > 12
    assert pure.lambda_min < 0


def test_the_long_example_tells_what_it_does(monkeypatch, capsys, tmp_path):
    make, _ = newton_vs_saddle.METHODS["L-BFGS"]
    monkeypatch.setattr(newton_vs_saddle, "METHODS", {"L-BFGS": (make, 3)})
    newton_vs_saddle.main(["--out", str(tmp_path)])
    out, err = capsys.readouterr()
    assert "L-BFGS:" in err
    assert "/3 [" in err
    assert "/3 [" not in out
    assert out.splitlines()[-1] == f"picture: {tmp_path / 'losses.png'}"


@pytest.fixture(scope="module")
def saddle_free():
    return newton_vs_saddle.train("saddle-free Newton")


def test_saddle_free_newton_does_not(pure, saddle_free):
    run = saddle_free
    assert run.losses[0] == pure.losses[0]
    assert run.losses[-1] < 1e-25
    assert len(run.losses) < 40
    assert run.negative == 0


def test_the_gallery_shows_both(pure, saddle_free, monkeypatch):
    monkeypatch.setattr(saddles, "run", {"pure Newton": pure, "saddle-free Newton": saddle_free}.get)
    assert [row for row in saddles.numbers() if not row.holds] == []


@pytest.mark.further
def test_saddle_free_newton_needs_few_steps_from_other_weights():
    run = newton_vs_saddle.train("saddle-free Newton", seed=1)
    assert run.losses[-1] < 1e-25
    assert len(run.losses) - 1 <= 36


@pytest.mark.parametrize("method", ["NewtonCG", "L-BFGS"])
def test_the_others_pass_it_by(method):
    run = newton_vs_saddle.train(method)
    assert run.losses[-1] < 1e-3
    assert np.abs(run.curve - newton_vs_saddle.chebyshev(newton_vs_saddle.FINE)).max() < 0.5


def test_newton_vs_saddle_prints_its_table_and_draws(monkeypatch, tmp_path, capsys):
    few = {name: (make, 2) for name, (make, _) in newton_vs_saddle.METHODS.items()}
    monkeypatch.setattr(newton_vs_saddle, "METHODS", few)
    newton_vs_saddle.main(["--out", str(tmp_path)])
    out = capsys.readouterr().out
    assert all(name in out for name in few)
    assert (tmp_path / "losses.png").stat().st_size > 20_000


# Rosenbrock by every method


@pytest.fixture(scope="module")
def found():
    return minimize_rosenbrock.results(gtol=1e-4)


@pytest.mark.further
def test_every_method_arrives_and_those_that_know_the_curvature_sooner(found):
    assert list(found) == list(METHODS)
    for result in found.values():
        assert result.success
        np.testing.assert_allclose(result.x, 1, atol=0.1)
    first, second = ("gd", "momentum", "adam"), ("lbfgs", "newton", "newton-cg")
    assert min(found[m].njev for m in first) > 10 * max(found[m].njev + found[m].nhev for m in second)


@pytest.mark.further
def test_the_table_tells_the_counts(found):
    lines = minimize_rosenbrock.table(found).splitlines()
    names = lines[0].split()
    for line, (method, result) in zip(lines[1:], found.items(), strict=True):
        row = dict(zip(names, line.split(), strict=True))
        assert row["method"] == method
        assert row["status"] == result.status
        assert [int(row[name]) for name in ("nit", "nfev", "njev", "nhev", "ncg")] == [
            result[name] for name in ("nit", "nfev", "njev", "nhev", "ncg")
        ]
        assert float(row["f"]) == pytest.approx(result.fun, rel=0.06)


def test_rosenbrock_prints_and_draws(tmp_path, capsys):
    minimize_rosenbrock.main(["--gtol", "0.05", "--out", str(tmp_path)])
    out = capsys.readouterr().out
    assert all(method in out for method in METHODS)
    assert (tmp_path / "paths.png").stat().st_size > 50_000


@pytest.mark.parametrize("example", [newton_1d, newton_vs_saddle, minimize_rosenbrock])
def test_without_matplotlib_the_numbers_are_printed_all_the_same(example, monkeypatch, tmp_path, capsys):
    def missing():
        raise ImportError("No module named 'matplotlib'")

    monkeypatch.setattr(plotting, "pyplot", missing)
    if example is newton_vs_saddle:
        monkeypatch.setattr(
            example, "METHODS", {"pure Newton": (newton_vs_saddle.METHODS["pure Newton"][0], 1)}
        )
    if example is minimize_rosenbrock:
        monkeypatch.setattr(example, "METHODS", {"newton-cg": {}})
    example.main(["--out", str(tmp_path)])
    assert "[plot]" in capsys.readouterr().out
    assert not list(tmp_path.iterdir())
