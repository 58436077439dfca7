"""The figures draw what they are given, on the axes they are given, with labels, and change nothing else."""

import math
import sys
from types import SimpleNamespace

import numpy as np
import pytest

import optim
from minigrad import Tensor, grad, hvp
from minigrad.plots import COLOURS, ON_DARK
from models import MLP, cross_entropy, fit
from models.datasets import moons
from optim import figures
from optim.second_order.steihaug_cg import steihaug_cg

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
from matplotlib import pyplot as plt  # noqa: E402  # after use
from matplotlib.colors import to_rgb  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402
from matplotlib.text import Text  # noqa: E402


@pytest.fixture(autouse=True)
def default_style():
    with plt.style.context("default"):  # whatever style an example has set
        yield
    plt.close("all")


@pytest.fixture
def ax():
    return Figure(layout="constrained").subplots()


def labels(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def ys(ax):
    return [np.asarray(line.get_ydata(), dtype=float) for line in ax.lines]


def contrast(first, second):
    """Of two colours, from 1 to 21: WCAG 2.2, which asks for 3 of the parts of a graphic, 4.5 of text."""
    lights = []
    for colour in (first, second):
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
        lights.append(0.05 + np.dot(linear, (0.2126, 0.7152, 0.0722)))
    return max(lights) / min(lights)


# Data


def rosenbrock(x):
    return (1 - x[0]) ** 2 + 100 * (x[1] - x[0] ** 2) ** 2


def previews(optimizer=optim.Adam, steps=6, **options):
    """What the steps of a two-layer net compute, and the optimizer."""
    data, model = moons(20, noise=0.1, rng=0), MLP((2, 3, 2), "tanh", rng=0)
    optimizer, shown = optimizer(model.named_parameters(), **options), []
    for _ in range(steps):
        optimizer.zero_grad()
        cross_entropy(model(data.X), data.y).backward()
        shown.append(optimizer.preview())
        optimizer.step()
    return shown


def reports():
    """Two CG solves in the form of `last_step`: an object and a dict."""
    found = []
    for least, why in ((1.0, "converged"), (-2.0, "negative curvature")):
        H, g = np.diag([least, 3.0, 9.0]), np.ones(3)
        path, _ = steihaug_cg(lambda v, H=H: H @ v, g, 10.0, 1e-9, 9)
        rows, z = {"residual": [], "curvature": [], "model": []}, np.zeros(3)
        for each in path.iterations:
            z = z + each.a * each.d if math.isfinite(each.a) else z
            rows["residual"].append(np.linalg.norm(H @ z + g))
            rows["curvature"].append(each.curvature)
            rows["model"].append(g @ z + 0.5 * z @ H @ z)
        trials = {"length": [10.0, 2.5], "rho": [-0.5, 0.9], "accepted": [False, True]}
        assert path.end == why
        found.append({"cg": rows, "trials": trials, "why": why})
    return [SimpleNamespace(**found[0]), found[1]]


def swept():
    return optim.sweep(
        lambda lr, seed: (1 - 4 * lr) ** 20 * seed, {"lr": [0.01, 0.1, 0.4], "seed": [1, 2, 3, 4, 5]},
        executor="serial", progress=False,
    )  # fmt: skip


WALK = np.cumsum(np.random.RandomState(0).normal(size=(12, 5)), axis=0)
BOWL = optim.hessian_spectrum(lambda x: (np.array([-1.0, 2.0, 5.0]) * x * x).sum(), np.zeros(3))

CASES = {  # a figure on axes, its labels; of a figure of panels, those of each
    "learning_curves": (
        lambda ax: figures.learning_curves({"train_loss": [1, 0.5], "val_loss": [2, 3]}, ax=ax),
        "epoch", "loss",
    ),
    "convergence": (
        lambda ax: optim.minimize(rosenbrock, np.array([-1.2, 1.0])).plot(ax=ax),
        "iteration", ["f − least f", "max |gradient|"],
    ),
    "update_ratios": (
        lambda ax: figures.update_ratios({"layers.0.weight": [1e-2, 0.0], "b": [1e-4, 1e-3]}, ax=ax),
        "step", "",
    ),
    "coordinate": (
        lambda ax: figures.coordinate(previews(lr=0.1), "layers.0.weight", (1, 2), formula="v = …", ax=ax),
        "t (steps)", ["slope", "rate", "step"],
    ),
    "along_step": (
        lambda ax: figures.along_step([-1, 0, 1, 2], [4, 1, 0, 1], slope=-2.0, curvature=2.0, ax=ax),
        "α (share of the step)", "loss",
    ),
    "sharpness_over_time": (
        lambda ax: figures.sharpness_over_time([0, 5], [3.0, 45.0], 40.0, ax=ax),
        "step", "λ₁ (loss per unit of w²)",
    ),
    "newton_cg": (
        lambda ax: figures.newton_cg(reports(), ax=ax),
        "iteration of CG, all steps together", ["‖Hz + g‖", "dᵀHd / dᵀd", "model", "radius"],
    ),
    "spectrum": (
        lambda ax: BOWL.plot(ax=ax),
        "eigenvalue λ (loss per unit of w²)", "density (share of eigenvalues per unit of λ)",
    ),
    "gradient_noise": (
        lambda ax: figures.gradient_noise([0, 1, 2], [4.0, 1.0, -0.1], [8.0, 8.0, 8.0], batch_size=4, ax=ax),
        "step", ["(loss per unit of w)²", "noise scale (samples)"],
    ),
    "contours": (lambda ax: figures.contours(rosenbrock, (-2, 2), (-1, 3), ax=ax), "x", "y"),
    "trajectories": (
        lambda ax: figures.trajectories({"walk": WALK}, plane=figures.pca_plane(WALK), ax=ax),
        *figures.pca_plane(WALK).labels,
    ),
    "sensitivity": (lambda ax: swept().plot(limit=0.5, ax=ax), "learning rate", "final loss"),
    "performance_profiles": (
        lambda ax: optim.performance_profile({"a": [1, 2], "b": [2, math.inf]}).plot(ax=ax),
        "τ: cost ÷ the least cost of any solver", "share of problems solved within τ",
    ),
}  # fmt: skip


def test_every_figure_has_a_case():
    draws = set(figures.__all__) - {
        "Plane", "loss_at", "pca_plane", "plane_through", "random_plane", "save_gif", "stability_threshold",
    }  # fmt: skip
    assert draws == set(CASES)


@pytest.mark.parametrize("name", CASES)
def test_it_draws_on_the_axes_given_in_their_colours_with_labels(name, ax):
    draw, x, y = CASES[name]
    ax.figure.set_facecolor("#101040")
    ax.set_facecolor("#101040")
    for label in (ax.xaxis.label, ax.yaxis.label, ax.title):
        label.set_color("#F0F0E0")
    before, open_figures = dict(matplotlib.rcParams), plt.get_fignums()
    assert draw(ax) is ax
    assert dict(matplotlib.rcParams) == before
    assert plt.get_fignums() == open_figures
    shown = ax.child_axes if isinstance(y, list) else [ax]
    assert shown[-1].get_xlabel() == x
    assert [each.get_ylabel() for each in shown] == (y if isinstance(y, list) else [y])
    dark = [
        text.get_text()
        for axes in [ax, *ax.child_axes]
        for text in [*axes.texts, *(axes.get_legend().get_texts() if axes.get_legend() else ())]
        if sum(to_rgb(text.get_color())) < 1
    ]
    assert not dark, "black text on a dark ground"
    lines = [line for axes in [ax, *ax.child_axes] for line in axes.lines]
    assert all(contrast(line.get_color(), "#101040") > 4.5 for line in lines)
    assert all(sum(to_rgb(each.get_facecolor())) < 1 for each in ax.child_axes)


FULL = ("coordinate", "newton_cg")  # figures with most text; the others are drawn with -m further


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in FULL else pytest.mark.further) for name in CASES]
)
def test_no_text_of_a_new_figure_is_cut_off(name):
    before = len(plt.get_fignums())
    ax = CASES[name][0](None)
    assert len(plt.get_fignums()) == before + 1
    ax.figure.canvas.draw()
    right, top = ax.figure.bbox.width, ax.figure.bbox.height
    for text in ax.figure.findobj(Text):
        box = text.get_window_extent()
        if text.get_visible() and text.get_text() and text in drawn_texts(ax):
            assert box.x0 >= -1 and box.y0 >= -1 and box.x1 <= right + 1 and box.y1 <= top + 1, text  # noqa: PT018


