"""The second step of drawing, from a Picture to a Layout. It takes the nodes, edges and clusters of a Picture
and gives each of them a place, in points: `arranging.arranged` runs the steps, and `geometry` holds the
dataclasses of the result. It knows the widths of texts, but no colours and no file formats.
"""
