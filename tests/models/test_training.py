"""fit: learns, resumes bit for bit, survives Ctrl-C and damaged files, and refuses what does not fit."""

import os
import signal

import numpy as np
import pytest

import optim
from minigrad import CaptureError
from models import (
    MLP,
    Dropout,
    EarlyStopping,
    FileError,
    History,
    Linear,
    Sequential,
    accuracy,
    cross_entropy,
    evaluate,
    fit,
)
from models.datasets import digits, moons, train_test_split
from models.files import load_tree, save_tree
from models.training import Epoch

rng = np.random.default_rng(0)
X, Y = rng.normal(size=(50, 3)), rng.integers(0, 2, 50)


def setup(seed=0, **options):
    model = Sequential(Linear(3, 5, rng=seed), np.tanh, Dropout(0.2, rng=seed), Linear(5, 2, rng=seed + 1))
    optimizer = optim.Adam(model.named_parameters(), lr=0.01)
    schedule = optim.StepLR(optimizer, step_size=3, gamma=0.5)
    noise = lambda x, r: x + 0.1 * r.normal(size=x.shape)  # noqa: E731
    common = {"batch_size": 16, "validation": (X[:10], Y[:10]), "metrics": {"accuracy": accuracy},
              "schedule": schedule, "augment": noise, "callbacks": [EarlyStopping("val_loss", 50)], "rng": 3,
              "progress": False}  # fmt: skip
    return model, optimizer, cross_entropy, (X, Y), common | options


def run(epochs, **options):
    model, optimizer, loss, data, common = setup(**options)
    history = fit(model, optimizer, loss, data, epochs=epochs, **common)
    return model, optimizer, history


def same_state(a, b):
    return all(
        np.array_equal(p, q) for p, q in zip(a.state_dict().values(), b.state_dict().values(), strict=True)
    )


def test_a_small_run_on_real_digits_reaches_a_fixed_bar():
    train, test = train_test_split(digits(), rng=0, stratify=True)
    model = MLP((64, 32, 10), "relu", dtype=np.float32)
    as_input = lambda d: ((d.X / 16).astype(np.float32), d.y)  # noqa: E731
    history = fit(model, optim.Adam(model.parameters(), lr=5e-3), cross_entropy, as_input(train), epochs=12,
                  validation=as_input(test), metrics={"accuracy": accuracy}, progress=False)  # fmt: skip
    assert history["val_accuracy"][-1] >= 0.95
    assert history["train_loss"][-1] < 0.1 * history["train_loss"][0]
    assert model.layers[0].weight.dtype == np.float32


def test_the_history_is_what_happened():
    data = moons(40, rng=0)
    model = MLP((2, 8, 2), rng=0)
    history = fit(model, optim.SGD(model.parameters(), lr=0.0), cross_entropy, (data.X, data.y), epochs=2,
                  batch_size=7, validation=(data.X, data.y), metrics={"accuracy": accuracy},
                  progress=False)  # fmt: skip
    full = cross_entropy(model(data.X), data.y).item()
    assert history["train_loss"] == pytest.approx([full, full])
    assert history["val_loss"] == pytest.approx([full, full])
    assert history["val_accuracy"][0] == accuracy(model(data.X), data.y)
    assert history["epoch"] == [1, 2]
    assert history.stopped == "epochs"
    assert "val_accuracy" in history.table()


def test_every_row_is_seen_once_an_epoch_in_a_new_order():
    seen = []
    x = np.arange(10.0).reshape(-1, 1)
    model = Linear(1, 1)

    def loss(prediction, y):
        seen.append(y)
        return (prediction * 0.0).sum()

    fit(
        model,
        optim.SGD(model.parameters()),
        loss,
        (x, np.arange(10)),
        epochs=2,
        batch_size=4,
        progress=False,
        compile=False,
    )
    assert [len(b) for b in seen] == [4, 4, 2] * 2
    first, second = np.concatenate(seen[:3]), np.concatenate(seen[3:])
    assert sorted(first) == sorted(second) == list(range(10))
    assert list(first) != list(second)


@pytest.mark.parametrize("cut", [1, 3, 5])
def test_resuming_is_bit_identical_to_not_stopping(tmp_path, cut):
    path = tmp_path / "run.mg"
    straight, _, whole = run(6)
    run(cut, checkpoint=path)
    # all states come from the file
    resumed, optimizer, history = run(6, seed=9, checkpoint=path, resume=True, rng=99)
    assert same_state(straight, resumed)
    assert history["train_loss"] == whole["train_loss"]
    assert history["val_loss"] == whole["val_loss"]
    assert optimizer.param_groups[0]["lr"] == 0.01 * 0.25


def test_resume_without_a_file_starts_anew_and_a_finished_run_stays(tmp_path):
    path = tmp_path / "run.mg"
    model, _, history = run(2, checkpoint=path, resume=True)
    again, _, more = run(2, checkpoint=path, resume=True, seed=5)
    assert len(history) == len(more) == 2
    assert same_state(model, again)


