"""`optim.lab` as text: what goes into the page, what is refused, and that the user's objects stay as they
are. What the page does is looked at in tests/browser/test_lab.py."""

import json
import math
import re
from functools import partial
from importlib import resources

import numpy as np
import pytest

import minigrad
import models
import optim
from minigrad import Tensor
from models import MLP, BatchNorm, Dropout, Linear, Module, Sequential, cross_entropy, fit, mse_loss
from models.datasets import moons
from optim.laboratory.drawn import _Rule as Recorded
from optim.laboratory.drawn import drawn_rule
from optim.laboratory.methods import method_of
from optim.laboratory.page import ENGINE, _script, _shortened
from optim.laboratory.printed import rule_script
from tests.javascript import run
from tests.optim.cases import SETTINGS


def bowl(w):
    return 0.5 * (w[0] ** 2 + 20 * w[1] ** 2)


def data_of(page):
    """The JSON of the page."""
    return json.loads(re.search('id="data">(.*?)</script>', page.html(), re.S)[1])


def net(steps=0, kind=optim.Adam, **options):
    model = MLP((2, 4, 2), "tanh", rng=0)
    X, y = np.random.default_rng(0).normal(size=(12, 2)), np.arange(12) % 2
    optimizer = kind(model.named_parameters(), **options)
    for _ in range(steps):
        optimizer.step(lambda: cross_entropy(model(X), y))
    return model, optimizer, X, y


