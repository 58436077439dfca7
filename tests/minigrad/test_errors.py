"""An error names the op, its operands, and inside trace_source the user's line; in backward passes too."""

import collections
import dataclasses
import inspect
import re
import traceback

import numpy as np
import pytest
from scipy import sparse, special

import minigrad as mg
import models.datasets
import optim
from minigrad import Tensor, trace_source
from minigrad.arraylike import RULES, dispatch
from minigrad.calls import as_written
from minigrad.extend import data_of


def test_a_forward_error_names_op_shapes_and_dtypes():
    with pytest.raises(ValueError, match=r"matmul\(\(2, 3\) float64, \(2, 3\) float32\)"):
        Tensor(np.ones((2, 3))) @ np.ones((2, 3), np.float32)
    with pytest.raises(ValueError, match=r"add\(\(2,\) float64, \(3,\) float64\)"):
        Tensor(np.ones(2)) + np.ones(3)
    with pytest.raises(IndexError, match=r"gather\(\(3,\) float64, \(1,\) int64\)"):
        Tensor(np.ones(3))[np.array([5])]


def test_the_users_line_is_named_when_traced():
    x = Tensor(np.ones(2), requires_grad=True)
    with trace_source(), pytest.raises(ValueError, match=r"test_errors\.py:\d+ in test_the_users_line"):
        x + np.ones(3)
    with trace_source():
        y = np.tanh(x)
    assert "test_errors.py" in y.mode.line
    assert np.tanh(x).mode.line == ""


def broken(**rules):
    return mg.Op("broken", np.sin, pulls=[rules.get("pull")], pushes=[rules.get("push")])


def test_a_backward_error_names_op_and_line():
    op = broken(pull=lambda g, y, x: g @ np.ones((7, 7)))
    x = Tensor(np.ones((2, 3)), requires_grad=True, name="x")
    with trace_source():
        y = op(x)
    with pytest.raises(
        ValueError, match=r"pulling back through broken\(\(2, 3\) float64\) at .*test_errors\.py:\d+"
    ):
        y.sum().backward()
    assert x.grad is None


def test_a_forward_mode_error_names_op_and_line():
    op = broken(pull=lambda g, y, x: g, push=lambda t, y, x: t @ np.ones((7, 7)))
    with pytest.raises(ValueError, match=r"pushing forward through broken\(\(2, 3\) float64\)"):
        mg.jvp(op, (np.ones((2, 3)),), (np.ones((2, 3)),))


def test_a_rule_of_the_wrong_shape_is_caught_by_the_sweep():
    op = broken(pull=lambda g, y, x: g[:1], push=lambda t, y, x: t[:1])
    x = Tensor(np.ones((2, 3)), requires_grad=True)
    with pytest.raises(mg.DerivativeError, match=r"broken gave a derivative of shape \(1, 3\)"):
        op(x).sum().backward()
    with pytest.raises(mg.DerivativeError, match="broken"):
        mg.jvp(op, (np.ones((2, 3)),), (np.ones((2, 3)),))


