"""Parameters, gradients and closures: what an optimizer takes, whom it updates, and what it refuses."""

import copy
import gc
import inspect
from functools import partial

import numpy as np
import pytest

import optim
from minigrad import StaleGraphError, Tensor, compile, no_grad
from minigrad.extend import Bound
from models import MLP
from tests.optim.cases import BAD, CASES, NAMES, each
from tests.problems import leaf


def names_of(opt):
    return [param.name for group in opt.param_groups for param in group.slices]


def test_ways_to_give_parameters():
    a, b = leaf([1.0]), leaf([2.0], name="bias")
    assert names_of(optim.SGD([a, b])) == ["param0", "bias"]
    assert names_of(optim.SGD(x for x in (a, b))) == ["param0", "bias"]
    assert names_of(optim.SGD([("w", a), ("c", b)])) == ["w", "c"]
    assert names_of(optim.SGD({"w": a, "c": b})) == ["w", "c"]
    assert names_of(optim.SGD({"w": a, "c": b}.items())) == ["w", "c"]
    opt = optim.SGD([{"params": {"w": a}, "lr": 0.5}, {"params": [b]}], lr=0.25)
    assert names_of(opt) == ["w", "bias"]
    assert [group["lr"] for group in opt.param_groups] == [0.5, 0.25]
    assert opt.param_groups[0]["params"] == (a,)
    assert set(opt.param_groups[0]) == {"params", *opt.defaults}


BAD_PARAMETERS = {
    "empty": (lambda p: [], ValueError, "must not be empty"),
    "used-up generator": (lambda p: iter(()), ValueError, "must not be empty"),
    "empty group": (lambda p: [{"params": [p]}, {"params": []}], ValueError, "must not be empty"),
    "one Tensor": (lambda p: p, TypeError, "Use a list"),
    "one Tensor in a group": (lambda p: [{"params": p}], TypeError, "Use a list"),
    "a set": (lambda p: {p}, TypeError, "ordered"),
    "a string": (lambda p: "params", TypeError, "ordered"),
    "an array": (lambda p: [p, np.ones(2)], TypeError, "ndarray"),
    "a group among Tensors": (lambda p: [{"params": [p]}, p], TypeError, "got dict"),
    "a group without params": (lambda p: [{"lr": 1.0}], TypeError, '"params"'),
    "unknown option": (lambda p: [{"params": [p], "lrr": 1.0}], ValueError, "no option lrr"),
    "bad option in a group": (lambda p: [{"params": [p], "lr": -1.0}], ValueError, "got -1.0"),
    "twice": (lambda p: [p, leaf([1.0]), p], ValueError, "given twice"),
    "twice in two groups": (lambda p: [{"params": [p]}, {"params": [p]}], ValueError, "given twice"),
    "one name for two": (
        lambda p: [("w", p), ("w", leaf([1.0]))],
        ValueError,
        "two parameters are called 'w'",
    ),
    "not a leaf": (lambda p: [p, p * 2.0], ValueError, "not a leaf"),
    "integers": (lambda p: [p, Tensor([1, 2])], TypeError, "int64"),
    "complex": (lambda p: [p, Tensor([1j], requires_grad=True)], TypeError, "complex128"),
    "two dtypes": (lambda p: [p, leaf([1.0], np.float32)], TypeError, "float32, float64"),
    "a number as name": (lambda p: [(1, p)], TypeError, "must hold Tensors"),
}


@pytest.mark.parametrize("bad", BAD_PARAMETERS)
def test_refused_parameters_are_left_alone(bad):
    build, error, message = BAD_PARAMETERS[bad]
    p = leaf([1.0, 2.0])
    array, index = p.data, p.index
    with pytest.raises(error, match=message):
        optim.Adam(build(p))
    assert p.data is array
    assert p.index == index


BAD_GROUPS = {
    "no dict": (lambda p, q: [q], TypeError, '"params"'),
    "empty": (lambda p, q: {"params": []}, ValueError, "must not be empty"),
    "known already": (lambda p, q: {"params": [q, p]}, ValueError, "given twice"),
    "known name": (lambda p, q: {"params": {"param0": q}}, ValueError, "two parameters are called 'param0'"),
    "not a leaf": (lambda p, q: {"params": [q, q + 1.0]}, ValueError, "not a leaf"),
}


@pytest.mark.parametrize("bad", BAD_GROUPS)
def test_refused_groups_are_not_added(bad):
    build, error, message = BAD_GROUPS[bad]
    p, q = leaf([1.0]), leaf([2.0])
    opt, array = optim.Adam([p]), q.data
    with pytest.raises(error, match=message):
        opt.add_param_group(build(p, q))
    assert len(opt.param_groups) == 1
    assert q.data is array