X, Y, AT = np.zeros((4, 2)), np.zeros(4, int), {"start": (1.0, 1.0)}
NET = {"loss": cross_entropy, "data": (X, Y)}
SGD = [optim.SGD]
REFUSED = [  # f or "net", the optimizers, the options, and what the message says
    (3, SGD, AT, "f must be a function of an array, or a model, got 3"),
    (bowl, SGD, {}, "needs its first point: pass start="),
    (bowl, SGD, {"start": (np.nan, 1)}, "`lab(start=...)` must be a finite number"),
    (bowl, SGD, {"start": np.eye(2)}, "1 to 20 of them in a row, got array"),
    (bowl, SGD, {"start": "here"}, "lab(start=...)"),
    (np.sum, SGD, {"start": np.ones(21)}, "1 to 20 of them"),
    (lambda w: w, SGD, AT, "f must return one real number"),
    (lambda w: 1.0 / w, SGD, {"start": 0.0}, "f must be finite at the start, got inf"),
    (bowl, SGD, AT | {"region": ((1, 0), (0, 1))}, "must be ((x from, x to), (y from, y to))"),
    (np.sum, SGD, {"start": np.ones(3), "region": ((0, 1),)}, "f has 3: leave it out"),
    (bowl, SGD, AT | {"minima": [(1, 2, 3)]}, "points of 2 finite numbers"),
    (bowl, SGD, AT | {"steps": 0}, "`lab(steps=...)` must be a whole number ≥ 1, got 0"),
    (
        bowl,
        SGD,
        AT | {"loss": mse_loss},
        "`lab(loss=...)` is for a model, and f, a function, has no named_param",
    ),
    (bowl, SGD, NET, "or for a function of w leave loss= and data= out: f gives the loss."),
    (Linear, SGD, NET, "f must be a model or a function, got the class Linear. Pass Linear(...)"),
    (
        bowl,
        [net()[1]],
        AT,
        "makes its own parameter, which begins at start, and Adam has another. Pass optim.Adam",
    ),
    (
        lambda x, y: x + y,
        SGD,
        AT,
        "must take one array of all numbers, and it takes (x, y). Write lambda w: f(w[0]",
    ),
    (lambda: 3.0, SGD, AT, "must take one array of all numbers, and it takes (). Write lambda w: w[0] ** 2."),
    (bowl, SGD, {"start": 1.0}, "has the shape (), and f fails there"),
    (bowl, SGD, {"start": 1.0}, "A number has no entry w[0]: pass start=(1.0,)."),
    (bowl, SGD, {"start": (1.0,)}, "has the shape (1,), and f fails there"),
    (bowl, SGD, {"start": (1.0, 2, 3)}, "has 3 numbers, and f takes none after the first 2. Pass 2."),
    (lambda w: w[0] + np.maximum(w[1], 9), SGD, {"start": (1.0, 0, 3)}, "none after the first 2. Pass 2."),
    (lambda w: bowl(*[w][:0]), SGD, AT, "has the shape (2,), and f fails there"),
    (
        lambda w: w**2,
        SGD,
        {"start": [3.0]},
        "got an array of one. Write w[0] in f, or pass start as a number, start=3.0",
    ),
    (
        "net",
        SGD,
        NET | {"loss": lambda z, y: z},
        "loss must return one real number, got float64 of shape (4, 2).",
    ),
    (bowl, SGD, AT | {"minima": 3}, "must be a list of points of 2 finite numbers each, got 3"),
    (bowl, [], AT, "optimizers must be a list, as [optim.SGD"),
    (bowl, "SGD", AT, "optimizers must be a list"),
    (bowl, ["Adamm"], AT, "there is no optimizer 'Adamm'"),
    (bowl, ["FirstOrder"], AT, "there is no optimizer 'FirstOrder'"),
    (bowl, [0.1], AT, "a class, its name, or a function of the parameters, got 0.1"),
    (bowl, [lambda p: p], AT, "must return an optimizer, got list"),
    (bowl, [optim.LBFGS], AT, "LBFGS does not run in the page"),
    (bowl, [lambda p: optim.Newton(p, line_search="strong-wolfe")], AT, 'Use "armijo"'),
    (bowl, [lambda p: optim.NewtonCG(p, curvature="ggn")], AT, "got trust-region ggn"),
    (bowl, [lambda p: optim.NewtonCG(p, preconditioner=np.ones(2))], AT, "preconditioned"),
    ("net", SGD, NET | AT, "f is a model: leave it out"),
    ("net", SGD, {"data": (X, Y)}, "needs loss=, a function as models.cross_entropy"),
    ("net", SGD, {"loss": cross_entropy}, "needs data=(X, y), got None"),
    (
        "net",
        SGD,
        NET | {"data": X},
        "needs data=(X, y), got an array of shape (4, 2) alone. Pass the targets too.",
    ),
    ("net", SGD, NET | {"data": (X[:0], Y[:0]), "batch_size": 2}, "needs rows, got X of shape (0, 2)"),
    ("net", SGD, NET | {"batch_size": 3}, "`lab(batch_size=...)` must divide the 4 rows, got 3"),
    ("net", SGD, NET | {"batch_size": 0}, "`lab(batch_size=...)` must be a whole number ≥ 1, got 0"),
    ("net", SGD, NET | {"batch_size": 2, "rng": -1}, "`lab(rng=...)` must be a whole number ≥ 0, got -1"),
    (bowl, SGD, AT | {"batch_size": 2}, "`lab(batch_size=...)` is for a model"),
    ("net", SGD, NET | {"data": (X, Y, Y)}, "got 3 parts. Pass the inputs and the targets."),
    (
        "net",
        SGD,
        NET | {"data": (X[:, :1], Y)},
        "loss(model(X), y) fails on X of (4, 1) and y of (4,).",
    ),
    ("net", SGD, NET | {"data": (X * np.nan, Y)}, "the loss must be finite at the start, got nan"),
    (Sequential(Linear(2, 2), BatchNorm(2)), SGD, NET, "a call of the model changes layers.1.running_"),
    ("net", SGD, NET | {"data": (X, Y[:3])}, "as many rows in X as in y, got (4, 2) and (3,)"),
    ("net", [net()[1]], NET, "must optimize the parameters of the model"),
    (lambda w: math.sin(w[0]) + w[1], SGD, AT, "NumPy's functions instead of the math module's, np.sin for"),
    (
        lambda w: math.sin(w[0]) + w[1],
        SGD,
        AT,
        "`lab(f, optimizers)`: f(w) fails at the start, w of shape (2,)",
    ),
    (MLP((2, 99, 2)), ["Newton"], NET, "at most 200 unknowns in the page, got 497. Use NewtonCG"),
]