def drawn_texts(ax):
    """Titles, labels, legends and notes; ticks outside the limits have texts too, and are not drawn."""
    for each in [ax, *ax.child_axes]:
        if each.axison:
            yield from (each.xaxis.label, each.yaxis.label)
        yield from (each.title, *each.texts, *(each.get_legend().get_texts() if each.get_legend() else ()))


def test_axes_of_another_kind_and_missing_matplotlib_are_told(monkeypatch):
    with pytest.raises(TypeError, match=r"`ax=` must be Matplotlib's axes, got Figure"):
        figures.learning_curves({"loss": [1.0]}, ax=Figure())
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match="needs Matplotlib: pip install"):
        figures.learning_curves({"loss": [1.0]})


# Training


def test_learning_curves_of_fit(ax):
    data, model = moons(20, noise=0.1, rng=0), MLP((2, 3, 2), "tanh", rng=0)
    history = fit(
        model, optim.SGD(model.named_parameters(), lr=0.1), cross_entropy, data, epochs=3, validation=data,
        progress=False,
    )  # fmt: skip
    figures.learning_curves(history, ax=ax)
    assert [list(y) for y in ys(ax)[:2]] == [history["train_loss"], history["val_loss"]]
    least = min(history["val_loss"])
    assert ys(ax)[2] == [least]
    assert labels(ax) == ["train_loss", "val_loss", f"least val_loss: {least:.4g} at epoch 3"]


