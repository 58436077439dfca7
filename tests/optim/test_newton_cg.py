"""NewtonCG: a reference written out densely, hard starts, saddle points, order of convergence, batches,
reports, options.

What it shares with Newton and LBFGS (faults, groups, freezing, saving, units) is in test_closure_optimizer.py
for fixed parameters, and here for random functions; its conjugate gradients are in test_cg.py, published
problems in test_problems.py."""

import itertools
import json
import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import optim
from examples.newton_vs_saddle import network
from minigrad import Tensor, grad, hessian
from optim import NewtonCG, minimize
from optim.base.options import KINDS
from optim.second_order.levenberg_marquardt import Iterate, LevenbergMarquardt, lowest, martens_cg
from optim.second_order.method import Settings
from optim.second_order.objective import ClosureObjective, FunctionObjective
from optim.second_order.results import Status
from optim.second_order.solver import Solver
from optim.second_order.stationary import escape
from optim.second_order.trial import NOISE, tried
from optim.second_order.trust_region import TrustRegion
from tests.problems import counting, counting_products, rosenbrock, rotation, wells
from tests.seeds import further

EPS = np.finfo(float).eps
seeds = st.integers(0, 2**32 - 1)
few = settings(max_examples=8, deadline=None, derandomize=True)


def double_well(x):
    """Minima −¼ at (±1, 0), a saddle at 0."""
    return x[0] ** 4 / 4 - x[0] ** 2 / 2 + x[1] ** 2 / 2


def drive(optimizer, closure, most=500):
    """Step until there is a verdict; the infos."""
    infos = []
    while len(infos) < most and (not infos or infos[-1].status == "RUNNING"):
        optimizer.step(closure)
        infos.append(optimizer.last_step)
    return infos


def curvatures(f, x):
    return np.linalg.eigvalsh(hessian(f)(x))


# Random functions of six numbers: least squares of a tanh network, not convex, for all methods


class Fit:
    """f(x) = Σ (c·tanh(Wx) − b)² + 0.05 Σ x², of parameters that x is cut into."""

    def __init__(self, seed):
        rng = np.random.default_rng(seed)
        self.W, self.c, self.b = rng.normal(size=(8, 6)), 2 * rng.normal(size=8), rng.normal(size=8)
        self.start = rng.normal(size=6)

    def __call__(self, x):
        return self.parts(x)[0]

    def parts(self, x):
        outputs = self.c * np.tanh(self.W @ x) - self.b
        return (outputs**2).sum() + 0.05 * (x**2).sum(), outputs

    def cut(self, cuts=(), x=None):
        """The start as named parameters."""
        pieces = np.split(self.start if x is None else x, sorted(cuts))
        return {f"p{i}": Tensor(piece, requires_grad=True) for i, piece in enumerate(pieces)}

    def closure(self, ps, scale=1.0):
        def run():
            loss, outputs = self.parts(np.concatenate([ps[f"p{i}"] for i in range(len(ps))]))
            return loss * scale, outputs

        return run


def joined(ps):
    return np.concatenate([ps[f"p{i}"].numpy() for i in range(len(ps))])


METHODS = {
    "cg": lambda p, **o: NewtonCG(p, **o),
    "cg search": lambda p, **o: NewtonCG(p, globalization="line-search", **o),
    "ggn": lambda p, **o: NewtonCG(p, curvature="ggn", **o),
    "newton": lambda p, **o: optim.Newton(p, **o),
    "newton trust": lambda p, **o: optim.Newton(p, modification="trust", **o),
    "lbfgs": lambda p, **o: optim.LBFGS(p, **o),
}
every = pytest.mark.parametrize("name", METHODS)


@every
@few
@given(seed=seeds)
def test_f_never_rises_but_by_rounding(name, seed):
    fit = Fit(seed)
    ps = fit.cut([2])
    optimizer, closure = METHODS[name](ps), fit.closure(ps)
    losses = [optimizer.step(closure).item() for _ in range(25)]
    for before, after in itertools.pairwise(losses):
        assert after <= before + 1e3 * EPS * abs(before)


@every
@few
@given(seed=seeds, k=st.integers(-60, 60))
def test_powers_of_two_change_no_digit(name, seed, k):
    if name == "ggn":  # its damping has units, and its preconditioner mixes them
        return
    fit = Fit(seed)
    ps, scaled = fit.cut([2]), fit.cut([2])
    one, other = METHODS[name](ps), METHODS[name](scaled)
    for _ in range(12):
        one.step(fit.closure(ps))
        other.step(fit.closure(scaled, 2.0**k))
        np.testing.assert_array_equal(joined(ps), joined(scaled))
    assert one.counts == other.counts


@every
@few
@given(seed=seeds, cuts=st.sets(st.integers(1, 5)), shuffle=st.randoms(use_true_random=False))
def test_how_x_is_cut_and_ordered_changes_nothing(name, seed, cuts, shuffle):
    fit = Fit(seed)
    whole, ps = fit.cut(), fit.cut(cuts)
    names = list(ps)
    # which goes back along CG as long as f is lower: in another order rounding decides between equals
    if name != "ggn":
        shuffle.shuffle(names)
    one, other = METHODS[name](whole), METHODS[name]({n: ps[n] for n in names})
    for _ in range(4):
        lam = np.abs(curvatures(fit, joined(whole)))
        if lam.min() < 1e-3 * lam.max():  # where H is nearly singular rounding is amplified, cut or not
            break
        one.step(fit.closure(whole))
        other.step(fit.closure(ps))
        np.testing.assert_allclose(joined(ps), joined(whole), rtol=1e-10, atol=1e-10)


@every
@few
@given(seed=seeds, frozen=st.integers(0, 2))
def test_frozen_parameters_are_bit_identical_and_the_others_go_as_without_them(name, seed, frozen):
    fit = Fit(seed)
    ps, constant = fit.cut([2, 3]), fit.cut([2, 3])
    ps[f"p{frozen}"].requires_grad = False
    before = ps[f"p{frozen}"].numpy()
    constant[f"p{frozen}"] = Tensor(before)
    one = METHODS[name](ps)
    other = METHODS[name]({n: p for n, p in constant.items() if p.requires_grad})
    for _ in range(5):
        one.step(fit.closure(ps))
        other.step(fit.closure(constant))
    np.testing.assert_array_equal(ps[f"p{frozen}"].data, before)
    np.testing.assert_array_equal(joined(ps), joined(constant))


class Fault(Exception):
    pass