def test_a_checkpoint_cut_at_any_byte_is_refused_and_the_earlier_one_survives(tmp_path):
    path = tmp_path / "state.mg"
    save_tree(path, {"w": np.arange(3.0), "t": 3, "name": "a", "none": None, "list": [1.5, {"b": True}]})
    whole = path.read_bytes()
    cut = tmp_path / "cut.mg"
    for n in range(len(whole)):
        cut.write_bytes(whole[:n])
        with pytest.raises(FileError, match="truncated"):
            load_tree(cut)
    for n in range(0, len(whole), 7):
        cut.write_bytes(whole[:n] + bytes([whole[n] ^ 1]) + whole[n + 1 :])
        with pytest.raises(FileError):
            load_tree(cut)
    with pytest.raises(TypeError, match="set cannot be saved"):
        save_tree(path, {"w": {1, 2}})
    assert path.read_bytes() == whole
    assert os.listdir(tmp_path) == ["cut.mg", "state.mg"] or sorted(os.listdir(tmp_path)) == [
        "cut.mg",
        "state.mg",
    ]
    tree = load_tree(path)
    assert tree["list"] == [1.5, {"b": True}]
    np.testing.assert_array_equal(tree["w"], [0, 1, 2])


def test_a_failure_while_writing_leaves_the_earlier_file(tmp_path, monkeypatch):
    path = tmp_path / "state.mg"
    save_tree(path, {"a": 1})
    monkeypatch.setattr(os, "replace", lambda *a: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        save_tree(path, {"a": 2})
    monkeypatch.undo()
    assert load_tree(path) == {"a": 1}
    assert os.listdir(tmp_path) == ["state.mg"]


@pytest.mark.skipif(os.name == "nt", reason="links and pipes of POSIX")
def test_saving_follows_links_keeps_permissions_and_never_takes_the_place_of_a_device(tmp_path):
    path, link, pipe = tmp_path / "state.mg", tmp_path / "latest.mg", tmp_path / "pipe"
    save_tree(path, {"a": 1})
    (tmp_path / "plain").write_bytes(b"")
    assert path.stat().st_mode == (tmp_path / "plain").stat().st_mode
    path.chmod(0o640)
    link.symlink_to(path.name)
    save_tree(link, {"a": 2})
    assert link.is_symlink()
    assert load_tree(path) == {"a": 2}
    assert path.stat().st_mode & 0o777 == 0o640
    os.mkfifo(pipe)
    for place in (pipe, tmp_path, ""):
        with pytest.raises(OSError, match="not a file that can be replaced"):
            save_tree(place, {"a": 3})
    assert pipe.is_fifo()
    assert sorted(os.listdir(tmp_path)) == ["latest.mg", "pipe", "plain", "state.mg"]


def test_a_damaged_checkpoint_changes_nothing(tmp_path):
    path = tmp_path / "run.mg"
    run(2, checkpoint=path)
    path.write_bytes(path.read_bytes()[:-1])
    model, optimizer, loss, data, common = setup(checkpoint=path, resume=True)
    before = model.state_dict()
    with pytest.raises(FileError):
        fit(model, optimizer, loss, data, epochs=4, **common)
    assert all(np.array_equal(before[k], v) for k, v in model.state_dict().items())


def test_a_checkpoint_of_another_run_changes_nothing(tmp_path):
    path = tmp_path / "run.mg"
    run(2, checkpoint=path)
    model, _, loss, data, common = setup(checkpoint=path, resume=True)
    other = optim.SGD(model.named_parameters(), lr=0.5)
    common["schedule"] = optim.StepLR(other, 1)
    before = model.state_dict()
    with pytest.raises(ValueError, match="SGD"):
        fit(model, other, loss, data, epochs=4, **common)
    assert all(np.array_equal(before[k], v) for k, v in model.state_dict().items())
    assert other.param_groups[0]["lr"] == 0.5
    with pytest.raises(ValueError, match="schedule"):
        fit(model, other, loss, data, epochs=4, **(common | {"schedule": None}))
    with pytest.raises(ValueError, match="random layers or callbacks"):
        fit(model, other, loss, data, epochs=4, **(common | {"callbacks": []}))
    # which has the same parameters
    without = Sequential(Linear(3, 5, rng=0), np.tanh, np.sin, Linear(5, 2, rng=1))
    adam = optim.Adam(without.named_parameters(), lr=0.01)
    with pytest.raises(ValueError, match="random layers or callbacks"):
        fit(
            without,
            adam,
            loss,
            data,
            epochs=4,
            **(common | {"schedule": optim.StepLR(adam, step_size=3, gamma=0.5)}),
        )
    model.save(path)
    with pytest.raises(ValueError, match="parameters only"):
        fit(model, other, loss, data, epochs=4, **common)


@pytest.mark.parametrize("compile", [True, False])
def test_ctrl_c_keeps_what_was_reached(compile):
    model, optimizer, _, data, common = setup()
    calls = []

    def augment(x, rng):
        calls.append(1)
        if len(calls) == 9:
            signal.raise_signal(signal.SIGINT)
        return x

    before = signal.getsignal(signal.SIGINT)
    options = common | {
        "validation": None,
        "metrics": None,
        "callbacks": [],
        "augment": augment,
        "compile": compile,
    }
    history = fit(model, optimizer, cross_entropy, data, epochs=50, **options)
    assert history.stopped == "interrupted"
    assert len(history) == 2
    assert len(calls) == 9, "the step in which it happened was finished, and no further one begun"
    assert signal.getsignal(signal.SIGINT) is before
    assert all(np.isfinite(p.data).all() for p in model.parameters())


def test_compiling_changes_no_digit_of_the_history():
    rows = []
    for compile in (True, False):
        model, optimizer, _, data, common = setup()
        history = fit(model, optimizer, cross_entropy, data, epochs=4, compile=compile, **common)
        rows.append(
            [{k: v for k, v in row.items() if k != "seconds"} for row in history.rows] + [model.state_dict()]
        )
    one, other = rows
    assert one[:-1] == other[:-1]
    for name, p in one[-1].items():
        np.testing.assert_array_equal(p, other[-1][name])


def test_what_cannot_be_replayed_says_how_to_train_it():
    model, optimizer, _, data, common = setup()
    before = model.state_dict()

    def loss(out, y):
        value = cross_entropy(out, y)
        return value if value.item() > 0 else value * 2

    with pytest.warns(
        RuntimeWarning, match=r"\.item\(\).*test_training\.py:\d+ in loss.*fit\(compile=False\)"
    ) as told:
        fit(model, optimizer, loss, data, epochs=1, **common)
    assert [each.filename for each in told] == [__file__]
    found, (model, optimizer, _, data, common) = model.state_dict(), setup()
    fit(model, optimizer, loss, data, epochs=1, compile=False, **common)
    for name, p in model.state_dict().items():
        np.testing.assert_array_equal(p, found[name])
        assert not np.array_equal(p, before[name])


def test_in_the_middle_of_a_step_of_several_batches_it_is_refused():
    model, optimizer, _, data, common = setup()
    loss = lambda out, y: cross_entropy(out, y) * (1 if len(y) == 16 else out.sum().item())  # noqa: E731
    before = model.state_dict()
    with pytest.raises(CaptureError, match=r"fit\(compile=False\)"):
        fit(model, optimizer, loss, data, epochs=1, accumulate=4, **common)
    for name, p in model.state_dict().items():
        np.testing.assert_array_equal(p, before[name])


def test_a_data_set_stands_for_its_pair():
    train, test = train_test_split(moons(60, rng=0), rng=0)
    found = []
    for a, b in (((train.X, train.y), (test.X, test.y)), (train, test)):
        model = MLP((2, 4, 2), rng=0)
        history = fit(
            model, optim.Adam(model.parameters()), cross_entropy, a, epochs=2, validation=b, progress=False
        )
        found.append((history["train_loss"], history["val_loss"], evaluate(model, cross_entropy, b)))
    assert found[0] == found[1]
    with pytest.raises(TypeError, match=r"fit\(train=...\)` must be one Dataset.*validation="):
        fit(model, optim.Adam(model.parameters()), cross_entropy, (train, test), epochs=1)
    with pytest.raises(
        TypeError, match=r"evaluate\(data=...\)` must be a pair of arrays \(x, y\) or a Dataset, got 3"
    ):
        evaluate(model, cross_entropy, (1, 2, 3))


def test_a_second_ctrl_c_stops_at_once():
    model, optimizer, _, data, common = setup()

    def loss(out, y):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        return cross_entropy(out, y)

    with pytest.raises(KeyboardInterrupt):
        fit(model, optimizer, loss, data, epochs=50, **common)


def test_early_stopping():
    model, optimizer, loss, data, common = setup()
    history = fit(
        model,
        optimizer,
        loss,
        data,
        epochs=100,
        **(common | {"callbacks": [EarlyStopping("val_loss", 2, 10.0)]}),
    )
    assert history.stopped == "no better val_loss for 2 epochs"
    assert len(history) == 3
    before = model.state_dict()
    with pytest.raises(ValueError, match=r"val_x.*'val_accuracy', 'val_loss'"):
        fit(model, optimizer, loss, data, epochs=1, **(common | {"callbacks": [EarlyStopping("val_x")]}))
    assert all(np.array_equal(p, before[name]) for name, p in model.state_dict().items())
    history = fit(model, optimizer, loss, data, epochs=3, **(common | {"callbacks": [lambda epoch: True]}))
    assert (history.stopped, len(history)) == ("callback", 1)
    with pytest.raises(KeyError, match=r"history\['loss'\].*'train_loss'"):
        history["loss"]
    with pytest.raises(ValueError, match="patience"):
        EarlyStopping(patience=0)


def test_the_optimizer_must_hold_what_is_to_be_trained():
    model, _, loss, data, common = setup()
    common["schedule"] = None
    with pytest.raises(TypeError, match=r"must be an optimizer, such as .*, got the class Adam"):
        fit(model, optim.Adam, loss, data, epochs=1, **common)
    with pytest.raises(TypeError, match="got list"):
        fit(model, [], loss, data, epochs=1, **common)
    other, optimizer, _, _, others = setup(seed=5)
    with pytest.raises(
        ValueError, match=r"layers\.0\.weight, .*layers\.3\.bias\. Was it made for another model"
    ):
        fit(model, optimizer, loss, data, epochs=1, **common)
    other.layers[3] = Linear(5, 2, rng=0)
    with pytest.raises(ValueError, match=r"but it lacks layers\.3\.weight, layers\.3\.bias\. Was it"):
        fit(other, optimizer, loss, data, epochs=1, **common)
    for p in other.layers[3].parameters():
        p.requires_grad = False
    fit(other, optimizer, loss, data, epochs=1, **common)
    mine = optim.Adam(model.parameters())
    with pytest.raises(ValueError, match="must be a schedule of the optimizer that is given"):
        fit(model, mine, loss, data, epochs=1, **(common | {"schedule": others["schedule"]}))


@pytest.mark.parametrize("compile", [True, False])
def test_afterwards_the_model_is_ready_to_predict(compile):
    model, *_ = run(1, compile=compile)
    assert not any(module.training for _, module in model.named_modules())
    assert all(p.grad is None for p in model.parameters())


def test_a_run_that_a_callback_ended_stays_ended(tmp_path):
    path = tmp_path / "run.mg"
    stop = {"checkpoint": path, "callbacks": [lambda e: e.row["epoch"] == 3 and "enough"]}
    model, _, _ = run(10, **stop)
    again, _, history = run(10, **stop, resume=True, seed=4)
    assert (len(history), history.stopped) == (3, "enough")
    assert same_state(model, again)


def test_a_callback_may_stop():
    model, optimizer, loss, data, common = setup()
    history = fit(
        model,
        optimizer,
        loss,
        data,
        epochs=9,
        **(common | {"callbacks": [lambda e: e.row["epoch"] == 2 and "enough"]}),
    )
    assert (len(history), history.stopped) == (2, "enough")


def test_a_loss_that_is_not_finite_stops_before_the_step():
    model, optimizer, _, data, common = setup()
    before = model.state_dict()
    with pytest.raises(FloatingPointError, match="epoch 1"):
        fit(model, optimizer, lambda out, y: cross_entropy(out, y) * np.nan, data, epochs=1, **common)
    assert all(np.array_equal(before[k], v) for k, v in model.state_dict().items())


@pytest.mark.parametrize("compile", [True, False])
def test_a_trial_point_without_a_finite_loss_is_the_optimizers_to_reject(compile):
    """The logarithm ends where the output is ±1, and a whole first step leads beyond."""
    model, met = Sequential(Linear(1, 1, rng=0)), []
    model.layers[0].weight.assign([[0.33]])
    x = np.full((4, 1), 3.0)

    def barrier(out, y):
        value = -np.log(1 - out**2).mean()
        if not compile:
            met.append(value.item())
        return value

    optimizer = optim.LBFGS(model.named_parameters(), lr=100.0)
    history = fit(
        model, optimizer, barrier, (x, x[:, 0]), epochs=5, batch_size=None, compile=compile, progress=False
    )
    assert history["train_loss"][-1] < 0.1 * history["train_loss"][0]
    assert compile or not np.isfinite(met).all()


def test_evaluate_does_not_record_and_puts_the_mode_back():
    model = Sequential(Linear(3, 2), Dropout(0.9))
    values = [evaluate(model, cross_entropy, (X, Y), {"accuracy": accuracy}, batch_size=7) for _ in range(2)]
    assert values[0] == values[1]
    assert model.training
    model.layers[1].eval()
    evaluate(model, cross_entropy, (X, Y))
    assert [m.training for _, m in model.named_modules()] == [True, True, False]
    full = cross_entropy(model.eval()(X), Y).item()
    assert values[0]["loss"] == pytest.approx(full)


@pytest.mark.parametrize(("change", "says"), [
    ({"epochs": 0}, r"`fit\(epochs=\.\.\.\)`"),
    ({"epochs": 1.5}, "epochs"),
    ({"batch_size": 0}, "batch_size"),
    ({"batch_size": True}, "batch_size"),
    ({"train": X}, "pair"),
    ({"train": (X, Y[:3])}, "equally many rows"),
    ({"train": (X[:0], Y[:0])}, "at least 1"),
    ({"validation": (X, Y[:3])}, "equally many rows"),
    ({"schedule_every": "day"}, "schedule_every"),
    ({"resume": True}, "checkpoint="),
    ({"validation": None}, "metrics"),
    ({"callbacks": lambda epoch: None}, r"callbacks=.*list of functions"),
    ({"callbacks": [EarlyStopping]}, "callbacks"),
    ({"callbacks": [3]}, "callbacks"),
    ({"metrics": [accuracy]}, "metrics=.*dict"),
    ({"metrics": {"accuracy": 3}}, "metrics"),
    ({"augment": 3}, "augment"),
    ({"loss": 3}, "loss"),
    ({"schedule": 3}, "schedule"),
    ({"schedule": [optim.StepLR]}, "schedule"),
    ({"loss": lambda out, y: out}, r"scalar Tensor, got shape \(16, 2\)"),
    ({"loss": lambda out, y: 1.0}, "scalar Tensor"),
    ({"clip_norm": 0.0}, "clip_norm=.*finite number > 0"),
    ({"clip_norm": True}, "clip_norm"),
    ({"clip_norm": np.inf}, "clip_norm"),
    ({"accumulate": 0}, "accumulate=.*at least 1"),
    ({"accumulate": 2.0}, "accumulate"),
    ({"skip_nonfinite": 1}, "skip_nonfinite=.*True or False"),
    ({"keep_best": "val_loss"}, "keep_best=.*True or False"),
    ({"compile": "no"}, "compile=.*True or False"),
    ({"resume": "run.mg"}, "resume=.*True or False"),
    ({"rng": "seed"}, "rng=.*Generator"),
    ({"rng": 1.5}, "rng"),
])  # fmt: skip
def test_bad_arguments_change_nothing(change, says):
    model, optimizer, loss, data, common = setup()
    before = model.state_dict()
    arguments = {"epochs": 2, "loss": loss, "train": data} | common | change
    with pytest.raises((ValueError, TypeError), match=says):
        fit(model, optimizer, **arguments)
    assert all(np.array_equal(before[k], v) for k, v in model.state_dict().items())


def test_a_checkpoint_that_cannot_be_written_is_refused_first(tmp_path):
    model, optimizer, loss, data, common = setup()
    before = model.state_dict()
    for path in (tmp_path / "missing" / "run.mg", tmp_path):
        with pytest.raises(OSError, match=tmp_path.name):
            fit(model, optimizer, loss, data, epochs=1, **(common | {"checkpoint": path}))
    assert all(np.array_equal(before[k], v) for k, v in model.state_dict().items())


def test_an_empty_history_has_a_table():
    assert History().table() == "no epoch was completed"


@pytest.mark.parametrize("make", [
    optim.Newton, optim.NewtonCG, optim.LBFGS, lambda p: optim.NewtonCG(p, curvature="ggn", damping=0.1),
])  # fmt: skip
def test_optimizers_that_evaluate_the_closure_more_than_once_train_too(make):
    model = Sequential(Linear(3, 4, rng=0), np.tanh, Linear(4, 2, rng=1))
    history = fit(
        model,
        make(model.named_parameters()),
        cross_entropy,
        (X, Y),
        epochs=8,
        batch_size=None,
        progress=False,
    )
    losses = history["train_loss"]
    # the loss before the step
    assert losses[0] == pytest.approx(cross_entropy(_fresh(X), Y).item(), rel=1e-12)
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < 0.9 * losses[0]


def _fresh(x):
    return Sequential(Linear(3, 4, rng=0), np.tanh, Linear(4, 2, rng=1))(x)


def test_a_run_that_gets_validation_later_has_gaps_before(tmp_path):
    path = tmp_path / "run.mg"
    run(2, checkpoint=path, validation=None, metrics=None, callbacks=[])
    _, _, history = run(4, checkpoint=path, resume=True, callbacks=[])
    assert np.isnan(history["val_loss"]).tolist() == [True, True, False, False]
    assert len({len(line) for line in history.table().splitlines()}) == 1


@pytest.mark.parametrize("compile", [True, False])
@pytest.mark.parametrize("kind", [optim.SGD, optim.Adam])
def test_a_gradient_that_is_not_finite_changes_neither_model_nor_checkpoint(tmp_path, compile, kind):
    model = Sequential(Linear(2, 1, rng=0))
    for p in model.parameters():
        p.assign(np.zeros(p.shape))
    loss = lambda out, y: np.sqrt(np.mean((out - y) ** 2))  # noqa: E731
    with pytest.raises(FloatingPointError, match=r"gradient became NaN .*epoch 1.* was not taken"):
        fit(model, kind(model.parameters()), loss, (np.zeros((9, 2)), np.zeros((9, 1))), epochs=2,
            compile=compile, checkpoint=tmp_path / "run.mg", progress=False)  # fmt: skip
    assert not any(p.data.any() for p in model.parameters())
    assert os.listdir(tmp_path) == []


def test_weights_that_a_step_made_infinite_reach_no_checkpoint(tmp_path):
    model, *_ = setup()
    steep = optim.SGD(model.parameters(), lr=1e308)
    with pytest.raises(FloatingPointError, match="epoch 1"), np.errstate(all="ignore"):
        fit(model, steep, lambda out, y: 1e10 * out.mean(), (X, Y), epochs=1, batch_size=None,
            checkpoint=tmp_path / "run.mg", progress=False)  # fmt: skip
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("higher", [False, True])
@pytest.mark.parametrize("values", [(0.5, 0.9, 0.8), (-0.5, -0.9, np.nan)])
def test_early_stopping_keeps_the_metric_as_it_is_and_serves_twice(values, higher):
    stop = EarlyStopping("m", patience=3, higher_is_better=higher)
    for value in values:
        stop(Epoch(None, None, History([{"m": value}])))
    assert stop.best == (max if higher else min)(v for v in values if v == v)
    again = EarlyStopping("train_loss", patience=2, min_delta=100.0)
    assert [len(run(9, callbacks=[again])[2]) for _ in range(2)] == [3, 3]


@pytest.mark.parametrize("bad", [np.nan, -0.1, np.inf, "x"])
def test_early_stopping_checks_min_delta(bad):
    with pytest.raises(ValueError, match="min_delta"):
        EarlyStopping(min_delta=bad)


def test_schedules_in_fit():
    model, optimizer, loss, data, common = setup()
    plateau = optim.ReduceLROnPlateau(optimizer, factor=0.5, patience=0, threshold=10.0, threshold_mode="abs")
    warm = optim.LinearLR(optimizer, 0.5, total_iters=2)
    fit(model, optimizer, loss, data, epochs=3, **(common | {"schedule": [warm, plateau]}))
    assert (warm.last_epoch, plateau.last_epoch) == (3, 3)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.01 / 4)