def test_learning_curves_go_on_after_a_gap_and_refuse_what_is_not_there(ax):
    figures.learning_curves({"step": [5, 10, 15], "loss": [100.0, math.nan, 1.0]}, ax=ax)
    np.testing.assert_array_equal(ax.lines[0].get_xdata(), [5, 15])
    assert (ax.get_xlabel(), ax.get_yscale()) == ("step", "log")
    with pytest.raises(KeyError, match="there is no 'los'"):
        figures.learning_curves({"loss": [1.0]}, "los", ax=ax)
    with pytest.raises(ValueError, match="'loss' in its name"):
        figures.learning_curves({"lr": [1.0]}, ax=ax)
    with pytest.raises(ValueError, match="must have 3 numbers, got 2"):
        figures.learning_curves({"epoch": [1, 2], "loss": [1.0, 2.0, 3.0]}, ax=ax)


def test_convergence_shows_the_trace(ax):
    result = optim.minimize(rosenbrock, np.array([-1.2, 1.0]))
    falls, gradients = figures.convergence(result, ax=ax).child_axes
    values = np.array([point.fun for point in result.trace])
    np.testing.assert_array_equal(ys(falls)[0], (values - values.min())[values > values.min()])
    np.testing.assert_array_equal(ys(gradients)[0], [p.gradient for p in result.trace if p.gradient > 0])
    assert list(ys(gradients)[1]) == [result.tolerance] * 2


def test_the_colours_of_curves_follow_the_ground_that_is_seen(ax):
    def colour():
        return figures.learning_curves({"train_loss": [1, 0.5]}, ax=ax).lines[-1].get_color()

    assert colour() == COLOURS[0]
    ax.set_facecolor("black")
    assert colour() == ON_DARK[0]
    ax.set_facecolor("none")
    assert colour() == COLOURS[0]
    ax.figure.set_facecolor("#0d1117")
    assert colour() == ON_DARK[0]


def test_a_weight_that_stands_still_has_a_colour_that_no_ratio_has(ax):
    cells = figures.update_ratios({"W": [1e-2, 0.0], "b": [1e-4, 1e-3]}, ax=ax).collections[0].cmap
    distance = np.abs(cells(np.linspace(0, 1, 256))[:, :3] - cells.get_bad()[:3]).max(axis=1)
    assert distance.min() > 0.15