@every
@pytest.mark.parametrize(
    "fault", [Fault("no"), math.nan, *further(KeyboardInterrupt(), -math.inf, FloatingPointError("no"))]
)
def test_a_fault_at_any_call_leaves_the_last_accepted_point(name, fault):
    fit = Fit(3)
    calm = fit.cut([2])
    optimizer, closure = METHODS[name](calm), fit.closure(calm)
    points = [joined(calm)]
    for _ in range(5):
        optimizer.step(closure)
        points.append(joined(calm))
    total = optimizer.counts.nfev
    raised = 0
    for at in range(1, total + 1):
        ps, calls = fit.cut([2]), itertools.count(1)
        optimizer, closure = METHODS[name](ps), fit.closure(ps)

        def failing(closure=closure, calls=calls, at=at):
            loss, outputs = closure()
            if next(calls) != at:
                return loss, outputs
            if isinstance(fault, float):
                return loss * 0 + fault, outputs
            raise fault

        done = 0
        try:
            while done < 5:
                optimizer.step(failing)
                done += 1
                if optimizer.counts.nfev < at:
                    np.testing.assert_array_equal(joined(ps), points[done])
        except (Fault, KeyboardInterrupt, FloatingPointError, ValueError):
            raised += 1
            # bit-identical to the last accepted point
            np.testing.assert_array_equal(joined(ps), points[done])
            assert optimizer.counts.nfev == at
            # and with the state of before, so that the course goes on as if nothing had been
            optimizer.step(closure)
            np.testing.assert_array_equal(joined(ps), points[done + 1])
        else:  # a trial that is not finite is refused, and another one is taken
            assert fit(joined(ps)) <= fit(fit.start)
    assert raised == total if isinstance(fault, Fault | KeyboardInterrupt) else raised >= 5


@every
@few
@given(seed=seeds)
def test_counts_are_those_of_the_calls(name, seed):
    """Losses counted in the closure, gradients and products where they are made."""
    fit = Fit(seed)
    ps = fit.cut([2])
    calls = Counter()
    import optim.second_order.objective as objective

    class Counting(objective.GaussNewton):
        def __init__(self, *args):
            super().__init__(*args)
            self.product = counting_products(super().product, calls)

    def closure():
        calls["losses"] += 1
        return fit.closure(ps)()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(objective, "gradient_and_hvp", counting(objective.gradient_and_hvp, calls))
        patch.setattr(objective, "GaussNewton", Counting)
        optimizer = METHODS[name](ps)
        products = 0
        for _ in range(30):
            optimizer.step(closure)
            products += optimizer.last_step.n_hv if name != "lbfgs" else 0
            counts, kinds = optimizer.counts, ("losses", "gradients", "products")
            assert (counts.nfev, counts.njev, counts.nhev) == tuple(calls[kind] for kind in kinds)
    assert products == calls["products"]


@pytest.mark.parametrize("name", ["cg", "cg search", "ggn"])
@few
@given(seed=seeds)
def test_success_is_true_on_a_second_look(name, seed):
    fit = Fit(seed)
    ps = fit.cut([2])
    first = np.abs(grad(fit)(fit.start)).max()
    infos = drive(METHODS[name](ps, gtol=1e-6), fit.closure(ps))
    assert infos[-1].status != "RUNNING"
    if infos[-1].status.success:
        assert infos[-1].status == "SECOND_ORDER"
        assert np.abs(grad(fit)(joined(ps))).max() <= 1e-6 * first
        values = curvatures(fit, joined(ps))
        assert values[0] >= -1e-6 * np.abs(values).max()
        assert infos[-1].lambda_min == pytest.approx(values[0], rel=1e-6, abs=1e-9 * values[-1])
    else:
        assert infos[-1].status in ("PRECISION_LOSS", "RADIUS_COLLAPSED")


@pytest.mark.parametrize("name", METHODS)
def test_resuming_is_bit_identical(name):
    """Radius, damping, last step, random generator and counts included."""
    fit = Fit(11)
    straight = fit.cut([2])
    optimizer = METHODS[name](straight)
    whole = [(optimizer.step(fit.closure(straight)).item(), optimizer.last_step) for _ in range(8)]
    for k in range(9):
        ps = fit.cut([2])
        first = METHODS[name](ps)
        head = [(first.step(fit.closure(ps)).item(), first.last_step) for _ in range(k)]
        saved, now = json.loads(json.dumps(first.state_dict(), default=np.ndarray.tolist)), joined(ps)
        first.step(fit.closure(ps))  # what was saved are copies
        ps = fit.cut([2], now)
        second = METHODS[name](ps)
        second.load_state_dict(saved)
        assert second.last_step is None
        tail = [(second.step(fit.closure(ps)).item(), second.last_step) for _ in range(8 - k)]
        assert repr(head + tail) == repr(whole)  # an info holds NaN, which equals nothing
        np.testing.assert_array_equal(joined(ps), joined(straight))
        assert second.counts == optimizer.counts
        assert repr(second.state_dict()) == repr(optimizer.state_dict())


def test_the_random_generator_of_the_check_is_saved():
    """With 501 numbers the curvature is found by Lanczos, from a random start."""
    scales = np.linspace(1, 2, 501)

    def f(x):
        return (scales * (1 - np.cos(x))).sum()  # 0 is a minimum, π a maximum

    def optimizer_at(x):
        p = Tensor(x, requires_grad=True)
        return p, NewtonCG([p], gtol_abs=1e-6)

    p, optimizer = optimizer_at(np.full(501, np.pi))
    optimizer.step(lambda: f(p))
    assert optimizer.last_step.escaped
    saved, now = optimizer.state_dict(), p.numpy()
    assert saved["newton_cg"]["solver"]["rng"] != NewtonCG([p]).state_dict()["newton_cg"]["solver"]["rng"]
    q, other = optimizer_at(now)
    other.load_state_dict(saved)
    assert repr(other.state_dict()) == repr(saved)
    one, two = drive(optimizer, lambda: f(p)), drive(other, lambda: f(q))
    np.testing.assert_array_equal(p.data, q.data)
    assert repr(one) == repr(two)
    assert one[-1].status == "SECOND_ORDER"
    assert repr(optimizer.state_dict()) == repr(other.state_dict())


# A reference: the method with the whole Hessian, written out