@pytest.mark.parametrize("case", range(len(REFUSED)))
def test_what_is_refused_is_told(case):
    f, optimizers, options, message = REFUSED[case]
    with pytest.raises((TypeError, ValueError)) as told:
        optim.lab(net()[0] if f == "net" else f, optimizers, **options)
    assert message in "\n".join([str(told.value), *getattr(told.value, "__notes__", ())])


class Dropped(Module):
    def __init__(self):
        self.drop, self.last = Dropout(0.5), Linear(2, 2, rng=0)

    def forward(self, x):
        return self.last(self.drop(x))


def test_an_op_that_cannot_be_printed_is_refused_by_its_name():
    with pytest.raises(TypeError, match=r"^`lab\(f, optimizers\)`: uniform cannot be printed"):
        optim.lab(Dropped(), [optim.SGD], loss=cross_entropy, data=(X, Y))


@pytest.mark.parametrize(
    ("f", "name"),
    [
        (np.median, "np.median (argsort)"),
        (lambda w: np.sort(w * w)[0], "np.sort (argsort)"),
        (lambda w: np.percentile(w, 30), "np.percentile (argsort)"),
        (lambda w: np.partition(w, 1)[0], "np.partition (argpartition)"),
        (lambda w: np.cumsum(w)[1], "np.cumsum"),
        (lambda w: np.linalg.eigvalsh(np.outer(w, w))[1], "np.linalg.eigvalsh (eigh)"),
        (lambda w: w.cumsum()[1], "np.cumsum"),
        (lambda w: minigrad.special.erfinv(w[0] / 9), "erfinv"),
    ],
)
def test_what_cannot_be_printed_is_told_by_the_function_that_was_called(f, name):
    with pytest.raises(TypeError) as told:
        optim.lab(f, SGD, start=(1.0, 2.0))
    assert str(told.value).startswith(f"`lab(f, optimizers)`: {name} cannot be printed as loops: there are")


def test_what_cannot_be_captured_is_told_with_the_users_call():
    with pytest.raises(TypeError, match=r"^`lab\(f, optimizers\)`: bool\(\), `if`"):
        optim.lab(lambda w: w[0] if w[0] > 0 else w[1], SGD, start=(1.0, 2.0))
    assert optim.lab(lambda w: np.where(w[0] > 0, w[0], w[1]), SGD, start=(1.0, 2.0))  # w[1] is not seen here
    with pytest.raises(TypeError, match=r"`: the function must return the loss, a scalar Tensor, got float"):
        optim.lab(lambda w: 3.0, SGD, start=(1.0, 2.0))


@pytest.mark.parametrize(
    "f", [lambda w: w[0] * w[1].item(), lambda w: w @ np.random.default_rng().normal(size=2)]
)
def test_nobody_is_told_not_to_compile(f):
    with pytest.raises(TypeError) as told:
        optim.lab(f, SGD, start=(1.0, 2.0))
    assert str(told.value).startswith("`lab(f, optimizers)`: ")
    assert "compile" not in str(told.value)


def test_a_model_is_as_before_whether_it_is_refused_or_not():
    model = Sequential(Linear(2, 2, rng=0), BatchNorm(2), Dropout(0.5, rng=0))
    before = model.state_dict()
    with pytest.raises(TypeError, match=r"Pass model.eval\(\)"):
        optim.lab(model, SGD, **NET)
    assert all(np.array_equal(x, before[name]) for name, x in model.state_dict().items())
    page = optim.lab(model.eval(), SGD, **NET)
    assert data_of(page)["problems"][0]["view"]["kind"] == "border"
    assert all(np.array_equal(x, before[name]) for name, x in model.state_dict().items())


def test_float32_is_refused():
    model = Linear(2, 2, rng=0)
    model.weight = Tensor(model.weight.numpy().astype(np.float32), requires_grad=True)
    with pytest.raises(TypeError, match=r"computes in float64, and weight is float32"):
        optim.lab(model, SGD, loss=cross_entropy, data=(X, Y))


def test_data_of_float32_are_taken_as_float64():
    single, model = (X + 0.1).astype(np.float32), MLP((2, 3, 2), rng=0)
    pages = [optim.lab(model, SGD, loss=cross_entropy, data=(x, Y)) for x in (single, single.astype(float))]
    assert pages[0].html() == pages[1].html()


