"""Schedules and clipping without torch: closed forms, refusals, and what differs from torch on purpose."""

import math

import numpy as np
import pytest

import optim
from minigrad import Tensor


def sgd(lr=0.5, **more):
    return optim.SGD([Tensor([1.0], requires_grad=True)], lr=lr, **more)


def rates(schedule, n):
    found = schedule.get_last_lr()
    for _ in range(n):
        schedule.step()
        found += schedule.get_last_lr()
    return found


def test_closed_forms():
    assert rates(optim.StepLR(sgd(), 2, 0.5), 5) == [0.5, 0.5, 0.25, 0.25, 0.125, 0.125]
    cosine = [0.1 + 0.2 * (1 + math.cos(math.pi * k / 6)) for k in range(20)]
    assert rates(optim.CosineAnnealingLR(sgd(), 6, 0.1), 19) == pytest.approx(cosine, rel=1e-12)
    warm = [0.5 * min(1.0, 0.2 + 0.8 * k / 4) for k in range(8)]
    assert rates(optim.LinearLR(sgd(), 0.2, total_iters=4), 7) == pytest.approx(warm, rel=1e-12)
    assert rates(optim.LambdaLR(sgd(), lambda k: k * k), 3) == [0.0, 0.5, 2.0, 4.5]


def test_closed_forms_of_milestones_restarts_and_sequences():
    assert rates(optim.MultiStepLR(sgd(), [2, 4, 4], 0.5), 5) == [0.5, 0.5, 0.25, 0.25, 0.0625, 0.0625]
    rounds = [k / 3 for k in range(3)] + [k / 6 for k in range(6)] + [k / 12 for k in range(4)]
    cosine = [0.1 + 0.2 * (1 + math.cos(math.pi * done)) for done in rounds]
    assert rates(optim.CosineAnnealingWarmRestarts(sgd(), 3, 2, 0.1), 12) == pytest.approx(cosine, rel=1e-12)
    opt = sgd()
    warm, fall = optim.LinearLR(opt, 0.2, total_iters=4), optim.CosineAnnealingLR(opt, 6)
    wanted = [0.1, 0.2, 0.3, 0.4] + [0.25 * (1 + math.cos(math.pi * k / 6)) for k in range(7)]
    assert rates(optim.SequentialLR(opt, [warm, fall], [4]), 10) == pytest.approx(
        wanted, rel=1e-12, abs=1e-15
    )


SAVED = [
    ("StepLR", (2,), {"step_size": 0}), ("StepLR", (2,), {"gamma": -1.0}),
    ("StepLR", (2,), {"last_epoch": 1.5}),
    ("MultiStepLR", ([2, 3],), {"milestones": [3, 2]}), ("MultiStepLR", ([2, 3],), {"milestones": 2}),
    ("LinearLR", (0.5,), {"start_factor": 0.0}), ("LinearLR", (0.5,), {"total_iters": 0}),
    ("CosineAnnealingLR", (5,), {"T_max": 0}), ("CosineAnnealingLR", (5,), {"eta_min": math.nan}),
    ("CosineAnnealingWarmRestarts", (5,), {"T_0": 0}), ("CosineAnnealingWarmRestarts", (5,), {"T_mult": 1.5}),
    ("OneCycleLR", (1.0, 9), {"max_lr": [0.0]}), ("OneCycleLR", (1.0, 9), {"max_lr": [1.0, 2.0]}),
    ("OneCycleLR", (1.0, 9), {"total_steps": 0}), ("OneCycleLR", (1.0, 9), {"last_epoch": 10}),
    ("OneCycleLR", (1.0, 9), {"anneal_strategy": "up"}), ("OneCycleLR", (1.0, 9), {"max_momentum": 0.5}),
    ("ReduceLROnPlateau", (), {"mode": "low"}), ("ReduceLROnPlateau", (), {"best": math.nan}),
    ("ReduceLROnPlateau", (), {"num_bad_epochs": -1}), ("ReduceLROnPlateau", (), {"min_lr": [-1.0]}),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "options", "change"), SAVED)
