"""The width of a text without a font at hand, by the advance widths of DejaVu Sans, in thousandths of the
size.

Our files name Verdana and DejaVu Sans, which are equally wide, and then other sans serif fonts; nearly all
of these are narrower. So a box that is wide enough by this table hardly ever clips a text.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache

__all__ = ["FAMILY", "printable", "shortened", "width"]

FAMILY = "Verdana, 'DejaVu Sans', Geneva, sans-serif"

_ASCII = (
    318, 401, 460, 838, 636, 950, 780, 275, 390, 390, 500, 838, 318, 361, 318, 337, 636, 636, 636, 636, 636,
    636, 636, 636,
    636, 636, 337, 337, 838, 838, 838, 531, 1000, 684, 686, 698, 770, 632, 575, 775, 752, 295, 295, 656, 557,
    863, 748, 787,
    603, 787, 695, 635, 611, 732, 684, 989, 685, 611, 685, 390, 337, 390, 838, 500, 500, 613, 635, 550, 635,
    615, 352, 635,
    634, 278, 278, 579, 278, 974, 634, 612, 635, 635, 411, 521, 392, 634, 592, 818, 592, 592, 525, 636, 337,
    636, 838,
)  # fmt: skip
_OTHERS = {"×": 838, "·": 318, "−": 838, "∂": 517, "√": 637, "Σ": 632, "ᵀ": 385, "′": 227, "…": 1000,
           "→": 838, "²": 401, "³": 401, "∇": 684}  # fmt: skip


@lru_cache(maxsize=4096)
def _advance(c: str) -> int:
    code = ord(c)
    if 32 <= code < 127:
        return _ASCII[code - 32]
    if c in _OTHERS:
        return _OTHERS[c]
    kind = unicodedata.category(c)
    if kind in ("Mn", "Me", "Cf"):
        return 0  # such a sign is drawn over the letter before it, or not at all
    if 0x2070 <= code < 0x20A0:
        return 450  # superscripts and subscripts
    if code < 0x250:
        base = unicodedata.normalize("NFD", c)[0]
        return _ASCII[ord(base) - 32] + 100 if 32 <= ord(base) < 127 else 1100
    base = unicodedata.normalize("NFD", c)[0]
    if base != c and 32 <= ord(base) < 127:
        return _ASCII[ord(base) - 32]
    if 0x370 <= code < 0x530:
        return 700 if kind == "Ll" else 960
    if unicodedata.east_asian_width(c) in "WF" or code >= 0x1F000:
        return 1400
    return 1100


def width(text: str, size: float = 12.0, bold: bool = False) -> float:
    """The width of one line of `text`, in the unit of `size`.

    >>> round(width("tanh"), 1)
    27.3
    """
    return sum(map(_advance, text)) * size / 1000 * (1.12 if bold else 1.0)


def shortened(text: str, most: float, size: float = 12.0, bold: bool = False) -> str:
    """`text` as one line of at most this width. Signs that do not print become visible, and an end that does
    not fit becomes an ellipsis.

    >>> shortened("a very long name of something", 80)
    'a very long…'
    """
    text = printable(text[:400])
    if width(text, size, bold) <= most:
        return text
    left = most - width("…", size, bold)
    kept = []
    for c in text:
        left -= width(c, size, bold)
        if left < 0:
            break
        kept.append(c)
    return "".join(kept) + "…"


def printable(text: str) -> str:
    """`text` without line breaks, control characters, direction marks and lone surrogates, each replaced by a
    visible sign.

    >>> printable("a\\nb\\u202ec\\x00")
    'a↵b·c·'
    """
    if text.isprintable():
        return text
    return "".join(
        "↵" if c in "\n\r\x0b\x0c\x85\u2028\u2029" else " " if c in "\t\u00a0" else "·" if _hidden(c) else c
        for c in text
    )


def _hidden(c: str) -> bool:
    code = ord(c)
    return unicodedata.category(c) in ("Cc", "Cf", "Cs", "Co", "Cn") or code in (0xFFFE, 0xFFFF)
