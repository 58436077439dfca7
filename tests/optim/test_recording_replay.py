"""Runs of level "replay", whose gradients are computed again from weights and batch; and the rows of a batch,
which every level keeps. Against copies made in the loop."""

import os
import random

import numpy as np
import pytest

import optim
from minigrad import Tensor, compile
from models import Dropout, Linear, Sequential, fit, mse_loss
from optim import Adam
from tests.optim.test_recording import Keeping, equal, killed
from tests.problems import leaf

X = np.random.default_rng(7).standard_normal((22, 2))
Y = np.sin(X[:, :1])


def jittered(x, rng):
    return x + 0.1 * rng.standard_normal(x.shape)


def trained(folder, level="replay", *, dropout=False, dtype=np.float64, **settings):
    """A run of 3 epochs of 3 steps, the last of 6 rows, with what `last_step` and the rows were in each."""
    model = Sequential(Linear(2, 5, rng=1), np.tanh, Dropout(0.5 * dropout, rng=2), Linear(5, 1, rng=3))
    for p in model.parameters():
        p.assign(p.data.astype(dtype))
    opt, keeping, rows = Adam(model.named_parameters(), lr=0.01), Keeping(), []
    opt.keep_last_step = True
    opt.observers = (*opt.observers, keeping)
    settings = {"epochs": 3, "batch_size": 8, "rng": 4, "progress": False} | settings
    data = (X.astype(dtype), Y.astype(dtype))
    with optim.record(opt, folder, level, every=4, resume=True) as run:
        fit(model, opt, mse_loss, data, on_step=lambda step: rows.append(step.rows), **settings)
    return run, keeping.seen, rows, model, opt


def again(run, model, augment=None):
    """The loss of step t of that training."""
    generators = dict(model.named_generators())

    def loss(t):
        x, noted = X[run.rows(t)], run.info(t)
        if augment is not None:
            rng = np.random.default_rng()
            rng.bit_generator.state = noted["augment"]
            x = augment(x, rng)
        for path, state in noted["generators"].items():
            generators[path].bit_generator.state = state
        return mse_loss(model.train()(x), Y[run.rows(t)])

    return loss


@pytest.mark.parametrize("compiled", [True, False])
def test_a_training_with_dropout_augmentation_clipping_and_a_schedule(compiled, tmp_path):
    settings = {"augment": jittered, "clip_norm": 0.2, "compile": compiled}
    run, seen, rows, model, opt = trained(tmp_path / "run", dropout=True, **settings)
    assert not list((tmp_path / "run").glob("gradient*"))
    assert max(run.scalars["gradient_norm"]) == pytest.approx(0.2)  # so some were clipped
    weights, gradients = opt.param_groups[0].w.copy(), [p.grad for p in model.parameters()]
    for opened in (run, optim.open_run(tmp_path / "run")):
        opened.recompute(again(opened, model, jittered), opt)
        for t in (9, 2, 4, 5, 1):
            equal(opened.at(t), seen[t - 1][1], f"step {t}")
            np.testing.assert_array_equal(opened.rows(t), rows[t - 1])
        np.testing.assert_array_equal(opened.weights(9)["layers.0.weight"], model.layers[0].weight.data)
    opened.restore(opt, 6)
    np.testing.assert_array_equal(opt.param_groups[0].w[:10], seen[5][1]["layers.0.weight"]["w"].ravel())
    opened.restore(opt)
    np.testing.assert_array_equal(opt.param_groups[0].w, weights)
    assert [p.grad for p in model.parameters()] == gradients == [None] * 4


def test_a_training_in_float32_whose_rates_change(tmp_path):
    run, seen, _, model, opt = trained(tmp_path / "run", dtype=np.float32)

    def loss(t):
        return mse_loss(model(X[run.rows(t)].astype(np.float32)), Y[run.rows(t)].astype(np.float32))

    run.recompute(loss, opt)
    for t in range(1, 10):
        equal(run.at(t), seen[t - 1][1], f"step {t}")
    assert run.explain(9, "layers.0.bias", 0).startswith("layers.0.bias[0] in step 9\n")
    assert run.along(9, lambda: loss(9), opt).loss.shape == (41,)


