"""Run `python -m examples.lab`."""

from __future__ import annotations

from collections.abc import Sequence

import examples.lab
from examples.command import folder, parser
from examples.lab import gallery, losses, topics
from optim import Lab

__all__ = ["canned", "main"]


def canned() -> Lab:
    """The page."""
    problems = [*losses.problems(), *gallery.problems()]
    return Lab("Optimizers at work", problems, topics.methods(), [*topics.presets(), *gallery.presets()])


def main(arguments: Sequence[str] | None = None) -> None:
    command = parser("examples.lab", examples.lab.__doc__)
    command.add_argument("--out", type=folder, default="runs/lab", help="folder for the page")
    options = command.parse_args(arguments)
    path = canned().save(options.out / "lab.html")
    print(f"page: {path} ({path.stat().st_size / 1000:.0f} kB)")


if __name__ == "__main__":
    main()
