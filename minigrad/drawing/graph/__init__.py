"""The first step of drawing, from a recorded graph to a Picture. `collect` writes down everything that leads
to the given Tensors as plain data; `formulas` and `fold` make a smaller Picture of it, in which one box
stands for many operations. Only this step knows Tensors; what it gives are Pictures without places or
colours.
"""
