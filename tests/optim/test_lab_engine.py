"""The engine of the lab, run by Node on what is printed: its trajectories are those of the optimizers here,
forwards and backwards, and so is every number that it tells of a step."""

import functools
import json
from pathlib import Path

import numpy as np
import pytest

import optim
from minigrad import compile, grad, gradient_and_hvp, hessian
from models import MLP, cross_entropy, mse_loss
from optim.laboratory.printed import objective_script, rule_script
from optim.second_order.dense_newton import DenseNewton
from optim.second_order.method import Settings
from optim.second_order.objective import FunctionObjective
from tests import javascript
from tests.optim.cases import SETTINGS
from tests.problems import beale, leaf, rosenbrock, rotation, wells, wood
from tests.seeds import further

VIEWER = Path(optim.__file__).parent / "laboratory" / "viewer"


def run(body, scripts=(), **data):
    """What the body of a JavaScript function returns, with the engine, `scripts` and `data` under their
    names."""
    engine = [(VIEWER / name).read_text(encoding="utf-8") for name in ("engine.js", "second_order.js")]
    given = [f"const {name} = {text};" for name, text in dict(scripts).items()]
    given += [f"const {name} = {json.dumps(value)};" for name, value in data.items()]
    return javascript.run("\n".join([*engine, *given, f"result = (() => {{ {body} }})();"]))


def problem(fun, start, curvature=True):
    x = leaf(start, name="x")
    return objective_script(lambda: fun(x), [x], curvature=curvature)


@functools.cache
def printed(fun, n=2):
    return problem(fun, np.linspace(-1, 1, n))


@functools.cache
def rule(kind, **options):
    return rule_script(kind([leaf([1.0, 2.0])], **options))


def go_on_from(theta, leaves):
    """Write θ into the leaves."""
    at = 0
    for p in leaves:
        p.data[...] = np.reshape(theta[at : at + p.size], p.shape)
        p.touch()
        at += p.size


def bowl(x):
    return (x[0] - 0.5) ** 2 + 2 * (x[1] - 0.5) ** 2 + 0.3 * np.sin(3 * x[0] * x[1])


def himmelblau(x):
    return (x[0] ** 2 + x[1] - 11) ** 2 + (x[0] + x[1] ** 2 - 7) ** 2


START = [-1.2, 1.0]


# First order

TIMES = (1, 2, 3, 63, 64, 65, 500, 1000)
FIRST = list({case.name: name for name, (case, _) in reversed(SETTINGS.items())}.values())
"""The first setting of each optimizer, which uses all of its state."""


@functools.cache
def courses(quick):
    """What Node finds for the optimizers: at the times, θ, what the step did in each coordinate, and t."""
    jobs = "".join(
        f"{json.dumps(name)}: {rule(case.kind, lr=case.bowl_lr / 10, **options)},\n"
        for name, (case, options) in SETTINGS.items()
        if (name in FIRST) == quick
    )
    return run(
        """return Object.fromEntries(Object.entries(rules).map(([name, rule]) => {
          const runner = makeRunner({ problem, method: { kind: "first", rule }, start });
          const seen = times.map((t) => {
            runner.seek(t);
            return { theta: runner.theta, traces: [0, 1].map(runner.trace), t: runner.counters.t };
          });
          return [name, { seen, path: runner.path }];
        }));""",
        {"rules": f"{{{jobs}}}", "problem": printed(bowl)},
        start=START,
        times=TIMES,
    )


@pytest.mark.parametrize("name", [*FIRST, *further(*(name for name in SETTINGS if name not in FIRST))])
def test_a_thousand_steps_and_every_number_inside_are_pythons(name):
    case, options = SETTINGS[name]
    w = leaf(START, name="w")
    optimizer = case.kind([w], lr=case.bowl_lr / 10, **options)
    optimizer.keep_last_step = True
    loss, losses, wanted = compile(lambda: bowl(w)), [], []
    for t in range(1, 1001):
        losses.append(optimizer.step(loss.at()).item())
        if t in TIMES:
            wanted.append((w.numpy(), optimizer.last_step["w"]))
    found = courses(name in FIRST)[name]
    for t, got, (theta, last) in zip(TIMES, found["seen"], wanted, strict=True):
        assert got["t"] == t
        np.testing.assert_allclose(got["theta"], theta, rtol=1e-10)
        for i, trace in enumerate(got["traces"]):
            assert trace.keys() == last.keys()
            for key, value in last.items():
                value = value[i] if np.ndim(value) else value
                assert trace[key] == pytest.approx(value, rel=1e-12, abs=1e-14), (t, key)
    path = found["path"]
    np.testing.assert_allclose(path["losses"][:1000], losses, rtol=1e-10)
    np.testing.assert_array_equal(path["points"][:2], START)
    np.testing.assert_array_equal(path["points"][2000:], found["seen"][-1]["theta"])
    assert path["costs"] == list(range(1001))


ACTIVATIONS = ("tanh", "sigmoid", "softplus", "gelu", "silu", "relu", "leaky_relu", "elu")


def random_net(rng):
    """A small net, and its loss on a few rows."""
    hidden, outputs = rng.integers(2, 9, size=rng.integers(1, 4)).tolist(), int(rng.integers(1, 4))
    model = MLP((2, *hidden, outputs), str(rng.choice(ACTIVATIONS)), rng=rng)
    X = rng.normal(size=(12, 2))
    if outputs == 1:
        y, criterion = rng.normal(size=(12, 1)), mse_loss
    else:
        y, criterion = rng.integers(0, outputs, size=12), cross_entropy
    return model, lambda X, y: criterion(model(X), y), (X, y)


def trained(kind, options, start, leaves, loss, data, rng=None):
    """The losses of 1,000 steps of Python, and θ after them. With `rng` each step begins an ulp away."""
    go_on_from(start, leaves)
    optimizer, replayed, losses = kind(leaves, **options), compile(loss), []
    for _ in range(1000):
        if rng is not None:
            for p in leaves:
                p.data[...] = np.nextafter(p.data, rng.choice([-np.inf, np.inf], size=p.shape))
                p.touch()
        losses.append(optimizer.step(replayed.at(*data)).item())
    return np.array(losses), np.concatenate([p.numpy().reshape(-1) for p in leaves])