def test_optimizers_are_given_in_three_ways_and_told_apart():
    kinds = [optim.SGD, "Adam", lambda p: optim.Adam(p, lr=0.5), lambda p: optim.SGD(p, lr=0.1, momentum=0.5),
             lambda p: optim.SGD(p, lr=0.2, momentum=0.5, nesterov=True), "Newton", optim.Newton]  # fmt: skip
    page = optim.lab(bowl, kinds, start=(1.0, 0.5))
    found = data_of(page)["methods"]
    assert [method["label"] for method in found] == [
        "SGD(lr=0.001)", "Adam(lr=0.001)", "Adam(lr=0.5)", "SGD(lr=0.1, momentum=0.5)",
        "SGD(lr=0.2, momentum=0.5, nesterov=True)", "Newton", "Newton (2)",
    ]  # fmt: skip
    assert [method["kind"] for method in found] == ["first"] * 5 + ["newton"] * 2
    assert found[1]["rule"] == found[2]["rule"] != found[0]["rule"]  # one text for both
    assert found[2]["numbers"] == {"lr": 0.5, "betas": [0.9, 0.999], "eps": 1e-8}
    assert found[0]["state"] is None
    assert repr(page).startswith("<Lab of SGD(lr=0.001), Adam(lr=0.001), ")


def test_a_training_is_handed_over_as_it_is():
    model, optimizer, X, y = net(5, amsgrad=True)
    group = optimizer.param_groups[0]
    weights, state = group.w.copy(), {k: v.copy() for k, v in group.state.items()}
    found = data_of(optim.lab(model, [optimizer, optim.SGD], loss=cross_entropy, data=(X, y)))
    adam, sgd = found["methods"]
    assert found["problems"][0]["start"] == weights.tolist()
    assert adam["state"] == [vector.tolist() for vector in state.values()]
    assert adam["counters"] == {"t": 5}
    assert sgd["state"] is sgd["counters"] is None
    assert np.array_equal(group.w, weights)
    assert all(np.array_equal(group.state[k], v) for k, v in state.items())
    again, _, X, y = net(6, amsgrad=True)
    optimizer.step(lambda: cross_entropy(model(X), y))
    assert np.array_equal(model(X).numpy(), again(X).numpy())


def test_newton_cg_is_handed_over_with_its_radius():
    model, optimizer, X, y = net(3, optim.NewtonCG)
    (found,) = data_of(optim.lab(model, [optimizer], loss=cross_entropy, data=(X, y)))["methods"]
    assert (
        found["state"]["method"]["radius"]
        == optimizer.state_dict()["newton_cg"]["solver"]["method"]["radius"]
    )
    assert "rng" not in found["state"]


RULES = [name for name, (case, _) in SETTINGS.items() if issubclass(case.kind, optim.FirstOrder)]


def test_every_box_of_a_drawn_rule_gets_the_number_of_its_formula():
    kinds = [
        Mine,
        *(partial(SETTINGS[name][0].kind, **SETTINGS[name][1] | {"maximize": False}) for name in RULES),
    ]
    optimizers = [kind([Tensor([1.0], requires_grad=True, name="w")]) for kind in kinds]
    drawings, calls = [], []
    for optimizer in optimizers:
        later = drawn_rule(optimizer)
        drawings.append((optimizer, later, later, dict.fromkeys(optimizer.scalars, 1)))
        if later.first:
            drawings.append((optimizer, later, later.first, optimizer.scalars))
    assert len(drawings) > len(optimizers), "a heavy ball has a rule of its own in its first step"
    for optimizer, later, drawn, scalars in drawings:
        labels = dict(re.findall(r'id="(n\d+)">.*?<text[^>]*>([^<]*)</text>', drawn.svg))
        assert labels.keys() == drawn.boxes.keys()
        assert not [label for label in labels.values() if re.search(r"(?<![\d.])0·", label)], (
            "0 times something"
        )
        counters = json.dumps({"t": 1} | scalars)
        at_first = later.first.unnamed if later.first else ()
        calls.append(
            f"(() => {{ const rule = {rule_script(optimizer, later.unnamed, at_first)};"
            f" return rule.trace(1, 1, rule.state.map(() => 1), {counters}, rule.numbers); }})()"
        )
    for (optimizer, _, drawn, scalars), found in zip(
        drawings, run(f"result = [{', '.join(calls)}];"), strict=True
    ):
        recorded = Recorded(optimizer, scalars)
        picture = minigrad.draw(recorded, fold="formulas", show="value", direction="down").picture
        for node in picture.nodes:  # recorded where all that is given is 1, in four digits
            when, name = drawn.boxes[f"n{node.id}"]
            number = 1 if when == "before" else found[name]
            assert number == pytest.approx(float(node.value.strip("[]")), rel=1e-3), (optimizer, node.label)