def reference(f, x, steps):
    """The points of Steihaug's trust-region method, superlinear forcing, as in the books."""
    gradient, matrix = grad(f), hessian(f)
    points, radius, first = [x], None, np.linalg.norm(gradient(x))
    while len(points) <= steps:
        g, H = gradient(x), matrix(x)
        size = np.linalg.norm(g)
        eta = min(0.5, math.sqrt(size / first))
        radius = radius or 10 * size**2 / np.linalg.norm(H @ g)
        while True:
            z, r, d = np.zeros_like(x), g, -g
            while True:
                curvature = d @ H @ d
                a = r @ r / curvature if curvature > 0 else math.inf
                if curvature <= 0 or np.linalg.norm(z + a * d) >= radius:
                    roots = np.roots([d @ d, 2 * z @ d, z @ z - radius**2])
                    z = z + roots.real.max() * d
                    break
                z, before, r = z + a * d, r, r + a * H @ d
                if np.linalg.norm(r) <= eta * size:
                    break
                d = -r + (r @ r) / (before @ before) * d
            rho = (f(x) - f(x + z)) / -(g @ z + 0.5 * z @ H @ z)
            length = np.linalg.norm(z)
            if not rho >= 0.25:
                radius = 0.25 * min(radius, length)
            elif rho > 0.75 and length >= 0.99 * radius:
                radius = 2 * radius
            if rho > 0.1:
                break
        x = x + z
        points.append(x)
    return points


@pytest.mark.parametrize("seed", range(6))
def test_the_steps_are_those_of_the_books(seed):
    fit = Fit(seed)
    p = Tensor(3 * fit.start, requires_grad=True)
    optimizer = NewtonCG([p])
    for expected in reference(lambda x: fit(x), 3 * fit.start, 8):
        np.testing.assert_allclose(p.data, expected, rtol=1e-7, atol=1e-9)
        optimizer.step(lambda: fit(p))


@pytest.mark.parametrize("seed", range(4))
def test_the_report_of_a_step(seed):
    fit = Fit(seed)
    p = Tensor(3 * fit.start, requires_grad=True)
    optimizer, closure = NewtonCG([p]), lambda: fit(p)
    seen = set()
    for k in range(40):
        x, counts = p.numpy(), optimizer.counts.nfev
        radius = optimizer._method.method.radius
        f = optimizer.step(closure).item()
        info = optimizer.last_step
        if info.status != "RUNNING":
            break
        g, H, s = grad(fit)(x), hessian(fit)(x), p.data - x
        assert info.accepted
        assert optimizer.counts.nfev - counts == (1 if k else 2) + info.rejections + 1
        assert info.step_norm == pytest.approx(np.linalg.norm(s))
        assert info.predicted == pytest.approx(-(g @ s + 0.5 * s @ H @ s), rel=1e-6, abs=1e-15)
        if not info.noise:
            assert info.actual == pytest.approx(f - fit(p.data), rel=1e-9, abs=1e-15)
        assert info.rho == pytest.approx(info.actual / info.predicted)
        assert info.rho > 0.1
        assert info.eta == min(0.5, math.sqrt(np.linalg.norm(g) / np.linalg.norm(grad(fit)(3 * fit.start))))
        assert info.n_hv == info.n_cg > 0
        d, Hd = -g, -H @ g
        assert info.smallest_curvature <= d @ Hd / (d @ d) + 1e-9
        assert info.smallest_curvature >= np.linalg.eigvalsh(H)[0] - 1e-9
        assert (info.why == "negative curvature") <= (info.smallest_curvature <= 0)
        if info.why == "converged":
            assert np.linalg.norm(g + H @ s) <= info.eta * np.linalg.norm(g) * (1 + 1e-6)
        before = radius if not info.rejections else None
        if before:
            grown = info.rho > 0.75 and info.step_norm >= 0.99 * before
            expected = (
                2 * before if grown else before if info.rho >= 0.25 else 0.25 * min(before, info.step_norm)
            )
            assert info.radius == pytest.approx(expected)
            if info.why in ("boundary", "negative curvature"):
                assert info.step_norm == pytest.approx(before)
        assert not math.isfinite(info.lambda_min)
        seen.add(info.why)
    assert info.status == "SECOND_ORDER"
    assert (info.accepted, info.n_cg, info.n_hv, info.step_norm) == (False, 0, 6, 0)
    assert info.lambda_min == pytest.approx(np.linalg.eigvalsh(hessian(fit)(p.data))[0], rel=1e-9)
    assert "converged" in seen


# Hard starts


def scaled_rosenbrock(x):
    return rosenbrock(x * np.array([1e8, 1e-8]))


def wall(x):
    """Not a number beyond the hyperbola x·y = 4, with a minimum just inside."""
    return -np.log(4 - x[0] * x[1]) + (x[0] - 1.9) ** 2 + (x[1] - 1.9) ** 2


HARD = {  # f, start, f at the minimum
    "NaN region": (lambda x: (x - np.log(x)).sum(), [3, 5], 2),
    "NaN region, close": (lambda x: (x - np.log(x)).sum(), [1e-3, 100], 2),
    "overflow": (lambda x: (np.exp(x) - 2 * x).sum(), [-30, 30], 4 - 4 * math.log(2)),
    "saddle": (double_well, [0, 0], -0.25),
    "onto a saddle": (double_well, [0, 1], -0.25),
    "maximum": (lambda x: np.cos(x).sum() + 2, [0, 0], 0),
    "monkey saddle": (lambda x: x[0] ** 3 - 3 * x[0] * x[1] ** 2 + (x**4).sum(), [0, 0], None),
    "flat quartic": (lambda x: (x**4).sum(), [1, 2], 0),
    "flat quartic, f + 1": (lambda x: (x**4).sum() + 1, [1, 2], 1),
    "exact minimum": (rosenbrock, [1, 1], 0),
    "f + 1e6": (lambda x: rosenbrock(x) + 1e6, [-1.2, 1], 1e6),
    "well + 1e6": (lambda x: double_well(x) + 1e6, [0, 1], 1e6 - 0.25),
    "scales 1e±8": (scaled_rosenbrock, [-1.2e-8, 1e8], 0),
    "scales 1e±8, well": (lambda x: double_well(x * np.array([1e-8, 1e8])), [3e7, 2e-8], -0.25),
    "constant": (lambda x: 0 * x[0] + 3, [1, 2], 3),
    "linear valley": (lambda x: (x[0] + x[1] - 3) ** 2, [5, 6], 0),
    "wall": (wall, [0, 0], None),
    "f of 1e-200": (lambda x: 1e-200 * rosenbrock(x), [-1.2, 1], 0),
    "f of 1e200": (lambda x: 1e200 * rosenbrock(x), [-1.2, 1], 0),
}