def test_a_loop_of_ones_own_with_a_frozen_parameter_and_a_compiled_loss(tmp_path):
    rng = np.random.default_rng(0)
    a, b = leaf([1.0, -2.0], name="a"), leaf(0.5, name="b")
    opt, shown = optim.Momentum([a, b], lr=0.1), []
    opt.keep_last_step = True
    loss = compile(lambda x, y: ((x @ a + b - y) ** 2).mean())
    with optim.record(opt, tmp_path / "run", "replay", every=3) as run:
        for t in range(1, 9):
            rows = rng.integers(0, 22, 3 + t)  # ever more of them
            run.note(rows=rows)
            b.requires_grad = t % 3 != 0
            if t == 5:
                a.assign([2.0, 2.0])
            opt.step(loss.at(X[rows], Y[rows, 0]))
            shown.append((rows, opt.last_step))
        run.recompute(lambda t: loss.at(X[run.rows(t)], Y[run.rows(t), 0]))
        b.requires_grad = True
        for t in (8, 3, 4, 5, 1):
            equal(run.at(t), shown[t - 1][1], f"step {t}")
            np.testing.assert_array_equal(run.rows(t), shown[t - 1][0])
        assert run.info(1) == {"rows": shown[0][0].tolist()}
        b.requires_grad = False
        with pytest.raises(ValueError, match=r"loss\(2\) does not reach \['b'\], which took part in step 2"):
            run.gradient(2)


@pytest.mark.parametrize("level", ["scalars", "tape"])
def test_every_level_keeps_the_rows_of_each_step(level, tmp_path):
    run, _, rows, _, _ = trained(tmp_path / "run", level, accumulate=2, clip_norm=0.2)
    assert [len(run.rows(t)) for t in range(1, 7)] == [16, 6] * 3
    for opened in (run, optim.open_run(tmp_path / "run")):
        for t in range(1, 7):
            np.testing.assert_array_equal(opened.rows(t), rows[t - 1])


def test_rows_that_were_noted_belong_to_the_next_step_alone(tmp_path):
    p, rows = leaf([1.0], name="p"), np.array([3, 1])
    sgd = optim.SGD([p], lr=0.1)
    with optim.record(sgd, tmp_path / "run") as run:
        run.note(rows=rows)
        rows[...] = 7
        for _ in range(2):
            sgd.step(lambda: (p * p).sum())
    assert [run.info(t) for t in (1, 2)] == [{"rows": [3, 1]}, {}]


def test_an_optimizer_without_a_rule_keeps_its_rows_too(tmp_path):
    model = Linear(2, 1, rng=1)
    opt, rows = optim.NewtonCG(model.named_parameters()), []
    with optim.record(opt, tmp_path / "run") as run:
        settings = {"epochs": 1, "batch_size": 8, "rng": 4, "progress": False}
        fit(model, opt, mse_loss, (X, Y), on_step=lambda step: rows.append(step.rows), **settings)
    assert not opt.observers
    assert len(run) == len(rows) == 3
    for t in (1, 2, 3):
        np.testing.assert_array_equal(run.rows(t), rows[t - 1])