def test_resuming_with_other_options_of_the_schedule_is_told(tmp_path):
    path = tmp_path / "run.mg"
    run(2, checkpoint=path)
    model, optimizer, loss, data, common = setup(checkpoint=path, resume=True)
    before = model.state_dict()
    common["schedule"] = optim.StepLR(optimizer, step_size=4, gamma=0.5)
    with pytest.raises(ValueError, match=r"StepLR\(step_size=3\).*step_size=4"):
        fit(model, optimizer, loss, data, epochs=4, **common)
    assert all(np.array_equal(before[k], v) for k, v in model.state_dict().items())


@pytest.mark.parametrize(("answer", "says"), [
    (np.array([1.0, 2.0]), "callback .*lambda"), (0.5, "must return None"), (3, "must return None"),
    (np.float64(1), "got .*1.0"), (b"why", "must return None"), ("epochs", "other than 'epochs'"),
    ([], "must return None"), ({"train_loss": 1.0}, "not yet in"),
    ({"more": "x"}, "name: number"), ({1: 1.0}, "name: number"),
])  # fmt: skip
def test_what_a_callback_may_not_return(answer, says):
    with pytest.raises((TypeError, ValueError), match=says):
        run(1, callbacks=[lambda epoch: answer])


def test_what_a_callback_may_return():
    goes_on = [(answer, "epochs") for answer in (None, False, np.False_, "")]
    ends = [(np.True_, "callback"), ("why", "why"), (np.str_("why"), "why")]
    for answer, stopped in goes_on + ends:
        assert run(1, callbacks=[lambda epoch, answer=answer: answer])[2].stopped == stopped
    assert run(2, callbacks=[lambda epoch: {"twice": 2 * epoch.row["epoch"]}])[2]["twice"] == [2, 4]
    assert run(1, callbacks=[lambda epoch: {"a": np.float32(0.5), "b": np.True_}])[2].rows[0]["b"] is True


