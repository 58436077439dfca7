"""What the lab puts into its page: rules and objectives as JavaScript, step by step as in Python."""

import json

import numpy as np
import pytest

import minigrad as mg
import models
import optim
from minigrad import Tensor
from optim.laboratory.printed import forward_script, objective_script, rule_script
from tests.javascript import run
from tests.optim.cases import CASES
from tests.seeds import further

# Training: the loss, its gradient and the rule together

TRAIN = """
{
const problem = %(objective)s, rule = %(rule)s, from = %(start)s;
const w = new Float64Array(from.w), g = new Float64Array(w.length);
const state = rule.state.map((name) => new Float64Array(from[name]));
let counters = from.counters, traced = [];
const losses = [];
for (let t = 0; t < %(steps)d; t++) {
  losses.push(problem.gradient(w, g));
  const one = (_, i) => rule.trace(w[i], g[i], state.map((s) => s[i]), counters, rule.numbers);
  traced = Array.from(w, one); // in the end, all numbers of the last step
  counters = rule.step(w, g, state, counters, rule.numbers);
}
const kept = Object.fromEntries(rule.state.map((name, i) => [name, state[i]]));
result.push({ losses, w, traced, counters, state: kept });
}
"""


def bowl(p):
    """Smooth, with a minimum so far from the start that no rule gets there in 1,000 steps of 0.001, for at
    the minimum steps of a fixed size jitter, and rounding decides."""
    return np.sum(np.log(np.cosh(p - np.array([0.5, -1.0, 2.0])))) + 0.1 * np.sum(p * p)


def trained(kind, options, steps, start=(4.0, 3.5, -3.0)):
    """The text of a run, and what Python has after it."""
    p = Tensor(np.array(start), requires_grad=True, name="p")
    optimizer = kind([p], **options)
    group = optimizer.param_groups[0]
    begin = {"w": list(start), "counters": group.slices[0].counters}
    begin |= {name: vector.tolist() for name, vector in group.state.items()}
    parts = {"objective": objective_script(lambda: bowl(p), [p]), "rule": rule_script(optimizer)}
    text = TRAIN % (parts | {"start": json.dumps(begin), "steps": steps})
    closure, losses = mg.compile(lambda: bowl(p)).at(), []
    optimizer.keep_last_step = True
    for _ in range(steps):
        losses.append(float(optimizer.step(closure).data))
    return text, {
        "losses": losses,
        "w": p.data,
        "shown": optimizer.last_step["p"],
        "counters": group.slices[0].counters,
        "state": dict(group.state),
    }


def compare(runs, rtol):
    found = run("\n".join(["result = [];", *(text for text, _ in runs.values())]))
    for name, got, (_, want) in zip(runs, found, runs.values(), strict=True):
        for part in ("losses", "w"):
            np.testing.assert_allclose(got[part], want[part], rtol=rtol, err_msg=f"{part} of {name}")
        assert got["counters"] == pytest.approx(want["counters"], rel=rtol), name
        for key, vector in got["state"].items():
            np.testing.assert_allclose(vector, want["state"][key], rtol=rtol, err_msg=f"{key} of {name}")
        for i, numbers in enumerate(got["traced"]):
            assert numbers.keys() == want["shown"].keys(), name
            for key, number in numbers.items():
                wanted = want["shown"][key]
                wanted = wanted[i] if np.ndim(wanted) else wanted
                np.testing.assert_allclose(number, wanted, rtol=rtol, err_msg=f"{key} of {name}")


def runs(steps):
    for case in CASES:
        for options in [*case.settings, {"maximize": True}]:
            yield f"{case.name} {options}", trained(case.kind, options | {"lr": 1e-3}, steps)


@pytest.mark.parametrize("steps", [40, *further(1_000)])
def test_every_rule_trains_as_in_python(steps):
    compare(dict(runs(steps)), rtol=1e-10)


def test_numbers_may_change_from_step_to_step():
    p = Tensor(np.array([1.0, 2.0]), requires_grad=True)
    adam = optim.Adam([p], lr=0.1)
    text = f"""
    const rule = {rule_script(adam)}, w = new Float64Array([1, 2]), g = new Float64Array([3, -4]);
    const state = rule.state.map(() => new Float64Array(2));
    let counters = {{ t: 0 }};
    for (const lr of [0.1, 0.03]) counters = rule.step(w, g, state, counters, {{ ...rule.numbers, lr }});
    result = [w, rule];
    """
    for lr in (0.1, 0.03):
        adam.param_groups[0]["lr"] = lr
        p.grad = np.array([3.0, -4.0])
        adam.step()
    w, rule = run(text)
    np.testing.assert_allclose(w, p.data, rtol=1e-15)
    assert rule["numbers"] == {"lr": 0.1, "betas": [0.9, 0.999], "eps": 1e-8}
    assert rule["constants"] == {"weight_decay": 0, "amsgrad": 0, "maximize": 0}
    assert (rule["name"], rule["state"], rule["counters"]) == ("Adam", ["m", "v"], ["t"])


def test_a_rule_with_names_of_the_text_itself():
    class Odd(optim.base.first_order.FirstOrder):
        state_names = ("n", "i", "s0")

        @staticmethod
        def rule(w, g, n, i, s0, *, t, lr):
            n, i, s0 = n + g, i + 2 * n, s0 + i * w
            return {"w": w - lr * (n + i + s0), "n": n, "i": i, "s0": s0}

    compare({"odd": trained(Odd, {"lr": 1e-3}, 4)}, rtol=1e-13)


