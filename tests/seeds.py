"""Seeds that only `pytest -m further` draws: the default suite has enough of the same kind."""

import pytest

__all__ = ["further"]


def further(*values):
    """Parameters for `parametrize` whose tests are marked `further`.

    >>> [value.marks[0].name for value in further(3, 4)]
    ['further', 'further']
    """
    return [pytest.param(value, marks=pytest.mark.further) for value in values]