# What is done with a gradient before the step


def trained(compile=True, lr=0.1, epochs=2, make=optim.SGD, loss=cross_entropy, data=(X, Y), **options):
    model = Sequential(Linear(3, 5, rng=0), np.tanh, Linear(5, 2, rng=1))
    optimizer = make(model.named_parameters(), lr=lr)
    options = {"batch_size": 16, "rng": 3} | options
    history = fit(model, optimizer, loss, data, epochs=epochs, compile=compile, progress=False, **options)
    return model, history


def close(a, b, rtol=1e-12):
    for p, q in zip(a.parameters(), b.parameters(), strict=True):
        np.testing.assert_allclose(p.data, q.data, rtol=rtol, atol=1e-13)


@pytest.mark.parametrize("compile", [True, False])
@pytest.mark.parametrize("accumulate", [2, 3, 100])
def test_accumulated_batches_are_one_large_batch(compile, accumulate):
    """50 rows in batches of 8: the last batch has 2 rows, and the last step of an epoch fewer batches."""
    small = trained(compile, batch_size=8, accumulate=accumulate)
    large = trained(compile, batch_size=min(8 * accumulate, 50))
    close(small[0], large[0])
    assert small[1]["train_loss"] == pytest.approx(large[1]["train_loss"])


@pytest.mark.parametrize("compile", [True, False])
def test_a_clipped_gradient_has_the_norm_that_was_asked_for(compile):
    before = Sequential(Linear(3, 5, rng=0), np.tanh, Linear(5, 2, rng=1))
    for clip_norm, moved in ((1e-3, 1e-3), (1e9, None)):
        after, _ = trained(compile, lr=1.0, epochs=1, batch_size=None, clip_norm=clip_norm)
        steps = [p.data - q.data for p, q in zip(before.parameters(), after.parameters(), strict=True)]
        norm = np.sqrt(sum(np.sum(s * s) for s in steps))
        if moved:
            assert norm == pytest.approx(moved)
        else:
            close(after, trained(compile, lr=1.0, epochs=1, batch_size=None)[0], rtol=0)


