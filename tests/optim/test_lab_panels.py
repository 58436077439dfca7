"""The panels of the lab, run by Node without a page: what they compute before they draw it."""

import re

import numpy as np
import pytest

import optim
from minigrad import Tensor
from models import Linear, Module, cross_entropy
from optim.laboratory.page import ENGINE, PANELS, _script
from tests import javascript

PAGE = """
const timers = [], setTimeout = (act, wait) => timers.push({ act, wait });
const clearTimeout = (k) => { if (k) delete timers[k - 1]; };
const anything = new Proxy(() => 0, { // what a canvas draws with
  get: (_, key) => (key === "width" ? 9 : anything), set: () => true, apply: () => anything,
});
const document = {}, getComputedStyle = () => ({ getPropertyValue: () => "#000000" });
"""
WALKERS = """
const lab = { problem: 0, walkers: [], chosen: 0, t: 0, steps: data.steps };
lab.start = Float64Array.from(data.problems[0].start);
data.methods.forEach((_, k) => lab.walkers.push(makeWalker(k)));
for (const walker of lab.walkers) walker.runner = makeRunnerFor(walker);
"""


def run(page, body):
    """What the body of a JavaScript function returns in the scripts of the page. Each method walks."""
    data = re.search('id="data">(.*?)</script>', page.html(), re.S)[1]
    engine, panels = ([_script(name) for name in names] for names in (ENGINE, PANELS[:-1]))
    whole = [*engine, page._programs(), "{", f"const data = {data};", PAGE, *panels, WALKERS]
    return javascript.run("\n".join([*whole, f"result = (() => {{ {body} }})();", "}"]))


def test_eps_of_0_is_the_smallest_normal_number_as_in_python():
    def f(w):
        return w[0] ** 2 + w[1] ** 2

    page = optim.lab(f, [optim.Adam, lambda p: optim.Adam(p, eps=0.0)], start=(1.0, 0.0))
    found = run(
        page,
        """const typed = { ...lab.walkers[0], changes: { eps: 0 } };
        return [typed, lab.walkers[1]].map((walker) => makeRunnerFor(walker).seek(3).theta);""",
    )
    w = Tensor([1.0, 0.0], requires_grad=True)
    adam = optim.Adam([w], eps=0.0)
    for _ in range(3):
        adam.step(lambda: f(w))
    np.testing.assert_allclose(found, [w.numpy()] * 2, rtol=1e-12)


@pytest.mark.parametrize(
    ("f", "start", "limit"),
    [
        (lambda w: w[0] ** 2 + 3 * w[1] ** 2, (1.0, 1.0), 2 / 6),
        (lambda w: w[0] ** 2 + 3 * w[1], (1.0, 1.0), None),
        (lambda w: w[0] ** 2 - w[1] ** 2, (1.0, 1.0), None),
        (lambda w: (w[0] + w[1] - 7e5) ** 2 - 3 * (w[0] + w[1]), (0.3, 0.1), 2 / 4),  # flat along (1, −1)
        (lambda w: (w[0] + w[1]) ** 2 + 1e-3 * (w[0] - w[1]), (0.3, 0.1), None),
    ],
)
def test_a_limit_is_proven_where_the_parabola_is_bounded_below(f, start, limit):
    found = run(optim.lab(f, ["SGD"], start=start), "return rateLimit(lab.walkers[0])?.limit ?? null;")
    assert found == (None if limit is None else pytest.approx(limit, rel=1e-12))


def test_weight_decay_bounds_a_slope_from_below():
    page = optim.lab(
        lambda w: w[0] ** 2 + 3 * w[1], [lambda p: optim.SGD(p, weight_decay=0.5)], start=(1.0, 1.0)
    )
    assert run(page, "return rateLimit(lab.walkers[0]).limit;") == pytest.approx(2 / 2.5, rel=1e-12)


SAYS = """const walker = lab.walkers[0];
walker.runner.seek(steps);
const { eigenvalues, products } = seenCurvature(walker, walker.runner, SHOWN);
return stabilitySentence(walker, products[0], limitOf(walker).most, Math.min(...eigenvalues));"""


