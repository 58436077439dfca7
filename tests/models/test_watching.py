"""fit's hooks after single steps: what they are told, what is measured, and that they change no training."""

import math

import matplotlib as mpl
import numpy as np
import pytest

import optim
from minigrad import Tensor
from models import MLP, Dropout, EarlyStopping, Linear, Sequential, cross_entropy, fit, mse_loss
from models.history import History, Steps
from models.steps import norm

mpl.use("Agg")
data = np.random.default_rng(0)
X = data.normal(size=(50, 3))
Y = (X[:, 0] + 0.3 * data.normal(size=50) > 0).astype(int)
KNOWN = (
    "lr",
    "loss",
    "gradient_norm",
    "update/weight",
    "sharpness",
    "preconditioned_sharpness",
    "gradient_noise",
)


def trained(epochs=2, make=optim.Adam, seed=0, lr=0.05, dropout=False, **options):
    layers = [
        Linear(3, 4, rng=seed),
        np.tanh,
        *([Dropout(0.3, rng=5)] if dropout else []),
        Linear(4, 2, rng=1),
    ]
    model = Sequential(*layers)
    optimizer = make(model.named_parameters(), lr=lr)
    given = {"batch_size": 16, "rng": 3, "progress": False} | options
    return model, fit(model, optimizer, cross_entropy, (X, Y), epochs=epochs, **given)


def weights(model):
    return {name: p.numpy() for name, p in model.named_parameters()}