@pytest.mark.parametrize("seed", [0, *further(*range(1, 12))])
def test_random_nets_train_as_in_python(seed):
    """To 1e-10, or 20 times as far apart as the farthest of three runs of Python of which each step begins an
    ulp away: some of these runs are chaotic, and rounding grows in them from step to step."""
    model, loss, data = random_net(np.random.default_rng(seed))
    leaves = list(model.parameters())
    start = np.concatenate([p.numpy().reshape(-1) for p in leaves])
    makers = {name: SETTINGS[name] for name in (FIRST if seed else FIRST[3:4])}
    rules = {
        name: rule(case.kind, lr=case.bowl_lr / 10, **options) for name, (case, options) in makers.items()
    }
    found = run(
        """return Object.fromEntries(Object.entries(rules).map(([name, rule]) => {
          const runner = makeRunner({ problem, method: { kind: "first", rule }, start }).seek(1000);
          return [name, { theta: runner.theta, losses: runner.path.losses }];
        }));""",
        {
            "problem": objective_script(loss, leaves, data),
            "rules": "{" + ",".join(f"{json.dumps(name)}: {text}" for name, text in rules.items()) + "}",
        },
        start=start.tolist(),
    )
    rng = np.random.default_rng(seed)
    for name, (case, options) in makers.items():
        training = case.kind, options | {"lr": case.bowl_lr / 10}, start, leaves, loss, data
        losses, theta = trained(*training)
        spread = [np.abs(trained(*training, rng)[0] - losses) for _ in range(3)]
        grown = np.maximum.accumulate(np.max(spread, axis=0))
        apart = np.abs(np.array(found[name]["losses"][:1000]) - losses)
        assert (apart <= 1e-10 * np.abs(losses) + 20 * grown).all(), (name, apart, grown)
        if grown[-1] < 1e-13:
            np.testing.assert_allclose(found[name]["theta"], theta, rtol=1e-10, atol=1e-10, err_msg=name)


# Backwards


def adam():
    return {"problem": printed(rosenbrock), "rule": rule(optim.Adam, lr=0.01)}


SHOWN = """
    const make = () => makeRunner({ problem, method: { kind: "first", rule }, start: [-1.2, 1] });
    const runner = make();
    const shown = () => JSON.stringify([runner.t, runner.theta, runner.loss, runner.g, runner.state,
      runner.counters, runner.trace(0), runner.info, runner.stopped]);
    const cost = (t) => {
      const before = runner.computed;
      runner.seek(t);
      return runner.computed - before;
    };
"""


@pytest.mark.parametrize("memory", [32e6, 1e4])
def test_a_place_has_the_same_bits_whichever_way_one_comes(memory, rng):
    ways = [int(t) for t in rng.integers(0, 401, size=100)] + [400, 399, 400, 0, 1, 0, 128, 64, 65, 64, 63]
    found = run(
        SHOWN.replace("start: [-1.2, 1]", "start: [-1.2, 1], memory")
        + """const straight = [];
        for (let t = 0; t <= 400; t++) {
          runner.seek(t);
          straight.push(shown());
        }
        const wrong = ways.filter((t) => {
          runner.seek(t);
          return shown() !== straight[t];
        });
        return { wrong, same: JSON.stringify(runner.path) === JSON.stringify(make().seek(400).path) };""",
        adam(),
        ways=ways,
        memory=memory,
    )
    assert found == {"wrong": [], "same": True}


def test_a_way_back_computes_no_step_anew_while_the_memory_lasts():
    found = run(
        SHOWN
        + """runner.seek(1000);
        const jumps = [700, 701, 130, 1000, 64, 1, 0, 1001].map(cost);
        return { jumps, theta: runner.theta, straight: make().seek(1001).theta };""",
        adam(),
    )
    assert found["jumps"] == [0] * 7 + [1]
    assert found["theta"] == found["straight"]


def test_checkpoints_thin_out_where_they_would_fill_the_memory():
    """A place takes 3,400 bytes, and ten fit: of 3,000 each 512th remains. A way back keeps ten more."""
    found = run(
        SHOWN.replace("start: [-1.2, 1]", "start: new Float64Array(100).fill(1), memory: 34e3")
        + """const all = Array.from({ length: 3001 }, (_, t) => runner.seek(t).theta[5]);
        const times = [2999, 3000, 1, 512, 600, 100, 92], costs = times.map(cost);
        let back = 0;
        for (let t = 91; t >= 0; t--) back += cost(t);
        const same = times.every((t) => runner.seek(t).theta[5] === all[t]);
        return { costs, back, same, path: runner.path };""",
        {
            "problem": "{ n: 100, gradient(x, g) { g.set(x); return dot(x, x) / 2; } }",
            "rule": rule(optim.Momentum, lr=0.1),
        },
    )
    assert found["costs"] == [439, 1, 1, 511, 88, 100, 0]
    assert found["back"] == 91 + 82 + 73 + 64 + 55 + 46 + 37 + 28 + 19 + 10
    assert found["same"]
    assert found["path"]["points"] == []  # 100 numbers are no point of a map
    np.testing.assert_allclose(
        found["path"]["norms"], np.sqrt(2 * np.array(found["path"]["losses"])), rtol=1e-12
    )


def test_no_place_of_the_canned_lab_is_further_than_two_steps_from_a_checkpoint():
    """Its largest net has 701 weights, Adam two vectors more, and its slider 2,500 steps, in 32 MB. A step
    takes a third of a millisecond there."""
    found = run(
        """const start = new Float64Array(701), method = { kind: "first", rule };
        const runner = makeRunner({ problem, method, start });
        const costs = Array.from({ length: 300 }, (_, k) => {
          const before = runner.computed;
          runner.seek(k ? Math.floor(2501 * ((k * 0.618034) % 1)) : 2500);
          return runner.computed - before;
        });
        return [costs[0], Math.max(...costs.slice(1))];""",
        {
            "problem": "{ n: 701, gradient(x, g) { g.fill(1); return x[0]; } }",
            "rule": rule(optim.Adam, lr=0.01),
        },
    )
    assert found == [2500, 2]  # it shows the step before too, for what the rule computed


# Mini-batches, another start, the end, another page's training