def test_a_gradient_whose_square_overflows_is_clipped():
    huge = lambda out, y: 1e200 * cross_entropy(out, y)  # noqa: E731
    for compile in (True, False):
        large = lambda out, y: 1e3 * cross_entropy(out, y)  # noqa: E731
        both = [trained(compile, loss=each, clip_norm=0.1)[0] for each in (huge, large)]
        close(*both, rtol=1e-9)


@pytest.mark.parametrize("compile", [True, False])
@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_step_that_is_not_finite_is_skipped(compile, accumulate):
    """Row 7 is NaN; training without the batches of its step gives the same weights."""
    spoiled = X.copy()
    spoiled[7] = np.nan
    options = {"batch_size": 5, "accumulate": accumulate, "data": (spoiled, Y), "make": optim.Adam}
    model, history = trained(compile, epochs=2, skip_nonfinite=True, **options)
    assert history["skipped"] == [1, 1]
    assert np.isfinite(history["train_loss"]).all()
    assert all(np.isfinite(p.data).all() for p in model.parameters())
    by_hand = Sequential(Linear(3, 5, rng=0), np.tanh, Linear(5, 2, rng=1))
    adam, order = optim.Adam(by_hand.named_parameters(), lr=0.1), np.random.default_rng(3)
    for _ in range(2):
        rows = order.permutation(50)
        for start in range(0, 50, 5 * accumulate):
            chosen = rows[start : start + 5 * accumulate]
            if 7 not in chosen:
                adam.step(lambda chosen=chosen: cross_entropy(by_hand(spoiled[chosen]), Y[chosen]))
    close(model, by_hand, 1e-9)
    with pytest.raises(FloatingPointError, match="the step was not taken"):
        trained(compile, **options)


