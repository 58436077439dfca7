"""A Drawing, which `draw` returns: the picture in every format. Folding and layout wait until they are
needed."""

from __future__ import annotations

import importlib
import json
import os
import tempfile
from collections.abc import Callable, Sequence
from functools import cached_property
from os import PathLike, fspath
from pathlib import Path
from typing import Any

from minigrad.drawing.graph.levels import FOLDS, PARAMETERS, folded, levels
from minigrad.drawing.layout.arranging import arranged
from minigrad.drawing.layout.geometry import Layout
from minigrad.drawing.picture import Picture, Program
from minigrad.drawing.write.as_json import to_dict
from minigrad.drawing.write.dot import dot
from minigrad.drawing.write.engines import ENGINES, chosen, rendered
from minigrad.drawing.write.mermaid import mermaid
from minigrad.drawing.write.page import framed
from minigrad.drawing.write.svg import svg
from minigrad.drawing.write.theme import Theme, theme_of
from minigrad.drawing.write.tree import tree
from minigrad.errors import entry
from minigrad.files import write_whole
from minigrad.habits import DRAWING
from minigrad.hints import add_hints, visible

__all__ = ["Drawing"]

IN_NOTEBOOK = 2_000_000  # characters of a page up to which a notebook keeps it; beyond, it shows the SVG
LOWEST, HIGHEST, AROUND = 420, 640, 200  # pixels: limits of a frame's height; the page's controls in it