@pytest.mark.parametrize("kind", ["first", "newton-cg", "newton"])
def test_mini_batches_go_round_the_rows(kind, rng):
    X, y = rng.normal(size=(5, 2)), rng.normal(size=5)
    w, losses = leaf([0.5, -0.5], name="w"), []

    def mean_square(X, y):
        return ((X @ w - y) ** 2).mean()

    script = objective_script(mean_square, [w], (X[:2], y[:2]), curvature=True)
    maker = {"first": optim.Momentum, "newton-cg": optim.NewtonCG, "newton": optim.Newton}[kind]
    optimizer = maker([w], weight_decay=0.5)
    for t in range(1, 8):
        rows = np.arange(2 * (t - 1), 2 * t) % 5
        losses.append(optimizer.step(lambda rows=rows: mean_square(X[rows], y[rows])).item())
    found = run(
        """problem.batches = { size: 2, order: "cyclic", data: whole.map((rows) => Float64Array.from(rows)) };
        const method = { kind, rule, ...(kind !== "first" && { settings: { weight_decay: 0.5 } }) };
        const runner = makeRunner({ problem, method, start: [0.5, -0.5] });
        const other = makeRunner({ problem, method, start: [0, 0] });  // which moves the data on
        const seen = [3, 2, 4, 5, 7].map((t) => {
          other.seek(t === 4 ? 1 : t);
          return runner.seek(t).loss;
        });
        return { theta: runner.theta, losses: runner.path.losses, seen };""",
        {"problem": script, "rule": rule(optim.Momentum, weight_decay=0.5)},
        whole=[X.reshape(-1).tolist(), y.tolist()],
        kind=kind,
    )
    np.testing.assert_allclose(found["theta"], w.numpy(), rtol=1e-9)
    np.testing.assert_allclose(found["losses"][:7], losses, rtol=1e-9)
    assert found["seen"] == [found["losses"][t] for t in (3, 2, 4, 5, 7)]


def quartic(x):
    return (x**4).sum()


def test_the_step_before_the_end_is_known_where_the_end_is_a_checkpoint():
    found = run(
        """const problem = {
          n: 1,
          gradient(x, g) {
            g[0] = -1;
            return x[0] < 127.5 ? -x[0] : NaN;
          },
        };
        const runner = makeRunner({ problem, method: { kind: "first", rule }, start: [0] }).seek(200);
        const once = [runner.t, runner.before.t, runner.trace(0).w];
        runner.seek(10).seek(200);
        return [once, [runner.t, runner.before.t, runner.trace(0).w]];""",
        {"rule": rule(optim.SGD, lr=1.0)},
    )
    assert found == [[128, 127, 128]] * 2


def test_a_runner_stops_where_the_loss_is_not_finite_and_starts_again():
    found = run(
        """const method = { kind: "first", rule, numbers: { lr: 1 } };
        const runner = makeRunner({ problem, method, start: [2] });
        const shown = () => [runner.t, runner.stopped, runner.loss];
        const ways = [9999, 1, 2, 9999].map((t) => {
          runner.seek(t);
          return shown();
        });
        let refused = "";
        try {
          runner.set({ numbers: { lr: 5 }, start: [1, 1] });
        } catch (error) {
          refused = error.message;
        }
        const still = runner.method.numbers.lr;
        runner.set({ numbers: { lr: 0.01 }, start: [1] });
        const fresh = [runner.t, runner.theta[0], runner.path.losses.length, runner.method.numbers.lr];
        const { path, stopped } = runner.seek(10);
        return { ways, refused, still, fresh, after: stopped, losses: path.losses };""",
        {"problem": printed(quartic, 1), "rule": rule(optim.Momentum, lr=0.5)},
    )
    end, one, two, again = found["ways"]
    assert end[:2] == again[:2]
    assert 2 < end[0] < 20
    assert end[1] == "The loss is not finite."
    assert not np.isfinite(end[2])
    assert [one[:2], two[:2]] == [[1, ""], [2, ""]]
    assert "start needs 1 numbers, got 2" in found["refused"]
    assert found["still"] == 1
    assert found["fresh"] == [0, 1, 1, 0.01]
    assert found["after"] == ""
    w = leaf([1.0])
    optimizer = optim.Momentum([w], lr=0.01)
    losses = [optimizer.step(lambda: quartic(w)).item() for _ in range(10)]
    np.testing.assert_allclose(found["losses"][:10], losses, rtol=1e-12)


@pytest.mark.parametrize("kind", [optim.Adam, optim.NAdam])
def test_a_training_goes_on_in_the_page(kind):
    w = leaf(START, name="w")
    optimizer = kind([w], lr=0.01)
    for _ in range(37):
        optimizer.step(lambda: rosenbrock(w))
    group = optimizer.param_groups[0]
    state, counters = [group.state[name].tolist() for name in ("m", "v")], group.slices[0].counters
    start = w.numpy().tolist()
    optimizer.keep_last_step = True
    for _ in range(50):
        optimizer.step(lambda: rosenbrock(w))
    found = run(
        """const runner = makeRunner({ problem, method: { kind: "first", rule }, start, state, counters });
        const first = runner.seek(50).theta;
        runner.seek(2).seek(50);
        return { first, theta: runner.theta, counters: runner.counters, trace: runner.trace(1) };""",
        {"problem": printed(rosenbrock), "rule": rule(kind, lr=0.01)},
        start=start,
        state=state,
        counters=dict(counters),
    )
    assert found["first"] == found["theta"]
    assert found["counters"]["t"] == 87
    np.testing.assert_allclose(found["theta"], w.numpy(), rtol=1e-13)
    for key, value in optimizer.last_step["w"].items():
        assert found["trace"][key] == pytest.approx(value[1] if np.ndim(value) else value, rel=1e-12)


REFUSED = [
    ({"method": {"kind": "adam"}}, '"newton-cg", got adam'),
    ({"method": {"kind": "newton"}, "start": [1]}, "start needs 2 numbers, got 1"),
    ({"method": {"kind": "newton", "settings": {"modification": "lm"}}}, "Newton(modification=lm)"),
    ({"method": {"kind": "newton", "settings": {"rate": 1}}}, "Newton(rate=...)"),
    ({"method": {"kind": "newton", "settings": {"dense_limit": 1}}}, "at most 1 unknowns"),
    ({"method": {"kind": "newton", "settings": {"modification": "trust", "lr": 0.5}}}, "Newton(lr=0.5)"),
    ({"method": {"kind": "newton-cg", "settings": {"curvature": "ggn"}}}, "NewtonCG(curvature=ggn)"),
    ({"method": {"kind": "newton-cg", "settings": {"forcing": "linear"}}}, "NewtonCG(forcing=linear)"),
    ({"method": {"kind": "newton-cg", "settings": {"forcing": 1}}}, "NewtonCG(forcing=1)"),
]


REFUSED_OF_ADAM = [
    (
        {"numbers": {"weight_decay": 0.1}},
        {},
        "Adam(weight_decay=0.1) cannot be set in a page, only lr, betas, eps",
    ),
    ({}, {"state": [[0, 0]]}, "state of Adam needs 2 arrays of 2 numbers"),
    ({}, {"state": [[0, 0], [0]]}, "state of Adam needs 2 arrays of 2 numbers"),
    ({}, {"counters": {"s": 1}}, "counters of Adam need t"),
]