def test_values_shapes_and_order_survive_adoption():
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal(s) for s in ((2, 3), (), (4,), (0, 3), (1, 2, 2))]
    params = [leaf(a) for a in arrays]
    fortran = Tensor(arrays[0].copy(order="F"), requires_grad=True)
    opt = optim.SGD([*params, fortran], lr=1.0)
    for p, a in zip([*params, fortran], [*arrays, arrays[0]], strict=True):
        np.testing.assert_array_equal(p.data, a)
        p.grad = a.copy(order="F") * 0.5
    opt.step()
    for p, a in zip([*params, fortran], [*arrays, arrays[0]], strict=True):
        np.testing.assert_array_equal(p.data, a * 0.5)


@each
def test_frozen_and_gradientless_parameters_and_their_state_stay(name):
    params = [leaf([1.0, 2.0], name=n) for n in "abc"]
    opt = getattr(optim, name)(params)
    for _ in range(2):
        for p in params:
            p.grad = np.ones(2)
        opt.step()
    params[1].requires_grad = False
    params[2].grad = None
    before, value = opt.state_dict()["state"], [p.data.copy() for p in params]
    opt.step()
    after = opt.state_dict()["state"]
    assert [after[n]["t"] for n in "abc"] == [3, 2, 2]
    for i, n in enumerate("abc"):
        assert (params[i].data == value[i]).all() == (i > 0)
        if i:
            for key in before[n]:
                np.testing.assert_array_equal(after[n][key], before[n][key])


def test_a_parameter_may_be_frozen_at_the_beginning_and_thawed():
    p, q = Tensor([1.0]), leaf([1.0])
    opt = optim.SGD([p, q], lr=0.5)
    opt.step(lambda: np.sum(p * q))
    assert (p.item(), q.item()) == (1.0, 0.5)
    p.requires_grad = True
    opt.step(lambda: np.sum(p * q))
    assert (p.item(), q.item()) == (0.75, 0.0)


def test_two_optimizers_on_the_same_parameters_take_turns():
    p, q = leaf([1.0, 2.0]), leaf([3.0])
    first, second = optim.SGD([p, q], lr=0.5), optim.SGD([q, p], lr=0.25)
    for opt, factor in ((first, 0.5), (second, 0.75), (second, 0.75), (first, 0.5)):
        old = p.data.copy(), q.data.copy()
        opt.step(lambda: 0.5 * ((p * p).sum() + (q * q).sum()))
        np.testing.assert_array_equal(p.data, old[0] * factor)
        np.testing.assert_array_equal(q.data, old[1] * factor)


def test_values_assigned_between_steps_are_used():
    p = leaf([1.0, 2.0])
    opt = optim.SGD([p], lr=0.5)
    p.data = [10.0, 20.0]
    p.data -= 2.0
    opt.step(lambda: 0.5 * (p * p).sum())
    np.testing.assert_array_equal(p.data, [4.0, 9.0])


def test_a_copied_optimizer_works_on_copied_parameters():
    p = leaf([1.0])
    opt = optim.SGD([p], lr=0.5)
    twin = copy.deepcopy(opt)
    (q,) = twin.param_groups[0]["params"]
    twin.step(lambda: 0.5 * (q * q).sum())
    assert (p.item(), q.item()) == (1.0, 0.5)


@pytest.mark.parametrize(
    ("name", "options"), [("SGD", {"lr": 0.02}), ("Adam", {"lr": 0.5}), ("NewtonCG", {})]
)
def test_a_copy_of_an_optimizer_and_its_loss_replays_for_itself(name, options):
    p = leaf([1.0, 3.0])
    whole = {"p": p, "opt": getattr(optim, name)([p], **options), "loss": compile(partial(fourths, p))}
    whole["opt"].step(whole["loss"].at())
    twin = copy.deepcopy(whole)
    before = p.data.copy()
    for _ in range(3):
        twin["opt"].step(twin["loss"].at())
    np.testing.assert_array_equal(p.data, before)
    for _ in range(3):
        whole["opt"].step(whole["loss"].at())
    np.testing.assert_array_equal(p.data, twin["p"].data)
    assert not np.array_equal(p.data, before)


def fourths(p):
    return (p**4).sum()