def test_update_ratios_are_cells_and_a_zero_is_none(ax):
    figures.update_ratios({"W": [1e-2, 0.0, 1e-1], "b": [1e-4, 1e-3, 1e-3]}, [10, 20, 30], ax=ax)
    cells = ax.collections[0].get_array()
    np.testing.assert_array_equal(cells.filled(-1), [[1e-2, -1, 1e-1], [1e-4, 1e-3, 1e-3]])
    assert ax.get_xlim() == (5, 35)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["W", "b"]
    (scale,) = ax.child_axes
    assert scale.get_ylabel() == "‖Δw‖/‖w‖ of a step"
    assert scale.get_yscale() == "log"
    for ratios, steps, said in (
        ({"W": [-1.0]}, None, "must be ≥ 0"), ({"W": [1.0], "b": [1.0, 2.0]}, None, "must have 1 numbers"),
        ({"W": [1.0, 1.0]}, [2, 1], "must ascend"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=said):
            figures.update_ratios(ratios, steps, ax=ax)


@pytest.mark.parametrize(
    ("kind", "options", "signs"),
    [
        (optim.Adam, {"lr": 0.1}, ["g", "m", "m̂", "√v", "√v̂"]),
        (optim.SGD, {"lr": 0.1, "momentum": 0.9}, ["g", "b"]),
        (optim.RMSprop, {"lr": 0.1, "momentum": 0.9}, ["g", "√v"]),
    ],
)
def test_a_coordinate_shows_what_the_rule_computed(kind, options, signs, ax):
    shown = previews(kind, **options)
    slopes, rates, moves = figures.coordinate(shown, "layers.0.weight", (1, 2), ax=ax).child_axes
    assert labels(slopes) == signs
    one = {key: np.array([step["layers.0.weight"][key][1, 2] for step in shown]) for key in ("g", "step")}
    np.testing.assert_array_equal(ys(slopes)[0], one["g"])
    np.testing.assert_array_equal(ys(moves)[0], one["step"])
    if "√v" in signs:
        v = np.array([step["layers.0.weight"]["v"][1, 2] for step in shown])
        np.testing.assert_array_equal(ys(slopes)[signs.index("√v")], np.sqrt(v))
    if kind is optim.SGD:
        np.testing.assert_allclose(ys(rates)[0] * ys(slopes)[1], one["step"], rtol=1e-12)
    else:  # with momentum, RMSprop's step is not this rate times g
        np.testing.assert_allclose(ys(rates)[0], 0.1 / (ys(slopes)[len(signs) - 1] + 1e-8), rtol=1e-12)


def test_the_rate_of_adam_is_lr_over_the_root_and_the_numbers_stand_below(ax):
    shown = previews(lr=0.1)
    figures.coordinate(shown, "layers.0.weight", (1, 2), at=2, formula="more", ax=ax)
    one = {key: value[1, 2] for key, value in shown[1]["layers.0.weight"].items() if np.ndim(value)}
    rate = 0.1 / (np.sqrt(one["v_hat"]) + 1e-8)
    assert ys(ax.child_axes[1])[0][1] == pytest.approx(rate, rel=1e-12)
    wanted = f"t = 2:  step = rate·m̂ = {rate:.4g}·{one['m_hat']:.4g} = {one['step']:.4g}"
    assert [text.get_text() for text in ax.texts] == [f"{wanted}\nmore"]
    assert ax.get_title(loc="left") == "layers.0.weight[1, 2]"


def test_a_coordinate_of_a_run_with_decay_beside_the_rate(ax):
    """A recorded run has `at` and a length; AdamW's step is lr_eff·m̂ and decay."""
    steps = [
        {"p": {"g": np.ones(1), "m_hat": np.ones(1), "lr_eff": np.full(1, 0.1), "step": np.full(1, 0.3)}}
    ]

    class Run:
        __len__ = staticmethod(lambda: 1)
        at = staticmethod(lambda t: steps[t - 1])

    figures.coordinate(Run(), "p", 0, ax=ax)
    assert ax.texts[0].get_text() == "t = 1:  step = rate·m̂ + rest = 0.1·1 + 0.2 = 0.3"


def test_a_coordinate_that_is_not_there_is_refused(ax):
    shown = previews(lr=0.1, steps=2)
    with pytest.raises(KeyError, match="there is no 'w'; the parameters are"):
        figures.coordinate(shown, "w", ax=ax)
    for index in ((), (9, 9), (0,)):
        with pytest.raises(IndexError, match=r"`coordinate\(index=...\)` must be a place in"):
            figures.coordinate(shown, "layers.0.weight", index, ax=ax)
    for at in (0, 3, True, 1.0):
        with pytest.raises(IndexError, match="must be a step from 1 to 2"):
            figures.coordinate(shown, "layers.0.weight", (0, 0), at=at, ax=ax)


# Steps


def test_the_line_the_parabola_and_rho(ax):
    x = np.array([-1.2, 1.0])
    s = -1e-3 * grad(rosenbrock)(x)
    alpha = np.array([-0.5, 0.0, 0.5, 1.0])
    loss = [float(rosenbrock(x + a * s)) for a in alpha]
    slope, curvature = float(grad(rosenbrock)(x) @ s), float(s @ hvp(rosenbrock, x, s))
    figures.along_step(alpha, loss, slope, curvature, ax=ax)
    np.testing.assert_array_equal(ys(ax)[0], loss)
    np.testing.assert_allclose(ys(ax)[1], loss[1] + alpha * slope)
    np.testing.assert_allclose(ys(ax)[2], loss[1] + alpha * slope + alpha**2 * curvature / 2)
    rho = (loss[1] - loss[3]) / -(slope + curvature / 2)
    assert ax.get_title().endswith(f" = {rho:.3g}")
    assert labels(ax) == ["loss", "line: f + α·gᵀs", "parabola: + ½α²·sᵀHs", "x and x + s"]
    with pytest.raises(ValueError, match="must contain 0 and 1"):
        figures.along_step([0.0, 0.5], [1.0, 0.9], -1.0, 1.0, ax=ax)


THRESHOLDS = [
    (optim.SGD, {}, 2.0), (optim.SGD, {"momentum": 0.9}, 3.8),
    (optim.SGD, {"momentum": 0.5, "dampening": 0.2}, 3.75),
    (optim.SGD, {"momentum": 0.9, "nesterov": True}, 3.8 / 2.8), (optim.Momentum, {"beta": 0.9}, 38.0),
    (optim.Adam, {}, 38.0), (optim.AdamW, {"weight_decay": 0.5}, 1.9 * (2 - 0.25) / 0.1),
    (optim.NAdam, {}, 38 / 2.8),
    (optim.NAdam, {"weight_decay": 0.4, "decoupled_weight_decay": True}, 1.9 * (2 - 0.2) / 0.1 / 2.8),
    (optim.RMSprop, {}, 2.0), (optim.RMSprop, {"momentum": 0.5}, 3.0),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "options", "numerator"), THRESHOLDS)
