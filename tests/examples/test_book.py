"""The page and the command that the lecture and the gallery share, tried on a topic of the lecture."""

import csv
import html
import math
import re

import pytest

from examples import page, plotting, shared, show
from examples.lecture import LECTURE
from examples.lecture import __main__ as command


def test_a_row_holds_within_its_tolerance_only():
    assert shared.Row("", 1.0, 1.25, 0.25).holds
    assert not shared.Row("", 1.0, 1.25, 0.2).holds
    assert not shared.Row("", math.nan, 1.0, 1.0).holds


def test_a_table_shows_the_digits_that_its_tolerances_ask_for_and_sources_if_there_are_any():
    pi = shared.Row("π", math.pi, 3.14159265358, 1e-11)
    assert shared.table([pi, shared.Row("½", 0.5, 0.5)], "published").splitlines() == [
        "         measured       published   tolerance",
        "π   3.14159265359   3.14159265358       1e-11",
        "½             0.5             0.5           0",
    ]
    (*_, last) = shared.table(
        [shared.Row("½", 0.5, 0.5), pi._replace(source="Ludolph 1596")], ""
    ).splitlines()
    assert last.endswith("1e-11   Ludolph 1596")


def test_the_limit_is_where_it_stops_to_work():
    assert shared.limit(lambda x: x < 0.3, 0, 1) == pytest.approx(0.3, abs=1e-6)


def test_a_walk_that_does_not_arrive_is_no_number():
    with pytest.raises(ValueError, match="no point of 3 is reached: take more steps"):
        shared.steps_until(lambda x: x > 5, [1, 2, 3])


def test_a_topic_by_itself(tmp_path, capsys):
    command.main(["--only", "15", "--out", str(tmp_path)])
    out = capsys.readouterr().out
    assert out.splitlines()[0] == f"15  {LECTURE.title(15)}"
    assert out.splitlines()[-1] == f"page: {tmp_path / '15-topological-order.html'}"
    text = (tmp_path / "15-topological-order.html").read_text(encoding="utf-8")
    for file in re.findall(r'(?:src|srcset)="([^"]+)"', text):
        assert (tmp_path / file).stat().st_size > 5_000
    assert {path.name for path in tmp_path.iterdir()} == {
        "15-topological-order.html", "15-topological-order-light.png", "15-topological-order-dark.png"
    }  # fmt: skip
    assert "def numbers() -&gt; list[Row]:" in text
    assert html.escape(LECTURE.title(15)) in text
    assert "http" not in text


def test_the_page_marks_a_number_that_is_not_as_predicted(tmp_path, monkeypatch, capsys):
    rows = [shared.Row("right", 1.0, 1.0), shared.Row("wrong <b>", 2.0, 1.0)]
    monkeypatch.setattr(LECTURE.topic(15), "numbers", lambda: rows)
    monkeypatch.setattr(show, "pictures", lambda book, number, out: True)
    with pytest.raises(SystemExit, match="not as predicted: 15: wrong <b>"):
        command.main(["--only", "15", "--out", str(tmp_path)])
    text = (tmp_path / "15-topological-order.html").read_text(encoding="utf-8")
    assert re.findall(r"<tr class=off><td>([^/]*)</td>", text) == ["wrong &lt;b&gt;"]


def test_a_number_that_is_known_not_to_hold_is_shown_with_its_reason(tmp_path, monkeypatch, capsys):
    known = shared.Row("far off", 2.0, 1.0, source="a paper", reason="it was <not> said how")
    monkeypatch.setattr(LECTURE.topic(15), "numbers", lambda: [known])
    monkeypatch.setattr(show, "pictures", lambda book, number, out: True)
    command.main(["--only", "15", "--out", str(tmp_path)])
    assert "far off: it was <not> said how" in capsys.readouterr().out.splitlines()
    text = (tmp_path / "15-topological-order.html").read_text(encoding="utf-8")
    assert "<tr class=off><td>far off</td>" in text
    assert "<p>far off: it was &lt;not&gt; said how</p>" in text
    assert "<th>source</th>" in text


def test_a_reason_that_is_no_longer_needed_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(LECTURE.topic(15), "numbers", lambda: [shared.Row("so", 1.0, 1.0, reason="never")])
    monkeypatch.setattr(show, "pictures", lambda book, number, out: True)
    with pytest.raises(SystemExit, match="not as predicted: 15: so"):
        command.main(["--only", "15", "--out", str(tmp_path)])


def test_several_topics_make_the_index(tmp_path):
    rows = [shared.Row("a", 1.0, 1.0)]
    assert page.write(LECTURE, {1: rows, 15: rows}, tmp_path) == tmp_path / "index.html"
    text = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert re.findall(r'href="#(\d+)"', text) == re.findall(r'<section id="(\d+)"', text) == ["1", "15"]


def test_a_table_is_printed_and_saved(tmp_path, monkeypatch, capsys):
    rows = [{"optimizer": "SGD", "wins": "a, b"}, {"optimizer": "Momentum", "wins": "–"}]
    monkeypatch.setattr(LECTURE.topic(13), "report", lambda: rows)
    show.report(LECTURE, 13, tmp_path)
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


def test_a_topic_is_named_by_its_number_or_its_file():
    assert LECTURE.number("15") == LECTURE.number("topological_order") == 15


@pytest.mark.parametrize("bad", [["--only", "0"], ["--only", "16"], ["--only", "one"], ["--out", __file__]])
def test_bad_arguments_are_refused(bad, capsys):
    with pytest.raises(SystemExit):
        command.main(bad)
    assert capsys.readouterr().err.startswith("usage: python -m examples.lecture")