class Mine(optim.FirstOrder):
    """A rule that names nothing between its state and its step."""

    state_names = ("m",)

    def __init__(self, params):
        super().__init__(params, lr=0.5, beta=0.75)

    @staticmethod
    def rule(w, g, m, *, t, lr, beta):
        u = np.tanh(g + 0.1 * w) + 0.3
        m = beta * m + (1 - beta) * u
        return {"w": w - lr * m / (u + np.exp(u * m)), "m": m}


def test_a_class_of_plain_descent_has_a_rate_at_which_a_net_moves():
    data, made = moons(60, noise=0.1, rng=0), []

    def kept(params):
        made.append(optim.SGD(params))
        return made[0]

    model, at = MLP((2, 8, 2), "tanh", rng=0), {"loss": cross_entropy, "data": data}
    page = optim.lab(model, [optim.SGD, "Momentum", optim.Adam, kept], **at)
    assert [method.numbers["lr"] for method in page.methods] == [0.1, 0.1, 0.001, 0.001]
    assert [method.numbers["lr"] for method in optim.lab(bowl, [optim.SGD], **AT).methods] == [0.001]
    left = {}
    for lr in (0.001, 0.1):
        trained = MLP((2, 8, 2), "tanh", rng=0)
        optimizer = optim.SGD(trained.named_parameters(), lr=lr)
        losses = [
            optimizer.step(lambda m=trained: cross_entropy(m(data.X), data.y)).item() for _ in range(200)
        ]
        left[lr] = losses[-1] / losses[0]
    assert left[0.1] < 0.5 < 0.8 < left[0.001]


def test_batches_are_those_of_fit():
    data = moons(12, noise=0.1, rng=0)
    start = MLP((2, 3, 2), "tanh", rng=0)
    page = optim.lab(
        start, [lambda p: optim.Adam(p, lr=0.05)], loss=cross_entropy, data=data, batch_size=4, rng=7, steps=9
    )
    assert "Each step takes 4 of the 12 rows of the data, and the loss is that of" in page.problems[0].says
    losses, model = [], MLP((2, 3, 2), "tanh", rng=0)

    def watched(outputs, y):
        losses.append(cross_entropy(outputs, y).item())
        return cross_entropy(outputs, y)

    adam = optim.Adam(model.named_parameters(), lr=0.05)
    fit(model, adam, watched, data, epochs=3, batch_size=4, rng=7, compile=False, progress=False)
    engine = "".join(_script(name) for name in ENGINE)
    found = run(
        f"{engine}\nconst problem = {page.problems[0].script};\n"
        f"const rule = {page._rules[page.methods[0].rule]};\n"
        f"const runner = makeRunner({{ problem, method: {{ kind: 'first', rule, numbers: {{ lr: 0.05 }} }}, "
        f"start: Float64Array.from({page.problems[0].start}) }});\nresult = runner.seek(9).path.losses;"
    )
    assert found[:9] == pytest.approx(losses, rel=1e-11)
    assert len(losses) == 9
    assert len(set(losses)) == 9


