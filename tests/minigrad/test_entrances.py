"""Inputs: every entrance makes the same check, and refuses arrays that mean more than their numbers."""

import copy
import pickle

import numpy as np
import pytest

import optim
from minigrad import Tensor, grad, jvp, vjp
from models import MLP, Dropout, Linear, cross_entropy, fit
from models.datasets import Dataset, batches, one_hot, standardize, train_test_split

MASKED = np.ma.array([1.0, 9.0], mask=[0, 1])


class Sparse:
    """What a scipy.sparse matrix shows of itself."""

    shape, ndim, dtype = (2, 2), 2, np.dtype(float)

    def tocsr(self):
        return self


STRANGE = {
    "masked": MASKED,
    "matrix": np.ones((1, 2)).view(np.matrix),
    "object": np.array([1, 2], object),
    "durations": np.array([3, 4], "m8[s]"),
    "duration": np.timedelta64(3, "s"),
    "dates": np.array(["2020-01-01", "2020-01-02"], "M8[D]"),
    "text": np.array(["a", "b"]),
    "sparse": Sparse(),
    "list of masked": [MASKED, MASKED],
    "list of text": ["a", "b"],
}


def leaf():
    return Tensor([1.0, 2.0], requires_grad=True)


def doubled(x):
    return (x * 2.0).sum()


ENTRANCES = {
    "Tensor": Tensor,
    "live Tensor": lambda x: Tensor(x, requires_grad=True),
    "assign": lambda x: leaf().assign(x),
    "data": lambda x: setattr(leaf(), "data", x),
    "backward": lambda x: (leaf() * 2.0).backward(x),
    "operator": lambda x: leaf() * x,
    "reflected": lambda x: leaf().__radd__(x),
    "matmul": lambda x: leaf() @ x,
    "ufunc": lambda x: np.hypot(leaf(), x),
    "where": lambda x: np.where([True, False], leaf(), x),
}
TRANSFORMS = {
    "grad": lambda x: grad(doubled)(x),
    "vjp": lambda x: vjp(doubled, x),
    "jvp": lambda x: jvp(doubled, (x,), (x,)),
    "tangent": lambda x: jvp(doubled, (np.ones(2),), (x,)),
    "seed": lambda x: vjp(lambda x: x * 2.0, np.ones(2))[1](x),
}


@pytest.mark.parametrize("strange", STRANGE)
@pytest.mark.parametrize("entrance", ENTRANCES | TRANSFORMS)
def test_every_entrance_refuses(entrance, strange):
    if entrance in TRANSFORMS and strange.startswith("list"):
        pytest.skip("a list is a tree there")
    with pytest.raises((TypeError, ValueError)):
        (ENTRANCES | TRANSFORMS)[entrance](STRANGE[strange])


def test_a_sparse_matrix_is_named():
    with pytest.raises(TypeError, match=r"sparse Sparse.*toarray"):
        leaf() @ Sparse()


class Unit:
    __array_ufunc__ = None

    def other(self, _):
        return "unit"

    __rmul__ = __radd__ = __rsub__ = __rtruediv__ = __rpow__ = __rmatmul__ = __rmod__ = __rfloordiv__ = other
    __lt__ = __gt__ = __le__ = __ge__ = __eq__ = __ne__ = __rand__ = __ror__ = other
    __hash__ = object.__hash__


class Quantity(Unit):
    """A class with a protocol of its own."""

    def __array_ufunc__(self, *args, **kwargs):
        return "unit"


BINARY = ("mul", "add", "sub", "truediv", "pow", "matmul", "mod", "floordiv",
          "lt", "gt", "le", "ge", "eq", "ne", "and_", "or_")  # fmt: skip


@pytest.mark.parametrize("kind", [Unit, Quantity])
@pytest.mark.parametrize("name", BINARY)
def test_operators_defer_as_numpys_do(name, kind):
    import operator

    apply = getattr(operator, name)
    assert apply(np.ones(2, int), kind()) == "unit"
    assert apply(leaf(), kind()) == "unit"


def test_functions_defer_as_numpys_do():
    assert np.multiply(leaf(), Quantity()) == "unit"
    with pytest.raises(TypeError):
        np.multiply(leaf(), Unit())


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_a_copy_has_the_gradient_but_not_its_array(copied):
    w = leaf()
    assert copied(w).grad is None
    (w * w).sum().backward()
    new = copied(w)
    assert new.grad.tolist() == [2.0, 4.0]
    assert not np.shares_memory(new.grad, w.grad)
    w.grad = None
    (w * w * w).sum().backward(create_graph=True)
    assert copied(w).grad.tolist() == [3.0, 12.0]


def masked(*shape):
    x = np.ma.array(np.ones(shape))
    x[0] = np.ma.masked
    return x


def fitted(**given):
    model = MLP((2, 2), rng=0)
    adam = optim.Adam(model.named_parameters(), lr=0.1)
    train = (np.ones((4, 2)), np.array([0, 1, 0, 1]))
    return fit(model, adam, cross_entropy, **{"train": train, "epochs": 1, "progress": False} | given)


def stepped(gradient):
    w = Tensor(np.ones(2), requires_grad=True, name="w")
    w.grad = gradient
    optim.SGD([w], lr=0.1).step()


def square(x):
    return np.sum(x * x)


LABELS = np.array([0, 1, 0, 1])
BESIDE_THE_GRAPH = {
    "fit, x": lambda: fitted(train=(masked(4, 2), LABELS)),
    "fit, y": lambda: fitted(train=(np.ones((4, 2)), np.ma.array(LABELS, mask=LABELS))),
    "fit, validation": lambda: fitted(validation=(masked(4, 2), LABELS)),
    "Dropout": lambda: Dropout(0.5)(masked(4, 2)),
    "load_state_dict": lambda: Linear(1, 1).load_state_dict({"weight": masked(1, 1), "bias": np.zeros(1)}),
    "Dataset": lambda: Dataset(masked(4, 2), LABELS),
    "train_test_split": lambda: train_test_split((masked(4, 2), LABELS)),
    "batches": lambda: next(batches(masked(4, 2), batch_size=2)),
    "standardize": lambda: standardize(masked(4, 2)),
    "one_hot": lambda: one_hot(np.ma.array([0, 1], mask=[0, 1]), 2),
    "a gradient": lambda: stepped(masked(2)),
    "minimize, x0": lambda: optim.minimize(square, masked(2)),
    "minimize, fun": lambda: optim.minimize(lambda x: masked(1), np.ones(2), jac=lambda x: x, method="lbfgs"),
    "minimize, jac": lambda: optim.minimize(
        lambda x: 1.0, np.ones(2), jac=lambda x: masked(2), method="lbfgs"
    ),
    "sharpness": lambda: optim.sharpness(square, masked(2)),
    "preconditioned_sharpness": lambda: optim.preconditioned_sharpness(square, np.ones(2), masked(2)),
    "preconditioner": lambda: optim.minimize(square, np.ones(2), options={"preconditioner": masked(2)}),
}


@pytest.mark.parametrize("enter", BESIDE_THE_GRAPH.values(), ids=BESIDE_THE_GRAPH)
def test_a_mask_is_refused_also_where_nothing_is_recorded(enter):
    with pytest.raises(TypeError, match="MaskedArray"):
        enter()