def test_resuming_cuts_the_rows_too(tmp_path):
    """As the weights say nothing without gradients, the counts of the optimizer do."""
    whole, seen, rows, model, opt = trained(tmp_path / "whole", dropout=True)
    saved = {"checkpoint": tmp_path / "fit.npz", "dropout": True}
    trained(tmp_path / "run", epochs=1, **saved)
    kept = (tmp_path / "fit.npz").read_bytes()
    trained(tmp_path / "run", epochs=2, resume=True, **saved)
    (tmp_path / "fit.npz").write_bytes(kept)  # as if the second epoch had been cut short by a kill
    run, *_ = trained(tmp_path / "run", epochs=3, resume=True, **saved)
    assert len(run) == len(whole) == 9
    opened = optim.open_run(tmp_path / "run")
    opened.recompute(again(opened, model), opt)
    for t in (9, 3, 4):
        equal(opened.at(t), seen[t - 1][1], f"step {t}")
        np.testing.assert_array_equal(opened.rows(t), rows[t - 1])
    p = leaf([1.0], name="p")
    sgd = optim.SGD([p], lr=0.1)
    with optim.record(sgd, tmp_path / "short", "scalars") as run:
        for _ in range(3):
            run.note(rows=[0])
            sgd.step(lambda: (p * p).sum())
    run.cut(1)
    np.testing.assert_array_equal(run.rows(1), [0])
    with optim.record(optim.SGD([p], lr=0.1), tmp_path / "short", "scalars", resume=True):
        pass
    assert (np.load(tmp_path / "short" / "rows-000000000.npy")[1:] == 0).all()


# Killed, and continued


def endless(folder, done):
    """As that of tests/optim/test_recording.py, with a loss and rows in place of gradients."""
    p = leaf([1.0, 2.0, 3.0], name="p")
    opt = optim.Adam([p], lr=0.1)
    with optim.record(opt, folder, "replay", every=5) as run:
        for t in range(1, 10**9):
            run.note(rows=[t])
            opt.step(lambda t=t: loss_of(p, [t]))
            done[:8] = t.to_bytes(8, "little")


