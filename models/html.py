"""The tables that results show in a notebook: plain HTML with the colours of the page around it.

All text is escaped here.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

__all__ = ["table_of"]

_CELL = "padding:2px 12px 2px 0;text-align:{};font-variant-numeric:tabular-nums;border:0;background:none"
_RULE = "1px solid color-mix(in srgb, currentColor 25%, transparent)"


def table_of(head: Sequence[str], rows: Sequence[Sequence[str]], last_is_total: bool = False) -> str:
    """An HTML table; columns of numbers are set to the right."""
    numbers = [
        all(row[i].replace(",", "").lstrip("-−")[:1].isdigit() for row in rows if row[i])
        for i in range(len(head))
    ]
    sides = ["right" if number else "left" for number in numbers]

    def line(cells: Sequence[str], tag: str, extra: str) -> str:
        return "".join(
            f'<{tag} style="{_CELL.format(side)}{extra}">{escape(cell)}</{tag}>'
            for cell, side in zip(cells, sides, strict=True)
        )

    lines = [f"<tr>{line(head, 'th', f';font-weight:600;border-bottom:{_RULE}')}</tr>"]
    for i, row in enumerate(rows):
        total = last_is_total and i == len(rows) - 1
        lines.append(
            f"<tr style='background:none'>{line(row, 'td', f';border-top:{_RULE}' if total else '')}</tr>"
        )
    return f'<table style="border-collapse:collapse;color:inherit">{"".join(lines)}</table>'
