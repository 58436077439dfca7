"""The command line of the lecture."""

from collections.abc import Sequence

from examples.lecture import LECTURE
from examples.show import show


def main(arguments: Sequence[str] | None = None) -> None:
    show(LECTURE, arguments)


if __name__ == "__main__":
    main()
