"""The promises that NewtonCG, Newton and LBFGS share: the closure's contract, faults, groups, freezing,
saving, units, monotonicity."""

import json
from itertools import pairwise

import numpy as np
import pytest

import optim
from minigrad import Tensor, no_grad
from models import MLP
from tests.optim.cases import MAKERS
from tests.problems import rosenbrock
from tests.seeds import further

START = {"a": np.array([[-1.2, 0.4, 0.9]]), "b": np.array([0.5, 0.1]), "c": np.array(1.3)}
each = pytest.mark.parametrize("name", MAKERS)
DESCENDING = [name for name in MAKERS if name not in ("pure", "pinv")]


def parameters(order="abc", values=START):
    return {n: Tensor(values[n], requires_grad=True) for n in order}


def loss_of(ps):
    """Rosenbrock in the six numbers, with a coupling of its own."""
    x = np.concatenate([ps[n].reshape(-1) for n in "abc"])
    return rosenbrock(x) + 0.1 * np.sin(x).sum()


def run(optimizer, ps, steps, loss=loss_of):
    return [optimizer.step(lambda: loss(ps)).item() for _ in range(steps)]


def values(ps):
    return np.concatenate([ps[n].numpy().ravel() for n in "abc"])


# Closures


@each
def test_a_closure_may_pull_back_itself(name):
    plain, torchlike = parameters(), parameters()
    one, two = MAKERS[name](plain), MAKERS[name](torchlike)

    def closure():
        two.zero_grad()
        loss = loss_of(torchlike)
        loss.backward()
        return loss

    for _ in range(4):
        assert one.step(lambda: loss_of(plain)).item() == two.step(closure).item()
    np.testing.assert_array_equal(values(plain), values(torchlike))


@each
def test_the_loss_before_the_step_is_returned_and_outputs_are_allowed(name):
    ps = parameters()
    before = loss_of(ps).item()
    optimizer = MAKERS[name](ps)
    assert optimizer.step(lambda: (loss_of(ps), Tensor([1.0]))).item() == before
    assert optimizer.last_step.accepted


@each
@pytest.mark.parametrize(
    ("closure", "error", "message"),
    [
        (None, TypeError, "needs a closure, for it"),
        (3.0, TypeError, "needs a closure, a function, got 3.0, for it"),
        (lambda ps: None, TypeError, "must return the loss, a Tensor, got None"),
        (lambda ps: 3.0, TypeError, "must return the loss"),
        (lambda ps: ps["b"] * 2, ValueError, r"must be a scalar, got shape \(2,\)"),
        (lambda ps: Tensor(1.0), RuntimeError, "does not depend on a parameter"),
        (lambda ps: loss_of(ps) * np.nan, FloatingPointError, "the loss is nan"),
        (
            lambda ps: loss_of(ps) + np.sqrt(ps["b"] - ps["b"]).sum(),
            FloatingPointError,
            "gradient for b is not",
        ),
    ],
)
@pytest.mark.filterwarnings("ignore:divide by zero")
def test_bad_closures_are_refused(name, closure, error, message):
    ps = parameters()
    optimizer = MAKERS[name](ps)
    with pytest.raises(error, match=message):
        optimizer.step((lambda: closure(ps)) if callable(closure) else closure)
    np.testing.assert_array_equal(values(ps), values(parameters()))


@each
def test_a_closure_without_recording_is_refused(name):
    ps = parameters()
    with pytest.raises(RuntimeError, match="no_grad"), no_grad():
        MAKERS[name](ps).step(lambda: loss_of(ps))


# Faults


class Fault(Exception):
    pass


def faulty(optimizer, ps, at, fault):
    """A closure that fails at the call `at`, and the calls it had."""
    calls = []

    def closure():
        calls.append(1)
        if len(calls) == at:
            if isinstance(fault, float):
                return loss_of(ps) * fault
            raise fault
        return loss_of(ps)

    return closure, calls


