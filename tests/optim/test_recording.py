"""What a step computed, looked at afterwards: `last_step`, `explain`, and the recorder, against bookkeeping
in the loop."""

import contextlib
import copy
import functools
import json
import math
import mmap
import os
import pickle
import random
import re
import signal
import time
import warnings

import numpy as np
import pytest

import optim
from minigrad import Tensor, compile
from models import MLP, fit, mse_loss
from optim import FirstOrder
from optim.recording import recorder as recorder_file
from optim.recording import rows as rows_file
from tests.optim.cases import MAKERS, SETTINGS
from tests.problems import leaf
from tests.seeds import further

each = pytest.mark.parametrize("name", SETTINGS)
QUICK = "Adam amsgrad=True weight_decay=0.01"


def equal(seen, wanted, what=""):
    assert seen.keys() == wanted.keys(), what
    for name, values in wanted.items():
        assert seen[name].keys() == values.keys(), (what, name)
        for key, value in values.items():
            assert np.asarray(seen[name][key]).dtype == np.asarray(value).dtype, (what, name, key)
            np.testing.assert_array_equal(seen[name][key], value, err_msg=f"{what} {name} {key}")


def parameters(rng, dtype=np.float64):
    shapes = {"a": (2, 3), "b": (), "c": (4,)}
    return [leaf(rng.standard_normal(shape), dtype, name) for name, shape in shapes.items()]


def walk(opt, params, steps, rng):
    """Steps with random gradients: some parameters lack theirs, one is frozen, a rate is changed. What
    `preview` shows before each step, and all weights after it."""
    shown, weights = [], []
    for t in range(1, steps + 1):
        for p in params:
            there = rng.random() < 0.8 or p is params[0]
            p.grad = rng.standard_normal(p.shape).astype(p.dtype) if there else None
        params[-1].requires_grad = t % 5 != 0 or len(params) == 1
        if t == 6:
            opt.param_groups[0]["lr"] = 0.03
        shown.append(opt.preview())
        opt.step()
        weights.append({p.name: p.data.copy() for p in params})
    return shown, weights


@each
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_every_intermediate_of_every_step_has_the_bits_of_preview(name, dtype, rng, tmp_path):
    case, options = SETTINGS[name]
    params = parameters(rng, dtype)
    groups = [{"params": params[:2]}, {"params": params[2:], "lr": case.lr / 2}]
    opt = case.kind(groups, lr=case.lr, maximize=dtype is np.float32, **options)
    opt.keep_last_step = True
    start = {p.name: p.data.copy() for p in params}
    with optim.record(opt, tmp_path / "run", every=4) as run:
        shown, weights = walk(opt, params, 11, rng)
        equal(opt.last_step, shown[-1], "last_step")
    for opened in (run, optim.open_run(tmp_path / "run")):
        assert len(opened) == 11
        for t in (11, 3, 4, 5, 1, 9, 10, 6):  # also backwards, and across checkpoints
            equal(opened.at(t), shown[t - 1], f"step {t}")
        for t in (11, 0, 5):
            equal({"w": opened.weights(t)}, {"w": weights[t - 1] if t else start}, f"weights {t}")
    sign = -1 if dtype is np.float32 else 1
    np.testing.assert_array_equal(run.gradient(7)["a"], sign * shown[6]["a"]["g"])
    np.testing.assert_array_equal(run.scalars["lr.0"], [case.lr] * 5 + [0.03] * 6)
    g = np.concatenate([np.ravel(v["g"]) for v in shown[2].values()])
    assert run.scalars["gradient_norm"][2] == pytest.approx(np.linalg.norm(g), rel=1e-6)
    moved = [weights[2][n] - weights[1][n] for n in start]
    length = np.linalg.norm(np.concatenate([np.ravel(a) for a in moved]))
    assert run.scalars["step_norm"][2] == pytest.approx(length, rel=1e-5)


class Keeping:
    """Keeps a copy of each `last_step`."""

    def __init__(self):
        self.seen = []

    def before(self, optimizer, work):
        pass

    def after(self, optimizer, loss):
        self.seen.append((loss.item(), copy.deepcopy(optimizer.last_step)))


def training(folder, rng, compiled, **settings):
    x = rng.standard_normal((24, 2))
    model = MLP((2, 4, 1), "tanh", rng=1)
    opt = optim.Adam(model.named_parameters(), lr=0.01)
    keeping = Keeping()
    opt.keep_last_step = True
    opt.observers = (*opt.observers, keeping)
    with optim.record(opt, folder, every=3, resume=True) as run:
        often = {"schedule_every": "batch", "batch_size": 8, "clip_norm": 0.2, "progress": False}
        half = optim.StepLR(opt, 2, gamma=0.5)
        fit(model, opt, mse_loss, (x, x[:, :1]), rng=3, schedule=half, compile=compiled, **often, **settings)
    return run, keeping.seen, model


@pytest.mark.parametrize("compiled", [True, False])
def test_inside_fit_with_clipping_and_a_schedule(compiled, rng, tmp_path):
    run, seen, model = training(tmp_path / "run", rng, compiled, epochs=3)
    assert len(run) == len(seen) == 9
    for t, (loss, shown) in enumerate(seen, 1):
        equal(run.at(t), shown, f"step {t}")
        assert run.scalars["loss"][t - 1] == loss
    for name, p in model.named_parameters():
        np.testing.assert_array_equal(run.weights(9)[name], p.data)
        np.testing.assert_array_equal(seen[-1][1][name]["w"], p.data)
    assert run.scalars["gradient_norm"].max() <= 0.2 + 1e-12
    assert run.scalars["lr"][[0, 2, 8]].tolist() == [0.01, 0.005, 0.01 / 16]


def by_hand(opt, book, gradients):
    """The rule on each parameter by itself in plain NumPy, and what it computed."""
    shown = {}
    for group in opt.param_groups:
        for p in group["params"]:
            if p.name not in gradients:
                continue
            mine = book[p.name]
            if "t" not in mine:
                mine |= {"t": 0, **opt.scalars}
                mine |= {s: np.full(p.shape, float(opt.initial(s, group.options))) for s in group.state}
            mine["t"] += 1
            scalars = {name: mine[name] for name in ("t", *opt.scalars)}
            vectors = [mine[name] for name in ("w", *group.state)]
            out = opt.rule(vectors[0], gradients[p.name], *vectors[1:], **scalars, **group.for_rule)
            mine.update({name: value for name, value in out.items() if name in mine})
            shown[p.name] = {"g": gradients[p.name]} | out
    return shown