def test_just_below_the_threshold_steps_shrink_and_just_above_they_grow(kind, options, numerator):
    """On ½λw² by the optimizer's own rule, with v held at 1; the slopes are too small to change it."""
    options = {"lr": 0.5, **options}
    threshold, formula = figures.stability_threshold(kind([Tensor([1.0], requires_grad=True)], **options))
    assert (threshold, formula) == (pytest.approx(numerator / 0.5), f"{numerator:.4g}/η")
    for factor, grows in ((0.98, False), (1.02, True)):
        optimizer = kind([Tensor([1.0], requires_grad=True)], **options)
        group = optimizer.param_groups[0]
        w, state = np.array([1e-6]), {name: np.zeros(1) for name in group.state}
        numbers = {**group.slices[0].counters, **group.for_rule, "t": 10**6}
        numbers |= {"mu_product": 0.0} if "mu_product" in numbers else {}  # corrections are over
        sizes = []
        while len(sizes) < 1500 and (not sizes or sizes[-1] < 1e-3):
            if "v" in state:
                state["v"] = np.ones(1)
            out = optimizer.rule(w, factor * threshold * w, *state.values(), **numbers)
            w, state = out["w"], {name: out.get(name, value) for name, value in state.items()}
            numbers |= {name: out[name] for name in optimizer.scalars if name in out}
            sizes.append(abs(float(w[0])))
        assert (sizes[-1] > 1e-3, sizes[-1] < 1e-6) == (grows, not grows), (factor, sizes[-1])