@pytest.mark.parametrize("compile", [True, False])
def test_a_loss_that_is_not_finite_spoils_the_whole_step(compile):
    """Here the gradient is finite all the same."""
    first = np.random.default_rng(3).permutation(50)[0]  # in the first of the five batches of the step
    labels = Y + np.where(np.arange(50) == first, np.inf, 0.0)
    squares = lambda out, y: (out * out).mean() + np.max(y)  # noqa: E731
    options = {"data": (X, labels), "loss": squares, "batch_size": 10, "epochs": 1, "skip_nonfinite": True}
    start, _ = trained(compile, lr=0.0, accumulate=5, **options)
    model, history = trained(compile, accumulate=5, **options)
    assert history["skipped"] == [1]
    close(start, model, rtol=0)


def test_an_epoch_without_a_step_has_no_train_loss():
    _, history = trained(data=(X * np.nan, Y), skip_nonfinite=True, epochs=1)
    assert np.isnan(history["train_loss"]).all()
    assert history["skipped"] == [4]


def test_compiled_and_eager_agree_with_all_options():
    options = {
        "make": optim.Adam,
        "clip_norm": 0.2,
        "accumulate": 2,
        "skip_nonfinite": True,
        "keep_best": True,
    }
    close(trained(True, **options)[0], trained(False, **options)[0], 1e-9)