@pytest.mark.parametrize(
    "options", [{}, {"globalization": "line-search"}, {"forcing": "quadratic"}, {"forcing": 0.01}], ids=str
)
@pytest.mark.parametrize("name", HARD)
def test_hard_starts_end_at_the_minimum_and_success_is_never_false(name, options):
    f, start, best = HARD[name]
    p = Tensor(np.array(start, float), requires_grad=True)
    infos = drive(NewtonCG([p], **options), lambda: f(p))
    status, x = infos[-1].status, p.numpy()
    assert np.isfinite(x).all()
    assert status in ("SECOND_ORDER", "PRECISION_LOSS", "RADIUS_COLLAPSED")
    if status.success:
        g = np.abs(grad(f)(x)).max()
        first = max(np.abs(grad(f)(np.array(start, float))).max(), *(info.escaped for info in infos))
        assert g <= 1e-8 * first
        values = curvatures(f, x)
        assert values[0] >= -1e-6 * np.abs(values).max()
    if best is not None:
        scale = f(np.array(start, float)) - best
        assert f(x) - best <= 1e-6 * abs(scale) + 1e-9 * abs(best) or not status.success
    assert status.success or name in (
        "f + 1e6",
        "well + 1e6",
        "scales 1e±8",
        "overflow",
        "flat quartic, f + 1",
    ), status


@pytest.mark.parametrize("frozen", [0, 1])
def test_one_frozen_parameter(frozen):
    x = [Tensor(v, requires_grad=i != frozen) for i, v in enumerate((-1.2, 1.0))]
    infos = drive(NewtonCG(x), lambda: 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2)
    assert infos[-1].status == "SECOND_ORDER"
    assert x[frozen].item() == (-1.2, 1.0)[frozen]
    free = 1 - frozen
    # With the second one fixed at 1 the slope is 2(x − 1)(200x² + 200x + 1), and the start lies on the left.
    assert x[free].item() == pytest.approx(1.44 if free else -(1 + math.sqrt(0.98)) / 2)


@given(seeds, st.integers(2, 6))
@few
def test_planted_saddles_are_left(seed, n):
    """f = ½Σλu² + ¼Σu⁴ in rotated coordinates u: 0 is a saddle, and the minima are at u = ±√−λ where λ <
    0."""
    rng = np.random.default_rng(seed)
    Q = rotation(rng, n)
    lam = rng.uniform(0.1, 2, n) * np.where(np.arange(n) == rng.integers(n), -1, rng.choice([-1, 1], n))
    f, best = wells(Q, lam), -0.25 * (lam[lam < 0] ** 2).sum()
    # from here every step of descent leads to the saddle
    stable = Q.T @ (np.where(lam > 0, 1.0, 0.0) * rng.normal(size=n))
    for start in (np.zeros(n), stable):
        for options in ({}, {"globalization": "line-search"}):
            result = minimize(f, start, options=options)
            assert result.status == "SECOND_ORDER"
            assert result.fun == pytest.approx(best, rel=1e-9)
        stays = minimize(f, np.zeros(n), options={"second_order": False})
        assert (stays.status, stays.nit) == ("FIRST_ORDER", 0)


def test_escapes_are_told():
    p = Tensor([0.0, 0.0], requires_grad=True)
    optimizer = NewtonCG([p])
    optimizer.step(lambda: double_well(p))
    info = optimizer.last_step
    assert (info.accepted, info.escaped, info.status, info.n_hv) == (True, True, "RUNNING", 3)
    assert info.lambda_min == pytest.approx(-1)
    assert info.step_norm == np.abs(p.data[0]) > 0
    assert p.data[1] == 0


@pytest.mark.parametrize("sign", [-1, 1])
def test_an_escape_goes_down_the_slope_until_f_has_fallen_by_a_quarter_of_the_model(sign):
    objective = FunctionObjective(lambda x: -0.5 * x[0] ** 2 + x[0] ** 4 + sign * 1e-3 * x[0])
    here = objective(np.zeros(1))
    for v in (np.array([3.0]), np.array([-3.0])):  # of any length
        for first, expected in ((0.65, 0.325), (0.6, 0.6)):  # 0.65 falls by 0.0327, short of 0.65²/8
            there, s = escape(objective, here, v, first, NOISE)
            assert s == expected
            np.testing.assert_allclose(there.x, -sign * s)
    assert (
        escape(
            FunctionObjective(lambda x: x[0] ** 2),
            FunctionObjective(lambda x: x[0] ** 2)(np.zeros(1)),
            v,
            1.0,
            NOISE,
        )[0]
        is None
    )


# Order of convergence


@pytest.mark.parametrize(
    ("forcing", "order"), [("superlinear", 1.3), ("quadratic", 1.8), ("eisenstat-walker", 1.5)]
)
@pytest.mark.parametrize("globalization", ["trust-region", "line-search"])
def test_the_order_of_convergence(forcing, order, globalization):
    rng = np.random.default_rng(1)
    A = rng.normal(size=(60, 40)) / 6
    f = lambda x: np.exp(A @ x).sum() + 0.5 * (np.geomspace(0.1, 10, 40) * x**2).sum() - x.sum()  # noqa: E731
    best = minimize(f, np.zeros(40), options={"forcing": 1e-8, "gtol": 1e-14}).x
    result = minimize(
        f,
        best + 1.0,
        options={"forcing": forcing, "globalization": globalization, "gtol": 1e-13, "second_order": False},
    )
    errors = [e for e in (np.linalg.norm(point.x - best) for point in result.trace) if e > 1e-12]
    orders = [math.log(c / b) / math.log(b / a) for a, b, c in zip(errors[-4:], errors[-3:], errors[-2:])]
    assert np.median(orders) >= order


# Many unknowns: a forcing that sees flat directions


@pytest.mark.parametrize(
    ("seed", "target"),
    [(0, lambda x: np.sin(3 * x)), (2, np.abs),
     *further((1, lambda x: np.sin(3 * x)), (2, lambda x: np.sin(5 * x)), (1, lambda x: np.cos(2 * x)))],
)  # fmt: skip
def test_a_network_with_more_weights_than_points_meets_them_to_rounding(seed, target):
    """701 weights, 12 points: H has rank 12 at the end, and the least of its 12 eigenvalues is tiny."""
    x = np.linspace(-1, 1, 12)[:, None]
    model, y = network(seed), target(x)
    optimizer = NewtonCG(model.named_parameters())
    for _ in range(300):
        if float(optimizer.step(lambda: np.mean((model(x) - y) ** 2)).data) <= 1e-25:
            return
    pytest.fail(f"the loss is {float(np.mean((model(x) - y) ** 2).data)} after 300 steps")