def test_sharpness_against_the_optimizers_own_threshold(ax):
    adam = optim.Adam([Tensor([1.0], requires_grad=True)], lr=0.01)
    figures.sharpness_over_time([0, 10], [1000.0, 3900.0], adam, ax=ax)
    assert [list(y) for y in ys(ax)] == [[1000, 3900], [3800, 3800]]
    assert labels(ax) == ["sharpness", "stable below 38/η = 3800"]
    assert "P^-½ H P^-½" in ax.get_ylabel()
    with pytest.raises(TypeError, match=r"is known for SGD, Momentum.*got Lion"):
        figures.stability_threshold(optim.Lion([Tensor([1.0], requires_grad=True)]))
    with pytest.raises(ValueError, match="needs lr > 0"):
        figures.stability_threshold(optim.SGD([Tensor([1.0], requires_grad=True)], lr=0.0))
    with pytest.raises(ValueError, match="must have 2 numbers, got 3"):
        figures.sharpness_over_time([0, 10], [1.0, 2.0], [1.0, 2.0, 3.0], ax=ax)


def test_the_microscope_shows_every_iteration_and_trial(ax):
    steps = reports()
    residual, curvature, model, radius = figures.newton_cg(steps, ax=ax).child_axes
    for panel, key in ((residual, "residual"), (model, "model")):
        drawn = [list(line.get_ydata()) for line in panel.lines if line.get_marker() != "None"]
        assert drawn == [list(steps[0].cg[key]), list(steps[1]["cg"][key])]
    crosses = [line for line in curvature.lines if line.get_marker() == "x"]
    down = [c for c in steps[1]["cg"]["curvature"] if c <= 0]
    assert [list(line.get_ydata()) for line in crosses] == [[], down]
    assert [text.get_text() for text in residual.texts] == ["converged", "negative curvature"]
    cut_short = {**steps[1], "cg_end": "negative curvature", "why": "boundary"}  # a smaller radius was tried
    again = figures.newton_cg(cut_short, ax=type(ax.figure)().subplots()).child_axes[0]
    assert [text.get_text() for text in again.texts] == ["negative curvature"]
    assert [text.get_text() for text in radius.texts] == ["ρ −0.5", "ρ 0.9"] * 2
    taken = [list(line.get_ydata()) for line in radius.lines if line.get_marker() == "o"]
    refused = [list(line.get_ydata()) for line in radius.lines if line.get_marker() == "x"]
    assert (taken, refused) == ([[2.5]] * 2, [[10.0]] * 2)
    with pytest.raises(TypeError, match="each step must have 'cg'"):
        figures.newton_cg(SimpleNamespace(n_cg=3), ax=ax)
    with pytest.raises(ValueError, match="no step has an iteration of CG"):
        figures.newton_cg([], ax=ax)


# Curvature


def test_a_spectrum_has_a_tick_for_each_eigenvalue(ax):
    scales = np.linspace(-1, 9, 30)
    f = lambda x: 0.5 * (scales * x * x).sum()  # noqa: E731
    estimate = optim.hessian_spectrum(f, np.zeros(30), exact_limit=0, steps=10, vectors=2)
    figures.spectrum(estimate, optim.hessian_spectrum(f, np.zeros(30)), ax=ax)
    grid = ax.lines[0].get_xdata()
    width = 0.01 * (max(9.0, estimate.values.max()) - min(-1.0, estimate.values.min()))
    np.testing.assert_array_equal(ys(ax)[0], estimate.density(grid, width)[1])
    assert np.trapezoid(ys(ax)[1], grid) == pytest.approx(1, abs=1e-6)
    np.testing.assert_allclose(ax.lines[2].get_xdata(), scales, atol=1e-12)
    assert labels(ax)[2] == "eigenvalues: 30, of which 3 < 0"
    with pytest.raises(ValueError, match="must be all 30 eigenvalues, got 2"):
        figures.spectrum(estimate, [1.0, 2.0], ax=ax)


