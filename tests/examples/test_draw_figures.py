"""The pictures of docs/figures.md: each is on the page, and is drawn by the command."""

import re
from pathlib import Path

import numpy as np
import pytest

from optim import figures

image = pytest.importorskip("matplotlib.image")
from examples import draw_figures  # noqa: E402  # after Matplotlib

PAGE = Path(__file__).parents[2] / "docs" / "figures.md"


def test_the_page_shows_each_picture_and_names_each_function():
    text = PAGE.read_text(encoding="utf-8")
    shown = set(re.findall(r"\(figures/(\w+)\.png\)", text))
    assert shown == set(draw_figures.FIGURES)
    named = set(re.findall(r"\w+", text))
    assert set(figures.__all__) <= named


@pytest.mark.parametrize("name", ["along_step", "newton_cg"])
def test_it_is_drawn_light_and_dark(name, tmp_path):
    light = image.imread(draw_figures.draw_one(name, tmp_path, dpi=30))
    dark = image.imread(draw_figures.draw_one(name, tmp_path, dark=True, dpi=30))
    assert np.median(light) > 0.9
    assert np.median(dark[..., :3]) < 0.1