def test_what_cannot_be_run_is_refused():
    found = run(
        """const said = (call) => {
          try {
            call();
          } catch (error) {
            return error.message;
          }
          return "no error";
        };
        const makers = refused.map(([given]) => said(() => makeRunner({ problem, start: [1, 1], ...given })));
        const runner = makeRunner({ problem, start: [1, 1], method: { kind: "newton" } });
        const places = [-1, 0.5, "2"].map((t) => said(() => runner.seek(t)));
        const rules = ofAdam.map(([method, given]) => said(() => makeRunner({
          problem, start: [1, 1], method: { kind: "first", rule, ...method }, ...given })));
        makeRunner({ problem, start: [1, 1], method: { kind: "first", rule, numbers: { weight_decay: 0 } } });
        return { makers, places, rules, t: runner.t };""",
        {"problem": printed(rosenbrock), "rule": rule(optim.Adam)},
        refused=REFUSED,
        ofAdam=REFUSED_OF_ADAM,
    )
    for text, (_, _, named) in zip(found["rules"], REFUSED_OF_ADAM, strict=True):
        assert named in text
    for text, (_, named) in zip(found["makers"], REFUSED, strict=True):
        assert named in text
    assert found["places"] == [
        f"runner.seek(t) needs a whole number from 0 on, got {t}." for t in ("-1", "0.5", "2")
    ]
    assert found["t"] == 0


# Curvature


@pytest.mark.parametrize("n", [1, 2, 3, 12, *further(60)])
def test_eigenvalues_and_eigenvectors_are_lapacks(n, rng):
    A, Q = rng.normal(size=(n, n)), rotation(rng, n)
    repeated = Q @ np.diag(np.round(np.linspace(-1, 2, n))) @ Q.T
    matrices = [A + A.T, repeated + repeated.T, 1e-150 * (A + A.T), 0 * A, np.diag(A[0])]
    found = run(
        "return matrices.map((H) => symmetricEigen(Float64Array.from(H.flat()), H.length));",
        matrices=[H.tolist() for H in matrices],
    )
    for H, got in zip(matrices, found, strict=True):
        size, V = n * np.abs(H).max(), np.array(got["vectors"])
        np.testing.assert_allclose(got["values"], np.linalg.eigvalsh(H), rtol=0, atol=1e-14 * size)
        np.testing.assert_allclose(V @ V.T, np.eye(n), atol=1e-13)
        np.testing.assert_allclose(H @ V.T, V.T * got["values"], rtol=0, atol=1e-14 * size)


def test_a_norm_does_not_over_or_underflow():
    found = run(
        "return [[3e200, 4e200], [-3e-200, 4e-200], [0, 0], [3, 4]].map((a) => norm(Float64Array.from(a)));"
    )
    assert found == pytest.approx([5e200, 5e-200, 0, 5], rel=1e-15)


def test_hessian_and_what_a_step_promises():
    x, p, alphas = np.array(START), np.array([0.3, -0.2]), np.array([0.0, 0.5, 1.0, 2.0])
    found = run(
        """const theta = Float64Array.from(x), step = Float64Array.from(p), { n, gradient } = problem;
        const bare = alongStep({ n, gradient }, theta, step, alphas);
        return { H: hessian(problem, theta), bare, ...alongStep(problem, theta, step, alphas) };""",
        {"problem": printed(rosenbrock)},
        x=START,
        p=p.tolist(),
        alphas=alphas.tolist(),
    )
    H = hessian(rosenbrock)(x)
    line = rosenbrock(x) + alphas * (grad(rosenbrock)(x) @ p)
    np.testing.assert_allclose(found["H"], H.reshape(-1), rtol=1e-12)
    np.testing.assert_allclose(found["losses"], [rosenbrock(x + a * p) for a in alphas], rtol=1e-12)
    np.testing.assert_allclose(found["line"], line, rtol=1e-12)
    np.testing.assert_allclose(found["parabola"], line + 0.5 * alphas**2 * (p @ H @ p), rtol=1e-12)
    assert found["bare"] == {"losses": found["losses"], "line": found["line"], "parabola": None}


def test_the_largest_eigenvalues_are_those_of_the_whole_matrix(rng):
    n = 80
    A = rng.normal(size=(n, n))
    # one that is large is found first, and must not come again
    H, P = A @ A.T / n - 0.5 * np.eye(n) + 30 * np.outer(A[0], A[0]), rng.uniform(0.1, 10, size=n)
    found = run(
        """let products = 0;
        const rows = H.map((row) => Float64Array.from(row)), problem = {
          n: H.length, point: () => 0, pointGradient() {},
          product(v, out) {
            products++;
            rows.forEach((row, i) => { out[i] = dot(row, v); });
          },
        };
        const top = topEigenvalues(problem, null, 3), taken = products;
        const all = topEigenvalues(problem, null, 200).length;
        products = 0;
        const rough = topEigenvalues(problem, null, 1, undefined, 1e-3)[0], quick = products;
        const scaled = topEigenvalues(problem, null, 2, Float64Array.from(P));
        return { top, taken, all, scaled, rough, quick };""",
        H=H.tolist(),
        P=P.tolist(),
    )
    scaled = np.linalg.eigvalsh(H / np.sqrt(P * P[:, None]))
    of_H = np.linalg.eigvalsh(H)
    np.testing.assert_allclose(found["top"], of_H[::-1][:3], rtol=0, atol=1e-12 * of_H[-1])
    np.testing.assert_allclose(found["scaled"], scaled[::-1][:2], rtol=0, atol=1e-12 * scaled[-1])
    assert found["quick"] < found["taken"] < n
    assert found["rough"] == pytest.approx(found["top"][0], rel=1e-3)
    assert found["all"] == n


@pytest.mark.parametrize("sizes", [(2, 5, 2), (2, 8, 5, 2), *further(((1, 30, 20, 1),))])
def test_the_largest_eigenvalues_of_a_net_are_pythons(sizes, rng):
    """Of the whole matrix for 27 unknowns, by Lanczos' method for 81 and 701; for Adam's divisor too."""
    model, X = MLP(sizes, "tanh", rng=2), rng.normal(size=(15, sizes[0]))
    leaves, y = list(model.parameters()), rng.normal(size=(15, sizes[-1]))

    def loss(X=X, y=y):
        return mse_loss(model(X), y)

    n = sum(p.size for p in leaves)
    P, theta = rng.uniform(0.01, 10, size=n), np.concatenate([p.numpy().reshape(-1) for p in leaves])
    _, product = gradient_and_hvp(loss(), leaves)
    ends = np.cumsum([p.size for p in leaves])[:-1]
    rows = [product([v.reshape(p.shape) for v, p in zip(np.split(e, ends), leaves, strict=True)])
            for e in np.eye(n)]  # fmt: skip
    H = np.array([np.concatenate([np.ravel(part) for part in row]) for row in rows])
    found = run(
        """return [undefined, Float64Array.from(P)].map((divisor) => (
          topEigenvalues(problem, Float64Array.from(at), 3, divisor)));""",
        {"problem": objective_script(loss, leaves, (X, y), curvature=True)},
        at=theta.tolist(),
        P=P.tolist(),
    )
    for got, matrix in zip(found, (H, H / np.sqrt(P * P[:, None])), strict=True):
        wanted = np.linalg.eigvalsh((matrix + matrix.T) / 2)[::-1][:3]
        np.testing.assert_allclose(got, wanted, rtol=0, atol=1e-12 * wanted[0])


