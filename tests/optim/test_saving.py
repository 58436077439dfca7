"""Saving and resuming: what is loaded continues bit for bit, and what does not fit is refused as a whole."""

import json

import numpy as np
import pytest

import optim
from minigrad import Tensor
from tests.optim.cases import SETTINGS
from tests.seeds import further

each = pytest.mark.parametrize("name", SETTINGS)
START = {"a": np.array([[1.0, -2.0, 0.3]]), "b": np.array([0.5, 0.1]), "c": np.array(2.0)}


def parameters(values=START, order="abc"):
    return {n: Tensor(values[n], requires_grad=True) for n in order}


def make(name, params, **more):
    groups = [
        {"params": {n: p for n, p in params.items() if n in "ab"}},
        {"params": {"c": params["c"]}, "lr": 0.02},
    ]
    case, options = SETTINGS[name]
    return case.kind(groups, **{"lr": 0.05, **options, **more})


MOMENTA = {"momentum", "beta", "betas"}  # options that one cycle can move against the learning rate
SCHEDULES = {
    "none": lambda opt: None,
    "step": lambda opt: optim.StepLR(opt, 3),
    "cosine": lambda opt: optim.CosineAnnealingLR(opt, 9),
    "warm-up": lambda opt: optim.LinearLR(opt, 0.1, total_iters=8),
    "lambda": lambda opt: optim.LambdaLR(opt, lambda epoch: 1 / (1 + epoch)),
    "one cycle": lambda opt: optim.OneCycleLR(
        opt, 0.1, total_steps=20, cycle_momentum=MOMENTA & opt.defaults.keys() != set()
    ),
    "milestones": lambda opt: optim.MultiStepLR(opt, [2, 7, 9]),
    "restarts": lambda opt: optim.CosineAnnealingWarmRestarts(opt, 3, 2),
    "sequence": lambda opt: optim.SequentialLR(
        opt, [optim.LinearLR(opt, 0.2, total_iters=3), optim.CosineAnnealingLR(opt, 6)], [4]
    ),
    "plateau": lambda opt: optim.ReduceLROnPlateau(opt, patience=1, threshold=0.5, cooldown=1),
}


def train(opt, schedule, params, steps):
    losses = []
    for k in steps:
        if k % 4 == 1:  # one parameter rests now and then, so the step counts differ
            params["b"].requires_grad = False
        loss = opt.step(lambda k=k: sum(np.sin(1.3 * p + k).sum() for p in params.values()))
        params["b"].requires_grad = True
        losses.append(loss.item())
        if isinstance(schedule, optim.ReduceLROnPlateau):
            schedule.step(loss)
        elif schedule:
            schedule.step()
    return losses


ORDERS = {"optimizer, schedule": SCHEDULES, "schedule, optimizer": ["one cycle", "plateau"]}
LOADED = [(order, kind) for order, kinds in ORDERS.items() for kind in kinds]
OTHERS = [("schedule, optimizer", kind) for kind in SCHEDULES if kind not in ORDERS["schedule, optimizer"]]


@each
@pytest.mark.parametrize(("order", "kind"), [*LOADED, *further(*OTHERS)])
def test_resuming_is_bit_identical(name, order, kind):
    optimizer_first = order.startswith("optimizer")
    straight = parameters()
    opt = make(name, straight)
    whole = train(opt, SCHEDULES[kind](opt), straight, range(11))

    params = parameters()
    opt = make(name, params)
    schedule = SCHEDULES[kind](opt)
    head = train(opt, schedule, params, range(6))
    saved = opt.state_dict(), schedule and schedule.state_dict()
    values = {n: p.numpy() for n, p in params.items()}
    train(opt, schedule, params, range(3))  # what was saved are copies

    params = parameters(values, "cba")
    opt = make(name, params, lr=0.7)
    if optimizer_first:
        opt.load_state_dict(saved[0])
    schedule = SCHEDULES[kind](opt)
    if schedule:
        schedule.load_state_dict(saved[1])
    if not optimizer_first:
        opt.load_state_dict(saved[0])
    tail = train(opt, schedule, params, range(6, 11))
    np.testing.assert_allclose(head + tail, whole, rtol=1e-12)  # sums in the loss run in another order
    for n in params:
        np.testing.assert_array_equal(params[n].data, straight[n].data)


@each
def test_reordered_parameters_get_their_own_state(name):
    params = parameters()
    opt = make(name, params)
    train(opt, None, params, range(5))
    saved = opt.state_dict()
    values = {n: p.numpy() for n, p in params.items()}
    moved = parameters(values, "bca")
    groups = [{"params": [("c", moved["c"])]}, {"params": [("b", moved["b"]), ("a", moved["a"])]}]
    case, options = SETTINGS[name]
    other = case.kind(groups, lr=0.05, **options)
    other.load_state_dict(saved)
    assert [group["lr"] for group in other.param_groups] == [0.02, 0.05]
    train(opt, None, params, range(5, 9))
    train(other, None, moved, range(5, 9))
    for n in params:
        np.testing.assert_array_equal(params[n].data, moved[n].data)


