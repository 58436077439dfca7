"""The update rules themselves: identities that hold whatever the code looks like, and properties common to
all rules."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import optim
from minigrad import Tensor
from optim import FirstOrder
from tests.optim.cases import CASES, SETTINGS
from tests.problems import leaf

each = pytest.mark.parametrize("name", SETTINGS)


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        (lambda w, g, *, t, lr: {"W": w - lr * g}, r"Mine\.rule`: must return .*\['W'\]"),
        (lambda w, g, *, t, lr: w - lr * g, r"Mine\.rule`: must return .*Tensor"),
        (
            lambda w, g, *, t, lr: {"w": w - lr * g / np.linalg.norm(g)},
            r"Mine\.rule`: .*elementwise, but norm",
        ),
        (lambda w, g, *, t, lr: {"w": w - lr * g if t > 1 else w}, r"Mine\.rule`: .*bool\(\)"),
    ],
)
def test_rules_that_cannot_be_run(rule, says):
    mine = type("Mine", (FirstOrder,), {"rule": staticmethod(rule)})
    p = leaf([1.0, 2.0])
    opt = mine([p], lr=0.1)
    p.grad = np.ones(2)
    with pytest.raises((TypeError, ValueError), match=says):
        opt.step()
    np.testing.assert_array_equal(p.data, [1, 2])


def test_preview_without_any_gradient_says_so():
    opt = optim.Adam([leaf([1.0])])
    with pytest.raises(ValueError, match=r"`Adam.preview\(\)` needs a gradient.*before zero_grad\(\)"):
        opt.preview()


def test_preview_cannot_change_the_state():
    def rule(w, g, m, *, t, lr):
        m *= 0.5
        return {"w": w - m, "m": m}

    mine = type("Mine", (FirstOrder,), {"rule": staticmethod(rule), "state_names": ("m",)})
    p = leaf([1.0])
    opt = mine([p], lr=0.1)
    p.grad = np.ones(1)
    with pytest.raises(ValueError, match="read-only"):
        opt.preview()


def make(name, params, **more):
    case, options = SETTINGS[name]
    return case.kind(params, **{"lr": case.lr, **options, **more})


def walk(opt, p, gradients):
    """The parameter's value before and after each step with the given gradients."""
    path = [p.data.copy()]
    for g in gradients:
        p.grad = np.array(g, p.dtype)
        opt.step()
        path.append(p.data.copy())
    return np.array(path)


vectors = st.lists(st.floats(0.01, 100) | st.floats(-100, -0.01), min_size=1, max_size=6)


@given(vectors)
def test_first_adam_step_is_lr_times_sign(g):
    path = walk(optim.Adam([p := leaf(np.zeros(len(g)))], lr=0.125, eps=0), p, [g])
    np.testing.assert_allclose(path[1], -0.125 * np.sign(g), rtol=1e-12)


@given(vectors, st.integers(-30, 30))
@settings(max_examples=30)
def test_adam_without_eps_does_not_see_the_scale_of_the_gradient(g, k):
    def run(scale):
        p = leaf(np.zeros(len(g)))
        return walk(
            optim.Adam([p], lr=0.1, eps=0), p, [scale * np.array(g) * (1.5 + math.sin(t)) for t in range(20)]
        )

    np.testing.assert_array_equal(run(2.0**k), run(1.0))
    np.testing.assert_allclose(run(3.7), run(1.0), rtol=1e-9)


def test_first_adam_step_without_bias_correction_is_3_1623_lr():
    out = optim.Adam.rule(
        np.zeros(1), np.array([7.0]), np.zeros(1), np.zeros(1), np.zeros(1),
        t=10**9, lr=1.0, betas=(0.9, 0.999), eps=0.0, weight_decay=0.0, amsgrad=False,
    )  # fmt: skip
    assert out["step"][0] == pytest.approx((1 - 0.9) / math.sqrt(1 - 0.999), rel=1e-12)
    assert out["step"][0] == pytest.approx(3.1623, abs=1e-4)


@given(vectors)
@settings(max_examples=20)
def test_constant_gradient_makes_every_adam_step_lr(g):
    path = walk(optim.Adam([p := leaf(np.zeros(len(g)))], lr=0.125, eps=0), p, [g] * 50)
    np.testing.assert_allclose(np.diff(path, axis=0), np.tile(-0.125 * np.sign(g), (50, 1)), rtol=1e-9)


