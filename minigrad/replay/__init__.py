"""The fourth verb: a recorded graph printed as straight-line NumPy with reused buffers, and run again on new inputs."""

from minigrad.replay.compiled import Bound as Bound
from minigrad.replay.compiled import Compiled as Compiled
from minigrad.replay.compiled import Curvature as Curvature
from minigrad.replay.compiled import Gradient as Gradient
from minigrad.replay.compiled import compile as compile
from minigrad.replay.elementwise import Elementwise as Elementwise
from minigrad.replay.elementwise import recorded_rule as recorded_rule
from minigrad.replay.memory import aligned as aligned
from minigrad.replay.replays import Point as Point
