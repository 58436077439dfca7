"""The gallery measures what was published. Phenomena of many steps are tried in short here, and as the page
shows them with `-m further`."""

import itertools
import math
import re
from pathlib import Path

import numpy as np
import pytest

import optim
from examples import plotting
from examples.gallery import GALLERY, adam_can_fail, adaptive_edge, basins, edge_of_stability, grokking
from examples.gallery import __main__ as command
from minigrad import Tensor

LONG = ("edge_of_stability", "adaptive_edge", "adam_can_fail", "saddles", "grokking")
TOPICS = [
    pytest.param(number, id=name, marks=[pytest.mark.further] if name in LONG else [])
    for number, name in enumerate(GALLERY.topics, 1)
]


@pytest.mark.parametrize("number", TOPICS)
def test_every_number_is_as_published_and_has_its_picture(number):
    rows = GALLERY.topic(number).numbers()
    assert len(rows) > 1
    assert [row for row in rows if not row.as_known] == []
    assert all(row.source and math.isfinite(row.expected) for row in rows)
    assert all(row.tolerance <= 0.2 * abs(row.expected) + 0.05 for row in rows)
    plt = plotting.pyplot()
    fig = GALLERY.topic(number).draw(plt)
    assert all(ax.has_data() for ax in fig.axes)
    plt.close(fig)


@pytest.mark.parametrize("number", range(1, len(GALLERY.topics) + 1), ids=GALLERY.topics)
def test_every_script_is_short_and_names_what_it_follows(number):
    text = Path(GALLERY.topic(number).__file__).read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 120
    assert re.match(r'"""[^\n"]+\.\n\n', text), "the first line is its title, a sentence"
    assert re.search(r"(Sources?: |Karpathy's).*\d{4}", GALLERY.topic(number).__doc__)


def test_the_hessians_of_a_batch_are_those_of_its_points():
    """As differentiated by hand."""
    x, y = points = np.array([[3.0, -1.0], [2.0, 0.5]])
    by_hand = [[12 * x**2 + 4 * y - 42, 4 * (x + y)], [4 * (x + y), 12 * y**2 + 4 * x - 26]]
    np.testing.assert_allclose(basins.hessians(points), np.transpose(by_hand, (2, 0, 1)), rtol=1e-13)


# The long ones in short


def test_descent_comes_to_the_edge_of_stability():
    losses, sharpness = edge_of_stability.run("descent", 1500)
    assert edge_of_stability.settled(sharpness) == pytest.approx(2, rel=0.03)
    assert sharpness[0] < 1.5
    assert losses[-1] < 0.5 * losses[0]


def test_adam_comes_to_its_own():
    lr_sharpness = adaptive_edge.run(5e-3, 2000)[1]
    assert adaptive_edge.settled(lr_sharpness) == pytest.approx(38, rel=0.05)


def test_a_period_moves_adam_up_and_amsgrad_down():
    """As the moments of a periodic gradient say, which are written out here."""
    gradient = np.r_[1010.0, np.full(100, -10.0)]

    def average(beta, x):
        weights = (1 - beta) * beta ** np.arange(101) / (1 - beta**101)
        return np.array([weights @ np.roll(x[::-1], k + 1) for k in range(101)])

    m, v = average(0.9, gradient), average(0.99, gradient**2)
    drift = np.diff(adam_can_fail.path(20, constant=True), axis=0)[-1]
    assert drift == pytest.approx([-np.sum(m / np.sqrt(v)), -np.sum(m) / np.sqrt(v.max())], abs=1e-6)
    assert drift[0] == pytest.approx(1.9008548, abs=1e-6)


def test_descent_knows_its_own_pairs_before_the_new_ones():
    known, new = grokking.run("descent", 0, 700)[0]
    at_300 = 300 // grokking.EVERY - 1
    assert known[at_300] >= 0.99
    assert new[at_300] < 0.2
    assert new[-1] >= 0.95


@pytest.mark.further
def test_grokking_takes_the_steps_that_it_takes_in_numpy_by_hand():
    """Only the weights and pairs are common to both. After a hundred steps rounding has not grown yet."""
    p, n, by_hand = grokking.P, grokking.HIDDEN, []
    a, b = np.divmod(np.arange(p * p), p)
    x, y = np.eye(2 * p)[a] + np.eye(2 * p)[p + b], (a + b) % p
    for seed in grokking.SEEDS:
        rng = np.random.default_rng(seed)
        known, new = np.split(rng.permutation(p * p), [int(0.6 * p * p)])
        weights = [rng.normal(size=shape) / shape[0] ** 0.5 for shape in ((2 * p, n), (n, p))]
        moments = [(np.zeros_like(w), np.zeros_like(w)) for w in weights]
        for t in itertools.count(1):
            W, V = weights
            h = x[known] @ W
            r = 2 * (h**2 @ V - np.eye(p)[y[known]]) / (len(known) * p)
            slopes = x[known].T @ (2 * h * (r @ V.T)), (h**2).T @ r
            for w, g, (m, v) in zip(weights, slopes, moments, strict=True):
                m += 0.1 * (g - m)
                v += 0.02 * (g * g - v)
                w -= 0.005 * (0.3 * w + m / (1 - 0.9**t) / (np.sqrt(v / (1 - 0.98**t)) + 1e-8))
            if t == 100 and seed == 0:
                np.testing.assert_allclose(W, grokking.run("AdamW with decay", 0, 100)[1], atol=1e-7)
            if t % 50 == 0 and np.mean(((x[new] @ W) ** 2 @ V).argmax(axis=1) == y[new]) >= 0.95:
                break
        by_hand.append(t)
    np.testing.assert_allclose(by_hand, [grokking.grokked(seed) for seed in grokking.SEEDS], rtol=0, atol=100)
    assert abs(np.median(by_hand) - 1450) <= 50, "the number that the page shows"


def test_weights_that_are_written_down_know_all_pairs(monkeypatch):
    assert grokking.written_down() == 1
    monkeypatch.setattr(grokking, "HIDDEN", 4)
    assert grokking.written_down() < 0.5, "too few waves"


def test_the_published_limits_are_those_that_the_figures_draw():
    for kind, options, limit in edge_of_stability.METHODS.values():
        optimizer = kind([Tensor(1.0, requires_grad=True)], **options)
        assert optim.figures.stability_threshold(optimizer)[0] == pytest.approx(limit / options["lr"])


def test_the_command_refuses_a_phenomenon_that_is_none(capsys):
    with pytest.raises(SystemExit):
        command.main(["--only", "groking"])
    said = capsys.readouterr().err
    assert said.startswith("usage: python -m examples.gallery")
    assert "must be a number from 1 to 12 or one of micrograd, " in said
    assert said.rstrip().endswith("got 'groking'")
