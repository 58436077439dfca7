"""What results show in a notebook: tables and small curves in plain HTML, in the colours of the page around
them, so that they suit light and dark pages, the names of quantities as a textbook writes them, and the bar
of what takes long. All text is escaped here."""

from __future__ import annotations

import importlib
import math
import re
import sys
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

__all__ = ["html_curves", "html_table", "html_title", "progress_bar", "subscript", "symbol"]

_SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
_GREEK = {"alpha": "α", "beta": "β", "betas": "β", "gamma": "γ", "delta": "δ", "eps": "ε", "epsilon": "ε",
          "eta": "η", "lambda": "λ", "mu": "μ", "rho": "ρ", "sigma": "σ", "tau": "τ"}  # fmt: skip

_CELL = (
    "padding:2px 14px 2px 0;vertical-align:top;text-align:{};font-variant-numeric:tabular-nums;border:0;"
    "background:none"
)
_NARROW = ";white-space:nowrap"
_RULE = "1px solid color-mix(in srgb, currentColor 25%, transparent)"
_COLOURS = ("currentColor", "#2f86d6", "#d9782d")  # the two are readable on white and on black
_WIDTH, _HEIGHT, _LEFT, _PAD = 380, 130, 58, 10


def _escaped(text: str) -> str:  # as html.escape, whose module is slow to import
    for mark, name in (("&", "amp"), ("<", "lt"), (">", "gt"), ('"', "quot"), ("'", "#x27")):
        text = text.replace(mark, f"&{name};")
    return text


def html_title(text: str) -> str:
    return f'<div style="margin:4px 0;font-weight:600">{_escaped(text)}</div>'


def html_table(head: Sequence[str], rows: Sequence[Sequence[str]], last_is_total: bool = False) -> str:
    """An HTML table; columns of numbers are set to the right."""
    columns = [[row[i] for row in rows if row[i] not in ("", "…")] for i in range(len(head))]
    sides = ["right" if column and all(map(_is_number, column)) else "left" for column in columns]

    def line(cells: Sequence[str], tag: str, extra: str = "") -> str:
        parts = (
            f'<{tag} style="{_CELL.format(side)}{extra}{_NARROW if len(cell) < 40 else ""}">'
            f"{_escaped(cell)}</{tag}>"
            for cell, side in zip(cells, sides, strict=True)
        )
        return f'<tr style="background:none">{"".join(parts)}</tr>'

    lines = [line(head, "th", f";font-weight:600;border-bottom:{_RULE}")] if any(head) else []
    for i, row in enumerate(rows):
        total = last_is_total and i == len(rows) - 1
        lines.append(line(row, "td", f";border-top:{_RULE}" if total else ""))
    return f'<table style="border-collapse:collapse;color:inherit;font-size:inherit">{"".join(lines)}</table>'


def _is_number(text: str) -> bool:
    try:
        float(text.replace(",", ""))
    except ValueError:
        return False
    return True


def html_curves(curves: Mapping[Any, Any], linear: bool = False) -> str:
    """Up to three curves over 1, 2, … as a small SVG, on a logarithmic scale if they span a factor of 20."""
    found = {name: [float(v) for v in values] for name, values in curves.items()}
    finite = [v for values in found.values() for v in values if math.isfinite(v)]
    if not finite:
        return ""
    low, high = min(finite), max(finite)
    logarithmic = not linear and low > 0 and high > 20 * low
    scale = math.log if logarithmic else float
    span, most = scale(high) - scale(low), max(map(len, found.values()))

    def point(i: int, v: float) -> str:
        x = _LEFT + (_WIDTH - _LEFT - _PAD) * i / max(most - 1, 1)
        share = (scale(v) - scale(low)) / span if 0 < span < math.inf else 0.5
        return f"{x:.1f},{_HEIGHT - _PAD - (_HEIGHT - 2 * _PAD) * share:.1f}"

    parts = []
    for colour, values in zip(_COLOURS, found.values(), strict=False):
        for is_finite, run in groupby(enumerate(values), lambda pair: math.isfinite(pair[1])):
            points = [point(i, v) for i, v in run] if is_finite else []
            if len(points) == 1:
                points.append(points[0])
            if points:
                parts.append(
                    f'<polyline points="{" ".join(points)}" fill="none" stroke="{colour}" stroke-width="1.6" '
                    'stroke-linecap="round" stroke-linejoin="round"/>'
                )
    text = 'font-size="10" font-family="sans-serif" fill="currentColor" text-anchor="end"'
    parts.append(f'<text x="{_LEFT - 8}" y="{_PAD + 4}" {text}>{high:.3g}</text>')
    if span > 0:
        least = 0 if linear and abs(low) < 1e-9 * high else low
        parts.append(f'<text x="{_LEFT - 8}" y="{_HEIGHT - _PAD + 3}" {text}>{least:.3g}</text>')
    parts.append(
        f'<path d="M{_LEFT - 3},{_PAD}V{_HEIGHT - _PAD + 3}H{_WIDTH - _PAD}" fill="none" '
        'stroke="currentColor" stroke-opacity="0.3"/>'
    )
    legend = "".join(
        f'<span style="margin-right:14px;white-space:nowrap"><span style="color:{colour}">━</span> '
        f"{_escaped(name)}</span>"
        for colour, name in zip(_COLOURS, found, strict=False)
    )
    note = '<span style="opacity:.65">logarithmic</span>' if logarithmic else ""
    return (
        f'<div><svg width="{_WIDTH}" height="{_HEIGHT}" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        f'style="max-width:100%;height:auto;background:none">{"".join(parts)}</svg></div>'
        f'<div style="margin:0 0 6px {_LEFT - 3}px;font-size:smaller">{legend}{note}</div>'
    )


def subscript(number: int | str) -> str:
    """The digits of an index, set low.

    >>> "h" + subscript(12)
    'h₁₂'
    """
    return str(number).translate(_SUBSCRIPTS)


def symbol(name: str) -> str:
    """The name of a quantity in an update rule, as a textbook writes it.

    >>> [symbol(name) for name in ("betas_1", "m_hat", "v_max", "lr")]
    ['β₁', 'm̂', 'v_max', 'lr']
    """
    hat = name.endswith("_hat")
    stem = name.removesuffix("_hat")
    number = re.fullmatch(r"([A-Za-z]+)_?(\d+)", stem)
    index = subscript(int(number[2])) if number else ""
    stem = number[1] if number else stem
    stem = _GREEK.get(stem, stem)
    return (f"{stem}\u0302" if hat and len(stem) == 1 else f"{stem}_hat" if hat else stem) + index


def progress_bar(**options: Any) -> Any:
    """tqdm's bar: in a notebook its widget if ipywidgets can show it, for without that tqdm warns in red.
    Elsewhere it is the bar of terminals, which is imported faster."""
    widgets = "IPython" in sys.modules and importlib.import_module("importlib.util").find_spec("ipywidgets")
    return importlib.import_module("tqdm.auto" if widgets else "tqdm").tqdm(**options)