def loss_of(p, rows):
    """Its gradient is cos(t·(1, 2, 3)), exactly."""
    return (p * np.cos(rows[0] * np.arange(1.0, 4.0))).sum()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_killed_at_random_moments(tmp_path, monkeypatch):
    monkeypatch.setattr("optim.recording.rows.SMALLEST", 400)
    monkeypatch.setattr("tests.optim.test_recording.endless", endless)
    p = leaf([1.0, 2.0, 3.0], name="p")
    opt, shown = optim.Adam([p], lr=0.1), [None]
    moments = random.Random(0)
    for i in range(8):
        enough = moments.randrange(1, 40)
        steps = killed(tmp_path / str(i), enough, moments.random() * 1e-3)
        run = optim.open_run(tmp_path / str(i))
        assert len(run) >= steps >= enough
        while len(shown) <= len(run) + 3:
            p.grad = np.cos(len(shown) * np.arange(1.0, 4.0))
            shown.append(opt.preview())
            opt.step()
        q = leaf([0.0, 0.0, 0.0], name="p")
        run.recompute(lambda t, run=run, q=q: loss_of(q, run.rows(t)), optim.SGD([q]))
        for t in (1, len(run) // 2 + 1, len(run)):
            equal(run.at(t), shown[t], f"child {i}, step {t}")
            assert run.rows(t).tolist() == [t]
        np.testing.assert_array_equal(q.data, np.zeros(3))


# What is refused


def test_a_loss_that_is_not_that_of_the_step(tmp_path):
    run, seen, _, model, opt = trained(tmp_path / "run", batch_size=None)
    before = opt.param_groups[0].w.copy()
    of_step = lambda t: mse_loss(model(X[run.rows(t)]), Y[run.rows(t)])  # noqa: E731
    with pytest.raises(ValueError, match=r"gradient of step 1 is not kept at level 'replay'.*recompute\("):
        run.at(1)
    run.recompute(lambda t: mse_loss(model(X[:9]), Y[:9]), opt)
    with pytest.raises(ValueError, match=r"the loss of step 1 was 0\.\d+, and with loss\(1\) it is 0\.\d+"):
        run.at(3)
    run.recompute(lambda t: of_step(t) + 0 * model.layers[0].bias.sum() ** 2, opt)
    equal(run.at(3), seen[2][1])
    steep = lambda p: p - p.data  # 0 with a slope of 1  # noqa: E731
    run.recompute(lambda t: of_step(t) + steep(model.layers[0].bias).sum(), opt)
    with pytest.raises(ValueError, match=r"the norm of the gradient of step 1 was"):
        run.gradient(3)
    run.recompute(lambda t: 1.0, opt)
    with pytest.raises(TypeError, match=r"recompute\(loss\)"):
        run.weights(2)
    run.recompute(lambda t: 1 / 0, opt)
    with pytest.raises(ZeroDivisionError):
        run.gradient(2)
    np.testing.assert_array_equal(opt.param_groups[0].w, before)
    np.testing.assert_array_equal(
        run.weights(0)["layers.0.bias"],
        seen[0][1]["layers.0.bias"]["w"] + seen[0][1]["layers.0.bias"]["step"],
    )


def test_what_is_refused(tmp_path):
    run, *_, opt = trained(tmp_path / "run", accumulate=2)
    run.recompute(lambda t: 0, opt)
    with pytest.raises(ValueError, match=r"step 1 was made of 2 batches, by fit\(accumulate=...\)"):
        run.at(1)
    with pytest.raises(TypeError, match="needs the optimizer that has the parameters"):
        run.recompute(lambda t: 0)
    with pytest.raises(ValueError, match=r"needs parameters of the run's names.*are \{'p': \(1,\)\}"):
        run.recompute(lambda t: 0, optim.SGD([p := leaf([1.0], name="p")]))
    newton = optim.Newton([p])
    with (
        pytest.raises(TypeError, match=r"Newton has no rule.*level=.tape"),
        optim.record(newton, tmp_path / "newton", "replay"),
    ):
        pass
    assert not (tmp_path / "newton").exists()
    sgd = optim.SGD([p])
    with optim.record(sgd, tmp_path / "tape") as run:
        for bad in ([[1]], [0.5], [True]):
            with pytest.raises(ValueError, match=r"`run.note\(rows=...\)` must be one axis of whole numbers"):
                run.note(rows=bad)
        with pytest.raises(TypeError, match=r"`run.note\(what=...\)` must be what JSON can hold"):
            run.note(rows=[1], what=Tensor(1.0))
        run.note(what={"key": np.arange(2), "one": np.float64(1.5)})
        sgd.step(lambda: (p * p).sum())
    assert run.info(1) == {"what": {"key": [0, 1], "one": 1.5}}
    with pytest.raises(ValueError, match=r"no rows were noted of step 1. `fit` notes them"):
        run.rows(1)
    with pytest.raises(ValueError, match=r"recorded with level='tape', which keeps the gradients"):
        run.recompute(lambda t: 0, sgd)


def test_rows_in_another_order_of_memory_are_recomputed_bit_for_bit(tmp_path):
    """Sums over axes of a transposed array run in its order, so a batch keeps it, as x[rows] does."""
    images, targets = np.random.default_rng(0).normal(size=(24, 3, 17, 19)).transpose(0, 2, 3, 1), Y[:22, 0]
    images = images[:22]
    model = Linear(3, 1, rng=1)
    means = lambda x: model(np.mean(x, axis=(1, 2)))[:, 0]  # noqa: E731
    net = Sequential(lambda x: np.mean(x, axis=(1, 2)), model, lambda x: x[:, 0])
    opt = Adam(net.named_parameters(), lr=0.01)
    with optim.record(opt, tmp_path / "run", level="replay", every=1000) as run:
        fit(net, opt, mse_loss, (images, targets), epochs=4, batch_size=8, rng=1, progress=False)
    after = {name: p.data.copy() for name, p in net.named_parameters()}
    run.recompute(lambda t: mse_loss(means(images[run.rows(t)]), targets[run.rows(t)]), opt)
    for name, w in run.weights(len(run)).items():
        assert w.tobytes() == after[name].tobytes()