@pytest.mark.parametrize(
    ("inputs", "outputs", "y", "kind", "words"),
    [
        ((1,), 1, [0.0, 1, 0, 1], "curve", "network of 2 numbers. Each step takes all 4 rows of the data."),
        ((2,), 2, [0, 1, 0, 1], "border", "Each step takes all 4 rows"),
        (
            (2,),
            1,
            [0, 1, 0, 1],
            None,
            "of this one it shows the loss",
        ),  # 0 does not divide what squares learn
        (
            (2,),
            1,
            [0.1, 1, 0, 1],
            None,
            "one input and one output as a curve; of this one it shows the loss.",
        ),
        ((1,), 2, [0, 1, 0, 1], "share", "The model has 1 input: no border between its classes can be drawn"),
        (
            (3,),
            2,
            [0, 1, 0, 1],
            "share",
            "The model has 3 inputs: no border between its classes can be drawn",
        ),
        ((3,), 3, [[0.0] * 3] * 4, None, "of this one it shows the loss"),
    ],
)
def test_what_is_drawn_of_a_net_is_said(inputs, outputs, y, kind, words):
    X, y = np.random.default_rng(0).normal(size=(4, *inputs)), np.array(y)
    page = optim.lab(Linear(inputs[-1], outputs, rng=0), SGD, loss=lambda z, y: np.sum(z**2), data=(X, y))
    (problem,) = data_of(page)["problems"]
    assert data_of(page)["title"] == problem["name"] == "a network"
    assert (problem["view"] or {"kind": None})["kind"] == kind
    assert words in problem["says"]


def test_of_many_numbers_the_page_says_that_it_shows_the_losses():
    says = [data_of(optim.lab(np.sum, SGD, start=np.ones(n)))["problems"][0]["says"] for n in (2, 3)]
    assert says == ["", "f has 3 numbers, and a map has two axes: the page shows the losses."]


def test_a_script_is_shortened_to_one_that_means_the_same():
    script = """
        // (a comment)
        const f = (x) => { return x > 0 ? x + +x : x - -x; } // and / another
        const words = "a = b", share = 6 / 3 / 2, found = "x = y".replace(/ = /, ":");
        for (let i = 0, k = 3; i < k && k > - 1; k --) { share || i; }
        result = [f(2), f(-2), words, share, found];
    """
    assert run(_shortened(script)) == run(script) == [4, -4, "a = b", 1, "x:y"]
    assert len(_shortened(script)) < 0.75 * len(script)


def test_what_goes_on_and_what_begins_anew_are_told_apart():
    model, optimizer, X, y = net(2, lr=0.001)
    found = data_of(optim.lab(model, [optimizer, "Adam"], loss=cross_entropy, data=(X, y)))["methods"]
    assert [method["label"] for method in found] == ["Adam, going on", "Adam"]
    (alone,) = data_of(optim.lab(model, [optimizer], loss=cross_entropy, data=(X, y)))["methods"]
    assert alone["label"] == "Adam"


def test_a_page_of_a_net_is_small():
    model, optimizer, X, y = net(1)
    page = optim.lab(model, [optimizer, "NewtonCG"], loss=cross_entropy, data=(X, y))
    assert len(page.html().encode()) <= 150_000 + 40 * X.size


def test_saving(tmp_path):
    page = optim.lab(lambda w: w**2, [optim.SGD], start=1.0, title="<b>&")
    path = page.save(tmp_path / "lab.html")
    text = path.read_text(encoding="utf-8")
    assert text == page.html()
    assert "<b>&" not in text
    assert data_of(page)["title"] == "<b>&"
    assert "unsafe" not in text
    with pytest.raises(ValueError, match=r"must end in .html, got 'lab.png'"):
        page.save(tmp_path / "lab.png")
    assert page._repr_html_().startswith("<iframe title='The lab' sandbox='allow-scripts allow-downloads'")


def test_two_rules_of_one_name_are_refused():
    def made(factor):
        class Mine(optim.FirstOrder):
            rule = staticmethod(lambda w, g, *, t, lr: {"w": w - factor * lr * g})

        return lambda p: Mine(p, lr=0.1)

    assert method_of(made(1)([Tensor([1.0], requires_grad=True)])).numbers == {"lr": 0.1}
    with pytest.raises(ValueError, match="two optimizers with different rules have the name 'Mine'"):
        optim.lab(bowl, [made(1), made(2)], start=(1.0, 1.0))


