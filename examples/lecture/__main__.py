"""The command line of the lecture: numbers to the terminal, pictures and a page into a folder."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from examples import lecture, plotting
from examples.command import folder, parser
from examples.lecture import page
from examples.lecture.shared import table


def pictures(number: int, out: Path) -> bool:
    """Save the picture of a topic for light and dark pages; False if Matplotlib is not installed."""
    try:
        plt = plotting.pyplot()
    except ImportError:
        return False
    for theme, colours in page.THEMES.items():
        with plt.rc_context(colours):
            fig = lecture.topic(number).draw(plt)
            fig.savefig(out / f"{page.name(number)}-{theme}.png")
            plt.close(fig)
    return True


def report(number: int, out: Path) -> None:
    """Print the table of a topic that has one, and save it as CSV."""
    module = lecture.topic(number)
    rows = module.report() if hasattr(module, "report") else []
    if not rows:
        return
    lines = [list(rows[0]), *(list(row.values()) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
    path = out / f"{page.name(number)}.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(lines)
    print(f"table: {path}", flush=True)


def main(arguments: Sequence[str] | None = None) -> None:
    every = range(1, len(lecture.TOPICS) + 1)
    command = parser("examples.lecture", lecture.__doc__)
    command.add_argument(
        "--out", type=folder, default="runs/lecture", help="folder for the pictures and the page"
    )
    command.add_argument("--only", type=int, choices=every, metavar="N", help=f"one topic, 1 to {len(every)}")
    options = command.parse_args(arguments)
    found: dict[int, Any] = {}
    drawn = True
    for number in [options.only] if options.only else every:
        print(f"{number}  {page.title(number)}", flush=True)
        found[number] = lecture.topic(number).numbers()
        print(table(found[number]), flush=True)
        report(number, options.out)
        drawn = drawn and pictures(number, options.out)
    print(f"page: {page.write(found, options.out)}" if drawn else plotting.MISSING)
    broken = [f"{n}: {row.what}" for n, rows in found.items() for row in rows if not row.holds]
    if broken:
        raise SystemExit("not as predicted: " + "; ".join(broken))


if __name__ == "__main__":
    main()