@pytest.mark.parametrize(
    ("f", "optimizer", "steps", "words"),
    [
        (lambda w: np.sum(w**2), lambda p: optim.Adam(p, lr=0.0), 3, "At a rate of 0"),
        (lambda w: np.sum(w**2), lambda p: optim.SGD(p, lr=0.0), 3, "At a rate of 0"),
        (lambda w: np.sum(w**2), lambda p: optim.SGD(p, lr=0.1), 3, "the walk is stable here"),
        (lambda w: np.sum(w**2), lambda p: optim.SGD(p, lr=1e308), 3, "The walk has left all bounds."),
        (lambda w: np.sum(w**2), lambda p: optim.Adam(p, lr=0.1), 0, "are known after its first step."),
        (lambda w: np.sum(w**1.5), lambda p: optim.SGD(p, lr=0.1), 0, "is no finite number here."),
    ],
)
def test_a_sentence_says_why_there_is_no_product(f, optimizer, steps, words):
    start = (0.0, 1.0) if "finite" in words else (1.0, 2.0)
    assert words in run(optim.lab(f, [optimizer], start=start), SAYS.replace("steps", str(steps)))


def test_a_seek_surveys_nothing_and_rest_surveys_all():
    page = optim.lab(lambda w: np.sum(w**4), ["Adam"], start=(1.0, 2.0), steps=96)
    found = run(
        page,
        """const walker = lab.walkers[0], seen = [];
        let looks = 0, drawn = 0;
        const look = (runner) => { looks++; return runner.theta[0]; };
        const draw = () => { drawn++; seen.push(surveyed(walker, "x", look, draw)); };
        const due = () => timers.filter(Boolean);
        for (const t of [90, 10, 50, 48]) { walker.runner.seek(t); draw(); }
        const moving = { looks, due: due().map(({ wait }) => wait), known: seen.at(-1).ts.length };
        for (let k = 0; k < timers.length; k++) { const timer = timers[k]; delete timers[k]; timer?.act(); }
        const rested = { looks, ts: seen.at(-1).ts, seen: seen.at(-1).seen };
        const there = rested.ts.map((t) => walker.runner.seek(t).theta[0]);
        walker.runner.seek(20);
        draw();
        const back = { looks, ts: seen.at(-1).ts, due: due().length };
        walker.runner.seek(96);
        draw();
        walker.runner = makeRunnerFor(walker); // another walk: what is due belongs to the old one
        due()[0].act();
        return { moving, rested, there, back, late: looks };""",
    )
    assert found["moving"] == {"looks": 0, "due": [120], "known": 0}
    assert found["rested"]["ts"] == list(range(0, 49, 2))
    assert found["rested"]["seen"] == found["there"]
    assert found["back"] == {"looks": 25, "ts": list(range(0, 21, 2)), "due": 0}
    assert found["late"] == 25


def test_what_the_plot_of_stability_draws_is_not_computed_while_it_is_sought():
    page = optim.lab(lambda w: np.sum(w**4), ["Adam"], start=(1.0, 2.0), steps=96)
    looks = run(
        page,
        """const { runner } = lab.walkers[0], { product } = problemNow();
        let looks = 0;
        problemNow().product = (v, out) => { looks++; product(v, out); };
        runner.seek(90);
        drawStability({ c: anything, width: 300, height: 200 });
        return [looks, timers.filter(Boolean).length];""",
    )
    assert looks == [0, 1]


class Named(Module):
    def __init__(self):
        self.layers = {name: Linear(2, 2, rng=0) for name in ("a //b", "</script>", '<!-- "c\\ /* d')}

    def forward(self, x):
        for layer in self.layers.values():
            x = layer(x)
        return x


def test_a_name_of_the_users_is_a_name_whatever_is_in_it():
    model, X = Named(), np.eye(2)
    page = optim.lab(model, ["SGD"], loss=cross_entropy, data=(X, np.arange(2)))
    names = run(page, "return [problemNow(), FORWARDS[0]].map(({ names }) => names);")
    assert names == [[name for name, _ in model.named_parameters()]] * 2
    assert "</script>" not in page._programs()