def test_a_saddle_point_met_on_the_way_does_not_set_the_forcing():
    """From x₀ = 0 the steps go to the saddle point at 0, where the gradient is next to nothing."""
    scales = np.linspace(1, 9, 59)
    f = lambda x: x[0] ** 4 / 4 - x[0] ** 2 / 2 + (scales * (x[1:] ** 2 + x[1:] ** 4)).sum()  # noqa: E731
    steps = [point.step for point in minimize(f, np.r_[0.0, np.ones(59)]).trace[1:]]
    escape = [step.escaped for step in steps].index(True)
    assert escape > 3
    assert steps[escape + 1].eta > 1e-3


# Closures: one function for a step, batches, determinism


def test_a_closure_that_is_not_deterministic_is_refused():
    p, rng = Tensor([1.0, 2.0], requires_grad=True), np.random.default_rng(0)
    optimizer = NewtonCG([p])
    with pytest.raises(
        ValueError, match="the closure is not deterministic: two calls at the same parameters gave the losses"
    ):
        optimizer.step(lambda: (p * p).sum() + rng.normal())
    np.testing.assert_array_equal(p.data, [1, 2])
    assert optimizer.counts.nfev == 2
    assert optimizer.last_step is None


def test_batches_switch_the_curvature_check_off():
    """Another loss where the last step ended is another batch; the check would take n products for each."""
    for choice, expected in (("auto", "FIRST_ORDER"), (True, "SECOND_ORDER"), (False, "FIRST_ORDER")):
        p = Tensor([1e-9, 1e-9], requires_grad=True)
        optimizer = NewtonCG([p], gtol_abs=1.0, second_order=choice)
        status = []
        for batch in (1.0, 1.0, 2.0, 2.0):
            optimizer.step(lambda batch=batch, p=p: batch * (1 + (p * p).sum()))
            status.append(optimizer.last_step.status)
            assert (optimizer.last_step.n_hv == 2) == (status[-1] == "SECOND_ORDER")
        first = "FIRST_ORDER" if choice is False else "SECOND_ORDER"
        assert status == [first, first, expected, expected]  # a batch that comes again does not switch it on


def test_moving_the_parameters_by_hand_is_not_another_batch():
    p = Tensor([1e-9, 1e-9], requires_grad=True)
    optimizer = NewtonCG([p], gtol_abs=1.0)
    for _ in range(3):
        optimizer.step(lambda: 1 + np.sinh(p).sum())
        assert optimizer.last_step.status == "SECOND_ORDER"
        p.assign(p.data * 3)


def test_batches_one_for_each_step_train_a_model():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 3))
    t = np.sin(X @ [1.0, -2.0, 0.5])
    w = [Tensor(0.5 * rng.normal(size=s), requires_grad=True) for s in ((3, 8), (8,), (8, 1))]
    optimizer = NewtonCG(w, weight_decay=1e-4)

    def loss(rows=slice(None)):
        return np.mean(((np.tanh(X[rows] @ w[0] + w[1]) @ w[2])[:, 0] - t[rows]) ** 2)

    before = loss().item()
    for k in range(40):
        rows = slice(100 * (k % 4), 100 * (k % 4) + 100)
        a = loss(rows).item()
        optimizer.step(lambda rows=rows: loss(rows))
        assert loss(rows).item() <= a + 1e-4
    assert loss().item() < 0.3 * before
    assert optimizer.full_batch is False


# What happens where there is no way on


def test_f_without_a_bound_is_told():
    p = Tensor([1.0], requires_grad=True)
    assert drive(NewtonCG([p]), lambda: -(p**2).sum())[-1].status == "UNBOUNDED"


@pytest.mark.parametrize("options", [{}, {"globalization": "line-search"}])
def test_where_every_trial_is_not_finite_the_radius_collapses(options):
    p, calls = Tensor([0.0, 0.0], requires_grad=True), itertools.count()
    optimizer = NewtonCG([p], **options)
    optimizer.step(lambda: ((p - 1) ** 2).sum() * (1.0 if next(calls) < 2 else math.nan))
    info = optimizer.last_step
    assert (info.accepted, info.status, info.step_norm) == (False, "RADIUS_COLLAPSED", 0)
    assert info.rejections == 60 == optimizer.counts.nfev - 2
    assert optimizer.counts.njev == 1
    np.testing.assert_array_equal(p.data, 0)


@pytest.mark.parametrize("globalization", ["trust-region", "line-search"])
def test_a_trial_with_a_finite_f_but_no_gradient_is_refused(globalization):
    seen = []

    def slope(x):
        seen.append(x[0])
        return np.where(x < 1.5, np.nan, 2 * (x - 1))

    result = minimize(
        lambda x: ((x - 1) ** 2).sum(),
        [3.0],
        jac=slope,
        hessp=lambda x, v: 2 * v,
        options={"globalization": globalization},
    )
    assert min(seen) < 1.5 <= result.x[0] < 1.51
    assert np.isfinite(result.jac).all()
    assert not result.success


def test_curvature_that_cannot_be_followed_is_no_minimum():
    """In scaled coordinates this Hessian, which is not that of f, has the eigenvalues 3 and −1; but f does
    not fall."""
    H = np.array([[1e16, 2.0], [2.0, 1e-16]])
    result = minimize(
        lambda x: 1 + (x**2).sum(),
        np.zeros(2),
        jac=lambda x: 2 * x,
        hess=lambda x: H,
        options={"gtol_abs": 1e-3},
    )
    assert (result.status, result.success, result.nit) == ("PRECISION_LOSS", False, 0)


def test_each_rejection_quarters_the_radius():
    p, seen, calls = Tensor([0.0, 0.0], requires_grad=True), [], itertools.count()

    def closure():
        seen.append(np.linalg.norm(p.data))
        return ((p - 1) ** 2).sum() * (1.0 if next(calls) < 2 else math.nan)

    optimizer = NewtonCG([p], max_radius=1.0)
    optimizer.step(closure)
    np.testing.assert_allclose(seen[2:], 0.25 ** np.arange(60), rtol=1e-9)
    assert optimizer.last_step.n_hv == 1, "a rejection costs no product"


