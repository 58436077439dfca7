"""Sweeps: every combination is run once, on any executor, through kills and errors; and what the runs say."""

import concurrent.futures
import itertools
import json
import math
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import optim
from models import MLP, cross_entropy, fit
from models.datasets import moons
from optim import open_sweep, performance_profile, sweep
from optim.sweeping.results import Run, Sweep, median_interval

ROOT = Path(__file__).parents[2]
GRID = {"optimizer": ["SGD", "Adam"], "lr": [0.1, 0.01, 2.0], "seed": [0, 1, 2]}


def bowl(optimizer, lr, seed):
    """400 steps on ½(w² + 9v²) from a random start; SGD diverges at lr = 2."""
    w = np.random.default_rng(seed).normal(size=2)
    with np.errstate(over="ignore", invalid="ignore"):
        for _ in range(400):
            g = w * np.array([1.0, 9.0])
            w = w - lr * (np.sign(g) if optimizer == "Adam" else g)
        return {"loss": float(w @ w), "pid": 0}


def quiet(train, grid=GRID, **options):
    return sweep(train, grid, progress=False, **options)


def without_seconds(found):
    return [repr(run._replace(seconds=0.0)) for run in found.runs]  # as texts, where NaN is like NaN


# Running


def test_every_combination_is_run_once_and_rows_are_sorted():
    calls = []

    def train(optimizer, lr, seed):
        calls.append((optimizer, lr, seed))
        return lr

    found = quiet(train, executor="serial")
    assert sorted(calls) == sorted(itertools.product(*GRID.values()))
    assert [tuple(run.settings.values()) for run in found.runs] == sorted(calls)
    assert found["loss"] == [run.settings["lr"] for run in found.runs]


def test_all_executors_give_the_same():
    serial = without_seconds(quiet(bowl, executor="serial"))
    assert without_seconds(quiet(bowl)) == serial
    with concurrent.futures.ThreadPoolExecutor(2) as threads:
        assert without_seconds(quiet(bowl, executor=threads)) == serial
        assert threads.submit(abs, -1).result() == 1, "a borrowed executor stays open"


@pytest.mark.skipif(sys.platform != "linux", reason="workers are forked on Linux only")
def test_processes_take_lambdas_and_use_one_blas_thread_each(monkeypatch):
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "7")
    offset = 3.0
    found = quiet(
        lambda lr, kind: {"loss": lr + offset, "pid": os.getpid()}, {"lr": [1, 2], "kind": [optim.Adam]}
    )
    assert found["loss"] == [4.0, 5.0]
    assert found["kind"] == ["Adam", "Adam"]
    assert os.getpid() not in found["pid"]
    assert os.environ["OPENBLAS_NUM_THREADS"] == "7"


