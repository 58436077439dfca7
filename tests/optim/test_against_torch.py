"""Trajectories equal to torch's in float64: every optimizer with every pair of its options, schedules,
clipping."""

import itertools

import numpy as np
import pytest

import optim
from minigrad import Tensor
from tests.optim.cases import CASES

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.oracle

SHAPES = ((3, 2), (4,), (), (2, 3))
OPTIONS = {case.name: case.torch for case in CASES if case.torch}


def pairwise():
    """Each pair of option values of each optimizer, the other options at their defaults; `maximize` takes
    part too."""
    for name, values in OPTIONS.items():
        values = values | {"maximize": (False, True)}
        seen = []
        for a, b in itertools.combinations(values, 2):
            for x, y in itertools.product(values[a], values[b]):
                options = {a: x, b: y}
                if options.get("nesterov"):
                    if options.get("momentum", 0.9) == 0 or options.get("dampening"):
                        continue
                    options["momentum"] = 0.9
                if options not in seen:
                    seen.append(options)
                    yield pytest.param(name, options, id=f"{name}-{a}={x}-{b}={y}")


@pytest.fixture(autouse=True)
def _double():
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


def gradients(arrays, k):
    """Of Σ cos(w + phase)·(1 + ¼ sin 3w) + w·sin(0.7k + phase), at step k: neither convex nor quadratic, and
    always moving.

    At rest the gradient would be rounding alone, which Adam and the like divide by its own size; no two
    programs agree then."""
    found = []
    for i, w in enumerate(arrays):
        u = w + 0.3 * i
        found.append(
            -np.sin(u) * (1 + 0.25 * np.sin(3 * w)) + np.cos(u) * 0.75 * np.cos(3 * w) + np.sin(0.7 * k + i)
        )
    return found


def start():
    rng = np.random.default_rng(5)
    return [rng.standard_normal(s) for s in SHAPES]


