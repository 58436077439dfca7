"""Losses: values, derivatives of three orders, far-out logits, and input that does not fit."""

import numpy as np
import pytest
from scipy import special

import minigrad as mg
from minigrad import Tensor, check_derivatives, compile, grad, log_softmax
from models import accuracy, binary_cross_entropy_with_logits, cross_entropy, hinge_loss, mse_loss

rng = np.random.default_rng(0)
LOGITS, LABELS = rng.normal(size=(6, 4)), np.array([0, 3, 1, 1, 2, 0])
Z, Y = rng.normal(size=(5, 2)), rng.integers(0, 2, (5, 2)).astype(float)
T = rng.normal(size=(5, 2))


@pytest.mark.parametrize(("f", "x"), [
    (lambda z: cross_entropy(z, LABELS), LOGITS),
    (lambda z: mse_loss(z, T), Z),
    (lambda z: mse_loss(T, z), Z),
    (lambda z: binary_cross_entropy_with_logits(z, Y), Z),
    (lambda z: hinge_loss(z, 2 * Y - 1), Z),
])  # fmt: skip
def test_derivatives(f, x):
    check_derivatives(f, x, order=3)
    H = mg.hessian(f)(x)
    rows = np.stack([mg.hvp(f, x, e.reshape(x.shape)) for e in np.eye(x.size)])
    np.testing.assert_allclose(H.reshape(x.size, x.size), rows.reshape(x.size, x.size), atol=1e-14)
    assert grad(f)(x.astype(np.float32)).dtype == np.float32


def test_two_live_inputs():
    check_derivatives(mse_loss, Z, T, order=2)
    check_derivatives(binary_cross_entropy_with_logits, Z, 0.2 + 0.5 * Y, order=2)


def test_values_against_scipy():
    expected = -np.mean(special.log_softmax(LOGITS, axis=1)[np.arange(6), LABELS])
    assert float(cross_entropy(LOGITS, LABELS)) == pytest.approx(expected, rel=1e-14)
    expected = -np.mean(Y * special.log_expit(Z) + (1 - Y) * special.log_expit(-Z))
    assert float(binary_cross_entropy_with_logits(Z, Y)) == pytest.approx(expected, rel=1e-14)
    assert float(mse_loss(Z, T)) == pytest.approx(np.mean((Z - T) ** 2), rel=1e-14)
    assert float(hinge_loss(Z, 2 * Y - 1)) == pytest.approx(
        np.mean(np.maximum(0, 1 - (2 * Y - 1) * Z)), rel=1e-14
    )
    np.testing.assert_allclose(mg.logsumexp(LOGITS, 1), special.logsumexp(LOGITS, 1), rtol=1e-14)
    np.testing.assert_allclose(mg.softmax(LOGITS, 0), special.softmax(LOGITS, 0), rtol=1e-13)
    np.testing.assert_allclose(mg.sigmoid(Z), special.expit(Z), rtol=1e-14)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [1e4, -1e4])
def test_far_out_logits(size, dtype):
    z = np.array([[size, 0.0], [0.0, size]], dtype)
    for labels in (np.array([0, 1]), np.array([1, 0])):
        loss, g = mg.value_and_grad(lambda z, labels=labels: cross_entropy(z, labels))(z)
        right = labels[0] == (0 if size > 0 else 1)
        assert loss == pytest.approx(0 if right else 1e4)
        np.testing.assert_allclose(np.abs(g), 0 if right else 0.5)
        assert np.isfinite(
            mg.hvp(lambda z, labels=labels: cross_entropy(z, labels), z, np.ones_like(z))
        ).all()
    for y in (0.0, 1.0):
        target = np.full((2, 2), y, dtype)
        loss, g = mg.value_and_grad(lambda z, target=target: binary_cross_entropy_with_logits(z, target))(z)
        assert np.isfinite(loss)
        assert np.isfinite(g).all()
        assert np.isfinite(
            mg.hvp(lambda z, target=target: binary_cross_entropy_with_logits(z, target), z, z)
        ).all()


@pytest.mark.parametrize("k", [1, 2, 10, 63, 64, 200])
@pytest.mark.parametrize("spread", [1.0, 300.0])
def test_cross_entropy_keeps_its_digits_for_rows_that_lie_far_apart(k, spread):
    rng = np.random.default_rng(k)
    z = rng.normal(size=(7, k)) + spread * np.arange(7)[:, None]
    labels = rng.integers(0, k, 7)
    loss, g = mg.value_and_grad(lambda z: cross_entropy(z, labels))(z)
    expected = special.log_softmax(z, 1)
    assert float(loss) == pytest.approx(-expected[np.arange(7), labels].mean(), rel=1e-12, abs=1e-15)
    np.testing.assert_allclose(g, (np.exp(expected) - np.eye(k)[labels]) / 7, rtol=1e-11, atol=1e-17)