def test_an_eigenvalue_comes_as_often_as_it_is_one_and_is_nan_where_the_hessian_is():
    found = run(
        """let products = 0;
        const far = { n: 40, point() {}, pointGradient() {}, product(v, out) { out.fill(NaN); products++; } };
        const at = (x, n = 3) => new Float64Array(n).fill(x);
        return [topEigenvalues(problem, at(2), 3), topEigenvalues(far, at(1, 40), 2), products];""",
        {"problem": printed(lambda x: np.sum(x**2) + 0.5 * np.sum(x[:2]) ** 2, 3)},
    )
    np.testing.assert_allclose(found[0], [4, 2, 2], rtol=1e-15)
    np.testing.assert_array_equal(found[1], [np.nan] * 2)
    assert found[2] == 1


REPEATED = {
    "distinct": np.arange(1.0, 61),
    "double": np.repeat(np.arange(1.0, 31), 2),
    "triple": np.repeat(np.arange(-18.0, 2), 3),
    "the second is double": np.array([9.0, 7, 7, *np.linspace(-9, 5, 57)]),
    "the third is double": np.array([9.0, 8, 7, 7, *np.linspace(-1, 5, 56)]),
    "identity": np.ones(60),
    "of rank 2": np.array([5.0, 5] + [0.0] * 58),
    "zero": np.zeros(60),
}


@pytest.mark.parametrize("size", [1.0, 1e-200, 1e200])
def test_beyond_32_unknowns_an_eigenvalue_comes_as_often_as_it_is_one(size, rng):
    Q = np.linalg.qr(rng.normal(size=(60, 60)))[0]
    matrices = [(Q * (size * values)) @ Q.T for values in REPEATED.values()]
    A = rng.normal(size=(60, 21))
    matrices += [size * np.diag(np.arange(1.0, 61)), size * np.kron(np.eye(2), A.T @ A / 60)]
    found = run(
        """return matrices.map((H) => {
          const rows = H.map((row) => Float64Array.from(row));
          const product = (v, out) => rows.forEach((row, i) => { out[i] = dot(row, v); });
          const problem = { n: H.length, point() {}, pointGradient() {}, product };
          return [1, 3].map((k) => topEigenvalues(problem, null, k));
        });""",
        matrices=[((H + H.T) / 2).tolist() for H in matrices],
    )
    for tops, H in zip(found, matrices, strict=True):
        values = np.linalg.eigvalsh((H + H.T) / 2)[::-1]
        for k, top in zip((1, 3), tops, strict=True):
            np.testing.assert_allclose(top, values[:k], rtol=0, atol=1e-12 * np.abs(values).max())


@pytest.mark.parametrize("size", [1.0, 1e200, 1e-200])
def test_the_curvature_of_a_step_is_known_where_its_square_is_not(size):
    p, H = size * np.array([3.0, -4.0]), np.array([[2.0, 0.5], [0.5, 1.0]])
    found = run(
        "return curvatureAlong(problem, Float64Array.of(1, 2), Float64Array.from(p));",
        {"problem": problem(lambda x: 0.5 * x @ H @ x, [1.0, 2.0])},
        p=p.tolist(),
    )
    u = p / size
    assert found["curvature"] == pytest.approx(u @ H @ u / 25, rel=1e-14)
    with np.errstate(over="ignore"):
        assert found["bend"] == pytest.approx(p @ (H @ p), rel=1e-14)


# Newton's methods


def high_up(x):
    """Rosenbrock's function, whose changes drown in rounding."""
    return 1e15 + rosenbrock(x)


def flat(x):
    return (x[0] + 2 * x[1]) ** 2 + (x[0] + 2 * x[1] - 1) ** 4


def booth(x):
    return (x[0] + 2 * x[1] - 7) ** 2 + (2 * x[0] + x[1] - 5) ** 2


def saddle(x):
    """A saddle at 0, minima of −1 at (0, ±√2)."""
    return x[0] ** 2 - x[1] ** 2 + 0.25 * x[1] ** 4


def monkey(x):
    return x[0] ** 3 - 3 * x[0] * x[1] ** 2 + 0.1 * (x[0] ** 2 + x[1] ** 2) ** 2


def logistic(x):
    """Convex, with a minimum that Newton's full steps jump over."""
    return np.sum(np.log(1 + np.exp(x)) - 0.3 * x) + 0.01 * np.sum(x * x)


def quadratic(n, seed, kappa=1e3, lowest=1.0):
    Q = rotation(np.random.default_rng(seed), n)
    A = Q @ np.diag(np.append(lowest, np.geomspace(1, kappa, n - 1))) @ Q.T
    return lambda x: 0.5 * x @ A @ x - x.sum()


def basins(n, seed):
    rng = np.random.default_rng(seed)
    return wells(rotation(rng, n), np.linspace(-1, 3, n), rng.normal(size=n))


def draw(n, seed):
    return np.random.default_rng(seed).normal(size=n).tolist()