class Pair:
    """Our parameters and torch's, driven by gradients that one function computes for both."""

    def __init__(self, arrays):
        self.ours = [Tensor(a, requires_grad=True, name=f"p{i}") for i, a in enumerate(arrays)]
        self.theirs = [torch.nn.Parameter(torch.tensor(a)) for a in arrays]

    def set_gradients(self, k=0, without=()):
        for i, (g, p) in enumerate(zip(gradients([p.data for p in self.ours], k), self.ours, strict=True)):
            p.grad = None if i in without else np.asarray(g)
        for i, (g, q) in enumerate(
            zip(gradients([q.detach().numpy() for q in self.theirs], k), self.theirs, strict=True)
        ):
            q.grad = None if i in without else torch.tensor(g)

    def check(self, tolerance=1e-12):
        for p, q in zip(self.ours, self.theirs, strict=True):
            np.testing.assert_allclose(p.data, q.detach().numpy(), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(("name", "options"), list(pairwise()))
def test_trajectory(name, options):
    pair = Pair(start())
    ours = getattr(optim, name)(pair.ours, **options)
    theirs = getattr(torch.optim, name)(pair.theirs, foreach=False, **options)
    for k in range(200):
        pair.set_gradients(k)
        ours.step()
        theirs.step()
        if k % 10 == 9:
            pair.check()


@pytest.mark.parametrize("name", OPTIONS)
def test_defaults_are_torchs(name):
    pair = Pair(start())
    ours, theirs = getattr(optim, name)(pair.ours), getattr(torch.optim, name)(pair.theirs)
    assert ours.defaults == {key: theirs.defaults[key] for key in ours.defaults}


@pytest.mark.parametrize("name", OPTIONS)
@pytest.mark.parametrize("maximize", [False, True])
def test_parameters_without_a_gradient_now_and_then(name, maximize):
    options = {"weight_decay": 0.05, "maximize": maximize} | (
        {"momentum": 0.9} if name in ("SGD", "RMSprop") else {}
    )
    pair = Pair(start())
    ours = getattr(optim, name)(pair.ours, **options)
    theirs = getattr(torch.optim, name)(pair.theirs, foreach=False, **options)
    for k in range(60):
        pair.set_gradients(k, without=({1}, {0, 2}, set(), {0, 1, 2, 3}, {3})[k % 5])
        ours.step()
        theirs.step()
        pair.check()


@pytest.mark.parametrize("name", OPTIONS)
def test_groups_with_options_of_their_own_edited_midway(name):
    pair = Pair(start())

    def build(module, ps, **more):
        groups = [{"params": ps[:2], "lr": 0.03}, {"params": ps[2:3], "weight_decay": 0.2}]
        opt = getattr(module, name)(groups, lr=0.01, **more)
        opt.add_param_group({"params": ps[3:], "lr": 0.02})
        return opt

    ours, theirs = build(optim, pair.ours), build(torch.optim, pair.theirs, foreach=False)
    for k in range(60):
        if k == 20:
            for opt in (ours, theirs):
                opt.param_groups[0]["lr"] = 0.005
                opt.param_groups[2]["weight_decay"] = 0.3
        if k == 40:
            for opt in (ours, theirs):
                group = opt.param_groups[1]
                if "betas" in group:
                    group["betas"] = (0.7, 0.95)
                if name == "NAdam":
                    group["momentum_decay"] = 0.1
                if name == "SGD":
                    group["dampening"] = 0.3
                    group["momentum"] = 0.8  # the buffer then starts from that step's gradient
        pair.set_gradients(k)
        ours.step()
        theirs.step()
        pair.check()


SCHEDULES = {
    "StepLR": {"step_size": 7, "gamma": 0.5},
    "CosineAnnealingLR": {"T_max": 13, "eta_min": 0.002},
    "LinearLR": {"start_factor": 0.2, "end_factor": 0.9, "total_iters": 11},
    "LambdaLR": {"lr_lambda": lambda epoch: 1 / (1 + epoch)},
    "OneCycleLR": {"max_lr": 0.1, "total_steps": 41},
    "MultiStepLR": {"milestones": [3, 9, 9, 20], "gamma": 0.5},
    "CosineAnnealingWarmRestarts": {"T_0": 5, "T_mult": 2, "eta_min": 0.002},
}
ONE_CYCLES = [
    {"total_steps": 41, "three_phase": True},
    {"epochs": 8, "steps_per_epoch": 5, "anneal_strategy": "linear", "pct_start": 0.45},
    {"total_steps": 44, "pct_start": 0.0, "div_factor": 4.0, "final_div_factor": 10.0},
    {"total_steps": 44, "base_momentum": 0.5, "max_momentum": 0.7},
    {"total_steps": 44, "cycle_momentum": False, "pct_start": 1.0},
]


@pytest.mark.parametrize(
    ("kind", "options"),
    [*SCHEDULES.items(), *(("OneCycleLR", {"max_lr": [0.1, 0.3], **more}) for more in ONE_CYCLES)],
)
@pytest.mark.parametrize("name", ["SGD", "Adam"])
def test_schedule(name, kind, options):
    pair = Pair(start())
    more = {"momentum": 0.9} if name == "SGD" else {}

    def build(module, scheduler, ps):
        opt = getattr(module, name)([{"params": ps[:2]}, {"params": ps[2:], "lr": 0.05}], lr=0.02, **more)
        return opt, getattr(scheduler, kind)(opt, **options)

    ours, our_schedule = build(optim, optim, pair.ours)
    theirs, their_schedule = build(torch.optim, torch.optim.lr_scheduler, pair.theirs)
    for k in range(40):
        for a, b in zip(ours.param_groups, theirs.param_groups, strict=True):
            assert a["lr"] == pytest.approx(b["lr"], rel=1e-12, abs=1e-15)
            if name == "SGD":
                assert a["momentum"] == pytest.approx(b["momentum"], rel=1e-12)
            else:
                assert a["betas"] == pytest.approx(b["betas"], rel=1e-12)
        assert our_schedule.get_last_lr() == pytest.approx(their_schedule.get_last_lr(), rel=1e-12, abs=1e-15)
        pair.set_gradients(k)
        ours.step()
        theirs.step()
        our_schedule.step()
        their_schedule.step()
        pair.check()


def test_one_schedule_after_the_other():
    pair = Pair(start())
    ours, theirs = optim.SGD(pair.ours, lr=0.1), torch.optim.SGD(pair.theirs, lr=0.1)
    one, other = (
        m.SequentialLR(
            o, [m.LinearLR(o, 0.1, total_iters=4), m.CosineAnnealingLR(o, 9), m.StepLR(o, 3)], [5, 14]
        )
        for m, o in ((optim, ours), (torch.optim.lr_scheduler, theirs))
    )
    for _ in range(25):
        theirs.step()
        assert one.get_last_lr() == pytest.approx(other.get_last_lr(), rel=1e-12)
        one.step()
        other.step()


def test_schedules_combined_with_each_other_and_with_edits_by_hand():
    pair = Pair(start())
    ours, theirs = optim.SGD(pair.ours, lr=0.1), torch.optim.SGD(pair.theirs, lr=0.1)
    both = [
        [m.LinearLR(o, 0.1, total_iters=4), m.CosineAnnealingLR(o, 20), m.StepLR(o, 6, 0.7)]
        for m, o in ((optim, ours), (torch.optim.lr_scheduler, theirs))
    ]
    for k in range(30):
        theirs.step()
        for opt, schedules in zip((ours, theirs), both, strict=True):
            if k == 9:
                opt.param_groups[0]["lr"] *= 2
            for schedule in schedules:
                schedule.step()
        assert ours.param_groups[0]["lr"] == pytest.approx(theirs.param_groups[0]["lr"], rel=1e-12)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"patience": 2, "cooldown": 2, "factor": 0.5},
        {"mode": "max", "patience": 1, "threshold": 0.05},
        {"threshold_mode": "abs", "threshold": 0.3, "patience": 0, "min_lr": [0.01, 0.002]},
        {"mode": "max", "threshold_mode": "abs", "threshold": 0.1, "patience": 1, "eps": 0.01},
    ],
)
def test_reduce_on_plateau(options):
    pair = Pair(start())
    optimizers = [
        module.SGD([{"params": ps[:2]}, {"params": ps[2:], "lr": 0.05}], lr=0.1)
        for module, ps in ((optim, pair.ours), (torch.optim, pair.theirs))
    ]
    ours = optim.ReduceLROnPlateau(optimizers[0], **options)
    theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizers[1], **options)
    rng = np.random.default_rng(2)
    for k in range(60):
        metric = (
            float("nan") if k in (0, 17) else float(2 * np.exp(-k / 9) + 0.3 * rng.standard_normal() - 0.5)
        )
        ours.step(metric)
        theirs.step(metric)
        assert ours.get_last_lr() == theirs.get_last_lr()
        assert (ours.best, ours.num_bad_epochs) == (theirs.best, theirs.num_bad_epochs)