def test_rounding_is_told_from_a_minimum():
    """The gradient cannot become 1e-20 of the first one: it has no such digits."""
    p = Tensor([-1.2, 1.0], requires_grad=True)
    info = drive(
        NewtonCG([p], gtol=1e-22),
        lambda: 100 * (p[1] - p[0] ** 2) ** 2 + (1.1 - p[0]) ** 2 + np.exp(p[1]) * 1e-3,
    )[-1]
    assert info.status == "PRECISION_LOSS"
    assert not info.status.success


def test_strict_monotone_never_accepts_a_higher_f():
    rises = lambda x: 1.0 + (1e-14 if x[0] < 0.5 else 0.0)  # noqa: E731  # by rounding, while the slopes say that it falls
    for strict in (False, True):
        objective = FunctionObjective(rises, jac=lambda x: 2 * x)
        here = objective(np.array([1.0]))
        trial = tried(objective, here, np.array([-0.9]), 0.99, NOISE, strict)
        assert trial.noise
        assert (trial.rho > 0.1) is not strict
        assert (trial.there is None) is strict
        assert trial.actual == pytest.approx(-1e-14 if strict else 0.99, rel=0.2)
    fit = Fit(2)
    ps = fit.cut()
    optimizer = NewtonCG(ps, strict_monotone=True, gtol=1e-15)
    losses = [optimizer.step(lambda: fit.closure(ps)()[0] + 1e4).item() for _ in range(30)]
    assert all(b <= a for a, b in itertools.pairwise(losses))


def test_noise_is_decided_by_the_slopes():
    """f + 1e8 cannot tell steps below 1e-3; the gradients can."""
    p = Tensor([1.0, 1.0], requires_grad=True)
    optimizer = NewtonCG([p])
    infos = drive(optimizer, lambda: np.cosh(p).sum() + 1e8)
    assert infos[-1].status == "SECOND_ORDER"
    assert any(info.noise and info.accepted for info in infos)
    assert np.abs(p.data).max() < 1e-7


def test_max_radius_bounds_every_step():
    for options in ({}, {"globalization": "line-search"}, {"curvature": "ggn"}):
        fit = Fit(4)
        ps = fit.cut()
        optimizer = NewtonCG(ps, max_radius=0.01, **options)
        for _ in range(10):
            x = joined(ps)
            optimizer.step(fit.closure(ps))
            assert np.linalg.norm(joined(ps) - x) <= 0.01 * (1 + 1e-9)
            assert optimizer.last_step.radius <= 0.01 * (1 + 1e-9)


# Preconditioners and Gauss–Newton


def test_a_preconditioner_saves_products():
    scales = np.geomspace(1, 1e8, 60)

    def run(**options):
        p = Tensor(np.ones(60), requires_grad=True)
        infos = drive(
            NewtonCG([p], gtol=1e-10, **options),
            lambda: 0.5 * (scales * p**2).sum() + 0.01 * np.cosh(p).sum(),
        )
        assert infos[-1].status == "SECOND_ORDER"
        return sum(info.n_cg for info in infos), p.numpy()

    (none, _), (diagonal, x), (function, y) = (
        run(),
        run(preconditioner=scales),
        run(preconditioner=lambda r: r / scales),
    )
    assert (diagonal, x.tolist()) == (function, y.tolist())
    assert 5 * diagonal < none


def test_gauss_newton_is_exact_for_linear_least_squares():
    rng = np.random.default_rng(0)
    A, b = rng.normal(size=(20, 5)), rng.normal(size=20)
    p = Tensor(rng.normal(size=5), requires_grad=True)

    def closure():
        outputs = A @ p
        return ((outputs - b) ** 2).sum(), outputs

    optimizer = NewtonCG([p], curvature="ggn", damping=0.0, preconditioner=np.ones(5))
    optimizer.step(closure)
    np.testing.assert_allclose(p.data, np.linalg.lstsq(A, b)[0], rtol=1e-7)
    assert optimizer.last_step.rho == pytest.approx(1)


def test_the_damping_follows_rho():
    """ρ > ¾: ·2/3, ρ < ¼: ·3/2, both by the full step."""
    fit = Fit(9)
    ps = fit.cut([2])
    optimizer, damping = NewtonCG(ps, curvature="ggn", damping=1e-3), 1e-3
    seen = set()
    for _ in range(25):
        optimizer.step(fit.closure(ps))
        info = optimizer.last_step
        if not info.accepted:
            break
        factor = 2 / 3 if info.rho > 0.75 else 1.5 if not info.rho >= 0.25 else 1.0
        assert info.damping == pytest.approx(damping * factor)
        damping = info.damping
        seen.add(factor)
        assert optimizer.state_dict()["newton_cg"]["solver"]["method"]["damping"] == damping
    assert len(seen) >= 2


def test_gauss_newton_needs_the_outputs():
    p = Tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(TypeError, match=r'curvature="ggn" needs a closure that returns \(loss, outputs\)'):
        NewtonCG([p], curvature="ggn").step(lambda: (p * p).sum())
    np.testing.assert_array_equal(p.data, [1, 2])


@pytest.mark.parametrize("product", [0.0, math.nan, math.inf, -math.inf])
def test_where_the_first_gauss_newton_product_says_nothing_the_slope_is_left(product):
    g = np.array([3.0, -4.0])
    run = martens_cg(lambda v: v * product, g, 0.0, 1e-9, 10)
    np.testing.assert_array_equal(run.kept[-1].p, -g)
    np.testing.assert_array_equal(run.kept[-1].Gp, 0)
    p = Tensor([1.0, 2.0], requires_grad=True)

    def closure():  # linear in the outputs, so that G = 0
        outputs = p**2
        return outputs.sum(), outputs

    optimizer = NewtonCG([p], curvature="ggn", damping=0.0, preconditioner=np.ones(2))
    for _ in range(5):
        optimizer.step(closure)
        assert optimizer.last_step.accepted or not p.data.any()
    assert np.abs(p.data).max() < 1


def test_the_seed_draws_the_signs_of_the_preconditioner():
    def steps(seed):
        fit = Fit(5)
        ps = fit.cut()
        optimizer = NewtonCG(ps, curvature="ggn", seed=seed)
        for _ in range(3):
            optimizer.step(fit.closure(ps))
        return joined(ps)

    assert (steps(1) == steps(1)).all()
    assert (steps(1) != steps(2)).any()