def test_a_saved_option_is_checked_as_the_constructor_checks_it(kind, options, change):
    opt = sgd(momentum=0.9)
    schedule = getattr(optim, kind)(opt, *options)
    before, group = schedule.state_dict(), dict(opt.param_groups[0].options)
    with pytest.raises((TypeError, ValueError), match=kind):
        schedule.load_state_dict(before | change | {"lr": [0.001]})
    assert schedule.state_dict() == before
    assert opt.param_groups[0].options == group


@pytest.mark.parametrize(("kind", "options"), sorted({(k, repr(o)): (k, o) for k, o, _ in SAVED}.items()))
def test_a_state_is_a_copy_both_ways(kind, options):
    kind, options = options
    one, other = (getattr(optim, kind)(sgd(momentum=0.9), *options) for _ in range(2))
    saved = one.state_dict()
    other.load_state_dict(saved)
    for value in saved.values():
        if isinstance(value, list):
            value[0] = 99
    assert one.state_dict() == other.state_dict() != saved


@pytest.mark.parametrize("metrics", [(-1.0, -0.95), (1.0, 0.95), (-1.0, math.nan), (0.0, 0.0)])
@pytest.mark.parametrize("mode", ["min", "max"])
def test_a_plateau_counts_what_is_no_better_whatever_its_sign(metrics, mode):
    first, second = metrics
    schedule = optim.ReduceLROnPlateau(sgd(1.0), mode, threshold=0.01, patience=0)
    schedule.step(first)
    schedule.step(second)
    better = second > first if mode == "max" else second < first
    assert schedule.best == (second if better else first)
    assert schedule.get_last_lr() == [1.0 if better else 0.1]


def test_sequences_that_cannot_be_are_refused():
    opt, other = sgd(momentum=0.9), sgd()
    step = optim.StepLR(opt, 2)
    for schedules, milestones in (
        ([], []), (step, []), ([step, step], [2]), ([step, optim.StepLR(other, 2)], [2]), ([step], [2]),
        ([step, optim.StepLR(opt, 1)], [0]), ([step, optim.ReduceLROnPlateau(opt)], [2]), ([step, 3], [2]),
    ):  # fmt: skip
        with pytest.raises((TypeError, ValueError), match="SequentialLR"):
            optim.SequentialLR(opt, schedules, milestones)


@pytest.mark.parametrize("strategy", ["cos", "linear"])
@pytest.mark.parametrize("three_phase", [False, True])
def test_one_cycle_rises_then_falls_and_stays_within_bounds(strategy, three_phase):
    opt = sgd(momentum=0.9)
    schedule = optim.OneCycleLR(
        opt, 1.0, total_steps=20, anneal_strategy=strategy, three_phase=three_phase, final_div_factor=10
    )
    lr = rates(schedule, 20)
    top = lr.index(max(lr))
    assert top == 5
    assert lr[0] == pytest.approx(1 / 25)
    assert lr[top] == pytest.approx(1.0)
    assert np.all(np.diff(lr[: top + 1]) > 0)
    assert np.all(np.diff(lr[top:20]) < 0)
    assert lr[19] == lr[20] == pytest.approx(1 / 250)  # torch extrapolates here
    assert opt.param_groups[0]["momentum"] == pytest.approx(0.95)
    with pytest.raises(ValueError, match="more than total_steps=20"):
        schedule.step()
    assert schedule.last_epoch == 20


def test_one_cycle_moves_whichever_momentum_there_is():
    p = Tensor([1.0], requires_grad=True)
    for opt, read in (
        (optim.Lion([p]), lambda g: g["betas"][0]),
        (optim.Momentum([p]), lambda g: g["beta"]),
        (optim.RMSprop([p]), lambda g: g["momentum"]),
    ):
        optim.OneCycleLR(opt, 1.0, total_steps=10)
        assert read(opt.param_groups[0]) == 0.95
    with pytest.raises(ValueError, match="Adagrad has none"):
        optim.OneCycleLR(optim.Adagrad([p]), 1.0, total_steps=10)