PROBLEMS = {
    "Rosenbrock": (rosenbrock, START),
    "Rosenbrock from the right": (rosenbrock, [2.0, -1.5]),
    "Rosenbrock high up": (high_up, START),
    "Rosenbrock of 8": (rosenbrock, [-1.2, 1.0] * 4),
    "Rosenbrock of 60": (rosenbrock, [-1.2, 1.0] * 30),
    "Himmelblau": (himmelblau, [0.1, -0.3]),
    "Himmelblau on the slope": (himmelblau, [-4.0, 4.0]),
    "Himmelblau near a maximum": (himmelblau, [-0.3, -1.0]),
    "saddle": (saddle, [1.0, 0.01]),
    "saddle from its axis": (saddle, [0.5, 0.0]),
    "saddle far off": (lambda x: saddle([x[0] - 30, x[1]]), [30.0, 1e-8]),
    "saddle from afar": (saddle, [-1.0, 2.0]),
    "monkey saddle": (monkey, [0.3, 0.2]),
    "Beale": (beale, [1.0, 1.0]),
    "Beale from afar": (beale, [0.2, -0.7]),
    "Booth": (booth, [-5.0, 5.0]),
    "Wood": (wood, [-1.0, 0.5, -1.5, 1.0]),
    "flat direction": (flat, [2.0, -0.5]),
    "logistic": (logistic, [4.0, -5.0, 1.0]),
    "quadratic of 5": (quadratic(5, 1), draw(5, 2)),
    "quadratic of 20": (quadratic(20, 2, 10), draw(20, 3)),
    "quadratic of 60": (quadratic(60, 3, 10), draw(60, 4)),
    "wells of 4": (basins(4, 5), draw(4, 6)),
    "wells of 10": (basins(10, 6), draw(10, 7)),
}

NEWTON = {
    "abs": {},
    "shift": {"modification": "shift"},
    "clip": {"modification": "clip", "weight_decay": 0.1},
    "pinv": {"modification": "pinv"},
    "none": {"modification": "none", "damping": 0.01},
    "pure": {"modification": "none", "line_search": None, "lr": 0.9},
    "trust": {"modification": "trust"},
    "small trust": {"modification": "trust", "initial_radius": 0.1, "damping": 0.1},
}
NEWTON_CG = {
    "cg": {},
    "cg quadratic": {"forcing": "quadratic", "initial_radius": 0.1},
    "cg eisenstat": {"forcing": "eisenstat-walker", "weight_decay": 0.1},
    "cg 0.3": {"forcing": 0.3, "max_radius": 0.5, "strict_monotone": True},
}
KINDS = {name: ("newton", optim.Newton, options) for name, options in NEWTON.items()} | {
    name: ("newton-cg", optim.NewtonCG, options) for name, options in NEWTON_CG.items()
}
STEPS = 40


@functools.cache
def second_order(pairs):
    """What Node finds: for each problem and kind the places, the reports, and why there is no further
    step."""
    pairs = {"QUICK": QUICK, "LONG": LONG}[pairs]
    problems = "".join(f"{json.dumps(name)}: {problem(*PROBLEMS[name])},\n" for name in dict(pairs))
    return run(
        """const found = {};
        for (const [name, key] of pairs) {
          const [kind, settings] = kinds[key], method = { kind, settings }, seen = [];
          const runner = makeRunner({ problem: problems[name], method, start: start[name] });
          while (runner.t < steps && runner.seek(runner.t + 1).t > seen.length) {
            seen.push({ theta: runner.theta, info: runner.info });
          }
          const shown = () => JSON.stringify([runner.t, runner.theta, runner.info]), bits = shown();
          const { t, stopped, refused, path } = runner;
          runner.seek(t >> 1).seek(t);
          const same = bits === shown();
          (found[name] ??= {})[key] = { seen, stopped, refused, path, same };
        }
        return found;""",
        {"problems": f"{{{problems}}}"},
        start={name: PROBLEMS[name][1] for name in dict(pairs)},
        kinds={name: (kind, options) for name, (kind, _, options) in KINDS.items()},
        pairs=pairs,
        steps=STEPS,
    )


EXACT = ("accepted", "status", "rejections", "why", "n_hv", "n_cg", "cg_end", "escaped", "negative", "noise")
CLOSE = ("radius", "step_norm", "eta", "lambda_min", "step_length", "rho", "predicted", "actual", "decrement")
SAME = {"radius", "step_length", "length", "a"}  # to 1e-12, or to 1e-9 where Python's differ from an ulp away
NEAR = 2  # runs of Python whose every step begins an ulp away
AMPLIFIED = 100  # what the page may differ by more than they do: its sums have another order at each step


def stepped(runs, seed):
    """Take a step of each run, which is an optimizer, its parameters and its loss. The first one is Python's;
    the step of the others begins an ulp away in each number. Returns the loss and all reports."""
    for k, (_, leaves, _) in enumerate(runs[1:]):
        rng = np.random.default_rng([seed, k])
        for p in leaves:
            p.data[...] *= 1 + rng.choice([-1, 1], size=p.shape) * 2.0**-52
            p.touch()
    losses = [optimizer.step(loss).item() for optimizer, _, loss in runs]
    return losses[0], [optimizer.last_step for optimizer, _, _ in runs]


def near(found, reports, rounding=0.0, most=1e-6):
    """Whether a number is that of Python's report, the first one, to 1e-12; or to the multiple of what the
    others, from an ulp away, differ from it, up to `most`."""
    wanted, *others = (np.asarray(x, float) for x in reports)
    with np.errstate(all="ignore"):
        apart = [np.abs(x - wanted) for x in others if x.shape == wanted.shape]
        spread = np.nan_to_num(np.fmax.reduce(apart)) if apart else 0.0
        same = (found == wanted) | (np.isnan(found) & np.isnan(wanted))
        cap = np.where(wanted == 0, 1e-9, 1e-9 + most * np.abs(wanted))  # ∞ · 0 is no number
        apart = np.minimum(AMPLIFIED * spread, cap) + AMPLIFIED * rounding
        return same | (np.abs(found - wanted) <= 1e-12 * np.abs(wanted) + apart)


def arrived(theta, runs, rounding=0.0):
    """As `near`, for where the runs are, by the length of the difference."""
    w, *others = (np.concatenate([p.numpy().reshape(-1) for p in leaves]) for _, leaves, _ in runs)
    spread = max(np.linalg.norm(other - w) for other in others)
    return np.linalg.norm(theta - w) <= 1e-12 * np.linalg.norm(w) + AMPLIFIED * (spread + rounding)


def lost(last, size):
    """The share of a Newton step that is rounding, where the largest entry of H is of this size: eigenvalues
    are known to so many digits of the largest, and a step to so many of the curvature along it."""
    with np.errstate(all="ignore"):
        curvature = np.square(np.float64(last.decrement) * last.step_length / last.step_norm)
        return min(1e-9, np.nan_to_num(1e-15 * size / curvature, nan=0.0))