def test_the_preconditioner_is_martens():
    """M = (diag(mean gᵢ²) + λ)^¾, where gᵢ is the gradient of one row's loss; rows that share no weight need
    no estimate."""
    c, w = np.array([1.0, 2.0, 0.5]), np.array([3.0, -1.0, 4.0])
    p = Tensor(w, requires_grad=True)

    def closure():
        outputs = p * c
        return (outputs**2).mean(), outputs

    here = ClosureObjective(closure, [p], [0.0], "NewtonCG").here()
    solve = LevenbergMarquardt(damping=0.25)._martens(here)
    np.testing.assert_allclose(solve(np.ones(3)), ((2 * c * c * w) ** 2 / 3 + 0.25) ** -0.75, rtol=1e-14)


def test_of_the_iterates_of_cg_the_lowest_is_taken_from_behind():
    """As long as the one before is lower, or f is not finite at all."""
    kept = [Iterate(np.array([p]), np.zeros(1)) for p in (1.0, 2.0, 3.0, 4.0, 5.0)]

    def best(*values):
        f = FunctionObjective(lambda x: values[int(x[0])], jac=np.zeros_like)
        here = f(np.zeros(1))
        return int(lowest(f, here, kept, NOISE).p[0]), f.counts.nfev - 1

    assert best(9.0, 5.0, 4.0, 3.0, 2.0, 1.0) == (5, 2)
    assert best(9.0, 5.0, 2.0, 3.0, 4.0, 5.0) == (2, 5)
    assert best(9.0, 1.0, 2.0, 3.0, 3.0, 4.0) == (4, 3)  # what is no lower ends it
    assert best(9.0, 1.0, 2.0, 3.0, math.nan, math.inf) == (1, 5)
    assert best(9.0, 5.0, 6.0, math.nan, 3.0, 4.0) == (4, 5 - 1)


def test_the_last_solution_is_where_cg_starts():
    fit = Fit(7)
    ps = fit.cut([2])
    optimizer = NewtonCG(ps, curvature="ggn")
    optimizer.step(fit.closure(ps))
    first = optimizer.last_step
    last = np.concatenate([part.ravel() for part in optimizer.state_dict()["newton_cg"]["previous"].values()])
    assert np.linalg.norm(last) >= first.step_norm * (1 - 1e-9)
    seen = []
    real = martens_cg

    def watched(*args, **kwargs):
        seen.append(kwargs["start"])
        return real(*args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("optim.second_order.levenberg_marquardt.martens_cg", watched)
        optimizer.step(fit.closure(ps))
    np.testing.assert_array_equal(seen[0], 0.95 * last)


# Options


BAD = {
    "forcing": ["fast", 0.0, 1.0, -0.5, math.nan, True, None],
    "max_radius": [0.0, -1.0, math.nan, "1", True],
    "initial_radius": [0.0, -1.0, math.nan, math.inf, "1", True],
    "lambda_tol": [-1e-6, 1.0, math.nan, "0", None],
    "gtol": [-1e-8, math.nan, math.inf, "1e-8", False],
    "gtol_abs": [-1.0, math.nan, math.inf],
    "strict_monotone": [1, "yes", None],
    "second_order": [1, "yes", None],
    "weight_decay": [-0.1, math.nan, "0", True],
}
BAD_AT_CONSTRUCTION = {
    "globalization": ["newton", None, True],
    "curvature": ["fisher", None],
    "seed": [-1, 0.5, True, None],
    "preconditioner": [np.array([1.0, 0.0]), np.array([1.0, math.nan]), np.eye(2), np.array([1.0, -2.0])],
    "damping": [0.1],  # a trust region has none
}


def test_the_tables_name_every_option():
    p = Tensor([1.0, 2.0], requires_grad=True)
    options = NewtonCG([p]).param_groups[0].keys() - {"params"}
    assert options == BAD.keys() <= KINDS.keys()


@pytest.mark.parametrize(
    ("option", "value"), [(o, v) for o, vs in (BAD | BAD_AT_CONSTRUCTION).items() for v in vs], ids=repr
)
def test_bad_options_are_refused_at_construction_and_when_edited(option, value):
    p = Tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises((ValueError, TypeError), match=rf"`NewtonCG\({option}=...\)`"):
        NewtonCG([p], **{option: value})
    if option in BAD:
        with pytest.raises((ValueError, TypeError), match=rf"`NewtonCG\({option}=...\)`"):
            NewtonCG([{"params": [p], option: value}])
        optimizer = NewtonCG([p])
        before = optimizer.param_groups[0][option]
        with pytest.raises((ValueError, TypeError), match=rf"`NewtonCG\({option}=...\)`"):
            optimizer.param_groups[0][option] = value
        assert optimizer.param_groups[0][option] == before


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"curvature": "ggn", "globalization": "line-search"}, "brings its own damping"),
        ({"globalization": "line-search", "preconditioner": [1.0, 1.0]}, "takes no preconditioner"),
        ({"damping": 0.1}, "a trust region has a radius"),
        ({"curvature": "ggn", "damping": -1.0}, "a finite number ≥ 0"),
        ({"globalization": "line-search", "damping": math.nan}, "a finite number ≥ 0"),
    ],
)
def test_options_that_exclude_each_other(options, says):
    with pytest.raises(ValueError, match=says):
        NewtonCG([Tensor([1.0, 2.0], requires_grad=True)], **options)


def test_what_has_no_place_here_is_refused_with_the_reason():
    a, b = Tensor([1.0], requires_grad=True), Tensor([2.0], requires_grad=True)
    for option, value, why in [
        ("lr", 0.1, "would turn it away from the direction in which the model was minimized"),
        ("decoupled_weight_decay", True, "would break the comparison of f with its model"),
    ]:
        with pytest.raises(ValueError, match=rf"`NewtonCG\({option}=...\)` does not exist.*{why}"):
            NewtonCG([{"params": [a]}, {"params": [b], option: value}])
        with pytest.raises(TypeError, match=option):
            NewtonCG([a, b], **{option: value})
    with pytest.raises(ValueError, match=r"\(gtol=...\)` must be the same in all groups"):
        NewtonCG([{"params": [a]}, {"params": [b], "gtol": 0.1}])