@given(st.lists(st.floats(0.1, 10), min_size=1, max_size=5), st.floats(0.01, 0.3))
@settings(max_examples=30)
def test_descent_on_a_quadratic_multiplies_each_mode(curvatures, lr):
    λ = np.array(curvatures)
    p = leaf(np.ones(len(λ)))
    opt = optim.SGD([p], lr=lr)
    for _ in range(30):
        opt.step(lambda: np.sum(0.5 * λ * p * p))
    np.testing.assert_allclose(p.data, (1 - lr * λ) ** 30, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("factor", "diverges"), [(0.99, False), (1.01, True)])
def test_descent_diverges_just_beyond_two_over_the_curvature(factor, diverges):
    λ = np.array([0.5, 3.0, 8.0])
    p = leaf([1.0, 1.0, 1.0])
    opt = optim.SGD([p], lr=factor * 2 / λ.max())
    for _ in range(1000):
        opt.step(lambda: np.sum(0.5 * λ * p * p))
    assert (abs(p.data).max() > 1e3) == diverges


@given(st.floats(0.0, 0.99), vectors)
@settings(max_examples=30)
def test_momentum_is_the_heavy_ball_with_a_smaller_rate(beta, g):
    gradients = [np.array(g) * math.cos(t) for t in range(30)]
    ours = walk(optim.Momentum([p := leaf(np.ones(len(g)))], lr=0.1, beta=beta), p, gradients)
    b, w, ball = np.zeros(len(g)), np.ones(len(g)), []
    for x in gradients:
        ball.append(w.copy())
        b = beta * b + x
        w = w - 0.1 * (1 - beta) * b
    np.testing.assert_allclose(ours[:-1], ball, rtol=1e-11, atol=1e-11)


def test_momentum_equals_sgd_from_the_second_step_on_for_the_same_buffer():
    """SGD's first buffer is g where the average's is (1−β)g: feed SGD a zero gradient first and the two
    agree."""
    gradients = [[0.0], [1.0], [-2.0], [0.5]]
    ema = walk(optim.Momentum([p := leaf([1.0])], lr=0.5, beta=0.75), p, gradients)
    ball = walk(optim.SGD([q := leaf([1.0])], lr=0.125, momentum=0.75), q, gradients)
    np.testing.assert_array_equal(ema, ball)  # powers of two: exactly


def test_bias_correction_makes_the_first_momentum_step_plain_descent():
    path = walk(optim.Momentum([p := leaf([1.0])], lr=0.5, beta=0.9, bias_correction=True), p, [[3.0]] * 4)
    np.testing.assert_allclose(np.diff(path[:, 0]), -1.5, rtol=1e-14)


@pytest.mark.parametrize("name", [name for name, (case, _) in SETTINGS.items() if case.textbook])
def test_the_rule_is_that_of_the_textbook(name, rng):
    gradients = rng.standard_normal((50, 4))
    opt = make(name, [p := leaf(np.ones(4))])
    options = {option: value for option, value in opt.defaults.items() if option != "maximize"}
    path = walk(opt, p, gradients)
    for ours, theirs in zip(path[1:], SETTINGS[name][0].textbook(path[0], gradients, **options), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-13)


def test_lion_moves_every_weight_by_lr():
    path = walk(optim.Lion([p := leaf([1.0, -1.0])], lr=0.25), p, [[1e-8, -1e8], [3.0, -1.0]])
    np.testing.assert_array_equal(np.diff(path, axis=0), [[-0.25, 0.25]] * 2)


def test_centered_rmsprop_stays_finite_where_the_variance_rounds_below_zero():
    g = (np.random.default_rng(0).random(1000) + 0.1).astype(np.float32)
    p = leaf(np.ones(1000), np.float32)
    opt = optim.RMSprop([p], centered=True, alpha=0.5)
    path = walk(opt, p, [g] * 300)
    state = opt.state_dict()["state"]["param0"]
    assert (state["v"] - state["g_mean"] ** 2 < 0).any()  # the case is met
    assert np.isfinite(path).all()