# The value of a script


def test_an_objective_describes_itself_and_its_data_can_be_replaced():
    net = models.MLP([2, 3, 3])
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 5, 2)), rng.integers(0, 3, (2, 5))
    loss = lambda x, y: models.cross_entropy(net(x), y)  # noqa: E731  # it is named below
    w = np.concatenate([p.data.ravel() for p in net.parameters()]).tolist()
    text = f"""
    const problem = {objective_script(loss, net.parameters(), (x[0], y[0]))};
    const g = new Float64Array(problem.n), w = new Float64Array({w});
    const first = problem.gradient(w, g);
    problem.data[0] = new Float64Array({x[1].ravel().tolist()});
    problem.data[1].set({y[1].tolist()});
    result = [first, problem.gradient(w, g), g, problem];
    """
    first, second, g, problem = run(text)
    np.testing.assert_allclose([first, second], [float(loss(*batch).data) for batch in zip(x, y)], rtol=1e-13)
    want = mg.gradient_and_hvp(loss(x[1], y[1]), net.parameters())[0]
    np.testing.assert_allclose(g, np.concatenate([np.ravel(part) for part in want]), rtol=1e-12)
    assert problem["names"] == [p.name for p in net.parameters()]
    assert (problem["n"], problem["offsets"]) == (21, [0, 6, 9, 18])
    assert problem["shapes"] == [[2, 3], [3], [3, 3], [3]]
    described = [(each["shape"], each["dtype"]) for each in problem["inputs"]]
    assert described == [([5, 2], "float64"), ([5], "int64")]


@pytest.mark.parametrize(("f", "constant"), [
    (lambda p: np.sum(p * p) - p[0] * p[1] + 3 * p[0] + 1, True),
    (lambda p: p @ np.array([[2.0, 1.0], [1.0, 3.0]]) @ p / 2, True),
    (lambda p: 7 * p[0], True),
    (lambda p: np.sum(p**4), False),
    (lambda p: np.where(p[0] < 1, 12.5 * p[0] ** 2, 0.5 * p[0] ** 2), False),  # constant near the start only
    (lambda p: np.sum(np.abs(p) * p), False),
])  # fmt: skip
def test_a_constant_hessian_is_known_from_the_lines(f, constant):
    p = Tensor(np.array([0.3, 0.2]), requires_grad=True)
    script = objective_script(lambda: f(p), [p], curvature=True)
    assert run(f"result = {script}.constantHessian;") == constant


def test_a_point_answers_in_any_order_and_again():
    p = Tensor(np.array([0.3, 1.2]), requires_grad=True)
    f = lambda p: np.sum(np.exp(p[0] * p) * p[1])  # noqa: E731  # it is named below
    text = f"""
    const problem = {objective_script(lambda: f(p), [p], curvature=True)};
    const new2 = () => new Float64Array(2);
    result = [];
    for (const at of [[0.3, 1.2], [-1, 0.5]]) {{
      const theta = new Float64Array(at), [g, a, b] = [new2(), new2(), new2()];
      const loss = problem.point(theta);
      theta.fill(NaN); // the point keeps what it needs
      problem.product(new Float64Array([1, 0]), a);
      problem.product(new Float64Array([0, 1]), b);
      problem.pointGradient(g);
      result.push([loss, g, a, b]);
    }}
    """
    for at, (loss, g, a, b) in zip(([0.3, 1.2], [-1, 0.5]), run(text), strict=True):
        x = np.array(at)
        np.testing.assert_allclose(loss, f(x), rtol=1e-14)
        np.testing.assert_allclose(g, mg.grad(f)(x), rtol=1e-13)
        np.testing.assert_allclose([a, b], mg.hessian(f)(x), rtol=1e-13)


def test_a_model_on_a_grid():
    net = models.MLP([2, 4, 3], activation="relu")
    grid = np.random.default_rng(1).normal(size=(6, 2))
    w = np.concatenate([p.data.ravel() for p in net.parameters()]).tolist()
    script = forward_script(net, net.parameters(), (grid,))
    text = f"const y = {script}; result = [y.shape, y.run({w}), y.run({w})];"
    shape, first, again = run(text)
    assert shape == [6, 3]
    assert first == again
    np.testing.assert_allclose(first, net(grid).data.ravel(), rtol=1e-13)


def test_what_is_not_float64_is_refused():
    p = Tensor(np.ones(2, np.float32), requires_grad=True)
    with pytest.raises(TypeError, match=r"`rule_script\(optimizer\)` needs .* float64, got float32"):
        rule_script(optim.Adam([p]))
    with pytest.raises(
        TypeError, match=r"`objective_script\(leaves=.*\)` needs Tensors of float64, got list"
    ):
        objective_script(lambda: p, [[1.0]])


def test_products_of_a_loss_that_is_linear_in_its_unknowns_know_its_data():
    """The gradient is a copy of the data, and is asked for by itself."""
    w = Tensor(np.zeros(2), requires_grad=True)
    script = objective_script(lambda x: np.sum(x[0] * w), [w], (np.array([[3.0, -5.0]]),), curvature=True)
    found = run(f"""
    const problem = {script}, g = new Float64Array(2), Hv = new Float64Array(2);
    problem.point(new Float64Array(2));
    problem.pointGradient(g);
    problem.product(new Float64Array([1, 1]), Hv);
    result = [g, Hv];
    """)
    assert found == [[3, -5], [0, 0]]