def compare(info, reports, f, at, size=0.0):
    """A report of the page with `last_step`, in all that the page tells.

    reports: that of Python, and those of runs that are an ulp away.
    f: about the size of the loss, whose rounding is in its fall and in ρ. size: as for `lost`."""
    last, decrement = reports[0], np.nan_to_num(getattr(reports[0], "decrement", 0.0))
    share, fall = lost(last, size) if size else 0.0, 1e-15 * max(1.0, abs(f))
    with np.errstate(all="ignore"):
        of_rho = np.nan_to_num(np.float64(fall) / last.predicted)
    rounding = {"actual": fall, "phi": fall, "rho": of_rho, "decrement": 1e-14,
                "slope": 1e-14 * (1 + decrement**2), "lambda_min": 1e-15 * max(size, 1.0)}  # fmt: skip

    def agrees(key, found, wanted, **most):
        if key in SAME:
            return near(found, wanted, most=0.0)
        return near(found, wanted, rounding.get(key, 0.0) + share * np.abs(np.nan_to_num(wanted[0])), **most)

    for key in info.keys() & set(EXACT):
        assert info[key] == getattr(last, key), (*at, key)
    for key in info.keys() & set(CLOSE):
        found, wanted = info[key], [getattr(report, key) for report in reports]
        if key == "decrement":  # NaN where p climbs, be it by rounding
            found, wanted = np.nan_to_num(found), np.nan_to_num(wanted)
        assert agrees(key, found, wanted), (*at, key, found, wanted)
    for key in info.keys() & {"cg", "trials"}:
        tables = [getattr(report, key) for report in reports]
        assert len(info[key]) == len(tables[0]), (*at, key)
        for column in tables[0].dtype.names:
            found = np.array([row[column] for row in info[key]], float)
            wanted = [table[column].astype(float) for table in tables]
            most = np.inf if key == "cg" else 1e-6  # late in CG the residual may be rounding alone
            if column == "residual":
                rounding[column] = 1e-16 * np.abs(wanted[0]).max(initial=0.0)
            assert agrees(column, found, wanted, most=most).all(), (*at, key, column, found, wanted)


def steps_of(name, key):
    """The optimizer on the problem, its parameter and the loss."""
    fun, start = PROBLEMS[name]
    _, kind, options = KINDS[key]
    w = leaf(start, name="w")
    return kind([w], **options), [w], lambda: fun(w)


FEW = ("Rosenbrock", "saddle from its axis", "Beale", "quadratic of 60", "wells of 4")
QUICK = [(name, key) for name in FEW for key in ("abs", "cg")]
QUICK += [("Beale" if key == "shift" else "wells of 4", key) for key in KINDS if key not in ("abs", "cg")]
QUICK += [
    ("Rosenbrock high up", "cg"),
    ("flat direction", "pinv"),
    ("saddle far off", "abs"),
    ("Rosenbrock of 60", "cg"),
]
LONG = [(name, key) for name in PROBLEMS for key in KINDS if (name, key) not in QUICK]
LONG.remove(("Beale", "pinv"))  # gᵀp is 0 there, and rounding decides whether p climbs
LONG.remove(
    ("flat direction", "trust")
)  # all lengths along it are as good, and rounding decides which is taken


@pytest.mark.parametrize(
    ("name", "key", "pairs"),
    [*((*pair, "QUICK") for pair in QUICK), *further(*((*pair, "LONG") for pair in LONG))],
)
def test_every_step_radius_and_iteration_of_cg_is_pythons(name, key, pairs):
    """Until the gradient is 1e-8 of the first one: nearer to a minimum of f only rounding decides.

    With other settings than the defaults Python goes on from the page's points, since some of them let
    rounding grow by much from step to step."""
    found = second_order(pairs)[name][key]
    norms = np.array(found["path"]["norms"])
    runs = [steps_of(name, key) for _ in range(1 + NEAR)]
    optimizer, _, loss = runs[0]
    together = pairs == "LONG" and key not in ("abs", "cg")
    t = 0
    for t, seen in enumerate(found["seen"], start=1):
        if norms[t - 1] <= 1e-8 * norms[0]:
            break
        for _, leaves, _ in runs if together and t > 1 else ():
            go_on_from(found["seen"][t - 2]["theta"], leaves)
        before = optimizer.param_groups[0].w.copy()
        f, reports = stepped(runs, t)
        size = np.abs(hessian(PROBLEMS[name][0])(before)).max() if key in NEWTON else 0.0
        compare(seen["info"], reports, f, (t,), size)
        last = reports[0]
        assert arrived(seen["theta"], runs, lost(last, size) * last.step_norm if size else 0.0), t
    else:
        if t < STEPS and (key in NEWTON_CG or norms[-1] > 1e-6 * norms[0]):
            ended(found, optimizer, loss)
    assert found["same"]  # there and back again
    spent = [2 + 2 * seen["info"]["n_hv"] + seen["info"]["rejections"] / 3 for seen in found["seen"]]
    np.testing.assert_allclose(found["path"]["costs"], np.cumsum([0, *spent]), rtol=1e-12)
    assert len(norms) == len(found["seen"]) + 1


def ended(found, optimizer, loss):
    """Where the page takes no further step, Python takes none either, or checks the curvature."""
    before = optimizer.last_step
    try:
        optimizer.step(loss)
    except np.linalg.LinAlgError:
        assert "singular" in found["stopped"]
        return
    last = optimizer.last_step
    if found["refused"]:
        tie = "no way out" in found["stopped"]
        assert last.accepted == tie
        if not tie:
            compare(found["refused"], [last], found["path"]["losses"][-1], ("end",))
    elif "gradient is small" in found["stopped"]:
        assert np.isfinite(last.lambda_min) or not last.accepted
    else:
        assert before.status != "RUNNING"


def hill(x):
    """A maximum at 0, round: every direction is as low."""
    return -(x[0] ** 2) - x[1] ** 2 + 0.25 * (x[0] ** 4 + x[1] ** 4)


STEEP = """{
  n: 1,
  point: (theta) => theta[0],
  pointGradient: (g) => g.fill(1),
  product: (v, out) => out.fill(Infinity),
}"""