BLAS_THREADS = """
import ctypes, pathlib
import numpy as np
from optim import sweep
libraries = (pathlib.Path(np.__file__).parents[1] / "numpy.libs").glob("*openblas*")
threads = getattr(ctypes.CDLL(str(next(libraries))), "scipy_openblas_get_num_threads64_")
print(threads(), sweep(lambda n: threads(), {"n": [0, 1]}, progress=False)["loss"], threads())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="asks the OpenBLAS of NumPy's wheels for Linux")
def test_a_worker_has_one_blas_thread_and_the_parent_keeps_its_own():
    if not list((Path(np.__file__).parents[1] / "numpy.libs").glob("*openblas*")):
        pytest.skip("this NumPy has another BLAS")
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "2", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", BLAS_THREADS]
    said = subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout
    assert said == "2 [1, 1] 2\n"


def test_new_pythons_find_a_train_that_can_be_imported(tmp_path):
    """Where processes are not forked."""
    (tmp_path / "mine.py").write_text("def train(lr):\n    return lr * 2\n")
    script = (
        "import sys; sys.platform = 'other'\nfrom mine import train\nfrom optim import sweep\n"
        "if __name__ == '__main__':\n    print(sweep(train, {'lr': [1.5]}, progress=False)['loss'])\n"
    )
    (tmp_path / "script.py").write_text(script)
    environment = os.environ | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
    command = [sys.executable, str(tmp_path / "script.py")]
    said = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert said.stdout == "[3.0]\n", said.stderr


def test_what_new_pythons_cannot_import_is_refused_with_the_remedy(monkeypatch):
    monkeypatch.setattr(sys, "platform", "other")
    with pytest.raises(RuntimeError, match=r"cannot run train .*at the top of a file.*executor=\"serial\""):
        quiet(lambda lr: lr, {"lr": [1]})
    main = type(sys)("__main__")
    monkeypatch.setitem(sys.modules, "__main__", main)
    exec("def train(lr): return lr", main.__dict__)
    with pytest.raises(RuntimeError, match=r"in a notebook or at a prompt\. Write it into a file"):
        quiet(main.train, {"lr": [1]})


def test_a_history_gives_its_last_row():
    data = moons(40, noise=0.1, rng=0)

    def train(lr):
        model = MLP((2, 4, 2), "tanh", rng=0)
        optimizer = optim.Adam(model.named_parameters(), lr=lr)
        return fit(model, optimizer, cross_entropy, (data.X, data.y), epochs=2, progress=False)

    found = quiet(train, {"lr": [0.01]}, executor="serial")
    history = train(0.01)
    assert found.columns == ["lr", "status", "seconds", "train_loss", "epochs", "error"]
    assert found.runs[0].results == {"train_loss": history["train_loss"][-1], "epochs": 2}


def test_diverged_runs_are_rows_and_count_as_worst(tmp_path):
    def train(lr, seed):
        if lr == 1:
            raise FloatingPointError("the loss became NaN")
        return math.inf if lr == 2 and seed else lr

    found = quiet(train, {"lr": [0.5, 1, 2], "seed": [0, 1, 2]}, executor="serial", out=tmp_path)
    assert [run.status for run in found.runs] == ["ok"] * 3 + ["diverged"] * 3 + ["ok"] + ["diverged"] * 2
    assert found.runs[3].error == "FloatingPointError: the loss became NaN"
    assert [(s.diverged, s.median) for s in found.summary()] == [(0, 0.5), (3, math.inf), (2, math.inf)]
    assert found.best()[0].settings == {"lr": 0.5}
    assert "∞" in found.table()
    assert found.summary(higher_is_better=True)[1].median == -math.inf
    assert without_seconds(open_sweep(tmp_path / "runs.csv")) == without_seconds(found)


# Errors


def test_one_error_is_recorded_and_raised_at_the_end(tmp_path):
    broken = [True]

    def train(lr):
        if lr == 2 and broken[0]:
            raise ValueError("two is odd")
        return lr

    with pytest.raises(
        RuntimeError, match=r"(?s)1 of 3 runs .*train\(lr=2\): ValueError: two is odd.*line \d+"
    ):
        quiet(train, {"lr": [1, 2, 3]}, executor="serial", out=tmp_path)
    kept = open_sweep(tmp_path)
    assert [(run.status, run.error) for run in kept.runs] == [
        ("ok", ""), ("error", "ValueError: two is odd"), ("ok", ""),
    ]  # fmt: skip
    assert repr(kept) == "<Sweep of 3 runs over lr: 1 error>"
    broken[0] = False
    again = quiet(train, {"lr": [1, 2, 3]}, executor="serial", out=tmp_path)
    assert again["loss"] == [1, 2, 3]
    assert open_sweep(tmp_path).runs == open_sweep(tmp_path / "runs.csv").runs == again.runs


@pytest.mark.parametrize("executor", ["serial", None])
def test_a_train_that_never_works_is_tried_a_few_times_only(executor, tmp_path):
    def train(n):
        (tmp_path / str(n)).touch()
        time.sleep(0.01)
        raise NameError("w")

    with pytest.raises(RuntimeError, match=r"1 of 1 runs raised an error"):
        quiet(train, {"n": range(300)}, executor=executor)
    assert len(list(tmp_path.iterdir())) < 100


@pytest.mark.parametrize("bad", ["text", None, {}, {"status": 1.0}, {"a": "b"}, [1.0, 2.0], {1: 2.0}])
def test_results_that_are_no_numbers_are_refused(bad):
    with pytest.raises(RuntimeError, match="TypeError: train must return"):
        quiet(lambda lr: bad, {"lr": [1]}, executor="serial")


@pytest.mark.parametrize(
    ("grid", "kind", "said"),
    [
        ({}, TypeError, "must be a dict of lists"),
        ("lr", TypeError, "must be a dict of lists"),
        ({"lr": 0.1}, TypeError, r"Write \{'lr': \[0.1\]\}"),
        ({"lr": "0.1"}, TypeError, "must be a list"),
        ({"lr": []}, ValueError, "at least one value"),
        ({"lr": [0.1, 0.1]}, ValueError, "twice"),
        ({"lr": [math.nan]}, ValueError, "finite"),
        ({"seconds": [1]}, ValueError, "Rename it"),
        ({"two words": [1]}, ValueError, "Rename it"),
        ({"f": [lambda: 0]}, TypeError, "Give it a name"),
        ({"f": [[1, 2]]}, TypeError, "must be"),
        ([{"lr": [1]}, {"a": [1]}], ValueError, "same settings"),
    ],
)
def test_bad_grids_are_refused_before_any_run(grid, kind, said, tmp_path):
    with pytest.raises(kind, match=said):
        quiet(pytest.fail, grid, executor="serial", out=tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_other_bad_arguments_are_refused(tmp_path):
    with pytest.raises(TypeError, match=r"`sweep\(executor=...\)` must be None for processes"):
        quiet(bowl, executor=4)
    with pytest.raises(TypeError, match="train must be a function"):
        quiet(3)
    with pytest.raises(ValueError, match=r"`sweep\(out=...\)` must be a folder"):
        quiet(bowl, executor="serial", out=__file__)
    quiet(lambda lr: lr, {"lr": [1]}, executor="serial", out=tmp_path)
    with pytest.raises(ValueError, match=r"holds a sweep over \['lr'\].*Give another folder"):
        quiet(lambda rate: rate, {"rate": [1]}, executor="serial", out=tmp_path)
    with pytest.raises(FileNotFoundError, match="holds no sweep"):
        open_sweep(tmp_path / "none")


# Resuming

KILLED = """
import sys, time
from optim import sweep
def train(lr, seed):
    time.sleep(0.03)
    return {"loss": lr / (1 + seed), "other": 0.1 * seed}