@pytest.mark.parametrize("norm_type", [1.0, 1.5, 2.0, 3.0, float("inf")])
@pytest.mark.parametrize("max_norm", [0.0, 0.3, 2.0, 1e3, float("inf")])
def test_clip_grad_norm(norm_type, max_norm):
    pair = Pair(start())
    pair.set_gradients(without={1})
    ours = optim.clip_grad_norm_(pair.ours, max_norm, norm_type)
    theirs = torch.nn.utils.clip_grad_norm_(pair.theirs, max_norm, norm_type)
    assert ours == pytest.approx(float(theirs), rel=1e-13)
    for p, q in zip(pair.ours, pair.theirs, strict=True):
        assert (p.grad is None) == (q.grad is None)
        if p.grad is not None:
            np.testing.assert_allclose(p.grad, q.grad.numpy(), rtol=1e-13)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_clip_grad_norm_of_non_finite_gradients(bad):
    pair = Pair(start())
    pair.set_gradients()
    pair.ours[0].grad[1, 1] = bad
    pair.theirs[0].grad[1, 1] = bad
    ours = optim.clip_grad_norm_(pair.ours, 1.0)
    theirs = torch.nn.utils.clip_grad_norm_(pair.theirs, 1.0)
    np.testing.assert_equal(ours, float(theirs))
    for p, q in zip(pair.ours, pair.theirs, strict=True):
        np.testing.assert_array_equal(p.grad, q.grad.numpy())


def test_clip_grad_value():
    pair = Pair(start())
    pair.set_gradients(without={2})
    pair.ours[0].grad[0, 0] = np.nan
    pair.theirs[0].grad[0, 0] = np.nan
    optim.clip_grad_value_(pair.ours, 0.4)
    torch.nn.utils.clip_grad_value_(pair.theirs, 0.4)
    for p, q in zip(pair.ours, pair.theirs, strict=True):
        if q.grad is not None:
            np.testing.assert_array_equal(p.grad, q.grad.numpy())