@pytest.mark.parametrize("compile", [True, False])
@pytest.mark.parametrize("accumulate", [1, 3])
def test_a_step_tells_what_was_done(compile, accumulate):
    """A loop by hand on the rows that the steps name makes the same gradients, losses and weights."""
    steps = []
    model, history = trained(on_step=steps.append, accumulate=accumulate, compile=compile, clip_norm=0.4)
    by_hand = Sequential(Linear(3, 4, rng=0), np.tanh, Linear(4, 2, rng=1))
    adam, size = optim.Adam(by_hand.named_parameters(), lr=0.05), 16 * accumulate
    each = math.ceil(50 / size)
    assert [(s.epoch, s.number) for s in steps] == [(1 + i // each, 1 + i) for i in range(2 * each)]
    assert history.steps.taken == len(steps)
    assert not len(history.steps)
    for step in steps:
        np.testing.assert_array_equal(step.x, X[step.rows])
        np.testing.assert_array_equal(step.y, Y[step.rows])
        by_hand.zero_grad()
        loss = cross_entropy(by_hand(step.x), step.y)
        loss.backward()
        length = np.sqrt(sum(np.sum(p.grad**2) for p in by_hand.parameters()))
        for p in by_hand.parameters():
            p.grad = p.grad * min(1, 0.4 / length)
        assert step.loss == pytest.approx(loss.item(), rel=1e-12)
        for name, p in by_hand.named_parameters():
            np.testing.assert_allclose(step.gradient[name], p.grad, rtol=1e-10, atol=1e-15)
        adam.step()
    epoch = np.concatenate([s.rows for s in steps[:each]])
    assert sorted(epoch) == list(range(50))
    for name, p in weights(by_hand).items():
        np.testing.assert_allclose(weights(model)[name], p, rtol=1e-9)


def test_the_batch_is_as_the_model_saw_it():
    steps = []
    trained(on_step=steps.append, augment=lambda x, rng: x + 1)
    np.testing.assert_array_equal(steps[1].x, X[steps[1].rows] + 1)


@pytest.mark.parametrize("how", ["callbacks", "on_step", "watch", "watch at the end", "validation"])
def test_who_evaluates_the_model_meanwhile_leaves_it_in_training(how):
    """The next step draws for its dropout, so the losses are those of a training without them."""

    def evaluates(now, *_):
        now.model.eval()

    def measure(step):
        step.model.eval()
        return 1.0

    given = {
        "callbacks": {"callbacks": [evaluates]},
        "on_step": {"on_step": evaluates},
        "watch": {"watch": {"one": (1, measure)}},
        "watch at the end": {"watch": {"one": ("epoch", measure)}},
        "validation": {"validation": (X, Y), "metrics": {"one": lambda out, y: 1.0}},
    }
    model, history = trained(epochs=3, dropout=True, **given[how])
    assert history["train_loss"] == trained(epochs=3, dropout=True)[1]["train_loss"]
    assert not model.training


def test_a_step_that_was_skipped_is_not_told():
    steps, spoiled = [], X.copy()
    spoiled[7] = np.nan
    model = Sequential(Linear(3, 2, rng=0))
    history = fit(model, optim.SGD(model.parameters()), cross_entropy, (spoiled, Y), epochs=1, batch_size=10,
                  skip_nonfinite=True, on_step=[steps.append], watch={"loss": 1}, progress=False)  # fmt: skip
    assert [s.number for s in steps] == history.steps["step"] == [1, 2, 3, 4]
    assert all(7 not in s.rows for s in steps)
    history = fit(model, optim.SGD(model.parameters()), cross_entropy, (X * np.nan, Y), epochs=1,
                  skip_nonfinite=True, watch={"loss": "epoch", "lr": 1}, progress=False)  # fmt: skip
    assert math.isnan(history["loss"][0])
    assert not history.steps.rows


@pytest.mark.parametrize(("answer", "stopped", "steps"), [
    (True, "on_step", 6), (np.True_, "on_step", 6), ("enough", "enough", 6), (False, "epochs", 12),
    (None, "epochs", 12), ("", "epochs", 12),
])  # fmt: skip
def test_a_function_ends_training_after_its_step(answer, stopped, steps, tmp_path):
    path, others = tmp_path / "run.mg", []
    ends = [lambda step: answer if step.number == 6 else None, lambda step: others.append(step)]
    model, history = trained(3, on_step=ends, checkpoint=path)
    assert (history.stopped, history.steps.taken, len(history)) == (stopped, steps, steps // 4)
    assert len(others) == steps
    again, resumed = trained(3, checkpoint=path, resume=True, seed=9)  # what was ended stays ended
    assert (resumed.stopped, resumed.steps.taken) == (stopped, steps)
    assert all(np.array_equal(p, weights(again)[name]) for name, p in weights(model).items())


@pytest.mark.parametrize(("answer", "says"), [
    (3, "must return None, True, or a text, got 3"), ({"a": 1.0}, "must return None"),
    ("epochs", "other than 'epochs'"),
])  # fmt: skip
def test_what_a_function_may_not_return(answer, says):
    with pytest.raises((TypeError, ValueError), match=rf"fit\(on_step=...\)`: the test.*lambda.*{says}"):
        trained(on_step=lambda step: answer)


def row_by_hand(step, before, after):
    """All known measures of one step of Adam, by NumPy, or by the function of `optim` that is called so."""
    model = step.model
    modes = [m.training for _, m in model.named_modules()]
    model.eval()
    closure, parameters = (lambda: cross_entropy(model(X), Y)), list(model.parameters())
    flat = np.concatenate([g.ravel() for g in step.gradient.values()])
    row = {
        "lr": step.optimizer.param_groups[0]["lr"],
        "loss": step.loss,
        "gradient_norm": np.linalg.norm(flat),
        "sharpness": np.linalg.eigvalsh(hessian(model))[-1],
        "preconditioned_sharpness": optim.preconditioned_sharpness(
            closure, parameters, step.optimizer.preconditioner()
        ),
        "gradient_noise": noise(model),
    }
    for name in before:
        moved = np.linalg.norm(after[name] - before[name]) / np.linalg.norm(before[name])
        row[f"update/weight {name}"] = moved
    for (_, m), mode in zip(model.named_modules(), modes, strict=True):
        m.training = mode
    return row


def hessian(model):
    """Of the mean loss of all rows, by central differences of the gradient."""
    flat = [(p, i) for p in model.parameters() for i in np.ndindex(p.shape)]
    H = []
    for p, i in flat:
        ends = []
        for h in (1e-5, -1e-5):
            old = p.data[i]
            p.data[i] = old + h
            ends.append(gradient(model, X, Y))
            p.data[i] = old
        H.append((ends[0] - ends[1]) / 2e-5)
    return (np.array(H) + np.array(H).T) / 2


def gradient(model, x, y):
    copy = Sequential(Linear(3, 4), np.tanh, Linear(4, 2))
    copy.load_state_dict(dict(zip(copy.state_dict(), (p.numpy() for p in model.parameters()), strict=True)))
    cross_entropy(copy(x), y).backward()
    return np.concatenate([p.grad.ravel() for p in copy.parameters()])


def noise(model):
    g = np.array([gradient(model, X[i : i + 1], Y[i : i + 1]) for i in range(50)])
    trace = g.var(axis=0, ddof=1).sum()
    return trace / (np.sum(g.mean(axis=0) ** 2) - trace / 50)


@pytest.mark.parametrize("dropout", [True, False])
def test_every_known_measure(dropout):
    seen, past = [], []

    def look(step):
        before = past[-1] if past else None
        past.append(weights(step.model))
        if step.number == 4:
            seen.append(row_by_hand(step, before, past[-1]))

    _, history = trained(epochs=1, dropout=dropout, watch=dict.fromkeys(KNOWN, 4), on_step=look)
    (row,) = history.steps.rows
    assert (row.pop("step"), row.pop("epoch")) == (4, 1)
    assert row == pytest.approx(seen[0], rel=1e-4 if dropout else 1e-5)
    _, once = trained(epochs=1, dropout=dropout, watch=dict.fromkeys(KNOWN, "epoch"))
    assert {name: once[name] for name in row} == {name: [value] for name, value in row.items()}
    assert not once.steps.rows


def test_watching_changes_no_training_and_is_the_same_compiled():
    found = []
    watch = dict.fromkeys(KNOWN, 3) | {"half": ("epoch", lambda s: s.loss / 2)}
    for options in ({}, {"watch": watch}, {"watch": watch, "compile": False}):
        found.append(trained(dropout=True, **options))
    for model, history in found[1:]:
        assert all(np.array_equal(p, weights(model)[name]) for name, p in weights(found[0][0]).items())
        assert history["train_loss"] == found[0][1]["train_loss"]
    assert found[1][1].steps == found[2][1].steps
    assert found[1][1]["half"] == found[2][1]["half"]


@pytest.mark.parametrize("stop", [1, 2])
def test_steps_resume_bit_for_bit(tmp_path, stop):
    options = {"dropout": True, "watch": {"loss": 3, "update/weight": 4, "lr": "epoch"}}
    _, whole = trained(epochs=3, **options)
    trained(epochs=stop, checkpoint=tmp_path / "run.mg", **options)
    _, again = trained(epochs=3, seed=9, checkpoint=tmp_path / "run.mg", resume=True, **options)
    assert again.steps == whole.steps
    assert again["lr"] == whole["lr"]
    assert again.steps["step"] == [3, 4, 6, 8, 9, 12]


def test_rates_are_those_of_the_step():
    model = Sequential(Linear(3, 4, rng=0), Linear(4, 2, rng=1))
    named = list(model.named_parameters())
    sgd = optim.SGD([{"params": named[:2], "lr": 0.1}, {"params": named[2:], "lr": 0.2}])
    history = fit(model, sgd, cross_entropy, (X, Y), epochs=2, batch_size=25, watch={"lr": 1}, progress=False,
                  schedule=optim.StepLR(sgd, 1, gamma=0.5), schedule_every="batch")  # fmt: skip
    assert history.steps["lr 0"] == [0.1, 0.05, 0.025, 0.0125]
    assert history.steps["lr 1"] == [0.2, 0.1, 0.05, 0.025]


def test_own_functions_and_early_stopping_on_a_watched_column():
    watch = {"two": (2, lambda step: {"a": step.number, "b": 0.5}), "w": ("epoch", lambda step: 1)}
    _, history = trained(epochs=9, watch=watch, callbacks=[EarlyStopping("w", patience=2)])
    assert history.steps.columns() == ["step", "epoch", "two a", "two b"]
    assert history.steps["two a"] == [2, 4, 6, 8, 10, 12]
    assert (history["w"], history.stopped) == ([1.0] * 3, "no better w for 2 epochs")
    stop = EarlyStopping("update/weight layers.0.weight", patience=1, min_delta=99)
    assert len(trained(epochs=9, watch={"update/weight": "epoch"}, callbacks=[stop])[1]) == 2


def test_of_a_weight_that_is_0():
    model = Sequential(Linear(1, 1, rng=0))
    model.layers[0].bias.requires_grad = False
    model.layers[0].weight.data[...] = 0
    for x, ratio in ((1.0, math.inf), (0.0, math.nan)):
        history = fit(model, optim.SGD(model.parameters(), lr=0.0 if x == 0 else 0.1), mse_loss,
                      (np.full((2, 1), x), np.ones((2, 1))), epochs=1, watch={"update/weight": 1},
                      progress=False)  # fmt: skip
        assert history.steps.columns() == ["step", "epoch", "update/weight layers.0.weight"]
        assert history.steps["update/weight layers.0.weight"] == pytest.approx([ratio], nan_ok=True)
        model.layers[0].weight.data[...] = 0


class Stepper:
    """The least that fit asks of an optimizer."""

    def __init__(self, parameters):
        self.parameters = list(parameters)

    def step(self, closure):
        loss = closure()
        loss.backward()
        for p in self.parameters:
            p.data[...] -= 0.1 * p.grad
            p.grad = None
        return loss

    def state_dict(self):
        return {}

    def load_state_dict(self, state):
        pass


@pytest.mark.parametrize("make", [Stepper, lambda p: optim.NewtonCG(p)])
def test_optimizers_without_a_rule(make):
    model, steps = Sequential(Linear(3, 2, rng=0)), []
    history = fit(model, make(model.parameters()), cross_entropy, (X, Y), epochs=1, batch_size=25,
                  watch={"loss": 1, "update/weight": 1}, on_step=steps.append, compile=False,
                  progress=False)  # fmt: skip
    assert history.steps["loss"][0] == pytest.approx(
        cross_entropy(Sequential(Linear(3, 2, rng=0))(steps[0].x), steps[0].y).item()
    )
    assert all(np.isfinite(history.steps["update/weight layers.0.weight"]))
    assert steps[0].gradient is None
    for name in ("lr", "gradient_norm"):
        with pytest.raises(ValueError, match=rf"watch={{'{name}': ...}}\)`: (NewtonCG|Stepper) .*Leave"):
            fit(model, make(model.parameters()), cross_entropy, (X, Y), epochs=1, watch={name: 1})


@pytest.mark.parametrize(("options", "says"), [
    ({"watch": ["loss"]}, r"fit\(watch=...\)` must be a dict of name: every, got \['loss'\]"),
    ({"watch": {"sharpnes": 1}}, r"watch={'sharpnes': ...}\)`: did you mean sharpness\? fit measures"),
    ({"watch": {"m_hat": 1}}, r"m_hat.*your own stands in a pair: {'m_hat': \(10, f\)}"),
    ({"watch": {"lr": 0}}, "at least 1, 'epoch', or a pair .*, got 0"),
    ({"watch": {"lr": True}}, "got True"), ({"watch": {"lr": 2.5}}, "got 2.5"),
    ({"watch": {"lr": "epochs"}}, "got 'epochs'"), ({"watch": {"mine": (0, len)}}, "got 0"),
    ({"watch": {"mine": (1, 3)}}, "second of the pair, got 3"),
    ({"watch": {"loss": (1, len)}}, "a name for your function that no column"),
    ({"watch": {"train_loss": ("epoch", len)}}, "a name for your function that no column"),
    ({"watch": {3: (1, len)}}, "a name for your function that no column"),
    ({"watch": {"preconditioned_sharpness": 1}, "make": optim.SGD}, "SGD does not offer it .*'sharpness'"),
    ({"on_step": 3}, r"fit\(on_step=...\)` must be a function of a step, or a list of them, got 3"),
    ({"on_step": [len, Linear]}, "got <class"),
])  # fmt: skip
def test_what_is_refused_before_anything_changes(options, says):
    ran = []
    with pytest.raises((TypeError, ValueError), match=says):
        trained(augment=lambda x, rng: ran.append(x), **options)
    assert not ran


@pytest.mark.parametrize("value", ["1", None, [1.0], Tensor(1.0), {"a": "x"}])
def test_a_measure_is_a_number(value):
    with pytest.raises(TypeError, match=r"the function of 'mine' must return a number, or a dict"):
        trained(watch={"mine": (1, lambda step: value)})


# The tables


def history():
    steps = [{"step": i, "epoch": 1, "loss": 10.0**-i} for i in range(1, 5)]
    steps[1]["update/weight a"] = steps[3]["update/weight a"] = 0.01
    steps[3]["update/weight b"] = 2e-5
    rows = [{"epoch": i, "train_loss": 1 / i, "val_loss": 2 / i, "seconds": 0.1} for i in (1, 2, 3)]
    return History(rows, steps=Steps(steps, taken=4))


def test_tables_read_alike():
    found = history()
    np.testing.assert_equal(found.steps["update/weight a"], [math.nan, 0.01, math.nan, 0.01])
    assert found.steps.table().splitlines()[-1].split() == ["4", "1", "0.0001", "0.0100", "2e-05"]
    assert repr(found.steps) == "<Steps: 4 rows of 4 steps>"
    assert "4 rows of 4 steps" in found._repr_html_()
    assert "Steps" not in History([{"epoch": 1}])._repr_html_()
    with pytest.raises(KeyError, match=r"write history\.steps\['loss'\]"):
        found["loss"]
    with pytest.raises(KeyError, match=r"history\.steps\['nothing'\]: the columns are"):
        found.steps["nothing"]


@pytest.mark.parametrize(("of", "columns", "lines", "label", "scale"), [
    ("history", None, ["train_loss", "val_loss"], "loss", "linear"),
    ("history", "seconds", ["seconds"], "seconds", "linear"),
    ("steps", None, ["loss"], "loss", "log"),
    ("steps", "update/weight", ["update/weight a", "update/weight b"], "update/weight", "log"),
    ("steps", ["loss", "update/weight a"], ["loss", "update/weight a"], "", "log"),
])  # fmt: skip
def test_a_plot_draws_on_the_axes_it_is_given(of, columns, lines, label, scale):
    from matplotlib.figure import Figure

    table, ax = history() if of == "history" else history().steps, Figure().subplots()
    assert table.plot(columns, ax=ax) is ax
    assert [line.get_label() for line in ax.get_lines()] == lines
    for line in ax.get_lines():
        values = [(row[table._key], row[line.get_label()]) for row in table.rows if line.get_label() in row]
        np.testing.assert_array_equal(line.get_xydata(), values)
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_yscale()) == (table._key, label, scale)
    assert (ax.get_legend() is None) == (len(lines) == 1)
    with pytest.raises(KeyError, match=rf"plot\('{lines[0]}x'\): did you mean {lines[0]}\? the columns are"):
        table.plot(f"{lines[0]}x", ax=ax)


def test_a_plot_shows_nothing_and_needs_matplotlib(monkeypatch):
    import sys

    from matplotlib import pyplot as plt

    monkeypatch.setattr(plt, "show", lambda *a, **k: pytest.fail("shown"))
    plt.close(history().plot().figure)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r'pip install -e "\.\[plot\]"'):
        history().plot()


def test_mlp_names_its_columns_by_path():
    model = MLP((3, 2), rng=0)
    history = fit(model, optim.SGD(model.parameters()), cross_entropy, (X, Y), epochs=1,
                  watch={"update/weight": 2}, progress=False)  # fmt: skip
    assert history.steps.columns()[2:] == ["update/weight layers.0.weight", "update/weight layers.0.bias"]


@pytest.mark.parametrize(("arrays", "length"), [
    ([np.full(4, 300, np.float16)], 600), ([np.full((2, 2), 1e200)], 2e200), ([np.full(4, 1e-200)], 2e-200),
    ([np.array([3.0]), np.array([[4.0]])], 5), ([np.zeros(3)], 0), ([], 0), ([np.zeros(0)], 0),
    ([np.array([1.0, np.inf])], np.inf), ([np.array([np.nan, 1.0]), np.ones(1)], np.nan),
])  # fmt: skip
def test_norms_of_any_size(arrays, length):
    assert norm(arrays) == pytest.approx(length, rel=1e-12, nan_ok=True)