class Drawing:
    """A drawn graph. It shows itself in a notebook, prints as a text tree, and saves by suffix.

    `svg`, `html`, `dot`, `mermaid`, `json` are texts; `graphviz` is the DOT text as a `graphviz.Source`.
    `full` is the picture of the whole graph and `picture` the folded one that is drawn; both are plain data.

    >>> from minigrad import Tensor, draw
    >>> x = Tensor(3.0, requires_grad=True, name="x")
    >>> print(draw(x * x + 1))
    u₁ + 1  (= 10, grad 1)
    └─ u₁ = x²  (= 9, grad 1)
       └─ x  (= 3, grad 6)
    """

    def __init__(
        self,
        full: Picture,
        *,
        fold: str | None = "auto",
        parameters: str = "inside",
        engine: str = "auto",
        theme: str | Theme = "light",
        program: Callable[[], Program] = Program,
    ) -> None:
        if engine not in ENGINES:
            raise ValueError(f"`draw(engine=...)` must be one of {', '.join(ENGINES)}, got {engine!r}.")
        if fold not in FOLDS:
            raise ValueError(f"`draw(fold=...)` must be one of {', '.join(map(str, FOLDS))}, got {fold!r}.")
        if parameters not in PARAMETERS:
            known = ", ".join(PARAMETERS)
            raise ValueError(f"`draw(parameters=...)` must be one of {known}, got {parameters!r}.")
        self.full, self.fold, self.parameters = full, fold, parameters
        self.engine, self.theme = engine, theme_of(theme)
        self._program = program

    @cached_property
    def picture(self) -> Picture:
        """The picture that is drawn: `full`, folded."""
        return folded(self.full, self.fold, self.parameters)

    @cached_property
    def layout(self) -> Layout:
        """The place of every box and edge in our own layout."""
        return arranged(self.picture)

    def views(self) -> list[tuple[str, Picture]]:
        """The picture at every level of detail that differs, from the most detailed, for viewers that can
        switch."""
        return levels(self.full, self.parameters)

    def themed(self, theme: str | Theme) -> Drawing:
        """The same drawing in other colours."""
        other = Drawing(
            self.full,
            fold=self.fold,
            parameters=self.parameters,
            engine=self.engine,
            theme=theme,
            program=self._program,
        )
        for part in ("picture", "layout"):  # colours change neither, so they are not computed again
            if part in self.__dict__:
                other.__dict__[part] = self.__dict__[part]
        return other

    # As text

    @property
    def svg(self) -> str:
        """SVG, by our own layout unless another engine was asked for."""
        engine = chosen(self.engine, "svg")
        if engine == "builtin":
            return svg(self.picture, self.layout, self.theme)
        return rendered(self.picture, Layout(), self.theme, "svg", engine).decode()

    @property
    def dot(self) -> str:
        """The graph in Graphviz' language."""
        return dot(self.picture, self.theme)

    @property
    def mermaid(self) -> str:
        """The graph as a Mermaid flowchart."""
        return mermaid(self.picture, self.theme)

    @property
    def json(self) -> str:
        """The picture as JSON; `minigrad.drawing.write.as_json.from_dict` makes a Picture of it again."""
        return json.dumps(to_dict(self.picture), ensure_ascii=True, indent=1)

    @property
    def html(self) -> str:
        """One offline page to look around in, and to play the backward pass."""
        return self._page(links=False)

    def _page(self, links: bool) -> str:
        viewer: Any = importlib.import_module("minigrad.drawing.write.html")
        return str(viewer.html(self.full, self.picture, self.views(), self.theme, self._program(), links))

    @property
    def graphviz(self) -> Any:
        """The DOT text as a `graphviz.Source`, for users of that package."""
        return importlib.import_module("graphviz").Source(self.dot)

    # On the screen and on the disk

    @entry
    def save(self, path: str | PathLike[str], *, links: bool = False) -> Path:
        """Write the picture to a file. Its suffix is the format: .svg .html .dot .gv .mmd .json .png .pdf

        A page says which line made a box, without its folder, if the graph was recorded in `trace_source()`.
        With `links` it has the paths of the files too, and a click opens the line in Visual Studio Code.

        Raises:
            ValueError: the suffix is none of these, or no page, and `links` is set.
            OSError: there is no such folder, or no file can be written there.
            RuntimeError: the suffix is .png or .pdf, and no package that could write it is installed.
        """
        target = Path(fspath(path))
        suffix = target.suffix.lower().removeprefix(".")
        if links and suffix != "html":
            raise ValueError(
                f"`Drawing.save(path, links=True)` needs the suffix .html, got {target.name!r}: only a page "
                "has links."
            )
        texts: dict[str, Callable[[], str]] = {
            "svg": lambda: self.svg, "html": lambda: self._page(links), "dot": lambda: self.dot,
            "gv": lambda: self.dot,
            "mmd": lambda: self.mermaid, "json": lambda: self.json,
        }  # fmt: skip
        if suffix in texts:
            data = texts[suffix]().encode("utf-8", "replace")
        elif suffix in ("png", "pdf"):
            engine = chosen(self.engine, suffix)
            layout = self.layout if engine == "builtin" else Layout()
            data = rendered(self.picture, layout, self.theme, suffix, engine)
        else:
            known = " ".join(f".{name}" for name in (*texts, "png", "pdf"))
            raise ValueError(f"`Drawing.save(path)` needs a suffix among {known}, got {target.name!r}.")
        write_whole("Drawing.save(path)", target, data)
        return target

    def show(self) -> Path:
        """Open the page `html` in the browser, from a temporary file; say and return where that is. Lines of
        the program are links."""
        handle, name = tempfile.mkstemp(".html", "minigrad-")
        os.close(handle)
        path = self.save(name, links=True)
        print(f"The drawing is in {path}")
        webbrowser: Any = importlib.import_module("webbrowser")  # is slow to import
        if not webbrowser.open(path.as_uri()):
            print("No browser could be opened; open that file in one.")
        return path

    def _repr_mimebundle_(
        self, include: Sequence[str] | None = None, exclude: Sequence[str] | None = None
    ) -> dict[str, str]:
        bundle = {"text/plain": str(self)}
        try:
            # as wide as the column at most: its natural width may be several screens
            bundle["image/svg+xml"] = self.svg.replace("<svg ", '<svg style="max-width:100%;height:auto" ', 1)
            page = self.html
            if len(page) <= IN_NOTEBOOK:
                high = min(max(self.layout.height + AROUND, LOWEST), HIGHEST)
                bundle["text/html"] = framed(page, "Computation graph", high)
        except Exception as error:  # a notebook should show something rather than fail
            bundle["text/plain"] += f"\n(no picture: {error})"
        return bundle

    def __dir__(self) -> list[str]:
        return visible(self)

    def __str__(self) -> str:
        try:
            return tree(self.picture)
        except Exception as error:  # a repr never raises
            return f"Drawing({len(self.full.nodes)} boxes; no text: {error})"

    def __repr__(self) -> str:
        return (
            f"<Drawing of {self.full.total:,} operations and leaves; .show() opens it in the browser, "
            ".save('graph.svg') writes it, print() shows it as text>"
        )


add_hints(Drawing, "a Drawing", DRAWING)