BAD = [
    ("StepLR", {"step_size": 0}, "step_size=.*≥ 1, got 0"),
    ("StepLR", {"step_size": 2.0}, "step_size"),
    ("StepLR", {"step_size": 2, "gamma": -1}, "gamma"),
    ("CosineAnnealingLR", {"T_max": 0}, "T_max"),
    ("CosineAnnealingLR", {"T_max": 5, "eta_min": -1.0}, "eta_min"),
    ("LinearLR", {"start_factor": 0.0}, r"start_factor=.*\(0, 1\], got 0"),
    ("LinearLR", {"end_factor": 1.5}, "end_factor"),
    ("LinearLR", {"total_iters": 0}, "total_iters"),
    ("LambdaLR", {"lr_lambda": 3}, "function"),
    ("LambdaLR", {"lr_lambda": [abs, abs]}, "1 groups, got 2"),
    ("LambdaLR", {"lr_lambda": lambda k: -1.0}, "lr=.*got -0.5"),
    ("LambdaLR", {"lr_lambda": lambda k: float("nan")}, "lr=.*got nan"),
    ("OneCycleLR", {"max_lr": 1.0}, "total_steps, or both"),
    ("OneCycleLR", {"max_lr": 0.0, "total_steps": 5}, "max_lr"),
    ("OneCycleLR", {"max_lr": [1.0, 2.0], "total_steps": 5}, "1 groups, got 2"),
    ("OneCycleLR", {"max_lr": 1.0, "total_steps": 5, "pct_start": 1.5}, "pct_start"),
    ("OneCycleLR", {"max_lr": 1.0, "total_steps": 5, "anneal_strategy": "cosine"}, "'cos', 'linear'"),
    ("OneCycleLR", {"max_lr": 1.0, "epochs": 5, "steps_per_epoch": 0}, "steps_per_epoch"),
    ("OneCycleLR", {"max_lr": 1.0, "total_steps": 5, "max_momentum": 1.0}, "max_momentum"),
    ("ReduceLROnPlateau", {"factor": 1.0}, "factor"),
    ("ReduceLROnPlateau", {"mode": "low"}, "'min', 'max'"),
    ("ReduceLROnPlateau", {"patience": -1}, "patience"),
    ("ReduceLROnPlateau", {"min_lr": [0.1, 0.2]}, "1 groups, got 2"),
    ("ReduceLROnPlateau", {"threshold_mode": 1}, "'rel', 'abs'"),
]


@pytest.mark.parametrize(("kind", "options", "message"), BAD)
def test_bad_options_are_refused_and_the_rate_stays(kind, options, message):
    opt = sgd()
    with pytest.raises((TypeError, ValueError), match=message):
        getattr(optim, kind)(opt, **options)
    assert opt.param_groups[0]["lr"] == 0.5


@pytest.mark.parametrize("make", [
    lambda o: optim.StepLR(o, 1), lambda o: optim.CosineAnnealingLR(o, 1), optim.LinearLR,
    lambda o: optim.LambdaLR(o, abs), lambda o: optim.OneCycleLR(o, 1.0, 9, cycle_momentum=False),
    optim.ReduceLROnPlateau,
])  # fmt: skip
def test_what_is_no_optimizer_is_refused(make):
    with pytest.raises(TypeError, match="must be an optimizer, got int"):
        make(3)
    with pytest.raises(TypeError, match="must be an optimizer with an lr, and NewtonCG has none"):
        make(optim.NewtonCG([Tensor([1.0], requires_grad=True)]))


@pytest.mark.parametrize(
    ("make", "option"),
    [(lambda o: optim.LambdaLR(o, lambda k: 0.5), "lr_lambda"),
        (lambda o: optim.OneCycleLR(o, 1.0, 9), "max_lr"),
     (optim.ReduceLROnPlateau, "min_lr"), (lambda o: optim.StepLR(o, 1), None),
     (lambda o: optim.CosineAnnealingLR(o, 1), None), (optim.LinearLR, None)],
)  # fmt: skip
def test_groups_added_later(make, option):
    opt = sgd()
    schedule = make(opt)
    opt.add_param_group({"params": [Tensor([1.0], requires_grad=True)], "lr": 0.25})
    step = (lambda: schedule.step(1.0)) if option == "min_lr" else schedule.step
    if option:
        with pytest.raises(
            ValueError, match=f"{option} was given for 1 groups, and the optimizer has 2 by now"
        ):
            step()
        assert schedule.last_epoch == 0
    else:
        for _ in range(3):
            step()
        assert schedule.last_epoch == 3