def test_two_optimizers_take_turns_in_replaying():
    """Each makes the parameters views of its own vector, so the other has to notice."""
    p, q = leaf([1.0, 2.0]), leaf([3.0])
    first, second = optim.SGD([p, q], lr=0.5), optim.SGD([q, p], lr=0.25)
    loss = compile(lambda: 0.5 * ((p * p).sum() + (q * q).sum()))
    for opt, factor in ((first, 0.5), (first, 0.5), (second, 0.75), (second, 0.75), (first, 0.5)):
        old = p.data.copy(), q.data.copy()
        opt.step(loss.at())
        np.testing.assert_array_equal(p.data, old[0] * factor)
        np.testing.assert_array_equal(q.data, old[1] * factor)


@pytest.mark.parametrize(
    ("name", "options"), [("SGD", {"lr": 1e-3}), ("Adam", {"lr": 1e-3}), ("NewtonCG", {})]
)
def test_what_takes_turns_in_replaying_is_captured_once(name, options):
    p, q = leaf([1.0, 2.0]), leaf([3.0])
    losses = [
        compile(lambda: 0.5 * (p * p).sum() + (q * q).sum()),
        compile(lambda: (p * p).sum() * (q * q).sum()),
    ]
    opts = [getattr(optim, name)([p, q], **options), getattr(optim, name)([q, p], **options)]
    captured = []
    for _ in range(8):
        for live in (True, False):
            p.requires_grad = live
            for loss in losses:
                for opt in opts:
                    opt.step(loss.at())
        captured.append([*map(repr, losses)])
    # by then even a solver that sometimes asks for several directions has done so
    assert captured[4] == captured[-1]


def test_a_group_added_between_replayed_steps_takes_part_in_the_next():
    p, q = leaf([1.0]), leaf([1.0], name="q")
    loss = compile(lambda: 0.5 * ((p * p).sum() + (q * q).sum()))
    opt = optim.SGD([p], lr=0.5)
    opt.step(loss.at())
    opt.add_param_group({"params": [q]})
    opt.step(loss.at())
    assert (p.item(), q.item()) == (0.25, 0.5)


def test_a_replayed_loss_may_be_called_with_keywords_and_without():
    p, x = leaf([2.0]), np.array([3.0])
    loss = compile(lambda x, power=1: (p * x**power).sum())
    opt = optim.SGD([p], lr=1.0)
    for at, slope in (
        (loss.at(x, power=2), 9),
        (loss.at(x), 3),
        (loss.at(x), 3),
        (loss.at(x, power=2), 9),
        (loss.at(x=x), 3),
    ):
        old = p.item()
        opt.step(at)
        assert p.item() == old - slope


@each
def test_parameters_frozen_and_thawed_between_replays_move_as_without_replaying(name):
    """Their step counts fall behind, and their gradients are those of no step."""
    twins = []
    for _ in range(2):
        p, q = leaf([1.0, 2.0]), leaf([3.0])
        twins.append(
            (
                p,
                q,
                getattr(optim, name)([p, q], lr=0.1),
                compile(lambda p=p, q=q: ((p * p).sum() * q * q).sum()),
            )
        )
    for live in (
        (True, False),
        (True, True),
        (True, True),
        (True, False),
        (True, False),
        (True, True),
        (False, True),
    ):
        for p, q, opt, loss in twins:
            p.requires_grad, q.requires_grad = live
            opt.step(loss.at() if opt is twins[0][2] else loss.function)
        for mine, theirs in zip(twins[0][:2], twins[1][:2], strict=True):
            np.testing.assert_allclose(mine.data, theirs.data, rtol=1e-12)
            assert (mine.grad is None) == (theirs.grad is None)


def test_compiled_losses_take_turns_with_one_optimizer():
    p = leaf([2.0, -4.0])
    opt = optim.SGD([p], lr=1.0)
    half, tenth = (compile(lambda factor=factor: factor * 0.5 * (p * p).sum()) for factor in (0.5, 0.1))
    for loss, kept in ((half, 0.5), (tenth, 0.9), (tenth, 0.9), (half, 0.5), (tenth, 0.9)):
        old = p.data.copy()
        opt.step(loss.at())
        np.testing.assert_allclose(p.data, kept * old, rtol=1e-15)


def test_a_parameter_that_a_replayed_loss_does_not_reach_stays_as_it_is():
    p, q = leaf([2.0]), leaf([3.0])
    opt = optim.AdamW([p, q], lr=0.1, weight_decay=0.5)
    both, one = compile(lambda: (p * p * q).sum()), compile(lambda: (p * p).sum())
    for loss, moves in ((both, True), (one, False), (one, False), (both, True)):
        old = q.data.copy()
        opt.step(loss.at())
        assert (q.grad is not None) == moves == (q.data != old).all()
    assert opt.state_dict()["state"]["param1"]["t"] == 2