def test_an_axis_has_two_numbers_at_least_and_writes_them_apart():
    viewer = resources.files("optim.laboratory") / "viewer"
    text = "".join((viewer / name).read_text(encoding="utf-8") for name in ("format.js", "plot.js"))
    ranges = [[0.04, 0.3], [-0.5, 0.4], [0, 1], [1e-9, 3e-9], [-1e6, 2e6], [0.98, 1.02], [7, 7.5]]
    found = run(
        f"const document = {{}};\n{text}\n"
        f"result = {ranges}.map(([low, high]) => [100, 150, 600].map((size) => {{"
        "const axis = makeAxis(low, high, 0, size); return [axis.ticks,"
        " new Set(axis.ticks.map(axis.text)).size]; }));"
    )
    for (low, high), axes in zip(ranges, found, strict=True):
        for ticks, texts in axes:
            assert len(ticks) >= 2
            assert low <= ticks[0]
            assert ticks[-1] <= high
            assert texts == len(ticks), "each has a text of its own"


def test_a_range_of_rounding_becomes_an_axis_that_can_be_read():
    viewer = resources.files("optim.laboratory") / "viewer"
    text = "".join((viewer / name).read_text(encoding="utf-8") for name in ("format.js", "plot.js"))
    for at in (-0.76, 1e-300, 0.0, 3e8):
        low, high, ticks = run(
            f"const document = {{}};\n{text}\nconst range = rangeOf([{at}, {np.nextafter(at, 1e9)}], false);"
            "result = [range.low, range.high, makeAxis(range.low, range.high, 0, 300).ticks];"
        )
        assert low < at < high
        assert 2 <= len(ticks) <= 20


class TwoWords(ValueError):
    def __init__(self, one, other):
        super().__init__(f"{one} {other}")


def raising(error):
    raise error


@pytest.mark.parametrize("error", [
    TwoWords("not", "so"), ValueError("w must lie between 0 and 1"), np.linalg.LinAlgError("Singular matrix"),
    TypeError("mine"), KeyError("k"),
])  # fmt: skip
def test_errors_of_f_and_of_a_loss_stay_theirs(error):
    with pytest.raises(type(error)) as told:
        optim.lab(lambda w: raising(error), SGD, start=(1.0, 2.0))
    assert told.value is error
    with pytest.raises(type(error)) as told:
        optim.lab(Linear(2, 2, rng=0), SGD, loss=lambda z, y: raising(error), data=(X, Y))
    assert told.value is error
    assert any("fails on X of (4, 2)" in note for note in error.__notes__)


@pytest.mark.parametrize("f", [
    lambda w: w[0] ** 2 + np.where(w[1] > 20, (w[1] - 20) ** 2, 0.0),  # w[1] matters far from here only
    lambda w: w[0] ** 2 + 0 * w[1],
    lambda w: np.sum(w**2),
    lambda w: w[0] ** 2 + w[-1] ** 2,
    lambda w: sum(x * x for x in w),
])  # fmt: skip
def test_a_function_that_takes_all_numbers_is_never_refused(f):
    assert data_of(optim.lab(f, SGD, start=(1.0, 1.0)))["problems"]


def test_a_model_that_cannot_be_copied_is_told(tmp_path):
    model = Linear(2, 2, rng=0)
    with open(tmp_path / "log", "w") as log:
        model.log = log
        with pytest.raises(TypeError) as told:
            optim.lab(model, SGD, loss=cross_entropy, data=(X, Y))
    assert "such as a file" in told.value.__notes__[0]


@pytest.mark.parametrize(("loss", "kind"), [
    (models.binary_cross_entropy_with_logits, "border"),
    (lambda z, y: models.binary_cross_entropy_with_logits(z, y, pos_weight=3.0), "border"),
    (models.mse_loss, None),
    (models.l1_loss, None),
])  # fmt: skip
def test_one_output_draws_a_border_only_if_the_loss_takes_logits(loss, kind):
    X, y = np.random.default_rng(0).normal(size=(6, 2)), np.array([[0.0], [1], [0], [1], [1], [0]])
    page = optim.lab(Linear(2, 1, rng=0), SGD, loss=loss, data=(X, y))
    view = data_of(page)["problems"][0]["view"]
    assert (view and view["kind"]) == kind
