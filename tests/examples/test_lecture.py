"""The lecture says what is so: every number holds, and every topic has its text, lines and picture."""

import csv
import html
import math
import re
from pathlib import Path

import pytest

from examples import lecture, plotting
from examples.lecture import __main__ as command
from examples.lecture import measurements, page, shared

NUMBERS = range(1, len(lecture.TOPICS) + 1)


@pytest.mark.parametrize("number", NUMBERS, ids=lecture.TOPICS)
def test_every_number_is_as_predicted(number):
    rows = lecture.topic(number).numbers()
    assert len(rows) > 1
    assert [row for row in rows if not row.holds] == []
    assert all(math.isfinite(row.tolerance) for row in rows)
    assert all(row.tolerance <= 0.05 * abs(row.predicted) + 0.005 for row in rows)


@pytest.mark.parametrize("name", lecture.TOPICS)
def test_every_script_fits_on_a_page(name):
    text = Path(lecture.__path__[0], f"{name}.py").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 60
    assert re.match(r'"""[^\n"]+\.\n\n', text), "the first line is its title, a sentence"


def test_a_row_holds_within_its_tolerance_only():
    assert shared.Row("", 1.0, 1.25, 0.25).holds
    assert not shared.Row("", 1.0, 1.25, 0.2).holds
    assert not shared.Row("", math.nan, 1.0, 1.0).holds


def test_the_limit_is_where_it_stops_to_work():
    assert shared.limit(lambda x: x < 0.3, 0, 1) == pytest.approx(0.3, abs=1e-6)


def test_a_walk_that_does_not_arrive_is_no_number():
    with pytest.raises(ValueError, match="no point of 3 is reached: take more steps"):
        shared.steps_until(lambda x: x > 5, [1, 2, 3])


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


def test_a_topic_by_itself(tmp_path, capsys):
    command.main(["--only", "15", "--out", str(tmp_path)])
    out = capsys.readouterr().out
    assert out.splitlines()[0] == f"15  {page.title(15)}"
    assert out.splitlines()[-1] == f"page: {tmp_path / '15-topological-order.html'}"
    text = (tmp_path / "15-topological-order.html").read_text(encoding="utf-8")
    for file in re.findall(r'(?:src|srcset)="([^"]+)"', text):
        assert (tmp_path / file).stat().st_size > 5_000
    assert {path.name for path in tmp_path.iterdir()} == {
        "15-topological-order.html", "15-topological-order-light.png", "15-topological-order-dark.png"
    }  # fmt: skip
    assert "def numbers() -&gt; list[Row]:" in text
    assert html.escape(page.title(15)) in text
    assert "http" not in text


def test_the_page_marks_a_number_that_is_not_as_predicted(tmp_path, monkeypatch, capsys):
    rows = [shared.Row("right", 1.0, 1.0), shared.Row("wrong <b>", 2.0, 1.0)]
    monkeypatch.setattr(lecture.topic(15), "numbers", lambda: rows)
    monkeypatch.setattr(command, "pictures", lambda number, out: True)
    with pytest.raises(SystemExit, match="not as predicted: 15: wrong <b>"):
        command.main(["--only", "15", "--out", str(tmp_path)])
    text = (tmp_path / "15-topological-order.html").read_text(encoding="utf-8")
    assert re.findall(r"<tr class=off><td>([^/]*)</td>", text) == ["wrong &lt;b&gt;"]


def test_several_topics_make_the_index(tmp_path):
    rows = [shared.Row("a", 1.0, 1.0)]
    assert page.write({1: rows, 15: rows}, tmp_path) == tmp_path / "index.html"
    text = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert re.findall(r'href="#(\d+)"', text) == re.findall(r'<section id="(\d+)"', text) == ["1", "15"]


def test_a_table_is_printed_and_saved(tmp_path, monkeypatch, capsys):
    rows = [{"optimizer": "SGD", "wins": "a, b"}, {"optimizer": "Momentum", "wins": "–"}]
    monkeypatch.setattr(lecture.topic(13), "report", lambda: rows)
    command.report(13, tmp_path)
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        "optimizer  wins",
        "SGD        a, b",
        "Momentum   –",
        f"table: {tmp_path / '13-summary.csv'}",
    ]
    with (tmp_path / "13-summary.csv").open(encoding="utf-8", newline="") as file:
        assert list(csv.DictReader(file)) == rows


def test_without_matplotlib_the_numbers_are_printed(tmp_path, capsys, monkeypatch):
    def missing():
        raise ImportError("matplotlib")

    monkeypatch.setattr(plotting, "pyplot", missing)
    command.main(["--only", "15", "--out", str(tmp_path)])
    assert capsys.readouterr().out.splitlines()[-1] == plotting.MISSING
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("bad", [["--only", "0"], ["--only", "16"], ["--only", "one"], ["--out", __file__]])
def test_bad_arguments_are_refused(bad, capsys):
    with pytest.raises(SystemExit):
        command.main(bad)
    assert capsys.readouterr().err.startswith("usage: python -m examples.lecture")