@each
@pytest.mark.parametrize(
    "fault", [Fault(), np.nan, *further(KeyboardInterrupt(), np.inf, FloatingPointError("no"))]
)
def test_a_fault_at_any_call_leaves_the_last_accepted_point(name, fault):
    """And the state: after an exception the next steps are those that would have been taken without it."""
    calm = parameters()
    optimizer = MAKERS[name](calm)
    points = [values(calm)]
    for _ in range(4):
        optimizer.step(lambda: loss_of(calm))
        points.append(values(calm))
    at, seen, reached = 0, set(), True
    while reached:
        at += 1
        ps = parameters()
        optimizer = MAKERS[name](ps)
        closure, calls = faulty(optimizer, ps, at, fault)
        befores = []
        try:
            while len(befores) < 4 and len(calls) < at:
                befores.append(values(ps))
                optimizer.step(closure)
        except (Fault, KeyboardInterrupt, FloatingPointError, ValueError) as error:
            seen.add(type(error))
            done = len(befores)
            np.testing.assert_array_equal(values(ps), points[done - 1])
            run(optimizer, ps, 1)
            np.testing.assert_array_equal(values(ps), points[done])
        else:  # a trial was not finite and another one was taken, or none; or there were not so many calls
            assert np.isfinite(loss_of(ps).item())
            if name in DESCENDING:
                assert loss_of(ps).item() <= loss_of(_put(befores[-1])).item()
            if not optimizer.last_step.accepted:
                np.testing.assert_array_equal(values(ps), befores[-1])
        reached = len(calls) >= at
    assert at > 5
    assert seen


def _put(x):
    return {"a": Tensor(x[:3].reshape(1, 3)), "b": Tensor(x[3:5]), "c": Tensor(x[5])}


# Groups, names, freezing


@each
def test_splitting_merging_and_reordering_parameters_changes_nothing(name):
    ps = parameters()
    run(MAKERS[name](ps), ps, 6)
    other = parameters()
    run(
        MAKERS[name]([{"params": {"c": other["c"]}}, {"params": {"b": other["b"], "a": other["a"]}}]),
        other,
        6,
    )
    np.testing.assert_allclose(values(other), values(ps), rtol=1e-10, atol=1e-10)
    whole = Tensor(values(parameters()), requires_grad=True)
    optimizer = MAKERS[name]([whole])
    for _ in range(6):
        optimizer.step(lambda: loss_of({"a": whole[:3], "b": whole[3:5], "c": whole[5]}))
    np.testing.assert_allclose(whole.data, values(ps), rtol=1e-10, atol=1e-10)


@each
def test_frozen_parameters_are_bit_identical_and_the_others_descend_without_them(name):
    ps = parameters()
    ps["b"].requires_grad = False
    optimizer = MAKERS[name](ps, weight_decay=0.01)
    run(optimizer, ps, 3)
    np.testing.assert_array_equal(ps["b"].data, START["b"])
    other = {**parameters(), "b": Tensor(START["b"])}
    run(MAKERS[name]({"a": other["a"], "c": other["c"]}, weight_decay=0.01), other, 3)
    np.testing.assert_array_equal(values(ps), values(other))
    ps["b"].requires_grad = True  # and thawed it moves again
    run(optimizer, ps, 2)
    assert (ps["b"].data != START["b"]).any()
    for p in ps.values():
        p.requires_grad = False
    with pytest.raises(ValueError, match="every parameter is frozen or of size 0"):
        optimizer.step(lambda: loss_of(ps))


@each
def test_parameters_of_size_0_are_no_matter_but_alone(name):
    ps, others = parameters(), parameters()
    empty = Tensor(np.zeros((0, 3)), requires_grad=True)
    run(MAKERS[name]({**ps, "d": empty}), ps, 3, lambda ps: loss_of(ps) + empty.sum())
    run(MAKERS[name](others), others, 3)
    np.testing.assert_array_equal(values(ps), values(others))
    with pytest.raises(ValueError, match="every parameter is frozen or of size 0"):
        MAKERS[name]([empty]).step(empty.sum)


@pytest.mark.parametrize("name", [name for name in MAKERS if "lr" in MAKERS[name](parameters()).defaults])
def test_a_rate_of_0_takes_no_step(name):
    ps = parameters()
    optimizer = MAKERS[name](ps)
    run(optimizer, ps, 2)
    before = values(ps)
    if optimizer.defaults.get("modification") != "trust":
        optimizer.param_groups[0]["lr"] = 0.0
        run(optimizer, ps, 1)
        assert (optimizer.last_step.accepted, optimizer.last_step.why) == (False, "lr is 0")
        np.testing.assert_array_equal(values(ps), before)