@pytest.mark.parametrize("bad", [None, "x", np.ones(2)])
def test_a_plateau_needs_a_number(bad):
    schedule = optim.ReduceLROnPlateau(sgd())
    with pytest.raises(TypeError, match="must be given one number"):
        schedule.step(bad)
    assert schedule.last_epoch == 0


def test_a_rate_that_cannot_be_leaves_the_schedule_where_it_was():
    schedule = optim.LambdaLR(sgd(), lambda k: 1.0 if k < 2 else -1.0)
    schedule.step()
    with pytest.raises(ValueError, match=r"got -0\.5"):
        schedule.step()
    assert (schedule.last_epoch, schedule.get_last_lr()) == (1, [0.5])


def test_loading_a_misfit_changes_nothing():
    schedule = optim.StepLR(sgd(), 2)
    schedule.step()
    good = schedule.state_dict()
    for bad in (
        {**good, "schedule": "LambdaLR"}, {**good, "extra": 1},
        {k: v for k, v in good.items() if k != "gamma"},
        {**good, "lr": [0.1, 0.1]}, {**good, "lr": [-1.0]}, {**good, "lr": None}, {**good, "last_epoch": "x"},
        {**good, "last_epoch": -1}, None, [],
    ):  # fmt: skip
        with pytest.raises((TypeError, ValueError), match=r"StepLR"):
            schedule.load_state_dict(bad)
        assert schedule.state_dict() == good


def test_a_plateau_waits_after_a_reduction_and_leaves_small_changes():
    """With patience 1 the second bad epoch reduces; two epochs of cooldown count for nothing."""
    schedule = optim.ReduceLROnPlateau(sgd(1.0), patience=1, factor=0.5, cooldown=2)
    found = [(schedule.step(1.0), schedule.get_last_lr()[0])[1] for _ in range(7)]
    assert found == [1.0, 1.0, 0.5, 0.5, 0.5, 0.5, 0.25]
    schedule = optim.ReduceLROnPlateau(sgd(1.0), patience=0, factor=0.5, eps=0.3)
    found = [(schedule.step(1.0), schedule.get_last_lr()[0])[1] for _ in range(4)]
    assert found == [1.0, 0.5, 0.5, 0.5]


def test_a_loaded_cycle_sets_the_momentum_too():
    one, other = (optim.OneCycleLR(sgd(momentum=0.9), max_lr=1.0, total_steps=10) for _ in range(2))
    for _ in range(4):
        one.step()
    other.load_state_dict(one.state_dict())
    (group,), (loaded,) = one.groups, other.groups
    assert loaded["lr"] == group["lr"]
    assert loaded["momentum"] == group["momentum"] != 0.95


def with_gradients(*arrays):
    params = [Tensor(np.zeros_like(a), requires_grad=True, name=f"p{i}") for i, a in enumerate(arrays)]
    for p, a in zip(params, arrays, strict=True):
        p.grad = a.copy()
    return params


def test_clipping_scales_all_gradients_alike():
    params = with_gradients(np.array([3.0, 0.0]), np.array([[4.0]]))
    assert optim.clip_grad_norm_(params, 1.0) == 5.0
    np.testing.assert_allclose(np.concatenate([p.grad.ravel() for p in params]), [0.6, 0.0, 0.8], rtol=1e-6)
    assert optim.clip_grad_norm_(params, 2.0) == pytest.approx(1.0, rel=1e-6)
    assert optim.clip_grad_norm_([], 1.0) == 0.0
    assert optim.clip_grad_norm_(Tensor([1.0], requires_grad=True), 1.0) == 0.0


@pytest.mark.parametrize("scale", [1e-200, 1e-30, 1.0, 1e30, 1e200])
def test_the_norm_neither_overflows_nor_vanishes(scale):
    params = with_gradients(np.array([3.0]) * scale, np.array([4.0]) * scale)
    # approx lets 1e-12 pass
    np.testing.assert_allclose(optim.clip_grad_norm_(params, math.inf), 5 * scale, rtol=1e-14)


