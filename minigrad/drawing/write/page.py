"""What all our offline pages share: the policy under which they run, data as text in them, their colours, and
the frame in which a notebook shows one.

A page is one HTML file. Its Content-Security-Policy allows the scripts and styles that stand in it, each by
its hash, and no request.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from typing import Any

from minigrad.drawing.write.theme import LIGHT, PHASE_NAMES, THEMES, Theme

__all__ = ["LIGHT", "PAGE", "colours", "data_text", "framed", "policy"]


def policy(scripts: Sequence[str], styles: Sequence[str]) -> str:
    """The Content-Security-Policy of a page that holds these texts as its `<script>` and `<style>` elements.

    >>> "script-src 'sha256-" in policy(["let x;"], []), "style-src" in policy(["let x;"], [])
    (True, False)
    """
    allowed = [
        f"{kind}-src {' '.join(map(_hash, texts))}; "
        for kind, texts in (("script", scripts), ("style", styles))
        if texts
    ]
    return (
        f"default-src 'none'; img-src data:; {''.join(allowed)}base-uri 'none'; form-action 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    )


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def data_text(data: Any) -> str:
    """JSON that may stand inside a script element: ASCII, without characters that are markup in HTML.

    >>> data_text({"name": "</script>"})
    '{"name":"\\\\u003c/script\\\\u003e"}'
    """
    text = json.dumps(data, ensure_ascii=True, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def framed(page: str, title: str, height: float) -> str:
    """A page as an element of a notebook: a frame that runs the page's scripts and nothing else. It has no
    origin, so it reaches neither the notebook nor the network. A frontend that shows a notebook of others
    takes it out."""
    text = page.replace("&", "&amp;").replace("'", "&#39;")
    return (
        f"<iframe title='{title}' sandbox='allow-scripts allow-downloads' width='100%' "
        f"height='{round(height)}' style='border:0;display:block' srcdoc='{text}'></iframe>"
    )


# Colours


def colours(theme: Theme) -> str:
    """The colours of both themes as custom properties. The page follows the reader's system until it is told
    otherwise; a drawing with the dark theme starts dark, and a user's own theme takes the place of both."""
    own = theme not in THEMES.values()
    light, dark = (theme, theme) if own else (THEMES["light"], THEMES["dark"])
    return "\n".join([
        f":root {{ {_properties(light)} }}",
        "@media screen and (prefers-color-scheme: dark) "
        f"{{ :root:not([data-theme=light]) {{ {_properties(dark)} }} }}",
        f"@media screen {{ :root[data-theme=dark] {{ {_properties(dark)} }} }}",
        *(
            f".{phase} "
            f"{{ --fill: var(--{phase}-fill); --line: var(--{phase}-line); --dash: var(--{phase}-dash); }}"
            for phase in PHASE_NAMES
        ),
    ])  # fmt: skip


def _properties(theme: Theme) -> str:
    pairs = [
        ("background", theme.background), ("text", theme.text), ("muted", theme.muted), ("edge", theme.edge),
        ("frame", theme.frame), ("frame-fill", theme.frame_fill), ("parameter", theme.parameter),
        ("constant", theme.constant), ("scheme", "dark" if _is_dark(theme.background) else "light"),
    ]  # fmt: skip
    for phase, (fill, line, dash) in theme.phases.items():
        pairs += [(f"{phase}-fill", fill), (f"{phase}-line", line), (f"{phase}-dash", dash or "none")]
    return " ".join(f"--{name}: {_declared(value)};" for name, value in pairs)


def _declared(value: str) -> str:
    """A colour or a dash pattern of a Theme, checked so that it cannot end its declaration."""
    if not value or not all(c.isalnum() or c in "#(),.%/ -" for c in value):
        raise ValueError(f"`Theme(...)` for a page needs CSS colours and dash patterns, got {value!r}.")
    return value


def _is_dark(colour: str) -> bool:
    digits = colour.removeprefix("#")
    if len(digits) != 6 or any(c not in "0123456789abcdefABCDEF" for c in digits):
        return False
    return sum(int(digits[i : i + 2], 16) for i in (0, 2, 4)) < 3 * 128


PAGE = Theme(
    "page", "var(--background)", "var(--text)", "var(--muted)", "var(--edge)", "var(--frame)",
    "var(--frame-fill)", "var(--parameter)", "var(--constant)",
    {phase: (f"var(--{phase}-fill)", f"var(--{phase}-line)", "") for phase in PHASE_NAMES},
)  # fmt: skip
"""The theme of an SVG that stands in a page: its colours are the page's."""