def test_what_is_saved_is_plain():
    params = parameters()
    opt = make("NAdam", params)
    train(opt, None, params, range(3))
    saved = opt.state_dict()
    assert saved["optimizer"] == "NAdam"
    assert saved["state"].keys() == {"a", "b", "c"}
    assert saved["state"]["b"].keys() == {"shape", "t", "mu_product", "m", "v"}
    assert (saved["state"]["a"]["t"], saved["state"]["b"]["t"]) == (3, 2)
    plain = json.loads(json.dumps(saved, default=np.ndarray.tolist))  # tuples become lists, arrays too
    fresh = make("NAdam", parameters())
    fresh.load_state_dict(plain)
    np.testing.assert_array_equal(fresh.state_dict()["state"]["a"]["m"], saved["state"]["a"]["m"])


def test_state_that_was_never_used_is_not_saved():
    params = parameters()
    opt = optim.Adam(params)
    assert opt.state_dict()["state"]["a"].keys() == {"shape", "t"}
    train(opt, None, params, range(1))
    assert opt.state_dict()["state"]["a"].keys() == {"shape", "t", "m", "v"}  # no v_max without amsgrad


def test_loading_an_unused_state_starts_afresh():
    params = parameters()
    opt = make("Adagrad", params, initial_accumulator_value=0.1, lr_decay=0.1)
    fresh = opt.state_dict()
    values = {n: p.numpy() for n, p in params.items()}
    train(opt, None, params, range(3))
    after = {n: p.numpy() for n, p in params.items()}
    opt.load_state_dict(fresh)
    for n, p in params.items():
        p.data = values[n]
    train(opt, None, params, range(3))
    for n, p in params.items():
        np.testing.assert_array_equal(p.data, after[n])


def without(d, key):
    return {k: v for k, v in d.items() if k != key}


def in_state(d, name, **changes):
    return {**d, "state": {**d["state"], name: {**d["state"][name], **changes}}}


MISFITS = {
    "another optimizer": (lambda s: {**s, "optimizer": "SGD"}, "state of Adam, got that of SGD"),
    "no state": (lambda s: without(s, "state"), "needs what"),
    "not a state at all": (lambda s: {**s, "groups": [1]}, "needs what"),
    "missing": (lambda s: {**s, "state": without(s["state"], "b")}, r"missing \['b'\]"),
    "unexpected": (lambda s: {**s, "state": {**s["state"], "z": s["state"]["a"]}}, r"unexpected \['z'\]"),
    "shape": (lambda s: in_state(s, "b", shape=(1, 2)), r"'b' has shape \(2,\), but \(1, 2\)"),
    "vector shape": (lambda s: in_state(s, "b", m=np.zeros(3)), r"'m' of 'b' must be floats of shape \(2,\)"),
    "vector kind": (lambda s: in_state(s, "b", m=np.array(["x", "y"])), "must be floats"),
    "vector name": (lambda s: in_state(s, "b", q=np.zeros(2)), "'q'"),
    "no count": (
        lambda s: {**s, "state": {**s["state"], "c": without(s["state"]["c"], "t")}},
        r"lacking \['t'\]",
    ),
    "bad count": (lambda s: in_state(s, "c", t=-1), "t=.*whole number ≥ 0, got -1"),
    "groups": (
        lambda s: {**s, "groups": [{"params": list("abc"), "options": s["groups"][0]["options"]}]},
        "Group them",
    ),
    "bad option": (
        lambda s: {
            **s,
            "groups": [
                s["groups"][0],
                {**s["groups"][1], "options": {**s["groups"][1]["options"], "lr": -1.0}},
            ],
        },
        "got -1.0",
    ),
    "lacking option": (
        lambda s: {
            **s,
            "groups": [
                s["groups"][0],
                {**s["groups"][1], "options": without(s["groups"][1]["options"], "eps")},
            ],
        },
        r"lacks the options \['eps'\]",
    ),
}


@pytest.mark.parametrize("misfit", MISFITS)
def test_misfits_are_refused_as_a_whole(misfit):
    change, message = MISFITS[misfit]
    params = parameters()
    opt = make("Adam", params, amsgrad=True)
    train(opt, None, params, range(2))
    saved = opt.state_dict()
    train(opt, None, params, range(2, 4))
    before = opt.state_dict()
    with pytest.raises(ValueError, match=message):
        opt.load_state_dict(change(saved))
    after = opt.state_dict()
    assert after["groups"] == before["groups"]
    for n in params:
        for key, value in before["state"][n].items():
            np.testing.assert_array_equal(after["state"][n][key], value)
