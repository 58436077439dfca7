"""The options of the losses: PyTorch as the oracle where it is installed, closed forms elsewhere."""

import itertools

import numpy as np
import pytest

import minigrad as mg
from minigrad import check_derivatives, grad, log_softmax
from models import (
    binary_cross_entropy_with_logits,
    cross_entropy,
    hinge_loss,
    huber_loss,
    kl_div,
    l1_loss,
    mse_loss,
    nll_loss,
)  # fmt: skip

rng = np.random.default_rng(3)
LOGITS, LABELS = rng.normal(size=(6, 4)), np.array([0, 3, 1, 1, 2, 0])
P = np.abs(rng.normal(size=(6, 4)))
P = P / P.sum(axis=1, keepdims=True)
Z, T = rng.normal(size=(5, 2)), rng.normal(size=(5, 2))
Y = rng.integers(0, 2, (5, 2)).astype(float)
W4, W2 = np.array([0.5, 2.0, 0.0, 1.0]), np.array([0.5, 3.0])
REDUCTIONS = ("mean", "sum", "none")

CROSS_ENTROPY = [
    {"weight": w, "ignore_index": i, "label_smoothing": s}
    for w, i, s in itertools.product((None, W4), (None, 1), (0.0, 0.3))
]
# minigrad's loss of z, PyTorch's loss of the same (t is the module F, a makes its tensors), z
CASES = {
    **{
        f"cross_entropy {n}": (
            lambda z, r, o=o: cross_entropy(z, LABELS, reduction=r, **o),
            lambda t, a, z, r, o=o: t.cross_entropy(
                z, a(LABELS), reduction=r, weight=None if o["weight"] is None else a(o["weight"]),
                ignore_index=-100 if o["ignore_index"] is None else 1, label_smoothing=o["label_smoothing"],
            ),
            LOGITS,
        )
        for n, o in enumerate(CROSS_ENTROPY)
    },
    **{
        f"cross_entropy of probabilities {n}": (
            lambda z, r, w=w, s=s: cross_entropy(z, P, reduction=r, weight=w, label_smoothing=s),
            lambda t, a, z, r, w=w, s=s: t.cross_entropy(
                z, a(P), reduction=r, weight=None if w is None else a(w), label_smoothing=s
            ),
            LOGITS,
        )
        for n, (w, s) in enumerate(itertools.product((None, W4), (0.0, 0.3)))
    },
    "nll_loss": (
        lambda z, r: nll_loss(z, LABELS, weight=W4, ignore_index=3, reduction=r),
        lambda t, a, z, r: t.nll_loss(z, a(LABELS), weight=a(W4), ignore_index=3, reduction=r),
        LOGITS,
    ),
    "kl_div": (
        lambda z, r: kl_div(log_softmax(z), P, reduction=r),
        lambda t, a, z, r: t.kl_div(t.log_softmax(z, 1), a(P), reduction="batchmean" if r == "mean" else r),
        LOGITS,
    ),
    "binary cross entropy": (
        lambda z, r: binary_cross_entropy_with_logits(z, Y, weight=W2, pos_weight=W2[::-1], reduction=r),
        lambda t, a, z, r: t.binary_cross_entropy_with_logits(
            z, a(Y), weight=a(W2), pos_weight=a(W2[::-1].copy()), reduction=r
        ),
        Z,
    ),
    "binary cross entropy, plain": (
        lambda z, r: binary_cross_entropy_with_logits(z, Y, reduction=r),
        lambda t, a, z, r: t.binary_cross_entropy_with_logits(z, a(Y), reduction=r),
        Z,
    ),
    "mse_loss": (
        lambda z, r: mse_loss(z, T, reduction=r), lambda t, a, z, r: t.mse_loss(z, a(T), reduction=r), Z,
    ),
    "l1_loss": (
        lambda z, r: l1_loss(z, T, reduction=r), lambda t, a, z, r: t.l1_loss(z, a(T), reduction=r), Z,
    ),
    "huber_loss": (
        lambda z, r: huber_loss(z, T, delta=0.7, reduction=r),
        lambda t, a, z, r: t.huber_loss(z, a(T), delta=0.7, reduction=r),
        Z,
    ),
}  # fmt: skip


