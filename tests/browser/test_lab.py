"""The lab in headless Chromium: its numbers are Python's, forwards and backwards; it is driven by mouse, by keys
and by its address; and nothing leaves the page or goes beyond its borders."""

import json
from dataclasses import replace

import numpy as np
import pytest

import optim
from examples.lab.__main__ import canned
from examples.lecture import LECTURE
from minigrad import Tensor, compile, hessian
from models import MLP, accuracy, cross_entropy, mse_loss
from models.datasets import moons
from tests.optim.cases import SETTINGS

pytestmark = pytest.mark.browser

START = (-1.2, 1.0)


def rosenbrock(w):
    return 100 * (w[1] - w[0] ** 2) ** 2 + (1 - w[0]) ** 2


def bowl(w):
    return 0.5 * (w[0] ** 2 + 20 * w[1] ** 2)


def adam(params):
    return optim.Adam(params, lr=0.1)


@pytest.fixture(scope="module")
def canned_page(tmp_path_factory):
    return canned().save(tmp_path_factory.mktemp("lab") / "lab.html")


@pytest.fixture
def lab(open_file, tmp_path):
    """lab(f, optimizers, ...) opens a page of its own; `width` and `dark` are the browser's."""
    pages = []

    def opened(*args, width=1280, dark=False, **options):
        pages.append(optim.lab(*args, **options).save(tmp_path / f"{len(pages)}.html"))
        return open_file(pages[-1], width=width, dark=dark)

    return opened


def go(page, t):
    """To step t, by the slider."""
    page.one("#time", f"(e.value = {t}, e.dispatchEvent(new Event('input')))")
    page.rest()


def table(page, name):
    """The numbers of a table, by the name of the row."""
    rows = page.all(
        f"#{name} tr[data-name]",
        "[e.dataset.name, [...e.cells].slice(1).map((c) => c.dataset.value ?? null)]",
    )
    return {name: [None if x is None else float(x) for x in cells] for name, cells in rows}


def losses(page):
    return [float(x) for x in page.all("#walkers .loss", "e.dataset.value")]


def choose(page, k):
    page.all("#walkers .walker", f"e === document.querySelectorAll('#walkers .walker')[{k}] && e.click()")
    page.rest()


def pick(page, field, value):
    page.one(f"#{field}", f"(e.value = {json.dumps(value)}, e.dispatchEvent(new Event('change')))")
    page.rest()


def walked(kind, f, start, steps):
    """The optimizer after some steps, with its last step kept, its parameter, and all losses."""
    w = Tensor(np.array(start), requires_grad=True, name="w")
    optimizer, loss, found = kind([w]), compile(lambda: f(w)), []
    if isinstance(optimizer, optim.FirstOrder):
        optimizer.keep_last_step = True
    for _ in range(steps):
        found.append(optimizer.step(loss.at()).item())
    return optimizer, w, [*found, f(w).item()]


def close(found, wanted, tolerance=1e-12):
    return np.allclose(found, wanted, rtol=tolerance, atol=tolerance * 1e-3)


# Numbers

RULES = [name for name, (case, options) in SETTINGS.items() if issubclass(case.kind, optim.FirstOrder)]


