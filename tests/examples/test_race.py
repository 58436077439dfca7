"""The race counts work as it says, is reproduced from its CSV, and goes on where it was stopped."""

import csv
import math

import numpy as np
import pytest

import optim
from examples import plotting, race
from minigrad import grad, hvp
from optim.sweeping.results import Run
from tests.problems import beale

FEW = ("Beale", "moons 2-8-2")


@pytest.fixture
def short(monkeypatch):
    """Two problems, four optimizers, two rates, few gradients, in this process."""
    monkeypatch.setattr(race, "PROBLEMS", {name: race.PROBLEMS[name] for name in FEW})
    monkeypatch.setattr(race, "RATES", [0.01, 0.1])
    monkeypatch.setattr(race, "BUDGET", 40)
    monkeypatch.setattr(race, "FIRST_ORDER", {name: race.FIRST_ORDER[name] for name in ("SGD", "Adam")})
    monkeypatch.setattr(
        race, "SECOND_ORDER", {name: race.SECOND_ORDER[name] for name in ("L-BFGS", "NewtonCG")}
    )
    monkeypatch.setattr(race, "_costs", lambda problem: {"values": 0.5, "products": 2.0})
    run = optim.sweep
    monkeypatch.setattr(
        optim, "sweep", lambda *a, **o: run(*a, **(o | {"executor": "serial", "progress": False}))
    )


def rows(path):
    with path.open(newline="", encoding="utf-8") as file:
        return [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]


def test_the_race_ends_in_its_tables_and_pictures(short, tmp_path, capsys):
    race.main(["--seeds", "1", "--out", str(tmp_path)])
    lines = capsys.readouterr().out.splitlines()
    names = [*race.FIRST_ORDER, *race.SECOND_ORDER]
    assert lines[2].split() == names
    assert [line.split()[0] for line in lines[3:5]] == ["Beale", "moons"]
    assert sorted(line.split()[0] for line in lines[8:12]) == sorted(names)
    assert lines[12:] == [f"picture: {tmp_path / name}.png" for name in ("profiles", "sensitivity")]
    assert all((tmp_path / f"{name}.png").stat().st_size > 20_000 for name in ("profiles", "sensitivity"))
    assert len(rows(tmp_path / "runs.csv")) == 2 * (2 * len(race.FIRST_ORDER) + len(race.SECOND_ORDER))