@pytest.mark.parametrize("name", [QUICK, *further(*(name for name in SETTINGS if name != QUICK))])
@pytest.mark.parametrize("compiled", [True, False])
def test_at_is_what_the_rule_gives_by_hand_through_all_that_a_training_changes(name, compiled, rng, tmp_path):
    """Two groups, a schedule, a parameter that is frozen for a while, and a new process after step 6."""
    case, options = SETTINGS[name]
    data = rng.standard_normal((10, 2, 3))
    starts = {p.name: p.data.copy() for p in parameters(rng)}
    book, wanted, state = {name: {"w": start} for name, start in starts.items()}, [], None
    for steps in (range(6), range(6, 10)):
        a, b, c = (leaf(start, name=name) for name, start in starts.items())
        opt = case.kind([{"params": [a, b]}, {"params": [c], "lr": case.lr / 2}], lr=case.lr, **options)
        schedule = optim.StepLR(opt, 3, gamma=0.5)

        def loss_of(x, a=a, b=b, c=c):
            return np.sum((a * x - b) ** 2) + np.sum(np.cos(c)) * b

        program = compile(loss_of)
        if state is not None:
            for p in (a, b, c):
                p.assign(book[p.name]["w"])
            opt.load_state_dict(state[0])
            schedule.load_state_dict(state[1])
        with optim.record(opt, tmp_path / "run", every=4, resume=True) as run:
            for t in steps:
                c.requires_grad = t not in (2, 3, 7)
                opt.step(program.at(data[t]) if compiled else functools.partial(loss_of, data[t]))
                gradients = {p.name: np.array(p.grad) for p in (a, b, c) if p.requires_grad}
                wanted.append(by_hand(opt, book, gradients))
                schedule.step()
        state = opt.state_dict(), schedule.state_dict()
    for opened in (run, optim.open_run(tmp_path / "run")):
        assert len(opened) == 10
        for t in (10, 1, 3, 4, 5, 6, 7, 8):
            seen = opened.at(t)
            assert (
                seen.keys() == wanted[t - 1].keys() == {"a", "b", "c"} - ({"c"} if t in (3, 4, 8) else set())
            )
            for p, values in wanted[t - 1].items():
                for key, value in values.items():
                    np.testing.assert_array_equal(seen[p][key], value, err_msg=f"step {t} {p} {key}")
    assert run.scalars["lr.1"].tolist() == [case.lr / 2 * 0.5 ** (t // 3) for t in range(10)]


def test_fit_resumed_from_its_checkpoint_cuts_away_what_came_after(rng, tmp_path):
    whole, seen, _ = training(tmp_path / "whole", np.random.default_rng(5), True, epochs=4)
    saved = {"checkpoint": tmp_path / "fit.npz"}
    training(tmp_path / "run", np.random.default_rng(5), True, epochs=2, **saved)
    kept = (tmp_path / "fit.npz").read_bytes()
    training(tmp_path / "run", np.random.default_rng(5), True, epochs=3, resume=True, **saved)
    (tmp_path / "fit.npz").write_bytes(kept)  # as if the third epoch had been cut short by a kill
    run, _, _ = training(tmp_path / "run", np.random.default_rng(5), True, epochs=4, resume=True, **saved)
    assert len(run) == len(whole) == 12
    for t in (1, 6, 7, 12):
        equal(run.at(t), seen[t - 1][1], f"step {t}")
        equal(optim.open_run(tmp_path / "run").at(t), seen[t - 1][1], f"step {t}")
    np.testing.assert_array_equal(run.scalars["loss"], whole.scalars["loss"])


class Twisted(FirstOrder):
    """A rule of one's own, with state, a counter and a constructor that takes no `params` alone."""

    state_names = ("m",)
    scalars = {"seen": 1.0}  # noqa: RUF012

    def __init__(self, twist, params):
        super().__init__(params, lr=0.1, twist=twist)

    @staticmethod
    def rule(w, g, m, *, t, seen, lr, twist):
        m = twist[0] * m + g
        return {"w": w - lr * seen * m, "m": m, "seen": seen * twist[1], "blend": m + w}


class Halving(optim.Optimizer):
    """A `step` of one's own."""

    def step(self, closure=None):
        loss = closure()
        loss.backward()
        for group in self.param_groups:
            for p in group["params"]:
                p.data *= 0.5
        return loss


def test_an_optimizer_of_ones_own_is_recorded_alike(rng, tmp_path):
    p = leaf([1.0, 2.0], name="p")
    opt = Twisted((0.5, 0.75), [p])
    with optim.record(opt, tmp_path / "ruled") as run:
        shown, _ = walk(opt, [p], 4, rng)
    equal(run.at(4), shown[3])
    other = json.loads((tmp_path / "ruled" / "meta.json").read_text())
    other["optimizer"]["name"] = "Gone"
    (tmp_path / "ruled" / "meta.json").write_text(json.dumps(other))
    with pytest.raises(ImportError, match=r"optimizer_class="):
        optim.open_run(tmp_path / "ruled").at(1)
    equal(optim.open_run(tmp_path / "ruled", optimizer_class=Twisted).at(3), shown[2])
    halving = Halving([p], lr=0.1)
    p.assign([4.0, 8.0])
    with optim.record(halving, tmp_path / "own") as run:
        for _ in range(3):
            p.grad = None
            halving.step(lambda: (p * p).sum())
    assert "step" not in vars(halving)
    equal(
        run.at(2), {"p": {"g": np.array([4.0, 8.0]), "w": np.array([1.0, 2.0]), "step": np.array([1.0, 2.0])}}
    )
    assert run.scalars["loss"].tolist() == [80.0, 20.0, 5.0]


@pytest.mark.parametrize("name", MAKERS)
def test_optimizers_that_take_a_closure(name, tmp_path):
    p = leaf([1.5, -0.5], name="p")
    opt = MAKERS[name]([p])
    before, infos = [], []
    with optim.record(opt, tmp_path / "run") as run:
        for _ in range(3):
            before.append(p.data.copy())
            opt.step(lambda: (p**2).sum() + 0.25 * (p**4).sum())
            infos.append(opt.last_step)
    before.append(p.data.copy())
    for t in (1, 3, 2):
        x, y = before[t - 1 : t + 1]
        seen = optim.open_run(tmp_path / "run").at(t)["p"]
        np.testing.assert_array_equal(seen["w"], y)
        np.testing.assert_array_equal(seen["step"], x - y)
        np.testing.assert_allclose(seen["g"], 2 * x + x**3, rtol=1e-14)
        assert run.info(t)["step_norm"] == infos[t - 1].step_norm
        assert run.info(t)["status"] == infos[t - 1].status
    assert len(run.scalars["radius"]) == 3


def test_weights_changed_between_steps_are_noticed(rng, tmp_path):
    p = leaf([1.0, 2.0], name="p")
    opt = optim.Adam([p], lr=0.1)
    shown, saved = [], None
    with optim.record(opt, tmp_path / "run") as run:
        for t in range(6):
            p.grad = rng.standard_normal(2)
            if t == 3:
                p.data[...] = [0.25, 5.0]
            if t == 5:
                opt.load_state_dict(saved)
            shown.append(opt.preview())
            opt.step()
            if t == 1:
                saved = opt.state_dict()
    for t, wanted in enumerate(shown, 1):
        run.weights(t - 1)  # a reader that has just taken that step must see what came between
        equal(run.at(t), wanted, f"step {t}")


def test_state_changed_by_hand_is_an_error_when_read(rng, tmp_path):
    p = leaf([1.0, 2.0], name="p")
    opt = optim.Adam([p], lr=0.1)
    with optim.record(opt, tmp_path / "run") as run:
        for t in range(4):
            p.grad = rng.standard_normal(2)
            if t == 2:
                opt.param_groups[0].state["m"][...] = 7.0
            opt.step()
    with pytest.raises(ValueError, match=r"step 3 was .* long, and is"):
        run.at(4)


def test_a_step_that_failed_leaves_no_trace(rng, tmp_path):
    class Falling:
        def before(self, optimizer, work):
            if len(run) == 1 and not self.fell:
                self.fell = True
                raise MemoryError

        fell = False

        def after(self, optimizer, loss):
            pass

    p = leaf([1.0, 2.0], name="p")
    opt, shown = optim.Adam([p], lr=0.1), []
    with optim.record(opt, tmp_path / "run", every=1) as run:
        opt.observers = (*opt.observers, Falling())
        for t in range(4):
            p.grad = rng.standard_normal(2)
            opt.param_groups[0]["lr"] = 0.1 + t
            shown.append(opt.preview())
            try:
                opt.step()
            except MemoryError:
                shown.pop()
    assert len(run) == 3
    for t, wanted in enumerate(shown, 1):
        equal(run.at(t), wanted, f"step {t}")


# Killed, and continued


def endless(folder, done):
    """A training without end, whose gradients follow from the step count; `done` counts the steps."""
    p = leaf([1.0, 2.0, 3.0], name="p")
    opt = optim.Adam([p], lr=0.1)
    with optim.record(opt, folder, every=5):
        for t in range(1, 10**9):
            p.grad = np.cos(t * np.arange(1.0, 4.0))
            opt.step()
            done[:8] = t.to_bytes(8, "little")


def killed(folder, enough, delay):
    """Fork a process that trains, kill it after so many steps and seconds, and return its steps."""
    done = mmap.mmap(-1, 8)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of threads that the child does not use
        child = os.fork()
    if not child:
        try:
            endless(folder, done)
        finally:
            os._exit(1)
    while int.from_bytes(done[:8], "little") < enough or not (folder / "meta.json").exists():
        time.sleep(0.0003)
    time.sleep(delay)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return int.from_bytes(done[:8], "little")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_killed_at_fifty_random_moments(tmp_path, monkeypatch):
    monkeypatch.setattr("optim.recording.rows.SMALLEST", 400)  # so that kills fall between files, too
    p = leaf([1.0, 2.0, 3.0], name="p")
    opt, shown = optim.Adam([p], lr=0.1), [None]

    def up_to(n):
        while len(shown) <= n:
            p.grad = np.cos(len(shown) * np.arange(1.0, 4.0))
            shown.append(opt.preview())
            opt.step()

    moments = random.Random(0)
    for i in range(50):
        enough = moments.randrange(40)
        steps = killed(tmp_path / str(i), enough, moments.random() * 1e-3)
        run = optim.open_run(tmp_path / str(i))
        assert len(run) >= steps >= enough
        up_to(len(run) + 3)
        for t in {1, len(run) // 2, len(run)} - {0}:
            if len(run):
                equal(run.at(t), shown[t], f"child {i}, step {t}")
        if i % 5 == 0 and len(run):
            continued(run, shown)


def continued(run, shown):
    """Go on with a run as another process would: all is as if it had never been killed."""
    q = leaf([0.0, 0.0, 0.0], name="p")
    again, n = optim.Adam([q], lr=0.1), len(run)
    run.restore(again)
    with optim.record(again, run.folder, resume=True) as more:
        for t in range(n + 1, n + 4):
            q.grad = np.cos(t * np.arange(1.0, 4.0))
            again.step()
    assert len(more) == n + 3
    for t in (1, n, n + 1, n + 3):
        equal(optim.open_run(run.folder).at(t), shown[t], f"{run} continued, step {t}")


def test_a_kill_between_a_line_and_its_row_leaves_no_trace(rng, tmp_path):
    p = leaf([1.0, 2.0], name="p")
    opt = optim.Adam([p], lr=0.1)
    with optim.record(opt, tmp_path / "run", every=4):
        shown, _ = walk(opt, [p], 5, rng)
    with (tmp_path / "run" / recorder_file.LINES).open("a") as file:
        file.write(
            '{"t": 6, "checkpoint": true, "counters": [{"t": 9}], "options": [{"lr": 7}]}\n{"t": 6, "op'
        )
    reader = optim.open_run(tmp_path / "run")
    assert reader.scalars["lr"].tolist() == [0.1] * 5
    with optim.record(opt, tmp_path / "run", every=4, resume=True) as run:
        more, _ = walk(opt, [p], 5, rng)
    assert len(run) == 10
    for opened in (optim.open_run(tmp_path / "run"), reader):  # one that has seen the line, too
        assert opened.scalars["lr"].tolist() == [0.1] * 10
        for t in (6, 9, 5, 10):
            equal(opened.at(t), [*shown, *more][t - 1], f"step {t}")


def test_the_t_of_a_row_is_written_after_its_line_and_its_numbers(tmp_path, monkeypatch):
    """Who is killed at one of these moments has not completed the step."""
    seen, write = [], os.write

    class Loss:
        def __float__(self):
            seen.append(("number", len(run)))
            return 1.5

    class Steps(optim.Optimizer):
        def step(self, closure=None):
            return closure()

    def watched(file, text):
        seen.append((json.loads(text)["t"], len(optim.open_run(tmp_path / "run"))))
        return write(file, text)

    monkeypatch.setattr(recorder_file.os, "write", watched)
    with optim.record(Steps([leaf([1.0], name="p")]), tmp_path / "run", "scalars") as run:
        for t in range(3):
            run.note(what=t)
            run.recorder.optimizer.step(Loss)
    lines, numbers = [x for x in seen if x[0] != "number"], [x for x in seen if x[0] == "number"]
    assert lines == [(1, 0), (2, 1), (3, 2)]
    assert numbers == [("number", 0), ("number", 1), ("number", 2)]
    assert run.scalars["loss"].tolist() == [1.5] * 3
    rows = np.load(tmp_path / "run" / "scalars-000000000.npy", mmap_mode="r+")
    rows[2, -1] = 0  # as a kill just before it leaves the row
    opened = optim.open_run(tmp_path / "run")
    assert (len(opened), opened.info(2)) == (2, {"what": 1})
    rows[2, -1] = 2  # or the row of another step
    assert len(optim.open_run(tmp_path / "run")) == 2


def test_going_on_from_an_earlier_step_and_from_none(rng, tmp_path):
    p = leaf([1.0, 2.0], name="p")
    opt = optim.SGD([p], lr=0.1, momentum=0.9)
    with optim.record(opt, tmp_path / "run", every=3):
        shown, _ = walk(opt, [p], 8, rng)
    run = optim.open_run(tmp_path / "run")
    run.restore(opt, 4)
    with optim.record(opt, tmp_path / "run", every=3, resume=True) as run:
        more, _ = walk(opt, [p], 2, rng)
    assert len(run) == 6
    for t, wanted in enumerate([*shown[:4], *more], 1):
        equal(run.at(t), wanted, f"step {t}")
    p.assign([5.0, 5.0])
    p.grad = np.ones(2)
    with optim.record(opt, tmp_path / "run", resume=True) as run:
        with pytest.raises(ValueError, match=r"after none of its 6 steps.*run\.restore\(optimizer\)"):
            opt.step()
        np.testing.assert_array_equal(p.data, [5.0, 5.0])
    assert len(optim.open_run(tmp_path / "run")) == 6


def test_resuming_scalars_and_an_optimizer_without_a_rule(tmp_path):
    def stepped(opt, folder, steps, **options):
        (p,) = opt.param_groups[0]["params"]
        with optim.record(opt, folder, resume=True, **options) as run:
            for _ in range(steps):
                opt.step(lambda: (p**2).sum() + 0.25 * (p**4).sum())
        return run

    def made(kind):
        return kind([leaf([1.5, -0.5], name="p")], lr=0.1)

    sgd = made(optim.SGD)
    stepped(sgd, tmp_path / "sgd", 3, level="scalars")
    middle, weights = sgd.state_dict(), sgd.param_groups[0]["params"][0].data.copy()
    whole = stepped(sgd, tmp_path / "sgd", 4, level="scalars").scalars["loss"]
    sgd.load_state_dict(middle)
    sgd.param_groups[0]["params"][0].assign(weights)
    run = stepped(sgd, tmp_path / "sgd", 4, level="scalars")
    assert len(run) == 7
    np.testing.assert_array_equal(run.scalars["loss"], whole)

    newton = made(optim.Newton)
    stepped(newton, tmp_path / "newton", 2)
    newton.param_groups[0]["params"][0].assign(optim.open_run(tmp_path / "newton").weights(1)["p"])
    run = stepped(newton, tmp_path / "newton", 2)
    assert len(run) == 3
    np.testing.assert_array_equal(run.weights(3)["p"], newton.param_groups[0]["params"][0].data)
    with pytest.raises(TypeError, match="holds the weights and no state"):
        run.restore(newton)


# The rest of a run


def test_scalars_alone_and_notes(tmp_path):
    p = leaf([3.0, 4.0], name="p")
    opt = optim.SGD([p], lr=0.25)
    loss = compile(lambda a: (a * p * p).sum())
    with optim.record(opt, tmp_path / "run", "scalars") as run:
        for t in range(3):
            if t == 1:
                run.note(rows=np.array([4, 2]))
            opt.step(loss.at(1.0))
    assert run.scalars["loss"].tolist() == [25.0, 6.25, 1.5625]
    assert run.scalars["gradient_norm"].tolist() == [10.0, 5.0, 2.5]
    assert run.scalars["step_norm"].tolist() == [2.5, 1.25, 0.625]
    assert [run.info(t) for t in (1, 2, 3)] == [{}, {"rows": [4, 2]}, {}]
    names = sorted(path.name for path in (tmp_path / "run").glob("*.npy"))
    assert names == ["rows-000000001.npy", "scalars-000000000.npy"]
    for call in (run.at, run.weights, run.gradient):
        with pytest.raises(ValueError, match=r'level=.scalars.\. Record with level="tape"'):
            call(1)
    assert repr(run).startswith("<Run of 3 steps of SGD, level scalars, in ")
    assert "loss" in run._repr_html_()
    assert "&lt;Run" not in run._repr_html_(), "as the titles of other results"


def test_losses_that_are_not_finite_are_kept(tmp_path):
    p = leaf([1.0], name="p")
    opt = optim.SGD([p], lr=0.1)
    with optim.record(opt, tmp_path / "run") as run:
        opt.step(lambda: (p * np.inf).sum())
        opt.step(lambda: (p * 1.0).sum())
    assert run.scalars["loss"][0] == math.inf
    assert run.scalars["loss"][1] == -math.inf
    assert run.scalars["step_norm"].tolist() == [math.inf, 0.1], "of the rule's step, not of ∞ − ∞"


@pytest.mark.parametrize("level", ["scalars", "tape"])
@pytest.mark.parametrize("compiled", [True, False])
def test_norms_whose_squares_overflow(level, compiled, tmp_path):
    p = leaf([0.0, 0.0], np.float32, name="p")
    opt = optim.SGD([p], lr=0.5)
    p.grad = slope = np.array([3e30, 4e30], np.float32)
    with optim.record(opt, tmp_path / "run", level) as run:
        opt.step(compile(lambda: np.sum(slope * p)).at() if compiled else None)
    np.testing.assert_allclose(run.scalars["gradient_norm"], 5e30, rtol=1e-6)
    np.testing.assert_allclose(run.scalars["step_norm"], 2.5e30, rtol=1e-6)


@pytest.mark.parametrize(
    ("states", "rule"),
    [
        ((), lambda w, g, *, t, lr: {"w": w - lr * g}),
        ((), lambda w, g, *, t, lr: {"w": w - lr * g, "step": lr}),  # the name, for a number
        (("step",), lambda w, g, step, *, t, lr: {"w": w - lr * g, "step": step + 1}),  # for a state
        (("v",), lambda w, g, v, *, t, lr: {"w": w - (s := lr * g + 0 * v), "v": s, "step": s}),  # twice
        ((), lambda w, g, *, t, lr: {"w": w - g, "step": g}),  # the gradient itself
        (("v",), lambda w, g, v, *, t, lr: {"w": w - v, "v": w, "step": v}),  # a state that is overwritten
        ((), lambda w, g, *, t, lr: {"w": w - lr * g, "step": (lr, t)}),  # the name, for two numbers
        (("kept_step",), lambda w, g, s, *, t, lr: {"w": w - lr * (s + g), "kept_step": s + g}),
    ],
)
@pytest.mark.parametrize("level", ["scalars", "tape"])
def test_the_length_of_a_step_whatever_the_rule_returns(states, rule, level, tmp_path):
    class Mine(FirstOrder):
        state_names = states

    Mine.rule = staticmethod(rule)
    found = {}
    for recorded in (False, True):
        p, q = leaf([3.0, 4.0], name="p"), leaf([1.0], name="q")
        opt = Mine([p, q], lr=0.25)
        loss = compile(lambda p=p, q=q: np.sum(p * p) + np.sum(q * q))
        lengths = []
        with optim.record(opt, tmp_path / "run", level) if recorded else contextlib.nullcontext() as run:
            for t in range(3):
                q.requires_grad = t != 1  # it stays where it is
                before = np.r_[p.data, q.data]
                opt.step(loss.at())
                lengths.append(np.linalg.norm(np.r_[p.data, q.data] - before))
        found[recorded] = lengths, p.data.tolist(), q.data.tolist()
        assert len(opt.param_groups[0].updated) == 1 + len(states), "nothing is kept after the `with`"
    assert found[True] == found[False]
    np.testing.assert_allclose(run.scalars["step_norm"], lengths, rtol=1e-15)
    if level == "tape":
        np.testing.assert_array_equal(run.weights(3)["p"], p.data)


def test_a_counter_of_a_rule_goes_on_whatever_it_is_called(tmp_path):
    class Mine(FirstOrder):
        scalars = {"kept_step": 1.0, "step": 1.0}  # noqa: RUF012

        @staticmethod
        def rule(w, g, *, t, kept_step, step, lr):
            return {"w": w - lr * kept_step * step * g, "kept_step": kept_step / 2, "step": step / 2}

    found = []
    for recorded in (False, True):
        opt = Mine([p := leaf([3.0, 4.0], name="p")], lr=0.25)
        with optim.record(opt, tmp_path / "run") if recorded else contextlib.nullcontext():
            for _ in range(3):
                opt.step(lambda p=p: (p * p).sum())
        found.append((p.data.tolist(), opt.state_dict()["state"]["p"]))
    assert found[0] == found[1]


@pytest.mark.parametrize(("dtype", "size"), [(np.float16, 2e-4), (np.float32, 1e-24), (np.float16, 2.0)])
def test_norms_whose_squares_vanish_or_lose_digits(dtype, size, tmp_path):
    """Level "replay" compares them with those it computes again."""
    slope = np.array([3.14159 * size, 4 * size], dtype)
    wanted = np.linalg.norm(slope.astype(float))
    for level in ("scalars", "replay", "tape"):
        p = leaf([0.0, 0.0], dtype, name="p")
        opt = optim.SGD([p], lr=0.5)
        with optim.record(opt, tmp_path / level, level) as run:
            for _ in range(2):
                opt.step(lambda p=p: (p * slope).sum())
            if level == "replay":
                run.recompute(lambda t, p=p: (p * slope).sum())
                np.testing.assert_array_equal(run.gradient(2)["p"], slope)
        np.testing.assert_allclose(run.scalars["gradient_norm"], [wanted] * 2, rtol=1e-6)
        np.testing.assert_allclose(
            run.scalars["step_norm"], [wanted / 2] * 2, rtol=1e-3 if size < 1 else 1e-6
        )


def test_a_recording_that_has_ended_takes_no_step_from_the_next(tmp_path):
    opt = optim.SGD([p := leaf([1.0, 2.0], name="p")], lr=0.1)
    first, second = optim.record(opt, tmp_path / "a", max_bytes=1), optim.record(opt, tmp_path / "b")
    first.__enter__()
    with pytest.warns(RuntimeWarning, match="ended"):
        opt.step(lambda: (p * p).sum())
    with second as run:
        opt.step(lambda: (p * p).sum())
        first.__exit__(None, None, None)
        for _ in range(2):
            opt.step(lambda: (p * p).sum())
    lengths = [np.linalg.norm(run.at(t)["p"]["step"]) for t in (1, 2, 3)]
    np.testing.assert_allclose(run.scalars["step_norm"], lengths, rtol=1e-15)
    assert lengths[1] < lengths[0]


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda opt: pickle.loads(pickle.dumps(opt))])
def test_a_copy_made_meanwhile_keeps_no_steps(copied, tmp_path):
    opt = optim.Momentum([p := leaf([1.0, 2.0], name="p")], lr=0.1)
    with optim.record(opt, tmp_path / "run"):
        opt.step(lambda: (p * p).sum())
        other = copied(opt)
        (q,) = other.param_groups[0]["params"]
        other.step(lambda: (q * q).sum())
        opt.step(lambda: (p * p).sum())
    np.testing.assert_array_equal(p.data, q.data)
    assert len(other.param_groups[0].updated) == len(other.param_groups[0].vectors)
    with optim.record(other, tmp_path / "other") as run:
        other.step(lambda: (q * q).sum())
    assert run.scalars["step_norm"][0] == pytest.approx(np.linalg.norm(run.at(1)["p"]["step"]), rel=1e-15)


def test_steps_of_groups_that_take_turns_and_of_vectors_that_run_block_by_block(rng, tmp_path):
    a, b = leaf(rng.standard_normal(140_000), np.float32, "a"), leaf([1.0, 2.0], np.float32, "b")
    opt = optim.AdamW([{"params": [a]}, {"params": [b]}], lr=0.1, weight_decay=0.1, maximize=True)
    opt.keep_last_step = True
    wanted = []
    with optim.record(opt, tmp_path / "run", "scalars") as run:
        for t in range(4):
            a.requires_grad, b.requires_grad = t != 1, t != 2
            opt.step(lambda t=t: sum(((p * p).sum() for p in ([a, b], [b], [a], [a, b])[t]), Tensor(0.0)))
            steps = [np.linalg.norm(values["step"].astype(float)) for values in opt.last_step.values()]
            wanted.append(math.hypot(*steps))
    np.testing.assert_allclose(run.scalars["step_norm"], wanted, rtol=1e-4)
    assert all(group.updated is group.vectors for group in opt.param_groups)


@pytest.mark.parametrize("level", ["scalars", "tape"])
def test_the_length_of_a_step_without_a_rule(level, tmp_path):
    newton = optim.Newton([p := leaf([1.5, -0.5], name="p")])
    halving, lengths = Halving([q := leaf([4.0, 8.0], name="q")], lr=0.1), []
    with (
        optim.record(newton, tmp_path / "n", level) as run,
        optim.record(halving, tmp_path / "h", level) as own,
    ):
        for _ in range(3):
            before = p.data.copy()
            newton.step(lambda: (p**4).sum())
            lengths.append(np.linalg.norm(before - p.data))
            q.grad = None
            halving.step(lambda: (q * q).sum())
    np.testing.assert_allclose(run.scalars["step_norm"], lengths, rtol=1e-12)
    np.testing.assert_allclose(
        own.scalars["step_norm"], np.sqrt(20) / 0.5 ** np.array([0, -1, -2]), rtol=1e-15
    )
    assert len(halving.param_groups[0].updated) == 1


@pytest.mark.parametrize("compiled", [True, False])
def test_the_loss_of_a_step_of_several_batches_is_their_mean(compiled, rng, tmp_path):
    x = rng.standard_normal((10, 2))
    model = MLP((2, 3, 1), "tanh", rng=0)
    adam = optim.Adam(model.named_parameters(), lr=0.1)
    with optim.record(adam, tmp_path / "run") as run:
        history = fit(model, adam, mse_loss, (x, x[:, :1]), epochs=2, batch_size=4, accumulate=2, rng=0,
                      compile=compiled, watch={"loss": 1}, progress=False)  # fmt: skip
    np.testing.assert_allclose(run.scalars["loss"], history.steps["loss"], rtol=1e-14)
    assert len(run) == 4


def test_along_a_step_needs_all_parameters_and_keeps_those_that_stayed(tmp_path):
    p, q = leaf([3.0, 4.0], name="p"), leaf([1.0], name="q")
    opt = optim.SGD([p, q], lr=0.25)

    def loss():
        return np.sum(p * p) + np.sum(q * q)

    with optim.record(opt, tmp_path / "run") as run:
        opt.step(loss)
        q.requires_grad = False
        opt.step(loss)
        q.requires_grad = True
        opt.step(loss)
        along = run.along(2, loss, alphas=[0.0, 1.0])
    np.testing.assert_allclose(along.loss, [6.25 + 0.25, 1.5625 + 0.25], rtol=1e-14)
    assert run.scalars["loss"][1] == along.loss[0]
    for wrong in (optim.SGD([p], lr=0.1), optim.SGD([leaf(np.ones(2), name="p"), leaf([[1.0]], name="q")])):
        with pytest.raises(
            ValueError, match=r"`run.along\(t, closure, optimizer\)` needs parameters of the run"
        ):
            run.along(2, loss, wrong)


def test_along_a_step_that_its_rule_does_not_name(tmp_path):
    class Plain(FirstOrder):
        rule = staticmethod(lambda w, g, *, t, lr: {"w": w - lr * g})

    p = leaf([3.0, 4.0], name="p")
    opt = Plain([p], lr=0.25)
    with optim.record(
        opt,
        tmp_path / "run",
    ) as run:
        opt.step(lambda: np.sum(p * p))
        assert run.along(1, lambda: np.sum(p * p), alphas=[1.0]).loss.tolist() == [6.25]


@pytest.mark.parametrize("out", [{"w": 0.5}, {"w": np.float64(2)}], ids=["number", "scalar"])
def test_a_rule_must_return_a_vector(out):
    class Number(FirstOrder):
        rule = staticmethod(lambda w, g, *, t, lr: out)

    p = leaf([3.0, 4.0], name="p")
    with pytest.raises(TypeError, match=r"`Number.rule`: must return a vector like w as \"w\", got float"):
        Number([p], lr=0.25).step(lambda: np.sum(p * p))
    assert p.data.tolist() == [3.0, 4.0]


def test_a_state_must_be_a_vector():
    class Counting(FirstOrder):
        state_names = ("v",)
        rule = staticmethod(lambda w, g, v, *, t, lr: {"w": w - lr * g, "v": 1.0})

    p = leaf([3.0, 4.0], name="p")
    with pytest.raises(
        TypeError, match=r"a vector like w as \"v\", got float of shape \(\); a number for each"
    ):
        Counting([p], lr=0.25).step(lambda: np.sum(p * p))


class Projecting:
    """Keeps the weights of an optimizer within [-2, 2] after each of its steps."""

    def before(self, optimizer, work):
        pass

    def after(self, optimizer, loss):
        for group in optimizer.param_groups:
            group.w.clip(-2, 2, out=group.w)


def test_what_another_observer_does_to_the_weights_is_seen(tmp_path):
    p = leaf([3.0, 4.0], name="p")
    opt = optim.SGD([p], lr=0.25)
    opt.observers = (Projecting(),)
    wanted = []
    with optim.record(opt, tmp_path / "run") as run:
        for _ in range(4):
            opt.step(lambda: -np.sum(p * p))  # it climbs away from 0
            wanted.append(p.data.copy())
    assert wanted[-1].tolist() == [2.0, 2.0]
    shown = run.at(3)["p"]
    np.testing.assert_array_equal(shown["w"] + shown["step"], wanted[1])
    np.testing.assert_array_equal(run.at(4)["p"]["w"], [3.0, 3.0])  # what the rule made of it


def test_half_a_line_on_a_full_disk_is_taken_back(tmp_path, monkeypatch):
    p = leaf([3.0, 4.0], name="p")
    opt = optim.SGD([p], lr=0.25)
    with optim.record(opt, tmp_path / "run"):
        opt.step(lambda: np.sum(p * p))
        opt.param_groups[0]["lr"] = 0.125
        whole = os.write
        with monkeypatch.context() as patch:
            patch.setattr(recorder_file.os, "write", lambda file, text: whole(file, text[:5]))
            with pytest.raises(OSError, match="No space left"):
                opt.step(lambda: np.sum(p * p))
        opt.step(lambda: np.sum(p * p))
    opened = optim.open_run(tmp_path / "run")
    assert len(opened) == 2
    assert opened.scalars["lr"].tolist() == [0.25, 0.125]


def test_at_its_size_the_recording_ends_with_one_warning(tmp_path):
    p = leaf(np.ones(100), name="p")
    opt = optim.SGD([p], lr=0.1)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        with optim.record(opt, tmp_path / "run", max_bytes=3600) as run:
            for _ in range(8):
                opt.step(lambda: (p * p).sum())
    assert [each.category for each in seen] == [RuntimeWarning]
    assert "max_bytes=3,600; the training goes on" in str(seen[0].message)
    assert len(run) == 3  # of which 2 are below: 800 bytes of weights, then 800 and a line for each step
    assert p.data[0] == pytest.approx(0.8**8)


@pytest.mark.parametrize("kind", [optim.SGD, optim.NewtonCG])
def test_what_has_ended_may_be_recorded_anew_at_once(kind, tmp_path):
    p = leaf([1.0, 2.0], name="p")
    opt = kind([p])
    loss = lambda: (p**4).sum()  # noqa: E731
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        with optim.record(opt, tmp_path / "a", max_bytes=300) as ended:
            for _ in range(5):
                opt.step(loss)
            with optim.record(opt, tmp_path / "b") as anew:
                for _ in range(2):
                    opt.step(loss)
    assert "ended" in str(seen[0].message)
    assert (len(ended) < 5, len(anew)) == (True, 2)
    assert "step" not in vars(opt)


def test_the_loss_along_a_step_beside_line_and_parabola(tmp_path):
    p = leaf([3.0, -1.0], name="p")
    opt = optim.SGD([p], lr=0.1)
    loss = lambda: (p**2).sum() + (p**4).sum()  # noqa: E731
    with optim.record(opt, tmp_path / "run") as run:
        for _ in range(3):
            opt.step(loss)
        now = p.data.copy()
        along = run.along(1, loss, alphas=[0.0, 0.5, 1.0])
    x = np.array([3.0, -1.0])
    s = -0.1 * (2 * x + 4 * x**3)
    f = lambda x: (x**2).sum() + (x**4).sum()  # noqa: E731
    slope, curvature = (2 * x + 4 * x**3) @ s, (2 + 12 * x**2) @ s**2
    np.testing.assert_allclose(along.loss, [f(x), f(x + s / 2), f(x + s)], rtol=1e-12)
    np.testing.assert_allclose(along.line, f(x) + slope * np.array([0, 0.5, 1]), rtol=1e-12)
    np.testing.assert_allclose(along.parabola[2], f(x) + slope + curvature / 2, rtol=1e-12)
    assert along.rho == pytest.approx((f(x) - f(x + s)) / -(slope + curvature / 2), rel=1e-12)
    np.testing.assert_array_equal(p.data, now)
    with pytest.raises(ZeroDivisionError):
        run.along(1, lambda: 1 / 0, opt)
    np.testing.assert_array_equal(p.data, now)


def test_what_is_refused(tmp_path):
    p = leaf([1.0], name="p")
    opt = optim.SGD([p], lr=0.1)

    def recorded(folder, optimizer=opt, **options):
        with optim.record(optimizer, folder, **options):
            pass

    with optim.record(opt, tmp_path / "run"):
        with pytest.raises(ValueError, match="recorded already"):
            recorded(tmp_path / "other")
        opt.step(lambda: (p * p).sum())
        opt.add_param_group({"params": {"q": leaf([1.0])}})
        with pytest.raises(ValueError, match="has 2 groups now, and 1"):
            opt.step(lambda: (p * p).sum())
    opt = optim.SGD([p], lr=0.1)
    refused = {
        "holds a run": (FileExistsError, tmp_path / "run", {}),
        "another optimizer": (ValueError, tmp_path / "run", {"resume": True, "optimizer": optim.Adam([p])}),
        "another level": (ValueError, tmp_path / "run", {"resume": True, "level": "scalars"}),
        "must be one of": (ValueError, tmp_path / "new", {"level": "tapes"}),
        "≥ 1, got 0": (ValueError, tmp_path / "new", {"every": 0}),
        "needs an Optimizer": (TypeError, tmp_path / "new", {"optimizer": [p]}),
    }
    for match, (error, folder, options) in refused.items():
        with pytest.raises(error, match=match):
            recorded(folder, **{"optimizer": opt, **options})
    assert not (tmp_path / "new").exists()
    with pytest.raises(FileNotFoundError, match="holds no run"):
        optim.open_run(tmp_path / "new")
    with pytest.raises(TypeError, match="class of optimizers"):
        optim.open_run(tmp_path / "run", optimizer_class=Tensor)
    run = optim.open_run(tmp_path / "run")
    for t in (0, 2, -1, 1.0, True):
        with pytest.raises(IndexError, match=r"`run.at\(t\)` needs a step from 1 to 1"):
            run.at(t)


def test_record_without_with_and_twice_says_what_to_write(tmp_path):
    p = leaf([1.0], name="p")
    opt = optim.SGD([p], lr=0.1)
    remedy = re.escape("Write `with optim.record(optimizer, folder) as run:`, and use the run.")
    recording = optim.record(opt, tmp_path / "run")
    for name in ("at", "note", "scalars"):
        with pytest.raises(AttributeError, match=rf"`optim.record\(...\)` .* no \.{name}\. {remedy}$"):
            getattr(recording, name)
    with pytest.raises(TypeError, match=rf"no length\. {remedy}$"):
        len(recording)
    assert not (tmp_path / "run").exists()
    assert opt.observers == ()
    with recording as run:
        opt.step(lambda: (p * p).sum())
        with pytest.raises(RuntimeError, match=r"is for one `with`, .* resume=True"):
            recording.__enter__()
    with pytest.raises(RuntimeError, match="is for one `with`"), recording:
        pass
    assert (len(run), run.recorder, opt.observers) == (1, None, ())
    with pytest.warns(RuntimeWarning, match=f"was not entered, and recorded nothing. {remedy}"):
        optim.record(opt, tmp_path / "none")
    with optim.record(opt, tmp_path / "empty") as run, pytest.raises(IndexError, match="holds no step yet"):
        run.at(1)


# The last step


def test_the_last_step_after_a_compiled_one_and_what_it_costs_when_off():
    p = leaf([3.0, 4.0], name="p")
    opt, loss = optim.Adam([p], lr=0.1), compile(lambda a: (a * p * p).sum())
    with pytest.raises(AttributeError, match="keep_last_step = True before the step"):
        _ = opt.last_step
    assert not opt.observers
    opt.keep_last_step = True
    assert opt.last_step is None
    for _ in range(3):
        opt.zero_grad()
        (p * p).sum().backward()
        shown = opt.preview()
        opt.step(loss.at(1.0))
        equal(opt.last_step, shown)
    np.testing.assert_array_equal(opt.last_step["p"]["w"], p.data)
    assert copy.deepcopy(opt).keep_last_step
    opt.keep_last_step = False
    assert not opt.observers
    with pytest.raises(TypeError, match="keep_last_step"):
        opt.keep_last_step = 1


@each
def test_the_effective_rate_times_the_average_is_the_step(name):
    case, options = SETTINGS[name]
    opt = case.kind([p := leaf([1.0, -2.0], name="p")], lr=case.lr, **{**options})
    for g in ([1.0, -3.0], [0.5, 2.0]):
        p.grad = np.array(g)
        shown = opt.preview()["p"]
        opt.step()
    if type(opt).second_moment is FirstOrder.second_moment:
        assert "lr_eff" not in shown
    elif isinstance(opt, optim.Adagrad):  # the others add decay or momentum to it
        np.testing.assert_allclose(shown["lr_eff"] * p.grad, shown["step"], rtol=1e-14)
    elif isinstance(opt, optim.Adam | optim.NAdam):
        key = "adam_step" if "adam_step" in shown else "step"
        if not opt.defaults.get("decoupled_weight_decay"):
            np.testing.assert_allclose(shown["lr_eff"] * shown["m_hat"], shown[key], rtol=1e-14)
    else:
        np.testing.assert_allclose(case.lr / opt.preconditioner()[0], shown["lr_eff"], rtol=1e-14)


@each
def test_explain_writes_every_result_with_numbers_that_add_up(name):
    case, options = SETTINGS[name]
    opt = case.kind([leaf([[1.0, 0.5], [0.25, -2.0]], name="weight")], lr=case.lr, **options)
    (p,) = opt.param_groups[0]["params"]
    opt.keep_last_step = True
    for _ in range(2):
        opt.step(lambda: (p**2).sum())
    text, seen = opt.explain("weight", (1, -1)), opt.last_step["weight"]
    first, *lines = text.splitlines()
    assert first == "weight[1, 1] in step 2"
    values = {line.split(" = ")[0]: line.split(" = ")[-1] for line in lines}
    assert float(values["w′"].replace("−", "-")) == pytest.approx(seen["w"][1, 1], rel=5e-4)
    assert float(values["step"].replace("−", "-")) == pytest.approx(seen["step"][1, 1], rel=5e-4)
    for line in lines:
        if line.count(" = ") == 3:
            _, _, worked, value = line.split(" = ")
            assert evaluated(worked) == pytest.approx(evaluated(value), rel=5e-3, abs=1e-3), line


def evaluated(text):
    """The value of a worked formula."""
    for sign, python in {"−": "-", "·": "*", "√": "sqrt", "^": "**", "²": "**2", "¹": "**1"}.items():
        text = text.replace(sign, python)
    text = re.sub(r"sqrt([\d.e+-]+)", r"sqrt(\1)", text)
    names = {"sqrt": math.sqrt, "maximum": max, "sign": np.sign, "sqrtmaximum": lambda *x: math.sqrt(max(x))}
    return float(eval(text, {}, names))  # a text made just above


def test_explain_refuses_what_is_not_there():
    p = leaf([[1.0, 2.0]], name="layers.0.weight")
    opt = optim.SGD([p])
    with pytest.raises(ValueError, match=r"`SGD.explain\(\)` needs a gradient"):
        opt.explain("layers.0.weight", (0, 0))
    p.grad = np.ones((1, 2))
    with pytest.raises(ValueError, match=r"no parameter 'layer.0.weight'.*did you mean layers.0.weight\?"):
        opt.explain("layer.0.weight", (0, 0))
    for index in ((0, 2), (-2, 0)):
        with pytest.raises(IndexError, match=r"of shape \(1, 2\) has no element"):
            opt.explain("layers.0.weight", index)
    for index in (0, (0, 0, 0), (0, 1.0), ()):
        with pytest.raises(IndexError, match="needs 2 whole numbers as index"):
            opt.explain("layers.0.weight", index)


def test_a_run_explains_a_step(tmp_path):
    p = leaf([1.0], name="p")
    opt = optim.Momentum([p], lr=0.5)
    with optim.record(opt, tmp_path / "run") as run:
        for _ in range(2):
            opt.step(lambda: (p * p).sum())
    assert "m′ = β·m + (1 − β)·g = 0.9·0.2 + (1 − 0.9)·1.8 = 0.36" in run.explain(2, "p", 0).splitlines()


def test_a_run_draws_its_columns_by_step(tmp_path):
    ax = pytest.importorskip("matplotlib.figure").Figure().subplots()
    p = leaf([1.0], name="p")
    opt = optim.SGD([p], lr=0.25)
    with optim.record(opt, tmp_path / "run", "scalars") as run:
        with pytest.raises(ValueError, match=r"`run.plot\(\)` needs a step"):
            run.plot()
        for _ in range(3):
            opt.step(lambda: (p * p).sum())
    assert run.plot(ax=ax) is ax
    (line,) = ax.lines
    np.testing.assert_array_equal(line.get_xydata(), [[1, 1], [2, 0.25], [3, 0.0625]])
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("step", "loss")
    norms = run.plot(["gradient_norm", "step_norm"], ax=ax.figure.add_subplot()).lines
    np.testing.assert_array_equal(norms[1].get_ydata(), [0.5, 0.25, 0.125])
    with pytest.raises(KeyError, match=r"`run.plot\(columns\)`: there is no 'los'; the columns are .*'loss'"):
        run.plot("los")


@pytest.mark.parametrize("piece", [64, 1000, 1 << 18])
def test_files_are_written_before_they_are_filled(piece, tmp_path, monkeypatch):
    monkeypatch.setattr(rows_file, "PIECE", piece)
    monkeypatch.setattr(rows_file, "SMALLEST", 20_000)
    monkeypatch.delattr(
        os, "posix_fallocate", raising=False
    )  # so that the blocks are those that were written
    writer = rows_file.RowWriter(tmp_path, "x", (5,), np.float32)
    writer.row(0)[...] = 1
    (path,) = tmp_path.iterdir()
    assert path.stat().st_blocks * 512 >= path.stat().st_size
    rows = np.load(path)
    assert rows.shape == (1000, 5)
    assert (rows[0] == 1).all()
    assert not rows[1:].any()


def test_files_are_what_the_page_says(tmp_path):
    p = leaf([1.0], name="p")
    opt = optim.SGD([p])
    with optim.record(opt, tmp_path / "run"):
        opt.step(lambda: (p * p).sum())
    names = sorted(path.name for path in (tmp_path / "run").iterdir())
    assert names == [
        recorder_file.LINES, "gradient.0-000000000.npy", recorder_file.META, "scalars-000000000.npy",
        "state.0-000000000.npy",
    ]  # fmt: skip
    assert np.load(tmp_path / "run" / names[1])[0] == 2.0


def test_record_is_true_and_its_copy_can_be_dropped(tmp_path):
    given = optim.record(optim.SGD([leaf([1.0])], lr=0.1), tmp_path)
    with given or None as run:
        assert len(run) == 0
    assert isinstance(copy.copy(given), type(given))


def test_restore_to_the_start_and_of_a_run_without_steps(tmp_path):
    w = leaf([1.0, 2.0])
    adam = optim.Adam([w], lr=0.1)
    with optim.record(adam, tmp_path / "empty"):
        pass
    with pytest.raises(IndexError, match="holds no step yet"):
        optim.open_run(tmp_path / "empty").restore(adam)
    with optim.record(adam, tmp_path / "run"):
        adam.step(lambda: np.sum(w * w))
    optim.open_run(tmp_path / "run").restore(adam, 0)
    np.testing.assert_array_equal(w.data, [1.0, 2.0])
