"""The pictures of docs/drawing.md are drawn anew, alike each time, and say what they should."""

import xml.etree.ElementTree as ET

from examples import draw_graphs

SAID = {
    "neuron": ["o = tanh(n)", "grad -1.5", "= 0.7071"],
    "network": ["loss = mse_loss(z₁, y)", "∂z₀ = ∂h₀·(1 − h₀²)", "∂W₁ = h₀ᵀ @ ∂z₁", "layers.1"],
    "curvature": ["ḣ₀ = ż₀·(1 − h₀²)", "Hv(W₀) = xᵀ @ ∂ż₀"],
    "adam": ["m′ = β₁·m + (1 − β₁)·g", "w′ = w − step"],
    "cg": ["α = ‖r‖²/(dᵀHd)", "d′ = β·d − r′", "∇²f(w)·d"],
}


def test_the_five_pictures(tmp_path, capsys):
    for folder in ("once", "again"):
        draw_graphs.main(["--out", str(tmp_path / folder)])
    files = sorted(path.name for path in (tmp_path / "once").iterdir())
    assert files == sorted(
        f"{name}-{theme}.svg" for name in draw_graphs.PICTURES for theme in ("light", "dark")
    )
    for name in files:
        text = (tmp_path / "once" / name).read_text(encoding="utf-8")
        assert text == (tmp_path / "again" / name).read_text(encoding="utf-8")
        shown = {element.text for element in ET.fromstring(text).iter("{http://www.w3.org/2000/svg}text")}
        assert set(SAID[name.partition("-")[0]]) <= shown