def test_the_best_epoch_is_kept():
    seen = []
    see = lambda epoch: seen.append((epoch.row["val_loss"], epoch.model.state_dict())) and None  # noqa: E731
    options = {"lr": 3.0, "epochs": 6, "validation": (X[:20], Y[:20])}
    model, history = trained(keep_best=True, callbacks=[see], **options)
    value, best = min(seen, key=lambda pair: pair[0])
    assert value == min(history["val_loss"]) < history["val_loss"][-1]
    assert all(np.array_equal(best[name], p.data) for name, p in model.named_parameters())


@pytest.mark.parametrize("compile", [True, False])
@pytest.mark.parametrize("stop", [1, 2, 3, 4])
def test_all_options_resume_bit_for_bit(tmp_path, compile, stop):
    options = {"make": optim.SGD, "lr": 8.0, "validation": (X[:20], Y[:20]), "clip_norm": 0.3,
               "accumulate": 2, "skip_nonfinite": True, "keep_best": True, "compile": compile}  # fmt: skip
    whole, history = trained(epochs=4, **options)
    path = tmp_path / "run.mg"
    trained(epochs=stop, checkpoint=path, **options)
    resumed, again = trained(epochs=4, checkpoint=path, resume=True, **options)
    assert same_state(whole, resumed)
    assert again["val_loss"] == history["val_loss"]
    assert np.argmin(history["val_loss"]) < 3  # else there is nothing to restore