def test_options_edited_later_are_used():
    fit = Fit(1)
    ps = fit.cut()
    optimizer = NewtonCG(ps)
    optimizer.step(fit.closure(ps))
    assert optimizer.last_step.eta == 0.5
    optimizer.param_groups[0]["forcing"] = 0.01
    optimizer.param_groups[0]["max_radius"] = 1e-3
    optimizer.step(fit.closure(ps))
    assert optimizer.last_step.eta == 0.01
    assert optimizer.last_step.step_norm <= 1e-3 * (1 + 1e-9)
    optimizer.param_groups[0]["gtol_abs"] = 1e6
    optimizer.step(fit.closure(ps))
    assert optimizer.last_step.n_cg == 0
    assert optimizer.last_step.lambda_min == pytest.approx(curvatures(fit, joined(ps))[0], abs=30)
    optimizer.param_groups[0]["second_order"] = False
    optimizer.step(fit.closure(ps))
    assert optimizer.last_step.status == "FIRST_ORDER"


def test_coupled_weight_decay_is_in_f_g_and_the_products():
    ps = Tensor([3.0, 4.0], requires_grad=True)
    optimizer = NewtonCG([ps], weight_decay=2.0, forcing=1e-9)
    # f + Σw² has its minimum at −½(1, 3), one Newton step away
    optimizer.step(lambda: (np.array([1.0, 3.0]) * ps).sum())
    np.testing.assert_allclose(ps.data, [-0.5, -1.5], rtol=1e-12)
    assert optimizer.last_step.rho == pytest.approx(1)


def test_what_does_not_fit_is_not_loaded_and_changes_nothing():
    fit = Fit(1)
    ps = fit.cut([2])
    optimizer = NewtonCG(ps)
    for _ in range(3):
        optimizer.step(fit.closure(ps))
    good = optimizer.state_dict()
    inner = good["newton_cg"]
    line = NewtonCG(fit.cut([2]), globalization="line-search").state_dict()
    broken = {**inner, "solver": {**inner["solver"], "rng": {"bit_generator": "none"}}}
    for bad in (None, {}, line, {**good, "newton_cg": None}, {**good, "newton_cg": broken}, {**good,
                "state": {}}, {**good, "counts": {"nfev": -1}}):  # fmt: skip
        with pytest.raises(ValueError, match=r"NewtonCG|state must be for|missing"):
            optimizer.load_state_dict(bad)
        assert repr(optimizer.state_dict()) == repr(good)
    optimizer.load_state_dict(good)
    assert repr(optimizer.state_dict()) == repr(good)


def with_entry(tree, path, value):
    """A copy of nested dicts with one entry set."""
    key, *rest = path
    return {**tree, key: with_entry(tree[key], rest, value) if rest else value}


def paths_in(tree):
    for key, value in tree.items():
        yield from (
            ([key, *rest] for rest in paths_in(value)) if isinstance(value, dict) and value else [[key]]
        )


@pytest.mark.parametrize("name", ["cg", "cg search", "ggn"])
@pytest.mark.parametrize("bad", [None, "x", [], np.zeros(7)], ids=repr)
def test_whatever_is_wrong_in_what_was_saved_is_refused_and_changes_nothing(name, bad):
    fit = Fit(1)
    ps = fit.cut([2])
    optimizer = METHODS[name](ps)
    for _ in range(3):
        optimizer.step(fit.closure(ps))
    saved = optimizer.state_dict()
    for path in paths_in(saved["newton_cg"]):
        fresh = METHODS[name](ps)
        before = repr(fresh.state_dict())
        edited = {**saved, "newton_cg": with_entry(saved["newton_cg"], path, bad)}
        if bad is None and path[-1] in ("radius", "left_f"):  # not known yet
            fresh.load_state_dict(edited)
            continue
        with pytest.raises(ValueError, match=r"`NewtonCG\.load_state_dict"):
            fresh.load_state_dict(edited)
        assert repr(fresh.state_dict()) == before


@pytest.mark.parametrize("offset", [0.0, 1e6])
@pytest.mark.parametrize("name", ["cg", "cg search", "ggn"])
def test_all_that_steps_change_is_saved(name, offset):
    """Also the counts of steps in which f could not tell, of those accepted, and of those that refined the
    end."""

    def numbers(optimizer):
        return {k: v for k, v in vars(optimizer._method).items() if isinstance(v, int | float | bool | None)}

    fit = Fit(3)
    ps = fit.cut([2])
    optimizer = METHODS[name](ps, gtol=1e-15)

    def closure():
        loss, outputs = fit.closure(ps)()
        return loss + offset, outputs

    seen = set()
    for _ in range(60):
        optimizer.step(closure)
        fresh = METHODS[name](ps, gtol=1e-15)
        fresh.load_state_dict(optimizer.state_dict())
        ours, theirs = numbers(optimizer), numbers(fresh)
        assert repr({k: ours[k] for k in Solver.NUMBERS}) == repr({k: theirs[k] for k in Solver.NUMBERS})
        changed = {k for k in ours if ours[k] != vars(Solver(TrustRegion()))[k]}
        assert changed <= set(Solver.NUMBERS)
        seen |= changed
    assert seen >= {"f0", "g0", "g0_max", "best", "accepted"}


# Eisenstat and Walker's terms, and the loop by itself


def test_eisenstat_and_walkers_second_choice():
    golden = (1 + math.sqrt(5)) / 2
    fit = Fit(8)
    p = Tensor(3 * fit.start, requires_grad=True)
    optimizer = NewtonCG([p], forcing="eisenstat-walker")
    etas, sizes = [], []
    for k in range(40):
        sizes.append(np.linalg.norm(grad(fit)(p.numpy())))
        optimizer.step(lambda: fit(p))
        if not math.isfinite(optimizer.last_step.eta):
            break
        etas.append(optimizer.last_step.eta)
        if k:
            expected, guard = 0.9 * (sizes[-1] / sizes[-2]) ** golden, 0.9 * etas[-2] ** golden
            assert etas[-1] == pytest.approx(min(0.5, max(expected, guard if guard > 0.1 else 0.0)))
    assert etas[0] == 0.5
    assert min(etas) < 0.1


@pytest.mark.parametrize("make", [TrustRegion, LevenbergMarquardt])
def test_a_solver_of_its_own_goes_as_minimize_does(make):
    objective = FunctionObjective(rosenbrock)
    solver = Solver(make())
    here = objective(np.array([-1.2, 1.0]))
    if make is LevenbergMarquardt:
        with pytest.raises(TypeError, match="outputs"):
            solver.step(objective, here, Settings())
        return
    for point in minimize(rosenbrock, [-1.2, 1.0]).trace:
        np.testing.assert_array_equal(here.x, point.x)
        here, info = solver.step(objective, here, Settings())
    assert info.status is Status.SECOND_ORDER