def test_small_probabilities_keep_their_digits():
    loss = binary_cross_entropy_with_logits(np.array([40.0]), np.array([1.0]))
    assert float(loss) == pytest.approx(np.exp(-40.0), rel=1e-12)


def test_the_hinge_is_zero_at_its_corner():
    assert grad(lambda s: hinge_loss(s, np.array([1.0])))(np.array([1.0])) == 0.0


@pytest.mark.parametrize(("call", "error", "says"), [
    (lambda: mse_loss(np.ones((3, 1)), np.ones(3)), ValueError, r"\(3, 1\) and \(3,\).*broadcast"),
    (lambda: mse_loss(np.ones((0, 2)), np.ones((0, 2))), ValueError, "empty"),
    (lambda: cross_entropy(LOGITS, LABELS[:5]), ValueError, r"logits \(n, k\)"),
    (lambda: cross_entropy(LOGITS[0], LABELS), ValueError, r"logits \(n, k\)"),
    (lambda: cross_entropy(LOGITS, LABELS + 0.0), TypeError, "integer"),
    (lambda: cross_entropy(LOGITS, LABELS - 1), ValueError, r"0 … 3"),
    (lambda: cross_entropy(LOGITS, LABELS + 1), ValueError, r"0 … 3"),
    (lambda: cross_entropy(LOGITS[:0], LABELS[:0]), ValueError, "empty"),
    (lambda: binary_cross_entropy_with_logits(Z, 2 * Y - 1), ValueError, r"\[0, 1\]"),
    (lambda: binary_cross_entropy_with_logits(Z, Y * np.nan), ValueError, r"\[0, 1\]"),
    (lambda: hinge_loss(Z, Y), ValueError, "−1 and 1"),
])  # fmt: skip
def test_bad_input(call, error, says):
    with pytest.raises(error, match=says):
        call()


def test_accuracy():
    assert accuracy(np.array([[1.0], [-1.0], [2.0]]), np.array([1, 0, 0])) == pytest.approx(2 / 3)
    assert accuracy(np.array([1.0, -1.0]), np.array([1, -1])) == 1.0
    assert accuracy(mg.Tensor(LOGITS), LOGITS.argmax(1)) == 1.0
    for labels in ([0], np.eye(2), np.zeros((4, 2))):
        with pytest.raises(ValueError, match="accuracy needs"):
            accuracy(np.zeros((4, 2)), labels)


def test_half_precision_does_not_overflow():
    z = np.full((1000, 100), 2, np.float16)
    assert float(mse_loss(z, 0 * z)) == 4.0


@pytest.mark.oracle
def test_against_torch():
    torch = pytest.importorskip("torch")
    f = torch.nn.functional
    z = torch.tensor(LOGITS, requires_grad=True)
    loss = f.cross_entropy(z, torch.tensor(LABELS))
    loss.backward()
    mine, g = mg.value_and_grad(lambda z: cross_entropy(z, LABELS))(LOGITS)
    assert float(mine) == pytest.approx(loss.item(), rel=1e-14)
    np.testing.assert_allclose(g, z.grad.numpy(), rtol=1e-12, atol=1e-16)
    z = torch.tensor(Z, requires_grad=True)
    loss = f.binary_cross_entropy_with_logits(z, torch.tensor(Y))
    loss.backward()
    mine, g = mg.value_and_grad(lambda z: binary_cross_entropy_with_logits(z, Y))(Z)
    assert float(mine) == pytest.approx(loss.item(), rel=1e-14)
    np.testing.assert_allclose(g, z.grad.numpy(), rtol=1e-12, atol=1e-16)


def test_whole_numbers_are_not_subtracted_as_such():
    """An unsigned difference would wrap around, an int8 square overflow."""
    u1 = lambda *x: np.array(x, np.uint8)  # noqa: E731
    assert float(mse_loss(u1(0), u1(100))) == 1e4
    assert float(mse_loss(np.array([100], np.int8), np.array([-100], np.int8))) == 4e4
    assert float(hinge_loss(u1(1, 2), np.array([1, -1]))) == 1.5
    assert float(cross_entropy(u1(200, 100)[None], np.array([1]))) == 100
    float32 = np.array([0.5, 1], np.float32)
    assert mse_loss(float32, np.array([1, 2])).dtype == np.float32
    assert binary_cross_entropy_with_logits(float32, np.array([1, 0])).dtype == np.float32


@pytest.mark.parametrize("dtype", [np.uint8, np.uint64, ">i4", ">u2", np.int8, np.int64])
def test_labels_of_every_kind_of_integer(dtype):
    logits = np.arange(6.0).reshape(2, 3)
    expected = cross_entropy(logits, np.array([0, 2]))
    assert cross_entropy(logits, np.array([0, 2], dtype)) == expected
    with pytest.raises(ValueError, match="labels in 0 … 2, got"):
        cross_entropy(logits, np.array([0, 3], dtype))


def test_a_huge_unsigned_label_is_out_of_range():
    with pytest.raises(ValueError, match="labels in 0 … 2"):
        cross_entropy(np.zeros((1, 3)), np.array([2**64 - 1], np.uint64))