@each
def test_weight_decay_is_half_the_square_in_the_loss_and_may_differ_between_groups(name):
    ps, other = parameters(), parameters()
    decay = {"a": 0.3, "b": 0.0, "c": 2.0}
    run(MAKERS[name]([{"params": {n: ps[n]}, "weight_decay": d} for n, d in decay.items()]), ps, 5)
    run(
        MAKERS[name](other),
        other,
        5,
        lambda q: loss_of(q) + sum(0.5 * d * (q[n] * q[n]).sum() for n, d in decay.items()),
    )
    np.testing.assert_allclose(values(ps), values(other), rtol=1e-9, atol=1e-9)


@each
def test_options_of_a_group_are_refused_but_for_the_decay(name):
    ps = parameters()
    groups = [{"params": [ps["a"]]}, {"params": [ps["b"]], "lr": 0.5}]
    with pytest.raises(
        ValueError, match=r"\(lr=...\)`.*(must be the same in all groups.*one direction and one|turn it away)"
    ):
        MAKERS[name](groups)
    optimizer = MAKERS[name]([{"params": {"a": ps["a"]}}, {"params": {"b": ps["b"], "c": ps["c"]}}])
    if name not in ("trust", "cg", "cg search"):
        optimizer.param_groups[0]["lr"] = 0.5
        with pytest.raises(ValueError, match=r"must be the same in all groups, got 0\.5 and 1\.0"):
            optimizer.step(lambda: loss_of(ps))
        optimizer.param_groups[1]["lr"] = 0.5
        optimizer.step(lambda: loss_of(ps))


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda p: optim.Newton(p, lr=-1.0), ValueError, "must be a finite number ≥ 0, got -1.0"),
        (lambda p: optim.Newton(p, modification="best"), ValueError, r'"none", "shift".* got \'best\''),
        (lambda p: optim.Newton(p, line_search="wolfe"), ValueError, r'"armijo", "strong-wolfe" or None'),
        (lambda p: optim.Newton(p, damping=np.nan), ValueError, "damping"),
        (lambda p: optim.Newton(p, dense_limit=0), ValueError, "whole number ≥ 1"),
        (lambda p: optim.Newton(p, modification="trust", lr=0.5), ValueError, "the radius sets the length"),
        (lambda p: optim.Newton(p, maximize=True), TypeError, "maximize"),
        (lambda p: optim.LBFGS(p, history=0), ValueError, "whole number ≥ 1"),
        (lambda p: optim.LBFGS(p, history=2.0), TypeError, "float"),
        (lambda p: optim.LBFGS(p, lr=True), TypeError, "bool"),
    ],
)
def test_bad_options_are_refused(make, error, message):
    with pytest.raises(error, match=message):
        make(parameters())


def test_options_edited_later_are_used():
    ps = parameters()
    optimizer = optim.LBFGS(ps, history=5)
    run(optimizer, ps, 4)
    assert optimizer.last_step.pairs == 3
    optimizer.param_groups[0]["history"] = 2
    run(optimizer, ps, 2)
    assert optimizer.last_step.pairs == 2
    with pytest.raises(ValueError, match="line_search"):
        optimizer.param_groups[0]["line_search"] = "long"


def test_there_is_no_preview():
    with pytest.raises(AttributeError, match="preview"):
        optim.LBFGS(parameters()).preview()


# Saving


@each
def test_resuming_is_bit_identical(name):
    straight = parameters()
    optimizer = MAKERS[name](straight, weight_decay=0.01)
    whole = run(optimizer, straight, 9)

    ps = parameters()
    optimizer = MAKERS[name](ps, weight_decay=0.01)
    head = run(optimizer, ps, 5)
    saved, now = optimizer.state_dict(), {n: p.numpy() for n, p in ps.items()}
    run(optimizer, ps, 2)  # what was saved are copies
    for plain in (saved, json.loads(json.dumps(saved, default=np.ndarray.tolist))):
        ps = parameters(values=now)
        optimizer = MAKERS[name](ps)
        optimizer.load_state_dict(plain)
        assert head + run(optimizer, ps, 4) == whole
        np.testing.assert_array_equal(values(ps), values(straight))
        assert optimizer.state_dict()["state"]["a"]["t"] == 9


@each
def test_state_belongs_to_names_not_to_places(name):
    ps = parameters()
    optimizer = MAKERS[name](ps)
    run(optimizer, ps, 5)
    moved = parameters("cab", {n: p.numpy() for n, p in ps.items()})
    other = MAKERS[name](moved)
    other.load_state_dict(optimizer.state_dict())
    run(optimizer, ps, 2)
    run(other, moved, 2)
    np.testing.assert_allclose(values(moved), values(ps), rtol=1e-10, atol=1e-10)