grid = {"lr": [0.1, 0.2, 0.3], "seed": range(10)}
sweep(train, grid, executor=eval(sys.argv[2]), out=sys.argv[1], progress=False)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="kills a process")
@pytest.mark.parametrize("executor", ["'serial'", "None"])
def test_a_killed_sweep_goes_on_and_equals_one_that_was_not(executor, tmp_path):
    command = [sys.executable, "-c", KILLED, str(tmp_path / "a"), executor]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, env=environment)
    log = tmp_path / "a" / "runs.jsonl"
    deadline = time.monotonic() + 60
    while not (log.exists() and log.read_bytes().count(b"\n") >= 3) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = log.read_bytes().count(b"\n")
    assert 3 <= done < 30
    with log.open("ab") as file:
        file.write(b'{"settings": {"lr": 0.3, "se')  # what a kill inside a write leaves
    assert len(open_sweep(tmp_path / "a")) == done
    calls = []

    def train(lr, seed):
        calls.append(1)
        return {"loss": lr / (1 + seed), "other": 0.1 * seed}

    grid = {"lr": [0.1, 0.2, 0.3], "seed": range(10)}
    resumed = quiet(train, grid, executor="serial", out=tmp_path / "a")
    assert len(calls) == 30 - done
    whole = quiet(train, grid, executor="serial", out=tmp_path / "b")
    assert without_seconds(resumed) == without_seconds(whole) == without_seconds(open_sweep(tmp_path / "a"))
    tables = [
        [
            line.split(",")[:3] + line.split(",")[4:]
            for line in (tmp_path / x / "runs.csv").read_text().split()
        ]
        for x in "ab"
    ]
    assert tables[0] == tables[1]


