"""Drawing: the recorded graph as a picture. It knows the graph and nothing of models or optimizers.

`draw` runs its target and finds names, `graph` makes a Picture of the recorded graph, `layout` gives the
Picture its places, and `write` makes a text or a file of both. A `Drawing` runs the last two when they are
first needed. `viewer` is the page of the HTML format.
"""

from minigrad.drawing.draw import draw as draw
from minigrad.drawing.drawing import Drawing as Drawing
from minigrad.drawing.layout.geometry import Box as Box
from minigrad.drawing.layout.geometry import Layout as Layout
from minigrad.drawing.layout.geometry import Route as Route
from minigrad.drawing.picture import Cluster as Cluster
from minigrad.drawing.picture import Edge as Edge
from minigrad.drawing.picture import Node as Node
from minigrad.drawing.picture import Picture as Picture
from minigrad.drawing.picture import Visit as Visit