def test_what_cross_entropy_keeps_serves_every_sweep_of_its_own_graph():
    rng = np.random.default_rng(0)
    values, labels = rng.normal(size=(2, 4, 3)), np.array([0, 2, 1, 1])
    losses, leaves = [], []
    for x in values:  # both are recorded before either is pulled back
        leaves.append(mg.Tensor(x, requires_grad=True))
        losses.append(cross_entropy(leaves[-1], labels))
    for x, leaf, loss in zip(values, leaves, losses, strict=True):
        p = np.exp(x) / np.exp(x).sum(1, keepdims=True)
        expected = (p - np.eye(3)[labels]) / 4
        for times in (1, 2):
            loss.backward()
            np.testing.assert_allclose(leaf.grad, times * expected, rtol=1e-12, atol=1e-15)
        leaf.grad = None
        loss.backward(create_graph=True)
        np.testing.assert_allclose(leaf.grad.data, expected, rtol=1e-12, atol=1e-15)
        (leaf.grad * leaf.grad).sum().backward()
        assert "kept" not in mg.draw(loss).svg


def test_a_linearized_cross_entropy_keeps_to_its_point():
    rng = np.random.default_rng(1)
    (x, other, t), labels = rng.normal(size=(3, 4, 3)), np.array([0, 2, 1, 1])
    f = lambda x: cross_entropy(x, labels)  # noqa: E731
    _, push = mg.linearize(f, x)
    f(other)
    np.testing.assert_allclose(push(t), mg.jvp(f, (x,), (t,))[1], rtol=1e-12)
    np.testing.assert_allclose(push(t), np.sum(mg.grad(f)(x) * t), rtol=1e-12)


@pytest.mark.parametrize(("dtype", "digits_lost"), [(np.float16, 4), (np.float32, 32), (np.float64, 32)])
@pytest.mark.parametrize("apart", [1, 3, 10, 15, 30, 80, 100, 300, 800, 1000])
def test_rows_far_apart_lose_nothing_to_each_other(dtype, digits_lost, apart):
    """Both rows have the same softmax, so the loss is that of either."""
    row = np.array([[0.0, 0.5]], dtype)
    both, eps = np.concatenate([row, row + dtype(apart)]), np.finfo(dtype).eps
    alone = cross_entropy(row, np.array([0]))
    np.testing.assert_allclose(cross_entropy(both, np.array([0, 0])), alone, rtol=digits_lost * eps)
    slope = grad(lambda x: cross_entropy(x, np.array([0, 0])))(both)
    np.testing.assert_allclose(slope[0], slope[1], rtol=digits_lost * eps)


def test_losses_at_their_edges():
    bce = binary_cross_entropy_with_logits
    assert bce(np.array([np.inf, -np.inf]), np.array([1.0, 0.0])) == 0
    assert bce(np.array([np.inf]), np.array([0.0])) == np.inf
    z = np.tile(np.array([[0, 20]], np.float16), (5000, 1))
    assert cross_entropy(z, np.zeros(5000, int)) == 20
    assert accuracy(np.array([[np.nan, 0.0], [0.0, 1.0]]), np.array([0, 1])) == 0.5
    for call in (
        lambda: accuracy(np.eye(2), np.array(["a", "b"])),
        lambda: mse_loss(np.ones(2) * 1j, np.zeros(2)),
        lambda: mse_loss(np.ones(2), np.ma.array([1.0, 2.0], mask=[0, 1])),
    ):
        with pytest.raises(TypeError, match=r"accuracy|mse_loss"):
            call()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("row", "label", "loss", "slope"),
    [
        ([np.inf, 0, 1], 0, 0, [0, 0, 0]),
        ([np.inf, 0, 1], 1, np.inf, [1, -1, 0]),
        ([-np.inf, 0], 1, 0, [0, 0]),
        ([-np.inf, 0], 0, np.inf, [-1, 1]),
        ([np.inf, np.inf, 3], 0, np.log(2), [-0.5, 0.5, 0]),
        ([np.inf, -np.inf], 0, 0, [0, 0]),
    ],
)
def test_infinite_logits_give_the_limit(row, label, loss, slope, dtype):
    finite = [0.5] * len(row)
    x, labels = Tensor(np.array([row, finite], dtype), requires_grad=True), np.array([label, 0])
    value = cross_entropy(x, labels)
    value.backward()
    assert value.item() == pytest.approx((loss + np.log(len(row))) / 2, rel=1e-6)
    np.testing.assert_allclose(x.grad[0], np.array(slope) / 2, rtol=1e-6)
    with np.errstate(all="ignore"):
        by_hand = log_softmax(np.array([row], dtype))
        again = compile(lambda x: cross_entropy(x, labels))(x.data)
    assert -by_hand[0, label] == pytest.approx(loss, rel=1e-6, abs=1e-12)
    np.testing.assert_array_equal(again, value.data)
