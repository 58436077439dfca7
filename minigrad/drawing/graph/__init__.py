"""The first step of drawing, from a recorded graph to a Picture. `collect` writes down everything that leads
to the given Tensors as plain data; `formulas` and `fold` make a smaller Picture of it, in which one box
stands for many operations. Of the three steps only this one knows Tensors; its Pictures have neither
places nor colours.
"""
