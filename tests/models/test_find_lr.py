"""find_lr: the curve is that of a loop by hand, the rates it suggests are useful, and all is put back."""

import copy
import math
import signal

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure

import minigrad
import optim
from minigrad import Tensor
from models import Dropout, Linear, LRCurve, Module, Sequential, cross_entropy, find_lr, fit, mse_loss
from models.datasets import moons

mpl.use("Agg")
DATA = moons(60, noise=0.1, rng=0)


def setup(make=optim.Adam, dropout=True, **options):
    between = [np.tanh, Dropout(0.2, rng=5)] if dropout else [np.tanh]
    model = Sequential(Linear(2, 8, rng=0), *between, Linear(8, 2, rng=1))
    return model, make(model.named_parameters(), lr=0.03, **options)


def everything(model, optimizer, rng):
    """All that must be put back, as bytes and plain values."""
    gradients = [None if p.grad is None else p.grad.tobytes() for p in model.parameters()]
    generators = [rng, *(r for _, r in model.named_generators())]
    return (
        {name: a.tobytes() for name, a in model.state_dict().items()},
        repr(optimizer.state_dict()), gradients, [m.training for _, m in model.named_modules()],
        [repr(r.bit_generator.state) for r in generators],
    )  # fmt: skip


def by_hand(make, steps, batch, dropout=True):
    """The loss before each step."""
    model, optimizer = setup(make, dropout)
    order, losses, rows = np.random.default_rng(7), [], []
    for rate in np.geomspace(1e-4, 0.1, steps):
        if not len(rows):
            rows = order.permutation(60)
        now, rows = rows[:batch], rows[batch:]
        optimizer.param_groups[0]["lr"] = rate
        loss = optimizer.step(lambda now=now: cross_entropy(model(DATA.X[now]), DATA.y[now]))
        losses.append(loss.item())
    return losses


@pytest.mark.parametrize("make", [optim.SGD, optim.Adam])
@pytest.mark.parametrize("compile", [True, False])
def test_the_curve_is_that_of_a_loop_by_hand(make, compile):
    model, optimizer = setup(make)
    curve = find_lr(model, optimizer, cross_entropy, DATA, smallest=1e-4, largest=0.1, steps=14,
                    batch_size=16, rng=7, compile=compile)  # fmt: skip
    assert curve.rates[[0, -1]] == pytest.approx([1e-4, 0.1])
    np.testing.assert_allclose(np.diff(np.log(curve.rates)), np.log(1000) / 13)
    np.testing.assert_allclose(curve.losses, by_hand(make, 14, 16), rtol=1e-10)
    weights = [0.9 ** np.arange(i, -1, -1) for i in range(14)]
    np.testing.assert_allclose(
        curve.smoothed, [np.average(curve.losses[: i + 1], weights=w) for i, w in enumerate(weights)]
    )


def explode(x, y):
    raise RuntimeError("a bug")


def interrupt(x, y):
    signal.raise_signal(signal.SIGINT)
    return cross_entropy(x, y)


def interrupt_twice(x, y):
    signal.raise_signal(signal.SIGINT)
    return interrupt(x, y)


@pytest.mark.parametrize("make", [
    optim.SGD, lambda p, lr: optim.SGD(p, lr, momentum=0.9), optim.Adam, optim.NAdam, optim.Adagrad,
    optim.Lion,
])  # fmt: skip
@pytest.mark.parametrize("used", ["compiled", "eager", ""])
def test_all_is_put_back(make, used):
    model, optimizer = setup(make)
    rng = np.random.default_rng(3)
    if used:
        fit(model, optimizer, cross_entropy, DATA, epochs=1, progress=False)
        loss = lambda x, y: cross_entropy(model(x), y)  # noqa: E731
        at_all = minigrad.compile(loss).at(DATA.X, DATA.y)
        optimizer.step(at_all if used == "compiled" else at_all.__call__)  # leaves gradients
    model.layers[0].bias.requires_grad = False
    model.eval()
    before, twin = everything(model, optimizer, rng), copy.deepcopy((model, optimizer))
    find_lr(model, optimizer, cross_entropy, DATA, rng=rng, steps=30)
    assert everything(model, optimizer, rng) == before
    for m, o in ((model, optimizer), twin):  # and goes on as if nothing had been
        m.layers[0].bias.requires_grad = True
        fit(m, o, cross_entropy, DATA, epochs=1, progress=False)
    assert everything(model, optimizer, rng) == everything(*twin, rng)