def test_signal_noise_and_their_ratio(ax):
    parts, scale = figures.gradient_noise([0, 1, 2], [4, 1, -1], [8, 8, 8], batch_size=4, ax=ax).child_axes
    np.testing.assert_array_equal(ys(parts)[0], [4, 1, math.nan])
    np.testing.assert_array_equal(ys(parts)[1], [2, 2, 2])
    np.testing.assert_array_equal(ys(scale)[0], [2, 8, math.nan])
    assert labels(parts) == [
        "signal ‖G‖² (where it is > 0, at 2 of 3)",
        "noise of a batch of 4, tr Σ/4",
        "more noise than signal",
    ]
    assert labels(scale) == ["batch size 4"]
    for batch_size in (0, True, 2.5):
        with pytest.raises(ValueError, match="must be a whole number of at least 1"):
            figures.gradient_noise([0], [1], [1], batch_size=batch_size, ax=ax)


# Landscapes


def test_a_plane_gives_back_its_points_and_the_distance_off_it(rng):
    origin, u, v, w = rng.normal(size=(4, 6))
    plane = figures.plane_through(origin, u, v)
    assert plane.u @ plane.v == pytest.approx(0, abs=1e-12)
    assert np.linalg.norm(plane.v) == pytest.approx(np.linalg.norm(v))
    ab = np.array([[0.5, -2.0], [0.0, 1.0]])
    points = np.array([plane.point(a, b) for a, b in ab])
    w -= (w @ plane.u) / (plane.u @ plane.u) * plane.u + (w @ plane.v) / (plane.v @ plane.v) * plane.v
    found, off = plane.project(points + w)
    np.testing.assert_allclose(found, ab, atol=1e-12)
    np.testing.assert_allclose(off, np.linalg.norm(w))
    with pytest.raises(ValueError, match="must not be parallel"):
        figures.plane_through(origin, u, 2 * u)


def test_random_directions_have_the_norms_of_the_filters():
    model = MLP((3, 4, 2), "tanh", rng=0)
    plane = figures.random_plane(model.named_parameters(), rng=1)
    sizes = np.cumsum([p.size for p in model.parameters()])[:-1]
    first = [
        part.reshape(p.shape) for part, p in zip(np.split(plane.u, sizes), model.parameters(), strict=True)
    ]
    for d, p in zip(first, model.parameters(), strict=True):
        wanted = np.linalg.norm(p.data, axis=0) if p.ndim == 2 else 0
        np.testing.assert_allclose(np.linalg.norm(d, axis=0), wanted, rtol=1e-12)
    np.testing.assert_array_equal(plane.origin, np.concatenate([p.data.ravel() for p in model.parameters()]))


def test_the_components_are_those_of_the_path():
    """Against the eigenvalues of its second moments about the last point."""
    plane, away = figures.pca_plane(WALK), WALK - WALK[-1]
    values = np.sort(np.linalg.eigvalsh(away.T @ away))[::-1]
    for direction, value, label in zip((plane.u, plane.v), values, plane.labels, strict=False):
        np.testing.assert_allclose(away.T @ away @ direction, value * direction, atol=1e-10)
        assert f"({100 * value / values.sum():.3g} % of the variance)" in label
    assert plane.project(WALK)[1][-1] == 0
    with pytest.raises(ValueError, match="must span a plane"):
        figures.pca_plane(np.outer(np.arange(4.0), np.ones(3)))


