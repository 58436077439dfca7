"""The command line of the gallery."""

from collections.abc import Sequence

from examples.gallery import GALLERY
from examples.show import show


def main(arguments: Sequence[str] | None = None) -> None:
    show(GALLERY, arguments)


if __name__ == "__main__":
    main()