RECORDED = [
    (
        "SGD",
        {"lr": 0.05, "momentum": 0.9, "weight_decay": 0.1, "nesterov": True},
        [-0.011092624232425474, -0.10805598314111954, -0.08447690533146796],
    ),
    (
        "SGD",
        {"lr": 0.05, "momentum": 0.8, "dampening": 0.3},
        [-0.11375295791869079, 0.05775412563047282, -0.02709106057499888],
    ),
    (
        "RMSprop",
        {"lr": 0.02, "alpha": 0.8, "eps": 0.1, "weight_decay": 0.1},
        [0.6360277172941482, -0.3381372849342233, 0.0789899150265822],
    ),
    (
        "RMSprop",
        {"lr": 0.02, "alpha": 0.8, "eps": 0.01, "momentum": 0.7, "centered": True},
        [0.02732363009608195, -0.03753649645522017, -0.020979221715523782],
    ),
    (
        "Adam",
        {"lr": 0.05, "betas": (0.8, 0.9), "eps": 0.1, "weight_decay": 0.1},
        [0.3010368655005968, -0.14452850178414384, 0.016478810652108416],
    ),
    (
        "Adam",
        {"lr": 0.05, "betas": (0.8, 0.9), "amsgrad": True},
        [0.32675463719049996, -0.1546392400687002, 0.012742281015437507],
    ),
    (
        "AdamW",
        {"lr": 0.05, "betas": (0.8, 0.9), "weight_decay": 0.3},
        [0.17715715340653138, -0.08953934708506053, 0.0043911316316941305],
    ),
    (
        "Adagrad",
        {"lr": 0.2, "lr_decay": 0.1, "weight_decay": 0.1, "initial_accumulator_value": 0.3},
        [0.404037726771409, -0.16219731503016033, 0.0020976202823423246],
    ),
    (
        "NAdam",
        {"lr": 0.05, "betas": (0.8, 0.9), "weight_decay": 0.1, "momentum_decay": 0.2},
        [0.3310673751266565, -0.17945774930485794, -0.01171613122968601],
    ),
    (
        "NAdam",
        {"lr": 0.05, "weight_decay": 0.3, "decoupled_weight_decay": True},
        [0.2787791987095318, -0.15415483907921596, -0.018692140878357178],
    ),
]  # by torch 2.13 in float64


@pytest.mark.parametrize(("name", "options", "end"), RECORDED)
def test_trajectories_recorded_from_torch(name, options, end):
    """For those who have no torch; `test_against_torch.py` compares many more."""
    p = leaf([1.0, -0.5, 0.2])
    opt = getattr(optim, name)([p], **options)
    for k in range(20):
        p.grad = np.sin(p.data) + p.data**3 + math.cos(0.7 * k)
        opt.step()
    np.testing.assert_allclose(p.data, end, rtol=1e-12)


@each
def test_maximize_is_the_mirror_image(name):
    rng = np.random.default_rng(1)
    gradients = rng.standard_normal((20, 3))
    up = walk(make(name, [p := leaf(np.ones(3))], maximize=True), p, -gradients)
    down = walk(make(name, [p := leaf(np.ones(3))]), p, gradients)
    np.testing.assert_array_equal(up, down)


@each
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_parameters_and_state_keep_their_dtype(name, dtype):
    p = leaf([1.0, 2.0], dtype)
    opt = make(name, [p], lr=np.float64(0.01))
    walk(opt, p, [[1.0, -1.0]] * 3)
    assert p.dtype == dtype
    shown = opt.preview()["param0"]
    assert {v.dtype for v in shown.values() if isinstance(v, np.ndarray)} == {np.dtype(dtype)}


@each
def test_rules_run_on_tensors_and_can_be_recorded(name):
    opt = make(name, [p := leaf([1.0, -2.0, 0.5])])
    walk(opt, p, [[1.0, 0.5, -1.0]] * 2)
    group = opt.param_groups[0]
    w = Tensor(group.w, requires_grad=True)
    state = [Tensor(v) for v in group.state.values()]
    counters = {**group.slices[0].counters, "t": 3}
    out = opt.rule(w, Tensor([1.0, 2.0, 3.0]), *state, **counters, **group.for_rule)
    p.grad = np.array([1.0, 2.0, 3.0])
    assert out["w"].op is not None
    np.testing.assert_array_equal(out["w"].data, opt.preview()["param0"]["w"])


@each
def test_every_optimizer_finds_the_minimum_of_a_bowl(name):
    p = leaf([1.0, -2.0])
    opt = make(name, [p], lr=SETTINGS[name][0].bowl_lr, weight_decay=0.0)
    for _ in range(1000):
        opt.step(lambda: np.sum((p - 0.5) * (p - 0.5)))
    np.testing.assert_allclose(p.data, 0.5, atol=0.05, err_msg="try another `bowl_lr` in the row")


