"""The gallery measures what was published. Phenomena of many steps are tried in short here, and as the page
shows them with `-m further`."""

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
