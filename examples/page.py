"""The page of a book: one file that shows each topic's text, picture, numbers and the lines that made them.
It needs no network; the pictures lie beside it, one for light screens and one for dark ones.
"""

import html
import inspect
import re
from pathlib import Path

from examples.book import Book
from examples.shared import Row, cells, differing

STYLE = """
:root { color-scheme: light dark; --back: #fff; --text: #1c2430; --muted: #5b6675; --line: #d5dae1;
  --block: #f4f6f8; --accent: #0072b2; --bad: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --back: #0d1117; --text: #e8edf3; --muted: #9aa5b4;
  --line: #2c3542; --block: #161c25; --accent: #5aa9ec; --bad: #ff8a80; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 80rem; padding: 1.5rem 1rem 4rem; background: var(--back);
  color: var(--text); font: 1rem/1.55 system-ui, "Segoe UI", "DejaVu Sans", sans-serif; }
h1 { margin: 0; font-size: 1.9rem; } h2 { margin: 0 0 .75rem; font-size: 1.25rem; line-height: 1.3; }
a { color: var(--accent); } nav { columns: 15rem; margin: 1.5rem 0; }
nav a { display: block; padding: .1rem 0; }
section { border-top: 1px solid var(--line); padding: 2rem 0; } p { margin: 0 0 .9rem; max-width: 42rem; }
pre.formula { white-space: pre-wrap; }
pre { background: var(--block); border-radius: 6px; padding: .7rem .9rem; overflow-x: auto;
  margin: 0 0 .9rem; font: .85rem/1.5 ui-monospace, "DejaVu Sans Mono", monospace; }
code { font: .9em ui-monospace, "DejaVu Sans Mono", monospace; }
.wide { overflow-x: auto; } .wide img { display: block; width: 100%; min-width: 32rem; height: auto; }
table { border-collapse: collapse; font-size: .9rem; margin: 1rem 0; }
th, td { text-align: right; padding: .25rem .7rem .25rem 0; border-bottom: 1px solid var(--line);
  vertical-align: top; font-variant-numeric: tabular-nums; }
th { color: var(--muted); font-weight: 500; } th:first-child, td:first-child { text-align: left; }
.off td { color: var(--bad); } summary { cursor: pointer; color: var(--accent); margin: .5rem 0; }
th:first-child { min-width: 8.5rem; } .numbers td + td { white-space: nowrap; }
@media (max-width: 40rem) { table { font-size: .75rem; } th:first-child { min-width: 5.5rem; }
  th, td { padding-right: .45rem; } }
@media (min-width: 68rem) {
  .topic { display: grid; grid-template-columns: minmax(0, 5fr) minmax(0, 6fr); gap: 0 2.5rem; } }
"""


def prose(text: str) -> str:
    """Paragraphs of a docstring as HTML; indented ones are formulas."""
    blocks = []
    for block in html.escape(inspect.cleandoc(text), quote=False).split("\n\n"):
        if block.startswith("    "):
            blocks.append(f'<pre class="formula">{inspect.cleandoc(block)}</pre>')
        else:
            block = re.sub("`([^`]+)`", r"<code>\1</code>", block)
            blocks.append("<p>" + re.sub(r"\*([\w ]+)\*", r"<em>\1</em>", block) + "</p>")
    return "\n".join(blocks)


def grid(head: list[str], rows: list[list[str]], off: set[int] | None = None) -> str:
    """A table as HTML. With `off`, which rows to mark, it is a table of numbers, which stay on one line."""
    lines = ["<tr>" + "".join(f"<th>{html.escape(cell)}</th>" for cell in head) + "</tr>"]
    for i, row in enumerate(rows):
        cells = "".join(f"<td>{html.escape(cell)}</td>" for cell in row)
        lines.append(f"<tr{' class=off' if i in (off or ()) else ''}>{cells}</tr>")
    kind = "" if off is None else " class=numbers"
    return f'<div class="wide"><table{kind}>' + "\n".join(lines) + "</table></div>"


def section(book: Book, number: int, rows: list[Row]) -> str:
    """One topic as HTML."""
    module, file, title = book.topic(number), book.file(number), html.escape(book.title(number))
    head, *numbers = cells(rows, book.beside)
    numbers = [[row[0], *(cell.replace("-", "−") for cell in row[1:4]), *row[4:]] for row in numbers]
    off = {i for i, row in enumerate(rows) if not row.holds}
    reasons = "".join(f"<p>{html.escape(line)}</p>" for line in differing(rows))
    report = module.report() if hasattr(module, "report") else []
    whole = grid(list(report[0]), [list(row.values()) for row in report]) if report else ""
    lines = html.escape(inspect.getsource(module.numbers), quote=False)
    rest = html.escape(inspect.getsource(module).split('"""', 2)[2].strip(), quote=False)
    return f"""<section id="{number}"><h2>{number} · {title}</h2>
<div class="topic"><div>{prose(module.__doc__.split(chr(10), 1)[1])}</div>
<div><div class="wide"><picture><source media="(prefers-color-scheme: dark)" srcset="{file}-dark.png">
<img src="{file}-light.png" alt="{title}"></picture></div>
{grid(head, numbers, off)}{reasons}</div></div>
{whole}<details open><summary>The lines that made the numbers</summary><pre>{lines}</pre></details>
<details><summary>The whole script, {book.topics[number - 1]}.py</summary><pre>{rest}</pre></details>
</section>"""


def write(book: Book, found: dict[int, list[Row]], out: Path) -> Path:
    """Write the page of some topics, given their numbers, and return its path: index.html, or for a single
    topic a page with its name, so that the whole book stays."""
    links = "".join(f'<a href="#{n}">{n} · {html.escape(book.title(n).split(":")[0])}</a>' for n in found)
    opening = book.opening.format(sum(map(len, found.values())))
    text = f"""<!doctype html><html lang="en"><meta charset="utf-8"><title>{book.heading}</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><style>{STYLE}</style>
<h1>{book.heading}</h1><p>{opening}</p>
<nav>{links}</nav>
{"".join(section(book, n, rows) for n, rows in found.items())}</html>
"""
    path = out / ("index.html" if len(found) > 1 else f"{book.file(*found)}.html")
    path.write_text(text, encoding="utf-8")
    return path