def test_a_replayed_loss_that_is_refused_leaves_no_gradient():
    class Refused(Bound):
        def checked(self, loss):
            raise FloatingPointError("refused")

    p = leaf([2.0])
    opt, loss = optim.SGD([p], lr=0.5), compile(lambda: 0.5 * (p * p).sum())
    opt.step(loss.at())
    assert p.grad is not None
    with pytest.raises(FloatingPointError, match="refused"):
        opt.step(Refused(loss, (), {}))
    assert p.grad is None
    np.testing.assert_array_equal(p.data, [1.0])


@pytest.mark.parametrize("name", ["SGD", "NewtonCG"])
def test_what_was_captured_for_an_optimizer_goes_with_it(name):
    p = leaf([1.0, 2.0])
    loss = compile(lambda: (p**4).sum())
    lasting = getattr(optim, name)([p])
    lasting.step(loss.at())
    once = loss.memory.buffers
    for _ in range(40):  # of so many there would be a warning
        getattr(optim, name)([p]).step(loss.at())
        gc.collect()  # an optimizer and its groups refer to each other
        assert loss.memory.buffers <= 3 * once
    again = p.data.copy()
    lasting.step(loss.at())
    assert not np.array_equal(p.data, again)


def test_vectors_begin_at_a_cache_line():
    group = optim.Adam([leaf(np.ones(3)), leaf(np.ones(5))]).param_groups[0]
    assert [v.ctypes.data % 64 for v in group.vectors] == [0] * len(group.vectors)


@each
def test_a_graph_from_before_the_step_is_stale(name):
    p, unused = leaf([1.0]), leaf([1.0])
    loss, other = (p * p).sum(), (unused * unused).sum()
    opt = getattr(optim, name)([p, unused])
    p.grad = np.ones(1)
    opt.step()
    with pytest.raises(StaleGraphError):
        loss.backward()
    other.backward()  # not updated, so still true


@each
def test_non_finite_gradients_are_not_hidden(name):
    p = leaf([1.0, 1.0])
    opt = getattr(optim, name)([p])
    p.grad = np.array([np.nan, 1.0])
    opt.step()
    assert np.isnan(p.data[0])
    assert np.isfinite(p.data[1])


def test_gradients_of_another_shape_are_refused_before_anything_moves():
    p, q = leaf([1.0], name="p"), leaf([1.0, 2.0], name="q")
    opt = optim.SGD([{"params": [p]}, {"params": [q]}], lr=0.5)
    p.grad, q.grad = np.ones(1), np.ones((2, 1))
    with pytest.raises(ValueError, match=r"q\.grad of shape \(2,\), got \(2, 1\)"):
        opt.step()
    assert p.item() == 1.0


def test_gradients_of_another_precision_or_kind_are_converted():
    p = leaf([1.0, 1.0], np.float32)
    opt = optim.SGD([p], lr=0.5)
    for grad in (np.ones(2), Tensor(np.ones(2, np.float32)), [1.0, 1.0]):
        p.data = [1.0, 1.0]
        p.grad = grad
        opt.step()
        assert opt.preview()["param0"]["g"].dtype == np.float32
        np.testing.assert_array_equal(p.data, np.float32([0.5, 0.5]))
    assert p.dtype == np.float32


def test_zero_grad():
    p = leaf([1.0])
    opt = optim.SGD([p])
    (p * p).sum().backward()
    opt.zero_grad()
    assert p.grad is None
    assert opt.step() is None  # nothing to do, as in torch


# Closures


def test_both_styles_of_closure():
    p, q = leaf([3.0]), leaf([3.0])
    plain, torchs = optim.SGD([p], lr=0.25, momentum=0.5), optim.SGD([q], lr=0.25, momentum=0.5)

    def closure():
        torchs.zero_grad()
        loss = (q * q).sum()
        loss.backward()
        return loss

    for _ in range(5):
        p.grad = np.array([1e9])  # left over: must not count
        first, second = plain.step(lambda: np.sum(p * p)), torchs.step(closure)
        assert first.item() == second.item()
        assert p.item() == q.item()


BAD_CLOSURES = {
    "nothing": (lambda p: None, TypeError, "Is `return` missing"),
    "a float": (lambda p: 1.0, TypeError, "must return the loss, a Tensor, got 1.0"),
    "a vector": (lambda p: p * p, ValueError, r"scalar, got shape \(2,\)"),
    "a constant": (lambda p: Tensor(1.0), RuntimeError, "constant"),
    "an error": (lambda p: {}["x"], KeyError, "x"),
}


