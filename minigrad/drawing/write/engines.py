"""The engines that render a picture as PNG or PDF: Matplotlib with our own layout, or Graphviz by either of
its packages.

SVG, HTML, DOT, Mermaid and JSON need none of them. "builtin" is our own layout.
"""

from __future__ import annotations

import importlib
import importlib.util
import io
import shutil
from typing import Any

from minigrad.drawing.layout.geometry import Layout
from minigrad.drawing.picture import Picture
from minigrad.drawing.write.dot import dot
from minigrad.drawing.write.theme import Theme

__all__ = ["ENGINES", "available", "chosen", "rendered"]

ENGINES = ("auto", "builtin", "graphviz", "pygraphviz")
_REMEDY = {
    "graphviz": "install Graphviz, the program `dot` (Debian: apt-get install graphviz)",
    "pygraphviz": "pip install pygraphviz",
    "builtin": 'in the checkout of minigrad, pip install -e ".[plot]", which brings Matplotlib',
}


def available(engine: str) -> bool:
    """Whether this engine can write PNG and PDF here."""
    if engine == "graphviz":
        return importlib.util.find_spec("graphviz") is not None and shutil.which("dot") is not None
    return importlib.util.find_spec("matplotlib" if engine == "builtin" else engine) is not None


def chosen(engine: str, suffix: str) -> str:
    """The engine that draws a file with this suffix. "auto" is our own layout, which is the same on every
    machine; for PNG and PDF without Matplotlib it is Graphviz.

    Raises:
        RuntimeError: no engine that can draw it is installed; the message says what to install.
    """
    if engine == "auto":
        if suffix not in ("png", "pdf"):
            return "builtin"
        for one in ("builtin", "graphviz", "pygraphviz"):
            if available(one):
                return one
        raise RuntimeError(
            f"writing .{suffix} needs one of: {'; '.join(_REMEDY.values())}. .svg, .html, .dot, .mmd and "
            ".json need none of them."
        )
    if (engine != "builtin" or suffix in ("png", "pdf")) and not available(engine):
        raise RuntimeError(f"writing .{suffix} with engine={engine!r} needs it installed: {_REMEDY[engine]}.")
    return engine


def rendered(picture: Picture, layout: Layout, theme: str | Theme, suffix: str, engine: str) -> bytes:
    """The bytes of an "svg", "png" or "pdf" file, by `graphviz`, `pygraphviz` or `builtin` (Matplotlib)."""
    if engine == "graphviz":
        package: Any = importlib.import_module("graphviz")
        return bytes(package.Source(dot(picture, theme)).pipe(format=suffix))
    if engine == "pygraphviz":
        package = importlib.import_module("pygraphviz")
        graph = package.AGraph(string=dot(picture, theme))
        return bytes(graph.draw(format=suffix, prog="dot"))
    return _by_matplotlib(picture, layout, theme, suffix)


def _by_matplotlib(picture: Picture, layout: Layout, theme: str | Theme, suffix: str) -> bytes:
    from minigrad.drawing.write.figure import figure

    target = io.BytesIO()
    drawn: Any = figure(picture, layout, theme)
    drawn.savefig(target, format=suffix, facecolor=drawn.get_facecolor())
    return target.getvalue()