@pytest.mark.parametrize("compile", [True, False])
@pytest.mark.parametrize(("late", "error"), [
    (explode, RuntimeError), (interrupt, KeyboardInterrupt), (interrupt_twice, KeyboardInterrupt),
])  # fmt: skip
def test_all_is_put_back_where_it_ends_early(late, error, compile):
    model, optimizer = setup()
    rng, calls, handler = np.random.default_rng(3), [], signal.getsignal(signal.SIGINT)

    class Late(Module):
        def forward(self, x):
            calls.append(1)
            return model(x)

    def loss(out, y):
        return (late if len(calls) == 6 and not compile else cross_entropy)(out, y)

    if compile:
        calls = [1] * 5
        loss = late
    before = everything(model, optimizer, rng)
    wrapped = Late()
    wrapped.model = model
    with pytest.raises(error):
        find_lr(wrapped if not compile else model, optimizer, loss, DATA, rng=rng, compile=compile)
    assert everything(model, optimizer, rng) == before
    assert compile or len(calls) == 6
    assert signal.getsignal(signal.SIGINT) is handler


def test_ctrl_c_does_not_cut_the_way_back_short():
    model, optimizer = setup()
    load, rng = model.load_state_dict, np.random.default_rng(3)

    def load_and_interrupt(state):
        signal.raise_signal(signal.SIGINT)
        return load(state)

    before = everything(model, optimizer, rng)
    model.load_state_dict = load_and_interrupt
    with pytest.raises(KeyboardInterrupt):
        find_lr(model, optimizer, interrupt, DATA, rng=rng, compile=False)
    assert everything(model, optimizer, rng) == before


def test_it_ends_where_the_loss_explodes():
    model, optimizer = setup(optim.SGD, dropout=False)
    curve = find_lr(model, optimizer, mse_loss, (DATA.X, DATA.X), largest=1e6)
    assert 10 < len(curve.rates) == len(curve.losses) == len(curve.smoothed) < 100
    assert np.isfinite(curve.losses).all()
    assert curve.smoothed[-1] - curve.smoothed.min() > 3 * curve.losses[0]
    assert (curve.smoothed[:-1] - np.minimum.accumulate(curve.smoothed)[:-1] <= 3 * curve.losses[0]).all()
    low = find_lr(model, optimizer, lambda out, y: mse_loss(out, y) - 100, (DATA.X, DATA.X), largest=0.1)
    assert len(low.rates) == 100  # 4 times a negative loss would be below it


def test_it_ends_where_the_loss_is_not_finite():
    model, optimizer = setup(optim.SGD, dropout=False)
    cliff = lambda out, y: mse_loss(out, y) + np.where(np.sum(out * out) > 60, np.inf, 0.0)  # noqa: E731
    curve = find_lr(model, optimizer, cliff, (DATA.X, 3 * DATA.X), largest=10)
    assert 10 < len(curve.rates) < 100
    assert np.isfinite(curve.losses).all()
    with pytest.raises(
        FloatingPointError, match=r"find_lr: the loss became nan in step 1, with the rate 1e-07"
    ):
        find_lr(model, optimizer, cross_entropy, (DATA.X * np.nan, DATA.y))


def test_of_a_quadratic_the_rates_lie_below_the_proven_limit():
    """Gradient descent on ½λw² needs a rate below 2/λ and falls fastest near 1/λ."""
    for curvature in (0.01, 1.0, 100.0):
        model = Sequential(Linear(1, 1, rng=0))
        model.layers[0].bias.requires_grad = False
        sgd = optim.SGD(model.named_parameters(), lr=0.1)
        loss = lambda out, y, c=curvature: 0.5 * c * (out * out).mean()  # noqa: E731
        curve = find_lr(model, sgd, loss, (np.ones((4, 1)), np.ones(4)), smallest=1e-5 / curvature,
                        largest=100 / curvature, batch_size=None)  # fmt: skip
        assert curve.suggestion == pytest.approx(0.1 / curvature, rel=0.9)
        assert 0.001 < curve.valley * curvature < curve.suggestion * curvature < 1