@pytest.mark.parametrize(
    ("fun", "start", "settings", "why"),
    [
        (saddle, [0.0, 0.0], {}, "A saddle point, and the slope prefers no way out of it"),
        (
            hill,
            [1e-9, 2e-9],
            {},
            "A saddle point, and the slope prefers no way out of it",
        ),
        (
            saddle,
            [0.5, 0.0],
            {"modification": "trust"},
            "A saddle point, and the slope prefers no way out of it",
        ),
        (STEEP, [0.0], {}, "The Hessian is not finite"),
        (lambda x: (x[0] + x[1]) ** 2, [1.0, 2.0], {"modification": "none"}, "The Hessian is singular"),
        (himmelblau, [0.1, -0.3], {"modification": "none"}, "The Newton direction climbs"),
        (saddle, [0.0, 0.0], {"modification": "pinv"}, "a direction curves downwards: this is no minimum"),
        (booth, [1.0, 3.0], {}, "The gradient is 0 up to rounding"),
        (booth, [1.0, 3.0], {"modification": "trust"}, "The gradient is 0 up to rounding"),
        (lambda x: np.log(x[0]) ** 2, [2.0], {"line_search": None, "modification": "none"}, "is not finite"),
    ],
)
def test_newton_says_why_it_takes_no_step(fun, start, settings, why):
    found = run(
        """const runner = makeRunner({ problem, method: { kind: "newton", settings }, start }).seek(9);
        const { t, stopped, refused } = runner;
        return { t, stopped, accepted: refused.accepted, trials: refused.trials?.length ?? 0 };""",
        {"problem": fun if isinstance(fun, str) else problem(fun, start)},
        start=start,
        settings=settings,
    )
    assert why in found["stopped"]
    assert (found["t"], found["accepted"]) == (0, 0)
    assert found["trials"] <= 1


def test_a_step_that_only_wrong_slopes_speak_for_is_not_taken():
    """f = 1 + x² with the gradient −1 rises along −H⁻¹g = 1, until f cannot tell the points apart."""
    found = run(
        """const problem = {
          n: 1,
          point: (theta) => 1 + theta[0] ** 2,
          pointGradient: (g) => g.fill(-1),
          product: (v, out) => out.set(v),
        };
        const runner = makeRunner({ problem, method: { kind: "newton" }, start: [0] }).seek(1);
        return { t: runner.t, ...runner.refused };"""
    )
    f = FunctionObjective(lambda x: 1 + x[0] ** 2, jac=lambda x: [-1.0], hess=lambda x: [[1.0]])
    _, info = DenseNewton().step(f, f(np.zeros(1)), Settings())
    assert not info.accepted
    assert found["t"] == 0
    compare(found, [info], 1.0, ())


def test_a_run_of_newton_cg_goes_on_in_the_page():
    """With the radius, the first gradient and the forcing of the state that was saved."""
    runs = [steps_of("Rosenbrock of 8", "cg eisenstat") for _ in range(1 + NEAR)]
    for _ in range(6):
        for optimizer, _, loss in runs:
            optimizer.step(loss)
    optimizer, (w,), _ = runs[0]
    state = optimizer.state_dict()["newton_cg"]["solver"]
    start, radius = w.numpy().tolist(), state["method"]["radius"]
    state = {key: value for key, value in state.items() if key != "rng"}
    found = run(
        """const method = { kind: "newton-cg", settings };
        const runner = makeRunner({ problem, method, start, state });
        const radius = runner.state.method.radius;
        return { radius, first: runner.seek(1).info, fifth: runner.seek(5).info, theta: runner.theta };""",
        {"problem": problem(*PROBLEMS["Rosenbrock of 8"])},
        settings=NEWTON_CG["cg eisenstat"],
        start=start,
        state=state,
    )
    assert found["radius"] == radius
    for t in range(1, 6):
        f, reports = stepped(runs, t)
        if t in (1, 5):
            compare(found["first" if t == 1 else "fifth"], reports, f, (t,))
    assert arrived(found["theta"], runs)


def test_a_run_of_newton_goes_on_in_the_page_with_its_radius():
    runs = [steps_of("Rosenbrock", "small trust") for _ in range(1 + NEAR)]
    for _ in range(2):
        for optimizer, _, loss in runs:
            optimizer.step(loss)
    optimizer, (w,), _ = runs[0]
    start, radius = w.numpy().tolist(), optimizer.state_dict()["radius"]
    found = run(
        """const method = { kind: "newton", settings };
        const runner = makeRunner({ problem, method, start, state: { radius } }).seek(1);
        return { info: runner.info, theta: runner.theta };""",
        {"problem": printed(rosenbrock)},
        settings=NEWTON["small trust"],
        start=start,
        radius=radius,
    )
    f, reports = stepped(runs, 0)
    assert reports[0].trials[0].length == radius != NEWTON["small trust"]["initial_radius"]
    compare(found["info"], reports, f, ())
    np.testing.assert_allclose(found["theta"], w.numpy(), rtol=1e-12)


@pytest.mark.parametrize(
    ("sizes", "activation"),
    [((2, 3, 2), "tanh"), *further(((2, 6, 6, 2), "softplus"), ((2, 8, 2), "sigmoid"))],
)
@pytest.mark.parametrize("key", ["cg", *further("abs")])
def test_a_small_net_takes_pythons_steps(sizes, activation, key, rng):
    X, y = rng.normal(size=(20, 2)), rng.integers(0, 2, size=20)
    kind, maker, _ = KINDS[key]

    def made():
        model = MLP(sizes, activation, rng=1)

        def loss(X=X, y=y):
            return cross_entropy(model(X), y)

        return maker(model.named_parameters()), list(model.parameters()), loss

    runs = [made() for _ in range(1 + NEAR)]
    _, leaves, loss = runs[0]
    found = run(
        """const runner = makeRunner({ problem, method: { kind }, start }), seen = [];
        while (runner.t < 8 && runner.seek(runner.t + 1).t > seen.length) {
          seen.push({ theta: runner.theta, info: runner.info });
        }
        return seen;""",
        {"problem": objective_script(loss, leaves, (X, y), curvature=True)},
        kind=kind,
        start=np.concatenate([p.numpy().reshape(-1) for p in leaves]).tolist(),
    )
    assert len(found) >= 5
    for t, seen in enumerate(found, start=1):
        f, reports = stepped(runs, t)
        assert arrived(seen["theta"], runs), t
        compare(seen["info"], reports, f, (t,))
        for _, leaves, _ in runs:
            go_on_from(seen["theta"], leaves)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_the_map_of_a_loss_on_mini_batches_is_their_mean(size, rng):
    rows = rng.normal(size=(5, 2))
    w = leaf([0.0, 0.0], name="w")
    tilted = lambda tilts: np.sum(w * w) + np.mean(tilts @ w)  # noqa: E731
    landscape = (VIEWER / "landscape.js").read_text(encoding="utf-8")
    found = run(
        landscape
        + """problem.batches = { size, order: "cyclic", data: [Float64Array.from(whole)] };
        return wholeLosses(problem, places.map((at) => Float64Array.from(at)));""",
        {"problem": objective_script(tilted, [w], (rows[:size],))},
        size=size,
        whole=rows.ravel().tolist(),
        places=[[0.0, 0.0], [1.0, -2.0]],
    )
    np.testing.assert_allclose(found, [0, 5 + rows.mean(axis=0) @ [1, -2]], atol=1e-14)