def test_a_checkpoint_without_the_best_epoch_is_told(tmp_path):
    trained(epochs=1, checkpoint=tmp_path / "run.mg")
    with pytest.raises(ValueError, match="without keep_best"):
        trained(epochs=2, checkpoint=tmp_path / "run.mg", resume=True, keep_best=True)


@pytest.mark.parametrize("option", [{"clip_norm": 1.0}, {"accumulate": 2}, {"skip_nonfinite": True}])
def test_newton_judges_gradients_itself(option):
    model = Sequential(Linear(3, 2, rng=0))
    with pytest.raises(TypeError, match=r"update rule.*NewtonCG"):
        fit(model, optim.NewtonCG(model.named_parameters()), cross_entropy, (X, Y), epochs=1, **option)


def test_a_plateau_watches_the_column_it_names(tmp_path):
    model, optimizer, loss, data, common = setup()
    plateau = optim.ReduceLROnPlateau(optimizer, mode="max", patience=50, monitor="val_accuracy")
    history = fit(model, optimizer, loss, data, epochs=3, **(common | {"schedule": plateau}))
    assert plateau.best == max(history["val_accuracy"])
    wrong = optim.ReduceLROnPlateau(optimizer, monitor="val_f1")
    with pytest.raises(ValueError, match=r"watches 'val_f1'.*val_accuracy"):
        fit(model, optimizer, loss, data, epochs=3, **(common | {"schedule": wrong}))
    with pytest.raises(TypeError, match="monitor"):
        optim.ReduceLROnPlateau(optimizer, monitor=3)


@pytest.mark.parametrize(
    ("every", "accumulate", "steps"), [("batch", 1, 12), ("batch", 3, 6), ("epoch", 1, 3)]
)
def test_a_cycle_that_is_too_short_is_refused_first(every, accumulate, steps, tmp_path):
    def go(total, **more):
        model = Sequential(Linear(3, 2, rng=0))
        optimizer = optim.SGD(model.named_parameters(), momentum=0.9)
        cycle = optim.OneCycleLR(optimizer, 0.1, total_steps=total)
        fit(model, optimizer, cross_entropy, (X, Y), epochs=3, batch_size=16, schedule=cycle,
            schedule_every=every, accumulate=accumulate, progress=False, **more)  # fmt: skip
        return cycle

    assert go(steps).last_epoch == steps
    with pytest.raises(ValueError, match=rf"total_steps={steps - 1}.* {steps} times"):
        go(steps - 1)


@pytest.mark.parametrize(
    ("column", "given", "higher"),
    [
        ("val_loss", None, False),
        ("val_accuracy", None, True),
        ("val_accuracy", False, False),
        ("f1", True, True),
    ],
)
def test_early_stopping_takes_more_accuracy_for_better(column, given, higher):
    stop = EarlyStopping(column, patience=1, higher_is_better=given)
    values = [1.0, 2.0, 3.0] if higher else [3.0, 2.0, 1.0]
    rows = [{column: v} for v in values]
    assert [stop(Epoch(None, None, History(rows[: i + 1]))) for i in range(3)] == [None] * 3


def test_a_model_without_live_parameters_is_not_trained():
    model, optimizer, loss, data, common = setup()
    for p in model.parameters():
        p.requires_grad = False
    with pytest.raises(ValueError, match=r"fit\(optimizer=...\)` must hold a parameter to be trained"):
        fit(model, optimizer, loss, data, epochs=1, **common)


def test_a_step_that_returns_no_loss_is_named():
    class Silent(optim.Optimizer):
        def step(self, closure):
            closure()

    model, _, loss, data, _ = setup()
    with pytest.raises(TypeError, match=r"`fit`: Silent.step\(closure\) must call the closure and return"):
        fit(model, Silent(model.named_parameters()), loss, data, epochs=1, progress=False)