@pytest.mark.parametrize(("smoothed", "suggestion", "valley"), [
    (np.r_[np.ones(10), 0.9, 0.8, 0.5, 0.4, 0.3, np.ones(5)], 12, 12),
    (np.r_[1.0, 0.9, 0.8, 0.3, 0.2, 0.1, 0.5, 0.9, 0.05, 0.01], 8, 6), (np.ones(12), None, None),
    (np.arange(12.0), None, None), (np.ones(1), None, None), (np.r_[2.0, 1.0], 1, 1),
])  # fmt: skip
def test_what_is_suggested(smoothed, suggestion, valley):
    curve = LRCurve(np.arange(len(smoothed)) + 1.0, smoothed, smoothed)
    if valley is None:
        for name in ("suggestion", "valley"):
            with pytest.raises(ValueError, match=rf"LRCurve\.{name}` needs a loss that falls, .* `plot\(\)`"):
                getattr(curve, name)
        assert "suggestion none, valley none" in repr(curve)
    else:
        assert (curve.suggestion, curve.valley) == (suggestion, valley)
        assert f"valley {valley}" in repr(curve)
    curve.plot(ax=Figure().subplots())
    assert "LRCurve" in curve._repr_html_()


def test_a_plot():
    model, optimizer = setup()
    curve, ax = find_lr(model, optimizer, cross_entropy, DATA, rng=0), Figure().subplots()
    assert curve.plot(ax=ax) is ax
    raw, smooth, *points = ax.get_lines()
    np.testing.assert_array_equal(raw.get_xydata(), np.c_[curve.rates, curve.losses])
    np.testing.assert_array_equal(smooth.get_xydata(), np.c_[curve.rates, curve.smoothed])
    for point, rate in zip(points, (curve.suggestion, curve.valley), strict=True):
        assert point.get_xydata()[0].tolist() == [rate, curve.smoothed[list(curve.rates).index(rate)]]
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_xscale()) == ("learning rate", "loss", "log")


@pytest.mark.parametrize(("options", "says"), [
    ({"smallest": 0}, r"0 < smallest < largest, got 0 and 10.0"), ({"smallest": 20}, "got 20 and 10.0"),
    ({"largest": math.inf}, "got 1e-07 and inf"), ({"smallest": "1"}, "got '1' and"),
    ({"steps": 9}, r"find_lr\(steps=...\)` must be a whole number of at least 10, got 9"),
    ({"steps": 20.0}, "got 20.0"), ({"batch_size": 0}, r"batch_size=...\)` must .* at least 1, got 0"),
    ({"rng": -1}, r"find_lr\(rng=...\)` must be .*got -1"), ({"compile": 1}, "must be True or False, got 1"),
    ({"optimizer": optim.NewtonCG}, "NewtonCG has none: it finds the length"),
    ({"optimizer": optim.Adam}, r"find_lr\(optimizer=...\)` must be an optimizer, .* got the class Adam"),
    ({"train": 3}, r"find_lr\(train=...\)` must be a pair"),
    ({"loss": None}, r"find_lr\(loss=...\)` needs a function"),
])  # fmt: skip
def test_what_is_refused(options, says):
    model, optimizer = setup()
    given = {"optimizer": optimizer, "loss": cross_entropy, "train": DATA} | options
    if given["optimizer"] is optim.NewtonCG:
        given["optimizer"] = optim.NewtonCG(model.parameters())
    before = everything(model, optimizer, np.random.default_rng(0))
    with pytest.raises((TypeError, ValueError), match=says):
        find_lr(model, **given)
    assert everything(model, optimizer, np.random.default_rng(0)) == before


def test_the_errors_name_the_call():
    model, optimizer = setup(dropout=False)
    with pytest.raises(TypeError, match=r"find_lr: loss\(model\(x\), y\) must be a scalar Tensor"):
        find_lr(model, optimizer, lambda out, y: out, DATA, compile=False)
    looks = lambda out, y: cross_entropy(out, y) * (1 if np.sum(out).item() > 1e9 else 2)  # noqa: E731
    with pytest.warns(RuntimeWarning, match=r"find_lr trains without.*`find_lr\(compile=False\)`") as told:
        find_lr(model, optimizer, looks, DATA, steps=10)
    assert told[0].filename == __file__


def test_gradients_that_are_tensors_stay():
    model, optimizer = setup()
    p = model.layers[0].weight
    p.grad = kept = Tensor(np.ones(p.shape))
    find_lr(model, optimizer, cross_entropy, DATA, steps=10)
    np.testing.assert_array_equal(kept.data, 1.0)
    assert p.grad is kept