@pytest.mark.oracle
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("name", CASES)
def test_value_and_gradient_are_pytorchs(name, reduction):
    torch = pytest.importorskip("torch")
    ours, theirs, z = CASES[name]
    value, pullback = mg.vjp(lambda z: ours(z, reduction), z)
    seed = np.linspace(1, 2, value.size).reshape(value.shape)
    leaf = torch.tensor(z, requires_grad=True)
    expected = theirs(torch.nn.functional, torch.as_tensor, leaf, reduction)
    np.testing.assert_allclose(value, expected.detach().numpy(), rtol=1e-13, atol=1e-15)
    expected.backward(torch.as_tensor(seed))
    np.testing.assert_allclose(pullback(seed)[0], leaf.grad.numpy(), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("name", CASES)
def test_derivatives_dtypes_and_compiled(name):
    loss, _, z = CASES[name]
    check_derivatives(lambda z: loss(z, "sum"), z, order=2)
    small = z.astype(np.float32)
    _, g = mg.value_and_grad(lambda z: loss(z, "mean"))(small)
    assert g.dtype == np.float32
    replayed = mg.compile(mg.value_and_grad(lambda z: loss(z, "mean")))
    for x in (z, z + 0.3, 2 * z):
        value, g = mg.value_and_grad(lambda z: loss(z, "mean"))(x)
        again = replayed(x)
        np.testing.assert_allclose(again[0], value, rtol=1e-14)
        np.testing.assert_allclose(again[1], g, rtol=1e-12, atol=1e-16)


def test_the_reductions_belong_together():
    for loss, _, z in CASES.values():
        each = loss(z, "none")
        assert float(loss(z, "sum")) == pytest.approx(float(np.sum(each)), rel=1e-14)
    assert float(hinge_loss(Z, 2 * Y - 1, reduction="sum")) == pytest.approx(
        10 * float(hinge_loss(Z, 2 * Y - 1))
    )
    assert cross_entropy(LOGITS, LABELS, reduction="none").shape == (6,)


def test_one_hot_rows_are_labels():
    rows = np.eye(4)[LABELS]
    assert float(cross_entropy(LOGITS, rows)) == pytest.approx(
        float(cross_entropy(LOGITS, LABELS)), rel=1e-14
    )
    assert float(cross_entropy(LOGITS, rows.astype(int))) == pytest.approx(
        float(cross_entropy(LOGITS, LABELS))
    )


def test_zero_weights_win_over_infinite_losses():
    z = np.array([[0.0, -np.inf], [1.0, 2.0]])
    value, g = mg.value_and_grad(lambda z: cross_entropy(z, np.array([[1.0, 0.0], [0.5, 0.5]])))(z)
    assert np.isfinite(value)
    assert np.isfinite(g).all()
    replayed = mg.compile(lambda z: cross_entropy(z, np.array([[1.0, 0.0], [0.5, 0.5]])))
    replayed(LOGITS[:2, :2])
    assert float(replayed(z)) == pytest.approx(float(value))
    assert float(cross_entropy(z, np.array([1, 0]), weight=np.array([1.0, 0.0]))) == pytest.approx(
        np.log1p(np.e)
    )
    assert float(cross_entropy(z, np.array([1, 0]), ignore_index=1)) == pytest.approx(np.log1p(np.e))
    assert float(kl_div(np.array([[0.0, -np.inf]]), np.array([[1.0, 0.0]]))) == 0


def test_targets_may_be_live():
    check_derivatives(lambda p: cross_entropy(LOGITS, p, label_smoothing=0.1), 0.1 + 0.8 * P, order=2)
    check_derivatives(lambda p: kl_div(log_softmax(LOGITS), p), 0.1 + 0.8 * P, order=2)
    check_derivatives(lambda w: cross_entropy(LOGITS, LABELS, weight=w), 0.5 + W4, order=2)
    assert (grad(lambda t: huber_loss(Z, t, delta=10.0))(T) == grad(lambda t: mse_loss(Z, t) / 2)(T)).all()


REFUSED = {
    "mse_loss(Z, T, reduction='avg')": "reduction='mean', 'sum' or 'none', got 'avg'",
    "cross_entropy(LOGITS, LABELS, reduction=None)": "got None",
    "cross_entropy(LOGITS, LABELS, weight=W2)": "weight= of a shape that broadcasts to (4,), got (2,)",
    "cross_entropy(LOGITS, LABELS, weight=-W4)": "weight= of numbers ≥ 0, got -2.0",
    "cross_entropy(LOGITS, LABELS, label_smoothing=1.5)": "label_smoothing in [0, 1], got 1.5",
    "cross_entropy(LOGITS, LABELS + 1, ignore_index=0)": "labels in 0 … 3, got 1 … 4",
    "cross_entropy(LOGITS, 0 * LABELS, ignore_index=0)": "no row of this batch counts",
    "cross_entropy(LOGITS, P, ignore_index=0)": "ignore_index= is for class numbers",
    "cross_entropy(LOGITS, 2 * P)": "targets in [0, 1]",
    "cross_entropy(LOGITS, LABELS + 0.5)": "integer labels",
    "nll_loss(LOGITS, P)": "cross_entropy takes probabilities",
    "kl_div(LOGITS, P - 1)": "targets in [0, 1]",
    "binary_cross_entropy_with_logits(Z, Y, pos_weight=-W2)": "pos_weight= of numbers ≥ 0",
    "binary_cross_entropy_with_logits(Z, Y, weight=W4)": "broadcasts to (5, 2), got (4,)",
    "huber_loss(Z, T, delta=0)": "delta > 0, got 0",
    "l1_loss(Z, T[:2])": "both of one shape",
}  # fmt: skip


@pytest.mark.parametrize("call", REFUSED)
def test_what_is_refused(call):
    with pytest.raises((ValueError, TypeError)) as caught:
        eval(call, globals())
    assert REFUSED[call] in str(caught.value)
    assert call.split("(")[0] in str(caught.value) or "mean of a loss" in str(caught.value)


def test_a_compiled_loss_checks_each_batch():
    loss = mg.compile(lambda z, y: cross_entropy(z, y, ignore_index=0))
    loss(LOGITS, LABELS)
    assert float(loss(LOGITS, np.array([1, 1, 1, 0, 0, 0]))) == pytest.approx(
        float(cross_entropy(LOGITS[:3], np.array([1, 1, 1])))
    )
    with pytest.raises(ValueError, match="labels in 0 … 3, got 1 … 7"):
        loss(LOGITS, np.array([7, 1, 1, 0, 0, 0]))
    with pytest.raises(ValueError, match="no row of this batch counts"):
        loss(LOGITS, 0 * LABELS)
