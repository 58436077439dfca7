"""The gallery of graphs: how large each picture may be, and that nothing in it overlaps or is cut off."""

import json
from pathlib import Path

import pytest

from examples import draw_graphs
from examples.graph_gallery import GALLERY
from minigrad.drawing.layout.boxes import box_lines
from minigrad.drawing.layout.text_width import printable
from minigrad.drawing.picture import lines_of
from tests.minigrad.test_drawing_layout import check
from tests.seeds import further

TARGETS = {
    "digits": (1000, 500), "mlp_13_layers": (1600, 1200), "residual_3": (1800, 700),
    "rnn_20_right": (2400, 700), "hv_two_layers": (1300, 1000),
}  # fmt: skip
SIZES = json.loads((Path(__file__).parent / "drawn_sizes.json").read_text())
ALL = {**draw_graphs.PICTURES, **GALLERY}


def test_every_graph_has_a_size():
    assert list(SIZES) == list(ALL)
    assert len(ALL) >= 40


@pytest.mark.parametrize("name", [*TARGETS, *further(*(name for name in ALL if name not in TARGETS))])
def test_a_picture_is_no_larger_than_it_was(name):
    drawing = ALL[name]()
    picture, layout = drawing.picture, drawing.layout
    for now, was in zip((layout.width, layout.height), SIZES[name], strict=True):
        assert now <= 1.05 * was + 20
    width, height = TARGETS.get(name, (layout.width, layout.height))
    assert layout.width <= width
    assert layout.height <= height
    check(picture, layout)
    for node in picture.nodes:
        whole = [printable(line) for line in lines_of(node, picture.show)]
        assert box_lines(node, picture.show) == whole, "no text is cut off"


def test_the_command_writes_all_sizes(tmp_path, monkeypatch):
    few = {name: GALLERY[name] for name in ("expression", "newton")}
    monkeypatch.setattr(draw_graphs, "GALLERY", few)
    monkeypatch.setattr(draw_graphs, "PICTURES", {})
    draw_graphs.main(["--all", "--out", str(tmp_path)])
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "expression-dark.svg", "expression-light.svg", "newton-dark.svg", "newton-light.svg", "sizes.json"
    ]  # fmt: skip
    assert json.loads((tmp_path / "sizes.json").read_text()) == {name: SIZES[name] for name in few}