def test_it_is_reproduced_from_its_csv_without_a_run(short, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(race, "draw", lambda *_: None)
    race.main(["--seeds", "1", "--out", str(tmp_path)])
    first, table = capsys.readouterr().out, (tmp_path / "runs.csv").read_bytes()
    (tmp_path / "runs.jsonl").unlink()
    monkeypatch.setattr(race, "train", pytest.fail)
    monkeypatch.setattr(race, "_costs", pytest.fail)
    race.main(["--seeds", "1", "--out", str(tmp_path)])
    assert capsys.readouterr().out == first[first.index("gradients to solve") :]
    assert (tmp_path / "runs.csv").read_bytes() == table


def test_stopped_and_taken_up_again_it_equals_one_that_was_not(short, tmp_path, monkeypatch):
    train, left = race.train, [9]

    def stopped(**settings):
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        return train(**settings)

    for name in "ab":
        (tmp_path / name).mkdir()
    monkeypatch.setattr(race, "train", stopped)
    with pytest.raises(KeyboardInterrupt):
        race.race(tmp_path / "a", 1)
    assert len((tmp_path / "a" / "runs.jsonl").read_text().splitlines()) == 9
    monkeypatch.setattr(race, "train", train)
    one, other = race.race(tmp_path / "a", 1), race.race(tmp_path / "b", 1)
    assert rows(tmp_path / "a" / "runs.csv") == rows(tmp_path / "b" / "runs.csv")
    assert race.table(race.results(one)) == race.table(race.results(other))


def test_gradients_are_counted_to_the_first_point_that_solves_the_problem():
    x = np.array([1.0, 1.0])
    target, count = 1e-3 * beale(x), 1
    while beale(x) > target:
        x = x - 0.03 * grad(beale)(x)
        count += 1
    found = race.train("Beale", "SGD", 0.03, 0)
    assert (found["gradients"], found["values"], found["products"]) == (count, 0, 0)
    assert found["loss"] < target


def test_products_and_values_are_those_that_minimize_counts():
    calls = {"f": 0, "g": 0, "hv": 0}

    def count(name, f):
        def counted(*args):
            calls[name] += 1
            return f(*args)

        return counted

    def solved(intermediate_result):
        if intermediate_result.fun <= 1e-3 * beale(np.ones(2)):
            raise StopIteration

    optim.minimize(
        count("f", lambda x: float(beale(x))), [1.0, 1.0], callback=solved,
        jac=count("g", grad(beale)), hessp=count("hv", lambda x, v: hvp(beale, x, v)),
    )  # fmt: skip
    found = race.train("Beale", "NewtonCG", None, 0)
    assert (found["gradients"], found["values"], found["products"]) == (
        calls["g"], calls["f"] - calls["g"], calls["hv"],
    )  # fmt: skip


def test_a_rate_that_is_too_large_has_diverged():
    with pytest.raises(FloatingPointError, match="the loss became"):
        race.train("Wood", "SGD", 1.0, 0)


def test_costs_are_measured_once_and_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(race, "PROBLEMS", {"Beale": race.PROBLEMS["Beale"]})
    first = race.measured_costs(tmp_path)
    assert set(first["Beale"]) == {"values", "products"}
    assert 0 < first["Beale"]["values"] < first["Beale"]["products"] < 50
    monkeypatch.setattr(race, "_costs", pytest.fail)
    assert race.measured_costs(tmp_path) == first


def test_the_cost_is_the_sum_of_the_work_in_gradients():
    settings = {"problem": "Beale", "seed": 0, "optimizer": "Newton", "lr": None}
    counts = {"loss": 0.1, "gradients": 5, "values": 4, "products": 3}
    runs = [
        Run(settings, "ok", 0.0, counts),
        Run(settings, "ok", 0.0, {"loss": 9.0}),
        Run(settings, "ok", 0.0, counts | {"products": race.BUDGET}),
    ]
    found = race.with_cost(optim.Sweep(runs), {"Beale": {"values": 0.5, "products": 2.0}})
    assert found["cost"] == [13.0, math.inf, math.inf]


def test_without_matplotlib_the_tables_are_printed(short, tmp_path, capsys, monkeypatch):
    def missing():
        raise ImportError("matplotlib")

    monkeypatch.setattr(plotting, "pyplot", missing)
    race.main(["--seeds", "1", "--out", str(tmp_path)])
    assert capsys.readouterr().out.splitlines()[-1] == plotting.MISSING
    assert not list(tmp_path.glob("*.png"))


@pytest.mark.dask
def test_the_race_through_dask_equals_the_serial_one(tmp_path, monkeypatch):
    """The workers are other processes, which are told the few runs but know the race as it is."""
    distributed = pytest.importorskip("distributed")
    for table, names in (
        ("PROBLEMS", FEW), ("FIRST_ORDER", ("SGD", "Adam")), ("SECOND_ORDER", ("L-BFGS", "NewtonCG")),
    ):  # fmt: skip
        monkeypatch.setattr(race, table, {name: getattr(race, table)[name] for name in names})
    monkeypatch.setattr(race, "RATES", [0.01, 0.1])
    monkeypatch.setattr(race, "_costs", lambda problem: {"values": 0.5, "products": 2.0})
    for name in ("serial", "dask"):
        (tmp_path / name).mkdir()
    serial = race.race(tmp_path / "serial", 1, executor="serial")
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        found = race.race(tmp_path / "dask", 1, executor=client.get_executor())
    assert len(found) == 2 * (2 * 2 + 2)
    assert rows(tmp_path / "dask" / "runs.csv") == rows(tmp_path / "serial" / "runs.csv")
    assert race.table(race.results(found)) == race.table(race.results(serial))
