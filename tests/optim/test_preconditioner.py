"""`preconditioner()` of every optimizer: the textbook's divisor, which the last step was divided by, or a
refusal."""

import math

import numpy as np
import pytest

import optim
from minigrad import gradient_and_hvp, hessian
from tests.problems import leaf

BETA, ALPHA, EPS = 0.9, 0.8, 1e-3
STEPS = 4


def averages(decay, squares):
    """Exponential averages that start at 0, after each step."""
    v, found = 0.0, []
    for s in squares:
        v = decay * v + (1 - decay) * s
        found.append(v)
    return found


def adam(G):
    return averages(BETA, [g * g for g in G])[-1] / (1 - BETA ** len(G))


def adam_max(G):
    """As in torch, the largest average is corrected, with the last correction."""
    return np.max(averages(BETA, [g * g for g in G]), axis=0) / (1 - BETA ** len(G))


def rms(G):
    return averages(ALPHA, [g * g for g in G])[-1]


def centered(G):
    return rms(G) - averages(ALPHA, G)[-1] ** 2


BETAS = {"betas": (0.5, BETA), "eps": EPS}
# name: (class, options, v̂ from all gradients, the numerator in units of lr from the preview)
ADAPTIVE = {
    "Adam": (optim.Adam, BETAS, adam, lambda shown: shown["m_hat"]),
    "amsgrad": (optim.Adam, BETAS | {"amsgrad": True}, adam_max, lambda shown: shown["m_hat"]),
    "AdamW": (optim.AdamW, BETAS | {"weight_decay": 0.0}, adam, lambda shown: shown["m_hat"]),
    "NAdam": (optim.NAdam, BETAS, adam, lambda shown: shown["m_hat"]),
    "RMSprop": (optim.RMSprop, {"alpha": ALPHA, "eps": EPS}, rms, lambda shown: shown["g"]),
    "centered": (optim.RMSprop, {"alpha": ALPHA, "eps": EPS, "centered": True}, centered,
        lambda shown: shown["g"]),
    "Adagrad": (optim.Adagrad, {"eps": EPS}, lambda G: sum(g * g for g in G), lambda shown: shown["g"]),
    "Adagrad, initial": (optim.Adagrad, {"eps": EPS, "initial_accumulator_value": 2.0},
        lambda G: 2 + sum(g * g for g in G), lambda shown: shown["g"]),
}  # fmt: skip
RULES = [
    kind
    for kind in vars(optim).values()
    if isinstance(kind, type) and issubclass(kind, optim.FirstOrder) and kind is not optim.FirstOrder
]
PLAIN = [kind for kind in RULES if kind.second_moment is optim.FirstOrder.second_moment]


def two():
    return [leaf(np.array([[1.0, -2.0, 0.5]]), name="A"), leaf(np.array([3.0]), name="b")]


def loss_of(ps):
    return sum(np.sum((i + 1) * p**4) for i, p in enumerate(ps))


@pytest.mark.parametrize("name", ADAPTIVE)
@pytest.mark.parametrize("maximize", [False, True])
def test_it_is_the_textbooks_and_what_the_last_step_was_divided_by(name, maximize):
    kind, options, second_moment, numerator = ADAPTIVE[name]
    ps = two()
    optimizer = kind(ps, lr=0.01, maximize=maximize, **options)
    history = [[] for _ in ps]
    for _ in range(STEPS):
        loss_of(ps).backward()
        for G, p in zip(history, ps):
            G.append(p.grad.copy())
        shown, before = optimizer.preview(), [p.data.copy() for p in ps]
        optimizer.step()
        optimizer.zero_grad()
    P = optimizer.preconditioner()
    assert [d.shape for d in P] == [p.shape for p in ps]
    for d, p, G, old in zip(P, ps, history, before):
        np.testing.assert_allclose(d, np.sqrt(second_moment(G)) + EPS, rtol=1e-12)
        np.testing.assert_allclose((old - p.data) * d, 0.01 * numerator(shown[p.name]), rtol=1e-9)
        d[...] = 0  # it belongs to the caller
    assert all((d > 0).all() for d in optimizer.preconditioner())


def test_the_table_has_every_optimizer_that_divides():
    assert {kind for kind, *_ in ADAPTIVE.values()} == set(RULES) - set(PLAIN)
    assert len(PLAIN) >= 3


@pytest.mark.parametrize("kind", PLAIN)
def test_a_rule_that_divides_by_nothing_refuses(kind):
    p = leaf(np.ones(2), name="p")
    optimizer = kind([p], lr=0.1)
    optimizer.step(lambda: np.sum(p**2))
    with pytest.raises(TypeError, match=rf"{kind.__name__}.preconditioner\(\)`.*no second moment"):
        optimizer.preconditioner()


def test_before_the_first_step_there_is_none_and_frozen_parameters_are_left_out():
    a, b = two()
    adam = optim.Adam([a, b])
    with pytest.raises(ValueError, match=r"Adam.preconditioner\(\)`: 'A' has taken no step. Call `step`"):
        adam.preconditioner()
    adam.step(lambda: np.sum(a**2))  # b has no gradient
    with pytest.raises(ValueError, match="'b' has taken no step"):
        adam.preconditioner()
    b.requires_grad = False
    assert [d.shape for d in adam.preconditioner()] == [a.shape]


def test_the_preconditioned_sharpness_of_adams_last_step():
    """λ₁ of P^-½ H P^-½, from the dense matrix, from `preconditioned_sharpness`, and from `lanczos`."""
    ps = two()
    adam = optim.Adam(ps, lr=0.01)
    for _ in range(3):
        adam.step(lambda: loss_of(ps))
    P = adam.preconditioner()
    x, d = (np.concatenate([np.ravel(a) for a in arrays]) for arrays in ([p.data for p in ps], P))
    H = hessian(lambda x: np.sum(x[:3] ** 4) + np.sum(2 * x[3:] ** 4))(x)
    λ, U = np.linalg.eigh(H / np.sqrt(np.outer(d, d)))
    assert optim.preconditioned_sharpness(lambda: loss_of(ps), ps, P) == pytest.approx(λ[-1], rel=1e-9)
    product = gradient_and_hvp(loss_of(ps), ps)[1]
    root = [np.sqrt(a) for a in P]
    run = optim.lanczos(
        lambda v: [Hv / r for Hv, r in zip(product([a / r for a, r in zip(v, root)]), root)], ps, 4
    )
    assert run.ritz()[0][-1] == pytest.approx(λ[-1], rel=1e-9)
    u = np.concatenate([np.ravel(a[-1]) for a in run.vectors()])
    assert abs(u @ U[:, -1]) == pytest.approx(1, rel=1e-9)
    assert math.isclose(np.linalg.norm(u), 1)
    loss_of(ps).backward()
    solution = optim.cg(product, [p.grad for p in ps], preconditioner=P)
    assert solution.success
    assert [a.shape for a in solution.x] == [p.shape for p in ps]
