"""The lecture says what is so: every number holds, and every topic has its text, lines and picture."""

import math
import re
from pathlib import Path

import pytest

from examples.lecture import LECTURE, measurements

NUMBERS = range(1, len(LECTURE.topics) + 1)


@pytest.mark.parametrize("number", NUMBERS, ids=LECTURE.topics)
def test_every_number_is_as_predicted(number):
    rows = LECTURE.topic(number).numbers()
    assert len(rows) > 1
    assert [row for row in rows if not row.holds] == []
    assert all(math.isfinite(row.tolerance) for row in rows)
    assert all(row.tolerance <= 0.05 * abs(row.expected) + 0.005 for row in rows)


@pytest.mark.parametrize("number", NUMBERS, ids=LECTURE.topics)
def test_every_script_fits_on_a_page(number):
    text = Path(LECTURE.topic(number).__file__).read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 60
    assert re.match(r'"""[^\n"]+\.\n\n', text), "the first line is its title, a sentence"


def test_a_run_ends_when_the_target_is_reached_for_good():
    passing = measurements.Problem(lambda w, _: 0.5 * w**2, -1.0, 1e-4)
    assert measurements.run("SGD", passing, 0.5) == 7, "½·½²ᵗ ≤ 1e-4"
    assert measurements.run("SGD", passing, 2.5) == math.inf


def test_the_summary_shows_what_each_kind_cannot_do():
    for name in ("SGD", "RMSprop", "Newton"):
        assert measurements.needed(name)["saddle"] < 500
    assert measurements.needed("SGD")["narrow valley"] == math.inf
    assert (
        measurements.needed("RMSprop")["narrow valley"] < 10 < measurements.needed("RMSprop")["turned valley"]
    )
    assert measurements.needed("Newton")["noise"] == math.inf
    kinds = {name: measurements.adapts_to(name) for name in ("SGD", "RMSprop", "Newton")}
    assert kinds == {"SGD": "nothing", "RMSprop": "each coordinate", "Newton": "every direction"}


@pytest.mark.further
def test_the_summary_measured_again_is_the_same():
    for name in ("SGD", "Newton"):
        for measure in (measurements.needed, measurements.facts):
            assert measure.__wrapped__(name) == measure(name)  # the cache is not asked