@each
def test_a_long_vector_is_updated_as_a_short_one(name):
    """The blocks in which a long vector is processed cannot be seen in the result."""
    rng = np.random.default_rng(2)
    n = 100_003
    w, gradients = rng.standard_normal(n), rng.standard_normal((2, n))
    whole = leaf(w)
    walk(make(name, [whole]), whole, gradients)
    pieces = [leaf(part) for part in np.array_split(w, [5, 70, 40_000])]
    opt = make(name, pieces)
    for g in gradients:
        for piece, part in zip(pieces, np.array_split(g, [5, 70, 40_000]), strict=True):
            piece.grad = part.copy()
        opt.step()
    np.testing.assert_array_equal(np.concatenate([piece.data for piece in pieces]), whole.data)


@each
def test_preview_is_what_the_step_then_does(name):
    rng = np.random.default_rng(3)
    params = [
        leaf(rng.standard_normal((2, 3)), name="a"),
        leaf(rng.standard_normal(4), name="b"),
        leaf(1.0, name="c"),
    ]
    opt = make(name, params, maximize=True)
    for k in range(4):
        for i, p in enumerate(params):
            p.grad = None if k == i else rng.standard_normal(p.shape)
        before = [p.data.copy() for p in params]
        shown = opt.preview()
        for p, old in zip(params, before, strict=True):
            np.testing.assert_array_equal(p.data, old)
        opt.step()
        saved = opt.state_dict()["state"]
        assert shown.keys() == {p.name for i, p in enumerate(params) if i != k}
        for p in params:
            for key, value in shown.get(p.name, {}).items():
                if key in ("g", "step"):
                    assert value.shape == p.shape
                if key == "g":
                    np.testing.assert_array_equal(value, -p.grad)
                if key == "w" or key in opt.state_names:
                    np.testing.assert_array_equal(value, p.data if key == "w" else saved[p.name][key])


def test_an_optimizer_needs_a_rule():
    p = leaf([1.0])
    p.grad = np.ones(1)
    with pytest.raises(NotImplementedError, match="needs a `rule`"):
        FirstOrder([p], lr=1.0).step()


def test_a_rule_of_ones_own_belongs_to_a_first_order_optimizer():
    mine = type("Mine", (optim.Optimizer,), {"rule": staticmethod(lambda w, g, *, t, lr: {"w": w - lr * g})})
    with pytest.raises(NotImplementedError, match=r"`Mine` needs a `step`.*subclass of `optim\.FirstOrder`"):
        mine([leaf([1.0])], lr=1.0).step()


WITH_EPS = [case for case in CASES if "eps" in case.defaults]


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("eps", [None, 0.0, 1e-8])
@pytest.mark.parametrize("case", WITH_EPS, ids=lambda case: case.name)
def test_a_weight_that_never_had_a_slope_stays(case, eps, dtype):
    p = leaf([1.0, 2.0], dtype)
    optimizer = case.kind([p], lr=0.25, weight_decay=0.0, **({} if eps is None else {"eps": eps}))
    for _ in range(3):
        p.grad = np.array([0.0, 1.0], dtype)
        assert optimizer.preview()["param0"]["step"][0] == 0
        optimizer.step()
    assert p.data[0] == 1
    assert np.isfinite(p.data).all()
    moved = case.moves_without_eps or eps != 0
    assert not moved or p.data[1] < 2, "if its formula says so, set moves_without_eps=False in its row"


@pytest.mark.parametrize("weight_decay", [0.0, 0.5])
@pytest.mark.parametrize("name", SETTINGS)
def test_the_step_of_a_preview_is_the_displacement(name, weight_decay):
    p = leaf([1.0, -2.0])
    optimizer = make(name, [p], weight_decay=weight_decay)
    for g in ([1.0, 0.5], [-2.0, 0.25]):
        p.grad = np.array(g)
        seen = optimizer.preview()["param0"]
        np.testing.assert_allclose(seen["step"], p.data - seen["w"], rtol=1e-12, atol=1e-15)
        optimizer.step()


def test_a_rule_that_drops_its_state_is_refused():
    class Forgetful(optim.Momentum):
        @staticmethod
        def rule(w, g, m, *, lr, **options):
            return {"w": w - lr * (m + g)}

    p = leaf([1.0])
    with pytest.raises(TypeError, match=r"`Forgetful\.rule`: must return a dict with the new w, m, got"):
        Forgetful([p], lr=0.1).step(lambda: (p * p).sum())
    assert p.data == [1.0]
