"""`optim.lab` as text: what goes into the page, what is refused, and that the user's objects stay as they
are. What the page does is looked at in tests/browser/test_lab.py."""

import json
import re
from importlib import resources

import numpy as np
import pytest

import optim
from minigrad import Tensor
from models import MLP, Dropout, Linear, Module, cross_entropy, mse_loss
from optim.laboratory.methods import drawn_rule, method_of
from tests.javascript import run


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
    (bowl, SGD, AT | {"loss": mse_loss}, "`lab(loss=...)` is for a model"),
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
    ("net", SGD, NET | {"data": (X, Y[:3])}, "as many rows in X as in y, got (4, 2) and (3,)"),
    ("net", [net()[1]], NET, "must optimize the parameters of the model"),
    (MLP((2, 99, 2)), ["Newton"], NET, "at most 200 unknowns in the page, got 497. Use NewtonCG"),
]


@pytest.mark.parametrize("case", range(len(REFUSED)))
def test_what_is_refused_is_told(case):
    f, optimizers, options, message = REFUSED[case]
    with pytest.raises((TypeError, ValueError)) as told:
        optim.lab(net()[0] if f == "net" else f, optimizers, **options)
    assert message in str(told.value)


class Dropped(Module):
    def __init__(self):
        self.drop, self.last = Dropout(0.5), Linear(2, 2, rng=0)

    def forward(self, x):
        return self.last(self.drop(x))


def test_an_op_that_cannot_be_printed_is_refused_by_its_name():
    with pytest.raises(TypeError, match=r"^`lab\(f, optimizers\)`: uniform cannot be printed"):
        optim.lab(Dropped(), [optim.SGD], loss=cross_entropy, data=(X, Y))


def test_what_cannot_be_captured_is_told_with_the_users_call():
    with pytest.raises(TypeError, match=r"^`lab\(f, optimizers\)`: bool\(\), `if`"):
        optim.lab(lambda w: w[0] if w[0] > 0 else w[1], SGD, start=(1.0, 2.0))
    with pytest.raises(TypeError, match=r"`: the function must return the loss, a scalar Tensor, got float"):
        optim.lab(lambda w: 3.0, SGD, start=(1.0, 2.0))


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
        "SGD", "Adam, lr 0.001", "Adam, lr 0.5", "SGD, momentum", "SGD, nesterov", "Newton", "Newton (2)",
    ]  # fmt: skip
    assert [method["kind"] for method in found] == ["first"] * 5 + ["newton"] * 2
    assert found[1]["rule"] == found[2]["rule"] != found[0]["rule"]  # one text for both
    assert found[2]["numbers"] == {"lr": 0.5, "betas": [0.9, 0.999], "eps": 1e-8}
    assert found[0]["state"] is None
    assert repr(page).startswith("<Lab of SGD, Adam, lr 0.001, ")


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


@pytest.mark.parametrize(
    "kind", [optim.SGD, optim.Adam, optim.NAdam, optim.RMSprop, optim.Adagrad, optim.Lion]
)
def test_every_named_box_of_a_drawn_rule_gets_a_number(kind):
    optimizer = kind([Tensor([1.0], requires_grad=True, name="w")])
    svg, boxes = drawn_rule(optimizer)
    labels = re.findall(r'id="(n\d+)">.*?<text[^>]*>([^<]*)</text>', svg)
    unnamed = [box for box, label in labels if label.startswith("u")]  # a formula without a name of its own
    assert {box for box, _ in labels} - set(unnamed) == set(boxes)
    assert {"w", "g"} <= {name for _, name in boxes.values()}
    given = {name for when, name in boxes.values() if when == "before"}
    assert given <= {"w", *optimizer.state_names, *optimizer.scalars}


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
