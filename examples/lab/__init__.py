"""The lab: one offline page in which optimizers run, with topics of the lecture and gallery as presets.

Drag the start, move the sliders, step forwards and backwards, and see every number of each step. The page
measures the numbers of a topic by its own run when the topic is opened, and shows them beside those that the
lecture derives or papers publish.

    python -m examples.lab                     the page runs/lab/lab.html
"""