def test_a_norm_that_is_nan_makes_all_gradients_nan():
    params = with_gradients(np.array([3.0]), np.array([np.nan]))
    assert math.isnan(optim.clip_grad_norm_(params, 1.0))
    assert all(np.isnan(p.grad).all() for p in params)


def test_clipping_values_leaves_the_graph_of_a_gradient_alone():
    p = Tensor([3.0, 0.25], requires_grad=True)
    (0.5 * p * p).sum().backward(create_graph=True)
    before = p.grad
    optim.clip_grad_value_([p], 1.0)
    np.testing.assert_array_equal(before.data, [3.0, 0.25])
    np.testing.assert_array_equal(p.grad.data, [1.0, 0.25])


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_non_finite_norms_can_be_refused(bad):
    params = with_gradients(np.array([3.0]), np.array([1.0, bad]))
    with pytest.raises(FloatingPointError, match=r"because of p1\. Look"):
        optim.clip_grad_norm_(params, 1.0, error_if_nonfinite=True)
    np.testing.assert_array_equal(params[0].grad, [3.0])


def test_clipping_keeps_dtype_and_array():
    (p,) = with_gradients(np.array([3.0, 4.0], np.float32))
    grad = p.grad
    optim.clip_grad_norm_([p], 1.0)
    optim.clip_grad_value_([p], 0.7)
    assert p.grad is grad
    assert grad.dtype == np.float32
    np.testing.assert_allclose(grad, [0.6, 0.7], rtol=1e-6)


def test_clipping_gradients_that_are_part_of_a_graph():
    p = Tensor([2.0], requires_grad=True)
    (p * p * p).sum().backward(create_graph=True)
    optim.clip_grad_norm_([p], 3.0)
    optim.clip_grad_value_([p], 2.5)
    assert p.grad.item() == 2.5
    p.grad = None
    (p * p * p).sum().backward(create_graph=True)
    optim.clip_grad_norm_([p], 6.0)
    assert p.grad.op is not None
    assert p.grad.item() == pytest.approx(6.0, rel=1e-6)


@pytest.mark.parametrize("call", [
    lambda p: optim.clip_grad_norm_([p], -1.0), lambda p: optim.clip_grad_norm_([p], math.nan),
    lambda p: optim.clip_grad_norm_([p], True), lambda p: optim.clip_grad_norm_([p], 1.0, 0),
    lambda p: optim.clip_grad_norm_([p], 1.0, "inf"), lambda p: optim.clip_grad_value_([p], -1.0),
    lambda p: optim.clip_grad_norm_([("p", p)], 1.0), lambda p: optim.clip_grad_value_([np.ones(1)], 1.0),
])  # fmt: skip
def test_bad_clipping_is_refused(call):
    (p,) = with_gradients(np.array([3.0]))
    with pytest.raises((TypeError, ValueError), match="`clip_grad_"):
        call(p)
    np.testing.assert_array_equal(p.grad, [3.0])


def test_the_repr_of_a_schedule_names_its_options_and_where_it_is():
    schedule = optim.StepLR(optim.SGD([Tensor([1.0], requires_grad=True)], lr=0.5), 2, gamma=0.5)
    schedule.step()
    schedule.step()
    assert repr(schedule) == "<StepLR(step_size=2, gamma=0.5) at epoch 2, lr 0.25>"
    for kind in (optim.LinearLR, optim.ReduceLROnPlateau):
        assert repr(kind(schedule.optimizer)).startswith(f"<{kind.__name__}(")


def test_a_plateau_of_accuracy_is_not_watched_for_its_minimum():
    optimizer = optim.SGD([Tensor([1.0], requires_grad=True)], lr=1.0)
    with pytest.raises(ValueError, match=r'more accuracy is better\. Write mode="max"'):
        optim.ReduceLROnPlateau(optimizer, monitor="val_accuracy")
    assert optim.ReduceLROnPlateau(optimizer, "max", monitor="val_accuracy").mode == "max"
