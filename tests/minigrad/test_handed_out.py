"""Arrays that `.data` has handed out: writing to them is noticed, and optimizers do not cut them off."""

import gc
import weakref

import numpy as np
import pytest

import optim
from minigrad import StaleGraphError, Tensor, compile, grad
from minigrad.extend import elementwise
from minigrad.handed_out import HANDED

USES = {
    "a power": lambda w: w**3,
    "a product": lambda w: w * np.arange(1.0, 4.0),
    "a view": lambda w: np.reshape(w, (3, 1)) * 2,
    "a view of a view": lambda w: np.exp(w.reshape(1, 3).T),
    "a slice": lambda w: np.sin(w[:2]),
    "a matrix": lambda w: np.outer(w, w),
}


def leaf(values=(1.0, 2.0, 3.0)):
    return Tensor(np.array(values), requires_grad=True, name="w")


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_writing_after_the_forward_pass_makes_the_graph_stale(use):
    w = leaf()
    loss = np.sum(use(w))
    w.data[0] = 100.0
    with pytest.raises(StaleGraphError, match=r"'w' was changed after .* had used it"):
        loss.backward()
    assert w.grad is None


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_writing_by_an_array_that_was_kept_is_noticed(use):
    w = leaf()
    kept = w.data
    loss = np.sum(use(w))
    kept += 1
    with pytest.raises(StaleGraphError):
        loss.backward()


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_writing_before_the_forward_pass_is_fine(use):
    w, fresh = leaf(), leaf((5.0, 2.0, -3.0))
    kept = w.data
    for _ in range(2):
        kept[0], kept[2] = 5.0, -3.0
        np.sum(use(w)).backward()
    np.sum(use(fresh)).backward()
    np.testing.assert_array_equal(w.grad, 2 * fresh.grad)


def test_writing_what_was_there_before_an_assignment_is_noticed():
    w = leaf()
    kept = w.data.copy()
    w.assign([5.0, 2.0, -3.0])
    loss = np.sum(w * w)
    w.data[...] = kept
    with pytest.raises(StaleGraphError):
        loss.backward()


def test_writing_what_was_there_before_an_earlier_sweep_is_noticed():
    w = leaf()
    w.data[0] = 5.0
    np.sum(w * w).backward()
    loss = np.sum(w * w)
    w.data[0] = 1.0
    with pytest.raises(StaleGraphError):
        loss.backward()


def test_writing_where_the_graph_does_not_look_is_fine_beside_nan():
    w = leaf((np.nan, 2.0, 3.0))
    loss = np.sum(w[:2] * np.array([4.0, 5.0]))
    w.data[2] = 9.0
    loss.backward()
    np.testing.assert_array_equal(w.grad, [4.0, 5.0, 0.0])


def test_writing_to_a_constant_of_the_graph_is_noticed_too():
    w, scale = leaf(), Tensor([1.0, 2.0, 3.0])
    loss = np.sum(w * w * scale)
    scale.data[1] = 7.0
    with pytest.raises(StaleGraphError, match="multiply"):
        loss.backward()


def test_writing_what_was_there_is_fine():
    w = leaf()
    loss = np.sum(w * w)
    w.data[0] = 1.0
    loss.backward()
    np.testing.assert_array_equal(w.grad, [2.0, 4.0, 6.0])


def test_a_transform_inside_which_a_parameter_is_used_notices():
    w = leaf()
    seen = w.data

    def f(x):
        y = np.sum(w * x * x)
        seen[0] += 1
        return y

    with pytest.raises(StaleGraphError):
        grad(f)(np.ones(3))


def test_a_write_between_forward_and_sweep_is_noticed_while_a_function_is_captured():
    w = leaf()
    kept = [w.data]

    def slope(x):
        def f(z):
            y = np.sum(w * z * z)
            kept[0][0] = 7.0  # the same in both runs of the capture
            return y

        return grad(f)(x)

    with pytest.raises(StaleGraphError, match="'w' was changed after multiply"):
        compile(slope)(np.ones(3))


def test_a_leaf_that_was_not_written_to_is_not_evaluated_again():
    calls = []

    def doubled(x):
        calls.append(1)
        return 2 * x

    double = elementwise(doubled, lambda y, x: 2 + 0 * x, name="double")
    w = leaf()
    w.data[0] = 5.0
    np.sum(double(w)).backward()  # here it was: written before the forward pass
    assert len(calls) == 2
    np.sum(double(w)).backward()
    assert len(calls) == 3


STEPS = {
    "SGD": lambda p: optim.SGD(p, lr=0.1),
    "Adam": lambda p: optim.Adam(p, lr=0.1),
    "NewtonCG": lambda p: optim.NewtonCG(p),
    "LBFGS": lambda p: optim.LBFGS(p),
}


@pytest.mark.parametrize("make", STEPS.values(), ids=STEPS)
def test_an_array_from_before_the_optimizer_follows_the_parameter(make):
    w, b = leaf(), Tensor(0.5, requires_grad=True, name="b")
    seen = [w.data, b.data]
    opt = make([w, b])
    for _ in range(2):
        opt.step(lambda: np.sum((w - 1.5) ** 4) + (b - 1) ** 2)
        for array, p in zip(seen, (w, b), strict=True):
            np.testing.assert_array_equal(array, p.data)
    assert seen[0][0] != 1.0
    w.assign(np.zeros(3))
    np.testing.assert_array_equal(seen[0], 0.0)
    with pytest.raises(ValueError, match="read-only"):
        seen[0][0] = 7.0


@pytest.mark.parametrize("make", STEPS.values(), ids=STEPS)
def test_an_array_from_before_the_optimizer_is_read_only_before_the_first_step(make):
    w = leaf()
    seen = w.data
    make([w])
    with pytest.raises(ValueError, match="read-only"):
        seen[0] = 7.0
    assert seen[0] == w.data[0] == 1.0


def test_an_array_follows_through_several_optimizers():
    w = leaf()
    first = w.data
    one = optim.SGD([w], lr=0.1)
    second = w.data
    two = optim.SGD([w], lr=0.1)
    for opt in (two, one, two):
        opt.step(lambda: np.sum(w * w))
        np.testing.assert_array_equal(first, w.data)
        np.testing.assert_array_equal(second, w.data)


def test_nothing_is_remembered_of_leaves_that_are_gone():
    w = leaf()
    assert id(w) not in HANDED  # nobody has read its data
    key, array = id(w), weakref.ref(w.data)
    assert key in HANDED
    del w
    gc.collect()
    assert key not in HANDED
    assert array() is None
