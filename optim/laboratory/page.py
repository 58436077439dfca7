"""The page of the lab: what was printed, described and drawn, put into one file.

Its Content-Security-Policy allows its one script and its one style by their hashes, and no request.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Sequence
from functools import cached_property
from importlib import import_module, resources
from os import PathLike, fspath
from pathlib import Path
from string import Template
from typing import Any

from minigrad.extend import COLOURS, LIGHT, colours, data_text, entry, framed, policy, write_whole
from optim.base.first_order import FirstOrder
from optim.base.optimizer import Optimizer
from optim.laboratory.contents import Method, Preset, Problem, plain
from optim.laboratory.drawn import DrawnRule, drawn_rule
from optim.laboratory.printed import rule_script

__all__ = ["Lab"]

PIXELS = 780  # the height of the frame in a notebook
ENGINE = ("engine.js", "second_order.js")
PANELS = (
    "format.js", "plot.js", "landscape.js", "race.js", "controls.js", "inside.js", "model.js", "stability.js",
    "measures.js", "lab.js",
)  # fmt: skip


class Lab:
    """A page in which optimizers run on losses. `optim.lab` makes it. It shows itself in a notebook; `save`
    writes it, `show` opens it in the browser, and `html()` is its text.

    Args:
        title: of the page.
        problems: the losses to choose from.
        methods: the optimizers to choose from.
        presets: moments that the page can open; it opens the first one, or all methods on the first problem.
        steps: how far its slider goes.
    """

    @entry
    def __init__(
        self,
        title: str,
        problems: Sequence[Problem],
        methods: Sequence[tuple[Optimizer, Method]],
        presets: Sequence[Preset] = (),
        steps: int = 200,
    ) -> None:
        self.title, self.problems, self.presets, self.steps = title, list(problems), list(presets), steps
        self.methods = [method for _, method in methods]
        self._rules: dict[str, str] = {}
        self._drawings: dict[str, DrawnRule] = {}
        types: dict[str, type] = {}
        for optimizer, method in methods:
            if not isinstance(optimizer, FirstOrder):
                continue
            if types.setdefault(method.rule, type(optimizer)) is not type(optimizer):
                raise ValueError(
                    f"`lab(f, optimizers)`: two optimizers with different rules have the name "
                    f"{type(optimizer).__name__!r}. Rename one of their classes."
                )
            if method.rule not in self._rules:
                drawn, name = drawn_rule(optimizer), f"rule-{len(self._rules)}"
                self._drawings |= {name: drawn} | ({f"{name}-first": drawn.first} if drawn.first else {})
                at_first = drawn.first.unnamed if drawn.first else ()
                self._rules[method.rule] = rule_script(optimizer, drawn.unnamed, at_first)

    def html(self) -> str:
        """The page as text. It needs no other file and no network."""
        return self._page

    @entry
    def save(self, path: str | PathLike[str]) -> Path:
        """Write the page to a file whose name ends in .html, and return its path.

        Raises:
            ValueError: the name ends otherwise.
            OSError: there is no such folder, or no file can be written there.
        """
        target = Path(fspath(path))
        if target.suffix.lower() != ".html":
            raise ValueError(
                f"`Lab.save(path)` writes a page: its name must end in .html, got {target.name!r}."
            )
        write_whole("Lab.save(path)", target, self.html().encode())
        return target

    def show(self) -> Path:
        """Open the page in the browser, from a temporary file; say and return where that is."""
        handle, name = tempfile.mkstemp(".html", "minigrad-lab-")
        os.close(handle)
        path = self.save(name)
        print(f"The lab is in {path}")
        webbrowser: Any = import_module("webbrowser")  # is slow to import
        if not webbrowser.open(path.as_uri()):
            print("No browser could be opened; open that file in one.")
        return path

    def _repr_html_(self) -> str:
        return framed(self.html(), "The lab", PIXELS)

    def __repr__(self) -> str:
        names = ", ".join(method.label for method in self.methods)
        return f"<Lab of {names}; .show() opens it in the browser, .save('lab.html') writes it>"

    # The parts

    @cached_property
    def _page(self) -> str:
        style = "\n".join([colours(LIGHT), _line_colours(), _file("lab.css")])
        engine, panels = map(_script, ENGINE), map(_script, PANELS)
        script = "\n".join(['"use strict";\n{', *engine, self._programs(), "{", *panels, "}\n}\n"])
        rules = [f'<template id="{name}">{drawn.svg}</template>' for name, drawn in self._drawings.items()]
        data = {
            "title": self.title, "steps": self.steps, "problems": list(map(plain, self.problems)),
            "methods": list(map(plain, self.methods)), "presets": list(map(plain, self.presets)),
            "boxes": {name: drawn.boxes for name, drawn in self._drawings.items()},
        }  # fmt: skip
        return Template(_file("template.html")).substitute(
            policy=policy([script], [style]), style=style, script=script, rules="\n".join(rules),
            data=data_text(data),
        )  # fmt: skip

    def _programs(self) -> str:
        """The printed losses and rules. A loss is made anew for each walk, because it remembers a point."""
        problems = ",\n".join(f"() => ({problem.script})" for problem in self.problems)
        forwards = ",\n".join(problem.forward or "null" for problem in self.problems)
        rules = ",\n".join(f"{data_text(name)}: {script}" for name, script in self._rules.items())
        return _shortened(
            f"const PROBLEMS = [\n{problems}\n];\nconst FORWARDS = [\n{forwards}\n];\n"
            f"const RULES = {{\n{rules}\n}};"
        )


def _file(name: str) -> str:
    return resources.files("optim.laboratory").joinpath("viewer", name).read_text(encoding="utf-8")


def _script(name: str) -> str:
    return _shortened(_file(name))


def _shortened(script: str) -> str:
    """A script without comments, indentation, and spaces beside most operators: they are for readers of the
    source, and a third of its size. In our scripts no text goes over a line's end, and none holds two slashes
    after a space. A line with a text or a pattern in it keeps its spaces, and so do + and −: a + +b."""
    lines = (re.sub(r"(^| )//.*", "", line).strip() for line in script.splitlines())
    spaced = (line if re.search("[\"'`]|[(=,] ?/", line) else _SPACES.sub(r"\1", line) for line in lines)
    return "\n".join(filter(None, spaced))


_SPACES = re.compile(r" ?([=<>*?:;,{}()|&]+) ?")


def _line_colours() -> str:
    """The colours of the walks, those of the figures; on a dark page a little lighter."""
    light = " ".join(f"--walk-{i}: {colour};" for i, colour in enumerate(COLOURS))
    dark = " ".join(f"--walk-{i}: {_lighter(colour)};" for i, colour in enumerate(COLOURS))
    return (
        f":root {{ {light} }}\n"
        f"@media screen and (prefers-color-scheme: dark) {{ :root:not([data-theme=light]) {{ {dark} }} }}\n"
        f"@media screen {{ :root[data-theme=dark] {{ {dark} }} }}"
    )


def _lighter(colour: str) -> str:
    parts = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return "#" + "".join(f"{round(part + 0.35 * (255 - part)):02x}" for part in parts)