@pytest.mark.parametrize("bad", BAD_CLOSURES)
def test_refused_closures_change_nothing(bad):
    closure, error, message = BAD_CLOSURES[bad]
    p = leaf([1.0, 2.0])
    opt = optim.Adam([p])
    opt.step(lambda: np.sum(p * p))
    before, state = p.data.copy(), opt.state_dict()["state"]["param0"]
    with pytest.raises(error, match=message):
        opt.step(lambda: closure(p))
    np.testing.assert_array_equal(p.data, before)
    for key, value in opt.state_dict()["state"]["param0"].items():
        np.testing.assert_array_equal(value, state[key])


def test_a_closure_under_no_grad_says_so():
    p = leaf([1.0])
    opt = optim.SGD([p])
    with no_grad(), pytest.raises(RuntimeError, match="no_grad"):
        opt.step(lambda: np.sum(p * p))


# Options

BAD_OPTIONS = [
    (case.name, option, value)
    for case in CASES
    for option in case.defaults
    for value in (*BAD.get(option, ()), *case.bad.get(option, ()))
]


@pytest.mark.parametrize(("name", "option", "value"), BAD_OPTIONS)
def test_bad_options_are_refused_at_the_start_and_later(name, option, value):
    cls = getattr(optim, name)
    p = leaf([1.0, 2.0])
    array, bits, said = p.data, p.data.tobytes(), rf"`{name}\({option}=.*\)` (must|needs) .*got "
    with pytest.raises((TypeError, ValueError), match=said):
        cls([p], **{option: value})
    assert p.data is array
    with pytest.raises((TypeError, ValueError), match=said):
        cls([{"params": [p], option: value}])
    assert p.data is array
    opt = cls([p])
    group = opt.param_groups[0]
    before = dict(group)
    for edit in (
        lambda: group.__setitem__(option, value),
        lambda: group.update({"lr": 0.5, option: value}),
        lambda: opt.add_param_group({"params": [leaf([1.0], name="new")], option: value}),
    ):
        with pytest.raises((TypeError, ValueError), match=said):
            edit()
        assert dict(group) == before
        assert len(opt.param_groups) == 1
        assert p.data.tobytes() == bits


def test_groups_are_dicts_that_check():
    p = leaf([1.0])
    group = optim.SGD([p], lr=1, momentum=np.float32(0.5)).param_groups[0]
    assert (type(group["lr"]), type(group["momentum"])) == (float, float)
    group.update(momentum=0.9, nesterov=True)
    with pytest.raises(ValueError, match=r"nesterov=True\)` needs momentum > 0"):
        group["momentum"] = 0.0
    with pytest.raises(
        ValueError, match=r"needs momentum > 0 and dampening = 0, got momentum=0.9, dampening=0.1"
    ):
        group["dampening"] = 0.1
    group.update(momentum=0.0, nesterov=False)
    with pytest.raises(ValueError, match="no option learning_rate; it has dampening"):
        group["learning_rate"] = 1.0
    with pytest.raises(TypeError, match="cannot be removed"):
        del group["lr"]
    with pytest.raises(ValueError, match="add_param_group"):
        group["params"] = []
    assert len(group) == len(dict(group))
    assert repr(group).startswith("{params: ['param0'], lr: 1.0, momentum: 0.0")
    assert (
        repr(optim.Lion([p]))
        == "Lion({params: ['param0'], lr: 0.0001, betas: (0.9, 0.99), weight_decay: 0.0, maximize: False})"
    )


def test_public_names_are_those_imported():
    schedules = {
        "LRSchedule",
        "StepLR",
        "CosineAnnealingLR",
        "OneCycleLR",
        "ReduceLROnPlateau",
        "LambdaLR",
        "LinearLR",
    }
    public = {
        name
        for name, value in vars(optim).items()
        if not name.startswith("_") and not inspect.ismodule(value)
    }
    assert public >= {*NAMES, "Optimizer", "clip_grad_norm_", "clip_grad_value_"} | schedules


@pytest.mark.parametrize("wrong", [MLP((2, 1)), MLP((2, 1)).parameters, None, 1.0])
def test_a_model_in_place_of_its_parameters(wrong):
    for name in NAMES:
        with pytest.raises(
            TypeError, match=rf"`{name}\(params\)` must hold Tensors.*Pass model.named_parameters"
        ):
            getattr(optim, name)(wrong)
    with pytest.raises(
        TypeError, match=r"clip_grad_norm_\(parameters\)` must hold Tensors.*Pass model.parameters"
    ):
        optim.clip_grad_norm_(wrong, 1.0)