def test_a_failed_backward_changes_no_gradient():
    good, bad = Tensor(1.0, requires_grad=True), Tensor(1.0, requires_grad=True)
    op = broken(pull=lambda g, y, x: 1 // 0)
    y = op(bad) + good * 2
    good.grad = np.array(5.0)
    with pytest.raises(ZeroDivisionError):
        y.backward()
    assert good.grad == 5.0
    assert bad.grad is None


@pytest.mark.parametrize(
    ("gradient", "says"), [(np.ones(3), r"needs shape \(2,\), got \(3,\)"), (None, "needs a scalar")]
)
def test_backward_checks_its_cotangent(gradient, says):
    x = Tensor(np.ones(2), requires_grad=True)
    with pytest.raises(ValueError, match=says):
        (x * 2).backward(gradient)


# Tracebacks show the user's frames


def frames(error):
    """The files of a traceback, and of those of its causes."""
    found = []
    while error is not None:
        found += [frame.filename for frame in traceback.extract_tb(error.__traceback__)]
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return found


def ours(error):
    tops = ("/minigrad/", "/optim/", "/models/")
    return [file for file in frames(error) if any(top in file for top in tops) and "/tests/" not in file]


def parameter():
    return Tensor([1.0, 2.0], requires_grad=True, name="w")


def loss_that_fails(x):
    return np.sum(x + np.ones(7))


class Nowhere:
    """Of no use to anyone."""


ENTRIES = {
    "operator": lambda: parameter() + np.ones(3),
    "reflected operator": lambda: [1.0, 2.0, 3.0] * parameter(),
    "ufunc": lambda: np.add(parameter(), np.ones(3)),
    "function": lambda: np.concatenate([parameter(), np.ones((2, 2))]),
    "index": lambda: parameter()[9],
    "method": lambda: parameter().reshape(5),
    "sum": lambda: parameter().sum(3),
    "op": lambda: mg.linear(parameter(), np.ones((3, 3)), np.ones(3)),
    "op on arrays": lambda: mg.relu(1.0, 2.0),
    "Tensor": lambda: Tensor(Nowhere()),
    "item": lambda: parameter().item(),
    "float": lambda: float(parameter()[0]),
    "assign": lambda: parameter().assign(np.ones(3)),
    "backward": lambda: parameter().backward(),
    "grad": lambda: mg.grad(loss_that_fails)(np.ones(2)),
    "hessian": lambda: mg.hessian(loss_that_fails)(np.ones(2)),
    "jvp": lambda: mg.jvp(loss_that_fails, (np.ones(2),), (np.ones(2),)),
    "compile": lambda: mg.compile(loss_that_fails)(np.ones(2)),
    "check_derivatives": lambda: mg.check_derivatives(loss_that_fails),
    "softmax": lambda: mg.softmax(parameter(), axis=(0, 1)),
    "index_set": lambda: mg.index_set(np.zeros(3), [0, 0], 1.0),
    "draw": lambda: mg.draw(3),
    "optimizer": lambda: optim.Adam([parameter()], lr=-1.0),
    "step": lambda: optim.SGD([parameter()]).step(lambda: 3.0),
    "newton": lambda: optim.NewtonCG([parameter()]).step(lambda: 3.0),
    "schedule": lambda: optim.StepLR(optim.SGD([parameter()]), 0),
    "load": lambda: optim.SGD([parameter()]).load_state_dict({}),
    "clip": lambda: optim.clip_grad_norm_([parameter()], -1.0),
    "minimize": lambda: optim.minimize(loss_that_fails, np.ones(2)),
    "layer": lambda: models.Linear(0, 3),
    "model": lambda: models.MLP((3, 2), rng=0)(np.ones((4, 5))),
    "loss": lambda: models.mse_loss(parameter(), np.ones(3)),
    "data set": lambda: models.datasets.moons(1),
    "Dataset": lambda: models.datasets.Dataset(np.ones((3, 2)), np.ones(4)),
    "batches": lambda: models.datasets.batches([1.0, 2.0], batch_size=0),
    "train_test_split": lambda: models.datasets.train_test_split(([1.0, 2.0],), 2.0),
    "standardize": lambda: models.datasets.standardize([1.0, np.nan]),
    "one_hot": lambda: models.datasets.one_hot([5], 2),
    "fit": lambda: models.fit(Nowhere(), None, None, (np.ones(2), np.ones(3)), epochs=1),
}  # fmt: skip


@pytest.mark.parametrize("name", ENTRIES)
def test_a_traceback_shows_none_of_our_frames(name, monkeypatch):
    with pytest.raises(Exception) as caught:  # of any kind
        ENTRIES[name]()
    assert ours(caught.value) == []
    monkeypatch.setenv("MINIGRAD_TRACEBACK", "full")
    with pytest.raises(Exception) as caught:
        ENTRIES[name]()
    assert ours(caught.value) != []


# Every public function and class, with every argument that is wrong

OWN = ("minigrad", "models", "optim")
PUBLIC = {
    f"{module.__name__}.{name}": f
    for module in (mg, models, models.datasets, optim)
    for name in getattr(module, "__all__", vars(module))  # many are loaded here
    if not name.startswith("_")
    and callable(f := getattr(module, name))
    and (f.__module__ or "").split(".")[0] in OWN
    if not (isinstance(f, type) and issubclass(f, BaseException | dict))
}


def wrong_calls(f, wrong):
    """Calls of f in which all required arguments are `wrong`, and one of the others or none."""
    parameters = inspect.signature(f).parameters.values()
    required = [p for p in parameters if p.default is p.empty and p.kind is not p.VAR_KEYWORD]
    args = [wrong for p in required if p.kind is not p.KEYWORD_ONLY]
    words = {p.name: wrong for p in required if p.kind is p.KEYWORD_ONLY}
    yield lambda: f(*args, **words)
    for p in parameters:
        if p.default is not p.empty and p.kind is not p.POSITIONAL_ONLY:
            yield lambda p=p: f(*args, **words, **{p.name: wrong})


@pytest.mark.parametrize("name", PUBLIC)
def test_no_public_function_shows_our_frames(name):
    for wrong in (Nowhere(), -1, np.ones(3), "x"):
        for call in wrong_calls(PUBLIC[name], wrong):
            with pytest.raises(Exception) as caught:  # noqa: PT012  # of any kind
                call()
                raise AnyFits
            assert ours(caught.value) == [], repr(caught.value)


def test_the_init_of_a_dataclass_is_ours():
    with pytest.raises(ValueError, match="one length") as caught:
        models.datasets.Dataset(np.ones((3, 2)), np.ones(4))
    assert set(frames(caught.value)) == {__file__}


def test_frames_of_the_function_that_was_given_stay():
    with pytest.raises(ValueError) as caught:
        mg.grad(loss_that_fails)(np.ones(2))
    names = [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
    assert names[-2:] == ["test_frames_of_the_function_that_was_given_stay", "loss_that_fails"]


def test_a_cause_that_is_the_users_own_stays():
    def op_that_fails(x):
        raise KeyError("mine")

    op = mg.elementwise(op_that_fails, 1, name="op")
    with pytest.raises(Exception, match="mine") as caught:
        op(parameter())
    assert isinstance(caught.value.__cause__, KeyError)
    assert "op_that_fails" in [f.name for f in traceback.extract_tb(caught.value.__cause__.__traceback__)]


# No error names a function of ours that the user did not write


class AnyFits(Exception):
    pass


INNER = re.compile(r"<l|rule\(\)|method\(\)|\b_[a-z]|ArrayLike|Leaving")
CALLED = [f for f in RULES if callable(f)]


@pytest.mark.parametrize("f", CALLED, ids=lambda f: f.__name__)
@pytest.mark.parametrize("how", ["keyword", "many"])
def test_no_error_names_an_inner_function(f, how):
    x = Tensor(np.ones((2, 2)), requires_grad=True)
    given = [x] * getattr(f, "nin", 1)
    more, words = ([3] * 9, {}) if how == "many" else ([], {"axes_of_nothing": 3})
    for call in (lambda: f(*given, *more, **words), lambda: dispatch(f, [*given, *more], words)):
        with pytest.raises(Exception) as caught:  # noqa: PT012  # of any kind
            call()
            raise AnyFits  # np.atleast_1d takes any number of arguments
        assert not INNER.search(str(caught.value)), str(caught.value)
    assert as_written(f) in str(caught.value) or how == "many"


@pytest.mark.parametrize("op", [v for v in vars(mg).values() if isinstance(v, mg.Op)], ids=lambda op: op.name)
def test_no_op_names_an_inner_function(op):
    for x in (parameter(), np.ones(2)):
        for args, kwargs in (((x, x, x, x, x), {}), ((x,), {"foo": 3})):
            with pytest.raises(TypeError, match=op.name) as caught:
                op(*args, **kwargs)
            assert not INNER.search(str(caught.value)), str(caught.value)


def test_methods_are_named_as_the_users():
    with pytest.raises(TypeError, match=r"Tensor\.sum\(\)"):
        parameter().sum(0, 1)


# NumPy's arguments by name, by position, and with their defaults

x23, x33 = np.arange(6.0).reshape(2, 3), np.arange(9.0).reshape(3, 3)
BY_NAME = {
    "sum": lambda x: np.sum(a=x, axis=0),
    "sum by position": lambda x: np.sum(x, 0, None, None, True),
    "max by position": lambda x: np.max(x, 0, None, True),
    "var by position": lambda x: np.var(x, 0, None, None, 1),
    "mean": lambda x: np.mean(a=x, axis=1, keepdims=True),
    "take": lambda x: np.take(x, indices=[0, 2], axis=1, mode="raise"),
    "take_along_axis": lambda x: np.take_along_axis(x, indices=np.array([[0], [1]]), axis=1),
    "take_along_axis all": lambda x: np.take_along_axis(arr=x, indices=np.array([[0], [1]]), axis=1),
    "sort": lambda x: np.sort(x, kind="stable"),
    "sort by position": lambda x: np.sort(x, 0, "mergesort"),
    "argsort": lambda x: np.argsort(x, kind="stable"),
    "swapaxes": lambda x: np.swapaxes(x, axis1=0, axis2=1),
    "swapaxes mixed": lambda x: np.swapaxes(x, axis2=0, axis1=1),
    "moveaxis": lambda x: np.moveaxis(x, destination=0, source=1),
    "transpose": lambda x: np.transpose(a=x, axes=(1, 0)),
    "clip": lambda x: np.clip(x, a_min=1, a_max=3),
    "clip min": lambda x: np.clip(a=x, a_min=None, a_max=3),
    "reshape": lambda x: np.reshape(x, shape=(3, 2), order="C"),
    "expand_dims": lambda x: np.expand_dims(a=x, axis=0),
    "squeeze": lambda x: np.squeeze(a=x),
    "tensordot": lambda x: np.tensordot(a=x, b=x, axes=2),
    "outer": lambda x: np.outer(a=x, b=x),
    "dot": lambda x: np.dot(a=x, b=x.T),
    "trace": lambda x: np.trace(x, offset=0, axis1=0, axis2=1),
    "norm": lambda x: np.linalg.norm(x=x, axis=0),
    "broadcast_to": lambda x: np.broadcast_to(array=x, shape=(4, 2, 3)),
    "stack": lambda x: np.stack(arrays=[x, x], axis=0),
    "vstack": lambda x: np.vstack(tup=[x, x]),
    "concatenate": lambda x: np.concatenate([x, x], axis=1, casting="same_kind"),
    "sin": lambda x: np.sin(x, casting="same_kind", order="K"),
    "full_like": lambda x: np.full_like(a=x, fill_value=3.0),
    "argmax": lambda x: np.argmax(a=x, axis=0),
    "sinc": lambda x: np.sinc(x=x),
}  # fmt: skip


@pytest.mark.parametrize("name", BY_NAME)
def test_numpys_arguments_may_be_written_as_numpy_takes_them(name):
    got = BY_NAME[name](Tensor(x23, requires_grad=True))
    np.testing.assert_allclose(data_of(got), BY_NAME[name](x23))


REFUSED = {
    r"np\.any\(where=\.\.\.\).*np\.where": lambda x: np.any(x, where=x.data > 1),
    r"np\.broadcast_to\(subok=\.\.\.\)(?!.*where=)": lambda x: np.broadcast_to(x, x.shape, subok=True),
    r"np\.add\(dtype=\.\.\.\).*\.astype": lambda x: np.add(x, x, dtype=np.float32),
    r"scipy\.special\.ellipk has no derivative rule": lambda x: special.ellipk(x),
    r"np\.packbits is not supported on Tensors: it works with": lambda x: np.packbits(x > 1),
    r"sparse csr_matrix.*toarray": lambda x: x @ sparse.csr_matrix(np.eye(3)),
    r"sparse csr_array.*toarray": lambda x: x * sparse.csr_array(np.eye(3)),
    r"matmul of shapes \(2, 3\) and \(4,\)": lambda x: x @ np.ones(4),
    r"matmul of shapes \(4,\) and \(2, 3\)": lambda x: np.ones(4) @ x,
    r"np\.dot of shapes \(4,\) and \(2, 3\)": lambda x: np.dot(np.ones(4), x),
    r"matmul of shapes \(5, 4\) and \(3,\)": lambda x: np.ones((5, 4)) @ x[0],
}  # fmt: skip


@pytest.mark.parametrize("says", REFUSED)
def test_a_refusal_names_the_call_and_the_remedy(says):
    with pytest.raises((TypeError, ValueError), match=says):
        REFUSED[says](Tensor(x23, requires_grad=True))


# Trees


def test_a_subclass_of_dict_stays_what_it_is():
    class Params(dict):
        __getattr__ = dict.__getitem__

    given = Params(w=np.array(3.0), b=np.array(2.0))
    found = mg.grad(lambda p: p.w * p.w * p.b)(given)
    assert type(found) is Params
    assert (found.w, found.b) == (12.0, 9.0)
    ordered = mg.grad(lambda p: p["w"] * p["missing"])(collections.defaultdict(lambda: 5.0, w=np.array(3.0)))
    assert isinstance(ordered, collections.defaultdict)
    assert ordered["w"] == 5.0


def test_a_dataclass_is_refused_by_its_name():
    @dataclasses.dataclass
    class Params:
        w: float

    with pytest.raises(TypeError, match=r"grad\(.*the dataclass Params.*vars"):
        mg.grad(lambda p: p.w * p.w)(Params(3.0))
    with pytest.raises(TypeError, match="Nowhere"):
        mg.grad(lambda p: p)(Nowhere())


@pytest.mark.parametrize(
    ("f", "x"), [(lambda x: x**2, 1e200), (np.exp, 1000.0), (lambda x: 1 / x, 0.0), (lambda x: x**3, 1e120)]
)
def test_the_checker_blames_no_rule_where_f_is_not_finite(f, x):
    with np.errstate(all="ignore"), pytest.raises(ValueError, match="not finite"):
        mg.check_derivatives(f, np.array([x]))


def test_the_checker_steps_far_enough_beside_a_large_number():
    mg.check_derivatives(lambda x: x**2, np.array([1e100]))
    mg.check_derivatives(np.sqrt, np.array([1e30]))
    three_x = mg.elementwise(lambda x: x * x, lambda y, x: 3 * x, name="three_x")
    with pytest.raises(mg.DerivativeError, match="three_x"):
        mg.check_derivatives(three_x, np.array([1e9]))
