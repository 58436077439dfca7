"""The numbers of the rows: each file draws its own, so that a new row in one changes no other."""

import numpy as np


def drawing(seed):
    """`r(*shape, low, high)`: random numbers in [low, high] away from ties and from the ends."""
    uniform = np.random.default_rng(seed).uniform

    def r(*shape, low=-2.0, high=2.0):
        return uniform(low + 0.05, high - 0.05, shape)

    return r
