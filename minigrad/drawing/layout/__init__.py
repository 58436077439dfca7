"""The second step of drawing, from a Picture to a Layout. It takes the nodes, edges and clusters of a Picture
and gives each of them a place, in points: `arranging.arranged` runs the steps, and `geometry` holds the
dataclasses of the result. It knows how wide a text is, and neither colours nor file formats.
"""