def test_a_larger_grid_adds_to_a_smaller_one_and_the_csv_alone_is_enough(tmp_path):
    small = quiet(bowl, GRID | {"seed": [0]}, executor="serial", out=tmp_path)
    (tmp_path / "runs.jsonl").unlink()
    both = quiet(bowl, GRID, executor="serial", out=tmp_path)
    assert [r for r in without_seconds(both) if "'seed': 0" in r] == without_seconds(small)
    assert without_seconds(both) == without_seconds(quiet(bowl, GRID, executor="serial"))
    assert len((tmp_path / "runs.jsonl").read_text().splitlines()) == 18


def test_ctrl_c_in_fit_leaves_that_run_to_do(tmp_path):
    class Stopped:
        rows, stopped = [{"epoch": 1, "train_loss": 0.5}], "interrupted"

    with pytest.raises(KeyboardInterrupt):
        quiet(lambda lr: lr if lr == 1 else Stopped(), {"lr": [1, 2]}, executor="serial", out=tmp_path)
    assert open_sweep(tmp_path)["lr"] == [1]


@pytest.mark.skipif(sys.platform != "linux", reason="sends a signal")
def test_ctrl_c_does_not_wait_for_the_workers():
    def interrupt():
        time.sleep(0.7)
        os.kill(os.getpid(), signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # it is ignored in a shell's background
    began = time.monotonic()
    threading.Thread(target=interrupt).start()
    try:
        with pytest.raises(KeyboardInterrupt):
            quiet(lambda s: time.sleep(s) or 1.0, {"s": [60, 61, 62]})
    finally:
        signal.signal(signal.SIGINT, before)
    assert time.monotonic() - began < 30


def test_what_is_no_sweep_is_refused(tmp_path):
    (tmp_path / "runs.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match="is no table of runs"):
        open_sweep(tmp_path)
    (tmp_path / "runs.jsonl").write_text("{}\n")
    with pytest.raises(ValueError, match=r"line 1 of .* is no run"):
        open_sweep(tmp_path)


# What the runs say


def test_settings_keep_their_kinds_through_the_csv(tmp_path):
    settings = {"a": [1, 2.5, True, None, "x, y", 'say "no"', 1e-300]}
    runs = [Run({"a": a}, "ok", 0.25, {"loss": 1 / 3}, "") for a in settings["a"]]
    Sweep(runs).save(tmp_path / "t.csv")
    again = open_sweep(tmp_path / "t.csv")
    assert {(type(r.settings["a"]), r.settings["a"]) for r in again.runs} == {
        (type(a), a) for a in settings["a"]
    }
    assert set(again["loss"]) == {1 / 3}


def test_a_sweep_can_be_pickled():
    found = quiet(bowl, executor="serial")
    assert repr(pickle.loads(pickle.dumps(found)).runs) == repr(found.runs)


@pytest.mark.parametrize(
    ("n", "i", "coverage"), [(5, 1, 0.9375), (6, 1, 0.96875), (9, 2, 0.9609375), (20, 6, 0.9586105)]
)
def test_the_interval_of_the_median_has_the_tabled_coverage(n, i, coverage):
    """As scipy.stats.binom has it: 1 − 2·cdf(i − 1, n, ½)."""
    values = np.random.default_rng(0).permutation(n).astype(float)
    middle, low, high, sure = median_interval(values)
    assert (low, high) == (i - 1, n - i)
    assert middle == (n - 1) / 2
    assert sure == pytest.approx(coverage, abs=1e-7)


def test_the_interval_of_the_median_covers_it(rng):
    """For a skewed distribution whose median is ln 2."""
    draws = rng.exponential(size=(2000, 9))
    covered = [low <= math.log(2) <= high for _, low, high, _ in map(median_interval, draws)]
    assert np.mean(covered) == pytest.approx(0.9609, abs=0.015)


def test_a_run_with_one_nan_has_diverged_by_every_metric():
    found = quiet(lambda lr: {"loss": lr, "other": math.nan}, {"lr": [1]}, executor="serial")
    assert found.summary("loss")[0].median == math.inf


def test_medians_stand_infinities():
    assert median_interval([1.0, math.inf, 2.0])[:3] == (2.0, 1.0, math.inf)
    assert median_interval([1.0, math.inf]) == (math.inf, 1.0, math.inf, 0.5)
    assert median_interval([math.inf, math.inf])[0] == math.inf
    assert math.isnan(median_interval([1.0])[1])
    with pytest.raises(ValueError, match="other than NaN"):
        median_interval([math.nan])


def runs_of(table):
    """{(optimizer, lr): losses by seed} as a Sweep."""
    return Sweep(
        [
            Run({"optimizer": o, "lr": lr, "seed": s}, "ok", 0.0, {"loss": loss, "accuracy": 1 - loss})
            for (o, lr), losses in sorted(table.items())
            for s, loss in enumerate(losses)
        ]
    )


def test_the_best_rate_is_as_sure_as_the_seeds_say():
    clear = runs_of({("A", 0.1): [1, 2, 3, 2, 1], ("A", 1.0): [11, 12, 13, 12, 11], ("B", 0.1): [5] * 5})
    a, b = clear.best()
    assert (a.by, a.settings) == ({"optimizer": "A"}, {"optimizer": "A", "lr": 0.1})
    assert a.between == {"lr": (0.1, 0.1)}
    assert (a.summary.median, a.summary.low, a.summary.high) == (2, 1, 3)
    assert b.by == {"optimizer": "B"}
    most = clear.best("accuracy", higher_is_better=True)[0].summary
    assert (most.median, most.low, most.high) == (-1, -2, 0)
    unsure = runs_of({("A", 0.1): [1, 9, 1, 9, 1], ("A", 1.0): [9, 1, 9, 1, 9]})
    assert unsure.best()[0].between == {"lr": (0.1, 1.0)}
    assert [best.settings["lr"] for best in unsure.best(by=("optimizer", "lr"))] == [0.1, 1.0]
    assert unsure.best("accuracy", higher_is_better=True)[0].settings["lr"] == 0.1
    assert clear.best(by=())[0].settings == {"optimizer": "A", "lr": 0.1}


def test_an_interval_is_told_and_drawn_from_its_lower_to_its_upper_end(plt):
    table = {("A", 0.1): [1, 2, 3, 2, 1], ("A", 1.0): [1, 5, 2, math.inf, math.inf]}
    found = runs_of(table)
    head, *rows = [line.split() for line in found.table().splitlines()[:3]]
    assert head[-2:] == ["low", "high"]
    assert [row[-2:] for row in rows] == [["1.000", "3.000"], ["1.000", "∞"]]
    assert found.best()[0].between == {"lr": (0.1, 1.0)}
    assert ">0.1 … 1<" in found._repr_html_()
    (band,) = found.plot().collections  # up to the median, where the interval has no end
    assert {tuple(x) for x in band.get_paths()[0].vertices} == {(0.1, 1), (0.1, 3), (1, 1), (1, 5)}


def test_where_and_names_are_checked():
    found = runs_of({("A", 0.1): [1.0, 2.0]})
    assert found.where(optimizer="A")["lr"] == [0.1, 0.1]
    for call, said in (
        (lambda: found.where(optimizer="B"), "no such run"),
        (lambda: found.where(rate=1), "settings are"),
        (lambda: found.summary("nothing"), "must be one of"),
        (lambda: found.best(by="nothing"), "must name settings"),
        (lambda: found.table(over=["nothing"]), "must name settings"),
        (lambda: Sweep([]).summary(), "no run has given a number"),
    ):
        with pytest.raises(ValueError, match=said):
            call()
    with pytest.raises(KeyError, match="the columns are"):
        found["nothing"]


def test_notebooks_show_the_best_and_all():
    html = quiet(bowl, executor="serial")._repr_html_()
    assert "18 runs over optimizer, lr, seed: 3 diverged" in html
    assert "best lr, 95 %" in html
    assert html.count("<table") == 2
    assert Sweep([])._repr_html_()


# Performance profiles

COSTS = {"a": [1.0, 4.0, 2.0, math.nan], "b": [2.0, 1.0, math.inf, math.inf], "c": [10.0, 2.0, 2.0, math.inf]}


def test_profiles_are_those_of_dolan_and_more():
    """Worked by hand: the ratios of a are 1, 4, 1, ∞; of b 2, 1, ∞, ∞; of c 10, 2, 1, ∞."""
    found = performance_profile(COSTS)
    assert found.ratios == {
        "a": [1, 4, 1, math.inf],
        "b": [2, 1, math.inf, math.inf],
        "c": [10, 2, 1, math.inf],
    }
    shares = {s: [found.share(s, t) for t in (1, 2, 4, 10, math.inf)] for s in "abc"}
    assert shares == {
        "a": [0.5, 0.5, 0.75, 0.75, 0.75], "b": [0.25, 0.5, 0.5, 0.5, 0.5], "c": [0.25, 0.5, 0.5, 0.75, 0.75],
    }  # fmt: skip
    assert [line.split()[0] for line in found.table().splitlines()] == ["solver", "a", "b", "c"] or (
        found.table().splitlines()[1].startswith("a")
    )
    assert "a" in found._repr_html_()


@pytest.mark.parametrize(
    ("costs", "said"),
    [
        ({"a": [1.0], "b": [1.0, 2.0]}, "one cost for each problem"),
        ({"a": [0.0]}, "must be above 0"),
        ({"a": [-1.0]}, "must be above 0"),
        ({"a": []}, "one cost for each problem"),
        ({}, "must be a dict of lists"),
    ],
)
def test_bad_costs_are_refused(costs, said):
    with pytest.raises((ValueError, TypeError), match=said):
        performance_profile(costs)


def test_a_profile_of_a_sweep_takes_each_optimizer_at_its_best_rate():
    found = runs_of(
        {("A", 0.1): [1, 4, 3], ("A", 1.0): [11, 12, 13], ("B", 0.1): [5, 2, 9], ("B", 1.0): [6, 2, 9]}
    )
    assert found.profile().ratios == {"A": [1, 2, 1], "B": [5, 1, 3]}


# Pictures


@pytest.fixture
def plt():
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    from matplotlib import pyplot

    with pyplot.style.context("default"):  # whatever style an example has set
        yield pyplot
    pyplot.close("all")


def test_curves_show_medians_bands_and_what_diverged(plt):
    found = quiet(bowl, executor="serial")
    fig, ax = plt.subplots()
    assert found.plot(ax=ax) is ax
    lines = {line.get_label(): line for line in ax.lines}
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["Adam", "SGD", "a run diverged"]
    medians = [s.median for s in found.summary() if s.settings["optimizer"] == "Adam"]
    assert list(lines["Adam"].get_xdata()) == [0.01, 0.1, 2.0]
    np.testing.assert_array_equal(lines["Adam"].get_ydata(), medians)
    assert [list(line.get_xdata()) for line in ax.lines if line.get_marker() == "x"] == [[], [2.0], []]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("learning rate", "final loss")
    assert ax.get_title() == "median and its interval at 75 %"
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    assert len(ax.collections) == 2
    fig.canvas.draw()


def test_a_picture_has_a_place_for_every_setting(plt):
    found = quiet(lambda lr, depth: lr, {"lr": [1, 2], "depth": [1, 2]}, executor="serial")
    with pytest.raises(ValueError, match=r"sweep.where\(depth=1\)"):
        found.plot()
    with pytest.raises(ValueError, match="must be a setting of numbers"):
        found.plot(x="width")
    before = plt.get_fignums()
    assert len(found.plot(by="depth").get_legend().get_texts()) == 2
    assert len(plt.get_fignums()) == len(before) + 1


def test_profiles_are_drawn_as_steps(plt):
    ax = performance_profile(COSTS).plot()
    line = next(line for line in ax.lines if line.get_label() == "a")
    np.testing.assert_array_equal(line.get_xdata(), [1, 1, 1, 4, ax.get_xlim()[1]])
    np.testing.assert_array_equal(line.get_ydata(), [0, 0.25, 0.5, 0.75, 0.75])


def test_without_matplotlib_the_remedy_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match="needs Matplotlib"):
        performance_profile(COSTS).plot()


@pytest.fixture(scope="module")
def dask():
    """The executor of a Dask cluster of two processes."""
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client.get_executor()


@pytest.mark.dask
def test_dasks_executor_works_as_it_is(dask):
    found = quiet(lambda lr, seed: lr * seed, {"lr": [0.5, 2], "seed": [1, 2]}, executor=dask)
    assert found["loss"] == [0.5, 1.0, 2, 4]
    with pytest.raises(RuntimeError, match=r"train\(seed=1\): ZeroDivisionError"):
        quiet(lambda seed: 1 / 0, {"seed": [1]}, executor=dask)
    lock = threading.Lock()  # which no process can be sent
    with pytest.raises(RuntimeError, match="the workers cannot run train"):
        quiet(lambda seed: lock.locked(), {"seed": [1]}, executor=dask)


@pytest.mark.dask
def test_a_sweep_through_dask_goes_on_and_equals_a_serial_one(dask, tmp_path):
    data = moons(40, noise=0.1, rng=0)

    def train(optimizer, lr, seed):
        if lr > 1:
            raise FloatingPointError("the loss became inf")
        model = MLP((2, 8, 2), "tanh", rng=seed)
        rule = optimizer(model.named_parameters(), lr=lr)
        return fit(model, rule, cross_entropy, (data.X, data.y), epochs=3, rng=seed, progress=False)

    grids = [
        {"optimizer": [optim.SGD, optim.Adam], "lr": [0.01, 0.3], "seed": [0, 1]},
        {"optimizer": [optim.Momentum], "lr": [3.0], "seed": [0, 1]},
    ]
    serial = quiet(train, grids, executor="serial", out=tmp_path / "serial")
    quiet(train, grids[0] | {"seed": [0]}, executor=dask, out=tmp_path / "dask")
    found = quiet(train, grids, executor=dask, out=tmp_path / "dask")
    assert len((tmp_path / "dask" / "runs.jsonl").read_text().splitlines()) == len(found) == 10

    def trained(sweep):
        kept = [
            run._replace(results={k: v for k, v in run.results.items() if k != "seconds"})
            for run in sweep.runs
        ]
        return [repr(run._replace(seconds=0.0)) for run in kept]

    assert [run.status for run in found.runs].count("diverged") == 2
    assert trained(found) == trained(serial) == trained(open_sweep(tmp_path / "dask"))


def test_the_log_is_one_line_of_json_a_run(tmp_path):
    quiet(bowl, executor="serial", out=tmp_path)
    lines = [json.loads(line) for line in (tmp_path / "runs.jsonl").read_text().splitlines()]
    assert len(lines) == 18
    assert set(lines[0]) == {"settings", "status", "seconds", "results", "error"}
