"""The command that shows a book: numbers to the terminal, pictures and a page into a folder."""

import csv
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from examples import page, plotting
from examples.book import Book
from examples.command import folder, parser
from examples.shared import Row, table


def pictures(book: Book, number: int, out: Path) -> bool:
    """Save the picture of a topic for light and dark pages; False if Matplotlib is not installed."""
    try:
        plt = plotting.pyplot()
    except ImportError:
        return False
    for theme, colours in plotting.THEMES.items():
        with plt.rc_context(colours):
            fig = book.topic(number).draw(plt)
            fig.savefig(out / f"{book.file(number)}-{theme}.png")
            plt.close(fig)
    return True


def report(book: Book, number: int, out: Path) -> None:
    """Print the table of a topic that has one, and save it as CSV."""
    module = book.topic(number)
    rows = module.report() if hasattr(module, "report") else []
    if not rows:
        return
    lines = [list(rows[0]), *(list(row.values()) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
    path = out / f"{book.file(number)}.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(lines)
    print(f"table: {path}", flush=True)


def show(book: Book, arguments: Sequence[str] | None = None) -> None:
    """Run the command line of a book. Ends with an error if a number is not as it should be."""
    command = parser(book.package, import_module(book.package).__doc__)
    place = f"runs/{book.package.split('.')[-1]}"
    command.add_argument("--out", type=folder, default=place, help="folder for the pictures and the page")
    command.add_argument(
        "--only", type=book.number, metavar="NAME", help="one topic, by its number or its name"
    )
    options = command.parse_args(arguments)
    found: dict[int, list[Row]] = {}
    drawn = True
    for number in [options.only] if options.only else range(1, len(book.topics) + 1):
        print(f"{number}  {book.title(number)}", flush=True)
        found[number] = book.topic(number).numbers()
        print(table(found[number], book.beside), flush=True)
        report(book, number, options.out)
        drawn = drawn and pictures(book, number, options.out)
    print(f"page: {page.write(book, found, options.out)}" if drawn else plotting.MISSING)
    broken = [f"{n}: {row.what}" for n, rows in found.items() for row in rows if not row.as_known]
    if broken:
        raise SystemExit(f"not as {book.beside}: " + "; ".join(broken))
