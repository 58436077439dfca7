"""Seeds that only `pytest -m further` draws: the default suite has enough of the same kind."""

import pytest

__all__ = ["further"]


def further(*values):
    """Parameters for `parametrize` whose tests are marked `further`; a tuple is one for several names.

    >>> [value.marks[0].name for value in further(3, 4)]
    ['further', 'further']
    """
    rows = [value if isinstance(value, tuple) else (value,) for value in values]
    return [pytest.param(*row, marks=pytest.mark.further) for row in rows]