def test_the_loss_on_a_plane_is_the_models_and_the_weights_come_back(ax):
    data, model = moons(20, noise=0.1, rng=0), MLP((2, 3, 2), "tanh", rng=0)
    loss = lambda: cross_entropy(model(data.X), data.y)  # noqa: E731
    before = [p.data.copy() for p in model.parameters()]
    plane = figures.random_plane(model.parameters())
    with figures.loss_at(loss, model.parameters()) as f:
        assert f(plane.point(0, 0)) == loss().item()
        figures.contours(f, (-1, 1), (-1, 1), plane=plane, ax=ax)
        assert f(plane.point(1, 0)) != f(plane.point(0, 0))
    assert all(np.array_equal(p.data, w) for p, w in zip(model.parameters(), before, strict=True))
    assert (ax.get_xlabel(), ax.get_ylabel()) == plane.labels
    with (
        pytest.raises(ValueError, match="must have the shape"),
        figures.loss_at(loss, model.parameters()) as f,
    ):
        f(plane.point(3, 3)[: -1 if f(plane.point(3, 3)) else None])
    assert all(np.array_equal(p.data, w) for p, w in zip(model.parameters(), before, strict=True))


def test_paths_are_drawn_over_contours_as_far_as_they_are_finite(ax):
    figures.contours(rosenbrock, (-2, 2), (-1, 3), ax=ax)
    path = np.array([[-1.2, 1.0], [0.0, 0.5], [math.inf, 0.0], [0.0, 0.0]])
    figures.trajectories({"SGD": path, "Adam": path[:2]}, minimum=(1, 1), ax=ax)
    np.testing.assert_array_equal(ax.lines[0].get_xydata(), path[:2])
    assert labels(ax) == ["SGD, 1 step, then not finite", "Adam, 1 step", "minimum"]
    assert (ax.get_xlim(), ax.get_ylim()) == ((-2, 2), (-1, 3))
    assert ax.get_title() == "level lines of f, from 0 to 2509"
    with pytest.raises(ValueError, match=r"'SGD' must have the shape \(T, 2\), got \(2, 3\)"):
        figures.trajectories({"SGD": np.zeros((2, 3))}, ax=ax)


def test_a_path_on_a_plane_says_how_far_off_it_is(ax):
    plane = figures.pca_plane(WALK)
    figures.trajectories({"walk": WALK}, plane=plane, ax=ax)
    ab, off = plane.project(WALK)
    np.testing.assert_array_equal(ax.lines[0].get_xydata(), ab)
    assert labels(ax) == [f"walk, 11 steps, ≤ {off.max():.2g} off the plane"]


def test_a_gif_moves(tmp_path):
    image = pytest.importorskip("PIL.Image")
    paths = {"a": np.array([[-1.0, -1.0], [0.0, 0.0], [1.0, 1.0]])}
    figures.save_gif(
        tmp_path / "a.gif", paths, lambda ax: ax.set(xlim=(-2, 2), ylim=(-2, 2)), frames=3, fps=1, size=(2, 2)
    )
    with image.open(tmp_path / "a.gif") as picture:
        frames = []
        for i in range(picture.n_frames):
            picture.seek(i)
            frames.append(np.asarray(picture.convert("RGB")))
    assert frames[0].shape == (200, 200, 3)
    colour = np.array([int(255 * part) for part in to_rgb("#0072B2")])
    drawn = [int((np.abs(frame - colour.astype(float)).sum(axis=2) < 60).sum()) for frame in frames[:3]]
    assert drawn[0] < drawn[1] < drawn[2]
    assert plt.get_fignums() == []
    with pytest.raises(ValueError, match=r"must end in .gif"):
        figures.save_gif(tmp_path / "a.png", paths, lambda ax: None)


def test_a_bound_on_the_rate_is_drawn_in_a_sweep(ax):
    swept().plot(ax=ax, limit=0.5)
    assert list(ax.lines[2].get_xdata()) == [0.5, 0.5]
    assert "limit 0.5" in labels(ax)
    with pytest.raises(ValueError, match="must be a finite rate > 0"):
        swept().plot(ax=ax, limit=0)


def test_a_gif_in_which_nothing_moves_is_one_frame(tmp_path):
    """The layout of the axes is that of the first frame in all of them."""
    image = pytest.importorskip("PIL.Image")
    file = figures.save_gif(
        tmp_path / "a.gif", {"a": [[0.5, 0.5]]}, lambda ax: None, frames=2, fps=1, size=(2, 2)
    )
    with image.open(file) as picture:
        assert getattr(picture, "n_frames", 1) == 1