def test_what_does_not_fit_is_refused_and_changes_nothing():
    ps = parameters()
    optimizer = optim.LBFGS(ps)
    run(optimizer, ps, 3)
    good = optimizer.state_dict()
    assert good["state"]["a"]["s"].shape == (3, 1, 3)

    def edited(name, key, value):
        return {**good, "state": {**good["state"], name: {**good["state"][name], key: value}}}

    for bad, message in [
        (None, "needs what"),
        ({**good, "optimizer": "Newton"}, "needs the state of LBFGS"),
        ({**good, "state": {}}, "missing"),
        (edited("a", "s", np.zeros((3, 3))), r"'s' of 'a' must have shape"),
        (edited("a", "y", np.zeros((2, 1, 3))), "as many pairs"),
        (edited("a", "shape", (3,)), "shape"),
        (edited("b", "momentum", np.zeros(2)), "momentum"),
        (edited("b", "shape", None), "shape"),
        ({**good, "state": None}, "needs what"),
        ({**good, "state": {**good["state"], "b": None}}, "needs what"),
        ({**good, "groups": ["x"]}, "needs what"),
        ({**good, "counts": [1, 2]}, r"needs the counts.*got \[1, 2\]"),
    ]:
        fresh = optim.LBFGS(parameters())
        fresh.load_state_dict(good)
        with pytest.raises(ValueError, match=message):
            fresh.load_state_dict(bad)
        assert len(fresh._method.pairs) == 3
    newton = optim.Newton(parameters(), modification="trust")
    with pytest.raises(ValueError, match="radius"):
        newton.load_state_dict({**newton.state_dict(), "radius": -1.0})


# Units, dtype, monotony


@each
@pytest.mark.parametrize("k", [-30, 1, 7, 30])
def test_the_units_of_f_do_not_matter_bit_for_bit(name, k):
    ps, scaled = parameters(), parameters()
    run(MAKERS[name](ps), ps, 12)
    run(MAKERS[name](scaled), scaled, 12, lambda q: loss_of(q) * 2.0**k)
    np.testing.assert_array_equal(values(scaled), values(ps))


@pytest.mark.parametrize("name", DESCENDING)
@pytest.mark.parametrize("offset", [0.0, 1e6])
def test_f_never_rises_but_by_rounding(name, offset):
    ps = parameters()
    losses = run(MAKERS[name](ps), ps, 60, lambda q: loss_of(q) + offset)
    for before, after in pairwise(losses):
        assert after <= before + 1e3 * np.finfo(float).eps * abs(before)
    loss_of(ps).backward()
    assert max(np.abs(p.grad).max() for p in ps.values()) < 1e-5


@each
def test_float32_parameters_stay_float32(name):
    ps = {n: Tensor(v.astype(np.float32), requires_grad=True) for n, v in START.items()}
    optimizer = MAKERS[name](ps)
    before = loss_of(ps).item()
    run(optimizer, ps, 30)
    assert {p.dtype for p in ps.values()} == {np.dtype(np.float32)}
    assert name not in DESCENDING or loss_of(ps).item() < 0.1 * before


@pytest.mark.parametrize("name", DESCENDING)
def test_rounding_in_float32_is_known_as_such(name):
    """Around 1e3 a float32 has steps of 6e-5, larger than the fall of f here; the slopes decide."""
    for start in np.linspace(0.999, 1.001, 30):
        p = Tensor(np.array([start, start], dtype=np.float32), requires_grad=True)
        optimizer = MAKERS[name]([p])
        for _ in range(2):
            optimizer.step(lambda p=p: 0.1 * ((p - 1) ** 2).sum() + np.cos(p * 1e-3).sum() + 1e3)
        assert np.abs(p.data - 1).max() < 3e-5


@each
def test_a_model_trains_and_stays_usable(name):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(30, 2))
    y = np.sin(x[:, :1]) * x[:, 1:]
    model = MLP((2, 6, 1), "tanh", rng=1)
    optimizer = MAKERS[name](model.named_parameters(), weight_decay=1e-3)
    losses = [optimizer.step(lambda: np.mean((model(x) - y) ** 2)).item() for _ in range(25)]
    if name in DESCENDING:
        assert losses[-1] < 0.2 * losses[0]
    loss = np.mean((model(x) - y) ** 2)
    loss.backward()  # fresh graphs are not stale
