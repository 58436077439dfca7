"""The examples show what they say."""

import numpy as np
import pytest

from examples import micrograd_demo, minimize_rosenbrock, newton_1d, newton_vs_saddle, race, train_digits


def test_micrograds_published_trace_to_13_digits():
    trace = micrograd_demo.train()
    for step, (loss, accuracy) in micrograd_demo.PUBLISHED.items():
        assert trace[step][0] == pytest.approx(loss, abs=1e-13)
        assert trace[step][1] == accuracy


def test_micrograds_demo_prints_its_table_and_draws(tmp_path, capsys):
    micrograd_demo.main(["--out", str(tmp_path)])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 + len(micrograd_demo.PUBLISHED) + 1
    assert lines[-1] == f"picture: {tmp_path / 'moons.png'}"
    assert (tmp_path / "moons.png").stat().st_size > 20_000


def test_a_short_digits_run_ends_with_its_accuracy(tmp_path, capsys):
    train_digits.main(["--epochs", "8", "--seed", "1", "--out", str(tmp_path)])
    lines = capsys.readouterr().out.strip().splitlines()
    assert lines[-1].startswith("test accuracy 0.9")
    assert sum(line.strip().split()[0].isdigit() for line in lines) == 8
    assert {p.name for p in tmp_path.iterdir()} == {"learning_curves.png", "confusion.png", "model.mg"}


def test_a_short_newton_cg_run_reads_most_digits_and_its_model_is_saved(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(train_digits, "VERSIONS", 1)
    train_digits.main(["--optimizer", "newton-cg", "--epochs", "15", "--seed", "1", "--out", str(tmp_path)])
    lines = capsys.readouterr().out.strip().splitlines()
    rows = [line.split() for line in lines if line.strip().split()[0].isdigit()]
    assert len(rows) == 15
    assert float(rows[-1][1]) < 0.2 * float(rows[0][1])
    assert float(lines[-1].removeprefix("test accuracy ")) > 0.93
    assert {p.name for p in tmp_path.iterdir()} == {"learning_curves.png", "confusion.png", "model.mg"}


def test_each_optimizer_has_its_own_default_of_epochs():
    data = tuple((x[:70], y[:70]) for x, y in train_digits.load(0))
    assert len(train_digits.train("sgd", None, 0, data, progress=False)[1]) == train_digits.EPOCHS
    assert (
        len(train_digits.train("newton-cg", None, 0, data, progress=False)[1])
        == train_digits.FULL_BATCH_EPOCHS
    )


def test_shifting_moves_by_one_pixel_at_most_and_never_wraps():
    image = np.zeros((200, 8, 8))
    image[:, 0, 7] = 1.0
    out = train_digits.shifted(image.reshape(200, 64), np.random.default_rng(0)).reshape(200, 8, 8)
    places = {(int(r), int(c)) for _, r, c in np.argwhere(out)}
    assert places <= {(0, 7), (0, 6), (1, 7), (1, 6)}
    assert len(places) == 4
    assert (out.sum(axis=(1, 2)) == 0).any(), "some were moved out of the picture"


@pytest.mark.parametrize("name", train_digits.OPTIMIZERS)
def test_every_optimizer_lowers_the_loss(name):
    data = tuple((x[:200], y[:200]) for x, y in train_digits.load(0))
    _, history = train_digits.train(name, 4, 0, data, progress=False)
    assert history["train_loss"][-1] < 0.95 * history["train_loss"][0]


def test_digits_without_matplotlib_say_so(tmp_path, capsys, monkeypatch):
    def missing():
        raise ImportError("matplotlib")

    monkeypatch.setattr(train_digits.plotting, "pyplot", missing)
    train_digits.main(["--epochs", "1", "--out", str(tmp_path)])
    assert train_digits.plotting.MISSING in capsys.readouterr().out.splitlines()


def test_pictures_are_named_in_the_closing_lines(tmp_path, capsys):
    train_digits.main(["--epochs", "1", "--out", str(tmp_path)])
    lines = capsys.readouterr().out.strip().splitlines()
    names = ("learning_curves.png", "confusion.png")
    assert lines[-3:-1] == [f"picture: {tmp_path / name}" for name in names]


@pytest.mark.parametrize(
    ("example", "bad", "said"),
    [
        (train_digits, ["--epochs", "0"], "--epochs: must be a whole number of at least 1, got '0'"),
        (train_digits, ["--seed", "-1"], "--seed: must be a whole number of at least 0, got '-1'"),
        (train_digits, ["--seed", "one"], "--seed: must be a whole number of at least 0, got 'one'"),
        (train_digits, ["--optimizer", "magic"], "'magic'"),
        (train_digits, ["--out", __file__], "--out: must be a folder to write into, got"),
        (newton_1d, ["--out", __file__], "--out: must be a folder to write into, got"),
        (newton_vs_saddle, ["--out", __file__ + "/below"], "--out: must be a folder to write into, got"),
        (minimize_rosenbrock, ["--gtol", "nan"], "--gtol: must be a number above 0, got 'nan'"),
        (minimize_rosenbrock, ["--gtol", "0"], "--gtol: must be a number above 0, got '0'"),
        (micrograd_demo, ["--out", __file__], "--out: must be a folder to write into, got"),
        (race, ["--seeds", "0"], "--seeds: must be a whole number of at least 1, got '0'"),
        (train_digits, ["--optimizer", "all"], "'all'"),
        (micrograd_demo, ["--seed", "1"], "unrecognized arguments"),
    ],
)
def test_bad_arguments_are_refused_before_any_work(example, bad, said, capsys):
    with pytest.raises(SystemExit):
        example.main(bad)
    err = capsys.readouterr().err
    assert err.startswith(f"usage: python -m {example.__name__}")
    assert said in err