@pytest.mark.parametrize("part", range(4))
def test_every_number_of_a_step_is_pythons(lab, part):
    names, t = RULES[part::4], 7
    kinds = {
        name: lambda p, case=SETTINGS[name][0], options=SETTINGS[name][1]: case.kind(
            p, lr=case.bowl_lr / 10, **options
        )
        for name in names
    }
    for few in np.array_split(names, -(-len(names) // 6)):
        page = lab(bowl, [kinds[name] for name in few], start=START, steps=20)
        go(page, t)
        for k, name in enumerate(few):
            earlier, w, _ = walked(kinds[name], bowl, START, t - 1)
            before = {"w": w.numpy(), **earlier.param_groups[0].state}
            optimizer, _, values = walked(kinds[name], bowl, START, t)
            assert close(losses(page)[k], values[-1])
            choose(page, k)
            for i in range(2):
                pick(page, "coordinate", i)
                found, step = table(page, "inside-table"), optimizer.last_step["w"]
                checked = {"g", "w", *optimizer.state_names} & step.keys() | ({"step"} & step.keys())
                assert checked <= found.keys(), (name, found)
                for key, (old, *_) in found.items():
                    assert old is None or close(old, before[key][i]), (name, key)
                for key, value in step.items():
                    wanted = np.ravel(value)[i if np.ndim(value) else 0]
                    if key == "m_hat" and np.array_equal(value, step["m"]):
                        assert key not in found, "without a correction it is m, and is not shown twice"
                    else:
                        assert close(found[key][-1], wanted), (name, key)


def test_the_boxes_of_the_rule_hold_the_numbers(lab):
    kinds = [adam, lambda p: optim.NAdam(p, lr=0.1), lambda p: optim.RMSprop(p, lr=0.1, weight_decay=0.3)]
    page = lab(bowl, kinds, start=START)
    go(page, 5)
    slope = lambda x, before: x["g"][0] + 0.3 * before["w"][0]  # noqa: E731
    means = [0.9 * (1 - 0.5 * 0.96 ** (t * 0.004)) for t in (5, 6)]
    formulas = [{}, {"u₁": means[0], "u₂": means[1]}, {"u₁": slope}]  # the parts that the rule does not name
    for k, kind in enumerate(kinds):
        choose(page, k)
        before, step = (walked(kind, bowl, START, t)[0].last_step["w"] for t in (4, 5))
        boxes = page.all("#rule .node", "[...e.querySelectorAll('text')].map((line) => line.textContent)")
        numbers = {label.partition(" = ")[0]: text.replace("−", "-") for label, text in boxes}
        for label, number in formulas[k].items():
            wanted = number(step, before) if callable(number) else number
            assert close(float(numbers.pop(label)), wanted, 1e-6)
        rows = page.all(
            "#inside-table tr[data-name]", "[...e.cells].map((c) => c.textContent.replace(/−/g, '-'))"
        )
        shown = {name: after for name, _, after in rows}
        assert {numbers["g"], numbers["w′"]} <= set(shown.values()), "boxes and table write alike"
        assert page.one("#rule", "e.scrollWidth <= e.clientWidth"), "nothing is cut"
        if k == 2:
            continue
        wanted = {"g": "g", "m′": "m", "v′": "v", "m̂": "m_hat", "v̂": "v_hat", "step": "step", "w′": "w"}
        wanted |= {name: name for name in ["mu_product"] if name in step}
        assert numbers.keys() == {*wanted, "m", "v", "w"}
        for label, name in wanted.items():
            assert close(float(numbers[label]), np.ravel(step[name])[0], 1e-6)
        for name in ("m", "v", "w"):
            assert close(float(numbers[name]), before[name][0], 1e-6)


def test_the_drawing_of_the_first_step_is_that_of_its_rule(lab):
    def damped(p):
        return optim.SGD(p, lr=0.01, momentum=0.9, dampening=0.5, weight_decay=0.3)

    page = lab(bowl, [damped, optim.NewtonCG], start=START)
    for t, label in (
        (1, "b′ = g + weight_decay·w"),
        (2, "b′ = momentum·b + u₁"),
        (1, "b′ = g + weight_decay·w"),
    ):
        go(page, t)
        boxes = dict(
            page.all("#rule .node", "[...e.querySelectorAll('text')].map((line) => line.textContent)")
        )
        step = walked(damped, bowl, START, t)[0].last_step["w"]
        assert close(float(boxes[label].replace("−", "-")), step["b"][0], 1e-6)
        assert table(page, "inside-table")["b"][1] == pytest.approx(step["b"][0], rel=1e-12)
    choose(page, 1)
    assert page.count("#rule .node") == 0
    page = lab(bowl, [lambda p: optim.SGD(p, lr=0.01, momentum=0.9)], start=START)
    go(page, 1)
    boxes = dict(page.all("#rule .node", "[...e.querySelectorAll('text')].map((line) => line.textContent)"))
    assert boxes.keys() == {"g", "b′", "step = lr·g", "w", "w′ = w − step"}
    assert boxes["b′"] == boxes["g"]


def test_newton_cg_is_seen_inside_its_trust_region(lab):
    page = lab(rosenbrock, [optim.NewtonCG], start=START)
    page.tap("#tab-model")
    for t in (1, 3, 7, 12):
        go(page, t)
        optimizer, _, wanted = walked(optim.NewtonCG, rosenbrock, START, t)
        info = optimizer.last_step
        assert close(losses(page)[0], wanted[-1], 1e-9)
        cg = table(page, "cg-table")
        assert len(cg) == info.n_cg
        for row, (residual, curvature, model) in zip(info.cg, cg.values(), strict=True):
            assert close([residual, curvature, model], [row.residual, row.curvature, row.model], 1e-9)
        assert len(table(page, "trial-table")) == len(info.trials)
        model = table(page, "model-table")
        assert close(model["actual"][0], wanted[-1] - wanted[-2], 1e-8)
        assert close(model["rho"][0], info.rho, 1e-6)
        assert f"CG made {info.n_cg} product" in page.one("#model-says")


def test_stability_is_the_sharpness_that_python_finds(lab):
    page = lab(rosenbrock, [adam, lambda p: optim.SGD(p, lr=1e-3, momentum=0.5)], start=START)
    page.tap("#tab-stability")
    go(page, 20)
    optimizer, w, _ = walked(adam, rosenbrock, START, 20)
    P = optimizer.preconditioner()
    found = table(page, "stability-table")
    wanted = optim.preconditioned_sharpness(lambda w: rosenbrock(w), w.numpy(), P[0])
    assert close(found["product"][0], 0.1 * wanted, 1e-6)
    assert close(found["most"][0], 38)
    both = optim.sharpness(lambda w: rosenbrock(w), w.numpy(), 2)
    assert close([found["eigenvalue1"][0], found["eigenvalue2"][0]], both, 1e-6)
    choose(page, 1)
    found = table(page, "stability-table")
    assert found["most"] == [3.0]
    at = walked(lambda p: optim.SGD(p, lr=1e-3, momentum=0.5), rosenbrock, START, 20)[1].numpy()
    assert close(found["product"][0], 1e-3 * optim.sharpness(lambda w: rosenbrock(w), at), 1e-6)
    page.tap("#double")
    page.rest()
    assert table(page, "stability-table")["lr"] == [2e-3]


def test_weight_decay_is_no_part_of_H_but_of_what_the_rule_sees(lab):
    kinds = [
        lambda p: optim.SGD(p, lr=1e-3, weight_decay=50.0),
        lambda p: optim.Adam(p, lr=0.1, weight_decay=50.0),
    ]
    page = lab(rosenbrock, kinds, start=START)
    page.tap("#tab-stability")
    go(page, 5)
    for k, kind in enumerate(kinds):
        choose(page, k)
        optimizer, w, _ = walked(kind, rosenbrock, START, 5)
        found, at = table(page, "stability-table"), w.numpy()
        whole = lambda w: rosenbrock(w) + 25.0 * np.sum(w * w)  # noqa: E731
        assert close(found["eigenvalue1"][0], optim.sharpness(lambda w: rosenbrock(w), at), 1e-6)
        if k:
            seen = 0.1 * optim.preconditioned_sharpness(whole, at, optimizer.preconditioner()[0])
        else:
            seen = 1e-3 * optim.sharpness(whole, at)
        assert close(found["product"][0], seen, 1e-6)
        assert found["decay"] == [50.0]
        assert "weight decay adds λ" in page.one("#stability-says")
    page.tap("#tab-model")
    page.rest()
    before = walked(kinds[1], rosenbrock, START, 4)[1].numpy()
    step = at - before
    wanted = step @ hessian(rosenbrock)(before) @ step / (step @ step)
    assert close(table(page, "model-table")["curvature"][0], wanted, 1e-8)
    assert "without weight decay" in page.one("#model-says")


def test_the_axis_of_stability_follows_a_curvature_far_beyond_the_limit(lab):
    page = lab(bowl, [lambda p: optim.SGD(p, lr=40.0)], start=(0.001, 0.001), steps=20)
    page.tap("#tab-stability")
    go(page, 10)
    assert table(page, "stability-table")["product"] == [pytest.approx(800)]
    seen = """(() => { const shown = document.getElementById('stability'), { width, height } = shown;
        const c = Object.assign(document.createElement('canvas'), { width, height }).getContext('2d', { willReadFrequently: true });
        c.drawImage(shown, 0, 0);
        const colour = getComputedStyle(document.documentElement).getPropertyValue('--walk-0'), { data } = c.getImageData(0, 0, width, height);
        const [r, g, b] = colour.trim().match(/[0-9a-f]{2}/gi).map((x) => parseInt(x, 16));
        return Array.from({ length: data.length / 4 }, (_, k) => data[4 * k] === r && data[4 * k + 1] === g && data[4 * k + 2] === b)
          .filter(Boolean).length; })()"""
    page.until(f"{seen} > 100")  # the curve, found once the slider rests, is on its axis
    assert "10³" in words(page) or "100" in words(page)


def everything(page):
    """All numbers that are to be seen, and the sentences."""
    marked = "[data-value], #leader, #inside-says, #count"
    return [each for each in page.all(marked, "e.offsetParent && [e.dataset.value, e.textContent]") if each]


def test_back_and_forth_shows_the_same(lab):
    page = lab(rosenbrock, [adam, "NAdam", optim.NewtonCG], start=START)
    go(page, 70)
    there = everything(page)
    page.key("ArrowLeft", "ArrowLeft", "ArrowLeft")
    assert page.one("#count").startswith("67 /")
    assert everything(page) != there
    page.key("ArrowRight", "ArrowRight", "ArrowRight")
    assert everything(page) == there
    page.key("Home")
    assert close(losses(page), [rosenbrock(START)] * 3)
    go(page, 70)
    assert everything(page) == there


def counted(monkeypatch):
    """Pages that are made from now on count in `spectra` how often they look for eigenvalues."""
    file, asked = (
        optim.laboratory.page._file,
        "function topEigenvalues(problem, theta, k, divisor, tolerance = 1e-13) {",
    )

    def counting(name):
        assert name != "engine.js" or file(name).count(asked) == 1
        return file(name).replace(asked, f"{asked} window.spectra = (window.spectra ?? 0) + 1;")

    monkeypatch.setattr(optim.laboratory.page, "_file", counting)


SEEK = """((ts) => { const seen = []; for (const t of ts) {
    const time = document.getElementById('time'); time.value = t; time.dispatchEvent(new Event('input'));
    seen.push([document.getElementById('count').textContent, document.querySelector('.loss').dataset.value]); }
    return [window.spectra, seen]; })"""


def test_a_panel_that_takes_long_waits_until_the_slider_rests(open_file, tmp_path, monkeypatch):
    counted(monkeypatch)
    made = canned()
    made.presets = [preset for preset in made.presets if preset.name == "10 Adam"]
    made.presets = [replace(made.presets[0], measures=(), t=300, steps=300)]
    path = made.save(tmp_path / "lab.html")
    page = open_file(path)
    settled = "(() => { const now = window.spectra, same = now === window.before; window.before = now; return same; })()"
    for _ in range(4):  # until the curve along the walk is there too
        page.js("new Promise((done) => setTimeout(done, 400))")
        page.until(settled, 60)
    before = page.js("spectra")
    ts = list(range(290, 150, -10))
    after, seen = page.js(f"{SEEK}({ts})")
    assert after == before, "no event of the slider computes a spectrum"
    assert [count for count, _ in seen] == [f"{t} / 300 steps" for t in ts]
    assert len({loss for _, loss in seen}) == len(ts), "the numbers of the walks follow at once"
    assert page.one("#panel-stability", "e.ariaBusy") == "true"
    page.rest()
    assert page.js("spectra") == before + 2, "one of H, and one of what Adam sees of it"
    assert page.one("#panel-stability", "e.ariaBusy") == "false"
    there = table(page, "stability-table"), page.one("#stability-says")
    page.until("location.hash.includes('t=160')")
    other = open_file(path)
    other.until("document.getElementById('count').textContent", 60)
    other.js(f"location.hash = {json.dumps(page.js('location.hash'))}")
    other.until("document.getElementById('count').textContent.startsWith('160')", 60)
    other.rest()
    assert (table(other, "stability-table"), other.one("#stability-says")) == there


def test_a_panel_that_waits_is_there_as_soon_as_another_is_opened(lab):
    page = lab(rosenbrock, [adam, optim.NewtonCG], start=START)
    page.js("window.clock = 0, performance.now = () => (clock += 50)")  # all takes long
    page.tap("#tab-model")
    page.one("#time", "(e.value = 5, e.dispatchEvent(new Event('input')))")
    assert page.one("#panel-model", "e.ariaBusy") == "true"
    page.tap("#tab-inside")
    assert page.count("[aria-busy=true]") == 0
    assert page.one("#inside-says").startswith("Step 5 of Adam")
    page.tap("#tab-model")
    assert page.one("#panel-model", "e.ariaBusy") == "false"
    there = table(page, "model-table")
    go(page, 9)
    assert table(page, "model-table") != there
    page.tap("#play")
    page.until("parseInt(document.getElementById('count').textContent) > 12")
    page.tap("#play")
    page.rest()
    there = table(page, "model-table")
    page.one("#tab-model", "e.click()")
    assert table(page, "model-table") == there, "the end of a walk that played is shown"


def test_a_training_goes_on_in_the_page(lab):
    data = moons(60, rng=0)

    def trained(steps):
        model = MLP((2, 5, 2), "tanh", rng=1)
        optimizer = optim.Adam(model.named_parameters(), lr=0.05)
        closure = compile(lambda X, y: cross_entropy(model(X), y)).at(data.X, data.y)
        for _ in range(steps):
            optimizer.step(closure)
        return model, optimizer

    model, optimizer = trained(10)
    page = lab(model, [optimizer, optim.NewtonCG], loss=cross_entropy, data=(data.X, data.y))
    go(page, 15)
    later, _ = trained(25)
    assert close(losses(page)[0], cross_entropy(later(data.X), data.y).item(), 1e-11)
    labels = np.argmax(later(data.X).numpy(), axis=1)
    hue = page.js(
        f"""(() => {{ const c = document.getElementById('map'), data = {data.X.tolist()}, pixels = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
        const low = [0, 1].map((i) => Math.min(...data.map((x) => x[i]))), top = [0, 1].map((i) => Math.max(...data.map((x) => x[i])));
        return data.map((x) => {{ const u = [0, 1].map((i) => (x[i] - low[i] + 0.12 * (top[i] - low[i])) / (1.24 * (top[i] - low[i])));
          const at = 4 * (Math.round((1 - u[1]) * c.height) * c.width + Math.round(u[0] * c.width) + 7); return pixels[at] > pixels[at + 2] ? 1 : 0; }}); }})()"""
    )
    assert np.mean(np.array(hue) == labels) > 0.9  # beside some points lies another point's mark


# Mouse and keys


def test_the_start_is_dragged(lab):
    page = lab(bowl, [adam, optim.SGD], start=(1.0, 0.5), region=((-2, 2), (-1, 1)))
    go(page, 10)
    x, y, width, height = page.box("#start")
    left, top, wide, high = page.box("#stage")
    middle = x + width / 2, y + height / 2
    page.mouse("mousePressed", *middle, button="left", clickCount=1)
    page.mouse("mouseMoved", left + 0.4 * wide, top + 0.3 * high, button="left")
    page.mouse("mouseReleased", left + 0.4 * wide, top + 0.3 * high, button="left", clickCount=1)
    page.rest()
    x, y, width, height = page.box("#start")
    assert abs(x + width / 2 - (left + 0.4 * wide)) < 2
    assert abs(y + height / 2 - (top + 0.3 * high)) < 2
    assert page.one("#count").startswith("10 /")
    page.until("location.hash.includes('from=')")
    start = [float(n) for n in page.js("new URLSearchParams(location.hash.slice(1)).get('from')").split(",")]
    assert start != [1.0, 0.5]
    assert close(losses(page)[0], walked(adam, bowl, start, 10)[2][-1])
    assert page.one("#start", "e.ariaLabel || e.getAttribute('aria-label')").startswith("Start at ")


def test_sliders_and_numbers_change_the_walk(lab):
    page = lab(bowl, [lambda p: optim.SGD(p, lr=0.05)], start=(1.0, 0.5))
    go(page, 8)
    assert page.one("#limit .number", "Number(e.dataset.value)") == pytest.approx(0.1)
    page.one("#slide-lr", "e.focus()")
    page.key("ArrowRight", "ArrowRight")
    rate = float(page.one("#number-lr", "e.value"))
    assert rate > 0.05
    assert close(losses(page)[0], walked(lambda p: optim.SGD(p, lr=rate), bowl, (1.0, 0.5), 8)[2][-1])
    page.type("#number-lr", "0.12")
    page.key("Enter")
    assert close(losses(page)[0], walked(lambda p: optim.SGD(p, lr=0.12), bowl, (1.0, 0.5), 8)[2][-1])
    assert "It diverges" in page.one("#limit")
    page.type("#number-lr", "fast")
    page.key("Enter")
    assert page.one("#number-lr", "e.value") == "0.12"
    assert page.one(".refusal[role=status]") == "“fast” is not taken: rate lr is a number of 0 or more."
    page.one("#slide-lr", "e.focus()")
    page.key("ArrowLeft")
    assert page.one(".refusal") == ""
    page.type("#number-lr", "0.12")
    page.key("Enter")
    assert close(losses(page)[0], walked(lambda p: optim.SGD(p, lr=0.12), bowl, (1.0, 0.5), 8)[2][-1])


def test_one_of_a_pair_of_numbers_leaves_the_other(lab):
    page = lab(bowl, [adam], start=START)
    go(page, 8)
    for field, number in (("#number-betas_1", "0.5"), ("#number-betas_2", "0.9"), ("#number-betas_2", "1")):
        page.type(field, number)
        page.key("Enter")
    assert page.one("#number-betas_2", "e.value") == "0.9"
    wanted = walked(lambda p: optim.Adam(p, lr=0.1, betas=(0.5, 0.9)), bowl, START, 8)[2]
    assert close(losses(page)[0], wanted[-1])


def test_optimizers_of_one_kind_are_named_by_what_differs(lab):
    page = lab(bowl, [adam, optim.Adam, optim.SGD], start=START)
    assert page.all("#walkers .name") == ["Adam(lr=0.1)", "Adam(lr=0.001)", "SGD"]
    page.type("#number-lr", "0.02")
    page.key("Enter")
    assert page.all("#walkers .name") == ["Adam(lr=0.02)", "Adam(lr=0.001)", "SGD"]
    page.type("#number-lr", "0.001")
    page.key("Enter")
    assert page.all("#walkers .name") == ["Adam", "Adam (2)", "SGD"]
    pick(page, "add", "2")
    page.type("#number-lr", "0.3")
    page.key("Enter")
    assert page.all("#walkers .name")[2:] == ["SGD(lr=0.001)", "SGD(lr=0.3)"]
    page.click("#anew")
    assert page.all("#walkers .name") == ["Adam(lr=0.1)", "Adam(lr=0.001)", "SGD"]
    assert page.one("#count").startswith("0 /")
    assert page.one("#number-lr", "e.value") == "0.1"


def test_settings_that_exclude_each_other_are_put_back(lab):
    page = lab(rosenbrock, [lambda p: optim.Newton(p, lr=0.5)], start=START)
    go(page, 3)
    before = losses(page)
    pick(page, "choice-modification", "trust")
    assert page.one(".refusal").startswith('Newton(lr=0.5) must be 1 with modification="trust"')
    assert page.one("#choice-modification", "e.value") == "abs"
    assert losses(page) == before
    pick(page, "choice-modification", "clip")
    assert page.all(".refusal") == ["", ""]
    assert page.one("#choice-modification", "e.value") == "clip"


def words(page):
    """What is written on the canvases when the page is drawn anew."""
    page.js(
        "(window.words = [], CanvasRenderingContext2D.prototype.fillText = (text) => { words.push(text); })"
    )
    page.tap("#forth")
    page.rest()
    return page.js("words")


def test_the_plot_of_noisy_losses_has_room_for_them_or_says_that_it_is_cut(canned_page, open_file):
    page = open_file(canned_page)
    pick(page, "preset", "Gallery: Adam can fail")  # the first loss is 0, and one in 101 is very large
    written = words(page)
    assert {"0", "200", "400"} <= set(written)
    assert "cut: losses reach 1.013e4" in written or "cut: losses reach 10130" in written
    pick(page, "preset", "Race: under noise")
    assert not [text for text in written_now(page) if text.startswith("cut")]


def written_now(page):
    page.js("words.length = 0")
    page.tap("#forth")
    page.rest()
    return page.js("words")


def test_the_plot_of_losses_says_that_a_walk_leaves_it(lab):
    page = lab(bowl, [lambda p: optim.SGD(p, lr=0.09), lambda p: optim.SGD(p, lr=0.01)], start=(1.0, 1.0))
    assert not [text for text in words(page) if text.startswith("cut")]
    page.type("#number-lr", "0.12")
    page.key("Enter")
    go(page, 150)
    assert [text for text in written_now(page) if text.startswith("cut: losses reach")]


def test_a_walk_that_has_ended_shows_in_how_many_steps(lab):
    page = lab(rosenbrock, [adam, optim.Newton, lambda p: optim.SGD(p, lr=10.0)], start=START)
    go(page, 2)
    assert page.all("#walkers .arrived", "e.offsetParent === null") == [True] * 3
    go(page, 100)
    assert page.all("#walkers .arrived", "e.offsetParent === null") == [True, False, False]
    choose(page, 1)
    (steps,) = page.all("#walkers .walker[aria-pressed=true] .arrived", "e.dataset.value")
    assert page.all("#walkers .arrived")[1] == f"after {steps} steps"
    assert f"Newton has stopped at step {steps}: " in page.one("#leader")
    assert close(walked(optim.Newton, rosenbrock, START, int(steps))[2][-1], losses(page)[1], 1e-9)
    go(page, 2)
    assert page.all("#walkers .arrived", "e.offsetParent === null") == [True] * 3


@pytest.mark.parametrize("width", [400, 800, 1280])
def test_no_number_is_cut(lab, width):
    rate = 0.019801980198019802
    page = lab(bowl, [lambda p: optim.SGD(p, lr=rate, momentum=0.6694214876033059),
                      lambda p: optim.Adam(p, lr=1.2345678901234567e-123)], start=START, width=width)  # fmt: skip
    cut = "e.scrollWidth > e.clientWidth ? e.value : ''"
    assert float(page.one("#number-lr", "e.value")) == rate
    assert not any(page.all("input[type=text]", cut))
    choose(page, 1)
    assert not any(page.all("input[type=text]", cut))
    for name, usual in (("lr", "0.00123"), ("eps", "1e-8")):
        page.type(f"#number-{name}", usual)
        page.key("Enter")
        for place in np.linspace(0, 1, 51):
            page.one(f"#slide-{name}", f"(e.value = {place}, e.dispatchEvent(new Event('input')))")
            assert not any(page.all("input[type=text]", cut)), place
    page.type("#number-betas_1", "0.12345678901234567")
    page.key("Enter")
    assert not any(page.all("input[type=text]", cut))


def test_axes_have_names(lab):
    plane = words(lab(bowl, [adam], start=START))
    assert {"w₁", "w₂", "loss", "steps"} <= set(plane)
    data = moons(20, rng=0)
    net = lab(MLP((2, 3, 2), rng=0), [adam], loss=cross_entropy, data=(data.X, data.y))
    assert {"x₁", "x₂"} <= set(words(net))
    assert {"w", "f"} <= set(words(lab(lambda w: w**2, [adam], start=1.0)))


def test_what_a_net_of_many_inputs_answers_is_drawn(lab):
    X = np.random.default_rng(0).normal(size=(40, 3))
    y = (X.sum(axis=1) > 0).astype(int)
    model = MLP((3, 4, 2), "tanh", rng=0)
    page = lab(model, [adam, optim.SGD], loss=cross_entropy, data=(X, y))
    assert "The model has 3 inputs: no border" in page.one("#says")
    go(page, 9)
    w = [(name, p) for name, p in model.named_parameters()]
    optimizer = optim.Adam(w, lr=0.1)
    at_first = accuracy(model(X), y)
    for _ in range(9):
        optimizer.step(lambda: cross_entropy(model(X), y))
    told = page.one("#map", "e.getAttribute('aria-label')").split(": ")[1].split(", ")
    assert told[0] == f"Adam {accuracy(model(X), y):.4g}"
    assert told[1].startswith("SGD ")
    assert accuracy(model(X), y) != at_first
    assert "share of the rows answered rightly" in words(page)


def test_all_is_done_by_keys(canned_page, open_file):
    page = open_file(canned_page)
    reached = []
    for _ in range(60):
        page.key("Tab")
        reached.append(page.js("document.activeElement.id || document.activeElement.className"))
        if reached[-1] == reached[0] and len(reached) > 1:
            break
    controls = ["preset", "problem", "theme", "start", "first", "back", "play", "forth", "time", "axis", "speed", "walker", "add",
                "slide-lr", "number-lr"]  # fmt: skip
    assert [each for each in reached[:-1] if each in controls] == controls
    assert any(each.startswith("tab-") for each in reached)
    assert page.all("button, select, input", "(e.labels?.length || e.getAttribute('aria-label') || e.textContent.trim()) ? '' : e.outerHTML") \
        .count("") == page.count("button, select, input")  # fmt: skip
    page.one("#start", "e.focus()")
    before = losses(page)
    page.key("ArrowRight", "ArrowUp")
    assert losses(page) != before
    page.one("#time", "e.focus()")
    count = page.one("#count")
    page.key("ArrowRight")
    assert page.one("#count") != count
    page.one("#tab-measured", "e.focus()")
    page.key("ArrowRight")
    assert page.one("#tabs [aria-selected=true]", "e.id") == "tab-inside"
    page.js("document.activeElement.blur()")
    page.key("Home", " ")
    page.until("parseInt(document.getElementById('count').textContent) > 3")
    page.key(" ")
    stopped = page.one("#count")
    page.rest()
    assert page.one("#count") == stopped


# Presets and the address


def test_each_topic_opens_with_measured_beside_published(canned_page, open_file):
    page = open_file(canned_page)
    names = page.all("#preset option", "e.value")[1:]
    topics = [f"{k} {LECTURE.title(k).partition(':')[0]}" for k in range(1, 14)]
    assert [name.split()[0] for name in names[:13]] == [topic.split()[0] for topic in topics]
    races = [name for name in names if name.startswith("Race")]
    assert sum(name.startswith("Gallery") for name in names) == 6
    for name in names:
        if name in races:
            continue
        pick(page, "preset", name)
        assert page.one("#title") == "Optimizers at work"
        assert page.one("#says")
        page.tap("#tab-measured")
        waiting = "[...document.querySelectorAll('#measured-table td')].some((c) => c.textContent === '…')"
        page.until(f"!{waiting}", 60)
        rows = page.all("#measured-table tr[data-name]", "[...e.cells].map((c) => c.textContent)")
        assert len(rows) >= 3 or name.startswith(("5", "Gallery"))
        assert rows
        assert [row for row in rows if row[-1] != "✓"] == [], name
    for name in races:
        pick(page, "preset", name)
        assert len(losses(page)) >= 4
        assert all(map(np.isfinite, losses(page)))


def test_a_limit_is_proven_on_parabolas_alone(canned_page, open_file):
    page = open_file(canned_page)
    pick(page, "preset", "Gallery: a heavy ball in circles")
    assert "Proven" not in page.one("#limit")  # the ball runs in circles at a rate below (2 + 2μ)/λmax
    pick(page, "preset", "Gallery: rates on quadratics")
    assert "Proven" in page.one("#limit")


def test_the_address_holds_the_moment(canned_page, open_file):
    page = open_file(canned_page)
    pick(page, "preset", "12 Newton in n dimensions")
    page.type("#time", "")
    go(page, 4)
    choose(page, 2)
    page.type("#number-lr", "0.013")
    page.key("Enter")
    pick(page, "axis", "costs")
    page.tap("#tab-stability")
    page.until(
        "location.hash.includes('0.013') && location.hash.includes('axis=costs') && location.hash.includes('panel=stability')"
    )
    there, address = everything(page), page.js("location.hash")
    other = open_file(canned_page)
    other.js(f"location.hash = {json.dumps(address)}")
    other.until("document.getElementById('preset').value.startsWith('12')")
    other.rest()
    other.until("document.getElementById('number-lr')?.value === '0.013'")
    assert everything(other) == there
    assert other.one("#tabs [aria-selected=true]", "e.id") == "tab-stability"


@pytest.mark.parametrize(
    "address",
    ["#", "#on=nowhere", "#on=bowl&who=5&t=-1", "#on=bowl&who=[%22SGD%22,{%22lr%22:-1,%22evil%22:2}]&from=NaN,1&t=1e9",
     "#on=bowl&who=[%22SGD%22,{%22lr%22:%22%3Cb%3E%22}]&panel=__proto__&preset=%3Cscript%3E",
     "#on=bowl&who=[%22Newton%22,{%22modification%22:%22trust%22,%22lr%22:2}]",
     "#on=bowl&who=[%22SGD%22,{}]&number=x&chosen=7&of=1.5&t=abc"],
)  # fmt: skip
def test_a_bad_address_does_no_harm(canned_page, open_file, address):
    page = open_file(canned_page)
    page.js(f"location.hash = {json.dumps(address)}")
    page.rest()
    page.key("ArrowRight")
    assert all(map(np.isfinite, losses(page)))
    assert page.count("script") == 2


# The page itself


SEEN = {"6 A saddle": ("model", "measured"), "13 The summary": ("inside", "stability")}


@pytest.mark.parametrize("width", [400, 760, 1280])
@pytest.mark.parametrize("dark", [False, True])
def test_nothing_is_covered_or_clipped(canned_page, open_file, width, dark):
    page = open_file(canned_page, width=width, dark=dark)
    for name, panels in SEEN.items():
        pick(page, "preset", name)
        for panel in panels:
            page.tap(f"#tab-{panel}")
            page.rest()
            assert page.js("document.documentElement.scrollWidth") <= width, (name, panel)
            beyond = page.all(
                "button, select, input, h1, p, canvas, figcaption, label",
                "e.offsetParent && (e.getBoundingClientRect().right > innerWidth + 1 || e.getBoundingClientRect().left < -1) ? e.outerHTML : ''",
            )
            assert [each for each in beyond if each] == []
            covered = page.all(
                "button, select, input",
                """(() => { if (!e.offsetParent || e.disabled) return ''; e.scrollIntoView({ block: 'center' }); const b = e.getBoundingClientRect();
                const at = document.elementFromPoint(b.x + b.width / 2, b.y + b.height / 2); return at === e || e.contains(at) ? '' : e.outerHTML.slice(0, 90); })()""",
            )
            assert [each for each in covered if each] == []
    background = page.js("getComputedStyle(document.body).backgroundColor")
    assert background == ("rgb(13, 17, 23)" if dark else "rgb(255, 255, 255)")


def test_the_clock_of_the_page_counts_frames(canned_page, open_file):
    """A number that is reported, at 400 pixels with five optimizers; how large it is depends on the machine."""
    page = open_file(canned_page, width=400)
    pick(page, "preset", "Race: Rosenbrock")
    assert page.count("#walkers li") == 5
    pick(page, "speed", "60")
    page.tap("#first")
    page.tap("#play")
    page.until("document.getElementById('clock').textContent", 60)
    frames = int(page.one("#clock").split()[0])
    print(f"{frames} frames a second at 400 pixels with five optimizers")
    assert frames > 0


def test_the_page_is_small_and_its_policy_strict(canned_page):
    text = canned_page.read_text(encoding="utf-8")
    assert len(text.encode()) <= 400_000
    assert "default-src 'none'" in text
    assert "unsafe" not in text


def test_a_notebook_shows_it_in_a_frame_without_an_origin(open_file, tmp_path):
    made = optim.lab(bowl, [optim.SGD], start=(1.0, 0.5), title='</script> & "quotes"')
    path = tmp_path / "notebook.html"
    path.write_text(f"<!doctype html><title>t</title><body>{made._repr_html_()}", encoding="utf-8")
    page = open_file(path)
    frame = page.call("Page.getFrameTree")["frameTree"]["childFrames"][0]["frame"]["id"]
    world = page.call("Page.createIsolatedWorld", frameId=frame)["executionContextId"]
    look = "[document.getElementById('title').textContent, document.querySelector('.loss').dataset.value, origin]"
    found = page.call("Runtime.evaluate", expression=look, contextId=world, returnByValue=True)["result"][
        "value"
    ]
    assert found == ['</script> & "quotes"', "3", "null"]


def test_settings_of_newton_cg_change_its_walk(lab):
    page = lab(rosenbrock, [optim.NewtonCG], start=START)
    go(page, 4)
    assert page.one("#number-initial_radius", "e.value + '|' + e.placeholder") == "|its own"
    page.type("#number-initial_radius", "0.05")
    page.key("Enter")
    wanted = walked(lambda p: optim.NewtonCG(p, initial_radius=0.05), rosenbrock, START, 4)[2]
    assert close(losses(page)[0], wanted[-1], 1e-9)
    pick(page, "choice-forcing", "quadratic")
    both = walked(
        lambda p: optim.NewtonCG(p, initial_radius=0.05, forcing="quadratic"), rosenbrock, START, 4
    )[2]
    assert close(losses(page)[0], both[-1], 1e-9)


def test_the_slope_over_time_is_told_by_what_the_rule_keeps(lab):
    kinds = [adam, lambda p: optim.SGD(p, lr=0.01), lambda p: optim.SGD(p, lr=0.01, momentum=0.9),
             lambda p: optim.RMSprop(p, momentum=0.5)]  # fmt: skip
    page = lab(bowl, kinds, start=START)
    go(page, 12)
    told = []
    for k in range(len(kinds)):
        choose(page, k)
        told.append(
            [text for text in page.all("#slopes + figcaption span", "e.hidden ? '' : e.textContent") if text]
        )
    assert told == [["slope g", "m̂", "√v̂"], ["slope g"], ["slope g", "b"], ["slope g", "√v"]]
    page.until(
        "document.getElementById('slopes').getContext('2d').getImageData(0, 0, 900, 300).data.some((x) => x > 0)"
    )
    go(page, 0)
    assert page.one("#slopes", "e.offsetParent === null")


def test_corrections_of_a_training_that_goes_on_are_those_of_its_step(lab):
    model, X = MLP((1, 3, 1), "tanh", rng=0), np.linspace(-1, 1, 8)[:, None]
    optimizers = [kind(model.named_parameters(), lr=0.01) for kind in (optim.Adam, optim.NAdam)]
    for optimizer in optimizers:
        for _ in range(20):
            optimizer.step(lambda: mse_loss(model(X), X**2))
    page = lab(model, optimizers, loss=mse_loss, data=(X, X**2))
    go(page, 3)
    page.tap("#tab-inside")
    rows = table(page, "inside-table")
    assert rows["correction_m"][1] == pytest.approx(1 / (1 - 0.9**23), rel=1e-12)
    assert rows["correction_v"][1] == pytest.approx(1 / (1 - 0.999**23), rel=1e-12)
    choose(page, 1)
    assert "correction_m" not in table(page, "inside-table"), "NAdam corrects by another factor"


@pytest.mark.parametrize(
    ("f", "optimizer", "words"),
    [
        (lambda x: x[0] ** 2 - x[1] ** 2 + x[1] ** 4, "SGD", "Along another the loss bends down"),
        (lambda x: np.abs(x[0]) + 2 * np.abs(x[1]), "SGD", "has no curvature here"),
        (bowl, "Newton", "takes the length of its steps from the curvature"),
        (bowl, "Lion", "the steps of Lion cannot grow"),
        (bowl, lambda p: optim.SGD(p, lr=0.101), "overshoots by more than the last"),
    ],
)
def test_what_is_said_of_stability(f, optimizer, words, lab):
    page = lab(f, [optimizer], start=(1.0, 0.001))
    go(page, 5)
    page.tap("#tab-stability")
    assert words in page.one("#stability-says")
